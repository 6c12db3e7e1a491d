/* Writing, opening and verifying the file. Threading and format: vm/snapshot_file.h, docs/snapshots.md. */
#include "vm/snapshot_file.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the format is little-endian and its headers are used in place");

#define MAGIC "vibesnap"
#define HEADER_LEN 4096u
#define PAGE 4096u              /* zero ones are holes */
#define MEMORY_ALIGN 65536u     /* of memory in the file: no host's pages are larger */
#define META_MAX (256u << 20)   /* of sections and table: what a file can make us allocate */
#define PROGRESS_NS 2000000000u /* how often somebody wants to know how far it is */

struct header {
    char magic[8];
    uint32_t version, header_len;
    uint64_t file_len;
    uint64_t memory_off; /* where memory begins; before it, from header_len on, sections and table */
    uint32_t chunk_len, nr_sections;
    uint32_t nr_regions, reserved;
    struct {
        uint64_t base, len, kind;                /* enum ram_kind */
    } region[RAM_MAX_REGIONS];                   /* one behind the other from memory_off on */
    uint64_t section_len[SNAPSHOT_MAX_SECTIONS]; /* one behind the other from header_len on */
    uint64_t table_off; /* behind the last; of each chunk of memory the hash, 0 where it is zeros */
    char program[128];
    uint64_t meta_hash; /* of [header_len, memory_off) */
    uint8_t unused[HEADER_LEN - 1416];
    uint64_t hash; /* of what is before it */
};
_Static_assert(sizeof(struct header) == HEADER_LEN, "the format");

struct snapshot {
    const char *path;
    int fd;
    struct header h;
    uint8_t *meta; /* [header_len, memory_off) */
    const uint64_t *table;
    uint64_t memory_len;
};

/* The hash in the table: 0 is for chunks of zeros. */
static uint64_t chunk_hash(const void *p)
{
    const uint64_t h = hash64(p, SNAPSHOT_CHUNK);
    return h ? h : 1;
}

static bool is_zero(const uint8_t *p, size_t len)
{
    for (; len; p += 64, len -= 64) {
        uint64_t w[8], any = 0;
        memcpy(w, p, sizeof(w));
        for (unsigned i = 0; i < 8; i++)
            any |= w[i];
        if (any)
            return false;
    }
    return true;
}

/* --- Writing ----------------------------------------------------------------------------------------------------------- */

struct writer {
    const struct snapshot_image *image;
    int fd;
    struct header h;
    uint8_t *meta;
    uint64_t *table;
    uint64_t memory_len, done, told_ns;
};

