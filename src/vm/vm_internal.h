/* What the files of src/vm share. */
#ifndef VIBE_VM_VM_INTERNAL_H
#define VIBE_VM_VM_INTERNAL_H

#include "arch/walk.h"
#include "base/err.h"
#include "base/io_pool.h"
#include "base/io_thread.h"
#include "bus/bus.h"
#include "dev/gicv3.h"
#include "dev/gtimer.h"
#include "hv/hv.h"
#include "load/fdt.h"
#include "load/image.h"
#include "load/load.h"
#include "mem/ram.h"
#include "vm/turns.h"
#include "vm/vm.h"

#include <pthread.h>
#include <stdatomic.h>

/* PSCI's view of a vCPU. Written under vm.lock. */
enum vcpu_power { VCPU_OFF, VCPU_ON_PENDING, VCPU_ON };

struct medium_path;
struct virtio_device;
struct vm_debugger;

struct vcpu {
    struct vm *vm;
    unsigned index;
    uint64_t mpidr;
    pthread_t thread;
    struct hv_vcpu *hv;
    hv_exit_fn *on_exit;          /* vcpu_handle_exit(), or what stands before it */
    const _Atomic bool *can_wake; /* gic_can_wake(); null: the backend brings the GIC */
    struct gtimer timer;

    /* Sleeping in WFI or switched off. The lock is a leaf: the interrupt controller's callback takes it. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    _Atomic bool sleeping;
    _Atomic bool event; /* SEV, or a change that a sleeper has to look at */
    /* It is to come out of the guest: the VM stops or is reset, or it is held. Set under vm.lock; cleared by its thread before it goes in. */
    _Atomic bool attention;

    enum turn_state turn; /* under turns.lock, like the next */
    uint64_t wake_ns;     /* TURN_ASLEEP: of the guest's clock */
    bool turn_awaited;    /* it has given its turn away and not got the next; its thread's */

    /* A sleep that it was called out of, and which goes on when it goes in again. Its thread's. */
    enum vcpu_nap { NAP_NONE, NAP_WFI, NAP_WFE } nap;
    uint64_t nap_until_ns; /* of NAP_WFE */
    bool slept;            /* in this nap */

    /* vm/debug.h; under vm.lock. */
    unsigned nr_holds;
    bool parked;        /* stands still, and does work */
    uint64_t parked_ns; /* since when, of the host's clock */
    bool finished;      /* its thread has ended, or is about to */
    void (*work)(struct hv_vcpu *hv, void *opaque);
    void *work_opaque;
    uint64_t nr_works; /* done */
    bool stepping;     /* its thread's: vm_set_step() */
    bool by_reset;     /* it was switched on by a reset, or power-on; else by CPU_ON */
    uint64_t base_ns;  /* vm.base_ns as its timers know it */

    enum vcpu_power power; /* under vm.lock, like the two below */
    gpa_t on_entry;
    uint64_t on_context;

    /* Counted by the vCPU's thread alone. */
    uint64_t exits[HV_NR_EXITS];
    uint64_t usual_ns[HV_NR_EXITS]; /* what one takes, of those that were timed */
    uint32_t nr_timed;              /* of the first ones, which all are */
    uint32_t nr_untimed;            /* until the next that is timed */
    uint64_t first_ns, last_ns, exit_ns, asleep_ns;
    uint64_t insns_before; /* of those that the backend has counted, what was run before the snapshot that this run began with */
    uint64_t late_ns;      /* how late the host usually wakes its thread; not the guest's state */
};

#define BOARD_VIRTIO_SLOTS 32

/* The machine's devices, by board.c. */
struct board {
    struct gicv3 *gic;       /* null: the backend brings it */
    struct chardev *console; /* to the terminal */
    struct chardev *other;   /* discards */
    /* The bus owns these. */
    struct device *uart, *gpio, *fw_cfg;
    struct device *flash; /* virt alone */
    struct virtio_device *virtio_console;
    struct virtio_device *balloon; /* or null */
    struct virtio_device *disk[VM_MAX_DISKS];
    unsigned nr_disks;
    uint32_t virtio_slots;                            /* a bit for each in use */
    struct virtio_device *virtio[BOARD_VIRTIO_SLOTS]; /* what is in them, or null */
    struct virtio_events *events[BOARD_VIRTIO_SLOTS]; /* or null: it notifies by an exit, and interrupts by its line */
    _Atomic uint64_t traced_lines; /* of SPIs, as they were traced last where the backend brings the GIC */
};

