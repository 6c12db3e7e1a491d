/* The virtio transport in both layouts and the virtqueues, with a device that reverses what it is given. */
#include "virtio_fixture.h"

#include "base/bits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Queue 0: writes the readable bytes backwards into the writable ones. Queue 1: only takes. */
struct echo {
    struct virtio_device v;
    unsigned resets, notified[2];
    uint8_t config[6];
};

static void echo_reset(struct virtio_device *v)
{
    CONTAINER_OF(v, struct echo, v)->resets++;
}

static void echo_notify(struct virtio_device *v, unsigned q)
{
    static struct vq_chain chain;
    CONTAINER_OF(v, struct echo, v)->notified[q]++;
    while (virtio_pop(v, q, &chain)) {
        uint8_t text[4096];
        size_t written = 0;
        const size_t n = vq_chain_read(&chain, 0, text, sizeof(text));
        for (size_t i = 0; i < n / 2; i++) {
            const uint8_t t = text[i];
            text[i] = text[n - 1 - i];
            text[n - 1 - i] = t;
        }
        if (!q)
            written = vq_chain_write(&chain, 0, text, n);
        virtio_push(v, q, chain.head, (uint32_t)written);
    }
    virtio_used(v, q);
}

static uint32_t echo_config_read(struct virtio_device *v, uint32_t off, unsigned size)
{
    uint32_t val = 0;
    assert_true(off + size <= 6);
    memcpy(&val, CONTAINER_OF(v, struct echo, v)->config + off, size);
    return val;
}

static void echo_config_write(struct virtio_device *v, uint32_t off, unsigned size, uint32_t val)
{
    assert_true(off + size <= 6);
    memcpy(CONTAINER_OF(v, struct echo, v)->config + off, &val, size);
}

static const struct virtio_device_ops echo_ops = {
    .name = "echo",
    .device_id = 42,
    .queue_max = 64,
    .config_len = 6,
    .reset = echo_reset,
    .notify = echo_notify,
    .config_read = echo_config_read,
    .config_write = echo_config_write,
};

static const enum virtio_layout layouts[] = {VIRTIO_MODERN, VIRTIO_LEGACY};
#define EACH_LAYOUT for (unsigned l_ = 0; l_ < 2; l_++)
#define ECHO_DEVICE                                                                                \
    {                                                                                              \
        .ops = &echo_ops, .features = 1u << 5 | BIT64(40), .nr_queues = 2                          \
    }
#define SETUP                                                                                      \
    struct echo echo = {.v = ECHO_DEVICE};                                                         \
    struct fixture f;                                                                              \
    (void)state;                                                                                   \
    fixture_init(&f, layouts[l_], &echo.v)

/* One request of two buffers each way, chained in a row from descriptor `at`. */
static void request(struct fixture *f, unsigned at)
{
    assert_true(ram_write(&f->ram, BUFFERS, "abcdefgh", 8));
    set_desc(f, 0, at, BUFFERS, 3, F_NEXT, (uint16_t)(at + 1));
    set_desc(f, 0, at + 1, BUFFERS + 3, 5, F_NEXT, (uint16_t)(at + 2));
    set_desc(f, 0, at + 2, BUFFERS + 0x100, 2, F_NEXT | F_WRITE, (uint16_t)(at + 3));
    set_desc(f, 0, at + 3, BUFFERS + 0x200, 100, F_WRITE, 77);
    offer(f, 0, (uint16_t)at);
}

static void check_answer(struct fixture *f)
{
    assert_memory_equal(ram_ptr(&f->ram, BUFFERS + 0x100, 2, false), "hg", 2);
    assert_memory_equal(ram_ptr(&f->ram, BUFFERS + 0x200, 6, false), "fedcba", 6);
}

