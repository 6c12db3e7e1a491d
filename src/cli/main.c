/* The program: options, one VM, the I/O loop, and what is left to show at the end. The only file that decides the exit status.
 * Main thread. */
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "cli/contract.h"
#include "cli/ctl.h"
#include "cli/fork.h"
#include "cli/io_loop.h"
#include "cli/options.h"
#include "cli/self_test.h"
#include "cli/status.h"
#include "cli/terminal.h"
#include "cli/version.h"
#include "dbg/control/control.h"
#include "dbg/explain_vm.h"
#include "dbg/gdb/gdb.h"
#include "dbg/observer.h"
#include "dev/chardev.h"
#include "mem/ram.h"
#include "vm/stats.h"
#include "vm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Files that are written at the end, opened before the run: an hour's work should not end at a wrong folder name. */
struct outputs {
    FILE *stats;
    FILE *tree;
    FILE *dump[VM_MAX_DUMPS];
    struct observer *observer; /* or null: has files of its own */
};

/* One line whatever is in it: file names may hold anything. */
static void print_error(const struct err *e)
{
    char line[ERR_TEXT_LEN];
    size_t n = 0;
    for (; n < sizeof(line) - 1 && e->text[n]; n++) {
        unsigned char c = (unsigned char)e->text[n];
        line[n] = c < 0x20 || c == 0x7f ? '?' : e->text[n];
    }
    line[n] = 0;
    terminal_restore();
    fprintf(stderr, "vibevmm: %s\n", line);
}

static int open_output(const char *option, const char *path, FILE **f, struct err *e)
{
    /* Not emptied yet: what is there is kept if the run does not come to its end. */
    *f = fopen(path, "ab");
    return *f ? 0 : err_set(e, errno, "%s %s: %s", option, path, strerror(errno));
}

static int open_outputs(struct outputs *out, const struct vm_options *v, struct err *e)
{
    int r = 0;
    if (v->stats_path)
        r = open_output("--stats", v->stats_path, &out->stats, e);
    if (v->dump_dtb && r == 0)
        r = open_output("--dump-dtb", v->dump_dtb, &out->tree, e);
    for (unsigned i = 0; i < v->nr_dumps && r == 0; i++)
        r = open_output("--dump-memory", v->dump[i].path, &out->dump[i], e);
    return r;
}

static void close_outputs(struct outputs *out)
{
    if (out->stats)
        fclose(out->stats);
    if (out->tree)
        fclose(out->tree);
    for (unsigned i = 0; i < VM_MAX_DUMPS; i++)
        if (out->dump[i])
            fclose(out->dump[i]);
    observer_destroy(out->observer);
    *out = (struct outputs){0};
}

/* Every byte of [base, base + len) is memory; *piece is how far the region of base goes. */
static bool memory_piece(const struct ram *r, gpa_t base, uint64_t len, uint64_t *piece)
{
    const struct ram_region *g = ram_find(r, base);
    if (!g)
        return false;
    *piece = MIN(len, g->len - (base - g->base));
    return true;
}

static int check_dumps(const struct vm_options *v, const struct ram *ram, struct err *e)
{
    for (unsigned i = 0; i < v->nr_dumps; i++) {
        const struct vm_dump *d = &v->dump[i];
        uint64_t piece;
        for (uint64_t done = 0; done < d->len; done += piece)
            if (!memory_piece(ram, d->base + done, d->len - done, &piece))
                return err_set(e, EFAULT,
                               "--dump-memory 0x%" PRIx64 ":0x%" PRIx64 ": 0x%" PRIx64
                               " is not in guest memory; choose a range inside it or give a larger --mem",
                               d->base, d->len, d->base + done);
    }
    return 0;
}

/* Empties a file that open_output() opened. */
static bool restart_output(FILE *f)
{
    /* A pipe or a device has nothing to empty. */
    return ftruncate(fileno(f), 0) == 0 || errno == EINVAL;
}

static int write_dump(FILE *f, const struct vm_dump *d, const struct ram *ram, struct err *e)
{
    bool good = restart_output(f);
    uint64_t piece = 0;
    for (uint64_t done = 0; good && done < d->len; done += piece) {
        BUG_ON(!memory_piece(ram, d->base + done, d->len - done, &piece));
        const void *p = ram_ptr(ram, d->base + done, piece, false);
        good = fwrite(p, 1, (size_t)piece, f) == piece;
    }
    if (!good || fflush(f) != 0)
        return err_set(e, errno ? errno : EIO, "--dump-memory %s: %s", d->path, strerror(errno));
    return 0;
}

