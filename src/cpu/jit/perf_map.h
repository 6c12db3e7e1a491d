/* Names of translated code for Linux's perf: --perf-map. */
#ifndef VIBE_CPU_JIT_PERF_MAP_H
#define VIBE_CPU_JIT_PERF_MAP_H

#include "base/types.h"

#include <stddef.h>

/* Code of len bytes that is what the guest has at va, at exception level el. Any thread; what can't be written is a warning, once. */
void perf_map_add(const void *code, size_t len, gva_t va, unsigned el);

#endif
