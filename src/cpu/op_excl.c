/* Exclusives, compare-and-swap, and the atomic memory operations.
 *
 * Threads: the CPU's own; memory is shared with the others, hence the host's atomics. They are all sequentially consistent: more order
 * than was asked for is always allowed, and on x86-64 it is the same instruction.
 * The exclusive monitor remembers the value that was seen, and a store-exclusive is a compare-and-swap against it. A location that was
 * changed and changed back in between is taken for unchanged; software that uses exclusives for what the architecture
 * promises of them across CPUs (DDI 0487, "Synchronization and semaphores") compares values itself or bears this.
 * Specification: DDI 0487, "A64 Base Instruction Descriptions"; pseudocode MemAtomic(), AArch64.ExclusiveMonitorsPass(). */
#include "base/atomic128.h"
#include "cpu/interp.h"

/* Where an access of size bytes, aligned to size, lies on the host. SP is checked if n is its slot. False: fault. */
static inline __attribute__((always_inline)) bool locate(struct cpu *c, unsigned n, unsigned size,
                                                         bool read, bool write, void **host)
{
    const gva_t va = c->st.x[n];
    const struct tlb_entry *e = tlb_slot(c, va);
    const uint64_t key = tlb_key(c->tlb_ctx, va, 1);

    if (unlikely(!sp_ok(c, n)))
        return false;
    /* Bit 3 of a tag belongs to the context, so that it could not tell the alignment of 16 bytes. */
    if (likely((va & (size - 1)) == 0) && likely(!read || key == e->tag_r) &&
        likely(!write || key == e->tag_w)) {
        *host = (void *)(va + e->addend);
        return true;
    }
    return mem_atomic_ptr(c, va, size, read, write, host);
}

/* --- On the host's memory, by log2 of the size ---------------------------------------------------------------------- */

static inline uint64_t load_seq(const void *p, unsigned size)
{
    switch (size) {
    case 0: return __atomic_load_n((const uint8_t *)p, __ATOMIC_SEQ_CST);
    case 1: return __atomic_load_n((const uint16_t *)p, __ATOMIC_SEQ_CST);
    case 2: return __atomic_load_n((const uint32_t *)p, __ATOMIC_SEQ_CST);
    default: return __atomic_load_n((const uint64_t *)p, __ATOMIC_SEQ_CST);
    }
}

#define CAS_TYPE(TYPE, p, expected, desired)                                                       \
    do {                                                                                           \
        TYPE seen_ = (TYPE)(expected);                                                             \
        __atomic_compare_exchange_n((TYPE *)(p), &seen_, (TYPE)(desired), false, __ATOMIC_SEQ_CST, \
                                    __ATOMIC_SEQ_CST);                                             \
        return seen_;                                                                              \
    } while (0)

/* Returns what was there, zero-extended: the low bytes of expected if the swap was made. */
static inline uint64_t cas_seq(void *p, unsigned size, uint64_t expected, uint64_t desired)
{
    switch (size) {
    case 0: CAS_TYPE(uint8_t, p, expected, desired);
    case 1: CAS_TYPE(uint16_t, p, expected, desired);
    case 2: CAS_TYPE(uint32_t, p, expected, desired);
    default: CAS_TYPE(uint64_t, p, expected, desired);
    }
}

/* --- Exclusives ----------------------------------------------------------------------------------------------------- */

static inline void monitor_set(struct cpu *c, void *host, unsigned bytes, uint64_t lo, uint64_t hi)
{
    c->excl.host = host;
    c->excl.lo = lo;
    c->excl.hi = hi;
    c->excl.size = bytes;
}

/* AArch64.ExclusiveMonitorsPass(): whether a store of this size to this place may try; the monitor is open afterwards. */
static inline bool monitor_pass(struct cpu *c, const void *host, unsigned bytes)
{
    const bool pass = c->excl.size == bytes && c->excl.host == host;

    c->excl.size = 0;
    return pass;
}

