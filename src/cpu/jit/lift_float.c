/* Floating point of single and double precision, where FPCR asks for nothing but a rounding mode. Half precision, estimates, and what the
 * host rounds otherwise are the interpreter's. */
#include "cpu/jit/lift.h"

#define ARG(NAME) (&i->u.NAME)
#define X(NAME, slot) lift_x(ARG(NAME)->slot)
#define V(NAME, slot) (var_t)(VAR_V0 + ARG(NAME)->slot)
#define FTYPE(NAME) A64_FIELD_##NAME##_ftype(i->word)
#define SF(NAME) A64_FIELD_##NAME##_sf(i->word)

/* log2 of the bytes; ftype 3 is half precision. */
static unsigned size_of(unsigned ftype)
{
    return ftype == 0 ? 2 : ftype == 1 ? 3 : 1;
}

static bool one(struct lift *l, enum vector_op op, unsigned ftype, var_t d, var_t n)
{
    if (ftype > 1)
        return false;
    lift_v1(l, op, size_of(ftype), false, d, n);
    return true;
}

static bool two(struct lift *l, enum vector_op op, unsigned ftype, var_t d, var_t n, var_t m)
{
    if (ftype > 1)
        return false;
    lift_v2(l, op, size_of(ftype), false, d, n, m);
    return true;
}

static bool negated_product(struct lift *l, unsigned ftype, var_t d, var_t n, var_t m)
{
    const var_t t = lift_temp(l);

    return two(l, VEC_FMUL_SCALAR, ftype, t, n, m) && one(l, VEC_FNEG_SCALAR, ftype, d, t);
}

static bool has_fma(const struct lift *l)
{
    return l->u->j->host & JIT_HOST_FMA;
}

static bool multiply_add(struct lift *l, enum vector_op op, unsigned ftype, var_t d, var_t a,
                         var_t n, var_t m)
{
    if (ftype > 1 || !has_fma(l))
        return false;
    lift_v3(l, op, size_of(ftype), false, d, a, n, m);
    return true;
}

static var_t element(struct lift *l, unsigned sz, var_t m, unsigned index)
{
    const var_t t = lift_temp(l);

    lift_v1(l, VEC_DUP, sz, true, t, m)->imm = index;
    return t;
}

static bool move(struct lift *l, unsigned ftype, var_t d, var_t n)
{
    if (ftype > 1)
        return false;
    struct ir *r = lift_ir(l, IR_VMOV);
    r->sz = (uint8_t)size_of(ftype);
    r->d = d;
    r->a = n;
    return true;
}

static bool compare(struct lift *l, unsigned ftype, var_t n, var_t m, bool signalling)
{
    if (ftype > 1)
        return false;
    struct ir *r = lift_ir(l, IR_FCMP);
    r->sz = (uint8_t)size_of(ftype);
    r->a = n;
    r->b = m;
    r->ext = signalling;
    r->fl |= IRF_SETF;
    return true;
}

static bool compare_if(struct lift *l, unsigned ftype, var_t n, var_t m, uint16_t mask,
                       unsigned nzcv, bool signalling)
{
    const unsigned cc = lift_condition(mask);

    if (cc == 14)
        return compare(l, ftype, n, m, signalling);
    if (ftype > 1)
        return false;
    struct ir *r = lift_ir(l, IR_FCCMP);
    r->sz = (uint8_t)size_of(ftype);
    r->a = n;
    r->b = m;
    r->cc = (uint8_t)cc;
    r->aux = nzcv;
    r->ext = signalling;
    r->fl |= IRF_SETF;
    return true;
}

static bool select(struct lift *l, unsigned ftype, var_t d, var_t n, var_t m, uint16_t mask)
{
    const unsigned cc = lift_condition(mask);

    if (cc == 14)
        return move(l, ftype, d, n);
    if (ftype > 1)
        return false;
    struct ir *r = lift_ir(l, IR_VSEL);
    r->sz = (uint8_t)size_of(ftype);
    r->d = d;
    r->a = n;
    r->b = m;
    r->cc = (uint8_t)cc;
    return true;
}

static bool to_integer(struct lift *l, unsigned ftype, unsigned sf, enum round_to round,
                       bool is_unsigned, var_t d, var_t n)
{
    if (ftype > 1)
        return false;
    struct ir *r = lift_ir(l, IR_FTOI);
    r->sz = (uint8_t)(2 + sf);
    r->scale = (uint8_t)size_of(ftype);
    r->aux = round;
    r->ext = is_unsigned;
    r->d = d == VAR_NONE ? lift_temp(l) : d;
    r->a = n;
    return true;
}

