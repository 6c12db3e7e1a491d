/* System registers: the generated table, access checks, masks, effects of writes. */
#include "arch/exception.h"
#include "arch/sysreg.h"

#include "gen/sysreg_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct pe_state s;

static int setup(void **state)
{
    (void)state;
    memset(&s, 0, sizeof(s));
    pe_reset(&s);
    return 0;
}

static const struct sysreg_desc *reg(const char *name)
{
    const struct sysreg_desc *d = sysreg_find_name(name);
    if (!d)
        fail_msg("no register %s", name);
    return d;
}

static uint64_t rd(const char *name)
{
    return sysreg_read(&s, reg(name));
}

static void wr(const char *name, uint64_t val)
{
    sysreg_write(&s, reg(name), val);
}

static bool has_storage(const struct sysreg_desc *d)
{
    return d->home != HOME_COUNTER && d->home != HOME_BOARD;
}

static void table_is_consistent(void **state)
{
    (void)state;
    assert_true(sysreg_table_len == NR_SYSREGS);
    for (unsigned i = 0; i < sysreg_table_len; i++) {
        const struct sysreg_desc *d = &sysreg_table[i];
        if (i)
            assert_true(sysreg_table[i - 1].encoding < d->encoding);
        assert_ptr_equal(sysreg_find(d->encoding), d);
        assert_ptr_equal(sysreg_find_name(d->name), d);
        assert_ptr_equal(sysreg_of_id((enum sysreg_id)d->id), d);
        uint64_t seen = 0;
        for (unsigned f = 0; f < d->nr_fields; f++)
            seen += mask64(d->field[f].hi - d->field[f].lo + 1u) << d->field[f].lo;
        assert_true(seen == ~UINT64_C(0));
    }
    assert_null(sysreg_find(SYSREG_ENC(3, 0, 9, 14, 1))); /* PMINTENSET_EL1: no PMU */
    assert_null(sysreg_find(SYSREG_ENC(3, 0, 0, 0, 1)));
    assert_null(sysreg_find(0xffff));
    assert_null(sysreg_find(0));
    assert_null(sysreg_find_name("SCTLR_EL9"));
}

/* The encodings by which other programs know them (checked against an assembler). */
static void well_known_encodings(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t enc;
    } known[] = {
        {"MIDR_EL1", 0xc000},   {"MPIDR_EL1", 0xc005},    {"SCTLR_EL1", 0xc080},
        {"CPACR_EL1", 0xc082},  {"TTBR0_EL1", 0xc100},    {"TCR_EL1", 0xc102},
        {"SPSR_EL1", 0xc200},   {"ELR_EL1", 0xc201},      {"SP_EL0", 0xc208},
        {"CurrentEL", 0xc212},  {"ESR_EL1", 0xc290},      {"FAR_EL1", 0xc300},
        {"PAR_EL1", 0xc3a0},    {"MAIR_EL1", 0xc510},     {"VBAR_EL1", 0xc600},
        {"TPIDR_EL1", 0xc684},  {"CNTKCTL_EL1", 0xc708},  {"NZCV", 0xda10},
        {"DAIF", 0xda11},       {"TPIDR_EL0", 0xde82},    {"CNTFRQ_EL0", 0xdf00},
        {"CNTVCT_EL0", 0xdf02}, {"CNTV_CTL_EL0", 0xdf19}, {"ICC_IAR1_EL1", 0xc660},
        {"MDSCR_EL1", 0x8012},  {"OSLAR_EL1", 0x8084},    {"ICC_PMR_EL1", 0xc230},
        {"CTR_EL0", 0xd801},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_int_equal(reg(known[i].name)->encoding, known[i].enc);
}

static void missing_row(void **state)
{
    (void)state;
    char buf[256], small[8];
    assert_non_null(strstr(sysreg_missing_row(SYSREG_ENC(3, 0, 15, 2, 1), buf, sizeof(buf)),
                           "register S3_0_C15_C2_1 3 0 15 2 1\n"));
    assert_int_equal(strlen(sysreg_missing_row(SYSREG_ENC(2, 1, 0, 2, 1), small, sizeof(small))), 7);
}

