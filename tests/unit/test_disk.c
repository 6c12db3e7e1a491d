/* Disks: raw images and overlays against a plain array, opened wrongly, locked, failing, and after a crash of the host. */
#include "disk_fixture.h"
#include "fake_host.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/iov.h"
#include "base/log.h"
#include "dev/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#define NR_SECTORS 1021u /* the last granule is not whole */
#define LEN ((size_t)NR_SECTORS * SECTOR)
#define FIRST_DATA 65536u /* where an overlay of this size has its data */

static uint64_t seed = 1;

static unsigned roll(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static bool exists(const char *name)
{
    return access(path(name), F_OK) == 0;
}

static struct disk *try_open(const char *name, const char *overlay, bool read_only,
                             enum disk_sync sync, struct err *e)
{
    static char base_path[128], overlay_path[128];
    struct disk *d = NULL;
    snprintf(base_path, sizeof(base_path), "%s/%s", dir, name);
    if (overlay)
        snprintf(overlay_path, sizeof(overlay_path), "%s/%s", dir, overlay);
    const struct disk_config c = {.path = base_path,
                                  .nr_overlays = overlay != NULL,
                                  .overlay = {overlay_path},
                                  .read_only = read_only,
                                  .sync = sync};
    *e = (struct err){0};
    const int r = disk_open(&d, &c, e);
    assert_int_equal(!r, d != NULL);
    assert_int_equal(r, -e->code);
    return d;
}

static struct disk *open_disk(const char *name, const char *overlay)
{
    struct err e;
    struct disk *d = try_open(name, overlay, false, DISK_SYNC_FLUSH, &e);
    if (!d)
        fail_msg("%s", e.text);
    return d;
}

/* --- Contents -------------------------------------------------------------------------------------------------------------- */

/* buf as up to eight buffers of any length. */
static unsigned split(struct iovec *iov, uint8_t *buf, size_t len)
{
    unsigned n = 0;
    for (size_t at = 0; at < len; n++) {
        const size_t some = 1 + roll(5000), part = n == 7 ? len - at : MIN(len - at, some);
        iov[n] = (struct iovec){buf + at, part};
        at += part;
    }
    return n;
}

static void check_read(struct disk *d, const uint8_t *model, unsigned sector, unsigned n)
{
    static uint8_t buf[LEN];
    struct iovec iov[8];
    memset(buf, 0xee, sizeof(buf));
    const unsigned nr = split(iov, buf, n * SECTOR);
    assert_int_equal(disk_read(d, sector * SECTOR, iov, nr), 0);
    if (memcmp(buf, model + sector * SECTOR, n * SECTOR))
        fail_msg("sectors %u to %u are not what was written", sector, sector + n - 1);
}

/* One change of any kind and place, to disk and model. */
static void change(struct disk *d, uint8_t *model, bool discard_zeroes)
{
    static uint8_t buf[LEN];
    struct iovec iov[8];
    const unsigned sector = roll(NR_SECTORS), most = roll(4) ? 24 : 400,
                   n = 1 + roll(MIN(NR_SECTORS - sector, most));
    switch (roll(6)) {
    case 0: assert_int_equal(disk_zero(d, sector * SECTOR, n * SECTOR, roll(2)), 0); break;
    case 1:
        if (discard_zeroes) {
            assert_int_equal(disk_discard(d, sector * SECTOR, n * SECTOR), 0);
            break;
        }
        return;
    default:
        for (unsigned i = 0; i < n * SECTOR; i++)
            buf[i] = (uint8_t)roll(256);
        assert_int_equal(disk_write(d, sector * SECTOR, iov, split(iov, buf, n * SECTOR)), 0);
        memcpy(model + sector * SECTOR, buf, n * SECTOR);
        return;
    }
    memset(model + sector * SECTOR, 0, n * SECTOR);
}

static void random_changes(const char *name, const char *overlay, unsigned rounds, bool discard_zeroes)
{
    static uint8_t model[LEN];
    struct disk *d = open_disk(name, overlay);
    assert_int_equal(disk_len(d), LEN);
    const struct iovec all = {model, LEN};
    assert_int_equal(disk_read(d, 0, &all, 1), 0);
    for (unsigned i = 0; i < rounds; i++) {
        const unsigned sector = roll(NR_SECTORS);
        change(d, model, discard_zeroes);
        check_read(d, model, sector, 1 + roll(NR_SECTORS - sector));
        if (!roll(10))
            assert_int_equal(disk_flush(d), 0);
        if (!roll(50)) {
            disk_close(d);
            d = open_disk(name, overlay);
            check_read(d, model, 0, NR_SECTORS);
        }
    }
    disk_close(d);
    d = open_disk(name, overlay);
    check_read(d, model, 0, NR_SECTORS);
    disk_close(d);
}

static void test_raw(void **state)
{
    (void)state;
    make_base("raw", LEN);
    random_changes("raw", NULL, 400, true);
    /* A host file system that can't make holes: zeros are written, and a discard leaves what there is. */
    atomic_store(&fail_allocate, EOPNOTSUPP);
    random_changes("raw", NULL, 200, false);
    struct disk *d = open_disk("raw", NULL);
    assert_int_equal(disk_discard(d, 0, LEN), 0);
    disk_close(d);
    atomic_store(&fail_allocate, 0);
    /* Of each transfer the host does only a part. */
    atomic_store(&short_transfer, 1000);
    random_changes("raw", NULL, 100, true);
    atomic_store(&short_transfer, 0);
}

static void test_overlay(void **state)
{
    static uint8_t before[LEN], after[LEN];
    (void)state;
    make_base("base", LEN);
    read_file("base", before, LEN);
    random_changes("base", "cow", 600, true);
    atomic_store(&fail_allocate, EOPNOTSUPP);
    random_changes("base", "cow", 200, true);
    atomic_store(&fail_allocate, 0);
    atomic_store(&short_transfer, 1000);
    random_changes("base", "cow", 100, true);
    atomic_store(&short_transfer, 0);
    read_file("base", after, LEN);
    assert_memory_equal(before, after, LEN);
    /* Space for what was written alone; and the base still opens as what it was. */
    struct stat st;
    make_base("large", 64 << 20);
    struct disk *d = open_disk("large", "large.cow");
    const struct iovec iov = {before, 4096};
    assert_int_equal(disk_write(d, 32 << 20, &iov, 1), 0);
    disk_close(d);
    assert_int_equal(stat(path("large.cow"), &st), 0);
    assert_true(st.st_size > 64 << 20);
    assert_true(st.st_blocks * 512 < 1 << 20);
    d = open_disk("base", NULL);
    check_read(d, after, 0, NR_SECTORS);
    disk_close(d);
}

/* An overlay that this run made goes away if nothing was written; any other stays. */
static void test_unused_overlay(void **state)
{
    static uint8_t buf[SECTOR];
    const struct iovec iov = {buf, SECTOR};
    (void)state;
    make_base("base", LEN);
    disk_close(open_disk("base", "unused"));
    assert_false(exists("unused"));
    write_file("empty", "", 0); /* as mktemp makes it */
    disk_close(open_disk("base", "empty"));
    assert_true(exists("empty"));
    struct disk *d = open_disk("base", "used");
    assert_int_equal(disk_write(d, 0, &iov, 1), 0);
    disk_close(d);
    disk_close(open_disk("base", "used"));
    assert_true(exists("used"));
}

/* Threads that write sectors of the same granules, which are filled up from the base meanwhile. */
#define NR_WRITERS 4u

struct writer {
    pthread_t thread;
    struct disk *d;
    unsigned n;
};

static void *write_every_fourth(void *opaque)
{
    struct writer *w = opaque;
    for (unsigned s = w->n; s < NR_SECTORS; s += NR_WRITERS) {
        uint8_t buf[SECTOR];
        const struct iovec iov = {buf, SECTOR};
        memset(buf, (int)(s % 251), sizeof(buf));
        if (disk_write(w->d, s * SECTOR, &iov, 1))
            BUG("write");
        if (s % 16 == w->n && disk_flush(w->d))
            BUG("flush");
        memset(buf, 0, sizeof(buf));
        if (disk_read(w->d, s * SECTOR, &iov, 1) || buf[0] != s % 251)
            BUG("sector %u", s);
    }
    return NULL;
}

static void test_threads(void **state)
{
    static uint8_t model[LEN];
    (void)state;
    make_base("base", LEN);
    for (unsigned s = 0; s < NR_SECTORS; s++)
        memset(model + s * SECTOR, (int)(s % 251), SECTOR);
    for (unsigned round = 0; round < 5; round++) {
        struct writer w[NR_WRITERS];
        unlink(path("threads"));
        struct disk *d = open_disk("base", "threads");
        for (unsigned i = 0; i < NR_WRITERS; i++) {
            w[i] = (struct writer){.d = d, .n = i};
            assert_int_equal(pthread_create(&w[i].thread, NULL, write_every_fourth, &w[i]), 0);
        }
        for (unsigned i = 0; i < NR_WRITERS; i++)
            pthread_join(w[i].thread, NULL);
        check_read(d, model, 0, NR_SECTORS);
        disk_close(d);
        d = open_disk("base", "threads");
        check_read(d, model, 0, NR_SECTORS);
        disk_close(d);
    }
}

/* --- A crash of the host --------------------------------------------------------------------------------------------------- */

/* The overlay's file as the host's disk has it for certain. */
static uint8_t *safe;
static size_t safe_len;

static void now_safe(int fd)
{
    assert_int_equal(pread(fd, safe, safe_len, 0), safe_len);
    log_clear();
}

/* What each sector may hold after a crash: the value of the last flush, or any that was written since. */
#define MAX_PENDING 64u
static uint32_t durable[NR_SECTORS], latest[NR_SECTORS], pending[NR_SECTORS][MAX_PENDING];
static unsigned nr_pending[NR_SECTORS];

static uint32_t base_value(unsigned sector)
{
    uint8_t b[SECTOR];
    uint32_t val;
    for (unsigned i = 0; i < SECTOR; i++)
        b[i] = (uint8_t)(sector * 7 + i + 1);
    memcpy(&val, b, sizeof(val));
    return val;
}

static void note_write(unsigned sector, unsigned n, uint32_t val)
{
    for (unsigned s = sector; s < sector + n; s++) {
        latest[s] = val;
        pending[s][nr_pending[s]++] = val;
    }
}

static void write_value(struct disk *d, unsigned sector, unsigned n, uint32_t val)
{
    static uint32_t buf[LEN / 4];
    const struct iovec iov = {buf, n * SECTOR};
    for (unsigned i = 0; i < n * SECTOR / 4; i++)
        buf[i] = val;
    assert_int_equal(disk_write(d, sector * SECTOR, &iov, 1), 0);
    note_write(sector, n, val);
}

/* A sector is whole or not there: of what was not synced each one, of every change, came to the disk or not. */
static void check_crash(void)
{
    static uint8_t buf[LEN];
    const struct iovec iov = {buf, LEN};
    uint8_t *crashed = malloc(safe_len);
    const unsigned lucky = roll(4); /* from all to next to nothing */
    memcpy(crashed, safe, safe_len);
    for (size_t i = 0; i < nr_changes; i++)
        for (size_t at = 0; at < change_log[i].len; at += SECTOR)
            if (roll(4) >= lucky)
                memcpy(crashed + change_log[i].off + at, change_log[i].data + at,
                       MIN((size_t)SECTOR, change_log[i].len - at));
    write_file("crashed", crashed, safe_len);
    free(crashed);

    /* Nothing of this is the crashed host's. */
    void (*before)(int fd) = on_sync;
    on_sync = NULL;
    logging = false;
    struct disk *d = open_disk("base", "crashed");
    assert_int_equal(disk_read(d, 0, &iov, 1), 0);
    disk_close(d);
    logging = true;
    on_sync = before;
    for (unsigned s = 0; s < NR_SECTORS; s++) {
        uint32_t val;
        memcpy(&val, buf + s * SECTOR, sizeof(val));
        bool good = val == durable[s];
        for (unsigned i = 0; i < nr_pending[s]; i++)
            good |= val == pending[s][i];
        if (!good)
            fail_msg("sector %u holds %#x; flushed was %#x, and %u writes came since", s, val,
                     durable[s], nr_pending[s]);
    }
}

static void test_crash(void **state)
{
    (void)state;
    make_base("base", LEN);
    unlink(path("cow"));
    safe_len = FIRST_DATA + LEN;
    safe = malloc(safe_len);
    for (unsigned s = 0; s < NR_SECTORS; s++) {
        durable[s] = latest[s] = base_value(s);
        nr_pending[s] = 0;
    }
    logging = true;
    on_sync = now_safe;
    struct disk *d = open_disk("base", "cow");
    const unsigned syncs = atomic_load(&nr_syncs);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < 12; i++) {
            const unsigned sector = roll(NR_SECTORS), n = 1 + roll(MIN(NR_SECTORS - sector, 60u));
            if (roll(5)) {
                write_value(d, sector, n, round << 8 | i | 1u << 31);
            } else {
                assert_int_equal(disk_zero(d, sector * SECTOR, n * SECTOR, true), 0);
                note_write(sector, n, 0);
            }
            if (!roll(4))
                check_crash();
        }
        assert_int_equal(disk_flush(d), 0);
        for (unsigned s = 0; s < NR_SECTORS; s++) {
            durable[s] = latest[s];
            nr_pending[s] = 0;
        }
        check_crash();
    }
    assert_true(atomic_load(&nr_syncs) >= syncs + 60);
    disk_close(d);
    logging = false;
    on_sync = NULL;
    log_clear();
    free(safe);
}

