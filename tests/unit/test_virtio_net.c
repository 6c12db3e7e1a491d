/* The network device in both layouts, with a backend that keeps what it is given: frames and their headers both ways, mergeable buffers, the
 * backlog and its brakes, the control queue, resets, nonsense. */
#include "io_fixture.h"
#include "virtio_fixture.h"

#include "dev/virtio_net.h"
#include "net_frames.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { RX, TX, CTRL };
#define MRG BIT64(15)
#define GUEST_CSUM BIT64(1)
#define GUEST_TSO4 BIT64(7)

struct fake {
    struct net_backend b;
    unsigned nr_sent;
    struct net_hdr hdr;
    size_t len;
    uint8_t frame[NET_MAX_FRAME];
    bool receiving;
    unsigned offloads;
};

struct machine {
    struct fixture f;
    struct io_thread *io;
    struct virtio_device *v;
    struct fake fake;
    size_t hdr_len;
};

static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};

static void fake_send(struct net_backend *b, const struct net_hdr *h, uint8_t *frame, size_t len)
{
    struct fake *k = CONTAINER_OF(b, struct fake, b);
    k->nr_sent++;
    k->hdr = *h;
    k->len = len;
    memcpy(k->frame, frame, len);
}

static void fake_set_receiving(struct net_backend *b, bool on)
{
    CONTAINER_OF(b, struct fake, b)->receiving = on;
}

static void fake_set_offloads(struct net_backend *b, unsigned offloads)
{
    CONTAINER_OF(b, struct fake, b)->offloads = offloads;
}

static void fake_destroy(struct net_backend *b)
{
    CONTAINER_OF(b, struct fake, b)->nr_sent = 0;
}

static const struct net_backend_ops fake_ops = {fake_send, fake_set_receiving, fake_set_offloads,
                                                fake_destroy};

/* --- The I/O thread's side ------------------------------------------------------------------------------------------- */

static void settle(struct machine *m)
{
    io_settle(m->io);
}

static struct net_hdr rx_hdr;

static void do_receive(void *ctx, const void *frame, size_t len)
{
    struct machine *m = ctx;
    m->fake.b.sink->receive(&m->fake.b, &rx_hdr, frame, len);
}

static void do_flush(void *ctx, const void *arg, size_t len)
{
    struct machine *m = ctx;
    (void)arg;
    (void)len;
    m->fake.b.sink->flush(&m->fake.b);
}

static void do_link(void *ctx, const void *arg, size_t len)
{
    struct machine *m = ctx;
    (void)arg;
    m->fake.b.sink->set_link(&m->fake.b, len);
}

static void receive(struct machine *m, const void *frame, size_t len)
{
    io_call(m->io, do_receive, m, frame, len);
}

static void flush(struct machine *m)
{
    io_call(m->io, do_flush, m, NULL, 0);
}

/* --- Setting up ------------------------------------------------------------------------------------------------------ */

static void setup(struct machine *m, enum virtio_layout layout, bool is_stack)
{
    memset(m, 0, sizeof(*m));
    m->fake.b = (struct net_backend){.ops = &fake_ops, .mtu = 1500, .is_stack = is_stack};
    m->fake.receiving = true;
    assert_int_equal(io_thread_create(&m->io, "io", NULL), 0);
    m->v = virtio_net_create(&m->fake.b, mac, m->io, NULL);
    assert_non_null(m->v);
    fixture_init(&m->f, layout, m->v);
    assert_int_equal(io_thread_start(m->io, NULL), 0);
}

static void start(struct machine *m, uint64_t features)
{
    start_device(&m->f, features, 64);
    for (unsigned q = 0; q < 3; q++)
        kick(&m->f, q); /* a legacy driver has no other way to say that it is there */
    settle(m);
    m->hdr_len = m->f.layout == VIRTIO_LEGACY && !(features & MRG) ? 10 : 12;
}

static void teardown(struct machine *m)
{
    io_thread_stop(m->io);
    fixture_destroy(&m->f);
    io_thread_destroy(m->io);
}

