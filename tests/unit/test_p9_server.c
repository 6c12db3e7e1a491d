/* The shared folder's server: sessions, fids, and what its operations do to the host's files. */
#include "p9_client.h"

#include <dirent.h>
#include <sys/resource.h>

#define O9_WRONLY 1u
#define O9_RDWR 2u
#define O9_EXCL 0200u
#define O9_TRUNC 01000u
#define O9_APPEND 02000u

static struct client c;

static int setup(void **state)
{
    (void)state;
    client_init(&c);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_destroy(&c);
    return 0;
}

/* --- Sessions ------------------------------------------------------------------------------------------------------- */

static void test_version(void **state)
{
    char text[16];
    (void)state;
    assert_int_equal(do_version(&c, 8192), 0);
    assert_int_equal(get_n(&c, 4), 8192);
    get_s(&c, text, sizeof(text));
    assert_string_equal(text, "9P2000.L");
    /* The session from before is over. */
    assert_int_equal(clunk(&c, ROOT), EBADF);
    assert_int_equal(do_version(&c, UINT32_MAX), 0);
    assert_int_equal(get_n(&c, 4), 1 << 20);
    assert_int_equal(do_version(&c, 4095), EMSGSIZE);
    assert_int_equal(do_attach(&c, ROOT), EPROTO);
    assert_int_equal(CALL(&c, T_VERSION, "ds", 8192u, "9P2000.u"), 0);
    skip_n(&c, 4);
    get_s(&c, text, sizeof(text));
    assert_string_equal(text, "unknown");
    assert_int_equal(do_attach(&c, ROOT), EPROTO);
}

static void test_attach(void **state)
{
    struct attr a;
    (void)state;
    assert_int_equal(do_attach(&c, ROOT), EBADF); /* in use */
    assert_int_equal(do_attach(&c, 7), 0);
    assert_int_equal(get_n(&c, 1), 0x80);
    assert_int_equal(getattr(&c, 7, &a), 0);
    assert_true(S_ISDIR(a.mode));
    assert_int_equal(CALL(&c, T_ATTACH, "ddssd", 8u, 7u, "root", "", 0u), EINVAL);
    assert_int_equal(CALL(&c, T_AUTH, "dssd", 8u, "root", "", 0u), EOPNOTSUPP);
    assert_int_equal(CALL(&c, T_FLUSH, "w", 1), 0);
    assert_int_equal(c.in_len, 7);
}

static void test_nonsense(void **state)
{
    (void)state;
    const uint8_t types[] = {0, 6, 7, 10, 28, 42, 98, 106, 112, 114, 124, 127, 128, 255};
    for (size_t i = 0; i < sizeof(types); i++)
        assert_int_equal(CALL(&c, types[i], "d", ROOT), EOPNOTSUPP);
    assert_int_equal(CALL(&c, T_CLUNK, ""), EINVAL);
    assert_int_equal(CALL(&c, T_CLUNK, "db", ROOT, 1), EINVAL);
    /* No message, and no room for an error: no reply. */
    const uint8_t frame[7] = {8, 0, 0, 0, T_CLUNK, 1, 0};
    const struct iovec out = {(void *)(uintptr_t)frame, 7}, in = {c.in, 100}, small = {c.in, 10};
    assert_int_equal(p9_server_handle(c.server, &out, 1, &in, 1), 0);
    message(&c, T_CLUNK, "d", ROOT);
    memcpy(c.out, "\x0b\0\0\0", 4);
    const struct iovec good = {c.out, 11};
    assert_int_equal(p9_server_handle(c.server, &good, 1, &small, 1), 0);
    assert_int_equal(p9_server_handle(c.server, &good, 1, NULL, 0), 0);
    assert_int_equal(p9_server_handle(c.server, NULL, 0, &in, 1), 0);
    /* Neither did anything. */
    assert_int_equal(clunk(&c, ROOT), 0);
}

static void test_msize(void **state)
{
    size_t len;
    (void)state;
    host_write(&c, "share/f", "0123456789");
    assert_int_equal(truncate(at_top(&c, "share/f"), 100000), 0);
    assert_int_equal(do_version(&c, 4096), 0);
    assert_int_equal(do_attach(&c, ROOT), 0);
    assert_int_equal(walk(&c, ROOT, 2, "f"), 0);
    assert_int_equal(lopen(&c, 2, O9_RDWR), 0);
    assert_int_equal(read_at(&c, 2, 0, UINT32_MAX, &len), 0);
    assert_int_equal(len, 4096 - 11);
    /* The room for the reply bounds it too. */
    c.in_room = 100;
    assert_int_equal(read_at(&c, 2, 0, 4000, &len), 0);
    assert_int_equal(len, 100 - 11);
    assert_memory_equal(c.in + c.in_at, "0123456789", 10);
    /* A reply that does not fit is an error. */
    assert_int_equal(CALL(&c, T_GETATTR, "dq", 2u, UINT64_C(0x7ff)), EMSGSIZE);
    c.in_room = sizeof(c.in);
    static const char zeros[4096];
    assert_int_equal(write_at(&c, 2, 0, zeros, 4096 - 23), 0);
    assert_int_equal(write_at(&c, 2, 0, zeros, 4096 - 22), EMSGSIZE);
}

