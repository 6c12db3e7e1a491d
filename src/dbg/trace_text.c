/* Lines of a trace, by the table of events. Threading: dbg/trace_text.h. */
#include "dbg/trace_text.h"

#include "arch/psci.h"
#include "arch/smccc.h"
#include "arch/sysreg.h"
#include "cpu/insn.h"
#include "dbg/esr_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct field {
    const char *name;
    enum trace_type type;
    unsigned arg;
};

#define MAX_FIELDS 8u
static const struct {
    enum trace_kind kind;
    const char *name, *text;
    struct field field[MAX_FIELDS]; /* up to the first without a name */
} events[NR_TRACE_EVENTS] = {
#define FIELD(name, type, n) {name, type, n},
#define TRACE_EVENT(id, kind, name, text, fields)                                                  \
    [TRACE_##id##_EVENT] = {TRACE_KIND_##kind, name, text, {fields}},
#include "spec/trace_events.def"
#undef FIELD
};

const char *trace_event_name(enum trace_event_id id)
{
    return events[id].name;
}

enum trace_kind trace_event_kind(enum trace_event_id id)
{
    return events[id].kind;
}

/* --- Text into a line ----------------------------------------------------------------------------------------------- */

struct line {
    char *buf;
    size_t at; /* at most TRACE_LINE_MAX - 2: the newline fits */
};

static void put(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct line *l, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const int n = vsnprintf(l->buf + l->at, TRACE_LINE_MAX - 1 - l->at, fmt, ap);
    va_end(ap);
    l->at = MIN(l->at + (size_t)MAX(n, 0), (size_t)TRACE_LINE_MAX - 2);
}

/* What there is much of, without a format to be read. */
static void put_char(struct line *l, char c)
{
    if (l->at < TRACE_LINE_MAX - 2)
        l->buf[l->at++] = c;
    l->buf[l->at] = 0;
}

static void put_str(struct line *l, const char *s)
{
    while (*s)
        put_char(l, *s++);
}

static void put_hex(struct line *l, uint64_t val, unsigned min_digits)
{
    for (unsigned n = 16; n-- > 0;)
        if (n < min_digits || val >> (4 * n) || n == 0)
            put_char(l, "0123456789abcdef"[val >> (4 * n) & 15]);
}

static void put_dec(struct line *l, uint64_t val, unsigned min_digits)
{
    char digits[20];
    unsigned n = 0;

    do
        digits[n++] = (char)('0' + val % 10);
    while ((val /= 10) || n < min_digits);
    while (n)
        put_char(l, digits[--n]);
}

static size_t end_line(struct line *l)
{
    l->buf[l->at++] = '\n';
    return l->at;
}

/* --- Values --------------------------------------------------------------------------------------------------------- */

static const char *call_name(uint32_t id)
{
    static const struct {
        uint32_t id;
        const char *name;
    } names[] = {
#define CALL(name) {name, #name}
        CALL(PSCI_VERSION),
        CALL(PSCI_CPU_SUSPEND),
        CALL(PSCI_CPU_OFF),
        CALL(PSCI_CPU_ON),
        CALL(PSCI_AFFINITY_INFO),
        CALL(PSCI_MIGRATE_INFO_TYPE),
        CALL(PSCI_SYSTEM_OFF),
        CALL(PSCI_SYSTEM_RESET),
        CALL(PSCI_FEATURES),
        CALL(PSCI_SYSTEM_SUSPEND),
        CALL(PSCI_SYSTEM_RESET2),
        CALL(PSCI_CPU_SUSPEND_64),
        CALL(PSCI_CPU_ON_64),
        CALL(PSCI_AFFINITY_INFO_64),
        CALL(PSCI_SYSTEM_SUSPEND_64),
        CALL(PSCI_SYSTEM_RESET2_64),
        CALL(SMCCC_VERSION),
        CALL(SMCCC_ARCH_FEATURES),
        CALL(SMCCC_VENDOR_HYP_CALL_UID),
        CALL(SMCCC_VIBE_EXIT),
#undef CALL
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].id == id)
            return names[i].name;
    return NULL;
}

