/* Programs through the translator that were made for what once went wrong, or might. Random ones: test_jit_blocks.c. */
#include "jit_cases.h"

/* What may be accessed changes in the middle of a region. x16 is memory of EL0's, x17 is not; in the last turn of the loop x3 is x16, before it is
 * x17, and x4 is 0, before 1. */
static void permissions_change(void **state)
{
    static const struct {
        uint32_t body[8];
        gva_t ends_at; /* words into the body: the fault that ends it */
    } way[] = {
        /* ldr x0, [x3]; msr pan, #1; ldr x1, [x3, #8]; msr pan, #0; str x0, [x3, #16] */
        {{0xf9400060, 0xd500419f, 0xf9400461, 0xd500409f, 0xf9000860}, 2},
        /* msr pan, #1; ldtr x0, [x16]; msr uao, #1; ldtr x0, [x3]; msr uao, #0; msr pan, #0 */
        {{0xd500419f, 0xf8400a00, 0xd500417f, 0xf8400860, 0xd500407f, 0xd500409f}, 3},
        /* msr spsel, x4; mrs x0, sp_el0; msr sp_el0, x0; msr spsel, #1 */
        {{0xd5184204, 0xd5384100, 0xd5184100, 0xd50041bf}, 1},
        /* msr spsel, x4; msr sp_el0, x0; msr spsel, #1 */
        {{0xd5184204, 0xd5184100, 0xd50041bf}, 1},
    };

    (void)state;
    for (unsigned w = 0; w < ARRAY_LEN(way); w++) {
        unsigned n = 0;
        how = (struct jit_options){.check = true, .threshold = 1};
        setup(&none);
        for (unsigned i = 0; i < 0x800; i += 4)
            memcpy(host(VECTORS + i), &(uint32_t){HVC}, 4);
        jit_attach(c, &how);
        keep_trap_handler();
        /* subs x2, x2, #1; csel x3, x16, x17, eq; cset x4, ne; the body; cbnz x2, to the start */
        uint32_t words[16] = {0xf1000442, 0x9a910203, 0x9a9f07e4};
        for (n = 3; n < 11 && way[w].body[n - 3]; n++)
            words[n] = way[w].body[n - 3];
        words[n] = with(0xb5000002, 5, 19, 0 - n);
        words[n + 1] = HVC;
        memcpy(host(PROGRAM), words, sizeof(words));
        SYS(&c->st, SCTLR_EL1) |= 1;
        plain_state();
        c->st.el = c->st.sp_sel = 1;
        c->st.misc = 0;
        c->st.x[2] = 4000;
        c->st.x[16] = DATA_EL0;
        c->st.x[17] = DATA;
        c->st.x[REG_SP] = DATA + 0x800;
        cpu_state_changed(c);
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        assert_true(jit_statistics(c->jit)->insns > 100);
        assert_int_equal(c->st.elr_el[1], PROGRAM + (3 + way[w].ends_at) * 4);
        assert_int_equal(c->st.x[2], 0);
        teardown(&none);
    }
}

/* The kinds of sites that translations have for the instruction at pc. */
static unsigned site_kinds_at(gva_t pc)
{
    unsigned kinds = 0;

    for (const struct jit_region *r = c->jit->regions; r; r = r->next)
        for (unsigned i = 0; i < r->nr_sites; i++)
            if (r->site[i].pc == pc)
                kinds |= 1u << r->site[i].kind;
    return kinds;
}

