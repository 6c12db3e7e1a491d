/* Hypervisor.framework: whether it can be used, the VM, its memory.
 *
 * A process has one VM, which no call names. Any thread may map memory. Documentation: Apple, "Hypervisor", "Apple silicon". */
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "hv/hvf/hvf_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <libkern/OSCacheControl.h>
#include <mach/mach_time.h>
#include <os/object.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysctl.h>
#include <unistd.h>

const char *hvf_error_text(hv_return_t r)
{
    switch (r) {
    case HV_SUCCESS: return "no error";
    case HV_BUSY: return "another virtual machine of this process has it";
    case HV_BAD_ARGUMENT: return "bad argument";
    case HV_ILLEGAL_GUEST_STATE: return "illegal guest state";
    case HV_NO_RESOURCES: return "the host has no more resources for virtual machines";
    case HV_NO_DEVICE: return "no such virtual machine or CPU";
    case HV_DENIED:
        return "this program is not signed with entitlements.plist: 'make' does it, or by hand: codesign --entitlements entitlements.plist "
               "--force --deep -s - bin/vibevmm";
    case HV_UNSUPPORTED:
        return "this Mac, or the virtual machine that it is, has no support for it";
    default: return "an unspecified error";
    }
}

int hvf_failed(struct err *e, hv_return_t r, const char *what)
{
    return err_set(e,
                   r == HV_DENIED        ? EACCES
                   : r == HV_UNSUPPORTED ? ENOTSUP
                                         : EIO,
                   "%s: %s (0x%08x)", what, hvf_error_text(r), (unsigned)r);
}

static struct hvf_timebase timebase(void)
{
    mach_timebase_info_data_t t = {1, 1};
    mach_timebase_info(&t);
    return (struct hvf_timebase){t.numer, t.denom};
}

/* The only way to learn whether it is allowed, and whether memory of the kind that guest RAM is can be mapped. */
static hv_return_t try_it(void)
{
    const size_t len = HVF_PAGE_SIZE;
    const int fd = os_shm_create("hvf-probe", len, NULL);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    hv_return_t r = page == MAP_FAILED ? HV_NO_RESOURCES : hv_vm_create(NULL);

    if (!r) {
        r = hv_vm_map(page, 0, len, HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC);
        const hv_return_t destroyed = hv_vm_destroy();
        r = r ? r : destroyed;
    }
    if (page != MAP_FAILED)
        munmap(page, len);
    if (fd >= 0)
        close(fd);
    return r;
}

static int hvf_probe(struct hv_caps *caps, struct err *e)
{
    const struct hvf_timebase t = timebase();
    const uint64_t hz = UINT64_C(1000000000) * t.denom / t.numer;
    uint32_t max_vcpus, bits;
    int supported = 0;
    size_t len = sizeof(supported);
    hv_return_t r;

    if (sysctlbyname("kern.hv_support", &supported, &len, NULL, 0) || !supported)
        return hvf_failed(e, HV_UNSUPPORTED, "hvf");
    /* Newer systems show programs that were linked for them a faster counter, whose unit in the framework's calls is not documented. */
    if (hvf_host_cntfrq() != hz)
        return err_set(e, ENOTSUP,
                       "hvf: CNTFRQ_EL0 is %" PRIu64 " Hz here and the host's time has %" PRIu64
                       " Hz: link for macOS 13, as 'make' does",
                       hvf_host_cntfrq(), hz);
    if ((r = hv_vm_get_max_vcpu_count(&max_vcpus)) || (r = hv_vm_config_get_max_ipa_size(&bits)))
        return hvf_failed(e, r, "hvf");
    if ((r = try_it()))
        return hvf_failed(e, r, "hvf");
    *caps = (struct hv_caps){
        .vtimer = true,
        .counter_hz = (uint32_t)hz,
        .uncounted = 1u << HV_EXIT_WFE | 1u << HV_EXIT_SEV | 1u << HV_EXIT_STUCK,
        .max_vcpus = MIN(max_vcpus, HVF_MAX_VCPUS),
        .address_bits = bits,
        .dirty_page = HVF_PAGE_SIZE,
    };
    return 0;
}

static int hvf_probe_with_gic(struct hv_caps *caps, struct err *e)
{
    int r = hvf_probe(caps, e);

    if (r || (r = hvf_gic_probe(e)))
        return r;
    caps->irqchip = caps->timer = caps->sleep = true;
    caps->gic_versions = 1u << 3;
    caps->vtimer = false;
    return 0;
}

/* --- Memory --------------------------------------------------------------------------------------------------------- */

/* The region is mapped if the guest may read it; stores into ROM leave the guest. */
static hv_return_t map_region(struct hv_vm *vm, unsigned i)
{
    struct ram_region *m = &vm->cfg.ram->region[i];
    const bool want = !atomic_load(&m->hidden);
    hv_return_t r = HV_SUCCESS;

    if (want && !vm->mapped[i])
        r = hv_vm_map(m->host, m->base, m->len,
                      HV_MEMORY_READ | HV_MEMORY_EXEC | (m->kind == RAM_KIND_RAM ? HV_MEMORY_WRITE : 0));
    else if (!want && vm->mapped[i])
        r = hv_vm_unmap(m->base, m->len);
    if (!r)
        vm->mapped[i] = want;
    return r;
}

