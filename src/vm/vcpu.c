/* The run loop and the exit handler: the same for all backends.
 *
 * Threads: each vCPU has one, which creates the backend's vCPU, runs it and destroys it. */
#include "arch/sysreg.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "vm/debug.h"
#include "vm/observe.h"
#include "vm/semihosting.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first exits are all timed, then one in so many: reading the clock costs as much as handling a short exit. */
#define TIMED_FIRST 4096u
#define TIMED_EXITS 1024u

#define UNUSED_HZ 1000000u

/* A host that wakes a thread later than this is busy with something else, and waking earlier would not help. */
#define LATE_MAX_NS 30000u

/* --- Sleeping and waking -------------------------------------------------------------------------------------------- */

void vcpu_wake(struct vcpu *v)
{
    atomic_store(&v->event, true);
    if (v->vm->opt->deterministic)
        turns_wake(v);
    if (!atomic_load(&v->sleeping))
        return;
    pthread_mutex_lock(&v->lock);
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
}

void vcpu_call_out_locked(struct vcpu *v)
{
    atomic_store(&v->attention, true);
    if (v->hv)
        v->vm->hv->kick(v->hv);
    if (v->vm->opt->deterministic)
        turns_look(v->vm);
    pthread_mutex_lock(&v->lock);
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
}

/* From the interrupt controller, under its lock. */
void vcpu_set_irq(void *opaque, unsigned cpu, bool irq, bool fiq)
{
    struct vm *vm = opaque;
    struct vcpu *v = &vm->vcpu[cpu];

    if (!v->hv)
        return;
    vm->hv->set_irq(v->hv, irq, fiq);
    if (irq || fiq)
        vcpu_wake(v);
}

static bool must_wake(struct vcpu *v)
{
    const struct gicv3 *gic = v->vm->board.gic;
    return (gic && gic_irq_pending(gic, v->index)) || atomic_load(&v->attention);
}

static bool may_sleep(struct vcpu *v)
{
    return !must_wake(v) && !atomic_load(&v->event);
}

/* A thread that waits for a time runs some microseconds after it: how many, from how late it was this time. */
static void learn_lateness(struct vcpu *v, uint64_t late_ns)
{
    const int64_t error = (int64_t)MIN(late_ns, LATE_MAX_NS) - (int64_t)v->late_ns;
    v->late_ns = (uint64_t)((int64_t)v->late_ns + error / 8);
}

/* Until there is something to look at, or the deadline. To be in time for it the thread is woken early_ns before, and stays awake for
 * the rest. */
static void sleep_until(struct vcpu *v, uint64_t deadline_ns, uint64_t early_ns)
{
    const uint64_t start = os_now_ns();
    if (v->vm->opt->deterministic) {
        /* Having been called out, it is as if it had not: it waits for its turn before it looks. */
        while (!atomic_load(&v->attention) &&
               (v->turn_awaited || (may_sleep(v) && clock_now_ns(&v->vm->clock) < deadline_ns)))
            turns_sleep(v, deadline_ns);
        if (!atomic_load(&v->attention))
            atomic_store(&v->event, false);
        v->asleep_ns += os_now_ns() - start;
        return;
    }
    const uint64_t host_ns = clock_host_ns(&v->vm->clock, deadline_ns);
    const uint64_t alarm_ns = host_ns == UINT64_MAX ? UINT64_MAX : host_ns - MIN(early_ns, host_ns);
    uint64_t now = start;

    pthread_mutex_lock(&v->lock);
    atomic_store(&v->sleeping, true);
    while (may_sleep(v) && now < alarm_ns) {
        os_cond_wait_until(&v->wake, &v->lock, alarm_ns);
        now = os_now_ns();
        if (now >= alarm_ns)
            learn_lateness(v, now - alarm_ns);
    }
    atomic_store(&v->sleeping, false);
    pthread_mutex_unlock(&v->lock);
    for (; now < host_ns && may_sleep(v); now = os_now_ns())
        os_cpu_relax();
    /* Not before the sleep: an event may come between the guest's instruction and here. A sleep that goes on later leaves it. */
    if (!atomic_load(&v->attention))
        atomic_store(&v->event, false);
    v->asleep_ns += now - start;
}

/* --- Timers --------------------------------------------------------------------------------------------------------- */

static void timer_changed(struct vcpu *v);

