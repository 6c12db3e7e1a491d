/* GICv2 distributor: GICD_* with the registers of SGIs and PPIs banked for each CPU.
 *
 * Threads: any vCPU, through the bus; the GIC's own lock.
 * Specification: IHI 0048, "Distributor register descriptions". */
#include "dev/gic_native.h"
#include "dev/gicv3_internal.h"
#include "load/fdt.h"

static uint64_t read_ctlr(struct device *d, uint32_t off, unsigned size)
{
    (void)off, (void)size;
    return gic_of_device(d)->s.gicd_ctlr;
}

static void write_ctlr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct gicv3 *g = gic_of_device(d);
    (void)off, (void)size;
    g->s.gicd_ctlr = (uint32_t)val & (GICD_CTLR_ENABLE_GRP0 | GICD_CTLR_ENABLE_GRP1);
    for (unsigned c = 0; c < g->nr_cpus; c++)
        gic_set_dirty_locked(g, c);
}

static uint64_t read_typer(struct device *d, uint32_t off, unsigned size)
{
    const struct gicv3 *g = gic_of_device(d);
    (void)off, (void)size;
    return g->nr_spis / 32          /* ITLinesNumber: 32 * (n + 1) INTIDs */
           | (g->nr_cpus - 1) << 5; /* CPUNumber; no Security Extensions */
}

/* As GIC-400 has it. */
static uint64_t read_iidr(struct device *d, uint32_t off, unsigned size)
{
    (void)d, (void)off, (void)size;
    return 0x0200143b;
}

/* "GICD_ITARGETSR": of a CPU's own interrupts, that CPU; a uniprocessor's are all RAZ/WI. */
static uint64_t read_itargetsr(struct device *d, uint32_t off, unsigned size)
{
    const struct gicv3 *g = gic_of_device(d);
    uint64_t val = 0;
    for (unsigned i = 0; i < size && g->nr_cpus > 1; i++) {
        const unsigned intid = off - 0x800 + i;
        const uint8_t targets = intid < GIC_NR_PRIVATE     ? (uint8_t)(1u << g->accessor)
                                : gic_implements(g, intid) ? g->s.itargets[intid - GIC_NR_PRIVATE]
                                                           : 0;
        val |= (uint64_t)targets << 8 * i;
    }
    return val;
}

static void write_itargetsr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct gicv3 *g = gic_of_device(d);
    for (unsigned i = 0; i < size && g->nr_cpus > 1; i++) {
        const unsigned intid = off - 0x800 + i;
        if (intid < GIC_NR_PRIVATE || !gic_implements(g, intid))
            continue;
        g->s.itargets[intid - GIC_NR_PRIVATE] = (uint8_t)(val >> 8 * i & mask64(g->nr_cpus));
        gic_route_locked(g, intid);
    }
}

/* ---- SGIs: pending once for each CPU that sent it ------------------------------------------------------------------------ */

static void set_sgi_from(struct gicv3 *g, unsigned cpu, unsigned intid, uint8_t from)
{
    struct gic_cpu_state *s = &g->s.cpu[cpu];
    const uint32_t m = 1u << intid;

    s->sgi_from[intid] = from;
    s->irqs.latch = from ? s->irqs.latch | m : s->irqs.latch & ~m;
    gic_eval_locked(g, cpu, intid);
}

/* "GICD_SGIR" */
static void write_sgir(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct gicv3 *g = gic_of_device(d);
    const unsigned intid = val & 0xf;
    uint32_t targets = 0;

    (void)off, (void)size;
    switch (bits(val, 25, 24)) {
    case 0: targets = (uint32_t)bits(val, 23, 16); break;
    case 1: targets = ~(1u << g->accessor); break;
    case 2: targets = 1u << g->accessor; break;
    }
    for (unsigned c = 0; c < g->nr_cpus; c++)
        if (targets >> c & 1)
            set_sgi_from(g, c, intid, (uint8_t)(g->s.cpu[c].sgi_from[intid] | 1u << g->accessor));
}

static uint64_t read_pendsgir(struct device *d, uint32_t off, unsigned size)
{
    const struct gicv3 *g = gic_of_device(d);
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++)
        val |= (uint64_t)g->s.cpu[g->accessor].sgi_from[(off + i) % GIC_NR_SGIS] << 8 * i;
    return val;
}

static void write_pendsgir(struct device *d, uint32_t off, unsigned size, uint64_t val, bool set)
{
    struct gicv3 *g = gic_of_device(d);
    for (unsigned i = 0; i < size; i++) {
        const unsigned intid = (off + i) % GIC_NR_SGIS;
        const uint8_t from = g->s.cpu[g->accessor].sgi_from[intid];
        const uint8_t these = (uint8_t)(val >> 8 * i & mask64(g->nr_cpus));
        set_sgi_from(g, g->accessor, intid, (uint8_t)(set ? from | these : from & ~these));
    }
}

