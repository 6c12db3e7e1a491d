/* The semihosting calls. Threads: vm/semihosting.h; semihost.lock is before the console's locks, and not held while a call may have to wait for the
 * console's reader.
 *
 * The guest's pointers are virtual addresses of the caller, as its own loads and stores at its EL would find them (but for PSTATE.PAN), and reach RAM and
 * ROM, never a device. */
#include "vm/semihosting.h"

#include "arch/semihosting.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/snap.h"
#include "dev/chardev.h"
#include "dev/p9/host.h"
#include "dev/pl031.h"
#include "vm/debug.h"
#include "vm/semihost_files.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_WORDS 4u
#define FAILED UINT64_MAX
#define CENTISECOND_NS 10000000u
#define TICKS_HZ 1000000000u
#define HEAP_ALIGN 4096u

struct semihost {
    struct vm *vm;
    pthread_mutex_t lock;
    struct semihost_files *files;
    _Atomic int error; /* the host's, of the last call that failed */
    char *cmdline;
    gpa_t heap, heap_end; /* as update_heap() has it */
};

/* One call. */
struct call {
    struct semihost *s;
    struct vm *vm;
    struct vcpu *v;
    struct pe_state regime;
    bool el0;
    uint64_t x1;
    uint64_t word[MAX_WORDS]; /* of the parameter block at x1 */
    bool wait;                /* for input: the call is not done, and will be made again */
    bool ends;                /* the run, with this status */
    int status;
};

/* --- The guest's memory ----------------------------------------------------------------------------------------------- */

/* The host's address of va, and in *room how many bytes go on behind it; null where the caller has no memory. */
static uint8_t *reach(struct call *c, gva_t va, bool write, size_t *room, gpa_t *pa)
{
    struct walk_result w;
    const struct walk_request rq = {
        .va = va, .access = write ? WALK_WRITE : WALK_READ, .el0 = c->el0, .pan = false};

    if (!vm_walk(c->vm, &c->regime, &rq, &w))
        return NULL;
    *room = 4096 - (size_t)(w.pa % 4096);
    *pa = w.pa;
    return ram_ptr(&c->vm->ram, w.pa, *room, write);
}

static bool copy_in(struct call *c, gva_t va, void *buf, size_t len)
{
    size_t n;
    gpa_t pa;

    for (size_t done = 0; done < len; done += n) {
        const uint8_t *p = reach(c, va + done, false, &n, &pa);
        if (!p)
            return false;
        n = MIN(n, len - done);
        memcpy((uint8_t *)buf + done, p, n);
    }
    return true;
}

static bool copy_out(struct call *c, gva_t va, const void *buf, size_t len)
{
    size_t n;
    gpa_t pa;

    for (size_t done = 0; done < len; done += n) {
        uint8_t *p = reach(c, va + done, true, &n, &pa);
        if (!p)
            return false;
        n = MIN(n, len - done);
        memcpy(p, (const uint8_t *)buf + done, n);
    }
    return true;
}

/* --- Results ---------------------------------------------------------------------------------------------------------- */

/* With -errno for SYS_ERRNO. */
static uint64_t fail(struct call *c, int64_t r)
{
    c->s->error = (int)-r;
    return FAILED;
}

static uint64_t result(struct call *c, int64_t r)
{
    return r < 0 ? fail(c, r) : (uint64_t)r;
}

/* A name of so many bytes; the zero behind them is not looked at. */
static int read_name(struct call *c, gva_t va, uint64_t len, char name[SEMIHOST_MAX_NAME + 1])
{
    if (len > SEMIHOST_MAX_NAME)
        return -ENAMETOOLONG;
    if (!copy_in(c, va, name, (size_t)len))
        return -EFAULT;
    name[len] = 0;
    return strlen(name) == len ? 0 : -EINVAL;
}

/* --- Files ------------------------------------------------------------------------------------------------------------ */