/* --- Host errors ----------------------------------------------------------------------------------------------------------- */

static void test_errors(void **state)
{
    static uint8_t buf[3 * SECTOR];
    const struct iovec iov = {buf, sizeof(buf)};
    const char *overlays[] = {NULL, "failing"};
    (void)state;
    make_base("base", LEN);
    for (unsigned i = 0; i < 2; i++) {
        struct disk *d = open_disk("base", overlays[i]);
        atomic_store(&fail_read, EIO);
        assert_int_equal(disk_read(d, 0, &iov, 1), -EIO);
        if (overlays[i]) /* the rest of the granule comes from the base */
            assert_int_equal(disk_write(d, 0, &iov, 1), -EIO);
        atomic_store(&fail_read, 0);
        atomic_store(&fail_write, ENOSPC);
        assert_int_equal(disk_write(d, 0, &iov, 1), -ENOSPC);
        atomic_store(&fail_write, 0);
        atomic_store(&fail_allocate, ENOSPC);
        assert_int_equal(disk_zero(d, 0, SECTOR, true), -ENOSPC);
        assert_int_equal(disk_discard(d, 0, SECTOR), -ENOSPC);
        atomic_store(&fail_allocate, 0);
        assert_int_equal(disk_write(d, 0, &iov, 1), 0);
        atomic_store(&fail_sync, EIO);
        assert_int_equal(disk_flush(d), -EIO);
        atomic_store(&fail_sync, 0);
        /* An overlay does not believe a later sync, which may know nothing of what the first lost. */
        assert_int_equal(disk_flush(d), overlays[i] ? -EIO : 0);
        disk_close(d); /* says that it could not be stored */
    }
    /* An image that shrinks under us. */
    struct disk *d = open_disk("base", NULL);
    assert_int_equal(truncate(path("base"), 10 * SECTOR), 0);
    assert_int_equal(disk_read(d, 9 * SECTOR, &iov, 1), -EIO);
    disk_close(d);
}

