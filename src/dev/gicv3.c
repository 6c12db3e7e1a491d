/* The GIC: the object, pending state, routing, priority selection and signalling.
 *
 * Threads: one mutex, taken last; gic_can_wake() and gic_irq_pending() read an atomic. Every operation holds the lock from
 * gic_lock() to gic_unlock(), which signals the CPUs that it marked dirty.
 * Specification: IHI 0069, "Physical Interrupt Handling and Prioritization". */
#include "dev/gicv3_internal.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the queues ------------------------------------------------------------------------------------------------------- */

void gic_set_dirty_locked(struct gicv3 *g, unsigned cpu)
{
    g->dirty |= BIT64(cpu);
}

static struct gic_slot *slot_of(struct gicv3 *g, unsigned cpu, unsigned intid)
{
    return intid < GIC_NR_PRIVATE ? &g->cpu[cpu].slot[intid] : &g->slot[intid - GIC_NR_PRIVATE];
}

static void queue_insert(struct gic_queue *q, unsigned level, unsigned intid)
{
    unsigned w = intid / 32;
    q->bits[level][w] |= 1u << intid % 32;
    q->words[level] |= 1u << w;
    q->levels |= 1u << level;
}

static void queue_remove(struct gic_queue *q, unsigned level, unsigned intid)
{
    unsigned w = intid / 32;
    q->bits[level][w] &= ~(1u << intid % 32);
    if (q->bits[level][w])
        return;
    q->words[level] &= ~(1u << w);
    if (!q->words[level])
        q->levels &= ~(1u << level);
}

/* Level in bits 15:10, INTID in 9:0, so that the smallest is the most urgent: of equal priorities the lowest INTID, which
 * "Interrupt prioritization" leaves to the implementation. The queue is not empty. */
static unsigned queue_first(const struct gic_queue *q)
{
    unsigned level = (unsigned)__builtin_ctz(q->levels);
    unsigned w = (unsigned)__builtin_ctz(q->words[level]);
    return level << 10 | w << 5 | (unsigned)__builtin_ctz(q->bits[level][w]);
}

/* ---- signalling ------------------------------------------------------------------------------------------------------- */

unsigned gic_enabled_groups_locked(const struct gicv3 *g, unsigned cpu)
{
    const struct gic_cpu_state *c = &g->s.cpu[cpu];
    /* "GICR_WAKER": nothing is forwarded to a CPU interface that sleeps. */
    if (c->gicr_waker & GICR_WAKER_PROCESSOR_SLEEP)
        return 0;
    return g->s.gicd_ctlr & (c->icc_igrpen[0] | c->icc_igrpen[1] << 1);
}

uint32_t gic_group_priority_mask_locked(const struct gicv3 *g, unsigned cpu, unsigned group)
{
    const struct gic_cpu_state *c = &g->s.cpu[cpu];
    /* "ICC_BPR0_EL1": group priority is [7:n+1]; "ICC_BPR1_EL1", Non-secure: [7:n]. With CBPR the former serves both. */
    unsigned shift = group && !(c->icc_ctlr & ICC_CTLR_CBPR) ? c->icc_bpr[1] : c->icc_bpr[0] + 1;
    return 0xffu << shift & 0xffu;
}

unsigned gic_running_priority_locked(const struct gicv3 *g, unsigned cpu)
{
    uint32_t active = g->s.cpu[cpu].icc_ap[0] | g->s.cpu[cpu].icc_ap[1];
    return active ? (unsigned)__builtin_ctz(active) << GIC_PRIO_SHIFT : GIC_PRIO_IDLE;
}

/* "Preemption": above the mask, and its group priority above the running priority. */
static bool can_signal_locked(const struct gicv3 *g, unsigned cpu, unsigned group, unsigned prio)
{
    return prio < g->s.cpu[cpu].icc_pmr && (prio & gic_group_priority_mask_locked(g, cpu, group)) <
                                               gic_running_priority_locked(g, cpu);
}

