/* The block device in both layouts, with threads of its own: requests of every kind and shape, in any number at once; those that a driver
 * should not make; a host disk that fails; resets while it works. */
#include "fake_host.h"
#include "virtio_fixture.h"

#include "base/bits.h"
#include "base/io_pool.h"
#include "base/log.h"
#include "base/os.h"
#include "dev/disk.h"
#include "dev/virtio_blk.h"

#include <stdio.h>

#define SECTOR 512u
#define NR_SECTORS 2048u
#define QSIZE 64

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZEROES = 13 };
enum { OK, IOERR, UNSUPP, NO_STATUS = 0xaa };
enum { F_RO = 5, F_BLK_SIZE = 6, F_FLUSH = 9, F_MQ = 12, F_DISCARD = 13, F_ZEROES = 14 };

static char image[] = "/tmp/vibe-blk-XXXXXX";

struct machine {
    struct virtio_device *v; /* the fixture's */
    struct fixture f;
    struct io_thread *io;
    struct io_pool *pool;
    unsigned nr_used[MAX_QUEUES]; /* answers seen */
};
static struct machine m; /* one at a time */

struct params {
    unsigned nr_queues;
    bool read_only;
    enum disk_sync sync;
    const char *serial;
    uint64_t features; /* that the driver accepts */
};

#define ALL_FEATURES                                                                               \
    (BIT64(F_FLUSH) | BIT64(F_DISCARD) | BIT64(F_ZEROES) | BIT64(VIRTIO_F_INDIRECT_DESC) |         \
     BIT64(VIRTIO_F_EVENT_IDX))

static uint8_t byte_of(unsigned sector, unsigned i)
{
    return (uint8_t)(sector * 7 + i + 1);
}

static void fill_image(void)
{
    static uint8_t b[NR_SECTORS * SECTOR];
    for (unsigned i = 0; i < sizeof(b); i++)
        b[i] = byte_of(i / SECTOR, i % SECTOR);
    FILE *f = fopen(image, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b, 1, sizeof(b), f), sizeof(b));
    fclose(f);
}

/* What the file holds at a sector. */
static void image_at(unsigned sector, void *buf, size_t len)
{
    FILE *f = fopen(image, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, sector * SECTOR, SEEK_SET), 0);
    assert_int_equal(fread(buf, 1, len, f), len);
    fclose(f);
}

static void setup(enum virtio_layout layout, const struct params *p)
{
    const struct disk_config c = {.path = image, .read_only = p->read_only, .sync = p->sync};
    struct disk *disk;
    struct err e = {0};

    memset(m.nr_used, 0, sizeof(m.nr_used));
    assert_int_equal(io_thread_create(&m.io, "test", &e), 0);
    assert_int_equal(io_pool_create(&m.pool, 8, m.io, &e), 0);
    if (disk_open(&disk, &c, &e))
        fail_msg("%s", e.text);
    struct virtio_device *v =
        virtio_blk_create(disk, p->serial, p->nr_queues ? p->nr_queues : 1, m.pool, &e);
    assert_non_null(v);
    m.v = v;
    fixture_init(&m.f, layout, v);
    start_device(&m.f, p->features, QSIZE);
}

static void teardown(void)
{
    io_pool_destroy(m.pool);
    fixture_destroy(&m.f);
    io_thread_destroy(m.io);
}

static void restart(uint64_t features)
{
    memset(m.nr_used, 0, sizeof(m.nr_used));
    start_device(&m.f, features, QSIZE);
}

static void wait_used(unsigned queue, unsigned n)
{
    const uint64_t deadline = os_now_ns() + 30000000000u;
    while ((uint16_t)(used_idx(&m.f, queue) - n) >= 0x8000)
        if (os_now_ns() > deadline)
            fail_msg("%u of %u answers", used_idx(&m.f, queue), n);
        else
            usleep(20);
}

/* --- One request ----------------------------------------------------------------------------------------------------------- */

#define HEAD BUFFERS
#define STATUS_AT (BUFFERS + 0x100)
#define DATA (BUFFERS + 0x1000)