static uint64_t do_OPEN(struct call *c)
{
    char name[SEMIHOST_MAX_NAME + 1];
    int r = read_name(c, c->word[0], c->word[2], name);

    if (!r)
        r = semihost_open(c->s->files, name, (unsigned)MIN(c->word[1], UINT32_MAX));
    return result(c, r);
}

static uint64_t do_CLOSE(struct call *c)
{
    return result(c, semihost_close(c->s->files, c->word[0]));
}

/* SYS_READ and SYS_WRITE tell of no errors but that nothing was done. */
static uint64_t none_done(struct call *c, int r)
{
    fail(c, r);
    return c->word[2];
}

/* Nobody will see the answer. Who merely wants the vCPU to stand still waits until the call is done. */
static bool is_over(const struct call *c)
{
    return atomic_load(&c->vm->stop) || atomic_load(&c->vm->resetting);
}

/* Reads or writes, page by page, until less is done than was asked for. Returns the bytes that were not. Nobody needs more than there is memory. */
static uint64_t transfer(struct call *c, bool read, bool console)
{
    const uint64_t len = c->word[2], most = MIN(len, c->vm->mem_len);
    uint64_t done = 0;
    int64_t r = 0;

    while (done < most && !is_over(c)) {
        size_t n;
        gpa_t pa;
        uint8_t *p = reach(c, c->word[1] + done, read, &n, &pa);
        if (!p) {
            fail(c, -EFAULT);
            break;
        }
        n = (size_t)MIN(n, most - done);
        if (console) {
            chardev_write(vm_console(c->vm), p, n);
            r = (int64_t)n; /* what nobody reads is lost, as a UART's */
        } else if (read) {
            r = semihost_read(c->s->files, c->word[0], p, n);
            if (r > 0) /* as a debugger's store does it */
                c->vm->hv->code_changed(c->vm->hv_vm, pa, (uint64_t)r);
        } else {
            r = semihost_write(c->s->files, c->word[0], p, n);
        }
        if (r < 0)
            fail(c, r);
        if (r <= 0)
            break;
        done += (uint64_t)r;
        if ((uint64_t)r < n)
            break;
    }
    return len - done;
}

/* What there is, at least one byte. */
static uint64_t read_console(struct call *c)
{
    uint8_t buf[4096];
    const uint64_t len = c->word[2];
    bool ended = false;
    size_t room;
    gpa_t pa;

    if (!len)
        return 0;
    uint8_t *p = reach(c, c->word[1], true, &room, &pa);
    if (!p)
        return none_done(c, -EFAULT);
    const size_t n =
        chardev_read(vm_console(c->vm), buf, (size_t)MIN(MIN(len, room), sizeof(buf)), &ended);
    c->wait = !n && !ended;
    memcpy(p, buf, n);
    return len - n;
}

static uint64_t do_WRITE(struct call *c)
{
    const enum semihost_kind kind = semihost_kind(c->s->files, c->word[0]);

    if (kind == SEMIHOST_CLOSED)
        return none_done(c, -EBADF);
    if (kind != SEMIHOST_CONSOLE)
        return transfer(c, false, false);
    pthread_mutex_unlock(&c->s->lock);
    const uint64_t left = transfer(c, false, true);
    pthread_mutex_lock(&c->s->lock);
    return left;
}

static uint64_t do_READ(struct call *c)
{
    const enum semihost_kind kind = semihost_kind(c->s->files, c->word[0]);

    if (kind == SEMIHOST_CLOSED)
        return none_done(c, -EBADF);
    return kind == SEMIHOST_CONSOLE ? read_console(c) : transfer(c, true, false);
}

static uint64_t do_ISTTY(struct call *c)
{
    const enum semihost_kind kind = semihost_kind(c->s->files, c->word[0]);
    return kind == SEMIHOST_CLOSED ? fail(c, -EBADF) : kind == SEMIHOST_CONSOLE;
}

static uint64_t do_SEEK(struct call *c)
{
    return result(c, semihost_seek(c->s->files, c->word[0], c->word[1]));
}

