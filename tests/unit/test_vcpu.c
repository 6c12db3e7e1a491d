/* The exit handler with made-up exits, on a real board behind a backend that runs nothing. */
#include "vm/vm_internal.h"

#include "arch/psci.h"
#include "arch/smccc.h"
#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

#define NR_CPUS 2u
#define UART UINT64_C(0x09000000)
#define GICD UINT64_C(0x08000000)
#define GICR UINT64_C(0x080a0000)
#define CNTV_CTL_EL0 SYSREG_ENC(3, 3, 14, 3, 1)
#define CNTV_CVAL_EL0 SYSREG_ENC(3, 3, 14, 3, 2)
#define CNTVCT_EL0 SYSREG_ENC(3, 3, 14, 0, 2)
#define ICC_PMR_EL1 SYSREG_ENC(3, 0, 4, 6, 0)
#define ICC_IGRPEN1_EL1 SYSREG_ENC(3, 0, 12, 12, 7)
#define MS UINT64_C(1000000)
#define TICK_NS 16

/* --- A backend that remembers what it is told ----------------------------------------------------------------------- */

struct hv_vcpu {
    uint64_t x[31];
    uint64_t deadline_ns;
    bool irq;
    unsigned nr_kicks;
};

static void fake_kick(struct hv_vcpu *v)
{
    v->nr_kicks++;
}

static void fake_set_irq(struct hv_vcpu *v, bool irq, bool fiq)
{
    (void)fiq;
    v->irq = irq;
}

static void fake_set_deadline(struct hv_vcpu *v, uint64_t deadline_ns, void (*on_timer)(void *opaque))
{
    (void)on_timer;
    v->deadline_ns = deadline_ns;
}

static int fake_get_reg(struct hv_vcpu *v, unsigned reg, uint64_t *val)
{
    assert_true(reg < 31);
    *val = v->x[reg];
    return 0;
}

static int fake_set_reg(struct hv_vcpu *v, unsigned reg, uint64_t val)
{
    assert_true(reg < 31);
    v->x[reg] = val;
    return 0;
}

static const struct hv_backend fake = {
    .name = "fake",
    .kick = fake_kick,
    .set_irq = fake_set_irq,
    .set_deadline = fake_set_deadline,
    .get_reg = fake_get_reg,
    .set_reg = fake_set_reg,
};

/* --- The machine ---------------------------------------------------------------------------------------------------- */

static struct vm *vm;
static struct vm_options options;
static struct hv_vcpu cpu[NR_CPUS];
static char path[] = "/tmp/vibevmm-test-XXXXXX";

static void set_ppi(void *opaque, unsigned intid, bool level)
{
    struct vcpu *v = opaque;
    gic_set_ppi(vm->board.gic, v->index, intid, level);
}

static int setup(void **state)
{
    struct err e = {0};

    (void)state;
    log_threshold = LOG_ERROR;
    options = (struct vm_options){
        .binary = path, .entry = VM_DEFAULT_ENTRY, .mem_len = UINT64_C(4) << 20, .nr_cpus = NR_CPUS};
    if (vm_create(&vm, &options, &e)) {
        print_error("%s\n", e.text);
        return -1;
    }
    memset(cpu, 0, sizeof(cpu));
    vm->hv = &fake;
    vm->base_ns = os_now_ns();
    for (unsigned i = 0; i < NR_CPUS; i++) {
        vm->vcpu[i].hv = &cpu[i];
        vm->vcpu[i].power = i ? VCPU_OFF : VCPU_ON;
        gtimer_init(&vm->vcpu[i].timer, vm->base_ns, 62500000, set_ppi, &vm->vcpu[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NR_CPUS; i++)
        vm->vcpu[i].hv = NULL;
    vm->hv = &hv_soft;
    vm_destroy(vm);
    return 0;
}

static enum hv_action leave(enum hv_exit_reason reason)
{
    struct hv_exit exit = {.reason = reason};
    return vcpu_handle_exit(&vm->vcpu[0], &exit);
}

static struct hv_exit mmio(gpa_t gpa, unsigned size, bool write, uint64_t val)
{
    struct hv_exit exit = {.reason = write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ};

    exit.u.mmio.gpa = gpa;
    exit.u.mmio.size = size;
    exit.u.mmio.data = val;
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[0], &exit), HV_CONTINUE);
    return exit;
}

