/* Loads, stores and probes: the soft TLB's check in line, the rest out of the way.
 *
 * The check, with the address in A: the entry is that of A's page; its tag must be the page of the last byte together with the context. So one
 * compare says that the page is mapped, that the access is allowed, and that it does not cross into the next one. */
#include "cpu/jit/emit.h"

/* Of an access that is compared with the region's block. */
#define DISP_MAX (1 << 24)

#define PAGE_MASK (-(int32_t)TLB_PAGE_SIZE)

_Static_assert(sizeof(struct tlb_entry) == 32 && TLB_PAGE_SHIFT == 12, "index_entry()");

/* An address as the host can form it, and in a register where that is what it takes. */
struct where {
    struct x64_mem mem; /* base and perhaps index and displacement */
    bool simple;        /* mem is a register alone */
};

static bool small(int64_t imm)
{
    return imm == (int32_t)imm;
}

/* a + (b << scale) + imm: a base in SCRATCH and an index in SCRATCH2 where they have no registers of their own. */
static struct where address(struct emit *e, const struct ir *r)
{
    struct where w = {.mem = x64_at(X64_NONE, 0)};

    if (r->a == VAR_NONE) {
        x64_mov_ri(e->b, SCRATCH, (uint64_t)r->imm);
        w.mem = x64_at(SCRATCH, 0);
    } else {
        const int base = emit_use(e, r->a, SCRATCH);
        w.mem = x64_at(base, 0);
        if (small(r->imm)) {
            w.mem.disp = (int32_t)r->imm;
        } else {
            x64_mov_ri(e->b, SCRATCH2, (uint64_t)r->imm);
            x64_lea(e->b, X_64, SCRATCH, x64_at_index(base, SCRATCH2, 0, 0));
            w.mem = x64_at(SCRATCH, 0);
        }
    }
    if (r->b != VAR_NONE) {
        int index = emit_use(e, r->b, SCRATCH2);
        if (r->scale > 3) {
            if (index != SCRATCH2)
                x64_mov_rr(e->b, X_64, SCRATCH2, index);
            x64_shift_ri(e->b, SH_SHL, X_64, SCRATCH2, r->scale);
            index = SCRATCH2;
        }
        w.mem.index = (int8_t)index;
        w.mem.shift = r->scale > 3 ? 0 : r->scale;
    }
    w.simple = r->b == VAR_NONE && !w.mem.disp;
    return w;
}

/* The address in a register. */
static int address_in_register(struct emit *e, const struct ir *r)
{
    const struct where w = address(e, r);

    if (w.simple)
        return w.mem.base;
    x64_lea(e->b, X_64, SCRATCH, w.mem);
    return SCRATCH;
}

/* SCRATCH3 = the offset of va's entry in the TLB. */
static void index_entry(struct emit *e, int va)
{
    if (e->has_bmi2) {
        x64_vex_rrr(e->b, 0xf23a0ff0, false, false, SCRATCH3, 0, va); /* RORX */
        x64_byte(e->b, TLB_PAGE_SHIFT - 5);
    } else {
        x64_mov_rr(e->b, X_32, SCRATCH3, va);
        x64_shift_ri(e->b, SH_SHR, X_32, SCRATCH3, TLB_PAGE_SHIFT - 5);
    }
    x64_alu_ri(e->b, ALU_AND, X_32, SCRATCH3, (int32_t)((TLB_ENTRIES - 1) * sizeof(struct tlb_entry)));
    x64_alu_rm(e->b, ALU_XOR, X_32, SCRATCH3, x64_at(CPU, CPU_AT(tlb_space)));
}

/* Where a check jumps to when it fails: one or two rel32. */
struct misses {
    uint8_t *at[2];
};

