/* The instructions under "Data Processing -- Immediate".
 *
 * Threads: the CPU's own. Rows and operands: spec/a64.isa.
 * Specification: DDI 0487, "A64 Base Instruction Descriptions". */
#include "cpu/alu.h"
#include "cpu/interp.h"

/* --- PC-rel. addressing --------------------------------------------------------------------------------------------- */

OP(ADR_only_pcreladdr)
{
    c->st.x[a->d] = cpu_pc(c, insn) + (uint64_t)(int64_t)a->imm;
    return insn + 1;
}

/* The decoded page is 4 KiB, as ADRP's: its address is PC<63:12>:Zeros(12). */
OP(ADRP_only_pcreladdr)
{
    c->st.x[a->d] = c->code.va + (uint64_t)(int64_t)a->imm;
    return insn + 1;
}

/* --- Add/subtract (immediate) --------------------------------------------------------------------------------------- */

OP(ADD_addsub_imm)
{
    c->st.x[a->d] = width(sf, c->st.x[a->n] + a->imm);
    return insn + 1;
}

OP(ADDS_addsub_imm)
{
    c->st.x[a->d] = add_flags(sf, c->st.x[a->n], a->imm, &c->st.nzcv);
    return insn + 1;
}

OP(SUB_addsub_imm)
{
    c->st.x[a->d] = width(sf, c->st.x[a->n] - a->imm);
    return insn + 1;
}

OP(SUBS_addsub_imm)
{
    c->st.x[a->d] = sub_flags(sf, c->st.x[a->n], a->imm, &c->st.nzcv);
    return insn + 1;
}

/* --- Logical (immediate) -------------------------------------------------------------------------------------------- */

OP(AND_log_imm)
{
    c->st.x[a->d] = width(sf, c->st.x[a->n] & a->imm);
    return insn + 1;
}

OP(ORR_log_imm)
{
    c->st.x[a->d] = width(sf, c->st.x[a->n] | a->imm);
    return insn + 1;
}

OP(EOR_log_imm)
{
    c->st.x[a->d] = width(sf, c->st.x[a->n] ^ a->imm);
    return insn + 1;
}

OP(ANDS_log_imm)
{
    uint64_t r = width(sf, c->st.x[a->n] & a->imm);

    c->st.x[a->d] = r;
    c->st.nzcv = flags_logical(sf, r);
    return insn + 1;
}

/* --- Move wide (immediate) ------------------------------------------------------------------------------------------ */

OP(MOVN_movewide)
{
    c->st.x[a->d] = a->imm;
    return insn + 1;
}

OP(MOVZ_movewide)
{
    c->st.x[a->d] = a->imm;
    return insn + 1;
}

OP(MOVK_movewide)
{
    uint64_t old = c->st.x[a->d] & ~(UINT64_C(0xffff) << a->shift);

    c->st.x[wslot(a->d)] = width(sf, old | (uint64_t)a->imm << a->shift);
    return insn + 1;
}

/* --- Bitfield ------------------------------------------------------------------------------------------------------- *
 * UBFM takes bits s:0 to the top of the register and from there down to where they belong. With s >= r that is s - r (an
 * extract), else s + N - r (an insert into zeros); the distance from the top is r - s - 1 modulo N in both cases. */

static inline uint64_t ubfm(unsigned sf, uint64_t x, unsigned r, unsigned s)
{
    return sf ? (x << (63 - s)) >> ((r - s - 1) & 63) : ((uint32_t)x << (31 - s)) >> ((r - s - 1) & 31);
}

OP(SBFM_bitfield)
{
    uint64_t x = c->st.x[a->n];

    if (sf)
        x = (uint64_t)((int64_t)(x << (63 - a->s)) >> ((a->r - a->s - 1) & 63));
    else
        x = (uint32_t)((int32_t)((uint32_t)x << (31 - a->s)) >> ((a->r - a->s - 1) & 31));
    c->st.x[a->d] = x;
    return insn + 1;
}

OP(BFM_bitfield)
{
    uint64_t keep = width(sf, ~ubfm(sf, ~UINT64_C(0), a->r, a->s));

    c->st.x[wslot(a->d)] = (c->st.x[a->d] & keep) | ubfm(sf, c->st.x[a->n], a->r, a->s);
    return insn + 1;
}

OP(UBFM_bitfield)
{
    c->st.x[a->d] = ubfm(sf, c->st.x[a->n], a->r, a->s);
    return insn + 1;
}

/* --- Extract -------------------------------------------------------------------------------------------------------- */

OP(EXTR_extract)
{
    uint64_t n = c->st.x[a->n], m = c->st.x[a->m];

    if (sf) /* two shifts: s may be 0 */
        c->st.x[a->d] = n << 1 << (63 - a->s) | m >> a->s;
    else
        c->st.x[a->d] = (uint32_t)((n << 32 | (uint32_t)m) >> a->s);
    return insn + 1;
}