static void test_identification(void **state)
{
    EACH_LAYOUT
    {
        SETUP;
        assert_int_equal(rd(&f, MAGIC_VALUE), 0x74726976);
        assert_int_equal(rd(&f, VERSION), layouts[l_] == VIRTIO_MODERN ? 2 : 1);
        assert_int_equal(rd(&f, DEVICE_ID), 42);
        assert_int_equal(rd(&f, DEVICE_FEATURES), 1u << 5 | 1u << 28 | 1u << 29 | (l_ ? 1u << 27 : 0));
        wr(&f, DEVICE_FEATURES_SEL, 1);
        assert_int_equal(rd(&f, DEVICE_FEATURES), 1u << 8 | (l_ ? 0 : 1));
        wr(&f, DEVICE_FEATURES_SEL, 2);
        assert_int_equal(rd(&f, DEVICE_FEATURES), 0);
        wr(&f, QUEUE_SEL, 1);
        assert_int_equal(rd(&f, QUEUE_NUM_MAX), 64);
        wr(&f, QUEUE_SEL, 2);
        assert_int_equal(rd(&f, QUEUE_NUM_MAX), 0);
        wr(&f, QUEUE_SEL, UINT32_MAX);
        wr(&f, QUEUE_NUM, 4);
        kick(&f, 2);
        kick(&f, UINT32_MAX);
        /* The other layout's registers are not there. */
        uint64_t val = 1;
        assert_int_equal(bus_access(&f.bus, BASE + (l_ ? QUEUE_READY : QUEUE_PFN), 4, false, &val),
                         BUS_BAD);
        assert_int_equal(bus_access(&f.bus, BASE + STATUS, 1, false, &val), BUS_BAD);
        if (!l_)
            assert_int_equal(rd(&f, SHM_LEN), UINT32_MAX);
        fixture_destroy(&f);
    }
}

static void test_empty_slot(void **state)
{
    struct fixture f;
    uint64_t val = 1;
    (void)state;
    EACH_LAYOUT
    {
        fixture_init(&f, layouts[l_], NULL);
        assert_int_equal(rd(&f, MAGIC_VALUE), 0x74726976);
        assert_int_equal(rd(&f, DEVICE_ID), 0);
        for (uint32_t off = 0x10; off < VIRTIO_MMIO_LEN; off += 4) {
            val = 1;
            assert_int_equal(bus_access(&f.bus, BASE + off, 4, true, &val), BUS_BAD);
            assert_int_equal(bus_access(&f.bus, BASE + off, 4, false, &val), BUS_BAD);
            assert_int_equal(val, 0);
        }
        bus_reset(&f.bus);
        fixture_destroy(&f);
    }
}

static void test_status_and_features(void **state)
{
    for (unsigned l_ = 0; l_ < 1; l_++) {
        SETUP;
        /* Neither a feature that is not offered nor one without VERSION_1 gets FEATURES_OK. */
        wr(&f, DRIVER_FEATURES, 1u << 5);
        wr(&f, STATUS, 11);
        assert_int_equal(rd(&f, STATUS), 3);
        wr(&f, DRIVER_FEATURES, 1u << 6);
        wr(&f, DRIVER_FEATURES_SEL, 1);
        wr(&f, DRIVER_FEATURES, 1);
        wr(&f, STATUS, 11);
        assert_int_equal(rd(&f, STATUS), 3);
        wr(&f, DRIVER_FEATURES_SEL, 0);
        wr(&f, DRIVER_FEATURES, 1u << 5);
        wr(&f, STATUS, 11);
        assert_int_equal(rd(&f, STATUS), 11);
        /* From now on they stay; so do status bits, and NEEDS_RESET is not the driver's. */
        wr(&f, DRIVER_FEATURES, 0);
        assert_true(virtio_has_feature(&echo.v, 5));
        wr(&f, STATUS, 0x44);
        assert_int_equal(rd(&f, STATUS), 15);
        const unsigned resets = echo.resets;
        wr(&f, STATUS, 0);
        assert_int_equal(echo.resets, resets + 1);
        assert_int_equal(rd(&f, STATUS), 0);
        assert_false(virtio_has_feature(&echo.v, 5));
        fixture_destroy(&f);
    }
}

