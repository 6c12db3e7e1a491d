/* The instructions under "Data Processing -- Register", but for pointer authentication (op_pac.c).
 *
 * Threads: the CPU's own. Rows and operands: spec/a64.isa.
 * Specification: DDI 0487, "A64 Base Instruction Descriptions". */
#include "cpu/alu.h"
#include "cpu/crc32.h"
#include "cpu/interp.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

/* A row that computes Rd by one expression, cut to the width of the row. */
#define ROW(NAME, EXPR)                                                                            \
    OP(NAME)                                                                                       \
    {                                                                                              \
        c->st.x[a->d] = width(sf, EXPR);                                                           \
        return insn + 1;                                                                           \
    }

/* The same for rows that are 64 bits wide or zero-extended by their expression. */
#define ROW64(NAME, EXPR)                                                                          \
    OP(NAME)                                                                                       \
    {                                                                                              \
        c->st.x[a->d] = EXPR;                                                                      \
        return insn + 1;                                                                           \
    }

#define XN c->st.x[a->n]
#define XM c->st.x[a->m]

/* --- Data-processing (2 source) ------------------------------------------------------------------------------------- */

static inline uint64_t divide_unsigned(unsigned sf, uint64_t n, uint64_t m)
{
    if (sf)
        return likely(m != 0) ? n / m : 0;
    return likely((uint32_t)m != 0) ? (uint32_t)n / (uint32_t)m : 0;
}

/* By -1 is a negation: the one quotient that overflows wraps to itself. */
static inline uint64_t divide_signed(unsigned sf, uint64_t n, uint64_t m)
{
    if (sf) {
        if (unlikely(m + 1 <= 1))
            return m ? 0 - n : 0;
        return (uint64_t)((int64_t)n / (int64_t)m);
    }
    if (unlikely((uint32_t)m + 1 <= 1))
        return (uint32_t)m ? (uint32_t)(0 - n) : 0;
    return (uint32_t)((int32_t)n / (int32_t)m);
}

ROW64(UDIV_dp_2src, divide_unsigned(sf, XN, XM))
ROW64(SDIV_dp_2src, divide_signed(sf, XN, XM))

static inline uint64_t shift_left(unsigned sf, uint64_t x, unsigned n)
{
    return sf ? x << (n & 63) : (uint32_t)x << (n & 31);
}

static inline uint64_t shift_right(unsigned sf, uint64_t x, unsigned n)
{
    return sf ? x >> (n & 63) : (uint32_t)x >> (n & 31);
}

static inline uint64_t shift_right_signed(unsigned sf, uint64_t x, unsigned n)
{
    return sf ? (uint64_t)((int64_t)x >> (n & 63)) : (uint32_t)((int32_t)x >> (n & 31));
}

/* In the form that compilers know as one instruction. */
static inline uint64_t rotate_right(unsigned sf, uint64_t x, unsigned n)
{
    uint32_t w = (uint32_t)x;

    return sf ? x >> (n & 63) | x << (-n & 63) : w >> (n & 31) | w << (-n & 31);
}

ROW64(LSLV_dp_2src, shift_left(sf, XN, (unsigned)XM))
ROW64(LSRV_dp_2src, shift_right(sf, XN, (unsigned)XM))
ROW64(ASRV_dp_2src, shift_right_signed(sf, XN, (unsigned)XM))
ROW64(RORV_dp_2src, rotate_right(sf, XN, (unsigned)XM))

ROW64(CRC32_dp_2src, crc32_update(CRC32_IEEE, (uint32_t)XN, XM, 1u << sz))
ROW64(CRC32C_dp_2src, crc32_update(CRC32_CASTAGNOLI, (uint32_t)XN, XM, 1u << sz))

/* --- Data-processing (1 source) ------------------------------------------------------------------------------------- */

/* Swaps neighbouring groups of n bits, where mask has the lower group of each pair. */
#define SWAP_BITS(x, n, mask) (((x) >> (n) & (mask)) | ((x) & (mask)) << (n))

static inline uint64_t reverse_bits(uint64_t x)
{
    x = SWAP_BITS(x, 1, UINT64_C(0x5555555555555555));
    x = SWAP_BITS(x, 2, UINT64_C(0x3333333333333333));
    x = SWAP_BITS(x, 4, UINT64_C(0x0f0f0f0f0f0f0f0f));
    return __builtin_bswap64(x);
}

