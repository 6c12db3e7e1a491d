/* The generic timers: registers, lines, and deadlines to the nanosecond. */
#include "base/bits.h"
#include "dev/gtimer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h> /* wants the ones above */

/* S3_3_C14_Cm_op2 */
#define TIMER(crm, op2) ((uint16_t)(0xdf00 | (crm) << 3 | (op2)))
#define TVAL(v) TIMER((v) ? 3 : 2, 0)
#define CTL(v) TIMER((v) ? 3 : 2, 1)
#define CVAL(v) TIMER((v) ? 3 : 2, 2)
#define NEVER UINT64_MAX
#define BASE UINT64_C(1000000)

struct fixture {
    struct gtimer t;
    bool line[32];
    unsigned calls;
};

static void on_ppi(void *opaque, unsigned intid, bool level)
{
    struct fixture *f = opaque;
    assert_true(intid == GTIMER_INTID_VIRT || intid == GTIMER_INTID_PHYS);
    assert_true(f->line[intid] != level); /* changes only */
    f->line[intid] = level;
    f->calls++;
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    gtimer_init(&f->t, BASE, 62500000, on_ppi, f);
}

static uint64_t rd(struct fixture *f, uint16_t reg, uint64_t now)
{
    uint64_t val = 0xdeadbeefdeadbeef;
    assert_true(gtimer_sysreg_read(&f->t, reg, now, &val));
    return val;
}

static void wr(struct fixture *f, uint16_t reg, uint64_t now, uint64_t val)
{
    assert_true(gtimer_sysreg_write(&f->t, reg, now, val));
}

static uint64_t at(uint64_t count)
{
    return BASE + count * 16;
}

static void test_encodings(void **state)
{
    struct fixture f;
    uint64_t val = 7;
    (void)state;
    setup(&f);
    assert_int_equal(gtimer_deadline(&f.t), NEVER);
    for (unsigned e = 0; e < 0x10000; e++) {
        bool mine =
            e == 0xdf10 || e == 0xdf11 || e == 0xdf12 || e == 0xdf18 || e == 0xdf19 || e == 0xdf1a;
        assert_int_equal(gtimer_sysreg_read(&f.t, (uint16_t)e, BASE, &val), mine);
        assert_int_equal(gtimer_sysreg_write(&f.t, (uint16_t)e, BASE, 0), mine);
    }
}

static void test_registers(void **state)
{
    struct fixture f;
    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        setup(&f);
        wr(&f, CVAL(v), at(0), 0x123456789abcdef0);
        assert_int_equal(rd(&f, CVAL(v), at(5)), 0x123456789abcdef0);
        assert_int_equal(rd(&f, CVAL(!v), at(5)), 0); /* the other timer is another */
        /* CTL: ENABLE and IMASK are stored, ISTATUS is not writable, the rest is RES0. */
        wr(&f, CTL(v), at(0), ~UINT64_C(0));
        assert_int_equal(rd(&f, CTL(v), at(0)), 3);
        wr(&f, CTL(v), at(0), 4);
        assert_int_equal(rd(&f, CTL(v), at(0)), 0);
        assert_int_equal(f.calls, 0);
    }
}

