/* Checksums and segmentation. Threading and specification: dev/net/offload.h. */
#include "dev/net/offload.h"

#include "base/bits.h"

#include <stdlib.h>
#include <string.h>

enum { ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_IPV6 = 0x86dd, PROTO_TCP = 6 };
enum { IPV4_LEN = 20, IPV6_LEN = 40, TCP_LEN = 20 };
enum {
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
    TCP_PSH = 8,
    TCP_ACK = 16,
    TCP_URG = 32,
    TCP_CWR = 128
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint16_t val)
{
    p[0] = (uint8_t)(val >> 8);
    p[1] = (uint8_t)val;
}

static void put32(uint8_t *p, uint32_t val)
{
    put16(p, (uint16_t)(val >> 16));
    put16(p + 2, (uint16_t)val);
}

/* --- Checksums ------------------------------------------------------------------------------------------------------ */

/* Sums of 16-bit words with the carry put back do not depend on the words' byte order, nor on how many are added at a time. */
uint16_t net_sum(const void *data, size_t len, uint16_t sum)
{
    const uint8_t *p = data;
    uint64_t s = sum;

    for (; len >= 4; p += 4, len -= 4) {
        uint32_t word;
        memcpy(&word, p, sizeof(word));
        s += word;
    }
    if (len) {
        uint32_t word = 0;
        memcpy(&word, p, len);
        s += word;
    }
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

/* 0 stands for "no checksum" in some protocols; its complement is the same number in all. */
static void store_csum(uint8_t *at, uint16_t sum)
{
    sum = (uint16_t)~sum;
    if (!sum)
        sum = 0xffff;
    memcpy(at, &sum, sizeof(sum));
}

bool net_complete_csum(const struct net_hdr *h, uint8_t *frame, size_t len)
{
    const size_t at = (size_t)h->csum_start + h->csum_offset;

    if (at + 2 > len)
        return false;
    store_csum(frame + at, net_sum(frame + h->csum_start, len - h->csum_start, 0));
    return true;
}

/* --- TCP frames ----------------------------------------------------------------------------------------------------- */

/* Where the parts of a frame with a whole TCP segment are. */
struct tcp_frame {
    bool v6;
    size_t tcp;     /* offset of the TCP header */
    size_t headers; /* offset of the data */
    size_t data_len;
};

/* Takes the frame apart; lengths are the frame's, not those in its headers. */
static bool parse_tcp(const uint8_t *f, size_t len, struct tcp_frame *t)
{
    const uint8_t *ip = f + NET_ETH_LEN;

    if (len < NET_ETH_LEN + IPV4_LEN + TCP_LEN)
        return false;
    switch (get16(f + 12)) {
    case ETHERTYPE_IPV4:
        t->v6 = false;
        t->tcp = NET_ETH_LEN + (ip[0] & 15u) * 4u;
        /* Whole: neither the more-fragments bit nor an offset. */
        if (ip[0] >> 4 != 4 || t->tcp < NET_ETH_LEN + IPV4_LEN || ip[9] != PROTO_TCP ||
            (get16(ip + 6) & 0x3fff))
            return false;
        break;
    case ETHERTYPE_IPV6:
        t->v6 = true;
        t->tcp = NET_ETH_LEN + IPV6_LEN;
        if (ip[0] >> 4 != 6 || ip[6] != PROTO_TCP)
            return false;
        break;
    default: return false;
    }
    if (len < t->tcp + TCP_LEN)
        return false;
    t->headers = t->tcp + (f[t->tcp + 12] >> 4) * 4u;
    if (t->headers < t->tcp + TCP_LEN || t->headers > len)
        return false;
    t->data_len = len - t->headers;
    return true;
}

/* Sum of the pseudo-header of a segment of len bytes. */
static uint16_t pseudo_sum(const uint8_t *f, const struct tcp_frame *t, size_t len)
{
    const uint8_t *ip = f + NET_ETH_LEN;
    uint8_t rest[8] = {0};

    put32(rest, (uint32_t)len);
    rest[7] = PROTO_TCP;
    const uint16_t sum = net_sum(rest, sizeof(rest), 0);
    return t->v6 ? net_sum(ip + 8, 32, sum) : net_sum(ip + 12, 8, sum);
}

/* The IP header's length and checksum, for a frame of len bytes. */
static void finish_ip(uint8_t *f, const struct tcp_frame *t, size_t len)
{
    uint8_t *ip = f + NET_ETH_LEN;

    if (t->v6) {
        put16(ip + 4, (uint16_t)(len - t->tcp));
        return;
    }
    put16(ip + 2, (uint16_t)(len - NET_ETH_LEN));
    put16(ip + 10, 0);
    store_csum(ip + 10, net_sum(ip, t->tcp - NET_ETH_LEN, 0));
}

bool net_segment(const struct net_hdr *h, const uint8_t *frame, size_t len, size_t size,
                 uint8_t out[NET_MAX_FRAME], net_emit_fn *emit, void *opaque)
{
    const uint8_t type = h->gso_type & (uint8_t)~NET_GSO_ECN;
    struct tcp_frame t;

    if (len > NET_MAX_FRAME || size < NET_MIN_GSO_SIZE || !parse_tcp(frame, len, &t) ||
        type != (t.v6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4))
        return false;
    const uint32_t seq = get32(frame + t.tcp + 4);
    const uint8_t flags = frame[t.tcp + 13];
    const uint16_t id = get16(frame + NET_ETH_LEN + 4);
    size_t done = 0;
    for (unsigned i = 0; !i || done < t.data_len; i++) {
        const size_t part = MIN(size, t.data_len - done), out_len = t.headers + part;
        memcpy(out, frame, t.headers);
        memcpy(out + t.headers, frame + t.headers + done, part);
        uint8_t *tcp = out + t.tcp;
        put32(tcp + 4, seq + (uint32_t)done);
        /* The first alone says that the window was reduced, the last alone that this is the end. */
        tcp[13] = (uint8_t)(flags & ~(i ? TCP_CWR : 0) &
                            ~(done + part < t.data_len ? TCP_FIN | TCP_PSH : 0));
        if (!t.v6)
            put16(out + NET_ETH_LEN + 4, (uint16_t)(id + i));
        finish_ip(out, &t, out_len);
        put16(tcp + 16, 0);
        store_csum(tcp + 16, net_sum(tcp, out_len - t.tcp, pseudo_sum(out, &t, out_len - t.tcp)));
        emit(opaque, out, out_len);
        done += part;
    }
    return true;
}

/* --- Putting together ----------------------------------------------------------------------------------------------- */

struct net_packet *net_packet_create(const struct net_hdr *h, const uint8_t *frame, size_t len)
{
    struct net_packet *p = len <= NET_MAX_FRAME ? calloc(1, sizeof(*p)) : NULL;

    if (!p)
        return NULL;
    p->data = malloc(MAX(len, (size_t)1));
    if (!p->data) {
        free(p);
        return NULL;
    }
    memcpy(p->data, frame, len);
    p->hdr = *h;
    p->len = p->room = len;
    return p;
}

void net_packet_destroy(struct net_packet *p)
{
    if (p)
        free(p->data);
    free(p);
}

static bool make_room(struct net_packet *p, size_t len)
{
    if (len <= p->room)
        return true;
    /* Where two go together, more will. */
    const size_t room = MIN(MAX(len, 4 * p->room), (size_t)NET_MAX_FRAME);
    uint8_t *data = realloc(p->data, room);
    if (!data)
        return false;
    p->data = data;
    p->room = room;
    return true;
}

/* Whether the IP header says what the frame's length says: no padding behind the data. */
static bool is_exact(const uint8_t *f, const struct tcp_frame *t, size_t len)
{
    const uint8_t *ip = f + NET_ETH_LEN;
    return t->v6 ? get16(ip + 4) == len - t->tcp : get16(ip + 2) == len - NET_ETH_LEN;
}

/* Whether bytes [from, to) of both are the same. */
static bool same(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
    return !memcmp(a + from, b + from, to - from);
}

/* Whether b's headers are a's, but for what differs from one segment to the next: lengths, the IPv4 identification and checksum, the sequence
 * number, the flags, the TCP checksum. */
static bool same_flow(const uint8_t *a, const uint8_t *b, const struct tcp_frame *t)
{
    const size_t ip = NET_ETH_LEN, tcp = t->tcp;

    if (!same(a, b, 0, ip))
        return false;
    if (t->v6 ? !same(a, b, ip, ip + 4) || !same(a, b, ip + 6, tcp)
              : !same(a, b, ip, ip + 2) || !same(a, b, ip + 6, ip + 10) || !same(a, b, ip + 12, tcp))
        return false;
    return same(a, b, tcp, tcp + 4) && same(a, b, tcp + 8, tcp + 13) &&
           same(a, b, tcp + 14, tcp + 16) && same(a, b, tcp + 18, t->headers);
}

bool net_merge(struct net_packet *p, const uint8_t *frame, size_t len)
{
    struct tcp_frame a, b;

    if (p->closed || !parse_tcp(p->data, p->len, &a) || !parse_tcp(frame, len, &b) ||
        a.v6 != b.v6 || a.tcp != b.tcp || a.headers != b.headers || !a.data_len || !b.data_len ||
        p->len + b.data_len > NET_MAX_FRAME || !same_flow(p->data, frame, &a) ||
        !is_exact(frame, &b, len) || (!p->merged && !is_exact(p->data, &a, p->len)))
        return false;
    uint8_t *flags = p->data + a.tcp + 13;
    const uint8_t new_flags = frame[b.tcp + 13];
    const size_t size = p->merged ? p->hdr.gso_size : a.data_len;
    if (*flags != TCP_ACK || (new_flags & ~TCP_PSH) != TCP_ACK || b.data_len > size ||
        size < NET_MIN_GSO_SIZE ||
        get32(frame + b.tcp + 4) != get32(p->data + a.tcp + 4) + (uint32_t)a.data_len ||
        !make_room(p, p->len + b.data_len))
        return false;
    flags = p->data + a.tcp + 13;
    *flags |= new_flags;
    memcpy(p->data + p->len, frame + b.headers, b.data_len);
    p->len += b.data_len;
    p->hdr.gso_size = (uint16_t)size;
    p->merged = true;
    p->closed = b.data_len < size || new_flags != TCP_ACK;
    return true;
}

void net_merge_finish(struct net_packet *p)
{
    struct tcp_frame t;

    if (!p->merged || !parse_tcp(p->data, p->len, &t))
        return;
    finish_ip(p->data, &t, p->len);
    /* The guest completes it, if it ever has to: the pseudo-header's sum is what it starts from. */
    const uint16_t sum = pseudo_sum(p->data, &t, p->len - t.tcp);
    memcpy(p->data + t.tcp + 16, &sum, sizeof(sum));
    p->hdr.flags = NET_HDR_NEEDS_CSUM;
    p->hdr.gso_type = t.v6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4;
    p->hdr.hdr_len = (uint16_t)t.headers;
    p->hdr.csum_start = (uint16_t)t.tcp;
    p->hdr.csum_offset = 16;
}
