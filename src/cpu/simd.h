/* What the Advanced SIMD instruction functions are written with: loops over lanes. Included by src/cpu/op_simd_*.c after interp.h.
 *
 *   VECTOR(SMAX, SIGNED, x > y ? x : y)
 *
 * makes the body of the row SMAX_asimdsame: for each lane, an expression over the lanes of the operands (x of Vn, y of Vm, z of Vd as it was) in
 * which T is the lane's type, W one in which sums, doubled products and shifted values of T have room, BITS the width of T. The families
 * differ in where the lanes are: see each. The loops have constant bounds, and the compilers make vector code of them.
 *
 * Specification: DDI 0487, "A64 Advanced SIMD and Floating-point Instruction Descriptions"; "Shared pseudocode", SatQ(). */
#ifndef VIBE_CPU_SIMD_H
#define VIBE_CPU_SIMD_H

#include "cpu/interp.h"

#include "gen/sysreg_fields.h" /* FPSR_QC */

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

/* --- Lanes by size: member of union vreg, type ------------------------------------------------------------------------ */

#define LANE_SIGNED0 sb
#define LANE_SIGNED1 sh
#define LANE_SIGNED2 ss
#define LANE_SIGNED3 sd
#define LANE_UNSIGNED0 b
#define LANE_UNSIGNED1 h
#define LANE_UNSIGNED2 s
#define LANE_UNSIGNED3 d
#define TYPE_SIGNED0 int8_t
#define TYPE_SIGNED1 int16_t
#define TYPE_SIGNED2 int32_t
#define TYPE_SIGNED3 int64_t
#define TYPE_UNSIGNED0 uint8_t
#define TYPE_UNSIGNED1 uint16_t
#define TYPE_UNSIGNED2 uint32_t
#define TYPE_UNSIGNED3 uint64_t

