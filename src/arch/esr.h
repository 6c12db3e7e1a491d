/* Exception syndromes (DDI 0487, "ESR_EL1, Exception Syndrome Register (EL1)"). Pure. */
#ifndef VIBE_ARCH_ESR_H
#define VIBE_ARCH_ESR_H

#include "base/bits.h"

enum esr_ec {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_FP_ACCESS = 0x07,
    EC_PAC = 0x09,
    EC_BTI = 0x0d,
    EC_ILLEGAL = 0x0e,
    EC_SVC64 = 0x15,
    EC_HVC64 = 0x16,
    EC_SMC64 = 0x17,
    EC_SYSREG = 0x18,
    EC_FPAC = 0x1c,
    EC_IABT_LOWER = 0x20,
    EC_IABT_SAME = 0x21,
    EC_PC_ALIGN = 0x22,
    EC_DABT_LOWER = 0x24,
    EC_DABT_SAME = 0x25,
    EC_SP_ALIGN = 0x26,
    EC_SERROR = 0x2f,
    EC_BREAKPT_LOWER = 0x30,
    EC_BREAKPT_SAME = 0x31,
    EC_SOFTSTP_LOWER = 0x32,
    EC_SOFTSTP_SAME = 0x33,
    EC_WATCHPT_LOWER = 0x34,
    EC_WATCHPT_SAME = 0x35,
    EC_BRK64 = 0x3c,
};

/* Fault status codes, without the level (DDI 0487, "DFSC"). */
enum fault_status {
    FSC_ADDRESS_SIZE = 0x00,
    FSC_TRANSLATION = 0x04,
    FSC_ACCESS_FLAG = 0x08,
    FSC_PERMISSION = 0x0c,
    FSC_EXTERNAL = 0x10,
    FSC_EXTERNAL_WALK = 0x14, /* with the level */
    FSC_ALIGNMENT = 0x21,
    FSC_TLB_CONFLICT = 0x30,
    FSC_UNSUPPORTED_ATOMIC = 0x35, /* unsupported exclusive or atomic access */
};

#define ESR_IL BIT64(25)

static inline uint64_t esr_make(enum esr_ec ec, uint32_t iss)
{
    return ((uint64_t)ec << 26) | ESR_IL | iss;
}

#define ISS_DABT_ISV (1u << 24)
#define ISS_DABT_CM (1u << 8)
#define ISS_DABT_S1PTW (1u << 7)
#define ISS_DABT_WNR (1u << 6)

#endif
