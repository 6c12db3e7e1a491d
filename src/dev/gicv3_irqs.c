/* The registers that the distributor (SPIs) and the redistributors' SGI_base frames (SGIs, PPIs) have in common, and the
 * register dispatch of both.
 *
 * The arrays lie at the same offsets in both frames, a multiple of their length, so that an offset's low bits name the INTID.
 *
 * Threads: gic_regs_access() takes the lock around the handlers.
 * Specification: IHI 0069, "Distributor register descriptions", "Redistributor register descriptions". */
#include "dev/gicv3_internal.h"

static const struct reg_desc *find_row(const struct reg_desc *regs, unsigned nr_regs, uint32_t key)
{
    for (unsigned i = 0; i < nr_regs; i++)
        if (key - regs[i].offset < MAX(regs[i].count, 1) * regs[i].stride)
            return &regs[i];
    return NULL;
}

const char *gic_register_name(const struct reg_desc *regs, unsigned nr_regs, uint32_t key)
{
    const struct reg_desc *r = find_row(regs, nr_regs, key);
    return r ? r->name : NULL;
}

bool gic_regs_access(struct device *d, unsigned cpu, const struct reg_desc *regs, unsigned nr_regs,
                     uint32_t key, uint32_t off, unsigned size, uint64_t *rdata, uint64_t wdata,
                     uint32_t *statusr)
{
    struct gicv3 *g = gic_of_device(d);
    const struct reg_desc *r = find_row(regs, nr_regs, key);

    if (r && !(r->widths & size))
        return false;

    bool ok = r && r->access & (rdata ? REG_RO : REG_WO);
    gic_lock(g);
    g->accessor = cpu;
    if (!ok) /* "GICD_STATUSR" */
        *statusr |= r ? (rdata ? STATUSR_RWOD : STATUSR_WROD) : (rdata ? STATUSR_RRD : STATUSR_WRD);
    else if (rdata)
        *rdata = r->read(d, off, size);
    else
        r->write(d, off, size, wdata);
    gic_unlock(g);
    return ok;
}

/* A word of INTIDs that a register access means. */
struct where {
    struct gicv3 *g;
    unsigned cpu, word;
    struct gic_irqs *irqs; /* null: RAZ/WI, being unimplemented or, in the distributor, a CPU's own */
};

/* per_intid_log2: bits of the register array for each INTID. */
static struct where locate(struct device *d, uint32_t off, unsigned array, unsigned per_intid_log2)
{
    struct gicv3 *g = gic_of_device(d);
    struct where w = {.g = g};
    if (gic_is_redist(g, d)) {
        w.cpu = off >> GICR_FRAME_SHIFT;
        w.irqs = &g->s.cpu[w.cpu].irqs;
        return w;
    }
    w.word = ((off - array) << 3) >> per_intid_log2 >> 5;
    /* "Affinity routing": with it, the distributor's copies for SGIs and PPIs are RES0. A GICv2 has them banked (IHI 0048). */
    if (!w.word && g->version == 2) {
        w.cpu = g->accessor;
        w.irqs = &g->s.cpu[w.cpu].irqs;
    } else if (w.word && gic_implements(g, w.word * 32))
        w.irqs = &g->s.spi[w.word - 1];
    return w;
}

static struct where locate_bits(struct device *d, uint32_t off)
{
    return locate(d, off, off & ~UINT32_C(0x7f), 0);
}

static void refresh_wake(const struct where *w)
{
    gic_refresh_wake_locked(w->g, w->cpu, w->word);
}

/* Stores the new value of a bitmap and has the interrupts seen again whose bit changed. */
static uint32_t replace(const struct where *w, uint32_t *bitmap, uint32_t val)
{
    uint32_t changed = *bitmap ^ val;
    *bitmap = val;
    gic_eval_bits_locked(w->g, w->cpu, w->word, changed);
    return changed;
}

/* What of a word a write cannot change: of a GICv2 the SGIs, which are always enabled, and become pending by GICD_SGIR alone. */
static uint32_t writable(const struct where *w, uint32_t val)
{
    return w->g->version == 2 && !w->word ? val & ~(uint32_t)mask64(GIC_NR_SGIS) : val;
}

