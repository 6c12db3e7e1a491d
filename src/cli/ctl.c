/* vibevmm ctl: one command to a running VM, by its control socket. docs/control.md. */
#include "cli/ctl.h"

#include "cli/options_internal.h"
#include "cli/status.h"

#include <stdio.h>

#if HAVE_JANSSON

#include "base/bits.h"
#include "base/os.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_PARAMETERS 3
#define PER_LINE 16u

static int fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fail(int status, const char *fmt, ...)
{
    va_list ap;

    fputs("vibevmm: ctl: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

/* --- Answers ---------------------------------------------------------------------------------------------------------- */

static void print_nothing(const json_t *answer)
{
    (void)answer;
}

static void print_json(const json_t *answer)
{
    json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

static void print_status(const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "status"));
    puts(text ? text : "?");
}

static void print_console(const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "text"));
    const size_t len = text ? strlen(text) : 0;

    fputs(len ? text : "", stdout);
    if (len && text[len - 1] != '\n')
        putchar('\n');
}

static void print_registers(const json_t *answer)
{
    const char *name;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)answer, name, v)
    {
        if (json_is_object(v))
            print_registers(v);
        else
            printf("%-20s %s\n", name, json_string_value(v) ? json_string_value(v) : "?");
    }
}

static uint64_t dumped_from; /* the address that was asked for */

static void print_memory(const json_t *answer)
{
    const char *hex = json_string_value(json_object_get(answer, "data"));
    const size_t n = hex ? strlen(hex) / 2 : 0;

    for (size_t at = 0; at < n; at += PER_LINE) {
        const size_t len = MIN(n - at, (size_t)PER_LINE);
        char text[PER_LINE + 1] = "";
        printf("%016" PRIx64 " ", dumped_from + at);
        for (size_t i = 0; i < PER_LINE; i++) {
            if (i >= len) {
                fputs("   ", stdout);
                continue;
            }
            const char *digits = hex + 2 * (at + i);
            const char two[3] = {digits[0], digits[1], 0};
            const unsigned byte = (unsigned)strtoul(two, NULL, 16);
            printf(" %s", two);
            text[i] = byte >= 32 && byte < 127 ? (char)byte : '.';
        }
        printf("  %s\n", text);
    }
}

/* --- Commands --------------------------------------------------------------------------------------------------------- */

static const struct word {
    const char *word, *qmp, *form, *help;
    void (*print)(const json_t *answer);
    int needed;
    const char *parameter[MAX_PARAMETERS];
} words[] = {
#define CTL(word, qmp, form, help, print, needed, ...)                                             \
    {word, qmp, form, help, print, needed, {__VA_ARGS__}},
#include "cli/ctl.def"
#undef CTL
};

static void print_words(FILE *out)
{
    fputs("Usage: vibevmm ctl PATH COMMAND...\n\n"
          "PATH is what the VM was given as --control unix:PATH. Commands:\n",
          out);
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        fprintf(out, "  %-10s %-23s %s\n", words[i].word, words[i].form, words[i].help);
}

/* --- The connection --------------------------------------------------------------------------------------------------- */

static FILE *connect_to(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const char *name = strncmp(path, "unix:", 5) ? path : path + 5;
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (strlen(name) >= sizeof(un.sun_path)) {
        errno = ENAMETOOLONG;
    } else if (fd >= 0) {
        strcpy(un.sun_path, name);
        if (!connect(fd, (const struct sockaddr *)&un, sizeof(un)))
            return fdopen(fd, "r+");
    }
    const int code = errno;
    if (fd >= 0)
        close(fd);
    errno = code;
    return NULL;
}

/* The next object from the VM; null at the end. */
static json_t *receive(FILE *f)
{
    char *line = NULL;
    size_t size = 0;
    const ssize_t len = getline(&line, &size, f);
    json_t *v = len > 0 ? json_loadb(line, (size_t)len, 0, NULL) : NULL;

    free(line);
    return v;
}

static bool transmit(FILE *f, const json_t *request)
{
    return !json_dumpf(request, f, JSON_COMPACT) && fputc('\n', f) != EOF && !fflush(f);
}

/* What comes back for a request, past events; null at the end. */
static json_t *ask(FILE *f, const json_t *request)
{
    json_t *v = NULL;

    if (!transmit(f, request))
        return NULL;
    while ((v = receive(f)) && json_object_get(v, "event"))
        json_decref(v);
    return v;
}

