/* Floating point between guest and host.
 *
 * Translated code uses the host's floating point with MXCSR made from FPCR: rounding mode as asked for, flags sticky as FPSR's are, exceptions
 * masked but for Invalid. Where that traps (a signalling NaN, inf - inf, a conversion out of range), the answers of the two
 * architectures differ, and where it doesn't they are the same: so there are no tests on the way. The signal handler sends the thread to the site of the
 * instruction, whose whole work the interpreter's function then does.
 *
 * With FZ, denormal operands and tiny results are exceptions that trap too, and the interpreter flushes them; programs that ask for FZ have few of
 * them, or end as the interpreter's (jit_fp_gives_up()). So is a division by zero, which hides that the dividend is denormal. Where the host's instruction does not look at its operand so, emit_float.c does.
 *
 * Differences remain. x86 sees a result that rounds up to the smallest normal number as not tiny, Arm looks before rounding: FPSR.UFC is not
 * set for that one value, and it is not flushed. And a tiny result that traps has raised Inexact already, so that with FZ one that is flushed may
 * set FPSR.IXC. And x86 does not tell of a denormal operand beside a NaN: with FZ, FPSR.IDC is not set for it. Specification: DDI 0487, "FPCR", "FPSR"; Intel SDM volume 1, "MXCSR". */
#include "cpu/cpu_internal.h"
#include "cpu/jit/host_code.h"
#include "cpu/jit/jit_internal.h"

#include "gen/sysreg_fields.h"

#include <string.h>

enum {
    MX_IE = 1,
    MX_DE = 2,
    MX_ZE = 4,
    MX_OE = 8,
    MX_UE = 16,
    MX_PE = 32,
    MX_FLAGS = 63,
    MX_MASKS = 0x1f00,
    MX_DM = 0x100,
    MX_ZM = 0x200,
    MX_UM = 0x800,
    MX_RC = 13
};

bool jit_fpcr_is_plain(uint32_t fpcr)
{
    return !(fpcr & (FPCR_DN | FPCR_FZ16 | FPCR_AHP));
}

uint32_t jit_mxcsr_for(uint32_t fpcr)
{
    /* RMode: nearest, up, down, zero; RC: nearest, down, up, zero. */
    static const uint8_t rc[4] = {0, 2, 1, 3};

    const uint32_t unmasked = fpcr & FPCR_FZ ? MX_DM | MX_ZM | MX_UM : 0;

    return (MX_MASKS & ~unmasked) | (uint32_t)rc[fpcr >> FPCR_RMode_LO & 3] << MX_RC;
}

void jit_fp_collect(struct cpu *c, uint32_t mxcsr)
{
    c->st.fpsr |= (mxcsr & MX_IE ? FPSR_IOC : 0) | (mxcsr & MX_ZE ? FPSR_DZC : 0) |
                  (mxcsr & MX_OE ? FPSR_OFC : 0) | (mxcsr & MX_UE ? FPSR_UFC : 0) |
                  (mxcsr & MX_PE ? FPSR_IXC : 0);
}

void jit_fp_save(struct cpu *c)
{
    jit_fp_collect(c, host_mxcsr_get());
    host_mxcsr_set(c->jit_hot.host_mxcsr);
}

void jit_fp_load(struct cpu *c)
{
    host_mxcsr_set(c->jit_hot.mxcsr);
}

/* --- Traps ---------------------------------------------------------------------------------------------------------- */

static unsigned slot(gva_t pc)
{
    return pc >> 2 & (JIT_NR_TRAPPING - 1);
}

bool jit_fp_traps_often(const struct jit *j, gva_t pc)
{
    return j->trapping[slot(pc)] == pc;
}

void jit_fp_trust_all(struct jit *j)
{
    memset(j->trapping, 0xff, sizeof(j->trapping)); /* no instruction's address */
}

bool jit_fp_gives_up(struct jit *j, const struct jit_site *s)
{
    if (s->nr_traps < JIT_MAX_TRAPS)
        return false;
    j->trapping[slot(s->pc)] = s->pc;
    return true;
}

const uint8_t *jit_fp_trap(struct cpu *c, const uint8_t *pc, uint64_t *rax)
{
    struct jit *j = c ? c->jit : NULL;

    if (!j || pc < j->rx || pc >= j->rx + j->code_used)
        return NULL;
    struct jit_region *r = jit_region_at(j, (uint32_t)(pc - j->rx));
    const uint32_t at = r ? (uint32_t)(pc - j->rx) - r->code : 0;
    for (unsigned i = 0; r && i < r->nr_sites; i++)
        if (r->site[i].kind == SITE_FLOAT && at >= r->site[i].retry && at < r->site[i].resume) {
            r->site[i].nr_traps += r->site[i].nr_traps < JIT_MAX_TRAPS;
            *rax = (uintptr_t)&r->site[i];
            return j->rx + j->slow_vector;
        }
    return NULL;
}