static void test_sync(void **state)
{
    static uint8_t buf[8 * SECTOR];
    const struct iovec iov = {buf, sizeof(buf)};
    static const struct {
        enum disk_sync sync;
        const char *overlay;
        unsigned writes, flush; /* syncs after a write, after a flush */
    } cases[] = {
        {DISK_SYNC_FLUSH, NULL, 0, 1}, {DISK_SYNC_NONE, NULL, 0, 0}, {DISK_SYNC_FULL, NULL, 1, 1},
        {DISK_SYNC_FLUSH, "s1", 0, 2}, {DISK_SYNC_NONE, "s2", 0, 0}, {DISK_SYNC_FULL, "s3", 2, 1},
    };
    (void)state;
    make_base("base", LEN);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e;
        struct disk *d = try_open("base", cases[i].overlay, false, cases[i].sync, &e);
        assert_non_null(d);
        assert_int_equal(disk_writes_through(d), cases[i].sync == DISK_SYNC_FULL);
        unsigned before = atomic_load(&nr_syncs);
        assert_int_equal(disk_write(d, 0, &iov, 1), 0);
        assert_int_equal(atomic_load(&nr_syncs) - before, cases[i].writes);
        before = atomic_load(&nr_syncs);
        assert_int_equal(disk_flush(d), 0);
        assert_int_equal(atomic_load(&nr_syncs) - before, cases[i].flush);
        /* Without anything new in the map there is one to do. */
        before = atomic_load(&nr_syncs);
        assert_int_equal(disk_flush(d), 0);
        assert_int_equal(atomic_load(&nr_syncs) - before, cases[i].sync == DISK_SYNC_NONE ? 0 : 1);
        disk_close(d);
        if (cases[i].overlay) { /* stored all the same */
            d = open_disk("base", cases[i].overlay);
            uint8_t got[8 * SECTOR];
            const struct iovec back = {got, sizeof(got)};
            assert_int_equal(disk_read(d, 0, &back, 1), 0);
            assert_memory_equal(got, buf, sizeof(buf));
            disk_close(d);
        }
    }
}

