/* What probably went wrong: one function a known mistake. Each looks at the exception that started it and prints a paragraph, or
 * nothing. The order is that of the table at the end: nearest cause first. */
#include "arch/esr.h"
#include "arch/sysreg.h"
#include "arch/walk.h"
#include "cpu/insn.h"
#include "dbg/esr_text.h"
#include "dbg/explain.h"

#include "gen/a64_rows.h"
#include "gen/sysreg_fields.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Near enough to SP to have been reached through it. */
#define STACK_REACH 4096
#define NULL_PAGE 4096

/* What the hints look at, worked out once. */
struct evidence {
    const struct explain_input *in;
    const struct explain_exception *e; /* the one that started it */
    unsigned ec, fsc;
    bool mmu;         /* SCTLR_EL1.M */
    bool data, fetch; /* abort */
    bool have_word;   /* the instruction at ELR */
    uint32_t word;
    unsigned row; /* of it: enum a64_row */
    bool have_pa; /* of FAR, when an abort says more than that it can't be translated */
    gpa_t pa;
    bool normal;       /* Normal memory there */
    const char *place; /* at pa */
    FILE *f;
};

static void say(const struct evidence *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(const struct evidence *v, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    explain_para(v->f, "  ", "%s", text);
}

static bool is_translation(unsigned fsc)
{
    return (fsc & ~3u) == FSC_TRANSLATION;
}

static bool is_memory_access(const struct evidence *v)
{
    if (v->row == A64_ROW_NONE)
        return false;
    switch (a64_rows[v->row].kind) {
    case A64_KIND_LOAD:
    case A64_KIND_STORE:
    case A64_KIND_ATOMIC:
    case A64_KIND_EXCLUSIVE: return true;
    default: return false;
    }
}

/* An access near SP; through SP, as far as the instruction is known. */
static bool reaches_stack(const struct evidence *v)
{
    const uint64_t sp = v->in->st->x[REG_SP];

    if (!v->data || v->e->far - (sp - STACK_REACH) >= 2 * STACK_REACH)
        return false;
    return !v->have_word || (is_memory_access(v) && (v->word >> 5 & 31) == 31);
}

/* --- Hints ---------------------------------------------------------------------------------------------------------- */

static bool hint_fp(const struct evidence *v)
{
    if (v->ec != EC_FP_ACCESS)
        return false;
    say(v,
        "An FP or SIMD instruction at 0x%" PRIx64
        " while CPACR_EL1.FPEN is %u. Set bits 21:20 of CPACR_EL1 to 0b11, "
        "then ISB, before the first one; compilers use SIMD registers to copy memory and in variadic functions.",
        v->e->elr, (unsigned)bits(SYS(v->in->st, CPACR_EL1), 21, 20));
    return true;
}

static bool hint_zero_word(const struct evidence *v)
{
    if (v->ec != EC_UNKNOWN || !v->have_word || v->word != 0)
        return false;
    say(v,
        "The PC, 0x%" PRIx64
        ", is in zeroed memory: 0x00000000 is no instruction. Execution ran past the end of what was "
        "loaded, or jumped to the wrong address: see the last branches.",
        v->e->elr);
    return true;
}

static bool hint_undefined(const struct evidence *v)
{
    char text[128];

    if (v->ec != EC_UNKNOWN || !v->have_word || v->word == 0)
        return false;
    switch (v->row) {
    case A64_ROW_NONE:
        say(v,
            "The word 0x%08" PRIx32 " at 0x%" PRIx64
            " is no instruction that this CPU has: data, another byte order, or a newer "
            "extension (docs/instructions.md lists what there is).",
            v->word, v->e->elr);
        return true;
    case A64_ROW_MSR_SR_systemmove:
    case A64_ROW_MRS_RS_systemmove:
    case A64_ROW_SYS_CR_systeminstrs:
        a64_disassemble(v->word, v->e->elr, text, sizeof(text));
        say(v,
            "'%s' is UNDEFINED at this exception level, read-only, or a register or operation that this CPU does not have. "
            "The ID registers tell which extensions are there.",
            text);
        return true;
    default: return false;
    }
}

static bool hint_sp_misaligned(const struct evidence *v)
{
    if (v->ec != EC_SP_ALIGN)
        return false;
    say(v,
        "The stack pointer, 0x%" PRIx64
        ", is misaligned: it must be a multiple of 16 at every load and store through it.",
        v->in->st->x[REG_SP]);
    return true;
}

static bool hint_sp_outside(const struct evidence *v)
{
    const uint64_t sp = v->in->st->x[REG_SP];

    if (!reaches_stack(v) || v->place || !(v->fsc == FSC_EXTERNAL || is_translation(v->fsc)))
        return false;
    if (v->have_pa)
        say(v,
            "The stack pointer, 0x%" PRIx64 ", points outside RAM (physical 0x%" PRIx64
            " is empty). Set SP before the first "
            "push or call; each CPU and each exception level has its own.",
            sp, v->pa);
    else
        say(v,
            "The stack pointer, 0x%" PRIx64
            ", points to an address that is not mapped: it was never set, or the stack "
            "overflowed, or the page tables leave it out.",
            sp);
    return true;
}

static bool hint_absent_device(const struct evidence *v)
{
    const char *text;

    if (!v->data || v->fsc != FSC_EXTERNAL || !v->have_pa || !v->in->absent)
        return false;
    text = v->in->absent(v->in->opaque, v->pa);
    if (!text)
        return false;
    say(v, "Physical address 0x%" PRIx64 ": %s", v->pa, text);
    return true;
}

static bool hint_nothing_there(const struct evidence *v)
{
    if (!v->data || v->fsc != FSC_EXTERNAL || !v->have_pa || v->place)
        return false;
    if (v->in->absent && v->in->absent(v->in->opaque, v->pa))
        return false;
    if (reaches_stack(v))
        return false;
    say(v, "%s physical address 0x%" PRIx64 ", where neither memory nor a device is.",
        v->e->esr & ISS_DABT_WNR ? "A store to" : "A load from", v->pa);
    return true;
}

static bool hint_fetch_nothing(const struct evidence *v)
{
    if (!v->fetch || v->fsc != FSC_EXTERNAL)
        return false;
    if (v->place)
        say(v, "The PC, 0x%" PRIx64 ", is in the device %s, which cannot be executed.", v->e->elr,
            v->place);
    else
        say(v,
            "The PC, 0x%" PRIx64
            ", is where no memory is: a call through a wrong pointer, a return with an overwritten "
            "stack, or an image that was linked for another address. See the last branches.",
            v->e->elr);
    return true;
}

static bool hint_pc_unmapped(const struct evidence *v)
{
    if (!v->fetch || !is_translation(v->fsc) || !v->mmu)
        return false;
    if (bit(v->e->elr, 55))
        say(v, "The MMU is on and the PC, 0x%" PRIx64 ", is not mapped by TTBR1_EL1.", v->e->elr);
    else
        say(v,
            "The MMU is on and the PC, 0x%" PRIx64
            ", is not mapped by TTBR0_EL1. The code that sets SCTLR_EL1.M must be "
            "mapped where it runs, at its physical address, until it has jumped elsewhere.",
            v->e->elr);
    return true;
}

static bool hint_null(const struct evidence *v)
{
    if (!v->data || !v->mmu || v->e->far >= NULL_PAGE || !is_translation(v->fsc))
        return false;
    say(v, "A null pointer: 0x%" PRIx64 " is in the first page, which is not mapped.", v->e->far);
    return true;
}

static bool hint_unmapped(const struct evidence *v)
{
    if (!v->data || !v->mmu || !is_translation(v->fsc) || v->e->far < NULL_PAGE || reaches_stack(v))
        return false;
    say(v,
        "0x%" PRIx64
        " is not mapped by TTBR%u_EL1: a wrong pointer, or a page or device that the page tables leave out.",
        v->e->far, (unsigned)bit(v->e->far, 55));
    return true;
}

static bool hint_alignment(const struct evidence *v)
{
    if (!v->data || v->fsc != FSC_ALIGNMENT)
        return false;
    if (!v->mmu)
        say(v,
            "0x%" PRIx64 " is misaligned, and with the MMU off all data is Device memory, where accesses must be aligned to their "
            "size. Compile with -mstrict-align, or turn the MMU on and map RAM as Normal memory.",
            v->e->far);
    else if (SYS(v->in->st, SCTLR_EL1) & SCTLR_EL1_A)
        say(v, "0x%" PRIx64 " is misaligned and SCTLR_EL1.A is 1: every access must be aligned to its size.",
            v->e->far);
    else if (v->normal)
        say(v,
            "0x%" PRIx64 " is misaligned: exclusive, atomic, acquire and release accesses must be aligned to their size, or "
            "at least lie within 16 aligned bytes.",
            v->e->far);
    else
        say(v,
            "0x%" PRIx64 " is misaligned and its page is mapped as Device memory (MAIR_EL1 and AttrIndx), where accesses must be "
            "aligned to their size. RAM wants to be Normal memory.",
            v->e->far);
    return true;
}

static bool hint_atomic_device(const struct evidence *v)
{
    if (!v->data || v->fsc != FSC_UNSUPPORTED_ATOMIC)
        return false;
    say(v, "An exclusive or atomic access to 0x%" PRIx64 ", which is no RAM. Locks must lie in RAM.",
        v->e->far);
    return true;
}

static bool hint_access_flag(const struct evidence *v)
{
    if ((v->fsc & ~3u) != FSC_ACCESS_FLAG || !(v->data || v->fetch))
        return false;
    say(v, "The descriptor at level %u has AF (bit 10) clear. Set it, or set TCR_EL1.HA to have the CPU do it.",
        v->fsc & 3);
    return true;
}

static bool hint_permission(const struct evidence *v)
{
    const bool write = v->e->esr & ISS_DABT_WNR;

    if ((v->fsc & ~3u) != FSC_PERMISSION || !(v->data || v->fetch))
        return false;
    if (v->fetch)
        say(v,
            "The page of 0x%" PRIx64
            " may not be executed: PXN or UXN, APTable or PXNTable above it, SCTLR_EL1.WXN with a writable "
            "page, or at EL1 a page that EL0 may write.",
            v->e->elr);
    else if (v->in->st->misc & PSR_PAN)
        say(v,
            "The page of 0x%" PRIx64
            " may not be %s: AP[2:1] in its descriptor or APTable above it, or PSTATE.PAN, which is set, and a "
            "page of EL0.",
            v->e->far, write ? "written" : "read");
    else
        say(v, "The page of 0x%" PRIx64 " may not be %s: AP[2:1] in its descriptor or APTable above it.",
            v->e->far, write ? "written" : "read");
    return true;
}

static bool hint_bad_table(const struct evidence *v)
{
    if (!(v->data || v->fetch))
        return false;
    if ((v->fsc & ~3u) == FSC_EXTERNAL_WALK) {
        say(v, "A translation table at level %u lies where no memory is: TTBR%u_EL1 or the descriptor above it is wrong.",
            v->fsc & 3, (unsigned)bit(v->e->far, 55));
        return true;
    }
    if ((v->fsc & ~3u) == FSC_ADDRESS_SIZE) {
        say(v,
            "An output address at level %u is beyond TCR_EL1.IPS, or with the MMU off beyond the physical address size: a wrong "
            "descriptor or TTBR, or IPS left at 32 bits.",
            v->fsc & 3);
        return true;
    }
    return false;
}

static bool hint_pc_misaligned(const struct evidence *v)
{
    if (v->ec != EC_PC_ALIGN)
        return false;
    say(v,
        "The PC, 0x%" PRIx64
        ", is no multiple of 4: a branch through a wrong pointer, or a return with an overwritten stack.",
        v->e->elr);
    return true;
}

static bool hint_illegal(const struct evidence *v)
{
    if (v->ec != EC_ILLEGAL)
        return false;
    say(v, "An ERET with a bad SPSR_EL1: AArch32 (bit 4), a reserved mode, or a higher exception level than the current one. M[3:0] "
           "is 0b0000 for EL0, 0b0100 for EL1t, 0b0101 for EL1h.");
    return true;
}

static bool hint_bti(const struct evidence *v)
{
    if (v->ec != EC_BTI)
        return false;
    say(v,
        "0x%" PRIx64
        " is in a guarded page (GP) and was reached by an indirect branch, but is no BTI or PACIASP that admits it.",
        v->e->elr);
    return true;
}

/* Last: why the exception was not handled. */
static bool hint_vbar(const struct evidence *v)
{
    const struct pe_state *s = v->in->st;
    const gva_t vector = (SYS(s, VBAR_EL1) & VBAR_EL1_VBA) + (s->el == 0  ? 0x400
                                                              : s->sp_sel ? 0x200
                                                                          : 0);
    uint32_t word;
    const bool there = explain_fetch(v->in, vector, &word);

    if (!v->in->vbar_written) {
        say(v,
            "VBAR_EL1 was never written, so the exception went to 0x%" PRIx64
            "%s. Give the guest a vector table (2 KiB aligned, 16 entries of "
            "128 bytes) and write its address to VBAR_EL1 first thing: it shows what else goes wrong.",
            vector,
            !there      ? ", where no memory is"
            : word == 0 ? ", where only zeros are"
                        : "");
        return true;
    }
    if (!there || word == 0) {
        say(v, "VBAR_EL1 is 0x%" PRIx64 ", but its entry at 0x%" PRIx64 " %s.", SYS(s, VBAR_EL1),
            vector, there ? "is zeros: no handler was loaded there" : "cannot be fetched");
        return true;
    }
    if (v->in->exc.elr - (SYS(s, VBAR_EL1) & VBAR_EL1_VBA) < 0x800) {
        say(v,
            "The exception handler itself faults, at VBAR_EL1 + 0x%x: it uses a stack, a page or an instruction that is not "
            "there.",
            (unsigned)(v->in->exc.elr - (SYS(s, VBAR_EL1) & VBAR_EL1_VBA)));
        return true;
    }
    return false;
}

static bool (*const hints[])(const struct evidence *) = {
    hint_fp,
    hint_zero_word,
    hint_undefined,
    hint_sp_misaligned,
    hint_sp_outside,
    hint_absent_device,
    hint_nothing_there,
    hint_fetch_nothing,
    hint_pc_unmapped,
    hint_null,
    hint_unmapped,
    hint_alignment,
    hint_atomic_device,
    hint_access_flag,
    hint_permission,
    hint_bad_table,
    hint_pc_misaligned,
    hint_illegal,
    hint_bti,
    hint_vbar,
};

unsigned explain_print_hints(const struct explain_input *in, FILE *f)
{
    const struct explain_exception *e = in->has_cause ? &in->cause : &in->exc;
    struct evidence v = {
        .in = in,
        .e = e,
        .f = f,
        .ec = ESR_EC(e->esr),
        .fsc = ESR_FSC(e->esr),
        .mmu = SYS(in->st, SCTLR_EL1) & SCTLR_EL1_M,
        .data = esr_is_data_abort(e->esr),
        .fetch = esr_is_fetch_abort(e->esr),
        .row = A64_ROW_NONE,
    };
    unsigned nr = 0;

    v.have_word = explain_fetch(in, e->elr, &v.word);
    if (v.have_word)
        v.row = a64_find_row(v.word);
    if ((v.data || v.fetch) && e->far_valid) {
        struct walk_result w;
        explain_walk(in, e->far,
                     v.fetch                 ? EXPLAIN_FETCH
                     : e->esr & ISS_DABT_WNR ? EXPLAIN_WRITE
                                             : EXPLAIN_READ,
                     &w);
        v.have_pa = w.ok;
        if (w.ok) {
            v.pa = w.pa;
            v.normal = !w.device;
            v.place = in->place(in->opaque, w.pa);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        nr += hints[i](&v);
    return nr;
}
