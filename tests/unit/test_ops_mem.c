/* Loads, stores, atomics and pointer authentication, one instruction at a time, against answers worked out by hand from the Arm ARM: what random
 * comparison with another implementation (tests/isa) can't see: faults, pages, monitors, other CPUs. */
#include "arch/pac.h"

#include "ops_machine.h"

/* --- Loads and stores --------------------------------------------------------------------------------------------------- */

static void single_sizes(void **state)
{
    static const struct {
        uint32_t word;
        uint64_t want;
    } loads[] = {
        {0x39400020 /* ldrb w0, [x1] */, 0xf8},
        {0x79400020 /* ldrh w0, [x1] */, 0xf7f8},
        {0xb9400020 /* ldr w0, [x1] */, 0xf5f6f7f8},
        {0xf9400020 /* ldr x0, [x1] */, 0xf1f2f3f4f5f6f7f8},
        {0x39c00020 /* ldrsb w0, [x1] */, 0xfffffff8},
        {0x79c00020 /* ldrsh w0, [x1] */, 0xfffff7f8},
        {0x39800020 /* ldrsb x0, [x1] */, 0xfffffffffffffff8},
        {0x79800020 /* ldrsh x0, [x1] */, 0xfffffffffffff7f8},
        {0xb9800020 /* ldrsw x0, [x1] */, 0xfffffffff5f6f7f8},
        {0x39801820 /* ldrsb x0, [x1, #6] */, 0xfffffffffffffff2},
        {0x78401020 /* ldurh w0, [x1, #1] */, 0xf6f7}, /* misaligned */
        {0xb8401020 /* ldur w0, [x1, #1] */, 0xf4f5f6f7},
        {0xf85fc020 /* ldur x0, [x1, #-4] */, 0xf5f6f7f800000000},
        {0xb8804820 /* ldtrsw x0, [x1, #4] */, 0xfffffffff1f2f3f4},
        {0x195ff020 /* ldapurb w0, [x1, #-1] */, 0},
        {0x59c02020 /* ldapursh w0, [x1, #2] */, 0xfffff5f6},
        {0x99804020 /* ldapursw x0, [x1, #4] */, 0xfffffffff1f2f3f4},
        {0x48dffc20 /* ldarh w0, [x1] */, 0xf7f8},
        {0xc8df7c20 /* ldlar x0, [x1] */, 0xf1f2f3f4f5f6f7f8},
        {0x38bfc020 /* ldaprb w0, [x1] */, 0xf8},
    };
    static const struct {
        uint32_t word;
        uint64_t want;
    } stores[] = {
        {0x39000022 /* strb w2, [x1] */, 0x8877665544332288},
        {0x79000422 /* strh w2, [x1, #2] */, 0x8877665577882211},
        {0xb9000422 /* str w2, [x1, #4] */, 0x5566778844332211},
        {0xf9000022 /* str x2, [x1] */, 0x1122334455667788},
        {0x78001022 /* sturh w2, [x1, #1] */, 0x8877665544778811},
        {0xb8000822 /* sttr w2, [x1] */, 0x8877665555667788},
        {0x089ffc22 /* stlrb w2, [x1] */, 0x8877665544332288},
        {0x59006022 /* stlurh w2, [x1, #6] */, 0x7788665544332211},
        {0xc89f7c22 /* stllr x2, [x1] */, 0x1122334455667788},
    };

    (void)state;
    /* EL0's page serves LDTR and STTR too. */
    for (unsigned i = 0; i < ARRAY_LEN(loads); i++) {
        for (unsigned warm = 0; warm < 2; warm++) {
            X(0) = DIRTY;
            X(1) = DATA_EL0 + 16;
            poke(DATA_EL0 + 8, 0);
            poke(DATA_EL0 + 16, 0xf1f2f3f4f5f6f7f8);
            if (!step(loads[i].word) || X(0) != loads[i].want)
                fail_msg("%08x: %016llx", loads[i].word, (unsigned long long)X(0));
            assert_int_equal(X(1), DATA_EL0 + 16);
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(stores); i++) {
        for (unsigned warm = 0; warm < 2; warm++) {
            X(1) = DATA_EL0;
            X(2) = 0x1122334455667788;
            poke(DATA_EL0, 0x8877665544332211);
            poke(DATA_EL0 + 8, ONES);
            if (!step(stores[i].word) || peek(DATA_EL0) != stores[i].want || peek(DATA_EL0 + 8) != ONES)
                fail_msg("%08x: %016llx", stores[i].word, (unsigned long long)peek(DATA_EL0));
        }
    }
}

static void addressing_modes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 512; i++)
        poke(DATA + 8 * i, i);
    X(1) = DATA + 0x400;
    run(0xf9404020 /* ldr x0, [x1, #0x80] */);
    assert_int_equal(X(0), 0x90);
    run(0xf85f8420 /* ldr x0, [x1], #-8 */);
    assert_int_equal(X(0), 0x80);
    assert_int_equal(X(1), DATA + 0x3f8);
    run(0xf8408c20 /* ldr x0, [x1, #8]! */);
    assert_int_equal(X(0), 0x80);
    assert_int_equal(X(1), DATA + 0x400);
    run(0xf8500020 /* ldur x0, [x1, #-256] */);
    assert_int_equal(X(0), 0x60);
    X(2) = 0xfffffffffffffffe;
    run(0xf862d820 /* ldr x0, [x1, w2, sxtw #3] */);
    assert_int_equal(X(0), 0x7e);
    run(0xf8627820 /* ldr x0, [x1, x2, lsl #3] */);
    assert_int_equal(X(0), 0x7e);
    run(0xf862f820 /* ldr x0, [x1, x2, sxtx #3] */);
    assert_int_equal(X(0), 0x7e);
    X(2) = 0xffffffff00000008;
    run(0xf8624820 /* ldr x0, [x1, w2, uxtw] */);
    assert_int_equal(X(0), 0x81);
    X(2) = 2;
    run(0xf8627820 /* ldr x0, [x1, x2, lsl #3] */);
    assert_int_equal(X(0), 0x82);
    X(2) = 4;
    run(0x38626820 /* ldrb w0, [x1, x2] */);
    assert_int_equal(X(0), 0);
    run(0xf81f0fe2 /* str x2, [sp, #-16]! */);
    assert_int_equal(X(REG_SP), DATA + 0x7f0);
    assert_int_equal(peek(DATA + 0x7f0), 4);
    run(0xf84107ff /* ldr xzr, [sp], #16 */);
    assert_int_equal(X(REG_SP), DATA + 0x800);
    run(0xf90003ff /* str xzr, [sp] */);
    assert_int_equal(peek(DATA + 0x800), 0);
    /* Literals: word, doubleword, sign-extended word. */
    poke(CODE + 8, 0xf1f2f3f4f5f6f7f8);
    run(0x58000040 /* ldr x0, .+8 */);
    assert_int_equal(X(0), 0xf1f2f3f4f5f6f7f8);
    run(0x18000060 /* ldr w0, .+12 */);
    assert_int_equal(X(0), 0xf1f2f3f4);
    run(0x98000060 /* ldrsw x0, .+12 */);
    assert_int_equal(X(0), 0xfffffffff1f2f3f4);
    /* In the order of the pseudocode: the base wins over the register loaded, the old value is stored. */
    X(1) = DATA + 0x400;
    run(0xf8408421 /* ldr x1, [x1], #8 */);
    assert_int_equal(X(1), DATA + 0x408);
    run(0xf8008c21 /* str x1, [x1, #8]! */);
    assert_int_equal(X(1), DATA + 0x410);
    assert_int_equal(peek(DATA + 0x410), DATA + 0x408);
    /* Prefetches check nothing. */
    X(1) = UNMAPPED;
    X(REG_SP) = DATA + 1;
    run(0xf9800020 /* prfm pldl1keep, [x1] */);
    run(0xf8801020 /* prfum pldl1keep, [x1, #1] */);
    run(0xf8a16be0 /* prfm pldl1keep, [sp, x1] */);
    run(0xd8002000 /* prfm pldl1keep, .+1024 */);
}

