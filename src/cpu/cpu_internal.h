/* What the files of the software CPU share and nobody else sees. */
#ifndef VIBE_CPU_CPU_INTERNAL_H
#define VIBE_CPU_CPU_INTERNAL_H

#include "arch/sysreg.h"
#include "arch/walk.h"
#include "cpu/cpu.h"

/* --- tlb.c: translation contexts and cached translations ------------------------------------------------------------ */

struct cpu_mmu *mmu_create(void);
void mmu_destroy(struct cpu_mmu *m);

/* EL, PAN, TTBRn_EL1, SCTLR_EL1 or CPACR_EL1 changed: picks the context of loads, stores and fetches, whether SIMD traps, and what
 * translations hold. */
void cpu_context_changed(struct cpu *c);
/* The same when nothing but EL and PAN changed: an exception was taken, or returned from. */
void cpu_level_changed(struct cpu *c);

/* Drops every cached translation of this CPU, and all contexts. */
void tlb_flush_all(struct cpu *c);
/* Drops the cached translations of data alone. */
void tlb_flush_data(struct cpu *c);
void tlb_flush_asid(struct cpu *c, unsigned asid);
void tlb_flush_va(struct cpu *c, gva_t va, uint64_t len);

/* One translated page, as the slow paths use it. */
struct tlb_view {
    gpa_t pa;      /* of the address asked for */
    uint8_t *host; /* to that address; null: a device, or a store to ROM */
    bool device;   /* Device memory: must be aligned */
};

/* Translates va for a load (or store) of len bytes, all on this page, and fills the TLB; len 0: nothing is accessed yet. False: c->exc is set, or a debugger wants to
 * know of it; the instruction leaves by cpu_mem_fault() either way. */
bool tlb_translate(struct cpu *c, gva_t va, unsigned len, enum walk_access access, unsigned flags,
                   struct tlb_view *view);

/* Memory that loads and stores of the current EL reach at [va, va + len): at those addresses plus addend in the host. */
struct tlb_block {
    gva_t va;
    uint64_t len;
    uint64_t addend;
};

/* The largest that is known in one half of the address space. It stays that for as long as the half's stamp does: jit_mapping_changed(). */
bool tlb_find_block(struct cpu *c, bool upper, struct tlb_block *b);

/* Translates for a fetch and fills the ITLB. False: c->exc is set. */
bool tlb_translate_fetch(struct cpu *c, gva_t va);
/* The same for code that the guest has not come to: it sees nothing of it. False: it would, or the fetch would fault. */
bool tlb_look_ahead(struct cpu *c, gva_t va);

/* The walk as this CPU does it, without a trace in its TLB: AT, explanation. */
void tlb_walk(struct cpu *c, const struct walk_request *rq, struct walk_result *res);

/* Sets c->exc to a data abort at va. */
void mem_set_abort(struct cpu *c, gva_t va, bool write, uint8_t fsc);

/* --- icache.c: decoded pages ---------------------------------------------------------------------------------------- */

struct code_cache *icache_create(void);
void icache_destroy(struct code_cache *cc);

/* From now on, pages are decoded for each virtual address at which they are run. Before anything is. */
void icache_by_address(struct cpu *c);
/* The decoded page of pa (page-aligned) at va, whose words are at host. Never null: when there are many, one that has not been used for long is made anew, and
 * the ITLB forgets some. The page that c->code is in stays. */
struct code_page *icache_page(struct cpu *c, gva_t va, gpa_t pa, const void *host);
/* The instruction at va, which lies in p, with its own function. Whether it has ever been run here. */
bool icache_decoded(const struct code_page *p, gva_t va, struct a64_insn *insn);
/* The word of an instruction of c->code as it is decoded, or will be. */
uint32_t icache_word(const struct cpu *c, const struct a64_insn *insn);
/* The decoded instruction at va, of which pa is the physical address, if its page is known, gets jit_enter() for its function. */
void icache_mark_entry(struct cpu *c, gva_t va, gpa_t pa);
void icache_flush_all(struct cpu *c);
void icache_flush_pa(struct cpu *c, gpa_t pa, uint64_t len);

/* --- debug.c -------------------------------------------------------------------------------------------------------- */

void debug_destroy(struct cpu *c);

/* --- event.c -------------------------------------------------------------------------------------------------------- */

/* WFE with an empty event register: whether it need not wait, found by looking for a moment. */
bool cpu_event_soon(struct cpu *c);
void cpu_wait_over(struct cpu *c);

/* --- inval.c -------------------------------------------------------------------------------------------------------- */

/* Sends to the other CPUs of the cluster; they are done when this CPU's next DSB is. */
void cpu_broadcast(struct cpu *c, const struct cpu_inval *inv);
/* DSB: waits for them. */
void cpu_broadcast_wait(struct cpu *c);
/* Does what others asked for. The instruction that runs stays valid: decoded pages are reset in place, not freed. */
void cpu_inval_drain(struct cpu *c);

/* --- run.c ---------------------------------------------------------------------------------------------------------- */

/* WFI. False: something happened meanwhile, and the run loop has to look at it. */
static inline bool cpu_wfi(struct cpu *c)
{
    if (!c->ops->wfi)
        return true;
    if (likely(c->cluster->nr_cpus == 1)) {
        c->ops->wfi(c->opaque);
    } else { /* the others need not wait for one that sleeps */
        atomic_store(&c->in_guest, false);
        c->ops->wfi(c->opaque);
        atomic_store(&c->in_guest, true);
    }
    return atomic_load(&c->events) == 0 && !c->new_turn;
}
/* Whether the run loop would find nothing to do between two instructions but to count them. */
static inline bool cpu_is_undisturbed(const struct cpu *c)
{
    return !atomic_load_explicit(&c->events, memory_order_relaxed) && !c->debug && !c->observe &&
           !(SYS(&c->st, MDSCR_EL1) & MDSCR_EL1_SS);
}
/* After an SVC or an ERET that translated code had the interpreter do: takes the exception. Returns the translated code to go on at; null: the run loop goes on
 * as c->leave says. */
const void *cpu_go_on_in_place(struct cpu *c);
/* cpu_ops.mmio, and what it has changed in the translations of this CPU. */
static inline bool cpu_mmio(struct cpu *c, gpa_t pa, unsigned size, bool write, uint64_t *val)
{
    const bool good = c->ops->mmio(c->opaque, pa, size, write, val);

    if (unlikely(atomic_load_explicit(&c->events, memory_order_relaxed) & EVENT_INVAL))
        cpu_inval_drain(c);
    return good;
}

#endif
