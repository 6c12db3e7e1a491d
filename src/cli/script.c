/* The parser of --script files. Pure; before any thread starts. The language: docs/ci.md. */
#include "cli/script.h"

#include "base/bits.h"
#include "base/err.h"
#include "cli/options_internal.h"
#include "cli/pattern.h"
#include "load/load.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENT_LEN 4096u

/* One line of the file, which is copied and terminated, and what has been read of it. */
struct reader {
    const char *p;
    uint64_t timeout_ns; /* of what follows without one of its own */
    bool ended;          /* there was an end */
};

static void skip_blanks(struct reader *r)
{
    while (*r->p == ' ' || *r->p == '\t')
        r->p++;
}

/* Nothing more but a comment. */
static int at_end(struct reader *r, struct err *e)
{
    skip_blanks(r);
    if (!*r->p || *r->p == '#')
        return 0;
    return err_set(e, EINVAL, "\"%.40s\" is too much here", r->p);
}

/* Up to a blank, as a string of its own. */
static int read_word(struct reader *r, char *word, size_t room, struct err *e)
{
    const size_t len = strcspn(r->p, " \t#");

    if (len >= room)
        return err_set(e, EINVAL, "\"%.40s\" is too long", r->p);
    memcpy(word, r->p, len);
    word[len] = 0;
    r->p += len;
    skip_blanks(r);
    return 0;
}

static int read_seconds(struct reader *r, uint64_t *ns, struct err *e)
{
    char word[32];
    const int n = read_word(r, word, sizeof(word), e);
    return n ? n : option_parse_seconds(word, ns, e);
}

/* SECONDS, if there are any, else what is usual. */
static int read_timeout(struct reader *r, uint64_t *ns, struct err *e)
{
    *ns = r->timeout_ns;
    return isdigit((unsigned char)*r->p) ? read_seconds(r, ns, e) : 0;
}

/* /REGEX/, with \/ for a slash in it. */
static int read_pattern(struct reader *r, struct pattern **p, struct err *e)
{
    char regex[STATEMENT_LEN];
    size_t len = 0;

    if (*r->p != '/')
        return err_set(e, EINVAL, "here has to be a regular expression between slashes, as /login: /");
    for (r->p++; *r->p && *r->p != '/'; r->p++) {
        if (r->p[0] == '\\' && r->p[1] == '/')
            r->p++;
        else if (r->p[0] == '\\' && r->p[1])
            regex[len++] = *r->p++;
        regex[len++] = *r->p;
    }
    if (!*r->p++)
        return err_set(e, EINVAL, "the slash at the end of the regular expression is missing");
    regex[len] = 0;
    return pattern_create(p, regex, e);
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10
                                        : -1;
}

/* What stands behind a backslash; the byte, or -1. */
static int read_escape(struct reader *r)
{
    static const char names[] = "nrte0\\\"", values[] = "\n\r\t\x1b\0\\\"";
    const char c = *r->p++;
    const char *name = c ? strchr(names, c) : NULL;

    if (name)
        return (unsigned char)values[name - names];
    if (c != 'x' || hex_digit(r->p[0]) < 0 || hex_digit(r->p[1]) < 0)
        return -1;
    r->p += 2;
    return hex_digit(r->p[-2]) << 4 | hex_digit(r->p[-1]);
}

/* "TEXT", with escapes. */
static int read_text(struct reader *r, char **text, size_t *text_len, struct err *e)
{
    char buf[STATEMENT_LEN];
    size_t len = 0;

    if (*r->p != '"')
        return err_set(e, EINVAL, "here has to be a text in quotes, as \"root\\n\"");
    for (r->p++; *r->p && *r->p != '"';) {
        int c = (unsigned char)*r->p++;
        if (c == '\\' && (c = read_escape(r)) < 0)
            return err_set(e, EINVAL, "the escapes in a text are \\n \\r \\t \\e \\0 \\xHH \\\\ and \\\"");
        buf[len++] = (char)c;
    }
    if (*r->p++ != '"')
        return err_set(e, EINVAL, "the quote at the end of the text is missing");
    if (!len)
        return err_set(e, EINVAL, "the text is empty");
    *text = malloc(len);
    if (!*text)
        return err_set(e, ENOMEM, "out of memory");
    memcpy(*text, buf, len);
    *text_len = len;
    return 0;
}

/* --- Statements ------------------------------------------------------------------------------------------------------ */

static int read_expect(struct reader *r, struct script_step *s, struct err *e)
{
    const int n = read_timeout(r, &s->timeout_ns, e);
    return n ? n : read_pattern(r, &s->pattern, e);
}

static int read_fail(struct reader *r, struct script_step *s, struct err *e)
{
    return read_pattern(r, &s->pattern, e);
}

static int read_send(struct reader *r, struct script_step *s, struct err *e)
{
    return read_text(r, &s->text, &s->text_len, e);
}

static int read_end(struct reader *r, struct script_step *s, struct err *e)
{
    r->ended = true;
    return read_timeout(r, &s->timeout_ns, e);
}

