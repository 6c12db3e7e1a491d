/* Stage 1 translation of the EL1&0 regime.
 *
 * Pure but for the callbacks. Specification: DDI 0487, "The AArch64 Virtual Memory System Architecture"; the pseudocode
 * function that a C function follows is named above it (AArch64.S1Translate and what it calls). FEAT_LPA2, RME, PIE, D128 and
 * stage 2 do not exist here. */
#include "arch/walk_tables.h"

#include "arch/esr.h"

#include "gen/sysreg_fields.h"

#include <stddef.h>
#include <string.h>

#define SH_OUTER 2

static bool has_bit(uint64_t val, uint64_t mask)
{
    return val & mask;
}

bool walk_ignores_top(uint64_t tcr, gva_t va, bool fetch)
{
    bool upper = bit(va, 55);
    bool tbi = has_bit(tcr, upper ? TCR_EL1_TBI1 : TCR_EL1_TBI0);
    bool tbid = has_bit(tcr, upper ? TCR_EL1_TBID1 : TCR_EL1_TBID0);
    return tbi && !(tbid && fetch);
}

/* TG0 and TG1 are encoded differently; a reserved value acts as 4 KB (DDI 0487 leaves open which implemented size). */
static unsigned granule_bits(uint64_t tcr, bool upper)
{
    static const uint8_t tg0[] = {12, 16, 14, 12}, tg1[] = {12, 14, 12, 16};
    return upper ? tg1[bits(tcr, TCR_EL1_TG1_LO + 1, TCR_EL1_TG1_LO)]
                 : tg0[bits(tcr, TCR_EL1_TG0_LO + 1, TCR_EL1_TG0_LO)];
}

/* AArch64.PhysicalAddressSize: 52 bits need the 64 KB granule, as there is no FEAT_LPA2. */
static unsigned output_bits(uint64_t tcr, unsigned granule)
{
    static const uint8_t size[] = {32, 36, 40, 42,
                                   44, 48, 52, 52 /* reserved: acts as the largest */};
    unsigned limit = granule == 16 ? WALK_PA_BITS : MIN(WALK_PA_BITS, 48);
    return MIN(size[bits(tcr, TCR_EL1_IPS_LO + 2, TCR_EL1_IPS_LO)], limit);
}

/* AArch64.GetS1TTWParams. */
struct walk_params walk_params_of(const struct pe_state *s, gva_t va, bool fetch)
{
    uint64_t tcr = SYS(s, TCR_EL1);
    bool upper = bit(va, 55);
    unsigned granule = granule_bits(tcr, upper);

    return (struct walk_params){
        .ttbr = upper ? SYS(s, TTBR1_EL1) : SYS(s, TTBR0_EL1),
        .sctlr = SYS(s, SCTLR_EL1),
        .granule = granule,
        .txsz = (unsigned)bits(tcr, upper ? 21 : 5, upper ? 16 : 0),
        .oa_bits = output_bits(tcr, granule),
        .tbi = walk_ignores_top(tcr, va, fetch),
        .epd = has_bit(tcr, upper ? TCR_EL1_EPD1 : TCR_EL1_EPD0),
        .e0pd = has_bit(tcr, upper ? TCR_EL1_E0PD1 : TCR_EL1_E0PD0),
        .hpd = has_bit(tcr, upper ? TCR_EL1_HPD1 : TCR_EL1_HPD0),
        .ha = has_bit(tcr, TCR_EL1_HA),
        .hd = has_bit(tcr, TCR_EL1_HA) && has_bit(tcr, TCR_EL1_HD),
    };
}

/* AArch64.S1TxSZFaults. With FEAT_LVA a TxSZ below the minimum faults; above the maximum it may, and does. */
static bool txsz_faults(const struct walk_params *p)
{
    bool is_64k = p->granule == 16;
    return p->txsz < (is_64k ? 12 : 16) || p->txsz > (is_64k ? 47 : 48);
}

