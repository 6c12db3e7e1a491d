/* Quicksort with a comparison through a function pointer. */
#include "loops.h"

static uint32_t data[16384];

static int less(uint32_t a, uint32_t b)
{
    return a < b;
}

static void sort(uint32_t *a, long lo, long hi, int (*before)(uint32_t, uint32_t))
{
    while (lo < hi) {
        uint32_t pivot = a[(lo + hi) / 2];
        long i = lo, j = hi;
        while (i <= j) {
            while (before(a[i], pivot))
                i++;
            while (before(pivot, a[j]))
                j--;
            if (i <= j) {
                uint32_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        sort(a, lo, j, before);
        lo = i;
    }
}

uint64_t bench_run(unsigned n)
{
    int (*volatile before)(uint32_t, uint32_t) = less;
    uint64_t sum = 0;
    uint32_t seed = 1;
    const unsigned len = sizeof(data) / sizeof(data[0]);
    while (n--) {
        for (unsigned i = 0; i < len; i++)
            data[i] = seed = seed * 1664525u + 1013904223u;
        sort(data, 0, (long)len - 1, before);
        for (unsigned i = 0; i < len; i++)
            sum = sum * 31 + data[i];
    }
    return sum;
}
