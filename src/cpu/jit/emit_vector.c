/* Vector registers: moves, elements, and the operations that cannot trap. All of it is AVX: lift_vector.c has nothing for hosts without. */
#include "cpu/jit/emit.h"

#include "gen/sysreg_fields.h"

#define PXOR 0x66001fefu
#define PAND 0x66001fdbu
#define MOVQ 0xf3002f7eu /* xmm, xmm or mem: zeroes the upper half */
#define MOVD_FROM 0x66003f6eu
#define MOVD_TO 0x66003f7eu
#define PUNPCKLQDQ 0x66002f6cu
#define PSHUFD 0x66001f70u
#define PSHUFLW 0xf2001f70u
#define PSHUFB 0x66381f00u
#define PALIGNR 0x663a1f0fu
#define PINSR_D 0x663a3f22u
#define PTEST 0x66380f17u

const uint32_t vector_host_op[NR_VECTOR_OPS][4] = {
#define VECTOR(name, text, ...) {__VA_ARGS__},
#include "spec/vector_ops.def"
#undef VECTOR
};

/* --- Operands ------------------------------------------------------------------------------------------------------- */

int emit_vuse(struct emit *e, var_t web, int scratch)
{
    if (web == VAR_ZERO) {
        emit_vzero(e, scratch);
        return scratch;
    }
    const int reg = emit_hreg(e, web);
    if (reg != X64_NONE)
        return reg;
    emit_vload(e, scratch, emit_memory(e, web));
    return scratch;
}

int emit_vdef(struct emit *e, var_t web, int scratch)
{
    const int reg = emit_hreg(e, web);
    return reg == X64_NONE ? scratch : reg;
}

void emit_vdefined(struct emit *e, var_t web, int reg)
{
    const struct jit_web *w = &e->u->web[web];

    if (w->hreg == X64_NONE || (w->var != VAR_TEMP && !w->lazy))
        emit_vstore(e, emit_memory(e, web), reg);
    emit_noted(e, web);
}

void emit_vfinish(struct emit *e, const struct ir *r, int d)
{
    if (!r->q)
        emit_vop1(e, MOVQ, d, d);
    emit_vdefined(e, r->d, d);
}

/* d = a shifted by n bits in each element of 1 << sz bytes (1 to 3), or by bytes as a whole; /reg is the operation's number. */
static void shift_imm(struct emit *e, unsigned sz, unsigned number, int d, int a, unsigned n)
{
    static const uint32_t op[5] = {0, 0x66001f71, 0x66001f72, 0x66002f73, 0x66002f73};

    emit_vex_imm(e, op[sz], false, (int)number, d, a, (int)n);
}

enum { PS_RIGHT = 2, PS_RIGHT_BYTES = 3, PS_RIGHT_SIGNED = 4, PS_LEFT = 6, PS_LEFT_BYTES = 7 };

void emit_vsign_mask(struct emit *e, unsigned sz, int d)
{
    emit_vones(e, d);
    shift_imm(e, sz, PS_LEFT, d, d, (8u << sz) - 1);
}

void emit_vslide(struct emit *e, int d, int a, unsigned bytes)
{
    shift_imm(e, 4, PS_RIGHT_BYTES, d, a, bytes);
}

static void shuffle(struct emit *e, uint32_t op, int d, int a, unsigned how)
{
    emit_vop_imm(e, op, d, 0, a, how);
}

/* --- Constants and moves -------------------------------------------------------------------------------------------- */

