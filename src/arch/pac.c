/* Pointer authentication: where the code lies in a pointer, and the hash that makes it.
 *
 * Pure. Specification: DDI 0487, "Pointer authentication in AArch64 state"; pseudocode AddPAC, Auth, Strip, ComputePAC,
 * CalculateBottomPACBit. */
#include "arch/pac.h"

#include "base/err.h"

#include "gen/sysreg_fields.h"

const uint64_t pac_multiplier[2] = {UINT64_C(0xd6e8feb86659fd93), UINT64_C(0x9e3779b97f4a7c15)};

struct key128 {
    uint64_t lo, hi;
};

/* ComputePAC, the implementation defined algorithm: as little as spreads all of data, modifier and key over the upper half, which is all that anybody
 * looks at, because each call of a function in a guest's kernel waits for it. It keeps guests honest, it is no cryptography: a guest's secrets are
 * open to its host anyway. Translated code does the same in line (cpu/jit/emit_pac.c). */
static uint64_t compute_pac(uint64_t data, uint64_t modifier, struct key128 key)
{
    return ((((data ^ key.lo) * pac_multiplier[0]) + key.hi) ^ modifier) * pac_multiplier[1];
}

static struct key128 key_value(const struct pe_state *s, enum pac_key key)
{
    switch (key) {
    case PAC_KEY_IA: return (struct key128){SYS(s, APIAKeyLo_EL1), SYS(s, APIAKeyHi_EL1)};
    case PAC_KEY_IB: return (struct key128){SYS(s, APIBKeyLo_EL1), SYS(s, APIBKeyHi_EL1)};
    case PAC_KEY_DA: return (struct key128){SYS(s, APDAKeyLo_EL1), SYS(s, APDAKeyHi_EL1)};
    case PAC_KEY_DB: return (struct key128){SYS(s, APDBKeyLo_EL1), SYS(s, APDBKeyHi_EL1)};
    }
    BUG("key %d", (int)key);
}

static bool is_data_key(enum pac_key key)
{
    return key == PAC_KEY_DA || key == PAC_KEY_DB;
}

bool pac_enabled(const struct pe_state *s, enum pac_key key)
{
    static const uint64_t enable[] = {
        [PAC_KEY_IA] = SCTLR_EL1_EnIA,
        [PAC_KEY_IB] = SCTLR_EL1_EnIB,
        [PAC_KEY_DA] = SCTLR_EL1_EnDA,
        [PAC_KEY_DB] = SCTLR_EL1_EnDB,
    };
    return SYS(s, SCTLR_EL1) & enable[key];
}

/* EffectiveTBI. */
static bool tag_ignored(uint64_t tcr, bool upper, bool data)
{
    bool tbi = tcr & (upper ? TCR_EL1_TBI1 : TCR_EL1_TBI0);
    bool tbid = tcr & (upper ? TCR_EL1_TBID1 : TCR_EL1_TBID0);
    return tbi && (data || !tbid);
}

/* CalculateBottomPACBit. A TxSZ out of range acts as the nearest one that is in range. */
static unsigned bottom_bit(uint64_t tcr, bool upper)
{
    unsigned txsz = (unsigned)bits(tcr, upper ? 21 : 5, upper ? 16 : 0);
    bool is_64k = upper ? bits(tcr, TCR_EL1_TG1_LO + 1, TCR_EL1_TG1_LO) == 3
                        : bits(tcr, TCR_EL1_TG0_LO + 1, TCR_EL1_TG0_LO) == 1;
    unsigned min = is_64k ? 12 : 16, max = is_64k ? 47 : 48;
    return 64 - MIN(MAX(txsz, min), max);
}

/* ptr with the bits of the field all equal to sel. */
static uint64_t extend(uint64_t ptr, bool sel, uint64_t field)
{
    return sel ? ptr | field : ptr & ~field;
}

uint64_t pac_field(uint64_t tcr, bool upper, bool data)
{
    const unsigned top = tag_ignored(tcr, upper, data) ? 55 : 63, bottom = bottom_bit(tcr, upper);

    return mask64(top - bottom + 1) << bottom;
}

/* Strip. */
uint64_t pac_strip(const struct pe_state *s, uint64_t ptr, bool data)
{
    uint64_t tcr = SYS(s, TCR_EL1);
    bool upper = bit(ptr, 55);
    return extend(ptr, upper, pac_field(tcr, upper, data));
}

/* AddPAC: bit 55 keeps telling the halves apart, so that the code takes 54:bottom, and 63:56 where there is no tag. */
uint64_t pac_add(const struct pe_state *s, uint64_t ptr, uint64_t modifier, enum pac_key key)
{
    if (!pac_enabled(s, key))
        return ptr;

    uint64_t tcr = SYS(s, TCR_EL1);
    bool data = is_data_key(key);
    bool tbi = tag_ignored(tcr, bit(ptr, 55), data);
    unsigned top = tbi ? 55 : 63;
    /* If either half ignores tags, bit 55 selects: 63 may belong to a tag. */
    bool sel = bit(ptr, tag_ignored(tcr, true, data) || tag_ignored(tcr, false, data) ? 55 : 63);
    unsigned bottom = bottom_bit(tcr, sel);
    uint64_t field = mask64(top - bottom + 1) << bottom;
    uint64_t plain = extend(ptr, sel, field), pac = compute_pac(plain, modifier, key_value(s, key));

    /* Not canonical: a code that does not authenticate. */
    if ((ptr & field) != 0 && (ptr & field) != field)
        pac ^= BIT64(top - 1);
    field &= ~BIT64(55);
    return (plain & ~field & ~BIT64(55)) | (pac & field) | (sel ? BIT64(55) : 0);
}

/* Auth. */
uint64_t pac_auth(const struct pe_state *s, uint64_t ptr, uint64_t modifier, enum pac_key key)
{
    if (!pac_enabled(s, key))
        return ptr;

    uint64_t tcr = SYS(s, TCR_EL1);
    bool data = is_data_key(key), upper = bit(ptr, 55);
    bool tbi = tag_ignored(tcr, upper, data);
    uint64_t field = pac_field(tcr, upper, data), plain = extend(ptr, upper, field);

    if (!((compute_pac(plain, modifier, key_value(s, key)) ^ ptr) & field & ~BIT64(55)))
        return plain;

    /* error_code = key_number : NOT(key_number), at 62:61, or 54:53 below a tag. */
    uint64_t error = key == PAC_KEY_IB || key == PAC_KEY_DB ? 2 : 1;
    unsigned at = tbi ? 53 : 61;
    return (plain & ~(UINT64_C(3) << at)) | error << at;
}

uint64_t pac_generic(const struct pe_state *s, uint64_t x, uint64_t modifier)
{
    struct key128 key = {SYS(s, APGAKeyLo_EL1), SYS(s, APGAKeyHi_EL1)};
    return compute_pac(x, modifier, key) & UINT64_C(0xffffffff00000000);
}
