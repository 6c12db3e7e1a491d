/* Data processing, one instruction at a time, against answers worked out by hand from the Arm ARM: the edges of each family.
 * Breadth is the business of tests/isa. */
#include "ops_machine.h"

/* --- Data processing: tables ------------------------------------------------------------------------------------------ */

/* X1, X2, X3 and NZCV before; X0 and NZCV after. X0 is x0 before. */
struct dp_case {
    uint32_t word;
    uint64_t x0, x1, x2, x3;
    unsigned nzcv;
    uint64_t result;
    unsigned flags;
};

static void run_dp(const struct dp_case *t, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        c->st.x[0] = t[i].x0;
        c->st.x[1] = t[i].x1;
        c->st.x[2] = t[i].x2;
        c->st.x[3] = t[i].x3;
        c->st.nzcv = t[i].nzcv << 28;
        if (!step(t[i].word) || c->st.x[0] != t[i].result || c->st.nzcv != t[i].flags << 28 ||
            (t[i].x0 != t[i].x1 && c->st.x[1] != t[i].x1) || c->st.x[2] != t[i].x2)
            fail_msg("case %u, %08x: x0 %016llx nzcv %x, expected %016llx %x", i, t[i].word,
                     (unsigned long long)c->st.x[0], c->st.nzcv >> 28,
                     (unsigned long long)t[i].result, t[i].flags);
    }
}

enum { N = 8, Z = 4, C = 2, V = 1 };

