/* Vectors of integers, as compilers vectorise them: shifts and xors, comparisons that choose, products of 16 bits added up in 32. */
#include "loops.h"

enum { LEN = 4096 };
static uint32_t state[LEN];
static int16_t a[LEN], b[LEN];

static void step(void)
{
    for (unsigned i = 0; i < LEN; i++) {
        uint32_t x = state[i];
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        state[i] = x;
    }
}

static void clip(int16_t low, int16_t high)
{
    for (unsigned i = 0; i < LEN; i++) {
        int16_t v = (int16_t)(a[i] + b[i]);
        v = v < low ? low : v;
        a[i] = v > high ? high : v;
    }
}

static int32_t dot(void)
{
    int32_t sum = 0;

    for (unsigned i = 0; i < LEN; i++)
        sum += a[i] * b[i];
    return sum;
}

static uint32_t count(uint32_t limit)
{
    uint32_t nr = 0;

    for (unsigned i = 0; i < LEN; i++)
        nr += (int32_t)(state[i] & 0xffffff) > (int32_t)limit;
    return nr;
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < LEN; i++) {
        state[i] = i * 2654435761u + 1;
        a[i] = (int16_t)(i * 7 % 201 - 100);
        b[i] = (int16_t)(i * 5 % 101 - 50);
    }
    for (unsigned r = 0; r < n * 4; r++) {
        step();
        clip((int16_t)(-200 - (int)(r & 15)), (int16_t)(200 + (r & 7)));
        sum = sum * 31 + (uint32_t)dot() + count((r & 15) << 19);
    }
    return sum;
}
