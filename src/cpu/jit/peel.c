/* The first turn of a small loop, in blocks of its own; several turns of a loop of one block, one behind the other.
 *
 * What a loop leaves behind at the end of a turn (the flags, as a rule) is the same each time; what it is entered with is something else. With the
 * first turn apart, the others find only what a turn leaves, and nothing has to be stored for whoever asks which of the two it is (flags.c, FS_SELECT).
 * The copy of a block has the same instructions; only the way it is reached tells the two apart.
 *
 * A loop of one block looks at the budget each turn, which is one of its few branches; of several turns one does. */
#include "cpu/jit/jit_internal.h"

/* Of one loop, and of all in a region. */
#define MAX_BLOCKS 6u
#define MAX_INSNS 48u
#define MAX_ALL 96u
/* Of a loop of one block with several turns: in a longer one the look is a small part. */
#define MAX_TURNS 4u
#define MAX_TURNS_INSNS 32u

struct loop {
    uint16_t header, block[MAX_BLOCKS];
    unsigned nr, nr_insns;
    bool compares; /* has a B.cond, and so something that sets the flags */
};

static bool is_in(const struct loop *l, uint16_t k)
{
    for (unsigned i = 0; i < l->nr; i++)
        if (l->block[i] == k)
            return true;
    return false;
}

/* False: it is no loop for this. */
static bool add(const struct jit_unit *u, struct loop *l, uint16_t k)
{
    const struct jit_block *b = &u->block[k];

    if (is_in(l, k))
        return true;
    if (l->nr == MAX_BLOCKS || b->back != JIT_MAX_BLOCKS || b->returns ||
        b->nr_preds > ARRAY_LEN(b->pred) || (k != l->header && (b->entry || b->header)))
        return false;
    l->block[l->nr++] = k;
    l->nr_insns += b->nr;
    l->compares |= u->insn[b->first + b->nr - 1].i.row == A64_ROW_B_only_condbranch;
    return true;
}

/* The loop with this header that comes back from blocks at least so deep. False: there is none, or it is too large, or it gains nothing. */
static bool find_loop(const struct jit_unit *u, uint16_t header, unsigned depth, struct loop *l)
{
    bool comes_back = false;

    *l = (struct loop){.header = header};
    if (!add(u, l, header))
        return false;
    for (unsigned i = 0; i < l->nr; i++) {
        const struct jit_block *b = &u->block[l->block[i]];
        for (unsigned p = 0; p < b->nr_preds; p++) {
            const struct jit_block *pred = &u->block[b->pred[p]];
            if (l->block[i] == header) {
                if (pred->order < b->order || pred->depth < depth)
                    continue;
                comes_back = true;
            }
            if (!add(u, l, b->pred[p]))
                return false;
        }
    }
    return comes_back && l->compares && l->nr_insns <= MAX_INSNS;
}

static uint16_t copy_of(const struct loop *l, unsigned first_copy, uint16_t k)
{
    for (unsigned i = 0; i < l->nr; i++)
        if (l->block[i] == k)
            return (uint16_t)(first_copy + i);
    return k;
}

/* The blocks as they are become the first turn. Returns how many blocks there are now. */
static unsigned copy_loop(struct jit_unit *u, const struct loop *l, unsigned nr_all)
{
    for (unsigned i = 0; i < l->nr; i++) {
        struct jit_block *b = &u->block[l->block[i]], *copy = &u->block[nr_all + i];
        *copy = *b;
        copy->entry = false;
        copy->taken = copy_of(l, nr_all, b->taken);
        copy->next = copy_of(l, nr_all, b->next);
        if (b->taken == l->header)
            b->taken = copy->taken;
        if (b->next == l->header)
            b->next = copy->next;
    }
    return nr_all + l->nr;
}

static bool comes_to_itself(const struct jit_unit *u, uint16_t k)
{
    const struct jit_block *b = &u->block[k];
    return (b->taken == k || b->next == k) && b->back == JIT_MAX_BLOCKS && !b->returns;
}

/* Whether block k accesses a device, as the registers are now that its region has become hot: then C code comes back to it each turn, best to one place, which
 * is what the host's processor expects. */
static bool accesses_device(const struct jit_unit *u, uint16_t k)
{
    const struct jit_block *b = &u->block[k];

    for (unsigned i = b->first; i < b->first + b->nr; i++) {
        const struct a64_insn *insn = &u->insn[i].i;
        const unsigned kind = a64_rows[insn->row].kind, n = insn->word >> 5 & 31;
        const gva_t va = u->c->st.x[n == 31 ? REG_SP : n];
        const struct tlb_entry *e = tlb_slot(u->c, va);
        if ((kind == A64_KIND_LOAD || kind == A64_KIND_STORE) &&
            tlb_is_device(e, tlb_key(u->c->tlb_ctx, va, 1)))
            return true;
    }
    return false;
}

/* Several turns of k, a loop of one block. Returns how many blocks there are now. */
static unsigned copy_turns(struct jit_unit *u, uint16_t k, unsigned turns, unsigned nr_all)
{
    const struct jit_block first = u->block[k];

    for (unsigned i = 0; i < turns; i++) {
        const uint16_t next = i + 1 < turns ? (uint16_t)(nr_all + i) : k;
        struct jit_block *b = &u->block[i ? nr_all + i - 1 : k];
        if (i) {
            *b = first;
            b->entry = false;
            b->again = true;
        }
        if (first.taken == k)
            b->taken = next;
        if (first.next == k)
            b->next = next;
    }
    return nr_all + turns - 1;
}

unsigned jit_peel(struct jit_unit *u, unsigned nr_all)
{
    const unsigned nr_before = u->nr_blocks;
    unsigned nr_insns = 0;
    struct loop l;

    for (unsigned n = 0; n < nr_before; n++) {
        uint16_t k = u->order[n];
        if (!u->block[k].header)
            continue;
        /* Where a region begins in an inner loop, the header is that of the loop around it, too. */
        if ((find_loop(u, k, 0, &l) || find_loop(u, k, u->block[k].depth, &l)) &&
            nr_all + l.nr <= JIT_MAX_BLOCKS && nr_insns + l.nr_insns <= MAX_ALL) {
            nr_insns += l.nr_insns;
            nr_all = copy_loop(u, &l, nr_all);
            k = copy_of(&l, nr_all - l.nr, k);
        }
        const unsigned turns = MIN(MAX_TURNS, MAX_TURNS_INSNS / MAX(u->block[k].nr, 1u));
        if (turns > 1 && comes_to_itself(u, k) && nr_all + turns <= JIT_MAX_BLOCKS &&
            !accesses_device(u, k)) {
            nr_insns += (turns - 1) * u->block[k].nr;
            nr_all = copy_turns(u, k, turns, nr_all);
        }
    }
    return nr_all;
}
