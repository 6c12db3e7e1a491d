/* What the files of the translator share. */
#ifndef VIBE_CPU_JIT_JIT_INTERNAL_H
#define VIBE_CPU_JIT_JIT_INTERNAL_H

#include "cpu/cpu.h"
#include "cpu/cpu_internal.h"
#include "cpu/interp.h"
#include "cpu/jit.h"
#include "cpu/jit/ir.h"
#include "cpu/jit/x64.h"
#include "cpu/operands.h"

#include "gen/a64_rows.h"

#define JIT_MAX_INSNS 512u  /* guest instructions of a region */
#define JIT_MAX_BLOCKS 160u /* of a region */
#define JIT_MAX_PAGES 4u
#define JIT_MAX_IR 6144u
#define JIT_MAX_WEBS 3000u
#define JIT_MAX_VARS (JIT_MAX_WEBS + VAR_TEMP) /* before there are webs */
#define JIT_MAX_SITES 1024u
#define JIT_NR_SPILLS 64u

/* What a region takes for granted of the CPU's state; part of its key. */
enum jit_mode {
    MODE_EL1 = 1,
    MODE_ALIGN = 2, /* misaligned accesses fault, or may: SCTLR_EL1.A, or the MMU is off and all memory Device */
    MODE_SP = 4, /* SP is checked */
    MODE_FP = 8, /* CPACR_EL1 lets FP and SIMD through */
    MODE_MMU = 16,
    MODE_FPCR = 32, /* FPCR asks for nothing but a rounding mode and FZ: the host's floating point serves */
    MODE_FZ = 64,      /* with MODE_FPCR */
    MODE_DZE = 128,    /* DC ZVA is there */
    MODE_PAC_IA = 256, /* << enum pac_key: the key is enabled */
};

/* --- What stays of a translation ------------------------------------------------------------------------------------ */

/* A page that a region has code in. */
struct jit_page {
    gva_t va;
    gpa_t pa;
    uint16_t lo, hi; /* the code: bytes [lo, hi) of the page */
    bool unguarded;  /* a call by register within the region comes here, and looks at no BTYPE */
    struct jit_region *region;
    struct jit_page *next; /* in the hash by pa */
};

/* One half of an address space in one mode, and its stamp; 0: none. */
struct jit_space {
    uint64_t ttbr;
    uint32_t mode, stamp;
    bool lower;
};

/* What the mode and the stamps are at an exception level, as long as nothing else changes. */
struct jit_level {
    bool known;
    uint32_t mode, stamp[2];
};

/* A guest register at a site: where it is, what has to be done. */
struct jit_loc {
    uint8_t var;    /* VAR_X0.., VAR_SP, VAR_V0.. */
    uint8_t hreg;   /* x64_reg, or 16 + XMM */
    uint8_t dirty;  /* its home is older */
    uint8_t reload; /* wanted in the register afterwards */
};

enum jit_site_kind {
    SITE_MEMORY, /* the interpreter does this instruction, and the code behind it goes on; or it begins again, if filling the TLB was all that it took */
    SITE_PROBE, /* as SITE_MEMORY when the probe cannot be made and only this instruction needs it, else the code before it once more */
    SITE_INTERP, /* an instruction that is not lifted */
    SITE_FLOAT,  /* as SITE_MEMORY, where the host trapped or would not do */
};

struct jit_site {
    struct jit_region *region;
    uint8_t kind;
    bool group; /* what is done here later instructions use too: if C code does it, the region is left */
    uint8_t write, align;
    uint8_t nr_locs;
    bool flags_stay; /* an access that changes nothing of what the flags are worked out of */
    uint16_t len; /* bytes of an access, or of a probe, that can begin at retry once more; else 0 */
    uint8_t nr_traps; /* SITE_FLOAT: up to JIT_MAX_TRAPS; SITE_PROBE of a group: of which it lay across two pages */
    int16_t insns_after; /* instructions of the block counted already but not run before this one, itself included */
    uint32_t locs;          /* index into the region's */
    uint32_t retry, resume; /* code offsets; SITE_FLOAT: the trap came from between them */
    uint32_t insn;          /* index into the region's insns */
    struct flag_state flags;
    gva_t pc;
};