static void put_sysreg(struct line *l, uint16_t enc)
{
    const struct sysreg_desc *d = sysreg_find(enc);

    if (d)
        put(l, "%s", d->name);
    else
        put(l, "S%u_%u_C%u_C%u_%u", enc >> 14, enc >> 11 & 7, enc >> 7 & 15, enc >> 3 & 15, enc & 7);
}

/* A field that is text in JSON too, without quotes. */
static void put_words(struct line *l, const struct trace_event *ev, enum trace_type type, uint64_t val)
{
    char text[160];

    switch (type) {
    case TRACE_INSN:
        a64_disassemble((uint32_t)val, ev->pc, text, sizeof(text));
        put_str(l, text);
        break;
    case TRACE_SYNDROME:
        esr_summary(val, text, sizeof(text));
        put_str(l, text);
        break;
    case TRACE_SYSREG: put_sysreg(l, (uint16_t)val); break;
    case TRACE_CALL:
        if (call_name((uint32_t)val))
            put(l, "%s", call_name((uint32_t)val));
        else
            put(l, "0x%" PRIx32, (uint32_t)val);
        break;
    default: put_str(l, (const char *)(uintptr_t)val); break;
    }
}

static void put_symbol(struct line *l, const struct symbols *syms, uint64_t addr,
                       const char *before, const char *after)
{
    char text[256];

    if (!symbols_text(syms, addr, text, sizeof(text)))
        return;
    put_str(l, before);
    put_str(l, text);
    put_str(l, after);
}

static bool is_absent(const struct trace_event *ev, const struct field *f)
{
    return ev->absent >> f->arg & 1;
}

/* --- For people ----------------------------------------------------------------------------------------------------- */

static void put_value(struct line *l, const struct trace_event *ev, const struct symbols *syms,
                      const struct field *f)
{
    const uint64_t val = ev->arg[f->arg];

    switch (f->type) {
    case TRACE_DEC: put_dec(l, val, 1); break;
    case TRACE_SIGNED: put(l, "%" PRId64, (int64_t)val); break;
    case TRACE_HEX:
        put_str(l, "0x");
        put_hex(l, val, 1);
        break;
    case TRACE_WORD: put_hex(l, (uint32_t)val, 8); break;
    case TRACE_CODE:
    case TRACE_DATA:
        put_str(l, "0x");
        put_hex(l, val, 1);
        put_symbol(l, syms, val, " <", ">");
        break;
    default: put_words(l, ev, f->type, val); break;
    }
}

/* The field whose name stands at *p up to a }, behind which *p is left. */
static const struct field *named(const struct trace_event *ev, const char **p)
{
    const size_t len = strcspn(*p, "}");

    for (const struct field *f = events[ev->id].field;
         f < events[ev->id].field + MAX_FIELDS && f->name; f++)
        if (!strncmp(f->name, *p, len) && !f->name[len]) {
            *p += len + 1;
            return f;
        }
    return NULL;
}

/* Whether what stands in [ ] from p on is shown. */
static bool is_shown(const struct trace_event *ev, const char *p)
{
    for (; *p != ']'; p++)
        if (*p == '{') {
            p++;
            if (is_absent(ev, named(ev, &p)))
                return false;
            p--;
        }
    return true;
}

static void put_event(struct line *l, const struct trace_event *ev, const struct symbols *syms)
{
    for (const char *p = events[ev->id].text; *p;) {
        if (*p == '[' && !is_shown(ev, p + 1)) {
            p += strcspn(p, "]");
        } else if (*p == '{') {
            p++;
            put_value(l, ev, syms, named(ev, &p));
            continue;
        } else if (*p != '[' && *p != ']') {
            put_char(l, *p);
        }
        p++;
    }
}

/* Right-aligned. */
static void put_count(struct line *l, uint64_t insns)
{
    char text[24];
    struct line number = {.buf = text};

    if (insns == TRACE_UNKNOWN)
        put_char(&number, '-');
    else
        put_dec(&number, insns, 1);
    for (size_t n = number.at; n < 10; n++)
        put_char(l, ' ');
    put_str(l, text);
}

