/* Loads and stores of general registers: all but exclusives and atomics (op_excl.c) and LDRAA (op_pac.c).
 *
 * Threads: the CPU's own. Rows and operands: spec/a64.isa.
 * Specification: DDI 0487, "A64 Base Instruction Descriptions"; "Single-copy atomicity"; "Load-Acquire, Store-Release".
 *
 * The path that everything takes, aligned RAM behind a TLB entry, calls nothing and so has no stack frame. Whatever it does not know (a miss, a
 * misaligned or crossing access, a device, SP out of alignment) goes by a tail call to a *_miss() function, which does the whole
 * instruction over, in the order of the pseudocode. Where the pseudocode has a CONSTRAINED UNPREDICTABLE choice (Rt == Rn
 * with writeback, Rt == Rt2), the steps are simply executed in their order. */
#include "cpu/interp.h"

/* What kind of access: compile-time constants but for HOW_EL0. */
enum how {
    HOW_SIZE = 3,       /* log2 of the bytes */
    HOW_SIGNED64 = 4,   /* sign-extended to 64 bits */
    HOW_SIGNED32 = 8,   /* sign-extended to 32 bits */
    HOW_EL0 = 16,       /* checked as EL0's */
    HOW_ORDERED = 32,   /* LDAR, STLR: sequentially consistent among themselves (RCsc) */
    HOW_ACQUIRE = 64,   /* LDAPR (RCpc) */
    HOW_WRITEBACK = 128,
};

static inline uint64_t extended(unsigned how, uint64_t v)
{
    const unsigned len = 8u << (how & HOW_SIZE);

    if (how & HOW_SIGNED64)
        return (uint64_t)sext(v, len);
    if (how & HOW_SIGNED32)
        return (uint32_t)sext(v, len);
    return v;
}

static inline unsigned mem_flags(unsigned how)
{
    return (how & HOW_EL0 ? MEM_EL0 : 0) | (how & (HOW_ORDERED | HOW_ACQUIRE) ? MEM_ALIGNED : 0);
}

static inline uint64_t context(const struct cpu *c, unsigned how)
{
    return how & HOW_EL0 ? c->tlb_ctx_el0 : c->tlb_ctx;
}

/* SP as base and not a multiple of 16: sp_ok() has to decide. */
static inline bool sp_suspect(unsigned n, uint64_t base)
{
    return n == REG_SP && (base & 15);
}

#define HOST_LOAD(TYPE, p, how)                                                                    \
    ((how) & HOW_ORDERED   ? __atomic_load_n((const TYPE *)(p), __ATOMIC_SEQ_CST)                  \
     : (how) & HOW_ACQUIRE ? __atomic_load_n((const TYPE *)(p), __ATOMIC_ACQUIRE)                  \
                           : __atomic_load_n((const TYPE *)(p), __ATOMIC_RELAXED))

static inline uint64_t host_load(const void *p, unsigned how)
{
    switch (how & HOW_SIZE) {
    case 0: return HOST_LOAD(uint8_t, p, how);
    case 1: return HOST_LOAD(uint16_t, p, how);
    case 2: return HOST_LOAD(uint32_t, p, how);
    default: return HOST_LOAD(uint64_t, p, how);
    }
}

#define HOST_STORE(TYPE, p, how, v)                                                                \
    ((how) & HOW_ORDERED ? __atomic_store_n((TYPE *)(p), (TYPE)(v), __ATOMIC_SEQ_CST)              \
                         : __atomic_store_n((TYPE *)(p), (TYPE)(v), __ATOMIC_RELAXED))

static inline void host_store(void *p, unsigned how, uint64_t v)
{
    switch (how & HOW_SIZE) {
    case 0: HOST_STORE(uint8_t, p, how, v); break;
    case 1: HOST_STORE(uint16_t, p, how, v); break;
    case 2: HOST_STORE(uint32_t, p, how, v); break;
    default: HOST_STORE(uint64_t, p, how, v); break;
    }
}

/* --- One register --------------------------------------------------------------------------------------------------- */

