/* User-mode networking, without a guest: ARP, DHCP, ping, and a TCP of few lines that talks to sockets of the host's, both ways. */
#include "base/bits.h"
#include "base/err.h"
#include "base/io_thread.h"
#include "base/os.h"
#include "dev/net/user.h"
#include "net_frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_NS UINT64_C(10000000000)
#define MAX_FRAMES 2000u

struct received {
    size_t len;
    uint8_t frame[1600];
};

struct network {
    struct net_backend *b;
    struct io_thread *io;
    pthread_mutex_t lock;
    unsigned nr, taken; /* frames that came; that were looked at */
    struct received frame[MAX_FRAMES];
};

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 9};
static uint8_t gateway_mac[6];
static struct network net;
static uint8_t data[300000];

/* --- The sink -------------------------------------------------------------------------------------------------------- */

static void on_receive(struct net_backend *b, const struct net_hdr *h, const uint8_t *frame, size_t len)
{
    struct network *n = b->opaque;
    (void)h;
    pthread_mutex_lock(&n->lock);
    if (n->nr < MAX_FRAMES && len <= sizeof(n->frame[0].frame)) {
        n->frame[n->nr].len = len;
        memcpy(n->frame[n->nr++].frame, frame, len);
    }
    pthread_mutex_unlock(&n->lock);
}

static void on_flush(struct net_backend *b)
{
    (void)b;
}

static void on_link(struct net_backend *b, bool up)
{
    (void)b;
    (void)up;
}

static const struct net_sink_ops sink = {on_receive, on_flush, on_link};

struct sending {
    struct io_work work;
    struct net_hdr hdr;
    size_t len;
    uint8_t frame[NET_MAX_FRAME];
    int receiving; /* -1, or what to tell the backend */
    bool done;
};

static void run_sending(struct io_work *w)
{
    struct sending *s = CONTAINER_OF(w, struct sending, work);
    if (s->receiving >= 0)
        net.b->ops->set_receiving(net.b, s->receiving);
    else
        net.b->ops->send(net.b, &s->hdr, s->frame, s->len);
    __atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
}

static void run_on_io_thread(const struct net_hdr *h, const uint8_t *frame, size_t len, int receiving)
{
    static struct sending s;
    const uint64_t end = os_now_ns() + WAIT_NS;
    s = (struct sending){
        .work.run = run_sending, .hdr = h ? *h : (struct net_hdr){0}, .len = len, .receiving = receiving};
    if (len)
        memcpy(s.frame, frame, len);
    io_post(net.io, &s.work);
    while (!__atomic_load_n(&s.done, __ATOMIC_ACQUIRE) && os_now_ns() < end)
        usleep(20);
    assert_true(s.done);
}

static void send_frame(const uint8_t *frame, size_t len)
{
    run_on_io_thread(NULL, frame, len, -1);
}

/* The next frame that was not looked at yet, or null after ms. */
static const struct received *next_frame(unsigned ms)
{
    const uint64_t end = os_now_ns() + ms * UINT64_C(1000000);
    const struct received *r = NULL;
    do {
        pthread_mutex_lock(&net.lock);
        if (net.taken < net.nr)
            r = &net.frame[net.taken++];
        pthread_mutex_unlock(&net.lock);
        if (!r)
            usleep(100);
    } while (!r && os_now_ns() < end);
    return r;
}

/* Waits for an IPv4 frame of the protocol to our port; answers ARP meanwhile. */
static const struct received *next_ip(uint8_t proto, uint16_t port)
{
    const struct received *r;
    while ((r = next_frame(10000))) {
        const uint8_t *f = r->frame;
        if (rd16(f + 12) == 0x806 && f[21] == 1 && !memcmp(f + 38, "\12\0\2\17", 4)) {
            uint8_t reply[42];
            memcpy(reply, f + 6, 6);
            memcpy(reply + 6, our_mac, 6);
            memcpy(reply + 12, f + 12, 9);
            reply[21] = 2;
            memcpy(reply + 22, our_mac, 6);
            memcpy(reply + 28, f + 38, 4);
            memcpy(reply + 32, f + 22, 10);
            send_frame(reply, sizeof(reply));
        }
        if (rd16(f + 12) == 0x800 && f[23] == proto && (proto == 1 || rd16(f + 36) == port))
            return r;
        if (rd16(f + 12) == 0x86dd && f[20] == proto && rd16(f + 56) == port)
            return r;
    }
    fail_msg("no frame came");
    return NULL;
}

