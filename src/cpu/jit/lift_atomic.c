/* Exclusives, compare-and-swap, and the atomic memory operations. All of them are as strong as the strongest: on x86-64 that is the same
 * instruction. */
#include "cpu/jit/lift.h"

#define ARG(NAME) (&i->u.NAME)
#define X(NAME, slot) lift_x(ARG(NAME)->slot)

/* An access that must be aligned to its size: d, and c or h, as the operation wants them. */
static struct ir *aligned_access(struct lift *l, enum ir_op op, unsigned sz, var_t d, var_t n)
{
    lift_check_sp(l, n);
    struct ir *r = lift_op(l, op, sz, d == VAR_NONE ? lift_temp(l) : d, n, VAR_NONE);
    r->fl = IRF_ALIGNED;
    return r;
}

static void atomic(struct lift *l, enum atomic_op what, unsigned sz, var_t t, var_t n, var_t s)
{
    struct ir *r = aligned_access(l, IR_ATOMIC, sz, t, n);

    r->aux = what;
    r->c = s;
}

/* --- Pairs: two words are one access of 8 bytes ------------------------------------------------------------------------ */

static var_t joined(struct lift *l, var_t lo, var_t hi)
{
    const var_t t = lift_temp(l);
    struct ir *r = lift_op(l, IR_BFI, 3, t, lo, VAR_NONE);

    r->b = hi; /* also where that is zero */
    r->imm = 32;
    r->aux = 32;
    return t;
}

static void split(struct lift *l, var_t lo, var_t hi, var_t both)
{
    if (lo != VAR_NONE)
        lift_op(l, IR_ZX32, 3, lo, both, VAR_NONE);
    if (hi != VAR_NONE)
        lift_opi(l, IR_SHR, 3, hi, both, 32);
}

static void load_pair(struct lift *l, bool wide, var_t t, var_t t2, var_t n)
{
    const var_t both = lift_temp(l);

    aligned_access(l, IR_LDX, wide ? 4 : 3, both, n);
    if (wide) {
        lift_move(l, 3, t, both);
        lift_from_cpu(l, 3, t2, CPU_AT(excl.hi));
    } else {
        split(l, t, t2, both);
    }
}

static void store_pair(struct lift *l, bool wide, var_t s, var_t t, var_t t2, var_t n)
{
    if (wide)
        lift_to_cpu(l, 3, CPU_AT(jit_hot.pair), t);
    else
        t2 = joined(l, t, t2);
    aligned_access(l, IR_STX, wide ? 4 : 3, s, n)->c = t2;
}

/* s and t are numbers, and even: the second register of each may be 31. */
static void compare_and_swap_pair(struct lift *l, bool wide, unsigned s, unsigned t, var_t n)
{
    const var_t old = lift_temp(l);
    struct ir *r;

    if (wide) {
        lift_to_cpu(l, 3, CPU_AT(jit_hot.pair), lift_x(t));
        lift_to_cpu(l, 3, CPU_AT(jit_hot.pair) + 8, lift_x(s + 1));
        r = aligned_access(l, IR_CAS, 4, old, n);
        r->c = lift_x(t + 1);
        r->h = lift_x(s);
        lift_move(l, 3, lift_w(s), old);
        lift_from_cpu(l, 3, lift_w(s + 1), CPU_AT(jit_hot.pair) + 8);
    } else {
        const var_t expected = joined(l, lift_x(s), lift_x(s + 1));
        const var_t desired = joined(l, lift_x(t), lift_x(t + 1));
        r = aligned_access(l, IR_CAS, 3, old, n);
        r->c = desired;
        r->h = expected;
        split(l, lift_w(s), lift_w(s + 1), old);
    }
}

/* --- The rows ----------------------------------------------------------------------------------------------------------- */

#define SIZE(NAME) A64_FIELD_##NAME##_size(i->word)
#define ATOMIC(NAME, WHAT)                                                                         \
    case A64_ROW_##NAME##_memop:                                                                   \
        atomic(l, WHAT, SIZE(NAME##_memop), X(NAME##_memop, t), X(NAME##_memop, n),                \
               X(NAME##_memop, s));                                                                \
        return true;

bool lift_atomic(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        ATOMIC(LDADD, ATOMIC_ADD)
        ATOMIC(LDCLR, ATOMIC_CLR)
        ATOMIC(LDEOR, ATOMIC_EOR)
        ATOMIC(LDSET, ATOMIC_SET)
        ATOMIC(LDSMAX, ATOMIC_SMAX)
        ATOMIC(LDSMIN, ATOMIC_SMIN)
        ATOMIC(LDUMAX, ATOMIC_UMAX)
        ATOMIC(LDUMIN, ATOMIC_UMIN)
        ATOMIC(SWP, ATOMIC_SWP)
    case A64_ROW_CAS_comswap: {
        struct ir *r = aligned_access(l, IR_CAS, SIZE(CAS_comswap), lift_w(ARG(CAS_comswap)->s),
                                      X(CAS_comswap, n));
        r->c = X(CAS_comswap, t);
        r->h = X(CAS_comswap, s);
        return true;
    }
    case A64_ROW_CASP_comswappr:
        compare_and_swap_pair(l, A64_FIELD_CASP_comswappr_sf(i->word), ARG(CASP_comswappr)->s,
                              ARG(CASP_comswappr)->t, X(CASP_comswappr, n));
        return true;
    case A64_ROW_LDXR_ldstexclr:
        aligned_access(l, IR_LDX, SIZE(LDXR_ldstexclr), X(LDXR_ldstexclr, t), X(LDXR_ldstexclr, n));
        return true;
    case A64_ROW_STXR_ldstexclr:
        aligned_access(l, IR_STX, SIZE(STXR_ldstexclr), X(STXR_ldstexclr, s), X(STXR_ldstexclr, n))->c =
            X(STXR_ldstexclr, t);
        return true;
    case A64_ROW_LDXP_ldstexclp:
        load_pair(l, A64_FIELD_LDXP_ldstexclp_sf(i->word), X(LDXP_ldstexclp, t),
                  X(LDXP_ldstexclp, t2), X(LDXP_ldstexclp, n));
        return true;
    case A64_ROW_STXP_ldstexclp:
        store_pair(l, A64_FIELD_STXP_ldstexclp_sf(i->word), X(STXP_ldstexclp, s),
                   X(STXP_ldstexclp, t), X(STXP_ldstexclp, t2), X(STXP_ldstexclp, n));
        return true;
    case A64_ROW_CLREX_BN_barriers: lift_to_cpu(l, 2, CPU_AT(excl.size), VAR_ZERO); return true;
    default: return false;
    }
}