static uint64_t do_FLEN(struct call *c)
{
    return result(c, semihost_len(c->s->files, c->word[0]));
}

/* The same for the same number, as the specification wants it; the guest may make it its own by opening it. */
static uint64_t do_TMPNAM(struct call *c)
{
    char name[32];
    const size_t len =
        (size_t)snprintf(name, sizeof(name), "vibevmm-%02x.tmp", (unsigned)(c->word[1] & 255)) + 1;

    if (c->word[1] > 255 || c->word[2] < len)
        return fail(c, -EINVAL);
    return copy_out(c, c->word[0], name, len) ? 0 : fail(c, -EFAULT);
}

/* Those of files without a handle tell the error as their result. */
static uint64_t file_result(struct call *c, int r)
{
    if (!r)
        return 0;
    fail(c, r);
    return p9_host_errno(-r);
}

static uint64_t do_REMOVE(struct call *c)
{
    char name[SEMIHOST_MAX_NAME + 1];
    const int r = read_name(c, c->word[0], c->word[1], name);
    return file_result(c, r ? r : semihost_remove(c->s->files, name));
}

static uint64_t do_RENAME(struct call *c)
{
    char from[SEMIHOST_MAX_NAME + 1], to[SEMIHOST_MAX_NAME + 1];
    int r = read_name(c, c->word[0], c->word[1], from);

    if (!r)
        r = read_name(c, c->word[2], c->word[3], to);
    return file_result(c, r ? r : semihost_rename(c->s->files, from, to));
}

/* --- The console ------------------------------------------------------------------------------------------------------ */

static uint64_t do_WRITEC(struct call *c)
{
    uint8_t byte;

    if (!copy_in(c, c->x1, &byte, 1))
        return fail(c, -EFAULT);
    pthread_mutex_unlock(&c->s->lock);
    chardev_write(vm_console(c->vm), &byte, 1);
    pthread_mutex_lock(&c->s->lock);
    return 0;
}

static uint64_t do_WRITE0(struct call *c)
{
    uint64_t done = 0;
    bool ok = true, end = false;

    pthread_mutex_unlock(&c->s->lock);
    while (!end && done < c->vm->mem_len && !is_over(c)) {
        size_t n;
        gpa_t pa;
        const uint8_t *p = reach(c, c->x1 + done, false, &n, &pa);
        if (!(ok = p))
            break;
        const size_t len = strnlen((const char *)p, n);
        chardev_write(vm_console(c->vm), p, len);
        end = len < n;
        done += len;
    }
    pthread_mutex_lock(&c->s->lock);
    return ok ? 0 : fail(c, -EFAULT);
}

static uint64_t do_READC(struct call *c)
{
    uint8_t byte;
    bool ended = false;

    if (chardev_read(vm_console(c->vm), &byte, 1, &ended))
        return byte;
    c->wait = !ended;
    return FAILED;
}

/* --- Time, and what the program is told --------------------------------------------------------------------------------- */

static uint64_t run_ns(const struct call *c)
{
    return clock_now_ns(&c->vm->clock) - c->vm->base_ns;
}

static uint64_t do_CLOCK(struct call *c)
{
    return run_ns(c) / CENTISECOND_NS;
}

static uint64_t do_TIME(struct call *c)
{
    return c->vm->clock.moved ? PL031_MOVED_EPOCH + run_ns(c) / TICKS_HZ : (uint64_t)time(NULL);
}

static uint64_t do_ELAPSED(struct call *c)
{
    const uint64_t ticks = run_ns(c);
    return copy_out(c, c->x1, &ticks, sizeof(ticks)) ? 0 : fail(c, -EFAULT);
}

static uint64_t do_TICKFREQ(struct call *c)
{
    (void)c;
    return TICKS_HZ;
}

static uint64_t do_SYSTEM(struct call *c)
{
    log_guest(LOG_WARN, "semihosting: SYS_SYSTEM is refused: the guest runs no commands here");
    return fail(c, -EPERM);
}

