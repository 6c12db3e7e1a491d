/* Loads and stores to devices without a syndrome, for a backend that is nothing but registers. */
#include "hv/emulate.h"

#include "arch/sysreg.h"
#include "base/err.h"

#include <errno.h>

#include "ops_machine.h"
#include "register_backend.h"

#define NR_ACCESSES 8
#define SP_AT (BUS + 0x80)
#define VBAR (RAM_BASE + 0x8000)

static struct emulator *emulator;
static enum hv_action answer, action;
static unsigned nr_accesses;
static struct hv_exit access[NR_ACCESSES];

/* Loads give 0x10, 0x11, ... in every byte. From the second kilobyte on there is nothing. */
static enum hv_action on_exit(void *opaque, struct hv_exit *exit)
{
    assert_ptr_equal(opaque, &cpu);
    assert_true(nr_accesses < NR_ACCESSES);
    if (exit->reason == HV_EXIT_MMIO_READ)
        exit->u.mmio.data =
            (0x10u + nr_accesses) * UINT64_C(0x0101010101010101) & mask64(8 * exit->u.mmio.size);
    exit->u.mmio.failed = exit->u.mmio.gpa >= BUS_PA + 0x400;
    access[nr_accesses++] = *exit;
    return answer;
}

static int setup_vcpu(void **state)
{
    if (setup(state))
        return -1;
    cpu = (struct hv_vcpu){.sp = SP_AT, .pc = CODE, .pstate = 0x3c5};
    for (unsigned i = 0; i < 31; i++)
        cpu.x[i] = DIRTY + i;
    for (unsigned i = 0; i < 64; i++)
        cpu.v[i] = DIRTY - i;
    *sys(SR_SCTLR_EL1) = SYS(&c->st, SCTLR_EL1);
    *sys(SR_TCR_EL1) = SYS(&c->st, TCR_EL1);
    *sys(SR_TTBR0_EL1) = SYS(&c->st, TTBR0_EL1);
    *sys(SR_MAIR_EL1) = SYS(&c->st, MAIR_EL1);
    *sys(SR_CPACR_EL1) = 3 << 20;
    *sys(SR_VBAR_EL1) = VBAR;
    emulator = emulator_create(&ram, on_exit, &cpu);
    assert_non_null(emulator);
    answer = HV_CONTINUE;
    nr_accesses = 0;
    return 0;
}

static int teardown_vcpu(void **state)
{
    emulator_destroy(emulator);
    return teardown(state);
}

static int emulate_word(uint32_t word)
{
    memcpy(host(CODE), &word, sizeof(word));
    return emulate(emulator, &backend, &cpu, &action);
}

static void did(uint32_t word, unsigned nr)
{
    assert_int_equal(emulate_word(word), 0);
    assert_int_equal(nr_accesses, nr);
    assert_int_equal(cpu.pc, CODE + 4);
    assert_int_equal(cpu.pstate, 0x3c5);
    assert_int_equal(action, HV_CONTINUE);
}

static void accessed(unsigned n, gpa_t offset, unsigned size, bool write)
{
    assert_int_equal(access[n].u.mmio.gpa, BUS_PA + offset);
    assert_int_equal(access[n].u.mmio.size, size);
    assert_int_equal(access[n].reason, write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ);
}

static void pairs(void **state)
{
    (void)state;
    did(0xa9c10be1 /* ldp x1, x2, [sp, #16]! */, 2);
    accessed(0, 0x90, 8, false);
    accessed(1, 0x98, 8, false);
    assert_int_equal(cpu.x[1], UINT64_C(0x1010101010101010));
    assert_int_equal(cpu.x[2], UINT64_C(0x1111111111111111));
    assert_int_equal(cpu.sp, SP_AT + 16);
    assert_int_equal(cpu.nr_sets, 4); /* what changed, and PC */

    cpu.pc = CODE;
    nr_accesses = 0;
    cpu.x[3] = BUS + 8;
    did(0x28be7c64 /* stp w4, wzr, [x3], #-16 */, 2);
    accessed(0, 8, 4, true);
    accessed(1, 12, 4, true);
    assert_int_equal(access[0].u.mmio.data, (uint32_t)(DIRTY + 4));
    assert_int_equal(access[1].u.mmio.data, 0);
    assert_int_equal(cpu.x[3], BUS - 8);
}

static void writeback(void **state)
{
    (void)state;
    cpu.x[1] = BUS + 0x20;
    did(0x38801420 /* ldrsb x0, [x1], #1 */, 1);
    accessed(0, 0x20, 1, false);
    assert_int_equal(cpu.x[0], 0x10);
    assert_int_equal(cpu.x[1], BUS + 0x21);
}

static void vectors(void **state)
{
    (void)state;
    did(0x3dc003ff /* ldr q31, [sp] */, 2);
    assert_int_equal(cpu.v[62], UINT64_C(0x1010101010101010));
    assert_int_equal(cpu.v[63], UINT64_C(0x1111111111111111));

    cpu.pc = CODE;
    nr_accesses = 0;
    cpu.x[0] = BUS;
    did(0x4c9f7803 /* st1 {v3.4s}, [x0], #16 */, 4);
    accessed(3, 12, 4, true);
    assert_int_equal(access[3].u.mmio.data, (DIRTY - 7) >> 32);
    assert_int_equal(cpu.x[0], BUS + 16);
}

