/* The explanation of a vCPU that went wrong: each hint from a made-up state, the syndrome tables, and one whole page. */
#include "arch/esr.h"
#include "arch/exception.h"
#include "arch/sysreg.h"
#include "dbg/esr_text.h"
#include "dbg/explain.h"

#include "gen/sysreg_fields.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- A made-up machine ---------------------------------------------------------------------------------------------- */

#define RAM_LEN 0x20000u
#define CODE 0x10000u
#define VECTORS 0x8000u
#define TABLES 0x4000u

static uint8_t ram[RAM_LEN];
static struct pe_state st;
static struct explain_input in;

static bool read_ram(void *opaque, gpa_t gpa, void *buf, size_t len)
{
    assert_ptr_equal(opaque, ram);
    if (gpa > RAM_LEN - len)
        return false;
    memcpy(buf, ram + gpa, len);
    return true;
}

static const char *place(void *opaque, gpa_t gpa)
{
    assert_ptr_equal(opaque, ram);
    return gpa < RAM_LEN ? "RAM" : gpa >= 0x09000000 && gpa < 0x09001000 ? "pl011@9000000" : NULL;
}

static const char *absent(void *opaque, gpa_t gpa)
{
    assert_ptr_equal(opaque, ram);
    return gpa >= 0x08010000 && gpa < 0x08020000 ? "the CPU interface of a GICv2." : NULL;
}

static void put32(gpa_t gpa, uint32_t val)
{
    memcpy(ram + gpa, &val, sizeof(val));
}

static void put64(gpa_t gpa, uint64_t val)
{
    memcpy(ram + gpa, &val, sizeof(val));
}

static int setup(void **state)
{
    (void)state;
    memset(ram, 0, sizeof(ram));
    memset(&st, 0, sizeof(st));
    pe_reset(&st);
    st.x[REG_SP] = RAM_LEN - 16;
    SYS(&st, VBAR_EL1) = VECTORS;
    put32(VECTORS, 0x14000000); /* b . */
    put32(VECTORS + 0x200, 0x14000000);
    put32(VECTORS + 0x400, 0x14000000);
    put32(CODE, 0xd503201f); /* nop */
    in = (struct explain_input){
        .st = &st, .vbar_written = true, .opaque = ram, .read = read_ram, .place = place, .absent = absent};
    in.exc.elr = CODE;
    return 0;
}

/* The MMU on, with 4 KB pages: the first page (tables at TABLES) maps CODE to itself with attributes; nothing else. */
static void mmu_on(uint64_t leaf)
{
    SYS(&st, SCTLR_EL1) |= SCTLR_EL1_M;
    SYS(&st, TCR_EL1) = 16 | 16u << 16 | UINT64_C(2) << 30 | UINT64_C(5) << 32;
    SYS(&st, TTBR0_EL1) = SYS(&st, TTBR1_EL1) = TABLES;
    SYS(&st, MAIR_EL1) = 0xff; /* 0 Normal, 1 Device-nGnRnE */
    put64(TABLES, (TABLES + 0x1000) | 3);
    put64(TABLES + 0x1000, (TABLES + 0x2000) | 3);
    put64(TABLES + 0x2000, (TABLES + 0x3000) | 3);
    put64(TABLES + 0x3000 + 8 * (CODE >> 12), leaf);
    put64(TABLES + 0x3000 + 8 * (VECTORS >> 12), VECTORS | 0x403);
}

static void raise(enum esr_ec ec, uint32_t iss)
{
    in.exc.esr = esr_make(ec, iss);
}

static void abort_at(enum esr_ec ec, gva_t far, uint32_t iss)
{
    raise(ec, iss);
    in.exc.far = far;
    in.exc.far_valid = true;
}

/* --- Text ----------------------------------------------------------------------------------------------------------- */

static char text[16384];

/* The text on one line, so that it does not matter where paragraphs were broken. */
static unsigned hints(void)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    const unsigned nr = explain_print_hints(&in, f);
    rewind(f);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const char ch = text[i] == '\n' ? ' ' : text[i];
        if (ch != ' ' || (at && text[at - 1] != ' '))
            text[at++] = ch;
    }
    text[at] = '\0';
    return nr;
}

