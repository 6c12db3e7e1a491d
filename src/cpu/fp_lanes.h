/* What the floating-point instruction functions are written with: lanes of V registers by format. Included by src/cpu/op_fp*.c only.
 *
 *   FP_ROW(FADD_asimdsame, FMT_OF_SZ, VECTOR, VM_REGISTER, fpu_add(f, x, y, env))
 *
 * makes the body of a row: for each lane of a format, an expression over the lanes of the operands (x of Vn, y of Vm, z of Vd as it was);
 * f is the format, env FPCR and FPSR. What is above the lanes becomes zero. */
#ifndef VIBE_CPU_FP_LANES_H
#define VIBE_CPU_FP_LANES_H

#include "cpu/fp_fast.h"
#include "cpu/interp.h"

/* --- Formats by the fields that are compile-time constants in a row ----------------------------------------------------- */

static inline enum fp_fmt fmt_of(unsigned ftype)
{
    return ftype == 0 ? FMT_S : ftype == 1 ? FMT_D : FMT_H;
}

#define FMT_OF_SZ (sz ? FMT_D : FMT_S)
#define FMT_OF_SIZE (size == 3 ? FMT_D : size == 2 ? FMT_S : FMT_H)

#define FP_BITS(f) fp_layout[f].bits

/* --- Lanes ----------------------------------------------------------------------------------------------------------------- */

static inline uint64_t lane_get(const union vreg *v, enum fp_fmt f, unsigned e)
{
    return f == FMT_D ? v->d[e] : f == FMT_S ? v->s[e] : v->h[e];
}

/* The bits of val that the lane has. */
static inline void lane_set(union vreg *v, enum fp_fmt f, unsigned e, uint64_t val)
{
    if (f == FMT_D)
        v->d[e] = val;
    else if (f == FMT_S)
        v->s[e] = (uint32_t)val;
    else
        v->h[e] = (uint16_t)val;
}

/* The rest of the register becomes zero. */
static inline void scalar_set(struct cpu *c, unsigned n, uint64_t val)
{
    c->st.v[n] = (union vreg){.d = {val, 0}};
}

/* --- Rows -------------------------------------------------------------------------------------------------------------------- */

/* How many lanes, and where y comes from. */
#define VECTOR ((64u << Q) / FP_BITS(f))
#define SCALAR 1u
#define VM_REGISTER lane_get(&c->st.v[a->m], f, e)
#define VM_ELEMENT lane_get(&c->st.v[a->m], f, a->index)
#define VM_NONE 0

#define FP_ROW(NAME, FMT, LANES, Y, EXPR) FP_ROW_FAST(NAME, FMT, LANES, Y, EXPR, false)

/* If FAST, an expression, says true, it has written the result. It may put an operand into m. */
#define FP_ROW_FAST(NAME, FMT, LANES, Y, EXPR, FAST)                                               \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const enum fp_fmt f = FMT;                                                                 \
        struct fp_env *const env = &c->st.fp;                                                      \
        const union vreg *const n = &c->st.v[a->n];                                                \
        union vreg *const d = &c->st.v[a->d];                                                      \
        union vreg r = {.d = {0, 0}}, m;                                                           \
                                                                                                   \
        (void)env, (void)m;                                                                        \
        if (FAST)                                                                                  \
            return insn + 1;                                                                       \
        for (unsigned e = 0; e < LANES; e++) {                                                     \
            const uint64_t x = lane_get(n, f, e), y = Y, z = lane_get(d, f, e);                    \
            (void)y, (void)z;                                                                      \
            lane_set(&r, f, e, EXPR);                                                              \
        }                                                                                          \
        *d = r;                                                                                    \
        return insn + 1;                                                                           \
    }

/* --- Whole vectors on the host ---------------------------------------------------------------------------------------------- */

/* A register in one piece: what is written in halves does not reach a load of the whole before it is in the host's cache. */
typedef uint32_t fpu_4u __attribute__((vector_size(16)));
typedef uint64_t fpu_2u __attribute__((vector_size(16)));
typedef uint64_t fpu_reg __attribute__((vector_size(16), may_alias));

static inline fpu_2u fpu_vector(const union vreg *v)
{
    return *(const fpu_reg *)v;
}

/* Vectors may be computed as a whole; whether the results will do, vector_done() says. */
static inline bool vector_ready(enum fp_fmt f, const struct fp_env *e)
{
    return FPU_HAS(f) && likely(fpu_rounds(e) && !(e->fpcr & FPCR_FZ));
}