static void test_request(void **state)
{
    EACH_LAYOUT
    {
        SETUP;
        start_device(&f, 0, 8);
        for (unsigned turn = 0; turn < 70000; turn++) { /* past the 16 bits of the indices */
            request(&f, turn % 5);
            kick(&f, 0);
            assert_int_equal(used_idx(&f, 0), (uint16_t)(turn + 1));
            assert_int_equal(used_id(&f, 0, turn), turn % 5);
            assert_int_equal(used_len(&f, 0, turn), 8);
            assert_true(f.line);
            assert_int_equal(rd(&f, INTERRUPT_STATUS), 1);
            wr(&f, INTERRUPT_ACK, 2);
            assert_true(f.line);
            wr(&f, INTERRUPT_ACK, 1);
            assert_false(f.line);
        }
        check_answer(&f);
        assert_int_equal(f.rises, 70000);
        /* No new chains: nothing used, no interrupt. */
        kick(&f, 0);
        assert_int_equal(used_idx(&f, 0), (uint16_t)70000);
        assert_false(f.line);
        /* VIRTQ_AVAIL_F_NO_INTERRUPT */
        put(&f, f.q[0].avail, 1, 2);
        request(&f, 0);
        kick(&f, 0);
        assert_int_equal(used_idx(&f, 0), (uint16_t)70001);
        assert_false(f.line);
        /* A reset of the machine ends all. */
        put(&f, f.q[0].avail, 0, 2);
        request(&f, 0);
        kick(&f, 0);
        assert_true(f.line);
        bus_reset(&f.bus);
        assert_false(f.line);
        assert_int_equal(rd(&f, STATUS), 0);
        request(&f, 0);
        kick(&f, 0);
        assert_int_equal(used_idx(&f, 0), (uint16_t)70002);
        fixture_destroy(&f);
    }
}

/* Without features that were agreed upon nothing works; legacy drivers don't say that they are. */
static void test_no_features_ok(void **state)
{
    EACH_LAYOUT
    {
        SETUP;
        negotiate(&f, 0);
        wr(&f, STATUS, 0);
        wr(&f, STATUS, 3);
        place_queue(&f, 0, 8);
        start_queue(&f, 0);
        wr(&f, STATUS, 7);
        request(&f, 0);
        kick(&f, 0);
        assert_int_equal(rd(&f, STATUS), l_ ? 7 : 7 | VIRTIO_NEEDS_RESET);
        assert_int_equal(used_idx(&f, 0), l_ ? 1 : 0);
        fixture_destroy(&f);
    }
}

static void test_before_driver_ok(void **state)
{
    EACH_LAYOUT
    {
        SETUP;
        negotiate(&f, 0);
        place_queue(&f, 0, 8);
        start_queue(&f, 0);
        request(&f, 0);
        kick(&f, 0);
        assert_int_equal(used_idx(&f, 0), l_ ? 1 : 0);
        wr(&f, STATUS, 15);
        assert_int_equal(used_idx(&f, 0), 1);
        check_answer(&f);
        /* Stopped: the rings are the driver's again. */
        wr(&f, QUEUE_SEL, 0);
        wr(&f, l_ ? QUEUE_PFN : QUEUE_READY, 0);
        request(&f, 0);
        kick(&f, 0);
        assert_int_equal(used_idx(&f, 0), 1);
        assert_int_equal(rd(&f, l_ ? QUEUE_PFN : QUEUE_READY), 0);
        fixture_destroy(&f);
    }
}

static void test_indirect(void **state)
{
    EACH_LAYOUT
    {
        SETUP;
        start_device(&f, BIT64(VIRTIO_F_INDIRECT_DESC), 2);
        const gpa_t table = BUFFERS + 0x1000;
        assert_true(ram_write(&f.ram, BUFFERS, "abcdefgh", 8));
        /* A plain one before it; a table longer than the queue, out of order. WRITE of the indirect descriptor says nothing. */
        set_desc(&f, 0, 1, BUFFERS, 3, F_NEXT, 0);
        set_desc(&f, 0, 0, table, 16 * 7, F_INDIRECT | F_WRITE, 9);
        set_desc_at(&f, table, 0, BUFFERS + 3, 5, F_NEXT, 6);
        set_desc_at(&f, table, 6, BUFFERS + 0x100, 2, F_NEXT | F_WRITE, 2);
        set_desc_at(&f, table, 2, BUFFERS + 0x150, 0, F_NEXT | F_WRITE, 4);
        set_desc_at(&f, table, 4, BUFFERS + 0x200, 6, F_WRITE, 0);
        offer(&f, 0, 1);
        kick(&f, 0);
        assert_int_equal(used_idx(&f, 0), 1);
        assert_int_equal(used_id(&f, 0, 0), 1);
        assert_int_equal(used_len(&f, 0, 0), 8);
        check_answer(&f);
        fixture_destroy(&f);
    }
}

