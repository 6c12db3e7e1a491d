/* virtio 9P transport: a folder of the host's for the guest (virtio 1.2, "9P Transport"). */
#ifndef VIBE_DEV_VIRTIO_9P_H
#define VIBE_DEV_VIRTIO_9P_H

#include "dev/virtio_mmio.h"

struct err;
struct io_pool;

#define VIRTIO_9P_MAX_TAG 31u /* what Linux takes */

/* For virtio_mmio_create(). The guest mounts the folder dir by the name tag, of 1..VIRTIO_9P_MAX_TAG bytes. File operations run in the
 * pool. Null with e set. */
struct virtio_device *virtio_9p_create(const char *dir, const char *tag, bool read_only,
                                       struct io_pool *pool, struct err *e);

#endif
