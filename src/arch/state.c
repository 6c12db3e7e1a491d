/* PSTATE as one value, and the banked stack pointers.
 *
 * Owned by the vCPU's thread. Specification: DDI 0487, "Process state, PSTATE", "SPSR_EL1". */
#include "arch/state.h"

#include "base/err.h"

#define PSR_MISC (PSR_SSBS | PSR_SS | PSR_PAN | PSR_UAO | PSR_DIT)
#define PSR_NZCV 0xf0000000u

uint64_t pstate_get(const struct pe_state *s)
{
    return s->nzcv | s->daif | s->misc | (uint32_t)s->btype << PSR_BTYPE_SHIFT |
           (s->il ? PSR_IL : 0) | (uint32_t)s->el << PSR_EL_SHIFT | s->sp_sel;
}

void pstate_set(struct pe_state *s, uint64_t spsr)
{
    s->nzcv = spsr & PSR_NZCV;
    s->daif = spsr & PSR_DAIF;
    s->misc = spsr & PSR_MISC;
    s->btype = (uint8_t)bits(spsr, PSR_BTYPE_SHIFT + 1, PSR_BTYPE_SHIFT);
    s->il = !!(spsr & PSR_IL);
    pstate_select_sp(s, (unsigned)bits(spsr, 3, 2), spsr & PSR_SP);
}

/* SP_EL0 serves every level while PSTATE.SP is 0. */
static unsigned sp_bank(unsigned el, unsigned sp_sel)
{
    return sp_sel ? el : 0;
}

void pstate_select_sp(struct pe_state *s, unsigned el, unsigned sp_sel)
{
    BUG_ON(el > 3 || sp_sel > 1);
    s->sp_el[sp_bank(s->el, s->sp_sel)] = s->x[REG_SP];
    s->el = (uint8_t)el;
    s->sp_sel = (uint8_t)sp_sel;
    s->x[REG_SP] = s->sp_el[sp_bank(el, sp_sel)];
}