/* nr receive buffers of len bytes each, as descriptors from at on. */
static void give_buffers(struct machine *m, unsigned at, unsigned nr, uint32_t len)
{
    for (unsigned i = at; i < at + nr; i++) {
        set_desc(&m->f, RX, i, BUFFERS + 0x800 * i, len, F_WRITE, 0);
        offer(&m->f, RX, (uint16_t)i);
    }
    kick(&m->f, RX);
    settle(m);
}

/* --- Tests ----------------------------------------------------------------------------------------------------------- */

static void test_config(void **state)
{
    struct machine m;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout, true);
        assert_int_equal(rd(&m.f, DEVICE_ID), 1);
        assert_int_equal(rd(&m.f, DEVICE_FEATURES) & 0xffffff, 0x97bbab);
        for (unsigned i = 0; i < 6; i++)
            assert_int_equal(rd_n(&m.f, 0x100 + i, 1), mac[i]);
        assert_int_equal(rd_n(&m.f, 0x106, 2), 1);
        assert_int_equal(rd_n(&m.f, 0x108, 2), 1);
        assert_int_equal(rd_n(&m.f, 0x10a, 2), 1500);
        start(&m, 0);
        /* Only legacy drivers set the address so. */
        wr_n(&m.f, 0x105, 1, 0x77);
        wr_n(&m.f, 0x106, 1, 0x77);
        assert_int_equal(rd_n(&m.f, 0x105, 1), layout == VIRTIO_LEGACY ? 0x77 : mac[5]);
        assert_int_equal(rd_n(&m.f, 0x106, 2), 1);
        io_call(m.io, do_link, &m, NULL, 0);
        assert_int_equal(rd_n(&m.f, 0x106, 2), 0);
        assert_int_equal(rd(&m.f, INTERRUPT_STATUS) & 2, 2);
        wr(&m.f, INTERRUPT_ACK, 3);
        io_call(m.io, do_link, &m, NULL, 0);
        assert_int_equal(rd(&m.f, INTERRUPT_STATUS), 0);
        io_call(m.io, do_link, &m, NULL, 1);
        assert_int_equal(rd_n(&m.f, 0x106, 2), 1);
        wr(&m.f, STATUS, 0);
        assert_int_equal(rd_n(&m.f, 0x105, 1), mac[5]);
        teardown(&m);
    }
}

static void test_transmit(void **state)
{
    struct machine m;
    uint8_t msg[12 + 100];
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++)
        for (unsigned mrg = 0; mrg < 2; mrg++) {
            setup(&m, (enum virtio_layout)layout, true);
            start(&m, mrg ? MRG : 0);
            for (unsigned i = 0; i < sizeof(msg); i++)
                msg[i] = (uint8_t)i;
            assert_true(ram_write(&m.f.ram, BUFFERS, msg, sizeof(msg)));
            /* The header alone; over several buffers, whose borders mean nothing. */
            const uint32_t total = (uint32_t)m.hdr_len + 100,
                           cuts[] = {(uint32_t)m.hdr_len, 3, 50, total};
            for (unsigned c = 0; c < 4; c++) {
                const bool one = cuts[c] == total;
                set_desc(&m.f, TX, 0, BUFFERS, cuts[c], one ? 0 : F_NEXT, 1);
                set_desc(&m.f, TX, 1, BUFFERS + cuts[c], total - cuts[c], 0, 0);
                offer(&m.f, TX, 0);
                kick(&m.f, TX);
                settle(&m);
                assert_int_equal(m.fake.nr_sent, c + 1);
                assert_int_equal(used_idx(&m.f, TX), c + 1);
                assert_int_equal(used_len(&m.f, TX, c), 0);
                assert_int_equal(m.fake.len, 100);
                assert_memory_equal(m.fake.frame, msg + m.hdr_len, 100);
                assert_memory_equal(&m.fake.hdr, msg, m.hdr_len);
            }
            assert_true(m.f.line);
            teardown(&m);
        }
}

