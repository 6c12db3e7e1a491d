/* Data processing. Changes the host's flags only where the operation may (flags.c, keeps_host_flags()). */
#include "cpu/jit/emit.h"

/* The second operand, where it is. */
struct rhs {
    enum { RHS_REG, RHS_MEM, RHS_IMM } kind;
    int reg;
    struct x64_mem mem;
    int32_t imm;
};

static bool small(int64_t imm)
{
    return imm == (int32_t)imm;
}

/* scratch takes a constant that no instruction can have. */
static struct rhs operand_b(struct emit *e, const struct ir *r, int scratch)
{
    const int reg = emit_hreg(e, r->b);

    if (r->b == VAR_IMM || r->b == VAR_ZERO) {
        const int64_t imm = r->b == VAR_IMM ? r->imm : 0;
        if (r->sz != 3 || small(imm))
            return (struct rhs){.kind = RHS_IMM, .imm = (int32_t)imm};
        x64_mov_ri(e->b, scratch, (uint64_t)imm);
        return (struct rhs){.kind = RHS_REG, .reg = scratch};
    }
    if (reg != X64_NONE)
        return (struct rhs){.kind = RHS_REG, .reg = reg};
    return (struct rhs){.kind = RHS_MEM, .mem = emit_memory(e, r->b)};
}

static void alu(struct emit *e, enum x64_alu op, enum x64_width w, int d, const struct rhs *b)
{
    if (b->kind == RHS_REG)
        x64_alu_rr(e->b, op, w, d, b->reg);
    else if (b->kind == RHS_MEM)
        x64_alu_rm(e->b, op, w, d, b->mem);
    else
        x64_alu_ri(e->b, op, w, d, b->imm);
}

static void to_reg(struct emit *e, enum x64_width w, int d, const struct rhs *b)
{
    if (b->kind == RHS_MEM)
        x64_load(e->b, w, d, b->mem);
    else if (b->kind == RHS_IMM)
        x64_mov_ri(e->b, d, w == X_64 ? (uint64_t)(int64_t)b->imm : (uint32_t)b->imm);
    else if (b->reg != d || w == X_32)
        x64_mov_rr(e->b, w, d, b->reg);
}

/* a into d, unless it is there. */
static void move_a(struct emit *e, const struct ir *r, enum x64_width w, int d)
{
    const int reg = emit_hreg(e, r->a);

    if (r->a == VAR_ZERO)
        x64_mov_ri(e->b, d, 0);
    else if (reg == X64_NONE)
        x64_load(e->b, w, d, emit_memory(e, r->a));
    else if (reg != d)
        x64_mov_rr(e->b, w, d, reg);
}

static bool only_flags(const struct emit *e, const struct ir *r)
{
    return (r->fl & IRF_SETF) && e->u->web[r->d].var == VAR_TEMP && !e->u->web[r->d].uses;
}

/* Both operands in registers or constants: address arithmetic, which leaves the flags alone. */
static void add_by_lea(struct emit *e, const struct ir *r, int64_t imm, bool has_imm)
{
    const int d = emit_def(e, r->d, SCRATCH);
    const int a = emit_use(e, r->a, SCRATCH);

    if (has_imm) {
        x64_lea(e->b, emit_width(r), d, x64_at(a, (int32_t)imm));
    } else {
        const int b = emit_use(e, r->b, SCRATCH2);
        x64_lea(e->b, emit_width(r), d, x64_at_index(a, b, r->scale, 0));
    }
    emit_defined(e, r->d, d);
}

static bool lea_serves(const struct emit *e, const struct ir *r)
{
    if (r->fl & IRF_SETF)
        return false;
    if (r->fl & IRF_KEEP || r->scale)
        return true;
    if (r->op == IR_SUB && r->b != VAR_IMM)
        return false;
    const int a = emit_hreg(e, r->a), d = emit_hreg(e, r->d);
    if (a == X64_NONE || d == X64_NONE || a == d)
        return false;
    if (r->b == VAR_IMM)
        return small(r->op == IR_SUB ? -r->imm : r->imm);
    const int b = emit_hreg(e, r->b);
    return b != X64_NONE && b != d;
}

