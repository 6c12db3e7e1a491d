/* A virtio device behind its transport, with guest memory and a driver's side of the rings, for tests. Addresses by the layout. */
#ifndef VIBE_TESTS_VIRTIO_FIXTURE_H
#define VIBE_TESTS_VIRTIO_FIXTURE_H

#include "base/err.h"
#include "base/snap.h"
#include "bus/bus.h"
#include "dev/virtio_mmio.h"
#include "mem/ram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* wants the ones above */

#define BASE UINT64_C(0x0a000000)
#define RAM_BASE UINT64_C(0x40000000)
#define RAM_LEN UINT64_C(0x40000)
#define BUFFERS (RAM_BASE + 0x20000)
#define INTID 48
#define MAX_QUEUES 4u /* that the fixture drives; those of a device beyond them stay off */

enum {
    MAGIC_VALUE = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    DEVICE_FEATURES = 0x010,
    DEVICE_FEATURES_SEL = 0x014,
    DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SEL = 0x024,
    GUEST_PAGE_SIZE = 0x028,
    QUEUE_SEL = 0x030,
    QUEUE_NUM_MAX = 0x034,
    QUEUE_NUM = 0x038,
    QUEUE_ALIGN = 0x03c,
    QUEUE_PFN = 0x040,
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC = 0x080,
    QUEUE_DRIVER = 0x090,
    QUEUE_DEVICE = 0x0a0,
    SHM_LEN = 0x0b0,
    CONFIG_GENERATION = 0x0fc,
    CONFIG_SPACE_AT = 0x100
};
enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4 };

struct driver_queue {
    uint16_t size, avail_idx;
    gpa_t desc, avail, used;
};

struct fixture {
    struct ram ram;
    struct bus bus;
    struct device *d;
    enum virtio_layout layout;
    atomic_bool line; /* a device's own threads may set it */
    atomic_uint rises;
    unsigned nr_queues;
    struct driver_queue q[MAX_QUEUES];
};

static inline void on_line(void *opaque, unsigned intid, bool level)
{
    struct fixture *f = opaque;
    assert_int_equal(intid, INTID);
    f->rises += level && !f->line;
    f->line = level;
}

static inline uint64_t rd_n(struct fixture *f, uint32_t off, unsigned size)
{
    uint64_t val = 0x5a5a5a5a;
    assert_int_equal(bus_access(&f->bus, BASE + off, size, false, &val), BUS_OK);
    return val;
}

static inline void wr_n(struct fixture *f, uint32_t off, unsigned size, uint64_t val)
{
    assert_int_equal(bus_access(&f->bus, BASE + off, size, true, &val), BUS_OK);
}

static inline uint32_t rd(struct fixture *f, uint32_t off)
{
    return (uint32_t)rd_n(f, off, 4);
}

static inline void wr(struct fixture *f, uint32_t off, uint32_t val)
{
    wr_n(f, off, 4, val);
}

static inline void fixture_init(struct fixture *f, enum virtio_layout layout, struct virtio_device *v)
{
    memset(f, 0, sizeof(*f));
    f->layout = layout;
    f->nr_queues = v && v->nr_queues < MAX_QUEUES ? v->nr_queues : MAX_QUEUES;
    assert_int_equal(ram_init(&f->ram, NULL), 0);
    assert_int_equal(ram_add(&f->ram, RAM_BASE, RAM_LEN, RAM_KIND_RAM, NULL), 0);
    bus_init(&f->bus);
    f->d = virtio_mmio_create(BASE, (struct irq_line){on_line, f, INTID}, layout, &f->ram, v, NULL);
    assert_non_null(f->d);
    assert_int_equal(bus_add(&f->bus, f->d, NULL), 0);
}

static inline void fixture_destroy(struct fixture *f)
{
    bus_destroy(&f->bus);
    ram_destroy(&f->ram);
}

static inline void put(struct fixture *f, gpa_t at, uint64_t val, unsigned size)
{
    assert_true(ram_write(&f->ram, at, &val, size));
}

static inline uint64_t get(struct fixture *f, gpa_t at, unsigned size)
{
    uint64_t val = 0;
    assert_true(ram_read(&f->ram, at, &val, size));
    return val;
}