static uint64_t do_ERRNO(struct call *c)
{
    return c->s->error ? p9_host_errno(c->s->error) : 0;
}

static uint64_t do_ISERROR(struct call *c)
{
    return (int64_t)c->word[0] < 0;
}

static uint64_t do_GET_CMDLINE(struct call *c)
{
    const uint64_t len = strlen(c->s->cmdline);

    if (c->word[1] <= len)
        return fail(c, -E2BIG);
    return copy_out(c, c->word[0], c->s->cmdline, (size_t)len + 1) &&
                   copy_out(c, c->x1 + sizeof(uint64_t), &len, sizeof(len))
               ? 0
               : fail(c, -EFAULT);
}

/* The largest piece of RAM that no image lies in, as physical addresses: for the heap from below and the stack from above. A machine that goes on from
 * a snapshot has loaded no images, and keeps what that says. */
static void update_heap(struct semihost *s)
{
    const struct vm *vm = s->vm;

    if (!vm->map.nr)
        return;
    s->heap = s->heap_end = 0;
    for (unsigned i = 0; i < vm->ram.nr_regions; i++) {
        const struct ram_region *g = &vm->ram.region[i];
        gpa_t at = g->base;
        for (unsigned k = 0; g->kind == RAM_KIND_RAM && k <= vm->map.nr; k++) {
            const struct load_range *r = k < vm->map.nr ? &vm->map.range[k] : NULL;
            const gpa_t end = r && r->base < g->base + g->len ? MAX(r->base, g->base) : g->base + g->len;
            if (end > at && end - at > s->heap_end - s->heap) {
                s->heap = at;
                s->heap_end = end;
            }
            if (r && r->base + r->len > at)
                at = align_up(r->base + r->len, HEAP_ALIGN);
        }
    }
}

static uint64_t do_HEAPINFO(struct call *c)
{
    update_heap(c->s);
    const uint64_t from = c->s->heap, to = align_down(c->s->heap_end, 16);
    const uint64_t info[4] = {from, to, to, from}; /* heap base and limit, stack base and limit */
    return copy_out(c, c->word[0], info, sizeof(info)) ? 0 : fail(c, -EFAULT);
}

/* --- The end ---------------------------------------------------------------------------------------------------------- */

/* The status of the program; whatever is not its own end is none, and one that does not fit must not become success. */
static uint64_t do_EXIT(struct call *c)
{
    c->ends = true;
    c->status = c->word[0] == ADP_STOPPED_APPLICATION_EXIT ? (int)MIN(c->word[1], 255u) : 1;
    return 0;
}

static uint64_t do_EXIT_EXTENDED(struct call *c)
{
    return do_EXIT(c);
}

/* --- All calls -------------------------------------------------------------------------------------------------------- */

static const struct {
    unsigned nr_words;
    uint64_t (*fn)(struct call *c);
} calls[] = {
#define CALL(number, id, nr_words) [number] = {nr_words, do_##id},
#include "spec/semihosting.def"
#undef CALL
};

static uint64_t run_locked(struct call *c, uint32_t number)
{
    if (number >= ARRAY_LEN(calls) || !calls[number].fn) {
        log_guest(LOG_INFO, "semihosting: there is no call 0x%x", number);
        return fail(c, -ENOSYS);
    }
    /* A program that wants to end ends, even if it does not say how. */
    if (!copy_in(c, c->x1, c->word, calls[number].nr_words * sizeof(c->word[0])) &&
        number != SYS_EXIT && number != SYS_EXIT_EXTENDED)
        return fail(c, -EFAULT);
    return calls[number].fn(c);
}

/* Back at the HLT, which does the call again after what else the vCPU has to do: an interrupt, standing still. */
static void wait_for_input(struct vcpu *v)
{
    const struct hv_backend *hv = v->vm->hv;
    uint64_t pc = 0;

    hv->get_reg(v->hv, HV_REG_PC, &pc);
    hv->set_reg(v->hv, HV_REG_PC, pc - 4);
    v->exits[HV_EXIT_SEMIHOSTING]--; /* one call, one count */
    vcpu_wait_for_input(v);
}