static void set_host(struct emit *e, const struct ir *r, enum host_flags h)
{
    if (r->fl & IRF_SETF)
        e->host = h;
}

static void two_operands(struct emit *e, const struct ir *r, enum x64_alu op, bool commutes)
{
    const enum x64_width w = emit_width(r);

    if (only_flags(e, r) && (op == ALU_SUB || op == ALU_AND)) {
        const struct rhs b = operand_b(e, r, SCRATCH2);
        const int a = emit_hreg(e, r->a);
        if (op == ALU_AND) {
            const int x = emit_use(e, r->a, SCRATCH);
            if (b.kind == RHS_REG)
                x64_test_rr(e->b, w, x, b.reg);
            else if (b.kind == RHS_IMM)
                x64_test_ri(e->b, w, x, b.imm);
            else
                x64_rm(e->b, 0x85, w, x, b.mem);
        } else if (a == X64_NONE && r->a < JIT_MAX_WEBS && b.kind == RHS_REG) {
            x64_alu_mr(e->b, ALU_CMP, w, emit_memory(e, r->a), b.reg);
        } else if (a == X64_NONE && r->a < JIT_MAX_WEBS && b.kind == RHS_IMM) {
            x64_alu_mi(e->b, ALU_CMP, w, emit_memory(e, r->a), b.imm);
        } else if (op == ALU_SUB && b.kind == RHS_IMM && !b.imm && a != X64_NONE) {
            x64_test_rr(e->b, w, a, a); /* carry and overflow are those of CMP with 0 too */
        } else {
            alu(e, ALU_CMP, w, emit_use(e, r->a, SCRATCH), &b);
        }
        return;
    }
    if ((op == ALU_ADD || op == ALU_SUB) && lea_serves(e, r)) {
        add_by_lea(e, r, r->op == IR_SUB ? -r->imm : r->imm, r->b == VAR_IMM);
        return;
    }
    struct rhs b = operand_b(e, r, SCRATCH2);
    const int a = emit_hreg(e, r->a), own = emit_hreg(e, r->d);
    if (op == ALU_SUB && r->a == VAR_ZERO) {
        const int d = own == X64_NONE ? SCRATCH : own;
        to_reg(e, w, d, &b);
        x64_group3_r(e->b, G3_NEG, w, d);
        emit_defined(e, r->d, d);
        return;
    }
    /* In place, in memory. */
    if (own == X64_NONE && a == X64_NONE && r->a < JIT_MAX_WEBS && w == X_64 && b.kind != RHS_MEM &&
        !(r->fl & IRF_SETF) && e->u->web[r->d].var == e->u->web[r->a].var &&
        e->u->web[r->d].var != VAR_TEMP) {
        if (b.kind == RHS_REG)
            x64_alu_mr(e->b, op, w, emit_memory(e, r->d), b.reg);
        else
            x64_alu_mi(e->b, op, w, emit_memory(e, r->d), b.imm);
        emit_noted(e, r->d);
        return;
    }
    int d = own == X64_NONE ? SCRATCH : own;
    if (b.kind == RHS_REG && b.reg == d && a != d) {
        if (commutes && a != X64_NONE) {
            x64_alu_rr(e->b, op, w, d, a);
            emit_defined(e, r->d, d);
            return;
        }
        d = SCRATCH;
    }
    move_a(e, r, w, d);
    alu(e, op, w, d, &b);
    if (d == SCRATCH && own != X64_NONE) {
        x64_mov_rr(e->b, X_64, own, SCRATCH);
        d = own;
    }
    emit_defined(e, r->d, d);
}

