/* Semihosting of A64: what calls are made by, and their constants ("Semihosting for AArch32 and AArch64", release 2.0). Constants only. */
#ifndef VIBE_ARCH_SEMIHOSTING_H
#define VIBE_ARCH_SEMIHOSTING_H

#define SEMIHOSTING_HLT 0xf000u /* the immediate of the HLT */

enum semihosting_call {
#define CALL(number, id, nr_words) SYS_##id = (number),
#include "spec/semihosting.def"
#undef CALL
};

/* Reasons of SYS_EXIT. Whatever else is the end of a program that went wrong. */
#define ADP_STOPPED_APPLICATION_EXIT 0x20026u

/* Of SYS_OPEN: fopen()'s modes, in the order r, rb, r+, r+b, w, wb, w+, w+b, a, ab, a+, a+b. */
#define SEMIHOSTING_NR_MODES 12u
#define SEMIHOSTING_MODE_WRITE 4u
#define SEMIHOSTING_MODE_APPEND 8u
#define SEMIHOSTING_MODE_PLUS 2u /* a bit */

#define SEMIHOSTING_CONSOLE ":tt"
#define SEMIHOSTING_FEATURES ":semihosting-features"
/* What is in that file: the magic, then bits. */
#define SEMIHOSTING_FEATURE_BYTES "SHFB\x03"
#define SEMIHOSTING_FEATURE_LEN 5u

#endif
