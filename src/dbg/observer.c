/* From the options to what is observed, and to the files. Threading: dbg/observer.h. */
#include "dbg/observer.h"

#include "base/err.h"
#include "dbg/coverage_report.h"
#include "dbg/profile_report.h"
#include "dbg/tracer.h"
#include "load/symbols.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct observer {
    struct observer_options opt;
    struct symbols symbols;
    bool is_elf[OBSERVER_MAX_SYMBOLS]; /* of which files */
    struct tracer *tracer;             /* or null */
    struct profile_report *profile;    /* or null */
    struct coverage_report *coverage;  /* or null */
    struct observe observe;
};

/* --- Ranges --------------------------------------------------------------------------------------------------------- */

/* Decimal, or hexadecimal after 0x; *p is left behind it. */
static bool number(const char **p, uint64_t *val)
{
    char *end;

    if (!isdigit((unsigned char)**p))
        return false;
    errno = 0;
    *val = strtoull(*p, &end, (*p)[0] == '0' && ((*p)[1] | 0x20) == 'x' ? 16 : 10);
    *p = end;
    return !errno;
}

/* The symbol that text begins with, up to a + that a number follows; its extent. */
static bool symbol_range(const struct symbols *s, const char *text, struct trace_range *r)
{
    const char *plus = strrchr(text, '+'), *p = plus ? plus + 1 : NULL;
    uint64_t len = 0;
    const bool has_len = plus && number(&p, &len) && !*p && len;
    const size_t name_len = has_len ? (size_t)(plus - text) : strlen(text);
    char name[256];

    if (name_len >= sizeof(name))
        return false;
    memcpy(name, text, name_len);
    name[name_len] = 0;
    const struct symbol *y = symbols_by_name(s, name);
    if (!y)
        return false;
    *r = (struct trace_range){.first = y->addr, .last = y->addr + (has_len ? len : y->len) - 1};
    return true;
}

static int parse_range(const struct symbols *s, const char *option, const char *text,
                       struct trace_range *r, struct err *e)
{
    const char *p = text;
    uint64_t second;

    if (!isdigit((unsigned char)*text)) {
        if (symbol_range(s, text, r))
            return 0;
        return s->nr ? err_set(e, ENOENT, "%s: there is no symbol %s", option, text)
                     : err_set(e, EINVAL,
                               "%s: \"%s\" is not a range as 0x1000-0x1fff or 0x1000+0x100; for a symbol, give --symbols FILE",
                               option, text);
    }
    if (!number(&p, &r->first))
        goto bad;
    r->last = r->first;
    if (*p) {
        const char how = *p++;
        if ((how != '-' && how != '+') || !number(&p, &second) || *p)
            goto bad;
        r->last = how == '-' ? second : r->first + (second - 1);
        if (r->last < r->first)
            return err_set(e, EINVAL, "%s: \"%s\" ends before it begins", option, text);
    }
    return 0;
bad:
    return err_set(e, EINVAL,
                   "%s: \"%s\" is not a range; write it like 0x1000-0x1fff, 0x1000+0x100 or main",
                   option, text);
}

/* --- The trace ------------------------------------------------------------------------------------------------------ */

static int set_filters(struct observer *o, struct trace *t, struct err *e)
{
    const struct observer_options *opt = &o->opt;
    int r;

    for (unsigned i = 0; i < opt->nr_pc; i++, t->nr_pc++)
        if ((r = parse_range(&o->symbols, "--trace-filter pc", opt->pc[i], &t->pc[i], e)))
            return r;
    for (unsigned i = 0; i < opt->nr_mem; i++, t->nr_mem++)
        if ((r = parse_range(&o->symbols, "--trace mem", opt->mem[i], &t->mem[i], e)))
            return r;
    memcpy(t->device, opt->device, sizeof(t->device));
    t->nr_devices = opt->nr_devices;
    memcpy(t->queues, opt->queues, sizeof(t->queues));
    t->nr_queues = opt->nr_queues;
    t->kinds = opt->kinds;
    t->els = opt->els ? opt->els : UINT32_MAX;
    t->vcpus = opt->vcpus ? opt->vcpus : UINT64_MAX;
    t->from_insn = opt->has_window ? opt->from_insn : 0;
    t->to_insn = opt->has_window ? opt->to_insn : UINT64_MAX;
    return 0;
}