static void put_head(gpa_t at, uint32_t type, uint64_t sector)
{
    put(&m.f, at, type, 4);
    put(&m.f, at + 4, 0, 4);
    put(&m.f, at + 8, sector, 8);
}

/* The usual shape: a header, data if there are any, the status. */
static unsigned send(uint32_t type, uint64_t sector, uint32_t len)
{
    const bool in = type == T_IN || type == T_GET_ID;
    put_head(HEAD, type, sector);
    put(&m.f, STATUS_AT, NO_STATUS, 1);
    set_desc(&m.f, 0, 0, HEAD, 16, F_NEXT, len ? 1 : 2);
    set_desc(&m.f, 0, 1, DATA, len, F_NEXT | (in ? F_WRITE : 0), 2);
    set_desc(&m.f, 0, 2, STATUS_AT, 1, F_WRITE, 0);
    offer(&m.f, 0, 0);
    kick(&m.f, 0);
    wait_used(0, ++m.nr_used[0]);
    assert_int_equal(used_id(&m.f, 0, m.nr_used[0] - 1), 0);
    assert_int_equal(used_len(&m.f, 0, m.nr_used[0] - 1), in ? len + 1 : 1);
    return (unsigned)get(&m.f, STATUS_AT, 1);
}

static uint8_t *data(void)
{
    return ram_ptr(&m.f.ram, DATA, 0x10000, true);
}

static void check_sector(const uint8_t *got, unsigned sector)
{
    for (unsigned i = 0; i < SECTOR; i++)
        if (got[i] != byte_of(sector, i))
            fail_msg("sector %u, byte %u: %#x", sector, i, got[i]);
}

static const enum virtio_layout layouts[] = {VIRTIO_MODERN, VIRTIO_LEGACY};
#define EACH_LAYOUT(...)                                                                           \
    (void)state;                                                                                   \
    for (unsigned l_ = 0; l_ < 2; l_++)                                                            \
        for (bool once_ = (fill_image(), setup(layouts[l_], &(struct params){__VA_ARGS__}), true); \
             once_; once_ = false, teardown())

static void test_config(void **state)
{
    EACH_LAYOUT(.nr_queues = 4, .features = ALL_FEATURES)
    {
        assert_int_equal(rd(&m.f, DEVICE_ID), 2);
        wr(&m.f, DEVICE_FEATURES_SEL, 0);
        assert_int_equal(rd(&m.f, DEVICE_FEATURES) & 0xffff,
                         1u << 2 | 1u << F_BLK_SIZE | 1u << F_FLUSH | 1u << 10 | 1u << F_MQ |
                             1u << F_DISCARD | 1u << F_ZEROES);
        assert_int_equal(rd_n(&m.f, 0x100, 4), NR_SECTORS);
        assert_int_equal(rd_n(&m.f, 0x104, 4), 0);
        assert_int_equal(rd_n(&m.f, 0x10c, 4), 254);     /* seg_max */
        assert_int_equal(rd_n(&m.f, 0x114, 4), 512);     /* blk_size */
        assert_int_equal(rd_n(&m.f, 0x118, 1), 3);       /* physical_block_exp */
        assert_int_equal(rd_n(&m.f, 0x122, 2), 4);       /* num_queues */
        assert_int_equal(rd_n(&m.f, 0x124, 4), 1 << 21); /* max_discard_sectors */
        assert_int_equal(rd_n(&m.f, 0x128, 4), 32);
        assert_int_equal(rd_n(&m.f, 0x130, 4), 1 << 17); /* max_write_zeroes_sectors */
        assert_int_equal(rd_n(&m.f, 0x134, 4), 32);
        assert_int_equal(rd_n(&m.f, 0x138, 1), 1);
        wr(&m.f, QUEUE_SEL, 4);
        assert_int_equal(rd(&m.f, QUEUE_NUM_MAX), 0);
    }
}

