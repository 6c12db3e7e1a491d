/* Finds the region of a hot address: the blocks that direct branches reach from it, as far as they have been run before, with their order and
 * their loops.
 *
 * Code that never ran is left out: the branch there becomes an exit. What BL calls belongs to the region if it is there already, as where a function
 * calls itself, or if it is small and calls nothing: then registers stay where they are on the way there and back. So does what BLR is likely to call:
 * a pointer in a register that calls preserve is seldom another one next time. Threads: the CPU's own. */
#include "base/err.h"
#include "cpu/branch.h"
#include "cpu/cpu_internal.h"
#include "cpu/debug.h"
#include "cpu/jit/jit_internal.h"
#include "cpu/observe.h"

#include <string.h>

/* How an instruction ends a block. */
enum ending {
    END_NONE,
    END_BRANCH, /* always, to a constant */
    END_COND,   /* or goes on */
    END_CALL,   /* BL, BLR: comes back behind it */
    END_LEAVE,  /* BR, RET: to a register */
    END_WAIT,   /* WFI: goes on, but for the interrupt that it may have waited for */
    END_RESUME, /* by the interpreter; sooner or later the guest goes on behind it */
    END_STOP,   /* by the interpreter, and what follows is not there */
};

static enum ending ending_of(const struct a64_insn *i)
{
    switch (i->row) {
    case A64_ROW_B_only_branch_imm: return END_BRANCH;
    case A64_ROW_B_only_condbranch:
    case A64_ROW_CBZ_compbranch:
    case A64_ROW_CBNZ_compbranch:
    case A64_ROW_TBZ_only_testbranch:
    case A64_ROW_TBNZ_only_testbranch: return END_COND;
    case A64_ROW_BL_only_branch_imm:
    case A64_ROW_BLR_64_branch_reg: return END_CALL;
    case A64_ROW_BR_64_branch_reg:
    case A64_ROW_RET_64R_branch_reg: return END_LEAVE;
    case A64_ROW_SVC_EX_exception:
    case A64_ROW_HVC_EX_exception:
    case A64_ROW_SMC_EX_exception:
    case A64_ROW_WFE_HI_hints: return END_RESUME;
    case A64_ROW_WFI_HI_hints: return END_WAIT;
    case A64_ROW_NONE:
    case A64_ROW_ERET_64E_branch_reg:
    case A64_ROW_ERETA_64E_branch_reg: return END_STOP;
    default:
        return a64_rows[i->row].kind == A64_KIND_BRANCH || a64_rows[i->row].kind == A64_KIND_TRAP
                   ? END_STOP
                   : END_NONE;
    }
}

bool jit_in_place(const struct jit_unit *u, unsigned row)
{
    return (row == A64_ROW_SVC_EX_exception || row == A64_ROW_ERET_64E_branch_reg ||
            row == A64_ROW_ERETA_64E_branch_reg) &&
           !u->j->opt.exact && !u->j->opt.check;
}

/* To begin a region with an instruction of the interpreter's would be to come back for ever. */
static bool may_begin(const struct jit_unit *u, const struct jit_insn *n)
{
    return (n->ending != END_STOP && n->ending != END_RESUME) || jit_in_place(u, n->i.row);
}

/* Not to be translated: somebody wants to come by there. */
static bool is_marked(struct cpu *c, gva_t va, uint32_t word)
{
    return (unlikely(c->debug) && debug_marks(c, va, word)) ||
           (unlikely(c->observe) && observe_marks(c, va, word));
}

static gva_t branch_target(const struct a64_insn *i, gva_t va)
{
    int64_t offset = 0;

    BUG_ON(!branch_offset(i, &offset));
    return va + (uint64_t)offset;
}

/* What a call calls, or may well call: BLR compares (emit_exit.c). ~0, which is no instruction's address: unknown. */
static gva_t callee_of(const struct jit_unit *u, const struct jit_insn *n)
{
    enum { FIRST_PRESERVED = 19, LAST_PRESERVED = 28 }; /* AAPCS64 */

    if (n->i.row == A64_ROW_BL_only_branch_imm)
        return branch_target(&n->i, n->va);
    const unsigned r = n->i.u.BLR_64_branch_reg.n;
    if (r < FIRST_PRESERVED || r > LAST_PRESERVED)
        return ~(gva_t)0;
    /* A region holds for one half of the address space; and in guarded pages somebody has to look at BTYPE. */
    const gva_t va = u->c->st.x[r];
    return (int64_t)(va ^ u->start) >= 0 && jit_peek_page(u->c, va) && !jit_is_guarded(u->c, va)
               ? va
               : ~(gva_t)0;
}

