/* Matrices of 64 by 64 singles, four columns at a time in vectors: loads, products by a scalar, sums. */
#include "loops.h"

#define N 64

typedef float v4 __attribute__((vector_size(16)));

static float a[N][N];
static v4 b[N][N / 4], r[N][N / 4];

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < N; i++)
        for (unsigned j = 0; j < N; j++) {
            a[i][j] = (float)(i * 7 % 11) * 0.125f + 0.3f;
            b[i][j / 4][j % 4] = (float)(j * 5 % 13) * 0.25f - 0.7f;
        }
    while (n--) {
        for (unsigned i = 0; i < N; i++)
            for (unsigned j = 0; j < N / 4; j++) {
                v4 t = {0};
                for (unsigned k = 0; k < N; k++)
                    t += a[i][k] * b[k][j];
                r[i][j] = t;
            }
        for (unsigned i = 0; i < N; i++)
            a[i][i] = r[i][i / 4][i % 4] * 0.015625f;
    }
    for (unsigned i = 0; i < N; i++)
        for (unsigned j = 0; j < N; j++)
            sum = sum * 31 + (uint64_t)(int64_t)(r[i][j / 4][j % 4] * 65536.0f);
    return sum;
}
