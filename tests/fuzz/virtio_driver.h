/* A hostile driver for fuzz targets of virtio devices: any register, any bytes in the rings, made of operations of 8 bytes. */
#ifndef VIBE_FUZZ_VIRTIO_DRIVER_H
#define VIBE_FUZZ_VIRTIO_DRIVER_H

#include "base/io_thread.h"
#include "base/log.h"
#include "bus/bus.h"
#include "dev/virtio_mmio.h"
#include "mem/ram.h"

#include <stdlib.h>
#include <string.h>

#define BASE UINT64_C(0x0a000000)
#define RAM_BASE UINT64_C(0x40000000)
#define RAM_LEN 0x10000u
#define QUEUE_SIZE 8u
#define QUEUE_AT                                                                                   \
    0x1000u /* a page for each queue's rings: the descriptors, at 0x80 and 0x100 the rings */

static struct ram ram;
static struct bus bus;

static inline uint8_t *guest(uint32_t at)
{
    return ram.region[0].host + at % RAM_LEN;
}

static inline void wr(uint32_t off, uint64_t val)
{
    bus_access(&bus, BASE + off, 4, true, &val);
}

/* Guest memory, empty, and nothing on the bus. */
static inline void driver_init(void)
{
    log_threshold = LOG_ERROR;
    if (!ram.nr_regions && (ram_init(&ram, NULL) || ram_add(&ram, RAM_BASE, RAM_LEN, RAM_KIND_RAM, NULL)))
        abort();
    memset(ram.region[0].host, 0, RAM_LEN);
    bus_init(&bus);
}

static inline void driver_attach(struct virtio_device *v, bool legacy)
{
    if (!v || bus_add(&bus,
                      virtio_mmio_create(BASE, (struct irq_line){0},
                                         legacy ? VIRTIO_LEGACY : VIRTIO_MODERN, &ram, v, NULL),
                      NULL))
        abort();
}

/* A device that works, with those of its features that `features` has. */
static inline void driver_start(bool legacy, uint32_t nr_queues, uint64_t features)
{
    uint64_t offered;
    wr(0x70, 0);
    for (uint32_t i = 0; i < 2; i++) {
        wr(0x14, i);
        bus_access(&bus, BASE + 0x10, 4, false, &offered);
        wr(0x24, i);
        wr(0x20, offered & (features >> 32 * i | (i ? 1 : 0)));
    }
    wr(0x70, 11);
    for (uint32_t q = 0; q < nr_queues; q++) {
        const uint32_t at = (uint32_t)RAM_BASE + q * QUEUE_AT;
        wr(0x30, q);
        wr(0x38, QUEUE_SIZE);
        if (legacy) {
            wr(0x3c, 256);
            wr(0x40, at / 4096);
        } else {
            wr(0x80, at);
            wr(0x90, at + 0x80);
            wr(0xa0, at + 0x100);
            wr(0x44, 1);
        }
    }
    wr(0x70, 15);
}

static inline void driver_desc(uint32_t q, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags,
                               uint16_t next)
{
    uint8_t *d = guest(q * QUEUE_AT + i % QUEUE_SIZE * 16);
    memcpy(d, &addr, 8);
    memcpy(d + 8, &len, 4);
    memcpy(d + 12, &flags, 2);
    memcpy(d + 14, &next, 2);
}

/* One more available, and the device hears of it. */
static inline void driver_offer(uint32_t q, uint8_t head)
{
    uint8_t *avail = guest(q * QUEUE_AT + 0x80);
    avail[4 + avail[2] % QUEUE_SIZE * 2] = head;
    avail[2]++;
    wr(0x50, q);
}

/* One of the operations; `kind` 0 to 5. */
static inline void driver_op(unsigned kind, const uint8_t op[8], uint32_t nr_queues)
{
    const uint32_t where = op[1] | (uint32_t)op[2] << 8, q = op[1] % nr_queues;
    uint64_t wide;
    uint32_t val;
    memcpy(&val, op + 4, sizeof(val));
    wide = val;
    switch (kind) {
    case 0: bus_access(&bus, BASE + where % 0x200, 1u << op[3] % 4, true, &wide); break;
    case 1: bus_access(&bus, BASE + where % 0x200, 1u << op[3] % 4, false, &wide); break;
    case 2: memcpy(guest(where % (RAM_LEN - 4)), &val, 1 + op[3] % 4); break;
    case 3: wr(0x50, op[1] % (nr_queues + 1)); break;
    case 4: /* a descriptor in RAM, of any shape: 4 bits of the length for each byte */
        driver_desc(q, op[2] & 7, RAM_BASE + (val & 0xffff), (uint32_t)op[6] << (op[3] >> 4),
                    op[3] & 7, op[7] & 7);
        break;
    default: driver_offer(q, op[3] & 7);
    }
}

/* What was posted to the thread has run, and what that posts. */
static inline void settle(struct io_thread *io)
{
    for (unsigned i = 0; i < 2; i++) {
        io_thread_pause(io);
        io_thread_resume(io);
    }
}

#endif
