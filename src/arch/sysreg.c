/* System registers: finding, checking, reading and writing them. What they are is declared in spec/sysreg.spec.
 *
 * The table is constant; the state belongs to the vCPU's thread. Specification: DDI 0487, "AArch64 System Register
 * Descriptions". */
#include "arch/sysreg.h"

#include "base/err.h"

#include "gen/sysreg_fields.h"
#include "gen/sysreg_table.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct sysreg_desc *sysreg_find(uint16_t encoding)
{
    unsigned lo = 0, hi = sysreg_table_len;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (sysreg_table[mid].encoding < encoding)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sysreg_table_len && sysreg_table[lo].encoding == encoding ? &sysreg_table[lo] : NULL;
}

const struct sysreg_desc *sysreg_find_name(const char *name)
{
    for (unsigned i = 0; i < sysreg_table_len; i++)
        if (!strcasecmp(sysreg_table[i].name, name))
            return &sysreg_table[i];
    return NULL;
}

const struct sysreg_desc *sysreg_of_id(enum sysreg_id id)
{
    BUG_ON((unsigned)id >= NR_SYSREGS);
    return &sysreg_table[sysreg_row_of_id[id]];
}

const char *sysreg_missing_row(uint16_t encoding, char *buf, size_t buf_len)
{
    unsigned op0 = encoding >> 14, op1 = encoding >> 11 & 7, crn = encoding >> 7 & 15,
             crm = encoding >> 3 & 15, op2 = encoding & 7;
    snprintf(buf, buf_len,
             "register S%u_%u_C%u_C%u_%u %u %u %u %u %u\n"
             "    text    what the manual calls it\n"
             "    home    raz_wi\n"
             "    access  EL1:rw\n"
             "    63:0  RAZ\n",
             op0, op1, crn, crm, op2, op0, op1, crn, crm, op2);
    return buf;
}

void sysreg_reset(struct pe_state *s)
{
    for (unsigned i = 0; i < sysreg_table_len; i++)
        s->sys[sysreg_table[i].id] = sysreg_table[i].reset;
    SYS(s, DBGCLAIMSET_EL1) = 0; /* the tags are kept in DBGCLAIMCLR_EL1 */
}

bool sysreg_id_space(uint16_t encoding)
{
    unsigned op1 = encoding >> 11 & 7;
    return encoding >> 14 == 3 && (op1 == 0 || op1 == 1 || op1 == 3) && (encoding >> 7 & 15) == 0 &&
           (encoding >> 3 & 15) <= 7;
}

/* CPACR_EL1.FPEN: 00 and 10 trap both levels, 01 EL0. */
bool sysreg_fp_traps(const struct pe_state *s, unsigned el)
{
    unsigned fpen = (unsigned)bits(SYS(s, CPACR_EL1), CPACR_EL1_FPEN_LO + 1, CPACR_EL1_FPEN_LO);
    return !(fpen & 1) || (fpen == 1 && el == 0);
}

/* The controls that make an access from EL0 trap to EL1 though EL0 is allowed in principle. */
static bool el0_traps(const struct pe_state *s, const struct sysreg_desc *d)
{
    uint64_t sctlr = SYS(s, SCTLR_EL1), cntkctl = SYS(s, CNTKCTL_EL1);

    switch ((enum sysreg_trap)d->trap) {
    case TRAP_SCTLR_UCT: return !(sctlr & SCTLR_EL1_UCT);
    case TRAP_SCTLR_UMA: return !(sctlr & SCTLR_EL1_UMA);
    case TRAP_CNTKCTL_PCT: return !(cntkctl & CNTKCTL_EL1_EL0PCTEN);
    case TRAP_CNTKCTL_VCT: return !(cntkctl & CNTKCTL_EL1_EL0VCTEN);
    case TRAP_CNTKCTL_FRQ: return !(cntkctl & (CNTKCTL_EL1_EL0PCTEN | CNTKCTL_EL1_EL0VCTEN));
    case TRAP_CNTKCTL_PT: return !(cntkctl & CNTKCTL_EL1_EL0PTEN);
    case TRAP_CNTKCTL_VT: return !(cntkctl & CNTKCTL_EL1_EL0VTEN);
    case TRAP_MDSCR_TDCC: return SYS(s, MDSCR_EL1) & MDSCR_EL1_TDCC;
    case TRAP_PMUSERENR: /* no PMU, no such register */
    case TRAP_SCTLR_DZE_NO:
    case TRAP_CPACR_FPEN:
    case TRAP_NONE: break;
    }
    return false;
}

