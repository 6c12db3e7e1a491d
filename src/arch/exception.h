/* Taking and returning from exceptions (DDI 0487, "AArch64 Exceptions"; pseudocode AArch64.TakeException, AArch64.ExceptionReturn). */
#ifndef VIBE_ARCH_EXCEPTION_H
#define VIBE_ARCH_EXCEPTION_H

#include "arch/esr.h"
#include "arch/state.h"
#include "arch/walk.h"

enum exception_type { EXC_SYNC = 0x000, EXC_IRQ = 0x080, EXC_FIQ = 0x100, EXC_SERROR = 0x180 };

/* One exception to be taken; ret is the preferred return address (goes to ELR). */
struct exception {
    enum exception_type type;
    uint64_t esr; /* without the EL-dependent "lower/same" choice already made: see exception_ec() */
    gva_t ret;
    gva_t far;
    bool far_valid;
};

/* Enters the exception at target_el (1 for now): SPSR, ELR, ESR, FAR, PSTATE (DAIF, SP, PAN by SPAN, SSBS by DSSBS, SS, IL, BTYPE, UAO cleared; DIT stays), PC from VBAR.
 * ESR is written for EXC_SYNC and EXC_SERROR only. */
void exception_take(struct pe_state *s, const struct exception *e, unsigned target_el);

/* EC_*_LOWER or EC_*_SAME for an abort, breakpoint, step or watchpoint from the current EL. lower is the EC_*_LOWER constant. */
enum esr_ec exception_ec(const struct pe_state *s, enum esr_ec lower);

/* Whether software step is on where execution is: each instruction that completes ends in an exception then. */
bool exception_steps(const struct pe_state *s);

/* ERET to spsr and elr (already authenticated): sets PSTATE and PC. An illegal return sets PSTATE.IL and keeps EL. */
void exception_return(struct pe_state *s, uint64_t spsr, uint64_t elr);

/* What a branch to va really puts into the PC: without its tag where TBI says so (AArch64.BranchAddr). */
static inline gva_t arch_branch_addr(const struct pe_state *s, gva_t va)
{
    return walk_strip_tag(s, va, true);
}

/* Cold reset: every register to its architected reset value, EL1h, DAIF masked. MPIDR_EL1 is the caller's and stays. */
void pe_reset(struct pe_state *s);

#endif
