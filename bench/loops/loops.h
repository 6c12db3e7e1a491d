/* The loops: the same source natively, on vibevmm and on the peer. Freestanding, no library. aes.c, sha256i.c and crc32i.c use each
 * architecture's own instructions for it. */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stdint.h>

/* Runs n rounds; returns a checksum that has to be the same everywhere. */
uint64_t bench_run(unsigned n);

#endif
