/* virtio socket device: queues and packets. Threading: dev/vsock/vsock.h.
 *
 * Every connection has its turn: what it has for the guest goes a packet at a time, while the driver gives buffers and the peer credit. Data go
 * from the host's socket straight into the guest's buffers.
 * Specification: virtio 1.2, "Socket Device" (5.10). */
#include "dev/virtio_vsock.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/snap.h"
#include "dev/vsock/vsock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VIRTIO_ID_VSOCK 19
enum { RECEIVEQ, TRANSMITQ, EVENTQ, NR_QUEUES };
#define QUEUE_SIZE 128u
#define VIRTIO_VSOCK_F_STREAM 0
#define VSOCK_EVENT_TRANSPORT_RESET 0u
#define TX_BATCH 64u /* packets before others have their turn */

#define BIT(op) (1u << (op))

static struct vsock *vsock_of(struct virtio_device *v)
{
    return CONTAINER_OF(v, struct vsock, v);
}

bool vsock_guest_is_there(struct vsock *d)
{
    virtio_lock(&d->v);
    const bool there = d->running && !d->was_reset;
    virtio_unlock(&d->v);
    return there;
}

/* --- To the guest ----------------------------------------------------------------------------------------------------- */

/* What c sends next, and 0: nothing. Data only when there may be some, and room for them. */
static enum vsock_op next_op(struct vsock_conn *c)
{
    static const enum vsock_op order[] = {
        VSOCK_OP_RST,           VSOCK_OP_REQUEST,        VSOCK_OP_RESPONSE,
        VSOCK_OP_CREDIT_UPDATE, VSOCK_OP_CREDIT_REQUEST, VSOCK_OP_SHUTDOWN};

    for (unsigned i = 0; i < ARRAY_LEN(order); i++)
        if (c->pending & BIT(order[i]))
            return order[i];
    if (c->state != CONN_OPEN || !c->readable)
        return 0;
    if (vsock_credit(c))
        return VSOCK_OP_RW;
    /* A peer that says by itself when it has room again may be asked all the same. */
    if (c->asked)
        return 0;
    c->asked = true;
    return VSOCK_OP_CREDIT_REQUEST;
}

/* A buffer for a packet into d->chain, locked then. False: none, unlocked. */
static bool take_buffer(struct vsock *d)
{
    virtio_lock(&d->v);
    if (!d->was_reset && virtio_pop(&d->v, RECEIVEQ, &d->chain)) {
        if (!d->chain.nr_out && d->chain.in_len >= sizeof(struct vsock_hdr))
            return true;
        virtio_needs_reset(&d->v, "a receive buffer that has no room for a packet");
    }
    virtio_unlock(&d->v);
    return false;
}

static void push_packet(struct vsock *d, const struct vsock_hdr *h)
{
    vq_chain_write(&d->chain, 0, h, sizeof(*h));
    virtio_push(&d->v, RECEIVEQ, d->chain.head, (uint32_t)sizeof(*h) + h->len);
}

static void send_resets(struct vsock *d)
{
    unsigned n = 0;

    while (n < d->nr_resets && take_buffer(d)) {
        push_packet(d, &d->reset[n++]);
        virtio_unlock(&d->v);
    }
    d->nr_resets -= n;
    memmove(d->reset, d->reset + n, d->nr_resets * sizeof(d->reset[0]));
}

/* Fills d->chain's memory from the socket; what read() says. The chain is out meanwhile. *valid: it still is ours; locked then. */
static ssize_t read_sock(struct vsock_conn *c, bool *valid)
{
    struct vsock *d = c->d;
    struct iovec part[VQ_MAX_CHAIN];
    const size_t room = MIN(d->chain.in_len - sizeof(struct vsock_hdr), (size_t)VSOCK_MAX_PACKET);

    virtio_release(&d->v, &d->chain);
    const unsigned nr = iov_slice(part, VQ_MAX_CHAIN, d->chain.iov, d->chain.nr_in,
                                  sizeof(struct vsock_hdr), MIN(room, (size_t)vsock_credit(c)));
    const ssize_t n = nr ? readv(c->sock.fd, part, (int)nr) : -1;
    const int error = nr ? errno : EAGAIN;
    *valid = virtio_retake(&d->v, &d->chain);
    errno = error;
    return n;
}

