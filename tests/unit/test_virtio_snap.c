/* A disk's requests on their way while a snapshot is made: each is done once, before or after. */
#include "virtio_fixture.h"

#include "base/bits.h"
#include "base/io_pool.h"
#include "base/os.h"
#include "dev/disk.h"
#include "dev/virtio_blk.h"

#include <stdio.h>
#include <unistd.h>

#define SECTOR 512u
#define NR_REQUESTS 20u
#define HEAD(i) (BUFFERS + 0x20 * (i))
#define STATUS_AT(i) (BUFFERS + 0x800 + (i))
#define DATA(i) (BUFFERS + 0x1000 + SECTOR * (i))

enum { T_IN, T_OUT };

static char image[] = "/tmp/vibe-blk-XXXXXX";

static struct machine {
    struct fixture f;
    struct io_thread *io;
    struct io_pool *pool;
    struct virtio_device *v;
} m;

static void setup(enum virtio_layout layout)
{
    const struct disk_config c = {.path = image};
    struct disk *disk;

    assert_int_equal(io_thread_create(&m.io, "test", NULL), 0);
    assert_int_equal(io_pool_create(&m.pool, 4, m.io, NULL), 0);
    assert_int_equal(disk_open(&disk, &c, NULL), 0);
    m.v = virtio_blk_create(disk, NULL, 1, m.pool, NULL);
    assert_non_null(m.v);
    fixture_init(&m.f, layout, m.v);
}

static void teardown(void)
{
    io_pool_destroy(m.pool);
    fixture_destroy(&m.f);
    io_thread_destroy(m.io);
}

/* Those of even numbers write their sector, the others read it. */
static void ask(unsigned i)
{
    put(&m.f, HEAD(i), i % 2 ? T_IN : T_OUT, 4);
    put(&m.f, HEAD(i) + 8, i, 8);
    put(&m.f, STATUS_AT(i), 0xaa, 1);
    memset(ram_ptr(&m.f.ram, DATA(i), SECTOR, true), i % 2 ? 0 : 'A' + (int)i, SECTOR);
    set_desc(&m.f, 0, 3 * i, HEAD(i), 16, F_NEXT, (uint16_t)(3 * i + 1));
    set_desc(&m.f, 0, 3 * i + 1, DATA(i), SECTOR, F_NEXT | (i % 2 ? F_WRITE : 0), (uint16_t)(3 * i + 2));
    set_desc(&m.f, 0, 3 * i + 2, STATUS_AT(i), 1, F_WRITE, 0);
    offer(&m.f, 0, (uint16_t)(3 * i));
}

static void check_all(void)
{
    const uint64_t deadline = os_now_ns() + UINT64_C(30000000000);
    uint8_t got[SECTOR];
    FILE *f = fopen(image, "rb");

    while (used_idx(&m.f, 0) != NR_REQUESTS)
        assert_true(os_now_ns() < deadline);
    assert_non_null(f);
    for (unsigned i = 0; i < NR_REQUESTS; i++) {
        unsigned times = 0;
        for (unsigned n = 0; n < NR_REQUESTS; n++)
            times += used_id(&m.f, 0, n) == 3 * i;
        assert_int_equal(times, 1);
        assert_int_equal(get(&m.f, STATUS_AT(i), 1), 0);
        assert_int_equal(fread(got, 1, SECTOR, f), SECTOR);
        assert_memory_equal(got, ram_ptr(&m.f.ram, DATA(i), SECTOR, false), SECTOR);
        assert_int_equal(got[7], i % 2 ? 'a' + (int)i : 'A' + (int)i);
    }
    fclose(f);
}

static void fill_image(void)
{
    FILE *f = fopen(image, "wb");
    assert_non_null(f);
    for (unsigned i = 0; i < 64 * SECTOR; i++)
        fputc('a' + (int)(i / SECTOR), f);
    fclose(f);
}

/* How many the device was told of before. */
static void requests(enum virtio_layout layout, unsigned notified, unsigned slow_us)
{
    fill_image();
    setup(layout);
    start_device(&m.f, 0, 64);
    for (unsigned i = 0; i < NR_REQUESTS; i++) {
        ask(i);
        if (i + 1 == notified)
            kick(&m.f, 0);
    }
    usleep(slow_us);
    io_pool_pause(m.pool);
    struct moved to = fixture_save(&m.f);
    /* Those that this machine goes on with don't count: its memory is not looked at any more. */
    teardown();
    setup(layout);
    fixture_load(&m.f, &to);
    check_all();
    assert_true(m.f.line);
    teardown();
}

static void in_flight(void **unused)
{
    (void)unused;
    for (unsigned layout = VIRTIO_LEGACY; layout <= VIRTIO_MODERN; layout++)
        for (unsigned us = 0; us < 200; us += 20)
            for (unsigned notified = 0; notified <= NR_REQUESTS; notified += NR_REQUESTS / 2)
                requests((enum virtio_layout)layout, notified, us);
}

/* Which image is in it would have to be said by whoever loads. */
static void image_was_changed(void **unused)
{
    struct err e = {0};
    struct snap s;

    (void)unused;
    fill_image();
    setup(VIRTIO_MODERN);
    assert_int_equal(virtio_blk_change(m.v, NULL), 0);
    snap_begin_save(&s, &e);
    bus_snap(&m.f.bus, &s);
    assert_true(s.failed && strstr(e.text, "was changed while the machine ran"));
    snap_free(&s);
    teardown();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_flight), cmocka_unit_test(image_was_changed)};
    const int fd = mkstemp(image);

    if (fd < 0)
        return 1;
    close(fd);
    const int r = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(image);
    return r;
}
