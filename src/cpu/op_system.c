/* Exception generation and return, hints, barriers, PSTATE and system registers (DDI 0487, "Branches, Exception Generating and System
 * instructions"). */
#include "arch/pac.h"
#include "arch/semihosting.h"
#include "arch/sysreg.h"
#include "base/log.h"
#include "cpu/cpu_internal.h"
#include "cpu/interp.h"
#include "cpu/sysops.h"

#include "gen/sysreg_fields.h"

const struct a64_insn *a64_op_unallocated(struct cpu *c, const struct a64_insn *insn);

const struct a64_insn *a64_op_unallocated(struct cpu *c, const struct a64_insn *insn)
{
    return cpu_undefined(c, insn);
}

OP(UDF_only_perm_undef)
{
    (void)a;
    return cpu_undefined(c, insn);
}

/* --- Exceptions ----------------------------------------------------------------------------------------------------- */

OP(SVC_EX_exception)
{
    const struct a64_insn *r = cpu_raise(c, insn, EC_SVC64, a->imm);
    c->exc.ret += 4; /* the preferred return address is behind it */
    return r;
}

/* No EL2 and no EL3 inside the guest: the VMM answers both, in their place. UNDEFINED from EL0. */
static const struct a64_insn *call_vmm(struct cpu *c, const struct a64_insn *insn,
                                       enum cpu_leave why, unsigned imm)
{
    if (c->st.el == 0)
        return cpu_undefined(c, insn);
    c->leave_imm = (uint16_t)imm;
    return cpu_leave_after(c, insn, why);
}

OP(HVC_EX_exception)
{
    return call_vmm(c, insn, CPU_LEAVE_HVC, a->imm);
}

OP(SMC_EX_exception)
{
    return call_vmm(c, insn, CPU_LEAVE_SMC, a->imm);
}

OP(BRK_EX_exception)
{
    return cpu_raise(c, insn, EC_BRK64, a->imm);
}

/* Halting debug is not there: UNDEFINED, but for what a debugger would take for a call. */
OP(HLT_EX_exception)
{
    if (unlikely(a->imm == SEMIHOSTING_HLT && bit(c->semihosting, c->st.el)))
        return cpu_leave_after(c, insn, CPU_LEAVE_SEMIHOSTING);
    return cpu_undefined(c, insn);
}

HOT static const struct a64_insn *eret(struct cpu *c, const struct a64_insn *insn, gva_t target)
{
    branch_note(c, cpu_pc(c, insn), target);
    exception_return(&c->st, c->st.spsr_el[1], target);
    c->excl.size = 0; /* the local monitor is cleared */
    __atomic_store_n(&c->event_register, true, __ATOMIC_RELAXED);
    c->stuck.same = c->stuck.similar = 0;
    c->stuck.nested = false;
    cpu_level_changed(c);
    c->leave = CPU_LEAVE_RESYNC;
    c->irq_due = true;
    return NULL;
}

OP(ERET_64E_branch_reg)
{
    (void)a;
    return c->st.el == 0 ? cpu_undefined(c, insn) : eret(c, insn, c->st.elr_el[1]);
}

OP(ERETA_64E_branch_reg)
{
    if (c->st.el == 0)
        return cpu_undefined(c, insn);
    return eret(c, insn,
                pac_auth(&c->st, c->st.elr_el[1], c->st.x[REG_SP], a->key ? PAC_KEY_IB : PAC_KEY_IA));
}

/* --- Hints ---------------------------------------------------------------------------------------------------------- */

#define HINT_NOP(NAME)                                                                             \
    OP(NAME)                                                                                       \
    {                                                                                              \
        (void)c;                                                                                   \
        (void)a;                                                                                   \
        return insn + 1;                                                                           \
    }
HINT_NOP(HINT_HM_hints)
HINT_NOP(NOP_HI_hints)
HINT_NOP(PSB_HC_hints)
HINT_NOP(TSB_HC_hints)
HINT_NOP(CSDB_HI_hints)
HINT_NOP(BTI_HB_hints)
HINT_NOP(YIELD_HI_hints)
HINT_NOP(ESB_HI_hints) /* no error is ever pending */

/* The ISS of a trapped WFI or WFE: COND is 0b1110, CV 1. */
static const struct a64_insn *trap_wfx(struct cpu *c, const struct a64_insn *insn, unsigned ti)
{
    return cpu_raise(c, insn, EC_WFX, 1u << 24 | 0xeu << 20 | ti);
}