OP(LDXR_ldstexclr)
{
    void *host;

    if (unlikely(!locate(c, a->n, 1u << size, true, false, &host)))
        return cpu_mem_fault(c, insn);
    const uint64_t v = load_seq(host, size);
    monitor_set(c, host, 1u << size, v, 0);
    c->st.x[a->t] = v;
    return insn + 1;
}

OP(STXR_ldstexclr)
{
    const uint64_t val = c->st.x[a->t];
    void *host;

    if (unlikely(!locate(c, a->n, 1u << size, false, true, &host)))
        return cpu_mem_fault(c, insn);
    const bool stored =
        monitor_pass(c, host, 1u << size) && cas_seq(host, size, c->excl.lo, val) == c->excl.lo;
    c->st.x[a->s] = !stored;
    return insn + 1;
}

/* A pair of words is one access of 8 bytes. A pair of doublewords is two: only the store that succeeds makes them one. */
OP(LDXP_ldstexclp)
{
    const unsigned bytes = sf ? 16 : 8;
    void *host;

    if (unlikely(!locate(c, a->n, bytes, true, false, &host)))
        return cpu_mem_fault(c, insn);
    const uint64_t lo = load_seq(host, 3);
    const uint64_t hi = sf ? load_seq((const char *)host + 8, 3) : 0;
    monitor_set(c, host, bytes, lo, hi);
    c->st.x[a->t] = sf ? lo : (uint32_t)lo;
    c->st.x[a->t2] = sf ? hi : lo >> 32;
    return insn + 1;
}

OP(STXP_ldstexclp)
{
    const unsigned bytes = sf ? 16 : 8;
    const uint64_t v = c->st.x[a->t], v2 = c->st.x[a->t2];
    void *host;
    bool stored;

    if (unlikely(!locate(c, a->n, bytes, false, true, &host)))
        return cpu_mem_fault(c, insn);
    stored = monitor_pass(c, host, bytes);
    if (stored && sf) {
        struct pair64 expected = {c->excl.lo, c->excl.hi};
        stored = atomic128_cas(host, &expected, (struct pair64){v, v2});
    } else if (stored) {
        stored = cas_seq(host, 3, c->excl.lo, (uint32_t)v | v2 << 32) == c->excl.lo;
    }
    c->st.x[a->s] = !stored;
    return insn + 1;
}

OP(CLREX_BN_barriers)
{
    (void)a;
    c->excl.size = 0;
    return insn + 1;
}

/* --- Compare and swap: a store as far as permissions go, even when the comparison fails ----------------------------- */

OP(CAS_comswap)
{
    void *host;

    if (unlikely(!locate(c, a->n, 1u << size, true, true, &host)))
        return cpu_mem_fault(c, insn);
    c->st.x[wslot(a->s)] = cas_seq(host, size, c->st.x[a->s], c->st.x[a->t]);
    return insn + 1;
}

/* Rs and Rt are even, so that Rs + 1 may be 31. */
OP(CASP_comswappr)
{
    const struct pair64 desired = {c->st.x[a->t], c->st.x[a->t + 1u]};
    struct pair64 seen = {c->st.x[a->s], c->st.x[a->s + 1u]};
    void *host;

    if (unlikely(!locate(c, a->n, sf ? 16 : 8, true, true, &host)))
        return cpu_mem_fault(c, insn);
    if (sf) {
        atomic128_cas(host, &seen, desired);
    } else {
        const uint64_t old = cas_seq(host, 3, (uint32_t)seen.lo | seen.hi << 32,
                                     (uint32_t)desired.lo | desired.hi << 32);
        seen = (struct pair64){(uint32_t)old, old >> 32};
    }
    c->st.x[a->s] = seen.lo;
    c->st.x[wslot(a->s + 1u)] = seen.hi;
    return insn + 1;
}

/* --- Atomic memory operations --------------------------------------------------------------------------------------- *
 * The ST forms are those with Rt = 31, whose result goes to the sink. */

