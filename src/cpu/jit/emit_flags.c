/* Flags: conditions, and the code that flag states ask for (flags.c). */
#include "cpu/jit/emit.h"

#define KIND x64_at(CPU, CPU_AT(jit_hot.flag_kind))
#define SLOT(n) x64_at(CPU, CPU_AT(jit_hot.flag_static) + (int32_t)(n)*8)
#define DYNAMIC(n) x64_at(CPU, (n) ? CPU_AT(jit_hot.flag_b) : CPU_AT(jit_hot.flag_a))

static void cmc(struct emit *e)
{
    x64_byte(e->b, 0xf5);
}

static void lahf(struct emit *e)
{
    x64_byte(e->b, 0x9f);
}

static void sahf(struct emit *e)
{
    x64_byte(e->b, 0x9e);
}

int emit_var(struct emit *e, var_t var, int scratch)
{
    const var_t web = e->now[var];

    if (web < JIT_MAX_WEBS && e->at) {
        const struct jit_web *w = &e->u->web[web];
        if (w->hreg != X64_NONE && (w->lazy || jit_bit(e->u, e->u->live, web, e->at - 1)))
            return w->hreg;
    }
    x64_load(e->b, X_64, scratch, x64_at(CPU, emit_home(var)));
    return scratch;
}

/* Operand a or b of a flag state, in a register. */
static int operand(struct emit *e, const struct flag_state *s, bool is_b, int scratch)
{
    const enum flag_place at = is_b ? s->b_at : s->a_at;

    if (at == FP_VAR)
        return emit_var(e, is_b ? s->b : s->a, scratch);
    if (at == FP_SLOT)
        x64_load(e->b, X_64, scratch, SLOT(is_b));
    else
        x64_mov_ri(e->b, scratch, (uint64_t)s->imm);
    return scratch;
}

static bool small(int64_t imm)
{
    return imm == (int32_t)imm;
}

/* Into what FLAG_SMALL leaves of 32 bits. */
static bool fits_kind(int64_t imm)
{
    const int64_t half = INT64_C(1) << (31 - FLAG_SMALL_BIT);
    return imm >= -half && imm < half;
}

static void alu_operand(struct emit *e, enum x64_alu op, enum x64_width w, int d,
                        const struct flag_state *s)
{
    if (s->b_at == FP_IMM && (w == X_32 || small(s->imm)))
        x64_alu_ri(e->b, op, w, d, (int32_t)s->imm);
    else if (s->b_at == FP_SLOT)
        x64_alu_rm(e->b, op, w, d, SLOT(1));
    else
        x64_alu_rr(e->b, op, w, d, operand(e, s, true, SCRATCH2));
}

void emit_flags_from(struct emit *e, const struct flag_state *s, unsigned cc)
{
    const unsigned kind = s->kind & (unsigned)~FLAG_SUM;
    const enum x64_width w =
        kind == FLAG_SUB64 || kind == FLAG_ADD64 || kind == FLAG_LOGIC64 ? X_64 : X_32;
    const bool by_result = cc <= ARM_NE || cc == ARM_MI || cc == ARM_PL;
    int a;

    BUG_ON(s->form != FS_STATIC);
    switch (kind) {
    case FLAG_HOST:
        x64_load(e->b, X_32, SCRATCH, SLOT(0));
        x64_alu_ri(e->b, ALU_ADD, X_8, SCRATCH, 0x7f); /* overflows if AL is 1 */
        sahf(e);
        e->host = HF_SUB;
        return;
    case FLAG_LOGIC32:
    case FLAG_LOGIC64:
        a = operand(e, s, false, SCRATCH);
        x64_test_rr(e->b, w, a, a);
        e->host = HF_LOGIC;
        return;
    case FLAG_SUB32:
    case FLAG_SUB64:
        a = operand(e, s, false, SCRATCH);
        if (!(s->kind & FLAG_SUM)) {
            alu_operand(e, ALU_CMP, w, a, s);
            e->host = HF_SUB;
        } else if (by_result) {
            x64_test_rr(e->b, w, a, a);
            e->host = HF_LOGIC;
        } else {
            if (a != SCRATCH)
                x64_mov_rr(e->b, X_64, SCRATCH, a);
            alu_operand(e, ALU_ADD, w, SCRATCH, s);
            alu_operand(e, ALU_CMP, w, SCRATCH, s);
            e->host = HF_SUB;
        }
        return;
    case FLAG_ADD32:
    case FLAG_ADD64:
        a = operand(e, s, false, SCRATCH);
        if ((s->kind & FLAG_SUM) && by_result) {
            x64_test_rr(e->b, w, a, a);
            e->host = HF_LOGIC;
            return;
        }
        if (a != SCRATCH)
            x64_mov_rr(e->b, X_64, SCRATCH, a);
        if (s->kind & FLAG_SUM)
            alu_operand(e, ALU_SUB, w, SCRATCH, s);
        alu_operand(e, ALU_ADD, w, SCRATCH, s);
        e->host = HF_ADD;
        return;
    default: BUG("flag kind %u", s->kind);
    }
}

