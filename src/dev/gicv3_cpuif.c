/* GICv3 CPU interfaces: ICC_*_EL1, and SGIs.
 *
 * The PE is Non-secure and has no EL3: one Security state, one copy of each register. Five bits of priority and of preemption.
 *
 * Threads: the vCPU named; the GIC's own lock.
 * Specification: IHI 0069, "AArch64 System register descriptions", "Interrupt lifecycle". */
#include "arch/sysreg.h"
#include "dev/gicv3_internal.h"

/* ICC_CTLR_EL1's read-only half: PRIbits, A3V, RSS; IDbits 0 is 16 bits, SEIS is 0. */
#define ICC_CTLR_CONST ((GIC_PRIO_BITS - 1) << 8 | 1u << 15 | 1u << 18)
#define ICC_CTLR_WRITABLE (ICC_CTLR_CBPR | ICC_CTLR_EOIMODE | ICC_CTLR_PMHE)

#define ICC_SRE_FIXED 7u /* SRE, DFB, DIB: system registers only, no bypass */

void gic_cpuif_reset_locked(struct gicv3 *g, unsigned cpu)
{
    struct gic_cpu_state *s = &g->s.cpu[cpu];
    s->icc_pmr = s->icc_ctlr = 0;
    s->icc_bpr[0] = GIC_MIN_BPR0;
    s->icc_bpr[1] = GIC_MIN_BPR1;
    s->icc_igrpen[0] = s->icc_igrpen[1] = 0;
    s->icc_ap[0] = s->icc_ap[1] = 0;
}

unsigned gic_activate_locked(struct gicv3 *g, unsigned cpu)
{
    struct gic_cpu *c = &g->cpu[cpu];
    const unsigned intid = c->hppi;
    struct gic_irqs *w = gic_irqs_of(g, cpu, intid);
    uint32_t m = 1u << intid % 32;

    gic_trace(g, TRACE_IRQ_ACK_EVENT, cpu, intid, c->hppi_prio);
    w->active |= m;
    w->latch &= ~m;
    g->s.cpu[cpu].icc_ap[c->hppi_group] |=
        1u << ((c->hppi_prio & gic_group_priority_mask_locked(g, cpu, c->hppi_group)) >> GIC_PRIO_SHIFT);
    gic_eval_locked(g, cpu, intid);
    gic_set_dirty_locked(g, cpu);
    return intid;
}

/* "ICC_IAR1_EL1": the INTID that is being signalled, which becomes active, or 1023. */
static uint64_t acknowledge_locked(struct gicv3 *g, unsigned cpu, unsigned group)
{
    unsigned lines = atomic_load_explicit(&g->cpu[cpu].lines, memory_order_relaxed);
    return lines & (group ? GIC_LINE_IRQ : GIC_LINE_FIQ) ? gic_activate_locked(g, cpu) : GIC_SPURIOUS;
}

void gic_deactivate_locked(struct gicv3 *g, unsigned cpu, uint32_t intid)
{
    if (!gic_implements(g, intid))
        return;
    gic_irqs_of(g, cpu, intid)->active &= ~(1u << intid % 32);
    gic_eval_locked(g, cpu, intid);
}

/* "ICC_EOIR1_EL1". A write that matches no acknowledge is UNPREDICTABLE: here it is ignored when there is nothing active or
 * when the running priority is the other group's. */
void gic_end_of_interrupt_locked(struct gicv3 *g, unsigned cpu, unsigned group, uint32_t intid)
{
    struct gic_cpu_state *s = &g->s.cpu[cpu];
    uint32_t active = s->icc_ap[0] | s->icc_ap[1];
    uint32_t highest = active & -active;
    if (!gic_implements(g, intid) || !(s->icc_ap[group] & highest))
        return;
    gic_trace(g, TRACE_IRQ_EOI_EVENT, cpu, intid, 0);
    s->icc_ap[group] &= ~highest;
    gic_set_dirty_locked(g, cpu);
    if (!(s->icc_ctlr & ICC_CTLR_EOIMODE))
        gic_deactivate_locked(g, cpu, intid);
}

/* "Forwarding an SGI to a target PE", for GICD_CTLR.DS = 1: ICC_SGI1R_EL1 reaches SGIs of both groups, the others of Group 0. */
static void send_sgi_locked(struct gicv3 *g, unsigned cpu, uint64_t val, bool to_group1)
{
    unsigned intid = (unsigned)bits(val, 27, 24);
    uint64_t cluster = bits(val, 55, 48) << 32 | bits(val, 39, 32) << 16 | bits(val, 23, 16) << 8;
    for (unsigned c = 0; c < g->nr_cpus; c++) {
        unsigned aff0 = g->affinity[c] & 0xff;
        if (bit(val, 40)) { /* IRM: all but self */
            if (c == cpu)
                continue;
        } else if ((g->affinity[c] & ~UINT64_C(0xff)) != cluster ||
                   aff0 >> 4 != bits(val, 47, 44) || !bit(val, aff0 & 15)) {
            continue;
        }
        struct gic_irqs *w = &g->s.cpu[c].irqs;
        if (w->group >> intid & 1 && !to_group1)
            continue;
        gic_trace(g, TRACE_IRQ_SGI_EVENT, cpu, intid, c);
        w->latch |= 1u << intid;
        gic_eval_locked(g, c, intid);
    }
}