/* What traps all the time becomes the interpreter's, and what does not stays. */
static void traps_often(void **state)
{
    static const uint32_t often[] = {
        0x1e622820, /* fadd d0, d1, d2: inf - inf */
        0x1e612060, /* fcmp d3, d1: a signalling NaN, and the region is left each time */
        0x4e22d420, /* fadd v0.4s, v1.4s, v2.4s: as singles they are quiet NaNs */
    };

    (void)state;
    for (unsigned w = 0; w < ARRAY_LEN(often); w++) {
        begin(&(struct jit_options){.check = true, .threshold = 1});
        if (!(c->jit->host & JIT_HOST_AVX) || !c->jit->has_traps) {
            teardown(&none);
            skip();
        }
        /* The instruction; fmul d5, d6, d6; subs x0, x0, #1; b.ne to the start */
        const uint32_t words[] = {often[w], 0x1e6608c5, 0xf1000400, 0x54ffffa1, HVC};
        memcpy(host(PROGRAM), words, sizeof(words));
        SYS(&c->st, CPACR_EL1) = UINT64_C(3) << 20;
        plain_state();
        memset(c->st.v, 0, sizeof(c->st.v));
        c->st.v[1].d[0] = UINT64_C(0x7ff0000000000000);
        c->st.v[2].d[0] = UINT64_C(0xfff0000000000000);
        c->st.v[3].d[0] = UINT64_C(0x7ff0000000000001);
        c->st.v[6].d[0] = UINT64_C(0x3ff8000000000000);
        c->st.x[0] = 4000;
        cpu_state_changed(c);
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        const bool quiet = w == 2;
        assert_int_equal(site_kinds_at(PROGRAM), 1u << (quiet ? SITE_FLOAT : SITE_INTERP));
        assert_int_equal(site_kinds_at(PROGRAM + 4), 1u << SITE_FLOAT);
        assert_true(jit_fp_traps_often(c->jit, PROGRAM) == !quiet);
        assert_int_equal(c->st.v[5].d[0], UINT64_C(0x4002000000000000)); /* 2.25 */
        assert_int_equal(c->st.fpsr, quiet ? 0 : FPSR_IOC);
        assert_true(jit_statistics(c->jit)->insns > 8000);
        assert_true(!how.check || c->nr_checked);
        teardown(&none);
    }
}

/* With FZ a denormal dividend is 0: 0/0 is Invalid and no division by zero. */
static void denormal_by_zero(void **state)
{
    (void)state;
    begin(&(struct jit_options){.check = true, .threshold = 1});
    /* fdiv d0, d1, d2; fdiv v3.4s, v4.4s, v2.4s; subs x0, x0, #1; b.ne to the start */
    static const uint32_t words[] = {0x1e621820, 0x6e22fc83, 0xf1000400, 0x54ffffa1, HVC};
    memcpy(host(PROGRAM), words, sizeof(words));
    SYS(&c->st, CPACR_EL1) = UINT64_C(3) << 20;
    plain_state();
    memset(c->st.v, 0, sizeof(c->st.v));
    c->st.v[1].d[0] = 1;
    c->st.v[4].s[3] = 1;
    c->st.fpcr = FPCR_FZ;
    c->st.fpsr = 0;
    c->st.x[0] = 5000;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_int_equal(c->st.v[0].d[0], UINT64_C(0x7ff8000000000000));
    assert_int_equal(c->st.v[3].s[3], 0x7fc00000);
    assert_int_equal(c->st.fpsr, FPSR_IOC | FPSR_IDC);
    assert_true(!how.check || c->nr_checked);
    teardown(&none);
}

/* Straight code of instructions of which each becomes so many operations that they do not fit into one region. */
static void many_operations(void **state)
{
    enum { LEN = 480, ROUNDS = 2000 };
    /* ld3 {v0.16b-v2.16b}, [x16]; tbx v0.16b, {v1.16b-v4.16b}, v5.16b; clz v5.4s, v0.4s; sqrdmulh v1.4s, v2.4s, v5.4s */
    static const uint32_t body[] = {0x4c404200, 0x4e057020, 0x6ea04805, 0x6ea5b441};

    (void)state;
    begin(&(struct jit_options){.check = true, .threshold = 1});
    for (unsigned i = 0; i < LEN; i++)
        memcpy(host(PROGRAM + 4 * i), &body[i % ARRAY_LEN(body)], 4);
    /* subs x2, x2, #1; b.ne to the start */
    const uint32_t end[] = {0xf1000442, with(0x54000001, 5, 19, 0 - (LEN + 1u)), HVC};
    memcpy(host(PROGRAM + 4 * LEN), end, sizeof(end));
    SYS(&c->st, CPACR_EL1) = UINT64_C(3) << 20;
    plain_state();
    c->st.el = c->st.sp_sel = 1;
    c->st.misc = 0;
    c->st.x[2] = ROUNDS;
    c->st.x[16] = DATA;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_int_equal(c->st.x[2], 0);
    assert_true(jit_statistics(c->jit)->insns > (uint64_t)LEN * ROUNDS * 9 / 10);
    assert_true(jit_statistics(c->jit)->nr_guest_insns < 2 * LEN);
    assert_true(!how.check || c->nr_checked);
    teardown(&none);
}

