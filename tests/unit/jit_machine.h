/* What the tests of the translator share: the machine of ops_machine.h, and where its programs are. */
#ifndef VIBE_TESTS_JIT_MACHINE_H
#define VIBE_TESTS_JIT_MACHINE_H

#include "ops_machine.h"

#include <signal.h>

#define PROGRAM (RAM_BASE + 0x40000)
#define VECTORS (RAM_BASE + 0x60000)
#define HVC 0xd4000002u

/* A field of an instruction. */
static inline uint32_t with(uint32_t word, unsigned lo, unsigned width, unsigned value)
{
    const uint32_t mask = (uint32_t)mask64(width) << lo;
    return (word & ~mask) | (value << lo & mask);
}

/* cmocka takes SIGFPE for itself at the start of every test; the translator took it once. */
static inline void keep_trap_handler(void)
{
    static struct sigaction ours;
    static bool known;

    sigaction(SIGFPE, known ? &ours : NULL, known ? NULL : &ours);
    known = true;
}

#endif
