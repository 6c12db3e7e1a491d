/* Loads and stores of SIMD&FP registers.
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_simd_ldst.isa.
 * Specification: DDI 0487, "A64 Advanced SIMD and Floating-point Instruction Descriptions"; "Single-copy atomicity": each element of up to 8
 * bytes by itself, 16 bytes as two of 8.
 *
 * Fast is RAM behind a TLB entry, aligned or not, within a page. Anything else (a miss, another page, a device, a fault) goes through
 * mem_load_elements() and mem_store_elements(); registers are written when nothing can fault any more. */
#include "cpu/interp.h"

#include "gen/sysreg_fields.h"

#include <string.h>

/* Whether an access at va may be misaligned in e's page: in Normal memory, with SCTLR_EL1.A clear. */
static inline bool may_misalign(const struct cpu *c, const struct tlb_entry *e)
{
    return !(e->page & TLB_INFO_DEVICE) && !(SYS(&c->st, SCTLR_EL1) & SCTLR_EL1_A);
}

/* The host's address of len bytes in elements of 1 << esize, or null: the long way.
 * One compare serves first and last byte: the slot is that of the first, the tag must be that of the last. An entry sits in no slot but its
 * own, so that if the tag is the last byte's, both lie in its page. */
static inline const void *load_ptr(struct cpu *c, gva_t va, unsigned len, unsigned esize)
{
    const struct tlb_entry *e = tlb_slot(c, va);

    if (unlikely(tlb_key(c->tlb_ctx, va + len - 1, 1) != e->tag_r))
        return NULL;
    if (unlikely(va & ((1u << esize) - 1)) && !may_misalign(c, e))
        return NULL;
    return (const void *)(va + e->addend);
}

static inline void *store_ptr(struct cpu *c, gva_t va, unsigned len, unsigned esize)
{
    const struct tlb_entry *e = tlb_slot(c, va);

    if (unlikely(tlb_key(c->tlb_ctx, va + len - 1, 1) != e->tag_w))
        return NULL;
    if (unlikely(va & ((1u << esize) - 1)) && !may_misalign(c, e))
        return NULL;
    return (void *)(va + e->addend);
}

/* --- One register, two registers ------------------------------------------------------------------------------------ */

enum how {
    HOW_ESIZE = 7, /* log2 of the bytes of a register */
    HOW_PAIR = 8,
    HOW_WRITEBACK = 16,
    HOW_LITERAL = 32, /* no base register */
};

/* A memcpy() of constant length is one load or store, of 16 bytes two at worst: no part of them is seen half written. */
static inline union vreg reg_load(const void *p, unsigned how)
{
    union vreg v = {{0, 0}};

    memcpy(&v, p, 1u << (how & HOW_ESIZE));
    return v;
}