/* A loop whose last turn changes the instruction behind its ISB: x0 counts 1 for the old one and 100 for the new one. */
static void isb_shows_new_code(void **state)
{
    static const uint32_t words[] = {
        0xf1000442, /* subs x2, x2, #1 */
        0x1a870106, /* csel w6, w8, w7, eq */
        0x9a8a00a9, /* csel x9, x5, x10, eq */
        0xb90000a6, /* str w6, [x5] */
        0xd50b7529, /* ic ivau, x9 */
        0xd5033b9f, /* dsb ish */
        0xd5033fdf, /* isb */
        0x91000400, /* add x0, x0, #1 */
        0xb5ffff02, /* cbnz x2, to the start */
        HVC,
    };
    enum { CHANGED = 7, TURNS = 4000 };

    (void)state;
    begin(&(struct jit_options){.threshold = 1});
    memcpy(host(PROGRAM), words, sizeof(words));
    plain_state();
    c->st.el = c->st.sp_sel = 1;
    c->st.x[0] = 0;
    c->st.x[2] = TURNS;
    c->st.x[5] = PROGRAM + CHANGED * 4;
    c->st.x[7] = words[CHANGED];
    c->st.x[8] = 0x91019000; /* add x0, x0, #100 */
    c->st.x[10] = VECTORS;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_true(jit_statistics(c->jit)->insns > 1000);
    assert_int_equal(c->st.x[0], TURNS - 1 + 100);
    teardown(&none);
}

/* A frame that lies across two pages costs the interpreter only for a while. */
static void frame_across_pages(void **state)
{
    static const uint32_t words[] = {
        0xf9000200, /* str x0, [x16] */
        0xf9000601, /* str x1, [x16, #8] */
        0xf9400202, /* ldr x2, [x16] */
        0xf9400603, /* ldr x3, [x16, #8] */
        0x8b020063, /* add x3, x3, x2 */
        0x8b030021, /* add x1, x1, x3 */
        0xf1000400, /* subs x0, x0, #1 */
        0x54ffff21, /* b.ne to the start */
        HVC,
    };
    enum { TURNS = 20000 };
    uint64_t x1 = 0;

    (void)state;
    for (uint64_t x0 = TURNS; x0; x0--)
        x1 += x0 + x1;
    begin(&(struct jit_options){.check = true, .threshold = 1});
    memcpy(host(PROGRAM), words, sizeof(words));
    SYS(&c->st, SCTLR_EL1) |= 1; /* with the MMU off all RAM is one block */
    plain_state();
    c->st.el = c->st.sp_sel = 1;
    c->st.misc = 0;
    c->st.x[0] = TURNS;
    c->st.x[1] = 0;
    c->st.x[16] = DATA + TLB_PAGE_SIZE - 8;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_int_equal(c->st.x[1], x1);
    assert_true(jit_statistics(c->jit)->nr_slow < 1000);
    assert_true(jit_statistics(c->jit)->insns > TURNS);
    assert_true(!how.check || c->nr_checked);
    teardown(&none);
}

/* A region that is dropped while it runs, again and again, leaves by a link to another one. */
static void dropped_region_leaves(void **state)
{
    enum { PAGES = JIT_MAX_PAGES + 1, TURNS = 20000 }; /* more than one region has */

    (void)state;
    begin(&(struct jit_options){.threshold = 1});
    for (unsigned i = 0; i < PAGES; i++) {
        /* ic ivau, x5 only in the first; b to the next page; in the last: subs x2, x2, #1; b.ne to the first; hvc */
        const uint32_t page[] = {i ? 0xd503201f : 0xd50b7525, with(0x14000000, 0, 26, PAGE_INSNS - 1)};
        const uint32_t last[] = {0xf1000442,
                                 with(0x54000001, 5, 19, 0 - ((PAGES - 1) * PAGE_INSNS + 1)), HVC};
        if (i < PAGES - 1)
            memcpy(host(PROGRAM + i * TLB_PAGE_SIZE), page, sizeof(page));
        else
            memcpy(host(PROGRAM + i * TLB_PAGE_SIZE), last, sizeof(last));
    }
    plain_state();
    c->st.el = c->st.sp_sel = 1;
    c->st.x[2] = TURNS;
    c->st.x[5] = PROGRAM;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_int_equal(c->st.x[2], 0);
    assert_true(jit_statistics(c->jit)->nr_invalidated > 2);
    teardown(&none);
}

