/* Floating point by the host's instructions is what arch/fp.h says, whatever FPCR and FPSR are. */
#include "cpu/fp_fast.h"
#include "fp_random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CASES 2000000

enum op {
    ADD,
    SUB,
    MUL,
    MULX,
    DIV,
    SQRT,
    MULADD,
    COMPARE,
    MAX_,
    MIN_,
    MAXNM,
    MINNM,
    CONVERT,
    TO_INT,
    FROM_INT,
    RINT,
    RSTEP,
    SSTEP,
    NR_OPS,
};
static const char *const name[NR_OPS] = {
    "add",     "sub",      "mul",        "mulx",      "div",        "sqrt",
    "muladd",  "compare",  "max",        "min",       "maxnm",      "minnm",
    "convert", "to_fixed", "from_fixed", "round_int", "recip_step", "rsqrt_step"};

/* The operation PREFIX_NAME, for formats that are constants. */
#define APPLY(PREFIX)                                                                              \
    static inline uint64_t PREFIX##_apply(enum op op, enum fp_fmt f, const uint64_t v[3],          \
                                          unsigned how, struct fp_env *e)                          \
    {                                                                                              \
        const enum fp_rounding r = (enum fp_rounding)(how % 5);                                    \
        const bool flag = how >> 4 & 1;                                                            \
        const enum fp_fmt other = f == FMT_S ? FMT_D : FMT_S;                                      \
        switch (op) {                                                                              \
        case ADD: return PREFIX##_add(f, v[0], v[1], e);                                           \
        case SUB: return PREFIX##_sub(f, v[0], v[1], e);                                           \
        case MUL: return PREFIX##_mul(f, v[0], v[1], e);                                           \
        case MULX: return PREFIX##_mulx(f, v[0], v[1], e);                                         \
        case DIV: return PREFIX##_div(f, v[0], v[1], e);                                           \
        case SQRT: return PREFIX##_sqrt(f, v[0], e);                                               \
        case MULADD: return PREFIX##_muladd(f, v[2], v[0], v[1], e);                               \
        case COMPARE: return (uint64_t)PREFIX##_compare(f, v[0], v[1], flag, e);                   \
        case MAX_: return PREFIX##_max(f, v[0], v[1], e);                                          \
        case MIN_: return PREFIX##_min(f, v[0], v[1], e);                                          \
        case MAXNM: return PREFIX##_maxnm(f, v[0], v[1], e);                                       \
        case MINNM: return PREFIX##_minnm(f, v[0], v[1], e);                                       \
        case CONVERT: return PREFIX##_convert(f, other, v[0], fp_rounding(e), e);                  \
        case TO_INT:                                                                               \
            return PREFIX##_to_fixed(f, v[0], how >> 5 & 1, flag, r, 16u << (how >> 6) % 3, e);    \
        case FROM_INT: return PREFIX##_from_fixed(f, v[2], how >> 5 & 1, flag, e);                 \
        case RSTEP: return PREFIX##_recip_step(f, v[0], v[1], e);                                  \
        case SSTEP: return PREFIX##_rsqrt_step(f, v[0], v[1], e);                                  \
        default: return PREFIX##_round_int(f, v[0], r, flag, e);                                   \
        }                                                                                          \
    }
APPLY(fp)
APPLY(fpu)

static void fast_is_soft(void **state)
{
    static const uint32_t fpcr[] = {
        0,       0,       0,       FPCR_FZ,          FPCR_FZ, FPCR_DN, FPCR_FZ | FPCR_DN,
        1 << 22, 2 << 22, 3 << 22, 1 << 22 | FPCR_FZ};

    (void)state;
    for (enum fp_fmt f = FMT_H; f <= FMT_D; f++)
        for (enum op op = 0; op < NR_OPS; op++)
            for (unsigned i = 0; i < CASES / NR_OPS; i++) {
                uint64_t v[3] = {random_number(f), random_number(f), random_number(f)};
                const unsigned how = (unsigned)rnd();
                const uint32_t ixc = rnd() & FPSR_IXC;
                struct fp_env e1 = {fpcr[rnd() % ARRAY_LEN(fpcr)], ixc}, e2 = e1;

                if (op == FROM_INT)
                    v[2] = (uint64_t)((int64_t)rnd() >> rnd() % 64);
                else if (i % 4 == 0) /* small integers, and near each other */
                    for (unsigned k = 0; k < 3; k++) {
                        struct fp_env e = {0};
                        v[k] = fp_from_fixed(f, (uint64_t)((int64_t)rnd() >> (40 + rnd() % 24)),
                                             rnd() % 3, false, &e);
                    }
                const uint64_t want = fp_apply(op, f, v, how, &e1);
                const uint64_t got = f == FMT_D   ? fpu_apply(op, FMT_D, v, how, &e2)
                                     : f == FMT_S ? fpu_apply(op, FMT_S, v, how, &e2)
                                                  : fpu_apply(op, FMT_H, v, how, &e2);
                if (got != want || e1.fpsr != e2.fpsr)
                    fail_msg("%s, format %u, fpcr %x, ixc %x, how %x, of %016llx %016llx %016llx: %016llx flags %x, not %016llx %x",
                             name[op], f, e1.fpcr, ixc, how, (unsigned long long)v[0],
                             (unsigned long long)v[1], (unsigned long long)v[2],
                             (unsigned long long)got, e2.fpsr, (unsigned long long)want, e1.fpsr);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fast_is_soft)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