/* a op ~b */
static void inverted(struct emit *e, const struct ir *r, enum x64_alu op)
{
    const enum x64_width w = emit_width(r);
    const int own = emit_def(e, r->d, SCRATCH);

    if (r->b == VAR_IMM || r->b == VAR_ZERO) {
        struct ir plain = *r;
        plain.op = op == ALU_AND ? IR_AND : IR_OR;
        plain.b = VAR_IMM;
        plain.imm = ~(r->b == VAR_IMM ? r->imm : 0);
        if (r->sz != 3)
            plain.imm = (int32_t)plain.imm;
        two_operands(e, &plain, op, true);
        return;
    }
    if (op == ALU_AND && e->has_bmi2 && r->a != VAR_ZERO) {
        const int b = emit_use(e, r->b, SCRATCH), a = emit_hreg(e, r->a);
        if (a != X64_NONE)
            x64_vex_rrr(e->b, 0x380ff2, w == X_64, false, own, b, a);
        else
            x64_vex_rrm(e->b, 0x380ff2, w == X_64, false, own, b, emit_memory(e, r->a));
    } else {
        const struct rhs b = operand_b(e, r, SCRATCH2);
        to_reg(e, w, SCRATCH2, &b);
        x64_group3_r(e->b, G3_NOT, w, SCRATCH2);
        move_a(e, r, w, own);
        x64_alu_rr(e->b, op, w, own, SCRATCH2);
    }
    emit_defined(e, r->d, own);
}

static void with_carry(struct emit *e, const struct ir *r, bool sub)
{
    const enum x64_width w = emit_width(r);

    emit_carry(e, r, sub); /* may use the scratch registers, and comes before they are needed */
    const struct rhs b = operand_b(e, r, SCRATCH2);
    const int own = emit_def(e, r->d, SCRATCH);
    const int d = b.kind == RHS_REG && b.reg == own ? SCRATCH : own;
    move_a(e, r, w, d);
    alu(e, sub ? ALU_SBB : ALU_ADC, w, d, &b);
    if (d != own)
        x64_mov_rr(e->b, X_64, own, d);
    emit_defined(e, r->d, own);
    set_host(e, r, sub ? HF_SUB : HF_ADD);
}

/* --- Shifts and bit fields ------------------------------------------------------------------------------------------ */

static void shift(struct emit *e, const struct ir *r, enum x64_shift op)
{
    static const uint32_t bmi[8] = {[SH_SHL] = 0x66380ff7, [SH_SHR] = 0xf2380ff7, [SH_SAR] = 0xf3380ff7};
    const enum x64_width w = emit_width(r);
    const int d = emit_def(e, r->d, SCRATCH);

    if (r->b == VAR_IMM || r->b == VAR_ZERO) {
        const unsigned n = (unsigned)(r->b == VAR_IMM ? r->imm : 0) & ((8u << r->sz) - 1);
        if (op == SH_ROR && e->has_bmi2 && n) {
            const int a = emit_use(e, r->a, SCRATCH);
            x64_vex_rrr(e->b, 0xf23a0ff0, w == X_64, false, d, 0, a);
            x64_byte(e->b, n);
        } else {
            move_a(e, r, w, d);
            if (n)
                x64_shift_ri(e->b, op, w, d, n);
            else if (w == X_32)
                x64_mov_rr(e->b, X_32, d, d);
        }
    } else if (op != SH_ROR && e->has_bmi2) {
        const int b = emit_use(e, r->b, SCRATCH2), a = emit_hreg(e, r->a);
        if (a != X64_NONE || r->a == VAR_ZERO)
            x64_vex_rrr(e->b, bmi[op], w == X_64, false, d, b, emit_use(e, r->a, SCRATCH));
        else
            x64_vex_rrm(e->b, bmi[op], w == X_64, false, d, b, emit_memory(e, r->a));
    } else {
        const int b = emit_use(e, r->b, RCX);
        if (b != RCX)
            x64_mov_rr(e->b, X_32, RCX, b);
        move_a(e, r, w, d);
        if (w == X_32)
            x64_mov_rr(e->b, X_32, d, d);
        x64_shift_rcl(e->b, op, w, d);
    }
    emit_defined(e, r->d, d);
}

static void extract(struct emit *e, const struct ir *r)
{
    const enum x64_width w = emit_width(r);
    const int own = emit_def(e, r->d, SCRATCH), a = emit_use(e, r->a, SCRATCH2);
    const int d = a == own ? SCRATCH : own;
    const int b = emit_hreg(e, r->b);

    if (b == X64_NONE)
        x64_load(e->b, w, d, emit_memory(e, r->b));
    else if (b != d)
        x64_mov_rr(e->b, w, d, b);
    x64_rr(e->b, 0x0fac, w, a, d); /* SHRD */
    x64_byte(e->b, r->aux);
    if (d != own)
        x64_mov_rr(e->b, X_64, own, d);
    emit_defined(e, r->d, own);
}

