/* The translator from end to end: when it is asked, what it does one after the other, and the way in.
 *
 *   find       region.c     the blocks of a region
 *   peel       peel.c       the first turns of small loops apart, several turns of the smallest
 *   lift       lift*.c      as IR
 *   fold       fold.c       constants
 *   bounds     bounds.c     indexes, one check at the entry for all accesses off a base
 *   probes     probes.c     one TLB check for several accesses
 *   dead       fold.c       what nobody sees
 *   flags      flags.c      where NZCV is
 *   webs       webs.c       lives of registers
 *   registers  registers.c  host registers for them
 *   emit       emit*.c      host code
 *   publish    cache.c      entries, links
 */
#include "cpu/jit.h"

#include "base/log.h"
#include "base/os.h"
#include "cpu/cpu_internal.h"
#include "cpu/jit/check.h"
#include "cpu/jit/host_code.h"
#include "cpu/jit/jit_internal.h"
#include "cpu/jit/perf_map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_THRESHOLD 500u
/* A region needs no more, and the end of the cache comes in good time. */
#define REGION_CODE_MAX (256u << 10)

const char *const jit_pass_name[JIT_NR_PASSES] = {"peel", "fold",   "bounds",   "flags",
                                                  "dead", "probes", "registers"};

const uint16_t ir_traits[IR_NR_OPS + 1] = {
#define D IRT_D
#define A IRT_A
#define B IRT_B
#define C IRT_C
#define H IRT_H
#define M IRT_M
#define F IRT_F
#define S IRT_S
#define E IRT_E
#define T IRT_T
#define V IRT_V
#define IR(name, traits) traits,
#include "spec/ir.def"
#undef IR
#undef D
#undef A
#undef B
#undef C
#undef H
#undef M
#undef F
#undef S
#undef E
#undef T
#undef V
    0,
};

const char *const ir_name[IR_NR_OPS + 1] = {
#define IR(name, traits) #name,
#include "spec/ir.def"
#undef IR
    "NOP",
};

const char *const vector_name[NR_VECTOR_OPS] = {
#define VECTOR(name, ...) #name,
#include "spec/vector_ops.def"
#undef VECTOR
};

bool jit_available(void)
{
    return host_code_available();
}

const char *const jit_host_feature_name[] = {"bmi2", "lzcnt",  "avx", "avx2", "fma",    "sse4.2",
                                             "aes",  "pclmul", "sha", "f16c", "avx512", "vaes"};
const unsigned jit_nr_host_features = ARRAY_LEN(jit_host_feature_name);

static struct jit *create(struct cpu *c, const struct jit_options *opt)
{
    const uint32_t code_len = opt->code_len ? opt->code_len : JIT_CODE_LEN_DEFAULT;
    struct jit *j = calloc(1, sizeof(*j));
    struct jit_unit *u = calloc(1, sizeof(*u));
    struct err e = {0};

    c->check = opt->check ? jit_check_create() : NULL;
    const bool room = j && u && (c->check || !opt->check);
    if (!room)
        err_set(&e, ENOMEM, "out of memory for the translator");
    if (!room || host_code_map(code_len, &j->rw, &j->rx, &e)) {
        log_warn("%s; going on without the translator", e.text);
        jit_check_destroy(c->check);
        c->check = NULL;
        free(u);
        free(j);
        return NULL;
    }
    j->opt = *opt;
    j->code_len = code_len;
    j->host = host_code_features() & ~opt->host_off;
    j->unit = u;
    struct x64_buf b = {.p = j->rw, .start = j->rw, .end = j->rw + j->code_len};
    jit_emit_thunks(j, &b);
    BUG_ON(b.full);
    j->code_fixed = j->code_used = (uint32_t)(b.p - b.start + 63) & ~63u;
    memset(c->hot, 0, sizeof(c->hot));
    for (unsigned i = 0; i < HOT_SLOTS; i++)
        c->hot[i] = (uint16_t)(opt->threshold ? opt->threshold : DEFAULT_THRESHOLD);
    jit_forget_targets(c);
    jit_fp_trust_all(j);
    jit_probe_forget(j);
    jit_bases_forget(j);
    j->has_traps = host_trap_install();
    return j;
}

