/* What the emit*.c files share: the state of the emitter, operands, and the small things that every operation needs. */
#ifndef VIBE_CPU_JIT_EMIT_H
#define VIBE_CPU_JIT_EMIT_H

#include "cpu/jit/jit_internal.h"

/* The emitter's own registers. */
enum { SCRATCH = RAX, SCRATCH2 = RCX, SCRATCH3 = RDX, CPU = RBP, BUDGET = R15 };

/* What the host's flags hold. */
enum host_flags {
    HF_NONE,
    HF_SUB,          /* as after CMP: the carry is inverted */
    HF_ADD,          /* as after ADD */
    HF_LOGIC,        /* as after TEST: C and V are clear */
    HF_FCMP,         /* as after UCOMISD a, b */
    HF_FCMP_SWAPPED, /* as after UCOMISD b, a */
};

/* A piece of code out of the way, written behind the region. */
struct emit_stub {
    enum stub_kind {
        STUB_SITE,
        STUB_MEMORY,
        STUB_EXIT,
        STUB_EVENT,
        STUB_EDGE,
        STUB_ENTER,
        STUB_LINK,   /* of a call that is not linked */
        STUB_LOOKUP, /* of a guest address that was not found */
        STUB_CALL    /* by register, to elsewhere than was likely */
    } kind;
    uint8_t *from, *from2; /* rel32 that go there; null: none */
    uint16_t index;        /* STUB_LINK: of the link; STUB_LOOKUP: BTYPE */
    uint16_t site;         /* STUB_SITE, STUB_MEMORY */
    uint8_t va_reg;        /* STUB_SITE of a probe, STUB_CALL: the address */
    enum host_flags host;  /* STUB_EXIT: near exits */
    uint16_t flags;        /* flag state */
    uint16_t block;        /* STUB_EDGE, STUB_ENTER: the block it goes to */
    uint16_t flags_from;   /* STUB_EDGE: the block it comes from */
    uint16_t at;           /* STUB_EDGE, STUB_CALL: the operation there; STUB_MEMORY: the access */
    struct x64_mem mem;    /* STUB_MEMORY: its address */
    uint8_t *back;         /* STUB_MEMORY, STUB_LINK, STUB_LOOKUP of a call: the code behind it */
    bool kind_stored;      /* STUB_EDGE */
    uint16_t insns;        /* to give back to the budget */
    gva_t target;
    uint64_t dirty; /* guest registers to be stored */
    /* Set only where it is asked for. */
    int8_t hreg[VAR_NR_GUEST]; /* ... and where they are */
    var_t now[VAR_NR_GUEST];   /* STUB_EDGE */
};

#define MAX_STUBS 768u

struct emit {
    struct jit_unit *u;
    struct x64_buf *b;
    unsigned at; /* operation */
    uint16_t block;
    bool has_bmi2, has_lzcnt;
    enum host_flags host;
    bool kind_stored;        /* at the end of a block: FLAG_STATIC is stored already */
    var_t now[VAR_NR_GUEST]; /* webs */
    uint64_t dirty;          /* guest registers whose home is older than their register */
    /* As they were before the guest instruction at work. */
    var_t now_before[VAR_NR_GUEST];
    uint64_t dirty_before;
    unsigned multiplied; /* the operation that was done with the one before it: multiply_both() */
    uint64_t written;    /* by this guest instruction so far */
    unsigned first_site; /* of this guest instruction */
    uint16_t gi;
    uint64_t dirty_in[JIT_MAX_BLOCKS];
    uint8_t *label[JIT_MAX_BLOCKS]; /* where a block's code begins */
    unsigned nr_fixups, nr_stubs, nr_pointers;
    /* From here on nothing is cleared for a region. */
    struct {
        uint8_t *at;
        uint16_t block;
    } fixup[JIT_MAX_BLOCKS * 3];
    struct emit_stub stub[MAX_STUBS], now_leaving;
    uint8_t zeros[JIT_MAX_WEBS]; /* jit_zeros_behind() what has been emitted of the block */
    struct {                     /* imm64 that get the address of a site or link */
        uint8_t *at;
        uint16_t index;
        bool link;
    } pointer[JIT_MAX_SITES + JIT_MAX_BLOCKS * 2];
};

