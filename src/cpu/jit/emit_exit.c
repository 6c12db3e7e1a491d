/* The ends of blocks, the ways out of a region, and the code behind it that is seldom run. */
#include "cpu/jit/emit.h"

#include <string.h>

static void load_pointer_and_jump(struct emit *e, bool link, unsigned index, uint32_t thunk, bool call)
{
    emit_pointer(e, link, index);
    const uint8_t *to = e->b->start - e->u->code_at + thunk;
    if (call)
        x64_call_to(e->b, to);
    else
        x64_jmp_to(e->b, to);
}

static const uint8_t *thunk(const struct emit *e, uint32_t at)
{
    return e->b->start - e->u->code_at + at;
}

static void to_label(struct emit *e, uint8_t *at, uint16_t block)
{
    if (e->nr_fixups == ARRAY_LEN(e->fixup)) {
        e->u->failed = true;
        return;
    }
    e->fixup[e->nr_fixups].at = at;
    e->fixup[e->nr_fixups++].block = block;
}

static void jump_to(struct emit *e, uint16_t block)
{
    if (e->label[block])
        x64_jmp_to(e->b, e->label[block]);
    else
        to_label(e, x64_jmp(e->b), block);
}

struct emit_stub *emit_stub(struct emit *e, enum stub_kind kind)
{
    if (e->nr_stubs == MAX_STUBS) {
        e->u->failed = true;
        e->nr_stubs--;
    }
    struct emit_stub *s = &e->stub[e->nr_stubs++];
    memset(s, 0, offsetof(struct emit_stub, hreg));
    s->kind = kind;
    return s;
}

/* --- Leaving -------------------------------------------------------------------------------------------------------- */

/* A stub needs to know what is where now. */
static void note_registers(const struct emit *e, struct emit_stub *s)
{
    s->dirty = e->dirty;
    for (uint64_t m = e->dirty; m; m &= m - 1) {
        const unsigned v = (unsigned)__builtin_ctzll(m);
        s->hreg[v] = (int8_t)emit_hreg(e, e->now[v]);
    }
}

static void store_home(struct emit *e, unsigned var, int hreg)
{
    if (var >= VAR_V0)
        emit_vstore(e, x64_at(CPU, emit_home((var_t)var)), hreg);
    else
        x64_store(e->b, X_64, x64_at(CPU, emit_home((var_t)var)), hreg);
}

/* From here on no guest register is where e->now says. */
static void registers_home(struct emit *e, const struct emit_stub *s)
{
    for (uint64_t m = s->dirty; m; m &= m - 1)
        store_home(e, (unsigned)__builtin_ctzll(m), s->hreg[__builtin_ctzll(m)]);
    memset(e->now, 0xff, sizeof(e->now));
    e->dirty = 0;
}

/* Everything home; the flags dynamic. */
static void all_home(struct emit *e, const struct emit_stub *s)
{
    if (s->host != HF_NONE) {
        e->host = s->host;
        emit_flags_save(e, CPU_AT(jit_hot.flag_a));
        x64_store_imm(e->b, X_32, x64_at(CPU, CPU_AT(jit_hot.flag_kind)), FLAG_HOST);
    }
    registers_home(e, s);
    if (s->host == HF_NONE)
        emit_flags_dynamic(e, &e->u->flag_state[s->flags]);
}

/* The stamp of the half of the address space that va lies in. */
static int32_t stamp_of(gva_t va)
{
    return CPU_AT(jit_hot.stamp) + ((int64_t)va < 0 ? 0 : 4);
}

