/* A 9P2000.L client for tests, which makes and reads messages by hand, and a folder with something outside it. */
#ifndef VIBE_TESTS_P9_CLIENT_H
#define VIBE_TESTS_P9_CLIENT_H

#include "base/bits.h"
#include "base/err.h"
#include "dev/p9/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

enum {
    T_LERROR = 6,
    T_STATFS = 8,
    T_LOPEN = 12,
    T_LCREATE = 14,
    T_SYMLINK = 16,
    T_MKNOD = 18,
    T_RENAME = 20,
    T_READLINK = 22,
    T_GETATTR = 24,
    T_SETATTR = 26,
    T_XATTRWALK = 30,
    T_XATTRCREATE = 32,
    T_READDIR = 40,
    T_FSYNC = 50,
    T_LOCK = 52,
    T_GETLOCK = 54,
    T_LINK = 70,
    T_MKDIR = 72,
    T_RENAMEAT = 74,
    T_UNLINKAT = 76,
    T_VERSION = 100,
    T_AUTH = 102,
    T_ATTACH = 104,
    T_FLUSH = 108,
    T_WALK = 110,
    T_READ = 116,
    T_WRITE = 118,
    T_CLUNK = 120,
    T_REMOVE = 122,
};

#define NOFID UINT32_MAX
#define ROOT 1u /* the fid that client_init() attaches */

struct client {
    char top[64];    /* holds the folder and what is outside */
    char folder[80]; /* top/share */
    struct p9_server *server;
    uint8_t out[70000], in[70000];
    size_t out_len, in_room, in_len, in_at;
};

/* --- Messages ------------------------------------------------------------------------------------------------------- */

static inline void put_n(struct client *c, uint64_t val, size_t len)
{
    memcpy(c->out + c->out_len, &val, len);
    c->out_len += len;
}

static inline void put_s(struct client *c, const char *s)
{
    const size_t len = strlen(s);
    put_n(c, len, 2);
    memcpy(c->out + c->out_len, s, len);
    c->out_len += len;
}

static inline uint64_t get_n(struct client *c, size_t len)
{
    uint64_t val = 0;
    assert_true(c->in_at + len <= c->in_len);
    memcpy(&val, c->in + c->in_at, len);
    c->in_at += len;
    return val;
}

static inline void get_s(struct client *c, char *to, size_t room)
{
    const size_t len = get_n(c, 2);
    assert_true(len < room && c->in_at + len <= c->in_len);
    memcpy(to, c->in + c->in_at, len);
    to[len] = 0;
    c->in_at += len;
}

static inline void skip_n(struct client *c, size_t len)
{
    assert_true(c->in_at + len <= c->in_len);
    c->in_at += len;
}

/* Begins a message; then fields are put, and rpc() sends it. */
static inline void begin(struct client *c, uint8_t type)
{
    c->out_len = 0;
    put_n(c, 0, 4);
    put_n(c, type, 1);
    put_n(c, 0x1234, 2);
}

/* As begin(), with fields: 'b' 'w' 'd' 'q' numbers of 1, 2, 4 and 8 bytes, 's' strings. */
static inline void message(struct client *c, uint8_t type, const char *fields, ...)
{
    va_list ap;
    begin(c, type);
    va_start(ap, fields);
    for (; *fields; fields++)
        switch (*fields) {
        case 'b': put_n(c, (uint64_t)va_arg(ap, int), 1); break;
        case 'w': put_n(c, (uint64_t)va_arg(ap, int), 2); break;
        case 'd': put_n(c, va_arg(ap, uint32_t), 4); break;
        case 'q': put_n(c, va_arg(ap, uint64_t), 8); break;
        default: put_s(c, va_arg(ap, const char *)); break;
        }
    va_end(ap);
}

/* Sends; 0 with the reply's fields to get, or the errno of an Rlerror. */
static inline int rpc(struct client *c)
{
    const uint32_t size = (uint32_t)c->out_len;
    memcpy(c->out, &size, 4);
    /* Buffers of odd sizes, as a driver may make them. */
    const struct iovec out[2] = {{c->out, 3}, {c->out + 3, c->out_len - 3}},
                       in[3] = {{c->in, 5}, {c->in + 5, 4}, {c->in + 9, c->in_room - 9}};
    memset(c->in, 0xee, c->in_room);
    c->in_len = p9_server_handle(c->server, out, 2, in, 3);
    assert_true(c->in_len >= 7 && c->in_len <= c->in_room);
    c->in_at = 0;
    assert_int_equal(get_n(c, 4), c->in_len);
    const uint8_t type = (uint8_t)get_n(c, 1);
    assert_int_equal(get_n(c, 2), 0x1234);
    if (type == T_LERROR + 1) {
        assert_int_equal(c->in_len, 11);
        return (int)get_n(c, 4);
    }
    assert_int_equal(type, c->out[4] + 1);
    return 0;
}

#define CALL(c, type, ...) (message((c), (type), __VA_ARGS__), rpc(c))

/* --- Calls ---------------------------------------------------------------------------------------------------------- */

static inline int do_version(struct client *c, uint32_t msize)
{
    return CALL(c, T_VERSION, "ds", msize, "9P2000.L");
}

static inline int do_attach(struct client *c, uint32_t fid)
{
    return CALL(c, T_ATTACH, "ddssd", fid, NOFID, "root", "", 0u);
}