static void single_faults(void **state)
{
    (void)state;
    /* A fault changes neither register. */
    X(0) = DIRTY;
    X(1) = UNMAPPED + 8;
    aborts(0xf8410c20 /* ldr x0, [x1, #16]! */, TRANSLATION_3, UNMAPPED + 24, false);
    aborts(0xf8410420 /* ldr x0, [x1], #16 */, TRANSLATION_3, UNMAPPED + 8, false);
    aborts(0xf8010c20 /* str x0, [x1, #16]! */, TRANSLATION_3, UNMAPPED + 24, true);
    aborts(0xf8010420 /* str x0, [x1], #16 */, TRANSLATION_3, UNMAPPED + 8, true);
    assert_int_equal(X(0), DIRTY);
    assert_int_equal(X(1), UNMAPPED + 8);
    /* A page that may be read is not written, also once loads know it. */
    X(1) = READ_ONLY;
    run(0xf9400020 /* ldr x0, [x1] */);
    aborts(0xf9000020 /* str x0, [x1] */, PERMISSION_3, READ_ONLY, true);
    run(0xf9400020 /* ldr x0, [x1] */);
    /* Across the border of a mapped and an unmapped page; FAR is where the fault is. */
    X(1) = UNMAPPED - 4;
    poke(UNMAPPED - 8, 0x1122334455667788);
    aborts(0xf9400020 /* ldr x0, [x1] */, TRANSLATION_3, UNMAPPED, false);
    aborts(0xf9000020 /* str x0, [x1] */, TRANSLATION_3, UNMAPPED, true);
    assert_int_equal(peek(UNMAPPED - 8), 0x1122334455667788);
    /* And of two mapped ones. */
    X(1) = DATA + 0xffd;
    X(2) = 0x0102030405060708;
    run(0xf9000022 /* str x2, [x1] */);
    run(0xf9400020 /* ldr x0, [x1] */);
    assert_int_equal(X(0), 0x0102030405060708);
    assert_int_equal(peek(DATA + 0x1000) & 0xffffffffff, 0x0102030405);
    /* Acquire and release are aligned, whatever the memory; Device memory aligns everything. */
    X(1) = DATA + 1;
    aborts(0x48dffc20 /* ldarh w0, [x1] */, FSC_ALIGNMENT, DATA + 1, false);
    aborts(0xb8bfc020 /* ldapr w0, [x1] */, FSC_ALIGNMENT, DATA + 1, false);
    aborts(0xd9401020 /* ldapur x0, [x1, #1] */, FSC_ALIGNMENT, DATA + 2, false);
    aborts(0x889ffc20 /* stlr w0, [x1] */, FSC_ALIGNMENT, DATA + 1, true);
    aborts(0x59000020 /* stlurh w0, [x1] */, FSC_ALIGNMENT, DATA + 1, true);
    run(0x08dffc20 /* ldarb w0, [x1] */);
    X(1) = DEVICE + 2;
    run(0x79400020 /* ldrh w0, [x1] */);
    aborts(0xb9400020 /* ldr w0, [x1] */, FSC_ALIGNMENT, DEVICE + 2, false);
    aborts(0xb9000020 /* str w0, [x1] */, FSC_ALIGNMENT, DEVICE + 2, true);
}

