/* Floating point: sums, products, quotients, roots.
 *
 * Each operation deals with NaNs, infinities and zeros as the pseudocode orders them, and hands an exact result, or one with a
 * sticky last bit, to fp_round(). Pure but for the struct fp_env. Specification: arch/fp.h. */
#include "arch/fp_internal.h"

/* --- Exact intermediate results -------------------------------------------------------------------------------------- */

/* sig * 2^(exp - 126), sig < 2^127: a bit is left for the carry of a sum. */
struct wide {
    bool sign;
    int exp;
    u128 sig;
};

#define EXP_OF_ZERO (-100000) /* below every other, so that a zero is what gets shifted */

static struct wide widen(const struct fp_num *n)
{
    if (n->cls == CLASS_ZERO)
        return (struct wide){n->sign, EXP_OF_ZERO, 0};
    return (struct wide){n->sign, n->exp, (u128)n->sig << 63};
}

/* Significands have 53 bits at most, so the shift loses nothing. */
static struct wide product(const struct fp_num *x, const struct fp_num *y)
{
    const bool sign = x->sign ^ y->sign;

    if (x->cls == CLASS_ZERO || y->cls == CLASS_ZERO)
        return (struct wide){sign, EXP_OF_ZERO, 0};
    return (struct wide){sign, x->exp + y->exp + 1, (u128)x->sig * y->sig >> 1};
}

/* sig * 2^(exp - 127), not zero. */
static uint64_t round_wide(enum fp_fmt f, bool sign, int exp, u128 sig, enum fp_rounding r,
                           struct fp_env *e)
{
    const uint64_t top = (uint64_t)(sig >> 64);
    const int zeros = top ? __builtin_clzll(top) : 64 + __builtin_clzll((uint64_t)sig);

    sig <<= zeros;
    return fp_round(f, sign, exp - zeros, (uint64_t)(sig >> 64) | !!(uint64_t)sig, r, e);
}

/* What is shifted out stays as a sticky last bit. */
static u128 shift_right_sticky(u128 x, int n)
{
    if (n > 127)
        return x != 0;
    return x >> n | ((x & (((u128)1 << n) - 1)) != 0);
}

/* (x + y) * 2^scale, rounded. The sign of a zero that is not the sum of two zeros of one sign is the rounding mode's. Bits get
 * lost only where the exponents lie so far apart that no cancellation brings them back. */
static uint64_t sum(enum fp_fmt f, struct wide x, struct wide y, int scale, enum fp_rounding r,
                    struct fp_env *e)
{
    if (x.exp < y.exp) {
        struct wide t = x;
        x = y;
        y = t;
    }
    y.sig = shift_right_sticky(y.sig, x.exp - y.exp);
    if (x.sign == y.sign) {
        x.sig += y.sig;
    } else if (x.sig >= y.sig) {
        x.sig -= y.sig;
    } else {
        x.sig = y.sig - x.sig;
        x.sign = y.sign;
    }
    if (x.sig == 0)
        return fp_with_sign(f, r == ROUND_NEGINF, 0);
    return round_wide(f, x.sign, x.exp + 1 + scale, x.sig, r, e);
}

/* --- Addition ---------------------------------------------------------------------------------------------------------- */

/* FPAdd() of x and y, whose bit patterns a and b are only looked at for NaNs. */
static uint64_t add(enum fp_fmt f, const struct fp_num *x, const struct fp_num *y, uint64_t a,
                    uint64_t b, enum fp_rounding r, struct fp_env *e)
{
    uint64_t nan;

    if (fp_process_nans(f, x, y, a, b, &nan, e))
        return nan;
    if (x->cls == CLASS_INFINITY || y->cls == CLASS_INFINITY) {
        if (x->cls == y->cls && x->sign != y->sign)
            return fp_invalid(f, e);
        return fp_with_sign(f, x->cls == CLASS_INFINITY ? x->sign : y->sign, fp_infinity(f));
    }
    if (x->cls == CLASS_ZERO && y->cls == CLASS_ZERO && x->sign == y->sign)
        return fp_with_sign(f, x->sign, 0);
    return sum(f, widen(x), widen(y), 0, r, e);
}

uint64_t fp_add(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e), y = fp_unpack(f, b, e);

    return add(f, &x, &y, a, b, fp_rounding(e), e);
}

/* The sign of a NaN is not changed. */
uint64_t fp_sub(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    struct fp_num x = fp_unpack(f, a, e), y = fp_unpack(f, b, e);

    y.sign = !y.sign;
    return add(f, &x, &y, a, b, fp_rounding(e), e);
}

/* --- Multiplication ---------------------------------------------------------------------------------------------------- */

static bool is_zero_times_infinity(const struct fp_num *x, const struct fp_num *y)
{
    return (x->cls == CLASS_ZERO && y->cls == CLASS_INFINITY) ||
           (x->cls == CLASS_INFINITY && y->cls == CLASS_ZERO);
}

