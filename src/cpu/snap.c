/* The software CPU's state to and from a snapshot: what the guest can see, and what makes it go on exactly as it would have. Caches are not in it:
 * TLBs, decoded pages and translations are made anew. While the CPU does not run; any thread. */
#include "base/snap.h"
#include "base/err.h"
#include "cpu/cpu_internal.h"
#include "mem/ram.h"

#include <inttypes.h>

#define PSR_MISC (PSR_SSBS | PSR_SS | PSR_PAN | PSR_UAO | PSR_DIT)

/* --- The architectural state --------------------------------------------------------------------------------------- */

/* Registers whose bits the CPU sets beside what MSR may write. */
static bool is_written_by_cpu(enum sysreg_id id)
{
    return id == SR_ESR_EL1 || id == SR_FAR_EL1 || id == SR_PAR_EL1 || id == SR_ISR_EL1 ||
           id == SR_OSLSR_EL1 || id == SR_MDSCR_EL1 || id == SR_DBGCLAIMCLR_EL1;
}

static void snap_sysregs(struct pe_state *p, struct snap *s)
{
    for (unsigned i = 0; i < sysreg_table_len; i++) {
        const struct sysreg_desc *d = &sysreg_table[i];
        uint64_t *here = &p->sys[d->id], val = *here;
        if (d->home == HOME_CONST)
            snap_same(s, d->name, d->reset);
        if (d->home != HOME_STORAGE && d->home != HOME_STATE)
            continue;
        snap_numbers(s, d->name, &val, sizeof(val), 1, UINT64_MAX);
        if (s->loading && !s->failed && ((val ^ *here) & ~d->writable) && !is_written_by_cpu(d->id))
            snap_fail(s, "%s is 0x%" PRIx64 " there, which it cannot be here", d->name, val);
        if (s->loading && !s->failed)
            *here = val;
    }
}

static void snap_state(struct pe_state *p, struct snap *s)
{
    snap_numbers(s, "x", p->x, sizeof(p->x[0]), REG_LR + 1, UINT64_MAX);
    snap_numbers(s, "sp", &p->x[REG_SP], sizeof(p->x[0]), 1, UINT64_MAX);
    SNAP_ANY(s, p, pc);
    SNAP_MASK(s, p, nzcv, PSR_N | PSR_Z | PSR_C | PSR_V);
    SNAP_MASK(s, p, daif, PSR_DAIF);
    SNAP(s, p, el, 1);
    SNAP(s, p, sp_sel, 1);
    SNAP(s, p, btype, 3);
    SNAP(s, p, il, 1);
    SNAP_MASK(s, p, misc, PSR_MISC);
    SNAP_ARRAY(s, p, sp_el, UINT64_MAX);
    SNAP_ARRAY(s, p, elr_el, UINT64_MAX);
    SNAP_ARRAY(s, p, spsr_el, UINT64_MAX);
    snap_numbers(s, "v", p->v, sizeof(uint64_t), 2 * 32, UINT64_MAX);
    SNAP_MASK(s, p, fpcr, sysreg_of_id(SR_FPCR)->writable);
    SNAP_MASK(s, p, fpsr, sysreg_of_id(SR_FPSR)->writable);
    snap_sysregs(p, s);
}

/* --- The rest ------------------------------------------------------------------------------------------------------- */

/* Of memory that a pointer of the host's is to: its guest address. len 0: there is none, nor looked for. */
static void snap_host(struct cpu *c, struct snap *s, const char *name, const void **host, uint64_t len)
{
    gpa_t gpa = 0;

    if (!s->loading && len)
        BUG_ON(!ram_gpa(c->ram, *host, &gpa));
    snap_numbers(s, name, &gpa, sizeof(gpa), 1, UINT64_MAX);
    if (!s->loading || s->failed)
        return;
    *host = len ? ram_ptr(c->ram, gpa, len, false) : NULL;
    if (len && (!*host || gpa % len))
        snap_fail(s, "%s: no memory at 0x%" PRIx64, name, gpa);
}

static void snap_monitor(struct cpu *c, struct snap *s)
{
    const void *host = c->excl.host;

    SNAP(s, &c->excl, size, 16);
    if (s->loading && !s->failed && c->excl.size & (c->excl.size - 1))
        snap_fail(s, "an exclusive access of %u bytes", c->excl.size);
    snap_host(c, s, "excl", &host, s->failed ? 0 : c->excl.size);
    c->excl.host = (void *)(uintptr_t)host;
    SNAP_ANY(s, &c->excl, lo);
    SNAP_ANY(s, &c->excl, hi);
    SNAP_BOOL(s, c, event_register);
    SNAP_BOOL(s, c, waiting);
    /* How long the next wait for the same location is. */
    bool naps = c->nap.host != NULL;
    snap_numbers(s, "naps", &naps, 1, 1, 1);
    snap_host(c, s, "nap", &c->nap.host, naps && !s->failed);
    SNAP_ANY(s, &c->nap, val);
    SNAP_ANY(s, &c->nap, ns);
}

static void snap_exception(struct snap *s, const char *name, struct exception *e)
{
    uint32_t type = e->type;

    snap_part(s, name, -1);
    snap_masked(s, "type", &type, sizeof(type), EXC_SYNC | EXC_IRQ | EXC_FIQ | EXC_SERROR);
    e->type = (enum exception_type)type;
    SNAP_ANY(s, e, esr);
    SNAP_ANY(s, e, ret);
    SNAP_ANY(s, e, far);
    SNAP_BOOL(s, e, far_valid);
}

static void snap_stuck(struct cpu *c, struct snap *s)
{
    snap_exception(s, "last", &c->stuck.last);
    snap_exception(s, "cause", &c->stuck.cause);
    SNAP_BOOL(s, &c->stuck, nested);
    SNAP_BOOL(s, &c->stuck, has_cause);
    SNAP_ANY(s, &c->stuck, hash);
    SNAP_ANY(s, &c->stuck, same);
    SNAP_ANY(s, &c->stuck, similar);
    SNAP_BOOL(s, &c->stuck, vbar_written);
    for (unsigned i = 0; i < BRANCH_RING; i++) {
        SNAP_ANY(s, &c->branch[i], from);
        SNAP_ANY(s, &c->branch[i], to);
    }
    SNAP_ANY(s, c, branch_next);
}

void cpu_snap(struct cpu *c, struct snap *s)
{
    const bool turns = c->turn_insns && !c->own_turns;

    snap_state(&c->st, s);
    snap_monitor(c, s);
    snap_stuck(c, s);
    SNAP_ANY(s, c, step_iss);
    SNAP_ANY(s, c, nr_insns);
    SNAP_ANY(s, c, nr_exceptions);
    SNAP_ANY(s, c, nr_interrupts);
    SNAP_ANY(s, c, deadline_ns);
    snap_same(s, "turn_insns", turns ? c->turn_insns : 0);
    if (turns) {
        SNAP_ANY(s, c, turn_end);
        SNAP_BOOL(s, c, new_turn);
        SNAP_BOOL(s, c, irq_due);
        if (s->loading && !s->failed && c->turn_end - c->nr_insns > c->turn_insns && !c->new_turn)
            c->turn_end = c->nr_insns; /* it is over */
    }
    if (!s->loading || s->failed)
        return;
    if (c->waiting)
        atomic_fetch_or(&c->cluster->waiting, BIT64(c->index));
    c->slice_left = 0;
    cpu_state_changed(c);
}
