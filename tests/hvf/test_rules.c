/* The double keeps the framework's rules: each is broken once, in a process of its own, which must be aborted with the rule's name; and what is allowed
 * does what the framework does. */
#include "arch/sysreg.h"
#include "base/bits.h"

#include <Hypervisor/Hypervisor.h>
#include <mach/mach_time.h>
#include <os/object.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BASE UINT64_C(0x40000000)
#define LEN (64u << 10)

static hv_vcpu_t id;
static hv_vcpu_exit_t *left;
static uint32_t *code;

static void set_sys(uint16_t reg, uint64_t val)
{
    assert_int_equal(hv_vcpu_set_sys_reg(id, reg, val), HV_SUCCESS);
}

static uint64_t get_reg(hv_reg_t reg)
{
    uint64_t val;
    assert_int_equal(hv_vcpu_get_reg(id, reg, &val), HV_SUCCESS);
    return val;
}

/* A machine with one vCPU that runs these instructions, as a backend makes it; extra: before the vCPU. */
static void make_machine(const uint32_t *words, unsigned nr, void (*extra)(void))
{
    code = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memcpy(code, words, nr * sizeof(words[0]));
    assert_int_equal(hv_vm_create(NULL), HV_SUCCESS);
    assert_int_equal(hv_vm_map(code, BASE, LEN, HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC),
                     HV_SUCCESS);
    if (extra)
        extra();
    assert_int_equal(hv_vcpu_create(&id, &left, NULL), HV_SUCCESS);
    set_sys(HV_SYS_REG_MPIDR_EL1, BIT64(31));
    set_sys(SYSREG_ENC(3, 0, 1, 0, 0), 0x30d00800); /* SCTLR_EL1 */
    for (unsigned i = 0; i < 3; i++) {              /* PFR1, DFR0, MMFR0 */
        static const uint16_t reg[] = {SYSREG_ENC(3, 0, 0, 4, 1), SYSREG_ENC(3, 0, 0, 5, 0),
                                       SYSREG_ENC(3, 0, 0, 7, 0)};
        set_sys(reg[i], 0);
    }
    assert_int_equal(hv_vcpu_set_vtimer_offset(id, mach_absolute_time()), HV_SUCCESS);
    hv_vcpu_set_reg(id, HV_REG_CPSR, 0x3c5);
    hv_vcpu_set_reg(id, HV_REG_PC, BASE);
}

static void machine(const uint32_t *words, unsigned nr)
{
    make_machine(words, nr, NULL);
}

static uint32_t run(void)
{
    assert_int_equal(hv_vcpu_run(id), HV_SUCCESS);
    return left->reason;
}

static unsigned run_to_class(void)
{
    assert_int_equal(run(), HV_EXIT_REASON_EXCEPTION);
    return (unsigned)bits(left->exception.syndrome, 31, 26);
}

enum {
    WFI = 0xd503207f,
    HVC = 0xd4000022,        /* hvc #1 */
    SMC = 0xd4000003,        /* smc #0 */
    MRS_IAR = 0xd538cc05,    /* mrs x5, ICC_IAR1_EL1 */
    LOAD = 0xf9400083,       /* ldr x3, [x4] */
    LOAD_BYTE = 0x38c01083,  /* ldursb w3, [x4, #1] */
    LOAD_PAIR = 0xa9400c82,  /* ldp x2, x3, [x4] */
    STORE_NEXT = 0xb8004483, /* str w3, [x4], #4 */
    SPIN = 0x14000000,
};

/* --- Broken rules --------------------------------------------------------------------------------------------------- */

static const uint32_t wfi[] = {WFI, SPIN};
static const uint32_t hvc[] = {HVC, SPIN, SPIN};
static const uint32_t load[] = {LOAD, SPIN};

static void *get_pc(void *opaque)
{
    uint64_t val;
    (void)opaque;
    hv_vcpu_get_reg(id, HV_REG_PC, &val);
    return NULL;
}

static void other_thread(void)
{
    pthread_t t;
    machine(wfi, 2);
    pthread_create(&t, NULL, get_pc, NULL);
    pthread_join(t, NULL);
}

static void two_on_a_thread(void)
{
    machine(wfi, 2);
    hv_vcpu_create(&id, &left, NULL);
}

static void after_destroy(void)
{
    machine(wfi, 2);
    hv_vcpu_destroy(id);
    get_reg(HV_REG_PC);
}

static void vm_before_vcpus(void)
{
    machine(wfi, 2);
    hv_vm_destroy();
}

