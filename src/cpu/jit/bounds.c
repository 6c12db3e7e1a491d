/* What is known of general registers' values: that they are no more than something, unsigned.
 *
 * Followed through the whole region, from its entries, where nothing is known. No bound grows with the turns of a loop: what adds is only bounded by its width.
 * Two things come of it.
 *
 * Narrow: a 32-bit index that is zero-extended already is used as it is.
 *
 * Bases: accesses off a register that nothing in the region writes. Where the region is entered, it is looked at once whether everything that they can reach lies
 * in the block of RAM that the region takes for granted (tlb_find_block()); they need no check of their own then, and cannot fault. What they can reach is known
 * where their index is bounded: by a mask, or by the size of what it was loaded as. A region whose entry finds otherwise is made anew without this. That
 * SP is a multiple of 16 is looked at there, too. */
#include "cpu/jit/jit_internal.h"

#include <string.h>

#define UNBOUNDED UINT64_MAX
/* How far from a base accesses may reach, so that it is a displacement for the host. */
#define MAX_REACH (INT64_C(1) << 20)
/* Accesses, each as often as its loop is thought to run, that a look at the entry must save. */
#define MIN_WEIGHT 8u

struct candidate {
    bool written;
    uint32_t weight;
    int64_t lo, hi; /* bytes from the base that the accesses reach: [lo, hi) */
};

struct bounds {
    uint64_t most[JIT_MAX_VARS];         /* where it is now. Of a temporary: once it is defined */
    uint64_t in[JIT_MAX_BLOCKS][VAR_V0]; /* at each block's start */
    struct candidate base[VAR_V0];
};

static uint64_t most(const struct bounds *s, var_t v)
{
    return v == VAR_ZERO ? 0 : v < JIT_MAX_VARS ? s->most[v] : UNBOUNDED;
}

/* All bits up to the highest that is set. */
static uint64_t filled(uint64_t x)
{
    return x ? UINT64_MAX >> __builtin_clzll(x) : 0;
}

static uint64_t most_of_result(const struct bounds *s, const struct ir *r)
{
    const uint64_t all = r->sz == 3 ? UNBOUNDED : UINT32_MAX, a = MIN(most(s, r->a), all);
    const uint64_t b = r->b == VAR_IMM ? (uint64_t)r->imm & all
                       : r->scale      ? all
                                       : MIN(most(s, r->b), all);

    switch (r->op) {
    case IR_MOVI: return (uint64_t)r->imm;
    case IR_MOV: return a;
    case IR_ZX8: return MIN(a, UINT8_MAX);
    case IR_ZX16: return MIN(a, UINT16_MAX);
    case IR_ZX32: return MIN(a, UINT32_MAX);
    case IR_AND: return MIN(a, b);
    case IR_OR:
    case IR_XOR: return filled(a | b);
    case IR_SEL: return MAX(a, b);
    case IR_SHR: return r->b == VAR_IMM ? a >> (b & (r->sz == 3 ? 63 : 31)) : a;
    case IR_UBFX: return mask64(r->aux);
    case IR_LD:
    case IR_LDRAM:
    case IR_LDK:
        return r->sz < 3 && r->ext == EXT_ZERO ? mask64(8u << r->sz)
               : r->ext == EXT_S32             ? UINT32_MAX
                                               : UNBOUNDED;
    case IR_CLZ:
    case IR_CLS: return 64;
    case IR_ADD:
    case IR_SUB:
    case IR_ADC:
    case IR_SBC:
    case IR_ANDN:
    case IR_ORN:
    case IR_NOT:
    case IR_SHL:
    case IR_SAR:
    case IR_ROR:
    case IR_EXTR:
    case IR_MUL:
    case IR_UDIV:
    case IR_SDIV:
    case IR_SX8:
    case IR_SX16:
    case IR_BFI:
    case IR_REV:
    case IR_RBIT:
    case IR_SELINC:
    case IR_SELINV:
    case IR_SELNEG: return all;
    default: return UNBOUNDED;
    }
}

static void step(struct bounds *s, const struct ir *r)
{
    if ((ir_traits[r->op] & IRT_D) && r->d < JIT_MAX_VARS)
        s->most[r->d] = most_of_result(s, r);
}

static void begin(struct bounds *s, uint16_t k)
{
    memcpy(s->most, s->in[k], sizeof(s->in[k]));
}

