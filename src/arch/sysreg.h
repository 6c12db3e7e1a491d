/* System registers: what the generated table says of each, and access by MRS, MSR, debugger and snapshot.
 *
 * spec/sysreg.spec is the one place that declares them. Pure, but for the effects that the caller carries out.
 * Specification: DDI 0487, "AArch64 System Register Descriptions". */
#ifndef VIBE_ARCH_SYSREG_H
#define VIBE_ARCH_SYSREG_H

#include "arch/state.h"

/* op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2: also KVM's and HVF's id. op0 here is 2 or 3, as two bits. */
#define SYSREG_ENC(op0, op1, crn, crm, op2)                                                        \
    ((uint16_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

/* Where the value lives. */
enum sysreg_home {
    HOME_STORAGE, /* pe_state.sys[id], read and written under the masks */
    HOME_CONST, /* reads as `reset`, always (ID registers); writes are UNDEFINED unless the access says otherwise */
    HOME_RAZ_WI, /* reads 0, ignores writes */
    HOME_STATE, /* a field of pe_state (NZCV, DAIF, SP_EL0, ELR_EL1 ...): sysreg_read/write know it */
    HOME_COUNTER, /* CNTPCT_EL0, CNTVCT_EL0 and self-synchronised forms: the CPU's clock */
    HOME_BOARD,   /* ICC_*, CNTP_*, CNTV_*: an exit to the VMM */
};

/* What the CPU must do after a write, as a set; and EFFECT_READ. */
enum sysreg_effect {
    EFFECT_NONE = 0,
    EFFECT_MMU = 1, /* translation context changed: SCTLR, TCR, TTBRn, MAIR, PAN, UAO */
    EFFECT_TLB = 2, /* cached translations made under the old value must not be used: SCTLR, TCR, MAIR */
    EFFECT_IRQ = 4,    /* look for interrupts again: DAIF */
    EFFECT_FP = 8,     /* FP access may have changed: CPACR */
    EFFECT_DEBUG = 16, /* MDSCR, breakpoints */
    EFFECT_VBAR = 32,  /* VBAR written: the fault explanation wants to know that it ever was */
    EFFECT_READ = 64,  /* a read changes something: not for debuggers */
};

/* Extra conditions under which EL0 (or EL1) access traps to EL1, beyond the minimum EL. */
enum sysreg_trap {
    TRAP_NONE,
    TRAP_SCTLR_UCT,    /* CTR_EL0 at EL0 needs SCTLR_EL1.UCT */
    TRAP_SCTLR_UMA,    /* DAIF at EL0 needs SCTLR_EL1.UMA */
    TRAP_SCTLR_DZE_NO, /* DCZID_EL0: never traps, DZP reflects SCTLR_EL1.DZE at EL0 */
    TRAP_CNTKCTL_PCT,  /* CNTPCT_EL0 at EL0: CNTKCTL_EL1.EL0PCTEN */
    TRAP_CNTKCTL_VCT,
    TRAP_CNTKCTL_FRQ, /* CNTFRQ_EL0 at EL0: EL0PCTEN or EL0VCTEN */
    TRAP_CNTKCTL_PT,  /* CNTP_* at EL0: EL0PTEN */
    TRAP_CNTKCTL_VT,  /* CNTV_* at EL0: EL0VTEN */
    TRAP_CPACR_FPEN,  /* FPCR, FPSR: EC 0x07 while FP is disabled */
    TRAP_PMUSERENR,   /* PMU registers at EL0 */
    TRAP_MDSCR_TDCC,  /* debug communication channel at EL0 */
};

struct sysreg_field {
    const char *name; /* "RES0", "RES1" and "RAZ" included */
    uint8_t hi, lo;
    const char *text; /* one line for explanations, may be null */
};

struct sysreg_desc {
    const char *name;
    const char *text; /* the long name, one line */
    uint16_t encoding;
    uint8_t home;     /* enum sysreg_home */
    uint8_t read_el;  /* lowest EL that may read; 4: nobody */
    uint8_t write_el; /* lowest EL that may write; 4: nobody */
    uint8_t trap;     /* enum sysreg_trap */
    uint8_t effects;  /* set of enum sysreg_effect */
    uint16_t id;      /* enum sysreg_id: index into pe_state.sys[] */
    uint64_t reset;
    uint64_t writable; /* bits that a write changes; the others keep their reset value */
    const struct sysreg_field *field;
    uint8_t nr_fields;
};

/* All rows, sorted by encoding. */
extern const struct sysreg_desc sysreg_table[];
extern const unsigned sysreg_table_len;

/* The row, or null when no such register exists here. Any thread. */
const struct sysreg_desc *sysreg_find(uint16_t encoding);
const struct sysreg_desc *sysreg_find_name(const char *name);
const struct sysreg_desc *sysreg_of_id(enum sysreg_id id);

/* The row that sysreg.spec would need for an unknown encoding, for messages; returns buf. */
const char *sysreg_missing_row(uint16_t encoding, char *buf, size_t buf_len);

/* Sets every register with storage to its reset value. */
void sysreg_reset(struct pe_state *s);

/* How MRS/MSR at the current EL turns out. */
enum sysreg_verdict {
    SYSREG_OK,
    SYSREG_UNDEFINED, /* EC 0 */
    SYSREG_TRAP,      /* to EL1 with EC 0x18 and the ISS of the access */
    SYSREG_TRAP_FP,   /* to EL1 with EC 0x07 */
};
/* d may not be null: an encoding without a row is SYSREG_UNDEFINED, or SYSREG_TRAP for a read at EL0 if sysreg_id_space(). */
enum sysreg_verdict sysreg_check(const struct pe_state *s, const struct sysreg_desc *d, bool write);

/* CPACR_EL1.FPEN traps SIMD and floating point at el, which is 0 or 1. */
bool sysreg_fp_traps(const struct pe_state *s, unsigned el);

/* The feature ID space, whose reads at EL0 trap to EL1 (FEAT_IDST): ID_AA64MMFR2_EL1.IDS = 1. */
bool sysreg_id_space(uint16_t encoding);

/* Reads or writes a register of HOME_STORAGE, CONST, RAZ_WI or STATE, access already checked; applies the masks. The
 * debugger and hv get_reg/set_reg use them too. Counter and board registers are the caller's.
 * ISR_EL1 reads as sys[SR_ISR_EL1], which the caller brings up to date before. */
uint64_t sysreg_read(const struct pe_state *s, const struct sysreg_desc *d);
void sysreg_write(struct pe_state *s, const struct sysreg_desc *d, uint64_t val);

/* The ISS of EC 0x18 for this access. */
uint32_t sysreg_iss(uint16_t encoding, unsigned rt, bool read);

#endif
