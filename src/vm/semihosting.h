/* Semihosting: the guest asks the host by HLT #0xF000 for files, the console, the time, and to end the run.
 *
 * Calls come from any vCPU's thread. Specification: "Semihosting for AArch32 and AArch64", release 2.0. What the guest's files are: docs/ci.md. */
#ifndef VIBE_VM_SEMIHOSTING_H
#define VIBE_VM_SEMIHOSTING_H

#include "hv/hv.h"

struct err;
struct semihost;
struct snap;
struct vcpu;
struct vm;

/* 0, or -errno when the folder of the files cannot be opened. */
int semihost_create(struct vm *vm, struct semihost **out, struct err *e);
void semihost_destroy(struct semihost *s); /* null is fine */
/* The machine is reset: its files are closed. No vCPU runs. */
void semihost_reset(struct semihost *s);

/* To or from a snapshot. No vCPU runs. */
void semihost_snap(struct semihost *s, struct snap *snap);

/* The exit of the HLT: does the call, with PC behind it. Where it has to wait for input it has waited some time, and PC is at the HLT again. */
enum hv_action semihost_call(struct vcpu *v);

#endif