static inline enum x64_width emit_width(const struct ir *r)
{
    return r->sz == 3 ? X_64 : X_32;
}

static inline int32_t emit_home(var_t var)
{
    if (var >= VAR_V0)
        return CPU_AT(st.v) + (int32_t)(var - VAR_V0) * 16;
    return CPU_AT(st.x) + (int32_t)jit_state_index(var) * 8;
}

/* Where a web is that has no register. */
static inline struct x64_mem emit_memory(const struct emit *e, var_t web)
{
    const struct jit_web *w = &e->u->web[web];
    return x64_at(CPU, w->var == VAR_TEMP ? CPU_AT(jit_hot.spill) + (int32_t)w->spill * 16
                                          : emit_home(w->var));
}

static inline int emit_hreg(const struct emit *e, var_t web)
{
    return web >= JIT_MAX_WEBS ? X64_NONE : e->u->web[web].hreg;
}

/* The register that holds the web (or zero); loaded into scratch if it has none. Changes no flags. */
int emit_use(struct emit *e, var_t web, int scratch);
/* The register to compute a result in: the web's, or scratch. */
int emit_def(struct emit *e, var_t web, int scratch);
/* After the result is there: to its home, where that is wanted, and noted. */
void emit_defined(struct emit *e, var_t web, int reg);
/* The same when the code for it has been emitted: only noted. */
void emit_noted(struct emit *e, var_t web);

/* emit_vector.c: all with AVX. The emitter's own vector registers are XMM0 to XMM2, and those of emit_vex.c. */
enum { VSCRATCH = 0, VSCRATCH2 = 1, VSCRATCH3 = 2 };
/* As emit_use(), emit_def(), emit_defined(), for webs of vectors; VAR_ZERO is zero. */
int emit_vuse(struct emit *e, var_t web, int scratch);
int emit_vdef(struct emit *e, var_t web, int scratch);
void emit_vdefined(struct emit *e, var_t web, int reg);
/* The same for r->d in d, of which an operation of 8 bytes clears the upper half first. */
void emit_vfinish(struct emit *e, const struct ir *r, int d);
/* emit_vex.c: OP reg, vvvv, rm, op as x64.h says; wide: VEX.W. Registers up to 31. */
enum { EMIT_NO_IMM = -1 };
void emit_vex(struct emit *e, uint32_t op, bool wide, int reg, int vvvv, int rm);
/* With an immediate byte, or EMIT_NO_IMM. */
void emit_vex_imm(struct emit *e, uint32_t op, bool wide, int reg, int vvvv, int rm, int imm);
/* OP reg, [m], either way; not what needs VEX.W. */
void emit_vex_mem(struct emit *e, uint32_t op, int reg, struct x64_mem m);
void emit_vload(struct emit *e, int d, struct x64_mem m); /* 16 bytes, aligned or not */
void emit_vstore(struct emit *e, struct x64_mem m, int s);
/* d = a OP b, op as x64.h says; d = OP b. d may be an operand. */
void emit_vop(struct emit *e, uint32_t op, int d, int a, int b);
void emit_vop_imm(struct emit *e, uint32_t op, int d, int a, int b, unsigned imm);
void emit_vop1(struct emit *e, uint32_t op, int d, int b);
void emit_vmove(struct emit *e, int d, int s);
void emit_vzero(struct emit *e, int d);
void emit_vones(struct emit *e, int d);
void emit_vslide(struct emit *e, int d, int a, unsigned bytes); /* d = a >> bytes, as a whole */
void emit_vsign_mask(struct emit *e, unsigned sz, int d);       /* the top bit of each element */
/* From which byte on the web is known to be zero: 4, 8, or 16 for nothing known. */
unsigned emit_zero_above(const struct emit *e, var_t web);
/* d = the lowest 4 or 8 bytes of a (16: all), zero above them, of which a is zero from byte zero_above on. */
void emit_vlowest(struct emit *e, unsigned bytes, int d, int a, unsigned zero_above);
bool emit_vector(struct emit *e, const struct ir *r);
bool emit_float(struct emit *e, const struct ir *r);
/* emit_crypto.c: comes before emit_vector() */
bool emit_crypto(struct emit *e, const struct ir *r);