static void start(const struct net_forward *f, unsigned nr)
{
    struct err e = {0};
    memset(&net, 0, sizeof(net));
    pthread_mutex_init(&net.lock, NULL);
    assert_int_equal(io_thread_create(&net.io, "io", NULL), 0);
    net.b = net_user_create(f, nr, net.io, &e);
    if (!net.b)
        print_error("%s\n", e.text);
    assert_non_null(net.b);
    assert_int_equal(net.b->mtu, 1500);
    net.b->sink = &sink;
    net.b->opaque = &net;
    assert_int_equal(io_thread_start(net.io, NULL), 0);
}

static void stop(void)
{
    io_thread_stop(net.io);
    net.b->ops->destroy(net.b);
    io_thread_destroy(net.io);
    pthread_mutex_destroy(&net.lock);
}

/* Asks for the gateway's address, which tells it ours. */
static void arp(void)
{
    uint8_t f[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct received *r;
    memcpy(f + 6, our_mac, 6);
    memcpy(f + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
    memcpy(f + 22, our_mac, 6);
    memcpy(f + 28, "\12\0\2\17", 4);
    memcpy(f + 38, "\12\0\2\2", 4);
    send_frame(f, sizeof(f));
    while ((r = next_frame(10000)) && !(rd16(r->frame + 12) == 0x806 && r->frame[21] == 2))
        ;
    assert_non_null(r);
    memcpy(gateway_mac, r->frame + 22, 6);
    assert_memory_equal(r->frame + 28, "\12\0\2\2", 4);
}

static struct flow flow_to(const char *addr, uint16_t sport, uint16_t dport)
{
    struct flow w = {.src = {10, 0, 2, 15}, .sport = sport, .dport = dport};
    memcpy(w.dst_mac, gateway_mac, 6);
    memcpy(w.src_mac, our_mac, 6);
    inet_pton(AF_INET, addr, w.dst);
    return w;
}

/* --- Sockets of the host --------------------------------------------------------------------------------------------- */

/* A socket of that type at 127.0.0.1, or ::1; *port is its. -1 where the host has no such address. */
static int bound(int family, int type, uint16_t *port)
{
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } a = {.sa.sa_family = (sa_family_t)family};
    socklen_t len = family == AF_INET ? sizeof(a.in) : sizeof(a.in6);
    const int s = socket(family, type, 0);

    if (family == AF_INET)
        a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        a.in6.sin6_addr = in6addr_loopback;
    if (s < 0 || bind(s, &a.sa, len)) {
        if (s >= 0)
            close(s);
        return -1;
    }
    assert_int_equal(getsockname(s, &a.sa, &len), 0);
    *port = ntohs(family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
    const struct timeval limit = {.tv_sec = 10};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (type == SOCK_STREAM)
        assert_int_equal(listen(s, 5), 0);
    return s;
}

static void read_all(int fd, uint8_t *to, size_t len)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = read(fd, to + done, len - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
}

/* --- A TCP of few lines ----------------------------------------------------------------------------------------------- */

struct tcp {
    struct flow w;
    uint32_t seq, ack;
};

static size_t l4_of(const struct tcp *t)
{
    return t->w.v6 ? 54 : 34;
}

static void tcp_send(struct tcp *t, uint8_t flags, const void *buf, size_t len)
{
    uint8_t f[2000];
    send_frame(f, put_tcp(f, &t->w, t->seq, t->ack, flags, buf, len));
    t->seq += (uint32_t)len + (flags & 3 ? 1 : 0);
}

static void tcp_connect(struct tcp *t)
{
    tcp_send(t, 2, NULL, 0);
    const struct received *r = next_ip(6, t->w.sport);
    assert_int_equal(r->frame[l4_of(t) + 13], 0x12);
    assert_int_equal(rd32(r->frame + l4_of(t) + 8), t->seq);
    t->ack = rd32(r->frame + l4_of(t) + 4) + 1;
    tcp_send(t, 16, NULL, 0);
}

/* Takes what comes next, in order, up to room bytes, and acknowledges it. */
static size_t tcp_take(struct tcp *t, uint8_t *to, size_t room)
{
    for (;;) {
        const struct received *r = next_ip(6, t->w.sport);
        const size_t l4 = l4_of(t), at = l4 + (r->frame[l4 + 12] >> 4) * 4u, n = r->len - at;
        const bool next = rd32(r->frame + l4 + 4) == t->ack && n;
        assert_true(l4_csum_good(r->frame, l4, 6, r->len));
        if (next) {
            assert_true(n <= room);
            memcpy(to, r->frame + at, n);
            t->ack += (uint32_t)n;
        }
        if (n)
            tcp_send(t, 16, NULL, 0);
        if (next)
            return n;
    }
}

/* As a driver with offloads does: one frame, the checksum only begun. */
static void tcp_send_large(struct tcp *t, const uint8_t *buf, size_t len)
{
    static uint8_t f[NET_MAX_FRAME];
    const size_t l4 = l4_of(t), n = put_tcp(f, &t->w, t->seq, t->ack, 16 | 8, buf, len);
    be16(f + l4 + 16, slow_pseudo(f, l4, 6, n));
    const struct net_hdr h = {.flags = NET_HDR_NEEDS_CSUM,
                              .gso_type = len <= 1440 ? NET_GSO_NONE
                                          : t->w.v6   ? NET_GSO_TCPV6
                                                      : NET_GSO_TCPV4,
                              .gso_size = 1440,
                              .csum_start = (uint16_t)l4,
                              .csum_offset = 16};
    run_on_io_thread(&h, f, n, -1);
    t->seq += (uint32_t)len;
}

/* --- Tests ----------------------------------------------------------------------------------------------------------- */

static void test_dhcp(void **state)
{
    uint8_t msg[300] = {1, 1, 6, 0, 1, 2, 3, 4}, f[400];
    struct flow w = {.dst_mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
                     .dst = {255, 255, 255, 255},
                     .sport = 68,
                     .dport = 67};
    (void)state;
    start(NULL, 0);
    memcpy(w.src_mac, our_mac, 6);
    memcpy(msg + 28, our_mac, 6);
    memcpy(msg + 236, "\x63\x82\x53\x63\x35\1\1\xff", 8); /* DISCOVER */
    send_frame(f, put_udp(f, &w, msg, sizeof(msg)));
    const struct received *r = next_ip(17, 68);
    const uint8_t *m = r->frame + 42, *end = r->frame + r->len;
    assert_memory_equal(m + 16, "\12\0\2\17", 4);
    unsigned router = 0, dns = 0, offer = 0;
    for (const uint8_t *o = m + 240; o + 2 < end && *o != 255; o += 2 + o[1]) {
        router += *o == 3 && !memcmp(o + 2, "\12\0\2\2", 4);
        dns += *o == 6 && !memcmp(o + 2, "\12\0\2\3", 4);
        offer += *o == 53 && o[2] == 2;
    }
    assert_int_equal(router + dns + offer, 3);
    stop();
}

static void test_ping(void **state)
{
    uint8_t f[200];
    (void)state;
    start(NULL, 0);
    arp();
    const struct flow w = flow_to("10.0.2.2", 0, 0);
    const size_t at = put_ip(f, &w, 1, 64, 1);
    memset(f + at, 0, 64);
    f[at] = 8;
    f[at + 40] = 0x77;
    be16(f + at + 2, ~slow_sum(f + at, 64, 0) & 0xffff);
    send_frame(f, at + 64);
    const struct received *r = next_ip(1, 0);
    assert_int_equal(r->frame[34], 0);
    assert_int_equal(r->frame[34 + 40], 0x77);
    stop();
}

static void test_udp(void **state)
{
    uint8_t f[200], got[100];
    uint16_t port;
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    (void)state;
    const int s = bound(AF_INET, SOCK_DGRAM, &port);
    start(NULL, 0);
    arp();
    const struct flow w = flow_to("10.0.2.2", 3000, port);
    size_t n = put_udp(f, &w, "question", 8);
    be16(f + 34 + 6, slow_pseudo(f, 34, 17, n));
    run_on_io_thread(
        &(struct net_hdr){.flags = NET_HDR_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6}, f, n, -1);
    assert_int_equal(recvfrom(s, got, sizeof(got), 0, (struct sockaddr *)&from, &from_len), 8);
    assert_memory_equal(got, "question", 8);
    assert_int_equal(sendto(s, "answer", 6, 0, (struct sockaddr *)&from, from_len), 6);
    const struct received *r = next_ip(17, 3000);
    assert_memory_equal(r->frame + 42, "answer", 6);
    assert_true(l4_csum_good(r->frame, 34, 17, r->len));
    stop();
    close(s);
}

/* 100,000 bytes to the host in large segments, 300,000 back, checked byte by byte. */
static void exchange(struct tcp *t, int s, bool hold_back)
{
    static uint8_t got[300000];
    tcp_connect(t);
    const int c = accept(s, NULL, NULL);
    assert_true(c >= 0);
    const struct timeval limit = {.tv_sec = 10};
    setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    for (size_t done = 0, n; done < 100000; done += n) {
        n = MIN((size_t)30000, 100000 - done);
        tcp_send_large(t, data + done, n);
        read_all(c, got + done, n);
    }
    assert_memory_equal(got, data, 100000);
    if (hold_back)
        run_on_io_thread(NULL, NULL, 0, false);
    pthread_mutex_lock(&net.lock);
    net.taken = net.nr; /* acknowledgements */
    pthread_mutex_unlock(&net.lock);
    /* What the sockets do not take yet is written by and by. */
    fcntl(c, F_SETFL, O_NONBLOCK);
    size_t written = 0;
    ssize_t w = write(c, data, sizeof(data));
    assert_true(w > 0);
    written += (size_t)w;
    if (hold_back) {
        assert_null(next_frame(300));
        run_on_io_thread(NULL, NULL, 0, true);
    }
    for (size_t taken = 0; taken < sizeof(data);) {
        taken += tcp_take(t, got + taken, sizeof(data) - taken);
        if (written < sizeof(data) && (w = write(c, data + written, sizeof(data) - written)) > 0)
            written += (size_t)w;
    }
    assert_memory_equal(got, data, sizeof(data));
    close(c);
}

static void test_tcp(void **state)
{
    (void)state;
    for (unsigned hold_back = 0; hold_back < 2; hold_back++) {
        uint16_t port;
        const int s = bound(AF_INET, SOCK_STREAM, &port);
        start(NULL, 0);
        arp();
        struct tcp t = {.w = flow_to("10.0.2.2", 4000, port), .seq = 0xfffff000};
        exchange(&t, s, hold_back);
        stop();
        close(s);
    }
}

/* A neighbour advertisement tells our address; then the same as with IPv4, where the large segments are cut. */
static void test_tcp_v6(void **state)
{
    uint8_t f[100];
    uint16_t port;
    (void)state;
    const int s = bound(AF_INET6, SOCK_STREAM, &port);
    if (s < 0) {
        print_message("this host has no ::1; not tested\n");
        return;
    }
    start(NULL, 0);
    arp();
    struct flow w = flow_to("0.0.0.0", 4000, port);
    w.v6 = true;
    inet_pton(AF_INET6, "fec0::9", w.src);
    inet_pton(AF_INET6, "fec0::2", w.dst);
    const size_t at = put_ip(f, &w, 58, 32, 0);
    f[21] = 255;
    memset(f + at, 0, 32);
    f[at] = 136;
    f[at + 4] = 0x20;
    memcpy(f + at + 8, w.src, 16);
    f[at + 24] = 2;
    f[at + 25] = 1;
    memcpy(f + at + 26, our_mac, 6);
    set_l4_csum(f, at, 2, 58, at + 32);
    send_frame(f, at + 32);
    struct tcp t = {.w = w, .seq = 1};
    exchange(&t, s, false);
    stop();
    close(s);
}

/* A port of the host's that leads to the guest. */
static void test_forward(void **state)
{
    uint16_t port;
    uint8_t got[8];
    struct err e = {0};
    (void)state;
    int s = bound(AF_INET, SOCK_STREAM, &port);
    struct net_forward f = {.host = 0x7f000001, .host_port = port, .guest_port = 80};
    /* Taken: an error that says what to do. */
    struct io_thread *io;
    assert_int_equal(io_thread_create(&io, "io", NULL), 0);
    assert_null(net_user_create(&f, 1, io, &e));
    assert_int_equal(e.code, EADDRINUSE);
    assert_non_null(strstr(e.text, "TCP port"));
    assert_non_null(strstr(e.text, "choose another port"));
    io_thread_destroy(io);
    close(s);

    start(&f, 1);
    arp();
    s = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(s, (const struct sockaddr *)&a, sizeof(a)), 0);
    const struct received *r = next_ip(6, 80);
    assert_int_equal(r->frame[34 + 13], 2);
    struct tcp t = {
        .w = flow_to("10.0.2.2", 80, rd16(r->frame + 34)), .seq = 99, .ack = rd32(r->frame + 38) + 1};
    tcp_send(&t, 0x12, NULL, 0);
    assert_int_equal(write(s, "hello", 5), 5);
    assert_int_equal(tcp_take(&t, got, 5), 5);
    assert_memory_equal(got, "hello", 5);
    tcp_send(&t, 16 | 8, "world", 5);
    read_all(s, got, 5);
    assert_memory_equal(got, "world", 5);
    stop();
    close(s);
}

/* Frames that are none, and headers that lie, are lost. */
static void test_nonsense(void **state)
{
    uint8_t f[2000];
    (void)state;
    start(NULL, 0);
    arp();
    const struct flow w = flow_to("10.0.2.2", 1, 2);
    for (unsigned i = 0; i < 3000; i++) {
        size_t n = put_tcp(f, &w, i, 2, (uint8_t)i, data, i % 1400);
        const uint64_t x = i * UINT64_C(0x9e3779b97f4a7c15);
        struct net_hdr h = {.flags = x & 1,
                            .gso_type = (x >> 1) & 7,
                            .gso_size = (uint16_t)(x >> 8),
                            .csum_start = (uint16_t)(x >> 20) & 63,
                            .csum_offset = (x >> 30) & 31};
        f[(x >> 40) % n] ^= (uint8_t)(x >> 33);
        n = (x >> 5) & 1 ? n : NET_ETH_LEN + (x >> 50) % (n - NET_ETH_LEN);
        run_on_io_thread(&h, f, n, -1);
    }
    arp();
    stop();
}

static void test_not_in_this_build(void **state)
{
    struct err e = {0};
    (void)state;
    assert_null(net_user_create(NULL, 0, NULL, &e));
    assert_int_equal(e.code, ENOTSUP);
    assert_non_null(strstr(e.text, "libslirp-dev"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dhcp),     cmocka_unit_test(test_ping),
        cmocka_unit_test(test_udp),      cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_tcp_v6),   cmocka_unit_test(test_forward),
        cmocka_unit_test(test_nonsense),
    };
    const struct CMUnitTest without[] = {cmocka_unit_test(test_not_in_this_build)};
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof(data); i++) {
        x = x * 1103515245 + 12345;
        data[i] = (uint8_t)(x >> 16);
    }
    return net_user_version() ? cmocka_run_group_tests(tests, NULL, NULL)
                              : cmocka_run_group_tests(without, NULL, NULL);
}