static __attribute__((noinline, cold)) const struct a64_insn *
load_miss(struct cpu *c, const struct a64_insn *insn, gva_t va, unsigned how, unsigned slots, uint64_t base)
{
    const unsigned t = slots & 0xff, n = slots >> 8;
    uint64_t v;

    if (!sp_ok(c, n))
        return cpu_mem_fault(c, insn);
    if (how & HOW_ORDERED)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!mem_load_slow(c, va, 1u << (how & HOW_SIZE), mem_flags(how), &v))
        return cpu_mem_fault(c, insn);
    if (how & (HOW_ORDERED | HOW_ACQUIRE))
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    c->st.x[t] = extended(how, v);
    if (how & HOW_WRITEBACK)
        c->st.x[n] = base;
    return insn + 1;
}

/* Rt from va. With HOW_WRITEBACK, Rn becomes base. */
static inline __attribute__((always_inline)) const struct a64_insn *
load(struct cpu *c, const struct a64_insn *insn, unsigned how, unsigned t, gva_t va, unsigned n, uint64_t base)
{
    const struct tlb_entry *e = tlb_slot(c, va);

    if (unlikely(sp_suspect(n, c->st.x[n])) ||
        unlikely(tlb_key(context(c, how), va, 1u << (how & HOW_SIZE)) != e->tag_r))
        return load_miss(c, insn, va, how, t | n << 8, base);
    c->st.x[t] = extended(how, host_load((const void *)(va + e->addend), how));
    if (how & HOW_WRITEBACK)
        c->st.x[n] = base;
    return insn + 1;
}

static __attribute__((noinline, cold)) const struct a64_insn *
store_miss(struct cpu *c, const struct a64_insn *insn, gva_t va, unsigned how_n, uint64_t val, uint64_t base)
{
    const unsigned how = how_n & 0xff, n = how_n >> 8;

    if (!sp_ok(c, n))
        return cpu_mem_fault(c, insn);
    if (how & HOW_ORDERED)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!mem_store_slow(c, va, 1u << (how & HOW_SIZE), mem_flags(how), val))
        return cpu_mem_fault(c, insn);
    if (how & HOW_ORDERED)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (how & HOW_WRITEBACK)
        c->st.x[n] = base;
    return insn + 1;
}

static inline __attribute__((always_inline)) const struct a64_insn *
store(struct cpu *c, const struct a64_insn *insn, unsigned how, unsigned t, gva_t va, unsigned n, uint64_t base)
{
    const struct tlb_entry *e = tlb_slot(c, va);
    const uint64_t val = c->st.x[t];

    if (unlikely(sp_suspect(n, c->st.x[n])) ||
        unlikely(tlb_key(context(c, how), va, 1u << (how & HOW_SIZE)) != e->tag_w))
        return store_miss(c, insn, va, how | n << 8, val, base);
    host_store((void *)(va + e->addend), how, val);
    if (how & HOW_WRITEBACK)
        c->st.x[n] = base;
    return insn + 1;
}

#define XN c->st.x[a->n]
#define IMM ((uint64_t)(int64_t)a->imm)

