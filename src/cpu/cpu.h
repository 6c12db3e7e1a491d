/* The software CPU: one processing element, and the cluster of those that share memory.
 *
 * Threads: a cpu belongs to one thread, which alone calls cpu_*; any thread may call cpu_kick(), cpu_set_irq() and
 * cluster_*. It reaches devices only through struct cpu_ops.
 * The life of an instruction: ARCHITECTURE.md. */
#ifndef VIBE_CPU_CPU_H
#define VIBE_CPU_CPU_H

#include "arch/exception.h"
#include "arch/state.h"
#include "cpu/insn.h"

#include <pthread.h>
#include <stdatomic.h>

struct ram;
struct cpu;
struct jit;
struct jit_check;
struct cpu_debug;
struct cpu_observe;
struct debug_event;
struct debug_points;
struct snap;
struct observe;

#define CPU_MAX 64

/* What the CPU needs of the machine around it. Called on the CPU's thread. */
struct cpu_ops {
    /* A load or store of 1, 2, 4 or 8 bytes, naturally aligned, where there is no memory. False: external abort. */
    bool (*mmio)(void *opaque, gpa_t gpa, unsigned size, bool write, uint64_t *val);
    /* A register of HOME_BOARD. False: UNDEFINED. */
    bool (*sysreg)(void *opaque, uint16_t encoding, bool write, uint64_t *val);
    /* WFI: sleeps for as long as it has to. Null: a hint that is not taken. */
    void (*wfi)(void *opaque);
    /* The CPU has done its turn; returns when the next one begins. Only with turn_insns. */
    void (*turn)(void *opaque);
    /* The time of cpu_set_deadline() has come; sets the next one. */
    void (*deadline)(void *opaque);
};

/* Why cpu_run() came back. */
enum cpu_leave {
    CPU_LEAVE_NONE,
    CPU_LEAVE_EXCEPTION, /* internal, but for cpu_step(): c->exc is to be taken */
    CPU_LEAVE_RESYNC,    /* internal: context changed, go on from st.pc */
    CPU_LEAVE_AGAIN,     /* internal: nothing happened that anybody has to see, go on from st.pc */
    CPU_LEAVE_OBSERVE, /* internal: the instruction at st.pc is to be run on its own; it has been counted already */
    CPU_LEAVE_SLICE, /* internal: the slice is over, go on from st.pc */
    CPU_LEAVE_WFE,   /* see cpu_wait_event() */
    CPU_LEAVE_SEV,   /* CPUs that wait in WFE are to be woken */
    CPU_LEAVE_HVC,   /* imm in c->leave_imm; PC past the instruction, also for SMC */
    CPU_LEAVE_SMC,
    CPU_LEAVE_SEMIHOSTING, /* PC past the instruction */
    CPU_LEAVE_KICK,
    CPU_LEAVE_STUCK, /* the same fault for ever, see c->stuck */
    CPU_LEAVE_DEBUG, /* cpu_debug_event() */
};

/* --- Soft TLB: the last translations, one compare and one add away ------------------------------------------------- */

#define TLB_PAGE_SHIFT 12 /* entries are 4 KiB pieces whatever the granule */
#define TLB_PAGE_SIZE (1u << TLB_PAGE_SHIFT)
#define TLB_ENTRIES 2048u
#define TLB_SPACES 8u /* address spaces whose entries for one address do not have one place */

/* A tag is the page of the virtual address (top byte as the guest gave it), or-ed with the context in bits 11:3. Bits 2:0 are
 * zero, so that a misaligned address never matches: one compare checks page, context, permission and alignment.
 *
 *   63                       12 11        3 2  0
 *   +--------------------------+-----------+----+
 *   |  virtual page            |  context  | 0  |
 *   +--------------------------+-----------+----+
 */
#define TLB_CTX_SHIFT 3
#define TLB_CTX_MAX 511u /* contexts 0 to 510 are given out */
#define TLB_TAG_NONE                                                                               \
    UINT64_C(0xfff) /* matches nothing: of context 511. The low bits alone may be those of a misaligned address */

struct tlb_entry {
    uint64_t tag_r, tag_w; /* TLB_TAG_NONE where loads, stores may not take the fast path */
    uintptr_t addend;      /* host address = virtual address + addend; RAM only */
    gpa_t page;            /* physical page; low bits TLB_INFO_* */
};
enum {
    TLB_INFO_DEVICE = 1,
    TLB_INFO_MMIO = 2,
    TLB_INFO_GLOBAL = 4,
    TLB_INFO_READ = 8,
    TLB_INFO_WRITE = 16
};

