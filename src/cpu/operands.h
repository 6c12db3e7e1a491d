/* Operand values that the decoder works out once from the fields of an instruction: operand_<kind>() for each kind named in
 * spec/a64.isa. Pure; included by the generated decoder and by the disassembler.
 *
 * Specification: DDI 0487, the decode pseudocode of each encoding; "DecodeBitMasks", "ConditionHolds". */
#ifndef VIBE_CPU_OPERANDS_H
#define VIBE_CPU_OPERANDS_H

#include "arch/sysreg.h"
#include "base/bits.h"

/* --- Registers: a number to its slot of pe_state.x[] ---------------------------------------------------------------- */

/* Written: XZR is thrown away. */
static inline uint8_t operand_xw(uint32_t n)
{
    return n == 31 ? REG_SINK : (uint8_t)n;
}

/* SP instead of XZR. */
static inline uint8_t operand_xs(uint32_t n)
{
    return n == 31 ? REG_SP : (uint8_t)n;
}

/* --- PC-relative ---------------------------------------------------------------------------------------------------- */

static inline int64_t operand_adr(uint32_t immhi, uint32_t immlo)
{
    return sext(immhi << 2 | immlo, 21);
}

/* In bytes; the handler drops the low 12 bits of the PC. */
static inline int64_t operand_adrp(uint32_t immhi, uint32_t immlo)
{
    return operand_adr(immhi, immlo) * 4096;
}

static inline int32_t operand_branch14(uint32_t imm14)
{
    return (int32_t)sext(imm14 << 2, 16);
}

static inline int32_t operand_branch19(uint32_t imm19)
{
    return (int32_t)sext(imm19 << 2, 21);
}

static inline int32_t operand_branch26(uint32_t imm26)
{
    return (int32_t)sext(imm26 << 2, 28);
}

/* --- Immediates of data processing ---------------------------------------------------------------------------------- */

static inline uint32_t operand_addsub(uint32_t sh, uint32_t imm12)
{
    return sh ? imm12 << 12 : imm12;
}

/* DecodeBitMasks() with immediate TRUE does not say UNDEFINED, nor is N set in a 32-bit instruction. */
static inline bool operand_bitmask_ok(uint32_t sf, uint32_t N, uint32_t imms)
{
    const uint32_t elements = N << 6 | (~imms & 63);

    if ((N && !sf) || elements < 2)
        return false;
    const uint32_t levels = (1u << (31 - __builtin_clz(elements))) - 1;
    return (imms & levels) != levels;
}

/* wmask of DecodeBitMasks(); bits 63:32 are zero in a 32-bit instruction. Anything when not operand_bitmask_ok(). */
static inline uint64_t operand_bitmask(uint32_t sf, uint32_t N, uint32_t immr, uint32_t imms)
{
    const uint32_t elements = N << 6 | (~imms & 63);
    const unsigned len = elements < 2 ? 1 : 31 - (unsigned)__builtin_clz(elements);
    const unsigned esize = 1u << len;
    const unsigned s = imms & (esize - 1), r = immr & (esize - 1);
    uint64_t mask = mask64(s + 1);

    if (r)
        mask = (mask >> r | mask << (esize - r)) & mask64(esize);
    for (unsigned n = esize; n < 64; n *= 2)
        mask |= mask << n;
    return sf ? mask : (uint32_t)mask;
}

static inline uint64_t operand_movz(uint32_t hw, uint32_t imm16)
{
    return (uint64_t)imm16 << (hw * 16);
}

static inline uint64_t operand_movn(uint32_t sf, uint32_t hw, uint32_t imm16)
{
    const uint64_t val = ~operand_movz(hw, imm16);
    return sf ? val : (uint32_t)val;
}

static inline uint8_t operand_hw16(uint32_t hw)
{
    return (uint8_t)(hw * 16);
}

static inline uint8_t operand_testbit(uint32_t b5, uint32_t b40)
{
    return (uint8_t)(b5 << 5 | b40);
}

/* MOVZ or MOVN makes this bitmask too, and is what a disassembler shows as MOV. The manual's MoveWidePreferred() leaves a few such
 * MOVN out; disassemblers do not. */
