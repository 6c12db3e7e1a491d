/* What becomes of translations: memory for code, regions and their entries, what holds of the address space, invalidation.
 *
 * A region is found by the physical address of an entry, and counts if the virtual address and the mode are those it was made for, and all
 * of its pages are mapped as they were. That is checked once for each stamp: a number that stands for what is known of one half of the address
 * space in one mode. It changes with TTBRn_EL1, with the mode, and with TLB maintenance that touches code; it is the old one again when
 * an address space comes back. Links and the table of indirect targets compare stamps.
 *
 * Threads: the CPU's own. */
#include "arch/pac.h"
#include "base/os.h"
#include "cpu/cpu_internal.h"
#include "cpu/jit/jit_internal.h"

#include "gen/sysreg_fields.h"

#include <stdlib.h>
#include <string.h>

#define NO_STAMP UINT32_C(0x7fffffff)

/* --- Mode, stamps --------------------------------------------------------------------------------------------------- */

uint32_t jit_current_mode(const struct cpu *c)
{
    const uint64_t sctlr = SYS(&c->st, SCTLR_EL1);
    const bool el1 = c->st.el != 0;
    uint32_t mode = el1 ? MODE_EL1 : 0;

    if (!(sctlr & SCTLR_EL1_M) || (sctlr & SCTLR_EL1_A))
        mode |= MODE_ALIGN;
    if (sctlr & SCTLR_EL1_M)
        mode |= MODE_MMU;
    if (sctlr & (el1 ? SCTLR_EL1_SA : SCTLR_EL1_SA0))
        mode |= MODE_SP;
    if (el1 || (sctlr & SCTLR_EL1_DZE))
        mode |= MODE_DZE;
    mode |= (sctlr & SCTLR_EL1_EnIA ? MODE_PAC_IA << PAC_KEY_IA : 0) |
            (sctlr & SCTLR_EL1_EnIB ? MODE_PAC_IA << PAC_KEY_IB : 0) |
            (sctlr & SCTLR_EL1_EnDA ? MODE_PAC_IA << PAC_KEY_DA : 0) |
            (sctlr & SCTLR_EL1_EnDB ? MODE_PAC_IA << PAC_KEY_DB : 0);
    if (!c->fp_trap)
        mode |= MODE_FP;
    if (!c->fp_trap && jit_fpcr_is_plain(c->st.fpcr))
        mode |= MODE_FPCR | (c->st.fpcr & FPCR_FZ ? MODE_FZ : 0);
    return mode;
}

static uint32_t new_stamp(struct jit *j)
{
    if (++j->next_stamp == NO_STAMP)
        j->next_stamp = 1;
    return j->next_stamp;
}

/* The tables say what code is where, and not the ASID, which Linux keeps in TTBR1_EL1 and changes for each process. */
static uint32_t stamp_for(struct jit *j, bool lower, uint64_t ttbr_el1, uint32_t mode)
{
    enum { WAYS = 8 };
    const uint64_t ttbr = ttbr_el1 & TTBR0_EL1_BADDR; /* TTBR1_EL1's is the same */
    const unsigned h = (unsigned)(ttbr >> 12 ^ ttbr >> 20 ^ mode * 5 ^ lower);
    struct jit_space *victim = NULL;

    for (unsigned i = 0; i < WAYS; i++) {
        struct jit_space *s = &j->space[(h + i) & (JIT_NR_SPACES - 1)];
        if (s->stamp && s->ttbr == ttbr && s->mode == mode && s->lower == lower)
            return s->stamp;
        if (!victim && !s->stamp)
            victim = s;
    }
    if (!victim)
        victim = &j->space[(h + j->next_stamp % WAYS) & (JIT_NR_SPACES - 1)];
    *victim = (struct jit_space){.ttbr = ttbr, .mode = mode, .lower = lower, .stamp = new_stamp(j)};
    return victim->stamp;
}

static void find_pac_fields(struct cpu *c)
{
    const uint64_t tcr = SYS(&c->st, TCR_EL1);

    if (tcr == c->jit_hot.pac_tcr && c->jit_hot.pac_multiplier[0])
        return;
    memcpy(c->jit_hot.pac_multiplier, pac_multiplier, sizeof(pac_multiplier));
    for (unsigned data = 0; data < 2; data++)
        for (unsigned lower = 0; lower < 2; lower++)
            c->jit_hot.pac_field[data][lower] = pac_field(tcr, !lower, data);
    c->jit_hot.pac_tcr = tcr;
}

