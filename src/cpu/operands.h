/* Function operands of spec/a64.isa: what the decoder makes of an instruction's fields. Pure.
 *
 * Specification: DDI 0487, the decode sections of the instructions. */
#ifndef VIBE_CPU_OPERANDS_H
#define VIBE_CPU_OPERANDS_H

#include "base/bits.h"

/* Register number to slot of pe_state.x[] (arch/state.h): written, XZR discards; or SP. */
static inline uint32_t operand_xw(uint32_t n)
{
    return n == 31 ? 33 : n;
}

static inline uint32_t operand_xs(uint32_t n)
{
    return n == 31 ? 32 : n;
}

static inline int64_t operand_adr(uint32_t immhi, uint32_t immlo)
{
    return sext(immhi << 2 | immlo, 21);
}

static inline int64_t operand_adrp(uint32_t immhi, uint32_t immlo)
{
    return operand_adr(immhi, immlo) * 4096;
}

static inline uint32_t operand_addsub(uint32_t sh, uint32_t imm12)
{
    return sh ? imm12 << 12 : imm12;
}

/* DecodeBitMasks() for logical immediates. */
static inline bool operand_bitmask_ok(uint32_t sf, uint32_t N, uint32_t imms)
{
    if (!sf && N)
        return false;
    const uint32_t size = N << 6 | (~imms & 63);
    if (size < 2)
        return false;
    const uint32_t levels = (1u << (31 - __builtin_clz(size))) - 1;
    return (imms & levels) != levels;
}

static inline uint64_t operand_bitmask(uint32_t sf, uint32_t N, uint32_t immr, uint32_t imms)
{
    const unsigned len = 31u - (unsigned)__builtin_clz((N << 6 | (~imms & 63)) | 1), esize = 1u << len;
    const unsigned s = imms & (esize - 1), r = immr & (esize - 1);
    uint64_t elem = mask64(s + 1);

    if (r)
        elem = ((elem >> r) | (elem << (esize - r))) & mask64(esize);
    for (unsigned w = esize; w < 64; w *= 2)
        elem |= elem << w;
    return sf ? elem : (uint32_t)elem;
}

static inline uint64_t operand_movz(uint32_t hw, uint32_t imm16)
{
    return (uint64_t)imm16 << (16 * hw);
}

static inline uint64_t operand_movn(uint32_t sf, uint32_t hw, uint32_t imm16)
{
    const uint64_t v = ~operand_movz(hw, imm16);
    return sf ? v : (uint32_t)v;
}

static inline uint32_t operand_hw16(uint32_t hw)
{
    return 16 * hw;
}

static inline int64_t operand_branch19(uint32_t imm19)
{
    return sext(imm19, 19) * 4;
}

static inline int64_t operand_branch26(uint32_t imm26)
{
    return sext(imm26, 26) * 4;
}

static inline int64_t operand_branch14(uint32_t imm14)
{
    return sext(imm14, 14) * 4;
}

static inline uint32_t operand_testbit(uint32_t b5, uint32_t b40)
{
    return b5 << 5 | b40;
}

/* ConditionHolds() for all 16 values of NZCV at once: bit i is the answer for NZCV = i. */
static inline uint32_t operand_cond(uint32_t cond)
{
    enum { N = 0xff00, Z = 0xf0f0, C = 0xcccc, V = 0xaaaa };
    const uint32_t ge = ~(uint32_t)(N ^ V) & 0xffff;
    uint32_t m;

    switch (cond >> 1) {
    case 0: m = Z; break;
    case 1: m = C; break;
    case 2: m = N; break;
    case 3: m = V; break;
    case 4: m = C & ~(uint32_t)Z; break;
    case 5: m = ge; break;
    case 6: m = ge & ~(uint32_t)Z; break;
    default: return 0xffff;
    }
    return (cond & 1 ? ~m : m) & 0xffff;
}

static inline int64_t operand_simm9(uint32_t imm9)
{
    return sext(imm9, 9);
}

static inline int64_t operand_simm7_w(uint32_t imm7)
{
    return sext(imm7, 7) * 4;
}

static inline int64_t operand_simm7(uint32_t sf, uint32_t imm7)
{
    return sext(imm7, 7) * (sf ? 8 : 4);
}

static inline int64_t operand_simm10(uint32_t S, uint32_t imm9)
{
    return sext(S << 9 | imm9, 10) * 8;
}

static inline uint32_t operand_uimm12(uint32_t size, uint32_t imm12)
{
    return imm12 << size;
}

static inline uint32_t operand_regoff(uint32_t S, uint32_t size)
{
    return S ? size : 0;
}

static inline uint32_t operand_pstate_field(uint32_t op1, uint32_t op2)
{
    return op1 << 3 | op2;
}

static inline uint32_t operand_sysop(uint32_t op1, uint32_t CRn, uint32_t CRm, uint32_t op2)
{
    return op1 << 11 | CRn << 7 | CRm << 3 | op2;
}

static inline uint32_t operand_sysreg(uint32_t o0, uint32_t op1, uint32_t CRn, uint32_t CRm, uint32_t op2)
{
    return (2 + o0) << 14 | operand_sysop(op1, CRn, CRm, op2);
}

#endif
