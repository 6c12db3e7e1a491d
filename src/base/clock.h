/* The clock that a guest sees: the host's monotonic one, or one that somebody moves on as instructions are executed (--deterministic). */
#ifndef VIBE_BASE_CLOCK_H
#define VIBE_BASE_CLOCK_H

#include "base/os.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct guest_clock {
    bool moved; /* constant; false: it is the host's, and now_ns is not used */
    _Atomic uint64_t now_ns;
};

/* Nanoseconds; any thread. */
static inline uint64_t clock_now_ns(const struct guest_clock *k)
{
    return k->moved ? atomic_load_explicit(&k->now_ns, memory_order_relaxed) : os_now_ns();
}

#endif
