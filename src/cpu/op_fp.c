/* Scalar floating point.
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_fp.isa.
 * Specification: DDI 0487, "A64 Advanced SIMD and Floating-point Instruction Descriptions". */
#include "cpu/alu.h"
#include "cpu/fp_lanes.h"

#define F fmt_of(ftype)
#define SN lane_get(&c->st.v[a->n], F, 0)
#define SM lane_get(&c->st.v[a->m], F, 0)
#define SA lane_get(&c->st.v[a->a], F, 0)
#define ENV (&c->st.fp)

/* A row that computes Vd by one expression. */
#define ROW(NAME, EXPR)                                                                            \
    OP(NAME)                                                                                       \
    {                                                                                              \
        scalar_set(c, a->d, EXPR);                                                                 \
        return insn + 1;                                                                           \
    }

/* Likewise Xd. */
#define ROW_X(NAME, EXPR)                                                                          \
    OP(NAME)                                                                                       \
    {                                                                                              \
        c->st.x[a->d] = EXPR;                                                                      \
        return insn + 1;                                                                           \
    }

/* --- Floating-point data-processing (1 source) -------------------------------------------------------------------------- */

ROW(FMOV_floatdp1, SN)
ROW(FABS_floatdp1, SN & ~fp_sign_bit(F))
ROW(FNEG_floatdp1, SN ^ fp_sign_bit(F))
ROW(FSQRT_floatdp1, fpu_sqrt(F, SN, ENV))
ROW(FCVT_floatdp1, fpu_convert(F, fmt_of(opc), SN, fp_rounding(ENV), ENV))
ROW(BFCVT_BS_floatdp1, fp_convert(FMT_S, FMT_BF16, c->st.v[a->n].s[0], fp_rounding(ENV), ENV))

ROW(FRINTN_floatdp1, fpu_round_int(F, SN, ROUND_TIEEVEN, false, ENV))
ROW(FRINTP_floatdp1, fpu_round_int(F, SN, ROUND_POSINF, false, ENV))
ROW(FRINTM_floatdp1, fpu_round_int(F, SN, ROUND_NEGINF, false, ENV))
ROW(FRINTZ_floatdp1, fpu_round_int(F, SN, ROUND_ZERO, false, ENV))
ROW(FRINTA_floatdp1, fpu_round_int(F, SN, ROUND_TIEAWAY, false, ENV))
ROW(FRINTX_floatdp1, fpu_round_int(F, SN, fp_rounding(ENV), true, ENV))
ROW(FRINTI_floatdp1, fpu_round_int(F, SN, fp_rounding(ENV), false, ENV))
ROW(FRINT32Z_floatdp1, fp_round_int_n(F, SN, ROUND_ZERO, 32, ENV))
ROW(FRINT32X_floatdp1, fp_round_int_n(F, SN, fp_rounding(ENV), 32, ENV))
ROW(FRINT64Z_floatdp1, fp_round_int_n(F, SN, ROUND_ZERO, 64, ENV))
ROW(FRINT64X_floatdp1, fp_round_int_n(F, SN, fp_rounding(ENV), 64, ENV))

/* --- Floating-point data-processing (2 source), (3 source) ---------------------------------------------------------------- */

ROW(FMUL_floatdp2, fpu_mul(F, SN, SM, ENV))
ROW(FDIV_floatdp2, fpu_div(F, SN, SM, ENV))
ROW(FADD_floatdp2, fpu_add(F, SN, SM, ENV))
ROW(FSUB_floatdp2, fpu_sub(F, SN, SM, ENV))
ROW(FMAX_floatdp2, fpu_max(F, SN, SM, ENV))
ROW(FMIN_floatdp2, fpu_min(F, SN, SM, ENV))
ROW(FMAXNM_floatdp2, fpu_maxnm(F, SN, SM, ENV))
ROW(FMINNM_floatdp2, fpu_minnm(F, SN, SM, ENV))
ROW(FNMUL_floatdp2, fpu_mul(F, SN, SM, ENV) ^ fp_sign_bit(F))

/* Operands are negated before NaNs are looked at. */
ROW(FMADD_floatdp3, fpu_muladd(F, SA, SN, SM, ENV))
ROW(FMSUB_floatdp3, fpu_muladd(F, SA, SN ^ fp_sign_bit(F), SM, ENV))
ROW(FNMADD_floatdp3, fpu_muladd(F, SA ^ fp_sign_bit(F), SN ^ fp_sign_bit(F), SM, ENV))
ROW(FNMSUB_floatdp3, fpu_muladd(F, SA ^ fp_sign_bit(F), SN, SM, ENV))

/* --- Floating-point compare, conditional compare, conditional select, immediate --------------------------------------------- */

