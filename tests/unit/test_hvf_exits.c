/* Exits of Hypervisor.framework, by recorded syndromes: what the exit handler is asked, what is in the registers afterwards, and where PC is. The
 * framework and the registers are made up here; the exits are those of src/hv/hvf/exits.c. */
#include "hv/hvf/exits.c"

#include "gen/sysreg_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PC UINT64_C(0x40001000)
#define VBAR UINT64_C(0x40800000)
#define NOTHING ((enum hv_exit_reason)HV_NR_EXITS)

/* --- The vCPU ------------------------------------------------------------------------------------------------------- */

static struct {
    uint64_t x[31], pc, cpsr, mdccint;
    struct exception injected;
    unsigned nr_injected, nr_timer, nr_waits;
    uint64_t ticks, wait_until, cntp_ctl;
} now;
static struct {
    struct hv_exit exit;
    uint64_t answer;
    bool failed;
    enum hv_action action;
} handler;
static struct hv_vm vm;
static struct hv_vcpu v;
static hv_vcpu_exit_t reason;

const struct hv_backend hv_hvf = {.name = "hvf"};

uint64_t hvf_get(struct hv_vcpu *c, unsigned reg)
{
    (void)c;
    assert_true(reg == FRAMEWORK_REG_PC || reg == HV_REG_CPSR);
    return reg == FRAMEWORK_REG_PC ? now.pc : now.cpsr;
}

void hvf_set(struct hv_vcpu *c, unsigned reg, uint64_t val)
{
    (void)c;
    assert_true(reg == FRAMEWORK_REG_PC || reg == HV_REG_CPSR);
    *(reg == FRAMEWORK_REG_PC ? &now.pc : &now.cpsr) = val;
}

uint64_t hvf_get_x(struct hv_vcpu *c, unsigned n)
{
    (void)c;
    return n == 31 ? 0 : now.x[n];
}

void hvf_set_x(struct hv_vcpu *c, unsigned n, uint64_t val)
{
    (void)c;
    if (n != 31)
        now.x[n] = val;
}

void hvf_inject(struct hv_vcpu *c, const struct exception *e)
{
    (void)c;
    now.injected = *e;
    now.nr_injected++;
    now.pc = VBAR;
}

void hvf_vtimer_sync(struct hv_vcpu *c)
{
    (void)c;
    now.nr_timer++;
}

void hvf_gic_wait_until(struct hv_vcpu *c, uint64_t until_ns)
{
    assert_true(c->vm->gic.on);
    now.nr_waits++;
    now.wait_until = until_ns;
}

/* What is written is recorded of what there is above 0x80000000. */
bool hvf_dirty_fault(struct hv_vcpu *c)
{
    return c->exit->exception.physical_address >= 0x80000000;
}

/* A debugger has MDSCR_EL1. */
uint64_t *hvf_debug_guest_reg(struct hv_vcpu *c, uint16_t encoding)
{
    return c->debug.trapped && encoding == SYSENC_MDSCR_EL1 ? &c->debug.guest_mdscr : NULL;
}

bool hvf_debug_exit(struct hv_vcpu *c, struct hv_exit *exit, enum esr_ec ec, uint32_t iss)
{
    (void)iss;
    assert_true(c->debug.trapped);
    exit->reason = HV_EXIT_DEBUG;
    exit->u.debug.addr = ec;
    return true;
}

hv_return_t hv_vcpu_get_sys_reg(hv_vcpu_t id, hv_sys_reg_t reg, uint64_t *val)
{
    (void)id;
    *val = reg == SYSENC_CNTP_CTL_EL0 ? now.cntp_ctl : now.mdccint;
    return reg == SYSENC_MDCCINT_EL1 || (reg == SYSENC_CNTP_CTL_EL0 && vm.gic.on) ? HV_SUCCESS
                                                                                  : HV_BAD_ARGUMENT;
}

hv_return_t hv_vcpu_set_sys_reg(hv_vcpu_t id, hv_sys_reg_t reg, uint64_t val)
{
    (void)id;
    if (reg == SYSENC_CNTP_CTL_EL0 && vm.gic.on)
        now.cntp_ctl = val;
    else if (reg == SYSENC_MDCCINT_EL1)
        now.mdccint = val;
    else
        return HV_BAD_ARGUMENT;
    return HV_SUCCESS;
}