OP(WFI_HI_hints)
{
    (void)a;
    if (unlikely(c->st.el == 0) && !(SYS(&c->st, SCTLR_EL1) & SCTLR_EL1_nTWI))
        return trap_wfx(c, insn, 0);
    return cpu_wfi(c) ? insn + 1 : cpu_leave_after(c, insn, CPU_LEAVE_RESYNC);
}

OP(WFE_HI_hints)
{
    (void)a;
    if (__atomic_exchange_n(&c->event_register, false, __ATOMIC_SEQ_CST))
        return insn + 1;
    if (unlikely(c->st.el == 0) && !(SYS(&c->st, SCTLR_EL1) & SCTLR_EL1_nTWE))
        return trap_wfx(c, insn, 1);
    if (cpu_event_soon(c))
        return insn + 1;
    return cpu_leave_after(c, insn, CPU_LEAVE_WFE);
}

OP(SEV_HI_hints)
{
    (void)a;
    return cluster_send_event(c->cluster) ? cpu_leave_after(c, insn, CPU_LEAVE_SEV) : insn + 1;
}

OP(SEVL_HI_hints)
{
    (void)a;
    __atomic_store_n(&c->event_register, true, __ATOMIC_SEQ_CST);
    return insn + 1;
}

/* --- Barriers ------------------------------------------------------------------------------------------------------- */

OP(DMB_BO_barriers)
{
    (void)c;
    (void)a;
    atomic_thread_fence(memory_order_seq_cst);
    return insn + 1;
}

/* Also completes this CPU's TLB and instruction cache maintenance on the others. */
OP(DSB_BO_barriers)
{
    (void)a;
    atomic_thread_fence(memory_order_seq_cst);
    cpu_broadcast_wait(c);
    return insn + 1;
}

/* Instructions are looked up again; system register writes took effect when they were made. */
OP(ISB_BI_barriers)
{
    (void)a;
    return cpu_leave_after(c, insn, CPU_LEAVE_RESYNC);
}

HINT_NOP(SB_only_barriers)

/* --- PSTATE --------------------------------------------------------------------------------------------------------- */

OP(CFINV_M_pstate)
{
    (void)a;
    c->st.nzcv ^= PSR_C;
    return insn + 1;
}

OP(XAFLAG_M_pstate)
{
    const bool z = c->st.nzcv & PSR_Z, carry = c->st.nzcv & PSR_C;

    (void)a;
    c->st.nzcv = (!carry && !z ? PSR_N : 0) | (z && carry ? PSR_Z : 0) | (carry || z ? PSR_C : 0) |
                 (!carry && z ? PSR_V : 0);
    return insn + 1;
}

OP(AXFLAG_M_pstate)
{
    const bool z = c->st.nzcv & PSR_Z, carry = c->st.nzcv & PSR_C, v = c->st.nzcv & PSR_V;

    (void)a;
    c->st.nzcv = (z || v ? PSR_Z : 0) | (carry && !v ? PSR_C : 0);
    return insn + 1;
}

OP(MSR_SI_pstate)
{
    struct pe_state *s = &c->st;
    uint32_t psr_bit = 0;

    switch (a->op) {
    case PSTATE_UAO: psr_bit = PSR_UAO; break;
    case PSTATE_PAN: psr_bit = PSR_PAN; break;
    case PSTATE_SSBS: psr_bit = PSR_SSBS; break;
    case PSTATE_DIT: psr_bit = PSR_DIT; break;
    case PSTATE_SPSEL:
        if (s->el == 0)
            return cpu_undefined(c, insn);
        pstate_select_sp(s, s->el, a->imm & 1);
        return insn + 1;
    case PSTATE_DAIFSET:
    case PSTATE_DAIFCLR:
        if (s->el == 0 && !(SYS(s, SCTLR_EL1) & SCTLR_EL1_UMA))
            return cpu_raise(c, insn, EC_SYSREG,
                             sysreg_iss((uint16_t)(a->op >> 3 << 11 | 4u << 7 |
                                                   (unsigned)(a->imm & 15) << 3 | (a->op & 7)),
                                        31, false));
        if (a->op == PSTATE_DAIFSET) {
            s->daif |= (uint32_t)a->imm << 6;
            return insn + 1;
        }
        s->daif &= ~((uint32_t)a->imm << 6);
        return cpu_leave_after(c, insn, CPU_LEAVE_RESYNC);
    default: return cpu_undefined(c, insn);
    }
    if (s->el == 0 && (psr_bit & (PSR_UAO | PSR_PAN)))
        return cpu_undefined(c, insn);
    s->misc = a->imm & 1 ? s->misc | psr_bit : s->misc & ~psr_bit;
    if (psr_bit == PSR_PAN)
        cpu_level_changed(c);
    return insn + 1;
}

