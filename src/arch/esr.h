/* Exception syndromes (DDI 0487, "ESR_EL1, Exception Syndrome Register (EL1)"). Pure. */
#ifndef VIBE_ARCH_ESR_H
#define VIBE_ARCH_ESR_H

#include "base/bits.h"

#include <stdbool.h>

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
    EC_BKPT32 = 0x38,
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
    FSC_DEBUG = 0x22,
    FSC_TLB_CONFLICT = 0x30,
    FSC_UNSUPPORTED_ATOMIC = 0x35, /* unsupported exclusive or atomic access */
};

#define ESR_IL BIT64(25)

static inline uint64_t esr_make(enum esr_ec ec, uint32_t iss)
{
    return ((uint64_t)ec << 26) | ESR_IL | iss;
}

#define ISS_SOFTSTP_ISV (1u << 24)
#define ISS_SOFTSTP_EX (1u << 6)
#define ISS_DABT_ISV (1u << 24)
#define ISS_DABT_CM (1u << 8)
#define ISS_DABT_S1PTW (1u << 7)
#define ISS_DABT_WNR (1u << 6)

/* --- Syndromes taken apart, for those who get them from hardware ---------------------------------------------------- */

/* The syndrome's upper half (ISS2) is not looked at. */
static inline unsigned esr_class(uint64_t esr)
{
    return (unsigned)bits(esr, 31, 26);
}

static inline uint32_t esr_iss(uint64_t esr)
{
    return (uint32_t)bits(esr, 24, 0);
}

/* "ISS encoding for an exception from a Data Abort"; of one from an Instruction Abort only walk and status are meant. */
struct abort_syndrome {
    uint8_t status; /* with the level */
    bool write, walk, cache;
    bool valid; /* the rest is */
    bool sign_extend, wide;
    uint8_t size; /* bytes */
    uint8_t reg;  /* 31: XZR */
};

static inline struct abort_syndrome esr_abort(uint32_t iss)
{
    return (struct abort_syndrome){
        .status = iss & 0x3f,
        .write = iss & ISS_DABT_WNR,
        .walk = iss & ISS_DABT_S1PTW,
        .cache = iss & ISS_DABT_CM,
        .valid = iss & ISS_DABT_ISV,
        .sign_extend = bit(iss, 21),
        .wide = bit(iss, 15),
        .size = (uint8_t)(1u << bits(iss, 23, 22)),
        .reg = (uint8_t)bits(iss, 20, 16),
    };
}

/* What the load leaves in Xt, of data as read. */
static inline uint64_t abort_loaded(const struct abort_syndrome *a, uint64_t data)
{
    const unsigned width = 8u * a->size;
    uint64_t val = width == 64 ? data : data & (BIT64(width) - 1);

    if (a->sign_extend)
        val = (uint64_t)sext(val, width);
    return a->wide ? val : (uint32_t)val;
}

/* "ISS encoding for an exception from MSR, MRS, or System instruction execution in AArch64 state". */
struct sysreg_syndrome {
    uint16_t encoding; /* arch/sysreg.h; of op0 2 and 3 */
    bool op0_is_high;  /* else it is SYS, or a reserved encoding */
    bool read;
    uint8_t reg; /* 31: XZR */
};

static inline struct sysreg_syndrome esr_sysreg(uint32_t iss)
{
    return (struct sysreg_syndrome){
        .encoding = (uint16_t)(bits(iss, 21, 20) << 14 | bits(iss, 16, 14) << 11 |
                               bits(iss, 13, 10) << 7 | bits(iss, 4, 1) << 3 | bits(iss, 19, 17)),
        .op0_is_high = bit(iss, 21),
        .read = bit(iss, 0),
        .reg = (uint8_t)bits(iss, 9, 5),
    };
}

/* "ISS encoding for an exception from a WF* instruction". */
enum wf_kind { WF_WFI, WF_WFE, WF_WFIT, WF_WFET };

struct wf_syndrome {
    enum wf_kind kind;
    uint8_t reg;    /* of WFIT and WFET: the time; 31: XZR */
    bool reg_valid; /* else the instruction has to be looked at */
};

static inline struct wf_syndrome esr_wf(uint32_t iss)
{
    return (struct wf_syndrome){
        .kind = (enum wf_kind)(iss & 3), .reg = (uint8_t)bits(iss, 9, 5), .reg_valid = bit(iss, 2)};
}

#endif
