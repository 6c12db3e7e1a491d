/* Floating-point instructions, one at a time, against answers worked out by hand from the Arm ARM: what becomes of the rest of a
 * register, registers that are source and destination, flags, and what the other implementation of tests/isa gets wrong. The arithmetic
 * itself is the business of test_fp.c. */
#include "ops_machine.h"

#include "gen/a64_rows.h"
#include "gen/sysreg_fields.h"

static int setup_fp(void **state)
{
    if (setup(state))
        return -1;
    SYS(&c->st, CPACR_EL1) = UINT64_C(3) << CPACR_EL1_FPEN_LO;
    cpu_state_changed(c);
    return 0;
}

enum { IOC = 1, OFC = 4, UFC = 8, IXC = 16, IDC = 128 };
enum { N = 8, Z = 4, C = 2, V = 1 };

/* V0 to V2 and FPCR before, V0 and FPSR after; of a register, the lower half comes first. X1 is X1_BEFORE. */
struct fp_case {
    uint32_t word, fpcr;
    uint64_t v0[2], v1[2], v2[2], result[2];
    uint32_t fpsr;
};
#define X1_BEFORE UINT64_C(0x8000000080000001)

static void prepare(uint32_t fpcr, const uint64_t v0[2], const uint64_t v1[2], const uint64_t v2[2])
{
    memcpy(c->st.v[0].d, v0, 16);
    memcpy(c->st.v[1].d, v1, 16);
    memcpy(c->st.v[2].d, v2, 16);
    c->st.fpcr = fpcr;
    c->st.fpsr = 0;
    X(0) = DIRTY;
    X(1) = X1_BEFORE;
}

static void run_fp(const struct fp_case *t, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        prepare(t[i].fpcr, t[i].v0, t[i].v1, t[i].v2);
        run(t[i].word);
        if (memcmp(c->st.v[0].d, t[i].result, 16) || c->st.fpsr != t[i].fpsr)
            fail_msg("case %u, %08x: v0 %016llx_%016llx fpsr %x", i, t[i].word,
                     (unsigned long long)c->st.v[0].d[1], (unsigned long long)c->st.v[0].d[0],
                     c->st.fpsr);
    }
}

#define D2                                                                                         \
    {                                                                                              \
        DIRTY, DIRTY                                                                               \
    }
#define ONE4                                                                                       \
    {                                                                                              \
        0x3f8000003f800000, 0x3f8000003f800000                                                     \
    }
#define ONE8                                                                                       \
    {                                                                                              \
        0x3c003c003c003c00, 0x3c003c003c003c00                                                     \
    }
#define COUNT4                                                                                     \
    {                                                                                              \
        0x400000003f800000, 0x4080000040400000                                                     \
    } /* 1, 2, 3, 4 */

/* A case is a line. */
/* clang-format off */
static void the_rest_of_a_register(void **state)
{
    static const struct fp_case t[] = {
        {0x1e222820, 0, D2, {0xffffffff3f800000, ONES}, {0xffffffff40000000, ONES}, {0x40400000, 0}, 0}, /* fadd s0, s1, s2 */
        {0x1ee22820, 0, D2, {0xffffffffffff3c00, ONES}, {0xffffffffffff4000, ONES}, {0x4200, 0}, 0}, /* fadd h0, h1, h2 */
        {0x0e22d420, 0, D2, ONE4, ONE4, {0x4000000040000000, 0}, 0}, /* fadd v0.2s, v1.2s, v2.2s */
        {0x0e421420, 0, D2, ONE8, ONE8, {0x4000400040004000, 0}, 0}, /* fadd v0.4h, v1.4h, v2.4h */
        {0x1e7f1000, 0, D2, D2, D2, {0xbff8000000000000, 0}, 0}, /* fmov d0, #-1.5 */
        {0x1e27f000, 0, D2, D2, D2, {0x41f80000, 0}, 0}, /* fmov s0, #31.0 */
        {0x1ee81000, 0, D2, D2, D2, {0x3000, 0}, 0}, /* fmov h0, #0.125 */
        {0x9eaf0020, 0, D2, D2, D2, {DIRTY, X1_BEFORE}, 0}, /* fmov v0.d[1], x1 */
        {0x1e270020, 0, D2, D2, D2, {0x80000001, 0}, 0}, /* fmov s0, w1 */
        {0x1ee70020, 0, D2, D2, D2, {0x0001, 0}, 0}, /* fmov h0, w1 */
        {0x1e438020, 0, D2, D2, D2, {0x3fe0000000200000, 0}, 0}, /* ucvtf d0, w1, #32 */
        {0x0f10e420, 0, D2, {0x7fff000180004000, ONES}, D2, {0x38000100b8003400, 0}, IXC}, /* scvtf v0.4h, v1.4h, #16 */
        {0x7e616820, 0, D2, {0x3ff0000000000001, ONES}, D2, {0x3f800001, 0}, IXC}, /* fcvtxn s0, d1 */
        {0x6e30c820, 0, D2, {0x7fc000003f800000, 0xff800000c0000000}, D2, {0x3f800000, 0}, 0}, /* fmaxnmv s0, v1.4s */
        {0x7e70d820, 0, D2, {0x3ff0000000000000, 0x4000000000000000}, D2, {0x4008000000000000, 0}, 0}, /* faddp d0, v1.2d */
    };
    (void)state;
    run_fp(t, ARRAY_LEN(t));
}