static void test_event_idx(void **state)
{
    EACH_LAYOUT
    {
        SETUP;
        start_device(&f, BIT64(VIRTIO_F_EVENT_IDX), 8);
        const gpa_t used_event = f.q[0].avail + 4 + 2 * 8, avail_event = f.q[0].used + 4 + 8 * 8;
        put(&f, f.q[0].avail, 1, 2); /* NO_INTERRUPT says nothing now */
        put(&f, used_event, 0, 2);
        request(&f, 0);
        kick(&f, 0);
        assert_true(f.line);
        assert_int_equal(get(&f, avail_event, 2), 1);
        wr(&f, INTERRUPT_ACK, 1);
        /* Not before the fourth, index 3. */
        put(&f, used_event, 3, 2);
        for (unsigned i = 1; i < 6; i++) {
            request(&f, 0);
            kick(&f, 0);
            assert_int_equal(f.line, i >= 3);
            assert_int_equal(f.rises, i >= 3 ? 2 : 1);
            assert_int_equal(get(&f, avail_event, 2), i + 1);
        }
        wr(&f, INTERRUPT_ACK, 1);
        /* Several at once, the event among them. */
        put(&f, used_event, 7, 2);
        for (unsigned i = 0; i < 4; i++)
            request(&f, 0);
        kick(&f, 0);
        assert_true(f.line);
        assert_int_equal(used_idx(&f, 0), 10);
        fixture_destroy(&f);
    }
}

/* A device that is busy with one request hears of the next, if it asks. */
static void test_more(void **state)
{
    EACH_LAYOUT
    {
        for (unsigned event = 0; event < 2; event++) {
            SETUP;
            static struct vq_chain chain;
            start_device(&f, event ? BIT64(VIRTIO_F_EVENT_IDX) : 0, 8);
            const gpa_t avail_event = f.q[0].used + 4 + 8 * 8;
            request(&f, 0);
            virtio_lock(&echo.v);
            assert_true(virtio_more(&echo.v, 0));
            assert_true(virtio_pop(&echo.v, 0, &chain));
            assert_int_equal(get(&f, avail_event, 2), 0);
            assert_false(virtio_more(&echo.v, 0));
            assert_int_equal(get(&f, avail_event, 2), event);
            request(&f, 1);
            assert_true(virtio_more(&echo.v, 0));
            virtio_needs_reset(&echo.v, "no more");
            assert_false(virtio_more(&echo.v, 0));
            virtio_unlock(&echo.v);
            fixture_destroy(&f);
        }
    }
}

/* A thread of the device's that works on a chain without the lock until the gate opens, and leaves a mark in its memory. */
struct helper {
    pthread_t thread;
    struct virtio_device *v;
    unsigned queue;
    atomic_bool out, gate;
    bool valid;
    struct vq_chain chain;
};

static void *help(void *opaque)
{
    struct helper *h = opaque;
    virtio_lock(h->v);
    if (!virtio_pop(h->v, h->queue, &h->chain))
        BUG("no chain");
    virtio_release(h->v, &h->chain);
    atomic_store(&h->out, true);
    while (!atomic_load(&h->gate))
        usleep(100);
    vq_chain_write(&h->chain, 0, "mark", 4);
    h->valid = virtio_retake(h->v, &h->chain);
    if (h->valid) {
        virtio_push(h->v, h->queue, h->chain.head, 4);
        virtio_used(h->v, h->queue);
    }
    virtio_unlock(h->v);
    return NULL;
}

static void help_start(struct helper *h, struct virtio_device *v, unsigned queue)
{
    memset(h, 0, sizeof(*h));
    h->v = v;
    h->queue = queue;
    assert_int_equal(pthread_create(&h->thread, NULL, help, h), 0);
    while (!atomic_load(&h->out))
        usleep(100);
}

static void *open_gate_late(void *opaque)
{
    struct helper *h = opaque;
    usleep(20000);
    atomic_store(&h->gate, true);
    return NULL;
}

/* The driver takes the memory back: by a reset of the device, of the machine, or by stopping the queue. */
static void take_reset(struct fixture *f)
{
    wr(f, STATUS, 0);
}
static void take_bus_reset(struct fixture *f)
{
    bus_reset(&f->bus);
}
static void take_stop(struct fixture *f)
{
    wr(f, QUEUE_SEL, 0);
    wr(f, f->layout == VIRTIO_LEGACY ? QUEUE_PFN : QUEUE_READY, 0);
}

static void offer_mark(struct fixture *f, unsigned queue, gpa_t at)
{
    put(f, at, 0, 4);
    set_desc(f, queue, 2, at, 4, F_WRITE, 0);
    offer(f, queue, 2);
}