static void small_pages(void)
{
    hv_vm_create(NULL);
    hv_vm_map(NULL, BASE + 0x1000, LEN, HV_MEMORY_READ | HV_MEMORY_EXEC);
}

static void mapped_twice(void)
{
    machine(wfi, 2);
    hv_vm_map(code, BASE, LEN, HV_MEMORY_READ | HV_MEMORY_EXEC);
}

static void beyond_the_space(void)
{
    hv_vm_create(NULL);
    hv_vm_map(NULL, BIT64(36), LEN, HV_MEMORY_READ | HV_MEMORY_EXEC);
}

static void wfi_again(void)
{
    machine(wfi, 2);
    run();
    run();
}

static void store_is_lost(void)
{
    static const uint32_t store[] = {STORE_NEXT, SPIN};
    machine(store, 2);
    hv_vcpu_set_reg(id, 4, BASE + 0x8000);
    hv_vm_protect(BASE, LEN, HV_MEMORY_READ | HV_MEMORY_EXEC);
    run();
    hv_vcpu_set_reg(id, HV_REG_PC, get_reg(HV_REG_PC) + 4);
    run();
}

static void load_again(void)
{
    machine(load, 2);
    hv_vcpu_set_reg(id, 4, 0x9000000);
    run();
    run();
}

static void hvc_skipped(void)
{
    machine(hvc, 3);
    run();
    hv_vcpu_set_reg(id, HV_REG_PC, get_reg(HV_REG_PC) + 4);
    run();
}

static void timer_never_masked(void)
{
    machine(wfi, 2);
    set_sys(SYSREG_ENC(3, 3, 14, 3, 2), 0);
    set_sys(SYSREG_ENC(3, 3, 14, 3, 1), 1);
    for (;;) {
        run();
        hv_vcpu_set_vtimer_mask(id, false);
    }
}

static void visible_sme(void)
{
    machine(wfi, 2);
    set_sys(SYSREG_ENC(3, 0, 0, 4, 1), UINT64_C(1) << 24);
    run();
}

static void wide_addresses(void)
{
    machine(wfi, 2);
    set_sys(SYSREG_ENC(3, 0, 0, 7, 0), 5);
    run();
}

/* --- The GIC's ------------------------------------------------------------------------------------------------------ */

#define GICD UINT64_C(0x08000000)
#define GICR UINT64_C(0x08100000)

static void add_gic(void)
{
    hv_gic_config_t c = hv_gic_config_create();
    assert_non_null(c);
    assert_int_equal(hv_gic_config_set_distributor_base(c, GICD), HV_SUCCESS);
    assert_int_equal(hv_gic_config_set_redistributor_base(c, GICR), HV_SUCCESS);
    assert_int_equal(hv_gic_create(c), HV_SUCCESS);
    os_release(c);
}

static void machine_with_gic(const uint32_t *words, unsigned nr)
{
    make_machine(words, nr, add_gic);
}

static void gic_before_vm(void)
{
    hv_gic_config_create();
}

static void gic_after_vcpu(void)
{
    machine(wfi, 2);
    add_gic();
}

static void gic_frame_not_aligned(void)
{
    hv_vm_create(NULL);
    hv_gic_config_set_redistributor_base(hv_gic_config_create(), GICR + 0x1000);
}

static void redistributor_before_mpidr(void)
{
    hv_ipa_t base;
    hv_vm_create(NULL);
    add_gic();
    hv_vcpu_create(&id, &left, NULL);
    hv_gic_get_redistributor_base(id, &base);
}

static void *get_pmr(void *opaque)
{
    uint64_t val;
    (void)opaque;
    hv_gic_get_icc_reg(id, SYSENC_ICC_PMR_EL1, &val);
    return NULL;
}

static void icc_of_other_thread(void)
{
    pthread_t t;
    machine_with_gic(wfi, 2);
    pthread_create(&t, NULL, get_pmr, NULL);
    pthread_join(t, NULL);
}

static void *create_another(void *opaque)
{
    hv_vcpu_t other;
    (void)opaque;
    hv_vcpu_create(&other, &left, NULL);
    return NULL;
}

static void vcpu_after_run(void)
{
    pthread_t t;
    machine_with_gic(hvc, 3);
    run();
    pthread_create(&t, NULL, create_another, NULL);
    pthread_join(t, NULL);
}

static void timer_masked_beside_gic(void)
{
    machine_with_gic(wfi, 2);
    hv_vcpu_set_vtimer_mask(id, true);
}

