/* The GICv3 with more than one CPU: SGIs, routing, 1 of N; and the whole object: reset, snapshot, description. Expected values are
 * written out from IHI 0069, not computed; test_gicv3_random.c is the other half. */
#include "base/snap.h"
#include "gicv3_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static uint64_t pending_cpus(struct fixture *f, unsigned intid)
{
    uint64_t set_of = 0;
    for (unsigned c = 0; c < f->nr_cpus; c++)
        set_of |= (uint64_t)get(f, c, ISPENDR, intid) << c;
    return set_of;
}

static void clear_sgis(struct fixture *f)
{
    for (unsigned c = 0; c < f->nr_cpus; c++)
        rw(f, c, SGI_BASE + ICPENDR, 0xffff);
}

static void test_sgi_targets(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 64, 32); /* Aff1 0 to 3, Aff0 0 to 15 */
    for (unsigned c = 0; c < 64; c++)
        set(&f, c, ISENABLER, 5);
    msr(&f, 3, SGI1R, 5ull << 24 | 0x8001);
    assert_true(pending_cpus(&f, 5) == 0x8001);
    assert_true(f.irq[0] && f.irq[15] && !f.irq[1] && !f.irq[16]);
    assert_int_equal(mrs(&f, 15, IAR1), 5);
    assert_true(pending_cpus(&f, 5) == 1);
    clear_sgis(&f);
    msr(&f, 3, SGI1R, 5ull << 24 | 2ull << 16 | 0xffff);
    assert_true(pending_cpus(&f, 5) == 0xffffull << 32);
    clear_sgis(&f);
    msr(&f, 3, SGI1R, 1ull << 40 | 5ull << 24 | 1ull << 16 | 1); /* IRM: all but self; the list is ignored */
    assert_true(pending_cpus(&f, 5) == ~(1ull << 3));
    clear_sgis(&f);
    msr(&f, 3, SGI1R, 5ull << 24 | 8); /* self */
    assert_true(pending_cpus(&f, 5) == 8);
    clear_sgis(&f);
    msr(&f, 0, SGI1R, 5ull << 24 | 4ull << 16 | 1); /* no such affinity: nobody */
    msr(&f, 0, SGI1R, 5ull << 24 | 1ull << 32 | 1);
    msr(&f, 0, SGI1R, 5ull << 24 | 1ull << 48 | 1);
    msr(&f, 0, SGI1R, 5ull << 24 | 1ull << 44 | 1); /* RS 1: Aff0 16 to 31 */
    msr(&f, 0, SGI1R, 5ull << 24);
    assert_true(pending_cpus(&f, 5) == 0);
    /* Sent again while active: pending once more. */
    msr(&f, 0, SGI1R, 5ull << 24 | 1);
    assert_int_equal(mrs(&f, 0, IAR1), 5);
    msr(&f, 1, SGI1R, 5ull << 24 | 1);
    assert_true(get(&f, 0, ISPENDR, 5) && get(&f, 0, ISACTIVER, 5) && !f.irq[0]);
    msr(&f, 0, EOIR1, 5);
    assert_true(f.irq[0]);
    done(&f);
}

static void test_sgi_range_and_affinity(void **state)
{
    static const uint64_t mpidr[] = {0x80000000, 0x80000013, 0x800000ff, 0x8080040500, 0x7f80040512};
    struct fixture f;
    struct gic_config cfg = {3, 5, mpidr, 32, on_irq, &f};
    (void)state;
    memset(&f, 0, sizeof(f));
    f.nr_cpus = 5;
    f.g = gic_create(&cfg, 0, 0x10000, NULL);
    msr(&f, 0, SGI1R, 1ull << 44 | 1 << 3); /* Aff0 19 */
    assert_true(pending_cpus(&f, 0) == 2);
    clear_sgis(&f);
    msr(&f, 0, SGI1R, 15ull << 44 | 1 << 15);
    assert_true(pending_cpus(&f, 0) == 4);
    clear_sgis(&f);
    msr(&f, 0, SGI1R, 0x80ull << 48 | 4ull << 32 | 5 << 16 | 1);
    assert_true(pending_cpus(&f, 0) == 8);
    clear_sgis(&f);
    msr(&f, 0, SGI1R, 0x7full << 48 | 1ull << 44 | 4ull << 32 | 5 << 16 | 1 << 2);
    assert_true(pending_cpus(&f, 0) == 16);
    clear_sgis(&f);
    msr(&f, 0, SGI1R, 0x7eull << 48 | 1ull << 44 | 4ull << 32 | 5 << 16 | 1 << 2);
    assert_true(pending_cpus(&f, 0) == 0);
    uint64_t typer; /* MPIDR_EL1 bits 31 and 30 are no affinity; 39:32 are Aff3 */
    assert_true(try_read(&f, true, 4 << 17 | 8, 8, &typer));
    assert_true(typer == (0x7f040512ull << 32 | 4 << 8 | 0x30));
    done(&f);
}

