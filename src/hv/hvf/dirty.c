/* What the guest writes, by protection: memory is mapped without the right to write, the first store to a page leaves the guest, which is noted, and the page is
 * writable from then on.
 *
 * Threads: a store's by the vCPU that made it; the rest while no vCPU runs. */
#include "base/bits.h"
#include "base/err.h"
#include "hv/hvf/hvf_internal.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE HVF_PAGE_SIZE
#define READ_ONLY (HV_MEMORY_READ | HV_MEMORY_EXEC)

static size_t nr_words(const struct ram_region *m)
{
    return (size_t)((m->len / PAGE + 63) / 64);
}

void hvf_dirty_destroy(struct hv_vm *vm)
{
    for (unsigned i = 0; i < RAM_MAX_REGIONS; i++) {
        free(vm->dirty[i]);
        vm->dirty[i] = NULL;
    }
}

static int failed(struct err *e, hv_return_t r)
{
    return err_set(e, EIO, "hvf: recording what the guest writes: %s", hvf_error_text(r));
}

int hvf_track_dirty(struct hv_vm *vm, bool on, struct err *e)
{
    const struct ram *ram = vm->cfg.ram;
    hv_return_t r = HV_SUCCESS;

    for (unsigned i = 0; i < ram->nr_regions && on; i++) {
        const struct ram_region *m = &ram->region[i];
        free(vm->dirty[i]);
        vm->dirty[i] = m->kind == RAM_KIND_RAM ? calloc(nr_words(m), sizeof(*vm->dirty[i])) : NULL;
        if (m->kind == RAM_KIND_RAM && !vm->dirty[i]) {
            hvf_dirty_destroy(vm);
            return err_set(e, ENOMEM, "out of memory for what the guest writes");
        }
    }
    for (unsigned i = 0; i < ram->nr_regions && !r; i++)
        if (vm->dirty[i])
            r = hv_vm_protect(ram->region[i].base, ram->region[i].len,
                              READ_ONLY | (on ? 0 : HV_MEMORY_WRITE));
    if (!on)
        hvf_dirty_destroy(vm);
    return r ? failed(e, r) : 0;
}

/* Pages [from, to) of region i are to be noted again. */
static hv_return_t protect(const struct hv_vm *vm, unsigned i, uint64_t from, uint64_t to)
{
    return hv_vm_protect(vm->cfg.ram->region[i].base + from * PAGE, (to - from) * PAGE, READ_ONLY);
}

int hvf_get_dirty(struct hv_vm *vm, unsigned region, uint64_t *bits, struct err *e)
{
    const struct ram_region *m = &vm->cfg.ram->region[region];
    _Atomic uint64_t *dirty = vm->dirty[region];
    hv_return_t r = HV_SUCCESS;
    uint64_t from = 0, page;

    if (!dirty)
        return 0;
    for (size_t i = 0; i < nr_words(m); i++)
        bits[i] |= atomic_load(&dirty[i]);
    /* A run of pages at a time. */
    for (page = 0; page < m->len / PAGE && !r; page++) {
        if (bit(atomic_load(&dirty[page / 64]), page % 64))
            continue;
        if (from < page)
            r = protect(vm, region, from, page);
        from = page + 1;
    }
    if (from < page && !r)
        r = protect(vm, region, from, page);
    for (size_t i = 0; i < nr_words(m); i++)
        atomic_store(&dirty[i], 0);
    return r ? failed(e, r) : 0;
}

bool hvf_dirty_fault(struct hv_vcpu *v)
{
    struct hv_vm *vm = v->vm;
    const gpa_t gpa = v->exit->exception.physical_address;

    for (unsigned i = 0; i < vm->cfg.ram->nr_regions; i++) {
        const struct ram_region *m = &vm->cfg.ram->region[i];
        const uint64_t page = (gpa - m->base) / PAGE;
        if (!vm->dirty[i] || gpa - m->base >= m->len)
            continue;
        atomic_fetch_or(&vm->dirty[i][page / 64], BIT64(page % 64));
        hvf_check(v, hv_vm_protect(m->base + page * PAGE, PAGE, READ_ONLY | HV_MEMORY_WRITE),
                  "hv_vm_protect");
        return true;
    }
    return false;
}
