/* Loads and stores off the fast path: TLB misses, misaligned and page-crossing accesses, devices, faults.
 *
 * Owner thread only. Specification: DDI 0487, "Alignment support", "Memory types and attributes". */
#include "cpu/cpu_internal.h"
#include "cpu/interp.h"

#include "gen/sysreg_fields.h"

#include <string.h>

/* Whether a misaligned access faults whatever the memory type. */
static bool must_align(const struct cpu *c, unsigned flags)
{
    return (flags & MEM_ALIGNED) || (SYS(&c->st, SCTLR_EL1) & SCTLR_EL1_A);
}

/* Translates a misaligned access of up to 16 bytes, which may lie on two pages. first is how many bytes are on page one. */
static bool translate_span(struct cpu *c, gva_t va, unsigned size, unsigned flags, bool write,
                           struct tlb_view view[2], unsigned *first)
{
    const unsigned room = TLB_PAGE_SIZE - (unsigned)(va & (TLB_PAGE_SIZE - 1));
    const enum walk_access access = write ? WALK_WRITE : WALK_READ;

    *first = MIN(size, room);
    if (!tlb_translate(c, va, *first, access, flags, &view[0]))
        return false;
    if (*first < size && !tlb_translate(c, va + *first, size - *first, access, flags, &view[1]))
        return false;
    const bool device = view[0].device || (*first < size && view[1].device);
    if (device || !view[0].host || (*first < size && !view[1].host)) {
        mem_set_abort(c, va, write, FSC_ALIGNMENT);
        return false;
    }
    return true;
}

static __attribute__((noinline)) bool load_misaligned(struct cpu *c, gva_t va, unsigned size,
                                                      unsigned flags, uint64_t *val)
{
    struct tlb_view v[2];
    unsigned first;
    uint8_t bytes[8] = {0};

    if (must_align(c, flags)) {
        mem_set_abort(c, va, false, FSC_ALIGNMENT);
        return false;
    }
    if (!translate_span(c, va, size, flags, false, v, &first))
        return false;
    memcpy(bytes, v[0].host, first);
    if (first < size)
        memcpy(bytes + first, v[1].host, size - first);
    *val = 0;
    for (unsigned i = 0; i < size; i++)
        *val |= (uint64_t)bytes[i] << (8 * i);
    return true;
}

/* Whether va, aligned to size, is a device's and the TLB knows it, with nobody who wants to see each access: *pa is where. */
static inline bool is_known_device(struct cpu *c, gva_t va, unsigned size, unsigned flags,
                                   unsigned permission, gpa_t *pa)
{
    const struct tlb_entry *e = tlb_slot(c, va);

    *pa = (e->page & ~(gpa_t)(TLB_PAGE_SIZE - 1)) + (va & (TLB_PAGE_SIZE - 1));
    return (e->page & permission) &&
           tlb_is_device(e, tlb_key(flags & MEM_EL0 ? c->tlb_ctx_el0 : c->tlb_ctx, va, size)) &&
           !c->debug && !c->observe && !c->check && !c->turn_insns;
}

static inline bool load_device(struct cpu *c, gva_t va, gpa_t pa, unsigned size, uint64_t *val)
{
    *val = 0;
    if (likely(cpu_mmio(c, pa, size, false, val))) {
        *val = low_bytes(*val, size);
        return true;
    }
    mem_set_abort(c, va, false, FSC_EXTERNAL);
    return false;
}

static inline bool store_device(struct cpu *c, gva_t va, gpa_t pa, unsigned size, uint64_t val)
{
    val = low_bytes(val, size);
    if (likely(cpu_mmio(c, pa, size, true, &val)))
        return true;
    mem_set_abort(c, va, true, FSC_EXTERNAL);
    return false;
}

