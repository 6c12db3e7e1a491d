/* What the interpreter's instruction functions are written with. Included by src/cpu/op_*.c only.
 *
 *   OP(ADD_addsub_imm)
 *   {
 *       c->st.x[a->d] = width(sf, c->st.x[a->n] + a->imm);
 *       return insn + 1;
 *   }
 *
 * OP(NAME) opens the body of a row of spec/a64.isa, with c, insn, a (its arguments) and, as compile-time constants, the
 * fields that the row marks with `!`. The generated A64_PARAMS_NAME and A64_WRAP_NAME do it; in a row with a V register,
 * the latter takes the trap of CPACR_EL1.FPEN first. */
#ifndef VIBE_CPU_INTERP_H
#define VIBE_CPU_INTERP_H

#include "base/err.h"
#include "cpu/cpu.h"

#include "gen/a64_handlers.h"

#define OP(NAME)                                                                                      \
    static inline __attribute__((always_inline)) const struct a64_insn *op_##NAME(A64_PARAMS_##NAME); \
    A64_WRAP_##NAME static inline const struct a64_insn *op_##NAME(A64_PARAMS_##NAME)

/* --- Program counter and branches ----------------------------------------------------------------------------------- */

static inline gva_t cpu_pc(const struct cpu *c, const struct a64_insn *insn)
{
    return c->code.va + (((uintptr_t)insn - (uintptr_t)c->code.insns) >> (A64_INSN_SHIFT - 2));
}

/* A branch target that is reached often is to be translated: looked at between slices. Where another one waits for that, this one asks
 * again the next time: two that are reached in turn would else never both be seen. */
static inline void branch_count(struct cpu *c, gva_t to)
{
    uint16_t *left = &c->hot[(to >> 2) & (HOT_SLOTS - 1)];

    if (likely(--*left))
        return;
    if (c->has_hot_target && c->hot_target != to) {
        *left = 1;
        return;
    }
    c->hot_target = to;
    c->has_hot_target = true;
}

static inline void branch_note(struct cpu *c, gva_t from, gva_t to)
{
    struct branch_record *r = &c->branch[c->branch_next++ % BRANCH_RING];
    r->from = from;
    r->to = to;
    branch_count(c, to);
}

/* Goes on at va in another page, or through the ITLB; null when it isn't there (st.pc = va, RESYNC). */
const struct a64_insn *cpu_goto(struct cpu *c, gva_t va);

/* A direct branch by offset bytes. */
static inline const struct a64_insn *cpu_branch(struct cpu *c, const struct a64_insn *insn, int64_t offset)
{
    gva_t pc = cpu_pc(c, insn);
    uint64_t index =
        ((uintptr_t)insn - (uintptr_t)c->code.insns) + ((uint64_t)offset << (A64_INSN_SHIFT - 2));

    branch_note(c, pc, pc + (uint64_t)offset);
    if (likely(index < (uint64_t)PAGE_INSNS << A64_INSN_SHIFT))
        return (const struct a64_insn *)((uintptr_t)c->code.insns + index);
    return cpu_goto(c, pc + (uint64_t)offset);
}

/* --- Leaving -------------------------------------------------------------------------------------------------------- */

/* The instruction itself faults: ELR will be its own address. Returns null. */
const struct a64_insn *cpu_raise(struct cpu *c, const struct a64_insn *insn, enum esr_ec ec,
                                 uint32_t iss);
const struct a64_insn *cpu_undefined(struct cpu *c, const struct a64_insn *insn);
/* SIMD or floating point while CPACR_EL1.FPEN traps it. */
const struct a64_insn *cpu_fp_trap(struct cpu *c, const struct a64_insn *insn);

/* A memory access below said false: c->exc has syndrome and FAR, this adds the address of the instruction. Returns null. */
const struct a64_insn *cpu_mem_fault(struct cpu *c, const struct a64_insn *insn);

/* Back to the run loop after the instruction, for why (an exit, or RESYNC after a context change). Returns null. */
const struct a64_insn *cpu_leave_after(struct cpu *c, const struct a64_insn *insn, enum cpu_leave why);

/* --- Memory --------------------------------------------------------------------------------------------------------- */

enum mem_flags {
    MEM_EL0 = 1, /* check as EL0: LDTR, STTR */
    MEM_ALIGNED = 2, /* must be naturally aligned whatever the memory type: exclusives, atomics, acquire-release */
    MEM_NO_UPDATE = 4, /* of tlb_translate() alone: false where the access flag or the dirty state would have to be set */
};

/* Slow paths: TLB miss, misaligned, page crossing, device, faults. size is 1, 2, 4 or 8. False: c->exc is set. */
bool mem_load_slow(struct cpu *c, gva_t va, unsigned size, unsigned flags, uint64_t *val);
bool mem_store_slow(struct cpu *c, gva_t va, unsigned size, unsigned flags, uint64_t val);

/* The same for what SIMD&FP loads and stores move at once: len up to 64 bytes, as elements of 1 << esize bytes (esize up to 4),
 * each of which may be misaligned. A load that faults leaves out[] undefined; a store that faults on translation or alignment has
 * stored nothing. False: c->exc is set. */
