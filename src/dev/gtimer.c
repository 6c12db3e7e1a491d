/* The generic timers of one vCPU: CNTP_* and CNTV_*, their two PPIs, and when they next change.
 *
 * Everything that can move a line (a register write, a poll) ends in update(), which also works out the one time at which a line
 * will move by itself, so that gtimer_deadline() is a load. A count never wraps for a physical counter; a virtual
 * one does when CNTVOFF is ahead of it, and then a line may also fall.
 *
 * Threads: the vCPU's own. Specification: DDI 0487, "The Generic Timer in AArch64 state", "Timers". */
#include "dev/gtimer.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/snap.h"

#define NS_PER_S UINT64_C(1000000000)

#define CTL_ENABLE 1u
#define CTL_IMASK 2u
#define CTL_ISTATUS 4u

/* The physical count. Host time before base_ns is not supposed to be seen; it counts as 0. Rounded such that a clock that has
 * these counts for ticks, and tells the nanoseconds rounded down, gets its ticks back. */
static uint64_t count_at(const struct gtimer *t, uint64_t now_ns)
{
    return now_ns > t->base_ns ? ((now_ns - t->base_ns) * t->per_num + (t->per_num - 1)) / t->per_den
                               : 0;
}

/* The first nanosecond of a physical count; UINT64_MAX: beyond what host time can express. */
static uint64_t time_of(const struct gtimer *t, uint64_t count)
{
    const uint64_t from = t->base_ns + count % t->per_num * t->per_den / t->per_num;
    if (count / t->per_num > (UINT64_MAX - from) / t->per_den)
        return UINT64_MAX;
    return from + count / t->per_num * t->per_den;
}

/* TimerConditionMet, unsigned. */
static bool condition_met(const struct gtimer_channel *c, uint64_t offset, uint64_t count)
{
    return count - offset >= c->cval;
}

/* When the line of a channel next moves by itself. The channel's own count, count - offset modulo 2^64, has passed 0 if offset
 * is not ahead of the physical count, and then never wraps; else it wraps to 0 when the physical count reaches offset. */
static uint64_t next_change(const struct gtimer *t, const struct gtimer_channel *c, uint64_t offset,
                            uint64_t count)
{
    bool ahead = offset > count;
    if ((c->ctl & (CTL_ENABLE | CTL_IMASK)) != CTL_ENABLE)
        return UINT64_MAX;
    if (condition_met(c, offset, count))
        return ahead && c->cval ? time_of(t, offset) : UINT64_MAX;
    uint64_t left = c->cval - (count - offset); /* no wrap: the count is below CVAL */
    return left > UINT64_MAX - count ? UINT64_MAX : time_of(t, count + left);
}

static void update_channel(struct gtimer *t, struct gtimer_channel *c, uint64_t offset,
                           unsigned intid, uint64_t count)
{
    bool level = (c->ctl & (CTL_ENABLE | CTL_IMASK)) == CTL_ENABLE && condition_met(c, offset, count);
    if (level == c->level)
        return;
    c->level = level;
    t->set_ppi(t->opaque, intid, level);
}

static void update(struct gtimer *t, uint64_t now_ns)
{
    uint64_t count = count_at(t, now_ns);
    update_channel(t, &t->phys, 0, GTIMER_INTID_PHYS, count);
    update_channel(t, &t->virt, t->cntvoff, GTIMER_INTID_VIRT, count);
    uint64_t phys = next_change(t, &t->phys, 0, count);
    uint64_t virt = next_change(t, &t->virt, t->cntvoff, count);
    t->phys_deadline_ns = phys;
    t->deadline_ns = MIN(phys, virt);
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    return b ? common_divisor(b, a % b) : a;
}

void gtimer_init(struct gtimer *t, uint64_t base_ns, uint32_t hz,
                 void (*set_ppi)(void *opaque, unsigned intid, bool level), void *opaque)
{
    const uint64_t divisor = common_divisor(NS_PER_S, hz);

    *t = (struct gtimer){.base_ns = base_ns,
                         .per_num = hz / divisor,
                         .per_den = NS_PER_S / divisor,
                         .deadline_ns = UINT64_MAX,
                         .phys_deadline_ns = UINT64_MAX,
                         .set_ppi = set_ppi,
                         .opaque = opaque};
    BUG_ON(!t->per_num || t->per_num > 1000); /* count_at() is good for half a year then, and for centuries with what there is */
}

