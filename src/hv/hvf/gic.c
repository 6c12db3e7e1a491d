/* The framework's own GICv3, which it has since macOS 15 and the user may ask for: distributor, redistributors, CPU interfaces and the interrupts of
 * both timers. It is made after the VM and before its vCPUs, of which each has a redistributor from when it is told its MPIDR_EL1.
 *
 * The guest's accesses to it are not seen here, nor is a WFI, as far as others report; the documentation does not say. Should a WFI come here all the
 * same, nobody tells that another vCPU has sent an interrupt: so the GIC is asked when a device has raised its line, and each millisecond.
 * Threads: as hv/hv.h says. Documentation: Apple, "Hypervisor", "Generic interrupt controller"; IHI 0069. */
#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "hv/hvf/hvf_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <os/object.h>

/* Nothing that is newer than the oldest macOS is called where hvf_host_has_gic() says no. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wunguarded-availability-new"
#endif

#define LOOK_NS 1000000u
#define CTL_ON_MASK 3u /* of the timers: ENABLE, IMASK */
#define CTL_ON 1u
#define CTL_LEVEL_MASK 7u /* and ISTATUS */
#define CTL_LEVEL 5u
#define OWN_ONE "; use --accel hvf,gic=own"

int hvf_gic_probe(struct err *e)
{
    if (hvf_host_has_gic())
        return 0;
#ifdef HVF_HEADERS_HAVE_GIC
    return err_set(e, ENOTSUP, "gic=framework needs macOS 15, and this one is older" OWN_ONE);
#else
    return err_set(e, ENOTSUP,
                   "gic=framework needs a vibevmm that was built on macOS 15 or later" OWN_ONE);
#endif
}

/* --- Making it ------------------------------------------------------------------------------------------------------ */

/* Whether the board's addresses and interrupts are what the framework can have. */
static int check_fit(const struct hv_gic_config *g, struct err *e)
{
    size_t dist_len, dist_align, cpu_len, cpu_align;
    uint32_t first, nr;
    hv_return_t r;

    if ((r = hv_gic_get_distributor_size(&dist_len)) ||
        (r = hv_gic_get_distributor_base_alignment(&dist_align)) ||
        (r = hv_gic_get_redistributor_size(&cpu_len)) ||
        (r = hv_gic_get_redistributor_base_alignment(&cpu_align)) ||
        (r = hv_gic_get_spi_interrupt_range(&first, &nr)))
        return hvf_failed(e, r, "hvf: what the framework's GIC is like");
    if (g->dist_base % MAX(dist_align, 1u) || dist_len > g->dist_len)
        return err_set(e, ENOTSUP,
                       "hvf: the framework's GIC wants a distributor of 0x%zx bytes at a multiple of 0x%zx, and the board has it at 0x%" PRIx64
                           OWN_ONE,
                       dist_len, dist_align, g->dist_base);
    if (g->cpu_base % MAX(cpu_align, 1u) || cpu_len != g->cpu_len)
        return err_set(e, ENOTSUP,
                       "hvf: the framework's GIC wants redistributors of 0x%zx bytes from a multiple of 0x%zx on, and the board has them at 0x%" PRIx64
                           OWN_ONE,
                       cpu_len, cpu_align, g->cpu_base);
    if (first > 32 || first + nr < 32 + g->nr_spis)
        return err_set(e, ENOTSUP, "hvf: the framework's GIC has the SPIs %u to %u, too few" OWN_ONE,
                       first, first + nr - 1);
    return 0;
}

int hvf_gic_create(struct hv_vm *vm, struct err *e)
{
    const struct hv_gic_config *g = &vm->cfg.gic;
    const int error = check_fit(g, e);
    hv_return_t r;

    if (error)
        return error;
    hv_gic_config_t config = hv_gic_config_create();
    if (!config)
        return err_set(e, ENOMEM, "out of memory for the interrupt controller");
    if (!(r = hv_gic_config_set_distributor_base(config, g->dist_base)) &&
        !(r = hv_gic_config_set_redistributor_base(config, g->cpu_base)))
        r = hv_gic_create(config);
    os_release(config);
    if (r)
        return hvf_failed(e, r, "hvf: the framework's GIC cannot be made");
    pthread_mutex_init(&vm->gic.lock, NULL);
    os_cond_init(&vm->gic.changed);
    vm->gic.on = true;
    return 0;
}

