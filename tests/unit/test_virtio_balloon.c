/* The balloon in both layouts: what is given up and what is reported goes back to the host, which is asked; statistics; nonsense. */
#include "virtio_fixture.h"

#include "base/bits.h"
#include "base/io_pool.h"
#include "base/log.h"
#include "base/os.h"
#include "dev/virtio_balloon.h"

#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u
/* Beyond what the fixture itself uses: memory of our own. */
#define FREE_BASE UINT64_C(0x50000000)
#define FREE_LEN UINT64_C(0x400000)
#define NR_PAGES (FREE_LEN / PAGE)

enum { INFLATE, DEFLATE, STATS, REPORT };
enum { F_STATS = 1, F_OOM = 2, F_POISON = 4, F_REPORT = 5 };
#define ALL (BIT64(F_STATS) | BIT64(F_OOM) | BIT64(F_REPORT))

#define PERIOD_NS UINT64_C(50000000)

static struct machine {
    struct fixture f;
    struct io_thread *io;
    struct io_pool *pool;
    struct virtio_device *v;
    unsigned nr_used[MAX_QUEUES];
} m;

/* Bytes that the host has for the memory of our own. */
static uint64_t resident(void)
{
    struct stat st;
    assert_int_equal(fstat(ram_find(&m.f.ram, FREE_BASE)->fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static uint8_t *page(unsigned n)
{
    return ram_ptr(&m.f.ram, FREE_BASE + n * PAGE, PAGE, true);
}

static uint64_t given_back(void)
{
    struct balloon_info info;
    virtio_balloon_info(m.v, &info);
    return info.given_back;
}

static void setup(enum virtio_layout layout, uint64_t features)
{
    memset(m.nr_used, 0, sizeof(m.nr_used));
    assert_int_equal(io_thread_create(&m.io, "test", NULL), 0);
    assert_int_equal(io_pool_create(&m.pool, 2, m.io, NULL), 0);
    m.v = virtio_balloon_create(&m.f.ram, (5u << 20) + 100, PERIOD_NS, m.io, m.pool, NULL);
    assert_non_null(m.v);
    fixture_init(&m.f, layout, m.v);
    assert_int_equal(ram_add(&m.f.ram, FREE_BASE, FREE_LEN, RAM_KIND_RAM, NULL), 0);
    assert_int_equal(ram_add(&m.f.ram, 0, 0x10000, RAM_KIND_ROM, NULL), 0);
    assert_int_equal(io_thread_start(m.io, NULL), 0);
    start_device(&m.f, features, 64);
    memset(ram_ptr(&m.f.ram, FREE_BASE, FREE_LEN, true), 0x5a, FREE_LEN);
    assert_int_equal(resident(), FREE_LEN);
}

static void teardown(void)
{
    io_thread_stop(m.io);
    io_pool_destroy(m.pool);
    fixture_destroy(&m.f);
    io_thread_destroy(m.io);
}

static void restart(uint64_t features)
{
    memset(m.nr_used, 0, sizeof(m.nr_used));
    start_device(&m.f, features, 64);
}

static void wait_used(unsigned queue)
{
    const uint64_t deadline = os_now_ns() + 30000000000u;
    const unsigned n = ++m.nr_used[queue];
    while ((uint16_t)(used_idx(&m.f, queue) - n) >= 0x8000)
        if (os_now_ns() > deadline)
            fail_msg("%u of %u answers in queue %u", used_idx(&m.f, queue), n, queue);
        else
            usleep(20);
    assert_int_equal(used_len(&m.f, queue, n - 1), 0);
}

static void wait_broken(unsigned n)
{
    const uint64_t deadline = os_now_ns() + 30000000000u;
    while (!(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET))
        assert_true(os_now_ns() < deadline);
    assert_int_equal(atomic_load(&m.f.d->stats.broken), n);
}

/* A request of page numbers, in two buffers that divide one of them. */
static void send_pages(unsigned queue, const uint32_t *pfn, unsigned n)
{
    assert_true(ram_write(&m.f.ram, BUFFERS, pfn, 4 * n));
    set_desc(&m.f, queue, 0, BUFFERS, 2, F_NEXT, 1);
    set_desc(&m.f, queue, 1, BUFFERS + 2, 4 * n - 2, 0, 0);
    offer(&m.f, queue, 0);
    kick(&m.f, queue);
}

#define EACH_LAYOUT(features)                                                                      \
    for (unsigned l_ = 1; l_ <= 2; l_++)                                                           \
        for (bool once_ = (setup((enum virtio_layout)l_, features), true); once_;                  \
             once_ = false, teardown())

static void test_config(void **state)
{
    (void)state;
    EACH_LAYOUT(ALL)
    {
        assert_int_equal(rd(&m.f, DEVICE_ID), 5);
        wr(&m.f, DEVICE_FEATURES_SEL, 0);
        assert_int_equal(rd(&m.f, DEVICE_FEATURES) & 0x3f,
                         1u << F_STATS | 1u << F_OOM | 1u << F_POISON | 1u << F_REPORT);
        assert_int_equal(rd(&m.f, 0x100), (5 << 20) / PAGE);
        wr(&m.f, 0x100, 7);
        wr(&m.f, 0x104, 1000);
        wr_n(&m.f, 0x104, 1, 1);
        wr(&m.f, 0x108, 7);
        wr_n(&m.f, 0x10e, 2, 0xabcd);
        assert_int_equal(rd(&m.f, 0x100), (5 << 20) / PAGE);
        assert_int_equal(rd(&m.f, 0x104), (1000 & ~255) | 1);
        assert_int_equal(rd(&m.f, 0x108), 0);
        assert_int_equal(rd(&m.f, 0x10c), 0xabcd0000);
        struct balloon_info info;
        virtio_balloon_info(m.v, &info);
        assert_int_equal(info.target, 5 << 20);
        assert_int_equal(info.actual, ((1000 & ~255) | 1) * PAGE);
        wr(&m.f, STATUS, 0);
        assert_int_equal(rd(&m.f, 0x104), 0);
        virtio_balloon_info(m.v, &info);
        assert_int_equal(info.actual, 0);
        assert_int_equal(info.largest, 1000 * PAGE);
        assert_int_equal(rd(&m.f, 0x10c), 0);
    }
}

static void test_inflate(void **state)
{
    (void)state;
    /* Up, down, alone, twice; more than the device reads in one go. */
    static uint32_t pfn[700];
    const unsigned base = FREE_BASE / PAGE;
    EACH_LAYOUT(ALL)
    {
        bool gone[NR_PAGES] = {false};
        unsigned n = 0, nr_gone = 0;
        for (unsigned i = 10; i < 310; i++)
            pfn[n++] = base + i;
        for (unsigned i = 800; i > 600; i--)
            pfn[n++] = base + i;
        for (unsigned i = 900; i < 1000; i += 3)
            pfn[n++] = base + i;
        pfn[n++] = base;
        pfn[n++] = base;
        pfn[n++] = base + NR_PAGES - 1;
        for (unsigned i = 0; i < n; i++)
            gone[pfn[i] - base] = true;
        for (unsigned i = 0; i < NR_PAGES; i++)
            nr_gone += gone[i];
        send_pages(INFLATE, pfn, n);
        wait_used(INFLATE);
        if (PAGE % os_page_size() == 0) {
            assert_int_equal(resident(), FREE_LEN - (uint64_t)nr_gone * PAGE);
            assert_int_equal(given_back(), (uint64_t)(nr_gone + 1) * PAGE);
        }
        for (unsigned i = 0; i < NR_PAGES; i++)
            if (page(i)[0] != (gone[i] ? 0 : 0x5a) || page(i)[PAGE - 1] != page(i)[0])
                fail_msg("page %u", i);
        /* Deflated, they are used again. */
        send_pages(DEFLATE, pfn, n);
        wait_used(DEFLATE);
        memset(page(10), 1, PAGE);
        assert_int_equal(page(10)[5], 1);
    }
}

static void test_report(void **state)
{
    (void)state;
    EACH_LAYOUT(ALL)
    {
        set_desc(&m.f, REPORT, 0, FREE_BASE, 0x100000, F_NEXT | F_WRITE, 1);
        set_desc(&m.f, REPORT, 1, FREE_BASE + 0x200000, 0x80000, F_WRITE, 0);
        offer(&m.f, REPORT, 0);
        kick(&m.f, REPORT);
        wait_used(REPORT);
        assert_int_equal(resident(), FREE_LEN - 0x180000);
        assert_int_equal(given_back(), 0x180000);
        /* Of what is not whole pages, the whole ones. */
        set_desc(&m.f, REPORT, 0, FREE_BASE + 0x300001, (uint32_t)os_page_size() * 2, F_WRITE, 0);
        offer(&m.f, REPORT, 0);
        kick(&m.f, REPORT);
        wait_used(REPORT);
        assert_int_equal(given_back(), 0x180000 + os_page_size());
        assert_int_equal(*(uint8_t *)ram_ptr(&m.f.ram, FREE_BASE + 0x300001, 1, false), 0x5a);
        set_desc(&m.f, REPORT, 0, FREE_BASE + 0x300001, 5, F_WRITE, 0);
        offer(&m.f, REPORT, 0);
        kick(&m.f, REPORT);
        wait_used(REPORT);
        assert_int_equal(given_back(), 0x180000 + os_page_size());
    }
    /* Pages that have to keep the driver's poison stay as they are; a poison of zeros keeps itself. */
    for (unsigned poison = 0; poison < 2; poison++)
        EACH_LAYOUT(ALL | BIT64(F_POISON))
        {
            wr(&m.f, 0x10c, poison ? 0xaaaaaaaa : 0);
            set_desc(&m.f, REPORT, 0, FREE_BASE, 0x100000, F_WRITE, 0);
            offer(&m.f, REPORT, 0);
            kick(&m.f, REPORT);
            wait_used(REPORT);
            assert_int_equal(resident(), poison ? FREE_LEN : FREE_LEN - 0x100000);
        }
    /* Without statistics their queue's number is that of the reports. */
    EACH_LAYOUT(BIT64(F_REPORT))
    {
        set_desc(&m.f, STATS, 0, FREE_BASE, 0x100000, F_WRITE, 0);
        offer(&m.f, STATS, 0);
        kick(&m.f, STATS);
        wait_used(STATS);
        assert_int_equal(resident(), FREE_LEN - 0x100000);
    }
}

static void test_stats(void **state)
{
    (void)state;
    static const uint8_t stats[] = {4,   0,   0x78, 0x56, 0x34, 0x12, 1, 0, 0, 0, /* free */
                                    6,   0,   1,    2,    3,    4,    5, 6, 7, 8, /* available */
                                    10,  0,   9,    9,    9,    9,    9, 9, 9, 9, /* none that we know */
                                    255, 255, 9,    9,    9,    9,    9, 9, 9, 9, 1, 2, 3};
    EACH_LAYOUT(ALL)
    {
        struct balloon_info info;
        virtio_balloon_info(m.v, &info);
        for (unsigned i = 0; i < NR_BALLOON_STATS; i++)
            assert_true(info.stat[i] == UINT64_MAX);
        assert_true(ram_write(&m.f.ram, BUFFERS, stats, sizeof(stats)));
        set_desc(&m.f, STATS, 0, BUFFERS, 15, F_NEXT, 1);
        set_desc(&m.f, STATS, 1, BUFFERS + 15, sizeof(stats) - 15, 0, 0);
        offer(&m.f, STATS, 0);
        kick(&m.f, STATS);
        virtio_balloon_info(m.v, &info);
        assert_true(info.stat[BALLOON_FREE] == 0x112345678);
        assert_true(info.stat[BALLOON_AVAILABLE] == 0x0807060504030201);
        assert_true(info.stat[BALLOON_TOTAL] == UINT64_MAX);
        /* It is kept until new ones are wanted. */
        assert_int_equal(used_idx(&m.f, STATS), 0);
        /* A reset gives it up; the next is taken again. */
        restart(ALL);
        put(&m.f, BUFFERS + 2, 7, 8);
        set_desc(&m.f, STATS, 0, BUFFERS, 10, 0, 0);
        offer(&m.f, STATS, 0);
        kick(&m.f, STATS);
        virtio_balloon_info(m.v, &info);
        assert_int_equal(info.stat[BALLOON_FREE], 7);
    }
}

/* After a while the buffer goes back, for the driver to fill it anew; not one that a reset took. */
static void test_stats_period(void **state)
{
    (void)state;
    setup(VIRTIO_MODERN, ALL);
    const uint64_t start = os_now_ns();
    for (unsigned round = 0; round < 2; round++) {
        put(&m.f, BUFFERS, 4, 2);
        put(&m.f, BUFFERS + 2, round, 8);
        set_desc(&m.f, STATS, round, BUFFERS, 10, 0, 0);
        offer(&m.f, STATS, (uint16_t)round);
        kick(&m.f, STATS);
        if (!round)
            restart(ALL);
    }
    wait_used(STATS);
    assert_int_equal(used_id(&m.f, STATS, 0), 1);
    assert_true(m.f.line);
    assert_true(os_now_ns() - start >= PERIOD_NS);
    teardown();
}

/* A buffer that the device keeps is still the device's; statistics, size and poison are known. */
static void test_moved(void **state)
{
    struct balloon_info info;
    (void)state;
    for (unsigned layout = 1; layout <= 2; layout++) {
        setup((enum virtio_layout)layout, ALL | BIT64(F_POISON));
        wr(&m.f, 0x104, 1000);
        wr(&m.f, 0x104, 500);
        wr(&m.f, 0x10c, 0xaaaaaaaa);
        put(&m.f, BUFFERS, 4, 2);
        put(&m.f, BUFFERS + 2, 77, 8);
        set_desc(&m.f, STATS, 3, BUFFERS, 10, 0, 0);
        offer(&m.f, STATS, 3);
        kick(&m.f, STATS);
        struct moved to = fixture_save(&m.f);
        teardown();
        setup((enum virtio_layout)layout, 0);
        io_pool_pause(m.pool); /* it may still look at the queues of the start */
        fixture_load(&m.f, &to);
        io_pool_resume(m.pool);
        virtio_balloon_info(m.v, &info);
        assert_int_equal(info.stat[BALLOON_FREE], 77);
        assert_int_equal(info.actual, 500 * PAGE);
        assert_int_equal(info.largest, 1000 * PAGE);
        assert_int_equal(rd(&m.f, 0x10c), 0xaaaaaaaa);
        wait_used(STATS);
        assert_int_equal(used_id(&m.f, STATS, 0), 3);
        teardown();
    }
}

static void test_nonsense(void **state)
{
    (void)state;
    static const uint32_t bad[] = {
        FREE_BASE / PAGE - 1, (FREE_BASE + FREE_LEN) / PAGE, UINT32_MAX, 0 /* ROM */, 15, 16,
    };
    log_threshold = LOG_ERROR;
    EACH_LAYOUT(ALL)
    {
        unsigned n = 0;
        for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
            const uint32_t pfn[2] = {FREE_BASE / PAGE, bad[i]};
            send_pages(INFLATE, pfn, 2);
            wait_broken(++n);
            assert_int_equal(used_idx(&m.f, INFLATE), 0);
            restart(ALL);
        }
        /* Not whole numbers, too many, the wrong direction. */
        const struct {
            unsigned queue;
            uint32_t len;
            uint16_t flags;
        } shape[] = {{INFLATE, 6, 0},       {DEFLATE, 3, 0},   {INFLATE, 4, F_WRITE},
                     {DEFLATE, 4, F_WRITE}, {REPORT, 4096, 0}, {INFLATE, 0x40004, 0}};
        for (unsigned i = 0; i < ARRAY_LEN(shape); i++) {
            set_desc(&m.f, shape[i].queue, 0, FREE_BASE, shape[i].len, shape[i].flags, 0);
            offer(&m.f, shape[i].queue, 0);
            kick(&m.f, shape[i].queue);
            wait_broken(++n);
            restart(ALL);
        }
        const uint32_t good = FREE_BASE / PAGE;
        send_pages(INFLATE, &good, 1);
        wait_used(INFLATE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),       cmocka_unit_test(test_inflate),
        cmocka_unit_test(test_report),       cmocka_unit_test(test_stats),
        cmocka_unit_test(test_stats_period), cmocka_unit_test(test_moved),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