/* FPMul(), but that of zero and infinity. */
static uint64_t mul(enum fp_fmt f, const struct fp_num *x, const struct fp_num *y,
                    enum fp_rounding r, struct fp_env *e)
{
    const bool sign = x->sign ^ y->sign;

    if (x->cls == CLASS_INFINITY || y->cls == CLASS_INFINITY)
        return fp_with_sign(f, sign, fp_infinity(f));
    if (x->cls == CLASS_ZERO || y->cls == CLASS_ZERO)
        return fp_with_sign(f, sign, 0);
    return round_wide(f, sign, x->exp + y->exp + 1, (u128)x->sig * y->sig, r, e);
}

uint64_t fp_mul(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e), y = fp_unpack(f, b, e);
    uint64_t nan;

    if (fp_process_nans(f, &x, &y, a, b, &nan, e))
        return nan;
    if (is_zero_times_infinity(&x, &y))
        return fp_invalid(f, e);
    return mul(f, &x, &y, fp_rounding(e), e);
}

/* FPOnePointFive() and FPTwo(): 2^exp or 1.5 * 2^exp. */
static uint64_t small_constant(enum fp_fmt f, bool sign, int exp, bool and_a_half)
{
    const struct fp_layout l = fp_layout[f];

    return fp_with_sign(f, sign,
                        (uint64_t)(l.bias + exp) << l.frac | (uint64_t)and_a_half << (l.frac - 1));
}

/* Zero times infinity is 2, and no exception. */
uint64_t fp_mulx(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e), y = fp_unpack(f, b, e);
    uint64_t nan;

    if (fp_process_nans(f, &x, &y, a, b, &nan, e))
        return nan;
    if (is_zero_times_infinity(&x, &y))
        return small_constant(f, x.sign ^ y.sign, 1, false);
    return mul(f, &x, &y, fp_rounding(e), e);
}

/* FPMulAdd() once NaNs are dealt with. */
static uint64_t muladd(enum fp_fmt f, const struct fp_num *c, const struct fp_num *x,
                       const struct fp_num *y, struct fp_env *e)
{
    const enum fp_rounding r = fp_rounding(e);
    const bool sign = x->sign ^ y->sign;
    const bool inf = x->cls == CLASS_INFINITY || y->cls == CLASS_INFINITY;
    const bool zero = x->cls == CLASS_ZERO || y->cls == CLASS_ZERO;

    if ((inf && zero) || (inf && c->cls == CLASS_INFINITY && c->sign != sign))
        return fp_invalid(f, e);
    if (inf || c->cls == CLASS_INFINITY)
        return fp_with_sign(f, inf ? sign : c->sign, fp_infinity(f));
    if (zero && c->cls == CLASS_ZERO && c->sign == sign)
        return fp_with_sign(f, sign, 0);
    return sum(f, widen(c), product(x, y), 0, r, e);
}

uint64_t fp_muladd(enum fp_fmt f, uint64_t addend, uint64_t a, uint64_t b, struct fp_env *e)
{
    const struct fp_num c = fp_unpack(f, addend, e), x = fp_unpack(f, a, e), y = fp_unpack(f, b, e);
    const enum fp_class first = MAX(c.cls, MAX(x.cls, y.cls));

    if (unlikely(first >= CLASS_QNAN)) {
        /* FPProcessNaNs3(): the addend is the first operand. A quiet NaN there does not hide an invalid product. */
        if (c.cls == CLASS_QNAN && is_zero_times_infinity(&x, &y))
            return fp_invalid(f, e);
        return c.cls == first   ? fp_process_nan(f, &c, addend, e)
               : x.cls == first ? fp_process_nan(f, &x, a, e)
                                : fp_process_nan(f, &y, b, e);
    }
    return muladd(f, &c, &x, &y, e);
}

/* FPConvertNaN() of a half to a single. */
static uint64_t nan_half_to_single(uint64_t a)
{
    return (a & 0x8000) << 16 | 0x7fc00000 | (a & 0x1ff) << 13;
}

uint64_t fp_muladd_half(uint64_t addend, uint64_t a, uint64_t b, struct fp_env *e)
{
    const struct fp_num c = fp_unpack(FMT_S, addend, e), x = fp_unpack(FMT_H, a, e),
                        y = fp_unpack(FMT_H, b, e);
    const enum fp_class first = MAX(c.cls, MAX(x.cls, y.cls));

    if (unlikely(first >= CLASS_QNAN)) {
        if (c.cls == CLASS_QNAN && is_zero_times_infinity(&x, &y))
            return fp_invalid(FMT_S, e);
        return c.cls == first   ? fp_process_nan(FMT_S, &c, addend, e)
               : x.cls == first ? nan_half_to_single(fp_process_nan(FMT_H, &x, a, e))
                                : nan_half_to_single(fp_process_nan(FMT_H, &y, b, e));
    }
    return muladd(FMT_S, &c, &x, &y, e);
}

