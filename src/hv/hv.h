/* The backend interface: what runs guest code. hv/soft is the software CPU; hv/kvm and hv/hvf are the host's hypervisors.
 *
 * A backend creates the VM and its vCPUs, maps RAM, runs a vCPU until an exit, is kicked from another thread, and gets and
 * sets registers. It says in hv_caps what it brings itself; what it does not bring the board supplies from dev/ and vm/.
 *
 * Threads: a vCPU belongs to the thread that created it, which alone may call hv_vcpu_* for it, except kick() and
 * set_irq(), which any thread may call. All vCPUs are destroyed before vm_destroy(). */
#ifndef VIBE_HV_HV_H
#define VIBE_HV_HV_H

#include "arch/debug_points.h"
#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct jit_options;
struct observe;
struct ram;
struct snap;

enum hv_exit_reason {
#define EXIT(id, key, label, text) HV_EXIT_##id,
#include "spec/exits.def"
#undef EXIT
    HV_NR_EXITS
};

enum hv_counter {
#define COUNTER(id, key, label, text) HV_COUNTER_##id,
#include "spec/counters.def"
#undef COUNTER
    HV_NR_COUNTERS
};

/* Register ids: X0..X30 are 0..30; V0..V31 two halves each, from HV_REG_V0 on, the less significant first; a system register, FPCR and FPSR included, is
 * HV_REG_SYS | its 16-bit encoding (arch/sysreg.h). */
enum hv_reg {
    HV_REG_X0 = 0,
    HV_REG_SP = 31, /* the current stack pointer */
    HV_REG_PC = 32,
    HV_REG_PSTATE = 33, /* in SPSR layout */
    HV_REG_V0 = 64,
    HV_REG_SYS = 0x10000,
};

struct hv_exit {
    enum hv_exit_reason reason;
    union {
        struct {
            uint64_t until_ns; /* os_now_ns() at which the backend wants to look for events that nobody reports */
        } wfe;
        struct {
            gpa_t gpa;
            unsigned size; /* bytes: 1, 2, 4, 8 */
            uint64_t data; /* a store's value; the handler fills in a load's, zero-extended */
            bool failed; /* set by the handler: nothing there, the guest takes an external abort */
        } mmio;
        struct {
            uint16_t encoding; /* arch/sysreg.h */
            bool write;
            uint64_t value; /* as mmio.data */
            bool failed;    /* set by the handler: the access is UNDEFINED */
        } sysreg;
        struct {
            uint16_t imm; /* of HVC or SMC; arguments and results are in X0..X17, through get_reg and set_reg */
        } call;
        struct {
            bool reset; /* else power-off */
        } system_event;
        struct debug_event debug; /* HV_EXIT_DEBUG */
        struct {
            int code; /* errno of the backend */
        } error;
    } u;
};

/* The handler's answer. */
enum hv_action {
    HV_CONTINUE, /* back into the guest */
    HV_STOP,     /* leave the run loop */
};

struct hv_vcpu;
struct hv_vm;

/* The exit handler, on the vCPU's thread. run() returns most exits; a backend that can finish an MMIO or register access,
 * or a WFI, inside the guest's instruction calls the handler right there instead: same struct, same handler, counted the same. After
 * HV_STOP it finishes the instruction and returns HV_EXIT_CANCEL from run(). */
typedef enum hv_action hv_exit_fn(void *opaque, struct hv_exit *exit);

struct hv_caps {
    bool irqchip;          /* brings the interrupt controller: set_irq() goes unused */
    unsigned gic_versions; /* of irqchip: 1 << 2 and 1 << 3 for those that it can be */
    bool timer;            /* brings the generic timers */
    /* The virtual timer is the CPU's own: its registers never exit, its interrupt is the board's, and what set_deadline() was given is called when
     * there is reason to look at it. */
    bool vtimer;
    uint32_t counter_hz; /* CNTFRQ_EL0; of those whose timers, or some, are the board's */
    bool pmu;            /* brings the PMU; its interrupt is hv_vm_config.pmu_intid */
    bool psci; /* answers PSCI itself: vCPUs that are off are in run(), and all but the first are so after a reset */
    bool sleep;         /* a WFI sleeps inside run() */
    bool observes;      /* sees each instruction, and shows what is asked for (arch/trace.h) */
    uint32_t uncounted; /* 1 << enum hv_exit_reason: the kinds whose number it cannot know */
    unsigned max_vcpus;
    unsigned address_bits; /* of guest-physical addresses */
    size_t dirty_page;     /* bytes of a page for get_dirty(), a power of two; 0: it cannot tell */
};