enum boot_kind {
    BOOT_NONE,   /* nothing: the machine is built to be looked at */
    BOOT_BINARY, /* raw */
    BOOT_ELF,
    BOOT_LINUX,    /* an Image, or code without any header */
    BOOT_FIRMWARE, /* in flash; what else is given it asks fw_cfg for */
};

/* What boot.c remembers. */
struct boot {
    enum boot_kind kind;
    uint8_t *kernel; /* unpacked; null once it is in guest memory */
    size_t kernel_len;
    struct elf_image elf;     /* of BOOT_ELF */
    struct linux_image image; /* of BOOT_LINUX */
    uint8_t *tree; /* the device tree as the guest gets it; null in a build without libfdt */
    size_t tree_len;
};

struct vm {
    const struct vm_options *opt;
    const struct hv_backend *hv;
    struct hv_caps caps;
    struct hv_vm *hv_vm;
    unsigned gic_version;    /* 2 or 3 */
    enum vm_machine machine; /* VIBE or VIRT */
    gpa_t ram_base;          /* of the first RAM region */
    uint64_t mem_len;        /* of all RAM */
    gpa_t entry, stack;
    uint64_t boot_x0; /* the device tree's address, or 0 */
    struct boot boot;
    struct dt_chosen chosen;
    struct ram ram;
    struct load_map map;
    struct bus bus;
    struct io_thread *io; /* the device side; starts with the vCPUs */
    struct io_pool *pool; /* devices that use it start it */
    struct board board;
    struct medium_path *media; /* names of images that were put in while it ran */
    struct semihost *semihost; /* vm/semihosting.h; or null */
    struct vm_watch watch;     /* of the console; its output is null when nobody does */
    _Atomic bool watch_due;    /* watch.act is to be called */
    unsigned nr_vcpus;
    struct vcpu vcpu[VM_MAX_CPUS];
    struct guest_clock clock;
    uint64_t base_ns;          /* of the guest's clock: counters read 0 here */
    uint64_t clock_stopped_ns; /* since when all vCPUs are held and out of the guest; 0: they are not */
    const struct vm_debugger *debugger;         /* or null */
    struct debug_points points;                 /* of all vCPUs; their lists are malloc'd */
    void (*on_reset)(void *opaque, bool guest); /* or null */
    void *on_reset_opaque;
    bool reset_by_host; /* the one that is under way; under vm.lock */
    struct turns turns;

    pthread_mutex_t lock; /* power states, stopping and resetting; before vcpu.lock */
    pthread_cond_t changed;
    _Atomic int stop; /* enum vm_stop_reason */
    bool over;        /* the guest has ended the run, whatever else did before; under lock */
    _Atomic bool resetting; /* all vCPUs meet, the machine is as after power-on, and vCPU 0 starts again */
    unsigned nr_parked;
    uint64_t nr_resets;              /* done */
    unsigned nr_started, nr_created; /* threads; vCPUs that exist */
    int create_error;

    /* Of a machine that came from a snapshot. */
    uint64_t loaded_ns; /* what its clock is to show when it starts */
    bool other_console; /* than it had: input that waits has to be offered again */
    pthread_t verifier;
    bool verifying;
    _Atomic bool unverified; /* its memory may not be what was saved; cleared under lock */
    struct err refused;      /* under lock */

    struct vm_outcome outcome;
    int finished_fd[2];
    unsigned nr_finished;
    uint64_t start_ns, stop_ns;
    bool joined;
};

/* boot.c: finds out what is to be run, and vm.machine with it; after memory and devices are there, loads it. */
int boot_identify(struct vm *vm, struct err *e);
int boot_fill_flash(struct vm *vm, struct err *e);
int boot_load(struct vm *vm, struct err *e);
void boot_destroy(struct vm *vm);

/* devicetree.c: *blob is malloc'd. */
int devicetree_create(const struct vm *vm, const struct dt_chosen *c, uint8_t **blob, size_t *len,
                      struct err *e);