/* Goes to a guest address, linked to its region once there is one. */
static void link_to(struct emit *e, gva_t target, bool call)
{
    struct jit_unit *u = e->u;

    if (u->nr_links == ARRAY_LEN(u->link)) {
        u->failed = true;
        return;
    }
    const unsigned index = u->nr_links++;
    struct jit_link *l = &u->link[index];
    *l = (struct jit_link){.target = target, .is_call = call};
    x64_alu_mi(e->b, ALU_CMP, X_32, x64_at(CPU, stamp_of(target)), 0x7fffffff);
    l->guard = (uint32_t)(e->b->p - e->b->start) - 4;
    if (call) {
        struct emit_stub *s = emit_stub(e, STUB_LINK);
        s->from = x64_jcc(e->b, CC_NE);
        s->index = (uint16_t)index;
        x64_call_to(e->b, e->b->p);
        l->jump = (uint32_t)(e->b->p - e->b->start) - 4;
        s->back = e->b->p;
        return;
    }
    uint8_t *slow = x64_jcc8(e->b, CC_NE);
    x64_jmp_to(e->b, e->b->p);
    l->jump = (uint32_t)(e->b->p - e->b->start) - 4;
    x64_patch8_here(e->b, slow);
    l->slow = (uint32_t)(e->b->p - e->b->start);
    load_pointer_and_jump(e, true, index, u->j->link, false);
}

static void leave_at(struct emit *e, gva_t pc, enum jit_exit why)
{
    x64_mov_ri(e->b, SCRATCH, pc);
    x64_store(e->b, X_64, x64_at(CPU, CPU_AT(st.pc)), SCRATCH);
    x64_store_imm(e->b, X_32, x64_at(CPU, CPU_AT(jit_hot.exit)), (int32_t)why);
    x64_jmp_to(e->b, thunk(e, e->u->j->leave));
}

static void give_back(struct emit *e, unsigned insns)
{
    if (insns)
        x64_lea(e->b, X_64, BUDGET, x64_at(BUDGET, (int32_t)insns));
}

/* RAX: the guest address. Looks it up among those that were gone to before: in this half of the address space, which is where code goes to. One of the other
 * half has another stamp. */
static void indirect(struct emit *e, unsigned btype, bool call)
{
    const int32_t table = CPU_AT(jit_hot.target);

    x64_lea(e->b, X_32, RCX, (struct x64_mem){.base = X64_NONE, .index = RAX, .shift = 3});
    x64_alu_ri(e->b, ALU_AND, X_32, RCX, (int32_t)((JIT_NR_TARGETS - 1) * sizeof(struct jit_target)));
    x64_load(e->b, X_32, RDX, x64_at(CPU, stamp_of(e->u->start)));
    x64_alu_rm(e->b, ALU_CMP, X_64, RAX,
               x64_at_index(CPU, RCX, 0, table + (int32_t)offsetof(struct jit_target, va)));
    struct emit_stub *miss = emit_stub(e, STUB_LOOKUP);
    miss->from = x64_jcc(e->b, CC_NE);
    miss->index = (uint16_t)btype;
    x64_alu_rm(e->b, ALU_CMP, X_32, RDX,
               x64_at_index(CPU, RCX, 0, table + (int32_t)offsetof(struct jit_target, stamp)));
    miss->from2 = x64_jcc(e->b, CC_NE);
    const struct x64_mem code =
        x64_at_index(CPU, RCX, 0, table + (int32_t)offsetof(struct jit_target, code));
    x64_rm(e->b, 0xff, X_32, call ? 2 : 4, code);
    if (call)
        miss->back = e->b->p;
}

/* --- Entering ------------------------------------------------------------------------------------------------------- */

/* It is not as the region takes for granted: back to the interpreter. */
static void leave_outside(struct emit *e, uint16_t k)
{
    x64_store_imm(e->b, X_32, x64_at(CPU, CPU_AT(jit_hot.outside)),
                  (int32_t)(e->u->code_at + (uint32_t)(e->b->p - e->b->start)));
    leave_at(e, e->u->block[k].va, JIT_EXIT_OUTSIDE);
}

/* Goes on if the offset in scratch from the block's first byte, and as many bytes, are in the block. */
static void look_at_offset(struct emit *e, uint16_t k, int scratch, int64_t bytes)
{
    x64_alu_ri(e->b, ALU_CMP, X_64, scratch, (int32_t)((int64_t)e->u->ram_block.len - bytes));
    uint8_t *inside = x64_jcc8(e->b, CC_BE);
    leave_outside(e, k);
    x64_patch8_here(e->b, inside);
}

