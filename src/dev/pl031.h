/* ARM PrimeCell Real Time Clock PL031 (DDI 0224). */
#ifndef VIBE_DEV_PL031_H
#define VIBE_DEV_PL031_H

#include "bus/bus.h"

struct err;

/* Starts at the host's wall-clock time, in seconds since 1970. Null with e set when out of memory. The bus destroys it. */
struct device *pl031_create(gpa_t base, struct irq_line irq, struct err *e);

#endif
