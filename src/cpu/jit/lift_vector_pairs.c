/* SIMD: integers, neighbours and all elements of a register brought together. */
#include "cpu/jit/lift_vector.h"

/* op of each pair of elements in n, then of those in m. */
static var_t pairs(struct lift *l, enum vector_op op, unsigned sz, unsigned len, var_t n, var_t m)
{
    if (len == 3) /* of both low halves: the rest is not looked at */
        n = m = vec_zip(l, 3, false, n, m);
    if (op == VEC_ADD && (sz == 1 || sz == 2))
        return vec2(l, VEC_ADDP, sz, n, m);
    if (sz == 3)
        return vec2(l, op, 3, vec_zip(l, 3, false, n, m), vec_zip(l, 3, true, n, m));
    /* Each with the one above it, of which the even ones are wanted. */
    const var_t x = vec2(l, op, sz, n, vec_shr(l, sz + 1, false, n, 8u << sz));
    const var_t y = n == m ? x : vec2(l, op, sz, m, vec_shr(l, sz + 1, false, m, 8u << sz));
    return vec_even(l, sz, x, y);
}

/* op of the lowest 1 << len bytes' elements: in element 0. */
static var_t across(struct lift *l, enum vector_op op, unsigned sz, unsigned len, var_t n)
{
    while (len-- > sz)
        n = vec2(l, op, sz, n, vec1i(l, VEC_SLIDE, 0, n, 1u << len));
    return n;
}

static var_t sum_across(struct lift *l, unsigned sz, unsigned len, var_t n)
{
    if (sz)
        return across(l, VEC_ADD, sz, len, n);
    return across(l, VEC_ADD, 3, len, vec2(l, VEC_SAD, 0, n, VAR_ZERO));
}

static var_t wide_sum_across(struct lift *l, unsigned sz, bool sign, unsigned len, var_t n)
{
    if (!sz && !sign)
        return sum_across(l, 0, len, n);
    return across(l, VEC_ADD, sz + 1, len, vec_pairs_wide(l, sz, sign, n));
}

#define PAIRS(NAME, OP)                                                                            \
    case A64_ROW_##NAME##_asimdsame:                                                               \
        lift_vresult(l, LEN(NAME##_asimdsame), V(NAME##_asimdsame, d),                             \
                     pairs(l, OP, SIZE(NAME##_asimdsame), LEN(NAME##_asimdsame),                   \
                           V(NAME##_asimdsame, n), V(NAME##_asimdsame, m)));                       \
        return true;
#define ACROSS(NAME, WIDER, VALUE)                                                                 \
    case A64_ROW_##NAME##_asimdall: {                                                              \
        const unsigned sz = SIZE(NAME##_asimdall), len = LEN(NAME##_asimdall);                     \
        const var_t n = V(NAME##_asimdall, n);                                                     \
        lift_v1(l, VEC_LOWEST, sz + (WIDER), true, V(NAME##_asimdall, d), VALUE);                  \
        return true;                                                                               \
    }
#define PAIRS_WIDE(NAME, SIGN, ACCUMULATE)                                                         \
    case A64_ROW_##NAME##_asimdmisc: {                                                             \
        const unsigned sz = SIZE(NAME##_asimdmisc);                                                \
        const var_t d = V(NAME##_asimdmisc, d);                                                    \
        var_t t = vec_pairs_wide(l, sz, SIGN, V(NAME##_asimdmisc, n));                             \
        if (ACCUMULATE)                                                                            \
            t = vec2(l, VEC_ADD, sz + 1, d, t);                                                    \
        lift_vresult(l, LEN(NAME##_asimdmisc), d, t);                                              \
        return true;                                                                               \
    }

bool lift_vector_pairs(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        PAIRS(ADDP, VEC_ADD)
        PAIRS(SMAXP, VEC_SMAX)
        PAIRS(SMINP, VEC_SMIN)
        PAIRS(UMAXP, VEC_UMAX)
        PAIRS(UMINP, VEC_UMIN)
        ACROSS(ADDV, 0, sum_across(l, sz, len, n))
        ACROSS(SMAXV, 0, across(l, VEC_SMAX, sz, len, n))
        ACROSS(SMINV, 0, across(l, VEC_SMIN, sz, len, n))
        ACROSS(UMAXV, 0, across(l, VEC_UMAX, sz, len, n))
        ACROSS(UMINV, 0, across(l, VEC_UMIN, sz, len, n))
        ACROSS(SADDLV, 1, wide_sum_across(l, sz, true, len, n))
        ACROSS(UADDLV, 1, wide_sum_across(l, sz, false, len, n))
        PAIRS_WIDE(SADDLP, true, false)
        PAIRS_WIDE(UADDLP, false, false)
        PAIRS_WIDE(SADALP, true, true)
        PAIRS_WIDE(UADALP, false, true)
    case A64_ROW_ADDP_asisdpair: {
        const var_t n = V(ADDP_asisdpair, n);
        lift_v2(l, VEC_ADD, 3, false, V(ADDP_asisdpair, d), n, vec1i(l, VEC_SLIDE, 0, n, 8));
        return true;
    }
    default: return false;
    }
}