static bool greet(FILE *f)
{
    json_t *hello = receive(f), *request = json_pack("{s:s}", "execute", "qmp_capabilities");
    json_t *agreed = json_object_get(hello, "QMP") ? ask(f, request) : NULL;
    const bool ok = json_object_get(agreed, "return") != NULL;

    json_decref(hello);
    json_decref(request);
    json_decref(agreed);
    return ok;
}

static int follow_events(FILE *f)
{
    for (json_t *v; (v = receive(f)); json_decref(v)) {
        json_dumpf(v, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
    }
    return STATUS_OK;
}

/* --- One command ------------------------------------------------------------------------------------------------------ */

static json_t *make_request(const struct word *w, int argc, char **argv, int *status)
{
    json_t *args = json_object(), *request;
    json_error_t wrong;

    *status = STATUS_USAGE;
    if (!w->qmp) {
        json_decref(args);
        request = json_loads(argv[0], JSON_REJECT_DUPLICATES, &wrong);
        if (!json_is_object(request)) {
            fail(STATUS_USAGE, "qmp: not a JSON object%s%s", request ? "" : ": ",
                 request ? "" : wrong.text);
            json_decref(request);
            return NULL;
        }
        return request;
    }
    for (int i = 0; i < argc; i++) {
        const char *name = w->parameter[i];
        if (name[0] == '#') {
            const char *p = argv[i];
            uint64_t val;
            name++;
            if (option_scan_number(&p, &val) || *p) {
                fail(STATUS_USAGE, "%s: \"%.60s\" is no number", w->word, argv[i]);
                json_decref(args);
                return NULL;
            }
            if (!strcmp(name, "address"))
                dumped_from = val;
        }
        json_object_set_new(args, name, json_string(argv[i]));
    }
    return json_pack("{s:s, s:o}", "execute", w->qmp, "arguments", args);
}

static int converse(FILE *f, const struct word *w, const json_t *request)
{
    if (!greet(f))
        return fail(STATUS_FAILED, "what is at that socket is no VM's control");
    if (!request)
        return follow_events(f);
    json_t *answer = ask(f, request);
    const json_t *value = json_object_get(answer, "return");
    const char *why = json_string_value(json_object_get(json_object_get(answer, "error"), "desc"));
    int status = STATUS_OK;

    if (value)
        w->print(value);
    else
        status =
            fail(STATUS_FAILED, "%s: %s", w->word, why ? why : "the VM has ended without an answer");
    json_decref(answer);
    return status;
}

int ctl(int argc, char **argv)
{
    const struct word *w = NULL;
    int nr = 0, status = STATUS_USAGE;

    const bool asked = !argc || !strcmp(argv[0], "--help") || !strcmp(argv[0], "-h");
    if (asked || argc < 2) {
        print_words(asked ? stdout : stderr);
        return asked ? STATUS_OK : STATUS_USAGE;
    }
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (!strcmp(words[i].word, argv[1]))
            w = &words[i];
    if (!w)
        return fail(STATUS_USAGE, "there is no command \"%.60s\"; vibevmm ctl tells them", argv[1]);
    while (nr < MAX_PARAMETERS && w->parameter[nr])
        nr++;
    if (argc - 2 < w->needed || argc - 2 > nr)
        return fail(STATUS_USAGE, "it is: vibevmm ctl PATH %s%s%s", w->word, *w->form ? " " : "",
                    w->form);
    json_t *request = w->qmp || w->needed ? make_request(w, argc - 2, argv + 2, &status) : NULL;
    if (!request && strcmp(w->word, "events") != 0)
        return status;
    FILE *f = connect_to(argv[0]);
    if (f) {
        status = converse(f, w, request);
        fclose(f);
    } else {
        status = fail(STATUS_FAILED, "%s: %s; is a VM running with --control unix:%s?", argv[0],
                      strerror(errno), argv[0]);
    }
    json_decref(request);
    if (fflush(stdout) || ferror(stdout))
        return fail(STATUS_FAILED, "standard output: %s", strerror(errno));
    return status;
}

#else

int ctl(int argc, char **argv)
{
    (void)argc, (void)argv;
    fputs("vibevmm: ctl: this build has no libjansson, which the VM's answers are read with\n", stderr);
    return STATUS_USAGE;
}

#endif
