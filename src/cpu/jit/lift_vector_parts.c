/* The parts of lift_vector.h: what several SIMD instructions are made of. */
#include "cpu/jit/lift_vector.h"

void lift_vresult(struct lift *l, unsigned len, var_t d, var_t value)
{
    struct ir *last = &l->u->ir[l->u->nr_ir - 1];

    if (len < 3) {
        lift_v1(l, VEC_LOWEST, len, true, d, value);
    } else if (last->d == value && value >= VAR_TEMP &&
               (last->op == IR_V1 || last->op == IR_V2 || last->op == IR_V3) && !l->u->failed) {
        last->d = d;
        last->q = len == 4;
    } else {
        lift_vmove(l, len == 4, d, value);
    }
}

void lift_vnarrow(struct lift *l, bool high, var_t d, var_t value)
{
    if (high)
        lift_v2(l, VEC_ZIPLO, 3, true, d, d, value);
    else
        lift_vresult(l, 3, d, value);
}

/* --- Constants ------------------------------------------------------------------------------------------------------ */

var_t vec_const2(struct lift *l, uint64_t low, uint64_t high)
{
    const var_t t = lift_temp(l);
    struct ir *r = lift_ir(l, IR_VMOVI);

    r->sz = 4;
    r->q = true;
    r->d = t;
    r->imm = (int64_t)low;
    r->target = high;
    return t;
}

var_t vec_const(struct lift *l, uint64_t both)
{
    return vec_const2(l, both, both);
}

var_t vec_every(struct lift *l, unsigned sz, uint64_t element)
{
    return vec_const(l, element * (UINT64_MAX / mask64(8u << sz)));
}

/* --- Elements of the same size -------------------------------------------------------------------------------------- */

var_t vec_shl(struct lift *l, unsigned sz, var_t a, unsigned n)
{
    return n ? vec1i(l, VEC_SHL, sz, a, n) : a;
}

var_t vec_shr(struct lift *l, unsigned sz, bool sign, var_t a, unsigned n)
{
    return n ? vec1i(l, sign ? VEC_SSHR : VEC_USHR, sz, a, n) : a;
}

var_t vec_shr_rounded(struct lift *l, unsigned sz, bool sign, var_t a, unsigned n)
{
    /* Shifted, plus the last bit that went: no sum is too wide. */
    const var_t last = vec_bit(l, VEC_AND, vec_shr(l, sz, false, a, n - 1), vec_every(l, sz, 1));

    return vec2(l, VEC_ADD, sz, vec_shr(l, sz, sign, a, n), last);
}

var_t vec_not(struct lift *l, var_t a)
{
    return vec1(l, VEC_NOT, 0, a);
}

var_t vec_greater(struct lift *l, unsigned sz, bool sign, var_t a, var_t b)
{
    if (sign)
        return vec2(l, VEC_GT, sz, a, b);
    if (sz < 3) /* not the smaller one */
        return vec_not(l, vec2(l, VEC_EQ, sz, vec2(l, VEC_UMIN, sz, a, b), a));
    /* Signed, with the top bits the other way round. */
    const var_t top = vec_every(l, sz, BIT64((8u << sz) - 1));
    const var_t x = vec_bit(l, VEC_XOR, a, top);
    return vec2(l, VEC_GT, sz, x, vec_bit(l, VEC_XOR, b, top));
}

var_t vec_abs(struct lift *l, unsigned sz, var_t a)
{
    if (sz < 3)
        return vec1(l, VEC_ABS, sz, a);
    const var_t sign = vec2(l, VEC_GT, 3, VAR_ZERO, a);
    return vec2(l, VEC_SUB, 3, vec_bit(l, VEC_XOR, a, sign), sign);
}

var_t vec_distance(struct lift *l, unsigned sz, bool sign, var_t a, var_t b)
{
    const var_t larger = vec2(l, sign ? VEC_SMAX : VEC_UMAX, sz, a, b);

    return vec2(l, VEC_SUB, sz, larger, vec2(l, sign ? VEC_SMIN : VEC_UMIN, sz, a, b));
}

