/* Nothing leads out of a shared folder: names, links, special files, and a host that changes the folder at the worst moment. */
#include "p9_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#define O9_RDWR 2u
#define O9_TRUNC 01000u

static struct client c;

static int setup(void **state)
{
    (void)state;
    client_init(&c);
    return 0;
}

/* Also checks that the file outside is as it was. */
static int teardown(void **state)
{
    (void)state;
    client_destroy(&c);
    return 0;
}

static void test_names(void **state)
{
    static const char *const bad[] = {"",    "/",  "../secret", "a/b", "/etc/passwd",
                                      "./x", "..", ".",         "x/",  "../share/x"};
    (void)state;
    host_write(&c, "share/f", "x");
    assert_int_equal(walk(&c, ROOT, 2, "f"), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *n = bad[i];
        const bool dots = !strcmp(n, ".") || !strcmp(n, "..");
        message(&c, T_WALK, "ddws", ROOT, 3u, 1, n);
        assert_int_equal(rpc(&c), dots ? 0 : EINVAL);
        if (dots) {
            /* The folder itself. */
            struct stat st;
            assert_int_equal(stat(c.folder, &st), 0);
            skip_n(&c, 2 + 1 + 4);
            assert_int_equal(get_n(&c, 8), st.st_ino);
            assert_int_equal(clunk(&c, 3), 0);
        }
        assert_int_equal(walk(&c, ROOT, 3, ""), 0);
        assert_int_equal(lcreate(&c, 3, n, O9_RDWR, 0600), dots ? EEXIST : EINVAL);
        assert_int_equal(clunk(&c, 3), 0);
        assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, n, "x", 0u), dots ? EEXIST : EINVAL);
        assert_int_equal(CALL(&c, T_MKNOD, "dsdddd", ROOT, n, S_IFREG | 0600u, 0u, 0u, 0u),
                         dots ? EEXIST : EINVAL);
        assert_int_equal(CALL(&c, T_MKDIR, "dsdd", ROOT, n, 0755u, 0u), dots ? EEXIST : EINVAL);
        assert_int_equal(CALL(&c, T_LINK, "dds", ROOT, 2u, n), dots ? EEXIST : EINVAL);
        assert_int_equal(CALL(&c, T_RENAME, "dds", 2u, ROOT, n), dots ? EBUSY : EINVAL);
        assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "f", ROOT, n), dots ? EBUSY : EINVAL);
        assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, n, ROOT, "g"), dots ? EBUSY : EINVAL);
        assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", ROOT, n, 0u), EINVAL);
        assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", ROOT, n, 0x200u), EINVAL);
    }
    for (unsigned up = 0; up < 20; up++)
        assert_int_equal(walk(&c, ROOT, ROOT, "../.."), 0);
    message(&c, T_WALK, "ddwss", ROOT, 3u, 2, "..", "secret");
    assert_int_equal(rpc(&c), 0);
    assert_int_equal(get_n(&c, 2), 1);
}

/* Links that the host or the guest put there are text for the guest, and no way for us. */
static void test_symlinks(void **state)
{
    struct stat before, after;
    char outside[100];
    (void)state;
    snprintf(outside, sizeof(outside), "%s", at_top(&c, "secret"));
    assert_int_equal(stat(outside, &before), 0);
    assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, "file", outside, 0u), 0);
    assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, "up", "..", 0u), 0);
    assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, "dangling", "../made", 0u), 0);
    assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, "self", "self", 0u), 0);
    assert_int_equal(CALL(&c, T_SYMLINK, "dssd", ROOT, "proc", "/proc/self/root", 0u), 0);
    const char *const links[] = {"file", "up", "dangling", "self", "proc"};
    for (uint32_t i = 0; i < ARRAY_LEN(links); i++) {
        const uint32_t fid = 10 + i;
        assert_int_equal(walk(&c, ROOT, fid, links[i]), 0);
        assert_int_equal(walk(&c, fid, 99, "secret"), ENOTDIR);
        assert_int_equal(lopen(&c, fid, 0), ELOOP);
        assert_int_equal(lopen(&c, fid, 0200000), ELOOP);
        assert_int_equal(lopen(&c, fid, O9_RDWR | O9_TRUNC), ELOOP);
        assert_int_equal(setattr(&c, fid, 8, 0, 0, 0), ELOOP);
        assert_int_not_equal(setattr(&c, fid, 1, 0777, 0, 0), 0); /* a link has no mode of its own */
        assert_int_equal(setattr(&c, fid, 0x10 | 0x80 | 0x20 | 0x100, 0, 0, 0), 0);
        assert_int_equal(setattr(&c, fid, 2 | 4, 0, 4711, 0), 0);
        assert_int_equal(CALL(&c, T_MKDIR, "dsdd", fid, "d", 0755u, 0u), ENOTDIR);
        assert_int_equal(CALL(&c, T_SYMLINK, "dssd", fid, "s", "x", 0u), ENOTDIR);
        assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", fid, "secret", 0u), ENOTDIR);
        assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", fid, "secret", ROOT, "mine"), ENOTDIR);
        assert_int_equal(CALL(&c, T_LINK, "dds", fid, fid, "x"), ENOTDIR);
        assert_int_equal(lcreate(&c, fid, "x", O9_RDWR, 0600), ENOTDIR);
        /* Creating at a link's name does not go where it points. */
        assert_int_equal(walk(&c, ROOT, 50, ""), 0);
        assert_int_equal(lcreate(&c, 50, links[i], O9_RDWR, 0600), ELOOP);
        assert_int_equal(lcreate(&c, 50, links[i], O9_RDWR | 0200, 0600), EEXIST);
        assert_int_equal(clunk(&c, 50), 0);
    }
    assert_false(host_exists(&c, "made"));
    assert_int_equal(stat(outside, &after), 0);
    assert_int_equal(before.st_mtime, after.st_mtime);
    assert_int_equal(before.st_mode, after.st_mode);
    assert_int_equal(before.st_uid, after.st_uid);
    assert_int_equal(before.st_nlink, after.st_nlink);
}