enum sysreg_verdict sysreg_check(const struct pe_state *s, const struct sysreg_desc *d, bool write)
{
    if (s->el < (write ? d->write_el : d->read_el))
        return s->el == 0 && !write && sysreg_id_space(d->encoding) ? SYSREG_TRAP : SYSREG_UNDEFINED;
    if (d->id == SR_SP_EL0 && !s->sp_sel)
        return SYSREG_UNDEFINED;
    if (d->trap == TRAP_CPACR_FPEN)
        return sysreg_fp_traps(s, s->el) ? SYSREG_TRAP_FP : SYSREG_OK;
    if (s->el == 0 && el0_traps(s, d))
        return SYSREG_TRAP;
    return SYSREG_OK;
}

/* CCSIDR_EL1 of the cache that CSSELR_EL1 selects; UNKNOWN, here 0, where CLIDR_EL1 names none. */
static uint64_t cache_size(const struct pe_state *s)
{
    enum { LINE_64 = 2 }; /* log2(bytes) - 4 */
    uint64_t sets, ways;

    switch (SYS(s, CSSELR_EL1) & (CSSELR_EL1_Level | CSSELR_EL1_InD)) {
    case 0: /* L1 data, 64 KB */
    case 1: /* L1 instruction, 64 KB */ sets = 256, ways = 4; break;
    case 2: /* L2 unified, 1 MB */ sets = 1024, ways = 16; break;
    default: return 0;
    }
    return (sets - 1) << CCSIDR_EL1_NumSets_LO | (ways - 1) << CCSIDR_EL1_Associativity_LO | LINE_64;
}

static uint64_t read_state(const struct pe_state *s, const struct sysreg_desc *d)
{
    switch (d->id) {
    case SR_SPSR_EL1: return s->spsr_el[1];
    case SR_ELR_EL1: return s->elr_el[1];
    case SR_SP_EL0: return s->el == 0 || !s->sp_sel ? s->x[REG_SP] : s->sp_el[0];
    case SR_SPSel: return s->sp_sel;
    case SR_CurrentEL: return (uint64_t)s->el << CurrentEL_EL_LO;
    case SR_PAN: return s->misc & PSR_PAN;
    case SR_UAO: return s->misc & PSR_UAO;
    case SR_DIT: return s->misc & PSR_DIT;
    case SR_SSBS: return s->misc & PSR_SSBS;
    case SR_NZCV: return s->nzcv;
    case SR_DAIF: return s->daif;
    case SR_FPCR: return s->fpcr;
    case SR_FPSR: return s->fpsr;
    case SR_DCZID_EL0:
        return d->reset | (s->el == 0 && !(SYS(s, SCTLR_EL1) & SCTLR_EL1_DZE) ? DCZID_EL0_DZP : 0);
    case SR_CCSIDR_EL1: return cache_size(s);
    case SR_DBGCLAIMSET_EL1: return DBGCLAIMSET_EL1_CLAIM;
    case SR_DBGCLAIMCLR_EL1:
    case SR_MDSCR_EL1:
    case SR_ISR_EL1: return s->sys[d->id];
    case SR_OSLAR_EL1: /* write-only */ return 0;
    default: BUG("no read of %s", d->name);
    }
}

static void set_misc(struct pe_state *s, uint32_t psr_bit, uint64_t val)
{
    s->misc = (s->misc & ~psr_bit) | (uint32_t)(val & psr_bit);
}