static void test_tval(void **state)
{
    struct fixture f;
    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        setup(&f);
        f.t.cntvoff = 40;
        uint64_t off = v ? 40 : 0;
        /* Signed 32-bit, relative to the count; bits 63:32 are ignored. */
        wr(&f, TVAL(v), at(100), 0xffffffff00000064);
        assert_int_equal(rd(&f, CVAL(v), at(100)), 200 - off);
        assert_int_equal(rd(&f, TVAL(v), at(100)), 100);
        assert_int_equal(rd(&f, TVAL(v), at(199)), 1);
        assert_int_equal(rd(&f, TVAL(v), at(199) + 15), 1);
        assert_int_equal(rd(&f, TVAL(v), at(200)), 0);
        assert_int_equal(rd(&f, TVAL(v), at(201)), 0xffffffff); /* goes on below 0, zero-extended */
        assert_int_equal(rd(&f, TVAL(v), at(100) + (UINT64_C(16) << 32)), 100); /* and wraps after 2^32 */
        wr(&f, TVAL(v), at(100), 0xfffffff6);                                   /* -10 */
        assert_int_equal(rd(&f, CVAL(v), at(100)), 90 - off);
        wr(&f, TVAL(v), at(100), 0x80000000);
        assert_int_equal(rd(&f, CVAL(v), at(100)), 100 - off - UINT64_C(0x80000000)); /* below 0: wraps */
        wr(&f, TVAL(v), at(100), 0x7fffffff);
        assert_int_equal(rd(&f, CVAL(v), at(100)), 100 - off + 0x7fffffff);
        wr(&f, CVAL(v), at(100), 0x100000000 + 150);
        assert_int_equal(rd(&f, TVAL(v), at(100)), 50 + off);
    }
}

static void test_fires_at_the_nanosecond(void **state)
{
    struct fixture f;
    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        unsigned intid = v ? 27 : 30;
        setup(&f);
        f.t.cntvoff = 1000;
        uint64_t off = v ? 1000 : 0;
        wr(&f, CVAL(v), at(1000), 2000);
        assert_int_equal(gtimer_deadline(&f.t), NEVER); /* disabled */
        wr(&f, CTL(v), at(1000), 1);
        uint64_t when = at(2000 + off);
        assert_int_equal(gtimer_deadline(&f.t), when);
        gtimer_poll(&f.t, when - 1);
        assert_false(f.line[intid]);
        assert_int_equal(rd(&f, CTL(v), when - 1), 1);
        assert_int_equal(gtimer_deadline(&f.t), when);
        gtimer_poll(&f.t, when);
        assert_true(f.line[intid]);
        assert_int_equal(rd(&f, CTL(v), when), 5);
        assert_int_equal(gtimer_deadline(&f.t), NEVER); /* it stays until software does something */
        gtimer_poll(&f.t, when + 1000000);
        assert_true(f.line[intid]);

        /* IMASK takes the line away, not ISTATUS, and no deadline is left. */
        wr(&f, CTL(v), when, 3);
        assert_false(f.line[intid]);
        assert_int_equal(rd(&f, CTL(v), when), 7);
        wr(&f, CTL(v), when, 1);
        assert_true(f.line[intid]);
        /* A later CVAL takes both away, at once. */
        wr(&f, TVAL(v), when, 10);
        assert_false(f.line[intid]);
        assert_int_equal(rd(&f, CTL(v), when), 1);
        assert_int_equal(gtimer_deadline(&f.t), when + 160);
        /* A CVAL in the past brings them back at once. */
        wr(&f, CVAL(v), when, 0);
        assert_true(f.line[intid]);
        wr(&f, CTL(v), when, 0);
        assert_false(f.line[intid]);
        assert_int_equal(rd(&f, CTL(v), when), 0);
        assert_int_equal(f.calls, 6);
        wr(&f, CTL(v), when, 2);
        wr(&f, CVAL(v), when, ~UINT64_C(0) >> 2);
        wr(&f, CTL(v), when, 3);
        assert_int_equal(gtimer_deadline(&f.t), NEVER); /* masked */
    }
}

static void test_odd_times(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f);
    /* base_ns is no multiple of the tick: the count changes at base + 16n. */
    gtimer_init(&f.t, 1000003, 62500000, on_ppi, &f);
    wr(&f, CVAL(0), 1000003, 1);
    wr(&f, CTL(0), 1000003, 1);
    assert_int_equal(gtimer_deadline(&f.t), 1000019);
    gtimer_poll(&f.t, 1000018);
    assert_false(f.line[30]);
    gtimer_poll(&f.t, 1000019);
    assert_true(f.line[30]);
    /* A clock that is asked before its time counts 0. */
    assert_int_equal(rd(&f, TVAL(0), 5), 1);
}

