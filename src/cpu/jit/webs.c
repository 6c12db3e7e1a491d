/* From guest registers to webs: the connected lives of each register, which are what gets a host register.
 *
 * A life begins where the register is written, or at an entry, where it comes from its home in struct pe_state, and joins with others
 * where control does. Two kinds of liveness: a value is *live* where it will be read on some way from there, and *held* where somebody
 * may still ask for it, as at every site and exit all registers may be. Held and not live is what most of a loop's temporaries are. */
#include "cpu/jit/jit_internal.h"

#include <stdlib.h>
#include <string.h>

static bool is_guest(var_t v)
{
    return v < VAR_NR_GUEST;
}

/* The guest registers that a flag state is made of. */
static uint64_t flag_mask(const struct flag_state *s)
{
    if (s->form != FS_STATIC && s->form != FS_SELECT)
        return 0;
    return (s->a_at == FP_VAR ? BIT64(s->a) : 0) | (s->b_at == FP_VAR ? BIT64(s->b) : 0);
}

/* What is read on the way to the next block, where the flags are kept otherwise. */
static uint64_t edge_mask(const struct jit_unit *u, uint16_t k)
{
    const uint16_t succ[2] = {u->block[k].taken, u->block[k].next};
    uint64_t m = 0;

    for (unsigned s = 0; s < 2; s++)
        if (succ[s] != JIT_MAX_BLOCKS && u->flags_in[succ[s]].form != FS_DEAD &&
            !(u->flags_in[succ[s]].form == FS_STATIC &&
              jit_same_flags(&u->flags_in[succ[s]], &u->flags_out[k])))
            m |= flag_mask(&u->flags_out[k]);
    return m;
}

/* Flags that have to be worked out count as reading what they are made of. */
static uint64_t flags_read(const struct jit_unit *u, uint16_t k, const struct ir *r)
{
    uint64_t m = ir_traits[r->op] & IRT_T ? edge_mask(u, k) : 0;

    if ((ir_traits[r->op] & IRT_F) && !(r->fl & IRF_NEAR))
        m |= flag_mask(&u->flag_state[r->flags]);
    return m;
}

static uint64_t read_mask(const struct jit_unit *u, uint16_t k, const struct ir *r)
{
    const uint16_t t = ir_traits[r->op];
    uint64_t m = flags_read(u, k, r);

    if ((t & (IRT_A | IRT_M)) && is_guest(r->a))
        m |= BIT64(r->a);
    if ((t & (IRT_B | IRT_M)) && is_guest(r->b))
        m |= BIT64(r->b);
    if ((t & IRT_C) && is_guest(r->c))
        m |= BIT64(r->c);
    if ((t & IRT_H) && is_guest(r->h))
        m |= BIT64(r->h);
    return m;
}

static uint64_t write_mask(const struct ir *r)
{
    return (ir_traits[r->op] & IRT_D) && is_guest(r->d) ? BIT64(r->d) : 0;
}

/* Whether all guest registers may be asked for at this operation. */
static bool asks(const struct jit_unit *u, const struct ir *r)
{
    return (ir_traits[r->op] & IRT_E) || jit_leaves(r) ||
           (r->op == IR_LABEL && jit_may_leave_before(u, &u->block[r->aux]));
}

static void out_masks(const struct jit_unit *u, uint16_t k, uint64_t *live, uint64_t *held)
{
    uint16_t succ[JIT_MAX_BLOCKS];
    const unsigned nr = jit_successors(u, k, succ);

    *live = *held = 0;
    for (unsigned s = 0; s < nr; s++) {
        *live |= u->live_in[succ[s]];
        *held |= u->held_in[succ[s]];
    }
}

static void back_over(const struct jit_unit *u, uint16_t k, const struct ir *r, uint64_t *live,
                      uint64_t *held)
{
    const uint64_t w = write_mask(r), rd = read_mask(u, k, r);

    *live = (*live & ~w) | rd;
    *held = (*held & ~w) | rd;
    if (asks(u, r))
        *held = u->vars;
}

