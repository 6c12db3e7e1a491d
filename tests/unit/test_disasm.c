/* The disassembler: known words, cut buffers, and random words of every row against objdump, an independent implementation.
 *
 * Where objdump for AArch64 is not there, the comparison is skipped, and says so. */
#include "arch/sysreg.h"
#include "base/bits.h"
#include "cpu/insn.h"

#include "gen/a64_rows.h"

#include <ctype.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- Known words ---------------------------------------------------------------------------------------------------- */

#define PC UINT64_C(0xffff800008123ff8)

static void test_known(void **state)
{
    static const struct {
        uint32_t word;
        const char *text;
    } known[] = {
        {0x00000000, "udf #0x0"},
        {0xffffffff, ".inst 0xffffffff"},
        {0xd7ffffff, ".inst 0xd7ffffff"},
        {0xd503201f, "nop"},
        {0xd65f03c0, "ret"},
        {0xd65f0020, "ret x1"},
        {0xd69f03e0, "eret"},
        {0xd4000001, "svc #0x0"},
        {0xd4200020, "brk #0x1"},
        {0x910003fd, "mov x29, sp"},
        {0x9100407f, "add sp, x3, #0x10"},
        {0x91401020, "add x0, x1, #0x4, lsl #12"},
        {0xf100041f, "cmp x0, #0x1"},
        {0x31000fff, "cmn wsp, #0x3"},
        {0xaa0103e0, "mov x0, x1"},
        {0xd2800540, "mov x0, #0x2a"},
        {0x92800000, "mov x0, #0xffffffffffffffff"},
        {0x12800000, "mov w0, #0xffffffff"},
        {0xd2a00000, "movz x0, #0x0, lsl #16"},
        {0xf2a24680, "movk x0, #0x1234, lsl #16"},
        {0xb200c3e0, "mov x0, #0x101010101010101"},
        {0x92401c00, "and x0, x0, #0xff"},
        {0xf240001f, "tst x0, #0x1"},
        {0xd37ef420, "lsl x0, x1, #2"},
        {0x53017c20, "lsr w0, w1, #1"},
        {0x93407c20, "sxtw x0, w1"},
        {0x53001c20, "uxtb w0, w1"},
        {0xd3441c20, "ubfx x0, x1, #4, #4"},
        {0xb37c0c20, "bfi x0, x1, #4, #4"},
        {0x9a9f17e0, "cset x0, eq"},
        {0x9a811420, "cinc x0, x1, eq"},
        {0x9b027c20, "mul x0, x1, x2"},
        {0x8b22cbff, "add sp, sp, w2, sxtw #2"},
        {0x8b2263ff, "add sp, sp, x2"},
        {0xf9400be0, "ldr x0, [sp, #16]"},
        {0xb9400020, "ldr w0, [x1]"},
        {0x38626820, "ldrb w0, [x1, x2]"},
        {0x38627820, "ldrb w0, [x1, x2, lsl #0]"},
        {0xb8a2d820, "ldrsw x0, [x1, w2, sxtw #2]"},
        {0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"},
        {0xa8c17bfd, "ldp x29, x30, [sp], #16"},
        {0xc85ffc20, "ldaxr x0, [x1]"},
        {0x48207c82, "casp x0, x1, x2, x3, [x4]"},
        {0xb820003f, "stadd w0, [x1]"},
        {0xf8e00041, "ldaddal x0, x1, [x2]"},
        {0xf9800020, "prfm pldl1keep, [x1]"},
        {0xd5033f9f, "dsb sy"},
        {0xd5033b9f, "dsb ish"},
        {0xd5033fdf, "isb"},
        {0xd50342df, "msr daifset, #0x2"},
        {0xd518c000, "msr vbar_el1, x0"},
        {0xd5380001, "mrs x1, midr_el1"},
        {0xd53bf000, "mrs x0, s3_3_c15_c0_0"},
        {0xd508871f, "tlbi vmalle1"},
        {0xd5088323, "tlbi vae1is, x3"},
        {0xd50b7421, "dc zva, x1"},
        {0xd50b7000, "sys #3, C7, C0, #0, x0"},
        {0xd503233f, "paciasp"},
        {0xd503245f, "bti c"},
        {0xf8201c20, "ldraa x0, [x1, #8]!"},
        {0x14000002, "b 0xffff800008124000"},
        {0x97ffffff, "bl 0xffff800008123ff4"},
        {0x54000040, "b.eq 0xffff800008124000"},
        {0xb4000040, "cbz x0, 0xffff800008124000"},
        {0xb6f80040, "tbz x0, #63, 0xffff800008124000"},
        {0x10000040, "adr x0, 0xffff800008124000"},
        {0xb0000000, "adrp x0, 0xffff800008124000"},
        {0x58000040, "ldr x0, 0xffff800008124000"},
        {0x3dc00000, "ldr q0, [x0]"},
        {0x3c627820, "ldr b0, [x1, x2, lsl #0]"},
        {0x3ce2d820, "ldr q0, [x1, w2, sxtw #4]"},
        {0xad400440, "ldp q0, q1, [x2]"},
        {0x4c40a01f, "ld1 {v31.16b, v0.16b}, [x0]"},
        {0x4c406000, "ld1 {v0.16b-v2.16b}, [x0]"},
        {0x0d40281e, "ld3 {v30.b, v31.b, v0.b}[2], [x0]"},
        {0x0dffe004, "ld4r {v4.8b-v7.8b}, [x0], #4"},
    };
    char text[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const size_t n = a64_disassemble(known[i].word, PC, text, sizeof(text));
        if (strcmp(text, known[i].text))
            fail_msg("0x%08x: got '%s', want '%s'", known[i].word, text, known[i].text);
        assert_int_equal(n, strlen(text));
    }
}

static void test_short_buffer(void **state)
{
    static const char whole[] = "stp x29, x30, [sp, #-16]!";
    char text[64];

    (void)state;
    for (size_t len = 0; len <= sizeof(whole); len++) {
        memset(text, '#', sizeof(text));
        assert_int_equal(a64_disassemble(0xa9bf7bfd, 0, text, len), strlen(whole));
        if (len) {
            assert_memory_equal(text, whole, len - 1);
            assert_int_equal(text[len - 1], len > strlen(whole) ? '\0' : text[len - 1]);
            assert_int_equal(text[MIN(len - 1, strlen(whole))], '\0');
        }
        assert_int_equal(text[len], '#');
    }
}

/* --- Against objdump ------------------------------------------------------------------------------------------------ */

static uint64_t rng_state = 0x9e3779b97f4a7c15;

static uint32_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (uint32_t)(rng_state >> 20);
}