static void expect_one(const char *part)
{
    const unsigned nr = hints();
    if (nr != 1 || !strstr(text, part))
        fail_msg("%u hints: %s\nexpected one with: %s", nr, text, part);
}

static void page(void)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    explain_print(&in, f);
    rewind(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
}

/* --- Hints ---------------------------------------------------------------------------------------------------------- */

static void test_no_hint(void **state)
{
    (void)state;
    raise(EC_SVC64, 0);
    assert_int_equal(hints(), 0);
    assert_string_equal(text, "");
    page();
    assert_non_null(strstr(text, "None of the usual ones."));
}

static void test_vbar(void **state)
{
    (void)state;
    in.vbar_written = false;
    SYS(&st, VBAR_EL1) = 0;
    raise(EC_SVC64, 0);
    expect_one("VBAR_EL1 was never written, so the exception went to 0x200, where only zeros are.");
    put32(0x200, 0xd503201f);
    expect_one("went to 0x200. Give the guest");
    in.vbar_written = true;
    assert_int_equal(hints(), 0);
    put32(0x200, 0);
    expect_one("VBAR_EL1 is 0x0, but its entry at 0x200 is zeros");
    SYS(&st, VBAR_EL1) = 0x40000000;
    expect_one("its entry at 0x40000200 cannot be fetched");
    pstate_select_sp(&st, 0, 0);
    expect_one("its entry at 0x40000400 cannot be fetched");
    setup(state);
    raise(EC_SVC64, 0);
    in.exc.elr = VECTORS + 0x200;
    expect_one("The exception handler itself faults, at VBAR_EL1 + 0x200");
}

static void test_fp(void **state)
{
    (void)state;
    put32(CODE, 0x9e670000); /* fmov d0, x0 */
    raise(EC_FP_ACCESS, 0x1fe0000 & 0x1ffffff);
    expect_one("An FP or SIMD instruction at 0x10000 while CPACR_EL1.FPEN is 0. Set bits 21:20");
    SYS(&st, CPACR_EL1) = CPACR_EL1_FPEN & -CPACR_EL1_FPEN;
    expect_one("while CPACR_EL1.FPEN is 1.");
}

static void test_cause_before_consequence(void **state)
{
    (void)state;
    put32(CODE, 0x9e670000);
    in.has_cause = true;
    in.cause = (struct explain_exception){.esr = esr_make(EC_FP_ACCESS, 0), .elr = CODE};
    in.exc.elr = VECTORS + 0x200;
    raise(EC_UNKNOWN, 0);
    assert_int_equal(hints(), 2);
    const char *fp = strstr(text, "An FP or SIMD instruction at 0x10000"),
               *handler = strstr(text, "The exception handler itself");
    assert_non_null(fp);
    assert_non_null(handler);
    assert_true(fp < handler);
}

static void test_undefined(void **state)
{
    (void)state;
    raise(EC_UNKNOWN, 0);
    put32(CODE, 0);
    expect_one("The PC, 0x10000, is in zeroed memory");
    put32(CODE, 0xd7ffffff);
    expect_one("The word 0xd7ffffff at 0x10000 is no instruction");
    put32(CODE, 0xd53bf000);
    expect_one("'mrs x0, s3_3_c15_c0_0' is UNDEFINED");
    put32(CODE, 0xd53800a0); /* mrs x0, mpidr_el1, from EL0 */
    expect_one("'mrs x0, mpidr_el1' is UNDEFINED at this exception level");
}

