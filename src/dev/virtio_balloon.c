/* virtio memory balloon: what the guest gives up, or reports as free, goes back to the host. It comes again, as zeros, when it is used.
 *
 * Giving back takes the host's kernel some time, so a job of the pool does it. Statistics are asked for now and then.
 * Threads: under the transport's lock, but for the job's chain while it is out. The timer is the I/O thread's.
 * Specification: virtio 1.2, "Traditional Memory Balloon Device" (5.5). */
#include "dev/virtio_balloon.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/io_pool.h"
#include "base/os.h"
#include "base/snap.h"
#include "mem/ram.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define VIRTIO_ID_BALLOON 5
#define QUEUE_SIZE 128u
#define PAGE_LEN 4096u /* whatever the guest's own pages are (5.5.6) */
/* A request has 256 in Linux. One without end would keep a reset waiting. */
#define MAX_PFNS 65536u
#define MAX_STATS 64u

/* 5.5.2. The numbers of the later queues are those of the ones that there are before them, as drivers count; free_page_vq, which we don't
 * offer, would be 3, and who follows the specification's list to the letter finds reporting_vq at 4. */
enum { INFLATEQ, DEFLATEQ, STATSQ, NR_QUEUES = 5 };

/* 5.5.3, bit numbers */
enum {
    VIRTIO_BALLOON_F_STATS_VQ = 1,
    VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 2,
    VIRTIO_BALLOON_F_PAGE_POISON = 4,
    VIRTIO_BALLOON_F_PAGE_REPORTING = 5,
};

/* struct virtio_balloon_config */
struct config {
    uint32_t num_pages, actual;
    uint32_t free_page_hint_cmd_id, poison_val;
};

/* struct virtio_balloon_stat */
struct stat_entry {
    uint16_t tag;
    uint64_t val;
} __attribute__((packed));

struct virtio_balloon {
    struct virtio_device v;
    const struct ram *ram;
    struct config config;
    _Atomic uint64_t given_back;
    uint64_t stat[NR_BALLOON_STATS];
    uint32_t largest; /* pages */

    /* The driver's buffer for statistics, which goes back when new ones are wanted. */
    bool have_stats;
    uint16_t stats_head;
    uint32_t stats_epoch;
    struct io_thread *io;
    struct io_work work; /* sets the timer */
    uint64_t stats_period_ns;
    struct io_timer timer;

    struct io_pool *pool;
    struct io_job job;
    bool busy; /* the job waits or runs */
    bool keep; /* reported pages keep their contents: the driver counts on its poison */
    struct vq_chain chain;
};

static struct virtio_balloon *balloon_of(struct virtio_device *v)
{
    return CONTAINER_OF(v, struct virtio_balloon, v);
}

/* --- Giving back: the job's chain, without the lock ------------------------------------------------------------------------ */

static void give_back(struct virtio_balloon *b, void *host, uint64_t len)
{
    atomic_fetch_add(&b->given_back, ram_give_back(b->ram, host, len));
}

/* Pages by number, neighbours together. False: one is no RAM. */
static bool inflate(struct virtio_balloon *b, const struct vq_chain *c)
{
    uint8_t *run = NULL, *run_end = NULL;
    uint32_t pfn[256];
    size_t n;

    for (size_t at = 0; at < c->out_len; at += n) {
        n = vq_chain_read(c, at, pfn, sizeof(pfn));
        for (size_t i = 0; i < n / sizeof(pfn[0]); i++) {
            uint8_t *page = ram_ptr(b->ram, (gpa_t)pfn[i] * PAGE_LEN, PAGE_LEN, true);
            if (!page)
                return false;
            if (page == run_end) {
                run_end += PAGE_LEN;
            } else if (page + PAGE_LEN == run) {
                run = page;
            } else {
                if (run)
                    give_back(b, run, (uint64_t)(run_end - run));
                run = page;
                run_end = page + PAGE_LEN;
            }
        }
    }
    if (run)
        give_back(b, run, (uint64_t)(run_end - run));
    return true;
}

static bool report(struct virtio_balloon *b, const struct vq_chain *c)
{
    for (unsigned i = c->nr_out; i < c->nr_out + c->nr_in && !b->keep; i++)
        give_back(b, c->iov[i].iov_base, c->iov[i].iov_len);
    return true;
}

