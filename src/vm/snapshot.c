/* The machine's state to the sections of a snapshot and back. Threading: vm/snapshot.h; loading is vm_create()'s and vm_start()'s. */
#include "vm/snapshot.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/snap.h"
#include "dev/chardev.h"
#include "vm/debug.h"
#include "vm/semihosting.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTION_WORDS,
    SECTION_SHAPE,
    SECTION_STATE,
    SECTION_CPU /* and one for each of the others */
};
_Static_assert(SECTION_CPU + VM_MAX_CPUS <= SNAPSHOT_MAX_SECTIONS, "sections");

#define MAX_TEXT 65536u

/* An enum, which may have any width. */
#define SNAP_ENUM(s, obj, field, type, max)                                                        \
    do {                                                                                           \
        uint32_t number = (uint32_t)(obj)->field;                                                  \
        snap_numbers(s, #field, &number, sizeof(number), 1, max);                                  \
        if (!(s)->failed)                                                                          \
            (obj)->field = (type)number;                                                           \
    } while (0)

/* --- The sections -------------------------------------------------------------------------------------------------------- */

static void snap_words(struct snap *s, struct words *w)
{
    SNAP(s, w, nr, VM_MAX_WORDS);
    if (s->failed)
        w->nr = 0;
    for (unsigned i = 0; i < w->nr; i++) {
        char *option = (char *)(uintptr_t)w->word[i].option, *value = (char *)(uintptr_t)w->word[i].value;
        snap_string(s, "option", &option, MAX_TEXT);
        snap_string(s, "value", &value, MAX_TEXT);
        if (s->loading && !s->failed && !option)
            snap_fail(s, "an option without a name");
        w->word[i] = (struct vm_word){option, value};
    }
}

/* What has to be known before the machine can be built. */
static void snap_shape(struct snap *s, struct vm *vm)
{
    snap_part(s, "machine", -1);
    SNAP_ENUM(s, &vm->boot, kind, enum boot_kind, BOOT_FIRMWARE);
    SNAP_ENUM(s, vm, machine, enum vm_machine, VM_MACHINE_VIRT);
    SNAP_ANY(s, vm, mem_len);
    snap_same(s, "gic_version", vm->gic_version);
    snap_same(s, "nr_vcpus", vm->nr_vcpus);
    snap_same(s, "deterministic", vm->opt->deterministic);
    if (s->loading && !s->failed &&
        (vm->machine == VM_MACHINE_AUTO || !vm->mem_len || vm->mem_len % VM_MEM_GRANULE))
        snap_fail(s, "no memory, or in no place");
}

/* The guest's clock as it is, or was when the machine stood still. */
static uint64_t clock_of(const struct vm *vm)
{
    if (vm->clock.moved)
        return clock_now_ns(&vm->clock);
    const uint64_t host = vm->clock_stopped_ns ? vm->clock_stopped_ns
                          : vm->joined         ? vm->stop_ns
                                               : os_now_ns();
    return host + vm->clock.ahead_ns;
}

static void snap_state(struct snap *s, struct vm *vm)
{
    uint64_t now_ns = clock_of(vm);
    uint32_t console = vm->opt->console;

    snap_part(s, "board", -1);
    snap_numbers(s, "now_ns", &now_ns, sizeof(now_ns), 1, UINT64_MAX);
    SNAP_ANY(s, vm, base_ns);
    SNAP_ANY(s, vm, entry);
    SNAP_ANY(s, vm, stack);
    SNAP_ANY(s, vm, boot_x0);
    snap_part(s, "console", -1);
    snap_numbers(s, "device", &console, sizeof(console), 1, VM_CONSOLE_VIRTIO);
    vm->other_console = console != vm->opt->console;
    chardev_snap(vm->board.console, s);
    bus_snap(&vm->bus, s);
    if (vm->semihost)
        semihost_snap(vm->semihost, s);
    vm->loaded_ns = now_ns;
}

static void snap_vcpu(struct snap *s, struct vcpu *v)
{
    bool event = atomic_load(&v->event), current = v->vm->turns.current == (int)v->index;

    snap_part(s, "cpu", (int)v->index);
    SNAP_ENUM(s, v, power, enum vcpu_power, VCPU_ON);
    SNAP_ANY(s, v, on_entry);
    SNAP_ANY(s, v, on_context);
    SNAP_ENUM(s, v, turn, enum turn_state, TURN_ASLEEP);
    SNAP_ANY(s, v, wake_ns);
    SNAP_BOOL(s, v, turn_awaited);
    snap_numbers(s, "current", &current, sizeof(current), 1, 1);
    SNAP_ENUM(s, v, nap, enum vcpu_nap, NAP_WFE);
    SNAP_ANY(s, v, nap_until_ns);
    SNAP_ANY(s, v, base_ns);
    snap_numbers(s, "event", &event, sizeof(event), 1, 1);
    gtimer_snap(&v->timer, s);
    v->vm->hv->snap(v->hv, s);
    if (!s->loading || s->failed)
        return;
    atomic_store(&v->event, event);
    v->timer.base_ns = v->base_ns;
    v->vm->hv->set_counter_base(v->hv, v->base_ns);
    if (current)
        v->vm->turns.current = (int)v->index;
}

/* --- Saving -------------------------------------------------------------------------------------------------------------- */

static int check_backend(const struct vm *vm, struct err *e)
{
    return vm->hv->snap
               ? 0
               : err_set(e, ENOTSUP,
                         "the %s backend cannot give out or take the whole of a machine's state; --accel soft can",
                         vm->hv->name);
}

int vm_can_save(const struct vm *vm, const char *path, struct err *e)
{
    const int r = check_backend(vm, e);
    return r ? r : snapshot_check_place(path, e);
}

struct sections {
    struct snap s[SNAPSHOT_MAX_SECTIONS];
    struct snapshot_image image;
};

static struct snap *add_section(struct sections *c, struct err *e)
{
    struct snap *s = &c->s[c->image.nr_sections++];
    snap_begin_save(s, e);
    return s;
}

static int collect(struct vm *vm, struct sections *c, struct err *e)
{
    struct words w = {.nr = vm->opt->nr_words};

    memcpy(w.word, vm->opt->word, sizeof(w.word));
    snap_words(add_section(c, e), &w);
    snap_shape(add_section(c, e), vm);
    snap_state(add_section(c, e), vm);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        snap_vcpu(add_section(c, e), &vm->vcpu[i]);
    for (unsigned i = 0; i < c->image.nr_sections; i++) {
        if (c->s[i].failed)
            return -e->code;
        c->image.section[i].bytes = c->s[i].buf;
        c->image.section[i].len = c->s[i].len;
    }
    return 0;
}

/* Whether there is a machine to be saved. */
static int check_alive(const struct vm *vm, struct err *e)
{
    const enum vm_stop_reason stop = (enum vm_stop_reason)atomic_load(&vm->stop);

    if (vm->nr_created < vm->nr_vcpus)
        return err_set(e, ESRCH, "nothing was saved: the machine had not begun to run");
    if (vm->over || (stop && atomic_load(&vm->resetting)) || stop == VM_STOP_RESET ||
        stop == VM_STOP_ERROR || stop == VM_STOP_REFUSED)
        return err_set(e, ESRCH, "nothing was saved: the machine has come to its end (%s)",
                       vm_stop_reason_name(stop));
    return 0;
}

/* Nothing changes the machine from here on; vm.lock is held. */
static int save_still(struct vm *vm, struct sections *c, const char *path, struct err *e)
{
    struct chardev *const console[] = {vm->board.console, vm->board.other};
    int r;

    io_pool_pause(vm->pool);
    io_thread_pause(vm->io);
    for (unsigned i = 0; i < ARRAY_LEN(console); i++) {
        chardev_flush(console[i]);
        chardev_lock_input(console[i]);
    }
    r = collect(vm, c, e);
    if (!r)
        r = snapshot_write(path, &c->image, e);
    else
        err_prefix(e, "%s", path);
    for (unsigned i = 0; i < ARRAY_LEN(console); i++)
        chardev_unlock_input(console[i]);
    io_thread_resume(vm->io);
    io_pool_resume(vm->pool);
    return r;
}

static bool all_still(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if (!vm->vcpu[i].parked && !vm->vcpu[i].finished)
            return false;
    return true;
}

int vm_save(struct vm *vm, const char *path, void (*progress)(void *opaque, unsigned percent),
            void *opaque, struct err *e)
{
    struct sections *c = calloc(1, sizeof(*c));
    int r = check_backend(vm, e);

    if (r || !c) {
        free(c);
        return r ? err_prefix(e, "%s", path) : err_set(e, ENOMEM, "%s: out of memory", path);
    }
    pthread_mutex_lock(&vm->lock);
    const bool begun = vm->nr_started != 0;
    pthread_mutex_unlock(&vm->lock);
    /* Memory that nobody has looked at must not become good by being saved. */
    if (!begun || !snapshot_wait_verified(vm)) {
        free(c);
        return err_set(e, ESRCH, "%s: nothing was saved: the machine %s", path,
                       begun ? "has come to its end" : "had not begun to run");
    }
    c->image.program = vm->opt->program ? vm->opt->program : "?";
    c->image.ram = &vm->ram;
    c->image.progress = progress;
    c->image.opaque = opaque;
    if (!vm->joined)
        vm_hold(vm, vm_all_vcpus(vm));
    pthread_mutex_lock(&vm->lock);
    /* A reset may have come between. */
    while (!vm->joined && !all_still(vm))
        pthread_cond_wait(&vm->changed, &vm->lock);
    r = check_alive(vm, e);
    if (r)
        err_prefix(e, "%s", path);
    else
        r = save_still(vm, c, path, e);
    pthread_mutex_unlock(&vm->lock);
    if (!vm->joined)
        vm_release(vm, vm_all_vcpus(vm));
    for (unsigned i = 0; i < c->image.nr_sections; i++)
        snap_free(&c->s[i]);
    free(c);
    return r;
}

/* --- Loading ------------------------------------------------------------------------------------------------------------- */

/* Begins to read a section, of which what was read has to be ended by end_section(). */
static void begin_section(struct snap *s, const struct snapshot *from, unsigned n, struct err *e)
{
    size_t len = 0;
    const uint8_t *p = snapshot_section(from, n, &len);

    snap_begin_load(s, p, len, e);
    if (!p)
        snap_fail(s, "a section is missing");
}

/* Who wrote it is the next thing to know. */
static int end_section(struct snap *s, const struct snapshot *from, struct err *e)
{
    snap_end_load(s);
    if (!s->failed)
        return 0;
    char why[ERR_TEXT_LEN];
    snprintf(why, sizeof(why), "%s", e->text);
    return err_set(e, e->code, "%s does not fit: %s (it was saved by %s)", snapshot_path(from), why,
                   snapshot_program(from));
}

int snapshot_words(const struct snapshot *from, struct words *w, struct err *e)
{
    struct snap s;

    *w = (struct words){0};
    begin_section(&s, from, SECTION_WORDS, e);
    snap_words(&s, w);
    const int r = end_section(&s, from, e);
    if (r)
        words_free(w);
    return r;
}

void words_free(struct words *w)
{
    for (unsigned i = 0; i < w->nr; i++) {
        free((char *)(uintptr_t)w->word[i].option);
        free((char *)(uintptr_t)w->word[i].value);
    }
    w->nr = 0;
}

int snapshot_load_shape(struct vm *vm, struct err *e)
{
    struct snap s;

    const int r = check_backend(vm, e);

    if (r)
        return r;
    begin_section(&s, vm->opt->snapshot, SECTION_SHAPE, e);
    snap_shape(&s, vm);
    return end_section(&s, vm->opt->snapshot, e);
}

int snapshot_load_state(struct vm *vm, struct err *e)
{
    struct snap s;
    const int r = snapshot_map(vm->opt->snapshot, &vm->ram, e);

    if (r)
        return r;
    begin_section(&s, vm->opt->snapshot, SECTION_STATE, e);
    snap_state(&s, vm);
    return end_section(&s, vm->opt->snapshot, e);
}

int snapshot_load_vcpus_locked(struct vm *vm, struct err *e)
{
    struct hv_counters n;
    struct snap s;

    /* It wakes vCPUs, which were where they are now for a long time. */
    gic_rebuild(vm->board.gic);
    vm->turns.current = -1;
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        begin_section(&s, vm->opt->snapshot, SECTION_CPU + i, e);
        snap_vcpu(&s, &vm->vcpu[i]);
        const int r = end_section(&s, vm->opt->snapshot, e);
        if (r)
            return r;
        vm->hv->counters(vm->vcpu[i].hv, &n);
        vm->vcpu[i].insns_before = n.insns;
        /* Counted from here on, as the statistics are. */
        const uint64_t more = vm->opt->max_insns;
        if (more && vm->hv->stop_at(vm->vcpu[i].hv, n.insns + MIN(more, UINT64_MAX - n.insns)))
            return err_set(e, ENOMEM, "out of memory");
    }
    if (vm->other_console)
        chardev_resume_input(vm->board.console);
    return 0;
}

