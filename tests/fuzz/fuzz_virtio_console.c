/* Fuzz target: a hostile driver of the virtio console: any register, any bytes in the rings, input whenever.
 * Input: a byte for the layout, then operations of 8 bytes. */
#include "base/log.h"
#include "bus/bus.h"
#include "dev/chardev.h"
#include "dev/virtio_console.h"
#include "mem/ram.h"

#include <stdlib.h>
#include <string.h>

#define BASE UINT64_C(0x0a000000)
#define RAM_BASE UINT64_C(0x40000000)
#define RAM_LEN 0x10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct bus bus;

static void wr(uint32_t off, uint64_t val)
{
    bus_access(&bus, BASE + off, 4, true, &val);
}

/* A device that works, with queues at RAM_BASE and a page further: 8 descriptors each. */
static void start(bool legacy)
{
    wr(0x70, 0);
    for (uint32_t i = 0; i < 2; i++) {
        wr(0x24, i);
        wr(0x20, i ? 1 : 3u << 28);
    }
    wr(0x70, 11);
    for (uint32_t q = 0; q < 2; q++) {
        const uint32_t at = (uint32_t)RAM_BASE + q * 0x2000;
        wr(0x30, q);
        wr(0x38, 8);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct ram ram;
    const uint8_t input[64] = "typed";

    log_threshold = LOG_ERROR;
    if (!ram.nr_regions && (ram_init(&ram, NULL) || ram_add(&ram, RAM_BASE, RAM_LEN, RAM_KIND_RAM, NULL)))
        abort();
    if (!len)
        return 0;
    memset(ram.region[0].host, 0, RAM_LEN);
    struct chardev *c = chardev_create(-1, NULL);
    struct virtio_device *v = c ? virtio_console_create(c, 80, 25, NULL) : NULL;
    if (!v)
        abort();
    const bool legacy = data[0] & 1;
    bus_init(&bus);
    if (bus_add(&bus,
                virtio_mmio_create(BASE, (struct irq_line){0},
                                   legacy ? VIRTIO_LEGACY : VIRTIO_MODERN, &ram, v, NULL),
                NULL))
        abort();
    virtio_console_attach(v);
    if (data[0] & 2)
        start(legacy);
    for (size_t at = 1; at + 8 <= len; at += 8) {
        const uint8_t *op = data + at;
        uint32_t where, val;
        uint64_t wide;
        where = op[1] | (uint32_t)op[2] << 8;
        memcpy(&val, op + 4, sizeof(val));
        wide = val;
        switch (op[0] % 8) {
        case 0: bus_access(&bus, BASE + where % 0x200, 1u << op[3] % 4, true, &wide); break;
        case 1: bus_access(&bus, BASE + where % 0x200, 1u << op[3] % 4, false, &wide); break;
        case 2: memcpy(ram.region[0].host + where % (RAM_LEN - 4), &val, 1 + op[3] % 4); break;
        case 3: wr(0x50, op[1] % 3); break;
        case 4: chardev_input(c, input, op[1] % sizeof(input)); break;
        case 5: start(legacy); break;
        case 6: /* a descriptor in RAM, of any shape */
            wide = RAM_BASE + (val & 0xffff);
            memcpy(ram.region[0].host + (where & 0x200f) / 0x2000 * 0x2000 + (where & 15) * 16, &wide, 8);
            ram.region[0].host[(where & 0x2000) + (where & 15) * 16 + 8] = op[6];
            ram.region[0].host[(where & 0x2000) + (where & 15) * 16 + 12] = op[3] & 7;
            ram.region[0].host[(where & 0x2000) + (where & 15) * 16 + 14] = op[7] & 15;
            break;
        default: { /* one more available */
            uint8_t *avail = ram.region[0].host + (op[1] & 1) * 0x2000 + 0x80;
            avail[4 + avail[2] % 8 * 2] = op[3] & 7;
            avail[2]++;
            wr(0x50, op[1] & 1);
        }
        }
    }
    bus_destroy(&bus);
    chardev_destroy(c);
    return 0;
}
