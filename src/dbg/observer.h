/* What the user wants to see of a run, from the options to the files: traces (dbg/tracer.h), profiles and coverage, with their symbols.
 *
 * Main thread: created before the VM, finished after its end. */
#ifndef VIBE_DBG_OBSERVER_H
#define VIBE_DBG_OBSERVER_H

#include "arch/trace.h"

struct err;
struct observer;
struct vm;

#define OBSERVER_MAX_SYMBOLS 8u
#define PROFILE_INSNS_DEFAULT 100000u
#define TRACE_RING_MAX (16u << 20)
#define TRACE_LIMIT_DEFAULT (UINT64_C(4) << 30)

/* Strings belong to whoever filled it in and outlive the observer. All zeros: nothing is asked for. A range is "0x1000-0x1fff", "0x1000+0x100", or
 * a symbol: its extent, or "symbol+0x100". */
struct observer_options {
    uint32_t kinds;         /* of --trace: 1 << enum trace_kind; 0: no trace */
    const char *trace_path; /* null: stderr */
    unsigned nr_mem, nr_devices, nr_queues, nr_pc;
    const char *mem[TRACE_MAX_RANGES], *device[TRACE_MAX_RANGES], *queues[TRACE_MAX_RANGES],
        *pc[TRACE_MAX_RANGES];
    uint32_t els;   /* 1 << EL; 0: all */
    uint64_t vcpus; /* 1 << vCPU; 0: all */
    bool has_window;
    uint64_t from_insn, to_insn;
    bool json;
    uint64_t ring, limit; /* as tracer_config has them */
    const char *profile;  /* a file, or null */
    uint64_t profile_insns;
    const char *coverage; /* a file, or null */
    unsigned nr_symbols;
    struct {
        const char *path;
        uint64_t offset;
    } symbols[OBSERVER_MAX_SYMBOLS];
};

/* Reads the symbols, opens the files. 0 with *out null: nothing is asked for. 0 or -errno. */
int observer_create(struct observer **out, const struct observer_options *opt, struct err *e);
void observer_destroy(struct observer *o); /* null is fine */

/* For vm_options.observe. It lives as long as the observer. */
const struct observe *observer_wants(struct observer *o);

/* The run begins: files are emptied. */
void observer_start(struct observer *o);

/* The run is over. vm null: its threads hang, and nothing of it can be asked. 0 or -errno: a file could not be written. */
int observer_finish(struct observer *o, struct vm *vm, bool failed, struct err *e);

#endif
