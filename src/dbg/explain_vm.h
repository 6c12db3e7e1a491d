/* Explains the vCPU that stopped a VM. After vm_join(), on the thread that calls it. */
#ifndef VIBE_DBG_EXPLAIN_VM_H
#define VIBE_DBG_EXPLAIN_VM_H

#include <stdio.h>

struct vm;

/* Writes nothing unless a vCPU is stuck. */
void explain_vm(struct vm *vm, FILE *f);

#endif
