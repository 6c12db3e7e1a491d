/* GICv2 CPU interfaces: GICC_*, at one address for all CPUs, each of which sees its own. Without Security Extensions.
 *
 * Threads: the vCPU that accesses, through the bus; the GIC's own lock.
 * Specification: IHI 0048, "CPU interface register descriptions". */
#include "dev/gicv3_internal.h"

/* "GICC_CTLR" */
enum {
    CTLR_ENABLE_GRP0 = 1 << 0,
    CTLR_ENABLE_GRP1 = 1 << 1,
    CTLR_ACKCTL = 1 << 2,
    CTLR_FIQEN = 1 << 3,
    CTLR_CBPR = 1 << 4,
    CTLR_EOIMODE = 1 << 9,
};

#define PENDING_IN_GROUP1                                                                          \
    1022u /* an interrupt of Group 1, which this register does not acknowledge */

static struct gic_cpu_state *me(struct device *d)
{
    struct gicv3 *g = gic_of_device(d);
    return &g->s.cpu[g->accessor];
}

static void changed(struct device *d)
{
    struct gicv3 *g = gic_of_device(d);
    gic_set_dirty_locked(g, g->accessor);
}

/* The two forms of the register's bits. */
static const struct {
    uint32_t ours, theirs;
} ctlr_bits[] = {
    {GIC_CTLR_V2_ACKCTL, CTLR_ACKCTL},
    {GIC_CTLR_V2_FIQEN, CTLR_FIQEN},
    {ICC_CTLR_CBPR, CTLR_CBPR},
    {ICC_CTLR_EOIMODE, CTLR_EOIMODE},
};

static uint64_t read_ctlr(struct device *d, uint32_t off, unsigned size)
{
    const struct gic_cpu_state *s = me(d);
    uint64_t val = s->icc_igrpen[0] | s->icc_igrpen[1] << 1;
    (void)off, (void)size;
    for (unsigned i = 0; i < ARRAY_LEN(ctlr_bits); i++)
        val |= s->icc_ctlr & ctlr_bits[i].ours ? ctlr_bits[i].theirs : 0;
    return val;
}

static void write_ctlr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct gicv3 *g = gic_of_device(d);
    struct gic_cpu_state *s = me(d);
    (void)off, (void)size;
    s->icc_ctlr = 0;
    for (unsigned i = 0; i < ARRAY_LEN(ctlr_bits); i++)
        s->icc_ctlr |= val & ctlr_bits[i].theirs ? ctlr_bits[i].ours : 0;
    gic_write_igrpen_locked(g, g->accessor, 0, val & CTLR_ENABLE_GRP0);
    gic_write_igrpen_locked(g, g->accessor, 1, (val & CTLR_ENABLE_GRP1) != 0);
    changed(d);
}

static uint64_t read_pmr(struct device *d, uint32_t off, unsigned size)
{
    (void)off, (void)size;
    return me(d)->icc_pmr;
}

static void write_pmr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)off, (void)size;
    me(d)->icc_pmr = (uint32_t)val & GIC_PRIO_MASK;
    changed(d);
}

/* GICC_BPR is of Group 0, GICC_ABPR of Group 1. */
static unsigned group_of(uint32_t off)
{
    return off >= 0x1c;
}

static uint64_t read_bpr(struct device *d, uint32_t off, unsigned size)
{
    (void)size;
    return me(d)->icc_bpr[group_of(off)];
}

static void write_bpr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)size;
    gic_write_bpr_locked(me(d), group_of(off), val);
    changed(d);
}

/* The highest priority pending interrupt as GICC_IAR and GICC_HPPIR tell it, or as their aliases for Group 1 do. */
static unsigned visible_locked(const struct gicv3 *g, bool alias)
{
    const struct gic_cpu *c = &g->cpu[g->accessor];
    if (c->hppi == GIC_SPURIOUS)
        return GIC_SPURIOUS;
    if (alias)
        return c->hppi_group ? c->hppi : GIC_SPURIOUS;
    return c->hppi_group && !(g->s.cpu[g->accessor].icc_ctlr & GIC_CTLR_V2_ACKCTL) ? PENDING_IN_GROUP1
                                                                                   : c->hppi;
}

/* With the CPU that sent an SGI: of several the lowest. */
static uint64_t with_source(const struct gic_cpu_state *s, unsigned intid)
{
    return intid < GIC_NR_SGIS && s->sgi_from[intid]
               ? intid | (unsigned)__builtin_ctz(s->sgi_from[intid]) << 10
               : intid;
}

/* "GICC_IAR", "GICC_AIAR" */
static uint64_t read_iar(struct device *d, uint32_t off, unsigned size)
{
    struct gicv3 *g = gic_of_device(d);
    struct gic_cpu_state *s = me(d);
    unsigned intid = visible_locked(g, group_of(off));
    (void)size;

    if (!atomic_load_explicit(&g->cpu[g->accessor].lines, memory_order_relaxed))
        return GIC_SPURIOUS; /* pending, but not of sufficient priority */
    if (intid >= GIC_FIRST_SPECIAL)
        return intid;
    const uint64_t val = with_source(s, intid);
    gic_activate_locked(g, g->accessor);
    if (intid < GIC_NR_SGIS) {
        /* Pending still, if another CPU sent it too. */
        s->sgi_from[intid] &= (uint8_t)(s->sgi_from[intid] - 1);
        if (s->sgi_from[intid])
            s->irqs.latch |= 1u << intid;
    }
    return val;
}

