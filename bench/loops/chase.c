/* One load after the other, each address from the one before, in a random cycle through 16 MiB. */
#include "loops.h"

enum { NR = 1 << 18 };

struct cell {
    struct cell *next;
    uint64_t value[7]; /* a cache line */
};

static struct cell cells[NR];

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;
    uint32_t seed = 1;

    /* Sattolo: a permutation that is one cycle; the values first hold it. */
    for (uint32_t i = 0; i < NR; i++)
        cells[i].value[0] = i;
    for (uint32_t i = NR - 1; i > 0; i--) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t j = (uint32_t)(((uint64_t)seed * i) >> 32);
        uint64_t t = cells[i].value[0];
        cells[i].value[0] = cells[j].value[0];
        cells[j].value[0] = t;
    }
    for (uint32_t i = 0; i < NR; i++)
        cells[i].next = &cells[cells[i].value[0]];
    const struct cell *c = cells;
    for (unsigned r = 0; r < n * 20000; r++) {
        sum += c->value[0];
        c = c->next;
    }
    return sum;
}
