/* Traces of instructions and of what they do: cpu/observe.h. */
#include "cpu/observe.h"

#include "cpu/coverage.h"
#include "cpu/cpu_internal.h"
#include "cpu/interp.h"
#include "cpu/profile.h"
#include "cpu/sysops.h"

#include "gen/a64_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Kinds for which an instruction runs on its own, whichever it is or some of them. */
#define KIND(id) (1u << TRACE_KIND_##id)
#define KINDS_BY_MARK (KIND(INSN) | KIND(BRANCH) | KIND(SYSREG) | KIND(TLB) | KIND(EXCEPTION))

/* --- Window, period ------------------------------------------------------------------------------------------------- */

/* What was decoded and translated is looked at with other eyes. */
static void start_over(struct cpu *c)
{
    icache_flush_all(c);
    tlb_flush_all(c);
    cpu_context_changed(c);
}

static bool in_window(const struct cpu *c)
{
    const struct trace *t = c->observe->trace;
    return t && c->nr_insns >= t->from_insn && c->nr_insns < t->to_insn;
}

static void follow_window(struct cpu *c)
{
    struct cpu_observe *o = c->observe;
    const uint32_t kinds = in_window(c) ? o->trace->kinds : 0;

    if (kinds == o->kinds)
        return;
    o->kinds = kinds;
    start_over(c);
}

static uint64_t next_edge(const struct cpu *c)
{
    const struct trace *t = c->observe->trace;
    return !t                           ? UINT64_MAX
           : c->nr_insns < t->from_insn ? t->from_insn
           : c->nr_insns < t->to_insn   ? t->to_insn
                                        : UINT64_MAX;
}

void observe_due(struct cpu *c)
{
    struct cpu_observe *o = c->observe;

    follow_window(c);
    const uint64_t sample = o->profile ? profile_due(o->profile, c) : UINT64_MAX;
    c->observe_at = MIN(sample, next_edge(c));
}

int observe_create(struct cpu *c, const struct observe *what)
{
    if (!what)
        return 0;
    struct cpu_observe *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    c->observe = o;
    o->what = what;
    o->trace = what->trace && what->trace->vcpus >> c->index & 1 ? what->trace : NULL;
    if (what->coverage && !(o->coverage = coverage_create()))
        return -ENOMEM;
    if (what->profile_insns && !(o->profile = profile_create(what->profile_insns, c->index)))
        return -ENOMEM;
    /* Where it matters at which address an instruction runs, it is decoded for each. */
    if (o->coverage || (o->trace && o->trace->nr_pc))
        icache_by_address(c);
    observe_due(c);
    return 0;
}

void observe_destroy(struct cpu *c)
{
    if (!c->observe)
        return;
    coverage_destroy(c->observe->coverage);
    profile_destroy(c->observe->profile);
    free(c->observe);
    c->observe = NULL;
}

/* --- Which instructions --------------------------------------------------------------------------------------------- */

/* Those that exits come from, but for accesses. */
static bool may_exit(unsigned row, uint32_t word)
{
    struct a64_insn i;
    const struct sysreg_desc *d;

    switch (row) {
    case A64_ROW_WFI_HI_hints:
    case A64_ROW_WFE_HI_hints:
    case A64_ROW_SEV_HI_hints:
    case A64_ROW_HVC_EX_exception:
    case A64_ROW_SMC_EX_exception:
    case A64_ROW_HLT_EX_exception: return true;
    case A64_ROW_MRS_RS_systemmove:
    case A64_ROW_MSR_SR_systemmove:
        a64_decode(word, &i);
        d = sysreg_find(row == A64_ROW_MRS_RS_systemmove ? i.u.MRS_RS_systemmove.enc
                                                         : i.u.MSR_SR_systemmove.enc);
        return d && d->home == HOME_BOARD;
    default: return false;
    }
}

