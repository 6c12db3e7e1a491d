/* Threading: dev/virtio_events.h. */
#include "dev/virtio_events.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/io_thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

struct queue_event {
    struct io_fd io;
    struct virtio_events *ev;
    unsigned q;
};

struct virtio_events {
    struct virtio_device *v;
    struct queue_event queue[VIRTIO_MAX_QUEUES];
    struct io_fd ended;
    int raise;
    struct irq_line line; /* the transport's own, by which it goes low */
    bool high;            /* under the transport's lock */
};

/* What was signalled since the last time; 0 if nothing was. */
static uint64_t take(int fd)
{
    uint64_t n = 0;
    return read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n) ? n : 0;
}

static void raise_irq(const struct virtio_events *ev)
{
    /* Fails if nobody has listened for 2^64 - 2 interrupts. */
    (void)!write(ev->raise, &(uint64_t){1}, sizeof(uint64_t));
}

static void notified(struct io_fd *f, short revents)
{
    const struct queue_event *q = CONTAINER_OF(f, struct queue_event, io);
    const uint64_t times = take(f->fd);

    (void)revents;
    if (times)
        virtio_mmio_notified(q->ev->v, q->q, times);
}

/* What has come meanwhile, as a new interrupt. */
static void ended(struct io_fd *f, short revents)
{
    const struct virtio_events *ev = CONTAINER_OF(f, struct virtio_events, ended);

    (void)revents;
    if (!take(f->fd))
        return;
    virtio_lock(ev->v);
    if (ev->high)
        raise_irq(ev);
    virtio_unlock(ev->v);
}

/* Under the transport's lock. The kernel raises the line some time after the write: a guest that polls, and acknowledges before, may be interrupted once
 * for nothing. */
static void set_line(void *opaque, unsigned intid, bool level)
{
    struct virtio_events *ev = opaque;

    (void)intid;
    if (level && !ev->high)
        raise_irq(ev);
    else if (!level && ev->high)
        irq_set(&ev->line, false);
    ev->high = level;
}

static int add(struct io_thread *io, struct io_fd *f, int fd, void (*ready)(struct io_fd *, short))
{
    *f = (struct io_fd){.fd = fd, .events = POLLIN, .ready = ready};
    return io_fd_add(io, f);
}

struct virtio_events *virtio_events_create(struct virtio_device *v, const struct virtio_fds *fds,
                                           struct io_thread *io, struct err *e)
{
    struct virtio_events *ev = calloc(1, sizeof(*ev));
    int r = ev ? 0 : -ENOMEM;

    for (unsigned q = 0; !r && q < v->nr_queues; q++) {
        ev->queue[q].ev = ev;
        ev->queue[q].q = q;
        r = add(io, &ev->queue[q].io, fds->notified[q], notified);
    }
    if (!r && fds->raise >= 0)
        r = add(io, &ev->ended, fds->ended, ended);
    if (r) {
        virtio_events_destroy(ev);
        err_set(e, ENOMEM, "out of memory for a device's events");
        return NULL;
    }
    ev->v = v;
    ev->raise = fds->raise;
    if (ev->raise >= 0)
        ev->line = virtio_mmio_set_irq(v, (struct irq_line){.set = set_line, .opaque = ev});
    return ev;
}

void virtio_events_destroy(struct virtio_events *ev)
{
    if (!ev)
        return;
    for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
        io_fd_remove(&ev->queue[q].io);
    io_fd_remove(&ev->ended);
    free(ev);
}