uint64_t mach_absolute_time(void)
{
    return now.ticks;
}

static enum hv_action on_exit_(void *opaque, struct hv_exit *exit)
{
    (void)opaque;
    handler.exit = *exit;
    if (exit->reason == HV_EXIT_MMIO_READ)
        exit->u.mmio.data = handler.answer;
    if (exit->reason == HV_EXIT_MMIO_READ || exit->reason == HV_EXIT_MMIO_WRITE)
        exit->u.mmio.failed = handler.failed;
    if (exit->reason == HV_EXIT_SYSREG) {
        exit->u.sysreg.value = handler.answer;
        exit->u.sysreg.failed = handler.failed;
    }
    return handler.action;
}

static int set_up(void **state)
{
    (void)state;
    memset(&now, 0, sizeof(now));
    memset(&handler, 0, sizeof(handler));
    memset(&v, 0, sizeof(v));
    vm = (struct hv_vm){.timebase = {125, 3}};
    for (unsigned i = 0; i <= 30; i++)
        now.x[i] = UINT64_C(0x1111111111111111) * (i % 15 + 1);
    now.pc = PC;
    now.cpsr = 0x3c5;
    handler.exit.reason = NOTHING;
    v.vm = &vm;
    v.vtimer_offset = 1000;
    v.exit = &reason;
    v.cfg.on_exit = on_exit_;
    pe_reset(&v.shadow);
    return 0;
}

/* True: it is for the caller of run(). */
static bool take(uint64_t esr, uint64_t far, uint64_t ipa, struct hv_exit *exit)
{
    reason = (hv_vcpu_exit_t){.reason = HV_EXIT_REASON_EXCEPTION, .exception = {esr, far, ipa}};
    return hvf_handle_exception(&v, exit);
}

/* --- Data aborts ---------------------------------------------------------------------------------------------------- */

static void test_mmio(void **state)
{
    static const struct {
        const char *what;
        uint64_t esr;
        bool write;
        unsigned size;
        uint64_t data; /* stored, or what the device answers */
        unsigned reg;
        uint64_t val; /* of a load: in Xt then */
    } row[] = {
        {"strb w2, [x1]", 0x93020047, true, 1, 0x33, 2, 0},
        {"strh w3, [x1]", 0x93430047, true, 2, 0x4444, 3, 0},
        {"str w4, [x1]", 0x93840047, true, 4, 0x55555555, 4, 0},
        {"str x5, [x1]", 0x93c58047, true, 8, UINT64_C(0x6666666666666666), 5, 0},
        {"str wzr, [x1]", 0x939f0047, true, 4, 0, 31, 0},
        {"str xzr, [x1]", 0x93df8047, true, 8, 0, 31, 0},
        {"ldrb w2, [x1]", 0x93020007, false, 1, 0xfedcba98, 2, 0x98},
        {"ldrh w3, [x1]", 0x93430007, false, 2, 0xfedcba98, 3, 0xba98},
        {"ldr w4, [x1]", 0x93840007, false, 4, UINT64_C(0xfffffffffedcba98), 4, 0xfedcba98},
        {"ldr x5, [x1]", 0x93c58007, false, 8, UINT64_C(0x0123456789abcdef), 5,
         UINT64_C(0x0123456789abcdef)},
        {"ldrsb w6, [x1]", 0x93260007, false, 1, 0x98, 6, 0xffffff98},
        {"ldrsb x6, [x1]", 0x93268007, false, 1, 0x98, 6, UINT64_C(0xffffffffffffff98)},
        {"ldrsh w7, [x1]", 0x93670007, false, 2, 0xba98, 7, 0xffffba98},
        {"ldrsh x7, [x1]", 0x93678007, false, 2, 0x3a98, 7, 0x3a98},
        {"ldrsw x8, [x1]", 0x93a88007, false, 4, 0xfedcba98, 8, UINT64_C(0xfffffffffedcba98)},
        {"ldr wzr, [x1]", 0x939f0007, false, 4, 1, 31, 0},
        {"ldar w9, [x1]", 0x93894007, false, 4, 0x1234, 9, 0x1234},
        {"a store to ROM", 0x9384004f, true, 4, 0x55555555, 4, 0},
        {"with an ISS2", UINT64_C(0x0000001f93840047), true, 4, 0x55555555, 4, 0},
    };

    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        struct hv_exit exit;
        uint64_t before[31];

        set_up(state);
        handler.answer = row[i].data;
        memcpy(before, now.x, sizeof(before));
        assert_false(take(row[i].esr, 0xffff800009000000, 0x09000018, &exit));
        assert_int_equal(handler.exit.reason, row[i].write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ);
        assert_int_equal(handler.exit.u.mmio.gpa, 0x09000018);
        assert_int_equal(handler.exit.u.mmio.size, row[i].size);
        assert_int_equal(handler.exit.u.mmio.data, row[i].write ? row[i].data : 0);
        if (!row[i].write && row[i].reg != 31)
            before[row[i].reg] = row[i].val;
        assert_memory_equal(now.x, before, sizeof(before));
        assert_int_equal(now.pc, PC + 4);
        assert_int_equal(now.nr_injected, 0);
    }
}

