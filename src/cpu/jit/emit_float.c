/* Floating point by the host's: fpenv.c says why there are no tests around it. Operands keep their order, which decides whose NaN it is.
 *
 * Where the host traps, or a test sends the guest instruction to its site, the interpreter does all of it: nothing of the guest's may have
 * changed by then. A scalar operation leaves everything above its element zero, which the host's takes from its first operand. */
#include "cpu/jit/emit.h"

#define UCOMIS 0x00003f2eu /* with prefix 66 and W for double precision */
#define COMIS 0x00003f2fu
#define CVTPS2PH 0x663a1f1du /* its result is the operand that may be memory */

enum { NO_INEXACT = 8 }; /* in ROUNDSD's immediate */
enum { UNORDERED = 3 };  /* CMPSD's */

/* Where the host instructions of this guest instruction begin that may trap. */
static unsigned begin(struct emit *e)
{
    const unsigned site = emit_site(e, SITE_FLOAT);

    e->u->site[site].retry = (uint32_t)(e->b->p - e->b->start);
    return site;
}

/* An operand: of 8 bytes twice, so that the upper half raises no exceptions that the lower does not. */
static int operand(struct emit *e, const struct ir *r, var_t web, int scratch)
{
    const int a = emit_vuse(e, web, scratch);

    if (vector_is_scalar(r->aux) || r->q)
        return a;
    emit_vop(e, vector_host_op[VEC_ZIPLO][3], scratch, a, a);
    return scratch;
}

/* The first operand of a scalar operation, with nothing above its element. */
static int narrow(struct emit *e, const struct ir *r, var_t web, int scratch)
{
    const int a = emit_vuse(e, web, scratch);

    if (emit_zero_above(e, web) <= 1u << r->sz)
        return a;
    emit_vlowest(e, 1u << r->sz, scratch, a, 16);
    return scratch;
}

/* The result is in d, but for what is above it. */
static void defined(struct emit *e, const struct ir *r, int d)
{
    if (!vector_is_scalar(r->aux) && !r->q)
        emit_vlowest(e, 8, d, d, 16);
    emit_vdefined(e, r->d, d);
}

/* The result in d, which had to be computed elsewhere. */
static void result(struct emit *e, const struct ir *r, int from)
{
    const int d = emit_vdef(e, r->d, from);

    emit_vlowest(e, vector_is_scalar(r->aux) || r->q ? 16 : 8, d, from, 16);
    emit_vdefined(e, r->d, d);
}

/* With FZ a denormal operand has to trap, which the host's rounding to integers does not do: it is compared with itself. */
static void denormals_trap(struct emit *e, uint32_t compare, int a)
{
    if (!(e->u->mode & MODE_FZ))
        return;
    emit_vop_imm(e, compare, VSCRATCH3, a, a, UNORDERED);
}

/* An instruction that traps writes nothing: d may be a register that was something else's before. */
static void one(struct emit *e, const struct ir *r)
{
    const uint32_t op = vector_host_op[r->aux][r->sz];

    BUG_ON(!op);
    begin(e);
    const int a = operand(e, r, r->a, VSCRATCH), d = emit_vdef(e, r->d, VSCRATCH2);
    const bool rounds = r->aux == VEC_FRINT || r->aux == VEC_FRINT_SCALAR;
    const int imm = rounds ? (int)r->imm : EMIT_NO_IMM;
    if (rounds || r->aux == VEC_FTOS)
        denormals_trap(
            e, vector_host_op[r->aux == VEC_FRINT_SCALAR ? VEC_FCMP_SCALAR : VEC_FCMP][r->sz], a);
    if (vector_is_scalar(r->aux)) { /* d = zero, but for the lowest element OP a */
        emit_vzero(e, VSCRATCH2);
        emit_vex_imm(e, op, false, d, VSCRATCH2, a, imm);
    } else if (op == CVTPS2PH) {
        emit_vop_imm(e, op, a, 0, d, 4); /* as MXCSR rounds */
    } else {
        emit_vex_imm(e, op, false, d, 0, a, imm);
    }
    defined(e, r, d);
}

