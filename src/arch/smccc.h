/* SMC Calling Convention 1.4: how a function id is built, and the discovery calls (DEN 0028, "Function Identifiers",
 * "Arm Architecture Calls", "Return codes"). Constants only. */
#ifndef VIBE_ARCH_SMCCC_H
#define VIBE_ARCH_SMCCC_H

#define SMCCC_FAST (1u << 31)
#define SMCCC_64 (1u << 30)
#define SMCCC_SVE_HINT                                                                             \
    (1u << 16) /* SMCCC 1.3: no live SVE state; not part of the function number */

/* Bits 29:24: who answers. */
#define SMCCC_OWNER(id) (((id) >> 24) & 0x3f)
enum smccc_owner {
    SMCCC_OWNER_ARCH = 0,
    SMCCC_OWNER_CPU = 1,
    SMCCC_OWNER_SIP = 2,
    SMCCC_OWNER_OEM = 3,
    SMCCC_OWNER_STANDARD = 4, /* PSCI, TRNG */
    SMCCC_OWNER_STANDARD_HYP = 5,
    SMCCC_OWNER_VENDOR_HYP = 6,
};

#define SMCCC_VERSION 0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u
#define SMCCC_ARCH_SOC_ID 0x80000002u
#define SMCCC_ARCH_FEATURE_AVAILABILITY 0x80000003u
#define SMCCC_ARCH_WORKAROUND_3 0x80003fffu
#define SMCCC_ARCH_WORKAROUND_2 0x80007fffu
#define SMCCC_ARCH_WORKAROUND_1 0x80008000u
#define SMCCC_VENDOR_HYP_CALL_UID 0x8600ff01u

/* vibevmm's own, of the vendor specific hypervisor service: W1 = exit status. Does not return. */
#define SMCCC_VIBE_EXIT 0x86000100u

/* What SMCCC_VENDOR_HYP_CALL_UID answers in W0 to W3, b53763d0-7a62-4f05-86ba-27cb0bed7c49: byte 0 is the low byte of W0. */
#define SMCCC_VIBE_UID                                                                             \
    {                                                                                              \
        0xd06337b5u, 0x054f627au, 0xcb27ba86u, 0x497ced0bu                                         \
    }

#define SMCCC_VERSION_1_1 0x00010001u /* major 30:16, minor 15:0 */
#define SMCCC_VERSION_1_4 0x00010004u

enum smccc_result {
    SMCCC_SUCCESS = 0,
    SMCCC_NOT_SUPPORTED = -1, /* also the answer to an unknown function id, sign-extended to X0 */
    SMCCC_NOT_REQUIRED = -2,
    SMCCC_INVALID_PARAMETER = -3,
};

#endif
