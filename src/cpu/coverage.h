/* The addresses at which instructions have been run. Owner thread; read by others once it is done. */
#ifndef VIBE_CPU_COVERAGE_H
#define VIBE_CPU_COVERAGE_H

#include "base/types.h"

#include <stdbool.h>

struct coverage;

/* Null when out of memory. */
struct coverage *coverage_create(void);
void coverage_destroy(struct coverage *v); /* null is fine */

/* An instruction at va, a multiple of 4. */
void coverage_note(struct coverage *v, gva_t va);
bool coverage_has(const struct coverage *v, gva_t va);
/* Pages of 4 KiB that there was no room for: a guest may run code at more addresses than is sensible. */
uint64_t coverage_lost(const struct coverage *v);

#endif
