/* A double of Hypervisor.framework on the software CPU: what hv/hvf calls, as the framework documents it, so that the backend runs guests where there
 * is no Mac. Whoever breaks a rule of the framework's aborts the program.
 *
 * The software CPU finishes an access to a device inside the instruction; the framework gives up before it. So the access is refused here, which makes
 * the CPU enter an exception, whose effects are taken back.
 *
 * $HVF_DOUBLE makes calls fail: denied, unsupported, memory, vcpu, run, gic, spi; fast-counter: as a system shows it to programs linked for it; questions: what
 * breaks a rule only to see what happens; no-gic: as before macOS 15; gic-aligned, gic-placed: it has its GIC elsewhere; wfi-exits: also with that GIC.
 * Threads: as in the framework. Documentation: Apple, "Hypervisor"; README.md. */
#include "tests/hvf/double.h"

#include "base/bits.h"
#include "base/os.h"
#include "cpu/jit.h"

#include <libkern/OSCacheControl.h>
#include <mach/mach_time.h>
#include <os/object.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>

#define PAGE (16u << 10)
#define DEFAULT_IPA_BITS 36u
#define MAX_IPA_BITS 40u

struct hv_vm_config_s {
    uint32_t ipa_bits;
};

struct double_vm vm;
pthread_mutex_t double_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local struct vcpu *mine;

_Noreturn void double_broken(const char *fmt, ...)
{
    va_list ap;
    fputs("Hypervisor.framework's rule: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\n", stderr);
    abort();
}

bool double_asked(const char *failure)
{
    const char *env = getenv("HVF_DOUBLE");
    return env && !strcmp(env, failure);
}

/* --- What is not the framework's own -------------------------------------------------------------------------------- */

uint64_t hvf_host_cntfrq(void);
uint64_t hvf_host_cntfrq(void)
{
    return double_asked("fast-counter") ? 1000000000 : HZ;
}

bool hvf_host_has_gic(void);
bool hvf_host_has_gic(void)
{
    return !double_asked("no-gic");
}

uint64_t mach_absolute_time(void)
{
    return os_now_ns() / TICK_NS;
}

int mach_timebase_info(struct mach_timebase_info *t)
{
    *t = (struct mach_timebase_info){TICK_NS, 1};
    return 0;
}

