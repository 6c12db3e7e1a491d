/* The breakpoints and watchpoints of a session. Threads: the server's. */
#include "dbg/gdb/points.h"

#include "base/bits.h"
#include "base/err.h"
#include "dbg/gdb/session.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <string.h>

static struct debug_point point_of(enum gdb_point_type type, uint64_t addr, uint64_t len)
{
    switch (type) {
    case POINT_SOFTWARE:
    case POINT_HARDWARE: return (struct debug_point){.kind = DEBUG_BREAK, .addr = addr};
    case POINT_PHYSICAL: return (struct debug_point){.kind = DEBUG_BREAK_PHYSICAL, .addr = addr};
    case POINT_WRITE:
    case POINT_READ:
    case POINT_ACCESS: break;
    }
    return (struct debug_point){.kind = DEBUG_WATCH,
                                .read = type != POINT_WRITE,
                                .write = type != POINT_READ,
                                .addr = addr,
                                .len = len};
}

static int find(const struct gdb_point_set *set, enum gdb_point_type type, uint64_t addr, uint64_t len)
{
    const struct debug_point p = point_of(type, addr, len);

    for (unsigned i = 0; i < set->nr; i++)
        if (set->type[i] == type && set->point[i].addr == p.addr && set->point[i].len == p.len)
            return (int)i;
    return -1;
}

/* All vCPUs, which are held, are told. 0 or -errno, with `known` as it was. */
static int tell_held(struct gdb_session *s, const struct gdb_point_set *set, struct err *e)
{
    const struct debug_points p = {.nr = set->nr,
                                   .point = set->point,
                                   .exceptions = set->exceptions,
                                   .interrupts = set->interrupts,
                                   .nr_sysregs = set->nr_sysregs,
                                   .sysreg = set->sysreg};
    const int r = vm_set_debug(s->vm, &p, e);

    if (!r && set != &s->points.known)
        s->points.known = *set;
    return r;
}

static int tell_vcpus(struct gdb_session *s, const struct gdb_point_set *set, struct err *e)
{
    const vcpu_set_t rest = run_hold_rest(s);
    const int r = tell_held(s, set, e);

    vm_release(s->vm, rest);
    return r;
}

static void append(struct gdb_point_set *set, enum gdb_point_type type, uint64_t addr, uint64_t len)
{
    set->point[set->nr] = point_of(type, addr, len);
    set->type[set->nr++] = (uint8_t)type;
}

int points_add(struct gdb_session *s, enum gdb_point_type type, uint64_t addr, uint64_t len,
               struct err *e)
{
    struct gdb_points *p = &s->points;
    const bool watch = type == POINT_WRITE || type == POINT_READ || type == POINT_ACCESS;

    if (watch && (!len || addr + (len - 1) < addr))
        return err_set(e, EINVAL, "a watchpoint of %llu bytes at 0x%llx watches nothing",
                       (unsigned long long)len, (unsigned long long)addr);
    if (!watch && (addr & 3))
        return err_set(e, EINVAL, "no instruction begins at 0x%llx", (unsigned long long)addr);
    if (find(&p->wanted, type, addr, len) >= 0)
        return 0;
    if (p->wanted.nr == GDB_MAX_POINTS)
        return err_set(e, ENOSPC, "there are %u breakpoints and watchpoints already", GDB_MAX_POINTS);
    append(&p->wanted, type, addr, len);
    if (find(&p->known, type, addr, len) >= 0)
        return 0;
    /* What is not wanted now is likely to be wanted again, in a moment. */
    if (p->known.nr < GDB_MAX_POINTS) {
        append(&p->known, type, addr, len);
        if (!tell_vcpus(s, &p->known, e))
            return 0;
        p->known.nr--;
    }
    const int r = tell_vcpus(s, &p->wanted, e);
    p->wanted.nr -= r != 0;
    return r;
}

int points_remove(struct gdb_session *s, enum gdb_point_type type, uint64_t addr, uint64_t len)
{
    struct gdb_point_set *set = &s->points.wanted;
    const int i = find(set, type, addr, len);

    if (i < 0)
        return -ENOENT;
    set->nr--;
    set->point[i] = set->point[set->nr];
    set->type[i] = set->type[set->nr];
    return 0;
}

int points_changed(struct gdb_session *s, const struct gdb_point_set *before, struct err *e)
{
    const int r = tell_vcpus(s, &s->points.wanted, e);

    if (r)
        s->points.wanted = *before;
    return r;
}

void points_tell(struct gdb_session *s)
{
    tell_held(s, &s->points.wanted, NULL);
}

void points_clear(struct gdb_session *s)
{
    const struct gdb_point_set *k = &s->points.known;
    const bool any = k->nr || k->exceptions || k->interrupts || k->nr_sysregs;

    memset(&s->points.wanted, 0, sizeof(s->points.wanted));
    if (any)
        points_tell(s);
}

static bool is_at(const struct debug_point *p, const struct debug_event *event)
{
    if (event->cause == DEBUG_CAUSE_BREAK)
        return p->kind != DEBUG_WATCH && p->addr == event->addr;
    return p->kind == DEBUG_WATCH && event->addr - p->addr < p->len &&
           (event->write ? p->write : p->read);
}

const struct debug_point *points_find(const struct gdb_session *s, const struct debug_event *event,
                                      enum gdb_point_type *type)
{
    const struct gdb_point_set *set = &s->points.wanted;

    for (unsigned i = 0; i < set->nr; i++)
        if (is_at(&set->point[i], event)) {
            *type = (enum gdb_point_type)set->type[i];
            return &set->point[i];
        }
    return NULL;
}

bool points_want(const struct gdb_session *s, const struct debug_event *event)
{
    const struct gdb_point_set *set = &s->points.wanted;
    enum gdb_point_type type;

    switch (event->cause) {
    case DEBUG_CAUSE_BREAK:
    case DEBUG_CAUSE_WATCH: return points_find(s, event, &type) != NULL;
    case DEBUG_CAUSE_EXCEPTION: return set->exceptions || set->interrupts;
    case DEBUG_CAUSE_SYSREG:
        for (unsigned i = 0; i < set->nr_sysregs; i++)
            if (set->sysreg[i] == event->addr)
                return true;
        return false;
    case DEBUG_CAUSE_STEP:
    case DEBUG_CAUSE_STUCK:
    case DEBUG_CAUSE_RESET:
    case DEBUG_CAUSE_CPU_ON:
    case DEBUG_CAUSE_LIMIT: break;
    }
    return true;
}