/* Status up to FEATURES_OK; the features beside VERSION_1. */
static inline void negotiate(struct fixture *f, uint64_t features)
{
    wr(f, STATUS, 0);
    wr(f, STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    if (f->layout == VIRTIO_MODERN)
        features |= UINT64_C(1) << VIRTIO_F_VERSION_1;
    for (uint32_t i = 0; i < 2; i++) {
        wr(f, DRIVER_FEATURES_SEL, i);
        wr(f, DRIVER_FEATURES, (uint32_t)(features >> 32 * i));
    }
    if (f->layout == VIRTIO_MODERN) {
        wr(f, STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
        assert_true(rd(f, STATUS) & VIRTIO_FEATURES_OK);
    } else {
        wr(f, GUEST_PAGE_SIZE, 4096);
    }
}

/* Where queue n of that size lies: pages of its own. */
static inline void place_queue(struct fixture *f, unsigned n, uint16_t size)
{
    struct driver_queue *q = &f->q[n];
    q->size = size;
    q->avail_idx = 0;
    q->desc = RAM_BASE + n * 0x8000;
    q->avail = q->desc + 16u * size;
    q->used = (q->avail + 6 + 2u * size + 4095) & ~UINT64_C(4095);
    static const uint8_t zeros[0x8000];
    assert_true(ram_write(&f->ram, q->desc, zeros, sizeof(zeros)));
}

static inline void start_queue(struct fixture *f, unsigned n)
{
    const struct driver_queue *q = &f->q[n];
    wr(f, QUEUE_SEL, n);
    wr(f, QUEUE_NUM, q->size);
    if (f->layout == VIRTIO_LEGACY) {
        wr(f, QUEUE_ALIGN, 4096);
        wr(f, QUEUE_PFN, (uint32_t)(q->desc / 4096));
        return;
    }
    const gpa_t at[3] = {q->desc, q->avail, q->used};
    for (uint32_t i = 0; i < 3; i++) {
        wr(f, QUEUE_DESC + 0x10 * i, (uint32_t)at[i]);
        wr(f, QUEUE_DESC + 0x10 * i + 4, (uint32_t)(at[i] >> 32));
    }
    wr(f, QUEUE_READY, 1);
}

static inline void start_device(struct fixture *f, uint64_t features, uint16_t size)
{
    negotiate(f, features);
    for (unsigned n = 0; n < f->nr_queues; n++) {
        place_queue(f, n, size);
        start_queue(f, n);
    }
    wr(f, STATUS, rd(f, STATUS) | VIRTIO_DRIVER_OK);
    assert_false(rd(f, STATUS) & VIRTIO_NEEDS_RESET);
}

static inline void set_desc_at(struct fixture *f, gpa_t table, unsigned i, gpa_t addr, uint32_t len,
                               uint16_t flags, uint16_t next)
{
    put(f, table + 16 * i, addr, 8);
    put(f, table + 16 * i + 8, len, 4);
    put(f, table + 16 * i + 12, flags, 2);
    put(f, table + 16 * i + 14, next, 2);
}

static inline void set_desc(struct fixture *f, unsigned n, unsigned i, gpa_t addr, uint32_t len,
                            uint16_t flags, uint16_t next)
{
    set_desc_at(f, f->q[n].desc, i, addr, len, flags, next);
}

/* Makes a chain available, without a notification. The device may look at the same time, on a thread of its own. */
static inline void offer(struct fixture *f, unsigned n, uint16_t head)
{
    struct driver_queue *q = &f->q[n];
    put(f, q->avail + 4 + 2u * (q->avail_idx % q->size), head, 2);
    __atomic_store_n((uint16_t *)ram_ptr(&f->ram, q->avail + 2, 2, true), ++q->avail_idx,
                     __ATOMIC_RELEASE);
}

static inline void kick(struct fixture *f, unsigned n)
{
    wr(f, QUEUE_NOTIFY, n);
}

static inline uint16_t used_idx(struct fixture *f, unsigned n)
{
    return __atomic_load_n((uint16_t *)ram_ptr(&f->ram, f->q[n].used + 2, 2, false), __ATOMIC_ACQUIRE);
}

static inline uint32_t used_id(struct fixture *f, unsigned n, unsigned i)
{
    return (uint32_t)get(f, f->q[n].used + 4 + 8 * (i % f->q[n].size), 4);
}

static inline uint32_t used_len(struct fixture *f, unsigned n, unsigned i)
{
    return (uint32_t)get(f, f->q[n].used + 8 + 8 * (i % f->q[n].size), 4);
}

/* --- To another machine ------------------------------------------------------------------------------------------------------ */

struct moved {
    struct snap s;
    uint8_t *ram;
    struct driver_queue q[MAX_QUEUES];
};

static inline struct moved fixture_save(struct fixture *f)
{
    struct moved m = {.ram = malloc(RAM_LEN)};

    snap_begin_save(&m.s, NULL);
    bus_snap(&f->bus, &m.s);
    assert_false(m.s.failed);
    assert_true(m.ram && ram_read(&f->ram, RAM_BASE, m.ram, RAM_LEN));
    memcpy(m.q, f->q, sizeof(m.q));
    return m;
}

/* Into one of the same shape; then it goes on. */
static inline void fixture_load(struct fixture *f, struct moved *m)
{
    struct err e = {0};
    struct snap s, again;

    assert_true(ram_write(&f->ram, RAM_BASE, m->ram, RAM_LEN));
    memcpy(f->q, m->q, sizeof(f->q));
    snap_begin_load(&s, m->s.buf, m->s.len, &e);
    bus_snap(&f->bus, &s);
    snap_end_load(&s);
    assert_string_equal(e.text, "");
    snap_begin_save(&again, NULL);
    bus_snap(&f->bus, &again);
    assert_int_equal(again.len, m->s.len);
    assert_memory_equal(again.buf, m->s.buf, again.len);
    snap_free(&again);
    snap_free(&m->s);
    free(m->ram);
    bus_kick(&f->bus);
}

#endif
