/* Attributes of a shared folder's files. Threading: dev/p9/server.h.
 *
 * Owners are the host's, shown as they are. The guest's wish for another one is the host's to grant; where it refuses, the change counts as
 * made, so that programs that run as root there and copy owners along (cp -a, tar) do not fail, and a look shows who owns the file.
 * Permission bits are the guest's to choose, but for set-user-ID and set-group-ID on files. */
#include "base/bits.h"
#include "dev/p9/host.h"
#include "dev/p9/server_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_TARGET 4096u /* of a symbolic link */

static int stat_fid(struct p9_server *s, const struct p9_fid *f, struct stat *st)
{
    const char *name;

    if (f->fd >= 0)
        return p9_fstat(f->fd, st);
    const int fd = p9_tree_at(s->tree, f->node, &name);
    return fd < 0 ? fd : p9_stat_at(fd, name, st);
}

#define GETATTR_BASIC UINT64_C(0x7ff)

static void put_time(struct p9_reply *r, const struct timespec *t)
{
    p9_put_u64(r, (uint64_t)t->tv_sec);
    p9_put_u64(r, (uint64_t)t->tv_nsec);
}

int p9_do_getattr(struct p9_server *s, struct p9_call *c)
{
    const struct p9_fid *f = p9_fid_find(s, c->q.getattr.fid);
    struct stat st;

    if (!f)
        return -EBADF;
    const int r = stat_fid(s, f, &st);
    if (r)
        return r;
    const struct p9_qid qid = p9_tree_qid(s->tree, &st);
    const struct p9_times times = p9_host_times(&st);
    struct p9_reply *out = &c->reply;
    p9_put_u64(out, GETATTR_BASIC);
    p9_put_qid(out, &qid);
    p9_put_u32(out, (uint32_t)st.st_mode);
    p9_put_u32(out, (uint32_t)st.st_uid);
    p9_put_u32(out, (uint32_t)st.st_gid);
    p9_put_u64(out, (uint64_t)st.st_nlink);
    p9_put_u64(out, p9_host_rdev(&st));
    p9_put_u64(out, (uint64_t)st.st_size);
    p9_put_u64(out, (uint64_t)st.st_blksize);
    p9_put_u64(out, (uint64_t)st.st_blocks);
    put_time(out, &times.atime);
    put_time(out, &times.mtime);
    put_time(out, &times.ctime);
    for (unsigned i = 0; i < 4; i++) /* birth time, generation, data version: not among the basic ones */
        p9_put_u64(out, 0);
    return 0;
}

enum {
    SET_MODE = 1,
    SET_UID = 2,
    SET_GID = 4,
    SET_SIZE = 8,
    SET_ATIME = 0x10,
    SET_MTIME = 0x20,
    SET_CTIME = 0x40,
    SET_ATIME_TO = 0x80,
    SET_MTIME_TO = 0x100,
};

/* Where a change of attributes goes: an open file, or a name in a directory. */
struct target {
    int fd;    /* of the open file, or -1 */
    int dirfd; /* else */
    const char *name;
};

