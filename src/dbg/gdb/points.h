/* The breakpoints and watchpoints of a session, and what of them the vCPUs know.
 *
 * gdb takes all of them away at each stop and puts them back before it goes on. The vCPUs are told only where they would miss one: what they stop at
 * beyond that is passed over when it comes. Threads: the server's. */
#ifndef VIBE_DBG_GDB_POINTS_H
#define VIBE_DBG_GDB_POINTS_H

#include "arch/debug_points.h"
#include "base/types.h"

struct gdb_session;
struct err;

#define GDB_MAX_POINTS 512u
#define GDB_MAX_SYSREGS 32u

/* What was asked for, which is more than debug_point.kind says. */
enum gdb_point_type {
    POINT_SOFTWARE, /* Z0 to Z4, in their order */
    POINT_HARDWARE,
    POINT_WRITE,
    POINT_READ,
    POINT_ACCESS,
    POINT_PHYSICAL, /* by `monitor` */
};

struct gdb_point_set {
    unsigned nr;
    struct debug_point point[GDB_MAX_POINTS];
    uint8_t type[GDB_MAX_POINTS]; /* enum gdb_point_type */
    uint64_t exceptions;          /* as of struct debug_points, like the next ones */
    bool interrupts;
    unsigned nr_sysregs;
    uint16_t sysreg[GDB_MAX_SYSREGS];
};

struct gdb_points {
    struct gdb_point_set wanted, known; /* known: to the vCPUs */
};

/* 0; -EINVAL, -ENOSPC; -ENOTSUP and the like of the backend. What is there already is fine. */
int points_add(struct gdb_session *s, enum gdb_point_type type, uint64_t addr, uint64_t len,
               struct err *e);
/* 0 or -ENOENT. */
int points_remove(struct gdb_session *s, enum gdb_point_type type, uint64_t addr, uint64_t len);
/* Exceptions, interrupts and registers of `wanted` were changed: tells the vCPUs. 0, or -errno with all as it was. */
int points_changed(struct gdb_session *s, const struct gdb_point_set *before, struct err *e);
/* None any more. All vCPUs are held, as in the next. */
void points_clear(struct gdb_session *s);

/* The vCPUs know exactly what is wanted: after one has stopped at what is not. */
void points_tell(struct gdb_session *s);

/* What a vCPU has stopped at, or null: nothing that is wanted. */
const struct debug_point *points_find(const struct gdb_session *s, const struct debug_event *event,
                                      enum gdb_point_type *type);
/* Whether an event is one that is wanted. */
bool points_want(const struct gdb_session *s, const struct debug_event *event);

#endif