/* RMW(TYPE, p, s) is an expression that changes *(TYPE *)p and has its old value. */
#define ATOMIC(NAME, RMW)                                                                          \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const uint64_t s = c->st.x[a->s];                                                          \
        void *host;                                                                                \
                                                                                                   \
        if (unlikely(!locate(c, a->n, 1u << size, true, true, &host)))                             \
            return cpu_mem_fault(c, insn);                                                         \
        switch (size) {                                                                            \
        case 0: c->st.x[a->t] = (uint8_t)RMW(8, host, s); break;                                   \
        case 1: c->st.x[a->t] = (uint16_t)RMW(16, host, s); break;                                 \
        case 2: c->st.x[a->t] = (uint32_t)RMW(32, host, s); break;                                 \
        default: c->st.x[a->t] = (uint64_t)RMW(64, host, s); break;                                \
        }                                                                                          \
        return insn + 1;                                                                           \
    }

#define RMW_ADD(N, p, s) __atomic_fetch_add((uint##N##_t *)(p), (uint##N##_t)(s), __ATOMIC_SEQ_CST)
#define RMW_CLR(N, p, s)                                                                           \
    __atomic_fetch_and((uint##N##_t *)(p), (uint##N##_t) ~(s), __ATOMIC_SEQ_CST)
#define RMW_EOR(N, p, s) __atomic_fetch_xor((uint##N##_t *)(p), (uint##N##_t)(s), __ATOMIC_SEQ_CST)
#define RMW_SET(N, p, s) __atomic_fetch_or((uint##N##_t *)(p), (uint##N##_t)(s), __ATOMIC_SEQ_CST)
#define RMW_SWP(N, p, s) __atomic_exchange_n((uint##N##_t *)(p), (uint##N##_t)(s), __ATOMIC_SEQ_CST)

/* The minimum and maximum, as C has no builtin for them: one function a type. The store is made even if it changes nothing. */
#define MINMAX_FUNC(NAME, TYPE, OPERATOR)                                                          \
    static inline TYPE NAME(void *p, TYPE s)                                                       \
    {                                                                                              \
        TYPE old = __atomic_load_n((TYPE *)p, __ATOMIC_RELAXED);                                   \
                                                                                                   \
        while (!__atomic_compare_exchange_n((TYPE *)p, &old, old OPERATOR s ? old : s, true,       \
                                            __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))                   \
            ;                                                                                      \
        return old;                                                                                \
    }
#define MINMAX_FUNCS(N)                                                                            \
    MINMAX_FUNC(smax##N, int##N##_t, >)                                                            \
    MINMAX_FUNC(smin##N, int##N##_t, <)                                                            \
    MINMAX_FUNC(umax##N, uint##N##_t, >)                                                           \
    MINMAX_FUNC(umin##N, uint##N##_t, <)

MINMAX_FUNCS(8)
MINMAX_FUNCS(16)
MINMAX_FUNCS(32)
MINMAX_FUNCS(64)

#define RMW_SMAX(N, p, s) smax##N(p, (int##N##_t)(s))
#define RMW_SMIN(N, p, s) smin##N(p, (int##N##_t)(s))
#define RMW_UMAX(N, p, s) umax##N(p, (uint##N##_t)(s))
#define RMW_UMIN(N, p, s) umin##N(p, (uint##N##_t)(s))

ATOMIC(LDADD_memop, RMW_ADD)
ATOMIC(LDCLR_memop, RMW_CLR)
ATOMIC(LDEOR_memop, RMW_EOR)
ATOMIC(LDSET_memop, RMW_SET)
ATOMIC(LDSMAX_memop, RMW_SMAX)
ATOMIC(LDSMIN_memop, RMW_SMIN)
ATOMIC(LDUMAX_memop, RMW_UMAX)
ATOMIC(LDUMIN_memop, RMW_UMIN)
ATOMIC(SWP_memop, RMW_SWP)