/* More frames at once than a turn takes, each sent once and in order. */
static void test_transmit_many(void **state)
{
    static struct machine m;
    (void)state;
    setup(&m, VIRTIO_MODERN, true);
    start_device(&m.f, 0, 256);
    assert_int_equal(m.f.q[TX].size, 256);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 256; i++) {
            set_desc(&m.f, TX, i, BUFFERS, 12 + 20 + i, 0, 0);
            offer(&m.f, TX, (uint16_t)i);
        }
        kick(&m.f, TX);
        settle(&m);
        assert_int_equal(m.fake.nr_sent, 256 * (round + 1));
        assert_int_equal(m.fake.len, 20 + 255);
        assert_int_equal(used_idx(&m.f, TX), 256 * (round + 1));
    }
    teardown(&m);
}

static void test_transmit_nonsense(void **state)
{
    struct machine m;
    unsigned broken = 0;
    (void)state;
    setup(&m, VIRTIO_MODERN, true);
    for (unsigned i = 0; i < 3; i++) {
        start(&m, 0);
        switch (i) {
        case 0: set_desc(&m.f, TX, 0, BUFFERS, 11, 0, 0); break;
        case 1: set_desc(&m.f, TX, 0, BUFFERS, 100, F_WRITE, 0); break;
        default:
            set_desc(&m.f, TX, 0, BUFFERS, 100, F_NEXT, 1);
            set_desc(&m.f, TX, 1, BUFFERS, 100, F_WRITE, 0);
        }
        offer(&m.f, TX, 0);
        kick(&m.f, TX);
        settle(&m);
        assert_true(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET);
        assert_int_equal(atomic_load(&m.f.d->stats.broken), ++broken);
    }
    /* Too short or too long for a frame: like any other that is lost on the way. */
    start(&m, 0);
    const uint32_t lens[] = {12, 12 + 13, 12 + 14, 12 + NET_MAX_FRAME, 12 + NET_MAX_FRAME + 1};
    for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
        set_desc(&m.f, TX, i, BUFFERS, lens[i], 0, 0);
        offer(&m.f, TX, (uint16_t)i);
    }
    kick(&m.f, TX);
    settle(&m);
    assert_int_equal(used_idx(&m.f, TX), 5);
    assert_int_equal(m.fake.nr_sent, 2);
    assert_int_equal(m.fake.len, NET_MAX_FRAME);
    teardown(&m);
}

static void fill_frame(uint8_t *f, size_t len)
{
    for (size_t i = 0; i < len; i++)
        f[i] = (uint8_t)(i * 7 + len);
    memcpy(f, mac, 6);
}

static void test_receive(void **state)
{
    struct machine m;
    uint8_t frame[1514], got[2048];
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout, false);
        start(&m, 0);
        fill_frame(frame, sizeof(frame));
        give_buffers(&m, 0, 2, 1526);
        rx_hdr = (struct net_hdr){.flags = 1, .hdr_len = 2, .csum_start = 3, .csum_offset = 4};
        receive(&m, frame, 1514);
        assert_int_equal(used_idx(&m.f, RX), 0);
        flush(&m);
        assert_int_equal(used_idx(&m.f, RX), 1);
        assert_int_equal(used_len(&m.f, RX, 0), m.hdr_len + 1514);
        assert_true(ram_read(&m.f.ram, BUFFERS, got, m.hdr_len + 1514));
        assert_memory_equal(got, &rx_hdr, 10);
        if (m.hdr_len == 12)
            assert_int_equal(got[10] | got[11] << 8, 1);
        assert_memory_equal(got + m.hdr_len, frame, 1514);
        assert_true(m.f.line);
        /* One that does not fit is lost, and its buffer is for the next. */
        receive(&m, frame, 1514);
        flush(&m);
        assert_int_equal(used_idx(&m.f, RX), 2);
        give_buffers(&m, 2, 1, 100);
        receive(&m, frame, 101);
        receive(&m, frame, 60);
        flush(&m);
        assert_int_equal(used_idx(&m.f, RX), 3);
        assert_int_equal(used_len(&m.f, RX, 2), m.hdr_len + 60);
        /* Without buffers they wait. */
        receive(&m, frame, 70);
        receive(&m, frame, 80);
        flush(&m);
        assert_int_equal(used_idx(&m.f, RX), 3);
        give_buffers(&m, 3, 1, 1526);
        assert_int_equal(used_idx(&m.f, RX), 4);
        assert_int_equal(used_len(&m.f, RX, 3), m.hdr_len + 70);
        give_buffers(&m, 4, 1, 1526);
        assert_int_equal(used_len(&m.f, RX, 4), m.hdr_len + 80);
        /* Neither too short nor too long ones come through. */
        give_buffers(&m, 5, 1, 1526);
        receive(&m, frame, 13);
        receive(&m, frame, 0);
        flush(&m);
        assert_int_equal(used_idx(&m.f, RX), 5);
        teardown(&m);
    }
}

