/* Regular expressions of the C library over lines that grow. Threads: cli/pattern.h. */
#include "cli/pattern.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>

struct pattern {
    regex_t re;
};

/* The library copies what is repeated by {N} or +, and the copies within it: an expression may become so large, and nested so deep. Where each copy may be empty,
 * it takes memory for the square of that. */
#define MAX_COPIES 2000u
#define MAX_DEPTH 40u

/* Behind the bracket expression at s, in which a backslash is itself. */
static const char *skip_brackets(const char *s)
{
    s += s[1] == '^' ? 2 : 1;
    s += *s == ']';
    while (*s && *s != ']') {
        const char kind = *s == '[' ? s[1] : 0;
        s++;
        if (kind != ':' && kind != '.' && kind != '=')
            continue;
        for (s++; *s && (s[0] != kind || s[1] != ']'); s++)
            ;
        s += *s ? 2 : 0;
    }
    return *s ? s + 1 : s;
}

/* The larger of the numbers in {N,M}; *end is behind it. 0: it is no such thing. */
static uint64_t read_interval(const char *s, const char **end)
{
    uint64_t n = 0, most = 1;

    if (s[1] < '0' || s[1] > '9')
        return 0;
    for (s++; (*s >= '0' && *s <= '9') || *s == ','; s++) {
        n = *s == ',' ? 0 : MIN(n * 10 + (uint64_t)(*s - '0'), MAX_COPIES + 1);
        most = MAX(most, n);
    }
    *end = *s == '}' ? s + 1 : s;
    return most;
}

/* What the library would take time or memory without bound for, or would take for what it is not: null if there is nothing. Sizes are in characters, with
 * all copies. */
static const char *find_excess(const char *s)
{
    uint64_t size[MAX_DEPTH] = {0}; /* of the groups that are open */
    uint64_t last = 0;              /* of what a repetition would repeat */
    unsigned depth = 0;
    bool repeated = false;

    while (*s) {
        uint64_t copies = 0;
        const char *end = s + 1;
        if (*s == '*' || *s == '?')
            copies = 1;
        else if (*s == '+')
            copies = 2;
        else if (*s == '{')
            copies = read_interval(s, &end);
        if (copies) {
            if (repeated)
                return "a repetition of a repetition has no meaning; put parentheses around what is repeated";
            repeated = true;
            size[depth] += last * (copies - 1);
            last *= copies;
        } else if (*s == '(') {
            if (++depth == MAX_DEPTH)
                return "the parentheses are too deep";
            size[depth] = last = 0;
            repeated = false;
        } else {
            repeated = false;
            last = *s != '|';
            if (*s == ')' && depth) {
                last = MAX(size[depth], 1u);
                depth--;
            }
            if (*s == '\\' && s[1] >= '1' && s[1] <= '9')
                return "extended regular expressions have no back references";
            if (*s == '\\' && s[1])
                end++;
            if (*s == '[')
                end = skip_brackets(s);
            size[depth] += last;
        }
        if (size[depth] > MAX_COPIES)
            return "so many repetitions are too many";
        s = end;
    }
    return NULL;
}

/* Whether the first len bytes match, which go on (open), or do not begin a line. */
static bool matches(const struct pattern *p, char *s, size_t len, bool middle, bool open)
{
    const char behind = s[len];

    s[len] = 0;
    const int r = regexec(&p->re, s, 0, NULL, (middle ? REG_NOTBOL : 0) | (open ? REG_NOTEOL : 0));
    s[len] = behind;
    return r == 0;
}

int pattern_create(struct pattern **out, const char *regex, struct err *e)
{
    struct pattern *p = malloc(sizeof(*p));
    char nothing[1] = "";

    if (!p)
        return err_set(e, ENOMEM, "out of memory");
    const char *excess = find_excess(regex);
    if (excess) {
        free(p);
        return err_set(e, EINVAL, "\"%s\": %s", regex, excess);
    }
    int r = regcomp(&p->re, regex, REG_EXTENDED | REG_NOSUB);
    if (r) {
        char why[128];
        regerror(r, &p->re, why, sizeof(why));
        free(p);
        return err_set(e, EINVAL, "\"%s\" is no extended regular expression: %s", regex, why);
    }
    if (matches(p, nothing, 0, false, true)) {
        pattern_destroy(p);
        return err_set(e, EINVAL,
                       "\"%s\" matches where there is no text; write one that says what has to be there",
                       regex);
    }
    *out = p;
    return 0;
}

void pattern_destroy(struct pattern *p)
{
    if (!p)
        return;
    regfree(&p->re);
    free(p);
}

size_t pattern_find(const struct pattern *p, char *line, size_t len, size_t from, bool complete)
{
    char *s = line + from;
    const size_t n = len - from;
    const bool middle = from > 0;

    if (!matches(p, s, n, middle, !complete))
        return PATTERN_NONE;
    if (complete && !matches(p, s, n, middle, true))
        return len; /* by the end of the line */
    /* What matches goes on matching as the line grows: the shortest is found by halving. */
    size_t no = 0, yes = n;
    while (yes - no > 1) {
        const size_t half = no + (yes - no) / 2;
        if (matches(p, s, half, middle, true))
            yes = half;
        else
            no = half;
    }
    return from + yes;
}
