/* From IR with registers to host code: the loop over the operations. */
#include "cpu/jit/emit.h"

#include <stdlib.h>
#include <string.h>

int emit_use(struct emit *e, var_t web, int scratch)
{
    if (web == VAR_ZERO || web == VAR_IMM) {
        x64_mov_ri(e->b, scratch, 0);
        return scratch;
    }
    const int reg = emit_hreg(e, web);
    if (reg != X64_NONE)
        return reg;
    x64_load(e->b, X_64, scratch, emit_memory(e, web));
    return scratch;
}

int emit_def(struct emit *e, var_t web, int scratch)
{
    const int reg = emit_hreg(e, web);
    return reg == X64_NONE ? scratch : reg;
}

void emit_noted(struct emit *e, var_t web)
{
    const struct jit_web *w = &e->u->web[web];

    if (w->var == VAR_TEMP)
        return;
    e->now[w->var] = web;
    e->written |= BIT64(w->var);
    if (w->lazy)
        e->dirty |= BIT64(w->var);
    else
        e->dirty &= ~BIT64(w->var);
}

void emit_defined(struct emit *e, var_t web, int reg)
{
    if (web >= JIT_MAX_WEBS)
        return;
    const struct jit_web *w = &e->u->web[web];
    if (w->hreg == X64_NONE || (w->var != VAR_TEMP && !w->lazy))
        x64_store(e->b, X_64, emit_memory(e, web), reg);
    emit_noted(e, web);
}

/* Whether anybody wants the web behind this operation; if not, its register may be another's already. */
static bool is_wanted(const struct emit *e, var_t web)
{
    return jit_bit(e->u, e->u->live, web, e->at) ||
           (e->u->web[web].lazy && jit_bit(e->u, e->u->held, web, e->at));
}

/* The interpreter put the value into its home. */
static void found_at_home(struct emit *e, var_t web)
{
    const struct jit_web *w = &e->u->web[web];

    if (w->hreg != X64_NONE && is_wanted(e, web)) {
        if (w->vec)
            emit_vload(e, w->hreg, emit_memory(e, web));
        else
            x64_load(e->b, X_64, w->hreg, emit_memory(e, web));
    }
    e->now[w->var] = web;
    e->dirty &= ~BIT64(w->var);
}

/* --- Which homes may be older than their registers, at the start of each block ----------------------------------------- */

/* What a block does to it: at its end those are dirty that it makes so, and of the others that were those that it leaves. */
static void dirty_through(const struct jit_unit *u, const struct jit_block *b, uint64_t *makes,
                          uint64_t *leaves)
{
    *makes = 0;
    *leaves = UINT64_MAX;
    for (unsigned i = b->ir_first; i < b->ir_end; i++) {
        const struct ir *r = &u->ir[i];
        if (r->op == IR_INTERP)
            *makes = *leaves = 0;
        if (!(ir_traits[r->op] & IRT_D) || r->d >= JIT_MAX_WEBS || u->web[r->d].var == VAR_TEMP)
            continue;
        const uint64_t v = BIT64(u->web[r->d].var);
        *leaves &= ~v;
        *makes = u->web[r->d].lazy && r->op != IR_HOME ? *makes | v : *makes & ~v;
    }
}

static void find_dirty(struct emit *e)
{
    const struct jit_unit *u = e->u;
    uint64_t makes[JIT_MAX_BLOCKS], leaves[JIT_MAX_BLOCKS];

    for (unsigned n = 0; n < u->nr_blocks; n++)
        dirty_through(u, &u->block[u->order[n]], &makes[u->order[n]], &leaves[u->order[n]]);
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned n = 0; n < u->nr_blocks; n++) {
            const uint16_t k = u->order[n];
            const uint64_t out = makes[k] | (e->dirty_in[k] & leaves[k]);
            uint16_t succ[JIT_MAX_BLOCKS];
            const unsigned nr = jit_successors(u, k, succ);
            for (unsigned s = 0; s < nr; s++)
                if (out & ~e->dirty_in[succ[s]]) {
                    e->dirty_in[succ[s]] |= out;
                    changed = true;
                }
        }
    }
}

/* --- Sites ---------------------------------------------------------------------------------------------------------- */

static void add_loc(struct emit *e, struct jit_site *s, unsigned var, int hreg, bool dirty, bool reload)
{
    struct jit_unit *u = e->u;

    if (u->nr_locs == ARRAY_LEN(u->loc) || s->nr_locs == UINT8_MAX) {
        u->failed = true;
        return;
    }
    u->loc[u->nr_locs++] =
        (struct jit_loc){(uint8_t)var, (uint8_t)(hreg + (var >= VAR_V0 ? 16 : 0)), dirty, reload};
    s->nr_locs++;
}