/* --- After a floating-point comparison ------------------------------------------------------------------------------- */

/* UCOMISD a, b says: ZF equal, CF less, both and PF unordered. Half of the conditions are one of the host's, the other half are if the
 * operands are swapped, and EQ and NE are not. */
enum { WANTS_PLAIN = 1, WANTS_SWAPPED = 2, WANTS_FLAGS = 4 };
static const struct {
    uint8_t wants, cc;
} fcmp_condition[16] = {[ARM_EQ] = {WANTS_FLAGS, 0},       [ARM_NE] = {WANTS_FLAGS, 0},
                        [ARM_CS] = {WANTS_SWAPPED, CC_BE}, [ARM_CC] = {WANTS_SWAPPED, CC_A},
                        [ARM_MI] = {WANTS_SWAPPED, CC_A},  [ARM_PL] = {WANTS_SWAPPED, CC_BE},
                        [ARM_VS] = {WANTS_PLAIN, CC_P},    [ARM_VC] = {WANTS_PLAIN, CC_NP},
                        [ARM_HI] = {WANTS_SWAPPED, CC_B},  [ARM_LS] = {WANTS_SWAPPED, CC_AE},
                        [ARM_GE] = {WANTS_PLAIN, CC_AE},   [ARM_LT] = {WANTS_PLAIN, CC_B},
                        [ARM_GT] = {WANTS_PLAIN, CC_A},    [ARM_LE] = {WANTS_PLAIN, CC_BE},
                        [14] = {WANTS_FLAGS, 0},           [15] = {WANTS_FLAGS, 0}};

/* What the near readers of the comparison at e->at want. */
static unsigned near_wants(const struct emit *e)
{
    const struct jit_unit *u = e->u;
    unsigned wants = 0;

    for (unsigned i = e->at + 1; i < u->block[e->block].ir_end; i++) {
        const struct ir *r = &u->ir[i];
        if (r->fl & IRF_NEAR)
            wants |= r->op == IR_ADC || r->op == IR_SBC ? WANTS_FLAGS : fcmp_condition[r->cc].wants;
        if (r->fl & IRF_SETF)
            break;
    }
    return wants;
}

bool emit_fcmp_swapped(const struct emit *e)
{
    return near_wants(e) == WANTS_SWAPPED;
}

/* EAX = AH and AL as LAHF and SETO after a subtraction with those flags. Changes none; destroys RCX. */
static void fcmp_value(struct emit *e, bool swapped)
{
    static const struct {
        enum x64_cc cc;
        uint32_t value;
    } outcome[3] = {{CC_B, 0x8300}, {CC_E, 0x4200}, {CC_P, 0x201}};
    const uint32_t greater = 0x200, less = outcome[0].value;

    x64_mov_ri(e->b, RAX, swapped ? less : greater);
    for (unsigned i = 0; i < 3; i++) {
        x64_mov_ri(e->b, RCX, i == 0 && swapped ? greater : outcome[i].value);
        x64_rr(e->b, 0x0f40u | outcome[i].cc, X_32, RAX, RCX);
    }
}

void emit_fcmp_flags(struct emit *e, bool swapped)
{
    fcmp_value(e, swapped);
    x64_alu_ri(e->b, ALU_ADD, X_8, RAX, 0x7f); /* overflows if AL is 1 */
    sahf(e);
    e->host = HF_SUB;
}

