/* The double's GIC: that there is one, and when it may be made. It has no interrupts, and its registers are as if it had none. double.c */
#include "tests/hvf/double.h"

#include <stdlib.h>

#define FRAME 0x10000u

struct hv_gic_config_s {
    hv_ipa_t dist, redist;
};
static bool created;

hv_gic_config_t hv_gic_config_create(void)
{
    return calloc(1, sizeof(struct hv_gic_config_s));
}

static hv_return_t set_base(hv_ipa_t *base, hv_ipa_t ipa)
{
    RULE(!(ipa & (FRAME - 1)), "a GIC's frame at 0x%llx is not aligned", (unsigned long long)ipa);
    *base = ipa;
    return HV_SUCCESS;
}

hv_return_t hv_gic_config_set_distributor_base(hv_gic_config_t config, hv_ipa_t ipa)
{
    return set_base(&config->dist, ipa);
}

hv_return_t hv_gic_config_set_redistributor_base(hv_gic_config_t config, hv_ipa_t ipa)
{
    return set_base(&config->redist, ipa);
}

hv_return_t hv_gic_create(hv_gic_config_t config)
{
    RULE(vm.exists && !vm.nr_vcpus, "hv_gic_create comes after the VM and before its vCPUs");
    RULE(config->dist && config->redist, "hv_gic_create without the GIC's addresses");
    if (created)
        return HV_BUSY;
    created = true;
    return HV_SUCCESS;
}
