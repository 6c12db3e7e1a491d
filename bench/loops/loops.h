/* The loops: the same source natively, on vibevmm and on the peer. Freestanding, no library; floating point in nbody.c and matmul.c, vectors
 * of integers in pixels.c. */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stdint.h>

/* Runs n rounds; returns a checksum that has to be the same everywhere. */
uint64_t bench_run(unsigned n);

#endif