static void test_walk(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at_top(&c, "share/a"), 0755), 0);
    assert_int_equal(mkdir(at_top(&c, "share/a/b"), 0755), 0);
    host_write(&c, "share/a/b/f", "text");
    assert_int_equal(walk(&c, ROOT, 2, "a/b/f"), 0);
    assert_int_equal(c.in_len, 7 + 2 + 3 * 13);
    assert_int_equal(c.in[9], 0x80);
    assert_int_equal(c.in[9 + 26], 0);
    assert_int_equal(walk(&c, ROOT, 2, "a"), EBADF); /* newfid in use */
    assert_int_equal(walk(&c, 99, 3, "a"), EBADF);
    assert_int_equal(walk(&c, 2, 3, ""), 0); /* a clone */
    assert_int_equal(lopen(&c, 3, 0), 0);
    assert_int_equal(walk(&c, 3, 3, ""), EBADF);
    assert_int_equal(walk(&c, 3, 4, ""), 0);
    assert_int_equal(lopen(&c, 4, 0), 0);
    /* Half a walk makes no fid, and tells how far it came; not even a first step is an error. */
    message(&c, T_WALK, "ddwsss", ROOT, 5u, 3, "a", "none", "f");
    assert_int_equal(rpc(&c), 0);
    assert_int_equal(get_n(&c, 2), 1);
    assert_int_equal(clunk(&c, 5), EBADF);
    assert_int_equal(walk(&c, ROOT, 5, "none"), ENOENT);
    assert_int_equal(walk(&c, 2, 5, "x"), ENOTDIR);
    message(&c, T_WALK, "ddw", ROOT, 5u, 1);
    for (unsigned i = 0; i < 256; i++)
        c.out[c.out_len + 2 + i] = 'x';
    put_n(&c, 256, 2);
    c.out_len += 256;
    assert_int_equal(rpc(&c), ENAMETOOLONG);
    /* fid and newfid the same: it moves, if it gets there. */
    assert_int_equal(walk(&c, ROOT, 6, "a"), 0);
    assert_int_equal(walk(&c, 6, 6, "none"), ENOENT);
    assert_int_equal(walk(&c, 6, 6, "b"), 0);
    assert_int_equal(walk(&c, 6, 7, "f"), 0);
    assert_int_equal(walk(&c, 6, 8, "../../a/./b/f"), 0);
    for (uint32_t f = 1; f <= 8; f++)
        assert_int_equal(clunk(&c, f), f == 5 ? EBADF : 0);
}

static void test_fids_are_bounded(void **state)
{
    uint32_t f = 2;
    int r;
    (void)state;
    while (!(r = walk(&c, ROOT, f, "")))
        f++;
    assert_int_equal(r, ENFILE);
    assert_in_range(f, 100000, 1000000);
    assert_int_equal(clunk(&c, 2), 0);
    assert_int_equal(walk(&c, ROOT, 2, ""), 0);
}

