/* The GICv3's rules: an interrupt's lifecycle, its gates, priorities and preemption, groups, EOI modes. Expected values are
 * written out from IHI 0069, not computed; test_gicv3_random.c is the other half. */
#include "gicv3_fixture.h"

static void test_level_spi(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 2, 64);
    set(&f, 0, ISENABLER, 33);
    assert_int_equal(f.calls, 0);
    gic_set_spi(f.g, 33, true);
    assert_true(f.irq[0] && !f.fiq[0] && !f.irq[1]);
    assert_true(gic_irq_pending(f.g, 0) && !gic_irq_pending(f.g, 1));
    gic_set_spi(f.g, 33, true); /* no change, no call */
    assert_int_equal(f.calls, 1);
    assert_int_equal(mrs(&f, 0, HPPIR1), 33);
    assert_int_equal(mrs(&f, 0, HPPIR0), 1023);
    assert_int_equal(mrs(&f, 0, IAR0), 1023); /* another group's: nothing is acknowledged */
    assert_int_equal(mrs(&f, 1, IAR1), 1023);
    assert_int_equal(mrs(&f, 0, IAR1), 33);
    assert_false(f.irq[0]);
    assert_int_equal(mrs(&f, 0, RPR), 0xa0);
    assert_int_equal(mrs(&f, 0, AP1R0), 1u << 20);
    /* Still asserted: active and pending, and not signalled. */
    assert_true(get(&f, 0, ISPENDR, 33) && get(&f, 0, ISACTIVER, 33));
    assert_int_equal(mrs(&f, 0, HPPIR1), 1023);
    assert_int_equal(mrs(&f, 0, IAR1), 1023);
    msr(&f, 0, EOIR1, 33);
    assert_true(f.irq[0]); /* the device was not served */
    assert_int_equal(mrs(&f, 0, IAR1), 33);
    gic_set_spi(f.g, 33, false);
    msr(&f, 0, EOIR1, 33);
    assert_false(f.irq[0]);
    assert_false(get(&f, 0, ISPENDR, 33) || get(&f, 0, ISACTIVER, 33));
    assert_int_equal(mrs(&f, 0, RPR), 0xff);
    assert_int_equal(mrs(&f, 0, AP1R0), 0);

    /* Deasserted before the acknowledge: spurious. */
    gic_set_spi(f.g, 33, true);
    gic_set_spi(f.g, 33, false);
    assert_false(f.irq[0]);
    assert_int_equal(mrs(&f, 0, IAR1), 1023);
    assert_int_equal(mrs(&f, 0, RPR), 0xff);

    /* ICPENDR can't take an asserted line away; ISPENDR's latch outlives the line until the acknowledge. */
    gic_set_spi(f.g, 33, true);
    set(&f, 0, ICPENDR, 33);
    assert_true(get(&f, 0, ISPENDR, 33) && f.irq[0]);
    set(&f, 0, ISPENDR, 33);
    gic_set_spi(f.g, 33, false);
    assert_true(get(&f, 0, ISPENDR, 33) && f.irq[0]);
    assert_int_equal(mrs(&f, 0, IAR1), 33);
    assert_false(get(&f, 0, ISPENDR, 33));
    msr(&f, 0, EOIR1, 33);
    set(&f, 0, ISPENDR, 33);
    assert_true(f.irq[0]);
    set(&f, 0, ICPENDR, 33);
    assert_false(f.irq[0]);
    done(&f);
}

