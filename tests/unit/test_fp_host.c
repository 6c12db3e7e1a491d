/* Floating point against the host's hardware: singles and doubles in all four rounding modes, results and exceptions; half precision
 * against doubles, in which its sums and products are exact, and against a search for the nearest of all 65536 halves. */
#include "fp_random.h"

#include <fenv.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CASES 200000

static const int host_mode[4] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

static bool is_nan(enum fp_fmt f, uint64_t a)
{
    return (a & (fp_sign_bit(f) - 1)) > fp_infinity(f);
}

static double as_double(uint64_t a)
{
    double d;
    memcpy(&d, &a, 8);
    return d;
}

static float as_float(uint64_t a)
{
    const uint32_t w = (uint32_t)a;
    float s;
    memcpy(&s, &w, 4);
    return s;
}

static uint64_t of_double(double d)
{
    uint64_t a;
    memcpy(&a, &d, 8);
    return a;
}

static uint64_t of_float(float s)
{
    uint32_t w;
    memcpy(&w, &s, 4);
    return w;
}

static uint32_t host_flags(void)
{
    const int x = fetestexcept(FE_ALL_EXCEPT);

    return (x & FE_INVALID ? FPSR_IOC : 0) | (x & FE_DIVBYZERO ? FPSR_DZC : 0) |
           (x & FE_OVERFLOW ? FPSR_OFC : 0) | (x & FE_UNDERFLOW ? FPSR_UFC : 0) |
           (x & FE_INEXACT ? FPSR_IXC : 0);
}

enum op { ADD, SUB, MUL, DIV, SQRT, MULADD, NR_OPS };
static const char *const op_name[NR_OPS] = {"add", "sub", "mul", "div", "sqrt", "muladd"};

/* Volatile operands and results keep the operation between the two calls that set and read the host's state. */
static uint64_t host_op(enum fp_fmt f, enum op op, unsigned mode, const uint64_t v[3], uint32_t *flags)
{
    uint64_t r;

    fesetround(host_mode[mode]);
    feclearexcept(FE_ALL_EXCEPT);
    if (f == FMT_D) {
        volatile double a = as_double(v[0]), b = as_double(v[1]), c = as_double(v[2]), z;
        switch (op) {
        case ADD: z = a + b; break;
        case SUB: z = a - b; break;
        case MUL: z = a * b; break;
        case DIV: z = a / b; break;
        case SQRT: z = sqrt(a); break;
        default: z = fma(a, b, c); break;
        }
        *flags = host_flags();
        r = of_double(z);
    } else {
        volatile float a = as_float(v[0]), b = as_float(v[1]), c = as_float(v[2]), z;
        switch (op) {
        case ADD: z = a + b; break;
        case SUB: z = a - b; break;
        case MUL: z = a * b; break;
        case DIV: z = a / b; break;
        case SQRT: z = sqrtf(a); break;
        default: z = fmaf(a, b, c); break;
        }
        *flags = host_flags();
        r = of_float(z);
    }
    fesetround(FE_TONEAREST);
    return r;
}

static uint64_t our_op(enum fp_fmt f, enum op op, const uint64_t v[3], struct fp_env *e)
{
    switch (op) {
    case ADD: return fp_add(f, v[0], v[1], e);
    case SUB: return fp_sub(f, v[0], v[1], e);
    case MUL: return fp_mul(f, v[0], v[1], e);
    case DIV: return fp_div(f, v[0], v[1], e);
    case SQRT: return fp_sqrt(f, v[0], e);
    default: return fp_muladd(f, v[2], v[0], v[1], e);
    }
}

/* Which NaN it is, the host decides in its own way; so it does about a quiet NaN added to an invalid product, and whether tininess is
 * found before or after rounding, which shows where the result is the smallest normal number. */