static bool of_kinds(uint32_t kinds, unsigned row, uint32_t word)
{
    struct a64_insn i;

    if (kinds & KIND(INSN))
        return true;
    switch (row) {
    case A64_ROW_NONE: return false;
    case A64_ROW_MRS_RS_systemmove:
    case A64_ROW_MSR_SR_systemmove:
    case A64_ROW_MSR_SI_pstate: return kinds & KIND(SYSREG);
    case A64_ROW_SYS_CR_systeminstrs:
        a64_decode(word, &i);
        return (kinds & KIND(TLB)) && sysop_is_tlbi(i.u.SYS_CR_systeminstrs.op);
    case A64_ROW_ERET_64E_branch_reg:
    case A64_ROW_ERETA_64E_branch_reg: return kinds & (KIND(BRANCH) | KIND(EXCEPTION));
    default: return (kinds & KIND(BRANCH)) && a64_rows[row].kind == A64_KIND_BRANCH;
    }
}

bool observe_marks(const struct cpu *c, gva_t va, uint32_t word)
{
    const struct cpu_observe *o = c->observe;
    const unsigned row = a64_find_row(word);

    if (o->what->exits && may_exit(row, word))
        return true;
    return (o->kinds & KINDS_BY_MARK) && trace_in_ranges(o->trace->pc, o->trace->nr_pc, va) &&
           of_kinds(o->kinds, row, word);
}

bool observe_decoded(struct cpu *c, gva_t va, uint32_t word)
{
    if (c->observe->coverage)
        coverage_note(c->observe->coverage, va);
    return observe_marks(c, va, word);
}

const struct a64_insn *observe_op(struct cpu *c, const struct a64_insn *insn)
{
    struct a64_insn plain;

    if (!c->alone) {
        c->st.pc = cpu_pc(c, insn);
        c->leave = CPU_LEAVE_OBSERVE;
        return NULL;
    }
    a64_decode(insn->word, &plain);
    return plain.fn(c, insn);
}

/* --- Events --------------------------------------------------------------------------------------------------------- */

static struct trace_event event_of(const struct cpu *c, enum trace_event_id id)
{
    const struct cpu_observe *o = c->observe;
    return (struct trace_event){
        .id = id, .vcpu = (uint8_t)c->index, .el = o->el, .has_pc = true, .insns = c->nr_insns, .pc = o->pc};
}

void observe_begin(struct cpu *c, const struct a64_insn *insn)
{
    struct cpu_observe *o = c->observe;

    o->nr_accesses = 0;
    o->pc = cpu_pc(c, insn);
    o->word = icache_word(c, insn);
    o->el = c->st.el;
    o->branch_next = c->branch_next;
    o->operand = (o->word & 31) == 31 ? 0 : c->st.x[o->word & 31];
    if (!(o->kinds & KIND(INSN)))
        return;
    struct trace_event ev = event_of(c, TRACE_INSN_EVENT);
    ev.arg[0] = o->word;
    trace_emit(o->trace, &ev);
}

/* Pieces of up to 8 bytes, as a register has them. */
static void emit_accesses(struct cpu *c)
{
    const struct cpu_observe *o = c->observe;

    for (unsigned i = 0; i < o->nr_accesses; i++) {
        const struct observe_access *a = &o->access[i];
        for (unsigned at = 0; at < a->len; at += 8) {
            struct trace_event ev = event_of(c, TRACE_MEM_EVENT);
            uint64_t val = 0;
            const unsigned len = MIN(a->len - at, 8u);
            memcpy(&val, a->write ? a->host + at : a->bytes + at, len);
            ev.arg[0] = trace_str(a->write ? "write" : "read");
            ev.arg[1] = len;
            ev.arg[2] = a->va + at;
            ev.arg[3] = val;
            trace_emit(o->trace, &ev);
        }
    }
}