static void look_at_base(struct emit *e, uint16_t k, const struct jit_base *base)
{
    const int64_t first = base->lo - (int64_t)e->u->ram_block.va;

    x64_load(e->b, X_64, SCRATCH, x64_at(CPU, emit_home(base->var)));
    x64_lea(e->b, X_64, SCRATCH, x64_at(SCRATCH, (int32_t)first));
    look_at_offset(e, k, SCRATCH, base->hi - base->lo);
    if (base->limit == VAR_NONE)
        return;
    /* Neither is more than the block's length: their sum is what it seems. */
    x64_load(e->b, base->limit_sz == 3 ? X_64 : X_32, SCRATCH2, x64_at(CPU, emit_home(base->limit)));
    look_at_offset(e, k, SCRATCH2, 0);
    x64_lea(e->b, X_64, SCRATCH, x64_at_index(SCRATCH, SCRATCH2, base->scale, 0));
    look_at_offset(e, k, SCRATCH, base->hi - base->lo);
}

/* Whether the region's bases and SP are what it takes for granted. */
static void look_at_bases(struct emit *e, uint16_t k)
{
    const struct jit_unit *u = e->u;

    if (u->sp_aligned) {
        x64_rm(e->b, 0xf6, X_8, 0, x64_at(CPU, emit_home(VAR_SP))); /* TEST byte */
        x64_byte(e->b, 15);
        uint8_t *aligned = x64_jcc8(e->b, CC_E);
        leave_outside(e, k);
        x64_patch8_here(e->b, aligned);
    }
    for (unsigned i = 0; i < u->nr_bases; i++)
        look_at_base(e, k, &u->base[i]);
}

/* From a state where all is home to what block k begins with: registers, flags. */
static void to_entry(struct emit *e, uint16_t k)
{
    const struct jit_unit *u = e->u;

    memset(e->now, 0xff, sizeof(e->now));
    look_at_bases(e, k);
    emit_flags_convert(e, &(struct flag_state){.form = FS_DYNAMIC}, &u->flags_in[k]);
    for (uint64_t m = u->held_in[k] & u->vars; m; m &= m - 1) {
        const unsigned v = (unsigned)__builtin_ctzll(m);
        const var_t web = u->block_web[k][v];
        if (web >= JIT_MAX_WEBS || u->web[web].hreg == X64_NONE ||
            !(u->web[web].lazy || (u->live_in[k] >> v & 1)))
            continue;
        if (u->web[web].vec)
            emit_vload(e, u->web[web].hreg, emit_memory(e, web));
        else
            x64_load(e->b, X_64, u->web[web].hreg, emit_memory(e, web));
    }
}

static void enter_block(struct emit *e, uint16_t k)
{
    to_entry(e, k);
    jump_to(e, k);
}

void emit_block_start(struct emit *e, uint16_t k)
{
    const struct jit_unit *u = e->u;
    const struct jit_block *b = &u->block[k];

    e->label[k] = e->b->p;
    e->host = HF_NONE;
    e->kind_stored = false;
    memcpy(e->now, u->block_web[k], sizeof(e->now));
    e->dirty = e->dirty_in[k];
    x64_alu_ri(e->b, ALU_SUB, X_64, BUDGET, b->nr);
    if (jit_may_leave_before(e->u, b)) {
        struct emit_stub *s = emit_stub(e, STUB_EVENT);
        s->from = x64_jcc(e->b, CC_L);
        s->block = k;
        s->insns = b->nr;
        s->target = b->va;
        s->flags = u->ir[e->at].flags;
        note_registers(e, s);
    }
}

/* --- Ends of blocks ------------------------------------------------------------------------------------------------- */

static uint16_t block_behind(const struct emit *e)
{
    const unsigned n = e->u->block[e->block].order + 1u;
    return n < e->u->nr_blocks ? e->u->order[n] : JIT_MAX_BLOCKS;
}

/* How things are at r, which leaves or may: into a stub that is cleared. */
static void exit_state(struct emit *e, const struct ir *r, struct emit_stub *s)
{
    s->flags = r->flags;
    note_registers(e, s);
    if (r->fl & IRF_NEAR)
        s->host = e->host;
}

/* The same for code that comes now. */
static struct emit_stub *state_now(struct emit *e, const struct ir *r)
{
    struct emit_stub *s = &e->now_leaving;

