/* A vCPU of Hypervisor.framework: its life, its registers. All on the thread that created it, as the framework wants it. */
#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "hv/hvf/hvf_internal.h"

#include "gen/sysreg_fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- Calls that do not fail ----------------------------------------------------------------------------------------- */

void hvf_check(struct hv_vcpu *v, hv_return_t r, const char *what)
{
    if (likely(!r) || v->failure)
        return;
    v->failure = r;
    log_error("hvf: vCPU %u: %s: %s (0x%08x)", v->cfg.index, what, hvf_error_text(r), (unsigned)r);
}

uint64_t hvf_get(struct hv_vcpu *v, unsigned framework_reg)
{
    uint64_t val = 0;
    hvf_check(v, hv_vcpu_get_reg(v->id, (hv_reg_t)framework_reg, &val), "hv_vcpu_get_reg");
    return val;
}

void hvf_set(struct hv_vcpu *v, unsigned framework_reg, uint64_t val)
{
    hvf_check(v, hv_vcpu_set_reg(v->id, (hv_reg_t)framework_reg, val), "hv_vcpu_set_reg");
}

/* The framework's register after X30 is PC. */
uint64_t hvf_get_x(struct hv_vcpu *v, unsigned n)
{
    return n < 31 ? hvf_get(v, FRAMEWORK_REG_X0 + n) : 0;
}

void hvf_set_x(struct hv_vcpu *v, unsigned n, uint64_t val)
{
    if (n < 31)
        hvf_set(v, FRAMEWORK_REG_X0 + n, val);
}

uint64_t hvf_get_sys(struct hv_vcpu *v, uint16_t encoding)
{
    uint64_t val = 0;
    hvf_check(v, hv_vcpu_get_sys_reg(v->id, (hv_sys_reg_t)encoding, &val), "hv_vcpu_get_sys_reg");
    return val;
}

void hvf_set_sys(struct hv_vcpu *v, uint16_t encoding, uint64_t val)
{
    hvf_check(v, hv_vcpu_set_sys_reg(v->id, (hv_sys_reg_t)encoding, val), "hv_vcpu_set_sys_reg");
}

static uint16_t encoding_of(enum sysreg_id id)
{
    return sysreg_of_id(id)->encoding;
}

/* --- Identification ------------------------------------------------------------------------------------------------- */

static const uint16_t id_register[HVF_NR_ID_REGISTERS] = {
    SYSENC_ID_AA64PFR0_EL1,  SYSENC_ID_AA64PFR1_EL1,  SYSENC_ID_AA64DFR0_EL1,
    SYSENC_ID_AA64DFR1_EL1,  SYSENC_ID_AA64ISAR0_EL1, SYSENC_ID_AA64ISAR1_EL1,
    SYSENC_ID_AA64MMFR0_EL1, SYSENC_ID_AA64MMFR1_EL1, SYSENC_ID_AA64MMFR2_EL1,
};

/* ID_AA64MMFR0_EL1.PARange: the largest that needs no more address bits than there are. */
static uint64_t pa_range(unsigned bits)
{
    static const uint8_t size[] = {32, 36, 40, 42, 44, 48, 52};
    unsigned n = 0;

    while (n + 1 < ARRAY_LEN(size) && size[n + 1] <= bits)
        n++;
    return n;
}

/* What the guest must know of, or must not: the rest is the hardware's. */
static uint64_t trim_id(const struct hv_vcpu *v, uint16_t encoding, uint64_t val)
{
    const uint64_t range = pa_range(v->vm->ipa_bits);

    if (encoding == id_register[0]) /* the GIC's registers are here, or they are not */
        return (val & ~ID_AA64PFR0_EL1_GIC) | (v->cfg.gicv2 ? 0 : UINT64_C(1) << ID_AA64PFR0_EL1_GIC_LO);
    if (encoding == id_register[1]) /* SME state is not kept */
        return val & ~ID_AA64PFR1_EL1_SME;
    if (encoding == id_register[HVF_ID_DFR0]) /* PMU registers would trap */
        return val & ~ID_AA64DFR0_EL1_PMUVer;
    if (encoding == id_register[6] && (val & ID_AA64MMFR0_EL1_PARange) > range)
        return (val & ~ID_AA64MMFR0_EL1_PARange) | range;
    return val;
}

