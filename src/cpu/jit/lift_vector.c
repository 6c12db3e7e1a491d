/* SIMD: what works on bits, integers and elements. */
#include "cpu/jit/lift_vector.h"

/* ~d */
static void complement(struct lift *l, bool q, var_t d, var_t a)
{
    lift_v1(l, VEC_NOT, 0, q, d, a);
}

/* Comparisons come down to a == b and a > b, and their complements. */
static var_t not_equal(struct lift *l, unsigned sz, var_t a, var_t b)
{
    return vec_not(l, vec2(l, VEC_EQ, sz, a, b));
}

static var_t not_greater(struct lift *l, unsigned sz, bool sign, var_t a, var_t b)
{
    if (!sign && sz < 3)
        return vec2(l, VEC_EQ, sz, vec2(l, VEC_UMIN, sz, a, b), a);
    return vec_not(l, vec_greater(l, sz, sign, a, b));
}

static void select(struct lift *l, bool q, var_t d, var_t mask, var_t yes, var_t no)
{
    lift_v3(l, VEC_BSL, 0, q, d, mask, yes, no);
}

void lift_vget(struct lift *l, unsigned sz, enum ir_ext ext, var_t d, var_t n, unsigned index)
{
    if (d == VAR_NONE)
        return;
    struct ir *r = lift_ir(l, IR_VGET);
    r->sz = (uint8_t)sz;
    r->ext = (uint8_t)ext;
    r->d = d;
    r->a = n;
    r->imm = index;
}

void lift_vput(struct lift *l, unsigned sz, var_t d, unsigned index, var_t a, var_t b)
{
    struct ir *r = lift_ir(l, IR_VPUT);

    r->sz = (uint8_t)sz;
    r->d = d;
    r->a = a;
    r->b = b;
    r->imm = index;
}

static void shift(struct lift *l, enum vector_op op, unsigned sz, bool q, var_t d, var_t a, unsigned n)
{
    lift_v1(l, op, sz, q, d, a)->imm = n;
}

static void shift_add(struct lift *l, enum vector_op op, unsigned sz, bool q, var_t d, var_t a, unsigned n)
{
    const var_t t = lift_temp(l);

    shift(l, op, sz, q, t, a, n);
    lift_v2(l, VEC_ADD, sz, q, d, d, t);
}

static void shift_long(struct lift *l, bool sign, unsigned sz, bool q, var_t d, var_t a, unsigned n)
{
    lift_vresult(l, 4, d, vec_shl(l, sz + 1, vec_widen(l, sz, sign, q, a), n));
}

/* ZIP2 of 8 bytes: the low halves in turn, of which the high half. */
static void zip_high(struct lift *l, unsigned sz, bool q, var_t d, var_t n, var_t m)
{
    if (q) {
        lift_v2(l, VEC_ZIPHI, sz, true, d, n, m);
        return;
    }
    const var_t t = lift_temp(l);
    lift_v2(l, VEC_ZIPLO, sz, true, t, n, m);
    lift_v1(l, VEC_SLIDE, 0, true, d, t)->imm = 8;
}

static void extract(struct lift *l, bool q, var_t d, var_t n, var_t m, unsigned index)
{
    if (q) {
        lift_v2(l, VEC_EXT, 0, true, d, n, m)->imm = index;
        return;
    }
    const var_t t = lift_temp(l);
    lift_v2(l, VEC_ZIPLO, 3, true, t, n, m);
    lift_v1(l, VEC_SLIDE, 0, false, d, t)->imm = index;
}

