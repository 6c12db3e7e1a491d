/* The page that explains a vCPU that went wrong; the hints are in explain_hints.c. */
#include "dbg/explain.h"

#include "arch/esr.h"
#include "arch/sysreg.h"
#include "arch/walk.h"
#include "cpu/insn.h"
#include "dbg/esr_text.h"

#include "gen/sysreg_fields.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define CODE_AROUND 6 /* instructions before and behind */
#define HANDLER_AROUND 2
#define BRANCHES_SHOWN 12

/* --- Reading the guest ---------------------------------------------------------------------------------------------- */

static bool load_descriptor(void *opaque, gpa_t gpa, uint64_t *desc)
{
    const struct explain_input *in = opaque;
    return in->read(in->opaque, gpa, desc, sizeof(*desc));
}

/* Never called: the walk is asked to update nothing. */
static int no_swap(void *opaque, gpa_t gpa, uint64_t expected, uint64_t desired)
{
    (void)opaque;
    (void)gpa;
    (void)expected;
    (void)desired;
    return -1;
}

void explain_walk(const struct explain_input *in, gva_t va, enum explain_access access,
                  struct walk_result *res)
{
    const struct walk_mem m = {.opaque = (void *)(uintptr_t)in, .load = load_descriptor, .cas = no_swap};
    const bool el0 = in->st->el == 0;

    walk_el10(in->st, &m,
              &(struct walk_request){
                  .va = va,
                  .access = access == EXPLAIN_FETCH   ? WALK_FETCH
                            : access == EXPLAIN_WRITE ? WALK_WRITE
                                                      : WALK_READ,
                  .el0 = el0,
                  .pan = !el0 && access != EXPLAIN_FETCH && (in->st->misc & PSR_PAN),
                  .no_update = true,
              },
              res);
}

bool explain_fetch(const struct explain_input *in, gva_t va, uint32_t *word)
{
    struct walk_result w;

    if (va & 3)
        return false;
    explain_walk(in, va, EXPLAIN_FETCH, &w);
    return w.ok && in->read(in->opaque, w.pa, word, sizeof(*word));
}

/* --- Layout --------------------------------------------------------------------------------------------------------- */

static void rule(FILE *f, char c)
{
    for (unsigned i = 0; i < EXPLAIN_COLUMNS - 2; i++)
        fputc(c, f);
    fputc('\n', f);
}

static void section(FILE *f, const char *title)
{
    fprintf(f, "\n%s\n", title);
}

void explain_para(FILE *f, const char *indent, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    const size_t width = EXPLAIN_COLUMNS - 2 - strlen(indent);
    const char *p = text;
    while (*p) {
        size_t n = strlen(p);
        if (n > width) {
            for (n = width; n > 0 && p[n] != ' '; n--)
                ;
            if (n == 0)
                n = width;
        }
        fprintf(f, "%s%.*s\n", indent, (int)n, p);
        p += n;
        while (*p == ' ')
            p++;
    }
}

/* --- Sections ------------------------------------------------------------------------------------------------------- */

static void print_esr(const struct explain_exception *e, FILE *f)
{
    const struct esr_class *k = esr_class_of(ESR_EC(e->esr));
    char text[96];

    fprintf(f, "  ESR  0x%016" PRIx64 "\n", e->esr);
    fprintf(f, "       EC         31:26  0x%02x  %s\n", ESR_EC(e->esr), k ? k->text : "reserved");
    fprintf(f, "       IL            25  %u     %s-bit instruction\n", (unsigned)bit(e->esr, 25),
            bit(e->esr, 25) ? "32" : "16");
    if (!k)
        fprintf(f, "       ISS         24:0  0x%07x\n", (unsigned)bits(e->esr, 24, 0));
    /* What ISV does not vouch for says nothing: SAS, SSE, SRT, SF, AR. */
    const bool no_syndrome = esr_is_data_abort(e->esr) && !(e->esr & ISS_DABT_ISV);
    for (unsigned i = 0; k && i < k->nr_fields; i++) {
        const struct esr_field *fld = &k->field[i];
        const uint64_t val = bits(e->esr, fld->hi, fld->lo);
        char range[8], number[24];
        if (no_syndrome && fld->hi < 24 && fld->lo > 13)
            continue;
        esr_field_text(fld, e->esr, text, sizeof(text));
        if (fld->hi == fld->lo)
            snprintf(range, sizeof(range), "%u", fld->hi);
        else
            snprintf(range, sizeof(range), "%u:%u", fld->hi, fld->lo);
        snprintf(number, sizeof(number), fld->hi - fld->lo < 3 ? "%" PRIu64 : "0x%02" PRIx64, val);
        fprintf(f, "       %-9s  %5s  %-*s%s\n", fld->name, range, text[0] ? 6 : 0, number, text);
    }
}

