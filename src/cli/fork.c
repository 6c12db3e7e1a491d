/* The processes of vibevmm fork, and what they show. Threading: cli/fork.h. */
#include "cli/fork.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "cli/options.h"
#include "cli/status.h"
#include "load/load.h"
#include "vm/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_TEXT (64u << 20) /* of all variants' input */
#define MAX_INPUT                                                                                  \
    16000u /* of one's: with any number for {n}, what a pipe takes before anybody reads */
#define NS_PER_S 1e9

struct variant {
    const char *input; /* a line, without its end; null: none */
    pid_t pid;         /* while it runs */
    uint64_t start_ns, took_ns;
    int status;
};

struct forks {
    struct options *o;
    fork_run_fn *run;
    uint8_t *text; /* of --variants, cut into lines */
    unsigned nr, next, nr_running, nr_failed;
    struct variant *variant;
    FILE *table;         /* summary.tsv; or null */
    char temporary[512]; /* the snapshot of --at; or empty */
};

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

static void catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction a = {.sa_handler = on_signal};

    for (unsigned i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &a, NULL);
}

static void default_signals(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
}

/* --- What the variants are ----------------------------------------------------------------------------------------------- */

/* Cuts the text, which ends with a zero, into lines. Those that are empty, or begin with #, are no variants. */
static int cut_lines(char *text, const char ***line, unsigned *nr, struct err *e)
{
    unsigned most = 1;

    for (const char *p = text; (p = strchr(p, '\n')); p++)
        most++;
    *nr = 0;
    *line = calloc(most, sizeof(**line));
    if (!*line)
        return err_set(e, ENOMEM, "out of memory");
    for (char *rest = text, *l; (l = strsep(&rest, "\n"));) {
        if (!*l || *l == '#')
            continue;
        if (strlen(l) > MAX_INPUT)
            return err_set(e, E2BIG, "a line of more than %u bytes", MAX_INPUT);
        (*line)[(*nr)++] = l;
    }
    return *nr ? 0 : err_set(e, EINVAL, "no line that is a variant");
}

static int read_lines(struct forks *f, const char ***line, unsigned *nr, struct err *e)
{
    const char *path = f->o->fork.variants;
    size_t len = 0;
    int r = load_file("--variants", path, MAX_TEXT, &f->text, &len, e);

    if (r < 0)
        return r;
    uint8_t *ended = realloc(f->text, len + 1);
    if (!ended)
        return err_set(e, ENOMEM, "out of memory");
    f->text = ended;
    ended[len] = 0;
    r = cut_lines((char *)ended, line, nr, e);
    return r < 0 ? err_prefix(e, "--variants %s", path) : 0;
}

static int read_variants(struct forks *f, struct err *e)
{
    const char **line = NULL;
    unsigned nr_lines = 0;
    int r = f->o->fork.variants ? read_lines(f, &line, &nr_lines, e) : 0;

    f->nr = f->o->fork.count ? f->o->fork.count : nr_lines;
    if (!r && !(f->variant = calloc(MAX(f->nr, 1u), sizeof(*f->variant))))
        r = err_set(e, ENOMEM, "out of memory");
    for (unsigned i = 0; i < f->nr && nr_lines && line && !r; i++)
        f->variant[i].input = line[i % nr_lines];
    free(line);
    return r;
}

/* What several at a time cannot have. */
static int check_options(const struct options *o, struct err *e)
{
    const struct vm_options *v = &o->vm;

    if (!o->fork.count && !o->fork.variants)
        return err_set(e, EINVAL,
                       "fork: how many? give --count N, or --variants FILE with a line for each");
    if (!o->snapshot && !o->fork.at)
        return err_set(
            e, EINVAL,
            "fork: from where? give --snapshot-load FILE, or a machine and --at REGEX, at which it is saved");
    if (o->snapshot && o->fork.at)
        return err_set(e, EINVAL, "--at and --snapshot-load contradict each other; give one of them");
    if (v->gdb)
        return err_set(e, EINVAL, "--gdb and fork contradict each other: there would be many of them");
    for (unsigned i = 0; i < v->nr_nets && o->fork.jobs > 1; i++)
        if (v->net[i].tap || v->net[i].nr_forwards)
            return err_set(e, EINVAL,
                           "--net: a tap or a forwarded port has one owner; leave it out, or give --jobs 1");
    for (unsigned i = 0; i < v->nr_disks; i++)
        if (!v->disk[i].config.read_only && v->disk[i].config.nr_overlays == DISK_MAX_OVERLAYS)
            return err_set(e, EINVAL, "--disk %s: no room for one more overlay over %u",
                           v->disk[i].config.path, DISK_MAX_OVERLAYS);
    return 0;
}

/* --- One variant's process ----------------------------------------------------------------------------------------------- */

/* A text that lives as long as the process. */
__attribute__((format(printf, 1, 2))) static char *text_of(const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    text = malloc((size_t)n + 1);
    if (!text)
        _exit(STATUS_FAILED);
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}