static void emit_branch(struct cpu *c, unsigned row)
{
    struct trace_event ev = event_of(c, TRACE_BRANCH_EVENT);

    switch (row) {
    case A64_ROW_BL_only_branch_imm:
    case A64_ROW_BLR_64_branch_reg:
    case A64_ROW_BLRAZ_64_branch_reg:
    case A64_ROW_BLRA_64P_branch_reg: ev.arg[0] = trace_str("call"); break;
    case A64_ROW_RET_64R_branch_reg:
    case A64_ROW_RETA_64E_branch_reg: ev.arg[0] = trace_str("return"); break;
    case A64_ROW_ERET_64E_branch_reg:
    case A64_ROW_ERETA_64E_branch_reg: ev.arg[0] = trace_str("exception return"); break;
    default: ev.arg[0] = trace_str("jump"); break;
    }
    ev.arg[1] = c->branch[(c->branch_next - 1) % BRANCH_RING].to;
    trace_emit(c->observe->trace, &ev);
}

static void emit_sysreg(struct cpu *c, const struct a64_insn *i, bool write)
{
    const struct cpu_observe *o = c->observe;
    const unsigned t = o->word & 31;
    struct trace_event ev = event_of(c, TRACE_SYSREG_EVENT);

    ev.arg[0] = trace_str(write ? "write" : "read");
    ev.arg[1] = write ? i->u.MSR_SR_systemmove.enc : i->u.MRS_RS_systemmove.enc;
    ev.arg[2] = write ? o->operand : t == 31 ? 0 : c->st.x[t];
    trace_emit(o->trace, &ev);
}

static void emit_pstate(struct cpu *c, const struct a64_insn *i)
{
    struct trace_event ev = event_of(c, TRACE_PSTATE_EVENT);

    switch (i->u.MSR_SI_pstate.op) {
    case PSTATE_UAO: ev.arg[0] = trace_str("UAO"); break;
    case PSTATE_PAN: ev.arg[0] = trace_str("PAN"); break;
    case PSTATE_SPSEL: ev.arg[0] = trace_str("SPSel"); break;
    case PSTATE_SSBS: ev.arg[0] = trace_str("SSBS"); break;
    case PSTATE_DIT: ev.arg[0] = trace_str("DIT"); break;
    case PSTATE_DAIFSET: ev.arg[0] = trace_str("DAIFSet"); break;
    default: ev.arg[0] = trace_str("DAIFClr"); break;
    }
    ev.arg[1] = (uint64_t)i->u.MSR_SI_pstate.imm;
    trace_emit(c->observe->trace, &ev);
}

static void emit_tlbi(struct cpu *c, const struct a64_insn *i)
{
    const struct cpu_observe *o = c->observe;
    struct trace_event ev = event_of(c, TRACE_TLBI_EVENT);

    ev.arg[0] = trace_str(sysop_name(i->u.SYS_CR_systeminstrs.op) + strlen("tlbi "));
    ev.arg[1] = o->operand;
    ev.absent = (o->word & 31) == 31 ? 1u << 1 : 0;
    trace_emit(o->trace, &ev);
}

/* What of the kinds the instruction was, now that it has been run. */
static void emit_effects(struct cpu *c)
{
    const struct cpu_observe *o = c->observe;
    struct a64_insn i;

    a64_decode(o->word, &i);
    if (o->kinds & KIND(MEM))
        emit_accesses(c);
    if ((o->kinds & KIND(BRANCH)) && c->branch_next != o->branch_next)
        emit_branch(c, i.row);
    switch (i.row) {
    case A64_ROW_MRS_RS_systemmove:
    case A64_ROW_MSR_SR_systemmove:
        if (o->kinds & KIND(SYSREG))
            emit_sysreg(c, &i, i.row == A64_ROW_MSR_SR_systemmove);
        break;
    case A64_ROW_MSR_SI_pstate:
        if (o->kinds & KIND(SYSREG))
            emit_pstate(c, &i);
        break;
    case A64_ROW_SYS_CR_systeminstrs:
        if ((o->kinds & KIND(TLB)) && sysop_is_tlbi(i.u.SYS_CR_systeminstrs.op))
            emit_tlbi(c, &i);
        break;
    case A64_ROW_ERET_64E_branch_reg:
    case A64_ROW_ERETA_64E_branch_reg:
        if (o->kinds & KIND(EXCEPTION)) {
            struct trace_event ev = event_of(c, TRACE_RETURN_EVENT);
            ev.arg[0] = c->st.el;
            ev.arg[1] = c->st.pc;
            trace_emit(o->trace, &ev);
        }
        break;
    default: break;
    }
}