static void test_branch_type_and_step_end(void **state)
{
    struct hv_exit exit;

    (void)state;
    now.cpsr = 0x3c5 | 2u << PSR_BTYPE_SHIFT | PSR_SS | PSR_N;
    assert_false(take(0x93840047, 0, 0x09000000, &exit));
    assert_int_equal(now.cpsr, 0x3c5 | PSR_N);
}

static void test_nothing_there(void **state)
{
    struct hv_exit exit;

    (void)state;
    handler.failed = true;
    assert_false(take(0x93840007, 0x1234, 0x0f000000, &exit));
    assert_int_equal(now.injected.esr, 0x96000010); /* from EL1, external */
    assert_int_equal(now.injected.far, 0x1234);
    assert_true(now.injected.far_valid);
    assert_int_equal(now.injected.ret, PC);
    assert_int_equal(now.x[4], UINT64_C(0x5555555555555555));

    set_up(NULL);
    handler.failed = true;
    now.cpsr = 0;
    assert_false(take(0x93840047, 0x1234, 0x0f000000, &exit));
    assert_int_equal(now.injected.esr, 0x92000050); /* from EL0, a store */
}

static void test_aborts_for_the_guest(void **state)
{
    static const struct {
        uint64_t esr, injected;
    } row[] = {
        {0x93840087, 0x96000017}, /* S1PTW: a walk, level 3 */
        {0x920000c5, 0x96000055}, /* the same for a store, level 1 */
        {0x82000007, 0x86000010}, /* fetch where nothing is */
        {0x82000086, 0x86000016}, /* a walk for a fetch */
        {0x92000010, 0x96000010}, /* an external abort */
    };

    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        struct hv_exit exit;
        set_up(state);
        assert_false(take(row[i].esr, 0x5678, 0x0f000000, &exit));
        assert_int_equal(handler.exit.reason, NOTHING);
        assert_int_equal(now.nr_injected, 1);
        assert_int_equal(now.injected.esr, row[i].injected);
        assert_int_equal(now.injected.far, 0x5678);
        assert_int_equal(now.injected.ret, PC);
    }
}

/* The instruction is run again, whatever it is. */
static void test_kept_from_writing(void **state)
{
    static const uint64_t esr[] = {
        0x9200004f, /* a store of no description */
        0x93c3804f, /* str x3 */
        0x9200014f, /* DC IVAC */
        0x920000cf, /* the walk for it */
        0x820000cf, /* and for a fetch */
    };
    struct hv_exit exit;

    for (unsigned i = 0; i < ARRAY_LEN(esr); i++) {
        set_up(state);
        assert_false(take(esr[i], 0x99, 0x80000010, &exit));
        assert_int_equal(now.pc, PC);
        assert_int_equal(now.nr_injected, 0);
        assert_int_equal(handler.exit.reason, NOTHING);
    }
}

static void test_cache_maintenance(void **state)
{
    struct hv_exit exit;

    (void)state;
    assert_false(take(0x92000147, 0, 0x09000000, &exit)); /* CM, WnR */
    assert_int_equal(handler.exit.reason, NOTHING);
    assert_int_equal(now.pc, PC + 4);
}

