/* Holding vCPUs, breakpoints, watchpoints, steps and limits, of a whole machine on the software CPU: each with the translator and without. */
#include "vm/debug.h"

#include "arch/esr.h"
#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

#define AT UINT64_C(0x10000)
#define DATA UINT64_C(0x20000)
#define LOOP (AT + 12)   /* where the loop begins */
#define STORE (LOOP + 4) /* the store to DATA */
#define CALL (LOOP + 16) /* SVC */

static const uint32_t program[] = {
    0xd2a00041, /* mov x1, #0x20000 */
    0xd2a00062, /* mov x2, #0x30000 */
    0xd518c002, /* msr vbar_el1, x2 */
    0x91000400, /* loop: add x0, x0, #1 */
    0xf9000020, /* str x0, [x1] */
    0xf9400423, /* ldr x3, [x1, #8] */
    0xd51bd040, /* msr tpidr_el0, x0 */
    0xd4000001, /* svc #0 */
    0x17fffffb, /* b loop */
};
static const uint32_t vector[] = {0xd69f03e0};                          /* eret */
static const uint32_t sleeper[] = {0xd503207f, 0x91000400, 0x17fffffe}; /* wfi; add x0, x0, #1; b . - 8 */

struct machine {
    struct vm *vm;
    struct vm_options opt;
    struct vm_debugger debugger;
    char path[32];
    _Atomic unsigned nr_events;
    struct debug_event event; /* the last */
    unsigned who;
    uint32_t wanted; /* 1 << cause */
};

static void stopped(void *opaque, unsigned index, const struct debug_event *event)
{
    struct machine *m = opaque;

    m->event = *event;
    m->who = index;
    atomic_fetch_add(&m->nr_events, 1);
}

/* RESET, CPU_ON and STUCK are told where asked for. */
static bool wants(void *opaque, unsigned index, enum debug_cause cause)
{
    const struct machine *m = opaque;

    (void)index;
    return m->wanted >> cause & 1;
}

/* Held at its first instruction. */
static void start(struct machine *m, const void *code, size_t len, bool jit, unsigned nr_cpus)
{
    struct err e = {0};

    log_threshold = LOG_ERROR;
    memset(m, 0, sizeof(*m));
    strcpy(m->path, "/tmp/vibevmm-test-XXXXXX");
    const int fd = mkstemp(m->path);
    assert_true(fd >= 0 && write(fd, code, len) == (ssize_t)len);
    close(fd);
    m->opt = (struct vm_options){.binary = m->path,
                                 .entry = AT,
                                 .mem_len = UINT64_C(4) << 20,
                                 .nr_cpus = nr_cpus,
                                 .accel = VM_ACCEL_SOFT,
                                 .no_rng = true,
                                 .jit = {.off = !jit, .exact = true, .threshold = 4}};
    assert_int_equal(vm_create(&m->vm, &m->opt, &e), 0);
    m->debugger = (struct vm_debugger){.stopped = stopped, .wants = wants, .opaque = m};
    vm_set_debugger(m->vm, &m->debugger, true);
    assert_int_equal(vm_start(m->vm, &e), 0);
    vm_hold(m->vm, 1); /* waits for it */
    vm_release(m->vm, 1);
    assert_int_equal(vm_set_reg(m->vm, 0, 0, 0), 0); /* was the device tree's address */
    assert_int_equal(vm_write_memory(m->vm, 0, VM_SPACE_PHYSICAL, 0x30200, vector, sizeof(vector)),
                     sizeof(vector));
}

static void finish(struct machine *m)
{
    struct vm_outcome o;

    vm_request_stop(m->vm, VM_STOP_QUIT);
    vm_join(m->vm, &o);
    vm_destroy(m->vm);
    unlink(m->path);
}

static uint64_t reg(struct machine *m, unsigned n)
{
    uint64_t val = 0;
    assert_int_equal(vm_get_reg(m->vm, 0, n, &val), 0);
    return val;
}

/* Lets vCPU 0 go until it is reported. */
static void go(struct machine *m)
{
    const unsigned before = atomic_load(&m->nr_events);

    vm_release(m->vm, 1);
    while (atomic_load(&m->nr_events) == before)
        usleep(100);
    vm_hold(m->vm, 1); /* waits until it stands still; the report's own hold is one too many */
    vm_release(m->vm, 1);
}

static uint64_t insns(struct machine *m)
{
    struct hv_counters n;

    m->vm->hv->counters(m->vm->vcpu[0].hv, &n);
    return n.insns;
}

