/* Symbols: collecting, sorting, looking up; text maps. Threading: load/symbols.h. */
#include "load/symbols.h"

#include "base/bits.h"
#include "base/err.h"
#include "load/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SYMBOLS (8u << 20)
#define MAX_NAMES (512u << 20)
#define MAX_NAME 4096u
#define MAX_FILE (UINT64_C(4) << 30)
/* A symbol that nothing follows, and that does not say how long it is. */
#define LAST_LEN 4096u
/* How far back an enclosing symbol is looked for, behind labels within it. */
#define MAX_NESTED 64u

int symbols_put(struct symbols *s, const struct symbol *y, const char *name, size_t name_len,
                struct err *e)
{
    name_len = MIN(name_len, (size_t)MAX_NAME);
    if (s->nr == MAX_SYMBOLS || s->names_len + name_len + 1 > MAX_NAMES)
        return err_set(e, E2BIG, "more than %u symbols, or names of more than %u MiB", MAX_SYMBOLS,
                       MAX_NAMES >> 20);
    if (s->nr == s->room) {
        const size_t room = s->room ? 2 * s->room : 1024;
        struct symbol *p = realloc(s->symbol, room * sizeof(*p));
        if (!p)
            return err_set(e, ENOMEM, "out of memory for symbols");
        s->symbol = p;
        s->room = room;
    }
    if (s->names_len + name_len + 1 > s->names_room) {
        const size_t room = MAX(2 * s->names_room, s->names_len + name_len + 65536);
        char *p = realloc(s->names, room);
        if (!p)
            return err_set(e, ENOMEM, "out of memory for symbols");
        s->names = p;
        s->names_room = room;
    }
    struct symbol *to = &s->symbol[s->nr++];
    *to = *y;
    to->name = (uint32_t)s->names_len;
    to->sized = y->len != 0;
    memcpy(s->names + s->names_len, name, name_len);
    s->names[s->names_len + name_len] = 0;
    s->names_len += name_len + 1;
    return 0;
}

/* --- Text maps ------------------------------------------------------------------------------------------------------ */

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* The word at *p, which moves behind it. */
static size_t word(const uint8_t **p, const uint8_t *end)
{
    const uint8_t *from = *p;
    while (*p < end && !is_blank(**p) && **p >= 0x20)
        ++*p;
    return (size_t)(*p - from);
}

static void blanks(const uint8_t **p, const uint8_t *end)
{
    while (*p < end && is_blank(**p))
        ++*p;
}

/* "ffff800008000000 T _text", or "... t name [module]", which becomes "module:name". 0: put, or left out on purpose; -EINVAL: no such line. */
static int map_line(struct symbols *s, const uint8_t *p, const uint8_t *end, uint64_t offset,
                    uint64_t *any, struct err *e)
{
    uint64_t addr = 0;
    unsigned digits = 0;

    for (; p < end && hex_digit(*p) >= 0; p++, digits++)
        addr = addr << 4 | (unsigned)hex_digit(*p);
    if (!digits || digits > 16 || p == end || !is_blank(*p))
        return -EINVAL;
    blanks(&p, end);
    const uint8_t *type_at = p;
    if (word(&p, end) != 1)
        return -EINVAL;
    const uint8_t type = *type_at;
    blanks(&p, end);
    const uint8_t *name = p;
    const size_t name_len = word(&p, end);
    if (!name_len)
        return -EINVAL;
    blanks(&p, end);
    *any |= addr;
    /* Absolute and undefined ones are no places; $x and $d say what bytes are. */
    if (strchr("AaUNn?", type) || name[0] == '$')
        return 0;
    const struct symbol y = {
        .addr = addr + offset,
        .code = strchr("TtWwVv", type) != NULL,
        .rank = (uint8_t)(strchr("TtWwVv", type) ? 0 : 2) + (type >= 'a'),
    };
    if (p == end || *p != '[')
        return symbols_put(s, &y, (const char *)name, name_len, e);
    const uint8_t *module = ++p;
    const size_t module_len = word(&p, end);
    if (module_len < 2)
        return -EINVAL;
    char both[256];
    const int n = snprintf(both, sizeof(both), "%.*s:%.*s", (int)MIN(module_len - 1, (size_t)100),
                           (const char *)module, (int)MIN(name_len, (size_t)150), (const char *)name);
    return symbols_put(s, &y, both, (size_t)n, e);
}