/* --- Finding instructions ------------------------------------------------------------------------------------------- */

#define FOUND_BUCKETS 2048u
#define NR_PENDING 256u

struct search {
    struct jit_unit *u;
    uint16_t bucket[FOUND_BUCKETS]; /* index + 1 into u->insn by address; open addressing */
    uint64_t leader[JIT_MAX_INSNS / 64];
    const struct code_page *page; /* the last one that was asked for, and its number in u->page */
    unsigned page_index;
    unsigned nr_pending, nr_runs;
    /* From here on nothing is cleared for a region. */
    gva_t pending[NR_PENDING];
    struct {
        uint16_t first, nr; /* of u->insn: one behind the other in the guest's memory too */
    } run[NR_PENDING];
    struct jit_insn sorted[JIT_MAX_INSNS];
};

static uint16_t *slot_of(struct search *s, gva_t va)
{
    unsigned h = (unsigned)(va >> 2) & (FOUND_BUCKETS - 1);
    while (s->bucket[h] && s->u->insn[s->bucket[h] - 1].va != va)
        h = (h + 1) & (FOUND_BUCKETS - 1);
    return &s->bucket[h];
}

static void later(struct search *s, gva_t va)
{
    if (s->nr_pending < NR_PENDING)
        s->pending[s->nr_pending++] = va;
}

/* The decoded page of va, which is one of the region's now; null when that can't have another one or there is nothing. */
static const struct code_page *page_of(struct search *s, gva_t va)
{
    struct jit_unit *u = s->u;
    const gva_t page = va & ~(gva_t)(TLB_PAGE_SIZE - 1);

    if (s->page && u->page[s->page_index].va == page)
        return s->page;
    const struct code_page *p = jit_peek_page(u->c, page);
    unsigned i = 0;
    while (i < u->nr_pages && u->page[i].va != page)
        i++;
    if (!p || i == JIT_MAX_PAGES)
        return NULL;
    if (i == u->nr_pages)
        u->page[u->nr_pages++] = (struct jit_page){.va = page, .pa = p->pa, .lo = TLB_PAGE_SIZE};
    s->page = p;
    s->page_index = i;
    return p;
}

/* Only the first nr instructions stay: the last to come are the first to go, so that the others are still found. */
static void take_back(struct search *s, unsigned nr)
{
    struct jit_unit *u = s->u;

    while (u->nr_insns > nr) {
        const unsigned last = --u->nr_insns;
        *slot_of(s, u->insn[last].va) = 0;
        s->leader[last / 64] &= ~BIT64(last % 64);
    }
}

/* Whether a function is small, and calls nothing. Of what never ran nothing is known, nor wanted. */
static bool is_leaf(struct jit_unit *u, gva_t va)
{
    enum { MAX = 32 };
    gva_t seen[MAX], todo[MAX];
    unsigned nr_seen = 0, nr_todo = 0;
    bool returns = false;

    todo[nr_todo++] = va;
    while (nr_todo) {
        va = todo[--nr_todo];
        for (bool on = true; on; va += 4) {
            struct a64_insn i;
            for (unsigned n = 0; n < nr_seen && on; n++)
                on = seen[n] != va;
            const struct code_page *p = on && !(va & 3) ? jit_peek_page(u->c, va) : NULL;
            if (!p || !icache_decoded(p, va, &i))
                break;
            if (nr_seen == MAX || nr_todo + 2 > MAX)
                return false;
            seen[nr_seen++] = va;
            if (is_marked(u->c, va, i.word))
                return false;
            switch (ending_of(&i)) {
            case END_NONE: break;
            case END_COND: todo[nr_todo++] = va + 4; /* fallthrough */
            case END_BRANCH:
                todo[nr_todo++] = branch_target(&i, va);
                on = false;
                break;
            case END_LEAVE:
                if (i.row != A64_ROW_RET_64R_branch_reg)
                    return false;
                returns = true;
                on = false;
                break;
            default: return false;
            }
        }
    }
    return returns;
}

/* Adds the instructions from va on until one is known or the block ends. A block that does not fit is left out, but for the first: cut somewhere it would
 * have another region begin there, which is cut somewhere else. */