static inline uint64_t count_leading_zeros(unsigned sf, uint64_t x)
{
    if (sf)
        return x ? (unsigned)__builtin_clzll(x) : 64;
    return (uint32_t)x ? (unsigned)__builtin_clz((uint32_t)x) : 32;
}

/* Bits that differ from their lower neighbour; the one below bit 0 counts as different. */
static inline uint64_t count_leading_signs(unsigned sf, uint64_t x)
{
    x = (x ^ x << 1) | 1;
    return sf ? (unsigned)__builtin_clzll(x) : (unsigned)__builtin_clz((uint32_t)x);
}

ROW64(RBIT_dp_1src, sf ? reverse_bits(XN) : reverse_bits(XN) >> 32)
ROW(REV16_dp_1src, SWAP_BITS(XN, 8, UINT64_C(0x00ff00ff00ff00ff)))
ROW64(REV_32_dp_1src, __builtin_bswap32((uint32_t)XN))
ROW64(REV32_64_dp_1src, rotate_right(1, __builtin_bswap64(XN), 32))
ROW64(REV_64_dp_1src, __builtin_bswap64(XN))
ROW64(CLZ_dp_1src, count_leading_zeros(sf, XN))
ROW64(CLS_dp_1src, count_leading_signs(sf, XN))

/* --- Logical (shifted register) ------------------------------------------------------------------------------------- */

/* ShiftReg(). The kind is a compile-time constant; the decoder lets no amount through that is too large. */
static inline uint64_t shift_reg(unsigned sf, uint64_t x, unsigned kind, unsigned amount)
{
    switch (kind) {
    case 0: return shift_left(sf, x, amount);
    case 1: return shift_right(sf, x, amount);
    case 2: return shift_right_signed(sf, x, amount);
    default: return rotate_right(sf, x, amount);
    }
}

#define SHIFTED shift_reg(sf, XM, shift, a->amount)

/* A row that also sets N and Z. */
#define ROW_LOGICAL_FLAGS(NAME, EXPR)                                                              \
    OP(NAME)                                                                                       \
    {                                                                                              \
        uint64_t r = width(sf, EXPR);                                                              \
        c->st.x[a->d] = r;                                                                         \
        c->st.nzcv = flags_logical(sf, r);                                                         \
        return insn + 1;                                                                           \
    }

ROW(AND_log_shift, XN &SHIFTED)
ROW(BIC_log_shift, XN & ~SHIFTED)
ROW(ORR_log_shift, XN | SHIFTED)
ROW(ORN_log_shift, XN | ~SHIFTED)
ROW(EOR_log_shift, XN ^ SHIFTED)
ROW(EON_log_shift, XN ^ ~SHIFTED)
ROW_LOGICAL_FLAGS(ANDS_log_shift, XN &SHIFTED)
ROW_LOGICAL_FLAGS(BICS_log_shift, XN & ~SHIFTED)

/* --- Add/subtract (shifted register), (extended register) ----------------------------------------------------------- */

/* ExtendReg(), before its shift. option is a compile-time constant. */
static inline uint64_t extend_reg(uint64_t x, unsigned option)
{
    switch (option) {
    case 0: return (uint8_t)x;
    case 1: return (uint16_t)x;
    case 2: return (uint32_t)x;
    case 4: return (uint64_t)(int64_t)(int8_t)x;
    case 5: return (uint64_t)(int64_t)(int16_t)x;
    case 6: return (uint64_t)(int64_t)(int32_t)x;
    default: return x;
    }
}

#define EXTENDED (extend_reg(XM, option) << a->amount)

ROW(ADD_addsub_shift, XN + SHIFTED)
ROW64(ADDS_addsub_shift, add_flags(sf, XN, SHIFTED, &c->st.nzcv))
ROW(SUB_addsub_shift, XN - SHIFTED)
ROW64(SUBS_addsub_shift, sub_flags(sf, XN, SHIFTED, &c->st.nzcv))

ROW(ADD_addsub_ext, XN + EXTENDED)
ROW64(ADDS_addsub_ext, add_flags(sf, XN, EXTENDED, &c->st.nzcv))
ROW(SUB_addsub_ext, XN - EXTENDED)
ROW64(SUBS_addsub_ext, sub_flags(sf, XN, EXTENDED, &c->st.nzcv))