/* Where the virtual timer is the CPU's own, what it is now. */
static void load_virtual_timer(struct vcpu *v)
{
    uint64_t ctl = 0, cval = 0;

    if (!v->vm->caps.vtimer)
        return;
    v->vm->hv->get_reg(v->hv, HV_REG_SYS | SYSENC_CNTV_CTL_EL0, &ctl);
    v->vm->hv->get_reg(v->hv, HV_REG_SYS | SYSENC_CNTV_CVAL_EL0, &cval);
    gtimer_load_virt(&v->timer, ctl, cval);
}

static void timer_due(void *opaque)
{
    struct vcpu *v = opaque;
    load_virtual_timer(v);
    gtimer_poll(&v->timer, clock_now_ns(&v->vm->clock));
    timer_changed(v);
}

static void timer_changed(struct vcpu *v)
{
    if (v->vm->caps.timer)
        return;
    v->vm->hv->set_deadline(
        v->hv, v->vm->caps.vtimer ? gtimer_phys_deadline(&v->timer) : gtimer_deadline(&v->timer),
        timer_due);
}

/* Before a sleep: when it has to end. */
static void look_at_own_timer(struct vcpu *v)
{
    if (v->vm->caps.vtimer)
        timer_due(v);
}

static void timer_set_ppi(void *opaque, unsigned intid, bool level)
{
    struct vcpu *v = opaque;
    gic_set_ppi(v->vm->board.gic, v->index, intid, level);
}

/* --- Exits ---------------------------------------------------------------------------------------------------------- */

/* What the guest does to others waits until it is known that the guest is the one that was saved. */
static bool may_be_heard(struct vcpu *v)
{
    return likely(!atomic_load_explicit(&v->vm->unverified, memory_order_relaxed)) ||
           snapshot_wait_verified(v->vm);
}

/* Until an interrupt is pending, masked by PSTATE or not. Called out, it goes on when the vCPU goes into the guest again. */
static void sleep_wfi(struct vcpu *v)
{
    v->slept &= v->nap == NAP_WFI;
    v->nap = NAP_WFI;
    if (!v->turn_awaited)
        look_at_own_timer(v);
    while (v->turn_awaited || !must_wake(v)) {
        v->slept = true;
        sleep_until(v, gtimer_deadline(&v->timer), v->late_ns);
        if (atomic_load(&v->attention))
            return;
        timer_due(v);
    }
    if (atomic_load(&v->attention))
        return;
    if (v->slept)
        atomic_store(&v->event, false);
    v->nap = NAP_NONE;
}

static void sleep_wfe(struct vcpu *v)
{
    v->nap = NAP_WFE;
    if (!v->turn_awaited)
        look_at_own_timer(v);
    sleep_until(v, MIN(v->nap_until_ns, gtimer_deadline(&v->timer)), 0);
    if (!atomic_load(&v->attention))
        v->nap = NAP_NONE;
}

void vcpu_wait_for_input(struct vcpu *v)
{
    if (must_wake(v)) { /* masked: it would find itself here again at once */
        poll(NULL, 0, 1);
        return;
    }
    look_at_own_timer(v);
    sleep_until(v, gtimer_deadline(&v->timer), 0);
    timer_due(v);
}

static __attribute__((noinline)) enum hv_action wait_for_interrupt(struct vcpu *v)
{
    if (v->stepping)
        v->nap = NAP_WFI;
    else
        sleep_wfi(v);
    return HV_CONTINUE;
}

/* A WFI that nothing could end is a yield. Otherwise it sleeps; one that is stepped over when the vCPU goes on, if it is not stepped then. */
HOT static enum hv_action exit_wfi(struct vcpu *v, struct hv_exit *exit)
{
    (void)exit;
    if (likely(v->can_wake && !atomic_load_explicit(v->can_wake, memory_order_relaxed)))
        return HV_CONTINUE;
    return wait_for_interrupt(v);
}

static enum hv_action exit_wfe(struct vcpu *v, struct hv_exit *exit)
{
    v->nap_until_ns = exit->u.wfe.until_ns;
    if (v->stepping)
        v->nap = NAP_WFE;
    else
        sleep_wfe(v);
    return HV_CONTINUE;
}

/* The events themselves have been sent: each CPU has one in its register. */
static enum hv_action exit_sev(struct vcpu *v, struct hv_exit *exit)
{
    (void)exit;
    for (unsigned i = 0; i < v->vm->nr_vcpus; i++)
        if (i != v->index)
            vcpu_wake(&v->vm->vcpu[i]);
    return HV_CONTINUE;
}

