/* What is behind a network device: the host's side of the cable.
 *
 * Threads: everything on the I/O thread, no device lock held; create and destroy while that thread does not run. */
#ifndef VIBE_DEV_NET_BACKEND_H
#define VIBE_DEV_NET_BACKEND_H

#include "dev/net/offload.h"

struct net_backend;

enum net_offload {
    NET_OFFLOAD_CSUM = 1,
    NET_OFFLOAD_TSO4 = 2,
    NET_OFFLOAD_TSO6 = 4,
    NET_OFFLOAD_ECN = 8
};

struct net_backend_ops {
    /* A frame of the guest's, NET_ETH_LEN to NET_MAX_FRAME bytes, which this may change. What h asks for is unchecked. */
    void (*send)(struct net_backend *b, const struct net_hdr *h, uint8_t *frame, size_t len);
    /* Whether the guest takes frames. While it does not, they are to wait where they come from. */
    void (*set_receiving)(struct net_backend *b, bool on);
    /* What frames for the guest may carry, a set of enum net_offload. Null: the backend needs not know. */
    void (*set_offloads)(struct net_backend *b, unsigned offloads);
    void (*destroy)(struct net_backend *b);
};

/* The device's side, which the backend calls. */
struct net_sink_ops {
    /* A frame for the guest. Several come before flush(). */
    void (*receive)(struct net_backend *b, const struct net_hdr *h, const uint8_t *frame, size_t len);
    void (*flush)(struct net_backend *b);
    void (*set_link)(struct net_backend *b, bool up);
};

struct net_backend {
    const struct net_backend_ops *ops;
    uint16_t mtu; /* of the network; 0: not known */
    bool is_stack; /* frames have good checksums, and TCP segments come in rows that are worth putting together */
    const struct net_sink_ops *sink; /* set by the device, as is the next */
    void *opaque;
};

#endif
