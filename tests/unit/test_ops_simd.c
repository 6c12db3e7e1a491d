/* SIMD&FP loads and stores, and the trap of CPACR_EL1.FPEN, one instruction at a time, against answers worked out by hand from the Arm ARM:
 * what random comparison with another implementation (tests/isa) can't see. */
#include "arch/sysreg.h"

#include "ops_machine.h"

#include "gen/a64_rows.h"
#include "gen/sysreg_fields.h"

enum { FPEN_NOBODY = 0, FPEN_EL1 = 1, FPEN_NOBODY_EITHER = 2, FPEN_ALL = 3 };

static void set_fpen(unsigned fpen, unsigned el)
{
    SYS(&c->st, CPACR_EL1) = (uint64_t)fpen << CPACR_EL1_FPEN_LO;
    c->st.el = (uint8_t)el;
    cpu_state_changed(c);
}

static int setup_fp(void **state)
{
    if (setup(state))
        return -1;
    set_fpen(FPEN_ALL, 1);
    for (unsigned i = 0; i < 64; i++)
        c->st.v[i / 2].d[i & 1] = DIRTY + i;
    return 0;
}

#define V(n) c->st.v[n]

static void expect_v(unsigned n, uint64_t hi, uint64_t lo)
{
    if (V(n).d[0] != lo || V(n).d[1] != hi)
        fail_msg("v%u: %016llx_%016llx, not %016llx_%016llx", n, (unsigned long long)V(n).d[1],
                 (unsigned long long)V(n).d[0], (unsigned long long)hi, (unsigned long long)lo);
}

static void expect_v_dirty(unsigned n)
{
    expect_v(n, DIRTY + 2 * n + 1, DIRTY + 2 * n);
}

/* --- The trap ------------------------------------------------------------------------------------------------------- */

static uint64_t rng_state = 0x9e3779b97f4a7c15;

static uint32_t word_of_row(unsigned row)
{
    uint32_t word;

    do {
        rng_state = rng_state * UINT64_C(6364136223846793005) + 1442695040888963407;
        word = (uint32_t)(rng_state >> 32);
        word = (word & ~(a64_rows[row].mask | a64_rows[row].should_mask)) | a64_rows[row].value |
               a64_rows[row].should_value;
    } while (a64_find_row(word) != row);
    return word;
}

static bool is_fp_trap(uint32_t word)
{
    return !step(word) && c->exc.esr == esr_make(EC_FP_ACCESS, 1u << 24 | 0xeu << 20);
}

static void trapped_by_fpen(void **state)
{
    static const struct {
        unsigned fpen, el;
        bool traps;
    } cases[] = {
        {FPEN_NOBODY, 0, true}, {FPEN_NOBODY, 1, true},        {FPEN_EL1, 0, true},
        {FPEN_EL1, 1, false},   {FPEN_NOBODY_EITHER, 0, true}, {FPEN_NOBODY_EITHER, 1, true},
        {FPEN_ALL, 0, false},   {FPEN_ALL, 1, false},
    };
    unsigned rows = 0;

    (void)state;
    for (unsigned row = 0; row < A64_NR_ROWS; row++) {
        const uint32_t word = word_of_row(row);
        /* Every instruction of these two groups has a V register. */
        assert_int_equal(a64_rows[row].simd_fp, (word >> 25 & 7) == 7 || (word >> 25 & 7) == 6);
        if (!a64_rows[row].simd_fp)
            continue;
        rows++;
        for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
            set_fpen(cases[i].fpen, cases[i].el);
            for (unsigned n = 0; n <= 30; n++)
                X(n) = DIRTY; /* no address that is mapped */
            struct pe_state before = c->st;
            if (is_fp_trap(word) != cases[i].traps)
                fail_msg("%s with FPEN %u at EL%u", a64_row_name[row], cases[i].fpen, cases[i].el);
            before.pc = c->st.pc;
            if (cases[i].traps)
                assert_memory_equal(&before, &c->st, sizeof(before));
        }
    }
    assert_true(rows > 70);
}

