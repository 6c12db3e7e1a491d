/* Pointer authentication: where the code lies for every size and tag rule, round trips, failures, the hash's quality. */
#include "arch/exception.h"
#include "arch/pac.h"
#include "arch/walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SCTLR_EN_ALL (1ull << 31 | 1ull << 30 | 1ull << 27 | 1ull << 13)
#define TBI0 (1ull << 37)
#define TBI1 (1ull << 38)
#define TBID0 (1ull << 51)
#define TBID1 (1ull << 52)

static struct pe_state s;
static uint64_t rng;

static uint64_t rnd(void)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return rng ^ (rng >> 29) ^ (rng << 31);
}

static int setup(void **state)
{
    (void)state;
    memset(&s, 0, sizeof(s));
    pe_reset(&s);
    rng = 42;
    SYS(&s, SCTLR_EL1) |= SCTLR_EN_ALL;
    SYS(&s, TCR_EL1) = 16 | 25 << 16 | 2ull << 30;
    SYS(&s, APIAKeyLo_EL1) = rnd(), SYS(&s, APIAKeyHi_EL1) = rnd();
    SYS(&s, APIBKeyLo_EL1) = rnd(), SYS(&s, APIBKeyHi_EL1) = rnd();
    SYS(&s, APDAKeyLo_EL1) = rnd(), SYS(&s, APDAKeyHi_EL1) = rnd();
    SYS(&s, APDBKeyLo_EL1) = rnd(), SYS(&s, APDBKeyHi_EL1) = rnd();
    SYS(&s, APGAKeyLo_EL1) = rnd(), SYS(&s, APGAKeyHi_EL1) = rnd();
    return 0;
}

static const enum pac_key keys[] = {PAC_KEY_IA, PAC_KEY_IB, PAC_KEY_DA, PAC_KEY_DB};

/* Which bits the code takes: 54:bottom, and 63:56 unless the top byte is a tag for this kind of pointer. */
static void layout(void **state)
{
    (void)state;
    static const struct {
        uint64_t tcr;
        uint64_t field[2][2]; /* [upper][data] */
    } cases[] = {
        /* 48 bits below, 39 above. */
        {16 | 25 << 16 | 2ull << 30,
         {{0xff7f000000000000, 0xff7f000000000000}, {0xff7fff8000000000, 0xff7fff8000000000}}},
        {16 | 25 << 16 | 2ull << 30 | TBI0,
         {{0x007f000000000000, 0x007f000000000000}, {0xff7fff8000000000, 0xff7fff8000000000}}},
        {16 | 25 << 16 | 2ull << 30 | TBI0 | TBID0,
         {{0xff7f000000000000, 0x007f000000000000}, {0xff7fff8000000000, 0xff7fff8000000000}}},
        {16 | 25 << 16 | 2ull << 30 | TBI1 | TBID1,
         {{0xff7f000000000000, 0xff7f000000000000}, {0xff7fff8000000000, 0x007fff8000000000}}},
        /* 52 bits with 64 KB in both halves. */
        {12 | 12 << 16 | 1ull << 14 | 3ull << 30,
         {{0xff70000000000000, 0xff70000000000000}, {0xff70000000000000, 0xff70000000000000}}},
        /* TxSZ out of range counts as 16 and 48. */
        {0 | 63 << 16 | 2ull << 30,
         {{0xff7f000000000000, 0xff7f000000000000}, {0xff7fffffffff0000, 0xff7fffffffff0000}}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SYS(&s, TCR_EL1) = cases[i].tcr;
        for (int upper = 0; upper < 2; upper++)
            for (size_t k = 0; k < 4; k++) {
                bool data = keys[k] >= PAC_KEY_DA;
                uint64_t field = cases[i].field[upper][data], changed = 0;
                uint64_t ptr = upper ? 0xffffffffffff8888 : 0x0000000000001238;
                for (uint64_t m = 0; m < 200; m++) {
                    uint64_t p = pac_add(&s, ptr, m, keys[k]);
                    changed |= p ^ ptr;
                    assert_true(pac_strip(&s, p, data) == ptr);
                    assert_true(pac_auth(&s, p, m, keys[k]) == ptr);
                }
                if (changed != field)
                    fail_msg("case %zu, half %d, key %zu: code in %llx, not %llx", i, upper, k,
                             (unsigned long long)changed, (unsigned long long)field);
            }
    }
}

static void tags_survive(void **state)
{
    (void)state;
    SYS(&s, TCR_EL1) |= TBI0 | TBI1;
    uint64_t ptr = 0x5a00123456789abc, up = 0x5affffffc0001000;
    for (uint64_t m = 0; m < 100; m++) {
        assert_true(pac_auth(&s, pac_add(&s, ptr, m, PAC_KEY_DA), m, PAC_KEY_DA) == ptr);
        assert_true(pac_auth(&s, pac_add(&s, up, m, PAC_KEY_DA), m, PAC_KEY_DA) == up);
        assert_int_equal(pac_add(&s, up, m, PAC_KEY_DA) >> 55, 0x5a << 1 | 1);
    }
}

/* A failed authentication leaves an address that faults, with the key's number in it. */
static void failure_codes(void **state)
{
    (void)state;
    static const uint64_t code[] = {1, 2, 1, 2};
    for (size_t k = 0; k < 4; k++)
        for (int upper = 0; upper < 2; upper++)
            for (int tbi = 0; tbi < 2; tbi++) {
                SYS(&s, TCR_EL1) = 16 | 16 << 16 | 2ull << 30 | (tbi ? TBI0 | TBI1 : 0);
                uint64_t ptr = upper ? 0xffff800000001230 : 0x0000000000001230;
                uint64_t signed_ptr = pac_add(&s, ptr, 7, keys[k]);
                unsigned at = tbi ? 53 : 61;
                uint64_t want = (ptr & ~(3ull << at)) | code[k] << at;
                for (unsigned b = 48; b < (tbi ? 55u : 64u); b++)
                    if (b != 55)
                        assert_true(pac_auth(&s, signed_ptr ^ BIT64(b), 7, keys[k]) == want);
                assert_true(want != ptr);
            }
}

static void modifier_key_and_address_matter(void **state)
{
    (void)state;
    /* 15-bit codes: of 4000 wrong tries about 0.12 authenticate by chance. */
    unsigned passed = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t ptr = rnd() & 0xffffffffffff, m = rnd();
        uint64_t p = pac_add(&s, ptr, m, PAC_KEY_IA);
        assert_true(pac_auth(&s, p, m, PAC_KEY_IA) == ptr);
        passed += pac_auth(&s, p, m ^ BIT64(i % 64), PAC_KEY_IA) == ptr;
        passed += pac_auth(&s, p, m, PAC_KEY_IB) == ptr;
        passed += pac_auth(&s, p, m, PAC_KEY_DA) == ptr;
        passed += pac_auth(&s, p ^ BIT64(i % 48), m, PAC_KEY_IA) == (ptr ^ BIT64(i % 48));
    }
    assert_true(passed <= 3);
    /* Every key bit matters. */
    uint64_t before = pac_generic(&s, 1, 2);
    for (unsigned b = 0; b < 64; b++) {
        SYS(&s, APGAKeyLo_EL1) ^= BIT64(b);
        assert_true(pac_generic(&s, 1, 2) != before);
        SYS(&s, APGAKeyLo_EL1) ^= BIT64(b);
        SYS(&s, APGAKeyHi_EL1) ^= BIT64(b);
        assert_true(pac_generic(&s, 1, 2) != before);
        SYS(&s, APGAKeyHi_EL1) ^= BIT64(b);
    }
}

