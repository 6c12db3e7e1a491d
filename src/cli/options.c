/* The option table and its parser. Before any thread starts. */
#include "cli/options.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---------------------------------------------------------------------------------------------------------------- */

/* The digits at *p, decimal or hexadecimal after 0x; moves *p behind them. -EINVAL: none; -ERANGE: above 64 bits. */
static int scan_number(const char **p, uint64_t *val)
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
    int r = scan_number(&p, &v);
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
    int r = scan_number(&p, &v);
    if (r == -EINVAL || *p)
        return err_set(e, EINVAL,
                       "\"%s\" is not an address; write it like 0x10000 (hexadecimal needs the 0x)",
                       text);
    if (r == -ERANGE)
        return err_set(e, ERANGE, "\"%s\" does not fit into 64 bits", text);
    *val = v;
    return 0;
}

/* Seconds with up to nine decimals, as nanoseconds. */
static int parse_seconds(const char *text, uint64_t *ns, struct err *e)
{
    const char *p = text;
    uint64_t whole, frac = 0;
    if (*p < '0' || *p > '9' || (p[0] == '0' && (p[1] | 0x20) == 'x'))
        goto bad;
    int r = scan_number(&p, &whole);
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

struct choice {
    const char *name;
    int val;
};

static int parse_choice(const struct choice *c, const char *text, int *val, struct err *e)
{
    char all[160] = "";
    for (const struct choice *i = c; i->name; i++) {
        if (strcmp(i->name, text) == 0) {
            *val = i->val;
            return 0;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", i->name);
    }
    return err_set(e, EINVAL, "\"%s\" is not one of %s", text, all);
}

static int parse_file(const char *text, const char **path, struct err *e)
{
    if (!*text)
        return err_set(e, EINVAL, "the file name is empty");
    *path = text;
    return 0;
}

/* A copy of len bytes that lives as long as o. */
static const char *keep(struct options *o, const char *text, size_t len, struct err *e)
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

/* ---- one function an option ------------------------------------------------------------------------------------------------- */

static int set_binary(struct options *o, const char *text, struct err *e)
{
    return parse_file(text, &o->vm.binary, e);
}

static int set_kernel(struct options *o, const char *text, struct err *e)
{
    return parse_file(text, &o->vm.kernel, e);
}

static int set_entry(struct options *o, const char *text, struct err *e)
{
    int r = options_parse_addr(text, &o->vm.entry, e);
    if (r == 0 && (o->vm.entry & 3))
        r = err_set(e, EINVAL, "0x%" PRIx64 " is not a multiple of 4, as instructions are", o->vm.entry);
    return r;
}

static int set_load(struct options *o, const char *text, struct err *e)
{
    /* The last @, for a file name may have one. */
    const char *at = strrchr(text, '@');
    if (!at || at == text)
        return err_set(e, EINVAL, "\"%s\" is not FILE@ADDR; write it like data.bin@0x4000000", text);
    if (o->vm.nr_loads == VM_MAX_LOADS)
        return err_set(e, E2BIG, "given more than %d times", VM_MAX_LOADS);
    struct vm_load *l = &o->vm.load[o->vm.nr_loads];
    int r = options_parse_addr(at + 1, &l->at, e);
    if (r < 0)
        return r;
    l->path = keep(o, text, (size_t)(at - text), e);
    if (!l->path)
        return -ENOMEM;
    o->vm.nr_loads++;
    return 0;
}

static int set_mem(struct options *o, const char *text, struct err *e)
{
    int r = options_parse_size(text, &o->vm.mem_len, e);
    if (r == 0 && o->vm.mem_len % VM_MEM_GRANULE)
        r = err_set(e, EINVAL, "\"%s\" is not a multiple of 64K", text);
    return r;
}

static int set_cpus(struct options *o, const char *text, struct err *e)
{
    const char *p = text;
    uint64_t n;
    if (scan_number(&p, &n) < 0 || *p || n < 1 || n > VM_MAX_CPUS)
        return err_set(e, EINVAL, "\"%s\" is not a number from 1 to %d", text, VM_MAX_CPUS);
    o->vm.nr_cpus = (unsigned)n;
    return 0;
}

static int set_machine(struct options *o, const char *text, struct err *e)
{
    static const struct choice choices[] = {
        {"vibe", VM_MACHINE_VIBE}, {"virt", VM_MACHINE_VIRT}, {NULL, 0}};
    int v = 0, r = parse_choice(choices, text, &v, e);
    o->vm.machine = (enum vm_machine)v;
    return r;
}

static int set_accel(struct options *o, const char *text, struct err *e)
{
    static const struct choice choices[] = {{"auto", VM_ACCEL_AUTO},
                                            {"soft", VM_ACCEL_SOFT},
                                            {"kvm", VM_ACCEL_KVM},
                                            {"hvf", VM_ACCEL_HVF},
                                            {NULL, 0}};
    int v = 0, r = parse_choice(choices, text, &v, e);
    if (r == 0 && (v == VM_ACCEL_KVM || v == VM_ACCEL_HVF))
        r = err_set(e, ENOTSUP, "%s is not in this build yet; use soft", text);
    o->vm.accel = (enum vm_accel)v;
    return r;
}

static int set_virtio(struct options *o, const char *text, struct err *e)
{
    static const struct choice choices[] = {
        {"modern", VM_VIRTIO_MODERN}, {"legacy", VM_VIRTIO_LEGACY}, {NULL, 0}};
    int v = 0, r = parse_choice(choices, text, &v, e);
    o->vm.virtio = (enum vm_virtio)v;
    return r;
}

static int set_console(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.console = VM_CONSOLE_VIRTIO;
    return 0;
}

static int set_log(struct options *o, const char *text, struct err *e)
{
    static const struct choice choices[] = {{"error", LOG_ERROR}, {"warn", LOG_WARN},
                                            {"info", LOG_INFO},   {"debug", LOG_DEBUG},
                                            {"trace", LOG_TRACE}, {NULL, 0}};
    if (text[0] >= '0' && text[0] <= '4' && !text[1]) {
        o->vm.log_level = text[0] - '0';
        return 0;
    }
    int r = parse_choice(choices, text, &o->vm.log_level, NULL);
    if (r < 0)
        return err_set(e, EINVAL,
                       "\"%s\" is not a level: 0 or error, 1 or warn, 2 or info, 3 or debug, 4 or trace",
                       text);
    return 0;
}

static int set_stats(struct options *o, const char *text, struct err *e)
{
    static const struct choice choices[] = {
        {"box", VM_STATS_BOX}, {"json", VM_STATS_JSON}, {"none", VM_STATS_NONE}, {NULL, 0}};
    o->vm.stats_path = NULL;
    if (!text) {
        o->vm.stats = VM_STATS_BOX;
        return 0;
    }
    if (strncmp(text, "json:", 5) == 0) {
        o->vm.stats = VM_STATS_JSON;
        return parse_file(text + 5, &o->vm.stats_path, e);
    }
    int v = 0, r = parse_choice(choices, text, &v, NULL);
    if (r < 0)
        return err_set(e, EINVAL, "\"%s\" is not one of box, json, json:FILE, none", text);
    o->vm.stats = (enum vm_stats_format)v;
    return 0;
}

static int set_dump(struct options *o, const char *text, struct err *e)
{
    /* The first : and the first = behind it: the file name, last, may have both. */
    const char *colon = strchr(text, ':'), *equals = colon ? strchr(colon, '=') : NULL;
    if (!equals || !equals[1])
        return err_set(e, EINVAL, "\"%s\" is not ADDR:LEN=FILE; write it like 0x20000:4K=dump.bin", text);
    if (o->vm.nr_dumps == VM_MAX_DUMPS)
        return err_set(e, E2BIG, "given more than %d times", VM_MAX_DUMPS);
    struct vm_dump *d = &o->vm.dump[o->vm.nr_dumps];
    /* Numbers are short: what does not fit is none. */
    char number[2][32];
    const char *start[2] = {text, colon + 1};
    size_t len[2] = {(size_t)(colon - text), (size_t)(equals - colon - 1)};
    for (int i = 0; i < 2; i++) {
        len[i] = MIN(len[i], sizeof(number[i]) - 1);
        memcpy(number[i], start[i], len[i]);
        number[i][len[i]] = 0;
    }
    int r = options_parse_addr(number[0], &d->base, e);
    if (r == 0)
        r = options_parse_size(number[1], &d->len, e);
    if (r < 0)
        return r;
    if (d->base + (d->len - 1) < d->base)
        return err_set(e, EINVAL, "\"%s\" reaches beyond the end of the address space", text);
    d->path = equals + 1;
    o->vm.nr_dumps++;
    return 0;
}

static int set_timeout(struct options *o, const char *text, struct err *e)
{
    return parse_seconds(text, &o->vm.timeout_ns, e);
}

static int set_keep_going(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.keep_going = true;
    return 0;
}

/* ---- the table -------------------------------------------------------------------------------------------------------------- */

enum topic {
    TOPIC_IMAGE,
    TOPIC_MACHINE,
    TOPIC_CONSOLE,
    TOPIC_RUN,
    TOPIC_OBSERVE,
    TOPIC_GENERAL,
    NR_TOPICS
};

static const struct {
    const char *name, *title;
} topics[NR_TOPICS] = {
    [TOPIC_IMAGE] = {"image", "What to run"},
    [TOPIC_MACHINE] = {"machine", "The machine"},
    [TOPIC_CONSOLE] = {"console", "The console"},
    [TOPIC_RUN] = {"run", "How long to run"},
    [TOPIC_OBSERVE] = {"observe", "What to see of it"},
    [TOPIC_GENERAL] = {"general", "About vibevmm"},
};

enum arg_kind {
    ARG_NONE,
    ARG_NEEDED,    /* --opt VALUE or --opt=VALUE */
    ARG_OPTIONAL,  /* --opt or --opt=VALUE */
    ARG_NEXT_WORD, /* as optional, and a next argument that is no option is taken: --help TOPIC */
};

enum option_special { SPECIAL_NONE, SPECIAL_HELP, SPECIAL_VERSION };

struct option_desc {
    const char *name; /* without the dashes */
    enum arg_kind kind;
    const char *arg; /* as help shows it */
    enum topic topic;
    bool repeatable;
    enum option_special special;
    int (*set)(struct options *o, const char *text, struct err *e); /* text null: no argument given */
    const char *help;                                               /* lines of up to 74 columns */
};

/* clang-format off: one column a field reads better than what it makes of it */
static const struct option_desc table[] = {
    {"binary", ARG_NEEDED, "FILE", TOPIC_IMAGE, false, SPECIAL_NONE, set_binary,
     "Run a raw binary: loaded at --entry and started there, in EL1, MMU off."},
    {"entry", ARG_NEEDED, "ADDR", TOPIC_IMAGE, false, SPECIAL_NONE, set_entry,
     "Where the raw binary is loaded and starts (default 0x10000)."},
    {"kernel", ARG_NEEDED, "FILE", TOPIC_IMAGE, false, SPECIAL_NONE, set_kernel,
     "Run an ELF executable for aarch64; it says itself where it goes."},
    {"load", ARG_NEEDED, "FILE@ADDR", TOPIC_IMAGE, true, SPECIAL_NONE, set_load,
     "Also put FILE into guest memory at ADDR. May be repeated."},
    {"mem", ARG_NEEDED, "SIZE", TOPIC_MACHINE, false, SPECIAL_NONE, set_mem,
     "Guest RAM, with K, M or G (default 128M; a multiple of 64K)."},
    {"cpus", ARG_NEEDED, "N", TOPIC_MACHINE, false, SPECIAL_NONE, set_cpus,
     "Virtual CPUs, 1 to 64 (default 1). All but the first wait for PSCI CPU_ON."},
    {"machine", ARG_NEEDED, "vibe|virt", TOPIC_MACHINE, false, SPECIAL_NONE, set_machine,
     "Where RAM lies: vibe at 0 (and on from 0x40000000 beyond 128M), virt at\n"
     "0x40000000. By default vibe for --binary; for --kernel by the ELF's\n"
     "addresses. Devices are the same."},
    {"accel", ARG_NEEDED, "auto|soft", TOPIC_MACHINE, false, SPECIAL_NONE, set_accel,
     "What runs guest code: soft is the software CPU; auto (the default) takes\n"
     "the fastest there is. kvm and hvf are not in this build yet."},
    {"virtio", ARG_NEEDED, "modern|legacy", TOPIC_MACHINE, false, SPECIAL_NONE, set_virtio,
     "The virtio-mmio register layout: modern (version 2, the default) or\n"
     "legacy (version 1), the only one that many small drivers know."},
    {"console", ARG_NONE, NULL, TOPIC_CONSOLE, false, SPECIAL_NONE, set_console,
     "Attach the terminal to the virtio console instead of the PL011 debug\n"
     "console."},
    {"timeout", ARG_NEEDED, "SECONDS", TOPIC_RUN, false, SPECIAL_NONE, set_timeout,
     "Stop the guest after so long, with exit status 3. Fractions are fine."},
    {"keep-going", ARG_NONE, NULL, TOPIC_RUN, false, SPECIAL_NONE, set_keep_going,
     "Do not stop a guest that is stuck in a fault which it cannot leave."},
    {"stats", ARG_OPTIONAL, "box|json|none", TOPIC_OBSERVE, false, SPECIAL_NONE, set_stats,
     "Statistics at the end, on stderr: as boxes (the default), as JSON, or\n"
     "not at all. --stats=json:FILE writes the JSON to FILE."},
    {"log", ARG_NEEDED, "LEVEL", TOPIC_OBSERVE, false, SPECIAL_NONE, set_log,
     "Messages of vibevmm itself, on stderr: 0 or error, 1 or warn (the\n"
     "default), 2 or info, 3 or debug, 4 or trace."},
    {"dump-memory", ARG_NEEDED, "ADDR:LEN=FILE", TOPIC_OBSERVE, true, SPECIAL_NONE, set_dump,
     "At the end write LEN bytes of guest memory from ADDR to FILE. May be\n"
     "repeated."},
    {"help", ARG_NEXT_WORD, "TOPIC", TOPIC_GENERAL, false, SPECIAL_HELP, NULL,
     "Explain; a TOPIC is one of those below, or all."},
    {"version", ARG_NONE, NULL, TOPIC_GENERAL, false, SPECIAL_VERSION, NULL,
     "Tell the version, and which libraries and backends are in this build."},
};
/* clang-format on */

/* Topics without options. */
static const char help_keys[] = "Keys, while the terminal is attached:\n"
                                "  Ctrl-C               Stop the VM; the statistics are shown\n"
                                "  Ctrl-A x             Quit\n"
                                "  Ctrl-A c             Send Ctrl-C to the guest\n"
                                "  Ctrl-A z             Suspend vibevmm; fg goes on\n"
                                "  Ctrl-A Ctrl-A        Send Ctrl-A to the guest\n"
                                "  Ctrl-A ?             Show these keys (Ctrl-A h too)\n";

static const char help_status[] =
    "Exit status:\n"
    "  0                    The guest powered off or reported success\n"
    "  N                    The guest's own code, where it gave one\n"
    "  1                    vibevmm itself failed: its backend, an output file\n"
    "  2                    Bad usage or bad input\n"
    "  3                    --timeout ran out\n"
    "  4                    The guest is stuck in a fault that it cannot leave\n"
    "  128+SIGNAL           vibevmm was stopped by a signal (130: Ctrl-C)\n";

static const char *const extra_topics[][2] = {{"keys", help_keys}, {"status", help_status}};

/* ---- help ------------------------------------------------------------------------------------------------------------------- */

static void print_option(FILE *out, const struct option_desc *d)
{
    char head[64];
    int n = snprintf(head, sizeof(head), "--%s%s%s%s", d->name,
                     d->kind == ARG_NONE       ? ""
                     : d->kind == ARG_OPTIONAL ? "[="
                     : d->kind == ARG_NEEDED   ? " "
                                               : " [",
                     d->arg ? d->arg : "",
                     d->kind == ARG_OPTIONAL || d->kind == ARG_NEXT_WORD ? "]" : "");
    const char *line = d->help;
    /* A head too long for its column stands on a line of its own. */
    if (n > 20)
        fprintf(out, "  %s\n%23s", head, "");
    else
        fprintf(out, "  %-20s ", head);
    while (*line) {
        size_t len = strcspn(line, "\n");
        fprintf(out, "%.*s\n", (int)len, line);
        line += len;
        if (*line == '\n') {
            line++;
            fprintf(out, "%23s", "");
        }
    }
}

static void print_topic(FILE *out, enum topic t)
{
    fprintf(out, "%s:\n", topics[t].title);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].topic == t)
            print_option(out, &table[i]);
}

