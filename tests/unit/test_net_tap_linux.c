/* A tap interface, in a network namespace of the test's own: frames both ways, offloads, an interface that is not there, is busy, goes away. */
#include "io_fixture.h"

#include "base/err.h"
#include "dev/net/tap.h"
#include "net_frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME "vibetest0"
static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 9};
static const char *missing; /* why no tap interface can be made here; null: there is one */

static struct net_backend *b;
static struct io_thread *io;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct net_hdr hdr;
    size_t len;
    uint8_t frame[NET_MAX_FRAME];
} got[64];
static unsigned nr_got;
static atomic_int link_state = -1;

static void on_receive(struct net_backend *backend, const struct net_hdr *h, const uint8_t *frame,
                       size_t len)
{
    (void)backend;
    pthread_mutex_lock(&lock);
    if (nr_got < ARRAY_LEN(got)) {
        got[nr_got].hdr = *h;
        got[nr_got].len = len;
        memcpy(got[nr_got++].frame, frame, len);
    }
    pthread_mutex_unlock(&lock);
}

static void on_flush(struct net_backend *backend)
{
    (void)backend;
}

static void on_link(struct net_backend *backend, bool up)
{
    (void)backend;
    atomic_store(&link_state, up);
}

static const struct net_sink_ops sink = {on_receive, on_flush, on_link};

/* Makes the interface, up, at 10.9.0.1. */
static const char *make_interface(void)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    struct sockaddr_in a = {.sin_family = AF_INET};

    if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET))
        return "no network namespace may be made here";
    const int fd = open("/dev/net/tun", O_RDWR), s = socket(AF_INET, SOCK_DGRAM, 0);
    snprintf(r.ifr_name, sizeof(r.ifr_name), NAME);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) || ioctl(fd, TUNSETPERSIST, 1))
        return "no tap interface may be made here";
    close(fd);
    a.sin_addr.s_addr = htonl(0x0a090001);
    memcpy(&r.ifr_addr, &a, sizeof(a));
    assert_int_equal(ioctl(s, SIOCSIFADDR, &r), 0);
    r.ifr_mtu = 1400;
    assert_int_equal(ioctl(s, SIOCSIFMTU, &r), 0);
    r.ifr_flags = IFF_UP | IFF_RUNNING;
    assert_int_equal(ioctl(s, SIOCSIFFLAGS, &r), 0);
    close(s);
    return NULL;
}

static void set_offloads(void *ctx, const void *arg, size_t offloads)
{
    (void)ctx;
    (void)arg;
    b->ops->set_offloads(b, (unsigned)offloads);
}

static void set_receiving(void *ctx, const void *arg, size_t on)
{
    (void)ctx;
    (void)arg;
    b->ops->set_receiving(b, on);
}

static struct net_hdr tx_hdr;

static void send_frame(void *ctx, const void *arg, size_t len)
{
    (void)ctx;
    static uint8_t frame[NET_MAX_FRAME];
    memcpy(frame, arg, len);
    b->ops->send(b, &tx_hdr, frame, len);
}

static void start(void)
{
    struct err e = {0};
    assert_int_equal(io_thread_create(&io, "io", NULL), 0);
    b = net_tap_create(NAME, io, &e);
    if (!b)
        print_error("%s\n", e.text);
    assert_non_null(b);
    b->sink = &sink;
    nr_got = 0;
    assert_int_equal(io_thread_start(io, NULL), 0);
}

static void stop(void)
{
    io_thread_stop(io);
    b->ops->destroy(b);
    io_thread_destroy(io);
}

/* The next frame of that Ethernet type that came since the last one; its number. */
static unsigned wait_frame(uint16_t type, unsigned from)
{
    const uint64_t end = os_now_ns() + UINT64_C(10000000000);
    while (os_now_ns() < end) {
        pthread_mutex_lock(&lock);
        for (; from < nr_got; from++)
            if (rd16(got[from].frame + 12) == type) {
                pthread_mutex_unlock(&lock);
                return from;
            }
        pthread_mutex_unlock(&lock);
        usleep(100);
    }
    fail_msg("no frame came");
    return 0;
}