static int write_all(int fd, const void *buf, size_t len, uint64_t off)
{
    const uint8_t *p = buf;

    while (len) {
        const ssize_t n = pwrite(fd, p, len, (off_t)off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : -EIO;
        p += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static void tell_progress(struct writer *w)
{
    const uint64_t now = os_now_ns();

    if (!w->image->progress || now - w->told_ns < PROGRESS_NS)
        return;
    w->told_ns = now;
    w->image->progress(w->image->opaque, (unsigned)(w->done * 100 / w->memory_len));
}

/* One chunk: its hash, and its pages that are not zeros, neighbours together. */
static int write_chunk(struct writer *w, const uint8_t *p, uint64_t off)
{
    size_t run = 0;
    bool any = false;
    int r = 0;

    for (size_t at = 0; at <= SNAPSHOT_CHUNK && !r; at += PAGE) {
        const bool data = at < SNAPSHOT_CHUNK && !is_zero(p + at, PAGE);
        any |= data;
        if (data) {
            run += PAGE;
        } else if (run) {
            r = write_all(w->fd, p + at - run, run, w->h.memory_off + off + at - run);
            run = 0;
        }
    }
    w->table[off / SNAPSHOT_CHUNK] = any ? chunk_hash(p) : 0;
    return r;
}

static int write_memory(struct writer *w)
{
    const struct ram *ram = w->image->ram;
    uint64_t base = 0;
    int r = 0;

    for (unsigned i = 0; i < ram->nr_regions && !r; base += ram->region[i++].len) {
        const struct ram_region *g = &ram->region[i];
        uint64_t at = 0;
        for (uint64_t from = 0, to; !r && ram_next_data(g, &from, &to); from = to)
            for (at = MAX(at, align_down(from, SNAPSHOT_CHUNK)); at < to && !r; at += SNAPSHOT_CHUNK) {
                r = write_chunk(w, g->host + at, base + at);
                w->done = base + at;
                tell_progress(w);
            }
    }
    return r;
}

/* Header and sections, but for what is known only when memory has been written. */
static int prepare(struct writer *w)
{
    const struct snapshot_image *m = w->image;
    struct header *h = &w->h;
    uint64_t at = HEADER_LEN;

    *h = (struct header){.magic = {0},
                         .version = SNAPSHOT_VERSION,
                         .header_len = HEADER_LEN,
                         .chunk_len = SNAPSHOT_CHUNK,
                         .nr_sections = m->nr_sections,
                         .nr_regions = m->ram->nr_regions};
    memcpy(h->magic, MAGIC, sizeof(h->magic));
    snprintf(h->program, sizeof(h->program), "%s", m->program);
    for (unsigned i = 0; i < m->nr_sections; i++)
        at += h->section_len[i] = m->section[i].len;
    for (unsigned i = 0; i < m->ram->nr_regions; i++) {
        const struct ram_region *g = &m->ram->region[i];
        h->region[i].base = g->base;
        h->region[i].len = g->len;
        h->region[i].kind = g->kind;
        w->memory_len += g->len;
    }
    h->table_off = align_up(at, sizeof(uint64_t));
    at = h->table_off + w->memory_len / SNAPSHOT_CHUNK * sizeof(uint64_t);
    h->memory_off = align_up(at, MEMORY_ALIGN);
    h->file_len = h->memory_off + w->memory_len;
    if (h->memory_off > META_MAX)
        return -EFBIG;
    w->meta = calloc(1, (size_t)(h->memory_off - HEADER_LEN));
    if (!w->meta)
        return -ENOMEM;
    uint8_t *p = w->meta;
    for (unsigned i = 0; i < m->nr_sections; p += m->section[i++].len)
        if (m->section[i].len)
            memcpy(p, m->section[i].bytes, m->section[i].len);
    w->table = (uint64_t *)(void *)(w->meta + (h->table_off - HEADER_LEN));
    return 0;
}

static int write_file(struct writer *w)
{
    struct header *h = &w->h;
    const size_t meta_len = (size_t)(h->memory_off - HEADER_LEN);
    int r = ftruncate(w->fd, (off_t)h->file_len) ? -errno : 0;

    if (r || (r = write_memory(w)))
        return r;
    h->meta_hash = hash64(w->meta, meta_len);
    h->hash = hash64(h, offsetof(struct header, hash));
    if ((r = write_all(w->fd, w->meta, meta_len, HEADER_LEN)) || (r = write_all(w->fd, h, sizeof(*h), 0)))
        return r;
    return os_file_sync(w->fd);
}

/* The new name is on the disk too. Not every file system can say so. */
static void sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    const int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    free(folder);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

/* A file beside path, with a name of its own, for its owner alone: all that the guest knows is in it. *name is malloc'd; a descriptor or -errno. */
static int make_temporary(const char *path, char **name)
{
    const size_t len = strlen(path) + sizeof(".XXXXXX");

    *name = malloc(len);
    if (!*name)
        return -ENOMEM;
    snprintf(*name, len, "%s.XXXXXX", path);
    const int fd = mkstemp(*name);
    if (fd < 0)
        return -errno;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

int snapshot_check_place(const char *path, struct err *e)
{
    char *name;
    const int fd = make_temporary(path, &name);

    if (fd >= 0) {
        unlink(name);
        close(fd);
    }
    free(name);
    return fd < 0 ? err_set(e, -fd, "%s: %s", path, strerror(-fd)) : 0;
}

int snapshot_write(const char *path, const struct snapshot_image *image, struct err *e)
{
    struct writer w = {.image = image, .fd = -1, .told_ns = os_now_ns()};
    char *name = NULL;

    BUG_ON(image->nr_sections > SNAPSHOT_MAX_SECTIONS);
    int r = prepare(&w);
    if (!r) {
        w.fd = make_temporary(path, &name);
        r = w.fd < 0 ? w.fd : 0;
    }
    if (!r) {
        r = write_file(&w);
        if (!r && rename(name, path))
            r = -errno;
        if (r)
            unlink(name);
        else
            sync_folder_of(path);
    }
    if (w.fd >= 0)
        close(w.fd);
    free(w.meta);
    free(name);
    return r ? err_set(e, -r, "%s: %s", path, strerror(-r)) : 0;
}

/* --- Opening ----------------------------------------------------------------------------------------------------------- */

static int refuse(const struct snapshot *s, struct err *e, const char *why)
{
    return err_set(e, EINVAL, "%s %s", s->path, why);
}

static int read_all(const struct snapshot *s, void *buf, size_t len, uint64_t off, struct err *e)
{
    uint8_t *p = buf;

    while (len) {
        const ssize_t n = pread(s->fd, p, len, (off_t)off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, errno, "%s: %s", s->path, strerror(errno));
        if (!n)
            return refuse(s, e, "is cut short; save it again");
        p += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* Nobody else's: it names files of the host, which are opened as the user who loads it. */
static int check_file(const struct snapshot *s, uint64_t *len, struct err *e)
{
    struct stat st;

    if (fstat(s->fd, &st))
        return err_set(e, errno, "%s: %s", s->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(s, e, "is not a file");
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(e, EPERM,
                       "%s belongs to another user, and names files that it would have you open; make a copy if you trust it",
                       s->path);
    *len = (uint64_t)st.st_size;
    return 0;
}

/* Every number in the header, so that what follows need not look. */
static bool header_fits(struct snapshot *s)
{
    const struct header *h = &s->h;
    uint64_t at = HEADER_LEN;

    if (h->header_len != HEADER_LEN || h->chunk_len != SNAPSHOT_CHUNK ||
        h->nr_sections > SNAPSHOT_MAX_SECTIONS || h->nr_regions > RAM_MAX_REGIONS ||
        h->memory_off > META_MAX || h->memory_off < HEADER_LEN || h->memory_off % MEMORY_ALIGN)
        return false;
    for (unsigned i = 0; i < h->nr_sections; at += h->section_len[i++])
        if (h->section_len[i] > h->memory_off - at)
            return false;
    for (unsigned i = 0; i < h->nr_regions; s->memory_len += h->region[i++].len)
        if (h->region[i].len % MEMORY_ALIGN || h->region[i].len > INT64_MAX / 16)
            return false;
    return h->table_off == align_up(at, sizeof(uint64_t)) && h->table_off <= h->memory_off &&
           s->memory_len / SNAPSHOT_CHUNK <= (h->memory_off - h->table_off) / sizeof(uint64_t) &&
           h->file_len == h->memory_off + s->memory_len;
}

static int check_header(struct snapshot *s, uint64_t len, struct err *e)
{
    const struct header *h = &s->h;

    if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0)
        return refuse(s, e, "is no snapshot of vibevmm");
    if (len < HEADER_LEN)
        return refuse(s, e, "is cut short; save or copy it again");
    if (h->version != SNAPSHOT_VERSION)
        return err_set(e, EINVAL,
                       "%s has version %" PRIu32
                       " of the format, and this vibevmm knows %u; save it again by this one",
                       s->path, h->version, SNAPSHOT_VERSION);
    if (h->hash != hash64(h, offsetof(struct header, hash)) || !header_fits(s) ||
        !memchr(h->program, 0, sizeof(h->program)))
        return refuse(s, e, "is damaged: its header; save it again");
    if (len < h->file_len)
        return err_set(e, EINVAL,
                       "%s is cut short: %" PRIu64 " bytes of %" PRIu64 "; save or copy it again",
                       s->path, len, h->file_len);
    return len > h->file_len ? refuse(s, e, "is damaged: longer than it was; save it again") : 0;
}

int snapshot_open(struct snapshot **out, const char *path, struct err *e)
{
    struct snapshot *s = calloc(1, sizeof(*s));
    uint64_t len = 0;
    int r;

    if (!s)
        return err_set(e, ENOMEM, "out of memory");
    s->path = path;
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0)
        r = err_set(e, errno, "%s: %s", path, strerror(errno));
    else
        r = check_file(s, &len, e);
    if (r || (r = read_all(s, &s->h, MIN((size_t)len, sizeof(s->h)), 0, e)) ||
        (r = check_header(s, len, e)))
        goto fail;
    const size_t meta_len = (size_t)(s->h.memory_off - HEADER_LEN);
    s->meta = malloc(meta_len + 1);
    if (!s->meta) {
        r = err_set(e, ENOMEM, "out of memory");
        goto fail;
    }
    if ((r = read_all(s, s->meta, meta_len, HEADER_LEN, e)))
        goto fail;
    if (hash64(s->meta, meta_len) != s->h.meta_hash) {
        r = refuse(s, e, "is damaged: the machine's state; save it again");
        goto fail;
    }
    s->table = (const uint64_t *)(const void *)(s->meta + (s->h.table_off - HEADER_LEN));
    *out = s;
    return 0;
fail:
    snapshot_close(s);
    return r;
}

void snapshot_close(struct snapshot *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s->meta);
    free(s);
}

const char *snapshot_path(const struct snapshot *s)
{
    return s->path;
}

const char *snapshot_program(const struct snapshot *s)
{
    return s->h.program;
}

const uint8_t *snapshot_section(const struct snapshot *s, unsigned n, size_t *len)
{
    const uint8_t *p = s->meta;

    if (n >= s->h.nr_sections)
        return NULL;
    for (unsigned i = 0; i < n; i++)
        p += s->h.section_len[i];
    *len = (size_t)s->h.section_len[n];
    return p;
}

/* --- Memory ------------------------------------------------------------------------------------------------------------ */

int snapshot_map(const struct snapshot *s, struct ram *ram, struct err *e)
{
    const struct header *h = &s->h;
    uint64_t off = h->memory_off;
    bool same = h->nr_regions == ram->nr_regions;

    for (unsigned i = 0; same && i < ram->nr_regions; i++)
        same = h->region[i].base == ram->region[i].base && h->region[i].len == ram->region[i].len &&
               h->region[i].kind == (uint64_t)ram->region[i].kind;
    if (!same)
        return refuse(s, e, "is of a machine with other memory");
    for (unsigned i = 0; i < ram->nr_regions; off += h->region[i++].len) {
        const int r = ram_map_file(ram, h->region[i].base, s->fd, off, e);
        if (r)
            return err_prefix(e, "%s", s->path);
    }
    return 0;
}

/* [*from, *to): where the file may have data; offsets in memory. As ram_next_data(). */
static bool next_data(const struct snapshot *s, uint64_t *from, uint64_t *to)
{
    if (*from >= s->memory_len)
        return false;
    *to = s->memory_len;
    const off_t data = lseek(s->fd, (off_t)(s->h.memory_off + *from), SEEK_DATA),
                hole = data < 0 ? data : lseek(s->fd, data, SEEK_HOLE);
    if (data < 0)
        return errno != ENXIO;
    *from = (uint64_t)data - s->h.memory_off;
    if (hole >= 0)
        *to = MIN((uint64_t)hole - s->h.memory_off, s->memory_len);
    return true;
}

static int bad_memory(const struct snapshot *s, uint64_t at, struct err *e)
{
    const struct header *h = &s->h;
    unsigned i = 0;

    for (; i + 1 < h->nr_regions && at >= h->region[i].len; i++)
        at -= h->region[i].len;
    return err_set(e, EINVAL,
                   "%s is damaged: guest memory at 0x%" PRIx64
                   " is not what was saved; save or copy it again",
                   s->path, h->region[i].base + at);
}

/* Chunks [from, to) of memory, which is mapped at p. */
static int verify_chunks(const struct snapshot *s, const uint8_t *p, uint64_t from, uint64_t to,
                         struct err *e)
{
    for (; from < to; from += SNAPSHOT_CHUNK) {
        const uint64_t hash = s->table[from / SNAPSHOT_CHUNK];
        const bool good = hash ? chunk_hash(p + from) == hash : is_zero(p + from, SNAPSHOT_CHUNK);
        if (!good)
            return bad_memory(s, from, e);
    }
    return 0;
}

/* There are no data in [from, to): none were there. */
static int verify_hole(const struct snapshot *s, uint64_t from, uint64_t to, struct err *e)
{
    for (; from < to; from += SNAPSHOT_CHUNK)
        if (s->table[from / SNAPSHOT_CHUNK])
            return bad_memory(s, from, e);
    return 0;
}

int snapshot_verify(const struct snapshot *s, struct err *e)
{
    uint64_t done = 0;
    int r = 0;

    if (!s->memory_len)
        return 0;
    uint8_t *p = mmap(NULL, (size_t)s->memory_len, PROT_READ, MAP_SHARED, s->fd, (off_t)s->h.memory_off);
    if (p == MAP_FAILED)
        return err_set(e, errno, "%s: %s", s->path, strerror(errno));
    for (uint64_t from = 0, to; !r && next_data(s, &from, &to); from = to) {
        const uint64_t first = MAX(done, align_down(from, SNAPSHOT_CHUNK));
        r = verify_hole(s, done, first, e);
        done = align_up(to, SNAPSHOT_CHUNK);
        if (!r)
            r = verify_chunks(s, p, first, done, e);
    }
    if (!r)
        r = verify_hole(s, done, s->memory_len, e);
    munmap(p, (size_t)s->memory_len);
    return r;
}