static void compare_with_host(enum fp_fmt f, enum op op, unsigned mode, const uint64_t v[3])
{
    struct fp_env e = {.fpcr = mode << FPCR_RMode_LO};
    uint32_t flags;
    const uint64_t want = host_op(f, op, mode, v, &flags), got = our_op(f, op, v, &e);
    uint32_t differ = flags ^ e.fpsr;

    if ((got & (fp_sign_bit(f) - 1)) == UINT64_C(1) << fp_layout[f].frac)
        differ &= ~(uint32_t)FPSR_UFC;
    if (op == MULADD && (is_nan(f, v[0]) || is_nan(f, v[1]) || is_nan(f, v[2])))
        differ = 0;
    if ((is_nan(f, want) ? !is_nan(f, got) : want != got) || differ)
        fail_msg("%s, format %u, mode %u, of %016llx %016llx %016llx: %016llx flags %x, the host says %016llx %x",
                 op_name[op], f, mode, (unsigned long long)v[0], (unsigned long long)v[1],
                 (unsigned long long)v[2], (unsigned long long)got, e.fpsr,
                 (unsigned long long)want, flags);
}

static void arithmetic(void **state)
{
    (void)state;
    for (enum fp_fmt f = FMT_S; f <= FMT_D; f++)
        for (enum op op = 0; op < NR_OPS; op++)
            for (unsigned i = 0; i < CASES; i++) {
                uint64_t v[3] = {random_number(f), random_number(f), random_number(f)};

                if (op == MULADD && i % 4 == 0) { /* cancellation: the addend near the product */
                    struct fp_env e = {.fpcr = (uint32_t)(rnd() & 3) << FPCR_RMode_LO};
                    v[2] = fp_mul(f, v[0], v[1], &e) ^ fp_sign_bit(f);
                }
                if (op <= SUB && i % 4 == 0)
                    v[1] = v[0] ^ (rnd() & 7) ^ (rnd() & 1) << fp_layout[f].frac ^
                           (rnd() & 1) << (fp_layout[f].bits - 1);
                compare_with_host(f, op, i & 3, v);
            }
}

/* --- Conversions ------------------------------------------------------------------------------------------------------ */

/* The library's: what gcc makes of rint() itself is right for rounding to nearest only. */
static double (*volatile host_rint)(double) = rint;

static void conversions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * CASES; i++) {
        const unsigned mode = i & 3;
        const uint64_t a = random_number(FMT_D), s = random_number(FMT_S), n = rnd() >> rnd() % 64;
        struct fp_env e = {.fpcr = mode << FPCR_RMode_LO};
        uint64_t want[6];
        uint32_t flags[2];

        fesetround(host_mode[mode]);
        feclearexcept(FE_ALL_EXCEPT);
        volatile double d = as_double(a), z;
        volatile float x = as_float(s), y = (float)d;
        want[0] = of_float(y);
        flags[0] = host_flags();
        z = x;
        want[1] = of_double(z);
        volatile uint64_t un = n;
        volatile int64_t in = (int64_t)n;
        y = (float)un;
        want[2] = of_float(y);
        z = (double)in;
        want[3] = of_double(z);
        feclearexcept(FE_ALL_EXCEPT);
        z = host_rint(d);
        want[4] = of_double(z);
        flags[1] = host_flags();
        const bool fits = fabs(d) < 0x1p62;
        if (fits)
            want[5] = (uint64_t)llrint(d);
        fesetround(FE_TONEAREST);

        if (!is_nan(FMT_D, a)) {
            assert_int_equal(fp_convert(FMT_D, FMT_S, a, fp_rounding(&e), &e), want[0]);
            if ((uint32_t)want[0] << 1 != 1u << 24) /* tiny before rounding: as above */
                assert_int_equal(e.fpsr, flags[0]);
            e.fpsr = 0;
            assert_int_equal(fp_round_int(FMT_D, a, fp_rounding(&e), true, &e), want[4]);
            assert_int_equal(e.fpsr, flags[1]);
            if (fits) {
                e.fpsr = 0;
                assert_int_equal(fp_to_fixed(FMT_D, a, 0, false, fp_rounding(&e), 64, &e), want[5]);
                assert_int_equal(e.fpsr, flags[1]);
                if ((int64_t)want[5] == (int32_t)want[5]) {
                    e.fpsr = 0;
                    assert_int_equal(fp_to_fixed(FMT_D, a, 0, false, fp_rounding(&e), 32, &e),
                                     (uint32_t)want[5]);
                    assert_int_equal(e.fpsr, flags[1]);
                }
            }
        }
        if (!is_nan(FMT_S, s))
            assert_int_equal(fp_convert(FMT_S, FMT_D, s, ROUND_TIEEVEN, &e), want[1]);
        assert_int_equal(fp_from_fixed(FMT_S, n, 0, true, &e), want[2]);
        assert_int_equal(fp_from_fixed(FMT_D, n, 0, false, &e), want[3]);
    }
}