static void trap_follows_registers(void **state)
{
    (void)state;
    set_fpen(FPEN_NOBODY, 1);
    assert_true(is_fp_trap(0xd53b4400)); /* mrs x0, fpcr */
    assert_true(is_fp_trap(0xd51b4420)); /* msr fpsr, x0 */
    X(0) = CPACR_EL1_FPEN;
    X(1) = DATA;
    a64_decode(0xd5181040, code); /* msr cpacr_el1, x0 */
    assert_null(code->fn(c, code));
    assert_int_equal(c->leave, CPU_LEAVE_RESYNC);
    run(0xd53b4400);
    assert_int_equal(X(0), 0);
    run(0x3dc00020); /* ldr q0, [x1] */
    X(0) = ONES;
    run(0xd51b4400); /* msr fpcr, x0 */
    run(0xd51b4420); /* msr fpsr, x0 */
    run(0xd53b4400); /* mrs x0, fpcr */
    assert_int_equal(X(0), 0x07c80000);
    run(0xd53b4420); /* mrs x0, fpsr */
    assert_int_equal(X(0), 0x0800009f);
}

/* --- Loads and stores ----------------------------------------------------------------------------------------------- */

static void sizes(void **state)
{
    static const struct {
        uint32_t word;
        uint64_t hi, lo;
    } loads[] = {
        {0x3d400020 /* ldr b0, [x1] */, 0, 0x88},
        {0x7d400020 /* ldr h0, [x1] */, 0, 0x7788},
        {0xbd400020 /* ldr s0, [x1] */, 0, 0x55667788},
        {0xfd400020 /* ldr d0, [x1] */, 0, 0x1122334455667788},
        {0x3dc00020 /* ldr q0, [x1] */, 0x99aabbccddeeff00, 0x1122334455667788},
        {0x3cdff020 /* ldur q0, [x1, #-1] */, 0xaabbccddeeff0011, 0x2233445566778800},
        {0x4c407020 /* ld1 {v0.16b}, [x1] */, 0x99aabbccddeeff00, 0x1122334455667788},
    };
    static const struct {
        uint32_t word;
        uint64_t want, want2;
    } stores[] = {
        {0x3d000022 /* str b2, [x1] */, 0x11111111111111f8, 0x2222222222222222},
        {0x7d000022 /* str h2, [x1] */, 0x111111111111f7f8, 0x2222222222222222},
        {0xbd000022 /* str s2, [x1] */, 0x11111111f5f6f7f8, 0x2222222222222222},
        {0xfd000022 /* str d2, [x1] */, 0xf1f2f3f4f5f6f7f8, 0x2222222222222222},
        {0x3d800022 /* str q2, [x1] */, 0xf1f2f3f4f5f6f7f8, 0xe1e2e3e4e5e6e7e8},
    };

    (void)state;
    X(1) = DATA + 16;
    poke(DATA + 8, 0);
    poke(DATA + 16, 0x1122334455667788);
    poke(DATA + 24, 0x99aabbccddeeff00);
    for (unsigned i = 0; i < ARRAY_LEN(loads); i++) {
        for (unsigned warm = 0; warm < 2; warm++) {
            V(0).d[0] = V(0).d[1] = DIRTY;
            run(loads[i].word);
            expect_v(0, loads[i].hi, loads[i].lo);
        }
        cpu_state_changed(c);
    }
    V(2).d[0] = 0xf1f2f3f4f5f6f7f8;
    V(2).d[1] = 0xe1e2e3e4e5e6e7e8;
    for (unsigned i = 0; i < ARRAY_LEN(stores); i++) {
        for (unsigned warm = 0; warm < 2; warm++) {
            poke(DATA + 16, 0x1111111111111111);
            poke(DATA + 24, 0x2222222222222222);
            run(stores[i].word);
            assert_int_equal(peek(DATA + 16), stores[i].want);
            assert_int_equal(peek(DATA + 24), stores[i].want2);
            assert_int_equal(peek(DATA + 32), 0);
        }
        cpu_state_changed(c);
    }
}