    memset(s, 0, offsetof(struct emit_stub, hreg));
    exit_state(e, r, s);
    return s;
}

/* On to a block of the region. */
static void flow_to(struct emit *e, uint16_t k)
{
    emit_flags_convert(e, &e->u->flags_out[e->block], &e->u->flags_in[k]);
    if (k != block_behind(e))
        jump_to(e, k);
}

/* One way of a conditional branch, which jumps there from the rel32 `from`. */
static void way_from(struct emit *e, const struct ir *r, uint8_t *from, uint32_t k, gva_t target)
{
    if (k != IR_NO_BLOCK && !emit_flags_differ(e, &e->u->flags_out[e->block], &e->u->flags_in[k])) {
        if (e->label[k])
            x64_patch_rel32(from, e->label[k]);
        else
            to_label(e, from, (uint16_t)k);
        return;
    }
    struct emit_stub *s = emit_stub(e, k == IR_NO_BLOCK ? STUB_EXIT : STUB_EDGE);
    exit_state(e, r, s);
    s->from = from;
    s->target = target;
    s->block = (uint16_t)k;
    s->flags_from = e->block;
    if (s->kind == STUB_EDGE)
        memcpy(s->now, e->now, sizeof(s->now));
    s->at = (uint16_t)e->at;
    s->kind_stored = e->kind_stored;
}

/* The other way, right behind the branch. */
static void way_on(struct emit *e, const struct ir *r, uint32_t k, gva_t target)
{
    if (k != IR_NO_BLOCK) {
        flow_to(e, (uint16_t)k);
        return;
    }
    all_home(e, state_now(e, r));
    link_to(e, target, false);
}

/* The kind of the flags for a block that tells by it, stored ahead of the branch if the other way does not mind, and is not the one that a loop goes. */
static void flags_ahead(struct emit *e, uint32_t k, uint32_t other)
{
    const struct jit_unit *u = e->u;

    if (k == IR_NO_BLOCK || u->flags_out[e->block].form != FS_STATIC || u->flags_in[k].form != FS_SELECT ||
        e->kind_stored || !jit_same_flags(&u->flags_out[e->block], &u->flags_in[k]))
        return;
    if (other != IR_NO_BLOCK &&
        (u->flags_in[other].form == FS_DYNAMIC || u->flags_in[other].form == FS_SELECT) &&
        !jit_same_flags(&u->flags_in[k], &u->flags_in[other]))
        return;
    if (other != IR_NO_BLOCK && u->block[other].depth > u->block[k].depth)
        return;
    x64_store_imm(e->b, X_32, x64_at(CPU, CPU_AT(jit_hot.flag_kind)), FLAG_STATIC);
    e->kind_stored = true;
}

/* A conditional compare and its branch: where the flags would be the constant, it is known which way that goes. */
static enum x64_cc fused_condition(struct emit *e, const struct ir *r)
{
    const bool taken = jit_condition_holds(r->cc, (r - 1)->aux);
    uint8_t *uncompared;
    const enum x64_cc cc = emit_fused_condition(e, r, &uncompared);

    way_from(e, r, uncompared, taken ? r->aux : r->aux2, r->target);
    return cc;
}

