/* A translation in words: which tables, each descriptor taken apart, and who may do what at the end. Pure but for what the walk reads; any thread.
 *
 * Specification: DDI 0487, "The AArch64 Virtual Memory System Architecture". */
#ifndef VIBE_DBG_PAGEWALK_H
#define VIBE_DBG_PAGEWALK_H

#include "arch/walk.h"

#include <stdio.h>

/* regime: SCTLR, TCR, TTBRs and MAIR are looked at. place tells what lies at a physical address, or null. */
void pagewalk_print(FILE *f, const struct pe_state *regime, const struct walk_mem *m, gva_t va,
                    const char *(*place)(void *opaque, gpa_t gpa), void *opaque);

#endif