/* With exact, a region is not used before the guest has been on all of its pages: to look where the others are would set their access flags, which the
 * interpreter would not have done. */
static void access_flags_wait(void **state)
{
    static const uint32_t here[] = {
        0xf1000400, /* subs x0, x0, #1 */
        0x54000060, /* b.eq to the end */
        0x3607ffc1, /* tbz w1, #0, to the start */
        0x140003fd, /* b to the next page */
        HVC,
    };
    static const uint32_t next[] = {0x17fffc00}; /* b to the start */
    const gva_t entry = DESCRIPTOR_OF(PROGRAM + TLB_PAGE_SIZE);
    enum { TURNS = 2000, AF = 1 << 10 };

    (void)state;
    begin(&(struct jit_options){.exact = true, .threshold = 1});
    memcpy(host(PROGRAM), here, sizeof(here));
    memcpy(host(PROGRAM + TLB_PAGE_SIZE), next, sizeof(next));
    SYS(&c->st, SCTLR_EL1) |= 1;
    SYS(&c->st, TCR_EL1) |= TCR_EL1_HA;
    for (uint64_t x1 = 1, turn = 0; turn < 3; x1 ^= 1, turn++) { /* there, not there, there */
        const uint64_t translated = jit_statistics(c->jit)->insns;
        poke(entry, peek(entry) & ~(uint64_t)AF);
        plain_state();
        c->st.x[0] = TURNS;
        c->st.x[1] = x1;
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        assert_int_equal(c->st.x[0], 0);
        assert_int_equal(peek(entry) & AF, x1 ? AF : 0);
        assert_true(jit_statistics(c->jit)->insns > translated + TURNS);
    }
    teardown(&none);
}

/* An access that misses begins again once its page is in the TLB; one that is misaligned where it may not be faults all the same. */
static void misaligned_on_a_known_page(void **state)
{
    static const uint32_t words[] = {
        0xc8dffc22, /* ldar x2, [x1] */
        0xf1000400, /* subs x0, x0, #1 */
        0x54ffffc1, /* b.ne to the start */
        HVC,
    };
    enum { TURNS = 2000 };

    (void)state;
    begin(&(struct jit_options){.threshold = 1});
    memcpy(host(PROGRAM), words, sizeof(words));
    memcpy(host(VECTORS + 0x200), &(uint32_t){HVC}, 4);
    SYS(&c->st, SCTLR_EL1) |= 1;
    for (unsigned misaligned = 0; misaligned < 2; misaligned++) {
        plain_state();
        c->st.x[0] = TURNS;
        c->st.x[1] = DATA + 4 * misaligned;
        cpu_state_changed(c);
        if (misaligned) /* the page is there, and in the TLB */
            assert_true(tlb_translate(c, DATA, 8, WALK_READ, 0, &(struct tlb_view){0}));
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        assert_int_equal(c->st.x[0], misaligned ? TURNS : 0);
    }
    assert_int_equal(SYS(&c->st, ESR_EL1) & 0x3f, FSC_ALIGNMENT);
    assert_int_equal(SYS(&c->st, FAR_EL1), DATA + 4);
    assert_true(jit_statistics(c->jit)->insns > TURNS);
    teardown(&none);
}

static unsigned nr_sites_at(gva_t pc)
{
    unsigned nr = 0;

    for (const struct jit_region *r = c->jit->regions; r; r = r->next)
        for (unsigned i = 0; i < r->nr_sites; i++)
            nr += r->site[i].pc == pc;
    return nr;
}

/* Accesses with a bounded index, off a base that the loop leaves alone, are not checked one by one. That all they may reach is RAM is looked at when the loop is entered;
 * where it is not, they are checked after all, and the one that lies outside faults. */