/* Whether what the flags are worked out of is in one of these registers' homes. */
static bool flag_operand_in(const struct flag_state *s, uint64_t vars)
{
    return (s->a_at == FP_VAR && (vars >> s->a & 1)) || (s->b_at == FP_VAR && (vars >> s->b & 1));
}

/* The guest instruction is done: its sites learn where they come back to, and where the registers were and are. */
static void finish_sites(struct emit *e)
{
    struct jit_unit *u = e->u;

    for (unsigned i = e->first_site; i < u->nr_sites; i++) {
        struct jit_site *s = &u->site[i];
        s->resume = s->kind == SITE_INTERP ? s->retry : (uint32_t)(e->b->p - e->b->start);
        if (s->kind == SITE_FLOAT && s->resume == s->retry)
            e->u->failed = true; /* a trap could not tell it from the next one */
        s->locs = u->nr_locs;
        s->nr_locs = 0;
        s->flags_stay = s->len && !flag_operand_in(&s->flags, e->written);
        for (uint64_t m = e->dirty_before | e->written; m; m &= m - 1) {
            const unsigned v = (unsigned)__builtin_ctzll(m);
            const var_t old = e->now_before[v], new = e->now[v];
            const bool dirty = e->dirty_before >> v & 1;
            if (dirty)
                add_loc(e, s, v, u->web[old].hreg, true, false);
            if ((e->written >> v & 1) && s->kind != SITE_INTERP && emit_hreg(e, new) != X64_NONE &&
                is_wanted(e, new))
                add_loc(e, s, v, u->web[new].hreg, false, true);
        }
    }
    e->first_site = u->nr_sites;
}

unsigned emit_site(struct emit *e, enum jit_site_kind kind)
{
    struct jit_unit *u = e->u;
    const struct ir *r = &u->ir[e->at];
    const struct jit_block *b = &u->block[e->block];

    if (u->nr_sites == JIT_MAX_SITES) {
        u->failed = true;
        return 0;
    }
    u->site[u->nr_sites] = (struct jit_site){
        .kind = (uint8_t)kind,
        .insns_after = (int16_t)(b->nr - (r->gi - b->first)),
        .insn = r->gi,
        .pc = u->insn[r->gi].va,
        .flags = u->flag_state[r->flags],
    };
    return u->nr_sites++;
}

void emit_site_stub(struct emit *e, unsigned site, uint8_t *from, int va_reg)
{
    struct emit_stub *s = emit_stub(e, STUB_SITE);

    s->from = from;
    s->site = (uint16_t)site;
    s->va_reg = (uint8_t)va_reg;
}

void emit_pointer(struct emit *e, bool link, unsigned index)
{
    x64_byte(e->b, 0x48);
    x64_byte(e->b, 0xb8);
    x64_u64(e->b, 0);
    if (e->nr_pointers == ARRAY_LEN(e->pointer)) {
        e->u->failed = true;
        return;
    }
    e->pointer[e->nr_pointers].at = e->b->p - 8;
    e->pointer[e->nr_pointers].link = link;
    e->pointer[e->nr_pointers++].index = (uint16_t)index;
}

/* --- The loop ------------------------------------------------------------------------------------------------------- */

/* Those that C functions and thunks may change and that hold something: to the frame, or back. */
static void live_registers(struct emit *e, bool store)
{
    static const uint32_t changed =
        1u << RBX | 1u << RSI | 1u << RDI | 1u << R8 | 1u << R9 | 1u << R10 | 1u << R11;
    const struct jit_unit *u = e->u;

    for (unsigned i = 0; i < u->nr_webs; i++) {
        const struct jit_web *w = &u->web[i];
        if (w->hreg == X64_NONE || !(jit_bit(u, u->live, i, e->at) || jit_bit(u, u->held, i, e->at)))
            continue;
        const struct x64_mem v = x64_at(CPU, CPU_AT(jit_hot.vframe) + w->hreg * 16);
        const struct x64_mem g = x64_at(CPU, CPU_AT(jit_hot.frame) + w->hreg * 8);
        if (w->vec && store)
            emit_vstore(e, v, w->hreg);
        else if (w->vec)
            emit_vload(e, w->hreg, v);
        else if (!(changed >> w->hreg & 1))
            continue;
        else if (store)
            x64_store(e->b, X_64, g, w->hreg);
        else
            x64_load(e->b, X_64, w->hreg, g);
    }
}

