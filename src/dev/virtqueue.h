/* Split virtqueues, the device's side.
 *
 * The rings lie in guest memory and every index, address and length in them is the guest's word: each is copied once, checked, and only
 * then used. A ring that breaks the rules marks the queue broken, and the transport asks for a reset.
 * Threads: under the lock of the transport that owns the queue; the driver runs meanwhile.
 * Specification: virtio 1.2, "Split Virtqueues" (2.7). */
#ifndef VIBE_DEV_VIRTQUEUE_H
#define VIBE_DEV_VIRTQUEUE_H

#include "base/iov.h"
#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>

struct ram;
struct snap;

#define VQ_MAX_SIZE 1024u
/* Buffers in a chain. With an indirect table that may be more than the queue has descriptors, as some drivers do. */
#define VQ_MAX_CHAIN 512u

struct virtqueue {
    uint16_t size;           /* Queue Size, a power of two */
    uint16_t last_avail;     /* the next entry of the available ring to take */
    uint16_t used_idx;       /* the next entry of the used ring to fill */
    uint16_t signalled_used; /* used_idx at the last vq_wants_interrupt() */
    bool ready, broken;
    bool signalled;           /* signalled_used is of this queue's life */
    bool event_idx, indirect; /* the negotiated features */
    gpa_t desc, avail, used;
};

/* A descriptor chain: nr_out buffers to read, then nr_in buffers to write, none of them empty. The buffers stay readable and writable
 * memory for ever; whose they are is another matter (dev/virtio_mmio.h). */
struct vq_chain {
    uint16_t head;
    uint16_t queue; /* which of the device's; the transport's, with the epoch */
    uint32_t epoch;
    unsigned nr_out, nr_in;
    uint32_t out_len, in_len; /* bytes in all; their sum fits */
    struct iovec iov[VQ_MAX_CHAIN];
};

/* Bytes from off on out of the readable buffers, or into the writable ones; the bytes that there were. */
static inline size_t vq_chain_read(const struct vq_chain *c, size_t off, void *to, size_t len)
{
    return iov_read(c->iov, c->nr_out, off, to, len);
}

static inline size_t vq_chain_write(const struct vq_chain *c, size_t off, const void *from, size_t len)
{
    return iov_write(c->iov + c->nr_out, c->nr_in, off, from, len);
}

enum vq_result { VQ_EMPTY, VQ_CHAIN, VQ_BROKEN };

/* Starts the queue at the size and addresses in q; false: the size, an alignment or an address is wrong, q stays not ready. */
bool vq_start(struct virtqueue *q, const struct ram *ram);

/* To or from a snapshot. Loading, a queue that is ready is checked as vq_start() does; size is up to size_max then. */
void vq_snap(struct virtqueue *q, const struct ram *ram, uint16_t size_max, struct snap *s);

/* Takes the next chain. VQ_EMPTY: the driver notifies of the next one. */
enum vq_result vq_pop(struct virtqueue *q, const struct ram *ram, struct vq_chain *chain);

/* Whether there is another chain; if not, the driver notifies of the next one. For a device that takes one while it is busy with
 * another: vq_pop() alone asks for a notification only when it finds nothing. */
bool vq_more(struct virtqueue *q, const struct ram *ram);

/* Returns a chain to the driver, the first `written` bytes of its writable buffers filled. */
void vq_push(struct virtqueue *q, const struct ram *ram, uint16_t head, uint32_t written);

/* The same for several chains, which the driver sees returned all at once. */
struct vq_done {
    uint16_t head;
    uint32_t written;
};
void vq_push_all(struct virtqueue *q, const struct ram *ram, const struct vq_done *done, unsigned nr);

/* The last nr chains were not taken: they come again, as the driver has them then. Only before anything else is done with them. */
void vq_unpop(struct virtqueue *q, unsigned nr);

/* Whether the driver wants to be interrupted for what was pushed since the last call. */
bool vq_wants_interrupt(struct virtqueue *q, const struct ram *ram);

#endif
