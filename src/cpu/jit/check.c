/* --check-jit: what translated code does is compared with what the interpreter does, from entry to exit.
 *
 * First the interpreter runs from the entry on, with every piece of memory that it may write to noted before, and its state after each
 * instruction. It stops where something could not be done twice: at a device, at a system instruction. Then memory and state are put back, and
 * the translated code runs. It says how many instructions it did; its state, and the memory that was noted, must be what the interpreter's
 * were after that many.
 *
 * For one CPU alone: another would write in between. */
#include "cpu/jit/check.h"

#include "base/err.h"
#include "cpu/cpu_internal.h"
#include "cpu/jit/jit_internal.h"
#include "cpu/sysops.h"

#include "gen/sysreg_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_INSNS 600u /* of one comparison */
#define PIECE 64u        /* no instruction writes more at one address */
#define MAX_PIECES (CHECK_INSNS * 4)

struct piece {
    uint8_t *host;
    uint8_t len;
    uint16_t after; /* instructions that were done when it was noted: it is the next one's */
    uint8_t old[PIECE], new[PIECE];
};

struct jit_check {
    bool noting, stop;
    unsigned nr; /* instructions done by the interpreter */
    unsigned nr_pieces;
    struct pe_state state[CHECK_INSNS + 1];
    struct cpu_monitor monitor[CHECK_INSNS + 1];
    uint64_t context[CHECK_INSNS + 1]; /* of loads and stores */
    struct exception exc;              /* that ended it, if it did */
    bool faulted;
    bool flushed;        /* FPCR.FZ was set */
    uint32_t known_fpsr; /* as it was at the entry, or written last */
    struct piece piece[MAX_PIECES];
};

struct jit_check *jit_check_create(void)
{
    return calloc(1, sizeof(struct jit_check));
}

void jit_check_destroy(struct jit_check *k)
{
    free(k);
}

bool jit_check_translated(struct cpu *c, gva_t va, bool write, const struct tlb_view *v)
{
    struct jit_check *k = c->check;
    const uint8_t len = (uint8_t)MIN(PIECE, TLB_PAGE_SIZE - (va & (TLB_PAGE_SIZE - 1)));
    /* Until IC IVAU, the translation of what a store overwrites may be used or not; the interpreter never does, and so no comparison may. */
    const bool near_code =
        v->host && jit_has_code(c, v->pa & ~(gpa_t)(TLB_PAGE_SIZE - 1), TLB_PAGE_SIZE);

    if (k->noting && (!v->host || (write && near_code))) {
        k->stop = true;
        return false;
    }
    if (k->noting || near_code)
        tlb_slot(c, va)->tag_w = TLB_TAG_NONE; /* the next store has to come by here too */
    if (!write)
        return true;
    if (!k->noting) {
        if (near_code)
            jit_flush_pa(c, v->pa, len);
        return true;
    }
    if (k->nr_pieces == MAX_PIECES) {
        k->stop = true;
        return false;
    }
    struct piece *p = &k->piece[k->nr_pieces++];
    p->host = v->host;
    p->len = len;
    p->after = (uint16_t)k->nr;
    memcpy(p->old, p->host, p->len);
    return true;
}

/* Of which all is in struct pe_state, and nothing derived from it that is not PSTATE's alone. */
static bool is_register(uint16_t enc)
{
    const struct sysreg_desc *d = sysreg_find(enc);
    return d && d->home != HOME_COUNTER && d->home != HOME_BOARD && d->id != SR_ISR_EL1 &&
           !(d->effects & ~(EFFECT_IRQ | EFFECT_DEBUG));
}

static bool can_be_done_twice(const struct a64_insn *i)
{
    if (i->row == A64_ROW_NONE)
        return false;
    switch (i->row) {
    case A64_ROW_MRS_RS_systemmove: return is_register(i->u.MRS_RS_systemmove.enc);
    case A64_ROW_MSR_SR_systemmove: return is_register(i->u.MSR_SR_systemmove.enc);
    case A64_ROW_MSR_SI_pstate: return true;
    case A64_ROW_SYS_CR_systeminstrs: return i->u.SYS_CR_systeminstrs.op == SYSOP_DC_ZVA;
    default: break;
    }
    switch (a64_rows[i->row].kind) {
    case A64_KIND_SYSTEM:
    case A64_KIND_TRAP: return false;
    default: return true;
    }
}

/* MRS FPSR where the translator's flags may be others: fpenv.c says when. They would go where flags are not known any more. */
static bool reads_doubtful_flag(const struct cpu *c, const struct jit_check *k, const struct a64_insn *i)
{
    return i->row == A64_ROW_MRS_RS_systemmove &&
           sysreg_find(i->u.MRS_RS_systemmove.enc)->id == SR_FPSR &&
           ((c->st.fpsr & ~k->known_fpsr & (FPSR_UFC | FPSR_IDC)) ||
            (k->flushed && !(c->st.fpsr & FPSR_IXC)));
}

