/* virtio 9P transport: takes messages from the queue to the folder's server, one after the other, on a thread of the pool.
 *
 * Threads: under the transport's lock, but for the server, which belongs to the job while a chain is out.
 * Specification: virtio 1.2, "9P Transport" (5.18 and the list of device types): one queue, a mount tag. */
#include "dev/virtio_9p.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/io_pool.h"
#include "base/snap.h"
#include "dev/p9/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VIRTIO_ID_9P 9
#define VIRTIO_9P_F_MOUNT_TAG 0
#define REQUESTQ 0u
#define QUEUE_SIZE 128u

/* struct virtio_9p_config */
struct config {
    uint16_t tag_len;
    char tag[VIRTIO_9P_MAX_TAG + 1]; /* tag_len of them are the tag */
};

struct virtio_9p {
    struct virtio_device v;
    struct config config;
    struct p9_server *server;
    struct io_pool *pool;
    struct io_job job;
    bool busy;             /* the job waits or runs */
    struct vq_chain chain; /* the job's */
};

_Static_assert(VQ_MAX_CHAIN <= P9_MAX_PARTS, "the server takes every chain");

static struct virtio_9p *p9_of(struct virtio_device *v)
{
    return CONTAINER_OF(v, struct virtio_9p, v);
}

/* Until the queue is empty: a folder never has more than one of the pool's threads. */
static void serve(struct io_job *j)
{
    struct virtio_9p *p = CONTAINER_OF(j, struct virtio_9p, job);
    struct virtio_device *v = &p->v;
    struct vq_chain *c = &p->chain;

    virtio_lock(v);
    while (virtio_pop(v, REQUESTQ, c)) {
        virtio_release(v, c);
        const size_t n = p9_server_handle(p->server, c->iov, c->nr_out, c->iov + c->nr_out, c->nr_in);
        if (!virtio_retake(v, c))
            continue;
        if (!n) {
            virtio_needs_reset(v, "no 9P message, or no room for a reply");
            break;
        }
        virtio_push(v, REQUESTQ, c->head, (uint32_t)n);
        virtio_used(v, REQUESTQ);
    }
    p->busy = false;
    virtio_unlock(v);
}

static void p9_notify(struct virtio_device *v, unsigned q)
{
    struct virtio_9p *p = p9_of(v);

    (void)q;
    if (!p->busy) {
        p->busy = true;
        io_submit(p->pool, &p->job);
    }
}

/* No chain is out. */
static void p9_reset(struct virtio_device *v)
{
    p9_server_reset(p9_of(v)->server);
}

static uint32_t config_read(struct virtio_device *v, uint32_t off, unsigned size)
{
    uint32_t val = 0;

    memcpy(&val, (const uint8_t *)&p9_of(v)->config + off, size);
    return val;
}

static void p9_destroy(struct virtio_device *v)
{
    struct virtio_9p *p = p9_of(v);

    p9_server_destroy(p->server);
    free(p);
}

static void p9_snap(struct virtio_device *v, struct snap *s)
{
    struct virtio_9p *p = p9_of(v);

    snap_same(s, "tag_len", p->config.tag_len);
    p9_server_snap(p->server, s);
}

static const struct virtio_device_ops p9_ops = {
    .name = "virtio_9p",
    .device_id = VIRTIO_ID_9P,
    .queue_max = QUEUE_SIZE,
    .config_len = sizeof(struct config),
    .reset = p9_reset,
    .notify = p9_notify,
    .config_read = config_read,
    .snap = p9_snap,
    .destroy = p9_destroy,
};

struct virtio_device *virtio_9p_create(const char *dir, const char *tag, bool read_only,
                                       struct io_pool *pool, struct err *e)
{
    struct virtio_9p *p = calloc(1, sizeof(*p));
    const size_t len = strlen(tag);

    BUG_ON(!len || len > VIRTIO_9P_MAX_TAG);
    if (!p) {
        err_set(e, ENOMEM, "out of memory for a shared folder");
        return NULL;
    }
    p->server = p9_server_create(dir, read_only, e);
    if (!p->server || io_pool_start(pool, e)) {
        p9_server_destroy(p->server);
        free(p);
        return NULL;
    }
    p->v.ops = &p9_ops;
    p->v.features = BIT64(VIRTIO_9P_F_MOUNT_TAG);
    p->v.nr_queues = 1;
    p->config.tag_len = (uint16_t)len;
    memcpy(p->config.tag, tag, len + 1);
    p->pool = pool;
    p->job.run = serve;
    return &p->v;
}
