/* In and out of the guest with Hypervisor.framework, and what other threads have to do with it.
 *
 * A vCPU in the guest leaves it for hv_vcpus_exit(). One that is on its way in has said so (in_guest) before it looks at its flags for the last
 * time: whoever sets a flag and then finds it not there is seen; whoever finds it there makes it leave, at once if it is not quite in yet, as
 * the framework promises. */
#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/log.h"
#include "hv/hvf/hvf_internal.h"

#include <errno.h>

#define CNTV_CTL_LEVEL_MASK 7u /* ENABLE, IMASK, ISTATUS */
#define CNTV_CTL_LEVEL 5u

/* --- Other threads -------------------------------------------------------------------------------------------------- */

void hvf_poke(struct hv_vcpu *v)
{
    if (!atomic_load(&v->in_guest))
        return;
    pthread_mutex_lock(&v->lock);
    if (v->alive)
        hv_vcpus_exit(&v->id, 1);
    pthread_mutex_unlock(&v->lock);
}

void hvf_kick(struct hv_vcpu *v)
{
    atomic_store(&v->kicked, true);
    hvf_poke(v);
    if (v->vm->gic.on)
        hvf_gic_wake(v->vm);
}

void hvf_set_irq(struct hv_vcpu *v, bool irq, bool fiq)
{
    const uint32_t lines = (irq ? 1u : 0u) | (fiq ? 2u : 0u);

    if (atomic_exchange(&v->lines, lines) != lines)
        hvf_poke(v);
}

/* --- Timers --------------------------------------------------------------------------------------------------------- */

void hvf_set_deadline(struct hv_vcpu *v, uint64_t deadline_ns, void (*on_timer)(void *opaque))
{
    v->on_timer = on_timer;
    if (deadline_ns == v->due_ns)
        return;
    v->due_ns = deadline_ns;
    if (hvf_alarm_set(&v->vm->alarm, v, deadline_ns))
        hvf_check(v, HV_NO_RESOURCES, "a thread for timers");
}

/* The framework masks the virtual timer when it says that it has fired, and says nothing more of it until it is unmasked; unmasking it while its
 * output is still high would make the next run return at once. So it is masked exactly as long as its output is high, as far as
 * is known here. */
void hvf_vtimer_sync(struct hv_vcpu *v)
{
    const bool level = (hvf_get_sys(v, SYSENC_CNTV_CTL_EL0) & CNTV_CTL_LEVEL_MASK) == CNTV_CTL_LEVEL;

    if (level == v->vtimer_masked)
        return;
    hvf_check(v, hv_vcpu_set_vtimer_mask(v->id, level), "hv_vcpu_set_vtimer_mask");
    v->vtimer_masked = level;
    if (!v->vm->gic.on)
        v->on_timer(v->cfg.opaque);
}

/* --- Running -------------------------------------------------------------------------------------------------------- */

/* The framework forgets what is pending each time the vCPU leaves the guest. */
static void set_pending(struct hv_vcpu *v)
{
    const uint32_t lines = atomic_load(&v->lines);

    if (likely(!lines && !v->pending))
        return;
    v->pending = lines != 0;
    hvf_check(v, hv_vcpu_set_pending_interrupt(v->id, HV_INTERRUPT_TYPE_IRQ, lines & 1),
              "hv_vcpu_set_pending_interrupt");
    hvf_check(v, hv_vcpu_set_pending_interrupt(v->id, HV_INTERRUPT_TYPE_FIQ, lines & 2),
              "hv_vcpu_set_pending_interrupt");
}

/* False: there was something to look at first. */
static bool enter(struct hv_vcpu *v)
{
    atomic_store(&v->in_guest, true);
    const bool go = !atomic_load(&v->kicked) && !atomic_load(&v->alarmed);
    if (likely(go)) {
        set_pending(v);
        hvf_check(v, hv_vcpu_run(v->id), "hv_vcpu_run");
    }
    atomic_store(&v->in_guest, false);
    return go;
}

static bool handle_exit(struct hv_vcpu *v, struct hv_exit *exit)
{
    switch (v->exit->reason) {
    case HV_EXIT_REASON_CANCELED:
        /* For an interrupt or a timer, or for a kick, of which this is then the end. */
        atomic_store(&v->kicked, false);
        exit->reason = HV_EXIT_CANCEL;
        return true;
    case HV_EXIT_REASON_EXCEPTION: return hvf_handle_exception(v, exit);
    case HV_EXIT_REASON_VTIMER_ACTIVATED:
        v->vtimer_masked = true;
        exit->reason = HV_EXIT_TIMER;
        hvf_hand_over(v, exit);
        return v->stop;
    default:
        log_error("hvf: vCPU %u left the guest for an unknown reason (%u)", v->cfg.index, v->exit->reason);
        exit->reason = HV_EXIT_ERROR;
        exit->u.error.code = EIO;
        return true;
    }
}

/* True: it cannot go on. */
static bool has_failed(struct hv_vcpu *v, struct hv_exit *exit)
{
    if (likely(!v->failure))
        return false;
    exit->reason = HV_EXIT_ERROR;
    exit->u.error.code = EIO;
    return true;
}

static void run(struct hv_vcpu *v, struct hv_exit *exit)
{
    bool out = false;

    v->stop = false;
    while (!out) {
        if (atomic_exchange(&v->kicked, false)) {
            exit->reason = HV_EXIT_CANCEL;
            return;
        }
        if (atomic_exchange(&v->alarmed, false))
            v->on_timer(v->cfg.opaque);
        if (unlikely(atomic_load(&v->vm->gic.broken)))
            hvf_check(v, HV_ERROR, "an interrupt is lost");
        if (has_failed(v, exit) || hvf_debug_enter(v, exit))
            return;
        if (!enter(v))
            continue;
        /* Before the exit is looked at: it may be the guest reading what is pending. */
        if (v->vtimer_masked)
            hvf_vtimer_sync(v);
        out = !v->failure && (handle_exit(v, exit) || hvf_debug_handled(v, exit));
        if (has_failed(v, exit))
            return;
    }
    if (v->stop)
        exit->reason = HV_EXIT_CANCEL;
}

void hvf_run(struct hv_vcpu *v, struct hv_exit *exit)
{
    run(v, exit);
    hvf_debug_leave(v);
}