/* A socket that sees what comes out of the interface, and puts frames into it. */
static int packet_socket(void)
{
    const int s = socket(AF_PACKET, SOCK_RAW, htons(0x88b5)); /* a type for experiments */
    const struct sockaddr_ll a = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(0x88b5),
                                  .sll_ifindex = (int)if_nametoindex(NAME)};
    const struct timeval limit = {.tv_sec = 10};
    assert_true(s >= 0);
    assert_int_equal(bind(s, (const struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    return s;
}

static void test_frames(void **state)
{
    uint8_t frame[200], seen[300];
    (void)state;
    if (missing)
        skip();
    start();
    assert_int_equal(b->mtu, 1400);
    const int s = packet_socket();
    for (unsigned i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)i;
    be16(frame + 12, 0x88b5);
    frame[0] = 0xff;
    memset(frame, 0xff, 6);
    memcpy(frame + 6, our_mac, 6);
    tx_hdr = (struct net_hdr){0};
    io_call(io, send_frame, NULL, frame, sizeof(frame));
    assert_int_equal(recv(s, seen, sizeof(seen), 0), sizeof(frame));
    assert_memory_equal(seen, frame, sizeof(frame));
    assert_int_equal(send(s, frame, 150, 0), 150);
    unsigned i = wait_frame(0x88b5, 0);
    assert_int_equal(got[i].len, 150);
    assert_memory_equal(got[i].frame, frame, 150);
    /* Held back, it waits in the interface. */
    io_call(io, set_receiving, NULL, NULL, false);
    assert_int_equal(send(s, frame, 151, 0), 151);
    usleep(50000);
    pthread_mutex_lock(&lock);
    const unsigned nr = nr_got;
    for (unsigned k = i + 1; k < nr; k++)
        assert_int_not_equal(got[k].len, 151);
    pthread_mutex_unlock(&lock);
    io_call(io, set_receiving, NULL, NULL, true);
    i = wait_frame(0x88b5, i + 1);
    assert_int_equal(got[i].len, 151);
    /* Nonsense in the header loses the frame and nothing else. */
    tx_hdr = (struct net_hdr){.flags = 1, .gso_type = 0x7f, .csum_start = 65535, .csum_offset = 65535};
    io_call(io, send_frame, NULL, frame, sizeof(frame));
    tx_hdr = (struct net_hdr){0};
    io_call(io, send_frame, NULL, frame, 99);
    assert_int_equal(recv(s, seen, sizeof(seen), 0), 99);
    close(s);
    stop();
}

/* The host's kernel leaves checksums to the guest as soon as that takes it, and not before. */
static void test_offloads(void **state)
{
    (void)state;
    if (missing)
        skip();
    start();
    const int s = socket(AF_INET, SOCK_DGRAM, 0);
    const struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x0a090002)};
    unsigned from = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        io_call(io, set_offloads, NULL, NULL,
                pass ? NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN : 0);
        assert_int_equal(sendto(s, "hello", 5, 0, (const struct sockaddr *)&a, sizeof(a)), 5);
        if (!pass) {
            const unsigned i = wait_frame(0x806, 0);
            uint8_t reply[42];
            memcpy(reply, got[i].frame + 6, 6);
            memcpy(reply + 6, our_mac, 6);
            memcpy(reply + 12, got[i].frame + 12, 9);
            reply[21] = 2;
            memcpy(reply + 22, our_mac, 6);
            memcpy(reply + 28, got[i].frame + 38, 4);
            memcpy(reply + 32, got[i].frame + 22, 10);
            reply[20] = 0;
            io_call(io, send_frame, NULL, reply, sizeof(reply));
        }
        const unsigned i = wait_frame(0x800, from);
        from = i + 1;
        assert_int_equal(got[i].hdr.flags & NET_HDR_NEEDS_CSUM, pass ? NET_HDR_NEEDS_CSUM : 0);
        assert_int_equal(l4_csum_good(got[i].frame, 34, 17, got[i].len), !pass);
        if (pass) {
            assert_true(net_complete_csum(&got[i].hdr, got[i].frame, got[i].len));
            assert_true(l4_csum_good(got[i].frame, 34, 17, got[i].len));
        }
    }
    close(s);
    stop();
}

static void test_errors(void **state)
{
    struct err e = {0};
    (void)state;
    if (missing)
        skip();
    start();
    assert_null(net_tap_create(NAME, io, &e));
    assert_int_equal(e.code, EBUSY);
    assert_non_null(strstr(e.text, "another program"));
    stop();
    assert_int_equal(io_thread_create(&io, "io", NULL), 0);
    assert_null(net_tap_create("lo", io, &e));
    assert_int_equal(e.code, EINVAL);
    assert_null(net_tap_create("none0", io, &e));
    assert_int_equal(e.code, ENODEV);
    assert_non_null(strstr(e.text, "ip tuntap add dev none0 mode tap"));
    io_thread_destroy(io);
}

/* The interface goes away under us: the link is down, and the thread does not spin. Last, for it is gone then. */
static void test_gone(void **state)
{
    struct ifreq r = {0};
    (void)state;
    if (missing)
        skip();
    start();
    snprintf(r.ifr_name, sizeof(r.ifr_name), NAME);
    char command[64];
    snprintf(command, sizeof(command), "ip link del " NAME);
    if (system(command)) {
        stop();
        skip();
    }
    const uint64_t end = os_now_ns() + UINT64_C(5000000000);
    while (atomic_load(&link_state) && os_now_ns() < end)
        usleep(1000);
    assert_int_equal(atomic_load(&link_state), 0);
    uint8_t frame[60] = {0};
    io_call(io, send_frame, NULL, frame, sizeof(frame));
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_offloads),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_gone),
    };
    missing = make_interface();
    if (missing)
        printf("SKIP test_net_tap_linux: %s\n", missing);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