static bool writes_fpsr(const struct a64_insn *i)
{
    return i->row == A64_ROW_MSR_SR_systemmove && sysreg_find(i->u.MSR_SR_systemmove.enc)->id == SR_FPSR;
}

/* The interpreter, until something stops it. */
static void interpret(struct cpu *c, struct jit_check *k)
{
    while (k->nr < CHECK_INSNS && !k->stop) {
        const struct a64_insn *insn = cpu_goto(c, c->st.pc);
        struct a64_insn plain;
        if (!insn || c->st.btype)
            return;
        const struct code_page *p = CONTAINER_OF(c->code.insns, const struct code_page, insn[0]);
        a64_decode(__atomic_load_n(&p->host[insn - c->code.insns], __ATOMIC_RELAXED), &plain);
        k->flushed |= (c->st.fpcr & FPCR_FZ) != 0;
        if (!can_be_done_twice(&plain) || reads_doubtful_flag(c, k, &plain))
            return;
        /* In its own place, because instructions know where they are by it. */
        struct a64_insn *place = (struct a64_insn *)(uintptr_t)insn, was = *place;
        const unsigned first = k->nr_pieces;
        *place = plain;
        const gva_t pc = c->st.pc;
        const struct a64_insn *next = plain.fn(c, insn);
        *place = was;
        if (k->stop) {
            k->nr_pieces = first; /* nothing was written */
            return;
        }
        for (unsigned i = first; i < k->nr_pieces; i++)
            memcpy(k->piece[i].new, k->piece[i].host, k->piece[i].len);
        if (writes_fpsr(&plain))
            k->known_fpsr = c->st.fpsr;
        if (next) {
            c->st.pc = cpu_pc(c, next);
        } else if (c->leave == CPU_LEAVE_EXCEPTION) {
            k->faulted = true;
            k->exc = c->exc;
            c->st.pc = pc;
        } else if (c->leave != CPU_LEAVE_RESYNC && c->leave != CPU_LEAVE_AGAIN) {
            return;
        }
        k->state[++k->nr] = c->st;
        k->monitor[k->nr] = c->excl;
        k->context[k->nr] = c->tlb_ctx;
        if (k->faulted)
            return;
    }
}

void jit_check_before(struct cpu *c)
{
    struct jit_check *k = c->check;
    const unsigned branch_next = c->branch_next;

    k->nr = k->nr_pieces = 0;
    k->stop = k->faulted = k->flushed = false;
    k->state[0] = c->st;
    k->known_fpsr = c->st.fpsr;
    k->monitor[0] = c->excl;
    k->context[0] = c->tlb_ctx;
    tlb_flush_data(c); /* stores have to come by jit_check_translated() */
    k->noting = true;
    interpret(c, k);
    k->noting = false;
    for (unsigned i = k->nr_pieces; i-- > 0;)
        memcpy(k->piece[i].host, k->piece[i].old, k->piece[i].len);
    tlb_flush_data(c);
    c->st = k->state[0];
    cpu_context_changed(c); /* PSTATE.PAN */
    c->excl = k->monitor[0];
    c->branch_next = branch_next;
    c->leave = CPU_LEAVE_NONE;
    cpu_goto(c, c->st.pc);
}

/* --- Comparing ------------------------------------------------------------------------------------------------------ */

static void show(const char *who, const struct pe_state *s)
{
    fprintf(stderr, "%s: pc %016" PRIx64 " nzcv %x sp %016" PRIx64 " el %u fpsr %08x fpcr %08x\n",
            who, s->pc, s->nzcv >> 28, s->x[REG_SP], s->el, s->fpsr, s->fpcr);
    for (unsigned i = 0; i <= 30; i++)
        fprintf(stderr, "  x%-2u %016" PRIx64 "%s", i, s->x[i], i % 4 == 3 || i == 30 ? "\n" : "");
}

/* got may lack UFC or IDC, or have IXC: fpenv.c says when. */
static bool same_fpsr(uint32_t got, uint32_t want, uint32_t fpcr)
{
    if (fpcr & FPCR_FZ) {
        got |= want & FPSR_IDC;
        want |= got & FPSR_IXC;
    }
    return got == want || (got | FPSR_UFC) == want;
}

