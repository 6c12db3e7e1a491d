/* virtio network device (virtio 1.2, "Network Device"). */
#ifndef VIBE_DEV_VIRTIO_NET_H
#define VIBE_DEV_VIRTIO_NET_H

#include "dev/net/backend.h"
#include "dev/net/filter.h"
#include "dev/virtio_mmio.h"

struct err;
struct io_thread;

/* For virtio_mmio_create(). Owns b from here on, also when this fails. Frames are handled on the I/O thread t, which does not run yet. Null
 * with e set when out of memory. */
struct virtio_device *virtio_net_create(struct net_backend *b, const uint8_t mac[NET_MAC_LEN],
                                        struct io_thread *t, struct err *e);

#endif