static void test_sgi_groups(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 2, 32);
    group1(&f, 1, 2, false); /* SGI 2 of CPU 1: Group 0; SGI 3: Group 1 */
    static const struct {
        uint16_t reg;
        unsigned intid;
        bool arrives;
    } t[] = {{SGI1R, 2, true},  {SGI1R, 3, true},  {SGI0R, 2, true},
             {SGI0R, 3, false}, {ASGI1R, 2, true}, {ASGI1R, 3, false}};
    for (unsigned i = 0; i < 6; i++) {
        msr(&f, 0, t[i].reg, (uint64_t)t[i].intid << 24 | 2);
        assert_int_equal(get(&f, 1, ISPENDR, t[i].intid), t[i].arrives);
        clear_sgis(&f);
    }
    done(&f);
}

static void test_routing(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 64, 64);
    set(&f, 0, ISENABLER, 50);
    gic_set_spi(f.g, 50, true);
    for (unsigned c = 0; c < 64; c++) { /* follows the route while it is pending */
        assert_true(try_write(&f, false, IROUTER + 8 * 50, 8, c / 16 << 8 | c % 16));
        for (unsigned o = 0; o < 64; o++) {
            assert_int_equal(f.irq[o], o == c);
            assert_int_equal(*gic_can_wake(f.g, o), o == c);
        }
    }
    assert_int_equal(mrs(&f, 63, IAR1), 50);
    assert_true(try_write(&f, false, IROUTER + 8 * 50, 8, 0));
    assert_false(f.irq[0]); /* active: still nobody's */
    msr(&f, 63, EOIR1, 50);
    assert_true(f.irq[0] && !f.irq[63]);
    dw(&f, IROUTER + 8 * 50 + 4, 1); /* Aff3 1: nobody */
    assert_false(f.irq[0]);
    done(&f);
}

static unsigned holder(struct fixture *f)
{
    unsigned n = 0, who = 64;
    for (unsigned c = 0; c < f->nr_cpus; c++) {
        if (f->irq[c] || f->fiq[c])
            n++, who = c;
    }
    assert_true(n <= 1); /* 1 of N is never signalled to two */
    return who;
}

