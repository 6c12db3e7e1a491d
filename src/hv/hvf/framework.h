/* Hypervisor.framework's own header. Two of its names are also ours, with other values (hv/hv.h). */
#ifndef VIBE_HV_HVF_FRAMEWORK_H
#define VIBE_HV_HVF_FRAMEWORK_H

#define HV_REG_X0 FRAMEWORK_REG_X0
#define HV_REG_PC FRAMEWORK_REG_PC
#include <Hypervisor/Hypervisor.h>
#ifdef __APPLE__
#include <Availability.h>
#endif
#undef HV_REG_X0
#undef HV_REG_PC

/* Its GIC came with macOS 15. Where the headers are of an older one hvf_host_has_gic() says no, and nothing of this is called. */
#if !defined(__APPLE__) || __MAC_OS_X_VERSION_MAX_ALLOWED >= 150000
#define HVF_HEADERS_HAVE_GIC 1
#else
typedef void *hv_gic_config_t;
typedef uint16_t hv_gic_icc_reg_t;
enum { HV_GIC_INT_EL1_VIRTUAL_TIMER = 27, HV_GIC_INT_EL1_PHYSICAL_TIMER = 30 };
#define hv_gic_config_create() NULL
#define hv_gic_config_set_distributor_base(config, base) HV_UNSUPPORTED
#define hv_gic_config_set_redistributor_base(config, base) HV_UNSUPPORTED
#define hv_gic_create(config) HV_UNSUPPORTED
#define hv_gic_reset() HV_UNSUPPORTED
#define hv_gic_set_spi(intid, level) HV_UNSUPPORTED
#define hv_gic_get_distributor_size(size) (*(size) = 0, HV_UNSUPPORTED)
#define hv_gic_get_distributor_base_alignment(size) (*(size) = 0, HV_UNSUPPORTED)
#define hv_gic_get_redistributor_size(size) (*(size) = 0, HV_UNSUPPORTED)
#define hv_gic_get_redistributor_base_alignment(size) (*(size) = 0, HV_UNSUPPORTED)
#define hv_gic_get_spi_interrupt_range(first, nr) (*(first) = *(nr) = 0, HV_UNSUPPORTED)
#define hv_gic_get_redistributor_base(vcpu, base) HV_UNSUPPORTED
#define hv_gic_get_redistributor_reg(vcpu, reg, val) (*(val) = 0, HV_UNSUPPORTED)
#define hv_gic_get_distributor_reg(reg, val) (*(val) = 0, HV_UNSUPPORTED)
#define hv_gic_set_icc_reg(vcpu, reg, val) ((void)(reg), HV_UNSUPPORTED)
#endif

#endif