/* (constant - a * b) * 2^scale, the constant being 2 or 3, and what it is with zero times infinity given as a bit pattern. */
static uint64_t step(enum fp_fmt f, uint64_t a, uint64_t b, unsigned constant, int scale,
                     uint64_t without_product, struct fp_env *e)
{
    struct fp_num x, y;
    uint64_t nan;

    a ^= fp_sign_bit(f); /* before NaNs are looked at */
    x = fp_unpack(f, a, e);
    y = fp_unpack(f, b, e);
    if (fp_process_nans(f, &x, &y, a, b, &nan, e))
        return nan;
    if (is_zero_times_infinity(&x, &y))
        return without_product;
    if (x.cls == CLASS_INFINITY || y.cls == CLASS_INFINITY)
        return fp_with_sign(f, x.sign ^ y.sign, fp_infinity(f));
    return sum(f, (struct wide){false, 1, (u128)constant << 125}, product(&x, &y), scale,
               fp_rounding(e), e);
}

uint64_t fp_recip_step(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    return step(f, a, b, 2, 0, small_constant(f, false, 1, false), e);
}

uint64_t fp_rsqrt_step(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    return step(f, a, b, 3, -1, small_constant(f, false, 0, true), e);
}

/* --- Division, square root ------------------------------------------------------------------------------------------------ */

uint64_t fp_div(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e), y = fp_unpack(f, b, e);
    const bool sign = x.sign ^ y.sign;
    uint64_t nan;

    if (fp_process_nans(f, &x, &y, a, b, &nan, e))
        return nan;
    if (x.cls == y.cls && x.cls != CLASS_FINITE)
        return fp_invalid(f, e);
    if (x.cls == CLASS_INFINITY)
        return fp_with_sign(f, sign, fp_infinity(f));
    if (y.cls == CLASS_ZERO) {
        e->fpsr |= FPSR_DZC;
        return fp_with_sign(f, sign, fp_infinity(f));
    }
    if (x.cls == CLASS_ZERO || y.cls == CLASS_INFINITY)
        return fp_with_sign(f, sign, 0);

    const u128 n = (u128)x.sig << 63; /* the quotient has 63 or 64 bits */
    uint64_t q = (uint64_t)(n / y.sig);
    const bool rest = (u128)q * y.sig != n;
    const int zeros = !(q >> 63);

    return fp_round(f, sign, x.exp - y.exp - zeros, q << zeros | rest, fp_rounding(e), e);
}

uint64_t fp_sqrt(enum fp_fmt f, uint64_t a, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(f, a, e);

    if (x.cls >= CLASS_QNAN)
        return fp_process_nan(f, &x, a, e);
    if (x.cls == CLASS_ZERO)
        return fp_with_sign(f, x.sign, 0);
    if (x.sign)
        return fp_invalid(f, e);
    if (x.cls == CLASS_INFINITY)
        return fp_infinity(f);

    /* x is n * 2^(2 * half - 126) with n in 2^126 .. 2^128, so its root is that of n, of 64 bits, times 2^(half - 63). It comes
     * bit by bit, from the top down to the one below the last that is kept: rest is what n has beyond root^2. */
    const int half = (x.exp - (x.exp & 1)) / 2;
    const int last = 63 - (fp_layout[f].frac + 1);
    u128 rest = (u128)x.sig << (63 + (x.exp & 1));
    uint64_t root = 0;

    for (int i = 63; i >= last; i--) {
        const u128 step = ((u128)root << (i + 1)) + ((u128)1 << (2 * i)); /* (root + 2^i)^2 - root^2 */

        if (rest >= step) {
            rest -= step;
            root |= UINT64_C(1) << i;
        }
    }
    return fp_round(f, false, half, root | (rest != 0), fp_rounding(e), e);
}

/* --- BFloat16 dot product --------------------------------------------------------------------------------------------------- */

/* BFMul() and BFAdd(): singles with denormals flushed, default NaNs, rounding to odd, no exceptions. */
static uint64_t bf16_mul(uint16_t a, uint16_t b, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(FMT_S, (uint64_t)a << 16, e),
                        y = fp_unpack(FMT_S, (uint64_t)b << 16, e);

    if (x.cls >= CLASS_QNAN || y.cls >= CLASS_QNAN || is_zero_times_infinity(&x, &y))
        return fp_default_nan(FMT_S);
    return mul(FMT_S, &x, &y, ROUND_ODD_INF, e);
}

static uint64_t bf16_add(uint64_t a, uint64_t b, struct fp_env *e)
{
    const struct fp_num x = fp_unpack(FMT_S, a, e), y = fp_unpack(FMT_S, b, e);

    return add(FMT_S, &x, &y, a, b, ROUND_ODD_INF, e);
}

uint64_t fp_bf16_dot_add(uint64_t addend, uint16_t a0, uint16_t a1, uint16_t b0, uint16_t b1)
{
    struct fp_env e = {.fpcr = FPCR_FZ | FPCR_DN};

    return bf16_add(addend, bf16_add(bf16_mul(a0, b0, &e), bf16_mul(a1, b1, &e), &e), &e);
}