/* Zero-extends the low n bits of reg. */
static void keep_low(struct emit *e, enum x64_width w, int reg, unsigned n)
{
    const unsigned width = w == X_64 ? 64 : 32;

    if (n == 8)
        x64_rr(e->b, 0x0fb6, reg >= RSP ? X_64 : X_32, reg, reg);
    else if (n == 16)
        x64_rr(e->b, 0x0fb7, X_32, reg, reg);
    else if (n == 32)
        x64_mov_rr(e->b, X_32, reg, reg);
    else if (n < 32)
        x64_alu_ri(e->b, ALU_AND, X_32, reg, (int32_t)mask64(n));
    else if (n < width) {
        x64_shift_ri(e->b, SH_SHL, w, reg, width - n);
        x64_shift_ri(e->b, SH_SHR, w, reg, width - n);
    }
}

static void bit_field(struct emit *e, const struct ir *r)
{
    const enum x64_width w = emit_width(r);
    const unsigned lsb = (unsigned)r->imm, n = r->aux;
    const int d = emit_def(e, r->d, SCRATCH);

    move_a(e, r, w, d);
    if (lsb)
        x64_shift_ri(e->b, SH_SHR, w, d, lsb);
    if (lsb + n < (8u << r->sz))
        keep_low(e, w, d, n);
    else if (!lsb && w == X_32)
        x64_mov_rr(e->b, X_32, d, d);
    emit_defined(e, r->d, d);
}

static void bit_field_insert(struct emit *e, const struct ir *r)
{
    const enum x64_width w = emit_width(r);
    const unsigned lsb = (unsigned)r->imm, n = r->aux;
    const uint64_t hole = ~(mask64(n) << lsb);
    const int d = emit_def(e, r->d, SCRATCH3);

    if (r->b != VAR_ZERO) {
        const int b = emit_hreg(e, r->b);
        if (b == X64_NONE)
            x64_load(e->b, w, SCRATCH, emit_memory(e, r->b));
        else
            x64_mov_rr(e->b, w, SCRATCH, b);
        if (lsb + n < (8u << r->sz))
            keep_low(e, w, SCRATCH, n);
        if (lsb)
            x64_shift_ri(e->b, SH_SHL, w, SCRATCH, lsb);
    }
    move_a(e, r, w, d);
    if (w == X_32 || small((int64_t)hole)) {
        x64_alu_ri(e->b, ALU_AND, w, d, (int32_t)hole);
    } else {
        x64_mov_ri(e->b, SCRATCH2, hole);
        x64_alu_rr(e->b, ALU_AND, w, d, SCRATCH2);
    }
    if (r->b != VAR_ZERO)
        x64_alu_rr(e->b, ALU_OR, w, d, SCRATCH);
    emit_defined(e, r->d, d);
}

/* --- Multiplication, division --------------------------------------------------------------------------------------- */

/* Both halves of a product at once, if the operation behind r is for the other half; that is noted as done then. Its register may be written now: what is in it before can only
 * be an operand of both. */
static bool multiply_both(struct emit *e, const struct ir *r)
{
    const struct ir *other = r + 1;
    const enum ir_op wanted = r->op == IR_MUL ? IR_MULHU : IR_MUL;

    if (!e->has_bmi2 || r->sz != 3 || r->b >= VAR_IMM || e->at + 1 >= e->u->block[e->block].ir_end ||
        other->op != wanted || other->sz != 3 || r->d == r->a || r->d == r->b ||
        !((other->a == r->a && other->b == r->b) || (other->a == r->b && other->b == r->a)))
        return false;
    const int d = emit_hreg(e, r->d), d2 = emit_hreg(e, other->d);
    if (d == X64_NONE || d2 == X64_NONE || d == d2)
        return false;
    const int b = emit_use(e, r->b, SCRATCH2);
    move_a(e, r, X_64, RDX);
    if (r->op == IR_MUL)
        x64_vex_rrr(e->b, 0xf2380ff6, true, false, d2, d, b); /* MULX */
    else
        x64_vex_rrr(e->b, 0xf2380ff6, true, false, d, d2, b);
    emit_defined(e, r->d, d);
    e->multiplied = e->at + 1;
    return true;
}

