/* SIMD: saturating integers. FPSR.QC is exact: what the saturated result is compared with is named at each operation. */
#include "cpu/jit/lift_vector.h"

/* What saturated, of which the lowest 1 << len bytes count: anything but zero sets FPSR.QC. */
static void note(struct lift *l, unsigned len, var_t what)
{
    lift_ir(l, IR_VQC)->a = len == 4 ? what : vec1(l, VEC_LOWEST, len, what);
}

/* value where limits has zeros, its complement where it has ones: the largest number for the smallest. */
static var_t other_limit(struct lift *l, unsigned len, var_t value, var_t limits)
{
    note(l, len, limits);
    return vec_bit(l, VEC_XOR, value, limits);
}

static var_t is_lowest(struct lift *l, unsigned sz, var_t value)
{
    return vec2(l, VEC_EQ, sz, value, vec_every(l, sz, BIT64((8u << sz) - 1)));
}

/* All bits as the top one. */
static var_t signs(struct lift *l, unsigned sz, var_t a)
{
    return vec2(l, VEC_GT, sz, VAR_ZERO, a);
}

/* The largest number, or the lowest if a is negative. */
static var_t limit_of(struct lift *l, unsigned sz, var_t a)
{
    return vec_bit(l, VEC_XOR, signs(l, sz, a), vec_every(l, sz, mask64((8u << sz) - 1)));
}

/* --- Sums and differences ------------------------------------------------------------------------------------------- */

/* Bytes and halfwords: the host's, compared with the result modulo the width. */
static var_t by_host(struct lift *l, unsigned sz, unsigned len, bool sign, bool subtract, var_t a, var_t b)
{
    static const enum vector_op op[2][2] = {{VEC_UQADD, VEC_UQSUB}, {VEC_SQADD, VEC_SQSUB}};
    const var_t plain = vec2(l, subtract ? VEC_SUB : VEC_ADD, sz, a, b);
    const var_t value = vec2(l, op[sign][subtract], sz, a, b);

    note(l, len, vec_bit(l, VEC_XOR, plain, value));
    return value;
}

static var_t sum(struct lift *l, unsigned sz, unsigned len, bool sign, bool subtract, var_t a, var_t b)
{
    if (sz < 2)
        return by_host(l, sz, len, sign, subtract, a, b);
    const var_t plain = vec2(l, subtract ? VEC_SUB : VEC_ADD, sz, a, b);
    if (!sign) { /* a carry: the sum is less than a part of it; a borrow */
        const var_t wrong =
            subtract ? vec_greater(l, sz, false, b, a) : vec_greater(l, sz, false, a, plain);
        note(l, len, wrong);
        return subtract ? vec_bit(l, VEC_ANDN, wrong, plain) : vec_bit(l, VEC_OR, plain, wrong);
    }
    /* The signs of both parts (of a and -b) are not that of the sum; the limit is the one of a's sign. */
    const var_t a_to_sum = vec_bit(l, VEC_XOR, a, plain);
    const var_t b_to = vec_bit(l, VEC_XOR, b, subtract ? a : plain);
    const var_t wrong = signs(l, sz, vec_bit(l, VEC_AND, a_to_sum, b_to));
    note(l, len, wrong);
    return vec_select(l, wrong, limit_of(l, sz, a), plain);
}

/* |a|, -a: only the lowest number has none. */
static var_t magnitude(struct lift *l, unsigned sz, unsigned len, var_t a)
{
    const var_t plain = vec_abs(l, sz, a);
    return other_limit(l, len, plain, is_lowest(l, sz, plain));
}

static var_t negative(struct lift *l, unsigned sz, unsigned len, var_t a)
{
    const var_t plain = vec2(l, VEC_SUB, sz, VAR_ZERO, a);
    return other_limit(l, len, plain, is_lowest(l, sz, a));
}

