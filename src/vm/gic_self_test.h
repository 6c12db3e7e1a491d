/* What interrupts cost with a native backend: small guests on one vCPU or two, with the backend's GIC or, where that has none, with the project's. For --self-test: the
 * two of a backend that leaves the choice can so be compared. Main thread, while there is no VM.
 */
#ifndef VIBE_VM_GIC_SELF_TEST_H
#define VIBE_VM_GIC_SELF_TEST_H

#include "hv/hv.h"

/* Says nothing where the backend cannot be used, or has no virtual timer of the CPU's, or no GICv3. */
void gic_self_test(const struct hv_backend *hv, hv_say_fn *say, void *opaque);

#endif
