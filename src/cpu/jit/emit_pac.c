/* Pointer authentication in line: arch/pac.c says what of. A pointer that is not canonical, or that does not authenticate, is for the interpreter's
 * function. */
#include "cpu/jit/emit.h"

#include "arch/pac.h"

static struct x64_mem key_half(unsigned key, bool hi)
{
    static const uint16_t lo[] = {
        [PAC_KEY_IA] = SR_APIAKeyLo_EL1, [PAC_KEY_IB] = SR_APIBKeyLo_EL1, [PAC_KEY_DA] = SR_APDAKeyLo_EL1, [PAC_KEY_DB] = SR_APDBKeyLo_EL1};
    static const uint16_t high[] = {
        [PAC_KEY_IA] = SR_APIAKeyHi_EL1, [PAC_KEY_IB] = SR_APIBKeyHi_EL1, [PAC_KEY_DA] = SR_APDAKeyHi_EL1, [PAC_KEY_DB] = SR_APDBKeyHi_EL1};
    return x64_at(CPU, CPU_AT(st.sys) + (hi ? high[key] : lo[key]) * 8);
}

/* d = all ones for a pointer to the upper half, zero to the lower one. */
static void half(struct emit *e, int d, int pointer)
{
    x64_mov_rr(e->b, X_64, d, pointer);
    x64_shift_ri(e->b, SH_SHL, X_64, d, 8);
    x64_shift_ri(e->b, SH_SAR, X_64, d, 63);
}

/* d = the bits that are not the address's, in the half that h tells. */
static void field(struct emit *e, const struct ir *r, int d, int h)
{
    const unsigned data = r->aux == PAC_KEY_DA || r->aux == PAC_KEY_DB;

    x64_load(e->b, X_64, d, x64_at_index(CPU, h, 3, CPU_AT(jit_hot.pac_field[data][1])));
}

static void multiply(struct emit *e, int d, unsigned n)
{
    x64_rm(e->b, 0x0faf, X_64, d, x64_at(CPU, CPU_AT(jit_hot.pac_multiplier[n])));
}

/* SCRATCH3 = ComputePAC of the pointer in it. */
static void compute(struct emit *e, const struct ir *r)
{
    x64_alu_rm(e->b, ALU_XOR, X_64, SCRATCH3, key_half(r->aux, false));
    multiply(e, SCRATCH3, 0);
    x64_alu_rm(e->b, ALU_ADD, X_64, SCRATCH3, key_half(r->aux, true));
    if (emit_hreg(e, r->b) != X64_NONE)
        x64_alu_rr(e->b, ALU_XOR, X_64, SCRATCH3, emit_hreg(e, r->b));
    else if (r->b < JIT_MAX_WEBS) /* not zero */
        x64_alu_rm(e->b, ALU_XOR, X_64, SCRATCH3, emit_memory(e, r->b));
    multiply(e, SCRATCH3, 1);
}

/* reg = the bits of the code, of a pointer in it. */
static void code_bits(struct emit *e, const struct ir *r, int reg)
{
    half(e, reg, reg);
    field(e, r, reg, reg);
    x64_rr(e->b, 0x0fba, X_64, 6, reg); /* BTR */
    x64_byte(e->b, 55);
}

static void to_site_if(struct emit *e, enum x64_cc cc)
{
    emit_site_stub(e, emit_site(e, SITE_MEMORY), x64_jcc(e->b, cc), X64_NONE);
}

/* SCRATCH: the pointer; SCRATCH2 = where it is not canonical. */
static void beside_canonical(struct emit *e, const struct ir *r)
{
    const int a = emit_use(e, r->a, SCRATCH);

    if (a != SCRATCH)
        x64_mov_rr(e->b, X_64, SCRATCH, a);
    half(e, SCRATCH2, SCRATCH);
    field(e, r, SCRATCH3, SCRATCH2);
    x64_alu_rr(e->b, ALU_XOR, X_64, SCRATCH2, SCRATCH);
    x64_alu_rr(e->b, ALU_AND, X_64, SCRATCH2, SCRATCH3);
}

static void add(struct emit *e, const struct ir *r)
{
    beside_canonical(e, r);
    to_site_if(e, CC_NE);
    x64_mov_rr(e->b, X_64, SCRATCH3, SCRATCH);
    compute(e, r);
    x64_mov_rr(e->b, X_64, SCRATCH2, SCRATCH);
    code_bits(e, r, SCRATCH2);
    x64_alu_rr(e->b, ALU_XOR, X_64, SCRATCH3, SCRATCH);
    x64_alu_rr(e->b, ALU_AND, X_64, SCRATCH3, SCRATCH2);
    x64_alu_rr(e->b, ALU_XOR, X_64, SCRATCH, SCRATCH3);
    const int d = emit_def(e, r->d, SCRATCH);
    if (d != SCRATCH)
        x64_mov_rr(e->b, X_64, d, SCRATCH);
    emit_defined(e, r->d, d);
}

static void authenticate(struct emit *e, const struct ir *r)
{
    beside_canonical(e, r);
    x64_alu_rr(e->b, ALU_XOR, X_64, SCRATCH2, SCRATCH); /* the plain pointer */
    x64_mov_rr(e->b, X_64, SCRATCH3, SCRATCH2);
    compute(e, r);
    x64_alu_rr(e->b, ALU_XOR, X_64, SCRATCH3, SCRATCH);
    code_bits(e, r, SCRATCH);
    x64_test_rr(e->b, X_64, SCRATCH3, SCRATCH);
    to_site_if(e, CC_NE);
    const int d = emit_def(e, r->d, SCRATCH2);
    if (d != SCRATCH2)
        x64_mov_rr(e->b, X_64, d, SCRATCH2);
    emit_defined(e, r->d, d);
}

bool emit_pac(struct emit *e, const struct ir *r)
{
    switch (r->op) {
    case IR_PAC: add(e, r); return true;
    case IR_AUT: authenticate(e, r); return true;
    default: return false;
    }
}
