/* Loads and stores. Exclusives and atomics: lift_atomic.c. */
#include "cpu/jit/lift.h"

/* An address: base + (index << scale) + imm. */
struct address {
    var_t base, index;
    unsigned scale;
    int64_t imm;
};

void lift_check_sp(struct lift *l, var_t base)
{
    if (base != VAR_SP || l->sp_checked || !(l->u->mode & MODE_SP))
        return;
    lift_ir(l, IR_SPCHK)->a = VAR_SP;
    l->sp_checked = true;
}

static struct ir *access(struct lift *l, enum ir_op op, unsigned sz, const struct address *at)
{
    struct ir *r = lift_ir(l, op);

    r->sz = (uint8_t)sz;
    r->a = at->base;
    r->b = at->index;
    r->scale = (uint8_t)at->scale;
    r->imm = at->imm;
    return r;
}

var_t lift_probe(struct lift *l, bool is_store, unsigned sz, var_t base, int64_t offset, unsigned len)
{
    lift_check_sp(l, base);
    struct ir *r =
        access(l, IR_PROBE, sz, &(struct address){.base = base, .index = VAR_NONE, .imm = offset});
    r->d = lift_temp(l);
    r->aux = len;
    r->ext = is_store;
    return r->d;
}

struct ir *lift_known(struct lift *l, enum ir_op op, unsigned sz, var_t h, unsigned at)
{
    struct ir *r = lift_ir(l, op);

    r->sz = (uint8_t)sz;
    r->h = h;
    r->imm = at;
    return r;
}

static void load(struct lift *l, unsigned sz, enum ir_ext ext, var_t t, const struct address *at,
                 unsigned fl)
{
    lift_check_sp(l, at->base);
    struct ir *r = access(l, IR_LD, sz, at);
    r->ext = (uint8_t)ext;
    r->fl = (uint8_t)fl;
    r->d = t == VAR_NONE ? lift_temp(l) : t;
    if (t == VAR_SP)
        l->sp_checked = false;
}

static void store(struct lift *l, unsigned sz, var_t t, const struct address *at, unsigned fl)
{
    lift_check_sp(l, at->base);
    struct ir *r = access(l, IR_ST, sz, at);
    r->c = t;
    r->fl = (uint8_t)fl;
}

static void write_back(struct lift *l, var_t n, int64_t imm)
{
    lift_opi(l, IR_ADD, 3, n, n, (uint64_t)imm);
    if (n == VAR_SP)
        l->sp_checked = l->sp_checked && !(imm & 15);
}

static unsigned unprivileged(struct lift *l)
{
    if (!(l->u->mode & MODE_EL1))
        return 0;
    lift_guard(l, 2, CPU_AT(st.misc), PSR_UAO, true);
    return IRF_USER;
}

/* The index register as ExtendReg() makes it, without its shift. */
static var_t index_of(struct lift *l, var_t m, unsigned option)
{
    if (m == VAR_ZERO)
        return VAR_NONE;
    if (option & 1)
        return m;
    const var_t t = lift_temp(l);
    lift_op(l, option & 4 ? IR_SX32 : IR_ZX32, 3, t, m, VAR_NONE);
    return t;
}

/* --- SIMD&FP registers ---------------------------------------------------------------------------------------------- */

static void vector_load(struct lift *l, unsigned sz, var_t t, const struct address *at)
{
    lift_check_sp(l, at->base);
    access(l, IR_VLD, sz, at)->d = t;
}

static void vector_store(struct lift *l, unsigned sz, var_t t, const struct address *at)
{
    lift_check_sp(l, at->base);
    access(l, IR_VST, sz, at)->c = t;
}

/* nr registers, t or t2 and those behind it, one behind the other in memory. */
static void vector_several(struct lift *l, bool is_store, unsigned sz, unsigned nr, unsigned t,
                           unsigned t2, var_t n, int64_t offset)
{
    const var_t h = lift_probe(l, is_store, sz, n, offset, nr << sz);

    for (unsigned k = 0; k < nr; k++) {
        const var_t v = (var_t)(VAR_V0 + (k ? (t2 + k - 1) % 32 : t));
        struct ir *r = lift_known(l, is_store ? IR_VSTK : IR_VLDK, sz, h, k << sz);
        if (is_store)
            r->c = v;
        else
            r->d = v;
    }
}

void lift_write_back_by(struct lift *l, var_t n, var_t m, int64_t bytes)
{
    if (m == VAR_ZERO) {
        write_back(l, n, bytes);
        return;
    }
    lift_op(l, IR_ADD, 3, n, n, m);
    if (n == VAR_SP)
        l->sp_checked = false;
}

/* --- Pairs of general registers ------------------------------------------------------------------------------------- */

