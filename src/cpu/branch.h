/* What direct branches say of themselves. Pure. */
#ifndef VIBE_CPU_BRANCH_H
#define VIBE_CPU_BRANCH_H

#include "cpu/insn.h"

/* Whether i is a branch to a constant distance, a call or a conditional one included; which, in bytes. */
static inline bool branch_offset(const struct a64_insn *i, int64_t *offset)
{
    switch (i->row) {
    case A64_ROW_B_only_branch_imm: *offset = i->u.B_only_branch_imm.imm; return true;
    case A64_ROW_BL_only_branch_imm: *offset = i->u.BL_only_branch_imm.imm; return true;
    case A64_ROW_B_only_condbranch: *offset = i->u.B_only_condbranch.imm; return true;
    case A64_ROW_CBZ_compbranch: *offset = i->u.CBZ_compbranch.imm; return true;
    case A64_ROW_CBNZ_compbranch: *offset = i->u.CBNZ_compbranch.imm; return true;
    case A64_ROW_TBZ_only_testbranch: *offset = i->u.TBZ_only_testbranch.imm; return true;
    case A64_ROW_TBNZ_only_testbranch: *offset = i->u.TBNZ_only_testbranch.imm; return true;
    default: return false;
    }
}

#endif