void jit_attach(struct cpu *c, const struct jit_options *opt)
{
    static const struct jit_options defaults;

    opt = opt ? opt : &defaults;
    if (opt->off || !host_code_available())
        return;
    c->jit = create(c, opt);
    cpu_state_changed(c);
}

void jit_destroy(struct jit *j)
{
    if (!j)
        return;
    while (j->regions) {
        struct jit_region *r = j->regions;
        j->regions = r->next;
        r->dead = true;
        r->next = j->graveyard;
        j->graveyard = r;
    }
    jit_bury(j);
    free(j->by_code);
    host_code_unmap(j->rw, j->rx, j->code_len);
    free(j->unit->live);
    free(j->unit->held);
    free(j->unit->emit);
    free(j->unit->lives);
    free(j->unit);
    free(j);
}

const struct jit_stats *jit_statistics(const struct jit *j)
{
    return &j->stats;
}

/* --- Translating ---------------------------------------------------------------------------------------------------- */

void jit_take_spare(struct jit_unit *u, unsigned nr)
{
    struct ir *was = u->ir;

    u->ir = u->spare;
    u->spare = was;
    u->nr_ir = nr;
}

static bool on(const struct jit_unit *u, enum jit_pass pass)
{
    return !(u->j->opt.passes_off & 1u << pass);
}

/* Shows and checks what a pass has made. */
static void after(struct jit_unit *u, const char *pass)
{
    jit_verify(u, pass);
    if (u->dump && !u->failed)
        jit_dump_ir(u->dump, u, pass);
}

/* A region of at most max_insns instructions; false with u->failed: something is too small for them. */
static bool translate_up_to(struct jit_unit *u, gva_t va, unsigned max_insns)
{
    struct jit *j = u->j;

    u->failed = false;
    u->max_insns = max_insns;
    u->ir = u->ir_space[0];
    u->spare = u->ir_space[1];
    u->start = va;
    u->nr_bases = 0;
    u->sp_aligned = false;
    if (!jit_find_region(u, va))
        return false;
    jit_find_ram_block(u);
    jit_lift(u);
    after(u, "lift");
    if (on(u, JIT_PASS_FOLD) && !u->failed) {
        jit_pass_fold(u);
        after(u, "fold");
    }
    if (on(u, JIT_PASS_BOUNDS) && !u->failed) {
        jit_pass_bounds(u);
        after(u, "bounds");
    }
    if (on(u, JIT_PASS_PROBES) && !u->failed) {
        jit_pass_probes(u);
        after(u, "probes");
    }
    if (on(u, JIT_PASS_DEAD) && !u->failed) {
        jit_pass_dead(u);
        after(u, "dead");
    }
    if (!u->failed)
        jit_pass_flags(u);
    after(u, "flags");
    if (!u->failed)
        jit_find_webs(u);
    if (!u->failed)
        jit_allocate(u);
    after(u, "registers");
    if (u->failed)
        return false;
    u->code_at = j->code_used;
    u->buf = (struct x64_buf){
        .p = j->rw + j->code_used, .start = j->rw + j->code_used, .end = j->rw + j->code_len};
    jit_emit(u);
    return !u->failed;
}

/* Instructions of which each becomes many operations may be too many for one region. */
static bool translate(struct jit_unit *u, gva_t va)
{
    bool done;

    for (unsigned max = JIT_MAX_INSNS; !(done = translate_up_to(u, va, max)) && u->failed && max > 32;)
        max /= 2;
    return done;
}

