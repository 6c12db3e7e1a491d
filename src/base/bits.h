/* Bit fields and small arithmetic that every layer uses. Pure; any thread. */
#ifndef VIBE_BASE_BITS_H
#define VIBE_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
/* Of the functions that an exit, an exception or a way between translations passes: they are laid side by side. */
#define HOT __attribute__((hot))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BIT64(n) (UINT64_C(1) << (n))
#define CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* len 1..64 ones from bit 0. */
static inline uint64_t mask64(unsigned len)
{
    return len >= 64 ? ~UINT64_C(0) : BIT64(len) - 1;
}

/* The lowest size bytes, 1 to 8, of x; zeros above. */
static inline uint64_t low_bytes(uint64_t x, unsigned size)
{
    return x & UINT64_MAX >> (64 - 8 * size);
}

/* x<hi:lo>, as the Arm ARM writes it; 63 >= hi >= lo. */
static inline uint64_t bits(uint64_t x, unsigned hi, unsigned lo)
{
    return (x >> lo) & mask64(hi - lo + 1);
}

static inline bool bit(uint64_t x, unsigned n)
{
    return (x >> n) & 1;
}

/* SignExtend(x<len-1:0>, 64); len 1..64. */
static inline int64_t sext(uint64_t x, unsigned len)
{
    return (int64_t)(x << (64 - len)) >> (64 - len);
}

static inline uint64_t ror64(uint64_t x, unsigned n)
{
    n &= 63;
    return n ? (x >> n) | (x << (64 - n)) : x;
}

static inline uint32_t ror32(uint32_t x, unsigned n)
{
    n &= 31;
    return n ? (x >> n) | (x << (32 - n)) : x;
}

static inline uint64_t align_down(uint64_t x, uint64_t a)
{
    return x & ~(a - 1);
}

/* a is a power of two; wraps to 0 past the top. */
static inline uint64_t align_up(uint64_t x, uint64_t a)
{
    return (x + a - 1) & ~(a - 1);
}

static inline bool is_pow2(uint64_t x)
{
    return x && !(x & (x - 1));
}

#endif