void gtimer_reset(struct gtimer *t)
{
    t->phys.ctl = t->virt.ctl = 0;
    t->phys.cval = t->virt.cval = 0;
    update(t, t->base_ns); /* at no time is a line of a disabled timer high */
}

bool gtimer_count(const struct gtimer *t, uint16_t encoding, uint64_t now_ns, uint64_t *val)
{
    switch (encoding) {
    case SYSENC_CNTPCT_EL0: *val = count_at(t, now_ns); return true;
    case SYSENC_CNTVCT_EL0: *val = count_at(t, now_ns) - t->cntvoff; return true;
    default: return false;
    }
}

/* TVAL: 0, CTL: 1, CVAL: 2; null when the encoding is no timer register. */
static struct gtimer_channel *decode(struct gtimer *t, uint16_t encoding, unsigned *reg, uint64_t *offset)
{
    *reg = encoding & 7;
    switch (encoding) {
    case SYSENC_CNTP_TVAL_EL0:
    case SYSENC_CNTP_CTL_EL0:
    case SYSENC_CNTP_CVAL_EL0: *offset = 0; return &t->phys;
    case SYSENC_CNTV_TVAL_EL0:
    case SYSENC_CNTV_CTL_EL0:
    case SYSENC_CNTV_CVAL_EL0: *offset = t->cntvoff; return &t->virt;
    default: return NULL;
    }
}

bool gtimer_sysreg_read(struct gtimer *t, uint16_t encoding, uint64_t now_ns, uint64_t *val)
{
    unsigned reg;
    uint64_t offset = 0, count = count_at(t, now_ns);
    const struct gtimer_channel *c = decode(t, encoding, &reg, &offset);
    if (!c)
        return false;
    if (reg == 0)
        *val = (uint32_t)(c->cval - (count - offset));
    else if (reg == 1) /* "CNTP_CTL_EL0": ISTATUS does not heed IMASK; UNKNOWN while disabled, here 0 */
        *val = c->ctl | (c->ctl & CTL_ENABLE && condition_met(c, offset, count) ? CTL_ISTATUS : 0);
    else
        *val = c->cval;
    return true;
}

bool gtimer_sysreg_write(struct gtimer *t, uint16_t encoding, uint64_t now_ns, uint64_t val)
{
    unsigned reg;
    uint64_t offset = 0;
    struct gtimer_channel *c = decode(t, encoding, &reg, &offset);
    if (!c)
        return false;
    if (reg == 0)
        c->cval = count_at(t, now_ns) - offset + (uint64_t)sext(val, 32);
    else if (reg == 1)
        c->ctl = (uint32_t)val & (CTL_ENABLE | CTL_IMASK);
    else
        c->cval = val;
    update(t, now_ns);
    return true;
}

static void snap_channel(struct gtimer_channel *c, struct snap *s)
{
    SNAP_ANY(s, c, cval);
    SNAP_MASK(s, c, ctl, CTL_ENABLE | CTL_IMASK);
    SNAP_BOOL(s, c, level);
}

void gtimer_snap(struct gtimer *t, struct snap *s)
{
    snap_same(s, "per_num", t->per_num);
    snap_same(s, "per_den", t->per_den);
    SNAP_ANY(s, t, cntvoff);
    snap_channel(&t->phys, s);
    snap_channel(&t->virt, s);
    SNAP_ANY(s, t, deadline_ns);
    SNAP_ANY(s, t, phys_deadline_ns);
}

void gtimer_load_virt(struct gtimer *t, uint64_t ctl, uint64_t cval)
{
    t->virt.ctl = (uint32_t)ctl & (CTL_ENABLE | CTL_IMASK);
    t->virt.cval = cval;
}

uint64_t gtimer_phys_deadline(const struct gtimer *t)
{
    return t->phys_deadline_ns;
}

uint64_t gtimer_deadline(const struct gtimer *t)
{
    return t->deadline_ns;
}

void gtimer_poll(struct gtimer *t, uint64_t now_ns)
{
    update(t, now_ns);
}