void emit_fcmp_done(struct emit *e, bool swapped)
{
    e->host = swapped ? HF_FCMP_SWAPPED : HF_FCMP;
    if (near_wants(e) & ~(unsigned)(swapped ? WANTS_SWAPPED : WANTS_PLAIN))
        emit_fcmp_flags(e, swapped);
}

static bool is_fcmp(const struct emit *e)
{
    return e->host == HF_FCMP || e->host == HF_FCMP_SWAPPED;
}

/* --- Conditions ----------------------------------------------------------------------------------------------------- */

static enum x64_cc host_condition(struct emit *e, unsigned cc)
{
    static const uint8_t plain[16] = {
        [ARM_EQ] = CC_E,  [ARM_NE] = CC_NE, [ARM_MI] = CC_S, [ARM_PL] = CC_NS, [ARM_VS] = CC_O,
        [ARM_VC] = CC_NO, [ARM_GE] = CC_GE, [ARM_LT] = CC_L, [ARM_GT] = CC_G,  [ARM_LE] = CC_LE,
        [ARM_CS] = CC_AE, [ARM_CC] = CC_B,  [ARM_HI] = CC_A, [ARM_LS] = CC_BE}; /* carry inverted */

    BUG_ON(e->host == HF_NONE);
    if (is_fcmp(e)) {
        BUG_ON(fcmp_condition[cc].wants != (e->host == HF_FCMP ? WANTS_PLAIN : WANTS_SWAPPED));
        return (enum x64_cc)fcmp_condition[cc].cc;
    }
    if (e->host != HF_SUB) {
        if (cc == ARM_CS || cc == ARM_CC)
            return (enum x64_cc)(plain[cc] ^ 1);
        if (cc == ARM_HI || cc == ARM_LS) {
            cmc(e);
            e->host = HF_SUB;
        }
    }
    return (enum x64_cc)plain[cc];
}

static void ensure_flags(struct emit *e, const struct ir *r, unsigned cc)
{
    if (!(r->fl & IRF_NEAR))
        emit_flags_from(e, &e->u->flag_state[r->flags], cc);
}

enum x64_cc emit_condition(struct emit *e, const struct ir *r)
{
    ensure_flags(e, r, r->cc);
    return host_condition(e, r->cc);
}

void emit_carry(struct emit *e, const struct ir *r, bool inverted)
{
    ensure_flags(e, r, ARM_CS);
    if ((e->host == HF_SUB) != inverted)
        cmc(e);
}

void emit_flags_save(struct emit *e, int32_t slot)
{
    BUG_ON(e->host == HF_NONE);
    if (is_fcmp(e)) {
        fcmp_value(e, e->host == HF_FCMP_SWAPPED);
        x64_store(e->b, X_64, x64_at(CPU, slot), RAX);
        return;
    }
    if (e->host != HF_SUB)
        cmc(e);
    lahf(e);
    x64_setcc(e->b, CC_O, RAX);
    x64_store(e->b, X_64, x64_at(CPU, slot), RAX);
    if (e->host != HF_SUB)
        cmc(e);
}

/* --- Between flag states -------------------------------------------------------------------------------------------- */

bool emit_flags_differ(const struct emit *e, const struct flag_state *x, const struct flag_state *y)
{
    switch (y->form) {
    case FS_DEAD: return false;
    case FS_DYNAMIC: return x->form != FS_DYNAMIC;
    case FS_SELECT:
        if (x->form == FS_DYNAMIC || x->form == FS_DEAD)
            return false;
        return !jit_same_flags(x, y) || (x->form == FS_STATIC && !e->kind_stored);
    case FS_STATIC: return x->form != FS_STATIC || !jit_same_flags(x, y);
    }
    return true;
}