/* The check of len bytes from va on, which must be aligned to align bytes (1: need not). SCRATCH3 is the entry's offset afterwards. */
static struct misses check(struct emit *e, const struct ir *r, int va, unsigned len, unsigned align,
                           bool write)
{
    struct misses m = {{NULL, NULL}};

    if (align > 8) { /* bit 3 of a tag is the context's */
        x64_test_ri(e->b, X_8, va, (int32_t)align - 1);
        m.at[1] = x64_jcc(e->b, CC_NE);
        align = 1;
    }
    index_entry(e, va);
    if (align > 1 && len > align) { /* a pair: its second half tells the page, aligned as the first */
        x64_lea(e->b, X_64, SCRATCH2, x64_at(va, (int32_t)(len - align)));
        x64_alu_ri(e->b, ALU_AND, X_64, SCRATCH2, PAGE_MASK | (int32_t)(align - 1));
    } else if (align > 1 || len == 1) {
        x64_mov_rr(e->b, X_64, SCRATCH2, va);
        x64_alu_ri(e->b, ALU_AND, X_64, SCRATCH2, PAGE_MASK | (int32_t)(align - 1));
    } else {
        x64_lea(e->b, X_64, SCRATCH2, x64_at(va, (int32_t)len - 1));
        x64_alu_ri(e->b, ALU_AND, X_64, SCRATCH2, PAGE_MASK);
    }
    x64_alu_rm(e->b, ALU_OR, X_64, SCRATCH2,
               x64_at(CPU, r->fl & IRF_USER ? CPU_AT(tlb_ctx_el0) : CPU_AT(tlb_ctx)));
    x64_alu_rm(e->b, ALU_CMP, X_64, SCRATCH2,
               x64_at_index(CPU, SCRATCH3, 0, write ? CPU_AT(tlb[0].tag_w) : CPU_AT(tlb[0].tag_r)));
    m.at[0] = x64_jcc(e->b, CC_NE);
    return m;
}

static void addend_to(struct emit *e, int reg)
{
    x64_load(e->b, X_64, reg, x64_at_index(CPU, SCRATCH3, 0, CPU_AT(tlb[0].addend)));
}

static void load_extended(struct emit *e, const struct ir *r, int d, struct x64_mem m)
{
    static const struct {
        uint32_t op;
        uint8_t wide;
    } how[4][3] = {
        {{0x0fb6, X_32}, {0x0fbe, X_64}, {0x0fbe, X_32}},
        {{0x0fb7, X_32}, {0x0fbf, X_64}, {0x0fbf, X_32}},
        {{0x8b, X_32}, {0x63, X_64}, {0x8b, X_32}},
        {{0x8b, X_64}, {0x8b, X_64}, {0x8b, X_64}},
    };

    x64_rm(e->b, how[r->sz][r->ext].op, (enum x64_width)how[r->sz][r->ext].wide, d, m);
}

static const enum x64_width store_width[4] = {X_8, X_16, X_32, X_64};

/* scratch may be needed for the value. */
static void store_value(struct emit *e, const struct ir *r, struct x64_mem m, int scratch)
{
    if (r->c == VAR_ZERO)
        x64_store_imm(e->b, store_width[r->sz], m, 0);
    else
        x64_store(e->b, store_width[r->sz], m, emit_use(e, r->c, scratch));
}

static unsigned alignment(const struct emit *e, const struct ir *r)
{
    return (r->fl & IRF_ALIGNED) || (e->u->mode & MODE_ALIGN) ? 1u << r->sz : 1;
}

static void to_slow(struct emit *e, unsigned site, const struct misses *m, int va)
{
    for (unsigned i = 0; i < ARRAY_LEN(m->at); i++)
        if (m->at[i])
            emit_site_stub(e, site, m->at[i], va);
}

static struct misses check_or_slow(struct emit *e, const struct ir *r, int va, unsigned len, bool write)
{
    return e->u->j->opt.slow_memory ? (struct misses){{x64_jmp(e->b), NULL}}
                                    : check(e, r, va, len, alignment(e, r), write);
}

int emit_checked(struct emit *e, const struct ir *r, bool write)
{
    const int va = address_in_register(e, r);
    const struct misses m = check_or_slow(e, r, va, 1u << r->sz, write);

    to_slow(e, emit_site(e, SITE_MEMORY), &m, X64_NONE);
    addend_to(e, SCRATCH3);
    return va;
}

