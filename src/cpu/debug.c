/* Breakpoints, watchpoints and what else stops a vCPU for a debugger: cpu/debug.h. */
#include "cpu/debug.h"

#include "cpu/cpu_internal.h"
#include "cpu/interp.h"
#include "cpu/observe.h"

#include "gen/a64_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void debug_destroy(struct cpu *c)
{
    free(c->debug);
    c->debug = NULL;
}

int debug_needed(struct cpu *c)
{
    if (!c->debug)
        c->debug = calloc(1, sizeof(*c->debug));
    return c->debug ? 0 : -ENOMEM;
}

int cpu_set_debug(struct cpu *c, const struct debug_points *p)
{
    if (debug_needed(c))
        return -ENOMEM;
    struct cpu_debug *d = c->debug;
    const bool as_before = debug_points_empty(p) && debug_points_empty(&d->points);

    d->points = *p;
    d->nr_watches = 0;
    for (unsigned i = 0; i < p->nr; i++)
        d->nr_watches += p->point[i].kind == DEBUG_WATCH;
    if (!as_before) {
        icache_flush_all(c);
        cpu_state_changed(c);
    }
    return 0;
}

int cpu_set_step(struct cpu *c, bool on)
{
    if (!on && !c->debug)
        return 0;
    if (debug_needed(c))
        return -ENOMEM;
    c->debug->step = on;
    return 0;
}

void cpu_set_pc(struct cpu *c, gva_t pc)
{
    c->st.pc = pc;
    if (c->debug)
        c->debug->resumed = PASSED_NOTHING;
}

const struct debug_event *cpu_debug_event(const struct cpu *c)
{
    return &c->debug->event;
}

bool debug_tell(struct cpu *c, enum debug_cause cause, uint64_t addr, bool write)
{
    c->debug->event = (struct debug_event){.cause = cause, .addr = addr, .write = write};
    c->debug->pending = true;
    return true;
}

/* --- Instructions --------------------------------------------------------------------------------------------------- */

static bool writes_sysreg(const struct cpu_debug *d, uint32_t word, uint16_t *encoding)
{
    struct a64_insn i;

    if (!d->points.nr_sysregs || a64_find_row(word) != A64_ROW_MSR_SR_systemmove)
        return false;
    a64_decode(word, &i);
    for (unsigned n = 0; n < d->points.nr_sysregs; n++)
        if (d->points.sysreg[n] == i.u.MSR_SR_systemmove.enc) {
            *encoding = d->points.sysreg[n];
            return true;
        }
    return false;
}

bool debug_marks(const struct cpu *c, gva_t va, uint32_t word)
{
    const struct cpu_debug *d = c->debug;
    uint16_t encoding;

    for (unsigned i = 0; i < d->points.nr; i++)
        if (d->points.point[i].kind != DEBUG_WATCH &&
            !((d->points.point[i].addr ^ va) & (TLB_PAGE_SIZE - 4)))
            return true;
    return writes_sysreg(d, word, &encoding);
}

static bool stops_at(struct cpu *c, gva_t va, gpa_t pa, uint32_t word)
{
    struct cpu_debug *d = c->debug;
    uint16_t encoding;

    for (unsigned i = 0; d->passed < PASSED_BREAK && i < d->points.nr; i++)
        if ((d->points.point[i].kind == DEBUG_BREAK && d->points.point[i].addr == va) ||
            (d->points.point[i].kind == DEBUG_BREAK_PHYSICAL && d->points.point[i].addr == pa))
            return debug_tell(c, DEBUG_CAUSE_BREAK, d->points.point[i].addr, false);
    return d->passed < PASSED_SYSREG && writes_sysreg(d, word, &encoding) &&
           debug_tell(c, DEBUG_CAUSE_SYSREG, encoding, false);
}

const struct a64_insn *debug_op(struct cpu *c, const struct a64_insn *insn)
{
    const struct code_page *p = CONTAINER_OF(c->code.insns, const struct code_page, insn[0]);
    const gva_t va = cpu_pc(c, insn);
    struct a64_insn plain;

    if (stops_at(c, va, p->pa | (va & (TLB_PAGE_SIZE - 1)), insn->word)) {
        c->st.pc = va;
        c->nr_insns--; /* the run loop counts this call */
        c->leave = CPU_LEAVE_DEBUG;
        return NULL;
    }
    if (unlikely(c->observe) && observe_marks(c, va, insn->word))
        return observe_op(c, insn);
    a64_decode(insn->word, &plain);
    return plain.fn(c, insn);
}

/* --- Accesses ------------------------------------------------------------------------------------------------------- */

bool debug_watch_hit(struct cpu *c, gva_t va, unsigned len, bool write)
{
    struct cpu_debug *d = c->debug;
    const gva_t at = walk_strip_tag(&c->st, va, false);

    if (!d->nr_watches || d->passed == PASSED_ALL || !len)
        return false;
    for (unsigned i = 0; i < d->points.nr; i++) {
        const struct debug_point *p = &d->points.point[i];
        if (p->kind == DEBUG_WATCH && (write ? p->write : p->read) &&
            (at - p->addr < p->len || p->addr - at < len))
            return debug_tell(c, DEBUG_CAUSE_WATCH, MAX(at, p->addr), write);
    }
    return false;
}

bool debug_watches_page(const struct cpu *c, gva_t va)
{
    const struct cpu_debug *d = c->debug;
    const gva_t page = walk_strip_tag(&c->st, va, false) & ~(gva_t)(TLB_PAGE_SIZE - 1);

    for (unsigned i = 0; d->nr_watches && i < d->points.nr; i++) {
        const struct debug_point *p = &d->points.point[i];
        if (p->kind == DEBUG_WATCH && p->addr <= page + (TLB_PAGE_SIZE - 1) &&
            page <= p->addr + (p->len - 1))
            return true;
    }
    return false;
}

/* --- Exceptions ----------------------------------------------------------------------------------------------------- */

void debug_exception(struct cpu *c)
{
    struct cpu_debug *d = c->debug;
    const bool wanted = c->exc.type == EXC_SYNC ? d->points.exceptions >> bits(c->exc.esr, 31, 26) & 1
                                                : d->points.interrupts;

    if (!wanted)
        return;
    debug_tell(c, DEBUG_CAUSE_EXCEPTION, c->exc.ret, false);
    atomic_fetch_or(&c->events, EVENT_DEBUG);
}
