/* Where translated code calls C: at sites, for links, for indirect branches.
 *
 * Threads: the CPU's own. What they return is where the code goes on, or null: jit_enter() comes back, jit_hot.exit says why. */
#include "cpu/cpu_internal.h"
#include "cpu/jit/jit_internal.h"

#include "arch/pac.h"

#include <string.h>

/* --- Flags ---------------------------------------------------------------------------------------------------------- */

/* NZCV of a - b or a + b, of operands whose top bit is bit 63. */
static uint32_t nzcv_at_top(uint64_t a, uint64_t b, bool sub)
{
    const uint64_t r = sub ? a - b : a + b;
    const bool carry = sub ? a >= b : r < a;
    const uint64_t overflow = (a ^ r) & (sub ? a ^ b : ~(a ^ b));

    return (uint32_t)(r >> 63) * PSR_N | (uint32_t)!r * PSR_Z | (uint32_t)carry * PSR_C |
           (uint32_t)(overflow >> 63) * PSR_V;
}

HOT static __attribute__((noinline)) uint32_t nzcv_of(unsigned kind, uint64_t a, uint64_t b)
{
    const bool sum = kind & FLAG_SUM; /* of the operand a there is a + b, or a - b, alone */

    switch (kind & ~(unsigned)FLAG_SUM) {
    case FLAG_NZCV: return (uint32_t)a & 0xf0000000u;
    case FLAG_HOST:
        return (a & 0x8000 ? PSR_N : 0) | (a & 0x4000 ? PSR_Z : 0) | (a & 0x100 ? 0 : PSR_C) |
               (a & 1 ? PSR_V : 0);
    case FLAG_SUB32: return nzcv_at_top((sum ? a + b : a) << 32, b << 32, true);
    case FLAG_SUB64: return nzcv_at_top(sum ? a + b : a, b, true);
    case FLAG_ADD32: return nzcv_at_top((sum ? a - b : a) << 32, b << 32, false);
    case FLAG_ADD64: return nzcv_at_top(sum ? a - b : a, b, false);
    case FLAG_LOGIC32: return ((uint32_t)a >> 31 ? PSR_N : 0) | ((uint32_t)a ? 0 : PSR_Z);
    case FLAG_LOGIC64: return (a >> 63 ? PSR_N : 0) | (a ? 0 : PSR_Z);
    default: BUG("flag kind %u", kind);
    }
}

/* As LAHF and SETO leave it in AX: SF is bit 15, ZF 14, CF, which is C inverted, 8, OF 0. */
static uint64_t host_of(uint32_t nzcv)
{
    return ((nzcv & (PSR_N | PSR_Z)) / (PSR_Z >> 14) | 0x300u) ^ (nzcv & PSR_C) / (PSR_C >> 8) ^
           (nzcv & PSR_V) / PSR_V;
}

HOT uint32_t jit_dynamic_flags(const struct cpu *c)
{
    const uint32_t kind = c->jit_hot.flag_kind;

    if (kind == FLAG_NZCV)
        return (uint32_t)c->jit_hot.flag_a & 0xf0000000u;
    return nzcv_of(kind & (FLAG_SMALL - 1), c->jit_hot.flag_a,
                   kind & FLAG_SMALL ? (uint64_t)((int32_t)kind >> FLAG_SMALL_BIT) : c->jit_hot.flag_b);
}

static uint64_t *home(struct cpu *c, unsigned var)
{
    return &c->st.x[var == VAR_SP ? REG_SP : var];
}

/* Between a register's home and where the thunk kept it. */
static void to_home(struct cpu *c, const struct jit_loc *l)
{
    if (l->var >= VAR_V0)
        memcpy(&c->st.v[l->var - VAR_V0], c->jit_hot.vframe[l->hreg - 16], 16);
    else
        *home(c, l->var) = c->jit_hot.frame[l->hreg];
}

static void from_home(struct cpu *c, const struct jit_loc *l)
{
    if (l->var >= VAR_V0)
        memcpy(c->jit_hot.vframe[l->hreg - 16], &c->st.v[l->var - VAR_V0], 16);
    else
        c->jit_hot.frame[l->hreg] = *home(c, l->var);
}