static void sp_alignment(void **state)
{
    static const uint32_t words[] = {
        0xf94003e0 /* ldr x0, [sp] */,
        0xf90007e0 /* str x0, [sp, #8] */,
        0x384017e0 /* ldrb w0, [sp], #1 */,
        0xa9400be0 /* ldp x0, x2, [sp] */,
        0xa9bf0be0 /* stp x0, x2, [sp, #-16]! */,
        0xc8dfffe0 /* ldar x0, [sp] */,
        0xc85f7fe0 /* ldxr x0, [sp] */,
        0xc8007fe2 /* stxr w0, x2, [sp] */,
        0xf82003e2 /* ldadd x0, x2, [sp] */,
        0xc8a07fe2 /* cas x0, x2, [sp] */,
        0x48207fe2 /* casp x0, x1, x2, x3, [sp] */,
        0xf82007e0 /* ldraa x0, [sp] */,
        0xf8400be0 /* ldtr x0, [sp] */,
        0xf8626be0 /* ldr x0, [sp, x2] */,
    };

    (void)state;
    X(1) = DATA; /* the TLB knows the page: the check is the fast path's own */
    run(0xf9000020 /* str x0, [x1] */);
    run(0xf9400020 /* ldr x0, [x1] */);
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        X(REG_SP) = DATA + 0x808;
        assert_false(step(words[i]));
        assert_int_equal(c->exc.esr >> 26, EC_SP_ALIGN);
        assert_int_equal(X(REG_SP), DATA + 0x808);
    }
    /* Not asked for: then it is an access like any other. */
    SYS(&c->st, SCTLR_EL1) &= ~(UINT64_C(1) << 3);
    run(0xf84087e0 /* ldr x0, [sp], #8 */);
    run(0xa9408be0 /* ldp x0, x2, [sp, #8] */);
    run(0xf94007e0 /* ldr x0, [sp, #8] */);
    assert_int_equal(X(REG_SP), DATA + 0x810);
    X(1) = DATA + 8;
    SYS(&c->st, SCTLR_EL1) |= UINT64_C(1) << 3;
    run(0xf9400020 /* ldr x0, [x1] */); /* only SP is checked */
}

static void pairs(void **state)
{
    (void)state;
    poke(DATA + 0x100, 0x1111111122222222);
    poke(DATA + 0x108, 0xf3333333f4444444);
    X(1) = DATA + 0x100;
    run(0xa9400820 /* ldp x0, x2, [x1] */);
    assert_int_equal(X(0), 0x1111111122222222);
    assert_int_equal(X(2), 0xf3333333f4444444);
    run(0x29c10820 /* ldp w0, w2, [x1, #8]! */);
    assert_int_equal(X(0), 0xf4444444);
    assert_int_equal(X(2), 0xf3333333);
    assert_int_equal(X(1), DATA + 0x108);
    run(0x68ff0820 /* ldpsw x0, x2, [x1], #-8 */);
    assert_int_equal(X(0), 0xfffffffff4444444);
    assert_int_equal(X(2), 0xfffffffff3333333);
    assert_int_equal(X(1), DATA + 0x100);
    run(0xa83f7c22 /* stnp x2, xzr, [x1, #-16] */);
    assert_int_equal(peek(DATA + 0xf0), 0xfffffffff3333333);
    assert_int_equal(peek(DATA + 0xf8), 0);
    run(0xa8400820 /* ldnp x0, x2, [x1] */);
    assert_int_equal(X(0), 0x1111111122222222);
    /* Rt == Rt2: the second is the later one. Base loaded and written back: the base is the last. */
    run(0xa9400020 /* ldp x0, x0, [x1] */);
    assert_int_equal(X(0), 0xf3333333f4444444);
    run(0xa8c10821 /* ldp x1, x2, [x1], #16 */);
    assert_int_equal(X(1), DATA + 0x110);

    /* The second half on the next page. */
    X(1) = DATA + 0xff8;
    X(0) = 0xa;
    X(2) = 0xb;
    for (unsigned warm = 0; warm < 2; warm++) {
        poke(DATA + 0xff8, 0);
        poke(DATA + 0x1000, 0);
        run(0xa9000820 /* stp x0, x2, [x1] */);
        assert_int_equal(peek(DATA + 0xff8), 0xa);
        assert_int_equal(peek(DATA + 0x1000), 0xb);
        run(0xa9401023 /* ldp x3, x4, [x1] */);
        assert_int_equal(X(3), 0xa);
        assert_int_equal(X(4), 0xb);
    }
    /* The first half misaligned over the border, and the whole misaligned within a page. */
    X(1) = DATA + 0xffc;
    run(0xa9000820 /* stp x0, x2, [x1] */);
    run(0xa9401023 /* ldp x3, x4, [x1] */);
    assert_int_equal(X(3), 0xa);
    assert_int_equal(X(4), 0xb);
    X(1) = DATA + 0x204;
    run(0xa9000820 /* stp x0, x2, [x1] */);
    assert_int_equal(peek(DATA + 0x204), 0xa);
    assert_int_equal(peek(DATA + 0x20c), 0xb);

    /* The second half faults: no register and no byte has changed. The TLB knows the first page. */
    X(1) = UNMAPPED - 8;
    X(0) = X(2) = DIRTY;
    poke(UNMAPPED - 8, 77);
    run(0xf9400023 /* ldr x3, [x1] */);
    run(0xf9000023 /* str x3, [x1] */);
    aborts(0xa8810820 /* stp x0, x2, [x1], #16 */, TRANSLATION_3, UNMAPPED, true);
    aborts(0xa8c10820 /* ldp x0, x2, [x1], #16 */, TRANSLATION_3, UNMAPPED, false);
    assert_int_equal(peek(UNMAPPED - 8), 77);
    assert_int_equal(X(0), DIRTY);
    assert_int_equal(X(2), DIRTY);
    assert_int_equal(X(1), UNMAPPED - 8);
    X(1) = READ_ONLY - 8;
    poke(READ_ONLY - 8, 77);
    run(0xf9000023 /* str x3, [x1] */);
    aborts(0xa9800820 /* stp x0, x2, [x1, #0]! */, PERMISSION_3, READ_ONLY, true);
    assert_int_equal(peek(READ_ONLY - 8), 77);
    /* The very top of the address space does not wrap into a hit. */
    X(1) = ONES - 7;
    assert_false(step(0xa9400820 /* ldp x0, x2, [x1] */));
    assert_false(step(0xa9000820 /* stp x0, x2, [x1] */));
}

