/* Checksums, segmentation and its reverse, against plain arithmetic; and headers that lie. */
#include "base/bits.h"
#include "dev/net/offload.h"
#include "net_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct flow flows[2] = {
    {.dst_mac = {2, 0, 0, 0, 0, 1},
     .src_mac = {2, 0, 0, 0, 0, 2},
     .src = {10, 0, 2, 15},
     .dst = {10, 0, 2, 2},
     .sport = 40000,
     .dport = 80},
    {.dst_mac = {2, 0, 0, 0, 0, 1},
     .src_mac = {2, 0, 0, 0, 0, 2},
     .v6 = true,
     .src = {0xfe, 0xc0, 1, 2, 3},
     .dst = {0xfe, 0xc0, 9},
     .sport = 40000,
     .dport = 80},
};
static uint8_t data[65536], scratch[NET_MAX_FRAME];

static int setup(void **state)
{
    (void)state;
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof(data); i++) {
        x = x * 1103515245 + 12345;
        data[i] = (uint8_t)(x >> 16);
    }
    return 0;
}

static void test_sum(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70; len++)
        for (size_t at = 0; at < 5; at++) {
            uint8_t slow[2], fast[2];
            be16(slow, slow_sum(data + at, len, 0));
            const uint16_t sum = net_sum(data + at, len, 0);
            memcpy(fast, &sum, 2);
            assert_memory_equal(slow, fast, 2);
        }
    static uint8_t ones[65536];
    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(net_sum(ones, sizeof(ones), 0), 0xffff);
    assert_int_equal(net_sum(ones, sizeof(ones), 0xffff), 0xffff);
    assert_int_equal(net_sum(ones, 0, 0x1234), 0x1234);
}

static void test_complete_csum(void **state)
{
    uint8_t f[2000];
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        for (size_t n = 0; n < 1300; n += 129) {
            const size_t len = put_udp(f, &flows[i], data, n), l4 = len - n - 8;
            be16(f + l4 + 6, slow_pseudo(f, l4, 17, len));
            struct net_hdr h = {.flags = NET_HDR_NEEDS_CSUM, .csum_start = (uint16_t)l4, .csum_offset = 6};
            assert_false(l4_csum_good(f, l4, 17, len));
            assert_true(net_complete_csum(&h, f, len));
            assert_true(l4_csum_good(f, l4, 17, len));
        }
    /* A sum that comes out as 0 is sent as all ones. */
    uint8_t zero[4] = {0xff, 0xff, 0, 0};
    struct net_hdr h = {.csum_offset = 2};
    assert_true(net_complete_csum(&h, zero, 4));
    assert_memory_equal(zero, "\xff\xff\xff\xff", 4);
    /* Outside the frame. */
    const uint16_t bad[][2] = {{3, 0},     {0, 3},     {4, 0}, {65535, 65535},
                               {65535, 0}, {0, 65535}, {1, 2}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        h.csum_start = bad[i][0];
        h.csum_offset = bad[i][1];
        uint8_t frame[4] = {1, 2, 3, 4};
        assert_false(net_complete_csum(&h, frame, 4));
        assert_memory_equal(frame, "\1\2\3\4", 4);
    }
    h.csum_start = h.csum_offset = 0;
    assert_false(net_complete_csum(&h, zero, 1));
    assert_false(net_complete_csum(&h, zero, 0));
}

/* --- Segmentation --------------------------------------------------------------------------------------------------- */

struct seen {
    const struct flow *w;
    const uint8_t *from; /* the whole frame */
    size_t headers, total, size, done;
    uint8_t flags;
    unsigned nr;
    struct net_packet *merged;
};

static void on_segment(void *opaque, const uint8_t *f, size_t len)
{
    struct seen *s = opaque;
    const size_t l4 = s->w->v6 ? 54 : 34, n = len - s->headers;
    const bool last = s->done + n == s->total;

    assert_true(len >= s->headers && (n || !s->total));
    assert_true(n == s->size || (last && n < s->size));
    assert_true(l4_csum_good(f, l4, 6, len));
    if (s->w->v6) {
        assert_int_equal(rd16(f + 18), len - 54);
    } else {
        assert_int_equal(rd16(f + 16), len - 14);
        assert_int_equal(slow_sum(f + 14, 20, 0), 0xffff);
        assert_int_equal(rd16(f + 18), (uint16_t)(rd16(s->from + 18) + s->nr));
    }
    assert_int_equal(rd32(f + l4 + 4), (uint32_t)(rd32(s->from + l4 + 4) + s->done));
    assert_memory_equal(f + s->headers, data + s->done, n);
    uint8_t flags = s->flags;
    if (!last)
        flags &= (uint8_t) ~(1 | 8); /* FIN, PSH */
    if (s->nr)
        flags &= (uint8_t)~128; /* CWR */
    assert_int_equal(f[l4 + 13], flags);
    /* Nothing else has changed. */
    assert_memory_equal(f, s->from, 14);
    assert_memory_equal(f + l4, s->from + l4, 4);
    assert_memory_equal(f + l4 + 8, s->from + l4 + 8, 5);
    assert_memory_equal(f + l4 + 14, s->from + l4 + 14, 2);
    s->done += n;
    s->nr++;
    if (!s->merged)
        s->merged = net_packet_create(&(struct net_hdr){0}, f, len);
    else if (s->flags == 16)
        assert_true(net_merge(s->merged, f, len));
}