void hvf_gic_destroy(struct hv_vm *vm)
{
    if (!vm->gic.on)
        return;
    pthread_mutex_destroy(&vm->gic.lock);
    pthread_cond_destroy(&vm->gic.changed);
}

/* --- Lines ---------------------------------------------------------------------------------------------------------- */

/* The guest would wait for ever: each vCPU comes out and ends. */
static void break_locked(struct hvf_gic *g)
{
    atomic_store(&g->broken, true);
    for (unsigned i = 0; i < g->nr_vcpus; i++) {
        atomic_store(&g->vcpu[i]->kicked, true);
        hvf_poke(g->vcpu[i]);
    }
}

static void drive_locked(struct hv_vm *vm, unsigned intid)
{
    const hv_return_t r = hv_gic_set_spi(intid, vm->gic.level[intid]);

    if (!r || atomic_load(&vm->gic.broken))
        return;
    log_error("hvf: hv_gic_set_spi of INTID %u: %s (0x%08x)", intid, hvf_error_text(r), (unsigned)r);
    break_locked(&vm->gic);
}

/* Those that are high; the others are low as it begins, and after its reset. */
static void drive_all_locked(struct hv_vm *vm)
{
    for (unsigned intid = 32; intid < 32 + vm->cfg.gic.nr_spis; intid++)
        if (vm->gic.level[intid])
            drive_locked(vm, intid);
}

void hvf_gic_set_spi(struct hv_vm *vm, unsigned intid, bool level)
{
    struct hvf_gic *g = &vm->gic;

    BUG_ON(intid < 32 || intid >= 32 + vm->cfg.gic.nr_spis);
    pthread_mutex_lock(&g->lock);
    if (g->level[intid] != level) {
        g->level[intid] = level;
        if (g->nr_vcpus == vm->cfg.nr_vcpus)
            drive_locked(vm, intid);
        g->nr_rises += level;
        pthread_cond_broadcast(&g->changed);
    }
    pthread_mutex_unlock(&g->lock);
}

/* Its CPU interfaces are the vCPUs' to reset, and whether a line stays as it is is not documented. */
int hvf_gic_reset(struct hv_vm *vm, struct err *e)
{
    const hv_return_t r = hv_gic_reset();

    if (r)
        return hvf_failed(e, r, "hvf: the framework's GIC cannot be reset");
    pthread_mutex_lock(&vm->gic.lock);
    drive_all_locked(vm);
    pthread_mutex_unlock(&vm->gic.lock);
    return 0;
}

/* --- vCPUs ---------------------------------------------------------------------------------------------------------- */

/* The device tree says where the redistributors are, and the framework places them. */
int hvf_gic_add_vcpu(struct hv_vcpu *v, struct err *e)
{
    struct hv_vm *vm = v->vm;
    const gpa_t wanted = vm->cfg.gic.cpu_base + v->cfg.index * vm->cfg.gic.cpu_len;
    hv_ipa_t base = 0;
    const hv_return_t r = hv_gic_get_redistributor_base(v->id, &base);

    if (r)
        return hvf_failed(e, r, "hvf: the framework's GIC has no redistributor for a vCPU");
    if (base != wanted)
        return err_set(e, ENOTSUP,
                       "hvf: vCPU %u: the framework's GIC has its redistributor at 0x%" PRIx64
                       ", not at 0x%" PRIx64 OWN_ONE,
                       v->cfg.index, (uint64_t)base, wanted);
    pthread_mutex_lock(&vm->gic.lock);
    vm->gic.vcpu[vm->gic.nr_vcpus++] = v;
    if (vm->gic.nr_vcpus == vm->cfg.nr_vcpus)
        drive_all_locked(vm);
    pthread_mutex_unlock(&vm->gic.lock);
    return 0;
}

/* Of the binary points the smallest is what writing 0 gives. */
static const enum sysreg_id icc_at_reset[] = {
    SR_ICC_IGRPEN0_EL1, SR_ICC_IGRPEN1_EL1, SR_ICC_PMR_EL1,   SR_ICC_CTLR_EL1,
    SR_ICC_BPR0_EL1,    SR_ICC_BPR1_EL1,    SR_ICC_AP0R0_EL1, SR_ICC_AP1R0_EL1,
};

