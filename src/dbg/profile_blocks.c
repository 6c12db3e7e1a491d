/* Basic blocks: a branch ends one, and where a direct branch of the same page leads, another begins. Threading: dbg/profile_blocks.h. */
#include "dbg/profile_blocks.h"

#include "base/bits.h"
#include "cpu/branch.h"
#include "cpu/profile.h"

#include "gen/a64_rows.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_LEN 4096u
#define PAGE_WORDS (PAGE_LEN / 4)

struct page {
    gva_t va;
    uint64_t begins[PAGE_WORDS / 64]; /* instructions that begin a block */
};

struct profile_blocks {
    const struct symbols *syms;
    struct page page;              /* the last one looked at */
    const struct profile *page_of; /* of this profile; null: none yet */
    struct profile_block *of;
    size_t nr, room;
    bool sorted;
};

struct profile_blocks *profile_blocks_create(const struct symbols *syms)
{
    struct profile_blocks *b = calloc(1, sizeof(*b));

    if (b)
        b->syms = syms;
    return b;
}

void profile_blocks_destroy(struct profile_blocks *b)
{
    if (b)
        free(b->of);
    free(b);
}

static void begin_at(struct page *p, gva_t va)
{
    if (va - p->va < PAGE_LEN)
        p->begins[(va - p->va) / 4 / 64] |= BIT64((va - p->va) / 4 % 64);
}

static bool begins_at(const struct page *p, gva_t va)
{
    return p->begins[(va - p->va) / 4 / 64] >> ((va - p->va) / 4 % 64) & 1;
}

/* Whether the instruction leaves its block, other than by a fault. */
static bool ends_block(const struct a64_insn *i)
{
    return i->row != A64_ROW_NONE &&
           (a64_rows[i->row].kind == A64_KIND_BRANCH || a64_rows[i->row].kind == A64_KIND_TRAP);
}

static void look_at_page(struct profile_blocks *b, gva_t page, const uint32_t *words)
{
    struct page *p = &b->page;

    memset(p, 0, sizeof(*p));
    p->va = page;
    begin_at(p, page);
    for (unsigned n = 0; n < PAGE_WORDS; n++) {
        const gva_t va = page + 4 * n;
        struct a64_insn i;
        int64_t offset;
        a64_decode(words[n], &i);
        if (!ends_block(&i))
            continue;
        begin_at(p, va + 4);
        if (branch_offset(&i, &offset))
            begin_at(p, va + (uint64_t)offset);
    }
    for (gva_t va = page; va < page + PAGE_LEN; va += 4) {
        const struct symbol *y = symbols_find(b->syms, va);
        if (y && y->addr == va)
            begin_at(p, va);
    }
}

void profile_blocks_add(struct profile_blocks *b, const struct profile *p, gva_t pc, uint64_t samples)
{
    const gva_t page = pc & ~(gva_t)(PAGE_LEN - 1);
    const uint32_t *words = profile_code(p, page);

    if (!words)
        return;
    if (b->page_of != p || b->page.va != page)
        look_at_page(b, page, words);
    b->page_of = p;
    struct profile_block block = {.first = pc & ~(gva_t)3, .samples = samples};
    block.last = block.first;
    while (!begins_at(&b->page, block.first))
        block.first -= 4;
    while (block.last + 4 - page < PAGE_LEN && !begins_at(&b->page, block.last + 4))
        block.last += 4;
    if (b->nr == b->room) {
        const size_t room = b->room ? 2 * b->room : 256;
        struct profile_block *more = realloc(b->of, room * sizeof(*more));
        if (!more)
            return;
        b->of = more;
        b->room = room;
    }
    b->of[b->nr++] = block;
    b->sorted = false;
}

static int by_first(const void *a, const void *b)
{
    const struct profile_block *x = a, *y = b;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : 0;
}

static int by_samples(const void *a, const void *b)
{
    const struct profile_block *x = a, *y = b;
    return x->samples != y->samples ? (x->samples > y->samples ? -1 : 1) : by_first(a, b);
}

bool profile_blocks_get(struct profile_blocks *b, size_t n, struct profile_block *block)
{
    if (!b->sorted && b->nr) {
        size_t nr = 0;
        qsort(b->of, b->nr, sizeof(*b->of), by_first);
        for (size_t i = 0; i < b->nr; i++)
            if (nr && b->of[nr - 1].first == b->of[i].first)
                b->of[nr - 1].samples += b->of[i].samples;
            else
                b->of[nr++] = b->of[i];
        b->nr = nr;
        qsort(b->of, b->nr, sizeof(*b->of), by_samples);
        b->sorted = true;
    }
    if (n >= b->nr)
        return false;
    *block = b->of[n];
    return true;
}
