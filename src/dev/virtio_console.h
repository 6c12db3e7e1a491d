/* virtio console, one port (virtio 1.2, "Console Device"). */
#ifndef VIBE_DEV_VIRTIO_CONSOLE_H
#define VIBE_DEV_VIRTIO_CONSOLE_H

#include "dev/virtio_mmio.h"

struct chardev;

/* For virtio_mmio_create(). Output and input through c, which outlives the device; its terminal has cols by rows characters. Null with e
 * set when out of memory. */
struct virtio_device *virtio_console_create(struct chardev *c, uint16_t cols, uint16_t rows,
                                            struct err *e);

/* Attaches the device to c's input; once its transport exists. */
void virtio_console_attach(struct virtio_device *v);

/* The terminal's size has changed. Any thread, no device lock held. */
void virtio_console_set_size(struct virtio_device *v, uint16_t cols, uint16_t rows);

#endif
