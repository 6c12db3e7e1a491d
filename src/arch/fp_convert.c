/* Floating point: conversions between formats, to and from integers, rounding to integral values.
 *
 * Pure but for the struct fp_env. Specification: arch/fp.h. */
#include "arch/fp_internal.h"

/* --- Between formats ------------------------------------------------------------------------------------------------------ */

/* FPConvertNaN(): quiet, with what fits of the fraction. */
static uint64_t convert_nan(enum fp_fmt from, enum fp_fmt to, bool sign, uint64_t a)
{
    const uint64_t frac = a << (64 - fp_layout[from].frac) << 1; /* at the top, without the quiet bit */

    return fp_with_sign(to, sign, fp_default_nan(to) | frac >> (65 - fp_layout[to].frac));
}

uint64_t fp_convert(enum fp_fmt from, enum fp_fmt to, uint64_t a, enum fp_rounding r, struct fp_env *e)
{
    const struct fp_num x = fp_unpack_cv(from, a, e);
    const bool alternative = to == FMT_H && e->fpcr & FPCR_AHP;

    switch (x.cls) {
    case CLASS_ZERO: return fp_with_sign(to, x.sign, 0);
    case CLASS_FINITE:
        return fp_round_base(to, x.sign, x.exp, x.sig, r, e->fpcr & ~(uint32_t)FPCR_FZ16, e);
    case CLASS_INFINITY:
        if (!alternative)
            return fp_with_sign(to, x.sign, fp_infinity(to));
        e->fpsr |= FPSR_IOC; /* there is none: the largest number */
        return fp_with_sign(to, x.sign, fp_sign_bit(to) - 1);
    default:
        if (x.cls == CLASS_SNAN || alternative)
            e->fpsr |= FPSR_IOC;
        if (alternative) /* nor is there a NaN */
            return fp_with_sign(to, x.sign, 0);
        return e->fpcr & FPCR_DN ? fp_default_nan(to) : convert_nan(from, to, x.sign, a);
    }
}

/* --- To integers ------------------------------------------------------------------------------------------------------------ */

/* A finite number, or zero, as an integer: its magnitude, modulo 2^64. */
struct integer {
    uint64_t mag;
    bool inexact;
    bool big; /* 2^64 or more, exact */
};

static struct integer to_integer(const struct fp_num *x, int fbits, enum fp_rounding r)
{
    const int exp = x->exp + fbits;
    uint64_t mag, rest;

    if (x->cls == CLASS_ZERO)
        return (struct integer){0};
    if (exp >= 64)
        return (struct integer){.mag = exp < 127 ? x->sig << (exp - 63) : 0, .big = true};
    if (exp == 63)
        return (struct integer){.mag = x->sig};
    if (exp >= 0) {
        mag = x->sig >> (63 - exp);
        rest = x->sig << (exp + 1);
    } else {
        mag = 0;
        rest = exp == -1 ? x->sig : 1;
    }
    return (struct integer){.mag = mag + fp_rounds_up(r, x->sign, mag & 1, rest), .inexact = rest != 0};
}

uint64_t fp_to_fixed(enum fp_fmt from, uint64_t a, unsigned fbits, bool is_unsigned,
                     enum fp_rounding r, unsigned int_bits, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(from, a, e);
    const uint64_t mask = mask64(int_bits), min = UINT64_C(1) << (int_bits - 1);
    /* The largest magnitude of this sign. */
    const uint64_t limit = is_unsigned ? (x.sign ? 0 : mask) : min - !x.sign;
    struct integer n = {.big = true};

    if (x.cls >= CLASS_QNAN) {
        e->fpsr |= FPSR_IOC;
        return 0;
    }
    if (x.cls != CLASS_INFINITY)
        n = to_integer(&x, (int)fbits, r);
    if (n.big || n.mag > limit) {
        e->fpsr |= FPSR_IOC;
        n.mag = limit;
    } else if (n.inexact) {
        e->fpsr |= FPSR_IXC;
    }
    return (x.sign ? -n.mag : n.mag) & mask;
}

uint32_t fp_to_int32_js(uint64_t a, bool *z, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(FMT_D, a, e);
    struct integer n;

    *z = false;
    if (x.cls >= CLASS_INFINITY) {
        e->fpsr |= FPSR_IOC;
        return 0;
    }
    n = to_integer(&x, 0, ROUND_ZERO);
    if (n.big || n.mag > (UINT64_C(1) << 31) - !x.sign)
        e->fpsr |= FPSR_IOC;
    else if (n.inexact)
        e->fpsr |= FPSR_IXC;
    else
        *z = x.cls == CLASS_FINITE || a == 0; /* neither -0 nor a flushed denormal is what it seems */
    return (uint32_t)(x.sign ? -n.mag : n.mag);
}

/* --- From integers ---------------------------------------------------------------------------------------------------------- */

uint64_t fp_from_fixed(enum fp_fmt to, uint64_t a, unsigned fbits, bool is_unsigned, struct fp_env *e)
{
    const bool sign = !is_unsigned && a >> 63;
    const uint64_t mag = sign ? -a : a;

    if (mag == 0)
        return 0;
    const int zeros = __builtin_clzll(mag);
    return fp_round(to, sign, 63 - zeros - (int)fbits, mag << zeros, fp_rounding(e), e);
}

/* --- To integral values ------------------------------------------------------------------------------------------------------ */

/* A magnitude that the format holds: it is either below 2^(frac + 1) or comes from a number of the format. */
static uint64_t from_integer(enum fp_fmt f, bool sign, uint64_t mag, struct fp_env *e)
{
    if (mag == 0)
        return fp_with_sign(f, sign, 0);
    const int zeros = __builtin_clzll(mag);
    return fp_round(f, sign, 63 - zeros, mag << zeros, ROUND_ZERO, e);
}

uint64_t fp_round_int(enum fp_fmt f, uint64_t a, enum fp_rounding r, bool exact, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e);

    if (x.cls >= CLASS_QNAN)
        return fp_process_nan(f, &x, a, e);
    if (x.cls == CLASS_INFINITY || (x.cls == CLASS_FINITE && x.exp >= fp_layout[f].frac))
        return a & mask64(fp_layout[f].bits);

    const struct integer n = to_integer(&x, 0, r);
    if (n.inexact && exact)
        e->fpsr |= FPSR_IXC;
    return from_integer(f, x.sign, n.mag, e);
}

uint64_t fp_round_int_n(enum fp_fmt f, uint64_t a, enum fp_rounding r, unsigned int_bits,
                        struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e);
    const uint64_t min = UINT64_C(1) << (int_bits - 1);
    struct integer n = {.big = true};

    if (x.cls < CLASS_INFINITY)
        n = to_integer(&x, 0, r);
    if (n.big || n.mag > min - !x.sign) {
        e->fpsr |= FPSR_IOC;
        return from_integer(f, true, min, e);
    }
    if (n.inexact)
        e->fpsr |= FPSR_IXC;
    return from_integer(f, x.sign, n.mag, e);
}
