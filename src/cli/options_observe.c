/* What to see of a guest while it runs. Before any thread starts. */
#include "cli/options_internal.h"

#include "arch/trace.h"
#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <string.h>

static int find_kind(const char *name, size_t len)
{
    for (int i = 0; i < (int)NR_TRACE_KINDS; i++)
        if (strlen(trace_kinds[i].name) == len && !strncmp(trace_kinds[i].name, name, len))
            return i;
    return -1;
}

static int unknown_kind(const char *name, size_t len, struct err *e)
{
    struct option_guess guess = {0};

    for (unsigned i = 0; i < NR_TRACE_KINDS; i++)
        option_guess_offer(&guess, trace_kinds[i].name, name, len);
    if (guess.best)
        return err_set(e, EINVAL, "\"%.*s\" is nothing to trace; did you mean %s?",
                       (int)MIN(len, (size_t)80), name, guess.best);
    return err_set(e, EINVAL, "\"%.*s\" is nothing to trace; vibevmm --help trace lists what is",
                   (int)MIN(len, (size_t)80), name);
}

static int add_to(const char **list, unsigned *nr, const char *text, struct err *e)
{
    if (!*text)
        return err_set(e, EINVAL, "nothing stands behind the @");
    if (*nr == TRACE_MAX_RANGES)
        return err_set(e, E2BIG, "more than %u ranges or devices of one kind", TRACE_MAX_RANGES);
    list[(*nr)++] = text;
    return 0;
}

/* "insn", "mem@0x1000+0x100": cut out, and kept. */
static int add_kind(struct options *o, char *item, struct err *e)
{
    struct observer_options *t = &o->observer;
    const size_t len = strcspn(item, "@");
    const int kind = find_kind(item, len);

    if (kind < 0)
        return unknown_kind(item, len, e);
    t->kinds |= 1u << kind;
    if (!item[len])
        return 0;
    switch (kind) {
    case TRACE_KIND_MEM: return add_to(t->mem, &t->nr_mem, item + len + 1, e);
    case TRACE_KIND_MMIO: return add_to(t->device, &t->nr_devices, item + len + 1, e);
    case TRACE_KIND_VIRTIO: return add_to(t->queues, &t->nr_queues, item + len + 1, e);
    default:
        return err_set(e, EINVAL, "%s has no range; mem@RANGE, mmio@DEVICE and virtio@DEVICE have",
                       trace_kinds[kind].name);
    }
}

int set_trace(struct options *o, const char *text, struct err *e)
{
    const char *equals = strchr(text, '=');
    char *item = option_keep(o, text, equals ? (size_t)(equals - text) : strlen(text), e), *next;

    if (!item)
        return -ENOMEM;
    if (equals) {
        const int r = option_parse_file(equals + 1, &o->observer.trace_path, e);
        if (r)
            return r;
    }
    for (; item; item = next) {
        next = strchr(item, ',');
        if (next)
            *next++ = 0;
        const int r = add_kind(o, item, e);
        if (r)
            return r;
    }
    return 0;
}

/* "A", "A-B" of small numbers, as a set. */
static int add_numbers(const char *what, const char *text, unsigned limit, uint64_t *set, struct err *e)
{
    const char *p = text;
    uint64_t first, last;

    if (option_scan_number(&p, &first))
        goto bad;
    last = first;
    if (*p == '-' && (p++, option_scan_number(&p, &last)))
        goto bad;
    if (*p || first > last || last >= limit)
        goto bad;
    *set |= mask64((unsigned)(last - first + 1)) << first;
    return 0;
bad:
    return err_set(e, EINVAL, "%s=%.80s: give a number from 0 to %u, or two as 0-%u", what, text,
                   limit - 1, limit - 1);
}