static void test_taken_back(void **state)
{
    void (*const take[])(struct fixture *) = {take_reset, take_bus_reset, take_stop};
    EACH_LAYOUT
    {
        for (unsigned i = 0; i < ARRAY_LEN(take); i++) {
            SETUP;
            static struct helper h, other;
            pthread_t opener;
            start_device(&f, 0, 8);
            offer_mark(&f, 0, BUFFERS);
            offer_mark(&f, 1, BUFFERS + 64);
            help_start(&h, &echo.v, 0);
            help_start(&other, &echo.v, 1);
            atomic_store(&other.gate, true);
            assert_int_equal(pthread_create(&opener, NULL, open_gate_late, &h), 0);
            take[i](&f);
            /* Not before the device was done with it. */
            assert_memory_equal(ram_ptr(&f.ram, BUFFERS, 4, false), "mark", 4);
            assert_memory_equal(ram_ptr(&f.ram, BUFFERS + 64, 4, false), "mark", 4);
            pthread_join(opener, NULL);
            pthread_join(h.thread, NULL);
            pthread_join(other.thread, NULL);
            assert_false(h.valid);
            assert_int_equal(used_idx(&f, 0), 0);
            /* A queue that was not stopped goes on. */
            if (take[i] == take_stop) {
                assert_true(other.valid);
                assert_int_equal(used_idx(&f, 1), 1);
            }
            /* And all is well afterwards. */
            start_device(&f, 0, 8);
            offer_mark(&f, 0, BUFFERS);
            help_start(&h, &echo.v, 0);
            atomic_store(&h.gate, true);
            pthread_join(h.thread, NULL);
            assert_true(h.valid);
            assert_true(f.line);
            assert_int_equal(used_idx(&f, 0), 1);
            assert_int_equal(used_len(&f, 0, 0), 4);
            fixture_destroy(&f);
        }
    }
}

static void test_config(void **state)
{
    EACH_LAYOUT
    {
        SETUP;
        memcpy(echo.config, "\1\2\3\4\5\6", 6);
        assert_int_equal(rd(&f, 0x100), 0x04030201);
        assert_int_equal(rd_n(&f, 0x102, 2), 0x0403);
        assert_int_equal(rd_n(&f, 0x105, 1), 6);
        assert_int_equal(rd(&f, 0x104), 0); /* not all of it is there */
        assert_int_equal(rd(&f, 0x1fc), 0);
        wr_n(&f, 0x104, 2, 0xabcd);
        wr_n(&f, 0x104, 4, 0);
        assert_int_equal(rd_n(&f, 0x104, 2), 0xabcd);
        uint32_t generation = l_ ? 0 : rd(&f, CONFIG_GENERATION);
        virtio_lock(&echo.v);
        virtio_config_changed(&echo.v);
        virtio_unlock(&echo.v);
        assert_false(f.line); /* no driver yet */
        if (!l_)
            assert_int_equal(rd(&f, CONFIG_GENERATION), generation + 1);
        start_device(&f, 0, 4);
        virtio_lock(&echo.v);
        virtio_config_changed(&echo.v);
        virtio_unlock(&echo.v);
        assert_int_equal(rd(&f, INTERRUPT_STATUS), 2);
        assert_true(f.line);
        fixture_destroy(&f);
    }
}