/* Until what it runs is hot, or would be. */
static void go_far(struct machine *m)
{
    const uint64_t enough = insns(m) + 50000;

    do {
        vm_release(m->vm, 1);
        usleep(1000);
        vm_hold(m->vm, 1);
    } while (insns(m) < enough);
}

static void points(struct machine *m, const struct debug_points *p)
{
    struct err e = {0};
    assert_int_equal(vm_set_debug(m->vm, p, &e), 0);
}

static void expect(struct machine *m, enum debug_cause cause, uint64_t addr, gva_t pc)
{
    assert_int_equal(m->event.cause, cause);
    assert_int_equal(m->event.addr, addr);
    assert_int_equal(reg(m, HV_REG_PC), pc);
}

static void test_steps(void **state)
{
    struct machine m;

    start(&m, program, sizeof(program), *(bool *)*state, 1);
    assert_int_equal(reg(&m, HV_REG_PC), AT);
    assert_int_equal(vm_set_step(m.vm, 0, true), 0);
    for (unsigned i = 1; i <= 3; i++) {
        go(&m);
        expect(&m, DEBUG_CAUSE_STEP, AT + 4 * i, AT + 4 * i);
    }
    assert_int_equal(reg(&m, 2), 0x30000);
    /* A call ends in the vector, and so does its step. */
    vm_set_reg(m.vm, 0, HV_REG_PC, CALL);
    go(&m);
    expect(&m, DEBUG_CAUSE_STEP, 0x30200, 0x30200);
    go(&m);
    expect(&m, DEBUG_CAUSE_STEP, CALL + 4, CALL + 4);
    /* Many of them are as many instructions. */
    for (unsigned i = 0; i < 700; i++)
        go(&m);
    assert_int_equal(reg(&m, 0), 100);
    assert_int_equal(reg(&m, HV_REG_PC), CALL + 4);
    finish(&m);
}

static void test_breakpoints(void **state)
{
    struct machine m;
    struct debug_point p = {.kind = DEBUG_BREAK, .addr = STORE};
    const struct debug_points one = {.nr = 1, .point = &p}, none = {0};

    start(&m, program, sizeof(program), *(bool *)*state, 1);
    points(&m, &one);
    for (unsigned i = 1; i <= 50; i++) {
        go(&m);
        expect(&m, DEBUG_CAUSE_BREAK, STORE, STORE);
        assert_int_equal(reg(&m, 0), i);
    }
    /* Gone, the code becomes hot, and back again. */
    points(&m, &none);
    go_far(&m);
    assert_int_equal(atomic_load(&m.nr_events), 50);
    assert_true(reg(&m, 0) > 1000);
    p = (struct debug_point){.kind = DEBUG_BREAK_PHYSICAL, .addr = CALL};
    points(&m, &one);
    for (unsigned i = 0; i < 50; i++) {
        const uint64_t before = reg(&m, 0);
        go(&m);
        expect(&m, DEBUG_CAUSE_BREAK, CALL, CALL);
        assert_in_range(reg(&m, 0), before, before + 1);
    }
    /* At the same place of another page: not this one. */
    p.addr = CALL + 0x1000;
    points(&m, &one);
    go_far(&m);
    assert_int_equal(atomic_load(&m.nr_events), 100);
    finish(&m);
}

static const struct hv_backend *set_debug_of;
static const struct hv_vcpu *fails;

static int failing_set_debug(struct hv_vcpu *v, const struct debug_points *p, struct err *e)
{
    return v == fails ? err_set(e, ENOMEM, "no") : set_debug_of->set_debug(v, p, e);
}

/* Where one vCPU cannot, all have what they had. */
static void test_all_or_none(void **state)
{
    struct machine m;
    struct debug_point p = {.kind = DEBUG_BREAK, .addr = STORE};
    const struct debug_points one = {.nr = 1, .point = &p}, none = {0};
    struct err e = {0};

    start(&m, program, sizeof(program), *(bool *)*state, 2);
    set_debug_of = m.vm->hv;
    struct hv_backend failing = *set_debug_of;
    failing.set_debug = failing_set_debug;
    fails = m.vm->vcpu[1].hv;
    m.vm->hv = &failing;
    assert_int_equal(vm_set_debug(m.vm, &one, &e), -ENOMEM);
    go_far(&m);
    assert_int_equal(atomic_load(&m.nr_events), 0);
    m.vm->hv = set_debug_of;
    points(&m, &one);
    m.vm->hv = &failing;
    p.addr = CALL;
    assert_int_equal(vm_set_debug(m.vm, &one, &e), -ENOMEM);
    assert_int_equal(vm_set_debug(m.vm, &none, &e), -ENOMEM);
    for (unsigned i = 0; i < 3; i++) {
        go(&m);
        expect(&m, DEBUG_CAUSE_BREAK, STORE, STORE);
    }
    m.vm->hv = set_debug_of;
    points(&m, &one);
    go(&m);
    expect(&m, DEBUG_CAUSE_BREAK, CALL, CALL);
    finish(&m);
}