/* Alike on all vCPUs: before macOS 15 their pointer authentication could differ. */
static void set_id_registers(struct hv_vcpu *v)
{
    struct hv_vm *vm = v->vm;

    for (unsigned i = 0; i < HVF_NR_ID_REGISTERS; i++) {
        const uint64_t own = hvf_get_sys(v, id_register[i]);
        if (!vm->has_id)
            vm->id[i] = trim_id(v, id_register[i], own);
        if (own != vm->id[i] && hv_vcpu_set_sys_reg(v->id, (hv_sys_reg_t)id_register[i], vm->id[i]))
            log_warn("hvf: vCPU %u: %s stays 0x%" PRIx64 ", not 0x%" PRIx64, v->cfg.index,
                     sysreg_find(id_register[i])->name, own, vm->id[i]);
    }
    vm->has_id = true;
}

/* --- Life ----------------------------------------------------------------------------------------------------------- */

int hvf_vcpu_create(struct hv_vm *vm, struct hv_vcpu **out, const struct hv_vcpu_config *cfg,
                    struct err *e)
{
    struct hv_vcpu *v = calloc(1, sizeof(*v));
    hv_vcpu_exit_t *exit;
    hv_return_t r;
    int error;

    if (!v)
        return err_set(e, ENOMEM, "out of memory for vCPU %u", cfg->index);
    v->vm = vm;
    v->cfg = *cfg;
    v->due_ns = UINT64_MAX;
    v->emulator = emulator_create(vm->cfg.ram, cfg->on_exit, cfg->opaque);
    if (!v->emulator) {
        free(v);
        return err_set(e, ENOMEM, "out of memory for vCPU %u", cfg->index);
    }
    r = hv_vcpu_create(&v->id, &exit, NULL);
    if (r) {
        emulator_destroy(v->emulator);
        free(v);
        return err_set(e, EIO, "hvf: vCPU %u: %s (0x%08x)", cfg->index, hvf_error_text(r), (unsigned)r);
    }
    v->exit = exit;
    v->alive = true;
    pthread_mutex_init(&v->lock, NULL);
    hvf_set_sys(v, encoding_of(SR_MPIDR_EL1), cfg->mpidr);
    if (vm->gic.on && (error = hvf_gic_add_vcpu(v, e))) {
        hvf_vcpu_retire(v);
        hvf_vcpu_destroy(v);
        return error;
    }
    set_id_registers(v);
    hvf_set_counter_base(v, vm->cfg.counter_base_ns);
    hvf_vcpu_reset(v);
    *out = v;
    return 0;
}

/* The same on all vCPUs that run: each is told before it goes into the guest again. */
void hvf_set_counter_base(struct hv_vcpu *v, uint64_t counter_base_ns)
{
    v->vtimer_offset = counter_base_ns * v->vm->timebase.denom / v->vm->timebase.numer;
    hvf_check(v, hv_vcpu_set_vtimer_offset(v->id, v->vtimer_offset), "hv_vcpu_set_vtimer_offset");
}

void hvf_vcpu_retire(struct hv_vcpu *v)
{
    hvf_alarm_forget(&v->vm->alarm, v);
    pthread_mutex_lock(&v->lock);
    v->alive = false;
    hvf_check(v, hv_vcpu_destroy(v->id), "hv_vcpu_destroy");
    pthread_mutex_unlock(&v->lock);
}

void hvf_vcpu_destroy(struct hv_vcpu *v)
{
    BUG_ON(v->alive);
    pthread_mutex_destroy(&v->lock);
    emulator_destroy(v->emulator);
    free(v);
}

