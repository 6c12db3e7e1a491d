/* The interpreter's loop: fetch, run, look for events, take exceptions.
 *
 * Instructions run in slices; time, kicks, interrupts and other CPUs' invalidations are looked at between slices and whenever an
 * instruction returns null. Specification: DDI 0487, "Exceptions", pseudocode "Execution of instructions". */
#include "base/clock.h"
#include "cpu/cpu_internal.h"
#include "cpu/debug.h"
#include "cpu/interp.h"
#include "cpu/jit.h"
#include "cpu/jit/check.h"
#include "cpu/observe.h"

#include "gen/sysreg_fields.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_INSNS 512
/* The same for translated code, which is that much faster. */
#define JIT_SLICE_INSNS 8192

/* How often a fault has to come again before the vCPU counts as stuck: with all registers alike, or with only ELR and ESR alike. */
#define STUCK_SAME 64u
#define STUCK_SIMILAR 1000000u

static const struct guest_clock host_clock;

struct cpu *cpu_create(struct cpu_cluster *cl, struct ram *ram, uint64_t mpidr,
                       const struct cpu_ops *ops, void *opaque, uint64_t counter_base_ns)
{
    struct cpu *c = NULL;

    if (cl->nr_cpus == CPU_MAX || posix_memalign((void **)&c, 64, sizeof(*c)))
        return NULL;
    memset(c, 0, sizeof(*c));
    c->ops = ops;
    c->opaque = opaque;
    c->ram = ram;
    c->cluster = cl;
    c->counter_base_ns = counter_base_ns;
    c->clock = &host_clock;
    c->deadline_ns = UINT64_MAX;
    c->observe_at = c->pause_at = UINT64_MAX;
    c->mmu = mmu_create();
    c->icache = icache_create();
    if (!c->mmu || !c->icache || pthread_mutex_init(&c->inval_lock, NULL)) {
        mmu_destroy(c->mmu);
        icache_destroy(c->icache);
        free(c);
        return NULL;
    }
    SYS(&c->st, MPIDR_EL1) = mpidr;
    c->index = cl->nr_cpus;
    cl->cpu[cl->nr_cpus++] = c;
    cpu_reset(c);
    return c;
}

void cpu_without_gic_registers(struct cpu *c)
{
    c->no_gic_registers = true;
    cpu_reset(c);
}

void cpu_destroy(struct cpu *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->inval_lock);
    jit_destroy(c->jit);
    jit_check_destroy(c->check);
    debug_destroy(c);
    observe_destroy(c);
    mmu_destroy(c->mmu);
    icache_destroy(c->icache);
    free(c);
}

void cpu_reset(struct cpu *c)
{
    pe_reset(&c->st);
    if (c->no_gic_registers)
        SYS(&c->st, ID_AA64PFR0_EL1) &= ~ID_AA64PFR0_EL1_GIC;
    c->stuck.same = c->stuck.similar = 0;
    c->stuck.nested = c->stuck.has_cause = false;
    c->stuck.vbar_written = false;
    c->excl.size = 0;
    __atomic_store_n(&c->event_register, false, __ATOMIC_RELAXED);
    if (c->debug) {
        c->debug->pending = false;
        c->debug->resumed = PASSED_NOTHING;
    }
    icache_flush_all(c);
    cpu_state_changed(c);
}

void cpu_state_changed(struct cpu *c)
{
    tlb_flush_all(c);
    cpu_context_changed(c);
}

uint64_t cpu_counter(const struct cpu *c)
{
    return (clock_now_ns(c->clock) - c->counter_base_ns) / 16;
}

/* --- Other threads -------------------------------------------------------------------------------------------------- */

void cpu_kick(struct cpu *c)
{
    atomic_fetch_or(&c->events, EVENT_KICK);
}

void cpu_leave_soon(struct cpu *c)
{
    cpu_kick(c);
    /* Translated code that this comes from ends with its block. */
    c->jit_hot.forfeited += c->jit_hot.budget;
    c->jit_hot.budget = 0;
}

void cpu_begin_turn(struct cpu *c)
{
    c->new_turn = true;
}

