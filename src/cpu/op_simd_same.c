/* Advanced SIMD on integers, lane by lane: three registers the same, and by element where the result is as wide.
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_simd.isa. The language of the rows: cpu/simd.h.
 * Specification: DDI 0487, "Advanced SIMD three same", "... three-register extension", "... vector x indexed element", and the scalar ones. */
#include "cpu/simd.h"

#define VECTOR(NAME, SIGN, EXPR)                                                                   \
    LANES(NAME##_asimdsame, VM_REGISTER, 0, BY_SIZE(EACH, SIGN, NR_VECTOR, EXPR))
#define SCALAR(NAME, SIGN, EXPR)                                                                   \
    LANES(NAME##_asisdsame, VM_REGISTER, 0, BY_SIZE(EACH, SIGN, NR_SCALAR, EXPR))
#define BOTH(NAME, SIGN, EXPR)                                                                     \
    VECTOR(NAME, SIGN, EXPR)                                                                       \
    SCALAR(NAME, SIGN, EXPR)
#define BOTH_SAT(NAME, SIGN, EXPR)                                                                 \
    LANES(NAME##_asimdsame, VM_REGISTER, 0, BY_SIZE(EACH_SAT, SIGN, NR_VECTOR, EXPR))              \
    LANES(NAME##_asisdsame, VM_REGISTER, 0, BY_SIZE(EACH_SAT, SIGN, NR_SCALAR, EXPR))

/* --- Add, subtract, halve, compare ------------------------------------------------------------------------------------ */

BOTH(ADD, UNSIGNED, x + y)
BOTH(SUB, UNSIGNED, x - y)
BOTH_SAT(SQADD, SIGNED, (W)x + y)
BOTH_SAT(UQADD, UNSIGNED, (W)x + y)
BOTH_SAT(SQSUB, SIGNED, (W)x - y)
BOTH_SAT(UQSUB, UNSIGNED, (W)x - y)

/* The halves of sum and difference, floored, without their carry: x + y = 2 (x & y) + (x ^ y), x - y = (x ^ y) - 2 (~x & y). */
#define HALF_SUM ((x & y) + ((x ^ y) >> 1))
#define HALF_SUM_UP ((x | y) - ((x ^ y) >> 1))
#define HALF_DIFFERENCE (((x ^ y) >> 1) - (~x & y))

VECTOR(SHADD, SIGNED, HALF_SUM)
VECTOR(UHADD, UNSIGNED, HALF_SUM)
VECTOR(SRHADD, SIGNED, HALF_SUM_UP)
VECTOR(URHADD, UNSIGNED, HALF_SUM_UP)
VECTOR(SHSUB, SIGNED, HALF_DIFFERENCE)
VECTOR(UHSUB, UNSIGNED, HALF_DIFFERENCE)

BOTH(CMGT, SIGNED, -(x > y))
BOTH(CMHI, UNSIGNED, -(x > y))
BOTH(CMGE, SIGNED, -(x >= y))
BOTH(CMHS, UNSIGNED, -(x >= y))
BOTH(CMEQ, UNSIGNED, -(x == y))
BOTH(CMTST, UNSIGNED, -((x & y) != 0))

VECTOR(SMAX, SIGNED, x > y ? x : y)
VECTOR(UMAX, UNSIGNED, x > y ? x : y)
VECTOR(SMIN, SIGNED, x < y ? x : y)
VECTOR(UMIN, UNSIGNED, x < y ? x : y)

/* In uint32_t: it may wrap, and lanes of 64 bits do not come here. */
#define DIFFERENCE (x > y ? (uint32_t)x - (uint32_t)y : (uint32_t)y - (uint32_t)x)

VECTOR(SABD, SIGNED, DIFFERENCE)
VECTOR(UABD, UNSIGNED, DIFFERENCE)
VECTOR(SABA, SIGNED, (uint32_t)z + DIFFERENCE)
VECTOR(UABA, UNSIGNED, (uint32_t)z + DIFFERENCE)

/* --- Multiply --------------------------------------------------------------------------------------------------------- */

/* The row of two vectors, and that of a vector and an element. */
#define VECTOR_ELEMENT(NAME, SIGN, EXPR)                                                           \
    VECTOR(NAME, SIGN, EXPR)                                                                       \
    LANES(NAME##_asimdelem, VM_ELEMENT, 0, BY_SIZE(EACH, SIGN, NR_VECTOR, EXPR))

VECTOR_ELEMENT(MUL, UNSIGNED, (uint32_t)x *y)
VECTOR_ELEMENT(MLA, UNSIGNED, z + (uint32_t)x * y)
VECTOR_ELEMENT(MLS, UNSIGNED, z - (uint32_t)x * y)

OP(PMUL_asimdsame)
{
    const union vreg n = c->st.v[a->n], m = c->st.v[a->m];
    union vreg r = {{0, 0}};

    for (unsigned i = 0; i < 8; i++)
        for (unsigned e = 0; e < 8u << Q; e++)
            r.b[e] ^= (uint8_t)(m.b[e] >> i & 1 ? n.b[e] << i : 0);
    c->st.v[a->d] = r;
    return insn + 1;
}

/* Half of the doubled product, which has room in W; and with Vd's lane as the upper half of what it is added to. */
#define DOUBLED_HIGH(ROUND) (((W)x * y + (ROUND ? (W)1 << (BITS - 2) : 0)) >> (BITS - 1))
#define DOUBLED_HIGH_ADD(SIGN)                                                                     \
    (((W)z * ((W)1 << (BITS - 1)) SIGN(W) x * y + ((W)1 << (BITS - 2))) >> (BITS - 1))

#define DOUBLING(NAME, CLASS, EXPR)                                                                \
    LANES(NAME##_asimd##CLASS, VM_REGISTER, 0, BY_SIZE(EACH_SAT, SIGNED, NR_VECTOR, EXPR))         \
    LANES(NAME##_asisd##CLASS, VM_REGISTER, 0, BY_SIZE(EACH_SAT, SIGNED, NR_SCALAR, EXPR))         \
    LANES(NAME##_asimdelem, VM_ELEMENT, 0, BY_SIZE(EACH_SAT, SIGNED, NR_VECTOR, EXPR))             \
    LANES(NAME##_asisdelem, VM_ELEMENT, 0, BY_SIZE(EACH_SAT, SIGNED, NR_SCALAR, EXPR))

DOUBLING(SQDMULH, same, DOUBLED_HIGH(0))
DOUBLING(SQRDMULH, same, DOUBLED_HIGH(1))
DOUBLING(SQRDMLAH, same2, DOUBLED_HIGH_ADD(+))
DOUBLING(SQRDMLSH, same2, DOUBLED_HIGH_ADD(-))

/* --- Logical ---------------------------------------------------------------------------------------------------------- */

#define LOGICAL(NAME, EXPR)                                                                        \
    OP(NAME##_asimdsame)                                                                           \
    {                                                                                              \
        const union vreg n = c->st.v[a->n], m = c->st.v[a->m], d = c->st.v[a->d];                  \
        union vreg r = {{0, 0}};                                                                   \
                                                                                                   \
        for (unsigned e = 0; e < 1u + Q; e++) {                                                    \
            const uint64_t x = n.d[e], y = m.d[e], z = d.d[e];                                     \
            (void)z;                                                                               \
            r.d[e] = EXPR;                                                                         \
        }                                                                                          \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
    }

LOGICAL(AND, x &y)
LOGICAL(BIC, x & ~y)
LOGICAL(ORR, x | y)
LOGICAL(ORN, x | ~y)
LOGICAL(EOR, x ^ y)
LOGICAL(BSL, y ^ ((y ^ x) & z))
LOGICAL(BIT, z ^ ((z ^ x) & y))
LOGICAL(BIF, z ^ ((z ^ x) & ~y))

/* --- Shift by register ------------------------------------------------------------------------------------------------ */

/* y's low byte, signed, is how far to the left. */
#define BY ((int8_t)y)
#define LEFT (BY < BITS ? (T)((uint64_t)x << BY) : 0)

BOTH(SSHL, SIGNED, BY >= 0 ? LEFT : SHIFT_RIGHT(x, -BY))
BOTH(USHL, UNSIGNED, BY >= 0 ? LEFT : SHIFT_RIGHT(x, -BY))
BOTH(SRSHL, SIGNED, BY >= 0 ? LEFT : ROUNDING_SHIFT_RIGHT(x, -BY))
BOTH(URSHL, UNSIGNED, BY >= 0 ? LEFT : ROUNDING_SHIFT_RIGHT(x, -BY))

BOTH_SAT(SQSHL, SIGNED, BY >= 0 ? WIDE_LEFT(x, BY) : (W)SHIFT_RIGHT(x, -BY))
BOTH_SAT(UQSHL, UNSIGNED, BY >= 0 ? WIDE_LEFT(x, BY) : (W)SHIFT_RIGHT(x, -BY))
BOTH_SAT(SQRSHL, SIGNED, BY >= 0 ? WIDE_LEFT(x, BY) : (W)ROUNDING_SHIFT_RIGHT(x, -BY))
BOTH_SAT(UQRSHL, UNSIGNED, BY >= 0 ? WIDE_LEFT(x, BY) : (W)ROUNDING_SHIFT_RIGHT(x, -BY))

/* --- Pairwise --------------------------------------------------------------------------------------------------------- */

#define PAIRWISE(NAME, SIGN, EXPR)                                                                 \
    LANES(NAME##_asimdsame, VM_REGISTER, 0, BY_SIZE(EACH_PAIR, SIGN, NR_VECTOR, EXPR))

PAIRWISE(ADDP, UNSIGNED, x + y)
PAIRWISE(SMAXP, SIGNED, x > y ? x : y)
PAIRWISE(UMAXP, UNSIGNED, x > y ? x : y)
PAIRWISE(SMINP, SIGNED, x < y ? x : y)
PAIRWISE(UMINP, UNSIGNED, x < y ? x : y)

/* --- Dot products and matrices of bytes ------------------------------------------------------------------------------- */

/* Four bytes of Vn with four of Vm, by BYTES_N and BYTES_M; in the form by element, always the same four of Vm. */
#define DOT(NAME, BYTES_N, BYTES_M, VM)                                                            \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const union vreg n = c->st.v[a->n], m = VM, d = c->st.v[a->d];                             \
        union vreg r = {{0, 0}};                                                                   \
                                                                                                   \
        for (unsigned e = 0; e < 2u << Q; e++) {                                                   \
            int32_t sum = 0;                                                                       \
            for (unsigned i = 4 * e; i < 4 * e + 4; i++)                                           \
                sum += n.BYTES_N[i] * m.BYTES_M[i];                                                \
            r.s[e] = d.s[e] + (uint32_t)sum;                                                       \
        }                                                                                          \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
    }

#define VM_GROUP replicate(c->st.v[a->m].s[a->index], 2, 1)

DOT(SDOT_asimdsame2, sb, sb, VM_REGISTER)
DOT(UDOT_asimdsame2, b, b, VM_REGISTER)
DOT(USDOT_asimdsame2, b, sb, VM_REGISTER)
DOT(SDOT_asimdelem, sb, sb, VM_GROUP)
DOT(UDOT_asimdelem, b, b, VM_GROUP)
DOT(USDOT_asimdelem, b, sb, VM_GROUP)
DOT(SUDOT_asimdelem, sb, b, VM_GROUP)

/* Vn is two rows of eight bytes, Vm two columns, Vd the two by two sums. */
#define MATRIX(NAME, BYTES_N, BYTES_M)                                                             \
    OP(NAME##_asimdsame2)                                                                          \
    {                                                                                              \
        const union vreg n = c->st.v[a->n], m = c->st.v[a->m];                                     \
                                                                                                   \
        for (unsigned e = 0; e < 4; e++) {                                                         \
            int32_t sum = 0;                                                                       \
            for (unsigned i = 0; i < 8; i++)                                                       \
                sum += n.BYTES_N[(e >> 1) * 8 + i] * m.BYTES_M[(e & 1) * 8 + i];                   \
            c->st.v[a->d].s[e] += (uint32_t)sum;                                                   \
        }                                                                                          \
        return insn + 1;                                                                           \
    }

MATRIX(SMMLA, sb, sb)
MATRIX(UMMLA, b, b)
MATRIX(USMMLA, b, sb)
