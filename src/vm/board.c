/* The board: address map, interrupts, devices.
 *
 *   0x00000000  RAM, up to 128 MiB (vibe)    or two 64 MiB flash banks (virt)
 *   0x08000000  GIC distributor              0x080a0000  GICv3 redistributors, 128 KiB a CPU
 *                                            0x08010000  GICv2 CPU interfaces
 *   0x09000000  PL011, the debug console     SPI 1
 *   0x09001000  test register, by which a guest ends the run
 *   0x09010000  PL031                        SPI 2
 *   0x09020000  fw_cfg
 *   0x09030000  PL061, pin 3 the power key   SPI 7
 *   0x0a000000  32 virtio-mmio transports of 0x200; board_virtio.c has what is in which   SPI 16 + n
 *   0x40000000  RAM (virt), or what --mem asks beyond 128 MiB (vibe)
 *
 * The addresses stand here and nowhere else. Used while no vCPU runs. */
#include "arch/trace.h"
#include "base/bits.h"
#include "base/err.h"
#include "dev/cfi_flash.h"
#include "dev/chardev.h"
#include "dev/fw_cfg.h"
#include "dev/gic_native.h"
#include "dev/pl011.h"
#include "dev/pl031.h"
#include "dev/pl061.h"
#include "dev/test_register.h"
#include "dev/virtio_events.h"
#include "dev/virtio_mmio.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VIBE_LOW_RAM (UINT64_C(128) << 20)
#define FLASH_BASE UINT64_C(0)
#define HIGH_RAM_BASE UINT64_C(0x40000000)
#define GIC_DIST_BASE UINT64_C(0x08000000)
#define GICV2_CPUIF_BASE UINT64_C(0x08010000)
#define GIC_REDIST_BASE UINT64_C(0x080a0000)
#define PL011_BASE UINT64_C(0x09000000)
#define TEST_BASE UINT64_C(0x09001000)
#define PL031_BASE UINT64_C(0x09010000)
#define FW_CFG_BASE UINT64_C(0x09020000)
#define PL061_BASE UINT64_C(0x09030000)
#define VIRTIO_BASE UINT64_C(0x0a000000)
#define SPI(n) (32u + (n))
#define PL011_INTID SPI(1)
#define PL031_INTID SPI(2)
#define PL061_INTID SPI(7)
#define VIRTIO_INTID(slot) SPI(16 + (slot))
#define PMU_INTID 23u /* PPI 7, as Arm's server base manual has it */
#define NR_SPIS 64u
#define GIC_DIST_LEN UINT64_C(0x10000)
#define GIC_REDIST_LEN UINT64_C(0x20000) /* of each CPU */
#define GICV2_CPUIF_LEN UINT64_C(0x10000)

const gpa_t board_virt_ram = HIGH_RAM_BASE;
const gpa_t board_flash = FLASH_BASE;
const unsigned board_pmu_intid = PMU_INTID;

/* --- Memory ---------------------------------------------------------------------------------------------- */

int board_add_memory(struct vm *vm, struct err *e)
{
    const uint64_t len = vm->mem_len;
    int r;

    if (vm->machine == VM_MACHINE_VIRT) {
        vm->ram_base = HIGH_RAM_BASE;
        for (unsigned i = 0; i < FLASH_NR_BANKS; i++)
            if ((r = ram_add(&vm->ram, FLASH_BASE + i * FLASH_BANK_LEN, FLASH_BANK_LEN, RAM_KIND_ROM, e)))
                return r;
        return ram_add(&vm->ram, HIGH_RAM_BASE, len, RAM_KIND_RAM, e);
    }
    vm->ram_base = 0;
    if ((r = ram_add(&vm->ram, 0, MIN(len, VIBE_LOW_RAM), RAM_KIND_RAM, e)))
        return r;
    return len > VIBE_LOW_RAM ? ram_add(&vm->ram, HIGH_RAM_BASE, len - VIBE_LOW_RAM, RAM_KIND_RAM, e)
                              : 0;
}

/* --- Devices -------------------------------------------------------------------------------------------------------- */

static void set_spi(void *opaque, unsigned intid, bool level)
{
    gic_set_spi(opaque, intid, level);
}

static struct trace *trace_of(const struct vm *vm)
{
    return vm->opt->observe ? vm->opt->observe->trace : NULL;
}

/* A line into an interrupt controller that is not ours; devices tell of its level, not of changes. */
static void trace_line(struct vm *vm, unsigned intid, bool level)
{
    const uint64_t m = BIT64(intid - SPI(0));
    const uint64_t was = level ? atomic_fetch_or(&vm->board.traced_lines, m)
                               : atomic_fetch_and(&vm->board.traced_lines, ~m);

    if (level != !(was & m))
        return;
    trace_emit(trace_of(vm), &(struct trace_event){.id = TRACE_IRQ_LINE_EVENT,
                                                   .vcpu = TRACE_NOWHERE,
                                                   .el = TRACE_NOWHERE,
                                                   .insns = TRACE_UNKNOWN,
                                                   .arg = {intid, trace_str(level ? "high" : "low")}});
}