static void test_open_files_are_bounded(void **state)
{
    struct rlimit before, small = {64, 64};
    uint32_t f;
    int r = 0;
    (void)state;
    host_write(&c, "share/f", "x");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    client_serve(&c, false);
    for (f = 2; f < 100 && !r; f++) {
        assert_int_equal(walk(&c, ROOT, f, "f"), 0);
        r = lopen(&c, f, 0);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(r, EMFILE);
    assert_int_equal(f - 1, 2 + 16);
    assert_int_equal(clunk(&c, 2), 0);
    assert_int_equal(lopen(&c, f - 1, 0), 0);
}

/* --- Files ---------------------------------------------------------------------------------------------------------- */

static void test_create_write_read(void **state)
{
    size_t len;
    struct attr a;
    struct stat st;
    (void)state;
    assert_int_equal(walk(&c, ROOT, 2, ""), 0);
    assert_int_equal(lcreate(&c, 2, "new", O9_RDWR | O9_EXCL, 0666), 0);
    assert_int_equal(c.in[7], 0);
    assert_int_equal(write_at(&c, 2, 0, "hello, world", 12), 0);
    assert_int_equal(get_n(&c, 4), 12);
    assert_int_equal(write_at(&c, 2, 7, "there", 5), 0);
    assert_host_text(&c, "share/new", "hello, there");
    assert_int_equal(read_at(&c, 2, 7, 100, &len), 0);
    assert_int_equal(len, 5);
    assert_memory_equal(c.in + c.in_at, "there", 5);
    assert_int_equal(read_at(&c, 2, 12, 100, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(read_at(&c, 2, UINT64_MAX, 100, &len), EINVAL);
    assert_int_equal(read_at(&c, 2, INT64_MAX, 100, &len), EINVAL);
    assert_int_equal(write_at(&c, 2, UINT64_MAX, "x", 1), EINVAL);
    assert_int_equal(write_at(&c, 2, 0, "", 0), 0);
    assert_int_equal(CALL(&c, T_FSYNC, "dd", 2u, 0u), 0);
    assert_int_equal(CALL(&c, T_FSYNC, "dd", 2u, 1u), 0);
    assert_int_equal(CALL(&c, T_FSYNC, "dd", ROOT, 1u), EBADF);
    assert_int_equal(getattr(&c, 2, &a), 0);
    assert_int_equal(lstat(at_top(&c, "share/new"), &st), 0);
    assert_int_equal(a.mode, S_IFREG | 0666); /* not less the VMM's umask */
    assert_int_equal(st.st_mode, a.mode);
    assert_int_equal(a.size, 12);
    assert_int_equal(a.nlink, 1);
    assert_int_equal(a.uid, getuid());
    assert_int_equal(a.qid_path, st.st_ino);
    assert_int_equal(a.mtime[0], st.st_mtime);

    /* Another fid: not writable when not opened so, and open for appending. */
    assert_int_equal(walk(&c, ROOT, 3, "new"), 0);
    assert_int_equal(read_at(&c, 3, 0, 1, &len), EBADF);
    assert_int_equal(lopen(&c, 3, 0), 0);
    assert_int_equal(lopen(&c, 3, 0), EBADF);
    assert_int_equal(write_at(&c, 3, 0, "x", 1), EBADF);
    assert_int_equal(walk(&c, ROOT, 4, "new"), 0);
    assert_int_equal(lopen(&c, 4, 3), EINVAL);
    assert_int_equal(lopen(&c, 4, O9_WRONLY | O9_APPEND), 0);
    assert_int_equal(write_at(&c, 4, 0, "!", 1), 0);
    assert_int_equal(read_at(&c, 4, 0, 1, &len), EBADF);
    assert_host_text(&c, "share/new", "hello, there!");
    assert_int_equal(walk(&c, ROOT, 5, "new"), 0);
    assert_int_equal(lopen(&c, 5, O9_WRONLY | O9_TRUNC), 0);
    assert_host_text(&c, "share/new", "");

    /* Creating what is there. */
    assert_int_equal(walk(&c, ROOT, 6, ""), 0);
    assert_int_equal(lcreate(&c, 6, "new", O9_RDWR | O9_EXCL, 0600), EEXIST);
    assert_int_equal(lcreate(&c, 6, "new", O9_RDWR, 0600), 0);
    assert_int_equal(lcreate(&c, 6, "other", O9_RDWR, 0600), ENOTDIR); /* a file now */
    assert_int_equal(walk(&c, ROOT, 7, "new"), 0);
    assert_int_equal(lcreate(&c, 7, "x", O9_RDWR, 0600), ENOTDIR);
    assert_int_equal(lcreate(&c, 99, "x", O9_RDWR, 0600), EBADF);
}

static void test_directories(void **state)
{
    struct stat st;
    size_t len;
    (void)state;
    assert_int_equal(CALL(&c, T_MKDIR, "dsdd", ROOT, "d", 0777u, 0u), 0);
    assert_int_equal(get_n(&c, 1), 0x80);
    assert_int_equal(lstat(at_top(&c, "share/d"), &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0777);
    assert_int_equal(CALL(&c, T_MKDIR, "dsdd", ROOT, "d", 0777u, 0u), EEXIST);
    assert_int_equal(CALL(&c, T_MKDIR, "dsdd", ROOT, "sticky", 03775u, 0u), 0);
    assert_int_equal(lstat(at_top(&c, "share/sticky"), &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 03775);
    assert_int_equal(walk(&c, ROOT, 2, "d"), 0);
    assert_int_equal(lopen(&c, 2, O9_RDWR), EISDIR);
    assert_int_equal(lopen(&c, 2, 0), 0);
    assert_int_equal(read_at(&c, 2, 0, 10, &len), EISDIR);
    assert_int_equal(write_at(&c, 2, 0, "x", 1), EISDIR);
    assert_int_equal(CALL(&c, T_FSYNC, "dd", 2u, 0u), 0);
    host_write(&c, "share/d/f", "x");
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", ROOT, "d", 0u), EISDIR);
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", ROOT, "d", 0x200u), ENOTEMPTY);
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", 2u, "f", 0x200u), ENOTDIR);
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", 2u, "f", 1u), EINVAL);
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", 2u, "f", 0u), 0);
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", ROOT, "d", 0x200u), 0);
    assert_false(host_exists(&c, "share/d"));
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", ROOT, "d", 0x200u), ENOENT);
    /* What is gone stays gone, when a new one has its name. */
    assert_int_equal(CALL(&c, T_MKDIR, "dsdd", ROOT, "d", 0777u, 0u), 0);
    host_write(&c, "share/d/g", "x");
    assert_int_equal(walk(&c, 2, 3, "g"), ENOENT);
    assert_int_equal(CALL(&c, T_MKDIR, "dsdd", 2u, "x", 0777u, 0u), ENOENT);
    assert_int_equal(walk(&c, ROOT, 3, "d/g"), 0);
    assert_int_equal(CALL(&c, T_REMOVE, "d", 3u), 0);
    assert_false(host_exists(&c, "share/d/g"));
    assert_int_equal(clunk(&c, 3), EBADF);
    assert_int_equal(walk(&c, ROOT, 3, ""), 0);
    assert_int_equal(CALL(&c, T_REMOVE, "d", 3u), EBUSY);
    assert_int_equal(clunk(&c, 3), EBADF); /* gone all the same */
}

/* Reads the whole folder of an open fid, count bytes at a time; how often each of the names f0... was there. */
static unsigned list(uint32_t fid, uint32_t count, unsigned *seen, unsigned nr, uint64_t from)
{
    unsigned total = 0;
    for (uint64_t cookie = from;;) {
        assert_int_equal(CALL(&c, T_READDIR, "dqd", fid, cookie, count), 0);
        const size_t len = get_n(&c, 4);
        assert_int_equal(c.in_len - c.in_at, len);
        assert_true(len <= count);
        if (!len)
            return total;
        while (c.in_at < c.in_len) {
            char name[256];
            unsigned n;
            const uint8_t qid_type = (uint8_t)get_n(&c, 1);
            skip_n(&c, 4);
            const uint64_t ino = get_n(&c, 8);
            cookie = get_n(&c, 8);
            assert_int_not_equal(cookie, 0);
            const uint8_t type = (uint8_t)get_n(&c, 1);
            get_s(&c, name, sizeof(name));
            total++;
            struct stat st;
            char path[300];
            snprintf(path, sizeof(path), "share/%s", strcmp(name, "..") ? name : ".");
            assert_int_equal(lstat(at_top(&c, path), &st), 0);
            assert_int_equal(ino, st.st_ino);
            assert_int_equal(type, st.st_mode >> 12);
            assert_int_equal(qid_type, S_ISDIR(st.st_mode) ? 0x80 : S_ISLNK(st.st_mode) ? 2 : 0);
            if (sscanf(name, "f%u", &n) == 1 && n < nr)
                seen[n]++;
        }
    }
}

static void test_readdir(void **state)
{
    static unsigned seen[700];
    char name[32];
    (void)state;
    assert_int_equal(mkdir(at_top(&c, "share/dir"), 0755), 0);
    assert_int_equal(symlink("/nowhere", at_top(&c, "share/link")), 0);
    for (unsigned i = 0; i < 700; i++) {
        snprintf(name, sizeof(name), "share/f%u", i);
        host_write(&c, name, "");
    }
    assert_int_equal(walk(&c, ROOT, 2, ""), 0);
    assert_int_equal(CALL(&c, T_READDIR, "dqd", 2u, UINT64_C(0), 1000u), EBADF);
    assert_int_equal(lopen(&c, 2, 0), 0);
    const uint32_t counts[] = {UINT32_MAX, 8192, 300, 60};
    for (unsigned pass = 0; pass < ARRAY_LEN(counts); pass++) {
        memset(seen, 0, sizeof(seen));
        if (counts[pass] == UINT32_MAX)
            c.in_room = sizeof(c.in);
        assert_int_equal(list(2, counts[pass], seen, 700, 0), 704); /* with . and .. */
        for (unsigned i = 0; i < 700; i++)
            assert_int_equal(seen[i], 1);
    }
    assert_int_equal(CALL(&c, T_READDIR, "dqd", 2u, UINT64_C(0), 10u), EINVAL);
    /* Any cookie that was given is a place to go on from. */
    uint64_t cookie = 0;
    assert_int_equal(CALL(&c, T_READDIR, "dqd", 2u, UINT64_C(0), 8000u), 0);
    skip_n(&c, 4);
    for (unsigned i = 0; i < 50; i++) {
        skip_n(&c, 13);
        cookie = get_n(&c, 8);
        skip_n(&c, 1);
        get_s(&c, name, sizeof(name));
    }
    assert_int_equal(list(2, 1000, seen, 700, 0), 704);
    assert_int_equal(list(2, 1000, seen, 700, cookie), 654);
    /* Nonsense is not, and harms nobody. */
    assert_int_equal(CALL(&c, T_READDIR, "dqd", 2u, UINT64_MAX, 8000u) & ~(EINVAL | ENOENT), 0);
    assert_int_equal(list(2, 1000, seen, 700, 0), 704);
}

static void test_links(void **state)
{
    char text[64];
    struct attr a;
    (void)state;
    host_write(&c, "share/f", "text");
    assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, "s", "../some/where", 0u), 0);
    assert_int_equal(get_n(&c, 1), 2);
    assert_int_equal(walk(&c, ROOT, 2, "s"), 0);
    assert_int_equal(CALL(&c, T_READLINK, "d", 2u), 0);
    get_s(&c, text, sizeof(text));
    assert_string_equal(text, "../some/where");
    assert_int_equal(getattr(&c, 2, &a), 0);
    assert_true(S_ISLNK(a.mode));
    assert_int_equal(walk(&c, ROOT, 3, "f"), 0);
    assert_int_equal(CALL(&c, T_READLINK, "d", 3u), EINVAL);
    assert_int_equal(CALL(&c, T_READLINK, "d", ROOT), EINVAL);
    assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, "s", "x", 0u), EEXIST);
    assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, "t", "", 0u), ENOENT);
    assert_int_equal(CALL(&c, T_LINK, "dds", ROOT, 3u, "g"), 0);
    assert_host_text(&c, "share/g", "text");
    assert_int_equal(getattr(&c, 3, &a), 0);
    assert_int_equal(a.nlink, 2);
    assert_int_equal(CALL(&c, T_LINK, "dds", ROOT, 3u, "g"), EEXIST);
    assert_int_equal(CALL(&c, T_LINK, "dds", ROOT, ROOT, "h") & ~EPERM, 0);
    /* The link itself, not where it leads. */
    assert_int_equal(CALL(&c, T_LINK, "dds", ROOT, 2u, "u"), 0);
    assert_int_equal(readlink(at_top(&c, "share/u"), text, sizeof(text)), 13);
}

