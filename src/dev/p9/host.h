/* What differs between host systems for a shared folder: host_linux.c and host_macos.c, and host.c for both. The protocol speaks Linux's numbers.
 * Any thread. */
#ifndef VIBE_DEV_P9_HOST_H
#define VIBE_DEV_P9_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Linux's number for a host errno, for Rlerror. */
uint32_t p9_host_errno(int host);

/* Opens directory `name` of the directory dirfd for use in *at() calls, never through a symbolic link. A descriptor or -errno. */
int p9_host_open_dir(int dirfd, const char *name);

/* Opens file `name` of the directory dirfd with open()'s flags, if it is a regular file or a directory: -ELOOP for a symbolic link, -EACCES for
 * devices, FIFOs and sockets, which are not opened even for a moment. A descriptor or -errno. */
int p9_host_open_file(int dirfd, const char *name, int flags);

/* host.c. 0, -ELOOP or -EACCES, as above. */
int p9_host_check_type(const struct stat *st);
/* Opens the file that `before` tells of, which is of a good type: -ESTALE when another one has taken its place. */
int p9_host_open_same(int dirfd, const char *name, int flags, const struct stat *before);

/* fsync(), or fdatasync() where the host has it. */
int p9_host_sync(int fd, bool data_only);

/* -EPERM where the host cannot. */
int p9_host_mkfifo(int dirfd, const char *name, mode_t mode);
int p9_host_mksocket(int dirfd, const char *name, mode_t mode);

struct p9_times {
    struct timespec atime, mtime, ctime;
};
struct p9_times p9_host_times(const struct stat *st);

/* A device number as Linux's kernel encodes it for user space. */
uint64_t p9_host_rdev(const struct stat *st);

#endif