/* What the guest wrote to the console may be what somebody waited for. */
static void act_on_output(struct vm *vm)
{
    if (unlikely(atomic_load_explicit(&vm->watch_due, memory_order_relaxed)) &&
        atomic_exchange(&vm->watch_due, false))
        vm->watch.act(vm->watch.opaque);
}

HOT static enum hv_action exit_mmio(struct vcpu *v, struct hv_exit *exit)
{
    if (!may_be_heard(v))
        return HV_STOP;
    exit->u.mmio.failed =
        bus_access_by(&v->vm->bus, v->index, exit->u.mmio.gpa, exit->u.mmio.size,
                      exit->reason == HV_EXIT_MMIO_WRITE, &exit->u.mmio.data) == BUS_NONE;
    act_on_output(v->vm);
    return HV_CONTINUE;
}

static enum hv_action exit_semihosting(struct vcpu *v, struct hv_exit *exit)
{
    (void)exit;
    if (!may_be_heard(v))
        return HV_STOP;
    const enum hv_action action = semihost_call(v);
    act_on_output(v->vm);
    return action;
}

HOT static enum hv_action exit_call(struct vcpu *v, struct hv_exit *exit)
{
    (void)exit;
    return may_be_heard(v) ? psci_call(v) : HV_STOP;
}

bool vcpu_sysreg_write(struct vcpu *v, uint16_t encoding, uint64_t now_ns, uint64_t val)
{
    struct gicv3 *gic = v->vm->board.gic;

    if (!gtimer_sysreg_write(&v->timer, encoding, now_ns, val))
        return gic && gic_sysreg_write(gic, v->index, encoding, val);
    timer_changed(v);
    return true;
}

/* The generic timers and the GIC's CPU interface, where the backend does not bring them. */
static enum hv_action exit_sysreg(struct vcpu *v, struct hv_exit *exit)
{
    const uint16_t enc = exit->u.sysreg.encoding;
    struct gicv3 *gic = v->vm->board.gic;
    bool known;

    if (bits(enc, 10, 7) == 14) /* a timer's */
        load_virtual_timer(v);
    if (exit->u.sysreg.write) {
        known = vcpu_sysreg_write(v, enc, clock_now_ns(&v->vm->clock), exit->u.sysreg.value);
    } else {
        known = gtimer_sysreg_read(&v->timer, enc, clock_now_ns(&v->vm->clock), &exit->u.sysreg.value) ||
                (gic && gic_sysreg_read(gic, v->index, enc, &exit->u.sysreg.value));
    }
    exit->u.sysreg.failed = !known;
    return HV_CONTINUE;
}

static enum hv_action exit_system_event(struct vcpu *v, struct hv_exit *exit)
{
    if (exit->u.system_event.reset)
        vm_request_reset(v->vm);
    else
        vm_request_stop(v->vm, VM_STOP_POWEROFF);
    return HV_STOP;
}

static enum hv_action exit_timer(struct vcpu *v, struct hv_exit *exit)
{
    (void)exit;
    timer_due(v);
    return HV_CONTINUE;
}

/* Whether the debugger wants to hear of what it set no point for. */
static bool debugger_wants(struct vcpu *v, enum debug_cause cause)
{
    const struct vm_debugger *d = v->vm->debugger;
    return d && d->wants && d->wants(d->opaque, v->index, cause);
}

/* The vCPU is held before the debugger hears of it. */
static void tell_debugger(struct vcpu *v, const struct debug_event *event)
{
    struct vm *vm = v->vm;

    pthread_mutex_lock(&vm->lock);
    vcpu_hold_locked(v);
    pthread_mutex_unlock(&vm->lock);
    vm->debugger->stopped(vm->debugger->opaque, v->index, event);
}

static enum hv_action exit_debug(struct vcpu *v, struct hv_exit *exit)
{
    struct vm *vm = v->vm;

    if (exit->u.debug.cause == DEBUG_CAUSE_LIMIT) {
        vm_request_stop(vm, VM_STOP_LIMIT);
        return HV_STOP;
    }
    if (!vm->debugger)
        return HV_CONTINUE;
    tell_debugger(v, &exit->u.debug);
    return HV_STOP;
}

static enum hv_action exit_none(struct vcpu *v, struct hv_exit *exit)
{
    (void)v;
    (void)exit;
    return HV_CONTINUE;
}