struct jit_region;

/* A direct exit of a region, at which it may be linked to another. */
struct jit_link {
    struct jit_region *from, *to;
    struct jit_link *next_to; /* of those that go to `to` */
    gva_t target;
    uint32_t guard; /* code offset of the stamp that is compared */
    uint32_t jump;  /* code offset of the rel32 */
    uint32_t slow;  /* code offset of where it goes when it is not linked */
    bool is_call;
};

/* A place where a region may be entered with all guest registers at home. All that a search looks at, in one cache line. */
struct jit_entry {
    struct jit_entry *next; /* in the hash */
    struct jit_region *region;
    gva_t va;
    gpa_t pa;
    uint32_t mode;  /* the region's */
    uint32_t stamp; /* with which the region was found to hold, by a search that came here */
    uint32_t code;  /* offset in the cache; in the region as long as that is being made */
    uint32_t pad[5];
};
#define CACHE_LINE 64
_Static_assert(sizeof(struct jit_entry) == CACHE_LINE, "one line");

struct jit_region {
    struct jit_region *next, *prev; /* of all */
    uint32_t mode;
    unsigned nr_pages, nr_sites, nr_links, nr_entries, nr_insns;
    bool dead;
    uint32_t nr_runs; /* entered from the interpreter, for --check-jit */
    uint32_t stamp;   /* with which its pages were found to be mapped as it says */
    unsigned index;   /* of by_code, while it is being buried */
    struct jit_page page[JIT_MAX_PAGES];
    struct tlb_block ram_block; /* that its loads and stores take for granted; len 0: none */
    gva_t start;                /* where its translation began */
    uint32_t code, code_len;
    struct jit_site *site;
    struct jit_loc *loc;
    struct jit_link *link;
    struct jit_entry *entry;
    struct a64_insn *insn;
    gva_t *va; /* of those, for --check-jit; else null */
    struct jit_link *incoming;
};

/* --- What a CPU's translator has ------------------------------------------------------------------------------------ */

#define JIT_ENTRY_BUCKETS 65536u
#define JIT_NR_FOUND 65536u
#define JIT_PAGE_BUCKETS 8192u
#define JIT_NR_SPACES 32u
#define JIT_CODE_LEN_DEFAULT (64u << 20)
#define JIT_FILTER_BITS 4096u
#define JIT_MAX_TRAPS                                                                              \
    64u /* so many of one floating-point instruction, and it is left to the interpreter */
#define JIT_NR_TRAPPING 64u
#define JIT_MAX_CROSSINGS 32u /* so many of one group, and its accesses are checked one by one */
#define JIT_NR_CROSSING 256u
#define JIT_NR_OUTSIDE 256u

struct jit_unit;

/* What a search for code at an address came to: like an entry of jit_hot.target, it holds for a stamp. */
struct jit_found {
    gva_t va;
    uint32_t stamp; /* 0: nothing is known here */
    uint32_t code;  /* offset in the cache; 0: there was none */
};

/* How host code came back. */
enum jit_exit {
    JIT_EXIT_INTERPRET, /* go on at st.pc in the interpreter */
    JIT_EXIT_PLAIN,     /* the same for one instruction, though there is code for it */
    JIT_EXIT_BUDGET,    /* the slice is over */
    JIT_EXIT_OUTSIDE,   /* the same as INTERPRET: a base was not as the region took for granted */
    JIT_EXIT_LEAVE,     /* the interpreter's function left with cpu.leave */
};