static void conditional(struct emit *e, const struct ir *r)
{
    struct jit_unit *u = e->u;
    const struct jit_insn *i = &u->insn[r->gi];
    const gva_t on = i->va + 4;
    enum x64_cc cc;

    flags_ahead(e, r->aux, r->aux2);
    flags_ahead(e, r->aux2, r->aux);
    switch (r->op) {
    case IR_BR: cc = r->fl & IRF_FUSED ? fused_condition(e, r) : emit_condition(e, r); break;
    case IR_BZ:
    case IR_BNZ: {
        const int a = emit_hreg(e, r->a);
        if (a != X64_NONE)
            x64_test_rr(e->b, emit_width(r), a, a);
        else
            x64_alu_mi(e->b, ALU_CMP, emit_width(r), emit_memory(e, r->a), 0);
        cc = r->op == IR_BZ ? CC_E : CC_NE;
        break;
    }
    default: {
        const int a = emit_hreg(e, r->a);
        const unsigned n = (unsigned)r->imm;
        if (a == X64_NONE) {
            struct x64_mem m = emit_memory(e, r->a);
            m.disp += (int32_t)(n / 8);
            x64_rm(e->b, 0xf6, X_8, 0, m); /* TEST byte */
            x64_byte(e->b, 1u << (n % 8));
            cc = CC_NE;
        } else if (n < 7) {
            x64_test_ri(e->b, X_8, a, 1 << n);
            cc = CC_NE;
        } else if (n < 31) {
            x64_test_ri(e->b, X_32, a, 1 << n);
            cc = CC_NE;
        } else if (n == 31 || n == 63) {
            x64_test_rr(e->b, n == 63 ? X_64 : X_32, a, a);
            cc = CC_S;
        } else {
            x64_rr(e->b, 0x0fba, X_64, 4, a); /* BT */
            x64_byte(e->b, n);
            cc = CC_B;
        }
        if (r->op == IR_TBZ)
            cc ^= 1;
        break;
    }
    }
    if (r->op != IR_BR)
        e->host = HF_NONE;
    const uint16_t behind = block_behind(e);
    if (r->aux != IR_NO_BLOCK && r->aux == behind) { /* the taken way comes next */
        way_from(e, r, x64_jcc(e->b, (enum x64_cc)(cc ^ 1)), r->aux2, on);
        way_on(e, r, r->aux, r->target);
    } else {
        way_from(e, r, x64_jcc(e->b, cc), r->aux, r->target);
        way_on(e, r, r->aux2, on);
    }
}

static void come_back(struct emit *e, const struct ir *r)
{
    x64_lea(e->b, X_64, RSP, x64_at(RSP, 8));
    if (r->aux != IR_NO_BLOCK && e->u->block[r->aux].entry) {
        to_entry(e, (uint16_t)r->aux);
        if (r->aux != block_behind(e))
            jump_to(e, (uint16_t)r->aux);
    } else
        link_to(e, r->target, false);
}

static void push_imm(struct emit *e, uint32_t imm)
{
    x64_byte(e->b, 0x68); /* PUSH, sign-extended */
    x64_u32(e->b, imm);
}

static void push_return(struct emit *e, gva_t va)
{
    if ((gva_t)(int32_t)va == va) {
        push_imm(e, (uint32_t)va);
        return;
    }
    x64_mov_ri(e->b, RCX, va);
    x64_push(e->b, RCX);
}

/* --- Calls ----------------------------------------------------------------------------------------------------------
 *
 * A call from region to region has everything at home on its way there and back, and pushes the return's guest address and host address. A
 * call within the region leaves registers where they are, and pushes the region's tag before. Where a frame of two words lies, the word
 * behind it is a host address, which no tag is: so the return knows who called. Another region's return takes frames by their guest address
 * alone: it has everything at home, and says so by ZF, which is clear then. RAX is all ones in that case, for who called enter() (emit_thunks.c). */

static void return_now(struct emit *e)
{
    x64_byte(e->b, 0xc3);
}

static void call_within(struct emit *e, const struct ir *r)
{
    struct jit_unit *u = e->u;
    const uint16_t callee = (uint16_t)r->aux2, back = (uint16_t)r->aux;

    emit_flags_convert(e, &u->flags_out[e->block], &u->flags_in[callee]);
    push_imm(e, u->call_tag);
    push_return(e, r->target);
    x64_call_to(e->b, e->b->p);
    if (!e->label[callee])
        to_label(e, e->b->p - 4, callee);
    else if (!e->b->full)
        x64_patch_rel32(e->b->p - 4, e->label[callee]);
    x64_lea(e->b, X_64, RSP, x64_at(RSP, 16));
    struct emit_stub *s = emit_stub(e, STUB_ENTER);
    s->from = x64_jcc(e->b, CC_NE);
    s->block = back;
    emit_flags_convert(e, &(struct flag_state){.form = FS_DYNAMIC}, &u->flags_in[back]);
    if (back != block_behind(e))
        jump_to(e, back);
}