static int write_stats(FILE *f, const struct vm_options *v, const struct vm_stats *s, struct err *e)
{
    switch (v->stats) {
    case VM_STATS_NONE: return 0;
    case VM_STATS_BOX: stats_print_box(stderr, s); return 0;
    case VM_STATS_JSON: break;
    }
    if (!f) {
        stats_print_json(stderr, s);
        return 0;
    }
    bool good = restart_output(f);
    if (good)
        stats_print_json(f, s);
    if (!good || fflush(f) != 0 || ferror(f))
        return err_set(e, errno ? errno : EIO, "--stats %s: %s", v->stats_path, strerror(errno));
    return 0;
}

static int exit_status(const struct vm_outcome *o, const struct io_loop_result *loop)
{
    switch (o->reason) {
    case VM_STOP_POWEROFF:
    case VM_STOP_REBOOT: return STATUS_OK;
    case VM_STOP_GUEST_EXIT: return o->guest_code;
    case VM_STOP_QUIT: return STATUS_OK;
    case VM_STOP_LIMIT:
    case VM_STOP_TIMEOUT: return STATUS_TIMEOUT;
    case VM_STOP_STUCK: return STATUS_STUCK;
    case VM_STOP_SIGNAL: return STATUS_SIGNAL + loop->signal;
    case VM_STOP_EXPECTED: return STATUS_OK;
    case VM_STOP_UNEXPECTED: return STATUS_UNEXPECTED;
    case VM_STOP_REFUSED: return STATUS_USAGE;
    case VM_STOP_NONE:
    case VM_STOP_RESET:
    case VM_STOP_ERROR: break;
    }
    return STATUS_FAILED;
}

static enum vm_stop_reason stop_reason(enum io_loop_end end)
{
    switch (end) {
    case IO_LOOP_QUIT: return VM_STOP_QUIT;
    case IO_LOOP_SIGNAL: return VM_STOP_SIGNAL;
    case IO_LOOP_TIMEOUT: return VM_STOP_TIMEOUT;
    case IO_LOOP_WATCH: /* it has given its reason itself */
    case IO_LOOP_FINISHED: break;
    }
    return VM_STOP_NONE;
}

static void stop_vm(void *opaque, enum io_loop_end end)
{
    vm_request_stop(opaque, stop_reason(end));
}

static int write_device_tree(FILE *f, const char *path, const struct vm *vm, struct err *e)
{
    size_t len;
    const void *tree = vm_device_tree(vm, &len);

    if (!restart_output(f) || fwrite(tree, 1, len, f) != len || fflush(f) != 0)
        return err_set(e, errno ? errno : EIO, "--dump-dtb %s: %s", path, strerror(errno));
    return 0;
}

static void press_power_key(void *opaque)
{
    vm_press_power_key(opaque);
}

static void tell_terminal_size(void *opaque)
{
    unsigned columns, rows;
    if (terminal_size(STDOUT_FILENO, &columns, &rows) || terminal_size(STDIN_FILENO, &columns, &rows))
        vm_set_terminal_size(opaque, columns, rows);
}

/* --deterministic: what comes from a pipe or a file is there before the guest starts. A pipe that stays open would be waited for in silence. */
static int feed_input(struct chardev *console, struct err *e)
{
    enum { PATIENCE_MS = 2000 };
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    char buf[4096];

    if (poll(&ready, 1, PATIENCE_MS) == 0)
        log_warn("--deterministic: waiting for the end of standard input (</dev/null if there is none)");
    size_t room = chardev_input(console, NULL, 0);

    for (;;) {
        const ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            chardev_end_input(console);
            return 0;
        }
        if ((size_t)n > room)
            return err_set(e, E2BIG,
                           "standard input: more than the 64 KiB that --deterministic has room for");
        room = chardev_input(console, (const uint8_t *)buf, (size_t)n);
    }
}

static bool turn_contract(void *opaque, uint64_t now_ns, uint64_t *wake_ns)
{
    return contract_turn(opaque, now_ns, wake_ns);
}