/* --- Vectors: the low 1 << sz bytes, the rest zero ------------------------------------------------------------------ */

static void vector_from(struct emit *e, unsigned sz, int d, struct x64_mem m)
{
    static const uint32_t movd = 0x66003f6e, movq = 0xf3002f7e;

    switch (sz) {
    case 0:
    case 1:
        x64_load(e->b, sz ? X_16 : X_8, SCRATCH, m);
        emit_vex(e, movd, false, d, 0, SCRATCH);
        break;
    case 2:
    case 3: emit_vex_mem(e, sz == 2 ? movd : movq, d, m); break;
    default: emit_vload(e, d, m); break;
    }
}

/* scratch: no part of m. */
static void vector_to(struct emit *e, unsigned sz, struct x64_mem m, int s, int scratch)
{
    static const uint32_t movd = 0x66003f7e, movq = 0x66002fd6;

    switch (sz) {
    case 0:
    case 1:
        emit_vex(e, movd, false, s, 0, scratch);
        x64_store(e->b, sz ? X_16 : X_8, m, scratch);
        break;
    case 2:
    case 3: emit_vex_mem(e, sz == 2 ? movd : movq, s, m); break;
    default: emit_vstore(e, m, s); break;
    }
}

/* --- Accesses ------------------------------------------------------------------------------------------------------- */

static bool is_store(const struct ir *r)
{
    return r->op == IR_PROBE ? r->ext : !(ir_traits[r->op] & IRT_D);
}

static unsigned length(const struct ir *r)
{
    return r->op == IR_PROBE ? r->aux : 1u << r->sz;
}

/* The host instruction, which may use scratch besides the registers of m. A probe has none. */
static void access(struct emit *e, const struct ir *r, struct x64_mem m, int scratch)
{
    switch (r->op) {
    case IR_LD:
    case IR_LDRAM:
    case IR_LDK: load_extended(e, r, emit_def(e, r->d, scratch), m); break;
    case IR_ST:
    case IR_STRAM:
    case IR_STK: store_value(e, r, m, scratch); break;
    case IR_VLD:
    case IR_VLDRAM:
    case IR_VLDK: vector_from(e, r->sz, emit_vdef(e, r->d, VSCRATCH), m); break;
    case IR_VST:
    case IR_VSTRAM:
    case IR_VSTK: vector_to(e, r->sz, m, emit_vuse(e, r->c, VSCRATCH), scratch); break;
    default: break;
    }
}

static void accessed(struct emit *e, const struct ir *r, int scratch)
{
    if (ir_traits[r->op] & IRT_V)
        emit_vdefined(e, r->d, emit_vdef(e, r->d, VSCRATCH));
    else if (ir_traits[r->op] & IRT_D)
        emit_defined(e, r->d, emit_def(e, r->d, scratch));
}

/* Of an access that begins at retry, and can begin there again. */
static unsigned new_site(struct emit *e, const struct ir *r, uint32_t retry)
{
    const unsigned site = emit_site(e, r->op == IR_PROBE ? SITE_PROBE : SITE_MEMORY);
    struct jit_site *s = &e->u->site[site];

    s->retry = retry;
    s->len = r->fl & IRF_USER ? 0 : (uint16_t)length(r);
    s->write = is_store(r);
    s->align = (uint8_t)alignment(e, r);
    s->group = r->op == IR_PROBE && r->cc;
    return site;
}

void jit_find_ram_block(struct jit_unit *u)
{
    struct tlb_block b;

    u->ram_block = (struct tlb_block){.len = 0};
    if (u->j->opt.slow_memory || !tlb_find_block(u->c, (int64_t)u->insn[0].va < 0, &b))
        return;
    /* With an instruction's displacement, its ends have to be within reach of the host's. */
    const int64_t addend = (int64_t)b.addend, lo = (int64_t)b.va;
    if (b.len <= INT32_MAX && small(lo + DISP_MAX) && small(lo - DISP_MAX) &&
        small(addend + DISP_MAX) && small(addend - DISP_MAX))
        u->ram_block = b;
}

