/* Files as bytes: reading them, placing them in guest memory, and the map of what lies where.
 * Used while the machine is built; one thread. */
#include "load/load.h"

#include "base/bits.h"
#include "base/err.h"
#include "mem/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_CHUNK (UINT64_C(1) << 20)

/* "8 MiB", "1.5 GiB", "12 bytes": as short as it is exact enough for a message. */
static const char *size_text(char buf[32], uint64_t n)
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    unsigned u = 0;
    double x = (double)n;
    while (x >= 1024 && u + 1 < ARRAY_LEN(unit)) {
        x /= 1024;
        u++;
    }
    snprintf(buf, 32, "%.4g %s", x, unit[u]);
    return buf;
}

/* "0x0-0x7ffffff, 0x40000000-0x4fffffff": where RAM is. */
static const char *ram_text(char *buf, size_t buf_len, const struct ram *r)
{
    size_t used = 0;
    buf[0] = 0;
    for (unsigned i = 0; i < r->nr_regions && used < buf_len; i++) {
        const struct ram_region *g = &r->region[i];
        if (g->kind != RAM_KIND_RAM)
            continue;
        int n = snprintf(buf + used, buf_len - used, "%s0x%" PRIx64 "-0x%" PRIx64, used ? ", " : "",
                         g->base, g->base + (g->len - 1));
        used += n > 0 ? (size_t)n : 0;
    }
    return buf;
}

/* The region that holds all of [base, base + len). */
static const struct ram_region *whole_region(const struct ram *r, gpa_t base, uint64_t len)
{
    const struct ram_region *g = ram_find(r, base);
    return g && len <= g->len - (base - g->base) ? g : NULL;
}

int load_map_add(struct load_map *m, const struct ram *r, gpa_t base, uint64_t len,
                 const char *what, struct err *e)
{
    char text[32], where[160];
    BUG_ON(len == 0);
    if (!ram_find(r, base))
        return err_set(e, EFAULT, "%s: address 0x%" PRIx64 " is not in guest memory (%s)", what,
                       base, ram_text(where, sizeof(where), r));
    if (!whole_region(r, base, len))
        return err_set(e, EFAULT,
                       "%s: %s at 0x%" PRIx64
                       " do not fit into guest memory (%s); give a larger --mem or another address",
                       what, size_text(text, len), base, ram_text(where, sizeof(where), r));

    unsigned at = 0;
    while (at < m->nr && m->range[at].base <= base)
        at++;
    /* The neighbours are the only ones that can overlap; len - 1 because a range may end at the top of the address space. */
    const struct load_range *hit = NULL;
    if (at > 0 && m->range[at - 1].base + (m->range[at - 1].len - 1) >= base)
        hit = &m->range[at - 1];
    else if (at < m->nr && base + (len - 1) >= m->range[at].base)
        hit = &m->range[at];
    if (hit)
        return err_set(e, EEXIST,
                       "%s: 0x%" PRIx64 "-0x%" PRIx64 " overlaps %s at 0x%" PRIx64 "-0x%" PRIx64
                       "; load one of them elsewhere",
                       what, base, base + (len - 1), hit->what, hit->base, hit->base + (hit->len - 1));
    if (m->nr == LOAD_MAX_RANGES)
        return err_set(e, E2BIG, "%s: more than %d pieces to load", what, LOAD_MAX_RANGES);

    memmove(&m->range[at + 1], &m->range[at], (m->nr - at) * sizeof(m->range[0]));
    m->nr++;
    m->range[at].base = base;
    m->range[at].len = len;
    snprintf(m->range[at].what, sizeof(m->range[at].what), "%s", what);
    return 0;
}

/* One candidate gap [lo, hi] (inclusive, so that the top of the address space is no special case). */
static bool fits(gpa_t lo, gpa_t hi, uint64_t len, uint64_t align, bool highest, gpa_t *base)
{
    if (lo > hi || hi - lo < len - 1)
        return false;
    gpa_t at = highest ? align_down(hi - (len - 1), align) : align_up(lo, align);
    /* align_up may have wrapped or left the gap, align_down may have left it. */
    if (at < lo || at > hi || hi - at < len - 1)
        return false;
    *base = at;
    return true;
}

