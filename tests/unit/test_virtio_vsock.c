/* The socket device: connections from both sides, ends of all kinds, bounds, nonsense. */
#include "vsock_fixture.h"

/* --- Tests ------------------------------------------------------------------------------------------------------------ */

static void test_config(void **state)
{
    struct machine m;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout);
        assert_int_equal(rd(&m.f, DEVICE_ID), 19);
        assert_int_equal(rd(&m.f, DEVICE_FEATURES) & 0xff, 1);
        assert_int_equal(rd(&m.f, 0x100), CID);
        assert_int_equal(rd(&m.f, 0x104), 0);
        teardown(&m);
    }
}

static void test_from_guest(void **state)
{
    struct machine m;
    uint8_t data[RX_LEN];
    struct hdr h;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout);
        const int s = open_from_guest(&m, 5000);
        send_data(&m, 1000, 5000, "hello", 5);
        read_text(s, "hello");
        assert_int_equal(write(s, "world", 5), 5);
        assert_true(next_packet(&m, &h, data, 15000));
        assert_int_equal(h.op, RW);
        assert_int_equal(h.len, 5);
        assert_memory_equal(data, "world", 5);
        assert_int_equal(h.buf_alloc, BUF_LEN);
        assert_int_equal(h.fwd_cnt, 5);
        /* Another one beside it. */
        const int t = open_from_guest(&m, 5001);
        send_data(&m, 1000, 5001, "two", 3);
        read_text(t, "two");
        send_data(&m, 1000, 5000, "one", 3);
        read_text(s, "one");
        /* The guest closes. */
        send_shutdown(&m, 1000, 5000, NO_RCV | NO_SEND);
        expect(&m, RST, 1000, 5000);
        expect_end(s);
        send_op(&m, RST, 1000, 5001);
        expect_end(t);
        expect_nothing(&m);
        /* Both ports are free again. */
        send_data(&m, 1000, 5000, "x", 1);
        expect(&m, RST, 1000, 5000);
        close(s);
        close(t);
        teardown(&m);
    }
}

static void test_refused(void **state)
{
    struct machine m;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    send_op(&m, REQUEST, 1000, 5000); /* no socket */
    expect(&m, RST, 1000, 5000);
    const int s = listen_at(&m, 1000);
    close(s);
    send_op(&m, REQUEST, 1000, 5000); /* nobody at it */
    expect(&m, RST, 1000, 5000);
    send_op(&m, RST, 1000, 5000); /* no answer to that */
    expect_nothing(&m);
    const uint16_t ops[] = {0, RESPONSE, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST, 8, 999};
    for (unsigned i = 0; i < ARRAY_LEN(ops); i++) {
        send_op(&m, ops[i], 7, 8);
        expect(&m, RST, 7, 8);
    }
    /* Other kinds of sockets, other machines. */
    struct hdr h = packet(REQUEST, 1000, 5000), r;
    uint8_t data[RX_LEN];
    h.type = 2;
    send_hdr(&m, &h, NULL);
    assert_true(next_packet(&m, &r, data, 15000));
    assert_int_equal(r.op, RST);
    assert_int_equal(r.type, 2);
    h.type = 1;
    h.dst_cid = 9;
    send_hdr(&m, &h, NULL);
    assert_true(next_packet(&m, &r, data, 15000));
    assert_int_equal(r.op, RST);
    assert_int_equal(r.src_cid, 9);
    h.dst_cid = 2;
    h.src_cid = 4;
    send_hdr(&m, &h, NULL);
    assert_true(next_packet(&m, &r, data, 15000));
    assert_int_equal(r.dst_cid, 4);
    teardown(&m);
}

static void test_from_host(void **state)
{
    struct machine m;
    uint8_t data[RX_LEN];
    struct hdr h;
    char line[32];
    (void)state;
    setup(&m, VIRTIO_MODERN);
    const int s = connect_to(m.path);
    /* In pieces, with the first data behind it. */
    assert_int_equal(write(s, "CONN", 4), 4);
    io_settle(m.io);
    usleep(2000);
    assert_int_equal(write(s, "ECT 22\nearly", 12), 12);
    assert_true(next_packet(&m, &h, data, 15000));
    assert_int_equal(h.op, REQUEST);
    assert_int_equal(h.dst_port, 22);
    const uint32_t port = h.src_port;
    assert_true(port >= 1u << 30);
    expect_nothing(&m); /* no data before the guest has answered */
    send_op(&m, RESPONSE, port, 22);
    snprintf(line, sizeof(line), "OK %u\n", port);
    read_text(s, line);
    assert_true(next_packet(&m, &h, data, 15000));
    assert_int_equal(h.op, RW);
    assert_int_equal(h.len, 5);
    assert_memory_equal(data, "early", 5);
    send_data(&m, port, 22, "answer", 6);
    read_text(s, "answer");
    /* A second one to the same port has a port of its own. */
    const int t = connect_to(m.path);
    assert_int_equal(write(t, "CONNECT 22\n", 11), 11);
    assert_true(next_packet(&m, &h, data, 15000));
    assert_int_not_equal(h.src_port, port);
    send_op(&m, RST, h.src_port, 22); /* refused */
    expect_end(t);
    /* The host closes. */
    close(s);
    h = expect(&m, SHUTDOWN, port, 22);
    assert_int_equal(h.flags, NO_RCV | NO_SEND);
    send_op(&m, RST, port, 22);
    expect_nothing(&m);
    close(t);
    teardown(&m);
}

