/* Compressed kernels. Threading and formats: load/image.h. */
#include "load/image.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#if HAVE_ZLIB
#include <zlib.h>
#endif
#if HAVE_ZSTD
#include <zstd.h>
#endif

/* A kernel within EFI zboot within a compressed file. */
#define MAX_LAYERS 3

#define FIRST_LEN ((size_t)16 << 20)

struct output {
    uint8_t *buf;
    size_t len, room;
    uint64_t limit;
};

static int check_limit(const struct output *o, struct err *e)
{
    if (o->len > o->limit)
        return err_set(e, EFBIG, "unpacked it is larger than the %" PRIu64 " MiB that fit here",
                       o->limit >> 20);
    return 0;
}

#if HAVE_ZLIB || HAVE_ZSTD
/* More room, once it is used up; up to one byte above the limit, so that reaching it shows. */
static int grow(struct output *o, struct err *e)
{
    const int r = check_limit(o, e);
    if (r < 0)
        return r;
    if (o->len < o->room)
        return 0;
    const size_t room = (size_t)MIN(MAX(FIRST_LEN, (uint64_t)o->room * 2), o->limit + 1);
    uint8_t *grown = realloc(o->buf, room);
    if (!grown)
        return err_set(e, ENOMEM, "out of memory");
    o->buf = grown;
    o->room = room;
    return 0;
}
#endif

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool is_gzip(const uint8_t *buf, size_t len)
{
    return len >= 3 && buf[0] == 0x1f && buf[1] == 0x8b && buf[2] == 8;
}

static bool is_zstd(const uint8_t *buf, size_t len)
{
    return len >= 4 && get32(buf) == 0xfd2fb528;
}

#if HAVE_ZLIB
static int unpack_gzip(const uint8_t *buf, size_t len, struct output *o, struct err *e)
{
    z_stream z = {0};
    int r = 0, zr;

    if (len > UINT32_MAX)
        return err_set(e, EFBIG, "more than 4 GiB of gzip data");
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return err_set(e, ENOMEM, "out of memory");
    /* zlib's type has no const; it only reads. */
    z.next_in = (uint8_t *)(uintptr_t)buf;
    z.avail_in = (uInt)len;
    for (;;) {
        if ((r = grow(o, e)) < 0)
            break;
        const uInt room = (uInt)MIN(o->room - o->len, (size_t)1 << 30);
        z.next_out = o->buf + o->len;
        z.avail_out = room;
        zr = inflate(&z, Z_NO_FLUSH);
        o->len += room - z.avail_out;
        if (zr == Z_STREAM_END) {
            /* Several members are one file; what else follows is padding. */
            if (z.avail_in < 2 || z.next_in[0] != 0x1f || z.next_in[1] != 0x8b)
                break;
            inflateReset(&z);
        } else if (zr == Z_BUF_ERROR || (zr == Z_OK && !z.avail_in && z.avail_out)) {
            r = err_set(e, ENOEXEC, "truncated gzip data");
            break;
        } else if (zr != Z_OK) {
            r = err_set(e, ENOEXEC, "damaged gzip data: %s", z.msg ? z.msg : zError(zr));
            break;
        }
    }
    inflateEnd(&z);
    return r;
}
#else
static int unpack_gzip(const uint8_t *buf, size_t len, struct output *o, struct err *e)
{
    (void)buf;
    (void)len;
    (void)o;
    return err_set(e, ENOTSUP,
                   "gzip-compressed, and this build has no zlib: unpack it by gzip -d, or install zlib "
                   "(Debian: zlib1g-dev) and build again");
}
#endif

#if HAVE_ZSTD
static int unpack_zstd(const uint8_t *buf, size_t len, struct output *o, struct err *e)
{
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {buf, len, 0};
    size_t zr = 1;
    int r = z ? 0 : err_set(e, ENOMEM, "out of memory");

    while (r == 0 && (in.pos < in.size || zr != 0)) {
        if ((r = grow(o, e)) < 0)
            break;
        ZSTD_outBuffer out = {o->buf, o->room, o->len};
        const size_t in_before = in.pos, out_before = o->len;
        zr = ZSTD_decompressStream(z, &out, &in);
        o->len = out.pos;
        if (ZSTD_isError(zr))
            r = err_set(e, ENOEXEC, "damaged zstd data: %s", ZSTD_getErrorName(zr));
        else if (in.pos == in_before && o->len == out_before && o->len < o->room)
            r = err_set(e, ENOEXEC, "truncated zstd data");
        else if (zr == 0 && !is_zstd(buf + in.pos, len - in.pos))
            break; /* padding, or the length that the kernel's build appends */
    }
    ZSTD_freeDStream(z);
    return r;
}
#else
static int unpack_zstd(const uint8_t *buf, size_t len, struct output *o, struct err *e)
{
    (void)buf;
    (void)len;
    (void)o;
    return err_set(e, ENOTSUP,
                   "zstd-compressed, and this build has no libzstd: unpack it by zstd -d, or install it "
                   "(Debian: libzstd-dev) and build again");
}
#endif

/* A PE program whose DOS header tells where the kernel in it is, and how it is packed. */
static bool is_zboot(const uint8_t *buf, size_t len)
{
    return len >= 56 && memcmp(buf, "MZ", 2) == 0 && memcmp(buf + 4, "zimg", 4) == 0;
}

static int unpack_zboot(const uint8_t *buf, size_t len, struct output *o, struct err *e)
{
    const size_t at = get32(buf + 8), n = get32(buf + 12);
    const char *method = (const char *)buf + 24;

    if (at > len || n > len - at)
        return err_set(e, ENOEXEC,
                       "damaged EFI zboot kernel: what it holds reaches beyond the file's %zu bytes",
                       len);
    if (memcmp(method, "gzip", 5) == 0 && is_gzip(buf + at, n))
        return unpack_gzip(buf + at, n, o, e);
    if (memcmp(method, "zstd", 5) == 0 && is_zstd(buf + at, n))
        return unpack_zstd(buf + at, n, o, e);
    return err_set(e, ENOEXEC,
                   "an EFI zboot kernel packed by \"%.31s\"; gzip and zstd are known. Unpack it, or run it "
                   "from firmware",
                   method);
}

int kernel_unpack(uint8_t **buf, size_t *len, uint64_t limit, struct err *e)
{
    for (unsigned layer = 0;; layer++) {
        struct output o = {.limit = MIN(limit, LINUX_IMAGE_MAX)};
        int r;

        if (is_gzip(*buf, *len))
            r = unpack_gzip(*buf, *len, &o, e);
        else if (is_zstd(*buf, *len))
            r = unpack_zstd(*buf, *len, &o, e);
        else if (is_zboot(*buf, *len))
            r = unpack_zboot(*buf, *len, &o, e);
        else
            return 0;
        if (r == 0)
            r = check_limit(&o, e);
        if (r == 0 && layer == MAX_LAYERS)
            r = err_set(e, ENOEXEC, "compressed more than %d times over", MAX_LAYERS);
        if (r == 0 && o.len == 0)
            r = err_set(e, ENODATA, "unpacked it is empty");
        if (r < 0) {
            free(o.buf);
            return r;
        }
        free(*buf);
        *buf = o.buf;
        *len = o.len;
    }
}