static void print_exception(const struct explain_input *in, const struct explain_exception *e, FILE *f)
{
    char text[160];
    uint32_t word;

    fprintf(f, "  ELR  0x%016" PRIx64, e->elr);
    if (explain_fetch(in, e->elr, &word)) {
        a64_disassemble(word, e->elr, text, sizeof(text));
        fprintf(f, "  %.50s", text);
    }
    fputc('\n', f);
    if (e->far_valid)
        fprintf(f, "  FAR  0x%016" PRIx64 "\n", e->far);
    print_esr(e, f);
}

static const char *place_name(const struct explain_input *in, gpa_t pa)
{
    const char *name = in->place(in->opaque, pa);
    return name ? name : "nothing there";
}

static void print_walk(const struct explain_input *in, const struct explain_exception *e, FILE *f)
{
    const struct pe_state *s = in->st;
    const bool upper = bit(e->far, 55);
    struct walk_result w;
    char title[80], text[64];

    if (!e->far_valid)
        return;
    snprintf(title, sizeof(title), "The address 0x%" PRIx64 ", translated", e->far);
    section(f, title);
    explain_walk(in, e->far,
                 esr_is_fetch_abort(e->esr) || ESR_EC(e->esr) == EC_PC_ALIGN ? EXPLAIN_FETCH
                 : esr_is_data_abort(e->esr) && (e->esr & ISS_DABT_WNR)      ? EXPLAIN_WRITE
                                                                             : EXPLAIN_READ,
                 &w);
    if (!(SYS(s, SCTLR_EL1) & SCTLR_EL1_M)) {
        fprintf(f, "  SCTLR_EL1.M is 0, the MMU is off: the physical address is the same\n");
    } else {
        fprintf(f, "  TCR_EL1    0x%016" PRIx64 "\n", SYS(s, TCR_EL1));
        fprintf(f, "  TTBR%u_EL1  0x%016" PRIx64 "  because bit 55 is %u\n", upper,
                upper ? SYS(s, TTBR1_EL1) : SYS(s, TTBR0_EL1), upper);
    }
    for (unsigned i = 0; i < w.nr_steps; i++)
        fprintf(f, "  level %d    0x%016" PRIx64 "  at physical 0x%" PRIx64 ": %s\n",
                w.step[i].level, w.step[i].desc, w.step[i].desc_gpa, w.step[i].kind);
    if (!w.ok) {
        esr_fsc_text(w.fsc, text, sizeof(text));
        fprintf(f, "  gives a %s\n", text);
        return;
    }
    fprintf(f, "  physical   0x%016" PRIx64 "  %s, %s\n", w.pa, place_name(in, w.pa),
            w.device ? "Device memory" : "Normal memory");
    fprintf(f, "  allows     %s%s%s\n", w.can_read ? "read " : "", w.can_write ? "write " : "",
            w.can_fetch ? "execute" : "");
}

static void print_code(const struct explain_input *in, gva_t at, int around, FILE *f)
{
    const gva_t elr = at & ~UINT64_C(3);
    char text[128];
    uint32_t word;

    snprintf(text, sizeof(text), "The code around 0x%" PRIx64, at);
    section(f, text);
    if (!explain_fetch(in, elr, &word)) {
        fprintf(f, "  cannot be fetched\n");
        return;
    }
    for (int i = -around; i <= around; i++) {
        const gva_t va = elr + (uint64_t)(int64_t)(4 * i);
        if (!explain_fetch(in, va, &word))
            continue;
        a64_disassemble(word, va, text, sizeof(text));
        fprintf(f, "  %s 0x%016" PRIx64 "  %08" PRIx32 "  %.46s\n", i == 0 ? "=>" : "  ", va, word, text);
    }
}