static void test_rename(void **state)
{
    struct attr a;
    size_t len;
    (void)state;
    assert_int_equal(mkdir(at_top(&c, "share/a"), 0755), 0);
    assert_int_equal(mkdir(at_top(&c, "share/b"), 0755), 0);
    host_write(&c, "share/a/f", "text");
    assert_int_equal(walk(&c, ROOT, 2, "a"), 0);
    assert_int_equal(walk(&c, ROOT, 3, "b"), 0);
    assert_int_equal(walk(&c, 2, 4, "f"), 0);
    assert_int_equal(walk(&c, 2, 5, "f"), 0);
    assert_int_equal(lopen(&c, 5, O9_RDWR), 0);
    /* The fids of the file, and of what is below a folder, go along. */
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", 2u, "f", 3u, "a longer name than before"), 0);
    assert_host_text(&c, "share/b/a longer name than before", "text");
    assert_int_equal(getattr(&c, 4, &a), 0);
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "b", 2u, "b"), 0);
    assert_int_equal(getattr(&c, 4, &a), 0);
    assert_int_equal(read_at(&c, 5, 0, 10, &len), 0);
    assert_int_equal(CALL(&c, T_RENAME, "dds", 4u, ROOT, "g"), 0);
    assert_host_text(&c, "share/g", "text");
    assert_int_equal(getattr(&c, 4, &a), 0);
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "a", 3u, "x"), EINVAL); /* into itself */
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "none", 3u, "x"), ENOENT);
    assert_int_equal(CALL(&c, T_RENAME, "dds", ROOT, 3u, "x"), EBUSY);
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "g", ROOT, "g"), 0);
    assert_int_equal(getattr(&c, 4, &a), 0);
    /* Over a file: its fids lead nowhere then, but for the open one. */
    host_write(&c, "share/h", "old");
    assert_int_equal(walk(&c, ROOT, 6, "h"), 0);
    assert_int_equal(walk(&c, ROOT, 7, "h"), 0);
    assert_int_equal(lopen(&c, 7, 0), 0);
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "g", ROOT, "h"), 0);
    assert_int_equal(getattr(&c, 6, &a), ENOENT);
    assert_int_equal(getattr(&c, 7, &a), 0);
    assert_int_equal(a.nlink, 0);
    assert_int_equal(read_at(&c, 7, 0, 10, &len), 0);
    assert_int_equal(len, 3);
    assert_int_equal(getattr(&c, 4, &a), 0);
    assert_int_equal(a.nlink, 1);
}