/* All ones shifted within elements of some size, which takes no general register: both halves imm. */
static bool shifted_ones(struct emit *e, int d, uint64_t imm)
{
    for (unsigned sz = 1; sz < 4; sz++) {
        const unsigned width = 8u << sz;
        const uint64_t ones = mask64(width), element = imm & ones;
        const uint64_t all = element * (UINT64_MAX / ones);
        const unsigned low = element ? (unsigned)__builtin_ctzll(element) : 0;
        const unsigned high = element ? (unsigned)__builtin_clzll(element) - (64 - width) : 0;
        if (!element || all != imm)
            continue;
        if (low && element == (ones & ones << low)) {
            emit_vones(e, d);
            shift_imm(e, sz, PS_LEFT, d, d, low);
            return true;
        }
        if (high && element == ones >> high) {
            emit_vones(e, d);
            shift_imm(e, sz, PS_RIGHT, d, d, high);
            return true;
        }
    }
    return false;
}

static void constant(struct emit *e, const struct ir *r)
{
    const int d = emit_vdef(e, r->d, VSCRATCH);
    const uint64_t low = (uint64_t)r->imm, high = r->sz == 4 ? r->target : r->q ? low : 0;

    if (!low && !high) {
        emit_vzero(e, d);
    } else if (low == UINT64_MAX && high == low) {
        emit_vones(e, d);
    } else if (low != high || !shifted_ones(e, d, low)) {
        x64_mov_ri(e->b, SCRATCH, low);
        emit_vex(e, MOVD_FROM, true, d, 0, SCRATCH);
        if (high == low) {
            emit_vop(e, PUNPCKLQDQ, d, d, d);
        } else if (high) {
            x64_mov_ri(e->b, SCRATCH, high);
            emit_vex_imm(e, PINSR_D, true, d, d, SCRATCH, 1);
        }
    }
    emit_vdefined(e, r->d, d);
}

unsigned emit_zero_above(const struct emit *e, var_t web)
{
    return web < JIT_MAX_WEBS ? e->zeros[web] : 1;
}

void emit_vlowest(struct emit *e, unsigned bytes, int d, int a, unsigned zero_above)
{
    if (zero_above <= bytes) {
        emit_vmove(e, d, a);
    } else if (bytes == 8) {
        emit_vop1(e, MOVQ, d, a);
    } else { /* INSERTPS of element 0, all others zero */
        BUG_ON(bytes != 4);
        emit_vop_imm(e, 0x663a1f21, d, a, a, 0x0e);
    }
}

/* Everything, or the lowest 4 or 8 bytes with zeros above. */
static void move(struct emit *e, const struct ir *r)
{
    const int a = emit_vuse(e, r->a, VSCRATCH), d = emit_vdef(e, r->d, r->q ? a : VSCRATCH);

    emit_vlowest(e, r->q ? 16 : 1u << r->sz, d, a, emit_zero_above(e, r->a));
    emit_vdefined(e, r->d, d);
}

/* --- Elements ------------------------------------------------------------------------------------------------------- */

static void put(struct emit *e, const struct ir *r)
{
    static const uint32_t insert[4] = {0x663a1f20, 0x66001fc4, PINSR_D, PINSR_D};
    const int b = emit_use(e, r->b, SCRATCH);

    if (r->a == VAR_ZERO && !r->imm && r->sz >= 2) {
        const int d = emit_vdef(e, r->d, VSCRATCH);
        emit_vex(e, MOVD_FROM, r->sz == 3, d, 0, b);
        emit_vdefined(e, r->d, d);
        return;
    }
    const int a = emit_vuse(e, r->a, VSCRATCH), d = emit_vdef(e, r->d, VSCRATCH);
    emit_vex_imm(e, insert[r->sz], r->sz == 3, d, a, b, (int)r->imm);
    emit_vdefined(e, r->d, d);
}