static bool same_state(const struct pe_state *a, const struct pe_state *b)
{
    for (unsigned i = 0; i <= 30; i++)
        if (a->x[i] != b->x[i])
            return false;
    return a->x[REG_SP] == b->x[REG_SP] && a->pc == b->pc && a->nzcv == b->nzcv &&
           a->daif == b->daif && a->el == b->el && a->sp_sel == b->sp_sel && a->misc == b->misc &&
           !memcmp(a->sp_el, b->sp_el, sizeof(a->sp_el)) && a->elr_el[1] == b->elr_el[1] &&
           a->spsr_el[1] == b->spsr_el[1] && !memcmp(a->sys, b->sys, sizeof(a->sys)) &&
           same_fpsr(a->fpsr, b->fpsr, a->fpcr) && a->fpcr == b->fpcr &&
           memcmp(a->v, b->v, sizeof(a->v)) == 0;
}

static bool same_monitor(const struct cpu_monitor *a, const struct cpu_monitor *b)
{
    return a->size == b->size &&
           (!a->size || (a->host == b->host && a->lo == b->lo && (a->size < 16 || a->hi == b->hi)));
}

static void differs(struct cpu *c, const struct jit_check *k, unsigned n, const char *what)
{
    const struct pe_state *want = &k->state[n];

    fprintf(stderr, "vibevmm: --check-jit: %s after %u instructions from %#" PRIx64 "\n", what, n,
            k->state[0].pc);
    show("at the entry", &k->state[0]);
    show("interpreter", want);
    show("translator", &c->st);
    for (unsigned i = 0; i <= 30; i++)
        if (want->x[i] != c->st.x[i])
            fprintf(stderr, "x%u: %#" PRIx64 " should be %#" PRIx64 "\n", i, c->st.x[i], want->x[i]);
    for (unsigned i = 0; i < 32; i++)
        if (memcmp(&want->v[i], &c->st.v[i], 16) != 0)
            fprintf(stderr, "v%u: %016" PRIx64 "%016" PRIx64 " should be %016" PRIx64 "%016" PRIx64 "\n",
                    i, c->st.v[i].d[1], c->st.v[i].d[0], want->v[i].d[1], want->v[i].d[0]);
    for (unsigned i = 0; i < n; i++) {
        const uint32_t *host;
        char text[96] = "?";
        gpa_t pa;
        const gva_t pc = k->state[i].pc;
        if (jit_peek_fetch(c, pc, &pa, &host))
            a64_disassemble(host[(pc >> 2) & (PAGE_INSNS - 1)], pc, text, sizeof(text));
        fprintf(stderr, "  %016" PRIx64 "  %s", pc, text);
        if (k->state[i + 1].fpsr != k->state[i].fpsr)
            fprintf(stderr, "   FPSR %08x", k->state[i + 1].fpsr);
        fputc('\n', stderr);
    }
    BUG("translated code does what the interpreter does not");
}

/* What is not as the interpreter left it after n instructions; null: nothing. */
static const char *difference(const struct cpu *c, const struct jit_check *k, unsigned n, bool fault)
{
    uint8_t want[PIECE];

    if (fault != (k->faulted && n == k->nr))
        return fault ? "a fault that should not be" : "no fault";
    if (fault && (c->exc.esr != k->exc.esr || c->exc.ret != k->exc.ret ||
                  (k->exc.far_valid && c->exc.far != k->exc.far)))
        return "another fault";
    if (!same_state(&c->st, &k->state[n]))
        return "registers differ";
    if (!same_monitor(&c->excl, &k->monitor[n]))
        return "exclusive monitors differ";
    if (c->tlb_ctx != k->context[n])
        return "contexts differ";
    for (unsigned i = 0; i < k->nr_pieces && k->piece[i].after < n; i++) {
        /* Later ones of those instructions may have written there again. */
        memcpy(want, k->piece[i].new, k->piece[i].len);
        for (unsigned m = i + 1; m < k->nr_pieces && k->piece[m].after < n; m++) {
            const intptr_t at = k->piece[m].host - k->piece[i].host;
            for (intptr_t b = 0; b < k->piece[m].len; b++)
                if (at + b >= 0 && at + b < k->piece[i].len)
                    want[at + b] = k->piece[m].new[b];
        }
        if (memcmp(want, k->piece[i].host, k->piece[i].len) != 0)
            return "memory differs";
    }
    return NULL;
}

void jit_check_after(struct cpu *c, uint64_t done, bool left)
{
    const struct jit_check *k = c->check;

    c->nr_checked += done <= k->nr;
    if (done > k->nr)
        return; /* it did what cannot be done twice */
    const char *what = difference(c, k, (unsigned)done, left && c->leave == CPU_LEAVE_EXCEPTION);
    if (!what)
        return;
    /* Until IC IVAU, what was translated of code that has been written to may be run or not. */
    if (jit_code_is_stale(c))
        icache_flush_all(c);
    else
        differs(c, k, (unsigned)done, what);
}