/* Both names of one file: POSIX has the rename do nothing, so both stay. */
static void test_rename_of_links(void **state)
{
    struct attr a;
    (void)state;
    host_write(&c, "share/f", "text");
    assert_int_equal(walk(&c, ROOT, 2, "f"), 0);
    assert_int_equal(CALL(&c, T_LINK, "dds", ROOT, 2u, "g"), 0);
    assert_int_equal(walk(&c, ROOT, 3, "g"), 0);
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "f", ROOT, "g"), 0);
    assert_int_equal(getattr(&c, 2, &a), 0);
    assert_int_equal(getattr(&c, 3, &a), 0);
    assert_int_equal(a.nlink, 2);
}

static void test_open_file_outlives_its_name(void **state)
{
    struct attr a;
    size_t len;
    (void)state;
    assert_int_equal(walk(&c, ROOT, 2, ""), 0);
    assert_int_equal(lcreate(&c, 2, "tmp", O9_RDWR | O9_EXCL, 0600), 0);
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", ROOT, "tmp", 0u), 0);
    assert_int_equal(write_at(&c, 2, 0, "0123456789", 10), 0);
    assert_int_equal(setattr(&c, 2, 8, 0, 0, 4), 0);
    assert_int_equal(setattr(&c, 2, 1, 0640, 0, 0), 0);
    assert_int_equal(getattr(&c, 2, &a), 0);
    assert_int_equal(a.size, 4);
    assert_int_equal(a.mode, S_IFREG | 0640);
    assert_int_equal(a.nlink, 0);
    assert_int_equal(read_at(&c, 2, 0, 10, &len), 0);
    assert_int_equal(len, 4);
    assert_int_equal(CALL(&c, T_REMOVE, "d", 2u), ENOENT);
}

