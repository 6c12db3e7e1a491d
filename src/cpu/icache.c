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

struct code_cache {
    struct code_page *bucket[ICACHE_BUCKETS];
    unsigned nr_pages;
    struct code_page *spare; /* for when the host has no more memory; null while it is in use */
    bool by_address;
};

struct code_cache *icache_create(void)
{
    struct code_cache *cc = calloc(1, sizeof(*cc));

    if (cc && !(cc->spare = malloc(sizeof(*cc->spare)))) {
        free(cc);
        return NULL;
    }
    return cc;
}

/* But for a spare one. */
static void free_pages(struct code_cache *cc)
{
    for (unsigned i = 0; i < ICACHE_BUCKETS; i++) {
        for (struct code_page *p = cc->bucket[i], *next; p; p = next) {
            next = p->hash_next;
            if (cc->spare)
                free(p);
            else
                cc->spare = p;
        }
        cc->bucket[i] = NULL;
    }
    cc->nr_pages = 0;
}

void icache_destroy(struct code_cache *cc)
{
    if (!cc)
        return;
    free_pages(cc);
    free(cc->spare);
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

/* The cache is full, or the host has no more memory: the pages make room for one. */
static struct code_page *take_spare(struct cpu *c)
{
    struct code_cache *cc = c->icache;

    free_pages(cc);
    for (unsigned i = 0; i < ITLB_ENTRIES; i++)
        c->itlb[i].tag = TLB_TAG_NONE;
    struct code_page *p = cc->spare;
    cc->spare = NULL;
    return p;
}

struct code_page *icache_page(struct cpu *c, gva_t va, gpa_t pa, const void *host)
{
    struct code_cache *cc = c->icache;
    struct code_page **head = &cc->bucket[(pa >> TLB_PAGE_SHIFT) & (ICACHE_BUCKETS - 1)];
    struct code_page *p = find_page(c, va, pa);

    if (p)
        return p;
    if (cc->nr_pages < ICACHE_MAX_PAGES)
        p = malloc(sizeof(*p));
    if (!p)
        p = take_spare(c);
    p->pa = pa;
    p->va = page_va(cc, va);
    p->host = host;
    reset_entries(p, 0, PAGE_INSNS);
    p->insn[PAGE_INSNS] = (struct a64_insn){.fn = op_next_page};
    p->hash_next = *head;
    *head = p;
    cc->nr_pages++;
    return p;
}

bool icache_was_run(const struct cpu *c, gva_t va, gpa_t page)
{
    const struct code_page *p = find_page(c, va, page);
    return p && p->insn[(va >> 2) & (PAGE_INSNS - 1)].fn != op_first_time;
}

uint32_t icache_word(const struct cpu *c, const struct a64_insn *insn)
{
    const struct code_page *p = CONTAINER_OF(c->code.insns, const struct code_page, insn[0]);

    return insn->fn == op_first_time ? __atomic_load_n(&p->host[insn - c->code.insns], __ATOMIC_RELAXED)
                                     : insn->word;
}

void icache_mark_entry(struct cpu *c, gva_t va, gpa_t pa, a64_fn *fn)
{
    struct code_page *p = find_page(c, va, pa & ~(gpa_t)(TLB_PAGE_SIZE - 1));
    const unsigned index = (unsigned)(pa >> 2) & (PAGE_INSNS - 1);

    if (!p)
        return;
    if (p->insn[index].fn == op_first_time)
        a64_decode(__atomic_load_n(&p->host[index], __ATOMIC_RELAXED), &p->insn[index]);
    p->insn[index].fn = fn;
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
