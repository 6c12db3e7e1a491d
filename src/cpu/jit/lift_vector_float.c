/* Floating point, Advanced SIMD: of single and double precision, and conversions of half. Estimates, complex and BFloat numbers are the
 * interpreter's.
 *
 * Of several operations that one instruction becomes, each may be the one that traps, and the flags of those before it stay: so none of them
 * raises a flag that the instruction would not. */
#include "cpu/jit/lift_vector.h"

/* What an instruction works on: one element, or those of 8 or 16 bytes. */
struct lanes {
    unsigned sz;
    bool scalar, q;
};

static void f1(struct lift *l, enum vector_op op, struct lanes w, var_t d, var_t a)
{
    lift_v1(l, w.scalar ? vector_as_scalar(op) : op, w.sz, w.q, d, a);
}

static void f2(struct lift *l, enum vector_op op, struct lanes w, var_t d, var_t a, var_t b)
{
    lift_v2(l, w.scalar ? vector_as_scalar(op) : op, w.sz, w.q, d, a, b);
}

/* A constant in each element. */
static var_t every(struct lift *l, struct lanes w, uint64_t element)
{
    const var_t t = lift_temp(l);

    if (!w.scalar)
        return vec_every(l, w.sz, element);
    lift_vconst(l, false, t, element);
    return t;
}

/* 2^n */
static uint64_t power(unsigned sz, int n)
{
    return sz == 3 ? (uint64_t)(1023 + n) << 52 : (uint64_t)(127 + n) << 23;
}

static var_t element(struct lift *l, unsigned sz, var_t a, unsigned index)
{
    return index ? vec1i(l, VEC_DUP, sz, a, index) : a;
}

/* --- Comparisons ---------------------------------------------------------------------------------------------------- */

/* CMPPD's predicates. All but the first signal Invalid for a quiet NaN. */
enum compare { COMPARE_EQ = 0, COMPARE_LT = 1, COMPARE_LE = 2, COMPARE_GE = 13, COMPARE_GT = 14 };

static void compare(struct lift *l, enum compare how, struct lanes w, var_t d, var_t a, var_t b)
{
    const enum vector_op op = w.scalar ? VEC_FCMP_SCALAR : VEC_FCMP;

    lift_v2(l, op, w.sz, w.q, d, a, b)->imm = how;
}

static void compare_absolute(struct lift *l, enum compare how, struct lanes w, var_t d, var_t a, var_t b)
{
    const var_t x = lift_temp(l), y = lift_temp(l);

    f1(l, VEC_FABS, w, x, a);
    f1(l, VEC_FABS, w, y, b);
    compare(l, how, w, d, x, y);
}

/* --- Arithmetic ----------------------------------------------------------------------------------------------------- */

static void distance(struct lift *l, struct lanes w, var_t d, var_t a, var_t b)
{
    const var_t t = lift_temp(l);

    f2(l, VEC_FSUB, w, t, a, b);
    f1(l, VEC_FABS, w, d, t);
}

static bool multiply_add(struct lift *l, enum vector_op op, struct lanes w, var_t d, var_t a,
                         var_t n, var_t m)
{
    if (!(l->u->j->host & JIT_HOST_FMA))
        return false;
    lift_v3(l, w.scalar ? vector_as_scalar(op) : op, w.sz, w.q, d, a, n, m);
    return true;
}

static void pairs(struct lift *l, enum vector_op op, struct lanes w, var_t d, var_t n, var_t m)
{
    if (!w.q) /* of both low halves */
        n = m = vec_zip(l, 3, false, n, m);
    const var_t even = vec_even(l, w.sz, n, m);
    f2(l, op, w, d, even, vec_odd(l, w.sz, n, m));
}

/* The largest or smallest of four. */
static void across(struct lift *l, enum vector_op op, var_t d, var_t n)
{
    const var_t two = lift_temp(l);

    f2(l, op, (struct lanes){2, false, false}, two, n, vec1i(l, VEC_SLIDE, 0, n, 8));
    f2(l, op, (struct lanes){2, true, false}, d, two, vec1i(l, VEC_SLIDE, 0, two, 4));
}

/* --- To integral ---------------------------------------------------------------------------------------------------- */

/* imm: the mode as enum round_to, 4 for MXCSR's, 8 for no Inexact. */
static void round_to(struct lift *l, unsigned imm, struct lanes w, var_t d, var_t n)
{
    lift_v1(l, w.scalar ? VEC_FRINT_SCALAR : VEC_FRINT, w.sz, w.q, d, n)->imm = imm;
}

