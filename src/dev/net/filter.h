/* Which frames a network card takes, and the commands that change it. Pure; any thread.
 * Specification: virtio 1.2, "Control Virtqueue" of the network device (5.1.6.5). */
#ifndef VIBE_DEV_NET_FILTER_H
#define VIBE_DEV_NET_FILTER_H

#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>

#define NET_MAC_LEN 6u
#define NET_MAX_MACS 64u /* in each table; a longer one means all */

struct net_macs {
    bool all;
    unsigned nr;
    uint8_t mac[NET_MAX_MACS][NET_MAC_LEN];
};

struct net_filter {
    uint8_t mac[NET_MAC_LEN];
    bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
    struct net_macs uni, multi;
};

/* As after a reset: takes everything, until the driver says what it wants. */
void net_filter_reset(struct net_filter *f, const uint8_t mac[NET_MAC_LEN]);

/* Whether a frame to dst is for the guest. */
bool net_filter_takes(const struct net_filter *f, const uint8_t dst[NET_MAC_LEN]);

/* A command of the control queue: class, command, data. False: unknown or malformed, nothing is changed. */
#define NET_MAX_CONTROL 4096u
bool net_filter_control(struct net_filter *f, const uint8_t *cmd, size_t len);

#endif