static void test_one_of_n(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 4, 64);
    set(&f, 0, ISENABLER, 40);
    dw(&f, IROUTER + 8 * 40, 0x80000000);
    for (unsigned c = 0; c < 4; c++)
        assert_true(*gic_can_wake(f.g, c));
    gic_set_spi(f.g, 40, true);
    unsigned who[5];
    for (unsigned n = 0; n < 4; n++) { /* each CPU that leaves, by one of the three ways, hands it on */
        who[n] = holder(&f);
        assert_true(who[n] < 4);
        prio(&f, 0, 40, (uint8_t)(0x90 + 8 * n)); /* but no other change moves it */
        assert_int_equal(holder(&f), who[n]);
        for (unsigned i = 0; i < n; i++)
            assert_int_not_equal(who[i], who[n]);
        if (n == 0)
            msr(&f, who[n], IGRPEN1, 0);
        else if (n == 1)
            rw(&f, who[n], 0x14, 2);
        else
            rw(&f, who[n], 0, 1u << 25); /* DPG1NS */
    }
    assert_int_equal(holder(&f), 64); /* nobody takes part */
    rw(&f, who[2], 0, 1u << 24);      /* DPG0 is for Group 0 */
    assert_int_equal(holder(&f), who[2]);
    group1(&f, 0, 40, false);
    assert_int_equal(holder(&f), who[0]); /* which has Group 0 enabled, unlike the sleeper; who[3] opted out of Group 1 only */
    done(&f);

    /* Several go to different CPUs, while there are idle ones; a busy or masked CPU is not chosen. */
    boot(&f, 4, 64);
    msr(&f, 2, PMR, 0x80);
    for (unsigned i = 40; i < 44; i++) {
        set(&f, 0, ISENABLER, i);
        dw(&f, IROUTER + 8 * i, 0x80000000);
    }
    for (unsigned i = 40; i < 43; i++)
        gic_set_spi(f.g, i, true);
    assert_true(f.irq[0] && f.irq[1] && !f.irq[2] && f.irq[3]);
    unsigned seen = 0;
    for (unsigned c = 0; c < 4; c++) {
        uint64_t intid = mrs(&f, c, IAR1);
        if (intid != 1023)
            seen |= 1u << intid % 32;
    }
    assert_int_equal(seen, 7u << 8);
    done(&f);
}

/* A token goes round four CPUs, each a thread, by SGIs, while a fifth thread moves lines: no interrupt is lost, and a sanitizer
 * for threads has something to look at. */
struct ring {
    struct gicv3 *g;
    unsigned cpu;
};

#define RING_TURNS 1000
#define RING_PULSES 500

static _Atomic unsigned long ring_spis;
static _Atomic unsigned ring_done;

static void *ring_cpu(void *arg)
{
    const struct ring *r = arg;
    unsigned turns = 0;
    while (turns < RING_TURNS || ring_done < 5) {
        uint64_t intid = 0;
        if (!gic_irq_pending(r->g, r->cpu)) {
            sched_yield();
            continue;
        }
        if (!gic_sysreg_read(r->g, r->cpu, IAR1, &intid) || intid == 1023)
            continue;
        gic_sysreg_write(r->g, r->cpu, EOIR1, intid);
        if (intid == 40)
            ring_spis++;
        if (intid != 7)
            continue;
        if (++turns == RING_TURNS)
            ring_done++;
        if (turns < RING_TURNS || r->cpu != 3)
            gic_sysreg_write(r->g, r->cpu, SGI1R, 7ull << 24 | 1ull << (r->cpu + 1) % 4);
    }
    return NULL;
}

static void *ring_device(void *arg)
{
    const struct ring *r = arg;
    for (unsigned i = 0; i < RING_PULSES; i++) {
        gic_set_ppi(r->g, i % 4, 20, i / 4 & 1); /* disabled: only noise */
        gic_set_spi(r->g, 40, true);
        gic_set_spi(r->g, 40, false);
        while (ring_spis <= i) /* the next edge only when this one has been seen */
            sched_yield();
    }
    ring_done++;
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture f;
    struct ring r[5];
    pthread_t t[5];
    (void)state;
    boot(&f, 4, 32);
    for (unsigned c = 0; c < 4; c++)
        set(&f, c, ISENABLER, 7);
    edge(&f, 40);
    set(&f, 0, ISENABLER, 40);
    dw(&f, IROUTER + 8 * 40, 0x80000000);
    ring_spis = 0;
    ring_done = 0;
    for (unsigned c = 0; c < 5; c++) {
        r[c] = (struct ring){.g = f.g, .cpu = c};
        assert_int_equal(pthread_create(&t[c], NULL, c < 4 ? ring_cpu : ring_device, &r[c]), 0);
    }
    assert_true(gic_sysreg_write(f.g, 3, SGI1R, 7ull << 24 | 1));
    for (unsigned c = 0; c < 5; c++)
        pthread_join(t[c], NULL);
    assert_int_equal(ring_spis, RING_PULSES);
    for (unsigned c = 0; c < 4; c++)
        assert_false(f.irq[c] || gic_irq_pending(f.g, c));
    done(&f);
}

