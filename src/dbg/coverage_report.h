/* --coverage: the lines of a program that were run, as lcov has them.
 *
 * Main thread; written while no vCPU runs. */
#ifndef VIBE_DBG_COVERAGE_REPORT_H
#define VIBE_DBG_COVERAGE_REPORT_H

#include <stdint.h>

struct coverage_report;
struct err;
struct vm;

/* Opens path, and leaves what it has. 0, -ENOTSUP where line tables cannot be read, or other -errno. */
int coverage_report_create(struct coverage_report **out, const char *path, struct err *e);
void coverage_report_destroy(struct coverage_report *r); /* null is fine */

/* Reads the lines of a program, whose addresses are moved by offset in the guest. 0 or -errno. */
int coverage_report_add(struct coverage_report *r, const char *program, uint64_t offset, struct err *e);

/* 0 or -errno. */
int coverage_report_write(struct coverage_report *r, struct vm *vm, struct err *e);

#endif