struct jit {
    struct jit_options opt;
    uint32_t host;  /* set of enum jit_host_feature */
    bool has_traps; /* host floating point may be used */
    /* One memory object mapped twice: written at rw, run at rx. */
    uint8_t *rw, *rx;
    uint32_t code_len, code_used, code_fixed; /* up to code_fixed are the thunks */
    uint32_t enter, leave, slow, slow_vector, link, indirect, exception, flags, flags_vector, wfi,
        load_fp, help, help_vector; /* code offsets of the thunks */
    struct jit_region **by_code; /* all since the cache was empty, dead ones too, in the order of their code */
    unsigned nr_by_code, by_code_room;
    struct jit_region *regions;
    struct jit_region *graveyard; /* dead, but perhaps still being run: freed at the next entry */
    bool flush_pending;           /* all are dead: the next entry begins with an empty cache */
    uint32_t mode;                /* now */
    struct jit_level level[2];    /* EL0, EL1 */
    struct jit_space space[JIT_NR_SPACES];
    struct jit_page *page_bucket[JIT_PAGE_BUCKETS];
    struct jit_entry *bucket[JIT_ENTRY_BUCKETS]; /* by physical and virtual address */
    uint32_t nr_at[JIT_ENTRY_BUCKETS];           /* entries by physical address alone, hashed */
    struct jit_found found[JIT_NR_FOUND];        /* by virtual address, hashed */
    uint64_t code_pages[2][JIT_FILTER_BITS / 64]; /* which virtual pages, hashed, have regions: lower and upper half */
    gva_t crossing[JIT_NR_CROSSING]; /* by hash: where groups of accesses began that often lay across two pages */
    gva_t outside[JIT_NR_OUTSIDE]; /* by hash: regions entered with a base from which not all is RAM */
    gva_t trapping[JIT_NR_TRAPPING]; /* by hash: instructions whose floating point the host would trap all the time */
    uint32_t next_stamp, next_call_tag;
    bool upper_has_asid; /* some code in the upper half is not global */
    struct jit_stats stats;
    struct jit_unit *unit; /* work space of the translator */
};

/* rbp points this far into struct cpu, so that x[] is within a byte's displacement. */
#define JIT_BIAS 128
#define CPU_AT(field) ((int32_t)offsetof(struct cpu, field) - JIT_BIAS)

/* --- Work space of one translation ---------------------------------------------------------------------------------- */

struct jit_block {
    gva_t va;
    uint16_t first, nr; /* guest instructions: index into unit.insn; nr may be 0 (only an exit) */
    uint16_t taken, next; /* blocks; JIT_MAX_BLOCKS: outside. Of a call within the region: taken is what it calls */
    uint16_t back; /* of a call: the block behind it, if that may be entered; else JIT_MAX_BLOCKS */
    uint16_t ir_first, ir_end;
    uint8_t depth;   /* of loops */
    bool entry;      /* may be entered from outside */
    bool header;     /* a branch from behind or from itself comes here */
    bool looks;      /* at the budget */
    bool after_wait; /* behind a WFI: an interrupt comes before it, or there might be another WFI */
    bool returns;    /* ends with RET, perhaps to one of unit.returned */
    bool again;      /* a further turn of the loop of one block that comes before it */
    uint16_t order;
    uint16_t pred[8];
    uint8_t nr_preds; /* more than ARRAY_LEN(pred): all that is known is that there are many */
};

struct jit_insn {
    struct a64_insn i;
    gva_t va;
    uint16_t block;
    uint8_t ending; /* region.c */
};

/* A connected life of a guest register, or a temporary. */
struct jit_web {
    var_t var; /* its guest register; VAR_TEMP: a temporary */
    bool vec;
    bool entry;   /* has its value from its home at an entry */
    bool defined; /* is computed in the region, not only found at home */
    int8_t hreg;  /* x64_reg or xmm; X64_NONE: lives at home, or in a spill slot */
    bool lazy; /* keeps its register as long as the value may be asked for, and is stored when it is; otherwise wherever it is computed */
    uint16_t spill;
    uint16_t uses;
    uint16_t block;              /* of a temporary */
    uint16_t last;               /* operation behind which a temporary is still wanted; 0: none */
    uint16_t places;             /* operations behind which it is live */
    var_t hint;                  /* a web that would do well in the same register */
    uint32_t weight, def_weight; /* uses and definitions by how often they run */
};