static void test_receive_mergeable(void **state)
{
    struct machine m;
    static uint8_t frame[NET_MAX_FRAME], got[NET_MAX_FRAME + 12];
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout, false);
        start(&m, MRG);
        rx_hdr = (struct net_hdr){0};
        fill_frame(frame, sizeof(frame));
        /* 3000 bytes and the header need four buffers of 800; with three none is used. */
        give_buffers(&m, 0, 3, 800);
        receive(&m, frame, 3000);
        flush(&m);
        assert_int_equal(used_idx(&m.f, RX), 0);
        give_buffers(&m, 3, 2, 800);
        assert_int_equal(used_idx(&m.f, RX), 4);
        size_t at = 0;
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(used_id(&m.f, RX, i), i);
            assert_true(ram_read(&m.f.ram, BUFFERS + 0x800 * i, got + at, used_len(&m.f, RX, i)));
            at += used_len(&m.f, RX, i);
        }
        assert_int_equal(at, 3012);
        assert_int_equal(got[10] | got[11] << 8, 4);
        assert_memory_equal(got + 12, frame, 3000);
        /* The fifth buffer is the next frame's. */
        receive(&m, frame, 100);
        flush(&m);
        assert_int_equal(used_id(&m.f, RX, 4), 4);
        assert_int_equal(get(&m.f, BUFFERS + 0x800 * 4 + 10, 2), 1);
        /* One that needs more than anybody should give is lost, not waited for. */
        give_buffers(&m, 0, 64, 100);
        receive(&m, frame, 7000);
        receive(&m, frame, 6300);
        flush(&m);
        assert_int_equal(used_idx(&m.f, RX), 5 + 64);
        assert_int_equal(get(&m.f, BUFFERS + 10, 2), 64);
        teardown(&m);
    }
}

static void test_receive_nonsense(void **state)
{
    struct machine m;
    uint8_t frame[100] = {0};
    (void)state;
    setup(&m, VIRTIO_MODERN, false);
    for (unsigned i = 0; i < 3; i++) {
        start(&m, i == 2 ? MRG : 0);
        switch (i) {
        case 0: set_desc(&m.f, RX, 0, BUFFERS, 100, 0, 0); break;
        case 1:
            set_desc(&m.f, RX, 0, BUFFERS, 100, F_NEXT, 1);
            set_desc(&m.f, RX, 1, BUFFERS, 1000, F_WRITE, 0);
            break;
        default: set_desc(&m.f, RX, 0, BUFFERS, 11, F_WRITE, 0);
        }
        offer(&m.f, RX, 0);
        kick(&m.f, RX);
        receive(&m, frame, 60);
        flush(&m);
        assert_true(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET);
        assert_int_equal(used_idx(&m.f, RX), 0);
    }
    start(&m, 0);
    give_buffers(&m, 0, 1, 1000);
    receive(&m, frame, 60);
    flush(&m);
    assert_int_equal(used_idx(&m.f, RX), 1);
    teardown(&m);
}

/* Before the driver is there, and after it was reset, nothing is kept for it. */
static void test_reset(void **state)
{
    struct machine m;
    uint8_t frame[100];
    (void)state;
    fill_frame(frame, sizeof(frame));
    setup(&m, VIRTIO_MODERN, false);
    receive(&m, frame, 60);
    start(&m, 0);
    receive(&m, frame, 70);
    wr(&m.f, STATUS, 0);
    start(&m, 0);
    receive(&m, frame, 80);
    give_buffers(&m, 0, 4, 1000);
    assert_int_equal(used_idx(&m.f, RX), 1);
    assert_int_equal(used_len(&m.f, RX, 0), 92);
    teardown(&m);
}

