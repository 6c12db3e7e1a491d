/* The connections of the socket device. Threading: dev/vsock/vsock.h.
 * Specification: virtio 1.2, "Socket Device", "Device Operation" (5.10.6). */
#include "base/bits.h"
#include "base/os.h"
#include "dev/vsock/vsock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* For a greeting, for the guest's answer to a request, and for it to let go of a connection that the host has left. */
#define PATIENCE_NS UINT64_C(10000000000)

#define BIT(op) (1u << (op))

/* --- The table ------------------------------------------------------------------------------------------------------- */

static struct vsock_conn **bucket_of(struct vsock *d, uint32_t host_port, uint32_t guest_port)
{
    return &d->bucket[(host_port * 31 + guest_port) % VSOCK_NR_BUCKETS];
}

static void set_deadline(struct vsock_conn *c)
{
    c->deadline = os_now_ns() + PATIENCE_NS;
    if (!c->d->timer.thread)
        io_timer_set(c->d->io, &c->d->timer, c->deadline);
}

struct vsock_conn *vsock_conn_create(struct vsock *d, enum conn_state state, int fd)
{
    struct vsock_conn *c = d->nr_conns < VSOCK_MAX_CONNS ? calloc(1, sizeof(*c)) : NULL;

    if (!c)
        return NULL;
    *c = (struct vsock_conn){.d = d, .state = state, .sock = {.fd = fd, .ready = vsock_sock_ready}};
    if (io_fd_add(d->io, &c->sock)) {
        free(c);
        return NULL;
    }
    d->nr_conns++;
    /* In the table even without a name, so that all can be found. */
    struct vsock_conn **at = bucket_of(d, 0, 0);
    c->next = *at;
    *at = c;
    if (state == CONN_GREETING)
        set_deadline(c);
    vsock_update_events(c);
    return c;
}

