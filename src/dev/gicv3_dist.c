/* GICv3 distributor: GICD_*, with GICD_CTLR.DS = 1 and ARE = 1 always.
 *
 * Threads: any vCPU, through the bus; the GIC's own lock.
 * Specification: IHI 0069, "Distributor register descriptions". */
#include "base/log.h"
#include "dev/gic_native.h"
#include "dev/gicv3_internal.h"
#include "load/fdt.h"

static uint64_t read_ctlr(struct device *d, uint32_t off, unsigned size)
{
    (void)off, (void)size;
    return gic_of_device(d)->s.gicd_ctlr; /* RWP is 0: every write has taken effect when it returns */
}

static void write_ctlr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct gicv3 *g = gic_of_device(d);
    uint32_t enables = GICD_CTLR_ENABLE_GRP0 | GICD_CTLR_ENABLE_GRP1;
    (void)off, (void)size;
    g->s.gicd_ctlr = ((uint32_t)val & enables) | GICD_CTLR_ARE | GICD_CTLR_DS;
    for (unsigned c = 0; c < g->nr_cpus; c++)
        gic_set_dirty_locked(g, c);
}

static uint64_t read_typer(struct device *d, uint32_t off, unsigned size)
{
    (void)off, (void)size;
    return gic_of_device(d)->nr_spis / 32 /* ITLinesNumber: 32 * (n + 1) INTIDs */
           | 1u << 16                     /* MBIS: GICD_SETSPI_NSR */
           | 9u << 19                     /* IDbits: INTIDs have 10 bits */
           | 1u << 24                     /* A3V */
           | 1u << 26;                    /* RSS: 256 values of affinity 0 in SGIs */
}

static uint64_t read_statusr(struct device *d, uint32_t off, unsigned size)
{
    (void)off, (void)size;
    return gic_of_device(d)->s.gicd_statusr;
}

static void write_statusr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)off, (void)size;
    gic_of_device(d)->s.gicd_statusr &= ~(uint32_t)val;
}

/* "GICD_SETSPI_NSR": a level-sensitive SPI stays asserted until GICD_CLRSPI_NSR, an edge-triggered one has had its edge. */
static void set_message(struct device *d, uint64_t val, bool level)
{
    struct gicv3 *g = gic_of_device(d);
    unsigned intid = val & 0x1fff;
    if (intid < GIC_NR_PRIVATE || !gic_implements(g, intid))
        return;
    struct gic_irqs *w = gic_irqs_of(g, 0, intid);
    uint32_t m = 1u << intid % 32;
    uint32_t *field = w->edge & m ? &w->latch : &w->msg;
    *field = level ? *field | m : *field & ~m;
    gic_eval_locked(g, 0, intid);
}

static void write_setspi_nsr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)off, (void)size;
    set_message(d, val, true);
}

static void write_clrspi_nsr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)off, (void)size;
    set_message(d, val, false);
}

static uint64_t read_irouter(struct device *d, uint32_t off, unsigned size)
{
    struct gicv3 *g = gic_of_device(d);
    unsigned intid = (off - 0x6000) / 8;
    uint64_t val = gic_implements(g, intid) ? g->s.irouter[intid - GIC_NR_PRIVATE] : 0;
    return size == 8 ? val : (uint32_t)(off & 4 ? val >> 32 : val);
}

static void write_irouter(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct gicv3 *g = gic_of_device(d);
    unsigned intid = (off - 0x6000) / 8;
    if (!gic_implements(g, intid))
        return;
    uint64_t *router = &g->s.irouter[intid - GIC_NR_PRIVATE], old = *router;
    if (size == 4)
        val = off & 4 ? val << 32 | (uint32_t)old : (old & ~mask64(32)) | (uint32_t)val;
    *router = val & (GIC_AFFINITY_MASK | GICD_IROUTER_IRM);
    if (*router != old)
        gic_route_locked(g, intid);
}

/* A driver for a GICv2 that found a GICv3 goes silent: its SPIs stay where they are and its SGIs are not sent. */
static void write_gicv2(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)d, (void)size, (void)val;
    log_guest(LOG_DEBUG, "GICD_%s written: RES0 with affinity routing; a GICv3 has %s",
              off < 0xf00   ? "ITARGETSR"
              : off < 0xf10 ? "SGIR"
                            : "CPENDSGIR/SPENDSGIR",
              off < 0xf00 ? "GICD_IROUTER" : "ICC_SGI1R_EL1");
}

#define BITMAP(off, name, handler)                                                                 \
    {                                                                                              \
        off, 32, 4, W32, REG_RW, name, gic_read_##handler, gic_write_##handler                     \
    }

