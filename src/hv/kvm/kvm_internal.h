/* What the files of the KVM backend share. They are empty but for arm64.
 *
 * Specification: Linux Documentation/virt/kvm/api.rst, devices/arm-vgic.rst, devices/arm-vgic-v3.rst. */
#ifndef VIBE_HV_KVM_KVM_INTERNAL_H
#define VIBE_HV_KVM_KVM_INTERNAL_H

#include "hv/hv.h"
#include "hv/kvm/kvm.h"
#include "hv/native_debug.h"
#include "mem/ram.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h> /* before linux/kvm.h, which uses offsetof() */

#include <linux/kvm.h>

#define KVM_MAX_VCPUS_OF_OURS 64u
#define NR_INTIDS 1024u
#define DEBUG_STALE UINT32_MAX /* KVM is to be told whatever it is */
#ifndef KVM_EXIT_ARM_LDST64B
#define KVM_EXIT_ARM_LDST64B 42 /* of later headers; with what KVM_EXIT_ARM_NISV has */
#endif
/* Gets a vCPU's thread out of KVM_RUN. */
#define KICK_SIGNAL SIGRTMIN

/* One of kvm_events_linux.c's. */
struct kvm_event {
    unsigned intid; /* 0: a store */
    gpa_t gpa;
    unsigned size;
    uint64_t data;
    int fd, ended; /* ended: of an interrupt, else -1 */
};

struct hv_vm {
    struct hv_vm_config cfg;
    int dev_fd;                        /* /dev/kvm */
    size_t run_len;                    /* bytes of struct kvm_run's mapping */
    bool slot_mapped[RAM_MAX_REGIONS]; /* by region of RAM, as all_dirty */
    bool all_dirty[RAM_MAX_REGIONS];   /* what was recorded of it is lost */
    bool tracking;                     /* what the guest writes */
    struct kvm_event *event;           /* since before the vCPUs were */
    unsigned nr_events;
    _Atomic int broken; /* errno of what failed where nobody could be told: no vCPU runs any more */

    pthread_mutex_t lock; /* over what follows; a leaf */
    unsigned nr_vcpus;
    struct hv_vcpu *vcpu[KVM_MAX_VCPUS_OF_OURS];
    uint64_t counter_base_ns; /* as the virtual counter follows it */
    /* vm_reset() replaces these. */
    int fd;
    int gic_fd;
    bool gic_ready;
    bool level[NR_INTIDS]; /* of the SPIs, as the devices have them */
    bool by_fd[NR_INTIDS]; /* it is raised by an irqfd, and level says nothing */
};

struct hv_vcpu {
    struct hv_vm *vm;
    struct hv_vcpu_config cfg;
    struct kvm_vcpu_init init;
    pthread_t thread;
    bool has_thread;     /* by hv_vm.lock: it has not ended, and knows KICK_SIGNAL */
    struct kvm_run *run; /* stays where it is, also when vm_reset() replaces the vCPU */
    int fd;
    int stats_fd; /* -1: the kernel has none */
    _Atomic bool kicked;
    bool unfinished; /* KVM has put off the end of an access, or its abort, to the next KVM_RUN */
    struct emulator *emulator; /* null until it is needed: kvm_emulator() */
    struct native_debug debug;
    uint32_t debug_control;       /* KVM_GUESTDBG_ that KVM was told */
    uint64_t before[HV_NR_EXITS]; /* what KVM had counted when the VM was reset */
};

/* ioctl() until no signal interrupts it; -errno. */
int kvm_ioctl(int fd, unsigned long request, uintptr_t arg);

/* Says so, and has every vCPU leave with HV_EXIT_ERROR. Any thread, without hv_vm.lock. */
void kvm_break(struct hv_vm *vm, const char *what, int code);

/* Whether the kernel has it, a number above 0. */
bool kvm_has(int fd, unsigned capability);

/* kvm_vcpu_linux.c: fd, run and statistics of a vCPU in hv_vm.fd, initialised; closes those that it had. */
int kvm_vcpu_open(struct hv_vcpu *v, struct err *e);
int kvm_vcpu_create(struct hv_vm *vm, struct hv_vcpu **vcpu, const struct hv_vcpu_config *cfg,
                    struct err *e);
/* What has to wait for the GIC. No vCPU has run. */
int kvm_vcpu_finish(struct hv_vcpu *v, struct err *e);
void kvm_vcpu_retire(struct hv_vcpu *v);
void kvm_vcpu_destroy(struct hv_vcpu *v);
void kvm_vcpu_reset(struct hv_vcpu *v);
void kvm_vcpu_run(struct hv_vcpu *v, struct hv_exit *exit);
void kvm_vcpu_kick(struct hv_vcpu *v);
/* Out of KVM_RUN, if it is there or about to be, for another look at what it is told before that. */
void kvm_vcpu_poke_locked(struct hv_vcpu *v);

/* Null: out of memory. */
struct emulator *kvm_emulator(struct hv_vcpu *v);

/* kvm_debug_linux.c. enter: before each KVM_RUN, exit: it came back with KVM_EXIT_DEBUG, other: in a step, with something else, which has been dealt with;
 * 1: *exit is for the caller of run(), 0: into the guest, -errno. leave: run() ends in a step for another reason. */
int kvm_set_debug(struct hv_vcpu *v, const struct debug_points *p, struct err *e);
int kvm_set_step(struct hv_vcpu *v, bool on);
int kvm_debug_enter(struct hv_vcpu *v, struct hv_exit *exit);
int kvm_debug_exit(struct hv_vcpu *v, struct hv_exit *exit);
int kvm_debug_other(struct hv_vcpu *v, struct hv_exit *exit);
void kvm_debug_leave(struct hv_vcpu *v);

/* kvm_linux.c: every vCPU exists. */
int kvm_gic_finish(struct hv_vm *vm, struct err *e);

/* kvm_memory_linux.c. map_memory: hv_vm.fd is new; dirty_lost: it is about to be. */
int kvm_map_memory(struct hv_vm *vm, struct err *e);
void kvm_memory_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len);
void kvm_code_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len);
int kvm_track_dirty(struct hv_vm *vm, bool on, struct err *e);
int kvm_get_dirty(struct hv_vm *vm, unsigned region, uint64_t *bits, struct err *e);
void kvm_dirty_lost(struct hv_vm *vm);

/* kvm_events_linux.c: stores to and interrupts by descriptors. attach: hv_vm.fd is new; of the interrupts, when the GIC is ready. */
int kvm_ioeventfd(struct hv_vm *vm, gpa_t gpa, unsigned size, uint64_t data, struct err *e);
int kvm_irqfd(struct hv_vm *vm, unsigned intid, struct hv_irqfd *fd, struct err *e);
int kvm_events_attach(struct hv_vm *vm, bool interrupts, struct err *e);
void kvm_events_destroy(struct hv_vm *vm);

/* kvm_self_test_linux.c */
void kvm_self_test(hv_say_fn *say, void *opaque);

/* kvm_regs_linux.c */
int kvm_get_reg(struct hv_vcpu *v, unsigned reg, uint64_t *val);
int kvm_set_reg(struct hv_vcpu *v, unsigned reg, uint64_t val);
void kvm_set_counter_base(struct hv_vcpu *v, uint64_t counter_base_ns);

/* kvm_stats_linux.c: the exits that KVM deals with, since the vCPU was opened. */
void kvm_stats_read(const struct hv_vcpu *v, uint64_t exits[HV_NR_EXITS]);

#endif
