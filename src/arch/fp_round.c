/* Floating point: taking numbers apart, rounding and putting them together, NaNs.
 *
 * Pure but for the struct fp_env. Specification: arch/fp.h. */
#include "arch/fp_internal.h"

static uint32_t flush_bit(enum fp_fmt f)
{
    return f == FMT_H ? FPCR_FZ16 : FPCR_FZ;
}

struct fp_num fp_unpack_base(enum fp_fmt f, uint64_t a, uint32_t fpcr, struct fp_env *e)
{
    const struct fp_layout l = fp_layout[f];
    struct fp_num n = {.cls = CLASS_FINITE, .sign = a >> (l.bits - 1) & 1};
    const uint64_t frac = a << (64 - l.frac); /* at the top */
    const int max_exp = 2 * l.bias + 1, exp = (int)(a >> l.frac & (unsigned)max_exp);

    if (exp == 0) {
        if (frac == 0) {
            n.cls = CLASS_ZERO;
        } else if (fpcr & flush_bit(f)) {
            n.cls = CLASS_ZERO;
            if (f != FMT_H)
                e->fpsr |= FPSR_IDC;
        } else {
            const int zeros = __builtin_clzll(frac);

            n.sig = frac << zeros;
            n.exp = -l.bias - zeros;
        }
    } else if (exp == max_exp && !(f == FMT_H && fpcr & FPCR_AHP)) {
        n.cls = frac == 0 ? CLASS_INFINITY : frac >> 63 ? CLASS_QNAN : CLASS_SNAN;
    } else {
        n.sig = UINT64_C(1) << 63 | frac >> 1;
        n.exp = exp - l.bias;
    }
    return n;
}

bool fp_rounds_up(enum fp_rounding r, bool sign, bool odd, uint64_t rest)
{
    const uint64_t half = UINT64_C(1) << 63;

    switch (r) {
    case ROUND_TIEEVEN: return rest > half || (rest == half && odd);
    case ROUND_TIEAWAY: return rest >= half;
    case ROUND_POSINF: return rest && !sign;
    case ROUND_NEGINF: return rest && sign;
    default: return false;
    }
}

static bool overflows_to_infinity(enum fp_rounding r, bool sign)
{
    switch (r) {
    case ROUND_POSINF: return !sign;
    case ROUND_NEGINF: return sign;
    case ROUND_ZERO:
    case ROUND_ODD: return false;
    default: return true;
    }
}

/* The fields of the result are built as one number, exponent above fraction, so that a carry out of the fraction counts the
 * exponent up, from denormal to normal and from finite to infinite. */
uint64_t fp_round_base(enum fp_fmt f, bool sign, int exp, uint64_t sig, enum fp_rounding r,
                       uint32_t fpcr, struct fp_env *e)
{
    const struct fp_layout l = fp_layout[f];
    const int biased = exp + l.bias;
    int drop = 63 - l.frac; /* bits of sig below the fraction */
    uint64_t mag, rest;

    if (biased <= 0) {
        if (fpcr & flush_bit(f)) {
            e->fpsr |= FPSR_UFC;
            return fp_with_sign(f, sign, 0);
        }
        drop += 1 - biased;
    }
    if (drop < 64) {
        mag = sig >> drop;
        rest = sig << (64 - drop);
    } else {
        mag = 0;
        rest = drop == 64 ? sig : 1;
    }
    if (biased > 0) {
        mag += (uint64_t)(biased - 1) << l.frac; /* the leading one counts for the other */
    } else if (rest) {
        e->fpsr |= FPSR_UFC; /* tininess is found before rounding */
    }
    mag += fp_rounds_up(r, sign, mag & 1, rest);
    if (rest && (r == ROUND_ODD || r == ROUND_ODD_INF))
        mag |= 1;

    if (f == FMT_H && fpcr & FPCR_AHP) {
        if (mag >= fp_sign_bit(f)) {
            e->fpsr |= FPSR_IOC;
            return fp_with_sign(f, sign, fp_sign_bit(f) - 1);
        }
    } else if (mag >= fp_infinity(f)) {
        e->fpsr |= FPSR_OFC | FPSR_IXC;
        return fp_with_sign(f, sign, fp_infinity(f) - !overflows_to_infinity(r, sign));
    }
    if (rest)
        e->fpsr |= FPSR_IXC;
    return fp_with_sign(f, sign, mag);
}

uint64_t fp_process_nan(enum fp_fmt f, const struct fp_num *n, uint64_t a, struct fp_env *e)
{
    if (n->cls == CLASS_SNAN)
        e->fpsr |= FPSR_IOC;
    if (e->fpcr & FPCR_DN)
        return fp_default_nan(f);
    return (a & mask64(fp_layout[f].bits)) | UINT64_C(1) << (fp_layout[f].frac - 1);
}

/* A signalling one goes before a quiet one, then the first before the second. */
bool fp_process_nans(enum fp_fmt f, const struct fp_num *x, const struct fp_num *y, uint64_t a,
                     uint64_t b, uint64_t *r, struct fp_env *e)
{
    if (likely(x->cls < CLASS_QNAN && y->cls < CLASS_QNAN))
        return false;
    *r = x->cls >= CLASS_QNAN && x->cls >= y->cls ? fp_process_nan(f, x, a, e)
                                                  : fp_process_nan(f, y, b, e);
    return true;
}
