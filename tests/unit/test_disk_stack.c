/* Overlays over overlays, and what a snapshot takes for the same disk. */
#include "disk_fixture.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/snap.h"
#include "dev/disk.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

#define NR_SECTORS 300u
#define LEN (NR_SECTORS * SECTOR)

static unsigned roll(unsigned n)
{
    static uint32_t state = 7;
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

static void check_read(struct disk *d, const uint8_t *model)
{
    static uint8_t buf[LEN];
    const struct iovec iov = {buf, LEN};
    assert_int_equal(disk_read(d, 0, &iov, 1), 0);
    assert_memory_equal(buf, model, LEN);
}

/* One change, to disk and model. */
static void change(struct disk *d, uint8_t *model)
{
    const unsigned sector = roll(NR_SECTORS), n = 1 + roll(MIN(NR_SECTORS - sector, 24u));
    uint8_t *at = model + sector * SECTOR;
    const struct iovec iov = {at, n * SECTOR};

    if (roll(4)) {
        for (unsigned i = 0; i < n * SECTOR; i++)
            at[i] = (uint8_t)roll(256);
        assert_int_equal(disk_write(d, sector * SECTOR, &iov, 1), 0);
    } else {
        memset(at, 0, n * SECTOR);
        assert_int_equal(disk_zero(d, sector * SECTOR, n * SECTOR, roll(2)), 0);
    }
}

static struct disk *open_stack(unsigned nr, bool throw_away, struct err *e)
{
    static char base[128], overlay[3][128];
    static const char *const name[3] = {"one.cow", "two.cow", "three.cow"};
    struct disk_config c = {.path = base, .nr_overlays = nr, .throw_away = throw_away};
    struct disk *d = NULL;

    snprintf(base, sizeof(base), "%s/stacked", dir);
    for (unsigned i = 0; i < nr; i++) {
        snprintf(overlay[i], sizeof(overlay[i]), "%s/%s", dir, name[i]);
        c.overlay[i] = overlay[i];
    }
    *e = (struct err){0};
    disk_open(&d, &c, e);
    return d;
}

static void test_stack(void **state)
{
    static uint8_t model[LEN], one[LEN + 65536], same[LEN + 65536];
    const struct iovec all = {model, LEN};
    struct err e;
    struct stat st;

    (void)state;
    make_base("stacked", LEN);
    for (unsigned nr = 1; nr <= 3; nr++) {
        struct disk *d = open_stack(nr, false, &e);
        assert_non_null(d);
        assert_int_equal(disk_read(d, 0, &all, 1), 0);
        for (unsigned i = 0; i < 40; i++)
            change(d, model);
        check_read(d, model);
        disk_close(d);
        d = open_stack(nr, false, &e);
        assert_non_null(d);
        check_read(d, model);
        disk_close(d);
        if (nr == 1)
            read_file("one.cow", one, sizeof(one));
    }
    /* Those below stay as they are; one that has no name any more works, and nothing of it stays. */
    read_file("one.cow", same, sizeof(same));
    assert_memory_equal(one, same, sizeof(one));
    assert_int_equal(unlink(path("three.cow")), 0);
    struct disk *d = open_stack(3, true, &e);
    assert_non_null(d);
    assert_int_equal(stat(path("three.cow"), &st), -1);
    assert_int_equal(disk_read(d, 0, &all, 1), 0);
    for (unsigned i = 0; i < 40; i++)
        change(d, model);
    check_read(d, model);
    disk_close(d);
    assert_int_equal(stat(path("three.cow"), &st), -1);
    /* One below that was written to since does not fit any more; nor does one that is not there. */
    d = open_stack(1, false, &e);
    assert_int_equal(disk_zero(d, 0, SECTOR, false), 0);
    disk_close(d);
    assert_null(open_stack(2, false, &e));
    if (!strstr(e.text, "two.cow: was made before its base was last written"))
        fail_msg("%s", e.text);
    assert_int_equal(unlink(path("one.cow")), 0);
    assert_null(open_stack(2, false, &e));
    assert_non_null(strstr(e.text, "one.cow: No such file"));
}

/* What a snapshot takes for the same disk. */
static void check_snap(struct disk *d, const struct snap *saved, const char *refusal)
{
    struct err e = {0};
    struct snap s;

    assert_non_null(d);
    snap_begin_load(&s, saved->buf, saved->len, &e);
    disk_snap(d, &s);
    snap_end_load(&s);
    if (refusal ? !strstr(e.text, refusal) : e.code)
        fail_msg("\"%s\", and not \"%s\"", e.text, refusal ? refusal : "");
    disk_close(d);
}

static void test_snapshot(void **state)
{
    struct err e;
    struct snap plain, with_data;

    (void)state;
    make_base("stacked", LEN);
    unlink(path("one.cow"));
    unlink(path("two.cow"));
    struct disk *d = open_stack(0, false, &e);
    snap_begin_save(&plain, &e);
    disk_snap(d, &plain);
    disk_close(d);
    check_snap(open_stack(0, false, &e), &plain, NULL);
    check_snap(open_stack(1, false, &e), &plain, NULL); /* an empty one, which is gone again */
    d = open_stack(1, false, &e);
    assert_int_equal(disk_zero(d, 0, SECTOR, false), 0);
    snap_begin_save(&with_data, &e);
    disk_snap(d, &with_data);
    disk_close(d); /* stores nothing more, or its time would be another */
    check_snap(open_stack(1, false, &e), &plain, "had 0 overlays with data, and has 1");
    check_snap(open_stack(0, false, &e), &with_data, "had 1 overlays with data, and has 0");
    check_snap(open_stack(1, false, &e), &with_data, NULL);
    check_snap(open_stack(2, true, &e), &with_data, NULL);
    d = open_stack(1, false, &e);
    assert_int_equal(disk_zero(d, 4096, SECTOR, false), 0);
    disk_close(d);
    check_snap(open_stack(1, false, &e), &with_data, "one.cow has changed since");
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path("stacked"), times, 0), 0);
    check_snap(open_stack(0, false, &e), &plain, "stacked has changed since");
    snap_free(&plain);
    snap_free(&with_data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stack), cmocka_unit_test(test_snapshot)};
    return cmocka_run_group_tests_name("disk_stack", tests, setup, teardown);
}