/* An entry is found at the address it was made for, not at another page of the same slot or one whose second half would be. */
static void pair_slots(void **state)
{
    const gva_t far_page = RAM_BASE + UINT64_C(512) * 4096 * 512; /* same slot as RAM_BASE, nothing there */

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        X(1) = DATA + 0x1000 + 8 * i;
        run(0xf9400020 /* ldr x0, [x1] */); /* knows the page after DATA */
        X(1) = DATA + 0x1000 - 8;
        run(0xa9400820 /* ldp x0, x2, [x1] */);
        X(1) = far_page + (DATA - RAM_BASE) + 0xff8;
        assert_false(step(0xa9400820 /* ldp x0, x2, [x1] */));
    }
}

static void devices(void **state)
{
    (void)state;
    X(1) = BUS + 4;
    run(0xb9400020 /* ldr w0, [x1] */);
    assert_int_equal(X(0), 0x85868788);
    assert_int_equal(bus.gpa, BUS_PA + 4);
    assert_int_equal(bus.size, 4);
    run(0x78802c20 /* ldrsh x0, [x1, #2]! */);
    assert_int_equal(X(0), 0xffffffffffff8788);
    assert_int_equal(bus.gpa, BUS_PA + 6);
    X(2) = 0x1234567890abcdef;
    run(0x39000022 /* strb w2, [x1] */);
    assert_int_equal(bus.val, 0xef);
    assert_int_equal(bus.size, 1);
    assert_true(bus.write);
    X(1) = BUS + 8;
    bus.nr = 0;
    run(0x29007c22 /* stp w2, wzr, [x1] */);
    assert_int_equal(bus.nr, 2);
    assert_int_equal(bus.gpa, BUS_PA + 12);
    assert_int_equal(bus.val, 0);
    /* Nothing answers: external abort. Atomics have no device to go to. */
    X(1) = BUS + 0x800;
    aborts(0xb9400020 /* ldr w0, [x1] */, FSC_EXTERNAL, BUS + 0x800, false);
    aborts(0xb9000020 /* str w0, [x1] */, FSC_EXTERNAL, BUS + 0x800, true);
    X(1) = BUS;
    aborts(0xb8200022 /* ldadd w0, w2, [x1] */, FSC_UNSUPPORTED_ATOMIC, BUS, false);
    aborts(0x885f7c20 /* ldxr w0, [x1] */, FSC_UNSUPPORTED_ATOMIC, BUS, false);
}

static void unprivileged(void **state)
{
    (void)state;
    poke(DATA, 1);
    poke(DATA_EL0, 2);
    X(1) = DATA;
    run(0xf9400020 /* ldr x0, [x1] */);
    run(0xf9000020 /* str x0, [x1] */);
    aborts(0xf8400820 /* ldtr x0, [x1] */, PERMISSION_3, DATA, false);
    aborts(0xf8000820 /* sttr x0, [x1] */, PERMISSION_3, DATA, true);
    X(1) = DATA_EL0;
    run(0xf8400820 /* ldtr x0, [x1] */);
    assert_int_equal(X(0), 2);
    run(0xf8000821 /* sttr x1, [x1] */);
    /* PAN keeps EL1 off EL0's pages, but not its unprivileged accesses. */
    c->st.misc |= PSR_PAN;
    cpu_state_changed(c);
    run(0xf8400820 /* ldtr x0, [x1] */);
    aborts(0xf9400020 /* ldr x0, [x1] */, PERMISSION_3, DATA_EL0, false);
    aborts(0xa9000820 /* stp x0, x2, [x1] */, PERMISSION_3, DATA_EL0, true);
    aborts(0xf8200022 /* ldadd x0, x2, [x1] */, PERMISSION_3, DATA_EL0, false);
    /* UAO makes them ordinary ones. */
    c->st.misc = PSR_UAO;
    cpu_state_changed(c);
    X(1) = DATA;
    run(0xf8400820 /* ldtr x0, [x1] */);
    run(0xf8000820 /* sttr x0, [x1] */);
}

