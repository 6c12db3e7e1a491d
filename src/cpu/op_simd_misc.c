/* Advanced SIMD on integers, one source: two-register miscellaneous, across lanes, scalar pairwise.
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_simd.isa. The language of the rows: cpu/simd.h.
 * Specification: DDI 0487, "Advanced SIMD two-register miscellaneous", "... across lanes", "... scalar pairwise". */
#include "arch/fp.h"
#include "cpu/simd.h"

#define VECTOR(NAME, SIGN, EXPR) LANES(NAME, VM_NONE, 0, BY_SIZE(EACH, SIGN, NR_VECTOR, EXPR))
#define SCALAR(NAME, SIGN, EXPR) LANES(NAME, VM_NONE, 0, BY_SIZE(EACH, SIGN, NR_SCALAR, EXPR))
#define BOTH(NAME, SUFFIX, SIGN, EXPR)                                                             \
    VECTOR(NAME##_asimdmisc##SUFFIX, SIGN, EXPR)                                                   \
    SCALAR(NAME##_asisdmisc##SUFFIX, SIGN, EXPR)
#define BOTH_SAT(NAME, SIGN, EXPR)                                                                 \
    LANES(NAME##_asimdmisc, VM_NONE, 0, BY_SIZE(EACH_SAT, SIGN, NR_VECTOR, EXPR))                  \
    LANES(NAME##_asisdmisc, VM_NONE, 0, BY_SIZE(EACH_SAT, SIGN, NR_SCALAR, EXPR))

/* --- Signs, comparison with zero -------------------------------------------------------------------------------------- */

BOTH(NEG, , UNSIGNED, 0 - x)
BOTH(ABS, , SIGNED, x < 0 ? 0 - (uint64_t)x : (uint64_t)x)
BOTH_SAT(SQNEG, SIGNED, -(W)x)
BOTH_SAT(SQABS, SIGNED, x < 0 ? -(W)x : x)
BOTH_SAT(SUQADD, SIGNED, z + AS_UNSIGNED(x))
BOTH_SAT(USQADD, UNSIGNED, z + AS_SIGNED(x))

BOTH(CMGT, _Z, SIGNED, -(x > 0))
BOTH(CMGE, _Z, SIGNED, -(x >= 0))
BOTH(CMEQ, _Z, SIGNED, -(x == 0))
BOTH(CMLE, _Z, SIGNED, -(x <= 0))
BOTH(CMLT, _Z, SIGNED, -(x < 0))

/* --- Bits ------------------------------------------------------------------------------------------------------------- */

static inline int leading_zeros(uint32_t x, int len)
{
    return x ? __builtin_clz(x) - (32 - len) : len;
}

VECTOR(CLZ_asimdmisc, UNSIGNED, leading_zeros((uint32_t)x, BITS))
/* Bits that differ from their lower neighbour: CLS counts those that don't, from the top. */
VECTOR(CLS_asimdmisc, UNSIGNED,
       leading_zeros((uint32_t)(T)(x ^ (T)((T)(x << 1) | (x & 1))) >> 1, BITS - 1))

/* A row that treats each doubleword x by itself. */
#define DOUBLEWORDS(NAME, EXPR)                                                                    \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const union vreg n = c->st.v[a->n];                                                        \
        union vreg r = {{0, 0}};                                                                   \
                                                                                                   \
        for (unsigned e = 0; e < 1u + Q; e++) {                                                    \
            const uint64_t x = n.d[e];                                                             \
            r.d[e] = EXPR;                                                                         \
        }                                                                                          \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
    }

/* Swaps neighbouring groups of by bits, where mask has the lower group of each pair. */
static inline uint64_t swap(uint64_t x, unsigned by, uint64_t mask)
{
    return (x >> by & mask) | (x & mask) << by;
}

#define SWAP1(x) swap(x, 1, UINT64_C(0x5555555555555555))
#define SWAP2(x) swap(x, 2, UINT64_C(0x3333333333333333))
#define SWAP4(x) swap(x, 4, UINT64_C(0x0f0f0f0f0f0f0f0f))
#define SWAP8(x) swap(x, 8, UINT64_C(0x00ff00ff00ff00ff))
#define SWAP16(x) swap(x, 16, UINT64_C(0x0000ffff0000ffff))
#define SWAP32(x) swap(x, 32, UINT64_C(0x00000000ffffffff))

static inline uint64_t count_bits(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    return (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
}

DOUBLEWORDS(CNT_asimdmisc, count_bits(x))
DOUBLEWORDS(NOT_asimdmisc, ~x)
DOUBLEWORDS(RBIT_asimdmisc, SWAP4(SWAP2(SWAP1(x))))
DOUBLEWORDS(REV16_asimdmisc, SWAP8(x))
DOUBLEWORDS(REV32_asimdmisc, SWAP16(size == 0 ? SWAP8(x) : x))
DOUBLEWORDS(REV64_asimdmisc, size == 0 ? __builtin_bswap64(x) : SWAP32(size == 1 ? SWAP16(x) : x))

/* --- Lengths ---------------------------------------------------------------------------------------------------------- */

#define PAIR_LONG(NAME, SIGN, EXPR)                                                                \
    LANES(NAME##_asimdmisc, VM_NONE, 0, BY_SIZES(EACH_PAIR_LONG, SIGN, SIGN, NR_VECTOR, EXPR))

PAIR_LONG(SADDLP, SIGNED, (T2)x + y)
PAIR_LONG(UADDLP, UNSIGNED, (T2)x + y)
PAIR_LONG(SADALP, SIGNED, (uint64_t)z + (uint64_t)((T2)x + y))
PAIR_LONG(UADALP, UNSIGNED, (uint64_t)z + (uint64_t)((T2)x + y))

LANES(SHLL_asimdmisc, VM_NONE, 0, BY_SIZES(EACH_LONG, UNSIGNED, UNSIGNED, LONG_VECTOR, (T2)x << BITS))

LANES(XTN_asimdmisc, VM_NONE, LOWER_HALF, BY_SIZES(EACH_NARROW, UNSIGNED, UNSIGNED, LONG_VECTOR, x))

#define NARROW_SAT(NAME, SIGN, SIGN2)                                                                    \
    LANES(NAME##_asimdmisc, VM_NONE, LOWER_HALF, BY_SIZES(EACH_NARROW_SAT, SIGN, SIGN2, LONG_VECTOR, x)) \
    LANES(NAME##_asisdmisc, VM_NONE, 0, BY_SIZES(EACH_NARROW_SAT, SIGN, SIGN2, LONG_SCALAR, x))

NARROW_SAT(SQXTN, SIGNED, SIGNED)
NARROW_SAT(UQXTN, UNSIGNED, UNSIGNED)
NARROW_SAT(SQXTUN, UNSIGNED, SIGNED)

/* --- Estimates -------------------------------------------------------------------------------------------------------- */

#define WORDS(NAME, FUNCTION)                                                                      \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const union vreg n = c->st.v[a->n];                                                        \
        union vreg r = {{0, 0}};                                                                   \
                                                                                                   \
        for (unsigned e = 0; e < 2u << Q; e++)                                                     \
            r.s[e] = FUNCTION(n.s[e]);                                                             \
        c->st.v[a->d] = r;                                                                         \
        return insn + 1;                                                                           \
    }

WORDS(URECPE_asimdmisc, fp_unsigned_recip_estimate)
WORDS(URSQRTE_asimdmisc, fp_unsigned_rsqrt_estimate)

/* --- Across lanes ----------------------------------------------------------------------------------------------------- */

/* Reduces x, the lanes of Vn, into s. */
#define REDUCE(F, T_, W_, NR, EXPR)                                                                \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        T s = n.F[0];                                                                              \
        for (unsigned e = 1; e < NR(T); e++) {                                                     \
            const T x = n.F[e];                                                                    \
            s = (T)(EXPR);                                                                         \
        }                                                                                          \
        r.F[0] = s;                                                                                \
    }

#define ACROSS(NAME, SIGN, EXPR)                                                                   \
    LANES(NAME##_asimdall, VM_NONE, 0, BY_SIZE(REDUCE, SIGN, NR_VECTOR, EXPR))

ACROSS(ADDV, UNSIGNED, s + x)
ACROSS(SMAXV, SIGNED, s > x ? s : x)
ACROSS(UMAXV, UNSIGNED, s > x ? s : x)
ACROSS(SMINV, SIGNED, s < x ? s : x)
ACROSS(UMINV, UNSIGNED, s < x ? s : x)

#define SUM_LONG(F, T_, F2, T2_, W_, NR)                                                           \
    {                                                                                              \
        typedef T_ T;                                                                              \
        T2_ s = 0;                                                                                 \
        for (unsigned e = 0; e < NR(T); e++)                                                       \
            s = (T2_)(s + n.F[e]);                                                                 \
        r.F2[0] = s;                                                                               \
    }

LANES(SADDLV_asimdall, VM_NONE, 0, BY_SIZES(SUM_LONG, SIGNED, SIGNED, NR_VECTOR))
LANES(UADDLV_asimdall, VM_NONE, 0, BY_SIZES(SUM_LONG, UNSIGNED, UNSIGNED, NR_VECTOR))

OP(ADDP_asisdpair)
{
    const union vreg n = c->st.v[a->n];

    c->st.v[a->d] = (union vreg){{n.d[0] + n.d[1], 0}};
    return insn + 1;
}