/* --- Opening --------------------------------------------------------------------------------------------------------------- */

static void refuse(const char *name, const char *overlay, bool read_only, const char *why)
{
    struct err e;
    struct disk *d = try_open(name, overlay, read_only, DISK_SYNC_FLUSH, &e);
    if (d)
        fail_msg("%s with %s opens", name, overlay ? overlay : "no overlay");
    if (!strstr(e.text, why))
        fail_msg("\"%s\" does not say \"%s\"", e.text, why);
}

static void test_refused(void **state)
{
    (void)state;
    make_base("base", LEN);
    make_base("odd", LEN + 100);
    write_file("qcow2", "QFI\xfb....", 8);
    write_file("vmdk", "KDMV....", 8);
    write_file("nothing", "", 0);
    assert_int_equal(mkfifo(path("fifo"), 0600), 0);
    refuse("missing", NULL, false, "No such file");
    refuse("missing", NULL, true, "No such file");
    refuse(".", NULL, false, "is a directory");
    refuse(".", NULL, true, "is a directory");
    refuse("fifo", NULL, false, "neither a file nor a block device");
    refuse("fifo", NULL, true, "neither a file nor a block device");
    refuse("nothing", NULL, false, "is empty");
    refuse("odd", NULL, false, "not a multiple of 512");
    refuse("qcow2", NULL, false, "qcow2");
    refuse("vmdk", NULL, true, "VMDK");
    refuse("qcow2", "new", false, "qcow2");
    refuse("base", "odd", false, "no overlay of vibevmm");
    refuse("base", ".", false, "Is a directory");
    refuse("base", "fifo", false, "is not a file");
    refuse("base", "none/new", false, "No such file");
    refuse("base", "base", false, "twice in this one");
    assert_false(exists("new"));
}

