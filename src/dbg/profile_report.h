/* --profile: what the samples of a run say, as folded stacks for flame graphs and as a report to read.
 *
 * profile_report_exit() on any vCPU's thread; the rest on the main thread, while no vCPU runs. */
#ifndef VIBE_DBG_PROFILE_REPORT_H
#define VIBE_DBG_PROFILE_REPORT_H

#include "base/types.h"
#include "load/symbols.h"

struct err;
struct profile_report;
struct vm;

/* Opens path and path.txt, and leaves what they have. 0 or -errno. */
int profile_report_create(struct profile_report **out, const char *path, uint64_t period,
                          const struct symbols *syms, struct err *e);
void profile_report_destroy(struct profile_report *r); /* null is fine */

/* An exit at pc; observe.exit of arch/trace.h. */
void profile_report_exit(void *opaque, unsigned el, gva_t pc, const char *reason, const char *device);

/* Writes both files. 0 or -errno. */
int profile_report_write(struct profile_report *r, struct vm *vm, struct err *e);

#endif
