/* Disk images: opening with all checks, and plain access. Threading: dev/disk.h; what is here keeps no state that changes. */
#include "dev/disk_internal.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/iov.h"
#include "base/log.h"
#include "base/os.h"
#include "base/snap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef IOV_MAX
#define IOV_MAX 1024 /* Linux's; its headers hide it without _XOPEN_SOURCE */
#endif
#define ZEROS_LEN 65536u

struct disk {
    const char *path;
    struct image image; /* what the overlays lie over, where there are some */
    unsigned nr_overlays;
    struct overlay *overlays[DISK_MAX_OVERLAYS];
    struct overlay *overlay; /* the last, or null */
    uint64_t len;
    bool read_only;
    enum disk_sync sync;
    bool throw_away;
};

/* --- Host files ------------------------------------------------------------------------------------------------------------ */

static int transfer(int fd, uint64_t off, const struct iovec *iov, unsigned nr, bool write)
{
    const size_t len = iov_len(iov, nr);

    for (size_t done = 0; done < len;) {
        struct iovec rest[64];
        const struct iovec *p = iov;
        unsigned n = nr;
        if (done || nr > IOV_MAX) {
            n = iov_slice(rest, ARRAY_LEN(rest), iov, nr, done, len - done);
            p = rest;
        }
        const off_t at = (off_t)(off + done);
        const ssize_t r = write ? pwritev(fd, p, (int)n, at) : preadv(fd, p, (int)n, at);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return r ? -errno : -EIO; /* the file is shorter than it was */
        done += (size_t)r;
    }
    return 0;
}

int image_read(const struct image *m, uint64_t off, const struct iovec *iov, unsigned nr)
{
    const size_t len = iov_len(iov, nr);
    const size_t there = off >= m->len ? 0 : (size_t)MIN(m->len - off, (uint64_t)len);

    if (there == len)
        return transfer(m->fd, off, iov, nr, false);
    iov_zero(iov, nr, there, len - there);
    for (size_t done = 0; done < there;) {
        struct iovec part[64];
        const unsigned n = iov_slice(part, ARRAY_LEN(part), iov, nr, done, there - done);
        const int r = transfer(m->fd, off + done, part, n, false);
        if (r)
            return r;
        done += iov_len(part, n);
    }
    return 0;
}

int image_write(const struct image *m, uint64_t off, const struct iovec *iov, unsigned nr)
{
    return transfer(m->fd, off, iov, nr, true);
}

static int write_zeros(const struct image *m, uint64_t off, uint64_t len)
{
    static char zeros[ZEROS_LEN];

    while (len) {
        const struct iovec iov = {zeros, (size_t)MIN(len, (uint64_t)ZEROS_LEN)};
        const int r = image_write(m, off, &iov, 1);
        if (r)
            return r;
        off += iov.iov_len;
        len -= iov.iov_len;
    }
    return 0;
}

int image_zero(const struct image *m, uint64_t off, uint64_t len, bool unmap)
{
    int r = -EOPNOTSUPP;

    if (unmap)
        r = os_file_punch(m->fd, off, len);
    if (r == -EOPNOTSUPP)
        r = os_file_zero(m->fd, off, len);
    return r == -EOPNOTSUPP ? write_zeros(m, off, len) : r;
}

/* --- Opening --------------------------------------------------------------------------------------------------------------- */

static int open_failed(int code, bool read_only, struct err *e)
{
    if (!read_only && (code == EACCES || code == EPERM || code == EROFS || code == ETXTBSY))
        return err_set(e, code, "cannot be written: %s; add ,ro or ,overlay=FILE to leave it as it is",
                       strerror(code));
    return err_set(e, code, "%s", strerror(code));
}

