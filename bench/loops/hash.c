/* An open-addressing hash table: inserts, look-ups. */
#include "loops.h"

enum { SLOTS = 32768 };
static uint64_t key[SLOTS], value[SLOTS];

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static uint64_t *find(uint64_t k)
{
    unsigned i = (unsigned)mix(k) % SLOTS;
    while (key[i] && key[i] != k)
        i = (i + 1) % SLOTS;
    key[i] = k;
    return &value[i];
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;
    while (n--) {
        for (unsigned i = 0; i < SLOTS; i++)
            key[i] = value[i] = 0;
        for (uint64_t i = 1; i <= 3 * SLOTS; i++)
            *find(mix(i % (SLOTS / 2)) | 1) += i;
        for (uint64_t i = 1; i < SLOTS / 2; i++)
            sum += *find(mix(i) | 1);
    }
    return sum;
}
