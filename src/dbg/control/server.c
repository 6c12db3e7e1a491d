/* The server of the control socket: connections, lines, events. Threads: run() is the server's own; control_*() the main thread's; a tap and a listener
 * on whichever thread writes the console, or resets. */
#include "dbg/control/control.h"

#include "base/err.h"
#include "dbg/listen.h"

#include <errno.h>
#include <string.h>

int control_check_address(const char *where, struct err *e)
{
    struct listen_address a;

    if (strncmp(where, "unix:", 5) != 0)
        return err_set(e, EINVAL, "\"%.80s\": give the socket's name as unix:PATH", where);
    return listen_parse(where, &a, e);
}

#if HAVE_JANSSON

#include "base/bits.h"
#include "base/os.h"
#include "base/transcript.h"
#include "dbg/control/session.h"
#include "dbg/outbox.h"
#include "dev/chardev.h"
#include "vm/debug.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 16
#define BACKLOG_MAX ((size_t)1 << 20) /* a reader that is so far behind is cut off */
#define FAREWELL_NS UINT64_C(500000000)

struct connection {
    int fd; /* -1: none */
    struct control_connection session;
    char line[CONTROL_LINE_MAX];
    size_t line_len;
    bool too_long; /* the line that comes is not read */
    struct outbox outbox;
};

struct control {
    struct control_state state;
    struct listen_address address;
    int listener, wake[2];
    pthread_t thread;
    bool started;
    struct connection connection[MAX_CONNECTIONS];

    pthread_mutex_t lock; /* a leaf; for what follows */
    bool ended;
    struct vm_outcome outcome;
    struct transcript transcript;
    unsigned nr_resets, nr_told;
    bool guest_reset;
};

static void wake(struct control *c)
{
    const ssize_t n = write(c->wake[1], "", 1); /* full: it is about to wake */
    (void)n;
}

/* --- What comes from other threads ----------------------------------------------------------------------------------- */

static void on_output(void *opaque, const uint8_t *buf, size_t len)
{
    struct control *c = opaque;

    pthread_mutex_lock(&c->lock);
    while (len) {
        bool complete = false;
        const size_t n = transcript_add(&c->transcript, buf, len, &complete);
        if (complete)
            transcript_next_line(&c->transcript);
        buf += n;
        len -= n;
    }
    pthread_mutex_unlock(&c->lock);
}

static void on_reset(void *opaque, bool guest)
{
    struct control *c = opaque;

    pthread_mutex_lock(&c->lock);
    c->nr_resets++;
    c->guest_reset = guest;
    pthread_mutex_unlock(&c->lock);
    wake(c);
}

static char *console_tail(struct control_state *s, unsigned nr_lines)
{
    struct control *c = CONTAINER_OF(s, struct control, state);

    pthread_mutex_lock(&c->lock);
    char *text = transcript_tail(&c->transcript, nr_lines);
    pthread_mutex_unlock(&c->lock);
    return text;
}

/* --- Connections ------------------------------------------------------------------------------------------------------ */

static void drop(struct connection *n)
{
    if (n->fd >= 0)
        close(n->fd);
    outbox_clear(&n->outbox);
    memset(n, 0, sizeof(*n));
    n->fd = -1;
}

static void flush(struct connection *n)
{
    if (outbox_flush(&n->outbox, n->fd))
        drop(n);
}

/* A line; the object is stolen. */
static void send_object(struct connection *n, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    const size_t len = text ? strlen(text) : 0;
    const bool sent = text && n->outbox.len + len + 2 <= BACKLOG_MAX &&
                      !outbox_add(&n->outbox, text, len) && !outbox_add(&n->outbox, "\r\n", 2);

    json_decref(object);
    free(text);
    if (sent)
        flush(n);
    else
        drop(n); /* better no answer than half of one */
}

static void send_event(struct control_state *s, const char *name, json_t *data)
{
    struct control *c = CONTAINER_OF(s, struct control, state);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    json_t *event = json_pack("{s:s, s:{s:I, s:I}}", "event", name, "timestamp", "seconds",
                              (json_int_t)now.tv_sec, "microseconds", (json_int_t)(now.tv_nsec / 1000));

    if (data)
        json_object_set_new(event, "data", data);
    for (unsigned i = 0; i < MAX_CONNECTIONS; i++)
        if (c->connection[i].fd >= 0 && c->connection[i].session.ready)
            send_object(&c->connection[i], json_incref(event));
    json_decref(event);
}

static void take_connection(struct control *c)
{
    const int fd = listen_accept(c->listener);

    if (fd < 0)
        return;
    for (unsigned i = 0; i < MAX_CONNECTIONS; i++) {
        struct connection *n = &c->connection[i];
        if (n->fd >= 0)
            continue;
        n->fd = fd;
        send_object(n, control_greeting());
        return;
    }
    close(fd);
}

static void take_line(struct control *c, struct connection *n)
{
    if (n->too_long) {
        send_object(n, json_pack("{s:{s:s, s:s}}", "error", "class", "GenericError", "desc",
                                 "the request is longer than 64 KiB"));
    } else {
        size_t blank = 0;
        while (blank < n->line_len && strchr(" \t\r", n->line[blank]))
            blank++;
        if (blank < n->line_len)
            send_object(n, control_answer(&c->state, &n->session, n->line, n->line_len));
    }
    n->line_len = 0;
    n->too_long = false;
}

static void take_input(struct control *c, struct connection *n)
{
    char buf[4096];
    const ssize_t got = recv(n->fd, buf, sizeof(buf), 0);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got <= 0) {
        drop(n);
        return;
    }
    for (ssize_t i = 0; i < got && n->fd >= 0; i++) {
        if (buf[i] == '\n')
            take_line(c, n);
        else if (n->line_len < sizeof(n->line))
            n->line[n->line_len++] = buf[i];
        else
            n->too_long = true;
    }
}