static bool from_integer(struct lift *l, unsigned ftype, unsigned sf, bool is_unsigned, var_t d, var_t n)
{
    if (ftype > 1)
        return false;
    struct ir *r = lift_ir(l, IR_ITOF);
    r->sz = (uint8_t)size_of(ftype);
    r->scale = (uint8_t)(2 + sf);
    r->ext = is_unsigned;
    r->d = d;
    r->a = n;
    return true;
}

/* ROUNDSD's immediate: bit 2 for the mode of MXCSR, bit 3 for no Inexact. */
static bool round_to(struct lift *l, unsigned ftype, unsigned imm, var_t d, var_t n)
{
    if (ftype > 1)
        return false;
    lift_v1(l, VEC_FRINT_SCALAR, size_of(ftype), false, d, n)->imm = imm;
    return true;
}

static bool to_general(struct lift *l, unsigned sz, unsigned index, var_t d, var_t n)
{
    if (d == VAR_NONE)
        return true;
    struct ir *r = lift_ir(l, IR_VGET);
    r->sz = (uint8_t)sz;
    r->d = d;
    r->a = n;
    r->imm = index;
    return true;
}

static bool from_general(struct lift *l, unsigned sz, unsigned index, var_t d, var_t a, var_t n)
{
    struct ir *r = lift_ir(l, IR_VPUT);

    r->sz = (uint8_t)sz;
    r->d = d;
    r->a = a;
    r->b = n;
    r->imm = index;
    return true;
}

