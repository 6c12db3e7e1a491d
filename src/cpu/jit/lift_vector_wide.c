/* SIMD: integers that become twice as wide, or half as wide without saturation; one element of a register by all of another; dot products. */
#include "cpu/jit/lift_vector.h"

/* Absolute differences fit as unsigned numbers of the size they come from. */
static var_t wide_distance(struct lift *l, unsigned sz, bool sign, bool high, var_t n, var_t m)
{
    return vec_widen(l, sz, false, high, vec_distance(l, sz, sign, n, m));
}

/* Half of n's bits are left, the high ones, rounded if asked for. */
static var_t high_halves(struct lift *l, unsigned sz, bool round, var_t n)
{
    const unsigned width = 8u << sz;

    if (round)
        n = vec2(l, VEC_ADD, sz + 1, n, vec_every(l, sz + 1, BIT64(width - 1)));
    return vec_odd(l, sz, n, n);
}

static var_t shifted_narrow(struct lift *l, unsigned sz, bool round, var_t n, unsigned by)
{
    if (round) /* a carry out of the top is not among the bits that stay */
        n = vec2(l, VEC_ADD, sz + 1, n, vec_every(l, sz + 1, BIT64(by - 1)));
    if (by == 8u << sz)
        return vec_odd(l, sz, n, n);
    n = vec_shr(l, sz + 1, false, n, by);
    return vec_even(l, sz, n, n);
}

/* d + the sum of four products of bytes for each word: of the even bytes, then of the odd ones. */
static var_t dot(struct lift *l, bool n_sign, bool m_sign, var_t d, var_t n, var_t m)
{
    const var_t low = vec_every(l, 1, 0xff);
    var_t x = n_sign ? vec_shr(l, 1, true, vec_shl(l, 1, n, 8), 8) : vec_bit(l, VEC_AND, n, low);
    var_t y = m_sign ? vec_shr(l, 1, true, vec_shl(l, 1, m, 8), 8) : vec_bit(l, VEC_AND, m, low);
    const var_t even = vec2(l, VEC_MADDL, 1, x, y);

    x = vec_shr(l, 1, n_sign, n, 8);
    y = vec_shr(l, 1, m_sign, m, 8);
    const var_t sum = vec2(l, VEC_ADD, 2, even, vec2(l, VEC_MADDL, 1, x, y));
    return vec2(l, VEC_ADD, 2, d, sum);
}

/* --- Rows ----------------------------------------------------------------------------------------------------------- */

