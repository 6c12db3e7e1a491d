/* Vector instructions by number of register: VEX where they suffice, EVEX where a register is one of the upper sixteen that AVX-512 brings.
 *
 * Some instructions have no EVEX form, or another one. Then operands in upper registers go through XMM13 to XMM15, which are nobody's on hosts with
 * upper registers; copies between registers cost the host next to nothing.
 * Specification: Intel SDM volume 2, "AVX-512 Encoding", and the instructions' pages. */
#include "cpu/jit/emit.h"

#define MOVUPS_LOAD 0x00000f10u
#define MOVUPS_STORE 0x00000f11u
#define MOVAPS 0x00000f28u
#define PXOR 0x66000fefu
#define PCMPEQD 0x66000f76u
#define PTEST 0x66380f17u
#define VTESTPS 0x66380f0eu

enum { SPARE_D = 13, SPARE_A = 14, SPARE_B = 15 };

/* W in the EVEX form, which often says what VEX leaves to the opcode. */
enum evex_w { NO_EVEX, W0, W1, W_AS_VEX };

static enum evex_w evex_w(uint32_t op, uint32_t host)
{
    const unsigned prefix = op >> 24;

    switch (op) {
    case MOVUPS_LOAD:
    case MOVUPS_STORE:
    case MOVAPS:
    case 0x66000fdb: /* PAND, PANDN, POR, PXOR: their D forms */
    case 0x66000fdf:
    case 0x66000feb:
    case 0x66000fef:
    case 0x66000ffc: /* PADDB, W, D */
    case 0x66000ffd:
    case 0x66000ffe:
    case 0x66000ff8: /* PSUBB, W, D */
    case 0x66000ff9:
    case 0x66000ffa:
    case 0x66000fd5: /* PMULLW, PMULLD */
    case 0x66380f40:
    case 0x66380f3c: /* maxima and minima */
    case 0x66000fee:
    case 0x66380f3d:
    case 0x66380f38:
    case 0x66000fea:
    case 0x66380f39:
    case 0x66000fde:
    case 0x66380f3e:
    case 0x66380f3f:
    case 0x66000fda:
    case 0x66380f3a:
    case 0x66380f3b:
    case 0x66000f60: /* PUNPCKLBW, WD, DQ; PUNPCKHBW, WD, DQ */
    case 0x66000f61:
    case 0x66000f62:
    case 0x66000f68:
    case 0x66000f69:
    case 0x66000f6a:
    case 0x66380f30: /* PMOVZX, PMOVSX */
    case 0x66380f33:
    case 0x66380f35:
    case 0x66380f20:
    case 0x66380f23:
    case 0x66380f25:
    case 0x66380f1c: /* PABS */
    case 0x66380f1d:
    case 0x66380f1e:
    case 0x66000fe0: /* PAVG */
    case 0x66000fe3:
    case 0x66000fec: /* PADDS, PSUBS, PADDUS, PSUBUS */
    case 0x66000fed:
    case 0x66000fe8:
    case 0x66000fe9:
    case 0x66000fdc:
    case 0x66000fdd:
    case 0x66000fd8:
    case 0x66000fd9:
    case 0x66000f63: /* packs */
    case 0x66000f6b:
    case 0x66000f67:
    case 0x66380f2b:
    case 0x66000fe4: /* PMULHUW, PMULHW, PMULHRSW */
    case 0x66000fe5:
    case 0x66380f0b:
    case 0x66380f04: /* PMADDUBSW, PMADDWD, PSADBW */
    case 0x66000ff5:
    case 0x66000ff6:
    case 0x66380f00: /* PSHUFB, PSHUFD, PSHUFLW, PALIGNR, SHUFPS, INSERTPS */
    case 0x66000f70:
    case 0xf2000f70:
    case 0x663a0f0f:
    case 0x00000fc6:
    case 0x663a0f21:
    case 0x66000f71: /* shifts by an immediate: words, doublewords */
    case 0x66000f72:
    case 0x663a0f20: /* PINSRB, PINSRW, PEXTRB, PEXTRW */
    case 0x66000fc4:
    case 0x663a0f14:
    case 0x66000fc5:
    case 0x66380f78: /* PBROADCASTB, W, D */
    case 0x66380f79:
    case 0x66380f58:
    case 0x00000f5b: /* CVTDQ2PS, CVTTPS2DQ */
    case 0xf3000f5b:
    case 0x66380f13: /* CVTPH2PS, CVTPS2PH */
    case 0x663a0f1d: return W0;
    case 0x66000fd4: /* PADDQ, PSUBQ, PMULUDQ, PMULDQ */
    case 0x66000ffb:
    case 0x66000ff4:
    case 0x66380f28:
    case 0x66000f6c: /* PUNPCKLQDQ, PUNPCKHQDQ */
    case 0x66000f6d:
    case 0x66000f73: /* shifts by an immediate: quadwords, and of all bytes */
    case 0x66380f59: /* PBROADCASTQ */
    case 0xf3000f7e: /* MOVQ */
    case 0x66000fd6: return W1;
    case 0x66000f6e: /* MOVD and MOVQ, to and from general registers */
    case 0x66000f7e:
    case 0x663a0f22: /* PINSRD, PINSRQ, PEXTRD, PEXTRQ */
    case 0x663a0f16:
    case 0x66380f45: /* VPSRLVD, VPSLLVD */
    case 0x66380f47:
    case 0x66380fb8: /* FMA, FMS and their negatives; packed, scalar */
    case 0x66380fb9:
    case 0x66380fbb:
    case 0x66380fbc:
    case 0x66380fbd:
    case 0x66380fbf:
    case 0xf2000f2a: /* CVTSI2SD, SS; CVTTSD2SI, SS */
    case 0xf3000f2a:
    case 0xf2000f2c:
    case 0xf3000f2c: return W_AS_VEX;
    case 0x66380fdc: /* AES rounds, PCLMULQDQ */
    case 0x66380fdd:
    case 0x66380fde:
    case 0x66380fdf:
    case 0x663a0f44: return host & JIT_HOST_VAES ? W0 : NO_EVEX;
    default: break;
    }
    switch (op & 0xffffff) {
    case 0x0f2e: /* UCOMIS, COMIS, and arithmetic: packed and scalar, by prefix */
    case 0x0f2f:
    case 0x0f51:
    case 0x0f58:
    case 0x0f59:
    case 0x0f5a:
    case 0x0f5c:
    case 0x0f5d:
    case 0x0f5e:
    case 0x0f5f: return prefix == 0x66 || prefix == 0xf2 ? W1 : W0;
    default: return NO_EVEX;
    }
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
    const enum evex_w w = evex_w(op, e->u->j->host);
    if (w != NO_EVEX) {
        x64_evex_rrr(e->b, op, w == W_AS_VEX ? wide : w == W1, reg, vvvv, rm);
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
        x64_evex_rrm(e->b, op, evex_w(op, e->u->j->host) == W1, reg, 0, m);
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