static void pair(struct lift *l, bool is_store, unsigned sz, enum ir_ext ext, var_t t, var_t t2,
                 var_t n, int64_t offset)
{
    const var_t h = lift_probe(l, is_store, sz, n, offset, 2u << sz);

    for (unsigned k = 0; k < 2; k++) {
        const var_t v = k ? t2 : t;
        if (is_store) {
            lift_known(l, IR_STK, sz, h, k << sz)->c = v;
        } else if (v != VAR_NONE) {
            struct ir *r = lift_known(l, IR_LDK, sz, h, k << sz);
            r->ext = (uint8_t)ext;
            r->d = v;
        }
    }
}

#define ARG(NAME) (&i->u.NAME)
#define X(NAME, slot) lift_x(ARG(NAME)->slot)
#define IMM(NAME) ((int64_t)ARG(NAME)->imm)

/* Rows of one register by addressing mode: the accesses before, the write-back behind. */
#define LOAD(NAME, SIZE, EXT, OFFSET, BACK)                                                           \
    case A64_ROW_##NAME:                                                                              \
        load(l, SIZE, EXT, X(NAME, t),                                                                \
             &(struct address){.base = X(NAME, n), .index = VAR_NONE, .imm = OFFSET ? IMM(NAME) : 0}, \
             0);                                                                                      \
        if (BACK)                                                                                     \
            write_back(l, X(NAME, n), IMM(NAME));                                                     \
        return true;
#define STORE(NAME, SIZE, OFFSET, BACK)                                                                \
    case A64_ROW_##NAME:                                                                               \
        store(l, SIZE, X(NAME, t),                                                                     \
              &(struct address){.base = X(NAME, n), .index = VAR_NONE, .imm = OFFSET ? IMM(NAME) : 0}, \
              0);                                                                                      \
        if (BACK)                                                                                      \
            write_back(l, X(NAME, n), IMM(NAME));                                                      \
        return true;