/* A general register that the region does not write; bytes [lo, hi) from it are in the region's block of RAM. With a limit, another such register, so are
 * those up to the limit << scale further. */
struct jit_base {
    var_t var, limit; /* limit: VAR_NONE: there is none */
    int64_t lo, hi;
    uint8_t limit_sz, scale; /* limit_sz 2: its lower half */
};

struct jit_unit {
    struct jit *j;
    struct cpu *c;
    gva_t start;
    uint32_t mode;
    bool failed; /* did not fit somewhere, or the host has no more memory: the guest goes on without this region */
    uint64_t random; /* state of registers=random */
    FILE *dump;      /* each pass is shown there; or null */

    unsigned nr_pages;
    struct jit_page page[JIT_MAX_PAGES];

    unsigned max_insns; /* JIT_MAX_INSNS or less */
    unsigned nr_insns, nr_blocks, nr_ir, nr_temps;
    struct jit_insn insn[JIT_MAX_INSNS];
    struct jit_block block[JIT_MAX_BLOCKS + 1];
    uint16_t order[JIT_MAX_BLOCKS]; /* blocks as they are laid out */
    unsigned nr_returned;
    uint16_t returned[JIT_MAX_BLOCKS]; /* blocks behind calls within the region */
    uint32_t call_tag;     /* of its calls' frames; no other translation's that is on the stack */
    struct ir *ir, *spare; /* into ir_space; a pass that adds operations writes them to the other one */
    struct ir ir_space[2][JIT_MAX_IR];
    bool asked_behind[JIT_MAX_IR];
    var_t before[JIT_MAX_IR]; /* webs.c: of the register that an operation writes, the web up to there */

    unsigned nr_flag_states;
    struct flag_state flag_state[1024];
    struct flag_state flags_in[JIT_MAX_BLOCKS], flags_out[JIT_MAX_BLOCKS];

    /* webs.c, registers.c */
    unsigned nr_webs, nr_words; /* 64 operations a word */
    struct jit_web web[JIT_MAX_WEBS];
    struct lives *lives; /* webs.c's; null before the first region */
    uint64_t *live, *held; /* by web: where the value will be read, where it may be asked for; bit i: behind operation i */
    size_t sets_len;                               /* words that live and held have room for */
    uint64_t vars;                                 /* guest registers that occur */
    var_t block_web[JIT_MAX_BLOCKS][VAR_NR_GUEST]; /* at the block's start; VAR_NONE */
    uint64_t live_in[JIT_MAX_BLOCKS], held_in[JIT_MAX_BLOCKS];
    uint8_t zero_in[JIT_MAX_BLOCKS][32]; /* of V0 to V31, from which byte on it is zero at the block's start: 4, 8; 16: nothing is known */

    struct tlb_block ram_block; /* len 0: none */
    unsigned nr_bases;
    struct jit_base base[4]; /* looked at at each entry */
    bool sp_aligned;         /* ... is SP as well: it is a multiple of 16 all the time */
    bool uses_vectors;       /* in host registers */
    bool uses_fp;            /* host floating point */

    /* emit.c */
    struct x64_buf buf;
    unsigned nr_sites, nr_links, nr_entries, nr_locs;
    struct jit_site site[JIT_MAX_SITES];
    struct jit_link link[JIT_MAX_BLOCKS * 2];
    struct jit_entry entry[JIT_MAX_BLOCKS];
    struct jit_loc loc[JIT_MAX_SITES * 12];
    uint32_t code_at; /* offset of buf.start in the cache */
    unsigned nr_pointers;
    struct {
        uint32_t at; /* of an imm64, which gets the address of a site or link */
        uint16_t index;
        bool link;
    } pointer[JIT_MAX_SITES + JIT_MAX_BLOCKS * 2];
    struct emit *emit; /* emit.c's; null before the first region */
};

/* Whether code of the block begins with a look at the budget, and may leave there. */
static inline bool jit_may_leave_before(const struct jit_unit *u, const struct jit_block *b)
{
    return b->looks || b->after_wait || u->j->opt.exact;
}

