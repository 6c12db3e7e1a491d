/* What disk.c and disk_overlay.c share: one host file, and the overlay that may lie over it. */
#ifndef VIBE_DEV_DISK_INTERNAL_H
#define VIBE_DEV_DISK_INTERNAL_H

#include "dev/disk.h"

struct overlay;
struct snap;

/* A host file or block device. What is beyond its end reads as zeros. */
struct image {
    int fd; /* -1: not open */
    uint64_t len;
    bool block_device;
};

/* All bytes or an error; within off_t. */
int image_read(const struct image *m, uint64_t off, const struct iovec *iov, unsigned nr);
int image_write(const struct image *m, uint64_t off, const struct iovec *iov, unsigned nr);
int image_zero(const struct image *m, uint64_t off, uint64_t len, bool unmap);

struct overlay_config {
    const char *path;
    const struct image *base; /* what is below: the image, */
    const struct overlay *below; /* or this overlay; null otherwise. They stay the caller's and outlive it. */
    uint64_t len;
    uint64_t below_mtime_ns; /* whether what is below has changed since; 0 for a block device, of which that is not known */
    bool read_only; /* it is there, and stays as it is */
    bool throw_away;
};

/* Opens and checks the overlay, or makes it. */
int overlay_open(struct overlay **out, const struct overlay_config *c, struct err *e);
bool overlay_is_empty(const struct overlay *o);
uint64_t overlay_mtime_ns(const struct overlay *o);
/* Which file it is, to or from a snapshot. */
void overlay_snap(const struct overlay *o, struct snap *s);
/* Stores what is not yet stored; sync: and waits until it is on the host's disk. */
int overlay_flush(struct overlay *o, bool sync);
/* Does not flush. Removes the file if this run made it and wrote nothing. Null is fine. */
void overlay_close(struct overlay *o);

int overlay_read(const struct overlay *o, uint64_t off, const struct iovec *iov, unsigned nr);
int overlay_write(struct overlay *o, uint64_t off, const struct iovec *iov, unsigned nr);
int overlay_zero(struct overlay *o, uint64_t off, uint64_t len);

/* The first bytes of an overlay. */
#define OVERLAY_MAGIC "vibe-cow"

#endif
