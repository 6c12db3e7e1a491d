/* Guest-physical memory. Built on one thread; afterwards only read, by any thread, without a lock. */
#include "mem/ram.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_ALIGN UINT64_C(0x10000)

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0 /* a hint; a system without it never reserves */
#endif

int ram_init(struct ram *r, struct err *e)
{
    memset(r, 0, sizeof(*r));
    /* 64 KiB pages are the largest that any host of ours uses. */
    if (RAM_ALIGN % os_page_size())
        return err_set(e, ENOTSUP, "the host's pages of %zu bytes do not divide 64 KiB", os_page_size());
    return 0;
}

void ram_destroy(struct ram *r)
{
    for (unsigned i = 0; i < r->nr_regions; i++) {
        munmap(r->region[i].host, (size_t)r->region[i].len);
        if (r->region[i].fd >= 0)
            close(r->region[i].fd);
    }
    memset(r, 0, sizeof(*r));
}

static int check_place(const struct ram *r, gpa_t base, uint64_t len, struct err *e)
{
    if (!len || (base | len) & (RAM_ALIGN - 1))
        return err_set(e, EINVAL, "memory at %#" PRIx64 ", %#" PRIx64 " bytes: not multiples of 64 KiB",
                       base, len);
    if (base + len < base || len > SIZE_MAX)
        return err_set(e, EINVAL, "memory at %#" PRIx64 ", %#" PRIx64 " bytes: beyond the address space",
                       base, len);
    for (unsigned i = 0; i < r->nr_regions; i++) {
        const struct ram_region *o = &r->region[i];
        if (base < o->base + o->len && o->base < base + len)
            return err_set(e, EINVAL,
                           "memory at %#" PRIx64 ", %#" PRIx64 " bytes: overlaps that at %#" PRIx64,
                           base, len, o->base);
    }
    if (r->nr_regions == RAM_MAX_REGIONS)
        return err_set(e, ENOSPC, "more than %d memory regions", RAM_MAX_REGIONS);
    return 0;
}

/* Where the host might put a region: within 2 GiB of its guest address, so that the translator's instructions can reach one from the other by
 * a displacement; otherwise anywhere, by chance. Null: wherever it likes. */
static void *place_for(gpa_t base, uint64_t len)
{
    uint32_t chance;

    if (base >= 1u << 31 || len > 1u << 30)
        return NULL;
    os_random(&chance, sizeof(chance));
    return (void *)(uintptr_t)(base + (256u << 20) + (chance & 0x1ffff000));
}

