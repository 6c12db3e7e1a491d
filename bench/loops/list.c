/* Linked lists within the caches: searched, reversed, merge-sorted. */
#include "loops.h"

enum { NR = 4096 };

struct node {
    struct node *next;
    uint32_t key, hits;
};

static struct node nodes[NR];

static struct node *reverse(struct node *l)
{
    struct node *done = 0;

    while (l) {
        struct node *next = l->next;
        l->next = done;
        done = l;
        l = next;
    }
    return done;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node *first = 0, **tail = &first;

    while (a && b) {
        struct node **from = a->key <= b->key ? &a : &b;
        *tail = *from;
        tail = &(*from)->next;
        *from = *tail;
    }
    *tail = a ? a : b;
    return first;
}

static struct node *sort(struct node *l)
{
    struct node *slow = l, *fast;

    if (!l || !l->next)
        return l;
    for (fast = l->next; fast && fast->next; fast = fast->next->next)
        slow = slow->next;
    fast = slow->next;
    slow->next = 0;
    return merge(sort(l), sort(fast));
}

static struct node *find(struct node *l, uint32_t key)
{
    while (l && l->key < key)
        l = l->next;
    return l;
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;
    uint32_t seed = 1;

    while (n--) {
        struct node *l = 0;
        for (unsigned i = 0; i < NR; i++) {
            seed = seed * 1664525u + 1013904223u;
            nodes[i].key = seed >> 4;
            nodes[i].next = l;
            l = &nodes[i];
        }
        l = sort(l);
        for (unsigned i = 0; i < 64; i++) {
            struct node *found = find(l, i << 22);
            if (found)
                found->hits++;
        }
        for (l = reverse(l); l; l = l->next)
            sum = sum * 31 + l->key + l->hits;
    }
    return sum;
}