static const struct {
    const char *word;
    enum script_kind kind;
    int (*read)(struct reader *r, struct script_step *s, struct err *e);
} statements[] = {
    {"expect", SCRIPT_EXPECT, read_expect},
    {"send", SCRIPT_SEND, read_send},
    {"fail", SCRIPT_FAIL, read_fail},
    {"end", SCRIPT_END, read_end},
};

static void free_step(struct script_step *s)
{
    pattern_destroy(s->pattern);
    free(s->text);
    free(s->source);
}

/* Room for one more, zeroed; it counts once nr_steps does. */
static struct script_step *next_step(struct script *s, struct err *e)
{
    if (s->nr_steps == SCRIPT_MAX_STEPS) {
        err_set(e, E2BIG, "more than %u statements", SCRIPT_MAX_STEPS);
        return NULL;
    }
    if (is_pow2(s->nr_steps) || !s->nr_steps) {
        struct script_step *more =
            realloc(s->step, sizeof(*more) * (s->nr_steps ? 2 * (size_t)s->nr_steps : 1));
        if (!more) {
            err_set(e, ENOMEM, "out of memory");
            return NULL;
        }
        s->step = more;
    }
    s->step[s->nr_steps] = (struct script_step){0};
    return &s->step[s->nr_steps];
}

/* As it is written, without what is around it. */
static char *copy_source(const char *from, const char *to)
{
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    char *copy = malloc((size_t)(to - from) + 1);
    if (copy) {
        memcpy(copy, from, (size_t)(to - from));
        copy[to - from] = 0;
    }
    return copy;
}

static int read_statement(struct script *s, struct reader *r, unsigned line, struct err *e)
{
    const char *start = r->p;
    char word[16];
    unsigned i = 0;
    int n = read_word(r, word, sizeof(word), e);

    if (n)
        return n;
    if (r->ended)
        return err_set(e, EINVAL, "nothing can come behind \"end\"");
    if (!strcmp(word, "timeout"))
        return (n = read_seconds(r, &r->timeout_ns, e)) ? n : at_end(r, e);
    while (i < ARRAY_LEN(statements) && strcmp(statements[i].word, word) != 0)
        i++;
    if (i == ARRAY_LEN(statements))
        return err_set(e, EINVAL, "\"%s\" is not one of expect, send, fail, timeout, end", word);
    struct script_step *step = next_step(s, e);
    if (!step)
        return -ENOMEM;
    step->line = line;
    step->kind = statements[i].kind;
    n = statements[i].read(r, step, e);
    if (!n) {
        step->source = copy_source(start, r->p);
        n = step->source ? at_end(r, e) : err_set(e, ENOMEM, "out of memory");
    }
    if (n)
        free_step(step);
    else
        s->nr_steps++;
    return n;
}

static int read_line(struct script *s, struct reader *r, const char *text, size_t len,
                     unsigned line, struct err *e)
{
    char copy[STATEMENT_LEN];

    if (len && text[len - 1] == '\r')
        len--;
    if (len >= sizeof(copy))
        return err_set(e, EINVAL, "the line has more than %u bytes", STATEMENT_LEN - 1);
    if (memchr(text, 0, len))
        return err_set(e, EINVAL, "a zero byte; \\0 in a text stands for one");
    memcpy(copy, text, len);
    copy[len] = 0;
    r->p = copy;
    skip_blanks(r);
    const int n = *r->p && *r->p != '#' ? read_statement(s, r, line, e) : 0;
    r->p = NULL;
    return n;
}

/* Where nothing more is awaited the run is over: whatever was sent last would not even be read. */
static int check_last(const struct script *s, struct err *e)
{
    unsigned n = s->nr_steps;

    while (n && s->step[n - 1].kind == SCRIPT_FAIL)
        n--;
    if (!n)
        return err_set(e, EINVAL, "it awaits nothing; write \"expect\" or \"end\"");
    if (s->step[n - 1].kind == SCRIPT_SEND)
        return err_set(e, EINVAL,
                       "nothing is awaited after the last \"send\"; write \"expect\" or \"end\"");
    return 0;
}

int script_parse(struct script *s, const char *name, const char *text, size_t len, struct err *e)
{
    struct reader r = {.timeout_ns = SCRIPT_DEFAULT_TIMEOUT_NS};
    unsigned line = 0;
    int n = 0;

    *s = (struct script){.name = name};
    for (size_t at = 0; at < len && !n; at++) {
        const char *end = memchr(text + at, '\n', len - at);
        const size_t line_len = end ? (size_t)(end - text) - at : len - at;
        n = read_line(s, &r, text + at, line_len, ++line, e);
        at += line_len;
    }
    if (!n)
        n = check_last(s, e);
    if (!n)
        return 0;
    script_free(s);
    return err_prefix(e, "%.200s:%u", name, line ? line : 1);
}

int script_load(struct script *s, const char *path, struct err *e)
{
    uint8_t *text;
    size_t len;
    int r = load_file("--script", path, SCRIPT_MAX_LEN, &text, &len, e);

    if (r)
        return r;
    r = script_parse(s, path, (const char *)text, len, e);
    free(text);
    return r;
}

void script_free(struct script *s)
{
    for (unsigned i = 0; i < s->nr_steps; i++)
        free_step(&s->step[i]);
    free(s->step);
    *s = (struct script){0};
}
