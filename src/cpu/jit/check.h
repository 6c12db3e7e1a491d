/* Comparing translated code with the interpreter while a guest runs. */
#ifndef VIBE_CPU_JIT_CHECK_H
#define VIBE_CPU_JIT_CHECK_H

#include "base/types.h"

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct jit_check;
struct tlb_view;

struct jit_check *jit_check_create(void);
void jit_check_destroy(struct jit_check *k);

/* Around a run of translated code from st.pc. done: the instructions that it did; left: by cpu.leave. A difference is our bug. */
void jit_check_before(struct cpu *c);
void jit_check_after(struct cpu *c, uint64_t done, bool left);

/* From tlb_translate(): memory was found. False: not now, as if there were none. */
bool jit_check_translated(struct cpu *c, gva_t va, bool write, const struct tlb_view *v);

#endif