void hvf_gic_reset_vcpu(struct hv_vcpu *v)
{
    for (unsigned i = 0; i < ARRAY_LEN(icc_at_reset); i++) {
        const struct sysreg_desc *d = sysreg_of_id(icc_at_reset[i]);
        const hv_return_t r = hv_gic_set_icc_reg(v->id, (hv_gic_icc_reg_t)d->encoding, 0);
        if (r)
            log_warn("hvf: vCPU %u: %s cannot be reset: %s", v->cfg.index, d->name, hvf_error_text(r));
    }
    hvf_set_sys(v, SYSENC_CNTP_CTL_EL0, 0);
    hvf_set_sys(v, SYSENC_CNTP_CVAL_EL0, 0);
}

/* --- Waiting -------------------------------------------------------------------------------------------------------- */

/* When the virtual timer fires, by which most guests keep time; UINT64_MAX: it has, or does not. */
static uint64_t vtimer_due(struct hv_vcpu *v, uint64_t now)
{
    if ((hvf_get_sys(v, SYSENC_CNTV_CTL_EL0) & CTL_ON_MASK) != CTL_ON)
        return UINT64_MAX;
    const uint64_t due = hvf_time_of_count(v, hvf_get_sys(v, SYSENC_CNTV_CVAL_EL0));
    return due > now ? due : UINT64_MAX;
}

/* A timer's output, of which the GIC need not know while the vCPU is not in the guest. */
static uint64_t timer_bit(struct hv_vcpu *v, uint16_t ctl, unsigned intid)
{
    return (hvf_get_sys(v, ctl) & CTL_LEVEL_MASK) == CTL_LEVEL ? BIT64(intid) : 0;
}

/* Whether an interrupt is pending that is enabled. To whom an SPI goes is not looked at: a WFI may end for the wrong one. What cannot be read is
 * taken for pending. */
static bool is_pending(struct hv_vcpu *v)
{
    uint64_t pending = 0, enabled = 0;

    if (hv_gic_get_redistributor_reg(v->id, HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0, &pending) ||
        hv_gic_get_redistributor_reg(v->id, HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0, &enabled))
        return true;
    pending |= timer_bit(v, SYSENC_CNTV_CTL_EL0, HV_GIC_INT_EL1_VIRTUAL_TIMER) |
               timer_bit(v, SYSENC_CNTP_CTL_EL0, HV_GIC_INT_EL1_PHYSICAL_TIMER);
    if (pending & enabled)
        return true;
    for (unsigned word = 1; word <= v->vm->cfg.gic.nr_spis / 32; word++)
        if (hv_gic_get_distributor_reg(
                (hv_gic_distributor_reg_t)(HV_GIC_DISTRIBUTOR_REG_GICD_ISPENDR0 + 4 * word), &pending) ||
            hv_gic_get_distributor_reg(
                (hv_gic_distributor_reg_t)(HV_GIC_DISTRIBUTOR_REG_GICD_ISENABLER0 + 4 * word), &enabled) ||
            (pending & enabled))
            return true;
    return false;
}

void hvf_gic_wait_until(struct hv_vcpu *v, uint64_t until_ns)
{
    struct hvf_gic *g = &v->vm->gic;
    uint64_t now = os_now_ns();
    const uint64_t end = MIN(until_ns, vtimer_due(v, now));

    while (now < end && !atomic_load(&v->kicked) && !is_pending(v)) {
        const uint64_t look = MIN(end, now + LOOK_NS);
        pthread_mutex_lock(&g->lock);
        while (v->seen_rises == g->nr_rises && !atomic_load(&v->kicked) && os_now_ns() < look)
            os_cond_wait_until(&g->changed, &g->lock, look);
        v->seen_rises = g->nr_rises;
        pthread_mutex_unlock(&g->lock);
        now = os_now_ns();
    }
}

void hvf_gic_wait(struct hv_vcpu *v)
{
    hvf_gic_wait_until(v, UINT64_MAX);
}

void hvf_gic_wake(struct hv_vm *vm)
{
    pthread_mutex_lock(&vm->gic.lock);
    pthread_cond_broadcast(&vm->gic.changed);
    pthread_mutex_unlock(&vm->gic.lock);
}