/* Over the border of two pages, for each length on the first one, and each warm or not. */
static void page_crossing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 32; i++)
        poke(DATA + 0xf80 + 8 * i, UINT64_C(0x0706050403020100) + i * UINT64_C(0x0808080808080808));
    for (unsigned warm = 0; warm < 3; warm++) {
        for (unsigned on_first = 0; on_first <= 64; on_first++) {
            union vreg want[4];
            X(1) = DATA + 0x1000 - on_first;
            if (warm == 0)
                cpu_state_changed(c);
            run(0x4c402020); /* ld1 {v0.16b-v3.16b}, [x1] */
            for (unsigned i = 0; i < 64; i++)
                want[i / 16].b[i % 16] = (uint8_t)(0x80 - on_first + i);
            assert_memory_equal(&V(0), want, 64);
            memset(&V(0), 0xee, 64);
            run(0xad400c20); /* ldp q0, q3, [x1] */
            assert_memory_equal(&V(0), &want[0], 16);
            assert_memory_equal(&V(3), &want[1], 16);
            run(0x3dc00020); /* ldr q0, [x1] */
            assert_memory_equal(&V(0), &want[0], 16);
            X(1) = DATA + 0x1000 - on_first;
            run(0x3d800020); /* str q0, [x1] */
            run(0x4c402020);
            assert_memory_equal(&V(0), want, 16);
        }
    }
}

/* The address is where the fault is; nothing is written, in memory or registers. */
static void faults_are_precise(void **state)
{
    static const struct {
        uint32_t word;
        unsigned len;
        bool write;
    } cases[] = {
        {0x3dc00020 /* ldr q0, [x1] */, 16, false},
        {0xad400c20 /* ldp q0, q3, [x1] */, 32, false},
        {0x6d400c20 /* ldp d0, d3, [x1] */, 16, false},
        {0x3cc10420 /* ldr q0, [x1], #16 */, 16, false},
        {0x4c400020 /* ld4 {v0.16b-v3.16b}, [x1] */, 64, false},
        {0x4cc2003e /* ld4 {v30.16b, v31.16b, v0.16b, v1.16b}, [x1], x2 */, 64, false},
        {0x0d40b020 /* ld3 {v0.s-v2.s}[1], [x1] */, 12, false},
        {0x0dffc420 /* ld2r {v0.4h, v1.4h}, [x1], #4 */, 4, false},
        {0x3d800022 /* str q2, [x1] */, 16, true},
        {0xad000c22 /* stp q2, q3, [x1] */, 32, true},
        {0x4c9f0420 /* st4 {v0.8h-v3.8h}, [x1], #64 */, 64, true},
        {0x4d208422 /* st2 {v2.d, v3.d}[1], [x1] */, 16, true},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        for (unsigned beyond = 1; beyond <= cases[i].len; beyond++) {
            const gva_t va = UNMAPPED - cases[i].len + beyond;
            X(1) = va;
            poke(UNMAPPED - 8, DIRTY);
            aborts(cases[i].word, TRANSLATION_3, UNMAPPED, cases[i].write);
            assert_int_equal(X(1), va);
            assert_int_equal(peek(UNMAPPED - 8), DIRTY);
            for (unsigned n = 0; n < 32; n++)
                expect_v_dirty(n);
            if (!cases[i].write)
                continue;
            X(1) = READ_ONLY - cases[i].len + beyond;
            poke(READ_ONLY - 8, DIRTY);
            aborts(cases[i].word, PERMISSION_3, READ_ONLY, true);
            assert_int_equal(peek(READ_ONLY - 8), DIRTY);
        }
        X(1) = UNMAPPED + 0x800;
        aborts(cases[i].word, TRANSLATION_3, UNMAPPED + 0x800, cases[i].write);
    }
}