static void test_stack(void **state)
{
    (void)state;
    st.x[REG_SP] = 0x1fff8;
    raise(EC_SP_ALIGN, 0);
    expect_one("The stack pointer, 0x1fff8, is misaligned");
    st.x[REG_SP] = 0x50000000;
    put32(CODE, 0xa9bf7bfd); /* stp x29, x30, [sp, #-16]! */
    abort_at(EC_DABT_SAME, 0x4ffffff0, FSC_EXTERNAL | ISS_DABT_WNR);
    expect_one("The stack pointer, 0x50000000, points outside RAM (physical 0x4ffffff0 is empty)");
    put32(CODE, 0xf9000020); /* str x0, [x1]: by chance near SP */
    expect_one("A store to physical address 0x4ffffff0");
    put32(CODE, 0xa9bf7bfd);
    mmu_on(CODE | 0x403);
    abort_at(EC_DABT_SAME, 0x4ffffff0, FSC_TRANSLATION | 1 | ISS_DABT_WNR);
    expect_one("The stack pointer, 0x50000000, points to an address that is not mapped");
}

static void test_devices(void **state)
{
    (void)state;
    put32(CODE, 0xb9400020); /* ldr w0, [x1] */
    abort_at(EC_DABT_SAME, 0x08010004, FSC_EXTERNAL);
    expect_one("Physical address 0x8010004: the CPU interface of a GICv2.");
    abort_at(EC_DABT_SAME, 0x0a100000, FSC_EXTERNAL);
    expect_one("A load from physical address 0xa100000, where neither memory nor a device is.");
    abort_at(EC_DABT_SAME, 0x0a100000, FSC_EXTERNAL | ISS_DABT_WNR);
    expect_one("A store to physical address 0xa100000");
    in.absent = NULL;
    abort_at(EC_DABT_SAME, 0x08010004, FSC_EXTERNAL);
    expect_one("A load from physical address 0x8010004, where neither");
}

static void test_fetch(void **state)
{
    (void)state;
    in.exc.elr = 0x60000000;
    abort_at(EC_IABT_SAME, 0x60000000, FSC_EXTERNAL);
    expect_one("The PC, 0x60000000, is where no memory is");
    in.exc.elr = 0x09000000;
    abort_at(EC_IABT_SAME, 0x09000000, FSC_EXTERNAL);
    expect_one("The PC, 0x9000000, is in the device pl011@9000000");
    mmu_on(CODE | 0x403);
    in.exc.elr = 0x13000;
    abort_at(EC_IABT_SAME, 0x13000, FSC_TRANSLATION | 3);
    expect_one("The MMU is on and the PC, 0x13000, is not mapped by TTBR0_EL1. The code that sets SCTLR_EL1.M");
    in.exc.elr = UINT64_C(0xffff000000013000);
    abort_at(EC_IABT_SAME, in.exc.elr, FSC_TRANSLATION | 3);
    expect_one("is not mapped by TTBR1_EL1.");
    in.exc.elr = 0x10002;
    abort_at(EC_PC_ALIGN, 0x10002, 0);
    expect_one("The PC, 0x10002, is no multiple of 4");
}

static void test_mapping(void **state)
{
    (void)state;
    mmu_on(CODE | 0x403);
    abort_at(EC_DABT_SAME, 0x10, FSC_TRANSLATION | 3);
    expect_one("A null pointer: 0x10");
    abort_at(EC_DABT_SAME, 0x14000, FSC_TRANSLATION | 3);
    expect_one("0x14000 is not mapped by TTBR0_EL1");
    abort_at(EC_DABT_SAME, 0x14000, FSC_ACCESS_FLAG | 3);
    expect_one("The descriptor at level 3 has AF (bit 10) clear.");
    abort_at(EC_DABT_SAME, 0x14000, FSC_PERMISSION | 3 | ISS_DABT_WNR);
    expect_one("The page of 0x14000 may not be written: AP[2:1] in its descriptor or APTable above it.");
    st.misc |= PSR_PAN;
    abort_at(EC_DABT_SAME, 0x14000, FSC_PERMISSION | 3);
    expect_one("may not be read: AP[2:1] in its descriptor or APTable above it, or PSTATE.PAN");
    abort_at(EC_IABT_SAME, CODE, FSC_PERMISSION | 3);
    expect_one("The page of 0x10000 may not be executed");
    abort_at(EC_DABT_SAME, 0x14000, FSC_EXTERNAL_WALK | 2);
    expect_one("A translation table at level 2 lies where no memory is: TTBR0_EL1");
    abort_at(EC_DABT_SAME, 0x14000, FSC_ADDRESS_SIZE | 1);
    expect_one("An output address at level 1 is beyond TCR_EL1.IPS");
}

