/* What the files of the KVM backend share. They are empty but for arm64.
 *
 * Specification: Linux Documentation/virt/kvm/api.rst, devices/arm-vgic.rst, devices/arm-vgic-v3.rst. */
#ifndef VIBE_HV_KVM_KVM_INTERNAL_H
#define VIBE_HV_KVM_KVM_INTERNAL_H

#include "hv/hv.h"
#include "hv/kvm/kvm.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h> /* before linux/kvm.h, which uses offsetof() */

#include <linux/kvm.h>

#define KVM_MAX_VCPUS_OF_OURS 64u
#define NR_INTIDS 1024u
/* Gets a vCPU's thread out of KVM_RUN. */
#define KICK_SIGNAL SIGRTMIN

struct emulator;

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
    int dev_fd;     /* /dev/kvm */
    size_t run_len; /* bytes of struct kvm_run's mapping */
    unsigned nr_vcpus;
    struct hv_vcpu *vcpu[KVM_MAX_VCPUS_OF_OURS];
    bool slot_mapped[8];     /* by region of RAM */
    struct kvm_event *event; /* since before the vCPUs were */
    unsigned nr_events;
    _Atomic int broken; /* errno of what failed where nobody could be told: no vCPU runs any more */

    pthread_mutex_t lock; /* over what follows, which vm_reset() replaces; a leaf */
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
    struct kvm_run *run; /* stays where it is, also when vm_reset() replaces the vCPU */
    int fd;
    int stats_fd; /* -1: the kernel has none */
    _Atomic bool kicked;
    struct emulator *emulator;    /* null until it is needed */
    uint64_t before[HV_NR_EXITS]; /* what KVM had counted when the VM was reset */
};

/* ioctl() until no signal interrupts it; -errno. */
int kvm_ioctl(int fd, unsigned long request, uintptr_t arg);

/* Says so, and has every vCPU leave with HV_EXIT_ERROR. Any thread. */
void kvm_break(struct hv_vm *vm, const char *what, int code);

/* Whether the kernel has it, a number above 0. */
bool kvm_has(int fd, unsigned capability);

/* kvm_vcpu_linux.c: fd, run and statistics of a vCPU in hv_vm.fd, initialised; closes those that it had. */
int kvm_vcpu_open(struct hv_vcpu *v, struct err *e);
int kvm_vcpu_create(struct hv_vm *vm, struct hv_vcpu **vcpu, const struct hv_vcpu_config *cfg,
                    struct err *e);
/* What has to wait for the GIC. No vCPU has run. */
int kvm_vcpu_finish(struct hv_vcpu *v, struct err *e);
void kvm_vcpu_destroy(struct hv_vcpu *v);
void kvm_vcpu_reset(struct hv_vcpu *v);
void kvm_vcpu_run(struct hv_vcpu *v, struct hv_exit *exit);
void kvm_vcpu_kick(struct hv_vcpu *v);

/* kvm_linux.c: every vCPU exists. */
int kvm_gic_finish(struct hv_vm *vm, struct err *e);

/* kvm_events_linux.c: stores to and interrupts by descriptors. attach: hv_vm.fd is new; of the interrupts, when the GIC is ready. */
int kvm_ioeventfd(struct hv_vm *vm, gpa_t gpa, unsigned size, uint64_t data, struct err *e);
int kvm_irqfd(struct hv_vm *vm, unsigned intid, struct hv_irqfd *fd, struct err *e);
int kvm_events_attach(struct hv_vm *vm, bool interrupts, struct err *e);
void kvm_events_destroy(struct hv_vm *vm);

/* kvm_regs_linux.c */
int kvm_get_reg(struct hv_vcpu *v, unsigned reg, uint64_t *val);
int kvm_set_reg(struct hv_vcpu *v, unsigned reg, uint64_t val);

/* kvm_stats_linux.c: the exits that KVM deals with, since the vCPU was opened. */
void kvm_stats_read(const struct hv_vcpu *v, uint64_t exits[HV_NR_EXITS]);

#endif