/* All registers are home. */
static uint32_t flags_at(struct cpu *c, const struct flag_state *s)
{
    uint64_t v[2] = {0, 0};

    if (s->form == FS_DEAD)
        return c->st.nzcv;
    if (s->form == FS_DYNAMIC || (s->form == FS_SELECT && c->jit_hot.flag_kind != FLAG_STATIC))
        return jit_dynamic_flags(c);
    for (unsigned i = 0; i < 2; i++) {
        const enum flag_place at = i ? s->b_at : s->a_at;
        v[i] = at == FP_IMM    ? (uint64_t)s->imm
               : at == FP_SLOT ? c->jit_hot.flag_static[i]
                               : *home(c, i ? s->b : s->a);
    }
    return nzcv_of(s->kind, v[0], v[1]);
}

HOT void jit_set_flags(struct cpu *c, uint32_t nzcv)
{
    c->st.nzcv = nzcv;
    c->jit_hot.flag_kind = FLAG_NZCV;
    c->jit_hot.flag_a = nzcv;
    c->jit_hot.flag_static[0] = host_of(nzcv);
}

uint64_t jit_at_help(struct cpu *c, uint64_t a, uint64_t b, uint32_t what)
{
    if (what == HELP_COUNTER)
        return cpu_counter(c);
    if (what == HELP_PACGA)
        return pac_generic(&c->st, a, b);
    return pac_strip(&c->st, a, what & 1);
}

void jit_at_flags(struct cpu *c)
{
    c->jit_hot.flag_static[0] = host_of(jit_dynamic_flags(c));
}

HOT void jit_at_wfi(struct cpu *c)
{
    jit_fp_suspend(c);
    if (!cpu_wfi(c)) { /* the slice ends before the next loop */
        c->jit_hot.forfeited += c->jit_hot.budget;
        c->jit_hot.budget = 0;
    }
    jit_fp_resume(c);
}

/* --- Sites ---------------------------------------------------------------------------------------------------------- */

/* Whether the check in line would pass now, after the TLB was filled. */
static bool probe_holds(struct cpu *c, const struct jit_site *s, gva_t va)
{
    struct tlb_view view;
    const gva_t last = va + s->len - 1;
    const struct tlb_entry *e = tlb_slot(c, va);
    const uint64_t tag = tlb_key(c->tlb_ctx, va, 1);

    if (tlb_is_device(e, tag))
        return false;
    if ((va ^ last) >> TLB_PAGE_SHIFT || c->jit->opt.slow_memory)
        return false;
    if (va & (s->align - 1u))
        return false;
    /* With exact it is the access itself that sets the access flag and the dirty state: another one of the group may come before it, and fault. */
    if (!tlb_translate(c, va, 0, s->write ? WALK_WRITE : WALK_READ,
                       c->jit->opt.exact ? MEM_NO_UPDATE : 0, &view))
        return false;
    return (s->write ? e->tag_w : e->tag_r) == tag;
}

static const uint8_t *code_at(const struct jit *j, const struct jit_region *r, uint32_t at)
{
    return j->rx + r->code + at;
}

/* The region's copy of the site's instruction, with the CPU set up to run it. */
static const struct a64_insn *insn_of(struct cpu *c, const struct jit_site *s)
{
    const struct a64_insn *insn = &s->region->insn[s->insn];

    c->st.pc = s->pc;
    c->code.va = s->pc & ~(gva_t)(TLB_PAGE_SIZE - 1);
    c->code.insns = (const struct a64_insn *)((uintptr_t)insn - ((s->pc & (TLB_PAGE_SIZE - 1))
                                                                 << (A64_INSN_SHIFT - 2)));
    return insn;
}