/* The host's result is b if one is a NaN, which traps, or if both are zero: so it is asked both ways, and +0 is the larger. */
static void max_min(struct emit *e, const struct ir *r, int a, int b)
{
    const uint32_t op = vector_host_op[r->aux][r->sz];
    const bool max = r->aux == VEC_FMAX || r->aux == VEC_FMAX_SCALAR;

    emit_vop(e, op, VSCRATCH3, b, a);
    emit_vop(e, op, VSCRATCH, a, b);
    emit_vop(e, vector_host_op[max ? VEC_AND : VEC_OR][0], VSCRATCH, VSCRATCH, VSCRATCH3);
    if (vector_is_scalar(r->aux))
        emit_vlowest(e, 1u << r->sz, VSCRATCH, VSCRATCH, 16);
    result(e, r, VSCRATCH);
}

static void two(struct emit *e, const struct ir *r)
{
    const uint32_t op = vector_host_op[r->aux][r->sz];

    BUG_ON(!op);
    begin(e);
    if (r->aux == VEC_FMAX || r->aux == VEC_FMIN || r->aux == VEC_FMAX_SCALAR ||
        r->aux == VEC_FMIN_SCALAR) {
        max_min(e, r, operand(e, r, r->a, VSCRATCH), operand(e, r, r->b, VSCRATCH2));
        return;
    }
    const int a =
        vector_is_scalar(r->aux) ? narrow(e, r, r->a, VSCRATCH) : operand(e, r, r->a, VSCRATCH);
    const int b = operand(e, r, r->b, VSCRATCH2);
    const int d = emit_vdef(e, r->d, VSCRATCH);
    const bool compares = r->aux == VEC_FCMP || r->aux == VEC_FCMP_SCALAR;
    emit_vex_imm(e, op, false, d, a, b, compares ? (int)r->imm : EMIT_NO_IMM);
    defined(e, r, d);
}

/* Which of several NaNs it is, and what infinity times zero and a NaN make, the two architectures see differently: a NaN goes to the
 * interpreter. */
static void multiply_add(struct emit *e, const struct ir *r)
{
    const uint32_t op = vector_host_op[r->aux][r->sz];
    const unsigned site = begin(e);

    BUG_ON(!op);
    if (vector_is_scalar(r->aux)) {
        const int a = emit_vuse(e, r->a, VSCRATCH);
        emit_vlowest(e, 1u << r->sz, VSCRATCH, a, emit_zero_above(e, r->a));
    } else {
        emit_vmove(e, VSCRATCH, operand(e, r, r->a, VSCRATCH));
    }
    const int b = operand(e, r, r->b, VSCRATCH2), c = operand(e, r, r->c, VSCRATCH3);
    emit_vex(e, op, r->sz == 3, VSCRATCH, b, c);
    if (vector_is_scalar(r->aux)) {
        emit_vex(e, UCOMIS | (r->sz == 3 ? 0x66000000u : 0), r->sz == 3, VSCRATCH, 0, VSCRATCH);
        emit_site_stub(e, site, x64_jcc(e->b, CC_P), X64_NONE);
    } else { /* CMPUNORDPS, VTESTPS: the sign bits */
        emit_vop_imm(e, r->sz == 3 ? 0x66000fc2 : 0x00000fc2, VSCRATCH2, VSCRATCH, VSCRATCH, UNORDERED);
        emit_vop1(e, 0x66380f0e, VSCRATCH2, VSCRATCH2);
        emit_site_stub(e, site, x64_jcc(e->b, CC_NE), X64_NONE);
    }
    result(e, r, VSCRATCH);
}

