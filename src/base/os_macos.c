/* base/os.h on macOS. Any thread. */
#ifdef __APPLE__

#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE
#endif

#include "base/os.h"
#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/disk.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <time.h>
#include <unistd.h>

uint64_t os_now_ns(void)
{
    /* CLOCK_MONOTONIC has microsecond steps here and runs on while the host sleeps; this one is the guest counter's own. */
    return clock_gettime_nsec_np(CLOCK_UPTIME_RAW);
}

int os_shm_create(const char *name, uint64_t len, struct err *e)
{
    if (!len || len > INT64_MAX)
        return err_set(e, EINVAL, "shared memory of %llu bytes", (unsigned long long)len);
    /* Names are at most 31 bytes (PSHMNAMLEN); the object keeps none: it is unlinked at once. */
    for (int attempt = 0; attempt < 16; attempt++) {
        char path[32];
        snprintf(path, sizeof(path), "/%.12s.%08x%08x", name, arc4random(), arc4random());
        int fd = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd < 0)
            return err_set(e, errno, "shm_open: %s", strerror(errno));
        shm_unlink(path);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        /* The length of an object can be set only once. */
        if (ftruncate(fd, (off_t)len)) {
            int code = errno;
            close(fd);
            return err_set(e, code, "shared memory of %llu bytes: %s", (unsigned long long)len,
                           strerror(code));
        }
        return fd;
    }
    return err_set(e, EEXIST, "shm_open: no free name");
}

uint64_t os_host_memory(void)
{
    uint64_t mem = 0;
    size_t len = sizeof(mem);
    return sysctlbyname("hw.memsize", &mem, &len, NULL, 0) ? 0 : mem;
}

void os_random(void *buf, size_t len)
{
    arc4random_buf(buf, len);
}

int os_file_lock(int fd, bool exclusive)
{
    if (!flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB))
        return 0;
    return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

int os_file_sync(int fd)
{
    /* fsync() leaves the data in the drive's cache here. Network file systems know only that. */
    if (fcntl(fd, F_FULLFSYNC) != -1)
        return 0;
    return fsync(fd) ? -errno : 0;
}

int os_file_punch(int fd, uint64_t off, uint64_t len)
{
    /* Whole blocks alone; the caller writes zeros where it is refused. */
    struct fpunchhole hole = {.fp_offset = (off_t)off, .fp_length = (off_t)len};
    if (!fcntl(fd, F_PUNCHHOLE, &hole))
        return 0;
    return errno == EINVAL || errno == ENOTSUP || errno == ENOTTY ? -EOPNOTSUPP : -errno;
}

int os_file_zero(int fd, uint64_t off, uint64_t len)
{
    (void)fd;
    (void)off;
    (void)len;
    return -EOPNOTSUPP;
}

int os_shm_discard(int fd, void *host, uint64_t off, uint64_t len)
{
    (void)fd;
    (void)off;
    /* The object has no holes; the pages are dropped, as they are, when the system needs some. */
    return madvise(host, len, MADV_FREE_REUSABLE) ? -errno : 0;
}

uint64_t os_file_mtime_ns(const struct stat *st)
{
    return (uint64_t)st->st_mtimespec.tv_sec * 1000000000u + (uint64_t)st->st_mtimespec.tv_nsec;
}

int os_block_device_len(int fd, uint64_t *len)
{
    uint64_t count;
    uint32_t size;
    if (ioctl(fd, DKIOCGETBLOCKCOUNT, &count) || ioctl(fd, DKIOCGETBLOCKSIZE, &size))
        return -errno;
    *len = count * size;
    return 0;
}

void os_thread_name(const char *name)
{
    char buf[16];
    size_t n = MIN(strlen(name), sizeof(buf) - 1);
    memcpy(buf, name, n);
    buf[n] = 0;
    pthread_setname_np(buf);
}

/* Waits of foreground threads are not put off: timer coalescing follows from the quality of service, whose default is that. */
void os_thread_exact_timers(void)
{
}

int os_cond_init(pthread_cond_t *cond)
{
    return -pthread_cond_init(cond, NULL);
}

void os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        pthread_cond_wait(cond, lock);
        return;
    }
    const uint64_t now = os_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
    const struct timespec t = {.tv_sec = (time_t)(left / 1000000000u),
                               .tv_nsec = (long)(left % 1000000000u)};
    pthread_cond_timedwait_relative_np(cond, lock, &t);
}

#endif
