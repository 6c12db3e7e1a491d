/* The recursive Fibonacci function: calls and returns. */
#include "loops.h"

static __attribute__((noinline)) uint64_t fibonacci(unsigned n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    while (n--)
        sum = sum * 3 + fibonacci(22 + (n & 1));
    return sum;
}