/* An odd image that nobody writes ends in zeros. */
static void test_odd(void **state)
{
    static uint8_t want[3 * SECTOR], got[3 * SECTOR];
    struct err e;
    (void)state;
    make_base("odd", LEN + 100);
    for (unsigned i = 0; i < SECTOR + 100; i++)
        want[i] = (uint8_t)((LEN - SECTOR + i) / SECTOR * 7 + i % SECTOR + 1);
    const struct iovec iov[2] = {{got, 600}, {got + 600, 2 * SECTOR - 600}};
    struct disk *d = try_open("odd", NULL, true, DISK_SYNC_FLUSH, &e);
    assert_non_null(d);
    assert_true(disk_read_only(d));
    assert_int_equal(disk_len(d), LEN + SECTOR);
    assert_int_equal(disk_read(d, LEN - SECTOR, iov, 2), 0);
    assert_memory_equal(got, want, 2 * SECTOR);
    disk_close(d);
    d = open_disk("odd", "odd.cow");
    assert_int_equal(disk_len(d), LEN + SECTOR);
    const struct iovec one = {got, SECTOR};
    memset(got, 0xaa, SECTOR);
    assert_int_equal(disk_write(d, LEN - 4 * SECTOR, &one, 1), 0); /* fills up the last granule */
    assert_int_equal(disk_read(d, LEN - SECTOR, iov, 2), 0);
    assert_memory_equal(got, want, 2 * SECTOR);
    disk_close(d);
}

static void test_locks(void **state)
{
    struct err e;
    (void)state;
    make_base("base", LEN);
    struct disk *d = open_disk("base", NULL);
    refuse("base", NULL, false, "in use by another VM");
    refuse("base", NULL, true, "in use by another VM");
    refuse("base", "new", false, "in use by another VM");
    assert_false(exists("new"));
    disk_close(d);
    d = try_open("base", NULL, true, DISK_SYNC_FLUSH, &e);
    struct disk *other = try_open("base", "one", false, DISK_SYNC_FLUSH, &e);
    assert_non_null(d);
    assert_non_null(other);
    refuse("base", NULL, false, "in use by another VM");
    refuse("base", "one", false, "in use by another VM");
    disk_close(open_disk("base", "two"));
    disk_close(other);
    disk_close(d);
}