static void emit_operation(struct emit *e, const struct ir *r)
{
    if (!(r->fl & (IRF_KEEP | IRF_NEAR)) && r->op != IR_FSAVE && r->op != IR_FHOST)
        e->host = HF_NONE;
    switch (r->op) {
    case IR_INTERP: {
        const unsigned site = emit_site(e, SITE_INTERP);
        emit_pointer(e, false, site);
        x64_jmp_to(e->b, e->b->start - e->u->code_at +
                             (e->u->uses_vectors ? e->u->j->slow_vector : e->u->j->slow));
        e->dirty = 0;
        /* It comes back here, before what it wrote is fetched from home. */
        e->u->site[site].retry = (uint32_t)(e->b->p - e->b->start);
        break;
    }
    case IR_HOME: found_at_home(e, r->d); break;
    case IR_PAUSE:
        for (unsigned i = 0; i < r->aux; i++) {
            x64_byte(e->b, 0xf3);
            x64_byte(e->b, 0x90);
        }
        break;
    case IR_FENCE: /* lock or dword [rsp - 8], 0: cheaper than MFENCE, and as good for ordinary memory */
        x64_byte(e->b, 0xf0);
        x64_alu_mi(e->b, ALU_OR, X_32, x64_at(RSP, -8), 0);
        break;
    case IR_WFI:
        live_registers(e, true);
        x64_call_to(e->b, e->b->start - e->u->code_at + e->u->j->wfi);
        live_registers(e, false);
        break;
    case IR_FSAVE:
        if (r->a == VAR_ZERO)
            x64_store_imm(e->b, X_64, x64_at(CPU, CPU_AT(jit_hot.flag_static) + (int32_t)r->aux * 8), 0);
        else
            x64_store(e->b, X_64, x64_at(CPU, CPU_AT(jit_hot.flag_static) + (int32_t)r->aux * 8),
                      emit_use(e, r->a, SCRATCH));
        break;
    case IR_FHOST: emit_flags_save(e, CPU_AT(jit_hot.flag_static)); break;
    case IR_CCMP:
    case IR_CCMN: emit_ccmp(e, r); break;
    default:
        if (!emit_integer(e, r) && !emit_memory_op(e, r) && !emit_atomic(e, r) && !emit_pac(e, r) &&
            !emit_crypto(e, r) && !emit_vector(e, r) && !emit_float(e, r))
            BUG("the translator has no code for %s", ir_name[r->op]);
    }
}

static void emit_block(struct emit *e, uint16_t k)
{
    const struct jit_unit *u = e->u;
    const struct jit_block *b = &u->block[k];

    e->block = k;
    e->gi = b->first;
    for (e->at = b->ir_first; e->at < b->ir_end && !u->failed && !e->b->full; e->at++) {
        const struct ir *r = &u->ir[e->at];
        if (r->op == IR_LABEL) {
            emit_block_start(e, k);
            jit_zeros_at(u, k, e->zeros);
            memcpy(e->now_before, e->now, sizeof(e->now));
            e->dirty_before = e->dirty;
            e->written = 0;
            continue;
        }
        const bool ends = ir_traits[r->op] & IRT_T;
        if (ends || r->gi != e->gi) {
            e->at--; /* the gap behind the operation before */
            finish_sites(e);
            e->at++;
        }
        if (r->gi != e->gi) {
            e->gi = r->gi;
            memcpy(e->now_before, e->now, sizeof(e->now));
            e->dirty_before = e->dirty;
            e->written = 0;
        }
        if (ends)
            emit_end(e, r);
        else
            emit_operation(e, r);
        jit_zeros_behind(u, r, e->zeros);
    }
}

void jit_emit(struct jit_unit *u)
{
    if (!u->emit && !(u->emit = malloc(sizeof(*u->emit)))) {
        u->failed = true;
        return;
    }
    struct emit *e = u->emit;
    memset(e, 0, offsetof(struct emit, fixup));
    e->u = u;
    e->b = &u->buf;
    e->has_bmi2 = u->j->host & JIT_HOST_BMI2;
    e->has_lzcnt = u->j->host & JIT_HOST_LZCNT;
    u->nr_sites = u->nr_links = u->nr_entries = u->nr_locs = 0;
    u->uses_vectors = u->uses_fp = false;
    for (unsigned i = 0; i < u->nr_webs; i++)
        u->uses_vectors |= u->web[i].vec && u->web[i].hreg != X64_NONE;
    for (unsigned i = 0; i < u->nr_ir; i++)
        u->uses_fp |= ir_is_float(&u->ir[i]);
    find_dirty(e);
    for (unsigned n = 0; n < u->nr_blocks && !u->failed; n++)
        emit_block(e, u->order[n]);
    if (!u->failed)
        emit_stubs(e);
    for (unsigned i = 0; i < e->nr_fixups && !e->b->full && !u->failed; i++)
        x64_patch_rel32(e->fixup[i].at, e->label[e->fixup[i].block]);
    u->nr_pointers = e->nr_pointers;
    for (unsigned i = 0; i < e->nr_pointers && !u->failed; i++) {
        u->pointer[i].at = (uint32_t)(e->pointer[i].at - e->b->start);
        u->pointer[i].link = e->pointer[i].link;
        u->pointer[i].index = e->pointer[i].index;
    }
    u->failed |= e->b->full;
}
