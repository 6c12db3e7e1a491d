/* libslirp as the network behind a card. Threading: dev/net/backend.h; libslirp runs on the I/O thread alone. */
#include "dev/net/user.h"

#include "base/err.h"

#include <errno.h>

#if HAVE_LIBSLIRP

#include "base/bits.h"
#include "base/io_thread.h"
#include "base/log.h"
#include "base/os.h"

#if __has_include(<libslirp.h>)
#include <libslirp.h>
#else
#include <slirp/libslirp.h>
#endif
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define MTU 1500u
#define MS UINT64_C(1000000)
#define NETWORK 0x0a000200u /* 10.0.2.0 */
#define NETMASK 0xffffff00u
#define GATEWAY (NETWORK + 2)
#define NAMESERVER (NETWORK + 3)
#define FIRST_GUEST (NETWORK + 15)

struct user_net {
    struct net_backend b;
    struct io_thread *io;
    struct io_hook hook;
    Slirp *slirp;
    bool held_back;
    bool filled;                  /* this turn's descriptors are in the poll */
    struct io_poll *filling;      /* during slirp_pollfds_fill() */
    const struct io_poll *polled; /* during slirp_pollfds_poll() */
    uint8_t segment[NET_MAX_FRAME];
};

struct user_timer {
    struct io_timer timer;
    struct user_net *n;
    SlirpTimerCb cb;
    void *opaque;
};

/* --- From the guest -------------------------------------------------------------------------------------------------- */

static void input(void *opaque, const uint8_t *frame, size_t len)
{
    struct user_net *n = opaque;
    slirp_input(n->slirp, frame, (int)len);
}

/* The stack wants whole checksums. Of large TCP segments it takes those of IPv4 as they are, which saves it and us the cutting. */
static void user_send(struct net_backend *b, const struct net_hdr *h, uint8_t *frame, size_t len)
{
    struct user_net *n = CONTAINER_OF(b, struct user_net, b);

    if (h->gso_type != NET_GSO_NONE) {
        const bool v4 = (h->gso_type & ~NET_GSO_ECN) == NET_GSO_TCPV4;
        net_segment(h, frame, len, v4 ? NET_MAX_FRAME : h->gso_size, n->segment, input, n);
        return;
    }
    if (h->flags & NET_HDR_NEEDS_CSUM && !net_complete_csum(h, frame, len))
        return;
    input(n, frame, len);
}

/* --- To the guest ---------------------------------------------------------------------------------------------------- */

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
    struct user_net *n = opaque;
    static const struct net_hdr plain;

    if (n->b.sink)
        n->b.sink->receive(&n->b, &plain, buf, len);
    return (ssize_t)len;
}

/* Held back, the stack does not read from its sockets, and their senders wait. */
static void user_set_receiving(struct net_backend *b, bool on)
{
    CONTAINER_OF(b, struct user_net, b)->held_back = !on;
}

/* --- The I/O thread's turns ------------------------------------------------------------------------------------------- */

static int add_poll(int fd, int events, void *opaque)
{
    const struct user_net *n = opaque;
    short e = 0;

    if (events & SLIRP_POLL_IN)
        e |= POLLIN;
    if (events & SLIRP_POLL_OUT)
        e |= POLLOUT;
    if (events & SLIRP_POLL_PRI)
        e |= POLLPRI;
    return io_poll_add(n->filling, fd, e);
}

static int get_revents(int number, void *opaque)
{
    const struct user_net *n = opaque;
    const short r = io_poll_revents(n->polled, number);
    int events = 0;

    if (r & POLLIN)
        events |= SLIRP_POLL_IN;
    if (r & POLLOUT)
        events |= SLIRP_POLL_OUT;
    if (r & POLLPRI)
        events |= SLIRP_POLL_PRI;
    if (r & POLLERR)
        events |= SLIRP_POLL_ERR;
    if (r & POLLHUP)
        events |= SLIRP_POLL_HUP;
    return events;
}

static void fill(struct io_hook *h, struct io_poll *p)
{
    struct user_net *n = CONTAINER_OF(h, struct user_net, hook);
    uint32_t timeout = UINT32_MAX;

    n->filled = !n->held_back;
    if (n->held_back)
        return;
    n->filling = p;
    slirp_pollfds_fill(n->slirp, &timeout, add_poll, n);
    if (timeout != UINT32_MAX)
        io_poll_until(p, os_now_ns() + timeout * MS);
}

static void polled(struct io_hook *h, const struct io_poll *p)
{
    struct user_net *n = CONTAINER_OF(h, struct user_net, hook);

    if (!n->filled)
        return;
    n->polled = p;
    slirp_pollfds_poll(n->slirp, 0, get_revents, n);
    n->b.sink->flush(&n->b);
}

