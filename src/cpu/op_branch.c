/* Branches (DDI 0487, "A64 base instructions": B, BL, BR, BLR, RET, CBZ, TBZ and their pointer-authenticating forms). */
#include "arch/pac.h"
#include "cpu/interp.h"

static inline const struct a64_insn *indirect(struct cpu *c, const struct a64_insn *insn, gva_t target)
{
    target = arch_branch_addr(&c->st, target);
    branch_note(c, cpu_pc(c, insn), target);
    return cpu_goto(c, target);
}

/* BR and BLR leave PSTATE.BTYPE behind: the run loop steps over the target with it. */
static inline const struct a64_insn *indirect_btype(struct cpu *c, const struct a64_insn *insn,
                                                    gva_t target, unsigned btype)
{
    target = arch_branch_addr(&c->st, target);
    branch_note(c, cpu_pc(c, insn), target);
    c->st.pc = target;
    c->st.btype = (uint8_t)btype;
    c->leave = CPU_LEAVE_AGAIN;
    return NULL;
}

/* BTYPE of a BR through register n: through X16, X17 it may also reach a call target. */
static inline unsigned br_btype(const struct cpu *c, unsigned n)
{
    return n == 16 || n == 17 || !c->code.guarded ? 1 : 3;
}

OP(B_only_branch_imm)
{
    return cpu_branch(c, insn, a->imm);
}

OP(BL_only_branch_imm)
{
    c->st.x[REG_LR] = cpu_pc(c, insn) + 4;
    return cpu_branch(c, insn, a->imm);
}

OP(B_only_condbranch)
{
    return cond_holds(c, a->cc) ? cpu_branch(c, insn, a->imm) : insn + 1;
}

OP(CBZ_compbranch)
{
    return width(sf, c->st.x[a->t]) == 0 ? cpu_branch(c, insn, a->imm) : insn + 1;
}

OP(CBNZ_compbranch)
{
    return width(sf, c->st.x[a->t]) != 0 ? cpu_branch(c, insn, a->imm) : insn + 1;
}

OP(TBZ_only_testbranch)
{
    return bit(c->st.x[a->t], a->bit) ? insn + 1 : cpu_branch(c, insn, a->imm);
}

OP(TBNZ_only_testbranch)
{
    return bit(c->st.x[a->t], a->bit) ? cpu_branch(c, insn, a->imm) : insn + 1;
}

OP(BR_64_branch_reg)
{
    return indirect_btype(c, insn, c->st.x[a->n], br_btype(c, a->n));
}

OP(BRAZ_64_branch_reg)
{
    return indirect_btype(c, insn, pac_auth(&c->st, c->st.x[a->n], 0, a->key ? PAC_KEY_IB : PAC_KEY_IA),
                          br_btype(c, a->n));
}

OP(BRA_64P_branch_reg)
{
    return indirect_btype(
        c, insn, pac_auth(&c->st, c->st.x[a->n], c->st.x[a->m], a->key ? PAC_KEY_IB : PAC_KEY_IA),
        br_btype(c, a->n));
}

OP(BLR_64_branch_reg)
{
    const gva_t target = c->st.x[a->n];
    c->st.x[REG_LR] = cpu_pc(c, insn) + 4;
    return indirect_btype(c, insn, target, 2);
}

OP(BLRAZ_64_branch_reg)
{
    const gva_t target = pac_auth(&c->st, c->st.x[a->n], 0, a->key ? PAC_KEY_IB : PAC_KEY_IA);
    c->st.x[REG_LR] = cpu_pc(c, insn) + 4;
    return indirect_btype(c, insn, target, 2);
}

OP(BLRA_64P_branch_reg)
{
    const gva_t target =
        pac_auth(&c->st, c->st.x[a->n], c->st.x[a->m], a->key ? PAC_KEY_IB : PAC_KEY_IA);
    c->st.x[REG_LR] = cpu_pc(c, insn) + 4;
    return indirect_btype(c, insn, target, 2);
}

OP(RET_64R_branch_reg)
{
    return indirect(c, insn, c->st.x[a->n]);
}

OP(RETA_64E_branch_reg)
{
    return indirect(
        c, insn, pac_auth(&c->st, c->st.x[REG_LR], c->st.x[REG_SP], a->key ? PAC_KEY_IB : PAC_KEY_IA));
}
