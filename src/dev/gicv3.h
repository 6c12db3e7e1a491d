/* GICv3: distributor, redistributors and CPU interfaces, without ITS and LPIs (IHI 0069); or GICv2 (IHI 0048).
 *
 * Threads: gic_set_spi/ppi on any thread; gic_sysreg_* on the thread of the vCPU named; MMIO through the bus. One lock inside,
 * taken last in the lock order. The result for a CPU is its IRQ and FIQ level, handed to gic_config.set_irq under that lock:
 * the callback must not call back into the GIC nor take other locks. It is called on a change only. */
#ifndef VIBE_DEV_GICV3_H
#define VIBE_DEV_GICV3_H

#include "bus/bus.h"

struct gicv3;
struct trace;

#define GICV2_MAX_CPUS 8u

struct gic_config {
    unsigned version;      /* 2 or 3 */
    unsigned nr_cpus;      /* 1..64; of a GICv2 1..GICV2_MAX_CPUS */
    const uint64_t *mpidr; /* nr_cpus of them, MPIDR_EL1: GICR_TYPER and affinity routing */
    unsigned nr_spis;      /* a multiple of 32, 32..960 */
    void (*set_irq)(void *opaque, unsigned cpu, bool irq, bool fiq);
    void *opaque;
};

/* Allocates; null with e set. gic_dist() and gic_redist() are its two windows, to be added to the bus; the GIC owns them. The second one, at cpu_base,
 * is the redistributors', or a GICv2's CPU interfaces, each CPU seeing its own. */
struct gicv3 *gic_create(const struct gic_config *cfg, gpa_t dist_base, gpa_t cpu_base, struct err *e);
void gic_destroy(struct gicv3 *g);
/* Who hears of lines, SGIs, acknowledges and ends; before any vCPU runs. Null: nobody. */
void gic_set_trace(struct gicv3 *g, struct trace *t);
struct device *gic_dist(struct gicv3 *g);
struct device *gic_redist(struct gicv3 *g);
void gic_reset(struct gicv3 *g); /* the wires keep their level: they are the devices' */

/* One CPU is powered on again (PSCI CPU_ON): its CPU interface is reset, its redistributor is not. */
void gic_reset_cpu(struct gicv3 *g, unsigned cpu);

/* After a snapshot was loaded: everything derived from it. set_irq() hears of every line that is asserted, whatever it was told before. */
void gic_rebuild(struct gicv3 *g);

void gic_set_spi(struct gicv3 *g, unsigned intid, bool level); /* 32 <= intid < 32 + nr_spis */
void gic_set_ppi(struct gicv3 *g, unsigned cpu, unsigned intid, bool level); /* 16 <= intid < 32 */

/* An ICC_* access by MRS or MSR, by its sysreg encoding. False: no such register, UNDEFINED; a GICv2 has none. */
bool gic_sysreg_read(struct gicv3 *g, unsigned cpu, uint16_t encoding, uint64_t *val);
bool gic_sysreg_write(struct gicv3 *g, unsigned cpu, uint16_t encoding, uint64_t val);

/* Where it stands, for as long as the GIC lives, whether any enabled interrupt of an enabled group could ever be signalled to this CPU, were it to
 * become pending: false while its redistributor sleeps (GICR_WAKER) or ICC_PMR_EL1 is 0. False makes a WFI a yield. To be read without a lock. */
const _Atomic bool *gic_can_wake(const struct gicv3 *g, unsigned cpu);

/* The lines as they are now, for a WFI that is about to sleep. No lock. */
bool gic_irq_pending(const struct gicv3 *g, unsigned cpu);

/* One readable page of state for the monitor and the fault explanation. Returns the length that was wanted. */
size_t gic_describe(struct gicv3 *g, char *buf, size_t len);

#endif
