/* Floating point by the host's instructions where they give what Arm asks for, by arch/fp.h where that isn't certain.
 *
 * fpu_NAME() is fp_NAME(), to the bit, faster: it may be called wherever the other may, with the format a compile-time constant. The
 * host computes in its own default state (to nearest, no flushing), so that its result is Arm's when
 *   - FPCR.RMode is to nearest, and FPSR.IXC is set already, or is known to be right;
 *   - the result is a normal number, or a zero that needed no rounding: then no NaN, infinity, overflow, underflow is in play, and
 *     flushing of results changes nothing. The smallest normal number doesn't count: it may have been tiny before rounding;
 *   - FPCR.FZ is clear, or no operand is denormal. */
#ifndef VIBE_CPU_FP_FAST_H
#define VIBE_CPU_FP_FAST_H

#include "arch/fp.h"
#include "base/bits.h"
#include "cpu/fp_host.h"

#include <float.h>
#include <string.h>

/* Halves never; and nothing on a host that computes in another precision than asked for. */
#define FPU_HAS(f) ((f) != FMT_H && FLT_EVAL_METHOD == 0)

/* --- Bit patterns and host numbers --------------------------------------------------------------------------------------- */

static inline double fpu_as_double(uint64_t a)
{
    double d;
    memcpy(&d, &a, sizeof(d));
    return d;
}

static inline float fpu_as_float(uint64_t a)
{
    const uint32_t w = (uint32_t)a;
    float s;
    memcpy(&s, &w, sizeof(s));
    return s;
}

static inline uint64_t fpu_of_double(double d)
{
    uint64_t a;
    memcpy(&a, &d, sizeof(a));
    return a;
}

static inline uint64_t fpu_of_float(float s)
{
    uint32_t w;
    memcpy(&w, &s, sizeof(w));
    return w;
}

/* a OP b in the host's format for f */
#define FPU_HOST2(f, a, OP, b)                                                                     \
    ((f) == FMT_D ? fpu_of_double(fpu_as_double(a) OP fpu_as_double(b))                            \
                  : fpu_of_float(fpu_as_float(a) OP fpu_as_float(b)))

static inline uint64_t fpu_magnitude(enum fp_fmt f, uint64_t a)
{
    return f == FMT_D ? a & ~(UINT64_C(1) << 63) : (uint32_t)a & 0x7fffffff;
}

#define FPU_MIN_NORMAL(f) ((f) == FMT_D ? UINT64_C(1) << 52 : UINT64_C(1) << 23)
#define FPU_INFINITY(f) ((f) == FMT_D ? UINT64_C(0x7ff) << 52 : UINT64_C(0xff) << 23)

/* A finite number above the smallest normal one. */
static inline bool fpu_normal(enum fp_fmt f, uint64_t a)
{
    return fpu_magnitude(f, a) - (FPU_MIN_NORMAL(f) + 1) < FPU_INFINITY(f) - (FPU_MIN_NORMAL(f) + 1);
}

static inline bool fpu_zero(enum fp_fmt f, uint64_t a)
{
    return fpu_magnitude(f, a) == 0;
}

static inline bool fpu_denormal(enum fp_fmt f, uint64_t a)
{
    return fpu_magnitude(f, a) - 1 < FPU_MIN_NORMAL(f) - 1;
}

/* A number: no NaN, no infinity, nothing that would be flushed. */
static inline bool fpu_plain(enum fp_fmt f, uint64_t a, const struct fp_env *e)
{
    return fpu_magnitude(f, a) < FPU_INFINITY(f) &&
           (likely(!(e->fpcr & FPCR_FZ)) || !fpu_denormal(f, a));
}

/* FPCR and FPSR allow results that are rounded. */
static inline bool fpu_rounds(const struct fp_env *e)
{
    return ((e->fpcr & FPCR_RMode) | (~e->fpsr & FPSR_IXC)) == 0;
}