/* Devices, FIFOs and sockets: neither opened nor made, but for the two that are nothing but a name. */
static void test_special_files(void **state)
{
    struct attr a;
    (void)state;
    assert_int_equal(mkfifo(at_top(&c, "share/fifo"), 0600), 0);
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", at_top(&c, "share/socket"));
    assert_int_equal(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
    close(s);
    /* Where we may make one, a device too. */
    struct stat null;
    assert_int_equal(stat("/dev/null", &null), 0);
    const bool device = !mknod(at_top(&c, "share/null"), S_IFCHR | 0666, null.st_rdev);
    const char *const names[] = {"fifo", "socket", "null"};
    for (uint32_t i = 0; i < (device ? 3 : 2); i++) {
        const uint32_t fid = 10 + i;
        assert_int_equal(walk(&c, ROOT, fid, names[i]), 0);
        assert_int_equal(getattr(&c, fid, &a), 0);
        assert_true((a.rdev != 0) == (i == 2));
        for (uint32_t flags = 0; flags < 3; flags++)
            assert_int_equal(lopen(&c, fid, flags), EACCES);
        assert_int_equal(setattr(&c, fid, 8, 0, 0, 0), EACCES);
        assert_int_equal(walk(&c, ROOT, 50, ""), 0);
        assert_int_equal(lcreate(&c, 50, names[i], O9_RDWR, 0600), EACCES);
        assert_int_equal(clunk(&c, 50), 0);
    }
    assert_int_equal(CALL(&c, T_MKNOD, "dsdddd", ROOT, "c", S_IFCHR | 0666u, 1u, 3u, 0u), EPERM);
    assert_int_equal(CALL(&c, T_MKNOD, "dsdddd", ROOT, "b", S_IFBLK | 0666u, 8u, 0u, 0u), EPERM);
    assert_int_equal(CALL(&c, T_MKNOD, "dsdddd", ROOT, "l", S_IFLNK | 0666u, 0u, 0u, 0u), EPERM);
    assert_int_equal(CALL(&c, T_MKNOD, "dsdddd", ROOT, "d", S_IFDIR | 0666u, 0u, 0u, 0u), EPERM);
    assert_false(host_exists(&c, "share/c"));
    assert_false(host_exists(&c, "share/b"));
    assert_int_equal(CALL(&c, T_MKNOD, "dsdddd", ROOT, "p", S_IFIFO | 0666u, 0u, 0u, 0u), 0);
    assert_int_equal(CALL(&c, T_MKNOD, "dsdddd", ROOT, "s", S_IFSOCK | 0666u, 0u, 0u, 0u), 0);
    struct stat st;
    assert_int_equal(lstat(at_top(&c, "share/p"), &st), 0);
    assert_int_equal(st.st_mode, S_IFIFO | 0666);
}

/* A folder that the host moves out: who is in it does not get further up. */
static void test_moved_outside(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at_top(&c, "share/d"), 0755), 0);
    assert_int_equal(mkdir(at_top(&c, "share/d/e"), 0755), 0);
    assert_int_equal(walk(&c, ROOT, 2, "d/e"), 0);
    assert_int_equal(walk(&c, 2, 3, ""), 0);
    assert_int_equal(lopen(&c, 3, 0), 0);
    assert_int_equal(rename(at_top(&c, "share/d"), at_top(&c, "outside")), 0);
    message(&c, T_WALK, "ddwsss", 2u, 4u, 3, "..", "..", "secret");
    assert_int_equal(rpc(&c) & ~ENOENT, 0);
    assert_int_equal(clunk(&c, 4), EBADF);
    message(&c, T_WALK, "ddwss", 2u, 4u, 2, "..", "..");
    if (!rpc(&c) && get_n(&c, 2) == 2) {
        struct stat st;
        assert_int_equal(stat(c.folder, &st), 0);
        skip_n(&c, 13 + 5);
        assert_int_equal(get_n(&c, 8), st.st_ino);
    }
    /* Nor is there any more to be done in it, but with what is open. */
    assert_int_equal(CALL(&c, T_MKDIR, "dsdd", 2u, "x", 0755u, 0u), ENOENT);
    assert_int_equal(walk(&c, 2, 4, "x"), ENOENT);
    assert_false(host_exists(&c, "outside/e/x"));
    assert_int_equal(CALL(&c, T_READDIR, "dqd", 3u, UINT64_C(0), 1000u), 0);
}

