/* Named values to a buffer and back. Threading: base/snap.h. */
#include "base/snap.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void snap_begin_save(struct snap *s, struct err *e)
{
    *s = (struct snap){.e = e};
}

void snap_begin_load(struct snap *s, const uint8_t *buf, size_t len, struct err *e)
{
    /* The cast is safe: loading only reads. */
    *s = (struct snap){.loading = true, .buf = (uint8_t *)(uintptr_t)buf, .len = len, .e = e};
}

void snap_free(struct snap *s)
{
    if (!s->loading)
        free(s->buf);
    s->buf = NULL;
}

void snap_fail(struct snap *s, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    if (s->failed)
        return;
    s->failed = true;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err_set(s->e, EINVAL, "%s%s%s", s->part, s->part[0] ? ": " : "", text);
}

/* --- Bytes ------------------------------------------------------------------------------------------------------------- */

static void put(struct snap *s, const void *p, size_t len)
{
    if (s->failed || !p || !len)
        return;
    if (len > s->room - s->len) {
        const size_t room = MAX(2 * s->room, s->len + len + 4096);
        uint8_t *buf = realloc(s->buf, room);
        if (!buf) {
            s->failed = true;
            err_set(s->e, ENOMEM, "out of memory for the machine's state");
            return;
        }
        s->buf = buf;
        s->room = room;
    }
    memcpy(s->buf + s->len, p, len);
    s->len += len;
}

/* The next len bytes of what is read; null, and failed, where there are not so many. */
static const uint8_t *take(struct snap *s, size_t len)
{
    if (s->failed)
        return NULL;
    if (len > s->len - s->at) {
        snap_fail(s, "cut short");
        return NULL;
    }
    const uint8_t *p = s->buf + s->at;
    s->at += len;
    return p;
}

static void put_number(struct snap *s, uint64_t val, unsigned width)
{
    uint8_t b[8];

    for (unsigned i = 0; i < width; i++)
        b[i] = (uint8_t)(val >> (8 * i));
    put(s, b, width);
}

static uint64_t take_number(struct snap *s, unsigned width)
{
    const uint8_t *p = take(s, width);
    uint64_t val = 0;

    for (unsigned i = 0; p && i < width; i++)
        val |= (uint64_t)p[i] << (8 * i);
    return val;
}

/* The host's, of any alignment; hosts are little-endian. */
static uint64_t get(const void *p, unsigned width)
{
    uint64_t val = 0;
    memcpy(&val, p, width);
    return val;
}

/* --- Values ------------------------------------------------------------------------------------------------------------ */

/* What is before the values. Loading: how many there are, which is count unless that is SIZE_MAX. */
static size_t head(struct snap *s, const char *name, unsigned width, size_t count)
{
    const size_t len = strlen(name);

    BUG_ON(!len || len > UINT8_MAX || (!s->loading && count > UINT32_MAX));
    if (!s->loading) {
        put_number(s, len, 1);
        put(s, name, len);
        put_number(s, width, 1);
        put_number(s, count, 4);
        return count;
    }
    const size_t there = (size_t)take_number(s, 1);
    const uint8_t *text = take(s, there);
    if (text && (there != len || memcmp(text, name, len) != 0)) {
        char shown[40];
        size_t n = 0;
        for (; n < MIN(there, sizeof(shown) - 1); n++)
            shown[n] = text[n] >= 0x20 && text[n] < 0x7f ? (char)text[n] : '?';
        shown[n] = 0;
        snap_fail(s, "has \"%s\" where this build has \"%s\"", shown, name);
    }
    const unsigned w = (unsigned)take_number(s, 1);
    const size_t n = (size_t)take_number(s, 4);
    if (!s->failed && (w != width || (count != SIZE_MAX && n != count)))
        snap_fail(s, "%s: %zu values of %u bytes, where this build has %zu of %u", name, n, w,
                  count == SIZE_MAX ? n : count, width);
    return s->failed ? 0 : n;
}

void snap_part(struct snap *s, const char *name, int index)
{
    uint32_t number = index < 0 ? UINT32_MAX : (uint32_t)index;

    if (!s->failed) {
        if (index < 0)
            snprintf(s->part, sizeof(s->part), "%s", name);
        else
            snprintf(s->part, sizeof(s->part), "%s %d", name, index);
    }
    head(s, name, 4, 1);
    if (!s->loading)
        put_number(s, number, 4);
    else if (take_number(s, 4) != number)
        snap_fail(s, "is of another number");
}