/* Whether multiply_both() has done it. */
static bool is_multiplied(struct emit *e, const struct ir *r)
{
    if (e->multiplied != e->at)
        return false;
    emit_defined(e, r->d, emit_hreg(e, r->d));
    return true;
}

static void multiply(struct emit *e, const struct ir *r)
{
    if (is_multiplied(e, r) || multiply_both(e, r))
        return;
    const enum x64_width w = emit_width(r);
    const int own = emit_def(e, r->d, SCRATCH);
    const struct rhs b = operand_b(e, r, SCRATCH2);

    if (b.kind == RHS_IMM) {
        x64_imul_rri(e->b, w, own, emit_use(e, r->a, SCRATCH), b.imm);
    } else {
        const int a = emit_hreg(e, r->a);
        if (b.kind == RHS_REG && b.reg == own && a != X64_NONE) {
            x64_rr(e->b, 0x0faf, w, own, a);
        } else {
            const int d = b.kind == RHS_REG && b.reg == own ? SCRATCH : own;
            move_a(e, r, w, d);
            if (b.kind == RHS_REG)
                x64_rr(e->b, 0x0faf, w, d, b.reg);
            else
                x64_rm(e->b, 0x0faf, w, d, b.mem);
            if (d != own)
                x64_mov_rr(e->b, X_64, own, d);
        }
    }
    emit_defined(e, r->d, own);
}

static void multiply_high(struct emit *e, const struct ir *r, bool sign)
{
    if (!sign && (is_multiplied(e, r) || multiply_both(e, r)))
        return;
    const int b = emit_use(e, r->b, SCRATCH2);

    if (!sign && e->has_bmi2) {
        const int d = emit_def(e, r->d, SCRATCH);
        move_a(e, r, X_64, RDX);
        x64_vex_rrr(e->b, 0xf2380ff6, true, false, d, SCRATCH == d ? SCRATCH2 : SCRATCH, b); /* MULX */
        emit_defined(e, r->d, d);
        return;
    }
    move_a(e, r, X_64, RAX);
    x64_group3_r(e->b, sign ? G3_IMUL : G3_MUL, X_64, b);
    const int d = emit_def(e, r->d, RDX);
    if (d != RDX)
        x64_mov_rr(e->b, X_64, d, RDX);
    emit_defined(e, r->d, d);
}

static void divide(struct emit *e, const struct ir *r, bool sign)
{
    const enum x64_width w = emit_width(r);
    const int b = emit_use(e, r->b, RCX);
    uint8_t *plain;

    if (sign) {
        /* By 0 or -1: a * b is what Arm wants, and IDIV might trap. */
        x64_lea(e->b, w, RDX, x64_at(b, 1));
        x64_alu_ri(e->b, ALU_CMP, w, RDX, 1);
        plain = x64_jcc8(e->b, CC_A);
        move_a(e, r, w, RAX);
        x64_rr(e->b, 0x0faf, w, RAX, b);
    } else {
        x64_test_rr(e->b, w, b, b);
        plain = x64_jcc8(e->b, CC_NE);
        x64_mov_ri(e->b, RAX, 0);
    }
    uint8_t *end = x64_jmp8(e->b);
    x64_patch8_here(e->b, plain);
    move_a(e, r, w, RAX);
    if (sign)
        x64_byte(e->b, w == X_64 ? 0x48 : 0x90), x64_byte(e->b, 0x99); /* CQO, CDQ */
    else
        x64_alu_rr(e->b, ALU_XOR, X_32, RDX, RDX);
    x64_group3_r(e->b, sign ? G3_IDIV : G3_DIV, w, b);
    x64_patch8_here(e->b, end);
    const int d = emit_def(e, r->d, RAX);
    if (d != RAX)
        x64_mov_rr(e->b, X_64, d, RAX);
    emit_defined(e, r->d, d);
}

/* --- One operand ---------------------------------------------------------------------------------------------------- */