/* --- Decoded pages --------------------------------------------------------------------------------------------------- */

#define PAGE_INSNS (TLB_PAGE_SIZE / 4)

struct code_page {
    gpa_t pa;
    gva_t va;             /* with icache_by_address(); else 0 */
    const uint32_t *host; /* the guest's words */
    struct code_page *hash_next;
    bool used;                            /* the ITLB may have it: icache.c */
    struct a64_insn insn[PAGE_INSNS + 1]; /* the last one steps into the next page */
};

#define ITLB_ENTRIES 512u
struct itlb_entry {
    uint64_t tag; /* virtual page | context, or TLB_TAG_NONE */
    struct code_page *page;
    bool guarded;
    bool global;
};

#define BRANCH_RING 32u

#define HOT_SLOTS 65536u

/* A message to another CPU of the cluster; done by its DSB. */
struct cpu_inval {
    enum {
        INVAL_TLB_ALL,
        INVAL_TLB_ASID,   /* entries of asid that are not global */
        INVAL_TLB_VA,     /* [va, va + len), asid (or any: asid < 0); global ones too */
        INVAL_ICACHE_ALL, /* from here on: about code, not translations */
        INVAL_ICACHE_PA,  /* decoded instructions of [pa, pa + len) */
    } what;
    int32_t asid;
    uint64_t addr, len;
};
#define INVAL_QUEUE 256u

/* --- What translated code reaches directly (cpu/jit) ------------------------------------------------------------------ */

#define JIT_NR_TARGETS 4096u
struct jit_target {
    gva_t va;
    const void *code;
    uint32_t stamp;
    uint32_t pad[3];
};
_Static_assert(sizeof(struct jit_target) == 32, "translated code finds it by the address times 8");

struct jit_hot {
    int64_t budget;           /* instructions until it comes back by itself */
    int64_t forfeited;        /* of the budget, because there is something to look at */
    uint64_t host_sp;         /* of who entered it */
    uint32_t flag_kind, exit; /* enum flag_kind, enum jit_exit */
    uint64_t flag_a, flag_b, flag_static[2];
    uint32_t stamp[2]; /* of the upper and the lower half of the address space: what is known of its code holds while it is the same */
    uint32_t fp_loaded;                     /* the host's MXCSR is the guest's */
    uint32_t mxcsr, host_mxcsr, left_mxcsr; /* to be loaded; as it was found; as it was in the end */
    uint64_t frame[16], vframe[32][2], spill[64][2];
    uint32_t code_changed; /* since it was entered: some translation is gone, or where code is mapped may have changed. ISB leaves */
    uint64_t pac_multiplier[2], pac_field[2][2]; /* arch/pac.h; [data], upper half first */
    uint64_t pac_tcr;                            /* for which that is */
    uint32_t outside; /* code offset of the entry that found a base outside the region's RAM */
    uint64_t pair[2]; /* what an operation on 16 bytes has no registers for */
    struct jit_target target[JIT_NR_TARGETS]; /* of indirect branches */
};

/* The exclusive monitor: where, and the value seen, for compare-and-swap; size 0 is open. Memory is known by its host address. */
struct cpu_monitor {
    void *host;
    uint64_t lo, hi; /* hi: of 16 bytes */
    uint32_t size;
};

enum cpu_event { EVENT_KICK = 1, EVENT_IRQ = 2, EVENT_INVAL = 4, EVENT_DEBUG = 8 };

struct cpu {
    struct pe_state st;

    /* Where st.pc is while instructions run: the decoded page and its virtual address. */
    struct {
        const struct a64_insn *insns;
        gva_t va;
        bool guarded;
    } code;

    /* CPACR_EL1.FPEN traps SIMD and floating point at this EL: cpu_context_changed() keeps it. */
    bool fp_trap;

    uint64_t tlb_ctx;     /* context of loads and stores, in place (bits 11:3) */
    uint64_t tlb_ctx_el0; /* of LDTR, STTR and EL0 */
    uint32_t tlb_space; /* what the address space does to the place of an entry: bytes, by exclusive or */
    struct tlb_entry tlb[TLB_ENTRIES];
    struct itlb_entry itlb[ITLB_ENTRIES];

