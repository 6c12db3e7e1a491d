/* What is known of general registers' values: that they are no more than something, unsigned: a number, or what a register has that nothing in the region writes.
 *
 * Followed through the whole region, from its entries, where nothing is known. No bound grows with the turns of a loop: what adds is only bounded by its width,
 * and by the comparison that the loop goes on by. Two things come of it.
 *
 * Narrow: a 32-bit index that is zero-extended already is used as it is.
 *
 * Bases: accesses off a register that nothing in the region writes. Where the region is entered, it is looked at once whether everything that they can reach lies
 * in the block of RAM that the region takes for granted (tlb_find_block()); they need no check of their own then, and cannot fault. What they can reach is known
 * where their index is bounded: by a mask, by the size of what it was loaded as, by a comparison. A region whose entry finds otherwise is made anew without this.
 * That SP is a multiple of 16 is looked at there, too. */
#include "cpu/jit/jit_internal.h"

#include <string.h>

#define UNBOUNDED UINT64_MAX
/* How far from a base accesses may reach, so that it is a displacement for the host. */
#define MAX_REACH (INT64_C(1) << 20)
/* Accesses, each as often as its loop is thought to run, that a look at the entry must save. */
#define MIN_WEIGHT 8u

/* A limit is a register that nothing in the region writes, as a bound: its lower 32 bits; VAR_V0 more: all of it. */
enum { NO_LIMIT = 2 * VAR_V0, NOT_COME_BY };

struct candidate {
    bool written;
    uint32_t weight;
    int64_t lo, hi;       /* bytes from the base that the accesses reach: [lo, hi) */
    uint8_t limit, scale; /* ... and if there is a limit, so much shifted further */
};

/* SUB that the flags come from at the moment. */
struct comparison {
    bool known;
    var_t a, b;
    unsigned sz;
    int64_t imm;
};