static void find_liveness(struct jit_unit *u)
{
    u->vars = 0;
    for (unsigned n = 0; n < u->nr_blocks; n++)
        for (unsigned i = u->block[u->order[n]].ir_first; i < u->block[u->order[n]].ir_end; i++)
            u->vars |= read_mask(u, u->order[n], &u->ir[i]) | write_mask(&u->ir[i]);
    memset(u->live_in, 0, sizeof(u->live_in));
    memset(u->held_in, 0, sizeof(u->held_in));
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned n = u->nr_blocks; n-- > 0;) {
            const uint16_t k = u->order[n];
            uint64_t live, held;
            out_masks(u, k, &live, &held);
            for (unsigned i = u->block[k].ir_end; i-- > u->block[k].ir_first;)
                back_over(u, k, &u->ir[i], &live, &held);
            changed |= live != u->live_in[k] || held != u->held_in[k];
            u->live_in[k] = live;
            u->held_in[k] = held;
        }
    }
}

/* --- Webs: union-find over definitions and block starts ------------------------------------------------------------- */

#define MAX_LIVES (JIT_MAX_BLOCKS * VAR_NR_GUEST + JIT_MAX_IR)

struct lives {
    struct jit_unit *u;
    unsigned nr;
    uint16_t parent[MAX_LIVES];
    uint16_t web[MAX_LIVES]; /* of a root */
    uint16_t start[JIT_MAX_BLOCKS][VAR_NR_GUEST], end[JIT_MAX_BLOCKS][VAR_NR_GUEST];
    uint16_t temp[JIT_MAX_WEBS];
};

static uint16_t root(struct lives *l, uint16_t x)
{
    while (l->parent[x] != x)
        x = l->parent[x] = l->parent[l->parent[x]];
    return x;
}

static uint16_t new_life(struct lives *l)
{
    const uint16_t x = (uint16_t)l->nr++;
    l->parent[x] = x;
    l->web[x] = VAR_NONE;
    return x;
}

static var_t web_of(struct lives *l, uint16_t x, var_t var, bool vec)
{
    struct jit_unit *u = l->u;

    x = root(l, x);
    if (l->web[x] == VAR_NONE) {
        if (u->nr_webs == JIT_MAX_WEBS) {
            u->failed = true;
            return 0;
        }
        l->web[x] = (uint16_t)u->nr_webs;
        u->web[u->nr_webs++] =
            (struct jit_web){.var = var, .vec = vec, .hreg = X64_NONE, .hint = VAR_NONE};
    }
    return l->web[x];
}

/* Lives within a block; joins with what comes before are made by link(). */
static void find_lives(struct lives *l)
{
    struct jit_unit *u = l->u;

    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const uint16_t k = u->order[n];
        uint16_t now[VAR_NR_GUEST];
        for (unsigned v = 0; v < VAR_NR_GUEST; v++)
            now[v] = l->start[k][v] = u->vars >> v & 1 ? new_life(l) : 0;
        for (unsigned i = u->block[k].ir_first; i < u->block[k].ir_end; i++) {
            const uint64_t w = write_mask(&u->ir[i]);
            if (w)
                now[u->ir[i].d] = new_life(l);
        }
        memcpy(l->end[k], now, sizeof(now));
    }
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const uint16_t k = u->order[n];
        uint16_t succ[JIT_MAX_BLOCKS];
        const unsigned nr = jit_successors(u, k, succ);
        for (unsigned s = 0; s < nr; s++) {
            for (uint64_t m = u->held_in[succ[s]] & u->vars; m; m &= m - 1) {
                const unsigned v = (unsigned)__builtin_ctzll(m);
                const uint16_t x = root(l, l->end[k][v]), y = root(l, l->start[succ[s]][v]);
                if (x != y)
                    l->parent[x] = y;
            }
        }
    }
}

static uint32_t weight_of(const struct jit_block *b)
{
    return 1u << (3 * b->depth);
}

static void use(struct jit_unit *u, var_t *operand, const uint16_t *now, struct lives *l, uint32_t weight)
{
    const var_t v = *operand;

    if (v >= VAR_IMM)
        return;
    *operand = is_guest(v) ? web_of(l, now[v], v, v >= VAR_V0) : l->temp[v - VAR_TEMP];
    u->web[*operand].weight += weight;
    u->web[*operand].uses++;
}

