/* The gdb server's thread: a poll() loop over the socket, the connection, and what vCPU threads and the main thread tell it. */
#include "dbg/gdb/gdb.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "dbg/gdb/session.h"
#include "dbg/listen.h"
#include "dbg/outbox.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define FAREWELL_NS UINT64_C(500000000) /* for the last reply to go out */
/* With so much that was not taken yet, nothing more is read: whoever asks has to listen. */
#define BACKLOG_MAX (4u * GDB_PACKET_MAX)

struct gdb {
    struct listen_address address;
    char name[sizeof(struct sockaddr_un)];
    int listener, connection; /* connection: -1 where there is none */
    int wake[2];
    bool started;
    pthread_t thread;
    bool closing; /* the connection, when everything is sent */
    struct outbox outbox;
    struct gdb_session session;
    struct vm_debugger debugger;

    pthread_mutex_t lock; /* a leaf, for the rest */
    vcpu_set_t has_event;
    struct debug_event event[VM_MAX_CPUS];
    bool ended;
    int status, signal;
};

/* --- From other threads --------------------------------------------------------------------------------------------- */

static void wake(struct gdb *g)
{
    /* Full: it has enough to wake up for. */
    const ssize_t n = write(g->wake[1], "", 1);
    (void)n;
}

static void on_stopped(void *opaque, unsigned index, const struct debug_event *event)
{
    struct gdb *g = opaque;

    pthread_mutex_lock(&g->lock);
    g->event[index] = *event; /* it stands still until that one has been seen to */
    g->has_event |= BIT64(index);
    pthread_mutex_unlock(&g->lock);
    wake(g);
}

static bool on_wants(void *opaque, unsigned index, enum debug_cause cause)
{
    const struct gdb *g = opaque;

    (void)index;
    return session_wants(&g->session, cause);
}

/* --- The connection ------------------------------------------------------------------------------------------------- */

static void on_send(void *opaque, const void *bytes, size_t len)
{
    struct gdb *g = opaque;

    if (g->connection >= 0 && outbox_add(&g->outbox, bytes, len))
        g->closing = true;
}

static void on_quit(void *opaque)
{
    struct gdb *g = opaque;
    g->closing = true;
}

static void drop(struct gdb *g)
{
    if (g->connection < 0)
        return;
    close(g->connection);
    g->connection = -1;
    outbox_clear(&g->outbox);
    session_end(&g->session);
}

static void take_connection(struct gdb *g)
{
    const int fd = listen_accept(g->listener), one = 1;

    if (fd < 0)
        return;
    if (g->connection >= 0) { /* one at a time */
        close(fd);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
               sizeof(one)); /* fails for a Unix socket, which has no need of it */
    g->connection = fd;
    g->closing = false;
    session_begin(&g->session);
}

