/* The virtio console in both layouts: bytes in and out, input that waits, the emergency write, the size. */
#include "virtio_fixture.h"

#include "base/bits.h"
#include "dev/chardev.h"
#include "dev/virtio_console.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
