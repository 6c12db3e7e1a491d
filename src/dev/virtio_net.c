/* virtio network device: one pair of queues and a control queue, offloads, mergeable receive buffers.
 *
 * Frames move on the I/O thread, which a notification wakes; the vCPU that notifies waits for nothing. Frames for the guest wait in a backlog
 * until it has room. When that grows, the backend is told to hold back: data that come by TCP then wait in their sender's window.
 * Threads: backend calls and `send` on the I/O thread, without the transport's lock; what is marked so below under it.
 * Specification: virtio 1.2, "Network Device" (5.1). */
#include "dev/virtio_net.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/io_thread.h"
#include "base/snap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VIRTIO_ID_NET 1
enum { RECEIVEQ, TRANSMITQ, CTRLQ, NR_QUEUES };
#define QUEUE_SIZE 256u

/* "Feature bits" (5.1.3) */
enum {
    VIRTIO_NET_F_CSUM = 0,
    VIRTIO_NET_F_GUEST_CSUM = 1,
    VIRTIO_NET_F_MTU = 3,
    VIRTIO_NET_F_MAC = 5,
    VIRTIO_NET_F_GUEST_TSO4 = 7,
    VIRTIO_NET_F_GUEST_TSO6 = 8,
    VIRTIO_NET_F_GUEST_ECN = 9,
    VIRTIO_NET_F_HOST_TSO4 = 11,
    VIRTIO_NET_F_HOST_TSO6 = 12,
    VIRTIO_NET_F_HOST_ECN = 13,
    VIRTIO_NET_F_MRG_RXBUF = 15,
    VIRTIO_NET_F_STATUS = 16,
    VIRTIO_NET_F_CTRL_VQ = 17,
    VIRTIO_NET_F_CTRL_RX = 18,
    VIRTIO_NET_F_CTRL_RX_EXTRA = 20,
    VIRTIO_NET_F_CTRL_MAC_ADDR = 23,
};
#define FEATURES                                                                                    \
    (BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_MAC) |          \
     BIT64(VIRTIO_NET_F_GUEST_TSO4) | BIT64(VIRTIO_NET_F_GUEST_TSO6) |                              \
     BIT64(VIRTIO_NET_F_GUEST_ECN) | BIT64(VIRTIO_NET_F_HOST_TSO4) |                                \
     BIT64(VIRTIO_NET_F_HOST_TSO6) | BIT64(VIRTIO_NET_F_HOST_ECN) | BIT64(VIRTIO_NET_F_MRG_RXBUF) | \
     BIT64(VIRTIO_NET_F_STATUS) | BIT64(VIRTIO_NET_F_CTRL_VQ) | BIT64(VIRTIO_NET_F_CTRL_RX) |       \
     BIT64(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT64(VIRTIO_NET_F_CTRL_MAC_ADDR))

enum { STATUS_LINK_UP = 1 };
enum { CONTROL_OK = 0, CONTROL_ERR = 1 };

/* Of the backlog: where the backend is told to stop and to go on, and where frames are lost, which those that are answers to the guest's own
 * can reach. */
#define BACKLOG_STOP (256u * 1024)
#define BACKLOG_GO (64u * 1024)
#define BACKLOG_MAX (4u * 1024 * 1024)
#define TX_BATCH 128u      /* frames before others have their turn */
#define MAX_RX_BUFFERS 64u /* that one frame is spread over */

/* struct virtio_net_config */
struct config {
    uint8_t mac[NET_MAC_LEN];
    uint16_t status, max_virtqueue_pairs, mtu;
};

struct virtio_net {
    struct virtio_device v;
    struct io_thread *io;
    struct net_backend *backend;
    struct io_work tx, rx;
    uint8_t mac[NET_MAC_LEN]; /* as made */

    /* Under the lock. */
    struct config config;
    struct net_filter filter;
    bool running; /* the driver has receive buffers, or had some */
    struct net_packet *first, *last;
    size_t backlog; /* bytes */
    struct vq_chain chain, rx_first;

    /* The I/O thread's. */
    bool held_back;
    unsigned offloads; /* as the backend knows them */
    uint8_t frame[NET_MAX_FRAME];
};

static struct virtio_net *net_of(struct virtio_device *v)
{
    return CONTAINER_OF(v, struct virtio_net, v);
}

/* Only the legacy layout without mergeable buffers has the short one. */
static size_t hdr_len(const struct virtio_net *n)
{
    return virtio_has_feature(&n->v, VIRTIO_F_VERSION_1) ||
                   virtio_has_feature(&n->v, VIRTIO_NET_F_MRG_RXBUF)
               ? sizeof(struct net_hdr)
               : NET_LEGACY_HDR_LEN;
}

