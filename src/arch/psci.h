/* Power State Coordination Interface 1.1: function ids, results and arguments (DEN 0022, "PSCI functions", "Return codes").
 * Constants only. */
#ifndef VIBE_ARCH_PSCI_H
#define VIBE_ARCH_PSCI_H

#include <stdint.h>

/* Bit 30 of an id marks the SMC64 form of a function, which passes addresses and MPIDRs in 64 bits. */
#define PSCI_VERSION 0x84000000u
#define PSCI_CPU_SUSPEND 0x84000001u
#define PSCI_CPU_OFF 0x84000002u
#define PSCI_CPU_ON 0x84000003u
#define PSCI_AFFINITY_INFO 0x84000004u
#define PSCI_MIGRATE 0x84000005u
#define PSCI_MIGRATE_INFO_TYPE 0x84000006u
#define PSCI_MIGRATE_INFO_UP_CPU 0x84000007u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define PSCI_FEATURES 0x8400000au
#define PSCI_CPU_FREEZE 0x8400000bu
#define PSCI_CPU_DEFAULT_SUSPEND 0x8400000cu
#define PSCI_NODE_HW_STATE 0x8400000du
#define PSCI_SYSTEM_SUSPEND 0x8400000eu
#define PSCI_SET_SUSPEND_MODE 0x8400000fu
#define PSCI_STAT_RESIDENCY 0x84000010u
#define PSCI_STAT_COUNT 0x84000011u
#define PSCI_SYSTEM_RESET2 0x84000012u
#define PSCI_MEM_PROTECT 0x84000013u
#define PSCI_MEM_PROTECT_CHECK_RANGE 0x84000014u
#define PSCI_CPU_SUSPEND_64 0xc4000001u
#define PSCI_CPU_ON_64 0xc4000003u
#define PSCI_AFFINITY_INFO_64 0xc4000004u
#define PSCI_MIGRATE_64 0xc4000005u
#define PSCI_MIGRATE_INFO_UP_CPU_64 0xc4000007u
#define PSCI_CPU_DEFAULT_SUSPEND_64 0xc400000cu
#define PSCI_NODE_HW_STATE_64 0xc400000du
#define PSCI_SYSTEM_SUSPEND_64 0xc400000eu
#define PSCI_STAT_RESIDENCY_64 0xc4000010u
#define PSCI_STAT_COUNT_64 0xc4000011u
#define PSCI_SYSTEM_RESET2_64 0xc4000012u
#define PSCI_MEM_PROTECT_CHECK_RANGE_64 0xc4000014u

#define PSCI_VERSION_1_1 0x00010001u /* major 31:16, minor 15:0 */

enum psci_result {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_DENIED = -3,
    PSCI_ALREADY_ON = -4,
    PSCI_ON_PENDING = -5,
    PSCI_INTERNAL_FAILURE = -6,
    PSCI_NOT_PRESENT = -7,
    PSCI_DISABLED = -8,
    PSCI_INVALID_ADDRESS = -9,
};

/* AFFINITY_INFO. */
enum psci_affinity { PSCI_AFFINITY_ON = 0, PSCI_AFFINITY_OFF = 1, PSCI_AFFINITY_ON_PENDING = 2 };

/* MIGRATE_INFO_TYPE: there is no trusted OS to migrate. */
#define PSCI_TOS_NOT_PRESENT 2

/* power_state of CPU_SUSPEND, original format; PSCI_FEATURES(CPU_SUSPEND) answers 0 for it. */
#define PSCI_POWER_STATE_TYPE_DOWN (1u << 16)
#define PSCI_POWER_STATE_VALID 0x0301ffffu /* level 25:24, type 16, id 15:0 */

/* reset_type of SYSTEM_RESET2: bit 31 marks a vendor's own. */
#define PSCI_RESET2_WARM 0u

/* Affinity fields of a target: Aff3 39:32, Aff2..Aff0 23:0; the SMC32 forms have the latter three. */
#define PSCI_MPIDR_MASK UINT64_C(0xff00ffffff)
#define PSCI_MPIDR_MASK_32 UINT64_C(0x0000ffffff)

#endif
