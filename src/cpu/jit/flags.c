/* The flags pass: where NZCV is while guest code runs.
 *
 * Most instructions that set the flags have one reader right behind them, and the host's flags serve it. What remains: readers that are
 * further away, and that at every site the flags could be asked for. Nothing is stored for that as long as the operands of the instruction
 * that set them can still be had: this pass says, for each place, what the flags can be worked out of (a flag state), and saves an
 * operand only where it is about to be overwritten while somebody may still ask.
 *
 * 1. A reader is *near* if nothing between it and the instruction that sets the flags changes the host's.
 * 2. Backward: where does anybody ask who is not near? Flags that nobody asks for are not set.
 * 3. Forward: the flag state at each place; at a join, by what comes in. The emitter makes the stores on the edges. What sets flags that nobody near reads
 *    does not set the host's.
 *
 * A region begins and ends with FS_DYNAMIC. */
#include "cpu/jit/jit_internal.h"

#include <string.h>

/* The emitter does these without changing the host's flags (with IRF_KEEP, in the case of ADD and SUB). */
static bool keeps_host_flags(const struct ir *r)
{
    switch (r->op) {
    case IR_MOV:
    case IR_MOVI:
    case IR_ZX8:
    case IR_ZX16:
    case IR_ZX32:
    case IR_SX8:
    case IR_SX16:
    case IR_SX32:
    case IR_NOT:
    case IR_SEL:
    case IR_SELINC:
    case IR_SELINV:
    case IR_SELNEG:
    case IR_VSEL:
    case IR_VMOV:
    case IR_LDC:
    case IR_STC:
    case IR_LDK:
    case IR_STK:
    case IR_VLDK:
    case IR_VSTK:
    case IR_NOP: return true;
    case IR_LDRAM:
    case IR_STRAM:
    case IR_VLDRAM:
    case IR_VSTRAM:
    case IR_HOSTRAM: return r->scale <= 3; /* else it is shifted */
    case IR_ADD: return r->b != VAR_IMM || r->imm == (int32_t)r->imm;
    case IR_SUB: return r->b == VAR_IMM && -r->imm == (int32_t)-r->imm;
    default: return false;
    }
}

struct flow {
    bool asked[JIT_MAX_BLOCKS], read[JIT_MAX_BLOCKS]; /* at the block's start: by anybody; by a reader */
    bool known[JIT_MAX_BLOCKS];
    bool temp_read[JIT_MAX_VARS - VAR_TEMP];
    /* Not cleared for a region. */
    struct flag_state in[JIT_MAX_BLOCKS], out[JIT_MAX_BLOCKS];
};

static bool is_conditional(const struct ir *r)
{
    return r->op == IR_BR || r->op == IR_BZ || r->op == IR_BNZ || r->op == IR_TBZ || r->op == IR_TBNZ;
}

bool jit_leaves(const struct ir *r)
{
    return is_conditional(r) && (r->aux == IR_NO_BLOCK || r->aux2 == IR_NO_BLOCK);
}

/* 1. Marks the near ones, their setter, and what stands between. */
static void find_near(struct jit_unit *u, const struct jit_block *b)
{
    unsigned setter = 0; /* 0: the host's flags are not the guest's */

    for (unsigned i = b->ir_first; i < b->ir_end; i++) {
        struct ir *r = &u->ir[i];
        if (setter && (ir_traits[r->op] & IRT_F)) {
            r->fl |= IRF_NEAR;
            u->ir[setter].fl |= IRF_HOST;
            for (unsigned k = setter + 1; k < i; k++)
                u->ir[k].fl |= IRF_KEEP;
        }
        if (r->fl & IRF_SETF)
            setter = i;
        else if (!keeps_host_flags(r))
            setter = 0;
    }
}

/* The block that a conditional compare's branch goes to when its condition does not hold, and the flags are its constant; there and elsewhere it may come by
 * the comparison, too. */
static uint32_t uncompared_way(const struct ir *compare, const struct ir *branch)
{
    return jit_condition_holds(branch->cc, compare->aux) ? branch->aux : branch->aux2;
}

/* What the flags are made of stays where it is. Where it has to be saved, that would be ahead of the branch, which still reads the flags before. */
static bool saves_nothing(const struct ir *compare)
{
    return compare->a < VAR_NR_GUEST && (compare->b == VAR_IMM || compare->b < VAR_NR_GUEST);
}

