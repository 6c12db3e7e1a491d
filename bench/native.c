/* Runs a loop natively: prints the checksum and the nanoseconds. usage: PROGRAM ROUNDS */
#include "loops/loops.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
    unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], 0, 0) : 1;
    uint64_t start = now(), sum = bench_run(n), end = now();
    printf("sum %llx ns %llu\n", (unsigned long long)sum, (unsigned long long)(end - start));
    return 0;
}