static void update_cpu_locked(struct gicv3 *g, unsigned cpu)
{
    struct gic_cpu *c = &g->cpu[cpu];
    unsigned groups = gic_enabled_groups_locked(g, cpu), best = ~0u, lines = 0;
    c->hppi = GIC_SPURIOUS;
    for (unsigned group = 0; group < 2; group++) {
        if (!(groups >> group & 1) || !c->queue[group].levels)
            continue;
        unsigned first = queue_first(&c->queue[group]);
        if (first < best) {
            best = first;
            c->hppi = first & 0x3ff;
            c->hppi_prio = (uint8_t)(first >> 10 << GIC_PRIO_SHIFT);
            c->hppi_group = (uint8_t)group;
        }
    }
    /* "Interrupt grouping": Group 0 is signalled as FIQ, Group 1 of the PE's own Security state as IRQ. On a GICv2 Group 0 is FIQ if
     * GICC_CTLR.FIQEn says so. */
    if (c->hppi != GIC_SPURIOUS && can_signal_locked(g, cpu, c->hppi_group, c->hppi_prio))
        lines = c->hppi_group || (g->version == 2 && !(g->s.cpu[cpu].icc_ctlr & GIC_CTLR_V2_FIQEN))
                    ? GIC_LINE_IRQ
                    : GIC_LINE_FIQ;

    bool can_wake = g->s.cpu[cpu].icc_pmr && ((groups & 1 && c->wake[0]) || (groups & 2 && c->wake[1]));
    atomic_store_explicit(&c->can_wake, can_wake, memory_order_relaxed);
    if (lines != atomic_load_explicit(&c->lines, memory_order_relaxed)) {
        atomic_store_explicit(&c->lines, (uint8_t)lines, memory_order_relaxed);
        g->set_irq(g->opaque, cpu, lines & GIC_LINE_IRQ, lines & GIC_LINE_FIQ);
    }
}

void gic_lock(struct gicv3 *g)
{
    pthread_mutex_lock(&g->lock);
}

void gic_unlock(struct gicv3 *g)
{
    while (g->dirty) {
        unsigned cpu = (unsigned)__builtin_ctzll(g->dirty);
        g->dirty &= g->dirty - 1;
        update_cpu_locked(g, cpu);
    }
    pthread_mutex_unlock(&g->lock);
}

/* ---- routing ---------------------------------------------------------------------------------------------------------- */

/* "1 of N model": an awake PE whose CPU interface has the group enabled and that has not opted out by GICR_CTLR.DPG. */
static bool participates_locked(const struct gicv3 *g, unsigned cpu, unsigned group)
{
    uint32_t opted_out = group ? GICR_CTLR_DPG1NS : GICR_CTLR_DPG0;
    const struct gic_cpu_state *c = &g->s.cpu[cpu];
    return !(c->gicr_waker & GICR_WAKER_PROCESSOR_SLEEP) && c->icc_igrpen[group] &&
           !(c->gicr_ctlr & opted_out);
}

/* A participating CPU that would take the interrupt now and has nothing else waiting; failing that, any that participates. The
 * search starts at another CPU for each INTID, which spreads the load and is the same in every run. */
static unsigned choose_cpu_locked(const struct gicv3 *g, unsigned intid, unsigned group, unsigned prio)
{
    unsigned fallback = GIC_NOBODY;
    for (unsigned n = 0, cpu = intid % g->nr_cpus; n < g->nr_cpus;
         n++, cpu = cpu + 1 == g->nr_cpus ? 0 : cpu + 1) {
        if (!(g->cpu[cpu].routed[intid / 32 - 1] >> intid % 32 & 1) || !participates_locked(g, cpu, group))
            continue;
        if (!g->cpu[cpu].queue[0].levels && !g->cpu[cpu].queue[1].levels &&
            can_signal_locked(g, cpu, group, prio))
            return cpu;
        if (fallback == GIC_NOBODY)
            fallback = cpu;
    }
    return fallback;
}

