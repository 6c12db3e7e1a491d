/* The software CPU's part in debugging: cpu.h has what others call.
 *
 * Breakpoints are entries of decoded pages: an instruction whose offset in its page is a breakpoint's is decoded as one that asks first, and the
 * translator leaves it out of its regions. Watched pages have no fast path in the TLB, so that every access to them asks. Nothing is asked
 * elsewhere. Owner thread only. */
#ifndef VIBE_CPU_DEBUG_H
#define VIBE_CPU_DEBUG_H

#include "arch/debug_points.h"
#include "cpu/cpu.h"

struct cpu_debug {
    struct debug_points points; /* its lists are those that cpu_set_debug() was given */
    unsigned nr_watches;
    bool step; /* cpu_run() runs one instruction */
    /* The next instruction has been stopped at, and is run now: what it was stopped for does not stop it again, nor what was asked before. */
    enum debug_passed { PASSED_NOTHING, PASSED_BREAK, PASSED_SYSREG, PASSED_ALL } resumed;
    enum debug_passed passed; /* of the instruction that is being run */
    bool pending;             /* event is to be told before anything else is run */
    struct debug_event event;
};

/* Whether the instruction may be one to stop at: by its offset in the page, or because it writes a register. */
bool debug_marks(const struct cpu *c, gva_t va, uint32_t word);
/* The function of a decoded instruction that debug_marks(). */
a64_fn debug_op;

/* Whether an access of len bytes at va is to be told; then it must not be made, and the instruction leaves by cpu_mem_fault(). */
bool debug_watch_hit(struct cpu *c, gva_t va, unsigned len, bool write);
/* Whether something of the page is watched. */
bool debug_watches_page(const struct cpu *c, gva_t va);

/* Makes c->debug; 0 or -ENOMEM. */
int debug_needed(struct cpu *c);
/* What cpu_run() comes back with, now. Returns true. */
bool debug_tell(struct cpu *c, enum debug_cause cause, uint64_t addr, bool write);
/* An exception has been entered. */
void debug_exception(struct cpu *c);

#endif
