/* virtio 9P: the tag, messages through the queue in both layouts, resets while messages are under way, nonsense. */
#include "virtio_fixture.h"

#include "base/io_pool.h"
#include "base/io_thread.h"
#include "base/os.h"
#include "dev/virtio_9p.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPLY (BUFFERS + 0x8000)

struct machine {
    struct fixture f;
    struct io_thread *io;
    struct io_pool *pool;
    char dir[64];
};

static void setup(struct machine *m, enum virtio_layout layout)
{
    struct err e;
    snprintf(m->dir, sizeof(m->dir), "/tmp/vibe-v9p-XXXXXX");
    assert_non_null(mkdtemp(m->dir));
    assert_int_equal(io_thread_create(&m->io, "io", NULL), 0);
    assert_int_equal(io_pool_create(&m->pool, 2, m->io, NULL), 0);
    struct virtio_device *v = virtio_9p_create(m->dir, "host0", false, m->pool, &e);
    assert_non_null(v);
    fixture_init(&m->f, layout, v);
}

static void teardown(struct machine *m)
{
    char command[128];
    io_pool_destroy(m->pool);
    fixture_destroy(&m->f);
    io_thread_destroy(m->io);
    snprintf(command, sizeof(command), "rm -rf %s", m->dir);
    assert_int_equal(system(command), 0);
}

/* Until the used ring of queue 0 is there; in any case within ten seconds. */
static void wait_used(struct machine *m, uint16_t idx)
{
    const uint64_t end = os_now_ns() + UINT64_C(10000000000);
    while (used_idx(&m->f, 0) != idx && os_now_ns() < end)
        usleep(100);
    assert_int_equal(used_idx(&m->f, 0), idx);
}

static void wait_broken(struct machine *m)
{
    const uint64_t end = os_now_ns() + UINT64_C(10000000000);
    while (!(rd(&m->f, STATUS) & VIRTIO_NEEDS_RESET) && os_now_ns() < end)
        usleep(100);
    assert_true(rd(&m->f, STATUS) & VIRTIO_NEEDS_RESET);
}

/* A message in two buffers with room for a reply in two others, as descriptors from `head` on. */
static void send_msg(struct machine *m, unsigned head, const void *msg, uint32_t len, uint32_t room)
{
    const gpa_t at = BUFFERS + 0x100 * head, reply = REPLY + 0x100 * head;
    assert_true(ram_write(&m->f.ram, at, msg, len));
    set_desc(&m->f, 0, head, at, 5, F_NEXT, (uint16_t)(head + 1));
    set_desc(&m->f, 0, head + 1, at + 5, len - 5, room ? F_NEXT : 0, (uint16_t)(head + 2));
    set_desc(&m->f, 0, head + 2, reply, 6, F_WRITE | F_NEXT, (uint16_t)(head + 3));
    set_desc(&m->f, 0, head + 3, reply + 6, room - 6, F_WRITE, 0);
    offer(&m->f, 0, (uint16_t)head);
}

/* Tversion, Tattach of fid 1, Tclunk of it. */
static const uint8_t version[] = "\x15\0\0\0\x64\xff\xff\0\x20\0\0\x08\0"
                                 "9P2000.L";
static const uint8_t attach[] = "\x17\0\0\0\x68\1\0\1\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0";
static const uint8_t clunk[] = "\x0b\0\0\0\x78\2\0\1\0\0";

static void test_config(void **state)
{
    struct machine m;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout);
        assert_int_equal(rd(&m.f, DEVICE_ID), 9);
        assert_int_equal(rd(&m.f, DEVICE_FEATURES) & 0xff, 1);
        assert_int_equal(rd_n(&m.f, 0x100, 2), 5);
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(rd_n(&m.f, 0x102 + i, 1), "host0"[i]);
        assert_int_equal(rd_n(&m.f, 0x107, 1), 0);
        teardown(&m);
    }
}

