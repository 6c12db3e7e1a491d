/* The GIC's state to and from a snapshot: all that the guest can see. What is derived from it gic_rebuild() makes anew.
 *
 * Threads: while no vCPU runs; the GIC's own lock. */
#include "base/snap.h"
#include "dev/gicv3_internal.h"

static void snap_irqs(struct snap *s, struct gic_irqs *w)
{
    SNAP_ANY(s, w, group);
    SNAP_ANY(s, w, enable);
    SNAP_ANY(s, w, latch);
    SNAP_ANY(s, w, line);
    SNAP_ANY(s, w, msg);
    SNAP_ANY(s, w, active);
    SNAP_ANY(s, w, edge);
    SNAP_ARRAY(s, w, prio, GIC_PRIO_MASK);
}

static void snap_cpu(struct snap *s, struct gic_cpu_state *c)
{
    snap_irqs(s, &c->irqs);
    SNAP_MASK(s, c, gicr_ctlr, GICR_CTLR_DPG0 | GICR_CTLR_DPG1NS);
    SNAP_MASK(s, c, gicr_waker, GICR_WAKER_PROCESSOR_SLEEP);
    SNAP_ANY(s, c, gicr_statusr);
    SNAP(s, c, icc_pmr, UINT8_MAX);
    SNAP_MASK(s, c, icc_ctlr,
              ICC_CTLR_CBPR | ICC_CTLR_EOIMODE | ICC_CTLR_PMHE | GIC_CTLR_V2_ACKCTL | GIC_CTLR_V2_FIQEN);
    SNAP_ARRAY(s, c, icc_bpr, 7);
    SNAP_ARRAY(s, c, icc_igrpen, 1);
    SNAP_ARRAY(s, c, icc_ap, UINT32_MAX);
    SNAP_ARRAY(s, c, sgi_from, UINT8_MAX);
}

/* Which CPU an interrupt waits for, of several that could take it: not to be seen, but not to be found again either. */
static void snap_chosen(struct snap *s, struct gicv3 *g)
{
    if (!s->loading)
        for (unsigned i = 0; i < g->nr_spis; i++)
            g->chosen[i] = bit(g->s.spi[i / 32].irm, i % 32) ? g->slot[i].cpu : GIC_NOBODY;
    snap_numbers(s, "chosen", g->chosen, 1, g->nr_spis, GIC_NOBODY);
    for (unsigned i = 0; i < g->nr_spis && s->loading && !s->failed; i++)
        if (g->chosen[i] != GIC_NOBODY && g->chosen[i] >= g->nr_cpus)
            snap_fail(s, "an interrupt of CPU %u, which is not there", g->chosen[i]);
    if (!s->loading)
        for (unsigned i = 0; i < g->nr_spis; i++)
            g->chosen[i] = GIC_NOBODY;
}

void gic_snap(struct device *d, struct snap *s)
{
    struct gicv3 *g = gic_of_device(d);
    const uint32_t enables = GICD_CTLR_ENABLE_GRP0 | GICD_CTLR_ENABLE_GRP1;

    gic_lock(g);
    snap_same(s, "version", g->version);
    snap_same(s, "nr_cpus", g->nr_cpus);
    snap_same(s, "nr_spis", g->nr_spis);
    SNAP_MASK(s, &g->s, gicd_ctlr, g->version == 2 ? enables : enables | GICD_CTLR_ARE | GICD_CTLR_DS);
    SNAP_ANY(s, &g->s, gicd_statusr);
    for (unsigned word = 0; word < g->nr_spis / 32; word++) {
        snap_part(s, "spis", (int)word);
        snap_irqs(s, &g->s.spi[word]);
    }
    snap_numbers(s, "irouter", g->s.irouter, sizeof(g->s.irouter[0]), g->nr_spis, UINT64_MAX);
    snap_numbers(s, "itargets", g->s.itargets, sizeof(g->s.itargets[0]), g->nr_spis,
                 mask64(MIN(g->nr_cpus, GICV2_MAX_CPUS)));
    snap_chosen(s, g);
    for (unsigned c = 0; c < g->nr_cpus; c++) {
        snap_part(s, "interface", (int)c);
        snap_cpu(s, &g->s.cpu[c]);
    }
    gic_unlock(g);
}