static void find_from(struct search *s, gva_t va, bool first)
{
    struct jit_unit *u = s->u;
    const unsigned nr_before = u->nr_insns;

    for (bool start = true;; va += 4, start = false) {
        uint16_t *slot = slot_of(s, va);
        if (*slot) {
            s->leader[(*slot - 1) / 64] |= BIT64((*slot - 1) % 64);
            return;
        }
        if (u->nr_insns == u->max_insns || (va & 3)) {
            if (nr_before)
                take_back(s, nr_before);
            return;
        }
        const struct code_page *p = page_of(s, va);
        if (!p)
            return;
        struct jit_insn *n = &u->insn[u->nr_insns];
        n->va = va;
        /* With coverage, what is run is decoded first: icache.c. */
        if (!icache_decoded(p, va, &n->i) && !(first && !u->c->observe))
            return;
        n->ending = (uint8_t)ending_of(&n->i);
        if (is_marked(u->c, va, n->i.word))
            return;
        *slot = (uint16_t)++u->nr_insns;
        if (start)
            s->leader[(u->nr_insns - 1) / 64] |= BIT64((u->nr_insns - 1) % 64);
        switch ((enum ending)n->ending) {
        case END_NONE: first = false; break;
        case END_BRANCH: later(s, branch_target(&n->i, va)); return;
        case END_COND:
            later(s, branch_target(&n->i, va));
            later(s, va + 4);
            return;
        case END_CALL: {
            const gva_t callee = callee_of(u, n);
            later(s, va + 4);
            if (*slot_of(s, callee) || is_leaf(u, callee))
                later(s, callee);
            return;
        }
        case END_WAIT:
        case END_RESUME: later(s, va + 4); return;
        case END_LEAVE:
        case END_STOP: return;
        }
    }
}

/* --- Blocks --------------------------------------------------------------------------------------------------------- */

/* What find_from() has found since there were nr instructions. */
static void note_run(struct search *s, unsigned nr)
{
    const struct jit_unit *u = s->u;
    unsigned at = s->nr_runs;

    if (u->nr_insns == nr)
        return;
    for (; at && u->insn[s->run[at - 1].first].va > u->insn[nr].va; at--)
        s->run[at] = s->run[at - 1];
    s->run[at].first = (uint16_t)nr;
    s->run[at].nr = (uint16_t)(u->nr_insns - nr);
    s->nr_runs++;
}

/* Instructions by address, leaders moving along. */
static void sort_insns(struct search *s)
{
    struct jit_unit *u = s->u;
    uint64_t leader[JIT_MAX_INSNS / 64] = {0};
    unsigned nr = 0;

    for (unsigned r = 0; r < s->nr_runs; r++)
        for (unsigned i = s->run[r].first; i < (unsigned)s->run[r].first + s->run[r].nr; i++) {
            leader[nr / 64] |= (s->leader[i / 64] >> (i % 64) & 1) << (nr % 64);
            s->sorted[nr++] = u->insn[i];
        }
    memcpy(u->insn, s->sorted, nr * sizeof(u->insn[0]));
    memcpy(s->leader, leader, sizeof(leader));
}