static void print_topic_names(FILE *out)
{
    fputs("Topics for --help:", out);
    for (int t = 0; t < NR_TOPICS; t++)
        fprintf(out, " %s", topics[t].name);
    for (size_t i = 0; i < ARRAY_LEN(extra_topics); i++)
        fprintf(out, " %s", extra_topics[i][0]);
    fputs(" all\n", out);
}

void options_print_help(FILE *out, const char *topic)
{
    if (!topic || strcmp(topic, "all") == 0)
        fputs("vibevmm runs ARM64 guests: kernels, firmware, bare-metal programs.\n"
              "\n"
              "Usage: vibevmm --binary FILE [--entry ADDR] [OPTION]...\n"
              "       vibevmm --kernel FILE [OPTION]...\n"
              "\n"
              "Example: vibevmm --binary tests/kernels/arm64_hello.raw --entry 0x10000 --mem 128M\n"
              "\n",
              out);
    if (!topic) {
        print_topic(out, TOPIC_IMAGE);
        fputc('\n', out);
        print_topic(out, TOPIC_MACHINE);
        fputc('\n', out);
        print_topic_names(out);
        fputs("Press Ctrl-A ? while the guest runs to see the keys.\n", out);
        return;
    }
    bool all = strcmp(topic, "all") == 0, first = true;
    for (int t = 0; t < NR_TOPICS; t++)
        if (all || strcmp(topic, topics[t].name) == 0) {
            if (!first)
                fputc('\n', out);
            first = false;
            print_topic(out, (enum topic)t);
            if (t == TOPIC_GENERAL) {
                fputc('\n', out);
                print_topic_names(out);
            }
        }
    for (size_t i = 0; i < ARRAY_LEN(extra_topics); i++)
        if (all || strcmp(topic, extra_topics[i][0]) == 0)
            fprintf(out, "%s%s", all ? "\n" : "", extra_topics[i][1]);
}

