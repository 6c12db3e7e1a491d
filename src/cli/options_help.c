/* --help: the options by topic, and what the user may have meant. Pure; before any thread starts. */
#include "cli/options_internal.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const struct {
    const char *name, *title;
} topics[NR_TOPICS] = {
#define TOPIC(id, name, title) [TOPIC_##id] = {name, title},
#include "cli/options.def"
};

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
    "  N                    The guest's own code, where it gave one: HVC with w0 = 0x86000100, w1 = N;\n"
    "                       by --semihosting; by the test register (docs/ci.md)\n"
    "  1                    vibevmm itself failed: its backend, an output file\n"
    "  2                    Bad usage or bad input\n"
    "  3                    --timeout ran out, or --max-insns were run\n"
    "  4                    The guest is stuck in a fault that it cannot leave\n"
    "  5                    With an option of --help ci: what it asks for did not come, what it forbids\n"
    "                       did, or the run ended otherwise than by the guest's success\n"
    "  128+SIGNAL           vibevmm was stopped by a signal (130: Ctrl-C)\n";

static const char help_trace[] =
    "What --trace shows:\n"
#define TRACE_KIND(id, name, where, help) "  " name ": " help "\n"
#include "spec/trace_events.def"
    "RANGE is 0x1000-0x1fff, 0x1000+0x100 or a symbol, DEVICE pl011 or pl011@9000000.\n";

static const char *const extra_topics[][2] = {
#define PAGE(name, text) {name, text},
#include "cli/options.def"
};

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

static void print_topic(FILE *out, enum option_topic t)
{
    fprintf(out, "%s:\n", topics[t].title);
    for (size_t i = 0; i < NR_OPTIONS; i++)
        if (option_table[i].topic == t)
            print_option(out, &option_table[i]);
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
              "       vibevmm fork --snapshot-load FILE --variants FILE [OPTION]...   many from one\n"
              "       vibevmm ctl PATH COMMAND...      to one that was started with --control\n"
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
            print_topic(out, (enum option_topic)t);
            if (t == TOPIC_GENERAL) {
                fputc('\n', out);
                print_topic_names(out);
            }
        }
    for (size_t i = 0; i < ARRAY_LEN(extra_topics); i++)
        if (all || strcmp(topic, extra_topics[i][0]) == 0)
            fprintf(out, "%s%s", all ? "\n" : "", extra_topics[i][1]);
}

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

/* Words that one is the start of the other count as near: --dump for --dump-memory. */
void option_guess_offer(struct option_guess *g, const char *candidate, const char *word, size_t len)
{
    unsigned d = distance(word, len, candidate);
    size_t candidate_len = strlen(candidate);
    if (len >= 3 && strncmp(word, candidate, MIN(len, candidate_len)) == 0 && candidate_len >= 3)
        d = MIN(d, 1);
    unsigned limit = len <= 3 ? 1 : len <= 6 ? 2 : 3;
    if (d <= limit && (!g->best || d < g->distance)) {
        g->best = candidate;
        g->distance = d;
    }
}

int set_version(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    if (o->action == OPTIONS_RUN)
        o->action = OPTIONS_VERSION;
    return 0;
}

int set_self_test(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    if (o->action != OPTIONS_HELP)
        o->action = OPTIONS_SELF_TEST;
    return 0;
}

int set_help(struct options *o, const char *text, struct err *e)
{
    struct option_guess guess = {0};
    o->action = OPTIONS_HELP;
    o->topic = text ? text : o->fork.on ? topics[TOPIC_FORK].name : NULL;
    if (!text || strcmp(text, "all") == 0)
        return 0;
    for (int t = 0; t < NR_TOPICS; t++) {
        if (strcmp(text, topics[t].name) == 0)
            return 0;
        option_guess_offer(&guess, topics[t].name, text, strlen(text));
    }
    for (size_t i = 0; i < ARRAY_LEN(extra_topics); i++) {
        if (strcmp(text, extra_topics[i][0]) == 0)
            return 0;
        option_guess_offer(&guess, extra_topics[i][0], text, strlen(text));
    }
    /* An option's name explains its topic. */
    for (size_t i = 0; i < NR_OPTIONS; i++)
        if (strcmp(text + strspn(text, "-"), option_table[i].name) == 0) {
            o->topic = topics[option_table[i].topic].name;
            return 0;
        }
    if (guess.best)
        return err_set(e, EINVAL, "no topic \"%.80s\"; did you mean %s?", text, guess.best);
    return err_set(e, EINVAL, "no topic \"%.80s\"; vibevmm --help names the topics", text);
}
