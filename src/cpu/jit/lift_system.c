/* System registers that are plain storage or known, PSTATE, barriers, DC ZVA, pointer authentication, the counter.
 *
 * What has effects on translation, traps, or belongs to a device is the interpreter's. */
#include "arch/sysreg.h"
#include "cpu/jit/lift.h"
#include "cpu/sysops.h"

#include "gen/sysreg_fields.h"

#define ARG(NAME) (&i->u.NAME)
#define X(NAME, slot) lift_x(ARG(NAME)->slot)

static bool at_el1(const struct lift *l)
{
    return l->u->mode & MODE_EL1;
}

static int32_t storage(const struct sysreg_desc *d)
{
    return CPU_AT(st.sys) + (int32_t)d->id * 8;
}

static void masked(struct lift *l, unsigned sz, var_t d, int32_t at, uint64_t mask)
{
    const var_t t = lift_temp(l);

    lift_from_cpu(l, sz, t, at);
    lift_opi(l, IR_AND, 3, d, t, mask);
}

static void help(struct lift *l, unsigned what, var_t d, var_t a, var_t b)
{
    lift_op(l, IR_HELP, 3, d, a, b)->aux = what;
}

/* --- MRS, MSR ----------------------------------------------------------------------------------------------------------- */

/* Whether an access from here is allowed whatever the controls of it are. */
static bool allowed(const struct lift *l, const struct sysreg_desc *d, bool write)
{
    if ((at_el1(l) ? 1 : 0) < (write ? d->write_el : d->read_el))
        return false;
    if (d->trap == TRAP_CPACR_FPEN)
        return l->u->mode & MODE_FP;
    return at_el1(l) || d->trap == TRAP_NONE || d->trap == TRAP_SCTLR_DZE_NO;
}

/* SP_EL0 is UNDEFINED while it is the SP in use. */
static void guard_sp_el0(struct lift *l)
{
    lift_guard(l, 0, CPU_AT(st.sp_sel), 1, false);
}

static bool read_state(struct lift *l, const struct sysreg_desc *d, var_t t)
{
    switch (d->id) {
    case SR_SPSR_EL1: lift_from_cpu(l, 3, t, CPU_AT(st.spsr_el[1])); return true;
    case SR_ELR_EL1: lift_from_cpu(l, 3, t, CPU_AT(st.elr_el[1])); return true;
    case SR_SP_EL0:
        guard_sp_el0(l);
        lift_from_cpu(l, 3, t, CPU_AT(st.sp_el[0]));
        return true;
    case SR_CurrentEL:
        lift_const(l, t, at_el1(l) ? UINT64_C(1) << CurrentEL_EL_LO : 0);
        return true;
    case SR_PAN: masked(l, 2, t, CPU_AT(st.misc), PSR_PAN); return true;
    case SR_UAO: masked(l, 2, t, CPU_AT(st.misc), PSR_UAO); return true;
    case SR_DIT: masked(l, 2, t, CPU_AT(st.misc), PSR_DIT); return true;
    case SR_SSBS: masked(l, 2, t, CPU_AT(st.misc), PSR_SSBS); return true;
    case SR_DAIF: lift_from_cpu(l, 2, t, CPU_AT(st.daif)); return true;
    case SR_FPCR: lift_from_cpu(l, 2, t, CPU_AT(st.fpcr)); return true;
    case SR_DCZID_EL0:
        lift_const(l, t, d->reset | (l->u->mode & MODE_DZE ? 0 : DCZID_EL0_DZP));
        return true;
    case SR_DBGCLAIMCLR_EL1:
    case SR_MDSCR_EL1: lift_from_cpu(l, 3, t, storage(d)); return true;
    default: return false;
    }
}

static bool read_counter(struct lift *l, const struct sysreg_desc *d, var_t t)
{
    if (!at_el1(l)) {
        if (d->read_el || d->trap != TRAP_CNTKCTL_VCT)
            return false;
        lift_guard(l, 2, CPU_AT(st.sys[SR_CNTKCTL_EL1]), CNTKCTL_EL1_EL0VCTEN, false);
    }
    help(l, HELP_COUNTER, t, VAR_ZERO, VAR_ZERO);
    return true;
}

static bool read_register(struct lift *l, uint16_t enc, var_t t)
{
    const struct sysreg_desc *d = sysreg_find(enc);

    if (!d || t == VAR_NONE)
        return false;
    if (d->home == HOME_COUNTER)
        return read_counter(l, d, t);
    if (!allowed(l, d, false))
        return false;
    switch ((enum sysreg_home)d->home) {
    case HOME_STORAGE: lift_from_cpu(l, 3, t, storage(d)); return true;
    case HOME_CONST: lift_const(l, t, d->reset); return true;
    case HOME_RAZ_WI: lift_const(l, t, 0); return true;
    case HOME_STATE: return read_state(l, d, t);
    default: return false;
    }
}

