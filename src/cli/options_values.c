/* Values as the user writes them: numbers, sizes, addresses, times, choices. Pure; before any thread starts. */
#include "cli/options_internal.h"

#include "base/bits.h"
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int option_scan_number(const char **p, uint64_t *val)
{
    const char *s = *p;
    unsigned base = 10;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    }
    uint64_t v = 0;
    unsigned nr_digits = 0;
    bool over = false;
    for (;; s++, nr_digits++) {
        unsigned c = (unsigned char)*s, digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (base == 16 && isxdigit((int)c))
            digit = (c | 0x20) - 'a' + 10;
        else
            break;
        if (v > (UINT64_MAX - digit) / base)
            over = true;
        v = v * base + digit;
    }
    *p = s;
    *val = v;
    if (nr_digits == 0)
        return -EINVAL;
    return over ? -ERANGE : 0;
}

int options_parse_size(const char *text, uint64_t *val, struct err *e)
{
    const char *p = text;
    uint64_t v;
    int r = option_scan_number(&p, &v);
    if (r == -EINVAL)
        return err_set(e, EINVAL, "\"%s\" is not a size; write it like 128M or 0x8000000", text);
    unsigned shift = 0;
    switch (*p) {
    case 0: break;
    case 'k':
    case 'K': shift = 10; break;
    case 'm':
    case 'M': shift = 20; break;
    case 'g':
    case 'G': shift = 30; break;
    default: shift = 64; break;
    }
    if (shift == 64 || (shift && p[1]))
        return err_set(e, EINVAL,
                       "\"%s\" has the unknown suffix \"%s\"; the suffixes are K, M and G", text, p);
    if (r == -ERANGE || v > UINT64_MAX >> shift)
        return err_set(e, ERANGE, "\"%s\" does not fit into 64 bits", text);
    if (v == 0)
        return err_set(e, EINVAL, "must not be 0");
    *val = v << shift;
    return 0;
}

int options_parse_addr(const char *text, uint64_t *val, struct err *e)
{
    const char *p = text;
    uint64_t v;
    int r = option_scan_number(&p, &v);
    if (r == -EINVAL || *p)
        return err_set(e, EINVAL,
                       "\"%s\" is not an address; write it like 0x10000 (hexadecimal needs the 0x)",
                       text);
    if (r == -ERANGE)
        return err_set(e, ERANGE, "\"%s\" does not fit into 64 bits", text);
    *val = v;
    return 0;
}

int option_parse_seconds(const char *text, uint64_t *ns, struct err *e)
{
    const char *p = text;
    uint64_t whole, frac = 0;
    if (*p < '0' || *p > '9' || (p[0] == '0' && (p[1] | 0x20) == 'x'))
        goto bad;
    int r = option_scan_number(&p, &whole);
    if (*p == '.') {
        p++;
        uint64_t unit = UINT64_C(1000000000);
        for (; *p >= '0' && *p <= '9'; p++) {
            unit /= 10;
            frac += unit * (uint64_t)(*p - '0');
        }
    }
    if (*p)
        goto bad;
    if (r == -ERANGE || whole > UINT64_C(1000000000))
        return err_set(e, ERANGE, "\"%s\" is more than thirty years; leave it out to run for ever", text);
    *ns = whole * UINT64_C(1000000000) + frac;
    if (*ns == 0)
        return err_set(e, EINVAL, "must be more than 0; leave it out to run for ever");
    return 0;
bad:
    return err_set(e, EINVAL, "\"%s\" is not a number of seconds; write it like 10 or 0.5", text);
}

int option_parse_choice(const struct option_choice *c, const char *text, int *val, struct err *e)
{
    char all[160] = "";
    for (const struct option_choice *i = c; i->name; i++) {
        if (strcmp(i->name, text) == 0) {
            *val = i->val;
            return 0;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", i->name);
    }
    return err_set(e, EINVAL, "\"%s\" is not one of %s", text, all);
}

int option_parse_file(const char *text, const char **path, struct err *e)
{
    if (!*text)
        return err_set(e, EINVAL, "the file name is empty");
    *path = text;
    return 0;
}

char *option_keep(struct options *o, const char *text, size_t len, struct err *e)
{
    BUG_ON(o->nr_owned == OPTIONS_MAX_OWNED);
    char *s = malloc(len + 1);
    if (!s) {
        err_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    memcpy(s, text, len);
    s[len] = 0;
    o->owned[o->nr_owned++] = s;
    return s;
}

char *option_next_part(char **rest)
{
    char *part = *rest, *from = part, *to = part;

    if (!part)
        return NULL;
    for (; *from && (*from != ',' || from[1] == ','); from++) {
        from += *from == ',';
        *to++ = *from;
    }
    *rest = *from ? from + 1 : NULL;
    *to = 0;
    return part;
}

const char *option_value(const char *part, const char *name)
{
    const size_t len = strlen(name);
    return !strncmp(part, name, len) && part[len] == '=' ? part + len + 1 : NULL;
}
