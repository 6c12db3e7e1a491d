/* Stopping a machine to look at it and change it: for debuggers, snapshots, the control socket.
 *
 * A vCPU that is held has left the guest between two instructions and waits; its thread does what it is asked to (vm_on_vcpu()), for a backend's
 * vCPU belongs to its thread. Holds are counted, so that several who want one vCPU to stand still do not know of each other. While all are held the
 * guest's clock stands still. Devices go on by themselves: the I/O thread and the pool are not stopped.
 *
 * Threads: any but the vCPUs' own and the I/O thread; after vm_start(). None of this waits for the guest, only for an exit that is being handled. */
#ifndef VIBE_VM_DEBUG_H
#define VIBE_VM_DEBUG_H

#include "arch/debug_points.h"
#include "arch/walk.h"
#include "vm/vm.h"

struct hv_vcpu;

/* A set of vCPUs: 1 << index. */
typedef uint64_t vcpu_set_t;

vcpu_set_t vm_all_vcpus(const struct vm *vm);
/* Those that PSCI has switched on; of them, those that sleep in a WFI or WFE. */
vcpu_set_t vm_vcpus_on(struct vm *vm);
vcpu_set_t vm_vcpus_asleep(struct vm *vm);

/* Returns when all of them stand still, or have ended with the VM. */
void vm_hold(struct vm *vm, vcpu_set_t set);
/* Takes back one vm_hold() of each. */
void vm_release(struct vm *vm, vcpu_set_t set);

/* A vCPU that is held runs fn on its thread, and then waits on. False: it has ended, or the VM is about to. */
bool vm_on_vcpu(struct vm *vm, unsigned index, void (*fn)(struct hv_vcpu *hv, void *opaque), void *opaque);

/* The machine as after power-on, also where a reset of the guest's would end the run. vCPUs that are held stay so, before their first instruction. Returns
 * when that is done, or the VM is about to end. */
void vm_reset(struct vm *vm);

/* One register (enum hv_reg) of a vCPU that is held, the board's of the timers and the GIC included; a read changes nothing. 0, -EINVAL: there is no such
 * register, or a read of it would change something, -ESRCH: no such vCPU any more. To write the PC ends a WFI or WFE. */
int vm_get_reg(struct vm *vm, unsigned index, unsigned reg, uint64_t *val);
int vm_set_reg(struct vm *vm, unsigned index, unsigned reg, uint64_t val);

/* Several at once, in their order: each gets its result, and what was read or written. */
struct vm_reg {
    unsigned reg; /* enum hv_reg */
    int result;
    uint64_t val;
};
void vm_get_regs(struct vm *vm, unsigned index, struct vm_reg *reg, unsigned nr);
void vm_set_regs(struct vm *vm, unsigned index, struct vm_reg *reg, unsigned nr);

/* What a debugger hears, on the vCPU's thread: it has one hold more from before the call, which the debugger gives back by vm_release() when it has seen
 * to it. None of vm_*() may be called from there. */
struct vm_debugger {
    void (*stopped)(void *opaque, unsigned index, const struct debug_event *event);
    /* Whether it wants to hear of what nobody set a point for: STUCK, RESET or CPU_ON. Null: no. */
    bool (*wants)(void *opaque, unsigned index, enum debug_cause cause);
    void *opaque;
};

/* Before vm_start(), which then starts with each vCPU held once if hold is true. The struct is the caller's and outlives the VM. */
void vm_set_debugger(struct vm *vm, const struct vm_debugger *d, bool hold);

/* Called when the machine has been reset: by the guest, or by vm_reset(). On a vCPU's thread, under vm.lock: takes no lock but leaves. Before vm_start(). */
void vm_set_listener(struct vm *vm, void (*on_reset)(void *opaque, bool guest), void *opaque);

/* What stops vCPUs, all of them, from now on. All are held. 0 or -errno: then it is as it was, on each of them. */
int vm_set_debug(struct vm *vm, const struct debug_points *p, struct err *e);
/* Whether a vCPU that is held runs one instruction when it is released, and is then reported. 0 or -errno. */
int vm_set_step(struct vm *vm, unsigned index, bool on);

/* Which addresses are meant. */
enum vm_space {
    VM_SPACE_VIRTUAL, /* as the vCPU's current translation has them: of EL1, of EL0 where that fails */
    VM_SPACE_PHYSICAL,
};

/* The guest-physical address of a virtual one, by the translation tables of a vCPU that is held; nothing is changed by it. 0, -EFAULT, -ESRCH. */
int vm_translate(struct vm *vm, unsigned index, gva_t va, gpa_t *pa);
/* What decides how a vCPU that is held translates: the registers that vm_walk() looks at, in an otherwise reset state. 0 or -ESRCH. */
int vm_get_regime(struct vm *vm, unsigned index, struct pe_state *s);
/* A walk of tables by such a state; descriptors are in RAM and ROM alone, and where rq->no_update is set nothing is changed. Any thread. Returns w->ok. */
bool vm_walk(const struct vm *vm, const struct pe_state *s, const struct walk_request *rq,
             struct walk_result *w);
struct walk_mem vm_walk_mem(const struct vm *vm);

/* Memory, never a device. Bytes done from the start: less than len where there is none or, of vm_write_memory(), it is not to be translated. Decoded
 * instructions are brought up to date. Where it matters, the vCPUs are held. */
size_t vm_read_memory(struct vm *vm, unsigned index, enum vm_space space, uint64_t addr, void *buf,
                      size_t len);
size_t vm_write_memory(struct vm *vm, unsigned index, enum vm_space space, uint64_t addr,
                       const void *buf, size_t len);

/* What the guest's clock says now, as the devices read it: it stands still while all vCPUs are held. */
uint64_t vm_guest_now_ns(struct vm *vm);

#endif
