/* A shared folder's session to and from a snapshot: the fids, by the places of their files. Threading: dev/p9/server.h. */
#include "base/bits.h"
#include "base/snap.h"
#include "dev/p9/host.h"
#include "dev/p9/server_internal.h"

#include <stdlib.h>
#include <string.h>

/* How a file was opened, in the snapshot. */
enum {
    OPEN_WRITE = 1,
    OPEN_READ_WRITE = 2,
    OPEN_APPEND = 4,
    OPEN_DSYNC = 8,
    OPEN_SYNC = 16,
    OPEN_ALL = 31
};

static const struct {
    uint32_t ours;
    int host;
} open_flags[] = {{OPEN_APPEND, O_APPEND}, {OPEN_DSYNC, O_DSYNC}, {OPEN_SYNC, O_SYNC}};

static uint32_t flags_of(int fd)
{
    const int host = fcntl(fd, F_GETFL), mode = host & O_ACCMODE;
    uint32_t flags = mode == O_RDWR ? OPEN_READ_WRITE : mode == O_WRONLY ? OPEN_WRITE : 0;

    for (unsigned i = 0; i < ARRAY_LEN(open_flags); i++)
        if ((host & open_flags[i].host) == open_flags[i].host)
            flags |= open_flags[i].ours;
    return flags;
}

/* What cannot be opened any more stays closed: the guest's reads and writes fail. */
static void reopen(struct p9_server *s, struct p9_fid *f, uint32_t flags)
{
    int host = flags & OPEN_READ_WRITE ? O_RDWR : flags & OPEN_WRITE ? O_WRONLY : O_RDONLY;
    const char *name;

    for (unsigned i = 0; i < ARRAY_LEN(open_flags); i++)
        host |= flags & open_flags[i].ours ? open_flags[i].host : 0;
    if ((s->read_only && host & (O_WRONLY | O_RDWR)) || s->nr_open >= s->max_open)
        return;
    const int dirfd = p9_tree_at(s->tree, f->node, &name);
    if (dirfd >= 0)
        p9_fid_open(s, f, dirfd, name, host);
}

/* The state of one fid as it is in the snapshot. */
struct saved_fid {
    uint32_t id;
    bool open;
    uint32_t flags; /* OPEN_* */
    uint64_t ino;
    uint32_t type; /* of struct stat */
    char *path;    /* null: dead */
};

static void snap_fid(struct snap *sn, struct saved_fid *f)
{
    SNAP_ANY(sn, f, id);
    SNAP_BOOL(sn, f, open);
    SNAP_MASK(sn, f, flags, OPEN_ALL);
    SNAP_ANY(sn, f, ino);
    SNAP_MASK(sn, f, type, S_IFMT);
    snap_string(sn, "path", &f->path, P9_MAX_DEPTH * (P9_MAX_NAME + 1));
}

static void save_fid(struct p9_server *s, struct snap *sn, struct p9_fid *f)
{
    struct saved_fid saved = {.id = f->id, .open = f->fd >= 0};
    struct stat st;

    p9_node_stat(f->node, &st);
    saved.flags = saved.open ? flags_of(f->fd) : 0;
    saved.ino = st.st_ino;
    saved.type = st.st_mode & S_IFMT;
    if (p9_node_path(s->tree, f->node, &saved.path))
        snap_fail(sn, "out of memory");
    snap_fid(sn, &saved);
    free(saved.path);
}

/* The node at that place, if the file that is there is the one that was. The caller's to put; null: it is not. */
static struct p9_node *find_node(struct p9_server *s, char *path, const struct stat *was)
{
    struct p9_node *at = p9_node_get(p9_tree_root(s->tree));
    struct stat st;

    for (char *rest = path, *name; rest && *rest;) {
        struct p9_node *next = NULL;
        name = strsep(&rest, "/");
        const bool found = !p9_check_name(name) && !p9_tree_walk(s->tree, at, name, &next, &st);
        p9_node_put(s->tree, at);
        if (!found)
            return NULL;
        at = next;
    }
    p9_node_stat(at, &st);
    if (at == p9_tree_root(s->tree) || (st.st_ino == was->st_ino && st.st_mode == was->st_mode))
        return at;
    p9_node_put(s->tree, at);
    return NULL;
}

static void load_fid(struct p9_server *s, struct snap *sn)
{
    struct saved_fid saved = {0};

    snap_fid(sn, &saved);
    if (!sn->failed && p9_fid_find(s, saved.id))
        snap_fail(sn, "fid %u is there twice", saved.id);
    if (!sn->failed) {
        const struct stat st = {.st_ino = (ino_t)saved.ino, .st_mode = (mode_t)saved.type};
        struct p9_node *node = saved.path ? find_node(s, saved.path, &st) : NULL;
        if (!node)
            node = p9_tree_dead(s->tree, &st);
        if (!node || p9_fid_add(s, saved.id, node))
            snap_fail(sn, "out of memory, or of descriptors");
        else if (saved.open)
            reopen(s, p9_fid_find(s, saved.id), saved.flags);
    }
    free(saved.path);
}

void p9_server_snap(struct p9_server *s, struct snap *sn)
{
    uint32_t nr = s->nr_fids;

    SNAP_BOOL(sn, s, started);
    SNAP(sn, s, msize, P9_MAX_MSIZE);
    if (sn->loading && !sn->failed && s->msize < P9_MIN_MSIZE)
        snap_fail(sn, "messages of %u bytes", s->msize);
    p9_tree_snap(s->tree, sn);
    snap_numbers(sn, "nr_fids", &nr, sizeof(nr), 1, P9_MAX_FIDS);
    if (sn->loading) {
        for (uint32_t i = 0; i < nr && !sn->failed; i++)
            load_fid(s, sn);
        return;
    }
    for (unsigned i = 0; i < NR_FID_BUCKETS; i++)
        for (struct p9_fid *f = s->bucket[i]; f; f = f->next)
            save_fid(s, sn, f);
}