static void test_offloads_are_told(void **state)
{
    struct machine m;
    (void)state;
    setup(&m, VIRTIO_MODERN, false);
    start(&m, GUEST_CSUM | GUEST_TSO4);
    assert_int_equal(m.fake.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4);
    wr(&m.f, STATUS, 0);
    settle(&m);
    assert_int_equal(m.fake.offloads, 0);
    start(&m, GUEST_CSUM | BIT64(8) | BIT64(9));
    assert_int_equal(m.fake.offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN);
    teardown(&m);
}

/* The backlog is bounded, and the backend is told before. */
static void test_brakes(void **state)
{
    struct machine m;
    static uint8_t frame[NET_MAX_FRAME];
    unsigned nr = 0;
    (void)state;
    setup(&m, VIRTIO_MODERN, false);
    start(&m, MRG);
    fill_frame(frame, sizeof(frame));
    for (; m.fake.receiving && nr < 1000; nr++) {
        receive(&m, frame, 10000);
        flush(&m);
    }
    assert_int_equal(nr, 256 * 1024 / 10000 + 1);
    for (; nr < 1000; nr++)
        receive(&m, frame, 10000);
    flush(&m);
    /* As the guest takes them it goes on. */
    for (unsigned i = 0; !m.fake.receiving && i < 3000; i++)
        give_buffers(&m, 0, 8, 2000);
    assert_true(m.fake.receiving);
    const uint16_t taken = used_idx(&m.f, RX);
    for (unsigned i = 0; i < 10; i++)
        give_buffers(&m, 0, 8, 2000);
    assert_true(used_idx(&m.f, RX) > taken); /* before all of it was gone */
    assert_in_range(used_idx(&m.f, RX), 6 * 4 * 1024 * 1024 / 10000, 6 * (4 * 1024 * 1024 / 10000 + 2));
    /* A reset too lets it go on. */
    for (nr = 0; nr < 50; nr++)
        receive(&m, frame, 10000);
    flush(&m);
    assert_false(m.fake.receiving);
    wr(&m.f, STATUS, 0);
    settle(&m);
    assert_true(m.fake.receiving);
    teardown(&m);
}

/* What a stack sends in a row arrives as one large segment, if the driver knows such. */
static void test_segments_are_put_together(void **state)
{
    struct machine m;
    struct flow w = {.src = {10, 0, 2, 2}, .dst = {10, 0, 2, 15}, .sport = 80, .dport = 4000};
    uint8_t frame[1514], data[1400] = {1, 2, 3};
    struct net_hdr h;
    (void)state;
    memcpy(w.dst_mac, mac, 6);
    const uint64_t features[] = {MRG | GUEST_CSUM | GUEST_TSO4, MRG | GUEST_CSUM, MRG};
    for (unsigned k = 0; k < 3; k++) {
        setup(&m, VIRTIO_MODERN, true);
        start(&m, features[k]);
        rx_hdr = (struct net_hdr){0};
        for (uint32_t i = 0; i < 5; i++)
            receive(&m, frame, put_tcp(frame, &w, 1000 + 1400 * i, 1, 16, data, 1400));
        give_buffers(&m, 0, 20, 2000);
        assert_int_equal(used_idx(&m.f, RX), k ? 5 : 4);
        assert_true(ram_read(&m.f.ram, BUFFERS, &h, sizeof(h)));
        assert_int_equal(h.num_buffers, k ? 1 : 4);
        assert_int_equal(h.gso_type, k ? NET_GSO_NONE : NET_GSO_TCPV4);
        assert_int_equal(h.gso_size, k ? 0 : 1400);
        assert_int_equal(h.flags, k == 0 ? NET_HDR_NEEDS_CSUM : k == 1 ? NET_HDR_DATA_VALID : 0);
        teardown(&m);
    }
}

/* --- The control queue ----------------------------------------------------------------------------------------------- */

