/* Floating point: the Arm ARM's own rules, each by cases worked out from its pseudocode. What IEEE 754 leaves to nobody is in
 * test_fp_host.c. */
#include "arch/fp.h"
#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum op {
    ADD,
    SUB,
    MUL,
    MULX,
    DIV,
    SQRT,
    MULADD, /* a + b * c */
    MULADD_HALF,
    RSTEP,
    SSTEP,
    MAX_,
    MIN_,
    MAXNM,
    MINNM,
    CMP, /* the result is the relation */
    CMPE,
    RECPE,
    RSQRTE,
    RECPX,
    TO_H,
    TO_S,
    TO_D,
    TO_BF16,
    TO_S_ODD,
    RINT,
    RINTX, /* b is the rounding mode */
    RINT32,
    RINT64,
    TO_I, /* b is the rounding mode, c 100 * fbits + bits */
    TO_U,
    FROM_I, /* of a, c is fbits */
    FROM_U,
};

enum { IOC = 1, DZC = 2, OFC = 4, UFC = 8, IXC = 16, IDC = 128 };
enum { H = FMT_H, S = FMT_S, D = FMT_D };
#define FZ FPCR_FZ
#define FZ16 FPCR_FZ16
#define DN FPCR_DN
#define AHP FPCR_AHP
#define ONES_ (~UINT64_C(0))
#define RP (1u << 22)
#define RM (2u << 22)
#define RZ (3u << 22)

struct fp_case {
    unsigned op, f;
    uint64_t fpcr, a, b, c, result;
    unsigned flags;
};

static uint64_t apply(const struct fp_case *t, struct fp_env *e)
{
    const enum fp_fmt f = (enum fp_fmt)t->f;
    const enum fp_rounding r = (enum fp_rounding)t->b;
    const unsigned fbits = (unsigned)t->c / 100, len = (unsigned)t->c % 100;

    switch ((enum op)t->op) {
    case ADD: return fp_add(f, t->a, t->b, e);
    case SUB: return fp_sub(f, t->a, t->b, e);
    case MUL: return fp_mul(f, t->a, t->b, e);
    case MULX: return fp_mulx(f, t->a, t->b, e);
    case DIV: return fp_div(f, t->a, t->b, e);
    case SQRT: return fp_sqrt(f, t->a, e);
    case MULADD: return fp_muladd(f, t->a, t->b, t->c, e);
    case MULADD_HALF: return fp_muladd_half(t->a, t->b, t->c, e);
    case RSTEP: return fp_recip_step(f, t->a, t->b, e);
    case SSTEP: return fp_rsqrt_step(f, t->a, t->b, e);
    case MAX_: return fp_max(f, t->a, t->b, e);
    case MIN_: return fp_min(f, t->a, t->b, e);
    case MAXNM: return fp_maxnm(f, t->a, t->b, e);
    case MINNM: return fp_minnm(f, t->a, t->b, e);
    case CMP: return (uint64_t)(int64_t)fp_compare(f, t->a, t->b, false, e);
    case CMPE: return (uint64_t)(int64_t)fp_compare(f, t->a, t->b, true, e);
    case RECPE: return fp_recip_estimate(f, t->a, e);
    case RSQRTE: return fp_rsqrt_estimate(f, t->a, e);
    case RECPX: return fp_recpx(f, t->a, e);
    case TO_H: return fp_convert(f, FMT_H, t->a, fp_rounding(e), e);
    case TO_S: return fp_convert(f, FMT_S, t->a, fp_rounding(e), e);
    case TO_D: return fp_convert(f, FMT_D, t->a, fp_rounding(e), e);
    case TO_BF16: return fp_convert(f, FMT_BF16, t->a, fp_rounding(e), e);
    case TO_S_ODD: return fp_convert(f, FMT_S, t->a, ROUND_ODD, e);
    case RINT: return fp_round_int(f, t->a, r, false, e);
    case RINTX: return fp_round_int(f, t->a, r, true, e);
    case RINT32: return fp_round_int_n(f, t->a, r, 32, e);
    case RINT64: return fp_round_int_n(f, t->a, r, 64, e);
    case TO_I: return fp_to_fixed(f, t->a, fbits, false, r, len, e);
    case TO_U: return fp_to_fixed(f, t->a, fbits, true, r, len, e);
    case FROM_I: return fp_from_fixed(f, t->a, (unsigned)t->c, false, e);
    case FROM_U: return fp_from_fixed(f, t->a, (unsigned)t->c, true, e);
    }
    return 0;
}