static FILE *command(const char *fmt, const char *arg)
{
    char text[256];
    snprintf(text, sizeof(text), fmt, arg);
    return popen(text, "r");
}

/* Where root runs the tests, and the host has loop devices. */
static void test_block_device(void **state)
{
    static uint8_t buf[LEN], back[LEN];
    const struct iovec iov = {buf, LEN}, in = {back, LEN};
    char device[64] = "";
    struct err e;
    (void)state;
    make_base("behind", LEN);
    FILE *f = command("PATH=$PATH:/sbin:/usr/sbin losetup -f --show %s 2>/dev/null", path("behind"));
    const bool got = f && fgets(device, sizeof(device), f);
    if (f)
        pclose(f);
    if (!got)
        skip();
    device[strcspn(device, "\n")] = 0;
    const struct disk_config c = {.path = device},
                             over = {.path = device, .nr_overlays = 1, .overlay = {path("device.cow")}};
    struct disk *d = NULL, *other = NULL;
    const int r = disk_open(&d, &c, &e);
    const uint64_t len = r ? 0 : disk_len(d);
    memset(buf, 0x5a, sizeof(buf));
    const int w = r ? 0 : disk_write(d, 0, &iov, 1), flushed = r ? 0 : disk_flush(d);
    const int again = disk_open(&other, &c, &e);
    disk_close(d);
    d = NULL;
    const int o = disk_open(&d, &over, &e), n = o ? 0 : disk_zero(d, 0, LEN / 2 / SECTOR * SECTOR, true);
    disk_close(d);
    d = NULL;
    const int o2 = disk_open(&d, &over, &e), rd = o2 ? 0 : disk_read(d, 0, &in, 1);
    disk_close(d);
    f = command("PATH=$PATH:/sbin:/usr/sbin losetup -d %s", device);
    pclose(f);
    /* Only now, when nothing of the host's is left in use. */
    assert_int_equal(r | w | flushed | o | n | o2 | rd, 0);
    assert_int_equal(len, LEN);
    assert_int_equal(again, -EBUSY);
    for (size_t i = 0; i < LEN; i++)
        assert_int_equal(back[i], i < LEN / 2 / SECTOR * SECTOR ? 0 : 0x5a);
    read_file("behind", back, LEN);
    assert_memory_equal(back, buf, LEN);
}

/* Everything of the header and the map that can be wrong. */
static void test_damaged_overlay(void **state)
{
    static const struct {
        size_t off;
        uint8_t val;
        const char *why;
    } cases[] = {
        {0, 'V', "no overlay of vibevmm"}, {8, 2, "version 2"},      {13, 0x20, "its header"},
        {16, 0xff, "its header"},          {40, 0xff, "its header"}, {52, 0xff, "its header"},
        {4096 + 16, 0xff, "its bitmap"},   {8191, 1, "its bitmap"},
    };
    static uint8_t buf[4096], file[FIRST_DATA + LEN];
    const struct iovec iov = {buf, sizeof(buf)};
    (void)state;
    make_base("base", LEN);
    make_base("larger", LEN + 4096);
    unlink(path("cow"));
    struct disk *d = open_disk("base", "cow");
    assert_int_equal(disk_write(d, 0, &iov, 1), 0);
    disk_close(d);
    refuse("larger", "cow", false, "was made for a disk of");
    refuse("cow", NULL, false, "is an overlay");
    read_file("cow", file, sizeof(file));
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        const uint8_t good = file[cases[i].off];
        file[cases[i].off] = cases[i].val;
        write_file("cow", file, sizeof(file));
        refuse("base", "cow", false, cases[i].why);
        file[cases[i].off] = good;
    }
    write_file("cow", file, sizeof(file) - 1);
    refuse("base", "cow", false, "cut short");
    write_file("cow", file, 55);
    refuse("base", "cow", false, "no overlay of vibevmm");
    write_file("cow", file, sizeof(file));
    disk_close(open_disk("base", "cow"));
    /* The base was written since. */
    const struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    assert_int_equal(utimensat(AT_FDCWD, path("base"), times, 0), 0);
    refuse("base", "cow", false, "was made before its base was last written");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_overlay),
        cmocka_unit_test(test_unused_overlay),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_sync),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_odd),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_damaged_overlay),
        cmocka_unit_test(test_block_device),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
