/* A 16-byte compare-and-swap, which C11 offers only through libatomic, and there not always without a lock.
 *
 * Any thread. x86-64 and AArch64 use their own instructions. Elsewhere a lock makes the operations atomic among each other, but not
 * with narrower stores to the same bytes. */
#ifndef VIBE_BASE_ATOMIC128_H
#define VIBE_BASE_ATOMIC128_H

#include <stdbool.h>
#include <stdint.h>

struct pair64 {
    uint64_t lo, hi; /* as in memory, little-endian */
};

/* If *p is *expected, it becomes desired, true; else *expected becomes what *p was, false. p is 16-byte aligned and
 * writable even if the comparison fails. Sequentially consistent. */
static inline bool atomic128_cas(void *p, struct pair64 *expected, struct pair64 desired)
{
#if defined(__x86_64__)
    bool same;

    __asm__ volatile("lock cmpxchg16b %[mem]"
                     : [mem] "+m"(*(struct pair64 *)p), "=@ccz"(same), "+a"(expected->lo),
                       "+d"(expected->hi)
                     : "b"(desired.lo), "c"(desired.hi)
                     : "memory");
    return same;
#elif defined(__aarch64__)
    uint64_t lo, hi, new_lo, new_hi;
    uint32_t failed;

    /* What was seen counts as one access only once it was stored back. */
    do {
        __asm__ volatile("ldaxp %[lo], %[hi], %[mem]\n\t"
                         "cmp %[lo], %[exp_lo]\n\t"
                         "ccmp %[hi], %[exp_hi], #0, eq\n\t"
                         "csel %[new_lo], %[des_lo], %[lo], eq\n\t"
                         "csel %[new_hi], %[des_hi], %[hi], eq\n\t"
                         "stlxp %w[failed], %[new_lo], %[new_hi], %[mem]"
                         : [lo] "=&r"(lo), [hi] "=&r"(hi), [new_lo] "=&r"(new_lo), [new_hi] "=&r"(new_hi),
                           [failed] "=&r"(failed), [mem] "+Q"(*(struct pair64 *)p)
                         : [exp_lo] "r"(expected->lo), [exp_hi] "r"(expected->hi),
                           [des_lo] "r"(desired.lo), [des_hi] "r"(desired.hi)
                         : "cc", "memory");
    } while (failed);
    const bool same = lo == expected->lo && hi == expected->hi;
    expected->lo = lo;
    expected->hi = hi;
    return same;
#else
    static char lock; /* one in each file that includes this: the software CPU's op_excl.c alone */
    struct pair64 *m = p;

    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        ;
    const struct pair64 seen = *m;
    const bool same = seen.lo == expected->lo && seen.hi == expected->hi;
    if (same)
        *m = desired;
    __atomic_clear(&lock, __ATOMIC_RELEASE);
    *expected = seen;
    return same;
#endif
}

#endif