/* --- To the guest, under the lock ------------------------------------------------------------------------------------ */

static void clear_backlog(struct virtio_net *n)
{
    while (n->first) {
        struct net_packet *p = n->first;
        n->first = p->next;
        net_packet_destroy(p);
    }
    n->last = NULL;
    n->backlog = 0;
}

static void append(struct virtio_net *n, struct net_packet *p)
{
    if (n->last)
        n->last->next = p;
    else
        n->first = p;
    n->last = p;
    n->backlog += p->len;
}

/* Whether frames like this one may go to the guest as large segments. */
static bool may_merge(const struct virtio_net *n, const uint8_t *frame)
{
    const bool v6 = frame[12] == 0x86;
    return n->backend->is_stack && virtio_has_feature(&n->v, VIRTIO_NET_F_GUEST_CSUM) &&
           virtio_has_feature(&n->v, v6 ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_GUEST_TSO4);
}

static void receive_locked(struct virtio_net *n, const struct net_hdr *h, const uint8_t *frame, size_t len)
{
    if (!n->running || len < NET_ETH_LEN || len > NET_MAX_FRAME || !net_filter_takes(&n->filter, frame))
        return;
    if (n->last && may_merge(n, frame)) {
        const size_t before = n->last->len;
        if (net_merge(n->last, frame, len)) {
            n->backlog += n->last->len - before;
            return;
        }
    }
    if (n->backlog > BACKLOG_MAX)
        return;
    struct net_packet *p = net_packet_create(h, frame, len);
    if (!p)
        return;
    if (n->backend->is_stack && virtio_has_feature(&n->v, VIRTIO_NET_F_GUEST_CSUM))
        p->hdr.flags |= NET_HDR_DATA_VALID;
    append(n, p);
}

enum delivery { DELIVERED, NO_ROOM, UNFIT };

/* Into as many buffers as the frame takes, or into none. */
static enum delivery deliver(struct virtio_net *n, struct net_packet *p)
{
    const bool mergeable = virtio_has_feature(&n->v, VIRTIO_NET_F_MRG_RXBUF);
    const size_t header = hdr_len(n), total = header + p->len;
    struct vq_done done[MAX_RX_BUFFERS];
    enum delivery result = DELIVERED;
    size_t at = 0;
    uint16_t nr = 0;

    while (at < total && result == DELIVERED) {
        struct vq_chain *c = nr ? &n->chain : &n->rx_first;
        if (nr == (mergeable ? MAX_RX_BUFFERS : 1)) {
            result = UNFIT;
            break;
        }
        if (!virtio_pop(&n->v, RECEIVEQ, c)) {
            result = NO_ROOM;
            break;
        }
        const size_t part = MIN((size_t)c->in_len, total - at);
        done[nr++] = (struct vq_done){c->head, (uint32_t)part};
        if (c->nr_out || c->in_len < header) {
            virtio_needs_reset(&n->v, "a receive buffer that has no room for a frame's header");
            return UNFIT;
        }
        if (nr == 1) {
            vq_chain_write(c, 0, &p->hdr, header);
            vq_chain_write(c, header, p->data, part - header);
        } else {
            vq_chain_write(c, 0, p->data + at - header, part);
        }
        at += part;
    }
    if (result != DELIVERED) {
        virtio_unpop(&n->v, RECEIVEQ, nr);
        return result;
    }
    if (header == sizeof(struct net_hdr))
        vq_chain_write(&n->rx_first, offsetof(struct net_hdr, num_buffers), &nr, sizeof(nr));
    virtio_push_all(&n->v, RECEIVEQ, done, nr);
    return DELIVERED;
}

/* What fits. */
static void drain_backlog(struct virtio_net *n)
{
    while (n->first) {
        struct net_packet *p = n->first;
        net_merge_finish(p);
        if (deliver(n, p) == NO_ROOM)
            break;
        n->first = p->next;
        if (!n->first)
            n->last = NULL;
        n->backlog -= p->len;
        net_packet_destroy(p);
    }
    virtio_used(&n->v, RECEIVEQ);
}

/* --- The backend's calls --------------------------------------------------------------------------------------------- */

static void on_receive(struct net_backend *b, const struct net_hdr *h, const uint8_t *frame, size_t len)
{
    struct virtio_net *n = b->opaque;

    virtio_lock(&n->v);
    receive_locked(n, h, frame, len);
    virtio_unlock(&n->v);
}

static void on_flush(struct net_backend *b)
{
    struct virtio_net *n = b->opaque;

    virtio_lock(&n->v);
    drain_backlog(n);
    const size_t backlog = n->backlog;
    virtio_unlock(&n->v);
    if (n->held_back ? backlog <= BACKLOG_GO : backlog > BACKLOG_STOP) {
        n->held_back = !n->held_back;
        b->ops->set_receiving(b, !n->held_back);
    }
}

