/* The GICv2's registers: what is banked, SGIs and their senders, targets, groups, both EOI modes; and a random sequence of
 * accesses beside a plain model of the same. Expected values are written out from IHI 0048. */
#include "dev/gicv3.h"

#include "base/bits.h"
#include "bus/bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* wants the ones above */

#define DIST UINT64_C(0x08000000)
#define CPUIF UINT64_C(0x08010000)
enum {
    IGROUPR = 0x80,
    ISENABLER = 0x100,
    ICENABLER = 0x180,
    ISPENDR = 0x200,
    ICPENDR = 0x280,
    ISACTIVER = 0x300,
    IPRIORITYR = 0x400,
    ITARGETSR = 0x800,
    ICFGR = 0xc00,
    SGIR = 0xf00,
    CPENDSGIR = 0xf10,
    SPENDSGIR = 0xf20,
    CTLR = 0,
    PMR = 4,
    BPR = 8,
    IAR = 0xc,
    EOIR = 0x10,
    RPR = 0x14,
    HPPIR = 0x18,
    ABPR = 0x1c,
    AIAR = 0x20,
    AEOIR = 0x24,
    AHPPIR = 0x28,
    APR0 = 0xd0,
    NSAPR0 = 0xe0,
    DIR = 0x1000,
};

static struct bus bus;
static struct gicv3 *gic;
static bool irq[8], fiq[8];

static void on_irq(void *opaque, unsigned cpu, bool i, bool f)
{
    (void)opaque;
    irq[cpu] = i;
    fiq[cpu] = f;
}

static void create(unsigned nr_cpus, unsigned nr_spis)
{
    uint64_t mpidr[8];
    const struct gic_config cfg = {2, nr_cpus, mpidr, nr_spis, on_irq, NULL};
    for (unsigned c = 0; c < nr_cpus; c++)
        mpidr[c] = 0x80000000 | c;
    memset(irq, 0, sizeof(irq));
    memset(fiq, 0, sizeof(fiq));
    bus_init(&bus);
    gic = gic_create(&cfg, DIST, CPUIF, NULL);
    assert_non_null(gic);
    assert_int_equal(bus_add(&bus, gic_dist(gic), NULL) | bus_add(&bus, gic_redist(gic), NULL), 0);
}

static void done(void)
{
    bus_destroy(&bus);
    gic_destroy(gic);
}

static uint32_t rd_n(unsigned cpu, gpa_t at, unsigned size)
{
    uint64_t val = ~UINT64_C(0);
    assert_int_equal(bus_access_by(&bus, cpu, at, size, false, &val), BUS_OK);
    return (uint32_t)val;
}

static void wr_n(unsigned cpu, gpa_t at, unsigned size, uint32_t v)
{
    uint64_t val = v;
    assert_int_equal(bus_access_by(&bus, cpu, at, size, true, &val), BUS_OK);
}

static uint32_t dr(unsigned cpu, uint32_t off)
{
    return rd_n(cpu, DIST + off, 4);
}
static void dw(unsigned cpu, uint32_t off, uint32_t val)
{
    wr_n(cpu, DIST + off, 4, val);
}
static void db(unsigned cpu, uint32_t off, uint8_t val)
{
    wr_n(cpu, DIST + off, 1, val);
}
static uint32_t cr(unsigned cpu, uint32_t off)
{
    return rd_n(cpu, CPUIF + off, 4);
}
static void cw(unsigned cpu, uint32_t off, uint32_t val)
{
    wr_n(cpu, CPUIF + off, 4, val);
}

/* As an operating system does it: all in Group 0, priority 0xa0, SPIs to CPU 0. */
static void boot(unsigned nr_cpus)
{
    create(nr_cpus, 64);
    dw(0, CTLR, 1);
    for (unsigned i = 32; i < 96; i++) {
        db(0, IPRIORITYR + i, 0xa0);
        db(0, ITARGETSR + i, 1);
    }
    for (unsigned c = 0; c < nr_cpus; c++) {
        for (unsigned i = 0; i < 32; i++)
            db(c, IPRIORITYR + i, 0xa0);
        cw(c, PMR, 0xf0);
        cw(c, CTLR, 1);
    }
}

