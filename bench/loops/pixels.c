/* Rows of 8-bit pixels, as compilers vectorise them: a weighted blend, a sum with saturation, the sum of absolute differences. */
#include "loops.h"

enum { LEN = 16384 };
static uint8_t a[LEN], b[LEN], out[LEN];

static void blend(unsigned weight)
{
    for (unsigned i = 0; i < LEN; i++)
        out[i] = (uint8_t)((a[i] * weight + b[i] * (256 - weight) + 128) >> 8);
}

static void brighten(void)
{
    for (unsigned i = 0; i < LEN; i++) {
        const unsigned sum = out[i] + (b[i] >> 2);
        a[i] = (uint8_t)(sum > 255 ? 255 : sum);
    }
}

static uint32_t differences(void)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < LEN; i++)
        sum += (uint32_t)(a[i] > b[i] ? a[i] - b[i] : b[i] - a[i]);
    return sum;
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < LEN; i++) {
        a[i] = (uint8_t)(i * 7 + (i >> 8));
        b[i] = (uint8_t)(i * 13 + (i >> 5));
    }
    for (unsigned i = 0; i < n; i++) {
        blend(i & 255);
        brighten();
        sum = sum * 31 + differences();
    }
    return sum;
}