/* board.c: RAM and devices of the profile; their reset. */
extern const gpa_t board_virt_ram;     /* where the virt profile's RAM begins */
extern const gpa_t board_flash;        /* where its flash does, and firmware starts */
extern const unsigned board_pmu_intid; /* the PMU's interrupt, where there is one */
int board_add_memory(struct vm *vm, struct err *e);
int board_create(struct vm *vm, struct err *e);
/* Puts v (null: nothing) into a virtio slot; it is the board's from there on, also when this fails. */
int board_add_virtio(struct vm *vm, unsigned slot, struct virtio_device *v, struct err *e);
/* Where the interrupt controller is. */
struct hv_gic_config board_gic(const struct vm *vm);
/* The backend's VM is there, its vCPUs are not, nor is the I/O thread started: what devices can do by descriptors they do so. */
int board_connect(struct vm *vm, struct err *e);
void board_reset(struct vm *vm);
void board_destroy(struct vm *vm);

/* board_virtio.c */
int board_add_virtio_devices(struct vm *vm, struct chardev *console, struct err *e);

/* vcpu.c: the thread of a vCPU; waking one. vm.lock is held in the first, which is for power-on and reset. */
void vcpus_power_on_locked(struct vm *vm);
void *vcpu_thread(void *opaque);
void vcpu_wake(struct vcpu *v);
/* A register of the timers or the GIC that this board has, written by the guest or for it; on the vCPU's thread. False: there is no such one. */
bool vcpu_sysreg_write(struct vcpu *v, uint16_t encoding, uint64_t now_ns, uint64_t val);
/* Out of the guest, out of its sleep, and not in again before it has looked. vm.lock is held. */
void vcpu_call_out_locked(struct vcpu *v);
void vcpu_set_irq(void *opaque, unsigned cpu, bool irq, bool fiq);

/* The exit handler: counts and does what the exit asks for. Also for tests with made-up exits. vCPU's thread. */
hv_exit_fn vcpu_handle_exit;

/* debug.c: one hold more; not waited for. On the vCPU's own thread: stands still until there is none. vm.lock is held. */
void vcpu_hold_locked(struct vcpu *v);
bool vcpus_held_locked(const struct vm *vm); /* all of them */
void vcpu_park_locked(struct vcpu *v);
/* When no vCPU is there any more. */
void debug_points_destroy(struct vm *vm);

/* What a walk of the vCPU's tables looks at, into a state that is reset: for vm_walk() of vm/debug.h. On the vCPU's thread. */
void vcpu_fetch_regime(const struct vm *vm, struct hv_vcpu *hv, struct pe_state *s);

/* media.c: after the devices. */
void media_destroy(struct vm *vm);

/* psci.c: an HVC or SMC. vCPU's thread. */
enum hv_action psci_call(struct vcpu *v);

/* vcpu.c: until somebody wakes it or an interrupt is pending; a moment where one is already. Its thread. */
void vcpu_wait_for_input(struct vcpu *v);

/* Tells the backend what the loaders put into memory. While no vCPU runs. */
void vm_code_loaded(struct vm *vm);

/* Starts a reset of the whole machine; the caller's vCPU leaves its run loop. The first one ends the run with no_reboot; vm.lock is held in the second. */
void vm_request_reset(struct vm *vm);
void vm_reset_locked(struct vm *vm);

/* snapshot.c, in this order: what has to be known to build the machine; memory and devices, when they are there; the vCPUs, when all exist; and what goes
 * on by itself, at once or when memory has been verified, by a thread that has to be waited for. */
int snapshot_load_shape(struct vm *vm, struct err *e);
int snapshot_load_state(struct vm *vm, struct err *e);
int snapshot_load_vcpus_locked(struct vm *vm, struct err *e);
void snapshot_start_verify_locked(struct vm *vm);
void snapshot_end_verify(struct vm *vm);
/* Until it is known whether memory is what was saved; false: it is not, and the machine stops. */
bool snapshot_wait_verified(struct vm *vm);

/* Nothing of the machine is to be believed. Any thread. */
void vm_refuse(struct vm *vm, const struct err *why);

/* The guest ends the run with a status. Any thread. */
void vm_request_exit(struct vm *vm, int code);

#endif