int symbols_add_map(struct symbols *s, const uint8_t *buf, size_t len, uint64_t offset, struct err *e)
{
    const uint8_t *p = buf, *end = buf + len;
    uint64_t any = 0;

    for (unsigned line = 1; p < end; line++) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop)
            stop = end;
        const uint8_t *last = stop > p && stop[-1] == '\r' ? stop - 1 : stop;
        const int r = last == p ? 0 : map_line(s, p, last, offset, &any, e);
        if (r == -EINVAL)
            return err_set(e, ENOEXEC,
                           "neither an ELF file nor a symbol map: line %u is not like \"ffff800008000000 T _text\"",
                           line);
        if (r < 0)
            return r;
        p = stop < end ? stop + 1 : end;
    }
    if (!any)
        return err_set(e, ENOEXEC,
                       "every address is 0: the kernel hides them; read /proc/kallsyms as root, with "
                       "kernel.kptr_restrict=0");
    return 0;
}

/* --- All ------------------------------------------------------------------------------------------------------------ */

int symbols_add_file(struct symbols *s, const char *path, uint64_t offset, bool *is_elf, struct err *e)
{
    uint8_t *buf;
    size_t len;
    int r = load_file("--symbols", path, MAX_FILE, &buf, &len, e);

    if (r < 0)
        return r;
    *is_elf = elf_has_magic(buf, len);
    r = *is_elf ? symbols_add_elf(s, buf, len, offset, e) : symbols_add_map(s, buf, len, offset, e);
    free(buf);
    return r < 0 ? err_prefix(e, "--symbols %s", path) : 0;
}

/* By address; then what is shown; in the end by the order in the file, so that the same files give the same names. */
static int compare(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

/* Labels within a function that says how long it is: the function is shown. */
static void drop_inner_labels(struct symbols *s)
{
    uint64_t from = 0, len = 0; /* of the last one that says so */
    size_t nr = 0;

    for (size_t i = 0; i < s->nr; i++) {
        const struct symbol y = s->symbol[i];
        if (!y.sized && y.addr - from < len)
            continue;
        if (y.sized && (!len || y.addr - from >= len)) {
            from = y.addr;
            len = y.len;
        }
        s->symbol[nr++] = y;
    }
    s->nr = nr;
}

void symbols_sort(struct symbols *s)
{
    uint64_t next = 0;

    if (s->nr)
        qsort(s->symbol, s->nr, sizeof(*s->symbol), compare);
    drop_inner_labels(s);
    /* From the last to the first; next is where the next address with a symbol is. */
    for (size_t i = s->nr; i-- > 0;) {
        struct symbol *y = &s->symbol[i];
        if (i + 1 < s->nr && s->symbol[i + 1].addr != y->addr)
            next = s->symbol[i + 1].addr;
        const uint64_t room = next ? next - y->addr : LAST_LEN;
        if (!y->sized)
            y->len = room;
        if (y->addr + (y->len - 1) < y->addr)
            y->len = -y->addr;
    }
}

void symbols_free(struct symbols *s)
{
    free(s->symbol);
    free(s->names);
    *s = (struct symbols){0};
}

const struct symbol *symbols_find(const struct symbols *s, uint64_t addr)
{
    size_t lo = 0, hi = s->nr;

    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (s->symbol[mid].addr <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    const struct symbol *best = NULL;
    for (size_t i = lo; i-- > 0 && lo - i <= MAX_NESTED;) {
        const struct symbol *y = &s->symbol[i];
        if (best && y->addr != best->addr)
            break;
        if (addr - y->addr < y->len)
            best = y; /* of those at one address the first */
    }
    return best;
}

const struct symbol *symbols_by_name(const struct symbols *s, const char *name)
{
    for (size_t i = 0; i < s->nr; i++)
        if (!strcmp(symbols_name(s, &s->symbol[i]), name))
            return &s->symbol[i];
    return NULL;
}

size_t symbols_text(const struct symbols *s, uint64_t addr, char *buf, size_t len)
{
    const struct symbol *y = symbols_find(s, addr);
    int n = 0;

    if (!len)
        return 0;
    buf[0] = 0;
    if (y && addr == y->addr)
        n = snprintf(buf, len, "%s", symbols_name(s, y));
    else if (y)
        n = snprintf(buf, len, "%s+0x%" PRIx64, symbols_name(s, y), addr - y->addr);
    return MIN((size_t)n, len - 1);
}
