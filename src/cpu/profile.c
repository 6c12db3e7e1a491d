/* Samples: cpu/profile.h.
 *
 * The distances between them vary by a quarter, so that no loop of the guest keeps time with them; by a generator of its own, so that the same run gives
 * the same profile. Stacks are kept in one array of words, found by hash. */
#include "cpu/profile.h"

#include "arch/pac.h"
#include "cpu/cpu_internal.h"
#include "mem/ram.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 4u /* count, hash, el, lr; then depth and the addresses */
#define MAX_WORDS (16u << 20)
#define MAX_PAGES 8192u
#define PAGE_BUCKETS 4096u

struct page {
    gva_t va;
    uint32_t next; /* index + 1 */
    uint32_t word[PAGE_INSNS];
};

struct profile {
    uint64_t period, next, random;
    uint64_t lost;
    /* Stacks: where each begins in words. */
    size_t nr, room;
    uint32_t *at;
    size_t nr_words, words_room;
    uint64_t *word;
    size_t nr_buckets; /* a power of two, more than nr */
    uint32_t *bucket;  /* index + 1 */
    unsigned nr_pages;
    struct page **page;
    uint32_t page_bucket[PAGE_BUCKETS];
};

struct profile *profile_create(uint64_t period, unsigned index)
{
    struct profile *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->period = period;
    p->random = UINT64_C(0x9e3779b97f4a7c15) * (index + 1);
    p->next = period;
    p->nr_buckets = 1024;
    p->bucket = calloc(p->nr_buckets, sizeof(*p->bucket));
    p->page = calloc(MAX_PAGES, sizeof(*p->page));
    if (!p->bucket || !p->page) {
        profile_destroy(p);
        return NULL;
    }
    return p;
}

void profile_destroy(struct profile *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->nr_pages; i++)
        free(p->page[i]);
    free(p->page);
    free(p->bucket);
    free(p->word);
    free(p->at);
    free(p);
}

/* --- The guest ------------------------------------------------------------------------------------------------------ */

/* Memory as the guest's code sees it now, without a trace of that. */
static const void *look_at(struct cpu *c, gva_t va, unsigned len, enum walk_access access)
{
    struct walk_result w;

    if ((va & (TLB_PAGE_SIZE - 1)) + len > TLB_PAGE_SIZE)
        return NULL;
    tlb_walk(c, &(struct walk_request){.va = va, .access = access, .el0 = c->st.el == 0, .no_update = true},
             &w);
    return w.ok ? ram_ptr(c->ram, w.pa, len, false) : NULL;
}

/* Return addresses by the frame records: each has the address of the one before, which lies higher, and a return address. */
static unsigned unwind(struct cpu *c, gva_t *pc, unsigned room)
{
    gva_t frame = c->st.x[29];
    unsigned depth = 0;

    while (depth < room && frame && !(frame & 7)) {
        uint64_t record[2];
        const void *p = look_at(c, frame, sizeof(record), WALK_READ);
        if (!p)
            break;
        memcpy(record, p, sizeof(record));
        const gva_t back = pac_strip(&c->st, record[1], false);
        if (!back || (back & 3))
            break;
        pc[depth++] = back;
        if (record[0] <= frame)
            break;
        frame = record[0];
    }
    return depth;
}

/* --- Stacks --------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct profile_stack *s)
{
    uint64_t h = s->el ^ s->lr;

    for (unsigned i = 0; i < s->depth; i++)
        h = (h ^ s->pc[i]) * UINT64_C(0x9e3779b97f4a7c15) + (h >> 29);
    return h;
}

static bool is_same(const uint64_t *w, const struct profile_stack *s, uint64_t hash)
{
    return w[1] == hash && w[2] == s->el && w[3] == s->lr && w[HEAD] == s->depth &&
           !memcmp(w + HEAD + 1, s->pc, s->depth * sizeof(s->pc[0]));
}

static void put_in_bucket(struct profile *p, size_t n)
{
    size_t b = p->word[p->at[n] + 1] & (p->nr_buckets - 1);

    while (p->bucket[b])
        b = (b + 1) & (p->nr_buckets - 1);
    p->bucket[b] = (uint32_t)n + 1;
}

static bool more_buckets(struct profile *p)
{
    uint32_t *b = calloc(2 * p->nr_buckets, sizeof(*b));

    if (!b)
        return false;
    free(p->bucket);
    p->bucket = b;
    p->nr_buckets *= 2;
    for (size_t i = 0; i < p->nr; i++)
        put_in_bucket(p, i);
    return true;
}

/* Room for one stack more of so many words. */
static bool reserve(struct profile *p, size_t words)
{
    if (p->nr_words + words > MAX_WORDS || (2 * (p->nr + 1) > p->nr_buckets && !more_buckets(p)))
        return false;
    if (p->nr == p->room) {
        const size_t room = p->room ? 2 * p->room : 256;
        uint32_t *at = realloc(p->at, room * sizeof(*at));
        if (!at)
            return false;
        p->at = at;
        p->room = room;
    }
    if (p->nr_words + words > p->words_room) {
        const size_t room = MAX(2 * p->words_room, p->nr_words + words + 4096);
        uint64_t *word = realloc(p->word, room * sizeof(*word));
        if (!word)
            return false;
        p->word = word;
        p->words_room = room;
    }
    return true;
}