static struct hv_exit sysreg(uint16_t encoding, bool write, uint64_t val)
{
    struct hv_exit exit = {.reason = HV_EXIT_SYSREG};

    exit.u.sysreg.encoding = encoding;
    exit.u.sysreg.write = write;
    exit.u.sysreg.value = val;
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[0], &exit), HV_CONTINUE);
    return exit;
}

static uint64_t call(enum hv_exit_reason conduit, uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
    cpu[0].x[0] = x0;
    cpu[0].x[1] = x1;
    cpu[0].x[2] = x2;
    cpu[0].x[3] = x3;
    assert_int_equal(leave(conduit), HV_CONTINUE);
    return cpu[0].x[0];
}

/* The virtual timer's interrupt gets through to CPU 0. */
static void let_timer_through(void)
{
    mmio(GICD, 4, true, 0x12);
    mmio(GICR + 0x14, 4, true, 0);
    mmio(GICR + 0x10080, 4, true, UINT32_MAX);
    mmio(GICR + 0x10100, 4, true, 1u << 27);
    sysreg(ICC_PMR_EL1, true, 0xff);
    sysreg(ICC_IGRPEN1_EL1, true, 1);
}

/* --- Tests ---------------------------------------------------------------------------------------------------------- */

static void mmio_exits(void **state)
{
    (void)state;
    struct hv_exit e = mmio(UART + 0xfe0, 4, false, UINT64_MAX);
    assert_false(e.u.mmio.failed);
    assert_int_equal(e.u.mmio.data, 0x11);
    e = mmio(UART + 0x24, 4, true, 0x1234);
    assert_false(e.u.mmio.failed);
    assert_int_equal(mmio(UART + 0x24, 4, false, 0).u.mmio.data, 0x1234);
    /* A register that is not there is the guest's mistake; an address without a device is an external abort. */
    e = mmio(UART + 0x800, 4, false, UINT64_MAX);
    assert_false(e.u.mmio.failed);
    assert_int_equal(e.u.mmio.data, 0);
    assert_true(mmio(UINT64_C(0x30000000), 4, false, 0).u.mmio.failed);
    assert_true(mmio(UINT64_C(0x30000000), 4, true, 0).u.mmio.failed);
    assert_int_equal(vm->vcpu[0].exits[HV_EXIT_MMIO_READ], 4);
    assert_int_equal(vm->vcpu[0].exits[HV_EXIT_MMIO_WRITE], 2);
}

static void sysreg_exits(void **state)
{
    (void)state;
    sysreg(ICC_PMR_EL1, true, 0xa5);
    assert_int_equal(sysreg(ICC_PMR_EL1, false, 0).u.sysreg.value, 0xa0);
    assert_true(sysreg(SYSREG_ENC(3, 0, 15, 0, 0), false, 0).u.sysreg.failed);
    assert_true(sysreg(SYSREG_ENC(3, 0, 15, 0, 0), true, 0).u.sysreg.failed);
    /* The backend hears when the timer wants to be looked at. */
    assert_int_equal(sysreg(CNTV_CVAL_EL0, true, 1000000).u.sysreg.failed, false);
    sysreg(CNTV_CTL_EL0, true, 1);
    assert_int_equal(cpu[0].deadline_ns, vm->base_ns + 1000000 * TICK_NS);
    sysreg(CNTV_CTL_EL0, true, 0);
    assert_int_equal(cpu[0].deadline_ns, UINT64_MAX);
}

