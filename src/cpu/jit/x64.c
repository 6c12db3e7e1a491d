/* The assembler of x64.h. */
#include "cpu/jit/x64.h"

#include "base/bits.h"

#include <string.h>

void x64_byte(struct x64_buf *b, unsigned v)
{
    if (unlikely(b->p >= b->end)) {
        b->full = true;
        return;
    }
    *b->p++ = (uint8_t)v;
}

static void bytes(struct x64_buf *b, const void *v, size_t len)
{
    if (unlikely((size_t)(b->end - b->p) < len)) {
        b->full = true;
        return;
    }
    memcpy(b->p, v, len);
    b->p += len;
}

void x64_u32(struct x64_buf *b, uint32_t v)
{
    bytes(b, &v, 4);
}

void x64_u64(struct x64_buf *b, uint64_t v)
{
    bytes(b, &v, 8);
}

/* --- Prefixes, opcode, ModRM ---------------------------------------------------------------------------------------- */

/* The longest instruction, and some. */
#define ROOM 16

/* Whether there is room for an instruction; then none of its bytes has to ask. */
static inline bool has_room(struct x64_buf *b)
{
    b->full |= unlikely(b->end - b->p < ROOM);
    return likely(b->end - b->p >= ROOM);
}

static inline uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, 4);
    return p + 4;
}

static inline uint8_t *opcode(uint8_t *p, uint32_t op)
{
    if (op & 0xff00)
        *p++ = 0x0f;
    if (op & 0xff0000)
        *p++ = (uint8_t)(op >> 16);
    *p++ = (uint8_t)op;
    return p;
}

/* byte_reg: a register operand of 8 bits needs REX from number 4 on. */
static inline uint8_t *prefixes(uint8_t *p, uint32_t op, enum x64_width w, int reg, int index,
                                int base, bool byte_reg)
{
    const unsigned rex = (w == X_64 ? 8u : 0) | ((unsigned)reg & 8) >> 1 |
                         ((unsigned)index & 8) >> 2 | ((unsigned)base & 8) >> 3;

    if (w == X_16)
        *p++ = 0x66;
    if (op >> 24)
        *p++ = (uint8_t)(op >> 24);
    if (rex || byte_reg)
        *p++ = (uint8_t)(0x40 | rex);
    return p;
}

/* EVEX multiplies a displacement of 8 bits: it has none here. */
static inline uint8_t *modrm_mem(uint8_t *p, int reg, struct x64_mem m, bool disp8)
{
    const unsigned r = (unsigned)(reg & 7) << 3;
    const unsigned base = (unsigned)(m.base & 7);
    const unsigned index = m.index == X64_NONE ? 4u : (unsigned)(m.index & 7);
    const bool sib = m.index != X64_NONE || base == RSP;

    if (m.base == X64_NONE) { /* [index*scale + disp32] or [disp32] */
        *p++ = (uint8_t)(r | 4);
        *p++ = (uint8_t)((unsigned)m.shift << 6 | index << 3 | 5);
        return put_u32(p, (uint32_t)m.disp);
    }
    const unsigned mod = m.disp == 0 && base != RBP                 ? 0
                         : disp8 && m.disp >= -128 && m.disp <= 127 ? 1
                                                                    : 2;
    *p++ = (uint8_t)(mod << 6 | r | (sib ? 4 : base));
    if (sib)
        *p++ = (uint8_t)((unsigned)m.shift << 6 | index << 3 | base);
    if (mod == 1)
        *p++ = (uint8_t)m.disp;
    else if (mod == 2)
        p = put_u32(p, (uint32_t)m.disp);
    return p;
}