/* --- Exclusives and atomics ------------------------------------------------------------------------------------------------ */

static void exclusives(void **state)
{
    static const uint32_t ld[] = {0x085f7c20 /* ldxrb w0, [x1] */, 0x485ffc20 /* ldaxrh w0, [x1] */,
                                  0x885f7c20 /* ldxr w0, [x1] */, 0xc85ffc20 /* ldaxr x0, [x1] */};
    static const uint32_t st[] = {
        0x08037c22 /* stxrb w3, w2, [x1] */, 0x4803fc22 /* stlxrh w3, w2, [x1] */,
        0x88037c22 /* stxr w3, w2, [x1] */, 0xc803fc22 /* stlxr w3, x2, [x1] */};

    (void)state;
    X(1) = DATA;
    X(2) = 0x0102030405060708;
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t m = mask64(8u << i);
        poke(DATA, 0xf1f2f3f4f5f6f7f8);
        X(3) = DIRTY;
        run(ld[i]);
        assert_int_equal(X(0), 0xf1f2f3f4f5f6f7f8 & m);
        run(st[i]);
        assert_int_equal(X(3), 0);
        assert_int_equal(peek(DATA), (0x0102030405060708 & m) | (0xf1f2f3f4f5f6f7f8 & ~m));
        /* The monitor is open now. */
        run(st[i]);
        assert_int_equal(X(3), 1);
    }
    poke(DATA, 5);
    run(ld[3]);
    poke(DATA, 6); /* somebody else's store */
    run(st[3]);
    assert_int_equal(X(3), 1);
    assert_int_equal(peek(DATA), 6);
    run(ld[3]);
    run(0xd5033f5f /* clrex */);
    run(st[3]);
    assert_int_equal(X(3), 1);
    run(ld[2]);
    run(st[3]); /* another size, and it opens the monitor */
    assert_int_equal(X(3), 1);
    run(st[2]);
    assert_int_equal(X(3), 1);
    run(ld[3]);
    poke(DATA + 8, peek(DATA)); /* another place that looks the same */
    X(1) = DATA + 8;
    run(st[3]);
    assert_int_equal(X(3), 1);
    /* The status register may be thrown away, and the value may be zero's. */
    X(1) = DATA;
    run(ld[3]);
    run(0xc81f7c3f /* stxr wzr, xzr, [x1] */);
    assert_int_equal(peek(DATA), 0);

    X(1) = DATA + 2;
    aborts(ld[2], FSC_ALIGNMENT, DATA + 2, false);
    aborts(st[2], FSC_ALIGNMENT, DATA + 2, true);
    X(1) = READ_ONLY;
    run(ld[3]);
    X(3) = DIRTY;
    aborts(st[3], PERMISSION_3, READ_ONLY, true);
    assert_int_equal(X(3), DIRTY);
}

static void exclusive_pairs(void **state)
{
    (void)state;
    X(1) = DATA;
    X(4) = 0x0102030405060708;
    X(5) = 0x1112131415161718;
    poke(DATA, 0xf1f2f3f4f5f6f7f8);
    poke(DATA + 8, 0xe1e2e3e4e5e6e7e8);
    run(0x887f0820 /* ldxp w0, w2, [x1] */);
    assert_int_equal(X(0), 0xf5f6f7f8);
    assert_int_equal(X(2), 0xf1f2f3f4);
    run(0x88231424 /* stxp w3, w4, w5, [x1] */);
    assert_int_equal(X(3), 0);
    assert_int_equal(peek(DATA), 0x1516171805060708);
    run(0xc87f8820 /* ldaxp x0, x2, [x1] */);
    assert_int_equal(X(0), 0x1516171805060708);
    assert_int_equal(X(2), 0xe1e2e3e4e5e6e7e8);
    run(0xc8239424 /* stlxp w3, x4, x5, [x1] */);
    assert_int_equal(X(3), 0);
    assert_int_equal(peek(DATA), X(4));
    assert_int_equal(peek(DATA + 8), X(5));
    run(0xc8239424 /* stlxp w3, x4, x5, [x1] */);
    assert_int_equal(X(3), 1);
    /* A change in either half is seen. */
    for (unsigned half = 0; half < 2; half++) {
        run(0xc87f0820 /* ldxp x0, x2, [x1] */);
        poke(DATA + 8 * half, 99 + half);
        run(0xc8231424 /* stxp w3, x4, x5, [x1] */);
        assert_int_equal(X(3), 1);
        assert_int_equal(peek(DATA + 8 * half), 99 + half);
    }
    X(1) = DATA + 8;
    aborts(0xc87f0820 /* ldxp x0, x2, [x1] */, FSC_ALIGNMENT, DATA + 8, false);
    aborts(0xc8231424 /* stxp w3, x4, x5, [x1] */, FSC_ALIGNMENT, DATA + 8, true);
    run(0x887f0820 /* ldxp w0, w2, [x1] */);
}