static void calls(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const enum hv_exit_reason conduit = i ? HV_EXIT_SMC : HV_EXIT_HVC;
        assert_int_equal(call(conduit, PSCI_VERSION, 1, 2, 3), PSCI_VERSION_1_1);
        assert_int_equal(cpu[0].x[1] << 8 | cpu[0].x[2] << 4 | cpu[0].x[3], 0x123);
        assert_int_equal(call(conduit, SMCCC_VERSION, 0, 0, 0), SMCCC_VERSION_1_1);
        assert_int_equal(call(conduit, 0x84000099, 0, 0, 0), (uint64_t)PSCI_NOT_SUPPORTED);
        assert_int_equal(call(conduit, 0xbeef, 0, 0, 0), (uint64_t)SMCCC_NOT_SUPPORTED);
        assert_int_equal(call(conduit, PSCI_FEATURES, PSCI_CPU_ON_64, 0, 0), 0);
        assert_int_equal(call(conduit, PSCI_FEATURES, SMCCC_VERSION, 0, 0), 0);
        assert_int_equal(call(conduit, PSCI_FEATURES, 0x84000099, 0, 0), (uint64_t)PSCI_NOT_SUPPORTED);
        assert_int_equal(call(conduit, SMCCC_VENDOR_HYP_CALL_UID, 0, 0, 0), 0xd06337b5);
        assert_int_equal(cpu[0].x[3], 0x497ced0b);
    }
    /* A vCPU that is off is pending once, and never again until it comes on. The 32-bit form has 32-bit arguments. */
    assert_int_equal(call(HV_EXIT_HVC, PSCI_AFFINITY_INFO_64, 1, 0, 0), PSCI_AFFINITY_OFF);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_AFFINITY_INFO_64, 1, 1, 0), (uint64_t)PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_CPU_ON_64, 7, 0x10000, 0), (uint64_t)PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_CPU_ON_64, BIT64(50) | 1, 0x10000, 0),
                     (uint64_t)PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_CPU_ON_64, 1, 0x10001, 0), (uint64_t)PSCI_INVALID_ADDRESS);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_CPU_ON_64, 1, UINT64_MAX & ~UINT64_C(3), 0),
                     (uint64_t)PSCI_INVALID_ADDRESS);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_CPU_ON, BIT64(40) | 1, BIT64(40) | 0x10000, BIT64(40) | 5), 0);
    assert_int_equal(vm->vcpu[1].power, VCPU_ON_PENDING);
    assert_int_equal(vm->vcpu[1].on_entry, 0x10000);
    assert_int_equal(vm->vcpu[1].on_context, 5);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_CPU_ON_64, 1, 0x10000, 0), (uint64_t)PSCI_ON_PENDING);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_AFFINITY_INFO, 1, 0, 0), PSCI_AFFINITY_ON_PENDING);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_CPU_ON_64, 0, 0x10000, 0), (uint64_t)PSCI_ALREADY_ON);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_SYSTEM_RESET2, 1, 0, 0), (uint64_t)PSCI_INVALID_PARAMETERS);
    assert_int_equal(call(HV_EXIT_HVC, PSCI_CPU_SUSPEND, 1u << 30, 0, 0),
                     (uint64_t)PSCI_INVALID_PARAMETERS);
    assert_int_equal(atomic_load(&vm->stop), VM_STOP_NONE);
}