static void test_identification(void **state)
{
    (void)state;
    create(5, 64);
    assert_int_equal(dr(0, 4), 4 << 5 | 2);
    assert_int_equal(dr(0, 0xfe8), 0x2b);
    assert_int_equal(dr(0, 8) & 0xfff, 0x43b);
    assert_int_equal(cr(0, 0xfc), 0x0202143b);
    for (unsigned c = 0; c < 5; c++) {
        assert_int_equal(dr(c, ITARGETSR), 0x01010101u << c);
        assert_int_equal(dr(c, ITARGETSR + 28), 0x01010101u << c);
        assert_int_equal(dr(c, ISENABLER), 0xffff); /* SGIs always are */
        dw(c, ICENABLER, 0xffffffff);
        assert_int_equal(dr(c, ISENABLER), 0xffff);
    }
    assert_int_equal(dr(0, ITARGETSR + 32), 0);
    uint64_t val = 0;
    assert_false(gic_sysreg_read(gic, 0, 0xc65d, &val)); /* no ICC_*_EL1 */
    assert_false(gic_sysreg_write(gic, 0, 0xc65d, 7));
    done();
    uint64_t mpidr[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    assert_null(gic_create(&(struct gic_config){2, 9, mpidr, 32, on_irq, NULL}, DIST, CPUIF, NULL));
}

static void test_uniprocessor(void **state)
{
    (void)state;
    create(1, 32);
    dw(0, CTLR, 1);
    cw(0, PMR, 0xff);
    cw(0, CTLR, 1);
    dw(0, ITARGETSR + 40, 0xffffffff);
    assert_int_equal(dr(0, ITARGETSR + 40), 0);
    assert_int_equal(dr(0, ITARGETSR), 0);
    dw(0, ISENABLER + 4, 1 << 8);
    gic_set_spi(gic, 40, true);
    assert_true(irq[0]);
    assert_int_equal(cr(0, IAR), 40);
    done();
}

static void test_banked(void **state)
{
    (void)state;
    boot(3);
    dw(1, ISENABLER, 1u << 27);
    assert_int_equal(dr(0, ISENABLER), 0xffff);
    assert_int_equal(dr(1, ISENABLER), 0x0800ffff);
    gic_set_ppi(gic, 1, 27, true);
    gic_set_ppi(gic, 2, 27, true);
    assert_true(!irq[0] && irq[1] && !irq[2]);
    assert_int_equal(dr(1, ISPENDR), 1u << 27);
    assert_int_equal(dr(0, ISPENDR), 0);
    assert_int_equal(cr(0, IAR), 1023);
    assert_int_equal(cr(1, IAR), 27);
    assert_int_equal(cr(1, RPR), 0xa0);
    assert_int_equal(cr(0, RPR), 0xff);
    assert_int_equal(dr(1, ISACTIVER), 1u << 27);
    assert_int_equal(dr(2, ISACTIVER), 0);
    gic_set_ppi(gic, 1, 27, false);
    cw(1, EOIR, 27);
    assert_false(irq[1]);
    db(2, IPRIORITYR + 27, 0x40);
    assert_int_equal(rd_n(1, DIST + IPRIORITYR + 27, 1), 0xa0);
    assert_int_equal(rd_n(2, DIST + IPRIORITYR + 27, 1), 0x40);
    cw(2, PMR, 0x80);
    assert_int_equal(cr(1, PMR), 0xf0);
    assert_int_equal(cr(2, PMR), 0x80);
    done();
}

static void test_sgis(void **state)
{
    (void)state;
    boot(4);
    /* To a list, from two CPUs: pending twice, acknowledged twice, the lower sender first. */
    dw(3, SGIR, 6u << 16 | 5);
    dw(2, SGIR, 2u << 16 | 5);
    assert_true(!irq[0] && irq[1] && irq[2] && !irq[3]);
    assert_int_equal(rd_n(1, DIST + SPENDSGIR + 5, 1), 0xc);
    assert_int_equal(rd_n(2, DIST + CPENDSGIR + 5, 1), 0x8);
    assert_int_equal(cr(1, HPPIR), 2 << 10 | 5);
    assert_int_equal(cr(1, IAR), 2 << 10 | 5);
    assert_int_equal(dr(1, ISPENDR), 1 << 5);
    assert_int_equal(dr(1, ISACTIVER), 1 << 5);
    assert_false(irq[1]);
    cw(1, EOIR, 2 << 10 | 5);
    assert_true(irq[1]);
    assert_int_equal(cr(1, IAR), 3 << 10 | 5);
    cw(1, EOIR, 3 << 10 | 5);
    assert_false(irq[1]);
    assert_int_equal(dr(1, ISPENDR), 0);
    /* To all others, to itself. */
    dw(0, SGIR, 1u << 24 | 7);
    assert_int_equal(rd_n(0, DIST + SPENDSGIR + 7, 1), 0);
    for (unsigned c = 1; c < 4; c++)
        assert_int_equal(rd_n(c, DIST + SPENDSGIR + 7, 1), 1);
    dw(0, SGIR, 2u << 24 | 0xff0008);
    assert_int_equal(cr(0, IAR), 8);
    assert_int_equal(rd_n(1, DIST + SPENDSGIR + 8, 1), 0);
    /* By hand; ISPENDR and ICPENDR have no say over SGIs. */
    dw(0, ISPENDR, 0xffff);
    dw(1, ICPENDR, 0xffff);
    assert_int_equal(dr(0, ISPENDR), 0);
    assert_int_equal(dr(1, ISPENDR), 1 << 7);
    db(1, CPENDSGIR + 7, 0xff);
    assert_int_equal(dr(1, ISPENDR), 0);
    db(2, SPENDSGIR + 7, 0xff); /* four CPUs: bits 3:0 */
    assert_int_equal(rd_n(2, DIST + SPENDSGIR + 7, 1), 0xf);
    db(2, CPENDSGIR + 7, 0x5);
    assert_int_equal(rd_n(2, DIST + SPENDSGIR + 4, 4), 0x0a000800);
    done();
}

static void test_targets(void **state)
{
    (void)state;
    boot(4);
    dw(0, ISENABLER + 4, 1 << 3);
    gic_set_spi(gic, 35, true);
    assert_true(irq[0]);
    db(2, ITARGETSR + 35, 1 << 3); /* moves while it is pending */
    assert_true(!irq[0] && irq[3]);
    db(2, ITARGETSR + 35, 0);
    assert_false(irq[3]);
    assert_true(*gic_can_wake(gic, 0)); /* by an SGI */
    db(0, ITARGETSR + 35, 0xf6);        /* there is no CPU 4 to 7 */
    assert_int_equal(rd_n(0, DIST + ITARGETSR + 35, 1), 0x6);
    assert_int_equal(irq[1] + irq[2], 1); /* 1 of N */
    const unsigned c = irq[1] ? 1 : 2, other = 3 - c;
    assert_int_equal(cr(other, IAR), 1023);
    cw(c, CTLR, 0); /* that one goes away: the other has it */
    assert_true(irq[other] && !irq[c]);
    assert_int_equal(cr(other, IAR), 35);
    done();
}

static void test_groups(void **state)
{
    (void)state;
    boot(2);
    dw(0, CTLR, 3);
    dw(0, IGROUPR + 4, 1 << 4);
    dw(0, ISENABLER + 4, 3 << 4);
    gic_set_spi(gic, 36, true);
    assert_true(!irq[0] && !fiq[0]); /* Group 1 is off in the CPU interface */
    assert_int_equal(cr(0, HPPIR), 1023);
    cw(0, CTLR, 3);
    assert_true(irq[0]);
    assert_int_equal(cr(0, IAR), 1022);
    assert_int_equal(cr(0, HPPIR), 1022);
    assert_int_equal(cr(0, AHPPIR), 36);
    assert_int_equal(cr(0, AIAR), 36);
    assert_int_equal(cr(0, NSAPR0), 1u << 20);
    cw(0, EOIR, 36); /* not its register */
    assert_int_equal(dr(0, ISACTIVER + 4), 1 << 4);
    gic_set_spi(gic, 36, false);
    cw(0, AEOIR, 36);
    assert_int_equal(dr(0, ISACTIVER + 4), 0);
    assert_int_equal(cr(0, RPR), 0xff);
    /* AckCtl: GICC_IAR and GICC_EOIR serve both. */
    cw(0, CTLR, 7);
    assert_int_equal(cr(0, CTLR), 7);
    gic_set_spi(gic, 36, true);
    assert_int_equal(cr(0, IAR), 36);
    gic_set_spi(gic, 36, false);
    cw(0, EOIR, 36);
    assert_int_equal(dr(0, ISACTIVER + 4), 0);
    /* Group 0 is FIQ only with FIQEn. */
    gic_set_spi(gic, 37, true);
    assert_true(irq[0] && !fiq[0]);
    cw(0, CTLR, 0xb);
    assert_true(!irq[0] && fiq[0]);
    assert_int_equal(cr(0, AIAR), 1023);
    assert_int_equal(cr(0, IAR), 37);
    assert_int_equal(cr(0, APR0), 1u << 20);
    gic_set_spi(gic, 37, false);
    cw(0, EOIR, 37);
    cw(0, CTLR, 0xffffffff);
    assert_int_equal(cr(0, CTLR), 0x21f);
    done();
}

static void test_eoi_mode_and_preemption(void **state)
{
    (void)state;
    boot(2);
    dw(0, ISENABLER + 4, 0xff);
    dw(0, ICFGR + 8, 0xaaaa);
    cw(0, CTLR, 0x201);
    db(0, IPRIORITYR + 33, 0x40);
    gic_set_spi(gic, 32, true);
    assert_int_equal(cr(0, IAR), 32);
    gic_set_spi(gic, 33, true); /* preempts */
    assert_true(irq[0]);
    assert_int_equal(cr(0, IAR), 33);
    assert_int_equal(cr(0, RPR), 0x40);
    cw(0, EOIR, 33);
    assert_int_equal(cr(0, RPR), 0xa0);
    assert_int_equal(dr(0, ISACTIVER + 4), 3);
    cw(0, DIR, 32); /* in any order */
    cw(0, EOIR, 32);
    assert_int_equal(cr(0, RPR), 0xff);
    assert_int_equal(dr(0, ISACTIVER + 4), 2);
    cw(0, CTLR, 1);
    cw(0, DIR, 33); /* not in this mode */
    assert_int_equal(dr(0, ISACTIVER + 4), 2);
    cw(0, BPR, 0);
    assert_int_equal(cr(0, BPR), 2);
    cw(0, ABPR, 0);
    assert_int_equal(cr(0, ABPR), 3);
    cw(0, BPR, 7); /* no bit of priority preempts */
    gic_set_spi(gic, 34, true);
    db(0, IPRIORITYR + 35, 0);
    assert_int_equal(cr(0, IAR), 34);
    gic_set_spi(gic, 35, true);
    assert_false(irq[0]);
    done();
}

static void test_reset(void **state)
{
    (void)state;
    boot(2);
    dw(0, ISENABLER + 4, 1);
    dw(1, SGIR, 1u << 16 | 3);
    gic_set_spi(gic, 32, true);
    assert_true(irq[0]);
    bus_reset(&bus);
    assert_false(irq[0]);
    assert_int_equal(dr(0, CTLR), 0);
    assert_int_equal(dr(0, ISENABLER), 0xffff);
    assert_int_equal(rd_n(0, DIST + SPENDSGIR + 3, 1), 0);
    assert_int_equal(dr(0, ITARGETSR + 32), 0);
    assert_int_equal(cr(0, PMR), 0);
    assert_int_equal(dr(0, ISPENDR + 4), 1); /* the wire is the device's */
    done();
}

/* ---- a model: every interrupt a struct, every question a scan ---------------------------------------------------------------- */

#define M_CPUS 3u
#define M_INTS 64u

struct m_irq {
    bool enable, pend, line, active, edge;
    uint8_t prio, from, targets;
};
static struct {
    struct m_irq priv[M_CPUS][32], spi[M_INTS];
    bool on, cpu_on[M_CPUS];
    uint8_t pmr[M_CPUS], running[M_CPUS][32];
    unsigned nr_running[M_CPUS];
} m;

static struct m_irq *m_irq(unsigned cpu, unsigned id)
{
    return id < 32 ? &m.priv[cpu][id] : &m.spi[id];
}

static bool m_pending(const struct m_irq *q)
{
    return q->pend || q->from || (q->line && !q->edge);
}

/* The most urgent for a CPU, or 1023. SPIs have one target here. */
static unsigned m_best(unsigned cpu)
{
    unsigned best = 1023;
    for (unsigned id = 0; id < M_INTS && m.on && m.cpu_on[cpu]; id++) {
        const struct m_irq *q = m_irq(cpu, id);
        if (q->enable && m_pending(q) && !q->active && (id < 32 || q->targets == 1u << cpu) &&
            (best == 1023 || q->prio < m_irq(cpu, best)->prio))
            best = id;
    }
    return best;
}

static bool m_signals(unsigned cpu)
{
    const unsigned best = m_best(cpu);
    const uint8_t running = m.nr_running[cpu] ? m.running[cpu][m.nr_running[cpu] - 1] : 0xff;
    return best != 1023 && m_irq(cpu, best)->prio < m.pmr[cpu] && m_irq(cpu, best)->prio < running;
}

static uint32_t m_acknowledge(unsigned cpu)
{
    if (!m_signals(cpu))
        return 1023;
    const unsigned id = m_best(cpu);
    struct m_irq *q = m_irq(cpu, id);
    uint32_t val = id;
    q->active = true;
    q->pend = false;
    if (id < 16) {
        const unsigned from = (unsigned)__builtin_ctz(q->from);
        q->from &= (uint8_t) ~(1u << from);
        val |= from << 10;
    }
    m.running[cpu][m.nr_running[cpu]++] = q->prio;
    return val;
}

static void test_random(void **state)
{
    (void)state;
    uint32_t x = 12345, last[M_CPUS][32];
    memset(&m, 0, sizeof(m));
    boot(M_CPUS);
    for (unsigned c = 0; c < M_CPUS; c++) {
        m.pmr[c] = 0xf0;
        m.cpu_on[c] = true;
        for (unsigned i = 0; i < 32; i++)
            m.priv[c][i] = (struct m_irq){.enable = i < 16, .prio = 0xa0, .edge = i < 16};
    }
    m.on = true;
    for (unsigned i = 32; i < M_INTS; i++)
        m.spi[i] = (struct m_irq){.prio = 0xa0, .targets = 1};
    for (unsigned step = 0; step < 200000; step++) {
        x = x * 1664525u + 1013904223u;
        const unsigned cpu = (x >> 8) % M_CPUS, id = (x >> 12) % M_INTS, other = (x >> 20) % M_CPUS;
        struct m_irq *q = m_irq(cpu, id);
        const bool flag = x >> 30 & 1;
        switch ((x >> 24) % 10) {
        case 0:
            dw(cpu, (flag ? ISENABLER : ICENABLER) + id / 32 * 4, 1u << id % 32);
            q->enable = flag || id < 16;
            break;
        case 1:
            db(cpu, IPRIORITYR + id, (uint8_t)(x >> 3));
            q->prio = x >> 3 & 0xf8;
            break;
        case 2:
            if (id >= 32) {
                db(cpu, ITARGETSR + id, (uint8_t)(1u << other));
                q->targets = (uint8_t)(1u << other);
            }
            break;
        case 3:
            if (id >= 32)
                gic_set_spi(gic, id, flag);
            else if (id >= 16)
                gic_set_ppi(gic, cpu, id, flag);
            else
                break;
            q->pend |= flag && !q->line && q->edge;
            q->line = flag;
            break;
        case 4:
            dw(cpu, SGIR, 1u << (16 + other) | (id & 15));
            m_irq(other, id & 15)->from |= (uint8_t)(1u << cpu);
            break;
        case 5:
            if (id >= 16) {
                dw(cpu, (flag ? ISPENDR : ICPENDR) + id / 32 * 4, 1u << id % 32);
                q->pend = flag;
            }
            break;
        case 6:
        case 7: {
            const uint32_t want = m_acknowledge(cpu), got = cr(cpu, IAR);
            if (got != want)
                fail_msg("step %u: CPU %u acknowledges %x, not %x", step, cpu, got, want);
            if (want < 1020 || want >> 10)
                last[cpu][m.nr_running[cpu] - 1] = want;
            break;
        }
        case 8:
            if (m.nr_running[cpu]) {
                const uint32_t val = last[cpu][--m.nr_running[cpu]];
                cw(cpu, EOIR, val);
                m_irq(cpu, val & 0x3ff)->active = false;
            }
            break;
        case 9:
            if (x >> 31) {
                cw(cpu, PMR, x >> 2);
                m.pmr[cpu] = x >> 2 & 0xf8;
            } else {
                cw(cpu, CTLR, flag);
                m.cpu_on[cpu] = flag;
            }
            break;
        }
        for (unsigned c = 0; c < M_CPUS; c++)
            if (irq[c] != m_signals(c) || fiq[c])
                fail_msg("step %u: CPU %u has IRQ %u, not %u", step, c, irq[c], m_signals(c));
        const unsigned best = m_best(cpu);
        if ((cr(cpu, HPPIR) & 0x3ff) != best)
            fail_msg("step %u: CPU %u: highest pending %u, not %u", step, cpu,
                     cr(cpu, HPPIR) & 0x3ff, best);
    }
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identification),
        cmocka_unit_test(test_uniprocessor),
        cmocka_unit_test(test_banked),
        cmocka_unit_test(test_sgis),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_eoi_mode_and_preemption),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("gicv2", tests, NULL, NULL);
}
