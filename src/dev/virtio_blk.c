/* virtio block device.
 *
 * A notification wakes a worker, a job of the pool. It takes a request under the transport's lock, works on it without, and goes on until all
 * queues are empty. So nothing is allocated for a request, and there are as many at once as workers. Where the host has what is asked for in
 * its memory one worker is enough, and others would only get in each other's way: another is woken when there is more to do and none that
 * will look soon, because each is at something that may take its time. What may is told by how long requests took lately.
 * Requests may complete in any order; a flush covers those that had completed when it began, as each write has gone to the host by then.
 * Threads: under the transport's lock, but for a worker's chain while it is out, and the disk.
 * Specification: virtio 1.2, "Block Device" (5.2). */
#include "dev/virtio_blk.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/io_pool.h"
#include "base/log.h"
#include "base/os.h"
#include "base/snap.h"
#include "dev/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VIRTIO_ID_BLOCK 2
#define QUEUE_SIZE 256u
#define NR_WORKERS 8u
/* Without a bounce buffer or a split: what a chain has room for beside header and status. */
#define SEG_MAX (QUEUE_SIZE - 2)
/* A request that zeroes by writing takes as long as one that writes so much. */
#define MAX_ZEROES_SECTORS ((64u << 20) / DISK_SECTOR)
#define MAX_DISCARD_SECTORS ((1u << 30) / DISK_SECTOR)
#define MAX_RANGES 32u
/* A request that takes longer than it takes to copy its data, at 2 GB/s, has waited; so may so many that follow. */
#define QUICK_NS 40000u
#define QUICK_NS_OF(len) (QUICK_NS + (uint64_t)(len) / 2)
#define NR_SUSPECT 64u

/* 5.2.3, bit numbers */
enum {
    VIRTIO_BLK_F_SEG_MAX = 2,
    VIRTIO_BLK_F_RO = 5,
    VIRTIO_BLK_F_BLK_SIZE = 6,
    VIRTIO_BLK_F_FLUSH = 9,
    VIRTIO_BLK_F_TOPOLOGY = 10,
    VIRTIO_BLK_F_MQ = 12,
    VIRTIO_BLK_F_DISCARD = 13,
    VIRTIO_BLK_F_WRITE_ZEROES = 14,
};

/* 5.2.6 */
enum {
    VIRTIO_BLK_T_IN = 0,
    VIRTIO_BLK_T_OUT = 1,
    VIRTIO_BLK_T_FLUSH = 4,
    VIRTIO_BLK_T_GET_ID = 8,
    VIRTIO_BLK_T_DISCARD = 11,
    VIRTIO_BLK_T_WRITE_ZEROES = 13,
};
enum { VIRTIO_BLK_S_OK = 0, VIRTIO_BLK_S_IOERR = 1, VIRTIO_BLK_S_UNSUPP = 2 };
#define VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP 1u

struct request_head {
    uint32_t type, reserved;
    uint64_t sector;
};

/* struct virtio_blk_discard_write_zeroes */
struct range {
    uint64_t sector;
    uint32_t num_sectors, flags;
};

/* struct virtio_blk_config */
struct config {
    uint64_t capacity;
    uint32_t size_max, seg_max;
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint32_t blk_size;
    uint8_t physical_block_exp, alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback, unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
    uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused1[3];
};
_Static_assert(offsetof(struct config, write_zeroes_may_unmap) == 56, "struct virtio_blk_config");

struct virtio_blk;

/* A disk and the requests at it. */
struct medium {
    struct disk *disk;
    unsigned nr_requests;
    bool ejected; /* the last request closes it */
};

struct worker {
    struct io_job job;
    struct virtio_blk *b;
    bool busy;
    unsigned queue; /* of its request, or of the last; it looks at the others first */
    bool write_through;
    bool waits; /* its request may take its time */
    uint64_t start_ns;
    struct request_head head;
    struct vq_chain chain;
    struct medium *medium; /* of its request; null: there was none in */
    struct disk *disk;     /* the medium's */
};

struct virtio_blk {
    struct virtio_device v;
    struct medium *medium; /* null: ejected */
    bool changed;          /* it is not the one of virtio_blk_create() */
    struct io_pool *pool;
    struct config config;
    char serial[VIRTIO_BLK_ID_LEN];
    unsigned nr_looking; /* workers that are busy and will look at the queues soon */
    unsigned nr_suspect; /* the next so many requests may take their time */
    struct blk_info info;
    struct worker worker[NR_WORKERS];
};

static struct virtio_blk *blk_of(struct virtio_device *v)
{
    return CONTAINER_OF(v, struct virtio_blk, v);
}

/* --- Requests: a worker's chain, without the lock -------------------------------------------------------------------------- */

