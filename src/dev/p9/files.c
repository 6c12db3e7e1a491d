/* What a shared folder's server does with the host's files: opening and creating, data, directories. Threading: dev/p9/server.h.
 *
 * Everything is done as the user who runs the VMM, with no more rights, and what is made belongs to that user. */
#include "base/bits.h"
#include "base/iov.h"
#include "dev/p9/host.h"
#include "dev/p9/server_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Open flags of the protocol; its numbers are Linux's generic ones on every client. */
enum {
    L_ACCMODE = 3,
    L_WRONLY = 1,
    L_RDWR = 2,
    L_EXCL = 0200,
    L_TRUNC = 01000,
    L_APPEND = 02000,
    L_DSYNC = 010000,
    L_DIRECTORY = 0200000,
    L_SYNC = 04000000,
};

/* Those that mean something here. O_DIRECT, O_NONBLOCK and the like are the guest's own affair. */
static int host_flags(uint32_t l, int *flags)
{
    if ((l & L_ACCMODE) == L_ACCMODE)
        return -EINVAL;
    *flags = (l & L_RDWR     ? O_RDWR
              : l & L_WRONLY ? O_WRONLY
                             : O_RDONLY) |
             (l & L_TRUNC ? O_TRUNC : 0) | (l & L_APPEND ? O_APPEND : 0) | (l & L_DSYNC ? O_DSYNC : 0) |
             (l & L_SYNC ? O_SYNC : 0) | (l & L_DIRECTORY ? O_DIRECTORY : 0);
    return 0;
}

/* The fid's directory, in which something is done to `name`. A descriptor of the tree's, or -errno. */
static int dir_for(struct p9_server *s, uint32_t fid, const char *name)
{
    const struct p9_fid *f = p9_fid_find(s, fid);
    const int r = p9_check_name(name);

    if (!f)
        return -EBADF;
    return r ? r : p9_tree_dir(s->tree, f->node);
}

static int reply_qid_at(struct p9_server *s, struct p9_call *c, int fd, const char *name)
{
    struct stat st;
    const int r = p9_stat_at(fd, name, &st);

    if (r)
        return r;
    const struct p9_qid qid = p9_tree_qid(s->tree, &st);
    p9_put_qid(&c->reply, &qid);
    return 0;
}

/* --- Open and closed ------------------------------------------------------------------------------------------------ */

void p9_fid_close(struct p9_server *s, struct p9_fid *f)
{
    if (f->fd < 0)
        return;
    if (f->dir)
        closedir(f->dir);
    else
        close(f->fd);
    f->dir = NULL;
    f->fd = -1;
    s->nr_open--;
}

/* The fid's file is open as fd from here on; closed when this fails. */
static int set_open(struct p9_server *s, struct p9_fid *f, int fd, const struct stat *st)
{
    if (S_ISDIR(st->st_mode)) {
        f->dir = fdopendir(fd);
        if (!f->dir) {
            const int r = -errno;
            close(fd);
            return r;
        }
        f->pos = 0;
    }
    f->fd = fd;
    s->nr_open++;
    return 0;
}

/* Opens what is there, and tells what it is. */
static int open_file(int dirfd, const char *name, int flags, struct stat *st)
{
    const int fd = p9_host_open_file(dirfd, name, flags);
    const int r = fd < 0 ? fd : p9_fstat(fd, st);

    if (r && fd >= 0)
        close(fd);
    return r ? r : fd;
}

/* Opens a fid's file again; it stays closed where that fails. */
void p9_fid_open(struct p9_server *s, struct p9_fid *f, int dirfd, const char *name, int flags)
{
    struct stat st, of_node;
    const int fd = open_file(dirfd, name, flags, &st);

    p9_node_stat(f->node, &of_node);
    if (fd >= 0 && st.st_ino == of_node.st_ino)
        set_open(s, f, fd, &st);
    else if (fd >= 0)
        close(fd);
}