/* The four rows of an addressing mode: HOW adds to what the row says, VA is accessed, BASE goes to Rn if HOW says so. */
#define MODE(NAME, HOW, VA, BASE)                                                                  \
    OP(STR_##NAME)                                                                                 \
    {                                                                                              \
        return store(c, insn, (HOW) | size, a->t, VA, a->n, BASE);                                 \
    }                                                                                              \
    OP(LDR_##NAME)                                                                                 \
    {                                                                                              \
        return load(c, insn, (HOW) | size, a->t, VA, a->n, BASE);                                  \
    }                                                                                              \
    OP(LDRS64_##NAME)                                                                              \
    {                                                                                              \
        return load(c, insn, (HOW) | size | HOW_SIGNED64, a->t, VA, a->n, BASE);                   \
    }                                                                                              \
    OP(LDRS32_##NAME)                                                                              \
    {                                                                                              \
        return load(c, insn, (HOW) | size | HOW_SIGNED32, a->t, VA, a->n, BASE);                   \
    }

MODE(ldst_pos, 0, XN + IMM, 0)
MODE(ldst_unscaled, 0, XN + IMM, 0)
MODE(ldst_immpost, HOW_WRITEBACK, XN, XN + IMM)
MODE(ldst_immpre, HOW_WRITEBACK, XN + IMM, XN + IMM)

/* ExtendReg() of the four options that exist here: UXTW, LSL, SXTW, SXTX. option is a compile-time constant. */
static inline uint64_t offset_reg(uint64_t m, unsigned option, unsigned amount)
{
    if (!(option & 1))
        m = option & 4 ? (uint64_t)(int64_t)(int32_t)m : (uint32_t)m;
    return m << amount;
}

MODE(ldst_regoff, 0, XN + offset_reg(c->st.x[a->m], option, a->amount), 0)

/* AArch64.IsUnprivAccessPriv(): with PSTATE.UAO at EL1 they are ordinary. At EL0 both contexts are the same. */
#define HOW_UNPRIV (c->st.misc & PSR_UAO && c->st.el ? 0u : (unsigned)HOW_EL0)

MODE(ldst_unpriv, HOW_UNPRIV, XN + IMM, 0)

/* --- Ordered -------------------------------------------------------------------------------------------------------- */

OP(STLR_ldstord)
{
    return store(c, insn, HOW_ORDERED | size, a->t, XN, a->n, 0);
}

OP(LDAR_ldstord)
{
    return load(c, insn, HOW_ORDERED | size, a->t, XN, a->n, 0);
}

/* Without LORegions, LoadLOAcquire orders like LoadAcquire (DDI 0487, "Limited ordering regions"). */
OP(STLLR_ldstord)
{
    return store(c, insn, HOW_ORDERED | size, a->t, XN, a->n, 0);
}

OP(LDLAR_ldstord)
{
    return load(c, insn, HOW_ORDERED | size, a->t, XN, a->n, 0);
}

OP(LDAPR_memop)
{
    return load(c, insn, HOW_ACQUIRE | size, a->t, XN, a->n, 0);
}

OP(STLUR_ldapstl_unscaled)
{
    return store(c, insn, HOW_ORDERED | size, a->t, XN + IMM, a->n, 0);
}

OP(LDAPUR_ldapstl_unscaled)
{
    return load(c, insn, HOW_ACQUIRE | size, a->t, XN + IMM, a->n, 0);
}

OP(LDAPURS64_ldapstl_unscaled)
{
    return load(c, insn, HOW_ACQUIRE | HOW_SIGNED64 | size, a->t, XN + IMM, a->n, 0);
}

OP(LDAPURS32_ldapstl_unscaled)
{
    return load(c, insn, HOW_ACQUIRE | HOW_SIGNED32 | size, a->t, XN + IMM, a->n, 0);
}

/* --- Literal -------------------------------------------------------------------------------------------------------- */

OP(LDR_loadlit)
{
    return load(c, insn, x64 ? 3 : 2, a->t, cpu_pc(c, insn) + IMM, REG_ZERO, 0);
}

OP(LDRSW_64_loadlit)
{
    return load(c, insn, 2 | HOW_SIGNED64, a->t, cpu_pc(c, insn) + IMM, REG_ZERO, 0);
}

/* --- Prefetch: a hint, which checks nothing ------------------------------------------------------------------------- */

#define PREFETCH(NAME)                                                                             \
    OP(NAME)                                                                                       \
    {                                                                                              \
        (void)c;                                                                                   \
        (void)a;                                                                                   \
        return insn + 1;                                                                           \
    }

PREFETCH(PRFM_P_loadlit)
PREFETCH(PRFM_ldst_unscaled)
PREFETCH(PRFM_ldst_regoff)
PREFETCH(PRFM_ldst_pos)

/* --- Pairs ---------------------------------------------------------------------------------------------------------- *
 * One compare serves both halves: the slot is that of the first, the tag must be that of the second. An entry sits in no
 * slot but its own, so that if the tag is the second half's, both lie in its page. */

static __attribute__((noinline, cold)) const struct a64_insn *
load_pair_miss(struct cpu *c, const struct a64_insn *insn, gva_t va, unsigned how, unsigned slots, uint64_t base)
{
    const unsigned t = slots & 0xff, t2 = slots >> 8 & 0xff, n = slots >> 16, size = 1u << (how & HOW_SIZE);
    uint64_t v, v2;

    if (!sp_ok(c, n) || !mem_load_slow(c, va, size, 0, &v) || !mem_load_slow(c, va + size, size, 0, &v2))
        return cpu_mem_fault(c, insn);
    c->st.x[t] = extended(how, v);
    c->st.x[t2] = extended(how, v2);
    if (how & HOW_WRITEBACK)
        c->st.x[n] = base;
    return insn + 1;
}

static inline __attribute__((always_inline)) const struct a64_insn *
load_pair(struct cpu *c, const struct a64_insn *insn, unsigned how, unsigned t, unsigned t2, gva_t va, unsigned n, uint64_t base)
{
    const struct tlb_entry *e = tlb_slot(c, va);
    const unsigned size = 1u << (how & HOW_SIZE);

    if (unlikely(sp_suspect(n, c->st.x[n])) || unlikely(tlb_key(c->tlb_ctx, va + size, size) != e->tag_r))
        return load_pair_miss(c, insn, va, how, t | t2 << 8 | n << 16, base);
    const char *p = (const char *)(va + e->addend);
    const uint64_t v = host_load(p, how), v2 = host_load(p + size, how);
    c->st.x[t] = extended(how, v);
    c->st.x[t2] = extended(how, v2);
    if (how & HOW_WRITEBACK)
        c->st.x[n] = base;
    return insn + 1;
}

static __attribute__((noinline, cold)) const struct a64_insn *
store_pair_miss(struct cpu *c, const struct a64_insn *insn, gva_t va, unsigned how, unsigned slots, uint64_t base)
{
    const unsigned t = slots & 0xff, t2 = slots >> 8 & 0xff, n = slots >> 16, size = 1u << (how & HOW_SIZE);

    if (!sp_ok(c, n))
        return cpu_mem_fault(c, insn);
    /* On two pages: the first half must not be seen if the second faults. */
    if ((va ^ (va + 2 * size - 1)) >> TLB_PAGE_SHIFT && !mem_probe_store(c, va, 2 * size, 0))
        return cpu_mem_fault(c, insn);
    if (!mem_store_slow(c, va, size, 0, c->st.x[t]) || !mem_store_slow(c, va + size, size, 0, c->st.x[t2]))
        return cpu_mem_fault(c, insn);
    if (how & HOW_WRITEBACK)
        c->st.x[n] = base;
    return insn + 1;
}

static inline __attribute__((always_inline)) const struct a64_insn *
store_pair(struct cpu *c, const struct a64_insn *insn, unsigned how, unsigned t, unsigned t2, gva_t va, unsigned n, uint64_t base)
{
    const struct tlb_entry *e = tlb_slot(c, va);
    const unsigned size = 1u << (how & HOW_SIZE);

    if (unlikely(sp_suspect(n, c->st.x[n])) || unlikely(tlb_key(c->tlb_ctx, va + size, size) != e->tag_w))
        return store_pair_miss(c, insn, va, how, t | t2 << 8 | n << 16, base);
    char *p = (char *)(va + e->addend);
    host_store(p, how, c->st.x[t]);
    host_store(p + size, how, c->st.x[t2]);
    if (how & HOW_WRITEBACK)
        c->st.x[n] = base;
    return insn + 1;
}

#define PAIR_MODE(NAME, HOW, VA, BASE)                                                             \
    OP(STP_##NAME)                                                                                 \
    {                                                                                              \
        return store_pair(c, insn, (HOW) | (sf ? 3 : 2), a->t, a->t2, VA, a->n, BASE);             \
    }                                                                                              \
    OP(LDP_##NAME)                                                                                 \
    {                                                                                              \
        return load_pair(c, insn, (HOW) | (sf ? 3 : 2), a->t, a->t2, VA, a->n, BASE);              \
    }                                                                                              \
    OP(LDPSW_##NAME)                                                                               \
    {                                                                                              \
        return load_pair(c, insn, (HOW) | 2 | HOW_SIGNED64, a->t, a->t2, VA, a->n, BASE);          \
    }

PAIR_MODE(ldstpair_off, 0, XN + IMM, 0)
PAIR_MODE(ldstpair_post, HOW_WRITEBACK, XN, XN + IMM)
PAIR_MODE(ldstpair_pre, HOW_WRITEBACK, XN + IMM, XN + IMM)

/* No-allocate is a hint. */
OP(STNP_ldstnapair_offs)
{
    return store_pair(c, insn, sf ? 3 : 2, a->t, a->t2, XN + IMM, a->n, 0);
}

OP(LDNP_ldstnapair_offs)
{
    return load_pair(c, insn, sf ? 3 : 2, a->t, a->t2, XN + IMM, a->n, 0);
}
