/* virtio over MMIO. Threading and specification: dev/virtio_mmio.h.
 *
 * Registers that one layout lacks are not in its table, so the bus counts their use as a mistake of the guest. */
#include "dev/virtio_mmio.h"

#include "arch/trace.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "base/snap.h"
#include "load/fdt.h"
#include "mem/ram.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC 0x74726976u  /* "virt" */
#define VENDOR 0x45424956u /* "VIBE" */
#define CONFIG 0x100u

enum { INT_USED = 1, INT_CONFIG = 2 };

struct virtio_mmio {
    struct device dev;
    struct irq_line irq;
    enum virtio_layout layout;
    const struct ram *ram;
    struct virtio_device *v;
    struct trace *trace; /* or null */

    /* Chains whose memory is in use without our lock. A leaf: who waits for them holds ours. */
    pthread_mutex_t out_lock;
    pthread_cond_t all_in;
    unsigned nr_out;
    uint32_t epoch[VIRTIO_MAX_QUEUES]; /* a chain from an earlier one is void */

    uint64_t driver_features;
    uint32_t DeviceFeaturesSel, DriverFeaturesSel, QueueSel, InterruptStatus, Status, ConfigGeneration;
    uint32_t GuestPageSize;
    uint32_t QueueAlign[VIRTIO_MAX_QUEUES], QueuePFN[VIRTIO_MAX_QUEUES];
    struct virtqueue queue[VIRTIO_MAX_QUEUES];
};

static struct virtio_mmio *mmio_of(struct device *d)
{
    return CONTAINER_OF(d, struct virtio_mmio, dev);
}

static void update_irq(struct virtio_mmio *m)
{
    irq_set(&m->irq, m->InterruptStatus != 0);
}

static uint64_t offered(const struct virtio_mmio *m)
{
    return m->v->features | BIT64(VIRTIO_F_INDIRECT_DESC) | BIT64(VIRTIO_F_EVENT_IDX) |
           BIT64(m->layout == VIRTIO_LEGACY ? VIRTIO_F_ANY_LAYOUT : VIRTIO_F_VERSION_1);
}

/* The queue that QueueSel names, or null. */
static struct virtqueue *selected(struct virtio_mmio *m)
{
    return m->QueueSel < m->v->nr_queues ? &m->queue[m->QueueSel] : NULL;
}

/* Legacy drivers may use queues before DRIVER_OK (3.1.1, "Legacy Interface: Device Initialization"). */
static bool usable(const struct virtio_mmio *m, unsigned q)
{
    return m->queue[q].ready && !(m->Status & VIRTIO_NEEDS_RESET) &&
           (m->layout == VIRTIO_LEGACY || (m->Status & VIRTIO_DRIVER_OK));
}

static void notify(struct virtio_mmio *m, unsigned q)
{
    if (usable(m, q) && m->v->ops->notify)
        m->v->ops->notify(m->v, q);
}

/* The queue is not the device's any more, nor is the memory of its chains when this returns. */
static void stop_queue(struct virtio_mmio *m, unsigned q)
{
    m->queue[q].ready = false;
    m->epoch[q]++;
    /* Those of other queues too: they end soon. No new ones come while the lock is held. */
    pthread_mutex_lock(&m->out_lock);
    while (m->nr_out)
        pthread_cond_wait(&m->all_in, &m->out_lock);
    pthread_mutex_unlock(&m->out_lock);
}

static void reset_device(struct virtio_mmio *m)
{
    m->driver_features = 0;
    m->DeviceFeaturesSel = m->DriverFeaturesSel = m->QueueSel = m->InterruptStatus = m->Status = 0;
    m->GuestPageSize = 4096;
    for (unsigned i = 0; i < m->v->nr_queues; i++) {
        stop_queue(m, i);
        m->queue[i] = (struct virtqueue){.size = m->v->ops->queue_max};
        m->QueueAlign[i] = 4096;
        m->QueuePFN[i] = 0;
    }
    if (m->v->ops->reset)
        m->v->ops->reset(m->v);
    update_irq(m);
}

/* --- For devices ---------------------------------------------------------------------------------------------------- */

void virtio_lock(struct virtio_device *v)
{
    pthread_mutex_lock(&v->transport->dev.lock);
}

void virtio_unlock(struct virtio_device *v)
{
    pthread_mutex_unlock(&v->transport->dev.lock);
}