/* --- Calls and waits ------------------------------------------------------------------------------------------------ */

static void test_calls(void **state)
{
    struct hv_exit exit;

    (void)state;
    assert_true(take(0x5a001234, 0, 0, &exit));
    assert_int_equal(exit.reason, HV_EXIT_HVC);
    assert_int_equal(exit.u.call.imm, 0x1234);
    assert_int_equal(now.pc, PC); /* it is after the HVC already */
    assert_true(take(0x5e000000, 0, 0, &exit));
    assert_int_equal(exit.reason, HV_EXIT_SMC);
    assert_int_equal(now.pc, PC + 4);
}

static void test_waits(void **state)
{
    struct hv_exit exit;

    (void)state;
    assert_false(take(0x07e00000, 0, 0, &exit)); /* WFI */
    assert_int_equal(handler.exit.reason, HV_EXIT_WFI);
    assert_int_equal(now.pc, PC + 4);
    assert_int_equal(now.nr_timer, 1);
    assert_false(take(0x07e00001, 0, 0, &exit)); /* WFE */
    assert_int_equal(handler.exit.reason, HV_EXIT_WFE);
    assert_int_equal(handler.exit.u.wfe.until_ns, 0);
    assert_int_equal(now.pc, PC + 8);
    now.x[3] = 2000;
    assert_false(take(0x07e00066, 0, 0, &exit)); /* WFIT x3 */
    assert_int_equal(handler.exit.reason, HV_EXIT_WFE);
    assert_int_equal(handler.exit.u.wfe.until_ns, UINT64_C(3000) * 125 / 3);
    now.x[3] = UINT64_MAX;
    assert_false(take(0x07e00066, 0, 0, &exit));
    assert_int_equal(handler.exit.u.wfe.until_ns, UINT64_MAX);
    assert_false(take(0x07e003e6, 0, 0, &exit)); /* WFIT xzr */
    assert_int_equal(handler.exit.u.wfe.until_ns, 1000 * 125 / 3);
    assert_int_equal(now.pc, PC + 20);
    handler.action = HV_STOP;
    assert_true(take(0x07e00000, 0, 0, &exit));
    assert_int_equal(now.pc, PC + 24);
}

/* With the framework's GIC nobody else knows when an interrupt comes. */
static void test_waits_beside_the_frameworks_gic(void **state)
{
    struct hv_exit exit;

    (void)state;
    vm.gic.on = true;
    assert_false(take(0x07e00000, 0, 0, &exit)); /* WFI */
    assert_int_equal(now.pc, PC + 4);
    assert_int_equal(now.wait_until, UINT64_MAX);
    now.x[3] = 2000;
    assert_false(take(0x07e00066, 0, 0, &exit)); /* WFIT x3 */
    assert_int_equal(now.pc, PC + 8);
    assert_int_equal(now.wait_until, UINT64_C(3000) * 125 / 3);
    assert_int_equal(now.nr_waits, 2);
    assert_int_equal(v.nr_wfi, 2);
    assert_int_equal(handler.exit.reason, NOTHING);
    v.debug.native.in_step = true; /* a debugger steps over it */
    assert_false(take(0x07e00000, 0, 0, &exit));
    assert_int_equal(now.nr_waits, 2);
    assert_int_equal(now.pc, PC + 12);
    assert_false(take(0x07e00001, 0, 0, &exit)); /* WFE */
    assert_int_equal(handler.exit.reason, HV_EXIT_WFE);
    assert_int_equal(now.nr_timer, 0);
}

/* --- System registers ----------------------------------------------------------------------------------------------- */

static uint64_t esr_of(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2,
                       unsigned rt, bool read)
{
    return esr_make(EC_SYSREG, sysreg_iss(SYSREG_ENC(op0, op1, crn, crm, op2), rt, read));
}