static void test_alignment(void **state)
{
    (void)state;
    put32(CODE, 0xf9400020); /* ldr x0, [x1] */
    abort_at(EC_DABT_SAME, 0x10001, FSC_ALIGNMENT);
    expect_one("with the MMU off all data is Device memory");
    mmu_on(CODE | 0x403 | 1 << 2);
    expect_one("its page is mapped as Device memory");
    mmu_on(CODE | 0x403);
    put32(CODE, 0xc85f7c20); /* ldxr x0, [x1] */
    expect_one("or at least lie within 16 aligned bytes");
    SYS(&st, SCTLR_EL1) |= SCTLR_EL1_A;
    expect_one("SCTLR_EL1.A is 1");
    abort_at(EC_DABT_SAME, 0x10001, FSC_UNSUPPORTED_ATOMIC);
    expect_one("An exclusive or atomic access to 0x10001, which is no RAM");
}

static void test_others(void **state)
{
    (void)state;
    raise(EC_ILLEGAL, 0);
    expect_one("An ERET with a bad SPSR_EL1");
    raise(EC_BTI, 2);
    expect_one("0x10000 is in a guarded page");
}

/* --- Syndromes ------------------------------------------------------------------------------------------------------ */

static void test_classes(void **state)
{
    static const uint8_t raised[] = {
        EC_UNKNOWN,       EC_WFX,          EC_FP_ACCESS,     EC_PAC,           EC_BTI,
        EC_ILLEGAL,       EC_SVC64,        EC_HVC64,         EC_SMC64,         EC_SYSREG,
        EC_FPAC,          EC_IABT_LOWER,   EC_IABT_SAME,     EC_PC_ALIGN,      EC_DABT_LOWER,
        EC_DABT_SAME,     EC_SP_ALIGN,     EC_SERROR,        EC_BREAKPT_LOWER, EC_BREAKPT_SAME,
        EC_SOFTSTP_LOWER, EC_SOFTSTP_SAME, EC_WATCHPT_LOWER, EC_WATCHPT_SAME,  EC_BRK64};
    unsigned nr = 0;

    (void)state;
    for (unsigned ec = 0; ec < 64; ec++) {
        const struct esr_class *k = esr_class_of(ec);
        nr += k != NULL;
        assert_true((k != NULL) == (memchr(raised, (int)ec, sizeof(raised)) != NULL));
        if (!k)
            continue;
        /* Fields fall, do not overlap and lie in the ISS. */
        unsigned below = 25;
        for (unsigned i = 0; i < k->nr_fields; i++) {
            assert_true(k->field[i].hi < below);
            assert_true(k->field[i].lo <= k->field[i].hi);
            below = k->field[i].lo;
        }
    }
    assert_int_equal(nr, sizeof(raised));
}

static void test_summaries(void **state)
{
    static const struct {
        uint64_t esr;
        const char *text;
    } known[] = {
        {0x02000000, "Undefined instruction, or no reason given"},
        {0x56000007, "SVC instruction: #0x7"},
        {0x96000006, "Data Abort, from the same level: load, translation fault, level 2"},
        {0x9200004f, "Data Abort, from a lower level: store, permission fault, level 3"},
        {0x86000010, "Instruction Abort, from the same level: external abort, not on a table walk"},
        {0x96000061, "Data Abort, from the same level: store, alignment fault"},
        {0x62300001, "Trapped MSR, MRS or system instruction: read of MIDR_EL1"},
        {0x62100000, "Trapped MSR, MRS or system instruction: write of a system instruction"},
        {0x623ffc1f, "Trapped MSR, MRS or system instruction: read of an unknown register"},
        {0xfe000000, "reserved exception class 0x3f"},
    };
    char s[160];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        esr_summary(known[i].esr, s, sizeof(s));
        assert_string_equal(s, known[i].text);
    }
}