/* LOOP(member, type, wide type, ...) for the row's size, which is a compile-time constant. */
#define BY_SIZE(LOOP, SIGN, ...)                                                                   \
    switch (size) {                                                                                \
    case 0: LOOP(LANE_##SIGN##0, TYPE_##SIGN##0, int32_t, __VA_ARGS__) break;                      \
    case 1: LOOP(LANE_##SIGN##1, TYPE_##SIGN##1, int32_t, __VA_ARGS__) break;                      \
    case 2: LOOP(LANE_##SIGN##2, TYPE_##SIGN##2, int64_t, __VA_ARGS__) break;                      \
    default: LOOP(LANE_##SIGN##3, TYPE_##SIGN##3, s128, __VA_ARGS__) break;                        \
    }

/* LOOP(narrow member, narrow type, wide member, wide type, widest type, ...): size is the narrow one's, 0 to 2. */
#define BY_SIZES(LOOP, SIGN, SIGN2, ...)                                                             \
    switch (size) {                                                                                  \
    case 0:                                                                                          \
        LOOP(LANE_##SIGN##0, TYPE_##SIGN##0, LANE_##SIGN2##1, TYPE_##SIGN2##1, int32_t, __VA_ARGS__) \
        break;                                                                                       \
    case 1:                                                                                          \
        LOOP(LANE_##SIGN##1, TYPE_##SIGN##1, LANE_##SIGN2##2, TYPE_##SIGN2##2, int64_t, __VA_ARGS__) \
        break;                                                                                       \
    default:                                                                                         \
        LOOP(LANE_##SIGN##2, TYPE_##SIGN##2, LANE_##SIGN2##3, TYPE_##SIGN2##3, s128, __VA_ARGS__)    \
        break;                                                                                       \
    }

/* --- Saturation ------------------------------------------------------------------------------------------------------ */

#define BITS ((int)(8 * sizeof(T)))
#define IS_SIGNED(T) ((T)-1 < 1)
#define T_MAX                                                                                      \
    ((W)(IS_SIGNED(T) ? ((W)1 << (BITS - 1)) - 1 : ((W)1 << (BITS - 1)) - 1 + ((W)1 << (BITS - 1))))
#define T_MIN ((W)(IS_SIGNED(T) ? -((W)1 << (BITS - 1)) : 0))

/* The bits of x read with the other sign, in W. */
#define AS_SIGNED(x) ((W)(x) - ((x) > (T)(T_MAX >> 1) ? T_MAX + 1 : 0)) /* T is unsigned */
#define AS_UNSIGNED(x) ((W)(x) + ((x) < 0 ? 2 * (T_MAX + 1) : 0))       /* T is signed */

/* --- Shifts by 0 to 128 ------------------------------------------------------------------------------------------------ */

#define SHIFT_RIGHT(x, by)                                                                         \
    (IS_SIGNED(T) ? (x) >> ((by) < BITS ? (by) : BITS - 1) : (by) < BITS ? (x) >> (by) : 0)
/* To nearest, halves up; by is not 0. The last bit shifted out is the one that decides, and beyond BITS there is none. */
#define ROUNDING_SHIFT_RIGHT(x, by)                                                                \
    ((by) > BITS ? 0 : SHIFT_RIGHT(x, by) + (SHIFT_RIGHT(x, (by)-1) & 1))
/* In W; beyond T's width, anything that saturates as it should. */
#define WIDE_LEFT(x, by)                                                                           \
    ((by) < BITS ? (W)(x) * ((W)1 << (by)) : (x) > 0 ? T_MAX + 1 : (x) ? T_MIN - 1 : 0)

/* --- Where lanes are ------------------------------------------------------------------------------------------------- */

/* Lanes of T in a vector of 64 << Q bits; the other families have their own. */
#define NR_VECTOR(T) ((8u << Q) / sizeof(T))
#define NR_SCALAR(T) 1u
/* Where the half begins that a long or narrowing row works on: Q picks the upper one ("2" in the name). */
#define HALF(T) (Q ? 8u / sizeof(T) : 0u)

/* --- Families of loops ------------------------------------------------------------------------------------------------ */

#define TYPES(T_, W_)                                                                              \
    typedef T_ T;                                                                                  \
    typedef W_ W __attribute__((unused));

/* Lane by lane. */
#define EACH(F, T_, W_, NR, EXPR)                                                                  \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        for (unsigned e = 0; e < NR(T); e++) {                                                     \
            const T x = n.F[e], y = m.F[e], z = d.F[e];                                            \
            (void)x, (void)y, (void)z;                                                             \
            r.F[e] = (T)(EXPR);                                                                    \
        }                                                                                          \
    }

/* The expression is of W, and saturates to T. */
#define EACH_SAT(F, T_, W_, NR, EXPR)                                                              \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        for (unsigned e = 0; e < NR(T); e++) {                                                     \
            const T x = n.F[e], y = m.F[e], z = d.F[e];                                            \
            (void)x, (void)y, (void)z;                                                             \
            const W w = (EXPR), s = w > T_MAX ? T_MAX : w < T_MIN ? T_MIN : w;                     \
            r.F[e] = (T)s;                                                                         \
            saturated |= s != w;                                                                   \
        }                                                                                          \
    }

/* x and y are neighbours in Vm:Vn. */
#define EACH_PAIR(F, T_, W_, NR, EXPR)                                                             \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        for (unsigned e = 0; e < NR(T); e++) {                                                     \
            const union vreg *from = e < NR(T) / 2 ? &n : &m;                                      \
            const T x = from->F[2 * e % NR(T)], y = from->F[2 * e % NR(T) + 1];                    \
            r.F[e] = (T)(EXPR);                                                                    \
        }                                                                                          \
    }

/* From narrow lanes x, y (T), FROM on, to a wide one z (T2), of which there are NR. */
#define EACH_LONG(F, T_, F2, T2_, W_, NR, FROM, EXPR)                                              \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        typedef T2_ T2;                                                                            \
        for (unsigned e = 0; e < NR; e++) {                                                        \
            const T x = n.F[FROM + e], y = m.F[FROM + e];                                          \
            const T2 z = d.F2[e];                                                                  \
            (void)x, (void)y, (void)z;                                                             \
            r.F2[e] = (T2)(EXPR);                                                                  \
        }                                                                                          \
    }