/* An image in a format of its own would show the guest that format. */
static int check_raw(const struct image *m, struct err *e)
{
    static const struct {
        const char *magic, *name;
    } formats[] = {{"QFI\xfb", "qcow2"}, {"KDMV", "VMDK"}, {"vhdxfile", "VHDX"}, {"conectix", "VHD"}};
    char head[8] = {0};
    const struct iovec iov = {head, sizeof(head)};
    const int r = image_read(m, 0, &iov, 1);

    if (r)
        return err_set(e, -r, "%s", strerror(-r));
    if (!memcmp(head, OVERLAY_MAGIC, sizeof(head)))
        return err_set(e, EINVAL,
                       "is an overlay and no disk of its own; give it with its base: BASE,overlay=THIS");
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (!memcmp(head, formats[i].magic, strlen(formats[i].magic)))
            return err_set(e, EINVAL,
                           "is a %s image, not a raw one; convert it: qemu-img convert -O raw FILE NEW",
                           formats[i].name);
    return 0;
}

static int check_kind(struct image *m, const struct stat *st, struct err *e)
{
    if (S_ISREG(st->st_mode)) {
        m->len = (uint64_t)st->st_size;
    } else if (S_ISBLK(st->st_mode)) {
        const int r = os_block_device_len(m->fd, &m->len);
        if (r)
            return err_set(e, -r, "its size is not to be had: %s", strerror(-r));
        m->block_device = true;
    } else {
        return err_set(e, S_ISDIR(st->st_mode) ? EISDIR : EINVAL,
                       "is %s; a disk is a file or a block device",
                       S_ISDIR(st->st_mode) ? "a directory" : "neither a file nor a block device");
    }
    if (!m->len)
        return err_set(e, EINVAL, "is empty; make room in it first: truncate -s 1G FILE");
    return 0;
}

static int lock_image(const struct image *m, bool exclusive, struct err *e)
{
    const int r = os_file_lock(m->fd, exclusive);

    if (r == -EAGAIN)
        return err_set(
            e, EBUSY,
            "is in use by another VM, or twice in this one; stop that one, or share it with ,ro or ,overlay=FILE in all of them");
    if (r)
        log_warn("disk: no lock (%s): nothing keeps other VMs from writing to it", strerror(-r));
    return 0;
}

static int open_image(struct image *m, const char *path, bool read_only, uint64_t *mtime_ns,
                      struct err *e)
{
    struct stat st;
    int r;

    /* Non-blocking: nobody may be at the other end of a FIFO. Files and block devices don't care. */
    m->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    if (m->fd < 0) {
        r = errno;
        if (r == EISDIR || (!stat(path, &st) && S_ISDIR(st.st_mode)))
            return err_set(e, EISDIR, "is a directory; a disk is a file or a block device");
        return open_failed(r, read_only, e);
    }
    if (fstat(m->fd, &st))
        return err_set(e, errno, "%s", strerror(errno));
    if ((r = check_kind(m, &st, e)) || (r = lock_image(m, !read_only, e)) || (r = check_raw(m, e)))
        return r;
    *mtime_ns = m->block_device ? 0 : os_file_mtime_ns(&st);
    return 0;
}

/* The next overlay over those that there are; *mtime_ns is of what is below it, and then its own. */
static int add_overlay(struct disk *d, const struct disk_config *c, unsigned i, uint64_t *mtime_ns,
                       struct err *e)
{
    const bool last = i + 1 == c->nr_overlays;
    const struct overlay_config o = {.path = c->overlay[i],
                                     .base = &d->image,
                                     .below = d->overlay,
                                     .len = d->len,
                                     .below_mtime_ns = *mtime_ns,
                                     .read_only = !last,
                                     .throw_away = last && c->throw_away};
    const int r = overlay_open(&d->overlays[i], &o, e);

    if (r)
        return err_prefix(e, "overlay %s", c->overlay[i]);
    d->overlay = d->overlays[i];
    d->nr_overlays++;
    *mtime_ns = overlay_mtime_ns(d->overlay);
    return 0;
}