static void compare_operands(struct emit *e, const struct ir *r, bool swapped)
{
    const int a = emit_vuse(e, r->a, VSCRATCH), b = emit_vuse(e, r->b, VSCRATCH2);
    const uint32_t op = (r->ext ? COMIS : UCOMIS) | (r->sz == 3 ? 0x66000000u : 0);

    emit_vex(e, op, r->sz == 3, swapped ? b : a, 0, swapped ? a : b);
}

/* Its flags may be the host's behind it: nobody comes back from its site to there. */
static void compare(struct emit *e, const struct ir *r)
{
    const unsigned site = begin(e);
    const bool swapped = emit_fcmp_swapped(e);

    e->u->site[site].group = true;
    compare_operands(e, r, swapped);
    emit_fcmp_done(e, swapped);
}

static void compare_if(struct emit *e, const struct ir *r)
{
    const enum x64_cc cc = emit_condition(e, r);
    uint8_t *otherwise = x64_jcc8(e->b, (enum x64_cc)(cc ^ 1));
    const unsigned site = begin(e);

    e->u->site[site].group = true;
    compare_operands(e, r, false);
    emit_fcmp_flags(e, false);
    uint8_t *end = x64_jmp8(e->b);
    x64_patch8_here(e->b, otherwise);
    emit_flags_constant(e, r->aux);
    x64_patch8_here(e->b, end);
}

/* --- Conversions ---------------------------------------------------------------------------------------------------- */

/* The host's instruction on scalars of the size of r->scale. */
static uint32_t scalar_op(const struct ir *r, enum vector_op op)
{
    return vector_host_op[op][r->scale];
}

/* d = a register of 64 bits, by way of SCRATCH2. */
static void number(struct emit *e, int d, uint64_t bits)
{
    x64_mov_ri(e->b, SCRATCH2, bits);
    emit_vex(e, 0x66003f6e, true, d, 0, SCRATCH2);
}

/* CVTTSD2SI, CVTTSS2SI: d = a toward zero. */
static void truncate(struct emit *e, const struct ir *r, bool wide, int d, int a)
{
    emit_vex(e, (r->scale == 3 ? 0xf2000000u : 0xf3000000u) | 0x3f2c, wide, d, 0, a);
}

/* The host's conversions are to signed integers, and trap if that does not do. What more there is to ask is asked of the bits of the number,
 * as an unsigned integer, ahead of it: a flag that the host raises stays. */