static void print_branches(const struct explain_input *in, FILE *f)
{
    section(f, "The last branches, latest first");
    for (unsigned i = 0; i < in->nr_branches && i < BRANCHES_SHOWN; i++)
        fprintf(f, "  0x%016" PRIx64 " -> 0x%016" PRIx64 "\n", in->branch[i].from, in->branch[i].to);
    if (in->nr_branches == 0)
        fprintf(f, "  none\n");
}

static void print_registers(const struct explain_input *in, FILE *f)
{
    static const enum sysreg_id shown[] = {SR_SCTLR_EL1, SR_TCR_EL1,   SR_TTBR0_EL1, SR_TTBR1_EL1,
                                           SR_MAIR_EL1,  SR_CPACR_EL1, SR_VBAR_EL1,  SR_ESR_EL1};
    const struct pe_state *s = in->st;
    const uint64_t psr = pstate_get(s);

    section(f, "Registers");
    for (unsigned i = 0; i <= 30; i++)
        fprintf(f, "    x%-2u 0x%016" PRIx64 "%s", i, s->x[i], i % 3 == 2 ? "\n" : "");
    fprintf(f, "    sp   0x%016" PRIx64 "\n", s->x[REG_SP]);
    fprintf(f, "  PSTATE 0x%08" PRIx64 "  EL%u%c, %c%c%c%c, masked: %s%s%s%s%s\n", psr, s->el,
            s->sp_sel ? 'h' : 't', psr & PSR_N ? 'N' : 'n', psr & PSR_Z ? 'Z' : 'z',
            psr & PSR_C ? 'C' : 'c', psr & PSR_V ? 'V' : 'v', s->daif & PSR_D ? "D" : "",
            s->daif & PSR_A ? "A" : "", s->daif & PSR_I ? "I" : "", s->daif & PSR_F ? "F" : "",
            s->daif ? "" : "nothing");
    for (size_t i = 0; i < ARRAY_LEN(shown); i++)
        fprintf(f, "  %-10s 0x%016" PRIx64 "%s", sysreg_of_id(shown[i])->name, s->sys[shown[i]],
                i % 2 ? "\n" : "  ");
    fprintf(f, "  %-10s 0x%016" PRIx64 "    %-10s 0x%016" PRIx64 "\n", "ELR_EL1", s->elr_el[1],
            "SPSR_EL1", s->spsr_el[1]);
}

static void print_story(const struct explain_input *in, FILE *f)
{
    char text[160];

    esr_summary(in->exc.esr, text, sizeof(text));
    explain_para(f, "", "At 0x%" PRIx64 ": %s.", in->exc.elr, text);
    if (!in->has_cause)
        return;
    esr_summary(in->cause.esr, text, sizeof(text));
    explain_para(f, "", "Its handler was to deal with this, at 0x%" PRIx64 ": %s.", in->cause.elr, text);
}

void explain_print(const struct explain_input *in, FILE *f)
{
    const struct explain_exception *first = in->has_cause ? &in->cause : &in->exc;

    rule(f, '=');
    fprintf(f, "vCPU %u is stuck: it takes the same exception again and again\n", in->vcpu);
    rule(f, '=');
    print_story(in, f);
    section(f, "Probable cause");
    if (explain_print_hints(in, f) == 0)
        explain_para(f, "  ",
                     "None of the usual ones. Look at the exception, the walk and the code below.");
    section(f, in->has_cause ? "What started it" : "The exception");
    print_exception(in, first, f);
    print_walk(in, first, f);
    print_code(in, first->elr, CODE_AROUND, f);
    if (in->has_cause) {
        section(f, "The exception that is taken again and again");
        print_exception(in, &in->exc, f);
        print_walk(in, &in->exc, f);
        print_code(in, in->exc.elr, HANDLER_AROUND, f);
    }
    print_branches(in, f);
    print_registers(in, f);
    rule(f, '=');
}
