/* Host registers for webs.
 *
 * First every web, the most useful first, gets a register for where it is live, if one is free there. Then, those that are computed most often
 * first, a web is made lazy if its register is free wherever the value is held as well: it need not be stored when it is computed,
 * only when somebody asks. A web without a register lives at its home. */
#include "cpu/jit/jit_internal.h"

#include <stdlib.h>
#include <string.h>

/* RAX, RCX and RDX are the emitter's, RBP points to the CPU, RSP to the calls that are open, R15 counts instructions. */
static const uint8_t general[] = {RBX, RSI, RDI, R8, R9, R10, R11, R12, R13, R14};
/* XMM0 to XMM2 are the emitter's, and XMM13 to XMM15 where there are upper ones; the lower ones have shorter instructions, and all of them. */
static const uint8_t vector[] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t vector_avx512[] = {3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 16, 17, 18,
                                        19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

struct allocation {
    struct jit_unit *u;
    /* By class: where a register is taken, and where those that have it would like to keep it. */
    uint64_t *busy[2][X64_NR_VECTOR_REGS], *wanted[2][X64_NR_VECTOR_REGS];
};

static bool fits(const struct allocation *a, const uint64_t *busy, const uint64_t *places,
                 const uint64_t *except)
{
    for (unsigned i = 0; i < a->u->nr_words; i++)
        if (busy[i] & places[i] & ~(except ? except[i] : 0))
            return false;
    return true;
}

static const uint64_t *places(const struct jit_unit *u, const uint64_t *sets, unsigned web)
{
    return &sets[(size_t)web * u->nr_words];
}

static void take(struct allocation *a, uint64_t *busy, const uint64_t *where)
{
    for (unsigned i = 0; i < a->u->nr_words; i++)
        busy[i] |= where[i];
}

/* How well a register suits a web: 3, it can be kept for as long as the value may be asked for, and so can the others that have it; 2, it can, and not all others; 1, for as long as
 * it is live; 0, not at all. */
static unsigned suits(const struct allocation *a, unsigned web, unsigned reg)
{
    const unsigned class = a->u->web[web].vec;
    const uint64_t *live = places(a->u, a->u->live, web), *held = places(a->u, a->u->held, web);
    const uint64_t *busy = a->busy[class][reg], *wanted = a->wanted[class][reg];

    if (!fits(a, busy, live, NULL))
        return 0;
    if (!fits(a, busy, held, NULL))
        return 1;
    return fits(a, wanted, live, NULL) && fits(a, wanted, held, NULL) ? 3 : 2;
}

/* A register that only wants to be loaded once to be read once is no gain. */
static bool worthwhile(const struct jit_web *w)
{
    return (w->defined || w->var == VAR_TEMP || w->weight > 1) && (w->uses || w->defined);
}

static void give_register(struct allocation *a, unsigned web)
{
    struct jit_unit *u = a->u;
    struct jit_web *w = &u->web[web];
    const unsigned class = w->vec;
    const bool upper = u->j->host & JIT_HOST_AVX512;
    const uint8_t *regs = !class ? general : upper ? vector_avx512 : vector;
    const unsigned nr = !class  ? ARRAY_LEN(general)
                        : upper ? ARRAY_LEN(vector_avx512)
                                : ARRAY_LEN(vector);
    const int hint = w->hint < JIT_MAX_WEBS ? u->web[w->hint].hreg : X64_NONE;
    int best = X64_NONE;

    if (u->j->opt.random_registers) {
        u->random = u->random * 6364136223846793005u + 1442695040888963407u;
        const unsigned start = (unsigned)(u->random >> 33) % nr;
        for (unsigned i = 0; i < nr && best == X64_NONE; i++)
            if (suits(a, web, regs[(start + i) % nr]))
                best = regs[(start + i) % nr];
    } else {
        unsigned how_well = hint == X64_NONE ? 0 : suits(a, web, (unsigned)hint);
        if (how_well)
            best = hint;
        for (unsigned i = 0; i < nr && how_well < 3; i++) {
            const unsigned s = suits(a, web, regs[i]);
            if (s > how_well) {
                how_well = s;
                best = regs[i];
            }
        }
    }
    if (best == X64_NONE)
        return;
    w->hreg = (int8_t)best;
    take(a, a->busy[class][best], places(u, u->live, web));
    if (w->defined && w->var != VAR_TEMP)
        take(a, a->wanted[class][best], places(u, u->held, web));
}

/* Descending, by gaps: most have few, and few have many. */
static void sort(uint64_t *v, unsigned nr)
{
    static const unsigned gaps[] = {1577, 701, 301, 132, 57, 23, 10, 4, 1};

    for (unsigned g = 0; g < ARRAY_LEN(gaps); g++)
        for (unsigned i = gaps[g]; i < nr; i++) {
            const uint64_t x = v[i];
            unsigned k = i;
            for (; k >= gaps[g] && v[k - gaps[g]] < x; k -= gaps[g])
                v[k] = v[k - gaps[g]];
            v[k] = x;
        }
}

/* What counts is how often a web is used for as long as it takes a register: what lives for a few operations, and would be stored to be loaded
 * again at once, comes before what lives for long. The constant keeps the shortest lives from counting for everything. */
static uint64_t usefulness(const struct jit_web *w)
{
    enum { ONE = 256, BASE = 8 };

    return MIN((uint64_t)w->weight * ONE / (w->places + BASE), UINT32_MAX);
}

/* Those that may get a register, or be made lazy, the first to be asked first: the measure is in the upper half, the web below. Returns how many. */
static unsigned candidates(struct jit_unit *u, uint64_t *order, bool for_laziness)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < u->nr_webs; i++) {
        const struct jit_web *w = &u->web[i];
        if (for_laziness ? w->hreg == X64_NONE || w->var == VAR_TEMP || !w->defined : !worthwhile(w))
            continue;
        order[nr++] = (for_laziness ? w->def_weight : usefulness(w)) << 32 | (UINT32_MAX - i);
    }
    sort(order, nr);
    return nr;
}

