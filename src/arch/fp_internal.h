/* What the files of arch/fp.h share: numbers taken apart, rounding, NaNs. */
#ifndef VIBE_ARCH_FP_INTERNAL_H
#define VIBE_ARCH_FP_INTERNAL_H

#include "arch/fp.h"
#include "base/bits.h"

__extension__ typedef unsigned __int128 u128;

/* FPType, ordered so that one compare finds the NaNs. */
enum fp_class { CLASS_ZERO, CLASS_FINITE, CLASS_INFINITY, CLASS_QNAN, CLASS_SNAN };

/* A number taken apart. A finite one is sig * 2^(exp - 63) with bit 63 of sig set. */
struct fp_num {
    enum fp_class cls;
    bool sign;
    int exp;
    uint64_t sig;
};

/* FPUnpackBase() under the given FPCR: of AHP, FZ, FZ16 only what the caller leaves in it counts. */
struct fp_num fp_unpack_base(enum fp_fmt f, uint64_t a, uint32_t fpcr, struct fp_env *e);

/* FPUnpack(): there is no alternative half precision but in conversions. */
static inline struct fp_num fp_unpack(enum fp_fmt f, uint64_t a, struct fp_env *e)
{
    return fp_unpack_base(f, a, e->fpcr & ~(uint32_t)FPCR_AHP, e);
}

/* FPUnpackCV(): half-precision denormals count in conversions. */
static inline struct fp_num fp_unpack_cv(enum fp_fmt f, uint64_t a, struct fp_env *e)
{
    return fp_unpack_base(f, a, e->fpcr & ~(uint32_t)FPCR_FZ16, e);
}

/* FPRoundBase() of sig * 2^(exp - 63), where bit 63 of sig is set, and bit 0 if anything below it is. */
uint64_t fp_round_base(enum fp_fmt f, bool sign, int exp, uint64_t sig, enum fp_rounding r,
                       uint32_t fpcr, struct fp_env *e);

/* FPRound() */
static inline uint64_t fp_round(enum fp_fmt f, bool sign, int exp, uint64_t sig, enum fp_rounding r,
                                struct fp_env *e)
{
    return fp_round_base(f, sign, exp, sig, r, e->fpcr & ~(uint32_t)FPCR_AHP, e);
}

/* Whether the magnitude is to be rounded up: rest is what lies below its unit, in units of 2^-64, with sticky bit 0. */
bool fp_rounds_up(enum fp_rounding r, bool sign, bool odd, uint64_t rest);

static inline uint64_t fp_with_sign(enum fp_fmt f, bool sign, uint64_t magnitude)
{
    return sign ? fp_sign_bit(f) | magnitude : magnitude;
}

/* FPDefaultNaN() of an invalid operation. */
static inline uint64_t fp_invalid(enum fp_fmt f, struct fp_env *e)
{
    e->fpsr |= FPSR_IOC;
    return fp_default_nan(f);
}

/* FPProcessNaN() */
uint64_t fp_process_nan(enum fp_fmt f, const struct fp_num *n, uint64_t a, struct fp_env *e);

/* FPProcessNaNs(): whether there is one; then *r is the result. */
bool fp_process_nans(enum fp_fmt f, const struct fp_num *x, const struct fp_num *y, uint64_t a,
                     uint64_t b, uint64_t *r, struct fp_env *e);

#endif