static void extend(struct emit *e, const struct ir *r)
{
    const int d = emit_def(e, r->d, SCRATCH), a = emit_hreg(e, r->a);
    const enum x64_width w = emit_width(r);
    uint32_t op;
    enum x64_width dest = w;

    switch (r->op) {
    case IR_ZX8: op = 0x0fb6, dest = X_32; break;
    case IR_ZX16: op = 0x0fb7, dest = X_32; break;
    case IR_ZX32: op = 0x8b, dest = X_32; break;
    case IR_SX8: op = 0x0fbe; break;
    case IR_SX16: op = 0x0fbf; break;
    default: op = w == X_64 ? 0x63 : 0x8b; break;
    }
    if (r->a == VAR_ZERO) {
        x64_mov_ri(e->b, d, 0);
    } else if (a == X64_NONE) {
        x64_rm(e->b, op, dest, d, emit_memory(e, r->a));
    } else {
        /* The low byte of SI, DI needs a prefix, which the 64-bit form has. */
        const bool byte_reg = (r->op == IR_ZX8 || r->op == IR_SX8) && (a & 12) == 4;
        if (byte_reg && dest == X_32) {
            if (r->op == IR_ZX8) {
                x64_rr(e->b, op, X_64, d, a);
            } else {
                x64_rr(e->b, op, X_64, d, a);
                x64_mov_rr(e->b, X_32, d, d);
            }
        } else {
            x64_rr(e->b, op, dest, d, a);
        }
    }
    emit_defined(e, r->d, d);
}

static void move(struct emit *e, const struct ir *r)
{
    const int a = emit_use(e, r->a, emit_def(e, r->d, SCRATCH)), d = emit_def(e, r->d, a);

    if (d != a)
        x64_mov_rr(e->b, X_64, d, a);
    emit_defined(e, r->d, d);
}

static void constant(struct emit *e, const struct ir *r)
{
    const struct jit_web *w = &e->u->web[r->d];

    if (w->hreg == X64_NONE && small(r->imm)) {
        x64_store_imm(e->b, X_64, emit_memory(e, r->d), (int32_t)r->imm);
        emit_noted(e, r->d);
        return;
    }
    const int d = emit_def(e, r->d, SCRATCH);
    x64_mov_ri(e->b, d, (uint64_t)r->imm);
    emit_defined(e, r->d, d);
}

static void reverse(struct emit *e, const struct ir *r)
{
    const enum x64_width w = r->op == IR_REV32 ? X_64 : emit_width(r);
    const int d = emit_def(e, r->d, SCRATCH);

    move_a(e, r, w, d);
    if (r->op == IR_REV16 && w == X_64) {
        /* Bytes of halfwords: shift both ways under a mask. */
        x64_mov_ri(e->b, SCRATCH2, UINT64_C(0x00ff00ff00ff00ff));
        x64_mov_rr(e->b, X_64, SCRATCH3, d);
        x64_shift_ri(e->b, SH_SHR, X_64, SCRATCH3, 8);
        x64_alu_rr(e->b, ALU_AND, X_64, SCRATCH3, SCRATCH2);
        x64_alu_rr(e->b, ALU_AND, X_64, d, SCRATCH2);
        x64_shift_ri(e->b, SH_SHL, X_64, d, 8);
        x64_alu_rr(e->b, ALU_OR, X_64, d, SCRATCH3);
    } else {
        /* BSWAP */
        x64_byte(e->b, 0x40 | (w == X_64 ? 8u : 0) | (d >= R8 ? 1u : 0));
        x64_byte(e->b, 0x0f);
        x64_byte(e->b, 0xc8 | (unsigned)(d & 7));
        if (r->op == IR_REV16)
            x64_shift_ri(e->b, SH_ROL, X_32, d, 16);
        else if (r->op == IR_REV32)
            x64_shift_ri(e->b, SH_ROL, X_64, d, 32);
    }
    emit_defined(e, r->d, d);
}

