/* What the files of the double share: double.c. */
#ifndef TESTS_HVF_DOUBLE_H
#define TESTS_HVF_DOUBLE_H

#include "arch/debug_points.h"
#include "cpu/cpu.h"
#include "dev/gicv3.h"
#include "dev/gtimer.h"
#include "mem/ram.h"

#include <Hypervisor/Hypervisor.h>
#include <pthread.h>

#define MAX_VCPUS 64u
#define NR_DEBUG_REGS 2u /* breakpoints, and watchpoints */
#define TICK_NS 16u
#define HZ 62500000u

#define RULE(cond, ...)                                                                            \
    do {                                                                                           \
        if (!(cond))                                                                               \
            double_broken(__VA_ARGS__);                                                            \
    } while (0)
_Noreturn void double_broken(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

enum {
    ID_PFR0,
    ID_PFR1,
    ID_DFR0,
    ID_DFR1,
    ID_ISAR0,
    ID_ISAR1,
    ID_MMFR0,
    ID_MMFR1,
    ID_MMFR2,
    NR_IDS
};
struct vcpu {
    unsigned index;
    struct cpu *cpu;
    pthread_t owner;
    bool alive, ran, has_mpidr, has_offset, changed, masked, level, irq, fiq;
    hv_vcpu_exit_t exit;
    _Atomic bool cancel, running; /* running: in hv_vcpu_run */
    struct gtimer timer;          /* its virtual half, and with the GIC all of it */
    uint64_t id[NR_IDS];

    /* Why the CPU was made to stop, and what the exception that did it will overwrite. */
    enum { NOTHING, ACCESS, SYSREG, WFI, TIMER } want;
    struct {
        uint64_t spsr, elr, esr, far;
    } saved;
    gpa_t gpa;
    bool write;
    uint16_t encoding;

    /* With either on, MDSCR_EL1 is here: the CPU's is as if no debugger used it. */
    bool trap_exceptions, trap_registers;
    uint64_t mdscr;
    struct debug_point point[2 * NR_DEBUG_REGS];

    enum {
        PC_ANY,
        PC_MOVES,
        PC_STAYS,
        PC_AGAIN
    } pc_rule; /* for what the program does about the last exit */
    uint64_t pc, idle_insns;
    unsigned idle_fires;

    /* With the GIC: asleep in a WFI. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

/* The framework's GIC is the project's. Its redistributors come with the vCPUs, so it is made anew with each, as long as none has run. */
struct double_gic {
    bool on;
    hv_ipa_t dist, redist;
    struct gicv3 *gic; /* null: no vCPU has a redistributor yet */
    struct bus bus;
    uint64_t mpidr[MAX_VCPUS];
    unsigned nr_vcpus; /* that have one */
    bool ran;
    bool level[1024];
};

struct double_vm {
    bool exists;
    uint32_t ipa_bits;
    struct cpu_cluster cluster;
    struct ram ram;
    /* A piece of ram that is RAM, and may not be written at the moment. */
    bool kept[RAM_MAX_REGIONS];
    unsigned nr_vcpus;
    struct vcpu *vcpu[MAX_VCPUS];
    struct double_gic gic;
};
extern struct double_vm vm;
extern pthread_mutex_t double_lock;

/* Whether $HVF_DOUBLE says so. */
bool double_asked(const char *failure);
/* The vCPU, whose thread this has to be. */
struct vcpu *vcpu_of(hv_vcpu_t id);
/* double_registers.c: as little of a new vCPU is known as of the framework's. */
void double_poison(struct vcpu *v);
/* double_debug.c. before: each run; leave: the CPU came back with CPU_LEAVE_DEBUG. */
void double_debug_before(struct vcpu *v);
void double_debug_leave(struct vcpu *v);
/* double_gic.c. The vCPU has its MPIDR_EL1; it runs for the first time. What the guest accesses: false, it is none of the GIC's. In a WFI: until an
 * interrupt is pending, or it is to leave. */
void double_gic_add(struct vcpu *v);
void double_gic_runs(void);
void double_gic_destroy(void);
bool double_gic_mmio(struct vcpu *v, gpa_t gpa, unsigned size, bool write, uint64_t *val);
bool double_gic_sysreg(struct vcpu *v, uint16_t encoding, bool write, uint64_t *val);
void double_gic_sleep(struct vcpu *v);
void double_gic_wake(struct vcpu *v);
/* double_run.c */
hv_return_t double_leave_for(struct vcpu *v, uint64_t syndrome, int pc_rule);
uint32_t double_instruction(struct vcpu *v);
void double_take_back(struct vcpu *v);
extern const struct cpu_ops double_ops;
void double_timer_level(void *opaque, unsigned intid, bool level);

#endif