/* The exit status, and why it is no success. */
static int conclude(struct contract *contract, const struct vm_outcome *o,
                    const struct io_loop_result *loop)
{
    int status = exit_status(o, loop);
    if (contract) {
        status = contract_finish(contract, o, status);
        contract_explain(contract, stderr);
    }
    return status;
}

static void tell_progress(void *opaque, unsigned percent)
{
    (void)opaque;
    fprintf(stderr, "vibevmm: saving the snapshot: %u%%\n", percent);
}

/* Those who look into the VM; null where there is none. */
struct visitors {
    struct gdb *gdb;
    struct control *control;
};

static int start_vm(struct vm *vm, const struct vm_options *v, const struct visitors *visitors,
                    struct err *e)
{
    struct gdb *gdb = visitors->gdb;
    int r = gdb ? gdb_set_vm(gdb, vm, v->gdb_wait, e) : 0;
    if (r == 0 && visitors->control)
        control_set_vm(visitors->control, vm);
    if (r < 0 || (r = vm_start(vm, e)) < 0)
        return r;
    if ((visitors->control && (r = control_start(visitors->control, e)) < 0) ||
        (gdb && (r = gdb_start(gdb, e)) < 0)) {
        struct vm_outcome o;
        vm_request_stop(vm, VM_STOP_ERROR);
        vm_join(vm, &o);
        return r;
    }
    if (!gdb)
        return 0;
    fprintf(stderr, "vibevmm: gdb: target remote %s%s\n", gdb_address(gdb),
            v->gdb_wait ? " (the guest waits for it)" : "");
    return 0;
}

/* From the VM's start to its end. contract: null where there is none. Returns the exit status; a host error is in *e and negative. */
static int run_vm(struct vm *vm, const struct vm_options *v, struct contract *contract,
                  const struct visitors *visitors, struct outputs *out, struct err *e)
{
    tell_terminal_size(vm);
    struct chardev *console = vm_console(vm);
    const bool scripted = contract && contract_has_script(contract);
    const bool fed = v->deterministic && !scripted && !isatty(STDIN_FILENO);
    int r = fed ? feed_input(console, e) : 0;
    if (r == 0 && contract)
        r = contract_start(contract, vm, v->deterministic, e);
    if (r == 0 && out->observer)
        observer_start(out->observer);
    if (r < 0 || (r = start_vm(vm, v, visitors, e)) < 0)
        return r;
    struct io_loop_result loop;
    io_loop_run(
        &(struct io_loop_config){
            .input_fd = fed || scripted ? -1 : STDIN_FILENO,
            .console = console,
            .finished_fd = vm_finished_fd(vm),
            .timeout_ns = v->timeout_ns,
            .stop = stop_vm,
            .power_key = v->powerkey ? press_power_key : NULL,
            .resized = tell_terminal_size,
            .opaque = vm,
            .watch = contract ? turn_contract : NULL,
            .watch_fd = contract ? contract_fd(contract) : -1,
            .watch_opaque = contract,
        },
        &loop);
    if (loop.hung) {
        /* Its threads hold on to everything, so nothing can be torn down in order. */
        terminal_restore();
        log_error("the virtual CPUs did not stop within 3 seconds; is the reader of the console's output stuck?");
        if (v->snapshot_save)
            log_error("--snapshot-save %s: nothing was saved", v->snapshot_save);
        struct vm_outcome o = {.reason = stop_reason(loop.end)};
        const int hung_status = conclude(contract, &o, &loop);
        if (contract && contract_report(contract, NULL, e) < 0)
            print_error(e);
        if (out->observer && observer_finish(out->observer, NULL, hung_status != STATUS_OK, e) < 0)
            print_error(e);
        _exit(hung_status);
    }
    struct vm_outcome outcome;
    vm_join(vm, &outcome);
    chardev_flush(console);
    terminal_restore();
    explain_vm(vm, stderr);

    if (outcome.reason == VM_STOP_REFUSED)
        print_error(vm_refusal(vm));
    else if (v->snapshot_save && vm_save(vm, v->snapshot_save, tell_progress, NULL, e) < 0)
        return err_prefix(e, "--snapshot-save");

    int status = conclude(contract, &outcome, &loop);
    if (visitors->control)
        control_stop(visitors->control, &outcome);
    if (visitors->gdb)
        gdb_stop(visitors->gdb, status, outcome.reason == VM_STOP_SIGNAL ? loop.signal : 0);
    static struct vm_stats stats; /* some tens of KiB */
    vm_get_stats(vm, &stats);
    stats.exit_status = status;
    r = write_stats(out->stats, v, &stats, e);
    for (unsigned i = 0; i < v->nr_dumps && r == 0; i++)
        r = write_dump(out->dump[i], &v->dump[i], vm_ram(vm), e);
    if (r == 0 && contract)
        r = contract_report(contract, &stats, e);
    if (r == 0 && out->observer)
        r = observer_finish(out->observer, vm, status != STATUS_OK, e);
    return r < 0 ? r : status;
}