/* Toward zero, and what went, twice, toward zero too: that is 1 if it was half or more. The sums are exact, but the sign of a zero is lost. */
void lift_round_away(struct lift *l, unsigned sz, bool scalar, bool q, var_t d, var_t n)
{
    const struct lanes w = {sz, scalar, q};
    const var_t whole = lift_temp(l), rest = lift_temp(l), twice = lift_temp(l), one = lift_temp(l),
                sum = lift_temp(l);

    round_to(l, ROUND_TO_ZERO | 8, w, whole, n);
    f2(l, VEC_FSUB, w, rest, n, whole);
    f2(l, VEC_FADD, w, twice, rest, rest);
    round_to(l, ROUND_TO_ZERO | 8, w, one, twice);
    f2(l, VEC_FADD, w, sum, whole, one);
    lift_v3(l, VEC_BSL, 0, q || scalar, d, every(l, w, BIT64((8u << sz) - 1)), n, sum);
}

/* --- To and from integers ------------------------------------------------------------------------------------------- */

void lift_to_integer(struct lift *l, unsigned to, var_t d, unsigned sz, var_t n,
                     enum round_to round, unsigned fraction, bool is_unsigned)
{
    struct ir *r = lift_ir(l, IR_FTOI);

    r->sz = (uint8_t)to;
    r->scale = (uint8_t)sz;
    r->aux = round;
    r->ext = is_unsigned;
    r->imm = fraction;
    r->d = d;
    r->a = n;
}

void lift_from_integer(struct lift *l, unsigned sz, var_t d, unsigned from, var_t n,
                       unsigned fraction, bool is_unsigned)
{
    const struct lanes w = {sz, true, false};
    const var_t whole = fraction ? lift_temp(l) : d;
    struct ir *r = lift_ir(l, IR_ITOF);

    r->sz = (uint8_t)sz;
    r->scale = (uint8_t)from;
    r->ext = is_unsigned;
    r->d = whole;
    r->a = n;
    if (fraction) /* exact: it is 2^-64 at least */
        f2(l, VEC_FMUL, w, d, whole, every(l, w, power(sz, -(int)fraction)));
}

static var_t get(struct lift *l, unsigned sz, var_t n, unsigned index)
{
    const var_t t = lift_temp(l);

    lift_vget(l, sz, EXT_ZERO, t, n, index);
    return t;
}

static unsigned nr_elements(struct lanes w)
{
    return w.scalar ? 1 : (w.q ? 16u : 8u) >> w.sz;
}

/* One element after the other, by way of general registers: their conversions have all that there is. */
static void to_integers_singly(struct lift *l, enum round_to round, unsigned fraction,
                               bool is_unsigned, struct lanes w, var_t d, var_t n)
{
    const unsigned nr = nr_elements(w);
    var_t all = VAR_ZERO;

    for (unsigned k = 0; k < nr; k++) {
        const var_t number = lift_temp(l), with = k + 1 == nr ? d : lift_temp(l);
        lift_to_integer(l, w.sz, number, w.sz, element(l, w.sz, n, k), round, fraction, is_unsigned);
        lift_vput(l, w.sz, with, k, all, number);
        all = with;
    }
}

static void to_integers(struct lift *l, enum round_to round, unsigned fraction, bool is_unsigned,
                        struct lanes w, var_t d, var_t n)
{
    if (w.scalar || w.sz == 3 || is_unsigned || fraction || round == ROUND_TO_AWAY) {
        to_integers_singly(l, round, fraction, is_unsigned, w, d, n);
        return;
    }
    /* What is out of range is an integer already: rounding it raises nothing. */
    const var_t whole = round == ROUND_TO_ZERO ? n : lift_temp(l);
    if (round != ROUND_TO_ZERO)
        round_to(l, round, w, whole, n);
    f1(l, VEC_FTOS, w, d, whole);
}

/* Two of 32 bits, unsigned, as singles: in doubles they are the low bits of 2^52 and more, which they are taken from. A zero may come out
 * negative. */
static var_t two_from_unsigned(struct lift *l, bool high, var_t n)
{
    const var_t base = vec_const(l, power(3, 52));
    const var_t sum = vec_bit(l, VEC_OR, vec_widen(l, 2, false, high, n), base);
    return vec1(l, VEC_FCVTN, 3, vec1(l, VEC_FABS, 3, vec2(l, VEC_FSUB, 3, sum, base)));
}