static void to_integer(struct emit *e, const struct ir *r)
{
    const unsigned site = begin(e);
    const bool source_double = r->scale == 3;
    const bool wide = r->sz == 3 || r->ext; /* 32 bits unsigned by way of 64 */
    int a = emit_vuse(e, r->a, VSCRATCH);
    const int d = emit_def(e, r->d, SCRATCH);

    if (r->ext || r->imm || r->aux != ROUND_TO_ZERO) {
        /* From 2^exponent on, or negative where that matters, is not for us. What is below 2^63 and not an integer does not round to it. */
        const unsigned exponent =
            (r->sz == 3 ? 63 : (r->ext ? 32u : 31u) - (r->aux != ROUND_TO_ZERO)) - (unsigned)r->imm;
        const uint64_t limit =
            source_double ? (uint64_t)(1023 + exponent) << 52 : (uint64_t)(127 + exponent) << 23;
        emit_vex(e, 0x66003f7e, source_double, a, 0, SCRATCH2);
        if (!r->ext)
            x64_alu_rr(e->b, ALU_ADD, source_double ? X_64 : X_32, SCRATCH2, SCRATCH2);
        x64_mov_ri(e->b, SCRATCH3, r->ext ? limit : limit << 1);
        x64_alu_rr(e->b, ALU_CMP, source_double ? X_64 : X_32, SCRATCH2, SCRATCH3);
        emit_site_stub(e, site, x64_jcc(e->b, CC_AE), X64_NONE);
    }
    denormals_trap(e, scalar_op(r, VEC_FCMP_SCALAR), a);
    if (r->imm) { /* times a power of two, which is exact */
        number(e, VSCRATCH2,
               source_double ? (uint64_t)(1023 + r->imm) << 52 : (uint64_t)(127 + r->imm) << 23);
        emit_vop(e, scalar_op(r, VEC_FMUL_SCALAR), VSCRATCH, a, VSCRATCH2);
        a = VSCRATCH;
    }
    if (r->aux == ROUND_TO_AWAY) { /* what is after the point, twice, is 1 if it was half or more; all of it is exact but the last */
        emit_vop_imm(e, scalar_op(r, VEC_FRINT_SCALAR), VSCRATCH2, a, a, ROUND_TO_ZERO | NO_INEXACT);
        emit_vop(e, scalar_op(r, VEC_FSUB_SCALAR), VSCRATCH3, a, VSCRATCH2);
        emit_vop(e, scalar_op(r, VEC_FADD_SCALAR), VSCRATCH3, VSCRATCH3, VSCRATCH3);
        truncate(e, r, wide, SCRATCH2, VSCRATCH3);
        truncate(e, r, wide, d, a);
        x64_alu_rr(e->b, ALU_ADD, wide ? X_64 : X_32, d, SCRATCH2);
    } else {
        if (r->aux != ROUND_TO_ZERO) { /* ROUNDSD, which raises Inexact */
            emit_vop_imm(e, scalar_op(r, VEC_FRINT_SCALAR), VSCRATCH2, a, a, r->aux);
            a = VSCRATCH2;
        }
        truncate(e, r, wide, d, a);
    }
    if (r->sz == 2 && r->ext)
        x64_mov_rr(e->b, X_32, d, d);
    emit_defined(e, r->d, d);
}

/* Nothing that traps. */
static void from_integer(struct emit *e, const struct ir *r)
{
    const uint32_t prefix = r->sz == 3 ? 0xf2000000u : 0xf3000000u;
    int a = emit_use(e, r->a, SCRATCH);
    bool wide = r->scale == 3;
    uint8_t *large = NULL;

    if (r->ext && wide) {
        x64_test_rr(e->b, X_64, a, a);
        large = x64_jcc8(e->b, CC_S);
    } else if (r->ext) {
        x64_mov_rr(e->b, X_32, SCRATCH, a);
        a = SCRATCH;
        wide = true;
    }
    const int d = emit_vdef(e, r->d, VSCRATCH);
    emit_vzero(e, d);
    emit_vex(e, prefix | 0x3f2a, wide, d, d, a);
    if (large) { /* from 2^63 on: half of it, of which the last bit tells if more were set, and that twice */
        uint8_t *over = x64_jmp8(e->b);
        x64_patch8_here(e->b, large);
        x64_mov_rr(e->b, X_64, SCRATCH2, a);
        x64_mov_rr(e->b, X_64, SCRATCH3, a);
        x64_shift_ri(e->b, SH_SHR, X_64, SCRATCH2, 1);
        x64_alu_ri(e->b, ALU_AND, X_32, SCRATCH3, 1);
        x64_alu_rr(e->b, ALU_OR, X_64, SCRATCH2, SCRATCH3);
        emit_vzero(e, d);
        emit_vex(e, prefix | 0x3f2a, true, d, d, SCRATCH2);
        emit_vop(e, vector_host_op[VEC_FADD_SCALAR][r->sz], d, d, d);
        x64_patch8_here(e->b, over);
    }
    emit_vdefined(e, r->d, d);
}

bool emit_float(struct emit *e, const struct ir *r)
{
    switch (r->op) {
    case IR_F1: one(e, r); return true;
    case IR_F2: two(e, r); return true;
    case IR_F3: multiply_add(e, r); return true;
    case IR_FCMP: compare(e, r); return true;
    case IR_FCCMP: compare_if(e, r); return true;
    case IR_FTOI: to_integer(e, r); return true;
    case IR_ITOF: from_integer(e, r); return true;
    default: return false;
    }
}
