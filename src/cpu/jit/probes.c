/* The probes pass: one check of the TLB for several accesses off the same base.
 *
 * Within a block, accesses whose addresses differ by constants form groups; the first one's place gets a probe of everything from the lowest
 * to the highest byte, for a store if there is one, and the accesses need no more than the host address that it found. Where the probe
 * fails (the group lies across two pages, or on a device) the interpreter takes over there; where that happens often, as in a frame that
 * lies across two pages, the group is given up. */
#include "cpu/jit/jit_internal.h"

#include <string.h>

#define MAX_SPAN 128
#define MAX_GROUPS 128u

/* A register's value as something unknown plus a constant. */
struct value {
    uint32_t root;
    int64_t offset;
};

struct group {
    uint32_t root, index; /* of the base, and of the index, shifted by scale; 0: none */
    uint8_t scale;
    int64_t lo, hi, first_lo; /* bytes, from the root; the first access */
    uint16_t first;           /* operation */
    uint16_t last_gi, nr_insns;
    uint8_t sz; /* of the largest */
    bool write;
    bool crosses; /* too often: its accesses are on their own */
    var_t h;
};

struct state {
    struct jit_unit *u;
    struct value value[JIT_MAX_VARS];
    uint32_t next_root;
    unsigned nr_groups, first_open; /* those of the blocks before are closed */
    struct group group[MAX_GROUPS];
    uint8_t group_of[JIT_MAX_IR]; /* number + 1 */
    int64_t offset[JIT_MAX_IR];   /* of those in groups, from their roots */
};

static void follow(struct state *s, const struct ir *r)
{
    if (!(ir_traits[r->op] & IRT_D) || r->d >= JIT_MAX_VARS)
        return;
    struct value v = {.root = ++s->next_root};
    if (r->sz == 3 && r->a < JIT_MAX_VARS &&
        (r->op == IR_MOV || ((r->op == IR_ADD || r->op == IR_SUB) && r->b == VAR_IMM))) {
        v = s->value[r->a];
        v.offset += r->op == IR_ADD ? r->imm : r->op == IR_SUB ? -r->imm : 0;
    }
    s->value[r->d] = v;
}

/* Whether the access that with is a group of belongs to g. */
static bool joins(const struct group *g, const struct group *with, bool ordered)
{
    if (g->root != with->root || g->index != with->index || g->scale != with->scale ||
        MAX(g->hi, with->hi) - MIN(g->lo, with->lo) > MAX_SPAN)
        return false;
    /* Where alignment is asked for, the lowest byte's must tell that of all. */
    return !ordered || (g->sz == with->sz && !((with->lo - g->lo) & ((1 << with->sz) - 1)));
}

static gva_t *crossing_slot(struct jit *j, gva_t pc)
{
    return &j->crossing[pc >> 2 & (JIT_NR_CROSSING - 1)];
}

static bool crosses_often(struct jit *j, gva_t pc)
{
    return *crossing_slot(j, pc) == pc;
}

bool jit_probe_gives_up(struct jit *j, struct jit_site *s, gva_t va)
{
    if (!s->group || !((va ^ (va + s->len - 1)) >> TLB_PAGE_SHIFT) || ++s->nr_traps < JIT_MAX_CROSSINGS)
        return false;
    *crossing_slot(j, s->pc) = s->pc;
    return true;
}

void jit_probe_forget(struct jit *j)
{
    memset(j->crossing, 0xff, sizeof(j->crossing)); /* no instruction's address */
}

/* Bytes from the roots of the operation's base and index on. */
static int64_t offset_of(const struct state *s, const struct ir *r)
{
    const uint64_t index = r->b == VAR_NONE ? 0 : (uint64_t)s->value[r->b].offset << r->scale;

    return (int64_t)((uint64_t)s->value[r->a].offset + index + (uint64_t)r->imm);
}

static void add(struct state *s, unsigned i, const struct ir *r, unsigned len, bool write)
{
    const int64_t lo = offset_of(s, r), hi = lo + len;
    const bool ordered = s->u->mode & MODE_ALIGN;
    const struct group alone = {.root = s->value[r->a].root,
                                .index = r->b == VAR_NONE ? 0 : s->value[r->b].root,
                                .scale = r->b == VAR_NONE ? 0 : r->scale,
                                .lo = lo,
                                .hi = hi,
                                .first_lo = lo,
                                .first = (uint16_t)i,
                                .last_gi = r->gi,
                                .nr_insns = 1,
                                .sz = r->sz,
                                .crosses = crosses_often(s->u->j, s->u->insn[r->gi].va)};
    struct group *g = NULL;

    for (unsigned n = s->nr_groups; n-- > s->first_open && !g;)
        if (joins(&s->group[n], &alone, ordered))
            g = &s->group[n];
    if (!g) {
        if (s->nr_groups == MAX_GROUPS)
            return;
        g = &s->group[s->nr_groups++];
        *g = alone;
    } else if (g->last_gi != r->gi) {
        g->nr_insns++;
        g->last_gi = r->gi;
    }
    g->lo = MIN(g->lo, lo);
    g->hi = MAX(g->hi, hi);
    g->sz = MAX(g->sz, r->sz);
    g->write |= write;
    s->group_of[i] = (uint8_t)(g - s->group + 1);
    s->offset[i] = lo;
}

