/* Branches, and the system instructions that need no look at the machine. */
#include "cpu/jit/lift.h"

#define ARG(NAME) (&i->u.NAME)
#define X(NAME, slot) lift_x(ARG(NAME)->slot)

static struct ir *to_address(struct lift *l, enum ir_op op, gva_t va)
{
    struct ir *r = lift_ir(l, op);
    r->imm = (int64_t)va;
    return r;
}

/* The two ways out of a conditional branch. An exit for one of them gets a block of its own in the emitter, so that here both are
 * numbers: of a block, or IR_NO_BLOCK, which stands for the address. */
static void both_ways(struct lift *l, struct ir *r, gva_t target)
{
    r->aux = l->b->taken == JIT_MAX_BLOCKS ? IR_NO_BLOCK : l->b->taken;
    r->aux2 = l->b->next == JIT_MAX_BLOCKS ? IR_NO_BLOCK : l->b->next;
    r->target = target;
}

static void compare_branch(struct lift *l, enum ir_op op, unsigned sz, var_t t, int64_t offset)
{
    const gva_t target = l->pc + (uint64_t)offset;

    if (t == VAR_ZERO) { /* known: CBZ of XZR */
        const bool taken = op == IR_BZ;
        const uint16_t k = taken ? l->b->taken : l->b->next;
        if (k != JIT_MAX_BLOCKS)
            lift_ir(l, IR_JMP)->aux = k;
        else
            to_address(l, IR_EXIT, taken ? target : l->pc + 4);
        return;
    }
    struct ir *r = lift_op(l, op, sz, VAR_NONE, t, VAR_NONE);
    both_ways(l, r, target);
}

static void test_branch(struct lift *l, enum ir_op op, var_t t, unsigned n, int64_t offset)
{
    if (t == VAR_ZERO) {
        compare_branch(l, op == IR_TBZ ? IR_BZ : IR_BNZ, 3, t, offset);
        return;
    }
    struct ir *r = lift_op(l, op, 3, VAR_NONE, t, VAR_NONE);
    r->imm = n;
    both_ways(l, r, l->pc + (uint64_t)offset);
}

static void call(struct lift *l, struct ir *r)
{
    const struct jit_unit *u = l->u;

    r->target = l->pc + 4;
    r->aux = IR_NO_BLOCK;
    r->aux2 = l->b->taken == JIT_MAX_BLOCKS ? IR_NO_BLOCK : l->b->taken;
    if (l->gi + 1 < u->nr_insns && u->insn[l->gi + 1].va == l->pc + 4)
        r->aux = u->insn[l->gi + 1].block;
}

