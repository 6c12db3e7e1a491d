/* What the files of the GIC share; nobody else includes this.
 *
 * A GICv2 is another set of registers in front of the same interrupts, queues and signalling: gic_config.version chooses.
 *
 *   gicv3_dist.c   GICD_* rows          gicv3_irqs.c   the registers that both frames have, 32 INTIDs a word
 *   gicv3_redist.c GICR_* rows          gicv3_cpuif.c  ICC_*_EL1
 *   gicv2_dist.c   GICD_* of a GICv2     gicv2_cpuif.c  GICC_*
 *   gicv3.c        pending state, routing, priority selection, signalling; the object itself
 *   gicv3_snap.c   to and from a snapshot
 *
 * Threads: everything here but the two atomics needs gicv3.lock.
 *
 * The flow of an interrupt:
 *
 *   line, ISPENDR, SGI --> struct gic_irqs (what the guest sees)
 *                             | gic_eval_locked(): pending, enabled, not active -> which CPU, which group and priority
 *                             v
 *                          struct gic_queue of that CPU (derived: can always be rebuilt from gic_state)
 *                             | gic_unlock(): group enables, PMR, running priority
 *                             v
 *                          gic_cpu.lines --> gic_config.set_irq()
 *
 * Specification: IHI 0069, "Physical Interrupt Handling and Prioritization" and "Programmers' Model". */
#ifndef VIBE_DEV_GICV3_INTERNAL_H
#define VIBE_DEV_GICV3_INTERNAL_H

#include "arch/trace.h"
#include "base/bits.h"
#include "dev/gicv3.h"

#include <stdatomic.h>

#define GIC_MAX_CPUS 64
#define GIC_MAX_SPIS 960
/* Word 0: a CPU's SGIs and PPIs; word w: INTIDs 32w to 32w+31. */
#define GIC_NR_WORDS (1 + GIC_MAX_SPIS / 32)
#define GIC_NR_PRIVATE 32
#define GIC_NR_SGIS 16
#define GIC_SPURIOUS 1023
#define GIC_FIRST_SPECIAL 1020

#define GIC_PRIO_BITS 5
#define GIC_PRIO_SHIFT (8 - GIC_PRIO_BITS)
#define GIC_PRIO_MASK 0xf8u
#define GIC_PRIO_LEVELS (1 << GIC_PRIO_BITS)
#define GIC_PRIO_IDLE 0xffu
#define GIC_MIN_BPR0 2u /* all five bits are group priority */
#define GIC_MIN_BPR1 3u /* ICC_BPR1_EL1 (Non-secure): one more, for the same split */

#define GIC_NOBODY 0xffu /* no CPU */

#define GICD_CTLR_ENABLE_GRP0 (1u << 0)
#define GICD_CTLR_ENABLE_GRP1 (1u << 1)
#define GICD_CTLR_ARE (1u << 4)
#define GICD_CTLR_DS (1u << 6)

#define GICR_CTLR_DPG0 (1u << 24)
#define GICR_CTLR_DPG1NS (1u << 25)
#define GICR_WAKER_PROCESSOR_SLEEP (1u << 1)
#define GICR_WAKER_CHILDREN_ASLEEP (1u << 2)
#define GICR_FRAME_SHIFT 17 /* RD_base and SGI_base, 64 KiB each, for every CPU */

#define GICD_IROUTER_IRM BIT64(31)
#define GIC_AFFINITY_MASK UINT64_C(0xff00ffffff)

#define STATUSR_RRD (1u << 0)  /* read of a reserved location */
#define STATUSR_WRD (1u << 1)  /* write to one */
#define STATUSR_RWOD (1u << 2) /* read of a write-only location */
#define STATUSR_WROD (1u << 3) /* write to a read-only one */

#define ICC_CTLR_CBPR (1u << 0)
#define ICC_CTLR_EOIMODE (1u << 1)
#define ICC_CTLR_PMHE (1u << 6)
/* Of GICC_CTLR alone, in bits that ICC_CTLR_EL1 has no use for. */
#define GIC_CTLR_V2_ACKCTL (1u << 24)
#define GIC_CTLR_V2_FIQEN (1u << 25)

/* Bits of gic_cpu.lines. */
#define GIC_LINE_IRQ 1u
#define GIC_LINE_FIQ 2u

/* 32 INTIDs: a bit each, one cache line. */
struct gic_irqs {
    uint32_t group;  /* IGROUPR */
    uint32_t enable; /* ISENABLER */
    uint32_t latch;  /* made pending by an edge, an SGI or ISPENDR; an acknowledge takes it away */
    uint32_t line;   /* the input wire */
    uint32_t msg;    /* a level-sensitive SPI asserted through GICD_SETSPI_NSR */
    uint32_t active; /* ISACTIVER */
    uint32_t edge;   /* ICFGR */
    uint32_t irm;    /* GICD_IROUTER.Interrupt_Routing_Mode: any participating CPU */
    uint8_t prio[32];
};

