/* The one table of backends, and the choice among them. */
#include "vm/backends.h"

#include "base/bits.h"
#include "dev/gicv3.h"
#include "hv/hvf/hvf.h"
#include "hv/kvm/kvm.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/utsname.h>

const struct backend backends[NR_BACKENDS] = {
    {VM_ACCEL_HVF, "hvf", HV_HVF, "macOS on Apple silicon", HV_HVF_GIC},
    {VM_ACCEL_KVM, "kvm", HV_KVM, "Linux on a 64-bit Arm machine", NULL},
    {VM_ACCEL_SOFT, "soft", &hv_soft, "any system", NULL},
};

/* An option that looks into the software CPU, or null. HLT goes to the guest's EL1 as an undefined instruction on hardware: no hypervisor sees it. */
static const char *asks_for_soft(const struct vm_options *o)
{
    return o->semihosting.on  ? "--semihosting"
           : o->deterministic ? "--deterministic"
           : o->max_insns     ? "--max-insns"
           : o->jit.check     ? "--check-jit"
           : o->jit.dump      ? "--jit-dump"
           : o->jit.perf_map  ? "--perf-map"
           : o->snapshot      ? "--snapshot-load"
           : o->snapshot_save ? "--snapshot-save"
                              : NULL;
}

/* Whether what the backend brings is what the machine needs. */
static int check_caps(const struct backend *b, const struct vm_options *o, struct backend_choice *c,
                      struct err *e)
{
    const uint64_t mem_len = o->mem_len ? o->mem_len : VM_DEFAULT_SYSTEM_MEM;
    const bool v2 = !c->caps.irqchip || bit(c->caps.gic_versions, 2);
    const bool v3 = !c->caps.irqchip || bit(c->caps.gic_versions, 3);

    if (o->nr_cpus > c->caps.max_vcpus)
        return err_set(e, EINVAL, "%s has room for %u CPUs here; give fewer by --cpus, or --accel soft",
                       b->name, c->caps.max_vcpus);
    if (c->caps.address_bits < 64 && mem_len > BIT64(c->caps.address_bits) - VM_RAM_END_SLACK)
        return err_set(e, EINVAL,
                       "%s has guest addresses of %u bits here, too few for --mem %" PRIu64
                       "M; give less, or --accel soft",
                       b->name, c->caps.address_bits, mem_len >> 20);
    if (o->gic == VM_GICV2 ? !v2 : o->gic == VM_GICV3 && !v3)
        return err_set(e, ENOTSUP, "%s%s has no GICv%d for guests on this host; give --gic %d, or %s",
                       b->name, o->host_gic ? ",gic=framework" : "", o->gic == VM_GICV2 ? 2 : 3,
                       o->gic == VM_GICV2 ? 3 : 2, o->host_gic ? "gic=own" : "--accel soft");
    c->gic = o->gic == VM_GICV2 || !v3 ? 2 : 3;
    if (c->gic == 2 && o->gic == VM_GIC_AUTO && o->nr_cpus > GICV2_MAX_CPUS)
        return err_set(e, ENOTSUP,
                       "%s has only a GICv2 on this host, with room for %u CPUs; give fewer by --cpus, or --accel soft",
                       b->name, GICV2_MAX_CPUS);
    return 0;
}

static int try(const struct backend *b, const struct vm_options *o, struct backend_choice *c,
               struct err *e)
{
    struct utsname host = {0};
    int r;

    if (!b->ops) {
        uname(&host);
        return err_set(e, ENOTSUP, "%s needs %s, and this is %s on %s; use --accel soft", b->name,
                       b->needs, host.sysname, host.machine);
    }
    *c = (struct backend_choice){.ops = o->host_gic ? b->with_gic : b->ops};
    if ((r = c->ops->probe(&c->caps, e)))
        return r;
    return check_caps(b, o, c, e);
}

int backends_choose(const struct backend table[NR_BACKENDS], const struct vm_options *opt,
                    struct backend_choice *choice, struct err *passed_over, struct err *e)
{
    const bool any = opt->accel == VM_ACCEL_AUTO;
    const char *soft = asks_for_soft(opt);
    int r = 0;

    *passed_over = (struct err){0};
    for (unsigned i = 0; i < NR_BACKENDS; i++) {
        const struct backend *b = &table[i];
        const bool native = b->accel != VM_ACCEL_SOFT;

        if (any ? native && (!b->ops || soft) : b->accel != opt->accel)
            continue;
        if (native && soft)
            return err_set(e, EINVAL,
                           "--accel %s and %s contradict each other: only the software CPU has that",
                           b->name, soft);
        r = try(b, opt, choice, any && native ? passed_over : e);
        if (!r || !any)
            break;
    }
    return r ? err_prefix(e, "--accel") : 0;
}
