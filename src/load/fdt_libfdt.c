/* The part of load/fdt.h that calls libfdt, and what a build without it answers. Threading: load/fdt.h. */
#include "load/fdt.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>

#if HAVE_LIBFDT

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LEN ((size_t)16 << 10)

struct fdt_ctx {
    void *buf;
    size_t len;
    unsigned depth; /* open nodes */
    int error;      /* the first of libfdt's; nothing is written after it */
};

/* --- Writing -------------------------------------------------------------------------------------------------------- */

/* Whether libfdt's answer r asks to try again, in a buffer that has grown. */
static bool again(struct fdt_ctx *f, int r)
{
    if (r == 0)
        return false;
    if (r == -FDT_ERR_NOSPACE) {
        void *grown = malloc(f->len * 2);
        if (grown) {
            if (fdt_resize(f->buf, grown, (int)(f->len * 2)) == 0) {
                free(f->buf);
                f->buf = grown;
                f->len *= 2;
                return true;
            }
            free(grown);
        }
    }
    f->error = r;
    return false;
}

/* A call of libfdt's sequential writer, which leaves the tree as it was when there is no room. */
#define WRITE(f, call)                                                                             \
    do {                                                                                           \
    } while (!(f)->error && again((f), (call)))

int dt_create(struct fdt_ctx **out, struct err *e)
{
    struct fdt_ctx *f = calloc(1, sizeof(*f));

    if (f)
        f->buf = malloc(f->len = FIRST_LEN);
    if (!f || !f->buf) {
        free(f);
        return err_set(e, ENOMEM, "out of memory for the device tree");
    }
    WRITE(f, fdt_create(f->buf, (int)f->len));
    WRITE(f, fdt_finish_reservemap(f->buf));
    dt_begin(f, "");
    *out = f;
    return 0;
}

int dt_finish(struct fdt_ctx *f, uint8_t **blob, size_t *len, struct err *e)
{
    int r;

    dt_end(f);
    BUG_ON(f->depth);
    WRITE(f, fdt_finish(f->buf));
    r = f->error;
    *blob = r ? NULL : f->buf;
    *len = r ? 0 : fdt_totalsize(f->buf);
    if (r) {
        free(f->buf);
        r = err_set(e, ENOMEM, "device tree: %s", fdt_strerror(r));
    }
    free(f);
    return r;
}

void dt_begin(struct fdt_ctx *f, const char *name)
{
    f->depth++;
    WRITE(f, fdt_begin_node(f->buf, name));
}

void dt_end(struct fdt_ctx *f)
{
    BUG_ON(!f->depth--);
    WRITE(f, fdt_end_node(f->buf));
}

void dt_bytes(struct fdt_ctx *f, const char *name, const void *bytes, size_t len)
{
    BUG_ON(len > DT_MAX_LEN);
    WRITE(f, fdt_property(f->buf, name, bytes, (int)len));
}

/* --- Trees from outside --------------------------------------------------------------------------------------------- */

static int set_chosen(void *fdt, const struct dt_chosen *c)
{
    int node = fdt_path_offset(fdt, "/chosen"), r = 0;

    if (node == -FDT_ERR_NOTFOUND)
        node = fdt_add_subnode(fdt, 0, "chosen");
    if (node < 0)
        return node;
    if (c->bootargs)
        r = fdt_setprop_string(fdt, node, "bootargs", c->bootargs);
    if (r == 0 && c->initrd_len)
        r = fdt_setprop_u64(fdt, node, "linux,initrd-start", c->initrd);
    if (r == 0 && c->initrd_len)
        r = fdt_setprop_u64(fdt, node, "linux,initrd-end", c->initrd + c->initrd_len);
    return r;
}

int dt_adapt(const uint8_t *buf, size_t len, const struct dt_chosen *c, uint8_t **blob,
             size_t *blob_len, struct err *e)
{
    *blob = NULL;
    *blob_len = 0;
    if (len < sizeof(struct fdt_header) || fdt_magic(buf) != FDT_MAGIC)
        return err_set(e, ENOEXEC, "not a device tree blob; make one of its source: dtc -O dtb");
    if (len > DT_MAX_LEN || fdt_totalsize(buf) > DT_MAX_LEN)
        return err_set(e, EFBIG, "larger than the 2 MiB that a device tree may have");
    /* fdt_check_full() takes for granted that properties can be read where they lie. */
    if (fdt_version(buf) < 16)
        return err_set(e, ENOEXEC, "a device tree blob of version %u; dtc -O dtb makes 17",
                       fdt_version(buf));
    /* libfdt reads fields where they lie: the copy is aligned, the caller's bytes need not be. */
    const size_t room = DT_MAX_LEN + (c->bootargs ? strlen(c->bootargs) : 0) + 4096;
    uint8_t *copy = malloc(len), *out = malloc(room);
    int r = copy && out ? 0 : err_set(e, ENOMEM, "out of memory");
    if (r == 0) {
        memcpy(copy, buf, len);
        r = fdt_check_full(copy, len);
        if (r && fdt_totalsize(copy) > len)
            r = err_set(e, ENOEXEC, "truncated: it says that it has %u bytes, the file has %zu",
                        fdt_totalsize(copy), len);
        else if (r)
            r = err_set(e, ENOEXEC, "damaged device tree: %s", fdt_strerror(r));
    }
    if (r == 0) {
        r = fdt_open_into(copy, out, (int)room);
        if (r == 0)
            r = set_chosen(out, c);
        if (r == 0)
            r = fdt_pack(out);
        if (r)
            r = err_set(e, ENOEXEC, "damaged device tree: %s", fdt_strerror(r));
    }
    if (r == 0 && fdt_totalsize(out) > DT_MAX_LEN)
        r = err_set(e, EFBIG, "larger than 2 MiB with the command line added");
    free(copy);
    if (r) {
        free(out);
        return r;
    }
    *blob = out;
    *blob_len = fdt_totalsize(out);
    return 0;
}

#else

static const char no_libfdt[] =
    "this build has no libfdt and knows no device trees; install it (Debian: libfdt-dev) and build again";

static int without_libfdt(struct err *e)
{
    return err_set(e, ENOTSUP, "%s", no_libfdt);
}

int dt_create(struct fdt_ctx **f, struct err *e)
{
    *f = NULL;
    return without_libfdt(e);
}

int dt_adapt(const uint8_t *buf, size_t len, const struct dt_chosen *c, uint8_t **blob,
             size_t *blob_len, struct err *e)
{
    (void)buf;
    (void)len;
    (void)c;
    *blob = NULL;
    *blob_len = 0;
    return without_libfdt(e);
}

/* dt_create() failed: nobody has a tree to call the others with. */

int dt_finish(struct fdt_ctx *f, uint8_t **blob, size_t *len, struct err *e)
{
    (void)f;
    (void)blob;
    (void)len;
    (void)e;
    BUG("%s", no_libfdt);
}

void dt_begin(struct fdt_ctx *f, const char *name)
{
    (void)f;
    (void)name;
    BUG("%s", no_libfdt);
}

void dt_end(struct fdt_ctx *f)
{
    (void)f;
    BUG("%s", no_libfdt);
}

void dt_bytes(struct fdt_ctx *f, const char *name, const void *bytes, size_t len)
{
    (void)f;
    (void)name;
    (void)bytes;
    (void)len;
    BUG("%s", no_libfdt);
}

#endif