/* One packet of c's, or none when there is nothing after all. False: the guest has no room. */
static bool send_one(struct vsock_conn *c)
{
    struct vsock *d = c->d;
    const enum vsock_op op = next_op(c);
    bool valid = true;
    ssize_t n = 0;
    int error = 0;

    if (!op)
        return true;
    if (!take_buffer(d)) {
        if (op == VSOCK_OP_CREDIT_REQUEST)
            c->asked = c->pending & BIT(op);
        return false;
    }
    if (op == VSOCK_OP_RW) {
        n = read_sock(c, &valid);
        error = n < 0 ? errno : 0;
    }
    const bool packet = op != VSOCK_OP_RW || n > 0;
    if (valid && packet) {
        push_packet(d, &(struct vsock_hdr){.src_cid = VSOCK_HOST_CID,
                                           .dst_cid = d->guest_cid,
                                           .src_port = c->host_port,
                                           .dst_port = c->guest_port,
                                           .len = (uint32_t)MAX(n, 0),
                                           .type = VSOCK_TYPE_STREAM,
                                           .op = (uint16_t)op,
                                           .flags = op == VSOCK_OP_SHUTDOWN ? c->shut_by_host : 0,
                                           .buf_alloc = VSOCK_BUF_LEN,
                                           .fwd_cnt = c->forwarded});
        c->told = c->forwarded;
        c->pending &= ~(BIT(op) | BIT(VSOCK_OP_CREDIT_UPDATE)); /* every packet tells the credit */
    } else if (valid) {
        virtio_unpop(&d->v, RECEIVEQ, 1);
    }
    virtio_unlock(&d->v);
    if (n > 0)
        c->sent += (uint32_t)n;
    if (op == VSOCK_OP_RW && !n) {
        vsock_sock_ended(c);
    } else if (error == EAGAIN || error == EINTR) {
        c->readable = false;
        vsock_update_events(c);
    } else if (error) {
        vsock_abort(c);
    }
    return true;
}

void vsock_pump(struct vsock *d)
{
    bool room = true;

    send_resets(d);
    while (room && d->work_first) {
        struct vsock_conn *c = d->work_first;
        room = send_one(c);
        if (!room)
            break;
        if (c->state == CONN_DONE && !c->pending) {
            vsock_conn_destroy(c);
            continue;
        }
        /* To the end of the row, if there is more. */
        d->work_first = c->next_work;
        if (!d->work_first)
            d->work_end = &d->work_first;
        c->has_work = false;
        if (c->pending || (c->readable && (vsock_credit(c) || !c->asked)))
            vsock_want(c, 0);
    }
    virtio_lock(&d->v);
    virtio_used(&d->v, RECEIVEQ);
    virtio_unlock(&d->v);
}

/* --- From the guest --------------------------------------------------------------------------------------------------- */

static bool take_packet(struct vsock *d, struct vsock_hdr *h)
{
    bool good = false;

    virtio_lock(&d->v);
    if (!d->was_reset && virtio_pop(&d->v, TRANSMITQ, &d->chain)) {
        good = !d->chain.nr_in && vq_chain_read(&d->chain, 0, h, sizeof(*h)) == sizeof(*h) &&
               h->len <= d->chain.out_len - sizeof(*h) && h->len <= VSOCK_MAX_PACKET;
        if (good) {
            vq_chain_read(&d->chain, sizeof(*h), d->payload, h->len);
            virtio_push(&d->v, TRANSMITQ, d->chain.head, 0);
        } else {
            virtio_needs_reset(&d->v, "no packet in a transmit buffer");
        }
    }
    virtio_unlock(&d->v);
    return good;
}

static void work(struct io_work *w)
{
    struct vsock *d = CONTAINER_OF(w, struct vsock, work);
    struct vsock_hdr h;
    unsigned nr = 0;

    virtio_lock(&d->v);
    const bool was_reset = d->was_reset;
    d->was_reset = false;
    virtio_unlock(&d->v);
    if (was_reset) {
        vsock_destroy_all(d);
        d->nr_resets = 0;
    }
    while (nr < TX_BATCH && take_packet(d, &h)) {
        vsock_handle_packet(d, &h);
        nr++;
    }
    if (nr == TX_BATCH)
        io_post(d->io, &d->work);
    virtio_lock(&d->v);
    virtio_used(&d->v, TRANSMITQ);
    virtio_unlock(&d->v);
    vsock_pump(d);
}