static uint8_t command(struct machine *m, const void *cmd, uint32_t len)
{
    assert_true(ram_write(&m->f.ram, BUFFERS, cmd, len));
    put(&m->f, BUFFERS + 0x2000, 0x55, 1);
    set_desc(&m->f, CTRL, 0, BUFFERS, 2, F_NEXT, len > 2 ? 1 : 2);
    set_desc(&m->f, CTRL, 1, BUFFERS + 2, len - 2, F_NEXT, 2);
    set_desc(&m->f, CTRL, 2, BUFFERS + 0x2000, 1, F_WRITE, 0);
    const uint16_t before = used_idx(&m->f, CTRL);
    offer(&m->f, CTRL, 0);
    kick(&m->f, CTRL);
    assert_int_equal(used_idx(&m->f, CTRL), before + 1);
    assert_int_equal(used_len(&m->f, CTRL, before), 1);
    return (uint8_t)get(&m->f, BUFFERS + 0x2000, 1);
}

static bool takes(struct machine *m, const char *dst)
{
    static unsigned at;
    uint8_t frame[60] = {0};
    memcpy(frame, dst, 6);
    const uint16_t before = used_idx(&m->f, RX);
    receive(m, frame, 60);
    flush(m);
    const bool taken = used_idx(&m->f, RX) != before;
    if (taken)
        give_buffers(m, at++ % 4, 1, 100);
    return taken;
}

#define OURS "\x52\x54\0\1\2\3"
#define OTHER "\x52\x54\0\1\2\4"
#define MULTI "\x33\x33\0\0\0\1"
#define ALL "\xff\xff\xff\xff\xff\xff"

static void test_control(void **state)
{
    struct machine m;
    uint8_t big[3000] = {1, 0};
    (void)state;
    setup(&m, VIRTIO_MODERN, false);
    start(&m, BIT64(17) | BIT64(18) | BIT64(20) | BIT64(23));
    give_buffers(&m, 4, 4, 100);
    /* Until told otherwise, everything. */
    assert_true(takes(&m, OURS) && takes(&m, OTHER) && takes(&m, MULTI) && takes(&m, ALL));
    assert_int_equal(command(&m, "\0\0\0", 3), 0);
    assert_true(takes(&m, OURS) && takes(&m, ALL));
    assert_false(takes(&m, OTHER) || takes(&m, MULTI));
    static const struct {
        uint8_t mode;
        bool ours, other, multi, all;
    } modes[] = {{0, true, true, true, true},    {1, true, false, true, true},
                 {2, true, true, false, true},   {3, true, false, false, true},
                 {4, false, false, false, true}, {5, true, false, false, false}};
    for (unsigned i = 0; i < 6; i++) {
        const uint8_t on[] = {0, modes[i].mode, 1}, off[] = {0, modes[i].mode, 0};
        assert_int_equal(command(&m, on, 3), 0);
        assert_int_equal(takes(&m, OURS), modes[i].ours);
        assert_int_equal(takes(&m, OTHER), modes[i].other);
        assert_int_equal(takes(&m, MULTI), modes[i].multi);
        assert_int_equal(takes(&m, ALL), modes[i].all);
        assert_int_equal(command(&m, off, 3), 0);
    }
    /* Tables: of one unicast and two multicast addresses; too long ones. */
    assert_int_equal(
        command(&m, "\1\0\1\0\0\0" OTHER "\2\0\0\0\1\0\0\0\0\1" MULTI, 2 + 4 + 6 + 4 + 12), 0);
    assert_true(takes(&m, OURS) && takes(&m, OTHER) && takes(&m, MULTI) && takes(&m, "\1\0\0\0\0\1"));
    assert_false(takes(&m, "\1\0\0\0\0\2"));
    assert_int_equal(command(&m, "\1\0\0\0\0\0\0\0\0\0", 10), 0);
    assert_false(takes(&m, OTHER) || takes(&m, MULTI));
    be16(big + 6 + 65 * 6, 0);
    big[2] = 65;
    assert_int_equal(command(&m, big, 2 + 4 + 65 * 6 + 4), 0);
    assert_true(takes(&m, OTHER));
    assert_false(takes(&m, MULTI));
    assert_int_equal(command(&m, "\1\0\0\0\0\0\0\0\0\0", 10), 0);
    /* The address. */
    assert_int_equal(command(&m, "\1\1" OTHER, 8), 0);
    assert_true(takes(&m, OTHER));
    assert_false(takes(&m, OURS));
    assert_int_equal(rd_n(&m.f, 0x105, 1), 4);
    /* What is no command changes nothing. */
    static const struct {
        const char *cmd;
        uint32_t len;
    } bad[] = {
        {"\0\6\1", 3},
        {"\0\0", 2},
        {"\0\0\1\1", 4},
        {"\2\0\1", 3},
        {"\xff\xff\1", 3},
        {"\1\1" OURS, 7},
        {"\1\2" OURS, 8},
        {"\1\0\1\0\0\0" OURS, 12},
        {"\1\0\xff\xff\xff\xff" OURS, 12},
        {"\1\0\0\0\0\0\0\0\0", 9},
        {"\1\0\0\0\0\0\0\0\0\0\0", 11},
        {"\1\0\2\0\0\0" OURS "\0\0\0\0", 16},
    };
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(command(&m, bad[i].cmd, bad[i].len), 1);
    assert_true(takes(&m, OTHER) && takes(&m, ALL));
    assert_false(takes(&m, OURS) || takes(&m, MULTI));
    /* Longer than any. */
    set_desc(&m.f, CTRL, 0, BUFFERS, 0x10000, F_NEXT, 1);
    set_desc(&m.f, CTRL, 1, BUFFERS + 0x2000, 1, F_WRITE, 0);
    offer(&m.f, CTRL, 0);
    kick(&m.f, CTRL);
    assert_int_equal(get(&m.f, BUFFERS + 0x2000, 1), 1);
    /* No room for an answer. */
    set_desc(&m.f, CTRL, 0, BUFFERS, 3, 0, 0);
    offer(&m.f, CTRL, 0);
    kick(&m.f, CTRL);
    assert_true(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET);
    teardown(&m);
}

