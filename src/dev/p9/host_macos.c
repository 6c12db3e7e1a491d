/* dev/p9/host.h on macOS. */
#include "dev/p9/host.h"

#include "base/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

/* Linux's numbers, where they differ. Both agree up to 34, but for EDEADLK and EAGAIN. */
static const struct {
    int host;
    uint32_t linux_nr;
} differing[] = {
    {EDEADLK, 35},   {EAGAIN, 11},     {ENAMETOOLONG, 36}, {ENOLCK, 37},    {ENOSYS, 38},
    {ENOTEMPTY, 39}, {ELOOP, 40},      {EILSEQ, 84},       {EUSERS, 87},    {EOPNOTSUPP, 95},
    {ENOTSUP, 95},   {EDQUOT, 122},    {ESTALE, 116},      {EOVERFLOW, 75}, {ENOATTR, 61},
    {EPROTO, 71},    {ETIMEDOUT, 110}, {ECANCELED, 125},
};

uint32_t p9_host_errno(int host)
{
    for (unsigned i = 0; i < ARRAY_LEN(differing); i++)
        if (differing[i].host == host)
            return differing[i].linux_nr;
    return host > 0 && host <= 34 ? (uint32_t)host : EIO;
}

int p9_host_open_dir(int dirfd, const char *name)
{
    const int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Without O_PATH the type is looked at before; what was exchanged in between is closed unused. */
int p9_host_open_file(int dirfd, const char *name, int flags)
{
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    const int r = p9_host_check_type(&st);
    return r ? r : p9_host_open_same(dirfd, name, flags, &st);
}

int p9_host_sync(int fd, bool data_only)
{
    (void)data_only;
    return fsync(fd) ? -errno : 0;
}

/* mkfifoat() came with macOS 13, and only root makes sockets by mknod(). */
int p9_host_mkfifo(int dirfd, const char *name, mode_t mode)
{
    (void)dirfd;
    (void)name;
    (void)mode;
    return -EPERM;
}

int p9_host_mksocket(int dirfd, const char *name, mode_t mode)
{
    return p9_host_mkfifo(dirfd, name, mode);
}

struct p9_times p9_host_times(const struct stat *st)
{
    return (struct p9_times){st->st_atimespec, st->st_mtimespec, st->st_ctimespec};
}

uint64_t p9_host_rdev(const struct stat *st)
{
    const uint64_t hi = (uint64_t)major(st->st_rdev), lo = (uint64_t)minor(st->st_rdev);
    return (lo & 0xff) | hi << 8 | (lo & ~UINT64_C(0xff)) << 12;
}
