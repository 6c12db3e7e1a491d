/* The software CPU's part in traces, profiles and coverage: arch/trace.h has what is asked for.
 *
 * An instruction that somebody wants to see is decoded as one that comes back to the run loop, which runs it on its own with a look before and
 * after; the translator leaves it out of its regions. Memory that is watched has no fast path in the TLB, and an access to it comes back in
 * the same way before it is made, as does one to a device where the PC of exits is wanted. Whatever else the guest runs is as fast as ever, and
 * without a struct cpu_observe nothing of this is there. Owner thread only. */
#ifndef VIBE_CPU_OBSERVE_H
#define VIBE_CPU_OBSERVE_H

#include "arch/trace.h"
#include "cpu/cpu.h"

struct coverage;
struct profile;
struct tlb_view;

/* An instruction makes no more accesses, and none is longer. */
#define OBSERVE_MAX_ACCESSES 16u
#define OBSERVE_ACCESS_LEN 64u

struct cpu_observe {
    const struct observe *what;
    struct trace *trace; /* null: none of this CPU */
    uint32_t kinds;      /* those of instructions that are traced now: none outside of the window */
    /* The instruction that is being run on its own. */
    gva_t pc;
    uint32_t word;
    uint8_t el;
    unsigned branch_next;
    uint64_t operand; /* Xt as it was */
    unsigned nr_accesses;
    struct observe_access {
        gva_t va;
        unsigned len;
        bool write;
        const uint8_t *host;
        uint8_t bytes[OBSERVE_ACCESS_LEN]; /* of a load */
    } access[OBSERVE_MAX_ACCESSES];

    struct coverage *coverage; /* or null */
    struct profile *profile;   /* or null */
};

/* Makes c->observe, where something is asked for; before it runs. 0 or -ENOMEM. */
int observe_create(struct cpu *c, const struct observe *what);
void observe_destroy(struct cpu *c);

/* An instruction is decoded. Whether it is one to come back for; the translator may ask the same without an effect. */
bool observe_decoded(struct cpu *c, gva_t va, uint32_t word);
bool observe_marks(const struct cpu *c, gva_t va, uint32_t word);
/* The function of one that is. */
a64_fn observe_op;

/* Around an instruction that runs on its own; next is what its function returned. */
void observe_begin(struct cpu *c, const struct a64_insn *insn);
void observe_end(struct cpu *c, const struct a64_insn *next);

/* An access that was translated; len 0: none is made. False: not now, the instruction leaves by cpu_mem_fault(). */
bool observe_translated(struct cpu *c, gva_t va, unsigned len, bool write, const struct tlb_view *view);
/* Whether accesses to the page have to be asked about; and to any memory at all. */
bool observe_watches_page(const struct cpu *c, gva_t va);
bool observe_watches(const struct cpu *c);

/* c->exc has been taken. */
void observe_exception(struct cpu *c);

/* nr_insns has come to observe_at, which is set anew. */
void observe_due(struct cpu *c);

#endif