static void fuse(struct jit_unit *u, const struct flow *f)
{
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const unsigned end = u->block[u->order[n]].ir_end;
        struct ir *compare = &u->ir[end - 2], *branch = &u->ir[end - 1];
        if (end - u->block[u->order[n]].ir_first < 3 || branch->op != IR_BR ||
            !(branch->fl & IRF_NEAR) || !(compare->op == IR_CCMP || compare->op == IR_CCMN) ||
            !(compare->fl & IRF_SETF) || !saves_nothing(compare))
            continue;
        const uint32_t way = uncompared_way(compare, branch);
        if (way != IR_NO_BLOCK && !f->asked[way]) {
            compare->fl |= IRF_FUSED;
            branch->fl |= IRF_FUSED;
        }
    }
}

/* Who asks at an operation, and whether those behind it ask for what it makes. */
enum asking { ASKS = 1, READS = 2, SETS = 4 };

static unsigned asking_of(const struct jit_unit *u, const struct ir *r)
{
    const uint16_t t = ir_traits[r->op];
    unsigned a = (r->fl & IRF_SETF) || r->op == IR_INTERP ? SETS : 0;

    if ((t & IRT_F) && !(r->fl & IRF_NEAR))
        a |= ASKS | READS;
    /* An exit right behind the setter works the flags out of the host's. */
    if ((t & IRT_E) || (jit_leaves(r) && !(r->fl & IRF_NEAR)))
        a |= ASKS;
    if (r->op == IR_LABEL && jit_may_leave_before(u, &u->block[r->aux]))
        a |= ASKS;
    return a;
}

static void asked_at_end(const struct jit_unit *u, const struct flow *f, uint16_t k, bool *asked,
                         bool *reader)
{
    const uint16_t succ[2] = {u->block[k].taken, u->block[k].next};

    *asked = *reader = false;
    for (unsigned s = 0; s < 2; s++)
        if (succ[s] != JIT_MAX_BLOCKS) {
            *asked |= f->asked[succ[s]];
            *reader |= f->read[succ[s]];
        }
}

static void find_asked(const struct jit_unit *u, struct flow *f)
{
    uint8_t block[JIT_MAX_BLOCKS]; /* as one operation */

    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const uint16_t k = u->order[n];
        unsigned all = 0;
        for (unsigned i = u->block[k].ir_end; i-- > u->block[k].ir_first;) {
            const unsigned a = asking_of(u, &u->ir[i]);
            all = a & SETS ? a : all | a;
        }
        block[k] = (uint8_t)all;
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned n = u->nr_blocks; n-- > 0;) {
            const uint16_t k = u->order[n];
            bool asked, reader;
            asked_at_end(u, f, k, &asked, &reader);
            asked = (block[k] & ASKS) || (asked && !(block[k] & SETS));
            reader = (block[k] & READS) || (reader && !(block[k] & SETS));
            changed |= asked != f->asked[k] || reader != f->read[k];
            f->asked[k] = asked;
            f->read[k] = reader;
        }
    }
}

/* 2. And notes who asks behind each operation. */
static void drop_unread(struct jit_unit *u, const struct flow *f, bool drop)
{
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const struct jit_block *b = &u->block[u->order[n]];
        bool asked, reader, near = false;
        asked_at_end(u, f, u->order[n], &asked, &reader);
        for (unsigned i = b->ir_end; i-- > b->ir_first;) {
            struct ir *r = &u->ir[i];
            const unsigned a = asking_of(u, r);
            u->asked_behind[i] = asked;
            if (r->fl & IRF_SETF) {
                if (drop && !asked && !near)
                    r->fl &= (uint8_t)~IRF_SETF;
                near = false;
            }
            near |= (r->fl & IRF_NEAR) != 0;
            asked = (a & ASKS) || (asked && !(a & SETS));
        }
    }
}

/* --- 3. States ------------------------------------------------------------------------------------------------------ */

static const struct flag_state dynamic = {.form = FS_DYNAMIC}, dead = {.form = FS_DEAD};
static const struct flag_state host = {
    .form = FS_STATIC, .kind = FLAG_HOST, .a_at = FP_SLOT, .b_at = FP_IMM};

