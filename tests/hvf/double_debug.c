/* The double's debug registers: breakpoints, watchpoints, steps, BRK, as exits, where the program asks for them. double.c
 *
 * Of the guest's accesses to those registers the writes exit; a read finds what is in the CPU's. */
#include "tests/hvf/double.h"

#include "arch/esr.h"
#include "arch/sysreg.h"
#include "base/bits.h"

#include "gen/sysreg_fields.h"

#include <stdlib.h>

static const uint16_t debug_registers[] = {
    SYSENC_MDSCR_EL1,   SYSENC_DBGBVR0_EL1, SYSENC_DBGBVR1_EL1,
    SYSENC_DBGBCR0_EL1, SYSENC_DBGBCR1_EL1, SYSENC_DBGWVR0_EL1,
    SYSENC_DBGWVR1_EL1, SYSENC_DBGWCR0_EL1, SYSENC_DBGWCR1_EL1,
};

/* What the program has in MDSCR_EL1 stays its value when it begins to trap, and when it ends to. */
static void set_trap(struct vcpu *v, bool *trap, bool on)
{
    struct pe_state *s = &v->cpu->st;
    const bool before = v->trap_exceptions || v->trap_registers;

    *trap = on;
    if (!before && on)
        v->mdscr = SYS(s, MDSCR_EL1);
    else if (before && !v->trap_exceptions && !v->trap_registers)
        SYS(s, MDSCR_EL1) = v->mdscr;
    v->changed = true;
}

hv_return_t hv_vcpu_set_trap_debug_exceptions(hv_vcpu_t id, bool trap)
{
    struct vcpu *v = vcpu_of(id);
    set_trap(v, &v->trap_exceptions, trap);
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_trap_debug_reg_accesses(hv_vcpu_t id, bool trap)
{
    struct vcpu *v = vcpu_of(id);
    set_trap(v, &v->trap_registers, trap);
    return HV_SUCCESS;
}

static unsigned breakpoints(struct vcpu *v, const uint64_t val[], const uint64_t ctl[], unsigned nr)
{
    for (unsigned i = 0; i < NR_DEBUG_REGS; i++)
        if (ctl[i] & DBGBCR0_EL1_E)
            v->point[nr++] = (struct debug_point){.kind = DEBUG_BREAK, .addr = val[i]};
    return nr;
}

static unsigned watchpoints(struct vcpu *v, const uint64_t val[], const uint64_t ctl[], unsigned nr)
{
    for (unsigned i = 0; i < NR_DEBUG_REGS; i++) {
        const unsigned mask = (unsigned)bits(ctl[i], 28, 24), bas = (unsigned)bits(ctl[i], 12, 5);
        struct debug_point p = {.kind = DEBUG_WATCH,
                                .read = bit(ctl[i], 3),
                                .write = bit(ctl[i], 4),
                                .addr = val[i],
                                .len = BIT64(mask)};
        if (!(ctl[i] & DBGWCR0_EL1_E))
            continue;
        RULE(mask ? bas == 0xff : bas, "watchpoint %u: BAS 0x%x, MASK %u", i, bas, mask);
        if (!mask) { /* one run of bytes */
            p.addr += (unsigned)__builtin_ctz(bas);
            p.len = (unsigned)__builtin_popcount(bas);
        }
        v->point[nr++] = p;
    }
    return nr;
}

/* As the hardware, it stops again at what it has stopped at. */
void double_debug_before(struct vcpu *v)
{
    struct pe_state *s = &v->cpu->st;
    const bool any = v->trap_exceptions || v->trap_registers;
    const bool steps = v->trap_exceptions && (v->mdscr & MDSCR_EL1_SS);
    struct debug_points p = {.point = v->point};

    if (!any && !v->cpu->debug)
        return;
    if (any)
        SYS(s, MDSCR_EL1) &= ~(MDSCR_EL1_SS | MDSCR_EL1_MDE);
    if (v->trap_exceptions && (v->mdscr & MDSCR_EL1_MDE)) {
        p.nr = breakpoints(v, (uint64_t[]){SYS(s, DBGBVR0_EL1), SYS(s, DBGBVR1_EL1)},
                           (uint64_t[]){SYS(s, DBGBCR0_EL1), SYS(s, DBGBCR1_EL1)}, p.nr);
        p.nr = watchpoints(v, (uint64_t[]){SYS(s, DBGWVR0_EL1), SYS(s, DBGWVR1_EL1)},
                           (uint64_t[]){SYS(s, DBGWCR0_EL1), SYS(s, DBGWCR1_EL1)}, p.nr);
    }
    if (v->trap_exceptions)
        p.exceptions = BIT64(EC_BRK64);
    if (v->trap_registers) {
        p.sysreg = debug_registers;
        p.nr_sysregs = ARRAY_LEN(debug_registers);
    }
    RULE(!steps || (pstate_get(s) & PSR_SS), "MDSCR_EL1.SS without CPSR.SS: a step that was done already");
    if (cpu_set_debug(v->cpu, &p) || cpu_set_step(v->cpu, steps))
        abort();
    cpu_set_pc(v->cpu, s->pc);
}

static void leave_for_brk(struct vcpu *v)
{
    const uint64_t esr = SYS(&v->cpu->st, ESR_EL1);

    /* What the exception has overwritten it will overwrite again, or nobody asks for it. */
    double_take_back(v);
    double_leave_for(v, esr, PC_ANY);
}

void double_debug_leave(struct vcpu *v)
{
    const struct debug_event *e = cpu_debug_event(v->cpu);
    struct pe_state *s = &v->cpu->st;

    switch (e->cause) {
    case DEBUG_CAUSE_BREAK:
        double_leave_for(v, esr_make(EC_BREAKPT_LOWER, FSC_DEBUG), PC_ANY);
        break;
    case DEBUG_CAUSE_WATCH:
        v->exit.exception.virtual_address = e->addr;
        double_leave_for(v, esr_make(EC_WATCHPT_LOWER, FSC_DEBUG | (e->write ? ISS_DABT_WNR : 0)), PC_ANY);
        break;
    case DEBUG_CAUSE_SYSREG:
        double_leave_for(
            v, esr_make(EC_SYSREG, sysreg_iss((uint16_t)e->addr, double_instruction(v) & 31, false)),
            PC_MOVES);
        break;
    case DEBUG_CAUSE_EXCEPTION: leave_for_brk(v); break;
    default:
        pstate_set(s, pstate_get(s) & ~(uint64_t)PSR_SS);
        cpu_state_changed(v->cpu);
        double_leave_for(v, esr_make(EC_SOFTSTP_LOWER, ISS_SOFTSTP_ISV | FSC_DEBUG), PC_ANY);
    }
}