static void check(const struct fp_case *t, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        struct fp_env e = {.fpcr = (uint32_t)t[i].fpcr};
        const uint64_t got = apply(&t[i], &e);

        if (got != t[i].result || e.fpsr != t[i].flags || e.fpcr != t[i].fpcr)
            fail_msg("case %u: %016llx flags %02x, not %016llx %02x", i, (unsigned long long)got,
                     e.fpsr, (unsigned long long)t[i].result, t[i].flags);

        /* Exceptions add to what is there, and what lies above a format is ignored. */
        struct fp_env before = {.fpcr = (uint32_t)t[i].fpcr, .fpsr = FPSR_QC | FPSR_DZC};
        struct fp_case dirty = t[i];
        if (t[i].op != FROM_I && t[i].op != FROM_U && t[i].f != FMT_D) {
            const uint64_t above = UINT64_C(0xdeadbeef)
                                   << (t[i].op == MULADD_HALF ? 32 : fp_layout[t[i].f].bits);
            dirty.a |= above;
            if (t[i].op < RECPE)
                dirty.b |= above, dirty.c |= above;
        }
        if (apply(&dirty, &before) != t[i].result || before.fpsr != (t[i].flags | FPSR_QC | FPSR_DZC))
            fail_msg("case %u, flags set before", i);
    }
}

/* A case is a line. */
/* clang-format off */

