/* The double's GIC: the project's, behind the framework's calls. Nothing of it exits, but for a WFI if $HVF_DOUBLE says so: neither is documented.
 *
 * What its reset leaves of lines, and of CPU interfaces, is not documented either: the lines are forgotten, the CPU interfaces stay. double.c */
#include "tests/hvf/double.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <stdlib.h>
#include <string.h>

#define FRAME 0x10000u
#define NR_SPIS 960u

struct hv_gic_config_s {
    hv_ipa_t dist, redist;
};

/* --- Making it ------------------------------------------------------------------------------------------------------ */

hv_return_t hv_gic_get_distributor_size(size_t *size)
{
    *size = FRAME;
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_distributor_base_alignment(size_t *alignment)
{
    *alignment = double_asked("gic-aligned") ? 0x10000000 : FRAME;
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_redistributor_size(size_t *size)
{
    *size = 2 * FRAME;
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_redistributor_base_alignment(size_t *alignment)
{
    *alignment = FRAME;
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_spi_interrupt_range(uint32_t *first, uint32_t *count)
{
    *first = 32;
    *count = NR_SPIS;
    return HV_SUCCESS;
}

hv_gic_config_t hv_gic_config_create(void)
{
    RULE(vm.exists, "hv_gic_config_create without a VM");
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
    if (double_asked("gic"))
        return HV_NO_RESOURCES;
    if (vm.gic.on)
        return HV_BUSY;
    vm.gic.on = true;
    vm.gic.dist = config->dist;
    vm.gic.redist = config->redist;
    return HV_SUCCESS;
}

static void set_irq(void *opaque, unsigned index, bool irq, bool fiq)
{
    (void)opaque;
    cpu_set_irq(vm.vcpu[index]->cpu, irq, fiq);
    if (irq || fiq)
        double_gic_wake(vm.vcpu[index]);
}

static void destroy_gic(struct double_gic *d)
{
    if (!d->gic)
        return;
    bus_destroy(&d->bus);
    gic_destroy(d->gic);
    d->gic = NULL;
}

void double_gic_destroy(void)
{
    destroy_gic(&vm.gic);
    vm.gic.on = false;
}

void double_gic_add(struct vcpu *v)
{
    struct double_gic *d = &vm.gic;
    struct err e = {0};

    if (!d->on)
        return;
    pthread_mutex_lock(&double_lock);
    RULE(v->index == d->nr_vcpus, "the double numbers redistributors as the vCPUs");
    d->mpidr[d->nr_vcpus++] = SYS(&v->cpu->st, MPIDR_EL1);
    destroy_gic(d);
    d->gic = gic_create(
        &(struct gic_config){
            .version = 3, .nr_cpus = d->nr_vcpus, .mpidr = d->mpidr, .nr_spis = NR_SPIS, .set_irq = set_irq},
        d->dist, d->redist, &e);
    bus_init(&d->bus);
    if (d->gic) {
        bus_add(&d->bus, gic_dist(d->gic), &e);
        bus_add(&d->bus, gic_redist(d->gic), &e);
        for (unsigned intid = 32; intid < 32 + NR_SPIS; intid++)
            if (d->level[intid])
                gic_set_spi(d->gic, intid, true);
    }
    pthread_mutex_unlock(&double_lock);
}

void double_gic_runs(void)
{
    RULE(!vm.gic.on || vm.gic.nr_vcpus == vm.nr_vcpus,
         "a vCPU runs before all have their MPIDR_EL1, with a GIC");
    vm.gic.ran = vm.gic.on;
}

/* --- The program's calls -------------------------------------------------------------------------------------------- */

hv_return_t hv_gic_set_spi(uint32_t intid, bool level)
{
    struct double_gic *d = &vm.gic;

    if (!d->on || double_asked("spi"))
        return HV_NO_DEVICE;
    if (intid < 32 || intid >= 32 + NR_SPIS)
        return HV_BAD_ARGUMENT;
    pthread_mutex_lock(&double_lock);
    d->level[intid] = level;
    if (d->gic)
        gic_set_spi(d->gic, intid, level);
    pthread_mutex_unlock(&double_lock);
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_redistributor_base(hv_vcpu_t id, hv_ipa_t *base)
{
    RULE(id >= 1 && id <= vm.nr_vcpus && vm.vcpu[id - 1]->has_mpidr,
         "hv_gic_get_redistributor_base of a vCPU without its MPIDR_EL1");
    if (!vm.gic.on)
        return HV_NO_DEVICE;
    if (!vm.gic.gic)
        return HV_NO_RESOURCES;
    *base = vm.gic.redist + (id - 1 + double_asked("gic-placed")) * 2 * FRAME;
    return HV_SUCCESS;
}

static hv_return_t read_frame(unsigned index, gpa_t gpa, uint64_t *val)
{
    if (!vm.gic.gic)
        return HV_NO_DEVICE;
    return bus_access_by(&vm.gic.bus, index, gpa, 4, false, val) ? HV_BAD_ARGUMENT : HV_SUCCESS;
}

hv_return_t hv_gic_get_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t *value)
{
    return read_frame(0, vm.gic.dist + reg, value);
}

hv_return_t hv_gic_get_redistributor_reg(hv_vcpu_t id, hv_gic_redistributor_reg_t reg, uint64_t *value)
{
    const unsigned index = vcpu_of(id)->index;
    return read_frame(index, vm.gic.redist + index * 2 * FRAME + reg, value);
}

/* What can be asked. IAR, EOIR, DIR and the SGI registers do something, and cannot. */
static const hv_gic_icc_reg_t icc_reg[] = {
    SYSENC_ICC_PMR_EL1,     SYSENC_ICC_BPR0_EL1,    SYSENC_ICC_AP0R0_EL1, SYSENC_ICC_AP1R0_EL1,
    SYSENC_ICC_RPR_EL1,     SYSENC_ICC_BPR1_EL1,    SYSENC_ICC_CTLR_EL1,  SYSENC_ICC_SRE_EL1,
    SYSENC_ICC_IGRPEN0_EL1, SYSENC_ICC_IGRPEN1_EL1,
};

static hv_return_t access_icc(hv_vcpu_t id, hv_gic_icc_reg_t reg, bool write, uint64_t *val)
{
    struct vcpu *v = vcpu_of(id);

    if (!vm.gic.gic)
        return HV_NO_DEVICE;
    for (unsigned i = 0; i < ARRAY_LEN(icc_reg); i++)
        if (icc_reg[i] == reg && (write ? gic_sysreg_write(vm.gic.gic, v->index, reg, *val)
                                        : gic_sysreg_read(vm.gic.gic, v->index, reg, val)))
            return HV_SUCCESS;
    return HV_BAD_ARGUMENT;
}

hv_return_t hv_gic_get_icc_reg(hv_vcpu_t id, hv_gic_icc_reg_t reg, uint64_t *value)
{
    return access_icc(id, reg, false, value);
}

hv_return_t hv_gic_set_icc_reg(hv_vcpu_t id, hv_gic_icc_reg_t reg, uint64_t value)
{
    return access_icc(id, reg, true, &value);
}

hv_return_t hv_gic_reset(void)
{
    struct double_gic *d = &vm.gic;
    uint64_t icc[MAX_VCPUS][ARRAY_LEN(icc_reg)];

    if (!d->gic)
        return HV_NO_DEVICE;
    pthread_mutex_lock(&double_lock);
    for (unsigned n = 0; n < vm.nr_vcpus; n++)
        RULE(!vm.vcpu[n]->running, "hv_gic_reset while vCPU %u runs", n + 1);
    for (unsigned n = 0; n < vm.nr_vcpus; n++)
        for (unsigned i = 0; i < ARRAY_LEN(icc_reg); i++)
            gic_sysreg_read(d->gic, n, icc_reg[i], &icc[n][i]);
    for (unsigned intid = 32; intid < 32 + NR_SPIS; intid++)
        gic_set_spi(d->gic, intid, false);
    memset(d->level, 0, sizeof(d->level));
    gic_reset(d->gic);
    for (unsigned n = 0; n < vm.nr_vcpus; n++)
        for (unsigned i = 0; i < ARRAY_LEN(icc_reg); i++)
            gic_sysreg_write(d->gic, n, icc_reg[i], icc[n][i]);
    pthread_mutex_unlock(&double_lock);
    return HV_SUCCESS;
}

/* --- The guest ------------------------------------------------------------------------------------------------------ */

bool double_gic_mmio(struct vcpu *v, gpa_t gpa, unsigned size, bool write, uint64_t *val)
{
    return vm.gic.gic && bus_find(&vm.gic.bus, gpa) &&
           bus_access_by(&vm.gic.bus, v->index, gpa, size, write, val) != BUS_NONE;
}

bool double_gic_sysreg(struct vcpu *v, uint16_t encoding, bool write, uint64_t *val)
{
    return write ? gic_sysreg_write(vm.gic.gic, v->index, encoding, *val)
                 : gic_sysreg_read(vm.gic.gic, v->index, encoding, val);
}

void double_gic_wake(struct vcpu *v)
{
    pthread_mutex_lock(&v->lock);
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
}

/* Its lock is taken within the GIC's. */
void double_gic_sleep(struct vcpu *v)
{
    for (;;) {
        gtimer_poll(&v->timer, os_now_ns());
        if (gic_irq_pending(vm.gic.gic, v->index) || atomic_load(&v->cancel))
            return;
        const uint64_t due = gtimer_deadline(&v->timer);
        pthread_mutex_lock(&v->lock);
        while (!gic_irq_pending(vm.gic.gic, v->index) && !atomic_load(&v->cancel) && os_now_ns() < due)
            os_cond_wait_until(&v->wake, &v->lock, due);
        pthread_mutex_unlock(&v->lock);
    }
}
