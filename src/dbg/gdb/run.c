/* Letting vCPUs go, and what follows when one stops.
 *
 * All-stop mode: when one stops, the others are held before gdb hears of it; who else stopped meanwhile does so again when it goes on, but for what
 * does not come again, which is told then instead. Non-stop mode: each stops alone, and is told by a notification. */
#include "dbg/gdb/session.h"

#include "base/bits.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <string.h>

/* What is to become of a vCPU. */
struct action {
    char kind; /* 0: nothing; c, s, r, t as of vCont */
    gva_t first, end;
};

/* --- Holding -------------------------------------------------------------------------------------------------------- */

static vcpu_set_t not_held(const struct gdb_session *s)
{
    vcpu_set_t set = 0;

    for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
        if (!s->thread[i].held)
            set |= BIT64(i);
    return set;
}

static void mark_held(struct gdb_session *s, vcpu_set_t set)
{
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
        if (set >> i & 1)
            s->thread[i].held = true;
}

void run_hold_all(struct gdb_session *s)
{
    const vcpu_set_t set = not_held(s);

    vm_hold(s->vm, set);
    mark_held(s, set);
    s->running = false;
}

vcpu_set_t run_hold_rest(struct gdb_session *s)
{
    const vcpu_set_t set = not_held(s);

    vm_hold(s->vm, set);
    return set;
}

vcpu_set_t run_hold_one(struct gdb_session *s, unsigned index)
{
    const vcpu_set_t set = s->thread[index].held ? 0 : BIT64(index);

    vm_hold(s->vm, set);
    return set;
}

static int set_step(struct gdb_session *s, unsigned index, bool on)
{
    struct gdb_thread *t = &s->thread[index];
    int r = 0;

    if (t->step != on) {
        r = vm_set_step(s->vm, index, on);
        t->step = on && !r;
    }
    return r;
}

void run_release_all(struct gdb_session *s)
{
    run_hold_all(s);
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++) {
        set_step(s, i, false);
        s->thread[i] = (struct gdb_thread){0};
    }
    vm_release(s->vm, vm_all_vcpus(s->vm));
}

/* --- Telling -------------------------------------------------------------------------------------------------------- */

/* All-stop mode: that one has stopped, and with it all. If the VM ended just then there is nothing to be seen any more, and session_exited() answers. */
static void tell(struct gdb_session *s, unsigned index)
{
    struct gdb_thread *t = &s->thread[index];

    if (atomic_load(&s->vm->stop)) {
        s->running = true;
        return;
    }
    t->untold = false;
    s->running = false;
    s->general = s->resumed = index;
    s->continued = -1;
    if (t->stop.text[0]) {
        char line[sizeof(t->stop.text) + 1];
        reply_text(s, line, (size_t)snprintf(line, sizeof(line), "%s\n", t->stop.text));
    }
    stop_reply(s, index);
    reply_send(s);
}

/* Non-stop mode: puts the next one together that is to be told of. */
static bool next_untold(struct gdb_session *s)
{
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
        if (s->thread[i].untold) {
            s->thread[i].untold = false;
            stop_reply(s, i);
            return true;
        }
    return false;
}

static void notify(struct gdb_session *s)
{
    if (s->notified)
        return;
    s->out_len = 0;
    reply_printf(s, "Stop:");
    s->notified = next_untold(s);
    if (s->notified)
        reply_notify(s);
    s->out_len = 0;
}

void run_vstopped(struct gdb_session *s)
{
    const bool one_alone = s->asked;

    s->asked = false;
    if (!one_alone && next_untold(s)) {
        reply_send(s);
        return;
    }
    s->notified = false;
    reply_ok(s);
    notify(s);
}

void run_set_mode(struct gdb_session *s, bool non_stop)
{
    s->non_stop = non_stop;
    s->notified = false;
    if (!non_stop)
        run_hold_all(s);
}

void run_why_stopped(struct gdb_session *s)
{
    if (!s->non_stop) {
        run_hold_all(s); /* they are, for whoever keeps to the protocol */
        stop_reply(s, s->resumed);
        reply_send(s);
        return;
    }
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
        s->thread[i].untold = s->thread[i].held;
    /* One of them, and a notification for the rest: gdb 13 fails an assertion if there is more than one now. */
    s->notified = s->asked = next_untold(s);
    if (s->notified)
        reply_send(s);
    else
        reply_ok(s);
}