int disk_open(struct disk **out, const struct disk_config *c, struct err *e)
{
    struct disk *d = calloc(1, sizeof(*d));
    const bool read_only = c->read_only || c->nr_overlays;
    uint64_t mtime_ns = 0;
    int r;

    if (!d)
        return err_set(e, ENOMEM, "out of memory");
    d->path = c->path;
    d->image.fd = -1;
    d->sync = c->sync;
    d->read_only = c->read_only;
    d->throw_away = c->throw_away;
    if ((r = open_image(&d->image, c->path, read_only, &mtime_ns, e)))
        goto fail;
    d->len = align_up(d->image.len, DISK_SECTOR);
    if (d->len != d->image.len && !read_only) {
        r = err_set(e, EINVAL,
                    "its size, %" PRIu64
                    " bytes, is not a multiple of %u; pad it (truncate -s %%%u FILE), or add ,ro or ,overlay=FILE",
                    d->image.len, DISK_SECTOR, DISK_SECTOR);
        goto fail;
    }
    for (unsigned i = 0; i < c->nr_overlays; i++)
        if ((r = add_overlay(d, c, i, &mtime_ns, e)))
            goto fail;
    *out = d;
    return 0;
fail:
    disk_close(d);
    return r;
}

void disk_close(struct disk *d)
{
    if (!d)
        return;
    const int r = d->overlay ? disk_flush(d) : 0;
    if (r)
        log_error("%s: what was written last could not be stored in the overlay: %s", d->path,
                  strerror(-r));
    while (d->nr_overlays)
        overlay_close(d->overlays[--d->nr_overlays]);
    if (d->image.fd >= 0)
        close(d->image.fd);
    free(d);
}

/* --- Access ---------------------------------------------------------------------------------------------------------------- */

uint64_t disk_len(const struct disk *d)
{
    return d->len;
}

const char *disk_path(const struct disk *d)
{
    return d->path;
}

bool disk_read_only(const struct disk *d)
{
    return d->read_only;
}

bool disk_writes_through(const struct disk *d)
{
    return d->sync == DISK_SYNC_FULL;
}

int disk_read(struct disk *d, uint64_t off, const struct iovec *iov, unsigned nr)
{
    return d->overlay ? overlay_read(d->overlay, off, iov, nr) : image_read(&d->image, off, iov, nr);
}

int disk_flush(struct disk *d)
{
    if (d->read_only)
        return 0;
    if (d->overlay)
        return overlay_flush(d->overlay, d->sync != DISK_SYNC_NONE && !d->throw_away);
    return d->sync == DISK_SYNC_NONE ? 0 : os_file_sync(d->image.fd);
}

/* Empty ones at the end make no difference. */
static unsigned overlays_with_data(const struct disk *d)
{
    unsigned n = d->nr_overlays;

    while (n && overlay_is_empty(d->overlays[n - 1]))
        n--;
    return n;
}

void disk_snap(struct disk *d, struct snap *s)
{
    const unsigned here = overlays_with_data(d);
    const int r = s->loading ? 0 : disk_flush(d);
    uint32_t nr = here;

    if (r)
        snap_fail(s, "%.150s: %s", d->path, strerror(-r));
    snap_numbers(s, "nr_overlays", &nr, sizeof(nr), 1, DISK_MAX_OVERLAYS);
    snap_file(s, "image", d->image.fd, d->path);
    if (!s->failed && nr > here)
        snap_fail(s, "%.150s had %u overlays with data, and has %u", d->path, nr, here);
    else if (!s->failed && nr < here)
        snap_fail(s, "%.150s had %u overlays with data, and has %u; one more has to be a new one",
                  d->path, nr, here);
    for (unsigned i = 0; i < nr && !s->failed; i++)
        overlay_snap(d->overlays[i], s);
}

/* After a change. */
static int written(struct disk *d, int r)
{
    return r || d->sync != DISK_SYNC_FULL ? r : disk_flush(d);
}

int disk_write(struct disk *d, uint64_t off, const struct iovec *iov, unsigned nr)
{
    return written(d, d->overlay ? overlay_write(d->overlay, off, iov, nr)
                                 : image_write(&d->image, off, iov, nr));
}

int disk_zero(struct disk *d, uint64_t off, uint64_t len, bool unmap)
{
    return written(d, d->overlay ? overlay_zero(d->overlay, off, len)
                                 : image_zero(&d->image, off, len, unmap));
}

int disk_discard(struct disk *d, uint64_t off, uint64_t len)
{
    if (d->overlay)
        return written(d, overlay_zero(d->overlay, off, len));
    const int r = os_file_punch(d->image.fd, off, len);
    return written(d, r == -EOPNOTSUPP ? 0 : r);
}