/* Whether code at va, a page that jit_peek_page() knows, is in a guarded page: what comes there by register has to look at BTYPE. */
static inline bool jit_is_guarded(const struct cpu *c, gva_t va)
{
    return c->itlb[(va >> TLB_PAGE_SHIFT) & (ITLB_ENTRIES - 1)].guarded;
}

/* The AVX instruction that is all of a vector operation, by sz; 0: there is none (spec/vector_ops.def). */
extern const uint32_t vector_host_op[NR_VECTOR_OPS][4];

/* region.c: finds the blocks from va on. False: nothing worth translating. */
bool jit_find_region(struct jit_unit *u, gva_t va);
/* The blocks of the region that may come next; succ has room for JIT_MAX_BLOCKS. */
unsigned jit_successors(const struct jit_unit *u, uint16_t k, uint16_t *succ);

/* peel.c: the blocks of a region, nr_all numbers of which are taken, with the first turns of loops in blocks of their own; how many numbers then are. The
 * order has to be found anew. */
unsigned jit_peel(struct jit_unit *u, unsigned nr_all);
/* Whether an instruction that takes an exception, or returns from one, goes on in translated code: the run loop is not asked what else there is to do, which
 * is nothing as a rule. */
bool jit_in_place(const struct jit_unit *u, unsigned row);

/* emit_memory.c: the block of RAM that the region's accesses are compared with, if there is one. */
void jit_find_ram_block(struct jit_unit *u);
/* lift*.c: the guest's instructions as IR. */
void jit_lift(struct jit_unit *u);

/* The passes, in their order. */
void jit_pass_fold(struct jit_unit *u);
void jit_pass_flags(struct jit_unit *u);
void jit_pass_dead(struct jit_unit *u);
void jit_pass_bounds(struct jit_unit *u);
void jit_pass_probes(struct jit_unit *u);
void jit_find_webs(struct jit_unit *u);
/* From which byte on the result of a vector operation is zero; known: by web, of its operands. */
unsigned jit_zero_above(const struct ir *r, const uint8_t *known);
/* zeros, by web: at the start of block k. */
static inline void jit_zeros_at(const struct jit_unit *u, uint16_t k, uint8_t *zeros)
{
    for (unsigned v = VAR_V0; v < VAR_NR_GUEST; v++)
        if (u->block_web[k][v] < JIT_MAX_WEBS)
            zeros[u->block_web[k][v]] = u->zero_in[k][v - VAR_V0];
}
/* From before an operation to behind it. */
static inline void jit_zeros_behind(const struct jit_unit *u, const struct ir *r, uint8_t *zeros)
{
    if ((ir_traits[r->op] & IRT_D) && r->d < JIT_MAX_WEBS && u->web[r->d].vec)
        zeros[r->d] = (uint8_t)jit_zero_above(r, zeros);
}
void jit_allocate(struct jit_unit *u);
/* The spare operations, nr of them, become the unit's. */
void jit_take_spare(struct jit_unit *u, unsigned nr);
/* Whether condition cc holds with these flags: bit 3 N to bit 0 V. */
static inline bool jit_condition_holds(unsigned cc, unsigned nzcv)
{
    return operand_cond(cc) >> nzcv & 1;
}
/* Flag states of the same value, whatever their form. */
bool jit_same_flags(const struct flag_state *x, const struct flag_state *y);
/* Whether a conditional branch may leave the region. */
bool jit_leaves(const struct ir *r);

static inline bool jit_is_guest(var_t v)
{
    return v < VAR_NR_GUEST;
}

/* Where pe_state.x has a general register. */
static inline unsigned jit_state_index(unsigned var)
{
    return var == VAR_SP ? REG_SP : var;
}

/* What an operation reads; VAR_NONE where it reads less. */
static inline void jit_reads(const struct ir *r, var_t read[4])
{
    const uint16_t t = ir_traits[r->op];

    read[0] = t & (IRT_A | IRT_M) ? r->a : VAR_NONE;
    read[1] = t & (IRT_B | IRT_M) ? r->b : VAR_NONE;
    read[2] = t & IRT_C ? r->c : VAR_NONE;
    read[3] = t & IRT_H ? r->h : VAR_NONE;
}

