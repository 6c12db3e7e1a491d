/* What the generated disassembler writes its text with. Included by cpu/disasm.c and gen/a64_disasm.c only; the interface is
 * a64_disassemble() of cpu/insn.h. Pure. */
#ifndef VIBE_CPU_DISASM_H
#define VIBE_CPU_DISASM_H

#include "base/bits.h"

struct disasm {
    char *buf;
    size_t len, at; /* at counts on beyond len: the length that the text would have */
    uint64_t pc;
};

/* By row: writes the instruction. Generated from the assembly columns of spec/a64.isa. */
extern void (*const a64_asm[])(struct disasm *t, uint32_t word);

void disasm_put(struct disasm *t, const char *s);
void disasm_num(struct disasm *t, int64_t n);
void disasm_hex(struct disasm *t, uint64_t n);
void disasm_hex8(struct disasm *t, uint32_t n);
void disasm_label(struct disasm *t, bool page, int64_t offset);
void disasm_reg(struct disasm *t, unsigned n, bool wide, bool sp);

void disasm_cond(struct disasm *t, unsigned cond);
void disasm_shift(struct disasm *t, unsigned type);
void disasm_extend(struct disasm *t, unsigned option);
void disasm_barrier(struct disasm *t, unsigned crm);
void disasm_sysreg(struct disasm *t, unsigned encoding);
void disasm_prfop(struct disasm *t, unsigned op);
void disasm_bti(struct disasm *t, unsigned targets);
/* VFPExpandImm(imm8) in decimal: "#1.000000000000000000e+00" without the #. */
void disasm_fpimm(struct disasm *t, unsigned imm8);

/* V registers. esize is log2 of an element's bytes, 0 to 4; in a lane, 5 is a group of four bytes, 6 one of two halfwords.
 * "b0"; "v0.8b"; "v0.b[3]"; "{v0.8b, v1.8b}"; "{v0.b, v1.b}[3]" */
void disasm_v_scalar(struct disasm *t, unsigned n, unsigned esize);
void disasm_v(struct disasm *t, unsigned n, unsigned esize, unsigned q);
void disasm_v_lane(struct disasm *t, unsigned n, unsigned esize, unsigned index);
void disasm_v_list(struct disasm *t, unsigned n, unsigned nr, unsigned esize, unsigned q);
void disasm_v_lane_list(struct disasm *t, unsigned n, unsigned nr, unsigned esize, unsigned index);

/* "daifset, #0xf" */
void disasm_pstate(struct disasm *t, unsigned op1, unsigned crm, unsigned op2);
/* "tlbi vae1is, x3", or "sys #0, C7, C5, #0" */
void disasm_sysop(struct disasm *t, unsigned op1, unsigned crn, unsigned crm, unsigned op2, unsigned rt);
/* The end of an index register: "", ", lsl #3", ", sxtw" */
void disasm_regoff(struct disasm *t, unsigned option, unsigned s, unsigned amount);

#endif