struct gic_cpu_state {
    struct gic_irqs irqs; /* SGIs and PPIs */
    uint32_t gicr_ctlr, gicr_waker, gicr_statusr;
    uint32_t icc_pmr, icc_ctlr;
    uint32_t icc_bpr[2], icc_igrpen[2], icc_ap[2]; /* by group */
    uint8_t sgi_from[GIC_NR_SGIS]; /* GICv2: the CPUs by which an SGI was made pending */
};

/* All that the guest can see, and all that a snapshot holds. */
struct gic_state {
    uint32_t gicd_ctlr, gicd_statusr;
    struct gic_irqs spi[GIC_NR_WORDS - 1];
    uint64_t irouter[GIC_MAX_SPIS];
    uint8_t itargets[GIC_MAX_SPIS]; /* GICv2: CPUs that an SPI may go to */
    struct gic_cpu_state cpu[GIC_MAX_CPUS];
};

/* Interrupts of one group that wait for one CPU, by priority: first() is three bit scans whatever the guest does. */
struct gic_queue {
    uint32_t levels;                              /* bit p: words[p] is not 0 */
    uint32_t words[GIC_PRIO_LEVELS];              /* bit w: bits[p][w] is not 0 */
    uint32_t bits[GIC_PRIO_LEVELS][GIC_NR_WORDS]; /* bit n of word w: INTID 32w+n */
};

/* Where an interrupt is queued. */
struct gic_slot {
    uint8_t cpu; /* GIC_NOBODY: nowhere */
    uint8_t group, level;
};

/* Derived state of one CPU. */
struct gic_cpu {
    _Alignas(64) _Atomic uint8_t lines; /* GIC_LINE_*, as set_irq was told; read without the lock */
    _Atomic bool can_wake;              /* read without the lock */
    uint16_t hppi; /* highest priority pending interrupt of the enabled groups, or GIC_SPURIOUS */
    uint8_t hppi_group, hppi_prio;
    uint32_t wake[2]; /* by group, bit w: some interrupt of word w is enabled and may be delivered here */
    uint32_t routed[GIC_NR_WORDS - 1]; /* SPIs that may be delivered here */
    struct gic_slot slot[GIC_NR_PRIVATE];
    struct gic_queue queue[2]; /* by group */
};

struct gic_frame {
    struct device dev;
    struct gicv3 *g;
};

struct gicv3 {
    struct gic_frame dist;   /* first: the snapshot's offsets count from here */
    struct gic_frame redist; /* or the GICv2's CPU interfaces */
    pthread_mutex_t lock;
    void (*set_irq)(void *opaque, unsigned cpu, bool irq, bool fiq);
    void *opaque;
    struct trace *trace; /* or null */
    unsigned version;    /* 2 or 3 */
    unsigned nr_cpus, nr_spis;
    unsigned accessor; /* the CPU whose register access is under way; a GICv2 shows each its own */
    uint64_t affinity[GIC_MAX_CPUS]; /* MPIDR_EL1, affinity fields only */
    struct gic_state s;

    uint64_t dirty;              /* CPUs whose signal must be computed again */
    uint8_t route[GIC_MAX_SPIS]; /* the CPU that GICD_IROUTER names, or GIC_NOBODY */
    uint8_t chosen[GIC_MAX_SPIS]; /* from a snapshot, until gic_rebuild(): the CPU that had it by the 1 of N model */
    struct gic_slot slot[GIC_MAX_SPIS];
    struct gic_cpu cpu[]; /* nr_cpus */
};

static inline struct gicv3 *gic_of_device(struct device *d)
{
    return CONTAINER_OF(d, struct gic_frame, dev)->g;
}

static inline bool gic_is_redist(const struct gicv3 *g, const struct device *d)
{
    return d == &g->redist.dev;
}

static inline bool gic_implements(const struct gicv3 *g, unsigned intid)
{
    return intid < GIC_NR_PRIVATE + g->nr_spis;
}

/* The word that holds an implemented INTID; cpu matters for SGIs and PPIs. */
static inline struct gic_irqs *gic_irqs_of(struct gicv3 *g, unsigned cpu, unsigned intid)
{
    return intid < GIC_NR_PRIVATE ? &g->s.cpu[cpu].irqs : &g->s.spi[intid / 32 - 1];
}

