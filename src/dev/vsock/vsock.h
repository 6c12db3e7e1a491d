/* The parts of the virtio socket device: virtio_vsock.c has the queues and the packets, conn.c the connections, unix.c the host's sockets.
 *
 * Threads: the I/O thread, but for what is marked as under the transport's lock. */
#ifndef VIBE_DEV_VSOCK_VSOCK_H
#define VIBE_DEV_VSOCK_VSOCK_H

#include "base/io_thread.h"
#include "dev/virtio_mmio.h"

#include <sys/un.h>

struct vsock;

#define VSOCK_HOST_CID 2u
#define VSOCK_MAX_CONNS 512u
#define VSOCK_NR_BUCKETS 256u
#define VSOCK_BUF_LEN (256u * 1024) /* of each connection, for bytes on their way to the host */
#define VSOCK_MAX_PACKET (64u * 1024)
#define VSOCK_FIRST_HOST_PORT (1u << 30) /* of those that are given to programs of the host */

/* struct virtio_vsock_hdr */
struct vsock_hdr {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port;
    uint32_t len;
    uint16_t type, op;
    uint32_t flags;
    uint32_t buf_alloc, fwd_cnt;
} __attribute__((packed));
_Static_assert(sizeof(struct vsock_hdr) == 44, "virtio_vsock_hdr");

enum vsock_op {
    VSOCK_OP_REQUEST = 1,
    VSOCK_OP_RESPONSE = 2,
    VSOCK_OP_RST = 3,
    VSOCK_OP_SHUTDOWN = 4,
    VSOCK_OP_RW = 5,
    VSOCK_OP_CREDIT_UPDATE = 6,
    VSOCK_OP_CREDIT_REQUEST = 7,
};
#define VSOCK_TYPE_STREAM 1u
enum { VSOCK_SHUTDOWN_RCV = 1, VSOCK_SHUTDOWN_SEND = 2, VSOCK_SHUTDOWN_BOTH = 3 };

enum conn_state {
    CONN_GREETING,   /* the host's program has not said yet where to */
    CONN_REQUESTED,  /* the guest was asked */
    CONN_CONNECTING, /* the guest asked, and the host's socket has not answered */
    CONN_OPEN,
    CONN_DONE, /* no socket any more; what is pending is told to the guest, and then it is gone */
};

struct vsock_conn {
    struct vsock *d;
    struct vsock_conn *next;      /* in the bucket */
    struct vsock_conn *next_work; /* of those with something for the guest */
    bool has_work;
    enum conn_state state;
    uint32_t host_port, guest_port;
    struct io_fd sock;
    bool readable;          /* as last heard */
    unsigned pending;       /* packets for the guest, a set of 1 << enum vsock_op */
    unsigned shut_by_guest; /* a set of VSOCK_SHUTDOWN: what the guest will not do any more */
    unsigned shut_by_host;  /* what the host will not, as the guest was told or will be */
    bool asked;             /* the guest was asked for credit */
    uint64_t deadline;      /* for the other side to do its part; 0: none */
    char line[24];          /* of the greeting, as far as it has come */
    unsigned line_len;

    /* Credit, in bytes since the beginning ("Buffer space management"). */
    uint32_t peer_buf_alloc, peer_fwd_cnt, sent; /* to the guest */
    uint32_t received, forwarded, told;          /* from it; told: the last fwd_cnt that it knows */

    /* Bytes that the host's socket did not take yet. */
    uint8_t *buf;
    size_t buf_at, buf_len, buf_room;
};

/* Those of the guest that are answered with RST without a connection. */
#define VSOCK_MAX_RESETS 64u

struct vsock {
    struct virtio_device v;
    struct io_thread *io;
    struct io_work work;
    struct io_fd listener;
    struct io_timer timer; /* runs while a connection has a deadline */
    struct sockaddr_un addr;
    uint32_t guest_cid;

    /* Under the lock. */
    bool running;   /* the driver has given receive buffers */
    bool was_reset; /* connections from before are void */
    struct vq_chain chain;

    /* The I/O thread's. */
    struct vsock_conn *bucket[VSOCK_NR_BUCKETS];
    unsigned nr_conns;
    struct vsock_conn *work_first, **work_end;
    uint32_t next_host_port;
    unsigned nr_resets;
    struct vsock_hdr reset[VSOCK_MAX_RESETS];
    uint8_t payload[VSOCK_MAX_PACKET];
};

/* --- conn.c ---------------------------------------------------------------------------------------------------------- */

/* Null when there are too many, or no memory. fd -1: none yet. */
struct vsock_conn *vsock_conn_create(struct vsock *d, enum conn_state state, int fd);
/* The connection is in the table from here on, if it is to be found there. */
void vsock_conn_name(struct vsock_conn *c, uint32_t host_port, uint32_t guest_port);
struct vsock_conn *vsock_conn_find(struct vsock *d, uint32_t host_port, uint32_t guest_port);
uint32_t vsock_free_host_port(struct vsock *d, uint32_t guest_port);
void vsock_conn_destroy(struct vsock_conn *c);
void vsock_destroy_all(struct vsock *d);

/* A packet of the guest's; data are in d->payload. */
void vsock_handle_packet(struct vsock *d, const struct vsock_hdr *h);

/* There is something for the guest: these packets, or data (0). */
void vsock_want(struct vsock_conn *c, unsigned pending);

/* The socket is closed, and the guest is told by an RST that it is over. */
void vsock_abort(struct vsock_conn *c);

/* The host's socket does something. */
void vsock_sock_ready(struct io_fd *f, short revents);
void vsock_update_events(struct vsock_conn *c);
/* Bytes that may be sent to the guest. */
uint32_t vsock_credit(const struct vsock_conn *c);
/* read() has found the end. */
void vsock_sock_ended(struct vsock_conn *c);
void vsock_due(struct io_timer *t);

/* --- virtio_vsock.c --------------------------------------------------------------------------------------------------- */

/* Sends what is pending while the guest has room. */
void vsock_pump(struct vsock *d);
bool vsock_guest_is_there(struct vsock *d);

/* --- unix.c ---------------------------------------------------------------------------------------------------------- */

/* The listening socket, or -errno. */
int vsock_listen(struct vsock *d, const char *path, struct err *e);
/* Connects to path_PORT; *pending: not done yet. A descriptor or -errno. */
int vsock_connect(const struct vsock *d, uint32_t port, bool *pending);
/* Reads the greeting, and no byte more: 1 and the port; 0: not all of it is there; -errno: it is none, or the end. */
int vsock_read_greeting(struct vsock_conn *c, uint32_t *port);
void vsock_accept(struct io_fd *f, short revents);

#endif
