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

#define FP_ROW(NAME, FMT, LANES, Y, EXPR)                                                          \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const enum fp_fmt f = FMT;                                                                 \
        struct fp_env *const env = &c->st.fp;                                                      \
        const union vreg *const n = &c->st.v[a->n], *const d = &c->st.v[a->d];                     \
        union vreg r = {.d = {0, 0}};                                                              \
                                                                                                   \
        (void)env;                                                                                 \
        for (unsigned e = 0; e < LANES; e++) {                                                     \
            const uint64_t x = lane_get(n, f, e), y = Y, z = lane_get(d, f, e);                    \
            (void)y, (void)z;                                                                      \
            lane_set(&r, f, e, EXPR);                                                              \
        }                                                                                          \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
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
