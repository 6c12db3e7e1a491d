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
    HOW_SIZE = 3,     /* log2 of the bytes */
    HOW_SIGNED64 = 4, /* sign-extended to 64 bits */
    HOW_SIGNED32 = 8, /* sign-extended to 32 bits */
    HOW_EL0 = 16,     /* checked as EL0's */
    HOW_ORDERED = 32, /* LDAR, STLR: sequentially consistent among themselves (RCsc) */
    HOW_ACQUIRE = 64, /* LDAPR (RCpc) */
    HOW_WRITEBACK = 128,
    HOW_LITERAL = 256, /* no base register */
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

#define HOST_LOAD(TYPE, p, how)                                                                    \
    ((how)&HOW_ORDERED   ? __atomic_load_n((const TYPE *)(p), __ATOMIC_SEQ_CST)                    \
     : (how)&HOW_ACQUIRE ? __atomic_load_n((const TYPE *)(p), __ATOMIC_ACQUIRE)                    \
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
    ((how)&HOW_ORDERED ? __atomic_store_n((TYPE *)(p), (TYPE)(v), __ATOMIC_SEQ_CST)                \
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

/* The slots of Rn and Rt lie side by side in the arguments, so that the cold path needs no more than where. */
#define SLOTS_N_T(NAME)                                                                            \
    _Static_assert(offsetof(struct a64_args_##NAME, t) == offsetof(struct a64_args_##NAME, n) + 1, "n, t")

HOT static __attribute__((noinline)) const struct a64_insn *load_miss(struct cpu *c,
                                                                      const struct a64_insn *insn,
                                                                      gva_t va, unsigned how,
                                                                      const uint8_t *slots, uint64_t base)
{
    const unsigned t = how & HOW_LITERAL ? slots[0] : slots[1];
    uint64_t v;

    if (!(how & HOW_LITERAL) && !sp_ok(c, slots[0]))
        return cpu_mem_fault(c, insn);
    if (how & HOW_ORDERED)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!mem_load_slow(c, va, 1u << (how & HOW_SIZE), mem_flags(how), &v))
        return cpu_mem_fault(c, insn);
    if (how & (HOW_ORDERED | HOW_ACQUIRE))
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    c->st.x[t] = extended(how, v);
    if (how & HOW_WRITEBACK)
        c->st.x[slots[0]] = base;
    return insn + 1;
}

static inline bool hits_load(struct cpu *c, gva_t va, unsigned how)
{
    return likely(tlb_key(context(c, how), va, 1u << (how & HOW_SIZE)) == tlb_slot(c, va)->tag_r);
}

static inline uint64_t load_hit(struct cpu *c, gva_t va, unsigned how)
{
    return extended(how, host_load((const void *)(va + tlb_slot(c, va)->addend), how));
}

HOT static __attribute__((noinline)) const struct a64_insn *store_miss(struct cpu *c,
                                                                       const struct a64_insn *insn,
                                                                       gva_t va, unsigned how,
                                                                       const uint8_t *slots,
                                                                       uint64_t base)
{
    if (!sp_ok(c, slots[0]))
        return cpu_mem_fault(c, insn);
    if (how & HOW_ORDERED)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!mem_store_slow(c, va, 1u << (how & HOW_SIZE), mem_flags(how), c->st.x[slots[1]]))
        return cpu_mem_fault(c, insn);
    if (how & HOW_ORDERED)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (how & HOW_WRITEBACK)
        c->st.x[slots[0]] = base;
    return insn + 1;
}

static inline bool hits_store(struct cpu *c, gva_t va, unsigned how)
{
    return likely(tlb_key(context(c, how), va, 1u << (how & HOW_SIZE)) == tlb_slot(c, va)->tag_w);
}

/* Rt from VA, an expression of xn, which is Xn or SP. If HOW has HOW_WRITEBACK, Rn becomes BASE afterwards. */
#define LOAD(NAME, HOW, VA, BASE)                                                                  \
    SLOTS_N_T(NAME);                                                                               \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned n = a->n, how = (HOW);                                                      \
        const uint64_t xn = c->st.x[n];                                                            \
        const gva_t va = (VA);                                                                     \
                                                                                                   \
        if (unlikely(sp_suspect(n, xn)) || !hits_load(c, va, how))                                 \
            return load_miss(c, insn, va, how, &a->n, BASE);                                       \
        c->st.x[a->t] = load_hit(c, va, how);                                                      \
        if (how & HOW_WRITEBACK)                                                                   \
            c->st.x[n] = (BASE);                                                                   \
        return insn + 1;                                                                           \
    }

#define STORE(NAME, HOW, VA, BASE)                                                                 \
    SLOTS_N_T(NAME);                                                                               \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned n = a->n, how = (HOW);                                                      \
        const uint64_t xn = c->st.x[n];                                                            \
        const gva_t va = (VA);                                                                     \
                                                                                                   \
        if (unlikely(sp_suspect(n, xn)) || !hits_store(c, va, how))                                \
            return store_miss(c, insn, va, how, &a->n, BASE);                                      \
        host_store((void *)(va + tlb_slot(c, va)->addend), how, c->st.x[a->t]);                    \
        if (how & HOW_WRITEBACK)                                                                   \
            c->st.x[n] = (BASE);                                                                   \
        return insn + 1;                                                                           \
    }