/* Whatever is written, only the bits that are writable change: for every register. */
static void masks(void **state)
{
    (void)state;
    static const uint64_t pattern[] = {~UINT64_C(0), 0, 0xaaaaaaaaaaaaaaaa, 0x5555555555555555};
    for (unsigned i = 0; i < sysreg_table_len; i++) {
        const struct sysreg_desc *d = &sysreg_table[i];
        if (!has_storage(d))
            continue;
        setup(NULL);
        uint64_t before = sysreg_read(&s, d);
        for (size_t p = 0; p < ARRAY_LEN(pattern); p++) {
            setup(NULL);
            sysreg_write(&s, d, pattern[p]);
            uint64_t now = sysreg_read(&s, d);
            if ((now ^ before) & ~d->writable)
                fail_msg("%s: %llx written, %llx became %llx", d->name, (unsigned long long)pattern[p],
                         (unsigned long long)before, (unsigned long long)now);
            bool plain =
                d->id != SR_DBGCLAIMSET_EL1 && d->id != SR_DBGCLAIMCLR_EL1 && d->id != SR_OSLAR_EL1;
            if (plain && d->writable && (now & d->writable) != (pattern[p] & d->writable))
                fail_msg("%s: %llx written, %llx read", d->name, (unsigned long long)pattern[p],
                         (unsigned long long)now);
        }
    }
}

static void reset_values(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sysreg_table_len; i++) {
        const struct sysreg_desc *d = &sysreg_table[i];
        if (has_storage(d) && d->id != SR_CCSIDR_EL1 && d->id != SR_OSLAR_EL1 &&
            sysreg_read(&s, d) != d->reset)
            fail_msg("%s resets to %llx, not %llx", d->name, (unsigned long long)sysreg_read(&s, d),
                     (unsigned long long)d->reset);
    }
    assert_int_equal(rd("SCTLR_EL1"), 0x30d50998);
    assert_int_equal(rd("CTR_EL0"), 0x8444c004);
    assert_int_equal(rd("CLIDR_EL1"), 0x0a200023);
    assert_int_equal(rd("MIDR_EL1"), 0x000f1be0);
    assert_int_equal(rd("OSLSR_EL1"), 0xa);
    assert_int_equal(rd("DAIF"), 0x3c0);
    assert_int_equal(rd("CurrentEL"), 4);
}

/* The feature registers as guests read them: a change here is a change of the CPU. */
static void feature_registers(void **state)
{
    (void)state;
    assert_true(rd("ID_AA64PFR0_EL1") == 0x1101000011110011);
    assert_true(rd("ID_AA64PFR1_EL1") == 0x21);
    assert_true(rd("ID_AA64DFR0_EL1") == 0xf000101009);
    assert_true(rd("ID_AA64ISAR0_EL1") == 0x0221111110212120);
    assert_true(rd("ID_AA64ISAR1_EL1") == 0x0010111110211102);
    assert_true(rd("ID_AA64MMFR0_EL1") == 0x0000000000100026);
    assert_true(rd("ID_AA64MMFR1_EL1") == 0x0000000000211002);
    assert_true(rd("ID_AA64MMFR2_EL1") == 0x1021001010011011);
    /* All of CRm 1..7 exists and reads as zero where nothing is allocated. */
    for (unsigned crm = 1; crm < 8; crm++)
        for (unsigned op2 = 0; op2 < 8; op2++) {
            const struct sysreg_desc *d = sysreg_find(SYSREG_ENC(3, 0, 0, crm, op2));
            assert_non_null(d);
            assert_int_equal(d->writable, 0);
            assert_int_equal(sysreg_check(&s, d, false), SYSREG_OK);
            assert_int_equal(sysreg_check(&s, d, true), SYSREG_UNDEFINED);
            if (d->name[0] == 'S')
                assert_true(sysreg_read(&s, d) == 0);
        }
}