static void get(struct emit *e, const struct ir *r)
{
    const int a = emit_vuse(e, r->a, VSCRATCH), d = emit_def(e, r->d, SCRATCH);

    if (!r->imm && r->sz >= 2) {
        emit_vex(e, MOVD_TO, r->sz == 3, a, 0, d);
    } else if (r->sz == 1) { /* PEXTRW r, xmm, imm */
        emit_vex_imm(e, 0x66001fc5, false, d, 0, a, (int)r->imm);
    } else {
        emit_vex_imm(e, r->sz ? 0x663a3f16 : 0x663a1f14, r->sz == 3, a, 0, d, (int)r->imm);
    }
    if (r->ext != EXT_ZERO) {
        static const uint32_t extend[3] = {0x0fbe, 0x0fbf, 0x63};
        BUG_ON(r->sz > 2);
        x64_rr(e->b, extend[r->sz], X_64, d, d);
        if (r->ext == EXT_S32)
            x64_mov_rr(e->b, X_32, d, d);
    }
    emit_defined(e, r->d, d);
}

/* All elements from the lowest of s. */
static void broadcast(struct emit *e, unsigned sz, int d, int s)
{
    static const uint32_t wide[4] = {0x66381f78, 0x66381f79, 0x66381f58, 0x66382f59};

    if (sz == 3) {
        emit_vop(e, PUNPCKLQDQ, d, s, s);
    } else if (e->u->j->host & JIT_HOST_AVX2) {
        emit_vop1(e, wide[sz], d, s);
    } else if (sz == 2) {
        shuffle(e, PSHUFD, d, s, 0);
    } else if (sz == 1) {
        shuffle(e, PSHUFLW, d, s, 0);
        emit_vop(e, PUNPCKLQDQ, d, d, d);
    } else {
        emit_vzero(e, VSCRATCH3);
        emit_vop(e, PSHUFB, d, s, VSCRATCH3);
    }
}

static void duplicate_general(struct emit *e, const struct ir *r)
{
    const int a = emit_use(e, r->a, SCRATCH), d = emit_vdef(e, r->d, VSCRATCH);

    emit_vex(e, MOVD_FROM, r->sz == 3, d, 0, a);
    if (r->q || r->sz < 3)
        broadcast(e, r->sz, d, d);
    emit_vfinish(e, r, d);
}

static void duplicate(struct emit *e, const struct ir *r, int d, int a)
{
    const unsigned n = (unsigned)r->imm;

    if (r->sz == 2) {
        shuffle(e, PSHUFD, d, a, n * 0x55);
    } else if (r->sz == 3) {
        shuffle(e, PSHUFD, d, a, n ? 0xee : 0x44);
    } else {
        if (n)
            emit_vslide(e, d, a, n << r->sz);
        broadcast(e, r->sz, d, n ? d : a);
    }
}

/* --- Shifts --------------------------------------------------------------------------------------------------------- */

static void shift(struct emit *e, const struct ir *r, int d, int a)
{
    const unsigned n = (unsigned)r->imm, width = 8u << r->sz;
    const unsigned number = r->aux == VEC_SHL    ? PS_LEFT
                            : r->aux == VEC_USHR ? PS_RIGHT
                                                 : PS_RIGHT_SIGNED;

    if (n >= width && r->aux != VEC_SSHR) { /* USHR by the width */
        emit_vzero(e, d);
    } else if (r->aux == VEC_SSHR && r->sz == 3) {
        /* No such instruction before AVX-512: (a >> n) with the sign's copies from a comparison with zero. */
        emit_vzero(e, VSCRATCH2);
        emit_vop(e, vector_host_op[VEC_GT][3], VSCRATCH2, VSCRATCH2, a);
        if (n >= width) {
            emit_vmove(e, d, VSCRATCH2);
        } else {
            shift_imm(e, 3, PS_LEFT, VSCRATCH2, VSCRATCH2, width - n);
            shift_imm(e, 3, PS_RIGHT, d, a, n);
            emit_vop(e, vector_host_op[VEC_OR][3], d, d, VSCRATCH2);
        }
    } else if (r->sz == 0) {
        /* Halfwords, and what crossed into the neighbour is masked away; the signed one by way of an unsigned and x ^ m - m. */
        const unsigned m = r->aux == VEC_SHL ? 0xffu << n & 0xff : n >= 8 ? 0 : 0xffu >> n;
        const bool sign = r->aux == VEC_SSHR;
        const unsigned by = sign && n == 8 ? 7 : n;
        const unsigned mask = sign ? 0xffu >> by : m;

        shift_imm(e, 1, sign ? PS_RIGHT : number, VSCRATCH2, a, by);
        x64_mov_ri(e->b, SCRATCH, mask * 0x01010101u);
        emit_vex(e, MOVD_FROM, false, VSCRATCH3, 0, SCRATCH);
        shuffle(e, PSHUFD, VSCRATCH3, VSCRATCH3, 0);
        emit_vop(e, PAND, sign ? VSCRATCH2 : d, VSCRATCH2, VSCRATCH3);
        if (sign) {
            x64_mov_ri(e->b, SCRATCH, (0x80u >> by) * 0x01010101u);
            emit_vex(e, MOVD_FROM, false, VSCRATCH3, 0, SCRATCH);
            shuffle(e, PSHUFD, VSCRATCH3, VSCRATCH3, 0);
            emit_vop(e, PXOR, VSCRATCH2, VSCRATCH2, VSCRATCH3);
            emit_vop(e, vector_host_op[VEC_SUB][0], d, VSCRATCH2, VSCRATCH3);
        }
    } else {
        shift_imm(e, r->sz, number, d, a, n > 255 ? 255 : n);
    }
}

