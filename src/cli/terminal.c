/* Raw terminal and its restoration, and the Ctrl-A keys. Threads as the header says.
 * Specification: POSIX.1-2017, "General Terminal Interface"; "Signal Concepts" for what a handler may call. */
#include "cli/terminal.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_A 0x01
#define CTRL_C 0x03

/* saved and saved_fd are written before is_raw turns true, so a handler that sees true sees them whole. */
static struct termios saved;
static int saved_fd = -1;
static atomic_bool is_raw;

/* tcsetattr() from a background process would stop it by SIGTTOU. */
static int set_attributes(int fd, const struct termios *t)
{
    sigset_t ttou, before;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &before);
    int r;
    do {
        r = tcsetattr(fd, TCSADRAIN, t);
    } while (r < 0 && errno == EINTR);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

bool terminal_enter(int fd)
{
    struct termios t;
    if (!isatty(fd) || tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &t) < 0)
        return false;
    if (!atomic_load(&is_raw)) {
        saved = t;
        saved_fd = fd;
    }
    t.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | IGNCR | INLCR | INPCK | ISTRIP | IXON);
    t.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
    /* Of the signal keys only Ctrl-C stays; Ctrl-Z and Ctrl-\ are the guest's. Output processing stays on: bare-metal guests write \n
     * alone, and our own messages do. */
    t.c_lflag |= ISIG;
    t.c_cc[VINTR] = CTRL_C;
    t.c_cc[VQUIT] = _POSIX_VDISABLE;
    t.c_cc[VSUSP] = _POSIX_VDISABLE;
#ifdef VDSUSP
    t.c_cc[VDSUSP] = _POSIX_VDISABLE;
#endif
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    /* Before the change: a signal between the two restores what is there anyway. */
    atomic_store(&is_raw, true);
    if (set_attributes(fd, &t) < 0) {
        atomic_store(&is_raw, false);
        return false;
    }
    return true;
}

void terminal_restore(void)
{
    int before = errno;
    /* In the background the terminal is another's, who would lose what he set. */
    if (atomic_exchange(&is_raw, false) && tcgetpgrp(saved_fd) == getpgrp())
        set_attributes(saved_fd, &saved);
    errno = before;
}

bool terminal_size(int fd, unsigned *columns, unsigned *rows)
{
    struct winsize w;
    if (ioctl(fd, TIOCGWINSZ, &w) < 0 || w.ws_col == 0 || w.ws_row == 0)
        return false;
    *columns = w.ws_col;
    *rows = w.ws_row;
    return true;
}

static const int crash_signals[] = {SIGSEGV, SIGBUS,  SIGILL, SIGFPE,
                                    SIGABRT, SIGTRAP, SIGSYS, SIGQUIT};
static struct sigaction crash_before[ARRAY_LEN(crash_signals)];

/* write(2) alone: a crashed process trusts nothing else. */
static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

static const char *signal_text(int sig)
{
    switch (sig) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGFPE: return "SIGFPE";
    case SIGABRT: return "SIGABRT";
    case SIGTRAP: return "SIGTRAP";
    case SIGSYS: return "SIGSYS";
    default: return "a signal";
    }
}

static void on_crash(int sig)
{
    terminal_restore();
    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++)
        if (crash_signals[i] == sig) {
            /* A sanitizer's handler, or a later layer's, has its turn after us and tells more. */
            if (crash_before[i].sa_handler == SIG_DFL && sig != SIGQUIT) {
                say("vibevmm: crashed by ");
                say(signal_text(sig));
                say("; this is a bug of vibevmm or a signal sent to it\n");
            }
            sigaction(sig, &crash_before[i], NULL);
        }
    /* Blocked while we are here, so it comes when we return: with the core dump and status that it would have had. */
    raise(sig);
}

void terminal_catch_crashes(void)
{
    /* So that a stack overflow of the main thread can be handled too. Kept for the life of the process. */
    static char stack[64 * 1024];
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)}, before;
    if (sigaltstack(NULL, &before) == 0 && (before.ss_flags & SS_DISABLE))
        sigaltstack(&alt, NULL);

    struct sigaction a = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    sigfillset(&a.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++)
        sigaction(crash_signals[i], &a, &crash_before[i]);
    atexit(terminal_restore);
    bug_set_hook(terminal_restore);
}

size_t escape_filter(struct escape *s, const uint8_t *in, size_t len, uint8_t *out, size_t *out_len,
                     enum escape_key *key)
{
    size_t n = 0;
    *out_len = 0;
    *key = ESCAPE_NONE;
    while (n < len && *key == ESCAPE_NONE) {
        uint8_t c = in[n++];
        if (!s->pending) {
            if (c == CTRL_A)
                s->pending = true;
            else
                out[(*out_len)++] = c;
            continue;
        }
        s->pending = false;
        switch (c) {
        case 'x':
        case 'X': *key = ESCAPE_QUIT; break;
        case '?':
        case 'h':
        case 'H': *key = ESCAPE_HELP; break;
        case 'z':
        case 'Z': *key = ESCAPE_SUSPEND; break;
        case 'c':
        case 'C': out[(*out_len)++] = CTRL_C; break;
        case CTRL_A: out[(*out_len)++] = CTRL_A; break;
        default: break; /* an unknown pair is dropped: half of it would surprise the guest */
        }
    }
    return n;
}
