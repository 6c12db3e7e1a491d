/* Breakpoint and watchpoint registers, steps that mask interrupts, for a backend that is nothing but registers: what the hardware does is done by hand. */
#include "hv/native_debug.h"

#include "base/bits.h"
#include "base/err.h"

#include "ops_machine.h"
#include "register_backend.h"

#include <string.h>

#define VBAR (RAM_BASE + 0x8000)
#define NOP 0xd503201fu
#define MRS_DAIF 0xd53b4227u /* mrs x7, DAIF */
#define MSR_DAIF 0xd51b4227u /* msr DAIF, x7 */
#define DAIFSET(i) (0xd50340dfu | (i) << 8)
#define DAIFCLR(i) (0xd50340ffu | (i) << 8)
#define ERET 0xd69f03e0u
#define SVC 0xd4000001u
#define MASKS (PSR_A | PSR_I | PSR_F)

static struct emulator *emulator;
static struct native_debug d;

static enum hv_action on_exit(void *opaque, struct hv_exit *exit)
{
    (void)opaque, (void)exit;
    return HV_CONTINUE;
}

static int setup_vcpu(void **state)
{
    if (setup(state))
        return -1;
    memset(&cpu, 0, sizeof(cpu));
    *sys(SR_SCTLR_EL1) = SYS(&c->st, SCTLR_EL1);
    *sys(SR_TCR_EL1) = SYS(&c->st, TCR_EL1);
    *sys(SR_TTBR0_EL1) = SYS(&c->st, TTBR0_EL1);
    *sys(SR_MAIR_EL1) = SYS(&c->st, MAIR_EL1);
    *sys(SR_VBAR_EL1) = VBAR;
    emulator = emulator_create(&ram, on_exit, &cpu);
    d = (struct native_debug){.step = true};
    return emulator ? 0 : -1;
}

static int teardown_vcpu(void **state)
{
    emulator_destroy(emulator);
    return teardown(state);
}

/* A step of this instruction from EL1 with this of PSTATE begins: whatever was masked, the guest runs with all of it masked. */
static void begin(uint32_t word, uint32_t masks)
{
    enum native_entry how = NATIVE_RUN;

    memcpy(host(CODE), &word, sizeof(word));
    cpu.pc = CODE;
    cpu.pstate = 5 | masks;
    assert_int_equal(native_debug_enter(&d, emulator, &backend, &cpu, &how), 0);
    assert_int_equal(how, NATIVE_STEP);
    assert_int_equal(cpu.pstate, 5 | MASKS | (masks & PSR_D));
    /* Another entry, as after an exit in the middle, changes nothing. */
    assert_int_equal(native_debug_enter(&d, emulator, &backend, &cpu, &how), 0);
    assert_int_equal(how, NATIVE_STEP);
}

static void end(uint32_t pstate)
{
    assert_int_equal(native_debug_end_step(&d, &backend, &cpu), 0);
    assert_int_equal(cpu.pstate, pstate);
    assert_false(d.in_step);
}

static void test_masks(void **state)
{
    (void)state;
    for (uint32_t masks = 0; masks <= PSR_DAIF; masks += PSR_F) {
        const uint32_t all = 5 | MASKS | (masks & PSR_D);
        begin(NOP, masks);
        cpu.pc += 4;
        end(5 | masks);
        /* Given up before it began. */
        begin(NOP, masks);
        end(5 | masks);
        begin(MRS_DAIF, masks);
        cpu.pc += 4;
        cpu.x[7] = all & PSR_DAIF;
        end(5 | masks);
        assert_int_equal(cpu.x[7], masks);
        begin(MSR_DAIF, masks);
        cpu.pc += 4;
        cpu.pstate = 5 | PSR_I;
        end(5 | PSR_I);
        begin(DAIFSET(1u), masks);
        cpu.pc += 4;
        end(5 | masks | PSR_F);
        begin(DAIFCLR(2u), masks);
        cpu.pc += 4;
        cpu.pstate &= ~(uint64_t)PSR_I;
        end(5 | (masks & ~PSR_I));
        begin(ERET, masks);
        cpu.pc = RAM_BASE;
        cpu.pstate = 0;
        end(0);
    }
}

/* What an exception saves is what was. */
static void test_exceptions(void **state)
{
    (void)state;
    for (unsigned after = 0; after <= 4; after += 4) {
        begin(after ? SVC : NOP, PSR_A);
        *sys(SR_ELR_EL1) = CODE + after;
        *sys(SR_SPSR_EL1) = cpu.pstate;
        cpu.pc = VBAR + 0x200;
        cpu.pstate = 5 | PSR_DAIF;
        end(5 | PSR_DAIF);
        assert_int_equal(*sys(SR_SPSR_EL1), 5 | PSR_A);
    }
}