/* Registers that a reset sets and the framework knows. */
static const enum sysreg_id at_reset[] = {
    SR_SCTLR_EL1,     SR_CPACR_EL1,     SR_TTBR0_EL1,     SR_TTBR1_EL1,      SR_TCR_EL1,
    SR_APIAKeyLo_EL1, SR_APIAKeyHi_EL1, SR_APIBKeyLo_EL1, SR_APIBKeyHi_EL1,  SR_APDAKeyLo_EL1,
    SR_APDAKeyHi_EL1, SR_APDBKeyLo_EL1, SR_APDBKeyHi_EL1, SR_APGAKeyLo_EL1,  SR_APGAKeyHi_EL1,
    SR_AFSR0_EL1,     SR_AFSR1_EL1,     SR_ESR_EL1,       SR_FAR_EL1,        SR_PAR_EL1,
    SR_MAIR_EL1,      SR_AMAIR_EL1,     SR_VBAR_EL1,      SR_CONTEXTIDR_EL1, SR_TPIDR_EL1,
    SR_CNTKCTL_EL1,   SR_CSSELR_EL1,    SR_TPIDR_EL0,     SR_TPIDRRO_EL0,    SR_SPSR_EL1,
    SR_ELR_EL1,       SR_MDSCR_EL1,     SR_MDCCINT_EL1,
};

/* What a vCPU is created with is not documented: everything is written. */
void hvf_vcpu_reset(struct hv_vcpu *v)
{
    const hv_simd_fp_uchar16_t zero = {0};

    hvf_debug_reset(v);
    pe_reset(&v->shadow);
    for (unsigned i = 0; i <= 30; i++)
        hvf_set_x(v, i, 0);
    hvf_set(v, FRAMEWORK_REG_PC, 0);
    hvf_set(v, HV_REG_CPSR, pstate_get(&v->shadow));
    hvf_set(v, HV_REG_FPCR, 0);
    hvf_set(v, HV_REG_FPSR, 0);
    for (unsigned i = 0; i < 32; i++)
        hvf_check(v, hv_vcpu_set_simd_fp_reg(v->id, (hv_simd_fp_reg_t)(HV_SIMD_FP_REG_Q0 + i), zero),
                  "hv_vcpu_set_simd_fp_reg");
    hvf_set_sys(v, HV_SYS_REG_SP_EL0, 0);
    hvf_set_sys(v, HV_SYS_REG_SP_EL1, 0);
    for (unsigned i = 0; i < ARRAY_LEN(at_reset); i++) {
        const struct sysreg_desc *d = sysreg_of_id(at_reset[i]);
        hvf_set_sys(v, d->encoding, sysreg_read(&v->shadow, d));
    }
    hvf_set_sys(v, SYSENC_CNTV_CTL_EL0, 0);
    hvf_set_sys(v, SYSENC_CNTV_CVAL_EL0, 0);
    if (v->vm->gic.on)
        hvf_gic_reset_vcpu(v);
    else
        hvf_check(v, hv_vcpu_set_vtimer_mask(v->id, false), "hv_vcpu_set_vtimer_mask");
    v->vtimer_masked = false;
}

void hvf_counters(const struct hv_vcpu *v, struct hv_counters *n)
{
    *n = (struct hv_counters){0};
    n->own[HV_COUNTER_TRAPPED_REGISTERS] = v->nr_trapped;
    n->exits[HV_EXIT_WFI] = v->nr_wfi;
}

/* --- Registers ------------------------------------------------------------------------------------------------------ */

/* The id of the stack pointer that is in use. */
static uint16_t current_sp(struct hv_vcpu *v)
{
    const uint64_t cpsr = hvf_get(v, HV_REG_CPSR);
    return bits(cpsr, 3, 2) && (cpsr & PSR_SP) ? HV_SYS_REG_SP_EL1 : HV_SYS_REG_SP_EL0;
}

static int get_vector_half(struct hv_vcpu *v, unsigned half, uint64_t *val)
{
    hv_simd_fp_uchar16_t q;
    union vreg r;

    if (hv_vcpu_get_simd_fp_reg(v->id, (hv_simd_fp_reg_t)(HV_SIMD_FP_REG_Q0 + half / 2), &q))
        return -EIO;
    memcpy(&r, &q, sizeof(r));
    *val = r.d[half % 2];
    return 0;
}

