/* Calls, returns and the stack pointer in translated code. */
#include "jit_cases.h"

#include "arch/walk_tables.h"

/* A function that is called within the region, and that returns from another one now and then. */
static void calls(void **state)
{
    enum { FAR = JIT_MAX_PAGES * TLB_PAGE_SIZE, TURNS = 3000 };
    static const uint32_t words[] = {
        0x94000006,                         /* bl f */
        0x8b020021,                         /* add x1, x1, x2 */
        0xf1000400,                         /* subs x0, x0, #1 */
        0x54ffffa1,                         /* b.ne to the start */
        HVC,        0xd503201f, 0x91000c42, /* f: add x2, x2, #3 */
        0x37100040,                         /* tbnz w0, #2, to the branch */
        0xd65f03c0,                         /* ret */
        0xd61f0220,                         /* br x17 */
    };
    static const uint32_t far[] = {
        0x8b020063, /* add x3, x3, x2 */
        0xb4000044, /* cbz x4, over the next */
        0xaa0403fe, /* mov x30, x4 */
        0xd65f03c0, /* ret */
    };
    uint64_t x1 = 0, x2 = 0, x3 = 0;

    (void)state;
    for (uint64_t i = TURNS; i; i--) {
        x2 += 3;
        x3 += i & 4 ? x2 : 0;
        x1 += x2;
    }
    /* With x4 = 0 it returns to the caller. Otherwise to there, which is no instruction's address: not even if it looks like the tag of a frame, or like
     * what lies below all frames. */
    static const uint64_t to[] = {0, 1, 2, 3, 5, 6, 7, UINT64_MAX};
    for (unsigned way = 0; way < ARRAY_LEN(to); way++) {
        const uint64_t x4 = to[way];
        begin(&(struct jit_options){.check = x4 == 0, .threshold = 1});
        memcpy(host(PROGRAM), words, sizeof(words));
        memcpy(host(PROGRAM + FAR), far, sizeof(far));
        memcpy(host(VECTORS + 0x200), &(uint32_t){HVC}, 4);
        plain_state();
        memset(c->st.x, 0, sizeof(c->st.x[0]) * 5);
        c->st.el = c->st.sp_sel = 1;
        c->st.x[0] = x4 ? TURNS & ~7u : TURNS;
        c->st.x[17] = PROGRAM + FAR;
        c->st.x[REG_SP] = DATA + 0x800;
        cpu_state_changed(c);
        /* First without, so that all of it is translated. */
        if (x4) {
            assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
            c->st.pc = PROGRAM;
            c->st.x[0] = 4;
            c->st.x[4] = x4;
            cpu_state_changed(c);
        }
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        if (x4) {
            assert_int_equal(c->st.elr_el[1], x4);
            assert_int_equal(c->st.x[0], 4);
        } else {
            assert_int_equal(c->st.x[1], x1);
            assert_int_equal(c->st.x[2], x2);
            assert_int_equal(c->st.x[3], x3);
            assert_true(jit_statistics(c->jit)->insns > TURNS);
        }
        assert_true(!how.check || c->nr_checked);
        teardown(&none);
    }
}

/* Whether a region has a call by register within. */
static bool calls_within(void)
{
    const struct jit_region *r = c->jit->regions;

    while (r && !r->page[0].unguarded)
        r = r->next;
    return r;
}

/* A call by register stays within the region as long as the register is as it was when that was made. Wherever else it is, the call goes there. */
static void calls_by_register(void **state)
{
    enum { TURNS = 300, F = PROGRAM - RAM_BASE + 7 * 4, G = F + 3 * 4 };
    static const uint32_t words[] = {
        0xf1000463,             /* subs x3, x3, #1 */
        0x54ffffe1,             /* b.ne to the start */
        0xd63f0260,             /* blr x19 */
        0x8b020021,             /* add x1, x1, x2 */
        0xf1000400,             /* subs x0, x0, #1 */
        0x54ffffa1,             /* b.ne to the call */
        HVC,        0x91000c42, /* f: add x2, x2, #3 */
        0xd65f03c0,             /* ret */
        HVC,        0x91001442, /* g: add x2, x2, #5 */
        0xd65f03c0,             /* ret */
    };
    static const uint32_t new_mapping[] = {
        0xd508871f, /* tlbi vmalle1 */
        0xd5033f9f, /* dsb sy */
        0xd5033fdf, /* isb */
        HVC,
    };
    static const struct {
        uint64_t x19;
        unsigned adds; /* what is called; 0: it faults there */
        unsigned ec;   /* with this */
        bool guarded;
        bool loops_before; /* so that a region is made before anything is called, when all has been run once */
    } way[] = {
        {RAM_BASE + F, 3, 0, false, false},
        {RAM_BASE + G, 5, 0, false, false},
        {RAM_BASE + F, 3, 0, false, false},
        {(RAM_BASE + F) | UINT64_C(0x55) << 56, 3, 0, false, false},
        {RAM_BASE + F + 2, 0, EC_PC_ALIGN, false, false},
        {RAM_BASE + F, 0, EC_BTI, true, false},
        {RAM_BASE + F, 0, EC_BTI, true, true},
        {RAM_BASE + G, 0, EC_BTI, true, true},
    };

    (void)state;
    for (unsigned check = 0; check < 2; check++) {
        begin(&(struct jit_options){.check = check, .threshold = 1});
        memcpy(host(PROGRAM), words, sizeof(words));
        memcpy(host(VECTORS), new_mapping, sizeof(new_mapping));
        memcpy(host(VECTORS + 0x200), &(uint32_t){HVC}, 4);
        SYS(&c->st, TCR_EL1) |= TCR_EL1_TBI0;
        for (unsigned w = 0; w < ARRAY_LEN(way); w++) {
            if (way[w].guarded) {
                const gpa_t desc = DESCRIPTOR_OF(PROGRAM);
                poke(desc, peek(desc) | DESC_GP);
                plain_state();
                c->st.pc = VECTORS;
                assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
            }
            const uint64_t before = jit_statistics(c->jit)->insns;
            plain_state();
            c->st.x[0] = c->st.x[3] = TURNS;
            c->st.x[19] = way[w].x19;
            c->st.pc = PROGRAM + (way[w].loops_before ? 0 : 2 * 4);
            assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
            if (!w)
                assert_true(calls_within());
            if (way[w].adds) {
                assert_int_equal(c->st.x[2], way[w].adds * TURNS);
                assert_int_equal(c->st.x[1], way[w].adds * (TURNS * (TURNS + 1) / 2));
                assert_int_equal(c->st.x[30], PROGRAM + 3 * 4);
            } else {
                assert_int_equal(SYS(&c->st, ESR_EL1) >> 26, way[w].ec);
                assert_int_equal(c->st.elr_el[1], way[w].x19);
                assert_int_equal(c->st.x[0], TURNS);
            }
            if (way[w].adds && !check)
                assert_true(jit_statistics(c->jit)->insns - before > 5 * (TURNS - 20));
        }
        assert_true(!check || c->nr_checked);
        teardown(&none);
    }
}