/* The bits of the field that may be written. */
static void store_masked(struct lift *l, unsigned sz, int32_t at, uint64_t writable, var_t t)
{
    var_t kept, val = t;

    if (~writable & mask64(sz == 3 ? 64 : 32)) {
        if (t != VAR_ZERO) {
            val = lift_temp(l);
            lift_opi(l, IR_AND, 3, val, t, writable);
        }
        kept = lift_temp(l);
        masked(l, sz, kept, at, ~writable);
        if (t != VAR_ZERO) {
            const var_t both = lift_temp(l);
            lift_op(l, IR_OR, 3, both, kept, val);
            val = both;
        } else {
            val = kept;
        }
    }
    lift_to_cpu(l, sz, at, val);
}

/* Interrupts that are pending are taken at once if they may be: the interpreter sees to that. */
static void write_daif(struct lift *l, var_t val)
{
    lift_guard(l, 2, CPU_AT(irq_lines), UINT32_MAX, true);
    lift_to_cpu(l, 2, CPU_AT(st.daif), val);
}

static bool write_state(struct lift *l, const struct sysreg_desc *d, var_t t)
{
    switch (d->id) {
    case SR_SPSR_EL1:
    case SR_ELR_EL1:
    case SR_DAIF: {
        var_t val = t;
        if (~d->writable && t != VAR_ZERO) {
            val = lift_temp(l);
            lift_opi(l, IR_AND, 3, val, t, d->writable);
        }
        if (d->id == SR_DAIF)
            write_daif(l, val);
        else
            lift_to_cpu(l, 3, d->id == SR_ELR_EL1 ? CPU_AT(st.elr_el[1]) : CPU_AT(st.spsr_el[1]), val);
        return true;
    }
    case SR_SP_EL0:
        guard_sp_el0(l);
        store_masked(l, 3, CPU_AT(st.sp_el[0]), d->writable, t);
        return true;
    case SR_DIT: store_masked(l, 2, CPU_AT(st.misc), PSR_DIT, t); return true;
    case SR_SSBS: store_masked(l, 2, CPU_AT(st.misc), PSR_SSBS, t); return true;
    default: return false;
    }
}

static bool write_register(struct lift *l, uint16_t enc, var_t t)
{
    const struct sysreg_desc *d = sysreg_find(enc);

    if (!d || !allowed(l, d, true) || (d->effects & ~EFFECT_IRQ))
        return false;
    switch ((enum sysreg_home)d->home) {
    case HOME_STORAGE: store_masked(l, 3, storage(d), d->writable, t); return true;
    case HOME_CONST:
    case HOME_RAZ_WI: return true;
    case HOME_STATE: return write_state(l, d, t);
    default: return false;
    }
}

/* --- MSR (immediate) ---------------------------------------------------------------------------------------------------- */

static var_t changed_bits(struct lift *l, int32_t at, uint32_t mask, bool set)
{
    const var_t old = lift_temp(l), t = lift_temp(l);

    lift_from_cpu(l, 2, old, at);
    lift_opi(l, set ? IR_OR : IR_AND, 2, t, old, set ? mask : ~mask);
    return t;
}

/* The context of loads and stores follows PSTATE.PAN: tlb.c. */
static void write_pan(struct lift *l, bool pan)
{
    const var_t el0 = lift_temp(l), ctx = lift_temp(l);

    lift_from_cpu(l, 3, el0, CPU_AT(tlb_ctx_el0));
    lift_opi(l, IR_SUB, 3, ctx, el0, tlb_ctx_below_el0(pan));
    lift_to_cpu(l, 3, CPU_AT(tlb_ctx), ctx);
}

static bool write_pstate(struct lift *l, unsigned field, unsigned imm)
{
    uint32_t psr_bit;

    switch (field) {
    case PSTATE_UAO: psr_bit = PSR_UAO; break;
    case PSTATE_PAN: psr_bit = PSR_PAN; break;
    case PSTATE_SSBS: psr_bit = PSR_SSBS; break;
    case PSTATE_DIT: psr_bit = PSR_DIT; break;
    case PSTATE_DAIFSET:
    case PSTATE_DAIFCLR: {
        if (!at_el1(l))
            return false;
        const var_t t = changed_bits(l, CPU_AT(st.daif), (imm & 15) << 6, field == PSTATE_DAIFSET);
        if (field == PSTATE_DAIFSET)
            lift_to_cpu(l, 2, CPU_AT(st.daif), t);
        else
            write_daif(l, t);
        return true;
    }
    default: return false;
    }
    if (!at_el1(l) && (psr_bit & (PSR_UAO | PSR_PAN)))
        return false;
    lift_to_cpu(l, 2, CPU_AT(st.misc), changed_bits(l, CPU_AT(st.misc), psr_bit, imm & 1));
    if (psr_bit == PSR_PAN)
        write_pan(l, imm & 1);
    return true;
}

/* --- DC ZVA, DSB -------------------------------------------------------------------------------------------------------- */