/* What must be found wrong with the rings; each is set up on a started device of 8 descriptors and then queue 0 is kicked. */
static void bad_head(struct fixture *f)
{
    offer(f, 0, 8);
}
static void bad_next(struct fixture *f)
{
    set_desc(f, 0, 0, BUFFERS, 1, F_NEXT, 8);
    offer(f, 0, 0);
}
static void bad_loop(struct fixture *f)
{
    set_desc(f, 0, 0, BUFFERS, 1, F_NEXT, 1);
    set_desc(f, 0, 1, BUFFERS, 1, F_NEXT, 0);
    offer(f, 0, 0);
}
static void bad_empty_loop(struct fixture *f)
{
    set_desc(f, 0, 3, BUFFERS, 0, F_NEXT, 3);
    offer(f, 0, 3);
}
static void bad_order(struct fixture *f)
{
    set_desc(f, 0, 0, BUFFERS, 1, F_NEXT | F_WRITE, 1);
    set_desc(f, 0, 1, BUFFERS, 1, 0, 0);
    offer(f, 0, 0);
}
static void bad_addr(struct fixture *f)
{
    set_desc(f, 0, 0, 0x1000, 1, 0, 0);
    offer(f, 0, 0);
}
static void bad_end(struct fixture *f)
{
    set_desc(f, 0, 0, RAM_BASE + RAM_LEN - 4, 5, F_WRITE, 0);
    offer(f, 0, 0);
}
static void bad_wrap(struct fixture *f)
{
    set_desc(f, 0, 0, UINT64_MAX - 1, 16, 0, 0);
    offer(f, 0, 0);
}
static void bad_len(struct fixture *f)
{
    set_desc(f, 0, 0, RAM_BASE, UINT32_MAX, 0, 0);
    offer(f, 0, 0);
}
static void bad_avail_idx(struct fixture *f)
{
    put(f, f->q[0].avail + 2, 9, 2);
}
static void bad_avail_back(struct fixture *f)
{
    put(f, f->q[0].avail + 2, 0xffff, 2);
}
static void indirect(struct fixture *f, gpa_t at, uint32_t len, uint16_t flags)
{
    set_desc(f, 0, 0, at, len, F_INDIRECT | flags, 1);
    set_desc(f, 0, 1, BUFFERS, 1, 0, 0);
    offer(f, 0, 0);
}
static void bad_indirect_len(struct fixture *f)
{
    indirect(f, BUFFERS, 17, 0);
}
static void bad_indirect_empty(struct fixture *f)
{
    indirect(f, BUFFERS, 0, 0);
}
static void bad_indirect_huge(struct fixture *f)
{
    indirect(f, BUFFERS, 16 * (VQ_MAX_CHAIN + 1), 0);
}
static void bad_indirect_addr(struct fixture *f)
{
    indirect(f, RAM_BASE + RAM_LEN - 16, 32, 0);
}
static void bad_indirect_next(struct fixture *f)
{
    set_desc_at(f, BUFFERS, 0, BUFFERS, 1, 0, 0);
    indirect(f, BUFFERS, 16, F_NEXT);
}
static void bad_indirect_nested(struct fixture *f)
{
    set_desc_at(f, BUFFERS, 0, BUFFERS, 16, F_INDIRECT, 0);
    indirect(f, BUFFERS, 16, 0);
}
static void bad_indirect_loop(struct fixture *f)
{
    set_desc_at(f, BUFFERS, 0, BUFFERS, 0, F_NEXT, 1);
    set_desc_at(f, BUFFERS, 1, BUFFERS, 0, F_NEXT, 0);
    indirect(f, BUFFERS, 32, 0);
}
static void bad_indirect_index(struct fixture *f)
{
    set_desc_at(f, BUFFERS, 0, BUFFERS, 1, F_NEXT, 2);
    indirect(f, BUFFERS, 32, 0);
}

static void test_hostile_rings(void **state)
{
    static const struct {
        void (*spoil)(struct fixture *f);
        const char *name;
    } cases[] = {
#define CASE(name) {name, #name}
        CASE(bad_head),
        CASE(bad_next),
        CASE(bad_loop),
        CASE(bad_empty_loop),
        CASE(bad_order),
        CASE(bad_addr),
        CASE(bad_end),
        CASE(bad_wrap),
        CASE(bad_len),
        CASE(bad_avail_idx),
        CASE(bad_avail_back),
        CASE(bad_indirect_len),
        CASE(bad_indirect_empty),
        CASE(bad_indirect_huge),
        CASE(bad_indirect_addr),
        CASE(bad_indirect_next),
        CASE(bad_indirect_nested),
        CASE(bad_indirect_loop),
        CASE(bad_indirect_index),
    };
    EACH_LAYOUT
    {
        SETUP;
        for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
            start_device(&f, BIT64(VIRTIO_F_INDIRECT_DESC), 8);
            cases[i].spoil(&f);
            kick(&f, 0);
            if (!(rd(&f, STATUS) & VIRTIO_NEEDS_RESET) || rd(&f, INTERRUPT_STATUS) != 2 ||
                !f.line || used_idx(&f, 0))
                fail_msg("%s, layout %u", cases[i].name, layouts[l_]);
            assert_int_equal(atomic_load(&f.d->stats.broken), i + 1);
            /* Nothing moves before the reset, not the other queue either; then all works. */
            set_desc(&f, 1, 0, BUFFERS, 1, 0, 0);
            offer(&f, 1, 0);
            kick(&f, 1);
            kick(&f, 0);
            assert_int_equal(used_idx(&f, 1), 0);
            start_device(&f, 0, 8);
            assert_false(f.line);
            request(&f, 0);
            kick(&f, 0);
            assert_int_equal(used_idx(&f, 0), 1);
        }
        /* Indirect without the feature. */
        start_device(&f, 0, 8);
        set_desc_at(&f, BUFFERS, 0, BUFFERS, 1, 0, 0);
        indirect(&f, BUFFERS, 16, 0);
        kick(&f, 0);
        assert_true(rd(&f, STATUS) & VIRTIO_NEEDS_RESET);
        fixture_destroy(&f);
    }
}