enum hv_action semihost_call(struct vcpu *v)
{
    const struct hv_backend *hv = v->vm->hv;
    struct call c = {.s = v->vm->semihost, .vm = v->vm, .v = v};
    uint64_t number = 0, pstate = 0;

    hv->get_reg(v->hv, HV_REG_X0, &number);
    hv->get_reg(v->hv, HV_REG_X0 + 1, &c.x1);
    hv->get_reg(v->hv, HV_REG_PSTATE, &pstate);
    c.el0 = !bits(pstate, 3, 2);
    vcpu_fetch_regime(c.vm, v->hv, &c.regime);
    pthread_mutex_lock(&c.s->lock);
    const uint64_t answer = run_locked(&c, (uint32_t)number);
    pthread_mutex_unlock(&c.s->lock);
    if (c.ends)
        vm_request_exit(c.vm, c.status);
    if (c.wait)
        wait_for_input(v);
    else
        hv->set_reg(v->hv, HV_REG_X0, answer);
    return HV_CONTINUE;
}

/* --- Its life --------------------------------------------------------------------------------------------------------- */

/* The arguments; without any, as from a shell: what is run, and its command line. */
static char *make_cmdline(const struct vm_options *o)
{
    const struct vm_semihosting *h = &o->semihosting;
    const char *const own[] = {o->kernel ? o->kernel : o->binary, o->cmdline};
    const char *const *arg = h->nr_args ? h->arg : own;
    const unsigned nr = h->nr_args ? h->nr_args : ARRAY_LEN(own);
    size_t len = 1;

    for (unsigned i = 0; i < nr; i++)
        len += arg[i] ? strlen(arg[i]) + 1 : 0;
    char *text = calloc(1, len);
    size_t used = 0;
    for (unsigned i = 0; text && i < nr; i++)
        if (arg[i])
            used += (size_t)snprintf(text + used, len - used, "%s%s", used ? " " : "", arg[i]);
    return text;
}

/* Somebody waits for input; who, they find out. */
static void wake_readers(void *opaque)
{
    struct vm *vm = opaque;
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        vcpu_wake(&vm->vcpu[i]);
}

int semihost_create(struct vm *vm, struct semihost **out, struct err *e)
{
    const struct vm_semihosting *h = &vm->opt->semihosting;
    struct semihost *s = calloc(1, sizeof(*s));
    struct err why = {0};

    if (!s)
        return err_set(e, ENOMEM, "out of memory");
    s->vm = vm;
    pthread_mutex_init(&s->lock, NULL);
    s->cmdline = make_cmdline(vm->opt);
    s->files = s->cmdline ? semihost_files_create(h->dir, h->read_only, &why) : NULL;
    if (!s->files) {
        semihost_destroy(s);
        return err_set(e, why.code ? why.code : ENOMEM, "--semihosting: %s",
                       why.code ? why.text : "out of memory");
    }
    chardev_set_reader(vm_console(vm), wake_readers, vm);
    *out = s;
    return 0;
}

void semihost_reset(struct semihost *s)
{
    semihost_files_close_all(s->files);
    s->error = 0;
}

void semihost_snap(struct semihost *s, struct snap *snap)
{
    uint32_t error = (uint32_t)s->error;

    snap_part(snap, "semihosting", -1);
    snap_numbers(snap, "error", &error, sizeof(error), 1, INT32_MAX);
    s->error = (int)error;
    update_heap(s);
    SNAP_ANY(snap, s, heap);
    SNAP_ANY(snap, s, heap_end);
    semihost_files_snap(s->files, snap);
}

void semihost_destroy(struct semihost *s)
{
    if (!s)
        return;
    semihost_files_destroy(s->files);
    pthread_mutex_destroy(&s->lock);
    free(s->cmdline);
    free(s);
}
