/* virtio over MMIO: the transport in front of a virtio device, in the current register layout (version 2) or the legacy one
 * (version 1).
 *
 * A device is a struct with a `struct virtio_device` first, and its operations. The transport holds status, features, queues and
 * the interrupt; it calls the operations with its lock held. A device that is called from elsewhere (input from the host) takes it
 * by virtio_lock(). What the guest does wrong with a ring sets DEVICE_NEEDS_RESET, is counted, and stops the queues until it resets.
 *
 * A chain is the device's from virtio_pop() on, while the lock is held. To work on one without the lock (which it must for anything that may
 * block), a device calls virtio_release() and, when it is done with the memory, virtio_retake(). When the driver resets the device or
 * stops the queue meanwhile, that register write waits until no chain is out (so it must never depend on the lock when that is), and
 * the memory is the driver's again; virtio_retake() then says that the chain is void. So a request must come to its end by itself,
 * however late: what waits for an event of the host for ever is not released, but popped when the event is there.
 * Specification: virtio 1.2, "Virtio Over MMIO" (4.2). */
#ifndef VIBE_DEV_VIRTIO_MMIO_H
#define VIBE_DEV_VIRTIO_MMIO_H

#include "bus/bus.h"
#include "dev/virtqueue.h"

struct err;
struct ram;
struct snap;
struct trace;
struct virtio_device;

#define VIRTIO_MMIO_LEN 0x200
#define VIRTIO_MMIO_QUEUE_NOTIFY 0x50 /* where the driver stores a queue's number, as a word */
#define VIRTIO_MAX_QUEUES 16u

enum virtio_layout { VIRTIO_MODERN = 2, VIRTIO_LEGACY = 1 }; /* the Version register */

/* "Device Status Field" (2.1) */
enum virtio_status {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

/* "Reserved Feature Bits" (6): bit numbers. The transport offers these itself. */
#define VIRTIO_F_ANY_LAYOUT 27 /* legacy alone */
#define VIRTIO_F_INDIRECT_DESC 28
#define VIRTIO_F_EVENT_IDX 29
#define VIRTIO_F_VERSION_1 32 /* modern alone */

struct virtio_device_ops {
    const char *name;
    uint32_t device_id; /* "Device Types" (5) */
    uint16_t queue_max; /* a power of two up to VQ_MAX_SIZE */
    uint32_t config_len;
    /* The driver wrote 0 to Status, or the machine is reset. Null: nothing to do. */
    void (*reset)(struct virtio_device *v);
    /* Buffers may have come to queue q, which the device may use. */
    void (*notify)(struct virtio_device *v, unsigned q);
    /* off + size lies within config_len. Null: reads as zero, ignores writes. */
    uint32_t (*config_read)(struct virtio_device *v, uint32_t off, unsigned size);
    void (*config_write)(struct virtio_device *v, uint32_t off, unsigned size, uint32_t val);
    /* The device's own state to or from a snapshot, without queues and features. No chain is out. Null: it has none. */
    void (*snap)(struct virtio_device *v, struct snap *s);
    /* After it was loaded and before the queues are looked at again, as after a notification of each. Null: nothing to do. */
    void (*loaded)(struct virtio_device *v);
    bool synchronous; /* notify() leaves nothing undone: the queues need not be looked at again */
    void (*destroy)(struct virtio_device *v); /* no lock held */
};

/* The first three are set when it is made, and stay. */
struct virtio_device {
    const struct virtio_device_ops *ops;
    uint64_t features;  /* the device's own; bits of "Device Types" (5) alone */
    unsigned nr_queues; /* 1..VIRTIO_MAX_QUEUES */
    struct virtio_mmio *transport;
};

/* A transport; v null: an empty slot, DeviceID 0. The transport owns v from here on, also when this fails. Null with e set. */
struct device *virtio_mmio_create(gpa_t base, struct irq_line irq, enum virtio_layout layout,
                                  const struct ram *ram, struct virtio_device *v, struct err *e);

/* Instead of the line that it was made with, which is returned, and whose number it keeps. Before any vCPU runs. */
struct irq_line virtio_mmio_set_irq(struct virtio_device *v, struct irq_line irq);
/* The driver stored the number of queue q to QueueNotify so many times, and the bus does not know. Any thread but the vCPUs'. */
void virtio_mmio_notified(struct virtio_device *v, unsigned q, uint64_t times);
/* Who hears of the requests; before any is made. */
void virtio_mmio_set_trace(struct device *d, struct trace *t);

void virtio_lock(struct virtio_device *v);
void virtio_unlock(struct virtio_device *v);

/* The rest under that lock. */

/* The next chain of queue q; false when there is none that the device may use now. */
bool virtio_pop(struct virtio_device *v, unsigned q, struct vq_chain *chain);
void virtio_push(struct virtio_device *v, unsigned q, uint16_t head, uint32_t written);
/* As vq_push_all() and vq_unpop(). */
void virtio_push_all(struct virtio_device *v, unsigned q, const struct vq_done *done, unsigned nr);
void virtio_unpop(struct virtio_device *v, unsigned q, unsigned nr);
/* Whether there is another chain, which the driver otherwise notifies of: to be asked after virtio_pop() by who works on several at once. */
bool virtio_more(struct virtio_device *v, unsigned q);
/* After pushing: interrupts the driver if it wants that. */
void virtio_used(struct virtio_device *v, unsigned q);

/* The chain's memory is used without the lock from here on: unlocks. Several chains of a device may be out at once. */
void virtio_release(struct virtio_device *v, const struct vq_chain *chain);
/* The memory is not used any more: locks. False: the chain is void and must not be pushed. */
bool virtio_retake(struct virtio_device *v, const struct vq_chain *chain);

/* Whether a chain of queue q, that virtio_pop() gave with that epoch, is the driver's again: for who keeps one back, and its memory not. */
bool virtio_is_void(const struct virtio_device *v, unsigned q, uint32_t epoch);

/* The epoch of chains that are popped from queue q now. */
uint32_t virtio_epoch(const struct virtio_device *v, unsigned q);

/* The configuration space has changed: the driver is told. */
void virtio_config_changed(struct virtio_device *v);

/* The guest broke the device's protocol: no queue works until the driver resets the device. Counted in the transport's statistics. */
void virtio_needs_reset(struct virtio_device *v, const char *why);

/* Negotiated; n is a bit number. */
bool virtio_has_feature(const struct virtio_device *v, unsigned n);

#endif