static void base_outside(void **state)
{
    static const uint32_t words[] = {
        0x927d2024, /* and x4, x1, #0xff8 */
        0xf8646865, /* ldr x5, [x3, x4] */
        0x8b0500c6, /* add x6, x6, x5 */
        0x91002021, /* add x1, x1, #8 */
        0xf1000400, /* subs x0, x0, #1 */
        0x54ffff61, /* b.ne to the start */
        HVC,
    };
    enum { TURNS = 1000, ROOM = 100 };

    (void)state;
    begin(&(struct jit_options){.threshold = 10});
    map_as_block();
    memcpy(host(PROGRAM), words, sizeof(words));
    memcpy(host(VECTORS + 0x200), &(uint32_t){HVC}, 4);
    for (unsigned i = 0; i < ROOM; i++)
        poke(RAM_END - 8 * ROOM + 8 * i, i);
    SYS(&c->st, SCTLR_EL1) |= 1;
    for (unsigned round = 0; round < 4; round++) {
        const bool outside = round % 2;
        plain_state();
        c->st.x[0] = TURNS;
        c->st.x[3] = outside ? RAM_END - 8 * ROOM : DATA;
        cpu_state_changed(c);
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        assert_int_equal(c->st.x[0], outside ? TURNS - ROOM : 0);
        if (round == 0)
            assert_int_equal(site_kinds_at(PROGRAM + 4), 0);
        if (!outside)
            continue;
        assert_int_equal(c->st.x[6], ROOM * (ROOM - 1) / 2);
        assert_int_equal(c->st.elr_el[1], PROGRAM + 4);
        assert_int_equal(SYS(&c->st, ESR_EL1) & 0x3f, FSC_EXTERNAL);
        assert_int_equal(SYS(&c->st, FAR_EL1), RAM_END);
    }
    assert_int_equal(site_kinds_at(PROGRAM + 4), 1u << SITE_MEMORY);
    assert_true(jit_statistics(c->jit)->insns > 2 * TURNS);
    teardown(&none);
}

/* The same where a comparison bounds the index: by a number, or by a register that the loop leaves alone, at which the entry looks then, too. */
static void index_compared(void **state)
{
    static const struct {
        uint32_t compare, leave; /* the branch, to the HVC */
        bool number, less;       /* not by x2; less than it, not no more */
        unsigned high;           /* above the lower half of x2 */
    } way[] = {
        {0x6b02003f, 0x540000c8, false, false, 1}, /* cmp w1, w2; b.hi */
        {0x6b02003f, 0x540000c2, false, true, 1},  /* cmp w1, w2; b.hs */
        {0x6b01005f, 0x540000c3, false, false, 1}, /* cmp w2, w1; b.lo */
        {0xeb02003f, 0x540000c8, false, false, 0}, /* cmp x1, x2; b.hi */
        {0xeb01005f, 0x540000c9, false, true, 0},  /* cmp x2, x1; b.ls */
        {0x7101903f, 0x540000c8, true, false, 0},  /* cmp w1, #100; b.hi */
        {0xf101943f, 0x540000c2, true, true, 0},   /* cmp x1, #101; b.hs */
    };
    static const uint32_t body[] = {
        0xb8617865, /* ldr w5, [x3, x1, lsl #2] */
        0x8b0500c6, /* add x6, x6, x5 */
        0x11000421, /* add w1, w1, #1 */
        0xf1000400, /* subs x0, x0, #1 */
        0x54ffff41, /* b.ne to the start */
        HVC,
    };
    enum { LAST = 100, ROOM = 50 };

    (void)state;
    for (unsigned w = 0; w < ARRAY_LEN(way); w++) {
        begin(&(struct jit_options){.threshold = 10});
        map_as_block();
        memcpy(host(PROGRAM), &way[w], 8);
        memcpy(host(PROGRAM + 8), body, sizeof(body));
        memcpy(host(VECTORS + 0x200), &(uint32_t){HVC}, 4);
        for (uint32_t i = 0; i < 1000; i++)
            memcpy(host(DATA + 4 * i), &(uint32_t){i}, 4);
        for (uint32_t i = 0; i < ROOM; i++)
            memcpy(host(RAM_END - 4 * ROOM + 4 * i), &(uint32_t){i}, 4);
        SYS(&c->st, SCTLR_EL1) |= 1;
        for (unsigned round = 0; round < 6; round++) {
            const bool outside = round == 3, far = round == 4 && !way[w].number;
            const unsigned last = far ? 500 : LAST;
            plain_state();
            c->st.x[0] = 2 * 500;
            c->st.x[2] = last + way[w].less + ((uint64_t)way[w].high << 32);
            if (outside && way[w].compare >> 31) /* shifted, nothing is left of it */
                c->st.x[2] = UINT64_C(1) << 62;
            c->st.x[3] = outside ? RAM_END - 4 * ROOM : DATA;
            cpu_state_changed(c);
            assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
            const unsigned end = outside ? ROOM : last + 1;
            assert_int_equal(c->st.x[1], end);
            assert_int_equal(c->st.x[6], end * (end - 1) / 2);
            if (round == 2) /* 32 bits of an index that came from outside are not all of it, in the first turn */
                assert_int_equal(nr_sites_at(PROGRAM + 8), way[w].compare >> 31 ? 0 : 1);
            if (outside) {
                assert_int_equal(c->st.elr_el[1], PROGRAM + 8);
                assert_int_equal(SYS(&c->st, FAR_EL1), RAM_END);
            }
        }
        assert_true(nr_sites_at(PROGRAM + 8) > 1);
        teardown(&none);
    }
}

