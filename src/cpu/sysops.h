/* System instructions: DC, IC, AT, TLBI and the prediction restrictions, by op1, CRn, CRm and op2. */
#ifndef VIBE_CPU_SYSOPS_H
#define VIBE_CPU_SYSOPS_H

#include <stdint.h>

/* op1<<11 | CRn<<7 | CRm<<3 | op2 */
#define SYSOP(op1, crn, crm, op2) ((uint16_t)((op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

/* "tlbi vae1is"; null when there is no such instruction. Any thread. */
const char *sysop_name(uint16_t op);

#endif