/* VALUE makes all of Vd of n, m and perhaps d; high: of their high halves. */
#define DIFFERENT(NAME, VALUE)                                                                     \
    case A64_ROW_##NAME##_asimddiff: {                                                             \
        const unsigned sz = SIZE(NAME##_asimddiff);                                                \
        const bool high = Q(NAME##_asimddiff);                                                     \
        const var_t d = V(NAME##_asimddiff, d), n = V(NAME##_asimddiff, n),                        \
                    m = V(NAME##_asimddiff, m);                                                    \
        lift_vresult(l, 4, d, VALUE);                                                              \
        return true;                                                                               \
    }
#define LONG(NAME, OP)                                                                               \
    DIFFERENT(S##NAME##L,                                                                            \
              vec2(l, OP, sz + 1, vec_widen(l, sz, true, high, n), vec_widen(l, sz, true, high, m))) \
    DIFFERENT(U##NAME##L, vec2(l, OP, sz + 1, vec_widen(l, sz, false, high, n),                      \
                               vec_widen(l, sz, false, high, m)))                                    \
    DIFFERENT(S##NAME##W, vec2(l, OP, sz + 1, n, vec_widen(l, sz, true, high, m)))                   \
    DIFFERENT(U##NAME##W, vec2(l, OP, sz + 1, n, vec_widen(l, sz, false, high, m)))
#define NARROW(NAME, OP, ROUND)                                                                     \
    case A64_ROW_##NAME##_asimddiff: {                                                              \
        const unsigned sz = SIZE(NAME##_asimddiff);                                                 \
        const var_t t = vec2(l, OP, sz + 1, V(NAME##_asimddiff, n), V(NAME##_asimddiff, m));        \
        lift_vnarrow(l, Q(NAME##_asimddiff), V(NAME##_asimddiff, d), high_halves(l, sz, ROUND, t)); \
        return true;                                                                                \
    }
#define SHIFT_NARROW(NAME, ROUND)                                                                  \
    case A64_ROW_##NAME##_asimdshf:                                                                \
        lift_vnarrow(l, Q(NAME##_asimdshf), V(NAME##_asimdshf, d),                                 \
                     shifted_narrow(l, ARG(NAME##_asimdshf)->size, ROUND, V(NAME##_asimdshf, n),   \
                                    ARG(NAME##_asimdshf)->imm));                                   \
        return true;
/* One element of m. */
#define ELEMENT(NAME, LENGTH, VALUE)                                                                 \
    case A64_ROW_##NAME##_asimdelem: {                                                               \
        const unsigned sz = SIZE(NAME##_asimdelem);                                                  \
        const bool high = Q(NAME##_asimdelem);                                                       \
        const var_t d = V(NAME##_asimdelem, d), n = V(NAME##_asimdelem, n);                          \
        const var_t m = vec1i(l, VEC_DUP, sz, V(NAME##_asimdelem, m), ARG(NAME##_asimdelem)->index); \
        lift_vresult(l, LENGTH, d, VALUE);                                                           \
        return true;                                                                                 \
    }
#define PRODUCT(SIGN) vec_multiply_wide(l, sz, SIGN, high, n, m)
#define LONG_PRODUCTS(KIND)                                                                        \
    KIND(SMULL, PRODUCT(true))                                                                     \
    KIND(UMULL, PRODUCT(false))                                                                    \
    KIND(SMLAL, vec2(l, VEC_ADD, sz + 1, d, PRODUCT(true)))                                        \
    KIND(UMLAL, vec2(l, VEC_ADD, sz + 1, d, PRODUCT(false)))                                       \
    KIND(SMLSL, vec2(l, VEC_SUB, sz + 1, d, PRODUCT(true)))                                        \
    KIND(UMLSL, vec2(l, VEC_SUB, sz + 1, d, PRODUCT(false)))
#define ELEMENT_LONG(NAME, VALUE) ELEMENT(NAME, 4, VALUE)
#define DOT(NAME, N_SIGN, M_SIGN)                                                                  \
    case A64_ROW_##NAME##_asimdsame2:                                                              \
        lift_vresult(l, LEN(NAME##_asimdsame2), V(NAME##_asimdsame2, d),                           \
                     dot(l, N_SIGN, M_SIGN, V(NAME##_asimdsame2, d), V(NAME##_asimdsame2, n),      \
                         V(NAME##_asimdsame2, m)));                                                \
        return true;
#define DOT_ELEMENT(NAME, N_SIGN, M_SIGN)                                                           \
    case A64_ROW_##NAME##_asimdelem: {                                                              \
        const var_t m = vec1i(l, VEC_DUP, 2, V(NAME##_asimdelem, m), ARG(NAME##_asimdelem)->index); \
        lift_vresult(l, LEN(NAME##_asimdelem), V(NAME##_asimdelem, d),                              \
                     dot(l, N_SIGN, M_SIGN, V(NAME##_asimdelem, d), V(NAME##_asimdelem, n), m));    \
        return true;                                                                                \
    }

bool lift_vector_wide(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        LONG(ADD, VEC_ADD)
        LONG(SUB, VEC_SUB)
        DIFFERENT(SABDL, wide_distance(l, sz, true, high, n, m))
        DIFFERENT(UABDL, wide_distance(l, sz, false, high, n, m))
        DIFFERENT(SABAL, vec2(l, VEC_ADD, sz + 1, d, wide_distance(l, sz, true, high, n, m)))
        DIFFERENT(UABAL, vec2(l, VEC_ADD, sz + 1, d, wide_distance(l, sz, false, high, n, m)))
        LONG_PRODUCTS(DIFFERENT)
        LONG_PRODUCTS(ELEMENT_LONG)
        NARROW(ADDHN, VEC_ADD, false)
        NARROW(SUBHN, VEC_SUB, false)
        NARROW(RADDHN, VEC_ADD, true)
        NARROW(RSUBHN, VEC_SUB, true)
        SHIFT_NARROW(SHRN, false)
        SHIFT_NARROW(RSHRN, true)
        ELEMENT(MUL, 3u + high, vec_multiply(l, sz, n, m))
        ELEMENT(MLA, 3u + high, vec2(l, VEC_ADD, sz, d, vec_multiply(l, sz, n, m)))
        ELEMENT(MLS, 3u + high, vec2(l, VEC_SUB, sz, d, vec_multiply(l, sz, n, m)))
        DOT(SDOT, true, true)
        DOT(UDOT, false, false)
        DOT(USDOT, false, true)
        DOT_ELEMENT(SDOT, true, true)
        DOT_ELEMENT(UDOT, false, false)
        DOT_ELEMENT(USDOT, false, true)
        DOT_ELEMENT(SUDOT, true, false)
    case A64_ROW_XTN_asimdmisc: {
        const var_t n = V(XTN_asimdmisc, n);
        lift_vnarrow(l, Q(XTN_asimdmisc), V(XTN_asimdmisc, d), vec_even(l, SIZE(XTN_asimdmisc), n, n));
        return true;
    }
    case A64_ROW_SHLL_asimdmisc: {
        const unsigned sz = SIZE(SHLL_asimdmisc), width = 8u << sz;
        const var_t t = vec_widen(l, sz, false, Q(SHLL_asimdmisc), V(SHLL_asimdmisc, n));
        lift_vresult(l, 4, V(SHLL_asimdmisc, d), vec_shl(l, sz + 1, t, width));
        return true;
    }
    default: return false;
    }
}