bool jit_hot(struct cpu *c, gva_t target)
{
    struct jit *j = c->jit;
    uint16_t *count = &c->hot[(target >> 2) & (HOT_SLOTS - 1)];
    const uint32_t *host;
    gpa_t pa;

    if (!j) {
        *count = UINT16_MAX;
        return false;
    }
    *count = (uint16_t)(j->opt.threshold ? j->opt.threshold : DEFAULT_THRESHOLD);
    if ((target & 3) || !jit_peek_fetch(c, target, &pa, &host))
        return false;
    jit_bury(j);
    if (j->flush_pending || j->code_used + REGION_CODE_MAX > j->code_len) {
        if (!j->flush_pending)
            icache_flush_all(c);
        jit_bury(j);
        j->flush_pending = false;
        j->code_used = j->code_fixed;
        j->stats.nr_flushes++;
        jit_fp_trust_all(j);
        jit_probe_forget(j);
        jit_bases_forget(j);
    }
    pa |= target & (TLB_PAGE_SIZE - 1);
    const struct jit_entry *e = jit_entry_at(c, target, pa);
    if (e) {
        jit_note_found(c, target, e);
        icache_mark_entry(c, target, pa); /* the decoded page is a new one */
        *count = DEFAULT_THRESHOLD;       /* others wait to be looked at */
        return true;
    }

    struct jit_unit *u = j->unit;
    const uint64_t start = os_now_ns();
    u->j = j;
    u->c = c;
    u->mode = j->mode;
    u->dump = j->opt.dump && j->opt.dump_pc == target ? stderr : NULL;
    const struct jit_region *r = translate(u, target) ? jit_publish(u) : NULL;
    if (r) {
        if (unlikely(c->check))
            tlb_flush_data(c); /* stores to what is code now come by jit_check_translated() */
        j->stats.nr_regions++;
        j->stats.nr_blocks += u->nr_blocks;
        j->stats.nr_guest_insns += u->nr_insns;
        j->stats.code_bytes += r->code_len;
        if (j->opt.perf_map)
            perf_map_add(j->rx + r->code, r->code_len, target, u->mode & MODE_EL1 ? 1 : 0);
        if (u->dump)
            jit_dump_code(u->dump, j->rx + r->code, r->code_len);
    } else {
        *count = UINT16_MAX;
    }
    j->stats.translate_ns += os_now_ns() - start;
    return r != NULL;
}

bool jit_show(struct cpu *c, gva_t va, FILE *f)
{
    struct jit *j = c->jit;
    const uint32_t *host;
    gpa_t pa;

    if (!j || (va & 3) || !jit_peek_fetch(c, va, &pa, &host) || j->code_used + REGION_CODE_MAX > j->code_len)
        return false;
    struct jit_unit *u = j->unit;
    u->j = j;
    u->c = c;
    u->mode = j->mode;
    u->dump = f;
    const bool done = translate(u, va);
    if (done)
        jit_dump_code(f, j->rx + u->code_at, (uint32_t)(u->buf.p - u->buf.start));
    return done;
}

/* --- Running -------------------------------------------------------------------------------------------------------- */

/* An instruction at which regions begin, but none for this mode and address space; forget: none at all any more. */
static const struct a64_insn *not_here(struct cpu *c, const struct a64_insn *insn, bool forget)
{
    struct a64_insn plain;

    a64_decode(insn->word, &plain);
    if (forget)
        ((struct a64_insn *)(uintptr_t)insn)->fn = plain.fn; /* the pages are ours to write */
    return plain.fn(c, insn);
}

/* --check-jit: each region's first runs, and then one in so many. */
static bool to_be_checked(struct jit_region *r)
{
    return r->nr_runs++ < 100 || r->nr_runs % 256 == 0;
}