#define SAME(NAME, OP)                                                                             \
    case A64_ROW_##NAME##_asimdsame:                                                               \
        lift_v2(l, OP, SIZE(NAME##_asimdsame), Q(NAME##_asimdsame), V(NAME##_asimdsame, d),        \
                V(NAME##_asimdsame, n), V(NAME##_asimdsame, m));                                   \
        return true;
#define BITWISE(NAME, OP, A, B)                                                                    \
    case A64_ROW_##NAME##_asimdsame:                                                               \
        lift_v2(l, OP, 0, Q(NAME##_asimdsame), V(NAME##_asimdsame, d), V(NAME##_asimdsame, A),     \
                V(NAME##_asimdsame, B));                                                           \
        return true;
#define COMPARE(NAME, VALUE)                                                                       \
    case A64_ROW_##NAME##_asimdsame: {                                                             \
        const unsigned sz = SIZE(NAME##_asimdsame);                                                \
        const var_t n = V(NAME##_asimdsame, n), m = V(NAME##_asimdsame, m);                        \
        lift_vresult(l, LEN(NAME##_asimdsame), V(NAME##_asimdsame, d), VALUE);                     \
        return true;                                                                               \
    }                                                                                              \
    case A64_ROW_##NAME##_asisdsame: {                                                             \
        const unsigned sz = 3;                                                                     \
        const var_t n = V(NAME##_asisdsame, n), m = V(NAME##_asisdsame, m);                        \
        lift_vresult(l, 3, V(NAME##_asisdsame, d), VALUE);                                         \
        return true;                                                                               \
    }
#define COMPARE_ZERO(NAME, VALUE)                                                                  \
    case A64_ROW_##NAME##_asimdmisc_Z: {                                                           \
        const unsigned sz = SIZE(NAME##_asimdmisc_Z);                                              \
        const var_t n = V(NAME##_asimdmisc_Z, n);                                                  \
        lift_vresult(l, LEN(NAME##_asimdmisc_Z), V(NAME##_asimdmisc_Z, d), VALUE);                 \
        return true;                                                                               \
    }                                                                                              \
    case A64_ROW_##NAME##_asisdmisc_Z: {                                                           \
        const unsigned sz = 3;                                                                     \
        const var_t n = V(NAME##_asisdmisc_Z, n);                                                  \
        lift_vresult(l, 3, V(NAME##_asisdmisc_Z, d), VALUE);                                       \
        return true;                                                                               \
    }
#define SELECT(NAME, MASK, YES, NO)                                                                \
    case A64_ROW_##NAME##_asimdsame:                                                               \
        select(l, Q(NAME##_asimdsame), V(NAME##_asimdsame, d), V(NAME##_asimdsame, MASK),          \
               V(NAME##_asimdsame, YES), V(NAME##_asimdsame, NO));                                 \
        return true;
#define SHIFT(NAME, KIND, OP)                                                                           \
    case A64_ROW_##NAME##_asimdshf:                                                                     \
        KIND(l, OP, ARG(NAME##_asimdshf)->size, Q(NAME##_asimdshf), V(NAME##_asimdshf, d),              \
             V(NAME##_asimdshf, n), ARG(NAME##_asimdshf)->imm);                                         \
        return true;                                                                                    \
    case A64_ROW_##NAME##_asisdshf:                                                                     \
        KIND(l, OP, 3, false, V(NAME##_asisdshf, d), V(NAME##_asisdshf, n), ARG(NAME##_asisdshf)->imm); \
        return true;

bool lift_vector(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        /* Bits. */
        BITWISE(AND, VEC_AND, n, m)
        BITWISE(EOR, VEC_XOR, n, m)
        BITWISE(BIC, VEC_ANDN, m, n)
    case A64_ROW_ORR_asimdsame:
        if (ARG(ORR_asimdsame)->n == ARG(ORR_asimdsame)->m)
            lift_vmove(l, Q(ORR_asimdsame), V(ORR_asimdsame, d), V(ORR_asimdsame, n));
        else
            lift_v2(l, VEC_OR, 0, Q(ORR_asimdsame), V(ORR_asimdsame, d), V(ORR_asimdsame, n),
                    V(ORR_asimdsame, m));
        return true;
    case A64_ROW_ORN_asimdsame: {
        const var_t t = lift_temp(l);
        complement(l, true, t, V(ORN_asimdsame, m));
        lift_v2(l, VEC_OR, 0, Q(ORN_asimdsame), V(ORN_asimdsame, d), V(ORN_asimdsame, n), t);
        return true;
    }
    case A64_ROW_NOT_asimdmisc:
        complement(l, Q(NOT_asimdmisc), V(NOT_asimdmisc, d), V(NOT_asimdmisc, n));
        return true;
        SELECT(BSL, d, n, m)
        SELECT(BIT, m, n, d)
        SELECT(BIF, m, d, n)

        /* Immediates. */
    case A64_ROW_MOVI_asimdimm:
        lift_vconst(l, Q(MOVI_asimdimm), V(MOVI_asimdimm, d), ARG(MOVI_asimdimm)->imm);
        return true;
    case A64_ROW_MOVI_asimdimm_D:
        lift_vconst(l, Q(MOVI_asimdimm_D), V(MOVI_asimdimm_D, d), ARG(MOVI_asimdimm_D)->imm);
        return true;
    case A64_ROW_MVNI_asimdimm:
        lift_vconst(l, Q(MVNI_asimdimm), V(MVNI_asimdimm, d), ~ARG(MVNI_asimdimm)->imm);
        return true;
    case A64_ROW_FMOV_asimdimm_S:
        lift_vconst(l, Q(FMOV_asimdimm_S), V(FMOV_asimdimm_S, d), ARG(FMOV_asimdimm_S)->imm);
        return true;
    case A64_ROW_FMOV_asimdimm_D:
        lift_vconst(l, true, V(FMOV_asimdimm_D, d), ARG(FMOV_asimdimm_D)->imm);
        return true;
    case A64_ROW_ORR_asimdimm: {
        const var_t t = lift_temp(l), d = V(ORR_asimdimm, d);
        lift_vconst(l, true, t, ARG(ORR_asimdimm)->imm);
        lift_v2(l, VEC_OR, 0, Q(ORR_asimdimm), d, d, t);
        return true;
    }
    case A64_ROW_BIC_asimdimm: {
        const var_t t = lift_temp(l), d = V(BIC_asimdimm, d);
        lift_vconst(l, true, t, ~ARG(BIC_asimdimm)->imm);
        lift_v2(l, VEC_AND, 0, Q(BIC_asimdimm), d, d, t);
        return true;
    }

        /* Arithmetic. */
        SAME(ADD, VEC_ADD)
        SAME(SUB, VEC_SUB)
        SAME(SMAX, VEC_SMAX)
        SAME(SMIN, VEC_SMIN)
        SAME(UMAX, VEC_UMAX)
        SAME(UMIN, VEC_UMIN)
    case A64_ROW_ADD_asisdsame:
        lift_v2(l, VEC_ADD, 3, false, V(ADD_asisdsame, d), V(ADD_asisdsame, n), V(ADD_asisdsame, m));
        return true;
    case A64_ROW_SUB_asisdsame:
        lift_v2(l, VEC_SUB, 3, false, V(SUB_asisdsame, d), V(SUB_asisdsame, n), V(SUB_asisdsame, m));
        return true;
    case A64_ROW_NEG_asimdmisc:
        lift_v2(l, VEC_SUB, SIZE(NEG_asimdmisc), Q(NEG_asimdmisc), V(NEG_asimdmisc, d), VAR_ZERO,
                V(NEG_asimdmisc, n));
        return true;
        COMPARE(CMEQ, vec2(l, VEC_EQ, sz, n, m))
        COMPARE(CMGT, vec_greater(l, sz, true, n, m))
        COMPARE(CMGE, not_greater(l, sz, true, m, n))
        COMPARE(CMHI, vec_greater(l, sz, false, n, m))
        COMPARE(CMHS, not_greater(l, sz, false, m, n))
        COMPARE(CMTST, not_equal(l, sz, vec_bit(l, VEC_AND, n, m), VAR_ZERO))
        COMPARE_ZERO(CMEQ, vec2(l, VEC_EQ, sz, n, VAR_ZERO))
        COMPARE_ZERO(CMGT, vec_greater(l, sz, true, n, VAR_ZERO))
        COMPARE_ZERO(CMGE, not_greater(l, sz, true, VAR_ZERO, n))
        COMPARE_ZERO(CMLE, not_greater(l, sz, true, n, VAR_ZERO))
        COMPARE_ZERO(CMLT, vec_greater(l, sz, true, VAR_ZERO, n))
        SHIFT(SHL, shift, VEC_SHL)
        SHIFT(USHR, shift, VEC_USHR)
        SHIFT(SSHR, shift, VEC_SSHR)
        SHIFT(USRA, shift_add, VEC_USHR)
        SHIFT(SSRA, shift_add, VEC_SSHR)
    case A64_ROW_USHLL_asimdshf:
        shift_long(l, false, ARG(USHLL_asimdshf)->size, Q(USHLL_asimdshf), V(USHLL_asimdshf, d),
                   V(USHLL_asimdshf, n), ARG(USHLL_asimdshf)->imm);
        return true;
    case A64_ROW_SSHLL_asimdshf:
        shift_long(l, true, ARG(SSHLL_asimdshf)->size, Q(SSHLL_asimdshf), V(SSHLL_asimdshf, d),
                   V(SSHLL_asimdshf, n), ARG(SSHLL_asimdshf)->imm);
        return true;

        /* Elements. */
    case A64_ROW_DUP_asimdins_DV:
        lift_v1(l, VEC_DUP, ARG(DUP_asimdins_DV)->size, Q(DUP_asimdins_DV), V(DUP_asimdins_DV, d),
                V(DUP_asimdins_DV, n))
            ->imm = ARG(DUP_asimdins_DV)->index;
        return true;
    case A64_ROW_DUP_asimdins_DR: {
        struct ir *r = lift_ir(l, IR_VDUP);
        r->sz = ARG(DUP_asimdins_DR)->size;
        r->q = Q(DUP_asimdins_DR);
        r->d = V(DUP_asimdins_DR, d);
        r->a = X(DUP_asimdins_DR, n);
        return true;
    }
    case A64_ROW_UMOV_asimdins:
        lift_vget(l, ARG(UMOV_asimdins)->size, EXT_ZERO, X(UMOV_asimdins, d), V(UMOV_asimdins, n),
                  ARG(UMOV_asimdins)->index);
        return true;
    case A64_ROW_SMOV_asimdins:
        lift_vget(l, ARG(SMOV_asimdins)->size, Q(SMOV_asimdins) ? EXT_S64 : EXT_S32,
                  X(SMOV_asimdins, d), V(SMOV_asimdins, n), ARG(SMOV_asimdins)->index);
        return true;
    case A64_ROW_INS_asimdins_IR:
        lift_vput(l, ARG(INS_asimdins_IR)->size, V(INS_asimdins_IR, d), ARG(INS_asimdins_IR)->index,
                  V(INS_asimdins_IR, d), X(INS_asimdins_IR, n));
        return true;
    case A64_ROW_INS_asimdins_IV: {
        const struct a64_args_INS_asimdins_IV *a = ARG(INS_asimdins_IV);
        const var_t t = lift_temp(l);
        lift_vget(l, a->size, EXT_ZERO, t, V(INS_asimdins_IV, n), a->index2);
        lift_vput(l, a->size, V(INS_asimdins_IV, d), a->index, V(INS_asimdins_IV, d), t);
        return true;
    }
    case A64_ROW_ZIP1_asimdperm:
        lift_v2(l, VEC_ZIPLO, SIZE(ZIP1_asimdperm), Q(ZIP1_asimdperm), V(ZIP1_asimdperm, d),
                V(ZIP1_asimdperm, n), V(ZIP1_asimdperm, m));
        return true;
    case A64_ROW_ZIP2_asimdperm:
        zip_high(l, SIZE(ZIP2_asimdperm), Q(ZIP2_asimdperm), V(ZIP2_asimdperm, d),
                 V(ZIP2_asimdperm, n), V(ZIP2_asimdperm, m));
        return true;
    case A64_ROW_EXT_asimdext:
        extract(l, Q(EXT_asimdext), V(EXT_asimdext, d), V(EXT_asimdext, n), V(EXT_asimdext, m),
                ARG(EXT_asimdext)->index);
        return true;
    default:
        return lift_vector_same(l, i) || lift_vector_pairs(l, i) || lift_vector_permute(l, i) ||
               lift_vector_wide(l, i) || lift_vector_structures(l, i) || lift_vector_saturate(l, i);
    }
}