static void test_features(void **state)
{
    static const struct {
        bool read_only;
        enum disk_sync sync;
        uint32_t want;
    } cases[] = {
        {true, DISK_SYNC_FLUSH, 1u << F_RO},
        {false, DISK_SYNC_FULL, 1u << F_DISCARD | 1u << F_ZEROES},
        {false, DISK_SYNC_NONE, 1u << F_FLUSH | 1u << F_DISCARD | 1u << F_ZEROES},
    };
    const uint32_t mask = 1u << F_RO | 1u << F_FLUSH | 1u << F_MQ | 1u << F_DISCARD | 1u << F_ZEROES;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        EACH_LAYOUT(.read_only = cases[i].read_only, .sync = cases[i].sync)
        {
            assert_int_equal(rd(&m.f, DEVICE_FEATURES) & mask, cases[i].want);
        }
    }
}

static void test_read_and_write(void **state)
{
    EACH_LAYOUT(.features = ALL_FEATURES)
    {
        assert_int_equal(send(T_IN, 5, 3 * SECTOR), OK);
        for (unsigned i = 0; i < 3; i++)
            check_sector(data() + i * SECTOR, 5 + i);
        memset(data(), 'w', 8 * SECTOR);
        assert_int_equal(send(T_OUT, NR_SECTORS - 8, 8 * SECTOR), OK);
        uint8_t got[9 * SECTOR];
        image_at(NR_SECTORS - 9, got, sizeof(got));
        check_sector(got, NR_SECTORS - 9);
        assert_memory_equal(got + SECTOR, data(), 8 * SECTOR);
        /* Nothing to read or write is no mistake, up to the very end. */
        assert_int_equal(send(T_IN, NR_SECTORS, 0), OK);
        assert_int_equal(send(T_OUT, NR_SECTORS, 0), OK);
        assert_int_equal(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET, 0);
    }
}

/* What is in the disk's range and what isn't; what a driver may not want. */
static void test_bad_requests(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t len;
        unsigned status;
    } cases[] = {
        {T_IN, NR_SECTORS - 1, SECTOR, OK},
        {T_IN, NR_SECTORS - 1, 2 * SECTOR, IOERR},
        {T_IN, NR_SECTORS, SECTOR, IOERR},
        {T_IN, NR_SECTORS + 1, 0, IOERR},
        {T_IN, UINT64_MAX, SECTOR, IOERR},
        {T_IN, UINT64_MAX / SECTOR + 1, SECTOR, IOERR}, /* byte 0, if one were careless */
        {T_IN, 0, SECTOR + 1, IOERR},
        {T_IN, 0, 1, IOERR},
        {T_OUT, NR_SECTORS, SECTOR, IOERR},
        {T_OUT, UINT64_MAX / SECTOR + 1, SECTOR, IOERR},
        {T_OUT, 0, SECTOR - 1, IOERR},
        {T_FLUSH, 12345, 0, OK},
        {2, 0, 0, UNSUPP}, /* SCSI, long gone */
        {99, 0, SECTOR, UNSUPP},
        {UINT32_MAX, 0, SECTOR, UNSUPP},
        {1u << 31, 0, SECTOR, UNSUPP}, /* barrier */
    };
    EACH_LAYOUT(.features = ALL_FEATURES)
    {
        memset(data(), 'w', 0x1000);
        for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
            if (send(cases[i].type, cases[i].sector, cases[i].len) != cases[i].status)
                fail_msg("case %u: status %u", i, (unsigned)get(&m.f, STATUS_AT, 1));
        uint8_t got[SECTOR];
        image_at(0, got, SECTOR);
        check_sector(got, 0);
        image_at(NR_SECTORS - 1, got, SECTOR);
        check_sector(got, NR_SECTORS - 1);
        assert_int_equal(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET, 0);
    }
}