/* --- Operations ----------------------------------------------------------------------------------------------------- */

/* |a| or -a of the lowest element; a constant by way of a general register has nothing above it. */
static void sign_of_scalar(struct emit *e, const struct ir *r)
{
    const int a = emit_vuse(e, r->a, VSCRATCH), d = emit_vdef(e, r->d, VSCRATCH);
    const uint64_t top = r->sz == 3 ? BIT64(63) : BIT64(31);

    x64_mov_ri(e->b, SCRATCH, r->aux == VEC_FNEG_SCALAR ? top : top - 1);
    emit_vex(e, MOVD_FROM, true, VSCRATCH2, 0, SCRATCH);
    if (r->aux == VEC_FNEG_SCALAR) {
        emit_vop(e, PXOR, d, a, VSCRATCH2);
        emit_vlowest(e, 1u << r->sz, d, d, emit_zero_above(e, r->a));
    } else {
        emit_vop(e, PAND, d, a, VSCRATCH2);
    }
    emit_vdefined(e, r->d, d);
}

static void lowest(struct emit *e, unsigned sz, int d, int a)
{
    if (sz >= 2) {
        emit_vlowest(e, 1u << sz, d, a, 16);
    } else { /* to the top and back */
        shift_imm(e, 4, PS_LEFT_BYTES, d, a, 16 - (1u << sz));
        shift_imm(e, 4, PS_RIGHT_BYTES, d, d, 16 - (1u << sz));
    }
}

static void one(struct emit *e, const struct ir *r)
{
    const int a = emit_vuse(e, r->a, VSCRATCH), d = emit_vdef(e, r->d, VSCRATCH);
    const uint32_t op = vector_host_op[r->aux][r->sz];

    switch (r->aux) {
    case VEC_NOT:
        emit_vones(e, VSCRATCH2);
        emit_vop(e, PXOR, d, a, VSCRATCH2);
        break;
    case VEC_SHL:
    case VEC_USHR:
    case VEC_SSHR: shift(e, r, d, a); break;
    case VEC_DUP: duplicate(e, r, d, a); break;
    case VEC_SLIDE: emit_vslide(e, d, a, (unsigned)r->imm); break;
    case VEC_LOWEST: lowest(e, r->sz, d, a); break;
    case VEC_FABS:
        emit_vsign_mask(e, r->sz, VSCRATCH2);
        emit_vop(e, vector_host_op[VEC_ANDN][0], d, VSCRATCH2, a);
        break;
    case VEC_FNEG:
        emit_vsign_mask(e, r->sz, VSCRATCH2);
        emit_vop(e, PXOR, d, a, VSCRATCH2);
        break;
    default:
        BUG_ON(!op);
        emit_vop1(e, op, d, a);
        break;
    }
    emit_vfinish(e, r, d);
}

