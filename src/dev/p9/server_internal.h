/* What server.c (session, fids) and files.c and attr.c (operations on files) share. */
#ifndef VIBE_DEV_P9_SERVER_INTERNAL_H
#define VIBE_DEV_P9_SERVER_INTERNAL_H

#include "dev/p9/proto.h"
#include "dev/p9/server.h"
#include "dev/p9/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#define NR_FID_BUCKETS 4096u
#define P9_MAX_FIDS (256u * 1024)
/* Files open at a time, less when the process may have fewer. */
#define P9_MAX_OPEN 65536u
/* Of a reply that is put together here: all but the data of Rread. */
#define P9_REPLY_LEN (64u * 1024)

struct p9_fid {
    uint32_t id;
    struct p9_fid *next; /* in the bucket */
    struct p9_node *node;
    int fd;       /* of the open file or directory, else -1 */
    DIR *dir;     /* of an open directory: owns fd */
    uint64_t pos; /* where dir is, as the cookie of the last entry */
};

struct p9_server {
    struct p9_tree *tree;
    bool read_only;
    bool started; /* a version was agreed on */
    mode_t umask; /* the process's, which the guest's files are not to have */
    uint32_t msize;
    unsigned nr_fids, nr_open, max_open;
    struct p9_fid *bucket[NR_FID_BUCKETS];
    uint8_t request[P9_MAX_FIELDS_LEN];
    uint8_t reply[P9_REPLY_LEN];
};

/* One message while it is handled. */
struct p9_call {
    struct p9_request q;
    struct p9_reply reply; /* in s->reply, with room for the header */
    const struct iovec *out, *in;
    unsigned nr_out, nr_in;
    size_t in_len;   /* of in in all, at most msize */
    size_t data_len; /* of Rread: bytes that were put into in behind the reply's fields */
};

/* Handlers return 0 or a host's -errno. */
typedef int p9_handler(struct p9_server *s, struct p9_call *c);

struct p9_fid *p9_fid_find(struct p9_server *s, uint32_t id);

#define P9_MODE_BITS 07777u
#define P9_SET_ID_BITS 06000u

/* The permission bits of a file that the guest makes or changes. Without set-user-ID and set-group-ID: a program of the guest's must not run
 * on the host with the rights of the VMM's user. */
static inline mode_t p9_file_mode(uint32_t mode)
{
    return (mode_t)(mode & P9_MODE_BITS & ~P9_SET_ID_BITS);
}

static inline int p9_fstat(int fd, struct stat *st)
{
    return fstat(fd, st) ? -errno : 0;
}

static inline int p9_stat_at(int dirfd, const char *name, struct stat *st)
{
    return fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

/* server.c. Takes over the caller's reference to the node, also when it fails. */
int p9_fid_add(struct p9_server *s, uint32_t id, struct p9_node *node);

/* files.c and attr.c */
void p9_fid_open(struct p9_server *s, struct p9_fid *f, int dirfd, const char *name, int flags);
void p9_fid_close(struct p9_server *s, struct p9_fid *f);
p9_handler p9_do_statfs, p9_do_lopen, p9_do_lcreate, p9_do_symlink, p9_do_mknod, p9_do_rename,
    p9_do_readlink, p9_do_getattr, p9_do_setattr, p9_do_readdir, p9_do_fsync, p9_do_link,
    p9_do_mkdir, p9_do_renameat, p9_do_unlinkat, p9_do_read, p9_do_write;

#endif
