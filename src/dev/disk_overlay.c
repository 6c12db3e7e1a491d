/* A copy-on-write overlay: a header, a bitmap, and at the same distances as in the base the granules that were written. docs/disks.md has
 * the format and why it survives a crash.
 *
 * The bitmap in memory is what counts while the overlay is open; a bit is set once its granule's data has gone to the file. A flush stores
 * bits of data that it knows to be on the disk: first the data, then the bits. So a bit on the disk is never without its data, and data
 * without its bit is as if it had not been written, which is what a disk may do with writes before a flush.
 *
 * Threads: any. Bits are atomic. Who writes a whole granule that the overlay does not have holds the lock shared, who fills one up from
 * the base holds it exclusively; flushes have a lock of their own. All are leaves. */
#include "base/bits.h"
#include "base/err.h"
#include "base/iov.h"
#include "base/os.h"
#include "base/snap.h"
#include "dev/disk_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the overlay's format is little-endian and used in place");

#define VERSION 1u
#define GRANULE                                                                                    \
    4096u /* what file systems write at once, so that next to nothing is filled up from the base */
#define BITMAP_OFF 4096u
#define DATA_ALIGN 65536u
#define PAGE_LEN 4096u /* of the bitmap: what is stored at once */
#define PAGE_WORDS (PAGE_LEN / 8)
#define PAGE_BITS (8 * PAGE_LEN)

struct header {
    char magic[8];
    uint32_t version, granule;
    uint64_t base_len, base_mtime_ns;
    uint64_t bitmap_off, data_off;
    uint32_t reserved, crc; /* of what is before it: CRC-32, reflected, polynomial 0xedb88320 */
};
_Static_assert(sizeof(struct header) == 56, "the format");

struct overlay {
    const char *path;
    bool made; /* by this run */
    bool throw_away;
    struct image file;
    const struct image *base;
    const struct overlay *below; /* or null: base is below */
    uint64_t len, data_off;
    uint64_t nr_granules, nr_pages;

    pthread_rwlock_t fill_lock;
    _Atomic uint64_t *bits; /* nr_pages * PAGE_WORDS */
    atomic_bool *dirty;     /* of each page: has bits that no flush has seen */

    pthread_mutex_t flush_lock;
    uint64_t *stored; /* the bits as the file has them, or will once the flush is through */
    bool *unstored;   /* of each page: it has not */
    int failed;       /* what a flush met: data may be lost, so no bits are stored any more */
};