void cpu_set_irq(struct cpu *c, bool irq, bool fiq)
{
    atomic_store(&c->irq_lines, (irq ? 1u : 0u) | (fiq ? 2u : 0u));
    if (irq || fiq)
        atomic_fetch_or(&c->events, EVENT_IRQ);
    else
        atomic_fetch_and(&c->events, ~(uint32_t)EVENT_IRQ);
}

void cpu_set_deadline(struct cpu *c, uint64_t deadline_ns)
{
    c->deadline_ns = deadline_ns;
}

/* --- Leaving an instruction ----------------------------------------------------------------------------------------- */

HOT const struct a64_insn *cpu_raise(struct cpu *c, const struct a64_insn *insn, enum esr_ec ec,
                                     uint32_t iss)
{
    c->exc = (struct exception){.type = EXC_SYNC, .esr = esr_make(ec, iss), .ret = cpu_pc(c, insn)};
    c->st.pc = c->exc.ret;
    c->leave = CPU_LEAVE_EXCEPTION;
    return NULL;
}

const struct a64_insn *cpu_undefined(struct cpu *c, const struct a64_insn *insn)
{
    return cpu_raise(c, insn, EC_UNKNOWN, 0);
}

/* CV is 1, COND 0b1110: as the manual has it for A64 instructions. */
const struct a64_insn *cpu_fp_trap(struct cpu *c, const struct a64_insn *insn)
{
    return cpu_raise(c, insn, EC_FP_ACCESS, 1u << 24 | 0xeu << 20);
}

HOT const struct a64_insn *cpu_mem_fault(struct cpu *c, const struct a64_insn *insn)
{
    c->exc.ret = c->st.pc = cpu_pc(c, insn);
    c->leave = CPU_LEAVE_EXCEPTION;
    if (unlikely(c->debug) && c->debug->pending) {
        c->nr_insns--; /* it has not been run */
        c->leave = CPU_LEAVE_DEBUG;
    } else if (unlikely(c->alone_due)) {
        c->leave = CPU_LEAVE_OBSERVE;
    }
    return NULL;
}

const struct a64_insn *cpu_leave_after(struct cpu *c, const struct a64_insn *insn, enum cpu_leave why)
{
    c->st.pc = cpu_pc(c, insn) + 4;
    c->leave = why;
    c->irq_due = true;
    return NULL;
}

const struct a64_insn *cpu_goto(struct cpu *c, gva_t va)
{
    const struct itlb_entry *e = &c->itlb[(va >> TLB_PAGE_SHIFT) & (ITLB_ENTRIES - 1)];

    if (likely(e->tag == (((va & (~(gva_t)(TLB_PAGE_SIZE - 1) | 3))) | c->tlb_ctx))) {
        c->code.insns = e->page->insn;
        c->code.va = va & ~(gva_t)(TLB_PAGE_SIZE - 1);
        c->code.guarded = e->guarded;
        return &e->page->insn[(va >> 2) & (PAGE_INSNS - 1)];
    }
    c->st.pc = va;
    c->leave = CPU_LEAVE_AGAIN;
    return NULL;
}

/* --- Exceptions ----------------------------------------------------------------------------------------------------- */

static uint64_t register_hash(const struct pe_state *s)
{
    uint64_t h = s->x[REG_SP] ^ s->nzcv;
    for (unsigned i = 0; i <= 30; i++)
        h = (h ^ s->x[i]) * UINT64_C(0x9e3779b97f4a7c15) + (h >> 29);
    return h;
}

/* Whether this fault of EL1 in EL1 has come so often, with nothing but itself in between, that it will for ever. SVC, HVC and BRK
 * may be repeated on purpose. */
HOT static bool is_stuck(struct cpu *c)
{
    const unsigned ec = (unsigned)bits(c->exc.esr, 31, 26);
    const bool again =
        c->stuck.nested && c->exc.ret == c->stuck.last.ret && c->exc.esr == c->stuck.last.esr;

    if (!again) {
        c->stuck.has_cause = c->stuck.nested;
        c->stuck.cause = c->stuck.last;
    }
    if (!again || c->st.el != 1 || ec == EC_SVC64 || ec == EC_BRK64) {
        c->stuck.same = c->stuck.similar = 0;
    } else {
        const uint64_t hash = register_hash(&c->st);
        c->stuck.similar++;
        c->stuck.same = hash == c->stuck.hash && c->exc.far == c->stuck.last.far ? c->stuck.same + 1 : 0;
        c->stuck.hash = hash;
    }
    c->stuck.last = c->exc;
    c->stuck.nested = true;
    return c->stuck.same >= STUCK_SAME || c->stuck.similar >= STUCK_SIMILAR;
}