static void compare_and_swap(void **state)
{
    (void)state;
    X(1) = DATA;
    X(2) = 0x0102030405060708;
    poke(DATA, 0xf1f2f3f4f5f6f7f8);
    X(0) = 0xffffff00000000f8; /* only the low byte counts, the result is zero-extended */
    run(0x08a07c22 /* casb w0, w2, [x1] */);
    assert_int_equal(X(0), 0xf8);
    assert_int_equal(peek(DATA), 0xf1f2f3f4f5f6f708);
    X(0) = 1;
    run(0x48a07c22 /* cash w0, w2, [x1] */);
    assert_int_equal(X(0), 0xf708);
    run(0x88a07c22 /* cas w0, w2, [x1] */);
    assert_int_equal(X(0), 0xf5f6f708);
    assert_int_equal(peek(DATA), 0xf1f2f3f4f5f6f708);
    X(0) = DIRTY << 32 | 0xf5f6f708;
    run(0x88e07c22 /* casa w0, w2, [x1] */);
    assert_int_equal(X(0), 0xf5f6f708);
    assert_int_equal(peek(DATA), 0xf1f2f3f405060708);
    X(0) = 0xf1f2f3f405060708;
    run(0xc8e0fc3f /* casal x0, xzr, [x1] */);
    assert_int_equal(peek(DATA), 0);
    run(0xc8bffc22 /* casl xzr, x2, [x1] */); /* expects zero, forgets the result */
    assert_int_equal(peek(DATA), 0x0102030405060708);

    poke(DATA + 0x10, 10);
    poke(DATA + 0x18, 11);
    X(1) = DATA + 0x10;
    X(4) = 20, X(5) = 21;
    X(6) = 10, X(7) = 12;
    run(0x48267c24 /* casp x6, x7, x4, x5, [x1] */);
    assert_int_equal(X(6), 10);
    assert_int_equal(X(7), 11);
    assert_int_equal(peek(DATA + 0x18), 11);
    run(0x4866fc24 /* caspal x6, x7, x4, x5, [x1] */);
    assert_int_equal(peek(DATA + 0x10), 20);
    assert_int_equal(peek(DATA + 0x18), 21);
    X(30) = 20; /* X30 and XZR: the high half is compared with zero and forgotten */
    run(0x483e7c24 /* casp x30, xzr, x4, x5, [x1] */);
    assert_int_equal(X(30), 20);
    poke(DATA + 0x10, 0x2222222211111111);
    X(6) = DIRTY << 32 | 0x11111111, X(7) = DIRTY << 32 | 0x22222222;
    run(0x08267c24 /* casp w6, w7, w4, w5, [x1] */);
    assert_int_equal(X(6), 0x11111111);
    assert_int_equal(X(7), 0x22222222);
    assert_int_equal(peek(DATA + 0x10), UINT64_C(21) << 32 | 20);
    assert_int_equal(peek(DATA + 0x18), 21);

    /* A comparison that fails needs permission to write all the same. */
    X(1) = READ_ONLY;
    X(0) = DIRTY;
    poke(READ_ONLY, 1);
    run(0xf9400023 /* ldr x3, [x1] */);
    aborts(0xc8a07c22 /* cas x0, x2, [x1] */, PERMISSION_3, READ_ONLY, true);
    aborts(0x48267c24 /* casp x6, x7, x4, x5, [x1] */, PERMISSION_3, READ_ONLY, true);
    aborts(0xf83f3022 /* ldset xzr, x2, [x1] */, PERMISSION_3, READ_ONLY, true);
    assert_int_equal(X(0), DIRTY);
    X(1) = DATA + 8;
    aborts(0x48267c24 /* casp x6, x7, x4, x5, [x1] */, FSC_ALIGNMENT, DATA + 8, false);
    run(0x08267c24 /* casp w6, w7, w4, w5, [x1] */);
}

static void atomic_operations(void **state)
{
    static const struct {
        uint32_t word;
        uint64_t s, after, old;
    } t[] = {
        {0xf8220020 /* ldadd x2, x0, [x1] */, 0x10, 0x80000000ffff7f90, 0x80000000ffff7f80},
        {0xb8e20020 /* ldaddal w2, w0, [x1] */, 0x10000, 0x8000000000007f80, 0xffff7f80},
        {0x78220020 /* ldaddh w2, w0, [x1] */, 0x12380, 0x80000000ffffa300, 0x7f80},
        {0x38220020 /* ldaddb w2, w0, [x1] */, 0x80, 0x80000000ffff7f00, 0x80},
        {0xf8221020 /* ldclr x2, x0, [x1] */, 0x80000000000000ff, 0xffff7f00, 0x80000000ffff7f80},
        {0x38a21020 /* ldclrab w2, w0, [x1] */, 0xffffffffffffffff, 0x80000000ffff7f00, 0x80},
        {0xb8222020 /* ldeor w2, w0, [x1] */, 0xffffffffffffffff, 0x800000000000807f, 0xffff7f80},
        {0x78623020 /* ldsetlh w2, w0, [x1] */, 0x8001, 0x80000000ffffff81, 0x7f80},
        {0xf8224020 /* ldsmax x2, x0, [x1] */, 0, 0, 0x80000000ffff7f80},
        {0xf8225020 /* ldsmin x2, x0, [x1] */, 0, 0x80000000ffff7f80, 0x80000000ffff7f80},
        {0xf8226020 /* ldumax x2, x0, [x1] */, 1, 0x80000000ffff7f80, 0x80000000ffff7f80},
        {0xf8227020 /* ldumin x2, x0, [x1] */, 1, 1, 0x80000000ffff7f80},
        {0x38224020 /* ldsmaxb w2, w0, [x1] */, 0x7f, 0x80000000ffff7f7f, 0x80}, /* -128 against 127 */
        {0x38225020 /* ldsminb w2, w0, [x1] */, 0x7f, 0x80000000ffff7f80, 0x80},
        {0x38226020 /* ldumaxb w2, w0, [x1] */, 0x7f, 0x80000000ffff7f80, 0x80},
        {0x38227020 /* lduminb w2, w0, [x1] */, 0x7f, 0x80000000ffff7f7f, 0x80},
        {0x78224020 /* ldsmaxh w2, w0, [x1] */, 0xffff8000, 0x80000000ffff7f80, 0x7f80},
        {0x78227020 /* lduminh w2, w0, [x1] */, 0x8000, 0x80000000ffff7f80, 0x7f80},
        {0x78226020 /* ldumaxh w2, w0, [x1] */, 0x8000, 0x80000000ffff8000, 0x7f80},
        {0xb8225020 /* ldsmin w2, w0, [x1] */, 0x7fffffff, 0x80000000ffff7f80, 0xffff7f80},
        {0xb8224020 /* ldsmax w2, w0, [x1] */, 0x7fffffff, 0x800000007fffffff, 0xffff7f80},
        {0xf8228020 /* swp x2, x0, [x1] */, 0x123456789abcdef0, 0x123456789abcdef0, 0x80000000ffff7f80},
        {0x38e28020 /* swpalb w2, w0, [x1] */, 0x1234, 0x80000000ffff7f34, 0x80},
        {0xf822003f /* stadd x2, [x1] */, 1, 0x80000000ffff7f81, DIRTY},
        {0x3822403f /* stsmaxb w2, [x1] */, 0, 0x80000000ffff7f00, DIRTY},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        for (unsigned warm = 0; warm < 2; warm++) {
            X(0) = DIRTY;
            X(1) = DATA + 0x40;
            X(2) = t[i].s;
            poke(DATA + 0x40, 0x80000000ffff7f80);
            poke(DATA + 0x48, ONES);
            if (!step(t[i].word) || X(0) != t[i].old || peek(DATA + 0x40) != t[i].after ||
                peek(DATA + 0x48) != ONES)
                fail_msg("%u: %08x: old %016llx after %016llx", i, t[i].word,
                         (unsigned long long)X(0), (unsigned long long)peek(DATA + 0x40));
        }
    }
    X(1) = DATA + 4;
    aborts(0xf8220020 /* ldadd x2, x0, [x1] */, FSC_ALIGNMENT, DATA + 4, false);
}

