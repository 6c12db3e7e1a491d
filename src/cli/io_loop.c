/* The poll() loop of the main thread. */
#include "cli/io_loop.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "cli/status.h"
#include "cli/terminal.h"
#include "dev/chardev.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define FLUSH_NS (4 * MS)    /* output without a newline waits so long for more */
#define REFUSED_NS (10 * MS) /* how often a guest that takes no input is asked again */
#define GRACE_NS                                                                                   \
    (3000 * MS) /* for the vCPUs to stop; they need microseconds unless the console's reader hangs */
#define INPUT_LEN 4096

static const char help_text[] =
    "\nvibevmm keys:  Ctrl-A x quit   Ctrl-A c send Ctrl-C   Ctrl-A z suspend   "
    "Ctrl-A Ctrl-A send Ctrl-A   Ctrl-C stop\n";

static const int loop_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT, SIGWINCH};

static int signal_pipe[2] = {-1, -1};
static atomic_int stop_signal; /* the first that asked us to end */
static atomic_bool power_key;  /* the next SIGTERM presses it */

#define POWER_KEY 0xff /* in the pipe: no signal's number */

static bool is_stop(int sig)
{
    return sig == SIGINT || sig == SIGTERM || sig == SIGHUP;
}

static void on_signal(int sig)
{
    int before = errno;
    uint8_t byte = (uint8_t)sig;
    if (sig == SIGTERM && atomic_exchange(&power_key, false)) {
        byte = POWER_KEY;
    } else if (is_stop(sig)) {
        int none = 0;
        /* The second one: whoever sent it does not want to wait for a clean end. */
        if (!atomic_compare_exchange_strong(&stop_signal, &none, sig)) {
            terminal_restore();
            _exit(STATUS_SIGNAL + sig);
        }
    }
    ssize_t n = write(signal_pipe[1], &byte, 1); /* full: the loop has enough to wake up for */
    (void)n;
    errno = before;
}

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_LEN(loop_signals); i++)
        sigaddset(set, loop_signals[i]);
}