static void from_integers(struct lift *l, unsigned fraction, bool is_unsigned, struct lanes w,
                          var_t d, var_t n)
{
    if (w.scalar) {
        lift_from_integer(l, w.sz, d, w.sz, get(l, w.sz, n, 0), fraction, is_unsigned);
        return;
    }
    const var_t whole = fraction ? lift_temp(l) : d;
    if (w.sz == 3) {
        const var_t x = lift_temp(l), y = lift_temp(l);
        lift_from_integer(l, 3, x, 3, get(l, 3, n, 0), 0, is_unsigned);
        lift_from_integer(l, 3, y, 3, get(l, 3, n, 1), 0, is_unsigned);
        lift_v2(l, VEC_ZIPLO, 3, true, whole, x, y);
    } else if (!is_unsigned) {
        f1(l, VEC_STOF, w, whole, n);
    } else {
        const var_t low = two_from_unsigned(l, false, n);
        if (w.q)
            lift_v2(l, VEC_ZIPLO, 3, true, whole, low, two_from_unsigned(l, true, n));
        else
            lift_vmove(l, false, whole, low);
    }
    if (fraction)
        f2(l, VEC_FMUL, w, d, whole, every(l, w, power(w.sz, -(int)fraction)));
}

/* --- To another size ------------------------------------------------------------------------------------------------ */

static bool longer(struct lift *l, unsigned sz, bool high, var_t d, var_t n)
{
    if (sz == 1 && !(l->u->j->host & JIT_HOST_F16C))
        return false;
    lift_v1(l, VEC_FCVTL, sz, true, d, high ? vec1i(l, VEC_SLIDE, 0, n, 8) : n);
    return true;
}

static bool narrower(struct lift *l, unsigned sz, bool high, var_t d, var_t n)
{
    if (sz == 2 && !(l->u->j->host & JIT_HOST_F16C))
        return false;
    if (high)
        lift_vnarrow(l, true, d, vec1(l, VEC_FCVTN, sz, n));
    else
        lift_v1(l, VEC_FCVTN, sz, true, d, n);
    return true;
}

/* --- Rows ----------------------------------------------------------------------------------------------------------- */

#define SZ(NAME) (2u + A64_FIELD_##NAME##_sz(i->word))
#define VECTOR(NAME) ((struct lanes){SZ(NAME), false, Q(NAME)})
#define SCALAR(NAME) ((struct lanes){SZ(NAME), true, false})
#define D(NAME) V(NAME, d)
#define N(NAME) V(NAME, n)
#define M(NAME) V(NAME, m)

