/* The interrupt controller that a backend brings: its place in the address map and its device-tree node. Its registers never come here. */
#ifndef VIBE_DEV_GIC_NATIVE_H
#define VIBE_DEV_GIC_NATIVE_H

#include "bus/bus.h"

struct dt_range;
struct fdt_ctx;

/* The node, of this controller and of the project's own. cpu: the redistributors, or a GICv2's CPU interfaces. */
void gic_write_node(struct fdt_ctx *f, unsigned version, const struct dt_range *dist,
                    const struct dt_range *cpu);

/* For bus_add(), which from there on owns it. Null: out of memory, with e set. */
struct device *gic_native_create(unsigned version, const struct dt_range *dist,
                                 const struct dt_range *cpu, struct err *e);

#endif
