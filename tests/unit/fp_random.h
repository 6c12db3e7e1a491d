/* Bit patterns of floating-point numbers that are worth trying. Included by one program each. */
#ifndef VIBE_TESTS_FP_RANDOM_H
#define VIBE_TESTS_FP_RANDOM_H

#include "arch/fp.h"
#include "base/bits.h"

static uint64_t state_of_rng = 1;

static inline uint64_t rnd(void)
{
    uint64_t x = state_of_rng += 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* Fractions of few bits, of many, and of runs; exponents at the ends, around one, and anywhere. */
static inline uint64_t random_number(enum fp_fmt f)
{
    const struct fp_layout l = fp_layout[f];
    const uint64_t frac_mask = mask64(l.frac), max_exp = 2 * (uint64_t)l.bias + 1;
    uint64_t frac = rnd() & frac_mask, exp;

    switch (rnd() % 6) {
    case 0: frac = 0; break;
    case 1: frac = UINT64_C(1) << rnd() % l.frac; break;
    case 2: frac = frac_mask << rnd() % l.frac & frac_mask; break;
    case 3: frac = frac_mask >> rnd() % l.frac; break;
    default: break;
    }
    switch (rnd() % 8) {
    case 0: exp = 0; break;
    case 1: exp = max_exp; break;
    case 2: exp = max_exp - 1 - rnd() % 3; break;
    case 3: exp = 1 + rnd() % 3; break;
    case 4: exp = rnd() % (max_exp + 1); break;
    default: exp = (uint64_t)l.bias + rnd() % (2u * l.frac + 6) - l.frac; break;
    }
    if (exp > max_exp)
        exp = max_exp;
    if (exp == max_exp && rnd() % 2)
        frac = 0;
    return (rnd() & 1) << (l.bits - 1) | exp << l.frac | frac;
}

#endif