static void count(struct profile *p, const struct profile_stack *s)
{
    const uint64_t hash = hash_of(s);

    for (size_t b = hash & (p->nr_buckets - 1); p->bucket[b]; b = (b + 1) & (p->nr_buckets - 1)) {
        uint64_t *w = p->word + p->at[p->bucket[b] - 1];
        if (is_same(w, s, hash)) {
            w[0]++;
            return;
        }
    }
    if (!reserve(p, HEAD + 1 + s->depth)) {
        p->lost++;
        return;
    }
    uint64_t *w = p->word + p->nr_words;
    w[0] = 1;
    w[1] = hash;
    w[2] = s->el;
    w[3] = s->lr;
    w[HEAD] = s->depth;
    memcpy(w + HEAD + 1, s->pc, s->depth * sizeof(s->pc[0]));
    p->at[p->nr++] = (uint32_t)p->nr_words;
    p->nr_words += HEAD + 1 + s->depth;
    put_in_bucket(p, p->nr - 1);
}

bool profile_stack(const struct profile *p, size_t n, struct profile_stack *s)
{
    if (n >= p->nr)
        return false;
    const uint64_t *w = p->word + p->at[n];
    s->count = w[0];
    s->el = (unsigned)w[2];
    s->lr = w[3];
    s->depth = (unsigned)w[HEAD];
    memcpy(s->pc, w + HEAD + 1, s->depth * sizeof(s->pc[0]));
    return true;
}

uint64_t profile_lost(const struct profile *p)
{
    return p->lost;
}

/* --- Code ----------------------------------------------------------------------------------------------------------- */

static uint32_t *page_bucket(const struct profile *p, gva_t page)
{
    return (uint32_t *)&p->page_bucket[(page >> TLB_PAGE_SHIFT ^ page >> 24) & (PAGE_BUCKETS - 1)];
}

const uint32_t *profile_code(const struct profile *p, gva_t page)
{
    for (uint32_t i = *page_bucket(p, page); i; i = p->page[i - 1]->next)
        if (p->page[i - 1]->va == page)
            return p->page[i - 1]->word;
    return NULL;
}

static void keep_code(struct profile *p, struct cpu *c)
{
    const gva_t page = c->st.pc & ~(gva_t)(TLB_PAGE_SIZE - 1);

    if (profile_code(p, page) || p->nr_pages == MAX_PAGES)
        return;
    const void *code = look_at(c, page, TLB_PAGE_SIZE, WALK_FETCH);
    struct page *n = code ? malloc(sizeof(*n)) : NULL;
    if (!n)
        return;
    uint32_t *bucket = page_bucket(p, page);
    n->va = page;
    n->next = *bucket;
    memcpy(n->word, code, sizeof(n->word));
    p->page[p->nr_pages++] = n;
    *bucket = p->nr_pages;
}

/* --- Sampling ------------------------------------------------------------------------------------------------------- */

static uint64_t distance(struct profile *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->period - p->period / 4 + p->random % (p->period / 2 + 1);
}

uint64_t profile_due(struct profile *p, struct cpu *c)
{
    if (c->nr_insns < p->next)
        return p->next;
    struct profile_stack s = {.count = 1, .el = c->st.el, .lr = pac_strip(&c->st, c->st.x[30], false)};
    s.pc[0] = c->st.pc;
    s.depth = 1 + unwind(c, s.pc + 1, PROFILE_MAX_DEPTH - 1);
    count(p, &s);
    keep_code(p, c);
    p->next = c->nr_insns + distance(p);
    return p->next;
}