struct bounds {
    /* Where it is now. Of a temporary: once it is defined. */
    uint64_t most[JIT_MAX_VARS];
    uint8_t limit[JIT_MAX_VARS];
    struct comparison compared;
    /* At each block's start. */
    uint64_t most_in[JIT_MAX_BLOCKS][VAR_V0];
    uint8_t limit_in[JIT_MAX_BLOCKS][VAR_V0];
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

static unsigned limit(const struct bounds *s, var_t v)
{
    return v < JIT_MAX_VARS ? s->limit[v] : NO_LIMIT;
}

static void compare(struct bounds *s, const struct ir *r)
{
    struct comparison *c = &s->compared;
    const bool writes = (ir_traits[r->op] & IRT_D) && r->d < VAR_V0;

    if ((r->fl & IRF_SETF) || r->op == IR_INTERP)
        *c = (struct comparison){
            .known = r->op == IR_SUB && !r->scale, .a = r->a, .b = r->b, .sz = r->sz, .imm = r->imm};
    if (writes && (r->d == c->a || r->d == c->b))
        c->known = false;
}

static void step(struct bounds *s, const struct ir *r)
{
    compare(s, r);
    if (!(ir_traits[r->op] & IRT_D) || r->d >= JIT_MAX_VARS)
        return;
    s->most[r->d] = most_of_result(s, r);
    s->limit[r->d] =
        r->op == IR_ZX32 || (r->op == IR_MOV && r->sz == 3) ? (uint8_t)limit(s, r->a) : NO_LIMIT;
}

static void begin(struct bounds *s, uint16_t k)
{
    memcpy(s->most, s->most_in[k], sizeof(s->most_in[k]));
    memcpy(s->limit, s->limit_in[k], sizeof(s->limit_in[k]));
    s->compared.known = false;
}

/* What is known now holds at the start of block k, if it is come by this way. */
static bool flow_to(struct bounds *s, uint16_t k)
{
    bool changed = false;

    for (unsigned v = 0; v < VAR_V0; v++) {
        uint8_t *in = &s->limit_in[k][v];
        if (s->most[v] > s->most_in[k][v]) {
            s->most_in[k][v] = s->most[v];
            changed = true;
        }
        if (s->limit[v] != *in && s->limit[v] != NOT_COME_BY && *in != NO_LIMIT) {
            *in = *in == NOT_COME_BY ? s->limit[v] : NO_LIMIT;
            changed = true;
        }
    }
    return changed;
}

/* a is no more than b, or than imm. */
static void no_more_than(struct bounds *s, var_t a, var_t b, const struct comparison *c)
{
    const uint64_t all = c->sz == 3 ? UNBOUNDED : UINT32_MAX;

    if (a >= VAR_V0 || s->most[a] > all)
        return;
    s->most[a] = MIN(s->most[a], b == VAR_IMM ? (uint64_t)c->imm & all : MIN(most(s, b), all));
    if (b < VAR_V0 && !s->base[b].written)
        s->limit[a] = (uint8_t)(b + (c->sz == 3 ? VAR_V0 : 0));
}

/* On the way from block k where the comparison came to what condition cc says. */
static bool flow_if(struct bounds *s, uint16_t k, unsigned cc)
{
    const struct comparison *c = &s->compared;
    const var_t of[2] = {c->a, c->b};
    uint64_t most_before[2];
    uint8_t limit_before[2];

    for (unsigned i = 0; i < 2; i++)
        if (of[i] < VAR_V0) {
            most_before[i] = s->most[of[i]];
            limit_before[i] = s->limit[of[i]];
        }
    if (c->known && (cc == ARM_CC || cc == ARM_LS))
        no_more_than(s, c->a, c->b, c);
    else if (c->known && (cc == ARM_CS || cc == ARM_HI) && c->b != VAR_IMM)
        no_more_than(s, c->b, c->a, c);
    const bool changed = flow_to(s, k);
    for (unsigned i = 0; i < 2; i++)
        if (of[i] < VAR_V0) {
            s->most[of[i]] = most_before[i];
            s->limit[of[i]] = limit_before[i];
        }
    return changed;
}

static bool flow_on(const struct jit_unit *u, struct bounds *s, uint16_t k)
{
    const struct ir *end = &u->ir[u->block[k].ir_end - 1];
    uint16_t succ[JIT_MAX_BLOCKS];
    bool changed = false;

    if (end->op == IR_BR) {
        if (end->aux != IR_NO_BLOCK)
            changed |= flow_if(s, (uint16_t)end->aux, end->cc);
        if (end->aux2 != IR_NO_BLOCK)
            changed |= flow_if(s, (uint16_t)end->aux2, end->cc ^ 1u);
        return changed;
    }
    const unsigned nr = jit_successors(u, k, succ);
    for (unsigned t = 0; t < nr; t++)
        changed |= flow_to(s, succ[t]);
    return changed;
}

static void find_bounds(const struct jit_unit *u, struct bounds *s)
{
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const uint16_t k = u->order[n];
        memset(s->most_in[k], u->block[k].entry ? 0xff : 0, sizeof(s->most_in[k]));
        memset(s->limit_in[k], u->block[k].entry ? NO_LIMIT : NOT_COME_BY, sizeof(s->limit_in[k]));
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned n = 0; n < u->nr_blocks; n++) {
            const struct jit_block *b = &u->block[u->order[n]];
            begin(s, u->order[n]);
            for (unsigned i = b->ir_first; i < b->ir_end; i++)
                step(s, &u->ir[i]);
            changed |= flow_on(u, s, u->order[n]);
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

/* What an access off its base can reach: bytes [lo, hi), or, with a limit, up to the limit << scale more. */
struct reach {
    int64_t lo, hi;
    unsigned limit, scale;
};

/* False: too far, or nobody knows. */
static bool find_reach(const struct bounds *s, const struct ir *r, struct reach *x)
{
    const uint64_t index = r->b == VAR_NONE ? 0 : most(s, r->b);
    const unsigned len = r->op == IR_PROBE ? r->aux : 1u << r->sz;
    const bool near = index <= (uint64_t)MAX_REACH >> r->scale;

    *x = (struct reach){.lo = r->imm, .hi = r->imm + len, .limit = NO_LIMIT};
    if (r->imm < -MAX_REACH || r->imm > MAX_REACH)
        return false;
    if (near) {
        x->hi += (int64_t)(index << r->scale);
    } else {
        x->limit = limit(s, r->b);
        x->scale = r->scale;
    }
    return near || (x->limit < NO_LIMIT && x->scale <= 3);
}

static unsigned weight(const struct jit_block *b)
{
    return 1u << 3 * MIN(b->depth, 3u);
}

/* Whether a limit is one, so far as can be told now that the region is made. */
static bool is_small(const struct jit_unit *u, unsigned limit)
{
    const uint64_t val = u->c->st.x[jit_state_index(limit % VAR_V0)];

    return (limit < VAR_V0 ? (uint32_t)val : val) <= u->ram_block.len / 8;
}

/* The base's limit is that of the first access that needs one. */
static void count(const struct jit_unit *u, struct bounds *s, const struct jit_block *b,
                  const struct ir *r)
{
    struct candidate *c = &s->base[r->a];
    struct reach x;

    if (c->written || !find_reach(s, r, &x))
        return;
    if (x.limit < NO_LIMIT && c->limit == NO_LIMIT && is_small(u, x.limit)) {
        c->limit = (uint8_t)x.limit;
        c->scale = (uint8_t)x.scale;
    }
    if (x.limit < NO_LIMIT && (x.limit != c->limit || x.scale != c->scale))
        return;
    c->lo = c->weight ? MIN(c->lo, x.lo) : x.lo;
    c->hi = c->weight ? MAX(c->hi, x.hi) : x.hi;
    c->weight += weight(b);
}

static void without_check(const struct jit_unit *u, const struct bounds *s, struct ir *r)
{
    struct reach x;

    for (unsigned i = 0; i < u->nr_bases; i++)
        if (u->base[i].var == r->a && find_reach(s, r, &x) &&
            (x.limit >= NO_LIMIT || (x.limit == s->base[r->a].limit && x.scale == s->base[r->a].scale)))
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
                count(u, s, b, r);
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
            u->base[u->nr_bases++] =
                (struct jit_base){.var = (var_t)best,
                                  .lo = c->lo,
                                  .hi = c->hi,
                                  .limit = c->limit < NO_LIMIT ? c->limit % VAR_V0 : VAR_NONE,
                                  .limit_sz = c->limit < VAR_V0 ? 2 : 3,
                                  .scale = c->scale};
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

static void find_written(const struct jit_unit *u, struct bounds *s)
{
    for (unsigned v = 0; v < VAR_V0; v++)
        s->base[v] = (struct candidate){.limit = NO_LIMIT};
    for (unsigned i = 0; i < u->nr_ir; i++)
        if ((ir_traits[u->ir[i].op] & IRT_D) && u->ir[i].d < VAR_V0)
            s->base[u->ir[i].d].written = true;
}

/* Accesses off registers that the region writes are none of the candidates. False: the others are too few, wherever they reach. */
static bool any_candidates(const struct jit_unit *u, const struct bounds *s)
{
    uint32_t most_weight[VAR_V0] = {0};
    bool any = false;

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

static bool may_have_bases(const struct jit_unit *u, const struct bounds *s)
{
    return u->ram_block.len && !(u->mode & MODE_ALIGN) && !is_outside(u) && any_candidates(u, s);
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
    find_written(u, &s);
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
