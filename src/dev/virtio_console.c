/* virtio console, one port.
 *
 * Input waits in the chardev until the driver gives buffers. Output is written on the thread of a vCPU that notifies, by one at a time; a
 * reader that takes none holds up that vCPU, and nobody who wants the device's lock.
 * Threads: under the transport's lock; input comes on the I/O thread with the chardev's input lock held, which is before ours.
 * Specification: virtio 1.2, "Console Device" (5.3). */
#include "dev/virtio_console.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/snap.h"
#include "dev/chardev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RECEIVEQ, TRANSMITQ, NR_QUEUES };
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_CONSOLE_F_SIZE 0
#define VIRTIO_CONSOLE_F_EMERG_WRITE 2

/* struct virtio_console_config */
struct config {
    uint16_t cols, rows;
    uint32_t max_nr_ports, emerg_wr;
};

struct virtio_console {
    struct virtio_device v;
    struct chardev *chardev;
    struct config config;
    bool attached;
    bool told; /* this driver, of the size */
    bool transmitting;
    bool refused; /* the chardev keeps input that did not fit */
};

static struct virtio_console *console_of(struct virtio_device *v)
{
    return CONTAINER_OF(v, struct virtio_console, v);
}

static size_t take_input(void *opaque, const uint8_t *buf, size_t len)
{
    struct virtio_console *c = opaque;
    struct vq_chain chain;
    size_t done = 0;

    virtio_lock(&c->v);
    while (done < len && virtio_pop(&c->v, RECEIVEQ, &chain)) {
        const size_t n = vq_chain_write(&chain, 0, buf + done, len - done);
        virtio_push(&c->v, RECEIVEQ, chain.head, (uint32_t)n);
        done += n;
    }
    c->refused = done < len;
    virtio_used(&c->v, RECEIVEQ);
    virtio_unlock(&c->v);
    return done;
}

/* Ends: a driver that keeps adding runs on other vCPUs, and those stop with the machine. */
static void transmit(struct virtio_console *c)
{
    struct vq_chain chain;

    if (c->transmitting)
        return; /* another vCPU is at it, and looks again before it ends */
    c->transmitting = true;
    while (virtio_pop(&c->v, TRANSMITQ, &chain)) {
        virtio_release(&c->v, &chain);
        for (unsigned i = 0; i < chain.nr_out; i++)
            chardev_write(c->chardev, chain.iov[i].iov_base, chain.iov[i].iov_len);
        if (!virtio_retake(&c->v, &chain))
            continue;
        virtio_push(&c->v, TRANSMITQ, chain.head, 0);
        virtio_used(&c->v, TRANSMITQ);
    }
    c->transmitting = false;
}

static void console_notify(struct virtio_device *v, unsigned q)
{
    struct virtio_console *c = console_of(v);

    /* Linux looks at the size only when it is told that it has changed. */
    if (!c->told && virtio_has_feature(v, VIRTIO_CONSOLE_F_SIZE))
        virtio_config_changed(v);
    c->told = true;
    if (q == TRANSMITQ) {
        transmit(c);
    } else if (c->refused) {
        /* The chardev's lock comes before ours. */
        c->refused = false;
        virtio_unlock(v);
        chardev_resume_input(c->chardev);
        virtio_lock(v);
    }
}

static void console_reset(struct virtio_device *v)
{
    console_of(v)->told = false;
}

static uint32_t config_read(struct virtio_device *v, uint32_t off, unsigned size)
{
    uint32_t val = 0;

    memcpy(&val, (const uint8_t *)&console_of(v)->config + off, size);
    return val;
}

/* Works in every state of the device, negotiated or not (5.3.4): for a driver's first and last words. */
static void config_write(struct virtio_device *v, uint32_t off, unsigned size, uint32_t val)
{
    const uint8_t byte = (uint8_t)val;

    (void)size;
    if (off == offsetof(struct config, emerg_wr))
        chardev_write(console_of(v)->chardev, &byte, 1);
}

static void console_destroy(struct virtio_device *v)
{
    struct virtio_console *c = console_of(v);

    if (c->attached)
        chardev_set_sink(c->chardev, NULL, NULL);
    free(c);
}

/* The terminal's size is told by whoever has it now. */
static void console_snap(struct virtio_device *v, struct snap *s)
{
    struct virtio_console *c = console_of(v);

    SNAP_BOOL(s, c, told);
    SNAP_BOOL(s, c, refused);
    SNAP_ANY(s, &c->config, cols);
    SNAP_ANY(s, &c->config, rows);
}

static const struct virtio_device_ops console_ops = {
    .name = "virtio_console",
    .device_id = VIRTIO_ID_CONSOLE,
    .queue_max = 256,
    .config_len = sizeof(struct config),
    .reset = console_reset,
    .notify = console_notify,
    .config_read = config_read,
    .config_write = config_write,
    .snap = console_snap,
    .synchronous = true,
    .destroy = console_destroy,
};

void virtio_console_attach(struct virtio_device *v)
{
    struct virtio_console *c = console_of(v);

    c->attached = true;
    chardev_set_sink(c->chardev, take_input, c);
}

void virtio_console_set_size(struct virtio_device *v, uint16_t cols, uint16_t rows)
{
    struct config *config = &console_of(v)->config;

    virtio_lock(v);
    if (config->cols != cols || config->rows != rows) {
        config->cols = cols;
        config->rows = rows;
        virtio_config_changed(v);
    }
    virtio_unlock(v);
}

struct virtio_device *virtio_console_create(struct chardev *chardev, uint16_t cols, uint16_t rows,
                                            struct err *e)
{
    struct virtio_console *c = calloc(1, sizeof(*c));

    if (!c) {
        err_set(e, ENOMEM, "out of memory for the virtio console");
        return NULL;
    }
    c->v.ops = &console_ops;
    c->v.features = BIT64(VIRTIO_CONSOLE_F_SIZE) | BIT64(VIRTIO_CONSOLE_F_EMERG_WRITE);
    c->v.nr_queues = NR_QUEUES;
    c->chardev = chardev;
    c->config = (struct config){.cols = cols, .rows = rows, .max_nr_ports = 1};
    return &c->v;
}
