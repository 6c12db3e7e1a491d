/* The translator's intermediate representation: what passes between its passes.
 *
 * Three words: a *block* is guest code that runs straight through; a *region* is the blocks that are translated together; a *site* is a
 * place in host code where C code may see and change the guest's state.
 *
 * Operands are variables. Until webs.c they are the guest's registers (VAR_X0 ...) and temporaries; afterwards they are webs: the
 * connected lives of a register. Operations are those of spec/ir.def; a 32-bit operation (sz 2) zero-extends its result. */
#ifndef VIBE_CPU_JIT_IR_H
#define VIBE_CPU_JIT_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ir_op {
#define IR(name, traits) IR_##name,
#include "spec/ir.def"
#undef IR
    IR_NR_OPS,
    IR_NOP = IR_NR_OPS, /* deleted */
};

/* What V1 to V3 and F1 to F3 do. */
enum vector_op {
#define VECTOR(name, ...) VEC_##name,
#include "spec/vector_ops.def"
#undef VECTOR
    NR_VECTOR_OPS
};
extern const char *const vector_name[NR_VECTOR_OPS];

/* From FADD on they are the host's floating point. */
static inline bool vector_may_trap(enum vector_op op)
{
    return op >= VEC_FADD;
}

/* Floating point on the lowest element; everything above it is zero in the result. */
static inline bool vector_is_scalar(unsigned op)
{
    return op >= VEC_FADD_SCALAR;
}

/* FADD to FMLS, FABS and FNEG on the lowest element alone. */
static inline enum vector_op vector_as_scalar(enum vector_op op)
{
    return (enum vector_op)(op < VEC_FADD ? op - VEC_FABS + VEC_FABS_SCALAR
                                          : op - VEC_FADD + VEC_FADD_SCALAR);
}

/* How IR_FTOI rounds: ROUNDSD's immediate, or what has no such. */
enum round_to { ROUND_TO_NEAREST, ROUND_TO_MINUS, ROUND_TO_PLUS, ROUND_TO_ZERO, ROUND_TO_AWAY };

/* What ATOMIC does: to what was there, with c. */
enum atomic_op {
    ATOMIC_ADD,
    ATOMIC_CLR, /* and not */
    ATOMIC_EOR,
    ATOMIC_SET,
    ATOMIC_SMAX,
    ATOMIC_SMIN,
    ATOMIC_UMAX,
    ATOMIC_UMIN,
    ATOMIC_SWP,
};

/* What HELP does. */
enum jit_help {
    HELP_XPAC, /* 2: pac_strip(a), data if aux & 1 */
    HELP_PACGA = 2,
    HELP_COUNTER, /* the counter */
};

enum ir_trait {
    IRT_D = 1,
    IRT_A = 2,
    IRT_B = 4,
    IRT_C = 8,
    IRT_H = 16,
    IRT_M = 32,
    IRT_F = 64,
    IRT_S = 128,
    IRT_E = 256,
    IRT_T = 512,
    IRT_V = 1024,
};
extern const uint16_t ir_traits[IR_NR_OPS + 1];
extern const char *const ir_name[IR_NR_OPS + 1];

typedef uint16_t var_t;
enum {
    VAR_X0 = 0,
    VAR_LR = 30,
    VAR_SP = 31,
    VAR_V0 = 32,
    VAR_NR_GUEST = 64,
    VAR_TEMP = 64, /* and up: defined once, used in the same block */
    VAR_IMM = 0xfffd,
    VAR_ZERO = 0xfffe,
    VAR_NONE = 0xffff,
};

enum ir_fl {
    IRF_SETF = 1,    /* sets the flags */
    IRF_ALIGNED = 2, /* memory: must be aligned to its size, also where others need not be */
    IRF_NEAR = 4,    /* reads, or leaves with, the flags as the host has them */
    IRF_KEEP = 8,    /* must not change the host's flags */
    IRF_USER = 16,   /* memory: with the permissions of EL0 */
    IRF_FUSED = 32, /* CCMP, CCMN and the BR behind it: one after the other branches, where nobody asks for the flags that are constant otherwise */
    IRF_HOST = 64,  /* sets the flags, and somebody near reads them as the host has them */
};

/* Conditions (Arm ARM, C1.2.4); with the lowest bit the other way, the opposite. */
enum {
    ARM_EQ,
    ARM_NE,
    ARM_CS,
    ARM_CC,
    ARM_MI,
    ARM_PL,
    ARM_VS,
    ARM_VC,
    ARM_HI,
    ARM_LS,
    ARM_GE,
    ARM_LT,
    ARM_GT,
    ARM_LE
};

/* How a load is extended. */
enum ir_ext { EXT_ZERO, EXT_S64, EXT_S32 };

/* How the flags can be worked out where they are not the host's: see flags.c. */
enum flag_kind {
    FLAG_NZCV, /* a: bits 31:28, as PSTATE */
    FLAG_HOST, /* a: LAHF and SETO AL after a subtraction: the carry is inverted */
    FLAG_SUB32,
    FLAG_SUB64,
    FLAG_ADD32,
    FLAG_ADD64,
    FLAG_LOGIC32, /* a: the result */
    FLAG_LOGIC64,
    FLAG_STATIC = 15, /* as the flag state of the place says */
    FLAG_SUM = 16,    /* with SUB, ADD: a is the result */
    FLAG_SMALL = 32, /* dynamic flags: b is in jit_hot.flag_kind, from bit FLAG_SMALL_BIT on, signed */
    FLAG_SMALL_BIT = 8
};
struct flag_state {
    enum {
        FS_DEAD,    /* nobody asks */
        FS_DYNAMIC, /* in the CPU: jit_hot.flag_kind, flag_a, flag_b */
        FS_STATIC,  /* as below */
        FS_SELECT,  /* as below if flag_kind is FLAG_STATIC, else dynamic */
    } form;
    uint8_t kind;                                           /* enum flag_kind */
    enum flag_place { FP_SLOT, FP_VAR, FP_IMM } a_at, b_at; /* slot: jit_hot.flag_static[0], [1] */
    var_t a, b;
    int64_t imm; /* of b */
};

struct ir {
    uint8_t op, sz, cc, fl;
    uint8_t scale, ext;
    bool q;      /* vectors: 16 bytes, not 8 */
    uint16_t gi; /* index of the guest instruction in the region */
    var_t d, a, b, c, h;
    uint16_t flags; /* index of the flag_state here */
    uint32_t aux, aux2;
    uint64_t target; /* guest address of the taken way, or of the return */
    int64_t imm;
};

/* Whether the host's floating point is used. */
static inline bool ir_is_float(const struct ir *r)
{
    return r->op == IR_F1 || r->op == IR_F2 || r->op == IR_F3 || r->op == IR_FCMP ||
           r->op == IR_FCCMP || r->op == IR_FTOI || r->op == IR_ITOF;
}

#define IR_NO_BLOCK UINT32_MAX /* outside the region */

#endif