static void find_bounds(struct jit_unit *u, struct bounds *s)
{
    for (unsigned n = 0; n < u->nr_blocks; n++)
        memset(s->in[u->order[n]], u->block[u->order[n]].entry ? 0xff : 0, sizeof(s->in[0]));
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned n = 0; n < u->nr_blocks; n++) {
            const uint16_t k = u->order[n];
            const struct jit_block *b = &u->block[k];
            uint16_t succ[JIT_MAX_BLOCKS];
            begin(s, k);
            for (unsigned i = b->ir_first; i < b->ir_end; i++)
                step(s, &u->ir[i]);
            const unsigned nr = jit_successors(u, k, succ);
            for (unsigned t = 0; t < nr; t++)
                for (unsigned v = 0; v < VAR_V0; v++)
                    if (s->most[v] > s->in[succ[t]][v]) {
                        s->in[succ[t]][v] = s->most[v];
                        changed = true;
                    }
        }
    }
}

/* --- Narrow --------------------------------------------------------------------------------------------------------- */

static void replace(var_t *v, bool reads, var_t was, var_t is)
{
    if (reads && *v == was)
        *v = is;
}

/* Readers of the copy in operation i read what it was copied from, as far as that stays. */
static void read_original(struct jit_unit *u, unsigned i, unsigned end)
{
    const var_t copy = u->ir[i].d, original = u->ir[i].a;

    for (unsigned n = i + 1; n < end; n++) {
        struct ir *r = &u->ir[n];
        const uint16_t t = ir_traits[r->op];
        replace(&r->a, t & (IRT_A | IRT_M), copy, original);
        replace(&r->b, t & (IRT_B | IRT_M), copy, original);
        replace(&r->c, t & IRT_C, copy, original);
        replace(&r->h, t & IRT_H, copy, original);
        if ((t & IRT_D) && r->d == original)
            return;
    }
}

static void narrow(struct jit_unit *u, struct bounds *s)
{
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const struct jit_block *b = &u->block[u->order[n]];
        begin(s, u->order[n]);
        for (unsigned i = b->ir_first; i < b->ir_end; i++) {
            struct ir *r = &u->ir[i];
            if (r->op == IR_ZX32 && r->a < VAR_V0 && s->most[r->a] <= UINT32_MAX) {
                r->op = IR_MOV;
                r->sz = 3;
                if (r->d >= VAR_TEMP)
                    read_original(u, i, b->ir_end);
            }
            step(s, r);
        }
    }
}

/* --- Bases ---------------------------------------------------------------------------------------------------------- */

static bool is_access(const struct ir *r)
{
    return (r->op == IR_LD || r->op == IR_ST || r->op == IR_VLD || r->op == IR_VST || r->op == IR_PROBE) &&
           r->a < VAR_V0 && !(r->fl & (IRF_ALIGNED | IRF_USER));
}

/* The bytes from its base that an access can reach; false: too far, or nobody knows. */
static bool find_reach(const struct bounds *s, const struct ir *r, int64_t *lo, int64_t *hi)
{
    const uint64_t index = r->b == VAR_NONE ? 0 : most(s, r->b);
    const unsigned len = r->op == IR_PROBE ? r->aux : 1u << r->sz;

    if (index > (uint64_t)MAX_REACH >> r->scale || r->imm < -MAX_REACH || r->imm > MAX_REACH)
        return false;
    *lo = r->imm;
    *hi = r->imm + (int64_t)(index << r->scale) + len;
    return true;
}

static unsigned weight(const struct jit_block *b)
{
    return 1u << 3 * MIN(b->depth, 3u);
}

static void count(struct bounds *s, const struct jit_block *b, const struct ir *r)
{
    struct candidate *c = &s->base[r->a];
    int64_t lo, hi;

    if (c->written || !find_reach(s, r, &lo, &hi))
        return;
    c->lo = c->weight ? MIN(c->lo, lo) : lo;
    c->hi = c->weight ? MAX(c->hi, hi) : hi;
    c->weight += weight(b);
}

static void without_check(const struct jit_unit *u, const struct bounds *s, struct ir *r)
{
    int64_t lo, hi;

    for (unsigned i = 0; i < u->nr_bases; i++)
        if (u->base[i].var == r->a && find_reach(s, r, &lo, &hi))
            r->op = r->op == IR_LD    ? IR_LDRAM
                    : r->op == IR_ST  ? IR_STRAM
                    : r->op == IR_VLD ? IR_VLDRAM
                    : r->op == IR_VST ? IR_VSTRAM
                                      : IR_HOSTRAM;
}

/* Each access: counted, or, once the bases are chosen, freed of its check. */
static void each_access(struct jit_unit *u, struct bounds *s, bool chosen)
{
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const struct jit_block *b = &u->block[u->order[n]];
        begin(s, u->order[n]);
        for (unsigned i = b->ir_first; i < b->ir_end; i++) {
            struct ir *r = &u->ir[i];
            if (is_access(r) && chosen)
                without_check(u, s, r);
            else if (is_access(r))
                count(s, b, r);
            step(s, r);
        }
    }
}