/* Swaps neighbouring groups of n bits of RAX under mask, by RCX and RDX. */
static void swap_bits(struct emit *e, unsigned n, uint64_t mask)
{
    x64_mov_ri(e->b, RCX, mask);
    x64_mov_rr(e->b, X_64, RDX, RAX);
    x64_shift_ri(e->b, SH_SHR, X_64, RDX, n);
    x64_alu_rr(e->b, ALU_AND, X_64, RDX, RCX);
    x64_alu_rr(e->b, ALU_AND, X_64, RAX, RCX);
    x64_shift_ri(e->b, SH_SHL, X_64, RAX, n);
    x64_alu_rr(e->b, ALU_OR, X_64, RAX, RDX);
}

static void reverse_bits(struct emit *e, const struct ir *r)
{
    move_a(e, r, emit_width(r), RAX);
    swap_bits(e, 1, UINT64_C(0x5555555555555555));
    swap_bits(e, 2, UINT64_C(0x3333333333333333));
    swap_bits(e, 4, UINT64_C(0x0f0f0f0f0f0f0f0f));
    x64_byte(e->b, 0x48), x64_byte(e->b, 0x0f), x64_byte(e->b, 0xc8);
    if (r->sz == 2)
        x64_shift_ri(e->b, SH_SHR, X_64, RAX, 32);
    const int d = emit_def(e, r->d, RAX);
    if (d != RAX)
        x64_mov_rr(e->b, X_64, d, RAX);
    emit_defined(e, r->d, d);
}

static void count_leading(struct emit *e, const struct ir *r)
{
    const enum x64_width w = emit_width(r);
    const unsigned width = 8u << r->sz;
    const int d = emit_def(e, r->d, SCRATCH2);

    move_a(e, r, w, SCRATCH);
    if (r->op == IR_CLS) { /* bits that differ from their neighbour */
        x64_lea(e->b, w, SCRATCH3, x64_at_index(SCRATCH, SCRATCH, 0, 0));
        x64_alu_rr(e->b, ALU_XOR, w, SCRATCH, SCRATCH3);
        x64_alu_ri(e->b, ALU_OR, w, SCRATCH, 1);
    }
    if (e->has_lzcnt) {
        x64_rr(e->b, 0xf3000fbd, w, d, SCRATCH);
    } else {
        x64_mov_ri(e->b, SCRATCH3, 2 * width - 1);
        x64_rr(e->b, 0x0fbd, w, d, SCRATCH);  /* BSR */
        x64_rr(e->b, 0x0f44, w, d, SCRATCH3); /* CMOVZ */
        x64_alu_ri(e->b, ALU_XOR, X_32, d, (int32_t)width - 1);
    }
    emit_defined(e, r->d, d);
}

/* --- Selection: no flags change, unless nobody wants them ------------------------------------------------------------------------------------- */

static void cmov(struct emit *e, enum x64_cc cc, enum x64_width w, int d, var_t web, int scratch)
{
    const int reg = emit_hreg(e, web);

    if (reg != X64_NONE) {
        x64_rr(e->b, 0x0f40 | (uint32_t)cc, w, d, reg);
    } else if (web == VAR_ZERO) {
        x64_mov_ri(e->b, scratch, 0);
        x64_rr(e->b, 0x0f40 | (uint32_t)cc, w, d, scratch);
    } else {
        x64_rm(e->b, 0x0f40 | (uint32_t)cc, w, d, emit_memory(e, web));
    }
}

