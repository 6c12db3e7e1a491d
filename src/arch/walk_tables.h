/* The layout of translation tables, for the walk and for who shows one: DDI 0487, "VMSAv8-64 translation table format descriptors". Pure. */
#ifndef VIBE_ARCH_WALK_TABLES_H
#define VIBE_ARCH_WALK_TABLES_H

#include "arch/walk.h"

#include "base/bits.h"

#define DESC_VALID BIT64(0)
#define DESC_TABLE BIT64(1) /* table at levels 0..2, page at level 3 */
#define DESC_AP1 BIT64(6)   /* EL0 may access */
#define DESC_AP2 BIT64(7)   /* read-only */
#define DESC_AF BIT64(10)
#define DESC_ADDRESS_4K (mask64(48) & ~mask64(12)) /* of a page of 4 KiB */
#define DESC_NG BIT64(11)
#define DESC_GP BIT64(50)
#define DESC_DBM BIT64(51)
#define DESC_CONTIGUOUS BIT64(52)
#define DESC_PXN BIT64(53)
#define DESC_UXN BIT64(54)
#define DESC_PXNTABLE BIT64(59)
#define DESC_UXNTABLE BIT64(60)
#define DESC_APTABLE0 BIT64(61) /* no access from EL0 */
#define DESC_APTABLE1 BIT64(62) /* no writes */

/* S1TTWParams: what the control registers say of the half of the addresses that va is in. */
struct walk_params {
    uint64_t ttbr;
    uint64_t sctlr;
    unsigned granule; /* log2 bytes: 12, 14, 16 */
    unsigned txsz;
    unsigned oa_bits; /* AArch64.PhysicalAddressSize */
    bool tbi, epd, e0pd, hpd, ha, hd;
};
struct walk_params walk_params_of(const struct pe_state *s, gva_t va, bool fetch);

/* Lowest VA bit that a descriptor of this level does not resolve further. */
unsigned walk_level_shift(const struct walk_params *p, int level);
/* The address in a descriptor, down to bit lsb: of a table that is the granule, of a leaf its level's shift. */
gpa_t walk_desc_address(const struct walk_params *p, uint64_t desc, unsigned lsb);

#endif
