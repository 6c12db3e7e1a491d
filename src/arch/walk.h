/* Stage 1 address translation (DDI 0487, "The AArch64 Virtual Memory System Architecture").
 *
 * Pure but for the memory reads and the access-flag and dirty-state updates, which go through a callback struct. The walk
 * is the same for loads, stores, fetches, AT instructions and the fault explanation, which asks for a step-by-step record. */
#ifndef VIBE_ARCH_WALK_H
#define VIBE_ARCH_WALK_H

#include "arch/state.h"

enum walk_access { WALK_READ, WALK_WRITE, WALK_FETCH };

struct walk_mem {
    void *opaque;
    /* A naturally aligned 64-bit descriptor; false where there is no memory (external abort on walk). */
    bool (*load)(void *opaque, gpa_t gpa, uint64_t *desc);
    /* Compare-and-swap of a descriptor for hardware AF and dirty state: 1 swapped, 0 changed meanwhile (walk again), -1 no memory. */
    int (*cas)(void *opaque, gpa_t gpa, uint64_t expected, uint64_t desired);
};

/* One descriptor fetch, for the explanation. */
struct walk_step {
    int level;      /* -1 (52-bit with 4K, if ever) to 3 */
    gpa_t desc_gpa; /* where the descriptor lies */
    uint64_t desc;
    const char *kind; /* "table", "block", "page", "invalid", "reserved" */
};
#define WALK_MAX_STEPS 5

#define WALK_LAST_LEVEL 3

/* A table that a walk came to, and what those above it took away. A TLB may hold it until it is told otherwise (DDI 0487, "Caching of translation table
 * walks"). */
struct walk_table {
    gpa_t gpa;
    int level;
    bool no_el0, no_write, uxn, pxn;
};

struct walk_result {
    bool ok;
    /* Valid when ok. */
    gpa_t pa;          /* of the address asked for */
    uint64_t page_len; /* bytes of the smallest unit that maps alike: granule, block, or contiguous run; 4096 with the MMU off */
    bool can_read, can_write, can_fetch; /* for the EL and PAN/UAO state that were asked for */
    bool writable_dirty;                 /* a store needs no further hardware dirty update */
    bool updates;            /* AF or dirty state is set for it; with no_update: is to be */
    bool global;             /* not tagged with the ASID (nG = 0) */
    bool guarded;            /* GP: BTI applies */
    bool device;             /* Device memory: alignment is checked */
    uint8_t attr;            /* the MAIR byte */
    uint8_t shareability;    /* PAR_EL1.SH */
    struct walk_table table; /* in which the leaf is; level 0 with the MMU off */
    /* Valid when not ok. */
    uint8_t fsc; /* fault status code with the level */
    bool s1ptw;  /* stage 2 only; always false for now */
    /* Always valid. */
    unsigned nr_steps;
    struct walk_step step[WALK_MAX_STEPS];
};

struct walk_request {
    gva_t va;
    enum walk_access access;
    bool el0;                      /* check as an EL0 access (EL0 itself, LDTR/STTR, AT S1E0*) */
    bool pan;                      /* PSTATE.PAN counts: false for EL0, for fetches */
    const struct walk_table *from; /* where an earlier walk for this va came to, under the same TTBRn_EL1 and TCR_EL1; null: begin with TTBRn_EL1 */
    bool no_update; /* AT, debugger: hardware AF/dirty updates are not made (the AF bit counts as the architecture says for AT) */
};

/* Translates under the EL1&0 regime of s: SCTLR_EL1, TCR_EL1, TTBRn_EL1, MAIR_EL1. With SCTLR_EL1.M = 0 it is the identity, Device-nGnRnE
 * for data, and an address beyond the implemented size is an address size fault at level 0. */
void walk_el10(const struct pe_state *s, const struct walk_mem *m, const struct walk_request *rq,
               struct walk_result *res);

/* AArch64.EffectiveTBI, for the half that va<55> selects. */
bool walk_ignores_top(uint64_t tcr, gva_t va, bool fetch);

/* The address with a tag byte removed as TBI says for va (and for instruction fetch TBID): what goes to FAR is still va. */
static inline gva_t walk_strip_tag(const struct pe_state *s, gva_t va, bool fetch)
{
    const gva_t bare = (gva_t)sext(va, 56);
    return likely(bare == va) || walk_ignores_top(SYS(s, TCR_EL1), va, fetch) ? bare : va;
}

/* The implemented physical address size, bits: what ID_AA64MMFR0_EL1.PARange says (FEAT_LPA). More than 48 can be reached
 * with the MMU off and with the 64 KB granule only. */
#define WALK_PA_BITS 52

#endif