static void check(const char *name, unsigned psr, bool write, enum sysreg_verdict want)
{
    pstate_set(&s, psr);
    enum sysreg_verdict got = sysreg_check(&s, reg(name), write);
    if (got != want)
        fail_msg("%s of %s at PSR %x: %d, not %d", write ? "MSR" : "MRS", name, psr, got, want);
}

static void access_by_level(void **state)
{
    (void)state;
    enum { EL0 = 0, EL1T = 4, EL1 = 5 };
    static const struct {
        const char *name;
        unsigned psr;
        enum sysreg_verdict read, write;
    } cases[] = {
        {"SCTLR_EL1", EL1, SYSREG_OK, SYSREG_OK},
        {"SCTLR_EL1", EL0, SYSREG_UNDEFINED, SYSREG_UNDEFINED},
        {"MIDR_EL1", EL1, SYSREG_OK, SYSREG_UNDEFINED},
        {"MIDR_EL1", EL0, SYSREG_TRAP, SYSREG_UNDEFINED}, /* FEAT_IDST */
        {"ID_AA64MMFR2_EL1", EL0, SYSREG_TRAP, SYSREG_UNDEFINED},
        {"CCSIDR_EL1", EL0, SYSREG_TRAP, SYSREG_UNDEFINED},
        {"CSSELR_EL1", EL0, SYSREG_UNDEFINED, SYSREG_UNDEFINED}, /* op1 is 2 */
        {"TPIDR_EL0", EL0, SYSREG_OK, SYSREG_OK},
        {"TPIDRRO_EL0", EL0, SYSREG_OK, SYSREG_UNDEFINED},
        {"TPIDRRO_EL0", EL1, SYSREG_OK, SYSREG_OK},
        {"CNTFRQ_EL0", EL1, SYSREG_OK, SYSREG_OK},
        {"CNTFRQ_EL0", EL0, SYSREG_TRAP, SYSREG_UNDEFINED},
        {"CNTVCT_EL0", EL1, SYSREG_OK, SYSREG_UNDEFINED},
        {"CNTVCT_EL0", EL0, SYSREG_TRAP, SYSREG_UNDEFINED},
        {"CNTV_CTL_EL0", EL0, SYSREG_TRAP, SYSREG_TRAP},
        {"CNTP_CVAL_EL0", EL0, SYSREG_TRAP, SYSREG_TRAP},
        {"CTR_EL0", EL0, SYSREG_TRAP, SYSREG_UNDEFINED},
        {"DCZID_EL0", EL0, SYSREG_OK, SYSREG_UNDEFINED},
        {"NZCV", EL0, SYSREG_OK, SYSREG_OK},
        {"DAIF", EL0, SYSREG_TRAP, SYSREG_TRAP},
        {"DAIF", EL1, SYSREG_OK, SYSREG_OK},
        {"SP_EL0", EL1, SYSREG_OK, SYSREG_OK},
        {"SP_EL0", EL1T, SYSREG_UNDEFINED, SYSREG_UNDEFINED},
        {"SP_EL0", EL0, SYSREG_UNDEFINED, SYSREG_UNDEFINED},
        {"ICC_EOIR1_EL1", EL1, SYSREG_UNDEFINED, SYSREG_OK},
        {"ICC_IAR1_EL1", EL1, SYSREG_OK, SYSREG_UNDEFINED},
        {"OSLAR_EL1", EL1, SYSREG_UNDEFINED, SYSREG_OK},
        {"MDCCSR_EL0", EL0, SYSREG_OK, SYSREG_UNDEFINED},
        {"FPCR", EL0, SYSREG_TRAP_FP, SYSREG_TRAP_FP}, /* FPEN is 0 */
        {"FPSR", EL1, SYSREG_TRAP_FP, SYSREG_TRAP_FP},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(cases[i].name, cases[i].psr, false, cases[i].read);
        check(cases[i].name, cases[i].psr, true, cases[i].write);
    }
    assert_true(sysreg_id_space(SYSREG_ENC(3, 0, 0, 0, 1)));
    assert_true(sysreg_id_space(SYSREG_ENC(3, 3, 0, 7, 7)));
    assert_false(sysreg_id_space(SYSREG_ENC(3, 0, 0, 8, 0)));
    assert_false(sysreg_id_space(SYSREG_ENC(3, 2, 0, 0, 0)));
    assert_false(sysreg_id_space(SYSREG_ENC(2, 0, 0, 0, 0)));
}