static void test_watchpoints(void **state)
{
    struct machine m;
    struct debug_point p = {.kind = DEBUG_WATCH, .addr = DATA + 4, .len = 1, .write = true};
    const struct debug_points one = {.nr = 1, .point = &p};
    uint64_t val;

    start(&m, program, sizeof(program), *(bool *)*state, 1);
    go_far(&m);
    points(&m, &one);
    for (unsigned i = 0; i < 50; i++) {
        go(&m);
        expect(&m, DEBUG_CAUSE_WATCH, DATA + 4, STORE);
        assert_true(m.event.write);
        /* It has not happened yet. */
        assert_int_equal(vm_read_memory(m.vm, 0, VM_SPACE_VIRTUAL, DATA, &val, 8), 8);
        assert_int_equal(val + 1, reg(&m, 0));
    }
    /* What is next to it is not reported, nor are loads. */
    p = (struct debug_point){.kind = DEBUG_WATCH, .addr = DATA + 16, .len = 8, .write = true, .read = true};
    points(&m, &one);
    go_far(&m);
    assert_int_equal(atomic_load(&m.nr_events), 50);
    p = (struct debug_point){.kind = DEBUG_WATCH, .addr = DATA + 8, .len = 16, .read = true};
    points(&m, &one);
    go(&m);
    expect(&m, DEBUG_CAUSE_WATCH, DATA + 8, STORE + 4);
    finish(&m);
}

static void test_exceptions(void **state)
{
    struct machine m;
    const uint16_t tpidr = SYSENC_TPIDR_EL0;
    const struct debug_points svc = {.exceptions = BIT64(EC_SVC64)},
                              msr = {.nr_sysregs = 1, .sysreg = &tpidr};
    uint64_t val;

    start(&m, program, sizeof(program), *(bool *)*state, 1);
    points(&m, &svc);
    for (unsigned i = 0; i < 50; i++) {
        go(&m);
        expect(&m, DEBUG_CAUSE_EXCEPTION, CALL + 4, 0x30200);
    }
    points(&m, &msr);
    for (unsigned i = 0; i < 50; i++) {
        go(&m);
        expect(&m, DEBUG_CAUSE_SYSREG, tpidr, CALL - 4);
        assert_int_equal(vm_get_reg(m.vm, 0, HV_REG_SYS | tpidr, &val), 0);
        assert_int_equal(val + 1, reg(&m, 0));
    }
    finish(&m);
}

/* Six instructions of the loop and one of the vector: where it is after n of them is known. */
static void test_limit(void **state)
{
    struct machine m;
    struct vm_outcome o;

    start(&m, program, sizeof(program), *(bool *)*state, 1);
    m.vm->hv->stop_at(m.vm->vcpu[0].hv, 0); /* harmless */
    assert_int_equal(m.vm->hv->stop_at(m.vm->vcpu[0].hv, 3 + 7 * 100001 + 2), 0);
    vm_release(m.vm, 1);
    vm_join(m.vm, &o);
    assert_int_equal(o.reason, VM_STOP_LIMIT);
    uint64_t x0, pc;
    m.vm->hv->get_reg(m.vm->vcpu[0].hv, 0, &x0);
    m.vm->hv->get_reg(m.vm->vcpu[0].hv, HV_REG_PC, &pc);
    assert_int_equal(x0, 100002);
    assert_int_equal(pc, STORE + 4);
    vm_destroy(m.vm);
    unlink(m.path);
}

/* Into a page that is not in the TLB: no instruction, and not counted as one. */
static void test_page_crossing(void **state)
{
    enum { NR = 0x1004 / 4, FIRST = 0xff4 / 4 };
    static const uint32_t across[] = {
        0xd508871f, /* loop: tlbi vmalle1 */
        0x91000400, /* add x0, x0, #1 */
        0xd503201f, /* nop, the last of the page */
        0x17fffffd, /* b loop */
    };
    uint32_t code[NR];
    struct machine m;
    struct vm_outcome o;
    uint64_t x0, pc;

    for (unsigned i = 0; i < NR; i++)
        code[i] = i < FIRST ? 0xd503201f : across[i - FIRST];
    start(&m, code, sizeof(code), *(bool *)*state, 1);
    assert_int_equal(m.vm->hv->stop_at(m.vm->vcpu[0].hv, FIRST + 4 * 10000 + 2), 0);
    vm_release(m.vm, 1);
    vm_join(m.vm, &o);
    m.vm->hv->get_reg(m.vm->vcpu[0].hv, 0, &x0);
    m.vm->hv->get_reg(m.vm->vcpu[0].hv, HV_REG_PC, &pc);
    assert_int_equal(x0, 10001);
    assert_int_equal(pc, AT + 0xffc);
    vm_destroy(m.vm);
    unlink(m.path);
}