int io_loop_init(struct err *e)
{
    const int r = os_pipe(signal_pipe, e);
    if (r)
        return r;
    sigset_t set;
    signal_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);

    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    signal_set(&a.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(loop_signals); i++)
        /* nohup and a shell's background jobs ignore some: so do we. */
        if (sigaction(loop_signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(loop_signals[i], &a, NULL);
    /* A reader that goes away is an error of write(), not the end of us. */
    signal(SIGPIPE, SIG_IGN);
    /* So is a file that may not grow further. */
    signal(SIGXFSZ, SIG_IGN);
    return 0;
}

struct loop {
    const struct io_loop_config *cfg;
    struct io_loop_result *res;
    bool raw;        /* the input is a terminal, and ours */
    bool input_open; /* not at its end */
    bool stopping;
    struct escape escape;
    size_t room;       /* in the console's input queue, as last heard */
    uint64_t deadline; /* os_now_ns() of the timeout, or of giving up while stopping; UINT64_MAX: none */
    uint64_t flush_at; /* not before this */
    uint64_t watch_at; /* when the watch wants to be called */
};

/* The VM has been asked to stop. */
static void stopping(struct loop *l, enum io_loop_end why)
{
    l->stopping = true;
    l->res->end = why;
    l->deadline = os_now_ns() + GRACE_NS;
}

static void request_stop(struct loop *l, enum io_loop_end why, int sig)
{
    if (l->stopping)
        return;
    stopping(l, why);
    l->res->signal = sig;
    l->cfg->stop(l->cfg->opaque, why);
}

/* The default action of SIGTSTP, with the terminal as the shell wants it meanwhile. */
static void suspend(struct loop *l)
{
    terminal_restore();
    struct sigaction ours, dfl = {.sa_handler = SIG_DFL};
    sigaction(SIGTSTP, &dfl, &ours);
    raise(SIGTSTP); /* here we stop, until SIGCONT */
    sigaction(SIGTSTP, &ours, NULL);
    l->raw = terminal_enter(l->cfg->input_fd);
}

static void take_signals(struct loop *l)
{
    uint8_t sigs[64];
    ssize_t n;
    while ((n = read(signal_pipe[0], sigs, sizeof(sigs))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            if (sigs[i] == POWER_KEY && l->cfg->power_key)
                l->cfg->power_key(l->cfg->opaque);
            else if (is_stop(sigs[i]))
                request_stop(l, IO_LOOP_SIGNAL, sigs[i]);
            else if (sigs[i] == SIGTSTP)
                suspend(l);
            else if (sigs[i] == SIGCONT)
                l->raw = terminal_enter(l->cfg->input_fd);
            if (sigs[i] == SIGWINCH || sigs[i] == SIGCONT)
                l->cfg->resized(l->cfg->opaque);
        }
}

static void act_on_key(struct loop *l, enum escape_key key)
{
    switch (key) {
    case ESCAPE_NONE: break;
    case ESCAPE_QUIT: request_stop(l, IO_LOOP_QUIT, 0); break;
    case ESCAPE_HELP: fputs(help_text, stderr); break;
    case ESCAPE_SUSPEND: suspend(l); break;
    }
}

static void take_input(struct loop *l)
{
    uint8_t buf[INPUT_LEN], out[INPUT_LEN];
    /* From a terminal everything is read, so that Ctrl-A x works with a guest that never looks; what it has no room for is lost, as
     * with a real serial line. From a file or a pipe nothing may be lost. */
    size_t want = l->raw ? sizeof(buf) : MIN(l->room, sizeof(buf));
    ssize_t n = read(l->cfg->input_fd, buf, want);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        l->input_open = false;
        chardev_end_input(l->cfg->console);
        return;
    }
    if (!l->raw) {
        l->room = chardev_input(l->cfg->console, buf, (size_t)n);
        return;
    }
    for (size_t done = 0; done < (size_t)n;) {
        size_t out_len;
        enum escape_key key;
        done += escape_filter(&l->escape, buf + done, (size_t)n - done, out, &out_len, &key);
        l->room = chardev_input(l->cfg->console, NULL, 0);
        if (out_len)
            l->room = chardev_input(l->cfg->console, out, MIN(out_len, l->room));
        act_on_key(l, key);
    }
}

/* Milliseconds until t, rounded up so that poll() does not return just before it; -1 for never. */
static int poll_timeout(uint64_t now, uint64_t t)
{
    if (t == UINT64_MAX)
        return -1;
    if (t <= now)
        return 0;
    return (int)MIN((t - now + MS - 1) / MS, (uint64_t)1000000);
}

enum { FD_FINISHED, FD_SIGNAL, FD_OUTPUT, FD_INPUT, FD_WATCH, NR_FDS };

/* One turn; false at the end. */
static bool turn(struct loop *l)
{
    const struct io_loop_config *cfg = l->cfg;
    uint64_t now = os_now_ns(), wake = l->deadline;
    bool terminal = l->input_open && isatty(cfg->input_fd);
    bool want_input = l->input_open && !l->stopping && (!terminal || l->raw);
    bool refused = want_input && !l->raw && l->room == 0;
    bool want_flush = now >= l->flush_at;

    if (cfg->watch && now >= l->watch_at && cfg->watch(cfg->watch_opaque, now, &l->watch_at) &&
        !l->stopping) {
        stopping(l, IO_LOOP_WATCH);
        return true;
    }
    wake = MIN(wake, l->watch_at);
    struct pollfd fds[NR_FDS] = {
        [FD_FINISHED] = {.fd = cfg->finished_fd, .events = POLLIN},
        [FD_SIGNAL] = {.fd = signal_pipe[0], .events = POLLIN},
        [FD_OUTPUT] = {.fd = want_flush ? chardev_poll_fd(cfg->console) : -1, .events = POLLIN},
        [FD_INPUT] = {.fd = want_input && !refused ? cfg->input_fd : -1, .events = POLLIN},
        [FD_WATCH] = {.fd = cfg->watch ? cfg->watch_fd : -1, .events = POLLIN},
    };
    if (refused)
        wake = MIN(wake, now + REFUSED_NS);
    if (!want_flush)
        wake = MIN(wake, l->flush_at);
    int n = poll(fds, NR_FDS, poll_timeout(now, wake));
    if (n < 0 && errno != EINTR)
        BUG("poll: %s", strerror(errno));
    if (n < 0)
        return true;

    if (fds[FD_FINISHED].revents)
        return false;
    if (fds[FD_SIGNAL].revents)
        take_signals(l);
    if (fds[FD_OUTPUT].revents) {
        chardev_poll(cfg->console);
        l->flush_at = os_now_ns() + FLUSH_NS;
    }
    if (fds[FD_INPUT].revents)
        take_input(l);
    if (fds[FD_WATCH].revents)
        l->watch_at = 0;
    if (refused)
        l->room = chardev_input(cfg->console, NULL, 0);
    if (os_now_ns() >= l->deadline) {
        if (l->stopping) {
            l->res->hung = true;
            return false;
        }
        request_stop(l, IO_LOOP_TIMEOUT, 0);
    }
    return true;
}

void io_loop_run(const struct io_loop_config *cfg, struct io_loop_result *res)
{
    struct loop l = {
        .cfg = cfg,
        .res = res,
        .input_open = cfg->input_fd >= 0,
        .deadline = cfg->timeout_ns ? os_now_ns() + cfg->timeout_ns : UINT64_MAX,
        .watch_at = cfg->watch ? 0 : UINT64_MAX,
    };
    *res = (struct io_loop_result){.end = IO_LOOP_FINISHED};
    if (l.input_open)
        l.raw = terminal_enter(cfg->input_fd);
    if (l.input_open)
        l.room = chardev_input(cfg->console, NULL, 0);

    atomic_store(&power_key, cfg->power_key != NULL);
    sigset_t set;
    signal_set(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    while (turn(&l))
        ;
    /* Left raw: the statistics come next, and the caller restores after the last flush. */
}
