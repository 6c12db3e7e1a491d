/* Exception entry and return, PSTATE, the banked stack pointers, reset. */
#include "arch/exception.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define VBAR 0xffff000000081000ull
#define SCTLR_SPAN (1ull << 23)
#define SCTLR_DSSBS (1ull << 44)
#define MDSCR_SS 1ull
#define MDSCR_KDE (1ull << 13)

static struct pe_state s;

static int setup(void **state)
{
    (void)state;
    memset(&s, 0, sizeof(s));
    pe_reset(&s);
    SYS(&s, VBAR_EL1) = VBAR;
    SYS(&s, OSLSR_EL1) &= ~2ull; /* OS Lock open */
    return 0;
}

static void reset_state(void **state)
{
    (void)state;
    memset(&s, 0xa5, sizeof(s));
    SYS(&s, MPIDR_EL1) = 0x80000103;
    pe_reset(&s);
    assert_int_equal(pstate_get(&s), PSR_DAIF | 1 << PSR_EL_SHIFT | PSR_SP);
    assert_int_equal(s.pc, 0);
    assert_int_equal(SYS(&s, MPIDR_EL1), 0x80000103);
    assert_int_equal(SYS(&s, SCTLR_EL1) & 1, 0);
    assert_int_equal(SYS(&s, SCTLR_EL1) & 0x30500980, 0x30500980); /* RES1 */
    assert_int_equal(SYS(&s, CNTFRQ_EL0), 62500000);
    assert_int_equal(s.x[REG_ZERO], 0);
    assert_int_equal(s.x[REG_SP], 0);
}

static void pstate_round_trip(void **state)
{
    (void)state;
    /* Every bit that PSTATE has, one at a time, at EL1h and at EL0t. */
    static const uint64_t bit_of[] = {PSR_N,   PSR_Z,  PSR_C,  PSR_V,    PSR_DIT, PSR_UAO,
                                      PSR_PAN, PSR_SS, PSR_IL, PSR_SSBS, 1 << 10, 1 << 11,
                                      PSR_D,   PSR_A,  PSR_I,  PSR_F};
    for (size_t i = 0; i < ARRAY_LEN(bit_of); i++)
        for (int el1 = 0; el1 < 2; el1++) {
            uint64_t psr = bit_of[i] | (el1 ? 5 : 0);
            pstate_set(&s, psr);
            assert_int_equal(pstate_get(&s), psr);
        }
    /* And no other. */
    pstate_set(&s, 0xffffffff00000000ull | 0x0e0fe020);
    assert_int_equal(pstate_get(&s), 0);
}

static void stack_pointer_banks(void **state)
{
    (void)state;
    s.x[REG_SP] = 0x1111; /* SP_EL1 */
    pstate_select_sp(&s, 1, 0);
    s.x[REG_SP] = 0x2222; /* SP_EL0, at EL1 */
    pstate_select_sp(&s, 1, 1);
    assert_int_equal(s.x[REG_SP], 0x1111);
    pstate_select_sp(&s, 0, 0);
    assert_int_equal(s.x[REG_SP], 0x2222);
    s.x[REG_SP] = 0x3333;
    pstate_select_sp(&s, 1, 1);
    assert_int_equal(s.x[REG_SP], 0x1111);
    assert_int_equal(s.sp_el[0], 0x3333);
}

static void vectors(void **state)
{
    (void)state;
    static const struct {
        uint64_t psr;
        enum exception_type type;
        uint64_t offset;
    } cases[] = {
        {0x4, EXC_SYNC, 0x000},   {0x4, EXC_IRQ, 0x080},    {0x4, EXC_FIQ, 0x100},
        {0x4, EXC_SERROR, 0x180}, {0x5, EXC_SYNC, 0x200},   {0x5, EXC_IRQ, 0x280},
        {0x5, EXC_FIQ, 0x300},    {0x5, EXC_SERROR, 0x380}, {0x0, EXC_SYNC, 0x400},
        {0x0, EXC_IRQ, 0x480},    {0x0, EXC_FIQ, 0x500},    {0x0, EXC_SERROR, 0x580},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setup(NULL);
        pstate_set(&s, cases[i].psr);
        SYS(&s, ESR_EL1) = 0x77;
        SYS(&s, FAR_EL1) = 0x88;
        struct exception e = {.type = cases[i].type, .esr = esr_make(EC_UNKNOWN, 0), .ret = 0x4004};
        exception_take(&s, &e, 1);
        assert_true(s.pc == VBAR + cases[i].offset);
        assert_int_equal(s.elr_el[1], 0x4004);
        assert_int_equal(s.spsr_el[1], cases[i].psr);
        bool has_esr = cases[i].type == EXC_SYNC || cases[i].type == EXC_SERROR;
        assert_int_equal(SYS(&s, ESR_EL1), has_esr ? ESR_IL : 0x77);
        assert_int_equal(SYS(&s, FAR_EL1), 0x88);
    }
}