/* No step waits; but a WFI at a breakpoint does when the guest goes on. */
static void test_waits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const uint32_t word = i ? 0xd503205f : 0xd503207f; /* WFE, WFI */
        enum native_entry how;
        memcpy(host(CODE), &word, sizeof(word));
        cpu.pc = CODE;
        cpu.pstate = 5 | PSR_I | 1u << PSR_BTYPE_SHIFT;
        d = (struct native_debug){.step = true};
        assert_int_equal(native_debug_enter(&d, emulator, &backend, &cpu, &how), 0);
        assert_int_equal(how, NATIVE_DONE);
        assert_int_equal(cpu.pc, CODE + 4);
        assert_int_equal(cpu.pstate, 5 | PSR_I);
        assert_false(d.in_step);
        d = (struct native_debug){.passing = true, .passed_pc = CODE};
        cpu.pc = CODE;
        assert_int_equal(native_debug_enter(&d, emulator, &backend, &cpu, &how), 0);
        assert_int_equal(how, NATIVE_STEP);
    }
}

/* Where it has stopped it goes on, but not where it was put. */
static void test_passing(void **state)
{
    enum native_entry how;
    (void)state;
    d = (struct native_debug){0};
    cpu.pc = CODE;
    assert_int_equal(native_debug_enter(&d, emulator, &backend, &cpu, &how), 0);
    assert_int_equal(how, NATIVE_RUN);
    d.passing = true;
    d.passed_pc = CODE;
    cpu.pc = CODE + 4;
    assert_int_equal(native_debug_enter(&d, emulator, &backend, &cpu, &how), 0);
    assert_int_equal(how, NATIVE_RUN);
    assert_false(d.passing);
    d.passing = true;
    cpu.pc = CODE;
    assert_int_equal(native_debug_enter(&d, emulator, &backend, &cpu, &how), 0);
    assert_int_equal(how, NATIVE_STEP);
    end(0);
}

static void leave(bool done, uint32_t pstate)
{
    assert_int_equal(native_debug_leave(&d, &backend, &cpu, done), 0);
    assert_int_equal(cpu.pstate, pstate);
    assert_false(d.in_step);
}

/* run() ends in the middle for something else: what is done is told by the next one, once, unless nobody wants to hear of it any more; what is not is begun anew. */
static void test_left(void **state)
{
    enum native_entry how;
    (void)state;
    begin(NOP, PSR_F);
    cpu.pc += 4;
    leave(true, 5 | PSR_F);
    assert_int_equal(native_debug_enter(&d, emulator, &backend, &cpu, &how), 0);
    assert_int_equal(how, NATIVE_DONE);
    assert_int_equal(cpu.pc, CODE + 4);
    begin(NOP, PSR_F);
    leave(false, 5 | PSR_F);
    begin(NOP, PSR_F);
    cpu.pc += 4;
    leave(true, 5 | PSR_F);
    native_debug_moved(&d);
    begin(NOP, PSR_F);
    cpu.pc += 4;
    leave(true, 5 | PSR_F);
    native_debug_set_step(&d, false);
    native_debug_set_step(&d, true);
    begin(NOP, 0);
    end(5);
    native_debug_set_step(&d, false);
    for (unsigned i = 0; i < 2; i++) {
        d.passing = true;
        d.passed_pc = CODE;
        begin(NOP, 0);
        leave(i, 5);
        assert_int_equal(d.passing, !i);
        assert_false(d.step_done);
    }
}

/* The guest's own BKPT, of a program in AArch32 whose flags are none of the software CPU's; and a step of T32's SVC. */
static void test_aarch32(void **state)
{
    const struct exception e = {.type = EXC_SYNC, .ret = CODE, .esr = (uint64_t)EC_BKPT32 << 26};
    (void)state;
    cpu.pstate = 0xa80f0430;
    assert_int_equal(native_inject(&backend, &cpu, &e), 0);
    assert_int_equal(cpu.pc, VBAR + 0x600);
    assert_int_equal(cpu.pstate, 0xa0000000 | 5 | PSR_DAIF);
    assert_int_equal(*sys(SR_SPSR_EL1), 0xa80f0430);
    assert_int_equal(*sys(SR_ELR_EL1), CODE);
    assert_int_equal(*sys(SR_ESR_EL1), e.esr);
    begin(NOP, PSR_F);
    cpu.pc = VBAR + 0x600;
    cpu.pstate = 5 | PSR_DAIF;
    *sys(SR_ELR_EL1) = CODE + 2;
    *sys(SR_SPSR_EL1) = 0x30 | MASKS;
    end(5 | PSR_DAIF);
    assert_int_equal(*sys(SR_SPSR_EL1), 0x30 | PSR_F);
}