bool jit_same_flags(const struct flag_state *x, const struct flag_state *y)
{
    return x->kind == y->kind && x->a_at == y->a_at && x->b_at == y->b_at &&
           (x->a_at != FP_VAR || x->a == y->a) && (x->b_at != FP_VAR || x->b == y->b) &&
           (x->b_at != FP_IMM || x->imm == y->imm);
}

static bool same_state(const struct flag_state *x, const struct flag_state *y)
{
    return x->form == y->form && (x->form == FS_DEAD || x->form == FS_DYNAMIC || jit_same_flags(x, y));
}

/* Two that are known and differ are made dynamic, but at the head of a loop the one that comes more often decides, and only the other is. */
static struct flag_state merge(const struct flag_state *x, const struct flag_state *y, bool header,
                               bool y_decides)
{
    const bool x_dynamic = x->form == FS_DYNAMIC, y_dynamic = y->form == FS_DYNAMIC;
    struct flag_state r = x_dynamic || (!y_dynamic && y_decides) ? *y : *x;

    if (x_dynamic && y_dynamic)
        return dynamic;
    if (!x_dynamic && !y_dynamic && !header && !jit_same_flags(x, y))
        return dynamic;
    if (!same_state(x, y))
        r.form = FS_SELECT;
    return r;
}

/* The state at the start of block k, from those predecessors whose end is known. */
static struct flag_state state_in(const struct jit_unit *u, const struct flow *f, uint16_t k)
{
    const struct jit_block *b = &u->block[k];
    struct flag_state s = dynamic;
    bool first = !b->entry;
    unsigned depth = 0; /* of the one that decides */

    if (!f->asked[k])
        return dead;
    for (unsigned i = 0; i < b->nr_preds; i++) {
        if (b->nr_preds > ARRAY_LEN(b->pred))
            return f->read[k] ? host : dynamic;
        const uint16_t p = b->pred[i];
        if (!f->known[p] || u->block[p].back == k) /* a return comes with dynamic ones, as any entry */
            continue;
        /* Of two as deep, one that comes around a loop. */
        const unsigned this_depth = 2u * u->block[p].depth + (u->block[p].order >= b->order);
        if (first)
            s = f->out[p];
        else if (f->read[k] && !same_state(&s, &f->out[p]))
            return host;
        else
            s = merge(&s, &f->out[p], b->header, this_depth >= depth);
        if (f->out[p].form != FS_DYNAMIC)
            depth = MAX(depth, this_depth);
        first = false;
    }
    /* A reader needs to know the kind. */
    return f->read[k] && s.form != FS_STATIC ? host : s;
}

struct walk {
    struct jit_unit *u;
    const struct flow *f;
    struct flag_state now;
    struct ir *out;            /* null: only the state is wanted */
    unsigned nr_out, gi_start; /* operations; the first of the guest instruction at work */
    uint16_t index;            /* of the state now, if it is noted */
    bool noted;
};

static void set_state(struct walk *w, const struct flag_state *s)
{
    w->now = *s;
    w->noted = false;
}

static void put(struct walk *w, const struct ir *r, uint16_t state)
{
    if (!w->out)
        return;
    if (w->nr_out >= JIT_MAX_IR - 4) {
        w->u->failed = true;
        return;
    }
    w->out[w->nr_out] = *r;
    w->out[w->nr_out++].flags = state;
}

static struct ir new_op(enum ir_op op, uint16_t gi, var_t a, unsigned slot)
{
    return (struct ir){.op = (uint8_t)op,
                       .sz = 3,
                       .gi = gi,
                       .d = VAR_NONE,
                       .a = a,
                       .b = VAR_NONE,
                       .c = VAR_NONE,
                       .h = VAR_NONE,
                       .aux = slot};
}

static void put_new(struct walk *w, enum ir_op op, uint16_t gi, var_t a, unsigned slot)
{
    const struct ir r = new_op(op, gi, a, slot);
    put(w, &r, 0);
}

/* Saves a guest register ahead of the instruction that overwrites it: if C code does the whole of that at a site, the next thing is what comes behind
 * it. */
