/* Taking and returning from exceptions, and reset.
 *
 * Owned by the vCPU's thread. Specification: DDI 0487, "AArch64 Exceptions"; the pseudocode functions are named below. */
#include "arch/exception.h"

#include "arch/sysreg.h"
#include "base/err.h"

#include "gen/sysreg_fields.h"

#include <string.h>

/* Offsets from VBAR (DDI 0487, "Exception vectors"). */
enum { VECTOR_SP0 = 0x000, VECTOR_SPX = 0x200, VECTOR_LOWER_64 = 0x400 };

enum esr_ec exception_ec(const struct pe_state *s, enum esr_ec lower)
{
    /* Every pair of these classes is LOWER, LOWER + 1. */
    return (enum esr_ec)(s->el == 0 ? lower : lower + 1);
}

/* SVC, HVC and SMC return to the instruction after them, for which this BTYPE was not meant. (AArch64.TakeException leaves it to
 * the implementation whether SPSR.BTYPE is cleared for exceptions other than those that need it.) */
static bool is_call(const struct exception *e)
{
    unsigned ec = (unsigned)bits(e->esr, 31, 26);
    return e->type == EXC_SYNC && (ec == EC_SVC64 || ec == EC_HVC64 || ec == EC_SMC64);
}

/* AArch64.TakeException. */
HOT void exception_take(struct pe_state *s, const struct exception *e, unsigned target_el)
{
    BUG_ON(target_el != 1 || target_el < s->el); /* EL2 and EL3 have no VBAR, SCTLR yet */

    uint64_t vector = target_el > s->el ? VECTOR_LOWER_64 : s->sp_sel ? VECTOR_SPX : VECTOR_SP0;
    uint64_t sctlr = SYS(s, SCTLR_EL1);

    if (is_call(e))
        s->btype = 0;
    s->spsr_el[target_el] = pstate_get(s);
    s->elr_el[target_el] = e->ret;
    if (e->type == EXC_SYNC || e->type == EXC_SERROR)
        SYS(s, ESR_EL1) = e->esr;
    if (e->far_valid)
        SYS(s, FAR_EL1) = e->far;

    pstate_select_sp(s, target_el, 1);
    s->daif = PSR_DAIF;
    s->il = 0;
    s->btype = 0;
    s->misc &= ~(PSR_SS | PSR_UAO | PSR_SSBS);
    if (!(sctlr & SCTLR_EL1_SPAN))
        s->misc |= PSR_PAN;
    if (sctlr & SCTLR_EL1_DSSBS)
        s->misc |= PSR_SSBS;
    s->pc = (SYS(s, VBAR_EL1) & VBAR_EL1_VBA) + vector + e->type;
}

/* IllegalExceptionReturn; ELFromSPSR for a PE with EL0 and EL1 in AArch64 state only. */
static bool is_illegal_return(const struct pe_state *s, uint64_t spsr)
{
    unsigned el = (unsigned)bits(spsr, 3, 2);
    return (spsr & PSR_NRW)             /* AArch32 */
           || el > 1                    /* not implemented */
           || bit(spsr, 1)              /* reserved */
           || (el == 0 && bit(spsr, 0)) /* EL0h */
           || el > s->el;
}

/* AArch64.GenerateDebugExceptionsFrom; the debug target is EL1. */
static bool debug_enabled(const struct pe_state *s, unsigned el, bool masked)
{
    if (SYS(s, OSLSR_EL1) & OSLSR_EL1_OSLK)
        return false;
    return el == 0 || ((SYS(s, MDSCR_EL1) & MDSCR_EL1_KDE) && !masked);
}

bool exception_steps(const struct pe_state *s)
{
    return (SYS(s, MDSCR_EL1) & MDSCR_EL1_SS) && debug_enabled(s, s->el, s->daif & PSR_D);
}

/* DebugExceptionReturnSS. */
static bool return_ss(const struct pe_state *s, uint64_t spsr, bool illegal)
{
    unsigned dest = illegal ? s->el : (unsigned)bits(spsr, 3, 2);
    return (SYS(s, MDSCR_EL1) & MDSCR_EL1_SS) && !debug_enabled(s, s->el, s->daif & PSR_D) &&
           debug_enabled(s, dest, spsr & PSR_D) && (spsr & PSR_SS);
}

/* AArch64.ExceptionReturn, SetPSTATEFromPSR. The local monitor and the event register are the CPU's. */
HOT void exception_return(struct pe_state *s, uint64_t spsr, uint64_t elr)
{
    bool illegal = is_illegal_return(s, spsr);
    uint64_t psr = spsr & ~(uint64_t)PSR_SS;

    if (return_ss(s, spsr, illegal))
        psr |= PSR_SS;
    if (illegal) {
        /* EL, SP and what is UNKNOWN then (BTYPE, SSBS, UAO, DIT) stay; flags, masks and PAN are reinstated. */
        const uint64_t kept = PSR_SSBS | PSR_UAO | PSR_DIT | 3u << PSR_BTYPE_SHIFT | 0x1f;
        psr = (psr & ~kept) | (pstate_get(s) & kept) | PSR_IL;
    }
    pstate_set(s, psr);
    s->pc = arch_branch_addr(s, elr);
}

void pe_reset(struct pe_state *s)
{
    uint64_t mpidr = SYS(s, MPIDR_EL1) | MPIDR_EL1_RESET;

    memset(s, 0, sizeof(*s));
    s->el = 1;
    s->sp_sel = 1;
    s->daif = PSR_DAIF;
    sysreg_reset(s);
    SYS(s, MPIDR_EL1) = mpidr;
}
