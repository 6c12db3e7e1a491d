/* The part of dev/p9/host.h that needs nothing of the system. Any thread. */
#include "dev/p9/host.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int p9_host_check_type(const struct stat *st)
{
    if (S_ISLNK(st->st_mode))
        return -ELOOP;
    return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ? 0 : -EACCES;
}

int p9_host_open_same(int dirfd, const char *name, int flags, const struct stat *before)
{
    struct stat after;
    int r = 0;

    /* Truncated only once it is known to be the same file. */
    const int fd =
        openat(dirfd, name, (flags & ~O_TRUNC) | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &after))
        r = -errno;
    else if (after.st_dev != before->st_dev || after.st_ino != before->st_ino)
        r = -ESTALE;
    else if (flags & O_TRUNC && ftruncate(fd, 0))
        r = -errno;
    if (!r)
        return fd;
    close(fd);
    return r;
}