/* With fraction bits: the same as scaling a double by a power of two, which is exact here. */
static void fixed_point(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CASES; i++) {
        const double d = ldexp((double)(int64_t)rnd(), -(int)(rnd() % 80));
        const unsigned fbits = rnd() % 65, len = 16u << rnd() % 3;
        const enum fp_rounding r = (enum fp_rounding)(rnd() % 5);
        const bool is_unsigned = rnd() & 1;
        struct fp_env e = {0}, e2 = {0};

        assert_int_equal(fp_to_fixed(FMT_D, of_double(d), fbits, is_unsigned, r, len, &e),
                         fp_to_fixed(FMT_D, of_double(ldexp(d, (int)fbits)), 0, is_unsigned, r, len, &e2));
        assert_int_equal(e.fpsr, e2.fpsr);

        const uint64_t n = rnd() >> rnd() % 64;
        assert_int_equal(fp_from_fixed(FMT_D, n, fbits, false, &e),
                         of_double(ldexp((double)(int64_t)n, -(int)fbits)));
    }
}

/* --- Half precision ------------------------------------------------------------------------------------------------------ */

static double half_value(uint32_t h)
{
    const int exp = h >> 10 & 31, frac = h & 0x3ff;
    const double mag = exp ? ldexp(1024 + frac, exp - 25) : ldexp(frac, -24);

    return h & 0x8000 ? -mag : mag;
}

static void half_to_others(void **state)
{
    struct fp_env e = {0};

    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        if ((h & 0x7c00) == 0x7c00)
            continue;
        assert_int_equal(fp_convert(FMT_H, FMT_D, h, ROUND_TIEEVEN, &e), of_double(half_value(h)));
        assert_int_equal(fp_convert(FMT_H, FMT_S, h, ROUND_TIEEVEN, &e), of_float((float)half_value(h)));
        assert_int_equal(fp_round_int(FMT_H, h, ROUND_TIEEVEN, false, &e),
                         fp_convert(FMT_D, FMT_H, of_double(rint(half_value(h))), ROUND_TIEEVEN, &e));
    }
    assert_int_equal(e.fpsr, 0);
}

/* The half that a rounding mode chooses for a number, by its definition: between the largest magnitude not above it, and the next. */
static uint32_t nearest_half(double x, enum fp_rounding r, uint32_t *flags)
{
    const double mag = fabs(x);
    const bool sign = signbit(x);
    uint32_t low = 0, high = 0x7c00; /* half_value(0x7c00) is what comes after the largest */

    while (high - low > 1) {
        const uint32_t mid = (low + high) / 2;
        if (half_value(mid) <= mag)
            low = mid;
        else
            high = mid;
    }
    const double below = mag - half_value(low), above = half_value(low + 1) - mag;
    bool up = false;

    *flags = 0;
    if (below != 0) {
        *flags = FPSR_IXC | (mag < 0x1p-14 ? FPSR_UFC : 0);
        switch (r) {
        case ROUND_TIEEVEN: up = below > above || (below == above && low & 1); break;
        case ROUND_POSINF: up = !sign; break;
        case ROUND_NEGINF: up = sign; break;
        case ROUND_ODD: up = !(low & 1); break;
        default: break;
        }
    }
    low += up;
    if (mag >= 65536 || low == 0x7c00) {
        const bool infinite = r == ROUND_TIEEVEN || r == (sign ? ROUND_NEGINF : ROUND_POSINF);
        *flags = FPSR_OFC | FPSR_IXC;
        low = infinite ? 0x7c00 : 0x7bff;
    }
    return low | (uint32_t)sign << 15;
}