static void test_segments(void **state)
{
    static uint8_t f[NET_MAX_FRAME];
    const size_t totals[] = {0, 1, 1447, 1448, 1449, 1460, 40000, 65535 - 40, 65535 - 60};
    const uint8_t all_flags[] = {16, 16 | 8 | 1 | 128};
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        for (size_t n = 0; n < ARRAY_LEN(totals); n++)
            for (size_t size = 48; size < 65536; size = size * 3 - 10)
                for (unsigned k = 0; k < 2; k++) {
                    const size_t headers = flows[i].v6 ? 74 : 54,
                                 total = MIN(totals[n], NET_MAX_FRAME - headers);
                    const size_t len =
                        put_tcp(f, &flows[i], UINT32_MAX - 5000, 77, all_flags[k], data, total);
                    const struct net_hdr h = {.gso_type = (uint8_t)((i ? NET_GSO_TCPV6 : NET_GSO_TCPV4) |
                                                                    (k ? NET_GSO_ECN : 0))};
                    struct seen s = {.w = &flows[i],
                                     .from = f,
                                     .headers = headers,
                                     .total = total,
                                     .size = size,
                                     .flags = all_flags[k]};
                    assert_true(net_segment(&h, f, len, size, scratch, on_segment, &s));
                    assert_int_equal(s.done, total);
                    assert_int_equal(s.nr, total ? (total + size - 1) / size : 1);
                    if (!k && s.nr > 1) {
                        /* And together again. */
                        const size_t l4 = headers - 20;
                        struct net_packet *p = s.merged;
                        net_merge_finish(p);
                        assert_int_equal(p->len, len);
                        assert_int_equal(p->hdr.gso_size, size);
                        assert_int_equal(p->hdr.gso_type, h.gso_type);
                        assert_int_equal(p->hdr.hdr_len, headers);
                        assert_int_equal(p->hdr.flags, NET_HDR_NEEDS_CSUM);
                        assert_int_equal(p->hdr.csum_start, l4);
                        assert_int_equal(rd16(p->data + l4 + 16), slow_pseudo(f, l4, 6, len));
                        assert_true(net_complete_csum(&p->hdr, p->data, p->len));
                        assert_memory_equal(p->data, f, len);
                    }
                    net_packet_destroy(s.merged);
                }
}

static void on_none(void *opaque, const uint8_t *f, size_t len)
{
    (void)opaque;
    (void)f;
    (void)len;
    fail();
}

static void test_no_segments(void **state)
{
    uint8_t f[2000], g[2000];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct net_hdr h = {.gso_type = i ? NET_GSO_TCPV6 : NET_GSO_TCPV4},
                             other = {.gso_type = i ? NET_GSO_TCPV4 : NET_GSO_TCPV6},
                             udp = {.gso_type = NET_GSO_UDP};
        const size_t len = put_tcp(f, &flows[i], 1, 2, 16, data, 1000), l4 = i ? 54 : 34;
        assert_false(net_segment(&other, f, len, 100, scratch, on_none, NULL));
        assert_false(net_segment(&udp, f, len, 100, scratch, on_none, NULL));
        assert_false(net_segment(&h, f, len, 47, scratch, on_none, NULL));
        assert_false(net_segment(&h, f, len, 0, scratch, on_none, NULL));
        assert_false(net_segment(&h, f, NET_MAX_FRAME + 1, 100, scratch, on_none, NULL));
        for (size_t cut = 0; cut < l4 + 20; cut++)
            assert_false(net_segment(&h, f, cut, 100, scratch, on_none, NULL));
        static const struct {
            uint8_t at4, at6, val;
        } bad[] = {
            {12, 12, 0x81}, /* another protocol in Ethernet */
            {14, 14, 0x55},
            {14, 14, 0x44},           /* IP version; header length */
            {23, 20, 17},             /* UDP */
            {34 + 12, 54 + 12, 0x40}, /* TCP header too short */
        };
        for (size_t b = 0; b < ARRAY_LEN(bad); b++) {
            memcpy(g, f, len);
            g[i ? bad[b].at6 : bad[b].at4] = bad[b].val;
            assert_false(net_segment(&h, g, len, 100, scratch, on_none, NULL));
        }
        memcpy(g, f, len);
        g[l4 + 12] = 0xf0; /* a TCP header longer than the frame */
        assert_false(net_segment(&h, g, l4 + 59, 100, scratch, on_none, NULL));
        if (!i) {
            g[14] = 0x4f; /* IP options beyond it */
            assert_false(net_segment(&h, g, 60, 100, scratch, on_none, NULL));
            memcpy(g, f, len);
            g[20] = 0x20; /* a fragment */
            assert_false(net_segment(&h, g, len, 100, scratch, on_none, NULL));
            g[20] = 0x00;
            g[21] = 0x01;
            assert_false(net_segment(&h, g, len, 100, scratch, on_none, NULL));
        }
    }
}