/* AArch64.VAIsOutOfRange. */
static bool va_out_of_range(const struct walk_params *p, gva_t va)
{
    unsigned ia_bits = 64 - p->txsz, top = p->tbi ? 55 : 63;
    uint64_t high = bits(va, top, ia_bits);
    return bit(va, 55) ? high != mask64(top - ia_bits + 1) : high != 0;
}

/* AArch64.OAOutOfRange. */
static bool oa_out_of_range(const struct walk_params *p, gpa_t address)
{
    return address >> p->oa_bits;
}

unsigned walk_level_shift(const struct walk_params *p, int level)
{
    return p->granule + (unsigned)(WALK_LAST_LEVEL - level) * (p->granule - 3);
}

/* AArch64.S1StartLevel. */
static int start_level(const struct walk_params *p)
{
    return WALK_LAST_LEVEL - (int)((64 - p->txsz - 1 - p->granule) / (p->granule - 3));
}

/* AArch64.S1TTBaseAddress: the table is aligned to its size, and to 64 bytes where BADDR<5:2> hold address bits 51:48. */
static gpa_t table_base(const struct walk_params *p, int level)
{
    unsigned size_bits = 64 - p->txsz - walk_level_shift(p, level) + 3;
    gpa_t base = p->ttbr & TTBR0_EL1_BADDR;

    if (p->granule == 16 && p->oa_bits == 52)
        base = bits(p->ttbr, 47, 6) << 6 | bits(p->ttbr, 5, 2) << 48;
    return align_down(base, BIT64(size_bits));
}

/* AArch64.NextTableBase, AArch64.LeafBase. With the 64 KB granule bits 15:12 are address bits 51:48, whatever IPS says. */
gpa_t walk_desc_address(const struct walk_params *p, uint64_t desc, unsigned lsb)
{
    gpa_t address = bits(desc, 47, lsb) << lsb;
    if (p->granule == 16)
        address |= bits(desc, 15, 12) << 48;
    return address;
}

/* AArch64.BlockDescSupported. The 4 TB block at level 1 comes with FEAT_LPA. */
static bool block_supported(const struct walk_params *p, int level)
{
    return level == 2 || (level == 1 && p->granule != 14);
}

/* ContiguousSize: log2 of the entries in a run; 0 where the bit means nothing. */
static unsigned contiguous_bits(const struct walk_params *p, int level)
{
    switch (p->granule) {
    case 12: return 4;
    case 14: return level == 3 ? 7 : 5;
    default: return level == 1 ? 0 : 5;
    }
}

static void set_fault(struct walk_result *res, unsigned fsc, int level)
{
    res->ok = false;
    res->fsc = (uint8_t)(fsc + (unsigned)level);
}

static void record(struct walk_result *res, int level, gpa_t gpa, uint64_t desc, const char *kind)
{
    if (res->nr_steps < WALK_MAX_STEPS)
        res->step[res->nr_steps++] =
            (struct walk_step){.level = level, .desc_gpa = gpa, .desc = desc, .kind = kind};
}

/* AArch64.S1DisabledOutput. */
static void walk_disabled(const struct pe_state *s, const struct walk_request *rq, struct walk_result *res)
{
    bool fetch = rq->access == WALK_FETCH;
    unsigned top = walk_ignores_top(SYS(s, TCR_EL1), rq->va, fetch) ? 55 : 63;

    if (bits(rq->va, top, WALK_PA_BITS)) {
        set_fault(res, FSC_ADDRESS_SIZE, 0);
        return;
    }
    res->ok = true;
    res->pa = bits(rq->va, WALK_PA_BITS - 1, 0);
    res->page_len = 4096;
    res->can_read = res->can_write = res->can_fetch = true;
    res->writable_dirty = true;
    res->global = true;
    /* Fetches are Normal: write-through, or non-cacheable without SCTLR_EL1.I. Data is Device-nGnRnE. */
    res->device = !fetch;
    res->attr = !fetch ? 0x00 : SYS(s, SCTLR_EL1) & SCTLR_EL1_I ? 0xaa : 0x44;
    res->shareability = SH_OUTER;
}