static void save_ahead(struct walk *w, uint16_t gi, var_t v, unsigned slot)
{
    const struct ir r = new_op(IR_FSAVE, gi, v, slot);

    put(w, &r, 0);
    if (!w->out || w->u->failed)
        return;
    memmove(&w->out[w->gi_start + 1], &w->out[w->gi_start], (w->nr_out - 1 - w->gi_start) * sizeof(r));
    w->out[w->gi_start++] = r;
}

/* The number of the state now. */
static uint16_t state_index(struct walk *w)
{
    struct jit_unit *u = w->u;

    if (w->noted || !w->out)
        return w->index;
    w->noted = true;
    for (unsigned i = u->nr_flag_states; i-- > 0 && i + 8 > u->nr_flag_states;)
        if (same_state(&u->flag_state[i], &w->now))
            return w->index = (uint16_t)i;
    if (u->nr_flag_states == ARRAY_LEN(u->flag_state)) {
        u->failed = true;
        return w->index = 0;
    }
    u->flag_state[u->nr_flag_states] = w->now;
    return w->index = (uint16_t)u->nr_flag_states++;
}

/* v is about to be overwritten: what the flags are made of moves to a slot. */
static void before_write(struct walk *w, const struct ir *at, var_t v, bool asked)
{
    struct flag_state *s = &w->now;
    const bool in_a = s->a_at == FP_VAR && s->a == v, in_b = s->b_at == FP_VAR && s->b == v;

    if ((s->form != FS_STATIC && s->form != FS_SELECT) || (!in_a && !in_b))
        return;
    w->noted = false;
    if (!asked) {
        *s = dead;
        return;
    }
    if (in_a) {
        save_ahead(w, at->gi, v, 0);
        s->a_at = FP_SLOT;
    }
    if (in_b) {
        save_ahead(w, at->gi, v, 1);
        s->b_at = FP_SLOT;
    }
}

/* An addition or subtraction: its operands, or its result and one of them. What does not outlive it is saved before. */
static struct flag_state of_sum(struct walk *w, const struct ir *r, bool asked)
{
    const bool sum = r->d < VAR_NR_GUEST && (r->a == r->d || r->a >= VAR_NR_GUEST);
    struct flag_state s = {
        .form = FS_STATIC, .a_at = FP_VAR, .a = sum ? r->d : r->a, .b = r->b, .imm = r->imm};

    if (r->op == IR_ADD || r->op == IR_CCMN)
        s.kind = r->sz == 3 ? FLAG_ADD64 : FLAG_ADD32;
    else
        s.kind = r->sz == 3 ? FLAG_SUB64 : FLAG_SUB32;
    s.kind |= sum ? FLAG_SUM : 0;
    s.b_at = r->b == VAR_IMM ? FP_IMM : FP_VAR;
    if (asked && s.a >= VAR_NR_GUEST) {
        put_new(w, IR_FSAVE, r->gi, s.a, 0);
        s.a_at = FP_SLOT;
    }
    if (asked && s.b_at == FP_VAR && (s.b >= VAR_NR_GUEST || s.b == r->d)) {
        put_new(w, IR_FSAVE, r->gi, s.b, 1);
        s.b_at = FP_SLOT;
    }
    return s;
}

/* An operation whose result nobody reads, and neither do the host's flags. */
static bool is_pointless(const struct walk *w, const struct ir *r)
{
    return (r->op == IR_ADD || r->op == IR_SUB || r->op == IR_AND || r->op == IR_ANDN) &&
           r->d >= VAR_TEMP && r->d < JIT_MAX_VARS && !(r->fl & IRF_HOST) &&
           !w->f->temp_read[r->d - VAR_TEMP];
}

/* One that sets the flags, and is not asked for them as the host has them. */
static void put_setter(struct walk *w, const struct ir *r, uint16_t before)
{
    struct ir op = *r;

    if (!(op.fl & IRF_HOST))
        op.fl &= (uint8_t)~IRF_SETF;
    put(w, &op, before);
}

