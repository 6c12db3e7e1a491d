/* The soft TLB: contexts, filling, flushing.
 *
 * A context stands for a pair of TTBR0_EL1 and TTBR1_EL1 values, in three variants: EL1, EL1 with PSTATE.PAN, EL0. It is part
 * of each tag, so that switching address spaces, ASIDs or exception levels flushes nothing. Entries are 4 KiB pieces of what the tables map; TLBI
 * by address of a larger block drops everything where such pieces may be.
 * Owner thread only. Specification: DDI 0487, "Translation Lookaside Buffers (TLBs)". */
#include "arch/walk_tables.h"
#include "cpu/cpu_internal.h"
#include "cpu/debug.h"
#include "cpu/interp.h"
#include "cpu/jit.h"
#include "cpu/jit/check.h"
#include "cpu/observe.h"
#include "mem/ram.h"

#include "gen/sysreg_fields.h"

#include <stdlib.h>
#include <string.h>

enum { VARIANT_EL1, VARIANT_EL1_PAN, VARIANT_EL0, NR_VARIANTS };
_Static_assert(VARIANT_EL0 - VARIANT_EL1 == 2 && VARIANT_EL0 - VARIANT_EL1_PAN == 1,
               "tlb_ctx_below_el0()");
#define NR_SPACES (TLB_CTX_MAX / NR_VARIANTS)

/* The last page of 4 KiB that a table gave, in RAM: another one whose descriptor has the same attributes is translated alike, but for its address. */
struct known_leaf {
    const uint64_t *table; /* on the host; null: nothing is known */
    uint64_t attributes;   /* a descriptor without its address */
    uint64_t info;         /* enum tlb_info */
    unsigned oa_bits;      /* addresses have no more */
    bool el0, pan;         /* of the accesses for which this holds */
};

struct cpu_mmu {
    unsigned nr_spaces, current;
    struct {
        uint64_t ttbr0, ttbr1;
    } space[NR_SPACES];
    /* Where pieces of blocks larger than TLB_PAGE_SIZE were filled in, by bit 55 of the address (TTBR0's and TTBR1's half), and whether they are
     * global. A kernel has such blocks in a few places that lie far apart. */
    struct large_blocks {
        unsigned nr;
        struct {
            gva_t lo, hi;
        } range[8];
    } large[2][2];
    bool fp_traps[2]; /* at EL0, at EL1 */
    /* Tables of the last level that walks came to, by the 2 MiB, which is what the smallest of them maps. They, and what is known of leaves in them, hold for an
     * era, which ends with any change of context and any TLB maintenance. */
    uint64_t era;
    struct last_level {
        uint64_t era;
        gva_t place;
        struct walk_table table;
        struct known_leaf leaf;
    } last_level[256];
    gva_t block[2]; /* in the last block of at least BLOCK_MIN that a load or store went to; 0: none */
};

/* Of tlb_find_block(): less is not worth a comparison before each access. */
#define BLOCK_MIN (32u << 20)

struct cpu_mmu *mmu_create(void)
{
    struct cpu_mmu *m = calloc(1, sizeof(*m));
    if (m)
        m->era = 1;
    return m;
}

void mmu_destroy(struct cpu_mmu *m)
{
    free(m);
}

static uint64_t context(const struct cpu_mmu *m, unsigned variant)
{
    return (uint64_t)(m->current * NR_VARIANTS + variant) << TLB_CTX_SHIFT;
}

/* What follows from the EL and PSTATE.PAN. */
HOT static void at_level(struct cpu *c)
{
    if (c->st.el == 0)
        c->tlb_ctx = c->tlb_ctx_el0;
    else
        c->tlb_ctx = context(c->mmu, c->st.misc & PSR_PAN ? VARIANT_EL1_PAN : VARIANT_EL1);
    c->fp_trap = c->mmu->fp_traps[c->st.el != 0];
}

