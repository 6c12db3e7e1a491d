/* virtio entropy device: the host's random numbers, at a rate that costs the host next to nothing.
 *
 * Threads: under the transport's lock; requests are served on the I/O thread. Specification: virtio 1.2, "Entropy Device" (5.4). */
#include "dev/virtio_rng.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/io_thread.h"
#include "base/os.h"

#include <errno.h>
#include <stdlib.h>

#define VIRTIO_ID_ENTROPY 4
#define REQUESTQ 0u
#define QUEUE_SIZE 64u
/* A request may get less than it has room for (5.4.6.1). */
#define MAX_REPLY 4096u
#define MIN_COST                                                                                   \
    64u /* that a request takes off the budget, so that there are only so many of them too */
/* 4 MiB a second. */
#define PERIOD_NS UINT64_C(16000000)
#define PERIOD_BYTES (64u << 10)

struct virtio_rng {
    struct virtio_device v;
    struct io_thread *io;
    struct io_work work;
    struct io_timer timer;
    /* The I/O thread's: what this period has left, and when it ends. */
    size_t left;
    uint64_t period_end_ns;
};

static struct virtio_rng *rng_of(struct virtio_device *v)
{
    return CONTAINER_OF(v, struct virtio_rng, v);
}

static size_t budget(struct virtio_rng *r)
{
    const uint64_t now = os_now_ns();

    if (now >= r->period_end_ns) {
        r->period_end_ns = now + PERIOD_NS;
        r->left = PERIOD_BYTES;
    }
    return MIN(r->left, (size_t)MAX_REPLY);
}

/* Until the queue or the budget is empty. */
static void serve(struct virtio_rng *r)
{
    static const size_t piece = 256;
    struct virtio_device *v = &r->v;
    struct vq_chain chain;
    size_t most;

    virtio_lock(v);
    while ((most = budget(r)) && virtio_pop(v, REQUESTQ, &chain)) {
        uint8_t buf[256];
        size_t done = 0, n;
        do {
            os_random(buf, sizeof(buf));
            n = vq_chain_write(&chain, done, buf, MIN(piece, most - done));
            done += n;
        } while (n == piece && done < most);
        r->left -= MIN(r->left, MAX(done, (size_t)MIN_COST));
        if (!done) {
            virtio_needs_reset(v, "a request for no random bytes");
            break;
        }
        virtio_push(v, REQUESTQ, chain.head, (uint32_t)done);
    }
    virtio_used(v, REQUESTQ);
    virtio_unlock(v);
    if (!most)
        io_timer_set(r->io, &r->timer, r->period_end_ns);
}

static void on_work(struct io_work *w)
{
    serve(CONTAINER_OF(w, struct virtio_rng, work));
}

static void on_timer(struct io_timer *t)
{
    serve(CONTAINER_OF(t, struct virtio_rng, timer));
}

static void rng_notify(struct virtio_device *v, unsigned q)
{
    struct virtio_rng *r = rng_of(v);

    (void)q;
    io_post(r->io, &r->work);
}

static void rng_destroy(struct virtio_device *v)
{
    struct virtio_rng *r = rng_of(v);

    io_work_cancel(r->io, &r->work);
    io_timer_cancel(&r->timer);
    free(r);
}

static const struct virtio_device_ops rng_ops = {
    .name = "virtio_rng",
    .device_id = VIRTIO_ID_ENTROPY,
    .queue_max = QUEUE_SIZE,
    .notify = rng_notify,
    .destroy = rng_destroy,
};

struct virtio_device *virtio_rng_create(struct io_thread *io, struct err *e)
{
    struct virtio_rng *r = calloc(1, sizeof(*r));

    if (!r) {
        err_set(e, ENOMEM, "out of memory for the virtio entropy device");
        return NULL;
    }
    r->v.ops = &rng_ops;
    r->v.nr_queues = 1;
    r->io = io;
    r->work.run = on_work;
    r->timer.due = on_timer;
    return &r->v;
}
