/* The virtio console in both layouts: bytes in and out, input that waits, the emergency write, the size. */
#include "virtio_fixture.h"

#include "base/bits.h"
#include "dev/chardev.h"
#include "dev/virtio_console.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define RX 0
#define TX 1

struct machine {
    struct fixture f;
    struct chardev *c;
    struct virtio_device *v;
    int out[2];
};

static void setup(struct machine *m, enum virtio_layout layout)
{
    assert_int_equal(pipe(m->out), 0);
    m->c = chardev_create(m->out[1], NULL);
    assert_non_null(m->c);
    m->v = virtio_console_create(m->c, 132, 43, NULL);
    assert_non_null(m->v);
    fixture_init(&m->f, layout, m->v);
    virtio_console_attach(m->v);
}

static void teardown(struct machine *m)
{
    fixture_destroy(&m->f);
    chardev_destroy(m->c);
    close(m->out[0]);
    close(m->out[1]);
}

static void expect_output(struct machine *m, const char *text)
{
    char buf[256] = {0};
    chardev_flush(m->c);
    assert_int_equal(read(m->out[0], buf, sizeof(buf) - 1), strlen(text));
    assert_string_equal(buf, text);
}

static void test_config(void **state)
{
    struct machine m;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout);
        assert_int_equal(rd(&m.f, DEVICE_ID), 3);
        assert_int_equal(rd(&m.f, DEVICE_FEATURES) & 7, 5);
        assert_int_equal(rd_n(&m.f, 0x100, 2), 132);
        assert_int_equal(rd_n(&m.f, 0x102, 2), 43);
        assert_int_equal(rd(&m.f, 0x104), 1);
        wr(&m.f, 0x100, 0); /* read-only */
        /* Before the driver, of any width. */
        wr(&m.f, 0x108, 'a');
        wr_n(&m.f, 0x108, 1, 'b');
        wr_n(&m.f, 0x109, 1, 'x');
        expect_output(&m, "ab");
        start_device(&m.f, 1, 8);
        assert_true(m.f.line); /* once, for the size that there is */
        assert_int_equal(rd(&m.f, INTERRUPT_STATUS), 2);
        wr(&m.f, INTERRUPT_ACK, 2);
        kick(&m.f, RX);
        assert_false(m.f.line);
        virtio_console_set_size(m.v, 80, 25);
        assert_true(m.f.line);
        assert_int_equal(rd(&m.f, INTERRUPT_STATUS), 2);
        assert_int_equal(rd_n(&m.f, 0x100, 4), 25 << 16 | 80);
        /* The same again says nothing. */
        wr(&m.f, INTERRUPT_ACK, 2);
        virtio_console_set_size(m.v, 80, 25);
        assert_false(m.f.line);
        teardown(&m);
    }
}

static void test_output(void **state)
{
    struct machine m;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout);
        start_device(&m.f, 0, 8);
        assert_true(ram_write(&m.f.ram, BUFFERS, "hello, world", 12));
        set_desc(&m.f, TX, 0, BUFFERS + 7, 5, F_NEXT, 3);
        set_desc(&m.f, TX, 3, BUFFERS + 5, 2, 0, 0);
        set_desc(&m.f, TX, 1, BUFFERS, 5, 0, 0);
        offer(&m.f, TX, 0);
        offer(&m.f, TX, 1);
        kick(&m.f, TX);
        expect_output(&m, "world, hello");
        assert_int_equal(used_idx(&m.f, TX), 2);
        assert_int_equal(used_id(&m.f, TX, 1), 1);
        assert_int_equal(used_len(&m.f, TX, 1), 0);
        assert_int_equal(m.f.rises, 1);
        teardown(&m);
    }
}