static const struct {
    const char *text; /* of the message */
    void (*breaks)(void);
} broken_rule[] = {
    {"belongs to another thread", other_thread},
    {"a thread has one vCPU", two_on_a_thread},
    {"no vCPU 1", after_destroy},
    {"hv_vm_destroy with vCPU 0 alive", vm_before_vcpus},
    {"not whole pages", small_pages},
    {"is mapped already", mapped_twice},
    {"beyond 36 bits", beyond_the_space},
    {"PC is still at the instruction", wfi_again},
    {"PC is still at the instruction", load_again},
    {"is not done", store_is_lost},
    {"PC was moved on after an HVC", hvc_skipped},
    {"unmasked while its output is high", timer_never_masked},
    {"SME is visible", visible_sme},
    {"PARange is beyond", wide_addresses},
    {"hv_gic_config_create without a VM", gic_before_vm},
    {"comes after the VM and before its vCPUs", gic_after_vcpu},
    {"frame at 0x8101000 is not aligned", gic_frame_not_aligned},
    {"a vCPU without its MPIDR_EL1", redistributor_before_mpidr},
    {"belongs to another thread", icc_of_other_thread},
    {"hv_vcpu_create after a vCPU has run", vcpu_after_run},
    {"nobody masks it", timer_masked_beside_gic},
};