/* The guest registers that an operation reads, and those that it writes; BIT64(var). */
static inline uint64_t jit_guest_reads(const struct ir *r)
{
    var_t read[4];
    uint64_t m = 0;

    jit_reads(r, read);
    for (unsigned i = 0; i < ARRAY_LEN(read); i++)
        m |= jit_is_guest(read[i]) ? BIT64(read[i]) : 0;
    return m;
}

static inline uint64_t jit_guest_writes(const struct ir *r)
{
    return (ir_traits[r->op] & IRT_D) && jit_is_guest(r->d) ? BIT64(r->d) : 0;
}

static inline bool jit_bit(const struct jit_unit *u, const uint64_t *sets, unsigned web, unsigned i)
{
    return sets[(size_t)web * u->nr_words + i / 64] >> (i % 64) & 1;
}

/* emit*.c: host code into u->buf; sites, links, entries into u. */
void jit_emit(struct jit_unit *u);
/* The code that all regions share, at the start of the cache. */
void jit_emit_thunks(struct jit *j, struct x64_buf *b);

/* verify.c: BUG() with what is wrong after pass `after`. Debug builds. */
void jit_verify(const struct jit_unit *u, const char *after);

/* dump.c */
void jit_dump_ir(FILE *f, const struct jit_unit *u, const char *pass);
void jit_dump_code(FILE *f, const uint8_t *code, uint32_t len);

/* cache.c. Null: out of memory. */
struct jit_region *jit_publish(struct jit_unit *u);
uint32_t jit_current_mode(const struct cpu *c);
/* Whether some instruction is no more what it was when it was translated: written to, and IC IVAU is still to come. With --check-jit. */
bool jit_code_is_stale(struct cpu *c);
/* The page of a fetch from va, if the ITLB has it; else null. */
static inline const struct code_page *jit_peek_page(const struct cpu *c, gva_t va)
{
    const struct itlb_entry *e = &c->itlb[(va >> TLB_PAGE_SHIFT) & (ITLB_ENTRIES - 1)];

    return e->tag == ((va & ~(gva_t)(TLB_PAGE_SIZE - 1)) | c->tlb_ctx) ? e->page : NULL;
}
/* The same: where it is. */
bool jit_peek_fetch(struct cpu *c, gva_t va, gpa_t *pa, const uint32_t **host);
static inline struct jit_found *jit_found_slot(struct jit *j, gva_t va)
{
    return &j->found[(va >> 2 ^ va >> 18) & (JIT_NR_FOUND - 1)];
}
/* What is known of code at va, in the present mode and address space; null: nothing. That there is none may be out of date: some page was not mapped then,
 * perhaps. */
static inline const struct jit_found *jit_found_at(const struct cpu *c, gva_t va)
{
    const struct jit_found *f = jit_found_slot(c->jit, va);

    return f->va == va && f->stamp == c->jit_hot.stamp[(int64_t)va >= 0] ? f : NULL;
}
/* Notes the outcome of a search at va, which may be null. */
static inline const struct jit_found *jit_note_found(struct cpu *c, gva_t va, const struct jit_entry *e)
{
    struct jit_found *f = jit_found_slot(c->jit, va);

    *f = (struct jit_found){
        .va = va, .stamp = c->jit_hot.stamp[(int64_t)va >= 0], .code = e ? e->code : 0};
    return f;
}
/* The entry at va, in the present mode and address space; null: none. */
struct jit_entry *jit_entry_at(struct cpu *c, gva_t va, gpa_t pa);
/* Whether there may be some at this physical address, for another address space or mode. */
bool jit_any_entry_at(const struct jit *j, gpa_t pa);
struct jit_entry *jit_find_entry(struct cpu *c, gva_t va);
/* The same, without a look at translation tables. */
struct jit_entry *jit_find_known_entry(struct cpu *c, gva_t va);

