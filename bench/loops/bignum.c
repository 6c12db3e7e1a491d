/* Schoolbook products of numbers of 32 words of 64 bits: 64 by 64 to 128 bits, carries. */
#include "loops.h"

#define WORDS 32

static uint64_t a[WORDS], b[WORDS], product[2 * WORDS];

static void multiply(void)
{
    for (unsigned i = 0; i < 2 * WORDS; i++)
        product[i] = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; j < WORDS; j++) {
            unsigned __int128 t = (unsigned __int128)a[i] * b[j] + product[i + j] + carry;
            product[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        product[i + WORDS] = carry;
    }
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < WORDS; i++) {
        a[i] = 0x9e3779b97f4a7c15u * (i + 1);
        b[i] = 0xc2b2ae3d27d4eb4fu * (i + 3);
    }
    for (unsigned r = 0; r < n * 100; r++) {
        multiply();
        for (unsigned i = 0; i < WORDS; i++)
            a[i] = product[i + WORDS / 2] | 1;
        sum = sum * 31 + product[WORDS];
    }
    return sum;
}