static void source_is_destination(void **state)
{
    static const struct fp_case t[] = {
        {0x0e616800, 0, {0x3ff0000000000000, 0x4000000000000000}, D2, D2, {0x400000003f800000, 0}, 0}, /* fcvtn v0.2s, v0.2d */
        {0x4e616800, 0, {0x3ff0000000000000, 0x4000000000000000}, D2, D2, {0x3ff0000000000000, 0x400000003f800000}, 0}, /* fcvtn2 v0.4s, v0.2d */
        {0x4ea16800, 0, COUNT4, D2, D2, {0x400000003f800000, 0x4080404040003f80}, 0}, /* bfcvtn2 v0.8h, v0.4s */
        {0x6e20d400, 0, COUNT4, D2, D2, {0x40e0000040400000, 0x40e0000040400000}, 0}, /* faddp v0.4s, v0.4s, v0.4s */
        {0x4f809000, 0, {0x3f80000040000000, 0x4080000040400000}, D2, D2, {0x4000000040800000, 0x4100000040c00000}, 0}, /* fmul v0.4s, v0.4s, v0.s[0] */
        {0x4fa01820, 0, COUNT4, ONE4, D2, {0x40c0000040a00000, 0x4100000040e00000}, 0}, /* fmla v0.4s, v1.4s, v0.s[3] */
    };
    (void)state;
    run_fp(t, ARRAY_LEN(t));
}

/* Which NaN comes out of a reduction shows the order: neighbours first, and the first operand before the second. */
static void order(void **state)
{
    static const struct fp_case t[] = {
        {0x4e30f820, 0, D2, {0x3c003c003c003c00, 0x3c007e027c033c00}, D2, {0x7e03, 0}, IOC}, /* fmaxv h0, v1.8h: quiet 3 before quiet 2 */
        {0x4e30f820, 0, D2, {0x7e053c007e043c00, 0x3c003c003c003c00}, D2, {0x7e04, 0}, 0}, /* fmaxv h0, v1.8h */
        {0x6e30f820, 0, D2, {0x7fc0000500000000, 0x7fc000067f800007}, D2, {0x7fc00005, 0}, IOC}, /* fmaxv s0, v1.4s: made quiet before it meets 5 */
    };
    (void)state;
    run_fp(t, ARRAY_LEN(t));
}

/* The result has the width of the scalar: qemu 7.2 extends the sign to 32 bits. */
static void to_fixed_point_of_half_width(void **state)
{
    static const struct fp_case t[] = {
        {0x5f10fc20, 0, D2, {0xb800, 0}, D2, {0x8000, 0}, 0}, /* fcvtzs h0, h1, #16: -0.5 */
        {0x5f10fc20, 0, D2, {0x8400, 0}, D2, {0xfffc, 0}, 0}, /* -2^-14 */
        {0x5f10fc20, 0, D2, {0x3800, 0}, D2, {0x7fff, 0}, IOC},
    };
    (void)state;
    run_fp(t, ARRAY_LEN(t));
}

static void complex_and_long(void **state)
{
    static const struct fp_case t[] = {
        /* fcmla v0.4s, v1.4s, v0.s[1], #270, of 1 + 2i ..., with 3 + 4i: d += (im * 4, im * -3) */
        {0x6f807820, 0, COUNT4, COUNT4, D2, {0xc080000041100000, 0xc100000041980000}, 0},
        /* fmls h0, h1, v2.h[7] */
        {0x5f325820, 0, {DIRTY & ~UINT64_C(0xffff), DIRTY}, {0xffffffffffff4000, ONES}, {0, 0x4200000000000000}, {0xc600, 0}, 0},
        /* fnmsub d0, d1, d2, d3: d3 is 0 */
        {0x1f628c20, 0, D2, {0x4000000000000000, 0}, {0x4008000000000000, 0}, {0x4018000000000000, 0}, 0},
        /* bfmmla v0.4s, v1.8h, v2.8h: rows (1 1 1 1) and (2 2 2 2), columns (1 0 0 0) and (0 0 1 1) */
        {0x6e42ec20, 0, ONE4, {0x3f803f803f803f80, 0x4000400040004000}, {0x0000000000003f80, 0x3f803f8000000000},
         {0x4040000040000000, 0x40a0000040400000}, 0},
    };
    (void)state;
    c->st.v[3] = (union vreg){.d = {0, 0}};
    run_fp(t, ARRAY_LEN(t));
}
/* clang-format on */