static void ends(void **state)
{
    static const struct {
        uint64_t x0, x1;
        enum vm_stop_reason reason;
    } t[] = {
        {PSCI_SYSTEM_OFF, 0, VM_STOP_POWEROFF},
        {PSCI_CPU_OFF, 0, VM_STOP_POWEROFF}, /* the last one that was on */
        {SMCCC_VIBE_EXIT, 1000, VM_STOP_GUEST_EXIT},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        atomic_store(&vm->stop, VM_STOP_NONE);
        vm->vcpu[0].power = VCPU_ON;
        cpu[0].x[0] = t[i].x0;
        cpu[0].x[1] = t[i].x1;
        assert_int_equal(leave(HV_EXIT_HVC), HV_STOP);
        assert_int_equal(atomic_load(&vm->stop), t[i].reason);
        /* Whatever comes now, the vCPU is to leave, and the others are kicked. */
        assert_int_equal(leave(HV_EXIT_WFI), HV_STOP);
        assert_int_equal(leave(HV_EXIT_CANCEL), HV_STOP);
        assert_int_equal(cpu[1].nr_kicks, i + 1);
    }
    assert_int_equal(vm->outcome.guest_code, 255);
    /* The first reason counts. */
    cpu[0].x[0] = PSCI_SYSTEM_OFF;
    assert_int_equal(leave(HV_EXIT_HVC), HV_STOP);
    assert_int_equal(atomic_load(&vm->stop), VM_STOP_GUEST_EXIT);
    atomic_store(&vm->stop, VM_STOP_NONE);

    cpu[0].x[0] = PSCI_SYSTEM_RESET;
    assert_int_equal(leave(HV_EXIT_HVC), HV_STOP);
    assert_true(atomic_load(&vm->resetting));
    atomic_store(&vm->resetting, false);
    options.no_reboot = true;
    cpu[0].x[0] = PSCI_SYSTEM_RESET;
    assert_int_equal(leave(HV_EXIT_HVC), HV_STOP);
    assert_int_equal(atomic_load(&vm->stop), VM_STOP_REBOOT);
}

static void stuck_and_errors(void **state)
{
    struct hv_exit error = {.reason = HV_EXIT_ERROR, .u.error.code = 5};

    (void)state;
    options.keep_going = true;
    assert_int_equal(leave(HV_EXIT_STUCK), HV_CONTINUE);
    assert_int_equal(atomic_load(&vm->stop), VM_STOP_NONE);
    options.keep_going = false;
    assert_int_equal(leave(HV_EXIT_STUCK), HV_STOP);
    assert_int_equal(atomic_load(&vm->stop), VM_STOP_STUCK);
    atomic_store(&vm->stop, VM_STOP_NONE);
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[0], &error), HV_STOP); /* says so */
    assert_int_equal(atomic_load(&vm->stop), VM_STOP_ERROR);
}

/* From a backend that answers PSCI itself. */
static void system_events(void **state)
{
    struct hv_exit exit = {.reason = HV_EXIT_SYSTEM_EVENT, .u.system_event.reset = false};

    (void)state;
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[1], &exit), HV_STOP);
    assert_int_equal(atomic_load(&vm->stop), VM_STOP_POWEROFF);
    atomic_store(&vm->stop, VM_STOP_NONE);
    exit.u.system_event.reset = true;
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[1], &exit), HV_STOP);
    assert_true(atomic_load(&vm->resetting));
    assert_int_equal(vm->vcpu[1].exits[HV_EXIT_SYSTEM_EVENT], 2);
}

static void who_is_on_after_a_reset(void **state)
{
    (void)state;
    vcpus_power_on_locked(vm);
    assert_int_equal(vm->vcpu[0].power, VCPU_ON_PENDING);
    assert_int_equal(vm->vcpu[1].power, VCPU_OFF);
    vm->caps.psci = true; /* then the backend knows, and has them run */
    vcpus_power_on_locked(vm);
    assert_int_equal(vm->vcpu[1].power, VCPU_ON_PENDING);
}

static void wfi_yields(void **state)
{
    (void)state;
    /* Nothing could end it: a million of them sleep no time at all. */
    for (unsigned i = 0; i < 1000000; i++)
        assert_int_equal(leave(HV_EXIT_WFI), HV_CONTINUE);
    assert_int_equal(vm->vcpu[0].asleep_ns, 0);
    assert_int_equal(vm->vcpu[0].exits[HV_EXIT_WFI], 1000000);
}