static void use_level(struct cpu *c, const struct jit_level *l)
{
    c->jit->mode = l->mode;
    memcpy(c->jit_hot.stamp, l->stamp, sizeof(l->stamp));
}

static __attribute__((noinline)) void find_level(struct cpu *c, struct jit_level *l)
{
    l->known = true;
    l->mode = jit_current_mode(c);
    l->stamp[0] = stamp_for(c->jit, false, SYS(&c->st, TTBR1_EL1), l->mode);
    l->stamp[1] = stamp_for(c->jit, true, SYS(&c->st, TTBR0_EL1), l->mode);
    use_level(c, l);
}

HOT void jit_level_changed(struct cpu *c)
{
    if (!c->jit)
        return;
    struct jit_level *l = &c->jit->level[c->st.el != 0];
    if (likely(l->known))
        use_level(c, l);
    else
        find_level(c, l);
}

void jit_context_changed(struct cpu *c)
{
    struct jit *j = c->jit;

    if (!j)
        return;
    find_pac_fields(c);
    c->jit_hot.mxcsr = jit_mxcsr_for(c->st.fpcr);
    j->level[0].known = j->level[1].known = false;
    jit_level_changed(c);
}

void jit_mapping_changed(struct cpu *c, bool lower, bool upper)
{
    struct jit *j = c->jit;

    if (!j)
        return;
    c->jit_hot.code_changed = 1;
    for (unsigned i = 0; i < JIT_NR_SPACES; i++)
        if (j->space[i].lower ? lower : upper)
            j->space[i].stamp = 0;
    jit_context_changed(c);
}

void jit_asid_flushed(struct cpu *c)
{
    if (c->jit)
        jit_mapping_changed(c, true, c->jit->upper_has_asid);
}

static uint64_t *filter_word(struct jit *j, gva_t va, uint64_t *bit_)
{
    const unsigned h =
        (unsigned)(va >> TLB_PAGE_SHIFT ^ va >> (TLB_PAGE_SHIFT + 12)) & (JIT_FILTER_BITS - 1);
    *bit_ = BIT64(h % 64);
    return &j->code_pages[(int64_t)va < 0][h / 64];
}

void jit_page_unmapped(struct cpu *c, gva_t va, uint64_t len)
{
    struct jit *j = c->jit;
    const bool upper = bit(va, 55);
    uint64_t b;

    if (!j)
        return;
    va = (gva_t)sext(va, 56);
    if (len <= 64 * (uint64_t)TLB_PAGE_SIZE) {
        bool hit = false;
        for (uint64_t off = 0; off < len; off += TLB_PAGE_SIZE)
            hit |= (*filter_word(j, va + off, &b) & b) != 0;
        if (!hit)
            return;
    }
    jit_mapping_changed(c, !upper, upper);
}

/* --- Pages ---------------------------------------------------------------------------------------------------------- */

bool jit_peek_fetch(struct cpu *c, gva_t va, gpa_t *pa, const uint32_t **host)
{
    const struct code_page *p = jit_peek_page(c, va);

    if (!p)
        return false;
    *pa = p->pa;
    *host = p->host;
    return true;
}

/* A page that jit_peek_fetch() knows. */
static void note_global(struct cpu *c, gva_t va)
{
    if ((int64_t)va < 0)
        c->jit->upper_has_asid |= !c->itlb[(va >> TLB_PAGE_SHIFT) & (ITLB_ENTRIES - 1)].global;
}

/* Where va is, which the guest has not come to yet. To look there may set its access flag early, as a CPU may; but not with exact, for the
 * interpreter would not. */
static bool look_ahead(struct cpu *c, gva_t va, gpa_t *pa)
{
    const uint32_t *host;

    return jit_peek_fetch(c, va, pa, &host) ||
           ((c->jit->opt.exact ? tlb_look_ahead(c, va) : tlb_translate_fetch(c, va)) &&
            jit_peek_fetch(c, va, pa, &host));
}