/* How a number is seen, and its result. */
enum signs { SIGNED, UNSIGNED, SIGNED_TO_UNSIGNED };

/* a << by; wrong where that, shifted back, is not a. */
static var_t shift(struct lift *l, enum signs how, unsigned sz, unsigned len, var_t a, unsigned by)
{
    const var_t plain = vec_shl(l, sz, a, by);
    const var_t wrong = vec_not(l, vec2(l, VEC_EQ, sz, vec_shr(l, sz, how == SIGNED, plain, by), a));

    if (how == SIGNED) {
        note(l, len, wrong);
        return vec_select(l, wrong, limit_of(l, sz, a), plain);
    }
    const var_t limited = vec_bit(l, VEC_OR, plain, wrong);
    if (how == UNSIGNED) {
        note(l, len, wrong);
        return limited;
    }
    const var_t below = signs(l, sz, a);
    note(l, len, vec_bit(l, VEC_OR, wrong, below));
    return vec_bit(l, VEC_ANDN, below, limited);
}

/* --- Narrowing ------------------------------------------------------------------------------------------------------ */

/* n's elements, which become of 1 << sz bytes, in the low half; compared with the result made wide again. */
static var_t narrow(struct lift *l, enum signs how, unsigned sz, var_t n)
{
    if (how == UNSIGNED) {
        const var_t limited = vec2(l, VEC_UMIN, sz + 1, n, vec_every(l, sz + 1, mask64(8u << sz)));
        note(l, 4, vec_bit(l, VEC_XOR, limited, n));
        return vec2(l, VEC_UPACK, sz, limited, limited);
    }
    const var_t value = vec2(l, how == SIGNED ? VEC_SPACK : VEC_UPACK, sz, n, n);
    note(l, 4, vec_bit(l, VEC_XOR, vec_widen(l, sz, how == SIGNED, false, value), n));
    return value;
}

/* The same of n shifted to the right. */
static var_t shift_narrow(struct lift *l, enum signs how, bool round, unsigned sz, var_t n, unsigned by)
{
    const bool sign = how != UNSIGNED;

    n = round ? vec_shr_rounded(l, sz + 1, sign, n, by) : vec_shr(l, sz + 1, sign, n, by);
    return narrow(l, how, sz, n);
}

/* --- Products ------------------------------------------------------------------------------------------------------- */

/* The high half of 2 * a * b: too large only if both are the lowest, and then it is the lowest. */
static var_t doubled_high(struct lift *l, unsigned sz, unsigned len, bool round, var_t a, var_t b)
{
    var_t value;

    if (sz == 1 && round) {
        value = vec2(l, VEC_RMULH, 1, a, b);
    } else if (sz == 1) {
        const var_t top = vec_shr(l, 1, false, vec2(l, VEC_MUL, 1, a, b), 15);
        const var_t high = vec2(l, VEC_SMULH, 1, a, b);
        value = vec_bit(l, VEC_OR, vec_shl(l, 1, high, 1), top);
    } else {
        var_t even = vec2(l, VEC_SMULE, 2, a, b);
        var_t odd = vec2(l, VEC_SMULE, 2, vec_shr(l, 3, false, a, 32), vec_shr(l, 3, false, b, 32));
        if (round) {
            const var_t half = vec_every(l, 3, BIT64(30));
            even = vec2(l, VEC_ADD, 3, even, half);
            odd = vec2(l, VEC_ADD, 3, odd, half);
        }
        value = vec2i(l, VEC_BLEND, 1, vec_shr(l, 3, false, even, 31), vec_shl(l, 3, odd, 1), 0xcc);
    }
    return other_limit(l, len, value, is_lowest(l, sz, value));
}

/* 2 * a * b, of elements of 1 << sz; len: of the result. */
static var_t doubled_wide(struct lift *l, unsigned sz, unsigned len, bool high, var_t a, var_t b)
{
    const var_t product = vec_multiply_wide(l, sz, true, high, a, b);
    const var_t value = vec2(l, VEC_ADD, sz + 1, product, product);

    return other_limit(l, len, value, is_lowest(l, sz + 1, value));
}