bool mem_load_elements(struct cpu *c, gva_t va, unsigned len, unsigned esize, void *out);
bool mem_store_elements(struct cpu *c, gva_t va, unsigned len, unsigned esize, const void *in);

/* Host pointer for an access of size (up to 16) bytes, aligned to size (else an alignment fault), with the permissions asked for: atomics and
 * exclusives. A device is an unsupported-atomic fault (FSC_UNSUPPORTED_ATOMIC). False: c->exc is set. */
bool mem_atomic_ptr(struct cpu *c, gva_t va, unsigned size, bool read, bool write, void **host);

/* Checks that a store of len bytes could be made, before half of it is (pairs over two pages). False: fault. */
bool mem_probe_store(struct cpu *c, gva_t va, unsigned len, unsigned flags);

static inline struct tlb_entry *tlb_slot(struct cpu *c, gva_t va)
{
    const size_t at = ((va >> TLB_PAGE_SHIFT) & (TLB_ENTRIES - 1)) * sizeof(struct tlb_entry);
    return (struct tlb_entry *)((uint8_t *)c->tlb + (at ^ c->tlb_space));
}

static inline uint64_t tlb_key(uint64_t ctx, gva_t va, unsigned size)
{
    return (va & (~(uint64_t)(TLB_PAGE_SIZE - 1) | (size - 1))) | ctx;
}

/* Whether e stands for a device's page, which tag is the key of, and which has never a fast tag. */
static inline bool tlb_is_device(const struct tlb_entry *e, uint64_t tag)
{
    return (e->page & TLB_INFO_MMIO) && e->addend == tag;
}

/* How far the context of EL1, without or with PSTATE.PAN, is below that of EL0: translated code sets PAN by itself. */
static inline uint64_t tlb_ctx_below_el0(bool pan)
{
    return (pan ? 1u : 2u) << TLB_CTX_SHIFT;
}

/* A single-copy atomic load, zero-extended. size is a constant 1, 2, 4 or 8. */
static inline bool mem_load(struct cpu *c, gva_t va, unsigned size, unsigned flags, uint64_t *val)
{
    const struct tlb_entry *e = tlb_slot(c, va);
    uint64_t ctx = flags & MEM_EL0 ? c->tlb_ctx_el0 : c->tlb_ctx;

    if (unlikely(tlb_key(ctx, va, size) != e->tag_r))
        return mem_load_slow(c, va, size, flags, val);
    const void *p = (const void *)(va + e->addend);
    switch (size) {
    case 1: *val = __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED); break;
    case 2: *val = __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED); break;
    case 4: *val = __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED); break;
    default: *val = __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED); break;
    }
    return true;
}

static inline bool mem_store(struct cpu *c, gva_t va, unsigned size, unsigned flags, uint64_t val)
{
    const struct tlb_entry *e = tlb_slot(c, va);
    uint64_t ctx = flags & MEM_EL0 ? c->tlb_ctx_el0 : c->tlb_ctx;

    if (unlikely(tlb_key(ctx, va, size) != e->tag_w))
        return mem_store_slow(c, va, size, flags, val);
    void *p = (void *)(va + e->addend);
    switch (size) {
    case 1: __atomic_store_n((uint8_t *)p, (uint8_t)val, __ATOMIC_RELAXED); break;
    case 2: __atomic_store_n((uint16_t *)p, (uint16_t)val, __ATOMIC_RELAXED); break;
    case 4: __atomic_store_n((uint32_t *)p, (uint32_t)val, __ATOMIC_RELAXED); break;
    default: __atomic_store_n((uint64_t *)p, val, __ATOMIC_RELAXED); break;
    }
    return true;
}

/* SP alignment check for a load or store through SP (n is the argument slot); false: c->exc is set. */
bool sp_misaligned(struct cpu *c);
static inline bool sp_ok(struct cpu *c, unsigned n)
{
    return likely(n != REG_SP) || likely((c->st.x[REG_SP] & 15) == 0) || !sp_misaligned(c);
}

/* SP as base and not a multiple of 16: sp_ok() has to decide. */
static inline bool sp_suspect(unsigned n, uint64_t base)
{
    return n == REG_SP && (base & 15);
}

/* ExtendReg() of the four options that exist here: UXTW, LSL, SXTW, SXTX. option is a compile-time constant; the decoder lets no
 * other one through. */
static inline uint64_t offset_reg(uint64_t m, unsigned option, unsigned amount)
{
    BUG_ON(!(option & 2));
    if (!(option & 1))
        m = option & 4 ? (uint64_t)(int64_t)(int32_t)m : (uint32_t)m;
    return m << amount;
}

/* --- Registers and flags -------------------------------------------------------------------------------------------- */

static inline uint64_t width(unsigned sf, uint64_t v)
{
    return sf ? v : (uint32_t)v;
}

/* Slot to write for a register number that is also read (operand kind x). */
static inline unsigned wslot(unsigned n)
{
    return n == REG_ZERO ? REG_SINK : n;
}

/* ConditionHolds(). cc is what operand_cond() made: a mask of the 16 values of NZCV for which it holds. */
static inline bool cond_holds(const struct cpu *c, uint16_t cc)
{
    return (cc >> (c->st.nzcv >> 28)) & 1;
}

#endif
