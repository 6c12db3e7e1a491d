/* Floating-point vectors: three registers, one of them perhaps an element; neighbours; all lanes of a register.
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_fp_vec.isa.
 * Specification: DDI 0487, "A64 Advanced SIMD and Floating-point Instruction Descriptions". */
#include "cpu/fp_lanes.h"

/* The rows of a family: of vectors, of scalars, each in single and double, and in half precision. */
#define SAME(NAME, EXPR)                                                                           \
    FP_ROW(NAME##_asimdsame, FMT_OF_SZ, VECTOR, VM_REGISTER, EXPR)                                 \
    FP_ROW(NAME##_asimdsamefp16, FMT_H, VECTOR, VM_REGISTER, EXPR)
#define SAME_SCALAR(NAME, EXPR)                                                                    \
    FP_ROW(NAME##_asisdsame, FMT_OF_SZ, SCALAR, VM_REGISTER, EXPR)                                 \
    FP_ROW(NAME##_asisdsamefp16, FMT_H, SCALAR, VM_REGISTER, EXPR)
#define BOTH(NAME, EXPR)                                                                           \
    SAME(NAME, EXPR)                                                                               \
    SAME_SCALAR(NAME, EXPR)
#define ELEMENT_ROWS(NAME, EXPR, FAST)                                                             \
    FP_ROW_FAST(NAME##_asimdelem, FMT_OF_SIZE, VECTOR, VM_ELEMENT, EXPR, FAST)                     \
    FP_ROW(NAME##_asimdelem_H, FMT_H, VECTOR, VM_ELEMENT, EXPR)                                    \
    FP_ROW(NAME##_asisdelem, FMT_OF_SIZE, SCALAR, VM_ELEMENT, EXPR)                                \
    FP_ROW(NAME##_asisdelem_H, FMT_H, SCALAR, VM_ELEMENT, EXPR)

/* Those of which the host computes all lanes at once: how, says FAST, of n and m to d. */
#define SAME_FAST(NAME, EXPR, FAST)                                                                \
    FP_ROW_FAST(NAME##_asimdsame, FMT_OF_SZ, VECTOR, VM_REGISTER, EXPR, (m = c->st.v[a->m], FAST)) \
    FP_ROW(NAME##_asimdsamefp16, FMT_H, VECTOR, VM_REGISTER, EXPR)
#define ELEMENT_FAST(NAME, EXPR, FAST)                                                             \
    ELEMENT_ROWS(NAME, EXPR, (m = splat_lane(&c->st.v[a->m], f, a->index), FAST))

/* --- Lane by lane ------------------------------------------------------------------------------------------------------- */

SAME_FAST(FADD, fpu_add(f, x, y, env), vector_add(f, Q, d, n, &m, env))
SAME_FAST(FSUB, fpu_sub(f, x, y, env), vector_sub(f, Q, d, n, &m, env))
SAME_FAST(FMUL, fpu_mul(f, x, y, env), vector_mul(f, Q, d, n, &m, env))
ELEMENT_FAST(FMUL, fpu_mul(f, x, y, env), vector_mul(f, Q, d, n, &m, env))
SAME_FAST(FDIV, fpu_div(f, x, y, env), vector_div(f, Q, d, n, &m, env))
BOTH(FMULX, fpu_mulx(f, x, y, env))
ELEMENT_FAST(FMULX, fpu_mulx(f, x, y, env), vector_mul(f, Q, d, n, &m, env))
BOTH(FABD, FP_ABS(fpu_sub(f, x, y, env)))

SAME(FMAX, fpu_max(f, x, y, env))
SAME(FMIN, fpu_min(f, x, y, env))
SAME(FMAXNM, fpu_maxnm(f, x, y, env))
SAME(FMINNM, fpu_minnm(f, x, y, env))

SAME_FAST(FMLA, fpu_muladd(f, z, x, y, env), vector_muladd(f, Q, d, n, &m, false, env))
ELEMENT_FAST(FMLA, fpu_muladd(f, z, x, y, env), vector_muladd(f, Q, d, n, &m, false, env))
SAME_FAST(FMLS, fpu_muladd(f, z, FP_NEG(x), y, env), vector_muladd(f, Q, d, n, &m, true, env))
ELEMENT_FAST(FMLS, fpu_muladd(f, z, FP_NEG(x), y, env), vector_muladd(f, Q, d, n, &m, true, env))
BOTH(FRECPS, fpu_recip_step(f, x, y, env))
BOTH(FRSQRTS, fpu_rsqrt_step(f, x, y, env))

BOTH(FCMEQ, compare_eq(f, x, y, env))
BOTH(FCMGE, compare_ge(f, x, y, env))
BOTH(FCMGT, compare_gt(f, x, y, env))
BOTH(FACGE, compare_ge(f, FP_ABS(x), FP_ABS(y), env))
BOTH(FACGT, compare_gt(f, FP_ABS(x), FP_ABS(y), env))

/* --- Neighbours ----------------------------------------------------------------------------------------------------------- */

/* The pairs of Vn, then those of Vm. */
#define PAIRWISE_ROW(NAME, FMT, FN)                                                                \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const enum fp_fmt f = FMT;                                                                 \
        union vreg r = {.d = {0, 0}};                                                              \
                                                                                                   \
        for (unsigned e = 0; e < VECTOR; e++) {                                                    \
            const union vreg *v = &c->st.v[e < VECTOR / 2 ? a->n : a->m];                          \
            const unsigned pair = 2 * e % VECTOR;                                                  \
            lane_set(&r, f, e, FN(f, lane_get(v, f, pair), lane_get(v, f, pair + 1), &c->st.fp));  \
        }                                                                                          \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
    }

#define PAIR_ROW(NAME, FMT, FN)                                                                    \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const enum fp_fmt f = FMT;                                                                 \
        const union vreg *v = &c->st.v[a->n];                                                      \
                                                                                                   \
        scalar_set(c, a->d, FN(f, lane_get(v, f, 0), lane_get(v, f, 1), &c->st.fp));               \
        return insn + 1;                                                                           \
    }

#define PAIRS(NAME, FN)                                                                            \
    PAIRWISE_ROW(NAME##_asimdsame, FMT_OF_SZ, FN)                                                  \
    PAIRWISE_ROW(NAME##_asimdsamefp16, FMT_H, FN)                                                  \
    PAIR_ROW(NAME##_asisdpair, FMT_OF_SZ, FN)                                                      \
    PAIR_ROW(NAME##_asisdpair_H, FMT_H, FN)

PAIRS(FADDP, fpu_add)
PAIRS(FMAXP, fpu_max)
PAIRS(FMINP, fpu_min)
PAIRS(FMAXNMP, fpu_maxnm)
PAIRS(FMINNMP, fpu_minnm)

/* --- Across lanes ----------------------------------------------------------------------------------------------------------- */

/* Reduce(): neighbours, then neighbours of the results. Which NaN comes out depends on it. */
#define ACROSS_ROW(NAME, FMT, LANES, FN)                                                           \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const enum fp_fmt f = FMT;                                                                 \
        union vreg v = c->st.v[a->n];                                                              \
                                                                                                   \
        for (unsigned left = LANES; left > 1; left /= 2)                                           \
            for (unsigned e = 0; e < left / 2; e++)                                                \
                lane_set(&v, f, e,                                                                 \
                         FN(f, lane_get(&v, f, 2 * e), lane_get(&v, f, 2 * e + 1), &c->st.fp));    \
        scalar_set(c, a->d, lane_get(&v, f, 0));                                                   \
        return insn + 1;                                                                           \
    }

#define ACROSS(NAME, FN)                                                                           \
    ACROSS_ROW(NAME##_asimdall, FMT_S, 4, FN)                                                      \
    ACROSS_ROW(NAME##_asimdall_H, FMT_H, VECTOR, FN)

ACROSS(FMAXV, fpu_max)
ACROSS(FMINV, fpu_min)
ACROSS(FMAXNMV, fpu_maxnm)
ACROSS(FMINNMV, fpu_minnm)

/* --- Complex numbers: lanes 2i and 2i + 1 are real and imaginary parts ---------------------------------------------------------- */

/* Vn and Vm turned by 90 or 270 degrees. */
OP(FCADD_asimdsame2)
{
    const enum fp_fmt f = FMT_OF_SIZE;
    const union vreg *n = &c->st.v[a->n], *m = &c->st.v[a->m];
    union vreg r = {.d = {0, 0}};

    for (unsigned e = 0; e < VECTOR; e += 2) {
        const uint64_t re = lane_get(m, f, e), im = lane_get(m, f, e + 1);

        lane_set(&r, f, e, fpu_add(f, lane_get(n, f, e), rot ? im : FP_NEG(im), &c->st.fp));
        lane_set(&r, f, e + 1, fpu_add(f, lane_get(n, f, e + 1), rot ? FP_NEG(re) : re, &c->st.fp));
    }
    c->st.v[a->d] = r;
    return insn + 1;
}

/* Half of a complex product, that with the real or with the imaginary part of Vn, turned by rot times 90 degrees, is added to Vd.
 * (re, im) is the factor of Vm. */
static inline __attribute__((always_inline)) void complex_muladd(struct cpu *c, enum fp_fmt f,
                                                                 unsigned rot, union vreg *r,
                                                                 const union vreg *n,
                                                                 const union vreg *d, unsigned e,
                                                                 uint64_t re, uint64_t im)
{
    const uint64_t x = lane_get(n, f, e + (rot & 1));
    const uint64_t to_re = rot & 1 ? im : re, to_im = rot & 1 ? re : im;

    lane_set(r, f, e,
             fpu_muladd(f, lane_get(d, f, e), x, rot == 1 || rot == 2 ? FP_NEG(to_re) : to_re,
                        &c->st.fp));
    lane_set(r, f, e + 1,
             fpu_muladd(f, lane_get(d, f, e + 1), x, rot & 2 ? FP_NEG(to_im) : to_im, &c->st.fp));
}

#define COMPLEX_ROW(NAME, FMT, LANES, AT)                                                          \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const enum fp_fmt f = FMT;                                                                 \
        const union vreg *m = &c->st.v[a->m];                                                      \
        union vreg r = {.d = {0, 0}};                                                              \
                                                                                                   \
        for (unsigned e = 0; e < LANES; e += 2)                                                    \
            complex_muladd(c, f, rot, &r, &c->st.v[a->n], &c->st.v[a->d], e, lane_get(m, f, AT),   \
                           lane_get(m, f, AT + 1));                                                \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
    }

COMPLEX_ROW(FCMLA_asimdsame2, FMT_OF_SIZE, VECTOR, e)
COMPLEX_ROW(FCMLA_asimdelem_H, FMT_H, VECTOR, 2 * a->index)
COMPLEX_ROW(FCMLA_asimdelem_S, FMT_S, 4, 2 * a->index)

/* --- Half-precision factors of single-precision sums (FEAT_FHM) ------------------------------------------------------------------ */

/* FMLAL takes the lower half of the halves that Q gives, FMLAL2 the upper one. */
#define LONG_ROW(NAME, UPPER, NEGATE, Y)                                                           \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned lanes = 2u << Q;                                                            \
        const union vreg *n = &c->st.v[a->n], *m = &c->st.v[a->m], *d = &c->st.v[a->d];            \
        union vreg r = {.d = {0, 0}};                                                              \
                                                                                                   \
        for (unsigned e = 0; e < lanes; e++) {                                                     \
            const unsigned from = (UPPER ? lanes : 0) + e;                                         \
            const uint64_t x = n->h[from] ^ (NEGATE ? 0x8000u : 0);                                \
            r.s[e] = (uint32_t)fp_muladd_half(d->s[e], x, m->h[Y], &c->st.fp);                     \
        }                                                                                          \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
    }

LONG_ROW(FMLAL_asimdsame, false, false, from)
LONG_ROW(FMLAL2_asimdsame, true, false, from)
LONG_ROW(FMLSL_asimdsame, false, true, from)
LONG_ROW(FMLSL2_asimdsame, true, true, from)
LONG_ROW(FMLAL_asimdelem, false, false, a->index)
LONG_ROW(FMLAL2_asimdelem, true, false, a->index)
LONG_ROW(FMLSL_asimdelem, false, true, a->index)
LONG_ROW(FMLSL2_asimdelem, true, true, a->index)

/* --- BFloat16 ---------------------------------------------------------------------------------------------------------------------- */

#define BFDOT_ROW(NAME, AT)                                                                        \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const union vreg n = c->st.v[a->n], m = c->st.v[a->m], d = c->st.v[a->d];                  \
        union vreg r = {.d = {0, 0}};                                                              \
                                                                                                   \
        for (unsigned e = 0; e < (2u << Q); e++)                                                   \
            r.s[e] = (uint32_t)fp_bf16_dot_add(d.s[e], n.h[2 * e], n.h[2 * e + 1], m.h[2 * (AT)],  \
                                               m.h[2 * (AT) + 1]);                                 \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
    }

BFDOT_ROW(BFDOT_asimdsame2, e)
BFDOT_ROW(BFDOT_asimdelem, a->index)

/* BFMatMulAdd(): Vd, two by two, plus Vn, two rows of four, times Vm, two columns of four. */
OP(BFMMLA_asimdsame2)
{
    const union vreg n = c->st.v[a->n], m = c->st.v[a->m];
    union vreg r = c->st.v[a->d];

    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; j < 2; j++)
            for (unsigned k = 0; k < 4; k += 2)
                r.s[2 * i + j] =
                    (uint32_t)fp_bf16_dot_add(r.s[2 * i + j], n.h[4 * i + k], n.h[4 * i + k + 1],
                                              m.h[4 * j + k], m.h[4 * j + k + 1]);
    c->st.v[a->d] = r;
    return insn + 1;
}

/* BFMulAddH(): the even lanes of Vn and Vm, or with Q the odd ones, made singles. */
#define BFMLAL_ROW(NAME, AT)                                                                       \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const union vreg n = c->st.v[a->n], m = c->st.v[a->m], d = c->st.v[a->d];                  \
        union vreg r;                                                                              \
                                                                                                   \
        for (unsigned e = 0; e < 4; e++) {                                                         \
            const uint64_t x = (uint32_t)n.h[2 * e + Q] << 16, y = (uint32_t)m.h[AT] << 16;        \
            r.s[e] = (uint32_t)fpu_muladd(FMT_S, d.s[e], x, y, &c->st.fp);                         \
        }                                                                                          \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
    }

BFMLAL_ROW(BFMLAL_asimdsame2, 2 * e + Q)
BFMLAL_ROW(BFMLAL_asimdelem, a->index)
