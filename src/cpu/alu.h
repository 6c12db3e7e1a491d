/* AddWithCarry() and its flags, for the data processing instructions. sf is a compile-time constant: 1 for 64 bits, 0 for 32.
 *
 * Pure. Written so that the compiler finds the host's own carry and overflow, without branches.
 * Specification: DDI 0487, "Shared pseudocode", AddWithCarry(). */
#ifndef VIBE_CPU_ALU_H
#define VIBE_CPU_ALU_H

#include "arch/state.h"

_Static_assert(PSR_N == 1u << 31 && PSR_Z == 1u << 30 && PSR_C == 1u << 29 && PSR_V == 1u << 28,
               "flags_pack()");

static inline uint32_t flags_pack(bool n, bool z, bool c, bool v)
{
    return ((uint32_t)n << 3 | (uint32_t)z << 2 | (uint32_t)c << 1 | (uint32_t)v) << 28;
}

/* N and Z of a result, C and V clear: the logical instructions. */
static inline uint32_t flags_logical(unsigned sf, uint64_t r)
{
    return sf ? flags_pack((int64_t)r < 0, r == 0, false, false)
              : flags_pack((int32_t)r < 0, (uint32_t)r == 0, false, false);
}

/* AddWithCarry(x, y, 0) */
static inline uint64_t add_flags(unsigned sf, uint64_t x, uint64_t y, uint32_t *nzcv)
{
    if (sf) {
        int64_t s;
        bool v = __builtin_add_overflow((int64_t)x, (int64_t)y, &s);
        *nzcv = flags_pack(s < 0, s == 0, (uint64_t)s < x, v);
        return (uint64_t)s;
    }
    int32_t s;
    bool v = __builtin_add_overflow((int32_t)x, (int32_t)y, &s);
    *nzcv = flags_pack(s < 0, s == 0, (uint32_t)s < (uint32_t)x, v);
    return (uint32_t)s;
}

/* AddWithCarry(x, NOT y, 1) */
static inline uint64_t sub_flags(unsigned sf, uint64_t x, uint64_t y, uint32_t *nzcv)
{
    if (sf) {
        int64_t s;
        bool v = __builtin_sub_overflow((int64_t)x, (int64_t)y, &s);
        *nzcv = flags_pack(s < 0, s == 0, x >= y, v);
        return (uint64_t)s;
    }
    int32_t s;
    bool v = __builtin_sub_overflow((int32_t)x, (int32_t)y, &s);
    *nzcv = flags_pack(s < 0, s == 0, (uint32_t)x >= (uint32_t)y, v);
    return (uint32_t)s;
}

/* AddWithCarry(x, y, carry) with carry 0 or 1. The carry out of the top bit is the majority of x, y and NOT r there. */
static inline uint64_t adc_flags(unsigned sf, uint64_t x, uint64_t y, unsigned carry, uint32_t *nzcv)
{
    uint64_t r = x + y + carry;
    uint64_t c = (x & y) | ((x | y) & ~r);
    uint64_t v = (x ^ r) & (y ^ r);

    if (sf) {
        *nzcv = flags_pack((int64_t)r < 0, r == 0, (int64_t)c < 0, (int64_t)v < 0);
        return r;
    }
    *nzcv = flags_pack((int32_t)r < 0, (uint32_t)r == 0, (int32_t)c < 0, (int32_t)v < 0);
    return (uint32_t)r;
}

#endif