static bool is_stats_queue(const struct virtio_device *v, unsigned q)
{
    return q == STATSQ && virtio_has_feature(v, VIRTIO_BALLOON_F_STATS_VQ);
}

/* Deflating tells us nothing that we have to know: pages come when they are touched. */
static bool serve(struct virtio_balloon *b, unsigned q)
{
    return q == DEFLATEQ ? true : q == INFLATEQ ? inflate(b, &b->chain) : report(b, &b->chain);
}

static bool take_request(struct virtio_balloon *b)
{
    struct virtio_device *v = &b->v;
    const struct vq_chain *c = &b->chain;

    for (unsigned q = 0; q < NR_QUEUES; q++) {
        if (is_stats_queue(v, q) || !virtio_pop(v, q, &b->chain))
            continue;
        const bool numbers = q == INFLATEQ || q == DEFLATEQ;
        if (numbers ? c->nr_in || c->out_len % 4 || c->out_len > 4 * MAX_PFNS : c->nr_out) {
            virtio_needs_reset(v, "a request that is neither page numbers nor free pages");
            return false;
        }
        b->keep = virtio_has_feature(v, VIRTIO_BALLOON_F_PAGE_POISON) && b->config.poison_val;
        return true;
    }
    return false;
}

static void work(struct io_job *j)
{
    struct virtio_balloon *b = CONTAINER_OF(j, struct virtio_balloon, job);
    struct virtio_device *v = &b->v;

    virtio_lock(v);
    while (take_request(b)) {
        const unsigned q = b->chain.queue;
        virtio_release(v, &b->chain);
        const bool good = serve(b, q);
        if (!virtio_retake(v, &b->chain))
            continue;
        if (!good) {
            virtio_needs_reset(v, "a page that is no RAM");
            break;
        }
        virtio_push(v, q, b->chain.head, 0);
        virtio_used(v, q);
    }
    b->busy = false;
    virtio_unlock(v);
}

/* --- Statistics ------------------------------------------------------------------------------------------------------------ */

static void read_stats(struct virtio_balloon *b, const struct vq_chain *c)
{
    struct stat_entry entry[MAX_STATS];
    const size_t n = vq_chain_read(c, 0, entry, sizeof(entry)) / sizeof(entry[0]);

    for (size_t i = 0; i < n; i++)
        if (entry[i].tag < NR_BALLOON_STATS)
            b->stat[entry[i].tag] = entry[i].val;
}

static void take_stats(struct virtio_balloon *b)
{
    struct vq_chain chain;

    if (b->have_stats && !virtio_is_void(&b->v, STATSQ, b->stats_epoch))
        return;
    b->have_stats = virtio_pop(&b->v, STATSQ, &chain);
    if (!b->have_stats)
        return;
    read_stats(b, &chain);
    b->stats_head = chain.head;
    b->stats_epoch = chain.epoch;
    io_post(b->io, &b->work);
}

static void on_work(struct io_work *w)
{
    struct virtio_balloon *b = CONTAINER_OF(w, struct virtio_balloon, work);

    io_timer_set(b->io, &b->timer, os_now_ns() + b->stats_period_ns);
}

static void on_timer(struct io_timer *t)
{
    struct virtio_balloon *b = CONTAINER_OF(t, struct virtio_balloon, timer);

    virtio_lock(&b->v);
    if (b->have_stats && !virtio_is_void(&b->v, STATSQ, b->stats_epoch)) {
        virtio_push(&b->v, STATSQ, b->stats_head, 0);
        virtio_used(&b->v, STATSQ);
    }
    b->have_stats = false;
    virtio_unlock(&b->v);
}

/* --- The device ------------------------------------------------------------------------------------------------------------ */

static void balloon_notify(struct virtio_device *v, unsigned q)
{
    struct virtio_balloon *b = balloon_of(v);

    if (is_stats_queue(v, q)) {
        take_stats(b);
    } else if (!b->busy) {
        b->busy = true;
        io_submit(b->pool, &b->job);
    }
}

static void balloon_reset(struct virtio_device *v)
{
    struct virtio_balloon *b = balloon_of(v);

    b->have_stats = false;
    b->config.actual = b->config.poison_val = 0;
}