    /* Left behind by an instruction that returned null. */
    enum cpu_leave leave;
    uint16_t leave_imm;
    struct exception exc;

    struct cpu_monitor excl;
    bool event_register; /* WFE. Other CPUs set it: by atomic accesses alone */
    bool waiting;        /* in WFE: as the cluster's bit says */
    struct {
        const void *host;
        uint64_t val, ns;
    } nap; /* the last one in a WFE with the monitor armed: at what, how long */

    _Atomic uint32_t events;    /* enum cpu_event */
    _Atomic uint32_t irq_lines; /* 1 IRQ, 2 FIQ */
    uint64_t deadline_ns;

    int64_t slice_left; /* instructions until time and events are looked at */
    uint64_t nr_insns, nr_exceptions, nr_interrupts, nr_tlb_misses;

    struct branch_record {
        gva_t from, to;
    } branch[BRANCH_RING]; /* the last taken ones */
    unsigned branch_next;

    struct {
        struct exception last;  /* the last synchronous one */
        struct exception cause; /* the one whose handling ran into last, if has_cause */
        bool nested;            /* no ERET since last */
        bool has_cause;
        uint64_t hash;
        unsigned same, similar; /* how often it came again: with all registers alike; with the same syndrome */
        bool vbar_written;
    } stuck;

    const struct cpu_ops *ops;
    void *opaque; /* for ops */
    struct ram *ram;
    struct cpu_cluster *cluster;
    unsigned index;
    uint8_t semihosting; /* ELs at which HLT #0xF000 leaves: 1 << EL; else, and with other immediates, it is UNDEFINED */
    bool no_gic_registers; /* cpu_without_gic_registers() */
    uint64_t counter_base_ns;
    const struct guest_clock *clock; /* the guest's time; the host's unless somebody says otherwise before it runs */
    uint64_t turn_insns; /* instructions of a turn, exactly; 0: no turns */
    uint64_t turn_end;   /* nr_insns then */
    bool new_turn;
    bool irq_due; /* with turns: an interrupt that is pending is taken before the next instruction; else where the guest looks for it, or with a turn */
    bool own_turns;      /* they are there for stop_at alone */
    uint64_t stop_at;    /* nr_insns at which cpu_run() leaves, exactly; 0: never */
    uint64_t observe_at; /* nr_insns at which observe_due() is called, exactly */
    uint64_t pause_at;   /* the first of both */
    uint32_t step_iss; /* of the Software Step exception that is due: what was stepped, if anything was */
    bool alone;        /* an instruction is being run on its own */
    bool alone_due; /* the access has to be made by one that is */
    bool one_plain; /* the next instruction is the interpreter's: translated code would do more than is left */

    struct cpu_debug *debug;     /* null: nobody ever asked */
    struct cpu_observe *observe; /* null: nobody wants to see anything: cpu/observe.h */
    struct jit *jit;             /* null: interpreter only */
    struct jit_check *check;     /* null: translated code is trusted */
    uint64_t nr_checked;         /* runs of it that were compared */
    gva_t hot_target;            /* a branch target to be translated */
    bool has_hot_target;
    uint16_t hot[HOT_SLOTS]; /* by hashed branch target: how often until it is hot */
    struct jit_hot jit_hot;

    struct cpu_mmu *mmu;       /* contexts: cpu/tlb.c */
    struct code_cache *icache; /* cpu/icache.c */

    pthread_mutex_t inval_lock;
    unsigned nr_inval;
    struct cpu_inval inval[INVAL_QUEUE];
    bool inval_tlb; /* and the whole TLB: there was no room for what concerns it */
    _Atomic uint64_t inval_sent, inval_done;
    _Atomic bool in_guest; /* running instructions: others wait for it in DSB */
    bool inval_pending;    /* this CPU sent some since its last DSB */
};

struct cpu_cluster {
    unsigned nr_cpus;
    _Atomic uint64_t waiting; /* CPUs in WFE, by index */
    struct cpu *cpu[CPU_MAX];
};

/* Allocates a CPU in the reset state. Null when out of memory. */
struct cpu *cpu_create(struct cpu_cluster *cl, struct ram *ram, uint64_t mpidr,
                       const struct cpu_ops *ops, void *opaque, uint64_t counter_base_ns);
void cpu_destroy(struct cpu *c);
/* ID_AA64PFR0_EL1 tells of no system register interface to the GIC: a GICv2's is in memory. */
void cpu_without_gic_registers(struct cpu *c);
void cpu_reset(struct cpu *c);