static void write_mdscr(struct pe_state *s, uint64_t val)
{
    uint64_t mask = MDSCR_EL1_WRITABLE;
    if (!(SYS(s, OSLSR_EL1) & OSLSR_EL1_OSLK))
        mask &= ~(MDSCR_EL1_RXfull | MDSCR_EL1_TXfull | MDSCR_EL1_RXO | MDSCR_EL1_TXU |
                  MDSCR_EL1_INTdis | MDSCR_EL1_TDA | MDSCR_EL1_HDE | MDSCR_EL1_ERR);
    SYS(s, MDSCR_EL1) = (SYS(s, MDSCR_EL1) & ~mask) | (val & mask);
}

static void write_state(struct pe_state *s, const struct sysreg_desc *d, uint64_t val)
{
    val &= d->writable;
    switch (d->id) {
    case SR_SPSR_EL1: s->spsr_el[1] = val; break;
    case SR_ELR_EL1: s->elr_el[1] = val; break;
    case SR_SP_EL0:
        s->sp_el[0] = val;
        if (s->el == 0 || !s->sp_sel)
            s->x[REG_SP] = val;
        break;
    case SR_SPSel: pstate_select_sp(s, s->el, (unsigned)val); break;
    case SR_PAN: set_misc(s, PSR_PAN, val); break;
    case SR_UAO: set_misc(s, PSR_UAO, val); break;
    case SR_DIT: set_misc(s, PSR_DIT, val); break;
    case SR_SSBS: set_misc(s, PSR_SSBS, val); break;
    case SR_NZCV: s->nzcv = (uint32_t)val; break;
    case SR_DAIF: s->daif = (uint32_t)val; break;
    case SR_FPCR: s->fpcr = (uint32_t)val; break;
    case SR_FPSR: s->fpsr = (uint32_t)val; break;
    case SR_MDSCR_EL1: write_mdscr(s, val); break;
    case SR_OSLAR_EL1:
        SYS(s, OSLSR_EL1) =
            (SYS(s, OSLSR_EL1) & ~OSLSR_EL1_OSLK) | (val & OSLAR_EL1_OSLK ? OSLSR_EL1_OSLK : 0);
        break;
    case SR_DBGCLAIMSET_EL1: SYS(s, DBGCLAIMCLR_EL1) |= val; break;
    case SR_DBGCLAIMCLR_EL1: SYS(s, DBGCLAIMCLR_EL1) &= ~val; break;
    case SR_DCZID_EL0: /* read-only */
    case SR_CCSIDR_EL1:
    case SR_CurrentEL:
    case SR_ISR_EL1: break;
    default: BUG("no write of %s", d->name);
    }
}

uint64_t sysreg_read(const struct pe_state *s, const struct sysreg_desc *d)
{
    switch ((enum sysreg_home)d->home) {
    case HOME_STORAGE: return s->sys[d->id];
    case HOME_CONST: return d->reset;
    case HOME_STATE: return read_state(s, d);
    case HOME_RAZ_WI: return 0;
    case HOME_COUNTER:
    case HOME_BOARD: break;
    }
    BUG("%s is not read here", d->name);
}

void sysreg_write(struct pe_state *s, const struct sysreg_desc *d, uint64_t val)
{
    switch ((enum sysreg_home)d->home) {
    case HOME_STORAGE:
        /* Bits that are not writable keep what they have: MPIDR_EL1 was set by the board. */
        s->sys[d->id] = (s->sys[d->id] & ~d->writable) | (val & d->writable);
        return;
    case HOME_STATE: write_state(s, d, val); return;
    case HOME_CONST:
    case HOME_RAZ_WI: return;
    case HOME_COUNTER:
    case HOME_BOARD: break;
    }
    BUG("%s is not written here", d->name);
}

/* DDI 0487, "ISS encoding for an exception from MSR, MRS, or System instruction execution in AArch64 state". */
uint32_t sysreg_iss(uint16_t encoding, unsigned rt, bool read)
{
    uint32_t op0 = encoding >> 14, op1 = encoding >> 11 & 7, crn = encoding >> 7 & 15,
             crm = encoding >> 3 & 15, op2 = encoding & 7;
    return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | (rt & 31) << 5 | crm << 1 | (read ? 1 : 0);
}