/* A word of the row, or of a row over it. Register 31 and zero fields come often: aliases hang on them. */
static uint32_t random_word(unsigned row)
{
    const struct a64_row_info *r = &a64_rows[row];

    for (;;) {
        uint32_t word = rng();
        const uint32_t luck = rng();
        if (luck & 1)
            word |= 0x1f;
        if ((luck & 6) == 6)
            word |= 0x1f << 5;
        if ((luck & 0x18) == 0x18)
            word |= 0x1f << 16;
        if ((luck & 0x60) == 0x60)
            word &= ~(0x3fu << 10);
        if ((luck & 0x180) == 0x180)
            word |= 0x1fu << 10;
        if ((luck & 0x600) == 0x600)
            word = (word & ~(0x1fu << 16)) | (word >> 5 & 0x1f) << 16;
        if ((luck & 0x1800) == 0x1800)
            word &= ~(0xfffu << 10);
        if (row == A64_ROW_MSR_SR_systemmove || row == A64_ROW_MRS_RS_systemmove) {
            if (luck & 0x2000)
                word = (word & 31) | (uint32_t)sysreg_table[rng() % sysreg_table_len].encoding << 5;
        } else if (row == A64_ROW_SYS_CR_systeminstrs && (luck & 0x2000)) {
            const unsigned op1 = luck & 0x4000 ? 3 : 0, crn = luck & 0x8000 ? 8 : 7;
            word = op1 << 16 | crn << 12 | (word & 0xfff);
            if (luck & 0x20000)
                word |= 0x1f;
        }
        word = (word & ~(r->mask | r->should_mask)) | r->value | r->should_value;
        if (a64_find_row(word) == row || (rng() & 0xff) == 0)
            return word;
    }
}

/* What objdump writes otherwise, on purpose or for want of knowledge. Each was looked up in the manual. */
static bool differs_on_purpose(unsigned row, uint32_t word, const char *theirs)
{
    switch (row) {
    /* objdump names registers and operations that this CPU does not have, and has other spellings for unnamed ones. */
    case A64_ROW_MSR_SR_systemmove:
    case A64_ROW_MRS_RS_systemmove: {
        char ours[128];
        a64_disassemble(word, 0, ours, sizeof(ours));
        /* DBGDTRRX_EL0 and DBGDTRTX_EL0 are one encoding, named by the direction; the table has one name. */
        return strstr(ours, "s2_") || strstr(ours, "s3_") || strstr(ours, "dbgdtrrx");
    }
    case A64_ROW_SYS_CR_systeminstrs: {
        char ours[128];
        a64_disassemble(word, 0, ours, sizeof(ours));
        return !strncmp(ours, "sys ", 4) || strstr(theirs, "sys\t");
    }
    /* The manual shows MOV only where MoveWidePreferred() is false, SP or not. */
    case A64_ROW_ORR_log_imm: return (word & 0x3ff) == 0x3ff && strstr(theirs, "mov");
    /* CLEARBHB and the like are of later versions. */
    case A64_ROW_HINT_HM_hints: return strncmp(theirs, "hint", 4) != 0;
    /* SMSTART, SMSTOP: FEAT_SME. */
    case A64_ROW_MSR_SI_pstate: return !strncmp(theirs, "sm", 2);
    /* CONSTRAINED UNPREDICTABLE, which objdump shows as undefined for this load alone. */
    case A64_ROW_LDPSW_ldstpair_post:
    case A64_ROW_LDPSW_ldstpair_pre:
    case A64_ROW_LDPSW_ldstpair_off: return strstr(theirs, "undefined") != NULL;
    default: return false;
    }
}