static __attribute__((noinline, cold)) void tell_of_exception(struct cpu *c)
{
    if (c->debug)
        debug_exception(c);
    if (c->observe)
        observe_exception(c);
}

HOT static void take(struct cpu *c)
{
    c->nr_exceptions++;
    exception_take(&c->st, &c->exc, 1);
    c->step_iss = 0;
    cpu_level_changed(c);
    if (unlikely(c->debug || c->observe))
        tell_of_exception(c);
}

/* Enters c->exc. True: the vCPU is stuck (and has not entered it once more). */
HOT static bool take_exception(struct cpu *c)
{
    if (c->exc.type == EXC_SYNC && is_stuck(c))
        return true;
    take(c);
    branch_count(c, c->st.pc);
    return false;
}

/* Takes a pending, unmasked interrupt; FIQ first. */
static bool take_interrupt(struct cpu *c)
{
    const uint32_t lines = atomic_load_explicit(&c->irq_lines, memory_order_relaxed);
    enum exception_type type;

    if ((lines & 2) && !(c->st.daif & PSR_F))
        type = EXC_FIQ;
    else if ((lines & 1) && !(c->st.daif & PSR_I))
        type = EXC_IRQ;
    else
        return false;
    c->exc = (struct exception){.type = type, .ret = c->st.pc};
    c->stuck.same = c->stuck.similar = 0;
    c->nr_interrupts++;
    take_exception(c);
    return true;
}

/* --- The loop ------------------------------------------------------------------------------------------------------- */

/* The instruction at st.pc; null with c->exc set. */
static const struct a64_insn *fetch(struct cpu *c)
{
    const gva_t pc = c->st.pc;
    const struct a64_insn *insn = cpu_goto(c, pc);

    if (unlikely(!insn)) {
        if (pc & 3) {
            c->exc = (struct exception){
                .type = EXC_SYNC, .esr = esr_make(EC_PC_ALIGN, 0), .ret = pc, .far = pc, .far_valid = true};
            return NULL;
        }
        if (!tlb_translate_fetch(c, pc))
            return NULL;
        insn = cpu_goto(c, pc);
        BUG_ON(!insn);
    }
    if (unlikely(c->st.il)) {
        c->exc = (struct exception){.type = EXC_SYNC, .esr = esr_make(EC_ILLEGAL, 0), .ret = pc};
        return NULL;
    }
    return insn;
}

/* BTypeCompatible: whether word may be the target of a branch that left btype, in a guarded page. */
static bool btype_compatible(const struct cpu *c, uint32_t word, unsigned btype)
{
    if ((word & 0xffe0001f) == 0xd4200000 || (word & 0xffe0001f) == 0xd4400000) /* BRK, HLT */
        return true;
    if ((word & 0xffffff3f) == 0xd503241f) { /* BTI: bit 6 c, bit 7 j */
        const bool to_call = bit(word, 6), to_jump = bit(word, 7);
        return btype == 1 ? to_call || to_jump : btype == 2 ? to_call : to_jump;
    }
    if ((word & 0xffffffbf) == 0xd503233f) { /* PACIASP, PACIBSP: like BTI c, or jc */
        const uint64_t bt = c->st.el == 0 ? SCTLR_EL1_BT0 : SCTLR_EL1_BT1;
        return btype != 3 || !(SYS(&c->st, SCTLR_EL1) & bt);
    }
    return false;
}

