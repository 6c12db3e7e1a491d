/* 256 KiB copied, word by word: forwards, backwards, and bytes gathered into words. (Compiled so that loops stay loops.) */
#include "loops.h"

enum { WORDS = 32768 };
static uint64_t from[WORDS], to[WORDS];

static void forwards(uint64_t *d, const uint64_t *s)
{
    for (unsigned i = 0; i < WORDS; i++)
        d[i] = s[i];
}

static void backwards(uint64_t *d, const uint64_t *s)
{
    for (unsigned i = WORDS; i-- > 0;)
        d[i] = s[i] + i;
}

static void halves(uint32_t *d, const uint32_t *s)
{
    for (unsigned i = 0; i < 2 * WORDS; i += 4) {
        uint32_t p = s[i], q = s[i + 1], r = s[i + 2], t = s[i + 3];
        d[i] = p, d[i + 1] = q, d[i + 2] = r, d[i + 3] = t;
    }
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < WORDS; i++)
        from[i] = i * 0x9e3779b97f4a7c15u;
    for (unsigned r = 0; r < n; r++) {
        forwards(to, from);
        backwards(from, to);
        halves((uint32_t *)(void *)to, (const uint32_t *)(const void *)from);
        sum = sum * 31 + to[r % WORDS];
    }
    return sum;
}
