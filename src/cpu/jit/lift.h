/* What the lift*.c files are written with: guest instructions become IR, one after the other.
 *
 * A lifter gets the decoded instruction and says whether it knows it; what nobody knows calls the interpreter. */
#ifndef VIBE_CPU_JIT_LIFT_H
#define VIBE_CPU_JIT_LIFT_H

#include "cpu/jit/jit_internal.h"

struct lift {
    struct jit_unit *u;
    struct jit_block *b;
    unsigned gi;
    gva_t pc;
    bool sp_checked; /* SP is known to be aligned here */
};

bool lift_integer(struct lift *l, const struct a64_insn *i);
bool lift_memory(struct lift *l, const struct a64_insn *i);
bool lift_atomic(struct lift *l, const struct a64_insn *i);
bool lift_vector_memory(struct lift *l, const struct a64_insn *i);
bool lift_vector(struct lift *l, const struct a64_insn *i);
bool lift_crypto(struct lift *l, const struct a64_insn *i);
bool lift_checksum(struct lift *l, const struct a64_insn *i);
bool lift_float(struct lift *l, const struct a64_insn *i);
bool lift_system(struct lift *l, const struct a64_insn *i);
bool lift_control(struct lift *l, const struct a64_insn *i);

/* The next IR operation, all operands VAR_NONE. */
struct ir *lift_ir(struct lift *l, enum ir_op op);

static inline var_t lift_temp(struct lift *l)
{
    return (var_t)(VAR_TEMP + l->u->nr_temps++);
}

/* An argument slot of pe_state.x[] as a variable. */
static inline var_t lift_x(unsigned slot)
{
    return slot == REG_SP     ? VAR_SP
           : slot == REG_ZERO ? VAR_ZERO
           : slot == REG_SINK ? VAR_NONE
                              : (var_t)slot;
}

/* Register numbers of operand kind x: 31 reads as zero. */
static inline var_t lift_w(unsigned number)
{
    return number == REG_ZERO ? VAR_NONE : (var_t)number;
}

/* d = op(a, b) and d = op(a, imm), d = op(a); sz 2 or 3. */
struct ir *lift_op(struct lift *l, enum ir_op op, unsigned sz, var_t d, var_t a, var_t b);
struct ir *lift_opi(struct lift *l, enum ir_op op, unsigned sz, var_t d, var_t a, uint64_t imm);
void lift_const(struct lift *l, var_t d, uint64_t imm);
void lift_move(struct lift *l, unsigned sz, var_t d, var_t a);

/* d = a field of struct cpu, and the other way round; at is CPU_AT(), sz 2 or 3. */
void lift_from_cpu(struct lift *l, unsigned sz, var_t d, int32_t at);
void lift_to_cpu(struct lift *l, unsigned sz, int32_t at, var_t a);
/* What follows, of this instruction, is for when the field of struct cpu, of sz 0 or 2, with this mask is zero (or is not zero). Otherwise the
 * interpreter does it. */
void lift_guard(struct lift *l, unsigned sz, int32_t at, uint32_t mask, bool zero);
/* Before an access through base, if that is SP. */
void lift_check_sp(struct lift *l, var_t base);

/* lift_memory.c: a check of len bytes from base + offset on, of elements of 1 << sz; LDK, STK, VLDK, VSTK behind it. */
var_t lift_probe(struct lift *l, bool is_store, unsigned sz, var_t base, int64_t offset, unsigned len);
struct ir *lift_known(struct lift *l, enum ir_op op, unsigned sz, var_t h, unsigned at);
/* Post-index of n by m, or by the number of bytes if that is register 31. */
void lift_write_back_by(struct lift *l, var_t n, var_t m, int64_t bytes);

/* d = operation (enum vector_op) of elements of 1 << sz bytes. V1 to V3 or F1 to F3 by the number of operands; for the scalar ones q is
 * of no interest. */
struct ir *lift_v1(struct lift *l, enum vector_op op, unsigned sz, bool q, var_t d, var_t a);
struct ir *lift_v2(struct lift *l, enum vector_op op, unsigned sz, bool q, var_t d, var_t a, var_t b);
struct ir *lift_v3(struct lift *l, enum vector_op op, unsigned sz, bool q, var_t d, var_t a,
                   var_t b, var_t c);
/* d = imm in both halves, or only in the low one. */
void lift_vconst(struct lift *l, bool q, var_t d, uint64_t imm);
/* d = a: all of it, or the low 8 bytes. */
void lift_vmove(struct lift *l, bool q, var_t d, var_t a);

/* The number of the condition of which operand_cond() made mask: 0..14. */
unsigned lift_condition(uint16_t mask);

/* The interpreter's function for this instruction. */
void lift_interpreter(struct lift *l, const struct a64_insn *i);

#endif
