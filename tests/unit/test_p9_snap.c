/* A shared folder's session to another server: fids of files that are as they were, and of ones that are not. */
#include "p9_client.h"

#include "base/snap.h"

#include <dirent.h>

enum { FILE_A = 10, OPEN_A, OPEN_B, APPEND, DIRECTORY, INNER, LINK, GONE, RENAMED };

static struct client c;

static int setup(void **unused)
{
    (void)unused;
    client_init(&c);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    client_destroy(&c);
    return 0;
}

static void save(struct snap *s)
{
    snap_begin_save(s, NULL);
    p9_server_snap(c.server, s);
    assert_false(s->failed);
}

static int load_into(struct p9_server *server, const uint8_t *buf, size_t len, struct err *e)
{
    struct snap s;
    snap_begin_load(&s, buf, len, e);
    p9_server_snap(server, &s);
    snap_end_load(&s);
    return s.failed ? -e->code : 0;
}

static void load(const struct snap *from, bool read_only)
{
    struct err e = {0};
    p9_server_destroy(c.server);
    c.server = p9_server_create(c.folder, read_only, &e);
    assert_non_null(c.server);
    assert_int_equal(load_into(c.server, from->buf, from->len, &e), 0);
}

static void move(bool read_only)
{
    struct snap s;
    save(&s);
    load(&s, read_only);
    snap_free(&s);
}

static void open_at(uint32_t fid, const char *path, uint32_t flags)
{
    assert_int_equal(walk(&c, ROOT, fid, path), 0);
    assert_int_equal(lopen(&c, fid, flags), 0);
}

static void reads(uint32_t fid, const char *text)
{
    size_t len;
    assert_int_equal(read_at(&c, fid, 0, 100, &len), 0);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(c.in + c.in_at, text, len);
}

static unsigned descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void goes_on(void **unused)
{
    struct attr before = {0}, after = {0};
    size_t len;

    (void)unused;
    host_write(&c, "share/a", "first");
    host_write(&c, "share/b", "second");
    assert_int_equal(mkdir(at_top(&c, "share/d"), 0755), 0);
    host_write(&c, "share/d/inner", "inner");
    assert_int_equal(symlink("a", at_top(&c, "share/link")), 0);
    const unsigned nr_open = descriptors();
    assert_int_equal(walk(&c, ROOT, FILE_A, "a"), 0);
    open_at(OPEN_A, "a", O_RDONLY);
    open_at(OPEN_B, "b", O_RDWR | O_TRUNC);
    open_at(APPEND, "a", O_WRONLY | O_APPEND);
    open_at(DIRECTORY, "d", O_RDONLY | O_DIRECTORY);
    assert_int_equal(walk(&c, ROOT, INNER, "d/inner"), 0);
    assert_int_equal(walk(&c, ROOT, LINK, "link"), 0);
    assert_int_equal(write_at(&c, OPEN_B, 0, "more", 4), 0);
    assert_int_equal(getattr(&c, INNER, &before), 0);
    const unsigned now_open = descriptors();
    assert_true(!nr_open || now_open > nr_open);

    for (unsigned i = 0; i < 3; i++)
        move(false);
    assert_true(descriptors() <= now_open);
    assert_int_equal(getattr(&c, INNER, &after), 0);
    assert_memory_equal(&before, &after, sizeof(before)); /* the qid too, by which the guest knows it */
    reads(OPEN_A, "first");
    reads(OPEN_B, "more"); /* which was cut when it was opened, and is not again */
    assert_int_equal(read_at(&c, APPEND, 0, 5, &len), EBADF);
    assert_int_equal(read_at(&c, FILE_A, 0, 5, &len), EBADF);
    assert_int_equal(write_at(&c, OPEN_A, 0, "x", 1), EBADF);
    assert_int_equal(write_at(&c, APPEND, 0, "+", 1), 0);
    assert_int_equal(write_at(&c, OPEN_B, 4, "!", 1), 0);
    assert_host_text(&c, "share/a", "first+");
    assert_host_text(&c, "share/b", "more!");
    assert_int_equal(CALL(&c, T_READDIR, "dqd", DIRECTORY, UINT64_C(0), 1000u), 0);
    assert_true(get_n(&c, 4) > 3 * 24 - 24);
    assert_int_equal(CALL(&c, T_READLINK, "d", LINK), 0);
    char target[8];
    get_s(&c, target, sizeof(target));
    assert_string_equal(target, "a");
    assert_int_equal(walk(&c, DIRECTORY, 99, "inner"), 0);
    assert_int_equal(clunk(&c, 99), 0);
    assert_int_equal(walk(&c, INNER, FILE_A, ""), EBADF); /* in use */
    for (uint32_t fid = FILE_A; fid <= LINK; fid++)
        assert_int_equal(clunk(&c, fid), 0);
    assert_int_equal(clunk(&c, FILE_A), EBADF);
    assert_true(descriptors() <= nr_open + 2); /* the server keeps two folders at hand */
    /* A session that had not begun is the same. */
    p9_server_reset(c.server);
    move(false);
    assert_int_equal(walk(&c, ROOT, FILE_A, ""), EPROTO);
}