/* Before there are copies, blocks are in the order of their addresses. */
static uint16_t block_at(const struct jit_unit *u, gva_t va)
{
    unsigned lo = 0, hi = u->nr_blocks;

    while (lo < hi) {
        const unsigned mid = (lo + hi) / 2;
        if (u->block[mid].va < va)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < u->nr_blocks && u->block[lo].va == va ? (uint16_t)lo : JIT_MAX_BLOCKS;
}

/* What BLR calls within the region must not become a guarded page. */
static void note_call(struct jit_unit *u, const struct jit_block *b)
{
    if (u->insn[b->first + b->nr - 1].i.row == A64_ROW_BLR_64_branch_reg)
        for (unsigned i = 0; i < u->nr_pages; i++)
            u->page[i].unguarded |=
                u->page[i].va == (u->block[b->taken].va & ~(gva_t)(TLB_PAGE_SIZE - 1));
}

static bool make_blocks(struct search *s)
{
    struct jit_unit *u = s->u;

    for (unsigned i = 0; i < u->nr_insns; i++) {
        const bool follows =
            i && u->insn[i - 1].va + 4 == u->insn[i].va && u->insn[i - 1].ending == END_NONE;
        if (!follows || (s->leader[i / 64] >> (i % 64) & 1)) {
            if (u->nr_blocks == JIT_MAX_BLOCKS)
                return false;
            u->block[u->nr_blocks++] = (struct jit_block){.va = u->insn[i].va,
                                                          .first = (uint16_t)i,
                                                          .taken = JIT_MAX_BLOCKS,
                                                          .next = JIT_MAX_BLOCKS,
                                                          .back = JIT_MAX_BLOCKS};
        }
        u->block[u->nr_blocks - 1].nr++;
        u->insn[i].block = (uint16_t)(u->nr_blocks - 1);
    }
    for (unsigned i = 0; i < u->nr_blocks; i++) {
        struct jit_block *b = &u->block[i];
        const struct jit_insn *last = &u->insn[b->first + b->nr - 1];
        switch ((enum ending)last->ending) {
        case END_NONE: b->next = block_at(u, last->va + 4); break;
        case END_BRANCH: b->next = block_at(u, branch_target(&last->i, last->va)); break;
        case END_COND:
            b->taken = block_at(u, branch_target(&last->i, last->va));
            b->next = block_at(u, last->va + 4);
            break;
        case END_WAIT:
            b->next = block_at(u, last->va + 4);
            if (b->next != JIT_MAX_BLOCKS)
                u->block[b->next].after_wait = true;
            break;
        case END_CALL:
        case END_RESUME: {
            const uint16_t back = block_at(u, last->va + 4);
            if (back == JIT_MAX_BLOCKS)
                break;
            u->block[back].entry = may_begin(u, &u->insn[u->block[back].first]);
            if (!u->block[back].entry || last->ending != END_CALL)
                break;
            b->back = back;
            b->taken = block_at(u, callee_of(u, last));
            if (b->taken != JIT_MAX_BLOCKS) {
                u->returned[u->nr_returned++] = back;
                note_call(u, b);
            }
            break;
        }
        case END_LEAVE: b->returns = last->i.row == A64_ROW_RET_64R_branch_reg; break;
        case END_STOP: break;
        }
    }
    return true;
}

unsigned jit_successors(const struct jit_unit *u, uint16_t k, uint16_t *succ)
{
    const struct jit_block *b = &u->block[k];
    unsigned nr = 0;

    if (b->returns) {
        memcpy(succ, u->returned, u->nr_returned * sizeof(*succ));
        return u->nr_returned;
    }
    if (b->taken != JIT_MAX_BLOCKS)
        succ[nr++] = b->taken;
    if (b->next != JIT_MAX_BLOCKS)
        succ[nr++] = b->next;
    return nr;
}

static void add_pred(struct jit_unit *u, uint16_t to, uint16_t from)
{
    struct jit_block *b = &u->block[to];

    if (b->nr_preds < ARRAY_LEN(b->pred))
        b->pred[b->nr_preds] = from;
    if (b->nr_preds < UINT8_MAX)
        b->nr_preds++;
}

/* --- Order and loops ------------------------------------------------------------------------------------------------ */

struct dfs {
    struct jit_unit *u;
    uint8_t seen[JIT_MAX_BLOCKS];
    uint16_t post[JIT_MAX_BLOCKS];
    unsigned nr_post;
};

/* As far as order and loops go, a call comes back by itself. */
static uint16_t follower(const struct jit_block *b, unsigned n)
{
    return n == 0 ? b->taken : n == 1 ? b->next : b->back;
}

/* Depth first without recursion; the successor that is visited last comes next in reverse postorder: the one that falls through. */
static void visit(struct dfs *d, uint16_t root)
{
    struct {
        uint16_t block;
        uint8_t step;
    } stack[JIT_MAX_BLOCKS];
    unsigned n = 0;

    if (d->seen[root])
        return;
    stack[n].block = root;
    stack[n++].step = 0;
    d->seen[root] = 1;
    while (n) {
        const struct jit_block *b = &d->u->block[stack[n - 1].block];
        const uint8_t step = stack[n - 1].step++;
        const uint16_t succ = step < 3 ? follower(b, step) : JIT_MAX_BLOCKS;
        if (step == 3) {
            d->post[d->nr_post++] = stack[--n].block;
        } else if (succ != JIT_MAX_BLOCKS && !d->seen[succ]) {
            d->seen[succ] = 1;
            stack[n].block = succ;
            stack[n++].step = 0;
        }
    }
}

/* Blocks from which `from` is reached without passing the header are one loop deeper. */
static void mark_loop(struct jit_unit *u, uint16_t header, uint16_t from)
{
    uint8_t in[JIT_MAX_BLOCKS] = {0};
    uint16_t stack[JIT_MAX_BLOCKS];
    unsigned n = 0;

    in[header] = 1;
    if (!in[from]) {
        in[from] = 1;
        stack[n++] = from;
    }
    while (n) {
        const struct jit_block *b = &u->block[stack[--n]];
        for (unsigned i = 0; i < MIN(b->nr_preds, (unsigned)ARRAY_LEN(b->pred)); i++)
            if (!in[b->pred[i]]) {
                in[b->pred[i]] = 1;
                stack[n++] = b->pred[i];
            }
    }
    for (unsigned i = 0; i < u->nr_blocks; i++)
        if (in[i] && u->block[i].depth < 5)
            u->block[i].depth++;
}

/* Whether there is a way around from block k to itself on which nothing is called, and so nothing comes back. */
static bool comes_around(const struct jit_unit *u, uint16_t k)
{
    bool seen[JIT_MAX_BLOCKS + 1] = {[JIT_MAX_BLOCKS] = true};
    uint16_t stack[JIT_MAX_BLOCKS + 1];
    unsigned n = 0;

    stack[n++] = k;
    while (n) {
        const struct jit_block *b = &u->block[stack[--n]];
        if (b->back != JIT_MAX_BLOCKS)
            continue;
        for (unsigned s = 0; s < 2; s++) {
            const uint16_t to = follower(b, s);
            if (to == k)
                return true;
            if (!seen[to]) {
                seen[to] = true;
                stack[n++] = to;
            }
        }
    }
    return false;
}

/* Nothing runs on for long without a look at the budget: each call looks where it comes to, and so does what is entered from outside, before it is (emit_exit.c);
 * without calls, each loop does. There are no more returns than there were calls in a slice. */
static void find_looks(struct jit_unit *u)
{
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        struct jit_block *b = &u->block[u->order[n]];
        b->looks |= b->header && comes_around(u, u->order[n]);
        if (b->back != JIT_MAX_BLOCKS && b->taken != JIT_MAX_BLOCKS)
            u->block[b->taken].looks = true;
    }
}