/* Two CPUs on two threads count the same counters with every kind of atomic; none is lost. */
#define TURNS 20000

static void *count(void *arg)
{
    struct cpu *me = arg;
    struct a64_insn at[2];
    uint64_t *x = me->st.x;

    for (unsigned i = 0; i < TURNS; i++) {
        x[1] = DATA;
        do {
            step_on(me, at, 0xc85f7c20 /* ldxr x0, [x1] */);
            x[0]++;
            step_on(me, at, 0xc8037c20 /* stxr w3, x0, [x1] */);
        } while (x[3]);
        x[1] = DATA + 0x40;
        x[0] = 1;
        step_on(me, at, 0xb8200022 /* ldadd w0, w2, [x1] */);
        x[1] = DATA + 0x80; /* 128 bits: both halves count */
        do {
            step_on(me, at, 0xc87f1424 /* ldxp x4, x5, [x1] */);
            x[6] = x[4] + 1;
            x[7] = x[5] - 1;
            step_on(me, at, 0xc8231c26 /* stxp w3, x6, x7, [x1] */);
        } while (x[3]);
        x[4] = x[5] = 0;
        do {
            const uint64_t lo = x[4], hi = x[5];
            x[6] = lo + 1;
            x[7] = hi - 1;
            step_on(me, at, 0x48247c26 /* casp x4, x5, x6, x7, [x1] */);
            x[3] = x[4] == lo && x[5] == hi;
        } while (!x[3]);
    }
    return NULL;
}

static void contended(void **state)
{
    struct cpu *other = new_cpu();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, count, other), 0);
    count(c);
    pthread_join(thread, NULL);
    assert_int_equal(peek(DATA), 2 * TURNS);
    assert_int_equal(peek(DATA + 0x40), 2 * TURNS);
    assert_int_equal(peek(DATA + 0x80), 4 * TURNS);
    assert_int_equal(peek(DATA + 0x88), 0 - UINT64_C(4) * TURNS);
}

/* --- Pointer authentication -------------------------------------------------------------------------------------------------- */

#define SCTLR_EN_ALL (UINT64_C(1) << 31 | UINT64_C(1) << 30 | UINT64_C(1) << 27 | UINT64_C(1) << 13)