/* "Interrupt states": a level-sensitive interrupt is pending while its input is asserted or it was made pending by hand. */
static inline uint32_t gic_pending(const struct gic_irqs *w)
{
    return w->latch | ((w->line | w->msg) & ~w->edge);
}

/* gicv3_snap.c */
void gic_snap(struct device *d, struct snap *s);

/* One event of the kind TRACE_KIND_IRQ; vcpu TRACE_NOWHERE: of none. */
static inline void gic_trace(const struct gicv3 *g, enum trace_event_id id, unsigned vcpu,
                             uint64_t a, uint64_t b)
{
    if (trace_wants(g->trace, TRACE_KIND_IRQ))
        trace_emit(g->trace, &(struct trace_event){.id = id,
                                                   .vcpu = (uint8_t)vcpu,
                                                   .el = TRACE_NOWHERE,
                                                   .insns = TRACE_UNKNOWN,
                                                   .arg = {a, b}});
}

/* gicv3.c */
void gic_lock(struct gicv3 *g);
void gic_unlock(struct gicv3 *g); /* signals what has changed first */
/* The state of an interrupt has changed: queues it, moves it, or takes it out. */
void gic_eval_locked(struct gicv3 *g, unsigned cpu, unsigned intid);
void gic_eval_bits_locked(struct gicv3 *g, unsigned cpu, unsigned word, uint32_t changed);
/* Enables or groups of a word have changed: gic_can_wake() depends on them. */
void gic_refresh_wake_locked(struct gicv3 *g, unsigned cpu, unsigned word);
/* GICD_IROUTER, or GICD_ITARGETSR, of an SPI has changed. */
void gic_route_locked(struct gicv3 *g, unsigned intid);
/* Which CPUs take part in the 1 of N model has changed. */
void gic_rebalance_locked(struct gicv3 *g);
void gic_set_dirty_locked(struct gicv3 *g, unsigned cpu);
/* Groups that the distributor, the redistributor and the CPU interface let through, as a set of two bits. */
unsigned gic_enabled_groups_locked(const struct gicv3 *g, unsigned cpu);
uint32_t gic_group_priority_mask_locked(const struct gicv3 *g, unsigned cpu, unsigned group);
/* ICC_RPR_EL1. */
unsigned gic_running_priority_locked(const struct gicv3 *g, unsigned cpu);

/* gicv3_cpuif.c */
void gic_cpuif_reset_locked(struct gicv3 *g, unsigned cpu);
/* The interrupt that is being signalled becomes active; its INTID. */
unsigned gic_activate_locked(struct gicv3 *g, unsigned cpu);
void gic_deactivate_locked(struct gicv3 *g, unsigned cpu, uint32_t intid);
void gic_end_of_interrupt_locked(struct gicv3 *g, unsigned cpu, unsigned group, uint32_t intid);
void gic_write_bpr_locked(struct gic_cpu_state *s, unsigned group, uint64_t val);
void gic_write_igrpen_locked(struct gicv3 *g, unsigned cpu, unsigned group, uint64_t val);

/* gicv3_irqs.c. Rows are found by `key`, the handlers get `off`. False: no such register, width or permission. */
bool gic_regs_access(struct device *d, unsigned cpu, const struct reg_desc *regs, unsigned nr_regs,
                     uint32_t key, uint32_t off, unsigned size, uint64_t *rdata, uint64_t wdata,
                     uint32_t *statusr);

/* The name of a row by its key, or null. */
const char *gic_register_name(const struct reg_desc *regs, unsigned nr_regs, uint32_t key);

#define GIC_RW_HANDLERS(name)                                                                      \
    uint64_t gic_read_##name(struct device *d, uint32_t off, unsigned size);                       \
    void gic_write_##name(struct device *d, uint32_t off, unsigned size, uint64_t val);
GIC_RW_HANDLERS(igroupr)
GIC_RW_HANDLERS(isenabler)
GIC_RW_HANDLERS(icenabler)
GIC_RW_HANDLERS(ispendr)
GIC_RW_HANDLERS(icpendr)
GIC_RW_HANDLERS(isactiver)
GIC_RW_HANDLERS(icactiver)
GIC_RW_HANDLERS(ipriorityr)
GIC_RW_HANDLERS(icfgr)
GIC_RW_HANDLERS(res0)
#undef GIC_RW_HANDLERS
uint64_t gic_read_iidr(struct device *d, uint32_t off, unsigned size);
uint64_t gic_read_idregs(struct device *d, uint32_t off, unsigned size);

extern const struct device_class gic_dist_class, gic_redist_class, gicv2_dist_class, gicv2_cpuif_class;

#endif