/* Runs until something that the caller has to see. Never returns the internal reasons. */
enum cpu_leave cpu_run(struct cpu *c);

/* The instruction at st.pc. False: the fetch would fault. */
bool cpu_fetch_word(struct cpu *c, uint32_t *word);
/* Runs the one instruction at st.pc, by the interpreter, and enters the exception that it takes: CPU_LEAVE_EXCEPTION then, and c->exc says which. Looks at
 * no event and no time. For state that was brought here from elsewhere: cpu_state_changed() first. */
enum cpu_leave cpu_step(struct cpu *c);

void cpu_kick(struct cpu *c);
/* The same, from one of the cpu_ops: it comes back within some hundred instructions, also in a turn. */
void cpu_leave_soon(struct cpu *c);
/* A turn begins. */
void cpu_begin_turn(struct cpu *c);
void cpu_set_irq(struct cpu *c, bool irq, bool fiq);
void cpu_set_deadline(struct cpu *c, uint64_t deadline_ns);

/* SEV: sets the event register of every CPU. Returns whether one waits in WFE, and has to be woken. */
bool cluster_send_event(struct cpu_cluster *cl);

/* After CPU_LEAVE_WFE: until when (os_now_ns()) the CPU may sleep without missing an event that nobody reports; 0 if there is one already.
 * The wait is over with the next cpu_run(). */
uint64_t cpu_wait_event(struct cpu *c);

/* Guest code in [pa, pa+len) was changed by the host. */
void cluster_code_changed(struct cpu_cluster *cl, gpa_t pa, uint64_t len);

/* Where loads of [pa, pa+len) go was changed (ram_hide()), or what they find there. A CPU whose own access brought that about knows it with the next
 * instruction. */
void cluster_memory_changed(struct cpu_cluster *cl, gpa_t pa, uint64_t len);

/* State was changed from outside (debugger, reset, PSCI): drops everything that was derived from it. */
void cpu_state_changed(struct cpu *c);

/* --- For debuggers: arch/debug_points.h ------------------------------------------------------------------------------ */

/* What stops this CPU from now on, instead of what did: cpu_run() then says CPU_LEAVE_DEBUG. What has been stopped at is passed by the next cpu_run().
 * The lists are the caller's, and stay until the next call. 0 or -ENOMEM, with nothing changed: only the first call can fail. */
int cpu_set_debug(struct cpu *c, const struct debug_points *p);
/* Whether cpu_run() comes back after one instruction; it takes no interrupt before that. 0 or -ENOMEM. */
int cpu_set_step(struct cpu *c, bool on);
/* cpu_run() comes back when nr_insns is insns, exactly; 0: it does not. The translator needs jit_options.exact. 0 or -ENOMEM. */
int cpu_stop_at(struct cpu *c, uint64_t insns);
/* Sets st.pc; what is there is not passed, should it be something to stop at. */
void cpu_set_pc(struct cpu *c, gva_t pc);
/* What is to be seen of this CPU (arch/trace.h; null: nothing), before it runs. Profiles, and windows of instructions, need jit_options.exact. 0 or -ENOMEM. */
int cpu_observe(struct cpu *c, const struct observe *what);
/* After CPU_LEAVE_DEBUG. Valid until the next cpu_run(). */
const struct debug_event *cpu_debug_event(const struct cpu *c);

/* What the soft TLB and the decoded pages hold, for people: one entry of them. */
struct cpu_translation {
    gva_t va;
    gpa_t pa;            /* of the page */
    bool read, write;    /* without a further look at the tables */
    bool fetch;          /* of code; else of data */
    bool device, global; /* as the tables have it */
    uint8_t el;          /* for accesses of that level */
    bool pan;            /* with PSTATE.PAN */
    uint64_t ttbr0;      /* by which tables */
};
/* As many as there is room for; returns how many there are. Owner thread. */
#define CPU_MAX_TRANSLATIONS (TLB_ENTRIES + ITLB_ENTRIES)
unsigned cpu_translations(const struct cpu *c, struct cpu_translation *t, unsigned max);

/* The CPU's state to or from a snapshot. While it does not run; any thread. */
void cpu_snap(struct cpu *c, struct snap *s);

/* The physical counter now. */
uint64_t cpu_counter(const struct cpu *c);

#endif
