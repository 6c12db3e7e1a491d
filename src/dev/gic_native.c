/* The node of an interrupt controller, and the place of one that is not ours. While the machine is built.
 *
 * Specification: Linux Documentation/devicetree/bindings/interrupt-controller: arm,gic-v3.yaml, arm,gic.yaml. */
#include "dev/gic_native.h"

#include "base/bits.h"
#include "base/err.h"
#include "load/fdt.h"

#include <errno.h>
#include <stdlib.h>

struct gic_native {
    struct device dev; /* the distributor's place */
    unsigned version;
    struct dt_range cpu;
};

void gic_write_node(struct fdt_ctx *f, unsigned version, const struct dt_range *dist,
                    const struct dt_range *cpu)
{
    dt_begin_at(f, "intc", dist->base);
    dt_string(f, "compatible", version == 2 ? "arm,cortex-a15-gic" : "arm,gic-v3");
    dt_reg(f, (const struct dt_range[]){*dist, *cpu}, 2);
    if (version == 3)
        dt_u32(f, "#redistributor-regions", 1);
    dt_empty(f, "interrupt-controller");
    dt_u32(f, "#interrupt-cells", 3);
    dt_u32(f, "#address-cells", 2);
    dt_u32(f, "#size-cells", 2);
    dt_empty(f, "ranges");
    dt_u32(f, "phandle", DT_PHANDLE_GIC);
    dt_end(f);
}

static void native_fdt_node(const struct device *d, struct fdt_ctx *f)
{
    const struct gic_native *g = CONTAINER_OF(d, const struct gic_native, dev);
    gic_write_node(f, g->version, &(struct dt_range){d->base, d->len}, &g->cpu);
}

static void native_destroy(struct device *d)
{
    free(CONTAINER_OF(d, struct gic_native, dev));
}

/* The backend answers all of it; what comes here all the same reads as zero. */
static const struct device_class native_class = {
    .name = "gic",
    .destroy = native_destroy,
    .fdt_node = native_fdt_node,
};

struct device *gic_native_create(unsigned version, const struct dt_range *dist,
                                 const struct dt_range *cpu, struct err *e)
{
    struct gic_native *g = calloc(1, sizeof(*g));

    if (!g) {
        err_set(e, ENOMEM, "out of memory for the interrupt controller");
        return NULL;
    }
    g->version = version;
    g->cpu = *cpu;
    device_init(&g->dev, &native_class, dist->base, dist->len);
    return &g->dev;
}
