/* The life of a virtual machine. Threads and lock order: ARCHITECTURE.md. */
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "dev/cfi_flash.h"
#include "dev/chardev.h"
#include "dev/pl061.h"
#include "dev/virtio_console.h"
#include "vm/backends.h"
#include "vm/observe.h"
#include "vm/semihosting.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* At most, as there is work: a disk that hangs, with all of its eight, leaves some to the others. */
#define NR_POOL_THREADS 64

/* MPIDR_EL1 of CPU i: 16 to a cluster, as affinity routing's target lists have room for. */
static uint64_t mpidr_of(unsigned i)
{
    return BIT64(31) | (uint64_t)(i / 16) << 8 | i % 16;
}

static int choose_backend(struct vm *vm, struct err *e)
{
    struct backend_choice c;
    struct err passed_over;
    const int r = backends_choose(backends, vm->opt, &c, &passed_over, e);

    if (r)
        return r;
    if (passed_over.code)
        log_warn("running on the software CPU: %s", passed_over.text);
    vm->hv = c.ops;
    vm->caps = c.caps;
    vm->gic_version = c.gic;
    return 0;
}

int vm_create(struct vm **out, const struct vm_options *opt, struct err *e)
{
    struct vm *vm = calloc(1, sizeof(*vm));
    int r;

    if (!vm)
        return err_set(e, ENOMEM, "out of memory");
    vm->opt = opt;
    vm->nr_vcpus = opt->nr_cpus;
    vm->finished_fd[0] = vm->finished_fd[1] = -1;
    pthread_mutex_init(&vm->lock, NULL);
    os_cond_init(&vm->changed);
    turns_init(vm);
    observe_clock(vm, clock_now_ns(&vm->clock));
    bus_init(&vm->bus);
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        struct vcpu *v = &vm->vcpu[i];
        v->vm = vm;
        v->index = i;
        v->mpidr = mpidr_of(i);
        pthread_mutex_init(&v->lock, NULL);
        os_cond_init(&v->wake);
    }
    if ((r = choose_backend(vm, e)) || (r = observe_check(vm, e)) || (r = ram_init(&vm->ram, e)) ||
        (r = opt->snapshot ? snapshot_load_shape(vm, e) : boot_identify(vm, e)) ||
        (r = io_thread_create(&vm->io, "io", e)) ||
        (r = io_pool_create(&vm->pool, NR_POOL_THREADS, vm->io, e)) ||
        (r = board_add_memory(vm, e)) || (r = board_create(vm, e)) || (r = boot_fill_flash(vm, e)) ||
        (opt->semihosting.on && (r = semihost_create(vm, &vm->semihost, e))) ||
        (r = opt->snapshot ? snapshot_load_state(vm, e) : boot_load(vm, e)))
        goto fail;
    if ((r = os_pipe(vm->finished_fd, e)))
        goto fail;
    *out = vm;
    return 0;
fail:
    vm_destroy(vm);
    return r;
}

void vm_code_loaded(struct vm *vm)
{
    for (unsigned i = 0; i < vm->map.nr; i++)
        vm->hv->code_changed(vm->hv_vm, vm->map.range[i].base, vm->map.range[i].len);
    if (vm->opt->firmware)
        vm->hv->code_changed(vm->hv_vm, board_flash, FLASH_BANK_LEN);
}

int vm_start(struct vm *vm, struct err *e)
{
    const bool loaded = vm->opt->snapshot != NULL;
    /* A whole number of ticks of any host's counter. */
    const uint64_t base = loaded ? vm->base_ns : clock_now_ns(&vm->clock) / 1000 * 1000;
    const struct hv_vm_config cfg = {
        .ram = &vm->ram,
        .nr_vcpus = vm->nr_vcpus,
        .counter_base_ns = base,
        .clock = &vm->clock,
        .turn_insns = vm->opt->deterministic ? TURN_INSNS : 0,
        .semihosting = !vm->opt->semihosting.on   ? 0
                       : vm->opt->semihosting.el0 ? 1u << 1 | 1u
                                                  : 1u << 1,
        .jit = &vm->opt->jit,
        .observe = vm->opt->observe,
        .gic = board_gic(vm),
        .pmu_intid = board_pmu_intid,
    };
    int r;

    vm->start_ns = os_now_ns();
    vm->base_ns = cfg.counter_base_ns;
    observe_clock(vm, base);
    if (loaded)
        clock_begin_at(&vm->clock, vm->loaded_ns);
    else
        turns_start(vm);
    if ((r = vm->hv->vm_create(&vm->hv_vm, &cfg, e)) || (r = board_connect(vm, e)) ||
        (r = io_thread_start(vm->io, e)))
        return r;
    vm_code_loaded(vm);
    pthread_mutex_lock(&vm->lock);
    if (!loaded)
        vcpus_power_on_locked(vm);
    if (vcpus_held_locked(vm))
        vm->clock_stopped_ns = loaded ? vm->start_ns : base;
    for (unsigned i = 0; i < vm->nr_vcpus && !r; i++) {
        r = pthread_create(&vm->vcpu[i].thread, NULL, vcpu_thread, &vm->vcpu[i]);
        vm->nr_started += !r;
    }
    if (r) {
        atomic_store(&vm->stop, VM_STOP_ERROR);
        err_set(e, r, "cannot start a thread for vCPU %u: %s", vm->nr_started, strerror(r));
    }
    pthread_mutex_unlock(&vm->lock);
    if (r) {
        struct vm_outcome o;
        vm_join(vm, &o);
    }
    return -r;
}

