/* ARM PrimeCell UART PL011 (DDI 0183): the debug console. */
#ifndef VIBE_DEV_PL011_H
#define VIBE_DEV_PL011_H

#include "bus/bus.h"

struct chardev;

/* Output and input through c, which outlives the device. Null with e set when out of memory. The bus destroys it. */
struct device *pl011_create(gpa_t base, struct irq_line irq, struct chardev *c, struct err *e);

#endif
