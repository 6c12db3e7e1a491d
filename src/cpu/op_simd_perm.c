/* Advanced SIMD: what moves lanes and makes constants.
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_simd.isa.
 * Specification: DDI 0487, "Advanced SIMD copy", "... extract", "... table lookup", "... permute", "... modified immediate". */
#include "cpu/simd.h"

#include <string.h>

/* --- Copy ------------------------------------------------------------------------------------------------------------- */

static inline void lane_set(union vreg *v, unsigned size, unsigned index, uint64_t val)
{
    switch (size) {
    case 0: v->b[index] = (uint8_t)val; break;
    case 1: v->h[index] = (uint16_t)val; break;
    case 2: v->s[index] = (uint32_t)val; break;
    default: v->d[index] = val; break;
    }
}

OP(DUP_asimdins_DV)
{
    c->st.v[a->d] = replicate(lane_get(&c->st.v[a->n], size, a->index), size, Q);
    return insn + 1;
}

OP(DUP_asimdins_DR)
{
    c->st.v[a->d] = replicate(c->st.x[a->n], size, Q);
    return insn + 1;
}

OP(DUP_asisdone)
{
    c->st.v[a->d] = (union vreg){{lane_get(&c->st.v[a->n], size, a->index), 0}};
    return insn + 1;
}

OP(SMOV_asimdins)
{
    const int64_t v = sext(lane_get(&c->st.v[a->n], size, a->index), 8u << size);

    c->st.x[a->d] = width(Q, (uint64_t)v);
    return insn + 1;
}

OP(UMOV_asimdins)
{
    c->st.x[a->d] = lane_get(&c->st.v[a->n], size, a->index);
    return insn + 1;
}

OP(INS_asimdins_IR)
{
    lane_set(&c->st.v[a->d], size, a->index, c->st.x[a->n]);
    return insn + 1;
}

OP(INS_asimdins_IV)
{
    lane_set(&c->st.v[a->d], size, a->index, lane_get(&c->st.v[a->n], size, a->index2));
    return insn + 1;
}

/* --- Extract; Table lookup -------------------------------------------------------------------------------------------- */

OP(EXT_asimdext)
{
    const unsigned len = 8u << Q;
    union vreg r = {{0, 0}};
    uint8_t pair[32];

    memcpy(pair, &c->st.v[a->n], len);
    memcpy(pair + len, &c->st.v[a->m], len);
    memcpy(&r, pair + a->index, len);
    c->st.v[a->d] = r;
    return insn + 1;
}

/* r has what bytes get whose index is beyond the table. */
static inline union vreg table_lookup(const struct cpu *c, unsigned n, unsigned nr, unsigned m,
                                      unsigned len, union vreg r)
{
    const union vreg index = c->st.v[m];
    uint8_t table[64];

    for (unsigned i = 0; i < nr; i++)
        memcpy(table + 16 * i, &c->st.v[(n + i) & 31], 16);
    for (unsigned e = 0; e < len; e++)
        if (index.b[e] < 16 * nr)
            r.b[e] = table[index.b[e]];
    return r;
}

OP(TBL_asimdtbl)
{
    c->st.v[a->d] = table_lookup(c, a->n, len + 1, a->m, 8u << Q, (union vreg){{0, 0}});
    return insn + 1;
}

OP(TBX_asimdtbl)
{
    const union vreg d = c->st.v[a->d];

    c->st.v[a->d] =
        table_lookup(c, a->n, len + 1, a->m, 8u << Q, (union vreg){{d.d[0], Q ? d.d[1] : 0}});
    return insn + 1;
}

/* --- Permute ---------------------------------------------------------------------------------------------------------- */

/* Lane e of the result is LANE, of x(i) = Vn's lane i, y(i) = Vm's; NR lanes. */
#define PERMUTED(F, T_, W_, UNUSED, LANE)                                                          \
    {                                                                                              \
        TYPES(T_, W_)                                                                              \
        const unsigned nr = NR_VECTOR(T);                                                          \
        for (unsigned e = 0; e < nr; e++) {                                                        \
            const struct permuted p = LANE;                                                        \
            r.F[e] = p.second ? m.F[p.lane] : n.F[p.lane];                                         \
        }                                                                                          \
    }

struct permuted {
    unsigned lane;
    bool second; /* of Vm */
};

#define ZIP(PART) ((struct permuted){(PART)*nr / 2 + e / 2, e & 1})
#define UZP(PART) ((struct permuted){(2 * e + (PART)) % nr, 2 * e >= nr})
#define TRN(PART) ((struct permuted){(e & ~1u) + (PART), e & 1})

#define PERMUTE(NAME, LANE)                                                                        \
    LANES(NAME##_asimdperm, c->st.v[a->m], 0, BY_SIZE(PERMUTED, UNSIGNED, , LANE))

PERMUTE(ZIP1, ZIP(0))
PERMUTE(ZIP2, ZIP(1))
PERMUTE(UZP1, UZP(0))
PERMUTE(UZP2, UZP(1))
PERMUTE(TRN1, TRN(0))
PERMUTE(TRN2, TRN(1))

/* --- Modified immediate ----------------------------------------------------------------------------------------------- */

#define IMMEDIATE(NAME, UPPER, EXPR)                                                               \
    OP(NAME)                                                                                       \
    {                                                                                              \
        union vreg *const d = &c->st.v[a->d];                                                      \
                                                                                                   \
        for (unsigned e = 0; e < 2; e++)                                                           \
            d->d[e] = e && !(UPPER) ? 0 : (EXPR);                                                  \
        return insn + 1;                                                                           \
    }

IMMEDIATE(MOVI_asimdimm, Q, a->imm)
IMMEDIATE(MOVI_asimdimm_D, Q, a->imm)
IMMEDIATE(MVNI_asimdimm, Q, ~a->imm)
IMMEDIATE(ORR_asimdimm, Q, d->d[e] | a->imm)
IMMEDIATE(BIC_asimdimm, Q, d->d[e] & ~a->imm)
IMMEDIATE(FMOV_asimdimm_S, Q, a->imm)
IMMEDIATE(FMOV_asimdimm_D, 1, a->imm)
IMMEDIATE(FMOV_asimdimm_H, Q, a->imm)