/* AArch64.S1DirectBasePermissions, AArch64.S1CheckPermissions: can_* for the level and the PAN state of rq. */
static void apply_permissions(const struct walk_params *p, const struct walk_request *rq,
                              uint64_t desc, const struct walk_table *t, struct walk_result *res)
{
    bool dbm = p->hd && (desc & DESC_DBM); /* writable: the walk cleans AP[2] when it is written */
    bool read_only = ((desc & DESC_AP2) && !dbm) || t->no_write;
    bool user = (desc & DESC_AP1) && !t->no_el0;
    bool wxn = p->sctlr & SCTLR_EL1_WXN;

    if (rq->el0) {
        res->can_read = user;
        res->can_write = user && !read_only;
        res->can_fetch = !(desc & DESC_UXN) && !t->uxn && !(wxn && res->can_write);
    } else {
        bool xn = (desc & DESC_PXN) || t->pxn || (user && !read_only) || (wxn && !read_only);
        bool pan = rq->pan && user;
        res->can_read = !pan;
        res->can_write = !pan && !read_only;
        res->can_fetch = !xn;
    }
    res->writable_dirty = res->can_write && !(desc & DESC_AP2);
}

/* S1DecodeMemAttrs, EffectiveShareability. */
static void apply_attributes(const struct pe_state *s, uint64_t desc, struct walk_result *res)
{
    unsigned index = (unsigned)bits(desc, 4, 2), sh = (unsigned)bits(desc, 9, 8);

    res->attr = (uint8_t)bits(SYS(s, MAIR_EL1), index * 8 + 7, index * 8);
    res->device = (res->attr & 0xf0) == 0;
    /* Device and non-cacheable memory is Outer Shareable; 0b01 is reserved and taken for Non-shareable. */
    res->shareability = (uint8_t)(res->device || res->attr == 0x44 ? SH_OUTER : sh == 1 ? 0 : sh);
    res->global = !(desc & DESC_NG);
    res->guarded = desc & DESC_GP;
}

/* The leaf at level: address size, access flag, permissions, hardware update. False: it changed meanwhile, walk again. */
static bool finish_leaf(const struct pe_state *s, const struct walk_mem *m,
                        const struct walk_request *rq, const struct walk_params *p,
                        const struct walk_table *t, gpa_t desc_gpa, uint64_t desc,
                        struct walk_result *res)
{
    const int level = t->level;
    unsigned shift = walk_level_shift(p, level);
    gpa_t base = walk_desc_address(p, desc, shift);

    if (oa_out_of_range(p, base)) {
        set_fault(res, FSC_ADDRESS_SIZE, level);
        return true;
    }
    if (!(desc & DESC_AF) && !p->ha) {
        set_fault(res, FSC_ACCESS_FLAG, level);
        return true;
    }
    apply_permissions(p, rq, desc, t, res);
    if (!(rq->access == WALK_READ    ? res->can_read
          : rq->access == WALK_WRITE ? res->can_write
                                     : res->can_fetch)) {
        /* SettingAccessFlagPermitted leaves open whether AF is set after a permission fault: it is not. */
        set_fault(res, FSC_PERMISSION, level);
        return true;
    }

    uint64_t updated = desc | DESC_AF; /* ha is set if AF was not */
    if (rq->access == WALK_WRITE && p->hd && (desc & DESC_DBM))
        updated &= ~DESC_AP2;
    res->updates = updated != desc;
    if (res->updates && !rq->no_update) {
        int swapped = m->cas(m->opaque, desc_gpa, desc, updated);
        if (swapped < 0) {
            set_fault(res, FSC_EXTERNAL_WALK, level);
            return true;
        }
        if (!swapped)
            return false;
        res->writable_dirty = res->can_write && !(updated & DESC_AP2);
    }