static void test_both_run(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f);
    wr(&f, CVAL(0), at(0), 300);
    wr(&f, CVAL(1), at(0), 200);
    wr(&f, CTL(0), at(0), 1);
    wr(&f, CTL(1), at(0), 1);
    assert_int_equal(gtimer_deadline(&f.t), at(200));
    gtimer_poll(&f.t, at(200));
    assert_true(f.line[27]);
    assert_false(f.line[30]);
    assert_int_equal(gtimer_deadline(&f.t), at(300));
    gtimer_poll(&f.t, at(400));
    assert_true(f.line[30]);
    assert_int_equal(gtimer_deadline(&f.t), NEVER);
    gtimer_reset(&f.t);
    assert_false(f.line[27]);
    assert_false(f.line[30]);
    assert_int_equal(rd(&f, CTL(0), at(400)), 0);
    assert_int_equal(rd(&f, CVAL(1), at(400)), 0);
    assert_int_equal(gtimer_deadline(&f.t), NEVER);
}

static void test_far_future(void **state)
{
    struct fixture f;
    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        setup(&f);
        f.t.cntvoff = 7;
        wr(&f, CVAL(v), at(100), ~UINT64_C(0));
        wr(&f, CTL(v), at(100), 1);
        assert_int_equal(gtimer_deadline(&f.t), NEVER);
        assert_false(f.line[27] || f.line[30]);
        /* The last count that host time can express, and the one after. */
        uint64_t last = (UINT64_MAX - BASE) / 16 - (v ? 7 : 0);
        wr(&f, CVAL(v), at(100), last);
        assert_int_equal(gtimer_deadline(&f.t), BASE + (UINT64_MAX - BASE) / 16 * 16);
        wr(&f, CVAL(v), at(100), last + 1);
        assert_int_equal(gtimer_deadline(&f.t), NEVER);
        wr(&f, CVAL(v), at(100), UINT64_C(1) << 63);
        assert_int_equal(gtimer_deadline(&f.t), NEVER);
    }
}

/* CNTVOFF ahead of the count: the virtual count is near 2^64, and wraps when the physical one reaches the offset. */
static void test_virtual_wrap(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f);
    f.t.cntvoff = 1000;
    wr(&f, CVAL(1), at(0), 5);
    wr(&f, CTL(1), at(0), 1);
    assert_true(f.line[27]); /* 2^64 - 1000 is above 5, unsigned */
    assert_int_equal(gtimer_deadline(&f.t), at(1000));
    gtimer_poll(&f.t, at(1000) - 1);
    assert_true(f.line[27]);
    gtimer_poll(&f.t, at(1000));
    assert_false(f.line[27]);
    assert_int_equal(gtimer_deadline(&f.t), at(1005));
    gtimer_poll(&f.t, at(1005));
    assert_true(f.line[27]);
    assert_int_equal(gtimer_deadline(&f.t), NEVER);

    /* Before the wrap, a CVAL that is still to come, and CVAL ~0. */
    setup(&f);
    f.t.cntvoff = 1000;
    wr(&f, CVAL(1), at(0), (uint64_t)-400);
    wr(&f, CTL(1), at(0), 1);
    assert_false(f.line[27]);
    assert_int_equal(gtimer_deadline(&f.t), at(600));
    wr(&f, CVAL(1), at(0), ~UINT64_C(0));
    assert_int_equal(gtimer_deadline(&f.t), at(999));
    gtimer_poll(&f.t, at(999));
    assert_true(f.line[27]);
    assert_int_equal(gtimer_deadline(&f.t), at(1000));
    /* CVAL 0 is met at every count. */
    wr(&f, CVAL(1), at(999), 0);
    assert_int_equal(gtimer_deadline(&f.t), NEVER);

    /* A negative offset puts the virtual count ahead; nothing wraps within the life of the host. */
    setup(&f);
    f.t.cntvoff = (uint64_t)-5;
    wr(&f, CVAL(1), at(0), 3);
    wr(&f, CTL(1), at(0), 1);
    assert_true(f.line[27]);
    wr(&f, CVAL(1), at(0), 9);
    assert_false(f.line[27]);
    assert_int_equal(gtimer_deadline(&f.t), at(4));
}

