/* What the VM does for traces and profiles: arch/trace.h says what is asked for, in vm_options.observe. */
#ifndef VIBE_VM_OBSERVE_H
#define VIBE_VM_OBSERVE_H

#include "hv/hv.h"

struct vm;

/* Whether the backend can show what is asked for: 0, or -ENOTSUP with what it can't and the cure. */
int observe_check(const struct vm *vm, struct err *e);

/* Events get their time from the VM's clock, counted from base_ns on. */
void observe_clock(struct vm *vm, uint64_t base_ns);

/* The exit handler for all vCPUs: vcpu_handle_exit() itself, unless somebody wants to see exits. */
hv_exit_fn *observe_exit_handler(const struct vm *vm);

#endif
