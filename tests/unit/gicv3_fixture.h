/* A GICv3 with nobody around it, and short names for what a guest does to one. For test_gicv3*.c; every access must succeed. */
#ifndef VIBE_TESTS_GICV3_FIXTURE_H
#define VIBE_TESTS_GICV3_FIXTURE_H

#include "base/err.h"
#include "dev/gicv3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* wants the ones above */

#define ICC(crm, op2) ((uint16_t)(0xc600 | (crm) << 3 | (op2))) /* S3_0_C12_Cm_op2 */
#define PMR ((uint16_t)0xc230)
#define IAR0 ICC(8, 0)
#define EOIR0 ICC(8, 1)
#define HPPIR0 ICC(8, 2)
#define BPR0 ICC(8, 3)
#define AP0R0 ICC(8, 4)
#define AP1R0 ICC(9, 0)
#define DIR ICC(11, 1)
#define RPR ICC(11, 3)
#define SGI1R ICC(11, 5)
#define ASGI1R ICC(11, 6)
#define SGI0R ICC(11, 7)
#define IAR1 ICC(12, 0)
#define EOIR1 ICC(12, 1)
#define HPPIR1 ICC(12, 2)
#define BPR1 ICC(12, 3)
#define CTLR ICC(12, 4)
#define SRE ICC(12, 5)
#define IGRPEN0 ICC(12, 6)
#define IGRPEN1 ICC(12, 7)

#define EOIMODE 2u

enum {
    IGROUPR = 0x80,
    ISENABLER = 0x100,
    ICENABLER = 0x180,
    ISPENDR = 0x200,
    ICPENDR = 0x280,
    ISACTIVER = 0x300,
    ICACTIVER = 0x380,
    IPRIORITYR = 0x400,
    ICFGR = 0xc00,
    IROUTER = 0x6000,
    SGI_BASE = 0x10000
};

struct fixture {
    struct gicv3 *g;
    unsigned nr_cpus, nr_spis;
    bool irq[64], fiq[64];
    unsigned calls;
};

static inline void on_irq(void *opaque, unsigned cpu, bool irq, bool fiq)
{
    struct fixture *f = opaque;
    assert_true(f->irq[cpu] != irq || f->fiq[cpu] != fiq); /* changes only */
    assert_false(irq && fiq);
    f->irq[cpu] = irq;
    f->fiq[cpu] = fiq;
    f->calls++;
}

/* 16 CPUs a cluster: Aff1.Aff0. */
static inline void create(struct fixture *f, unsigned nr_cpus, unsigned nr_spis)
{
    uint64_t mpidr[64];
    struct gic_config cfg = {3, nr_cpus, mpidr, nr_spis, on_irq, f};
    memset(f, 0, sizeof(*f));
    for (unsigned c = 0; c < nr_cpus; c++)
        mpidr[c] = 0x80000000 | c / 16 << 8 | c % 16;
    f->nr_cpus = nr_cpus;
    f->nr_spis = nr_spis;
    f->g = gic_create(&cfg, 0x08000000, 0x080a0000, NULL);
    assert_non_null(f->g);
}

static inline bool try_read(struct fixture *f, bool redist, uint32_t off, unsigned size, uint64_t *val)
{
    struct device *d = redist ? gic_redist(f->g) : gic_dist(f->g);
    return d->cls->read(d, off, size, val);
}

static inline bool try_write(struct fixture *f, bool redist, uint32_t off, unsigned size, uint64_t val)
{
    struct device *d = redist ? gic_redist(f->g) : gic_dist(f->g);
    return d->cls->write(d, off, size, val);
}

static inline uint64_t dr(struct fixture *f, uint32_t off)
{
    uint64_t val = ~UINT64_C(0);
    assert_true(try_read(f, false, off, 4, &val));
    return val;
}

static inline void dw(struct fixture *f, uint32_t off, uint32_t val)
{
    assert_true(try_write(f, false, off, 4, val));
}

static inline uint64_t rr(struct fixture *f, unsigned cpu, uint32_t off)
{
    uint64_t val = ~UINT64_C(0);
    assert_true(try_read(f, true, cpu << 17 | off, 4, &val));
    return val;
}

static inline void rw(struct fixture *f, unsigned cpu, uint32_t off, uint32_t val)
{
    assert_true(try_write(f, true, cpu << 17 | off, 4, val));
}

static inline uint64_t mrs(struct fixture *f, unsigned cpu, uint16_t reg)
{
    uint64_t val = ~UINT64_C(0);
    assert_true(gic_sysreg_read(f->g, cpu, reg, &val));
    return val;
}

static inline void msr(struct fixture *f, unsigned cpu, uint16_t reg, uint64_t val)
{
    assert_true(gic_sysreg_write(f->g, cpu, reg, val));
}

/* The write of one bit, or byte, for an INTID, wherever it lives. */
static inline void set(struct fixture *f, unsigned cpu, uint32_t array, unsigned intid)
{
    if (intid < 32)
        rw(f, cpu, SGI_BASE + array, 1u << intid);
    else
        dw(f, array + intid / 32 * 4, 1u << intid % 32);
}

static inline bool get(struct fixture *f, unsigned cpu, uint32_t array, unsigned intid)
{
    uint64_t val = intid < 32 ? rr(f, cpu, SGI_BASE + array) : dr(f, array + intid / 32 * 4);
    return val >> intid % 32 & 1;
}

static inline void prio(struct fixture *f, unsigned cpu, unsigned intid, uint8_t val)
{
    assert_true(try_write(f, intid < 32,
                          (intid < 32 ? cpu << 17 | SGI_BASE : 0) + IPRIORITYR + intid, 1, val));
}

static inline void group1(struct fixture *f, unsigned cpu, unsigned intid, bool on)
{
    uint32_t off = IGROUPR + intid / 32 * 4, m = 1u << intid % 32;
    if (intid < 32)
        rw(f, cpu, SGI_BASE + IGROUPR,
           (uint32_t)(on ? rr(f, cpu, SGI_BASE + IGROUPR) | m : rr(f, cpu, SGI_BASE + IGROUPR) & ~m));
    else
        dw(f, off, (uint32_t)(on ? dr(f, off) | m : dr(f, off) & ~m));
}

static inline void edge(struct fixture *f, unsigned intid)
{
    dw(f, ICFGR + intid / 16 * 4, (uint32_t)dr(f, ICFGR + intid / 16 * 4) | 2u << 2 * (intid % 16));
}

/* What an operating system does on start: everything Group 1, priority 0xa0, nothing enabled yet. */
static inline void boot(struct fixture *f, unsigned nr_cpus, unsigned nr_spis)
{
    create(f, nr_cpus, nr_spis);
    dw(f, 0, 3);
    for (unsigned w = 1; w <= nr_spis / 32; w++)
        dw(f, IGROUPR + 4 * w, 0xffffffff);
    for (unsigned i = 32; i < 32 + nr_spis; i += 4)
        dw(f, IPRIORITYR + i, 0xa0a0a0a0);
    for (unsigned c = 0; c < nr_cpus; c++) {
        rw(f, c, 0x14, 0);
        rw(f, c, SGI_BASE + IGROUPR, 0xffffffff);
        for (unsigned i = 0; i < 32; i += 4)
            rw(f, c, SGI_BASE + IPRIORITYR + i, 0xa0a0a0a0);
        msr(f, c, PMR, 0xff);
        msr(f, c, IGRPEN0, 1);
        msr(f, c, IGRPEN1, 1);
    }
}

static inline void done(struct fixture *f)
{
    gic_destroy(f->g);
}

#endif
