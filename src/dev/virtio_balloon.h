/* virtio memory balloon (virtio 1.2, "Traditional Memory Balloon Device"). */
#ifndef VIBE_DEV_VIRTIO_BALLOON_H
#define VIBE_DEV_VIRTIO_BALLOON_H

#include "dev/virtio_mmio.h"

struct io_pool;
struct io_thread;

/* What the guest told last about its memory; UINT64_MAX where it did not. Bytes and counts. The order is that of the tags (5.5.6.4). */
enum balloon_stat {
    BALLOON_SWAP_IN,
    BALLOON_SWAP_OUT,
    BALLOON_MAJOR_FAULTS,
    BALLOON_MINOR_FAULTS,
    BALLOON_FREE,
    BALLOON_TOTAL,
    BALLOON_AVAILABLE,
    BALLOON_CACHES,
    BALLOON_HTLB_ALLOCATIONS,
    BALLOON_HTLB_FAILURES,
    NR_BALLOON_STATS
};

struct balloon_info {
    uint64_t target, actual; /* the balloon's size: asked for, and as the driver says; bytes */
    uint64_t largest;        /* that actual was: a driver that ends lets the balloon go */
    uint64_t given_back;     /* by inflating and by reports, all told; bytes */
    uint64_t stat[NR_BALLOON_STATS];
};

/* For virtio_mmio_create(). target: bytes that the guest is asked to do without, rounded down to 4 KiB; stats_period_ns: how long its
 * statistics are good for. io and pool end before the device does. Null with e set. */
struct virtio_device *virtio_balloon_create(const struct ram *ram, uint64_t target,
                                            uint64_t stats_period_ns, struct io_thread *io,
                                            struct io_pool *pool, struct err *e);

/* Any thread, without the device's lock. */
void virtio_balloon_info(struct virtio_device *v, struct balloon_info *info);

#endif