static inline bool operand_move_wide_preferred(uint32_t sf, uint32_t N, uint32_t imms, uint32_t immr)
{
    const uint32_t width = sf ? 64 : 32;

    if (sf ? !N : N || (imms & 32))
        return false;
    if (imms < 16)
        return (-immr & 15) <= 15 - imms;
    return imms >= width - 17 && (immr & 15) <= imms - (width - 17);
}

/* --- Conditions ----------------------------------------------------------------------------------------------------- */

/* ConditionHolds() for every NZCV at once: bit i is set if it holds where NZCV is i. 0b1111 is always, too. */
static inline uint16_t operand_cond(uint32_t cond)
{
    /*                   NZCV: fedcba9876543210 */
    static const uint16_t holds[8] = {
        0xf0f0, /* EQ: Z */
        0xcccc, /* CS: C */
        0xff00, /* MI: N */
        0xaaaa, /* VS: V */
        0x0c0c, /* HI: C && !Z */
        0xaa55, /* GE: N == V */
        0x0a05, /* GT: N == V && !Z */
        0xffff, /* AL */
    };
    const uint16_t mask = holds[cond >> 1 & 7];
    return (cond & 1) && (cond & 15) != 15 ? (uint16_t)~mask : mask;
}

/* --- Addresses of loads and stores ---------------------------------------------------------------------------------- */

static inline int16_t operand_simm9(uint32_t imm9)
{
    return (int16_t)sext(imm9, 9);
}

/* A pair of X or W registers. */
static inline int16_t operand_simm7(uint32_t sf, uint32_t imm7)
{
    return (int16_t)(sext(imm7, 7) * (sf ? 8 : 4));
}

/* LDPSW. */
static inline int16_t operand_simm7_w(uint32_t imm7)
{
    return operand_simm7(0, imm7);
}

/* LDRAA, LDRAB. */
static inline int16_t operand_simm10(uint32_t S, uint32_t imm9)
{
    return (int16_t)(sext(S << 9 | imm9, 10) * 8);
}

static inline uint16_t operand_uimm12(uint32_t size, uint32_t imm12)
{
    return (uint16_t)(imm12 << size);
}

/* How far the index register is shifted. */
static inline uint8_t operand_regoff(uint32_t S, uint32_t size)
{
    return (uint8_t)(S ? size : 0);
}

/* --- SIMD and floating point ---------------------------------------------------------------------------------------- */

/* LDP and STP. */
static inline int16_t operand_simm7_v(uint32_t opc, uint32_t imm7)
{
    return (int16_t)(sext(imm7, 7) * (4 << opc));
}

/* The access has 1 << size bytes, or 16. */
static inline uint16_t operand_uimm12_v(uint32_t size, uint32_t q, uint32_t imm12)
{
    return (uint16_t)(imm12 << (size + 4 * q));
}

static inline uint8_t operand_regoff_v(uint32_t S, uint32_t size, uint32_t q)
{
    return (uint8_t)(S ? size + 4 * q : 0);
}

/* A lane of LD1 (single structure) and the like: log2 of its bytes, and its number. */
static inline uint8_t operand_lane_size(uint32_t scale, uint32_t size)
{
    return (uint8_t)(scale == 2 && (size & 1) ? 3 : scale);
}

static inline uint8_t operand_lane_index(uint32_t scale, uint32_t Q, uint32_t S, uint32_t size)
{
    return (uint8_t)((Q << 3 | S << 2 | size) >> operand_lane_size(scale, size));
}

/* HighestSetBit() of immh: log2 of the bytes of an element. immh is not 0. */
static inline uint8_t operand_highest(uint32_t immh)
{
    return (uint8_t)(31 - __builtin_clz(immh | 1));
}

/* LowestSetBit() of imm5, likewise. */
static inline uint8_t operand_lowest(uint32_t imm5)
{
    return (uint8_t)__builtin_ctz(imm5 | 0x20);
}