/* --- A whole page --------------------------------------------------------------------------------------------------- */

static const char golden[] =
#include "explain_golden.inc"
    ;

static void test_whole_page(void **state)
{
    static const struct explain_branch branch[] = {{0x10000, 0x10008}, {0xfffc, 0x10000}};

    (void)state;
    mmu_on(CODE | 0x403);
    put32(CODE, 0x14000002);
    put32(CODE + 4, 0xd65f03c0);
    put32(CODE + 8, 0xf9000420); /* str x0, [x1, #8] */
    put32(VECTORS + 0x200, 0xa9bf03e0);
    for (unsigned i = 0; i <= 30; i++)
        st.x[i] = UINT64_C(0x1111111111111111) * (i % 16);
    st.x[1] = 0x8000800000;
    in.vcpu = 3;
    in.has_cause = true;
    in.cause =
        (struct explain_exception){.esr = esr_make(EC_DABT_SAME, FSC_TRANSLATION | 0 | ISS_DABT_WNR),
                                   .elr = CODE + 8,
                                   .far = UINT64_C(0x8000800008),
                                   .far_valid = true};
    in.exc.elr = VECTORS + 0x200;
    abort_at(EC_DABT_SAME, 0x1ffe0, FSC_TRANSLATION | 3 | ISS_DABT_WNR);
    in.branch = branch;
    in.nr_branches = 2;
    st.elr_el[1] = in.exc.elr;
    st.spsr_el[1] = 0x3c5;
    st.nzcv = PSR_Z;
    page();
    const char *dump = getenv("EXPLAIN_DUMP"); /* a file to write the page to, to look at it */
    if (dump) {
        FILE *f = fopen(dump, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
    }
    unsigned column = 0;
    for (const char *p = text; *p; p++) {
        assert_true(*p == '\n' || (*p >= ' ' && *p <= '~'));
        column = *p == '\n' ? 0 : column + 1;
        assert_true(column <= EXPLAIN_COLUMNS);
        assert_false(*p == '\n' && p > text && p[-1] == ' ');
    }
    assert_string_equal(text, golden);
}

/* Made-up nonsense must not hurt: every class and status, addresses at the edges. */
static void test_nonsense(void **state)
{
    static const uint64_t edge[] = {0,
                                    1,
                                    3,
                                    0xfff,
                                    CODE,
                                    RAM_LEN,
                                    UINT64_C(0x7fffffffffffffff),
                                    UINT64_C(0xfffffffffffffffc),
                                    UINT64_MAX};

    (void)state;
    for (unsigned ec = 0; ec < 64; ec++) {
        for (unsigned fsc = 0; fsc < 64; fsc += 1 + fsc % 3) {
            setup(state);
            if (fsc & 1)
                mmu_on(UINT64_MAX);
            const uint64_t at = edge[(ec + fsc) % ARRAY_LEN(edge)];
            in.exc.elr = at;
            abort_at((enum esr_ec)ec, edge[fsc % ARRAY_LEN(edge)],
                     fsc | (fsc & 2 ? ~0x7fu & 0x1ffffff : 0));
            st.x[REG_SP] = at;
            SYS(&st, VBAR_EL1) = at & VBAR_EL1_VBA;
            page();
            for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                assert_true(strlen(line) <= EXPLAIN_COLUMNS);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_no_hint, setup),
        cmocka_unit_test_setup(test_vbar, setup),
        cmocka_unit_test_setup(test_fp, setup),
        cmocka_unit_test_setup(test_cause_before_consequence, setup),
        cmocka_unit_test_setup(test_undefined, setup),
        cmocka_unit_test_setup(test_stack, setup),
        cmocka_unit_test_setup(test_devices, setup),
        cmocka_unit_test_setup(test_fetch, setup),
        cmocka_unit_test_setup(test_mapping, setup),
        cmocka_unit_test_setup(test_alignment, setup),
        cmocka_unit_test_setup(test_others, setup),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_summaries),
        cmocka_unit_test_setup(test_whole_page, setup),
        cmocka_unit_test_setup(test_nonsense, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
