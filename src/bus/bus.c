/* MMIO dispatch. Threading: bus/bus.h. */
#include "bus/bus.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/snap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

void bus_init(struct bus *b)
{
    *b = (struct bus){0};
}

static uint32_t reg_width(const struct reg_desc *r)
{
    return r->widths & W64 ? 8 : r->widths & W32 ? 4 : r->widths & W16 ? 2 : 1;
}

/* Bytes from the first register of the row to the end of its last. */
static uint64_t reg_extent(const struct reg_desc *r)
{
    const uint64_t stride = r->stride ? r->stride : reg_width(r), count = r->count ? r->count : 1;
    return stride * count;
}

/* A table that breaks the rules of bus.h is our bug, found when the machine is built and not when a guest gets there. */
static void check_class(const struct device_class *cls, uint64_t len)
{
    BUG_ON(!len || len > UINT32_MAX); /* a handler's offset has 32 bits */
    for (unsigned i = 0; i < cls->nr_regs; i++) {
        const struct reg_desc *r = &cls->regs[i];
        if (!r->name || !r->widths || r->widths & ~W_ANY || !r->access || r->access & ~REG_RW ||
            (i && r->offset < r[-1].offset + reg_extent(&r[-1])) || r->offset + reg_extent(r) > len)
            BUG("%s: row %u of the register table", cls->name, i);
    }
}

void device_init(struct device *d, const struct device_class *cls, gpa_t base, uint64_t len)
{
    check_class(cls, len);
    d->cls = cls;
    d->base = base;
    d->len = len;
    snprintf(d->name, sizeof(d->name), "%.13s@%" PRIx32, cls->name, (uint32_t)base);
    pthread_mutex_init(&d->lock, NULL);
    atomic_init(&d->recent, NULL);
    atomic_init(&d->stats.reads, 0);
    atomic_init(&d->stats.writes, 0);
    atomic_init(&d->stats.no_exit, 0);
    atomic_init(&d->stats.bad, 0);
    atomic_init(&d->stats.broken, 0);
}

int bus_add(struct bus *b, struct device *d, struct err *e)
{
    unsigned at = 0;

    if (d->base + (d->len - 1) < d->base)
        return err_set(e, EINVAL, "%s: beyond the address space", d->name);
    if (b->nr_devices == BUS_MAX_DEVICES)
        return err_set(e, ENOSPC, "%s: more than %d devices", d->name, BUS_MAX_DEVICES);
    for (unsigned i = 0; i < b->nr_devices; i++) {
        const struct device *o = b->device[i];
        if (d->base - o->base < o->len || o->base - d->base < d->len)
            return err_set(e, EEXIST, "%s overlaps %s", d->name, o->name);
        at += o->base < d->base;
    }
    memmove(&b->device[at + 1], &b->device[at], (b->nr_devices - at) * sizeof(b->device[0]));
    b->device[at] = d;
    b->nr_devices++;
    return 0;
}

/* Locked like every handler: no vCPU runs, but the I/O thread and a device's own threads may. */
static void lock_device(struct device *d)
{
    if (!(d->cls->flags & DEVICE_UNLOCKED))
        pthread_mutex_lock(&d->lock);
}

static void unlock_device(struct device *d)
{
    if (!(d->cls->flags & DEVICE_UNLOCKED))
        pthread_mutex_unlock(&d->lock);
}

