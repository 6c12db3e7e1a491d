/* What device trees are made of, in terms of the few calls of fdt_libfdt.c. Threading: load/fdt.h. */
#include "load/fdt.h"

#include "base/bits.h"
#include "base/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void dt_begin_at(struct fdt_ctx *f, const char *name, uint64_t base)
{
    char full[64];

    snprintf(full, sizeof(full), "%s@%" PRIx64, name, base);
    dt_begin(f, full);
}

void dt_empty(struct fdt_ctx *f, const char *name)
{
    dt_bytes(f, name, NULL, 0);
}

void dt_cells(struct fdt_ctx *f, const char *name, const uint32_t *cells, unsigned nr)
{
    uint8_t big[4 * 64];

    BUG_ON(4 * nr > sizeof(big));
    for (unsigned i = 0; i < 4 * nr; i++)
        big[i] = (uint8_t)(cells[i / 4] >> (24 - 8 * (i % 4)));
    dt_bytes(f, name, big, 4 * nr);
}

void dt_u32(struct fdt_ctx *f, const char *name, uint32_t val)
{
    dt_cells(f, name, &val, 1);
}

void dt_u64(struct fdt_ctx *f, const char *name, uint64_t val)
{
    const uint32_t cells[] = {(uint32_t)(val >> 32), (uint32_t)val};
    dt_cells(f, name, cells, ARRAY_LEN(cells));
}

void dt_string_list(struct fdt_ctx *f, const char *name, const char *text, size_t len)
{
    dt_bytes(f, name, text, len);
}

void dt_string(struct fdt_ctx *f, const char *name, const char *text)
{
    dt_bytes(f, name, text, strlen(text) + 1);
}

void dt_reg(struct fdt_ctx *f, const struct dt_range *r, unsigned nr)
{
    uint32_t cells[16];

    BUG_ON(nr > ARRAY_LEN(cells) / 4);
    for (unsigned i = 0; i < nr; i++) {
        cells[4 * i] = (uint32_t)(r[i].base >> 32);
        cells[4 * i + 1] = (uint32_t)r[i].base;
        cells[4 * i + 2] = (uint32_t)(r[i].len >> 32);
        cells[4 * i + 3] = (uint32_t)r[i].len;
    }
    dt_cells(f, "reg", cells, 4 * nr);
}

/* Linux Documentation/devicetree/bindings/interrupt-controller/arm,gic.yaml: 0 n is SPI n, 1 n is PPI n. */
void dt_interrupts(struct fdt_ctx *f, const struct dt_irq *irq, unsigned nr)
{
    uint32_t cells[48];

    BUG_ON(nr > ARRAY_LEN(cells) / 3);
    for (unsigned i = 0; i < nr; i++) {
        const bool ppi = irq[i].intid < 32;
        BUG_ON(irq[i].intid < 16);
        cells[3 * i] = ppi;
        cells[3 * i + 1] = irq[i].intid - (ppi ? 16 : 32);
        cells[3 * i + 2] = irq[i].flags;
    }
    dt_cells(f, "interrupts", cells, 3 * nr);
}

void dt_write_chosen(struct fdt_ctx *f, const struct dt_chosen *c)
{
    if (c->bootargs)
        dt_string(f, "bootargs", c->bootargs);
    if (c->initrd_len) {
        dt_u64(f, "linux,initrd-start", c->initrd);
        dt_u64(f, "linux,initrd-end", c->initrd + c->initrd_len);
    }
}