static uint32_t crc32(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (unsigned k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* --- Bits ------------------------------------------------------------------------------------------------------------------ */

static bool has(const struct overlay *o, uint64_t g)
{
    return bit(atomic_load_explicit(&o->bits[g / 64], memory_order_acquire), g % 64);
}

/* The first granule from g on, up to end, that is not as `set`. */
static uint64_t run_end(const struct overlay *o, uint64_t g, uint64_t end, bool set)
{
    while (g < end) {
        const uint64_t word = atomic_load_explicit(&o->bits[g / 64], memory_order_acquire);
        const uint64_t other = (set ? ~word : word) >> g % 64;
        if (other)
            return MIN(g + (unsigned)__builtin_ctzll(other), end);
        g = (g / 64 + 1) * 64;
    }
    return end;
}

/* The data is in the file. */
static void set_bits(struct overlay *o, uint64_t g, uint64_t end)
{
    while (g < end) {
        const uint64_t n = MIN(end - g, 64 - g % 64);
        atomic_fetch_or_explicit(&o->bits[g / 64], mask64((unsigned)n) << g % 64, memory_order_release);
        atomic_store(&o->dirty[g / PAGE_BITS], true);
        g += n;
    }
}

/* --- Access ---------------------------------------------------------------------------------------------------------------- */

/* What the overlay does not have. */
static int read_below(const struct overlay *o, uint64_t off, const struct iovec *iov, unsigned nr)
{
    return o->below ? overlay_read(o->below, off, iov, nr) : image_read(o->base, off, iov, nr);
}

int overlay_read(const struct overlay *o, uint64_t off, const struct iovec *iov, unsigned nr)
{
    const uint64_t end = off + iov_len(iov, nr);

    for (uint64_t at = off; at < end;) {
        const uint64_t g = at / GRANULE;
        const bool set = has(o, g);
        const uint64_t stop = MIN(run_end(o, g + 1, (end - 1) / GRANULE + 1, set) * GRANULE, end);
        struct iovec part[64];
        const unsigned n =
            iov_slice(part, ARRAY_LEN(part), iov, nr, (size_t)(at - off), (size_t)(stop - at));
        const int r =
            set ? image_read(&o->file, o->data_off + at, part, n) : read_below(o, at, part, n);
        if (r)
            return r;
        at += iov_len(part, n);
    }
    return 0;
}

/* Copies a granule from the base, without its bit. */
static int fill(struct overlay *o, uint64_t g)
{
    uint8_t buf[GRANULE];
    const uint64_t at = g * GRANULE;
    const struct iovec iov = {buf, (size_t)MIN((uint64_t)GRANULE, o->len - at)};
    const int r = read_below(o, at, &iov, 1);

    return r ? r : image_write(&o->file, o->data_off + at, &iov, 1);
}

/* What both kinds of change have in common: [off, end) of the file is changed by the caller between the two, with all that is around it in
 * its first and last granule in place. */
static int change_begin(struct overlay *o, uint64_t off, uint64_t end, bool *locked)
{
    const uint64_t first = off / GRANULE, last = (end - 1) / GRANULE;
    const bool head = off % GRANULE, tail = end % GRANULE && end != o->len;
    int r = 0;

    *locked = run_end(o, first, last + 1, true) <= last;
    if (!*locked)
        return 0; /* all of it is the overlay's already */
    if (!head && !tail) {
        pthread_rwlock_rdlock(&o->fill_lock);
        return 0;
    }
    pthread_rwlock_wrlock(&o->fill_lock);
    if (head && !has(o, first))
        r = fill(o, first);
    if (!r && tail && !has(o, last) && !(head && first == last))
        r = fill(o, last);
    return r;
}

static int change_end(struct overlay *o, uint64_t off, uint64_t end, bool locked, int r)
{
    if (!locked)
        return r;
    if (!r)
        set_bits(o, off / GRANULE, (end - 1) / GRANULE + 1);
    pthread_rwlock_unlock(&o->fill_lock);
    return r;
}

int overlay_write(struct overlay *o, uint64_t off, const struct iovec *iov, unsigned nr)
{
    const uint64_t end = off + iov_len(iov, nr);
    bool locked;

    if (off == end)
        return 0;
    int r = change_begin(o, off, end, &locked);
    if (!r)
        r = image_write(&o->file, o->data_off + off, iov, nr);
    return change_end(o, off, end, locked, r);
}

/* A hole in the file with its bit set. Also where the bit was not: the file may have what a crash left without a bit. */
int overlay_zero(struct overlay *o, uint64_t off, uint64_t len)
{
    const uint64_t end = off + len;
    bool locked;

    if (!len)
        return 0;
    int r = change_begin(o, off, end, &locked);
    if (!r)
        r = image_zero(&o->file, o->data_off + off, len, true);
    return change_end(o, off, end, locked, r);
}

/* --- Flush ----------------------------------------------------------------------------------------------------------------- */

/* Takes the bits as they are now: their data has gone to the file. */
static bool take_bits(struct overlay *o)
{
    bool any = false;

    for (uint64_t p = 0; p < o->nr_pages; p++) {
        if (atomic_load(&o->dirty[p]) && atomic_exchange(&o->dirty[p], false)) {
            for (uint64_t i = p * PAGE_WORDS; i < (p + 1) * PAGE_WORDS; i++)
                o->stored[i] = atomic_load_explicit(&o->bits[i], memory_order_acquire);
            o->unstored[p] = true;
        }
        any |= o->unstored[p];
    }
    return any;
}

static int store_bits(struct overlay *o)
{
    for (uint64_t p = 0; p < o->nr_pages; p++) {
        const struct iovec iov = {&o->stored[p * PAGE_WORDS], PAGE_LEN};
        if (!o->unstored[p])
            continue;
        const int r = image_write(&o->file, BITMAP_OFF + p * PAGE_LEN, &iov, 1);
        if (r)
            return r;
        o->unstored[p] = false;
    }
    return 0;
}

static int sync_file(struct overlay *o, bool sync)
{
    const int r = sync ? os_file_sync(o->file.fd) : 0;

    /* After a sync that failed the host may have dropped the data and say so no more. */
    if (r)
        o->failed = r;
    return r;
}

int overlay_flush(struct overlay *o, bool sync)
{
    pthread_mutex_lock(&o->flush_lock);
    const bool any = take_bits(o);
    int r = o->failed;
    if (!r)
        r = sync_file(o, sync);
    if (!r && any && !(r = store_bits(o)))
        r = sync_file(o, sync);
    pthread_mutex_unlock(&o->flush_lock);
    return r;
}

/* --- Opening --------------------------------------------------------------------------------------------------------------- */

static uint64_t file_len(const struct overlay *o)
{
    return o->data_off + o->len;
}

static int init(struct overlay *o, uint64_t len)
{
    o->len = len;
    o->nr_granules = (len + GRANULE - 1) / GRANULE;
    o->nr_pages = (o->nr_granules + PAGE_BITS - 1) / PAGE_BITS;
    o->data_off = align_up(BITMAP_OFF + o->nr_pages * PAGE_LEN, DATA_ALIGN);
    o->bits = calloc(o->nr_pages, PAGE_LEN);
    o->stored = calloc(o->nr_pages, PAGE_LEN);
    o->dirty = calloc(o->nr_pages, sizeof(*o->dirty));
    o->unstored = calloc(o->nr_pages, sizeof(*o->unstored));
    return o->bits && o->stored && o->dirty && o->unstored ? 0 : -ENOMEM;
}

static int create(struct overlay *o, uint64_t base_mtime_ns, struct err *e)
{
    struct header h = {.version = VERSION,
                       .granule = GRANULE,
                       .base_len = o->len,
                       .base_mtime_ns = base_mtime_ns,
                       .bitmap_off = BITMAP_OFF,
                       .data_off = o->data_off};
    memcpy(h.magic, OVERLAY_MAGIC, sizeof(h.magic));
    h.crc = crc32(&h, offsetof(struct header, crc));
    const struct iovec iov = {&h, sizeof(h)};

    int r = ftruncate(o->file.fd, (off_t)file_len(o)) ? -errno : 0;
    if (!r)
        r = image_write(&o->file, 0, &iov, 1);
    if (!r && !o->throw_away)
        r = os_file_sync(o->file.fd);
    if (!r)
        return 0;
    return err_set(e, -r, "cannot be made: %s", strerror(-r));
}

static int check_header(const struct overlay *o, const struct header *h, uint64_t base_mtime_ns,
                        struct err *e)
{
    if (memcmp(h->magic, OVERLAY_MAGIC, sizeof(h->magic)) != 0)
        return err_set(e, EINVAL,
                       "is no overlay of vibevmm; give a file that is one, or that is not there yet");
    if (h->version != VERSION)
        return err_set(e, EINVAL, "has version %" PRIu32 " of the format; this vibevmm knows %u",
                       h->version, VERSION);
    if (h->crc != crc32(h, offsetof(struct header, crc)) || h->granule != GRANULE ||
        h->bitmap_off != BITMAP_OFF)
        return err_set(e, EINVAL, "is damaged: its header; start again with a new one");
    if (h->base_len != o->len)
        return err_set(e, EINVAL,
                       "was made for a disk of %" PRIu64 " bytes, and this one has %" PRIu64
                       "; give its own base",
                       h->base_len, o->len);
    if (h->data_off != o->data_off || o->file.len < file_len(o))
        return err_set(e, EINVAL, "is damaged or cut short; start again with a new one");
    if (base_mtime_ns && h->base_mtime_ns && h->base_mtime_ns != base_mtime_ns)
        return err_set(e, EINVAL,
                       "was made before its base was last written, and the two fit no more; start again with a new one (or, if the base is the "
                       "same: touch -d @%" PRIu64 ".%09" PRIu64 " BASE)",
                       h->base_mtime_ns / 1000000000u, h->base_mtime_ns % 1000000000u);
    return 0;
}

static int load(struct overlay *o, uint64_t base_mtime_ns, struct err *e)
{
    struct header h;
    const struct iovec head = {&h, sizeof(h)}, map = {o->stored, (size_t)(o->nr_pages * PAGE_LEN)};

    if (o->file.len < sizeof(h))
        memset(&h, 0, sizeof(h));
    int r = o->file.len < sizeof(h) ? 0 : image_read(&o->file, 0, &head, 1);
    if (r)
        return err_set(e, -r, "%s", strerror(-r));
    if ((r = check_header(o, &h, base_mtime_ns, e)))
        return r;
    if ((r = image_read(&o->file, BITMAP_OFF, &map, 1)))
        return err_set(e, -r, "%s", strerror(-r));
    for (uint64_t i = 0; i < o->nr_pages * PAGE_WORDS; i++)
        atomic_init(&o->bits[i], o->stored[i]);
    if (run_end(o, o->nr_granules, o->nr_pages * PAGE_BITS, false) != o->nr_pages * PAGE_BITS)
        return err_set(e, EINVAL, "is damaged: its bitmap; start again with a new one");
    return 0;
}

static int open_file(struct overlay *o, const struct overlay_config *c, struct err *e)
{
    const int flags = (c->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
    struct stat st;

    if (c->read_only)
        errno = EEXIST;
    else
        o->file.fd = open(c->path, flags | O_CREAT | O_EXCL, 0666);
    const bool made = o->file.fd >= 0;
    if (!made && errno == EEXIST && !c->throw_away)
        o->file.fd = open(c->path, flags);
    if (o->file.fd < 0 || fstat(o->file.fd, &st))
        return err_set(e, errno, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(e, EINVAL, "is not a file");
    const int r = os_file_lock(o->file.fd, !c->read_only);
    if (r == -EAGAIN)
        return err_set(e, EBUSY, "is in use by another VM, or twice in this one; give each its own");
    if (c->throw_away)
        unlink(c->path);
    o->throw_away = c->throw_away;
    o->file.len = (uint64_t)st.st_size;
    o->made = made;
    return 0;
}

int overlay_open(struct overlay **out, const struct overlay_config *c, struct err *e)
{
    struct overlay *o = calloc(1, sizeof(*o));
    int r;

    if (!o)
        return err_set(e, ENOMEM, "out of memory");
    pthread_rwlock_init(&o->fill_lock, NULL);
    pthread_mutex_init(&o->flush_lock, NULL);
    o->base = c->base;
    o->below = c->below;
    o->path = c->path;
    o->file.fd = -1;
    if ((r = open_file(o, c, e)))
        goto fail;
    if ((r = init(o, c->len))) {
        err_set(e, -r, "out of memory for the map of a disk of %" PRIu64 " bytes", c->len);
        goto fail;
    }
    r = o->file.len || c->read_only ? load(o, c->below_mtime_ns, e) : create(o, c->below_mtime_ns, e);
    if (r)
        goto fail;
    o->file.len = file_len(o);
    *out = o;
    return 0;
fail:
    overlay_close(o);
    return r;
}

bool overlay_is_empty(const struct overlay *o)
{
    return run_end(o, 0, o->nr_granules, false) == o->nr_granules;
}

uint64_t overlay_mtime_ns(const struct overlay *o)
{
    struct stat st;
    return fstat(o->file.fd, &st) ? 0 : os_file_mtime_ns(&st);
}

void overlay_snap(const struct overlay *o, struct snap *s)
{
    snap_file(s, "overlay", o->file.fd, o->path);
}

void overlay_close(struct overlay *o)
{
    if (!o)
        return;
    /* Before the lock goes with the descriptor: nobody else has it open. */
    if (o->made && !o->throw_away && (!o->bits || overlay_is_empty(o)))
        unlink(o->path);
    if (o->file.fd >= 0)
        close(o->file.fd);
    pthread_rwlock_destroy(&o->fill_lock);
    pthread_mutex_destroy(&o->flush_lock);
    free(o->bits);
    free(o->stored);
    free(o->dirty);
    free(o->unstored);
    free(o);
}
