/* KVM on arm64: whether it can be used, the VM and its interrupt controller.
 *
 * The kernel brings the GIC, the timers and PSCI. A reset makes the VM anew behind the same objects, so that all of these are as after power-on.
 * Threads: as hv/hv.h says; set_spi() and vm_reset() share hv_vm.lock. */
#ifdef __aarch64__
#include "hv/kvm/kvm_internal.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "mem/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define IPA_BITS_USUAL 40u

int kvm_ioctl(int fd, unsigned long request, uintptr_t arg)
{
    int r;

    do
        r = ioctl(fd, request, arg);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

bool kvm_has(int fd, unsigned capability)
{
    return kvm_ioctl(fd, KVM_CHECK_EXTENSION, capability) > 0;
}

/* Those that sleep in the kernel would wait for ever for what is lost. */
static void break_locked(struct hv_vm *vm, const char *what, int code)
{
    if (atomic_load(&vm->broken))
        return;
    log_error("kvm: %s: %s", what, strerror(code));
    atomic_store(&vm->broken, code);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        kvm_vcpu_poke_locked(vm->vcpu[i]);
}

void kvm_break(struct hv_vm *vm, const char *what, int code)
{
    pthread_mutex_lock(&vm->lock);
    break_locked(vm, what, code);
    pthread_mutex_unlock(&vm->lock);
}

/* --- Whether it can be used ----------------------------------------------------------------------------------------- */

static int open_dev(struct err *e)
{
    const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return err_set(
            e, errno,
            "kvm: there is no /dev/kvm: this Linux was not started at EL2, or has no KVM; use --accel soft");
    case EACCES:
    case EPERM:
        return err_set(
            e, errno,
            "kvm: no permission for /dev/kvm: join its group (sudo usermod -aG kvm $USER, then log in anew), or use --accel soft");
    default: return err_set(e, errno, "kvm: /dev/kvm: %s; use --accel soft", strerror(errno));
    }
}

