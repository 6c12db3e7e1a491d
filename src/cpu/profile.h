/* Samples of where a vCPU is, after exact numbers of instructions: its calls, by the frame records that x29 leads to (IHI 0055, "The Frame Pointer").
 * Owner thread; read by others once it is done. */
#ifndef VIBE_CPU_PROFILE_H
#define VIBE_CPU_PROFILE_H

#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>

struct cpu;
struct profile;

#define PROFILE_MAX_DEPTH 64u

/* Null when out of memory. index: samples of several vCPUs do not fall together. */
struct profile *profile_create(uint64_t period, unsigned index);
void profile_destroy(struct profile *p); /* null is fine */

/* Takes the sample that is due, if one is; at which cpu.nr_insns the next one is. */
uint64_t profile_due(struct profile *p, struct cpu *c);

/* One stack, seen so often. */
struct profile_stack {
    uint64_t count;
    unsigned el;
    gva_t lr; /* X30, which may be the caller of a function that has no frame record yet, or any more */
    unsigned depth;              /* of pc[]: at least 1 */
    gva_t pc[PROFILE_MAX_DEPTH]; /* where it was, and the return addresses, innermost first */
};

/* The n-th of the stacks, in the order in which they came up first; false: there are no more. */
bool profile_stack(const struct profile *p, size_t n, struct profile_stack *s);
/* The words of the page of va (4 KiB) as they were when it was first seen in a sample; null: it never was. */
const uint32_t *profile_code(const struct profile *p, gva_t page);
/* Samples that there was no room for. */
uint64_t profile_lost(const struct profile *p);

#endif
