/* ARM PrimeCell Real Time Clock PL031 (DDI 0224). */
#ifndef VIBE_DEV_PL031_H
#define VIBE_DEV_PL031_H

#include "bus/bus.h"

struct err;
struct guest_clock;

#define PL031_MOVED_EPOCH 1577836800u /* 2020-01-01 in seconds since 1970 */

/* Starts at the host's wall-clock time, in seconds since 1970, and goes on with the clock; a clock that is moved on starts at PL031_MOVED_EPOCH. Null with e set when out of memory. The bus destroys it. */
struct device *pl031_create(gpa_t base, struct irq_line irq, const struct guest_clock *clock,
                            struct err *e);

#endif