static void test_hostile_queues(void **state)
{
    static const struct driver_queue bad[] = {
        {.size = 0, .desc = RAM_BASE, .avail = RAM_BASE + 0x1000, .used = RAM_BASE + 0x2000},
        {.size = 3, .desc = RAM_BASE, .avail = RAM_BASE + 0x1000, .used = RAM_BASE + 0x2000},
        {.size = 128, .desc = RAM_BASE, .avail = RAM_BASE + 0x1000, .used = RAM_BASE + 0x2000},
        {.size = 64, .desc = RAM_BASE + 8, .avail = RAM_BASE + 0x1000, .used = RAM_BASE + 0x2000},
        {.size = 64, .desc = RAM_BASE, .avail = RAM_BASE + 0x1001, .used = RAM_BASE + 0x2000},
        {.size = 64, .desc = RAM_BASE, .avail = RAM_BASE + 0x1000, .used = RAM_BASE + 0x2002},
        {.size = 64, .desc = RAM_BASE - 16, .avail = RAM_BASE + 0x1000, .used = RAM_BASE + 0x2000},
        {.size = 64, .desc = RAM_BASE, .avail = RAM_BASE + RAM_LEN - 132, .used = RAM_BASE + 0x2000},
        {.size = 64, .desc = RAM_BASE, .avail = RAM_BASE + 0x1000, .used = RAM_BASE + RAM_LEN - 516},
        {.size = 64, .desc = UINT64_MAX - 15, .avail = RAM_BASE + 0x1000, .used = RAM_BASE + 0x2000},
    };
    unsigned l_ = 0;
    SETUP;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        negotiate(&f, 0);
        f.q[0] = bad[i];
        start_queue(&f, 0);
        if (rd(&f, QUEUE_READY) || !(rd(&f, STATUS) & VIRTIO_NEEDS_RESET))
            fail_msg("queue %u", i);
        wr(&f, STATUS, 15);
        kick(&f, 0);
    }
    assert_int_equal(echo.notified[0], 0);
    fixture_destroy(&f);
}

static void test_hostile_legacy(void **state)
{
    static const uint32_t bad[][4] = {
        /* page size, number, alignment, page */
        {0, 8, 4096, 1},
        {4095, 8, 4096, 1},
        {4096, 8, 0, RAM_BASE / 4096},
        {4096, 8, 3, RAM_BASE / 4096},
        {4096, 65536 + 8, 4096, RAM_BASE / 4096},
        {4096, 8, 4096, UINT32_MAX},
        {0x80000000, 8, 4096, UINT32_MAX},
        {4096, 8, 0x80000000, RAM_BASE / 4096},
    };
    unsigned l_ = 1;
    SETUP;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        negotiate(&f, 0);
        wr(&f, GUEST_PAGE_SIZE, bad[i][0]);
        wr(&f, QUEUE_NUM, bad[i][1]);
        wr(&f, QUEUE_ALIGN, bad[i][2]);
        wr(&f, QUEUE_PFN, bad[i][3]);
        if (!(rd(&f, STATUS) & VIRTIO_NEEDS_RESET))
            fail_msg("queue %u", i);
        kick(&f, 0);
    }
    assert_int_equal(echo.notified[0], 0);
    fixture_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identification),      cmocka_unit_test(test_empty_slot),
        cmocka_unit_test(test_status_and_features), cmocka_unit_test(test_request),
        cmocka_unit_test(test_before_driver_ok),    cmocka_unit_test(test_indirect),
        cmocka_unit_test(test_event_idx),           cmocka_unit_test(test_config),
        cmocka_unit_test(test_no_features_ok),      cmocka_unit_test(test_more),
        cmocka_unit_test(test_taken_back),          cmocka_unit_test(test_hostile_rings),
        cmocka_unit_test(test_hostile_queues),      cmocka_unit_test(test_hostile_legacy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
