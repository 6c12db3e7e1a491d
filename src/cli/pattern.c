/* Regular expressions of the C library over lines that grow. Threads: cli/pattern.h. */
#include "cli/pattern.h"

#include "base/err.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>

struct pattern {
    regex_t re;
};

/* \1 to \9, which libraries understand although extended expressions have no such thing. Within brackets a backslash is itself. */
static bool has_back_reference(const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' && s[1]) {
            s++;
            if (*s >= '1' && *s <= '9')
                return true;
        } else if (*s == '[') {
            s += s[1] == '^' ? 2 : 1;
            s += *s == ']';
            while (*s && *s != ']') {
                const char kind = *s == '[' ? s[1] : 0;
                s++;
                if (kind == ':' || kind == '.' || kind == '=')
                    for (s++; *s && (s[0] != kind || s[1] != ']'); s++)
                        ;
                s += kind && *s ? 2 : 0;
            }
            if (!*s)
                return false;
        }
    }
    return false;
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
    if (has_back_reference(regex)) {
        free(p);
        return err_set(e, EINVAL, "\"%s\": extended regular expressions have no back references", regex);
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
