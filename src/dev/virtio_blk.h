/* virtio block device (virtio 1.2, "Block Device"). */
#ifndef VIBE_DEV_VIRTIO_BLK_H
#define VIBE_DEV_VIRTIO_BLK_H

#include "dev/virtio_mmio.h"

struct disk;
struct io_pool;

#define VIRTIO_BLK_ID_LEN 20u
#define VIRTIO_BLK_MAX_QUEUES VIRTIO_MAX_QUEUES

/* For virtio_mmio_create(). disk: the device's from here on, also when this fails. serial: up to VIRTIO_BLK_ID_LEN bytes, or null;
 * nr_queues: 1..VIRTIO_BLK_MAX_QUEUES. Requests are served by threads of the pool, which ends before the device does. Null with e set. */
struct virtio_device *virtio_blk_create(struct disk *disk, const char *serial, unsigned nr_queues,
                                        struct io_pool *pool, struct err *e);

/* What the guest asked for. */
struct blk_info {
    const char *path; /* the image's; null: ejected */
    bool read_only;
    uint64_t reads, writes, flushes;    /* requests, those that failed too */
    uint64_t discards;                  /* and write zeroes */
    uint64_t read_bytes, written_bytes; /* by those that succeeded */
    uint64_t errors; /* requests that failed: refused, or the host could not do them */
};

/* Any thread, without the device's lock. */
void virtio_blk_info(struct virtio_device *v, struct blk_info *info);

/* Puts another disk in, or takes it out (null); requests that are under way end at the old one, which is closed then. The driver hears of the capacity. disk is
 * the device's from here on; 0, or -ENOMEM, and then it is not. Any thread, without the device's lock. */
int virtio_blk_change(struct virtio_device *v, struct disk *disk);

#endif