static int create_trace(struct observer *o, struct err *e)
{
    const struct observer_options *opt = &o->opt;
    const uint32_t of_exits = 1u << TRACE_KIND_MMIO | 1u << TRACE_KIND_PSCI | 1u << TRACE_KIND_EXIT;
    int r;

    if (!opt->kinds)
        return 0;
    r = tracer_create(&o->tracer,
                      &(struct tracer_config){.path = opt->trace_path,
                                              .json = opt->json,
                                              .ring = opt->ring,
                                              .limit = opt->limit,
                                              .symbols = &o->symbols},
                      e);
    if (r)
        return r;
    o->observe.trace = tracer_trace(o->tracer);
    o->observe.exits = opt->kinds & of_exits;
    return set_filters(o, o->observe.trace, e);
}

static int create_profile(struct observer *o, struct err *e)
{
    if (!o->opt.profile)
        return 0;
    o->observe.profile_insns = o->opt.profile_insns ? o->opt.profile_insns : PROFILE_INSNS_DEFAULT;
    o->observe.exits = true;
    o->observe.exit = profile_report_exit;
    const int r =
        profile_report_create(&o->profile, o->opt.profile, o->observe.profile_insns, &o->symbols, e);
    o->observe.opaque = o->profile;
    return r;
}

/* Of those symbols that are a program's: a text map has no lines. */
static int read_lines(struct observer *o, struct err *e)
{
    unsigned nr = 0;
    int r = 0;

    if (!o->coverage)
        return 0;
    o->observe.coverage = true;
    for (unsigned i = 0; !r && i < o->opt.nr_symbols; i++)
        if (o->is_elf[i]) {
            r = coverage_report_add(o->coverage, o->opt.symbols[i].path, o->opt.symbols[i].offset, e);
            nr++;
        }
    if (!r && !nr)
        r = err_set(e, EINVAL, "--coverage needs the lines of a program: give --symbols with an ELF file");
    return r;
}

/* --- All ------------------------------------------------------------------------------------------------------------ */

int observer_create(struct observer **out, const struct observer_options *opt, struct err *e)
{
    int r = 0;

    *out = NULL;
    if (!opt->kinds && !opt->profile && !opt->coverage)
        return 0;
    struct observer *o = calloc(1, sizeof(*o));
    if (!o)
        return err_set(e, ENOMEM, "out of memory");
    o->opt = *opt;
    if (opt->coverage)
        r = coverage_report_create(&o->coverage, opt->coverage, e);
    for (unsigned i = 0; i < opt->nr_symbols && !r; i++)
        r = symbols_add_file(&o->symbols, opt->symbols[i].path, opt->symbols[i].offset, &o->is_elf[i], e);
    symbols_sort(&o->symbols);
    if (r || (r = create_trace(o, e)) || (r = create_profile(o, e)) || (r = read_lines(o, e))) {
        observer_destroy(o);
        return r;
    }
    *out = o;
    return 0;
}

void observer_destroy(struct observer *o)
{
    if (!o)
        return;
    tracer_destroy(o->tracer);
    profile_report_destroy(o->profile);
    coverage_report_destroy(o->coverage);
    symbols_free(&o->symbols);
    free(o);
}

const struct observe *observer_wants(struct observer *o)
{
    return o ? &o->observe : NULL;
}

void observer_start(struct observer *o)
{
    if (o->tracer)
        tracer_start(o->tracer);
}

int observer_finish(struct observer *o, struct vm *vm, bool failed, struct err *e)
{
    int r = o->tracer ? tracer_finish(o->tracer, failed, e) : 0;

    if (!r && o->profile && vm)
        r = profile_report_write(o->profile, vm, e);
    if (!r && o->coverage && vm)
        r = coverage_report_write(o->coverage, vm, e);
    return r;
}
