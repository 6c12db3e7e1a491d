/* The guest's files of semihosting. Threading: vm/semihost_files.h. */
#include "vm/semihost_files.h"

#include "arch/semihosting.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/snap.h"
#include "dev/p9/host.h"
#include "dev/p9/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    enum semihost_kind kind;
    int fd;      /* of SEMIHOST_FILE, else -1 */
    uint64_t at; /* of SEMIHOST_FEATURES */
    bool writable;
};

struct semihost_files {
    struct p9_tree *tree; /* null: no folder */
    bool read_only;
    struct file file[SEMIHOST_MAX_FILES]; /* handle - 1 */
};

struct semihost_files *semihost_files_create(const char *dir, bool read_only, struct err *e)
{
    struct semihost_files *f = calloc(1, sizeof(*f));

    if (!f) {
        err_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    f->read_only = read_only;
    if (dir && !(f->tree = p9_tree_create(dir, e))) {
        free(f);
        return NULL;
    }
    return f;
}

static void close_file(struct file *file)
{
    if (file->kind == SEMIHOST_FILE)
        close(file->fd);
    *file = (struct file){0};
}

void semihost_files_close_all(struct semihost_files *f)
{
    for (unsigned i = 0; i < SEMIHOST_MAX_FILES; i++)
        close_file(&f->file[i]);
}

void semihost_files_destroy(struct semihost_files *f)
{
    if (!f)
        return;
    semihost_files_close_all(f);
    p9_tree_destroy(f->tree);
    free(f);
}

void semihost_files_snap(struct semihost_files *f, struct snap *s)
{
    for (unsigned i = 0; i < SEMIHOST_MAX_FILES; i++) {
        struct file *file = &f->file[i];
        uint32_t kind = file->kind;
        if (!s->loading && kind == SEMIHOST_FILE)
            snap_fail(s, "the guest has a file open, which cannot be saved; let it close its files first");
        snap_numbers(s, "kind", &kind, sizeof(kind), 1, SEMIHOST_FEATURES);
        SNAP_ANY(s, file, at);
        SNAP_BOOL(s, file, writable);
        if (s->loading && !s->failed) {
            file->kind = (enum semihost_kind)kind;
            file->fd = -1;
        }
    }
}

/* --- Names ----------------------------------------------------------------------------------------------------------- */

/* A name in its directory: a node that is the caller's to put. The folder is both / and where relative names begin. */
struct place {
    struct p9_node *dir;
    char name[P9_MAX_NAME + 1];
};

static int next_component(const char **rest, char *name)
{
    const char *p = *rest + strspn(*rest, "/");
    const size_t len = strcspn(p, "/");

    if (len > P9_MAX_NAME)
        return -ENAMETOOLONG;
    memcpy(name, p, len);
    name[len] = 0;
    *rest = p + len;
    return 0;
}

static int find_place(const struct semihost_files *f, const char *path, struct place *p)
{
    struct stat st;
    int r;

    if (!f->tree)
        return -ENOENT;
    p->dir = p9_node_get(p9_tree_root(f->tree));
    while (!(r = next_component(&path, p->name)) && *path) {
        struct p9_node *next;
        if ((r = p9_tree_walk(f->tree, p->dir, p->name, &next, &st)))
            break;
        p9_node_put(f->tree, p->dir);
        p->dir = next;
    }
    if (!r)
        r = p9_check_name(p->name);
    if (!r)
        return 0;
    p9_node_put(f->tree, p->dir);
    return r == -EEXIST ? -EISDIR : r;
}

/* --- Handles --------------------------------------------------------------------------------------------------------- */

static struct file *find(const struct semihost_files *f, uint64_t handle)
{
    const struct file *file = handle - 1 < SEMIHOST_MAX_FILES ? &f->file[handle - 1] : NULL;
    return file && file->kind != SEMIHOST_CLOSED ? (struct file *)file : NULL;
}

static int mode_flags(unsigned mode)
{
    const int access = mode & SEMIHOSTING_MODE_PLUS    ? O_RDWR
                       : mode < SEMIHOSTING_MODE_WRITE ? O_RDONLY
                                                       : O_WRONLY;
    return access | (mode < SEMIHOSTING_MODE_WRITE    ? 0
                     : mode < SEMIHOSTING_MODE_APPEND ? O_CREAT | O_TRUNC
                                                      : O_CREAT | O_APPEND);
}

static int open_in(int dirfd, const char *name, int flags)
{
    if (flags & O_CREAT) {
        const int fd = openat(dirfd, name, (flags & ~O_TRUNC) | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd < 0 ? -errno : fd;
    }
    return p9_host_open_file(dirfd, name, flags & ~O_CREAT);
}

static int open_file(const struct semihost_files *f, const char *name, int flags)
{
    struct place p;
    struct stat st;

    if (f->read_only && (flags & (O_ACCMODE | O_CREAT)) != O_RDONLY)
        return -EROFS;
    int r = find_place(f, name, &p);
    if (r)
        return r;
    const int dirfd = p9_tree_dir(f->tree, p.dir);
    int fd = dirfd < 0 ? dirfd : open_in(dirfd, p.name, flags);
    p9_node_put(f->tree, p.dir);
    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -EISDIR;
    }
    return fd;
}

int semihost_open(struct semihost_files *f, const char *name, unsigned mode)
{
    unsigned i = 0;

    if (mode >= SEMIHOSTING_NR_MODES)
        return -EINVAL;
    while (i < SEMIHOST_MAX_FILES && f->file[i].kind != SEMIHOST_CLOSED)
        i++;
    if (i == SEMIHOST_MAX_FILES)
        return -EMFILE;
    struct file file = {.fd = -1,
                        .writable = mode >= SEMIHOSTING_MODE_WRITE || (mode & SEMIHOSTING_MODE_PLUS)};
    if (!strcmp(name, SEMIHOSTING_CONSOLE)) {
        file.kind = SEMIHOST_CONSOLE;
    } else if (!strcmp(name, SEMIHOSTING_FEATURES)) {
        if (file.writable)
            return -EACCES;
        file.kind = SEMIHOST_FEATURES;
    } else {
        file.kind = SEMIHOST_FILE;
        file.fd = open_file(f, name, mode_flags(mode));
        if (file.fd < 0)
            return file.fd;
    }
    f->file[i] = file;
    return (int)i + 1;
}

int semihost_close(struct semihost_files *f, uint64_t handle)
{
    struct file *file = find(f, handle);

    if (!file)
        return -EBADF;
    close_file(file);
    return 0;
}

enum semihost_kind semihost_kind(const struct semihost_files *f, uint64_t handle)
{
    const struct file *file = find(f, handle);
    return file ? file->kind : SEMIHOST_CLOSED;
}

int64_t semihost_read(struct semihost_files *f, uint64_t handle, void *buf, size_t len)
{
    struct file *file = find(f, handle);

    if (!file)
        return -EBADF;
    if (file->kind == SEMIHOST_FEATURES) {
        const size_t n = MIN(len, SEMIHOSTING_FEATURE_LEN - (size_t)file->at);
        memcpy(buf, &SEMIHOSTING_FEATURE_BYTES[file->at], n);
        file->at += n;
        return (int64_t)n;
    }
    const ssize_t n = read(file->fd, buf, len);
    return n < 0 ? -errno : n;
}

int64_t semihost_write(struct semihost_files *f, uint64_t handle, const void *buf, size_t len)
{
    const struct file *file = find(f, handle);

    if (!file || !file->writable)
        return -EBADF;
    const ssize_t n = write(file->fd, buf, len);
    return n < 0 ? -errno : n;
}

int semihost_seek(struct semihost_files *f, uint64_t handle, uint64_t at)
{
    struct file *file = find(f, handle);

    if (!file)
        return -EBADF;
    if (file->kind == SEMIHOST_FEATURES) {
        if (at > SEMIHOSTING_FEATURE_LEN)
            return -EINVAL;
        file->at = at;
        return 0;
    }
    if (at > INT64_MAX)
        return -EINVAL;
    return lseek(file->fd, (off_t)at, SEEK_SET) < 0 ? -errno : 0;
}

int64_t semihost_len(const struct semihost_files *f, uint64_t handle)
{
    const struct file *file = find(f, handle);
    struct stat st;

    if (!file)
        return -EBADF;
    if (file->kind == SEMIHOST_FEATURES)
        return SEMIHOSTING_FEATURE_LEN;
    return fstat(file->fd, &st) ? -errno : st.st_size;
}

/* --- Files without a handle ------------------------------------------------------------------------------------------ */

int semihost_remove(struct semihost_files *f, const char *name)
{
    struct place p;
    int r = f->tree && f->read_only ? -EROFS : find_place(f, name, &p);

    if (r)
        return r;
    r = p9_tree_unlink(f->tree, p.dir, p.name, false);
    p9_node_put(f->tree, p.dir);
    return r;
}

int semihost_rename(struct semihost_files *f, const char *from, const char *to)
{
    struct place a, b;
    int r = f->tree && f->read_only ? -EROFS : find_place(f, from, &a);

    if (r)
        return r;
    r = find_place(f, to, &b);
    if (!r) {
        r = p9_tree_rename(f->tree, a.dir, a.name, b.dir, b.name);
        p9_node_put(f->tree, b.dir);
    }
    p9_node_put(f->tree, a.dir);
    return r;
}