/* Vectors that the host multiplies as a whole, but that one lane is the smallest normal number: it was tiny before it was rounded, if it was
 * rounded. fmul v0.4s, v1.4s, v2.4s and fmul v0.2d, v1.2d, v2.2d, FPSR.IXC set. */
static void tiny_lanes(void **state)
{
    static const struct {
        uint32_t word;
        uint64_t v1[2], v2[2], result[2];
        uint32_t fpsr;
    } t[] = {
        {0x6e22dc20, ONE4, ONE4, ONE4, IXC},
        {0x6e22dc20,
         {0x3f8000003f800000, 0x00ffffff3f800000},
         {0x3f8000003f800000, 0x3f0000003f800000},
         {0x3f8000003f800000, 0x008000003f800000},
         UFC | IXC},
        {0x6e22dc20,
         {0x3f8000003f800000, 0x010000003f800000},
         {0x3f8000003f800000, 0x3f0000003f800000},
         {0x3f8000003f800000, 0x008000003f800000},
         IXC},
        {0x6e62dc20,
         {0x001fffffffffffff, 0x3ff0000000000000},
         {0x3fe0000000000000, 0x3ff0000000000000},
         {0x0010000000000000, 0x3ff0000000000000},
         UFC | IXC},
        {0x6e62dc20,
         {0x7fe0000000000000, 0x3ff0000000000000},
         {0x4000000000000000, 0x3ff0000000000000},
         {0x7ff0000000000000, 0x3ff0000000000000},
         OFC | IXC},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        prepare(0, t[i].v1, t[i].v1, t[i].v2);
        c->st.fpsr = IXC;
        run(t[i].word);
        if (memcmp(c->st.v[0].d, t[i].result, 16) || c->st.fpsr != t[i].fpsr)
            fail_msg("case %u: v0 %016llx_%016llx fpsr %x", i, (unsigned long long)c->st.v[0].d[1],
                     (unsigned long long)c->st.v[0].d[0], c->st.fpsr);
    }
}

/* fmlal2 v0.2s, v1.2h, v0.h[7]: lanes 2 and 3 of V1, and an element of what is also the sum. */
static void long_by_element(void **state)
{
    static const uint64_t v0[2] = {0x400000003f800000, 0x4000000000000000},
                          v1[2] = {0x42003c0000000000, ONES};

    (void)state;
    prepare(0, v0, v1, v1);
    run(0x2fb08820);
    assert_int_equal(c->st.v[0].d[0], 0x4100000040400000); /* 1 + 2 * 1, 2 + 2 * 3 */
    assert_int_equal(c->st.v[0].d[1], 0);
}

static void comparisons(void **state)
{
    static const uint64_t one[2] = {0x3ff0000000000000, ONES}, two[2] = {0x4000000000000000, ONES},
                          nan[2] = {0x7ff8000000000000, ONES}, dirty[2] = D2;
    static const struct {
        uint32_t word;
        const uint64_t *a, *b;
        unsigned before, after;
        uint32_t fpsr;
    } t[] = {
        {0x1e622020, one, two, 0, N, 0},         /* fcmp d1, d2 */
        {0x1e622020, two, one, 0, C, 0},         /* fcmp d1, d2 */
        {0x1e622020, two, two, N | V, Z | C, 0}, /* fcmp d1, d2 */
        {0x1e622020, two, nan, 0, C | V, 0},     /* fcmp d1, d2 */
        {0x1e602038, one, nan, 0, C, 0},         /* fcmpe d1, #0.0 */
        {0x1e602038, nan, one, 0, C | V, IOC},   /* fcmpe d1, #0.0 */
        {0x1e62043d, nan, one, Z, C | V, IOC},   /* fccmpe d1, d2, #13, eq */
        {0x1e62043d, nan, one, 0, N | Z | V, 0}, /* fccmpe d1, d2, #13, eq: not compared, and nothing raised */
        {0x1e62042d, nan, one, Z, C | V, 0}, /* fccmp d1, d2, #13, eq */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        prepare(0, dirty, t[i].a, t[i].b);
        c->st.nzcv = t[i].before << 28;
        run(t[i].word);
        if (c->st.nzcv != t[i].after << 28 || c->st.fpsr != t[i].fpsr || c->st.v[0].d[0] != DIRTY)
            fail_msg("case %u: nzcv %x fpsr %x", i, c->st.nzcv >> 28, c->st.fpsr);
    }
    for (unsigned z = 0; z < 2; z++) {
        prepare(0, dirty, one, two);
        c->st.nzcv = z ? PSR_Z : 0;
        run(0x1e620c20); /* fcsel d0, d1, d2, eq */
        assert_int_equal(c->st.v[0].d[0], z ? one[0] : two[0]);
        assert_int_equal(c->st.v[0].d[1], 0);
    }
}