bool lift_control(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
    case A64_ROW_B_only_branch_imm:
        if (l->b->next != JIT_MAX_BLOCKS)
            lift_ir(l, IR_JMP)->aux = l->b->next;
        else
            to_address(l, IR_EXIT, l->pc + (uint64_t)(int64_t)ARG(B_only_branch_imm)->imm);
        return true;
    case A64_ROW_B_only_condbranch: {
        const unsigned cc = lift_condition(ARG(B_only_condbranch)->cc);
        const gva_t target = l->pc + (uint64_t)(int64_t)ARG(B_only_condbranch)->imm;
        if (cc == 14) {
            if (l->b->taken != JIT_MAX_BLOCKS)
                lift_ir(l, IR_JMP)->aux = l->b->taken;
            else
                to_address(l, IR_EXIT, target);
            return true;
        }
        struct ir *r = lift_ir(l, IR_BR);
        r->cc = (uint8_t)cc;
        both_ways(l, r, target);
        return true;
    }
    case A64_ROW_CBZ_compbranch:
        compare_branch(l, IR_BZ, 2 + A64_FIELD_CBZ_compbranch_sf(i->word), X(CBZ_compbranch, t),
                       ARG(CBZ_compbranch)->imm);
        return true;
    case A64_ROW_CBNZ_compbranch:
        compare_branch(l, IR_BNZ, 2 + A64_FIELD_CBNZ_compbranch_sf(i->word), X(CBNZ_compbranch, t),
                       ARG(CBNZ_compbranch)->imm);
        return true;
    case A64_ROW_TBZ_only_testbranch:
        test_branch(l, IR_TBZ, X(TBZ_only_testbranch, t), ARG(TBZ_only_testbranch)->bit,
                    ARG(TBZ_only_testbranch)->imm);
        return true;
    case A64_ROW_TBNZ_only_testbranch:
        test_branch(l, IR_TBNZ, X(TBNZ_only_testbranch, t), ARG(TBNZ_only_testbranch)->bit,
                    ARG(TBNZ_only_testbranch)->imm);
        return true;
    case A64_ROW_BL_only_branch_imm: {
        lift_const(l, VAR_LR, l->pc + 4);
        call(l, to_address(l, IR_CALL, l->pc + (uint64_t)(int64_t)ARG(BL_only_branch_imm)->imm));
        return true;
    }
    case A64_ROW_BLR_64_branch_reg: {
        var_t n = X(BLR_64_branch_reg, n);
        if (n == VAR_ZERO) {
            to_address(l, IR_EXITI, l->pc);
            return true;
        }
        if (n == VAR_LR) {
            n = lift_temp(l);
            lift_op(l, IR_MOV, 3, n, VAR_LR, VAR_NONE);
        }
        lift_const(l, VAR_LR, l->pc + 4);
        struct ir *r = lift_op(l, IR_CALLR, 3, VAR_NONE, n, VAR_NONE);
        r->cc = 2;
        call(l, r);
        return true;
    }
    case A64_ROW_BR_64_branch_reg:
    case A64_ROW_RET_64R_branch_reg: {
        const bool ret = i->row == A64_ROW_RET_64R_branch_reg;
        const unsigned slot = ret ? ARG(RET_64R_branch_reg)->n : ARG(BR_64_branch_reg)->n;
        const var_t n = lift_x(slot);
        if (n == VAR_ZERO) {
            to_address(l, IR_EXITI, l->pc);
            return true;
        }
        struct ir *r = lift_op(l, ret ? IR_RET : IR_BRANCH, 3, VAR_NONE, n, VAR_NONE);
        /* BTYPE: through X16 and X17 it may reach a call's target also. */
        r->cc = ret ? 0 : slot == 16 || slot == 17 ? 1 : 3;
        return true;
    }
    case A64_ROW_HINT_HM_hints:
    case A64_ROW_NOP_HI_hints:
    case A64_ROW_BTI_HB_hints:
    case A64_ROW_CSDB_HI_hints:
    case A64_ROW_PSB_HC_hints:
    case A64_ROW_TSB_HC_hints:
    case A64_ROW_ESB_HI_hints: return true;
    case A64_ROW_YIELD_HI_hints: lift_ir(l, IR_PAUSE)->aux = 1; return true;
    case A64_ROW_DMB_BO_barriers:
        /* Only a store before a load can change places on x86-64: DMB LD and DMB ST have nothing to do. */
        if ((ARG(DMB_BO_barriers)->opt & 3) == 3 || !(ARG(DMB_BO_barriers)->opt & 3))
            lift_ir(l, IR_FENCE);
        return true;
    case A64_ROW_WFI_HI_hints:
        /* At EL0 it may trap. With turns, what came is looked at before the next instruction. */
        lift_ir(l, (l->u->mode & MODE_EL1) && !l->u->j->opt.exact ? IR_WFI : IR_INTERP);
        return true;
    case A64_ROW_NONE:
    case A64_ROW_WFE_HI_hints:
    case A64_ROW_HVC_EX_exception:
    case A64_ROW_SMC_EX_exception: to_address(l, IR_EXITI, l->pc); return true;
    case A64_ROW_SVC_EX_exception:
    case A64_ROW_ERET_64E_branch_reg:
    case A64_ROW_ERETA_64E_branch_reg:
        to_address(l, IR_EXITI, l->pc)->aux = jit_in_place(l->u, i->row);
        return true;
    default:
        if (i->row != A64_ROW_NONE && a64_rows[i->row].kind != A64_KIND_BRANCH &&
            a64_rows[i->row].kind != A64_KIND_TRAP)
            return false;
        to_address(l, IR_EXITI, l->pc);
        return true;
    }
}
