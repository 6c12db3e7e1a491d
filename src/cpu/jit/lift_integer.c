/* Data processing with general registers. */
#include "cpu/jit/lift.h"

/* d is not wanted but for its flags. */
static void set_flags(struct ir *r)
{
    r->fl |= IRF_SETF;
}

static var_t or_temp(struct lift *l, var_t d)
{
    return d == VAR_NONE ? lift_temp(l) : d;
}

/* ShiftReg(): the shifted register, or the register itself. */
static var_t shifted(struct lift *l, unsigned sz, var_t m, unsigned kind, unsigned amount)
{
    static const enum ir_op op[4] = {IR_SHL, IR_SHR, IR_SAR, IR_ROR};

    if (!amount || m == VAR_ZERO)
        return m;
    const var_t t = lift_temp(l);
    lift_opi(l, op[kind], sz, t, m, amount);
    return t;
}

/* ExtendReg() before its shift. */
static var_t extended(struct lift *l, unsigned sz, var_t m, unsigned option)
{
    static const enum ir_op op[8] = {IR_ZX8, IR_ZX16, IR_ZX32, IR_MOV,
                                     IR_SX8, IR_SX16, IR_SX32, IR_MOV};

    if (m == VAR_ZERO || op[option] == IR_MOV || (sz == 2 && (option & 3) == 2))
        return m;
    const var_t t = lift_temp(l);
    lift_op(l, op[option], option & 4 ? sz : 3, t, m, VAR_NONE);
    return t;
}

static void add_sub(struct lift *l, enum ir_op op, bool flags, unsigned sz, var_t d, var_t n,
                    var_t m, unsigned lsl)
{
    if (d == VAR_NONE && !flags)
        return;
    if (lsl && (flags || op != IR_ADD || lsl > 3)) {
        m = shifted(l, sz, m, 0, lsl);
        lsl = 0;
    }
    struct ir *r = lift_op(l, op, sz, or_temp(l, d), n, m);
    if (m != VAR_ZERO)
        r->scale = (uint8_t)lsl;
    if (flags)
        set_flags(r);
    if (d == VAR_SP)
        l->sp_checked = false;
}

static void add_sub_imm(struct lift *l, enum ir_op op, bool flags, unsigned sz, var_t d, var_t n,
                        uint32_t imm)
{
    if (d == VAR_NONE && !flags)
        return;
    if (!flags && !imm) {
        lift_move(l, sz, d, n);
    } else {
        struct ir *r = lift_opi(l, op, sz, or_temp(l, d), n, imm);
        if (flags)
            set_flags(r);
    }
    if (d == VAR_SP)
        l->sp_checked = l->sp_checked && n == VAR_SP && !(imm & 15);
}

static void logic(struct lift *l, enum ir_op op, bool flags, unsigned sz, var_t d, var_t n, var_t m)
{
    if (d == VAR_NONE && !flags)
        return;
    if (op == IR_OR && n == VAR_ZERO) {
        lift_move(l, sz, d, m);
        return;
    }
    if (op == IR_ORN && n == VAR_ZERO && m != VAR_ZERO) {
        lift_op(l, IR_NOT, sz, d, m, VAR_NONE);
        return;
    }
    struct ir *r = lift_op(l, op, sz, or_temp(l, d), n, m);
    if (flags)
        set_flags(r);
}

static void logic_imm(struct lift *l, enum ir_op op, bool flags, unsigned sz, var_t d, var_t n,
                      uint64_t imm)
{
    if (d == VAR_NONE && !flags)
        return;
    if (op == IR_OR && n == VAR_ZERO) {
        lift_const(l, d, imm);
    } else {
        struct ir *r = lift_opi(l, op, sz, or_temp(l, d), n, imm);
        if (flags)
            set_flags(r);
    }
    if (d == VAR_SP)
        l->sp_checked = op == IR_AND && !(imm & 15);
}

