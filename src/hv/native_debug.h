/* What the native backends' set_debug() and set_step() have in common: a CPU's breakpoint and watchpoint registers, steps that no interrupt comes into,
 * exceptions that are the guest's after all. vCPU's thread.
 *
 * Specification: DDI 0487, "AArch64 Self-hosted Debug". */
#ifndef VIBE_HV_NATIVE_DEBUG_H
#define VIBE_HV_NATIVE_DEBUG_H

#include "arch/exception.h"
#include "hv/emulate.h"
#include "hv/hv.h"

#define DEBUG_MAX_REGS 16u

/* DBGBVRn_EL1, DBGBCRn_EL1, DBGWVRn_EL1, DBGWCRn_EL1; those beyond nr are 0. */
struct debug_regs {
    unsigned nr_breaks, nr_watches;
    uint64_t bvr[DEBUG_MAX_REGS], bcr[DEBUG_MAX_REGS];
    uint64_t wvr[DEBUG_MAX_REGS], wcr[DEBUG_MAX_REGS];
};

/* For EL1 and EL0, in a CPU that has so many of each, at most DEBUG_MAX_REGS. 0, or -ENOTSUP: no hardware does that, or there is not enough of it. */
int debug_regs_make(struct debug_regs *r, const struct debug_points *p, unsigned max_breaks,
                    unsigned max_watches, struct err *e);

/* What stopped a vCPU, and how it goes on from there. Zeroed is the state after creation. */
struct native_debug {
    struct debug_regs regs;
    bool step;      /* set_step() */
    bool step_done; /* run() ended for another reason with that step done: the next one tells */
    bool passing;   /* the next run passes what it ended at, passed_pc */
    gva_t passed_pc;
    bool in_step; /* one is under way, from step_pc */
    gva_t step_pc;
    uint32_t step_word;  /* the instruction there; 0: unknown */
    uint64_t step_masks; /* PSTATE's A, I and F before it */
};

static inline bool native_debug_used(const struct native_debug *d)
{
    return d->regs.nr_breaks || d->regs.nr_watches || d->step || d->passing || d->in_step;
}

static inline void native_debug_set_step(struct native_debug *d, bool on)
{
    d->step = on;
    d->step_done &= on;
}

/* PC was written: wherever that is, it is meant to be executed from there. */
static inline void native_debug_moved(struct native_debug *d)
{
    d->passing = d->step_done = false;
}

static inline void native_debug_reset(struct native_debug *d)
{
    d->in_step = d->passing = d->step_done = false;
}

enum native_entry {
    NATIVE_RUN,
    NATIVE_STEP, /* the guest is to do one instruction, before which no interrupt comes: PSTATE masks them all */
    NATIVE_DONE, /* the step is done: one of a WFI or WFE, or step_done */
};
/* Before the guest is entered. 0 or -errno. */
int native_debug_enter(struct native_debug *d, struct emulator *m, const struct hv_backend *hv,
                       struct hv_vcpu *v, enum native_entry *how);
/* The step is over: PSTATE, and what the instruction or its exception has read of it, as if nothing had been masked. */
int native_debug_end_step(struct native_debug *d, const struct hv_backend *hv, struct hv_vcpu *v);
/* run() ends for another reason than the step that is under way, whose instruction is done, or is given up to be begun anew. */
int native_debug_leave(struct native_debug *d, const struct hv_backend *hv, struct hv_vcpu *v, bool done);

/* Enters an exception of EL1. */
int native_inject(const struct hv_backend *hv, struct hv_vcpu *v, const struct exception *e);

#endif