/* The host changes the folder under the guest. */
static void test_changes_of_the_host(void **state)
{
    struct attr a;
    (void)state;
    assert_int_equal(mkdir(at_top(&c, "share/d"), 0755), 0);
    host_write(&c, "share/d/f", "old");
    assert_int_equal(walk(&c, ROOT, 2, "d"), 0);
    assert_int_equal(walk(&c, 2, 3, "f"), 0);
    assert_int_equal(rename(at_top(&c, "share/d"), at_top(&c, "share/e")), 0);
    assert_int_equal(mkdir(at_top(&c, "share/d"), 0755), 0);
    host_write(&c, "share/d/f", "a new one");
    assert_int_equal(walk(&c, ROOT, 4, "d/f"), 0);
    assert_int_equal(getattr(&c, 4, &a), 0);
    assert_int_equal(a.size, 9);
    /* The fids of before are of another folder than what is there now. */
    assert_int_equal(getattr(&c, 3, &a), ENOENT); /* dead, as the walk has found */
    assert_int_equal(CALL(&c, T_MKDIR, "dsdd", 2u, "x", 0755u, 0u), ENOENT);
    assert_false(host_exists(&c, "share/d/x") || host_exists(&c, "share/e/x"));
    assert_int_equal(unlink(at_top(&c, "share/d/f")), 0);
    assert_int_equal(getattr(&c, 4, &a), ENOENT);
    assert_int_equal(walk(&c, ROOT, 5, "d/f"), ENOENT);
}

/* A folder that the host has put in another's place, before any walk has noticed: nothing happens to it by the old one's fids. */
static void test_replaced_folder(void **state)
{
    struct attr a;
    (void)state;
    assert_int_equal(mkdir(at_top(&c, "share/d"), 0755), 0);
    host_write(&c, "share/d/f", "old");
    assert_int_equal(walk(&c, ROOT, 2, "d"), 0);
    assert_int_equal(walk(&c, 2, 3, "f"), 0);
    assert_int_equal(rename(at_top(&c, "share/d"), at_top(&c, "share/e")), 0);
    assert_int_equal(mkdir(at_top(&c, "share/d"), 0755), 0);
    host_write(&c, "share/d/f", "new");
    assert_int_equal(getattr(&c, 3, &a), ESTALE);
    assert_int_equal(lopen(&c, 3, 0), ESTALE);
    assert_int_equal(setattr(&c, 3, 8, 0, 0, 0), ESTALE);
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", 2u, "f", 0u), ESTALE);
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "e", 2u, "e"), ESTALE);
    assert_host_text(&c, "share/d/f", "new");
    assert_host_text(&c, "share/e/f", "old");
    /* Nodes that the host has turned inside out. */
    assert_int_equal(mkdir(at_top(&c, "share/d/b"), 0755), 0);
    assert_int_equal(walk(&c, ROOT, 4, "d/b"), 0);
    assert_int_equal(rename(at_top(&c, "share/d/b"), at_top(&c, "share/b")), 0);
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "d", 4u, "d"), ENOENT);
    assert_true(host_exists(&c, "share/d"));
}