static __attribute__((noinline)) bool load_slower(struct cpu *c, gva_t va, unsigned size,
                                                  unsigned flags, uint64_t *val)
{
    struct tlb_view v;

    if (va & (size - 1))
        return load_misaligned(c, va, size, flags, val);
    if (!tlb_translate(c, va, size, WALK_READ, flags, &v))
        return false;
    if (!v.host)
        return load_device(c, va, v.pa, size, val);
    switch (size) {
    case 1: *val = __atomic_load_n(v.host, __ATOMIC_RELAXED); break;
    case 2: *val = __atomic_load_n((const uint16_t *)(const void *)v.host, __ATOMIC_RELAXED); break;
    case 4: *val = __atomic_load_n((const uint32_t *)(const void *)v.host, __ATOMIC_RELAXED); break;
    default:
        *val = __atomic_load_n((const uint64_t *)(const void *)v.host, __ATOMIC_RELAXED);
        break;
    }
    return true;
}

HOT bool mem_load_slow(struct cpu *c, gva_t va, unsigned size, unsigned flags, uint64_t *val)
{
    gpa_t pa;

    return likely(is_known_device(c, va, size, flags, TLB_INFO_READ, &pa))
               ? load_device(c, va, pa, size, val)
               : load_slower(c, va, size, flags, val);
}

static __attribute__((noinline)) bool store_misaligned(struct cpu *c, gva_t va, unsigned size,
                                                       unsigned flags, uint64_t val)
{
    struct tlb_view v[2];
    unsigned first;
    uint8_t bytes[8];

    if (must_align(c, flags)) {
        mem_set_abort(c, va, true, FSC_ALIGNMENT);
        return false;
    }
    if (!translate_span(c, va, size, flags, true, v, &first))
        return false;
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(val >> (8 * i));
    memcpy(v[0].host, bytes, first);
    if (first < size)
        memcpy(v[1].host, bytes + first, size - first);
    return true;
}

static __attribute__((noinline)) bool store_slower(struct cpu *c, gva_t va, unsigned size,
                                                   unsigned flags, uint64_t val)
{
    struct tlb_view v;

    if (va & (size - 1))
        return store_misaligned(c, va, size, flags, val);
    if (!tlb_translate(c, va, size, WALK_WRITE, flags, &v))
        return false;
    if (!v.host)
        return store_device(c, va, v.pa, size, val);
    switch (size) {
    case 1: __atomic_store_n(v.host, (uint8_t)val, __ATOMIC_RELAXED); break;
    case 2: __atomic_store_n((uint16_t *)(void *)v.host, (uint16_t)val, __ATOMIC_RELAXED); break;
    case 4: __atomic_store_n((uint32_t *)(void *)v.host, (uint32_t)val, __ATOMIC_RELAXED); break;
    default: __atomic_store_n((uint64_t *)(void *)v.host, val, __ATOMIC_RELAXED); break;
    }
    return true;
}

HOT bool mem_store_slow(struct cpu *c, gva_t va, unsigned size, unsigned flags, uint64_t val)
{
    gpa_t pa;

    return likely(is_known_device(c, va, size, flags, TLB_INFO_WRITE, &pa))
               ? store_device(c, va, pa, size, val)
               : store_slower(c, va, size, flags, val);
}

/* --- Accesses by elements ------------------------------------------------------------------------------------------- */

/* Translates all of it: two pages at most. first is how many bytes are on page one. */
static bool translate_elements(struct cpu *c, gva_t va, unsigned len, unsigned esize, bool write,
                               struct tlb_view view[2], unsigned *first)
{
    const unsigned room = TLB_PAGE_SIZE - (unsigned)(va & (TLB_PAGE_SIZE - 1));
    const bool misaligned = va & ((1u << esize) - 1);

    *first = MIN(len, room);
    if (misaligned && must_align(c, 0)) {
        mem_set_abort(c, va, write, FSC_ALIGNMENT);
        return false;
    }
    for (unsigned part = 0; part < (*first < len ? 2u : 1u); part++) {
        const gva_t at = part ? va + *first : va;
        if (!tlb_translate(c, at, part ? len - *first : *first, write ? WALK_WRITE : WALK_READ, 0,
                           &view[part]))
            return false;
        if (misaligned && (view[part].device || !view[part].host)) {
            mem_set_abort(c, at, write, FSC_ALIGNMENT);
            return false;
        }
    }
    return true;
}