static void test_sleeping(void **state)
{
    struct machine m;
    const unsigned counter = HV_REG_SYS | SYSENC_CNTVCT_EL0;
    uint64_t val, before = 0;

    start(&m, sleeper, sizeof(sleeper), *(bool *)*state, 1);
    /* The virtual timer's interrupt could wake it, and never comes. */
    uint64_t on = 2, group = BIT64(GTIMER_INTID_VIRT), enable = group;
    bus_access(&m.vm->bus, board_gic(m.vm).dist_base, 4, true, &on);
    bus_access(&m.vm->bus, board_gic(m.vm).cpu_base + 0x10080, 4, true, &group);
    bus_access(&m.vm->bus, board_gic(m.vm).cpu_base + 0x10100, 4, true, &enable);
    gic_sysreg_write(m.vm->board.gic, 0, SYSENC_ICC_PMR_EL1, 0xff);
    gic_sysreg_write(m.vm->board.gic, 0, SYSENC_ICC_IGRPEN1_EL1, 1);
    assert_true(*gic_can_wake(m.vm->board.gic, 0));
    do { /* on a host that is busy it takes its time to get there */
        vm_release(m.vm, 1);
        usleep(1000);
        vm_hold(m.vm, 1);
    } while (reg(&m, HV_REG_PC) == AT);
    vm_release(m.vm, 1);
    for (unsigned i = 0; i < 20; i++) {
        usleep(1000);
        vm_hold(m.vm, 1);
        assert_int_equal(reg(&m, HV_REG_PC), AT + 4);
        assert_int_equal(reg(&m, 0), 0); /* it sleeps on */
        assert_int_equal(vm_get_reg(m.vm, 0, counter, &val), 0);
        assert_true(val > before);
        before = val;
        vm_release(m.vm, 1);
    }
    finish(&m);
}

/* HVC: PSCI CPU_ON of CPU 1 at second, SYSTEM_RESET. */
static const uint32_t psci[] = {
    0xd2a00042, /* mov x2, #0x20000 */
    0xd2800021, /* mov x1, #1 */
    0xd2800060, /* mov x0, #3 */
    0xf2b88000, /* movk x0, #0xc400, lsl #16: CPU_ON_64 */
    0xd4000002, /* hvc #0 */
    0x14000000, /* b . */
    0x52800120, /* mov w0, #9 */
    0x72b08000, /* movk w0, #0x8400, lsl #16: SYSTEM_RESET */
    0xd4000002, /* hvc #0 */
};

static void test_power(void **state)
{
    struct machine m;
    static const uint32_t undefined = 0;
    uint64_t val;

    start(&m, psci, sizeof(psci), *(bool *)*state, 2);
    m.wanted = 1u << DEBUG_CAUSE_CPU_ON | 1u << DEBUG_CAUSE_RESET | 1u << DEBUG_CAUSE_STUCK;
    assert_int_equal(vm_vcpus_on(m.vm), 1);
    vm_release(m.vm, 3);
    while (atomic_load(&m.nr_events) < 1)
        usleep(100);
    assert_int_equal(m.event.cause, DEBUG_CAUSE_CPU_ON);
    assert_int_equal(m.event.addr, 0x20000);
    assert_int_equal(m.who, 1);
    assert_int_equal(vm_vcpus_on(m.vm), 3);
    assert_int_equal(vm_get_reg(m.vm, 1, HV_REG_PC, &val), 0);
    assert_int_equal(val, 0x20000);

    /* The guest's own reset, which a vCPU that is held does not keep from coming. */
    vm_hold(m.vm, 1);
    assert_int_equal(vm_set_reg(m.vm, 0, HV_REG_PC, AT + 24), 0);
    vm_release(m.vm, 1);
    while (atomic_load(&m.nr_events) < 2)
        usleep(100);
    assert_int_equal(m.event.cause, DEBUG_CAUSE_RESET);
    assert_int_equal(m.event.addr, AT);
    assert_int_equal(m.who, 0);
    assert_int_equal(reg(&m, HV_REG_PC), AT);
    assert_int_equal(vm_vcpus_on(m.vm), 1);

    /* From outside: the registers are as after power-on. */
    assert_int_equal(vm_set_reg(m.vm, 0, 5, 5), 0);
    for (unsigned i = 0; i < 50; i++) {
        vm_reset(m.vm);
        while (atomic_load(&m.nr_events) < 3 + i)
            usleep(10);
        if (i)
            vm_release(m.vm, 1);
    }
    assert_int_equal(vm_get_reg(m.vm, 0, 5, &val), 0);
    assert_int_equal(val, 0);
    assert_int_equal(reg(&m, HV_REG_PC), AT);
    vm_release(m.vm, 1);

    /* A fault without end is told, and not the end of the run. */
    assert_int_equal(vm_write_memory(m.vm, 0, VM_SPACE_PHYSICAL, AT, &undefined, 4), 4);
    for (unsigned i = 0; i < 2; i++) {
        go(&m);
        assert_int_equal(m.event.cause, DEBUG_CAUSE_STUCK);
    }
    m.wanted = 0;
    vm_release(m.vm, 1);
    struct vm_outcome o;
    vm_join(m.vm, &o);
    assert_int_equal(o.reason, VM_STOP_STUCK);
    vm_destroy(m.vm);
    unlink(m.path);
}