/* What an array reads as, and what a write of val does to it. */
#define BITMAP_HANDLERS(name, read_expr, field, new_value, then)                                   \
    uint64_t gic_read_##name(struct device *d, uint32_t off, unsigned size)                        \
    {                                                                                              \
        struct where w = locate_bits(d, off);                                                      \
        (void)size;                                                                                \
        return w.irqs ? (read_expr) : 0;                                                           \
    }                                                                                              \
    void gic_write_##name(struct device *d, uint32_t off, unsigned size, uint64_t wide)            \
    {                                                                                              \
        struct where w = locate_bits(d, off);                                                      \
        uint32_t val = (uint32_t)wide;                                                             \
        (void)size;                                                                                \
        if (w.irqs && replace(&w, &w.irqs->field, (new_value)))                                    \
            then;                                                                                  \
    }

BITMAP_HANDLERS(igroupr, w.irqs->group, group, val, refresh_wake(&w))
BITMAP_HANDLERS(isenabler, w.irqs->enable, enable, w.irqs->enable | val, refresh_wake(&w))
BITMAP_HANDLERS(icenabler, w.irqs->enable, enable, w.irqs->enable & ~writable(&w, val), refresh_wake(&w))
BITMAP_HANDLERS(ispendr, gic_pending(w.irqs), latch, w.irqs->latch | writable(&w, val), (void)0)
BITMAP_HANDLERS(icpendr, gic_pending(w.irqs), latch, w.irqs->latch & ~writable(&w, val), (void)0)
BITMAP_HANDLERS(isactiver, w.irqs->active, active, w.irqs->active | val, (void)0)
BITMAP_HANDLERS(icactiver, w.irqs->active, active, w.irqs->active & ~val, (void)0)

uint64_t gic_read_ipriorityr(struct device *d, uint32_t off, unsigned size)
{
    struct where w = locate(d, off, 0x400, 3);
    uint64_t val = 0;
    for (unsigned i = 0; w.irqs && i < size; i++)
        val |= (uint64_t)w.irqs->prio[(off + i) % 32] << 8 * i;
    return val;
}

void gic_write_ipriorityr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct where w = locate(d, off, 0x400, 3);
    for (unsigned i = 0; w.irqs && i < size; i++) {
        w.irqs->prio[(off + i) % 32] = (uint8_t)(val >> 8 * i & GIC_PRIO_MASK);
        gic_eval_locked(w.g, w.cpu, w.word * 32 + (off + i) % 32);
    }
}

/* Two bits an INTID, of which the upper says edge. */
uint64_t gic_read_icfgr(struct device *d, uint32_t off, unsigned size)
{
    struct where w = locate(d, off, 0xc00, 1);
    uint32_t val = 0;
    (void)size;
    for (unsigned i = 0; w.irqs && i < 16; i++)
        val |= (w.irqs->edge >> (off & 4 ? 16 : 0) >> i & 1) << (2 * i + 1);
    return val;
}

void gic_write_icfgr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct where w = locate(d, off, 0xc00, 1);
    unsigned shift = off & 4 ? 16 : 0;
    uint32_t edge = 0;
    (void)size;
    if (!w.irqs || (w.word == 0 && shift == 0)) /* "GICR_ICFGR0": read-only */
        return;
    for (unsigned i = 0; i < 16; i++)
        edge |= (uint32_t)(val >> (2 * i + 1) & 1) << (shift + i);
    replace(&w, &w.irqs->edge, (w.irqs->edge & ~(0xffffu << shift)) | edge);
}

uint64_t gic_read_res0(struct device *d, uint32_t off, unsigned size)
{
    (void)d, (void)off, (void)size;
    return 0;
}

void gic_write_res0(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)d, (void)off, (void)size, (void)val;
}

/* ProductID 'V', variant and revision 0, implementer Arm (JEP106 0x43b). */
uint64_t gic_read_iidr(struct device *d, uint32_t off, unsigned size)
{
    (void)d, (void)off, (void)size;
    return 0x5600043b;
}

/* "Identification registers": PIDR4-7, PIDR0-3, CIDR0-3; PIDR2.ArchRev is 3, GICv3. */
uint64_t gic_read_idregs(struct device *d, uint32_t off, unsigned size)
{
    static const uint8_t id[12] = {0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};
    unsigned n = (off & 0xffff) - 0xffd0;
    (void)size;
    /* The part number tells a redistributor from the distributor. */
    return id[n / 4] + (n / 4 == 4 && gic_is_redist(gic_of_device(d), d));
}
