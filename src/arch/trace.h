/* What is to be seen of a guest while it runs: the events of spec/trace_events.def, and who wants them. The same for every backend and device.
 *
 * Where something happens there is a pointer to a struct trace, which is null when nobody wants to know. Threads: any emits; all but the clock is
 * constant while the VM runs. */
#ifndef VIBE_ARCH_TRACE_H
#define VIBE_ARCH_TRACE_H

#include "base/bits.h"
#include "base/clock.h"
#include "base/types.h"

#include <stdbool.h>

enum trace_kind {
#define TRACE_KIND(id, name, where, help) TRACE_KIND_##id,
#include "spec/trace_events.def"
    NR_TRACE_KINDS
};

enum trace_event_id {
#define TRACE_EVENT(id, kind, name, text, fields) TRACE_##id##_EVENT,
#include "spec/trace_events.def"
    NR_TRACE_EVENTS
};

/* How a field is shown: as text, and in JSON. */
enum trace_type {
    TRACE_DEC,
    TRACE_SIGNED,
    TRACE_HEX,
    TRACE_WORD,     /* 32 bits, all digits */
    TRACE_CODE,     /* an address, with its symbol */
    TRACE_DATA,     /* likewise */
    TRACE_INSN,     /* the instruction at the event's PC, disassembled */
    TRACE_SYNDROME, /* an ESR in words */
    TRACE_SYSREG,   /* an encoding (arch/sysreg.h) by its name */
    TRACE_CALL,     /* a PSCI or SMCCC function by its name */
    TRACE_STR,      /* const char *, which lives as long as the VM */
};

enum trace_where { TRACE_CPU, TRACE_VM };

struct trace_kind_desc {
    const char *name;
    enum trace_where where;
    const char *help;
};
extern const struct trace_kind_desc trace_kinds[NR_TRACE_KINDS];

#define TRACE_MAX_ARGS 7u
#define TRACE_NOWHERE 0xffu /* vcpu, el: it has none */
#define TRACE_UNKNOWN UINT64_MAX

struct trace_event {
    uint16_t id;     /* enum trace_event_id */
    uint16_t absent; /* 1 << number of an argument that there is not */
    uint8_t vcpu, el;
    bool has_pc;
    uint64_t time_ns; /* of the guest's clock, from the start; trace_emit() fills it in */
    uint64_t insns;   /* that the vCPU had run before; TRACE_UNKNOWN */
    gva_t pc;
    uint64_t arg[TRACE_MAX_ARGS];
};

struct trace_range {
    uint64_t first, last; /* both in it */
};

#define TRACE_MAX_RANGES 16u

struct trace {
    uint32_t kinds; /* 1 << enum trace_kind */
    /* Filters. An event that has no such thing passes: an interrupt line has no PC. */
    unsigned nr_pc, nr_mem, nr_devices;
    struct trace_range pc[TRACE_MAX_RANGES];
    struct trace_range mem[TRACE_MAX_RANGES]; /* of TRACE_KIND_MEM; none: all */
    const char *device[TRACE_MAX_RANGES];     /* "pl011", "pl011@9000000": of MMIO; none: all */
    const char *queues[TRACE_MAX_RANGES];     /* the same of VIRTIO */
    unsigned nr_queues;
    uint32_t els;                /* 1 << EL */
    uint64_t vcpus;              /* 1 << vCPU */
    uint64_t from_insn, to_insn; /* of each vCPU's count: from_insn <= n < to_insn */

    const struct guest_clock *clock; /* set by the VM */
    uint64_t base_ns;
    /* Takes one that has passed the filters. Any thread. */
    void (*emit)(struct trace *t, const struct trace_event *ev);
};

static inline bool trace_wants(const struct trace *t, enum trace_kind kind)
{
    return __builtin_expect(t != NULL, 0) && t->kinds >> kind & 1;
}

static inline bool trace_in_ranges(const struct trace_range *r, unsigned nr, uint64_t addr)
{
    for (unsigned i = 0; i < nr; i++)
        if (addr >= r[i].first && addr <= r[i].last)
            return true;
    return nr == 0;
}

/* Hands over what passes the filters, with the time. Any thread. */
static inline void trace_emit(struct trace *t, struct trace_event *ev)
{
    if ((ev->vcpu != TRACE_NOWHERE && !(t->vcpus >> ev->vcpu & 1)) ||
        (ev->el != TRACE_NOWHERE && !(t->els >> ev->el & 1)) ||
        (ev->has_pc && !trace_in_ranges(t->pc, t->nr_pc, ev->pc)) ||
        (ev->insns != TRACE_UNKNOWN && (ev->insns < t->from_insn || ev->insns >= t->to_insn)))
        return;
    ev->time_ns = clock_now_ns(t->clock) - t->base_ns;
    t->emit(t, ev);
}

/* Whether a device's name is in a list of names or of their parts before the @; an empty list has all. Any thread. */
bool trace_names(const char *const *list, unsigned nr, const char *name);

/* A constant text, or one that outlives the trace, as an argument. */
static inline uint64_t trace_str(const char *s)
{
    return (uintptr_t)s;
}

/* What else is asked for; all zeros: nothing. */
struct observe {
    struct trace *trace; /* or null */
    bool coverage;       /* which instructions were run */
    /* Exits: a backend that observes knows the PC of each while it is handled. exit (or null) hears of all, on the vCPU's thread, before they are handled;
     * reason is a key of spec/exits.def, device the one that is accessed, or null. Both texts live as long as the VM. */
    bool exits;
    void (*exit)(void *opaque, unsigned el, gva_t pc, const char *reason, const char *device);
    void *opaque;
    uint64_t profile_insns; /* a sample after so many instructions, on average; 0: none */
};

#endif
