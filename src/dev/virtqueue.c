/* Split virtqueues, the device's side. Threading and specification: dev/virtqueue.h. */
#include "dev/virtqueue.h"

#include "base/bits.h"
#include "base/snap.h"
#include "mem/ram.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are little-endian and used in place");

enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4 };
enum { AVAIL_F_NO_INTERRUPT = 1 };

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};
_Static_assert(sizeof(struct desc) == 16, "virtq_desc");

struct used_elem {
    uint32_t id, len;
};

#define RING_FLAGS 0u
#define RING_IDX 2u
#define RING_ENTRIES 4u

/* The lengths with the event field at the end, which is there whether negotiated or not (2.7, "Split Virtqueues"). */
static uint64_t avail_len(uint16_t size)
{
    return RING_ENTRIES + 2u * (uint64_t)size + 2;
}

static uint64_t used_len(uint16_t size)
{
    return RING_ENTRIES + sizeof(struct used_elem) * (uint64_t)size + 2;
}

static bool well_placed(const struct virtqueue *q, const struct ram *ram)
{
    return is_pow2(q->size) && q->size <= VQ_MAX_SIZE && q->desc % 16 == 0 && q->avail % 2 == 0 &&
           q->used % 4 == 0 && ram_ptr(ram, q->desc, sizeof(struct desc) * q->size, false) &&
           ram_ptr(ram, q->avail, avail_len(q->size), false) &&
           ram_ptr(ram, q->used, used_len(q->size), true);
}

bool vq_start(struct virtqueue *q, const struct ram *ram)
{
    q->broken = q->signalled = false;
    q->last_avail = q->used_idx = q->signalled_used = 0;
    q->ready = well_placed(q, ram);
    return q->ready;
}

void vq_snap(struct virtqueue *q, const struct ram *ram, uint16_t size_max, struct snap *s)
{
    SNAP_ANY(s, q, size);
    SNAP_ANY(s, q, last_avail);
    SNAP_ANY(s, q, used_idx);
    SNAP_ANY(s, q, signalled_used);
    SNAP_BOOL(s, q, ready);
    SNAP_BOOL(s, q, broken);
    SNAP_BOOL(s, q, signalled);
    SNAP_BOOL(s, q, event_idx);
    SNAP_BOOL(s, q, indirect);
    SNAP_ANY(s, q, desc);
    SNAP_ANY(s, q, avail);
    SNAP_ANY(s, q, used);
    if (s->loading && !s->failed && q->ready && (q->size > size_max || !well_placed(q, ram)))
        snap_fail(s, "a queue that is not in RAM, or not of a size that can be");
}

/* A 16-bit field of a ring. vq_start() found all of the ring in RAM, aligned, and RAM never moves: never null. */
static uint16_t *field(const struct ram *ram, gpa_t ring, uint64_t off, bool write)
{
    return ram_ptr(ram, ring + off, sizeof(uint16_t), write);
}

static uint16_t load(const struct ram *ram, gpa_t ring, uint64_t off)
{
    return __atomic_load_n(field(ram, ring, off, false), __ATOMIC_ACQUIRE);
}

static void store(const struct ram *ram, gpa_t ring, uint64_t off, uint16_t val)
{
    __atomic_store_n(field(ram, ring, off, true), val, __ATOMIC_RELEASE);
}

/* Puts one buffer at the end of the chain; false when it may not be there. */
static bool add_buf(const struct ram *ram, struct vq_chain *c, const struct desc *d)
{
    const bool write = d->flags & DESC_F_WRITE;
    const unsigned n = c->nr_out + c->nr_in;

    /* 2.7.4.2: writable buffers come last; 2.7.5: no chain is longer than 2^32 bytes. */
    if ((!write && c->nr_in) || d->len > UINT32_MAX - c->out_len - c->in_len)
        return false;
    if (!d->len)
        return true;
    void *host = n < VQ_MAX_CHAIN ? ram_ptr(ram, d->addr, d->len, write) : NULL;
    if (!host)
        return false;
    c->iov[n] = (struct iovec){host, d->len};
    *(write ? &c->nr_in : &c->nr_out) += 1;
    *(write ? &c->in_len : &c->out_len) += d->len;
    return true;
}

/* Follows a chain through the ring's table and, at its end, an indirect one. Each table is left after at most as many steps as it has
 * descriptors, so a loop ends. */