static void find_groups(struct state *s, const struct jit_block *b)
{
    for (unsigned v = 0; v < VAR_TEMP; v++)
        s->value[v] = (struct value){.root = ++s->next_root};
    for (unsigned i = b->ir_first; i < b->ir_end; i++) {
        const struct ir *r = &s->u->ir[i];
        if (r->op == IR_NOP)
            continue;
        const bool plain = (ir_traits[r->op] & IRT_M) && r->a < JIT_MAX_VARS &&
                           (r->b == VAR_NONE || r->b < JIT_MAX_VARS) &&
                           !(r->fl & (IRF_ALIGNED | IRF_USER));
        if (plain && r->op == IR_PROBE)
            add(s, i, r, r->aux, r->ext);
        else if (plain && (r->op == IR_LD || r->op == IR_ST || r->op == IR_VLD || r->op == IR_VST))
            add(s, i, r, 1u << r->sz, r->op == IR_ST || r->op == IR_VST);
        else if (r->op == IR_INTERP || (r->op == IR_STC && r->imm == CPU_AT(tlb_ctx)))
            s->first_open = s->nr_groups;
        follow(s, r);
    }
    s->first_open = s->nr_groups;
}

/* A check for itself alone is what an access has as it is. */
static bool is_worthwhile(const struct group *g)
{
    return g->nr_insns >= 2 && !g->crosses;
}

void jit_pass_probes(struct jit_unit *u)
{
    static _Thread_local struct state space;
    struct state *s = &space;
    unsigned nr = 0;

    s->u = u;
    s->nr_groups = s->first_open = s->next_root = 0;
    memset(s->group_of, 0, u->nr_ir);
    for (unsigned n = 0; n < u->nr_blocks; n++)
        find_groups(s, &u->block[u->order[n]]);
    bool any = false;
    for (unsigned n = 0; n < s->nr_groups; n++)
        any |= is_worthwhile(&s->group[n]);
    if (!any)
        return;

    for (unsigned n = 0; n < u->nr_blocks; n++) {
        struct jit_block *b = &u->block[u->order[n]];
        /* A pair's own probe, the group's that stands for it, and how far the pair is into the group. */
        var_t renamed[2] = {VAR_NONE, VAR_NONE};
        int64_t moved = 0;
        const unsigned first = nr;
        for (unsigned i = b->ir_first; i < b->ir_end; i++) {
            struct ir r = u->ir[i];
            struct group *g = s->group_of[i] ? &s->group[s->group_of[i] - 1] : NULL;
            if (g && !is_worthwhile(g))
                g = NULL;
            if (nr + 2 >= JIT_MAX_IR || u->nr_temps + 2 >= JIT_MAX_WEBS) {
                u->failed = true;
                return;
            }
            if (g && g->first == i) {
                struct ir p = r;
                p.op = IR_PROBE;
                p.d = g->h = (var_t)(VAR_TEMP + u->nr_temps++);
                p.c = VAR_NONE;
                p.h = VAR_NONE;
                p.sz = g->sz;
                p.cc = 1;
                p.ext = g->write;
                p.aux = (uint32_t)(g->hi - g->lo);
                /* The base is what it was when the group was found: the offset of the first from the lowest. */
                p.imm = r.imm - (g->first_lo - g->lo);
                u->spare[nr++] = p;
            }
            if (g && r.op == IR_PROBE) {
                renamed[0] = r.d;
                renamed[1] = g->h;
                moved = s->offset[i] - g->lo;
                continue;
            }
            if (g) {
                r.op = r.op == IR_LD    ? IR_LDK
                       : r.op == IR_ST  ? IR_STK
                       : r.op == IR_VLD ? IR_VLDK
                                        : IR_VSTK;
                r.h = g->h;
                r.imm = s->offset[i] - g->lo;
                r.a = r.b = VAR_NONE;
            } else if ((ir_traits[r.op] & IRT_H) && r.h == renamed[0] && renamed[0] != VAR_NONE) {
                r.h = renamed[1];
                r.imm += moved;
            }
            if (r.op != IR_NOP)
                u->spare[nr++] = r;
        }
        b->ir_first = (uint16_t)first;
        b->ir_end = (uint16_t)nr;
    }
    jit_take_spare(u, nr);
}
