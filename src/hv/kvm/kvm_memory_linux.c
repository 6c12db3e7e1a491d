/* Guest memory as KVM's memory slots, one for each region of RAM, and KVM's record of what the guest writes.
 *
 * Threads: as hv/hv.h says. Specification: Linux Documentation/virt/kvm/api.rst, KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG. */
#ifdef __aarch64__
#include "hv/kvm/kvm_internal.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "mem/ram.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int set_slot(struct hv_vm *vm, unsigned i, bool mapped)
{
    const struct ram_region *g = &vm->cfg.ram->region[i];
    struct kvm_userspace_memory_region slot = {
        .slot = i,
        .flags = g->kind == RAM_KIND_ROM ? KVM_MEM_READONLY
                 : vm->tracking          ? KVM_MEM_LOG_DIRTY_PAGES
                                         : 0,
        .guest_phys_addr = g->base,
        .memory_size = mapped ? g->len : 0,
        .userspace_addr = (uintptr_t)g->host,
    };
    const int r = kvm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&slot);
    if (!r)
        vm->slot_mapped[i] = mapped;
    return r;
}

int kvm_map_memory(struct hv_vm *vm, struct err *e)
{
    for (unsigned i = 0; i < vm->cfg.ram->nr_regions; i++) {
        const struct ram_region *g = &vm->cfg.ram->region[i];
        const bool hidden = atomic_load(&g->hidden);
        const int r = hidden ? 0 : set_slot(vm, i, true);
        vm->slot_mapped[i] = !hidden;
        if (r)
            return err_set(e, -r, "kvm: mapping guest memory at %#" PRIx64 ": %s", g->base,
                           strerror(-r));
    }
    return 0;
}

/* A region that is hidden is none of KVM's: every access is an MMIO exit. What it holds is seen through the same pages. */
void kvm_memory_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len)
{
    for (unsigned i = 0; i < vm->cfg.ram->nr_regions; i++) {
        const struct ram_region *g = &vm->cfg.ram->region[i];
        const bool visible = !atomic_load(&g->hidden);
        const bool concerned = gpa - g->base < g->len || g->base - gpa < len;
        const int r = concerned && visible != vm->slot_mapped[i] ? set_slot(vm, i, visible) : 0;
        if (r)
            kvm_break(vm, "changing what is mapped", -r);
    }
}

/* KVM makes the caches right when it maps a page, and vm_reset() has it map all of them anew; this is for pages that are mapped already. */
void kvm_code_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len)
{
    for (unsigned i = 0; i < vm->cfg.ram->nr_regions; i++) {
        const struct ram_region *g = &vm->cfg.ram->region[i];
        const gpa_t from = MAX(gpa, g->base), to = MIN(gpa + len, g->base + g->len);
        if (from < to)
            __builtin___clear_cache((char *)g->host + (from - g->base), (char *)g->host + (to - g->base));
    }
}

/* --- What the guest writes ------------------------------------------------------------------------------------------ */

static bool is_ram(const struct hv_vm *vm, unsigned i)
{
    return vm->cfg.ram->region[i].kind == RAM_KIND_RAM;
}

int kvm_track_dirty(struct hv_vm *vm, bool on, struct err *e)
{
    const bool before = vm->tracking;
    int r = 0;

    vm->tracking = on;
    memset(vm->all_dirty, 0, sizeof(vm->all_dirty));
    for (unsigned i = 0; i < vm->cfg.ram->nr_regions && !r; i++)
        if (is_ram(vm, i))
            r = set_slot(vm, i, true);
    if (!r)
        return 0;
    vm->tracking = before;
    return err_set(e, -r, "kvm: recording what the guest writes: %s", strerror(-r));
}

void kvm_dirty_lost(struct hv_vm *vm)
{
    for (unsigned i = 0; i < vm->cfg.ram->nr_regions; i++)
        vm->all_dirty[i] = vm->tracking && is_ram(vm, i);
}

int kvm_get_dirty(struct hv_vm *vm, unsigned region, uint64_t *bits, struct err *e)
{
    const uint64_t nr_pages = vm->cfg.ram->region[region].len / os_page_size();
    const uint64_t nr_words = (nr_pages + 63) / 64;
    struct kvm_dirty_log log = {.slot = region};

    if (!vm->tracking || !is_ram(vm, region))
        return 0;
    uint64_t *new = calloc(nr_words, sizeof(*new));
    if (!new)
        return err_set(e, ENOMEM, "out of memory for what the guest writes");
    log.dirty_bitmap = new;
    const int r = kvm_ioctl(vm->fd, KVM_GET_DIRTY_LOG, (uintptr_t)&log);
    for (uint64_t i = 0; i < nr_words && !r; i++)
        bits[i] |= vm->all_dirty[region] ? mask64((unsigned)MIN(nr_pages - 64 * i, 64u)) : new[i];
    free(new);
    if (r)
        return err_set(e, -r, "kvm: KVM_GET_DIRTY_LOG: %s", strerror(-r));
    vm->all_dirty[region] = false;
    return 0;
}
#endif