static void step_setter(struct walk *w, const struct ir *r, bool asked)
{
    const uint16_t before = state_index(w);
    struct flag_state s = host;

    switch (r->op) {
    case IR_ADD:
    case IR_SUB:
        s = of_sum(w, r, asked);
        if (!is_pointless(w, r))
            put_setter(w, r, before);
        break;
    case IR_AND:
    case IR_ANDN:
        put_setter(w, r, before);
        s.kind = r->sz == 3 ? FLAG_LOGIC64 : FLAG_LOGIC32;
        if (r->d < VAR_NR_GUEST) {
            s.a_at = FP_VAR;
            s.a = r->d;
        } else if (asked) {
            put_new(w, IR_FSAVE, r->gi, r->d, 0);
        }
        break;
    default:
        if (r->fl & IRF_FUSED) { /* whoever asks is where it was compared */
            s = of_sum(w, r, asked);
            put(w, r, before);
            break;
        }
        put(w, r, before);
        if (asked)
            put_new(w, IR_FHOST, r->gi, VAR_NONE, 0);
        break;
    }
    set_state(w, asked ? &s : &dead);
}

/* asked: whether anybody who is not near asks behind it. */
static void step(struct walk *w, const struct ir *r, bool asked)
{
    if (r->op == IR_NOP || (!(r->fl & IRF_SETF) && is_pointless(w, r)))
        return;
    if (r->fl & IRF_SETF) {
        step_setter(w, r, asked);
        return;
    }
    const uint16_t before = state_index(w);
    if (r->op == IR_INTERP) /* the site hands the flags over, and takes them back */
        set_state(w, &host);
    else if ((ir_traits[r->op] & IRT_D) && r->d < VAR_NR_GUEST)
        before_write(w, r, r->d, asked);
    put(w, r, before);
}

static void walk_block(struct walk *w, uint16_t k)
{
    const struct jit_unit *u = w->u;
    const struct jit_block *b = &u->block[k];
    uint16_t gi = UINT16_MAX;

    set_state(w, &w->f->in[k]);
    for (unsigned i = b->ir_first; i < b->ir_end; i++) {
        if (u->ir[i].gi != gi || u->ir[i - 1].op == IR_LABEL)
            w->gi_start = w->nr_out;
        gi = u->ir[i].gi;
        step(w, &u->ir[i], u->asked_behind[i]);
    }
}

static void find_read_temps(const struct jit_unit *u, struct flow *f)
{
    for (unsigned i = 0; i < u->nr_ir; i++) {
        var_t read[4];
        jit_reads(&u->ir[i], read);
        for (unsigned n = 0; n < ARRAY_LEN(read); n++)
            if (read[n] >= VAR_TEMP && read[n] < JIT_MAX_VARS)
                f->temp_read[read[n] - VAR_TEMP] = true;
    }
}

void jit_pass_flags(struct jit_unit *u)
{
    static _Thread_local struct flow flow;
    struct flow *f = &flow;
    const bool off = u->j->opt.passes_off & 1u << JIT_PASS_FLAGS;

    memset(f, 0, offsetof(struct flow, in));
    u->nr_flag_states = 0;
    for (unsigned n = 0; n < u->nr_blocks && !off; n++)
        find_near(u, &u->block[u->order[n]]);
    find_read_temps(u, f);
    find_asked(u, f);
    drop_unread(u, f, !off);
    if (!off)
        fuse(u, f);

    /* A state can only become more dynamic; after some rounds it is made so. */
    bool changed = true;
    for (unsigned round = 0; changed; round++) {
        changed = false;
        for (unsigned n = 0; n < u->nr_blocks; n++) {
            const uint16_t k = u->order[n];
            const struct flag_state in = round < 8      ? state_in(u, f, k)
                                         : !f->asked[k] ? dead
                                         : f->read[k]   ? host
                                                        : dynamic;
            if (f->known[k] && same_state(&f->in[k], &in)) /* and so is what comes of it */
                continue;
            struct walk w = {.u = u, .f = f};
            f->in[k] = in;
            walk_block(&w, k);
            changed |= !f->known[k] || !same_state(&f->out[k], &w.now);
            f->known[k] = true;
            f->out[k] = w.now;
        }
    }

    struct walk w = {.u = u, .f = f, .out = u->spare};
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const uint16_t k = u->order[n];
        const unsigned first = w.nr_out;
        walk_block(&w, k);
        u->flags_in[k] = f->in[k];
        u->flags_out[k] = w.now;
        u->block[k].ir_first = (uint16_t)first;
        u->block[k].ir_end = (uint16_t)w.nr_out;
    }
    jit_take_spare(u, w.nr_out);
}