/* One spelling: no comment, single blanks, no blank behind commas, numbers as 64-bit hexadecimal. */
static void normalise(const char *in, char *out, size_t len)
{
    size_t at = 0;
    const char *end = strstr(in, "//");

    if (!end)
        end = in + strlen(in);
    while (end > in && isspace((unsigned char)end[-1]))
        end--;
    while (in < end && at + 24 < len) {
        const bool fresh = at == 0 || !isalnum((unsigned char)out[at - 1]);
        char *past;
        if (isspace((unsigned char)*in)) {
            if (at && out[at - 1] != ' ' && out[at - 1] != ',')
                out[at++] = ' ';
            in++;
        } else if (fresh && out[at ? at - 1 : 0] != '_' &&
                   (isdigit((unsigned char)*in) || (*in == '-' && isdigit((unsigned char)in[1])))) {
            at += (size_t)snprintf(out + at, len - at, "0x%" PRIx64,
                                   *in == '-' ? (uint64_t)strtoll(in, &past, 0)
                                              : (uint64_t)strtoull(in, &past, 0));
            in = past;
        } else {
            out[at++] = (char)tolower((unsigned char)*in++);
        }
    }
    out[at] = '\0';
}

#define WORDS_PER_ROW 400

static void test_against_objdump(void **state)
{
    static const char objdump[] = "aarch64-linux-gnu-objdump";
    const unsigned nr = A64_NR_ROWS * WORDS_PER_ROW;
    char path[] = "/tmp/vibe_disasm_XXXXXX", command[256], line[512];
    uint32_t *words = calloc(nr, sizeof(*words));
    unsigned seen = 0, wrong = 0, excused = 0;
    unsigned compared[A64_NR_ROWS] = {0};

    (void)state;
    assert_non_null(words);
    snprintf(command, sizeof(command), "%s --version >/dev/null 2>&1", objdump);
    if (system(command)) {
        fprintf(stderr, "SKIPPED: no %s (Debian: binutils-aarch64-linux-gnu), disassembly not compared\n",
                objdump);
        free(words);
        skip();
    }
    for (unsigned i = 0; i < nr; i++)
        words[i] = random_word(i / WORDS_PER_ROW);
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(words, sizeof(*words), nr, f), nr);
    fclose(f);
    snprintf(command, sizeof(command), "%s -D -z -b binary -m aarch64 %s", objdump, path);
    f = popen(command, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        uint64_t pc;
        uint32_t word;
        int at = 0;
        if (sscanf(line, " %" SCNx64 ":\t%" SCNx32 " %n", &pc, &word, &at) != 2 || !at)
            continue;
        assert_int_equal(pc, 4 * (uint64_t)seen);
        assert_int_equal(word, words[seen]);
        seen++;
        const unsigned row = a64_find_row(word);
        char ours[128], a[256], b[256];
        a64_disassemble(word, pc, ours, sizeof(ours));
        normalise(ours, a, sizeof(a));
        normalise(line + at, b, sizeof(b));
        if (row == A64_ROW_NONE) { /* a feature that this CPU does not have, perhaps */
            excused++;
            continue;
        }
        if (!strcmp(a, b)) {
            compared[row]++;
        } else if (differs_on_purpose(row, word, line + at)) {
            excused++;
        } else if (wrong++ < 100) {
            fprintf(stderr, "0x%08x %s: ours '%s', objdump '%s'\n", word, a64_row_name[row], a, b);
        }
    }
    assert_int_equal(pclose(f), 0);
    unlink(path);
    free(words);
    assert_int_equal(seen, nr);
    printf("%u words compared, %u excused\n", nr - excused, excused);
    assert_int_equal(wrong, 0);
    for (unsigned row = 0; row < A64_NR_ROWS; row++)
        if (!compared[row] && row != A64_ROW_SYSL_RC_systeminstrs)
            fail_msg("%s was never compared", a64_row_name[row]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_short_buffer),
        cmocka_unit_test(test_against_objdump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