static void select(struct emit *e, const struct ir *r)
{
    const enum x64_cc cc = emit_condition(e, r);
    const enum x64_width w = emit_width(r);
    const int own = emit_def(e, r->d, SCRATCH), a = emit_hreg(e, r->a), b = emit_hreg(e, r->b);

    if (r->op == IR_SELINC && r->a == VAR_ZERO && r->b == VAR_ZERO) { /* CSET */
        x64_setcc(e->b, (enum x64_cc)(cc ^ 1), RAX);
        x64_rr(e->b, 0x0fb6, X_32, own, RAX);
        emit_defined(e, r->d, own);
        return;
    }
    if (r->op == IR_SELINC && r->a == r->b && !(r->fl & IRF_KEEP) && (cc == CC_B || cc == CC_AE)) {
        /* CINC of the carry; nobody wants the flags any more. */
        const int from = emit_use(e, r->a, own);
        if (from != own)
            x64_mov_rr(e->b, w, own, from);
        if (cc == CC_AE)
            x64_alu_ri(e->b, ALU_ADC, w, own, 0);
        else
            x64_alu_ri(e->b, ALU_SBB, w, own, -1);
        e->host = HF_NONE;
        emit_defined(e, r->d, own);
        return;
    }
    if (r->op == IR_SEL && a == own && a != X64_NONE) {
        cmov(e, (enum x64_cc)(cc ^ 1), w, own, r->b, SCRATCH2);
        emit_defined(e, r->d, own);
        return;
    }
    const int t = own == a ? SCRATCH : own;
    if (r->op == IR_SELINC && b != X64_NONE) {
        x64_lea(e->b, w, t, x64_at(b, 1));
    } else {
        if (r->b == VAR_ZERO)
            x64_mov_ri(e->b, t, 0);
        else if (b == X64_NONE)
            x64_load(e->b, w, t, emit_memory(e, r->b));
        else if (b != t)
            x64_mov_rr(e->b, w, t, b);
        if (r->op == IR_SELINV || r->op == IR_SELNEG)
            x64_group3_r(e->b, G3_NOT, w, t);
        if (r->op == IR_SELINC || r->op == IR_SELNEG)
            x64_lea(e->b, w, t, x64_at(t, 1));
    }
    cmov(e, cc, w, t, r->a, SCRATCH2);
    if (t != own)
        x64_mov_rr(e->b, X_64, own, t);
    emit_defined(e, r->d, own);
}

bool emit_integer(struct emit *e, const struct ir *r)
{
    switch (r->op) {
    case IR_MOV: move(e, r); return true;
    case IR_MOVI: constant(e, r); return true;
    case IR_ADD:
        two_operands(e, r, ALU_ADD, true);
        set_host(e, r, HF_ADD);
        return true;
    case IR_SUB:
        two_operands(e, r, ALU_SUB, false);
        set_host(e, r, HF_SUB);
        return true;
    case IR_AND:
        two_operands(e, r, ALU_AND, true);
        set_host(e, r, HF_LOGIC);
        return true;
    case IR_ANDN:
        inverted(e, r, ALU_AND);
        set_host(e, r, HF_LOGIC);
        return true;
    case IR_OR: two_operands(e, r, ALU_OR, true); return true;
    case IR_ORN: inverted(e, r, ALU_OR); return true;
    case IR_XOR: two_operands(e, r, ALU_XOR, true); return true;
    case IR_ADC: with_carry(e, r, false); return true;
    case IR_SBC: with_carry(e, r, true); return true;
    case IR_NOT: {
        const int d = emit_def(e, r->d, SCRATCH);
        move_a(e, r, emit_width(r), d);
        x64_group3_r(e->b, G3_NOT, emit_width(r), d);
        emit_defined(e, r->d, d);
        return true;
    }
    case IR_SHL: shift(e, r, SH_SHL); return true;
    case IR_SHR: shift(e, r, SH_SHR); return true;
    case IR_SAR: shift(e, r, SH_SAR); return true;
    case IR_ROR: shift(e, r, SH_ROR); return true;
    case IR_EXTR: extract(e, r); return true;
    case IR_MUL: multiply(e, r); return true;
    case IR_MULHU: multiply_high(e, r, false); return true;
    case IR_MULHS: multiply_high(e, r, true); return true;
    case IR_UDIV: divide(e, r, false); return true;
    case IR_SDIV: divide(e, r, true); return true;
    case IR_ZX8:
    case IR_ZX16:
    case IR_ZX32:
    case IR_SX8:
    case IR_SX16:
    case IR_SX32: extend(e, r); return true;
    case IR_UBFX: bit_field(e, r); return true;
    case IR_BFI: bit_field_insert(e, r); return true;
    case IR_REV:
    case IR_REV16:
    case IR_REV32: reverse(e, r); return true;
    case IR_RBIT: reverse_bits(e, r); return true;
    case IR_CLZ:
    case IR_CLS: count_leading(e, r); return true;
    case IR_SEL:
    case IR_SELINC:
    case IR_SELINV:
    case IR_SELNEG: select(e, r); return true;
    default: return false;
    }
}