/* A case is a line. */
/* clang-format off */
static void add_subtract(void **state)
{
    static const struct dp_case t[] = {
        {0x917ffc20, DIRTY, 0x1000000000, 0, 0, 0, 0x1000fff000, 0}, /* add x0, x1, #0xfff, lsl #12 */
        {0x11000420, DIRTY, 0xffffffffffffffff, 0, 0, 0, 0, 0}, /* add w0, w1, #1 */
        {0x51000420, DIRTY, 0xff00000000, 0, 0, 0, 0xffffffff, 0}, /* sub w0, w1, #1 */
        {0xb1000420, DIRTY, ONES, 0, 0, 0, 0, Z | C}, /* adds x0, x1, #1 */
        {0xb1000420, DIRTY, MAX64, 0, 0, 0, MIN64, N | V}, /* adds x0, x1, #1 */
        {0x31000420, DIRTY, 0xffffffff7fffffff, 0, 0, 0, 0x80000000, N | V}, /* adds w0, w1, #1 */
        {0x31000420, DIRTY, 0xffffffff, 0, 0, 0, 0, Z | C}, /* adds w0, w1, #1 */
        {0xf1000020, DIRTY, 0, 0, 0, 0, 0, Z | C}, /* subs x0, x1, #0 */
        {0xf1000420, DIRTY, 0, 0, 0, 0, ONES, N}, /* subs x0, x1, #1 */
        {0xf1000420, DIRTY, MIN64, 0, 0, 0, MAX64, C | V}, /* subs x0, x1, #1 */
        {0x71000420, DIRTY, 0x80000000, 0, 0, 0, 0x7fffffff, C | V}, /* subs w0, w1, #1 */
        {0x71000820, DIRTY, 0xffffffff00000001, 0, 0, 0, 0xffffffff, N}, /* subs w0, w1, #2 */
        {0xab020020, DIRTY, MIN64, MIN64, 0, 0, 0, Z | C | V}, /* adds x0, x1, x2 */
        {0x2b020020, DIRTY, 0x80000000, 0x80000000, 0, 0, 0, Z | C | V}, /* adds w0, w1, w2 */
        {0xeb020020, DIRTY, 0, MIN64, 0, 0, MIN64, N | V}, /* subs x0, x1, x2 */
        {0x6b020020, DIRTY, 0x80000001, 0x80000000, 0, 0, 1, C}, /* subs w0, w1, w2 */
        {0x8b02fc20, DIRTY, 0, 3, 0, 0, MIN64, 0}, /* add x0, x1, x2, lsl #63 */
        {0x0b827c20, DIRTY, 0, 0x80000000, 0, 0, 0xffffffff, 0}, /* add w0, w1, w2, asr #31 */
        {0xcb42fc20, DIRTY, 5, MIN64, 0, 0, 4, 0}, /* sub x0, x1, x2, lsr #63 */
        {0x4b421020, DIRTY, 0, 0xfffffffff0000000, 0, 0, 0xf1000000, 0}, /* sub w0, w1, w2, lsr #4 */
        {0xeb82fc20, DIRTY, 0, MIN64, 0, 0, 1, 0}, /* subs x0, x1, x2, asr #63 */
        {0x2b027c20, DIRTY, 0, 1, 0, 0, 0x80000000, N}, /* adds w0, w1, w2, lsl #31 */
        {0x8b220020, DIRTY, 0, ONES, 0, 0, 0xff, 0}, /* add x0, x1, w2, uxtb */
        {0x8b223020, DIRTY, 0, ONES, 0, 0, 0xffff0, 0}, /* add x0, x1, w2, uxth #4 */
        {0x8b224820, DIRTY, 0, ONES, 0, 0, 0x3fffffffc, 0}, /* add x0, x1, w2, uxtw #2 */
        {0x8b226420, DIRTY, 0, ONES, 0, 0, 0xfffffffffffffffe, 0}, /* add x0, x1, x2, uxtx #1 */
        {0x8b228c20, DIRTY, 0, 0x80, 0, 0, 0xfffffffffffffc00, 0}, /* add x0, x1, w2, sxtb #3 */
        {0xcb22a020, DIRTY, 0, 0x8000, 0, 0, 0x8000, 0}, /* sub x0, x1, w2, sxth */
        {0x8b22d020, DIRTY, 0, 0x80000000, 0, 0, 0xfffffff800000000, 0}, /* add x0, x1, w2, sxtw #4 */
        {0x0b229020, DIRTY, 0, 0x80, 0, 0, 0xfffff800, 0}, /* add w0, w1, w2, sxtb #4 */
        {0xeb22f020, DIRTY, 0, ONES, 0, 0, 0x10, 0}, /* subs x0, x1, x2, sxtx #4 */
        {0x2b223020, DIRTY, 0, ONES, 0, 0, 0xffff0, 0}, /* adds w0, w1, w2, uxth #4 */
        {0x9a020020, DIRTY, ONES, 0, 0, C, 0, C}, /* adc x0, x1, x2 */
        {0x1a020020, DIRTY, 0xffffffff, 0, 0, 0, 0xffffffff, 0}, /* adc w0, w1, w2 */
        {0xda020020, DIRTY, 3, 3, 0, 0, 0xffffffffffffffff, 0}, /* sbc x0, x1, x2 */
        {0x5a020020, DIRTY, 3, 3, 0, C, 0, C}, /* sbc w0, w1, w2 */
        {0xba020020, DIRTY, ONES, 0, 0, C, 0, Z | C}, /* adcs x0, x1, x2 */
        {0xba020020, DIRTY, ONES, ONES, 0, C, ONES, N | C}, /* adcs x0, x1, x2 */
        {0xba020020, DIRTY, MAX64, 0, 0, C, MIN64, N | V}, /* adcs x0, x1, x2 */
        {0x3a020020, DIRTY, 0x7fffffff, 0, 0, C, 0x80000000, N | V}, /* adcs w0, w1, w2 */
        {0x3a020020, DIRTY, 0xffffffff, 0xffffffff, 0, C, 0xffffffff, N | C}, /* adcs w0, w1, w2 */
        {0x3a020020, DIRTY, 0x80000000, 0x80000000, 0, 0, 0, Z | C | V}, /* adcs w0, w1, w2 */
        {0xfa020020, DIRTY, 3, 3, 0, 0, ONES, N}, /* sbcs x0, x1, x2 */
        {0xfa020020, DIRTY, 3, 3, 0, C, 0, Z | C}, /* sbcs x0, x1, x2 */
        {0xfa020020, DIRTY, MIN64, 0, 0, 0, MAX64, C | V}, /* sbcs x0, x1, x2 */
        {0xfa020020, DIRTY, 0, ONES, 0, 0, 0, Z}, /* sbcs x0, x1, x2 */
        {0x7a020020, DIRTY, 0, 0xffffffff, 0, 0, 0, Z}, /* sbcs w0, w1, w2 */
        {0x7a020020, DIRTY, 0, 0x80000000, 0, C, 0x80000000, N | V}, /* sbcs w0, w1, w2 */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}

static void logical(void **state)
{
    static const struct dp_case t[] = {
        {0x9200f020, DIRTY, ONES, 0, 0, 0, 0x5555555555555555, 0}, /* and x0, x1, #0x5555555555555555 */
        {0x12010420, DIRTY, ONES, 0, 0, 0, 0x80000001, 0}, /* and w0, w1, #0x80000001 */
        {0xb27ff820, DIRTY, 0, 0, 0, 0, 0xfffffffffffffffe, 0}, /* orr x0, x1, #0xfffffffffffffffe */
        {0x321f1c20, DIRTY, 0xff00000000, 0, 0, 0, 0x1fe, 0}, /* orr w0, w1, #0x1fe */
        {0xd2410420, DIRTY, ONES, 0, 0, 0, 0x7ffffffffffffffe, 0}, /* eor x0, x1, #0x8000000000000001 */
        {0xf2410020, DIRTY, ONES, 0, 0, C | V, MIN64, N}, /* ands x0, x1, #0x8000000000000000 */
        {0x72010020, DIRTY, ONES, 0, 0, 0, 0x80000000, N}, /* ands w0, w1, #0x80000000 */
        {0x72000020, DIRTY, 0xfffffffffffffffe, 0, 0, N | C | V, 0, Z}, /* ands w0, w1, #1 */
        {0x8ac21020, DIRTY, ONES, 0xf, 0, 0, 0xf000000000000000, 0}, /* and x0, x1, x2, ror #4 */
        {0x8a221020, DIRTY, ONES, ONES, 0, 0, 0xf, 0}, /* bic x0, x1, x2, lsl #4 */
        {0x2ac20420, DIRTY, 0, 0xffffffff00000001, 0, 0, 0x80000000, 0}, /* orr w0, w1, w2, ror #1 */
        {0x2a220020, DIRTY, 0, 0, 0, 0, 0xffffffff, 0}, /* orn w0, w1, w2 */
        {0xaa620420, DIRTY, 0, ONES, 0, 0, MIN64, 0}, /* orn x0, x1, x2, lsr #1 */
        {0xca82fc20, DIRTY, 0, MIN64, 0, 0, ONES, 0}, /* eor x0, x1, x2, asr #63 */
        {0x4a627c20, DIRTY, 0, 0x80000000, 0, 0, 0xfffffffe, 0}, /* eon w0, w1, w2, lsr #31 */
        {0xea820420, DIRTY, ONES, MIN64, 0, 0, 0xc000000000000000, N}, /* ands x0, x1, x2, asr #1 */
        {0x6a820420, DIRTY, ONES, 0x80000000, 0, 0, 0xc0000000, N}, /* ands w0, w1, w2, asr #1 */
        {0xea220020, DIRTY, ONES, ONES, 0, C | V, 0, Z}, /* bics x0, x1, x2 */
        {0x6a220020, DIRTY, ONES, 0xffffffff7fffffff, 0, 0, 0x80000000, N}, /* bics w0, w1, w2 */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}

static void moves(void **state)
{
    static const struct dp_case t[] = {
        {0xd2ffffe0, DIRTY, 0, 0, 0, 0, 0xffff000000000000, 0}, /* movz x0, #0xffff, lsl #48 */
        {0x52b00000, DIRTY, 0, 0, 0, 0, 0x80000000, 0}, /* movz w0, #0x8000, lsl #16 */
        {0x92800000, DIRTY, 0, 0, 0, 0, ONES, 0}, /* movn x0, #0 */
        {0x12800000, DIRTY, 0, 0, 0, 0, 0xffffffff, 0}, /* movn w0, #0 */
        {0x92ffffe0, DIRTY, 0, 0, 0, 0, 0x0000ffffffffffff, 0}, /* movn x0, #0xffff, lsl #48 */
        {0x12bfffe0, DIRTY, 0, 0, 0, 0, 0xffff, 0}, /* movn w0, #0xffff, lsl #16 */
        {0xf2e24680, DIRTY, 0, 0, 0, 0, 0x12345eed0badf00d, 0}, /* movk x0, #0x1234, lsl #48 */
        {0xf2824680, DIRTY, 0, 0, 0, 0, 0xdead5eed0bad1234, 0}, /* movk x0, #0x1234 */
        {0x72a24680, DIRTY, 0, 0, 0, 0, 0x1234f00d, 0}, /* movk w0, #0x1234, lsl #16 */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}

static void bitfields(void **state)
{
    static const struct dp_case t[] = {
        {0xd340fc20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x8182838485868788, 0}, /* ubfm x0, x1, #0, #63 */
        {0xd37ffc20, DIRTY, 0x8182838485868788, 0, 0, 0, 1, 0}, /* ubfm x0, x1, #63, #63 */
        {0xd37ff820, DIRTY, 0x8182838485868788, 0, 0, 0, 0x030507090b0d0f10, 0}, /* ubfm x0, x1, #63, #62 */
        {0xd3400020, DIRTY, 0x8182838485868788, 0, 0, 0, 0, 0}, /* ubfm x0, x1, #0, #0 */
        {0xd3410020, DIRTY, 0xffff000000000001, 0, 0, 0, MIN64, 0}, /* ubfm x0, x1, #1, #0 */
        {0xd3483c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x87, 0}, /* ubfm x0, x1, #8, #15 */
        {0x53007c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x85868788, 0}, /* ubfm w0, w1, #0, #31 */
        {0x531f7c20, DIRTY, 0x8182838485868788, 0, 0, 0, 1, 0}, /* ubfm w0, w1, #31, #31 */
        {0x531f7820, DIRTY, 0x8182838485868788, 0, 0, 0, 0x0b0d0f10, 0}, /* ubfm w0, w1, #31, #30 */
        {0x531c1c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x880, 0}, /* ubfm w0, w1, #28, #7 */
        {0x93401c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0xffffffffffffff88, 0}, /* sbfm x0, x1, #0, #7 */
        {0x937ffc20, DIRTY, 0x8182838485868788, 0, 0, 0, ONES, 0}, /* sbfm x0, x1, #63, #63 */
        {0x937c0c20, DIRTY, 0x8, 0, 0, 0, 0xffffffffffffff80, 0}, /* sbfm x0, x1, #60, #3 */
        {0x93410020, DIRTY, 1, 0, 0, 0, MIN64, 0}, /* sbfm x0, x1, #1, #0 */
        {0x13001c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0xffffff88, 0}, /* sbfm w0, w1, #0, #7 */
        {0x131f7c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0xffffffff, 0}, /* sbfm w0, w1, #31, #31 */
        {0x13181820, DIRTY, 0xf88, 0, 0, 0, 0x800, 0}, /* sbfm w0, w1, #24, #6 */
        {0x13181c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0xffff8800, 0}, /* sbfm w0, w1, #24, #7 */
        {0xb340fc20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x8182838485868788, 0}, /* bfm x0, x1, #0, #63 */
        {0xb3401c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0xdead5eed0badf088, 0}, /* bfm x0, x1, #0, #7 */
        {0xb378fc20, DIRTY, 0x8182838485868788, 0, 0, 0, 0xdead5eed0badf081, 0}, /* bfm x0, x1, #56, #63 */
        {0xb3481c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x88ad5eed0badf00d, 0}, /* bfm x0, x1, #8, #7 */
        {0xb37c0c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0xdead5eed0badf08d, 0}, /* bfm x0, x1, #60, #3 */
        {0x33001c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x0badf088, 0}, /* bfm w0, w1, #0, #7 */
        {0x33081c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x88adf00d, 0}, /* bfm w0, w1, #8, #7 */
        {0x33007c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x85868788, 0}, /* bfm w0, w1, #0, #31 */
        {0x93c20020, DIRTY, 1, 2, 0, 0, 2, 0}, /* extr x0, x1, x2, #0 */
        {0x93c2fc20, DIRTY, 1, 2, 0, 0, 2, 0}, /* extr x0, x1, x2, #63 */
        {0x93c21020, DIRTY, 1, 2, 0, 0, 0x1000000000000000, 0}, /* extr x0, x1, x2, #4 */
        {0x13820020, DIRTY, 1, 0xff00000002, 0, 0, 2, 0}, /* extr w0, w1, w2, #0 */
        {0x13827c20, DIRTY, 1, 0xffffffffffffffff, 0, 0, 3, 0}, /* extr w0, w1, w2, #31 */
        {0x13812020, DIRTY, 0x8182838485868788, 0, 0, 0, 0x88858687, 0}, /* extr w0, w1, w1, #8 */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}

static void divide(void **state)
{
    static const struct dp_case t[] = {
        {0x9ac20820, DIRTY, 5, 0, 0, 0, 0, 0}, /* udiv x0, x1, x2 */
        {0x9ac20c20, DIRTY, 5, 0, 0, 0, 0, 0}, /* sdiv x0, x1, x2 */
        {0x1ac20820, DIRTY, 5, 0xff00000000, 0, 0, 0, 0}, /* udiv w0, w1, w2 */
        {0x1ac20c20, DIRTY, MIN64, 0xff00000000, 0, 0, 0, 0}, /* sdiv w0, w1, w2 */
        {0x9ac20c20, DIRTY, MIN64, ONES, 0, 0, MIN64, 0}, /* sdiv x0, x1, x2 */
        {0x1ac20c20, DIRTY, 0x80000000, 0xffffffff, 0, 0, 0x80000000, 0}, /* sdiv w0, w1, w2 */
        {0x9ac20820, DIRTY, MIN64, ONES, 0, 0, 0, 0}, /* udiv x0, x1, x2 */
        {0x9ac20820, DIRTY, ONES, ONES, 0, 0, 1, 0}, /* udiv x0, x1, x2 */
        {0x9ac20c20, DIRTY, 7, 0xfffffffffffffffe, 0, 0, 0xfffffffffffffffd, 0}, /* sdiv x0, x1, x2 */
        {0x1ac20c20, DIRTY, 0xfffffff9, 2, 0, 0, 0xfffffffd, 0}, /* sdiv w0, w1, w2 */
        {0x9ac20c20, DIRTY, 0xfffffffffffffff9, ONES, 0, 0, 7, 0}, /* sdiv x0, x1, x2 */
        {0x1ac20c20, DIRTY, 5, 0xffffffff00000001, 0, 0, 5, 0}, /* sdiv w0, w1, w2 */
        {0x1ac20820, DIRTY, 0xffffffff, 2, 0, 0, 0x7fffffff, 0}, /* udiv w0, w1, w2 */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}

static void variable_shifts(void **state)
{
    static const struct dp_case t[] = {
        {0x9ac22020, DIRTY, 1, 64, 0, 0, 1, 0}, /* lsl x0, x1, x2 */
        {0x9ac22020, DIRTY, 1, 0xffffffffffffffff, 0, 0, MIN64, 0}, /* lsl x0, x1, x2 */
        {0x1ac22020, DIRTY, 0x100000001, 32, 0, 0, 1, 0}, /* lsl w0, w1, w2 */
        {0x1ac22020, DIRTY, 3, 63, 0, 0, 0x80000000, 0}, /* lsl w0, w1, w2 */
        {0x9ac22420, DIRTY, MIN64, 127, 0, 0, 1, 0}, /* lsr x0, x1, x2 */
        {0x1ac22420, DIRTY, 0xff80000000, 31, 0, 0, 1, 0}, /* lsr w0, w1, w2 */
        {0x9ac22820, DIRTY, MIN64, 63, 0, 0, ONES, 0}, /* asr x0, x1, x2 */
        {0x1ac22820, DIRTY, 0x80000000, 31, 0, 0, 0xffffffff, 0}, /* asr w0, w1, w2 */
        {0x1ac22820, DIRTY, 0x80000000, 32, 0, 0, 0x80000000, 0}, /* asr w0, w1, w2 */
        {0x9ac22c20, DIRTY, 1, 65, 0, 0, MIN64, 0}, /* ror x0, x1, x2 */
        {0x9ac22c20, DIRTY, 1, 0, 0, 0, 1, 0}, /* ror x0, x1, x2 */
        {0x1ac22c20, DIRTY, 0xff00000001, 33, 0, 0, 0x80000000, 0}, /* ror w0, w1, w2 */
        {0x1ac22c20, DIRTY, 1, 32, 0, 0, 1, 0}, /* ror w0, w1, w2 */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}

static void bits_and_bytes(void **state)
{
    static const struct dp_case t[] = {
        {0xdac00020, DIRTY, 0x8182838485868788, 0, 0, 0, 0x11e161a121c14181, 0}, /* rbit x0, x1 */
        {0x5ac00020, DIRTY, 0x8182838485868788, 0, 0, 0, 0x11e161a1, 0}, /* rbit w0, w1 */
        {0xdac00420, DIRTY, 0x8182838485868788, 0, 0, 0, 0x8281848386858887, 0}, /* rev16 x0, x1 */
        {0x5ac00420, DIRTY, 0x8182838485868788, 0, 0, 0, 0x86858887, 0}, /* rev16 w0, w1 */
        {0x5ac00820, DIRTY, 0x8182838485868788, 0, 0, 0, 0x88878685, 0}, /* rev w0, w1 */
        {0xdac00820, DIRTY, 0x8182838485868788, 0, 0, 0, 0x8483828188878685, 0}, /* rev32 x0, x1 */
        {0xdac00c20, DIRTY, 0x8182838485868788, 0, 0, 0, 0x8887868584838281, 0}, /* rev x0, x1 */
        {0xdac01020, DIRTY, 0, 0, 0, 0, 64, 0}, /* clz x0, x1 */
        {0x5ac01020, DIRTY, 0xff00000000, 0, 0, 0, 32, 0}, /* clz w0, w1 */
        {0xdac01020, DIRTY, 1, 0, 0, 0, 63, 0}, /* clz x0, x1 */
        {0xdac01020, DIRTY, ONES, 0, 0, 0, 0, 0}, /* clz x0, x1 */
        {0x5ac01020, DIRTY, 0x80000000, 0, 0, 0, 0, 0}, /* clz w0, w1 */
        {0xdac01420, DIRTY, 0, 0, 0, 0, 63, 0}, /* cls x0, x1 */
        {0xdac01420, DIRTY, ONES, 0, 0, 0, 63, 0}, /* cls x0, x1 */
        {0x5ac01420, DIRTY, 0xffffffff, 0, 0, 0, 31, 0}, /* cls w0, w1 */
        {0x5ac01420, DIRTY, 0xff00000000, 0, 0, 0, 31, 0}, /* cls w0, w1 */
        {0xdac01420, DIRTY, MIN64, 0, 0, 0, 0, 0}, /* cls x0, x1 */
        {0xdac01420, DIRTY, 0x4000000000000000, 0, 0, 0, 0, 0}, /* cls x0, x1 */
        {0x5ac01420, DIRTY, 0xc0000000, 0, 0, 0, 1, 0}, /* cls w0, w1 */
        {0xdac01420, DIRTY, 1, 0, 0, 0, 62, 0}, /* cls x0, x1 */
        {0x5ac01420, DIRTY, 0xfffffffe, 0, 0, 0, 30, 0}, /* cls w0, w1 */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}

static void multiply(void **state)
{
    static const struct dp_case t[] = {
        {0x9b020c20, DIRTY, ONES, 3, 1, 0, 0xfffffffffffffffe, 0}, /* madd x0, x1, x2, x3 */
        {0x1b020c20, DIRTY, 0xffffffff, 0xffffffff, 0xffffffff, 0, 0, 0}, /* madd w0, w1, w2, w3 */
        {0x9b028c20, DIRTY, 2, 3, 1, 0, 0xfffffffffffffffb, 0}, /* msub x0, x1, x2, x3 */
        {0x1b028c20, DIRTY, 2, 3, 1, 0, 0xfffffffb, 0}, /* msub w0, w1, w2, w3 */
        {0x9b220c20, DIRTY, 0x7fffffff, 0xff7fffffff, 0, 0, 0x3fffffff00000001, 0}, /* smaddl x0, w1, w2, x3 */
        {0x9b220c20, DIRTY, 0x80000000, 0x80000000, 5, 0, 0x4000000000000005, 0}, /* smaddl x0, w1, w2, x3 */
        {0x9b228c20, DIRTY, 0xffffffff, 5, 1, 0, 6, 0}, /* smsubl x0, w1, w2, x3 */
        {0x9ba20c20, DIRTY, 0xffffffff, 0xffffffff, 0x1ffffffff, 0, 0, 0}, /* umaddl x0, w1, w2, x3 */
        {0x9ba28c20, DIRTY, 0xffffffff, 0xffffffff, 0xffffffffffffffff, 0, 0x1fffffffe, 0}, /* umsubl x0, w1, w2, x3 */
        {0x9b427c20, DIRTY, ONES, ONES, 0, 0, 0, 0}, /* smulh x0, x1, x2 */
        {0x9b427c20, DIRTY, MIN64, MIN64, 0, 0, 0x4000000000000000, 0}, /* smulh x0, x1, x2 */
        {0x9b427c20, DIRTY, ONES, 1, 0, 0, ONES, 0}, /* smulh x0, x1, x2 */
        {0x9bc27c20, DIRTY, ONES, ONES, 0, 0, 0xfffffffffffffffe, 0}, /* umulh x0, x1, x2 */
        {0x9bc27c20, DIRTY, MIN64, MIN64, 0, 0, 0x4000000000000000, 0}, /* umulh x0, x1, x2 */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}

static void selects(void **state)
{
    static const struct dp_case t[] = {
        {0x1a820020, DIRTY, 0x1122334455667788, 9, 0, Z, 0x55667788, Z}, /* csel w0, w1, w2, eq */
        {0x1a820020, DIRTY, 1, 0xff00000009, 0, 0, 9, 0}, /* csel w0, w1, w2, eq */
        {0x9a820420, DIRTY, 1, ONES, 0, 0, 0, 0}, /* csinc x0, x1, x2, eq */
        {0x1a820420, DIRTY, 1, 0xffffffff, 0, 0, 0, 0}, /* csinc w0, w1, w2, eq */
        {0x5a820020, DIRTY, 1, 0, 0, 0, 0xffffffff, 0}, /* csinv w0, w1, w2, eq */
        {0xda821020, DIRTY, 1, 0, 0, 0, 1, 0}, /* csinv x0, x1, x2, ne */
        {0xda820420, DIRTY, 1, MIN64, 0, 0, MIN64, 0}, /* csneg x0, x1, x2, eq */
        {0x5a820420, DIRTY, 1, 1, 0, 0, 0xffffffff, 0}, /* csneg w0, w1, w2, eq */
        {0xda82e420, DIRTY, 1, 1, 0, 0, 1, 0}, /* csneg x0, x1, x2, al */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}

static void flag_instructions(void **state)
{
    static const struct dp_case t[] = {
        {0xba420020, DIRTY, MIN64, MIN64, 0, Z, DIRTY, Z | C | V}, /* ccmn x1, x2, #0, eq */
        {0x3a5f082f, DIRTY, 0x7fffffff, 0, 0, Z, DIRTY, N | V}, /* ccmn w1, #31, #15, eq */
        {0x7a5f0820, DIRTY, 0xff0000001f, 0, 0, Z, DIRTY, Z | C}, /* ccmp w1, #31, #0, eq */
        {0xfa5f1828, DIRTY, 31, 0, 0, Z, DIRTY, N}, /* ccmp x1, #31, #8, ne */
        {0xba401823, DIRTY, 31, 0, 0, Z, DIRTY, C | V}, /* ccmn x1, #0, #3, ne */
        {0xba00042f, DIRTY, 9, 0, 0, Z, DIRTY, N | V}, /* rmif x1, #0, #15 */
        {0xba1f842f, DIRTY, MIN64 | 1, 0, 0, 0, DIRTY, C | V}, /* rmif x1, #63, #15 */
        {0xba1e0428, DIRTY, MIN64, 0, 0, Z | C | V, DIRTY, N | Z | C | V}, /* rmif x1, #60, #8 */
        {0xba020420, DIRTY, ONES, 0, 0, Z, DIRTY, Z}, /* rmif x1, #4, #0 */
        {0x3a00082d, DIRTY, 0xffffffffffff0000, 0, 0, C | V, DIRTY, Z | C}, /* setf8 w1 */
        {0x3a00082d, DIRTY, 0x80, 0, 0, 0, DIRTY, N | V}, /* setf8 w1 */
        {0x3a00082d, DIRTY, 0x180, 0, 0, 0, DIRTY, N}, /* setf8 w1 */
        {0x3a00082d, DIRTY, 0x100, 0, 0, 0, DIRTY, Z | V}, /* setf8 w1 */
        {0x3a00482d, DIRTY, 0x8000, 0, 0, 0, DIRTY, N | V}, /* setf16 w1 */
        {0x3a00482d, DIRTY, 0x10000, 0, 0, C, DIRTY, Z | C | V}, /* setf16 w1 */
        {0x3a00482d, DIRTY, 0x7fff, 0, 0, 0, DIRTY, 0}, /* setf16 w1 */
    };

    (void)state;
    run_dp(t, ARRAY_LEN(t));
}
/* clang-format on */

/* --- Data processing: what does not fit a table ------------------------------------------------------------------------ */

static void registers_31(void **state)
{
    (void)state;
    X(1) = 5;
    run(0x913fc03f /* add sp, x1, #0xff0 */);
    assert_int_equal(X(REG_SP), 0xff5);
    run(0xb100043f /* adds xzr, x1, #1 */);
    assert_int_equal(X(REG_SP), 0xff5);
    run(0x8b2107e0 /* add x0, sp, w1, uxtb #1 */);
    assert_int_equal(X(0), 0xff5 + 10);
    run(0x92400c3f /* and sp, x1, #0xf */);
    assert_int_equal(X(REG_SP), 5);
    run(0xf2400c3f /* ands xzr, x1, #0xf */);
    run(0xaa01003f /* orr xzr, x1, x1 */);
    run(0xd280003f /* movz xzr, #1 */);
    run(0xf280003f /* movk xzr, #1 */);
    run(0xb3400c3f /* bfm xzr, x1, #0, #3 */);
    run(0x9b01043f /* madd xzr, x1, x1, x1 */);
    run(0x8b1f03e0 /* add x0, xzr, xzr */);
    assert_int_equal(X(0), 0);
    assert_int_equal(X(REG_SP), 5);
}

static void pc_relative(void **state)
{
    (void)state;
    run(0x70ffffe0 /* adr x0, .-1 */);
    assert_int_equal(X(0), CODE - 1);
    run(0x107fffe0 /* adr x0, .+0xffffc */);
    assert_int_equal(X(0), CODE + (1 << 20) - 4);
    run(0x90800000 /* adrp x0, .-4G */);
    assert_int_equal(X(0), CODE - (UINT64_C(1) << 32));
    /* ADRP of an instruction inside the page counts from the page. */
    a64_decode(0xb0000000 /* adrp x0, .+4096 */, &code[5]);
    c->code.insns = code;
    c->code.va = CODE;
    assert_ptr_equal(code[5].fn(c, &code[5]), &code[6]);
    assert_int_equal(X(0), CODE + 4096);
    a64_decode(0x10000000 /* adr x0, . */, &code[5]);
    assert_ptr_equal(code[5].fn(c, &code[5]), &code[6]);
    assert_int_equal(X(0), CODE + 20);
}

/* Bit by bit, as the polynomial says. */
static uint32_t crc_bitwise(uint32_t poly, uint32_t acc, uint64_t val, unsigned bytes)
{
    for (unsigned i = 0; i < 8 * bytes; i++) {
        const bool odd = (acc ^ (val >> i)) & 1;
        acc = acc >> 1 ^ (odd ? poly : 0);
    }
    return acc;
}

static void crc32(void **state)
{
    static const uint32_t word[2][4] = {
        {0x1ac14000 /* crc32b w0, w0, w1 */, 0x1ac14400 /* crc32h w0, w0, w1 */,
         0x1ac14800 /* crc32w w0, w0, w1 */, 0x9ac14c00 /* crc32x w0, w0, x1 */},
        {0x1ac15000 /* crc32cb w0, w0, w1 */, 0x1ac15400 /* crc32ch w0, w0, w1 */,
         0x1ac15800 /* crc32cw w0, w0, w1 */, 0x9ac15c00 /* crc32cx w0, w0, x1 */},
    };
    static const uint32_t poly[2] = {0xedb88320, 0x82f63b78}, check[2] = {0xcbf43926, 0xe3069283};

    (void)state;
    for (unsigned p = 0; p < 2; p++) {
        /* The check value of the catalogues: the inverted CRC of "123456789" from all ones. */
        X(0) = 0xffffffff;
        memcpy(&X(1), "12345678", 8);
        run(word[p][3]);
        X(1) = '9';
        run(word[p][0]);
        assert_int_equal(X(0), (uint32_t)~check[p]);
        for (unsigned size = 0; size < 4; size++) {
            for (unsigned b = 0; b < 64; b++) { /* linear: the single bits are all there is */
                X(0) = DIRTY << 32 | (b < 32 ? 1u << b : 0x9abcdef0);
                X(1) = (UINT64_C(1) << b) ^ (b & 1 ? DIRTY : 0);
                const uint32_t want = crc_bitwise(poly[p], (uint32_t)X(0), X(1), 1u << size);
                run(word[p][size]);
                assert_int_equal(X(0), want);
            }
            for (unsigned b = 0; b < 256 * 8; b++) {
                X(0) = 0;
                X(1) = (uint64_t)(b & 255) << (8 * (b >> 8));
                const uint32_t want = crc_bitwise(poly[p], 0, X(1), 1u << size);
                run(word[p][size]);
                assert_int_equal(X(0), want);
            }
        }
    }
}

/* Every condition against its definition, for every NZCV, through CSEL. */
static void conditions(void **state)
{
    (void)state;
    for (unsigned cond = 0; cond < 16; cond++) {
        for (unsigned f = 0; f < 16; f++) {
            const bool n = f & N, z = f & Z, cf = f & C, v = f & V;
            const bool base[8] = {z, cf, n, v, cf && !z, n == v, n == v && !z, true};
            const bool want = cond >= 14 || base[cond >> 1] != (cond & 1);
            X(1) = 1;
            X(2) = 2;
            c->st.nzcv = f << 28;
            run(0x9a820020 /* csel x0, x1, x2, eq */ | cond << 12);
            assert_int_equal(X(0), want ? 1 : 2);
            assert_int_equal(c->st.nzcv, f << 28);
            run(0xfa420025 /* ccmp x1, x2, #5, eq */ | cond << 12);
            assert_int_equal(c->st.nzcv >> 28, want ? N : 5);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(add_subtract),    T(logical),        T(moves),    T(bitfields),  T(divide),
        T(variable_shifts), T(bits_and_bytes), T(multiply), T(selects),    T(flag_instructions),
        T(registers_31),    T(pc_relative),    T(crc32),    T(conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