static bool page_holds(struct cpu *c, const struct jit_page *p)
{
    gpa_t now;

    if (!look_ahead(c, p->va, &now))
        return false;
    note_global(c, p->va);
    return now == p->pa && !(p->unguarded && jit_is_guarded(c, p->va));
}

/* Whether the region's pages are mapped as they were when it was made. */
static bool region_holds(struct cpu *c, struct jit_region *r)
{
    const bool lower = (int64_t)r->page[0].va >= 0;
    const uint32_t stamp = c->jit_hot.stamp[lower];

    if (r->stamp == stamp)
        return true;
    for (unsigned i = 0; i < r->nr_pages; i++)
        if (!page_holds(c, &r->page[i]))
            return false;
    if (r->ram_block.len) {
        struct tlb_block now;
        if (!tlb_find_block(c, !lower, &now) || memcmp(&now, &r->ram_block, sizeof(now)) != 0)
            return false;
    }
    r->stamp = stamp;
    return true;
}

/* --- Entries -------------------------------------------------------------------------------------------------------- */

static struct jit_entry **entry_bucket(struct jit *j, gva_t va, gpa_t pa)
{
    return &j->bucket[(pa >> 2 ^ (va >> 12) * 0x9e3779b1u) & (JIT_ENTRY_BUCKETS - 1)];
}

static unsigned place_of(gpa_t pa)
{
    return (unsigned)(pa >> 2 ^ pa >> 16) & (JIT_ENTRY_BUCKETS - 1);
}

bool jit_any_entry_at(const struct jit *j, gpa_t pa)
{
    return j->nr_at[place_of(pa)] != 0;
}

struct jit_entry *jit_entry_at(struct cpu *c, gva_t va, gpa_t pa)
{
    struct jit *j = c->jit;
    const uint32_t stamp = c->jit_hot.stamp[(int64_t)va >= 0];

    for (struct jit_entry *e = *entry_bucket(j, va, pa); e; e = e->next) {
        if (e->pa != pa || e->va != va || e->mode != j->mode)
            continue;
        if (likely(e->stamp == stamp))
            return e;
        if (region_holds(c, e->region)) {
            e->stamp = stamp;
            return e;
        }
    }
    return NULL;
}

struct jit_entry *jit_find_entry(struct cpu *c, gva_t va)
{
    gpa_t pa;

    return look_ahead(c, va, &pa) ? jit_entry_at(c, va, pa | (va & (TLB_PAGE_SIZE - 1))) : NULL;
}

struct jit_entry *jit_find_known_entry(struct cpu *c, gva_t va)
{
    const struct code_page *p = va & 3 ? NULL : jit_peek_page(c, va);

    return p ? jit_entry_at(c, va, p->pa | (va & (TLB_PAGE_SIZE - 1))) : NULL;
}

void jit_for_each_entry(const struct jit *j, gva_t va, gpa_t pa,
                        void (*mark)(void *opaque, unsigned offset), void *opaque)
{
    for (const struct jit_page *p = j->page_bucket[pa >> TLB_PAGE_SHIFT & (JIT_PAGE_BUCKETS - 1)];
         p; p = p->next)
        for (unsigned i = 0; p->pa == pa && p->va == va && i < p->region->nr_entries; i++)
            if ((p->region->entry[i].va & ~(gva_t)(TLB_PAGE_SIZE - 1)) == va)
                mark(opaque, (unsigned)p->region->entry[i].va & (TLB_PAGE_SIZE - 1));
}

/* --- Regions -------------------------------------------------------------------------------------------------------- */

/* The next len bytes of a region's memory, after which *at is. Null is the first: only the length is wanted. */
static void *piece(uint8_t *base, size_t *at, size_t len)
{
    const size_t was = *at;

    *at += (len + 15) & ~(size_t)15;
    return base ? base + was : NULL;
}

/* A copy of len bytes there. */
static void *copy_to(uint8_t *base, size_t *at, const void *from, size_t len)
{
    void *p = piece(base, at, len);

    if (p && len)
        memcpy(p, from, len);
    return p;
}

static void free_region(struct jit_region *r)
{
    free(r); /* with all that it has */
}