/* Whether a live translation is of any of these bytes. */
bool jit_has_code(const struct cpu *c, gpa_t pa, uint64_t len);
static inline const uint8_t *jit_entry_code(const struct jit *j, const struct jit_entry *e)
{
    return j->rx + e->code;
}
void jit_link_to(struct cpu *c, struct jit_link *l, struct jit_entry *e);
void jit_forget_targets(struct cpu *c);
/* Branches to va, and the run loop when it is there, need not look for its code any more. */
void jit_remember_target(struct cpu *c, gva_t va, const void *code);
/* Takes a region out of use; it may be running. */
void jit_drop_region(struct cpu *c, struct jit_region *r);
/* The region that has code at this offset, perhaps a dead one; null: none. */
struct jit_region *jit_region_at(const struct jit *j, uint32_t at);
/* Frees regions that are dead, when nothing runs. */
void jit_bury(struct jit *j);

/* site.c, from the thunks. They return a host address to go on at, or null to leave to the run loop. */
const uint8_t *jit_at_site(struct cpu *c, struct jit_site *s, gva_t va);
const uint8_t *jit_at_exception(struct cpu *c, struct jit_site *s);
const uint8_t *jit_at_link(struct cpu *c, struct jit_link *l);
const uint8_t *jit_at_indirect(struct cpu *c, gva_t va, uint64_t btype);
/* NZCV as the dynamic flags say; and the other way round, also to static slot 0. */
uint32_t jit_dynamic_flags(const struct cpu *c);
void jit_set_flags(struct cpu *c, uint32_t nzcv);
/* IR_HELP. */
uint64_t jit_at_help(struct cpu *c, uint64_t a, uint64_t b, uint32_t what);
/* The dynamic flags to static slot 0, as FLAG_HOST. */
void jit_at_flags(struct cpu *c);
void jit_at_wfi(struct cpu *c);

/* probes.c: a group's site that failed at va. Whether it makes a habit of lying across two pages: it is to be none from now on, and its region made
 * anew. */
bool jit_probe_gives_up(struct jit *j, struct jit_site *s, gva_t va);
void jit_probe_forget(struct jit *j);
/* After JIT_EXIT_OUTSIDE: that region is to be made anew, without bases. */
void jit_base_is_outside(struct cpu *c);
/* Nothing is known of any region any more. */
void jit_bases_forget(struct jit *j);

/* fpenv.c: between FPCR, FPSR and MXCSR. */
bool jit_fpcr_is_plain(uint32_t fpcr);
/* MXCSR for this FPCR: no flags, all exceptions masked but Invalid, with FZ Denormal and Underflow too, which the interpreter's functions settle. */
uint32_t jit_mxcsr_for(uint32_t fpcr);
/* The flags of an MXCSR into FPSR. */
void jit_fp_collect(struct cpu *c, uint32_t mxcsr);
/* While translated code waits for C: the host's MXCSR, the guest's flags collected; and back. */
void jit_fp_save(struct cpu *c);
void jit_fp_load(struct cpu *c);
static inline void jit_fp_suspend(struct cpu *c)
{
    if (unlikely(c->jit_hot.fp_loaded))
        jit_fp_save(c);
}
static inline void jit_fp_resume(struct cpu *c)
{
    if (unlikely(c->jit_hot.fp_loaded))
        jit_fp_load(c);
}
/* A trap costs microseconds. Whether this one makes a habit of it: it is to be the interpreter's from now on, and its region to be made anew. */
bool jit_fp_gives_up(struct jit *j, const struct jit_site *s);
/* Whether jit_fp_gives_up() has said so of this instruction. Nothing is: all are given another chance. */
bool jit_fp_traps_often(const struct jit *j, gva_t pc);
void jit_fp_trust_all(struct jit *j);
/* Called on the thread whose code trapped at this host address: where it goes on (the thunk), with *rax for it; null: no code of ours. */
const uint8_t *jit_fp_trap(struct cpu *c, const uint8_t *pc, uint64_t *rax);

#endif
