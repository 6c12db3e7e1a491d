/* QEMU's fw_cfg over MMIO: selector, data and DMA. Threading and specification: dev/fw_cfg.h. */
#include "dev/fw_cfg.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/snap.h"
#include "load/fdt.h"
#include "mem/ram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ID_TRADITIONAL 1u
#define ID_DMA 2u
#define DMA_SIGNATURE UINT64_C(0x51454d5520434647) /* "QEMU CFG" */

/* The control word of a DMA request; bits 31:16 are the key to select. */
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };

struct fw_cfg {
    struct device dev;
    const struct ram *ram;
    struct {
        uint8_t *bytes;
        size_t len;
    } item[FW_CFG_NR_KEYS];
    uint16_t key;
    uint64_t at;       /* in the selected item; beyond its end everything is 0 */
    uint32_t dma_high; /* the upper half of a request's address */
};

static struct fw_cfg *fw_cfg_of(struct device *d)
{
    return CONTAINER_OF(d, struct fw_cfg, dev);
}

static uint64_t swap(uint64_t v, unsigned size)
{
    return __builtin_bswap64(v) >> (64 - 8 * size);
}

static void select_item(struct fw_cfg *f, uint16_t key)
{
    f->key = key;
    f->at = 0;
}

/* What is left of the selected item. */
static size_t rest(const struct fw_cfg *f)
{
    const size_t len = f->key < FW_CFG_NR_KEYS ? f->item[f->key].len : 0;
    return f->at < len ? len - (size_t)f->at : 0;
}

static uint64_t read_data(struct device *d, uint32_t off, unsigned size)
{
    struct fw_cfg *f = fw_cfg_of(d);
    const unsigned n = (unsigned)MIN(rest(f), (size_t)size);
    uint64_t val = 0;

    (void)off;
    for (unsigned i = 0; i < n; i++)
        val |= (uint64_t)f->item[f->key].bytes[f->at + i] << (8 * i);
    f->at += size;
    return val;
}

static void write_selector(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)off;
    select_item(fw_cfg_of(d), (uint16_t)swap(val, size));
}

/* --- DMA ------------------------------------------------------------------------------------------------------------ */

static bool write_zeros(const struct ram *ram, gpa_t at, uint32_t len)
{
    static const uint8_t zeros[4096];

    for (uint32_t n; len; at += n, len -= n) {
        n = MIN(len, (uint32_t)sizeof(zeros));
        if (!ram_write(ram, at, zeros, n))
            return false;
    }
    return true;
}

static bool dma_read(struct fw_cfg *f, gpa_t at, uint32_t len)
{
    const uint32_t n = (uint32_t)MIN(rest(f), (size_t)len);

    return (!n || ram_write(f->ram, at, f->item[f->key].bytes + f->at, n)) &&
           (len == n || write_zeros(f->ram, at + n, len - n));
}

/* Bytes 3:0 control, 7:4 length, 15:8 address, all big-endian. The control word becomes 0, or an error. */
static void dma(struct fw_cfg *f, gpa_t at)
{
    uint8_t rq[16], done[4] = {0};
    uint64_t field[2] = {0};

    if (!ram_read(f->ram, at, rq, sizeof(rq)))
        return; /* nowhere to tell */
    for (unsigned i = 0; i < sizeof(rq); i++)
        field[i / 8] = field[i / 8] << 8 | rq[i];
    const uint32_t control = (uint32_t)(field[0] >> 32), len = (uint32_t)field[0];
    if (control & DMA_SELECT)
        select_item(f, (uint16_t)(control >> 16));
    /* Nothing can be written here. */
    if ((control & DMA_WRITE) || ((control & DMA_READ) && !dma_read(f, field[1], len)))
        done[3] = DMA_ERROR;
    else if (control & (DMA_READ | DMA_SKIP))
        f->at += len;
    ram_write(f->ram, at, done, sizeof(done));
}

static uint64_t read_dma(struct device *d, uint32_t off, unsigned size)
{
    (void)d;
    return swap(DMA_SIGNATURE, 8) >> (8 * (off & 4)) & mask64(8 * size);
}

/* In one piece or in two; the one with the lower half starts it. */
static void write_dma(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct fw_cfg *f = fw_cfg_of(d);

    val = swap(val, size);
    if (size == 4 && !(off & 4)) {
        f->dma_high = (uint32_t)val;
        return;
    }
    dma(f, size == 4 ? (gpa_t)f->dma_high << 32 | val : val);
    f->dma_high = 0;
}