    unsigned run = (desc & DESC_CONTIGUOUS) ? contiguous_bits(p, level) : 0;
    if (shift + run > 64 - p->txsz)
        run = 0; /* ContiguousBitFaults: misprogrammed, the run would exceed the input range; the bit is ignored */
    res->ok = true;
    res->table = *t;
    res->pa = base | bits(rq->va, shift - 1, 0);
    res->page_len = BIT64(shift + run);
    apply_attributes(s, desc, res);
    return true;
}

/* AArch64.S1Walk and the update at the end of AArch64.S1Translate. False: a descriptor changed under the update. */
static bool walk_tables(const struct pe_state *s, const struct walk_mem *m,
                        const struct walk_request *rq, const struct walk_params *p,
                        struct walk_result *res)
{
    struct walk_table t = {.level = start_level(p)};

    if (rq->from) {
        t = *rq->from;
    } else {
        t.gpa = table_base(p, t.level);
        if (oa_out_of_range(p, t.gpa)) {
            set_fault(res, FSC_ADDRESS_SIZE, 0);
            return true;
        }
    }
    for (;; t.level++) {
        /* The first table may have fewer entries than the others. */
        const unsigned shift = walk_level_shift(p, t.level),
                       msb = MIN(64 - p->txsz, shift + p->granule - 3) - 1;
        const gpa_t gpa = t.gpa + bits(rq->va, msb, shift) * 8;
        const bool last = t.level == WALK_LAST_LEVEL;
        uint64_t desc;

        if (!m->load(m->opaque, gpa, &desc)) {
            set_fault(res, FSC_EXTERNAL_WALK, t.level);
            return true;
        }
        if (!(desc & DESC_VALID)) {
            record(res, t.level, gpa, desc, "invalid");
            set_fault(res, FSC_TRANSLATION, t.level);
            return true;
        }
        if (last ? !(desc & DESC_TABLE) : !(desc & DESC_TABLE) && !block_supported(p, t.level)) {
            record(res, t.level, gpa, desc, "reserved");
            set_fault(res, FSC_TRANSLATION, t.level);
            return true;
        }
        if (last || !(desc & DESC_TABLE)) {
            record(res, t.level, gpa, desc, last ? "page" : "block");
            return finish_leaf(s, m, rq, p, &t, gpa, desc, res);
        }

        record(res, t.level, gpa, desc, "table");
        if (!p->hpd) {
            t.no_el0 |= has_bit(desc, DESC_APTABLE0);
            t.no_write |= has_bit(desc, DESC_APTABLE1);
            t.uxn |= has_bit(desc, DESC_UXNTABLE);
            t.pxn |= has_bit(desc, DESC_PXNTABLE);
        }
        t.gpa = walk_desc_address(p, desc, p->granule);
        if (oa_out_of_range(p, t.gpa)) {
            set_fault(res, FSC_ADDRESS_SIZE, t.level);
            return true;
        }
    }
}

/* All but the steps, of which those that there are say so. */
static void clear(struct walk_result *res)
{
    memset(res, 0, offsetof(struct walk_result, step));
}

/* AArch64.S1Translate. */
void walk_el10(const struct pe_state *s, const struct walk_mem *m, const struct walk_request *rq,
               struct walk_result *res)
{
    clear(res);
    if (!(SYS(s, SCTLR_EL1) & SCTLR_EL1_M)) {
        walk_disabled(s, rq, res);
        return;
    }

    struct walk_params p = walk_params_of(s, rq->va, rq->access == WALK_FETCH);
    if (txsz_faults(&p) || va_out_of_range(&p, rq->va) || (rq->el0 && p.e0pd) || p.epd) {
        set_fault(res, FSC_TRANSLATION, 0);
        return;
    }
    /* Every turn after the first is another agent's progress on the same descriptor. */
    while (!walk_tables(s, m, rq, &p, res))
        clear(res);
}
