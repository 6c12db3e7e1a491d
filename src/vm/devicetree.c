/* The device tree: what is the machine's as a whole. Each device writes its own node.
 *
 * Used while the machine is built or reset. Specification: Devicetree Specification 0.4, "Device Node Requirements"; Linux
 * Documentation/devicetree/bindings: arm/cpus, arm/psci, timer/arm,arch_timer, cpu/cpu-topology. */
#include "arch/psci.h"
#include "base/bits.h"
#include "base/os.h"
#include "load/fdt.h"
#include "vm/vm_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_HZ 24000000u

/* What cpu@ and the reg of it hold: MPIDR_EL1's affinity fields; Aff3 is 0 on this machine. */
static uint32_t affinity(const struct vcpu *v)
{
    return (uint32_t)(v->mpidr & 0xffffff);
}

static void write_chosen(const struct vm *vm, struct fdt_ctx *f, const struct dt_chosen *c)
{
    char path[40];
    uint8_t seed[40];

    dt_begin(f, "chosen");
    snprintf(path, sizeof(path), "/%s", vm->board.uart->name);
    dt_string(f, "stdout-path", path);
    if (vm->opt->deterministic)
        memset(seed, 0x5a, sizeof(seed)); /* what the guest makes of it shall be the same each time */
    else
        os_random(seed, sizeof(seed));
    dt_bytes(f, "kaslr-seed", seed, 8);
    dt_bytes(f, "rng-seed", seed + 8, 32);
    dt_write_chosen(f, c);
    dt_end(f);
}

static void write_psci(struct fdt_ctx *f)
{
    dt_begin(f, "psci");
    dt_strings(f, "compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci");
    dt_string(f, "method", "hvc");
    /* For guests that know PSCI 0.1 alone, where the numbers are not fixed. */
    dt_u32(f, "cpu_suspend", PSCI_CPU_SUSPEND_64);
    dt_u32(f, "cpu_off", PSCI_CPU_OFF);
    dt_u32(f, "cpu_on", PSCI_CPU_ON_64);
    dt_u32(f, "migrate", PSCI_MIGRATE_64);
    dt_end(f);
}

/* CPUs that share Aff1 are a cluster. */
static void write_cpu_map(const struct vm *vm, struct fdt_ctx *f)
{
    char name[16];

    dt_begin(f, "cpu-map");
    dt_begin(f, "socket0");
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        const uint32_t aff = affinity(&vm->vcpu[i]);
        const bool first = !i || affinity(&vm->vcpu[i - 1]) >> 8 != aff >> 8;
        if (first && i)
            dt_end(f);
        if (first) {
            snprintf(name, sizeof(name), "cluster%u", aff >> 8);
            dt_begin(f, name);
        }
        snprintf(name, sizeof(name), "core%u", aff & 0xff);
        dt_begin(f, name);
        dt_u32(f, "cpu", DT_PHANDLE_CPU0 + i);
        dt_end(f);
    }
    dt_end(f);
    dt_end(f);
    dt_end(f);
}

static void write_cpus(const struct vm *vm, struct fdt_ctx *f)
{
    dt_begin(f, "cpus");
    dt_u32(f, "#address-cells", 1);
    dt_u32(f, "#size-cells", 0);
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        const uint32_t aff = affinity(&vm->vcpu[i]);
        dt_begin_at(f, "cpu", aff);
        dt_string(f, "device_type", "cpu");
        dt_string(f, "compatible", "arm,armv8");
        dt_u32(f, "reg", aff);
        dt_string(f, "enable-method", "psci");
        dt_u32(f, "phandle", DT_PHANDLE_CPU0 + i);
        dt_end(f);
    }
    write_cpu_map(vm, f);
    dt_end(f);
}

static void write_memory(const struct vm *vm, struct fdt_ctx *f)
{
    for (unsigned i = 0; i < vm->ram.nr_regions; i++) {
        const struct ram_region *g = &vm->ram.region[i];
        if (g->kind != RAM_KIND_RAM)
            continue;
        dt_begin_at(f, "memory", g->base);
        dt_string(f, "device_type", "memory");
        dt_reg(f, &(struct dt_range){g->base, g->len}, 1);
        dt_end(f);
    }
}

/* A GICv2's PPIs name their CPUs. */
static uint32_t ppi_flags(const struct vm *vm)
{
    return DT_LEVEL_HIGH | (vm->gic_version == 2 ? (uint32_t)mask64(vm->nr_vcpus) << 8 : 0);
}

/* Four interrupts and not five: EDK2 takes a fifth for an error. */
static void write_timer(const struct vm *vm, struct fdt_ctx *f)
{
    const uint32_t flags = ppi_flags(vm);
    const struct dt_irq irq[] = {
        {GTIMER_INTID_SECURE, flags},
        {GTIMER_INTID_PHYS, flags},
        {GTIMER_INTID_VIRT, flags},
        {GTIMER_INTID_HYP, flags},
    };

    dt_begin(f, "timer");
    dt_strings(f, "compatible", "arm,armv8-timer\0arm,armv7-timer");
    dt_interrupts(f, irq, ARRAY_LEN(irq));
    dt_empty(f, "always-on");
    dt_end(f);
}

static void write_pmu(const struct vm *vm, struct fdt_ctx *f)
{
    if (!vm->caps.pmu)
        return;
    dt_begin(f, "pmu");
    dt_string(f, "compatible", "arm,armv8-pmuv3");
    dt_interrupts(f, &(struct dt_irq){board_pmu_intid, ppi_flags(vm)}, 1);
    dt_end(f);
}

/* The clock of UART and RTC, which nothing here depends on. */
static void write_clock(struct fdt_ctx *f)
{
    dt_begin(f, "apb-pclk");
    dt_string(f, "compatible", "fixed-clock");
    dt_u32(f, "#clock-cells", 0);
    dt_u32(f, "clock-frequency", CLOCK_HZ);
    dt_string(f, "clock-output-names", "clk24mhz");
    dt_u32(f, "phandle", DT_PHANDLE_CLOCK);
    dt_end(f);
}

int devicetree_create(const struct vm *vm, const struct dt_chosen *c, uint8_t **blob, size_t *len,
                      struct err *e)
{
    struct fdt_ctx *f;
    int r = dt_create(&f, e);

    if (r < 0)
        return r;
    dt_string(f, "compatible", "linux,dummy-virt");
    dt_string(f, "model", "vibevmm");
    dt_u32(f, "#address-cells", 2);
    dt_u32(f, "#size-cells", 2);
    dt_u32(f, "interrupt-parent", DT_PHANDLE_GIC);
    write_chosen(vm, f, c);
    write_psci(f);
    write_cpus(vm, f);
    write_memory(vm, f);
    write_timer(vm, f);
    write_pmu(vm, f);
    write_clock(f);
    bus_fdt_nodes(&vm->bus, f);
    return dt_finish(f, blob, len, e);
}