/* Each control opens its own register at EL0 and no other. */
static void el0_controls(void **state)
{
    (void)state;
    static const struct {
        const char *control;
        uint64_t bit;
        const char *opens; /* names that open, in one string */
    } cases[] = {
        {"SCTLR_EL1", SCTLR_EL1_UCT, " CTR_EL0 "},
        {"SCTLR_EL1", SCTLR_EL1_UMA, " DAIF "},
        {"CNTKCTL_EL1", CNTKCTL_EL1_EL0PCTEN, " CNTPCT_EL0 CNTFRQ_EL0 "},
        {"CNTKCTL_EL1", CNTKCTL_EL1_EL0VCTEN, " CNTVCT_EL0 CNTFRQ_EL0 "},
        {"CNTKCTL_EL1", CNTKCTL_EL1_EL0PTEN, " CNTP_TVAL_EL0 CNTP_CTL_EL0 CNTP_CVAL_EL0 "},
        {"CNTKCTL_EL1", CNTKCTL_EL1_EL0VTEN, " CNTV_TVAL_EL0 CNTV_CTL_EL0 CNTV_CVAL_EL0 "},
    };
    static const char *const trapped[] = {"CTR_EL0",      "DAIF",          "CNTPCT_EL0",
                                          "CNTVCT_EL0",   "CNTFRQ_EL0",    "CNTP_TVAL_EL0",
                                          "CNTP_CTL_EL0", "CNTP_CVAL_EL0", "CNTV_TVAL_EL0",
                                          "CNTV_CTL_EL0", "CNTV_CVAL_EL0"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setup(NULL);
        wr(cases[i].control, rd(cases[i].control) | cases[i].bit);
        for (size_t k = 0; k < ARRAY_LEN(trapped); k++) {
            char word[32];
            snprintf(word, sizeof(word), " %s ", trapped[k]);
            check(trapped[k], 0, false, strstr(cases[i].opens, word) ? SYSREG_OK : SYSREG_TRAP);
        }
    }
    setup(NULL);
    wr("MDSCR_EL1", MDSCR_EL1_TDCC);
    check("MDCCSR_EL0", 0, false, SYSREG_TRAP);
    check("DBGDTR_EL0", 0, true, SYSREG_TRAP);
    check("MDCCSR_EL0", 5, false, SYSREG_OK);
}

static void pstate_registers(void **state)
{
    (void)state;
    wr("NZCV", 0xa0000001);
    assert_int_equal(s.nzcv, PSR_N | PSR_C);
    wr("PAN", ~0ull);
    wr("DIT", ~0ull);
    assert_int_equal(s.misc, PSR_PAN | PSR_DIT);
    wr("UAO", ~0ull);
    wr("SSBS", ~0ull);
    wr("PAN", 0);
    assert_int_equal(s.misc, PSR_DIT | PSR_UAO | PSR_SSBS);
    wr("DAIF", PSR_I);
    assert_int_equal(s.daif, PSR_I);
    wr("CurrentEL", 0xc);
    assert_int_equal(s.el, 1);
    wr("SPSR_EL1", ~0ull);
    assert_true(s.spsr_el[1] == 0xf1f01fdf);
    wr("ELR_EL1", ~0ull);
    assert_true(s.elr_el[1] == ~0ull);

    s.x[REG_SP] = 0x1000; /* SP_EL1 */
    wr("SP_EL0", 0x2000);
    assert_int_equal(s.x[REG_SP], 0x1000);
    assert_int_equal(rd("SP_EL0"), 0x2000);
    wr("SPSel", 0);
    assert_int_equal(s.x[REG_SP], 0x2000);
    s.x[REG_SP] = 0x3000;
    assert_int_equal(rd("SP_EL0"), 0x3000); /* as a debugger may ask */
    wr("SP_EL0", 0x4000);
    assert_int_equal(s.x[REG_SP], 0x4000);
    wr("SPSel", 1);
    assert_int_equal(s.x[REG_SP], 0x1000);
    assert_int_equal(s.sp_el[0], 0x4000);
}

