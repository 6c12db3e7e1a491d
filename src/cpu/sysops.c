/* System instructions: cache and TLB maintenance, address translation, prediction restriction.
 *
 * A row an instruction; what has no row is UNDEFINED. Owner thread only. Specification: DDI 0487, "A64 system instructions for cache maintenance",
 * "... for address translation", "TLB maintenance instructions". */
#include "cpu/sysops.h"

#include "arch/sysreg.h"
#include "cpu/cpu_internal.h"
#include "cpu/interp.h"

#include "gen/sysreg_fields.h"

#include <string.h>

/* Runs one; x is Xt. False: c->exc holds a fault. */
typedef bool sysop_fn(struct cpu *c, uint16_t op, uint64_t x);

struct sysop_desc {
    const char *name;
    sysop_fn *fn;
    uint64_t el0; /* the SCTLR_EL1 bit that allows it at EL0; 0: UNDEFINED there */
};

/* --- Caches --------------------------------------------------------------------------------------------------------- */

static bool op_nop(struct cpu *c, uint16_t op, uint64_t x)
{
    (void)c;
    (void)op;
    (void)x;
    return true;
}

/* A maintenance operation by address faults like a load, with CM and WnR set in the syndrome. */
static bool maintain(struct cpu *c, gva_t va, enum walk_access access, struct tlb_view *v)
{
    if (tlb_translate(c, va, 0, access, 0, v))
        return true;
    c->exc.esr |= ISS_DABT_CM | ISS_DABT_WNR;
    return false;
}

static bool op_dc_va(struct cpu *c, uint16_t op, uint64_t x)
{
    struct tlb_view v;
    (void)op;
    return maintain(c, x, WALK_READ, &v);
}

static bool op_dc_ivac(struct cpu *c, uint16_t op, uint64_t x)
{
    struct tlb_view v;
    (void)op;
    return maintain(c, x, WALK_WRITE, &v);
}

static bool op_dc_zva(struct cpu *c, uint16_t op, uint64_t x)
{
    struct tlb_view v;

    (void)op;
    if (!tlb_translate(c, align_down(x, SYSOP_LINE), SYSOP_LINE, WALK_WRITE, 0, &v)) {
        c->exc.far = x;
        return false;
    }
    if (v.device || !v.host) {
        mem_set_abort(c, x, true, FSC_ALIGNMENT);
        return false;
    }
    memset(v.host, 0, SYSOP_LINE);
    return true;
}

static bool op_ic_ivau(struct cpu *c, uint16_t op, uint64_t x)
{
    struct tlb_view v;

    (void)op;
    if (!maintain(c, x, WALK_READ, &v))
        return false;
    cpu_broadcast(c, &(struct cpu_inval){.what = INVAL_ICACHE_PA,
                                         .addr = align_down(v.pa, SYSOP_LINE),
                                         .len = SYSOP_LINE});
    return true;
}

static bool op_ic_iallu(struct cpu *c, uint16_t op, uint64_t x)
{
    (void)op;
    (void)x;
    icache_flush_all(c);
    return true;
}

static bool op_ic_ialluis(struct cpu *c, uint16_t op, uint64_t x)
{
    (void)op;
    (void)x;
    cpu_broadcast(c, &(struct cpu_inval){.what = INVAL_ICACHE_ALL});
    return true;
}

/* --- TLB ------------------------------------------------------------------------------------------------------------ */

static void tlbi(struct cpu *c, bool broadcast, const struct cpu_inval *inv)
{
    if (broadcast)
        cpu_broadcast(c, inv);
    else if (inv->what == INVAL_TLB_VA)
        tlb_flush_va(c, inv->addr, inv->len);
    else if (inv->what == INVAL_TLB_ASID)
        tlb_flush_asid(c, (unsigned)inv->asid);
    else {
        tlb_flush_all(c);
        cpu_context_changed(c);
    }
}

/* CRm 1 (Outer Shareable) and 3 (Inner Shareable), and 5 and 2 of the range forms, are heard by all CPUs. */
static bool is_broadcast(uint16_t op)
{
    const unsigned crm = op >> 3 & 15;
    return crm != 7 && crm != 6;
}

