/* Any accesses to what firmware talks to: flash, fw_cfg, PL061, GICv2. Records of 12 bytes: device, width and direction, CPU, offset, value. Nothing
 * outside their memory is touched, and no access takes long. */
#include "base/bits.h"
#include "base/io_thread.h"
#include "bus/bus.h"
#include "dev/cfi_flash.h"
#include "dev/fw_cfg.h"
#include "dev/gicv3.h"
#include "dev/pl061.h"
#include "mem/ram.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RECORD 12u
#define NR_CPUS 3u
#define RAM_BASE UINT64_C(0x40000000)
#define GICD UINT64_C(0x08000000)
#define GICC UINT64_C(0x08010000)
#define FW_CFG UINT64_C(0x09020000)
#define GPIO UINT64_C(0x09030000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct ram ram;
static struct bus bus;
static struct gicv3 *gic;
static struct device *gpio;

static void on_irq(void *opaque, unsigned cpu, bool irq, bool fiq)
{
    (void)opaque;
    if (cpu >= NR_CPUS || (irq && fiq))
        abort();
}

static void on_line(void *opaque, unsigned intid, bool level)
{
    (void)opaque;
    gic_set_spi(gic, intid, level);
}

static void on_change(void *opaque, gpa_t base, uint64_t n)
{
    (void)opaque;
    if (base % FLASH_BANK_LEN || n != FLASH_BANK_LEN)
        abort();
}

static void create(void)
{
    static const uint64_t mpidr[NR_CPUS] = {0, 1, 2};
    const struct gic_config cfg = {2, NR_CPUS, mpidr, 64, on_irq, NULL};
    const struct flash_config flash = {.ram = &ram, .changed = on_change};
    struct io_thread *io;
    uint8_t *item = calloc(1, 1000);

    if (!item || ram_init(&ram, NULL) || ram_add(&ram, 0, FLASH_BANK_LEN, RAM_KIND_ROM, NULL) ||
        ram_add(&ram, FLASH_BANK_LEN, FLASH_BANK_LEN, RAM_KIND_ROM, NULL) ||
        ram_add(&ram, RAM_BASE, 0x20000, RAM_KIND_RAM, NULL) || io_thread_create(&io, "io", NULL))
        abort();
    bus_init(&bus);
    gic = gic_create(&cfg, GICD, GICC, NULL);
    gpio = pl061_create(GPIO, (struct irq_line){on_line, NULL, 39}, io, NULL);
    struct device *fw = fw_cfg_create(FW_CFG, &ram, NULL);
    fw_cfg_set(fw, FW_CFG_KERNEL_DATA, item, 1000);
    if (bus_add(&bus, gic_dist(gic), NULL) || bus_add(&bus, gic_redist(gic), NULL) ||
        bus_add(&bus, gpio, NULL) || bus_add(&bus, fw, NULL) ||
        bus_add(&bus, flash_create(0, &flash, NULL), NULL))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static int ready;
    if (!ready) {
        ready = 1;
        create();
    }
    bus_reset(&bus);
    /* A request of fw_cfg may lie here; what else the input brings is its contents. */
    ram_write(&ram, RAM_BASE, data, MIN(len, (size_t)4096));
    for (; len >= RECORD; data += RECORD, len -= RECORD) {
        static const struct {
            gpa_t base;
            uint32_t mask;
        } place[8] = {{GICD, 0xfff},
                      {GICC, 0x1fff},
                      {GICC, 0x3f},
                      {FW_CFG, 0x1f},
                      {GPIO, 0xfff},
                      {0, 0xfffff},
                      {FLASH_BANK_LEN, 0xfffff},
                      {FLASH_BANK_LEN, 0xff}};
        uint32_t off, low;
        memcpy(&off, data + 3, 4);
        memcpy(&low, data + 7, 4);
        const unsigned size = 1u << (data[1] & 3);
        uint64_t val = low | (uint64_t)data[11] << 56;
        if (data[0] == 0xff)
            pl061_set_input(gpio, data[1] & 7, data[2] & 1);
        else if (data[0] == 0xfe)
            gic_set_ppi(gic, data[1] % NR_CPUS, 16 + data[2] % 16, off & 1);
        else
            bus_access_by(&bus, data[2] % NR_CPUS,
                          place[data[0] & 7].base + (off & place[data[0] & 7].mask), size,
                          data[1] & 4, &val);
    }
    return 0;
}