static void entry_pstate(void **state)
{
    (void)state;
    const uint64_t all = PSR_N | PSR_C | PSR_DIT | PSR_UAO | PSR_SS | PSR_IL | PSR_SSBS | 3 << 10 | PSR_I;
    struct exception e = {
        .type = EXC_SYNC, .esr = esr_make(EC_DABT_LOWER, 7), .ret = 0x1000, .far = 0xdead, .far_valid = true};

    pstate_set(&s, all);
    s.x[REG_SP] = 0xe0;
    s.sp_el[1] = 0xe1;
    SYS(&s, SCTLR_EL1) |= SCTLR_SPAN;
    exception_take(&s, &e, 1);
    assert_int_equal(s.spsr_el[1], all);
    assert_int_equal(pstate_get(&s), PSR_N | PSR_C | PSR_DIT | PSR_DAIF | 5);
    assert_int_equal(SYS(&s, FAR_EL1), 0xdead);
    assert_int_equal(s.x[REG_SP], 0xe1);
    assert_int_equal(s.sp_el[0], 0xe0);

    /* SPAN = 0 sets PAN, DSSBS sets SSBS; with SPAN = 1 PAN stays as it is. */
    pstate_set(&s, 0);
    SYS(&s, SCTLR_EL1) = (SYS(&s, SCTLR_EL1) & ~SCTLR_SPAN) | SCTLR_DSSBS;
    exception_take(&s, &e, 1);
    assert_int_equal(pstate_get(&s), PSR_PAN | PSR_SSBS | PSR_DAIF | 5);
    SYS(&s, SCTLR_EL1) |= SCTLR_SPAN;
    pstate_set(&s, PSR_PAN | 5);
    exception_take(&s, &e, 1);
    assert_int_equal(pstate_get(&s), PSR_PAN | PSR_SSBS | PSR_DAIF | 5);

    /* BTYPE is saved for an abort, not for a call, which returns past itself. */
    pstate_set(&s, 1 << 10);
    e.esr = esr_make(EC_SVC64, 0);
    exception_take(&s, &e, 1);
    assert_int_equal(s.spsr_el[1], 0);
}

static void lower_or_same(void **state)
{
    (void)state;
    assert_int_equal(exception_ec(&s, EC_DABT_LOWER), EC_DABT_SAME);
    assert_int_equal(exception_ec(&s, EC_WATCHPT_LOWER), EC_WATCHPT_SAME);
    pstate_set(&s, 0);
    assert_int_equal(exception_ec(&s, EC_IABT_LOWER), EC_IABT_LOWER);
}

static void legal_returns(void **state)
{
    (void)state;
    s.x[REG_SP] = 0xe1;
    s.sp_el[0] = 0xe0;
    exception_return(&s, PSR_Z | PSR_SSBS | PSR_UAO | PSR_DIT | PSR_PAN | 2 << 10 | PSR_F, 0x4000);
    assert_int_equal(pstate_get(&s), PSR_Z | PSR_SSBS | PSR_UAO | PSR_DIT | PSR_PAN | 2 << 10 | PSR_F);
    assert_int_equal(s.pc, 0x4000);
    assert_int_equal(s.x[REG_SP], 0xe0);

    setup(NULL);
    exception_return(&s, 4, 0x4000); /* EL1t */
    assert_int_equal(pstate_get(&s), 4);
    setup(NULL);
    exception_return(&s, PSR_IL | 0, 0x4001); /* a legal return into the illegal state; PC alignment is the fetch's matter */
    assert_int_equal(pstate_get(&s), PSR_IL);
    assert_int_equal(s.pc, 0x4001);
}

