/* Pointer authentication: FEAT_PAuth with an implementation defined algorithm; neither FEAT_PAuth2 nor FEAT_FPAC nor FEAT_EPAC,
 * as ID_AA64ISAR1_EL1 says. Pure.
 *
 * Specification: DDI 0487, "Pointer authentication in AArch64 state". */
#ifndef VIBE_ARCH_PAC_H
#define VIBE_ARCH_PAC_H

#include "arch/state.h"

enum pac_key { PAC_KEY_IA, PAC_KEY_IB, PAC_KEY_DA, PAC_KEY_DB };

/* Whether SCTLR_EL1.EnIA, EnIB, EnDA or EnDB lets the key's instructions do anything. pac_add() and pac_auth() ask themselves. */
bool pac_enabled(const struct pe_state *s, enum pac_key key);

/* PACIA and its relatives: ptr with an authentication code in its top bits; ptr itself while the key is not enabled. */
uint64_t pac_add(const struct pe_state *s, uint64_t ptr, uint64_t modifier, enum pac_key key);

/* AUTIA and its relatives: the plain pointer, or one with an error code that makes it non-canonical; ptr itself while the key is not
 * enabled. */
uint64_t pac_auth(const struct pe_state *s, uint64_t ptr, uint64_t modifier, enum pac_key key);

/* XPACI, XPACD: the plain pointer without a check. */
uint64_t pac_strip(const struct pe_state *s, uint64_t ptr, bool data);

/* The bits of a pointer of this half, and to data or to code, that tell nothing of the address: the code takes all of them but bit 55.
 * tcr: TCR_EL1. */
uint64_t pac_field(uint64_t tcr, bool upper, bool data);

/* ComputePAC is (((data ^ key lo) * [0] + key hi) ^ modifier) * [1]. */
extern const uint64_t pac_multiplier[2];

/* PACGA: a 32-bit code over x and modifier in bits 63:32, under APGAKey. Never disabled. */
uint64_t pac_generic(const struct pe_state *s, uint64_t x, uint64_t modifier);

#endif