static void takes_abort(unsigned fsc, uint64_t esr_class)
{
    assert_int_equal(*sys(SR_ESR_EL1) >> 26, esr_class);
    assert_int_equal(*sys(SR_ESR_EL1) & 0x3f, fsc);
    assert_int_equal(*sys(SR_ELR_EL1), CODE);
}

static void external_abort(void **state)
{
    (void)state;
    cpu.x[3] = BUS + 0x3f8;
    assert_int_equal(emulate_word(0xa8c10861 /* ldp x1, x2, [x3], #16 */), 0);
    assert_int_equal(nr_accesses, 2);
    takes_abort(FSC_EXTERNAL, EC_DABT_SAME);
    assert_int_equal(*sys(SR_FAR_EL1), BUS + 0x400);
    assert_int_equal(*sys(SR_SPSR_EL1), 0x3c5);
    assert_int_equal(cpu.pc, VBAR + 0x200);
    assert_int_equal(cpu.x[3], BUS + 0x3f8);
    assert_int_equal(cpu.sp, SP_AT);
}

/* From EL0: the stack pointer of EL1 is none of ours. */
static void abort_of_el0(void **state)
{
    (void)state;
    map(CODE, CODE, 3, 0);
    cpu.pstate = PSR_N;
    cpu.x[3] = BUS;
    assert_int_equal(emulate_word(0xa9000861 /* stp x1, x2, [x3] */), 0);
    assert_int_equal(nr_accesses, 0);
    takes_abort(PERMISSION_3, EC_DABT_LOWER);
    assert_int_equal(*sys(SR_SPSR_EL1), PSR_N);
    assert_int_equal(cpu.pstate & 0xf, 5);
    assert_int_equal(cpu.pc, VBAR + 0x400);
    assert_int_equal(cpu.sp, SP_AT);
}

/* Devices have no monitor and no atomics. */
static void atomics(void **state)
{
    (void)state;
    cpu.x[3] = BUS;
    assert_int_equal(emulate_word(0xb8200060 /* ldadd w0, w0, [x3] */), 0);
    takes_abort(FSC_UNSUPPORTED_ATOMIC, EC_DABT_SAME);
    assert_int_equal(nr_accesses, 0);
}

/* Nor do they have lines to be zeroed. */
static void zeroes(void **state)
{
    (void)state;
    cpu.x[3] = BUS;
    assert_int_equal(emulate_word(0xd50b7423 /* dc zva, x3 */), 0);
    takes_abort(FSC_ALIGNMENT, EC_DABT_SAME);
    assert_int_equal(nr_accesses, 0);
}

static void stopped(void **state)
{
    (void)state;
    answer = HV_STOP;
    assert_int_equal(emulate_word(0xa94003e0 /* ldp x0, x0, [sp] */), 0);
    assert_int_equal(action, HV_STOP);
    assert_int_equal(cpu.pc, CODE + 4); /* done all the same */
}

/* Nothing is changed. */
static void left_alone(void **state)
{
    static const struct {
        uint32_t word;
        int result;
    } words[] = {
        {0xd4000002 /* hvc #0 */, 0},
        {0xd50b7a23 /* dc cvac, x3 */, 0},
        {0xd5182000 /* msr ttbr0_el1, x0 */, 0},
        {0x8b010000 /* add x0, x0, x1 */, 0},
        {0xa400a060 /* ld1b {z0.b}, p0/z, [x3] */, -EOPNOTSUPP},
        {0xf83fd060 /* ld64b x0, [x3] */, -EOPNOTSUPP},
        {0x00000000 /* udf #0 */, 0},
    };
    struct hv_vcpu before;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        before = cpu;
        assert_int_equal(emulate_word(words[i].word), words[i].result);
        assert_memory_equal(&before, &cpu, sizeof(cpu));
    }
    cpu.pc = UNMAPPED;
    assert_int_equal(emulate_word(0xa9000861), -EFAULT);
    cpu.pc = CODE;
    cpu.pstate = PSR_NRW;
    assert_int_equal(emulate_word(0xa9000861), -EOPNOTSUPP);
    cpu.pstate = 0x3c9; /* EL2 */
    assert_int_equal(emulate_word(0xa9000861), -EOPNOTSUPP);
    assert_int_equal(nr_accesses, 0);
}

/* Nothing of what an earlier one found in the tables is kept. */
static void tables_change(void **state)
{
    (void)state;
    did(0xa94003e0 /* ldp x0, x0, [sp] */, 2);
    map(BUS, DATA, 0, 0);
    poke(DATA + 0x80, 7);
    cpu.pc = CODE;
    did(0xf84003e0 /* ldur x0, [sp] */, 2);
    assert_int_equal(cpu.x[0], 7);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup_vcpu, teardown_vcpu)
    const struct CMUnitTest tests[] = {
        T(pairs),   T(writeback), T(vectors), T(external_abort), T(abort_of_el0),
        T(atomics), T(zeroes),    T(stopped), T(left_alone),     T(tables_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