/* Where the backend brings the interrupt controller. Without a VM there is nobody yet to hear it. */
static void set_native_spi(void *opaque, unsigned intid, bool level)
{
    struct vm *vm = opaque;
    if (!vm->hv_vm)
        return;
    if (trace_wants(trace_of(vm), TRACE_KIND_IRQ))
        trace_line(vm, intid, level);
    vm->hv->set_spi(vm->hv_vm, intid, level);
}

static struct irq_line irq_line(struct vm *vm, unsigned intid)
{
    return vm->board.gic ? (struct irq_line){set_spi, vm->board.gic, intid}
                         : (struct irq_line){set_native_spi, vm, intid};
}

static int add(struct vm *vm, struct device *d, struct err *e)
{
    return d ? bus_add(&vm->bus, d, e) : -ENOMEM;
}

int board_add_virtio(struct vm *vm, unsigned slot, struct virtio_device *v, struct err *e)
{
    const enum virtio_layout layout = vm->opt->virtio == VM_VIRTIO_LEGACY ? VIRTIO_LEGACY : VIRTIO_MODERN;
    const struct irq_line irq = irq_line(vm, VIRTIO_INTID(slot));

    BUG_ON(slot >= BOARD_VIRTIO_SLOTS || bit(vm->board.virtio_slots, slot));
    vm->board.virtio_slots |= 1u << slot;
    vm->board.virtio[slot] = v;
    struct device *d =
        virtio_mmio_create(VIRTIO_BASE + slot * VIRTIO_MMIO_LEN, irq, layout, &vm->ram, v, e);
    if (d)
        virtio_mmio_set_trace(d, trace_of(vm));
    return add(vm, d, e);
}

/* The devices in their slots, the other slots empty. */
static int fill_virtio_slots(struct vm *vm, struct chardev *console, struct err *e)
{
    int r = board_add_virtio_devices(vm, console, e);

    for (unsigned slot = 0; !r && slot < BOARD_VIRTIO_SLOTS; slot++)
        if (!bit(vm->board.virtio_slots, slot))
            r = board_add_virtio(vm, slot, NULL, e);
    return r;
}

static void memory_changed(void *opaque, gpa_t base, uint64_t len)
{
    const struct vm *vm = opaque;
    if (vm->hv_vm)
        vm->hv->memory_changed(vm->hv_vm, base, len);
}

/* Flash, and what firmware asks. */
static int add_firmware_devices(struct vm *vm, struct err *e)
{
    const struct flash_config cfg = {.ram = &vm->ram, .changed = memory_changed, .opaque = vm};
    struct board *b = &vm->board;
    int r;

    if (vm->machine == VM_MACHINE_VIRT) {
        b->flash = flash_create(FLASH_BASE, &cfg, e);
        if ((r = add(vm, b->flash, e)))
            return r;
    }
    b->fw_cfg = fw_cfg_create(FW_CFG_BASE, &vm->ram, e);
    if ((r = add(vm, b->fw_cfg, e)) ||
        (r = fw_cfg_set_u16(b->fw_cfg, FW_CFG_NB_CPUS, (uint16_t)vm->nr_vcpus, e)) ||
        (r = fw_cfg_set_u16(b->fw_cfg, FW_CFG_MAX_CPUS, (uint16_t)vm->nr_vcpus, e)))
        return r;
    return 0;
}

struct hv_gic_config board_gic(const struct vm *vm)
{
    const bool v2 = vm->gic_version == 2;

    return (struct hv_gic_config){
        .version = vm->gic_version,
        .dist_base = GIC_DIST_BASE,
        .dist_len = GIC_DIST_LEN,
        .cpu_base = v2 ? GICV2_CPUIF_BASE : GIC_REDIST_BASE,
        .cpu_len = v2 ? GICV2_CPUIF_LEN : GIC_REDIST_LEN,
        .nr_spis = NR_SPIS,
    };
}

static int add_native_gic(struct vm *vm, struct err *e)
{
    const struct hv_gic_config c = board_gic(vm);
    const struct dt_range dist = {c.dist_base, c.dist_len};
    const struct dt_range cpu = {c.cpu_base, c.version == 2 ? c.cpu_len : vm->nr_vcpus * c.cpu_len};

    return add(vm, gic_native_create(c.version, &dist, &cpu, e), e);
}

