/* PSCI 1.1, SMCCC discovery and vibevmm's own call, by HVC and by SMC, where the backend does not answer them itself.
 *
 * vCPU threads; power states under vm.lock. Specification: DEN 0022 (PSCI), DEN 0028 (SMCCC). */
#include "arch/psci.h"

#include "arch/smccc.h"
#include "base/bits.h"
#include "base/log.h"
#include "vm/vm_internal.h"

static uint64_t get_x(struct vcpu *v, unsigned n)
{
    uint64_t val = 0;
    v->vm->hv->get_reg(v->hv, HV_REG_X0 + n, &val);
    return val;
}

static struct vcpu *find_mpidr(struct vm *vm, uint64_t affinity)
{
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if ((vm->vcpu[i].mpidr & PSCI_MPIDR_MASK) == affinity)
            return &vm->vcpu[i];
    return NULL;
}

static int64_t cpu_on(struct vm *vm, uint64_t target, gpa_t entry, uint64_t context)
{
    struct vcpu *t = target & ~PSCI_MPIDR_MASK ? NULL : find_mpidr(vm, target);
    int64_t r = PSCI_SUCCESS;

    if (!t)
        return PSCI_INVALID_PARAMETERS;
    if ((entry & 3) || !ram_find(&vm->ram, entry))
        return PSCI_INVALID_ADDRESS;
    pthread_mutex_lock(&vm->lock);
    if (t->power == VCPU_ON)
        r = PSCI_ALREADY_ON;
    else if (t->power == VCPU_ON_PENDING)
        r = PSCI_ON_PENDING;
    else {
        t->power = VCPU_ON_PENDING;
        t->on_entry = entry;
        t->on_context = context;
        t->by_reset = false;
        if (vm->opt->deterministic)
            turns_ready(vm, t->index);
        pthread_cond_broadcast(&vm->changed);
    }
    pthread_mutex_unlock(&vm->lock);
    return r;
}

/* Does not return to the guest. With the last one off nothing can ever happen again. */
static void cpu_off(struct vcpu *v)
{
    struct vm *vm = v->vm;
    bool any = false;

    pthread_mutex_lock(&vm->lock);
    v->power = VCPU_OFF;
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        any |= vm->vcpu[i].power != VCPU_OFF;
    pthread_mutex_unlock(&vm->lock);
    if (!any) {
        log_info("every vCPU has switched itself off");
        vm_request_stop(vm, VM_STOP_POWEROFF);
    }
}

static int64_t affinity_info(struct vm *vm, uint64_t target, uint64_t level)
{
    struct vcpu *t = target & ~PSCI_MPIDR_MASK ? NULL : find_mpidr(vm, target);
    int64_t r;

    if (!t || level != 0)
        return PSCI_INVALID_PARAMETERS;
    pthread_mutex_lock(&vm->lock);
    r = t->power == VCPU_ON    ? PSCI_AFFINITY_ON
        : t->power == VCPU_OFF ? PSCI_AFFINITY_OFF
                               : PSCI_AFFINITY_ON_PENDING;
    pthread_mutex_unlock(&vm->lock);
    return r;
}

/* A power-down state may be answered by a standby one (DEN 0022, "CPU_SUSPEND"): the context is kept. */
static int64_t cpu_suspend(struct vcpu *v, uint32_t power_state)
{
    struct hv_exit wfi = {.reason = HV_EXIT_WFI};

    if (power_state & ~PSCI_POWER_STATE_VALID)
        return PSCI_INVALID_PARAMETERS;
    if (v->vm->hv->wait) {
        v->vm->hv->wait(v->hv);
        return PSCI_SUCCESS;
    }
    vcpu_handle_exit(v, &wfi);
    v->exits[HV_EXIT_WFI]--; /* one exit, one count */
    return PSCI_SUCCESS;
}

static int64_t features(uint32_t id)
{
    switch (id) {
    case PSCI_VERSION:
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_SUSPEND_64:
    case PSCI_CPU_OFF:
    case PSCI_CPU_ON:
    case PSCI_CPU_ON_64:
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO_64:
    case PSCI_MIGRATE_INFO_TYPE:
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
    case PSCI_SYSTEM_RESET2:
    case PSCI_SYSTEM_RESET2_64:
    case PSCI_FEATURES:
    case SMCCC_VERSION: return 0;
    default: return PSCI_NOT_SUPPORTED;
    }
}

/* Who answers the vendor specific calls: W0 is the caller's to store. */
static int64_t call_uid(struct vcpu *v)
{
    static const uint32_t uid[4] = SMCCC_VIBE_UID;

    for (unsigned i = 1; i < 4; i++)
        v->vm->hv->set_reg(v->hv, HV_REG_X0 + i, uid[i]);
    return uid[0];
}

static int64_t arch_features(uint32_t id)
{
    return id == SMCCC_VERSION || id == SMCCC_ARCH_FEATURES ? SMCCC_SUCCESS : SMCCC_NOT_SUPPORTED;
}

/* The SMC32 forms pass 32-bit arguments. */
static uint64_t argument(struct vcpu *v, uint32_t id, unsigned n)
{
    return get_x(v, n) & (id & SMCCC_64 ? UINT64_MAX : UINT32_MAX);
}

HOT enum hv_action psci_call(struct vcpu *v)
{
    struct vm *vm = v->vm;
    const uint32_t id = (uint32_t)get_x(v, 0);
    int64_t r;

    switch (id) {
    case PSCI_VERSION: r = PSCI_VERSION_1_1; break;
    case PSCI_FEATURES: r = features((uint32_t)argument(v, id, 1)); break;
    case PSCI_CPU_ON:
    case PSCI_CPU_ON_64:
        r = cpu_on(vm, argument(v, id, 1), argument(v, id, 2), argument(v, id, 3));
        break;
    case PSCI_CPU_OFF: cpu_off(v); return HV_STOP;
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO_64:
        r = affinity_info(vm, argument(v, id, 1), argument(v, id, 2));
        break;
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_SUSPEND_64: r = cpu_suspend(v, (uint32_t)argument(v, id, 1)); break;
    case PSCI_MIGRATE_INFO_TYPE: r = PSCI_TOS_NOT_PRESENT; break;
    case PSCI_SYSTEM_OFF: vm_request_stop(vm, VM_STOP_POWEROFF); return HV_STOP;
    case PSCI_SYSTEM_RESET2:
    case PSCI_SYSTEM_RESET2_64:
        if (argument(v, id, 1) != PSCI_RESET2_WARM) {
            r = PSCI_INVALID_PARAMETERS;
            break;
        }
        vm_request_reset(vm);
        return HV_STOP;
    case PSCI_SYSTEM_RESET: vm_request_reset(vm); return HV_STOP;
    case SMCCC_VERSION: r = SMCCC_VERSION_1_1; break;
    case SMCCC_ARCH_FEATURES: r = arch_features((uint32_t)argument(v, id, 1)); break;
    case SMCCC_VENDOR_HYP_CALL_UID: r = call_uid(v); break;
    case SMCCC_VIBE_EXIT: vm_request_exit(vm, (int)MIN(argument(v, id, 1), 255u)); return HV_STOP;
    default: r = SMCCC_NOT_SUPPORTED; break;
    }
    vm->hv->set_reg(v->hv, HV_REG_X0, (uint64_t)r);
    return HV_CONTINUE;
}
