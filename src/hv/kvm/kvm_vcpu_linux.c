/* A vCPU of KVM: creation, and KVM_RUN with what it comes back for.
 *
 * WFI, PSCI, the GIC's and the timers' registers never come back. A kick is a signal to the vCPU's thread, whose handler sets kvm_run.immediate_exit: it
 * counts also when it arrives just before KVM_RUN.
 * Threads: the vCPU's own, but for kick(). */
#ifdef __aarch64__
#include "hv/kvm/kvm_internal.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "hv/emulate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static _Thread_local struct hv_vcpu *own; /* of this thread, for the signal handler */

static void set_immediate_exit(struct hv_vcpu *v, bool on)
{
    __atomic_store_n(&v->run->immediate_exit, on, __ATOMIC_SEQ_CST);
}

static void on_kick(int sig)
{
    (void)sig;
    if (own)
        set_immediate_exit(own, true);
}

static void catch_kicks(void)
{
    struct sigaction a = {.sa_handler = on_kick};
    sigset_t set;

    sigaction(KICK_SIGNAL, &a, NULL);
    sigemptyset(&set);
    sigaddset(&set, KICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* --- Life ----------------------------------------------------------------------------------------------------------- */

static bool has_feature(const struct hv_vcpu *v, unsigned feature)
{
    return bit(v->init.features[0], feature);
}

/* What the host has of what a guest may have; the kernel knows the rest of it from there. */
static void choose_features(struct hv_vcpu *v)
{
    static const struct {
        unsigned feature, needs[2];
    } optional[] = {
        /* The two go together. */
        {KVM_ARM_VCPU_PTRAUTH_ADDRESS, {KVM_CAP_ARM_PTRAUTH_ADDRESS, KVM_CAP_ARM_PTRAUTH_GENERIC}},
        {KVM_ARM_VCPU_PTRAUTH_GENERIC, {KVM_CAP_ARM_PTRAUTH_ADDRESS, KVM_CAP_ARM_PTRAUTH_GENERIC}},
        {KVM_ARM_VCPU_PMU_V3, {KVM_CAP_ARM_PMU_V3, KVM_CAP_ARM_PMU_V3}},
        {KVM_ARM_VCPU_SVE, {KVM_CAP_ARM_SVE, KVM_CAP_ARM_SVE}},
    };
    const int fd = v->vm->fd;

    memset(v->init.features, 0, sizeof(v->init.features));
    v->init.features[0] = 1u << KVM_ARM_VCPU_PSCI_0_2;
    if (v->cfg.index)
        v->init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
    for (unsigned i = 0; i < ARRAY_LEN(optional); i++)
        if (kvm_has(fd, optional[i].needs[0]) && kvm_has(fd, optional[i].needs[1]))
            v->init.features[0] |= 1u << optional[i].feature;
}

static int initialise(struct hv_vcpu *v)
{
    int sve = KVM_ARM_VCPU_SVE;
    int r = kvm_ioctl(v->fd, KVM_ARM_VCPU_INIT, (uintptr_t)&v->init);

    /* With the vector lengths that there are. */
    if (!r && has_feature(v, KVM_ARM_VCPU_SVE))
        r = kvm_ioctl(v->fd, KVM_ARM_VCPU_FINALIZE, (uintptr_t)&sve);
    return r;
}

static int set_pmu_attr(const struct hv_vcpu *v, uint64_t attr, const void *val)
{
    struct kvm_device_attr a = {.group = KVM_ARM_VCPU_PMU_V3_CTRL, .attr = attr, .addr = (uintptr_t)val};
    return kvm_ioctl(v->fd, KVM_SET_DEVICE_ATTR, (uintptr_t)&a);
}

int kvm_vcpu_finish(struct hv_vcpu *v, struct err *e)
{
    const int intid = (int)v->vm->cfg.pmu_intid;

    if (!has_feature(v, KVM_ARM_VCPU_PMU_V3))
        return 0;
    int r = set_pmu_attr(v, KVM_ARM_VCPU_PMU_V3_IRQ, &intid);
    if (!r)
        r = set_pmu_attr(v, KVM_ARM_VCPU_PMU_V3_INIT, NULL);
    return r ? err_set(e, -r, "kvm: vCPU %u: its PMU: %s", v->cfg.index, strerror(-r)) : 0;
}

static void close_fds(struct hv_vcpu *v)
{
    if (v->stats_fd >= 0)
        close(v->stats_fd);
    if (v->fd >= 0)
        close(v->fd);
    v->stats_fd = v->fd = -1;
}

int kvm_vcpu_open(struct hv_vcpu *v, struct err *e)
{
    const struct hv_vm *vm = v->vm;
    const char *what = "creating it";
    int r;

    close_fds(v);
    v->debug_control = 0;
    v->unfinished = false;
    native_debug_reset(&v->debug);
    v->fd = r = kvm_ioctl(vm->fd, KVM_CREATE_VCPU, v->cfg.index);
    if (r >= 0) {
        /* Over the old one, so that the signal handler always finds one. */
        void *p = mmap(v->run, vm->run_len, PROT_READ | PROT_WRITE,
                       MAP_SHARED | (v->run ? MAP_FIXED : 0), v->fd, 0);
        r = p == MAP_FAILED ? -errno : 0;
        if (!r)
            v->run = p;
    }
    if (!r) {
        what = "choosing its type";
        r = kvm_ioctl(vm->fd, KVM_ARM_PREFERRED_TARGET, (uintptr_t)&v->init);
        choose_features(v);
    }
    if (!r) {
        what = "initialising it";
        r = initialise(v);
    }
    if (r < 0)
        return err_set(e, -r, "kvm: vCPU %u: %s: %s", v->cfg.index, what, strerror(-r));
    /* Later it would have to wait until the vCPU is out of the guest. */
    r = kvm_ioctl(v->fd, KVM_GET_STATS_FD, 0);
    v->stats_fd = r < 0 ? -1 : r;
    return 0;
}

/* From now on it may be poked. Returns whether it is the last of the VM's. */
static bool enlist(struct hv_vcpu *v)
{
    struct hv_vm *vm = v->vm;

    own = v;
    catch_kicks();
    pthread_mutex_lock(&vm->lock);
    v->has_thread = true;
    vm->vcpu[vm->nr_vcpus++] = v;
    const bool last = vm->nr_vcpus == vm->cfg.nr_vcpus;
    pthread_mutex_unlock(&vm->lock);
    return last;
}

static void strike_off(struct hv_vcpu *v)
{
    kvm_vcpu_retire(v);
    pthread_mutex_lock(&v->vm->lock);
    v->vm->nr_vcpus--;
    pthread_mutex_unlock(&v->vm->lock);
}

int kvm_vcpu_create(struct hv_vm *vm, struct hv_vcpu **vcpu, const struct hv_vcpu_config *cfg,
                    struct err *e)
{
    struct hv_vcpu *v = calloc(1, sizeof(*v));

    if (!v)
        return err_set(e, ENOMEM, "out of memory for vCPU %u", cfg->index);
    v->vm = vm;
    v->cfg = *cfg;
    v->fd = v->stats_fd = -1;
    v->thread = pthread_self();
    int r = kvm_vcpu_open(v, e);
    if (!r && enlist(v) && (r = kvm_gic_finish(vm, e)))
        strike_off(v);
    if (r) {
        kvm_vcpu_destroy(v);
        return r;
    }
    *vcpu = v;
    return 0;
}

void kvm_vcpu_retire(struct hv_vcpu *v)
{
    pthread_mutex_lock(&v->vm->lock);
    v->has_thread = false;
    pthread_mutex_unlock(&v->vm->lock);
    own = NULL;
}

void kvm_vcpu_destroy(struct hv_vcpu *v)
{
    close_fds(v);
    if (v->run)
        munmap(v->run, v->vm->run_len);
    emulator_destroy(v->emulator);
    free(v);
}

/* Before it runs: the vCPUs that are off wait in KVM_RUN, and this would forget that they were switched on. */
void kvm_vcpu_reset(struct hv_vcpu *v)
{
    const int r = kvm_ioctl(v->fd, KVM_ARM_VCPU_INIT, (uintptr_t)&v->init);

    native_debug_reset(&v->debug);
    if (r)
        kvm_break(v->vm, "KVM_ARM_VCPU_INIT", -r);
}

void kvm_vcpu_poke_locked(struct hv_vcpu *v)
{
    if (v->has_thread)
        pthread_kill(v->thread, KICK_SIGNAL);
}

void kvm_vcpu_kick(struct hv_vcpu *v)
{
    atomic_store(&v->kicked, true);
    pthread_mutex_lock(&v->vm->lock);
    kvm_vcpu_poke_locked(v);
    pthread_mutex_unlock(&v->vm->lock);
}

/* --- Exits ---------------------------------------------------------------------------------------------------------- */

/* An external abort at the access that KVM came back for. */
static int inject_abort(struct hv_vcpu *v)
{
    struct kvm_vcpu_events events = {.exception.ext_dabt_pending = 1};

    v->unfinished = true;
    /* Or else KVM goes on to finish the access too: Linux before 6.13 always, later ones where finish() enters the abort. */
    v->run->exit_reason = KVM_EXIT_UNKNOWN;
    return kvm_ioctl(v->fd, KVM_SET_VCPU_EVENTS, (uintptr_t)&events);
}

static bool fail(struct hv_vcpu *v, struct hv_exit *exit, int code, const char *what)
{
    uint64_t pc = 0;

    kvm_get_reg(v, HV_REG_PC, &pc);
    log_error("vCPU %u: kvm: %s (%s), PC %#llx", v->cfg.index, what, strerror(code),
              (unsigned long long)pc);
    exit->reason = HV_EXIT_ERROR;
    exit->u.error.code = code;
    return true;
}

/* These return whether run() has to: *exit says why. */

/* KVM puts a load's value into its register, and the PC behind the access or to the abort's vector, at the next KVM_RUN only: this is one that goes no further. */
static bool finish(struct hv_vcpu *v, struct hv_exit *exit)
{
    v->unfinished = false;
    set_immediate_exit(v, true);
    return ioctl(v->fd, KVM_RUN, 0) < 0 && errno != EINTR && fail(v, exit, errno, "finishing an access");
}

static bool cancel(struct hv_exit *exit)
{
    exit->reason = HV_EXIT_CANCEL;
    return true;
}

static bool on_mmio(struct hv_vcpu *v, struct hv_exit *exit)
{
    struct kvm_run *run = v->run;
    struct hv_exit mmio = {
        .reason = run->mmio.is_write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ,
        .u.mmio = {.gpa = run->mmio.phys_addr, .size = MIN(run->mmio.len, 8u)},
    };

    if (run->mmio.is_write)
        memcpy(&mmio.u.mmio.data, run->mmio.data, mmio.u.mmio.size);
    v->unfinished = true;
    const enum hv_action action = v->cfg.on_exit(v->cfg.opaque, &mmio);
    if (!run->mmio.is_write)
        memcpy(run->mmio.data, &mmio.u.mmio.data, mmio.u.mmio.size);
    const int r = mmio.u.mmio.failed ? inject_abort(v) : 0;
    if (r)
        return fail(v, exit, -r, "injecting an abort");
    return action == HV_STOP && cancel(exit);
}

struct emulator *kvm_emulator(struct hv_vcpu *v)
{
    if (!v->emulator)
        v->emulator = emulator_create(v->vm->cfg.ram, v->cfg.on_exit, v->cfg.opaque);
    return v->emulator;
}

static bool on_no_syndrome(struct hv_vcpu *v, struct hv_exit *exit)
{
    enum hv_action action = HV_CONTINUE;
    int r;

    if (!kvm_emulator(v))
        return fail(v, exit, ENOMEM, "emulating an access");
    r = emulate(v->emulator, &hv_kvm, v, &action);
    if (r == -EFAULT || r == -EOPNOTSUPP) {
        log_guest(LOG_WARN, "vCPU %u: an access to %#llx by an instruction that is unknown here: aborted",
                  v->cfg.index, (unsigned long long)v->run->arm_nisv.fault_ipa);
        r = inject_abort(v);
    }
    if (r)
        return fail(v, exit, -r, "emulating an access");
    return action == HV_STOP && cancel(exit);
}

static bool on_system_event(struct hv_vcpu *v, struct hv_exit *exit)
{
    const uint32_t type = v->run->system_event.type;
    char what[48];

    if (type != KVM_SYSTEM_EVENT_SHUTDOWN && type != KVM_SYSTEM_EVENT_RESET) {
        snprintf(what, sizeof(what), "system event of unknown type %u", type);
        return fail(v, exit, EPROTO, what);
    }
    exit->reason = HV_EXIT_SYSTEM_EVENT;
    exit->u.system_event.reset = type == KVM_SYSTEM_EVENT_RESET;
    return true;
}

static bool on_unknown(struct hv_vcpu *v, struct hv_exit *exit)
{
    const struct kvm_run *run = v->run;
    char what[80];

    if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
        snprintf(what, sizeof(what), "CPU %u of the host cannot enter the guest, reason %#llx",
                 run->fail_entry.cpu, (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
    else if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
        snprintf(what, sizeof(what), "internal error %u of the kernel's", run->internal.suberror);
    else
        snprintf(what, sizeof(what), "exit for unknown reason %u", run->exit_reason);
    return fail(v, exit, EPROTO, what);
}

static bool on_debug(struct hv_vcpu *v, struct hv_exit *exit)
{
    const int r = kvm_debug_exit(v, exit);
    return r < 0 ? fail(v, exit, -r, "a debug exception") : r;
}

static bool handle(struct hv_vcpu *v, struct hv_exit *exit)
{
    switch (v->run->exit_reason) {
    case KVM_EXIT_MMIO: return on_mmio(v, exit);
    case KVM_EXIT_ARM_LDST64B:
    case KVM_EXIT_ARM_NISV: return on_no_syndrome(v, exit);
    case KVM_EXIT_SYSTEM_EVENT: return on_system_event(v, exit);
    case KVM_EXIT_INTR: return false;
    case KVM_EXIT_DEBUG: return on_debug(v, exit);
    default: return on_unknown(v, exit);
    }
}

/* A step in which KVM came back for something else. */
static bool look_at_step(struct hv_vcpu *v, struct hv_exit *exit)
{
    if (v->unfinished && finish(v, exit))
        return true;
    const int r = kvm_debug_other(v, exit);
    return r < 0 ? fail(v, exit, -r, "a step") : r;
}

static void run(struct hv_vcpu *v, struct hv_exit *exit)
{
    for (;;) {
        /* In this order: a kick comes before the one or after the other. */
        set_immediate_exit(v, false);
        if (atomic_exchange(&v->kicked, false)) {
            cancel(exit);
            return;
        }
        const int broken = atomic_load(&v->vm->broken);
        if (broken) {
            exit->reason = HV_EXIT_ERROR;
            exit->u.error.code = broken;
            return;
        }
        const int r = kvm_debug_enter(v, exit);
        if (r) {
            if (r < 0)
                fail(v, exit, -r, "a breakpoint or a step");
            return;
        }
        v->unfinished = false;
        if (ioctl(v->fd, KVM_RUN, 0) < 0) {
            if (errno != EINTR && errno != EAGAIN) {
                fail(v, exit, errno, "KVM_RUN");
                return;
            }
        } else if (handle(v, exit)) {
            return;
        }
        if (unlikely(v->debug.in_step) && look_at_step(v, exit))
            return;
    }
}

void kvm_vcpu_run(struct hv_vcpu *v, struct hv_exit *exit)
{
    run(v, exit);
    if (v->unfinished)
        finish(v, exit);
    if (unlikely(v->debug.in_step))
        kvm_debug_leave(v);
}
#endif