void observe_end(struct cpu *c, const struct a64_insn *next)
{
    struct cpu_observe *o = c->observe;
    const bool done = next || !((c->leave == CPU_LEAVE_EXCEPTION && c->exc.ret == o->pc) ||
                                c->leave == CPU_LEAVE_DEBUG);

    if (o->kinds && done)
        emit_effects(c);
}

void observe_exception(struct cpu *c)
{
    struct cpu_observe *o = c->observe;
    const bool sync = c->exc.type == EXC_SYNC;

    if (!trace_wants(o->trace, TRACE_KIND_EXCEPTION))
        return;
    struct trace_event ev = event_of(c, TRACE_TAKE_EVENT);
    ev.el = (uint8_t)bits(c->st.spsr_el[1], 3, 2);
    ev.pc = c->exc.ret;
    ev.arg[0] = trace_str(sync                     ? "sync"
                          : c->exc.type == EXC_IRQ ? "IRQ"
                          : c->exc.type == EXC_FIQ ? "FIQ"
                                                   : "SError");
    ev.arg[1] = c->exc.esr;
    ev.arg[2] = c->exc.far;
    ev.arg[3] = c->st.pc;
    ev.arg[4] = c->st.spsr_el[1];
    ev.absent = (uint16_t)((sync ? 0 : 1u << 1) | (c->exc.far_valid ? 0 : 1u << 2));
    trace_emit(o->trace, &ev);
}

/* --- Accesses ------------------------------------------------------------------------------------------------------- */

/* Whether some of [at, at + len) is traced. */
static bool is_traced(const struct trace *t, gva_t at, uint64_t len)
{
    for (unsigned i = 0; i < t->nr_mem; i++)
        if (at <= t->mem[i].last && t->mem[i].first <= at + (len - 1))
            return true;
    return t->nr_mem == 0;
}

bool observe_watches(const struct cpu *c)
{
    return c->observe->kinds & KIND(MEM);
}

bool observe_watches_page(const struct cpu *c, gva_t va)
{
    const gva_t page = walk_strip_tag(&c->st, va, false) & ~(gva_t)(TLB_PAGE_SIZE - 1);
    return observe_watches(c) && is_traced(c->observe->trace, page, TLB_PAGE_SIZE);
}

/* What is asked of a page before half of it is stored to counts once. */
static void note_access(struct cpu_observe *o, gva_t at, unsigned len, bool write, const uint8_t *host)
{
    for (unsigned i = 0; i < o->nr_accesses; i++)
        if (o->access[i].write == write && at - o->access[i].va < o->access[i].len)
            return;
    if (o->nr_accesses == OBSERVE_MAX_ACCESSES || len > OBSERVE_ACCESS_LEN)
        return;
    struct observe_access *a = &o->access[o->nr_accesses++];
    a->va = at;
    a->len = len;
    a->write = write;
    a->host = host;
    if (!write)
        memcpy(a->bytes, host, len);
}

bool observe_translated(struct cpu *c, gva_t va, unsigned len, bool write, const struct tlb_view *view)
{
    struct cpu_observe *o = c->observe;

    if (!len)
        return true;
    if (!view->host) {
        c->alone_due = o->what->exits && !c->alone;
        return !c->alone_due;
    }
    const gva_t at = walk_strip_tag(&c->st, va, false);
    if (!observe_watches(c) || !is_traced(o->trace, at, len))
        return true;
    if (c->alone)
        note_access(o, at, len, write, view->host);
    else
        c->alone_due = true;
    return c->alone;
}