static uint8_t status_of(const struct worker *w, int r, const char *what, uint64_t sector)
{
    if (!r)
        return VIRTIO_BLK_S_OK;
    log_guest(LOG_WARN, "%s: %s at sector %" PRIu64 ": %s", disk_path(w->disk), what, sector,
              strerror(-r));
    return VIRTIO_BLK_S_IOERR;
}

/* 5.2.6.2: beyond the end there is an error. */
static bool inside(const struct worker *w, uint64_t sector, uint64_t nr_sectors)
{
    const uint64_t capacity = disk_len(w->disk) / DISK_SECTOR;
    return sector <= capacity && nr_sectors <= capacity - sector;
}

static int write_done(const struct worker *w, int r)
{
    return r || !w->write_through ? r : disk_flush(w->disk);
}

static uint8_t read_or_write(const struct worker *w, bool write)
{
    const struct vq_chain *c = &w->chain;
    const uint64_t sector = w->head.sector;
    const size_t len = write ? c->out_len - sizeof(w->head) : c->in_len - 1;
    struct iovec part[VQ_MAX_CHAIN];

    if (len % DISK_SECTOR || !inside(w, sector, len / DISK_SECTOR) || (write && disk_read_only(w->disk)))
        return VIRTIO_BLK_S_IOERR;
    if (write) {
        const unsigned n = iov_slice(part, VQ_MAX_CHAIN, c->iov, c->nr_out, sizeof(w->head), len);
        return status_of(w, write_done(w, disk_write(w->disk, sector * DISK_SECTOR, part, n)),
                         "write", sector);
    }
    const unsigned n = iov_slice(part, VQ_MAX_CHAIN, c->iov + c->nr_out, c->nr_in, 0, len);
    return status_of(w, disk_read(w->disk, sector * DISK_SECTOR, part, n), "read", sector);
}

static uint8_t check_range(const struct worker *w, const struct range *r, bool zeroes)
{
    if (r->flags & ~(zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0))
        return VIRTIO_BLK_S_UNSUPP;
    return inside(w, r->sector, r->num_sectors) &&
                   r->num_sectors <= (zeroes ? MAX_ZEROES_SECTORS : MAX_DISCARD_SECTORS)
               ? VIRTIO_BLK_S_OK
               : VIRTIO_BLK_S_IOERR;
}

static uint8_t discard_or_zero(const struct worker *w, bool zeroes)
{
    const size_t len = w->chain.out_len - sizeof(w->head);
    const unsigned n = (unsigned)(len / sizeof(struct range));
    struct range range[MAX_RANGES];
    uint8_t status = VIRTIO_BLK_S_OK;

    if (!n || len % sizeof(range[0]) || n > MAX_RANGES || disk_read_only(w->disk))
        return VIRTIO_BLK_S_IOERR;
    vq_chain_read(&w->chain, sizeof(w->head), range, len);
    /* All are looked at before anything is changed. */
    for (unsigned i = 0; i < n && status == VIRTIO_BLK_S_OK; i++)
        status = check_range(w, &range[i], zeroes);
    for (unsigned i = 0; i < n && status == VIRTIO_BLK_S_OK; i++) {
        const uint64_t off = range[i].sector * DISK_SECTOR,
                       bytes = (uint64_t)range[i].num_sectors * DISK_SECTOR;
        const int r = !bytes   ? 0
                      : zeroes ? write_done(w, disk_zero(w->disk, off, bytes, range[i].flags))
                               : disk_discard(w->disk, off, bytes);
        status = status_of(w, r, zeroes ? "write zeroes" : "discard", range[i].sector);
    }
    return status;
}

static uint8_t get_id(const struct virtio_blk *b, const struct vq_chain *c)
{
    vq_chain_write(c, 0, b->serial, MIN((size_t)c->in_len - 1, sizeof(b->serial)));
    return VIRTIO_BLK_S_OK;
}

static uint8_t serve(const struct virtio_blk *b, const struct worker *w)
{
    if (w->head.type == VIRTIO_BLK_T_GET_ID)
        return get_id(b, &w->chain);
    if (!w->disk)
        return VIRTIO_BLK_S_IOERR;
    switch (w->head.type) {
    case VIRTIO_BLK_T_IN: return read_or_write(w, false);
    case VIRTIO_BLK_T_OUT: return read_or_write(w, true);
    case VIRTIO_BLK_T_FLUSH: return status_of(w, disk_flush(w->disk), "flush", 0);
    case VIRTIO_BLK_T_DISCARD: return discard_or_zero(w, false);
    case VIRTIO_BLK_T_WRITE_ZEROES: return discard_or_zero(w, true);
    default: return VIRTIO_BLK_S_UNSUPP;
    }
}

/* --- Workers --------------------------------------------------------------------------------------------------------------- */

