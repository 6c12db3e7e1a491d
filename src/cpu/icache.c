/* Decoded pages: the guest's instructions, decoded at first use, found by physical page.
 *
 * Each CPU has its own: no locks, and, as the architecture says, code that changed is seen after IC IVAU (or IALLU) and ISB, not
 * before. Changes by the host are announced by cluster_code_changed().
 * Specification: DDI 0487, "Concurrent modification and execution of instructions", "Instruction caches". */
#include "cpu/cpu_internal.h"
#include "cpu/debug.h"
#include "cpu/interp.h"
#include "cpu/jit.h"
#include "cpu/observe.h"

#include <stdlib.h>

#define ICACHE_BUCKETS 1024u
#define ICACHE_MAX_PAGES 1024u /* 32 KiB each */

/* So many there are at least, whatever memory the host has: the one that is being run, and one to be made anew. */
#define ICACHE_MIN_PAGES 2u

struct code_cache {
    struct code_page *bucket[ICACHE_BUCKETS];
    struct code_page *page[ICACHE_MAX_PAGES];
    unsigned nr_pages, nr_unused; /* the first ones of page[] */
    unsigned hand;                /* the next that may have to go */
    bool by_address;
};

struct code_cache *icache_create(void)
{
    struct code_cache *cc = calloc(1, sizeof(*cc));

    while (cc && cc->nr_pages < ICACHE_MIN_PAGES) {
        struct code_page *p = malloc(sizeof(*p));
        if (!p) {
            icache_destroy(cc);
            return NULL;
        }
        cc->page[cc->nr_pages++] = p;
        cc->nr_unused++;
    }
    return cc;
}

void icache_destroy(struct code_cache *cc)
{
    if (!cc)
        return;
    for (unsigned i = 0; i < cc->nr_pages; i++)
        free(cc->page[i]);
    free(cc);
}

/* The entry that stands for every instruction until it first runs. */
static const struct a64_insn *op_first_time(struct cpu *c, const struct a64_insn *insn)
{
    const struct code_page *p = CONTAINER_OF(c->code.insns, const struct code_page, insn[0]);
    struct a64_insn *mine = (struct a64_insn *)(uintptr_t)insn; /* the pages are ours to write */

    a64_decode(__atomic_load_n(&p->host[insn - c->code.insns], __ATOMIC_RELAXED), mine);
    if (unlikely(c->observe) && observe_decoded(c, cpu_pc(c, insn), insn->word))
        mine->fn = observe_op;
    if (unlikely(c->debug) && debug_marks(c, cpu_pc(c, insn), insn->word))
        mine->fn = debug_op;
    return insn->fn(c, insn);
}

/* The entry behind the last: on into the next page, as the same step. */
static const struct a64_insn *op_next_page(struct cpu *c, const struct a64_insn *insn)
{
    const struct a64_insn *next = cpu_goto(c, cpu_pc(c, insn));

    if (next)
        return next->fn(c, next);
    c->nr_insns--; /* the run loop counts this call */
    return NULL;
}

static void reset_entries(struct code_page *p, unsigned first, unsigned nr)
{
    for (unsigned i = first; i < first + nr; i++)
        p->insn[i].fn = op_first_time;
}

void icache_by_address(struct cpu *c)
{
    c->icache->by_address = true;
}

static gva_t page_va(const struct code_cache *cc, gva_t va)
{
    return cc->by_address ? va & ~(gva_t)(TLB_PAGE_SIZE - 1) : 0;
}

static struct code_page *find_page(const struct cpu *c, gva_t va, gpa_t pa)
{
    for (struct code_page *p = c->icache->bucket[(pa >> TLB_PAGE_SHIFT) & (ICACHE_BUCKETS - 1)]; p;
         p = p->hash_next)
        if (p->pa == pa && p->va == page_va(c->icache, va))
            return p;
    return NULL;
}

static struct code_page **bucket_of(struct code_cache *cc, gpa_t pa)
{
    return &cc->bucket[(pa >> TLB_PAGE_SHIFT) & (ICACHE_BUCKETS - 1)];
}

static void forget_page(struct code_cache *cc, const struct code_page *page)
{
    struct code_page **p = bucket_of(cc, page->pa);

    while (*p != page)
        p = &(*p)->hash_next;
    *p = page->hash_next;
}

/* A page that has not been used since the hand came by the last time: what the ITLB has is used, and it loses those that the hand comes by. */
static struct code_page *recycle(struct cpu *c)
{
    struct code_cache *cc = c->icache;