/* A region that takes an aligned SP for granted, entered with one that is not; one that does not, because it adds 8 to it. */
static void sp_not_as_expected(void **state)
{
    static const uint32_t program[2][7] = {
        {
            0xf81f0fe0, /* str x0, [sp, #-16]! */
            0xf84107e1, /* ldr x1, [sp], #16 */
            0x8b010042, /* add x2, x2, x1 */
            0xf1000400, /* subs x0, x0, #1 */
            0x54ffff81, /* b.ne to the start */
            HVC,
            HVC,
        },
        {
            0xf94003e1, /* ldr x1, [sp] */
            0x910023ff, /* add sp, sp, #8 */
            0x910023ff, /* add sp, sp, #8 */
            0x8b000042, /* add x2, x2, x0 */
            0xf1000400, /* subs x0, x0, #1 */
            0x54ffff61, /* b.ne to the start */
            HVC,
        },
    };
    enum { TURNS = 200 };

    (void)state;
    for (unsigned p = 0; p < ARRAY_LEN(program); p++) {
        begin(&(struct jit_options){.threshold = 10});
        memcpy(host(PROGRAM), program[p], sizeof(program[p]));
        memcpy(host(VECTORS + 0x200), &(uint32_t){HVC}, 4);
        SYS(&c->st, SCTLR_EL1) |= SCTLR_EL1_SA;
        for (unsigned round = 0; round < 4; round++) {
            const uint64_t off = round % 2 * 8;
            plain_state();
            c->st.x[0] = TURNS;
            c->st.x[REG_SP] += off;
            cpu_state_changed(c);
            assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
            assert_int_equal(c->st.x[2], off ? 0 : TURNS * (TURNS + 1) / 2);
            if (off) {
                assert_int_equal(c->st.elr_el[1], PROGRAM);
                assert_int_equal(SYS(&c->st, ESR_EL1) >> 26, EC_SP_ALIGN);
            }
            assert_int_equal(c->jit->unit->sp_aligned, p == 0 && round < 2);
        }
        assert_true(jit_statistics(c->jit)->insns > TURNS);
        teardown(&none);
    }
}

/* Calls and returns without end come out of translated code as often as anything else. */
static struct {
    unsigned times;
    uint64_t at, longest; /* instructions */
} came_out;

static void between_slices(void *opaque)
{
    (void)opaque;
    came_out.longest = MAX(came_out.longest, c->nr_insns - came_out.at);
    came_out.at = c->nr_insns;
    if (++came_out.times == 400)
        cpu_kick(c);
}

static void calls_without_end(void **state)
{
    static const uint32_t program[2][9] = {
        {
            0xd2801900, /* mov x0, #200 */
            0x94000002, /* bl f */
            0x17fffffe, /* b to the start */
            0xa9bf7bfd, /* f: stp x29, x30, [sp, #-16]! */
            0xf1000400, /* subs x0, x0, #1 */
            0x54000040, /* b.eq over the next */
            0x97fffffd, /* bl f */
            0xa8c17bfd, /* ldp x29, x30, [sp], #16 */
            0xd65f03c0, /* ret */
        },
        {
            0x94000002, /* bl g */
            0x17ffffff, /* b to the start */
            0x91000442, /* g: add x2, x2, #1 */
            0xd65f03c0, /* ret */
        },
    };
    enum { SLICE = 8192 };
    static struct cpu_ops timed;

    (void)state;
    for (unsigned p = 0; p < ARRAY_LEN(program); p++) {
        begin(&(struct jit_options){.threshold = 1});
        memcpy(host(PROGRAM), program[p], sizeof(program[p]));
        plain_state();
        c->st.x[REG_SP] = DATA2 + 0x1000; /* 3 KiB of frames */
        timed = ops;
        timed.deadline = between_slices;
        c->ops = &timed;
        memset(&came_out, 0, sizeof(came_out));
        cpu_set_deadline(c, 0);
        assert_int_equal(cpu_run(c), CPU_LEAVE_KICK);
        assert_int_equal(came_out.times, 400);
        assert_true(came_out.longest <= 2 * SLICE);
        assert_true(jit_statistics(c->jit)->insns > 100 * SLICE);
        teardown(&none);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
        cmocka_unit_test(calls_by_register),
        cmocka_unit_test(calls_without_end),
        cmocka_unit_test(sp_not_as_expected),
    };

    if (!jit_available()) {
        printf("SKIP test_jit_calls: no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
