/* Frames made by hand for network tests, and a checksum that is slow and plain. */
#ifndef VIBE_TESTS_NET_FRAMES_H
#define VIBE_TESTS_NET_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void be32(uint8_t *p, uint32_t v)
{
    be16(p, v >> 16);
    be16(p + 2, v & 0xffff);
}

static inline uint16_t rd16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t rd32(const uint8_t *p)
{
    return (uint32_t)rd16(p) << 16 | rd16(p + 2);
}

/* RFC 1071, word by word. */
static inline uint32_t slow_sum(const uint8_t *p, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static inline uint32_t slow_pseudo(const uint8_t *frame, size_t l4, uint8_t proto, size_t len)
{
    const bool v6 = frame[14] >> 4 == 6;
    uint32_t sum = slow_sum(frame + (v6 ? 22 : 26), v6 ? 32 : 8, 0);
    sum += proto + (uint32_t)(len - l4);
    return (sum & 0xffff) + (sum >> 16);
}

/* Sets the checksum at l4 + off of a UDP or TCP frame. */
static inline void set_l4_csum(uint8_t *frame, size_t l4, unsigned off, uint8_t proto, size_t len)
{
    be16(frame + l4 + off, 0);
    const uint32_t sum = ~slow_sum(frame + l4, len - l4, slow_pseudo(frame, l4, proto, len)) & 0xffff;
    be16(frame + l4 + off, sum ? sum : 0xffff);
}

static inline bool l4_csum_good(const uint8_t *frame, size_t l4, uint8_t proto, size_t len)
{
    return slow_sum(frame + l4, len - l4, slow_pseudo(frame, l4, proto, len)) == 0xffff;
}

struct flow {
    uint8_t dst_mac[6], src_mac[6];
    bool v6;
    uint8_t src[16], dst[16];
    uint16_t sport, dport;
};

/* Ethernet and IP headers for a payload of len bytes; returns where that begins. */
static inline size_t put_ip(uint8_t *f, const struct flow *w, uint8_t proto, size_t len, uint16_t id)
{
    memcpy(f, w->dst_mac, 6);
    memcpy(f + 6, w->src_mac, 6);
    if (w->v6) {
        be16(f + 12, 0x86dd);
        memset(f + 14, 0, 40);
        f[14] = 0x60;
        be16(f + 18, (uint32_t)len);
        f[20] = proto;
        f[21] = 64;
        memcpy(f + 22, w->src, 16);
        memcpy(f + 38, w->dst, 16);
        return 54;
    }
    be16(f + 12, 0x800);
    memset(f + 14, 0, 20);
    f[14] = 0x45;
    be16(f + 16, (uint32_t)len + 20);
    be16(f + 18, id);
    be16(f + 20, 0x4000);
    f[22] = 64;
    f[23] = proto;
    memcpy(f + 26, w->src, 4);
    memcpy(f + 30, w->dst, 4);
    be16(f + 24, ~slow_sum(f + 14, 20, 0) & 0xffff);
    return 34;
}

/* A whole TCP frame with good checksums; returns its length. */
static inline size_t put_tcp(uint8_t *f, const struct flow *w, uint32_t seq, uint32_t ack,
                             uint8_t flags, const void *data, size_t len)
{
    const size_t at = put_ip(f, w, 6, 20 + len, (uint16_t)seq);
    memset(f + at, 0, 20);
    be16(f + at, w->sport);
    be16(f + at + 2, w->dport);
    be32(f + at + 4, seq);
    be32(f + at + 8, ack);
    f[at + 12] = 0x50;
    f[at + 13] = flags;
    be16(f + at + 14, 65000);
    if (len)
        memcpy(f + at + 20, data, len);
    set_l4_csum(f, at, 16, 6, at + 20 + len);
    return at + 20 + len;
}

static inline size_t put_udp(uint8_t *f, const struct flow *w, const void *data, size_t len)
{
    const size_t at = put_ip(f, w, 17, 8 + len, 1);
    be16(f + at, w->sport);
    be16(f + at + 2, w->dport);
    be16(f + at + 4, (uint32_t)len + 8);
    be16(f + at + 6, 0);
    memcpy(f + at + 8, data, len);
    set_l4_csum(f, at, 6, 17, at + 8 + len);
    return at + 8 + len;
}

#endif
