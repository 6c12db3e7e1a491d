/* A virtio transport's notifications and interrupts by descriptors of the host's kernel (hv/hv.h), where a backend has them: the guest notifies the
 * device without a vCPU leaving it, on the I/O thread, and the device interrupts it by writing.
 *
 * Threads: created and destroyed by the owner of the I/O thread. */
#ifndef VIBE_DEV_VIRTIO_EVENTS_H
#define VIBE_DEV_VIRTIO_EVENTS_H

#include "dev/virtio_mmio.h"

struct io_thread;
struct virtio_events;

/* Descriptors, each of a uint64_t; they stay the caller's. */
struct virtio_fds {
    int notified[VIRTIO_MAX_QUEUES]; /* readable: so many stores of the queue's number to QueueNotify */
    int raise; /* written to: interrupt; -1: the transport's own line is used */
    int ended; /* readable: a level-triggered interrupt was ended, and its line is low */
};

/* v: a device of a transport. Null with e set. */
struct virtio_events *virtio_events_create(struct virtio_device *v, const struct virtio_fds *fds,
                                           struct io_thread *io, struct err *e);
void virtio_events_destroy(struct virtio_events *ev); /* null is fine; the device is not used any more */

#endif
