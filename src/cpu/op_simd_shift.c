/* Advanced SIMD: shifts by immediate.
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_simd.isa. The language of the rows: cpu/simd.h.
 * Specification: DDI 0487, "Advanced SIMD shift by immediate", "Advanced SIMD scalar shift by immediate". */
#include "cpu/simd.h"

#define BOTH(NAME, SIGN, EXPR)                                                                     \
    LANES(NAME##_asimdshf, VM_NONE, 0, BY_SIZE(EACH, SIGN, NR_VECTOR, EXPR))                       \
    LANES(NAME##_asisdshf, VM_NONE, 0, BY_SIZE(EACH, SIGN, NR_SCALAR, EXPR))
#define BOTH_SAT(NAME, SIGN, EXPR)                                                                 \
    LANES(NAME##_asimdshf, VM_NONE, 0, BY_SIZE(EACH_SAT, SIGN, NR_VECTOR, EXPR))                   \
    LANES(NAME##_asisdshf, VM_NONE, 0, BY_SIZE(EACH_SAT, SIGN, NR_SCALAR, EXPR))

/* By 1 to BITS to the right, by 0 to BITS - 1 to the left. */
#define IMM ((int)a->imm)

BOTH(SSHR, SIGNED, SHIFT_RIGHT(x, IMM))
BOTH(USHR, UNSIGNED, SHIFT_RIGHT(x, IMM))
BOTH(SRSHR, SIGNED, ROUNDING_SHIFT_RIGHT(x, IMM))
BOTH(URSHR, UNSIGNED, ROUNDING_SHIFT_RIGHT(x, IMM))
BOTH(SSRA, SIGNED, (uint64_t)z + (uint64_t)SHIFT_RIGHT(x, IMM))
BOTH(USRA, UNSIGNED, z + SHIFT_RIGHT(x, IMM))
BOTH(SRSRA, SIGNED, (uint64_t)z + (uint64_t)ROUNDING_SHIFT_RIGHT(x, IMM))
BOTH(URSRA, UNSIGNED, z + ROUNDING_SHIFT_RIGHT(x, IMM))

BOTH(SHL, UNSIGNED, x << IMM)
/* The bits of Vd that the shift leaves empty stay. */
BOTH(SLI, UNSIGNED, x << IMM | (z & (((T)1 << IMM) - 1)))
BOTH(SRI, UNSIGNED, SHIFT_RIGHT(x, IMM) | (z & ~SHIFT_RIGHT((T) ~(T)0, IMM)))

BOTH_SAT(SQSHL, SIGNED, WIDE_LEFT(x, IMM))
BOTH_SAT(UQSHL, UNSIGNED, WIDE_LEFT(x, IMM))
BOTH_SAT(SQSHLU, UNSIGNED, AS_SIGNED(x) * ((W)1 << IMM))

/* --- Long, narrow ----------------------------------------------------------------------------------------------------- */

LANES(SSHLL_asimdshf, VM_NONE, 0, BY_SIZES(EACH_LONG, SIGNED, SIGNED, LONG_VECTOR, (T2)x *((T2)1 << IMM)))
LANES(USHLL_asimdshf, VM_NONE, 0, BY_SIZES(EACH_LONG, UNSIGNED, UNSIGNED, LONG_VECTOR, (T2)x << IMM))

/* Of T2, with room for the carry of the rounding. */
#define NARROW_RIGHT (x >> IMM)
#define NARROW_RIGHT_ROUNDED ((x >> IMM) + (x >> (IMM - 1) & 1))

#define NARROW(NAME, EXPR)                                                                         \
    LANES(NAME##_asimdshf, VM_NONE, LOWER_HALF,                                                    \
          BY_SIZES(EACH_NARROW, UNSIGNED, UNSIGNED, LONG_VECTOR, EXPR))

NARROW(SHRN, NARROW_RIGHT)
NARROW(RSHRN, NARROW_RIGHT_ROUNDED)

#define NARROW_SAT(NAME, SIGN, SIGN2, EXPR)                                                        \
    LANES(NAME##_asimdshf, VM_NONE, LOWER_HALF,                                                    \
          BY_SIZES(EACH_NARROW_SAT, SIGN, SIGN2, LONG_VECTOR, EXPR))                               \
    LANES(NAME##_asisdshf, VM_NONE, 0, BY_SIZES(EACH_NARROW_SAT, SIGN, SIGN2, LONG_SCALAR, EXPR))

NARROW_SAT(SQSHRN, SIGNED, SIGNED, NARROW_RIGHT)
NARROW_SAT(UQSHRN, UNSIGNED, UNSIGNED, NARROW_RIGHT)
NARROW_SAT(SQSHRUN, UNSIGNED, SIGNED, NARROW_RIGHT)
NARROW_SAT(SQRSHRN, SIGNED, SIGNED, NARROW_RIGHT_ROUNDED)
NARROW_SAT(UQRSHRN, UNSIGNED, UNSIGNED, NARROW_RIGHT_ROUNDED)
NARROW_SAT(SQRSHRUN, UNSIGNED, SIGNED, NARROW_RIGHT_ROUNDED)