static void number_name(const char **name, unsigned n)
{
    if (*name)
        *name = text_of("%s.%u", *name, n);
}

/* What is one file or socket of many becomes its own. */
static void make_own(struct options *o, unsigned n)
{
    const char *tmp = getenv("TMPDIR");
    struct vm_options *v = &o->vm;

    for (unsigned i = 0; i < v->nr_disks; i++) {
        struct disk_config *d = &v->disk[i].config;
        if (d->read_only)
            continue;
        /* One that had nothing was removed when the machine that made it ended. */
        while (d->nr_overlays && access(d->overlay[d->nr_overlays - 1], F_OK))
            d->nr_overlays--;
        d->throw_away = !o->fork.overlays;
        d->overlay[d->nr_overlays++] =
            d->throw_away
                ? text_of("%s/vibevmm-fork-%ld-%u-%u", tmp && *tmp ? tmp : "/tmp", (long)getpid(), n, i)
                : text_of("%s/%u-%u.cow", o->fork.overlays, n, i);
    }
    number_name(&v->vsock, n);
    number_name(&v->control, n);
    number_name(&v->stats_path, n);
    number_name(&v->snapshot_save, n);
    number_name(&o->contract.junit, n);
    number_name(&o->contract.result, n);
    number_name(&o->observer.trace_path, n);
    number_name(&o->observer.profile, n);
    number_name(&o->observer.coverage, n);
    for (unsigned i = 0; i < v->nr_dumps; i++)
        number_name(&v->dump[i].path, n);
}

