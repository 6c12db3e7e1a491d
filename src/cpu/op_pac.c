/* Pointer authentication, but for the branches that authenticate (op_branch.c) and ERETAA (op_system.c).
 *
 * Threads: the CPU's own. The algorithm, and that a key not enabled leaves pointers alone, is arch/pac.h's.
 * Specification: DDI 0487, "Pointer authentication in AArch64 state". */
#include "arch/pac.h"
#include "cpu/interp.h"

_Static_assert(PAC_KEY_IA == 0 && PAC_KEY_IB == 1 && PAC_KEY_DA == 2 && PAC_KEY_DB == 3, "pac_key()");

/* The key of fields data (instruction or data) and key (A or B). */
static inline enum pac_key pac_key(unsigned data, unsigned key)
{
    return (enum pac_key)(data << 1 | key);
}

/* --- Data-processing (1 source), (2 source) ------------------------------------------------------------------------- */

OP(PAC_64P_dp_1src)
{
    c->st.x[wslot(a->d)] = pac_add(&c->st, c->st.x[a->d], c->st.x[a->n], pac_key(a->data, a->key));
    return insn + 1;
}

OP(AUT_64P_dp_1src)
{
    c->st.x[wslot(a->d)] = pac_auth(&c->st, c->st.x[a->d], c->st.x[a->n], pac_key(a->data, a->key));
    return insn + 1;
}

OP(PACZ_64Z_dp_1src)
{
    c->st.x[wslot(a->d)] = pac_add(&c->st, c->st.x[a->d], 0, pac_key(a->data, a->key));
    return insn + 1;
}

OP(AUTZ_64Z_dp_1src)
{
    c->st.x[wslot(a->d)] = pac_auth(&c->st, c->st.x[a->d], 0, pac_key(a->data, a->key));
    return insn + 1;
}

OP(XPAC_64Z_dp_1src)
{
    c->st.x[wslot(a->d)] = pac_strip(&c->st, c->st.x[a->d], a->data);
    return insn + 1;
}

OP(PACGA_64_dp_2src)
{
    c->st.x[a->d] = pac_generic(&c->st, c->st.x[a->n], c->st.x[a->m]);
    return insn + 1;
}

/* --- Hints ---------------------------------------------------------------------------------------------------------- */

/* PACIxxx, AUTIxxx: the pointer in x[reg] is replaced. */
static void pac_hint(struct cpu *c, unsigned auth, unsigned key, unsigned reg, uint64_t modifier)
{
    uint64_t *x = &c->st.x[reg];

    *x = auth ? pac_auth(&c->st, *x, modifier, pac_key(0, key))
              : pac_add(&c->st, *x, modifier, pac_key(0, key));
}

OP(PAC1716_HI_hints)
{
    pac_hint(c, a->auth, a->key, 17, c->st.x[16]);
    return insn + 1;
}

OP(PACZSP_HI_hints)
{
    pac_hint(c, a->auth, a->key, REG_LR, a->sp ? c->st.x[REG_SP] : 0);
    return insn + 1;
}

OP(XPACLRI_HI_hints)
{
    (void)a;
    c->st.x[REG_LR] = pac_strip(&c->st, c->st.x[REG_LR], false);
    return insn + 1;
}

/* --- LDRAA, LDRAB --------------------------------------------------------------------------------------------------- */

/* The base is authenticated with modifier zero and stays so when it is written back. */
OP(LDRA_ldst_pac)
{
    uint64_t v;

    if (!sp_ok(c, a->n))
        return cpu_mem_fault(c, insn);
    const gva_t va = pac_auth(&c->st, c->st.x[a->n], 0, pac_key(1, a->key)) + (uint64_t)(int64_t)a->imm;
    if (!mem_load(c, va, 8, 0, &v))
        return cpu_mem_fault(c, insn);
    c->st.x[a->t] = v;
    if (W)
        c->st.x[a->n] = va;
    return insn + 1;
}
