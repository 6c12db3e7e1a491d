/* What a debugger asks of a CPU, and what it hears of it: the same for every backend. Nothing of it is visible to the guest. */
#ifndef VIBE_ARCH_DEBUG_POINTS_H
#define VIBE_ARCH_DEBUG_POINTS_H

#include "base/types.h"

#include <stdbool.h>

struct debug_point {
    enum {
        DEBUG_BREAK, /* an instruction at this virtual address, in whatever address space */
        DEBUG_BREAK_PHYSICAL, /* at this guest-physical one */
        DEBUG_WATCH, /* an access to [addr, addr + len) of virtual addresses, without their tags */
    } kind;
    bool read, write; /* of DEBUG_WATCH */
    uint64_t addr, len;
};

struct debug_points {
    unsigned nr;
    const struct debug_point *point;
    uint64_t exceptions; /* stops where those begin: 1 << EC of ESR_EL1 */
    bool interrupts;     /* and IRQ and FIQ */
    unsigned nr_sysregs;
    const uint16_t *sysreg; /* stops before MSR to one of these: encodings (arch/sysreg.h) */
};

static inline bool debug_points_empty(const struct debug_points *p)
{
    return !p->nr && !p->exceptions && !p->interrupts && !p->nr_sysregs;
}

enum debug_cause {
    DEBUG_CAUSE_STEP,      /* one instruction has been run, or has taken its exception */
    DEBUG_CAUSE_BREAK,     /* at the instruction; it has not run */
    DEBUG_CAUSE_WATCH,     /* before the access; the instruction has not run */
    DEBUG_CAUSE_EXCEPTION, /* at the first instruction of the vector */
    DEBUG_CAUSE_SYSREG,    /* before the MSR */
    DEBUG_CAUSE_LIMIT,     /* as many instructions have been run as were to be */
    DEBUG_CAUSE_STUCK,     /* in a fault that it cannot leave; it is about to take it once more */
    DEBUG_CAUSE_RESET,  /* the machine has been reset, and starts with this vCPU; nothing has run */
    DEBUG_CAUSE_CPU_ON, /* PSCI has switched it on; likewise */
};

struct debug_event {
    enum debug_cause cause;
    /* BREAK: where; WATCH: the first byte accessed of those that are watched; EXCEPTION: the return address; SYSREG: the register's encoding;
     * STUCK: the fault's return address. */
    uint64_t addr;
    bool write; /* of WATCH */
};

#endif