static void on_link(struct net_backend *b, bool up)
{
    struct virtio_net *n = b->opaque;

    virtio_lock(&n->v);
    if (up != (n->config.status == STATUS_LINK_UP)) {
        n->config.status = up ? STATUS_LINK_UP : 0;
        virtio_config_changed(&n->v);
    }
    virtio_unlock(&n->v);
}

static const struct net_sink_ops sink = {.receive = on_receive, .flush = on_flush, .set_link = on_link};

/* --- Work for the I/O thread ---------------------------------------------------------------------------------------- */

static void tell_offloads(struct virtio_net *n)
{
    static const struct {
        unsigned feature, offload;
    } map[] = {{VIRTIO_NET_F_GUEST_CSUM, NET_OFFLOAD_CSUM},
               {VIRTIO_NET_F_GUEST_TSO4, NET_OFFLOAD_TSO4},
               {VIRTIO_NET_F_GUEST_TSO6, NET_OFFLOAD_TSO6},
               {VIRTIO_NET_F_GUEST_ECN, NET_OFFLOAD_ECN}};
    unsigned offloads = 0;

    virtio_lock(&n->v);
    for (unsigned i = 0; i < ARRAY_LEN(map); i++)
        if (virtio_has_feature(&n->v, map[i].feature))
            offloads |= map[i].offload;
    virtio_unlock(&n->v);
    if (offloads != n->offloads && n->backend->ops->set_offloads)
        n->backend->ops->set_offloads(n->backend, offloads);
    n->offloads = offloads;
}

/* The driver has given receive buffers. */
static void rx_work(struct io_work *w)
{
    struct virtio_net *n = CONTAINER_OF(w, struct virtio_net, rx);

    tell_offloads(n);
    on_flush(n->backend);
}

/* Takes one frame into n->frame. False: there is none. A length below that of an Ethernet header: it is not to be sent. */
static bool take_frame(struct virtio_net *n, struct net_hdr *h, size_t *len)
{
    bool taken = false;

    virtio_lock(&n->v);
    if (virtio_pop(&n->v, TRANSMITQ, &n->chain)) {
        const size_t header = hdr_len(n);
        *h = (struct net_hdr){0};
        if (n->chain.nr_in || n->chain.out_len < header) {
            virtio_needs_reset(&n->v, "no frame in a transmit buffer");
        } else {
            vq_chain_read(&n->chain, 0, h, header);
            *len = n->chain.out_len - header;
            if (*len <= NET_MAX_FRAME)
                vq_chain_read(&n->chain, header, n->frame, *len);
            else
                *len = 0;
            virtio_push(&n->v, TRANSMITQ, n->chain.head, 0);
            taken = true;
        }
    }
    virtio_unlock(&n->v);
    return taken;
}

static void tx_work(struct io_work *w)
{
    struct virtio_net *n = CONTAINER_OF(w, struct virtio_net, tx);
    struct net_hdr h;
    size_t len;
    unsigned nr = 0;

    while (nr < TX_BATCH && take_frame(n, &h, &len)) {
        if (len >= NET_ETH_LEN)
            n->backend->ops->send(n->backend, &h, n->frame, len);
        nr++;
    }
    if (nr == TX_BATCH)
        io_post(n->io, &n->tx);
    virtio_lock(&n->v);
    virtio_used(&n->v, TRANSMITQ);
    virtio_unlock(&n->v);
    /* A stack may have answered at once. */
    on_flush(n->backend);
}

/* --- The driver's side, under the lock ------------------------------------------------------------------------------- */

static void control(struct virtio_net *n)
{
    uint8_t cmd[NET_MAX_CONTROL];

    while (virtio_pop(&n->v, CTRLQ, &n->chain)) {
        const struct vq_chain *c = &n->chain;
        if (!c->in_len) {
            virtio_needs_reset(&n->v, "a command without room for its answer");
            return;
        }
        const size_t len = vq_chain_read(c, 0, cmd, sizeof(cmd));
        const bool good = c->out_len <= sizeof(cmd) && net_filter_control(&n->filter, cmd, len);
        memcpy(n->config.mac, n->filter.mac, NET_MAC_LEN);
        const uint8_t ack = good ? CONTROL_OK : CONTROL_ERR;
        vq_chain_write(c, 0, &ack, 1);
        virtio_push(&n->v, CTRLQ, c->head, 1);
    }
    virtio_used(&n->v, CTRLQ);
}