/* The access by a comparison with the bounds of the region's block, in which misaligned addresses are out of bounds; what lies outside goes
 * by the TLB after all. False: it can't be done so. */
static bool block_access(struct emit *e, const struct ir *r)
{
    const struct tlb_block *b = &e->u->ram_block;
    const unsigned align = alignment(e, r), len = length(r);
    const uint32_t retry = (uint32_t)(e->b->p - e->b->start);

    if (!b->len || (r->fl & IRF_USER) || (align > 1 && len % align))
        return false;
    const struct where w = address(e, r);
    struct x64_mem offset = w.mem, host = w.mem;
    if (w.mem.disp > DISP_MAX || w.mem.disp < -DISP_MAX) {
        x64_lea(e->b, X_64, SCRATCH, w.mem);
        offset = host = x64_at(SCRATCH, 0);
    }
    const struct x64_mem va = host;
    offset.disp -= (int32_t)b->va;
    host.disp += (int32_t)b->addend;
    x64_lea(e->b, X_64, SCRATCH3, offset);
    const unsigned shift = (unsigned)__builtin_ctz(align);
    if (shift)
        x64_shift_ri(e->b, SH_ROR, X_64, SCRATCH3, shift);
    x64_alu_ri(e->b, ALU_CMP, X_64, SCRATCH3, (int32_t)((b->len - len) >> shift));
    struct emit_stub *s = emit_stub(e, STUB_MEMORY);
    s->from = x64_jcc(e->b, CC_A);
    s->site = (uint16_t)new_site(e, r, retry);
    s->at = (uint16_t)e->at;
    s->mem = va;
    if (r->op == IR_PROBE)
        x64_lea(e->b, X_64, emit_def(e, r->d, SCRATCH3), host);
    else
        access(e, r, host, SCRATCH3);
    s->back = e->b->p;
    accessed(e, r, SCRATCH3);
    return true;
}

void emit_memory_stub(struct emit *e, const struct emit_stub *s)
{
    const struct ir *r = &e->u->ir[s->at];

    x64_lea(e->b, X_64, SCRATCH, s->mem);
    const struct misses m = check(e, r, SCRATCH, length(r), alignment(e, r), is_store(r));
    addend_to(e, SCRATCH3);
    if (r->op == IR_PROBE) {
        x64_lea(e->b, X_64, emit_def(e, r->d, SCRATCH3), x64_at_index(SCRATCH, SCRATCH3, 0, 0));
    } else if (is_store(r)) {
        x64_lea(e->b, X_64, SCRATCH, x64_at_index(SCRATCH, SCRATCH3, 0, 0));
        access(e, r, x64_at(SCRATCH, 0), SCRATCH3);
    } else { /* where accessed() looks for it */
        access(e, r, x64_at_index(SCRATCH, SCRATCH3, 0, 0), SCRATCH3);
    }
    x64_jmp_to(e->b, s->back);
    for (unsigned i = 0; i < ARRAY_LEN(m.at); i++)
        if (m.at[i])
            x64_patch_here(e->b, m.at[i]);
    x64_mov_rr(e->b, X_64, SCRATCH2, SCRATCH);
    emit_to_site(e, s->site);
}

/* The address in the register that is returned, SCRATCH3 the entry's addend. */
static int checked_by_tlb(struct emit *e, const struct ir *r)
{
    const uint32_t retry = (uint32_t)(e->b->p - e->b->start);
    const int va = address_in_register(e, r);
    const struct misses m = check_or_slow(e, r, va, length(r), is_store(r));

    to_slow(e, new_site(e, r, retry), &m, va);
    addend_to(e, SCRATCH3);
    return va;
}

static void probe_by_tlb(struct emit *e, const struct ir *r)
{
    const int va = checked_by_tlb(e, r);
    const int d = emit_def(e, r->d, SCRATCH2);
    x64_lea(e->b, X_64, d, x64_at_index(va, SCRATCH3, 0, 0));
    emit_defined(e, r->d, d);
}

