/* Floating point: comparisons, minimum and maximum, estimates.
 *
 * Pure but for the struct fp_env. Specification: arch/fp.h. */
#include "arch/fp_internal.h"

/* --- Comparisons -------------------------------------------------------------------------------------------------------- */

/* Bit patterns, sign and magnitude, as integers in the order of their values. */
static int64_t ordered(enum fp_fmt f, const struct fp_num *n, uint64_t a)
{
    const int64_t mag = n->cls == CLASS_ZERO ? 0 : (int64_t)(a & (fp_sign_bit(f) - 1));

    return n->sign ? -mag : mag;
}

enum fp_relation fp_compare(enum fp_fmt f, uint64_t a, uint64_t b, bool signal, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e), y = fp_unpack(f, b, e);

    if (x.cls >= CLASS_QNAN || y.cls >= CLASS_QNAN) {
        if (signal || x.cls == CLASS_SNAN || y.cls == CLASS_SNAN)
            e->fpsr |= FPSR_IOC;
        return FP_UNORDERED;
    }
    const int64_t m = ordered(f, &x, a), n = ordered(f, &y, b);
    return m < n ? FP_LESS : m > n ? FP_GREATER : FP_EQUAL;
}

/* --- Minimum, maximum ----------------------------------------------------------------------------------------------------- */

/* FPMax() and FPMin(): the value chosen is one of the operands, and rounding it changes nothing. numbers: a quiet NaN loses
 * against a number, FPMaxNum() and FPMinNum(). */
static uint64_t choose(enum fp_fmt f, uint64_t a, uint64_t b, bool max, bool numbers, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e), y = fp_unpack(f, b, e);
    uint64_t nan;
    bool first;

    if (numbers && x.cls == CLASS_QNAN && y.cls < CLASS_QNAN) {
        first = false;
    } else if (numbers && y.cls == CLASS_QNAN && x.cls < CLASS_QNAN) {
        first = true;
    } else if (fp_process_nans(f, &x, &y, a, b, &nan, e)) {
        return nan;
    } else if (x.cls == CLASS_ZERO && y.cls == CLASS_ZERO) {
        return fp_with_sign(f, max ? x.sign && y.sign : x.sign || y.sign, 0);
    } else {
        const int64_t m = ordered(f, &x, a), n = ordered(f, &y, b);
        first = max ? m > n : m < n;
    }
    const struct fp_num *n = first ? &x : &y;
    if (n->cls == CLASS_ZERO)
        return fp_with_sign(f, n->sign, 0);
    return (first ? a : b) & mask64(fp_layout[f].bits);
}

uint64_t fp_max(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    return choose(f, a, b, true, false, e);
}

uint64_t fp_min(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    return choose(f, a, b, false, false, e);
}

uint64_t fp_maxnm(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    return choose(f, a, b, true, true, e);
}

uint64_t fp_minnm(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    return choose(f, a, b, false, true, e);
}

/* --- Estimates ------------------------------------------------------------------------------------------------------------ */

/* RecipEstimate(): 256 .. 511, as 0.5 .. 1.0, to 256 .. 511, as 1.0 .. 2.0. */
static unsigned recip_estimate(unsigned a)
{
    return ((1u << 19) / (a * 2 + 1) + 1) / 2;
}

/* RecipSqrtEstimate(): 128 .. 511, as 0.25 .. 1.0, to 256 .. 511, as 1.0 .. 2.0. */
static unsigned rsqrt_estimate(unsigned a)
{
    unsigned b = 512; /* becomes the largest below 2^14 / sqrt(a) */

    a = a < 256 ? a * 2 + 1 : ((a & ~1u) + 1) * 2;
    for (unsigned step = 256; step; step /= 2)
        if (a * (b + step) * (b + step) < 1u << 28)
            b += step;
    return (b + 1) / 2;
}

/* A result with eight bits of fraction, those of estimate but its first; exp is biased, 0 and -1 for denormals. */
static uint64_t from_estimate(enum fp_fmt f, bool sign, int exp, unsigned estimate)
{
    const struct fp_layout l = fp_layout[f];
    const uint64_t sig = (uint64_t)estimate << (l.frac - 8);

    if (exp <= 0)
        return fp_with_sign(f, sign, sig >> (1 - exp));
    return fp_with_sign(f, sign, ((uint64_t)(exp - 1) << l.frac) + sig);
}

uint64_t fp_recip_estimate(enum fp_fmt f, uint64_t a, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e);
    const int bias = fp_layout[f].bias;
    const enum fp_rounding r = fp_rounding(e);

    if (x.cls >= CLASS_QNAN)
        return fp_process_nan(f, &x, a, e);
    if (x.cls == CLASS_INFINITY)
        return fp_with_sign(f, x.sign, 0);
    if (x.cls == CLASS_ZERO) {
        e->fpsr |= FPSR_DZC;
        return fp_with_sign(f, x.sign, fp_infinity(f));
    }
    if (x.exp < -(bias + 1)) {
        const bool largest = r == ROUND_ZERO || r == (x.sign ? ROUND_POSINF : ROUND_NEGINF);

        e->fpsr |= FPSR_OFC | FPSR_IXC;
        return fp_with_sign(f, x.sign, fp_infinity(f) - largest);
    }
    if (x.exp >= bias - 1 && e->fpcr & (f == FMT_H ? FPCR_FZ16 : FPCR_FZ)) {
        e->fpsr |= FPSR_UFC;
        return fp_with_sign(f, x.sign, 0);
    }
    return from_estimate(f, x.sign, bias - 1 - x.exp, recip_estimate((unsigned)(x.sig >> 55)));
}

uint64_t fp_rsqrt_estimate(enum fp_fmt f, uint64_t a, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e);
    const int bias = fp_layout[f].bias, exp = x.exp + bias;

    if (x.cls >= CLASS_QNAN)
        return fp_process_nan(f, &x, a, e);
    if (x.cls == CLASS_ZERO) {
        e->fpsr |= FPSR_DZC;
        return fp_with_sign(f, x.sign, fp_infinity(f));
    }
    if (x.sign)
        return fp_invalid(f, e);
    if (x.cls == CLASS_INFINITY)
        return 0;
    return from_estimate(f, false, (3 * bias - 1 - exp) / 2,
                         rsqrt_estimate((unsigned)(x.sig >> (55 + (exp & 1)))));
}

uint64_t fp_recpx(enum fp_fmt f, uint64_t a, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e);
    const uint64_t infinity = fp_infinity(f), exp = a & infinity;

    if (x.cls >= CLASS_QNAN)
        return fp_process_nan(f, &x, a, e);
    return fp_with_sign(f, x.sign,
                        exp == 0 ? infinity - (UINT64_C(1) << fp_layout[f].frac) : exp ^ infinity);
}

uint32_t fp_unsigned_recip_estimate(uint32_t a)
{
    return a >> 31 ? recip_estimate(a >> 23) << 23 : UINT32_MAX;
}

uint32_t fp_unsigned_rsqrt_estimate(uint32_t a)
{
    return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : UINT32_MAX;
}