/* The target of BR or BLR, on its own, with PSTATE.BTYPE as the branch left it. */
static const struct a64_insn *step_with_btype(struct cpu *c, const struct a64_insn *insn)
{
    const struct code_page *p = CONTAINER_OF(c->code.insns, const struct code_page, insn[0]);
    const unsigned btype = c->st.btype;
    const gva_t pc = cpu_pc(c, insn);

    if (c->code.guarded && !btype_compatible(c, p->host[insn - c->code.insns], btype)) {
        c->exc = (struct exception){.type = EXC_SYNC, .esr = esr_make(EC_BTI, btype), .ret = pc};
        c->leave = CPU_LEAVE_EXCEPTION;
        return NULL;
    }
    c->st.btype = 0;
    c->leave = CPU_LEAVE_NONE;
    const struct a64_insn *next = insn->fn(c, insn);
    if (!next && ((c->leave == CPU_LEAVE_EXCEPTION && c->exc.ret == pc) || c->leave == CPU_LEAVE_OBSERVE))
        c->st.btype = (uint8_t)btype;
    return next;
}

static void look_at_time(struct cpu *c)
{
    if (c->deadline_ns != UINT64_MAX && clock_now_ns(c->clock) >= c->deadline_ns)
        c->ops->deadline(c->opaque);
}

/* Its turn, if that is over: waits for the next. */
static void take_turn(struct cpu *c)
{
    if (!c->new_turn && c->nr_insns >= c->turn_end && c->own_turns) {
        c->new_turn = true;
    } else if (!c->new_turn && c->nr_insns >= c->turn_end) {
        atomic_store(&c->in_guest, false);
        c->ops->turn(c->opaque);
        atomic_store(&c->in_guest, true);
    }
    if (c->new_turn) {
        c->new_turn = false;
        c->irq_due = true;
        c->turn_end = c->nr_insns + c->turn_insns;
        look_at_time(c);
    }
}

/* With turns: instructions until there is something to do between two of them. */
static int64_t left_of_turn(struct cpu *c)
{
    return c->jit_hot.budget = (int64_t)(MIN(c->pause_at, c->turn_end) - c->nr_insns);
}

/* Slices end at pause_at, exactly, which takes turns. */
static void set_pause(struct cpu *c)
{
    c->pause_at = c->stop_at ? MIN(c->stop_at, c->observe_at) : c->observe_at;
    if (c->pause_at != UINT64_MAX && !c->turn_insns) {
        c->turn_insns = JIT_SLICE_INSNS;
        c->own_turns = c->new_turn = true;
    }
}

int cpu_stop_at(struct cpu *c, uint64_t insns)
{
    const int r = insns ? debug_needed(c) : 0;

    if (r)
        return r;
    c->stop_at = insns;
    set_pause(c);
    return 0;
}

int cpu_observe(struct cpu *c, const struct observe *what)
{
    const int r = observe_create(c, what);

    set_pause(c);
    return r;
}

/* At pause_at. Whether it has come to stop_at. */
static bool at_limit(struct cpu *c)
{
    if (c->nr_insns >= c->observe_at) {
        observe_due(c);
        set_pause(c);
    }
    if (!c->stop_at || c->nr_insns < c->stop_at)
        return false;
    debug_tell(c, DEBUG_CAUSE_LIMIT, c->stop_at, false);
    return true;
}

/* Between slices: what other threads and the clock want. CPU_LEAVE_KICK, or CPU_LEAVE_NONE to go on. */
static enum cpu_leave look_around(struct cpu *c)
{
    if (unlikely(c->turn_insns)) {
        take_turn(c);
        /* It was called out while it waited, and is not to do anything: the kick may still be on its way. */
        if (unlikely(c->nr_insns >= c->turn_end))
            return CPU_LEAVE_KICK;
    }
    const uint32_t events = atomic_load_explicit(&c->events, memory_order_relaxed);

    if (unlikely(events)) {
        if (events & EVENT_INVAL)
            cpu_inval_drain(c);
        if (events & EVENT_DEBUG)
            return CPU_LEAVE_DEBUG;
        if (events & EVENT_KICK) {
            atomic_fetch_and(&c->events, ~(uint32_t)EVENT_KICK);
            return CPU_LEAVE_KICK;
        }
        /* With turns not just because we are here: a limit or somebody who wants this CPU to stop may have brought us. */
        if (events & EVENT_IRQ && (c->irq_due || !c->turn_insns || c->own_turns))
            take_interrupt(c);
        if (unlikely(c->debug) && c->debug->pending)
            return CPU_LEAVE_DEBUG;
    }
    c->irq_due = false;
    if (unlikely(c->nr_insns >= c->pause_at) && at_limit(c))
        return CPU_LEAVE_DEBUG;
    if (unlikely(c->has_hot_target)) {
        c->has_hot_target = false;
        jit_hot(c, c->hot_target);
    }
    if (c->turn_insns) {
        c->slice_left = left_of_turn(c);
    } else if (c->slice_left <= 0) {
        c->slice_left = SLICE_INSNS;
        c->jit_hot.budget = JIT_SLICE_INSNS;
        look_at_time(c);
    }
    return CPU_LEAVE_NONE;
}