int sysctlbyname(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
{
    const int supported = !double_asked("unsupported");

    if (strcmp(name, "kern.hv_support") || *old_len != sizeof(supported) || new || new_len)
        return -1;
    memcpy(old, &supported, sizeof(supported));
    return 0;
}

static void check_host_range(const void *addr, size_t len)
{
    const struct ram *r = &vm.ram;

    for (unsigned i = 0; i < r->nr_regions; i++)
        if ((const uint8_t *)addr >= r->region[i].host &&
            (const uint8_t *)addr + len <= r->region[i].host + r->region[i].len)
            return;
    double_broken("cache maintenance of %p, which is not guest memory", addr);
}

void sys_dcache_flush(void *addr, size_t len)
{
    check_host_range(addr, len);
}

void sys_icache_invalidate(void *addr, size_t len)
{
    check_host_range(addr, len);
    for (unsigned i = 0; i < vm.ram.nr_regions; i++) {
        const struct ram_region *m = &vm.ram.region[i];
        if ((uint8_t *)addr >= m->host && (uint8_t *)addr < m->host + m->len)
            cluster_code_changed(&vm.cluster, m->base + (gpa_t)((uint8_t *)addr - m->host), len);
    }
}

void os_release(void *object)
{
    free(object);
}

/* --- The VM --------------------------------------------------------------------------------------------------------- */

hv_return_t hv_vm_get_max_vcpu_count(uint32_t *count)
{
    *count = MAX_VCPUS;
    return HV_SUCCESS;
}

hv_vm_config_t hv_vm_config_create(void)
{
    hv_vm_config_t c = calloc(1, sizeof(*c));
    if (c)
        c->ipa_bits = DEFAULT_IPA_BITS;
    return c;
}

hv_return_t hv_vm_config_get_max_ipa_size(uint32_t *bits)
{
    *bits = MAX_IPA_BITS;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_get_default_ipa_size(uint32_t *bits)
{
    *bits = DEFAULT_IPA_BITS;
    return HV_SUCCESS;
}

hv_return_t hv_vm_config_set_ipa_size(hv_vm_config_t config, uint32_t bits)
{
    if (bits < DEFAULT_IPA_BITS || bits > MAX_IPA_BITS)
        return HV_BAD_ARGUMENT;
    config->ipa_bits = bits;
    return HV_SUCCESS;
}

hv_return_t hv_vm_create(hv_vm_config_t config)
{
    if (double_asked("denied"))
        return HV_DENIED;
    if (vm.exists)
        return HV_BUSY;
    memset(&vm, 0, sizeof(vm));
    vm.exists = true;
    vm.ipa_bits = config ? config->ipa_bits : DEFAULT_IPA_BITS;
    return HV_SUCCESS;
}

hv_return_t hv_vm_destroy(void)
{
    if (!vm.exists)
        return HV_NO_DEVICE;
    for (unsigned i = 0; i < vm.nr_vcpus; i++) {
        RULE(!vm.vcpu[i]->alive, "hv_vm_destroy with vCPU %u alive", i);
        cpu_destroy(vm.vcpu[i]->cpu);
        pthread_mutex_destroy(&vm.vcpu[i]->lock);
        pthread_cond_destroy(&vm.vcpu[i]->wake);
        free(vm.vcpu[i]);
    }
    double_gic_destroy();
    vm.exists = false;
    return HV_SUCCESS;
}

static struct ram_region *region_at(hv_ipa_t ipa, size_t size)
{
    for (unsigned i = 0; i < vm.ram.nr_regions; i++)
        if (vm.ram.region[i].base < ipa + size && ipa < vm.ram.region[i].base + vm.ram.region[i].len)
            return &vm.ram.region[i];
    return NULL;
}

/* Region i is two from `at` on. */
static void split(unsigned i, gpa_t at)
{
    struct ram *r = &vm.ram;
    struct ram_region *m = &r->region[i];

    if (at <= m->base || at >= m->base + m->len)
        return;
    RULE(r->nr_regions < RAM_MAX_REGIONS, "the double has room for %u pieces of memory", RAM_MAX_REGIONS);
    memmove(m + 1, m, (r->nr_regions - i) * sizeof(*m));
    memmove(&vm.kept[i + 1], &vm.kept[i], (r->nr_regions - i) * sizeof(vm.kept[0]));
    r->nr_regions++;
    m[1].base = at;
    m[1].len = m->base + m->len - at;
    m[1].host = m->host + (at - m->base);
    m->len = at - m->base;
}

hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size, hv_memory_flags_t flags)
{
    struct ram *r = &vm.ram;
    hv_ipa_t end = ipa;

    RULE(!((ipa | size) & (PAGE - 1)) && size, "hv_vm_protect: 0x%llx, 0x%zx: not whole pages",
         (unsigned long long)ipa, size);
    RULE(vm.nr_vcpus <= 1, "the double protects memory of one vCPU");
    for (unsigned i = 0; i < r->nr_regions; i++) {
        split(i, ipa);
        split(i, ipa + size);
        struct ram_region *m = &r->region[i];
        if (m->base < ipa || m->base >= ipa + size)
            continue;
        RULE(m->base == end && (m->kind == RAM_KIND_RAM || vm.kept[i]) && (flags & HV_MEMORY_READ),
             "hv_vm_protect: 0x%llx is not mapped RAM", (unsigned long long)m->base);
        vm.kept[i] = !(flags & HV_MEMORY_WRITE);
        m->kind = vm.kept[i] ? RAM_KIND_ROM : RAM_KIND_RAM;
        end = m->base + m->len;
    }
    if (end != ipa + size)
        return HV_BAD_ARGUMENT;
    cluster_memory_changed(&vm.cluster, ipa, size);
    return HV_SUCCESS;
}

/* A region that is unmapped stays, hidden: it is the only one that can come back. */
hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size, hv_memory_flags_t flags)
{
    struct ram *r = &vm.ram;
    struct ram_region *m = region_at(ipa, size);
    unsigned at = 0;

    if (double_asked("memory"))
        return HV_NO_RESOURCES;
    if (!vm.exists)
        return HV_NO_DEVICE;
    if (double_asked("questions") && (ipa | size) & (PAGE - 1))
        return HV_BAD_ARGUMENT;
    /* Whole pages of the host's, which are of 16 KiB there. */
    RULE(!((ipa | size) & (PAGE - 1)) && !((uintptr_t)addr & (os_page_size() - 1)) && size,
         "hv_vm_map: %p, 0x%llx, 0x%zx: not whole pages", addr, (unsigned long long)ipa, size);
    RULE(ipa + size <= BIT64(vm.ipa_bits), "hv_vm_map: 0x%llx is beyond %u bits",
         (unsigned long long)ipa, vm.ipa_bits);
    RULE((flags & HV_MEMORY_READ) && (flags & HV_MEMORY_EXEC) && flags < 8,
         "hv_vm_map: flags 0x%llx: the double knows RAM and ROM", (unsigned long long)flags);
    if (m) {
        RULE(atomic_load(&m->hidden), "hv_vm_map: 0x%llx is mapped already", (unsigned long long)ipa);
        RULE(m->base == ipa && m->len == size && m->host == addr,
             "the double maps a region again as it was");
        atomic_store(&m->hidden, false);
        cluster_memory_changed(&vm.cluster, ipa, size);
        return HV_SUCCESS;
    }
    RULE(vm.nr_vcpus == 0 && r->nr_regions < RAM_MAX_REGIONS,
         "the double has all memory before the first vCPU");
    while (at < r->nr_regions && r->region[at].base < ipa)
        at++;
    memmove(&r->region[at + 1], &r->region[at], (r->nr_regions - at) * sizeof(r->region[0]));
    r->nr_regions++;
    r->region[at] = (struct ram_region){.base = ipa,
                                        .len = size,
                                        .host = addr,
                                        .fd = -1,
                                        .kind = flags & HV_MEMORY_WRITE ? RAM_KIND_RAM : RAM_KIND_ROM};
    return HV_SUCCESS;
}

hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size)
{
    struct ram_region *m = region_at(ipa, size);

    RULE(m && m->base == ipa && m->len == size && !atomic_load(&m->hidden),
         "hv_vm_unmap: 0x%llx is not mapped", (unsigned long long)ipa);
    RULE(m->kind == RAM_KIND_ROM, "the double unmaps ROM alone");
    atomic_store(&m->hidden, true);
    cluster_memory_changed(&vm.cluster, ipa, size);
    return HV_SUCCESS;
}

/* --- vCPUs ---------------------------------------------------------------------------------------------------------- */

struct vcpu *vcpu_of(hv_vcpu_t id)
{
    RULE(id >= 1 && id <= vm.nr_vcpus && vm.vcpu[id - 1]->alive, "no vCPU %llu", (unsigned long long)id);
    struct vcpu *v = vm.vcpu[id - 1];
    RULE(pthread_equal(v->owner, pthread_self()), "vCPU %llu belongs to another thread",
         (unsigned long long)id);
    return v;
}

hv_return_t hv_vcpu_create(hv_vcpu_t *id, hv_vcpu_exit_t **exit, hv_vcpu_config_t config)
{
    struct vcpu *v;

    RULE(vm.exists, "hv_vcpu_create without a VM");
    RULE(!mine, "a thread has one vCPU");
    RULE(!vm.gic.ran, "hv_vcpu_create after a vCPU has run, with a GIC");
    if (config || double_asked("vcpu"))
        return HV_NO_RESOURCES;
    pthread_mutex_lock(&double_lock);
    if (vm.nr_vcpus == MAX_VCPUS || !(v = calloc(1, sizeof(*v)))) {
        pthread_mutex_unlock(&double_lock);
        return HV_NO_RESOURCES;
    }
    v->cpu = cpu_create(&vm.cluster, &vm.ram, 0, &double_ops, v, 0);
    if (!v->cpu) {
        free(v);
        pthread_mutex_unlock(&double_lock);
        return HV_NO_RESOURCES;
    }
    jit_attach(v->cpu, NULL);
    v->owner = pthread_self();
    v->alive = true;
    gtimer_init(&v->timer, 0, HZ, double_timer_level, v);
    double_poison(v);
    pthread_mutex_init(&v->lock, NULL);
    os_cond_init(&v->wake);
    v->index = vm.nr_vcpus;
    vm.vcpu[vm.nr_vcpus++] = mine = v;
    *id = vm.nr_vcpus;
    *exit = &v->exit;
    pthread_mutex_unlock(&double_lock);
    return HV_SUCCESS;
}

/* Other CPUs may still have messages for it. */
hv_return_t hv_vcpu_destroy(hv_vcpu_t id)
{
    struct vcpu *v = vcpu_of(id);

    pthread_mutex_lock(&double_lock);
    v->alive = false;
    mine = NULL;
    pthread_mutex_unlock(&double_lock);
    return HV_SUCCESS;
}

hv_return_t hv_vcpus_exit(hv_vcpu_t *vcpus, uint32_t count)
{
    hv_return_t r = HV_SUCCESS;

    pthread_mutex_lock(&double_lock);
    for (uint32_t i = 0; i < count; i++) {
        struct vcpu *v = vcpus[i] >= 1 && vcpus[i] <= vm.nr_vcpus ? vm.vcpu[vcpus[i] - 1] : NULL;
        if (v && v->alive) {
            atomic_store(&v->cancel, true);
            cpu_kick(v->cpu);
            double_gic_wake(v);
        } else {
            r = HV_BAD_ARGUMENT;
        }
    }
    pthread_mutex_unlock(&double_lock);
    return r;
}