/* ---- parsing ---------------------------------------------------------------------------------------------------------------- */

#define SUGGEST_MAX_LEN 24

/* Damerau-Levenshtein distance with adjacent swaps; long words are far from everything. */
static unsigned distance(const char *a, size_t a_len, const char *b)
{
    size_t b_len = strlen(b);
    if (a_len > SUGGEST_MAX_LEN || b_len > SUGGEST_MAX_LEN)
        return UINT32_MAX;
    unsigned d[SUGGEST_MAX_LEN + 1][SUGGEST_MAX_LEN + 1];
    for (size_t i = 0; i <= a_len; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= b_len; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++)
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = MIN(best, MIN(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    return d[a_len][b_len];
}

/* The better of best and a candidate. Words that one is the start of the other count as near: --dump for --dump-memory. */
static void consider(const char *candidate, const char *word, size_t len, const char **best,
                     unsigned *best_distance)
{
    unsigned d = distance(word, len, candidate);
    size_t candidate_len = strlen(candidate);
    if (len >= 3 && strncmp(word, candidate, MIN(len, candidate_len)) == 0 && candidate_len >= 3)
        d = MIN(d, 1);
    unsigned limit = len <= 3 ? 1 : len <= 6 ? 2 : 3;
    if (d <= limit && d < *best_distance) {
        *best = candidate;
        *best_distance = d;
    }
}

static int unknown_option(const char *arg, struct err *e)
{
    const char *word = arg + strspn(arg, "-"), *best = NULL;
    unsigned best_distance = UINT32_MAX;
    size_t len = strcspn(word, "=");
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        consider(table[i].name, word, len, &best, &best_distance);
    int shown = (int)MIN(strcspn(arg, "="), (size_t)80);
    if (best)
        return err_set(e, EINVAL, "unknown option %.*s; did you mean --%s?", shown, arg, best);
    return err_set(e, EINVAL, "unknown option %.*s; vibevmm --help all lists them", shown, arg);
}

static int set_topic(struct options *o, const char *text, struct err *e)
{
    const char *best = NULL;
    unsigned best_distance = UINT32_MAX;
    o->topic = text;
    if (!text || strcmp(text, "all") == 0)
        return 0;
    for (int t = 0; t < NR_TOPICS; t++) {
        if (strcmp(text, topics[t].name) == 0)
            return 0;
        consider(topics[t].name, text, strlen(text), &best, &best_distance);
    }
    for (size_t i = 0; i < ARRAY_LEN(extra_topics); i++) {
        if (strcmp(text, extra_topics[i][0]) == 0)
            return 0;
        consider(extra_topics[i][0], text, strlen(text), &best, &best_distance);
    }
    /* An option's name explains its topic. */
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strcmp(text + strspn(text, "-"), table[i].name) == 0) {
            o->topic = topics[table[i].topic].name;
            return 0;
        }
    if (best)
        return err_set(e, EINVAL, "--help: no topic \"%.80s\"; did you mean %s?", text, best);
    return err_set(e, EINVAL, "--help: no topic \"%.80s\"; vibevmm --help names the topics", text);
}

static const struct option_desc *find_option(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strlen(table[i].name) == len && strncmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* What contradicts something else, once everything is known. */
static int check_together(const struct options *o, const bool *given, struct err *e)
{
    const struct vm_options *v = &o->vm;
    bool entry_given = false;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].set == set_entry)
            entry_given = given[i];
    if (v->binary && v->kernel)
        return err_set(e, EINVAL, "--binary and --kernel contradict each other; give one of them");
    if (v->kernel && entry_given)
        return err_set(e, EINVAL,
                       "--entry and --kernel contradict each other: an ELF has its own entry point");
    if (!v->binary && !v->kernel)
        return err_set(e, EINVAL,
                       "nothing to run; give --binary FILE or --kernel FILE (vibevmm --help explains)");
    return 0;
}