/* An entry that holds nothing is no translation of the lowest page, whatever the low bits of the address: general registers too. */
static void empty_tlb(void **state)
{
    static const uint32_t loads[] = {0x39400020 /* ldrb w0, [x1] */, 0x79400020, 0xb9400020,
                                     0xf9400020, 0x3dc00020};
    static const uint32_t stores[] = {0x39000022 /* strb w2, [x1] */, 0x79000022, 0xb9000022,
                                      0xf9000022, 0x3d800022};

    (void)state;
    for (gva_t va = 0; va < TLB_PAGE_SIZE - 15; va++) {
        X(1) = va;
        for (unsigned i = 0; i < ARRAY_LEN(loads); i++) {
            aborts(loads[i], FSC_TRANSLATION | 1, va, false);
            aborts(stores[i], FSC_TRANSLATION | 1, va, true);
        }
    }
}

/* Elements count, not the whole; 16 bytes are one element. Device memory and SCTLR_EL1.A. */
static void alignment(void **state)
{
    static const struct {
        uint32_t word;
        unsigned align;
        bool write;
    } cases[] = {
        {0x3d400020 /* ldr b0, [x1] */, 1, false},
        {0x7d400020 /* ldr h0, [x1] */, 2, false},
        {0xfd400020 /* ldr d0, [x1] */, 8, false},
        {0x3dc00020 /* ldr q0, [x1] */, 16, false},
        {0xad400c20 /* ldp q0, q3, [x1] */, 16, false},
        {0x6d400c20 /* ldp d0, d3, [x1] */, 8, false},
        {0x4c407020 /* ld1 {v0.16b}, [x1] */, 1, false},
        {0x4c407420 /* ld1 {v0.8h}, [x1] */, 2, false},
        {0x4c407820 /* ld1 {v0.4s}, [x1] */, 4, false},
        {0x4c407c20 /* ld1 {v0.2d}, [x1] */, 8, false},
        {0x4c400020 /* ld4 {v0.16b-v3.16b}, [x1] */, 1, false},
        {0x0d40b020 /* ld3 {v0.s-v2.s}[1], [x1] */, 4, false},
        {0x0d402420 /* ld3 {v0.b-v2.b}[1], [x1] */, 1, false},
        {0x3d800022 /* str q2, [x1] */, 16, true},
        {0x4c007022 /* st1 {v2.16b}, [x1] */, 1, true},
        {0x4d208422 /* st2 {v2.d, v3.d}[1], [x1] */, 8, true},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        for (unsigned off = 0; off < 17; off++) {
            const bool ok = off % cases[i].align == 0;

            SYS(&c->st, SCTLR_EL1) &= ~SCTLR_EL1_A;
            X(1) = DATA + off;
            run(cases[i].word);
            X(1) = DEVICE + off;
            for (unsigned warm = 0; warm < 2; warm++)
                if (ok)
                    run(cases[i].word);
                else
                    aborts(cases[i].word, FSC_ALIGNMENT, DEVICE + off, cases[i].write);
            SYS(&c->st, SCTLR_EL1) |= SCTLR_EL1_A;
            X(1) = DATA + off;
            if (ok) {
                run(cases[i].word);
                continue;
            }
            aborts(cases[i].word, FSC_ALIGNMENT, DATA + off, cases[i].write);
            X(1) = UNMAPPED + off; /* alignment comes first */
            aborts(cases[i].word, FSC_ALIGNMENT, UNMAPPED + off, cases[i].write);
        }
    }
}

static void stack_alignment(void **state)
{
    (void)state;
    X(REG_SP) = DATA + 8;
    assert_false(step(0x3d8003e2)); /* str q2, [sp] */
    assert_int_equal(c->exc.esr >> 26, EC_SP_ALIGN);
    assert_false(step(0x3dc007e0)); /* ldr q0, [sp, #16] */
    assert_int_equal(c->exc.esr >> 26, EC_SP_ALIGN);
    assert_false(step(0x4c4073e0)); /* ld1 {v0.16b}, [sp] */
    assert_int_equal(c->exc.esr >> 26, EC_SP_ALIGN);
    expect_v_dirty(0);
    X(REG_SP) = DATA + 16;
    run(0x3d8003e2);
    run(0x4c4073e0);
    expect_v(0, V(2).d[1], V(2).d[0]);
}