/* --- Memory that may not be what it was ---------------------------------------------------------------------------------- */

/* Reads it all while the guest runs already; what the guest does to the world outside waits for the result. */
static void *verify_thread(void *opaque)
{
    struct vm *vm = opaque;
    struct err e = {0};

    os_thread_name("verify");
    if (snapshot_verify(vm->opt->snapshot, &e)) {
        vm_refuse(vm, &e); /* and it stays unverified: a vCPU that has not heard of it yet must not be heard either */
        return NULL;
    }
    if (!atomic_load(&vm->stop))
        bus_kick(&vm->bus);
    pthread_mutex_lock(&vm->lock);
    atomic_store(&vm->unverified, false);
    pthread_cond_broadcast(&vm->changed);
    pthread_mutex_unlock(&vm->lock);
    return NULL;
}

void snapshot_start_verify_locked(struct vm *vm)
{
    if (vm->opt->verified) {
        bus_kick(&vm->bus);
        return;
    }
    const int r = pthread_create(&vm->verifier, NULL, verify_thread, vm);
    vm->verifying = !r;
    atomic_store(&vm->unverified, !r);
    if (!r)
        return;
    err_set(&vm->refused, r, "cannot start a thread to verify %s: %s",
            snapshot_path(vm->opt->snapshot), strerror(r));
    atomic_store(&vm->stop, VM_STOP_REFUSED);
}

void snapshot_end_verify(struct vm *vm)
{
    if (!vm->verifying)
        return;
    pthread_join(vm->verifier, NULL);
    vm->verifying = false;
}

bool snapshot_wait_verified(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    while (atomic_load(&vm->unverified) && !vm->refused.code)
        pthread_cond_wait(&vm->changed, &vm->lock);
    const bool good = !vm->refused.code;
    pthread_mutex_unlock(&vm->lock);
    return good;
}