static int add_gic(struct vm *vm, struct err *e)
{
    const struct hv_gic_config c = board_gic(vm);
    uint64_t mpidr[VM_MAX_CPUS];
    int r;

    if (vm->caps.irqchip)
        return add_native_gic(vm, e);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        mpidr[i] = vm->vcpu[i].mpidr;
    if (vm->gic_version == 2 && vm->nr_vcpus > GICV2_MAX_CPUS)
        return err_set(e, EINVAL, "--gic 2 has room for %u CPUs; give fewer by --cpus, or --gic 3",
                       GICV2_MAX_CPUS);
    const struct gic_config gic = {.version = vm->gic_version,
                                   .nr_cpus = vm->nr_vcpus,
                                   .mpidr = mpidr,
                                   .nr_spis = NR_SPIS,
                                   .set_irq = vcpu_set_irq,
                                   .opaque = vm};
    vm->board.gic = gic_create(&gic, c.dist_base, c.cpu_base, e);
    if (!vm->board.gic)
        return -ENOMEM;
    gic_set_trace(vm->board.gic, trace_of(vm));
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        vm->vcpu[i].can_wake = gic_can_wake(vm->board.gic, i);
    if ((r = add(vm, gic_dist(vm->board.gic), e)) || (r = add(vm, gic_redist(vm->board.gic), e)))
        return r;
    return 0;
}

static void end_run(void *opaque, int status)
{
    vm_request_exit(opaque, status);
}

static void reset_machine(void *opaque)
{
    vm_request_reset(opaque);
}

int board_create(struct vm *vm, struct err *e)
{
    struct board *b = &vm->board;
    int r;

    b->console = chardev_create(STDOUT_FILENO, e);
    b->other = b->console ? chardev_create(-1, e) : NULL;
    if (!b->other)
        return -ENOMEM;
    const bool on_uart = vm->opt->console == VM_CONSOLE_PL011;

    if ((r = add_gic(vm, e)))
        return r;
    const struct irq_line uart_irq = irq_line(vm, PL011_INTID), rtc_irq = irq_line(vm, PL031_INTID),
                          gpio_irq = irq_line(vm, PL061_INTID);
    const struct test_ops test = {.exit = end_run, .reset = reset_machine, .opaque = vm};
    b->uart = pl011_create(PL011_BASE, uart_irq, on_uart ? b->console : b->other, e);
    if ((r = add(vm, b->uart, e)) || (r = add(vm, test_register_create(TEST_BASE, &test, e), e)) ||
        (r = add(vm, pl031_create(PL031_BASE, rtc_irq, &vm->clock, e), e)))
        return r;
    b->gpio = pl061_create(PL061_BASE, gpio_irq, vm->io, e);
    if ((r = add(vm, b->gpio, e)) || (r = add_firmware_devices(vm, e)))
        return r;
    return fill_virtio_slots(vm, on_uart ? b->other : b->console, e);
}

/* Of a device that leaves nothing undone the notification is an exit: what it does then has happened when the guest goes on, and ends. */
static int connect_virtio(struct vm *vm, unsigned slot, struct err *e)
{
    struct virtio_device *v = vm->board.virtio[slot];
    struct virtio_fds fds = {.raise = -1, .ended = -1};
    struct hv_irqfd irq;

    for (unsigned q = 0; q < v->nr_queues; q++) {
        fds.notified[q] = vm->hv->ioeventfd(
            vm->hv_vm, VIRTIO_BASE + slot * VIRTIO_MMIO_LEN + VIRTIO_MMIO_QUEUE_NOTIFY, 4, q, e);
        if (fds.notified[q] < 0)
            return fds.notified[q];
    }
    const int r = vm->hv->irqfd(vm->hv_vm, VIRTIO_INTID(slot), &irq, e);
    if (r && r != -ENOTSUP)
        return r;
    if (!r) {
        fds.raise = irq.raise;
        fds.ended = irq.ended;
    }
    vm->board.events[slot] = virtio_events_create(v, &fds, vm->io, e);
    return vm->board.events[slot] ? 0 : -ENOMEM;
}

/* Notifications and interrupts by descriptors would pass unseen. */
static bool must_be_seen(const struct vm *vm)
{
    const struct trace *t = trace_of(vm);
    return (vm->opt->observe && vm->opt->observe->exits) || trace_wants(t, TRACE_KIND_IRQ);
}

int board_connect(struct vm *vm, struct err *e)
{
    int r = 0;

    if (must_be_seen(vm))
        return 0;
    for (unsigned slot = 0; !r && vm->hv->ioeventfd && slot < BOARD_VIRTIO_SLOTS; slot++)
        if (vm->board.virtio[slot] && !vm->board.virtio[slot]->ops->synchronous)
            r = connect_virtio(vm, slot, e);
    return r == -ENOTSUP ? 0 : r;
}

void board_reset(struct vm *vm)
{
    /* No callback of a device comes between its reset and its neighbour's. */
    io_thread_pause(vm->io);
    bus_reset(&vm->bus);
    if (vm->board.gic)
        gic_reset(vm->board.gic);
    io_thread_resume(vm->io);
}

void board_destroy(struct vm *vm)
{
    struct board *b = &vm->board;

    bus_destroy(&vm->bus);
    for (unsigned slot = 0; slot < BOARD_VIRTIO_SLOTS; slot++)
        virtio_events_destroy(b->events[slot]);
    if (b->gic)
        gic_destroy(b->gic);
    chardev_destroy(b->console);
    chardev_destroy(b->other);
    *b = (struct board){0};
}