/* --- Registers ------------------------------------------------------------------------------------------------------ */

#define WATCH(at, n)                                                                               \
    {                                                                                              \
        .kind = DEBUG_WATCH, .write = true, .addr = (at), .len = (n)                               \
    }

static int make(struct debug_regs *r, const struct debug_point *p, unsigned nr, struct err *e)
{
    return debug_regs_make(r, &(struct debug_points){.nr = nr, .point = p}, 2, 3, e);
}

static void test_registers(void **state)
{
    static const struct debug_point p[] = {
        {.kind = DEBUG_BREAK, .addr = 0xffff000000001234},
        {.kind = DEBUG_WATCH, .read = true, .addr = 0x1003, .len = 1},
        {.kind = DEBUG_WATCH, .read = true, .write = true, .addr = 0x2000, .len = 0x1000},
    };
    struct debug_regs r;
    struct err e = {0};
    (void)state;
    assert_int_equal(make(&r, p, 3, &e), 0);
    assert_int_equal(r.nr_breaks, 1);
    assert_int_equal(r.bvr[0], 0xffff000000001234);
    assert_int_equal(r.bcr[0], 0x1e7);
    assert_int_equal(r.nr_watches, 2);
    assert_int_equal(r.wvr[0], 0x1000);
    assert_int_equal(r.wcr[0], 0x8 << 5 | 1 << 3 | 7);
    assert_int_equal(r.wvr[1], 0x2000);
    assert_int_equal(r.wcr[1], 12 << 24 | 0xff << 5 | 3 << 3 | 7);
}

/* One that is neither aligned nor a power of two takes several. */
static void test_pieces(void **state)
{
    const struct debug_point p = WATCH(0x1006, 18); /* 2, 8, 8 */
    struct debug_regs r;
    struct err e = {0};
    (void)state;
    assert_int_equal(make(&r, &p, 1, &e), 0);
    assert_int_equal(r.nr_watches, 3);
    assert_int_equal(r.wvr[0], 0x1000);
    assert_int_equal(bits(r.wcr[0], 12, 5), 0xc0);
    assert_int_equal(r.wvr[1], 0x1008);
    assert_int_equal(bits(r.wcr[1], 12, 5), 0xff);
    assert_int_equal(r.wvr[2], 0x1010);
}

static void test_refused(void **state)
{
    const struct {
        struct debug_points p;
        const char *says;
    } cases[] = {
        {{.nr = 3, .point = (const struct debug_point[]){{.addr = 4}, {.addr = 8}, {.addr = 12}}},
         "2 hardware breakpoints"},
        {{.nr = 1, .point = (const struct debug_point[]){WATCH(1, 15)}}, "3 hardware watchpoints"},
        {{.nr = 1, .point = (const struct debug_point[]){WATCH(0, UINT64_C(1) << 32)}}, "2 GiB"},
        {{.nr = 1, .point = (const struct debug_point[]){{.kind = DEBUG_BREAK_PHYSICAL}}},
         "physical addresses"},
        {{.exceptions = 1}, "exceptions"},
        {{.interrupts = true}, "interrupts"},
        {{.nr_sysregs = 1}, "system registers"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct debug_regs r;
        struct err e = {0};
        assert_int_equal(debug_regs_make(&r, &cases[i].p, 2, 3, &e), -ENOTSUP);
        if (!strstr(e.text, cases[i].says) || !strstr(e.text, "--accel soft"))
            fail_msg("%s", e.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_masks, setup_vcpu, teardown_vcpu),
        cmocka_unit_test_setup_teardown(test_exceptions, setup_vcpu, teardown_vcpu),
        cmocka_unit_test_setup_teardown(test_waits, setup_vcpu, teardown_vcpu),
        cmocka_unit_test_setup_teardown(test_passing, setup_vcpu, teardown_vcpu),
        cmocka_unit_test_setup_teardown(test_left, setup_vcpu, teardown_vcpu),
        cmocka_unit_test_setup_teardown(test_aarch32, setup_vcpu, teardown_vcpu),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
