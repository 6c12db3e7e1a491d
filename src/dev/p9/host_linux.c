/* dev/p9/host.h on Linux. */
#include "dev/p9/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

uint32_t p9_host_errno(int host)
{
    return (uint32_t)host;
}

int p9_host_open_dir(int dirfd, const char *name)
{
    const int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The file is pinned by O_PATH, which opens nothing, looked at, and only then opened for real: /proc gives a path to it that cannot come to
 * mean another. */
static int open_pinned(int pin, int dirfd, const char *name, int flags)
{
    struct stat st;
    char path[32];

    if (fstat(pin, &st))
        return -errno;
    const int r = p9_host_check_type(&st);
    if (r)
        return r;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", pin);
    const int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) /* no /proc here */
        return p9_host_open_same(dirfd, name, flags, &st);
    return fd < 0 ? -errno : fd;
}

int p9_host_open_file(int dirfd, const char *name, int flags)
{
    const int pin = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (pin < 0)
        return -errno;
    const int r = open_pinned(pin, dirfd, name, flags);
    close(pin);
    return r;
}

int p9_host_sync(int fd, bool data_only)
{
    return (data_only ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
}

int p9_host_mkfifo(int dirfd, const char *name, mode_t mode)
{
    return mkfifoat(dirfd, name, mode) ? -errno : 0;
}

int p9_host_mksocket(int dirfd, const char *name, mode_t mode)
{
    return mknodat(dirfd, name, S_IFSOCK | mode, 0) ? -errno : 0;
}

struct p9_times p9_host_times(const struct stat *st)
{
    return (struct p9_times){st->st_atim, st->st_mtim, st->st_ctim};
}

uint64_t p9_host_rdev(const struct stat *st)
{
    const uint64_t hi = major(st->st_rdev), lo = minor(st->st_rdev);
    return (lo & 0xff) | hi << 8 | (lo & ~UINT64_C(0xff)) << 12;
}
