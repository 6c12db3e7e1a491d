/* A machine saved while it runs, many times, which goes on as if it had not been; and what each file continues with. */
#include "vm/snapshot.h"

#include "base/err.h"
#include "base/log.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

#define AT UINT64_C(0x10000)
#define COUNT UINT64_C(0x20000)
#define ROUNDS 1000000u /* of each vCPU */
#define NR_SAVES 6u

/* Two vCPUs count together and strew the count about; then the first switches off. */
static const uint32_t program[] = {
    0xd2a0004a, /*    mov x10, #0x20000 */
    0x9100214b, /*    add x11, x10, #8 */
    0xd53800a9, /*    mrs x9, mpidr_el1 */
    0x92401d29, /*    and x9, x9, #0xff */
    0x52884805, /*    mov w5, #ROUNDS */
    0x72a001e5, /*    movk w5, #ROUNDS >> 16, lsl #16 */
    0xb50000c9, /*    cbnz x9, 1f */
    0x52800060, /*    mov w0, #PSCI_CPU_ON */
    0x72b88000, /*    movk w0, #PSCI_CPU_ON >> 16, lsl #16 */
    0xd2800021, /*    mov x1, #1 */
    0x10fffec2, /*    adr x2, the first instruction */
    0xd4000002, /*    hvc #0 */
    0xc85f7d42, /* 1: ldxr x2, [x10] */
    0x91000442, /*    add x2, x2, #1 */
    0xc8037d42, /*    stxr w3, x2, [x10] */
    0x35ffffa3, /*    cbnz w3, 1b */
    0x927d3044, /*    and x4, x2, #0xfff8 */
    0x8b0a0084, /*    add x4, x4, x10 */
    0xf9080082, /*    str x2, [x4, #4096] */
    0x710004a5, /*    subs w5, w5, #1 */
    0x54ffff01, /*    b.ne 1b */
    0xc85f7d62, /* 2: ldxr x2, [x11] */
    0x91000442, /*    add x2, x2, #1 */
    0xc8037d62, /*    stxr w3, x2, [x11] */
    0x35ffffa3, /*    cbnz w3, 2b */
    0xd503209f, /*    sev */
    0xb4000069, /*    cbz x9, 4f */
    0xd503207f, /* 3: wfi */
    0x17ffffff, /*    b 3b */
    0xf9400542, /* 4: ldr x2, [x10, #8] */
    0xf100085f, /*    cmp x2, #2 */
    0x54000060, /*    b.eq 5f */
    0xd503205f, /*    wfe */
    0x17fffffc, /*    b 4b */
    0x52800100, /* 5: mov w0, #PSCI_SYSTEM_OFF */
    0x72b08000, /*    movk w0, #PSCI_SYSTEM_OFF >> 16, lsl #16 */
    0xd4000002, /*    hvc #0 */
};

static char path[] = "/tmp/vibevmm-test-XXXXXX";

static struct vm_options options(bool deterministic, bool jit)
{
    return (struct vm_options){.binary = path,
                               .entry = AT,
                               .mem_len = UINT64_C(4) << 20,
                               .nr_cpus = 2,
                               .accel = VM_ACCEL_SOFT,
                               .no_rng = true,
                               .deterministic = deterministic,
                               .jit = {.off = !jit, .exact = deterministic}};
}

static const char *file(unsigned n)
{
    static char name[40];
    snprintf(name, sizeof(name), "%s.%u", path, n);
    return name;
}

struct end {
    uint64_t insns, hash, count;
};

static struct vm *begin(struct vm_options *opt)
{
    struct vm *vm;
    struct err e = {0};

    if (vm_create(&vm, opt, &e) || vm_start(vm, &e))
        fail_msg("%s", e.text);
    return vm;
}

/* Until it has switched itself off. */
static struct end finish(struct vm *vm)
{
    struct vm_outcome o;
    struct vm_stats s = {0};
    struct end end = {0};

    vm_join(vm, &o);
    assert_int_equal(o.reason, VM_STOP_POWEROFF);
    vm_get_stats(vm, &s);
    for (unsigned i = 0; i < 2; i++) {
        struct hv_counters n;
        vm->hv->counters(vm->vcpu[i].hv, &n);
        end.insns += n.insns;
    }
    end.hash = s.memory_hash;
    assert_true(ram_read(vm_ram(vm), COUNT, &end.count, 8));
    vm_destroy(vm);
    return end;
}

static struct end go_on(const char *from, struct vm_options opt)
{
    struct snapshot *s;
    struct err e = {0};

    if (snapshot_open(&s, from, &e))
        fail_msg("%s", e.text);
    opt.snapshot = s;
    const struct end end = finish(begin(&opt));
    snapshot_close(s);
    return end;
}