static void write_cpendsgir(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    write_pendsgir(d, off, size, val, false);
}

static void write_spendsgir(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    write_pendsgir(d, off, size, val, true);
}

/* "Identification registers", as GIC-400 has them: ICPIDR2.ArchRev is 2. */
static uint64_t read_idregs(struct device *d, uint32_t off, unsigned size)
{
    static const uint8_t id[12] = {0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1};
    (void)d, (void)size;
    return id[(off - 0xfd0) / 4];
}

/* ---- the window ---------------------------------------------------------------------------------------------------------- */

#define BITMAP(off, name, handler)                                                                 \
    {                                                                                              \
        off, 32, 4, W32, REG_RW, name, gic_read_##handler, gic_write_##handler                     \
    }

static const struct reg_desc dist_regs[] = {
    {0x000, 1, 4, W32, REG_RW, "GICD_CTLR", read_ctlr, write_ctlr},
    {0x004, 1, 4, W32, REG_RO, "GICD_TYPER", read_typer, NULL},
    {0x008, 1, 4, W32, REG_RO, "GICD_IIDR", read_iidr, NULL},
    BITMAP(0x080, "GICD_IGROUPR", igroupr),
    BITMAP(0x100, "GICD_ISENABLER", isenabler),
    BITMAP(0x180, "GICD_ICENABLER", icenabler),
    BITMAP(0x200, "GICD_ISPENDR", ispendr),
    BITMAP(0x280, "GICD_ICPENDR", icpendr),
    BITMAP(0x300, "GICD_ISACTIVER", isactiver),
    BITMAP(0x380, "GICD_ICACTIVER", icactiver),
    {0x400, 255, 4, W8 | W32, REG_RW, "GICD_IPRIORITYR", gic_read_ipriorityr, gic_write_ipriorityr},
    {0x800, 255, 4, W8 | W32, REG_RW, "GICD_ITARGETSR", read_itargetsr, write_itargetsr},
    {0xc00, 64, 4, W32, REG_RW, "GICD_ICFGR", gic_read_icfgr, gic_write_icfgr},
    {0xe00, 64, 4, W32, REG_RW, "GICD_NSACR", gic_read_res0, gic_write_res0}, /* RAZ/WI: no Security Extensions */
    {0xf00, 1, 4, W32, REG_WO, "GICD_SGIR", NULL, write_sgir},
    {0xf10, 4, 4, W8 | W32, REG_RW, "GICD_CPENDSGIR", read_pendsgir, write_cpendsgir},
    {0xf20, 4, 4, W8 | W32, REG_RW, "GICD_SPENDSGIR", read_pendsgir, write_spendsgir},
    {0xfd0, 12, 4, W32, REG_RO, "ICPIDR", read_idregs, NULL},
};

static bool dist_read(struct device *d, unsigned cpu, uint32_t off, unsigned size, uint64_t *val)
{
    return gic_regs_access(d, cpu, dist_regs, ARRAY_LEN(dist_regs), off, off, size, val, 0,
                           &gic_of_device(d)->s.gicd_statusr);
}

static bool dist_write(struct device *d, unsigned cpu, uint32_t off, unsigned size, uint64_t val)
{
    return gic_regs_access(d, cpu, dist_regs, ARRAY_LEN(dist_regs), off, off, size, NULL, val,
                           &gic_of_device(d)->s.gicd_statusr);
}

static void dist_reset(struct device *d)
{
    gic_reset(gic_of_device(d)); /* the CPU interfaces too */
}

/* arm,cortex-a15-gic binding (arm,gic.yaml): one node for both windows. */
static void dist_fdt_node(const struct device *d, struct fdt_ctx *f)
{
    const struct device *cpuif = gic_redist(CONTAINER_OF(d, const struct gic_frame, dev)->g);

    gic_write_node(f, 2, &(struct dt_range){d->base, d->len},
                   &(struct dt_range){cpuif->base, cpuif->len});
}

static const char *dist_register_name(const struct device *d, uint32_t off)
{
    (void)d;
    return gic_register_name(dist_regs, ARRAY_LEN(dist_regs), off);
}

/* The object belongs to whoever created it: no destroy. */
const struct device_class gicv2_dist_class = {
    .name = "gicv2-dist",
    .register_name = dist_register_name,
    .flags = DEVICE_UNLOCKED,
    .read_by = dist_read,
    .write_by = dist_write,
    .reset = dist_reset,
    .fdt_node = dist_fdt_node,
    .snap = gic_snap,
};
