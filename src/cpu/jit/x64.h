/* An assembler for x86-64: bytes, nothing else. What to emit is decided in emit*.c.
 *
 * Registers are their numbers in the encoding. An operation is written as its opcode with what stands before it:
 *   bits 7:0 the opcode byte; 15:8 0x0f if it is in that map; 23:16 0x38 or 0x3a; 31:24 the mandatory prefix.
 * Bits 13:12, on top of that, are enum x64_evex: what its EVEX form is.
 * Threads: a buffer belongs to whoever fills it.
 * Specification: Intel SDM volume 2, "Instruction Format". */
#ifndef VIBE_CPU_JIT_X64_H
#define VIBE_CPU_JIT_X64_H

#include <stdbool.h>
#include <stdint.h>

enum x64_reg {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    X64_NR_VECTOR_REGS = 32, /* the upper sixteen with AVX-512 */
    X64_NONE = -1
};

/* Condition codes of Jcc, SETcc, CMOVcc. The lowest bit negates. */
enum x64_cc {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G
};

/* Where code is written; nothing is written past end, and full says that it would have been. */
struct x64_buf {
    uint8_t *p, *start, *end;
    bool full;
};

/* Operand width. */
enum x64_width { X_32, X_64, X_8, X_16 };

struct x64_mem {
    int8_t base, index; /* index X64_NONE: none */
    uint8_t shift;      /* of the index: 0..3 */
    bool gs;            /* relative to the GS base */
    int32_t disp;
};

static inline struct x64_mem x64_at(int base, int32_t disp)
{
    return (struct x64_mem){.base = (int8_t)base, .index = X64_NONE, .disp = disp};
}

static inline struct x64_mem x64_at_index(int base, int index, unsigned shift, int32_t disp)
{
    return (struct x64_mem){
        .base = (int8_t)base, .index = (int8_t)index, .shift = (uint8_t)shift, .disp = disp};
}

void x64_byte(struct x64_buf *b, unsigned v);
void x64_u32(struct x64_buf *b, uint32_t v);
void x64_u64(struct x64_buf *b, uint64_t v);

/* OP reg, rm and OP reg, [m], in whichever direction the opcode says. imm_len: bytes of immediate that the caller adds (no RIP-relative
 * operands exist, so that nothing depends on it). */
void x64_rr(struct x64_buf *b, uint32_t op, enum x64_width w, int reg, int rm);
void x64_rm(struct x64_buf *b, uint32_t op, enum x64_width w, int reg, struct x64_mem m);

/* The eight operations of group 1, by their number there. */
enum x64_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
void x64_alu_rr(struct x64_buf *b, enum x64_alu op, enum x64_width w, int d, int s);
void x64_alu_rm(struct x64_buf *b, enum x64_alu op, enum x64_width w, int d, struct x64_mem m);
void x64_alu_mr(struct x64_buf *b, enum x64_alu op, enum x64_width w, struct x64_mem m, int s);
void x64_alu_ri(struct x64_buf *b, enum x64_alu op, enum x64_width w, int d, int32_t imm);
void x64_alu_mi(struct x64_buf *b, enum x64_alu op, enum x64_width w, struct x64_mem m, int32_t imm);

void x64_mov_rr(struct x64_buf *b, enum x64_width w, int d, int s);
void x64_mov_ri(struct x64_buf *b, int d, uint64_t imm); /* the shortest form; changes no flags */
void x64_load(struct x64_buf *b, enum x64_width w, int d, struct x64_mem m);
void x64_store(struct x64_buf *b, enum x64_width w, struct x64_mem m, int s);
void x64_store_imm(struct x64_buf *b, enum x64_width w, struct x64_mem m, int32_t imm);
void x64_lea(struct x64_buf *b, enum x64_width w, int d, struct x64_mem m);
void x64_test_rr(struct x64_buf *b, enum x64_width w, int a, int r);
void x64_test_ri(struct x64_buf *b, enum x64_width w, int r, int32_t imm);

/* Group 2, by number: ROL 0, ROR 1, SHL 4, SHR 5, SAR 7. */
enum x64_shift { SH_ROL = 0, SH_ROR = 1, SH_SHL = 4, SH_SHR = 5, SH_SAR = 7 };
void x64_shift_ri(struct x64_buf *b, enum x64_shift op, enum x64_width w, int d, unsigned n);
void x64_shift_rcl(struct x64_buf *b, enum x64_shift op, enum x64_width w, int d);
/* Group 3, by number: NOT 2, NEG 3, MUL 4, IMUL 5, DIV 6, IDIV 7. */
enum x64_group3 { G3_NOT = 2, G3_NEG = 3, G3_MUL = 4, G3_IMUL = 5, G3_DIV = 6, G3_IDIV = 7 };
void x64_group3_r(struct x64_buf *b, enum x64_group3 op, enum x64_width w, int r);
void x64_group3_m(struct x64_buf *b, enum x64_group3 op, enum x64_width w, struct x64_mem m);
void x64_imul_rri(struct x64_buf *b, enum x64_width w, int d, int s, int32_t imm);

void x64_setcc(struct x64_buf *b, enum x64_cc cc, int d); /* the low byte */

/* Jumps: the forward ones return where the rel32 stands, for x64_patch_rel32(). */
uint8_t *x64_jcc(struct x64_buf *b, enum x64_cc cc);
uint8_t *x64_jmp(struct x64_buf *b);
void x64_jcc_to(struct x64_buf *b, enum x64_cc cc, const uint8_t *target);
void x64_jmp_to(struct x64_buf *b, const uint8_t *target);
void x64_call_to(struct x64_buf *b, const uint8_t *target);
void x64_patch_rel32(uint8_t *at, const uint8_t *target);
static inline void x64_patch_here(struct x64_buf *b, uint8_t *at)
{
    if (!b->full)
        x64_patch_rel32(at, b->p);
}
/* Short forward jumps, at most 127 bytes. */
uint8_t *x64_jcc8(struct x64_buf *b, enum x64_cc cc);
uint8_t *x64_jmp8(struct x64_buf *b);
void x64_patch8_here(struct x64_buf *b, uint8_t *at);

void x64_push(struct x64_buf *b, int r);
void x64_pop(struct x64_buf *b, int r);

/* VEX-encoded OP reg, vvvv, rm. op as above; wide is VEX.W, l256 VEX.L. */
void x64_vex_rrr(struct x64_buf *b, uint32_t op, bool wide, bool l256, int reg, int vvvv, int rm);
void x64_vex_rrm(struct x64_buf *b, uint32_t op, bool wide, bool l256, int reg, int vvvv,
                 struct x64_mem m);
/* The EVEX form of an operation: none, or with this W, or with VEX's. */
enum x64_evex { X64_NO_EVEX, X64_EVEX_W0, X64_EVEX_W1, X64_EVEX_AS_VEX };
static inline enum x64_evex x64_evex_form(uint32_t op)
{
    return (enum x64_evex)(op >> 12 & 3);
}

/* EVEX-encoded, 128 bits, no mask: registers up to 31. What W has to be is the caller's to know. */
void x64_evex_rrr(struct x64_buf *b, uint32_t op, bool wide, int reg, int vvvv, int rm);
void x64_evex_rrm(struct x64_buf *b, uint32_t op, bool wide, int reg, int vvvv, struct x64_mem m);

#endif