/* Writes the lanes z if each is a number as fpu_normal() wants it, so that nothing else is asked for; else does nothing. A zero, though it
 * may be exact, is left to the lanes. Without Q, the lanes are the lower half's, and the upper one becomes zero. */
static inline bool vector_done(enum fp_fmt f, unsigned q, union vreg *d, fpu_2u z)
{
    fpu_2u ok;

    if (f == FMT_D)
        ok = (fpu_2u)((z & ~(UINT64_C(1) << 63)) - (FPU_MIN_NORMAL(f) + 1) <
                      FPU_INFINITY(f) - (FPU_MIN_NORMAL(f) + 1));
    else
        ok = (fpu_2u)(((fpu_4u)z & 0x7fffffff) - (uint32_t)(FPU_MIN_NORMAL(f) + 1) <
                      (uint32_t)(FPU_INFINITY(f) - (FPU_MIN_NORMAL(f) + 1)));
    if (unlikely((ok[0] & (q ? ok[1] : ~UINT64_C(0))) != ~UINT64_C(0)))
        return false;
    *(fpu_reg *)d = q ? z : (fpu_2u){z[0], 0};
    return true;
}

/* d = n OP m for all lanes; false: nothing is done. */
#define VECTOR_FUNCTION(NAME, OP)                                                                   \
    static inline bool vector_##NAME(enum fp_fmt f, unsigned q, union vreg *d, const union vreg *n, \
                                     const union vreg *m, const struct fp_env *e)                   \
    {                                                                                               \
        const fpu_2u x = fpu_vector(n), y = fpu_vector(m);                                          \
                                                                                                    \
        if (!vector_ready(f, e))                                                                    \
            return false;                                                                           \
        return vector_done(f, q, d,                                                                 \
                           f == FMT_D ? (fpu_2u)((fpu_2d)x OP(fpu_2d) y)                            \
                                      : (fpu_2u)((fpu_4s)x OP(fpu_4s) y));                          \
    }
VECTOR_FUNCTION(add, +)
VECTOR_FUNCTION(sub, -)
VECTOR_FUNCTION(mul, *)
VECTOR_FUNCTION(div, /)

/* d += n * m, likewise; with negate, d -= n * m. */
static inline bool vector_muladd(enum fp_fmt f, unsigned q, union vreg *d, const union vreg *n,
                                 const union vreg *m, bool negate, const struct fp_env *e)
{
    const uint64_t sign = f == FMT_D ? UINT64_C(1) << 63 : UINT64_C(0x8000000080000000);
    const fpu_2u x = fpu_vector(n) ^ (negate ? sign : 0), y = fpu_vector(m), z = fpu_vector(d);

    if (!vector_ready(f, e) || unlikely(!fpu_host_has_fma()))
        return false;
    return vector_done(f, q, d,
                       f == FMT_D ? (fpu_2u)fpu_host_fma_2d((fpu_2d)x, (fpu_2d)y, (fpu_2d)z)
                                  : (fpu_2u)fpu_host_fma_4s((fpu_4s)x, (fpu_4s)y, (fpu_4s)z));
}

/* One lane in all. */
static inline union vreg splat_lane(const union vreg *v, enum fp_fmt f, unsigned index)
{
    const uint64_t x = lane_get(v, f, index), pair = f == FMT_D ? x : x << 32 | x;

    return (union vreg){.d = {pair, pair}};
}

/* --- Comparisons, whose result is all ones or all zeros ------------------------------------------------------------------------ */

static inline uint64_t compare_eq(enum fp_fmt f, uint64_t x, uint64_t y, struct fp_env *e)
{
    return 0 - (uint64_t)(fpu_compare(f, x, y, false, e) == FP_EQUAL);
}

static inline uint64_t compare_ge(enum fp_fmt f, uint64_t x, uint64_t y, struct fp_env *e)
{
    const enum fp_relation is = fpu_compare(f, x, y, true, e);

    return 0 - (uint64_t)(is == FP_EQUAL || is == FP_GREATER);
}

static inline uint64_t compare_gt(enum fp_fmt f, uint64_t x, uint64_t y, struct fp_env *e)
{
    return 0 - (uint64_t)(fpu_compare(f, x, y, true, e) == FP_GREATER);
}

#define FP_ABS(x) ((x) & ~fp_sign_bit(f))
#define FP_NEG(x) ((x) ^ fp_sign_bit(f))

#endif
