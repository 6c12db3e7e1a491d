/* Advanced SIMD on integers where lengths differ: long, wide and narrowing, three registers or by element.
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_simd.isa. The language of the rows: cpu/simd.h.
 * Specification: DDI 0487, "Advanced SIMD three different", "... vector x indexed element", and the scalar ones. */
#include "cpu/simd.h"

#define LONG(NAME, SIGN, EXPR)                                                                     \
    LANES(NAME##_asimddiff, VM_REGISTER, 0, BY_SIZES(EACH_LONG, SIGN, SIGN, LONG_VECTOR, EXPR))
#define WIDE(NAME, SIGN, EXPR)                                                                     \
    LANES(NAME##_asimddiff, VM_REGISTER, 0, BY_SIZES(EACH_WIDE, SIGN, SIGN, LONG_VECTOR, EXPR))
#define NARROW(NAME, EXPR)                                                                         \
    LANES(NAME##_asimddiff, VM_REGISTER, LOWER_HALF,                                               \
          BY_SIZES(EACH_NARROW, UNSIGNED, UNSIGNED, LONG_VECTOR, EXPR))
#define LONG_ELEMENT(NAME, SIGN, EXPR)                                                             \
    LONG(NAME, SIGN, EXPR)                                                                         \
    LANES(NAME##_asimdelem, VM_ELEMENT, 0, BY_SIZES(EACH_LONG, SIGN, SIGN, LONG_VECTOR, EXPR))

/* --- Add, subtract ---------------------------------------------------------------------------------------------------- */

LONG(SADDL, SIGNED, (T2)x + y)
LONG(UADDL, UNSIGNED, (T2)x + y)
LONG(SSUBL, SIGNED, (T2)x - y)
LONG(USUBL, UNSIGNED, (T2)x - y)

/* These wrap. */
#define U64(x) ((uint64_t)(x))

WIDE(SADDW, SIGNED, U64(x) + U64(y))
WIDE(UADDW, UNSIGNED, U64(x) + U64(y))
WIDE(SSUBW, SIGNED, U64(x) - U64(y))
WIDE(USUBW, UNSIGNED, U64(x) - U64(y))

#define DIFFERENCE (x > y ? (T2)x - y : (T2)y - x)

LONG(SABDL, SIGNED, DIFFERENCE)
LONG(UABDL, UNSIGNED, DIFFERENCE)
LONG(SABAL, SIGNED, U64(z) + U64(DIFFERENCE))
LONG(UABAL, UNSIGNED, U64(z) + U64(DIFFERENCE))

#define HALF_UP ((T2)1 << (BITS - 1))

NARROW(ADDHN, (T2)(x + y) >> BITS)
NARROW(RADDHN, (T2)(x + y + HALF_UP) >> BITS)
NARROW(SUBHN, (T2)(x - y) >> BITS)
NARROW(RSUBHN, (T2)(x - y + HALF_UP) >> BITS)

/* --- Multiply --------------------------------------------------------------------------------------------------------- */

LONG_ELEMENT(SMULL, SIGNED, (T2)x *y)
LONG_ELEMENT(UMULL, UNSIGNED, (T2)((T2)x *y))
LONG_ELEMENT(SMLAL, SIGNED, U64(z) + U64((T2)x * y))
LONG_ELEMENT(UMLAL, UNSIGNED, U64(z) + U64((T2)x * y))
LONG_ELEMENT(SMLSL, SIGNED, U64(z) - U64((T2)x * y))
LONG_ELEMENT(UMLSL, UNSIGNED, U64(z) - U64((T2)x * y))

#define CLAMP(w) ((w) > W_MAX ? W_MAX : (w) < W_MIN ? W_MIN : (w))

/* The doubled product saturates, and again what it is added to, or subtracted from: SUM, of z and the product p. W has one bit more
 * than T2 at least. */
#define EACH_DOUBLED(F, T_, F2, T2_, W_, NR, FROM, SUM)                                            \
    {                                                                                              \
        typedef T_ T;                                                                              \
        const W_ W_MAX = (W_)(((W_)1 << (16 * sizeof(T) - 1)) - 1), W_MIN = -W_MAX - 1;            \
        for (unsigned e = 0; e < NR; e++) {                                                        \
            const W_ z = d.F2[e], doubled = 2 * (W_)n.F[FROM + e] * m.F[FROM + e];                 \
            const W_ p = CLAMP(doubled), sum = (SUM), s = CLAMP(sum);                              \
            (void)z;                                                                               \
            r.F2[e] = (T2_)s;                                                                      \
            saturated |= p != doubled || s != sum;                                                 \
        }                                                                                          \
    }

#define DOUBLING(NAME, SUM)                                                                           \
    LANES(NAME##_asimddiff, VM_REGISTER, 0, BY_SIZES(EACH_DOUBLED, SIGNED, SIGNED, LONG_VECTOR, SUM)) \
    LANES(NAME##_asisddiff, VM_REGISTER, 0, BY_SIZES(EACH_DOUBLED, SIGNED, SIGNED, LONG_SCALAR, SUM)) \
    LANES(NAME##_asimdelem, VM_ELEMENT, 0, BY_SIZES(EACH_DOUBLED, SIGNED, SIGNED, LONG_VECTOR, SUM))  \
    LANES(NAME##_asisdelem, VM_ELEMENT, 0, BY_SIZES(EACH_DOUBLED, SIGNED, SIGNED, LONG_SCALAR, SUM))

DOUBLING(SQDMULL, p)
DOUBLING(SQDMLAL, z + p)
DOUBLING(SQDMLSL, z - p)

/* --- Polynomials over {0, 1} ------------------------------------------------------------------------------------------ */

OP(PMULL_asimddiff)
{
    const union vreg n = c->st.v[a->n], m = c->st.v[a->m];
    union vreg r = {{0, 0}};

    for (unsigned i = 0; i < 8; i++)
        for (unsigned e = 0; e < 8; e++)
            r.h[e] ^= (uint16_t)(m.b[8 * Q + e] >> i & 1 ? n.b[8 * Q + e] << i : 0);
    c->st.v[a->d] = r;
    return insn + 1;
}

/* Four bits of m at a time, by a table of the multiples of n. */
OP(PMULL_asimddiff_D)
{
    const uint64_t n = c->st.v[a->n].d[Q], m = c->st.v[a->m].d[Q];
    u128 multiple[16] = {0, n}, r = 0;

    for (unsigned i = 2; i < 16; i++)
        multiple[i] = multiple[i / 2] << 1 ^ multiple[i & 1];
    for (unsigned at = 64; at; at -= 4)
        r = r << 4 ^ multiple[m >> (at - 4) & 15];
    c->st.v[a->d] = (union vreg){{(uint64_t)r, (uint64_t)(r >> 64)}};
    return insn + 1;
}
