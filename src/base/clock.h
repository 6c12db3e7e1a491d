/* The clock that a guest sees: the host's monotonic one, at a distance if it goes on from where a snapshot left it, or one that somebody moves on as
 * instructions are executed (--deterministic). */
#ifndef VIBE_BASE_CLOCK_H
#define VIBE_BASE_CLOCK_H

#include "base/os.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct guest_clock {
    bool moved;        /* constant; false: it is the host's, and now_ns is not used */
    uint64_t ahead_ns; /* of the host's, modulo 2^64; constant once the machine runs */
    _Atomic uint64_t now_ns;
};

/* Nanoseconds; any thread. */
static inline uint64_t clock_now_ns(const struct guest_clock *k)
{
    return k->moved ? atomic_load_explicit(&k->now_ns, memory_order_relaxed) : os_now_ns() + k->ahead_ns;
}

/* The clock shows ns now. Before the machine runs. */
static inline void clock_begin_at(struct guest_clock *k, uint64_t ns)
{
    k->ahead_ns = ns - os_now_ns();
    atomic_store(&k->now_ns, ns);
}

/* The os_now_ns() at which a clock that is the host's shows ns; UINT64_MAX is never, and stays that. What has been before the host began is 0. */
static inline uint64_t clock_host_ns(const struct guest_clock *k, uint64_t ns)
{
    const uint64_t host = ns - k->ahead_ns;
    return ns == UINT64_MAX ? UINT64_MAX : (int64_t)host < 0 ? 0 : host;
}

#endif