#define IMM ((uint64_t)(int64_t)a->imm)

/* The four rows of an addressing mode. */
#define MODE(NAME, HOW, VA, BASE)                                                                  \
    STORE(STR_##NAME, (HOW) | size, VA, BASE)                                                      \
    LOAD(LDR_##NAME, (HOW) | size, VA, BASE)                                                       \
    LOAD(LDRS64_##NAME, (HOW) | size | HOW_SIGNED64, VA, BASE)                                     \
    LOAD(LDRS32_##NAME, (HOW) | size | HOW_SIGNED32, VA, BASE)

MODE(ldst_pos, 0, xn + IMM, 0)
MODE(ldst_unscaled, 0, xn + IMM, 0)
MODE(ldst_immpost, HOW_WRITEBACK, xn, xn + IMM)
MODE(ldst_immpre, HOW_WRITEBACK, xn + IMM, va)

MODE(ldst_regoff, 0, xn + offset_reg(c->st.x[a->m], option, a->amount), 0)

/* AArch64.IsUnprivAccessPriv(): with PSTATE.UAO at EL1 they are ordinary. At EL0 both contexts are the same. */
#define HOW_UNPRIV (c->st.misc & PSR_UAO && c->st.el ? 0u : (unsigned)HOW_EL0)

MODE(ldst_unpriv, HOW_UNPRIV, xn + IMM, 0)

/* --- Ordered -------------------------------------------------------------------------------------------------------- */

STORE(STLR_ldstord, HOW_ORDERED | size, xn, 0)
LOAD(LDAR_ldstord, HOW_ORDERED | size, xn, 0)
LOAD(LDAPR_memop, HOW_ACQUIRE | size, xn, 0)

/* Without LORegions, LoadLOAcquire orders like LoadAcquire (DDI 0487, "Limited ordering regions"). */
STORE(STLLR_ldstord, HOW_ORDERED | size, xn, 0)
LOAD(LDLAR_ldstord, HOW_ORDERED | size, xn, 0)

STORE(STLUR_ldapstl_unscaled, HOW_ORDERED | size, xn + IMM, 0)
LOAD(LDAPUR_ldapstl_unscaled, HOW_ACQUIRE | size, xn + IMM, 0)
LOAD(LDAPURS64_ldapstl_unscaled, HOW_ACQUIRE | HOW_SIGNED64 | size, xn + IMM, 0)
LOAD(LDAPURS32_ldapstl_unscaled, HOW_ACQUIRE | HOW_SIGNED32 | size, xn + IMM, 0)

/* --- Literal -------------------------------------------------------------------------------------------------------- */

#define LOAD_LITERAL(NAME, HOW)                                                                    \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const gva_t va = cpu_pc(c, insn) + IMM;                                                    \
                                                                                                   \
        if (!hits_load(c, va, HOW))                                                                \
            return load_miss(c, insn, va, (HOW) | HOW_LITERAL, &a->t, 0);                          \
        c->st.x[a->t] = load_hit(c, va, HOW);                                                      \
        return insn + 1;                                                                           \
    }

LOAD_LITERAL(LDR_loadlit, x64 ? 3 : 2)
LOAD_LITERAL(LDRSW_64_loadlit, 2 | HOW_SIGNED64)

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

#define SLOTS_N_T_T2(NAME)                                                                          \
    SLOTS_N_T(NAME);                                                                                \
    _Static_assert(offsetof(struct a64_args_##NAME, t2) == offsetof(struct a64_args_##NAME, n) + 2, \
                   "n, t, t2")

static __attribute__((noinline)) const struct a64_insn *load_pair_miss(struct cpu *c,
                                                                       const struct a64_insn *insn,
                                                                       gva_t va, unsigned how,
                                                                       const uint8_t *slots,
                                                                       uint64_t base)
{
    const unsigned size = 1u << (how & HOW_SIZE);
    uint64_t v, v2;

    if (!sp_ok(c, slots[0]) || !mem_load_slow(c, va, size, 0, &v) ||
        !mem_load_slow(c, va + size, size, 0, &v2))
        return cpu_mem_fault(c, insn);
    c->st.x[slots[1]] = extended(how, v);
    c->st.x[slots[2]] = extended(how, v2);
    if (how & HOW_WRITEBACK)
        c->st.x[slots[0]] = base;
    return insn + 1;
}

static __attribute__((noinline)) const struct a64_insn *store_pair_miss(struct cpu *c,
                                                                        const struct a64_insn *insn,
                                                                        gva_t va, unsigned how,
                                                                        const uint8_t *slots,
                                                                        uint64_t base)
{
    const unsigned size = 1u << (how & HOW_SIZE);

    if (!sp_ok(c, slots[0]))
        return cpu_mem_fault(c, insn);
    /* On two pages: the first half must not be seen if the second faults. */
    if ((va ^ (va + 2 * size - 1)) >> TLB_PAGE_SHIFT && !mem_probe_store(c, va, 2 * size, 0))
        return cpu_mem_fault(c, insn);
    if (!mem_store_slow(c, va, size, 0, c->st.x[slots[1]]) ||
        !mem_store_slow(c, va + size, size, 0, c->st.x[slots[2]]))
        return cpu_mem_fault(c, insn);
    if (how & HOW_WRITEBACK)
        c->st.x[slots[0]] = base;
    return insn + 1;
}

/* As LOAD and STORE. */
#define LOAD_PAIR(NAME, HOW, VA, BASE)                                                               \
    SLOTS_N_T_T2(NAME);                                                                              \
    OP(NAME)                                                                                         \
    {                                                                                                \
        const unsigned n = a->n, how = (HOW), len = 1u << (how & HOW_SIZE);                          \
        const uint64_t xn = c->st.x[n];                                                              \
        const gva_t va = (VA);                                                                       \
        const struct tlb_entry *e = tlb_slot(c, va);                                                 \
                                                                                                     \
        if (unlikely(sp_suspect(n, xn)) || unlikely(tlb_key(c->tlb_ctx, va + len, len) != e->tag_r)) \
            return load_pair_miss(c, insn, va, how, &a->n, BASE);                                    \
        const char *p = (const char *)(va + e->addend);                                              \
        const uint64_t v = host_load(p, how), v2 = host_load(p + len, how);                          \
        c->st.x[a->t] = extended(how, v);                                                            \
        c->st.x[a->t2] = extended(how, v2);                                                          \
        if (how & HOW_WRITEBACK)                                                                     \
            c->st.x[n] = (BASE);                                                                     \
        return insn + 1;                                                                             \
    }

#define STORE_PAIR(NAME, HOW, VA, BASE)                                                              \
    SLOTS_N_T_T2(NAME);                                                                              \
    OP(NAME)                                                                                         \
    {                                                                                                \
        const unsigned n = a->n, how = (HOW), len = 1u << (how & HOW_SIZE);                          \
        const uint64_t xn = c->st.x[n];                                                              \
        const gva_t va = (VA);                                                                       \
        const struct tlb_entry *e = tlb_slot(c, va);                                                 \
                                                                                                     \
        if (unlikely(sp_suspect(n, xn)) || unlikely(tlb_key(c->tlb_ctx, va + len, len) != e->tag_w)) \
            return store_pair_miss(c, insn, va, how, &a->n, BASE);                                   \
        char *p = (char *)(va + e->addend);                                                          \
        host_store(p, how, c->st.x[a->t]);                                                           \
        host_store(p + len, how, c->st.x[a->t2]);                                                    \
        if (how & HOW_WRITEBACK)                                                                     \
            c->st.x[n] = (BASE);                                                                     \
        return insn + 1;                                                                             \
    }

#define PAIR_MODE(NAME, HOW, VA, BASE)                                                             \
    STORE_PAIR(STP_##NAME, (HOW) | (sf ? 3 : 2), VA, BASE)                                         \
    LOAD_PAIR(LDP_##NAME, (HOW) | (sf ? 3 : 2), VA, BASE)                                          \
    LOAD_PAIR(LDPSW_##NAME, (HOW) | 2 | HOW_SIGNED64, VA, BASE)

PAIR_MODE(ldstpair_off, 0, xn + IMM, 0)
PAIR_MODE(ldstpair_post, HOW_WRITEBACK, xn, xn + IMM)
PAIR_MODE(ldstpair_pre, HOW_WRITEBACK, xn + IMM, va)

/* No-allocate is a hint. */
STORE_PAIR(STNP_ldstnapair_offs, sf ? 3 : 2, xn + IMM, 0)
LOAD_PAIR(LDNP_ldstnapair_offs, sf ? 3 : 2, xn + IMM, 0)