/* "FROM-TO": both numbers of instructions; either may be left out. */
static int set_window(struct observer_options *t, const char *text, struct err *e)
{
    const char *p = text;
    uint64_t from = 0, to = UINT64_MAX;

    if (*p != '-' && option_scan_number(&p, &from))
        goto bad;
    if (*p++ != '-' || (*p && option_scan_number(&p, &to)) || *p || from >= to)
        goto bad;
    t->has_window = true;
    t->from_insn = from;
    t->to_insn = to;
    return 0;
bad:
    return err_set(e, EINVAL, "insns=%.80s: write it like 1000-2000, 1000- or -2000", text);
}

int set_trace_filter(struct options *o, const char *text, struct err *e)
{
    struct observer_options *t = &o->observer;
    char *rest = option_keep(o, text, strlen(text), e);

    if (!rest)
        return -ENOMEM;
    for (char *part; (part = option_next_part(&rest));) {
        const char *pc = option_value(part, "pc"), *el = option_value(part, "el"),
                   *cpu = option_value(part, "cpu"), *insns = option_value(part, "insns");
        uint64_t els = t->els;
        int r;
        if (pc) {
            r = add_to(t->pc, &t->nr_pc, pc, e);
        } else if (el) {
            r = add_numbers("el", el, 2, &els, e);
            t->els = (uint32_t)els;
        } else if (cpu) {
            r = add_numbers("cpu", cpu, VM_MAX_CPUS, &t->vcpus, e);
        } else if (insns) {
            r = set_window(t, insns, e);
            o->vm.jit.exact = true;
        } else {
            r = err_set(e, EINVAL, "\"%.80s\" is not one of pc=RANGE, el=N, cpu=N, insns=FROM-TO", part);
        }
        if (r)
            return r;
    }
    return 0;
}

int set_trace_format(struct options *o, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {{"text", 0}, {"json", 1}, {NULL, 0}};
    int v = 0;
    const int r = option_parse_choice(choices, text, &v, e);

    o->observer.json = v;
    return r;
}

int set_trace_ring(struct options *o, const char *text, struct err *e)
{
    const char *p = text;
    const int r = option_scan_number(&p, &o->observer.ring);

    if (r || *p || !o->observer.ring || o->observer.ring > TRACE_RING_MAX)
        return err_set(e, EINVAL, "\"%.80s\" is not a number of events from 1 to %u", text,
                       TRACE_RING_MAX);
    return 0;
}

int set_trace_limit(struct options *o, const char *text, struct err *e)
{
    return options_parse_size(text, &o->observer.limit, e);
}

/* FILE[@OFFSET]: a name may have an @ too. */
int set_symbols(struct options *o, const char *text, struct err *e)
{
    struct observer_options *t = &o->observer;
    const char *at = strrchr(text, '@'), *p = at ? at + 1 : NULL;
    uint64_t offset = 0;

    if (t->nr_symbols == OBSERVER_MAX_SYMBOLS)
        return err_set(e, E2BIG, "given more than %u times", OBSERVER_MAX_SYMBOLS);
    const bool negative = p && *p == '-';
    p += negative;
    if (!p || option_scan_number(&p, &offset) || *p)
        at = NULL;
    const char *path = at ? option_keep(o, text, (size_t)(at - text), e) : text;
    if (!path)
        return -ENOMEM;
    t->symbols[t->nr_symbols].offset = !at ? 0 : negative ? -offset : offset;
    return option_parse_file(path, &t->symbols[t->nr_symbols++].path, e);
}

/* FILE[,every=N] */
int set_profile(struct options *o, const char *text, struct err *e)
{
    char *rest = option_keep(o, text, strlen(text), e);

    if (!rest)
        return -ENOMEM;
    const int r = option_parse_file(option_next_part(&rest), &o->observer.profile, e);
    for (char *part; !r && (part = option_next_part(&rest));) {
        const char *every = option_value(part, "every");
        if (!every || option_scan_number(&every, &o->observer.profile_insns) || *every ||
            !o->observer.profile_insns)
            return err_set(e, EINVAL, "\"%.80s\" is not every=N, a number of instructions", part);
    }
    o->vm.jit.exact = true;
    return r;
}

int set_coverage(struct options *o, const char *text, struct err *e)
{
    return option_parse_file(text, &o->observer.coverage, e);
}