static void test_setattr(void **state)
{
    struct stat st;
    struct attr a;
    (void)state;
    host_write(&c, "share/f", "0123456789");
    assert_int_equal(symlink("f", at_top(&c, "share/s")), 0);
    assert_int_equal(walk(&c, ROOT, 2, "f"), 0);
    assert_int_equal(setattr(&c, 2, 1, S_IFREG | 0604, 0, 0), 0);
    assert_int_equal(lstat(at_top(&c, "share/f"), &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0604);
    assert_int_equal(setattr(&c, 2, 8, 0, 0, 5), 0);
    assert_host_text(&c, "share/f", "01234");
    assert_int_equal(setattr(&c, 2, 8, 0, 0, UINT64_MAX), EFBIG);
    assert_int_equal(setattr(&c, 2, 0x10 | 0x80 | 0x20 | 0x100, 0, 0, 0), 0);
    assert_int_equal(getattr(&c, 2, &a), 0);
    assert_int_equal(a.atime[0], 1000000000);
    assert_int_equal(a.atime[1], 123456789);
    assert_int_equal(a.mtime[0], 1100000000);
    assert_int_equal(a.mtime[1], 987654321);
    assert_int_equal(setattr(&c, 2, 0x20, 0, 0, 0), 0); /* now */
    assert_int_equal(getattr(&c, 2, &a), 0);
    assert_int_equal(a.atime[0], 1000000000);
    assert_true(a.mtime[0] > 1700000000);
    assert_int_equal(setattr(&c, 2, 0x40, 0, 0, 0), 0);
    message(&c, T_SETATTR, "dddddqqqqq", 2u, 0x90u, 0u, 0u, 0u, UINT64_C(0), UINT64_C(1),
            UINT64_C(1000000000), UINT64_C(0), UINT64_C(0));
    assert_int_equal(rpc(&c), EINVAL);
    assert_int_equal(setattr(&c, 99, 1, 0, 0, 0), EBADF);
    assert_int_equal(walk(&c, ROOT, 3, "s"), 0);
    assert_int_equal(setattr(&c, 3, 0x10 | 0x80, 0, 0, 0), 0);
    assert_int_equal(lstat(at_top(&c, "share/s"), &st), 0);
    assert_int_equal(st.st_atime, 1000000000);
    /* The folder itself. */
    assert_int_equal(setattr(&c, ROOT, 1, 0701, 0, 0), 0);
    assert_int_equal(lstat(at_top(&c, "share"), &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0701);
    assert_int_equal(setattr(&c, ROOT, 8, 0, 0, 0), EISDIR);
}

/* An owner that the host refuses is no error; as root it is not refused. No program gets the user's rights. */
static void test_owners_and_set_id(void **state)
{
    struct stat st;
    (void)state;
    host_write(&c, "share/f", "x");
    assert_int_equal(walk(&c, ROOT, 2, "f"), 0);
    assert_int_equal(setattr(&c, 2, 2 | 4, 0, 4711, 0), 0);
    assert_int_equal(lstat(at_top(&c, "share/f"), &st), 0);
    assert_int_equal(st.st_uid, geteuid() ? geteuid() : 4711);
    assert_int_equal(setattr(&c, 2, 1, 07755, 0, 0), 0);
    assert_int_equal(lstat(at_top(&c, "share/f"), &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 01755);
    assert_int_equal(walk(&c, ROOT, 3, ""), 0);
    assert_int_equal(lcreate(&c, 3, "g", O9_RDWR, 06777), 0);
    assert_int_equal(setattr(&c, 3, 1, 06755, 0, 0), 0);
    assert_int_equal(lstat(at_top(&c, "share/g"), &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0755);
    assert_int_equal(CALL(&c, T_MKNOD, "dsdddd", ROOT, "h", S_IFREG | 06777u, 0u, 0u, 0u), 0);
    assert_int_equal(lstat(at_top(&c, "share/h"), &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0777);
}

static void test_statfs_locks_xattrs(void **state)
{
    char text[32];
    (void)state;
    host_write(&c, "share/f", "x");
    assert_int_equal(walk(&c, ROOT, 2, "f"), 0);
    for (uint32_t fid = 1; fid <= 2; fid++) {
        assert_int_equal(CALL(&c, T_STATFS, "d", fid), 0);
        assert_int_equal(get_n(&c, 4), 0x01021997);
        assert_in_range(get_n(&c, 4), 512, 1 << 20);
        assert_int_not_equal(get_n(&c, 8), 0);
        skip_n(&c, 5 * 8);
        assert_int_equal(get_n(&c, 4), 255);
        assert_int_equal(c.in_at, c.in_len);
    }
    assert_int_equal(CALL(&c, T_LOCK, "dbdqqds", 2u, 1, 0u, UINT64_C(0), UINT64_C(0), 1u, "me"), EBADF);
    assert_int_equal(lopen(&c, 2, O9_RDWR), 0);
    for (int type = 0; type <= 3; type++)
        assert_int_equal(CALL(&c, T_LOCK, "dbdqqds", 2u, type, 1u, UINT64_C(0), UINT64_C(0), 1u, "me"),
                         type == 3 ? EINVAL : 0);
    assert_int_equal(CALL(&c, T_GETLOCK, "dbqqds", 2u, 1, UINT64_C(5), UINT64_C(6), 7u, "me"), 0);
    assert_int_equal(get_n(&c, 1), 2);
    assert_int_equal(get_n(&c, 8), 5);
    assert_int_equal(get_n(&c, 8), 6);
    assert_int_equal(get_n(&c, 4), 7);
    get_s(&c, text, sizeof(text));
    assert_string_equal(text, "me");
    assert_int_equal(CALL(&c, T_XATTRWALK, "dds", 2u, 3u, "security.capability"), EOPNOTSUPP);
    assert_int_equal(CALL(&c, T_XATTRCREATE, "dsqd", 2u, "user.x", UINT64_C(1), 0u), EOPNOTSUPP);
    assert_int_equal(CALL(&c, T_XATTRWALK, "dds", 9u, 3u, ""), EBADF);
    assert_int_equal(clunk(&c, 3), EBADF);
}

static void test_read_only(void **state)
{
    struct attr a;
    size_t len;
    (void)state;
    host_write(&c, "share/f", "text");
    client_serve(&c, true);
    assert_int_equal(walk(&c, ROOT, 2, "f"), 0);
    assert_int_equal(walk(&c, ROOT, 3, ""), 0);
    for (uint32_t flags = 1; flags < 4; flags++)
        assert_int_equal(lopen(&c, 2, flags), flags == 3 ? EINVAL : EROFS);
    assert_int_equal(lopen(&c, 2, O9_TRUNC), EROFS);
    assert_int_equal(lopen(&c, 2, 0), 0);
    assert_int_equal(read_at(&c, 2, 0, 10, &len), 0);
    assert_int_equal(len, 4);
    assert_int_equal(write_at(&c, 2, 0, "x", 1), EROFS);
    assert_int_equal(lcreate(&c, 3, "g", 0, 0600), EROFS);
    assert_int_equal(lcreate(&c, 3, "f", 0, 0600), EROFS);
    assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, "s", "x", 0u), EROFS);
    assert_int_equal(CALL(&c, T_MKNOD, "dsdddd", ROOT, "m", S_IFREG | 0600u, 0u, 0u, 0u), EROFS);
    assert_int_equal(CALL(&c, T_RENAME, "dds", 2u, ROOT, "g"), EROFS);
    assert_int_equal(setattr(&c, 2, 1, 0600, 0, 0), EROFS);
    assert_int_equal(setattr(&c, 2, 0x40, 0, 0, 0), EROFS);
    assert_int_equal(CALL(&c, T_XATTRCREATE, "dsqd", 2u, "user.x", UINT64_C(1), 0u), EROFS);
    assert_int_equal(CALL(&c, T_LINK, "dds", ROOT, 2u, "g"), EROFS);
    assert_int_equal(CALL(&c, T_MKDIR, "dsdd", ROOT, "d", 0755u, 0u), EROFS);
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "f", ROOT, "g"), EROFS);
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", ROOT, "f", 0u), EROFS);
    assert_int_equal(CALL(&c, T_REMOVE, "d", 2u), EROFS);
    assert_int_equal(clunk(&c, 2), EBADF);
    assert_int_equal(walk(&c, ROOT, 2, "f"), 0);
    assert_int_equal(getattr(&c, 2, &a), 0);
    assert_int_equal(a.size, 4);
    assert_int_equal(lopen(&c, 3, 0), 0);
    assert_int_equal(CALL(&c, T_FSYNC, "dd", 3u, 0u), 0);
    assert_host_text(&c, "share/f", "text");
}

/* Many folders, and deeper ones than are allowed. */
static void test_many_and_deep(void **state)
{
    char name[32];
    struct attr a;
    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        assert_int_equal(CALL(&c, T_MKDIR, "dsdd", ROOT, name, 0755u, 0u), 0);
        assert_int_equal(walk(&c, ROOT, 10 + i, name), 0);
        assert_int_equal(CALL(&c, T_MKDIR, "dsdd", 10 + i, "sub", 0755u, 0u), 0);
    }
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(walk(&c, 10 + i, 1000, "sub"), 0);
        assert_int_equal(getattr(&c, 1000, &a), 0);
        assert_int_equal(CALL(&c, T_RENAME, "dds", 1000u, 10 + (i + 77) % 200, "moved"), 0);
        assert_int_equal(clunk(&c, 1000), 0);
    }
    /* Deep: so far and no further, and back. */
    assert_int_equal(walk(&c, ROOT, 2, ""), 0);
    uint32_t depth = 0;
    int r = 0;
    while (!r && depth < 600) {
        r = CALL(&c, T_MKDIR, "dsdd", 2u, "x", 0755u, 0u);
        if (!r)
            r = walk(&c, 2, 2, "x");
        depth += !r;
    }
    assert_int_equal(r, ENAMETOOLONG);
    assert_int_equal(depth, 513);
    assert_int_equal(walk(&c, 2, 2, ".."), 0);
    assert_int_equal(clunk(&c, 2), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_version),
        T(test_attach),
        T(test_nonsense),
        T(test_msize),
        T(test_walk),
        T(test_fids_are_bounded),
        T(test_open_files_are_bounded),
        T(test_create_write_read),
        T(test_directories),
        T(test_readdir),
        T(test_links),
        T(test_rename),
        T(test_rename_of_links),
        T(test_open_file_outlives_its_name),
        T(test_changes_of_the_host),
        T(test_replaced_folder),
        T(test_setattr),
        T(test_owners_and_set_id),
        T(test_statfs_locks_xattrs),
        T(test_read_only),
        T(test_many_and_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
