/* Exclusives and atomics: LOCK-prefixed instructions on what the inline TLB check found. What they promise: op_excl.c. */
#include "cpu/jit/emit.h"

static const enum x64_width access_width[4] = {X_8, X_16, X_32, X_64};

static enum x64_width plain_width(const struct ir *r)
{
    return r->sz < 3 ? X_32 : X_64;
}

/* SCRATCH3 = the host address; the other two are free. What can be written can be read. */
static void locate(struct emit *e, const struct ir *r, bool write)
{
    const int va = emit_checked(e, r, write);

    x64_alu_rr(e->b, ALU_ADD, X_64, SCRATCH3, va);
}

/* A copy of the web in a scratch register. Changes no flags. */
static void copy_to(struct emit *e, int scratch, var_t web)
{
    const int reg = emit_use(e, web, scratch);

    if (reg != scratch)
        x64_mov_rr(e->b, X_64, scratch, reg);
}

/* d = the old value in reg, zero-extended. */
static void old_value(struct emit *e, const struct ir *r, int reg)
{
    const int d = emit_def(e, r->d, SCRATCH);

    if (r->sz < 2)
        x64_rr(e->b, r->sz ? 0x0fb7 : 0x0fb6, X_32, d, reg);
    else if (r->sz == 2 || d != reg)
        x64_mov_rr(e->b, plain_width(r), d, reg);
    emit_defined(e, r->d, d);
}

static void compare_exchange(struct emit *e, const struct ir *r, int desired)
{
    x64_byte(e->b, 0xf0);
    x64_rm(e->b, r->sz ? 0x0fb1 : 0x0fb0, access_width[r->sz], desired, x64_at(SCRATCH3, 0));
}

/* --- Atomic operations ------------------------------------------------------------------------------------------------- */

/* Those that x86-64 has only without the old value: compare and exchange until nobody was faster. */
static void by_compare_exchange(struct emit *e, const struct ir *r)
{
    const enum x64_width w = plain_width(r);

    x64_load(e->b, access_width[r->sz], RAX, x64_at(SCRATCH3, 0));
    const uint8_t *again = e->b->p;
    copy_to(e, RCX, r->c);
    switch (r->aux) {
    case ATOMIC_CLR:
        x64_group3_r(e->b, G3_NOT, w, RCX);
        x64_alu_rr(e->b, ALU_AND, w, RCX, RAX);
        break;
    case ATOMIC_EOR: x64_alu_rr(e->b, ALU_XOR, w, RCX, RAX); break;
    case ATOMIC_SET: x64_alu_rr(e->b, ALU_OR, w, RCX, RAX); break;
    default: {
        const enum x64_cc keeps_old = r->aux == ATOMIC_SMAX   ? CC_G
                                      : r->aux == ATOMIC_SMIN ? CC_L
                                      : r->aux == ATOMIC_UMAX ? CC_A
                                                              : CC_B;
        x64_alu_rr(e->b, ALU_CMP, access_width[r->sz], RAX, RCX);
        x64_rr(e->b, 0x0f40 | (uint32_t)keeps_old, w, RCX, RAX); /* CMOVcc */
        break;
    }
    }
    compare_exchange(e, r, RCX);
    x64_jcc_to(e->b, CC_NE, again);
    old_value(e, r, RAX);
}

static void atomic(struct emit *e, const struct ir *r)
{
    const enum x64_width w = access_width[r->sz];
    const struct jit_web *d = &e->u->web[r->d];
    const bool nobody_reads = d->var == VAR_TEMP && !d->uses;
    const struct x64_mem at = x64_at(SCRATCH3, 0);

    locate(e, r, true);
    if (r->aux == ATOMIC_SWP) { /* XCHG locks by itself */
        copy_to(e, RCX, r->c);
        x64_rm(e->b, r->sz ? 0x87 : 0x86, w, RCX, at);
        old_value(e, r, RCX);
    } else if (r->aux == ATOMIC_ADD && !nobody_reads) { /* XADD */
        copy_to(e, RCX, r->c);
        x64_byte(e->b, 0xf0);
        x64_rm(e->b, r->sz ? 0x0fc1 : 0x0fc0, w, RCX, at);
        old_value(e, r, RCX);
    } else if (nobody_reads && r->aux <= ATOMIC_SET) {
        static const enum x64_alu op[] = {
            [ATOMIC_ADD] = ALU_ADD, [ATOMIC_CLR] = ALU_AND, [ATOMIC_EOR] = ALU_XOR, [ATOMIC_SET] = ALU_OR};
        copy_to(e, RCX, r->c);
        if (r->aux == ATOMIC_CLR)
            x64_group3_r(e->b, G3_NOT, X_64, RCX);
        x64_byte(e->b, 0xf0);
        x64_alu_mr(e->b, op[r->aux], w, at, RCX);
    } else {
        by_compare_exchange(e, r);
    }
}