/* What stands between the comparison and the branch makes it one of something else: the index is not bounded, and finds the end of RAM. */
static void comparison_outdated(void **state)
{
    enum { ROOM = 50 };
    static const struct {
        uint32_t between;
        uint64_t x1, x2;
        unsigned fault; /* at this index */
    } way[] = {
        {0x91000421, 0, ROOM - 1, ROOM}, /* add x1, x1, #1 */
        {0xd2800502, 60, 1000, 60},      /* mov x2, #40 */
        {0xea01003f, 0, 10, ROOM},       /* tst x1, x1: HI never holds */
    };

    (void)state;
    for (unsigned w = 0; w < ARRAY_LEN(way); w++) {
        const uint32_t words[] = {
            0xeb02003f, /* cmp x1, x2 */
            way[w].between,
            0x540000c8,                       /* b.hi to the HVC */
            0xb8617865,                       /* ldr w5, [x3, x1, lsl #2] */
            0x8b0500c6,                       /* add x6, x6, x5 */
            w == 2 ? 0x91000421 : 0xd503201f, /* add x1, x1, #1 */
            0xf1000400,                       /* subs x0, x0, #1 */
            0x54ffff21,                       /* b.ne to the start */
            HVC,
        };
        begin(&(struct jit_options){.threshold = 1});
        map_as_block();
        memcpy(host(PROGRAM), words, sizeof(words));
        memcpy(host(VECTORS + 0x200), &(uint32_t){HVC}, 4);
        for (unsigned round = 0; round < 4; round++) {
            const bool inside = round < 2;
            plain_state();
            c->st.x[0] = 1000;
            c->st.x[1] = inside ? 0 : way[w].x1;
            c->st.x[2] = way[w].x2;
            c->st.x[3] = inside ? DATA : RAM_END - 4 * ROOM;
            cpu_state_changed(c);
            assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
            if (inside)
                continue;
            assert_int_equal(c->st.x[1], way[w].fault);
            assert_int_equal(c->st.elr_el[1], PROGRAM + 3 * 4);
            assert_int_equal(SYS(&c->st, FAR_EL1), c->st.x[3] + 4 * way[w].fault);
        }
        teardown(&none);
    }
}

/* An index of 32 bits with something above them, where translated code is entered. Where that something would lead there is other memory. */
static void index_not_narrow(void **state)
{
    static const uint32_t words[] = {
        0xb8615865, /* ldr w5, [x3, w1, uxtw #2] */
        0x11000421, /* add w1, w1, #1 */
        0x8b0500c6, /* add x6, x6, x5 */
        0xf1000400, /* subs x0, x0, #1 */
        0x54ffff81, /* b.ne to the start */
        HVC,
    };
    enum { TURNS = 500, L2 = 0x3000, L3 = 0x4000 };

    (void)state;
    begin(&(struct jit_options){.threshold = 10});
    memcpy(host(PROGRAM), words, sizeof(words));
    for (uint32_t i = 0; i < TURNS; i++)
        memcpy(host(DATA + 4 * i), &(uint32_t){i + 1}, 4);
    poke(RAM_BASE + 8 * (1 + (1 << (34 - 30))), (RAM_BASE + L2) | 3);
    poke(RAM_BASE + L2, (RAM_BASE + L3) | 3);
    poke(RAM_BASE + L3 + (DATA - RAM_BASE) / 4096 * 8, DATA2 | 3 | 3 << 8 | 1 << 10);
    SYS(&c->st, SCTLR_EL1) |= 1;
    for (unsigned round = 0; round < 2; round++) {
        plain_state();
        c->st.x[0] = TURNS;
        c->st.x[1] = UINT64_C(1) << 32;
        c->st.x[3] = DATA;
        cpu_state_changed(c);
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        assert_int_equal(c->st.x[6], TURNS * (TURNS + 1) / 2);
    }
    assert_true(jit_statistics(c->jit)->insns > TURNS);
    teardown(&none);
}

