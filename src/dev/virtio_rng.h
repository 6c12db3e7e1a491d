/* virtio entropy device (virtio 1.2, "Entropy Device"). */
#ifndef VIBE_DEV_VIRTIO_RNG_H
#define VIBE_DEV_VIRTIO_RNG_H

#include "dev/virtio_mmio.h"

struct io_thread;

/* For virtio_mmio_create(); io ends before the device does. Null with e set. */
struct virtio_device *virtio_rng_create(struct io_thread *io, struct err *e);

#endif