static void test_broken_rules(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(broken_rule); i++) {
        char said[512] = "";
        int out[2], status;

        assert_int_equal(pipe(out), 0);
        const pid_t pid = fork();
        if (pid == 0) {
            dup2(out[1], STDERR_FILENO);
            signal(SIGABRT, SIG_DFL);
            broken_rule[i].breaks();
            _exit(0);
        }
        close(out[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (read(out[0], said, sizeof(said) - 1) < 0)
            fail();
        close(out[0]);
        if (!strstr(said, broken_rule[i].text))
            fail_msg("\"%s\" was not noticed: %s", broken_rule[i].text, said);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

/* --- What is allowed ------------------------------------------------------------------------------------------------ */

static void finish(void)
{
    assert_int_equal(hv_vcpu_destroy(id), HV_SUCCESS);
    assert_int_equal(hv_vm_destroy(), HV_SUCCESS);
    munmap(code, LEN);
}

static void step_over(void)
{
    hv_vcpu_set_reg(id, HV_REG_PC, get_reg(HV_REG_PC) + 4);
}

static void test_exits(void **state)
{
    static const uint32_t words[] = {WFI,       HVC,       SMC,        MRS_IAR, LOAD,
                                     LOAD_BYTE, LOAD_PAIR, STORE_NEXT, SPIN};

    (void)state;
    machine(words, ARRAY_LEN(words));
    hv_vcpu_set_reg(id, 4, 0x9000000);
    assert_int_equal(run_to_class(), 0x01);
    assert_int_equal(get_reg(HV_REG_PC), BASE);
    step_over();
    assert_int_equal(run_to_class(), 0x16);
    assert_int_equal(left->exception.syndrome, 0x5a000001);
    assert_int_equal(get_reg(HV_REG_PC), BASE + 8);
    assert_int_equal(run_to_class(), 0x17);
    assert_int_equal(get_reg(HV_REG_PC), BASE + 8);
    step_over();
    assert_int_equal(run_to_class(), 0x18);
    assert_int_equal(left->exception.syndrome, 0x623030b9);
    step_over();
    assert_int_equal(run_to_class(), 0x24);
    assert_int_equal(left->exception.syndrome, 0x93c38007);
    assert_int_equal(left->exception.physical_address, 0x9000000);
    step_over();
    assert_int_equal(run_to_class(), 0x24);
    assert_int_equal(left->exception.syndrome, 0x93230007);
    assert_int_equal(left->exception.virtual_address, 0x9000001);
    step_over();
    assert_int_equal(run_to_class(), 0x24);
    assert_int_equal(left->exception.syndrome, 0x92000007); /* nothing of what it loads */
    step_over();
    assert_int_equal(run_to_class(), 0x24);
    assert_int_equal(left->exception.syndrome, 0x92000047);
    assert_int_equal(get_reg(4), 0x9000000); /* no writeback */
    assert_int_equal(get_reg(HV_REG_PC), BASE + 28);
    finish();
}

static void test_cancel_is_sticky(void **state)
{
    (void)state;
    machine(wfi, 2);
    assert_int_equal(hv_vcpus_exit(&id, 1), HV_SUCCESS);
    assert_int_equal(run(), HV_EXIT_REASON_CANCELED);
    assert_int_equal(get_reg(HV_REG_PC), BASE);
    assert_int_equal(run_to_class(), 0x01);
    finish();
    assert_int_equal(hv_vcpus_exit(&id, 1), HV_BAD_ARGUMENT);
}

static void test_pending_is_forgotten(void **state)
{
    static const uint32_t words[] = {0xd50342ff /* msr DAIFClr, #2 */, WFI, SPIN};

    (void)state;
    machine(words, ARRAY_LEN(words));
    set_sys(SYSREG_ENC(3, 0, 12, 0, 0), BASE); /* VBAR_EL1; 0x280 past it there is a WFI */
    code[0x280 / 4] = WFI;
    hv_vcpu_set_pending_interrupt(id, HV_INTERRUPT_TYPE_IRQ, true);
    hv_vcpus_exit(&id, 1);
    assert_int_equal(run(), HV_EXIT_REASON_CANCELED);
    assert_int_equal(run_to_class(), 0x01);
    assert_int_equal(get_reg(HV_REG_PC), BASE + 4);
    step_over();
    hv_vcpu_set_pending_interrupt(id, HV_INTERRUPT_TYPE_IRQ, true);
    assert_int_equal(run_to_class(), 0x01);
    assert_int_equal(get_reg(HV_REG_PC), BASE + 0x280);
    finish();
}

static void test_timer_masks_itself(void **state)
{
    bool masked = false;

    (void)state;
    machine(wfi, 2);
    set_sys(SYSREG_ENC(3, 3, 14, 3, 2), 0);
    set_sys(SYSREG_ENC(3, 3, 14, 3, 1), 1);
    assert_int_equal(run(), HV_EXIT_REASON_VTIMER_ACTIVATED);
    assert_int_equal(hv_vcpu_get_vtimer_mask(id, &masked), HV_SUCCESS);
    assert_true(masked);
    assert_int_equal(run_to_class(), 0x01);
    finish();
}

static uint64_t get_icc(hv_gic_icc_reg_t reg)
{
    uint64_t val = 0;
    assert_int_equal(hv_gic_get_icc_reg(id, reg, &val), HV_SUCCESS);
    return val;
}

static uint64_t get_dist(hv_gic_distributor_reg_t reg)
{
    uint64_t val = 0;
    assert_int_equal(hv_gic_get_distributor_reg(reg, &val), HV_SUCCESS);
    return val;
}

static void test_gic(void **state)
{
    uint64_t val;
    hv_ipa_t base;

    (void)state;
    machine_with_gic(hvc, 3);
    assert_int_equal(hv_gic_get_redistributor_base(id, &base), HV_SUCCESS);
    assert_int_equal(base, GICR);
    assert_int_equal(hv_vcpu_set_pending_interrupt(id, HV_INTERRUPT_TYPE_IRQ, true), HV_UNSUPPORTED);
    assert_int_equal(hv_gic_set_spi(31, true), HV_BAD_ARGUMENT);
    assert_int_equal(hv_gic_set_spi(1020, true), HV_BAD_ARGUMENT);
    assert_int_equal(hv_gic_get_icc_reg(id, SYSENC_ICC_IAR1_EL1, &val), HV_BAD_ARGUMENT);
    assert_int_equal(hv_gic_set_icc_reg(id, SYSENC_ICC_EOIR1_EL1, 0), HV_BAD_ARGUMENT);
    assert_int_equal(hv_gic_set_spi(40, true), HV_SUCCESS);
    assert_int_equal(hv_gic_set_icc_reg(id, SYSENC_ICC_PMR_EL1, 0xf0), HV_SUCCESS);
    assert_int_equal(run_to_class(), 0x16);
    assert_int_equal(get_dist(HV_GIC_DISTRIBUTOR_REG_GICD_ISPENDR0 + 4), 1 << 8);
    assert_int_equal(hv_gic_reset(), HV_SUCCESS);
    assert_int_equal(get_dist(HV_GIC_DISTRIBUTOR_REG_GICD_ISPENDR0 + 4), 0);
    assert_int_equal(get_icc(SYSENC_ICC_PMR_EL1), 0xf0);
    assert_int_equal(hv_gic_get_redistributor_reg(id, HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0, &val),
                     HV_SUCCESS);
    assert_int_equal(val, 0);
    finish();
    assert_int_equal(hv_gic_set_spi(40, true), HV_NO_DEVICE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_rules),       cmocka_unit_test(test_exits),
        cmocka_unit_test(test_cancel_is_sticky),   cmocka_unit_test(test_pending_is_forgotten),
        cmocka_unit_test(test_timer_masks_itself), cmocka_unit_test(test_gic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