/* What the guest has set goes along, and frames that it had sent without a notification; the backend hears what it has to know. */
static void test_moved(void **state)
{
    static struct machine m;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout, false);
        start(&m, BIT64(17) | BIT64(18) | BIT64(20) | BIT64(23) | GUEST_CSUM | GUEST_TSO4);
        give_buffers(&m, 4, 4, 100);
        assert_int_equal(command(&m, "\0\0\0", 3), 0);
        assert_int_equal(command(&m, "\1\0\1\0\0\0" OTHER "\1\0\0\0" MULTI, 2 + 4 + 6 + 4 + 6), 0);
        const unsigned offloads = m.fake.offloads;
        set_desc(&m.f, TX, 0, BUFFERS, 12 + 60, 0, 0);
        offer(&m.f, TX, 0);
        struct moved to = fixture_save(&m.f);
        assert_int_equal(m.fake.nr_sent, 0);
        const size_t hdr_len = m.hdr_len;
        teardown(&m);

        setup(&m, (enum virtio_layout)layout, false);
        fixture_load(&m.f, &to);
        m.hdr_len = hdr_len;
        settle(&m);
        assert_int_equal(m.fake.nr_sent, 1);
        assert_int_equal(used_idx(&m.f, TX), 1);
        assert_true(offloads && m.fake.offloads == offloads);
        assert_true(takes(&m, OURS) && takes(&m, OTHER) && takes(&m, MULTI) && takes(&m, ALL));
        assert_false(takes(&m, "\x52\x54\0\1\2\5") || takes(&m, "\x33\x33\0\0\0\2"));
        assert_int_equal(command(&m, "\0\0\1", 3), 0);
        assert_true(takes(&m, "\x52\x54\0\1\2\5"));
        teardown(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_transmit),
        cmocka_unit_test(test_transmit_many),
        cmocka_unit_test(test_transmit_nonsense),
        cmocka_unit_test(test_receive),
        cmocka_unit_test(test_receive_mergeable),
        cmocka_unit_test(test_receive_nonsense),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_offloads_are_told),
        cmocka_unit_test(test_brakes),
        cmocka_unit_test(test_segments_are_put_together),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