/* One more; the device is locked, if it is one that is. Others may read it meanwhile. */
static void count(struct device *d, _Atomic uint64_t *n)
{
    if (d->cls->flags & DEVICE_UNLOCKED)
        atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
    else
        atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

void bus_reset(struct bus *b)
{
    for (unsigned i = 0; i < b->nr_devices; i++) {
        struct device *d = b->device[i];
        if (!d->cls->reset)
            continue;
        lock_device(d);
        d->cls->reset(d);
        unlock_device(d);
    }
}

void bus_snap(struct bus *b, struct snap *s)
{
    for (unsigned i = 0; i < b->nr_devices && !s->failed; i++) {
        struct device *d = b->device[i];
        if (!d->cls->snap)
            continue;
        snap_part(s, d->name, -1);
        lock_device(d);
        d->cls->snap(d, s);
        unlock_device(d);
    }
}

void bus_kick(struct bus *b)
{
    for (unsigned i = 0; i < b->nr_devices; i++) {
        struct device *d = b->device[i];
        if (!d->cls->kick)
            continue;
        lock_device(d);
        d->cls->kick(d);
        unlock_device(d);
    }
}

void bus_fdt_nodes(const struct bus *b, struct fdt_ctx *f)
{
    for (unsigned i = 0; i < b->nr_devices; i++)
        if (b->device[i]->cls->fdt_node)
            b->device[i]->cls->fdt_node(b->device[i], f);
}

void bus_destroy(struct bus *b)
{
    while (b->nr_devices) {
        struct device *d = b->device[--b->nr_devices];
        if (d->cls->destroy)
            d->cls->destroy(d);
    }
}

struct device *bus_find(const struct bus *b, gpa_t gpa)
{
    unsigned lo = 0, hi = b->nr_devices;

    while (lo < hi) {
        const unsigned mid = (lo + hi) / 2;
        struct device *d = b->device[mid];
        if (gpa - d->base < d->len)
            return d;
        if (gpa < d->base)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

/* The device of this CPU's last access, as a rule. */
static struct device *find_device(struct bus *b, unsigned cpu, gpa_t gpa)
{
    struct device *_Atomic *recent = &b->recent[cpu % ARRAY_LEN(b->recent)];
    struct device *d = atomic_load_explicit(recent, memory_order_relaxed);

    if (likely(d && gpa - d->base < d->len))
        return d;
    d = bus_find(b, gpa);
    if (d)
        atomic_store_explicit(recent, d, memory_order_relaxed);
    return d;
}

/* The row for offset off, by the table's order. */
static const struct reg_desc *search_reg(const struct device_class *cls, uint32_t off)
{
    unsigned lo = 0, hi = cls->nr_regs;

    while (lo < hi) {
        const unsigned mid = (lo + hi) / 2;
        const struct reg_desc *r = &cls->regs[mid];
        if (off < r->offset)
            hi = mid;
        else if (off - r->offset >= reg_extent(r))
            lo = mid + 1;
        else
            return !r->stride || (off - r->offset) % r->stride < reg_width(r) ? r : NULL;
    }
    return NULL;
}

const char *bus_register_name(const struct device *d, uint64_t off)
{
    if (d->cls->register_name)
        return d->cls->register_name(d, (uint32_t)off);
    const struct reg_desc *r = search_reg(d->cls, (uint32_t)off);
    return r ? r->name : NULL;
}

/* A driver polls: the row at this offset may well be the one of the last access. */
static const struct reg_desc *find_reg(struct device *d, uint32_t off)
{
    const struct reg_desc *r = atomic_load_explicit(&d->recent, memory_order_relaxed);

    if (likely(r && r->offset == off))
        return r;
    r = search_reg(d->cls, off);
    if (r)
        atomic_store_explicit(&d->recent, r, memory_order_relaxed);
    return r;
}

static bool access_reg(struct device *d, uint32_t off, unsigned size, bool write, uint64_t *val)
{
    const struct reg_desc *r = find_reg(d, off);

    if (!r || !(r->widths & size) || !(r->access & (write ? REG_WO : REG_RO)))
        return false;
    if (write) {
        if (r->write)
            r->write(d, off, size, *val);
    } else {
        *val = r->read ? r->read(d, off, size) : 0;
    }
    return true;
}

static bool access_class(struct device *d, unsigned cpu, uint32_t off, unsigned size, bool write,
                         uint64_t *val)
{
    const struct device_class *cls = d->cls;

    if (cls->regs)
        return access_reg(d, off, size, write, val);
    if (write && cls->write_by)
        return cls->write_by(d, cpu, off, size, *val);
    if (!write && cls->read_by)
        return cls->read_by(d, cpu, off, size, val);
    if (write)
        return cls->write && cls->write(d, off, size, *val);
    return cls->read && cls->read(d, off, size, val);
}

HOT enum bus_result bus_access_by(struct bus *b, unsigned cpu, gpa_t gpa, unsigned size, bool write,
                                  uint64_t *val)
{
    struct device *d = find_device(b, cpu, gpa);
    uint64_t v = write ? low_bytes(*val, size) : 0;
    bool good = false;

    if (!d) {
        atomic_fetch_add_explicit(&b->unassigned, 1, memory_order_relaxed);
        if (!write)
            *val = 0;
        return BUS_NONE;
    }
    const uint64_t off = gpa - d->base;
    lock_device(d);
    count(d, write ? &d->stats.writes : &d->stats.reads);
    if (!(gpa & (size - 1)) && off + size <= d->len)
        good = access_class(d, cpu, (uint32_t)off, size, write, &v);
    if (unlikely(!good))
        count(d, &d->stats.bad);
    unlock_device(d);
    if (!write)
        *val = good ? low_bytes(v, size) : 0;
    return good ? BUS_OK : BUS_BAD;
}