/* Translated code for st.pc that may be run as things are; null: by way of fetch(). */
HOT static const void *known_code(const struct cpu *c)
{
    const gva_t pc = c->st.pc;
    const struct jit_target *t = &c->jit_hot.target[(pc >> 2) & (JIT_NR_TARGETS - 1)];

    return t->va == pc && t->stamp == c->jit_hot.stamp[(int64_t)pc >= 0] && !c->st.btype &&
                   !c->st.il && c->jit_hot.budget > 0 && !c->check && !c->one_plain
               ? t->code
               : NULL;
}

HOT const void *cpu_go_on_in_place(struct cpu *c)
{
    const void *code;

    if (c->leave == CPU_LEAVE_EXCEPTION && bits(c->exc.esr, 31, 26) == EC_SVC64) {
        BUG_ON(is_stuck(c)); /* no vCPU is, because of a call */
        take(c);
        c->leave = CPU_LEAVE_RESYNC;
    }
    /* Undisturbed, as it was before the instruction, but for what may come at any time. */
    if (c->leave != CPU_LEAVE_RESYNC || atomic_load_explicit(&c->events, memory_order_relaxed))
        return NULL;
    code = known_code(c);
    if (!code)
        branch_count(c, c->st.pc);
    return code;
}

/* Loads that begin an exclusive access. */
static bool is_load_exclusive(uint32_t word)
{
    const unsigned row = a64_find_row(word);
    return row == A64_ROW_LDXR_ldstexclr || row == A64_ROW_LDXP_ldstexclp;
}

/* The instruction at st.pc by the interpreter; a null from it is as everywhere. */
static const struct a64_insn *run_one(struct cpu *c)
{
    const struct a64_insn *insn;

    c->leave = CPU_LEAVE_EXCEPTION; /* of the fetch */
    if (!(insn = fetch(c)))
        return NULL;
    c->one_plain = c->alone = true;
    c->alone_due = false;
    c->leave = CPU_LEAVE_NONE;
    if (unlikely(c->observe))
        observe_begin(c, insn);
    insn = c->st.btype ? step_with_btype(c, insn) : insn->fn(c, insn);
    if (unlikely(c->observe))
        observe_end(c, insn);
    c->one_plain = c->alone = false;
    c->nr_insns++;
    c->slice_left--;
    return insn;
}

/* The same, of Software Step. */
static const struct a64_insn *step_one(struct cpu *c)
{
    const gva_t pc = c->st.pc;
    uint32_t word;

    c->leave = CPU_LEAVE_EXCEPTION; /* of the fetch */
    if (!cpu_fetch_word(c, &word))
        return NULL;
    c->step_iss = ISS_SOFTSTP_ISV | (is_load_exclusive(word) ? ISS_SOFTSTP_EX : 0);
    c->st.misc &= ~PSR_SS;
    const struct a64_insn *insn = run_one(c);
    /* It did not complete: the step is still to be made. A call has completed. */
    if (!insn && c->st.pc == pc && (c->leave == CPU_LEAVE_EXCEPTION || c->leave == CPU_LEAVE_DEBUG))
        c->st.misc |= PSR_SS;
    return insn;
}

/* What run_one() has left, as run_slices() would have it. */
static enum cpu_leave after_one(struct cpu *c, const struct a64_insn *insn)
{
    if (insn) {
        c->st.pc = cpu_pc(c, insn);
        return CPU_LEAVE_NONE;
    }
    if (c->leave == CPU_LEAVE_EXCEPTION)
        return take_exception(c) ? CPU_LEAVE_STUCK : CPU_LEAVE_NONE;
    return c->leave == CPU_LEAVE_RESYNC || c->leave == CPU_LEAVE_AGAIN || c->leave == CPU_LEAVE_SLICE
               ? CPU_LEAVE_NONE
               : c->leave;
}