/* 2.7.4: where one buffer ends and the next begins says nothing. */
static void test_shapes(void **state)
{
    EACH_LAYOUT(.features = ALL_FEATURES)
    {
        const gpa_t table = BUFFERS + 0x800;
        for (unsigned shape = 0; shape < 3; shape++) {
            /* Header, data and status lie in a row; cut in pieces of 5, 300 or all bytes, the readable ones and then the writable. */
            const uint32_t piece = shape == 0 ? 5 : shape == 1 ? 300 : 100000;
            for (unsigned write = 0; write < 2; write++) {
                const uint32_t out = 16 + (write ? SECTOR : 0), in = 1 + (write ? 0 : SECTOR);
                unsigned n = 0;
                put_head(DATA, write ? T_OUT : T_IN, 9);
                memset(data() + 16, write ? 'p' + (int)shape : 0, SECTOR);
                for (uint32_t at = 0; at < out + in; n++) {
                    const uint32_t end = at < out ? out : out + in, len = MIN(piece, end - at);
                    set_desc_at(&m.f, table, n, DATA + at, len,
                                (at < out ? 0 : F_WRITE) | (at + len < out + in ? F_NEXT : 0),
                                (uint16_t)(n + 1));
                    at += len;
                }
                set_desc(&m.f, 0, 0, table, 16 * n, F_INDIRECT, 0);
                data()[out + in - 1] = NO_STATUS;
                offer(&m.f, 0, 0);
                kick(&m.f, 0);
                wait_used(0, ++m.nr_used[0]);
                assert_int_equal(data()[out + in - 1], OK);
                assert_int_equal(used_len(&m.f, 0, m.nr_used[0] - 1), in);
                if (!write && !shape)
                    check_sector(data() + 16, 9);
                for (unsigned i = 0; i < SECTOR; i++)
                    assert_int_equal(data()[16 + i],
                                     shape || write ? 'p' + (int)shape - !write : byte_of(9, i));
            }
        }
    }
}

static void test_read_only(void **state)
{
    EACH_LAYOUT(.read_only = true)
    {
        assert_int_equal(send(T_IN, 0, SECTOR), OK);
        assert_int_equal(send(T_OUT, 0, SECTOR), IOERR);
        assert_int_equal(send(T_FLUSH, 0, 0), OK);
        put(&m.f, DATA, 0, 8);
        put(&m.f, DATA + 8, 1, 8);
        assert_int_equal(send(T_DISCARD, 0, 16), IOERR);
        assert_int_equal(send(T_ZEROES, 0, 16), IOERR);
    }
}

static void test_id(void **state)
{
    EACH_LAYOUT(.serial = "12345678901234567890")
    {
        memset(data(), '.', 64);
        assert_int_equal(send(T_GET_ID, 0, 20), OK);
        assert_memory_equal(data(), "12345678901234567890.", 21);
        memset(data(), '.', 64);
        assert_int_equal(send(T_GET_ID, 0, 3), OK);
        assert_memory_equal(data(), "123.", 4);
        assert_int_equal(send(T_GET_ID, 0, 64), OK);
        assert_memory_equal(data(), "12345678901234567890....", 24);
        assert_int_equal(send(T_GET_ID, 0, 0), OK);
    }
    EACH_LAYOUT(.serial = NULL)
    {
        static const uint8_t none[20];
        memset(data(), '.', 64);
        assert_int_equal(send(T_GET_ID, 0, 20), OK);
        assert_memory_equal(data(), none, 20);
    }
}

static void put_range(unsigned i, uint64_t sector, uint32_t n, uint32_t flags)
{
    put(&m.f, DATA + 16 * i, sector, 8);
    put(&m.f, DATA + 16 * i + 8, n, 4);
    put(&m.f, DATA + 16 * i + 12, flags, 4);
}

