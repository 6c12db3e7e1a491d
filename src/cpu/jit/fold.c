/* Two small passes within blocks: constants are worked out, and what nobody can see is not computed. */
#include "cpu/jit/jit_internal.h"

#include <string.h>

static bool small(int64_t imm)
{
    return imm == (int32_t)imm;
}

static int64_t shifted(int64_t v, unsigned n)
{
    return (int64_t)((uint64_t)v << n);
}

/* --- Constants ------------------------------------------------------------------------------------------------------ */

struct known {
    bool is[JIT_MAX_VARS];
    int64_t value[JIT_MAX_VARS];
};

static bool constant(const struct known *k, var_t v, int64_t *value)
{
    if (v == VAR_ZERO) {
        *value = 0;
        return true;
    }
    if (v >= JIT_MAX_VARS || !k->is[v])
        return false;
    *value = k->value[v];
    return true;
}

/* The operations that can have a constant for b. */
static bool takes_constant(const struct ir *r)
{
    switch (r->op) {
    case IR_ADD:
    case IR_SUB:
    case IR_AND:
    case IR_ANDN:
    case IR_OR:
    case IR_ORN:
    case IR_XOR:
    case IR_MUL:
    case IR_ADC:
    case IR_SBC:
    case IR_CCMP:
    case IR_CCMN: return true;
    default: return false;
    }
}

static bool is_shift(const struct ir *r)
{
    return r->op == IR_SHL || r->op == IR_SHR || r->op == IR_SAR || r->op == IR_ROR;
}

static bool commutes(const struct ir *r)
{
    return r->op == IR_ADD || r->op == IR_AND || r->op == IR_OR || r->op == IR_XOR || r->op == IR_MUL;
}

/* The result of r on constants, if it is one of the simple ones. */
static bool compute(const struct ir *r, int64_t sa, int64_t sb, int64_t *result)
{
    const bool w = r->sz == 3;
    const unsigned mod = w ? 63 : 31;
    const uint64_t a = w ? (uint64_t)sa : (uint32_t)sa, b = (w ? (uint64_t)sb : (uint32_t)sb) << r->scale;
    uint64_t x;

    switch (r->op) {
    case IR_ADD: x = a + b; break;
    case IR_SUB: x = a - b; break;
    case IR_AND: x = a & b; break;
    case IR_ANDN: x = a & ~b; break;
    case IR_OR: x = a | b; break;
    case IR_ORN: x = a | ~b; break;
    case IR_XOR: x = a ^ b; break;
    case IR_MUL: x = a * b; break;
    case IR_SHL: x = a << (b & mod); break;
    case IR_SHR: x = a >> (b & mod); break;
    case IR_SAR:
        x = w ? (uint64_t)((int64_t)a >> (b & mod)) : (uint64_t)((int32_t)a >> (b & mod));
        break;
    case IR_ROR:
        x = w ? ror64(a, (unsigned)(b & mod)) : ror32((uint32_t)a, (unsigned)(b & mod));
        break;
    case IR_NOT: x = ~a; break;
    case IR_ZX8: x = (uint8_t)sa; break;
    case IR_ZX16: x = (uint16_t)sa; break;
    case IR_ZX32: x = (uint32_t)sa; break;
    case IR_SX8: x = (uint64_t)sext((uint64_t)sa, 8); break;
    case IR_SX16: x = (uint64_t)sext((uint64_t)sa, 16); break;
    case IR_SX32: x = (uint64_t)sext((uint64_t)sa, 32); break;
    case IR_MOV: x = (uint64_t)sa; break;
    case IR_UBFX: x = bits(a, (unsigned)r->imm + r->aux - 1, (unsigned)r->imm); break;
    default: return false;
    }
    *result = (int64_t)(w ? x : (uint32_t)x);
    return true;
}