/* The gap of region g within [from, to] (inclusive) that fits. Gaps come in rising order, so that the last one is the highest. */
static bool find_in_region(const struct load_map *m, const struct ram_region *g, gpa_t from,
                           gpa_t to, uint64_t len, uint64_t align, bool highest, gpa_t *base)
{
    gpa_t lo = MAX(g->base, from), hi = MIN(g->base + (g->len - 1), to);
    bool found = false;
    for (unsigned i = 0; i < m->nr && lo <= hi; i++) {
        gpa_t first = m->range[i].base, last = first + (m->range[i].len - 1);
        if (last < lo)
            continue;
        if (first > hi)
            break;
        if (first > lo && fits(lo, first - 1, len, align, highest, base)) {
            found = true;
            if (!highest)
                return true;
        }
        if (last >= hi)
            return found;
        lo = last + 1;
    }
    return fits(lo, hi, len, align, highest, base) || found;
}

bool load_map_find(const struct load_map *m, const struct ram *r, gpa_t from, gpa_t to,
                   uint64_t len, uint64_t align, bool highest, gpa_t *base)
{
    bool found = false;
    if (len == 0 || from >= to)
        return false;
    for (unsigned i = 0; i < r->nr_regions && !(found && !highest); i++) {
        const struct ram_region *g = &r->region[i];
        if (g->kind == RAM_KIND_RAM)
            found |= find_in_region(m, g, from, to - 1, len, align, highest, base);
    }
    return found;
}

/* An open file and its length; -1 where only reading it tells. */
static int open_input(const char *what, const char *path, int *fd, int64_t *len, struct err *e)
{
    /* Not blocking for ever on a FIFO that nobody writes would need O_NONBLOCK; a pipe given on purpose is waited for. */
    int f = open(path, O_RDONLY | O_CLOEXEC);
    if (f < 0)
        return err_set(e, errno, "%s: %s", what, strerror(errno));
    struct stat st;
    int r = 0;
    if (fstat(f, &st) < 0)
        r = err_set(e, errno, "%s: %s", what, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        r = err_set(e, EISDIR, "%s: is a directory, not a file", what);
    if (r < 0) {
        close(f);
        return r;
    }
    *fd = f;
    /* Files in /proc say 0 and have contents. */
    *len = S_ISREG(st.st_mode) && st.st_size > 0 ? (int64_t)st.st_size : -1;
    return 0;
}

/* Up to len bytes, fewer only at the end of the file. */
static int read_fully(const char *what, int fd, uint8_t *buf, size_t len, size_t *got, struct err *e)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = read(fd, buf + *got, MIN(len - *got, (size_t)1 << 30));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, errno, "%s: %s", what, strerror(errno));
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

static int too_large(const char *what, uint64_t limit, struct err *e)
{
    char text[32];
    return err_set(e, EFBIG, "%s: the file is larger than the %s that fit here", what,
                   size_text(text, limit));
}

/* A pipe or a device: its length shows at its end. */
static int read_stream(const char *what, int fd, uint64_t limit, uint8_t **buf, size_t *len,
                       struct err *e)
{
    uint8_t *b = NULL;
    size_t used = 0, room = 0, got;
    int r;
    do {
        if (used > limit) {
            r = too_large(what, limit, e);
            goto fail;
        }
        room = used + MAX(PIPE_CHUNK, used / 2);
        uint8_t *grown = realloc(b, room);
        if (!grown) {
            r = err_set(e, ENOMEM, "%s: out of memory", what);
            goto fail;
        }
        b = grown;
        r = read_fully(what, fd, b + used, room - used, &got, e);
        if (r < 0)
            goto fail;
        used += got;
    } while (used == room);
    if (used > limit) {
        r = too_large(what, limit, e);
        goto fail;
    }
    if (used == 0) {
        r = err_set(e, ENODATA, "%s: the file is empty", what);
        goto fail;
    }
    *buf = b;
    *len = used;
    return 0;
fail:
    free(b);
    return r;
}

