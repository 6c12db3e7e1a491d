/* Floating point, scalar, of single and double precision, and conversions of half. The rest of half precision, what is rounded to odd or
 * checked for a range, and everything if FPCR asks for more than a rounding mode and FZ, is the interpreter's. */
#include "cpu/jit/lift_vector.h"

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
    lift_to_integer(l, 2 + sf, d == VAR_NONE ? lift_temp(l) : d, size_of(ftype), n, round, 0, is_unsigned);
    return true;
}

static bool to_fixed(struct lift *l, unsigned ftype, unsigned sf, unsigned fraction,
                     bool is_unsigned, var_t d, var_t n)
{
    if (ftype > 1)
        return false;
    lift_to_integer(l, 2 + sf, d == VAR_NONE ? lift_temp(l) : d, size_of(ftype), n, ROUND_TO_ZERO,
                    fraction, is_unsigned);
    return true;
}

static bool from_fixed(struct lift *l, unsigned ftype, unsigned sf, unsigned fraction,
                       bool is_unsigned, var_t d, var_t n)
{
    if (ftype > 1)
        return false;
    lift_from_integer(l, size_of(ftype), d, 2 + sf, n, fraction, is_unsigned);
    return true;
}

/* Half precision by way of single; from double that would be rounded twice. */
static bool convert(struct lift *l, unsigned to, var_t d, unsigned from, var_t n)
{
    if (to != 1 && from != 1) {
        lift_v1(l, VEC_FCVT_SCALAR, from, false, d, n);
        return true;
    }
    if (!(l->u->j->host & JIT_HOST_F16C) || from == 3)
        return false;
    const var_t t = lift_temp(l);
    if (from == 2) { /* zeros above it raise nothing */
        lift_v1(l, VEC_LOWEST, 2, true, t, n);
        lift_v1(l, VEC_FCVTN, 2, true, d, t);
    } else {
        lift_v1(l, VEC_FCVTL, 1, true, t, n);
        if (to == 3)
            lift_v1(l, VEC_FCVT_SCALAR, 2, false, d, t);
        else
            lift_v1(l, VEC_LOWEST, 2, true, d, t);
    }
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
#define TO_FIXED(NAME, UNSIGNED)                                                                   \
    case A64_ROW_##NAME##_float2fix:                                                               \
        return to_fixed(l, FTYPE(NAME##_float2fix), SF(NAME##_float2fix),                          \
                        64u - ARG(NAME##_float2fix)->scale, UNSIGNED, X(NAME##_float2fix, d),      \
                        V(NAME##_float2fix, n));
#define FROM_INTEGER(NAME, UNSIGNED)                                                               \
    case A64_ROW_##NAME##_float2int:                                                               \
        return from_fixed(l, FTYPE(NAME##_float2int), SF(NAME##_float2int), 0, UNSIGNED,           \
                          V(NAME##_float2int, d), X(NAME##_float2int, n));                         \
    case A64_ROW_##NAME##_float2fix:                                                               \
        return from_fixed(l, FTYPE(NAME##_float2fix), SF(NAME##_float2fix),                        \
                          64u - ARG(NAME##_float2fix)->scale, UNSIGNED, V(NAME##_float2fix, d),    \
                          X(NAME##_float2fix, n));
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
    case A64_ROW_FRINTA_floatdp1:
        if (FTYPE(FRINTA_floatdp1) > 1)
            return false;
        lift_round_away(l, size_of(FTYPE(FRINTA_floatdp1)), true, false, V(FRINTA_floatdp1, d),
                        V(FRINTA_floatdp1, n));
        return true;
    case A64_ROW_FMOV_floatdp1:
        return move(l, FTYPE(FMOV_floatdp1), V(FMOV_floatdp1, d), V(FMOV_floatdp1, n));
    case A64_ROW_FCVT_floatdp1:
        return convert(l, size_of(A64_FIELD_FCVT_floatdp1_opc(i->word)), V(FCVT_floatdp1, d),
                       size_of(FTYPE(FCVT_floatdp1)), V(FCVT_floatdp1, n));
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
        TO_INTEGER(FCVTAS, ROUND_TO_AWAY, false)
        TO_INTEGER(FCVTAU, ROUND_TO_AWAY, true)
        TO_FIXED(FCVTZS, false)
        TO_FIXED(FCVTZU, true)
        FROM_INTEGER(SCVTF, false)
        FROM_INTEGER(UCVTF, true)
    case A64_ROW_FMOV_togen_float2int:
        if (FTYPE(FMOV_togen_float2int) > 1)
            return false;
        lift_vget(l, size_of(FTYPE(FMOV_togen_float2int)), EXT_ZERO, X(FMOV_togen_float2int, d),
                  V(FMOV_togen_float2int, n), 0);
        return true;
    case A64_ROW_FMOV_fromgen_float2int:
        if (FTYPE(FMOV_fromgen_float2int) > 1)
            return false;
        lift_vput(l, size_of(FTYPE(FMOV_fromgen_float2int)), V(FMOV_fromgen_float2int, d), 0,
                  VAR_ZERO, X(FMOV_fromgen_float2int, n));
        return true;
    case A64_ROW_FMOV_64VX_float2int:
        lift_vget(l, 3, EXT_ZERO, X(FMOV_64VX_float2int, d), V(FMOV_64VX_float2int, n), 1);
        return true;
    case A64_ROW_FMOV_V64I_float2int:
        lift_vput(l, 3, V(FMOV_V64I_float2int, d), 1, V(FMOV_V64I_float2int, d),
                  X(FMOV_V64I_float2int, n));
        return true;
    default: return lift_vector_float(l, i);
    }
}