/* Software step: an instruction where PSTATE.SS is set, which clears it, and the exception where it is not (DDI 0487, "Software Step exceptions"). */
static enum cpu_leave software_step(struct cpu *c)
{
    const struct a64_insn *insn = NULL;

    if (c->st.misc & PSR_SS) {
        insn = step_one(c);
    } else {
        c->exc = (struct exception){
            .type = EXC_SYNC,
            .esr = esr_make(exception_ec(&c->st, EC_SOFTSTP_LOWER), c->step_iss | FSC_DEBUG),
            .ret = c->st.pc};
        c->leave = CPU_LEAVE_EXCEPTION;
    }
    return after_one(c, insn);
}

/* What is to be done before an instruction that is run alone. With turns, all that would be without the step; then an interrupt may be due, and what
 * was to be passed comes again behind it. */
static enum cpu_leave look_before_one(struct cpu *c)
{
    const uint64_t nr_interrupts = c->nr_interrupts;

    if (!c->turn_insns || c->own_turns) {
        if (atomic_load_explicit(&c->events, memory_order_relaxed) & EVENT_INVAL)
            cpu_inval_drain(c);
        return CPU_LEAVE_NONE;
    }
    const enum cpu_leave leave = look_around(c);
    if (leave != CPU_LEAVE_NONE || c->nr_interrupts == nr_interrupts)
        return leave;
    c->debug->resumed = PASSED_NOTHING;
    return c->debug->step && debug_tell(c, DEBUG_CAUSE_STEP, c->st.pc, false) ? CPU_LEAVE_DEBUG
                                                                              : CPU_LEAVE_NONE;
}

/* An instruction that somebody else than the guest steps over, or has been shown. */
static enum cpu_leave debug_step(struct cpu *c)
{
    enum cpu_leave leave = look_before_one(c);

    if (leave != CPU_LEAVE_NONE)
        return leave;
    c->debug->passed = c->debug->resumed;
    if (unlikely(SYS(&c->st, MDSCR_EL1) & MDSCR_EL1_SS) && exception_steps(&c->st))
        leave = software_step(c);
    else
        leave = after_one(c, run_one(c));
    c->debug->passed = c->debug->resumed = PASSED_NOTHING;
    if (c->debug->pending)
        return CPU_LEAVE_DEBUG;
    if (c->debug->step && leave != CPU_LEAVE_STUCK)
        debug_tell(c, DEBUG_CAUSE_STEP, c->st.pc, false);
    /* An exit that the instruction is comes first. */
    return leave == CPU_LEAVE_NONE && c->debug->pending ? CPU_LEAVE_DEBUG : leave;
}

/* From an instruction on that somebody wants to see: that one, and those behind it of which the same holds. *look: as in run_slices(). */
static enum cpu_leave run_observed(struct cpu *c, bool *look)
{
    const struct a64_insn *insn;
    enum cpu_leave leave;

    do {
        insn = run_one(c);
        leave = after_one(c, insn);
    } while (insn && insn->fn == observe_op && c->slice_left > 0);
    *look = !c->turn_insns || (!insn && c->leave != CPU_LEAVE_AGAIN);
    return leave;
}

static enum cpu_leave run_slices(struct cpu *c)
{
    bool look = true; /* with turns that depends on the guest alone, not on what is translated or observed */