static void to_general_registers(void **state)
{
    static const uint64_t dirty[2] = D2;
    static const struct {
        uint32_t word, fpcr;
        uint64_t v1[2], x0;
        unsigned nzcv; /* N before */
        uint32_t fpsr;
    } t[] = {
        {0x9eae0020, 0, {1, 0x8123456789abcdef}, 0x8123456789abcdef, N, 0}, /* fmov x0, v1.d[1] */
        {0x1ee60020, 0, {ONES - 1, ONES}, 0xfffe, N, 0},                    /* fmov w0, h1 */
        {0x1e19f020, 0, {0xffffffff3fc00000, ONES}, 24, N, 0},        /* fcvtzu w0, s1, #4: 1.5 */
        {0x1e19f020, 0, {0xbfc00000, 0}, 0, N, IOC},                  /* fcvtzu w0, s1, #4: -1.5 */
        {0x1e7e0020, 0, {0xc1f0000000180000, 0}, 0xffffffff, 0, IOC}, /* fjcvtzs w0, d1: -2^32 - 1.5 */
        {0x1e7e0020, 0, {0xc008000000000000, 0}, 0xfffffffd, Z, 0}, /* fjcvtzs w0, d1: -3 */
        {0x1e7e0020, 0, {0x8000000000000000, 0}, 0, 0, 0}, /* fjcvtzs w0, d1: -0 is not exact */
        {0x1e7e0020, 0, {1, 0}, 0, 0, IXC},                /* fjcvtzs w0, d1 */
        {0x1e7e0020, FPCR_FZ, {1, 0}, 0, 0, IDC}, /* flushed, and not exact either: qemu 7.2 says Z */
        {0x1e7e0020, FPCR_FZ, {0x800fffffffffffff, 0}, 0, 0, IDC},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        prepare(t[i].fpcr, dirty, t[i].v1, dirty);
        c->st.nzcv = PSR_N;
        run(t[i].word);
        if (X(0) != t[i].x0 || c->st.nzcv != t[i].nzcv << 28 || c->st.fpsr != t[i].fpsr)
            fail_msg("case %u: x0 %llx nzcv %x fpsr %x", i, (unsigned long long)X(0),
                     c->st.nzcv >> 28, c->st.fpsr);
    }
}

/* Half precision, one register: which of the 32 opcodes are allocated for scalar, U and a, where the other implementation aborts; and what
 * else it allocates, though the Arm ARM does not. */
static void unallocated(void **state)
{
    static const uint32_t opcodes[2][2][2] = {
        /* a 0: FRINTN, M, A, X; FCVTNS, MS, AS; SCVTF ...; 1: FCMxx, FABS, FNEG, FRINTP, Z, I, FCVTPS, ZS, FRECPE, FRSQRTE, FSQRT, FRECPX */
        {{0x3f000000, 0x2f00f000}, {0x3f000000, 0xae00b000}},
        {{0x3c000000, 0xac007000}, {0x3c000000, 0x2c003000}},
    };
    static const uint32_t others[] = {
        0x2f03fc20,                                     /* fmov v0.4h, #0.75 with op set */
        0x0e70c820, 0x0ef0c820, 0x0e70f820, 0x4ef0f820, /* fmaxnmv h0, v1.4h ... with bit 22 set */
        0x5e70c820, 0x5ef0c820, 0x5e70d820, 0x5ef0f820, /* fmaxnmp h0, v1.2h ... */
        0x0ee1d820,                                     /* frecpe v0.1d, v1.1d */
    };

    (void)state;
    for (unsigned scalar = 0; scalar < 2; scalar++)
        for (unsigned u = 0; u < 2; u++)
            for (unsigned bit23 = 0; bit23 < 2; bit23++)
                for (uint32_t opcode = 0; opcode < 32; opcode++) {
                    const uint32_t word = 0x0e780820 | scalar << 30 | scalar << 28 | u << 29 |
                                          bit23 << 23 | opcode << 12;
                    const bool allocated = opcodes[scalar][u][bit23] >> opcode & 1;
                    if ((a64_find_row(word) != A64_ROW_NONE) != allocated)
                        fail_msg("%08x should be %sallocated", word, allocated ? "" : "un");
                }
    for (unsigned i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(a64_find_row(others[i]), A64_ROW_NONE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_fp, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_rest_of_a_register),
        TEST(source_is_destination),
        TEST(order),
        TEST(to_fixed_point_of_half_width),
        TEST(complex_and_long),
        TEST(tiny_lanes),
        TEST(long_by_element),
        TEST(comparisons),
        TEST(to_general_registers),
        TEST(unallocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
