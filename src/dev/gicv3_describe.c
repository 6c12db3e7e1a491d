/* The GIC: its state as text, for the monitor and the fault explanation.
 *
 * Threads: any; the GIC's own lock. */
#include "dev/gicv3_internal.h"

#include <stdarg.h>
#include <stdio.h>

/* snprintf() semantics over several calls: `wanted` goes on counting when the buffer is full. */
struct page {
    char *buf;
    size_t len, wanted;
};

__attribute__((format(printf, 2, 3))) static void put(struct page *p, const char *fmt, ...)
{
    size_t at = MIN(p->wanted, p->len);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(p->len ? p->buf + MIN(at, p->len - 1) : NULL, at < p->len ? p->len - at : 0,
                      fmt, ap);
    va_end(ap);
    p->wanted += n > 0 ? (size_t)n : 0;
}

static void put_cpu(struct page *p, struct gicv3 *g, unsigned cpu)
{
    const struct gic_cpu_state *s = &g->s.cpu[cpu];
    const struct gic_cpu *c = &g->cpu[cpu];
    unsigned lines = atomic_load_explicit(&c->lines, memory_order_relaxed);
    put(p, "CPU %u: PMR %02x, running %02x, BPR0 %u, BPR1 %u, EOImode %u, group enables %u %u, ",
        cpu, s->icc_pmr, gic_running_priority_locked(g, cpu), s->icc_bpr[0], s->icc_bpr[1],
        (s->icc_ctlr & ICC_CTLR_EOIMODE) != 0, s->icc_igrpen[0], s->icc_igrpen[1]);
    if (s->gicr_waker)
        put(p, "asleep (GICR_WAKER.ProcessorSleep is 1: nothing is forwarded)\n");
    else if (c->hppi == GIC_SPURIOUS)
        put(p, "nothing pending\n");
    else
        put(p, "INTID %u pending at priority %02x, %s\n", c->hppi, c->hppi_prio,
            lines & GIC_LINE_FIQ   ? "signalled as FIQ"
            : lines & GIC_LINE_IRQ ? "signalled as IRQ"
                                   : "masked by PMR or the running priority");
}

static void put_irqs(struct page *p, struct gicv3 *g, unsigned cpu, unsigned word)
{
    const struct gic_irqs *w = gic_irqs_of(g, cpu, word * 32);
    uint32_t pending = gic_pending(w);
    for (uint32_t busy = w->enable | pending | w->active; busy; busy &= busy - 1) {
        unsigned n = (unsigned)__builtin_ctz(busy), intid = word * 32 + n;
        put(p, "  INTID %u: group %u, priority %02x, %s%s%s%s", intid, w->group >> n & 1, w->prio[n],
            w->edge >> n & 1 ? "edge" : "level", w->enable >> n & 1 ? ", enabled" : ", disabled",
            pending >> n & 1 ? ", pending" : "", w->active >> n & 1 ? ", active" : "");
        if (word && g->version == 2)
            put(p, ", to CPUs %02x (GICD_ITARGETSR)\n", g->s.itargets[intid - GIC_NR_PRIVATE]);
        else if (word && w->irm >> n & 1)
            put(p, ", to any CPU\n");
        else if (word && g->route[intid - GIC_NR_PRIVATE] == GIC_NOBODY)
            put(p, ", to nobody: GICD_IROUTER %llx is no CPU's affinity\n",
                (unsigned long long)g->s.irouter[intid - GIC_NR_PRIVATE]);
        else if (word)
            put(p, ", to CPU %u\n", g->route[intid - GIC_NR_PRIVATE]);
        else
            put(p, "\n");
    }
}

size_t gic_describe(struct gicv3 *g, char *buf, size_t len)
{
    struct page p = {.buf = buf, .len = len};
    gic_lock(g);
    put(&p, "GICv%u: %u CPUs, %u SPIs; Group 0 %s, Group 1 %s in GICD_CTLR\n", g->version,
        g->nr_cpus, g->nr_spis, g->s.gicd_ctlr & GICD_CTLR_ENABLE_GRP0 ? "enabled" : "disabled",
        g->s.gicd_ctlr & GICD_CTLR_ENABLE_GRP1 ? "enabled" : "disabled");
    for (unsigned c = 0; c < g->nr_cpus; c++) {
        put_cpu(&p, g, c);
        put_irqs(&p, g, c, 0);
    }
    put(&p, "SPIs:\n");
    for (unsigned word = 1; word <= g->nr_spis / 32; word++)
        put_irqs(&p, g, 0, word);
    gic_unlock(g);
    return p.wanted;
}
