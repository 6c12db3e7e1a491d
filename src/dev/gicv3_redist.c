/* GICv3 redistributors: GICR_*, an RD_base and an SGI_base frame of 64 KiB each for every CPU. Without LPIs.
 *
 * Threads: any vCPU, through the bus; the GIC's own lock.
 * Specification: IHI 0069, "Redistributor register descriptions". */
#include "dev/gicv3_internal.h"

#define GICR_SGI_BASE 0x10000u

static struct gic_cpu_state *cpu_of(struct device *d, uint32_t off)
{
    return &gic_of_device(d)->s.cpu[off >> GICR_FRAME_SHIFT];
}

static uint64_t read_ctlr(struct device *d, uint32_t off, unsigned size)
{
    (void)size;
    return cpu_of(d, off)->gicr_ctlr; /* RWP and UWP are 0 */
}

static void write_ctlr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)size;
    cpu_of(d, off)->gicr_ctlr = (uint32_t)val & (GICR_CTLR_DPG0 | GICR_CTLR_DPG1NS);
    gic_rebalance_locked(gic_of_device(d));
}

static uint64_t read_typer(struct device *d, uint32_t off, unsigned size)
{
    struct gicv3 *g = gic_of_device(d);
    unsigned cpu = off >> GICR_FRAME_SHIFT;
    uint64_t a = g->affinity[cpu];
    uint64_t val = (a >> 32 << 24 | (a & 0xffffff)) << 32 /* Affinity_Value: Aff3.Aff2.Aff1.Aff0 */
                   | (uint64_t)cpu << 8                   /* Processor_Number */
                   | 1u << 5                              /* DPGS: GICR_CTLR.DPG* are there */
                   | (cpu + 1 == g->nr_cpus ? 1u << 4 : 0u); /* Last */
    return size == 8 ? val : (uint32_t)(off & 4 ? val >> 32 : val);
}

static uint64_t read_statusr(struct device *d, uint32_t off, unsigned size)
{
    (void)size;
    return cpu_of(d, off)->gicr_statusr;
}

static void write_statusr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)size;
    cpu_of(d, off)->gicr_statusr &= ~(uint32_t)val;
}

/* "GICR_WAKER": the interface goes to sleep and wakes at once, so ChildrenAsleep always follows ProcessorSleep. */
static uint64_t read_waker(struct device *d, uint32_t off, unsigned size)
{
    uint32_t sleep = cpu_of(d, off)->gicr_waker;
    (void)size;
    return sleep ? sleep | GICR_WAKER_CHILDREN_ASLEEP : 0;
}

static void write_waker(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)size;
    cpu_of(d, off)->gicr_waker = (uint32_t)val & GICR_WAKER_PROCESSOR_SLEEP;
    gic_rebalance_locked(gic_of_device(d));
    gic_set_dirty_locked(gic_of_device(d), off >> GICR_FRAME_SHIFT);
}

static const struct reg_desc rd_regs[] = {
    {0x0000, 1, 4, W32, REG_RW, "GICR_CTLR", read_ctlr, write_ctlr},
    {0x0004, 1, 4, W32, REG_RO, "GICR_IIDR", gic_read_iidr, NULL},
    {0x0008, 1, 8, W32 | W64, REG_RO, "GICR_TYPER", read_typer, NULL},
    {0x0010, 1, 4, W32, REG_RW, "GICR_STATUSR", read_statusr, write_statusr},
    {0x0014, 1, 4, W32, REG_RW, "GICR_WAKER", read_waker, write_waker},
    {0xffd0, 12, 4, W32, REG_RO, "GICR_PIDR", gic_read_idregs, NULL},
};

#define BITMAP(off, name, handler)                                                                 \
    {                                                                                              \
        off, 1, 4, W32, REG_RW, name, gic_read_##handler, gic_write_##handler                      \
    }

static const struct reg_desc sgi_regs[] = {
    BITMAP(0x0080, "GICR_IGROUPR0", igroupr),
    BITMAP(0x0100, "GICR_ISENABLER0", isenabler),
    BITMAP(0x0180, "GICR_ICENABLER0", icenabler),
    BITMAP(0x0200, "GICR_ISPENDR0", ispendr),
    BITMAP(0x0280, "GICR_ICPENDR0", icpendr),
    BITMAP(0x0300, "GICR_ISACTIVER0", isactiver),
    BITMAP(0x0380, "GICR_ICACTIVER0", icactiver),
    {0x0400, 8, 4, W8 | W32, REG_RW, "GICR_IPRIORITYR", gic_read_ipriorityr, gic_write_ipriorityr},
    {0x0c00, 2, 4, W32, REG_RW, "GICR_ICFGR", gic_read_icfgr, gic_write_icfgr},
    BITMAP(0x0d00, "GICR_IGRPMODR0", res0), /* RAZ/WI: GICD_CTLR.DS is 1 */
    BITMAP(0x0e00, "GICR_NSACR", res0),     /* likewise */
};

static bool redist_access(struct device *d, uint32_t off, unsigned size, uint64_t *rdata, uint64_t wdata)
{
    uint32_t key = off & 0xffff, *statusr = &cpu_of(d, off)->gicr_statusr;
    if (off & GICR_SGI_BASE)
        return gic_regs_access(d, 0, sgi_regs, ARRAY_LEN(sgi_regs), key, off, size, rdata, wdata, statusr);
    return gic_regs_access(d, 0, rd_regs, ARRAY_LEN(rd_regs), key, off, size, rdata, wdata, statusr);
}

static bool redist_read(struct device *d, uint32_t off, unsigned size, uint64_t *val)
{
    return redist_access(d, off, size, val, 0);
}

static bool redist_write(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    return redist_access(d, off, size, NULL, val);
}

static const char *redist_register_name(const struct device *d, uint32_t off)
{
    const bool sgi = off & GICR_SGI_BASE;

    (void)d;
    return gic_register_name(sgi ? sgi_regs : rd_regs,
                             sgi ? ARRAY_LEN(sgi_regs) : ARRAY_LEN(rd_regs), off & 0xffff);
}

/* State and reset are the distributor's: one object. */
const struct device_class gic_redist_class = {
    .name = "gicv3-redist",
    .register_name = redist_register_name,
    .flags = DEVICE_UNLOCKED,
    .read = redist_read,
    .write = redist_write,
};