HOT const uint8_t *jit_at_site(struct cpu *c, struct jit_site *s, gva_t va)
{
    struct jit *j = c->jit;
    struct jit_region *r = s->region;
    const struct jit_loc *loc = &r->loc[s->locs], *const end = loc + s->nr_locs;

    j->stats.nr_slow++;
    if (s->len && (s->kind == SITE_PROBE || !(c->check || c->debug || c->observe)) &&
        probe_holds(c, s, va))
        return code_at(j, r, s->retry);
    for (const struct jit_loc *l = loc; l < end; l++)
        if (l->dirty)
            to_home(c, l);
    if (!s->flags_stay)
        c->st.nzcv = flags_at(c, &s->flags);
    const struct a64_insn *insn = insn_of(c, s);
    const uint32_t *stamp = &c->jit_hot.stamp[(int64_t)s->pc >= 0], stamp_before = *stamp;
    jit_fp_suspend(c);
    const struct a64_insn *next = insn->fn(c, insn);
    jit_fp_resume(c);
    const bool give_up = (s->kind == SITE_FLOAT && jit_fp_gives_up(j, s)) ||
                         (s->kind == SITE_PROBE && jit_probe_gives_up(j, s, va));
    if (give_up)
        jit_drop_region(c, r);
    if (next == insn + 1 && !s->group && !give_up && *stamp == stamp_before) {
        for (const struct jit_loc *l = loc; l < end; l++)
            if (l->reload)
                from_home(c, l);
        if (s->kind == SITE_INTERP)
            jit_set_flags(c, c->st.nzcv);
        return code_at(j, r, s->resume);
    }
    /* It is over with the region: this instruction was the last. */
    if (s->flags_stay)
        c->st.nzcv = flags_at(c, &s->flags);
    c->jit_hot.budget += s->insns_after - 1;
    jit_set_flags(c, c->st.nzcv);
    c->jit_hot.exit = JIT_EXIT_LEAVE;
    if (next) {
        c->st.pc = cpu_pc(c, next);
        c->jit_hot.exit = JIT_EXIT_INTERPRET;
    }
    return NULL;
}

HOT const uint8_t *jit_at_exception(struct cpu *c, struct jit_site *s)
{
    const struct a64_insn *insn = insn_of(c, s);

    c->jit_hot.exit = JIT_EXIT_PLAIN;
    if (!cpu_is_undisturbed(c))
        return NULL;
    c->st.nzcv = jit_dynamic_flags(c);
    c->jit_hot.flag_kind = FLAG_NZCV; /* for the return from it, which asks again */
    c->jit_hot.flag_a = c->st.nzcv;
    jit_fp_suspend(c);
    BUG_ON(insn->fn(c, insn));
    jit_fp_resume(c);
    c->jit_hot.budget--;
    c->jit_hot.exit = JIT_EXIT_LEAVE;
    if (c->leave != CPU_LEAVE_EXCEPTION) /* to be taken: the flags stay as they are */
        jit_set_flags(c, c->st.nzcv);
    const void *code = cpu_go_on_in_place(c);
    return c->jit_hot.code_changed ? NULL : code;
}

/* --- Ways out ------------------------------------------------------------------------------------------------------- */

/* No code is there for va: the interpreter goes on, and counts. */
static const uint8_t *interpret(struct cpu *c, gva_t va)
{
    branch_count(c, va);
    c->st.pc = va;
    c->jit_hot.exit = JIT_EXIT_INTERPRET;
    c->jit->stats.nr_exits++;
    return NULL;
}

HOT const uint8_t *jit_at_link(struct cpu *c, struct jit_link *l)
{
    const struct jit_found *f = jit_found_at(c, l->target);
    struct jit_entry *e = f && !f->code ? NULL : jit_find_entry(c, l->target);

    if (!f)
        jit_note_found(c, l->target, e);
    if (!e)
        return interpret(c, l->target);
    if (!l->from->dead) /* it may be running all the same */
        jit_link_to(c, l, e);
    return jit_entry_code(c->jit, e);
}

HOT const uint8_t *jit_at_indirect(struct cpu *c, gva_t va, uint64_t btype)
{
    va = arch_branch_addr(&c->st, va);
    const struct jit_found *f = jit_found_at(c, va);
    /* In guarded pages the interpreter sees to BTYPE: the ITLB has to know the page. */
    if (!f || (f->code && btype && !jit_peek_page(c, va)))
        f = jit_note_found(c, va, va & 3 ? NULL : jit_find_entry(c, va));
    if (!f->code || (btype && jit_is_guarded(c, va))) {
        interpret(c, va);
        c->st.btype = (uint8_t)btype;
        return NULL;
    }
    const uint8_t *code = c->jit->rx + f->code;
    jit_remember_target(c, va, code);
    return code;
}