static void test_discard_and_zeroes(void **state)
{
    EACH_LAYOUT(.features = ALL_FEATURES)
    {
        uint8_t got[8 * SECTOR];
        for (unsigned zeroes = 0; zeroes < 2; zeroes++) {
            const uint32_t type = zeroes ? T_ZEROES : T_DISCARD, most = zeroes ? 1 << 17 : 1 << 21;
            const unsigned at = zeroes ? 100 : 200;
            put_range(0, at, 2, zeroes);
            put_range(1, at + 4, 1, 0);
            put_range(2, at + 5, 0, 0);
            assert_int_equal(send(type, 0, 48), OK);
            image_at(at, got, sizeof(got));
            for (unsigned i = 0; i < 8; i++)
                if (i < 2 || i == 4)
                    for (unsigned k = 0; k < SECTOR; k++)
                        assert_int_equal(got[i * SECTOR + k], 0);
                else
                    check_sector(got + i * SECTOR, at + i);
            /* One bad range, and none is touched. */
            const struct {
                uint64_t sector;
                uint32_t n, flags;
                unsigned status;
            } bad[] = {
                {NR_SECTORS, 1, 0, IOERR},  {NR_SECTORS - 1, 2, 0, IOERR},
                {UINT64_MAX, 2, 0, IOERR},  {0, most + 1, 0, IOERR},
                {0, UINT32_MAX, 0, IOERR},  {0, 1, 2, UNSUPP},
                {0, 1, UINT32_MAX, UNSUPP}, {0, 1, zeroes ? 3 : 1, UNSUPP},
            };
            for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
                put_range(0, at + 6, 1, 0);
                put_range(1, bad[i].sector, bad[i].n, bad[i].flags);
                if (send(type, 0, 32) != bad[i].status)
                    fail_msg("case %u: status %u", i, (unsigned)get(&m.f, STATUS_AT, 1));
            }
            image_at(at + 6, got, SECTOR);
            check_sector(got, at + 6);
            /* None, not whole, too many. */
            for (unsigned i = 0; i < 33; i++)
                put_range(i, at, 1, 0);
            assert_int_equal(send(type, 0, 0), IOERR);
            assert_int_equal(send(type, 0, 15), IOERR);
            assert_int_equal(send(type, 0, 33 * 16), IOERR);
            assert_int_equal(send(type, 0, 32 * 16), OK);
        }
    }
}

/* Requests without a header or a place for the status are no requests. */
static void test_nonsense(void **state)
{
    EACH_LAYOUT(.features = ALL_FEATURES)
    {
        for (unsigned i = 0; i < 3; i++) {
            put_head(HEAD, T_IN, 0);
            if (i == 0) {
                set_desc(&m.f, 0, 0, HEAD, 15, F_NEXT, 1);
                set_desc(&m.f, 0, 1, STATUS_AT, 1, F_WRITE, 0);
            } else if (i == 1) {
                set_desc(&m.f, 0, 0, HEAD, 16, 0, 0);
            } else {
                set_desc(&m.f, 0, 0, HEAD, 64, F_WRITE, 0);
            }
            offer(&m.f, 0, 0);
            kick(&m.f, 0);
            const uint64_t deadline = os_now_ns() + 30000000000u;
            while (!(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET))
                assert_true(os_now_ns() < deadline);
            assert_int_equal(used_idx(&m.f, 0), 0);
            assert_int_equal(atomic_load(&m.f.d->stats.broken), i + 1);
            restart(ALL_FEATURES);
            assert_int_equal(send(T_IN, 1, SECTOR), OK);
            restart(ALL_FEATURES);
        }
    }
}

static void test_counters(void **state)
{
    EACH_LAYOUT(.features = ALL_FEATURES)
    {
        struct blk_info i;
        send(T_IN, 5, 3 * SECTOR);
        send(T_IN, NR_SECTORS, SECTOR);
        send(T_OUT, 1, 2 * SECTOR);
        send(T_FLUSH, 0, 0);
        put_range(0, 0, 8, 0);
        send(T_DISCARD, 0, 16);
        send(T_ZEROES, 0, 16);
        send(77, 0, 0);
        virtio_blk_info(m.v, &i);
        assert_string_equal(i.path, image);
        assert_int_equal(i.reads, 2);
        assert_int_equal(i.read_bytes, 3 * SECTOR);
        assert_int_equal(i.writes, 1);
        assert_int_equal(i.written_bytes, 2 * SECTOR);
        assert_int_equal(i.flushes, 1);
        assert_int_equal(i.discards, 2);
        assert_int_equal(i.errors, 2);
    }
}