static void two(struct emit *e, const struct ir *r)
{
    const int a = emit_vuse(e, r->a, VSCRATCH), b = emit_vuse(e, r->b, VSCRATCH2);
    const int d = emit_vdef(e, r->d, VSCRATCH);
    const uint32_t op = vector_host_op[r->aux][r->sz];

    switch (r->aux) {
    case VEC_EXT: emit_vop_imm(e, PALIGNR, d, b, a, (unsigned)r->imm); break;
    case VEC_SHUFFLE:
    case VEC_BLEND:
    case VEC_CLMUL: emit_vop_imm(e, op, d, a, b, (unsigned)r->imm); break;
    case VEC_SHLV:
    case VEC_SHRV: emit_vex(e, op, r->sz == 3, d, a, b); break;
    default:
        BUG_ON(!op);
        emit_vop(e, op, d, a, b);
        break;
    }
    emit_vfinish(e, r, d);
}

static void three(struct emit *e, const struct ir *r)
{
    const int a = emit_vuse(e, r->a, VSCRATCH), b = emit_vuse(e, r->b, VSCRATCH2),
              c = emit_vuse(e, r->c, VSCRATCH3);
    const int d = emit_vdef(e, r->d, VSCRATCH);

    BUG_ON(r->aux != VEC_BSL); /* ((b ^ c) & a) ^ c */
    emit_vop(e, PXOR, VSCRATCH2, b, c);
    emit_vop(e, PAND, VSCRATCH2, VSCRATCH2, a);
    emit_vop(e, PXOR, d, VSCRATCH2, c);
    emit_vfinish(e, r, d);
}

/* By way of general registers: without a jump, and what the flags hold stays. */
static void select(struct emit *e, const struct ir *r)
{
    const enum x64_cc cc = emit_condition(e, r);
    const int a = emit_vuse(e, r->a, VSCRATCH), b = emit_vuse(e, r->b, VSCRATCH2);
    const int d = emit_vdef(e, r->d, VSCRATCH);

    emit_vex(e, MOVD_TO, r->sz == 3, b, 0, SCRATCH);
    emit_vex(e, MOVD_TO, r->sz == 3, a, 0, SCRATCH2);
    x64_rr(e->b, 0x0f40 | cc, X_64, SCRATCH, SCRATCH2);
    emit_vex(e, MOVD_FROM, r->sz == 3, d, 0, SCRATCH);
    emit_vdefined(e, r->d, d);
}

/* FPSR is only written to where something saturated, which is rare. */
static void saturated(struct emit *e, const struct ir *r)
{
    const int a = emit_vuse(e, r->a, VSCRATCH);

    emit_vop1(e, PTEST, a, a);
    uint8_t *none = x64_jcc8(e->b, CC_E);
    x64_alu_mi(e->b, ALU_OR, X_32, x64_at(CPU, CPU_AT(st.fpsr)), (int32_t)FPSR_QC);
    x64_patch8_here(e->b, none);
}

bool emit_vector(struct emit *e, const struct ir *r)
{
    switch (r->op) {
    case IR_VMOV: move(e, r); return true;
    case IR_VMOVI: constant(e, r); return true;
    case IR_V1:
        if (r->aux == VEC_FABS_SCALAR || r->aux == VEC_FNEG_SCALAR)
            sign_of_scalar(e, r);
        else
            one(e, r);
        return true;
    case IR_V2: two(e, r); return true;
    case IR_V3: three(e, r); return true;
    case IR_VSEL: select(e, r); return true;
    case IR_VPUT: put(e, r); return true;
    case IR_VGET: get(e, r); return true;
    case IR_VDUP: duplicate_general(e, r); return true;
    case IR_VQC: saturated(e, r); return true;
    default: return false;
    }
}