/* --- Add/subtract (with carry) -------------------------------------------------------------------------------------- */

#define CARRY (c->st.nzcv >> 29 & 1)

ROW(ADC_addsub_carry, XN + XM + CARRY)
ROW64(ADCS_addsub_carry, adc_flags(sf, XN, XM, CARRY, &c->st.nzcv))
ROW(SBC_addsub_carry, XN + ~XM + CARRY)
ROW64(SBCS_addsub_carry, adc_flags(sf, XN, ~XM, CARRY, &c->st.nzcv))

/* --- Rotate right into flags; Evaluate into flags ------------------------------------------------------------------- */

OP(RMIF_only_rmif)
{
    uint32_t mask = (uint32_t)a->mask << 28;

    c->st.nzcv = (c->st.nzcv & ~mask) | ((uint32_t)rotate_right(1, XN, a->amount) << 28 & mask);
    return insn + 1;
}

/* SETF8, SETF16: the result is brought to the top of a word; V is bit 8 (16) against the sign bit; C stays. */
OP(SETF_only_setf)
{
    unsigned up = a->sz ? 16 : 24;
    uint32_t r = (uint32_t)XN << up;
    bool v = ((uint32_t)XN << (up - 1) ^ r) >> 31;

    c->st.nzcv = flags_pack(r >> 31, r == 0, false, v) | (c->st.nzcv & PSR_C);
    return insn + 1;
}

/* --- Conditional compare, conditional select ------------------------------------------------------------------------ */

/* Both outcomes are computed: which one it will be is the guest's data, and the host would guess. */
#define ROW_COMPARE(NAME, FLAGS, OPERAND)                                                          \
    OP(NAME)                                                                                       \
    {                                                                                              \
        uint32_t holds = 0 - (uint32_t)cond_holds(c, a->cc), nzcv;                                 \
        FLAGS(sf, XN, OPERAND, &nzcv);                                                             \
        c->st.nzcv = (nzcv & holds) | ((uint32_t)a->nzcv << 28 & ~holds);                          \
        return insn + 1;                                                                           \
    }

ROW_COMPARE(CCMN_condcmp_reg, add_flags, XM)
ROW_COMPARE(CCMP_condcmp_reg, sub_flags, XM)
ROW_COMPARE(CCMN_condcmp_imm, add_flags, a->imm)
ROW_COMPARE(CCMP_condcmp_imm, sub_flags, a->imm)

/* x if the condition holds, else y, without a branch, for the same reason. */
static inline uint64_t select64(const struct cpu *c, uint16_t cc, uint64_t x, uint64_t y)
{
    uint64_t holds = 0 - (uint64_t)cond_holds(c, cc);

    return y ^ ((x ^ y) & holds);
}

ROW(CSEL_condsel, select64(c, a->cc, XN, XM))
ROW(CSINC_condsel, select64(c, a->cc, XN, XM + 1))
ROW(CSINV_condsel, select64(c, a->cc, XN, ~XM))
ROW(CSNEG_condsel, select64(c, a->cc, XN, 0 - XM))

/* --- Data-processing (3 source) ------------------------------------------------------------------------------------- */

#define XA c->st.x[a->a]
#define SIGNED32(x) ((uint64_t)(int64_t)(int32_t)(x))
#define UNSIGNED32(x) ((uint64_t)(uint32_t)(x))

ROW(MADD_dp_3src, XA + XN * XM)
ROW(MSUB_dp_3src, XA - XN * XM)
ROW64(SMADDL_64WA_dp_3src, XA + SIGNED32(XN) * SIGNED32(XM))
ROW64(SMSUBL_64WA_dp_3src, XA - SIGNED32(XN) * SIGNED32(XM))
ROW64(SMULH_64_dp_3src, (uint64_t)(((s128)(int64_t)XN * (int64_t)XM) >> 64))
ROW64(UMADDL_64WA_dp_3src, XA + UNSIGNED32(XN) * UNSIGNED32(XM))
ROW64(UMSUBL_64WA_dp_3src, XA - UNSIGNED32(XN) * UNSIGNED32(XM))
ROW64(UMULH_64_dp_3src, (uint64_t)(((u128)XN * XM) >> 64))
