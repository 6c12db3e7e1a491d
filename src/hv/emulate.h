/* One instruction of a native backend's vCPU, done by the software CPU's interpreter: a load or store to a device of which the hardware's syndrome
 * does not say what it loads or stores (pairs, writeback, V registers: DDI 0487, "ESR_EL2", "ISS encoding for an exception from a Data
 * Abort", ISV).
 *
 * The registers that it needs are fetched and put back by the backend's get_reg and set_reg; addresses go through the guest's tables. The guest's
 * features beyond those of the software CPU, other formats of those tables included, are not known here. vCPU's thread. */
#ifndef VIBE_HV_EMULATE_H
#define VIBE_HV_EMULATE_H

#include "hv/hv.h"

struct emulator;

/* Of one vCPU; its MMIO goes to on_exit. Null: out of memory. */
struct emulator *emulator_create(struct ram *ram, hv_exit_fn *on_exit, void *opaque);
void emulator_destroy(struct emulator *m);

/* The instruction at PC; 0 where it cannot be fetched. */
uint32_t emulator_fetch(struct emulator *m, const struct hv_backend *hv, struct hv_vcpu *vcpu);

/* Does the instruction at PC if it is one that accesses memory, and enters the exception that it takes, if any. What is no such instruction (any more)
 * is left alone: the vCPU runs it by itself. *action is HV_STOP if the exit handler said so. 0; -EFAULT: it cannot be
 * fetched by the tables as this understands them, -EOPNOTSUPP: it is unknown here, or AArch32's: the guest should take an external abort; another
 * -errno of get_reg or set_reg. */
int emulate(struct emulator *m, const struct hv_backend *hv, struct hv_vcpu *vcpu, enum hv_action *action);

#endif