static void test_edge_spi(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 1, 64);
    edge(&f, 48);
    set(&f, 0, ISENABLER, 48);
    gic_set_spi(f.g, 48, true);
    gic_set_spi(f.g, 48, false); /* a pulse is remembered */
    assert_true(f.irq[0]);
    assert_int_equal(mrs(&f, 0, IAR1), 48);
    assert_false(get(&f, 0, ISPENDR, 48));
    /* Once more while active: pending again after the end, and only once however many edges there were. */
    for (unsigned i = 0; i < 3; i++) {
        gic_set_spi(f.g, 48, true);
        gic_set_spi(f.g, 48, false);
    }
    assert_true(get(&f, 0, ISPENDR, 48) && get(&f, 0, ISACTIVER, 48));
    assert_false(f.irq[0]);
    msr(&f, 0, EOIR1, 48);
    assert_true(f.irq[0]);
    assert_int_equal(mrs(&f, 0, IAR1), 48);
    msr(&f, 0, EOIR1, 48);
    assert_int_equal(mrs(&f, 0, IAR1), 1023);
    /* A line that stays high is one edge. */
    gic_set_spi(f.g, 48, true);
    gic_set_spi(f.g, 48, true);
    assert_int_equal(mrs(&f, 0, IAR1), 48);
    msr(&f, 0, EOIR1, 48);
    assert_false(f.irq[0]);
    set(&f, 0, ISPENDR, 48);
    assert_true(f.irq[0]);
    set(&f, 0, ICPENDR, 48); /* takes an edge away although the line is high */
    assert_false(f.irq[0]);
    /* Made level-sensitive with the line high, it pends. */
    dw(&f, ICFGR + 12, 0);
    assert_true(f.irq[0]);
    edge(&f, 48);
    assert_false(f.irq[0]);
    done(&f);
}

static void test_message_spi(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 1, 64);
    set(&f, 0, ISENABLER, 40);
    set(&f, 0, ISENABLER, 41);
    edge(&f, 41);
    assert_true(try_write(&f, false, 0x40, 2, 41)); /* edge: until acknowledged */
    assert_int_equal(mrs(&f, 0, IAR1), 41);
    msr(&f, 0, EOIR1, 41);
    assert_false(f.irq[0]);
    dw(&f, 0x40, 41);
    dw(&f, 0x48, 41);
    assert_false(f.irq[0]);
    dw(&f, 0x40, 40); /* level: until cleared */
    assert_int_equal(mrs(&f, 0, IAR1), 40);
    assert_true(get(&f, 0, ISPENDR, 40));
    msr(&f, 0, EOIR1, 40);
    assert_true(f.irq[0]);
    dw(&f, 0x48, 40);
    assert_false(f.irq[0]);
    dw(&f, 0x40, 31); /* no SPIs: ignored */
    dw(&f, 0x40, 5);
    dw(&f, 0x40, 96);
    dw(&f, 0x40, 0x1fff);
    dw(&f, 0x50, 40); /* GICD_SETSPI_SR: WI */
    assert_false(f.irq[0]);
    assert_int_equal(rr(&f, 0, SGI_BASE + ISPENDR), 0);
    done(&f);
}

static void test_ppi(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 2, 32);
    set(&f, 1, ISENABLER, 27);
    gic_set_ppi(f.g, 0, 27, true);
    assert_false(f.irq[0] || f.irq[1]); /* each CPU has its own */
    gic_set_ppi(f.g, 1, 27, true);
    assert_true(!f.irq[0] && f.irq[1]);
    assert_int_equal(mrs(&f, 1, IAR1), 27);
    gic_set_ppi(f.g, 1, 27, false);
    msr(&f, 0, EOIR1, 27); /* not this CPU's business */
    assert_true(get(&f, 1, ISACTIVER, 27));
    msr(&f, 1, EOIR1, 27);
    assert_false(get(&f, 1, ISACTIVER, 27));
    done(&f);
}

/* Each gate on the way holds an interrupt back, and lets it through again. */
static void test_gates(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 1, 32);
    assert_false(*gic_can_wake(f.g, 0)); /* nothing is enabled */
    set(&f, 0, ISENABLER, 32);
    assert_true(*gic_can_wake(f.g, 0));
    gic_set_spi(f.g, 32, true);