/* --- Compare and swap, exclusives -------------------------------------------------------------------------------------- */

static struct x64_mem pair(unsigned half)
{
    return x64_at(CPU, CPU_AT(jit_hot.pair) + (int32_t)half * 8);
}

/* CMPXCHG16B with RAX the low half of what is expected: it takes two registers that may be in use. The flag Z tells. */
static void compare_exchange_16(struct emit *e, const struct ir *r, struct x64_mem expected_high)
{
    const struct x64_mem rbx = x64_at(CPU, CPU_AT(jit_hot.frame[RBX])),
                         rsi = x64_at(CPU, CPU_AT(jit_hot.frame[RSI]));

    copy_to(e, RCX, r->c);
    x64_store(e->b, X_64, rbx, RBX);
    x64_store(e->b, X_64, rsi, RSI);
    x64_mov_rr(e->b, X_64, RSI, SCRATCH3);
    x64_load(e->b, X_64, RDX, expected_high);
    x64_load(e->b, X_64, RBX, pair(0));
    x64_byte(e->b, 0xf0);
    x64_rm(e->b, 0x0fc7, X_64, 1, x64_at(RSI, 0));
    x64_load(e->b, X_64, RBX, rbx);
    x64_load(e->b, X_64, RSI, rsi);
}

static void compare_and_swap(struct emit *e, const struct ir *r)
{
    locate(e, r, true);
    copy_to(e, RAX, r->h);
    if (r->sz < 4) {
        compare_exchange(e, r, emit_use(e, r->c, RCX));
    } else {
        compare_exchange_16(e, r, pair(1));
        x64_store(e->b, X_64, pair(1), RDX);
    }
    old_value(e, r, RAX);
}

static void load_exclusive(struct emit *e, const struct ir *r)
{
    locate(e, r, false);
    const int d = emit_def(e, r->d, SCRATCH);
    x64_load(e->b, access_width[MIN(r->sz, 3)], d, x64_at(SCRATCH3, 0));
    if (r->sz == 4) {
        x64_load(e->b, X_64, SCRATCH2, x64_at(SCRATCH3, 8));
        x64_store(e->b, X_64, x64_at(CPU, CPU_AT(excl.hi)), SCRATCH2);
    }
    x64_store(e->b, X_64, x64_at(CPU, CPU_AT(excl.lo)), d);
    x64_store(e->b, X_64, x64_at(CPU, CPU_AT(excl.host)), SCRATCH3);
    x64_store_imm(e->b, X_32, x64_at(CPU, CPU_AT(excl.size)), 1 << r->sz);
    emit_defined(e, r->d, d);
}

static void store_exclusive(struct emit *e, const struct ir *r)
{
    uint8_t *failed[2];

    locate(e, r, true);
    x64_alu_mr(e->b, ALU_CMP, X_64, x64_at(CPU, CPU_AT(excl.host)), SCRATCH3);
    failed[0] = x64_jcc8(e->b, CC_NE);
    x64_alu_mi(e->b, ALU_CMP, X_32, x64_at(CPU, CPU_AT(excl.size)), 1 << r->sz);
    failed[1] = x64_jcc8(e->b, CC_NE);
    x64_load(e->b, X_64, RAX, x64_at(CPU, CPU_AT(excl.lo)));
    if (r->sz < 4)
        compare_exchange(e, r, emit_use(e, r->c, RCX));
    else
        compare_exchange_16(e, r, x64_at(CPU, CPU_AT(excl.hi)));
    x64_patch8_here(e->b, failed[0]);
    x64_patch8_here(e->b, failed[1]);
    const int d = emit_def(e, r->d, SCRATCH2);
    x64_setcc(e->b, CC_NE, SCRATCH);
    x64_rr(e->b, 0x0fb6, X_32, d, SCRATCH);
    x64_store_imm(e->b, X_32, x64_at(CPU, CPU_AT(excl.size)), 0);
    emit_defined(e, r->d, d);
}

bool emit_atomic(struct emit *e, const struct ir *r)
{
    switch (r->op) {
    case IR_ATOMIC: atomic(e, r); return true;
    case IR_CAS: compare_and_swap(e, r); return true;
    case IR_LDX: load_exclusive(e, r); return true;
    case IR_STX: store_exclusive(e, r); return true;
    default: return false;
    }
}