static void call_worker(struct virtio_blk *b)
{
    for (unsigned i = 0; i < NR_WORKERS; i++) {
        struct worker *w = &b->worker[i];
        if (w->busy)
            continue;
        w->busy = true;
        b->nr_looking++;
        io_submit(b->pool, &w->job);
        return;
    }
    /* Each of them looks at all queues before it rests. */
}

/* The next request of any queue. */
static bool take_request(struct worker *w)
{
    struct virtio_device *v = &w->b->v;

    for (unsigned i = 1; i <= v->nr_queues; i++) {
        const unsigned q = (w->queue + i) % v->nr_queues;
        if (!virtio_pop(v, q, &w->chain))
            continue;
        if (vq_chain_read(&w->chain, 0, &w->head, sizeof(w->head)) < sizeof(w->head) || !w->chain.in_len) {
            virtio_needs_reset(v, "a request without header or status");
            return false;
        }
        w->queue = q;
        w->medium = w->b->medium;
        w->disk = w->medium ? w->medium->disk : NULL;
        if (w->medium)
            w->medium->nr_requests++;
        /* A driver that did not accept FLUSH can't ask for one: what it writes is safe when the write completes (5.2.6.2). */
        w->write_through =
            w->disk && !virtio_has_feature(v, VIRTIO_BLK_F_FLUSH) && !disk_writes_through(w->disk);
        return true;
    }
    return false;
}

/* No request is at it, and it is in no device. */
static void close_medium(struct medium *m)
{
    disk_close(m->disk);
    free(m);
}

/* In any queue; each notifies of its next one, if there is none. */
static bool more(struct virtio_blk *b)
{
    bool any = false;

    for (unsigned q = 0; q < b->v.nr_queues; q++)
        any |= virtio_more(&b->v, q);
    return any;
}

static void request_begin(struct worker *w)
{
    struct virtio_blk *b = w->b;

    w->waits = b->nr_suspect || (w->head.type != VIRTIO_BLK_T_IN && w->head.type != VIRTIO_BLK_T_OUT) ||
               w->write_through;
    w->start_ns = os_now_ns();
    if (!w->waits)
        return;
    b->nr_looking--;
    if (more(b) && !b->nr_looking)
        call_worker(b);
}

static void count(struct blk_info *n, const struct worker *w, uint8_t status)
{
    const bool good = status == VIRTIO_BLK_S_OK;

    n->errors += !good;
    switch (w->head.type) {
    case VIRTIO_BLK_T_IN:
        n->reads++;
        n->read_bytes += good ? w->chain.in_len - 1 : 0;
        break;
    case VIRTIO_BLK_T_OUT:
        n->writes++;
        n->written_bytes += good ? w->chain.out_len - sizeof(w->head) : 0;
        break;
    case VIRTIO_BLK_T_FLUSH: n->flushes++; break;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES: n->discards++; break;
    default: break;
    }
}

static void request_end(struct worker *w, uint8_t status)
{
    struct virtio_blk *b = w->b;
    const struct vq_chain *c = &w->chain;

    count(&b->info, w, status);
    if (w->waits)
        b->nr_looking++;
    if (os_now_ns() - w->start_ns > QUICK_NS_OF(c->out_len + c->in_len))
        b->nr_suspect = NR_SUSPECT;
    else if (b->nr_suspect)
        b->nr_suspect--;
}

static void work(struct io_job *j)
{
    struct worker *w = CONTAINER_OF(j, struct worker, job);
    struct virtio_device *v = &w->b->v;
    struct vq_chain *c = &w->chain;

    virtio_lock(v);
    while (take_request(w)) {
        request_begin(w);
        virtio_release(v, c);
        const uint8_t status = serve(w->b, w);
        vq_chain_write(c, c->in_len - 1, &status, 1);
        const bool ours = virtio_retake(v, c);
        request_end(w, status);
        if (w->medium && !--w->medium->nr_requests && w->medium->ejected)
            close_medium(w->medium);
        if (!ours)
            continue;
        virtio_push(v, w->queue, c->head, c->in_len);
        virtio_used(v, w->queue);
    }
    w->b->nr_looking--;
    w->busy = false;
    virtio_unlock(v);
}

static void blk_notify(struct virtio_device *v, unsigned q)
{
    struct virtio_blk *b = blk_of(v);

    (void)q;
    if (!b->nr_looking)
        call_worker(b);
}

/* --- The device ------------------------------------------------------------------------------------------------------------ */

static uint32_t config_read(struct virtio_device *v, uint32_t off, unsigned size)
{
    uint32_t val = 0;

    memcpy(&val, (const uint8_t *)&blk_of(v)->config + off, size);
    return val;
}

