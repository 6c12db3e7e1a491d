/* MMIO dispatch and device classes.
 *
 * A device is a struct with a `struct device` first, and a class that lists its registers. The bus finds the
 * device, checks width, alignment and permission against the register table, counts, and only then calls the handler.
 * What the table does not list, or lists with other widths, reads as zero and ignores writes, and is counted: the guest
 * cannot stop the VMM.
 *
 * Threads: bus_add() while the machine is built. bus_access() on any vCPU thread, several at once; it takes the
 * device's lock around the handler unless the class says DEVICE_UNLOCKED. Lock order: device, then interrupt
 * controller; never two devices at once. */
#ifndef VIBE_BUS_BUS_H
#define VIBE_BUS_BUS_H

#include "base/types.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct device;
struct err;
struct fdt_ctx; /* src/load/fdt.h; a device adds its own node */
struct snap;    /* src/base/snap.h */

/* An interrupt line into the interrupt controller: level semantics, edge where the controller is so configured. */
struct irq_line {
    void (*set)(void *opaque, unsigned intid, bool level); /* any thread */
    void *opaque;
    unsigned intid; /* GIC INTID: SPI n is 32 + n */
};

static inline void irq_set(const struct irq_line *l, bool level)
{
    if (l->set)
        l->set(l->opaque, l->intid, level);
}

/* A rising edge, for lines that the device tree describes as edge-triggered. */
static inline void irq_pulse(const struct irq_line *l)
{
    irq_set(l, true);
    irq_set(l, false);
}

enum reg_width {
    W8 = 1,
    W16 = 2,
    W32 = 4,
    W64 = 8,
    W_ANY = 15
}; /* bytes; the values are or-ed into a set */
enum reg_access { REG_RO = 1, REG_WO = 2, REG_RW = 3 };

/* One row per device register (or array of registers `stride` bytes apart). */
struct reg_desc {
    uint32_t offset;  /* bytes from the device's base */
    uint32_t count;   /* 0 means 1 */
    uint32_t stride;  /* bytes from one to the next; 0 means the largest width */
    uint8_t widths;   /* set of enum reg_width */
    uint8_t access;   /* enum reg_access */
    const char *name; /* as the specification spells it */
    /* off is bytes from the device's base, a multiple of size: of an array it tells the element, and of a register wider than
     * size the part. Null: the register reads as zero or ignores the write, uncounted. val is zero-extended from size. */
    uint64_t (*read)(struct device *d, uint32_t off, unsigned size);
    void (*write)(struct device *d, uint32_t off, unsigned size, uint64_t val);
};

enum device_flags {
    DEVICE_UNLOCKED = 1, /* the handlers lock for themselves */
};

struct device_class {
    const char *name; /* "pl011" */
    unsigned flags;
    const struct reg_desc *regs; /* sorted by offset, not overlapping; null: the catch-all handlers take every access */
    unsigned nr_regs;
    /* Used where regs is null (fifo windows, per-frame decoders). Size is 1, 2, 4 or 8 and off is size-aligned.
     * False: no such register, counted as a bad access. */
    bool (*read)(struct device *d, uint32_t off, unsigned size, uint64_t *val);
    bool (*write)(struct device *d, uint32_t off, unsigned size, uint64_t val);
    /* Instead of those two, of a device that shows each vCPU something else. */
    bool (*read_by)(struct device *d, unsigned cpu, uint32_t off, unsigned size, uint64_t *val);
    bool (*write_by)(struct device *d, unsigned cpu, uint32_t off, unsigned size, uint64_t val);
    /* The register at off; null: there is none, or nobody has told. Null where the table tells. For traces. */
    const char *(*register_name)(const struct device *d, uint32_t off);
    void (*reset)(struct device *d); /* to the state after power-on; no vCPU runs; locked as the handlers are */
    void (*destroy)(struct device *d);
    void (*fdt_node)(const struct device *d, struct fdt_ctx *f); /* writes its own device-tree node; null: none */
    /* Its state to or from a snapshot. No vCPU runs, nothing of its I/O is under way; locked as the handlers are. Interrupt lines are
     * the controller's to remember: it is not told anything. Null: the device has no state. */
    void (*snap)(struct device *d, struct snap *s);
    /* After the whole machine was loaded: what waits in its queues, or for a time, goes on. Locked as the handlers are. Null: nothing does. */
    void (*kick)(struct device *d);
};

struct device_stats {
    _Atomic uint64_t reads, writes;
    _Atomic uint64_t no_exit; /* of these, those for which no vCPU left the guest */
    _Atomic uint64_t bad;     /* no such register, width or permission */
    _Atomic uint64_t broken; /* the guest broke the device's protocol, and it works no more until it is reset */
};

struct device {
    const struct device_class *cls;
    char name[24]; /* "pl011@9000000" */
    gpa_t base;
    uint64_t len;
    pthread_mutex_t lock;
    struct device_stats stats;
    const struct reg_desc *_Atomic recent; /* of the last access; or null */
};

#define BUS_MAX_DEVICES 64

struct bus {
    unsigned nr_devices;
    struct device *device[BUS_MAX_DEVICES]; /* sorted by base */
    _Atomic uint64_t unassigned;            /* accesses where no device is */
    struct device *_Atomic recent[16];      /* by CPU: of its last access; or null */
};

void bus_init(struct bus *b);

/* Sets up the common part of a device, before bus_add(). */
void device_init(struct device *d, const struct device_class *cls, gpa_t base, uint64_t len);

/* Registers a device; -EEXIST on overlap, -ENOSPC. The bus does not own it, bus_destroy() calls its class's destroy. */
int bus_add(struct bus *b, struct device *d, struct err *e);
void bus_reset(struct bus *b);

/* The state of all devices, by rising address; and what comes after it was loaded. No vCPU runs. */
void bus_snap(struct bus *b, struct snap *s);
void bus_kick(struct bus *b);

/* The device-tree nodes of all devices, by rising address. No vCPU runs. */
void bus_fdt_nodes(const struct bus *b, struct fdt_ctx *f);

void bus_destroy(struct bus *b);

struct device *bus_find(const struct bus *b, gpa_t gpa);

/* The register at off bytes from the device's base, as the specification spells it; null: the class does not list it. For traces. */
const char *bus_register_name(const struct device *d, uint64_t off);

enum bus_result {
    BUS_OK,
    BUS_BAD,  /* a device is there, the register, width or permission is not: RAZ/WI, counted */
    BUS_NONE, /* nothing there: the CPU takes a synchronous external abort */
};

/* One access by a vCPU, of size 1, 2, 4 or 8, naturally aligned or not (misaligned is BUS_BAD). *val is read or written, zero-extended; a read that is
 * not BUS_OK gives 0. Any vCPU thread. */
enum bus_result bus_access_by(struct bus *b, unsigned cpu, gpa_t gpa, unsigned size, bool write,
                              uint64_t *val);

/* By vCPU 0, or where it does not matter by whom. */
static inline enum bus_result bus_access(struct bus *b, gpa_t gpa, unsigned size, bool write,
                                         uint64_t *val)
{
    return bus_access_by(b, 0, gpa, size, write, val);
}

#endif