static void net_notify(struct virtio_device *v, unsigned q)
{
    struct virtio_net *n = net_of(v);

    switch (q) {
    case RECEIVEQ:
        if (!n->running || n->first)
            io_post(n->io, &n->rx);
        n->running = true;
        break;
    case TRANSMITQ: io_post(n->io, &n->tx); break;
    default: control(n);
    }
}

static void net_reset(struct virtio_device *v)
{
    struct virtio_net *n = net_of(v);

    clear_backlog(n);
    n->running = false;
    memcpy(n->config.mac, n->mac, NET_MAC_LEN);
    net_filter_reset(&n->filter, n->mac);
    /* The backend may go on, and nothing is taken from it. */
    io_post(n->io, &n->rx);
}

static uint32_t config_read(struct virtio_device *v, uint32_t off, unsigned size)
{
    uint32_t val = 0;

    memcpy(&val, (const uint8_t *)&net_of(v)->config + off, size);
    return val;
}

/* The address, and by legacy drivers alone (5.1.4.3). */
static void config_write(struct virtio_device *v, uint32_t off, unsigned size, uint32_t val)
{
    struct virtio_net *n = net_of(v);

    if (off + size > NET_MAC_LEN || virtio_has_feature(v, VIRTIO_F_VERSION_1))
        return;
    memcpy(n->config.mac + off, &val, size);
    memcpy(n->filter.mac, n->config.mac, NET_MAC_LEN);
}

static void net_destroy(struct virtio_device *v)
{
    struct virtio_net *n = net_of(v);

    io_work_cancel(n->io, &n->tx);
    io_work_cancel(n->io, &n->rx);
    n->backend->ops->destroy(n->backend);
    clear_backlog(n);
    free(n);
}

static void snap_macs(struct snap *s, const char *name, struct net_macs *m)
{
    snap_part(s, name, -1);
    SNAP_BOOL(s, m, all);
    SNAP(s, m, nr, NET_MAX_MACS);
    snap_numbers(s, "mac", m->mac, 1, sizeof(m->mac), UINT8_MAX);
}

/* Frames on their way are lost, as on any network; so is what the backend knows of connections. */
static void net_snap(struct virtio_device *v, struct snap *s)
{
    struct virtio_net *n = net_of(v);
    struct net_filter *f = &n->filter;

    snap_numbers(s, "mac", n->mac, 1, NET_MAC_LEN, UINT8_MAX);
    snap_numbers(s, "config_mac", n->config.mac, 1, NET_MAC_LEN, UINT8_MAX);
    snap_same(s, "mtu", n->config.mtu);
    SNAP_BOOL(s, n, running);
    snap_numbers(s, "filter_mac", f->mac, 1, NET_MAC_LEN, UINT8_MAX);
    SNAP_BOOL(s, f, promisc);
    SNAP_BOOL(s, f, allmulti);
    SNAP_BOOL(s, f, alluni);
    SNAP_BOOL(s, f, nomulti);
    SNAP_BOOL(s, f, nouni);
    SNAP_BOOL(s, f, nobcast);
    snap_macs(s, "unicast", &f->uni);
    snap_macs(s, "multicast", &f->multi);
}

static void net_loaded(struct virtio_device *v)
{
    struct virtio_net *n = net_of(v);
    io_post(n->io, &n->rx); /* the backend hears of the offloads */
}

static const struct virtio_device_ops net_ops = {
    .name = "virtio_net",
    .device_id = VIRTIO_ID_NET,
    .queue_max = QUEUE_SIZE,
    .config_len = sizeof(struct config),
    .reset = net_reset,
    .notify = net_notify,
    .config_read = config_read,
    .config_write = config_write,
    .snap = net_snap,
    .loaded = net_loaded,
    .destroy = net_destroy,
};

struct virtio_device *virtio_net_create(struct net_backend *b, const uint8_t mac[NET_MAC_LEN],
                                        struct io_thread *t, struct err *e)
{
    struct virtio_net *n = calloc(1, sizeof(*n));

    if (!n) {
        err_set(e, ENOMEM, "out of memory for a network device");
        b->ops->destroy(b);
        return NULL;
    }
    n->v.ops = &net_ops;
    n->v.features = FEATURES | (b->mtu ? BIT64(VIRTIO_NET_F_MTU) : 0);
    n->v.nr_queues = NR_QUEUES;
    n->config.status = STATUS_LINK_UP;
    n->config.max_virtqueue_pairs = 1;
    n->config.mtu = b->mtu;
    memcpy(n->mac, mac, NET_MAC_LEN);
    n->io = t;
    n->tx.run = tx_work;
    n->rx.run = rx_work;
    n->backend = b;
    b->sink = &sink;
    b->opaque = n;
    return &n->v;
}