struct hv_gic_config {
    unsigned version; /* 2 or 3 */
    gpa_t dist_base;
    gpa_t cpu_base; /* the redistributors, or a GICv2's CPU interfaces */
    uint64_t dist_len,
        cpu_len; /* bytes of the distributor; of each redistributor, or of a GICv2's CPU interfaces */
    unsigned nr_spis;
};

struct hv_vm_config {
    struct ram *ram; /* complete: regions do not change later */
    unsigned nr_vcpus;
    uint64_t counter_base_ns;        /* os_now_ns() at which CNTPCT_EL0 and CNTVCT_EL0 read 0 */
    const struct guest_clock *clock; /* the guest's time; null: the host's */
    uint64_t turn_insns;  /* of hv_soft: instructions after which on_turn is called; 0: never */
    unsigned semihosting; /* of hv_soft: the ELs whose HLT #0xF000 is an exit, 1 << EL */
    const struct jit_options *jit; /* of hv_soft; null: as they are by default */
    const struct observe *observe; /* of backends with caps.observes: what of guest instructions is to be seen; null: nothing */
    struct hv_gic_config gic; /* with caps.irqchip */
    unsigned pmu_intid;       /* with caps.pmu: a PPI */
};

struct hv_vcpu_config {
    unsigned index;
    uint64_t mpidr; /* MPIDR_EL1 */
    bool gicv2;     /* the GIC's CPU interface is no system registers: ID_AA64PFR0_EL1.GIC is 0 */
    hv_exit_fn *on_exit;
    void (*on_turn)(void *opaque); /* the vCPU's turn is over: returns when the next begins */
    void *opaque;                  /* for both */
};

/* An SPI's line by descriptors, each of a uint64_t. */
struct hv_irqfd {
    int raise; /* written to: the line goes high; of an edge-triggered interrupt it becomes pending */
    int ended; /* readable: the guest has ended a level-triggered one, and the line is low again */
};

/* Time and work of one vCPU, for the statistics. A backend fills in what it can know and leaves the rest 0. */
struct hv_counters {
    uint64_t insns;      /* guest instructions completed or faulted */
    uint64_t exceptions; /* taken inside the guest, interrupts included */
    uint64_t interrupts;
    uint64_t exits[HV_NR_EXITS]; /* what it dealt with itself: neither on_exit nor the caller of run() saw them */
    uint64_t own[HV_NR_COUNTERS]; /* spec/counters.def */
};

/* One question and its answer, for --self-test. */
typedef void hv_say_fn(void *opaque, const char *what, const char *answer);

