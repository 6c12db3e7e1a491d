/* The gdb server: a debugger at a socket sees every vCPU as a thread. docs/debugging.md is the guide.
 *
 * A thread of its own serves one connection at a time; it alone calls vm_hold() and the like for the debugger. Without a connection the guest runs
 * as if there were no server.
 * Specification: "Debugging with GDB", appendix "The GDB Remote Serial Protocol". */
#ifndef VIBE_DBG_GDB_GDB_H
#define VIBE_DBG_GDB_GDB_H

#include <stdbool.h>

struct err;
struct gdb;
struct vm;

/* What --gdb takes: [HOST:]PORT or unix:PATH. 0, or -EINVAL with what is wrong and the cure. */
int gdb_check_address(const char *where, struct err *e);

/* Opens the socket. 0 or -errno. */
int gdb_open(struct gdb **out, const char *where, struct err *e);
/* Where it listens, with the port that was picked: "127.0.0.1:1234". Lives as long as g. */
const char *gdb_address(const struct gdb *g);

/* Before vm_start(). wait: the guest does not begin before a debugger lets it. 0 or -ENOMEM. */
int gdb_set_vm(struct gdb *g, struct vm *vm, bool wait, struct err *e);
/* After vm_start(): the thread. 0 or -errno. */
int gdb_start(struct gdb *g, struct err *e);

/* After vm_join(): a debugger that is connected hears of the exit status, or of the signal that ended the run (0: none). Nothing is served any more. */
void gdb_stop(struct gdb *g, int status, int signal);
/* Before vm_destroy(). Null is fine. */
void gdb_destroy(struct gdb *g);

#endif
