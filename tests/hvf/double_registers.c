/* The double's registers. double.c */
#include "tests/hvf/double.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/os.h"

#include "gen/sysreg_fields.h"

#include <string.h>

#define POISON UINT64_C(0xdeadbeefcafef00d)
#define MDSCR_EL1 SYSREG_ENC(2, 0, 0, 2, 2)
#define CNTP_CTL_EL0 SYSREG_ENC(3, 3, 14, 2, 1)
#define CNTV_CTL_EL0 SYSREG_ENC(3, 3, 14, 3, 1)
#define CNTV_CVAL_EL0 SYSREG_ENC(3, 3, 14, 3, 2)

/* The physical timer's are there with the GIC. */
static bool timer_sysreg(hv_sys_reg_t reg)
{
    return reg == CNTV_CTL_EL0 || reg == CNTV_CVAL_EL0 || (vm.gic.on && reg >> 3 == CNTP_CTL_EL0 >> 3);
}

static const uint16_t id_encoding[NR_IDS] = {0xc020, 0xc021, 0xc028, 0xc029, 0xc030,
                                             0xc031, 0xc038, 0xc039, 0xc03a};

/* Those that the framework has had from its first version, but the ones that are handled apart. */
static const hv_sys_reg_t known_sysregs[] = {
    0x8010, 0x8012, 0xc000, 0xc005, 0xc080, 0xc082, 0xc100, 0xc101, 0xc102, 0xc108, 0xc109, 0xc10a,
    0xc10b, 0xc110, 0xc111, 0xc112, 0xc113, 0xc118, 0xc119, 0xc200, 0xc201, 0xc288, 0xc289, 0xc290,
    0xc300, 0xc3a0, 0xc510, 0xc518, 0xc600, 0xc681, 0xc684, 0xc708, 0xd000, 0xde82, 0xde83,
};

static bool known_sysreg(hv_sys_reg_t reg)
{
    for (unsigned i = 0; i < ARRAY_LEN(known_sysregs); i++)
        if (known_sysregs[i] == reg)
            return sysreg_find(reg);
    return reg >= 0x8004 && reg <= 0x800f && sysreg_find(reg); /* breakpoints and watchpoints 0 and 1 */
}

/* What is not documented is not zero. */
void double_poison(struct vcpu *v)
{
    struct pe_state *s = &v->cpu->st;

    for (unsigned i = 0; i <= 30; i++)
        s->x[i] = POISON;
    s->x[REG_SP] = s->sp_el[0] = s->sp_el[1] = s->elr_el[1] = s->spsr_el[1] = s->pc = POISON;
    memset(s->v, 0xa5, sizeof(s->v));
    for (unsigned i = 0; i < ARRAY_LEN(known_sysregs); i++)
        if (sysreg_find(known_sysregs[i]))
            sysreg_write(s, sysreg_find(known_sysregs[i]), POISON);
    SYS(s, MPIDR_EL1) = 0;
    SYS(s, ID_AA64PFR0_EL1) &= ~ID_AA64PFR0_EL1_GIC;
    /* More than a guest may see: PMU, SME, a large physical address space, no GIC registers, and pointer authentication that differs. */
    for (unsigned i = 0; i < NR_IDS; i++)
        v->id[i] = sysreg_find(id_encoding[i])->reset;
    v->id[ID_PFR0] &= ~ID_AA64PFR0_EL1_GIC;
    v->id[ID_PFR1] |= UINT64_C(1) << ID_AA64PFR1_EL1_SME_LO;
    v->id[ID_DFR0] |= UINT64_C(1) << ID_AA64DFR0_EL1_PMUVer_LO;
    v->id[ID_MMFR0] |= 6;
    v->id[ID_ISAR1] ^= (uint64_t)vm.nr_vcpus << ID_AA64ISAR1_EL1_GPI_LO;
}

static uint64_t *sp_of(struct pe_state *s, unsigned el)
{
    const unsigned current = s->el && s->sp_sel ? 1 : 0;
    return el == current ? &s->x[REG_SP] : &s->sp_el[el];
}