static uint64_t highest_pending_locked(const struct gicv3 *g, unsigned cpu, unsigned group)
{
    const struct gic_cpu *c = &g->cpu[cpu];
    return c->hppi != GIC_SPURIOUS && c->hppi_group == group ? c->hppi : GIC_SPURIOUS;
}

static bool read_locked(struct gicv3 *g, unsigned cpu, uint16_t encoding, uint64_t *val)
{
    const struct gic_cpu_state *s = &g->s.cpu[cpu];
    switch (encoding) {
    case SYSENC_ICC_IAR0_EL1: *val = acknowledge_locked(g, cpu, 0); return true;
    case SYSENC_ICC_IAR1_EL1: *val = acknowledge_locked(g, cpu, 1); return true;
    case SYSENC_ICC_HPPIR0_EL1: *val = highest_pending_locked(g, cpu, 0); return true;
    case SYSENC_ICC_HPPIR1_EL1: *val = highest_pending_locked(g, cpu, 1); return true;
    case SYSENC_ICC_PMR_EL1: *val = s->icc_pmr; return true;
    case SYSENC_ICC_RPR_EL1: *val = gic_running_priority_locked(g, cpu); return true;
    case SYSENC_ICC_BPR0_EL1: *val = s->icc_bpr[0]; return true;
    case SYSENC_ICC_BPR1_EL1:
        *val = s->icc_ctlr & ICC_CTLR_CBPR ? MIN(s->icc_bpr[0] + 1, 7) : s->icc_bpr[1];
        return true;
    case SYSENC_ICC_AP0R0_EL1:
        *val = s->icc_ap[0];
        return true; /* five bits of priority need no more of these */
    case SYSENC_ICC_AP1R0_EL1: *val = s->icc_ap[1]; return true;
    case SYSENC_ICC_CTLR_EL1: *val = s->icc_ctlr | ICC_CTLR_CONST; return true;
    case SYSENC_ICC_SRE_EL1: *val = ICC_SRE_FIXED; return true;
    case SYSENC_ICC_IGRPEN0_EL1: *val = s->icc_igrpen[0]; return true;
    case SYSENC_ICC_IGRPEN1_EL1: *val = s->icc_igrpen[1]; return true;
    default: return false;
    }
}

void gic_write_bpr_locked(struct gic_cpu_state *s, unsigned group, uint64_t val)
{
    if (group && s->icc_ctlr & ICC_CTLR_CBPR) /* "ICC_BPR1_EL1": Non-secure writes are ignored then */
        return;
    s->icc_bpr[group] = MAX((uint32_t)val & 7, group ? GIC_MIN_BPR1 : GIC_MIN_BPR0);
}

void gic_write_igrpen_locked(struct gicv3 *g, unsigned cpu, unsigned group, uint64_t val)
{
    g->s.cpu[cpu].icc_igrpen[group] = val & 1;
    gic_rebalance_locked(g);
}

static bool write_locked(struct gicv3 *g, unsigned cpu, uint16_t encoding, uint64_t val)
{
    struct gic_cpu_state *s = &g->s.cpu[cpu];
    uint32_t intid = val & 0xffffff;
    switch (encoding) {
    case SYSENC_ICC_EOIR0_EL1: gic_end_of_interrupt_locked(g, cpu, 0, intid); return true;
    case SYSENC_ICC_EOIR1_EL1: gic_end_of_interrupt_locked(g, cpu, 1, intid); return true;
    case SYSENC_ICC_DIR_EL1:
        if (s->icc_ctlr & ICC_CTLR_EOIMODE) /* UNPREDICTABLE otherwise: ignored */
            gic_deactivate_locked(g, cpu, intid);
        return true;
    case SYSENC_ICC_SGI0R_EL1:
    case SYSENC_ICC_ASGI1R_EL1: send_sgi_locked(g, cpu, val, false); return true;
    case SYSENC_ICC_SGI1R_EL1: send_sgi_locked(g, cpu, val, true); return true;
    case SYSENC_ICC_SRE_EL1: return true;

    case SYSENC_ICC_PMR_EL1: s->icc_pmr = (uint32_t)val & GIC_PRIO_MASK; break;
    case SYSENC_ICC_BPR0_EL1: gic_write_bpr_locked(s, 0, val); break;
    case SYSENC_ICC_BPR1_EL1: gic_write_bpr_locked(s, 1, val); break;
    case SYSENC_ICC_AP0R0_EL1: s->icc_ap[0] = (uint32_t)val; break;
    case SYSENC_ICC_AP1R0_EL1: s->icc_ap[1] = (uint32_t)val; break;
    case SYSENC_ICC_CTLR_EL1: s->icc_ctlr = (uint32_t)val & ICC_CTLR_WRITABLE; break;
    case SYSENC_ICC_IGRPEN0_EL1: gic_write_igrpen_locked(g, cpu, 0, val); break;
    case SYSENC_ICC_IGRPEN1_EL1: gic_write_igrpen_locked(g, cpu, 1, val); break;
    default: return false;
    }
    gic_set_dirty_locked(g, cpu);
    return true;
}

bool gic_sysreg_read(struct gicv3 *g, unsigned cpu, uint16_t encoding, uint64_t *val)
{
    gic_lock(g);
    bool ok = g->version == 3 && read_locked(g, cpu, encoding, val);
    gic_unlock(g);
    return ok;
}

bool gic_sysreg_write(struct gicv3 *g, unsigned cpu, uint16_t encoding, uint64_t val)
{
    gic_lock(g);
    bool ok = g->version == 3 && write_locked(g, cpu, encoding, val);
    gic_unlock(g);
    return ok;
}
