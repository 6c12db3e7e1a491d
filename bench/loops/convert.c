/* Between integers of 32 and 64 bits, singles and doubles; all within range. */
#include "loops.h"

enum { LEN = 4096 };
static int32_t small[LEN];
static int64_t large[LEN];
static float singles[LEN];
static double doubles[LEN];

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;
    uint32_t seed = 1;

    for (unsigned i = 0; i < LEN; i++) {
        seed = seed * 1664525u + 1013904223u;
        small[i] = (int32_t)seed >> 8;
        large[i] = (int64_t)(int32_t)seed * 1000;
    }
    for (unsigned r = 0; r < n * 4; r++) {
        for (unsigned i = 0; i < LEN; i++) {
            doubles[i] = (double)small[i] * 0.75;
            singles[i] = (float)large[i] * 0.5f;
        }
        for (unsigned i = 0; i < LEN; i++) {
            large[i] = (int64_t)((double)large[i] * 0.5 + doubles[i]);
            small[i] = (int32_t)doubles[i] + (int32_t)(singles[i] * 0.0001f);
            sum += (uint64_t)large[i] ^ (uint32_t)small[i];
        }
    }
    return sum;
}