#define ONE(NAME, OP)                                                                              \
    case A64_ROW_##NAME##_floatdp1:                                                                \
        return one(l, OP, FTYPE(NAME##_floatdp1), V(NAME##_floatdp1, d), V(NAME##_floatdp1, n));
#define ROUND(NAME, IMM)                                                                           \
    case A64_ROW_##NAME##_floatdp1:                                                                \
        return round_to(l, FTYPE(NAME##_floatdp1), IMM, V(NAME##_floatdp1, d), V(NAME##_floatdp1, n));
#define TWO(NAME, OP)                                                                              \
    case A64_ROW_##NAME##_floatdp2:                                                                \
        return two(l, OP, FTYPE(NAME##_floatdp2), V(NAME##_floatdp2, d), V(NAME##_floatdp2, n),    \
                   V(NAME##_floatdp2, m));
#define THREE(NAME, OP)                                                                            \
    case A64_ROW_##NAME##_floatdp3:                                                                \
        return multiply_add(l, OP, FTYPE(NAME##_floatdp3), V(NAME##_floatdp3, d),                  \
                            V(NAME##_floatdp3, a), V(NAME##_floatdp3, n), V(NAME##_floatdp3, m));
#define COMPARE(NAME, SIGNALLING)                                                                  \
    case A64_ROW_##NAME##_floatcmp:                                                                \
        return compare(l, FTYPE(NAME##_floatcmp), V(NAME##_floatcmp, n), V(NAME##_floatcmp, m),    \
                       SIGNALLING);                                                                \
    case A64_ROW_##NAME##_Z_floatcmp:                                                              \
        return compare(l, FTYPE(NAME##_Z_floatcmp), V(NAME##_Z_floatcmp, n), VAR_ZERO, SIGNALLING);
#define COMPARE_IF(NAME, SIGNALLING)                                                                  \
    case A64_ROW_##NAME##_floatccmp:                                                                  \
        return compare_if(l, FTYPE(NAME##_floatccmp), V(NAME##_floatccmp, n), V(NAME##_floatccmp, m), \
                          ARG(NAME##_floatccmp)->cc, ARG(NAME##_floatccmp)->nzcv, SIGNALLING);
#define TO_INTEGER(NAME, ROUND_TO, UNSIGNED)                                                       \
    case A64_ROW_##NAME##_float2int:                                                               \
        return to_integer(l, FTYPE(NAME##_float2int), SF(NAME##_float2int), ROUND_TO, UNSIGNED,    \
                          X(NAME##_float2int, d), V(NAME##_float2int, n));
#define FROM_INTEGER(NAME, UNSIGNED)                                                               \
    case A64_ROW_##NAME##_float2int:                                                               \
        return from_integer(l, FTYPE(NAME##_float2int), SF(NAME##_float2int), UNSIGNED,            \
                            V(NAME##_float2int, d), X(NAME##_float2int, n));
#define VSZ(NAME) (2 + A64_FIELD_##NAME##_sz(i->word))
#define VQ(NAME) A64_FIELD_##NAME##_Q(i->word)
#define SAME(NAME, OP)                                                                             \
    case A64_ROW_##NAME##_asimdsame:                                                               \
        lift_v2(l, OP, VSZ(NAME##_asimdsame), VQ(NAME##_asimdsame), V(NAME##_asimdsame, d),        \
                V(NAME##_asimdsame, n), V(NAME##_asimdsame, m));                                   \
        return true;
#define MULTIPLY_ADD_ELEMENT(NAME, OP, Q)                                                          \
    case A64_ROW_##NAME: {                                                                         \
        const unsigned sz = A64_FIELD_##NAME##_size(i->word);                                      \
        if (!has_fma(l))                                                                           \
            return false;                                                                          \
        lift_v3(l, OP, sz, Q, V(NAME, d), V(NAME, d), V(NAME, n),                                  \
                element(l, sz, V(NAME, m), ARG(NAME)->index));                                     \
        return true;                                                                               \
    }
#define MULTIPLY_ADD(NAME, OP)                                                                     \
    case A64_ROW_##NAME##_asimdsame:                                                               \
        if (!has_fma(l))                                                                           \
            return false;                                                                          \
        lift_v3(l, VEC_##OP, VSZ(NAME##_asimdsame), VQ(NAME##_asimdsame), V(NAME##_asimdsame, d),  \
                V(NAME##_asimdsame, d), V(NAME##_asimdsame, n), V(NAME##_asimdsame, m));           \
        return true;                                                                               \
        MULTIPLY_ADD_ELEMENT(NAME##_asimdelem, VEC_##OP, VQ(NAME##_asimdelem))                     \
        MULTIPLY_ADD_ELEMENT(NAME##_asisdelem, VEC_##OP##_SCALAR, false)

bool lift_float(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        ONE(FABS, VEC_FABS_SCALAR)
        ONE(FNEG, VEC_FNEG_SCALAR)
        ONE(FSQRT, VEC_FSQRT_SCALAR)
        ROUND(FRINTN, 8)
        ROUND(FRINTM, 9)
        ROUND(FRINTP, 10)
        ROUND(FRINTZ, 11)
        ROUND(FRINTX, 4)
        ROUND(FRINTI, 12)
    case A64_ROW_FMOV_floatdp1:
        return move(l, FTYPE(FMOV_floatdp1), V(FMOV_floatdp1, d), V(FMOV_floatdp1, n));
    case A64_ROW_FCVT_floatdp1:
        return A64_FIELD_FCVT_floatdp1_opc(i->word) < 2 &&
               one(l, VEC_FCVT_SCALAR, FTYPE(FCVT_floatdp1), V(FCVT_floatdp1, d), V(FCVT_floatdp1, n));
        TWO(FADD, VEC_FADD_SCALAR)
        TWO(FSUB, VEC_FSUB_SCALAR)
        TWO(FMUL, VEC_FMUL_SCALAR)
        TWO(FDIV, VEC_FDIV_SCALAR)
        TWO(FMAX, VEC_FMAX_SCALAR)
        TWO(FMIN, VEC_FMIN_SCALAR)
        TWO(FMAXNM, VEC_FMAX_SCALAR)
        TWO(FMINNM, VEC_FMIN_SCALAR)
    case A64_ROW_FNMUL_floatdp2:
        return negated_product(l, FTYPE(FNMUL_floatdp2), V(FNMUL_floatdp2, d), V(FNMUL_floatdp2, n),
                               V(FNMUL_floatdp2, m));
        THREE(FMADD, VEC_FMLA_SCALAR)
        THREE(FMSUB, VEC_FMLS_SCALAR)
        THREE(FNMADD, VEC_FNMLA_SCALAR)
        THREE(FNMSUB, VEC_FNMLS_SCALAR)
        COMPARE(FCMP, false)
        COMPARE(FCMPE, true)
        COMPARE_IF(FCCMP, false)
        COMPARE_IF(FCCMPE, true)
    case A64_ROW_FCSEL_floatsel:
        return select(l, FTYPE(FCSEL_floatsel), V(FCSEL_floatsel, d), V(FCSEL_floatsel, n),
                      V(FCSEL_floatsel, m), ARG(FCSEL_floatsel)->cc);
    case A64_ROW_FMOV_floatimm:
        lift_vconst(l, false, V(FMOV_floatimm, d), ARG(FMOV_floatimm)->imm);
        return true;
        TO_INTEGER(FCVTZS, ROUND_TO_ZERO, false)
        TO_INTEGER(FCVTZU, ROUND_TO_ZERO, true)
        TO_INTEGER(FCVTNS, ROUND_TO_NEAREST, false)
        TO_INTEGER(FCVTNU, ROUND_TO_NEAREST, true)
        TO_INTEGER(FCVTPS, ROUND_TO_PLUS, false)
        TO_INTEGER(FCVTPU, ROUND_TO_PLUS, true)
        TO_INTEGER(FCVTMS, ROUND_TO_MINUS, false)
        TO_INTEGER(FCVTMU, ROUND_TO_MINUS, true)
        FROM_INTEGER(SCVTF, false)
        FROM_INTEGER(UCVTF, true)
    case A64_ROW_FMOV_togen_float2int:
        return FTYPE(FMOV_togen_float2int) <= 1 &&
               to_general(l, size_of(FTYPE(FMOV_togen_float2int)), 0, X(FMOV_togen_float2int, d),
                          V(FMOV_togen_float2int, n));
    case A64_ROW_FMOV_fromgen_float2int:
        return FTYPE(FMOV_fromgen_float2int) <= 1 &&
               from_general(l, size_of(FTYPE(FMOV_fromgen_float2int)), 0,
                            V(FMOV_fromgen_float2int, d), VAR_ZERO, X(FMOV_fromgen_float2int, n));
    case A64_ROW_FMOV_64VX_float2int:
        return to_general(l, 3, 1, X(FMOV_64VX_float2int, d), V(FMOV_64VX_float2int, n));
    case A64_ROW_FMOV_V64I_float2int:
        return from_general(l, 3, 1, V(FMOV_V64I_float2int, d), V(FMOV_V64I_float2int, d),
                            X(FMOV_V64I_float2int, n));

        /* Vectors. */
        SAME(FADD, VEC_FADD)
        SAME(FSUB, VEC_FSUB)
        SAME(FMUL, VEC_FMUL)
        SAME(FDIV, VEC_FDIV)
        SAME(FMAX, VEC_FMAX)
        SAME(FMIN, VEC_FMIN)
        SAME(FMAXNM, VEC_FMAX)
        SAME(FMINNM, VEC_FMIN)
        MULTIPLY_ADD(FMLA, FMLA)
        MULTIPLY_ADD(FMLS, FMLS)
    case A64_ROW_FMUL_asimdelem: {
        const unsigned sz = A64_FIELD_FMUL_asimdelem_size(i->word);
        lift_v2(l, VEC_FMUL, sz, VQ(FMUL_asimdelem), V(FMUL_asimdelem, d), V(FMUL_asimdelem, n),
                element(l, sz, V(FMUL_asimdelem, m), ARG(FMUL_asimdelem)->index));
        return true;
    }
    case A64_ROW_FMUL_asisdelem: {
        const unsigned sz = A64_FIELD_FMUL_asisdelem_size(i->word);
        lift_v2(l, VEC_FMUL_SCALAR, sz, false, V(FMUL_asisdelem, d), V(FMUL_asisdelem, n),
                element(l, sz, V(FMUL_asisdelem, m), ARG(FMUL_asisdelem)->index));
        return true;
    }
    case A64_ROW_FABS_asimdmisc:
        lift_v1(l, VEC_FABS, VSZ(FABS_asimdmisc), VQ(FABS_asimdmisc), V(FABS_asimdmisc, d),
                V(FABS_asimdmisc, n));
        return true;
    case A64_ROW_FNEG_asimdmisc:
        lift_v1(l, VEC_FNEG, VSZ(FNEG_asimdmisc), VQ(FNEG_asimdmisc), V(FNEG_asimdmisc, d),
                V(FNEG_asimdmisc, n));
        return true;
    case A64_ROW_FSQRT_asimdmisc:
        lift_v1(l, VEC_FSQRT, VSZ(FSQRT_asimdmisc), VQ(FSQRT_asimdmisc), V(FSQRT_asimdmisc, d),
                V(FSQRT_asimdmisc, n));
        return true;
    default: return false;
    }
}