static void test_bad_greetings(void **state)
{
    static const char *const bad[] = {"\n",
                                      "CONNECT\n",
                                      "CONNECT \n",
                                      "CONNECT x\n",
                                      "CONNECT 1x\n",
                                      "CONNECT -1\n",
                                      "CONNECT 4294967296\n",
                                      "connect 1\n",
                                      "CONNECT 1 2\n",
                                      "GET / HTTP/1.1\r\n",
                                      "CONNECT 11111111111111111111111111111111"};
    struct machine m;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        const int s = connect_to(m.path);
        assert_int_equal(write(s, bad[i], strlen(bad[i])), strlen(bad[i]));
        expect_end(s);
        close(s);
    }
    close(connect_to(m.path));
    expect_nothing(&m);
    /* Without a driver there is nobody to connect to. */
    wr(&m.f, STATUS, 0);
    io_settle(m.io);
    const int s = connect_to(m.path);
    assert_int_equal(write(s, "CONNECT 1\n", 10), 10);
    expect_end(s);
    close(s);
    teardown(&m);
}

/* A program of the host that gives up while the guest thinks. */
static void test_host_gives_up(void **state)
{
    struct machine m;
    uint8_t data[RX_LEN];
    struct hdr h;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    const int s = connect_to(m.path);
    assert_int_equal(write(s, "CONNECT 22\n", 11), 11);
    assert_true(next_packet(&m, &h, data, 15000));
    close(s);
    expect(&m, RST, h.src_port, 22);
    send_op(&m, RESPONSE, h.src_port, 22);
    expect(&m, RST, h.src_port, 22);
    teardown(&m);
}

/* One direction ends, the other goes on. */
static void test_half_closed(void **state)
{
    struct machine m;
    uint8_t data[RX_LEN];
    struct hdr h;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    int s = open_from_guest(&m, 5000);
    assert_int_equal(write(s, "last", 4), 4);
    assert_int_equal(shutdown(s, SHUT_WR), 0);
    assert_true(next_packet(&m, &h, data, 15000));
    assert_int_equal(h.len, 4);
    h = expect(&m, SHUTDOWN, 1000, 5000);
    assert_int_equal(h.flags, NO_SEND);
    send_data(&m, 1000, 5000, "still", 5);
    read_text(s, "still");
    close(s); /* now all of it: noticed without the guest's doing */
    h = expect(&m, SHUTDOWN, 1000, 5000);
    assert_int_equal(h.flags, NO_RCV | NO_SEND);
    send_data(&m, 1000, 5000, "lost", 4);
    expect_nothing(&m);
    send_shutdown(&m, 1000, 5000, NO_RCV | NO_SEND);
    expect(&m, RST, 1000, 5000);

    s = open_from_guest(&m, 5001);
    send_data(&m, 1000, 5001, "bye", 3);
    send_shutdown(&m, 1000, 5001, NO_SEND);
    read_text(s, "bye");
    expect_end(s);
    assert_int_equal(write(s, "more", 4), 4);
    assert_true(next_packet(&m, &h, data, 15000));
    assert_memory_equal(data, "more", 4);
    send_data(&m, 1000, 5001, "liar", 4); /* after it said that it would not */
    expect(&m, RST, 1000, 5001);
    close(s);

    s = open_from_guest(&m, 5002);
    send_shutdown(&m, 1000, 5002, NO_RCV);
    while (write(s, "x", 1) == 1)
        ;
    assert_int_equal(errno, EPIPE);
    send_data(&m, 1000, 5002, "ok", 2);
    read_text(s, "ok");
    close(s);
    teardown(&m);
}

static void test_reset(void **state)
{
    struct machine m;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    const int s = open_from_guest(&m, 5000);
    wr(&m.f, STATUS, 0);
    expect_end(s);
    start(&m);
    send_data(&m, 1000, 5000, "x", 1);
    expect(&m, RST, 1000, 5000);
    const int t = open_from_guest(&m, 5001);
    send_data(&m, 1000, 5001, "new", 3);
    read_text(t, "new");
    close(s);
    close(t);
    teardown(&m);
}