static void take_input(struct gdb *g)
{
    uint8_t buf[4096];
    const ssize_t n = recv(g->connection, buf, sizeof(buf), 0);

    if (n > 0)
        session_input(&g->session, buf, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        drop(g);
}

/* --- The thread ----------------------------------------------------------------------------------------------------- */

static void take_events(struct gdb *g)
{
    struct debug_event event[VM_MAX_CPUS];
    vcpu_set_t has;
    char buf[64];

    while (read(g->wake[0], buf, sizeof(buf)) > 0)
        ;
    pthread_mutex_lock(&g->lock);
    has = g->has_event;
    g->has_event = 0;
    memcpy(event, g->event, sizeof(event));
    pthread_mutex_unlock(&g->lock);
    for (unsigned i = 0; i < VM_MAX_CPUS; i++)
        if (has >> i & 1)
            session_event(&g->session, i, &event[i]);
}

/* The VM has ended: that is said, as long as somebody listens. */
static void farewell(struct gdb *g)
{
    if (g->connection >= 0 && !g->closing)
        take_input(g); /* it may have let the guest go just before */
    session_exited(&g->session, g->status, g->signal);
    if (g->connection >= 0)
        outbox_flush_until(&g->outbox, g->connection, os_now_ns() + FAREWELL_NS);
    drop(g);
}

static bool has_ended(struct gdb *g)
{
    pthread_mutex_lock(&g->lock);
    const bool ended = g->ended;
    pthread_mutex_unlock(&g->lock);
    return ended;
}

static void *run(void *opaque)
{
    struct gdb *g = opaque;

    os_thread_name("gdb");
    while (!has_ended(g)) {
        const bool reads = !g->closing && g->outbox.len < BACKLOG_MAX;
        struct pollfd p[] = {
            {.fd = g->wake[0], .events = POLLIN},
            {.fd = g->listener, .events = POLLIN},
            {.fd = g->connection,
             .events = (short)((reads ? POLLIN : 0) | (g->outbox.len ? POLLOUT : 0))},
        };
        if (poll(p, g->connection >= 0 ? 3 : 2, -1) < 0)
            continue;
        if (p[0].revents)
            take_events(g);
        if (g->connection >= 0 && (p[2].revents & (POLLIN | POLLERR | POLLHUP)) && reads)
            take_input(g);
        if (p[1].revents)
            take_connection(g);
        if (g->connection >= 0 && outbox_flush(&g->outbox, g->connection))
            outbox_clear(&g->outbox); /* nobody is there any more: what they said before is read all the same */
        if (g->closing && !g->outbox.len)
            drop(g);
    }
    farewell(g);
    return NULL;
}

/* --- Its life ------------------------------------------------------------------------------------------------------- */

int gdb_check_address(const char *where, struct err *e)
{
    struct listen_address a;
    return listen_parse(where, &a, e);
}

int gdb_open(struct gdb **out, const char *where, struct err *e)
{
    struct gdb *g = calloc(1, sizeof(*g));
    int r;

    if (!g)
        return err_set(e, ENOMEM, "out of memory");
    g->listener = g->connection = g->wake[0] = g->wake[1] = -1;
    pthread_mutex_init(&g->lock, NULL);
    g->debugger = (struct vm_debugger){.stopped = on_stopped, .wants = on_wants, .opaque = g};
    g->session.send = on_send;
    g->session.quit = on_quit;
    g->session.opaque = g;
    if ((r = listen_parse(where, &g->address, e)))
        goto fail;
    if ((r = g->listener = listen_open(&g->address, e)) < 0)
        goto fail;
    if ((r = os_pipe(g->wake, e)))
        goto fail;
    listen_name(&g->address, g->name, sizeof(g->name));
    *out = g;
    return 0;
fail:
    gdb_destroy(g);
    return r;
}

const char *gdb_address(const struct gdb *g)
{
    return g->name;
}

int gdb_set_vm(struct gdb *g, struct vm *vm, bool wait, struct err *e)
{
    if (session_init(&g->session, vm))
        return err_set(e, ENOMEM, "out of memory");
    vm_set_debugger(vm, &g->debugger, wait);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        g->session.thread[i].held = wait;
    return 0;
}

int gdb_start(struct gdb *g, struct err *e)
{
    const int r = pthread_create(&g->thread, NULL, run, g);

    if (r)
        return err_set(e, r, "cannot start a thread for gdb: %s", strerror(r));
    g->started = true;
    return 0;
}

void gdb_stop(struct gdb *g, int status, int signal)
{
    if (!g->started)
        return;
    pthread_mutex_lock(&g->lock);
    g->ended = true;
    g->status = status;
    g->signal = signal;
    pthread_mutex_unlock(&g->lock);
    wake(g);
    pthread_join(g->thread, NULL);
    g->started = false;
}

void gdb_destroy(struct gdb *g)
{
    if (!g)
        return;
    gdb_stop(g, 0, 0);
    if (g->listener >= 0)
        listen_close(g->listener, &g->address);
    for (unsigned i = 0; i < 2; i++)
        if (g->wake[i] >= 0)
            close(g->wake[i]);
    session_destroy(&g->session);
    pthread_mutex_destroy(&g->lock);
    outbox_clear(&g->outbox);
    free(g);
}
