/* Notifications and interrupts by descriptors, which here are pipes: a message is what an eventfd's read gives, a uint64_t. The device is the entropy
 * device. */
#include "virtio_fixture.h"

#include "base/bits.h"
#include "base/io_thread.h"
#include "base/os.h"
#include "dev/virtio_events.h"
#include "dev/virtio_rng.h"
#include "io_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

struct machine {
    struct fixture f;
    struct io_thread *io;
    struct virtio_events *ev;
    int notified[2], raise[2], ended[2];
};

static void make_pipe(int fd[2])
{
    assert_int_equal(pipe(fd), 0);
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
}

static void setup(struct machine *m)
{
    assert_int_equal(io_thread_create(&m->io, "test", NULL), 0);
    struct virtio_device *v = virtio_rng_create(m->io, NULL);
    assert_non_null(v);
    fixture_init(&m->f, VIRTIO_MODERN, v);
    make_pipe(m->notified);
    make_pipe(m->raise);
    make_pipe(m->ended);
    const struct virtio_fds fds = {
        .notified = {m->notified[0]}, .raise = m->raise[1], .ended = m->ended[0]};
    m->ev = virtio_events_create(v, &fds, m->io, NULL);
    assert_non_null(m->ev);
    assert_int_equal(io_thread_start(m->io, NULL), 0);
    start_device(&m->f, 0, 64);
    io_settle(m->io); /* the device has seen that there is nothing */
    set_desc(&m->f, 0, 0, BUFFERS, 16, F_WRITE, 0);
}

static void teardown(struct machine *m)
{
    io_thread_stop(m->io);
    fixture_destroy(&m->f);
    virtio_events_destroy(m->ev);
    io_thread_destroy(m->io);
    for (unsigned i = 0; i < 2; i++) {
        close(m->notified[i]);
        close(m->raise[i]);
        close(m->ended[i]);
    }
}

static void signal_it(int fd, uint64_t n)
{
    assert_int_equal(write(fd, &n, sizeof(n)), sizeof(n));
}

/* The interrupts that were raised; waits for the first of them if one is to come. */
static uint64_t raised(struct machine *m, bool wait)
{
    struct pollfd p = {m->raise[0], POLLIN, 0};
    uint64_t n, all = 0;

    if (wait)
        assert_int_equal(poll(&p, 1, (int)(IO_LIMIT_NS / 1000000)), 1);
    io_settle(m->io);
    while (read(m->raise[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
        all += n;
    return all;
}

static void test_notified(void **state)
{
    static struct machine m;
    (void)state;
    setup(&m);
    const uint64_t writes = atomic_load(&m.f.d->stats.writes);
    offer(&m.f, 0, 0);
    io_settle(m.io);
    assert_int_equal(used_idx(&m.f, 0), 0);
    signal_it(m.notified[1], 3);
    assert_int_equal(raised(&m, true), 1);
    assert_int_equal(used_idx(&m.f, 0), 1);
    /* They count as the stores that they were. */
    assert_int_equal(atomic_load(&m.f.d->stats.writes), writes + 3);
    assert_int_equal(atomic_load(&m.f.d->stats.no_exit), 3);
    assert_int_equal(m.f.rises, 0);
    teardown(&m);
}

/* Once until the driver has acknowledged it, but again when a level-triggered interrupt was ended before that. */
static void test_interrupts(void **state)
{
    static struct machine m;
    (void)state;
    setup(&m);
    for (unsigned i = 0; i < 2; i++) {
        offer(&m.f, 0, 0);
        signal_it(m.notified[1], 1);
        assert_int_equal(raised(&m, i == 0), i == 0);
        assert_int_equal(used_idx(&m.f, 0), i + 1);
    }
    signal_it(m.ended[1], 1);
    assert_int_equal(raised(&m, true), 1);
    wr(&m.f, INTERRUPT_ACK, 1);
    signal_it(m.ended[1], 1);
    assert_int_equal(raised(&m, false), 0);
    offer(&m.f, 0, 0);
    signal_it(m.notified[1], 1);
    assert_int_equal(raised(&m, true), 1);
    /* A reset takes it back. */
    wr(&m.f, STATUS, 0);
    signal_it(m.ended[1], 1);
    signal_it(m.notified[1], 1);
    assert_int_equal(raised(&m, false), 0);
    teardown(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notified),
        cmocka_unit_test(test_interrupts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
