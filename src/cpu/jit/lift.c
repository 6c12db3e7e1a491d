/* From decoded instructions to IR: the loop, and what the lifters share. */
#include "cpu/jit/lift.h"

#include "arch/sysreg.h"
#include "cpu/operands.h"
#include "cpu/sysops.h"

#include <string.h>

/* Between two looks at what another CPU is to write. Two CPUs at a spinlock: 45 ns an increment without, 32 with one, 21 with two, 11 with four, 8 with eight;
 * at a ticket lock, where the next one has to be quick, four cost nothing. */
#define WAIT_PAUSES 4

struct ir *lift_ir(struct lift *l, enum ir_op op)
{
    struct jit_unit *u = l->u;

    if (u->nr_ir >= JIT_MAX_IR - 8 || u->nr_temps >= JIT_MAX_WEBS - 8)
        u->failed = true;
    struct ir *r = &u->ir[u->failed ? JIT_MAX_IR - 1 : u->nr_ir++];
    *r = (struct ir){.op = (uint8_t)op,
                     .gi = (uint16_t)l->gi,
                     .d = VAR_NONE,
                     .a = VAR_NONE,
                     .b = VAR_NONE,
                     .c = VAR_NONE,
                     .h = VAR_NONE};
    return r;
}

struct ir *lift_op(struct lift *l, enum ir_op op, unsigned sz, var_t d, var_t a, var_t b)
{
    struct ir *r = lift_ir(l, op);

    r->sz = (uint8_t)sz;
    r->d = d;
    r->a = a;
    r->b = b;
    if (b == VAR_ZERO)
        r->b = VAR_IMM;
    return r;
}

struct ir *lift_opi(struct lift *l, enum ir_op op, unsigned sz, var_t d, var_t a, uint64_t imm)
{
    struct ir *r = lift_op(l, op, sz, d, a, VAR_IMM);

    r->imm = sz == 3 ? (int64_t)imm : (int32_t)imm;
    return r;
}

void lift_const(struct lift *l, var_t d, uint64_t imm)
{
    if (d == VAR_NONE)
        return;
    struct ir *r = lift_ir(l, IR_MOVI);
    r->sz = 3;
    r->d = d;
    r->imm = (int64_t)imm;
}

void lift_move(struct lift *l, unsigned sz, var_t d, var_t a)
{
    if (d == VAR_NONE)
        return;
    if (a == VAR_ZERO)
        lift_const(l, d, 0);
    else
        lift_op(l, sz == 3 ? IR_MOV : IR_ZX32, 3, d, a, VAR_NONE);
}

void lift_from_cpu(struct lift *l, unsigned sz, var_t d, int32_t at)
{
    if (d != VAR_NONE)
        lift_op(l, IR_LDC, sz, d, VAR_NONE, VAR_NONE)->imm = at;
}

void lift_to_cpu(struct lift *l, unsigned sz, int32_t at, var_t a)
{
    lift_op(l, IR_STC, sz, VAR_NONE, a, VAR_NONE)->imm = at;
}

void lift_guard(struct lift *l, unsigned sz, int32_t at, uint32_t mask, bool zero)
{
    struct ir *r = lift_op(l, IR_GUARD, sz, VAR_NONE, VAR_NONE, VAR_NONE);

    r->imm = at;
    r->aux = mask;
    r->ext = !zero;
}

static struct ir *vector(struct lift *l, enum ir_op op, enum vector_op what, unsigned sz, bool q, var_t d)
{
    struct ir *r = lift_ir(l, op);

    r->aux = what;
    r->sz = (uint8_t)sz;
    r->q = q;
    r->d = d;
    return r;
}

struct ir *lift_v1(struct lift *l, enum vector_op op, unsigned sz, bool q, var_t d, var_t a)
{
    struct ir *r = vector(l, vector_may_trap(op) ? IR_F1 : IR_V1, op, sz, q, d);

    r->a = a;
    return r;
}

struct ir *lift_v2(struct lift *l, enum vector_op op, unsigned sz, bool q, var_t d, var_t a, var_t b)
{
    struct ir *r = vector(l, vector_may_trap(op) ? IR_F2 : IR_V2, op, sz, q, d);

    r->a = a;
    r->b = b;
    return r;
}

struct ir *lift_v3(struct lift *l, enum vector_op op, unsigned sz, bool q, var_t d, var_t a,
                   var_t b, var_t c)
{
    struct ir *r = vector(l, vector_may_trap(op) ? IR_F3 : IR_V3, op, sz, q, d);

    r->a = a;
    r->b = b;
    r->c = c;
    return r;
}

void lift_vconst(struct lift *l, bool q, var_t d, uint64_t imm)
{
    struct ir *r = lift_ir(l, IR_VMOVI);

    r->sz = 3;
    r->q = q;
    r->d = d;
    r->imm = (int64_t)imm;
}

void lift_vmove(struct lift *l, bool q, var_t d, var_t a)
{
    struct ir *r = lift_ir(l, IR_VMOV);

    r->sz = 3;
    r->q = q;
    r->d = d;
    r->a = a;
}

unsigned lift_condition(uint16_t mask)
{
    for (unsigned c = 0; c < 14; c++)
        if (operand_cond(c) == mask)
            return c;
    return 14;
}

