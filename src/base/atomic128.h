/* Atomic accesses that C11 has not, or only through libatomic and there not always without a lock: of 16 bytes, and of fewer that are
 * misaligned but lie within 16 aligned ones.
 *
 * Any thread. The memory is writable, also for loads: where a host has no such load, it is made of a compare-and-swap. x86-64 and AArch64
 * use their own instructions. Elsewhere a lock makes the operations atomic among each other, but not with narrower stores to the same
 * bytes. */
#ifndef VIBE_BASE_ATOMIC128_H
#define VIBE_BASE_ATOMIC128_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct pair64 {
    uint64_t lo, hi; /* as in memory, little-endian */
};

#if !defined(__x86_64__) && !defined(__aarch64__)
__attribute__((weak)) char atomic128_lock; /* one, whoever includes this */
#endif

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
    struct pair64 *m = p;

    while (__atomic_test_and_set(&atomic128_lock, __ATOMIC_ACQUIRE))
        ;
    const struct pair64 seen = *m;
    const bool same = seen.lo == expected->lo && seen.hi == expected->hi;
    if (same)
        *m = desired;
    __atomic_clear(&atomic128_lock, __ATOMIC_RELEASE);
    *expected = seen;
    return same;
#endif
}

#if defined(__x86_64__)
/* With AVX, 16-byte vector accesses are atomic when aligned (Intel SDM, "Guaranteed Atomic Operations"; AMD APM, "Access Atomicity"). */
static inline bool atomic128_by_vector(void)
{
    return __builtin_cpu_supports("avx");
}
typedef uint64_t atomic128_vector __attribute__((vector_size(16)));
#endif

/* p is 16-byte aligned. No order with other accesses. */
static inline struct pair64 atomic128_load(void *p)
{
    struct pair64 v = {0, 0};

#if defined(__x86_64__)
    if (__builtin_expect(atomic128_by_vector(), 1)) {
        atomic128_vector x;
        __asm__ volatile("movdqa %1, %0" : "=x"(x) : "m"(*(const struct pair64 *)p));
        return (struct pair64){x[0], x[1]};
    }
#endif
    atomic128_cas(p, &v, v);
    return v;
}

static inline void atomic128_store(void *p, struct pair64 v)
{
    struct pair64 seen = {0, 0};

#if defined(__x86_64__)
    if (__builtin_expect(atomic128_by_vector(), 1)) {
        const atomic128_vector x = {v.lo, v.hi};
        __asm__ volatile("movdqa %1, %0" : "=m"(*(struct pair64 *)p) : "x"(x));
        return;
    }
#endif
    while (!atomic128_cas(p, &seen, v))
        ;
}

/* --- 2, 4 or 8 bytes that lie within 16 aligned ones ------------------------------------------------------------------ *
 * On x86-64 a plain access that stays in a cache line is atomic (Intel SDM, as above; AMD software optimization guides). */

static inline void *within16_base(void *p)
{
    return (void *)((uintptr_t)p & ~(uintptr_t)15);
}

/* If the bytes are expected, they become desired; returns what they were, zero-extended. Sequentially consistent. */
static inline uint64_t within16_cas(void *p, unsigned bytes, uint64_t expected, uint64_t desired)
{
    const unsigned at = (unsigned)((uintptr_t)p & 15);
    struct pair64 seen = {0, 0}, wanted;
    uint64_t val = 0;

    do {
        wanted = seen;
        memcpy(&val, (const char *)&seen + at, bytes);
        /* Also when they differ: what was seen counts once it is stored back. */
        if (!memcmp(&val, &expected, bytes))
            memcpy((char *)&wanted + at, &desired, bytes);
    } while (!atomic128_cas(within16_base(p), &seen, wanted));
    return val;
}

/* Any 8 bytes can be accessed as a pair of 4 by the two functions below, atomically within 16, and as fast as 8 aligned bytes. */
#if defined(__x86_64__)
#define PAIR32_IS_ONE_ACCESS 1
#else
#define PAIR32_IS_ONE_ACCESS 0
#endif

static inline uint64_t within16_load(void *p, unsigned bytes)
{
#if defined(__x86_64__)
    uint64_t val;

    switch (bytes) {
    case 2: __asm__ volatile("movzwl %1, %k0" : "=r"(val) : "m"(*(const char(*)[2])p)); break;
    case 4: __asm__ volatile("movl %1, %k0" : "=r"(val) : "m"(*(const char(*)[4])p)); break;
    default: __asm__ volatile("movq %1, %0" : "=r"(val) : "m"(*(const char(*)[8])p)); break;
    }
    return val;
#else
    const struct pair64 v = atomic128_load(within16_base(p));
    uint64_t val = 0;

    memcpy(&val, (const char *)&v + ((uintptr_t)p & 15), bytes);
    return val;
#endif
}

static inline void within16_store(void *p, unsigned bytes, uint64_t val)
{
#if defined(__x86_64__)
    switch (bytes) {
    case 2: __asm__ volatile("movw %w1, %0" : "=m"(*(char(*)[2])p) : "r"(val)); break;
    case 4: __asm__ volatile("movl %k1, %0" : "=m"(*(char(*)[4])p) : "r"(val)); break;
    default: __asm__ volatile("movq %1, %0" : "=m"(*(char(*)[8])p) : "r"(val)); break;
    }
#else
    uint64_t seen = within16_load(p, bytes), old;

    while ((old = within16_cas(p, bytes, seen, val)) != seen)
        seen = old;
#endif
}

#endif
