/* ARM PrimeCell GPIO PL061: eight pins, on the board all inputs from the host. Threads: registers and inputs under the device's lock. */
#ifndef VIBE_DEV_PL061_H
#define VIBE_DEV_PL061_H

#include "bus/bus.h"

struct err;
struct io_thread;

/* The board's one use of it. */
#define PL061_POWER_KEY_PIN 3u

/* Null with e set. The device's timer runs on io. */
struct device *pl061_create(gpa_t base, struct irq_line irq, struct io_thread *io, struct err *e);

/* What the host puts on a pin. Any thread but under the device's lock. */
void pl061_set_input(struct device *d, unsigned pin, bool level);

/* Presses the power key for a tenth of a second. Any thread. */
void pl061_press_power_key(struct device *d);

#endif