/* --- System registers ----------------------------------------------------------------------------------------------- */

/* The verdict as an exception; null. */
static const struct a64_insn *refuse(struct cpu *c, const struct a64_insn *insn,
                                     enum sysreg_verdict verdict, uint16_t enc, unsigned rt, bool read)
{
    switch (verdict) {
    case SYSREG_TRAP: return cpu_raise(c, insn, EC_SYSREG, sysreg_iss(enc, rt, read));
    case SYSREG_TRAP_FP: return cpu_fp_trap(c, insn);
    default: return cpu_undefined(c, insn);
    }
}

static const struct a64_insn *unknown_sysreg(struct cpu *c, const struct a64_insn *insn,
                                             uint16_t enc, bool read)
{
    char row[256];

    if (c->st.el == 0 && read && sysreg_id_space(enc))
        return cpu_raise(c, insn, EC_SYSREG, sysreg_iss(enc, insn->word & 31, true));
    log_guest(LOG_INFO,
              "%s of an unknown system register at PC 0x%llx is UNDEFINED; src/spec/sysreg.spec would need:\n%s",
              read ? "read" : "write", (unsigned long long)cpu_pc(c, insn),
              sysreg_missing_row(enc, row, sizeof(row)));
    return cpu_undefined(c, insn);
}

OP(MRS_RS_systemmove)
{
    const struct sysreg_desc *d = sysreg_find(a->enc);
    uint64_t val = 0;

    if (!d)
        return unknown_sysreg(c, insn, a->enc, true);
    const enum sysreg_verdict verdict = sysreg_check(&c->st, d, false);
    if (verdict != SYSREG_OK)
        return refuse(c, insn, verdict, a->enc, insn->word & 31, true);
    switch (d->home) {
    case HOME_COUNTER: val = cpu_counter(c); break;
    case HOME_BOARD:
        if (!c->ops->sysreg(c->opaque, a->enc, false, &val))
            return cpu_undefined(c, insn);
        break;
    default:
        if (d->id == SR_ISR_EL1) {
            const uint32_t lines = atomic_load(&c->irq_lines);
            SYS(&c->st, ISR_EL1) = (lines & 1 ? ISR_EL1_I : 0) | (lines & 2 ? ISR_EL1_F : 0);
        }
        val = sysreg_read(&c->st, d);
    }
    c->st.x[a->t] = val;
    return insn + 1;
}

/* Whether translations that were made before a register with EFFECT_TLB was written may not be used any more. Linux changes the enables of pointer
 * authentication with the thread: nothing that is cached depends on them. */
static bool drops_translations(const struct cpu *c, const struct sysreg_desc *d, uint64_t before)
{
    const uint64_t pac = SCTLR_EL1_EnIA | SCTLR_EL1_EnIB | SCTLR_EL1_EnDA | SCTLR_EL1_EnDB;

    return (sysreg_read(&c->st, d) ^ before) & ~(d->id == SR_SCTLR_EL1 ? pac : 0);
}

OP(MSR_SR_systemmove)
{
    const struct sysreg_desc *d = sysreg_find(a->enc);
    uint64_t val = c->st.x[a->t];

    if (!d)
        return unknown_sysreg(c, insn, a->enc, false);
    const enum sysreg_verdict verdict = sysreg_check(&c->st, d, true);
    if (verdict != SYSREG_OK)
        return refuse(c, insn, verdict, a->enc, insn->word & 31, false);
    if (d->home == HOME_BOARD) {
        if (!c->ops->sysreg(c->opaque, a->enc, true, &val))
            return cpu_undefined(c, insn);
        /* It may have raised or lowered an interrupt. */
        return cpu_leave_after(c, insn, CPU_LEAVE_RESYNC);
    }
    if (d->home == HOME_COUNTER)
        return cpu_undefined(c, insn);
    if (likely(!d->effects)) {
        sysreg_write(&c->st, d, val);
        return insn + 1;
    }
    const uint64_t before = d->effects & EFFECT_TLB ? sysreg_read(&c->st, d) : 0;
    sysreg_write(&c->st, d, val);
    if (d->effects & EFFECT_VBAR)
        c->stuck.vbar_written = true;
    if ((d->effects & EFFECT_TLB) && drops_translations(c, d, before))
        tlb_flush_all(c);
    if (d->effects & (EFFECT_MMU | EFFECT_TLB | EFFECT_FP))
        cpu_context_changed(c);
    return cpu_leave_after(c, insn, CPU_LEAVE_RESYNC);
}