bool virtio_has_feature(const struct virtio_device *v, unsigned n)
{
    return bit(v->transport->driver_features & offered(v->transport), n);
}

void virtio_config_changed(struct virtio_device *v)
{
    struct virtio_mmio *m = v->transport;

    m->ConfigGeneration++;
    if (m->Status & VIRTIO_DRIVER_OK) {
        m->InterruptStatus |= INT_CONFIG;
        update_irq(m);
    }
}

void virtio_needs_reset(struct virtio_device *v, const char *why)
{
    struct virtio_mmio *m = v->transport;

    if (m->Status & VIRTIO_NEEDS_RESET)
        return;
    log_guest(LOG_WARN, "%s: %s: the device needs a reset", m->dev.name, why);
    atomic_fetch_add_explicit(&m->dev.stats.broken, 1, memory_order_relaxed);
    m->Status |= VIRTIO_NEEDS_RESET;
    virtio_config_changed(v);
}

void virtio_mmio_set_trace(struct device *d, struct trace *t)
{
    struct virtio_mmio *m = mmio_of(d);
    m->trace =
        trace_wants(t, TRACE_KIND_VIRTIO) && trace_names(t->queues, t->nr_queues, d->name) ? t : NULL;
}

static struct trace_event request_event(const struct virtio_mmio *m, enum trace_event_id id,
                                        unsigned q, uint16_t head)
{
    return (struct trace_event){.id = id,
                                .vcpu = TRACE_NOWHERE,
                                .el = TRACE_NOWHERE,
                                .insns = TRACE_UNKNOWN,
                                .arg = {trace_str(m->dev.name), q, head}};
}

static void trace_request(const struct virtio_mmio *m, unsigned q, const struct vq_chain *c)
{
    struct trace_event ev = request_event(m, TRACE_VIRTIO_REQUEST_EVENT, q, c->head);
    ev.arg[3] = c->out_len;
    ev.arg[4] = c->in_len;
    trace_emit(m->trace, &ev);
}

static void trace_done(const struct virtio_mmio *m, unsigned q, uint16_t head, uint32_t written)
{
    struct trace_event ev = request_event(m, TRACE_VIRTIO_DONE_EVENT, q, head);
    ev.arg[3] = written;
    trace_emit(m->trace, &ev);
}

bool virtio_pop(struct virtio_device *v, unsigned q, struct vq_chain *chain)
{
    struct virtio_mmio *m = v->transport;

    if (!usable(m, q))
        return false;
    const enum vq_result r = vq_pop(&m->queue[q], m->ram, chain);
    if (r == VQ_BROKEN)
        virtio_needs_reset(v, "bad ring, chain or address");
    chain->queue = (uint16_t)q;
    chain->epoch = m->epoch[q];
    if (unlikely(m->trace) && r == VQ_CHAIN)
        trace_request(m, q, chain);
    return r == VQ_CHAIN;
}

bool virtio_more(struct virtio_device *v, unsigned q)
{
    struct virtio_mmio *m = v->transport;
    return usable(m, q) && vq_more(&m->queue[q], m->ram);
}

void virtio_release(struct virtio_device *v, const struct vq_chain *chain)
{
    struct virtio_mmio *m = v->transport;

    BUG_ON(virtio_is_void(v, chain->queue, chain->epoch)); /* popped under this lock */
    pthread_mutex_lock(&m->out_lock);
    m->nr_out++;
    pthread_mutex_unlock(&m->out_lock);
    virtio_unlock(v);
}

bool virtio_retake(struct virtio_device *v, const struct vq_chain *chain)
{
    struct virtio_mmio *m = v->transport;

    pthread_mutex_lock(&m->out_lock);
    if (!--m->nr_out)
        pthread_cond_broadcast(&m->all_in);
    pthread_mutex_unlock(&m->out_lock);
    virtio_lock(v);
    return !virtio_is_void(v, chain->queue, chain->epoch);
}

bool virtio_is_void(const struct virtio_device *v, unsigned q, uint32_t epoch)
{
    return v->transport->epoch[q] != epoch;
}

uint32_t virtio_epoch(const struct virtio_device *v, unsigned q)
{
    return v->transport->epoch[q];
}

void virtio_push(struct virtio_device *v, unsigned q, uint16_t head, uint32_t written)
{
    if (unlikely(v->transport->trace))
        trace_done(v->transport, q, head, written);
    vq_push(&v->transport->queue[q], v->transport->ram, head, written);
}