/* --- Timers and the like ---------------------------------------------------------------------------------------------- */

static int64_t clock_get_ns(void *opaque)
{
    (void)opaque;
    return (int64_t)os_now_ns();
}

static void timer_due(struct io_timer *timer)
{
    struct user_timer *t = CONTAINER_OF(timer, struct user_timer, timer);
    struct user_net *n = t->n;

    t->cb(t->opaque);
    n->b.sink->flush(&n->b);
}

static void *timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
    struct user_timer *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    *t = (struct user_timer){.timer.due = timer_due, .n = opaque, .cb = cb, .opaque = cb_opaque};
    return t;
}

static void timer_free(void *timer, void *opaque)
{
    struct user_timer *t = timer;

    (void)opaque;
    if (t)
        io_timer_cancel(&t->timer);
    free(t);
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    struct user_timer *t = timer;

    (void)opaque;
    if (t)
        io_timer_set(t->n->io, &t->timer, (uint64_t)expire_ms * MS);
}

static void guest_error(const char *msg, void *opaque)
{
    (void)opaque;
    log_guest(LOG_DEBUG, "network: %s", msg);
}

/* The hook asks for all descriptors in each turn. */
static void poll_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}

static void notify(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = poll_fd,
    .unregister_poll_fd = poll_fd,
    .notify = notify,
};

/* --- Life ------------------------------------------------------------------------------------------------------------ */

static void user_destroy(struct net_backend *b)
{
    struct user_net *n = CONTAINER_OF(b, struct user_net, b);

    io_hook_remove(&n->hook);
    if (n->slirp)
        slirp_cleanup(n->slirp);
    free(n);
}

static const struct net_backend_ops user_ops = {
    .send = user_send, .set_receiving = user_set_receiving, .destroy = user_destroy};

static struct in_addr address(uint32_t a)
{
    return (struct in_addr){htonl(a)};
}

static int add_forward(struct user_net *n, const struct net_forward *f, struct err *e)
{
    char host[INET_ADDRSTRLEN];
    const struct in_addr from = address(f->host), to = address(f->guest ? f->guest : FIRST_GUEST);

    if (!slirp_add_hostfwd(n->slirp, f->udp, from, f->host_port, to, f->guest_port))
        return 0;
    const int code = errno ? errno : EADDRINUSE;
    inet_ntop(AF_INET, &from, host, sizeof(host));
    return err_set(e, code, "cannot take %s port %u of %s: %s%s", f->udp ? "UDP" : "TCP", f->host_port,
                   host, strerror(code), code == EADDRINUSE ? "; choose another port" : "");
}

struct net_backend *net_user_create(const struct net_forward *f, unsigned nr, struct io_thread *t,
                                    struct err *e)
{
    struct user_net *n = calloc(1, sizeof(*n));
    SlirpConfig config = {
        .version = 1, /* all that is needed, in every libslirp */
        .in_enabled = true,
        .vnetwork = address(NETWORK),
        .vnetmask = address(NETMASK),
        .vhost = address(GATEWAY),
        .vdhcp_start = address(FIRST_GUEST),
        .vnameserver = address(NAMESERVER),
        .in6_enabled = true,
        .vprefix_len = 64,
        .if_mtu = MTU,
        .if_mru = MTU,
    };

    if (!n) {
        err_set(e, ENOMEM, "out of memory for a network");
        return NULL;
    }
    inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &config.vhost6);
    inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
    n->b = (struct net_backend){.ops = &user_ops, .mtu = MTU, .is_stack = true};
    n->io = t;
    n->hook.fill = fill;
    n->hook.polled = polled;
    n->slirp = slirp_new(&config, &callbacks, n);
    if (!n->slirp) {
        err_set(e, ENOMEM, "libslirp does not start");
        user_destroy(&n->b);
        return NULL;
    }
    io_hook_add(t, &n->hook);
    for (unsigned i = 0; i < nr; i++)
        if (add_forward(n, &f[i], e)) {
            user_destroy(&n->b);
            return NULL;
        }
    return &n->b;
}

const char *net_user_version(void)
{
    return slirp_version_string();
}

#else

struct net_backend *net_user_create(const struct net_forward *f, unsigned nr, struct io_thread *t,
                                    struct err *e)
{
    (void)f;
    (void)nr;
    (void)t;
    err_set(e, ENOTSUP,
            "this build has no user-mode networking: libslirp was not there when it was built. Install it (Debian: libslirp-dev) and build again");
    return NULL;
}

const char *net_user_version(void)
{
    return NULL;
}

#endif