/* The candidates that are worth it, the best of them if they are too many. */
static void choose(struct jit_unit *u, struct bounds *s)
{
    while (u->nr_bases < ARRAY_LEN(u->base)) {
        unsigned best = 0;
        for (unsigned v = 1; v < VAR_V0; v++)
            if (s->base[v].weight > s->base[best].weight)
                best = v;
        struct candidate *c = &s->base[best];
        if (c->weight < MIN_WEIGHT)
            return;
        if ((uint64_t)(c->hi - c->lo) <= u->ram_block.len)
            u->base[u->nr_bases++] = (struct jit_base){.var = (var_t)best, .lo = c->lo, .hi = c->hi};
        c->weight = 0;
    }
}

static gva_t *outside_slot(struct jit *j, gva_t start)
{
    return &j->outside[start >> 2 & (JIT_NR_OUTSIDE - 1)];
}

static bool is_outside(const struct jit_unit *u)
{
    return *outside_slot(u->j, u->start) == u->start;
}

void jit_bases_forget(struct jit *j)
{
    memset(j->outside, 0xff, sizeof(j->outside)); /* no instruction's address */
}

void jit_base_is_outside(struct cpu *c)
{
    struct jit_region *r = jit_region_at(c->jit, c->jit_hot.outside);

    if (!r)
        return;
    *outside_slot(c->jit, r->start) = r->start;
    jit_drop_region(c, r);
}

/* Accesses off registers that the region writes are none of the candidates. False: the others are too few, wherever they reach. */
static bool find_candidates(const struct jit_unit *u, struct bounds *s)
{
    uint32_t most_weight[VAR_V0] = {0};
    bool any = false;

    memset(s->base, 0, sizeof(s->base));
    for (unsigned i = 0; i < u->nr_ir; i++)
        if ((ir_traits[u->ir[i].op] & IRT_D) && u->ir[i].d < VAR_V0)
            s->base[u->ir[i].d].written = true;
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const struct jit_block *b = &u->block[u->order[n]];
        for (unsigned i = b->ir_first; i < b->ir_end; i++) {
            const struct ir *r = &u->ir[i];
            if (is_access(r) && !s->base[r->a].written)
                any |= (most_weight[r->a] += weight(b)) >= MIN_WEIGHT;
        }
    }
    return any;
}

static bool may_have_bases(struct jit_unit *u, struct bounds *s)
{
    return u->ram_block.len && !(u->mode & MODE_ALIGN) && !is_outside(u) && find_candidates(u, s);
}

/* Elsewhere than in loops they are not worth the search. */
static bool loops_have_extensions(const struct jit_unit *u)
{
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const struct jit_block *b = &u->block[u->order[n]];
        for (unsigned i = b->ir_first; b->depth && i < b->ir_end; i++)
            if (u->ir[i].op == IR_ZX32)
                return true;
    }
    return false;
}

/* --- The stack pointer ------------------------------------------------------------------------------------------------ */

/* Where SP is a multiple of 16 at each entry and only multiples of 16 are added to it, it need not be checked again. */
static void align_sp(struct jit_unit *u)
{
    unsigned checks = 0, entries = 0;

    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const struct jit_block *b = &u->block[u->order[n]];
        entries += b->entry;
        for (unsigned i = b->ir_first; i < b->ir_end; i++) {
            const struct ir *r = &u->ir[i];
            if (r->op == IR_SPCHK)
                checks += weight(b);
            if ((ir_traits[r->op] & IRT_D) && r->d == VAR_SP &&
                !((r->op == IR_ADD || r->op == IR_SUB) && r->a == VAR_SP && r->b == VAR_IMM &&
                  !(r->imm & 15)))
                return;
        }
    }
    if (checks <= entries || is_outside(u))
        return;
    u->sp_aligned = true;
    for (unsigned i = 0; i < u->nr_ir; i++)
        if (u->ir[i].op == IR_SPCHK)
            u->ir[i].op = IR_NOP;
}

void jit_pass_bounds(struct jit_unit *u)
{
    static _Thread_local struct bounds s;

    align_sp(u);
    const bool extensions = loops_have_extensions(u), bases = may_have_bases(u, &s);

    if (extensions || bases)
        find_bounds(u, &s);
    if (extensions)
        narrow(u, &s);
    if (!bases)
        return;
    each_access(u, &s, false);
    choose(u, &s);
    if (u->nr_bases)
        each_access(u, &s, true);
}
