/* What the files of src/hv/hvf share. */
#ifndef VIBE_HV_HVF_INTERNAL_H
#define VIBE_HV_HVF_INTERNAL_H

#include "hv/hvf/framework.h"

#include "arch/esr.h"
#include "arch/exception.h"
#include "arch/state.h"
#include "hv/emulate.h"
#include "hv/hv.h"
#include "hv/hvf/hvf.h"
#include "hv/native_debug.h"
#include "mem/ram.h"

#include <pthread.h>
#include <stdatomic.h>

#define HVF_MAX_VCPUS 64
#define HVF_PAGE_SIZE (16u << 10) /* what hv_vm_map() goes by */

/* mach_absolute_time(): ns = ticks * numer / denom. It is the guest's counter, but for the offset. */
struct hvf_timebase {
    uint32_t numer, denom;
};

/* Wakes vCPUs for their physical timers, which the framework knows nothing of. Its thread starts when there is a first time to wait for. */
struct hvf_alarm {
    pthread_mutex_t lock; /* before a vCPU's */
    pthread_cond_t changed;
    pthread_t thread;
    bool started, stop;
    struct {
        struct hv_vcpu *vcpu;
        uint64_t due_ns; /* UINT64_MAX: never */
    } slot[HVF_MAX_VCPUS];
};

#define HVF_NR_INTIDS 1024u

/* The framework's GIC. */
struct hvf_gic {
    bool on;              /* it is what the guest has */
    _Atomic bool broken;  /* a call failed where nobody could be told: no vCPU runs any more */
    pthread_mutex_t lock; /* over what follows; a leaf */
    pthread_cond_t changed;
    unsigned nr_vcpus; /* that have their redistributor; before all do no line is driven */
    struct hv_vcpu *vcpu[HVF_MAX_VCPUS];
    bool level[HVF_NR_INTIDS]; /* of the SPIs, as the devices have them */
    uint64_t nr_rises;
};

#define HVF_NR_ID_REGISTERS 9
#define HVF_ID_DFR0 2

/* What the debug registers are in use for: the guest's own, or a debugger's. */
enum hvf_debug_use { HVF_DEBUG_OFF, HVF_DEBUG_STEP, HVF_DEBUG_POINTS, HVF_DEBUG_STALE };
struct hvf_debug {
    struct native_debug native;
    enum hvf_debug_use use;
    bool trapped; /* its debug exceptions and accesses to those registers come here, and what follows is what it has in them */
    uint64_t guest_mdscr, guest[4][DEBUG_MAX_REGS];
    bool injected; /* an exception was, since the guest was last entered */
};

struct hv_vm {
    struct hv_vm_config cfg;
    unsigned ipa_bits;
    struct hvf_timebase timebase;
    bool mapped[RAM_MAX_REGIONS];
    _Atomic uint64_t *dirty[RAM_MAX_REGIONS]; /* a bit for each page that was written; null: nobody asks */
    bool has_id; /* id[] is what the first vCPU has, trimmed: what all have */
    uint64_t id[HVF_NR_ID_REGISTERS];
    struct hvf_alarm alarm;
    struct hvf_gic gic;
};

/* The thread's own, but for what is marked. */
struct hv_vcpu {
    struct hv_vm *vm;
    struct hv_vcpu_config cfg;
    hv_vcpu_t id;
    const hv_vcpu_exit_t *exit; /* the framework's */
    struct emulator *emulator;
    struct pe_state shadow; /* what the framework has no place for; also where exceptions are worked out */
    void (*on_timer)(void *opaque);
    uint64_t due_ns;        /* as last told to the alarm */
    uint64_t vtimer_offset; /* ticks: mach_absolute_time() at which CNTVCT_EL0 is 0 */
    bool vtimer_masked;
    bool pending; /* an interrupt was when it ran last */
    bool stop;    /* the exit handler said HV_STOP */
    struct hvf_debug debug;
    int failure; /* hv_return_t of a call that must not fail; the vCPU cannot go on */
    uint64_t nr_trapped;
    uint64_t nr_wfi, seen_rises; /* with the framework's GIC: those that left the guest; of hvf_gic.nr_rises */

    _Atomic uint32_t lines; /* any thread: 1 IRQ, 2 FIQ */
    _Atomic bool kicked, alarmed, in_guest;
    pthread_mutex_t lock; /* a leaf */
    bool alive;           /* under it: id is a vCPU */
};

/* vm.c */
const char *hvf_error_text(hv_return_t r);
void hvf_vm_memory_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len);
void hvf_vm_code_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len);
/* CNTFRQ_EL0 as this process sees it, which is how its guests do. */
uint64_t hvf_host_cntfrq(void);
/* Whether the framework of this system, and the headers that the program was made with, have a GIC. */
bool hvf_host_has_gic(void);
/* 0 or -errno of a call, with what it means. */
int hvf_failed(struct err *e, hv_return_t r, const char *what);

/* vcpu.c: the operations of hv/hv.h */
int hvf_vcpu_create(struct hv_vm *vm, struct hv_vcpu **out, const struct hv_vcpu_config *cfg,
                    struct err *e);
