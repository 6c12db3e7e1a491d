/* The generic timers of one vCPU: EL1 physical and virtual (DDI 0487, "The Generic Timer in AArch64 state").
 *
 * No thread of its own: the vCPU asks gtimer_deadline() before it runs or sleeps and calls gtimer_poll() when that time has come.
 * Count n begins at base_ns + n * 10^9 / hz, rounded down. Owner thread only. */
#ifndef VIBE_DEV_GTIMER_H
#define VIBE_DEV_GTIMER_H

#include "base/types.h"

#include <stdbool.h>

struct snap;

#define GTIMER_INTID_HYP                                                                           \
    26u /* these two belong to exception levels that are not there, but have their place in the device tree */
#define GTIMER_INTID_VIRT 27u
#define GTIMER_INTID_SECURE 29u
#define GTIMER_INTID_PHYS 30u

struct gtimer {
    uint64_t base_ns;          /* host time of counter 0 */
    uint64_t per_num, per_den; /* hz / 10^9, reduced */
    uint64_t cntvoff;          /* virtual count = physical count - cntvoff */
    struct gtimer_channel {
        uint64_t cval;
        uint32_t ctl; /* ENABLE, IMASK; ISTATUS is computed */
        bool level;   /* as last told to the interrupt controller */
    } phys, virt;
    uint64_t deadline_ns,
        phys_deadline_ns; /* computed by every write and poll; after changing base_ns or cntvoff by hand, poll */
    void (*set_ppi)(void *opaque, unsigned intid, bool level);
    void *opaque;
};

/* hz: of CNTFRQ_EL0. */
void gtimer_init(struct gtimer *t, uint64_t base_ns, uint32_t hz,
                 void (*set_ppi)(void *opaque, unsigned intid, bool level), void *opaque);
void gtimer_reset(struct gtimer *t);

/* CNTP_CTL/CVAL/TVAL_EL0 and CNTV_* by sysreg encoding. now_ns is os_now_ns(). False: not a timer register. Lines are updated at once. */
bool gtimer_sysreg_read(struct gtimer *t, uint16_t encoding, uint64_t now_ns, uint64_t *val);
bool gtimer_sysreg_write(struct gtimer *t, uint16_t encoding, uint64_t now_ns, uint64_t val);

/* CNTPCT_EL0 and CNTVCT_EL0, likewise. */
bool gtimer_count(const struct gtimer *t, uint16_t encoding, uint64_t now_ns, uint64_t *val);

/* Where the virtual timer is the CPU's own, this is told what its registers are before anything else is asked. */
void gtimer_load_virt(struct gtimer *t, uint64_t ctl, uint64_t cval);

/* Host time at which a line next changes by itself; UINT64_MAX: never. The second one: that of the physical timer. */
uint64_t gtimer_deadline(const struct gtimer *t);
uint64_t gtimer_phys_deadline(const struct gtimer *t);

/* Everything to or from a snapshot, but where count 0 is. */
void gtimer_snap(struct gtimer *t, struct snap *s);

/* Brings the two lines up to date. */
void gtimer_poll(struct gtimer *t, uint64_t now_ns);

#endif