static int check_extensions(int fd, struct err *e)
{
    static const struct {
        unsigned cap;
        const char *name;
    } needed[] = {
        {KVM_CAP_DEVICE_CTRL, "DEVICE_CTRL"},
        {KVM_CAP_ONE_REG, "ONE_REG"},
        {KVM_CAP_READONLY_MEM, "READONLY_MEM"},
        {KVM_CAP_ARM_PSCI_0_2, "ARM_PSCI_0_2"},
        {KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT"},
        {KVM_CAP_ARM_NISV_TO_USER, "ARM_NISV_TO_USER"},
        {KVM_CAP_ARM_INJECT_EXT_DABT, "ARM_INJECT_EXT_DABT"},
    };

    if (kvm_ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return err_set(e, ENOTSUP, "kvm: /dev/kvm is not version %d of its interface; use --accel soft",
                       KVM_API_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!kvm_has(fd, needed[i].cap))
            return err_set(e, ENOTSUP,
                           "kvm: this kernel lacks KVM_CAP_%s, which Linux has since 5.5; use --accel soft",
                           needed[i].name);
    return 0;
}

static unsigned max_ipa_bits(int fd)
{
    const int bits = kvm_ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
    return bits > 0 ? (unsigned)bits : IPA_BITS_USUAL;
}

static int create_vm(int dev_fd, unsigned ipa_bits, struct err *e)
{
    const int fd = kvm_ioctl(dev_fd, KVM_CREATE_VM, KVM_VM_TYPE_ARM_IPA_SIZE(ipa_bits));
    return fd < 0 ? err_set(e, -fd, "kvm: creating a VM: %s", strerror(-fd)) : fd;
}

static bool has_device(int vm_fd, uint32_t type)
{
    struct kvm_create_device d = {.type = type, .flags = KVM_CREATE_DEVICE_TEST};
    return kvm_ioctl(vm_fd, KVM_CREATE_DEVICE, (uintptr_t)&d) == 0;
}

static int kvm_probe(struct hv_caps *caps, struct err *e)
{
    const int fd = open_dev(e);
    int vm_fd = -1, r;

    if (fd < 0)
        return fd;
    if ((r = check_extensions(fd, e)))
        goto out;
    const int max_vcpus = kvm_ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
    *caps = (struct hv_caps){
        .irqchip = true,
        .timer = true,
        .pmu = kvm_has(fd, KVM_CAP_ARM_PMU_V3),
        .psci = true,
        .sleep = true,
        .max_vcpus = MIN((unsigned)MAX(max_vcpus, 1), KVM_MAX_VCPUS_OF_OURS),
        .address_bits = max_ipa_bits(fd),
        .dirty_page = os_page_size(),
        .uncounted = 1u << HV_EXIT_SMC | 1u << HV_EXIT_SEV | 1u << HV_EXIT_STUCK,
    };
    if (!kvm_has(fd, KVM_CAP_BINARY_STATS_FD))
        caps->uncounted |= 1u << HV_EXIT_WFI | 1u << HV_EXIT_WFE | 1u << HV_EXIT_HVC;
    r = vm_fd = create_vm(fd, MIN(caps->address_bits, IPA_BITS_USUAL), e);
    if (vm_fd < 0)
        goto out;
    caps->gic_versions = (has_device(vm_fd, KVM_DEV_TYPE_ARM_VGIC_V2) ? 1u << 2 : 0) |
                         (has_device(vm_fd, KVM_DEV_TYPE_ARM_VGIC_V3) ? 1u << 3 : 0);
    r = caps->gic_versions
            ? 0
            : err_set(e, ENOTSUP, "kvm: this kernel has no GIC for guests; use --accel soft");
out:
    if (vm_fd >= 0)
        close(vm_fd);
    close(fd);
    return r;
}

/* --- The interrupt controller --------------------------------------------------------------------------------------- */

static int set_attr(const struct hv_vm *vm, uint32_t group, uint64_t attr, void *val)
{
    struct kvm_device_attr a = {.group = group, .attr = attr, .addr = (uintptr_t)val};
    return kvm_ioctl(vm->gic_fd, KVM_SET_DEVICE_ATTR, (uintptr_t)&a);
}

static int create_gic(struct hv_vm *vm, struct err *e)
{
    const struct hv_gic_config *g = &vm->cfg.gic;
    const bool v2 = g->version == 2;
    struct kvm_create_device d = {.type = v2 ? KVM_DEV_TYPE_ARM_VGIC_V2 : KVM_DEV_TYPE_ARM_VGIC_V3};
    uint64_t dist = g->dist_base, cpu = g->cpu_base;
    uint32_t nr_irqs = 32 + g->nr_spis;
    int r = kvm_ioctl(vm->fd, KVM_CREATE_DEVICE, (uintptr_t)&d);

    vm->gic_fd = r < 0 ? -1 : (int)d.fd;
    if (!r)
        r = set_attr(vm, KVM_DEV_ARM_VGIC_GRP_ADDR,
                     v2 ? KVM_VGIC_V2_ADDR_TYPE_DIST : KVM_VGIC_V3_ADDR_TYPE_DIST, &dist);
    if (!r)
        r = set_attr(vm, KVM_DEV_ARM_VGIC_GRP_ADDR,
                     v2 ? KVM_VGIC_V2_ADDR_TYPE_CPU : KVM_VGIC_V3_ADDR_TYPE_REDIST, &cpu);
    if (!r)
        r = set_attr(vm, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &nr_irqs);
    return r ? err_set(e, -r, "kvm: creating the GICv%u: %s", g->version, strerror(-r)) : 0;
}

static void irq_line_locked(struct hv_vm *vm, unsigned intid)
{
    struct kvm_irq_level l = {.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | intid,
                              .level = vm->level[intid]};
    const int r = kvm_ioctl(vm->fd, KVM_IRQ_LINE, (uintptr_t)&l);
    if (r)
        break_locked(vm, "KVM_IRQ_LINE", -r);
}

int kvm_gic_finish(struct hv_vm *vm, struct err *e)
{
    pthread_mutex_lock(&vm->lock);
    int r = set_attr(vm, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
    vm->gic_ready = !r;
    for (unsigned intid = 32; !r && intid < 32 + vm->cfg.gic.nr_spis; intid++)
        if (vm->level[intid])
            irq_line_locked(vm, intid);
    pthread_mutex_unlock(&vm->lock);
    if (r)
        return err_set(e, -r, "kvm: starting the GICv%u: %s", vm->cfg.gic.version, strerror(-r));
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if ((r = kvm_vcpu_finish(vm->vcpu[i], e)))
            return r;
    return kvm_events_attach(vm, true, e);
}

static void kvm_set_spi(struct hv_vm *vm, unsigned intid, bool level)
{
    BUG_ON(intid < 32 || intid >= 32 + vm->cfg.gic.nr_spis);
    pthread_mutex_lock(&vm->lock);
    const bool changed = vm->level[intid] != level;
    vm->level[intid] = level;
    if ((changed || vm->by_fd[intid]) && vm->gic_ready)
        irq_line_locked(vm, intid);
    pthread_mutex_unlock(&vm->lock);
}

/* --- The VM --------------------------------------------------------------------------------------------------------- */

static unsigned ipa_bits_for(const struct hv_vm *vm)
{
    const struct ram *ram = vm->cfg.ram;
    const struct ram_region *last = &ram->region[ram->nr_regions - 1];
    unsigned bits = IPA_BITS_USUAL;

    while (BIT64(bits) < last->base + last->len)
        bits++;
    return MIN(bits, max_ipa_bits(vm->dev_fd));
}

/* A VM without vCPUs in fd and gic_fd. */
static int open_vm(struct hv_vm *vm, struct err *e)
{
    struct kvm_enable_cap nisv = {.cap = KVM_CAP_ARM_NISV_TO_USER};
    int r = create_vm(vm->dev_fd, ipa_bits_for(vm), e);

    if (r < 0)
        return r;
    vm->fd = r;
    if ((r = kvm_ioctl(vm->fd, KVM_ENABLE_CAP, (uintptr_t)&nisv)))
        return err_set(e, -r, "kvm: KVM_CAP_ARM_NISV_TO_USER: %s", strerror(-r));
    if ((r = kvm_map_memory(vm, e)) || (r = create_gic(vm, e)) || (r = kvm_events_attach(vm, false, e)))
        return r;
    return 0;
}

static void close_vm(struct hv_vm *vm)
{
    if (vm->gic_fd >= 0)
        close(vm->gic_fd);
    if (vm->fd >= 0)
        close(vm->fd);
    vm->gic_fd = vm->fd = -1;
    vm->gic_ready = false;
}

static void kvm_vm_destroy(struct hv_vm *vm)
{
    close_vm(vm);
    kvm_events_destroy(vm);
    close(vm->dev_fd);
    pthread_mutex_destroy(&vm->lock);
    free(vm);
}

static int kvm_vm_create(struct hv_vm **out, const struct hv_vm_config *cfg, struct err *e)
{
    const int dev_fd = open_dev(e);
    if (dev_fd < 0)
        return dev_fd;
    struct hv_vm *vm = calloc(1, sizeof(*vm));
    if (!vm) {
        close(dev_fd);
        return err_set(e, ENOMEM, "out of memory for the virtual machine");
    }
    vm->cfg = *cfg;
    vm->counter_base_ns = cfg->counter_base_ns;
    vm->dev_fd = dev_fd;
    vm->fd = vm->gic_fd = -1;
    pthread_mutex_init(&vm->lock, NULL);
    int r = kvm_ioctl(dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (r < (int)sizeof(struct kvm_run)) {
        r = err_set(e, r < 0 ? -r : EPROTO, "kvm: KVM_GET_VCPU_MMAP_SIZE failed");
    } else {
        vm->run_len = (size_t)r;
        r = open_vm(vm, e);
    }
    if (r) {
        kvm_vm_destroy(vm);
        return r;
    }
    *out = vm;
    return 0;
}

static int kvm_vm_reset(struct hv_vm *vm, struct err *e)
{
    int r;

    kvm_dirty_lost(vm);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        kvm_stats_read(vm->vcpu[i], vm->vcpu[i]->before);
    pthread_mutex_lock(&vm->lock);
    close_vm(vm);
    r = open_vm(vm, e);
    pthread_mutex_unlock(&vm->lock);
    for (unsigned i = 0; i < vm->nr_vcpus && !r; i++)
        r = kvm_vcpu_open(vm->vcpu[i], e);
    return r ? r : kvm_gic_finish(vm, e);
}

static void kvm_counters(const struct hv_vcpu *v, struct hv_counters *c)
{
    *c = (struct hv_counters){0};
    memcpy(c->exits, v->before, sizeof(c->exits));
    kvm_stats_read(v, c->exits);
}

const struct hv_backend hv_kvm = {
    .name = "kvm",
    .probe = kvm_probe,
    .self_test = kvm_self_test,
    .vm_create = kvm_vm_create,
    .vm_destroy = kvm_vm_destroy,
    .vm_reset = kvm_vm_reset,
    .vcpu_create = kvm_vcpu_create,
    .vcpu_retire = kvm_vcpu_retire,
    .vcpu_destroy = kvm_vcpu_destroy,
    .vcpu_reset = kvm_vcpu_reset,
    .run = kvm_vcpu_run,
    .kick = kvm_vcpu_kick,
    .set_spi = kvm_set_spi,
    .ioeventfd = kvm_ioeventfd,
    .irqfd = kvm_irqfd,
    .set_debug = kvm_set_debug,
    .set_step = kvm_set_step,
    .get_reg = kvm_get_reg,
    .set_reg = kvm_set_reg,
    .set_counter_base = kvm_set_counter_base,
    .counters = kvm_counters,
    .code_changed = kvm_code_changed,
    .memory_changed = kvm_memory_changed,
    .track_dirty = kvm_track_dirty,
    .get_dirty = kvm_get_dirty,
};
#endif
