/* What a run cost, collected once when every vCPU has stopped, and how it is shown: boxes for people, JSON for programs.
 *
 * The rows for exits come from spec/exits.def. The JSON schema is docs/statistics.md's; it only ever grows, and anything else
 * raises VM_STATS_SCHEMA. Plain data; any thread. */
#ifndef VIBE_VM_STATS_H
#define VIBE_VM_STATS_H

#include "bus/bus.h"
#include "dev/virtio_balloon.h"
#include "dev/virtio_blk.h"
#include "hv/hv.h"
#include "vm/options.h"

#include <stdio.h>

#define VM_STATS_SCHEMA 1

struct vm_vcpu_stats {
    uint64_t exits[HV_NR_EXITS];
    struct hv_counters counters;
    uint64_t insns_before; /* that it had run before the snapshot with which this run began */
    uint64_t wall_ns; /* from the vCPU's first instruction to its stop; the three below divide it */
    uint64_t guest_ns;  /* running guest code */
    uint64_t exit_ns;   /* handling exits */
    uint64_t asleep_ns; /* in a WFI or WFE that sleeps, switched off, or held */
};

struct vm_device_stats {
    const char *name; /* "pl011@9000000" */
    uint64_t reads;
    uint64_t writes;
    uint64_t no_exit; /* of these, those for which no vCPU left the guest */
    uint64_t bad;     /* no such register, width or permission */
    uint64_t broken;  /* times that the guest broke its protocol */
};

struct vm_stats {
    const char *accel;   /* the backend's name */
    const char *machine; /* "vibe" or "virt" */
    const char *result;  /* why the run ended, one word: vm_stop_reason_name() */
    int exit_status;     /* the process's */
    uint64_t mem_len;
    uint64_t wall_ns; /* from the VM's start to its stop */
    uint64_t first_byte_ns; /* from the process's start to the guest's first console byte; 0: it wrote none */
    uint32_t uncounted; /* as hv_caps.uncounted */
    unsigned nr_vcpus;
    struct vm_vcpu_stats vcpu[VM_MAX_CPUS];
    unsigned nr_devices;
    struct vm_device_stats device[BUS_MAX_DEVICES];
    uint64_t unassigned;  /* accesses where no device is */
    bool has_memory_hash; /* --deterministic */
    uint64_t memory_hash; /* of all guest RAM at the end */
    bool has_balloon;
    struct balloon_info balloon;
    unsigned nr_disks;
    struct blk_info disk[VM_MAX_DISKS]; /* in the order of the options */
};

void stats_print_box(FILE *out, const struct vm_stats *s);
void stats_print_json(FILE *out, const struct vm_stats *s);

#endif