/* Standard output, and error, to DIR/NAME; without DIR output goes nowhere. */
static void redirect(const char *dir, const char *name)
{
    const int fd = dir ? open(text_of("%s/%s", dir, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
                       : open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (fd < 0) {
        fprintf(stderr, "vibevmm: --out %s: %s: %s\n", dir ? dir : "", name, strerror(errno));
        _exit(STATUS_FAILED);
    }
    dup2(fd, STDOUT_FILENO);
    if (dir)
        dup2(fd, STDERR_FILENO);
    close(fd);
}

/* Types the line, with the variant's number where {n} stands, into the pipe, which takes all of it. */
static void type_input(int fd, const char *line, unsigned n)
{
    const char *at;

    for (; (at = strstr(line, "{n}")); line = at + 3)
        dprintf(fd, "%.*s%u", (int)(at - line), line, n);
    dprintf(fd, "%s\n", line);
}

static _Noreturn void be_variant(struct forks *f, unsigned n, int input)
{
    struct options *o = f->o;

    default_signals();
    dup2(input, STDIN_FILENO);
    close(input);
    redirect(o->fork.out, text_of("%u.log", n));
    make_own(o, n);
    o->vm.start_ns = os_now_ns();
    const int status = f->run(o);
    fflush(NULL);
    _exit(status);
}

static int open_input(const char *line, unsigned n, struct err *e)
{
    int fd[2];

    if (!line) {
        fd[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd[0] < 0 ? err_set(e, errno, "/dev/null: %s", strerror(errno)) : fd[0];
    }
    if (pipe(fd))
        return err_set(e, errno, "pipe: %s", strerror(errno));
    type_input(fd[1], line, n);
    close(fd[1]);
    return fd[0];
}

static int start_variant(struct forks *f, struct err *e)
{
    struct variant *v = &f->variant[f->next];
    const int input = open_input(v->input, f->next + 1, e);

    if (input < 0)
        return input;
    v->start_ns = os_now_ns();
    v->pid = fork();
    if (v->pid == 0)
        be_variant(f, f->next + 1, input);
    const int error = errno;
    close(input);
    if (v->pid < 0)
        return err_set(e, error, "fork: %s", strerror(error));
    f->next++;
    f->nr_running++;
    return 0;
}

/* --- All of them --------------------------------------------------------------------------------------------------------- */

static int status_of(int wait_status)
{
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : STATUS_SIGNAL + WTERMSIG(wait_status);
}

static void put_result(FILE *out, const struct forks *f, unsigned i, bool table)
{
    const struct variant *v = &f->variant[i];

    fprintf(out, table ? "%u\t%d\t%.3f\t%s\n" : "%u: status %d, %.3f s: %s\n", i + 1, v->status,
            (double)v->took_ns / NS_PER_S, v->input ? v->input : "");
}

static void note_end(struct forks *f, pid_t pid, int wait_status)
{
    unsigned i = 0;

    while (i < f->next && f->variant[i].pid != pid)
        i++;
    if (i == f->next)
        return; /* none of ours */
    struct variant *v = &f->variant[i];
    v->pid = 0;
    v->took_ns = os_now_ns() - v->start_ns;
    v->status = status_of(wait_status);
    f->nr_running--;
    f->nr_failed += v->status != 0;
    if (v->status)
        put_result(stdout, f, i, false);
    if (f->table)
        put_result(f->table, f, i, true);
}

/* The signal that has come goes to all that run. */
static void pass_on(const struct forks *f)
{
    for (unsigned i = 0; i < f->next; i++)
        if (f->variant[i].pid)
            kill(f->variant[i].pid, caught);
}

static int run_all(struct forks *f, struct err *e)
{
    bool passed_on = false;
    int r = 0;

    for (;;) {
        while (!r && !caught && f->next < f->nr && f->nr_running < f->o->fork.jobs)
            r = start_variant(f, e);
        if (caught && !passed_on) {
            passed_on = true;
            pass_on(f);
        }
        if (!f->nr_running)
            return r;
        int wait_status;
        const pid_t pid = waitpid(-1, &wait_status, 0);
        if (pid > 0)
            note_end(f, pid, wait_status);
        else if (pid < 0 && errno != EINTR)
            return err_set(e, errno, "waitpid: %s", strerror(errno));
    }
}

/* --- Once, before all ---------------------------------------------------------------------------------------------------- */

static _Noreturn void be_first(struct forks *f)
{
    struct options *o = f->o;
    const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);

    default_signals();
    dup2(input, STDIN_FILENO);
    redirect(o->fork.out, "boot.log");
    o->has_contract = true;
    o->contract = (struct contract_options){.nr_expects = 1, .expect = {o->fork.at}};
    o->vm.snapshot_save = f->temporary;
    o->vm.nr_dumps = 0;
    o->vm.stats_path = NULL;
    o->vm.control = NULL;
    o->observer = (struct observer_options){0};
    const int status = f->run(o);
    fflush(NULL);
    _exit(status);
}

/* Runs the machine to where it is to fork. */
static int boot(struct forks *f, struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    int wait_status = 0;

    snprintf(f->temporary, sizeof(f->temporary), "%.480s/vibevmm-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    const int fd = mkstemp(f->temporary);
    if (fd < 0)
        return err_set(e, errno, "%s: %s", f->temporary, strerror(errno));
    close(fd);
    const pid_t pid = fork();
    if (pid == 0)
        be_first(f);
    int r = pid < 0 ? err_set(e, errno, "fork: %s", strerror(errno)) : 0;
    while (!r && waitpid(pid, &wait_status, 0) < 0)
        if (errno != EINTR)
            r = err_set(e, errno, "waitpid: %s", strerror(errno));
        else if (caught)
            kill(pid, caught);
    if (!r && status_of(wait_status))
        r = err_set(e, EINVAL, "--at %s did not come: the machine ended with status %d",
                    f->o->fork.at, status_of(wait_status));
    if (!r)
        r = snapshot_open(&f->o->snapshot, f->temporary, e);
    /* Those that have it open keep it. */
    unlink(f->temporary);
    f->o->vm.snapshot = f->o->snapshot;
    f->o->vm.verified = true; /* just written, and nobody has its name */
    return r;
}

static int prepare(struct forks *f, struct err *e)
{
    struct options *o = f->o;
    int r;

    if (!o->fork.jobs)
        o->fork.jobs = os_nr_cpus();
    if ((r = check_options(o, e)) || (r = read_variants(f, e)))
        return r;
    if (o->vm.stats == VM_STATS_BOX)
        o->vm.stats = VM_STATS_NONE; /* nobody reads so many */
    if (o->fork.out && !(f->table = fopen(text_of("%s/summary.tsv", o->fork.out), "w")))
        return err_set(e, errno, "--out %s: summary.tsv: %s", o->fork.out, strerror(errno));
    if (o->fork.overlays && access(o->fork.overlays, W_OK | X_OK))
        return err_set(e, errno, "--overlays %s: %s", o->fork.overlays, strerror(errno));
    fflush(NULL);
    catch_signals();
    if (!o->snapshot)
        return boot(f, e);
    if (!o->vm.verified && snapshot_verify(o->snapshot, e))
        return err_prefix(e, "--snapshot-load");
    o->vm.verified = true;
    return 0;
}

int fork_variants(struct options *o, fork_run_fn *run, struct err *e)
{
    struct forks f = {.o = o, .run = run};
    int r = prepare(&f, e);
    const uint64_t start_ns = os_now_ns();
    const bool prepared = !r;

    if (!r)
        r = run_all(&f, e);
    if (f.table && fclose(f.table) && !r)
        r = err_set(e, errno, "--out %s: summary.tsv: %s", o->fork.out, strerror(errno));
    if (prepared) {
        const double seconds = (double)(os_now_ns() - start_ns) / NS_PER_S;
        printf("%u variants in %.3f s, %.0f a minute: %u good, %u failed\n", f.next, seconds,
               seconds > 0 ? 60 * f.next / seconds : 0, f.next - f.nr_failed, f.nr_failed);
    }
    free(f.variant);
    free(f.text);
    return r ? r : caught ? STATUS_SIGNAL + caught : f.nr_failed ? STATUS_FAILED : STATUS_OK;
}