static bool op_tlbi_all(struct cpu *c, uint16_t op, uint64_t x)
{
    (void)x;
    tlbi(c, is_broadcast(op), &(struct cpu_inval){.what = INVAL_TLB_ALL});
    return true;
}

static bool op_tlbi_asid(struct cpu *c, uint16_t op, uint64_t x)
{
    tlbi(c, is_broadcast(op),
         &(struct cpu_inval){.what = INVAL_TLB_ASID, .asid = (int32_t)bits(x, 63, 48)});
    return true;
}

/* Smallest to largest granule: an address of TLBI names a page of 4 KiB at least; a larger page is dropped by its pieces' record. */
static bool op_tlbi_va(struct cpu *c, uint16_t op, uint64_t x)
{
    tlbi(c, is_broadcast(op),
         &(struct cpu_inval){.what = INVAL_TLB_VA,
                             .asid = (int32_t)bits(x, 63, 48),
                             .addr = (uint64_t)sext(bits(x, 43, 0) << 12, 56),
                             .len = TLB_PAGE_SIZE});
    return true;
}

/* TG 47:46, SCALE 45:44, NUM 43:39, BaseADDR 36:0 in units of the granule. */
static bool op_tlbi_range(struct cpu *c, uint16_t op, uint64_t x)
{
    static const uint8_t shift[4] = {12, 12, 14, 16};
    const unsigned granule = shift[bits(x, 47, 46)], scale = (unsigned)bits(x, 45, 44);
    const uint64_t pages = (bits(x, 43, 39) + 1) << (5 * scale + 1);

    tlbi(c, is_broadcast(op),
         &(struct cpu_inval){.what = INVAL_TLB_VA,
                             .asid = (int32_t)bits(x, 63, 48),
                             .addr = (uint64_t)sext(bits(x, 36, 0), 37) << granule,
                             .len = pages << granule});
    return true;
}

/* --- Address translation -------------------------------------------------------------------------------------------- */

static bool op_at(struct cpu *c, uint16_t op, uint64_t x)
{
    const unsigned op2 = op & 7;
    struct walk_result w;
    uint64_t par;

    tlb_walk(c,
             &(struct walk_request){
                 .va = x,
                 .access = op2 & 1 ? WALK_WRITE : WALK_READ,
                 .el0 = op2 & 2,
                 .pan = (op >> 3 & 15) == 9 && (c->st.misc & PSR_PAN), /* S1E1RP, S1E1WP */
                 .no_update = true,
             },
             &w);
    if (w.ok)
        par = (uint64_t)w.attr << 56 | (w.pa & mask64(52) & ~mask64(12)) | BIT64(11) | BIT64(9) |
              (uint64_t)w.shareability << 7;
    else
        par = BIT64(11) | (uint64_t)w.fsc << 1 | 1;
    SYS(&c->st, PAR_EL1) = par;
    return true;
}

/* --- The table ------------------------------------------------------------------------------------------------------ */

#define UCI SCTLR_EL1_UCI
#define TLBI_ROWS(ROW, suffix, crm)                                                                \
    ROW(0, 8, crm, 0, "tlbi vmalle1" suffix, op_tlbi_all, 0)                                       \
    ROW(0, 8, crm, 1, "tlbi vae1" suffix, op_tlbi_va, 0)                                           \
    ROW(0, 8, crm, 2, "tlbi aside1" suffix, op_tlbi_asid, 0)                                       \
    ROW(0, 8, crm, 3, "tlbi vaae1" suffix, op_tlbi_va, 0)                                          \
    ROW(0, 8, crm, 5, "tlbi vale1" suffix, op_tlbi_va, 0)                                          \
    ROW(0, 8, crm, 7, "tlbi vaale1" suffix, op_tlbi_va, 0)
#define TLBI_RANGE_ROWS(ROW, suffix, crm)                                                          \
    ROW(0, 8, crm, 1, "tlbi rvae1" suffix, op_tlbi_range, 0)                                       \
    ROW(0, 8, crm, 3, "tlbi rvaae1" suffix, op_tlbi_range, 0)                                      \
    ROW(0, 8, crm, 5, "tlbi rvale1" suffix, op_tlbi_range, 0)                                      \
    ROW(0, 8, crm, 7, "tlbi rvaale1" suffix, op_tlbi_range, 0)