/* --- The driver's side, under the lock --------------------------------------------------------------------------------- */

/* The event queue's buffers wait for a snapshot to be loaded. */
static void vsock_notify(struct virtio_device *v, unsigned q)
{
    struct vsock *d = vsock_of(v);

    if (q == EVENTQ)
        return;
    d->running |= q == RECEIVEQ;
    io_post(d->io, &d->work);
}

static void vsock_reset(struct virtio_device *v)
{
    struct vsock *d = vsock_of(v);

    d->running = false;
    d->was_reset = true;
    io_post(d->io, &d->work);
}

static uint32_t config_read(struct virtio_device *v, uint32_t off, unsigned size)
{
    const uint64_t cid = vsock_of(v)->guest_cid;
    uint32_t val = 0;

    memcpy(&val, (const uint8_t *)&cid + off, size);
    return val;
}

static void vsock_snap(struct virtio_device *v, struct snap *s)
{
    struct vsock *d = vsock_of(v);

    snap_same(s, "guest_cid", d->guest_cid);
    SNAP_BOOL(s, d, running);
    SNAP_ANY(s, d, next_host_port); /* the guest may still know those before it */
}

/* Nobody is at the other end of any connection that the guest has: it is told so (5.10.6.7, "Device Events"). */
static void vsock_loaded(struct virtio_device *v)
{
    struct vsock *d = vsock_of(v);
    const uint32_t event = VSOCK_EVENT_TRANSPORT_RESET;

    if (!d->running || !virtio_pop(v, EVENTQ, &d->chain))
        return;
    if (d->chain.nr_out || d->chain.in_len < sizeof(event)) {
        virtio_needs_reset(v, "an event buffer that has no room for an event");
        return;
    }
    vq_chain_write(&d->chain, 0, &event, sizeof(event));
    virtio_push(v, EVENTQ, d->chain.head, sizeof(event));
    virtio_used(v, EVENTQ);
}

static void vsock_destroy(struct virtio_device *v)
{
    struct vsock *d = vsock_of(v);

    io_work_cancel(d->io, &d->work);
    io_timer_cancel(&d->timer);
    vsock_destroy_all(d);
    io_fd_remove(&d->listener);
    if (d->listener.fd >= 0) {
        close(d->listener.fd);
        unlink(d->addr.sun_path);
    }
    free(d);
}

static const struct virtio_device_ops vsock_ops = {
    .name = "virtio_vsock",
    .device_id = VIRTIO_ID_VSOCK,
    .queue_max = QUEUE_SIZE,
    .config_len = sizeof(uint64_t),
    .reset = vsock_reset,
    .notify = vsock_notify,
    .config_read = config_read,
    .snap = vsock_snap,
    .loaded = vsock_loaded,
    .destroy = vsock_destroy,
};

struct virtio_device *virtio_vsock_create(const char *path, uint32_t guest_cid, struct io_thread *t,
                                          struct err *e)
{
    struct vsock *d = calloc(1, sizeof(*d));

    if (!d) {
        err_set(e, ENOMEM, "out of memory for a socket device");
        return NULL;
    }
    d->v.ops = &vsock_ops;
    d->v.features = BIT64(VIRTIO_VSOCK_F_STREAM);
    d->v.nr_queues = NR_QUEUES;
    d->io = t;
    d->guest_cid = guest_cid;
    d->work.run = work;
    d->work_end = &d->work_first;
    d->timer.due = vsock_due;
    d->next_host_port = VSOCK_FIRST_HOST_PORT;
    d->listener.events = POLLIN;
    d->listener.ready = vsock_accept;
    d->listener.fd = vsock_listen(d, path, e);
    if (d->listener.fd < 0 || io_fd_add(t, &d->listener)) {
        if (d->listener.fd >= 0)
            err_set(e, ENOMEM, "out of memory for a socket device");
        vsock_destroy(&d->v);
        return NULL;
    }
    return &d->v;
}