static const struct reg_desc dist_regs[] = {
    {0x0000, 1, 4, W32, REG_RW, "GICD_CTLR", read_ctlr, write_ctlr},
    {0x0004, 1, 4, W32, REG_RO, "GICD_TYPER", read_typer, NULL},
    {0x0008, 1, 4, W32, REG_RO, "GICD_IIDR", gic_read_iidr, NULL},
    {0x000c, 1, 4, W32, REG_RO, "GICD_TYPER2", gic_read_res0, NULL},
    {0x0010, 1, 4, W32, REG_RW, "GICD_STATUSR", read_statusr, write_statusr},
    {0x0040, 1, 4, W16 | W32, REG_WO, "GICD_SETSPI_NSR", NULL, write_setspi_nsr},
    {0x0048, 1, 4, W16 | W32, REG_WO, "GICD_CLRSPI_NSR", NULL, write_clrspi_nsr},
    {0x0050, 1, 4, W16 | W32, REG_WO, "GICD_SETSPI_SR", NULL, gic_write_res0}, /* WI: DS is 1 */
    {0x0058, 1, 4, W16 | W32, REG_WO, "GICD_CLRSPI_SR", NULL, gic_write_res0},
    BITMAP(0x0080, "GICD_IGROUPR", igroupr),
    BITMAP(0x0100, "GICD_ISENABLER", isenabler),
    BITMAP(0x0180, "GICD_ICENABLER", icenabler),
    BITMAP(0x0200, "GICD_ISPENDR", ispendr),
    BITMAP(0x0280, "GICD_ICPENDR", icpendr),
    BITMAP(0x0300, "GICD_ISACTIVER", isactiver),
    BITMAP(0x0380, "GICD_ICACTIVER", icactiver),
    {0x0400, 255, 4, W8 | W32, REG_RW, "GICD_IPRIORITYR", gic_read_ipriorityr, gic_write_ipriorityr},
    {0x0800, 255, 4, W8 | W32, REG_RW, "GICD_ITARGETSR", gic_read_res0, write_gicv2},
    {0x0c00, 64, 4, W32, REG_RW, "GICD_ICFGR", gic_read_icfgr, gic_write_icfgr},
    {0x0d00, 32, 4, W32, REG_RW, "GICD_IGRPMODR", gic_read_res0, gic_write_res0}, /* RAZ/WI: DS is 1 */
    {0x0e00, 64, 4, W32, REG_RW, "GICD_NSACR", gic_read_res0, gic_write_res0},    /* likewise */
    {0x0f00, 1, 4, W32, REG_WO, "GICD_SGIR", NULL, write_gicv2},
    {0x0f10, 4, 4, W8 | W32, REG_RW, "GICD_CPENDSGIR", gic_read_res0, write_gicv2},
    {0x0f20, 4, 4, W8 | W32, REG_RW, "GICD_SPENDSGIR", gic_read_res0, write_gicv2},
    {0x6100, 988, 8, W32 | W64, REG_RW, "GICD_IROUTER", read_irouter, write_irouter}, /* INTIDs 32 to 1019 */
    {0xffd0, 12, 4, W32, REG_RO, "GICD_PIDR", gic_read_idregs, NULL},
};

static bool dist_read(struct device *d, uint32_t off, unsigned size, uint64_t *val)
{
    return gic_regs_access(d, 0, dist_regs, ARRAY_LEN(dist_regs), off, off, size, val, 0,
                           &gic_of_device(d)->s.gicd_statusr);
}

static bool dist_write(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    return gic_regs_access(d, 0, dist_regs, ARRAY_LEN(dist_regs), off, off, size, NULL, val,
                           &gic_of_device(d)->s.gicd_statusr);
}

static void dist_reset(struct device *d)
{
    gic_reset(gic_of_device(d)); /* the redistributors and CPU interfaces too */
}

/* arm,gic-v3 binding: one node for both windows. */
static void dist_fdt_node(const struct device *d, struct fdt_ctx *f)
{
    const struct device *redist = gic_redist(CONTAINER_OF(d, const struct gic_frame, dev)->g);

    gic_write_node(f, 3, &(struct dt_range){d->base, d->len},
                   &(struct dt_range){redist->base, redist->len});
}

static const char *dist_register_name(const struct device *d, uint32_t off)
{
    (void)d;
    return gic_register_name(dist_regs, ARRAY_LEN(dist_regs), off);
}

/* The object belongs to whoever created it: no destroy. */
const struct device_class gic_dist_class = {
    .name = "gicv3-dist",
    .register_name = dist_register_name,
    .flags = DEVICE_UNLOCKED,
    .read = dist_read,
    .write = dist_write,
    .reset = dist_reset,
    .fdt_node = dist_fdt_node,
    .snap = gic_snap,
};
