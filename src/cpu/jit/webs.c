/* From guest registers to webs: the connected lives of each register, which are what gets a host register.
 *
 * A life begins where the register is written, or at an entry, where it comes from its home in struct pe_state, and joins with others
 * where control does. Two kinds of liveness: a value is *live* where it will be read on some way from there, and *held* where somebody
 * may still ask for it, as at every site and exit all registers may be. Held and not live is what most of a loop's temporaries are. */
#include "cpu/jit/jit_internal.h"

#include <stdlib.h>
#include <string.h>

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
    return jit_guest_reads(r) | flags_read(u, k, r);
}

/* Whether all guest registers may be asked for at this operation. */
static bool asks(const struct jit_unit *u, const struct ir *r)
{
    return (ir_traits[r->op] & IRT_E) || jit_leaves(r) ||
           (r->op == IR_LABEL && jit_may_leave_before(u, &u->block[r->aux]));
}

#define MAX_LIVES (JIT_MAX_BLOCKS * VAR_NR_GUEST + JIT_MAX_IR)

/* Work space. What nr_ir or nr says is not there is not cleared. */
struct lives {
    struct jit_unit *u;
    unsigned nr;
    /* Guest registers: of each operation, and going back over a block. */
    uint64_t reads[JIT_MAX_IR], writes[JIT_MAX_IR];
    bool asks[JIT_MAX_IR];
    struct {
        uint64_t live, held;       /* at its start in any case */
        uint64_t written, settled; /* what is live, held at its end is not at its start */
    } block[JIT_MAX_BLOCKS];
    uint16_t parent[MAX_LIVES];
    uint16_t web[MAX_LIVES]; /* of a root */
    uint16_t start[JIT_MAX_BLOCKS][VAR_NR_GUEST], end[JIT_MAX_BLOCKS][VAR_NR_GUEST];
    uint16_t temp[JIT_MAX_WEBS];
    uint8_t zeros[JIT_MAX_WEBS]; /* by web, going through a block */
};

static void out_masks(const struct jit_unit *u, uint16_t k, uint64_t *live, uint64_t *held)
{
    const struct jit_block *b = &u->block[k];
    const uint16_t ways[2] = {b->taken, b->next};
    const uint16_t *succ = b->returns ? u->returned : ways;
    const unsigned nr = b->returns ? u->nr_returned : 2;

    *live = *held = 0;
    for (unsigned s = 0; s < nr; s++)
        if (succ[s] != JIT_MAX_BLOCKS) {
            *live |= u->live_in[succ[s]];
            *held |= u->held_in[succ[s]];
        }
}

/* What the operations of a block do, each and all together. */
static void find_masks(struct lives *l, uint16_t k)
{
    struct jit_unit *u = l->u;
    uint64_t live = 0, held = 0, written = 0, settled = 0;

    for (unsigned i = u->block[k].ir_end; i-- > u->block[k].ir_first;) {
        const uint64_t w = jit_guest_writes(&u->ir[i]), rd = read_mask(u, k, &u->ir[i]);
        l->reads[i] = rd;
        l->writes[i] = w;
        l->asks[i] = asks(u, &u->ir[i]);
        u->vars |= rd | w;
        live = (live & ~w) | rd;
        held = l->asks[i] ? UINT64_MAX : (held & ~w) | rd;
        written |= w;
        settled |= l->asks[i] ? UINT64_MAX : w;
    }
    l->block[k].live = live;
    l->block[k].held = held;
    l->block[k].written = written;
    l->block[k].settled = settled;
}

static void find_liveness(struct lives *l)
{
    struct jit_unit *u = l->u;

    u->vars = 0;
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const uint16_t k = u->order[n];
        find_masks(l, k);
        u->live_in[k] = u->held_in[k] = 0;
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned n = u->nr_blocks; n-- > 0;) {
            const uint16_t k = u->order[n];
            uint64_t live, held;
            out_masks(u, k, &live, &held);
            live = l->block[k].live | (live & ~l->block[k].written);
            held = (l->block[k].held | (held & ~l->block[k].settled)) & u->vars;
            changed |= live != u->live_in[k] || held != u->held_in[k];
            u->live_in[k] = live;
            u->held_in[k] = held;
        }
    }
}