static uint32_t config_read(struct virtio_device *v, uint32_t off, unsigned size)
{
    uint32_t val = 0;

    memcpy(&val, (const uint8_t *)&balloon_of(v)->config + off, size);
    return val;
}

static void config_write(struct virtio_device *v, uint32_t off, unsigned size, uint32_t val)
{
    struct virtio_balloon *b = balloon_of(v);
    struct config *c = &b->config;

    /* An aligned access lies within one field. */
    if (off / 4 == offsetof(struct config, actual) / 4 ||
        off / 4 == offsetof(struct config, poison_val) / 4)
        memcpy((uint8_t *)c + off, &val, size);
    b->largest = MAX(b->largest, c->actual);
}

static void balloon_destroy(struct virtio_device *v)
{
    struct virtio_balloon *b = balloon_of(v);

    io_work_cancel(b->io, &b->work);
    io_timer_cancel(&b->timer);
    free(b);
}

static void balloon_snap(struct virtio_device *v, struct snap *s)
{
    struct virtio_balloon *b = balloon_of(v);

    if (!s->loading && b->have_stats && virtio_is_void(v, STATSQ, b->stats_epoch))
        b->have_stats = false;
    SNAP_ANY(s, &b->config, num_pages);
    SNAP_ANY(s, &b->config, actual);
    SNAP_ANY(s, &b->config, poison_val);
    SNAP_ARRAY(s, b, stat, UINT64_MAX);
    SNAP_ANY(s, b, largest);
    SNAP_BOOL(s, b, have_stats);
    SNAP(s, b, stats_head, QUEUE_SIZE - 1);
    if (s->loading)
        b->stats_epoch = virtio_epoch(v, STATSQ);
}

static void balloon_loaded(struct virtio_device *v)
{
    struct virtio_balloon *b = balloon_of(v);

    if (b->have_stats)
        io_post(b->io, &b->work);
}

static const struct virtio_device_ops balloon_ops = {
    .name = "virtio_balloon",
    .device_id = VIRTIO_ID_BALLOON,
    .queue_max = QUEUE_SIZE,
    .config_len = sizeof(struct config),
    .reset = balloon_reset,
    .notify = balloon_notify,
    .config_read = config_read,
    .config_write = config_write,
    .snap = balloon_snap,
    .loaded = balloon_loaded,
    .destroy = balloon_destroy,
};

void virtio_balloon_info(struct virtio_device *v, struct balloon_info *info)
{
    struct virtio_balloon *b = balloon_of(v);

    virtio_lock(v);
    info->target = (uint64_t)b->config.num_pages * PAGE_LEN;
    info->actual = (uint64_t)b->config.actual * PAGE_LEN;
    info->largest = (uint64_t)b->largest * PAGE_LEN;
    info->given_back = atomic_load(&b->given_back);
    memcpy(info->stat, b->stat, sizeof(info->stat));
    virtio_unlock(v);
}

struct virtio_device *virtio_balloon_create(const struct ram *ram, uint64_t target,
                                            uint64_t stats_period_ns, struct io_thread *io,
                                            struct io_pool *pool, struct err *e)
{
    struct virtio_balloon *b = calloc(1, sizeof(*b));

    if (!b)
        err_set(e, ENOMEM, "out of memory for the memory balloon");
    if (!b || io_pool_start(pool, e)) {
        free(b);
        return NULL;
    }
    b->v.ops = &balloon_ops;
    b->v.features = BIT64(VIRTIO_BALLOON_F_STATS_VQ) | BIT64(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
                    BIT64(VIRTIO_BALLOON_F_PAGE_POISON) | BIT64(VIRTIO_BALLOON_F_PAGE_REPORTING);
    b->v.nr_queues = NR_QUEUES;
    b->ram = ram;
    b->config.num_pages = (uint32_t)MIN(target / PAGE_LEN, UINT32_MAX);
    memset(b->stat, 0xff, sizeof(b->stat));
    b->stats_period_ns = stats_period_ns;
    b->io = io;
    b->work.run = on_work;
    b->timer.due = on_timer;
    b->pool = pool;
    b->job.run = work;
    return &b->v;
}