void virtio_push_all(struct virtio_device *v, unsigned q, const struct vq_done *done, unsigned nr)
{
    for (unsigned i = 0; unlikely(v->transport->trace) && i < nr; i++)
        trace_done(v->transport, q, done[i].head, done[i].written);
    vq_push_all(&v->transport->queue[q], v->transport->ram, done, nr);
}

void virtio_unpop(struct virtio_device *v, unsigned q, unsigned nr)
{
    vq_unpop(&v->transport->queue[q], nr);
}

void virtio_used(struct virtio_device *v, unsigned q)
{
    struct virtio_mmio *m = v->transport;

    if (vq_wants_interrupt(&m->queue[q], m->ram)) {
        m->InterruptStatus |= INT_USED;
        update_irq(m);
    }
}

/* --- Events of the host's kernel ------------------------------------------------------------------------------------- */

struct irq_line virtio_mmio_set_irq(struct virtio_device *v, struct irq_line irq)
{
    const struct irq_line old = v->transport->irq;

    irq.intid = old.intid; /* the device tree has that */
    v->transport->irq = irq;
    return old;
}

void virtio_mmio_notified(struct virtio_device *v, unsigned q, uint64_t times)
{
    struct device_stats *stats = &v->transport->dev.stats;

    atomic_fetch_add_explicit(&stats->writes, times, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->no_exit, times, memory_order_relaxed);
    virtio_lock(v);
    notify(v->transport, q);
    virtio_unlock(v);
}

/* --- Registers ------------------------------------------------------------------------------------------------------ */

#define READ(name)                                                                                 \
    static uint64_t read_##name(struct device *d, uint32_t off __attribute__((unused)),            \
                                unsigned size __attribute__((unused)))
#define WRITE(name)                                                                                \
    static void write_##name(struct device *d, uint32_t off __attribute__((unused)),               \
                             unsigned size __attribute__((unused)), uint64_t val)

READ(MagicValue)
{
    (void)d;
    return MAGIC;
}

READ(Version)
{
    return mmio_of(d)->layout;
}

READ(DeviceID)
{
    const struct virtio_mmio *m = mmio_of(d);
    return m->v ? m->v->ops->device_id : 0;
}

READ(VendorID)
{
    (void)d;
    return VENDOR;
}

READ(DeviceFeatures)
{
    const struct virtio_mmio *m = mmio_of(d);
    return m->DeviceFeaturesSel < 2 ? (uint32_t)(offered(m) >> (32 * m->DeviceFeaturesSel)) : 0;
}

WRITE(DeviceFeaturesSel)
{
    mmio_of(d)->DeviceFeaturesSel = (uint32_t)val;
}

WRITE(DriverFeatures)
{
    struct virtio_mmio *m = mmio_of(d);

    /* Not after FEATURES_OK (2.2.1); legacy drivers never set it. */
    if (m->DriverFeaturesSel > 1 || (m->Status & (VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK)))
        return;
    const unsigned shift = 32 * m->DriverFeaturesSel;
    m->driver_features &= ~((uint64_t)UINT32_MAX << shift);
    m->driver_features |= (val & UINT32_MAX) << shift;
}

WRITE(DriverFeaturesSel)
{
    mmio_of(d)->DriverFeaturesSel = (uint32_t)val;
}

WRITE(GuestPageSize)
{
    mmio_of(d)->GuestPageSize = (uint32_t)val;
}

WRITE(QueueSel)
{
    mmio_of(d)->QueueSel = (uint32_t)val;
}

READ(QueueNumMax)
{
    struct virtio_mmio *m = mmio_of(d);
    return selected(m) ? m->v->ops->queue_max : 0;
}

WRITE(QueueNum)
{
    struct virtqueue *q = selected(mmio_of(d));

    /* A size that does not fit the field is found wrong when the queue is started, like every other. */
    if (q && !q->ready)
        q->size = (uint16_t)MIN(val, UINT16_MAX);
}

static void start_queue(struct virtio_mmio *m, struct virtqueue *q)
{
    q->event_idx = virtio_has_feature(m->v, VIRTIO_F_EVENT_IDX);
    q->indirect = virtio_has_feature(m->v, VIRTIO_F_INDIRECT_DESC);
    if (q->size > m->v->ops->queue_max || !vq_start(q, m->ram))
        virtio_needs_reset(m->v, "queue size, alignment or address");
}

