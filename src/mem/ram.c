/* Guest-physical memory over one sparse shared memory object. Threading: mem/ram.h. */
#include "mem/ram.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_GRANULE (UINT64_C(64) << 10)

int ram_init(struct ram *r, struct err *e)
{
    *r = (struct ram){0};
    r->fd = os_shm_create("vibevmm-ram", RAM_GRANULE, e);
    return r->fd < 0 ? r->fd : 0;
}

void ram_destroy(struct ram *r)
{
    for (unsigned i = 0; i < r->nr_regions; i++)
        munmap(r->region[i].host, r->region[i].len);
    if (r->fd >= 0)
        close(r->fd);
    *r = (struct ram){.fd = -1};
}

int ram_add(struct ram *r, gpa_t base, uint64_t len, enum ram_kind kind, struct err *e)
{
    uint64_t offset = 0;
    unsigned at = 0;

    if (!len || (base | len) % RAM_GRANULE || base + len - 1 < base)
        return err_set(e, EINVAL, "memory at 0x%" PRIx64 " of 0x%" PRIx64 " bytes: not in units of 64 KiB",
                       base, len);
    if (r->nr_regions == RAM_MAX_REGIONS)
        return err_set(e, ENOSPC, "more than %d memory regions", RAM_MAX_REGIONS);
    for (unsigned i = 0; i < r->nr_regions; i++) {
        const struct ram_region *g = &r->region[i];
        if (base < g->base + g->len && g->base < base + len)
            return err_set(e, EINVAL, "memory at 0x%" PRIx64 " overlaps memory at 0x%" PRIx64, base,
                           g->base);
        offset += g->len;
        at += g->base < base;
    }
    if (ftruncate(r->fd, (off_t)(offset + len)))
        return err_set(e, errno, "guest memory of 0x%" PRIx64 " bytes: %s", len, strerror(errno));
    void *host =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, r->fd, (off_t)offset);
    if (host == MAP_FAILED)
        return err_set(e, errno, "guest memory of 0x%" PRIx64 " bytes: %s", len, strerror(errno));
    memmove(&r->region[at + 1], &r->region[at], (r->nr_regions - at) * sizeof(r->region[0]));
    r->region[at] =
        (struct ram_region){.base = base, .len = len, .host = host, .offset = offset, .kind = kind};
    r->nr_regions++;
    return 0;
}

const struct ram_region *ram_find(const struct ram *r, gpa_t gpa)
{
    for (unsigned i = 0; i < r->nr_regions; i++)
        if (gpa - r->region[i].base < r->region[i].len)
            return &r->region[i];
    return NULL;
}

void *ram_ptr(const struct ram *r, gpa_t gpa, uint64_t len, bool write)
{
    const struct ram_region *g = ram_find(r, gpa);

    if (!g || len > g->len - (gpa - g->base) || (write && g->kind != RAM_KIND_RAM))
        return NULL;
    return g->host + (gpa - g->base);
}

/* How much of [gpa, gpa + len) lies in one region; 0 when gpa is not memory, or not of a kind that may be written. */
static uint64_t piece(const struct ram *r, gpa_t gpa, uint64_t len, bool rom_too, uint8_t **host)
{
    const struct ram_region *g = ram_find(r, gpa);

    if (!g || (!rom_too && g->kind != RAM_KIND_RAM))
        return 0;
    *host = g->host + (gpa - g->base);
    return MIN(len, g->len - (gpa - g->base));
}

enum direction { FROM_GUEST, TO_GUEST };

static bool copy(const struct ram *r, gpa_t gpa, uint8_t *buf, uint64_t len, enum direction dir,
                 bool rom_too)
{
    uint8_t *host;
    uint64_t n;

    if (len && gpa + len - 1 < gpa)
        return false;
    for (uint64_t done = 0; done < len; done += n)
        if (!(n = piece(r, gpa + done, len - done, rom_too, &host)))
            return false;
    for (uint64_t done = 0; done < len; done += n) {
        n = piece(r, gpa + done, len - done, rom_too, &host);
        if (dir == FROM_GUEST)
            memcpy(buf + done, host, n);
        else
            memcpy(host, buf + done, n);
    }
    return true;
}

bool ram_read(const struct ram *r, gpa_t gpa, void *buf, uint64_t len)
{
    return copy(r, gpa, buf, len, FROM_GUEST, true);
}

bool ram_write(const struct ram *r, gpa_t gpa, const void *buf, uint64_t len)
{
    return copy(r, gpa, (uint8_t *)(uintptr_t)buf, len, TO_GUEST, false);
}

bool ram_poke(const struct ram *r, gpa_t gpa, const void *buf, uint64_t len)
{
    return copy(r, gpa, (uint8_t *)(uintptr_t)buf, len, TO_GUEST, true);
}