/* Whatever is written: the line is right at each time, and does not move before the deadline, and does at it. */
static void test_random(void **state)
{
    uint64_t x = 0x2545f4914f6cdd1d;
    (void)state;
    for (unsigned n = 0; n < 20000; n++) {
        struct fixture f;
        setup(&f);
        uint64_t r[4];
        for (unsigned i = 0; i < 4; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            r[i] = x;
        }
        unsigned v = r[0] & 1;
        f.t.cntvoff = (r[0] & 2 ? 0 : r[0] & 4 ? r[1] % 64 : r[0] & 8 ? -(r[1] % 64) : r[1]);
        uint64_t now = at(r[2] % 64) + r[2] / 64 % 16, off = v ? f.t.cntvoff : 0;
        uint64_t cval = r[0] & 16   ? r[3] % 64
                        : r[0] & 32 ? 64 - off - r[3] % 64
                        : r[0] & 64 ? -(r[3] % 64)
                                    : r[3];
        wr(&f, CVAL(v), now, cval);
        wr(&f, CTL(v), now, 1);
        uint64_t deadline = gtimer_deadline(&f.t);
        bool level = f.line[v ? 27 : 30];
        assert_int_equal(level, (now - BASE) / 16 - off >= cval);
        assert_true(deadline > now);
        for (uint64_t t = now; t < at(200); t++) {
            bool want = (t - BASE) / 16 - off >= cval;
            if (t < deadline)
                assert_int_equal(want, level);
            if (t == deadline)
                assert_int_not_equal(want, level);
            if (t >= deadline)
                break;
        }
        gtimer_poll(&f.t, at(200));
        assert_int_equal(f.line[v ? 27 : 30], 200 - off >= cval);
    }
}

/* A host counter whose ticks are no whole nanoseconds: what its clock says, rounded down, is that tick's count again, and a line rises with it. */
static void test_ticks_of_another_counter(void **state)
{
    static const struct {
        uint32_t hz;
        uint64_t numer, denom; /* ns = ticks * numer / denom */
    } rate[] = {{24000000, 125, 3}, {1000000000, 1, 1}, {19200000, 625, 12}};
    const uint64_t base = 2000000; /* a whole number of each one's ticks */

    (void)state;
    for (unsigned r = 0; r < ARRAY_LEN(rate); r++) {
        struct fixture f = {0};
        const uint64_t first = base * rate[r].denom / rate[r].numer;
        gtimer_init(&f.t, base, rate[r].hz, on_ppi, &f);
        for (uint64_t tick = 1; tick < UINT64_C(1) << 50; tick = tick * 2 + tick % 3) {
            const uint64_t now = (first + tick) * rate[r].numer / rate[r].denom;
            wr(&f, CTL(0), now, 0);
            wr(&f, CVAL(0), now, tick + 1000);
            assert_int_equal(rd(&f, TVAL(0), now), 1000);
            wr(&f, CTL(0), now, 1);
            assert_int_equal(gtimer_deadline(&f.t), (first + tick + 1000) * rate[r].numer / rate[r].denom);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks_of_another_counter),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_tval),
        cmocka_unit_test(test_fires_at_the_nanosecond),
        cmocka_unit_test(test_odd_times),
        cmocka_unit_test(test_both_run),
        cmocka_unit_test(test_far_future),
        cmocka_unit_test(test_virtual_wrap),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("gtimer", tests, NULL, NULL);
}
