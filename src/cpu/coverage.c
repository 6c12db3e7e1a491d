/* A set of addresses: pages by hash, a bit for each instruction. Threading: cpu/coverage.h. */
#include "cpu/coverage.h"

#include "base/bits.h"

#include <stdlib.h>

#define PAGE_SHIFT 12
#define MAX_PAGES (1u << 18) /* 1 GiB of code */

struct page {
    uint64_t key; /* page number + 1; 0: empty */
    uint64_t run[16];
};

struct coverage {
    unsigned nr, room; /* room is a power of two, at least twice nr */
    struct page *page;
    uint64_t lost;
};

struct coverage *coverage_create(void)
{
    struct coverage *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    v->room = 256;
    v->page = calloc(v->room, sizeof(*v->page));
    if (!v->page) {
        free(v);
        return NULL;
    }
    return v;
}

void coverage_destroy(struct coverage *v)
{
    if (v)
        free(v->page);
    free(v);
}

/* Where the page is, or would be. */
static struct page *slot_of(struct page *pages, unsigned room, uint64_t key)
{
    unsigned i = (unsigned)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (room - 1);
    while (pages[i].key && pages[i].key != key)
        i = (i + 1) & (room - 1);
    return &pages[i];
}

static bool grow(struct coverage *v)
{
    struct page *more = v->nr == MAX_PAGES ? NULL : calloc(2 * v->room, sizeof(*more));

    if (!more)
        return false;
    for (unsigned i = 0; i < v->room; i++)
        if (v->page[i].key)
            *slot_of(more, 2 * v->room, v->page[i].key) = v->page[i];
    free(v->page);
    v->page = more;
    v->room *= 2;
    return true;
}

void coverage_note(struct coverage *v, gva_t va)
{
    const uint64_t key = (va >> PAGE_SHIFT) + 1;
    struct page *p = slot_of(v->page, v->room, key);

    if (!p->key) {
        if (2 * v->nr == v->room) {
            if (!grow(v)) {
                v->lost++;
                return;
            }
            p = slot_of(v->page, v->room, key);
        }
        p->key = key;
        v->nr++;
    }
    const unsigned at = (unsigned)(va >> 2) & 1023;
    p->run[at / 64] |= BIT64(at % 64);
}

bool coverage_has(const struct coverage *v, gva_t va)
{
    const uint64_t key = (va >> PAGE_SHIFT) + 1;
    const struct page *p = slot_of(v->page, v->room, key);
    const unsigned at = (unsigned)(va >> 2) & 1023;

    return p->key == key && (p->run[at / 64] >> (at % 64) & 1);
}

uint64_t coverage_lost(const struct coverage *v)
{
    return v->lost;
}
