/* The host's side of a disk: a raw image or block device, alone or under a copy-on-write overlay.
 *
 * Contents are bytes at offsets; the guest's notions (sectors, requests) are the device's. disk_open() checks everything that it can and
 * locks the files: what one VM writes no other VM opens.
 * Threads: disk_open() and disk_close() on one thread; the rest on any, several at once. What overlaps and runs at once is done in some
 * order, sector by sector. Calls block. docs/disks.md has the format of an overlay. */
#ifndef VIBE_DEV_DISK_H
#define VIBE_DEV_DISK_H

#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct disk;
struct err;
struct snap;

#define DISK_SECTOR 512u
#define DISK_MAX_OVERLAYS 4u

/* How much a guest's flush is worth. */
enum disk_sync {
    DISK_SYNC_FLUSH, /* what was written before a flush is on the host's disk after it */
    DISK_SYNC_NONE,  /* a flush does nothing: the host's own time decides */
    DISK_SYNC_FULL,  /* every write is on the host's disk before it completes */
};

/* The strings outlive the disk. */
struct disk_config {
    const char *path;
    bool read_only;
    /* One over the other, each with what was written over those before it. The last takes the writes, and is made if it is not there. */
    unsigned nr_overlays;
    const char *overlay[DISK_MAX_OVERLAYS];
    bool throw_away; /* the last is made, has no name from then on, and ends with the disk */
    enum disk_sync sync;
};

/* 0 or -errno; e names the file. */
int disk_open(struct disk **out, const struct disk_config *c, struct err *e);
/* What an overlay has not stored yet is stored; one that was made for this disk, and never written, goes away again. Null is fine. */
void disk_close(struct disk *d);

uint64_t disk_len(const struct disk *d); /* bytes, a multiple of DISK_SECTOR */
bool disk_read_only(const struct disk *d);
bool disk_writes_through(const struct disk *d); /* DISK_SYNC_FULL */
const char *disk_path(const struct disk *d);    /* for messages */

/* All of the buffers, at off; the range lies within the disk. 0 or -errno. */
int disk_read(struct disk *d, uint64_t off, const struct iovec *iov, unsigned nr);
int disk_write(struct disk *d, uint64_t off, const struct iovec *iov, unsigned nr);

/* What was written before this call is on the host's disk, as disk_sync says. */
int disk_flush(struct disk *d);

/* What the disk is to or from a snapshot. Saving, everything is flushed first. Loading, image and overlays must be what they were; more
 * overlays over them must be empty. */
void disk_snap(struct disk *d, struct snap *s);

/* The range reads as zeros. unmap: its space may go back to the host. */
int disk_zero(struct disk *d, uint64_t off, uint64_t len, bool unmap);
/* The contents of the range are of no more use: zeros afterwards where that costs nothing, else what they were. */
int disk_discard(struct disk *d, uint64_t off, uint64_t len);

#endif