static void unlink_conn(struct vsock_conn *c)
{
    struct vsock_conn **at = bucket_of(c->d, c->host_port, c->guest_port);
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

void vsock_conn_name(struct vsock_conn *c, uint32_t host_port, uint32_t guest_port)
{
    unlink_conn(c);
    c->host_port = host_port;
    c->guest_port = guest_port;
    struct vsock_conn **at = bucket_of(c->d, host_port, guest_port);
    c->next = *at;
    *at = c;
}

struct vsock_conn *vsock_conn_find(struct vsock *d, uint32_t host_port, uint32_t guest_port)
{
    struct vsock_conn *c = *bucket_of(d, host_port, guest_port);
    while (c && (c->host_port != host_port || c->guest_port != guest_port || c->state == CONN_GREETING))
        c = c->next;
    return c;
}

uint32_t vsock_free_host_port(struct vsock *d, uint32_t guest_port)
{
    do
        d->next_host_port =
            d->next_host_port == UINT32_MAX - 1 ? VSOCK_FIRST_HOST_PORT : d->next_host_port + 1;
    while (vsock_conn_find(d, d->next_host_port, guest_port));
    return d->next_host_port;
}

static void close_sock(struct vsock_conn *c)
{
    if (c->sock.fd < 0)
        return;
    io_fd_remove(&c->sock);
    close(c->sock.fd);
    c->sock.fd = -1;
    free(c->buf);
    c->buf = NULL;
    c->buf_len = c->buf_room = 0;
    c->readable = false;
}

static void unlink_work(struct vsock_conn *c)
{
    struct vsock *d = c->d;
    struct vsock_conn **at = &d->work_first;

    if (!c->has_work)
        return;
    while (*at != c)
        at = &(*at)->next_work;
    *at = c->next_work;
    if (d->work_end == &c->next_work)
        d->work_end = at;
    c->has_work = false;
}

/* It is in no bucket any more. */
static void free_conn(struct vsock_conn *c)
{
    close_sock(c);
    unlink_work(c);
    c->d->nr_conns--;
    free(c);
}

void vsock_conn_destroy(struct vsock_conn *c)
{
    unlink_conn(c);
    free_conn(c);
}

void vsock_destroy_all(struct vsock *d)
{
    for (unsigned i = 0; i < VSOCK_NR_BUCKETS; i++)
        for (struct vsock_conn *c = d->bucket[i]; c; c = d->bucket[i]) {
            d->bucket[i] = c->next;
            free_conn(c);
        }
}

void vsock_want(struct vsock_conn *c, unsigned pending)
{
    c->pending |= pending;
    if (c->has_work)
        return;
    c->has_work = true;
    c->next_work = NULL;
    *c->d->work_end = c;
    c->d->work_end = &c->next_work;
}

void vsock_abort(struct vsock_conn *c)
{
    close_sock(c);
    c->state = CONN_DONE;
    c->pending = 0;
    c->deadline = 0;
    vsock_want(c, BIT(VSOCK_OP_RST));
}

void vsock_due(struct io_timer *t)
{
    struct vsock *d = CONTAINER_OF(t, struct vsock, timer);
    const uint64_t now = os_now_ns();
    uint64_t first = UINT64_MAX;

    for (unsigned i = 0; i < VSOCK_NR_BUCKETS; i++)
        for (struct vsock_conn *c = d->bucket[i], *next; c; c = next) {
            next = c->next;
            if (c->deadline && c->deadline <= now) {
                if (c->state == CONN_GREETING)
                    vsock_conn_destroy(c);
                else
                    vsock_abort(c);
            } else if (c->deadline) {
                first = MIN(first, c->deadline);
            }
        }
    if (first != UINT64_MAX)
        io_timer_set(d->io, &d->timer, first);
    vsock_pump(d);
}

/* --- To the host ------------------------------------------------------------------------------------------------------ */

uint32_t vsock_credit(const struct vsock_conn *c)
{
    const uint32_t on_the_way = c->sent - c->peer_fwd_cnt;
    return on_the_way < c->peer_buf_alloc ? c->peer_buf_alloc - on_the_way : 0;
}

void vsock_update_events(struct vsock_conn *c)
{
    short events = 0;

    if (c->sock.fd < 0)
        return;
    switch (c->state) {
    case CONN_GREETING: events = POLLIN; break;
    case CONN_REQUESTED: events = POLLPRI; break; /* that is, only its end */
    case CONN_CONNECTING: events = POLLOUT; break;
    case CONN_OPEN:
        if (!((c->shut_by_host & VSOCK_SHUTDOWN_SEND) || (c->shut_by_guest & VSOCK_SHUTDOWN_RCV)))
            events = !c->readable && vsock_credit(c) ? POLLIN : 0;
        else if (c->shut_by_host != VSOCK_SHUTDOWN_BOTH)
            events = POLLPRI;
        if (c->buf_len)
            events |= POLLOUT;
        break;
    case CONN_DONE: break;
    }
    io_fd_set_events(&c->sock, events);
}

/* The host does not do these things any more. */
static void shut_by_host(struct vsock_conn *c, unsigned what)
{
    if ((c->shut_by_host | what) == c->shut_by_host)
        return;
    c->shut_by_host |= what;
    vsock_want(c, BIT(VSOCK_OP_SHUTDOWN));
    if (c->shut_by_host == VSOCK_SHUTDOWN_BOTH)
        set_deadline(c);
}

/* n bytes have left for the host. The guest hears of it before it believes the buffer more than half full. */
static void forwarded(struct vsock_conn *c, size_t n)
{
    c->forwarded += (uint32_t)n;
    if (c->forwarded - c->told >= VSOCK_BUF_LEN / 2)
        vsock_want(c, BIT(VSOCK_OP_CREDIT_UPDATE));
}

/* Bytes that the socket took; all of them when it takes none any more. */
static size_t write_sock(struct vsock_conn *c, const uint8_t *from, size_t len)
{
    const ssize_t n = write(c->sock.fd, from, len);

    if (n >= 0)
        return (size_t)n;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    shut_by_host(c, VSOCK_SHUTDOWN_RCV);
    return len;
}

/* The guest has said that it is done; so is the host's side once it has everything. */
static void finish_if_done(struct vsock_conn *c)
{
    if (c->state != CONN_OPEN || c->buf_len || !c->shut_by_guest)
        return;
    if (c->shut_by_guest == VSOCK_SHUTDOWN_BOTH)
        vsock_abort(c);
    else if (c->shut_by_guest == VSOCK_SHUTDOWN_SEND)
        shutdown(c->sock.fd, SHUT_WR);
}

static void flush_buf(struct vsock_conn *c)
{
    const size_t n = write_sock(c, c->buf + c->buf_at, c->buf_len);

    c->buf_at += n;
    c->buf_len -= n;
    forwarded(c, n);
    if (!c->buf_len) {
        free(c->buf);
        c->buf = NULL;
        c->buf_at = c->buf_room = 0;
        finish_if_done(c);
    }
}

/* Behind what is there; the guest's credit bounds it. False: out of memory. */
static bool keep(struct vsock_conn *c, const uint8_t *from, size_t len)
{
    if (c->buf_at + c->buf_len + len > c->buf_room) {
        const size_t room = MIN(MAX(2 * (c->buf_len + len), (size_t)4096), (size_t)VSOCK_BUF_LEN);
        uint8_t *buf = malloc(room);
        if (!buf)
            return false;
        if (c->buf_len)
            memcpy(buf, c->buf + c->buf_at, c->buf_len);
        free(c->buf);
        c->buf = buf;
        c->buf_at = 0;
        c->buf_room = room;
    }
    memcpy(c->buf + c->buf_at + c->buf_len, from, len);
    c->buf_len += len;
    return true;
}

static void data_for_host(struct vsock_conn *c, const uint8_t *data, uint32_t len)
{
    /* More than it may send, or after it said that it would not. */
    if (len > VSOCK_BUF_LEN - (c->received - c->forwarded) || c->shut_by_guest & VSOCK_SHUTDOWN_SEND) {
        vsock_abort(c);
        return;
    }
    c->received += len;
    size_t n = 0;
    if (c->shut_by_host & VSOCK_SHUTDOWN_RCV)
        n = len; /* nobody takes it */
    else if (!c->buf_len)
        n = write_sock(c, data, len);
    forwarded(c, n);
    if (n < len && !keep(c, data + n, len - n))
        vsock_abort(c);
}

/* --- Packets of the guest's ------------------------------------------------------------------------------------------- */

/* No connection, and no place for one. */
static void refuse(struct vsock *d, const struct vsock_hdr *h)
{
    if (h->op == VSOCK_OP_RST || d->nr_resets == VSOCK_MAX_RESETS)
        return;
    d->reset[d->nr_resets++] = (struct vsock_hdr){
        .src_cid = h->dst_cid,
        .dst_cid = h->src_cid,
        .src_port = h->dst_port,
        .dst_port = h->src_port,
        .type = h->type,
        .op = VSOCK_OP_RST,
    };
}

static void take_credit(struct vsock_conn *c, const struct vsock_hdr *h)
{
    c->peer_buf_alloc = h->buf_alloc;
    c->peer_fwd_cnt = h->fwd_cnt;
    if (vsock_credit(c)) {
        c->asked = false;
        if (c->readable)
            vsock_want(c, 0);
    }
}

static void opened(struct vsock_conn *c)
{
    c->state = CONN_OPEN;
    vsock_want(c, BIT(VSOCK_OP_RESPONSE));
}

static void connect_to_host(struct vsock *d, const struct vsock_hdr *h)
{
    bool pending;
    const int fd = d->nr_conns < VSOCK_MAX_CONNS ? vsock_connect(d, h->dst_port, &pending) : -ENOSPC;
    struct vsock_conn *c = fd < 0 ? NULL : vsock_conn_create(d, CONN_CONNECTING, fd);

    if (!c) {
        if (fd >= 0)
            close(fd);
        refuse(d, h);
        return;
    }
    vsock_conn_name(c, h->dst_port, h->src_port);
    take_credit(c, h);
    if (!pending)
        opened(c);
    vsock_update_events(c);
}

/* The guest has taken the connection that a program of the host asked for. */
static void on_response(struct vsock_conn *c)
{
    char line[32];
    const int n = snprintf(line, sizeof(line), "OK %u\n", c->host_port);

    if (c->state != CONN_REQUESTED || write(c->sock.fd, line, (size_t)n) != n) {
        vsock_abort(c);
        return;
    }
    c->state = CONN_OPEN;
    c->deadline = 0;
}

static void on_shutdown(struct vsock_conn *c, uint32_t flags)
{
    if (c->state != CONN_OPEN) {
        vsock_abort(c);
        return;
    }
    c->shut_by_guest |= flags & VSOCK_SHUTDOWN_BOTH;
    if (c->shut_by_guest & VSOCK_SHUTDOWN_RCV)
        shutdown(c->sock.fd, SHUT_RD); /* who writes there gets an error */
    finish_if_done(c);
}

void vsock_handle_packet(struct vsock *d, const struct vsock_hdr *h)
{
    if (h->type != VSOCK_TYPE_STREAM || h->dst_cid != VSOCK_HOST_CID || h->src_cid != d->guest_cid) {
        refuse(d, h);
        return;
    }
    struct vsock_conn *c = vsock_conn_find(d, h->dst_port, h->src_port);
    if (!c) {
        if (h->op == VSOCK_OP_REQUEST)
            connect_to_host(d, h);
        else
            refuse(d, h);
        return;
    }
    if (h->op == VSOCK_OP_RST) {
        vsock_conn_destroy(c);
        return;
    }
    if (c->state == CONN_DONE)
        return; /* its RST is on the way */
    take_credit(c, h);
    switch (h->op) {
    case VSOCK_OP_RESPONSE: on_response(c); break;
    case VSOCK_OP_SHUTDOWN: on_shutdown(c, h->flags); break;
    case VSOCK_OP_RW:
        if (c->state == CONN_OPEN)
            data_for_host(c, d->payload, h->len);
        else
            vsock_abort(c);
        break;
    case VSOCK_OP_CREDIT_UPDATE: break;
    case VSOCK_OP_CREDIT_REQUEST: vsock_want(c, BIT(VSOCK_OP_CREDIT_UPDATE)); break;
    default: vsock_abort(c); /* a second request, or nothing that there is */
    }
    vsock_update_events(c);
}

/* --- The host's sockets ----------------------------------------------------------------------------------------------- */

static void greeting_ready(struct vsock_conn *c)
{
    struct vsock *d = c->d;
    uint32_t port;
    const int r = vsock_read_greeting(c, &port);

    if (!r)
        return;
    if (r < 0 || !vsock_guest_is_there(d)) {
        vsock_conn_destroy(c);
        return;
    }
    vsock_conn_name(c, vsock_free_host_port(d, port), port);
    c->state = CONN_REQUESTED;
    set_deadline(c);
    vsock_want(c, BIT(VSOCK_OP_REQUEST));
    vsock_update_events(c);
}

static void connect_ready(struct vsock_conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(c->sock.fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
        vsock_abort(c);
    else
        opened(c);
    vsock_update_events(c);
}

static void open_ready(struct vsock_conn *c, short revents)
{
    const short wanted = c->sock.events;

    if (revents & POLLOUT && c->buf_len)
        flush_buf(c);
    if (c->state == CONN_OPEN && wanted & POLLIN && revents & ~POLLOUT) {
        c->readable = true;
        vsock_want(c, 0);
    } else if (c->state == CONN_OPEN && revents & (POLLERR | POLLHUP | POLLNVAL)) {
        shut_by_host(c, VSOCK_SHUTDOWN_BOTH);
    }
    vsock_update_events(c);
}

void vsock_sock_ready(struct io_fd *f, short revents)
{
    struct vsock_conn *c = CONTAINER_OF(f, struct vsock_conn, sock);
    struct vsock *d = c->d;

    switch (c->state) {
    case CONN_GREETING: greeting_ready(c); break;
    case CONN_REQUESTED: vsock_abort(c); break;
    case CONN_CONNECTING: connect_ready(c); break;
    case CONN_OPEN: open_ready(c, revents); break;
    case CONN_DONE: break;
    }
    vsock_pump(d);
}

void vsock_sock_ended(struct vsock_conn *c)
{
    struct pollfd p = {.fd = c->sock.fd, .events = POLLIN};

    /* Closed altogether, or only for writing? */
    const bool gone = poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
    c->readable = false;
    shut_by_host(c, gone ? VSOCK_SHUTDOWN_BOTH : VSOCK_SHUTDOWN_SEND);
    vsock_update_events(c);
}