/* --- Going on ------------------------------------------------------------------------------------------------------- */

static void let_go(struct gdb_session *s, const struct action *a)
{
    vcpu_set_t go = 0;

    for (unsigned i = 0; i < s->vm->nr_vcpus; i++) {
        struct gdb_thread *t = &s->thread[i];
        if (!t->held || !a[i].kind || a[i].kind == 't')
            continue;
        const int r = set_step(s, i, a[i].kind != 'c');
        if (r) {
            t->stop = (struct gdb_stop){.signal = GDB_SIGNAL_TRAP};
            snprintf(t->stop.text, sizeof(t->stop.text), "vCPU %u: %s", i,
                     r == -ENOTSUP ? "this backend cannot step" : "it cannot step now");
            t->untold = true;
            continue;
        }
        t->in_range = a[i].kind == 'r';
        t->range_first = a[i].first;
        t->range_end = a[i].end;
        t->untold = t->stuck = t->held = false;
        t->stop = (struct gdb_stop){0};
        go |= BIT64(i);
        s->resumed = i;
    }
    vm_release(s->vm, go);
}

/* What came while it was held for another reason is told before it goes on. */
static bool tell_untold(struct gdb_session *s, const struct action *a)
{
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
        if (s->thread[i].untold && a[i].kind) {
            run_hold_all(s);
            tell(s, i);
            return true;
        }
    return false;
}

static void go_on(struct gdb_session *s, const struct action *a)
{
    s->running = true;
    if (tell_untold(s, a))
        return;
    let_go(s, a);
    tell_untold(s, a); /* a step that cannot be made */
}

static void stop_some(struct gdb_session *s, const struct action *a)
{
    vcpu_set_t set = 0;

    for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
        if (a[i].kind == 't' && !s->thread[i].held)
            set |= BIT64(i);
    vm_hold(s->vm, set);
    mark_held(s, set);
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
        if (set >> i & 1) {
            s->thread[i].stop = (struct gdb_stop){.signal = GDB_SIGNAL_0};
            s->thread[i].untold = true;
        }
}

/* One of vCont's, behind its semicolon. */
static bool parse_action(const struct gdb_session *s, const char **p, struct action *a, int *who)
{
    uint64_t signal;

    *a = (struct action){.kind = **p};
    *who = -1;
    switch (*(*p)++) {
    case 'c':
    case 's':
    case 't': break;
    case 'C':
    case 'S': /* signals are the debugger's own idea: there is nothing to deliver */
        a->kind |= 0x20;
        if (!gdb_hex_number(p, &signal))
            return false;
        break;
    case 'r':
        if (!gdb_hex_number(p, &a->first) || !eat(p, ",") || !gdb_hex_number(p, &a->end))
            return false;
        break;
    default: return false;
    }
    return !eat(p, ":") || eat_thread(s, p, who);
}

void run_vcont(struct gdb_session *s, const char *p)
{
    struct action all[VM_MAX_CPUS] = {0};

    while (eat(&p, ";")) {
        struct action a;
        int who;
        if (!parse_action(s, &p, &a, &who)) {
            reply_error(s, EINVAL);
            return;
        }
        /* "The leftmost action" for a thread counts. */
        for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
            if (!all[i].kind && (who < 0 || who == (int)i))
                all[i] = a;
    }
    if (*p) {
        reply_error(s, EINVAL);
        return;
    }
    if (!s->non_stop) {
        go_on(s, all);
        return;
    }
    reply_ok(s);
    stop_some(s, all);
    let_go(s, all);
    notify(s);
}