#define GATE(close, open, wakes)                                                                   \
    do {                                                                                           \
        assert_true(f.irq[0]);                                                                     \
        close;                                                                                     \
        assert_false(f.irq[0]);                                                                    \
        assert_int_equal(mrs(&f, 0, IAR1), 1023);                                                  \
        assert_int_equal(*gic_can_wake(f.g, 0), wakes);                                            \
        open;                                                                                      \
        assert_true(f.irq[0] && *gic_can_wake(f.g, 0));                                            \
    } while (0)
    GATE(dw(&f, 0, 1), dw(&f, 0, 3), false);                           /* GICD_CTLR.EnableGrp1 */
    GATE(set(&f, 0, ICENABLER, 32), set(&f, 0, ISENABLER, 32), false); /* GICD_ISENABLER */
    GATE(rw(&f, 0, 0x14, 2), rw(&f, 0, 0x14, 0), false);               /* GICR_WAKER */
    GATE(msr(&f, 0, IGRPEN1, 0), msr(&f, 0, IGRPEN1, 1), false);       /* ICC_IGRPEN1_EL1 */
    GATE(msr(&f, 0, PMR, 0xa0), msr(&f, 0, PMR, 0xa8), true); /* ICC_PMR_EL1: equal is masked */
    GATE(msr(&f, 0, PMR, 0), msr(&f, 0, PMR, 0xff), false);
    GATE(set(&f, 0, ISACTIVER, 32), set(&f, 0, ICACTIVER, 32), true); /* active */
    GATE(msr(&f, 0, AP1R0, 1u << 20), msr(&f, 0, AP1R0, 0), true); /* the running priority: equal is no preemption */
    GATE(msr(&f, 0, AP0R0, 1u << 3), msr(&f, 0, AP0R0, 1u << 21), true);
    msr(&f, 0, AP0R0, 0);
    GATE(dw(&f, IROUTER + 8 * 32, 5), dw(&f, IROUTER + 8 * 32, 0), false); /* routed to no CPU there is */
    GATE(prio(&f, 0, 32, 0xf8), prio(&f, 0, 32, 0xf0), true); /* the lowest priority is never signalled */
    GATE(gic_set_spi(f.g, 32, false), gic_set_spi(f.g, 32, true), true);
#undef GATE
    gic_reset(f.g);
    assert_false(f.irq[0] || *gic_can_wake(f.g, 0));
    assert_true(get(&f, 0, ISPENDR, 32)); /* the wire is still high */
    done(&f);
}

static void test_priority_order(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 1, 960);
    static const struct {
        unsigned intid, prio;
    } t[] = {{991, 0x20}, {500, 0x40}, {31, 0x60}, {40, 0x60}, {77, 0x60}, {0, 0x80}, {32, 0xf0}};
    for (unsigned i = 7; i-- > 0;) {
        prio(&f, 0, t[i].intid, (uint8_t)t[i].prio);
        set(&f, 0, ISENABLER, t[i].intid);
        set(&f, 0, ISPENDR, t[i].intid);
        assert_int_equal(mrs(&f, 0, HPPIR1), t[i].intid);
    }
    for (unsigned i = 0; i < 7; i++) { /* by priority, then by INTID */
        assert_int_equal(mrs(&f, 0, IAR1), t[i].intid);
        assert_int_equal(mrs(&f, 0, RPR), t[i].prio);
        msr(&f, 0, EOIR1, t[i].intid);
    }
    assert_int_equal(mrs(&f, 0, IAR1), 1023);
    /* Priority and group follow a change while it waits. */
    set(&f, 0, ISPENDR, 40);
    set(&f, 0, ISPENDR, 77);
    prio(&f, 0, 77, 0x58);
    assert_int_equal(mrs(&f, 0, HPPIR1), 77);
    group1(&f, 0, 77, false);
    assert_true(f.fiq[0] && !f.irq[0]);
    assert_int_equal(mrs(&f, 0, HPPIR1), 1023); /* the highest is of the other group */
    assert_int_equal(mrs(&f, 0, HPPIR0), 77);
    assert_int_equal(mrs(&f, 0, IAR1), 1023);
    /* A group that the CPU interface does not let through does not block the other. */
    msr(&f, 0, IGRPEN0, 0);
    assert_true(f.irq[0] && !f.fiq[0]);
    assert_int_equal(mrs(&f, 0, HPPIR1), 40);
    done(&f);
}