static void test_cpu_reset(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 2, 32);
    set(&f, 1, ISENABLER, 20);
    prio(&f, 1, 20, 0x30);
    gic_set_ppi(f.g, 1, 20, true);
    assert_int_equal(mrs(&f, 1, IAR1), 20);
    msr(&f, 1, BPR0, 6);
    gic_reset_cpu(f.g, 1); /* the CPU interface forgets, the redistributor does not */
    assert_int_equal(mrs(&f, 1, PMR), 0);
    assert_int_equal(mrs(&f, 1, BPR0), 2);
    assert_int_equal(mrs(&f, 1, IGRPEN1), 0);
    assert_int_equal(mrs(&f, 1, AP1R0), 0);
    assert_int_equal(rr(&f, 1, 0x14), 0);
    assert_true(get(&f, 1, ISENABLER, 20) && get(&f, 1, ISACTIVER, 20));
    assert_int_equal(mrs(&f, 0, PMR), 0xf8); /* nor any other CPU */
    done(&f);
}

/* The snapshot holds everything: put into another GIC, it behaves the same. */
static void test_snapshot(void **state)
{
    struct fixture a, b;
    (void)state;
    boot(&a, 4, 64);
    set(&a, 0, ISENABLER, 40);
    set(&a, 2, ISENABLER, 27);
    dw(&a, IROUTER + 8 * 40, 3);
    prio(&a, 2, 27, 0x20);
    gic_set_spi(a.g, 40, true);
    gic_set_ppi(a.g, 2, 27, true);
    assert_int_equal(mrs(&a, 2, IAR1), 27);
    create(&b, 4, 64);
    struct snap save, load;
    snap_begin_save(&save, NULL);
    gic_dist(a.g)->cls->snap(gic_dist(a.g), &save);
    snap_begin_load(&load, save.buf, save.len, NULL);
    gic_dist(b.g)->cls->snap(gic_dist(b.g), &load);
    assert_false(load.failed);
    snap_free(&save);
    gic_rebuild(b.g);
    assert_memory_equal(a.irq, b.irq, sizeof(a.irq));
    for (unsigned c = 0; c < 4; c++)
        assert_int_equal(*gic_can_wake(a.g, c), *gic_can_wake(b.g, c));
    assert_int_equal(mrs(&b, 3, IAR1), 40);
    assert_int_equal(mrs(&b, 2, RPR), 0x20);
    msr(&b, 2, EOIR1, 27);
    assert_true(b.irq[2]);
    done(&a);
    done(&b);
}

static void test_describe(void **state)
{
    struct fixture f;
    char text[4096];
    (void)state;
    boot(&f, 2, 64);
    rw(&f, 1, 0x14, 2);
    set(&f, 0, ISENABLER, 33);
    gic_set_spi(f.g, 33, true);
    dw(&f, ISENABLER + 8, 2);
    dw(&f, IROUTER + 8 * 65, 0x77);
    size_t wanted = gic_describe(f.g, text, sizeof(text));
    assert_int_equal(wanted, strlen(text));
    assert_non_null(strstr(text, "INTID 33 pending at priority a0, signalled as IRQ"));
    assert_non_null(strstr(text, "INTID 33: group 1, priority a0, level, enabled, pending, to CPU 0"));
    assert_non_null(strstr(text, "asleep"));
    assert_non_null(strstr(text, "to nobody: GICD_IROUTER 77"));
    /* A short buffer is filled and terminated, and nothing beyond it is touched. */
    for (size_t len = 0; len < 200; len++) {
        char shorter[208];
        memset(shorter, 'x', sizeof(shorter));
        assert_int_equal(gic_describe(f.g, shorter, len), wanted);
        assert_int_equal(shorter[len], 'x');
        if (len) {
            assert_int_equal(strlen(shorter), len - 1);
            assert_memory_equal(shorter, text, len - 1);
        }
    }
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgi_targets), cmocka_unit_test(test_sgi_range_and_affinity),
        cmocka_unit_test(test_sgi_groups),  cmocka_unit_test(test_routing),
        cmocka_unit_test(test_one_of_n),    cmocka_unit_test(test_threads),
        cmocka_unit_test(test_cpu_reset),   cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests_name("gicv3_smp", tests, NULL, NULL);
}
