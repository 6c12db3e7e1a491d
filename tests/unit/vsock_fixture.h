/* The socket device with a driver in front of it, and programs of the host behind. */
#ifndef VIBE_TESTS_VSOCK_FIXTURE_H
#define VIBE_TESTS_VSOCK_FIXTURE_H

#include "io_fixture.h"
#include "virtio_fixture.h"

#include "dev/virtio_vsock.h"
#include "dev/vsock/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { RX, TX, EVENT };
enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST };
enum { NO_RCV = 1, NO_SEND = 2 };
#define CID 3u
#define NR_RX 16u
#define RX_LEN 2048u
#define RX_AT BUFFERS
#define TX_AT (BUFFERS + 0x10000)
#define BUF_LEN (256u * 1024)

struct hdr {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

struct machine {
    struct fixture f;
    struct io_thread *io;
    struct virtio_device *v;
    char dir[64], path[80];
    uint16_t taken; /* of the receive queue's used ring */
    uint16_t sent;
    int listener; /* at port 1000 */
};

/* --- The driver ------------------------------------------------------------------------------------------------------ */

static inline void give(struct machine *m, unsigned i)
{
    set_desc(&m->f, RX, i, RX_AT + RX_LEN * i, RX_LEN, F_WRITE, 0);
    offer(&m->f, RX, (uint16_t)i);
}

static inline void start(struct machine *m)
{
    start_device(&m->f, 1, 64);
    m->taken = m->sent = 0;
    for (unsigned i = 0; i < NR_RX; i++)
        give(m, i);
    for (unsigned q = 0; q < 3; q++)
        kick(&m->f, q);
    io_settle(m->io);
}

static inline void setup(struct machine *m, enum virtio_layout layout)
{
    struct err e = {0};
    memset(m, 0, sizeof(*m));
    m->listener = -1;
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    snprintf(m->dir, sizeof(m->dir), "/tmp/vibe-vsock-XXXXXX");
    assert_non_null(mkdtemp(m->dir));
    snprintf(m->path, sizeof(m->path), "%s/v", m->dir);
    assert_int_equal(io_thread_create(&m->io, "io", NULL), 0);
    m->v = virtio_vsock_create(m->path, CID, m->io, &e);
    assert_non_null(m->v);
    fixture_init(&m->f, layout, m->v);
    assert_int_equal(io_thread_start(m->io, NULL), 0);
    start(m);
}

static inline void teardown(struct machine *m)
{
    struct stat st;
    char command[128];
    if (m->listener >= 0)
        close(m->listener);
    io_thread_stop(m->io);
    fixture_destroy(&m->f);
    io_thread_destroy(m->io);
    assert_int_equal(lstat(m->path, &st), -1);
    snprintf(command, sizeof(command), "rm -rf %s", m->dir);
    assert_int_equal(system(command), 0);
}

static inline void send_hdr(struct machine *m, const struct hdr *h, const void *data)
{
    const unsigned i = m->sent++ % 16u;
    const gpa_t at = TX_AT + 0x40 * i;
    assert_true(ram_write(&m->f.ram, at, h, sizeof(*h)));
    const gpa_t data_at = TX_AT + 0x1000;
    if (h->len)
        assert_true(ram_write(&m->f.ram, data_at, data, h->len));
    set_desc(&m->f, TX, 2 * i, at, sizeof(*h), h->len ? F_NEXT : 0, (uint16_t)(2 * i + 1));
    set_desc(&m->f, TX, 2 * i + 1, data_at, h->len, 0, 0);
    offer(&m->f, TX, (uint16_t)(2 * i));
    kick(&m->f, TX);
    io_settle(m->io);
}

static inline struct hdr packet(uint16_t op, uint32_t host_port, uint32_t guest_port)
{
    return (struct hdr){.src_cid = CID,
                        .dst_cid = 2,
                        .src_port = guest_port,
                        .dst_port = host_port,
                        .type = 1,
                        .op = op,
                        .buf_alloc = BUF_LEN};
}

static inline void send_op(struct machine *m, uint16_t op, uint32_t host_port, uint32_t guest_port)
{
    const struct hdr h = packet(op, host_port, guest_port);
    send_hdr(m, &h, NULL);
}

static inline void send_data(struct machine *m, uint32_t host_port, uint32_t guest_port,
                             const void *data, uint32_t len)
{
    struct hdr h = packet(RW, host_port, guest_port);
    h.len = len;
    send_hdr(m, &h, data);
}

static inline void send_shutdown(struct machine *m, uint32_t host_port, uint32_t guest_port, uint32_t flags)
{
    struct hdr h = packet(SHUTDOWN, host_port, guest_port);
    h.flags = flags;
    send_hdr(m, &h, NULL);
}

/* The next packet for the guest, its data in data; false when none comes within ms. */
static inline bool next_packet(struct machine *m, struct hdr *h, uint8_t *data, unsigned ms)
{
    const uint64_t end = os_now_ns() + ms * UINT64_C(1000000);
    while (used_idx(&m->f, RX) == m->taken) {
        if (os_now_ns() > end)
            return false;
        usleep(50);
    }
    const unsigned i = used_id(&m->f, RX, m->taken);
    const uint32_t len = used_len(&m->f, RX, m->taken);
    m->taken++;
    assert_true(len >= sizeof(*h));
    assert_true(ram_read(&m->f.ram, RX_AT + RX_LEN * i, h, sizeof(*h)));
    assert_int_equal(len, sizeof(*h) + h->len);
    if (h->len)
        assert_true(ram_read(&m->f.ram, RX_AT + RX_LEN * i + sizeof(*h), data, h->len));
    give(m, i);
    kick(&m->f, RX);
    return true;
}

static inline struct hdr expect(struct machine *m, uint16_t op, uint32_t host_port, uint32_t guest_port)
{
    struct hdr h = {0};
    static uint8_t data[RX_LEN];
    assert_true(next_packet(m, &h, data, 15000));
    assert_int_equal(h.op, op);
    assert_int_equal(h.src_cid, 2);
    assert_int_equal(h.dst_cid, CID);
    assert_int_equal(h.src_port, host_port);
    assert_int_equal(h.dst_port, guest_port);
    assert_int_equal(h.type, 1);
    return h;
}

static inline void expect_nothing(struct machine *m)
{
    struct hdr h;
    uint8_t data[RX_LEN];
    io_settle(m->io);
    assert_false(next_packet(m, &h, data, 20));
}

/* --- Programs of the host --------------------------------------------------------------------------------------------- */

static inline int unix_socket(void)
{
    const struct timeval limit = {.tv_sec = 15};
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(s >= 0);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return s;
}

static inline int connect_to(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    const int s = unix_socket();
    assert_int_equal(connect(s, (const struct sockaddr *)&a, sizeof(a)), 0);
    return s;
}

static inline int listen_at(struct machine *m, uint32_t port)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s_%u", m->path, port);
    const int s = unix_socket();
    assert_int_equal(bind(s, (const struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(s, 5), 0);
    return s;
}

static inline void read_text(int fd, const char *text)
{
    char buf[64] = {0};
    size_t n = 0;
    while (n < strlen(text)) {
        const ssize_t k = read(fd, buf + n, strlen(text) - n);
        assert_true(k > 0);
        n += (size_t)k;
    }
    assert_string_equal(buf, text);
}

static inline void expect_end(int fd)
{
    char byte;
    const ssize_t n = read(fd, &byte, 1);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

/* A connection that the guest asked for, to port 1000 from its port; the host's socket. */
static inline int open_from_guest(struct machine *m, uint32_t guest_port)
{
    if (m->listener < 0)
        m->listener = listen_at(m, 1000);
    send_op(m, REQUEST, 1000, guest_port);
    expect(m, RESPONSE, 1000, guest_port);
    const int s = accept(m->listener, NULL, NULL);
    assert_true(s >= 0);
    const struct timeval limit = {.tv_sec = 15};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return s;
}

#endif
