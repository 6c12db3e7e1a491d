/* The architectural state of one processing element in AArch64 state.
 *
 * Owned by its vCPU's thread. Laid out for four exception levels; EL0 and EL1 are implemented.
 * Specification: DDI 0487, "The AArch64 Application Level Programmers' Model" and "... System Level ...". */
#ifndef VIBE_ARCH_STATE_H
#define VIBE_ARCH_STATE_H

#include "arch/fp.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/types.h"

#include "gen/sysreg_ids.h" /* enum sysreg_id: SR_SCTLR_EL1 ..., NR_SYSREGS; generated from spec/sysreg.spec */

/* x[] has four slots beyond X0..X30, so that no instruction tests for register 31. The decoder picks the slot:
 *   31  XZR read: always 0          32  the current SP
 *   33  XZR written: thrown away */
enum { REG_LR = 30, REG_ZERO = 31, REG_SP = 32, REG_SINK = 33, NR_X_SLOTS = 34 };

enum { PSR_V = 1u << 28, PSR_C = 1u << 29, PSR_Z = 1u << 30, PSR_N = 1u << 31 };

/* PSTATE in SPSR_ELx layout (DDI 0487, "SPSR_EL1"). */
#define PSR_SP 0x1u /* SPSel */
#define PSR_EL_SHIFT 2
#define PSR_NRW 0x10u /* AArch32: never set */
#define PSR_F (1u << 6)
#define PSR_I (1u << 7)
#define PSR_A (1u << 8)
#define PSR_D (1u << 9)
#define PSR_DAIF (PSR_D | PSR_A | PSR_I | PSR_F)
#define PSR_BTYPE_SHIFT 10
#define PSR_SSBS (1u << 12)
#define PSR_IL (1u << 20)
#define PSR_SS (1u << 21)
#define PSR_PAN (1u << 22)
#define PSR_UAO (1u << 23)
#define PSR_DIT (1u << 24)

/* A V register by lanes: lane 0 is the least significant, and so lies first (hosts are little-endian). */
union vreg {
    uint64_t d[2];
    uint32_t s[4];
    uint16_t h[8];
    uint8_t b[16];
    int64_t sd[2];
    int32_t ss[4];
    int16_t sh[8];
    int8_t sb[16];
} __attribute__((aligned(16)));

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "union vreg");

struct pe_state {
    uint64_t x[NR_X_SLOTS];
    uint64_t pc;
    uint32_t nzcv;  /* bits 31:28 only, as in PSTATE */
    uint32_t daif;  /* PSR_DAIF bits */
    uint8_t el;     /* 0 or 1 */
    uint8_t sp_sel; /* PSTATE.SP */
    uint8_t btype;  /* PSTATE.BTYPE, 0..3; non-zero only between BR/BLR and their target */
    uint8_t il;     /* PSTATE.IL: illegal execution state */
    uint32_t misc;  /* PSR_SSBS, PSR_SS, PSR_PAN, PSR_UAO, PSR_DIT bits */

    uint64_t sp_el[4];  /* the banked ones; the current one lives in x[REG_SP] */
    uint64_t elr_el[4]; /* [0] unused; likewise below */
    uint64_t spsr_el[4];
    uint64_t sys[NR_SYSREGS]; /* every register of sysreg.spec that has storage, by its id */

    union vreg v[32];
    union {
        struct {
            uint32_t fpcr, fpsr; /* as the registers of that name */
        };
        struct fp_env fp; /* the same two, for arch/fp.h */
    };
};

/* How C names a system register's storage: SYS(s, SCTLR_EL1). */
#define SYS(state, reg) ((state)->sys[SR_##reg])

#define PSR_MISC (PSR_SSBS | PSR_SS | PSR_PAN | PSR_UAO | PSR_DIT)
#define PSR_NZCV 0xf0000000u

/* PSTATE as an SPSR value (DDI 0487, "SPSR_EL1"). */
static inline uint64_t pstate_get(const struct pe_state *s)
{
    return s->nzcv | s->daif | s->misc | (uint32_t)s->btype << PSR_BTYPE_SHIFT |
           (s->il ? PSR_IL : 0) | (uint32_t)s->el << PSR_EL_SHIFT | s->sp_sel;
}

/* Where x[REG_SP] belongs: SP_EL0 serves every level while PSTATE.SP is 0. */
static inline uint64_t *pstate_sp_bank(struct pe_state *s)
{
    return &s->sp_el[s->sp_sel ? s->el : 0];
}

/* Moves x[REG_SP] to its bank, changes EL and SPSel, and loads the new bank. */
static inline void pstate_select_sp(struct pe_state *s, unsigned el, unsigned sp_sel)
{
    BUG_ON(el > 3 || sp_sel > 1);
    *pstate_sp_bank(s) = s->x[REG_SP];
    s->el = (uint8_t)el;
    s->sp_sel = (uint8_t)sp_sel;
    s->x[REG_SP] = *pstate_sp_bank(s);
}

/* The way back from pstate_get(). It does not judge legality: see arch/exception.h. */
static inline void pstate_set(struct pe_state *s, uint64_t spsr)
{
    s->nzcv = spsr & PSR_NZCV;
    s->daif = spsr & PSR_DAIF;
    s->misc = spsr & PSR_MISC;
    s->btype = (uint8_t)bits(spsr, PSR_BTYPE_SHIFT + 1, PSR_BTYPE_SHIFT);
    s->il = !!(spsr & PSR_IL);
    pstate_select_sp(s, (unsigned)bits(spsr, 3, 2), spsr & PSR_SP);
}

#endif