/* Code that the debugger writes, where the old one is hot. */
static void test_new_code(void **state)
{
    struct machine m;
    static const uint32_t mov = 0xd28000e0; /* mov x0, #7 */

    start(&m, program, sizeof(program), *(bool *)*state, 1);
    go_far(&m);
    assert_true(reg(&m, 0) > 1000);
    assert_int_equal(vm_write_memory(m.vm, 0, VM_SPACE_VIRTUAL, LOOP, &mov, sizeof(mov)), sizeof(mov));
    go_far(&m);
    assert_int_equal(reg(&m, 0), 7);
    finish(&m);
}

static void test_refusals(void **state)
{
    struct machine m;
    uint8_t buf[16];
    gpa_t pa;

    start(&m, program, sizeof(program), *(bool *)*state, 2);
    assert_int_equal(vm_read_memory(m.vm, 0, VM_SPACE_PHYSICAL, 0x09000000, buf, 4), 0);
    assert_int_equal(vm_read_memory(m.vm, 0, VM_SPACE_PHYSICAL, (UINT64_C(4) << 20) - 8, buf, 16), 8);
    assert_int_equal(vm_write_memory(m.vm, 0, VM_SPACE_VIRTUAL, UINT64_C(1) << 60, buf, 16), 0);
    assert_int_equal(vm_translate(m.vm, 0, DATA, &pa), 0);
    assert_int_equal(pa, DATA);
    assert_int_equal(vm_get_reg(m.vm, 1, 0xffff, &(uint64_t){0}), -EINVAL);
    finish(&m);
}

/* The guest's clock never goes back, however often it is stopped, and stands at no less than what the guest has read. */
static void test_clock(void **state)
{
    static const uint32_t code[] = {
        0xd53be041, /* mrs x1, CNTVCT_EL0 */
        0xeb00003f, /* cmp x1, x0 */
        0x54000063, /* b.lo . + 12 */
        0xaa0103e0, /* mov x0, x1 */
        0x17fffffc, /* b . - 16 */
        0x14000000, /* b . */
    };
    struct machine m;

    start(&m, code, sizeof(code), *(bool *)*state, 1);
    for (unsigned i = 0; i < 50; i++) {
        const uint64_t before = reg(&m, 1);
        do {
            vm_release(m.vm, 1);
            usleep(100);
            vm_hold(m.vm, 1);
        } while (reg(&m, 1) == before);
        uint64_t pc = 0;
        assert_int_equal(vm_get_reg(m.vm, 0, HV_REG_PC, &pc), 0);
        assert_true(pc < AT + sizeof(code) - 4);
        assert_true(reg(&m, 1) * 16 <= vm_guest_now_ns(m.vm) - m.vm->base_ns);
    }
    finish(&m);
}

int main(void)
{
    static bool with = true, without;
#define BOTH(test)                                                                                 \
    {#test "_translated", test, NULL, NULL, &with},                                                \
    {                                                                                              \
#test "_interpreted", test, NULL, NULL, &without                                           \
    }
    const struct CMUnitTest tests[] = {
        BOTH(test_steps),      BOTH(test_breakpoints), BOTH(test_watchpoints),
        BOTH(test_exceptions), BOTH(test_limit),       BOTH(test_page_crossing),
        BOTH(test_sleeping),   BOTH(test_power),       BOTH(test_new_code),
        BOTH(test_refusals),   BOTH(test_all_or_none), BOTH(test_clock),
    };
    return cmocka_run_group_tests_name("debug", tests, NULL, NULL);
}