/* Operands become webs. */
static void rename_webs(struct lives *l)
{
    struct jit_unit *u = l->u;

    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const uint16_t k = u->order[n];
        const struct jit_block *b = &u->block[k];
        const uint32_t weight = weight_of(b);
        uint16_t now[VAR_NR_GUEST], next = 0;
        for (unsigned v = 0; v < VAR_NR_GUEST; v++) {
            now[v] = l->start[k][v];
            u->block_web[k][v] = VAR_NONE;
            if ((u->held_in[k] & u->vars) >> v & 1) {
                u->block_web[k][v] = web_of(l, now[v], (var_t)v, v >= VAR_V0);
                u->web[u->block_web[k][v]].entry |= b->entry;
            }
        }
        /* Lives were numbered in this order. */
        if (u->vars)
            next = (uint16_t)(now[__builtin_ctzll(u->vars)] + __builtin_popcountll(u->vars));
        for (unsigned i = b->ir_first; i < b->ir_end && !u->failed; i++) {
            struct ir *r = &u->ir[i];
            const uint16_t t = ir_traits[r->op];
            if (t & (IRT_A | IRT_M))
                use(u, &r->a, now, l, weight);
            if (t & (IRT_B | IRT_M))
                use(u, &r->b, now, l, weight);
            if (t & IRT_C)
                use(u, &r->c, now, l, weight);
            if (t & IRT_H)
                use(u, &r->h, now, l, weight);
            if (!(t & IRT_D) || r->d >= VAR_IMM)
                continue;
            if (is_guest(r->d)) {
                const var_t v = r->d;
                now[v] = next++;
                r->d = web_of(l, now[v], v, v >= VAR_V0);
            } else {
                const uint16_t at = (uint16_t)(r->d - VAR_TEMP);
                r->d = l->temp[at] = web_of(l, new_life(l), VAR_TEMP, t & IRT_V);
                u->web[r->d].block = k;
            }
            struct jit_web *w = &u->web[r->d];
            w->defined |= r->op != IR_HOME;
            if (r->op != IR_HOME)
                w->def_weight += weight;
            w->weight += weight;
            /* A two-operand machine likes d and a in one register. */
            if ((t & IRT_A) && r->a < JIT_MAX_WEBS && u->web[r->a].vec == w->vec) {
                if (w->hint == VAR_NONE)
                    w->hint = r->a;
                if (u->web[r->a].hint == VAR_NONE)
                    u->web[r->a].hint = r->d;
            }
        }
    }
}

/* --- Where they live ------------------------------------------------------------------------------------------------ */

static void mark(uint64_t *sets, const struct jit_unit *u, var_t web, unsigned i)
{
    sets[(size_t)web * u->nr_words + i / 64] |= BIT64(i % 64);
}

static void find_places_in(struct jit_unit *u, uint16_t k)
{
    const struct jit_block *b = &u->block[k];
    var_t now[VAR_NR_GUEST];
    uint64_t live, held;
    var_t temps[64];
    unsigned nr_temps = 0;

    /* Forward for the web of each register at the end, then backward with what it was before. */
    memcpy(now, u->block_web[k], sizeof(now));
    for (unsigned i = b->ir_first; i < b->ir_end; i++) {
        const struct ir *r = &u->ir[i];
        if ((ir_traits[r->op] & IRT_D) && r->d < JIT_MAX_WEBS && u->web[r->d].var != VAR_TEMP) {
            const var_t v = u->web[r->d].var;
            u->before[i] = now[v];
            now[v] = r->d;
        }
    }
    out_masks(u, k, &live, &held);
    for (unsigned i = b->ir_end; i-- > b->ir_first;) {
        const struct ir *r = &u->ir[i];
        const uint16_t t = ir_traits[r->op];
        for (uint64_t m = held; m; m &= m - 1) {
            const unsigned v = (unsigned)__builtin_ctzll(m);
            mark(u->held, u, now[v], i);
            if (live >> v & 1)
                mark(u->live, u, now[v], i);
        }
        for (unsigned n = 0; n < nr_temps; n++)
            mark(u->live, u, temps[n], i);
        /* What is written and never read needs a place all the same. */
        if ((t & IRT_D) && r->d < JIT_MAX_WEBS)
            mark(u->live, u, r->d, i);

        uint64_t rd = flags_read(u, k, r), w = 0;
        const var_t operand[4] = {t & (IRT_A | IRT_M) ? r->a : VAR_NONE,
                                  t & (IRT_B | IRT_M) ? r->b : VAR_NONE,
                                  t & IRT_C ? r->c : VAR_NONE, t & IRT_H ? r->h : VAR_NONE};
        if ((t & IRT_D) && r->d < JIT_MAX_WEBS) {
            const var_t v = u->web[r->d].var;
            if (v == VAR_TEMP) {
                for (unsigned n = 0; n < nr_temps; n++)
                    if (temps[n] == r->d)
                        temps[n--] = temps[--nr_temps];
            } else {
                w = BIT64(v);
                now[v] = u->before[i];
            }
        }
        for (unsigned o = 0; o < 4; o++) {
            if (operand[o] >= JIT_MAX_WEBS)
                continue;
            const var_t v = u->web[operand[o]].var;
            if (v != VAR_TEMP) {
                rd |= BIT64(v);
                continue;
            }
            bool have = false;
            for (unsigned n = 0; n < nr_temps; n++)
                have |= temps[n] == operand[o];
            if (!have && nr_temps == ARRAY_LEN(temps))
                u->failed = true;
            else if (!have)
                temps[nr_temps++] = operand[o];
        }
        live = (live & ~w) | rd;
        held = (held & ~w) | rd;
        if (asks(u, r))
            held = u->vars;
    }
}