static void home(struct lift *l, var_t v)
{
    lift_ir(l, IR_HOME)->d = v;
}

/* MSR that may change SP, or which SP it is. */
static bool changes_sp(const struct a64_insn *i)
{
    if (i->row == A64_ROW_MSR_SI_pstate)
        return i->u.MSR_SI_pstate.op == PSTATE_SPSEL;
    if (i->row != A64_ROW_MSR_SR_systemmove)
        return false;
    const struct sysreg_desc *d = sysreg_find(i->u.MSR_SR_systemmove.enc);
    return d && (d->id == SR_SPSel || d->id == SR_SP_EL0);
}

void lift_interpreter(struct lift *l, const struct a64_insn *i)
{
    const struct a64_row_info *info = &a64_rows[i->row];
    const bool lists = strstr(info->heading, "structure") != NULL;

    lift_ir(l, IR_INTERP);
    if (changes_sp(i)) {
        home(l, VAR_SP);
        l->sp_checked = false;
    }
    for (const struct a64_operand *o = a64_operands[i->row]; o->offset != 0xff; o++) {
        const unsigned slot = ((const uint8_t *)&i->u)[o->offset];
        if (!(o->use & A64_USE_WRITE))
            continue;
        const var_t v = o->use & A64_USE_VECTOR ? (var_t)(VAR_V0 + slot) : lift_x(slot);
        if (v != VAR_NONE && v != VAR_ZERO && !(lists && v >= VAR_V0))
            home(l, v);
        if (v == VAR_SP)
            l->sp_checked = false;
    }
    if (lists)
        for (unsigned v = VAR_V0; v < VAR_NR_GUEST; v++)
            home(l, (var_t)v);
}

/* Whether a turn of a loop of this one block comes to the same as the turn before unless memory has changed meanwhile: the guest waits for another CPU. */
static bool only_waits(const struct jit_unit *u, const struct jit_block *b)
{
    uint64_t written = 0, wanted = 0; /* what is read before this turn has written it */
    bool loads = false, flags_written = false, flags_wanted = false;

    for (unsigned k = b->ir_first; k < b->ir_end; k++) {
        const struct ir *r = &u->ir[k];
        const uint16_t t = ir_traits[r->op];
        const bool is_load = r->op == IR_LD || r->op == IR_LDX || r->op == IR_VLD;
        if (((t & IRT_E) && !is_load) || r->op == IR_STC || r->op == IR_WFI)
            return false;
        loads |= is_load;
        wanted |= jit_guest_reads(r) & ~written;
        flags_wanted |= (t & IRT_F) && !flags_written;
        written |= jit_guest_writes(r);
        flags_written |= (r->fl & IRF_SETF) != 0;
    }
    return loads && !(written & wanted) && !(flags_written && flags_wanted);
}

static void lift_block(struct jit_unit *u, uint16_t k)
{
    struct jit_block *b = &u->block[k];
    struct lift l = {.u = u, .b = b};
    const bool vectors = (u->mode & MODE_FP) && (u->j->host & JIT_HOST_AVX);
    const bool floats = vectors && (u->mode & MODE_FPCR) && u->j->has_traps;

    b->ir_first = (uint16_t)u->nr_ir;
    l.gi = b->first;
    lift_ir(&l, IR_LABEL)->aux = k;
    for (unsigned n = 0; n < b->nr; n++) {
        l.gi = b->first + n;
        l.pc = u->insn[l.gi].va;
        const struct a64_insn *i = &u->insn[l.gi].i;
        if (lift_integer(&l, i) || lift_memory(&l, i) || lift_atomic(&l, i) || lift_system(&l, i) ||
            lift_checksum(&l, i) || lift_control(&l, i))
            continue;
        if (vectors && (lift_vector_memory(&l, i) || lift_vector(&l, i) || lift_crypto(&l, i)))
            continue;
        if (floats && !jit_fp_traps_often(u->j, l.pc) && lift_float(&l, i))
            continue;
        lift_interpreter(&l, i);
    }
    /* Runs on into the next block. */
    if (u->failed || !(ir_traits[u->ir[u->nr_ir - 1].op] & IRT_T)) {
        struct ir *r;
        if (b->next != JIT_MAX_BLOCKS) {
            r = lift_ir(&l, IR_JMP);
            r->aux = b->next;
        } else {
            r = lift_ir(&l, IR_EXIT);
            r->imm = (int64_t)(l.pc + 4);
        }
    }
    b->ir_end = (uint16_t)u->nr_ir;
    if (b->again && !u->failed && only_waits(u, b)) {
        struct ir *first = &u->ir[b->ir_first + 1], pause = *lift_ir(&l, IR_PAUSE);
        pause.gi = b->first;
        pause.aux = WAIT_PAUSES;
        memmove(first + 1, first, (size_t)(u->nr_ir - b->ir_first - 2) * sizeof(*first));
        *first = pause;
        b->ir_end = (uint16_t)u->nr_ir;
    }
}

void jit_lift(struct jit_unit *u)
{
    u->nr_ir = u->nr_temps = 0;
    for (unsigned i = 0; i < u->nr_blocks && !u->failed; i++)
        lift_block(u, u->order[i]);
}