void gic_eval_locked(struct gicv3 *g, unsigned cpu, unsigned intid)
{
    struct gic_irqs *w = gic_irqs_of(g, cpu, intid);
    struct gic_slot *slot = slot_of(g, cpu, intid);
    uint32_t m = 1u << intid % 32;
    struct gic_slot to = {.cpu = GIC_NOBODY};

    if (gic_pending(w) & w->enable & ~w->active & m) {
        to.group = (w->group & m) != 0;
        to.level = w->prio[intid % 32] >> GIC_PRIO_SHIFT;
        if (intid < GIC_NR_PRIVATE)
            to.cpu = (uint8_t)cpu;
        else if (!(w->irm & m))
            to.cpu = g->route[intid - GIC_NR_PRIVATE];
        else if (slot->cpu != GIC_NOBODY && participates_locked(g, slot->cpu, to.group))
            to.cpu = slot->cpu;
        else if (g->chosen[intid - GIC_NR_PRIVATE] != GIC_NOBODY)
            to.cpu = g->chosen[intid - GIC_NR_PRIVATE];
        else
            to.cpu = (uint8_t)choose_cpu_locked(g, intid, to.group, w->prio[intid % 32]);
    }
    if (slot->cpu == to.cpu &&
        (to.cpu == GIC_NOBODY || (slot->group == to.group && slot->level == to.level)))
        return;
    if (slot->cpu != GIC_NOBODY) {
        queue_remove(&g->cpu[slot->cpu].queue[slot->group], slot->level, intid);
        gic_set_dirty_locked(g, slot->cpu);
    }
    if (to.cpu != GIC_NOBODY) {
        queue_insert(&g->cpu[to.cpu].queue[to.group], to.level, intid);
        gic_set_dirty_locked(g, to.cpu);
    }
    *slot = to;
}

void gic_eval_bits_locked(struct gicv3 *g, unsigned cpu, unsigned word, uint32_t changed)
{
    for (; changed; changed &= changed - 1)
        gic_eval_locked(g, cpu, word * 32 + (unsigned)__builtin_ctz(changed));
}

static void refresh_wake_of_cpu_locked(struct gicv3 *g, unsigned cpu, unsigned word)
{
    struct gic_cpu *c = &g->cpu[cpu];
    const struct gic_irqs *w = gic_irqs_of(g, cpu, word * 32);
    uint32_t enable = word ? w->enable & c->routed[word - 1] : w->enable;
    uint32_t some[2] = {enable & ~w->group, enable & w->group};
    for (unsigned group = 0; group < 2; group++) {
        uint32_t wake = (c->wake[group] & ~(1u << word)) | (uint32_t)(some[group] != 0) << word;
        if (wake != c->wake[group])
            gic_set_dirty_locked(g, cpu);
        c->wake[group] = wake;
    }
}

void gic_refresh_wake_locked(struct gicv3 *g, unsigned cpu, unsigned word)
{
    if (word == 0) {
        refresh_wake_of_cpu_locked(g, cpu, 0);
        return;
    }
    for (unsigned c = 0; c < g->nr_cpus; c++)
        refresh_wake_of_cpu_locked(g, c, word);
}

/* GICD_ITARGETSR: one CPU, or the 1 of N model among several. */
static void decode_targets_locked(struct gicv3 *g, unsigned intid)
{
    const unsigned spi = intid - GIC_NR_PRIVATE;
    const uint8_t targets = g->s.itargets[spi];
    struct gic_irqs *w = gic_irqs_of(g, 0, intid);
    const uint32_t m = 1u << intid % 32;

    w->irm = targets & (targets - 1) ? w->irm | m : w->irm & ~m;
    g->route[spi] = targets ? (uint8_t)__builtin_ctz(targets) : GIC_NOBODY;
    for (unsigned c = 0; c < g->nr_cpus; c++) {
        uint32_t *routed = &g->cpu[c].routed[spi / 32];
        *routed = targets >> c & 1 ? *routed | m : *routed & ~m;
    }
}

/* What GICD_IROUTER says of an SPI, in the form in which it is used. */
static void decode_route_locked(struct gicv3 *g, unsigned intid)
{
    if (g->version == 2) {
        decode_targets_locked(g, intid);
        return;
    }

    unsigned spi = intid - GIC_NR_PRIVATE;
    uint64_t router = g->s.irouter[spi];
    struct gic_irqs *w = gic_irqs_of(g, 0, intid);
    uint32_t m = 1u << intid % 32;

    w->irm = router & GICD_IROUTER_IRM ? w->irm | m : w->irm & ~m;
    g->route[spi] = GIC_NOBODY;
    for (unsigned c = 0; c < g->nr_cpus; c++) {
        uint32_t *routed = &g->cpu[c].routed[spi / 32];
        bool named = g->affinity[c] == (router & GIC_AFFINITY_MASK);
        if (named)
            g->route[spi] = (uint8_t)c;
        *routed = named || w->irm & m ? *routed | m : *routed & ~m;
    }
}

void gic_route_locked(struct gicv3 *g, unsigned intid)
{
    decode_route_locked(g, intid);
    gic_refresh_wake_locked(g, 0, intid / 32);
    gic_eval_locked(g, 0, intid);
}