void cpu_context_changed(struct cpu *c)
{
    struct cpu_mmu *m = c->mmu;
    m->era++;
    uint64_t ttbr0 = SYS(&c->st, TTBR0_EL1), ttbr1 = SYS(&c->st, TTBR1_EL1);

    if (!m->nr_spaces || m->space[m->current].ttbr0 != ttbr0 || m->space[m->current].ttbr1 != ttbr1) {
        unsigned i;
        for (i = 0; i < m->nr_spaces; i++)
            if (m->space[i].ttbr0 == ttbr0 && m->space[i].ttbr1 == ttbr1)
                break;
        if (i == NR_SPACES) {
            tlb_flush_all(c);
            i = 0;
        }
        if (i == m->nr_spaces) {
            m->space[i].ttbr0 = ttbr0;
            m->space[i].ttbr1 = ttbr1;
            m->nr_spaces++;
        }
        m->current = i;
    }
    c->tlb_space = m->current % TLB_SPACES * (uint32_t)(sizeof(c->tlb) / TLB_SPACES);
    c->tlb_ctx_el0 = context(m, VARIANT_EL0);
    m->fp_traps[0] = sysreg_fp_traps(&c->st, 0);
    m->fp_traps[1] = sysreg_fp_traps(&c->st, 1);
    at_level(c);
    jit_context_changed(c);
}

HOT void cpu_level_changed(struct cpu *c)
{
    at_level(c);
    jit_level_changed(c);
}

static void entry_drop(struct tlb_entry *e)
{
    e->tag_r = e->tag_w = TLB_TAG_NONE;
    e->page = 0;
}

void tlb_flush_data(struct cpu *c)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        entry_drop(&c->tlb[i]);
}

static void flush_entries(struct cpu *c)
{
    c->mmu->era++;
    tlb_flush_data(c);
    for (unsigned i = 0; i < ITLB_ENTRIES; i++)
        c->itlb[i].tag = TLB_TAG_NONE;
}

static bool may_be_large(const struct large_blocks *l, gva_t first, gva_t last)
{
    for (unsigned i = 0; i < l->nr; i++)
        if (first <= l->range[i].hi && last >= l->range[i].lo)
            return true;
    return false;
}

void tlb_flush_all(struct cpu *c)
{
    flush_entries(c);
    memset(c->mmu->large, 0, sizeof(c->mmu->large));
    c->mmu->nr_spaces = 0;
    c->mmu->current = 0;
    jit_mapping_changed(c, true, true);
}

/* Whether the context in a tag is of this ASID: entries do not know theirs. */
static bool has_asid(const struct cpu *c, uint64_t tag, unsigned asid)
{
    const uint64_t tcr = SYS(&c->st, TCR_EL1);
    const unsigned space = (unsigned)(tag & (TLB_PAGE_SIZE - 1)) >> TLB_CTX_SHIFT;

    if (space / NR_VARIANTS >= c->mmu->nr_spaces)
        return true;
    const uint64_t ttbr = tcr & TCR_EL1_A1 ? c->mmu->space[space / NR_VARIANTS].ttbr1
                                           : c->mmu->space[space / NR_VARIANTS].ttbr0;
    return !((ttbr >> TTBR0_EL1_ASID_LO ^ asid) & (tcr & TCR_EL1_AS ? 0xffff : 0xff));
}

void tlb_flush_asid(struct cpu *c, unsigned asid)
{
    c->mmu->era++;
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        struct tlb_entry *e = &c->tlb[i];
        const uint64_t tag = e->tag_r != TLB_TAG_NONE  ? e->tag_r
                             : e->page & TLB_INFO_MMIO ? e->addend
                                                       : e->tag_w;
        if (!(e->page & TLB_INFO_GLOBAL) && has_asid(c, tag, asid))
            entry_drop(e);
    }
    for (unsigned i = 0; i < ITLB_ENTRIES; i++)
        if (!c->itlb[i].global && has_asid(c, c->itlb[i].tag, asid))
            c->itlb[i].tag = TLB_TAG_NONE;
    jit_asid_flushed(c);
}

void tlb_flush_va(struct cpu *c, gva_t va, uint64_t len)
{
    const unsigned half = bit(va, 55);
    const gva_t mask = mask64(56);
    c->mmu->era++;
    jit_page_unmapped(c, va, len);
    gva_t first = va & mask & ~(gva_t)(TLB_PAGE_SIZE - 1), last = (va & mask) + len - 1;

    if (len > (uint64_t)TLB_ENTRIES * TLB_PAGE_SIZE ||
        may_be_large(&c->mmu->large[half][0], first, last) ||
        may_be_large(&c->mmu->large[half][1], first, last)) {
        flush_entries(c);
        /* What translated code holds of the other half it goes on holding. */
        memset(c->mmu->large[half], 0, sizeof(c->mmu->large[half]));
        jit_mapping_changed(c, !half, half);
        return;
    }
    for (uint64_t off = 0; off <= last - first; off += TLB_PAGE_SIZE) {
        for (unsigned i = 0; i < TLB_SPACES; i++)
            entry_drop(&c->tlb[(((first + off) >> TLB_PAGE_SHIFT) & (TLB_ENTRIES - 1)) ^
                               i * (TLB_ENTRIES / TLB_SPACES)]);
        c->itlb[((first + off) >> TLB_PAGE_SHIFT) & (ITLB_ENTRIES - 1)].tag = TLB_TAG_NONE;
    }
}