/* As jit_run(); done: how many instructions. */
static const struct a64_insn *run(struct cpu *c, const void *code, uint64_t *done)
{
    struct jit *j = c->jit;
    const int64_t before = c->jit_hot.budget;

    jit_set_flags(c, c->st.nzcv);
    c->jit_hot.forfeited = 0;
    c->jit_hot.code_changed = 0;
    host_trap_running(c);
    host_code_enter(j->rx + j->enter, c, code);
    c->st.nzcv = jit_dynamic_flags(c);
    if (c->jit_hot.left_mxcsr) {
        jit_fp_collect(c, c->jit_hot.left_mxcsr);
        c->jit_hot.left_mxcsr = 0;
    }
    *done = (uint64_t)(before - c->jit_hot.budget - c->jit_hot.forfeited);
    c->nr_insns += *done;
    j->stats.insns += *done;
    c->one_plain = c->jit_hot.exit == JIT_EXIT_PLAIN;
    switch ((enum jit_exit)c->jit_hot.exit) {
    case JIT_EXIT_OUTSIDE: jit_base_is_outside(c); /* fallthrough */
    case JIT_EXIT_INTERPRET:
    case JIT_EXIT_PLAIN:
        if (c->st.btype) { /* the run loop looks at it */
            c->leave = CPU_LEAVE_AGAIN;
            return NULL;
        }
        return cpu_goto(c, c->st.pc);
    case JIT_EXIT_BUDGET: c->leave = CPU_LEAVE_SLICE; return NULL;
    case JIT_EXIT_LEAVE: return NULL;
    }
    BUG("translated code came back for no reason");
}

const struct a64_insn *jit_run(struct cpu *c, const void *code)
{
    uint64_t done;
    const struct a64_insn *next = run(c, code, &done);

    c->one_plain |= c->turn_insns && !done && c->jit_hot.exit == JIT_EXIT_BUDGET;
    return next;
}

/* --check-jit: a run that the interpreter does first. */
static const struct a64_insn *run_checked(struct cpu *c, const void *code)
{
    const int64_t slice = c->jit_hot.budget;
    uint64_t done;

    c->jit_hot.budget = MIN(slice, 100); /* so that what the interpreter did ahead is enough */
    jit_check_before(c);
    const struct a64_insn *next = run(c, code, &done);
    c->jit_hot.budget = slice - (int64_t)done;
    jit_check_after(c, done, c->jit_hot.exit == JIT_EXIT_LEAVE);
    return next;
}

const void *jit_exact_code(struct cpu *c)
{
    const struct jit_entry *e;

    if (!c->jit || c->st.btype || c->st.il || c->one_plain)
        return NULL;
    e = jit_find_known_entry(c, c->st.pc);
    return e ? jit_entry_code(c->jit, e) : NULL;
}

const struct a64_insn *jit_enter(struct cpu *c, const struct a64_insn *insn)
{
    const gva_t va = cpu_pc(c, insn);
    struct jit *j = c->jit;
    const struct jit_found *f = jit_found_at(c, va);
    const struct jit_entry *e = NULL;

    if (!f || unlikely(c->check || c->turn_insns)) { /* with turns jit_exact_code() is to find the same */
        const struct code_page *p = CONTAINER_OF(c->code.insns, const struct code_page, insn[0]);
        const gpa_t pa = p->pa | (va & (TLB_PAGE_SIZE - 1));
        e = jit_entry_at(c, va, pa);
        f = jit_note_found(c, va, e);
        if (!e)
            return not_here(c, insn, !jit_any_entry_at(j, pa));
    }
    if (!f->code)
        return not_here(c, insn, false);
    if (c->one_plain) {
        c->one_plain = false;
        return not_here(c, insn, false);
    }
    c->st.pc = va;
    c->nr_insns--;       /* the run loop counts this call */
    if (c->turn_insns) { /* which knows how many are left */
        c->leave = CPU_LEAVE_AGAIN;
        return NULL;
    }
    if (c->jit_hot.budget <= 0) {
        c->leave = CPU_LEAVE_SLICE;
        return NULL;
    }
    const void *code = j->rx + f->code;
    if (unlikely(c->check) && to_be_checked(e->region))
        return run_checked(c, code);
    jit_remember_target(c, va, code);
    return jit_run(c, code);
}