static void test_bounded(void **state)
{
    struct machine m;
    struct hdr h;
    uint8_t data[RX_LEN];
    uint32_t nr = 0;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    const int l = listen_at(&m, 1000);
    int s[600];
    for (;;) {
        send_op(&m, REQUEST, 1000, nr);
        assert_true(next_packet(&m, &h, data, 15000));
        if (h.op == RST)
            break;
        assert_int_equal(h.op, RESPONSE);
        s[nr++] = accept(l, NULL, NULL);
        assert_true(nr < 600);
    }
    assert_int_equal(nr, 512);
    const int more = connect_to(m.path); /* nor has the host any more */
    expect_end(more);
    close(more);
    send_op(&m, RST, 1000, 5);
    send_op(&m, REQUEST, 1000, nr);
    expect(&m, RESPONSE, 1000, nr);
    for (uint32_t i = 0; i < nr; i++)
        close(s[i]);
    close(l);
    teardown(&m);
}

static void test_states(void **state)
{
    struct machine m;
    struct hdr h;
    uint8_t data[RX_LEN];
    (void)state;
    setup(&m, VIRTIO_MODERN);
    /* What is out of place ends a connection. */
    const uint16_t ops[] = {REQUEST, RESPONSE, 0, 9};
    for (uint32_t i = 0; i < ARRAY_LEN(ops); i++) {
        const int s = open_from_guest(&m, 5000 + i);
        send_op(&m, ops[i], 1000, 5000 + i);
        expect(&m, RST, 1000, 5000 + i);
        expect_end(s);
        close(s);
    }
    const uint16_t before[] = {RW, SHUTDOWN, REQUEST};
    for (uint32_t i = 0; i < ARRAY_LEN(before); i++) {
        const int s = connect_to(m.path);
        assert_int_equal(write(s, "CONNECT 22\n", 11), 11);
        assert_true(next_packet(&m, &h, data, 15000));
        send_op(&m, before[i], h.src_port, 22);
        expect(&m, RST, h.src_port, 22);
        expect_end(s);
        close(s);
    }
    teardown(&m);
}

/* Time passes at once. */
static void pass_time(void *ctx, const void *arg, size_t len)
{
    struct vsock *d = ctx;
    (void)arg;
    (void)len;
    assert_non_null(d->timer.thread);
    io_timer_cancel(&d->timer);
    for (unsigned i = 0; i < VSOCK_NR_BUCKETS; i++)
        for (struct vsock_conn *c = d->bucket[i]; c; c = c->next)
            c->deadline = c->deadline ? 1 : 0;
    vsock_due(&d->timer);
}

/* Who is waited for in vain is given up: a greeting, an answer, a guest that holds on to what the host has left. */
static void test_patience(void **state)
{
    struct machine m;
    struct hdr h;
    uint8_t data[RX_LEN];
    (void)state;
    setup(&m, VIRTIO_MODERN);
    struct vsock *d = CONTAINER_OF(m.v, struct vsock, v);
    const int silent = connect_to(m.path), asking = connect_to(m.path),
              left = open_from_guest(&m, 5000), good = open_from_guest(&m, 5001);
    assert_int_equal(write(asking, "CONNECT 22\n", 11), 11);
    assert_true(next_packet(&m, &h, data, 15000));
    const uint32_t port = h.src_port;
    close(left);
    expect(&m, SHUTDOWN, 1000, 5000);
    io_call(m.io, pass_time, d, NULL, 0);
    expect_end(silent);
    expect_end(asking);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(next_packet(&m, &h, data, 15000));
        assert_int_equal(h.op, RST);
        assert_true(h.dst_port == 5000 || h.src_port == port);
    }
    expect_nothing(&m);
    send_data(&m, 1000, 5001, "ok", 2);
    read_text(good, "ok");
    close(silent);
    close(asking);
    close(good);
    teardown(&m);
}

static void test_nonsense(void **state)
{
    struct machine m;
    unsigned broken = 0;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    for (unsigned i = 0; i < 6; i++) {
        struct hdr h = packet(RW, 1000, 5000);
        h.len = i == 2 ? 5 : i == 3 ? UINT32_MAX : 0;
        assert_true(ram_write(&m.f.ram, TX_AT, &h, sizeof(h)));
        switch (i) {
        case 0: set_desc(&m.f, TX, 0, TX_AT, 43, 0, 0); break;
        case 1: set_desc(&m.f, TX, 0, TX_AT, 44, F_WRITE, 0); break;
        default: set_desc(&m.f, TX, 0, TX_AT, 48, 0, 0);
        }
        if (i < 4) {
            offer(&m.f, TX, 0);
            kick(&m.f, TX);
        } else {
            /* Receive buffers without room, or not to be written. */
            wr(&m.f, STATUS, 0);
            start_device(&m.f, 1, 64);
            set_desc(&m.f, RX, 0, RX_AT, i == 4 ? 43 : 100, i == 4 ? F_WRITE : 0, 0);
            offer(&m.f, RX, 0);
            kick(&m.f, RX);
            m.sent = 0;
            send_op(&m, RW, 1000, 5000);
        }
        io_settle(m.io);
        assert_true(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET);
        assert_int_equal(atomic_load(&m.f.d->stats.broken), ++broken);
        start(&m);
    }
    send_op(&m, RW, 1000, 5000);
    expect(&m, RST, 1000, 5000);
    teardown(&m);
}

