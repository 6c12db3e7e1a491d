/* Samples by basic block: runs of instructions that are entered at their first alone, as far as the code around them tells.
 * Main thread, while no vCPU runs. */
#ifndef VIBE_DBG_PROFILE_BLOCKS_H
#define VIBE_DBG_PROFILE_BLOCKS_H

#include "base/types.h"
#include "load/symbols.h"

#include <stdbool.h>
#include <stddef.h>

struct profile;
struct profile_blocks;

struct profile_block {
    gva_t first, last; /* instructions */
    uint64_t samples;
};

/* Null when out of memory. A symbol begins a block. */
struct profile_blocks *profile_blocks_create(const struct symbols *syms);
void profile_blocks_destroy(struct profile_blocks *b); /* null is fine */

/* Samples at pc, whose code p has kept. What there is no memory for is left out. */
void profile_blocks_add(struct profile_blocks *b, const struct profile *p, gva_t pc, uint64_t samples);

/* The n-th, most samples first; false: there are no more. */
bool profile_blocks_get(struct profile_blocks *b, size_t n, struct profile_block *block);

#endif
