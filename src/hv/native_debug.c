/* See hv/native_debug.h. */
#include "hv/native_debug.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "cpu/insn.h"
#include "cpu/sysops.h"

#include "gen/a64_rows.h"
#include "gen/sysreg_fields.h"

#include <errno.h>

#define VECTOR_LOWER_32                                                                            \
    0x200u /* behind those of a lower EL in AArch64 (DDI 0487, "Exception vectors") */
#define MASKS (PSR_A | PSR_I | PSR_F)
#define AT_EL1_AND_EL0 3u    /* PMC and PAC */
#define ALL_OF_A_WORD 0x1e0u /* DBGBCRn_EL1.BAS */
#define LOADS 1u             /* DBGWCRn_EL1.LSC */
#define STORES 2u

/* --- Breakpoints and watchpoints ------------------------------------------------------------------------------------ */

static int too_many(const char *what, unsigned max, struct err *e)
{
    return err_set(e, ENOTSUP, "this host's CPU has %u hardware %s; --accel soft has any number",
                   max, what);
}

static int add_watch(struct debug_regs *r, const struct debug_point *p, uint64_t addr, uint64_t len,
                     unsigned max, struct err *e)
{
    const unsigned log2 = (unsigned)__builtin_ctzll(len);
    const uint64_t lsc = (p->read ? LOADS : 0) | (p->write ? STORES : 0);
    uint64_t c =
        DBGWCR0_EL1_E | (uint64_t)AT_EL1_AND_EL0 << DBGWCR0_EL1_PAC_LO | lsc << DBGWCR0_EL1_LSC_LO;

    if (r->nr_watches == max)
        return too_many("watchpoints", max, e);
    if (log2 > 31)
        return err_set(e, ENOTSUP, "a watchpoint of more than 2 GiB; --accel soft has those");
    if (log2 <= 3)
        c |= mask64((unsigned)len) << (addr & 7) << DBGWCR0_EL1_BAS_LO;
    else
        c |= DBGWCR0_EL1_BAS | (uint64_t)log2 << DBGWCR0_EL1_MASK_LO;
    r->wvr[r->nr_watches] = addr & ~UINT64_C(7);
    r->wcr[r->nr_watches++] = c;
    return 0;
}

/* In pieces that are as long as they are aligned. */
static int add_watches(struct debug_regs *r, const struct debug_point *p, unsigned max, struct err *e)
{
    uint64_t addr = p->addr, len = p->len;

    while (len) {
        uint64_t piece = addr ? addr & -addr : BIT64(63);
        while (piece > len)
            piece >>= 1;
        const int r2 = add_watch(r, p, addr, piece, max, e);
        if (r2)
            return r2;
        addr += piece;
        len -= piece;
    }
    return 0;
}

int debug_regs_make(struct debug_regs *r, const struct debug_points *p, unsigned max_breaks,
                    unsigned max_watches, struct err *e)
{
    int error = 0;

    *r = (struct debug_regs){0};
    if (p->exceptions || p->interrupts || p->nr_sysregs)
        return err_set(
            e, ENOTSUP,
            "only the software CPU stops at exceptions, interrupts and writes of system registers; use --accel soft");
    for (unsigned i = 0; i < p->nr && !error; i++) {
        const struct debug_point *q = &p->point[i];
        if (q->kind == DEBUG_WATCH) {
            error = add_watches(r, q, max_watches, e);
        } else if (q->kind != DEBUG_BREAK) {
            error = err_set(e, ENOTSUP,
                            "only the software CPU has breakpoints at physical addresses; use --accel soft");
        } else if (r->nr_breaks == max_breaks) {
            error = too_many("breakpoints", max_breaks, e);
        } else {
            r->bvr[r->nr_breaks] = q->addr & ~UINT64_C(3);
            r->bcr[r->nr_breaks++] =
                DBGBCR0_EL1_E | (uint64_t)AT_EL1_AND_EL0 << DBGBCR0_EL1_PMC_LO | ALL_OF_A_WORD;
        }
    }
    return error;
}

/* --- Steps ---------------------------------------------------------------------------------------------------------- */

static int get(const struct hv_backend *hv, struct hv_vcpu *v, enum sysreg_id id, uint64_t *val)
{
    return hv->get_reg(v, HV_REG_SYS | sysreg_of_id(id)->encoding, val);
}

static int set(const struct hv_backend *hv, struct hv_vcpu *v, enum sysreg_id id, uint64_t val)
{
    return hv->set_reg(v, HV_REG_SYS | sysreg_of_id(id)->encoding, val);
}

/* A debugger's step waits for nothing. */
static int skip_wait(struct native_debug *d, const struct hv_backend *hv, struct hv_vcpu *v, uint64_t pstate)
{
    const int r = hv->set_reg(v, HV_REG_PC, d->step_pc + 4);

    d->in_step = d->passing = false;
    return r ? r : hv->set_reg(v, HV_REG_PSTATE, pstate & ~(UINT64_C(3) << PSR_BTYPE_SHIFT));
}

int native_debug_enter(struct native_debug *d, struct emulator *m, const struct hv_backend *hv,
                       struct hv_vcpu *v, enum native_entry *how)
{
    uint64_t pc = 0, pstate = 0;
    int r;

