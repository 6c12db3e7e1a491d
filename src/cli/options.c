/* The parser of the command line. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const struct option_desc option_table[NR_OPTIONS] = {
#define OPTION(id, name, kind, arg, topic, count, set, help)                                       \
    [OPT_##id] = {name, kind, arg, topic, count, set, help},
#include "cli/options.def"
};

/* --mem may be so large on every host. */
#define MEM_ALWAYS (UINT64_C(64) << 30)

/* What contradicts, and what is nothing alone. */
struct pair_rule {
    enum option_id a, b;
    const char *why;
};
static const struct pair_rule conflicts[] = {
#define CONFLICT(a, b, why) {OPT_##a, OPT_##b, why},
#include "cli/options.def"
};
static const struct pair_rule needs[] = {
#define NEEDS(a, b, why) {OPT_##a, OPT_##b, why},
#include "cli/options.def"
};

static int unknown_option(const char *arg, struct err *e)
{
    const char *word = arg + strspn(arg, "-");
    struct option_guess guess = {0};
    size_t len = strcspn(word, "=");
    for (size_t i = 0; i < NR_OPTIONS; i++)
        option_guess_offer(&guess, option_table[i].name, word, len);
    int shown = (int)MIN(strcspn(arg, "="), (size_t)80);
    if (guess.best)
        return err_set(e, EINVAL, "unknown option %.*s; did you mean --%s?", shown, arg, guess.best);
    return err_set(e, EINVAL, "unknown option %.*s; vibevmm --help all lists them", shown, arg);
}

static const struct option_desc *find_option(const char *name, size_t len)
{
    for (size_t i = 0; i < NR_OPTIONS; i++)
        if (strlen(option_table[i].name) == len && strncmp(option_table[i].name, name, len) == 0)
            return &option_table[i];
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* What contradicts something else, once everything is known. */
static int check_together(const struct options *o, const bool *given, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(conflicts); i++) {
        const struct pair_rule *c = &conflicts[i];
        if (given[c->a] && given[c->b])
            return err_set(e, EINVAL, "--%s and --%s contradict each other%s",
                           option_table[c->a].name, option_table[c->b].name, c->why);
    }
    for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
        const struct pair_rule *n = &needs[i];
        if (given[n->a] && !given[n->b])
            return err_set(e, EINVAL, "--%s needs --%s%s", option_table[n->a].name,
                           option_table[n->b].name, n->why);
    }
    for (size_t i = 0; i < NR_OPTIONS && !o->fork.on; i++)
        if (given[i] && option_table[i].topic == TOPIC_FORK)
            return err_set(e, EINVAL, "--%s is for vibevmm fork; --help fork explains it",
                           option_table[i].name);
    if (o->vm.jit.check && o->vm.nr_cpus > 1)
        return err_set(e, EINVAL, "--check-jit needs one CPU: another would write between the two runs");
    if (o->vm.jit.off && (o->vm.jit.check || o->vm.jit.dump || o->vm.jit.perf_map))
        return err_set(e, EINVAL, "--%s and --accel soft,jit=off contradict each other",
                       o->vm.jit.check  ? "check-jit"
                       : o->vm.jit.dump ? "jit-dump"
                                        : "perf-map");
    if (!given[OPT_BINARY] && !given[OPT_KERNEL] && !given[OPT_FIRMWARE] && !given[OPT_DUMP_DTB])
        return err_set(
            e, EINVAL,
            "nothing to run; give --binary, --kernel or --firmware FILE (vibevmm --help explains)");
    return 0;
}

/* What was given so far. */
struct parse {
    bool given[NR_OPTIONS], anew[NR_OPTIONS]; /* anew: by the user, not by a snapshot */
    const char *before[NR_OPTIONS];
};

static int take_option(struct options *o, struct parse *p, unsigned n, const char *val, struct err *e)
{
    const struct option_desc *d = &option_table[n];

    if (o->snapshot) {
        const int r = option_beside_snapshot(o, n, val, !p->anew[n], e);
        if (r)
            return r < 0 ? err_prefix(e, "--%s", d->name) : 0;
        p->given[n] &= p->anew[n];
        p->anew[n] = true;
    }
    if (p->given[n] && d->count == ONCE && !same_text(p->before[n], val))
        return err_set(e, EINVAL, "--%s is given twice, as %.80s and as %.80s; give it once",
                       d->name, p->before[n] ? p->before[n] : "nothing", val ? val : "nothing");
    p->before[n] = val;
    o->has_contract |= d->topic == TOPIC_CI;
    int r = d->set(o, val, e);
    /* What is said twice is remembered once. */
    if (r >= 0 && !(p->given[n] && d->count == ONCE))
        r = option_remember(o, n, val, e);
    p->given[n] = true;
    return r < 0 ? err_prefix(e, "--%s", d->name) : 0;
}