static void test_preemption_nests(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 1, 64);
    for (unsigned n = 0; n < 32; n++) {
        prio(&f, 0, 32 + n, (uint8_t)(8 * n));
        set(&f, 0, ISENABLER, 32 + n);
    }
    msr(&f, 0, PMR, 0xff);
    /* All 31 levels that can be signalled, each within the one before. */
    for (unsigned n = 31; n-- > 0;) {
        set(&f, 0, ISPENDR, 32 + n);
        assert_true(f.irq[0]);
        assert_int_equal(mrs(&f, 0, IAR1), 32 + n);
        assert_int_equal(mrs(&f, 0, RPR), 8 * n);
    }
    assert_int_equal(mrs(&f, 0, AP1R0), 0x7fffffff);
    set(&f, 0, ISPENDR, 63);
    assert_false(f.irq[0]);
    for (unsigned n = 0; n < 31; n++) {
        assert_int_equal(mrs(&f, 0, RPR), 8 * n);
        msr(&f, 0, EOIR1, 32 + n);
    }
    assert_int_equal(mrs(&f, 0, RPR), 0xff);
    assert_int_equal(mrs(&f, 0, AP1R0), 0);
    done(&f);
}

/* The binary points: which of two priorities preempts the other, and what is the running priority then. */
static void test_binary_point(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 1, 32);
    set(&f, 0, ISENABLER, 32);
    set(&f, 0, ISENABLER, 33);
    prio(&f, 0, 32, 0xa8);
    for (unsigned grp = 0; grp < 2; grp++) {
        group1(&f, 0, 32, grp);
        group1(&f, 0, 33, grp);
        for (unsigned cbpr = 0; cbpr < 2; cbpr++) {
            msr(&f, 0, CTLR, cbpr);
            for (unsigned bpr = 0; bpr < 8; bpr++) {
                msr(&f, 0, BPR0, grp && !cbpr ? 2 : bpr);
                msr(&f, 0, BPR1, grp && !cbpr ? bpr : 3);
                /* The lowest bit of the group priority field: BPR0 2 is [7:3], BPR1 3 is [7:3]. */
                unsigned low = grp && !cbpr ? (bpr < 3 ? 3 : bpr) : (bpr < 2 ? 2 : bpr) + 1;
                for (unsigned p = 0; p < 0xa8; p += 8) {
                    prio(&f, 0, 33, (uint8_t)p);
                    set(&f, 0, ISPENDR, 32);
                    assert_int_equal(mrs(&f, 0, grp ? IAR1 : IAR0), 32);
                    assert_int_equal(mrs(&f, 0, RPR), 0xa8 >> low << low);
                    set(&f, 0, ISPENDR, 33);
                    bool preempts = p >> low < 0xa8u >> low;
                    assert_int_equal(grp ? f.irq[0] : f.fiq[0], preempts);
                    assert_int_equal(mrs(&f, 0, grp ? HPPIR1 : HPPIR0), 33);
                    if (preempts) {
                        assert_int_equal(mrs(&f, 0, grp ? IAR1 : IAR0), 33);
                        assert_int_equal(mrs(&f, 0, RPR), p >> low << low);
                        msr(&f, 0, grp ? EOIR1 : EOIR0, 33);
                        assert_int_equal(mrs(&f, 0, RPR), 0xa8 >> low << low);
                    }
                    set(&f, 0, ICPENDR, 33);
                    msr(&f, 0, grp ? EOIR1 : EOIR0, 32);
                    assert_int_equal(mrs(&f, 0, RPR), 0xff);
                }
            }
        }
    }
    done(&f);
}