    for (;;) {
        if (!look)
            c->slice_left = left_of_turn(c);
        look = look || c->slice_left <= 0 ||
               (atomic_load_explicit(&c->events, memory_order_relaxed) & (EVENT_KICK | EVENT_DEBUG));
        enum cpu_leave leave = look ? look_around(c) : CPU_LEAVE_NONE;
        look = true;
        if (unlikely(leave != CPU_LEAVE_NONE))
            return leave;
        if (unlikely(SYS(&c->st, MDSCR_EL1) & MDSCR_EL1_SS) && exception_steps(&c->st)) {
            leave = software_step(c);
            if (leave != CPU_LEAVE_NONE)
                return leave;
            continue;
        }

        const void *code = c->turn_insns ? jit_exact_code(c) : known_code(c);
        const struct a64_insn *insn = code ? jit_run(c, code) : fetch(c);
        if (code && c->turn_insns)
            c->slice_left = c->jit_hot.budget;
        const int64_t most = MIN(c->slice_left, SLICE_INSNS);
        int64_t n = most;
        if (unlikely(!insn && !code)) {
            c->slice_left--;
            if (take_exception(c))
                return CPU_LEAVE_STUCK;
            continue;
        }
        if (unlikely(c->st.btype) && insn) {
            insn = step_with_btype(c, insn);
            n--;
        } else {
            while (insn && n > 0) {
                insn = insn->fn(c, insn);
                n--;
            }
        }
        c->nr_insns += (uint64_t)(most - n);
        c->slice_left -= most - n;
        if (insn) {
            c->st.pc = cpu_pc(c, insn);
            look = !c->turn_insns;
            continue;
        }
        switch (c->leave) {
        case CPU_LEAVE_EXCEPTION:
            if (unlikely(take_exception(c)))
                return CPU_LEAVE_STUCK;
            break;
        case CPU_LEAVE_SLICE: c->slice_left = 0; /* fallthrough */
        case CPU_LEAVE_AGAIN: look = !c->turn_insns; break;
        case CPU_LEAVE_RESYNC: break;
        case CPU_LEAVE_OBSERVE:
            c->nr_insns--; /* it has not been run */
            c->slice_left++;
            leave = run_observed(c, &look);
            if (leave != CPU_LEAVE_NONE)
                return leave;
            break;
        default: return c->leave;
        }
    }
}

static enum cpu_leave run_debugged(struct cpu *c)
{
    struct cpu_debug *d = c->debug;
    enum cpu_leave leave = CPU_LEAVE_NONE;

    if (d->pending)
        leave = CPU_LEAVE_DEBUG;
    else if (d->step || d->resumed)
        leave = debug_step(c);
    if (leave == CPU_LEAVE_NONE)
        leave = run_slices(c);
    if (leave != CPU_LEAVE_DEBUG)
        return leave;
    atomic_fetch_and(&c->events, ~(uint32_t)EVENT_DEBUG);
    d->pending = false;
    d->resumed = d->event.cause == DEBUG_CAUSE_BREAK    ? PASSED_BREAK
                 : d->event.cause == DEBUG_CAUSE_SYSREG ? PASSED_SYSREG
                 : d->event.cause == DEBUG_CAUSE_WATCH  ? PASSED_ALL
                                                        : PASSED_NOTHING;
    return leave;
}

enum cpu_leave cpu_run(struct cpu *c)
{
    if (c->waiting)
        cpu_wait_over(c);
    if (c->cluster->nr_cpus > 1)
        atomic_store(&c->in_guest, true);
    const enum cpu_leave leave = unlikely(c->debug) ? run_debugged(c) : run_slices(c);
    if (c->cluster->nr_cpus > 1)
        atomic_store(&c->in_guest, false);
    return leave;
}

bool cpu_fetch_word(struct cpu *c, uint32_t *word)
{
    const struct a64_insn *insn = fetch(c);

    if (!insn)
        return false;
    const struct code_page *p = CONTAINER_OF(c->code.insns, const struct code_page, insn[0]);
    *word = __atomic_load_n(&p->host[insn - c->code.insns], __ATOMIC_RELAXED);
    return true;
}

enum cpu_leave cpu_step(struct cpu *c)
{
    c->leave = CPU_LEAVE_EXCEPTION; /* of the fetch */
    const struct a64_insn *insn = fetch(c);

    if (insn) {
        c->leave = CPU_LEAVE_NONE;
        insn = c->st.btype ? step_with_btype(c, insn) : insn->fn(c, insn);
    }
    if (insn)
        c->st.pc = cpu_pc(c, insn);
    else if (c->leave == CPU_LEAVE_EXCEPTION)
        take(c);
    else if (c->leave == CPU_LEAVE_RESYNC || c->leave == CPU_LEAVE_AGAIN || c->leave == CPU_LEAVE_SLICE)
        c->leave = CPU_LEAVE_NONE;
    return insn ? CPU_LEAVE_NONE : c->leave;
}