static void test_host_errors(void **state)
{
    EACH_LAYOUT(.features = ALL_FEATURES)
    {
        atomic_store(&fail_read, EIO);
        assert_int_equal(send(T_IN, 0, SECTOR), IOERR);
        atomic_store(&fail_read, 0);
        assert_int_equal(send(T_IN, 0, SECTOR), OK);
        atomic_store(&fail_write, ENOSPC);
        assert_int_equal(send(T_OUT, 0, SECTOR), IOERR);
        atomic_store(&fail_write, 0);
        assert_int_equal(send(T_OUT, 0, SECTOR), OK);
        atomic_store(&fail_sync, EIO);
        assert_int_equal(send(T_FLUSH, 0, 0), IOERR);
        atomic_store(&fail_sync, 0);
        assert_int_equal(send(T_FLUSH, 0, 0), OK);
        put_range(0, 0, 1, 0);
        atomic_store(&fail_allocate, EIO);
        assert_int_equal(send(T_DISCARD, 0, 16), IOERR);
        assert_int_equal(send(T_ZEROES, 0, 16), IOERR);
        /* That the host can't do it in one go is no error. */
        atomic_store(&fail_allocate, EOPNOTSUPP);
        assert_int_equal(send(T_DISCARD, 0, 16), OK);
        assert_int_equal(send(T_ZEROES, 0, 16), OK);
        atomic_store(&fail_allocate, 0);
    }
}

/* How often the host's disk has to be waited for, for a driver that flushes and for one that can't. */
static void test_flush(void **state)
{
    static const struct {
        enum disk_sync sync;
        uint64_t features;
        unsigned per_write, per_flush;
    } cases[] = {
        {DISK_SYNC_FLUSH, ALL_FEATURES, 0, 1},
        {DISK_SYNC_FLUSH, 0, 1, 1},
        {DISK_SYNC_NONE, ALL_FEATURES, 0, 0},
        {DISK_SYNC_NONE, 0, 0, 0},
        {DISK_SYNC_FULL, 0, 1, 1},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        EACH_LAYOUT(.sync = cases[i].sync, .features = cases[i].features)
        {
            unsigned before = atomic_load(&nr_syncs);
            assert_int_equal(send(T_OUT, 0, SECTOR), OK);
            assert_int_equal(atomic_load(&nr_syncs) - before, cases[i].per_write);
            before = atomic_load(&nr_syncs);
            assert_int_equal(send(T_FLUSH, 0, 0), OK);
            assert_int_equal(atomic_load(&nr_syncs) - before, cases[i].per_flush);
        }
    }
}

/* --- Several at once ------------------------------------------------------------------------------------------------------- */

/* Request i of a queue: its own header, status and sector of data. */
static gpa_t area(unsigned queue, unsigned i)
{
    return BUFFERS + 0x4000 + (queue * 16 + i) * 0x400;
}

static void offer_one(unsigned queue, unsigned i, uint32_t type, uint64_t sector)
{
    const gpa_t at = area(queue, i);
    put_head(at, type, sector);
    put(&m.f, at + 16, NO_STATUS, 1);
    set_desc(&m.f, queue, 3 * i, at, 16, F_NEXT, (uint16_t)(3 * i + 1));
    set_desc(&m.f, queue, 3 * i + 1, at + 0x200, SECTOR, F_NEXT | (type == T_IN ? F_WRITE : 0),
             (uint16_t)(3 * i + 2));
    set_desc(&m.f, queue, 3 * i + 2, at + 16, 1, F_WRITE, 0);
    offer(&m.f, queue, (uint16_t)(3 * i));
}

static unsigned status_of(unsigned queue, unsigned i)
{
    return (unsigned)get(&m.f, area(queue, i) + 16, 1);
}