static bool walk_chain(const struct virtqueue *q, const struct ram *ram, struct vq_chain *c)
{
    gpa_t table = q->desc;
    uint32_t len = q->size, at = c->head;
    bool in_indirect = false;

    for (uint32_t steps = 0; steps < len; steps++) {
        struct desc d;
        if (at >= len || !ram_read(ram, table + at * (uint64_t)sizeof(d), &d, sizeof(d)))
            return false;
        if (d.flags & DESC_F_INDIRECT) {
            /* 2.7.5.3: negotiated, not nested, the last of its chain, whole descriptors; WRITE is ignored. */
            if (!q->indirect || in_indirect || (d.flags & DESC_F_NEXT) || !d.len || d.len % sizeof(d) ||
                d.len / sizeof(d) > VQ_MAX_CHAIN || !ram_ptr(ram, d.addr, d.len, false))
                return false;
            in_indirect = true;
            table = d.addr;
            len = d.len / (uint32_t)sizeof(d);
            at = 0;
            steps = UINT32_MAX; /* 0 in the next turn */
            continue;
        }
        if (!add_buf(ram, c, &d))
            return false;
        if (!(d.flags & DESC_F_NEXT))
            return true;
        at = d.next;
    }
    return false;
}

static enum vq_result broken(struct virtqueue *q)
{
    q->broken = true;
    return VQ_BROKEN;
}

bool vq_more(struct virtqueue *q, const struct ram *ram)
{
    if (!q->ready || q->broken)
        return false;
    if (q->event_idx) {
        /* Ask for a notification of the next one, and only then look: it may have come before the driver could see that. */
        store(ram, q->used, RING_ENTRIES + sizeof(struct used_elem) * (uint64_t)q->size, q->last_avail);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    return load(ram, q->avail, RING_IDX) != q->last_avail;
}

enum vq_result vq_pop(struct virtqueue *q, const struct ram *ram, struct vq_chain *chain)
{
    if (q->broken)
        return VQ_BROKEN;
    if (!q->ready || (load(ram, q->avail, RING_IDX) == q->last_avail && !vq_more(q, ram)))
        return VQ_EMPTY;
    const uint16_t idx = load(ram, q->avail, RING_IDX);
    if (idx == q->last_avail)
        return VQ_EMPTY; /* taken back, which no driver does: the index is read once for what follows */
    if ((uint16_t)(idx - q->last_avail) > q->size)
        return broken(q);
    chain->head = load(ram, q->avail, RING_ENTRIES + 2u * (uint64_t)(q->last_avail % q->size));
    chain->nr_out = chain->nr_in = 0;
    chain->out_len = chain->in_len = 0;
    if (!walk_chain(q, ram, chain))
        return broken(q);
    q->last_avail++;
    return VQ_CHAIN;
}

void vq_push_all(struct virtqueue *q, const struct ram *ram, const struct vq_done *done, unsigned nr)
{
    if (!q->ready || q->broken)
        return;
    for (unsigned i = 0; i < nr; i++) {
        const struct used_elem elem = {done[i].head, done[i].written};
        const uint64_t at = (uint16_t)(q->used_idx + i) % q->size;
        memcpy(ram_ptr(ram, q->used + RING_ENTRIES + sizeof(elem) * at, sizeof(elem), true), &elem,
               sizeof(elem));
    }
    q->used_idx = (uint16_t)(q->used_idx + nr);
    store(ram, q->used, RING_IDX, q->used_idx);
}

void vq_push(struct virtqueue *q, const struct ram *ram, uint16_t head, uint32_t written)
{
    vq_push_all(q, ram, &(struct vq_done){head, written}, 1);
}

void vq_unpop(struct virtqueue *q, unsigned nr)
{
    if (q->ready)
        q->last_avail = (uint16_t)(q->last_avail - nr);
}

bool vq_wants_interrupt(struct virtqueue *q, const struct ram *ram)
{
    if (!q->ready || q->broken)
        return false;
    /* The used index has to be seen before the driver's wish is read (2.7.7.1, 2.7.10). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    const uint16_t new = q->used_idx, old = q->signalled_used;
    const bool first = !q->signalled;
    if (!q->event_idx) {
        q->signalled_used = new;
        return new != old && !(load(ram, q->avail, RING_FLAGS) & AVAIL_F_NO_INTERRUPT);
    }
    if (new == old)
        return false;
    q->signalled_used = new;
    q->signalled = true;
    const uint16_t event = load(ram, q->avail, RING_ENTRIES + 2u * (uint64_t)q->size);
    return first || (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}