static void non_canonical_pointers_do_not_authenticate(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t ptr = (rnd() & 0x00ffffffffffff) | 0x0040000000000000, m = rnd(); /* bit 54 alone */
        uint64_t p = pac_add(&s, ptr, m, PAC_KEY_IA);
        uint64_t a = pac_auth(&s, p, m, PAC_KEY_IA);
        assert_true(a != pac_strip(&s, p, false));
    }
    /* Signing twice is signing a pointer that is not canonical, unless the first code happened to be. */
    uint64_t twice = pac_add(&s, pac_add(&s, 0x1000, 1, PAC_KEY_IA), 1, PAC_KEY_IA);
    assert_true(pac_auth(&s, twice, 1, PAC_KEY_IA) != 0x1000);
}

static void enables(void **state)
{
    (void)state;
    static const uint64_t bit_of[] = {1ull << 31, 1ull << 30, 1ull << 27, 1ull << 13};
    for (size_t off = 0; off < 4; off++) {
        setup(NULL);
        SYS(&s, SCTLR_EL1) &= ~bit_of[off];
        for (size_t k = 0; k < 4; k++) {
            assert_int_equal(pac_enabled(&s, keys[k]), k != off);
            uint64_t p = pac_add(&s, 0x1000, 9, keys[k]);
            if (k == off) {
                assert_true(p == 0x1000);
                assert_true(pac_auth(&s, 0x7f00000000001000, 9, keys[k]) == 0x7f00000000001000);
            } else {
                assert_true(p != 0x1000);
            }
        }
        assert_true(pac_strip(&s, 0x7f00000000001000, false) == 0x1000);
        assert_true(pac_generic(&s, 1, 2) != 0);
    }
}

static void generic_code(void **state)
{
    (void)state;
    uint64_t seen_or = 0, seen_and = ~0ull;
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t v = pac_generic(&s, i, i * 3);
        assert_int_equal(v & 0xffffffff, 0);
        seen_or |= v;
        seen_and &= v;
    }
    assert_true(seen_or == 0xffffffff00000000 && seen_and == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(layout, setup),
        cmocka_unit_test_setup(tags_survive, setup),
        cmocka_unit_test_setup(failure_codes, setup),
        cmocka_unit_test_setup(modifier_key_and_address_matter, setup),
        cmocka_unit_test_setup(non_canonical_pointers_do_not_authenticate, setup),
        cmocka_unit_test_setup(enables, setup),
        cmocka_unit_test_setup(generic_code, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