static const struct reg_desc fw_cfg_regs[] = {
    {.offset = 0x00, .widths = W_ANY, .access = REG_RO, .name = "Data", .read = read_data},
    {.offset = 0x08, .widths = W16, .access = REG_WO, .name = "Selector", .write = write_selector},
    {.offset = 0x10, .widths = W32 | W64, .access = REG_RW, .name = "DMA", .read = read_dma, .write = write_dma},
};

/* --- Life ----------------------------------------------------------------------------------------------------------- */

void fw_cfg_set(struct device *d, enum fw_cfg_key key, void *bytes, size_t len)
{
    struct fw_cfg *f = fw_cfg_of(d);

    free(f->item[key].bytes);
    f->item[key].bytes = bytes;
    f->item[key].len = len;
}

static int set_number(struct device *d, enum fw_cfg_key key, uint32_t val, unsigned len, struct err *e)
{
    uint8_t *bytes = malloc(len);

    if (!bytes)
        return err_set(e, ENOMEM, "out of memory for fw_cfg");
    for (unsigned i = 0; i < len; i++)
        bytes[i] = (uint8_t)(val >> (8 * i));
    fw_cfg_set(d, key, bytes, len);
    return 0;
}

int fw_cfg_set_u16(struct device *d, enum fw_cfg_key key, uint16_t val, struct err *e)
{
    return set_number(d, key, val, 2, e);
}

int fw_cfg_set_u32(struct device *d, enum fw_cfg_key key, uint32_t val, struct err *e)
{
    return set_number(d, key, val, 4, e);
}

/* qemu,fw-cfg-mmio binding. */
static void fw_cfg_fdt_node(const struct device *d, struct fdt_ctx *f)
{
    dt_begin_at(f, "fw-cfg", d->base);
    dt_string(f, "compatible", "qemu,fw-cfg-mmio");
    dt_reg(f, &(struct dt_range){d->base, d->len}, 1);
    dt_empty(f, "dma-coherent");
    dt_end(f);
}

static void fw_cfg_reset(struct device *d)
{
    struct fw_cfg *f = fw_cfg_of(d);

    select_item(f, FW_CFG_SIGNATURE);
    f->dma_high = 0;
}

static void fw_cfg_destroy(struct device *d)
{
    struct fw_cfg *f = fw_cfg_of(d);

    for (unsigned i = 0; i < FW_CFG_NR_KEYS; i++)
        free(f->item[i].bytes);
    pthread_mutex_destroy(&d->lock);
    free(f);
}

/* What the items hold is made anew, from the same files. */
static void fw_cfg_snap(struct device *d, struct snap *s)
{
    struct fw_cfg *f = fw_cfg_of(d);

    SNAP_ANY(s, f, key);
    SNAP_ANY(s, f, at);
    SNAP_ANY(s, f, dma_high);
    for (unsigned i = 0; i < FW_CFG_NR_KEYS; i++) {
        snap_same(s, "item_len", f->item[i].len);
        snap_same(s, "item_hash", hash64(f->item[i].bytes, f->item[i].len));
    }
}

static const struct device_class fw_cfg_class = {
    .name = "fw_cfg",
    .regs = fw_cfg_regs,
    .nr_regs = ARRAY_LEN(fw_cfg_regs),
    .reset = fw_cfg_reset,
    .destroy = fw_cfg_destroy,
    .fdt_node = fw_cfg_fdt_node,
    .snap = fw_cfg_snap,
};

struct device *fw_cfg_create(gpa_t base, const struct ram *ram, struct err *e)
{
    static const uint8_t name[4] = {'Q', 'E', 'M', 'U'};
    struct fw_cfg *f = calloc(1, sizeof(*f));
    uint8_t *signature = malloc(sizeof(name)), *directory = calloc(1, 4); /* no files */

    if (!f || !signature || !directory) {
        err_set(e, ENOMEM, "out of memory for fw_cfg");
        free(f);
        free(signature);
        free(directory);
        return NULL;
    }
    device_init(&f->dev, &fw_cfg_class, base, 0x18);
    f->ram = ram;
    memcpy(signature, name, sizeof(name));
    fw_cfg_set(&f->dev, FW_CFG_SIGNATURE, signature, sizeof(name));
    fw_cfg_set(&f->dev, FW_CFG_FILE_DIR, directory, 4);
    if (fw_cfg_set_u32(&f->dev, FW_CFG_ID, ID_TRADITIONAL | ID_DMA, e)) {
        fw_cfg_destroy(&f->dev);
        return NULL;
    }
    return &f->dev;
}
