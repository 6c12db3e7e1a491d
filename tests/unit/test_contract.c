/* What --expect, --fail and --script are made of: lines out of a console's bytes, patterns in lines that grow, the language of scripts. */
#include "base/bits.h"
#include "base/err.h"
#include "base/escape.h"
#include "base/transcript.h"
#include "cli/pattern.h"
#include "cli/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- Lines ----------------------------------------------------------------------------------------------------------- */

/* All that comes of the bytes: lines with | behind, the one that has not ended without. In pieces of `piece` bytes. */
static const char *lines_of(const char *bytes, size_t len, size_t piece)
{
    static char out[20000];
    struct transcript *t = calloc(1, sizeof(*t));
    size_t n = 0;

    for (size_t at = 0; at < len;) {
        bool complete;
        const size_t want = MIN(piece, len - at);
        at += transcript_add(t, (const uint8_t *)bytes + at, want, &complete);
        if (!complete)
            continue;
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s|", (int)t->len, t->line);
        transcript_next_line(t);
    }
    snprintf(out + n, sizeof(out) - n, "%.*s", (int)t->len, t->line);
    free(t);
    return out;
}

static void test_lines(void **state)
{
    static const struct {
        const char *bytes, *want;
    } c[] = {
        {"", ""},
        {"a\nb", "a|b"},
        {"\n\n", "||"},
        {"a\r\nb\r\r\n", "a|b|"},
        {"\x1b[0;32m OK \x1b[0m\n", " OK |"},
        {"\x1b[2J\x1b[1;1Hx\x1b(B\x1b=y\x1b[?25hz", "xyz"},
        {"\x1b]0;title\aa\x1b]8;;x\x1b\\b", "ab"},
        {"\x1b\x1b[\x1b[1mx", "x"},
        /* A sequence that a line's end comes into is over. */
        {"a\x1b[12\nb\x1b]x\nc\x1b\nd", "a|b|c|d"},
        {"tab\there\a\b\x7f\x01.", "tab\there."},
        {"gr\xc3\xbc\xc3\x9f\xff\n", "gr\xc3\xbc\xc3\x9f\xff|"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        for (size_t piece = 1; piece < 20; piece += 6)
            assert_string_equal(lines_of(c[i].bytes, strlen(c[i].bytes), piece), c[i].want);
    assert_string_equal(lines_of("a\0b\n", 4, 4), "ab|");
}

static void test_long_lines(void **state)
{
    enum { LEN = TRANSCRIPT_LINE };
    char bytes[LEN + 600];

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    /* Exactly as long as it may be, and its end. */
    memcpy(bytes + LEN, "\r\ny", 3);
    assert_string_equal(strchr(lines_of(bytes, LEN + 3, 1000), '|'), "|y");
    /* One more begins another line. */
    bytes[LEN] = 'z';
    assert_string_equal(strchr(lines_of(bytes, LEN + 3, 77), '|'), "|z|y");
    /* What pretends to be an escape sequence does not hide what follows for ever. */
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "\x1b]", 2);
    memcpy(bytes + 500, "seen", 4);
    assert_non_null(strstr(lines_of(bytes, 600, 600), "seen"));
}

static void test_tail(void **state)
{
    struct transcript *t = calloc(1, sizeof(*t));
    bool complete;

    (void)state;
    char *tail = transcript_tail(t, 3);
    assert_string_equal(tail, "");
    free(tail);
    for (unsigned i = 0; i < 5000; i++) {
        char line[32];
        const int n = snprintf(line, sizeof(line), "line %u\n", i);
        transcript_add(t, (const uint8_t *)line, (size_t)n, &complete);
        assert_true(complete);
        transcript_next_line(t);
    }
    tail = transcript_tail(t, 2);
    assert_string_equal(tail, "line 4998\nline 4999\n");
    free(tail);
    transcript_add(t, (const uint8_t *)"$ ", 2, &complete);
    tail = transcript_tail(t, 2);
    assert_string_equal(tail, "line 4999\n$ ");
    free(tail);
    /* More lines than are kept. */
    tail = transcript_tail(t, 100000);
    assert_true(strlen(tail) <= TRANSCRIPT_TAIL + 2);
    assert_string_equal(tail + strlen(tail) - 12, "line 4999\n$ ");
    free(tail);
    free(t);
}

/* --- Patterns -------------------------------------------------------------------------------------------------------- */

static size_t find(const char *regex, const char *text, size_t from, bool complete)
{
    struct pattern *p;
    struct err e = {0};
    char line[256];

    snprintf(line, sizeof(line), "%s", text);
    if (pattern_create(&p, regex, &e))
        fail_msg("%s", e.text);
    const size_t end = pattern_find(p, line, strlen(line), from, complete);
    assert_string_equal(line, text);
    pattern_destroy(p);
    return end;
}

static void test_patterns(void **state)
{
    (void)state;
    assert_int_equal(find("login: ", "host login: ", 0, false), 12);
    assert_int_equal(find("login: ", "host login:", 0, true), PATTERN_NONE);
    /* Where it is first complete, not the longest. */
    assert_int_equal(find("a+", "xaaa", 0, true), 2);
    assert_int_equal(find("(ab|abcd)", "abcd", 0, true), 2);
    assert_int_equal(find("x.*y", "x1y2y", 0, false), 3);
    /* The end of a line is known when it has come, its beginning always. */
    assert_int_equal(find("foo$", "foo", 0, false), PATTERN_NONE);
    assert_int_equal(find("foo$", "foo", 0, true), 3);
    assert_int_equal(find("^$", "", 0, true), 0);
    assert_int_equal(find("^foo", "foo", 0, false), 3);
    assert_int_equal(find("^b", "ab", 1, true), PATTERN_NONE);
    assert_int_equal(find("(a$|b)", "ab", 0, true), 2);
    /* Only behind what was found before. */
    assert_int_equal(find("a", "aba", 1, false), 3);
    assert_int_equal(find("a", "ab", 1, false), PATTERN_NONE);
    assert_int_equal(find("\\$ $", "$ ", 0, true), 2);
    assert_int_equal(find("\xff", "a\xff", 0, true), 2);
}

static void test_bad_patterns(void **state)
{
    static const struct {
        const char *regex, *why;
    } c[] = {
        {"", "matches where there is no text"},
        {"a*", "matches where there is no text"},
        {"^", "matches where there is no text"},
        {"(x|)", ""},
        {"(", "no extended regular expression"},
        {"[a", "no extended regular expression"},
        {"(a)\\1", "back references"},
        {"[]\\1](b)\\9", "back references"},
        {"[[:alpha:]\\1](b)\\2", "back references"},
        {"((a{50}){50}){50}", "too many"},
        {"((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+", "too many"},
        {"(abcdefghij){3000}", "too many"},
        {"x(a?){9000}", "too many"}, /* 626 MiB */
        {"a++", "a repetition of a repetition"},
        {"a*{3}", "a repetition of a repetition"},
        {"(a+)*?", "a repetition of a repetition"},
        {"a{99999999999999999999}", "too many"},
    };
    static const char *const good[] = {"[\\1]",
                                       "[]\\1]",
                                       "[^]\\1]",
                                       "[[:alpha:]\\1]",
                                       "\\\\1",
                                       "[[.].]\\1]",
                                       "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
                                       "[{500}{500}]",
                                       "\\{500\\{500",
                                       "(a+b+)+c+d+e+f+g+h+i+j+k+l+m+n+o+p+",
                                       "x(a*)+(b+)*",
                                       "a{1,200}b{200}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        struct pattern *p = NULL;
        struct err e = {0};
        assert_int_equal(pattern_create(&p, c[i].regex, &e), -22);
        assert_non_null(strstr(e.text, c[i].why));
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct pattern *p;
        struct err e = {0};
        assert_int_equal(pattern_create(&p, good[i], &e), 0);
        pattern_destroy(p);
    }
}

/* Whatever the pattern, the answer is that of looking at each prefix in turn. */
static void test_patterns_as_the_line_grows(void **state)
{
    static const char *const regex[] = {"ab",     "a[ab]*b",  "(a|b)(b|c)$", "^b",
                                        "c.{2}a", "[^a]b|ac", "aa$|bbb"};
    uint32_t random = 1;

    (void)state;
    for (unsigned round = 0; round < 300; round++)
        for (size_t i = 0; i < ARRAY_LEN(regex); i++) {
            char text[12];
            const size_t len = round % (sizeof(text) - 1);
            for (size_t k = 0; k < len; k++) {
                random = random * 1664525 + 1013904223;
                text[k] = (char)('a' + (random >> 24) % 3);
            }
            text[len] = 0;
            size_t want = PATTERN_NONE;
            for (size_t k = 1; k <= len && want == PATTERN_NONE; k++) {
                const char saved = text[k];
                text[k] = 0;
                if (find(regex[i], text, 0, false) != PATTERN_NONE)
                    want = k;
                text[k] = saved;
            }
            assert_int_equal(find(regex[i], text, 0, false), want);
            const size_t whole = find(regex[i], text, 0, true);
            assert_true(whole == want || (want == PATTERN_NONE && whole == len));
        }
}

/* --- Scripts --------------------------------------------------------------------------------------------------------- */

static int parse(struct script *s, const char *text, struct err *e)
{
    *e = (struct err){0};
    return script_parse(s, "f", text, strlen(text), e);
}

static void test_script(void **state)
{
    struct script s;
    struct err e;
    (void)state;
    const int r = parse(&s,
                        "# a comment\n"
                        "\n"
                        "expect /a\\/b # c/   # behind it\r\n"
                        "timeout 2.5\n"
                        "\tsend \"x # \\\"\\\\\\n\\r\\t\\e\\0\\x7f\\xC3\" # y\n"
                        "fail /\\(\\\\/\n"
                        "expect 7 /c/\n"
                        "expect /d/\n"
                        "end",
                        &e);
    if (r)
        fail_msg("%s", e.text);
    assert_int_equal(s.nr_steps, 6);
    const struct script_step *p = s.step;
    assert_int_equal(p[0].kind, SCRIPT_EXPECT);
    assert_int_equal(p[0].line, 3);
    assert_int_equal(p[0].timeout_ns, UINT64_C(60000000000));
    assert_string_equal(p[0].source, "expect /a\\/b # c/");
    assert_int_equal(p[1].kind, SCRIPT_SEND);
    assert_int_equal(p[1].text_len, 13);
    assert_memory_equal(p[1].text, "x # \"\\\n\r\t\x1b\0\x7f\xc3", 13);
    assert_int_equal(p[2].kind, SCRIPT_FAIL);
    assert_int_equal(p[3].timeout_ns, UINT64_C(7000000000));
    assert_int_equal(p[4].timeout_ns, UINT64_C(2500000000));
    assert_int_equal(p[5].kind, SCRIPT_END);
    assert_int_equal(p[5].line, 9);
    assert_int_equal(p[5].timeout_ns, UINT64_C(2500000000));
    char line[] = "x a/b # c";
    assert_int_equal(pattern_find(p[0].pattern, line, strlen(line), 0, false), 9);
    char other[] = "(\\";
    assert_int_equal(pattern_find(p[2].pattern, other, 2, 0, false), 2);
    script_free(&s);
}

static void test_bad_scripts(void **state)
{
    static const struct {
        const char *text, *why;
    } c[] = {
        {"", "f:1: it awaits nothing"},
        {"# x\n\n", "f:2: it awaits nothing"},
        {"fail /x/\n", "f:1: it awaits nothing"},
        {"expect /x/\nsend \"y\"\nfail /z/\n", "nothing is awaited after the last"},
        {"expcet /x/", "f:1: \"expcet\" is not one of"},
        {"\nexpect x", "f:2: here has to be a regular expression"},
        {"expect", "f:1: here has to be a regular expression"},
        {"expect /x", "f:1: the slash at the end"},
        {"expect /x\\/", "f:1: the slash at the end"},
        {"expect //", "f:1: \"\" matches where there is no text"},
        {"expect /(/", "f:1: \"(\" is no extended"},
        {"expect 5x /x/", "f:1: \"5x\" is not a number of seconds"},
        {"expect 0 /x/", "f:1: must be more than 0"},
        {"expect 1e3 /x/", "is not a number of seconds"},
        {"expect /x/ /y/", "f:1: \"/y/\" is too much"},
        {"timeout\nexpect /x/", "f:1: \"\" is not a number"},
        {"timeout 5 6\nexpect /x/", "f:1: \"6\" is too much"},
        {"send x\nend", "f:1: here has to be a text in quotes"},
        {"send \"x\nend", "f:1: the quote at the end"},
        {"send \"x\\\"\nend", "f:1: the quote at the end"},
        {"send \"\"\nend", "f:1: the text is empty"},
        {"send \"\\q\"\nend", "f:1: the escapes"},
        {"send \"\\x1\"\nend", "f:1: the escapes"},
        {"send \"\\", "f:1: the escapes"},
        {"end\nexpect /x/", "f:2: nothing can come behind"},
        {"averyveryverylongwordindeed", "f:1: "},
    };
    struct script s;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        assert_true(parse(&s, c[i].text, &e) < 0);
        if (!strstr(e.text, c[i].why))
            fail_msg("\"%s\": %s", c[i].text, e.text);
    }
    assert_int_equal(script_parse(&s, "f", "end\0\n", 5, &e), -22);
    assert_non_null(strstr(e.text, "zero byte"));
    char *large = malloc(5000);
    memset(large, ' ', 5000);
    assert_int_equal(script_parse(&s, "f", large, 5000, &e), -22);
    assert_non_null(strstr(e.text, "f:1: the line has more than 4095 bytes"));
    free(large);
}