var_t vec_multiply(struct lift *l, unsigned sz, var_t a, var_t b)
{
    if (sz)
        return vec2(l, VEC_MUL, sz, a, b);
    /* The host has none for bytes: the even ones of products of halfwords, and the odd ones moved up by one factor. */
    const var_t low = vec_every(l, 1, 0xff);
    const var_t even = vec_bit(l, VEC_AND, vec2(l, VEC_MUL, 1, a, b), low);
    const var_t odd = vec2(l, VEC_MUL, 1, vec_shr(l, 1, false, a, 8), vec_bit(l, VEC_ANDN, low, b));
    return vec_bit(l, VEC_OR, even, odd);
}

/* --- Elements from here to there ------------------------------------------------------------------------------------ */

var_t vec_even(struct lift *l, unsigned sz, var_t a, var_t b)
{
    switch (sz) {
    case 0: {
        const var_t mask = vec_every(l, 1, 0xff);
        const var_t x = vec_bit(l, VEC_AND, a, mask);
        return vec2(l, VEC_UPACK, 0, x, a == b ? x : vec_bit(l, VEC_AND, b, mask));
    }
    case 1: {
        const var_t x = vec2i(l, VEC_BLEND, 1, a, VAR_ZERO, 0xaa);
        return vec2(l, VEC_UPACK, 1, x, a == b ? x : vec2i(l, VEC_BLEND, 1, b, VAR_ZERO, 0xaa));
    }
    case 2: return vec2i(l, VEC_SHUFFLE, 2, a, b, 0x88);
    default: return vec2(l, VEC_ZIPLO, 3, a, b);
    }
}

var_t vec_odd(struct lift *l, unsigned sz, var_t a, var_t b)
{
    if (sz == 3)
        return vec2(l, VEC_ZIPHI, 3, a, b);
    if (sz == 2)
        return vec2i(l, VEC_SHUFFLE, 2, a, b, 0xdd);
    const var_t x = vec_shr(l, sz + 1, false, a, 8u << sz);
    return vec2(l, VEC_UPACK, sz, x, a == b ? x : vec_shr(l, sz + 1, false, b, 8u << sz));
}

var_t vec_zip(struct lift *l, unsigned sz, bool high, var_t a, var_t b)
{
    return vec2(l, high ? VEC_ZIPHI : VEC_ZIPLO, sz, a, b);
}

var_t vec_widen(struct lift *l, unsigned sz, bool sign, bool high, var_t a)
{
    if (high && !sign)
        return vec2(l, VEC_ZIPHI, sz, a, VAR_ZERO);
    if (high)
        a = vec1i(l, VEC_SLIDE, 0, a, 8);
    return vec1(l, sign ? VEC_SXTL : VEC_UXTL, sz, a);
}

var_t vec_multiply_wide(struct lift *l, unsigned sz, bool sign, bool high, var_t a, var_t b)
{
    if (sz == 0) {
        a = vec_widen(l, 0, sign, high, a);
        return vec2(l, VEC_MUL, 1, a, vec_widen(l, 0, sign, high, b));
    }
    if (sz == 1) { /* low halves and high halves of the products */
        const var_t low = vec2(l, VEC_MUL, 1, a, b);
        return vec_zip(l, 1, high, low, vec2(l, sign ? VEC_SMULH : VEC_UMULH, 1, a, b));
    }
    a = vec_zip(l, 2, high, a, a);
    return vec2(l, sign ? VEC_SMULE : VEC_UMULE, 2, a, vec_zip(l, 2, high, b, b));
}

var_t vec_pairs_wide(struct lift *l, unsigned sz, bool sign, var_t a)
{
    if (sz == 0) {
        const var_t ones = vec_every(l, 0, 1);
        return sign ? vec2(l, VEC_MADDL, 0, ones, a) : vec2(l, VEC_MADDL, 0, a, ones);
    }
    if (sz == 1 && sign)
        return vec2(l, VEC_MADDL, 1, a, vec_every(l, 1, 1));
    const unsigned half = 8u << sz;
    const var_t even = sign ? vec_shr(l, sz + 1, true, vec_shl(l, sz + 1, a, half), half)
                            : vec2i(l, VEC_BLEND, 1, a, VAR_ZERO, sz == 1 ? 0xaa : 0xcc);
    return vec2(l, VEC_ADD, sz + 1, even, vec_shr(l, sz + 1, sign, a, half));
}
