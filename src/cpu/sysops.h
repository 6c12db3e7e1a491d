/* System instructions: DC, IC, AT, TLBI and the prediction restrictions, by op1, CRn, CRm and op2; and the PSTATE fields of MSR (immediate). */
#ifndef VIBE_CPU_SYSOPS_H
#define VIBE_CPU_SYSOPS_H

#include <stdbool.h>
#include <stdint.h>

/* op1<<11 | CRn<<7 | CRm<<3 | op2 */
#define SYSOP(op1, crn, crm, op2) ((uint16_t)((op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

#define SYSOP_DC_ZVA SYSOP(3, 7, 4, 1)
#define SYSOP_LINE                                                                                 \
    64u /* bytes of a cache line and of DC ZVA: CTR_EL0.IminLine, DminLine; DCZID_EL0.BS */

/* MSR (immediate): op1:op2 */
enum pstate_field {
    PSTATE_UAO = 0 << 3 | 3,
    PSTATE_PAN = 0 << 3 | 4,
    PSTATE_SPSEL = 0 << 3 | 5,
    PSTATE_SSBS = 3 << 3 | 1,
    PSTATE_DIT = 3 << 3 | 2,
    PSTATE_DAIFSET = 3 << 3 | 6,
    PSTATE_DAIFCLR = 3 << 3 | 7,
};

/* "TLB maintenance instructions" have a CRn of their own. */
static inline bool sysop_is_tlbi(uint16_t op)
{
    return (op >> 7 & 15) == 8;
}

/* "tlbi vae1is"; null when there is no such instruction. Any thread. */
const char *sysop_name(uint16_t op);

#endif