/* Room for one more in by_code. */
static bool reserve_by_code(struct jit *j)
{
    if (j->nr_by_code < j->by_code_room)
        return true;
    const unsigned room = j->by_code_room ? 2 * j->by_code_room : 1024;
    struct jit_region **by_code = realloc(j->by_code, room * sizeof(*by_code));
    if (!by_code)
        return false;
    j->by_code = by_code;
    j->by_code_room = room;
    return true;
}

/* The region with copies of what the unit has, at base, which is zero, or null; how long that is. Entries first: they are lines. */
static size_t lay_out(const struct jit_unit *u, uint8_t *base)
{
    struct jit_region none = {0}, *r = base ? (struct jit_region *)(void *)base : &none;
    size_t at = 0;

    piece(base, &at, (sizeof(*r) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
    r->entry = copy_to(base, &at, u->entry, u->nr_entries * sizeof(u->entry[0]));
    r->site = copy_to(base, &at, u->site, u->nr_sites * sizeof(u->site[0]));
    r->link = copy_to(base, &at, u->link, u->nr_links * sizeof(u->link[0]));
    r->insn = piece(base, &at, u->nr_insns * sizeof(r->insn[0]));
    r->va = u->c->check ? piece(base, &at, u->nr_insns * sizeof(r->va[0])) : NULL;
    r->loc = copy_to(base, &at, u->loc, u->nr_locs * sizeof(u->loc[0]));
    return at;
}

/* Null: out of memory. */
static struct jit_region *make_region(const struct jit_unit *u)
{
    void *base = NULL;

    if (posix_memalign(&base, CACHE_LINE, lay_out(u, NULL)))
        return NULL;
    memset(base, 0, sizeof(struct jit_region));
    lay_out(u, base);
    return base;
}

struct jit_region *jit_publish(struct jit_unit *u)
{
    struct jit *j = u->j;
    struct jit_region *r = reserve_by_code(j) ? make_region(u) : NULL;

    if (!r)
        return NULL;
    r->mode = u->mode;
    r->nr_pages = u->nr_pages;
    memcpy(r->page, u->page, sizeof(r->page));
    r->ram_block = u->ram_block;
    r->start = u->start;
    for (unsigned i = 0; i < u->nr_insns; i++)
        for (unsigned p = 0; p < r->nr_pages; p++)
            if (r->page[p].va == (u->insn[i].va & ~(gva_t)(TLB_PAGE_SIZE - 1))) {
                const uint16_t at = (uint16_t)(u->insn[i].va & (TLB_PAGE_SIZE - 1));
                r->page[p].lo = MIN(r->page[p].lo, at);
                r->page[p].hi = MAX(r->page[p].hi, (uint16_t)(at + 4));
            }
    r->code = u->code_at;
    r->code_len = (uint32_t)(u->buf.p - u->buf.start);
    r->nr_sites = u->nr_sites;
    r->nr_links = u->nr_links;
    r->nr_entries = u->nr_entries;
    r->nr_insns = u->nr_insns;
    for (unsigned i = 0; i < u->nr_insns; i++)
        r->insn[i] = u->insn[i].i;
    for (unsigned i = 0; r->va && i < u->nr_insns; i++)
        r->va[i] = u->insn[i].va;
    for (unsigned i = 0; i < r->nr_sites; i++)
        r->site[i].region = r;
    for (unsigned i = 0; i < r->nr_links; i++)
        r->link[i].from = r;
    for (unsigned i = 0; i < u->nr_pointers; i++) {
        const uint64_t p = u->pointer[i].link ? (uintptr_t)&r->link[u->pointer[i].index]
                                              : (uintptr_t)&r->site[u->pointer[i].index];
        memcpy(j->rw + r->code + u->pointer[i].at, &p, sizeof(p));
    }

    for (unsigned i = 0; i < r->nr_entries; i++) {
        struct jit_entry *e = &r->entry[i];
        const gva_t va = u->entry[i].va;
        e->region = r;
        e->mode = r->mode;
        e->stamp = u->c->jit_hot.stamp[(int64_t)va >= 0];
        e->code += r->code;
        e->pa = 0;
        for (unsigned p = 0; p < r->nr_pages; p++)
            if (r->page[p].va == (va & ~(gva_t)(TLB_PAGE_SIZE - 1)))
                e->pa = r->page[p].pa | (va & (TLB_PAGE_SIZE - 1));
        struct jit_entry **b = entry_bucket(j, va, e->pa);
        e->next = *b;
        *b = e;
        j->nr_at[place_of(e->pa)]++;
        icache_mark_entry(u->c, va, e->pa);
        jit_note_found(u->c, va, e);
    }
    for (unsigned p = 0; p < r->nr_pages; p++) {
        uint64_t bit_, *w = filter_word(j, r->page[p].va, &bit_);
        *w |= bit_;
        note_global(u->c, r->page[p].va);
        r->page[p].region = r;
        struct jit_page **b = &j->page_bucket[r->page[p].pa >> TLB_PAGE_SHIFT & (JIT_PAGE_BUCKETS - 1)];
        r->page[p].next = *b;
        *b = &r->page[p];
    }
    r->stamp = u->c->jit_hot.stamp[(int64_t)r->page[0].va >= 0];
    r->next = j->regions;
    if (r->next)
        r->next->prev = r;
    j->regions = r;
    j->by_code[j->nr_by_code++] = r;
    j->code_used += (r->code_len + 15) & ~15u;
    return r;
}

/* The index in by_code of the last region that begins at or before this offset; nr_by_code: there is none. */
static unsigned region_before(const struct jit *j, uint32_t at)
{
    unsigned lo = 0, hi = j->nr_by_code;

    while (lo < hi) {
        const unsigned mid = (lo + hi) / 2;
        if (j->by_code[mid]->code <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? lo - 1 : j->nr_by_code;
}

struct jit_region *jit_region_at(const struct jit *j, uint32_t at)
{
    const unsigned i = region_before(j, at);

    return i < j->nr_by_code && at - j->by_code[i]->code < j->by_code[i]->code_len ? j->by_code[i] : NULL;
}

static void unlink_from_target(struct jit_link *l)
{
    if (!l->to)
        return;
    for (struct jit_link **p = &l->to->incoming; *p; p = &(*p)->next_to)
        if (*p == l) {
            *p = l->next_to;
            break;
        }
    l->to = NULL;
}

static void set_guard(struct jit *j, const struct jit_link *l, uint32_t stamp)
{
    memcpy(j->rw + l->from->code + l->guard, &stamp, sizeof(stamp));
}

void jit_link_to(struct cpu *c, struct jit_link *l, struct jit_entry *e)
{
    struct jit *j = c->jit;

    if (l->to != e->region) {
        unlink_from_target(l);
        l->to = e->region;
        l->next_to = e->region->incoming;
        e->region->incoming = l;
    }
    x64_patch_rel32(j->rw + l->from->code + l->jump, j->rw + e->code);
    set_guard(j, l, c->jit_hot.stamp[(int64_t)l->target >= 0]);
    j->stats.nr_links++;
}

void jit_remember_target(struct cpu *c, gva_t va, const void *code)
{
    /* In guarded pages somebody has to look at BTYPE. */
    if (jit_peek_page(c, va) && !jit_is_guarded(c, va))
        c->jit_hot.target[(va >> 2) & (JIT_NR_TARGETS - 1)] =
            (struct jit_target){.va = va, .code = code, .stamp = c->jit_hot.stamp[(int64_t)va >= 0]};
}

void jit_forget_targets(struct cpu *c)
{
    for (unsigned i = 0; i < JIT_NR_TARGETS; i++)
        c->jit_hot.target[i] = (struct jit_target){.va = UINT64_MAX};
}

bool jit_code_is_stale(struct cpu *c)
{
    for (const struct jit_region *r = c->jit->regions; r; r = r->next)
        for (unsigned i = 0; i < r->nr_insns; i++) {
            const uint32_t *host;
            gpa_t pa;
            if (jit_peek_fetch(c, r->va[i], &pa, &host) &&
                host[(r->va[i] >> 2) & (PAGE_INSNS - 1)] != r->insn[i].word)
                return true;
        }
    return false;
}

/* Takes a region out of everything; it may still be running. */
static void kill_region(struct cpu *c, struct jit_region *r)
{
    struct jit *j = c->jit;

    for (unsigned i = 0; i < r->nr_entries; i++) {
        struct jit_entry *e = &r->entry[i];
        j->nr_at[place_of(e->pa)]--;
        if (jit_found_slot(j, e->va)->code == e->code)
            jit_found_slot(j, e->va)->stamp = 0;
        for (struct jit_entry **p = entry_bucket(j, e->va, e->pa); *p; p = &(*p)->next)
            if (*p == e) {
                *p = e->next;
                break;
            }
    }
    for (unsigned i = 0; i < r->nr_pages; i++)
        for (struct jit_page **p =
                 &j->page_bucket[r->page[i].pa >> TLB_PAGE_SHIFT & (JIT_PAGE_BUCKETS - 1)];
             *p; p = &(*p)->next)
            if (*p == &r->page[i]) {
                *p = r->page[i].next;
                break;
            }
    for (struct jit_link *l = r->incoming, *next; l; l = next) {
        next = l->next_to;
        set_guard(j, l, NO_STAMP);
        l->to = NULL;
    }
    for (unsigned i = 0; i < r->nr_links; i++) {
        unlink_from_target(&r->link[i]);
        set_guard(j, &r->link[i], NO_STAMP);
    }
    if (r->prev)
        r->prev->next = r->next;
    else
        j->regions = r->next;
    if (r->next)
        r->next->prev = r->prev;
    r->prev = NULL;
    r->dead = true;
    c->jit_hot.code_changed = 1;
    r->next = j->graveyard;
    j->graveyard = r;
}

void jit_drop_region(struct cpu *c, struct jit_region *r)
{
    if (r->dead)
        return;
    kill_region(c, r);
    jit_forget_targets(c);
}

void jit_bury(struct jit *j)
{
    unsigned n = j->nr_by_code;

    if (!j->graveyard)
        return;
    for (struct jit_region *r = j->graveyard; r; r = r->next) {
        r->index = region_before(j, r->code);
        n = MIN(n, r->index);
    }
    while (j->graveyard) {
        struct jit_region *r = j->graveyard;
        j->graveyard = r->next;
        j->by_code[r->index] = NULL;
        free_region(r);
    }
    for (unsigned i = n; i < j->nr_by_code; i++)
        if (j->by_code[i])
            j->by_code[n++] = j->by_code[i];
    j->nr_by_code = n;
}

void jit_flush_pa(struct cpu *c, gpa_t pa, uint64_t len)
{
    struct jit *j = c->jit;
    bool any = false;

    if (!j)
        return;
    for (gpa_t page = pa & ~(gpa_t)(TLB_PAGE_SIZE - 1); page < pa + len; page += TLB_PAGE_SIZE)
        for (struct jit_page *p = j->page_bucket[page >> TLB_PAGE_SHIFT & (JIT_PAGE_BUCKETS - 1)], *next;
             p; p = next) {
            next = p->next;
            if (p->pa != page || page + p->lo >= pa + len || page + p->hi <= pa)
                continue;
            kill_region(c, p->region);
            j->stats.nr_invalidated++;
            any = true;
            /* It may have been in this list with another page too. */
            next = j->page_bucket[page >> TLB_PAGE_SHIFT & (JIT_PAGE_BUCKETS - 1)];
        }
    if (any)
        jit_forget_targets(c);
}

bool jit_has_code(const struct cpu *c, gpa_t pa, uint64_t len)
{
    const gpa_t page = pa & ~(gpa_t)(TLB_PAGE_SIZE - 1);

    for (const struct jit_page *p = c->jit->page_bucket[page >> TLB_PAGE_SHIFT & (JIT_PAGE_BUCKETS - 1)];
         p; p = p->next)
        if (p->pa == page && page + p->lo < pa + len && page + p->hi > pa)
            return true;
    return false;
}

void jit_flush_all(struct cpu *c)
{
    struct jit *j = c->jit;

    if (!j)
        return;
    while (j->regions)
        kill_region(c, j->regions);
    memset(j->code_pages, 0, sizeof(j->code_pages));
    jit_forget_targets(c);
    j->flush_pending = true; /* code is not overwritten while it may be running */
}