/* --- The thread ------------------------------------------------------------------------------------------------------- */

/* Whether the VM has ended; else tells of resets. */
static bool take_news(struct control *c)
{
    char buf[64];

    while (read(c->wake[0], buf, sizeof(buf)) > 0)
        ;
    pthread_mutex_lock(&c->lock);
    const bool ended = c->ended, guest = c->guest_reset;
    const unsigned nr = c->nr_resets - c->nr_told;
    c->nr_told = c->nr_resets;
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < nr; i++)
        send_event(&c->state, "RESET",
                   json_pack("{s:b, s:s}", "guest", guest, "reason",
                             guest ? "guest-reset" : "host-qmp-system-reset"));
    return ended;
}

/* How it ended, as long as somebody reads. */
static void farewell(struct control *c)
{
    const uint64_t until = os_now_ns() + FAREWELL_NS;
    const enum vm_stop_reason why = c->outcome.reason;
    const bool guest = why == VM_STOP_POWEROFF || why == VM_STOP_REBOOT || why == VM_STOP_GUEST_EXIT;

    send_event(&c->state, "SHUTDOWN",
               json_pack("{s:b, s:s, s:s}", "guest", guest, "reason",
                         why == VM_STOP_REBOOT   ? "guest-reset"
                         : guest                 ? "guest-shutdown"
                         : why == VM_STOP_QUIT   ? "host-qmp-quit"
                         : why == VM_STOP_SIGNAL ? "host-signal"
                                                 : "host-error",
                         "vibe-result", vm_stop_reason_name(why)));
    for (unsigned i = 0; i < MAX_CONNECTIONS; i++) {
        struct connection *n = &c->connection[i];
        if (n->fd >= 0)
            outbox_flush_until(&n->outbox, n->fd, until);
        drop(n);
    }
}

static void *run(void *opaque)
{
    struct control *c = opaque;
    bool ended = false;

    os_thread_name("control");
    while (!ended) {
        struct pollfd p[MAX_CONNECTIONS + 2] = {{.fd = c->wake[0], .events = POLLIN},
                                                {.fd = c->listener, .events = POLLIN}};
        for (unsigned i = 0; i < MAX_CONNECTIONS; i++)
            p[i + 2] = (struct pollfd){
                .fd = c->connection[i].fd,
                .events = (short)(POLLIN | (c->connection[i].outbox.len ? POLLOUT : 0))};
        if (poll(p, ARRAY_LEN(p), -1) < 0)
            continue;
        for (unsigned i = 0; i < MAX_CONNECTIONS; i++) {
            struct connection *n = &c->connection[i];
            if (n->fd < 0 || n->fd != p[i + 2].fd)
                continue;
            if (p[i + 2].revents & POLLOUT)
                flush(n);
            if (n->fd >= 0 && (p[i + 2].revents & (POLLIN | POLLERR | POLLHUP)))
                take_input(c, n);
        }
        if (p[0].revents)
            ended = take_news(c);
        if (p[1].revents)
            take_connection(c);
    }
    farewell(c);
    return NULL;
}

/* --- Life ------------------------------------------------------------------------------------------------------------- */

int control_open(struct control **out, const char *where, struct err *e)
{
    struct control *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return err_set(e, ENOMEM, "out of memory");
    c->listener = c->wake[0] = c->wake[1] = -1;
    for (unsigned i = 0; i < MAX_CONNECTIONS; i++)
        c->connection[i].fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    c->state.event = send_event;
    c->state.console_tail = console_tail;
    if ((r = os_pipe(c->wake, e)) || (r = listen_parse(where, &c->address, e)) ||
        (r = c->listener = listen_open(&c->address, e)) < 0) {
        control_destroy(c);
        return r;
    }
    *out = c;
    return 0;
}

void control_set_vm(struct control *c, struct vm *vm)
{
    c->state.vm = vm;
    vm_set_listener(vm, on_reset, c);
    chardev_add_tap(vm_console(vm), on_output, c);
}

int control_start(struct control *c, struct err *e)
{
    const int r = pthread_create(&c->thread, NULL, run, c);

    if (r)
        return err_set(e, r, "cannot start a thread: %s", strerror(r));
    c->started = true;
    return 0;
}

void control_stop(struct control *c, const struct vm_outcome *o)
{
    if (!c->started)
        return;
    pthread_mutex_lock(&c->lock);
    c->ended = true;
    c->outcome = *o;
    pthread_mutex_unlock(&c->lock);
    wake(c);
    pthread_join(c->thread, NULL);
    c->started = false;
}

void control_destroy(struct control *c)
{
    if (!c)
        return;
    control_stop(c, &(struct vm_outcome){.reason = VM_STOP_ERROR}); /* the host's, before an end in order */
    for (unsigned i = 0; i < MAX_CONNECTIONS; i++)
        drop(&c->connection[i]);
    if (c->listener >= 0)
        listen_close(c->listener, &c->address);
    for (unsigned i = 0; i < 2; i++)
        if (c->wake[i] >= 0)
            close(c->wake[i]);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

#else

int control_open(struct control **out, const char *where, struct err *e)
{
    (void)out, (void)where;
    return err_set(e, ENOTSUP, "this build has no libjansson, which requests are read with");
}

void control_set_vm(struct control *c, struct vm *vm)
{
    (void)c, (void)vm;
}

int control_start(struct control *c, struct err *e)
{
    (void)c, (void)e;
    return 0;
}

void control_stop(struct control *c, const struct vm_outcome *o)
{
    (void)c, (void)o;
}

void control_destroy(struct control *c)
{
    (void)c;
}

#endif