void gic_rebalance_locked(struct gicv3 *g)
{
    for (unsigned word = 1; word <= g->nr_spis / 32; word++)
        gic_eval_bits_locked(g, 0, word, g->s.spi[word - 1].irm);
}

/* ---- inputs ----------------------------------------------------------------------------------------------------------- */

static void set_line(struct gicv3 *g, unsigned cpu, unsigned intid, bool level)
{
    struct gic_irqs *w = gic_irqs_of(g, cpu, intid);
    uint32_t m = 1u << intid % 32;
    gic_lock(g);
    if (level == !(w->line & m)) {
        w->line ^= m;
        gic_trace(g, TRACE_IRQ_LINE_EVENT, intid < GIC_NR_PRIVATE ? cpu : TRACE_NOWHERE, intid,
                  trace_str(level ? "high" : "low"));
        if (level)
            w->latch |= w->edge & m;
        gic_eval_locked(g, cpu, intid);
    }
    gic_unlock(g);
}

void gic_set_spi(struct gicv3 *g, unsigned intid, bool level)
{
    BUG_ON(intid < GIC_NR_PRIVATE || !gic_implements(g, intid));
    set_line(g, 0, intid, level);
}

void gic_set_ppi(struct gicv3 *g, unsigned cpu, unsigned intid, bool level)
{
    BUG_ON(cpu >= g->nr_cpus || intid < GIC_NR_SGIS || intid >= GIC_NR_PRIVATE);
    set_line(g, cpu, intid, level);
}

/* ---- what a WFI asks -------------------------------------------------------------------------------------------------- */

const _Atomic bool *gic_can_wake(const struct gicv3 *g, unsigned cpu)
{
    return &g->cpu[cpu].can_wake;
}

bool gic_irq_pending(const struct gicv3 *g, unsigned cpu)
{
    return atomic_load_explicit(&g->cpu[cpu].lines, memory_order_relaxed) != 0;
}

/* ---- the object ------------------------------------------------------------------------------------------------------- */

/* Derived state from gic_state. The lines keep what set_irq was last told, so that it hears of a difference. */
static void rebuild_locked(struct gicv3 *g)
{
    for (unsigned c = 0; c < g->nr_cpus; c++) {
        struct gic_cpu *cpu = &g->cpu[c];
        memset(cpu->wake, 0, sizeof(cpu->wake));
        memset(cpu->routed, 0, sizeof(cpu->routed));
        memset(cpu->slot, GIC_NOBODY, sizeof(cpu->slot));
        memset(cpu->queue, 0, sizeof(cpu->queue));
        gic_set_dirty_locked(g, c);
    }
    memset(g->slot, GIC_NOBODY, sizeof(g->slot));
    for (unsigned c = 0; c < g->nr_cpus; c++) {
        refresh_wake_of_cpu_locked(g, c, 0);
        gic_eval_bits_locked(g, c, 0, ~0u);
    }
    for (unsigned spi = 0; spi < g->nr_spis; spi++)
        decode_route_locked(g, GIC_NR_PRIVATE + spi);
    for (unsigned word = 1; word <= g->nr_spis / 32; word++) {
        gic_refresh_wake_locked(g, 0, word);
        gic_eval_bits_locked(g, 0, word, ~0u);
    }
}

void gic_rebuild(struct gicv3 *g)
{
    gic_lock(g);
    for (unsigned c = 0; c < g->nr_cpus; c++)
        atomic_store(&g->cpu[c].lines, 0);
    rebuild_locked(g);
    memset(g->chosen, GIC_NOBODY, sizeof(g->chosen));
    gic_unlock(g);
}

/* Everything but the wires, which belong to the devices. */
static void reset_irqs(struct gic_irqs *w)
{
    uint32_t line = w->line;
    *w = (struct gic_irqs){.line = line};
}

