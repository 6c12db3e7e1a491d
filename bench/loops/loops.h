/* The six integer loops: the same source natively, on vibevmm and on the peer. Freestanding, no library, no floating point. */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stdint.h>

/* Runs n rounds; returns a checksum that has to be the same everywhere. */
uint64_t bench_run(unsigned n);

#endif
