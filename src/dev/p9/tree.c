/* The nodes of a shared folder. Threading: dev/p9/tree.h. */
#include "dev/p9/tree.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/snap.h"
#include "dev/p9/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NR_BUCKETS 4096u
#define NR_DEVS 256u /* file systems mounted below the folder that are told apart */

struct p9_node {
    struct p9_node *parent; /* null: the root, or dead */
    struct p9_node *next;   /* in the bucket */
    unsigned refs;          /* fids and children */
    dev_t dev;              /* of the file that was walked to */
    ino_t ino;
    mode_t type;
    char *name;
};

struct p9_tree {
    struct p9_node *root;
    struct p9_node *bucket[NR_BUCKETS]; /* by parent and name */
    unsigned nr_nodes;
    int root_fd;
    int dir_fd[2]; /* the last two that p9_tree_dir() has opened, or -1 */
    unsigned next_dir;
    unsigned nr_devs;
    dev_t dev[NR_DEVS];
};

/* --- Nodes ---------------------------------------------------------------------------------------------------------- */

static struct p9_node **bucket_of(struct p9_tree *t, const struct p9_node *parent, const char *name)
{
    uint64_t h = (uintptr_t)parent >> 4;
    for (const char *p = name; *p; p++)
        h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    return &t->bucket[(h ^ h >> 24) % NR_BUCKETS];
}