/* From a wide lane x (T2) and a narrow one y (T) to a wide one. */
#define EACH_WIDE(F, T_, F2, T2_, W_, NR, FROM, EXPR)                                              \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        typedef T2_ T2;                                                                            \
        for (unsigned e = 0; e < NR; e++) {                                                        \
            const T y = m.F[FROM + e];                                                             \
            const T2 x = n.F2[e];                                                                  \
            r.F2[e] = (T2)(EXPR);                                                                  \
        }                                                                                          \
    }

/* From wide lanes x, y (T2) to a narrow one, FROM on. */
#define EACH_NARROW(F, T_, F2, T2_, W_, NR, FROM, EXPR)                                            \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        typedef T2_ T2;                                                                            \
        for (unsigned e = 0; e < NR; e++) {                                                        \
            const T2 x = n.F2[e], y = m.F2[e];                                                     \
            (void)x, (void)y;                                                                      \
            r.F[FROM + e] = (T)(EXPR);                                                             \
        }                                                                                          \
    }

#define EACH_NARROW_SAT(F, T_, F2, T2_, W_, NR, FROM, EXPR)                                        \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        typedef T2_ T2;                                                                            \
        for (unsigned e = 0; e < NR; e++) {                                                        \
            const T2 x = n.F2[e];                                                                  \
            const W w = (EXPR), s = w > T_MAX ? T_MAX : w < T_MIN ? T_MIN : w;                     \
            r.F[FROM + e] = (T)s;                                                                  \
            saturated |= s != w;                                                                   \
        }                                                                                          \
    }

/* Neighbours x and y of Vn, to a wide lane z. */
#define EACH_PAIR_LONG(F, T_, F2, T2_, W_, NR, EXPR)                                               \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        typedef T2_ T2;                                                                            \
        for (unsigned e = 0; e < NR(T2); e++) {                                                    \
            const T x = n.F[2 * e], y = n.F[2 * e + 1];                                            \
            const T2 z = d.F2[e];                                                                  \
            (void)z;                                                                               \
            r.F2[e] = (T2)(EXPR);                                                                  \
        }                                                                                          \
    }

/* --- Single lanes ---------------------------------------------------------------------------------------------------- */

static inline uint64_t lane_get(const union vreg *v, unsigned size, unsigned index)
{
    switch (size) {
    case 0: return v->b[index];
    case 1: return v->h[index];
    case 2: return v->s[index];
    default: return v->d[index];
    }
}

/* val, of 8 << size bits, in all lanes. */
static inline union vreg replicate(uint64_t val, unsigned size, unsigned q)
{
    static const uint64_t ones[] = {0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 1};
    const uint64_t half = (val & mask64(8u << size)) * ones[size];

    return (union vreg){{half, q ? half : 0}};
}

/* --- Rows ------------------------------------------------------------------------------------------------------------ */

/* The body of a row: n, m and d are what the registers hold, VM says how m is come by; r, from R on, is what Vd gets. */
#define LANES(NAME, VM, R, LOOPS)                                                                  \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const union vreg n = c->st.v[a->n], m = VM, d = c->st.v[a->d];                             \
        union vreg r = {{R, 0}};                                                                   \
        unsigned saturated = 0;                                                                    \
                                                                                                   \
        (void)m, (void)d;                                                                          \
        LOOPS                                                                                      \
        c->st.v[a->d] = r;                                                                         \
        if (unlikely(saturated))                                                                   \
            c->st.fpsr |= FPSR_QC;                                                                 \
        return insn + 1;                                                                           \
    }

#define VM_REGISTER c->st.v[a->m]
#define VM_NONE c->st.v[a->n]
#define VM_ELEMENT replicate(lane_get(&c->st.v[a->m], size, a->index), size, 1)

/* What an instruction that narrows leaves of Vd: the lower half, if it writes the upper one. */
#define LOWER_HALF (Q ? d.d[0] : 0)

#define LONG_VECTOR 8u / sizeof(T), HALF(T)
#define LONG_SCALAR 1u, 0u

#endif