static int set_vector_half(struct hv_vcpu *v, unsigned half, uint64_t val)
{
    const hv_simd_fp_reg_t reg = (hv_simd_fp_reg_t)(HV_SIMD_FP_REG_Q0 + half / 2);
    hv_simd_fp_uchar16_t q;
    union vreg r;

    if (hv_vcpu_get_simd_fp_reg(v->id, reg, &q))
        return -EIO;
    memcpy(&r, &q, sizeof(r));
    r.d[half % 2] = val;
    memcpy(&q, &r, sizeof(q));
    return hv_vcpu_set_simd_fp_reg(v->id, reg, q) ? -EIO : 0;
}

/* The framework's number of what it does not count among the system registers; -1: it does. */
static int plain_reg(unsigned reg)
{
    if (reg <= 30)
        return (int)(FRAMEWORK_REG_X0 + reg);
    switch (reg) {
    case HV_REG_PC: return FRAMEWORK_REG_PC;
    case HV_REG_PSTATE: return HV_REG_CPSR;
    case HV_REG_SYS | SYSENC_FPCR: return HV_REG_FPCR;
    case HV_REG_SYS | SYSENC_FPSR: return HV_REG_FPSR;
    default: return -1;
    }
}

/* Null: it is the framework's to know. */
static uint64_t *rests(struct hv_vcpu *v, unsigned reg)
{
    return reg & HV_REG_SYS ? hvf_debug_guest_reg(v, (uint16_t)reg) : NULL;
}

int hvf_get_reg(struct hv_vcpu *v, unsigned reg, uint64_t *val)
{
    const int plain = plain_reg(reg);

    if (rests(v, reg))
        *val = *rests(v, reg);
    else if (plain >= 0)
        *val = hvf_get(v, (unsigned)plain);
    else if (reg == HV_REG_SP)
        *val = hvf_get_sys(v, current_sp(v));
    else if (reg - HV_REG_V0 < 64)
        return get_vector_half(v, reg - HV_REG_V0, val);
    else if (!(reg & HV_REG_SYS) || hv_vcpu_get_sys_reg(v->id, (hv_sys_reg_t)(reg & 0xffff), val))
        return -EINVAL;
    return 0;
}

int hvf_set_reg(struct hv_vcpu *v, unsigned reg, uint64_t val)
{
    const int plain = plain_reg(reg);

    if (reg == HV_REG_PC) /* wherever that is, it is meant to be executed from there */
        native_debug_moved(&v->debug.native);
    if (rests(v, reg))
        *rests(v, reg) = val;
    else if (plain >= 0)
        hvf_set(v, (unsigned)plain, val);
    else if (reg == HV_REG_SP)
        hvf_set_sys(v, current_sp(v), val);
    else if (reg - HV_REG_V0 < 64)
        return set_vector_half(v, reg - HV_REG_V0, val);
    else if (!(reg & HV_REG_SYS) || hv_vcpu_set_sys_reg(v->id, (hv_sys_reg_t)(reg & 0xffff), val))
        return -EINVAL;
    return 0;
}

/* --- Exceptions of the guest's -------------------------------------------------------------------------------------- */

void hvf_inject(struct hv_vcpu *v, const struct exception *e)
{
    struct pe_state *s = &v->shadow;

    SYS(s, VBAR_EL1) = hvf_get_sys(v, encoding_of(SR_VBAR_EL1));
    SYS(s, SCTLR_EL1) = hvf_get_sys(v, encoding_of(SR_SCTLR_EL1));
    /* A debugger's step is none of the guest's. */
    pstate_set(s, hvf_get(v, HV_REG_CPSR) & ~(uint64_t)(v->debug.native.in_step ? PSR_SS : 0));
    exception_take(s, e, 1);
    v->debug.injected = true;
    hvf_set(v, HV_REG_CPSR, pstate_get(s));
    hvf_set(v, FRAMEWORK_REG_PC, s->pc);
    hvf_set_sys(v, encoding_of(SR_SPSR_EL1), s->spsr_el[1]);
    hvf_set_sys(v, encoding_of(SR_ELR_EL1), s->elr_el[1]);
    hvf_set_sys(v, encoding_of(SR_ESR_EL1), SYS(s, ESR_EL1));
    if (e->far_valid)
        hvf_set_sys(v, encoding_of(SR_FAR_EL1), SYS(s, FAR_EL1));
}
