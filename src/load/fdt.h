/* Device trees: writing one node by node, checking one from a file, and changing what is the boot loader's of it.
 *
 * A device writes its own node (device_class.fdt_node) by the dt_* calls below. They cannot fail: what goes wrong, memory alone, is
 * kept and told by dt_finish(). All through libfdt; a build without it knows no device trees, and says so in dt_create() and dt_adapt().
 * Used while the machine is built or reset; one thread.
 * Specification: Devicetree Specification 0.4; Linux Documentation/devicetree/bindings for the nodes. */
#ifndef VIBE_LOAD_FDT_H
#define VIBE_LOAD_FDT_H

#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct fdt_ctx;

/* Linux maps no more ("Booting AArch64 Linux", "Setup the device tree"). */
#define DT_MAX_LEN ((size_t)2 << 20)

/* Nodes that others refer to. */
enum dt_phandle {
    DT_PHANDLE_GIC = 1,
    DT_PHANDLE_CLOCK,
    DT_PHANDLE_GPIO,
    DT_PHANDLE_CPU0 = 0x100, /* + n */
};

/* The last cell of an interrupt, as the GIC's binding has it (arm,gic.yaml). */
enum { DT_EDGE_RISING = 1, DT_LEVEL_HIGH = 4 };

struct dt_range {
    uint64_t base, len;
};
struct dt_irq {
    unsigned intid; /* GIC INTID: 16 and up */
    uint32_t flags; /* DT_EDGE_RISING or DT_LEVEL_HIGH; of a PPI on a GICv2 also the CPUs, a bit each from bit 8 */
};

/* Starts a tree; the root node is open. The caller ends with dt_finish(). -ENOTSUP in a build without libfdt. */
int dt_create(struct fdt_ctx **f, struct err *e);

/* Closes the root. *blob is malloc'd, the caller's, and null when this fails; f is gone in any case. */
int dt_finish(struct fdt_ctx *f, uint8_t **blob, size_t *len, struct err *e);

/* "name", "name@base"; to be closed by dt_end(). */
void dt_begin(struct fdt_ctx *f, const char *name);
void dt_begin_at(struct fdt_ctx *f, const char *name, uint64_t base);
void dt_end(struct fdt_ctx *f);

void dt_empty(struct fdt_ctx *f, const char *name);
void dt_u32(struct fdt_ctx *f, const char *name, uint32_t val);
void dt_u64(struct fdt_ctx *f, const char *name, uint64_t val);
void dt_bytes(struct fdt_ctx *f, const char *name, const void *bytes, size_t len);
void dt_cells(struct fdt_ctx *f, const char *name, const uint32_t *cells, unsigned nr);
void dt_string(struct fdt_ctx *f, const char *name, const char *text);
/* `text` holds several strings with zero bytes between: "arm,pl011\0arm,primecell"; len as of sizeof, the last zero counted. */
void dt_string_list(struct fdt_ctx *f, const char *name, const char *text, size_t len);
#define dt_strings(f, name, text) dt_string_list((f), (name), (text), sizeof(text))

void dt_reg(struct fdt_ctx *f, const struct dt_range *r, unsigned nr);
void dt_interrupts(struct fdt_ctx *f, const struct dt_irq *irq, unsigned nr);

/* What the boot loader tells the kernel. */
struct dt_chosen {
    const char *bootargs; /* or null */
    gpa_t initrd;
    uint64_t initrd_len; /* 0: none */
};
void dt_write_chosen(struct fdt_ctx *f, const struct dt_chosen *c);

/* A tree from outside: checked to be one, and a copy made whose /chosen says what c says; what c leaves out stays as it is. buf may hold
 * anything. *blob as in dt_finish(). */
int dt_adapt(const uint8_t *buf, size_t len, const struct dt_chosen *c, uint8_t **blob,
             size_t *blob_len, struct err *e);

#endif