static uint64_t read_hppir(struct device *d, uint32_t off, unsigned size)
{
    (void)size;
    return with_source(me(d), visible_locked(gic_of_device(d), group_of(off)));
}

/* "GICC_EOIR": of the group whose interrupt runs; of Group 1 only with AckCtl. "GICC_AEOIR": of Group 1. */
static void write_eoir(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct gicv3 *g = gic_of_device(d);
    const struct gic_cpu_state *s = me(d);
    const uint32_t active = s->icc_ap[0] | s->icc_ap[1];
    const unsigned running = (s->icc_ap[1] & active & -active) != 0;
    (void)size;

    if (group_of(off) ? running : !running || (s->icc_ctlr & GIC_CTLR_V2_ACKCTL))
        gic_end_of_interrupt_locked(g, g->accessor, running, (uint32_t)bits(val, 9, 0));
}

/* "GICC_DIR" */
static void write_dir(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct gicv3 *g = gic_of_device(d);
    (void)off, (void)size;
    if (me(d)->icc_ctlr & ICC_CTLR_EOIMODE) /* UNPREDICTABLE otherwise: ignored */
        gic_deactivate_locked(g, g->accessor, (uint32_t)bits(val, 9, 0));
}

static uint64_t read_rpr(struct device *d, uint32_t off, unsigned size)
{
    struct gicv3 *g = gic_of_device(d);
    (void)off, (void)size;
    return gic_running_priority_locked(g, g->accessor);
}

static uint64_t read_apr(struct device *d, uint32_t off, unsigned size)
{
    (void)size;
    return me(d)->icc_ap[off >= 0xe0];
}

static void write_apr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)size;
    me(d)->icc_ap[off >= 0xe0] = (uint32_t)val;
    changed(d);
}

/* As GIC-400 has it: architecture version 2. */
static uint64_t read_iidr(struct device *d, uint32_t off, unsigned size)
{
    (void)d, (void)off, (void)size;
    return 0x0202143b;
}

static const struct reg_desc cpuif_regs[] = {
    {0x00, 1, 4, W32, REG_RW, "GICC_CTLR", read_ctlr, write_ctlr},
    {0x04, 1, 4, W32, REG_RW, "GICC_PMR", read_pmr, write_pmr},
    {0x08, 1, 4, W32, REG_RW, "GICC_BPR", read_bpr, write_bpr},
    {0x0c, 1, 4, W32, REG_RO, "GICC_IAR", read_iar, NULL},
    {0x10, 1, 4, W32, REG_WO, "GICC_EOIR", NULL, write_eoir},
    {0x14, 1, 4, W32, REG_RO, "GICC_RPR", read_rpr, NULL},
    {0x18, 1, 4, W32, REG_RO, "GICC_HPPIR", read_hppir, NULL},
    {0x1c, 1, 4, W32, REG_RW, "GICC_ABPR", read_bpr, write_bpr},
    {0x20, 1, 4, W32, REG_RO, "GICC_AIAR", read_iar, NULL},
    {0x24, 1, 4, W32, REG_WO, "GICC_AEOIR", NULL, write_eoir},
    {0x28, 1, 4, W32, REG_RO, "GICC_AHPPIR", read_hppir, NULL},
    {0xd0, 1, 4, W32, REG_RW, "GICC_APR0", read_apr, write_apr}, /* five bits of priority need no APR1 to APR3 */
    {0xd4, 3, 4, W32, REG_RW, "GICC_APR1", gic_read_res0, gic_write_res0},
    {0xe0, 1, 4, W32, REG_RW, "GICC_NSAPR0", read_apr, write_apr},
    {0xe4, 3, 4, W32, REG_RW, "GICC_NSAPR1", gic_read_res0, gic_write_res0},
    {0xfc, 1, 4, W32, REG_RO, "GICC_IIDR", read_iidr, NULL},
    {0x1000, 1, 4, W32, REG_WO, "GICC_DIR", NULL, write_dir},
};

static bool cpuif_read(struct device *d, unsigned cpu, uint32_t off, unsigned size, uint64_t *val)
{
    return gic_regs_access(d, cpu, cpuif_regs, ARRAY_LEN(cpuif_regs), off, off, size, val, 0,
                           &gic_of_device(d)->s.gicd_statusr);
}

static bool cpuif_write(struct device *d, unsigned cpu, uint32_t off, unsigned size, uint64_t val)
{
    return gic_regs_access(d, cpu, cpuif_regs, ARRAY_LEN(cpuif_regs), off, off, size, NULL, val,
                           &gic_of_device(d)->s.gicd_statusr);
}

static const char *cpuif_register_name(const struct device *d, uint32_t off)
{
    (void)d;
    return gic_register_name(cpuif_regs, ARRAY_LEN(cpuif_regs), off);
}

/* State and reset are the distributor's: one object. */
const struct device_class gicv2_cpuif_class = {
    .name = "gicv2-cpuif",
    .register_name = cpuif_register_name,
    .flags = DEVICE_UNLOCKED,
    .read_by = cpuif_read,
    .write_by = cpuif_write,
};