/* Where no RAM is: by elements, of 16 bytes two halves. */
static void devices(void **state)
{
    (void)state;
    X(1) = BUS;
    V(2).d[0] = 1;
    V(2).d[1] = 2;
    run(0x3dc00020); /* ldr q0, [x1] */
    assert_int_equal(bus.nr, 2);
    assert_int_equal(bus.size, 8);
    assert_int_equal(bus.gpa, BUS_PA + 8);
    expect_v(0, 0x8182838485868788, 0x8182838485868788);
    run(0x3d800022); /* str q2, [x1] */
    assert_int_equal(bus.nr, 4);
    assert_true(bus.write);
    assert_int_equal(bus.val, 2);
    run(0x4c407420); /* ld1 {v0.8h}, [x1] */
    assert_int_equal(bus.nr, 4 + 8);
    assert_int_equal(bus.size, 2);
    expect_v(0, 0x8788878887888788, 0x8788878887888788);
    run(0x7d000022); /* str h2, [x1] */
    assert_int_equal(bus.nr, 13);
    assert_int_equal(bus.size, 2);
    assert_int_equal(bus.val, 1);
    X(1) = BUS + 0x800;
    aborts(0x3dc00020, FSC_EXTERNAL, BUS + 0x800, false);
    X(1) = BUS + 0x7f0;
    aborts(0xad000c22, FSC_EXTERNAL, BUS + 0x800, true); /* stp q2, q3, [x1] */
    X(1) = BUS + 0xff0;
    aborts(0xad400c20, FSC_EXTERNAL, BUS + 0xff0, false);
}

/* Numbers of registers wrap; the base moves by its length or by Xm, which may be the base. */
static void structures(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++)
        ((uint8_t *)host(DATA))[i] = (uint8_t)i;
    X(1) = DATA;
    X(2) = 0x100;
    run(0x4cc2003e); /* ld4 {v30.16b, v31.16b, v0.16b, v1.16b}, [x1], x2 */
    assert_int_equal(X(1), DATA + 0x100);
    expect_v(30, 0x3c3834302c282420, 0x1c1814100c080400);
    expect_v(31, 0x3d3935312d292521, 0x1d1915110d090501);
    expect_v(0, 0x3e3a36322e2a2622, 0x1e1a16120e0a0602);
    expect_v(1, 0x3f3b37332f2b2723, 0x1f1b17130f0b0703);
    X(1) = DATA;
    run(0x0dffc420); /* ld2r {v0.4h, v1.4h}, [x1], #4 */
    assert_int_equal(X(1), DATA + 4);
    expect_v(0, 0, 0x0100010001000100);
    expect_v(1, 0, 0x0302030203020302);
    X(1) = DATA;
    run(0x4dc21c20); /* ld1 {v0.b}[15], [x1], x2 */
    expect_v(0, 0, 0x0100010001000100);
    assert_int_equal(X(1), DATA + 0x100);
    X(1) = DATA + 0x21;
    run(0x4dc21c20);
    expect_v(0, UINT64_C(0x21) << 56, 0x0100010001000100);
    X(1) = DATA;
    run(0x4c9f0420); /* st4 {v0.8h-v3.8h}, [x1], #64 */
    assert_int_equal(X(1), DATA + 64);
    assert_int_equal(peek(DATA), (DIRTY + 6) << 48 | ((DIRTY + 4) & 0xffff) << 32 | 0x03020100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trapped_by_fpen, setup, teardown),
        cmocka_unit_test_setup_teardown(trap_follows_registers, setup_fp, teardown),
        cmocka_unit_test_setup_teardown(sizes, setup_fp, teardown),
        cmocka_unit_test_setup_teardown(page_crossing, setup_fp, teardown),
        cmocka_unit_test_setup_teardown(faults_are_precise, setup_fp, teardown),
        cmocka_unit_test_setup_teardown(empty_tlb, setup_fp, teardown),
        cmocka_unit_test_setup_teardown(alignment, setup_fp, teardown),
        cmocka_unit_test_setup_teardown(stack_alignment, setup_fp, teardown),
        cmocka_unit_test_setup_teardown(devices, setup_fp, teardown),
        cmocka_unit_test_setup_teardown(structures, setup_fp, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