static void others_to_half(void **state)
{
    static const enum fp_rounding modes[] = {ROUND_TIEEVEN, ROUND_POSINF, ROUND_NEGINF, ROUND_ZERO,
                                             ROUND_ODD};

    (void)state;
    for (unsigned i = 0; i < 4 * CASES; i++) {
        double x = half_value(rnd() & 0x7fff) *
                   (rnd() & 1 ? 1 : -1); /* above 65504, too: what would follow the largest */
        const enum fp_rounding r = modes[rnd() % ARRAY_LEN(modes)];
        struct fp_env e = {0};
        uint32_t flags;

        switch (rnd() % 4) {
        case 0: x = as_double(random_number(FMT_D)); break;
        case 1: x += ldexp(x, -12 + (int)(rnd() % 3)); break;
        case 2: x *= 1 + (double)(rnd() % 4096) / 0x1p20; break;
        default: x += ldexp((double)(rnd() % 64), -28); break;
        }
        if (isnan(x) || isinf(x))
            continue;
        const uint32_t want = nearest_half(x, r, &flags);
        const uint64_t got = fp_convert(FMT_D, FMT_H, of_double(x), r, &e);
        if (got != want || (x != 0 && e.fpsr != flags))
            fail_msg("%a, mode %u: %04x flags %x, not %04x %x", x, r, (unsigned)got, e.fpsr, want, flags);
    }
}

/* Sums and products of halves fit into a double, quotients and roots are never so near to a tie that rounding twice shows. */
static void half_arithmetic(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4 * CASES; i++) {
        const uint64_t v[3] = {random_number(FMT_H), random_number(FMT_H), 0};
        const enum op op = (enum op)(rnd() % (SQRT + 1));
        const double a = half_value((uint32_t)v[0]), b = half_value((uint32_t)v[1]);
        struct fp_env e = {.fpcr = (i & 3) << FPCR_RMode_LO}, e2 = e;
        double z;

        if ((v[0] & 0x7c00) == 0x7c00 || (v[1] & 0x7c00) == 0x7c00)
            continue;
        switch (op) {
        case ADD: z = a + b; break;
        case SUB: z = a - b; break;
        case MUL: z = a * b; break;
        case DIV: z = a / b; break;
        default: z = sqrt(a); break;
        }
        const uint64_t got = our_op(FMT_H, op, v, &e);
        if (isnan(z) || isinf(z) || z == 0)
            continue;
        const uint64_t want = fp_convert(FMT_D, FMT_H, of_double(z), fp_rounding(&e2), &e2);
        if (got != want || e.fpsr != e2.fpsr)
            fail_msg("%s of halves %04x %04x: %04x flags %x, not %04x %x", op_name[op],
                     (unsigned)v[0], (unsigned)v[1], (unsigned)got, e.fpsr, (unsigned)want, e2.fpsr);
    }
}

/* A product of halves is a single, so the sum of it and a single is a fused one. */
static void half_factors(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CASES; i++) {
        const uint64_t c = random_number(FMT_S), a = random_number(FMT_H), b = random_number(FMT_H);
        struct fp_env e = {.fpcr = (i & 3) << FPCR_RMode_LO}, e2 = e;

        if (is_nan(FMT_S, c) || is_nan(FMT_H, a) || is_nan(FMT_H, b))
            continue;
        const uint64_t got = fp_muladd_half(c, a, b, &e);
        const uint64_t want = fp_muladd(FMT_S, c, fp_convert(FMT_H, FMT_S, a, ROUND_TIEEVEN, &e2),
                                        fp_convert(FMT_H, FMT_S, b, ROUND_TIEEVEN, &e2), &e2);
        assert_int_equal(got, want);
        assert_int_equal(e.fpsr, e2.fpsr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),     cmocka_unit_test(conversions),
        cmocka_unit_test(fixed_point),    cmocka_unit_test(half_to_others),
        cmocka_unit_test(others_to_half), cmocka_unit_test(half_arithmetic),
        cmocka_unit_test(half_factors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
