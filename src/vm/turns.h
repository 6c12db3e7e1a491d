/* Taking turns: what --deterministic makes of threads and time.
 *
 * One vCPU at a time runs, for TURN_INSNS instructions, in the order of their numbers. When all have had their turn the guest's clock moves on
 * by TURN_NS. When all sleep it moves to when the first wants to wake. So time and order are what the guest's instructions make them. */
#ifndef VIBE_VM_TURNS_H
#define VIBE_VM_TURNS_H

#include "base/clock.h"

#include <pthread.h>

#define TURN_INSNS 20000u
#define TURN_NS 20000u

struct vm;
struct vcpu;

enum turn_state { TURN_OFF, TURN_READY, TURN_ASLEEP };

struct turns {
    pthread_mutex_t lock; /* a leaf */
    pthread_cond_t changed;
    int current;            /* vCPU; -1: none */
    _Atomic bool some_held; /* and others were let go: those that are held take no turns */
};

void turns_init(struct vm *vm);
void turns_destroy(struct vm *vm);
/* After power-on and reset: only vCPU 0 takes turns. */
void turns_start(struct vm *vm);
/* The vCPU takes turns from now on. Whoever has the turn. */
void turns_ready(struct vm *vm, unsigned index);

/* On the vCPU's thread. Each but the last returns when it is the vCPU's turn, or it is called out (vcpu.attention): then vcpu.turn_awaited is true, and the same
 * call goes on waiting. */
void turns_enter(struct vcpu *v);
void turns_next(struct vcpu *v);
/* Also when turns_wake() was called, or the guest's clock has come to deadline_ns. */
void turns_sleep(struct vcpu *v, uint64_t deadline_ns);
void turns_leave(struct vcpu *v);

/* There is something for a sleeping vCPU to look at. Any thread. */
void turns_wake(struct vcpu *v);
/* vCPUs have been called out: who waits looks at that. Any thread. */
void turns_look(struct vm *vm);
/* vCPUs go on; some_held: not all of them. Any thread. */
void turns_released(struct vm *vm, bool some_held);

#endif