static void test_board_registers(void **state)
{
    struct hv_exit exit;

    (void)state;
    handler.answer = 27;
    assert_false(take(0x62303019 | 5 << 5, 0, 0, &exit)); /* mrs x5, ICC_IAR1_EL1 */
    assert_int_equal(handler.exit.reason, HV_EXIT_SYSREG);
    assert_int_equal(handler.exit.u.sysreg.encoding, SYSREG_ENC(3, 0, 12, 12, 0));
    assert_false(handler.exit.u.sysreg.write);
    assert_int_equal(now.x[5], 27);
    assert_int_equal(now.pc, PC + 4);
    assert_false(take(esr_of(3, 0, 12, 11, 5, 7, false), 0, 0, &exit)); /* msr ICC_SGI1R_EL1, x7 */
    assert_true(handler.exit.u.sysreg.write);
    assert_int_equal(handler.exit.u.sysreg.value, UINT64_C(0x8888888888888888));
    assert_int_equal(now.x[7], UINT64_C(0x8888888888888888));
    assert_false(take(esr_of(3, 3, 14, 2, 1, 31, false), 0, 0, &exit)); /* msr CNTP_CTL_EL0, xzr */
    assert_int_equal(handler.exit.u.sysreg.value, 0);
    assert_int_equal(now.pc, PC + 12);
    handler.failed = true; /* no GICv3 */
    assert_false(take(esr_of(3, 0, 12, 12, 5, 0, true), 0, 0, &exit));
    assert_int_equal(now.injected.esr, 0x02000000);
    assert_int_equal(now.injected.ret, PC + 12);
    assert_false(now.injected.far_valid);
}

/* Those of the framework's GIC do not exit, it is said: one that did is the framework's all the same, or UNDEFINED. */
static void test_registers_of_the_frameworks_gic(void **state)
{
    struct hv_exit exit;

    (void)state;
    vm.gic.on = true;
    assert_false(take(esr_of(3, 3, 14, 2, 1, 3, false), 0, 0, &exit)); /* msr CNTP_CTL_EL0, x3 */
    assert_int_equal(now.cntp_ctl, UINT64_C(0x4444444444444444));
    assert_false(take(esr_of(3, 3, 14, 2, 1, 5, true), 0, 0, &exit));
    assert_int_equal(now.x[5], UINT64_C(0x4444444444444444));
    assert_int_equal(now.pc, PC + 8);
    assert_int_equal(now.nr_injected, 0);
    assert_false(take(esr_of(3, 0, 12, 12, 0, 5, true), 0, 0, &exit)); /* mrs x5, ICC_IAR1_EL1 */
    assert_int_equal(now.injected.esr, 0x02000000);
    assert_int_equal(handler.exit.reason, NOTHING);
}

static void test_own_registers(void **state)
{
    struct hv_exit exit;

    (void)state;
    now.ticks = 5000;
    assert_false(take(esr_of(3, 3, 14, 0, 1, 1, true), 0, 0, &exit)); /* CNTPCT_EL0 */
    assert_int_equal(now.x[1], 4000);
    assert_false(take(esr_of(3, 0, 0, 6, 2, 2, true), 0, 0, &exit)); /* ID_AA64ISAR2_EL1 */
    assert_int_equal(now.x[2], 0);
    assert_false(take(esr_of(2, 0, 0, 2, 0, 3, false), 0, 0, &exit)); /* MDCCINT_EL1: the framework's */
    assert_int_equal(now.mdccint, UINT64_C(0x4444444444444444));
    now.x[4] = 0;
    assert_false(take(esr_of(2, 0, 1, 0, 4, 4, false), 0, 0, &exit)); /* OSLAR_EL1, OSLSR_EL1: kept here */
    assert_false(take(esr_of(2, 0, 1, 1, 4, 5, true), 0, 0, &exit));
    assert_int_equal(now.x[5] & 2, 0);
    now.x[4] = 1;
    assert_false(take(esr_of(2, 0, 1, 0, 4, 4, false), 0, 0, &exit));
    assert_false(take(esr_of(2, 0, 1, 1, 4, 5, true), 0, 0, &exit));
    assert_int_equal(now.x[5] & 2, 2);
    assert_false(take(esr_of(3, 0, 10, 4, 3, 6, true), 0, 0, &exit)); /* LORC_EL1 */
    assert_int_equal(now.x[6], 0);
    assert_int_equal(now.pc, PC + 8 * 4);
    assert_int_equal(now.nr_injected, 0);
    assert_int_equal(v.nr_trapped, 8);
    assert_int_equal(handler.exit.reason, NOTHING);
}