static void test_paths(void **state)
{
    struct err e = {0};
    struct machine m;
    struct io_thread *io;
    char path[200];
    struct stat st;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    assert_int_equal(io_thread_create(&io, "io", NULL), 0);
    assert_null(virtio_vsock_create(m.path, CID, io, &e));
    assert_int_equal(e.code, EADDRINUSE);
    assert_non_null(strstr(e.text, "another virtual machine"));
    assert_int_equal(stat(m.path, &st), 0);
    snprintf(path, sizeof(path), "%s/none/v", m.dir);
    assert_null(virtio_vsock_create(path, CID, io, &e));
    assert_int_equal(e.code, ENOENT);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = 0;
    assert_null(virtio_vsock_create(path, CID, io, &e));
    assert_int_equal(e.code, ENAMETOOLONG);
    /* A file is not replaced; a socket that nobody listens at is. */
    snprintf(path, sizeof(path), "%s/file", m.dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_null(virtio_vsock_create(path, CID, io, &e));
    assert_int_equal(e.code, EADDRINUSE);
    assert_int_equal(stat(path, &st), 0);
    close(listen_at(&m, 1));
    snprintf(path, sizeof(path), "%s_1", m.path);
    struct virtio_device *v = virtio_vsock_create(path, CID, io, &e);
    assert_non_null(v);
    v->ops->destroy(v);
    assert_int_equal(stat(path, &st), -1);
    io_thread_destroy(io);
    teardown(&m);
}

/* Nobody is there any more at the other ends: the guest is told, and what it still sends is refused. Ports that it may know are not given again. */
static void test_moved(void **state)
{
    struct machine m;
    struct hdr h;
    uint8_t data[RX_LEN];
    (void)state;
    for (unsigned event = 0; event < 2; event++) {
        setup(&m, VIRTIO_MODERN);
        const int s = open_from_guest(&m, 5000), t = connect_to(m.path);
        assert_int_equal(write(t, "CONNECT 22\n", 11), 11);
        assert_true(next_packet(&m, &h, data, 15000));
        const uint32_t port = h.src_port;
        if (event) {
            set_desc(&m.f, EVENT, 0, BUFFERS + 0x1f000, 4, F_WRITE, 0);
            put(&m.f, BUFFERS + 0x1f000, 0x55555555, 4);
            offer(&m.f, EVENT, 0);
            kick(&m.f, EVENT);
            io_settle(m.io);
            assert_int_equal(used_idx(&m.f, EVENT), 0);
        }
        const uint16_t taken = m.taken, sent = m.sent;
        struct moved to = fixture_save(&m.f);
        teardown(&m);
        expect_end(s);
        expect_end(t);
        close(s);
        close(t);

        setup(&m, VIRTIO_MODERN);
        fixture_load(&m.f, &to);
        m.taken = taken;
        m.sent = sent;
        io_settle(m.io);
        assert_int_equal(used_idx(&m.f, EVENT), event);
        if (event) {
            assert_int_equal(used_len(&m.f, EVENT, 0), 4);
            assert_int_equal(get(&m.f, BUFFERS + 0x1f000, 4), 0); /* VIRTIO_VSOCK_EVENT_TRANSPORT_RESET */
        }
        send_data(&m, 1000, 5000, "old", 3);
        expect(&m, RST, 1000, 5000);
        const int u = connect_to(m.path);
        assert_int_equal(write(u, "CONNECT 22\n", 11), 11);
        assert_true(next_packet(&m, &h, data, 15000));
        assert_int_equal(h.op, REQUEST);
        assert_true(h.src_port > port);
        const int again = open_from_guest(&m, 5000);
        close(again);
        close(u);
        teardown(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),        cmocka_unit_test(test_from_guest),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_from_host),
        cmocka_unit_test(test_bad_greetings), cmocka_unit_test(test_host_gives_up),
        cmocka_unit_test(test_half_closed),   cmocka_unit_test(test_reset),
        cmocka_unit_test(test_bounded),       cmocka_unit_test(test_states),
        cmocka_unit_test(test_patience),      cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_paths),         cmocka_unit_test(test_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