/* And FZ the operand. Whether that is a number, the result shows. */
static inline bool fpu_takes(enum fp_fmt f, uint64_t a, const struct fp_env *e)
{
    return likely(!(e->fpcr & FPCR_FZ)) || !fpu_denormal(f, a);
}

/* --- Arithmetic ------------------------------------------------------------------------------------------------------------- */

/* fpu_NAME() while IXC is clear: the host's result if it is exact. Programs that compute with integers stay there for ever. */
uint64_t fpu_add_exact(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fpu_mul_exact(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);

static inline uint64_t fpu_add(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    if (!FPU_HAS(f))
        return fp_add(f, a, b, e);
    if (unlikely(!fpu_rounds(e)))
        return fpu_add_exact(f, a, b, e);
    const uint64_t r = FPU_HOST2(f, a, +, b);
    /* Sums of denormals, and what becomes zero, are exact. */
    if (likely((fpu_normal(f, r) || fpu_zero(f, r)) && fpu_takes(f, a, e) && fpu_takes(f, b, e)))
        return r;
    return fp_add(f, a, b, e);
}

static inline uint64_t fpu_sub(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    if (!FPU_HAS(f))
        return fp_sub(f, a, b, e);
    if (likely(fpu_rounds(e))) {
        const uint64_t r = FPU_HOST2(f, a, -, b);
        if (likely((fpu_normal(f, r) || fpu_zero(f, r)) && fpu_takes(f, a, e) && fpu_takes(f, b, e)))
            return r;
    } else if (fpu_plain(f, b, e)) { /* a NaN keeps its sign */
        return fpu_add_exact(f, a, b ^ fp_sign_bit(f), e);
    }
    return fp_sub(f, a, b, e);
}

static inline uint64_t fpu_mul(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    if (!FPU_HAS(f))
        return fp_mul(f, a, b, e);
    if (unlikely(!fpu_rounds(e)))
        return fpu_mul_exact(f, a, b, e);
    const uint64_t r = FPU_HOST2(f, a, *, b);
    if (likely((fpu_normal(f, r) || (fpu_zero(f, r) && (fpu_zero(f, a) || fpu_zero(f, b)))) &&
               fpu_takes(f, a, e) && fpu_takes(f, b, e)))
        return r;
    return fp_mul(f, a, b, e);
}

static inline uint64_t fpu_mulx(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    if (FPU_HAS(f) && likely(fpu_rounds(e))) {
        const uint64_t r = FPU_HOST2(f, a, *, b);
        if (likely(fpu_normal(f, r) && fpu_takes(f, a, e) && fpu_takes(f, b, e)))
            return r;
    }
    return fp_mulx(f, a, b, e);
}

static inline uint64_t fpu_div(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    if (FPU_HAS(f) && likely(fpu_rounds(e))) {
        const uint64_t r = FPU_HOST2(f, a, /, b);
        if (likely((fpu_normal(f, r) || (fpu_zero(f, r) && fpu_zero(f, a))) && fpu_takes(f, a, e) &&
                   fpu_takes(f, b, e)))
            return r;
    }
    return fp_div(f, a, b, e);
}

static inline uint64_t fpu_sqrt(enum fp_fmt f, uint64_t a, struct fp_env *e)
{
    if (FPU_HAS(f) && likely(fpu_rounds(e) && fpu_normal(f, a) && !(a & fp_sign_bit(f))))
        return f == FMT_D ? fpu_of_double(sqrt(fpu_as_double(a)))
                          : fpu_of_float(sqrtf(fpu_as_float(a)));
    return fp_sqrt(f, a, e);
}

static inline uint64_t fpu_muladd(enum fp_fmt f, uint64_t addend, uint64_t a, uint64_t b,
                                  struct fp_env *e)
{
    if (FPU_HAS(f) && likely(fpu_host_has_fma() && fpu_rounds(e))) {
        const uint64_t r =
            f == FMT_D
                ? fpu_of_double(fpu_host_fma(fpu_as_double(a), fpu_as_double(b), fpu_as_double(addend)))
                : fpu_of_float(fpu_host_fmaf(fpu_as_float(a), fpu_as_float(b), fpu_as_float(addend)));
        if (likely(fpu_normal(f, r) && fpu_takes(f, a, e) && fpu_takes(f, b, e) &&
                   fpu_takes(f, addend, e)))
            return r;
    }
    return fp_muladd(f, addend, a, b, e);
}

/* 2 - a * b, and (3 - a * b) / 2, the halving of which is that of one factor: exact, as it leaves b normal. */
static inline uint64_t fpu_recip_step(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    if (FPU_HAS(f) && likely(fpu_host_has_fma() && fpu_rounds(e))) {
        const uint64_t r =
            f == FMT_D ? fpu_of_double(fpu_host_fma(-fpu_as_double(a), fpu_as_double(b), 2.0))
                       : fpu_of_float(fpu_host_fmaf(-fpu_as_float(a), fpu_as_float(b), 2.0f));
        if (likely(fpu_normal(f, r) && fpu_takes(f, a, e) && fpu_takes(f, b, e)))
            return r;
    }
    return fp_recip_step(f, a, b, e);
}

static inline uint64_t fpu_rsqrt_step(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    if (FPU_HAS(f) && likely(fpu_host_has_fma() && fpu_rounds(e))) {
        const uint64_t half = f == FMT_D ? fpu_of_double(fpu_as_double(b) * 0.5)
                                         : fpu_of_float(fpu_as_float(b) * 0.5f);
        const uint64_t r =
            f == FMT_D ? fpu_of_double(fpu_host_fma(-fpu_as_double(a), fpu_as_double(half), 1.5))
                       : fpu_of_float(fpu_host_fmaf(-fpu_as_float(a), fpu_as_float(half), 1.5f));
        if (likely(fpu_normal(f, r) && fpu_normal(f, half) && fpu_takes(f, a, e)))
            return r;
    }
    return fp_rsqrt_step(f, a, b, e);
}

/* --- Comparing and choosing ------------------------------------------------------------------------------------------------- */

/* Numbers, and infinities, in the order of their values. */
static inline int64_t fpu_ordered(enum fp_fmt f, uint64_t a)
{
    const int64_t mag = (int64_t)fpu_magnitude(f, a);

    return a & fp_sign_bit(f) ? -mag : mag;
}

/* Neither a NaN nor flushed. */
static inline bool fpu_comparable(enum fp_fmt f, uint64_t a, const struct fp_env *e)
{
    return fpu_magnitude(f, a) <= FPU_INFINITY(f) && fpu_takes(f, a, e);
}

static inline enum fp_relation fpu_compare(enum fp_fmt f, uint64_t a, uint64_t b, bool signal,
                                           struct fp_env *e)
{
    if (FPU_HAS(f) && likely(fpu_comparable(f, a, e) && fpu_comparable(f, b, e))) {
        const int64_t m = fpu_ordered(f, a), n = fpu_ordered(f, b);
        return (enum fp_relation)((m > n) - (m < n));
    }
    return fp_compare(f, a, b, signal, e);
}

#define FPU_CHOICE(NAME, OP, FOR_EQUALS)                                                           \
    static inline uint64_t fpu_##NAME(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)     \
    {                                                                                              \
        if (FPU_HAS(f) && likely(fpu_comparable(f, a, e) && fpu_comparable(f, b, e))) {            \
            const int64_t m = fpu_ordered(f, a), n = fpu_ordered(f, b);                            \
            return m == n ? a FOR_EQUALS b : m OP n ? a : b;                                       \
        }                                                                                          \
        return fp_##NAME(f, a, b, e);                                                              \
    }
/* Zeros are equal: the greater one is +0. */
FPU_CHOICE(max, >, &)
FPU_CHOICE(min, <, |)
FPU_CHOICE(maxnm, >, &)
FPU_CHOICE(minnm, <, |)

/* --- Conversions --------------------------------------------------------------------------------------------------------------- */

/* FMT_S and FMT_D to each other. */
static inline uint64_t fpu_convert(enum fp_fmt from, enum fp_fmt to, uint64_t a, enum fp_rounding r,
                                   struct fp_env *e)
{
    if (FPU_HAS(from) && from == FMT_S && to == FMT_D && likely(fpu_plain(from, a, e)))
        return fpu_of_double(fpu_as_float(a)); /* exact */
    if (FPU_HAS(from) && from == FMT_D && to == FMT_S && r == ROUND_TIEEVEN &&
        likely(!(~e->fpsr & FPSR_IXC))) {
        const uint64_t x = fpu_of_float((float)fpu_as_double(a));
        if (likely(fpu_normal(to, x)))
            return x;
    }
    return fp_convert(from, to, a, r, e);
}

/* x as an integer, by the given rounding; |x| < 2^63. */
static inline int64_t fpu_to_integer(double x, enum fp_rounding r, bool *inexact)
{
    int64_t n = (int64_t)x;
    const double rest = x - (double)n; /* exact: of x's sign, below 1 */

    *inexact = rest != 0;
    switch (r) {
    case ROUND_TIEEVEN:
        return n + (rest > 0.5 || (rest == 0.5 && n & 1)) - (rest < -0.5 || (rest == -0.5 && n & 1));
    case ROUND_TIEAWAY: return n + (rest >= 0.5) - (rest <= -0.5);
    case ROUND_POSINF: return n + (rest > 0);
    case ROUND_NEGINF: return n - (rest < 0);
    default: return n;
    }
}

static inline uint64_t fpu_to_fixed(enum fp_fmt from, uint64_t a, unsigned fbits, bool is_unsigned,
                                    enum fp_rounding r, unsigned int_bits, struct fp_env *e)
{
    if (FPU_HAS(from) && fbits == 0 && likely(fpu_plain(from, a, e))) {
        const double x = from == FMT_D ? fpu_as_double(a) : (double)fpu_as_float(a);

        if (likely(fabs(x) < 0x1p63)) {
            bool inexact;
            const int64_t n = fpu_to_integer(x, r, &inexact);
            const bool fits = is_unsigned ? n >= 0 && (uint64_t)n <= mask64(int_bits)
                                          : n == sext((uint64_t)n, int_bits);

            if (likely(fits)) {
                if (inexact)
                    e->fpsr |= FPSR_IXC;
                return (uint64_t)n & mask64(int_bits);
            }
        }
    }
    return fp_to_fixed(from, a, fbits, is_unsigned, r, int_bits, e);
}

static inline uint64_t fpu_from_fixed(enum fp_fmt to, uint64_t a, unsigned fbits, bool is_unsigned,
                                      struct fp_env *e)
{
    if (FPU_HAS(to) && fbits == 0) {
        const uint64_t mag = is_unsigned || !(a >> 63) ? a : -a;

        if (likely(mag >> (to == FMT_D ? 53 : 24) == 0 || fpu_rounds(e))) {
            if (is_unsigned)
                return to == FMT_D ? fpu_of_double((double)a) : fpu_of_float((float)a);
            return to == FMT_D ? fpu_of_double((double)(int64_t)a) : fpu_of_float((float)(int64_t)a);
        }
    }
    return fp_from_fixed(to, a, fbits, is_unsigned, e);
}

static inline uint64_t fpu_round_int(enum fp_fmt f, uint64_t a, enum fp_rounding r, bool exact,
                                     struct fp_env *e)
{
    if (FPU_HAS(f) && likely(fpu_plain(f, a, e))) {
        const double x = f == FMT_D ? fpu_as_double(a) : (double)fpu_as_float(a);
        bool inexact;

        if (unlikely(fabs(x) >= 0x1p52))
            return f == FMT_D ? a : (uint32_t)a;
        const double n = copysign((double)fpu_to_integer(x, r, &inexact), x);
        if (inexact && exact)
            e->fpsr |= FPSR_IXC;
        return f == FMT_D ? fpu_of_double(n) : fpu_of_float((float)n);
    }
    return fp_round_int(f, a, r, exact, e);
}

#endif