/* Removed while it was open, removed or replaced since, renamed by the guest, with a host that is at it meanwhile. */
static void other_files(void **unused)
{
    struct snap s;
    struct attr a;
    size_t len;

    (void)unused;
    host_write(&c, "share/a", "first");
    host_write(&c, "share/b", "second");
    host_write(&c, "share/gone", "gone");
    host_write(&c, "share/old", "renamed");
    assert_int_equal(mkdir(at_top(&c, "share/d"), 0755), 0);
    host_write(&c, "share/d/inner", "inner");
    open_at(GONE, "gone", O_RDWR);
    assert_int_equal(CALL(&c, T_UNLINKAT, "dsd", ROOT, "gone", 0u), 0);
    reads(GONE, "gone"); /* so long as this server has it open */
    open_at(RENAMED, "old", O_RDWR);
    assert_int_equal(CALL(&c, T_RENAMEAT, "dsds", ROOT, "old", ROOT, "new"), 0);
    open_at(OPEN_A, "a", O_RDONLY);
    open_at(OPEN_B, "b", O_RDWR);
    open_at(INNER, "d/inner", O_RDONLY);
    assert_int_equal(walk(&c, ROOT, DIRECTORY, "d"), 0);
    save(&s);
    assert_int_equal(unlink(at_top(&c, "share/a")), 0);
    assert_int_equal(rename(at_top(&c, "share/b"), at_top(&c, "share/kept")), 0);
    host_write(&c, "share/b", "another");
    assert_int_equal(rename(at_top(&c, "share/d"), at_top(&c, "share/e")), 0);
    assert_int_equal(symlink("../..", at_top(&c, "share/d")), 0);
    load(&s, false);

    reads(RENAMED, "renamed");
    assert_int_equal(write_at(&c, RENAMED, 0, "R", 1), 0);
    assert_host_text(&c, "share/new", "Renamed");
    static const uint32_t lost[] = {GONE, OPEN_A, OPEN_B, INNER};
    for (unsigned i = 0; i < ARRAY_LEN(lost); i++) {
        assert_true(read_at(&c, lost[i], 0, 10, &len) != 0);
        assert_true(write_at(&c, lost[i], 0, "x", 1) != 0);
        assert_int_equal(getattr(&c, lost[i], &a), ENOENT);
        assert_true(lopen(&c, lost[i], O_RDONLY) != 0);
    }
    assert_int_not_equal(walk(&c, DIRECTORY, 99, "inner"), 0);
    assert_int_not_equal(walk(&c, DIRECTORY, 99, "secret"), 0);
    assert_host_text(&c, "share/b", "another");
    assert_host_text(&c, "share/kept", "second");
    for (unsigned i = 0; i < ARRAY_LEN(lost); i++)
        assert_int_equal(clunk(&c, lost[i]), 0);
    /* And once more, with what is dead already. */
    move(false);
    assert_int_not_equal(walk(&c, DIRECTORY, 99, "inner"), 0);
    reads(RENAMED, "Renamed");
    snap_free(&s);
}

static void read_only(void **unused)
{
    size_t len;

    (void)unused;
    host_write(&c, "share/a", "first");
    open_at(OPEN_A, "a", O_RDONLY);
    open_at(OPEN_B, "a", O_RDWR);
    move(true);
    reads(OPEN_A, "first");
    assert_int_not_equal(write_at(&c, OPEN_B, 0, "x", 1), 0);
    assert_int_not_equal(read_at(&c, OPEN_B, 0, 1, &len), 0);
    assert_host_text(&c, "share/a", "first");
}

static void in_place(struct snap *s, const char *is, const char *becomes)
{
    uint8_t *at = memmem(s->buf, s->len, is, strlen(is));
    assert_non_null(at);
    memcpy(at, becomes, strlen(is));
}

/* Nothing outside the folder is to be had by a changed snapshot. */
static void outside(void **unused)
{
    static const char *const path[] = {"../secret", "/../secret", "l/l/secret", "./l/secret"};
    static const char *const name[] = {"ninechars", "0ten-chars", "0ten-chars", "0ten-chars"};
    size_t len;

    (void)unused;
    assert_int_equal(symlink("..", at_top(&c, "share/l")), 0);
    for (unsigned i = 0; i < ARRAY_LEN(path); i++) {
        struct snap s;
        char inside[32];
        snprintf(inside, sizeof(inside), "share/%s", name[i]);
        /* So that number and type are those of what is outside. */
        assert_int_equal(link(at_top(&c, "secret"), at_top(&c, inside)), 0);
        open_at(OPEN_A, name[i], O_RDWR);
        save(&s);
        in_place(&s, name[i], path[i]);
        load(&s, false);
        assert_int_not_equal(read_at(&c, OPEN_A, 0, 10, &len), 0);
        assert_int_not_equal(write_at(&c, OPEN_A, 0, "x", 1), 0);
        in_place(&s, path[i], name[i]);
        load(&s, false);
        reads(OPEN_A, "secret");
        assert_int_equal(clunk(&c, OPEN_A), 0);
        assert_int_equal(unlink(at_top(&c, inside)), 0);
        snap_free(&s);
    }
}

/* Any byte another, or cut short: refused with a reason, or a session that can be ended. */
static void changed(void **unused)
{
    struct snap s;

    (void)unused;
    host_write(&c, "share/a", "first");
    assert_int_equal(mkdir(at_top(&c, "share/d"), 0755), 0);
    host_write(&c, "share/d/inner", "inner");
    open_at(OPEN_A, "a", O_RDWR);
    open_at(INNER, "d/inner", O_RDONLY);
    save(&s);
    uint8_t *buf = malloc(s.len);
    assert_non_null(buf);
    for (size_t i = 0; i < 2 * s.len; i++) {
        struct p9_server *server = p9_server_create(c.folder, false, NULL);
        struct err e = {0};
        memcpy(buf, s.buf, s.len);
        if (i < s.len)
            buf[i] ^= (uint8_t)(1u << i % 7);
        const int r = load_into(server, buf, i < s.len ? s.len : i - s.len, &e);
        assert_true(!r || e.text[0]);
        assert_true(r || i < s.len);
        p9_server_destroy(server);
    }
    free(buf);
    snap_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(other_files, setup, teardown),
        cmocka_unit_test_setup_teardown(read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(outside, setup, teardown),
        cmocka_unit_test_setup_teardown(changed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