/* Sixteen requests at a time in each of four queues, every sector written and read back; with and without the event index. */
static void test_many(void **state)
{
    for (unsigned event = 0; event < 2; event++) {
        EACH_LAYOUT(.nr_queues = 4, .features = ALL_FEATURES & ~(event ? 0 : BIT64(VIRTIO_F_EVENT_IDX)))
        {
            for (unsigned write = 2; write--;)
                for (unsigned round = 0; round < NR_SECTORS / 64; round++) {
                    for (unsigned q = 0; q < 4; q++) {
                        for (unsigned i = 0; i < 16; i++) {
                            const unsigned sector = round * 64 + q * 16 + i;
                            memset(ram_ptr(&m.f.ram, area(q, i) + 0x200, SECTOR, true),
                                   write ? (int)(sector % 251) : 0, SECTOR);
                            offer_one(q, i, write ? T_OUT : T_IN, sector);
                            if (i % 5 == 0)
                                kick(&m.f, q);
                        }
                        kick(&m.f, q);
                    }
                    for (unsigned q = 0; q < 4; q++) {
                        wait_used(q, m.nr_used[q] += 16);
                        for (unsigned i = 0; i < 16; i++) {
                            assert_int_equal(status_of(q, i), OK);
                            assert_int_equal(get(&m.f, area(q, i) + 0x200 + 511, 1),
                                             (round * 64 + q * 16 + i) % 251);
                        }
                    }
                }
            assert_int_equal(rd(&m.f, STATUS) & VIRTIO_NEEDS_RESET, 0);
        }
    }
}

#define ALL_TICKETS 1000000

static void gate_close(unsigned sector)
{
    atomic_store(&nr_tickets, 0);
    atomic_store(&nr_at_gate, 0);
    atomic_store(&gate_at, (int64_t)sector * SECTOR);
}

static void gate_wait(int n)
{
    const uint64_t deadline = os_now_ns() + 30000000000u;
    while (atomic_load(&nr_at_gate) < n)
        assert_true(os_now_ns() < deadline);
}

static void *open_late(void *opaque)
{
    usleep(20000);
    atomic_store(&nr_tickets, ALL_TICKETS);
    return opaque;
}

/* One waits, seven others come and go. */
static void check_slow_request(void)
{
    gate_close(77);
    offer_one(0, 0, T_IN, 77);
    kick(&m.f, 0);
    gate_wait(1);
    for (unsigned i = 1; i < 8; i++) {
        offer_one(0, i, T_IN, i);
        /* No kick that the device did not ask for. */
        const gpa_t avail_event = m.f.q[0].used + 4 + 8 * QSIZE;
        const uint64_t deadline = os_now_ns() + 30000000000u;
        while (__atomic_load_n((uint16_t *)ram_ptr(&m.f.ram, avail_event, 2, false), __ATOMIC_ACQUIRE) != i)
            assert_true(os_now_ns() < deadline);
        kick(&m.f, 0);
        wait_used(0, i);
        assert_int_equal(used_id(&m.f, 0, i - 1), 3 * i);
        assert_int_equal(status_of(0, i), OK);
    }
    assert_int_equal(status_of(0, 0), NO_STATUS);
    atomic_store(&nr_tickets, ALL_TICKETS);
    wait_used(0, 8);
    assert_int_equal(status_of(0, 0), OK);
    atomic_store(&gate_at, -1);
}

/* A slow request holds up no other, also one that comes later; nor does it when all were quick for a while, but for the first. */
static void test_slow_request(void **state)
{
    EACH_LAYOUT(.features = ALL_FEATURES)
    {
        check_slow_request();
        restart(ALL_FEATURES);
        for (unsigned i = 0; i < 200; i++)
            assert_int_equal(send(T_IN, i, SECTOR), OK);
        pthread_t opener;
        gate_close(300);
        assert_int_equal(pthread_create(&opener, NULL, open_late, NULL), 0);
        assert_int_equal(send(T_IN, 300, SECTOR), OK);
        pthread_join(opener, NULL);
        restart(ALL_FEATURES);
        check_slow_request();
    }
}

