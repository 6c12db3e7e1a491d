/* One virtual machine: memory, devices, vCPUs, from creation to what it did.
 *
 * vm_create, vm_start, vm_join, vm_get_stats and vm_destroy in that order, on one thread; vm_request_stop() on any, also from a signal handler's
 * loop. ARCHITECTURE.md has the threads and the lock order. */
#ifndef VIBE_VM_VM_H
#define VIBE_VM_VM_H

#include "vm/options.h"
#include "vm/stats.h"

struct chardev;
struct err;
struct ram;
struct vm;

enum vm_stop_reason {
    VM_STOP_NONE,
    VM_STOP_POWEROFF,   /* PSCI SYSTEM_OFF, or every vCPU switched itself off */
    VM_STOP_REBOOT,     /* PSCI SYSTEM_RESET, with no_reboot */
    VM_STOP_RESET,      /* the machine could not be reset */
    VM_STOP_GUEST_EXIT, /* the guest gave a code */
    VM_STOP_QUIT,       /* the user */
    VM_STOP_SIGNAL,
    VM_STOP_TIMEOUT,
    VM_STOP_LIMIT,      /* a vCPU has run as many instructions as it was to */
    VM_STOP_STUCK,      /* a vCPU is in a fault that it can't leave */
    VM_STOP_EXPECTED,   /* the console said what it was to say */
    VM_STOP_UNEXPECTED, /* it said what it was not to say, or did not in time */
    VM_STOP_ERROR,      /* the backend failed */
    VM_STOP_REFUSED,    /* the snapshot is not what was saved */
};

struct vm_outcome {
    enum vm_stop_reason reason;
    int guest_code; /* of VM_STOP_GUEST_EXIT, 0 to 255 */
    unsigned vcpu;  /* of VM_STOP_STUCK */
};

/* Builds the machine and loads the images; nothing runs yet. Options stay the caller's and must outlive the VM. 0 or -errno. */
int vm_create(struct vm **out, const struct vm_options *opt, struct err *e);

/* Starts the vCPU threads. */
int vm_start(struct vm *vm, struct err *e);

/* The first reason counts. Any thread. */
void vm_request_stop(struct vm *vm, enum vm_stop_reason reason);

/* The guest's power key, for a moment. Any thread. */
void vm_press_power_key(struct vm *vm);

/* What the guest may know of the terminal, where the virtio console is attached to it; until then 80 by 25. Any thread. */
void vm_set_terminal_size(struct vm *vm, unsigned columns, unsigned rows);

/* Readable once every vCPU has stopped. */
int vm_finished_fd(struct vm *vm);

/* After VM_STOP_REFUSED: why. */
const struct err *vm_refusal(const struct vm *vm);

/* Waits for the vCPU threads. */
void vm_join(struct vm *vm, struct vm_outcome *out);

/* Somebody who follows the console's output. */
struct vm_watch {
    /* The guest has written buf. True: there is something to do. On the writer's thread, under locks: calls nothing of the VM's nor the console's. */
    bool (*output)(void *opaque, const uint8_t *buf, size_t len);
    /* Something is to be done: after the guest's instruction, on its vCPU's thread, with no lock held. May send input and stop the VM. */
    void (*act)(void *opaque);
    void *opaque;
};

/* Before vm_start(), once. */
void vm_set_watch(struct vm *vm, const struct vm_watch *w);

/* The byte stream of the device that is attached to the terminal. */
struct chardev *vm_console(struct vm *vm);
const struct ram *vm_ram(const struct vm *vm);

/* As the guest finds it; null in a build without libfdt. It lives as long as the VM, until a reset. */
const void *vm_device_tree(const struct vm *vm, size_t *len);

/* After vm_join(); or so far, while all vCPUs are held (vm/debug.h), without memory_hash. exit_status is left to the caller. */
void vm_get_stats(struct vm *vm, struct vm_stats *s);
const char *vm_stop_reason_name(enum vm_stop_reason reason);

/* The vCPU that is stuck, after VM_STOP_STUCK; else null. It lives until vm_destroy(). */
struct hv_vcpu *vm_stuck_vcpu(struct vm *vm);

/* After vm_join(), or before vm_start(). Null is fine. */
void vm_destroy(struct vm *vm);

#endif