void hvf_vcpu_retire(struct hv_vcpu *v);
void hvf_vcpu_destroy(struct hv_vcpu *v);
void hvf_vcpu_reset(struct hv_vcpu *v);
void hvf_set_counter_base(struct hv_vcpu *v, uint64_t counter_base_ns);
int hvf_get_reg(struct hv_vcpu *v, unsigned reg, uint64_t *val);
int hvf_set_reg(struct hv_vcpu *v, unsigned reg, uint64_t val);
void hvf_counters(const struct hv_vcpu *v, struct hv_counters *n);

/* vcpu.c: registers. A failure is remembered and ends the next run. */
uint64_t hvf_get(struct hv_vcpu *v, unsigned framework_reg);
void hvf_set(struct hv_vcpu *v, unsigned framework_reg, uint64_t val);
uint64_t hvf_get_x(struct hv_vcpu *v, unsigned n); /* 31: XZR */
void hvf_set_x(struct hv_vcpu *v, unsigned n, uint64_t val);
/* By arch/sysreg.h's encoding, which is also the framework's. */
uint64_t hvf_get_sys(struct hv_vcpu *v, uint16_t encoding);
void hvf_set_sys(struct hv_vcpu *v, uint16_t encoding, uint64_t val);
void hvf_check(struct hv_vcpu *v, hv_return_t r, const char *what);
/* Enters an exception of EL1. */
void hvf_inject(struct hv_vcpu *v, const struct exception *e);

/* run.c */
void hvf_run(struct hv_vcpu *v, struct hv_exit *exit);
void hvf_kick(struct hv_vcpu *v);
void hvf_set_irq(struct hv_vcpu *v, bool irq, bool fiq);
void hvf_set_deadline(struct hv_vcpu *v, uint64_t deadline_ns, void (*on_timer)(void *opaque));
/* Out of the guest, if it is there. Any thread. */
void hvf_poke(struct hv_vcpu *v);

/* exits.c: what made the vCPU leave the guest with an exception. True: *exit is for the caller of run(). */
bool hvf_handle_exception(struct hv_vcpu *v, struct hv_exit *exit);
void hvf_hand_over(struct hv_vcpu *v, struct hv_exit *exit);
void hvf_vtimer_sync(struct hv_vcpu *v);
/* When CNTVCT_EL0 has that value; UINT64_MAX: not in this life. */
uint64_t hvf_time_of_count(const struct hv_vcpu *v, uint64_t count);

/* debug.c. Of hv/hv.h: */
int hvf_set_debug(struct hv_vcpu *v, const struct debug_points *p, struct err *e);
int hvf_set_step(struct hv_vcpu *v, bool on);
/* Before the guest is entered; it has left with an exception of one of EC_BREAKPT_LOWER, EC_SOFTSTP_LOWER and EC_WATCHPT_LOWER; an exit has been dealt with. True:
 * *exit is for the caller of run(). */
bool hvf_debug_enter(struct hv_vcpu *v, struct hv_exit *exit);
bool hvf_debug_exit(struct hv_vcpu *v, struct hv_exit *exit, enum esr_ec ec, uint32_t iss);
bool hvf_debug_handled(struct hv_vcpu *v, struct hv_exit *exit);
/* run() ends for another reason. */
void hvf_debug_leave(struct hv_vcpu *v);
void hvf_debug_reset(struct hv_vcpu *v);
/* What the guest has in a debug register that is in use; null: it is not. */
uint64_t *hvf_debug_guest_reg(struct hv_vcpu *v, uint16_t encoding);

/* dirty.c. Of hv/hv.h: */
int hvf_track_dirty(struct hv_vm *vm, bool on, struct err *e);
int hvf_get_dirty(struct hv_vm *vm, unsigned region, uint64_t *bits, struct err *e);
void hvf_dirty_destroy(struct hv_vm *vm);
/* The vCPU may not write where it wanted to. True: it may now. */
bool hvf_dirty_fault(struct hv_vcpu *v);

/* gic.c: the framework's GIC. What it is to be is in hv_vm.cfg.gic. Whether it can be had; it is made, before the vCPUs; goes. */
int hvf_gic_probe(struct err *e);
int hvf_gic_create(struct hv_vm *vm, struct err *e);
void hvf_gic_destroy(struct hv_vm *vm);
/* Of hv/hv.h: */
int hvf_gic_reset(struct hv_vm *vm, struct err *e);
void hvf_gic_set_spi(struct hv_vm *vm, unsigned intid, bool level);
void hvf_gic_wait(struct hv_vcpu *v);
/* The vCPU has its MPIDR_EL1: its redistributor is there. */
int hvf_gic_add_vcpu(struct hv_vcpu *v, struct err *e);
/* What of it is a matter of the vCPU's reset. */
void hvf_gic_reset_vcpu(struct hv_vcpu *v);
/* A WFI left the guest: until an interrupt is pending, or the vCPU is kicked, or until_ns. */
void hvf_gic_wait_until(struct hv_vcpu *v, uint64_t until_ns);
/* Out of that, to look at its flags. Any thread. */
void hvf_gic_wake(struct hv_vm *vm);

/* self_test.c */
void hvf_self_test(hv_say_fn *say, void *opaque);

/* alarm.c. set: vCPU's thread. */
void hvf_alarm_init(struct hvf_alarm *a);
void hvf_alarm_destroy(struct hvf_alarm *a);
int hvf_alarm_set(struct hvf_alarm *a, struct hv_vcpu *v, uint64_t due_ns);
void hvf_alarm_forget(struct hvf_alarm *a, struct hv_vcpu *v);

#endif