static inline uint8_t *modrm_reg(uint8_t *p, int reg, int rm)
{
    *p = (uint8_t)(0xc0 | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
    return p + 1;
}

/* OP reg, rm at p, up to its immediate. */
static inline uint8_t *put_rr(uint8_t *p, uint32_t op, enum x64_width w, int reg, int rm)
{
    p = prefixes(p, op, w, reg, 0, rm, w == X_8 && ((reg & 12) == 4 || (rm & 12) == 4));
    return modrm_reg(opcode(p, op), reg, rm);
}

static inline uint8_t *put_rm(uint8_t *p, uint32_t op, enum x64_width w, int reg, struct x64_mem m)
{
    if (m.gs)
        *p++ = 0x65;
    p = prefixes(p, op, w, reg, m.index == X64_NONE ? 0 : m.index, m.base == X64_NONE ? 0 : m.base,
                 w == X_8 && (reg & 12) == 4);
    return modrm_mem(opcode(p, op), reg, m, true);
}

void x64_rr(struct x64_buf *b, uint32_t op, enum x64_width w, int reg, int rm)
{
    if (has_room(b))
        b->p = put_rr(b->p, op, w, reg, rm);
}

void x64_rm(struct x64_buf *b, uint32_t op, enum x64_width w, int reg, struct x64_mem m)
{
    if (has_room(b))
        b->p = put_rm(b->p, op, w, reg, m);
}

/* --- Integer operations --------------------------------------------------------------------------------------------- */

void x64_alu_rr(struct x64_buf *b, enum x64_alu op, enum x64_width w, int d, int s)
{
    x64_rr(b, (uint32_t)op << 3 | (w == X_8 ? 2 : 3), w, d, s);
}

void x64_alu_rm(struct x64_buf *b, enum x64_alu op, enum x64_width w, int d, struct x64_mem m)
{
    x64_rm(b, (uint32_t)op << 3 | (w == X_8 ? 2 : 3), w, d, m);
}

void x64_alu_mr(struct x64_buf *b, enum x64_alu op, enum x64_width w, struct x64_mem m, int s)
{
    x64_rm(b, (uint32_t)op << 3 | (w == X_8 ? 0 : 1), w, s, m);
}

static bool is_imm8(int32_t imm)
{
    return imm >= -128 && imm <= 127;
}

static inline uint8_t *put_immediate(uint8_t *p, enum x64_width w, int32_t imm)
{
    const unsigned len = w == X_8 ? 1 : w == X_16 ? 2 : 4;

    memcpy(p, &imm, 4); /* there is room for all of it */
    return p + len;
}

static inline uint32_t alu_imm_op(enum x64_width w, int32_t imm)
{
    return w == X_8 ? 0x80 : is_imm8(imm) ? 0x83 : 0x81;
}

void x64_alu_ri(struct x64_buf *b, enum x64_alu op, enum x64_width w, int d, int32_t imm)
{
    if (has_room(b))
        b->p = put_immediate(put_rr(b->p, alu_imm_op(w, imm), w, (int)op, d),
                             is_imm8(imm) ? X_8 : w, imm);
}

void x64_alu_mi(struct x64_buf *b, enum x64_alu op, enum x64_width w, struct x64_mem m, int32_t imm)
{
    if (has_room(b))
        b->p = put_immediate(put_rm(b->p, alu_imm_op(w, imm), w, (int)op, m),
                             is_imm8(imm) ? X_8 : w, imm);
}

void x64_mov_rr(struct x64_buf *b, enum x64_width w, int d, int s)
{
    x64_rr(b, 0x8b, w, d, s);
}

void x64_mov_ri(struct x64_buf *b, int d, uint64_t imm)
{
    const bool is_signed = imm > UINT32_MAX && (int64_t)imm == (int32_t)imm;
    uint8_t *p = b->p;

    if (!has_room(b))
        return;
    if (is_signed) {
        p = put_rr(p, 0xc7, X_64, 0, d);
    } else {
        p = prefixes(p, 0, imm > UINT32_MAX ? X_64 : X_32, 0, 0, d, false);
        *p++ = (uint8_t)(0xb8 | (unsigned)(d & 7));
    }
    memcpy(p, &imm, 8); /* there is room for all of it */
    b->p = p + (imm > UINT32_MAX && !is_signed ? 8 : 4);
}

void x64_load(struct x64_buf *b, enum x64_width w, int d, struct x64_mem m)
{
    static const uint32_t op[] = {[X_32] = 0x8b, [X_64] = 0x8b, [X_8] = 0x0fb6, [X_16] = 0x0fb7};
    x64_rm(b, op[w], w == X_64 ? X_64 : X_32, d, m);
}

void x64_store(struct x64_buf *b, enum x64_width w, struct x64_mem m, int s)
{
    x64_rm(b, w == X_8 ? 0x88 : 0x89, w, s, m);
}

void x64_store_imm(struct x64_buf *b, enum x64_width w, struct x64_mem m, int32_t imm)
{
    if (has_room(b))
        b->p = put_immediate(put_rm(b->p, w == X_8 ? 0xc6 : 0xc7, w, 0, m), w, imm);
}

void x64_lea(struct x64_buf *b, enum x64_width w, int d, struct x64_mem m)
{
    x64_rm(b, 0x8d, w, d, m);
}

void x64_test_rr(struct x64_buf *b, enum x64_width w, int a, int r)
{
    x64_rr(b, w == X_8 ? 0x84 : 0x85, w, a, r);
}

void x64_test_ri(struct x64_buf *b, enum x64_width w, int r, int32_t imm)
{
    if (has_room(b))
        b->p = put_immediate(put_rr(b->p, w == X_8 ? 0xf6 : 0xf7, w, 0, r), w, imm);
}

void x64_shift_ri(struct x64_buf *b, enum x64_shift op, enum x64_width w, int d, unsigned n)
{
    x64_rr(b, 0xc1, w, (int)op, d);
    x64_byte(b, n);
}

void x64_shift_rcl(struct x64_buf *b, enum x64_shift op, enum x64_width w, int d)
{
    x64_rr(b, 0xd3, w, (int)op, d);
}

void x64_group3_r(struct x64_buf *b, enum x64_group3 op, enum x64_width w, int r)
{
    x64_rr(b, 0xf7, w, (int)op, r);
}

void x64_group3_m(struct x64_buf *b, enum x64_group3 op, enum x64_width w, struct x64_mem m)
{
    x64_rm(b, 0xf7, w, (int)op, m);
}

void x64_imul_rri(struct x64_buf *b, enum x64_width w, int d, int s, int32_t imm)
{
    x64_rr(b, is_imm8(imm) ? 0x6b : 0x69, w, d, s);
    if (is_imm8(imm))
        x64_byte(b, (uint8_t)imm);
    else
        x64_u32(b, (uint32_t)imm);
}

void x64_setcc(struct x64_buf *b, enum x64_cc cc, int d)
{
    x64_rr(b, 0x0f90 | (uint32_t)cc, X_8, 0, d);
}

/* --- Jumps ---------------------------------------------------------------------------------------------------------- */

void x64_patch_rel32(uint8_t *at, const uint8_t *target)
{
    const int32_t rel = (int32_t)(target - (at + 4));
    memcpy(at, &rel, 4);
}

uint8_t *x64_jcc(struct x64_buf *b, enum x64_cc cc)
{
    if (has_room(b))
        b->p = put_u32(opcode(b->p, 0x0f80 | (uint32_t)cc), 0);
    return b->p - 4;
}

uint8_t *x64_jmp(struct x64_buf *b)
{
    x64_byte(b, 0xe9);
    x64_u32(b, 0);
    return b->p - 4;
}

static void finish(struct x64_buf *b, const uint8_t *target)
{
    if (!b->full)
        x64_patch_rel32(b->p - 4, target);
}

void x64_jcc_to(struct x64_buf *b, enum x64_cc cc, const uint8_t *target)
{
    x64_jcc(b, cc);
    finish(b, target);
}

void x64_jmp_to(struct x64_buf *b, const uint8_t *target)
{
    x64_jmp(b);
    finish(b, target);
}

void x64_call_to(struct x64_buf *b, const uint8_t *target)
{
    x64_byte(b, 0xe8);
    x64_u32(b, 0);
    finish(b, target);
}

uint8_t *x64_jcc8(struct x64_buf *b, enum x64_cc cc)
{
    x64_byte(b, 0x70 | (unsigned)cc);
    x64_byte(b, 0);
    return b->p - 1;
}

uint8_t *x64_jmp8(struct x64_buf *b)
{
    x64_byte(b, 0xeb);
    x64_byte(b, 0);
    return b->p - 1;
}

void x64_patch8_here(struct x64_buf *b, uint8_t *at)
{
    if (!b->full)
        *at = (uint8_t)(b->p - (at + 1));
}

void x64_push(struct x64_buf *b, int r)
{
    if (has_room(b))
        b->p = opcode(prefixes(b->p, 0, X_32, 0, 0, r, false), 0x50 | (uint32_t)(r & 7));
}

void x64_pop(struct x64_buf *b, int r)
{
    if (has_room(b))
        b->p = opcode(prefixes(b->p, 0, X_32, 0, 0, r, false), 0x58 | (uint32_t)(r & 7));
}

/* --- VEX ------------------------------------------------------------------------------------------------------------ */

static unsigned opcode_map(uint32_t op)
{
    return (op >> 16 & 0xff) == 0x38 ? 2 : (op >> 16 & 0xff) == 0x3a ? 3 : 1;
}

static unsigned mandatory_prefix(uint32_t op)
{
    const unsigned prefix = op >> 24;
    return prefix == 0x66 ? 1 : prefix == 0xf3 ? 2 : prefix == 0xf2 ? 3 : 0;
}

static inline uint8_t *vex(uint8_t *p, uint32_t op, bool wide, bool l256, int reg, int index,
                           int base, int vvvv)
{
    const unsigned map = opcode_map(op);
    const unsigned last = (~(unsigned)vvvv & 15) << 3 | (l256 ? 4u : 0) | mandatory_prefix(op);

    if (map == 1 && !wide && !(index & 8) && !(base & 8)) {
        *p++ = 0xc5;
        *p++ = (uint8_t)((reg & 8 ? 0 : 0x80u) | last);
    } else {
        *p++ = 0xc4;
        *p++ = (uint8_t)((reg & 8 ? 0 : 0x80u) | (index & 8 ? 0 : 0x40u) | (base & 8 ? 0 : 0x20u) | map);
        *p++ = (uint8_t)((wide ? 0x80u : 0) | last);
    }
    *p++ = (uint8_t)op;
    return p;
}

void x64_vex_rrr(struct x64_buf *b, uint32_t op, bool wide, bool l256, int reg, int vvvv, int rm)
{
    if (has_room(b))
        b->p = modrm_reg(vex(b->p, op, wide, l256, reg, 0, rm, vvvv), reg, rm);
}

void x64_vex_rrm(struct x64_buf *b, uint32_t op, bool wide, bool l256, int reg, int vvvv, struct x64_mem m)
{
    uint8_t *p = b->p;

    if (!has_room(b))
        return;
    if (m.gs)
        *p++ = 0x65;
    p = vex(p, op, wide, l256, reg, m.index == X64_NONE ? 0 : m.index,
            m.base == X64_NONE ? 0 : m.base, vvvv);
    b->p = modrm_mem(p, reg, m, true);
}

/* --- EVEX ----------------------------------------------------------------------------------------------------------- */

static unsigned inverted(unsigned bit_set, unsigned value)
{
    return bit_set ? 0 : value;
}

/* extend: bit 4 of rm, or bit 3 of the index. */
static inline uint8_t *evex(uint8_t *p, uint32_t op, bool wide, int reg, unsigned extend, int base,
                            int vvvv)
{
    *p++ = 0x62;
    *p++ = (uint8_t)(inverted(reg & 8, 0x80) | inverted(extend, 0x40) | inverted(base & 8, 0x20) |
                     inverted(reg & 16, 0x10) | opcode_map(op));
    *p++ = (uint8_t)((wide ? 0x80u : 0) | (~(unsigned)vvvv & 15) << 3 | 4 | mandatory_prefix(op));
    *p++ = (uint8_t)inverted(vvvv & 16, 8); /* 128 bits, no mask */
    *p++ = (uint8_t)op;
    return p;
}

void x64_evex_rrr(struct x64_buf *b, uint32_t op, bool wide, int reg, int vvvv, int rm)
{
    if (has_room(b))
        b->p = modrm_reg(evex(b->p, op, wide, reg, rm & 16, rm, vvvv), reg, rm);
}

void x64_evex_rrm(struct x64_buf *b, uint32_t op, bool wide, int reg, int vvvv, struct x64_mem m)
{
    uint8_t *p = b->p;

    if (!has_room(b))
        return;
    if (m.gs)
        *p++ = 0x65;
    p = evex(p, op, wide, reg, m.index == X64_NONE ? 0 : m.index & 8,
             m.base == X64_NONE ? 0 : m.base, vvvv);
    b->p = modrm_mem(p, reg, m, false);
}
