/* What the user asked for, as plain data: the command line fills it in, the vm layer builds the machine from it.
 * Strings belong to whoever filled it in and outlive the VM. Read-only once the VM is created. */
#ifndef VIBE_VM_OPTIONS_H
#define VIBE_VM_OPTIONS_H

#include "base/types.h"
#include "cpu/jit.h"
#include "dev/disk.h"
#include "dev/net/filter.h"
#include "dev/net/user.h"

#include <stdbool.h>

#define VM_MAX_CPUS 64
#define VM_RAM_END_SLACK                                                                           \
    (UINT64_C(1) << 30) /* RAM ends at most so far behind its length: it begins at 1 GiB */
#define VM_MAX_LOADS 16
#define VM_MAX_DUMPS 16
#define VM_MAX_SHARES 8
#define VM_MAX_DISKS 16
#define VM_MAX_NETS 4
#define VM_MAX_SEMIHOSTING_ARGS 64
#define VM_MAX_FORWARDS 16 /* of each */
#define VM_MAX_WORDS 128
#define VM_DEFAULT_ENTRY 0x10000
#define VM_DEFAULT_MEM (UINT64_C(128) << 20)        /* of raw binaries and ELF files */
#define VM_DEFAULT_SYSTEM_MEM (UINT64_C(512) << 20) /* of Linux and firmware */
#define VM_MEM_GRANULE                                                                             \
    (UINT64_C(64) << 10) /* mem_len is a multiple: the largest translation granule */

/* Which of the two memory profiles; AUTO: by the kind of image. */
enum vm_machine { VM_MACHINE_AUTO, VM_MACHINE_VIBE, VM_MACHINE_VIRT };

enum vm_accel { VM_ACCEL_AUTO, VM_ACCEL_SOFT, VM_ACCEL_KVM, VM_ACCEL_HVF };

/* The device behind the terminal; the other one's output is discarded. */
enum vm_console { VM_CONSOLE_PL011, VM_CONSOLE_VIRTIO };

/* The interrupt controller; AUTO: a GICv3, where the backend has one. */
enum vm_gic { VM_GIC_AUTO, VM_GICV3, VM_GICV2 };

/* The register layout of the virtio-mmio transports: version 2 or version 1. */
enum vm_virtio { VM_VIRTIO_MODERN, VM_VIRTIO_LEGACY };

enum vm_stats_format { VM_STATS_BOX, VM_STATS_JSON, VM_STATS_NONE };

/* --load FILE@ADDR */
struct vm_load {
    const char *path;
    gpa_t at;
};

/* --dump-memory ADDR:LEN=FILE */
struct vm_dump {
    gpa_t base;
    uint64_t len;
    const char *path;
};

/* --share DIR[,tag=TAG][,ro] */
struct vm_share {
    const char *path, *tag;
    bool read_only;
};

/* --disk FILE[,ro][,overlay=FILE][,sync=...][,serial=TEXT][,queues=N] */
struct vm_disk {
    struct disk_config config;
    const char *serial; /* or null */
    unsigned nr_queues;
};

/* --net user[,hostfwd=...][,mac=MAC] or --net tap=IF[,mac=MAC] */
struct vm_net {
    const char *tap; /* the interface; null: user-mode networking */
    bool mac_given;
    uint8_t mac[NET_MAC_LEN];
    unsigned nr_forwards;
    struct net_forward forward[VM_MAX_FORWARDS];
};

/* --semihosting[=[DIR][,ro][,el0]], --semihosting-arg TEXT */
struct vm_semihosting {
    bool on, el0, read_only;
    const char *dir; /* its files; null: none */
    unsigned nr_args;
    const char *arg[VM_MAX_SEMIHOSTING_ARGS];
};

/* An option that makes the machine what it is, as the user gave it: what a snapshot remembers of the command line. */
struct vm_word {
    const char *option; /* without the dashes */
    const char *value;  /* or null; file names from the root on */
};

struct snapshot;
struct observe; /* arch/trace.h */

struct vm_options {
    const char *binary; /* raw binary, or null */
    const char *kernel; /* ELF or Linux Image, or null; exactly one of the two is given unless dump_dtb is */
    const char *initrd;   /* or null */
    const char *cmdline;  /* of the kernel; or null */
    const char *firmware; /* goes into flash 0, which it starts in; or null */
    const char *flash1;   /* the contents of flash 1, written back; or null */
    const char *dtb;      /* replaces the machine's own device tree; or null */
    gpa_t entry;          /* of the raw binary: where it is loaded and where it starts */
    uint64_t mem_len;     /* bytes of guest RAM; 0: the default for what runs */
    unsigned nr_cpus;     /* 1..VM_MAX_CPUS */
    enum vm_machine machine;
    enum vm_accel accel;
    struct jit_options jit; /* of the software CPU */
    bool host_gic;          /* of VM_ACCEL_HVF: the interrupt controller is the framework's */
    enum vm_console console;
    enum vm_virtio virtio;
    enum vm_gic gic;
    bool no_rng;
    bool balloon;
    uint64_t balloon_len; /* bytes that the guest shall do without */
    unsigned nr_disks;
    struct vm_disk disk[VM_MAX_DISKS];
    unsigned nr_shares;
    struct vm_share share[VM_MAX_SHARES];
    struct vm_semihosting semihosting;
    bool powerkey;     /* the first SIGTERM presses it */
    bool no_reboot;    /* a reset that the guest asks for ends the run */
    const char *vsock; /* the socket, or null */
    uint32_t vsock_cid;
    unsigned nr_nets;
    struct vm_net net[VM_MAX_NETS];
    bool deterministic; /* time and order are what the guest's instructions make them */
    uint64_t max_insns; /* of each vCPU, after which the VM stops; with jit.exact. 0: any number */
    bool keep_going;    /* do not stop a guest that is stuck in a fault */
    unsigned nr_loads;
    struct vm_load load[VM_MAX_LOADS];

    /* Null, or where the machine comes from instead of the images above; it outlives the VM. */
    const struct snapshot *snapshot;
    bool verified; /* snapshot_verify() has said that its memory is good, or nobody wants to know */
    unsigned nr_words;
    struct vm_word word[VM_MAX_WORDS];
    const char *program;           /* what calls itself the writer of a snapshot */
    const struct observe *observe; /* what is to be seen while it runs; or null */

    uint64_t start_ns; /* os_now_ns() when the process started: the first console byte is timed from there */

    /* For the command line, after and around the run. */
    const char *gdb;     /* where a debugger connects, or null */
    const char *control; /* where its socket is, or null */
    bool gdb_wait;       /* the guest does not begin before it lets it */
    uint64_t timeout_ns; /* 0: none */
    int log_level;       /* enum log_level */
    enum vm_stats_format stats;
    const char *stats_path;    /* JSON goes there; null: stderr */
    const char *snapshot_save; /* the machine's state goes there at the end; or null */
    const char *dump_dtb;      /* the device tree goes there, and nothing runs; or null */
    unsigned nr_dumps;
    struct vm_dump dump[VM_MAX_DUMPS];
};

#endif