size_t trace_text(const struct trace_event *ev, const struct symbols *syms, char buf[TRACE_LINE_MAX])
{
    struct line l = {.buf = buf};

    put_dec(&l, ev->time_ns / 1000000000, 1);
    put_char(&l, '.');
    put_dec(&l, ev->time_ns % 1000000000, 9);
    if (ev->vcpu == TRACE_NOWHERE) {
        put_str(&l, " -    ");
    } else {
        put_str(&l, " cpu");
        put_dec(&l, ev->vcpu, 1);
        put_char(&l, ' ');
    }
    put_count(&l, ev->insns);
    if (ev->el == TRACE_NOWHERE) {
        put_str(&l, " -   ");
    } else {
        put_str(&l, " EL");
        put_dec(&l, ev->el, 1);
        put_char(&l, ' ');
    }
    if (ev->has_pc) {
        put_hex(&l, ev->pc, 16);
        put_symbol(&l, syms, ev->pc, " <", ">");
    } else {
        put_char(&l, '-');
    }
    put_char(&l, ' ');
    put_str(&l, events[ev->id].name);
    put_str(&l, ": ");
    put_event(&l, ev, syms);
    return end_line(&l);
}

/* --- JSON ----------------------------------------------------------------------------------------------------------- */

static void put_quoted(struct line *l, const char *s)
{
    put_char(l, '"');
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            put(l, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            put(l, "\\u%04x", c);
        else
            put_char(l, (char)c);
    }
    put_char(l, '"');
}

static void put_json_symbol(struct line *l, const struct symbols *syms, uint64_t addr, const char *prefix)
{
    char text[256];

    if (!symbols_text(syms, addr, text, sizeof(text)))
        return;
    put(l, ",\"%ssymbol\":", prefix);
    put_quoted(l, text);
}

static void put_json_field(struct line *l, const struct trace_event *ev, const struct symbols *syms,
                           const struct field *f)
{
    const uint64_t val = ev->arg[f->arg];
    char words[TRACE_LINE_MAX] = "";
    struct line w = {.buf = words};

    put(l, ",\"%s\":", f->name);
    switch (f->type) {
    case TRACE_DEC: put(l, "%" PRIu64, val); return;
    case TRACE_SIGNED: put(l, "%" PRId64, (int64_t)val); return;
    case TRACE_HEX:
    case TRACE_WORD: put(l, "\"0x%" PRIx64 "\"", val); return;
    case TRACE_CODE:
    case TRACE_DATA:
        put(l, "\"0x%" PRIx64 "\"", val);
        snprintf(words, sizeof(words), "%s_", f->name);
        put_json_symbol(l, syms, val, words);
        return;
    default:
        put_words(&w, ev, f->type, val);
        put_quoted(l, words);
        return;
    }
}

size_t trace_json(const struct trace_event *ev, const struct symbols *syms, char buf[TRACE_LINE_MAX])
{
    struct line l = {.buf = buf};

    put(&l, "{\"time_ns\":%" PRIu64, ev->time_ns);
    if (ev->vcpu != TRACE_NOWHERE)
        put(&l, ",\"cpu\":%u", ev->vcpu);
    if (ev->insns != TRACE_UNKNOWN)
        put(&l, ",\"insns\":%" PRIu64, ev->insns);
    if (ev->el != TRACE_NOWHERE)
        put(&l, ",\"el\":%u", ev->el);
    if (ev->has_pc) {
        put(&l, ",\"pc\":\"0x%" PRIx64 "\"", ev->pc);
        put_json_symbol(&l, syms, ev->pc, "");
    }
    put(&l, ",\"kind\":\"%s\",\"event\":\"%s\"", trace_kinds[events[ev->id].kind].name,
        events[ev->id].name);
    for (const struct field *f = events[ev->id].field;
         f < events[ev->id].field + MAX_FIELDS && f->name; f++)
        if (!is_absent(ev, f))
            put_json_field(&l, ev, syms, f);
    put(&l, "}");
    return end_line(&l);
}