/* From which byte on the result of a vector operation is zero. */
static unsigned zero_above(const struct jit_unit *u, const struct ir *r)
{
    switch (r->op) {
    case IR_VLD:
    case IR_VLDK: return r->sz == 4 ? 16 : r->sz == 3 ? 8 : 4;
    case IR_VMOVI: return r->q || r->sz == 4 ? 16 : (uint64_t)r->imm >> 32 ? 8 : 4;
    case IR_VMOV:
        return MIN(r->a < JIT_MAX_WEBS ? u->web[r->a].zero_above : 4u, r->q ? 16u : 1u << r->sz);
    case IR_VPUT: return r->a == VAR_ZERO && !r->imm && r->sz >= 2 ? 1u << r->sz : 16;
    case IR_VSEL:
    case IR_ITOF: return 1u << r->sz;
    case IR_V1:
        if (r->aux == VEC_FABS_SCALAR || r->aux == VEC_FNEG_SCALAR)
            return 1u << r->sz;
        if (r->aux == VEC_LOWEST)
            return r->sz == 3 ? 8 : 4;
        return r->q ? 16 : 8;
    case IR_F1:
        if (r->aux == VEC_FCVT_SCALAR)
            return r->sz == 3 ? 4 : 8;
        if (r->aux == VEC_FCVTN)
            return 8;
        /* fallthrough */
    case IR_F2:
    case IR_F3: return vector_is_scalar(r->aux) ? 1u << r->sz : r->q ? 16 : 8;
    case IR_V2:
    case IR_V3: return r->q ? 16 : 8;
    default: return 16;
    }
}

/* The largest of all definitions'; what comes from outside may be anything. */
static void find_zeros(struct jit_unit *u)
{
    for (unsigned i = 0; i < u->nr_webs; i++)
        u->web[i].zero_above = u->web[i].entry ? 16 : 4;
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned i = 0; i < u->nr_ir; i++) {
            const struct ir *r = &u->ir[i];
            if (!(ir_traits[r->op] & IRT_D) || r->d >= JIT_MAX_WEBS || !u->web[r->d].vec)
                continue;
            const unsigned z = zero_above(u, r);
            if (z > u->web[r->d].zero_above) {
                u->web[r->d].zero_above = (uint8_t)z;
                changed = true;
            }
        }
    }
}

void jit_find_webs(struct jit_unit *u)
{
    struct lives *l = malloc(sizeof(*l));

    if (!l) {
        u->failed = true;
        return;
    }
    l->u = u;
    l->nr = 0;
    u->nr_webs = 0;
    find_liveness(u);
    find_lives(l);
    if (l->nr + u->nr_temps > MAX_LIVES)
        u->failed = true;
    else
        rename_webs(l);
    free(l);
    if (u->failed)
        return;
    find_zeros(u);

    u->nr_words = (u->nr_ir + 63) / 64;
    const size_t words = (size_t)u->nr_webs * u->nr_words;
    if (u->sets_len < words) {
        free(u->live);
        free(u->held);
        u->live = malloc(words * sizeof(uint64_t));
        u->held = malloc(words * sizeof(uint64_t));
        u->failed = !u->live || !u->held;
        u->sets_len = u->failed ? 0 : words;
        if (u->failed)
            return;
    }
    if (words) {
        memset(u->live, 0, words * sizeof(uint64_t));
        memset(u->held, 0, words * sizeof(uint64_t));
    }
    for (unsigned n = 0; n < u->nr_blocks; n++)
        find_places_in(u, u->order[n]);
}