static void test_input(void **state)
{
    struct machine m;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout);
        const size_t room = chardev_input(m.c, (const uint8_t *)"abc", 3); /* nobody there: it waits */
        start_device(&m.f, 0, 8);
        assert_int_equal(used_idx(&m.f, RX), 0);
        set_desc(&m.f, RX, 0, BUFFERS, 1, F_NEXT | F_WRITE, 1);
        set_desc(&m.f, RX, 1, BUFFERS + 0x10, 1, F_WRITE, 0);
        set_desc(&m.f, RX, 2, BUFFERS + 0x20, 8, F_WRITE, 0);
        offer(&m.f, RX, 0);
        kick(&m.f, RX);
        assert_int_equal(used_idx(&m.f, RX), 1);
        assert_int_equal(used_len(&m.f, RX, 0), 2);
        assert_int_equal(get(&m.f, BUFFERS, 1), 'a');
        assert_int_equal(get(&m.f, BUFFERS + 0x10, 1), 'b');
        assert_true(m.f.line);
        wr(&m.f, INTERRUPT_ACK, 1);
        offer(&m.f, RX, 2);
        kick(&m.f, RX);
        assert_int_equal(used_len(&m.f, RX, 1), 1);
        assert_int_equal(get(&m.f, BUFFERS + 0x20, 1), 'c');
        wr(&m.f, INTERRUPT_ACK, 1);
        /* With a buffer ready, input comes by itself. */
        offer(&m.f, RX, 2);
        kick(&m.f, RX);
        assert_false(m.f.line);
        assert_int_equal(chardev_input(m.c, (const uint8_t *)"defghijklm", 10), room + 3 - 2);
        assert_true(m.f.line);
        assert_int_equal(used_len(&m.f, RX, 2), 8);
        assert_memory_equal(ram_ptr(&m.f.ram, BUFFERS + 0x20, 8, false), "defghijk", 8);
        /* What is left comes after a reset of the device too. */
        wr(&m.f, STATUS, 0);
        start_device(&m.f, 0, 8);
        set_desc(&m.f, RX, 2, BUFFERS + 0x20, 8, F_WRITE, 0);
        offer(&m.f, RX, 2);
        kick(&m.f, RX);
        assert_int_equal(used_len(&m.f, RX, 0), 2);
        assert_memory_equal(ram_ptr(&m.f.ram, BUFFERS + 0x20, 2, false), "lm", 2);
        teardown(&m);
    }
}

#define BIG 0x1e000u

static void *kick_transmit(void *opaque)
{
    struct machine *m = opaque;
    kick(&m->f, TX);
    return NULL;
}

/* A reader that takes nothing holds up the vCPU that writes; input and another vCPU's output don't wait for it. */
static void test_slow_reader(void **state)
{
    struct machine m;
    pthread_t writer;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    start_device(&m.f, 0, 8);
    alarm(60); /* what it should not come to */
    /* Far more than a pipe holds, then a line that comes behind it. */
    for (unsigned i = 0; i < 7; i++)
        set_desc(&m.f, TX, i, BUFFERS + 0x1000, BIG, i < 6 ? F_NEXT : 0, (uint16_t)(i + 1));
    assert_true(ram_write(&m.f.ram, RAM_BASE + RAM_LEN - 5, "tail\n", 5));
    set_desc(&m.f, TX, 7, RAM_BASE + RAM_LEN - 5, 5, 0, 0);
    offer(&m.f, TX, 0);
    assert_int_equal(pthread_create(&writer, NULL, kick_transmit, &m), 0);
    int waiting = 0;
    while (ioctl(m.out[0], FIONREAD, &waiting) == 0 && waiting < 60000)
        usleep(100);
    set_desc(&m.f, RX, 0, BUFFERS, 8, F_WRITE, 0);
    offer(&m.f, RX, 0);
    kick(&m.f, RX);
    chardev_input(m.c, (const uint8_t *)"abc", 3);
    assert_int_equal(used_idx(&m.f, RX), 1);
    offer(&m.f, TX, 7);
    kick(&m.f, TX);
    assert_int_equal(used_idx(&m.f, TX), 0);
    /* All of it comes in its order. */
    static char all[7 * BIG + 6];
    size_t n = 0;
    while (n < 7 * BIG + 5) {
        const ssize_t got = read(m.out[0], all + n, sizeof(all) - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    pthread_join(writer, NULL);
    assert_int_equal(n, 7 * BIG + 5);
    assert_memory_equal(all + 7 * BIG, "tail\n", 5);
    assert_int_equal(used_idx(&m.f, TX), 2);
    assert_int_equal(used_id(&m.f, TX, 1), 7);
    alarm(0);
    teardown(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_slow_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