static int set_size(const struct target *t, uint64_t size)
{
    if (size > INT64_MAX)
        return -EFBIG;
    /* A fid that was opened for reading only can't. */
    if (t->fd >= 0 && (fcntl(t->fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
        return ftruncate(t->fd, (off_t)size) ? -errno : 0;
    const int fd = t->dirfd < 0 ? t->dirfd : p9_host_open_file(t->dirfd, t->name, O_WRONLY);
    if (fd < 0)
        return fd;
    const int r = ftruncate(fd, (off_t)size) ? -errno : 0;
    close(fd);
    return r;
}

static int set_owner(const struct target *t, uid_t uid, gid_t gid)
{
    const int r = t->fd >= 0 ? fchown(t->fd, uid, gid)
                             : fchownat(t->dirfd, t->name, uid, gid, AT_SYMLINK_NOFOLLOW);
    return r && errno != EPERM ? -errno : 0;
}

static int set_mode(const struct target *t, uint32_t mode)
{
    struct stat st;
    int r = t->fd >= 0 ? p9_fstat(t->fd, &st) : p9_stat_at(t->dirfd, t->name, &st);

    if (r)
        return r;
    const mode_t m = S_ISDIR(st.st_mode) ? (mode_t)(mode & P9_MODE_BITS) : p9_file_mode(mode);
    r = t->fd >= 0 ? fchmod(t->fd, m) : fchmodat(t->dirfd, t->name, m, AT_SYMLINK_NOFOLLOW);
    return r ? -errno : 0;
}

static struct timespec new_time(uint32_t valid, uint32_t set, uint32_t to, uint64_t sec, uint64_t nsec)
{
    if (!(valid & set))
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    if (!(valid & to))
        return (struct timespec){.tv_nsec = UTIME_NOW};
    return (struct timespec){.tv_sec = (time_t)sec, .tv_nsec = (long)nsec};
}

static int set_times(const struct target *t, const struct p9_setattr *q)
{
    if ((q->valid & SET_ATIME_TO && q->atime_nsec >= 1000000000) ||
        (q->valid & SET_MTIME_TO && q->mtime_nsec >= 1000000000))
        return -EINVAL;
    const struct timespec times[2] = {
        new_time(q->valid, SET_ATIME, SET_ATIME_TO, q->atime_sec, q->atime_nsec),
        new_time(q->valid, SET_MTIME, SET_MTIME_TO, q->mtime_sec, q->mtime_nsec)};
    const int r = t->fd >= 0 ? futimens(t->fd, times)
                             : utimensat(t->dirfd, t->name, times, AT_SYMLINK_NOFOLLOW);
    return r ? -errno : 0;
}

/* In the order in which one change does not undo another: a new size changes times, a new owner clears mode bits. */
int p9_do_setattr(struct p9_server *s, struct p9_call *c)
{
    const struct p9_setattr *q = &c->q.setattr;
    const struct p9_fid *f = p9_fid_find(s, q->fid);
    struct target t = {.dirfd = -1};
    int r = 0;

    if (!f)
        return -EBADF;
    t.fd = f->fd;
    t.dirfd = p9_tree_at(s->tree, f->node, &t.name);
    if (t.fd < 0 && t.dirfd < 0)
        return t.dirfd;
    if (q->valid & SET_SIZE)
        r = set_size(&t, q->size);
    if (!r && (q->valid & (SET_UID | SET_GID)))
        r = set_owner(&t, q->valid & SET_UID ? (uid_t)q->uid : (uid_t)-1,
                      q->valid & SET_GID ? (gid_t)q->gid : (gid_t)-1);
    if (!r && (q->valid & SET_MODE))
        r = set_mode(&t, q->mode);
    if (!r && (q->valid & (SET_ATIME | SET_MTIME)))
        r = set_times(&t, q);
    if (!r && q->valid == SET_CTIME)
        r = set_owner(&t, (uid_t)-1, (gid_t)-1); /* changes nothing else */
    return r;
}

int p9_do_readlink(struct p9_server *s, struct p9_call *c)
{
    const struct p9_fid *f = p9_fid_find(s, c->q.readlink.fid);
    char target[MAX_TARGET];
    const char *name;

    if (!f)
        return -EBADF;
    const int fd = p9_tree_at(s->tree, f->node, &name);
    const ssize_t n = fd < 0 ? fd : readlinkat(fd, name, target, sizeof(target));
    if (n < 0)
        return fd < 0 ? fd : -errno;
    p9_put_str(&c->reply, target, (size_t)n);
    return 0;
}

#define V9FS_MAGIC 0x01021997u

int p9_do_statfs(struct p9_server *s, struct p9_call *c)
{
    const struct p9_fid *f = p9_fid_find(s, c->q.statfs.fid);
    struct statvfs st;
    const char *name;

    if (!f)
        return -EBADF;
    const int fd = f->fd >= 0                         ? f->fd
                   : p9_node_type(f->node) == S_IFDIR ? p9_tree_dir(s->tree, f->node)
                                                      : p9_tree_at(s->tree, f->node, &name);
    if (fd < 0 || fstatvfs(fd, &st))
        return fd < 0 ? fd : -errno;
    struct p9_reply *out = &c->reply;
    p9_put_u32(out, V9FS_MAGIC);
    p9_put_u32(out, (uint32_t)(st.f_frsize ? st.f_frsize : st.f_bsize)); /* the unit of the numbers below */
    p9_put_u64(out, st.f_blocks);
    p9_put_u64(out, st.f_bfree);
    p9_put_u64(out, st.f_bavail);
    p9_put_u64(out, st.f_files);
    p9_put_u64(out, st.f_ffree);
    p9_put_u64(out, st.f_fsid);
    p9_put_u32(out, P9_MAX_NAME);
    return 0;
}