/* A conditional compare and its branch, where the flags before are in memory and the compare is of no register. */
static void compare_of_zero(void **state)
{
    static const uint32_t words[] = {
        0xf240001f, /* tst x0, #1 */
        0x6f91f366, /* sqrdmlsh v6.4s, v27.4s, v17.s[0]: the interpreter's */
        0x7a540bef, /* ccmp wzr, #20, #15, eq */
        0x5400006a, /* b.ge over the next two */
        0xf9400062, /* ldr x2, [x3]: may ask for the flags */
        0x91000421, /* add x1, x1, #1 */
        0xf1000400, /* subs x0, x0, #1: nobody asks for the flags before */
        0xb5ffff20, /* cbnz x0, to the start */
        HVC,
    };
    enum { TURNS = 200 };

    (void)state;
    begin(&(struct jit_options){.threshold = 10});
    memcpy(host(PROGRAM), words, sizeof(words));
    SYS(&c->st, CPACR_EL1) = UINT64_C(3) << 20;
    plain_state();
    c->st.x[0] = TURNS;
    c->st.x[3] = DATA;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_int_equal(c->st.x[1], TURNS / 2);
    assert_true(jit_statistics(c->jit)->insns > TURNS);
    teardown(&none);
}

/* Results of load pairs that nobody reads, where C code does the loads: what it has written is not taken for what was there before, nor put over the other
 * result, which may be in the same register. */
static void unwanted_results(void **state)
{
    static const uint32_t words[] = {
        0xf14c3581, /* subs x1, x12, #0x30d, lsl #12 */
        0x887f386c, /* ldxp w12, w14, [x3] */
        0xba0003eb, /* adcs x11, xzr, x0: those flags are worked out of x12 as it was */
        0xd280012c, /* mov x12, #9 */
        0xb9400068, /* ldr w8, [x3] */
        0x8b2f0482, 0x8b2f2485, 0x8b2f0886, 0x8b2f2887,
        0x8b2f0c90, 0x8b2f2c91, /* add x2, x4, w15, uxtb #1 and five like it: so that x8 does not get the first register */
        0xb4000040, /* cbz x0, over the next */
        0x29402069, /* ldp w9, w8, [x3]: in one register */
        0x9b0f7d0d, /* mul x13, x8, x15 */
        0x9bcf7d09, /* umulh x9, x8, x15 */
        HVC,
    };

    (void)state;
    begin(&(struct jit_options){.threshold = 1, .slow_memory = true});
    memcpy(host(PROGRAM), words, sizeof(words));
    poke(DATA, 1 | UINT64_C(3) << 32);
    for (unsigned round = 0; round < 2; round++) {
        plain_state();
        c->st.x[0] = 40;
        c->st.x[3] = DATA;
        c->st.x[12] = 0x400000;
        c->st.x[15] = 5;
        cpu_state_changed(c);
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        assert_int_equal(c->st.x[11], 41);
        assert_int_equal(c->st.x[13], 15);
        assert_int_equal(jit_statistics(c->jit)->insns, round ? ARRAY_LEN(words) - 1 : 0);
        assert_true(jit_hot(c, PROGRAM));
    }
    teardown(&none);
}

/* More pages of code than are kept decoded, around and around. Each knows its translated loop when it is decoded anew, but not that of code which is no
 * more. */