static void test_messages(void **state)
{
    struct machine m;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup(&m, (enum virtio_layout)layout);
        start_device(&m.f, 1, 16);
        send_msg(&m, 0, version, sizeof(version), 64);
        send_msg(&m, 4, attach, sizeof(attach), 64);
        kick(&m.f, 0);
        wait_used(&m, 2);
        assert_int_equal(used_id(&m.f, 0, 0), 0);
        assert_int_equal(used_len(&m.f, 0, 0), 21);
        assert_memory_equal(ram_ptr(&m.f.ram, REPLY, 21, false),
                            "\x15\0\0\0\x65\xff\xff\0\x20\0\0\x08\0"
                            "9P2000.L",
                            21);
        assert_int_equal(used_id(&m.f, 0, 1), 4);
        assert_int_equal(used_len(&m.f, 0, 1), 20);
        assert_int_equal(get(&m.f, REPLY + 0x404, 1), 0x69);
        assert_int_equal(get(&m.f, REPLY + 0x407, 1), 0x80);
        assert_true(m.f.line);
        /* A reset ends the session. */
        wr(&m.f, STATUS, 0);
        start_device(&m.f, 1, 16);
        send_msg(&m, 0, clunk, sizeof(clunk), 64);
        kick(&m.f, 0);
        wait_used(&m, 1);
        assert_int_equal(get(&m.f, REPLY + 4, 1), 7);
        assert_int_equal(get(&m.f, REPLY + 7, 4), 71); /* EPROTO: no version yet */
        teardown(&m);
    }
}

/* Resets while messages are worked on: the memory is the driver's afterwards. */
static void test_resets(void **state)
{
    struct machine m;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    for (unsigned i = 0; i < 300; i++) {
        start_device(&m.f, 1, 16);
        send_msg(&m, 0, version, sizeof(version), 64);
        send_msg(&m, 4, attach, sizeof(attach), 64);
        send_msg(&m, 8, clunk, sizeof(clunk), 64);
        kick(&m.f, 0);
        for (unsigned spin = 0; spin < i; spin++)
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
        wr(&m.f, STATUS, 0);
        uint8_t *memory = ram_ptr(&m.f.ram, REPLY, 0x1000, true);
        memset(memory, 0x77, 0x1000);
        if (i % 50 == 0)
            usleep(1000);
        for (unsigned b = 0; b < 0x1000; b++)
            assert_int_equal(memory[b], 0x77);
    }
    start_device(&m.f, 1, 16);
    send_msg(&m, 0, version, sizeof(version), 64);
    kick(&m.f, 0);
    wait_used(&m, 1);
    teardown(&m);
}

static void test_nonsense(void **state)
{
    struct machine m;
    (void)state;
    setup(&m, VIRTIO_MODERN);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t msg[sizeof(version)];
        memcpy(msg, version, sizeof(msg));
        start_device(&m.f, 1, 16);
        switch (i) {
        case 0: send_msg(&m, 0, msg, sizeof(msg), 0); break;  /* nowhere to reply */
        case 1: send_msg(&m, 0, msg, sizeof(msg), 10); break; /* too little room */
        case 2: send_msg(&m, 0, msg, 6, 64); break;           /* too short */
        default:
            msg[1] = 1; /* longer than what was sent */
            send_msg(&m, 0, msg, sizeof(msg), 64);
        }
        kick(&m.f, 0);
        wait_broken(&m);
        assert_int_equal(used_idx(&m.f, 0), 0);
        assert_int_equal(atomic_load(&m.f.d->stats.broken), i + 1);
    }
    start_device(&m.f, 1, 16);
    send_msg(&m, 0, version, sizeof(version), 64);
    kick(&m.f, 0);
    wait_used(&m, 1);
    teardown(&m);
}

static void test_no_folder(void **state)
{
    struct err e = {0};
    struct io_thread *io;
    struct io_pool *pool;
    (void)state;
    assert_int_equal(io_thread_create(&io, "io", NULL), 0);
    assert_int_equal(io_pool_create(&pool, 1, io, NULL), 0);
    assert_null(virtio_9p_create("/dev/null", "x", false, pool, &e));
    assert_int_equal(e.code, 20);
    io_pool_destroy(pool);
    io_thread_destroy(io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),    cmocka_unit_test(test_messages),
        cmocka_unit_test(test_resets),    cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