#define SIZE(NAME) A64_FIELD_##NAME##_size(i->word)
#define MODE(NAME, OFFSET, BACK)                                                                   \
    STORE(STR_##NAME, SIZE(STR_##NAME), OFFSET, BACK)                                              \
    LOAD(LDR_##NAME, SIZE(LDR_##NAME), EXT_ZERO, OFFSET, BACK)                                     \
    LOAD(LDRS64_##NAME, SIZE(LDRS64_##NAME), EXT_S64, OFFSET, BACK)                                \
    LOAD(LDRS32_##NAME, SIZE(LDRS32_##NAME), EXT_S32, OFFSET, BACK)

#define INDEXED(NAME, DO)                                                                          \
    case A64_ROW_##NAME##_ldst_regoff: {                                                           \
        struct address at = {.base = X(NAME##_ldst_regoff, n),                                     \
                             .index = index_of(l, X(NAME##_ldst_regoff, m),                        \
                                               A64_FIELD_##NAME##_ldst_regoff_option(i->word)),    \
                             .scale = ARG(NAME##_ldst_regoff)->amount};                            \
        const unsigned size = SIZE(NAME##_ldst_regoff);                                            \
        const var_t t = X(NAME##_ldst_regoff, t);                                                  \
        DO;                                                                                        \
        return true;                                                                               \
    }

/* With the permissions of EL0, unless PSTATE.UAO says otherwise. At EL0 they are ordinary. */
#define UNPRIVILEGED(NAME, DO)                                                                     \
    case A64_ROW_##NAME##_ldst_unpriv: {                                                           \
        const struct address at = {                                                                \
            .base = X(NAME##_ldst_unpriv, n), .index = VAR_NONE, .imm = IMM(NAME##_ldst_unpriv)};  \
        const unsigned size = SIZE(NAME##_ldst_unpriv), fl = unprivileged(l);                      \
        const var_t t = X(NAME##_ldst_unpriv, t);                                                  \
        DO;                                                                                        \
        return true;                                                                               \
    }

#define PAIR(NAME, STORES, SZ, EXT, OFFSET, BACK)                                                  \
    case A64_ROW_##NAME:                                                                           \
        pair(l, STORES, SZ, EXT, X(NAME, t), X(NAME, t2), X(NAME, n), OFFSET ? IMM(NAME) : 0);     \
        if (BACK)                                                                                  \
            write_back(l, X(NAME, n), IMM(NAME));                                                  \
        return true;
#define SF_SIZE(NAME) (2 + A64_FIELD_##NAME##_sf(i->word))
#define PAIR_MODE(NAME, OFFSET, BACK)                                                              \
    PAIR(STP_##NAME, true, SF_SIZE(STP_##NAME), EXT_ZERO, OFFSET, BACK)                            \
    PAIR(LDP_##NAME, false, SF_SIZE(LDP_##NAME), EXT_ZERO, OFFSET, BACK)                           \
    PAIR(LDPSW_##NAME, false, 2, EXT_S64, OFFSET, BACK)

/* x86-64 keeps loads, and stores, in order among themselves: acquire costs nothing, and of sequential consistency only a store before a
 * load has to be waited for, which is done behind the store. */
#define ORDERED_LOAD(NAME, EXT, OFFSET)                                                             \
    case A64_ROW_##NAME:                                                                            \
        load(l, SIZE(NAME), EXT, X(NAME, t),                                                        \
             &(struct address){.base = X(NAME, n), .index = VAR_NONE, .imm = OFFSET}, IRF_ALIGNED); \
        return true;
#define ORDERED_STORE(NAME, OFFSET)                                                                  \
    case A64_ROW_##NAME:                                                                             \
        store(l, SIZE(NAME), X(NAME, t),                                                             \
              &(struct address){.base = X(NAME, n), .index = VAR_NONE, .imm = OFFSET}, IRF_ALIGNED); \
        lift_ir(l, IR_FENCE);                                                                        \
        return true;

#define V(NAME, slot) (var_t)(VAR_V0 + ARG(NAME)->slot)
#define VSIZE(NAME) (A64_FIELD_##NAME##_size(i->word) + 4 * A64_FIELD_##NAME##_q(i->word))
#define VECTOR_ONE(NAME, KIND, OFFSET, BACK)                                                           \
    case A64_ROW_##NAME:                                                                               \
        KIND(l, VSIZE(NAME), V(NAME, t),                                                               \
             &(struct address){.base = X(NAME, n), .index = VAR_NONE, .imm = OFFSET ? IMM(NAME) : 0}); \
        if (BACK)                                                                                      \
            write_back(l, X(NAME, n), IMM(NAME));                                                      \
        return true;
#define VECTOR_MODE(NAME, OFFSET, BACK)                                                            \
    VECTOR_ONE(STR_V_##NAME, vector_store, OFFSET, BACK)                                           \
    VECTOR_ONE(LDR_V_##NAME, vector_load, OFFSET, BACK)
#define VECTOR_INDEXED(NAME, KIND)                                                                       \
    case A64_ROW_##NAME: {                                                                               \
        const struct address at = {.base = X(NAME, n),                                                   \
                                   .index = index_of(l, X(NAME, m), A64_FIELD_##NAME##_option(i->word)), \
                                   .scale = ARG(NAME)->amount};                                          \
        KIND(l, VSIZE(NAME), V(NAME, t), &at);                                                           \
        return true;                                                                                     \
    }
#define VECTOR_PAIR(NAME, STORES, OFFSET, BACK)                                                    \
    case A64_ROW_##NAME:                                                                           \
        vector_several(l, STORES, 2 + A64_FIELD_##NAME##_opc(i->word), 2, ARG(NAME)->t,            \
                       ARG(NAME)->t2, X(NAME, n), OFFSET ? IMM(NAME) : 0);                         \
        if (BACK)                                                                                  \
            write_back(l, X(NAME, n), IMM(NAME));                                                  \
        return true;
#define VECTOR_PAIR_MODE(NAME, OFFSET, BACK)                                                       \
    VECTOR_PAIR(STP_V_##NAME, true, OFFSET, BACK)                                                  \
    VECTOR_PAIR(LDP_V_##NAME, false, OFFSET, BACK)
/* LD1, ST1 of several registers. */
#define VECTOR_LIST(NAME, STORES, NR)                                                              \
    case A64_ROW_##NAME##_asisdlse:                                                                \
        vector_several(l, STORES, 3 + A64_FIELD_##NAME##_asisdlse_Q(i->word), NR,                  \
                       ARG(NAME##_asisdlse)->t, ARG(NAME##_asisdlse)->t + 1u,                      \
                       X(NAME##_asisdlse, n), 0);                                                  \
        return true;                                                                               \
    case A64_ROW_##NAME##_asisdlsep: {                                                             \
        const unsigned sz = 3 + A64_FIELD_##NAME##_asisdlsep_Q(i->word);                           \
        vector_several(l, STORES, sz, NR, ARG(NAME##_asisdlsep)->t, ARG(NAME##_asisdlsep)->t + 1u, \
                       X(NAME##_asisdlsep, n), 0);                                                 \
        lift_write_back_by(l, X(NAME##_asisdlsep, n), X(NAME##_asisdlsep, m), NR << sz);           \
        return true;                                                                               \
    }
#define VECTOR_LISTS(NR)                                                                           \
    VECTOR_LIST(ST1_R##NR, true, NR)                                                               \
    VECTOR_LIST(LD1_R##NR, false, NR)

bool lift_vector_memory(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        VECTOR_MODE(ldst_pos, true, false)
        VECTOR_MODE(ldst_unscaled, true, false)
        VECTOR_MODE(ldst_immpost, false, true)
        VECTOR_MODE(ldst_immpre, true, true)
        VECTOR_INDEXED(STR_V_ldst_regoff, vector_store)
        VECTOR_INDEXED(LDR_V_ldst_regoff, vector_load)
        VECTOR_PAIR_MODE(ldstpair_off, true, false)
        VECTOR_PAIR_MODE(ldstpair_post, false, true)
        VECTOR_PAIR_MODE(ldstpair_pre, true, true)
        VECTOR_PAIR(STNP_V_ldstnapair_offs, true, true, false)
        VECTOR_PAIR(LDNP_V_ldstnapair_offs, false, true, false)
        VECTOR_LISTS(1)
        VECTOR_LISTS(2)
        VECTOR_LISTS(3)
        VECTOR_LISTS(4)
    case A64_ROW_LDR_V_loadlit:
        vector_load(l, 2 + A64_FIELD_LDR_V_loadlit_opc(i->word), V(LDR_V_loadlit, t),
                    &(struct address){.base = VAR_NONE,
                                      .index = VAR_NONE,
                                      .imm = (int64_t)l->pc + IMM(LDR_V_loadlit)});
        return true;
    default: return false;
    }
}

bool lift_memory(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        MODE(ldst_pos, true, false)
        MODE(ldst_unscaled, true, false)
        MODE(ldst_immpost, false, true)
        MODE(ldst_immpre, true, true)
        INDEXED(STR, store(l, size, t, &at, 0))
        INDEXED(LDR, load(l, size, EXT_ZERO, t, &at, 0))
        INDEXED(LDRS64, load(l, size, EXT_S64, t, &at, 0))
        INDEXED(LDRS32, load(l, size, EXT_S32, t, &at, 0))
        UNPRIVILEGED(STR, store(l, size, t, &at, fl))
        UNPRIVILEGED(LDR, load(l, size, EXT_ZERO, t, &at, fl))
        UNPRIVILEGED(LDRS64, load(l, size, EXT_S64, t, &at, fl))
        UNPRIVILEGED(LDRS32, load(l, size, EXT_S32, t, &at, fl))
        PAIR_MODE(ldstpair_off, true, false)
        PAIR_MODE(ldstpair_post, false, true)
        PAIR_MODE(ldstpair_pre, true, true)
        PAIR(STNP_ldstnapair_offs, true, SF_SIZE(STNP_ldstnapair_offs), EXT_ZERO, true, false)
        PAIR(LDNP_ldstnapair_offs, false, SF_SIZE(LDNP_ldstnapair_offs), EXT_ZERO, true, false)
        ORDERED_LOAD(LDAR_ldstord, EXT_ZERO, 0)
        ORDERED_LOAD(LDLAR_ldstord, EXT_ZERO, 0)
        ORDERED_LOAD(LDAPR_memop, EXT_ZERO, 0)
        ORDERED_LOAD(LDAPUR_ldapstl_unscaled, EXT_ZERO, IMM(LDAPUR_ldapstl_unscaled))
        ORDERED_LOAD(LDAPURS64_ldapstl_unscaled, EXT_S64, IMM(LDAPURS64_ldapstl_unscaled))
        ORDERED_LOAD(LDAPURS32_ldapstl_unscaled, EXT_S32, IMM(LDAPURS32_ldapstl_unscaled))
        ORDERED_STORE(STLR_ldstord, 0)
        ORDERED_STORE(STLLR_ldstord, 0)
        ORDERED_STORE(STLUR_ldapstl_unscaled, IMM(STLUR_ldapstl_unscaled))
    case A64_ROW_LDR_loadlit:
        load(l, 2 + A64_FIELD_LDR_loadlit_x64(i->word), EXT_ZERO, X(LDR_loadlit, t),
             &(struct address){
                 .base = VAR_NONE, .index = VAR_NONE, .imm = (int64_t)l->pc + IMM(LDR_loadlit)},
             0);
        return true;
    case A64_ROW_LDRSW_64_loadlit:
        load(l, 2, EXT_S64, X(LDRSW_64_loadlit, t),
             &(struct address){
                 .base = VAR_NONE, .index = VAR_NONE, .imm = (int64_t)l->pc + IMM(LDRSW_64_loadlit)},
             0);
        return true;
    case A64_ROW_PRFM_P_loadlit:
    case A64_ROW_PRFM_ldst_unscaled:
    case A64_ROW_PRFM_ldst_regoff:
    case A64_ROW_PRFM_ldst_pos: return true;
    default: return false;
    }
}