void emit_flags_dynamic(struct emit *e, const struct flag_state *s)
{
    uint8_t *over = NULL;

    if (s->form == FS_DYNAMIC || s->form == FS_DEAD)
        return;
    if (s->form == FS_SELECT) {
        x64_alu_mi(e->b, ALU_CMP, X_32, KIND, FLAG_STATIC);
        over = x64_jcc(e->b, CC_NE);
    }
    x64_store(e->b, X_64, DYNAMIC(0), operand(e, s, false, SCRATCH));
    int32_t kind = s->kind;
    if (s->kind != FLAG_HOST && s->kind != FLAG_LOGIC32 && s->kind != FLAG_LOGIC64) {
        if (s->b_at == FP_IMM && fits_kind(s->imm))
            kind |= (int32_t)s->imm * (1 << FLAG_SMALL_BIT) | FLAG_SMALL;
        else
            x64_store(e->b, X_64, DYNAMIC(1), operand(e, s, true, SCRATCH));
    }
    x64_store_imm(e->b, X_32, KIND, kind);
    if (over)
        x64_patch_here(e->b, over);
}

void emit_flags_convert(struct emit *e, const struct flag_state *x, const struct flag_state *y)
{
    if (!emit_flags_differ(e, x, y))
        return;
    switch (y->form) {
    case FS_DEAD: break;
    case FS_DYNAMIC: emit_flags_dynamic(e, x); break;
    case FS_SELECT:
        if (jit_same_flags(x, y))
            x64_store_imm(e->b, X_32, KIND, FLAG_STATIC);
        else
            emit_flags_dynamic(e, x);
        break;
    case FS_STATIC:
        BUG_ON(y->kind != FLAG_HOST);
        if (x->form == FS_STATIC) {
            emit_flags_from(e, x, ARM_CS);
            emit_flags_save(e, CPU_AT(jit_hot.flag_static));
        } else {
            emit_flags_dynamic(e, x);
            x64_call_to(e->b, e->b->start - e->u->code_at +
                                  (e->u->uses_vectors ? e->u->j->flags_vector : e->u->j->flags));
        }
        break;
    }
}

void emit_flags_constant(struct emit *e, unsigned nzcv)
{
    /* SF ZF 0 AF 0 PF 1 CF in AH, V in AL. */
    const unsigned n = nzcv >> 3 & 1, z = nzcv >> 2 & 1, c = nzcv >> 1 & 1, v = nzcv & 1;

    x64_mov_ri(e->b, SCRATCH, (n << 7 | z << 6 | 2 | (c ^ 1)) << 8 | v);
    x64_alu_ri(e->b, ALU_ADD, X_8, SCRATCH, 0x7f);
    sahf(e);
    e->host = HF_SUB;
}

/* --- Conditional compare -------------------------------------------------------------------------------------------- */

static void compare(struct emit *e, const struct ir *r)
{
    const enum x64_width w = emit_width(r);
    const int64_t imm = r->b == VAR_IMM ? r->imm : 0;
    int a = emit_use(e, r->a, SCRATCH2);

    if (r->op == IR_CCMN && a != SCRATCH2) {
        x64_mov_rr(e->b, X_64, SCRATCH2, a);
        a = SCRATCH2;
    }
    const enum x64_alu op = r->op == IR_CCMP ? ALU_CMP : ALU_ADD;
    if (r->b == VAR_IMM)
        x64_alu_ri(e->b, op, w, a, (int32_t)imm);
    else
        x64_alu_rr(e->b, op, w, a, emit_use(e, r->b, SCRATCH3));
    e->host = r->op == IR_CCMN ? HF_ADD : HF_SUB;
}

void emit_ccmp(struct emit *e, const struct ir *r)
{
    if (r->fl & IRF_FUSED)
        return;
    const enum x64_cc cc = emit_condition(e, r);
    uint8_t *otherwise = x64_jcc8(e->b, (enum x64_cc)(cc ^ 1));
    compare(e, r);
    if (e->host != HF_SUB)
        cmc(e);
    uint8_t *end = x64_jmp8(e->b);
    x64_patch8_here(e->b, otherwise);
    emit_flags_constant(e, r->aux);
    x64_patch8_here(e->b, end);
}

enum x64_cc emit_fused_condition(struct emit *e, const struct ir *r, uint8_t **uncompared)
{
    const struct ir *ccmp = r - 1;
    const enum x64_cc cc = emit_condition(e, ccmp);

    *uncompared = x64_jcc(e->b, (enum x64_cc)(cc ^ 1));
    compare(e, ccmp);
    return host_condition(e, r->cc);
}