int options_parse(struct options *o, int argc, char *const *argv, struct err *e)
{
    *o = (struct options){
        .vm = {.entry = VM_DEFAULT_ENTRY, .mem_len = VM_DEFAULT_MEM, .nr_cpus = 1, .log_level = LOG_WARN},
    };
    bool given[ARRAY_LEN(table)] = {false};
    const char *before[ARRAY_LEN(table)] = {NULL};
    bool version = false, help = false;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *val = NULL;
        if (strcmp(arg, "-h") == 0)
            arg = "--help";
        if (arg[0] != '-')
            return err_set(e, EINVAL,
                           "unexpected argument \"%.200s\"; a file to run goes with --binary or --kernel",
                           arg);
        size_t len = arg[1] == '-' ? strcspn(arg + 2, "=") : 0;
        const struct option_desc *d = len ? find_option(arg + 2, len) : NULL;
        if (!d)
            return unknown_option(arg, e);
        if (arg[2 + len] == '=')
            val = arg + 2 + len + 1;

        if (val && d->kind == ARG_NONE)
            return err_set(e, EINVAL, "--%s takes no argument", d->name);
        if (!val && d->kind == ARG_NEEDED) {
            if (i + 1 == argc)
                return err_set(e, EINVAL, "--%s needs an argument: --%s %s", d->name, d->name, d->arg);
            val = argv[++i];
            /* "--binary --mem 1G": the file was forgotten; one that is really called so can be given as ./--mem. */
            if (val[0] == '-' && val[1] == '-')
                return err_set(e, EINVAL, "--%s needs an argument: --%s %s, but %.80s follows",
                               d->name, d->name, d->arg, val);
        }
        if (!val && d->kind == ARG_NEXT_WORD && i + 1 < argc && argv[i + 1][0] != '-')
            val = argv[++i];
        /* "--stats json" */
        if (!val && d->kind == ARG_OPTIONAL && i + 1 < argc && argv[i + 1][0] != '-')
            return err_set(e, EINVAL, "--%s %.80s: write it with =, as --%s=%.80s", d->name,
                           argv[i + 1], d->name, argv[i + 1]);

        size_t n = (size_t)(d - table);
        if (given[n] && !d->repeatable && !same_text(before[n], val))
            return err_set(e, EINVAL, "--%s is given twice, as %.80s and as %.80s; give it once",
                           d->name, before[n] ? before[n] : "nothing", val ? val : "nothing");
        given[n] = true;
        before[n] = val;

        int r = 0;
        if (d->special == SPECIAL_HELP) {
            help = true;
            r = set_topic(o, val, e);
            if (r < 0)
                return r;
        } else if (d->special == SPECIAL_VERSION) {
            version = true;
        } else {
            r = d->set(o, val, e);
            if (r < 0)
                return err_prefix(e, "--%s", d->name);
        }
    }
    o->action = help ? OPTIONS_HELP : version ? OPTIONS_VERSION : OPTIONS_RUN;
    return o->action == OPTIONS_RUN ? check_together(o, given, e) : 0;
}

void options_free(struct options *o)
{
    for (unsigned i = 0; i < o->nr_owned; i++)
        free(o->owned[i]);
    o->nr_owned = 0;
}

int options_check_host(const struct vm_options *v, uint64_t host_memory, struct err *e)
{
    if (host_memory && v->mem_len > host_memory)
        return err_set(e, ENOMEM,
                       "--mem: %" PRIu64 "M is more than this host has (%" PRIu64 "M); give less",
                       v->mem_len >> 20, host_memory >> 20);
    return 0;
}