/* The slots lie side by side in the arguments, so that the cold path needs no more than where. */
#define SLOTS_N_T(NAME)                                                                            \
    _Static_assert(offsetof(struct a64_args_##NAME, t) == offsetof(struct a64_args_##NAME, n) + 1, "n, t")
#define SLOTS_N_T_T2(NAME)                                                                          \
    SLOTS_N_T(NAME);                                                                                \
    _Static_assert(offsetof(struct a64_args_##NAME, t2) == offsetof(struct a64_args_##NAME, n) + 2, \
                   "n, t, t2")

static __attribute__((noinline)) const struct a64_insn *load_miss(struct cpu *c,
                                                                  const struct a64_insn *insn,
                                                                  gva_t va, unsigned how,
                                                                  const uint8_t *slots, uint64_t base)
{
    const unsigned esize = how & HOW_ESIZE, len = 1u << esize, nr = how & HOW_PAIR ? 2 : 1;
    const uint8_t *t = how & HOW_LITERAL ? slots : slots + 1;
    uint8_t data[32];

    if (!(how & HOW_LITERAL) && !sp_ok(c, slots[0]))
        return cpu_mem_fault(c, insn);
    if (!mem_load_elements(c, va, len * nr, esize, data))
        return cpu_mem_fault(c, insn);
    for (unsigned i = 0; i < nr; i++) {
        union vreg v = {{0, 0}};
        memcpy(&v, data + i * len, len);
        c->st.v[t[i]] = v;
    }
    if (how & HOW_WRITEBACK)
        c->st.x[slots[0]] = base;
    return insn + 1;
}

static __attribute__((noinline)) const struct a64_insn *store_miss(struct cpu *c,
                                                                   const struct a64_insn *insn,
                                                                   gva_t va, unsigned how,
                                                                   const uint8_t *slots, uint64_t base)
{
    const unsigned esize = how & HOW_ESIZE, len = 1u << esize, nr = how & HOW_PAIR ? 2 : 1;
    uint8_t data[32];

    for (unsigned i = 0; i < nr; i++)
        memcpy(data + i * len, &c->st.v[slots[1 + i]], len);
    if (!sp_ok(c, slots[0]) || !mem_store_elements(c, va, len * nr, esize, data))
        return cpu_mem_fault(c, insn);
    if (how & HOW_WRITEBACK)
        c->st.x[slots[0]] = base;
    return insn + 1;
}

/* Vt from VA, an expression of xn, which is Xn or SP. If HOW has HOW_WRITEBACK, Rn becomes BASE afterwards. */
#define LOAD(NAME, HOW, VA, BASE)                                                                  \
    SLOTS_N_T(NAME);                                                                               \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned n = a->n, how = (HOW);                                                      \
        const uint64_t xn = c->st.x[n];                                                            \
        const gva_t va = (VA);                                                                     \
        const void *p = load_ptr(c, va, 1u << (how & HOW_ESIZE), how & HOW_ESIZE);                 \
                                                                                                   \
        if (unlikely(sp_suspect(n, xn)) || unlikely(!p))                                           \
            return load_miss(c, insn, va, how, &a->n, BASE);                                       \
        c->st.v[a->t] = reg_load(p, how);                                                          \
        if (how & HOW_WRITEBACK)                                                                   \
            c->st.x[n] = (BASE);                                                                   \
        return insn + 1;                                                                           \
    }

#define STORE(NAME, HOW, VA, BASE)                                                                 \
    SLOTS_N_T(NAME);                                                                               \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned n = a->n, how = (HOW), len = 1u << (how & HOW_ESIZE);                       \
        const uint64_t xn = c->st.x[n];                                                            \
        const gva_t va = (VA);                                                                     \
        void *p = store_ptr(c, va, len, how & HOW_ESIZE);                                          \
                                                                                                   \
        if (unlikely(sp_suspect(n, xn)) || unlikely(!p))                                           \
            return store_miss(c, insn, va, how, &a->n, BASE);                                      \
        memcpy(p, &c->st.v[a->t], len);                                                            \
        if (how & HOW_WRITEBACK)                                                                   \
            c->st.x[n] = (BASE);                                                                   \
        return insn + 1;                                                                           \
    }

#define LOAD_PAIR(NAME, HOW, VA, BASE)                                                             \
    SLOTS_N_T_T2(NAME);                                                                            \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned n = a->n, how = (HOW), len = 1u << (how & HOW_ESIZE);                       \
        const uint64_t xn = c->st.x[n];                                                            \
        const gva_t va = (VA);                                                                     \
        const char *p = load_ptr(c, va, 2 * len, how & HOW_ESIZE);                                 \
                                                                                                   \
        if (unlikely(sp_suspect(n, xn)) || unlikely(!p))                                           \
            return load_miss(c, insn, va, how | HOW_PAIR, &a->n, BASE);                            \
        const union vreg v = reg_load(p, how), v2 = reg_load(p + len, how);                        \
        c->st.v[a->t] = v;                                                                         \
        c->st.v[a->t2] = v2;                                                                       \
        if (how & HOW_WRITEBACK)                                                                   \
            c->st.x[n] = (BASE);                                                                   \
        return insn + 1;                                                                           \
    }

#define STORE_PAIR(NAME, HOW, VA, BASE)                                                            \
    SLOTS_N_T_T2(NAME);                                                                            \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned n = a->n, how = (HOW), len = 1u << (how & HOW_ESIZE);                       \
        const uint64_t xn = c->st.x[n];                                                            \
        const gva_t va = (VA);                                                                     \
        char *p = store_ptr(c, va, 2 * len, how & HOW_ESIZE);                                      \
                                                                                                   \
        if (unlikely(sp_suspect(n, xn)) || unlikely(!p))                                           \
            return store_miss(c, insn, va, how | HOW_PAIR, &a->n, BASE);                           \
        memcpy(p, &c->st.v[a->t], len);                                                            \
        memcpy(p + len, &c->st.v[a->t2], len);                                                     \
        if (how & HOW_WRITEBACK)                                                                   \
            c->st.x[n] = (BASE);                                                                   \
        return insn + 1;                                                                           \
    }

