/* Floating point to the bit, in integers alone: the Arm ARM's shared pseudocode as functions on bit patterns.
 *
 * Values go in and come out as bit patterns in the low bits of a uint64_t (bits above a format are ignored going in, zero coming
 * out). What FPCR asks for is read from a struct fp_env, and the exceptions raised are or-ed into its fpsr; nothing else is
 * touched, and the host's floating point is not used. Any thread, any env. cpu/fp_fast.h answers the ordinary cases by the host's
 * instructions and leaves the rest to these functions.
 *
 * Trapped exceptions, FEAT_AFP, FEAT_RPRES and FEAT_EBF16 are not implemented.
 * Specification: DDI 0487, "Shared pseudocode", shared/functions/float; each function names its counterpart there. */
#ifndef VIBE_ARCH_FP_H
#define VIBE_ARCH_FP_H

#include <stdbool.h>
#include <stdint.h>

#include "gen/sysreg_fields.h" /* FPCR_FZ ..., FPSR_IOC ... */

/* FPCR and FPSR as the guest sees them. */
struct fp_env {
    uint32_t fpcr, fpsr;
};

enum fp_fmt { FMT_H, FMT_S, FMT_D, FMT_BF16, NR_FP_FMT };

/* The first four as FPCR.RMode and as the rmode field of instructions. */
enum fp_rounding {
    ROUND_TIEEVEN,
    ROUND_POSINF,
    ROUND_NEGINF,
    ROUND_ZERO,
    ROUND_TIEAWAY, /* to integers only */
    ROUND_ODD,
    ROUND_ODD_INF, /* BFRound(): as ODD, but overflow is an infinity */
};

/* FPRoundingMode() */
static inline enum fp_rounding fp_rounding(const struct fp_env *e)
{
    return (enum fp_rounding)(e->fpcr >> FPCR_RMode_LO & 3);
}

struct fp_layout {
    uint8_t bits, frac; /* of all, of the fraction */
    int16_t bias;
};
static const struct fp_layout fp_layout[NR_FP_FMT] = {
    [FMT_H] = {16, 10, 15},
    [FMT_S] = {32, 23, 127},
    [FMT_D] = {64, 52, 1023},
    [FMT_BF16] = {16, 7, 127},
};

/* FPInfinity(), FPDefaultNaN(), the sign bit. */
static inline uint64_t fp_sign_bit(enum fp_fmt f)
{
    return UINT64_C(1) << (fp_layout[f].bits - 1);
}

static inline uint64_t fp_infinity(enum fp_fmt f)
{
    return fp_sign_bit(f) - (UINT64_C(1) << fp_layout[f].frac);
}

static inline uint64_t fp_default_nan(enum fp_fmt f)
{
    return fp_sign_bit(f) - (UINT64_C(1) << (fp_layout[f].frac - 1));
}

/* --- Arithmetic: FMT_H, FMT_S, FMT_D (fp_arith.c) --------------------------------------------------------------------- */

uint64_t fp_add(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fp_sub(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fp_mul(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fp_mulx(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fp_div(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fp_sqrt(enum fp_fmt f, uint64_t a, struct fp_env *e);

/* FPMulAdd(): addend + a * b, rounded once. */
uint64_t fp_muladd(enum fp_fmt f, uint64_t addend, uint64_t a, uint64_t b, struct fp_env *e);

/* FPMulAddH(): a single-precision addend, half-precision factors. */
uint64_t fp_muladd_half(uint64_t addend, uint64_t a, uint64_t b, struct fp_env *e);

/* FPRecipStepFused() and FPRSqrtStepFused(): 2 - a * b, (3 - a * b) / 2. */
uint64_t fp_recip_step(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fp_rsqrt_step(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);

/* BFDotAdd(): addend + (a0 * b0 + a1 * b1) with each step rounded to odd; FPCR and FPSR are neither read nor written. */
uint64_t fp_bf16_dot_add(uint64_t addend, uint16_t a0, uint16_t a1, uint16_t b0, uint16_t b1);

/* --- Comparing, choosing, estimating: FMT_H, FMT_S, FMT_D (fp_misc.c) --------------------------------------------------- */

enum fp_relation { FP_LESS = -1, FP_EQUAL, FP_GREATER, FP_UNORDERED };

/* FPCompare() and its family. signal: a quiet NaN is an invalid operation, too. */
enum fp_relation fp_compare(enum fp_fmt f, uint64_t a, uint64_t b, bool signal, struct fp_env *e);

uint64_t fp_max(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fp_min(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fp_maxnm(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);
uint64_t fp_minnm(enum fp_fmt f, uint64_t a, uint64_t b, struct fp_env *e);

/* FPRecipEstimate(), FPRSqrtEstimate(), FPRecpX(). */
uint64_t fp_recip_estimate(enum fp_fmt f, uint64_t a, struct fp_env *e);
uint64_t fp_rsqrt_estimate(enum fp_fmt f, uint64_t a, struct fp_env *e);
uint64_t fp_recpx(enum fp_fmt f, uint64_t a, struct fp_env *e);

/* UnsignedRecipEstimate(), UnsignedRSqrtEstimate(): URECPE, URSQRTE. */
uint32_t fp_unsigned_recip_estimate(uint32_t a);
uint32_t fp_unsigned_rsqrt_estimate(uint32_t a);

/* --- Conversions (fp_convert.c) ------------------------------------------------------------------------------------------ */

/* FPConvert(), and FPConvertBF() for to = FMT_BF16, from = FMT_S. from is no FMT_BF16: that one is the top of a single. */
uint64_t fp_convert(enum fp_fmt from, enum fp_fmt to, uint64_t a, enum fp_rounding r, struct fp_env *e);

/* FPToFixed(): to an integer of 16, 32 or 64 bits with fbits (0..64) of them after the point, saturating; the bits above are
 * zero. */
uint64_t fp_to_fixed(enum fp_fmt from, uint64_t a, unsigned fbits, bool is_unsigned,
                     enum fp_rounding r, unsigned int_bits, struct fp_env *e);

/* FixedToFP() of a 64-bit integer (a smaller one is extended by the caller), rounded as FPCR says. */
uint64_t fp_from_fixed(enum fp_fmt to, uint64_t a, unsigned fbits, bool is_unsigned, struct fp_env *e);

/* FPRoundInt(); exact: an inexact result says so in FPSR. */
uint64_t fp_round_int(enum fp_fmt f, uint64_t a, enum fp_rounding r, bool exact, struct fp_env *e);

/* FPRoundIntN(): to what fits into 32 or 64 bits. */
uint64_t fp_round_int_n(enum fp_fmt f, uint64_t a, enum fp_rounding r, unsigned int_bits,
                        struct fp_env *e);

/* FPToFixedJS(): a double to 32 bits modulo 2^32; *z is what becomes PSTATE.Z: the result is exact. */
uint32_t fp_to_int32_js(uint64_t a, bool *z, struct fp_env *e);

#endif