    if (d->step_done) {
        d->step_done = false;
        *how = NATIVE_DONE;
        return 0;
    }
    *how = d->in_step ? NATIVE_STEP : NATIVE_RUN;
    if (d->in_step || (!d->step && !d->passing))
        return 0;
    if ((r = hv->get_reg(v, HV_REG_PC, &pc)) || (r = hv->get_reg(v, HV_REG_PSTATE, &pstate)))
        return r;
    d->passing = d->passing && pc == d->passed_pc;
    if (!d->step && !d->passing)
        return 0;
    *how = NATIVE_STEP;
    d->step_pc = pc;
    d->step_masks = pstate & MASKS;
    d->step_word = emulator_fetch(m, hv, v);
    d->in_step = true;
    const unsigned row = a64_find_row(d->step_word);
    if (d->step && (row == A64_ROW_WFI_HI_hints || row == A64_ROW_WFE_HI_hints)) {
        *how = NATIVE_DONE;
        return skip_wait(d, hv, v, pstate);
    }
    return d->step_masks == MASKS ? 0 : hv->set_reg(v, HV_REG_PSTATE, pstate | MASKS);
}

/* PC is where a synchronous exception of the instruction, which may be one of T32's, has put it. */
static bool took_exception(const struct native_debug *d, const struct hv_backend *hv,
                           struct hv_vcpu *v, uint64_t pc)
{
    uint64_t vbar = 0, elr = 0;

    if (get(hv, v, SR_VBAR_EL1, &vbar) || get(hv, v, SR_ELR_EL1, &elr))
        return false;
    return pc - vbar < 0x800 && !((pc - vbar) & 0x1ff) &&
           (elr == d->step_pc || elr == d->step_pc + 2 || elr == d->step_pc + 4);
}

int native_debug_end_step(struct native_debug *d, const struct hv_backend *hv, struct hv_vcpu *v)
{
    uint64_t pc, pstate, val, masks = d->step_masks;
    struct a64_insn i;
    int r;

    if (!d->in_step)
        return 0;
    d->in_step = d->passing = false;
    if (masks == MASKS)
        return 0;
    if ((r = hv->get_reg(v, HV_REG_PC, &pc)) || (r = hv->get_reg(v, HV_REG_PSTATE, &pstate)))
        return r;
    if (pc != d->step_pc && took_exception(d, hv, v, pc)) {
        if ((r = get(hv, v, SR_SPSR_EL1, &val)))
            return r;
        return set(hv, v, SR_SPSR_EL1, (val & ~(uint64_t)MASKS) | masks);
    }
    a64_decode(d->step_word, &i);
    switch (pc == d->step_pc ? A64_ROW_NONE : a64_find_row(d->step_word)) {
    case A64_ROW_ERET_64E_branch_reg:
    case A64_ROW_ERETA_64E_branch_reg: return 0;
    case A64_ROW_MSR_SR_systemmove:
        if (i.u.MSR_SR_systemmove.enc == SYSENC_DAIF)
            return 0;
        break;
    case A64_ROW_MSR_SI_pstate:
        /* The immediate's bits are D, A, I and F, as PSTATE's are from F on. */
        if (i.u.MSR_SI_pstate.op == PSTATE_DAIFSET)
            masks |= (uint64_t)i.u.MSR_SI_pstate.imm << 6 & MASKS;
        else if (i.u.MSR_SI_pstate.op == PSTATE_DAIFCLR)
            masks &= ~((uint64_t)i.u.MSR_SI_pstate.imm << 6);
        break;
    case A64_ROW_MRS_RS_systemmove:
        if (i.u.MRS_RS_systemmove.enc != SYSENC_DAIF || i.u.MRS_RS_systemmove.t > 30)
            break;
        if ((r = hv->get_reg(v, HV_REG_X0 + i.u.MRS_RS_systemmove.t, &val)) ||
            (r = hv->set_reg(v, HV_REG_X0 + i.u.MRS_RS_systemmove.t, (val & ~(uint64_t)MASKS) | masks)))
            return r;
        break;
    default: break;
    }
    return hv->set_reg(v, HV_REG_PSTATE, (pstate & ~(uint64_t)MASKS) | masks);
}

int native_debug_leave(struct native_debug *d, const struct hv_backend *hv, struct hv_vcpu *v, bool done)
{
    const bool passing = d->passing && !done;
    const int r = native_debug_end_step(d, hv, v);

    d->passing = passing;
    d->step_done = d->step && done;
    return r;
}

/* --- Exceptions ----------------------------------------------------------------------------------------------------- */

int native_inject(const struct hv_backend *hv, struct hv_vcpu *v, const struct exception *e)
{
    struct pe_state s;
    uint64_t pstate;
    int r;

    pe_reset(&s);
    if ((r = get(hv, v, SR_VBAR_EL1, &SYS(&s, VBAR_EL1))) ||
        (r = get(hv, v, SR_SCTLR_EL1, &SYS(&s, SCTLR_EL1))) ||
        (r = hv->get_reg(v, HV_REG_PSTATE, &pstate)))
        return r;
    /* The software CPU knows nothing of AArch32: of what that has in PSTATE, these are where AArch64 has them. */
    const bool aarch32 = pstate & PSR_NRW;
    pstate_set(&s, aarch32 ? pstate & (PSR_NZCV | PSR_PAN) : pstate);
    exception_take(&s, e, 1);
    if (aarch32) {
        s.spsr_el[1] = pstate;
        s.pc += VECTOR_LOWER_32;
    }
    if ((r = set(hv, v, SR_SPSR_EL1, s.spsr_el[1])) || (r = set(hv, v, SR_ELR_EL1, s.elr_el[1])) ||
        (r = set(hv, v, SR_ESR_EL1, SYS(&s, ESR_EL1))) ||
        (e->far_valid && (r = set(hv, v, SR_FAR_EL1, SYS(&s, FAR_EL1)))) ||
        (r = hv->set_reg(v, HV_REG_PSTATE, pstate_get(&s))))
        return r;
    return hv->set_reg(v, HV_REG_PC, s.pc);
}