/* --- Webs: union-find over definitions and block starts ------------------------------------------------------------- */

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
        for (uint64_t m = u->vars; m; m &= m - 1)
            l->start[k][__builtin_ctzll(m)] = new_life(l);
        memcpy(l->end[k], l->start[k], sizeof(l->end[k]));
        for (unsigned i = u->block[k].ir_first; i < u->block[k].ir_end; i++)
            if (l->writes[i])
                l->end[k][u->ir[i].d] = new_life(l);
    }
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const uint16_t k = u->order[n];
        uint16_t succ[JIT_MAX_BLOCKS];
        const unsigned nr = jit_successors(u, k, succ);
        for (unsigned s = 0; s < nr; s++) {
            for (uint64_t m = u->held_in[succ[s]]; m; m &= m - 1) {
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
    *operand = jit_is_guest(v) ? web_of(l, now[v], v, v >= VAR_V0) : l->temp[v - VAR_TEMP];
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
        memcpy(now, l->start[k], sizeof(now));
        memset(u->block_web[k], 0xff, sizeof(u->block_web[k])); /* VAR_NONE */
        for (uint64_t m = u->held_in[k]; m; m &= m - 1) {
            const unsigned v = (unsigned)__builtin_ctzll(m);
            u->block_web[k][v] = web_of(l, now[v], (var_t)v, v >= VAR_V0);
            u->web[u->block_web[k][v]].entry |= b->entry;
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
            if (jit_is_guest(r->d)) {
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

static void mark(const struct jit_unit *u, uint64_t *sets, var_t web, unsigned first, unsigned last)
{
    uint64_t *w = &sets[(size_t)web * u->nr_words];
    const unsigned from = first / 64, to = last / 64;
    const uint64_t head = UINT64_MAX << first % 64, tail = UINT64_MAX >> (63 - last % 64);

    if (from == to) {
        w[from] |= head & tail;
        return;
    }
    w[from] |= head;
    for (unsigned i = from + 1; i < to; i++)
        w[i] = UINT64_MAX;
    w[to] |= tail;
}

static void mark_live(struct jit_unit *u, var_t web, unsigned first, unsigned last)
{
    mark(u, u->live, web, first, last);
    u->web[web].places = (uint16_t)(u->web[web].places + last - first + 1);
}

/* A temporary is live up to before its last use, which is the first to come. */
static void note_last_use(struct jit_unit *u, var_t web, unsigned i)
{
    if (web < JIT_MAX_WEBS && u->web[web].var == VAR_TEMP && !u->web[web].last)
        u->web[web].last = (uint16_t)(i - 1);
}

static void start_runs(uint16_t *from, uint64_t vars, unsigned behind)
{
    for (; vars; vars &= vars - 1)
        from[__builtin_ctzll(vars)] = (uint16_t)behind;
}

/* Going back, a register begins to be live, or held, where it is read, or asked for, and ends to be where it is written. */
static void find_places_in(struct lives *l, uint16_t k)
{
    struct jit_unit *u = l->u;
    const struct jit_block *b = &u->block[k];
    const unsigned first = b->ir_first;
    var_t now[VAR_NR_GUEST];
    uint16_t live_to[VAR_NR_GUEST], held_to[VAR_NR_GUEST]; /* the last operation behind which it is */
    uint64_t live, held;

    /* Forward for the web of each register at the end, then backward with what it was before. */
    memcpy(now, u->block_web[k], sizeof(now));
    for (unsigned i = first; i < b->ir_end; i++)
        if (l->writes[i]) {
            const unsigned v = (unsigned)__builtin_ctzll(l->writes[i]);
            u->before[i] = now[v];
            now[v] = u->ir[i].d;
        }
    out_masks(u, k, &live, &held);
    start_runs(live_to, live, b->ir_end - 1u);
    start_runs(held_to, held, b->ir_end - 1u);
    for (unsigned i = b->ir_end; i-- > first;) {
        const struct ir *r = &u->ir[i];
        const uint16_t t = ir_traits[r->op];
        const uint64_t w = l->writes[i], rd = l->reads[i], asked = l->asks[i] ? u->vars : rd;
        if (w) {
            const unsigned v = (unsigned)__builtin_ctzll(w);
            if (held & w)
                mark(u, u->held, now[v], i, held_to[v]);
            /* What is written and never read needs a place all the same. */
            mark_live(u, now[v], i, live & w ? live_to[v] : i);
            now[v] = u->before[i];
            live &= ~w;
            held &= ~w;
        } else if ((t & IRT_D) && r->d < JIT_MAX_WEBS) {
            mark_live(u, r->d, i, MAX(i, u->web[r->d].last));
        }
        if (t & (IRT_A | IRT_M))
            note_last_use(u, r->a, i);
        if (t & (IRT_B | IRT_M))
            note_last_use(u, r->b, i);
        if (t & IRT_C)
            note_last_use(u, r->c, i);
        if (t & IRT_H)
            note_last_use(u, r->h, i);
        if (i > first) {
            start_runs(live_to, rd & ~live, i - 1);
            start_runs(held_to, asked & ~held, i - 1);
            live |= rd;
            held |= asked;
        }
    }
    for (uint64_t m = held; m; m &= m - 1) {
        const unsigned v = (unsigned)__builtin_ctzll(m);
        mark(u, u->held, now[v], first, held_to[v]);
        if (live >> v & 1)
            mark_live(u, now[v], first, live_to[v]);
    }
}

unsigned jit_zero_above(const struct ir *r, const uint8_t *known)
{
    switch (r->op) {
    case IR_VLD:
    case IR_VLDRAM:
    case IR_VLDK: return r->sz == 4 ? 16 : r->sz == 3 ? 8 : 4;
    case IR_VMOVI: return r->q || r->sz == 4 ? 16 : (uint64_t)r->imm >> 32 ? 8 : 4;
    case IR_VMOV: return MIN(r->a < JIT_MAX_WEBS ? known[r->a] : 4u, r->q ? 16u : 1u << r->sz);
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

/* What is zero of the vectors at the start of each block: the least of what those before it leave; what comes from outside may be anything. */
static void find_zeros(struct lives *l)
{
    struct jit_unit *u = l->u;
    bool changed = false;

    for (unsigned i = 0; i < u->nr_webs; i++)
        changed |= u->web[i].vec;
    for (unsigned n = 0; n < u->nr_blocks; n++)
        memset(u->zero_in[u->order[n]], u->block[u->order[n]].entry ? 16 : 4, sizeof(u->zero_in[0]));
    while (changed) {
        changed = false;
        for (unsigned n = 0; n < u->nr_blocks; n++) {
            const uint16_t k = u->order[n];
            uint16_t succ[JIT_MAX_BLOCKS];
            jit_zeros_at(u, k, l->zeros);
            for (unsigned i = u->block[k].ir_first; i < u->block[k].ir_end; i++)
                jit_zeros_behind(u, &u->ir[i], l->zeros);
            const unsigned nr = jit_successors(u, k, succ);
            for (unsigned s = 0; s < nr; s++)
                for (unsigned v = VAR_V0; v < VAR_NR_GUEST; v++) {
                    const var_t web = u->block_web[succ[s]][v];
                    uint8_t *in = &u->zero_in[succ[s]][v - VAR_V0];
                    if (web < JIT_MAX_WEBS && l->zeros[web] > *in) {
                        *in = l->zeros[web];
                        changed = true;
                    }
                }
        }
    }
}

void jit_find_webs(struct jit_unit *u)
{
    if (!u->lives && !(u->lives = malloc(sizeof(*u->lives)))) {
        u->failed = true;
        return;
    }
    struct lives *l = u->lives;
    l->u = u;
    l->nr = 0;
    u->nr_webs = 0;
    find_liveness(l);
    find_lives(l);
    if (l->nr + u->nr_temps > MAX_LIVES)
        u->failed = true;
    else
        rename_webs(l);
    if (u->failed)
        return;
    find_zeros(l);

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
        find_places_in(l, u->order[n]);
}