hv_return_t hv_vcpu_get_reg(hv_vcpu_t id, hv_reg_t reg, uint64_t *value)
{
    const struct pe_state *s = &vcpu_of(id)->cpu->st;

    if (reg <= 30)
        *value = s->x[reg];
    else if (reg == HV_REG_PC)
        *value = s->pc;
    else if (reg == HV_REG_FPCR)
        *value = s->fpcr;
    else if (reg == HV_REG_FPSR)
        *value = s->fpsr;
    else if (reg == HV_REG_CPSR)
        *value = pstate_get(s);
    else
        return HV_BAD_ARGUMENT;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_reg(hv_vcpu_t id, hv_reg_t reg, uint64_t value)
{
    struct vcpu *v = vcpu_of(id);
    struct pe_state *s = &v->cpu->st;

    if (reg <= 30)
        s->x[reg] = value;
    else if (reg == HV_REG_PC)
        s->pc = value;
    else if (reg == HV_REG_FPCR)
        s->fpcr = (uint32_t)value;
    else if (reg == HV_REG_FPSR)
        s->fpsr = (uint32_t)value;
    else if (reg == HV_REG_CPSR)
        pstate_set(s, value);
    else
        return HV_BAD_ARGUMENT;
    v->changed |= reg > 30;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_get_simd_fp_reg(hv_vcpu_t id, hv_simd_fp_reg_t reg, hv_simd_fp_uchar16_t *value)
{
    if (reg > 31)
        return HV_BAD_ARGUMENT;
    memcpy(value, &vcpu_of(id)->cpu->st.v[reg], sizeof(*value));
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_simd_fp_reg(hv_vcpu_t id, hv_simd_fp_reg_t reg, hv_simd_fp_uchar16_t value)
{
    if (reg > 31)
        return HV_BAD_ARGUMENT;
    memcpy(&vcpu_of(id)->cpu->st.v[reg], &value, sizeof(value));
    return HV_SUCCESS;
}

static int id_of(hv_sys_reg_t reg)
{
    for (int i = 0; i < NR_IDS; i++)
        if (id_encoding[i] == reg)
            return i;
    return -1;
}

hv_return_t hv_vcpu_get_sys_reg(hv_vcpu_t id, hv_sys_reg_t reg, uint64_t *value)
{
    struct vcpu *v = vcpu_of(id);
    struct pe_state *s = &v->cpu->st;

    if (id_of(reg) >= 0)
        *value = v->id[id_of(reg)];
    else if (reg == HV_SYS_REG_SP_EL0 || reg == HV_SYS_REG_SP_EL1)
        *value = *sp_of(s, reg == HV_SYS_REG_SP_EL1);
    else if (timer_sysreg(reg))
        gtimer_sysreg_read(&v->timer, reg, os_now_ns(), value);
    else if (reg == MDSCR_EL1 && (v->trap_exceptions || v->trap_registers))
        *value = v->mdscr;
    else if (known_sysreg(reg))
        *value = sysreg_read(s, sysreg_find(reg));
    else
        return HV_BAD_ARGUMENT;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_sys_reg(hv_vcpu_t id, hv_sys_reg_t reg, uint64_t value)
{
    struct vcpu *v = vcpu_of(id);
    struct pe_state *s = &v->cpu->st;

    if (reg == SYSREG_ENC(3, 0, 1, 0, 0)) /* a reset, and PC may be anywhere then */
        v->pc_rule = PC_ANY;
    if (id_of(reg) >= 0) {
        v->id[id_of(reg)] = value;
        if (id_of(reg) == ID_PFR0)
            SYS(s, ID_AA64PFR0_EL1) =
                (SYS(s, ID_AA64PFR0_EL1) & ~ID_AA64PFR0_EL1_GIC) | (value & ID_AA64PFR0_EL1_GIC);
    } else if (reg == HV_SYS_REG_SP_EL0 || reg == HV_SYS_REG_SP_EL1) {
        *sp_of(s, reg == HV_SYS_REG_SP_EL1) = value;
    } else if (timer_sysreg(reg)) {
        gtimer_sysreg_write(&v->timer, reg, os_now_ns(), value);
    } else if (reg == HV_SYS_REG_MPIDR_EL1) {
        SYS(s, MPIDR_EL1) = value;
        if (!v->has_mpidr)
            double_gic_add(v);
        v->has_mpidr = true;
    } else if (reg == MDSCR_EL1 && (v->trap_exceptions || v->trap_registers)) {
        v->mdscr = value;
    } else if (known_sysreg(reg)) {
        sysreg_write(s, sysreg_find(reg), value);
    } else {
        return HV_BAD_ARGUMENT;
    }
    v->changed = true;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_pending_interrupt(hv_vcpu_t id, hv_interrupt_type_t type, bool pending)
{
    struct vcpu *v = vcpu_of(id);

    if (type > HV_INTERRUPT_TYPE_FIQ)
        return HV_BAD_ARGUMENT;
    if (vm.gic.on)
        return HV_UNSUPPORTED;
    *(type == HV_INTERRUPT_TYPE_IRQ ? &v->irq : &v->fiq) = pending;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_get_vtimer_mask(hv_vcpu_t id, bool *masked)
{
    *masked = vcpu_of(id)->masked;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_vtimer_mask(hv_vcpu_t id, bool masked)
{
    RULE(!vm.gic.on, "the virtual timer is the GIC's: nobody masks it");
    vcpu_of(id)->masked = masked;
    return HV_SUCCESS;
}

hv_return_t hv_vcpu_set_vtimer_offset(hv_vcpu_t id, uint64_t offset)
{
    struct vcpu *v = vcpu_of(id);

    for (unsigned n = 0; n < vm.nr_vcpus; n++)
        RULE(!atomic_load(&vm.vcpu[n]->running) || vm.vcpu[n]->timer.base_ns == offset * TICK_NS,
             "the virtual timer's offset is another than vCPU %u's, which runs", n + 1);
    v->has_offset = true;
    v->timer.base_ns = v->cpu->counter_base_ns = offset * TICK_NS;
    return HV_SUCCESS;
}