/* Memory that loads and fetches reach; null where a device answers. */
static const struct ram_region *find_memory(const struct cpu *c, gpa_t gpa)
{
    const struct ram_region *r = ram_find(c->ram, gpa);
    return r && !atomic_load_explicit(&r->hidden, memory_order_relaxed) ? r : NULL;
}

static bool walk_load(void *opaque, gpa_t gpa, uint64_t *desc)
{
    const struct ram_region *r = find_memory(opaque, gpa);

    if (!r)
        return false;
    *desc = __atomic_load_n((const uint64_t *)(const void *)(r->host + (gpa - r->base)), __ATOMIC_ACQUIRE);
    return true;
}

static int walk_cas(void *opaque, gpa_t gpa, uint64_t expected, uint64_t desired)
{
    const struct cpu *c = opaque;
    uint64_t *p = ram_ptr(c->ram, gpa, 8, true);
    if (!p)
        return -1;
    return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

void tlb_walk(struct cpu *c, const struct walk_request *rq, struct walk_result *res)
{
    const struct walk_mem m = {.opaque = c, .load = walk_load, .cas = walk_cas};
    walk_el10(&c->st, &m, rq, res);
}

static struct last_level *last_level_of(const struct cpu *c, gva_t va)
{
    const gva_t place = va >> 21;
    return &c->mmu->last_level[(unsigned)(place ^ place >> 8) % ARRAY_LEN(c->mmu->last_level)];
}

static bool holds_for(const struct cpu *c, const struct last_level *l, gva_t va)
{
    return l->era == c->mmu->era && l->place == va >> 21;
}

/* The same for what is filled into the TLB, which may begin with the last table. */
static void walk_to_fill(struct cpu *c, struct walk_request rq, struct walk_result *res)
{
    struct last_level *l = last_level_of(c, rq.va);

    c->nr_tlb_misses++;
    if (holds_for(c, l, rq.va))
        rq.from = &l->table;
    tlb_walk(c, &rq, res);
    if (rq.from || !res->ok || res->table.level != WALK_LAST_LEVEL)
        return;
    *l = (struct last_level){.era = c->mmu->era, .place = rq.va >> 21, .table = res->table};
}

/* Notes what the walk for rq, a load's or a store's, came to. */
static void know_leaf(struct cpu *c, const struct walk_request *rq, const struct walk_result *w,
                      uint64_t info)
{
    struct last_level *l = last_level_of(c, rq->va);
    const struct ram_region *r;

    if (w->page_len != TLB_PAGE_SIZE || w->updates || w->table.level != WALK_LAST_LEVEL ||
        !holds_for(c, l, rq->va))
        return;
    const struct walk_params p = walk_params_of(&c->st, rq->va, false);
    if (64 - p.txsz < 21) /* the first table, with fewer entries than others */
        return;
    r = find_memory(c, w->table.gpa);
    if (!r || r->kind != RAM_KIND_RAM)
        return;
    l->leaf = (struct known_leaf){
        .table = (const uint64_t *)(const void *)(r->host + (w->table.gpa - r->base)),
        .attributes = w->step[w->nr_steps - 1].desc & ~DESC_ADDRESS_4K,
        .info = info,
        .oa_bits = p.oa_bits,
        .el0 = rq->el0,
        .pan = rq->pan,
    };
}

static void note_large(struct cpu *c, gva_t va, const struct walk_result *w)
{
    if (w->page_len <= TLB_PAGE_SIZE)
        return;
    struct large_blocks *l = &c->mmu->large[bit(va, 55)][w->global];
    const gva_t lo = va & mask64(56) & ~(w->page_len - 1), hi = lo + (w->page_len - 1);
    const gva_t near = UINT64_C(1) << 30;
    unsigned i = 0;

    while (i < l->nr && (lo > l->range[i].hi + near || hi + near < l->range[i].lo))
        i++;
    if (i == ARRAY_LEN(l->range))
        i = 0;
    if (i == l->nr) {
        l->range[i].lo = lo;
        l->range[i].hi = hi;
        l->nr++;
    }
    l->range[i].lo = MIN(l->range[i].lo, lo);
    l->range[i].hi = MAX(l->range[i].hi, hi);
}

void mem_set_abort(struct cpu *c, gva_t va, bool write, uint8_t fsc)
{
    c->exc = (struct exception){
        .type = EXC_SYNC,
        .esr = esr_make(exception_ec(&c->st, EC_DABT_LOWER), fsc | (write ? ISS_DABT_WNR : 0)),
        .far = va,
        .far_valid = true,
    };
}

/* Makes the entry of va. info: enum tlb_info. */
static void set_entry(struct cpu *c, gva_t va, uint64_t tag, gpa_t page, uint64_t info, bool write,
                      struct tlb_view *view)
{
    const gva_t offset = va & (TLB_PAGE_SIZE - 1);
    const bool device = info & TLB_INFO_DEVICE;
    struct tlb_entry *e = tlb_slot(c, va);
    const struct ram_region *r = find_memory(c, page);

    entry_drop(e);
    e->page = page | info;
    *view = (struct tlb_view){.pa = page + offset, .device = device};
    if (!r) {
        e->page |= TLB_INFO_MMIO;
        e->addend = (uintptr_t)tag;
        return;
    }
    uint8_t *host = r->host + (page - r->base);
    e->addend = (uintptr_t)host - (va - offset);
    /* Translated code looks at alignment only where all of it must be aligned: with the MMU off, or by SCTLR_EL1.A. Memory that is
     * mapped as Device one page at a time, which is rare, is for the slow paths. */
    const bool fast = (!device || !(SYS(&c->st, SCTLR_EL1) & SCTLR_EL1_M)) &&
                      !(unlikely(c->debug) && debug_watches_page(c, va)) &&
                      !(unlikely(c->observe) && observe_watches_page(c, va));
    if ((info & TLB_INFO_READ) && fast)
        e->tag_r = tag;
    if ((info & TLB_INFO_WRITE) && r->kind == RAM_KIND_RAM && fast)
        e->tag_w = tag;
    if (!write || r->kind == RAM_KIND_RAM)
        view->host = host + offset;
}

static bool fill_by_walk(struct cpu *c, const struct walk_request *rq, uint64_t tag, struct tlb_view *view)
{
    const bool write = rq->access == WALK_WRITE;
    struct walk_result w;

    walk_to_fill(c, *rq, &w);
    if (w.ok && w.updates && rq->no_update)
        return false;
    if (!w.ok) {
        mem_set_abort(c, rq->va, write, w.fsc);
        return false;
    }
    const uint64_t info = (w.device ? TLB_INFO_DEVICE : 0) | (w.global ? TLB_INFO_GLOBAL : 0) |
                          (w.can_read ? TLB_INFO_READ : 0) |
                          (w.can_write && w.writable_dirty ? TLB_INFO_WRITE : 0);
    note_large(c, rq->va, &w);
    if (w.page_len >= BLOCK_MIN)
        c->mmu->block[bit(rq->va, 55)] = rq->va;
    know_leaf(c, rq, &w, info);
    set_entry(c, rq->va, tag, w.pa & ~(gpa_t)(TLB_PAGE_SIZE - 1), info, write, view);
    return true;
}

static __attribute__((noinline)) bool fill(struct cpu *c, gva_t va, uint64_t tag, unsigned flags,
                                           bool write, struct tlb_view *view)
{
    const bool el0 = c->st.el == 0 || (flags & MEM_EL0), pan = !el0 && (c->st.misc & PSR_PAN);
    const struct last_level *l = last_level_of(c, va);

    if (holds_for(c, l, va) && l->leaf.table && l->leaf.el0 == el0 && l->leaf.pan == pan &&
        (l->leaf.info & (write ? TLB_INFO_WRITE : TLB_INFO_READ))) {
        const uint64_t desc =
            __atomic_load_n(&l->leaf.table[va >> TLB_PAGE_SHIFT & 511], __ATOMIC_ACQUIRE);
        const gpa_t page = desc & DESC_ADDRESS_4K;
        if (desc - page == l->leaf.attributes && !(page >> l->leaf.oa_bits)) {
            c->nr_tlb_misses++;
            set_entry(c, va, tag, page, l->leaf.info, write, view);
            return true;
        }
    }
    return fill_by_walk(c,
                        &(struct walk_request){.va = va,
                                               .access = write ? WALK_WRITE : WALK_READ,
                                               .el0 = el0,
                                               .pan = pan,
                                               .no_update = flags & MEM_NO_UPDATE},
                        tag, view);
}

HOT static bool find_translation(struct cpu *c, gva_t va, bool write, unsigned flags,
                                 struct tlb_view *view)
{
    const uint64_t tag = tlb_key(flags & MEM_EL0 ? c->tlb_ctx_el0 : c->tlb_ctx, va, 1);
    const gva_t offset = va & (TLB_PAGE_SIZE - 1);
    const struct tlb_entry *e = tlb_slot(c, va);

    if ((write ? e->tag_w : e->tag_r) == tag) {
        *view = (struct tlb_view){
            .pa = (e->page & ~(gpa_t)(TLB_PAGE_SIZE - 1)) + offset,
            .host = (uint8_t *)(va + e->addend),
            .device = e->page & TLB_INFO_DEVICE,
        };
        return true;
    }
    if (tlb_is_device(e, tag) && (e->page & (write ? TLB_INFO_WRITE : TLB_INFO_READ))) {
        *view = (struct tlb_view){
            .pa = (e->page & ~(gpa_t)(TLB_PAGE_SIZE - 1)) + offset,
            .device = e->page & TLB_INFO_DEVICE,
        };
        return true;
    }
    return fill(c, va, tag, flags, write, view);
}

static const struct ram_region *largest_ram(const struct cpu *c)
{
    const struct ram_region *best = NULL;

    for (unsigned i = 0; i < c->ram->nr_regions; i++)
        if (c->ram->region[i].kind == RAM_KIND_RAM && (!best || c->ram->region[i].len > best->len))
            best = &c->ram->region[i];
    return best;
}

bool tlb_find_block(struct cpu *c, bool upper, struct tlb_block *b)
{
    const bool el0 = c->st.el == 0;
    const gva_t va = c->mmu->block[upper];
    struct walk_result w;

    if ((unlikely(c->debug) && c->debug->nr_watches) || (unlikely(c->observe) && observe_watches(c)))
        return false;
    if (!(SYS(&c->st, SCTLR_EL1) & SCTLR_EL1_M)) {
        const struct ram_region *r = upper ? NULL : largest_ram(c);
        if (r)
            *b = (struct tlb_block){.va = r->base, .len = r->len, .addend = (uintptr_t)r->host - r->base};
        return r != NULL;
    }
    if (!va)
        return false;
    /* As if PSTATE.PAN were set: then its value does not matter. */
    tlb_walk(c,
             &(struct walk_request){
                 .va = va, .access = WALK_WRITE, .el0 = el0, .pan = !el0, .no_update = true},
             &w);
    if (!w.ok || w.updates || w.device || !w.can_read || !w.can_write || !w.writable_dirty ||
        w.page_len < BLOCK_MIN)
        return false;
    if (upper && !w.global) /* TLBI by ASID would have to look at it: jit_asid_flushed() */
        return false;
    const struct ram_region *r = find_memory(c, w.pa);
    if (!r || r->kind != RAM_KIND_RAM)
        return false;
    note_large(c, va, &w);
    const gva_t first = walk_strip_tag(&c->st, va, false) & ~(w.page_len - 1);
    const gpa_t pa = w.pa & ~(w.page_len - 1), lo = MAX(pa, r->base),
                hi = MIN(pa + w.page_len, r->base + r->len);
    *b = (struct tlb_block){.va = first + (lo - pa), .len = hi - lo};
    b->addend = (uintptr_t)r->host + (lo - r->base) - b->va;
    return true;
}

HOT bool tlb_translate(struct cpu *c, gva_t va, unsigned len, enum walk_access access,
                       unsigned flags, struct tlb_view *view)
{
    if (unlikely(c->debug) && debug_watch_hit(c, va, len, access == WALK_WRITE))
        return false;
    if (!find_translation(c, va, access == WALK_WRITE, flags, view))
        return false;
    /* With turns a device may end them, and what is run after that instruction is not to depend on how. */
    if (unlikely(c->turn_insns) && !c->own_turns && len && !view->host && !c->alone) {
        c->alone_due = true;
        return false;
    }
    if (unlikely(c->observe) && !observe_translated(c, va, len, access == WALK_WRITE, view))
        return false;
    if (likely(!c->check))
        return true;
    if (jit_check_translated(c, va, access == WALK_WRITE, view))
        return true;
    mem_set_abort(c, va, access == WALK_WRITE, FSC_EXTERNAL);
    return false;
}

static bool fill_itlb(struct cpu *c, gva_t va, bool no_update, struct walk_result *w)
{
    walk_to_fill(c,
                 (struct walk_request){
                     .va = va, .access = WALK_FETCH, .el0 = c->st.el == 0, .no_update = no_update},
                 w);
    if (!w->ok || (no_update && w->updates))
        return false;
    const gpa_t page = w->pa & ~(gpa_t)(TLB_PAGE_SIZE - 1);
    const struct ram_region *r = find_memory(c, page);
    if (!r)
        return false;
    note_large(c, va, w);
    struct itlb_entry *e = &c->itlb[(va >> TLB_PAGE_SHIFT) & (ITLB_ENTRIES - 1)];
    struct code_page *cp = icache_page(c, va, page, r->host + (page - r->base));
    *e = (struct itlb_entry){
        .tag = (va & ~(gva_t)(TLB_PAGE_SIZE - 1)) | c->tlb_ctx,
        .page = cp,
        .guarded = w->guarded,
        .global = w->global,
    };
    return true;
}

bool tlb_translate_fetch(struct cpu *c, gva_t va)
{
    struct walk_result w;

    if (fill_itlb(c, va, false, &w))
        return true;
    c->exc = (struct exception){
        .type = EXC_SYNC,
        .esr = esr_make(exception_ec(&c->st, EC_IABT_LOWER), w.ok ? FSC_EXTERNAL : w.fsc),
        .ret = va,
        .far = va,
        .far_valid = true,
    };
    c->leave = CPU_LEAVE_EXCEPTION;
    return false;
}

bool tlb_look_ahead(struct cpu *c, gva_t va)
{
    struct walk_result w;
    return fill_itlb(c, va, true, &w);
}

/* --- For people ----------------------------------------------------------------------------------------------------- */

static void put_context(const struct cpu *c, uint64_t tag, struct cpu_translation *t)
{
    const unsigned context = (unsigned)(tag & (TLB_PAGE_SIZE - 1)) >> TLB_CTX_SHIFT;

    t->va = tag & ~(uint64_t)(TLB_PAGE_SIZE - 1);
    t->el = context % NR_VARIANTS != VARIANT_EL0;
    t->pan = context % NR_VARIANTS == VARIANT_EL1_PAN;
    t->ttbr0 = c->mmu->space[context / NR_VARIANTS].ttbr0;
}

unsigned cpu_translations(const struct cpu *c, struct cpu_translation *t, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < TLB_ENTRIES && n < max; i++) {
        const struct tlb_entry *e = &c->tlb[i];
        const uint64_t tag = e->page & TLB_INFO_MMIO    ? e->addend
                             : e->tag_r != TLB_TAG_NONE ? e->tag_r
                                                        : e->tag_w;
        if (tag == TLB_TAG_NONE)
            continue;
        t[n] = (struct cpu_translation){.pa = e->page & ~(gpa_t)(TLB_PAGE_SIZE - 1),
                                        .read = e->page & TLB_INFO_READ,
                                        .write = e->page & TLB_INFO_WRITE,
                                        .device = e->page & TLB_INFO_DEVICE,
                                        .global = e->page & TLB_INFO_GLOBAL};
        put_context(c, tag, &t[n++]);
    }
    for (unsigned i = 0; i < ITLB_ENTRIES && n < max; i++) {
        const struct itlb_entry *e = &c->itlb[i];
        if (e->tag == TLB_TAG_NONE)
            continue;
        t[n] = (struct cpu_translation){.pa = e->page->pa, .fetch = true, .global = e->global};
        put_context(c, e->tag, &t[n++]);
    }
    return n;
}