/* FN(l, OP, lanes, d, n, m) */
#define SAME_V(NAME, FN, OP)                                                                       \
    case A64_ROW_##NAME##_asimdsame:                                                               \
        FN(l, OP, VECTOR(NAME##_asimdsame), D(NAME##_asimdsame), N(NAME##_asimdsame),              \
           M(NAME##_asimdsame));                                                                   \
        return true;
#define SAME(NAME, FN, OP)                                                                         \
    SAME_V(NAME, FN, OP)                                                                           \
    case A64_ROW_##NAME##_asisdsame:                                                               \
        FN(l, OP, SCALAR(NAME##_asisdsame), D(NAME##_asisdsame), N(NAME##_asisdsame),              \
           M(NAME##_asisdsame));                                                                   \
        return true;
#define COMPARE_ZERO(NAME, HOW)                                                                    \
    case A64_ROW_##NAME##_asimdmisc_Z:                                                             \
        compare(l, HOW, VECTOR(NAME##_asimdmisc_Z), D(NAME##_asimdmisc_Z), N(NAME##_asimdmisc_Z),  \
                VAR_ZERO);                                                                         \
        return true;                                                                               \
    case A64_ROW_##NAME##_asisdmisc_Z:                                                             \
        compare(l, HOW, SCALAR(NAME##_asisdmisc_Z), D(NAME##_asisdmisc_Z), N(NAME##_asisdmisc_Z),  \
                VAR_ZERO);                                                                         \
        return true;
/* FN(l, OP, lanes, d, n) */
#define MISC_V(NAME, FN, OP)                                                                       \
    case A64_ROW_##NAME##_asimdmisc:                                                               \
        FN(l, OP, VECTOR(NAME##_asimdmisc), D(NAME##_asimdmisc), N(NAME##_asimdmisc));             \
        return true;
#define TO_INTEGER(NAME, ROUND, UNSIGNED)                                                          \
    case A64_ROW_##NAME##_asimdmisc:                                                               \
        to_integers(l, ROUND, 0, UNSIGNED, VECTOR(NAME##_asimdmisc), D(NAME##_asimdmisc),          \
                    N(NAME##_asimdmisc));                                                          \
        return true;                                                                               \
    case A64_ROW_##NAME##_asisdmisc:                                                               \
        to_integers(l, ROUND, 0, UNSIGNED, SCALAR(NAME##_asisdmisc), D(NAME##_asisdmisc),          \
                    N(NAME##_asisdmisc));                                                          \
        return true;
#define FROM_INTEGER(NAME, UNSIGNED)                                                               \
    case A64_ROW_##NAME##_asimdmisc:                                                               \
        from_integers(l, 0, UNSIGNED, VECTOR(NAME##_asimdmisc), D(NAME##_asimdmisc),               \
                      N(NAME##_asimdmisc));                                                        \
        return true;                                                                               \
    case A64_ROW_##NAME##_asisdmisc:                                                               \
        from_integers(l, 0, UNSIGNED, SCALAR(NAME##_asisdmisc), D(NAME##_asisdmisc),               \
                      N(NAME##_asisdmisc));                                                        \
        return true;
/* Half precision has immh below 4. FN(l, ..., lanes, d, n) */
#define FIXED_ROW(NAME, SCALAR, Q, CALL)                                                           \
    case A64_ROW_##NAME: {                                                                         \
        const struct lanes w = {ARG(NAME)->size, SCALAR, Q};                                       \
        const unsigned fraction = ARG(NAME)->imm;                                                  \
        const var_t d = D(NAME), n = N(NAME);                                                      \
        if (w.sz < 2)                                                                              \
            return false;                                                                          \
        CALL;                                                                                      \
        return true;                                                                               \
    }
#define FIXED(NAME, CALL)                                                                          \
    FIXED_ROW(NAME##_asimdshf, false, Q(NAME##_asimdshf), CALL)                                    \
    FIXED_ROW(NAME##_asisdshf, true, false, CALL)
#define ELEMENT_ROW(NAME, SCALAR, Q, CALL)                                                         \
    case A64_ROW_##NAME: {                                                                         \
        const struct lanes w = {SIZE(NAME), SCALAR, Q};                                            \
        const var_t d = D(NAME), n = N(NAME);                                                      \
        const var_t m = vec1i(l, VEC_DUP, w.sz, M(NAME), ARG(NAME)->index);                        \
        CALL;                                                                                      \
    }
#define ELEMENT(NAME, CALL)                                                                        \
    ELEMENT_ROW(NAME##_asimdelem, false, Q(NAME##_asimdelem), CALL)                                \
    ELEMENT_ROW(NAME##_asisdelem, true, false, CALL)
#define MULTIPLY_ADD(NAME, OP)                                                                     \
    case A64_ROW_##NAME##_asimdsame:                                                               \
        return multiply_add(l, OP, VECTOR(NAME##_asimdsame), D(NAME##_asimdsame),                  \
                            D(NAME##_asimdsame), N(NAME##_asimdsame), M(NAME##_asimdsame));        \
        ELEMENT(NAME, return multiply_add(l, OP, w, d, d, n, m))
#define PAIRS(NAME, OP)                                                                            \
    SAME_V(NAME, pairs, OP)                                                                        \
    case A64_ROW_##NAME##_asisdpair:                                                               \
        f2(l, OP, SCALAR(NAME##_asisdpair), D(NAME##_asisdpair), N(NAME##_asisdpair),              \
           element(l, SZ(NAME##_asisdpair), N(NAME##_asisdpair), 1));                              \
        return true;
#define ACROSS(NAME, OP)                                                                           \
    case A64_ROW_##NAME##_asimdall:                                                                \
        across(l, OP, D(NAME##_asimdall), N(NAME##_asimdall));                                     \
        return true;

/* They differ for infinity times zero, where the host traps. */
#define VEC_FMULX VEC_FMUL

bool lift_vector_float(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        SAME_V(FADD, f2, VEC_FADD)
        SAME_V(FSUB, f2, VEC_FSUB)
        SAME_V(FMUL, f2, VEC_FMUL)
        SAME(FMULX, f2, VEC_FMULX)
        SAME_V(FDIV, f2, VEC_FDIV)
        SAME_V(FMAX, f2, VEC_FMAX)
        SAME_V(FMIN, f2, VEC_FMIN)
        SAME_V(FMAXNM, f2, VEC_FMAX)
        SAME_V(FMINNM, f2, VEC_FMIN)
        MULTIPLY_ADD(FMLA, VEC_FMLA)
        MULTIPLY_ADD(FMLS, VEC_FMLS)
        ELEMENT(FMUL, f2(l, VEC_FMUL, w, d, n, m); return true)
        ELEMENT(FMULX, f2(l, VEC_FMULX, w, d, n, m); return true)
        PAIRS(FADDP, VEC_FADD)
        PAIRS(FMAXP, VEC_FMAX)
        PAIRS(FMINP, VEC_FMIN)
        PAIRS(FMAXNMP, VEC_FMAX)
        PAIRS(FMINNMP, VEC_FMIN)
        ACROSS(FMAXV, VEC_FMAX)
        ACROSS(FMINV, VEC_FMIN)
        ACROSS(FMAXNMV, VEC_FMAX)
        ACROSS(FMINNMV, VEC_FMIN)
        MISC_V(FABS, f1, VEC_FABS)
        MISC_V(FNEG, f1, VEC_FNEG)
        MISC_V(FSQRT, f1, VEC_FSQRT)
    case A64_ROW_FABD_asimdsame:
        distance(l, VECTOR(FABD_asimdsame), D(FABD_asimdsame), N(FABD_asimdsame), M(FABD_asimdsame));
        return true;
    case A64_ROW_FABD_asisdsame:
        distance(l, SCALAR(FABD_asisdsame), D(FABD_asisdsame), N(FABD_asisdsame), M(FABD_asisdsame));
        return true;

        SAME(FCMEQ, compare, COMPARE_EQ)
        SAME(FCMGE, compare, COMPARE_GE)
        SAME(FCMGT, compare, COMPARE_GT)
        SAME(FACGE, compare_absolute, COMPARE_GE)
        SAME(FACGT, compare_absolute, COMPARE_GT)
        COMPARE_ZERO(FCMEQ, COMPARE_EQ)
        COMPARE_ZERO(FCMGE, COMPARE_GE)
        COMPARE_ZERO(FCMGT, COMPARE_GT)
        COMPARE_ZERO(FCMLE, COMPARE_LE)
        COMPARE_ZERO(FCMLT, COMPARE_LT)

        MISC_V(FRINTN, round_to, ROUND_TO_NEAREST | 8)
        MISC_V(FRINTM, round_to, ROUND_TO_MINUS | 8)
        MISC_V(FRINTP, round_to, ROUND_TO_PLUS | 8)
        MISC_V(FRINTZ, round_to, ROUND_TO_ZERO | 8)
        MISC_V(FRINTX, round_to, 4)
        MISC_V(FRINTI, round_to, 4 | 8)
    case A64_ROW_FRINTA_asimdmisc:
        lift_round_away(l, SZ(FRINTA_asimdmisc), false, Q(FRINTA_asimdmisc), D(FRINTA_asimdmisc),
                        N(FRINTA_asimdmisc));
        return true;

        TO_INTEGER(FCVTZS, ROUND_TO_ZERO, false)
        TO_INTEGER(FCVTZU, ROUND_TO_ZERO, true)
        TO_INTEGER(FCVTNS, ROUND_TO_NEAREST, false)
        TO_INTEGER(FCVTNU, ROUND_TO_NEAREST, true)
        TO_INTEGER(FCVTPS, ROUND_TO_PLUS, false)
        TO_INTEGER(FCVTPU, ROUND_TO_PLUS, true)
        TO_INTEGER(FCVTMS, ROUND_TO_MINUS, false)
        TO_INTEGER(FCVTMU, ROUND_TO_MINUS, true)
        TO_INTEGER(FCVTAS, ROUND_TO_AWAY, false)
        TO_INTEGER(FCVTAU, ROUND_TO_AWAY, true)
        FROM_INTEGER(SCVTF, false)
        FROM_INTEGER(UCVTF, true)
        FIXED(FCVTZS, to_integers(l, ROUND_TO_ZERO, fraction, false, w, d, n))
        FIXED(FCVTZU, to_integers(l, ROUND_TO_ZERO, fraction, true, w, d, n))
        FIXED(SCVTF, from_integers(l, fraction, false, w, d, n))
        FIXED(UCVTF, from_integers(l, fraction, true, w, d, n))
    case A64_ROW_FCVTL_asimdmisc:
        return longer(l, SZ(FCVTL_asimdmisc) - 1, Q(FCVTL_asimdmisc), D(FCVTL_asimdmisc),
                      N(FCVTL_asimdmisc));
    case A64_ROW_FCVTN_asimdmisc:
        return narrower(l, SZ(FCVTN_asimdmisc), Q(FCVTN_asimdmisc), D(FCVTN_asimdmisc),
                        N(FCVTN_asimdmisc));
    default: return false;
    }
}