/* UBFM, SBFM: the bits s:0 moved to where r says, or the bits s:r moved down. */
static void bitfield(struct lift *l, bool sign, unsigned sf, var_t d, var_t n, unsigned r, unsigned s)
{
    const unsigned sz = 2 + sf, width = 32u << sf;

    if (d == VAR_NONE)
        return;
    if (n == VAR_ZERO) {
        lift_const(l, d, 0);
    } else if (s == width - 1) {
        lift_opi(l, sign ? IR_SAR : IR_SHR, sz, d, n, r);
    } else if (!sign && s + 1 == r) {
        lift_opi(l, IR_SHL, sz, d, n, width - r);
    } else if (r == 0 && (s == 7 || s == 15 || s == 31)) {
        lift_op(l,
                s == 7    ? sign ? IR_SX8 : IR_ZX8
                : s == 15 ? sign ? IR_SX16 : IR_ZX16
                : sign    ? IR_SX32
                          : IR_ZX32,
                sign ? sz : 3, d, n, VAR_NONE);
    } else if (!sign && s >= r) {
        struct ir *x = lift_op(l, IR_UBFX, sz, d, n, VAR_NONE);
        x->imm = r;
        x->aux = s - r + 1;
    } else if (!sign) { /* insert into zeros */
        const var_t t = lift_temp(l);
        struct ir *x = lift_op(l, IR_UBFX, sz, t, n, VAR_NONE);
        x->aux = s + 1;
        lift_opi(l, IR_SHL, sz, d, t, width - r);
    } else {
        const var_t t = lift_temp(l);
        lift_opi(l, IR_SHL, sz, t, n, width - 1 - s);
        lift_opi(l, IR_SAR, sz, d, t, (r - s - 1) & (width - 1));
    }
}

static void bitfield_move(struct lift *l, unsigned sf, var_t old, var_t n, unsigned r, unsigned s)
{
    const unsigned sz = 2 + sf, width = 32u << sf;

    if (old == VAR_NONE)
        return;
    struct ir *x;
    if (s >= r) { /* BFXIL: bits s:r to the bottom */
        var_t t = n;
        if (r && n != VAR_ZERO) {
            t = lift_temp(l);
            lift_opi(l, IR_SHR, sz, t, n, r);
        }
        x = lift_op(l, IR_BFI, sz, old, old, t);
        x->imm = 0;
        x->aux = s - r + 1;
    } else {
        x = lift_op(l, IR_BFI, sz, old, old, n);
        x->imm = width - r;
        x->aux = s + 1;
    }
    if (n == VAR_ZERO)
        x->b = VAR_ZERO;
}

static void extract(struct lift *l, unsigned sz, var_t d, var_t n, var_t m, unsigned s)
{
    if (d == VAR_NONE)
        return;
    if (n == m && n != VAR_ZERO) {
        lift_opi(l, IR_ROR, sz, d, n, s);
    } else if (!s) {
        lift_move(l, sz, d, m);
    } else if (n == VAR_ZERO) {
        if (m == VAR_ZERO)
            lift_const(l, d, 0);
        else
            lift_opi(l, IR_SHR, sz, d, m, s);
    } else if (m == VAR_ZERO) {
        lift_opi(l, IR_SHL, sz, d, n, (8u << sz) - s);
    } else {
        lift_op(l, IR_EXTR, sz, d, n, m)->aux = s;
    }
}

static void multiply_add(struct lift *l, bool sub, unsigned sz, var_t d, var_t n, var_t m, var_t a)
{
    if (d == VAR_NONE)
        return;
    if (n == VAR_ZERO || m == VAR_ZERO) {
        lift_move(l, sz, d, a);
        return;
    }
    const var_t t = a == VAR_ZERO && !sub ? d : lift_temp(l);
    lift_op(l, IR_MUL, sz, t, n, m);
    if (t != d)
        lift_op(l, sub ? IR_SUB : IR_ADD, sz, d, a, t);
}