static void order_blocks(struct jit_unit *u, uint16_t first)
{
    struct dfs d = {.u = u};

    /* Return points that nothing else comes to first, so that in the end they stand behind what comes before them. */
    bool back[JIT_MAX_BLOCKS] = {false};
    for (unsigned i = 0; i < u->nr_returned; i++)
        back[u->returned[i]] = true;
    for (unsigned i = u->nr_blocks; i-- > 0;)
        if (u->block[i].entry && i != first && !back[i])
            visit(&d, (uint16_t)i);
    visit(&d, first);
    for (unsigned i = u->nr_blocks; i-- > 0;)
        if (u->block[i].entry)
            visit(&d, (uint16_t)i);
    const unsigned n = d.nr_post;
    for (unsigned i = 0; i < n; i++) {
        u->order[i] = d.post[n - 1 - i];
        u->block[u->order[i]].order = (uint16_t)i;
    }
    u->nr_blocks = n; /* blocks keep their numbers: those that nothing reaches are at no place in order[] */
    for (unsigned i = 0; i < n; i++) {
        const uint16_t k = u->order[i];
        for (unsigned s = 0; s < 3; s++) {
            const uint16_t to = follower(&u->block[k], s);
            if (to != JIT_MAX_BLOCKS) {
                add_pred(u, to, k);
                if (u->block[to].order <= i)
                    u->block[to].header = true;
            }
        }
    }
    for (unsigned i = 0; i < n; i++) {
        const uint16_t k = u->order[i];
        for (unsigned s = 0; s < 3; s++) {
            const uint16_t to = follower(&u->block[k], s);
            if (to != JIT_MAX_BLOCKS && u->block[to].order <= i)
                mark_loop(u, to, k);
        }
    }
    find_looks(u);
}

static void forget_order(struct jit_unit *u)
{
    for (unsigned i = 0; i < u->nr_blocks; i++) {
        struct jit_block *b = &u->block[i];
        b->nr_preds = b->depth = 0;
        b->header = b->looks = false;
        b->order = 0;
    }
}

bool jit_find_region(struct jit_unit *u, gva_t va)
{
    struct search s;

    memset(&s, 0, offsetof(struct search, pending));
    s.u = u;
    u->nr_insns = u->nr_blocks = u->nr_pages = u->nr_returned = 0;
    u->call_tag = u->j->next_call_tag = u->j->next_call_tag % INT32_MAX + 1;
    later(&s, va);
    for (unsigned i = 0; i < s.nr_pending; i++) {
        const unsigned nr = u->nr_insns;
        find_from(&s, s.pending[i], i == 0);
        note_run(&s, nr);
    }
    if (!u->nr_insns || !may_begin(u, &u->insn[0]))
        return false;
    sort_insns(&s);
    if (!make_blocks(&s))
        return false;
    const uint16_t first = block_at(u, va);
    u->block[first].entry = true;
    const unsigned nr_all = u->nr_blocks;
    order_blocks(u, first);
    if (u->j->opt.passes_off & 1u << JIT_PASS_PEEL)
        return true;
    const unsigned nr_peeled = jit_peel(u, nr_all);
    if (nr_peeled != nr_all) {
        u->nr_blocks = nr_peeled;
        forget_order(u);
        order_blocks(u, first);
    }
    return true;
}