static enum hv_action exit_stuck(struct vcpu *v, struct hv_exit *exit)
{
    (void)exit;
    if (debugger_wants(v, DEBUG_CAUSE_STUCK)) {
        struct debug_event event = {.cause = DEBUG_CAUSE_STUCK};
        v->vm->hv->get_reg(v->hv, HV_REG_PC, &event.addr);
        tell_debugger(v, &event);
        return HV_STOP;
    }
    if (v->vm->opt->keep_going)
        return HV_CONTINUE;
    v->vm->outcome.vcpu = v->index;
    vm_request_stop(v->vm, VM_STOP_STUCK);
    return HV_STOP;
}

static enum hv_action exit_error(struct vcpu *v, struct hv_exit *exit)
{
    log_error("vCPU %u: the %s backend cannot go on (error %d)", v->index, v->vm->hv->name,
              exit->u.error.code);
    vm_request_stop(v->vm, VM_STOP_ERROR);
    return HV_STOP;
}

static enum hv_action (*const exit_handler[HV_NR_EXITS])(struct vcpu *, struct hv_exit *) = {
    [HV_EXIT_WFI] = exit_wfi,
    [HV_EXIT_WFE] = exit_wfe,
    [HV_EXIT_SEV] = exit_sev,
    [HV_EXIT_MMIO_READ] = exit_mmio,
    [HV_EXIT_MMIO_WRITE] = exit_mmio,
    [HV_EXIT_HVC] = exit_call,
    [HV_EXIT_SMC] = exit_call,
    [HV_EXIT_SYSREG] = exit_sysreg,
    [HV_EXIT_TIMER] = exit_timer,
    [HV_EXIT_DEBUG] = exit_debug,
    [HV_EXIT_CANCEL] = exit_none,
    [HV_EXIT_STUCK] = exit_stuck,
    [HV_EXIT_SEMIHOSTING] = exit_semihosting,
    [HV_EXIT_ERROR] = exit_error,
    [HV_EXIT_SYSTEM_EVENT] = exit_system_event,
};

/* One exit that was timed, which stands for itself or for TIMED_EXITS. One during which the host let others run must not stand for so many: it
 * counts for no more than many times what its kind usually takes. */
static void add_exit_time(struct vcpu *v, enum hv_exit_reason reason, uint64_t ns, bool itself)
{
    uint64_t *usual = &v->usual_ns[reason];

    if (!itself)
        ns = MIN(ns, 64 * *usual + 1000);
    v->exit_ns += itself ? ns : ns * TIMED_EXITS;
    *usual = *usual ? (15 * *usual + ns + 15) / 16 : ns;
}

/* Two readings with nothing in between tell what the clock itself costs. Apart from vcpu_handle_exit(), which needs few registers. */
static __attribute__((noinline)) enum hv_action handle_timed(struct vcpu *v, struct hv_exit *exit)
{
    const enum hv_exit_reason reason = exit->reason;
    const uint64_t before = os_now_ns(), start = os_now_ns(), asleep = v->asleep_ns;
    const enum hv_action action = exit_handler[reason](v, exit);
    const uint64_t taken = os_now_ns() - start - (v->asleep_ns - asleep), clock = start - before;
    const bool itself = v->nr_timed < TIMED_FIRST;

    add_exit_time(v, reason, taken > clock ? taken - clock : 0, itself);
    v->nr_timed += itself;
    v->nr_untimed = itself ? 0 : TIMED_EXITS - 1;
    return action;
}

HOT enum hv_action vcpu_handle_exit(void *opaque, struct hv_exit *exit)
{
    struct vcpu *v = opaque;
    enum hv_action action;

    v->exits[exit->reason]++;
    if (likely(v->nr_untimed)) {
        v->nr_untimed--;
        action = exit_handler[exit->reason](v, exit);
    } else {
        action = handle_timed(v, exit);
    }
    if (unlikely(atomic_load_explicit(&v->attention, memory_order_relaxed)))
        return HV_STOP;
    return action;
}

static void on_turn(void *opaque)
{
    turns_next(opaque);
}

/* --- The thread ----------------------------------------------------------------------------------------------------- */

/* To the state in which PSCI CPU_ON, or power-on, starts a vCPU (DEN 0022, "CPU_ON"). */
static void start_at(struct vcpu *v, gpa_t entry, uint64_t x0, gpa_t sp)
{
    const struct hv_backend *hv = v->vm->hv;
    int r = 0;

    hv->vcpu_reset(v->hv);
    gtimer_reset(&v->timer);
    timer_changed(v);
    for (unsigned i = 0; i <= 30 && !r; i++)
        r = hv->set_reg(v->hv, HV_REG_X0 + i, i ? 0 : x0);
    if (!r && !(r = hv->set_reg(v->hv, HV_REG_SP, sp)))
        r = hv->set_reg(v->hv, HV_REG_PC, entry);
    if (!r)
        return;
    log_error("vCPU %u: the %s backend cannot set its registers: %s", v->index, hv->name, strerror(-r));
    vm_request_stop(v->vm, VM_STOP_ERROR);
}