/* Signalling before quiet, first before second; made quiet; or the default NaN. */
static void nans(void **state)
{
    static const struct fp_case t[] = {
        {ADD, S, 0, 0x7fc00001, 0x7fc00002, 0, 0x7fc00001, 0},
        {ADD, S, 0, 0x3f800000, 0xffc00002, 0, 0xffc00002, 0},
        {ADD, S, 0, 0x7fc00001, 0x7f800002, 0, 0x7fc00002, IOC},
        {ADD, S, 0, 0xff800001, 0x7f800002, 0, 0xffc00001, IOC},
        {ADD, S, DN, 0xff800001, 0x7f800002, 0, 0x7fc00000, IOC},
        {ADD, S, DN, 0xffc00001, 0x3f800000, 0, 0x7fc00000, 0},
        {SUB, S, 0, 0x3f800000, 0x7fc00002, 0, 0x7fc00002, 0}, /* its sign stays */
        {SUB, D, 0, 0x7ff0000000000000, 0x7ff0000000000000, 0, 0x7ff8000000000000, IOC},
        {ADD, H, 0, 0x7e01, 0xfc01, 0, 0xfe01, IOC},
        {MUL, D, 0, 0x0000000000000000, 0xfff0000000000000, 0, 0x7ff8000000000000, IOC},
        {DIV, S, 0, 0x00000000, 0x80000000, 0, 0x7fc00000, IOC},
        {DIV, S, 0, 0xff800000, 0x7f800000, 0, 0x7fc00000, IOC},
        {DIV, S, 0, 0xbf800000, 0x00000000, 0, 0xff800000, DZC},
        {DIV, S, 0, 0x7f800000, 0x80000000, 0, 0xff800000, 0}, /* infinity by zero is exact */
        {SQRT, S, 0, 0xbf800000, 0, 0, 0x7fc00000, IOC},
        {SQRT, S, 0, 0x80000000, 0, 0, 0x80000000, 0},
        {SQRT, D, 0, 0xfff0000000000001, 0, 0, 0xfff8000000000001, IOC},
        {MULADD, S, 0, 0x7fc00001, 0x7fc00002, 0x7fc00003, 0x7fc00001, 0}, /* the addend is first */
        {MULADD, S, 0, 0x7fc00001, 0x7fc00002, 0x7f800003, 0x7fc00003, IOC},
        {MULADD, S, 0, 0x7f800001, 0x7f800002, 0x7fc00003, 0x7fc00001, IOC},
        {MULADD, S, 0, 0x7fc00001, 0x00000000, 0x7f800000, 0x7fc00000, IOC}, /* an invalid product beats a quiet addend */
        {MULADD, S, 0, 0xffc00001, 0xff800000, 0x80000000, 0x7fc00000, IOC},
        {MULADD, S, 0, 0x7f800001, 0x00000000, 0x7f800000, 0x7fc00001, IOC}, /* but not a signalling one */
        {MULADD, S, 0, 0x3f800000, 0x00000000, 0x7f800000, 0x7fc00000, IOC},
        {MULADD, S, 0, 0xff800000, 0x3f800000, 0x7f800000, 0x7fc00000, IOC},
        {MULADD, S, 0, 0xff800000, 0x3f800000, 0xff800000, 0xff800000, 0},
        {MULADD_HALF, S, 0, 0x3f800000, 0x7c01, 0x7e02, 0x7fc02000, IOC}, /* converted after it was made quiet */
        {MULADD_HALF, S, 0, 0x3f800000, 0xfe03, 0x7e02, 0xffc06000, 0},
        {MULADD_HALF, S, DN, 0x3f800000, 0xfe03, 0x7e02, 0x7fc00000, 0},
        {MULADD_HALF, S, 0, 0x7fc00009, 0x0000, 0x7c00, 0x7fc00000, IOC},
        {MULADD_HALF, S, 0, 0x7fc00009, 0x0000, 0x7e01, 0x7fc00009, 0},
        {MULADD_HALF, S, AHP, 0x3f800000, 0x7c00, 0x3c00, 0x7f800000, 0}, /* AHP is for conversions */
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}

static void zeros(void **state)
{
    static const struct fp_case t[] = {
        {ADD, S, 0, 0x80000000, 0x80000000, 0, 0x80000000, 0},
        {ADD, S, 0, 0x80000000, 0x00000000, 0, 0x00000000, 0},
        {ADD, S, RM, 0x80000000, 0x00000000, 0, 0x80000000, 0},
        {ADD, S, RM, 0x3f800000, 0xbf800000, 0, 0x80000000, 0},
        {SUB, S, RM, 0x00000000, 0x80000000, 0, 0x00000000, 0},
        {MULADD, D, 0, 0x8000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0x8000000000000000, 0},
        {MULADD, D, 0, 0x8000000000000000, 0, 0x3ff0000000000000, 0, 0},
        {MULADD, D, RM, 0x8000000000000000, 0, 0x3ff0000000000000, 0x8000000000000000, 0},
        {MULADD, D, RM, 0xbff0000000000000, 0x3ff0000000000000, 0x3ff0000000000000, 0x8000000000000000, 0},
        {MAX_, S, 0, 0x80000000, 0x00000000, 0, 0x00000000, 0},
        {MAX_, S, 0, 0x80000000, 0x80000000, 0, 0x80000000, 0},
        {MIN_, S, 0, 0x00000000, 0x80000000, 0, 0x80000000, 0},
        {MIN_, S, 0, 0x80000000, 0x00000000, 0, 0x80000000, 0},
        {MAXNM, S, FZ, 0x80000001, 0x00000000, 0, 0x00000000, IDC}, /* flushed first */
        {MAX_, S, FZ, 0x80000001, 0xbf800000, 0, 0x80000000, IDC},
        {CMP, S, 0, 0x80000000, 0x00000000, 0, 0, 0},
        {RINT, D, 0, 0xbfd0000000000000, ROUND_TIEEVEN, 0, 0x8000000000000000, 0}, /* -0.25 */
        {RINT, D, 0, 0x8000000000000000, ROUND_POSINF, 0, 0x8000000000000000, 0},
        {TO_I, S, 0, 0x80000000, ROUND_ZERO, 32, 0, 0},
        {FROM_I, S, RM, 0, 0, 0, 0x00000000, 0},
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}

static void mulx_and_steps(void **state)
{
    static const struct fp_case t[] = {
        {MULX, S, 0, 0x00000000, 0x7f800000, 0, 0x40000000, 0},
        {MULX, S, 0, 0x80000000, 0x7f800000, 0, 0xc0000000, 0},
        {MULX, D, 0, 0xfff0000000000000, 0x8000000000000000, 0, 0x4000000000000000, 0},
        {MULX, H, FZ16, 0x7c00, 0x8001, 0, 0xc000, 0},
        {MULX, S, FZ, 0x7f800000, 0x00000001, 0, 0x40000000, IDC},
        {MULX, S, 0, 0x7f800000, 0xff800001, 0, 0xffc00001, IOC},
        {MULX, S, 0, 0x40400000, 0x40000000, 0, 0x40c00000, 0},
        {RSTEP, S, 0, 0x00000000, 0x7f800000, 0, 0x40000000, 0},
        {RSTEP, S, 0, 0x3f800000, 0x40000000, 0, 0x00000000, 0},
        {RSTEP, S, RM, 0x3f800000, 0x40000000, 0, 0x80000000, 0},
        {RSTEP, S, 0, 0x7f800000, 0x40000000, 0, 0xff800000, 0},
        {RSTEP, S, 0, 0x7fc00001, 0x40000000, 0, 0xffc00001, 0}, /* negated before it is looked at */
        {RSTEP, S, 0, 0x40000000, 0x7fc00001, 0, 0x7fc00001, 0},
        {RSTEP, S, 0, 0x3f800000, 0x3f800000, 0, 0x3f800000, 0},
        {SSTEP, S, 0, 0x80000000, 0x7f800000, 0, 0x3fc00000, 0},
        {SSTEP, S, 0, 0x3f800000, 0x3f800000, 0, 0x3f800000, 0},
        {SSTEP, D, 0, 0x3ff0000000000000, 0x4008000000000000, 0, 0, 0},
        {SSTEP, D, 0, 0xfff8000000000001, 0x4008000000000000, 0, 0x7ff8000000000001, 0},
        {SSTEP, H, 0, 0x7bff, 0x7bff, 0, 0xfc00, OFC | IXC},
        {SSTEP, S, 0, 0x7f7fffff, 0x3fffffff, 0, 0xff7ffffe, IXC}, /* too large but for the halving */
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}

/* FZ flushes operands and says IDC, and results and says UFC alone, before rounding. FZ16 says nothing of operands. */
static void flushing(void **state)
{
    static const struct fp_case t[] = {
        {ADD, S, FZ, 0x00000001, 0x80000001, 0, 0x00000000, IDC},
        {ADD, S, FZ, 0x80000001, 0x80000001, 0, 0x80000000, IDC},
        {MUL, S, FZ, 0x00800000, 0xbf000000, 0, 0x80000000, UFC},
        {MUL, S, FZ, 0x00ffffff, 0x3f000000, 0, 0x00000000, UFC}, /* rounded it would be the smallest normal number */
        {MUL, S, 0, 0x00ffffff, 0x3f000000, 0, 0x00800000, UFC | IXC}, /* tiny before rounding */
        {MUL, S, 0, 0x00800000, 0x3f000000, 0, 0x00400000, 0}, /* exact: no underflow */
        {MUL, S, RP, 0x00000001, 0x00000001, 0, 0x00000001, UFC | IXC},
        {MUL, S, RM, 0x00000001, 0x80000001, 0, 0x80000001, UFC | IXC},
        {MUL, D, FZ16, 0x0000000000000001, 0x4000000000000000, 0, 0x0000000000000002, 0},
        {MUL, H, FZ, 0x0001, 0x4000, 0, 0x0002, 0},
        {MUL, H, FZ16, 0x0001, 0x4000, 0, 0x0000, 0},
        {MUL, H, FZ16, 0x0400, 0xb800, 0, 0x8000, UFC},
        {SQRT, D, FZ, 0x8000000000000001, 0, 0, 0x8000000000000000, IDC},
        {DIV, D, FZ, 0x3ff0000000000000, 0x0000000000000001, 0, 0x7ff0000000000000, IDC | DZC},
        {CMP, S, FZ, 0x00000001, 0x80000001, 0, 0, IDC},
        {CMP, H, FZ16, 0x0001, 0x8001, 0, 0, 0},
        {TO_I, S, FZ, 0x00000001, ROUND_POSINF, 32, 0, IDC},
        {TO_I, H, FZ16, 0x0001, ROUND_POSINF, 32, 0, 0},
        {RINTX, S, FZ, 0x80000001, ROUND_NEGINF, 0, 0x80000000, IDC},
        {TO_H, S, FZ, 0x00000001, 0, 0, 0x0000, IDC},
        {TO_H, S, FZ | FZ16, 0x33800000, 0, 0, 0x0001, 0}, /* conversions don't flush halves */
        {TO_S, H, FZ | FZ16, 0x0001, 0, 0, 0x33800000, 0},
        {TO_S, D, FZ, 0x3800000000000000, 0, 0, 0x00000000, UFC},
        {TO_D, S, FZ, 0x80000001, 0, 0, 0x8000000000000000, IDC},
        {TO_BF16, S, FZ, 0x00400000, 0, 0, 0x0000, IDC},
        {FROM_U, H, FZ16, 1, 0, 20, 0x0000, UFC},
        {FROM_U, H, 0, 1, 0, 24, 0x0001, 0},
        {MULADD_HALF, S, FZ16, 0x00000000, 0x0001, 0x3c00, 0x00000000, 0},
        {MULADD_HALF, S, 0, 0x00000000, 0x0001, 0x3c00, 0x33800000, 0},
        {MULADD, S, FZ, 0x00000001, 0x3f800000, 0x3f800000, 0x3f800000, IDC},
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}

static void overflow(void **state)
{
    static const struct fp_case t[] = {
        {MUL, S, 0, 0x7f7fffff, 0x40000000, 0, 0x7f800000, OFC | IXC},
        {MUL, S, RZ, 0x7f7fffff, 0xc0000000, 0, 0xff7fffff, OFC | IXC},
        {MUL, S, RM, 0x7f7fffff, 0x40000000, 0, 0x7f7fffff, OFC | IXC},
        {MUL, S, RM, 0x7f7fffff, 0xc0000000, 0, 0xff800000, OFC | IXC},
        {ADD, H, RP, 0x7bff, 0x0001, 0, 0x7c00, OFC | IXC},
        {ADD, H, 0, 0x7bff, 0x0001, 0, 0x7bff, IXC},
        {TO_S_ODD, D, 0, 0x7fefffffffffffff, 0, 0, 0x7f7fffff, OFC | IXC},
        {TO_S_ODD, D, 0, 0x3ff0000000000001, 0, 0, 0x3f800001, IXC},
        {TO_S_ODD, D, 0, 0x3ff0000030000000, 0, 0, 0x3f800001, IXC}, /* already odd */
        {TO_S_ODD, D, 0, 0x0000000000000001, 0, 0, 0x00000001, UFC | IXC},
        {TO_S_ODD, D, 0, 0xfff0000000000000, 0, 0, 0xff800000, 0},
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}

/* A quiet NaN loses against a number in the -NM forms; a signalling one never does. */
static void min_max(void **state)
{
    static const struct fp_case t[] = {
        {MAX_, S, 0, 0x7fc00001, 0x3f800000, 0, 0x7fc00001, 0},
        {MIN_, S, 0, 0x3f800000, 0x40000000, 0, 0x3f800000, 0},
        {MAXNM, S, 0, 0x7fc00001, 0x3f800000, 0, 0x3f800000, 0},
        {MAXNM, S, 0, 0x3f800000, 0xffc00001, 0, 0x3f800000, 0},
        {MAXNM, S, 0, 0xff800000, 0x7fc00001, 0, 0xff800000, 0},
        {MINNM, S, 0, 0x7f800000, 0x7fc00001, 0, 0x7f800000, 0},
        {MINNM, S, 0, 0x7fc00002, 0x7fc00001, 0, 0x7fc00002, 0},
        {MINNM, S, 0, 0x7fc00002, 0x7f800001, 0, 0x7fc00001, IOC},
        {MAXNM, S, 0, 0x7f800001, 0x3f800000, 0, 0x7fc00001, IOC},
        {MAXNM, S, DN, 0xffc00002, 0x3f800000, 0, 0x3f800000, 0},
        {MAXNM, S, DN, 0xffc00002, 0xffc00001, 0, 0x7fc00000, 0},
        {MAXNM, S, FZ, 0xffc00002, 0x80000001, 0, 0x80000000, IDC},
        {MAX_, H, 0, 0x8001, 0x8002, 0, 0x8001, 0},
        {MIN_, D, 0, 0x8000000000000001, 0x0000000000000001, 0, 0x8000000000000001, 0},
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}

static void compare(void **state)
{
    static const struct fp_case t[] = {
        {CMP, S, 0, 0x3f800000, 0x40000000, 0, ONES_, 0},
        {CMP, S, 0, 0xbf800000, 0xc0000000, 0, 1, 0},
        {CMP, S, 0, 0x7fc00000, 0x40000000, 0, FP_UNORDERED, 0},
        {CMPE, S, 0, 0x7fc00000, 0x40000000, 0, FP_UNORDERED, IOC},
        {CMP, S, 0, 0x3f800000, 0x7f800001, 0, FP_UNORDERED, IOC},
        {CMP, D, 0, 0xfff0000000000000, 0xffefffffffffffff, 0, ONES_, 0},
        {CMP, H, AHP, 0x7c00, 0x7bff, 0, 1, 0},
        {CMP, H, 0, 0x7bff, 0xfc00, 0, 1, 0},
        {CMPE, D, 0, 0x7ff0000000000000, 0x7ff0000000000000, 0, 0, 0},
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}

static void estimates(void **state)
{
    static const struct fp_case t[] = {
        {RECPE, S, 0, 0x3f800000, 0, 0, 0x3f7f8000, 0},
        {RECPE, S, 0, 0xc0000000, 0, 0, 0xbeff8000, 0},
        {RECPE, D, 0, 0x3ff8000000000000, 0, 0, 0x3fe5500000000000, 0},
        {RECPE, H, 0, 0x3c00, 0, 0, 0x3bfc, 0},
        {RECPE, S, 0, 0x80000000, 0, 0, 0xff800000, DZC},
        {RECPE, S, 0, 0xff800000, 0, 0, 0x80000000, 0},
        {RECPE, S, 0, 0x00100000, 0, 0, 0x7f800000, OFC | IXC}, /* 2^-129 */
        {RECPE, S, RZ, 0x80100000, 0, 0, 0xff7fffff, OFC | IXC},
        {RECPE, S, RP, 0x80100000, 0, 0, 0xff7fffff, OFC | IXC},
        {RECPE, S, RM, 0x80100000, 0, 0, 0xff800000, OFC | IXC},
        {RECPE, S, FZ, 0x00100000, 0, 0, 0x7f800000, IDC | DZC},
        {RECPE, S, 0, 0x00200000, 0, 0, 0x7f7f8000, 0}, /* 2^-128 */
        {RECPE, S, 0, 0x7e800000, 0, 0, 0x007fc000, 0}, /* 2^126: a denormal */
        {RECPE, S, 0, 0x7f000000, 0, 0, 0x003fe000, 0},
        {RECPE, S, FZ, 0x7e800000, 0, 0, 0x00000000, UFC},
        {RECPE, S, FZ, 0xfe7fffff, 0, 0, 0x80800000, 0},
        {RECPE, H, FZ16, 0x7400, 0, 0, 0x0000, UFC},
        {RECPE, H, FZ, 0x7400, 0, 0, 0x03fe, 0},
        {RECPE, S, 0, 0x7f800001, 0, 0, 0x7fc00001, IOC},
        {RSQRTE, S, 0, 0x3f800000, 0, 0, 0x3f7f8000, 0},
        {RSQRTE, S, 0, 0x40800000, 0, 0, 0x3eff8000, 0},
        {RSQRTE, D, 0, 0x4000000000000000, 0, 0, 0x3fe6900000000000, 0},
        {RSQRTE, S, 0, 0x00000001, 0, 0, 0x64b48000, 0},
        {RSQRTE, S, 0, 0x80000000, 0, 0, 0xff800000, DZC},
        {RSQRTE, S, 0, 0xbf800000, 0, 0, 0x7fc00000, IOC},
        {RSQRTE, S, FZ, 0x80000001, 0, 0, 0xff800000, IDC | DZC},
        {RSQRTE, S, 0, 0x7f800000, 0, 0, 0x00000000, 0},
        {RSQRTE, S, 0, 0xff800000, 0, 0, 0x7fc00000, IOC},
        {RECPX, S, 0, 0x3f812345, 0, 0, 0x40000000, 0},
        {RECPX, S, 0, 0x80000001, 0, 0, 0xff000000, 0},
        {RECPX, S, FZ, 0x80000001, 0, 0, 0xff000000, IDC},
        {RECPX, S, 0, 0xff800000, 0, 0, 0x80000000, 0},
        {RECPX, S, 0, 0x7f7fffff, 0, 0, 0x00800000, 0},
        {RECPX, D, 0, 0x0010000000000000, 0, 0, 0x7fe0000000000000, 0},
        {RECPX, H, 0, 0x7d00, 0, 0, 0x7f00, IOC},
    };
    (void)state;
    check(t, ARRAY_LEN(t));
    assert_int_equal(fp_unsigned_recip_estimate(0x7fffffff), 0xffffffff);
    assert_int_equal(fp_unsigned_recip_estimate(0x80000000), 0xff800000);
    assert_int_equal(fp_unsigned_recip_estimate(0xffffffff), 0x80000000);
    assert_int_equal(fp_unsigned_rsqrt_estimate(0x3fffffff), 0xffffffff);
    assert_int_equal(fp_unsigned_rsqrt_estimate(0x40000000), 0xff800000);
    assert_int_equal(fp_unsigned_rsqrt_estimate(0xffffffff), 0x80000000);
}

/* The alternative half precision has numbers where the other has infinities and NaNs, and counts in conversions only. */
static void formats(void **state)
{
    static const struct fp_case t[] = {
        {TO_S, H, 0, 0x7c00, 0, 0, 0x7f800000, 0},
        {TO_S, H, AHP, 0x7c00, 0, 0, 0x47800000, 0}, /* 65536 */
        {TO_D, H, AHP, 0xffff, 0, 0, 0xc0fffc0000000000, 0}, /* -131008 */
        {TO_S, H, 0, 0xfc01, 0, 0, 0xffc02000, IOC},
        {TO_D, H, 0, 0x7e01, 0, 0, 0x7ff8040000000000, 0},
        {TO_D, H, DN, 0xfe01, 0, 0, 0x7ff8000000000000, 0},
        {TO_H, S, 0, 0x47800000, 0, 0, 0x7c00, OFC | IXC},
        {TO_H, S, AHP, 0x47800000, 0, 0, 0x7c00, 0},
        {TO_H, S, AHP, 0xc7ffe000, 0, 0, 0xffff, 0},
        {TO_H, S, AHP, 0xc7fff000, 0, 0, 0xffff, IOC}, /* rounds to more than there is: invalid, not inexact */
        {TO_H, S, AHP | RZ, 0xc7ffffff, 0, 0, 0xffff, IXC},
        {TO_H, S, AHP, 0x7f800000, 0, 0, 0x7fff, IOC},
        {TO_H, S, AHP, 0xff800000, 0, 0, 0xffff, IOC},
        {TO_H, S, AHP, 0xffc00001, 0, 0, 0x8000, IOC},
        {TO_H, S, AHP | DN, 0xff800001, 0, 0, 0x8000, IOC},
        {TO_H, D, 0, 0xfff0000000000001, 0, 0, 0xfe00, IOC},
        {TO_H, D, 0, 0x7ff9000000000000, 0, 0, 0x7e40, 0},
        {TO_H, D, 0, 0x3e60000000000000, 0, 0, 0x0000, UFC | IXC}, /* half of the smallest */
        {TO_H, D, 0, 0x3e60000000000001, 0, 0, 0x0001, UFC | IXC},
        {TO_H, D, RP, 0x0000000000000001, 0, 0, 0x0001, UFC | IXC},
        {TO_S, D, 0, 0x7ff0000000000001, 0, 0, 0x7fc00000, IOC},
        {TO_S, D, 0, 0xfff7ffffffffffff, 0, 0, 0xffffffff, IOC},
        {TO_D, S, 0, 0x7fa00001, 0, 0, 0x7ffc000020000000, IOC},
        {TO_D, S, DN, 0xffc00001, 0, 0, 0x7ff8000000000000, 0},
        {TO_BF16, S, 0, 0x3f808000, 0, 0, 0x3f80, IXC},
        {TO_BF16, S, 0, 0x3f818000, 0, 0, 0x3f82, IXC},
        {TO_BF16, S, RP, 0x3f800001, 0, 0, 0x3f81, IXC},
        {TO_BF16, S, 0, 0x7f7fffff, 0, 0, 0x7f80, OFC | IXC},
        {TO_BF16, S, 0, 0x007fffff, 0, 0, 0x0080, UFC | IXC},
        {TO_BF16, S, 0, 0x7f800001, 0, 0, 0x7fc0, IOC},
        {TO_BF16, S, 0, 0xffff1234, 0, 0, 0xffff, 0},
        {TO_BF16, S, DN, 0xffff1234, 0, 0, 0x7fc0, 0},
        {TO_BF16, S, AHP, 0x7f800000, 0, 0, 0x7f80, 0},
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}

static void to_integers(void **state)
{
    static const struct fp_case t[] = {
        {TO_I, S, 0, 0x4f000000, ROUND_ZERO, 32, 0x7fffffff, IOC},
        {TO_I, S, 0, 0xcf000000, ROUND_ZERO, 32, 0x80000000, 0},
        {TO_I, D, 0, 0xc1e0000000200000, ROUND_ZERO, 32, 0x80000000, IOC},
        {TO_I, D, 0, 0xc1e00000001fffff, ROUND_ZERO, 32, 0x80000000, IXC}, /* rounds to what fits */
        {TO_I, D, 0, 0xc1e00000001fffff, ROUND_NEGINF, 32, 0x80000000, IOC},
        {TO_U, S, 0, 0xbf000000, ROUND_TIEEVEN, 32, 0, IXC},
        {TO_U, S, 0, 0xbf000000, ROUND_TIEAWAY, 32, 0, IOC},
        {TO_U, S, 0, 0xff800000, ROUND_ZERO, 64, 0, IOC},
        {TO_U, S, 0, 0x7f800000, ROUND_ZERO, 64, 0xffffffffffffffff, IOC},
        {TO_I, S, 0, 0x7f800000, ROUND_ZERO, 6464, 0x7fffffffffffffff, IOC},
        {TO_I, H, 0, 0xfc00, ROUND_ZERO, 16, 0x8000, IOC},
        {TO_U, H, 0, 0x7bff, ROUND_ZERO, 16, 65504, 0},
        {TO_I, H, 0, 0x7bff, ROUND_ZERO, 16, 0x7fff, IOC},
        {TO_U, S, 0, 0x7fc00000, ROUND_ZERO, 64, 0, IOC},
        {TO_U, H, AHP, 0x7e00, ROUND_ZERO, 64, 0, IOC},
        {TO_I, S, 0, 0x3f000000, ROUND_TIEEVEN, 64, 0, IXC},
        {TO_I, S, 0, 0x3f000000, ROUND_TIEAWAY, 64, 1, IXC},
        {TO_I, S, 0, 0xbf000000, ROUND_TIEAWAY, 64, ONES_, IXC},
        {TO_I, S, 0, 0x3fc00000, ROUND_TIEEVEN, 64, 2, IXC},
        {TO_I, S, 0, 0x3fc00000, ROUND_TIEEVEN, 164, 3, 0},
        {TO_I, S, 0, 0x00000001, ROUND_ZERO, 6464, 0, IXC},
        {TO_U, D, 0, 0x3bf0000000000000, ROUND_ZERO, 6464, 1, 0}, /* 2^-64 */
        {FROM_I, S, 0, 0xffffffff80000000, 0, 0, 0xcf000000, 0},
        {FROM_I, S, 0, 0x7fffffffffffffff, 0, 0, 0x5f000000, IXC},
        {FROM_U, D, RZ, 0xffffffffffffffff, 0, 0, 0x43efffffffffffff, IXC},
        {FROM_U, H, 0, 65520, 0, 0, 0x7c00, OFC | IXC},
        {FROM_U, H, AHP, 65520, 0, 0, 0x7c00, OFC | IXC}, /* AHP is for conversions between formats */
        {FROM_U, H, RZ, 65520, 0, 0, 0x7bff, IXC},
        {FROM_U, H, 0, 1, 0, 64, 0, UFC | IXC},
        {FROM_I, H, RM, ONES_, 0, 64, 0x8001, UFC | IXC},
        {FROM_I, D, 0, 0x8000000000000000, 0, 64, 0xbfe0000000000000, 0},
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}

static void to_integral(void **state)
{
    static const struct fp_case t[] = {
        {RINT, S, 0, 0x3fc00000, ROUND_TIEEVEN, 0, 0x40000000, 0},
        {RINTX, S, 0, 0x3fc00000, ROUND_TIEEVEN, 0, 0x40000000, IXC},
        {RINTX, S, 0, 0x40000000, ROUND_TIEEVEN, 0, 0x40000000, 0},
        {RINT, S, 0, 0xc0200000, ROUND_TIEAWAY, 0, 0xc0400000, 0},
        {RINT, S, 0, 0xc0200000, ROUND_TIEEVEN, 0, 0xc0000000, 0},
        {RINT, S, 0, 0x00000001, ROUND_POSINF, 0, 0x3f800000, 0},
        {RINT, S, 0, 0x80000001, ROUND_POSINF, 0, 0x80000000, 0},
        {RINT, S, 0, 0x7f800001, ROUND_POSINF, 0, 0x7fc00001, IOC},
        {RINT, D, 0, 0xfff0000000000000, ROUND_POSINF, 0, 0xfff0000000000000, 0},
        {RINT, H, 0, 0x63ff, ROUND_POSINF, 0, 0x6400, 0}, /* 1023.5 */
        {RINT, H, AHP, 0x7c01, ROUND_ZERO, 0, 0x7e01, IOC},
        {RINT32, S, 0, 0x7fc00000, ROUND_ZERO, 0, 0xcf000000, IOC},
        {RINT32, S, 0, 0x7f800000, ROUND_ZERO, 0, 0xcf000000, IOC},
        {RINT32, S, 0, 0x4f000000, ROUND_ZERO, 0, 0xcf000000, IOC},
        {RINT32, S, 0, 0xcf000000, ROUND_ZERO, 0, 0xcf000000, 0},
        {RINT32, D, 0, 0x41dfffffffe00000, ROUND_ZERO, 0, 0x41dfffffffc00000, IXC},
        {RINT32, D, 0, 0x41dfffffffe00000, ROUND_TIEEVEN, 0, 0xc1e0000000000000, IOC},
        {RINT64, D, 0, 0x43e0000000000000, ROUND_ZERO, 0, 0xc3e0000000000000, IOC},
        {RINT64, D, 0, 0xc3e0000000000001, ROUND_ZERO, 0, 0xc3e0000000000000, IOC},
        {RINT64, S, 0, 0xbf000000, ROUND_TIEEVEN, 0, 0x80000000, IXC},
        {RINT64, S, FZ, 0x80000001, ROUND_NEGINF, 0, 0x80000000, IDC},
    };
    (void)state;
    check(t, ARRAY_LEN(t));
}
/* clang-format on */

static void javascript(void **state)
{
    static const struct {
        uint64_t fpcr, a;
        uint32_t result;
        bool z;
        unsigned flags;
    } t[] = {
        {0, 0x3ff0000000000000, 1, true, 0},
        {0, 0xbff0000000000000, 0xffffffff, true, 0},
        {0, 0, 0, true, 0},
        {0, 0x8000000000000000, 0, false, 0},
        {0, 0x3ff8000000000000, 1, false, IXC},
        {0, 0xbfe0000000000000, 0, false, IXC},
        {0, 0x41dfffffffc00000, 0x7fffffff, true, 0},
        {0, 0x41e0000000000000, 0x80000000, false, IOC},
        {0, 0xc1e0000000000000, 0x80000000, true, 0},
        {0, 0xc1e0000000200000, 0x7fffffff, false, IOC},
        {0, 0x41f0000000100000, 0x00000001, false, IOC},
        {0, 0xc1f0000000180000, 0xffffffff, false, IOC}, /* inexact too, which nobody says */
        {0, 0x43f0000000000001, 0x00001000, false, IOC}, /* 2^64 + 2^12 */
        {0, 0x4530000000000001, 0, false, IOC},          /* 2^84 + 2^32 */
        {0, 0x4520000000000001, 0x80000000, false, IOC}, /* 2^83 + 2^31 */
        {0, 0x7fe0000000000001, 0, false, IOC},
        {0, 0x7ff0000000000000, 0, false, IOC},
        {0, 0x7ff8000000000000, 0, false, IOC},
        {0, 0x0000000000000001, 0, false, IXC},
        {FZ, 0x0000000000000001, 0, false, IDC},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        struct fp_env e = {.fpcr = (uint32_t)t[i].fpcr};
        bool z;
        const uint32_t got = fp_to_int32_js(t[i].a, &z, &e);

        if (got != t[i].result || z != t[i].z || e.fpsr != t[i].flags)
            fail_msg("case %u: %08x z %d flags %02x", i, got, z, e.fpsr);
    }
}

/* Rounding to odd at each step, denormals flushed, infinities for what is too large, one NaN. */
static void bf16_dot(void **state)
{
    static const struct {
        uint32_t addend;
        uint16_t a0, a1, b0, b1;
        uint32_t result;
    } t[] = {
        {0x3f800000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x41400000}, /* 1 + (1 * 3 + 2 * 4) */
        {0x33800000, 0x3f80, 0, 0x3f80, 0, 0x3f800001},           /* 2^-24 + 1 is odd */
        {0xb3000000, 0x3f80, 0, 0x3f80, 0, 0x3f7fffff}, /* 1 - 2^-25: just below is odd already */
        {0x3f800000, 0x2580, 0, 0x2580, 0, 0x3f800001}, /* 2^-104 below one */
        {0x00000001, 0x0001, 0, 0x3f80, 0, 0x00000000}, /* denormals are zeros */
        {0x80000000, 0x8000, 0x8000, 0x3f80, 0x3f80, 0x80000000},
        {0x80000000, 0x0000, 0x8000, 0x3f80, 0x3f80, 0x00000000},
        {0x00000000, 0x7f7f, 0, 0x7f7f, 0, 0x7f800000}, /* too large */
        {0x00000000, 0xff7f, 0, 0x7f7f, 0, 0xff800000},
        {0x00000000, 0x0080, 0, 0x3f00, 0, 0x00000000}, /* too small */
        {0x00000000, 0x7f80, 0, 0x0000, 0, 0x7fc00000},
        {0x00000000, 0x7f80, 0xff80, 0x3f80, 0x3f80, 0x7fc00000},
        {0xffc12345, 0x3f80, 0, 0x3f80, 0, 0x7fc00000},
        {0x7f800001, 0x3f80, 0, 0x3f80, 0, 0x7fc00000},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        const uint64_t got = fp_bf16_dot_add(t[i].addend, t[i].a0, t[i].a1, t[i].b0, t[i].b1);

        if (got != t[i].result)
            fail_msg("case %u: %08x, not %08x", i, (unsigned)got, t[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nans),           cmocka_unit_test(zeros),
        cmocka_unit_test(mulx_and_steps), cmocka_unit_test(flushing),
        cmocka_unit_test(overflow),       cmocka_unit_test(min_max),
        cmocka_unit_test(compare),        cmocka_unit_test(estimates),
        cmocka_unit_test(formats),        cmocka_unit_test(to_integers),
        cmocka_unit_test(to_integral),    cmocka_unit_test(javascript),
        cmocka_unit_test(bf16_dot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
