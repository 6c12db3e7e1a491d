/* WFE, and what ends it: the event register, SEV of another CPU, the exclusive monitor, the event stream.
 *
 * A CPU that waits says so in its cluster, so that a SEV knows whether anybody has to be woken. A store of another CPU to the location that the
 * exclusive monitor watches is an event too, but nobody reports it: the value is looked at for a moment, then the CPU naps, longer each time.
 * Owner thread, but for cluster_send_event(). Specification: DDI 0487, "Wait for Event mechanism and Send event". */
#include "base/bits.h"
#include "base/clock.h"
#include "cpu/cpu_internal.h"
#include "cpu/interp.h"

#include "gen/sysreg_fields.h"

#include <string.h>

/* Some microseconds: most locks are held for less. */
#define LOOKS 64u
#define NAP_MIN_NS UINT64_C(50000)
#define NAP_MAX_NS UINT64_C(1000000)

bool cluster_send_event(struct cpu_cluster *cl)
{
    for (unsigned i = 0; i < cl->nr_cpus; i++)
        __atomic_store_n(&cl->cpu[i]->event_register, true, __ATOMIC_SEQ_CST);
    return atomic_load(&cl->waiting) != 0;
}

/* With turns, only what is the guest's own doing: when others want this CPU is not the same each time. */
static bool event_came(const struct cpu *c)
{
    const uint32_t mask = c->turn_insns && !c->own_turns ? EVENT_IRQ : UINT32_MAX;
    return __atomic_load_n(&c->event_register, __ATOMIC_SEQ_CST) ||
           (atomic_load_explicit(&c->events, memory_order_relaxed) & mask);
}

/* The monitor is armed, and its location is not what was loaded. */
static bool monitor_cleared(const struct cpu *c)
{
    uint64_t now = 0;

    memcpy(&now, c->excl.host, MIN(c->excl.size, 8u));
    return now != c->excl.lo;
}

bool cpu_event_soon(struct cpu *c)
{
    if (!c->excl.size || c->cluster->nr_cpus == 1)
        return false;
    for (unsigned i = 0; i < LOOKS; i++) {
        if (monitor_cleared(c) || event_came(c))
            return true;
        os_cpu_relax();
    }
    return false;
}

/* A location that stays as it is gets looked at less and less often. */
static uint64_t nap_ns(struct cpu *c)
{
    const bool again = c->nap.host == c->excl.host && c->nap.val == c->excl.lo;

    c->nap.ns = again ? MIN(2 * c->nap.ns, NAP_MAX_NS) : NAP_MIN_NS;
    c->nap.host = c->excl.host;
    c->nap.val = c->excl.lo;
    return c->nap.ns;
}

/* CNTKCTL_EL1.EVNTI: an event each time this bit of the counter changes in one direction. */
static uint64_t stream_period_ns(const struct cpu *c)
{
    const uint64_t cntkctl = SYS(&c->st, CNTKCTL_EL1);
    const unsigned evnti = (unsigned)bits(cntkctl, CNTKCTL_EL1_EVNTI_LO + 3, CNTKCTL_EL1_EVNTI_LO);

    return cntkctl & CNTKCTL_EL1_EVNTEN ? (UINT64_C(2) << evnti) * 16 : UINT64_MAX;
}

uint64_t cpu_wait_event(struct cpu *c)
{
    uint64_t nap;

    c->waiting = true;
    atomic_fetch_or(&c->cluster->waiting, BIT64(c->index));
    if (event_came(c))
        return 0;
    nap = MAX(stream_period_ns(c), NAP_MIN_NS);
    if (c->excl.size)
        nap = MIN(nap, nap_ns(c));
    return nap == UINT64_MAX ? UINT64_MAX : clock_now_ns(c->clock) + nap;
}

void cpu_wait_over(struct cpu *c)
{
    c->waiting = false;
    atomic_fetch_and(&c->cluster->waiting, ~BIT64(c->index));
    /* What ended the wait is used up. */
    __atomic_store_n(&c->event_register, false, __ATOMIC_SEQ_CST);
}