/* What the host wrote into memory reaches instruction fetches, and those with the MMU off. */
void hvf_vm_code_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len)
{
    const struct ram *ram = vm->cfg.ram;

    for (unsigned i = 0; i < ram->nr_regions; i++) {
        const struct ram_region *m = &ram->region[i];
        const gpa_t from = MAX(gpa, m->base), to = MIN(gpa + len, m->base + m->len);
        if (from >= to)
            continue;
        sys_dcache_flush(m->host + (from - m->base), to - from);
        sys_icache_invalidate(m->host + (from - m->base), to - from);
    }
}

void hvf_vm_memory_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len)
{
    const struct ram *ram = vm->cfg.ram;

    for (unsigned i = 0; i < ram->nr_regions; i++) {
        const struct ram_region *m = &ram->region[i];
        if (gpa >= m->base + m->len || gpa + len <= m->base)
            continue;
        const hv_return_t r = map_region(vm, i);
        if (r)
            log_error("hvf: memory at 0x%" PRIx64 " cannot be mapped or unmapped: %s", m->base,
                      hvf_error_text(r));
    }
    hvf_vm_code_changed(vm, gpa, len);
}

/* --- The VM --------------------------------------------------------------------------------------------------------- */

/* Of guest-physical addresses: the system's default if that is enough, so that its tables stay small. */
static int choose_ipa_bits(const struct ram *ram, hv_vm_config_t config, unsigned *bits, struct err *e)
{
    const struct ram_region *last = &ram->region[ram->nr_regions - 1];
    uint32_t normal, max;
    hv_return_t r;

    if ((r = hv_vm_config_get_default_ipa_size(&normal)) || (r = hv_vm_config_get_max_ipa_size(&max)))
        return hvf_failed(e, r, "hvf");
    *bits = normal;
    if (last->base + last->len <= BIT64(normal))
        return 0;
    *bits = max;
    r = hv_vm_config_set_ipa_size(config, max);
    return r ? hvf_failed(e, r, "hvf: the size of guest addresses") : 0;
}

static int map_all(struct hv_vm *vm, struct err *e)
{
    for (unsigned i = 0; i < vm->cfg.ram->nr_regions; i++) {
        const hv_return_t r = map_region(vm, i);
        if (r)
            return hvf_failed(e, r, "hvf: guest memory cannot be mapped");
    }
    return 0;
}

static int create(struct hv_vm **out, const struct hv_vm_config *cfg, bool with_gic, struct err *e)
{
    struct hv_vm *vm = calloc(1, sizeof(*vm));
    hv_vm_config_t config = vm ? hv_vm_config_create() : NULL;
    hv_return_t r;
    int error;

    if (!config) {
        free(vm);
        return err_set(e, ENOMEM, "out of memory for the virtual machine");
    }
    vm->cfg = *cfg;
    vm->timebase = timebase();
    error = choose_ipa_bits(cfg->ram, config, &vm->ipa_bits, e);
    if (!error && (r = hv_vm_create(config)))
        error = hvf_failed(e, r, "hvf");
    os_release(config);
    if (error) {
        free(vm);
        return error;
    }
    error = map_all(vm, e);
    if (!error && with_gic)
        error = hvf_gic_create(vm, e);
    if (error) {
        hv_vm_destroy();
        free(vm);
        return error;
    }
    hvf_alarm_init(&vm->alarm);
    *out = vm;
    return 0;
}

static int hvf_vm_create(struct hv_vm **out, const struct hv_vm_config *cfg, struct err *e)
{
    return create(out, cfg, false, e);
}

static int hvf_vm_create_with_gic(struct hv_vm **out, const struct hv_vm_config *cfg, struct err *e)
{
    return create(out, cfg, true, e);
}

static void hvf_vm_destroy(struct hv_vm *vm)
{
    hvf_alarm_destroy(&vm->alarm);
    hvf_dirty_destroy(vm);
    hvf_gic_destroy(vm);
    const hv_return_t r = hv_vm_destroy();
    if (r)
        log_warn("hvf: the virtual machine cannot be destroyed: %s", hvf_error_text(r));
    free(vm);
}

/* clang-format off */
#define OF_BOTH \
    .name = "hvf", .self_test = hvf_self_test, .vm_destroy = hvf_vm_destroy, .vcpu_create = hvf_vcpu_create, .vcpu_retire = hvf_vcpu_retire, \
    .vcpu_destroy = hvf_vcpu_destroy, .vcpu_reset = hvf_vcpu_reset, .run = hvf_run, .kick = hvf_kick, .set_debug = hvf_set_debug, \
    .set_step = hvf_set_step, .set_counter_base = hvf_set_counter_base, .get_reg = hvf_get_reg, .set_reg = hvf_set_reg, \
    .counters = hvf_counters, .code_changed = hvf_vm_code_changed, .memory_changed = hvf_vm_memory_changed, .track_dirty = hvf_track_dirty, \
    .get_dirty = hvf_get_dirty
/* clang-format on */

const struct hv_backend hv_hvf = {
    OF_BOTH,
    .probe = hvf_probe,
    .vm_create = hvf_vm_create,
    .set_irq = hvf_set_irq,
    .set_deadline = hvf_set_deadline,
};

const struct hv_backend hv_hvf_gic = {
    OF_BOTH,
    .probe = hvf_probe_with_gic,
    .vm_create = hvf_vm_create_with_gic,
    .vm_reset = hvf_gic_reset,
    .set_spi = hvf_gic_set_spi,
    .wait = hvf_gic_wait,
};