static void wfi_sleeps_until_the_timer(void **state)
{
    (void)state;
    let_timer_through();
    for (unsigned i = 0; i < 20; i++) {
        const uint64_t due = os_now_ns() + 2 * MS;
        sysreg(CNTV_CVAL_EL0, true, (due - vm->base_ns + TICK_NS - 1) / TICK_NS);
        sysreg(CNTV_CTL_EL0, true, 1);
        assert_false(cpu[0].irq);
        assert_int_equal(leave(HV_EXIT_WFI), HV_CONTINUE);
        assert_true(os_now_ns() >= due);
        assert_true(cpu[0].irq);
        /* Pending already: it ends at once. */
        assert_int_equal(leave(HV_EXIT_WFI), HV_CONTINUE);
        sysreg(CNTV_CTL_EL0, true, 0);
        assert_false(cpu[0].irq);
    }
    assert_true(vm->vcpu[0].asleep_ns >= 20 * MS);
}

static void *interrupt(void *opaque)
{
    (void)opaque;
    usleep(5000);
    gic_set_ppi(vm->board.gic, 0, 27, true);
    return NULL;
}

static void *stop(void *opaque)
{
    (void)opaque;
    usleep(5000);
    vm_request_stop(vm, VM_STOP_QUIT);
    return NULL;
}

static void wfi_ends_from_elsewhere(void **state)
{
    pthread_t thread;

    (void)state;
    let_timer_through();
    assert_int_equal(pthread_create(&thread, NULL, interrupt, NULL), 0);
    assert_int_equal(leave(HV_EXIT_WFI), HV_CONTINUE);
    pthread_join(thread, NULL);
    assert_true(cpu[0].irq);
    gic_set_ppi(vm->board.gic, 0, 27, false);
    assert_int_equal(pthread_create(&thread, NULL, stop, NULL), 0);
    assert_int_equal(leave(HV_EXIT_WFI), HV_STOP);
    pthread_join(thread, NULL);
}

static void *sev(void *opaque)
{
    struct hv_exit exit = {.reason = HV_EXIT_SEV};

    (void)opaque;
    usleep(5000);
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[1], &exit), HV_CONTINUE);
    return NULL;
}

static void wfe(void **state)
{
    struct hv_exit exit = {.reason = HV_EXIT_WFE};
    const uint64_t start = os_now_ns();
    pthread_t thread;

    (void)state;
    exit.u.wfe.until_ns = start + 3 * MS;
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[0], &exit), HV_CONTINUE);
    assert_true(os_now_ns() >= start + 3 * MS);
    exit.u.wfe.until_ns = 0; /* an event is there */
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[0], &exit), HV_CONTINUE);
    /* For ever, but for another CPU's SEV; also one that comes before the sleep does. */
    exit.u.wfe.until_ns = UINT64_MAX;
    assert_int_equal(pthread_create(&thread, NULL, sev, NULL), 0);
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[0], &exit), HV_CONTINUE);
    pthread_join(thread, NULL);
    assert_int_equal(pthread_create(&thread, NULL, sev, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(vcpu_handle_exit(&vm->vcpu[0], &exit), HV_CONTINUE);
    assert_int_equal(vm->vcpu[0].exits[HV_EXIT_WFE], 4);
    assert_int_equal(vm->vcpu[1].exits[HV_EXIT_SEV], 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(mmio_exits),
        T(sysreg_exits),
        T(calls),
        T(ends),
        T(stuck_and_errors),
        T(system_events),
        T(who_is_on_after_a_reset),
        T(wfi_yields),
        T(wfi_sleeps_until_the_timer),
        T(wfi_ends_from_elsewhere),
        T(wfe),
    };
    const uint32_t guest = 0x14000000; /* b . */
    const int fd = mkstemp(path);
    if (fd < 0 || write(fd, &guest, sizeof(guest)) != sizeof(guest))
        return 1;
    close(fd);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
