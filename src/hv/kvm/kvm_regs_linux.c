/* Registers of a vCPU by KVM_GET_ONE_REG and KVM_SET_ONE_REG. Owner thread, or while it does not run. */
#ifdef __aarch64__
#include "hv/kvm/kvm_internal.h"

#include "arch/sysreg.h"
#include "base/bits.h"

#include <errno.h>
#include <string.h>

#define CORE(size, field)                                                                          \
    (KVM_REG_ARM64 | KVM_REG_SIZE_##size | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field))
/* The arrays of struct kvm_regs: n elements of 8 or 16 bytes on, counted in words of 4. */
#define CORE_X(n) (CORE(U64, regs.regs[0]) + 2 * (n))
#define CORE_V(n) (CORE(U128, fp_regs.vregs[0]) + 4 * (n))
#define REG_MAX_WORDS (2048 / 64) /* a Z register */
/* The others have their encoding for an id, but for those in sys_id(). */
#define SYS_ID(encoding) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM64_SYSREG | (encoding))

static int one_reg(struct hv_vcpu *v, unsigned long request, uint64_t id, void *val)
{
    struct kvm_one_reg r = {.id = id, .addr = (uintptr_t)val};
    return kvm_ioctl(v->fd, request, (uintptr_t)&r);
}

static uint64_t sys_id(uint16_t encoding)
{
    const struct sysreg_desc *d = sysreg_find(encoding);

    if (d)
        switch (d->id) {
        case SR_SP_EL0: return CORE(U64, regs.sp);
        case SR_ELR_EL1: return CORE(U64, elr_el1);
        case SR_SPSR_EL1: return CORE(U64, spsr[KVM_SPSR_EL1]);
        case SR_FPCR: return CORE(U32, fp_regs.fpcr);
        case SR_FPSR: return CORE(U32, fp_regs.fpsr);
        /* Each has the other's (asm/kvm.h). */
        case SR_CNTV_CVAL_EL0: return KVM_REG_ARM_TIMER_CVAL;
        case SR_CNTVCT_EL0: return KVM_REG_ARM_TIMER_CNT;
        default: break;
        }
    return SYS_ID(encoding);
}

/* A V register is a part of its Z register, where there are those. */
static uint64_t vector_id(const struct hv_vcpu *v, unsigned n)
{
    return bit(v->init.features[0], KVM_ARM_VCPU_SVE) ? KVM_REG_ARM64_SVE_ZREG(n, 0) : CORE_V(n);
}

static bool is_vector(uint64_t id)
{
    return (id & KVM_REG_SIZE_MASK) > KVM_REG_SIZE_U64;
}

static uint64_t sp_id(uint64_t pstate)
{
    return bits(pstate, 3, 2) && (pstate & PSR_SP) ? CORE(U64, sp_el1) : CORE(U64, regs.sp);
}

/* KVM's id, of a V register both halves'. 0 or -errno. */
static int id_of(struct hv_vcpu *v, unsigned reg, uint64_t *id)
{
    uint64_t pstate = 0;
    int r = 0;

    if (reg <= 30) {
        *id = CORE_X(reg);
    } else if (reg - HV_REG_V0 < 64) {
        *id = vector_id(v, (reg - HV_REG_V0) / 2);
    } else if (reg == HV_REG_PC) {
        *id = CORE(U64, regs.pc);
    } else if (reg == HV_REG_PSTATE) {
        *id = CORE(U64, regs.pstate);
    } else if (reg == HV_REG_SP) {
        r = one_reg(v, KVM_GET_ONE_REG, CORE(U64, regs.pstate), &pstate);
        *id = sp_id(pstate);
    } else if (reg & HV_REG_SYS) {
        *id = sys_id((uint16_t)reg);
    } else {
        r = -EINVAL;
    }
    return r;
}

int kvm_get_reg(struct hv_vcpu *v, unsigned reg, uint64_t *val)
{
    uint64_t id, buf[REG_MAX_WORDS] = {0};
    int r;

    if ((r = id_of(v, reg, &id)) || (r = one_reg(v, KVM_GET_ONE_REG, id, buf)))
        return r;
    *val = buf[is_vector(id) ? reg % 2 : 0];
    return 0;
}

static uint64_t host_cntfrq(void)
{
    uint64_t hz;
    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
}

/* KVM has one virtual counter for all vCPUs, and its own time at which that was 0: the first vCPU that goes on sets it back by as long as it has stood
 * still, to 0 if it was already held when KVM began. */
void kvm_set_counter_base(struct hv_vcpu *v, uint64_t counter_base_ns)
{
    struct hv_vm *vm = v->vm;
    uint64_t count;
    int r = 0;

    pthread_mutex_lock(&vm->lock);
    const uint64_t ns = counter_base_ns - vm->counter_base_ns;
    vm->counter_base_ns = counter_base_ns;
    if (ns && !(r = one_reg(v, KVM_GET_ONE_REG, KVM_REG_ARM_TIMER_CNT, &count))) {
        const uint64_t still = (uint64_t)((unsigned __int128)ns * host_cntfrq() / 1000000000);
        count -= MIN(still, count);
        r = one_reg(v, KVM_SET_ONE_REG, KVM_REG_ARM_TIMER_CNT, &count);
    }
    pthread_mutex_unlock(&vm->lock);
    if (r)
        kvm_break(vm, "setting the virtual counter", -r);
}

int kvm_set_reg(struct hv_vcpu *v, unsigned reg, uint64_t val)
{
    uint64_t id, buf[REG_MAX_WORDS] = {val};
    const int no_id = id_of(v, reg, &id);
    int r;

    if (no_id)
        return no_id;
    if (reg == HV_REG_PC)
        native_debug_moved(&v->debug);
    if (is_vector(id)) {
        if ((r = one_reg(v, KVM_GET_ONE_REG, id, buf)))
            return r;
        buf[reg % 2] = val;
        /* As by an instruction that writes V (DDI 0487, "SIMD and floating-point register file"). */
        memset(&buf[2], 0, sizeof(buf) - 2 * sizeof(buf[0]));
    }
    return one_reg(v, KVM_SET_ONE_REG, id, buf);
}
#endif