/* FPCompare() as PSTATE has it. */
static inline uint32_t compare_flags(enum fp_fmt f, uint64_t a, uint64_t b, bool signal, struct fp_env *e)
{
    static const uint32_t nzcv[] = {PSR_N, PSR_Z | PSR_C, PSR_C, PSR_C | PSR_V};

    return nzcv[fpu_compare(f, a, b, signal, e) - FP_LESS];
}

#define ROW_COMPARE(NAME, B, SIGNAL)                                                               \
    OP(NAME)                                                                                       \
    {                                                                                              \
        c->st.nzcv = compare_flags(F, SN, B, SIGNAL, ENV);                                         \
        return insn + 1;                                                                           \
    }

ROW_COMPARE(FCMP_floatcmp, SM, false)
ROW_COMPARE(FCMP_Z_floatcmp, 0, false)
ROW_COMPARE(FCMPE_floatcmp, SM, true)
ROW_COMPARE(FCMPE_Z_floatcmp, 0, true)

/* Exceptions are raised only if the condition holds. */
#define ROW_CONDITIONAL_COMPARE(NAME, SIGNAL)                                                      \
    OP(NAME)                                                                                       \
    {                                                                                              \
        if (cond_holds(c, a->cc))                                                                  \
            c->st.nzcv = compare_flags(F, SN, SM, SIGNAL, ENV);                                    \
        else                                                                                       \
            c->st.nzcv = (uint32_t)a->nzcv << 28;                                                  \
        return insn + 1;                                                                           \
    }

ROW_CONDITIONAL_COMPARE(FCCMP_floatccmp, false)
ROW_CONDITIONAL_COMPARE(FCCMPE_floatccmp, true)

/* Without a branch: which one it will be is the guest's data. */
OP(FCSEL_floatsel)
{
    const uint64_t holds = 0 - (uint64_t)cond_holds(c, a->cc), n = SN, m = SM;

    scalar_set(c, a->d, m ^ ((n ^ m) & holds));
    return insn + 1;
}

ROW(FMOV_floatimm, a->imm)

/* --- Conversion between floating-point and fixed-point, integer --------------------------------------------------------------- */

/* The general register as the source of SCVTF, UCVTF. */
#define SIGNED_N (sf ? c->st.x[a->n] : (uint64_t)(int64_t)(int32_t)c->st.x[a->n])
#define UNSIGNED_N width(sf, c->st.x[a->n])

ROW(SCVTF_float2fix, fpu_from_fixed(F, SIGNED_N, 64 - a->scale, false, ENV))
ROW(UCVTF_float2fix, fpu_from_fixed(F, UNSIGNED_N, 64 - a->scale, true, ENV))
ROW_X(FCVTZS_float2fix, fpu_to_fixed(F, SN, 64 - a->scale, false, ROUND_ZERO, sf ? 64 : 32, ENV))
ROW_X(FCVTZU_float2fix, fpu_to_fixed(F, SN, 64 - a->scale, true, ROUND_ZERO, sf ? 64 : 32, ENV))

ROW(SCVTF_float2int, fpu_from_fixed(F, SIGNED_N, 0, false, ENV))
ROW(UCVTF_float2int, fpu_from_fixed(F, UNSIGNED_N, 0, true, ENV))

#define ROWS_TO_INT(X, ROUND)                                                                      \
    ROW_X(FCVT##X##S_float2int, fpu_to_fixed(F, SN, 0, false, ROUND, sf ? 64 : 32, ENV))           \
    ROW_X(FCVT##X##U_float2int, fpu_to_fixed(F, SN, 0, true, ROUND, sf ? 64 : 32, ENV))

ROWS_TO_INT(N, ROUND_TIEEVEN)
ROWS_TO_INT(P, ROUND_POSINF)
ROWS_TO_INT(M, ROUND_NEGINF)
ROWS_TO_INT(Z, ROUND_ZERO)
ROWS_TO_INT(A, ROUND_TIEAWAY)

/* sf says no more than ftype does, but with a half. */
OP(FMOV_togen_float2int)
{
    (void)sf;
    c->st.x[a->d] = SN;
    return insn + 1;
}

OP(FMOV_fromgen_float2int)
{
    const uint64_t x = c->st.x[a->n];

    (void)sf;
    scalar_set(c, a->d, F == FMT_D ? x : F == FMT_S ? (uint32_t)x : (uint16_t)x);
    return insn + 1;
}

ROW_X(FMOV_64VX_float2int, c->st.v[a->n].d[1])

OP(FMOV_V64I_float2int)
{
    c->st.v[a->d].d[1] = c->st.x[a->n];
    return insn + 1;
}

OP(FJCVTZS_32D_float2int)
{
    bool z;

    c->st.x[a->d] = fp_to_int32_js(c->st.v[a->n].d[0], &z, ENV);
    c->st.nzcv = flags_pack(false, z, false, false);
    return insn + 1;
}