static void multiply_long(struct lift *l, bool sign, bool sub, var_t d, var_t n, var_t m, var_t a)
{
    if (d == VAR_NONE)
        return;
    if (n == VAR_ZERO || m == VAR_ZERO) {
        lift_move(l, 3, d, a);
        return;
    }
    const enum ir_op op = sign ? IR_SX32 : IR_ZX32;
    const var_t x = lift_temp(l), y = n == m ? x : lift_temp(l);
    lift_op(l, op, 3, x, n, VAR_NONE);
    if (y != x)
        lift_op(l, op, 3, y, m, VAR_NONE);
    multiply_add(l, sub, 3, d, x, y, a);
}

static void select(struct lift *l, enum ir_op op, unsigned sz, var_t d, var_t n, var_t m, uint16_t mask)
{
    const unsigned cc = lift_condition(mask);

    if (d == VAR_NONE)
        return;
    if (cc == 14 || (op == IR_SEL && n == m)) {
        lift_move(l, sz, d, n);
        return;
    }
    struct ir *r = lift_ir(l, op);
    r->sz = (uint8_t)sz;
    r->d = d;
    r->a = n;
    r->b = m; /* VAR_ZERO is allowed for both */
    r->cc = (uint8_t)cc;
}

static void compare_if(struct lift *l, enum ir_op op, unsigned sz, var_t n, var_t m, uint64_t imm,
                       uint16_t mask, unsigned nzcv)
{
    const unsigned cc = lift_condition(mask);

    if (cc == 14) { /* always */
        op = op == IR_CCMP ? IR_SUB : IR_ADD;
        set_flags(m == VAR_IMM ? lift_opi(l, op, sz, lift_temp(l), n, imm)
                               : lift_op(l, op, sz, lift_temp(l), n, m));
        return;
    }
    struct ir *r =
        m == VAR_IMM ? lift_opi(l, op, sz, VAR_NONE, n, imm) : lift_op(l, op, sz, VAR_NONE, n, m);
    r->cc = (uint8_t)cc;
    r->aux = nzcv;
    set_flags(r);
}

static void two(struct lift *l, enum ir_op op, unsigned sz, var_t d, var_t n, var_t m)
{
    if (d != VAR_NONE)
        lift_op(l, op, sz, d, n, m);
}

static void one(struct lift *l, enum ir_op op, unsigned sz, var_t d, var_t n)
{
    if (d == VAR_NONE)
        return;
    lift_op(l, op, sz, d, n, VAR_NONE);
}

#define SF(NAME) A64_FIELD_##NAME##_sf(i->word)
#define SZ(NAME) (2 + SF(NAME))
#define ARG(NAME) (&i->u.NAME)
#define X(NAME, slot) lift_x(ARG(NAME)->slot)

