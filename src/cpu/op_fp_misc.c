/* Floating-point vectors: one register, and conversions.
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_fp_vec.isa.
 * Specification: DDI 0487, "A64 Advanced SIMD and Floating-point Instruction Descriptions". */
#include "cpu/fp_lanes.h"

/* The rows of a family: of vectors, of scalars, each in single and double, and in half precision. SUFFIX is _Z or empty. */
#define MISC(NAME, SUFFIX, EXPR)                                                                   \
    FP_ROW(NAME##_asimdmisc##SUFFIX, FMT_OF_SZ, VECTOR, VM_NONE, EXPR)                             \
    FP_ROW(NAME##_asimdmiscfp16##SUFFIX, FMT_H, VECTOR, VM_NONE, EXPR)
#define MISC_SCALAR(NAME, SUFFIX, EXPR)                                                            \
    FP_ROW(NAME##_asisdmisc##SUFFIX, FMT_OF_SZ, SCALAR, VM_NONE, EXPR)                             \
    FP_ROW(NAME##_asisdmiscfp16##SUFFIX, FMT_H, SCALAR, VM_NONE, EXPR)
#define BOTH(NAME, SUFFIX, EXPR)                                                                   \
    MISC(NAME, SUFFIX, EXPR)                                                                       \
    MISC_SCALAR(NAME, SUFFIX, EXPR)

/* --- Signs, roots, estimates, comparisons with zero -------------------------------------------------------------------------- */

MISC(FABS, , FP_ABS(x))
MISC(FNEG, , FP_NEG(x))
MISC(FSQRT, , fpu_sqrt(f, x, env))
BOTH(FRECPE, , fp_recip_estimate(f, x, env))
BOTH(FRSQRTE, , fp_rsqrt_estimate(f, x, env))
MISC_SCALAR(FRECPX, , fp_recpx(f, x, env))

BOTH(FCMEQ, _Z, compare_eq(f, x, 0, env))
BOTH(FCMGE, _Z, compare_ge(f, x, 0, env))
BOTH(FCMGT, _Z, compare_gt(f, x, 0, env))
BOTH(FCMLE, _Z, compare_ge(f, 0, x, env))
BOTH(FCMLT, _Z, compare_gt(f, 0, x, env))

/* --- To integral values ---------------------------------------------------------------------------------------------------------- */

MISC(FRINTN, , fpu_round_int(f, x, ROUND_TIEEVEN, false, env))
MISC(FRINTP, , fpu_round_int(f, x, ROUND_POSINF, false, env))
MISC(FRINTM, , fpu_round_int(f, x, ROUND_NEGINF, false, env))
MISC(FRINTZ, , fpu_round_int(f, x, ROUND_ZERO, false, env))
MISC(FRINTA, , fpu_round_int(f, x, ROUND_TIEAWAY, false, env))
MISC(FRINTX, , fpu_round_int(f, x, fp_rounding(env), true, env))
MISC(FRINTI, , fpu_round_int(f, x, fp_rounding(env), false, env))

FP_ROW(FRINT32Z_asimdmisc, FMT_OF_SZ, VECTOR, VM_NONE, fp_round_int_n(f, x, ROUND_ZERO, 32, env))
FP_ROW(FRINT32X_asimdmisc, FMT_OF_SZ, VECTOR, VM_NONE, fp_round_int_n(f, x, fp_rounding(env), 32, env))
FP_ROW(FRINT64Z_asimdmisc, FMT_OF_SZ, VECTOR, VM_NONE, fp_round_int_n(f, x, ROUND_ZERO, 64, env))
FP_ROW(FRINT64X_asimdmisc, FMT_OF_SZ, VECTOR, VM_NONE, fp_round_int_n(f, x, fp_rounding(env), 64, env))

/* --- To and from integers of a lane's width ---------------------------------------------------------------------------------------- */

#define TO_INT(NAME, ROUND)                                                                        \
    BOTH(NAME##S, , fpu_to_fixed(f, x, 0, false, ROUND, FP_BITS(f), env))                          \
    BOTH(NAME##U, , fpu_to_fixed(f, x, 0, true, ROUND, FP_BITS(f), env))

TO_INT(FCVTN, ROUND_TIEEVEN)
TO_INT(FCVTP, ROUND_POSINF)
TO_INT(FCVTM, ROUND_NEGINF)
TO_INT(FCVTZ, ROUND_ZERO)
TO_INT(FCVTA, ROUND_TIEAWAY)

#define SIGNED_X ((uint64_t)sext(x, FP_BITS(f)))

BOTH(SCVTF, , fpu_from_fixed(f, SIGNED_X, 0, false, env))
BOTH(UCVTF, , fpu_from_fixed(f, x, 0, true, env))

/* imm is the number of fraction bits. */
#define FIXED(NAME, EXPR)                                                                          \
    FP_ROW(NAME##_asimdshf, FMT_OF_SIZE, VECTOR, VM_NONE, EXPR)                                    \
    FP_ROW(NAME##_asisdshf, FMT_OF_SIZE, SCALAR, VM_NONE, EXPR)

FIXED(SCVTF, fpu_from_fixed(f, SIGNED_X, a->imm, false, env))
FIXED(UCVTF, fpu_from_fixed(f, x, a->imm, true, env))
FIXED(FCVTZS, fpu_to_fixed(f, x, a->imm, false, ROUND_ZERO, FP_BITS(f), env))
FIXED(FCVTZU, fpu_to_fixed(f, x, a->imm, true, ROUND_ZERO, FP_BITS(f), env))

/* --- Between formats: Q picks the half of the register of narrow lanes ----------------------------------------------------------------- */

OP(FCVTL_asimdmisc)
{
    const enum fp_fmt from = sz ? FMT_S : FMT_H, to = FMT_OF_SZ;
    const unsigned lanes = sz ? 2 : 4;
    const union vreg *n = &c->st.v[a->n];
    union vreg r;

    for (unsigned e = 0; e < lanes; e++)
        lane_set(&r, to, e,
                 fpu_convert(from, to, lane_get(n, from, Q * lanes + e), fp_rounding(&c->st.fp),
                             &c->st.fp));
    c->st.v[a->d] = r;
    return insn + 1;
}

/* The lower half of Vd stays if the upper one is written, else the upper one becomes zero. */
#define NARROW_ROW(NAME, FROM, TO, ROUND)                                                            \
    OP(NAME)                                                                                         \
    {                                                                                                \
        struct fp_env *const env = &c->st.fp;                                                        \
        const unsigned lanes = 128 / FP_BITS(FROM);                                                  \
        const union vreg *n = &c->st.v[a->n];                                                        \
        union vreg r = {.d = {c->st.v[a->d].d[0], 0}};                                               \
                                                                                                     \
        for (unsigned e = 0; e < lanes; e++)                                                         \
            lane_set(&r, TO, Q *lanes + e, fpu_convert(FROM, TO, lane_get(n, FROM, e), ROUND, env)); \
        c->st.v[a->d] = r;                                                                           \
        return insn + 1;                                                                             \
    }

NARROW_ROW(FCVTN_asimdmisc, FMT_OF_SZ, (sz ? FMT_S : FMT_H), fp_rounding(env))
NARROW_ROW(FCVTXN_asimdmisc, FMT_D, FMT_S, ROUND_ODD)
NARROW_ROW(BFCVTN_asimdmisc, FMT_S, FMT_BF16, fp_rounding(env))

OP(FCVTXN_asisdmisc)
{
    scalar_set(c, a->d, fp_convert(FMT_D, FMT_S, c->st.v[a->n].d[0], ROUND_ODD, &c->st.fp));
    return insn + 1;
}