/* To the guest address in a; all registers are where they are. */
static void return_within(struct emit *e, int a)
{
    x64_alu_mi(e->b, ALU_CMP, X_64, x64_at(RSP, 16), (int32_t)e->u->call_tag);
    uint8_t *outside = x64_jcc8(e->b, CC_NE);
    x64_alu_rm(e->b, ALU_CMP, X_64, a, x64_at(RSP, 8));
    uint8_t *elsewhere = x64_jcc8(e->b, CC_NE);
    return_now(e);
    x64_patch8_here(e->b, outside);
    x64_patch8_here(e->b, elsewhere);
}

/* A call by register to where it is likely to go: to there within the region, out of the way to elsewhere. */
static void call_likely(struct emit *e, const struct ir *r)
{
    const gva_t likely = e->u->block[r->aux2].va;
    const int a = emit_use(e, r->a, RDX);

    if ((gva_t)(int32_t)likely == likely) {
        x64_alu_ri(e->b, ALU_CMP, X_64, a, (int32_t)likely);
    } else {
        x64_mov_ri(e->b, RCX, likely);
        x64_alu_rr(e->b, ALU_CMP, X_64, a, RCX);
    }
    struct emit_stub *s = emit_stub(e, STUB_CALL);
    exit_state(e, r, s);
    s->from = x64_jcc(e->b, CC_NE);
    s->va_reg = (uint8_t)a;
    s->at = (uint16_t)e->at;
    e->host = HF_NONE;
    call_within(e, r);
}

static void call_elsewhere(struct emit *e, const struct emit_stub *s)
{
    const struct ir *r = &e->u->ir[s->at];

    if (s->va_reg != RDX)
        x64_mov_rr(e->b, X_64, RDX, s->va_reg);
    all_home(e, s); /* with RAX and RCX */
    x64_mov_rr(e->b, X_64, RAX, RDX);
    push_return(e, r->target);
    indirect(e, r->cc, true);
    come_back(e, r);
}

/* To the guest address in a register. */
static void to_register(struct emit *e, const struct ir *r)
{
    const struct emit_stub *s = state_now(e, r);
    const struct flag_state *flags = &e->u->flag_state[s->flags];
    const bool work = flags->form == FS_STATIC || flags->form == FS_SELECT; /* with RAX and RCX */
    const int a = emit_use(e, r->a, work ? RDX : RAX);

    emit_flags_dynamic(e, flags);
    if (r->op == IR_RET && e->u->nr_returned)
        return_within(e, a);
    if (a != RAX)
        x64_mov_rr(e->b, X_64, RAX, a);
    registers_home(e, s);
    if (r->op == IR_CALLR) {
        push_return(e, r->target);
        indirect(e, r->cc, true);
        come_back(e, r);
        return;
    }
    if (r->op == IR_RET) {
        x64_alu_rm(e->b, ALU_CMP, X_64, RAX, x64_at(RSP, 8));
        uint8_t *other = x64_jcc8(e->b, CC_NE);
        /* OR with -1 would do both, but a RET so near behind a branch is mispredicted: a fifth of the time of virtual calls. */
        x64_mov_ri(e->b, RAX, UINT64_MAX);
        x64_test_rr(e->b, X_64, RSP, RSP);
        return_now(e);
        x64_patch8_here(e->b, other);
    }
    indirect(e, r->cc, false);
}

void emit_end(struct emit *e, const struct ir *r)
{
    if (r->op == IR_JMP) {
        flow_to(e, (uint16_t)r->aux);
        return;
    }
    if (r->op == IR_BR || r->op == IR_BZ || r->op == IR_BNZ || r->op == IR_TBZ || r->op == IR_TBNZ) {
        conditional(e, r);
        return;
    }
    if (r->op == IR_CALLR && r->aux2 != IR_NO_BLOCK) {
        call_likely(e, r);
        return;
    }
    if (r->op == IR_BRANCH || r->op == IR_CALLR || r->op == IR_RET) {
        to_register(e, r);
        return;
    }
    if (r->op == IR_CALL && r->aux2 != IR_NO_BLOCK) {
        call_within(e, r);
        return;
    }
    all_home(e, state_now(e, r));
    switch (r->op) {
    case IR_EXIT: link_to(e, (gva_t)r->imm, false); break;
    case IR_EXITI:
        give_back(e, 1);
        if (r->aux)
            load_pointer_and_jump(e, false, emit_site(e, SITE_INTERP), e->u->j->exception, false);
        else
            leave_at(e, (gva_t)r->imm, JIT_EXIT_INTERPRET);
        break;
    case IR_CALL:
        push_return(e, r->target);
        link_to(e, (gva_t)r->imm, true);
        come_back(e, r);
        break;
    default: BUG("no end of a block: %s", ir_name[r->op]);
    }
}

