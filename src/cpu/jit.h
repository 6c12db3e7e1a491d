/* The dynamic translator of the software CPU: hot guest code as host code. docs/translator.md is the guide.
 *
 * Each CPU has its own, used by its thread alone: no locks, no shared code. The interpreter is the oracle: what is not lifted calls its
 * functions, and every fault goes through them. */
#ifndef VIBE_CPU_JIT_H
#define VIBE_CPU_JIT_H

#include "base/types.h"
#include "cpu/insn.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cpu;
struct jit;

/* How it works; all on unless said otherwise. */
struct jit_options {
    bool off;
    uint32_t passes_off;   /* set of 1 << enum jit_pass: for tests */
    uint32_t host_off;     /* set of enum jit_host_feature: works as if the host had not got them */
    bool check;            /* what it does is compared with the interpreter: --check-jit */
    bool random_registers; /* registers are allocated at random */
    bool slow_memory;      /* every access takes the slow path */
    bool perf_map;         /* names for perf */
    bool exact; /* stops after any number of instructions, not only at loops; and what the guest can see is always as the interpreter would have it */
    uint32_t code_len; /* bytes of code cache; 0: the default */
    uint32_t threshold; /* how often a branch target is reached before it is translated; 0: the default */
    uint64_t dump_pc; /* the region that begins here is printed when it is translated */
    bool dump;
};

#define JIT_CODE_LEN_MIN (512u << 10)
#define JIT_CODE_LEN_MAX (1u << 30)

enum jit_pass {
    JIT_PASS_PEEL,
    JIT_PASS_FOLD,
    JIT_PASS_BOUNDS,
    JIT_PASS_FLAGS,
    JIT_PASS_DEAD,
    JIT_PASS_PROBES,
    JIT_PASS_REGISTERS,
    JIT_NR_PASSES
};
extern const char *const jit_pass_name[JIT_NR_PASSES];

/* The names by which jit_options.host_off is given: "bmi2". */
extern const char *const jit_host_feature_name[];
extern const unsigned jit_nr_host_features;

enum jit_host_feature {
    JIT_HOST_BMI2 = 1,
    JIT_HOST_LZCNT = 2,
    JIT_HOST_AVX = 4,
    JIT_HOST_AVX2 = 8,
    JIT_HOST_FMA = 16,
    JIT_HOST_SSE42 = 32,
    JIT_HOST_AES = 64,
    JIT_HOST_PCLMUL = 128,
    JIT_HOST_SHA = 256,
    JIT_HOST_F16C = 512,
    JIT_HOST_AVX512 = 1024, /* F, VL, BW and DQ: 32 vector registers */
    JIT_HOST_VAES = 2048,   /* and VPCLMULQDQ, in all of them */
};

struct jit_stats {
    uint64_t nr_regions, nr_blocks, nr_guest_insns; /* translated */
    uint64_t code_bytes, translate_ns;
    uint64_t nr_flushes, nr_invalidated; /* whole cache; regions whose code changed */
    uint64_t insns;                      /* guest instructions run in host code */
    uint64_t nr_slow;                    /* slow memory accesses and interpreter calls */
    uint64_t nr_links, nr_exits;
};

/* Gives a CPU that does not run yet its translator, and --check-jit if that is asked for. opt null: the defaults. Without one for this host, or
 * without memory for code (a warning is logged), it stays with the interpreter. */
void jit_attach(struct cpu *c, const struct jit_options *opt);
void jit_destroy(struct jit *j);
bool jit_available(void);
const struct jit_stats *jit_statistics(const struct jit *j);

/* The decoded instructions [pa, pa + len) were dropped: so are the regions made of them. All: everything. */
void jit_flush_pa(struct cpu *c, gpa_t pa, uint64_t len);
void jit_flush_all(struct cpu *c);

/* Translations of code addresses may have changed, in the lower or the upper half of the address space or both: regions are looked up anew. */
void jit_mapping_changed(struct cpu *c, bool lower, bool upper);
/* TLBI by ASID, which global pages have none of. */
void jit_asid_flushed(struct cpu *c);
/* The address space, or what else cpu_context_changed() names, changed; what was known of the new one still holds. */
void jit_context_changed(struct cpu *c);
/* The exception level alone. */
void jit_level_changed(struct cpu *c);
/* TLBI by address: only if there may be code. */
void jit_page_unmapped(struct cpu *c, gva_t va, uint64_t len);

/* The translated code for st.pc that may be run for what is left of a turn; null: the interpreter goes on. With jit_options.exact. */
const void *jit_exact_code(struct cpu *c);
/* Runs translated code for st.pc, which jit_target_code() gave and no flush has come after. Like an instruction's function: what comes next, or
 * null and why in c->leave. Counts its instructions itself. */
const struct a64_insn *jit_run(struct cpu *c, const void *code);

/* Shows what the region that begins at va is translated to, as --jit-dump does; nothing is kept of it. Code that has not run yet is
 * left out, as it would be. False: nothing there can be translated. */
bool jit_show(struct cpu *c, gva_t va, FILE *f);

/* A branch in the interpreter to target: counts it, and translates it when it is hot. Returns whether an entry was made. */
bool jit_hot(struct cpu *c, gva_t target);

/* What an instruction at which translated code begins has for a function. */
a64_fn jit_enter;
/* Calls mark() for each instruction of the page at pa at which translated code begins when it is run at va, with its offset in the page. */
void jit_for_each_entry(const struct jit *j, gva_t va, gpa_t pa,
                        void (*mark)(void *opaque, unsigned offset), void *opaque);

#endif