int load_file(const char *option, const char *path, uint64_t limit, uint8_t **buf, size_t *len,
              struct err *e)
{
    char what[ERR_TEXT_LEN / 2];
    snprintf(what, sizeof(what), "%s %s", option, path);
    int fd = -1;
    int64_t size = 0;
    int r = open_input(what, path, &fd, &size, e);
    if (r < 0)
        return r;
    if (size < 0) {
        r = read_stream(what, fd, limit, buf, len, e);
        goto out;
    }
    if ((uint64_t)size > limit) {
        r = too_large(what, limit, e);
        goto out;
    }
    uint8_t *b = malloc((size_t)size);
    if (!b) {
        r = err_set(e, ENOMEM, "%s: out of memory", what);
        goto out;
    }
    size_t got = 0;
    r = read_fully(what, fd, b, (size_t)size, &got, e);
    if (r == 0 && got == 0)
        r = err_set(e, ENODATA, "%s: the file is empty", what);
    if (r < 0) {
        free(b);
        goto out;
    }
    *buf = b;
    *len = got;
out:
    close(fd);
    return r;
}

/* Loads at `at` and gives back the first bytes' host address. A regular file is read straight into guest memory. */
static int load_raw(const char *what, const struct ram *ram, struct load_map *m, const char *path,
                    gpa_t at, uint64_t *len, struct err *e)
{
    int fd = -1;
    int64_t size = 0;
    uint8_t *buf = NULL;
    size_t got = 0;
    char where[160];
    const struct ram_region *g = ram_find(ram, at);
    if (!g)
        return err_set(e, EFAULT, "%s: address 0x%" PRIx64 " is not in guest memory (%s)", what, at,
                       ram_text(where, sizeof(where), ram));
    uint8_t *host = g->host + (at - g->base);
    int r = open_input(what, path, &fd, &size, e);
    if (r < 0)
        return r;
    if (size < 0) {
        r = read_stream(what, fd, g->len - (at - g->base), &buf, &got, e);
        if (r == 0)
            r = load_map_add(m, ram, at, got, what, e);
        if (r == 0 && buf)
            memcpy(host, buf, got);
    } else {
        r = load_map_add(m, ram, at, (uint64_t)size, what, e);
        if (r == 0)
            r = read_fully(what, fd, host, (size_t)size, &got, e);
        if (r == 0 && got != (size_t)size)
            r = err_set(e, EIO, "%s: the file shrank while it was read", what);
    }
    if (r == 0)
        *len = got;
    free(buf);
    close(fd);
    return r;
}

int load_binary(const struct ram *r, struct load_map *m, const char *path, gpa_t entry,
                uint64_t *len, struct err *e)
{
    char what[ERR_TEXT_LEN / 2], where[160];
    if (entry & 3)
        return err_set(e, EINVAL,
                       "--entry 0x%" PRIx64 ": must be a multiple of 4, as instructions are", entry);
    /* Flash is memory too, but for firmware, which does not come this way. */
    const struct ram_region *g = ram_find(r, entry);
    if (!g || g->kind != RAM_KIND_RAM)
        return err_set(e, EFAULT, "--entry 0x%" PRIx64 ": is outside guest RAM (%s)", entry,
                       ram_text(where, sizeof(where), r));
    snprintf(what, sizeof(what), "--binary %s", path);
    int rc = load_raw(what, r, m, path, entry, len, e);
    if (rc < 0)
        return rc;
    uint8_t head[4];
    if (*len >= 4 && ram_read(r, entry, head, 4) && memcmp(head, "\177ELF", 4) == 0)
        return err_set(e, ENOEXEC, "%s: is an ELF file, not a raw binary; give it with --kernel", what);
    return 0;
}

int load_blob(const struct ram *r, struct load_map *m, const char *path, gpa_t at, struct err *e)
{
    char what[ERR_TEXT_LEN / 2];
    uint64_t len;
    snprintf(what, sizeof(what), "--load %s", path);
    return load_raw(what, r, m, path, at, &len, e);
}