static void test_undefined_registers(void **state)
{
    const uint64_t esr[] = {
        esr_of(3, 3, 9, 12, 0, 0, true),   /* PMCR_EL0: there is no PMU */
        esr_of(2, 0, 1, 0, 4, 0, true),    /* OSLAR_EL1 is write-only */
        esr_of(2, 0, 1, 1, 4, 0, false),   /* OSLSR_EL1 is read-only */
        esr_of(3, 3, 14, 0, 1, 0, false),  /* CNTPCT_EL0 too */
        0x62000001 & ~(UINT64_C(1) << 21), /* op0 is 0 */
    };

    for (unsigned i = 0; i < ARRAY_LEN(esr); i++) {
        struct hv_exit exit;
        set_up(state);
        assert_false(take(esr[i], 0, 0, &exit));
        assert_int_equal(now.nr_injected, 1);
        assert_int_equal(now.injected.esr, 0x02000000);
    }
}

/* --- The rest ------------------------------------------------------------------------------------------------------- */

static void test_debug_is_the_guests(void **state)
{
    struct hv_exit exit;

    (void)state;
    assert_false(take(0xf2000123, 0, 0, &exit)); /* BRK #0x123 */
    assert_int_equal(now.injected.esr, 0xf2000123);
    set_up(NULL);
    assert_false(take(0xd2000022, 0x99, 0, &exit)); /* watchpoint */
    assert_int_equal(now.injected.esr, 0xd6000022);
    assert_int_equal(now.injected.far, 0x99);
}

/* While it has the debug registers: what the guest has in them is kept, and BRK is the guest's all the same. */
static void test_debuggers(void **state)
{
    struct hv_exit exit;

    (void)state;
    v.debug.trapped = true;
    v.debug.guest_mdscr = 0x1000;
    assert_false(take(0x622400a5, 0, 0, &exit)); /* mrs x5, MDSCR_EL1 */
    assert_int_equal(now.x[5], 0x1000);
    now.x[5] = MDSCR_EL1_MDE;
    assert_false(take(0x622400a4, 0, 0, &exit)); /* msr MDSCR_EL1, x5 */
    assert_int_equal(v.debug.guest_mdscr, MDSCR_EL1_MDE);
    assert_int_equal(now.pc, PC + 8);
    assert_false(take(0xf2000123, 0, 0, &exit));
    assert_int_equal(now.injected.esr, 0xf2000123);
    assert_true(take(0xd2000022, 0x99, 0, &exit));
    assert_int_equal(exit.reason, HV_EXIT_DEBUG);
    assert_int_equal(exit.u.debug.addr, EC_WATCHPT_LOWER);
}

static void test_unknown_class(void **state)
{
    struct hv_exit exit;

    (void)state;
    assert_true(take(0x1e000000, 0, 0, &exit)); /* FP access: nobody traps it */
    assert_int_equal(exit.reason, HV_EXIT_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_mmio, set_up),
        cmocka_unit_test_setup(test_branch_type_and_step_end, set_up),
        cmocka_unit_test_setup(test_nothing_there, set_up),
        cmocka_unit_test_setup(test_aborts_for_the_guest, set_up),
        cmocka_unit_test_setup(test_kept_from_writing, set_up),
        cmocka_unit_test_setup(test_cache_maintenance, set_up),
        cmocka_unit_test_setup(test_calls, set_up),
        cmocka_unit_test_setup(test_waits, set_up),
        cmocka_unit_test_setup(test_waits_beside_the_frameworks_gic, set_up),
        cmocka_unit_test_setup(test_board_registers, set_up),
        cmocka_unit_test_setup(test_registers_of_the_frameworks_gic, set_up),
        cmocka_unit_test_setup(test_own_registers, set_up),
        cmocka_unit_test_setup(test_undefined_registers, set_up),
        cmocka_unit_test_setup(test_debug_is_the_guests, set_up),
        cmocka_unit_test_setup(test_debuggers, set_up),
        cmocka_unit_test_setup(test_unknown_class, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