/* emit_flags.c */
/* The host condition for r->cc: near flags are there, others are worked out. May complement the host's carry. */
enum x64_cc emit_condition(struct emit *e, const struct ir *r);
/* The host's flags from a flag state; destroys the scratch registers. */
void emit_flags_from(struct emit *e, const struct flag_state *s, unsigned cc);
/* The host's flags to flag slot `slot` as FLAG_HOST; changes none. */
void emit_flags_save(struct emit *e, int32_t slot);
/* From flag state x to y, as an edge of the control flow asks. Whether that takes any code. */
bool emit_flags_differ(const struct emit *e, const struct flag_state *x, const struct flag_state *y);
void emit_flags_convert(struct emit *e, const struct flag_state *x, const struct flag_state *y);
void emit_flags_dynamic(struct emit *e, const struct flag_state *s);
/* Makes the host's carry the guest's, or its complement. */
void emit_carry(struct emit *e, const struct ir *r, bool inverted);
void emit_ccmp(struct emit *e, const struct ir *r);
/* The condition of a branch with IRF_FUSED, whose conditional compare stands before it; uncompared: the rel32 of a jump from where that does not compare. */
enum x64_cc emit_fused_condition(struct emit *e, const struct ir *r, uint8_t **uncompared);
/* After the host instruction of FCMP at e->at: what its near readers can use. Whether they want the operands the other way round is to be
 * asked before. */
bool emit_fcmp_swapped(const struct emit *e);
void emit_fcmp_done(struct emit *e, bool swapped);
/* The host's flags from those after the comparison, as after a subtraction: HF_SUB. */
void emit_fcmp_flags(struct emit *e, bool swapped);
/* HF_SUB for these flags: bit 3 N to bit 0 V. */
void emit_flags_constant(struct emit *e, unsigned nzcv);
/* The guest register's value here: its register if that still has it, else loaded from home. */
int emit_var(struct emit *e, var_t var, int scratch);

/* emit_integer.c, emit_memory.c: false: not theirs. */
bool emit_integer(struct emit *e, const struct ir *r);
bool emit_memory_op(struct emit *e, const struct ir *r);
/* The check of a whole access, with its site: its guest address is in the register returned, which may be SCRATCH, and the addend in SCRATCH3. */
int emit_checked(struct emit *e, const struct ir *r, bool write);
/* emit_pac.c */
bool emit_pac(struct emit *e, const struct ir *r);
/* emit_atomic.c */
bool emit_atomic(struct emit *e, const struct ir *r);
void emit_memory_stub(struct emit *e, const struct emit_stub *s);

/* emit_exit.c: ends of blocks, stubs. */
void emit_end(struct emit *e, const struct ir *r);
void emit_block_start(struct emit *e, uint16_t k);
void emit_stubs(struct emit *e);
unsigned emit_site(struct emit *e, enum jit_site_kind kind);
struct emit_stub *emit_stub(struct emit *e, enum stub_kind kind);
/* A stub for a site, reached from the rel32 at from. */
void emit_site_stub(struct emit *e, unsigned site, uint8_t *from, int va_reg);
/* Goes to the site now, with RCX as it is. */
void emit_to_site(struct emit *e, unsigned site);
/* mov rax, the address of a site or link, known later. */
void emit_pointer(struct emit *e, bool link, unsigned index);

#endif