void run_legacy(struct gdb_session *s, char how, const char *p)
{
    struct action all[VM_MAX_CPUS] = {0};
    const bool step = how == 's' || how == 'S';
    const unsigned one = s->continued >= 0 ? (unsigned)s->continued : s->general;
    uint64_t addr, signal;

    if (s->non_stop) { /* has vCont alone */
        reply_empty(s);
        return;
    }
    if ((how == 'C' || how == 'S') && (!gdb_hex_number(&p, &signal) || (eat(&p, ";") && !*p))) {
        reply_error(s, EINVAL);
        return;
    }
    if (*p && (!gdb_hex_number(&p, &addr) || *p || !s->thread[one].held ||
               vm_set_reg(s->vm, one, HV_REG_PC, addr))) {
        reply_error(s, EINVAL);
        return;
    }
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++)
        if (i == one || (!step && s->continued < 0))
            all[i].kind = step ? 's' : 'c';
    go_on(s, all);
}

/* --- Stopping ------------------------------------------------------------------------------------------------------- */

/* One that is worth looking at. */
static unsigned choose(struct gdb_session *s, vcpu_set_t among)
{
    const vcpu_set_t on = vm_vcpus_on(s->vm) & among;

    if (on >> s->resumed & 1)
        return s->resumed;
    return on ? (unsigned)__builtin_ctzll(on) : (unsigned)__builtin_ctzll(among);
}

void run_interrupt(struct gdb_session *s)
{
    const vcpu_set_t going = not_held(s);

    if (!going)
        return;
    if (!s->non_stop) {
        run_hold_all(s);
        const unsigned index = choose(s, going);
        s->thread[index].stop = (struct gdb_stop){.signal = GDB_SIGNAL_INT};
        tell(s, index);
        return;
    }
    const unsigned index = choose(s, going);
    vm_hold(s->vm, BIT64(index));
    s->thread[index].held = true;
    s->thread[index].untold = true;
    s->thread[index].stop = (struct gdb_stop){.signal = GDB_SIGNAL_INT};
    notify(s);
}

/* What comes again by itself when the vCPU goes on. */
static bool comes_again(enum debug_cause cause)
{
    return cause != DEBUG_CAUSE_EXCEPTION && cause != DEBUG_CAUSE_RESET && cause != DEBUG_CAUSE_CPU_ON;
}

/* It stopped while it was about to be held for another reason. */
static void stopped_too(struct gdb_session *s, unsigned index, const struct debug_event *event)
{
    struct gdb_thread *t = &s->thread[index];
    uint64_t pc;

    if (!comes_again(event->cause)) {
        if (points_want(s, event)) {
            stop_describe(s, index, event, &t->stop);
            t->untold = true;
        }
    } else if (event->cause != DEBUG_CAUSE_STEP && !vm_get_reg(s->vm, index, HV_REG_PC, &pc)) {
        vm_set_reg(s->vm, index, HV_REG_PC, pc); /* then it is not passed */
    }
    vm_release(s->vm, BIT64(index));
    if (s->non_stop)
        notify(s);
}

static void again(struct gdb_session *s, unsigned index)
{
    s->thread[index].held = false;
    vm_release(s->vm, BIT64(index));
}

/* Of a vCPU that is held: whether there is more to be stepped over. */
static bool in_range(struct gdb_session *s, unsigned index)
{
    const struct gdb_thread *t = &s->thread[index];
    uint64_t pc;

    return t->in_range && !vm_get_reg(s->vm, index, HV_REG_PC, &pc) && pc >= t->range_first &&
           pc < t->range_end;
}

void run_event(struct gdb_session *s, unsigned index, const struct debug_event *event)
{
    struct gdb_thread *t = &s->thread[index];

    if (t->held) {
        stopped_too(s, index, event);
        return;
    }
    t->held = true;
    if (!points_want(s, event)) {
        /* All go on at once: with --deterministic whose turn it is stays so. */
        const vcpu_set_t rest = run_hold_rest(s);
        points_tell(s);
        t->held = false;
        vm_release(s->vm, rest | BIT64(index));
        return;
    }
    if (event->cause == DEBUG_CAUSE_STEP && in_range(s, index)) {
        again(s, index);
        return;
    }
    t->stuck = event->cause == DEBUG_CAUSE_STUCK;
    stop_describe(s, index, event, &t->stop);
    if (s->non_stop) {
        t->untold = true;
        notify(s);
        return;
    }
    run_hold_all(s);
    tell(s, index);
}
