/* The host's file calls as a test wants them: counted, failing, slow. The program's own definitions come before the C library's. For one
 * file of a test program. */
#ifndef VIBE_TESTS_FAKE_HOST_H
#define VIBE_TESTS_FAKE_HOST_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t preadv(int fd, const struct iovec *iov, int nr, off_t off);
ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t off);
int fdatasync(int fd);
int fallocate(int fd, int mode, off_t off, off_t len);

/* What fails, as errno; 0: nothing. */
static atomic_int fail_read, fail_write, fail_sync, fail_allocate;
static atomic_uint nr_reads, nr_writes, nr_syncs, nr_allocates;
/* Reads and writes of at most so many bytes; 0: no limit. */
static atomic_uint short_transfer;
/* A read of this offset waits until it has one of the tickets. */
static _Atomic int64_t gate_at = -1;
static atomic_int nr_at_gate, nr_tickets;

/* What was written since the last sync, when logging. */
struct change {
    uint64_t off;
    size_t len;
    uint8_t *data;
};
static bool logging;
static struct change *change_log;
static size_t nr_changes, room_changes;

static inline void log_change(uint64_t off, const void *data, size_t len)
{
    if (!logging)
        return;
    if (nr_changes == room_changes) {
        room_changes = 2 * room_changes + 16;
        change_log = realloc(change_log, room_changes * sizeof(*change_log));
    }
    struct change *c = &change_log[nr_changes++];
    *c = (struct change){off, len, malloc(len)};
    memcpy(c->data, data, len);
}

static inline void log_clear(void)
{
    while (nr_changes)
        free(change_log[--nr_changes].data);
}

static inline ssize_t move(int fd, const struct iovec *iov, int nr, off_t off, bool write)
{
    size_t left = atomic_load(&short_transfer), done = 0;
    if (!left)
        left = SIZE_MAX;
    for (int i = 0; i < nr && left; i++) {
        const size_t len = iov[i].iov_len < left ? iov[i].iov_len : left;
        const ssize_t n = write ? pwrite(fd, iov[i].iov_base, len, off + (off_t)done)
                                : pread(fd, iov[i].iov_base, len, off + (off_t)done);
        if (n < 0)
            return n;
        if (write)
            log_change((uint64_t)off + done, iov[i].iov_base, (size_t)n);
        done += (size_t)n;
        left -= (size_t)n;
        if ((size_t)n < len)
            break;
    }
    return (ssize_t)done;
}

ssize_t preadv(int fd, const struct iovec *iov, int nr, off_t off)
{
    atomic_fetch_add(&nr_reads, 1);
    if (off == atomic_load(&gate_at)) {
        atomic_fetch_add(&nr_at_gate, 1);
        for (int n = 0; !n || !atomic_compare_exchange_strong(&nr_tickets, &n, n - 1);
             n = atomic_load(&nr_tickets))
            usleep(100);
    }
    errno = atomic_load(&fail_read);
    return errno ? -1 : move(fd, iov, nr, off, false);
}

ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t off)
{
    atomic_fetch_add(&nr_writes, 1);
    errno = atomic_load(&fail_write);
    return errno ? -1 : move(fd, iov, nr, off, true);
}

static void (*on_sync)(int fd); /* everything is on the disk now */

int fdatasync(int fd)
{
    atomic_fetch_add(&nr_syncs, 1);
    errno = atomic_load(&fail_sync);
    if (errno)
        return -1;
    if (on_sync)
        on_sync(fd);
    return 0;
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
    static const uint8_t zeros[4096];
    (void)mode;
    atomic_fetch_add(&nr_allocates, 1);
    errno = atomic_load(&fail_allocate);
    if (errno)
        return -1;
    while (len) {
        const size_t n = (size_t)len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
        if (pwrite(fd, zeros, n, off) != (ssize_t)n)
            return -1;
        log_change((uint64_t)off, zeros, n);
        off += (off_t)n;
        len -= (off_t)n;
    }
    return 0;
}

#endif