/* With the MMU off all memory is Device, where it faults. */
static bool zero_line(struct lift *l, var_t x)
{
    const unsigned sz = l->u->j->host & JIT_HOST_AVX ? 4 : 3;

    if (!(l->u->mode & MODE_MMU) || !(l->u->mode & MODE_DZE) || x == VAR_ZERO)
        return false;
    const var_t line = lift_temp(l), h = lift_temp(l);
    lift_opi(l, IR_AND, 3, line, x, ~(uint64_t)(SYSOP_LINE - 1));
    struct ir *r = lift_op(l, IR_PROBE, 3, h, line, VAR_NONE);
    r->aux = SYSOP_LINE;
    r->ext = true;
    for (unsigned at = 0; at < SYSOP_LINE; at += 1u << sz)
        lift_known(l, sz == 4 ? IR_VSTK : IR_STK, sz, h, at)->c = VAR_ZERO;
    return true;
}

/* --- Pointer authentication --------------------------------------------------------------------------------------------- */

static bool authenticate(struct lift *l, bool auth, unsigned key, var_t d, var_t modifier)
{
    if (d == VAR_NONE)
        return true;
    if (l->u->mode & (MODE_PAC_IA << key))
        lift_op(l, auth ? IR_AUT : IR_PAC, 3, d, d, modifier)->aux = key;
    return true;
}

#define KEY(NAME) (ARG(NAME)->data << 1 | ARG(NAME)->key)

bool lift_system(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
    case A64_ROW_MRS_RS_systemmove:
        return read_register(l, ARG(MRS_RS_systemmove)->enc, X(MRS_RS_systemmove, t));
    case A64_ROW_MSR_SR_systemmove:
        return write_register(l, ARG(MSR_SR_systemmove)->enc, X(MSR_SR_systemmove, t));
    case A64_ROW_MSR_SI_pstate:
        return write_pstate(l, ARG(MSR_SI_pstate)->op, (unsigned)ARG(MSR_SI_pstate)->imm);
    case A64_ROW_SYS_CR_systeminstrs:
        return ARG(SYS_CR_systeminstrs)->op == SYSOP_DC_ZVA && zero_line(l, X(SYS_CR_systeminstrs, t));
    case A64_ROW_DSB_BO_barriers: /* it waits for this CPU's TLB maintenance on the others */
        lift_guard(l, 0, CPU_AT(inval_pending), 1, true);
        lift_ir(l, IR_FENCE);
        return true;
    case A64_ROW_ISB_BI_barriers: /* what others want of this CPU, and whether this is the code still */
        lift_guard(l, 2, CPU_AT(events), UINT32_MAX, true);
        lift_guard(l, 2, CPU_AT(jit_hot.code_changed), UINT32_MAX, true);
        return true;
    case A64_ROW_SB_only_barriers: return true;
    case A64_ROW_PAC_64P_dp_1src:
        return authenticate(l, false, KEY(PAC_64P_dp_1src), lift_w(ARG(PAC_64P_dp_1src)->d),
                            X(PAC_64P_dp_1src, n));
    case A64_ROW_AUT_64P_dp_1src:
        return authenticate(l, true, KEY(AUT_64P_dp_1src), lift_w(ARG(AUT_64P_dp_1src)->d),
                            X(AUT_64P_dp_1src, n));
    case A64_ROW_PACZ_64Z_dp_1src:
        return authenticate(l, false, KEY(PACZ_64Z_dp_1src), lift_w(ARG(PACZ_64Z_dp_1src)->d), VAR_ZERO);
    case A64_ROW_AUTZ_64Z_dp_1src:
        return authenticate(l, true, KEY(AUTZ_64Z_dp_1src), lift_w(ARG(AUTZ_64Z_dp_1src)->d), VAR_ZERO);
    case A64_ROW_XPAC_64Z_dp_1src: {
        const var_t d = lift_w(ARG(XPAC_64Z_dp_1src)->d);
        if (d != VAR_NONE)
            help(l, HELP_XPAC + ARG(XPAC_64Z_dp_1src)->data, d, d, VAR_ZERO);
        return true;
    }
    case A64_ROW_PACGA_64_dp_2src:
        if (X(PACGA_64_dp_2src, d) != VAR_NONE)
            help(l, HELP_PACGA, X(PACGA_64_dp_2src, d), X(PACGA_64_dp_2src, n), X(PACGA_64_dp_2src, m));
        return true;
    case A64_ROW_PAC1716_HI_hints:
        return authenticate(l, ARG(PAC1716_HI_hints)->auth, ARG(PAC1716_HI_hints)->key, 17, 16);
    case A64_ROW_PACZSP_HI_hints:
        return authenticate(l, ARG(PACZSP_HI_hints)->auth, ARG(PACZSP_HI_hints)->key, VAR_LR,
                            ARG(PACZSP_HI_hints)->sp ? VAR_SP : VAR_ZERO);
    case A64_ROW_XPACLRI_HI_hints: help(l, HELP_XPAC, VAR_LR, VAR_LR, VAR_ZERO); return true;
    default: return false;
    }
}