static void run(struct vcpu *v)
{
    struct hv_exit exit;

    do
        v->vm->hv->run(v->hv, &exit);
    while (v->on_exit(v, &exit) == HV_CONTINUE);
}

/* Where the backend knows who is on and who is off, all of them run. */
void vcpus_power_on_locked(struct vm *vm)
{
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        vm->vcpu[i].power = vm->caps.psci || i == 0 ? VCPU_ON_PENDING : VCPU_OFF;
        vm->vcpu[i].by_reset = true;
    }
    vm->vcpu[0].on_entry = vm->entry;
    vm->vcpu[0].on_context = vm->boot_x0;
}

/* Called under vm->lock when this vCPU has left its run loop for a reset: the last to come resets the machine. */
static void meet_for_reset_locked(struct vm *vm)
{
    if (++vm->nr_parked < vm->nr_vcpus) {
        /* By its number: the next one may have begun before this vCPU runs again. */
        const uint64_t nr = vm->nr_resets;
        while (vm->nr_resets == nr && !atomic_load(&vm->stop))
            pthread_cond_wait(&vm->changed, &vm->lock);
        return;
    }
    struct err e = {0};
    board_reset(vm);
    if (vm->semihost)
        semihost_reset(vm->semihost);
    if ((vm->hv->vm_reset && vm->hv->vm_reset(vm->hv_vm, &e)) || boot_load(vm, &e)) {
        log_error("reset: %s", e.text);
        atomic_store(&vm->stop, VM_STOP_RESET);
    }
    vm_code_loaded(vm);
    vcpus_power_on_locked(vm);
    vm->nr_parked = 0;
    vm->nr_resets++;
    turns_start(vm);
    atomic_store(&vm->resetting, false);
    if (vm->on_reset)
        vm->on_reset(vm->on_reset_opaque, !vm->reset_by_host);
    vm->reset_by_host = false;
    pthread_cond_broadcast(&vm->changed);
}

/* Power-on or CPU_ON: everything is set, nothing has run. */
static void power_on_locked(struct vcpu *v)
{
    struct vm *vm = v->vm;
    const gpa_t entry = v->on_entry;
    const uint64_t context = v->on_context;

    v->power = VCPU_ON;
    v->nap = NAP_NONE;
    pthread_mutex_unlock(&vm->lock);
    if (vm->board.gic)
        gic_reset_cpu(vm->board.gic, v->index);
    if (!vm->caps.psci || v->index == 0)
        start_at(v, entry, context, v->index == 0 ? vm->stack : 0);
    if (!v->first_ns)
        v->first_ns = os_now_ns();
    const enum debug_cause cause = v->by_reset ? DEBUG_CAUSE_RESET : DEBUG_CAUSE_CPU_ON;
    if (debugger_wants(v, cause))
        tell_debugger(v, &(struct debug_event){.cause = cause, .addr = entry});
    pthread_mutex_lock(&vm->lock);
}

/* The guest's clock stood still for a while. */
static void follow_clock(struct vcpu *v)
{
    const struct hv_backend *hv = v->vm->hv;

    if (v->base_ns == v->vm->base_ns)
        return;
    v->timer.base_ns = v->base_ns = v->vm->base_ns;
    if (hv->set_counter_base)
        hv->set_counter_base(v->hv, v->base_ns);
    timer_due(v);
}

/* Into the guest, until there is a reason to come out. */
static void run_locked(struct vcpu *v)
{
    struct vm *vm = v->vm;

    atomic_store(&v->attention, false);
    follow_clock(v);
    pthread_mutex_unlock(&vm->lock);
    if (v->stepping)
        v->nap = NAP_NONE;
    if (v->nap == NAP_WFI)
        sleep_wfi(v);
    else if (v->nap == NAP_WFE)
        sleep_wfe(v);
    else if (v->turn_awaited)
        turns_enter(v);
    if (v->nap == NAP_NONE && !v->turn_awaited)
        run(v);
    pthread_mutex_lock(&vm->lock);
    if (vm->opt->deterministic && v->power == VCPU_OFF)
        turns_leave(v);
}