static void pac_instructions(void **state)
{
    /* Instruction, key, and what it is done to and with. */
    static const struct {
        uint32_t pac, aut;
        enum pac_key key;
        unsigned reg, modifier; /* REG_ZERO: none */
    } t[] = {
        {0xdac10020 /* pacia x0, x1 */, 0xdac11020 /* autia x0, x1 */, PAC_KEY_IA, 0, 1},
        {0xdac107e0 /* pacib x0, sp */, 0xdac117e0 /* autib x0, sp */, PAC_KEY_IB, 0, REG_SP},
        {0xdac10820 /* pacda x0, x1 */, 0xdac11820 /* autda x0, x1 */, PAC_KEY_DA, 0, 1},
        {0xdac10c20 /* pacdb x0, x1 */, 0xdac11c20 /* autdb x0, x1 */, PAC_KEY_DB, 0, 1},
        {0xdac123e0 /* paciza x0 */, 0xdac133e0 /* autiza x0 */, PAC_KEY_IA, 0, REG_ZERO},
        {0xdac127e0 /* pacizb x0 */, 0xdac137e0 /* autizb x0 */, PAC_KEY_IB, 0, REG_ZERO},
        {0xdac12be0 /* pacdza x0 */, 0xdac13be0 /* autdza x0 */, PAC_KEY_DA, 0, REG_ZERO},
        {0xdac12fe0 /* pacdzb x0 */, 0xdac13fe0 /* autdzb x0 */, PAC_KEY_DB, 0, REG_ZERO},
        {0xd503211f /* pacia1716 */, 0xd503219f /* autia1716 */, PAC_KEY_IA, 17, 16},
        {0xd503215f /* pacib1716 */, 0xd50321df /* autib1716 */, PAC_KEY_IB, 17, 16},
        {0xd503231f /* paciaz */, 0xd503239f /* autiaz */, PAC_KEY_IA, 30, REG_ZERO},
        {0xd503235f /* pacibz */, 0xd50323df /* autibz */, PAC_KEY_IB, 30, REG_ZERO},
        {0xd503233f /* paciasp */, 0xd50323bf /* autiasp */, PAC_KEY_IA, 30, REG_SP},
        {0xd503237f /* pacibsp */, 0xd50323ff /* autibsp */, PAC_KEY_IB, 30, REG_SP},
    };

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        c->st.sys[SR_APIAKeyLo_EL1 + i] = DIRTY * (i + 3);
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        X(t[i].reg) = DATA;
        run(t[i].pac); /* not enabled */
        run(t[i].aut);
        assert_int_equal(X(t[i].reg), DATA);
    }
    SYS(&c->st, SCTLR_EL1) |= SCTLR_EN_ALL;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        X(t[i].reg) = DATA;
        const uint64_t want = pac_add(&c->st, DATA, X(t[i].modifier), t[i].key);
        run(t[i].pac);
        assert_int_equal(X(t[i].reg), want);
        assert_int_not_equal(want, DATA);
        run(t[i].aut);
        assert_int_equal(X(t[i].reg), DATA);
        X(t[i].reg) = want ^ 8;
        run(t[i].aut);
        assert_int_not_equal(X(t[i].reg), DATA ^ 8);
    }
    X(0) = X(30) = pac_add(&c->st, DATA, 0, PAC_KEY_IA);
    run(0xdac143e0 /* xpaci x0 */);
    run(0xd50320ff /* xpaclri */);
    assert_int_equal(X(0), DATA);
    assert_int_equal(X(30), DATA);
    X(0) = pac_add(&c->st, DATA, 0, PAC_KEY_DA);
    run(0xdac147e0 /* xpacd x0 */);
    assert_int_equal(X(0), DATA);
    run(0x9adf3020 /* pacga x0, x1, sp */);
    assert_int_equal(X(0), pac_generic(&c->st, X(1), X(REG_SP)));
}

static void load_authenticated(void **state)
{
    (void)state;
    c->st.sys[SR_APDAKeyLo_EL1] = DIRTY;
    c->st.sys[SR_APDBKeyHi_EL1] = DIRTY;
    poke(DATA + 0x200, 0xabc);
    poke(DATA + 0x1f8, 0xdef);
    /* Not enabled: a load. */
    X(1) = DATA + 0x200;
    run(0xf8200420 /* ldraa x0, [x1] */);
    assert_int_equal(X(0), 0xabc);
    SYS(&c->st, SCTLR_EL1) |= SCTLR_EN_ALL;
    X(1) = pac_add(&c->st, DATA + 0x200, 0, PAC_KEY_DA);
    const uint64_t signed_ptr = X(1);
    run(0xf87ff420 /* ldraa x0, [x1, #-8] */);
    assert_int_equal(X(0), 0xdef);
    assert_int_equal(X(1), signed_ptr);
    run(0xf87ffc20 /* ldraa x0, [x1, #-8]! */);
    assert_int_equal(X(1), DATA + 0x1f8);
    X(1) = pac_add(&c->st, DATA + 0x100, 0, PAC_KEY_DB);
    run(0xf8a20420 /* ldrab x0, [x1, #256] */);
    assert_int_equal(X(0), 0xabc);
    /* The wrong key: no address at all; nothing is written back. */
    X(0) = DIRTY;
    X(1) = signed_ptr;
    assert_false(step(0xf8a01c20 /* ldrab x0, [x1, #8]! */));
    assert_int_equal(c->exc.esr & 0x3c, FSC_TRANSLATION);
    assert_int_equal(X(0), DIRTY);
    assert_int_equal(X(1), signed_ptr);
}

/* The first context is 0, so that the lowest addresses look like few bits of a tag: none may look like that of an empty entry. */
static void lowest_addresses(void **state)
{
    (void)state;
    for (gva_t va = 0; va < 16; va++) {
        X(1) = va;
        aborts(0xf9400020, FSC_TRANSLATION | 1, va, false); /* ldr x0, [x1] */
        aborts(0xf9000020, FSC_TRANSLATION | 1, va, true);  /* str x0, [x1] */
        aborts(0xb9400020, FSC_TRANSLATION | 1, va, false); /* ldr w0, [x1] */
        aborts(0x79400020, FSC_TRANSLATION | 1, va, false); /* ldrh w0, [x1] */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(single_sizes),       T(lowest_addresses), T(addressing_modes),
        T(single_faults),      T(sp_alignment),     T(pairs),
        T(pair_slots),         T(devices),          T(unprivileged),
        T(exclusives),         T(exclusive_pairs),  T(compare_and_swap),
        T(atomic_operations),  T(contended),        T(pac_instructions),
        T(load_authenticated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