/* --- Out of the way ------------------------------------------------------------------------------------------------- */

void emit_to_site(struct emit *e, unsigned site)
{
    load_pointer_and_jump(e, false, site, e->u->uses_vectors ? e->u->j->slow_vector : e->u->j->slow,
                          false);
}

static void one_stub(struct emit *e, const struct emit_stub *s)
{
    if (s->from)
        x64_patch_here(e->b, s->from);
    if (s->from2)
        x64_patch_here(e->b, s->from2);
    switch (s->kind) {
    case STUB_LOOKUP:
        x64_mov_ri(e->b, RDX, s->index);
        if (!s->back) {
            x64_jmp_to(e->b, thunk(e, e->u->j->indirect));
            break;
        }
        x64_call_to(e->b, thunk(e, e->u->j->indirect));
        x64_jmp_to(e->b, s->back);
        break;
    case STUB_LINK:
        e->u->link[s->index].slow = (uint32_t)(e->b->p - e->b->start);
        load_pointer_and_jump(e, true, s->index, e->u->j->link, true);
        x64_jmp_to(e->b, s->back);
        break;
    case STUB_SITE:
        if ((int8_t)s->va_reg != X64_NONE && s->va_reg != RCX)
            x64_mov_rr(e->b, X_64, RCX, s->va_reg);
        emit_to_site(e, s->site);
        break;
    case STUB_MEMORY: emit_memory_stub(e, s); break;
    case STUB_EXIT:
        all_home(e, s);
        link_to(e, s->target, false);
        break;
    case STUB_EVENT:
        give_back(e, s->insns);
        all_home(e, s);
        leave_at(e, s->target, JIT_EXIT_BUDGET);
        break;
    case STUB_EDGE:
        memcpy(e->now, s->now, sizeof(e->now));
        e->at = s->at;
        e->kind_stored = s->kind_stored;
        e->host = HF_NONE;
        emit_flags_convert(e, &e->u->flags_out[s->flags_from], &e->u->flags_in[s->block]);
        jump_to(e, s->block);
        break;
    case STUB_ENTER: enter_block(e, s->block); break;
    case STUB_CALL: call_elsewhere(e, s); break;
    }
}

void emit_stubs(struct emit *e)
{
    struct jit_unit *u = e->u;

    for (unsigned i = 0; i < e->nr_stubs && !e->b->full; i++)
        one_stub(e, &e->stub[i]);
    for (unsigned n = 0; n < u->nr_blocks && !e->b->full; n++) {
        const uint16_t k = u->order[n];
        const struct jit_block *b = &u->block[k];
        if (!b->entry)
            continue;
        const uint8_t *over = e->b->p;
        if (!jit_may_leave_before(u, b))
            leave_at(e, b->va, JIT_EXIT_BUDGET);
        u->entry[u->nr_entries++] =
            (struct jit_entry){.va = b->va, .code = (uint32_t)(e->b->p - e->b->start)};
        if (!jit_may_leave_before(u, b)) {
            x64_test_rr(e->b, X_64, BUDGET, BUDGET);
            x64_jcc_to(e->b, CC_LE, over);
        }
        if (u->uses_fp) {
            x64_alu_mi(e->b, ALU_CMP, X_32, x64_at(CPU, CPU_AT(jit_hot.fp_loaded)), 0);
            uint8_t *loaded = x64_jcc8(e->b, CC_NE);
            x64_call_to(e->b, thunk(e, u->j->load_fp));
            x64_patch8_here(e->b, loaded);
        }
        enter_block(e, k);
    }
}