/* --- Reports --------------------------------------------------------------------------------------------------------- */

static const char *written(bool xml, bool attribute, const char *text, size_t len)
{
    static char buf[256];
    memset(buf, 0, sizeof(buf));
    FILE *f = fmemopen(buf, sizeof(buf), "w");
    if (xml)
        xml_put_text(f, text, len, attribute);
    else
        json_put_text(f, text, len);
    fclose(f);
    return buf;
}

#define U_FFFD "\xef\xbf\xbd"

static void test_escapes(void **state)
{
    /* Overlong, a surrogate, beyond the last, cut, a lone continuation. */
    static const char *const bad[] = {"\xc0\x80",         "\xe0\x80\xaf", "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80", "\xff",         "\x80"};
    static const char good[] = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80";
    (void)state;
    assert_string_equal(written(false, false, good, strlen(good)),
                        "\"a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"");
    assert_string_equal(written(true, false, good, strlen(good)), good);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char want[64] = "";
        for (size_t k = 0; k < strlen(bad[i]); k++)
            strcat(want, U_FFFD);
        assert_string_equal(written(true, false, bad[i], strlen(bad[i])), want);
    }
    assert_string_equal(written(true, false, "\xe2\x82", 2), U_FFFD U_FFFD);
    assert_string_equal(written(false, false, "a\0\x1b\"\\\n\x7f", 7),
                        "\"a\\u0000\\u001b\\\"\\\\\\n\x7f\"");
    assert_string_equal(written(true, false, "<&>\"'\n\t\r\0\x1b]]>", 13),
                        "&lt;&amp;&gt;&quot;'\n\t&#13;" U_FFFD U_FFFD "]]&gt;");
    assert_string_equal(written(true, true, "a\n\t\r", 4), "a&#10;&#9;&#13;");
    assert_string_equal(written(true, false, "\xef\xbf\xbe\xef\xbf\xbd", 6), U_FFFD U_FFFD);
    FILE *f = tmpfile();
    json_put_string(f, NULL);
    assert_int_equal(ftell(f), 4);
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_tail),         cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_bad_patterns), cmocka_unit_test(test_patterns_as_the_line_grows),
        cmocka_unit_test(test_script),       cmocka_unit_test(test_bad_scripts),
        cmocka_unit_test(test_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
