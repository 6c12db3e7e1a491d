/* base/os.h on Linux. Any thread. */
#ifdef __linux__

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t os_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

int os_shm_create(const char *name, uint64_t len, struct err *e)
{
    if (!len || len > INT64_MAX)
        return err_set(e, EINVAL, "shared memory of %llu bytes", (unsigned long long)len);
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno, "memfd_create: %s", strerror(errno));
    if (ftruncate(fd, (off_t)len)) {
        int code = errno;
        close(fd);
        return err_set(e, code, "shared memory of %llu bytes: %s", (unsigned long long)len,
                       strerror(code));
    }
    return fd;
}

uint64_t os_host_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? (uint64_t)pages * os_page_size() : 0;
}

void os_random(void *buf, size_t len)
{
    char *p = buf;
    while (len) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0) {
            /* Nothing but EINTR can happen on a kernel that has the call (3.17). */
            if (errno == EINTR)
                continue;
            BUG("getrandom: %s", strerror(errno));
        }
        p += n;
        len -= (size_t)n;
    }
}

int os_file_lock(int fd, bool exclusive)
{
    /* Locks of the open file and not of the process: a second open of the same file here is refused too. */
    struct flock l = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    if (!fcntl(fd, F_OFD_SETLK, &l))
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

int os_file_sync(int fd)
{
    return fdatasync(fd) ? -errno : 0;
}

static int allocate(int fd, int mode, uint64_t off, uint64_t len)
{
    while (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len))
        if (errno != EINTR)
            /* EINVAL: of a block device only whole blocks of its own. */
            return errno == ENODEV || errno == ENOSYS || errno == EINVAL ? -EOPNOTSUPP : -errno;
    return 0;
}

int os_file_punch(int fd, uint64_t off, uint64_t len)
{
    return allocate(fd, FALLOC_FL_PUNCH_HOLE, off, len);
}

int os_file_zero(int fd, uint64_t off, uint64_t len)
{
    return allocate(fd, FALLOC_FL_ZERO_RANGE, off, len);
}

int os_shm_discard(int fd, void *host, uint64_t off, uint64_t len)
{
    (void)host;
    return os_file_punch(fd, off, len);
}

uint64_t os_file_mtime_ns(const struct stat *st)
{
    return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

int os_block_device_len(int fd, uint64_t *len)
{
    return ioctl(fd, BLKGETSIZE64, len) ? -errno : 0;
}

void os_thread_name(const char *name)
{
    char buf[16];
    size_t n = MIN(strlen(name), sizeof(buf) - 1);
    memcpy(buf, name, n);
    buf[n] = 0;
    pthread_setname_np(pthread_self(), buf);
}

void os_thread_exact_timers(void)
{
    prctl(PR_SET_TIMERSLACK, 1); /* ns; by default 50,000 */
}

int os_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int r = pthread_condattr_init(&attr);
    if (r)
        return -r;
    r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (!r)
        r = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return -r;
}

void os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        pthread_cond_wait(cond, lock);
        return;
    }
    const struct timespec t = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                               .tv_nsec = (long)(deadline_ns % 1000000000u)};
    pthread_cond_timedwait(cond, lock, &t);
}

#endif