/* Walks by the names of a path, none for "". Success only when all were found. */
static inline int walk(struct client *c, uint32_t fid, uint32_t newfid, const char *path)
{
    char copy[PATH_MAX], *save = NULL;
    unsigned nr = 0;

    message(c, T_WALK, "ddw", fid, newfid, 0);
    snprintf(copy, sizeof(copy), "%s", path);
    for (char *p = strtok_r(copy, "/", &save); p; p = strtok_r(NULL, "/", &save), nr++)
        put_s(c, p);
    memcpy(c->out + 15, &nr, 2);
    const int r = rpc(c);
    if (r)
        return r;
    return get_n(c, 2) == nr ? 0 : ENOENT;
}

static inline int clunk(struct client *c, uint32_t fid)
{
    return CALL(c, T_CLUNK, "d", fid);
}

static inline int lopen(struct client *c, uint32_t fid, uint32_t flags)
{
    return CALL(c, T_LOPEN, "dd", fid, flags);
}

static inline int lcreate(struct client *c, uint32_t fid, const char *name, uint32_t flags, uint32_t mode)
{
    return CALL(c, T_LCREATE, "dsddd", fid, name, flags, mode, 0u);
}

static inline int write_at(struct client *c, uint32_t fid, uint64_t off, const void *data, size_t len)
{
    message(c, T_WRITE, "dqd", fid, off, (uint32_t)len);
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
    return rpc(c);
}

/* The data are at c->in + c->in_at after that; *len of them. */
static inline int read_at(struct client *c, uint32_t fid, uint64_t off, uint32_t count, size_t *len)
{
    const int r = CALL(c, T_READ, "dqd", fid, off, count);
    *len = r ? 0 : get_n(c, 4);
    if (!r)
        assert_int_equal(c->in_len - c->in_at, *len);
    return r;
}

struct attr {
    uint8_t qid_type;
    uint64_t qid_path, nlink, rdev, size;
    uint32_t mode, uid, gid;
    uint64_t atime[2], mtime[2], ctime[2];
};

static inline int getattr(struct client *c, uint32_t fid, struct attr *a)
{
    const int r = CALL(c, T_GETATTR, "dq", fid, UINT64_C(0x7ff));
    if (r)
        return r;
    assert_int_equal(get_n(c, 8), 0x7ff);
    a->qid_type = (uint8_t)get_n(c, 1);
    skip_n(c, 4);
    a->qid_path = get_n(c, 8);
    a->mode = (uint32_t)get_n(c, 4);
    a->uid = (uint32_t)get_n(c, 4);
    a->gid = (uint32_t)get_n(c, 4);
    a->nlink = get_n(c, 8);
    a->rdev = get_n(c, 8);
    a->size = get_n(c, 8);
    skip_n(c, 16);
    for (unsigned i = 0; i < 2; i++)
        a->atime[i] = get_n(c, 8);
    for (unsigned i = 0; i < 2; i++)
        a->mtime[i] = get_n(c, 8);
    for (unsigned i = 0; i < 2; i++)
        a->ctime[i] = get_n(c, 8);
    skip_n(c, 32);
    assert_int_equal(c->in_at, c->in_len);
    return 0;
}

static inline int setattr(struct client *c, uint32_t fid, uint32_t valid, uint32_t mode,
                          uint32_t uid, uint64_t size)
{
    return CALL(c, T_SETATTR, "dddddqqqqq", fid, valid, mode, uid, uid, size, UINT64_C(1000000000),
                UINT64_C(123456789), UINT64_C(1100000000), UINT64_C(987654321));
}

/* --- The folder ----------------------------------------------------------------------------------------------------- */

/* A path below top, in one of four buffers. */
static inline const char *at_top(struct client *c, const char *path)
{
    static char buf[4][PATH_MAX];
    static unsigned next;
    char *b = buf[next++ % 4];
    snprintf(b, PATH_MAX, "%s/%s", c->top, path);
    return b;
}

static inline void host_write(struct client *c, const char *path, const char *text)
{
    FILE *f = fopen(at_top(c, path), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static inline void assert_host_text(struct client *c, const char *path, const char *text)
{
    char buf[256] = {0};
    FILE *f = fopen(at_top(c, path), "r");
    assert_non_null(f);
    const size_t n = fread(buf, 1, sizeof(buf) - 1, f);
    fclose(f);
    assert_int_equal(n, strlen(text));
    assert_string_equal(buf, text);
}

static inline bool host_exists(struct client *c, const char *path)
{
    struct stat st;
    return !lstat(at_top(c, path), &st);
}

static inline void client_serve(struct client *c, bool read_only)
{
    struct err e = {0};
    p9_server_destroy(c->server);
    c->server = p9_server_create(c->folder, read_only, &e);
    assert_non_null(c->server);
    c->in_room = sizeof(c->in);
    assert_int_equal(do_version(c, 65536), 0);
    assert_int_equal(do_attach(c, ROOT), 0);
}

/* A folder top/share, empty, and a file top/secret beside it. */
static inline void client_init(struct client *c)
{
    const char *tmp = getenv("TMPDIR");
    memset(c, 0, sizeof(*c));
    snprintf(c->top, sizeof(c->top), "%.40s/vibe-p9-XXXXXX", tmp && strlen(tmp) <= 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(c->top));
    snprintf(c->folder, sizeof(c->folder), "%s/share", c->top);
    assert_int_equal(mkdir(c->folder, 0755), 0);
    host_write(c, "secret", "secret");
    client_serve(c, false);
}

static inline void client_destroy(struct client *c)
{
    char command[192];
    p9_server_destroy(c->server);
    assert_host_text(c, "secret", "secret");
    snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", c->top, c->top);
    assert_int_equal(system(command), 0);
}

#endif
