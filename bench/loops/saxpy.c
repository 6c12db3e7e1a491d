/* y = a x + y in singles, as compilers vectorise it. */
#include "loops.h"

enum { LEN = 4096 };
static float x[LEN], y[LEN];

static void saxpy(float a)
{
    for (unsigned i = 0; i < LEN; i++)
        y[i] = a * x[i] + y[i];
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < LEN; i++) {
        x[i] = (float)(i * 7 % 11) * 0.125f;
        y[i] = (float)(i * 5 % 13) * 0.25f;
    }
    for (unsigned r = 0; r < n * 32; r++)
        saxpy(r & 1 ? 0.5f : -0.4375f);
    for (unsigned i = 0; i < LEN; i++)
        sum = sum * 31 + (uint64_t)(int64_t)(y[i] * 16.0f);
    return sum;
}