static void illegal_returns(void **state)
{
    (void)state;
    static const uint64_t mode[] = {
        0x1,                         /* EL0h */
        0x2,  0x6,                   /* reserved bit 1 */
        0x7,  0x8,  0x9,  0xc,  0xd, /* EL2, EL3 */
        0x10, 0x13, 0x15, 0x1f,      /* AArch32 */
    };
    for (size_t i = 0; i < ARRAY_LEN(mode); i++) {
        setup(NULL);
        s.misc = PSR_DIT;
        s.x[REG_SP] = 0x9000;
        exception_return(&s, PSR_V | PSR_A | PSR_PAN | PSR_SSBS | PSR_UAO | 3 << 10 | mode[i], 0x4000);
        /* EL1h stays, IL is set; flags, masks and PAN come from the SPSR all the same. */
        assert_int_equal(pstate_get(&s), PSR_V | PSR_A | PSR_PAN | PSR_DIT | PSR_IL | 5);
        assert_int_equal(s.pc, 0x4000);
        assert_int_equal(s.x[REG_SP], 0x9000);
    }
    /* Reserved SPSR bits do not make a return illegal. */
    setup(NULL);
    exception_return(&s, 0x0e0fe020, 0x4000);
    assert_int_equal(pstate_get(&s), 0);
}

static void step_bit(void **state)
{
    (void)state;
    exception_return(&s, PSR_SS, 0x4000); /* MDSCR_EL1.SS is 0 */
    assert_int_equal(pstate_get(&s), 0);
    setup(NULL);
    SYS(&s, MDSCR_EL1) = MDSCR_SS;
    exception_return(&s, PSR_SS, 0x4000);
    assert_int_equal(pstate_get(&s), PSR_SS);
    setup(NULL);
    SYS(&s, MDSCR_EL1) = MDSCR_SS;
    exception_return(&s, PSR_SS | 5, 0x4000); /* to EL1: not without KDE */
    assert_int_equal(pstate_get(&s), 5);
    setup(NULL);
    SYS(&s, MDSCR_EL1) = MDSCR_SS | MDSCR_KDE;
    exception_return(&s, PSR_SS | 5, 0x4000); /* D was set here and is clear there */
    assert_int_equal(pstate_get(&s), PSR_SS | 5);
    setup(NULL);
    SYS(&s, MDSCR_EL1) = MDSCR_SS | MDSCR_KDE;
    s.daif = 0;
    exception_return(&s, PSR_SS | 5, 0x4000); /* enabled here already: the step is over */
    assert_int_equal(pstate_get(&s), 5);
    setup(NULL);
    SYS(&s, MDSCR_EL1) = MDSCR_SS;
    SYS(&s, OSLSR_EL1) |= 2;
    exception_return(&s, PSR_SS, 0x4000);
    assert_int_equal(pstate_get(&s), 0);
}

static void branch_address(void **state)
{
    (void)state;
    const gva_t low = 0x5a00123456789abcull, high = 0x5a80123456789abcull;
    assert_true(arch_branch_addr(&s, low) == low && arch_branch_addr(&s, high) == high);
    SYS(&s, TCR_EL1) = 1ull << 37;
    assert_true(arch_branch_addr(&s, low) == 0x0000123456789abcull && arch_branch_addr(&s, high) == high);
    SYS(&s, TCR_EL1) = 1ull << 38;
    assert_true(arch_branch_addr(&s, low) == low && arch_branch_addr(&s, high) == 0xff80123456789abcull);
    SYS(&s, TCR_EL1) |= 1ull << 52; /* TBID1 */
    assert_true(arch_branch_addr(&s, high) == high);
    SYS(&s, TCR_EL1) = 1ull << 37;
    exception_return(&s, 0, low);
    assert_true(s.pc == 0x0000123456789abcull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reset_state, setup),
        cmocka_unit_test_setup(pstate_round_trip, setup),
        cmocka_unit_test_setup(stack_pointer_banks, setup),
        cmocka_unit_test_setup(vectors, setup),
        cmocka_unit_test_setup(entry_pstate, setup),
        cmocka_unit_test_setup(lower_or_same, setup),
        cmocka_unit_test_setup(legal_returns, setup),
        cmocka_unit_test_setup(illegal_returns, setup),
        cmocka_unit_test_setup(step_bit, setup),
        cmocka_unit_test_setup(branch_address, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
