/* SHA1 and SHA256 by the host's SHA extensions, CRC32. (AES and carry-less multiplication are single instructions: spec/vector_ops.def.)
 *
 * The SHA extensions have no VEX form: their first operand is also the result, and SHA256RNDS2 takes the words from XMM0.
 * Specification: Intel SDM volume 2, "SHA1RNDS4", "SHA256RNDS2" and their neighbours, "PCLMULQDQ", "CRC32". */
#include "cpu/jit/emit.h"

#define SHA1RNDS4 0x3a0fccu
#define SHA256RNDS2 0x380fcbu
#define SHA256MSG1 0x380fccu
#define SHA256MSG2 0x380fcdu
#define PSHUFD 0x66001f70u
#define PUNPCKLQDQ 0x66002f6cu
#define PUNPCKHQDQ 0x66002f6du
#define PADDD 0x66001ffeu
#define PSUBD 0x66001ffau
#define MOVD_FROM 0x66003f6eu
#define MOVD_TO 0x66003f7eu
#define PINSRQ 0x663a3f22u
#define PEXTRD 0x663a3f16u
#define PCLMULQDQ 0x663a1f44u
#define PSLLDQ 0x66002f73u /* /7 */

static void shuffle(struct emit *e, int d, int a, unsigned how)
{
    emit_vop_imm(e, PSHUFD, d, 0, a, how);
}

/* d = OP a, b without VEX, which reaches sixteen registers. */
static void legacy(struct emit *e, uint32_t op, int d, int a, int b)
{
    const int t = d == b || d > 15 ? VSCRATCH3 : d;

    if (b > 15) {
        emit_vmove(e, VSCRATCH2, b);
        b = VSCRATCH2;
    }
    emit_vmove(e, t, a);
    x64_rr(e->b, op, X_32, t, b);
    emit_vmove(e, d, t);
}

static void message(struct emit *e, const struct ir *r, uint32_t op)
{
    const int a = emit_vuse(e, r->a, VSCRATCH), b = emit_vuse(e, r->b, VSCRATCH2);
    const int d = emit_vdef(e, r->d, VSCRATCH3);

    legacy(e, op, d, a, b);
    emit_vdefined(e, r->d, d);
}

/* a: A to D from element 0 up; b: E in element 0; c: the words with Arm's constants, while the host adds its own. The host has A on top. */
static void sha1_rounds(struct emit *e, const struct ir *r)
{
    static const uint32_t constant[3] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc};
    enum { REVERSE = 0x1b };

    shuffle(e, VSCRATCH2, emit_vuse(e, r->c, VSCRATCH2), REVERSE);
    x64_mov_ri(e->b, SCRATCH, constant[r->imm]);
    emit_vex(e, MOVD_FROM, false, VSCRATCH, 0, SCRATCH);
    shuffle(e, VSCRATCH, VSCRATCH, 0);
    emit_vop(e, PSUBD, VSCRATCH2, VSCRATCH2, VSCRATCH);
    emit_vex_imm(e, PSLLDQ, false, 7, VSCRATCH3, emit_vuse(e, r->b, VSCRATCH3), 12);
    emit_vop(e, PADDD, VSCRATCH2, VSCRATCH2, VSCRATCH3);
    shuffle(e, VSCRATCH, emit_vuse(e, r->a, VSCRATCH), REVERSE);
    x64_rr(e->b, SHA1RNDS4, X_32, VSCRATCH, VSCRATCH2);
    x64_byte(e->b, (unsigned)r->imm);
    const int d = emit_vdef(e, r->d, VSCRATCH);
    shuffle(e, d, VSCRATCH, REVERSE);
    emit_vdefined(e, r->d, d);
}

/* a: A to D, b: E to H, from element 0 up. The host has them as FEBA and HGDC, and does two rounds at a time. imm 0: what A to D become, 1:
 * E to H. */
static void sha256_rounds(struct emit *e, const struct ir *r)
{
    enum { SWAP_PAIRS = 0xb1, HIGH = 0xee };
    const int a = emit_vuse(e, r->a, VSCRATCH2), b = emit_vuse(e, r->b, VSCRATCH3);

    emit_vop(e, PUNPCKHQDQ, VSCRATCH, b, a);
    emit_vop(e, PUNPCKLQDQ, VSCRATCH3, b, a);
    shuffle(e, VSCRATCH2, VSCRATCH, SWAP_PAIRS);
    shuffle(e, VSCRATCH3, VSCRATCH3, SWAP_PAIRS);
    const int c = emit_vuse(e, r->c, VSCRATCH);
    emit_vmove(e, 0, c);
    x64_rr(e->b, SHA256RNDS2, X_32, VSCRATCH2, VSCRATCH3);
    shuffle(e, 0, c, HIGH);
    x64_rr(e->b, SHA256RNDS2, X_32, VSCRATCH3, VSCRATCH2);
    const int d = emit_vdef(e, r->d, VSCRATCH);
    emit_vop(e, r->imm ? PUNPCKLQDQ : PUNPCKHQDQ, d, VSCRATCH3, VSCRATCH2);
    shuffle(e, d, d, SWAP_PAIRS);
    emit_vdefined(e, r->d, d);
}

