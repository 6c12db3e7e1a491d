/* The framework's own GIC, since macOS 15: Hypervisor.h. */
#ifndef HVF_SHIM_HV_GIC_H
#define HVF_SHIM_HV_GIC_H

typedef struct hv_gic_config_s *hv_gic_config_t;
typedef uint16_t hv_gic_icc_reg_t; /* as hv_sys_reg_t */

/* Their INTIDs. */
enum {
    HV_GIC_INT_EL1_VIRTUAL_TIMER = 27,
    HV_GIC_INT_EL1_PHYSICAL_TIMER = 30,
};

/* Those that are read; of an array, the first. Numbers are the registers' offsets. */
enum {
    HV_GIC_DISTRIBUTOR_REG_GICD_ISENABLER0 = 0x100,
    HV_GIC_DISTRIBUTOR_REG_GICD_ISPENDR0 = 0x200,
};
typedef uint16_t hv_gic_distributor_reg_t;
enum {
    HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0 = 0x10100,
    HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0 = 0x10200,
};
typedef uint32_t hv_gic_redistributor_reg_t;

/* Any thread. */
HV_SINCE(15.0) hv_gic_config_t hv_gic_config_create(void);
HV_SINCE(15.0)
hv_return_t hv_gic_config_set_distributor_base(hv_gic_config_t config, hv_ipa_t distributor_base_address);
HV_SINCE(15.0)
hv_return_t hv_gic_config_set_redistributor_base(hv_gic_config_t config,
                                                 hv_ipa_t redistributor_base_address);
HV_SINCE(15.0) hv_return_t hv_gic_create(hv_gic_config_t gic_config);
HV_SINCE(15.0) hv_return_t hv_gic_reset(void);
HV_SINCE(15.0) hv_return_t hv_gic_set_spi(uint32_t intid, bool level);
HV_SINCE(15.0) hv_return_t hv_gic_get_distributor_size(size_t *distributor_size);
HV_SINCE(15.0)
hv_return_t hv_gic_get_distributor_base_alignment(size_t *distributor_base_alignment);
HV_SINCE(15.0) hv_return_t hv_gic_get_redistributor_size(size_t *redistributor_size);
HV_SINCE(15.0)
hv_return_t hv_gic_get_redistributor_base_alignment(size_t *redistributor_base_alignment);
HV_SINCE(15.0)
hv_return_t hv_gic_get_spi_interrupt_range(uint32_t *spi_intid_base, uint32_t *spi_intid_count);
HV_SINCE(15.0)
hv_return_t hv_gic_get_redistributor_base(hv_vcpu_t vcpu, hv_ipa_t *redistributor_base_address);

HV_SINCE(15.0)
hv_return_t hv_gic_get_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t *value);

/* The vCPU's thread. */
HV_SINCE(15.0)
hv_return_t hv_gic_get_redistributor_reg(hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg, uint64_t *value);
HV_SINCE(15.0)
hv_return_t hv_gic_get_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t *value);
HV_SINCE(15.0) hv_return_t hv_gic_set_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t value);

#endif