static void computed_registers(void **state)
{
    (void)state;
    assert_int_equal(rd("DCZID_EL0"), 4);
    pstate_set(&s, 0);
    assert_int_equal(rd("DCZID_EL0"), 0x14);
    SYS(&s, SCTLR_EL1) |= SCTLR_EL1_DZE;
    assert_int_equal(rd("DCZID_EL0"), 4);

    static const uint64_t size[] = {65536, 65536, 1048576, 0};
    for (uint64_t sel = 0; sel < 4; sel++) {
        wr("CSSELR_EL1", sel);
        uint64_t v = rd("CCSIDR_EL1");
        uint64_t bytes = v ? (bits(v, 27, 13) + 1) * (bits(v, 12, 3) + 1) << (bits(v, 2, 0) + 4) : 0;
        assert_true(bytes == size[sel]);
    }
    SYS(&s, ISR_EL1) = 1 << 7;
    assert_int_equal(rd("ISR_EL1"), 0x80);
}

static void debug_registers(void **state)
{
    (void)state;
    wr("MDSCR_EL1", ~0ull); /* the OS Lock is locked: all that can be written */
    assert_int_equal(rd("MDSCR_EL1"), MDSCR_EL1_WRITABLE);
    wr("OSLAR_EL1", 0);
    assert_int_equal(rd("OSLSR_EL1"), 8);
    wr("MDSCR_EL1", 0);
    assert_int_equal(rd("MDSCR_EL1"), MDSCR_EL1_WRITABLE & ~(MDSCR_EL1_SS | MDSCR_EL1_TDCC |
                                                             MDSCR_EL1_KDE | MDSCR_EL1_MDE));
    wr("OSLAR_EL1", 1);
    assert_int_equal(rd("OSLSR_EL1"), 0xa);

    assert_int_equal(rd("DBGCLAIMSET_EL1"), 0xff);
    assert_int_equal(rd("DBGCLAIMCLR_EL1"), 0);
    wr("DBGCLAIMSET_EL1", 0x155);
    wr("DBGCLAIMSET_EL1", 0x02);
    assert_int_equal(rd("DBGCLAIMCLR_EL1"), 0x57);
    wr("DBGCLAIMCLR_EL1", 0x53);
    assert_int_equal(rd("DBGCLAIMCLR_EL1"), 0x04);
}

static void syndrome(void **state)
{
    (void)state;
    /* MRS X5, CNTVCT_EL0; MSR DAIF, X31. */
    assert_int_equal(sysreg_iss(SYSREG_ENC(3, 3, 14, 0, 2), 5, true),
                     3 << 20 | 2 << 17 | 3 << 14 | 14 << 10 | 5 << 5 | 0 << 1 | 1);
    assert_int_equal(sysreg_iss(SYSREG_ENC(3, 3, 4, 2, 1), 31, false),
                     3 << 20 | 1 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | 2 << 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_consistent),
        cmocka_unit_test(well_known_encodings),
        cmocka_unit_test(missing_row),
        cmocka_unit_test(masks),
        cmocka_unit_test_setup(reset_values, setup),
        cmocka_unit_test_setup(feature_registers, setup),
        cmocka_unit_test_setup(access_by_level, setup),
        cmocka_unit_test(el0_controls),
        cmocka_unit_test_setup(pstate_registers, setup),
        cmocka_unit_test_setup(computed_registers, setup),
        cmocka_unit_test_setup(debug_registers, setup),
        cmocka_unit_test(syndrome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