/* A worker that was about to look, and so was not helped, has to wait: what it leaves in another queue is another's. */
static void test_other_queue(void **state)
{
    EACH_LAYOUT(.nr_queues = 2, .features = ALL_FEATURES)
    {
        for (unsigned i = 0; i < 200; i++) /* quick ones: the next is taken for one */
            assert_int_equal(send(T_IN, i, SECTOR), OK);
        restart(ALL_FEATURES);
        gate_close(300);
        offer_one(0, 0, T_IN, 300);
        kick(&m.f, 0);
        gate_wait(1);
        offer_one(0, 1, T_IN, 300);
        offer_one(1, 0, T_IN, 5);
        kick(&m.f, 1);
        kick(&m.f, 0);
        /* Whichever it takes next, the other one's turn comes too, though the gated one waits. */
        atomic_store(&nr_tickets, 1);
        gate_wait(2);
        wait_used(1, 1);
        assert_int_equal(status_of(1, 0), OK);
        wait_used(0, 1); /* one ticket, one answer; the gate's other may have been there before it */
        assert_int_equal(used_idx(&m.f, 0), 1);
        atomic_store(&nr_tickets, ALL_TICKETS);
        wait_used(0, 2);
        atomic_store(&gate_at, -1);
    }
}

/* A reset waits for what the host does with the driver's memory, and drops the rest. */
static void test_reset(void **state)
{
    for (unsigned whole = 0; whole < 2; whole++) {
        EACH_LAYOUT(.features = ALL_FEATURES)
        {
            pthread_t opener;
            gate_close(50);
            for (unsigned i = 0; i < 16; i++) {
                memset(ram_ptr(&m.f.ram, area(0, i) + 0x200, SECTOR, true), 0, SECTOR);
                offer_one(0, i, T_IN, 50);
            }
            kick(&m.f, 0);
            gate_wait(1);
            assert_int_equal(pthread_create(&opener, NULL, open_late, NULL), 0);
            if (whole)
                bus_reset(&m.f.bus);
            else
                wr(&m.f, STATUS, 0);
            assert_true(atomic_load(&nr_tickets) > 0);
            /* From here on the memory is the driver's, also that of requests which were never begun. */
            for (unsigned i = 0; i < 16; i++)
                memset(ram_ptr(&m.f.ram, area(0, i) + 0x200, SECTOR, true), 0x55, SECTOR);
            const uint16_t used = used_idx(&m.f, 0);
            usleep(5000);
            assert_int_equal(used_idx(&m.f, 0), used);
            for (unsigned i = 0; i < 16; i++)
                assert_int_equal(get(&m.f, area(0, i) + 0x200, 1), 0x55);
            assert_false(m.f.line);
            pthread_join(opener, NULL);
            atomic_store(&gate_at, -1);
            restart(ALL_FEATURES);
            assert_int_equal(send(T_IN, 3, SECTOR), OK);
            check_sector(data(), 3);
        }
    }
}

/* Resets at any moment, while requests come. */
static void test_resets(void **state)
{
    EACH_LAYOUT(.nr_queues = 2, .features = ALL_FEATURES)
    {
        for (unsigned round = 0; round < 200; round++) {
            for (unsigned i = 0; i < 16; i++)
                offer_one(i % 2, i / 2, round % 2 ? T_IN : T_FLUSH, i);
            kick(&m.f, 0);
            kick(&m.f, 1);
            if (round % 3 == 0)
                usleep(round);
            restart(ALL_FEATURES);
        }
        assert_int_equal(send(T_IN, 3, SECTOR), OK);
        check_sector(data(), 3);
        assert_int_equal(atomic_load(&m.f.d->stats.broken), 0);
    }
}

static int group_setup(void **state)
{
    (void)state;
    log_threshold = LOG_ERROR;
    const int fd = mkstemp(image);
    return fd < 0 ? -1 : close(fd);
}

static int group_teardown(void **state)
{
    (void)state;
    return unlink(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_read_and_write),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_discard_and_zeroes),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_host_errors),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_slow_request),
        cmocka_unit_test(test_other_queue),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_resets),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
