/* Explains the vCPU that stopped a VM. After vm_join(), on the thread that calls it. */
#ifndef VIBE_DBG_EXPLAIN_VM_H
#define VIBE_DBG_EXPLAIN_VM_H

#include "base/types.h"

#include <stdbool.h>
#include <stdio.h>

struct hv_vcpu;
struct vm;

/* Writes nothing unless a vCPU is stuck. */
void explain_vm(struct vm *vm, FILE *f);

/* The vCPU that is stuck, while the VM goes on: on its own thread. False: the backend does not know why. */
bool explain_vcpu(struct vm *vm, struct hv_vcpu *vcpu, FILE *f);

/* What lies at gpa: "RAM", "pl011@9000000"; null: nothing. Any thread. */
const char *explain_place(const struct vm *vm, gpa_t gpa);

#endif