WRITE(QueueAlign)
{
    struct virtio_mmio *m = mmio_of(d);

    if (selected(m) && !selected(m)->ready)
        m->QueueAlign[m->QueueSel] = (uint32_t)val;
}

READ(QueuePFN)
{
    struct virtio_mmio *m = mmio_of(d);
    return selected(m) ? m->QueuePFN[m->QueueSel] : 0;
}

/* 2.7.2, "Legacy Interfaces: A Note on Virtqueue Layout" */
WRITE(QueuePFN)
{
    struct virtio_mmio *m = mmio_of(d);
    struct virtqueue *q = selected(m);

    if (!q)
        return;
    const uint32_t align = m->QueueAlign[m->QueueSel];
    stop_queue(m, m->QueueSel);
    m->QueuePFN[m->QueueSel] = (uint32_t)val;
    if (!(uint32_t)val)
        return;
    if (!is_pow2(m->GuestPageSize) || !is_pow2(align)) {
        virtio_needs_reset(m->v, "GuestPageSize or QueueAlign is not a power of two");
        return;
    }
    q->desc = (val & UINT32_MAX) * m->GuestPageSize;
    q->avail = q->desc + 16u * (uint64_t)q->size;
    q->used = align_up(q->avail + 6 + 2u * (uint64_t)q->size, align);
    start_queue(m, q);
}

READ(QueueReady)
{
    const struct virtqueue *q = selected(mmio_of(d));
    return q && q->ready;
}

WRITE(QueueReady)
{
    struct virtio_mmio *m = mmio_of(d);
    struct virtqueue *q = selected(m);

    if (!q || q->ready == (val & 1))
        return;
    if (val & 1)
        start_queue(m, q);
    else
        stop_queue(m, m->QueueSel);
}

WRITE(QueueNotify)
{
    struct virtio_mmio *m = mmio_of(d);

    if (val < m->v->nr_queues)
        notify(m, (unsigned)val);
}

READ(InterruptStatus)
{
    return mmio_of(d)->InterruptStatus;
}

WRITE(InterruptACK)
{
    struct virtio_mmio *m = mmio_of(d);

    m->InterruptStatus &= ~(uint32_t)val;
    update_irq(m);
}

READ(Status)
{
    return mmio_of(d)->Status;
}

WRITE(Status)
{
    struct virtio_mmio *m = mmio_of(d);
    const uint32_t old = m->Status;
    uint32_t new = (uint32_t)val & 0xff;

    if (!new) {
        reset_device(m);
        return;
    }
    /* FEATURES_OK stays clear when the driver's choice is not one that works (3.1.1, step 6). */
    if (m->layout == VIRTIO_MODERN && (new & ~old &VIRTIO_FEATURES_OK) &&
        ((m->driver_features & ~offered(m)) || !bit(m->driver_features, VIRTIO_F_VERSION_1)))
        new &= ~(uint32_t)VIRTIO_FEATURES_OK;
    /* No bit is cleared but by a reset (2.1.1), and NEEDS_RESET is the device's. */
    m->Status = old | (new & ~(uint32_t)VIRTIO_NEEDS_RESET);
    if (!(m->Status & ~old & VIRTIO_DRIVER_OK))
        return;
    /* A legacy driver can't be told, and wrong bits of it have always been masked. */
    if (m->layout == VIRTIO_MODERN && !(m->Status & VIRTIO_FEATURES_OK))
        virtio_needs_reset(m->v, "DRIVER_OK without features that were agreed upon");
    else
        for (unsigned q = 0; q < m->v->nr_queues; q++)
            notify(m, q); /* buffers and notifications from before count now */
}