static void fold(struct known *k, struct ir *r)
{
    const uint16_t t = ir_traits[r->op];
    int64_t a = 0, b = 0, result;

    if (commutes(r) && !r->scale && constant(k, r->a, &a) && r->b < VAR_IMM && !constant(k, r->b, &b)) {
        const var_t x = r->a;
        r->a = r->b;
        r->b = x;
    }
    const bool has_a = !(t & IRT_A) || constant(k, r->a, &a);
    bool has_b = !(t & IRT_B);
    if (r->b == VAR_IMM) {
        has_b = true;
        b = r->imm;
    } else if ((t & IRT_B) && constant(k, r->b, &b)) {
        has_b = true;
    }
    if ((t & IRT_A) && has_a && has_b && !(r->fl & IRF_SETF) && compute(r, a, b, &result)) {
        const var_t d = r->d;
        const uint16_t gi = r->gi;
        *r = (struct ir){.op = IR_MOVI,
                         .sz = 3,
                         .gi = gi,
                         .d = d,
                         .a = VAR_NONE,
                         .b = VAR_NONE,
                         .c = VAR_NONE,
                         .h = VAR_NONE,
                         .imm = result};
    } else if (has_b && (t & IRT_B) && r->b < VAR_IMM) {
        b = r->sz == 3 ? b : (int32_t)b;
        if (takes_constant(r) && small(r->sz == 3 ? shifted(b, r->scale) : b)) {
            r->imm = r->sz == 3 ? shifted(b, r->scale) : (int32_t)((uint32_t)shifted(b, r->scale));
            r->scale = 0;
            r->b = VAR_IMM;
        } else if (is_shift(r)) {
            r->imm = b & (r->sz == 3 ? 63 : 31);
            r->b = VAR_IMM;
        }
    } else if ((t & IRT_M) && r->b < VAR_IMM && constant(k, r->b, &b) && r->scale < 4 && small(b) &&
               small(r->imm + (shifted(b, r->scale)))) {
        r->imm += shifted(b, r->scale);
        r->b = VAR_NONE;
        r->scale = 0;
    }
    if ((ir_traits[r->op] & IRT_D) && r->d < JIT_MAX_VARS) {
        k->is[r->d] = r->op == IR_MOVI;
        k->value[r->d] = r->imm;
    }
}

void jit_pass_fold(struct jit_unit *u)
{
    static _Thread_local struct known k;

    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const struct jit_block *b = &u->block[u->order[n]];
        memset(k.is, 0, VAR_NR_GUEST * sizeof(k.is[0])); /* temporaries are defined before they are used */
        for (unsigned i = b->ir_first; i < b->ir_end; i++)
            fold(&k, &u->ir[i]);
    }
}

/* --- What nobody sees ------------------------------------------------------------------------------------------------ */

static bool has_effect(const struct ir *r)
{
    return (ir_traits[r->op] & (IRT_E | IRT_T)) || (r->fl & IRF_SETF) ||
           !(ir_traits[r->op] & IRT_D) || r->op == IR_HOME;
}

void jit_pass_dead(struct jit_unit *u)
{
    static _Thread_local bool wanted[JIT_MAX_VARS];
    bool at_site[JIT_MAX_INSNS + 1] = {false}; /* of guest instructions that C code may do, and write all that they write */

    for (unsigned i = 0; i < u->nr_ir; i++)
        at_site[u->ir[i].gi] |= (ir_traits[u->ir[i].op] & IRT_E) != 0;
    memset(wanted, 0, sizeof(wanted));
    for (unsigned n = u->nr_blocks; n-- > 0;) {
        const struct jit_block *b = &u->block[u->order[n]];
        memset(wanted, 1, VAR_NR_GUEST);
        for (unsigned i = b->ir_end; i-- > b->ir_first;) {
            struct ir *r = &u->ir[i];
            if (r->op == IR_NOP)
                continue;
            const uint16_t t = ir_traits[r->op];
            if ((t & IRT_D) && r->d < JIT_MAX_VARS) {
                if (!wanted[r->d] && !has_effect(r) && !(jit_is_guest(r->d) && at_site[r->gi])) {
                    r->op = IR_NOP;
                    continue;
                }
                wanted[r->d] = false;
            }
            if (t & IRT_E)
                memset(wanted, 1, VAR_NR_GUEST);
            if ((t & (IRT_A | IRT_M)) && r->a < JIT_MAX_VARS)
                wanted[r->a] = true;
            if ((t & (IRT_B | IRT_M)) && r->b < VAR_IMM)
                wanted[r->b] = true;
            if ((t & IRT_C) && r->c < VAR_IMM)
                wanted[r->c] = true;
            if ((t & IRT_H) && r->h < VAR_IMM)
                wanted[r->h] = true;
        }
    }
}