/* Everyone out of the guest, out of their sleep. */
static void kick_all_locked(struct vm *vm)
{
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        vcpu_call_out_locked(&vm->vcpu[i]);
    pthread_cond_broadcast(&vm->changed);
}

void vm_request_stop(struct vm *vm, enum vm_stop_reason reason)
{
    pthread_mutex_lock(&vm->lock);
    vm->over |= reason == VM_STOP_POWEROFF || reason == VM_STOP_REBOOT;
    if (!atomic_load(&vm->stop))
        atomic_store(&vm->stop, (int)reason);
    kick_all_locked(vm);
    pthread_mutex_unlock(&vm->lock);
}

void vm_refuse(struct vm *vm, const struct err *why)
{
    pthread_mutex_lock(&vm->lock);
    vm->refused = *why;
    atomic_store(&vm->stop, VM_STOP_REFUSED); /* whatever else has ended it meanwhile */
    kick_all_locked(vm);
    pthread_mutex_unlock(&vm->lock);
}

const struct err *vm_refusal(const struct vm *vm)
{
    return &vm->refused;
}

void vm_request_exit(struct vm *vm, int code)
{
    pthread_mutex_lock(&vm->lock);
    vm->over = true;
    if (!atomic_load(&vm->stop)) {
        vm->outcome.guest_code = code;
        atomic_store(&vm->stop, VM_STOP_GUEST_EXIT);
    }
    kick_all_locked(vm);
    pthread_mutex_unlock(&vm->lock);
}

void vm_reset_locked(struct vm *vm)
{
    atomic_store(&vm->resetting, true);
    kick_all_locked(vm);
}

void vm_request_reset(struct vm *vm)
{
    if (vm->opt->no_reboot) {
        vm_request_stop(vm, VM_STOP_REBOOT);
        return;
    }
    pthread_mutex_lock(&vm->lock);
    vm_reset_locked(vm);
    pthread_mutex_unlock(&vm->lock);
}

void vm_press_power_key(struct vm *vm)
{
    pl061_press_power_key(vm->board.gpio);
}

void vm_set_terminal_size(struct vm *vm, unsigned columns, unsigned rows)
{
    if (vm->opt->console == VM_CONSOLE_VIRTIO)
        virtio_console_set_size(vm->board.virtio_console, (uint16_t)MIN(columns, UINT16_MAX),
                                (uint16_t)MIN(rows, UINT16_MAX));
}

int vm_finished_fd(struct vm *vm)
{
    return vm->finished_fd[0];
}

void vm_join(struct vm *vm, struct vm_outcome *out)
{
    for (unsigned i = 0; i < vm->nr_started; i++)
        pthread_join(vm->vcpu[i].thread, NULL);
    snapshot_end_verify(vm);
    vm->joined = true;
    vm->outcome.reason = (enum vm_stop_reason)atomic_load(&vm->stop);
    *out = vm->outcome;
}

struct chardev *vm_console(struct vm *vm)
{
    return vm->board.console;
}

static void console_output(void *opaque, const uint8_t *buf, size_t len)
{
    struct vm *vm = opaque;
    if (vm->watch.output(vm->watch.opaque, buf, len))
        atomic_store(&vm->watch_due, true);
}

void vm_set_watch(struct vm *vm, const struct vm_watch *w)
{
    vm->watch = *w;
    chardev_add_tap(vm->board.console, console_output, vm);
}

const struct ram *vm_ram(const struct vm *vm)
{
    return &vm->ram;
}

const void *vm_device_tree(const struct vm *vm, size_t *len)
{
    *len = vm->boot.tree_len;
    return vm->boot.tree;
}

const char *vm_stop_reason_name(enum vm_stop_reason reason)
{
    static const char *const name[] = {
        [VM_STOP_NONE] = "none",         [VM_STOP_POWEROFF] = "poweroff",
        [VM_STOP_RESET] = "reset",       [VM_STOP_REBOOT] = "reboot",
        [VM_STOP_GUEST_EXIT] = "exit",   [VM_STOP_QUIT] = "quit",
        [VM_STOP_SIGNAL] = "signal",     [VM_STOP_TIMEOUT] = "timeout",
        [VM_STOP_LIMIT] = "max-insns",   [VM_STOP_STUCK] = "stuck",
        [VM_STOP_EXPECTED] = "expected", [VM_STOP_UNEXPECTED] = "unexpected",
        [VM_STOP_ERROR] = "error",       [VM_STOP_REFUSED] = "refused",
    };
    return name[reason];
}

#define FNV_PRIME UINT64_C(0x100000001b3)

