/* A word on each of 4096 pages, the next page and another cache line each time: more pages than small TLBs hold. */
#include "loops.h"

enum { PAGES = 4096, PAGE = 4096, LINE = 64 };

static uint8_t memory[(PAGES + 1) * PAGE];

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned r = 0; r < n; r++) {
        uint8_t *p = memory + (r & 7) * sizeof(uint64_t);
        for (unsigned i = 0; i < PAGES; i++, p += PAGE) {
            uint64_t *word = (uint64_t *)(void *)(p + (i % (PAGE / LINE)) * LINE);
            sum += *word;
            *word = sum ^ i;
        }
    }
    return sum;
}