static int reply_open(struct p9_server *s, struct p9_call *c, struct p9_fid *f, int fd,
                      const struct stat *st)
{
    const struct p9_qid qid = p9_tree_qid(s->tree, st);
    const int r = set_open(s, f, fd, st);

    if (r)
        return r;
    p9_put_qid(&c->reply, &qid);
    p9_put_u32(&c->reply, 0); /* iounit: what fits in a message */
    return 0;
}

int p9_do_lopen(struct p9_server *s, struct p9_call *c)
{
    struct p9_fid *f = p9_fid_find(s, c->q.lopen.fid);
    const char *name;
    struct stat st;
    int flags;

    if (!f || f->fd >= 0)
        return -EBADF;
    int r = host_flags(c->q.lopen.flags, &flags);
    if (r)
        return r;
    if (s->read_only && (flags & (O_WRONLY | O_RDWR | O_TRUNC)))
        return -EROFS;
    if (s->nr_open >= s->max_open)
        return -EMFILE;
    const int dirfd = p9_tree_at(s->tree, f->node, &name);
    const int fd = dirfd < 0 ? dirfd : open_file(dirfd, name, flags, &st);
    return fd < 0 ? fd : reply_open(s, c, f, fd, &st);
}

/* A new file, or without O_EXCL one that is there. */
static int create_file(const struct p9_server *s, int dirfd, const struct p9_lcreate *q, int flags,
                       struct stat *st)
{
    const mode_t mode = p9_file_mode(q->mode);
    int fd = openat(dirfd, q->name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

    if (fd < 0 && errno == EEXIST && !(q->flags & L_EXCL))
        return open_file(dirfd, q->name, flags, st);
    if (fd < 0)
        return -errno;
    if (mode & s->umask)
        fchmod(fd, mode);
    const int r = p9_fstat(fd, st);
    if (r)
        close(fd);
    return r ? r : fd;
}

int p9_do_lcreate(struct p9_server *s, struct p9_call *c)
{
    const struct p9_lcreate *q = &c->q.lcreate;
    struct p9_fid *f = p9_fid_find(s, q->fid);
    const int dirfd = dir_for(s, q->fid, q->name);
    struct p9_node *node;
    struct stat st;
    int flags;

    if (dirfd < 0 || f->fd >= 0)
        return dirfd < 0 ? dirfd : -EBADF;
    int r = host_flags(q->flags & ~(uint32_t)L_DIRECTORY, &flags);
    if (r)
        return r;
    if (s->nr_open >= s->max_open)
        return -EMFILE;
    const int fd = create_file(s, dirfd, q, flags, &st);
    if (fd < 0)
        return fd;
    struct stat at_name;
    r = p9_tree_walk(s->tree, f->node, q->name, &node, &at_name);
    if (r) {
        close(fd);
        return r;
    }
    r = reply_open(s, c, f, fd, &st);
    p9_node_put(s->tree, r ? node : f->node);
    if (!r)
        f->node = node;
    return r;
}

/* --- Data ----------------------------------------------------------------------------------------------------------- */

/* Offset and length of a read or write as the host takes them. */
static bool bad_range(uint64_t offset, size_t len)
{
    return offset > (uint64_t)INT64_MAX - len;
}

int p9_do_read(struct p9_server *s, struct p9_call *c)
{
    const struct p9_read *q = &c->q.read;
    const struct p9_fid *f = p9_fid_find(s, q->fid);
    const size_t at = P9_HEADER_LEN + 4;
    struct iovec part[P9_MAX_PARTS];

    if (!f || f->fd < 0)
        return -EBADF;
    if (f->dir)
        return -EISDIR;
    const size_t len = MIN((size_t)q->count, c->in_len - at);
    if (bad_range(q->offset, len))
        return -EINVAL;
    const unsigned nr = iov_slice(part, P9_MAX_PARTS, c->in, c->nr_in, at, len);
    const ssize_t n = nr ? preadv(f->fd, part, (int)nr, (off_t)q->offset) : 0;
    if (n < 0)
        return -errno;
    p9_put_u32(&c->reply, (uint32_t)n);
    c->data_len = (size_t)n;
    return 0;
}

int p9_do_write(struct p9_server *s, struct p9_call *c)
{
    const struct p9_write *q = &c->q.write;
    const struct p9_fid *f = p9_fid_find(s, q->fid);
    struct iovec part[P9_MAX_PARTS];

    if (!f || f->fd < 0)
        return -EBADF;
    if (f->dir)
        return -EISDIR;
    if (bad_range(q->offset, q->count))
        return -EINVAL;
    const unsigned nr = iov_slice(part, P9_MAX_PARTS, c->out, c->nr_out, c->q.data_at, q->count);
    const ssize_t n = nr ? pwritev(f->fd, part, (int)nr, (off_t)q->offset) : 0;
    if (n < 0)
        return -errno;
    p9_put_u32(&c->reply, (uint32_t)n);
    return 0;
}

int p9_do_fsync(struct p9_server *s, struct p9_call *c)
{
    const struct p9_fid *f = p9_fid_find(s, c->q.fsync.fid);

    if (!f || f->fd < 0)
        return -EBADF;
    if (s->read_only)
        return 0;
    return p9_host_sync(f->fd, c->q.fsync.datasync);
}

/* --- Directories ---------------------------------------------------------------------------------------------------- */

/* The entry's identity without looking at its file: what is mounted there shows the folder below. */
static struct p9_qid entry_qid(struct p9_server *s, const struct p9_fid *f, const struct dirent *de,
                               dev_t dev)
{
    struct stat st;

    /* The folder's own parent is none of the guest's business. */
    if ((!strcmp(de->d_name, "..") && f->node == p9_tree_root(s->tree)) || de->d_type == DT_UNKNOWN)
        if (!p9_stat_at(f->fd, !strcmp(de->d_name, "..") ? "." : de->d_name, &st))
            return p9_tree_qid(s->tree, &st);
    return (struct p9_qid){
        .type = de->d_type == DT_DIR   ? P9_QTDIR
                : de->d_type == DT_LNK ? P9_QTSYMLINK
                                       : P9_QTFILE,
        .path = p9_tree_qid_path(s->tree, dev, de->d_ino),
    };
}

static uint8_t entry_type(const struct dirent *de, const struct p9_qid *qid)
{
    if (de->d_type != DT_UNKNOWN)
        return de->d_type;
    return qid->type == P9_QTDIR ? DT_DIR : qid->type == P9_QTSYMLINK ? DT_LNK : DT_UNKNOWN;
}

/* To the entry behind the one that had the cookie pos; 0: to the first. */
static void seek_dir(struct p9_fid *f, uint64_t pos)
{
    if (pos)
        seekdir(f->dir, (long)pos);
    else
        rewinddir(f->dir); /* which also sees what is new */
    f->pos = pos;
}

int p9_do_readdir(struct p9_server *s, struct p9_call *c)
{
    const struct p9_readdir *q = &c->q.readdir;
    struct p9_fid *f = p9_fid_find(s, q->fid);
    struct stat st;

    if (!f || !f->dir)
        return -EBADF;
    int r = p9_fstat(f->fd, &st);
    if (r)
        return r;
    if (!q->offset || q->offset != f->pos)
        seek_dir(f, q->offset);

    struct p9_reply *out = &c->reply;
    const size_t count_at = out->at;
    p9_put_u32(out, 0);
    const size_t start = out->at, end = start + MIN((size_t)q->count, out->len - MIN(out->len, start));
    for (;;) {
        errno = 0;
        const struct dirent *de = readdir(f->dir);
        if (!de) {
            if (errno && out->at == start)
                return -errno;
            break;
        }
        const size_t name_len = strlen(de->d_name);
        const uint64_t next = (uint64_t)telldir(f->dir);
        if (P9_QID_LEN + 8 + 1 + 2 + name_len > end - out->at) {
            /* Too small a count for even one is an error; an empty reply would mean the end. */
            if (out->at == start)
                r = -EINVAL;
            seek_dir(f, f->pos);
            break;
        }
        const struct p9_qid qid = entry_qid(s, f, de, st.st_dev);
        p9_put_qid(out, &qid);
        p9_put_u64(out, next);
        p9_put_u8(out, entry_type(de, &qid));
        p9_put_str(out, de->d_name, name_len);
        f->pos = next;
    }
    const uint32_t n = (uint32_t)(out->at - start);
    memcpy(out->buf + count_at, &n, sizeof(n));
    return r;
}

int p9_do_mkdir(struct p9_server *s, struct p9_call *c)
{
    const struct p9_mkdir *q = &c->q.mkdir;
    const mode_t mode = (mode_t)(q->mode & P9_MODE_BITS);
    const int fd = dir_for(s, q->fid, q->name);

    if (fd < 0)
        return fd;
    if (mkdirat(fd, q->name, mode))
        return -errno;
    if (mode & (s->umask | P9_SET_ID_BITS))
        fchmodat(fd, q->name, mode, AT_SYMLINK_NOFOLLOW);
    return reply_qid_at(s, c, fd, q->name);
}

int p9_do_symlink(struct p9_server *s, struct p9_call *c)
{
    const struct p9_symlink *q = &c->q.symlink;
    const int fd = dir_for(s, q->fid, q->name);

    if (fd < 0)
        return fd;
    return symlinkat(q->target, fd, q->name) ? -errno : reply_qid_at(s, c, fd, q->name);
}

/* Regular files, and FIFOs and sockets, which live in the guest's kernel and are a name here. No devices: who opened one on the host would
 * be at the host's device. */
int p9_do_mknod(struct p9_server *s, struct p9_call *c)
{
    const struct p9_mknod *q = &c->q.mknod;
    const mode_t mode = p9_file_mode(q->mode);
    const int fd = dir_for(s, q->fid, q->name);
    int r = 0;

    if (fd < 0)
        return fd;
    switch (q->mode & S_IFMT) {
    case 0:
    case S_IFREG: {
        const int new = openat(fd, q->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        r = new < 0 ? -errno : 0;
        if (new >= 0)
            close(new);
        break;
    }
    case S_IFIFO: r = p9_host_mkfifo(fd, q->name, mode); break;
    case S_IFSOCK: r = p9_host_mksocket(fd, q->name, mode); break;
    default: return -EPERM;
    }
    if (r)
        return r;
    if (mode & s->umask)
        fchmodat(fd, q->name, mode, AT_SYMLINK_NOFOLLOW);
    return reply_qid_at(s, c, fd, q->name);
}

int p9_do_link(struct p9_server *s, struct p9_call *c)
{
    const struct p9_link *q = &c->q.link;
    const struct p9_fid *f = p9_fid_find(s, q->fid);
    const char *old;

    if (!f)
        return -EBADF;
    const int from = p9_tree_at(s->tree, f->node, &old),
              to = from < 0 ? from : dir_for(s, q->dfid, q->name);
    if (to < 0)
        return to;
    /* Not AT_SYMLINK_FOLLOW: of a symbolic link, the link itself. */
    return linkat(from, old, to, q->name, 0) ? -errno : 0;
}

int p9_do_rename(struct p9_server *s, struct p9_call *c)
{
    const struct p9_fid *f = p9_fid_find(s, c->q.rename.fid), *dir = p9_fid_find(s, c->q.rename.dfid);
    return f && dir ? p9_node_rename(s->tree, f->node, dir->node, c->q.rename.name) : -EBADF;
}

int p9_do_renameat(struct p9_server *s, struct p9_call *c)
{
    const struct p9_renameat *q = &c->q.renameat;
    const struct p9_fid *from = p9_fid_find(s, q->olddirfid), *to = p9_fid_find(s, q->newdirfid);
    return from && to ? p9_tree_rename(s->tree, from->node, q->oldname, to->node, q->newname) : -EBADF;
}

#define AT_REMOVEDIR_9P 0x200u

int p9_do_unlinkat(struct p9_server *s, struct p9_call *c)
{
    const struct p9_unlinkat *q = &c->q.unlinkat;
    const struct p9_fid *f = p9_fid_find(s, q->dirfid);

    if (!f)
        return -EBADF;
    if (q->flags & ~AT_REMOVEDIR_9P)
        return -EINVAL;
    return p9_tree_unlink(s->tree, f->node, q->name, q->flags & AT_REMOVEDIR_9P);
}