static void many_pages(void **state)
{
    enum { PAGES = 1200, TURNS = 4, EACH = 20, INSNS = 3, OFTEN = 15, NEVER = 60000 };
    static const uint32_t page[] = {
        0xd2800283, /* mov x3, #20 */
        0x91000400, /* add x0, x0, #1 */
        0xf1000463, /* subs x3, x3, #1 */
        0x54ffffc1, /* b.ne two back */
        0x140003fc, /* b to the next page */
    };
    static const uint32_t last[] = {
        0xf1000421, /* subs x1, x1, #1 */
        0x54000040, /* b.eq to the end */
        0xd61f0040, /* br x2 */
        HVC,
    };
    const gva_t first = UINT64_C(0x80000000), changed = first + 7 * TLB_PAGE_SIZE + 4;

    (void)state;
    for (unsigned hot = 0; hot < 2; hot++) {
        begin(&(struct jit_options){.threshold = hot ? OFTEN : NEVER});
        assert_int_equal(ram_add(&ram, first, 8 << 20, RAM_KIND_RAM, NULL), 0);
        SYS(&c->st, SCTLR_EL1) &= ~SCTLR_EL1_M;
        for (unsigned i = 0; i < PAGES; i++)
            memcpy(host(first + i * (gva_t)TLB_PAGE_SIZE), page, sizeof(page));
        memcpy(host(first + PAGES * (gva_t)TLB_PAGE_SIZE), last, sizeof(last));
        for (unsigned more = 0; more < 2; more++) {
            plain_state();
            c->st.x[1] = TURNS;
            c->st.x[2] = c->st.pc = first;
            assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
            assert_int_equal(c->st.x[0], (PAGES + more) * EACH * TURNS);
            if (hot) /* all but the first turn */
                assert_true(jit_statistics(c->jit)->insns > PAGES * EACH * INSNS * (TURNS - 2));
            else
                assert_int_equal(jit_statistics(c->jit)->insns, 0);
            memcpy(host(changed), &(uint32_t){0x91000800}, 4); /* add x0, x0, #2 */
            cluster_code_changed(&cluster, changed, 4);
        }
        teardown(&none);
    }
}

/* A write of SCTLR_EL1 drops what is in the TLB, but not if only pointer authentication is another, or nothing is. */
static void tlb_after_sctlr(void **state)
{
    static const uint32_t words[] = {
        0xd5181003, /* msr sctlr_el1, x3 */
        0xf9400022, /* ldr x2, [x1] */
        HVC,
    };
    static const struct {
        uint64_t changes;
        bool drops;
    } way[] = {{0, true}, {0, false}, {SCTLR_EL1_EnIA | SCTLR_EL1_EnDB, false}, {SCTLR_EL1_I, true}};

    (void)state;
    begin(&(struct jit_options){.off = true});
    memcpy(host(PROGRAM), words, sizeof(words));
    SYS(&c->st, SCTLR_EL1) |= SCTLR_EL1_M;
    plain_state();
    for (unsigned w = 0; w < ARRAY_LEN(way); w++) { /* the first one finds nothing */
        const uint64_t misses = c->nr_tlb_misses;
        c->st.pc = PROGRAM;
        c->st.x[1] = DATA;
        c->st.x[3] = SYS(&c->st, SCTLR_EL1) ^ way[w].changes;
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        assert_int_equal(c->nr_tlb_misses > misses, way[w].drops);
        assert_int_equal(SYS(&c->st, SCTLR_EL1), c->st.x[3]);
    }
    teardown(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_outside),
        cmocka_unit_test(index_compared),
        cmocka_unit_test(comparison_outdated),
        cmocka_unit_test(index_not_narrow),
        cmocka_unit_test(compare_of_zero),
        cmocka_unit_test(unwanted_results),
        cmocka_unit_test(traps_often),
        cmocka_unit_test(permissions_change),
        cmocka_unit_test(denormal_by_zero),
        cmocka_unit_test(many_operations),
        cmocka_unit_test(isb_shows_new_code),
        cmocka_unit_test(frame_across_pages),
        cmocka_unit_test(dropped_region_leaves),
        cmocka_unit_test(access_flags_wait),
        cmocka_unit_test(misaligned_on_a_known_page),
        cmocka_unit_test(many_pages),
        cmocka_unit_test(tlb_after_sctlr),
    };

    if (!jit_available()) {
        printf("SKIP test_jit_cases: no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