#define IMM ((uint64_t)(int64_t)a->imm)

#define MODE(NAME, HOW, VA, BASE)                                                                  \
    STORE(STR_V_##NAME, (HOW) | (size + 4 * q), VA, BASE)                                          \
    LOAD(LDR_V_##NAME, (HOW) | (size + 4 * q), VA, BASE)

MODE(ldst_pos, 0, xn + IMM, 0)
MODE(ldst_unscaled, 0, xn + IMM, 0)
MODE(ldst_immpost, HOW_WRITEBACK, xn, xn + IMM)
MODE(ldst_immpre, HOW_WRITEBACK, xn + IMM, va)
MODE(ldst_regoff, 0, xn + offset_reg(c->st.x[a->m], option, a->amount), 0)

#define PAIR_MODE(NAME, HOW, VA, BASE)                                                             \
    STORE_PAIR(ST##NAME, (HOW) | (opc + 2), VA, BASE)                                              \
    LOAD_PAIR(LD##NAME, (HOW) | (opc + 2), VA, BASE)

PAIR_MODE(P_V_ldstpair_off, 0, xn + IMM, 0)
PAIR_MODE(P_V_ldstpair_post, HOW_WRITEBACK, xn, xn + IMM)
PAIR_MODE(P_V_ldstpair_pre, HOW_WRITEBACK, xn + IMM, va)
PAIR_MODE(NP_V_ldstnapair_offs, 0, xn + IMM, 0) /* no-allocate is a hint */

OP(LDR_V_loadlit)
{
    const gva_t va = cpu_pc(c, insn) + IMM;
    const void *p = load_ptr(c, va, 4u << opc, opc + 2);

    if (unlikely(!p))
        return load_miss(c, insn, va, (opc + 2) | HOW_LITERAL, &a->t, 0);
    c->st.v[a->t] = reg_load(p, opc + 2);
    return insn + 1;
}

/* --- Structures ----------------------------------------------------------------------------------------------------- */

static inline bool structure_load(struct cpu *c, unsigned n, unsigned len, unsigned esize, void *data)
{
    const gva_t va = c->st.x[n];
    const void *p = load_ptr(c, va, len, esize);

    if (unlikely(sp_suspect(n, va)) || unlikely(!p))
        return sp_ok(c, n) && mem_load_elements(c, va, len, esize, data);
    memcpy(data, p, len);
    return true;
}

static inline bool structure_store(struct cpu *c, unsigned n, unsigned len, unsigned esize,
                                   const void *data)
{
    const gva_t va = c->st.x[n];
    void *p = store_ptr(c, va, len, esize);

    if (unlikely(sp_suspect(n, va)) || unlikely(!p))
        return sp_ok(c, n) && mem_store_elements(c, va, len, esize, data);
    memcpy(p, data, len);
    return true;
}

#define VT(r) c->st.v[(a->t + (r)) & 31]

/* Where element e of register r of several lies in memory, counted in elements. LD1 and ST1 copy, by 8 bytes; the others interleave. */
#define COPIED(regs, r, e) ((r) * (1u << Q) + (e))
#define INTERLEAVED(regs, r, e) ((e) * (regs) + (r))

#define MULTIPLE_LOAD(NAME, REGS, ESIZE, PLACE, POST)                                              \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned len = (REGS) * (8u << Q);                                                   \
        uint8_t data[64];                                                                          \
                                                                                                   \
        if (!structure_load(c, a->n, len, a->size, data))                                          \
            return cpu_mem_fault(c, insn);                                                         \
        for (unsigned r = 0; r < (REGS); r++) {                                                    \
            union vreg v = {{0, 0}};                                                               \
            for (unsigned e = 0; e < 8u << Q >> (ESIZE); e++)                                      \
                memcpy(&v.b[e << (ESIZE)], data + (PLACE(REGS, r, e) << (ESIZE)), 1u << (ESIZE));  \
            VT(r) = v;                                                                             \
        }                                                                                          \
        POST;                                                                                      \
        return insn + 1;                                                                           \
    }

#define MULTIPLE_STORE(NAME, REGS, ESIZE, PLACE, POST)                                                \
    OP(NAME)                                                                                          \
    {                                                                                                 \
        const unsigned len = (REGS) * (8u << Q);                                                      \
        uint8_t data[64];                                                                             \
                                                                                                      \
        for (unsigned r = 0; r < (REGS); r++)                                                         \
            for (unsigned e = 0; e < 8u << Q >> (ESIZE); e++)                                         \
                memcpy(data + (PLACE(REGS, r, e) << (ESIZE)), &VT(r).b[e << (ESIZE)], 1u << (ESIZE)); \
        if (!structure_store(c, a->n, len, a->size, data))                                            \
            return cpu_mem_fault(c, insn);                                                            \
        POST;                                                                                         \
        return insn + 1;                                                                              \
    }

/* A form without writeback (POST does nothing), and the post-indexed one. */
#define NO_POST (void)0
#define POST_INDEX(LEN) c->st.x[a->n] += a->m == REG_ZERO ? (LEN) : c->st.x[a->m]

#define MULTIPLE(NAME, REGS, ESIZE, PLACE)                                                         \
    MULTIPLE_LOAD(LD##NAME##_asisdlse, REGS, ESIZE, PLACE, NO_POST)                                \
    MULTIPLE_STORE(ST##NAME##_asisdlse, REGS, ESIZE, PLACE, NO_POST)                               \
    MULTIPLE_LOAD(LD##NAME##_asisdlsep, REGS, ESIZE, PLACE, POST_INDEX(len))                       \
    MULTIPLE_STORE(ST##NAME##_asisdlsep, REGS, ESIZE, PLACE, POST_INDEX(len))

MULTIPLE(1_R1, 1, 3, COPIED)
MULTIPLE(1_R2, 2, 3, COPIED)
MULTIPLE(1_R3, 3, 3, COPIED)
MULTIPLE(1_R4, 4, 3, COPIED)
MULTIPLE(2, 2, size, INTERLEAVED)
MULTIPLE(3, 3, size, INTERLEAVED)
MULTIPLE(4, 4, size, INTERLEAVED)

/* --- One lane of each register; one element to all lanes ------------------------------------------------------------ */

#define LANE_LOAD(NAME, REGS, POST)                                                                \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned len = (REGS) << esize;                                                      \
        uint8_t data[32];                                                                          \
                                                                                                   \
        if (!structure_load(c, a->n, len, esize, data))                                            \
            return cpu_mem_fault(c, insn);                                                         \
        for (unsigned r = 0; r < (REGS); r++)                                                      \
            memcpy(&VT(r).b[a->index << esize], data + (r << esize), 1u << esize);                 \
        POST;                                                                                      \
        return insn + 1;                                                                           \
    }

#define LANE_STORE(NAME, REGS, POST)                                                               \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned len = (REGS) << esize;                                                      \
        uint8_t data[32];                                                                          \
                                                                                                   \
        for (unsigned r = 0; r < (REGS); r++)                                                      \
            memcpy(data + (r << esize), &VT(r).b[a->index << esize], 1u << esize);                 \
        if (!structure_store(c, a->n, len, esize, data))                                           \
            return cpu_mem_fault(c, insn);                                                         \
        POST;                                                                                      \
        return insn + 1;                                                                           \
    }

#define REPLICATE(NAME, REGS, POST)                                                                \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const unsigned len = (REGS) << size;                                                       \
        uint8_t data[32];                                                                          \
                                                                                                   \
        if (!structure_load(c, a->n, len, size, data))                                             \
            return cpu_mem_fault(c, insn);                                                         \
        for (unsigned r = 0; r < (REGS); r++) {                                                    \
            union vreg v = {{0, 0}};                                                               \
            for (unsigned e = 0; e < 8u << Q >> size; e++)                                         \
                memcpy(&v.b[e << size], data + (r << size), 1u << size);                           \
            VT(r) = v;                                                                             \
        }                                                                                          \
        POST;                                                                                      \
        return insn + 1;                                                                           \
    }

#define LANE(REGS)                                                                                 \
    LANE_LOAD(LD##REGS##_asisdlso, REGS##u, NO_POST)                                               \
    LANE_STORE(ST##REGS##_asisdlso, REGS##u, NO_POST)                                              \
    REPLICATE(LD##REGS##R_asisdlso, REGS##u, NO_POST)                                              \
    LANE_LOAD(LD##REGS##_asisdlsop, REGS##u, POST_INDEX(len))                                      \
    LANE_STORE(ST##REGS##_asisdlsop, REGS##u, POST_INDEX(len))                                     \
    REPLICATE(LD##REGS##R_asisdlsop, REGS##u, POST_INDEX(len))

LANE(1)
LANE(2)
LANE(3)
LANE(4)