/* FNV-1a over 64-bit words. What was never touched is zeros, which multiply, and is not touched now. */
static uint64_t hash_zeros(uint64_t h, uint64_t nr_words)
{
    for (uint64_t p = FNV_PRIME; nr_words; nr_words >>= 1, p *= p)
        if (nr_words & 1)
            h *= p;
    return h;
}

static uint64_t hash_memory(const struct ram *ram)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (unsigned i = 0; i < ram->nr_regions; i++) {
        const struct ram_region *r = &ram->region[i];
        uint64_t at = 0;
        for (uint64_t from = 0, to; r->kind == RAM_KIND_RAM && ram_next_data(r, &from, &to); from = to) {
            h = hash_zeros(h, (from - at) / sizeof(uint64_t));
            for (at = from; at < to; at += sizeof(uint64_t)) {
                uint64_t word;
                memcpy(&word, r->host + at, sizeof(word));
                h = (h ^ word) * FNV_PRIME;
            }
        }
        if (r->kind == RAM_KIND_RAM)
            h = hash_zeros(h, (r->len - at) / sizeof(uint64_t));
    }
    return h;
}

void vm_get_stats(struct vm *vm, struct vm_stats *s)
{
    const uint64_t first_byte = chardev_first_byte_ns(vm->board.console), now = os_now_ns();

    *s = (struct vm_stats){
        .accel = vm->hv->name,
        .machine = vm->machine == VM_MACHINE_VIRT ? "virt" : "vibe",
        .result = vm_stop_reason_name(vm->outcome.reason),
        .mem_len = vm->mem_len,
        .wall_ns = (vm->joined ? vm->stop_ns : now) - vm->start_ns,
        .first_byte_ns = first_byte ? first_byte - vm->opt->start_ns : 0,
        .nr_vcpus = vm->nr_vcpus,
        .uncounted = vm->caps.uncounted,
        .unassigned = atomic_load(&vm->bus.unassigned),
    };
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        const struct vcpu *v = &vm->vcpu[i];
        struct vm_vcpu_stats *t = &s->vcpu[i];
        memcpy(t->exits, v->exits, sizeof(t->exits));
        if (v->hv)
            vm->hv->counters(v->hv, &t->counters);
        t->insns_before = v->insns_before;
        t->counters.insns -= MIN(t->counters.insns, t->insns_before);
        for (unsigned n = 0; n < HV_NR_EXITS; n++)
            t->exits[n] += t->counters.exits[n];
        if (!v->first_ns)
            continue;
        t->wall_ns = (vm->joined ? v->last_ns : now) - v->first_ns;
        t->asleep_ns = MIN(v->asleep_ns + (vm->joined ? 0 : now - v->parked_ns), t->wall_ns);
        t->exit_ns = MIN(v->exit_ns, t->wall_ns - t->asleep_ns);
        t->guest_ns = t->wall_ns - t->asleep_ns - t->exit_ns;
    }
    s->has_memory_hash = vm->opt->deterministic && vm->joined;
    if (s->has_memory_hash)
        s->memory_hash = hash_memory(&vm->ram);
    s->has_balloon = vm->board.balloon;
    if (s->has_balloon)
        virtio_balloon_info(vm->board.balloon, &s->balloon);
    for (unsigned i = 0; i < vm->board.nr_disks; i++)
        virtio_blk_info(vm->board.disk[i], &s->disk[s->nr_disks++]);
    for (unsigned i = 0; i < vm->bus.nr_devices; i++) {
        struct device *d = vm->bus.device[i];
        s->device[s->nr_devices++] = (struct vm_device_stats){
            .name = d->name,
            .reads = atomic_load(&d->stats.reads),
            .writes = atomic_load(&d->stats.writes),
            .no_exit = atomic_load(&d->stats.no_exit),
            .bad = atomic_load(&d->stats.bad),
            .broken = atomic_load(&d->stats.broken),
        };
    }
}

struct hv_vcpu *vm_stuck_vcpu(struct vm *vm)
{
    return vm->outcome.reason == VM_STOP_STUCK ? vm->vcpu[vm->outcome.vcpu].hv : NULL;
}

void vm_destroy(struct vm *vm)
{
    if (!vm)
        return;
    /* Nobody calls a device any more when it is destroyed, nor does a device a vCPU. */
    if (vm->io)
        io_thread_stop(vm->io);
    io_pool_destroy(vm->pool);
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        struct vcpu *v = &vm->vcpu[i];
        if (v->hv)
            vm->hv->vcpu_destroy(v->hv);
        pthread_mutex_destroy(&v->lock);
        pthread_cond_destroy(&v->wake);
    }
    if (vm->hv_vm)
        vm->hv->vm_destroy(vm->hv_vm);
    semihost_destroy(vm->semihost);
    board_destroy(vm);
    media_destroy(vm);
    debug_points_destroy(vm);
    io_thread_destroy(vm->io);
    boot_destroy(vm);
    ram_destroy(&vm->ram);
    for (unsigned i = 0; i < 2; i++)
        if (vm->finished_fd[i] >= 0)
            close(vm->finished_fd[i]);
    turns_destroy(vm);
    pthread_mutex_destroy(&vm->lock);
    pthread_cond_destroy(&vm->changed);
    free(vm);
}