/* Runs, is off, is held, meets for resets, until the VM stops. */
static void live_locked(struct vcpu *v)
{
    struct vm *vm = v->vm;

    while (!atomic_load(&vm->stop)) {
        if (atomic_load(&vm->resetting)) {
            meet_for_reset_locked(vm);
        } else if (v->power == VCPU_ON_PENDING && !(v->nr_holds && v->turn_awaited)) {
            if (vm->opt->deterministic) {
                atomic_store(&v->attention, v->nr_holds != 0);
                pthread_mutex_unlock(&vm->lock);
                turns_enter(v);
                pthread_mutex_lock(&vm->lock);
                if (v->turn_awaited || atomic_load(&vm->stop) || atomic_load(&vm->resetting))
                    continue;
            }
            power_on_locked(v);
        } else if (v->nr_holds) {
            vcpu_park_locked(v);
        } else if (v->power == VCPU_ON) {
            run_locked(v);
        } else {
            const uint64_t start = os_now_ns();
            pthread_cond_wait(&vm->changed, &vm->lock);
            if (v->first_ns)
                v->asleep_ns += os_now_ns() - start;
        }
    }
}

/* All vCPUs are there. They become what the snapshot says, and nobody runs before that. */
static void load_locked(struct vm *vm)
{
    if (snapshot_load_vcpus_locked(vm, &vm->refused)) {
        atomic_store(&vm->stop, VM_STOP_REFUSED);
        return;
    }
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        struct vcpu *v = &vm->vcpu[i];
        timer_changed(v);
        if (v->power == VCPU_ON)
            v->first_ns = os_now_ns();
    }
    snapshot_start_verify_locked(vm);
}

void *vcpu_thread(void *opaque)
{
    struct vcpu *v = opaque;
    struct vm *vm = v->vm;
    struct err e = {0};
    char name[16];

    snprintf(name, sizeof(name), "vcpu%u", v->index);
    os_thread_name(name);
    os_thread_exact_timers();
    v->on_exit = observe_exit_handler(vm);
    /* Where the backend brings the timers, this one stays off. */
    v->base_ns = vm->base_ns;
    gtimer_init(&v->timer, v->base_ns, vm->caps.timer ? UNUSED_HZ : vm->caps.counter_hz,
                timer_set_ppi, v);

    pthread_mutex_lock(&vm->lock);
    /* In order: the backend's CPUs are numbered as ours. */
    while (vm->nr_created != v->index && !atomic_load(&vm->stop))
        pthread_cond_wait(&vm->changed, &vm->lock);
    if (!atomic_load(&vm->stop)) {
        const struct hv_vcpu_config cfg = {.index = v->index,
                                           .mpidr = v->mpidr,
                                           .gicv2 = vm->gic_version == 2,
                                           .on_exit = v->on_exit,
                                           .on_turn = on_turn,
                                           .opaque = v};
        if (vm->hv->vcpu_create(vm->hv_vm, &v->hv, &cfg, &e)) {
            v->hv = NULL;
            log_error("%s", e.text);
            vm->create_error = e.code;
            atomic_store(&vm->stop, VM_STOP_ERROR);
        } else if (vm->opt->max_insns && vm->hv->stop_at(v->hv, vm->opt->max_insns)) {
            log_error("--max-insns: out of memory");
            atomic_store(&vm->stop, VM_STOP_ERROR);
        }
        if (++vm->nr_created == vm->nr_vcpus && vm->opt->snapshot && !atomic_load(&vm->stop))
            load_locked(vm);
        pthread_cond_broadcast(&vm->changed);
        while (vm->nr_created < vm->nr_vcpus && !atomic_load(&vm->stop))
            pthread_cond_wait(&vm->changed, &vm->lock);
    }
    live_locked(v);
    if (v->hv && vm->hv->vcpu_retire)
        vm->hv->vcpu_retire(v->hv);
    v->finished = true;
    v->last_ns = os_now_ns();
    if (vm->caps.sleep)
        v->asleep_ns = v->last_ns - v->first_ns - MIN(os_thread_cpu_ns(), v->last_ns - v->first_ns);
    if (++vm->nr_finished == vm->nr_started) {
        vm->stop_ns = v->last_ns;
        close(vm->finished_fd[1]);
        vm->finished_fd[1] = -1;
    }
    pthread_cond_broadcast(&vm->changed);
    pthread_mutex_unlock(&vm->lock);
    return NULL;
}