/* --- Rows ----------------------------------------------------------------------------------------------------------- */

/* A row with registers n, m and d; len: of the result. */
#define ROW(NAME, SZ, LENGTH, M, VALUE)                                                            \
    case A64_ROW_##NAME: {                                                                         \
        const unsigned sz = SZ, len = LENGTH;                                                      \
        const var_t n = V(NAME, n), m = M;                                                         \
        lift_vresult(l, len, V(NAME, d), VALUE);                                                   \
        return true;                                                                               \
    }
#define SAME(NAME, VALUE)                                                                               \
    ROW(NAME##_asimdsame, SIZE(NAME##_asimdsame), LEN(NAME##_asimdsame), V(NAME##_asimdsame, m), VALUE) \
    ROW(NAME##_asisdsame, SIZE(NAME##_asisdsame), sz, V(NAME##_asisdsame, m), VALUE)
#define ELEMENT_OF_M(NAME) vec1i(l, VEC_DUP, sz, V(NAME, m), ARG(NAME)->index)
#define ELEMENT(NAME, VALUE)                                                                       \
    ROW(NAME##_asimdelem, SIZE(NAME##_asimdelem), LEN(NAME##_asimdelem),                           \
        ELEMENT_OF_M(NAME##_asimdelem), VALUE)                                                     \
    ROW(NAME##_asisdelem, SIZE(NAME##_asisdelem), sz, ELEMENT_OF_M(NAME##_asisdelem), VALUE)
#define ONE(NAME, VALUE)                                                                           \
    case A64_ROW_##NAME##_asimdmisc: {                                                             \
        const unsigned sz = SIZE(NAME##_asimdmisc), len = LEN(NAME##_asimdmisc);                   \
        const var_t n = V(NAME##_asimdmisc, n);                                                    \
        lift_vresult(l, len, V(NAME##_asimdmisc, d), VALUE);                                       \
        return true;                                                                               \
    }                                                                                              \
    case A64_ROW_##NAME##_asisdmisc: {                                                             \
        const unsigned sz = SIZE(NAME##_asisdmisc), len = sz;                                      \
        const var_t n = V(NAME##_asisdmisc, n);                                                    \
        lift_vresult(l, len, V(NAME##_asisdmisc, d), VALUE);                                       \
        return true;                                                                               \
    }
/* The host packs no doublewords. */
#define NARROW(NAME, HOW)                                                                          \
    case A64_ROW_##NAME##_asimdmisc: {                                                             \
        const unsigned sz = SIZE(NAME##_asimdmisc);                                                \
        if (sz == 2)                                                                               \
            return false;                                                                          \
        lift_vnarrow(l, Q(NAME##_asimdmisc), V(NAME##_asimdmisc, d),                               \
                     narrow(l, HOW, sz, V(NAME##_asimdmisc, n)));                                  \
        return true;                                                                               \
    }
#define SHIFT_NARROW(NAME, HOW, ROUND)                                                                   \
    case A64_ROW_##NAME##_asimdshf: {                                                                    \
        const unsigned sz = ARG(NAME##_asimdshf)->size;                                                  \
        if (sz == 2)                                                                                     \
            return false;                                                                                \
        lift_vnarrow(l, Q(NAME##_asimdshf), V(NAME##_asimdshf, d),                                       \
                     shift_narrow(l, HOW, ROUND, sz, V(NAME##_asimdshf, n), ARG(NAME##_asimdshf)->imm)); \
        return true;                                                                                     \
    }
/* SQDMULL and what adds it up, or takes it off. */
#define DOUBLED_ROW(NAME, LENGTH, HIGH, M, VALUE)                                                  \
    case A64_ROW_##NAME: {                                                                         \
        const unsigned sz = SIZE(NAME), len = LENGTH;                                              \
        const var_t d = V(NAME, d), m = M;                                                         \
        const var_t product = doubled_wide(l, sz, len, HIGH, V(NAME, n), m);                       \
        lift_vresult(l, len, d, VALUE);                                                            \
        return true;                                                                               \
    }
#define DOUBLED(NAME, VALUE)                                                                       \
    DOUBLED_ROW(NAME##_asimddiff, 4, Q(NAME##_asimddiff), V(NAME##_asimddiff, m), VALUE)           \
    DOUBLED_ROW(NAME##_asimdelem, 4, Q(NAME##_asimdelem), ELEMENT_OF_M(NAME##_asimdelem), VALUE)   \
    DOUBLED_ROW(NAME##_asisddiff, sz + 1, false, V(NAME##_asisddiff, m), VALUE)                    \
    DOUBLED_ROW(NAME##_asisdelem, sz + 1, false, ELEMENT_OF_M(NAME##_asisdelem), VALUE)
#define SHIFT(NAME, HOW)                                                                           \
    case A64_ROW_##NAME##_asimdshf:                                                                \
        lift_vresult(l, LEN(NAME##_asimdshf), V(NAME##_asimdshf, d),                               \
                     shift(l, HOW, ARG(NAME##_asimdshf)->size, LEN(NAME##_asimdshf),               \
                           V(NAME##_asimdshf, n), ARG(NAME##_asimdshf)->imm));                     \
        return true;                                                                               \
    case A64_ROW_##NAME##_asisdshf:                                                                \
        lift_vresult(l, ARG(NAME##_asisdshf)->size, V(NAME##_asisdshf, d),                         \
                     shift(l, HOW, ARG(NAME##_asisdshf)->size, ARG(NAME##_asisdshf)->size,         \
                           V(NAME##_asisdshf, n), ARG(NAME##_asisdshf)->imm));                     \
        return true;

bool lift_vector_saturate(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        SAME(SQADD, sum(l, sz, len, true, false, n, m))
        SAME(UQADD, sum(l, sz, len, false, false, n, m))
        SAME(SQSUB, sum(l, sz, len, true, true, n, m))
        SAME(UQSUB, sum(l, sz, len, false, true, n, m))
        SAME(SQDMULH, doubled_high(l, sz, len, false, n, m))
        SAME(SQRDMULH, doubled_high(l, sz, len, true, n, m))
        ELEMENT(SQDMULH, doubled_high(l, sz, len, false, n, m))
        ELEMENT(SQRDMULH, doubled_high(l, sz, len, true, n, m))
        DOUBLED(SQDMULL, product)
        DOUBLED(SQDMLAL, sum(l, sz + 1, len, true, false, d, product))
        DOUBLED(SQDMLSL, sum(l, sz + 1, len, true, true, d, product))
        SHIFT(SQSHL, SIGNED)
        SHIFT(UQSHL, UNSIGNED)
        SHIFT(SQSHLU, SIGNED_TO_UNSIGNED)
        ONE(SQABS, magnitude(l, sz, len, n))
        ONE(SQNEG, negative(l, sz, len, n))
        NARROW(SQXTN, SIGNED)
        NARROW(UQXTN, UNSIGNED)
        NARROW(SQXTUN, SIGNED_TO_UNSIGNED)
        SHIFT_NARROW(SQSHRN, SIGNED, false)
        SHIFT_NARROW(SQRSHRN, SIGNED, true)
        SHIFT_NARROW(UQSHRN, UNSIGNED, false)
        SHIFT_NARROW(UQRSHRN, UNSIGNED, true)
        SHIFT_NARROW(SQSHRUN, SIGNED_TO_UNSIGNED, false)
        SHIFT_NARROW(SQRSHRUN, SIGNED_TO_UNSIGNED, true)
    default: return false;
    }
}