#define ADD_SUB_SHIFT(NAME, OP, FLAGS)                                                             \
    case A64_ROW_##NAME##_addsub_shift: {                                                          \
        const unsigned kind = A64_FIELD_##NAME##_addsub_shift_shift(i->word);                      \
        const unsigned sz = SZ(NAME##_addsub_shift), amount = ARG(NAME##_addsub_shift)->amount;    \
        const var_t m = X(NAME##_addsub_shift, m);                                                 \
        add_sub(l, OP, FLAGS, sz, X(NAME##_addsub_shift, d), X(NAME##_addsub_shift, n),            \
                kind ? shifted(l, sz, m, kind, amount) : m, kind ? 0 : amount);                    \
        return true;                                                                               \
    }
#define ADD_SUB_EXT(NAME, OP, FLAGS)                                                                 \
    case A64_ROW_##NAME##_addsub_ext: {                                                              \
        const unsigned sz = SZ(NAME##_addsub_ext);                                                   \
        const var_t m =                                                                              \
            extended(l, sz, X(NAME##_addsub_ext, m), A64_FIELD_##NAME##_addsub_ext_option(i->word)); \
        add_sub(l, OP, FLAGS, sz, X(NAME##_addsub_ext, d), X(NAME##_addsub_ext, n), m,               \
                ARG(NAME##_addsub_ext)->amount);                                                     \
        return true;                                                                                 \
    }
#define ADD_SUB_IMM(NAME, OP, FLAGS)                                                               \
    case A64_ROW_##NAME##_addsub_imm:                                                              \
        add_sub_imm(l, OP, FLAGS, SZ(NAME##_addsub_imm), X(NAME##_addsub_imm, d),                  \
                    X(NAME##_addsub_imm, n), ARG(NAME##_addsub_imm)->imm);                         \
        return true;
#define LOGIC_SHIFT(NAME, OP, FLAGS)                                                               \
    case A64_ROW_##NAME##_log_shift: {                                                             \
        const unsigned sz = SZ(NAME##_log_shift);                                                  \
        logic(l, OP, FLAGS, sz, X(NAME##_log_shift, d), X(NAME##_log_shift, n),                    \
              shifted(l, sz, X(NAME##_log_shift, m), A64_FIELD_##NAME##_log_shift_shift(i->word),  \
                      ARG(NAME##_log_shift)->amount));                                             \
        return true;                                                                               \
    }
#define LOGIC_IMM(NAME, OP, FLAGS)                                                                 \
    case A64_ROW_##NAME##_log_imm:                                                                 \
        logic_imm(l, OP, FLAGS, SZ(NAME##_log_imm), X(NAME##_log_imm, d), X(NAME##_log_imm, n),    \
                  ARG(NAME##_log_imm)->imm);                                                       \
        return true;
#define TWO(NAME, OP, SIZE)                                                                        \
    case A64_ROW_##NAME:                                                                           \
        two(l, OP, SIZE, X(NAME, d), X(NAME, n), X(NAME, m));                                      \
        return true;
#define ONE(NAME, OP, SIZE)                                                                        \
    case A64_ROW_##NAME:                                                                           \
        one(l, OP, SIZE, X(NAME, d), X(NAME, n));                                                  \
        return true;
#define SELECT(NAME, OP)                                                                           \
    case A64_ROW_##NAME:                                                                           \
        select(l, OP, SZ(NAME), X(NAME, d), X(NAME, n), X(NAME, m), ARG(NAME)->cc);                \
        return true;
#define MULTIPLY_LONG(NAME, SIGN, SUB)                                                             \
    case A64_ROW_##NAME:                                                                           \
        multiply_long(l, SIGN, SUB, X(NAME, d), X(NAME, n), X(NAME, m), X(NAME, a));               \
        return true;
#define CARRY(NAME, OP, FLAGS)                                                                     \
    case A64_ROW_##NAME: {                                                                         \
        const var_t d = X(NAME, d);                                                                \
        if (d != VAR_NONE || (FLAGS)) {                                                            \
            struct ir *r = lift_op(l, OP, SZ(NAME), or_temp(l, d), X(NAME, n), X(NAME, m));        \
            if (FLAGS)                                                                             \
                set_flags(r);                                                                      \
        }                                                                                          \
        return true;                                                                               \
    }

bool lift_integer(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
    case A64_ROW_ADR_only_pcreladdr:
        lift_const(l, X(ADR_only_pcreladdr, d), l->pc + (uint64_t)ARG(ADR_only_pcreladdr)->imm);
        return true;
    case A64_ROW_ADRP_only_pcreladdr:
        lift_const(l, X(ADRP_only_pcreladdr, d),
                   (l->pc & ~UINT64_C(0xfff)) + (uint64_t)ARG(ADRP_only_pcreladdr)->imm);
        return true;
        ADD_SUB_IMM(ADD, IR_ADD, false)
        ADD_SUB_IMM(ADDS, IR_ADD, true)
        ADD_SUB_IMM(SUB, IR_SUB, false)
        ADD_SUB_IMM(SUBS, IR_SUB, true)
        LOGIC_IMM(AND, IR_AND, false)
        LOGIC_IMM(ORR, IR_OR, false)
        LOGIC_IMM(EOR, IR_XOR, false)
        LOGIC_IMM(ANDS, IR_AND, true)
    case A64_ROW_MOVN_movewide:
        lift_const(l, X(MOVN_movewide, d), ARG(MOVN_movewide)->imm);
        return true;
    case A64_ROW_MOVZ_movewide:
        lift_const(l, X(MOVZ_movewide, d), ARG(MOVZ_movewide)->imm);
        return true;
    case A64_ROW_MOVK_movewide: {
        const struct a64_args_MOVK_movewide *a = ARG(MOVK_movewide);
        const var_t d = lift_w(a->d);
        if (d == VAR_NONE)
            return true;
        const unsigned sz = SZ(MOVK_movewide);
        const var_t t = lift_temp(l);
        lift_opi(l, IR_AND, sz, t, d, ~(UINT64_C(0xffff) << a->shift));
        lift_opi(l, IR_OR, sz, d, t, (uint64_t)a->imm << a->shift);
        return true;
    }
    case A64_ROW_SBFM_bitfield:
        bitfield(l, true, SF(SBFM_bitfield), X(SBFM_bitfield, d), X(SBFM_bitfield, n),
                 ARG(SBFM_bitfield)->r, ARG(SBFM_bitfield)->s);
        return true;
    case A64_ROW_UBFM_bitfield:
        bitfield(l, false, SF(UBFM_bitfield), X(UBFM_bitfield, d), X(UBFM_bitfield, n),
                 ARG(UBFM_bitfield)->r, ARG(UBFM_bitfield)->s);
        return true;
    case A64_ROW_BFM_bitfield:
        bitfield_move(l, SF(BFM_bitfield), lift_w(ARG(BFM_bitfield)->d), X(BFM_bitfield, n),
                      ARG(BFM_bitfield)->r, ARG(BFM_bitfield)->s);
        return true;
    case A64_ROW_EXTR_extract:
        extract(l, SZ(EXTR_extract), X(EXTR_extract, d), X(EXTR_extract, n), X(EXTR_extract, m),
                ARG(EXTR_extract)->s);
        return true;
        LOGIC_SHIFT(AND, IR_AND, false)
        LOGIC_SHIFT(BIC, IR_ANDN, false)
        LOGIC_SHIFT(ORR, IR_OR, false)
        LOGIC_SHIFT(ORN, IR_ORN, false)
        LOGIC_SHIFT(EOR, IR_XOR, false)
        LOGIC_SHIFT(ANDS, IR_AND, true)
        LOGIC_SHIFT(BICS, IR_ANDN, true)
    case A64_ROW_EON_log_shift: {
        const unsigned sz = SZ(EON_log_shift);
        const var_t d = X(EON_log_shift, d);
        const var_t m = shifted(l, sz, X(EON_log_shift, m), A64_FIELD_EON_log_shift_shift(i->word),
                                ARG(EON_log_shift)->amount);
        if (d == VAR_NONE)
            return true;
        const var_t t = lift_temp(l);
        lift_op(l, IR_XOR, sz, t, X(EON_log_shift, n), m);
        lift_op(l, IR_NOT, sz, d, t, VAR_NONE);
        return true;
    }
        ADD_SUB_SHIFT(ADD, IR_ADD, false)
        ADD_SUB_SHIFT(ADDS, IR_ADD, true)
        ADD_SUB_SHIFT(SUB, IR_SUB, false)
        ADD_SUB_SHIFT(SUBS, IR_SUB, true)
        ADD_SUB_EXT(ADD, IR_ADD, false)
        ADD_SUB_EXT(ADDS, IR_ADD, true)
        ADD_SUB_EXT(SUB, IR_SUB, false)
        ADD_SUB_EXT(SUBS, IR_SUB, true)
        CARRY(ADC_addsub_carry, IR_ADC, false)
        CARRY(ADCS_addsub_carry, IR_ADC, true)
        CARRY(SBC_addsub_carry, IR_SBC, false)
        CARRY(SBCS_addsub_carry, IR_SBC, true)
    case A64_ROW_CCMN_condcmp_reg:
        compare_if(l, IR_CCMN, SZ(CCMN_condcmp_reg), X(CCMN_condcmp_reg, n), X(CCMN_condcmp_reg, m),
                   0, ARG(CCMN_condcmp_reg)->cc, ARG(CCMN_condcmp_reg)->nzcv);
        return true;
    case A64_ROW_CCMP_condcmp_reg:
        compare_if(l, IR_CCMP, SZ(CCMP_condcmp_reg), X(CCMP_condcmp_reg, n), X(CCMP_condcmp_reg, m),
                   0, ARG(CCMP_condcmp_reg)->cc, ARG(CCMP_condcmp_reg)->nzcv);
        return true;
    case A64_ROW_CCMN_condcmp_imm:
        compare_if(l, IR_CCMN, SZ(CCMN_condcmp_imm), X(CCMN_condcmp_imm, n), VAR_IMM,
                   ARG(CCMN_condcmp_imm)->imm, ARG(CCMN_condcmp_imm)->cc, ARG(CCMN_condcmp_imm)->nzcv);
        return true;
    case A64_ROW_CCMP_condcmp_imm:
        compare_if(l, IR_CCMP, SZ(CCMP_condcmp_imm), X(CCMP_condcmp_imm, n), VAR_IMM,
                   ARG(CCMP_condcmp_imm)->imm, ARG(CCMP_condcmp_imm)->cc, ARG(CCMP_condcmp_imm)->nzcv);
        return true;
        SELECT(CSEL_condsel, IR_SEL)
        SELECT(CSINC_condsel, IR_SELINC)
        SELECT(CSINV_condsel, IR_SELINV)
        SELECT(CSNEG_condsel, IR_SELNEG)
        TWO(UDIV_dp_2src, IR_UDIV, SZ(UDIV_dp_2src))
        TWO(SDIV_dp_2src, IR_SDIV, SZ(SDIV_dp_2src))
        TWO(LSLV_dp_2src, IR_SHL, SZ(LSLV_dp_2src))
        TWO(LSRV_dp_2src, IR_SHR, SZ(LSRV_dp_2src))
        TWO(ASRV_dp_2src, IR_SAR, SZ(ASRV_dp_2src))
        TWO(RORV_dp_2src, IR_ROR, SZ(RORV_dp_2src))
        TWO(SMULH_64_dp_3src, IR_MULHS, 3)
        TWO(UMULH_64_dp_3src, IR_MULHU, 3)
        ONE(RBIT_dp_1src, IR_RBIT, SZ(RBIT_dp_1src))
        ONE(REV16_dp_1src, IR_REV16, SZ(REV16_dp_1src))
        ONE(REV_32_dp_1src, IR_REV, 2)
        ONE(REV32_64_dp_1src, IR_REV32, 3)
        ONE(REV_64_dp_1src, IR_REV, 3)
        ONE(CLZ_dp_1src, IR_CLZ, SZ(CLZ_dp_1src))
        ONE(CLS_dp_1src, IR_CLS, SZ(CLS_dp_1src))
    case A64_ROW_MADD_dp_3src:
        multiply_add(l, false, SZ(MADD_dp_3src), X(MADD_dp_3src, d), X(MADD_dp_3src, n),
                     X(MADD_dp_3src, m), X(MADD_dp_3src, a));
        return true;
    case A64_ROW_MSUB_dp_3src:
        multiply_add(l, true, SZ(MSUB_dp_3src), X(MSUB_dp_3src, d), X(MSUB_dp_3src, n),
                     X(MSUB_dp_3src, m), X(MSUB_dp_3src, a));
        return true;
        MULTIPLY_LONG(SMADDL_64WA_dp_3src, true, false)
        MULTIPLY_LONG(SMSUBL_64WA_dp_3src, true, true)
        MULTIPLY_LONG(UMADDL_64WA_dp_3src, false, false)
        MULTIPLY_LONG(UMSUBL_64WA_dp_3src, false, true)
    default: return false;
    }
}