/* False: it has ended. */
static bool saved(struct vm *vm, const char *to)
{
    struct err e = {0};
    if (vm_save(vm, to, NULL, NULL, &e) && !strstr(e.text, "come to its end"))
        fail_msg("%s", e.text);
    return !e.code;
}

static void compare(struct end a, struct end b)
{
    assert_int_equal(a.insns, b.insns);
    assert_int_equal(a.hash, b.hash);
    assert_int_equal(a.count, b.count);
}

static void turns(bool jit)
{
    struct vm_options opt = options(true, jit);
    const struct end once = finish(begin(&opt));
    struct vm *vm = begin(&opt);

    assert_int_equal(once.count, 2 * ROUNDS);
    unsigned nr = 0;
    while (nr < NR_SAVES && saved(vm, file(nr)))
        usleep(++nr * 500);
    assert_true(nr > 0);
    compare(finish(vm), once);
    for (unsigned i = 0; i < nr; i++) {
        compare(go_on(file(i), opt), once);
        unlink(file(i));
    }
}

static void turns_translated(void **unused)
{
    (void)unused;
    turns(true);
}

static void turns_interpreted(void **unused)
{
    (void)unused;
    turns(false);
}

/* On threads of their own: no count is lost, and none is counted twice, wherever between a load and its store they stand. */
static void at_once(void **unused)
{
    (void)unused;
    for (unsigned jit = 0; jit < 2; jit++) {
        struct vm_options opt = options(false, jit);
        struct vm *vm = begin(&opt);
        unsigned nr = 0;
        while (nr < NR_SAVES && saved(vm, file(nr)))
            usleep(++nr * 500);
        assert_true(nr > 0);
        assert_int_equal(finish(vm).count, 2 * ROUNDS);
        for (unsigned i = 0; i < nr; i++) {
            assert_int_equal(go_on(file(i), opt).count, 2 * ROUNDS);
            unlink(file(i));
        }
    }
}

/* One saved, loaded, saved again, and so on, each a number of instructions on. */
static void a_chain(void **unused)
{
    struct vm_options opt = options(true, true);
    const struct end once = finish(begin(&opt));
    struct snapshot *s = NULL;
    struct err e = {0};

    (void)unused;
    for (unsigned i = 0; i < NR_SAVES; i++) {
        struct vm_outcome o;
        struct hv_counters n;
        opt.max_insns = 700000 + 1000 * i;
        struct vm *vm = begin(&opt);
        vm_join(vm, &o);
        assert_int_equal(o.reason, VM_STOP_LIMIT);
        vm->hv->counters(vm->vcpu[0].hv, &n);
        assert_int_equal(n.insns, (i + 1) * 700000 + 500 * i * (i + 1));
        assert_true(saved(vm, file(0))); /* which this machine still maps */
        assert_true(saved(vm, file(1))); /* a stopped one can be saved again */
        vm_destroy(vm);
        snapshot_close(s);
        assert_int_equal(snapshot_open(&s, file(i & 1), &e), 0);
        opt.snapshot = s;
    }
    opt.max_insns = 0;
    compare(finish(begin(&opt)), once);
    snapshot_close(s);
    unlink(file(0));
    unlink(file(1));
}

static void refused(struct vm *vm, const char *to, int code, const char *why)
{
    struct err e = {0};
    assert_int_equal(vm_save(vm, to, NULL, NULL, &e), -code);
    assert_int_equal(e.code, code);
    if (!strstr(e.text, why) || strncmp(e.text, to, strlen(to)) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(access(to, F_OK), -1);
}

static void not_saved(void **unused)
{
    struct vm_options opt = options(true, true);
    struct vm *vm;
    struct err e = {0};
    struct vm_outcome o;

    (void)unused;
    assert_int_equal(vm_create(&vm, &opt, &e), 0);
    refused(vm, file(0), ESRCH, "had not begun");
    assert_int_equal(vm_start(vm, &e), 0);
    refused(vm, "/tmp/no-such-folder/file", ENOENT, "No such file");
    vm_join(vm, &o);
    refused(vm, file(0), ESRCH, "come to its end");
    vm_destroy(vm);
}

static int setup(void **unused)
{
    const int fd = mkstemp(path);
    (void)unused;
    log_threshold = LOG_ERROR;
    if (fd < 0 || write(fd, program, sizeof(program)) != sizeof(program))
        return -1;
    return close(fd);
}

static int teardown(void **unused)
{
    (void)unused;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_translated), cmocka_unit_test(turns_interpreted),
        cmocka_unit_test(at_once),          cmocka_unit_test(a_chain),
        cmocka_unit_test(not_saved),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