/* --- CRC32 -------------------------------------------------------------------------------------------------------------- */

static const enum x64_width data_width[4] = {X_8, X_16, X_32, X_64};

static void castagnoli(struct emit *e, const struct ir *r)
{
    const int a = emit_use(e, r->a, SCRATCH), b = emit_use(e, r->b, SCRATCH2);

    x64_mov_rr(e->b, X_32, SCRATCH, a);
    x64_rr(e->b, r->sz ? 0xf2380ff1 : 0xf2380ff0, data_width[r->sz], SCRATCH, b);
    const int d = emit_def(e, r->d, SCRATCH);
    if (d != SCRATCH)
        x64_mov_rr(e->b, X_64, d, SCRATCH);
    emit_defined(e, r->d, d);
}

/* EAX modulo the polynomial, 32 bits further on: Barrett's reduction. The polynomial and the quotient of x^64 by it are in VSCRATCH2. */
static void reduce(struct emit *e)
{
    emit_vex(e, MOVD_FROM, false, VSCRATCH, 0, SCRATCH);
    emit_vop_imm(e, PCLMULQDQ, VSCRATCH, VSCRATCH, VSCRATCH2, 0x00);
    emit_vex(e, MOVD_TO, false, VSCRATCH, 0, SCRATCH);
    emit_vex(e, MOVD_FROM, false, VSCRATCH, 0, SCRATCH);
    emit_vop_imm(e, PCLMULQDQ, VSCRATCH, VSCRATCH, VSCRATCH2, 0x10);
    emit_vex_imm(e, PEXTRD, false, VSCRATCH, 0, SCRATCH, 1);
}

static void ieee(struct emit *e, const struct ir *r)
{
    const unsigned len = 8u << r->sz; /* bits */
    const int a = emit_use(e, r->a, SCRATCH), b = emit_use(e, r->b, SCRATCH2);

    /* Bit-reversed, as the data are: the quotient, and the polynomial. */
    x64_mov_ri(e->b, SCRATCH3, UINT64_C(0x1f7011641));
    emit_vex(e, MOVD_FROM, true, VSCRATCH2, 0, SCRATCH3);
    x64_mov_ri(e->b, SCRATCH3, UINT64_C(0x1db710641));
    emit_vex_imm(e, PINSRQ, true, VSCRATCH2, VSCRATCH2, SCRATCH3, 1);

    x64_mov_rr(e->b, X_32, SCRATCH, a);
    if (len == 64) {
        x64_alu_rr(e->b, ALU_XOR, X_64, SCRATCH, b);
        x64_mov_rr(e->b, X_64, SCRATCH2, SCRATCH);
        x64_shift_ri(e->b, SH_SHR, X_64, SCRATCH2, 32);
        reduce(e);
        x64_alu_rr(e->b, ALU_XOR, X_32, SCRATCH, SCRATCH2);
        reduce(e);
    } else if (len == 32) {
        x64_alu_rr(e->b, ALU_XOR, X_32, SCRATCH, b);
        reduce(e);
    } else { /* zeros come first and change nothing */
        x64_mov_rr(e->b, X_32, SCRATCH3, SCRATCH);
        x64_shift_ri(e->b, SH_SHR, X_32, SCRATCH3, len);
        x64_alu_rr(e->b, ALU_XOR, X_32, SCRATCH, b);
        x64_shift_ri(e->b, SH_SHL, X_32, SCRATCH, 32 - len);
        reduce(e);
        x64_alu_rr(e->b, ALU_XOR, X_32, SCRATCH, SCRATCH3);
    }
    const int d = emit_def(e, r->d, SCRATCH);
    if (d != SCRATCH)
        x64_mov_rr(e->b, X_64, d, SCRATCH);
    emit_defined(e, r->d, d);
}

bool emit_crypto(struct emit *e, const struct ir *r)
{
    if (r->op == IR_CRC32) {
        if (r->ext)
            castagnoli(e, r);
        else
            ieee(e, r);
        return true;
    }
    if (r->op != IR_V2 && r->op != IR_V3)
        return false;
    switch (r->aux) {
    case VEC_SHA1RNDS4: sha1_rounds(e, r); return true;
    case VEC_SHA256RNDS: sha256_rounds(e, r); return true;
    case VEC_SHA256MSG1: message(e, r, SHA256MSG1); return true;
    case VEC_SHA256MSG2: message(e, r, SHA256MSG2); return true;
    default: return false;
    }
}
