/* What network hardware does to frames: checksums, large TCP segments cut into small ones and small ones put together.
 *
 * Every frame and header is the guest's or the network's word: what is not as it must be is refused, and nothing outside the frame is
 * touched. Pure; any thread.
 * Specification: virtio 1.2, "Device Operation" of the network device (5.1.6); RFC 1071 (checksum), 791, 8200, 9293. */
#ifndef VIBE_DEV_NET_OFFLOAD_H
#define VIBE_DEV_NET_OFFLOAD_H

#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>

/* struct virtio_net_hdr */
struct net_hdr {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset;
    uint16_t num_buffers; /* not there in the legacy layout without mergeable buffers */
};
_Static_assert(sizeof(struct net_hdr) == 12, "virtio_net_hdr");
#define NET_LEGACY_HDR_LEN 10u

enum { NET_HDR_NEEDS_CSUM = 1, NET_HDR_DATA_VALID = 2 };
enum {
    NET_GSO_NONE = 0,
    NET_GSO_TCPV4 = 1,
    NET_GSO_UDP = 3,
    NET_GSO_TCPV6 = 4,
    NET_GSO_ECN = 0x80
};

#define NET_ETH_LEN 14u
#define NET_MAX_IP_LEN 65535u
#define NET_MAX_FRAME (NET_ETH_LEN + NET_MAX_IP_LEN)
/* Below this, a segment is more header than data, and a frame would become thousands of them. */
#define NET_MIN_GSO_SIZE 48u

/* The checksum of len bytes in memory order, not complemented, with sum from before. */
uint16_t net_sum(const void *data, size_t len, uint16_t sum);

/* Completes the checksum that the header asks for: false when it does not lie in the frame. */
bool net_complete_csum(const struct net_hdr *h, uint8_t *frame, size_t len);

/* Cuts a TCP frame into segments of up to size bytes of data, each with its own headers and checksums, makes them in out and hands them to
 * emit. False, before any: not a TCP frame of the header's type, or nonsense in its headers. */
typedef void net_emit_fn(void *opaque, const uint8_t *frame, size_t len);
bool net_segment(const struct net_hdr *h, const uint8_t *frame, size_t len, size_t size,
                 uint8_t out[NET_MAX_FRAME], net_emit_fn *emit, void *opaque);

/* --- Putting together ----------------------------------------------------------------------------------------------- */

/* A frame on its way to the guest. data has room bytes, NET_MAX_FRAME at most, malloc'd. */
struct net_packet {
    struct net_packet *next;
    struct net_hdr hdr;
    size_t len, room;
    uint8_t *data;
    bool merged; /* of several segments; hdr.gso_size is their size */
    bool closed; /* nothing more fits behind */
};

/* Null when out of memory, or too long. */
struct net_packet *net_packet_create(const struct net_hdr *h, const uint8_t *frame, size_t len);
void net_packet_destroy(struct net_packet *p); /* null is fine */

/* If frame is the TCP segment that follows p's, its data go behind p's: true. Both have good checksums. */
bool net_merge(struct net_packet *p, const uint8_t *frame, size_t len);

/* After merging: headers and p->hdr for what it has become. */
void net_merge_finish(struct net_packet *p);

#endif
