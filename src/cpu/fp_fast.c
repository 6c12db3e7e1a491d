/* Sums and products that are exact, while FPSR.IXC does not yet say that any was not: the host's, where that can be told.
 *
 * Pure but for the struct fp_env. Specification: cpu/fp_fast.h. */
#include "cpu/fp_fast.h"

/* To nearest, and no operand is flushed. */
static bool usable(enum fp_fmt f, uint64_t a, uint64_t b, const struct fp_env *e)
{
    return !(e->fpcr & FPCR_RMode) && fpu_takes(f, a, e) && fpu_takes(f, b, e);
}

/* Of a sum rounded to nearest, the rounding error can be computed (Knuth's TwoSum). An infinity makes it a NaN. */
#define SUM_IS_EXACT(NAME, T)                                                                      \
    static bool NAME(T a, T b, T sum)                                                              \
    {                                                                                              \
        const T of_b = sum - a, of_a = sum - of_b;                                                 \
        return (a - of_a) + (b - of_b) == 0;                                                       \
    }
SUM_IS_EXACT(double_sum_is_exact, double)
SUM_IS_EXACT(float_sum_is_exact, float)

uint64_t fpu_add_exact(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    if (usable(f, a, b, e)) {
        const uint64_t r = FPU_HOST2(f, a, +, b);
        const bool exact =
            f == FMT_D ? double_sum_is_exact(fpu_as_double(a), fpu_as_double(b), fpu_as_double(r))
                       : float_sum_is_exact(fpu_as_float(a), fpu_as_float(b), fpu_as_float(r));
        if (exact && (fpu_normal(f, r) || fpu_zero(f, r)))
            return r;
    }
    return fp_add(f, a, b, e);
}

/* How many bits the significand of a normal number has from its first one to its last. */
static unsigned significant_bits(enum fp_fmt f, uint64_t a)
{
    const unsigned frac = fp_layout[f].frac;

    return frac + 1 - (unsigned)__builtin_ctzll(a | UINT64_C(1) << frac);
}

uint64_t fpu_mul_exact(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    if (usable(f, a, b, e)) {
        const uint64_t r = FPU_HOST2(f, a, *, b);
        const bool zero = fpu_zero(f, r) && (fpu_zero(f, a) || fpu_zero(f, b));

        if (zero || (fpu_normal(f, r) && fpu_normal(f, a) && fpu_normal(f, b) &&
                     significant_bits(f, a) + significant_bits(f, b) <= fp_layout[f].frac + 1u))
            return r;
    }
    return fp_mul(f, a, b, e);
}
