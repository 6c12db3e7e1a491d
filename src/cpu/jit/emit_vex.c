/* Vector instructions by number of register: VEX where they suffice, EVEX where a register is one of the upper sixteen that AVX-512 brings.
 *
 * Some instructions have no EVEX form, or another one. Then operands in upper registers go through XMM13 to XMM15, which are nobody's on hosts with
 * upper registers; copies between registers cost the host next to nothing.
 * Specification: Intel SDM volume 2, "AVX-512 Encoding", and the instructions' pages. */
#include "cpu/jit/emit.h"

#define MOVUPS_LOAD 0x00001f10u
#define MOVUPS_STORE 0x00001f11u
#define MOVAPS 0x00001f28u
#define PXOR 0x66001fefu
#define PCMPEQD 0x66000f76u
#define PTEST 0x66380f17u
#define VTESTPS 0x66380f0eu

enum { SPARE_D = 13, SPARE_A = 14, SPARE_B = 15 };

static bool is_aes_or_clmul(uint32_t op)
{
    return (op >= vector_host_op[VEC_AESENC][0] && op <= vector_host_op[VEC_AESDECLAST][0]) ||
           op == vector_host_op[VEC_CLMUL][3];
}

/* What the host has of it. */
static enum x64_evex evex_form(const struct emit *e, uint32_t op)
{
    return is_aes_or_clmul(op) && !(e->u->j->host & JIT_HOST_VAES) ? X64_NO_EVEX : x64_evex_form(op);
}

static bool is_upper(int reg)
{
    return reg > 15;
}

static void finish(struct emit *e, int imm)
{
    if (imm != EMIT_NO_IMM)
        x64_byte(e->b, (unsigned)imm);
}

void emit_vex_imm(struct emit *e, uint32_t op, bool wide, int reg, int vvvv, int rm, int imm)
{
    if (!is_upper(reg) && !is_upper(vvvv) && !is_upper(rm)) {
        x64_vex_rrr(e->b, op, wide, false, reg, vvvv, rm);
        finish(e, imm);
        return;
    }
    const enum x64_evex form = evex_form(e, op);
    if (form != X64_NO_EVEX) {
        x64_evex_rrr(e->b, op, form == X64_EVEX_AS_VEX ? wide : form == X64_EVEX_W1, reg, vvvv, rm);
        finish(e, imm);
        return;
    }
    const bool test = op == PTEST || op == VTESTPS; /* which only read */
    const int d = is_upper(reg) ? SPARE_D : reg;
    if (is_upper(reg) && test)
        emit_vmove(e, SPARE_D, reg);
    if (is_upper(vvvv))
        emit_vmove(e, SPARE_A, vvvv);
    if (is_upper(rm))
        emit_vmove(e, SPARE_B, rm);
    x64_vex_rrr(e->b, op, wide, false, d, is_upper(vvvv) ? SPARE_A : vvvv, is_upper(rm) ? SPARE_B : rm);
    finish(e, imm);
    if (is_upper(reg) && !test)
        emit_vmove(e, reg, SPARE_D);
}

void emit_vex(struct emit *e, uint32_t op, bool wide, int reg, int vvvv, int rm)
{
    emit_vex_imm(e, op, wide, reg, vvvv, rm, EMIT_NO_IMM);
}

void emit_vex_mem(struct emit *e, uint32_t op, int reg, struct x64_mem m)
{
    if (is_upper(reg))
        x64_evex_rrm(e->b, op, x64_evex_form(op) == X64_EVEX_W1, reg, 0, m);
    else
        x64_vex_rrm(e->b, op, false, false, reg, 0, m);
}

void emit_vload(struct emit *e, int d, struct x64_mem m)
{
    emit_vex_mem(e, MOVUPS_LOAD, d, m);
}

void emit_vstore(struct emit *e, struct x64_mem m, int s)
{
    emit_vex_mem(e, MOVUPS_STORE, s, m);
}

void emit_vop(struct emit *e, uint32_t op, int d, int a, int b)
{
    emit_vex(e, op, false, d, a, b);
}

void emit_vop_imm(struct emit *e, uint32_t op, int d, int a, int b, unsigned imm)
{
    emit_vex_imm(e, op, false, d, a, b, (int)imm);
}

void emit_vop1(struct emit *e, uint32_t op, int d, int b)
{
    emit_vop(e, op, d, 0, b);
}

void emit_vmove(struct emit *e, int d, int s)
{
    if (d != s)
        emit_vop1(e, MOVAPS, d, s);
}

void emit_vzero(struct emit *e, int d)
{
    emit_vop(e, PXOR, d, d, d);
}

void emit_vones(struct emit *e, int d)
{
    if (is_upper(d)) { /* VPTERNLOGD */
        x64_evex_rrr(e->b, 0x663a0f25, false, d, d, d);
        x64_byte(e->b, 0xff);
    } else {
        emit_vop(e, PCMPEQD, d, d, d);
    }
}
