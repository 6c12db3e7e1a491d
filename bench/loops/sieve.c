/* Sieve of Eratosthenes over 64 Ki numbers. */
#include "loops.h"

static uint8_t composite[65536];

uint64_t bench_run(unsigned n)
{
    uint64_t primes = 0;
    while (n--) {
        for (unsigned i = 0; i < sizeof(composite); i++)
            composite[i] = 0;
        for (unsigned i = 2; i < sizeof(composite); i++) {
            if (composite[i])
                continue;
            primes++;
            for (unsigned j = 2 * i; j < sizeof(composite); j += i)
                composite[j] = 1;
        }
    }
    return primes;
}