void snap_end_load(struct snap *s)
{
    s->part[0] = 0;
    if (!s->failed && s->at != s->len)
        snap_fail(s, "%zu bytes behind the last value", s->len - s->at);
}

void snap_numbers(struct snap *s, const char *name, void *p, unsigned width, size_t count, uint64_t max)
{
    uint8_t *to = p;

    head(s, name, width, count);
    for (size_t i = 0; i < count && !s->failed; i++, to += width) {
        if (!s->loading) {
            put(s, to, width);
            continue;
        }
        const uint64_t val = take_number(s, width);
        if (val > max)
            snap_fail(s, "%s: 0x%" PRIx64 " is more than the 0x%" PRIx64 " that is possible", name,
                      val, max);
        if (!s->failed)
            memcpy(to, &val, width);
    }
}

void snap_masked(struct snap *s, const char *name, void *p, unsigned width, uint64_t mask)
{
    uint64_t val = get(p, width);

    snap_numbers(s, name, &val, width, 1, UINT64_MAX);
    if (s->loading && !s->failed && (val & ~mask))
        snap_fail(s, "%s: 0x%" PRIx64 " has bits that are always 0", name, val);
    if (s->loading && !s->failed)
        memcpy(p, &val, width);
}

void snap_same(struct snap *s, const char *name, uint64_t val)
{
    uint64_t there = val;

    snap_numbers(s, name, &there, sizeof(there), 1, UINT64_MAX);
    if (!s->failed && there != val)
        snap_fail(s, "%s is 0x%" PRIx64 " there and 0x%" PRIx64 " here", name, there, val);
}

void snap_file(struct snap *s, const char *name, int fd, const char *path)
{
    struct stat st = {0};
    uint64_t val[2] = {0};

    if (fd >= 0 && !fstat(fd, &st)) {
        val[0] = (uint64_t)st.st_size + 1;
        val[1] = S_ISBLK(st.st_mode) ? 0 : os_file_mtime_ns(&st);
    }
    const uint64_t here[2] = {val[0], val[1]};
    snap_numbers(s, name, val, sizeof(val[0]), 2, UINT64_MAX);
    if (s->failed || (val[0] == here[0] && val[1] == here[1]))
        return;
    if (!val[0] || !here[0])
        snap_fail(s, "%s where there is none", val[0] ? "had a file" : "has a file");
    else
        snap_fail(s, "%.150s has changed since", path);
}

static void save_blob(struct snap *s, const char *name, const void *p, size_t len)
{
    put(s, p, head(s, name, 1, len));
}

static void load_blob(struct snap *s, const char *name, uint8_t **p, size_t *len, size_t max)
{
    const size_t n = head(s, name, 1, SIZE_MAX);

    *p = NULL;
    *len = 0;
    if (n > max)
        snap_fail(s, "%s: %zu bytes, where %zu are possible", name, n, max);
    const uint8_t *from = take(s, n);
    if (!from)
        return;
    *p = malloc(n + 1);
    if (!*p) {
        s->failed = true;
        err_set(s->e, ENOMEM, "out of memory for the machine's state");
        return;
    }
    memcpy(*p, from, n);
    (*p)[n] = 0;
    *len = n;
}

void snap_blob(struct snap *s, const char *name, uint8_t **p, size_t *len, size_t max)
{
    if (s->loading)
        load_blob(s, name, p, len, max);
    else
        save_blob(s, name, *p, *len);
}

static void load_string(struct snap *s, const char *name, bool there, char **text, size_t max)
{
    uint8_t *bytes = NULL;
    size_t len = 0;

    *text = NULL;
    load_blob(s, name, &bytes, &len, max);
    if (bytes && strlen((char *)bytes) != len)
        snap_fail(s, "%s has a zero in it", name);
    if (there && !s->failed)
        *text = (char *)bytes;
    else
        free(bytes);
}

void snap_string(struct snap *s, const char *name, char **text, size_t max)
{
    uint8_t there = *text != NULL;

    snap_numbers(s, name, &there, 1, 1, 1);
    if (s->loading)
        load_string(s, name, there, text, max);
    else
        save_blob(s, name, *text, *text ? strlen(*text) : 0);
}
