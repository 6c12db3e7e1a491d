/* Breakpoints, watchpoints and steps by KVM_SET_GUEST_DEBUG. vCPU's thread.
 *
 * While any of them is on, every debug exception of the guest's comes here, its own BRK among them, which it gets back; its own breakpoint registers and software steps
 * rest. Specification: Linux Documentation/virt/kvm/api.rst, KVM_SET_GUEST_DEBUG. */
#ifdef __aarch64__
#include "hv/kvm/kvm_internal.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <string.h>

static unsigned nr_regs(const struct hv_vcpu *v, unsigned capability)
{
    const int n = kvm_ioctl(v->vm->fd, KVM_CHECK_EXTENSION, capability);
    return n > 0 ? MIN((unsigned)n, DEBUG_MAX_REGS) : 0;
}

int kvm_set_debug(struct hv_vcpu *v, const struct debug_points *p, struct err *e)
{
    struct debug_regs regs;
    const int r = debug_regs_make(&regs, p, nr_regs(v, KVM_CAP_GUEST_DEBUG_HW_BPS),
                                  nr_regs(v, KVM_CAP_GUEST_DEBUG_HW_WPS), e);

    if (r)
        return r;
    v->debug.regs = regs;
    if (v->debug_control)
        v->debug_control = DEBUG_STALE;
    return 0;
}

int kvm_set_step(struct hv_vcpu *v, bool on)
{
    if (!kvm_has(v->vm->fd, KVM_CAP_SET_GUEST_DEBUG))
        return on ? -ENOTSUP : 0;
    native_debug_set_step(&v->debug, on);
    return 0;
}

static int tell_kvm(struct hv_vcpu *v, uint32_t control)
{
    const struct debug_regs *r = &v->debug.regs;
    struct kvm_guest_debug d = {.control = control};

    if (v->debug_control == control)
        return 0;
    _Static_assert(sizeof(d.arch.dbg_bvr) == sizeof(r->bvr), "as many as KVM has room for");
    memcpy(d.arch.dbg_bvr, r->bvr, sizeof(r->bvr));
    memcpy(d.arch.dbg_bcr, r->bcr, sizeof(r->bcr));
    memcpy(d.arch.dbg_wvr, r->wvr, sizeof(r->wvr));
    memcpy(d.arch.dbg_wcr, r->wcr, sizeof(r->wcr));
    const int error = kvm_ioctl(v->fd, KVM_SET_GUEST_DEBUG, (uintptr_t)&d);
    if (!error)
        v->debug_control = control;
    return error;
}

static int stop(struct hv_vcpu *v, struct hv_exit *exit, const struct debug_event *event)
{
    uint64_t pc = 0;
    const int r = kvm_get_reg(v, HV_REG_PC, &pc);

    v->debug.passing = event->cause != DEBUG_CAUSE_STEP;
    v->debug.passed_pc = pc;
    exit->reason = HV_EXIT_DEBUG;
    exit->u.debug = *event;
    if (event->cause == DEBUG_CAUSE_BREAK)
        exit->u.debug.addr = pc;
    return r ? r : 1;
}

int kvm_debug_enter(struct hv_vcpu *v, struct hv_exit *exit)
{
    struct native_debug *d = &v->debug;
    enum native_entry how = NATIVE_RUN;
    uint32_t control = 0;

    if (likely(!native_debug_used(d) && !v->debug_control))
        return 0;
    const int r = native_debug_enter(d, kvm_emulator(v), &hv_kvm, v, &how);
    if (r)
        return r;
    if (how == NATIVE_DONE)
        return stop(v, exit, &(struct debug_event){.cause = DEBUG_CAUSE_STEP});
    /* What it has stopped at is passed by a step, during which no point counts. */
    if (how == NATIVE_STEP)
        control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
    else if (d->regs.nr_breaks || d->regs.nr_watches)
        control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW;
    return tell_kvm(v, control);
}

static int end_step(struct hv_vcpu *v, struct hv_exit *exit)
{
    const int r = native_debug_end_step(&v->debug, &hv_kvm, v);

    if (r || !v->debug.step)
        return r;
    return stop(v, exit, &(struct debug_event){.cause = DEBUG_CAUSE_STEP});
}

/* KVM remembers a step exception that is still to come, but knows of none after an instruction that ended in a KVM_RUN which did not enter the guest, or that was
 * emulated here. So the PC says whether it is done, one that branches to itself being done again, and what KVM remembers is cancelled. */
static int cancel_step(struct hv_vcpu *v, bool *done)
{
    uint64_t pc = 0;
    const int r = kvm_get_reg(v, HV_REG_PC, &pc);

    *done = !r && pc != v->debug.step_pc;
    return r ? r : tell_kvm(v, 0);
}

int kvm_debug_other(struct hv_vcpu *v, struct hv_exit *exit)
{
    bool done;
    const int r = cancel_step(v, &done);

    return r || !done ? r : end_step(v, exit);
}

void kvm_debug_leave(struct hv_vcpu *v)
{
    bool done;

    cancel_step(v, &done);
    native_debug_leave(&v->debug, &hv_kvm, v, done);
}

/* The guest's own. */
static int inject_brk(struct hv_vcpu *v, uint32_t syndrome, struct hv_exit *exit)
{
    struct exception e = {.type = EXC_SYNC, .esr = syndrome};
    int r = kvm_get_reg(v, HV_REG_PC, &e.ret);

    if (!r)
        r = native_inject(&hv_kvm, v, &e);
    return r || !v->debug.in_step ? r : end_step(v, exit);
}

int kvm_debug_exit(struct hv_vcpu *v, struct hv_exit *exit)
{
    const struct kvm_debug_exit_arch *a = &v->run->debug.arch;

    switch (esr_class(a->hsr)) {
    case EC_SOFTSTP_LOWER: return end_step(v, exit);
    case EC_BREAKPT_LOWER: return stop(v, exit, &(struct debug_event){.cause = DEBUG_CAUSE_BREAK});
    case EC_WATCHPT_LOWER:
        return stop(v, exit,
                    &(struct debug_event){
                        .cause = DEBUG_CAUSE_WATCH, .addr = a->far, .write = a->hsr & ISS_DABT_WNR});
    case EC_BKPT32:
    case EC_BRK64: return inject_brk(v, a->hsr, exit);
    default: return -EPROTO;
    }
}
#endif