void gic_reset(struct gicv3 *g)
{
    gic_lock(g);
    g->s.gicd_ctlr = GICD_CTLR_DS | GICD_CTLR_ARE;
    g->s.gicd_statusr = 0;
    memset(g->s.irouter, 0, sizeof(g->s.irouter));
    /* "GICD_ITARGETSR": a uniprocessor has no choice, and the registers are RAZ/WI. */
    memset(g->s.itargets, g->nr_cpus == 1, sizeof(g->s.itargets));
    if (g->version == 2)
        g->s.gicd_ctlr = 0;
    for (unsigned word = 1; word < GIC_NR_WORDS; word++)
        reset_irqs(&g->s.spi[word - 1]);
    for (unsigned c = 0; c < g->nr_cpus; c++) {
        struct gic_cpu_state *s = &g->s.cpu[c];
        reset_irqs(&s->irqs);
        memset(s->sgi_from, 0, sizeof(s->sgi_from));
        if (g->version == 2)
            s->irqs.enable = mask64(GIC_NR_SGIS);
        s->irqs.edge = mask64(GIC_NR_SGIS); /* "GICR_ICFGR0": SGIs are always edge-triggered */
        s->gicr_ctlr = s->gicr_statusr = 0;
        /* The guest starts where secure firmware has handed over, and that has woken the redistributors: EDK2, for one, does not. */
        s->gicr_waker = 0;
        gic_cpuif_reset_locked(g, c);
    }
    rebuild_locked(g);
    gic_unlock(g);
}

void gic_reset_cpu(struct gicv3 *g, unsigned cpu)
{
    gic_lock(g);
    gic_cpuif_reset_locked(g, cpu);
    gic_rebalance_locked(g);
    gic_set_dirty_locked(g, cpu);
    gic_unlock(g);
}

struct gicv3 *gic_create(const struct gic_config *cfg, gpa_t dist_base, gpa_t cpu_base, struct err *e)
{
    struct gicv3 *g;
    const unsigned max_cpus = cfg->version == 2 ? GICV2_MAX_CPUS : GIC_MAX_CPUS;
    BUG_ON(cfg->version != 2 && cfg->version != 3);
    if (cfg->nr_cpus < 1 || cfg->nr_cpus > max_cpus) {
        err_set(e, EINVAL, "GICv%u: %u CPUs, 1 to %u are possible", cfg->version, cfg->nr_cpus, max_cpus);
        return NULL;
    }
    if (cfg->nr_spis < 32 || cfg->nr_spis > GIC_MAX_SPIS || cfg->nr_spis % 32) {
        err_set(e, EINVAL, "GICv3: %u SPIs, must be a multiple of 32 up to %u", cfg->nr_spis,
                GIC_MAX_SPIS);
        return NULL;
    }
    for (unsigned i = 0; i < cfg->nr_cpus; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (!((cfg->mpidr[i] ^ cfg->mpidr[j]) & GIC_AFFINITY_MASK)) {
                err_set(e, EINVAL, "GICv3: CPUs %u and %u have the same affinity", j, i);
                return NULL;
            }
        }
    }

    size_t len = align_up(sizeof(*g) + cfg->nr_cpus * sizeof(g->cpu[0]), _Alignof(struct gicv3));
    g = aligned_alloc(_Alignof(struct gicv3), len);
    if (!g) {
        err_set(e, ENOMEM, "GICv3");
        return NULL;
    }
    memset(g, 0, len);
    pthread_mutex_init(&g->lock, NULL);
    g->version = cfg->version;
    g->nr_cpus = cfg->nr_cpus;
    g->nr_spis = cfg->nr_spis;
    g->set_irq = cfg->set_irq;
    g->opaque = cfg->opaque;
    for (unsigned c = 0; c < g->nr_cpus; c++)
        g->affinity[c] = cfg->mpidr[c] & GIC_AFFINITY_MASK;
    g->dist.g = g->redist.g = g;
    memset(g->chosen, GIC_NOBODY, sizeof(g->chosen));
    if (g->version == 2) {
        device_init(&g->dist.dev, &gicv2_dist_class, dist_base, 0x10000);
        device_init(&g->redist.dev, &gicv2_cpuif_class, cpu_base, 0x10000);
    } else {
        device_init(&g->dist.dev, &gic_dist_class, dist_base, 0x10000);
        device_init(&g->redist.dev, &gic_redist_class, cpu_base, (uint64_t)g->nr_cpus << GICR_FRAME_SHIFT);
    }
    gic_reset(g);
    return g;
}

void gic_set_trace(struct gicv3 *g, struct trace *t)
{
    g->trace = t;
}

void gic_destroy(struct gicv3 *g)
{
    if (!g)
        return;
    pthread_mutex_destroy(&g->lock);
    free(g);
}

struct device *gic_dist(struct gicv3 *g)
{
    return &g->dist.dev;
}

struct device *gic_redist(struct gicv3 *g)
{
    return &g->redist.dev;
}