/* The value of the next argument if it belongs to d; *i is moved. */
static int take_value(const struct option_desc *d, int argc, char *const *argv, int *i,
                      const char **val, struct err *e)
{
    if (*val && d->kind == ARG_NONE)
        return err_set(e, EINVAL, "--%s takes no argument", d->name);
    if (!*val && d->kind == ARG_NEEDED) {
        if (*i + 1 == argc)
            return err_set(e, EINVAL, "--%s needs an argument: --%s %s", d->name, d->name, d->arg);
        *val = argv[++*i];
        /* "--binary --mem 1G": the file was forgotten; one that is really called so can be given as ./--mem. */
        if ((*val)[0] == '-' && (*val)[1] == '-')
            return err_set(e, EINVAL, "--%s needs an argument: --%s %s, but %.80s follows", d->name,
                           d->name, d->arg, *val);
    }
    if (!*val && d->kind == ARG_NEXT_WORD && *i + 1 < argc && argv[*i + 1][0] != '-')
        *val = argv[++*i];
    /* "--stats json" */
    if (!*val && d->kind == ARG_OPTIONAL && *i + 1 < argc && argv[*i + 1][0] != '-')
        return err_set(e, EINVAL, "--%s %.80s: write it with =, as --%s=%.80s", d->name,
                       argv[*i + 1], d->name, argv[*i + 1]);
    return 0;
}

/* The next option of the command line at *i, which is moved behind it. */
static int next_option(int argc, char *const *argv, int *i, unsigned *n, const char **val, struct err *e)
{
    const char *arg = argv[*i];

    *val = NULL;
    if (strcmp(arg, "-h") == 0)
        arg = "--help";
    if (arg[0] != '-')
        return err_set(e, EINVAL,
                       "unexpected argument \"%.200s\"; a file to run goes with --binary or --kernel",
                       arg);
    const size_t len = arg[1] == '-' ? strcspn(arg + 2, "=") : 0;
    const struct option_desc *d = len ? find_option(arg + 2, len) : NULL;
    if (!d)
        return unknown_option(arg, e);
    if (arg[2 + len] == '=')
        *val = arg + 2 + len + 1;
    const int r = take_value(d, argc, argv, i, val, e);
    *n = (unsigned)(d - option_table);
    ++*i;
    return r;
}

/* --snapshot-load comes first, wherever it stands: its options are what the others are compared with. */
static int take_snapshot(struct options *o, struct parse *p, int argc, char *const *argv, struct err *e)
{
    const char *val, *from = NULL;
    struct err later; /* of what is wrong elsewhere */
    unsigned n = 0;

    for (int i = 1; i < argc;)
        if (next_option(argc, argv, &i, &n, &val, &later) < 0)
            return 0;
        else if (n == OPT_SNAPSHOT_LOAD)
            from = val;
    if (!from)
        return 0;
    int r = options_load_snapshot(o, from, e);
    struct snapshot *snapshot = o->snapshot;
    o->snapshot = NULL; /* what it has itself is not beside it */
    for (unsigned i = 0; i < o->words.nr && r >= 0; i++) {
        r = option_of_word(&o->words.word[i], e);
        if (r >= 0)
            r = take_option(o, p, (unsigned)r, o->words.word[i].value, e);
    }
    o->snapshot = snapshot;
    return r < 0 ? err_prefix(e, "--snapshot-load") : 0;
}

int options_parse(struct options *o, int argc, char *const *argv, struct err *e)
{
    struct parse p = {0};
    const char *val;
    unsigned n = 0;
    int r;

    *o = (struct options){
        .vm = {.entry = VM_DEFAULT_ENTRY, .nr_cpus = 1, .log_level = LOG_WARN},
        .observer = {.limit = TRACE_LIMIT_DEFAULT},
    };
    if (argc > 1 && !strcmp(argv[1], "fork")) {
        o->fork.on = true;
        argc--;
        argv++;
    }
    if ((r = take_snapshot(o, &p, argc, argv, e)))
        return r;
    for (int i = 1; i < argc;)
        if ((r = next_option(argc, argv, &i, &n, &val, e)) || (r = take_option(o, &p, n, val, e)))
            return r;
    if (o->action != OPTIONS_RUN)
        return 0;
    if (o->snapshot && (r = options_check_snapshot(o, e)))
        return r;
    return check_together(o, p.given, e);
}

void options_free(struct options *o)
{
    for (unsigned i = 0; i < o->nr_owned; i++)
        free(o->owned[i]);
    o->nr_owned = 0;
    words_free(&o->words);
    snapshot_close(o->snapshot);
    o->snapshot = NULL;
}

int options_check_host(const struct vm_options *v, uint64_t host_memory, struct err *e)
{
    /* Guest memory is reserved, not taken: a guest that uses little of much is fine, up to a point. */
    if (host_memory && v->mem_len > MAX(host_memory, MEM_ALWAYS))
        return err_set(e, ENOMEM,
                       "--mem: %" PRIu64 "M is more than this host has (%" PRIu64 "M); give less",
                       v->mem_len >> 20, host_memory >> 20);
    return 0;
}
