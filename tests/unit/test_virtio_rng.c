/* The entropy device in both layouts: bytes that differ, no more than there is room for, and only so many in a second. */
#include "virtio_fixture.h"

#include "base/bits.h"
#include "base/io_thread.h"
#include "base/log.h"
#include "base/os.h"
#include "dev/virtio_rng.h"

#include <unistd.h>

struct machine {
    struct fixture f;
    struct io_thread *io;
};

static void setup(struct machine *m, enum virtio_layout layout)
{
    assert_int_equal(io_thread_create(&m->io, "test", NULL), 0);
    struct virtio_device *v = virtio_rng_create(m->io, NULL);
    assert_non_null(v);
    fixture_init(&m->f, layout, v);
    assert_int_equal(io_thread_start(m->io, NULL), 0);
    start_device(&m->f, 0, 64);
}

static void teardown(struct machine *m)
{
    io_thread_stop(m->io);
    fixture_destroy(&m->f);
    io_thread_destroy(m->io);
}

static void wait_used(struct machine *m, unsigned n)
{
    const uint64_t deadline = os_now_ns() + 30000000000u;
    while ((uint16_t)(used_idx(&m->f, 0) - n) >= 0x8000)
        if (os_now_ns() > deadline)
            fail_msg("%u of %u answers", used_idx(&m->f, 0), n);
        else
            usleep(20);
}

static void test_bytes(void **state)
{
    static struct machine m;
    static uint8_t zeros[8192];
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout);
        assert_int_equal(rd(&m.f, DEVICE_ID), 4);
        /* Three lengths, the last more than a reply has; two buffers in one. */
        assert_true(ram_write(&m.f.ram, BUFFERS, zeros, sizeof(zeros)));
        set_desc(&m.f, 0, 0, BUFFERS, 16, F_WRITE, 0);
        set_desc(&m.f, 0, 1, BUFFERS + 32, 300, F_WRITE | F_NEXT, 2);
        set_desc(&m.f, 0, 2, BUFFERS + 400, 20, F_WRITE, 0);
        set_desc(&m.f, 0, 3, BUFFERS + 1024, 7000, F_WRITE, 0);
        offer(&m.f, 0, 0);
        offer(&m.f, 0, 1);
        offer(&m.f, 0, 3);
        kick(&m.f, 0);
        wait_used(&m, 3);
        const uint32_t want[3] = {16, 320, 4096};
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(used_len(&m.f, 0, i), want[i]);
        const uint8_t *p = ram_ptr(&m.f.ram, BUFFERS, 8192, false);
        /* Sixteen zeros in a row don't come up; nothing is written beside. */
        assert_memory_not_equal(p, zeros, 16);
        assert_memory_equal(p + 16, zeros, 16);
        for (unsigned i = 0; i + 16 < 300; i += 16)
            assert_memory_not_equal(p + 32 + i, zeros, 16);
        assert_memory_equal(p + 332, zeros, 68);
        assert_memory_not_equal(p + 400, zeros, 16);
        assert_memory_equal(p + 420, zeros, 600);
        for (unsigned i = 0; i < 4096; i += 16)
            assert_memory_not_equal(p + 1024 + i, zeros, 16);
        assert_memory_equal(p + 1024 + 4096, zeros, 2000);
        assert_memory_not_equal(p + 1024, p + 1024 + 256, 16);
        teardown(&m);
    }
}

/* However much a driver asks: after the first burst, 64 KiB in 16 ms. */
static void test_rate(void **state)
{
    static struct machine m;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    for (unsigned i = 0; i < 64; i++)
        set_desc(&m.f, 0, i, BUFFERS, 4096, F_WRITE, 0);
    const uint64_t start = os_now_ns();
    for (unsigned n = 0; n < 160; n += 32) {
        for (unsigned i = 0; i < 32; i++)
            offer(&m.f, 0, (uint16_t)i);
        kick(&m.f, 0);
        wait_used(&m, n + 32);
    }
    /* 640 KiB: ten periods, nine of them waited for. */
    assert_true(os_now_ns() - start >= UINT64_C(9) * 16000000);
    teardown(&m);
}

/* Nonsense; and a reset while the budget is used up. */
static void test_bad(void **state)
{
    static struct machine m;
    (void)state;
    log_threshold = LOG_ERROR;
    setup(&m, VIRTIO_MODERN);
    set_desc(&m.f, 0, 0, BUFFERS, 16, 0, 0);
    offer(&m.f, 0, 0);
    kick(&m.f, 0);
    const uint64_t deadline = os_now_ns() + 30000000000u;
    while (!(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET))
        assert_true(os_now_ns() < deadline);
    assert_int_equal(used_idx(&m.f, 0), 0);
    start_device(&m.f, 0, 64);
    for (unsigned i = 0; i < 64; i++) {
        set_desc(&m.f, 0, i, BUFFERS, 4096, F_WRITE, 0);
        offer(&m.f, 0, (uint16_t)i);
    }
    kick(&m.f, 0);
    wait_used(&m, 1);
    start_device(&m.f, 0, 64);
    usleep(40000);
    assert_int_equal(used_idx(&m.f, 0), 0);
    teardown(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
