/* The socket device: credit both ways, and a guest that gives no receive buffers. */
#include "vsock_fixture.h"

static void fill(uint8_t *p, size_t len, uint32_t at)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)((at + i) * 7 + ((at + i) >> 8));
}

/* The guest sends more than the host's program reads: up to its credit it is kept, and not a byte is lost. */
static void test_credit_of_guest(void **state)
{
    struct machine m;
    static uint8_t data[4096], got[4096];
    struct hdr h;
    uint32_t sent = 0, forwarded = 0, read_bytes = 0;
    const uint32_t total = 2 * 1024 * 1024;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    const int s = open_from_guest(&m, 5000);
    while (read_bytes < total) {
        if (sent < total && sent - forwarded + sizeof(data) <= BUF_LEN) {
            fill(data, sizeof(data), sent);
            send_data(&m, 1000, 5000, data, sizeof(data));
            sent += sizeof(data);
        } else {
            const ssize_t n = read(s, got, sizeof(got));
            assert_true(n > 0);
            fill(data, (size_t)n, read_bytes);
            assert_memory_equal(got, data, n);
            read_bytes += (uint32_t)n;
        }
        while (used_idx(&m.f, RX) != m.taken) {
            h = expect(&m, CREDIT_UPDATE, 1000, 5000);
            forwarded = h.fwd_cnt;
        }
    }
    assert_int_equal(sent, total);
    /* Asked for, it comes at once. */
    io_settle(m.io);
    while (used_idx(&m.f, RX) != m.taken)
        expect(&m, CREDIT_UPDATE, 1000, 5000);
    send_op(&m, CREDIT_REQUEST, 1000, 5000);
    h = expect(&m, CREDIT_UPDATE, 1000, 5000);
    assert_int_equal(h.fwd_cnt, total);
    /* Beyond it, the connection is over. */
    for (uint32_t n = 0; h.op != RST; n += sizeof(data)) {
        assert_true(n < 4 * BUF_LEN);
        send_data(&m, 1000, 5000, data, sizeof(data));
        while (used_idx(&m.f, RX) != m.taken && next_packet(&m, &h, got, 0))
            assert_true(h.op == RST || h.op == CREDIT_UPDATE);
    }
    close(s);
    teardown(&m);
}

/* The host never sends more than the guest has room for. */
static void test_credit_of_host(void **state)
{
    struct machine m;
    static uint8_t data[100000], got[RX_LEN], want[RX_LEN];
    struct hdr h = packet(REQUEST, 1000, 5000);
    uint32_t received = 0;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    const int l = listen_at(&m, 1000);
    h.buf_alloc = 3000;
    send_hdr(&m, &h, NULL);
    expect(&m, RESPONSE, 1000, 5000);
    const int s = accept(l, NULL, NULL);
    fill(data, sizeof(data), 0);
    assert_int_equal(fcntl(s, F_SETFL, O_NONBLOCK), 0);
    const ssize_t written = write(s, data, sizeof(data));
    assert_true(written > 10000);
    while (received < 3000) {
        assert_true(next_packet(&m, &h, got, 15000));
        assert_int_equal(h.op, RW);
        fill(want, h.len, received);
        assert_memory_equal(got, want, h.len);
        received += h.len;
    }
    assert_int_equal(received, 3000);
    expect(&m, CREDIT_REQUEST, 1000, 5000); /* once */
    expect_nothing(&m);
    h = packet(CREDIT_UPDATE, 1000, 5000);
    h.buf_alloc = 3000;
    h.fwd_cnt = 1;
    send_hdr(&m, &h, NULL);
    assert_true(next_packet(&m, &h, got, 15000));
    assert_int_equal(h.len, 1);
    expect(&m, CREDIT_REQUEST, 1000, 5000);
    /* Nonsense: less room than what is on the way, more forwarded than was sent. */
    h = packet(CREDIT_UPDATE, 1000, 5000);
    h.buf_alloc = 0;
    send_hdr(&m, &h, NULL);
    expect_nothing(&m);
    h.buf_alloc = 100;
    h.fwd_cnt = 50000;
    send_hdr(&m, &h, NULL);
    expect_nothing(&m);
    h.buf_alloc = BUF_LEN;
    h.fwd_cnt = 3001;
    send_hdr(&m, &h, NULL);
    received = 3001;
    while (received < written) {
        assert_true(next_packet(&m, &h, got, 15000));
        assert_int_equal(h.op, RW);
        fill(want, h.len, received);
        assert_memory_equal(got, want, h.len);
        received += h.len;
    }
    close(s);
    close(l);
    teardown(&m);
}

/* Without receive buffers everything waits, the connections take turns, and nothing is lost. */
static void test_no_buffers(void **state)
{
    struct machine m;
    struct hdr h;
    uint8_t data[RX_LEN];
    unsigned seen[4] = {0};
    int s[4];
    (void)state;
    setup(&m, VIRTIO_MODERN);
    const int l = listen_at(&m, 1000);
    for (uint32_t i = 0; i < 4; i++) {
        send_op(&m, REQUEST, 1000, 6000 + i);
        expect(&m, RESPONSE, 1000, 6000 + i);
        s[i] = accept(l, NULL, NULL);
    }
    /* Take the buffers away: a packet each. */
    const uint64_t end = os_now_ns() + IO_LIMIT_NS;
    while ((uint16_t)(used_idx(&m.f, RX) - m.taken) < NR_RX && os_now_ns() < end) {
        assert_int_equal(write(s[0], "x", 1), 1);
        usleep(500);
    }
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 3; k++)
            assert_int_equal(write(s[i], "abcdefgh", 8), 8);
    send_op(&m, REQUEST, 99, 77); /* refused, when there is room */
    assert_int_equal((uint16_t)(used_idx(&m.f, RX) - m.taken), NR_RX);
    for (unsigned n = 0; n < 1000 && next_packet(&m, &h, data, 100); n++) {
        if (h.op == RW)
            seen[h.dst_port - 6000] += h.len;
        else
            assert_int_equal(h.op, RST);
    }
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(seen[i], 24);
    assert_true(seen[0] >= 24 + NR_RX);
    for (unsigned i = 0; i < 4; i++)
        close(s[i]);
    close(l);
    teardown(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credit_of_guest),
        cmocka_unit_test(test_credit_of_host),
        cmocka_unit_test(test_no_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