/* VFPExpandImm() for ftype 0 (single), 1 (double), 3 (half): a sign, an exponent of three bits around zero, four bits of fraction. */
static inline uint64_t operand_fpimm(uint32_t ftype, uint32_t imm8)
{
    const unsigned bits = ftype == 0   ? 32
                          : ftype == 1 ? 64
                                       : 16,
                   frac = ftype == 0   ? 23
                          : ftype == 1 ? 52
                                       : 10;
    const uint64_t exp = (UINT64_C(1) << (bits - frac - 2)) + (imm8 >> 4 & 3) - (imm8 & 0x40 ? 4 : 0);

    return (uint64_t)(imm8 >> 7) << (bits - 1) | exp << frac | (uint64_t)(imm8 & 15) << (frac - 4);
}

/* The number of an element: by imm5 of DUP and the like, whose lowest 1 gives the size; by imm4 of INS; of Vm in "by element". */
static inline uint8_t operand_element5(uint32_t imm5)
{
    return (uint8_t)(imm5 >> (operand_lowest(imm5) + 1));
}

static inline uint8_t operand_element4(uint32_t imm5, uint32_t imm4)
{
    return (uint8_t)(imm4 >> operand_lowest(imm5));
}

static inline uint8_t operand_element(uint32_t size, uint32_t H, uint32_t L, uint32_t M)
{
    return (uint8_t)((H << 2 | L << 1 | M) >> (size - 1));
}

/* Vm in "by element": halfwords are of V0 to V15 only, as M is part of the element's number. */
static inline uint8_t operand_vm(uint32_t size, uint32_t M, uint32_t Rm)
{
    return (uint8_t)(size == 1 ? Rm : M << 4 | Rm);
}

/* Shift by immediate. immh is not 0. */
static inline uint8_t operand_shift_right(uint32_t immh, uint32_t immb)
{
    return (uint8_t)((16u << operand_highest(immh)) - (immh << 3 | immb));
}

static inline uint8_t operand_shift_left(uint32_t immh, uint32_t immb)
{
    return (uint8_t)((immh << 3 | immb) - (8u << operand_highest(immh)));
}

/* AdvSIMDExpandImm(), not inverted for MVNI and BIC. With cmode 15, op is an ftype. */
static inline uint64_t operand_expand(uint32_t op, uint32_t cmode, uint32_t abc, uint32_t defgh)
{
    const uint64_t imm8 = abc << 5 | defgh, words = UINT64_C(0x0000000100000001);
    uint64_t bytes = 0;

    if (cmode < 8)
        return (imm8 << 8 * (cmode >> 1)) * words;
    if (cmode < 12)
        return (imm8 << 8 * (cmode >> 1 & 1)) * UINT64_C(0x0001000100010001);
    if (cmode < 14)
        return (cmode & 1 ? imm8 << 16 | 0xffff : imm8 << 8 | 0xff) * words;
    if (cmode == 14 && !op)
        return imm8 * UINT64_C(0x0101010101010101);
    if (cmode == 14) {
        for (unsigned i = 0; i < 8; i++)
            bytes |= bit(imm8, i) ? UINT64_C(0xff) << 8 * i : 0;
        return bytes;
    }
    const uint64_t v = operand_fpimm(op, (uint32_t)imm8);
    return op == 0 ? v * words : op == 1 ? v : v * UINT64_C(0x0001000100010001);
}

/* --- System --------------------------------------------------------------------------------------------------------- */

static inline uint8_t operand_pstate_field(uint32_t op1, uint32_t op2)
{
    return (uint8_t)(op1 << 3 | op2);
}

/* As SYSOP() of cpu/sysops.h. */
static inline uint16_t operand_sysop(uint32_t op1, uint32_t CRn, uint32_t CRm, uint32_t op2)
{
    return (uint16_t)(op1 << 11 | CRn << 7 | CRm << 3 | op2);
}

static inline uint16_t operand_sysreg(uint32_t o0, uint32_t op1, uint32_t CRn, uint32_t CRm, uint32_t op2)
{
    return SYSREG_ENC(2 + o0, op1, CRn, CRm, op2);
}

#endif