struct hv_backend {
    const char *name; /* "soft" */
    /* Whether this host can use it now: 0, or -errno with the reason and the cure. */
    int (*probe)(struct hv_caps *caps, struct err *e);
    /* Tells what it finds out about this host, where probe() says that it can be used. While there is no VM; null: nothing. */
    void (*self_test)(hv_say_fn *say, void *opaque);
    int (*vm_create)(struct hv_vm **vm, const struct hv_vm_config *cfg, struct err *e);
    void (*vm_destroy)(struct hv_vm *vm);
    /* The vCPU is in the architectural reset state: EL1h, DAIF masked, MMU off, PC 0. */
    int (*vcpu_create)(struct hv_vm *vm, struct hv_vcpu **vcpu, const struct hv_vcpu_config *cfg,
                       struct err *e);
    /* It never runs again; what it counted can still be asked. By its thread, before that ends; null where that is no matter. */
    void (*vcpu_retire)(struct hv_vcpu *vcpu);
    void (*vcpu_destroy)(struct hv_vcpu *vcpu); /* any thread */
    void (*vcpu_reset)(struct hv_vcpu *vcpu);
    /* The whole VM to the state after power-on, what the backend brings of the board included. No vCPU runs; any thread. Null: vcpu_reset() of each
     * does it. */
    int (*vm_reset)(struct hv_vm *vm, struct err *e);
    /* Runs until an exit that it could not hand to on_exit. */
    void (*run)(struct hv_vcpu *vcpu, struct hv_exit *exit);
    /* Makes a run() that is under way, or else the next one, return HV_EXIT_CANCEL. Any thread; sticky. */
    void (*kick)(struct hv_vcpu *vcpu);
    /* The IRQ and FIQ inputs of the CPU, from the interrupt controller. Any thread; a running vCPU notices without an exit. */
    void (*set_irq)(struct hv_vcpu *vcpu, bool irq, bool fiq);
    /* With caps.irqchip instead of that: the line of an SPI, by its INTID. Any thread. */
    void (*set_spi)(struct hv_vm *vm, unsigned intid, bool level);
    /* With caps.irqchip, where PSCI is not the backend's too: waits as the vCPU does in a WFI, until an interrupt is pending, or for less. Owner thread. */
    void (*wait)(struct hv_vcpu *vcpu);
    /* By these two the host's kernel does for a device what it otherwise leaves the guest for. Null, or -ENOTSUP: it cannot. Before the first vCPU is
     * created; the descriptors are the backend's, and last as long as the VM. */
    /* A descriptor that is readable when the guest has stored `data`, a word of `size` bytes, at gpa, which is then no exit; what is read is a uint64_t,
     * how often since it was last read. Or -errno. */
    int (*ioeventfd)(struct hv_vm *vm, gpa_t gpa, unsigned size, uint64_t data, struct err *e);
    /* The line of an SPI, which set_spi() can then only lower. 0 or -errno. */
    int (*irqfd)(struct hv_vm *vm, unsigned intid, struct hv_irqfd *fd, struct err *e);
    /* When the vCPU's timers next want looking at: an os_now_ns() time, UINT64_MAX for never. on_timer of the vm layer runs then. Owner thread;
     * goes unused with caps.timer. */
    void (*set_deadline)(struct hv_vcpu *vcpu, uint64_t deadline_ns, void (*on_timer)(void *opaque));
    /* A turn of hv_vm_config.turn_insns begins. Owner thread; null where there are no turns. */
    void (*begin_turn)(struct hv_vcpu *vcpu);
    /* The three that debuggers need; null: the backend cannot. Owner thread. */
    /* What ends run() with HV_EXIT_DEBUG from now on, instead of what did; what it ended at is passed by the next run(). -ENOTSUP: points that this host
     * has no hardware for, or not enough of. Nothing is changed where it fails; what it was given before does not fail. p's lists stay until the next call. */
    int (*set_debug)(struct hv_vcpu *vcpu, const struct debug_points *p, struct err *e);
    /* Whether run() runs one instruction, and takes no interrupt before it. 0 or -errno. */
    int (*set_step)(struct hv_vcpu *vcpu, bool on);
    /* run() ends with HV_EXIT_DEBUG when so many instructions have been counted (hv_counters.insns), exactly; 0: it does not. With
     * jit_options.exact. 0 or -errno. */
    int (*stop_at)(struct hv_vcpu *vcpu, uint64_t insns);
    /* The counters read 0 at another time: the guest's clock has stood still. Owner thread. */
    void (*set_counter_base)(struct hv_vcpu *vcpu, uint64_t counter_base_ns);
    int (*get_reg)(struct hv_vcpu *vcpu, unsigned reg, uint64_t *val);
    int (*set_reg)(struct hv_vcpu *vcpu, unsigned reg, uint64_t val);
    void (*counters)(const struct hv_vcpu *vcpu, struct hv_counters *c);
    /* The vCPU's state to or from a snapshot, of one that does not run: any thread. Null: the backend cannot. */
    void (*snap)(struct hv_vcpu *vcpu, struct snap *s);
    /* Guest code at [gpa, gpa+len) was changed by the host (device, loader, debugger). Any thread. */
    void (*code_changed)(struct hv_vm *vm, gpa_t gpa, uint64_t len);
    /* [gpa, gpa+len) of memory was hidden or shown (ram_hide()), or changed by the host in the meantime. Called from within an MMIO exit or while no
     * vCPU runs; holds for that vCPU at once, for the others soon. */
    void (*memory_changed)(struct hv_vm *vm, gpa_t gpa, uint64_t len);
    /* With caps.dirty_page: whether it is remembered which memory the guest writes; what the host writes itself is not. While no vCPU runs. 0 or
     * -errno. */
    int (*track_dirty)(struct hv_vm *vm, bool on, struct err *e);
    /* The pages of RAM region i that were written since tracking began, or since the last call: sets their bits, the first page's the lowest of the
     * first word, and leaves the others. After a reset of the VM all of them. While no vCPU runs. 0 or -errno. */
    int (*get_dirty)(struct hv_vm *vm, unsigned region, uint64_t *bits, struct err *e);
};

extern const struct hv_backend hv_soft;

#endif