/* Aligned elements where there is no RAM; those of 16 bytes as two accesses. */
static bool device_elements(struct cpu *c, gva_t va, gpa_t pa, unsigned len, unsigned esize,
                            bool write, uint8_t *data)
{
    const unsigned size = MIN(1u << esize, 8u);

    for (unsigned at = 0; at < len; at += size) {
        uint64_t v = 0;
        memcpy(&v, data + at, write ? size : 0);
        if (!cpu_mmio(c, pa + at, size, write, &v)) {
            mem_set_abort(c, va + at, write, FSC_EXTERNAL);
            return false;
        }
        memcpy(data + at, &v, write ? 0 : size);
    }
    return true;
}

bool mem_load_elements(struct cpu *c, gva_t va, unsigned len, unsigned esize, void *out)
{
    struct tlb_view v[2];
    unsigned first;

    if (!translate_elements(c, va, len, esize, false, v, &first))
        return false;
    for (unsigned part = 0; part < (first < len ? 2u : 1u); part++) {
        const unsigned at = part ? first : 0, n = part ? len - first : first;
        uint8_t *to = (uint8_t *)out + at;
        if (v[part].host)
            memcpy(to, v[part].host, n);
        else if (!device_elements(c, va + at, v[part].pa, n, esize, false, to))
            return false;
    }
    return true;
}

bool mem_store_elements(struct cpu *c, gva_t va, unsigned len, unsigned esize, const void *in)
{
    struct tlb_view v[2];
    unsigned first;
    uint8_t data[64];

    BUG_ON(len > sizeof(data));
    if (!translate_elements(c, va, len, esize, true, v, &first))
        return false;
    memcpy(data, in, len);
    for (unsigned part = 0; part < (first < len ? 2u : 1u); part++) {
        const unsigned at = part ? first : 0, n = part ? len - first : first;
        if (v[part].host)
            memcpy(v[part].host, data + at, n);
        else if (!device_elements(c, va + at, v[part].pa, n, esize, true, data + at))
            return false;
    }
    return true;
}

bool mem_atomic_ptr(struct cpu *c, gva_t va, unsigned size, bool read, bool write, void **host)
{
    struct tlb_view v = {0};

    if (va & (size - 1)) {
        mem_set_abort(c, va, write && !read, FSC_ALIGNMENT);
        return false;
    }
    /* The read comes first: of an atomic to an unreadable page, the fault is a read's. */
    if (read && !tlb_translate(c, va, size, WALK_READ, 0, &v))
        return false;
    if (write && !tlb_translate(c, va, size, WALK_WRITE, 0, &v))
        return false;
    if (!v.host) {
        mem_set_abort(c, va, write && !read, FSC_UNSUPPORTED_ATOMIC);
        return false;
    }
    *host = v.host;
    return true;
}

bool mem_probe_store(struct cpu *c, gva_t va, unsigned len, unsigned flags)
{
    struct tlb_view v;
    const unsigned first = MIN(len, TLB_PAGE_SIZE - (unsigned)(va & (TLB_PAGE_SIZE - 1)));

    if (!tlb_translate(c, va, first, WALK_WRITE, flags, &v))
        return false;
    return first == len || tlb_translate(c, va + first, len - first, WALK_WRITE, flags, &v);
}

bool sp_misaligned(struct cpu *c)
{
    const uint64_t sctlr = SYS(&c->st, SCTLR_EL1);

    if (!(sctlr & (c->st.el == 0 ? SCTLR_EL1_SA0 : SCTLR_EL1_SA)))
        return false;
    c->exc = (struct exception){.type = EXC_SYNC, .esr = esr_make(EC_SP_ALIGN, 0)};
    return true;
}
