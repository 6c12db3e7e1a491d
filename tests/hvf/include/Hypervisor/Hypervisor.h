/* Hypervisor.framework for Apple silicon, as its documentation describes it: what src/hv/hvf uses, to compile it without a Mac and to link
 * it with tests/hvf/double.c. Numbers are those of the framework's ABI. */
#ifndef HVF_SHIM_HYPERVISOR_H
#define HVF_SHIM_HYPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a later macOS than the oldest that the program is for: its address is null on one that lacks it. */
#ifdef __APPLE__
#include <Availability.h>
#define HV_SINCE(version) __attribute__((availability(macos, introduced = version)))
#else
#define HV_SINCE(version)
#endif

typedef int32_t hv_return_t; /* mach_error_t */
#define HV_SUCCESS 0
#define HV_ERROR ((hv_return_t)0xfae94001)
#define HV_BUSY ((hv_return_t)0xfae94002)
#define HV_BAD_ARGUMENT ((hv_return_t)0xfae94003)
#define HV_ILLEGAL_GUEST_STATE ((hv_return_t)0xfae94004)
#define HV_NO_RESOURCES ((hv_return_t)0xfae94005)
#define HV_NO_DEVICE ((hv_return_t)0xfae94006)
#define HV_DENIED ((hv_return_t)0xfae94007)
#define HV_UNSUPPORTED ((hv_return_t)0xfae9400f)

typedef uint64_t hv_vcpu_t;
typedef uint64_t hv_ipa_t;
typedef uint64_t hv_memory_flags_t;
#define HV_MEMORY_READ (UINT64_C(1) << 0)
#define HV_MEMORY_WRITE (UINT64_C(1) << 1)
#define HV_MEMORY_EXEC (UINT64_C(1) << 2)

typedef struct hv_vm_config_s *hv_vm_config_t;
typedef struct hv_vcpu_config_s *hv_vcpu_config_t;

enum {
    HV_EXIT_REASON_CANCELED,
    HV_EXIT_REASON_EXCEPTION,
    HV_EXIT_REASON_VTIMER_ACTIVATED,
    HV_EXIT_REASON_UNKNOWN,
};
typedef uint32_t hv_exit_reason_t;

typedef struct {
    uint64_t syndrome;
    uint64_t virtual_address;
    hv_ipa_t physical_address;
} hv_vcpu_exit_exception_t;

typedef struct {
    hv_exit_reason_t reason;
    hv_vcpu_exit_exception_t exception;
} hv_vcpu_exit_t;
_Static_assert(sizeof(hv_vcpu_exit_t) == 32 && offsetof(hv_vcpu_exit_t, exception) == 8,
               "the framework's layout");

/* Enumerators, as there: a name that is also one of this program's shows. */
enum {
    HV_REG_X0 = 0, /* to X30 */
    HV_REG_FP = 29,
    HV_REG_LR = 30,
    HV_REG_PC = 31,
    HV_REG_FPCR = 32,
    HV_REG_FPSR = 33,
    HV_REG_CPSR = 34,
};
typedef uint32_t hv_reg_t;

enum {
    HV_SIMD_FP_REG_Q0 = 0, /* to Q31 */
};
typedef uint32_t hv_simd_fp_reg_t;
#if defined(__clang__)
typedef __attribute__((ext_vector_type(16))) uint8_t hv_simd_fp_uchar16_t;
#else
typedef uint8_t hv_simd_fp_uchar16_t __attribute__((vector_size(16)));
#endif

enum {
    HV_SYS_REG_MPIDR_EL1 = 0xc005,
    HV_SYS_REG_SP_EL0 = 0xc208,
    HV_SYS_REG_SP_EL1 = 0xe208,
};
typedef uint16_t hv_sys_reg_t; /* op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2 */

enum {
    HV_INTERRUPT_TYPE_IRQ,
    HV_INTERRUPT_TYPE_FIQ,
};
typedef uint32_t hv_interrupt_type_t;

/* Any thread. */
hv_return_t hv_vm_get_max_vcpu_count(uint32_t *count);
hv_vm_config_t hv_vm_config_create(void);
hv_return_t hv_vm_config_get_max_ipa_size(uint32_t *bits);
hv_return_t hv_vm_config_get_default_ipa_size(uint32_t *bits);
hv_return_t hv_vm_config_set_ipa_size(hv_vm_config_t config, uint32_t bits);
hv_return_t hv_vm_create(hv_vm_config_t config);
hv_return_t hv_vm_destroy(void);
hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size, hv_memory_flags_t flags);
hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size);
hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size, hv_memory_flags_t flags);
hv_return_t hv_vcpus_exit(hv_vcpu_t *vcpus, uint32_t count);

/* The vCPU's thread. */
hv_return_t hv_vcpu_create(hv_vcpu_t *vcpu, hv_vcpu_exit_t **exit, hv_vcpu_config_t config);
hv_return_t hv_vcpu_destroy(hv_vcpu_t vcpu);
hv_return_t hv_vcpu_run(hv_vcpu_t vcpu);
hv_return_t hv_vcpu_get_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t *value);
hv_return_t hv_vcpu_set_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t value);
hv_return_t hv_vcpu_get_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg, hv_simd_fp_uchar16_t *value);
hv_return_t hv_vcpu_set_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg, hv_simd_fp_uchar16_t value);
hv_return_t hv_vcpu_get_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg, uint64_t *value);
hv_return_t hv_vcpu_set_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg, uint64_t value);
hv_return_t hv_vcpu_set_pending_interrupt(hv_vcpu_t vcpu, hv_interrupt_type_t type, bool pending);
hv_return_t hv_vcpu_set_trap_debug_exceptions(hv_vcpu_t vcpu, bool trap);
hv_return_t hv_vcpu_set_trap_debug_reg_accesses(hv_vcpu_t vcpu, bool trap);
hv_return_t hv_vcpu_get_vtimer_mask(hv_vcpu_t vcpu, bool *masked);
hv_return_t hv_vcpu_set_vtimer_mask(hv_vcpu_t vcpu, bool masked);
hv_return_t hv_vcpu_set_vtimer_offset(hv_vcpu_t vcpu, uint64_t offset);

#if !defined(__APPLE__) || __MAC_OS_X_VERSION_MAX_ALLOWED >= 150000
#include <Hypervisor/hv_gic.h>
#endif

#endif