static void blk_destroy(struct virtio_device *v)
{
    struct virtio_blk *b = blk_of(v);

    if (b->medium)
        close_medium(b->medium);
    free(b);
}

static void blk_snap(struct virtio_device *v, struct snap *s)
{
    struct virtio_blk *b = blk_of(v);

    /* The machine's options, which a snapshot has, say which image is loaded with it. */
    if (b->changed)
        snap_fail(s, "its image was changed while the machine ran, which a snapshot cannot say");
    snap_same(s, "capacity", b->config.capacity);
    if (b->medium)
        disk_snap(b->medium->disk, s);
}

static const struct virtio_device_ops blk_ops = {
    .name = "virtio_blk",
    .device_id = VIRTIO_ID_BLOCK,
    .queue_max = QUEUE_SIZE,
    .config_len = sizeof(struct config),
    .notify = blk_notify,
    .config_read = config_read,
    .snap = blk_snap,
    .destroy = blk_destroy,
};

void virtio_blk_info(struct virtio_device *v, struct blk_info *info)
{
    virtio_lock(v);
    *info = blk_of(v)->info;
    info->path = blk_of(v)->medium ? disk_path(blk_of(v)->medium->disk) : NULL;
    info->read_only = blk_of(v)->medium && disk_read_only(blk_of(v)->medium->disk);
    virtio_unlock(v);
}

/* Linux looks at the capacity again when the configuration has changed. */
int virtio_blk_change(struct virtio_device *v, struct disk *disk)
{
    struct virtio_blk *b = blk_of(v);
    struct medium *m = disk ? calloc(1, sizeof(*m)) : NULL;

    if (disk && !m)
        return -ENOMEM;
    if (m)
        m->disk = disk;
    virtio_lock(v);
    struct medium *was = b->medium;
    b->medium = m;
    b->changed = true;
    b->config.capacity = disk ? disk_len(disk) / DISK_SECTOR : 0;
    virtio_config_changed(v);
    if (was && was->nr_requests) {
        was->ejected = true;
        was = NULL;
    }
    virtio_unlock(v);
    if (was)
        close_medium(was);
    return 0;
}

static uint64_t features(const struct disk *disk, unsigned nr_queues)
{
    uint64_t f =
        BIT64(VIRTIO_BLK_F_SEG_MAX) | BIT64(VIRTIO_BLK_F_BLK_SIZE) | BIT64(VIRTIO_BLK_F_TOPOLOGY);

    if (nr_queues > 1)
        f |= BIT64(VIRTIO_BLK_F_MQ);
    if (disk_read_only(disk))
        return f | BIT64(VIRTIO_BLK_F_RO);
    if (!disk_writes_through(disk))
        f |= BIT64(VIRTIO_BLK_F_FLUSH);
    return f | BIT64(VIRTIO_BLK_F_DISCARD) | BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
}

struct virtio_device *virtio_blk_create(struct disk *disk, const char *serial, unsigned nr_queues,
                                        struct io_pool *pool, struct err *e)
{
    const size_t serial_len = serial ? strlen(serial) : 0;
    struct virtio_blk *b = calloc(1, sizeof(*b));

    BUG_ON(!nr_queues || nr_queues > VIRTIO_BLK_MAX_QUEUES || serial_len > VIRTIO_BLK_ID_LEN);
    if (b)
        b->medium = calloc(1, sizeof(*b->medium));
    if (!b || !b->medium)
        err_set(e, ENOMEM, "out of memory for a disk");
    if (!b || !b->medium || io_pool_start(pool, e)) {
        disk_close(disk);
        free(b ? b->medium : NULL);
        free(b);
        return NULL;
    }
    b->v.ops = &blk_ops;
    b->v.features = features(disk, nr_queues);
    b->v.nr_queues = nr_queues;
    b->medium->disk = disk;
    b->pool = pool;
    b->nr_suspect = NR_SUSPECT;
    b->config = (struct config){
        .capacity = disk_len(disk) / DISK_SECTOR,
        .seg_max = SEG_MAX,
        .blk_size = DISK_SECTOR,
        .physical_block_exp = 3, /* 4 KiB: what hosts, and overlays, read and write at once */
        .min_io_size = 8,
        .num_queues = (uint16_t)nr_queues,
        .max_discard_sectors = MAX_DISCARD_SECTORS,
        .max_discard_seg = MAX_RANGES,
        .discard_sector_alignment = 8,
        .max_write_zeroes_sectors = MAX_ZEROES_SECTORS,
        .max_write_zeroes_seg = MAX_RANGES,
        .write_zeroes_may_unmap = 1,
    };
    memcpy(b->serial, serial ? serial : "", serial_len);
    for (unsigned i = 0; i < NR_WORKERS; i++) {
        b->worker[i].job.run = work;
        b->worker[i].b = b;
    }
    return &b->v;
}