static void test_groups(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 1, 32);
    for (unsigned i = 32; i < 34; i++)
        set(&f, 0, ISENABLER, i);
    group1(&f, 0, 32, false);
    prio(&f, 0, 32, 0x40);
    gic_set_spi(f.g, 33, true);
    assert_true(f.irq[0]);
    assert_int_equal(mrs(&f, 0, IAR1), 33);
    gic_set_spi(f.g, 32, true); /* Group 0 preempts Group 1 */
    assert_true(f.fiq[0] && !f.irq[0]);
    assert_int_equal(mrs(&f, 0, IAR1), 1023);
    assert_int_equal(mrs(&f, 0, IAR0), 32);
    assert_int_equal(mrs(&f, 0, AP0R0), 1u << 8);
    assert_int_equal(mrs(&f, 0, AP1R0), 1u << 20);
    gic_set_spi(f.g, 32, false);
    gic_set_spi(f.g, 33, false);
    msr(&f, 0, EOIR1, 33); /* not the one that runs: ignored */
    assert_int_equal(mrs(&f, 0, RPR), 0x40);
    assert_true(get(&f, 0, ISACTIVER, 33));
    msr(&f, 0, EOIR0, 1023); /* special INTIDs and those not there: ignored */
    msr(&f, 0, EOIR0, 1020);
    msr(&f, 0, EOIR0, 64);
    assert_int_equal(mrs(&f, 0, RPR), 0x40);
    msr(&f, 0, EOIR0, 32);
    assert_int_equal(mrs(&f, 0, RPR), 0xa0);
    msr(&f, 0, EOIR1, 33);
    assert_int_equal(mrs(&f, 0, RPR), 0xff);
    set(&f, 0, ISACTIVER, 33);
    msr(&f, 0, EOIR1, 33); /* nothing runs: ignored */
    assert_true(get(&f, 0, ISACTIVER, 33));
    done(&f);
}

static void test_eoimode1(void **state)
{
    struct fixture f;
    (void)state;
    boot(&f, 2, 32);
    for (unsigned i = 32; i < 34; i++)
        set(&f, 0, ISENABLER, i);
    msr(&f, 0, DIR, 32); /* no effect in mode 0, whatever state the interrupt is in */
    msr(&f, 0, CTLR, EOIMODE);
    gic_set_spi(f.g, 32, true);
    assert_int_equal(mrs(&f, 0, IAR1), 32);
    msr(&f, 0, EOIR1, 32); /* drops the priority only */
    assert_int_equal(mrs(&f, 0, RPR), 0xff);
    assert_true(get(&f, 0, ISACTIVER, 32));
    assert_false(f.irq[0]);     /* still asserted, but active */
    gic_set_spi(f.g, 33, true); /* another of the same priority gets through */
    assert_int_equal(mrs(&f, 0, IAR1), 33);
    msr(&f, 0, DIR, 32); /* before the end of the other: deactivation goes in any order */
    assert_false(get(&f, 0, ISACTIVER, 32));
    assert_int_equal(mrs(&f, 0, RPR), 0xa0);
    assert_false(f.irq[0]);
    msr(&f, 0, EOIR1, 33);
    assert_true(f.irq[0]); /* 32 again */
    gic_set_spi(f.g, 33, false);
    msr(&f, 0, CTLR, 0);
    msr(&f, 0, DIR, 33); /* ignored in mode 0 */
    assert_true(get(&f, 0, ISACTIVER, 33));
    msr(&f, 1, CTLR, EOIMODE);
    msr(&f, 1, DIR, 33); /* an SPI may be deactivated by another CPU */
    assert_false(get(&f, 0, ISACTIVER, 33));
    msr(&f, 1, DIR, 1023);
    msr(&f, 1, DIR, 0xffffff);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_spi),
        cmocka_unit_test(test_edge_spi),
        cmocka_unit_test(test_message_spi),
        cmocka_unit_test(test_ppi),
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_priority_order),
        cmocka_unit_test(test_preemption_nests),
        cmocka_unit_test(test_binary_point),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_eoimode1),
    };
    return cmocka_run_group_tests_name("gicv3", tests, NULL, NULL);
}