static void access_by_tlb(struct emit *e, const struct ir *r)
{
    struct x64_mem m = x64_at_index(checked_by_tlb(e, r), SCRATCH3, 0, 0);
    int scratch = SCRATCH2;

    if (r->op == IR_VST) { /* whose value may need a register */
        x64_lea(e->b, X_64, SCRATCH2, m);
        m = x64_at(SCRATCH2, 0);
        scratch = SCRATCH3;
    }
    access(e, r, m, scratch);
    accessed(e, r, scratch);
}

static void checked_access(struct emit *e, const struct ir *r)
{
    if (block_access(e, r))
        return;
    if (r->op == IR_PROBE)
        probe_by_tlb(e, r);
    else
        access_by_tlb(e, r);
}

/* Without a check: the entry has made it. */
static void ram_access(struct emit *e, const struct ir *r)
{
    struct x64_mem host = address(e, r).mem;

    host.disp += (int32_t)e->u->ram_block.addend;
    if (r->op == IR_HOSTRAM)
        x64_lea(e->b, X_64, emit_def(e, r->d, SCRATCH3), host);
    else
        access(e, r, host, SCRATCH3);
    accessed(e, r, SCRATCH3);
}

static void known_access(struct emit *e, const struct ir *r)
{
    access(e, r, x64_at(emit_use(e, r->h, SCRATCH2), (int32_t)r->imm), SCRATCH3);
    accessed(e, r, SCRATCH3);
}

static void guard(struct emit *e, const struct ir *r)
{
    const enum x64_width w = r->sz ? X_32 : X_8;

    x64_rm(e->b, r->sz ? 0xf7 : 0xf6, w, 0, x64_at(CPU, (int32_t)r->imm)); /* TEST */
    if (r->sz)
        x64_u32(e->b, r->aux);
    else
        x64_byte(e->b, r->aux);
    to_slow(e, emit_site(e, SITE_MEMORY),
            &(struct misses){{x64_jcc(e->b, r->ext ? CC_E : CC_NE), NULL}}, X64_NONE);
}

static void help(struct emit *e, const struct ir *r)
{
    const struct jit *j = e->u->j;
    const int a = emit_use(e, r->a, RCX);

    if (a != RCX)
        x64_mov_rr(e->b, X_64, RCX, a);
    const int b = emit_use(e, r->b, RDX);
    if (b != RDX)
        x64_mov_rr(e->b, X_64, RDX, b);
    x64_mov_ri(e->b, RAX, r->aux);
    x64_call_to(e->b, e->b->start - e->u->code_at + (e->u->uses_vectors ? j->help_vector : j->help));
    const int d = emit_def(e, r->d, RAX);
    if (d != RAX)
        x64_mov_rr(e->b, X_64, d, RAX);
    emit_defined(e, r->d, d);
}

bool emit_memory_op(struct emit *e, const struct ir *r)
{
    switch (r->op) {
    case IR_LD:
    case IR_ST:
    case IR_VLD:
    case IR_VST:
    case IR_PROBE: checked_access(e, r); return true;
    case IR_LDRAM:
    case IR_STRAM:
    case IR_VLDRAM:
    case IR_VSTRAM:
    case IR_HOSTRAM: ram_access(e, r); return true;
    case IR_LDK:
    case IR_STK:
    case IR_VLDK:
    case IR_VSTK: known_access(e, r); return true;
    case IR_LDC: {
        const int d = emit_def(e, r->d, SCRATCH);
        x64_load(e->b, emit_width(r), d, x64_at(CPU, (int32_t)r->imm));
        emit_defined(e, r->d, d);
        return true;
    }
    case IR_STC:
        x64_store(e->b, emit_width(r), x64_at(CPU, (int32_t)r->imm), emit_use(e, r->a, SCRATCH));
        return true;
    case IR_GUARD: guard(e, r); return true;
    case IR_HELP: help(e, r); return true;
    case IR_SPCHK:
        x64_test_ri(e->b, X_8, emit_use(e, r->a, SCRATCH), 15);
        to_slow(e, emit_site(e, SITE_MEMORY), &(struct misses){{x64_jcc(e->b, CC_NE), NULL}}, X64_NONE);
        return true;
    default: return false;
    }
}