/* --- Merging -------------------------------------------------------------------------------------------------------- */

static struct net_packet *packet(const uint8_t *f, size_t len)
{
    struct net_packet *p = net_packet_create(&(struct net_hdr){0}, f, len);
    assert_non_null(p);
    return p;
}

static void test_merge_refuses(void **state)
{
    uint8_t f[2000], g[2000];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const size_t l4 = i ? 54 : 34, len = put_tcp(f, &flows[i], 1000, 2, 16, data, 500);
        struct net_packet *p = packet(f, len);
        /* The next one, but for one byte of the headers: MACs, addresses, ports, acknowledgement, flags, window, urgent pointer, class, ... */
        const uint8_t differ4[] = {0, 7, 15, 20, 22, 26, 33, 34, 37, 41, 45, 47, 49, 53};
        const uint8_t differ6[] = {0, 7, 15, 17, 21, 22, 53, 54, 57, 61, 65, 67, 69, 73};
        for (size_t d = 0; d < sizeof(differ4); d++) {
            size_t n = put_tcp(g, &flows[i], 1500, 2, 16, data, 500);
            g[i ? differ6[d] : differ4[d]] ^= 4;
            assert_false(net_merge(p, g, n));
        }
        size_t n = put_tcp(g, &flows[i], 1499, 2, 16, data, 500); /* not the next */
        assert_false(net_merge(p, g, n));
        n = put_tcp(g, &flows[i], 1500, 2, 16, data, 501); /* larger */
        assert_false(net_merge(p, g, n));
        n = put_tcp(g, &flows[i], 1500, 2, 16, data, 0); /* nothing in it */
        assert_false(net_merge(p, g, n));
        n = put_tcp(g, &flows[i], 1500, 2, 16, data, 400);
        assert_false(net_merge(p, g, n + 6)); /* padding behind the data */
        assert_false(net_merge(p, g, n - 1));
        assert_false(net_merge(p, g, l4));
        const uint8_t flags[] = {16 | 1, 16 | 2, 16 | 4, 16 | 32, 8, 0, 16 | 128, 16 | 64};
        for (size_t k = 0; k < sizeof(flags); k++) {
            n = put_tcp(g, &flows[i], 1500, 2, flags[k], data, 500);
            assert_false(net_merge(p, g, n));
        }
        assert_int_equal(p->len, len);
        assert_memory_equal(p->data, f, len);
        /* A last one with PSH, and none behind it. */
        n = put_tcp(g, &flows[i], 1500, 2, 16 | 8, data, 500);
        assert_true(net_merge(p, g, n));
        n = put_tcp(g, &flows[i], 2000, 2, 16, data, 500);
        assert_false(net_merge(p, g, n));
        net_packet_destroy(p);
        /* A short one is the last too. */
        p = packet(f, len);
        n = put_tcp(g, &flows[i], 1500, 2, 16, data, 499);
        assert_true(net_merge(p, g, n));
        n = put_tcp(g, &flows[i], 1999, 2, 16, data, 499);
        assert_false(net_merge(p, g, n));
        net_packet_destroy(p);
        /* Padded, small, without data. */
        p = packet(f, len + 3);
        n = put_tcp(g, &flows[i], 1503, 2, 16, data, 500);
        assert_false(net_merge(p, g, n));
        net_packet_destroy(p);
        n = put_tcp(f, &flows[i], 1000, 2, 16, data, 40);
        p = packet(f, n);
        n = put_tcp(g, &flows[i], 1040, 2, 16, data, 40);
        assert_false(net_merge(p, g, n));
        net_packet_destroy(p);
    }
    assert_null(net_packet_create(&(struct net_hdr){0}, data, NET_MAX_FRAME + 1));
    struct net_packet *p = packet(data, 0);
    assert_false(net_merge(p, f, 100));
    net_merge_finish(p);
    net_packet_destroy(p);
}

/* Never longer than IP can say. */
static void test_merge_is_bounded(void **state)
{
    uint8_t f[2000];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t seq = 5;
        size_t len = put_tcp(f, &flows[i], seq, 2, 16, data, 1460);
        struct net_packet *p = packet(f, len);
        do {
            seq += 1460;
            len = put_tcp(f, &flows[i], seq, 2, 16, data, 1460);
        } while (net_merge(p, f, len));
        assert_in_range(p->len, NET_MAX_FRAME - 1460 + 1, NET_MAX_FRAME);
        net_merge_finish(p);
        if (i)
            assert_int_equal(rd16(p->data + 18), p->len - 54);
        else
            assert_int_equal(rd16(p->data + 16), p->len - 14);
        net_packet_destroy(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum),           cmocka_unit_test(test_complete_csum),
        cmocka_unit_test(test_segments),      cmocka_unit_test(test_no_segments),
        cmocka_unit_test(test_merge_refuses), cmocka_unit_test(test_merge_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