/* Where the pointer to the node of that name stands, or the null at the chain's end. */
static struct p9_node **find(struct p9_tree *t, const struct p9_node *parent, const char *name)
{
    struct p9_node **at = bucket_of(t, parent, name);
    while (*at && ((*at)->parent != parent || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    return at;
}

static void insert(struct p9_tree *t, struct p9_node *n, struct p9_node *parent)
{
    struct p9_node **at = bucket_of(t, parent, n->name);
    n->parent = p9_node_get(parent);
    n->next = *at;
    *at = n;
}

/* Takes the node out of its place; the parent's reference is the caller's to put. */
static struct p9_node *take_out(struct p9_tree *t, struct p9_node *n)
{
    struct p9_node **at = bucket_of(t, n->parent, n->name), *parent = n->parent;
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    n->parent = n->next = NULL;
    return parent;
}

static void kill_node(struct p9_tree *t, struct p9_node *n)
{
    if (n->parent)
        p9_node_put(t, take_out(t, n));
}

static struct p9_node *new_node(struct p9_tree *t, const char *name, const struct stat *st)
{
    struct p9_node *n = t->nr_nodes < P9_MAX_NODES ? malloc(sizeof(*n)) : NULL;
    char *copy = n ? strdup(name) : NULL;

    if (!copy) {
        free(n);
        return NULL;
    }
    *n = (struct p9_node){

        .refs = 1, .dev = st->st_dev, .ino = st->st_ino, .type = st->st_mode & S_IFMT, .name = copy};
    t->nr_nodes++;
    return n;
}

struct p9_node *p9_tree_root(struct p9_tree *t)
{
    return t->root;
}

struct p9_node *p9_node_get(struct p9_node *n)
{
    n->refs++;
    return n;
}

void p9_node_put(struct p9_tree *t, struct p9_node *n)
{
    while (n && !--n->refs) {
        struct p9_node *parent = n->parent ? take_out(t, n) : NULL;
        free(n->name);
        free(n);
        t->nr_nodes--;
        n = parent;
    }
}

mode_t p9_node_type(const struct p9_node *n)
{
    return n->type;
}

/* --- The tree ------------------------------------------------------------------------------------------------------- */

struct p9_tree *p9_tree_create(const char *dir, struct err *e)
{
    struct p9_tree *t = calloc(1, sizeof(*t));
    struct stat st;

    if (!t) {
        err_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    /* Not O_PATH: this one is also read, changed and synced. A link here is the user's own word. */
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        if (errno == ENOTDIR)
            err_set(e, ENOTDIR, "%s: not a folder; a folder is what can be shared", dir);
        else
            err_set(e, errno, "%s: %s", dir, strerror(errno));
        goto fail;
    }
    t->root = new_node(t, "", &st);
    if (!t->root) {
        err_set(e, ENOMEM, "out of memory");
        goto fail;
    }
    t->root_fd = fd;
    t->dir_fd[0] = t->dir_fd[1] = -1;
    t->dev[t->nr_devs++] = st.st_dev;
    return t;
fail:
    if (fd >= 0)
        close(fd);
    free(t);
    return NULL;
}

void p9_tree_destroy(struct p9_tree *t)
{
    if (!t)
        return;
    BUG_ON(t->root->refs != 1 || t->nr_nodes != 1);
    for (unsigned i = 0; i < 2; i++)
        if (t->dir_fd[i] >= 0)
            close(t->dir_fd[i]);
    close(t->root_fd);
    free(t->root->name);
    free(t->root);
    free(t);
}

/* One step down, to the directory that n was when it was walked to: another one in its place is not what the guest has a fid for. */
static int step(int fd, const struct p9_node *n)
{
    const int next = p9_host_open_dir(fd, n->name);
    struct stat st;

    if (next < 0)
        return next;
    if (!fstat(next, &st) && st.st_dev == n->dev && st.st_ino == n->ino)
        return next;
    close(next);
    return -ESTALE;
}

int p9_tree_dir(struct p9_tree *t, struct p9_node *n)
{
    const struct p9_node *chain[P9_MAX_DEPTH], *up = n;
    unsigned len = 0;

    for (; up != t->root; up = up->parent) {
        if (!up->parent)
            return -ENOENT;
        if (len == P9_MAX_DEPTH)
            return -ENAMETOOLONG;
        chain[len++] = up;
    }
    if (!len)
        return t->root_fd;
    int fd = t->root_fd;
    while (len--) {
        const int next = step(fd, chain[len]);
        if (fd != t->root_fd)
            close(fd);
        if (next < 0)
            return next;
        fd = next;
    }
    int *keep = &t->dir_fd[t->next_dir ^= 1];
    if (*keep >= 0)
        close(*keep);
    return *keep = fd;
}

int p9_tree_at(struct p9_tree *t, struct p9_node *n, const char **name)
{
    if (n == t->root) {
        *name = ".";
        return t->root_fd;
    }
    if (!n->parent)
        return -ENOENT;
    *name = n->name;
    return p9_tree_dir(t, n->parent);
}

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

int p9_check_name(const char *name)
{
    if (!*name || strchr(name, '/'))
        return -EINVAL;
    if (strlen(name) > P9_MAX_NAME)
        return -ENAMETOOLONG;
    return is_dots(name) ? -EEXIST : 0;
}

int p9_tree_walk(struct p9_tree *t, struct p9_node *dir, const char *name, struct p9_node **out,
                 struct stat *st)
{
    int r = p9_check_name(name);

    if (r == -EEXIST) {
        struct p9_node *n = strcmp(name, "..") != 0 || dir == t->root ? dir : dir->parent;
        const char *at_name;
        if (!n)
            return -ENOENT;
        const int fd = p9_tree_at(t, n, &at_name);
        if (fd < 0 || fstatat(fd, at_name, st, AT_SYMLINK_NOFOLLOW))
            return fd < 0 ? fd : -errno;
        *out = p9_node_get(n);
        return 0;
    }
    if (r)
        return r;
    const int fd = p9_tree_dir(t, dir);
    if (fd < 0)
        return fd;
    if (fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    struct p9_node *n = *find(t, dir, name);
    if (n && n->dev == st->st_dev && n->ino == st->st_ino && n->type == (st->st_mode & S_IFMT)) {
        *out = p9_node_get(n);
        return 0;
    }
    /* Somebody on the host has put another file there. */
    if (n)
        kill_node(t, n);
    n = new_node(t, name, st);
    if (!n)
        return -ENFILE;
    insert(t, n, dir);
    *out = n;
    return 0;
}

/* The node `moved` gets a new place; name is its to keep. */
static void move_node(struct p9_tree *t, struct p9_node *moved, struct p9_node *to, char *name)
{
    bool loop = to == moved;

    /* Where the host has renamed too, the nodes may say that a folder goes into itself. The host's kernel knew better. */
    for (const struct p9_node *up = to->parent; up && !loop; up = up->parent)
        loop = up == moved;
    struct p9_node *parent = take_out(t, moved);
    free(moved->name);
    moved->name = name;
    if (!loop)
        insert(t, moved, to);
    p9_node_put(t, parent);
}

/* After the rename: the nodes follow. Two names of one file stay as they are (rename(2)). */
static bool was_moved(int fd, const char *name, const struct stat *before)
{
    struct stat after;
    return fstatat(fd, name, &after, AT_SYMLINK_NOFOLLOW) || after.st_dev != before->st_dev ||
           after.st_ino != before->st_ino;
}

int p9_tree_rename(struct p9_tree *t, struct p9_node *from, const char *from_name,
                   struct p9_node *to, const char *to_name)
{
    struct stat before;
    int r;

    if ((r = p9_check_name(from_name)) || (r = p9_check_name(to_name)))
        return r == -EEXIST ? -EBUSY : r;
    const int from_fd = p9_tree_dir(t, from), to_fd = from_fd < 0 ? from_fd : p9_tree_dir(t, to);
    if (to_fd < 0)
        return to_fd;
    char *copy = strdup(to_name);
    if (!copy)
        return -ENOMEM;
    if (fstatat(from_fd, from_name, &before, AT_SYMLINK_NOFOLLOW) ||
        renameat(from_fd, from_name, to_fd, to_name)) {
        r = -errno;
    } else if (was_moved(from_fd, from_name, &before)) {
        struct p9_node *moved = *find(t, from, from_name), *replaced = *find(t, to, to_name);
        if (replaced)
            kill_node(t, replaced);
        if (moved) {
            move_node(t, moved, to, copy);
            copy = NULL;
        }
    }
    free(copy);
    return r;
}

int p9_tree_unlink(struct p9_tree *t, struct p9_node *dir, const char *name, bool is_dir)
{
    const int r = p9_check_name(name);

    if (r)
        return r == -EEXIST ? -EINVAL : r;
    const int fd = p9_tree_dir(t, dir);
    if (fd < 0)
        return fd;
    if (unlinkat(fd, name, is_dir ? AT_REMOVEDIR : 0))
        return -errno;
    struct p9_node *n = *find(t, dir, name);
    if (n)
        kill_node(t, n);
    return 0;
}

int p9_node_rename(struct p9_tree *t, struct p9_node *n, struct p9_node *to, const char *to_name)
{
    if (!n->parent)
        return n == t->root ? -EBUSY : -ENOENT;
    char *name = strdup(n->name); /* the node's own changes on the way */
    if (!name)
        return -ENOMEM;
    struct p9_node *parent = p9_node_get(n->parent);
    const int r = p9_tree_rename(t, parent, name, to, to_name);
    p9_node_put(t, parent);
    free(name);
    return r;
}

int p9_node_unlink(struct p9_tree *t, struct p9_node *n)
{
    if (!n->parent)
        return n == t->root ? -EBUSY : -ENOENT;
    struct p9_node *parent = p9_node_get(n->parent);
    const int r = p9_tree_unlink(t, parent, n->name, n->type == S_IFDIR);
    p9_node_put(t, parent);
    return r;
}

uint64_t p9_tree_qid_path(struct p9_tree *t, dev_t dev, ino_t ino)
{
    uint64_t i = 0;

    while (i < t->nr_devs && t->dev[i] != dev)
        i++;
    if (i == t->nr_devs) {
        if (i == NR_DEVS)
            i--; /* so many: the rest shares one number */
        else
            t->dev[t->nr_devs++] = dev;
    }
    /* Inode numbers seldom reach the upper bits. */
    return (uint64_t)ino ^ i << 48;
}

struct p9_qid p9_tree_qid(struct p9_tree *t, const struct stat *st)
{
    const struct timespec mtime = p9_host_times(st).mtime;
    return (struct p9_qid){
        .type = S_ISDIR(st->st_mode)   ? P9_QTDIR
                : S_ISLNK(st->st_mode) ? P9_QTSYMLINK
                                       : P9_QTFILE,
        .version = (uint32_t)mtime.tv_sec ^ (uint32_t)mtime.tv_nsec ^ (uint32_t)st->st_size << 8,
        .path = p9_tree_qid_path(t, st->st_dev, st->st_ino),
    };
}

/* --- Snapshots ------------------------------------------------------------------------------------------------------------- */

int p9_node_path(const struct p9_tree *t, const struct p9_node *n, char **path)
{
    size_t len = 1;

    *path = NULL;
    for (const struct p9_node *at = n; at != t->root; at = at->parent) {
        if (!at->parent)
            return 0;
        len += strlen(at->name) + 1;
    }
    char *text = malloc(len);
    if (!text)
        return -ENOMEM;
    /* From its end, each name with a slash before it; the first slash goes. */
    char *to = text + len - 1;
    *to = 0;
    for (; n != t->root; n = n->parent) {
        const size_t name_len = strlen(n->name);
        to -= name_len;
        memcpy(to, n->name, name_len);
        *--to = '/';
    }
    if (len > 1)
        memmove(text, text + 1, len - 1);
    *path = text;
    return 0;
}

void p9_node_stat(const struct p9_node *n, struct stat *st)
{
    *st = (struct stat){.st_dev = n->dev, .st_ino = n->ino, .st_mode = n->type};
}

/* It is in no place. */
struct p9_node *p9_tree_dead(struct p9_tree *t, const struct stat *st)
{
    return new_node(t, "", st);
}

/* Those of before, if the folder still is on the same one; otherwise they are found anew, and files below other mounts may have new numbers. */
void p9_tree_snap(struct p9_tree *t, struct snap *s)
{
    uint32_t nr = t->nr_devs;
    uint64_t dev[NR_DEVS];

    for (unsigned i = 0; i < NR_DEVS; i++)
        dev[i] = (uint64_t)t->dev[i];
    snap_numbers(s, "nr_devs", &nr, sizeof(nr), 1, NR_DEVS);
    snap_numbers(s, "dev", dev, sizeof(dev[0]), s->failed ? 0 : nr, UINT64_MAX);
    if (!s->loading || s->failed || !nr || (dev_t)dev[0] != t->dev[0])
        return;
    t->nr_devs = nr;
    for (unsigned i = 0; i < nr; i++)
        t->dev[i] = (dev_t)dev[i];
}