int ram_add(struct ram *r, gpa_t base, uint64_t len, enum ram_kind kind, struct err *e)
{
    int rc = check_place(r, base, len, e);
    if (rc)
        return rc;
    int fd = os_shm_create(kind == RAM_KIND_RAM ? "guest-ram" : "guest-rom", len, e);
    if (fd < 0)
        return fd;
    void *host = mmap(place_for(base, len), (size_t)len, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (host == MAP_FAILED) {
        rc = err_set(e, errno, "mapping %" PRIu64 " MiB of guest memory: %s", len >> 20, strerror(errno));
        close(fd);
        return rc;
    }

    unsigned at = r->nr_regions;
    while (at && r->region[at - 1].base > base)
        at--;
    memmove(&r->region[at + 1], &r->region[at], (r->nr_regions - at) * sizeof(r->region[0]));
    r->region[at] = (struct ram_region){.base = base, .len = len, .host = host, .fd = fd, .kind = kind};
    r->nr_regions++;
    return 0;
}

void *ram_ptr(const struct ram *r, gpa_t gpa, uint64_t len, bool write)
{
    const struct ram_region *g = ram_find(r, gpa);
    if (!g || (write && g->kind != RAM_KIND_RAM))
        return NULL;
    uint64_t off = gpa - g->base;
    return len <= g->len - off ? g->host + off : NULL;
}

bool ram_gpa(const struct ram *r, const void *host, gpa_t *gpa)
{
    for (unsigned i = 0; i < r->nr_regions; i++) {
        const struct ram_region *g = &r->region[i];
        const uint64_t off = (uint64_t)((uintptr_t)host - (uintptr_t)g->host);
        if (off < g->len) {
            *gpa = g->base + off;
            return true;
        }
    }
    return false;
}

bool ram_next_data(const struct ram_region *g, uint64_t *from, uint64_t *to)
{
    if (*from >= g->len)
        return false;
    *to = g->len;
    if (g->fd < 0)
        return true;
    const off_t data = lseek(g->fd, (off_t)*from, SEEK_DATA),
                hole = data < 0 ? data : lseek(g->fd, data, SEEK_HOLE);
    if (data < 0)
        return errno != ENXIO; /* that is, no more data; else it is not known */
    *from = (uint64_t)data;
    if (hole >= 0)
        *to = MIN((uint64_t)hole, g->len);
    return true;
}

int ram_map_file(struct ram *r, gpa_t base, int fd, uint64_t off, struct err *e)
{
    struct ram_region *g = NULL;

    for (unsigned i = 0; i < r->nr_regions; i++)
        if (r->region[i].base == base)
            g = &r->region[i];
    BUG_ON(!g);
    if (mmap(g->host, (size_t)g->len, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, (off_t)off) == MAP_FAILED)
        return err_set(e, errno, "mapping %" PRIu64 " MiB of it: %s", g->len >> 20, strerror(errno));
    if (g->fd >= 0)
        close(g->fd);
    g->fd = -1;
    return 0;
}

enum copy_dir { COPY_OUT, COPY_IN };

/* Two passes, so that nothing is copied when any byte is missing. kinds: a set of 1 << enum ram_kind. */
static bool copy(const struct ram *r, gpa_t gpa, uint8_t *buf, uint64_t len, enum copy_dir dir,
                 unsigned kinds)
{
    for (int pass = 0; pass < 2; pass++) {
        gpa_t a = gpa;
        uint8_t *b = buf;
        for (uint64_t left = len; left;) {
            const struct ram_region *g = ram_find(r, a);
            if (!g || !bit(kinds, g->kind))
                return false;
            uint64_t off = a - g->base;
            size_t n = (size_t)MIN(left, g->len - off);
            if (pass && dir == COPY_IN)
                memcpy(g->host + off, b, n);
            else if (pass)
                memcpy(b, g->host + off, n);
            a += n;
            b += n;
            left -= n;
        }
    }
    return true;
}

void ram_hide(struct ram *r, gpa_t base, bool hide)
{
    for (unsigned i = 0; i < r->nr_regions; i++)
        if (r->region[i].base == base) {
            BUG_ON(r->region[i].kind != RAM_KIND_ROM);
            atomic_store(&r->region[i].hidden, hide);
            return;
        }
    BUG("no memory region begins at %#" PRIx64, base);
}

bool ram_read(const struct ram *r, gpa_t gpa, void *buf, uint64_t len)
{
    return copy(r, gpa, buf, len, COPY_OUT, 1u << RAM_KIND_RAM | 1u << RAM_KIND_ROM);
}

/* The cast is safe: COPY_IN only reads buf. */
bool ram_write(const struct ram *r, gpa_t gpa, const void *buf, uint64_t len)
{
    return copy(r, gpa, (uint8_t *)(uintptr_t)buf, len, COPY_IN, 1u << RAM_KIND_RAM);
}

bool ram_poke(const struct ram *r, gpa_t gpa, const void *buf, uint64_t len)
{
    return copy(r, gpa, (uint8_t *)(uintptr_t)buf, len, COPY_IN, 1u << RAM_KIND_RAM | 1u << RAM_KIND_ROM);
}

/* Whole pages go back to the host, and read as zeros. */
static bool discard(const struct ram_region *g, uint64_t from, uint64_t len)
{
    if (g->fd >= 0)
        return !os_shm_discard(g->fd, g->host + from, from, len);
    /* Dropping the copies would bring back what the file has. Where the host has no room for one mapping more, they stay. */
    return mmap(g->host + from, (size_t)len, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

uint64_t ram_give_back(const struct ram *r, const void *host, uint64_t len)
{
    const uint64_t page = os_page_size();

    for (unsigned i = 0; i < r->nr_regions; i++) {
        const struct ram_region *g = &r->region[i];
        const uint64_t off = (uint64_t)((uintptr_t)host - (uintptr_t)g->host);
        if (off >= g->len)
            continue;
        BUG_ON(len > g->len - off || g->kind != RAM_KIND_RAM);
        const uint64_t from = align_up(off, page), to = align_down(off + len, page);
        return from < to && discard(g, from, to - from) ? to - from : 0;
    }
    BUG("memory that is no RAM");
}