/* Low and high halves of a queue's address. */
#define QUEUE_ADDRESS(Name, member)                                                                \
    WRITE(Queue##Name##Low)                                                                        \
    {                                                                                              \
        struct virtqueue *q = selected(mmio_of(d));                                                \
        if (q && !q->ready)                                                                        \
            q->member = (q->member & ~(uint64_t)UINT32_MAX) | (uint32_t)val;                       \
    }                                                                                              \
    WRITE(Queue##Name##High)                                                                       \
    {                                                                                              \
        struct virtqueue *q = selected(mmio_of(d));                                                \
        if (q && !q->ready)                                                                        \
            q->member = (uint32_t)q->member | val << 32;                                           \
    }
QUEUE_ADDRESS(Desc, desc)
QUEUE_ADDRESS(Driver, avail)
QUEUE_ADDRESS(Device, used)

WRITE(SHMSel)
{
    (void)d; /* no device has shared memory */
    (void)val;
}

/* 4.2.2.1: all ones for a region that does not exist. */
READ(SHM)
{
    (void)d;
    return UINT32_MAX;
}

READ(ConfigGeneration)
{
    return mmio_of(d)->ConfigGeneration;
}

READ(Config)
{
    const struct virtio_mmio *m = mmio_of(d);
    const uint32_t at = off - CONFIG;

    if (at + size > m->v->ops->config_len || !m->v->ops->config_read)
        return 0;
    return m->v->ops->config_read(m->v, at, size);
}

WRITE(Config)
{
    const struct virtio_mmio *m = mmio_of(d);
    const uint32_t at = off - CONFIG;

    if (at + size <= m->v->ops->config_len && m->v->ops->config_write)
        m->v->ops->config_write(m->v, at, size, (uint32_t)val);
}

/* clang-format off */
#define RO(off, Name) {.offset = (off), .widths = W32, .access = REG_RO, .name = #Name, .read = read_##Name}
#define WO(off, Name) {.offset = (off), .widths = W32, .access = REG_WO, .name = #Name, .write = write_##Name}
#define RW(off, Name) {.offset = (off), .widths = W32, .access = REG_RW, .name = #Name, .read = read_##Name, .write = write_##Name}
#define IDENTIFICATION RO(0x000, MagicValue), RO(0x004, Version), RO(0x008, DeviceID), RO(0x00c, VendorID)
#define CONFIG_SPACE {.offset = CONFIG, .count = VIRTIO_MMIO_LEN - CONFIG, .stride = 1, .widths = W8 | W16 | W32, .access = REG_RW, \
    .name = "Config", .read = read_Config, .write = write_Config}

static const struct reg_desc modern_regs[] = {
    IDENTIFICATION,
    RO(0x010, DeviceFeatures), WO(0x014, DeviceFeaturesSel),
    WO(0x020, DriverFeatures), WO(0x024, DriverFeaturesSel),
    WO(0x030, QueueSel), RO(0x034, QueueNumMax), WO(0x038, QueueNum), RW(0x044, QueueReady), WO(VIRTIO_MMIO_QUEUE_NOTIFY, QueueNotify),
    RO(0x060, InterruptStatus), WO(0x064, InterruptACK), RW(0x070, Status),
    WO(0x080, QueueDescLow), WO(0x084, QueueDescHigh),
    WO(0x090, QueueDriverLow), WO(0x094, QueueDriverHigh),
    WO(0x0a0, QueueDeviceLow), WO(0x0a4, QueueDeviceHigh),
    WO(0x0ac, SHMSel),
    {.offset = 0x0b0, .count = 4, .widths = W32, .access = REG_RO, .name = "SHMLenLow", .read = read_SHM},
    RO(0x0fc, ConfigGeneration),
    CONFIG_SPACE,
};

static const struct reg_desc legacy_regs[] = {
    IDENTIFICATION,
    RO(0x010, DeviceFeatures), WO(0x014, DeviceFeaturesSel),
    WO(0x020, DriverFeatures), WO(0x024, DriverFeaturesSel), WO(0x028, GuestPageSize),
    WO(0x030, QueueSel), RO(0x034, QueueNumMax), WO(0x038, QueueNum), WO(0x03c, QueueAlign), RW(0x040, QueuePFN), WO(VIRTIO_MMIO_QUEUE_NOTIFY, QueueNotify),
    RO(0x060, InterruptStatus), WO(0x064, InterruptACK), RW(0x070, Status),
    CONFIG_SPACE,
};

static const struct reg_desc empty_regs[] = {IDENTIFICATION};
/* clang-format on */

static void mmio_reset(struct device *d)
{
    struct virtio_mmio *m = mmio_of(d);

    m->ConfigGeneration = 0;
    if (m->v)
        reset_device(m);
}

/* virtio,mmio binding. An empty slot is not described: a guest would probe each for nothing. */
static void mmio_fdt_node(const struct device *d, struct fdt_ctx *f)
{
    const struct virtio_mmio *m = CONTAINER_OF(d, const struct virtio_mmio, dev);

    if (!m->v)
        return;
    dt_begin_at(f, "virtio_mmio", d->base);
    dt_string(f, "compatible", "virtio,mmio");
    dt_reg(f, &(struct dt_range){d->base, d->len}, 1);
    dt_interrupts(f, &(struct dt_irq){m->irq.intid, DT_EDGE_RISING}, 1);
    dt_empty(f, "dma-coherent");
    dt_end(f);
}

static void mmio_destroy(struct device *d)
{
    struct virtio_mmio *m = mmio_of(d);

    if (m->v && m->v->ops->destroy)
        m->v->ops->destroy(m->v);
    pthread_mutex_destroy(&d->lock);
    pthread_mutex_destroy(&m->out_lock);
    pthread_cond_destroy(&m->all_in);
    free(m);
}

static void mmio_snap(struct device *d, struct snap *s)
{
    struct virtio_mmio *m = mmio_of(d);

    BUG_ON(m->nr_out);
    if (!m->v)
        return;
    snap_same(s, "device_id", m->v->ops->device_id);
    snap_same(s, "layout", m->layout);
    snap_same(s, "offered", offered(m));
    snap_same(s, "nr_queues", m->v->nr_queues);
    SNAP_ANY(s, m, driver_features);
    SNAP_ANY(s, m, DeviceFeaturesSel);
    SNAP_ANY(s, m, DriverFeaturesSel);
    SNAP_ANY(s, m, QueueSel);
    SNAP_MASK(s, m, InterruptStatus, INT_USED | INT_CONFIG);
    SNAP_MASK(s, m, Status, 0xff);
    SNAP_ANY(s, m, ConfigGeneration);
    SNAP_ANY(s, m, GuestPageSize);
    for (unsigned i = 0; i < m->v->nr_queues; i++) {
        snap_part(s, "queue", (int)i);
        snap_numbers(s, "QueueAlign", &m->QueueAlign[i], sizeof(m->QueueAlign[i]), 1, UINT32_MAX);
        snap_numbers(s, "QueuePFN", &m->QueuePFN[i], sizeof(m->QueuePFN[i]), 1, UINT32_MAX);
        vq_snap(&m->queue[i], m->ram, m->v->ops->queue_max, s);
    }
    snap_part(s, m->v->ops->name, -1);
    if (m->v->ops->snap)
        m->v->ops->snap(m->v, s);
}

/* What was in the queues, and not taken, is still there. */
static void mmio_kick(struct device *d)
{
    struct virtio_mmio *m = mmio_of(d);

    if (!m->v)
        return;
    update_irq(m);
    if (m->v->ops->loaded)
        m->v->ops->loaded(m->v);
    for (unsigned q = 0; q < m->v->nr_queues && !m->v->ops->synchronous; q++)
        notify(m, q);
}

#define MMIO_CLASS(regs_)                                                                          \
    {                                                                                              \
        .name = "virtio_mmio", .regs = (regs_), .nr_regs = ARRAY_LEN(regs_), .reset = mmio_reset,  \
        .destroy = mmio_destroy, .fdt_node = mmio_fdt_node, .snap = mmio_snap, .kick = mmio_kick,  \
    }
static const struct device_class modern_class = MMIO_CLASS(modern_regs);
static const struct device_class legacy_class = MMIO_CLASS(legacy_regs);
static const struct device_class empty_class = MMIO_CLASS(empty_regs);

struct device *virtio_mmio_create(gpa_t base, struct irq_line irq, enum virtio_layout layout,
                                  const struct ram *ram, struct virtio_device *v, struct err *e)
{
    struct virtio_mmio *m = calloc(1, sizeof(*m));

    if (!m) {
        err_set(e, ENOMEM, "out of memory for a virtio transport");
        if (v && v->ops->destroy)
            v->ops->destroy(v);
        return NULL;
    }
    BUG_ON(v && (!v->nr_queues || v->nr_queues > VIRTIO_MAX_QUEUES || v->ops->queue_max > VQ_MAX_SIZE));
    pthread_mutex_init(&m->out_lock, NULL);
    os_cond_init(&m->all_in);
    device_init(&m->dev,
                !v                        ? &empty_class
                : layout == VIRTIO_LEGACY ? &legacy_class
                                          : &modern_class,
                base, VIRTIO_MMIO_LEN);
    /* The statistics name what is behind it. */
    if (v)
        snprintf(m->dev.name, sizeof(m->dev.name), "%.14s@%" PRIx32, v->ops->name, (uint32_t)base);
    m->irq = irq;
    m->layout = layout;
    m->ram = ram;
    m->v = v;
    if (v)
        v->transport = m;
    mmio_reset(&m->dev);
    return &m->dev;
}