    for (;;) {
        struct code_page *p = cc->page[cc->hand];
        cc->hand = (cc->hand + 1) % cc->nr_pages;
        if (p->insn == c->code.insns) /* being run */
            continue;
        if (!p->used) {
            forget_page(cc, p);
            return p;
        }
        p->used = false;
        for (unsigned i = 0; i < ITLB_ENTRIES; i++)
            if (c->itlb[i].page == p)
                c->itlb[i].tag = TLB_TAG_NONE;
    }
}

static struct code_page *new_page(struct cpu *c)
{
    struct code_cache *cc = c->icache;

    if (cc->nr_unused)
        return cc->page[--cc->nr_unused];
    struct code_page *p = cc->nr_pages < ICACHE_MAX_PAGES ? malloc(sizeof(*p)) : NULL;
    if (!p)
        return recycle(c);
    cc->page[cc->nr_pages++] = p;
    return p;
}

static void mark_entry(void *opaque, unsigned offset)
{
    struct code_page *p = opaque;
    struct a64_insn *insn = &p->insn[offset / 4];

    if (insn->fn == op_first_time)
        a64_decode(__atomic_load_n(&p->host[offset / 4], __ATOMIC_RELAXED), insn);
    insn->fn = jit_enter;
}

struct code_page *icache_page(struct cpu *c, gva_t va, gpa_t pa, const void *host)
{
    struct code_cache *cc = c->icache;
    struct code_page *p = find_page(c, va, pa);

    if (!p) {
        struct code_page **head = bucket_of(cc, pa);
        p = new_page(c);
        p->pa = pa;
        p->va = page_va(cc, va);
        p->host = host;
        reset_entries(p, 0, PAGE_INSNS);
        p->insn[PAGE_INSNS] = (struct a64_insn){.fn = op_next_page};
        p->hash_next = *head;
        *head = p;
        if (c->jit && !c->observe)
            jit_for_each_entry(c->jit, va & ~(gva_t)(TLB_PAGE_SIZE - 1), pa, mark_entry, p);
    }
    p->used = true;
    return p;
}

bool icache_decoded(const struct code_page *p, gva_t va, struct a64_insn *insn)
{
    const unsigned at = (unsigned)(va >> 2) & (PAGE_INSNS - 1);
    const struct a64_insn *mine = &p->insn[at];

    if (mine->fn == op_first_time) {
        a64_decode(__atomic_load_n(&p->host[at], __ATOMIC_RELAXED), insn);
        return false;
    }
    *insn = *mine;
    if (insn->fn == jit_enter || insn->fn == observe_op || insn->fn == debug_op)
        a64_decode(mine->word, insn);
    return true;
}

uint32_t icache_word(const struct cpu *c, const struct a64_insn *insn)
{
    const struct code_page *p = CONTAINER_OF(c->code.insns, const struct code_page, insn[0]);

    return insn->fn == op_first_time ? __atomic_load_n(&p->host[insn - c->code.insns], __ATOMIC_RELAXED)
                                     : insn->word;
}

void icache_mark_entry(struct cpu *c, gva_t va, gpa_t pa)
{
    struct code_page *p = find_page(c, va, pa & ~(gpa_t)(TLB_PAGE_SIZE - 1));

    if (p)
        mark_entry(p, (unsigned)(pa & (TLB_PAGE_SIZE - 1)));
}

void icache_flush_all(struct cpu *c)
{
    jit_flush_all(c);
    for (unsigned i = 0; i < ICACHE_BUCKETS; i++)
        for (struct code_page *p = c->icache->bucket[i]; p; p = p->hash_next)
            reset_entries(p, 0, PAGE_INSNS);
}

void icache_flush_pa(struct cpu *c, gpa_t pa, uint64_t len)
{
    const gpa_t end = pa + len;

    if (len > (uint64_t)ICACHE_BUCKETS * TLB_PAGE_SIZE) {
        icache_flush_all(c);
        return;
    }
    jit_flush_pa(c, pa, len);
    while (pa < end) {
        const gpa_t page = pa & ~(gpa_t)(TLB_PAGE_SIZE - 1), stop = MIN(end, page + TLB_PAGE_SIZE);
        for (struct code_page *p = c->icache->bucket[(page >> TLB_PAGE_SHIFT) & (ICACHE_BUCKETS - 1)];
             p; p = p->hash_next)
            if (p->pa == page) {
                const unsigned first = (unsigned)(pa - page) / 4;
                reset_entries(p, first, (unsigned)(stop - page + 3) / 4 - first);
            }
        pa = stop;
    }
}