/* op1, CRn, CRm, op2, name, function, what allows it at EL0 */
#define SYSOPS(ROW)                                                                                \
    ROW(0, 7, 1, 0, "ic ialluis", op_ic_ialluis, 0)                                                \
    ROW(0, 7, 5, 0, "ic iallu", op_ic_iallu, 0)                                                    \
    ROW(3, 7, 5, 1, "ic ivau", op_ic_ivau, UCI)                                                    \
    ROW(0, 7, 6, 1, "dc ivac", op_dc_ivac, 0)                                                      \
    ROW(0, 7, 6, 2, "dc isw", op_nop, 0)                                                           \
    ROW(0, 7, 10, 2, "dc csw", op_nop, 0)                                                          \
    ROW(0, 7, 14, 2, "dc cisw", op_nop, 0)                                                         \
    ROW(3, 7, 4, 1, "dc zva", op_dc_zva, SCTLR_EL1_DZE)                                            \
    ROW(3, 7, 10, 1, "dc cvac", op_dc_va, UCI)                                                     \
    ROW(3, 7, 11, 1, "dc cvau", op_dc_va, UCI)                                                     \
    ROW(3, 7, 12, 1, "dc cvap", op_dc_va, UCI)                                                     \
    ROW(3, 7, 13, 1, "dc cvadp", op_dc_va, UCI)                                                    \
    ROW(3, 7, 14, 1, "dc civac", op_dc_va, UCI)                                                    \
    ROW(0, 7, 8, 0, "at s1e1r", op_at, 0)                                                          \
    ROW(0, 7, 8, 1, "at s1e1w", op_at, 0)                                                          \
    ROW(0, 7, 8, 2, "at s1e0r", op_at, 0)                                                          \
    ROW(0, 7, 8, 3, "at s1e0w", op_at, 0)                                                          \
    ROW(0, 7, 9, 0, "at s1e1rp", op_at, 0)                                                         \
    ROW(0, 7, 9, 1, "at s1e1wp", op_at, 0)                                                         \
    ROW(3, 7, 3, 4, "cfp rctx", op_nop, SCTLR_EL1_EnRCTX)                                          \
    ROW(3, 7, 3, 5, "dvp rctx", op_nop, SCTLR_EL1_EnRCTX)                                          \
    ROW(3, 7, 3, 7, "cpp rctx", op_nop, SCTLR_EL1_EnRCTX)                                          \
    TLBI_ROWS(ROW, "os", 1)                                                                        \
    TLBI_ROWS(ROW, "is", 3)                                                                        \
    TLBI_ROWS(ROW, "", 7)                                                                          \
    TLBI_RANGE_ROWS(ROW, "is", 2)                                                                  \
    TLBI_RANGE_ROWS(ROW, "os", 5)                                                                  \
    TLBI_RANGE_ROWS(ROW, "", 6)

/* A case a row: the compiler finds the quickest way, and that no two are the same. */
static const struct sysop_desc *sysop_find(uint16_t op)
{
    switch (op) {
#define ROW(op1, crn, crm, op2, text, function, allowed)                                           \
    case SYSOP(op1, crn, crm, op2): {                                                              \
        static const struct sysop_desc d = {text, function, allowed};                              \
        return &d;                                                                                 \
    }
        SYSOPS(ROW)
#undef ROW
    default: return NULL;
    }
}

const char *sysop_name(uint16_t op)
{
    const struct sysop_desc *d = sysop_find(op);
    return d ? d->name : NULL;
}

OP(SYS_CR_systeminstrs)
{
    const struct sysop_desc *d = sysop_find(a->op);

    if (!d || (c->st.el == 0 && !d->el0))
        return cpu_undefined(c, insn);
    if (c->st.el == 0 && !(SYS(&c->st, SCTLR_EL1) & d->el0))
        return cpu_raise(c, insn, EC_SYSREG, sysreg_iss((uint16_t)(1u << 14 | a->op), a->t, false));
    return d->fn(c, a->op, c->st.x[a->t]) ? insn + 1 : cpu_mem_fault(c, insn);
}

/* No SYSL instruction is allocated up to Armv8.5. */
OP(SYSL_RC_systeminstrs)
{
    (void)a;
    return cpu_undefined(c, insn);
}
