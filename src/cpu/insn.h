/* The decoded instruction: what the decoder makes of a word, once, and the interpreter runs many times.
 *
 * An entry of a decoded page. Immutable once published in the page of one vCPU, which alone reads and writes it. */
#ifndef VIBE_CPU_INSN_H
#define VIBE_CPU_INSN_H

#include "base/bits.h"

#include "gen/a64_args.h" /* union a64_args: struct a64_args_NAME for each row of spec/a64.isa */

struct cpu;
struct a64_insn;

/* Runs one instruction. Returns the next one to run, most often insn + 1; or null after it left its reason in the cpu
 * (cpu->leave) and the PC to go on from in cpu->st.pc. */
typedef const struct a64_insn *a64_fn(struct cpu *c, const struct a64_insn *insn);

struct a64_insn {
    a64_fn *fn;
    union a64_args u; /* 16 bytes */
    uint32_t word;    /* as fetched */
    uint32_t row;     /* enum a64_row of gen/a64_args.h */
};
_Static_assert(sizeof(struct a64_insn) == 32, "cpu_pc() divides by 32 with a shift");
#define A64_INSN_SHIFT 5

/* Decodes word into *out: fn, u, word, row. Unallocated encodings get a64_op_unallocated. Pure. Generated. */
void a64_decode(uint32_t word, struct a64_insn *out);

/* The row for word, or A64_ROW_NONE; for names, disassembly and tables. Pure. Generated. */
unsigned a64_find_row(uint32_t word);

/* Names and features of a row ("ADD_addsub_imm"). Generated. */
extern const char *const a64_row_name[];

/* Writes the disassembly of word at pc, as the Arm ARM spells it; ".inst 0x........" when unallocated. Returns the length. */
size_t a64_disassemble(uint32_t word, uint64_t pc, char *buf, size_t len);

#endif