/* The parent's identity is nobody's business in the folder's listing. */
static void test_root_has_no_parent(void **state)
{
    struct stat inside, outside;
    bool seen = false;
    (void)state;
    assert_int_equal(stat(c.folder, &inside), 0);
    assert_int_equal(stat(c.top, &outside), 0);
    assert_int_equal(walk(&c, ROOT, 2, ""), 0);
    assert_int_equal(lopen(&c, 2, 0), 0);
    assert_int_equal(CALL(&c, T_READDIR, "dqd", 2u, UINT64_C(0), 8000u), 0);
    skip_n(&c, 4);
    while (c.in_at < c.in_len) {
        char name[256];
        skip_n(&c, 5);
        const uint64_t ino = get_n(&c, 8);
        skip_n(&c, 9);
        get_s(&c, name, sizeof(name));
        assert_int_not_equal(ino, outside.st_ino);
        if (!strcmp(name, "..")) {
            assert_int_equal(ino, inside.st_ino);
            seen = true;
        }
    }
    assert_true(seen);
}

/* --- Races ---------------------------------------------------------------------------------------------------------- */

static atomic_bool racing;

/* Exchanges a folder and a file for links that lead outside, and back, as fast as it goes. */
static void *race(void *opaque)
{
    char dir[128], dir_aside[128], link[128], file[128], file_aside[128], file_link[128];
    (void)opaque;
    snprintf(dir, sizeof(dir), "%s/share/d", c.top);
    snprintf(dir_aside, sizeof(dir_aside), "%s/share/d.aside", c.top);
    snprintf(link, sizeof(link), "%s/share/d.link", c.top);
    snprintf(file, sizeof(file), "%s/share/f", c.top);
    snprintf(file_aside, sizeof(file_aside), "%s/share/f.aside", c.top);
    snprintf(file_link, sizeof(file_link), "%s/share/f.link", c.top);
    while (atomic_load(&racing)) {
        rename(dir, dir_aside);
        rename(link, dir);
        rename(dir, link);
        rename(dir_aside, dir);
        rename(file, file_aside);
        rename(file_link, file);
        rename(file, file_link);
        rename(file_aside, file);
    }
    return NULL;
}

static void test_races(void **state)
{
    pthread_t thread;
    unsigned inside = 0;
    size_t len;
    (void)state;
    assert_int_equal(mkdir(at_top(&c, "other"), 0755), 0);
    host_write(&c, "other/secret", "secret");
    assert_int_equal(mkdir(at_top(&c, "share/d"), 0755), 0);
    host_write(&c, "share/d/secret", "inside");
    host_write(&c, "share/f", "inside");
    assert_int_equal(symlink("../other", at_top(&c, "share/d.link")), 0);
    assert_int_equal(symlink("../secret", at_top(&c, "share/f.link")), 0);
    atomic_store(&racing, true);
    assert_int_equal(pthread_create(&thread, NULL, race, NULL), 0);
    for (unsigned i = 0; i < 3000; i++) {
        const char *const path[] = {"d/secret", "f"};
        for (unsigned p = 0; p < 2; p++) {
            if (!walk(&c, ROOT, 2, path[p])) {
                if (!lopen(&c, 2, O9_RDWR)) {
                    assert_int_equal(read_at(&c, 2, 0, 100, &len), 0);
                    assert_int_equal(len, 6);
                    assert_memory_equal(c.in + c.in_at, "inside", 6);
                    assert_int_equal(write_at(&c, 2, 0, "inside", 6), 0);
                    inside++;
                } else {
                    setattr(&c, 2, 1 | 8, 0644, 0, 6);
                }
                assert_int_equal(clunk(&c, 2), 0);
            }
        }
        if (!walk(&c, ROOT, 2, "d")) {
            if (!lcreate(&c, 2, "made", O9_RDWR, 0600))
                assert_int_equal(write_at(&c, 2, 0, "made", 4), 0);
            assert_int_equal(clunk(&c, 2), 0);
        }
    }
    atomic_store(&racing, false);
    pthread_join(thread, NULL);
    assert_true(inside > 0);
    assert_false(host_exists(&c, "other/made"));
    assert_host_text(&c, "other/secret", "secret");
}

static void test_no_folder(void **state)
{
    struct err e = {0};
    (void)state;
    assert_null(p9_server_create(at_top(&c, "secret"), false, &e));
    assert_int_equal(e.code, ENOTDIR);
    assert_non_null(strstr(e.text, "not a folder"));
    assert_null(p9_server_create(at_top(&c, "none"), false, &e));
    assert_int_equal(e.code, ENOENT);
    assert_non_null(strstr(e.text, "/none"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_names),         T(test_symlinks),           T(test_special_files),
        T(test_moved_outside), T(test_root_has_no_parent), T(test_races),
        T(test_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