static int print_and_check(const struct options *o)
{
    if (o->action == OPTIONS_HELP)
        options_print_help(stdout, o->topic);
    else if (o->action == OPTIONS_SELF_TEST)
        self_test_print(stdout);
    else
        version_print(stdout);
    /* ferror() too: what did not fit into the buffer was written, or was not, before. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "vibevmm: standard output: %s\n", strerror(errno));
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

/* What runs, for reports. */
static const char *image_name(const struct vm_options *v)
{
    const char *path = v->kernel     ? v->kernel
                       : v->binary   ? v->binary
                       : v->firmware ? v->firmware
                                     : "vibevmm";
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* One machine, from its options to its end. Returns the exit status. */
static int run_machine(struct options *o)
{
    struct err e = {0};
    struct outputs out = {0};
    struct vm *vm = NULL;
    struct contract *contract = NULL;
    struct visitors visitors = {0};
    int status = STATUS_USAGE;

    int r = io_loop_init(&e);
    if (r < 0)
        goto out;
    if (o->has_contract) {
        o->contract.name = image_name(&o->vm);
        r = contract_create(&contract, &o->contract, &e);
    }
    if (r < 0)
        goto out;
    r = observer_create(&out.observer, &o->observer, &e);
    if (r < 0)
        goto out;
    o->vm.observe = observer_wants(out.observer);
    r = vm_create(&vm, &o->vm, &e);
    if (r < 0)
        goto out;
    r = check_dumps(&o->vm, vm_ram(vm), &e);
    if (r < 0)
        goto out;
    r = open_outputs(&out, &o->vm, &e);
    if (r < 0)
        goto out;
    if (o->vm.snapshot_save && (r = vm_can_save(vm, o->vm.snapshot_save, &e)) < 0) {
        err_prefix(&e, "--snapshot-save");
        goto out;
    }
    if (o->vm.gdb && !o->vm.dump_dtb)
        r = gdb_open(&visitors.gdb, o->vm.gdb, &e);
    if (r < 0) {
        err_prefix(&e, "--gdb");
        goto out;
    }
    if (o->vm.control && !o->vm.dump_dtb)
        r = control_open(&visitors.control, o->vm.control, &e);
    if (r < 0) {
        err_prefix(&e, "--control");
        goto out;
    }

    r = o->vm.dump_dtb ? write_device_tree(out.tree, o->vm.dump_dtb, vm, &e)
                       : run_vm(vm, &o->vm, contract, &visitors, &out, &e);
    status = r < 0 ? STATUS_FAILED : r;
out:
    if (r < 0)
        print_error(&e);
    gdb_destroy(visitors.gdb);
    control_destroy(visitors.control);
    vm_destroy(vm);
    contract_destroy(contract);
    close_outputs(&out);
    return status;
}

int main(int argc, char **argv)
{
    uint64_t start_ns = os_now_ns();
    struct err e = {0};
    struct options o;
    int status = STATUS_USAGE;

    if (argc > 1 && !strcmp(argv[1], "ctl"))
        return ctl(argc - 2, argv + 2);
    int r = options_parse(&o, argc, argv, &e);
    if (r < 0)
        goto out;
    if (o.action != OPTIONS_RUN) {
        status = print_and_check(&o);
        goto out;
    }
    log_threshold = (enum log_level)o.vm.log_level;
    o.vm.start_ns = start_ns;
    o.vm.program = version_line();
    r = options_check_host(&o.vm, os_host_memory(), &e);
    if (r < 0)
        goto out;
    terminal_catch_crashes();
    os_raise_fd_limit();
    if (o.fork.on) {
        r = fork_variants(&o, run_machine, &e);
        status = r < 0 ? STATUS_USAGE : r;
    } else {
        status = run_machine(&o);
    }
out:
    if (r < 0)
        print_error(&e);
    options_free(&o);
    return status;
}