static unsigned web_at(const uint64_t *order, unsigned i)
{
    return UINT32_MAX - (uint32_t)order[i];
}

static void spill_temps(struct jit_unit *u)
{
    uint16_t used[JIT_MAX_BLOCKS] = {0};

    for (unsigned i = 0; i < u->nr_webs; i++) {
        struct jit_web *w = &u->web[i];
        if (w->var != VAR_TEMP || w->hreg != X64_NONE)
            continue;
        w->spill = used[w->block]++;
        if (w->spill >= JIT_NR_SPILLS)
            u->failed = true;
    }
}

void jit_allocate(struct jit_unit *u)
{
    struct allocation a = {.u = u};
    enum { NR = X64_NR_VECTOR_REGS };
    uint64_t *space = calloc((size_t)4 * NR * u->nr_words + u->nr_webs, sizeof(uint64_t));

    if (!space) {
        u->failed = true;
        return;
    }
    for (unsigned i = 0; i < 2 * NR; i++) {
        a.busy[i / NR][i % NR] = space + (size_t)i * u->nr_words;
        a.wanted[i / NR][i % NR] = space + (size_t)(2 * NR + i) * u->nr_words;
    }
    uint64_t *order = space + (size_t)4 * NR * u->nr_words;

    if (!(u->j->opt.passes_off & 1u << JIT_PASS_REGISTERS)) {
        unsigned nr = candidates(u, order, false);
        for (unsigned i = 0; i < nr; i++)
            give_register(&a, web_at(order, i));
        nr = candidates(u, order, true);
        for (unsigned i = 0; i < nr; i++) {
            const unsigned k = web_at(order, i);
            struct jit_web *w = &u->web[k];
            const uint64_t *held = places(u, u->held, k);
            if (!fits(&a, a.busy[w->vec][w->hreg], held, places(u, u->live, k)))
                continue;
            w->lazy = true;
            take(&a, a.busy[w->vec][w->hreg], held);
        }
    }
    spill_temps(u);
    free(space);
}
