/* What the lift_vector*.c files are written with: expressions of vector operations.
 *
 * Each function lifts what makes a value and returns a temporary that holds it, all 16 bytes of it; those that may say no return VAR_NONE. sz is log2
 * of an element's bytes. lift_vresult() gives the value of the last one to the guest's register. */
#ifndef VIBE_CPU_JIT_LIFT_VECTOR_H
#define VIBE_CPU_JIT_LIFT_VECTOR_H

#include "cpu/jit/lift.h"

/* The arguments and fields of the row NAME of instruction i. */
#define ARG(NAME) (&i->u.NAME)
#define X(NAME, slot) lift_x(ARG(NAME)->slot)
#define V(NAME, slot) (var_t)(VAR_V0 + ARG(NAME)->slot)
#define Q(NAME) A64_FIELD_##NAME##_Q(i->word)
#define SIZE(NAME) A64_FIELD_##NAME##_size(i->word)

/* How much of the register an instruction works on, as log2 of the bytes: 4, 3, or less for a scalar. */
#define LEN(NAME) (3u + Q(NAME))

static inline var_t vec1(struct lift *l, enum vector_op op, unsigned sz, var_t a)
{
    return lift_v1(l, op, sz, true, lift_temp(l), a)->d;
}

static inline var_t vec1i(struct lift *l, enum vector_op op, unsigned sz, var_t a, unsigned imm)
{
    struct ir *r = lift_v1(l, op, sz, true, lift_temp(l), a);

    r->imm = imm;
    return r->d;
}

static inline var_t vec2(struct lift *l, enum vector_op op, unsigned sz, var_t a, var_t b)
{
    return lift_v2(l, op, sz, true, lift_temp(l), a, b)->d;
}

static inline var_t vec2i(struct lift *l, enum vector_op op, unsigned sz, var_t a, var_t b, unsigned imm)
{
    struct ir *r = lift_v2(l, op, sz, true, lift_temp(l), a, b);

    r->imm = imm;
    return r->d;
}

static inline var_t vec_bit(struct lift *l, enum vector_op op, var_t a, var_t b)
{
    return vec2(l, op, 3, a, b);
}

/* mask ? a : b, bit by bit */
static inline var_t vec_select(struct lift *l, var_t mask, var_t a, var_t b)
{
    return lift_v3(l, VEC_BSL, 0, true, lift_temp(l), mask, a, b)->d;
}

/* d = value, the lowest 1 << len bytes of it and zero above. */
void lift_vresult(struct lift *l, unsigned len, var_t d, var_t value);

/* Constants: both halves; either half; every element. */
var_t vec_const(struct lift *l, uint64_t both);
var_t vec_const2(struct lift *l, uint64_t low, uint64_t high);
var_t vec_every(struct lift *l, unsigned sz, uint64_t element);

/* Shifts by n, from 0 to the width. */
var_t vec_shl(struct lift *l, unsigned sz, var_t a, unsigned n);
var_t vec_shr(struct lift *l, unsigned sz, bool sign, var_t a, unsigned n);
/* The same, rounded to nearest, half up. */
var_t vec_shr_rounded(struct lift *l, unsigned sz, bool sign, var_t a, unsigned n);

/* All ones where it is so. */
var_t vec_greater(struct lift *l, unsigned sz, bool sign, var_t a, var_t b);
var_t vec_not(struct lift *l, var_t a);
var_t vec_abs(struct lift *l, unsigned sz, var_t a);
/* |a - b| */
var_t vec_distance(struct lift *l, unsigned sz, bool sign, var_t a, var_t b);
var_t vec_multiply(struct lift *l, unsigned sz, var_t a, var_t b);

/* The even or odd elements of a, then those of b. */
var_t vec_even(struct lift *l, unsigned sz, var_t a, var_t b);
var_t vec_odd(struct lift *l, unsigned sz, var_t a, var_t b);
/* Both low, or high, halves' elements in turn. */
var_t vec_zip(struct lift *l, unsigned sz, bool high, var_t a, var_t b);
/* The elements of the low or high half, twice as wide. */
var_t vec_widen(struct lift *l, unsigned sz, bool sign, bool high, var_t a);
var_t vec_multiply_wide(struct lift *l, unsigned sz, bool sign, bool high, var_t a, var_t b);
/* Sums of pairs of elements of a, twice as wide. */
var_t vec_pairs_wide(struct lift *l, unsigned sz, bool sign, var_t a);
/* Narrowed elements are in the low half of value, or not looked at above: d gets them there, or in the high half and keeps its own low one. */
void lift_vnarrow(struct lift *l, bool high, var_t d, var_t value);

/* Elements to general registers (d may be VAR_NONE) and back: d = a with the element from b. */
void lift_vget(struct lift *l, unsigned sz, enum ir_ext ext, var_t d, var_t n, unsigned index);
void lift_vput(struct lift *l, unsigned sz, var_t d, unsigned index, var_t a, var_t b);

/* Floating point, on scalars or on vectors (of 8 bytes if not q): to integral, half away from zero. */
void lift_round_away(struct lift *l, unsigned sz, bool scalar, bool q, var_t d, var_t n);
/* From a floating-point number of sz in n to an integer of to in the general register d, after multiplication by 2^fraction. */
void lift_to_integer(struct lift *l, unsigned to, var_t d, unsigned sz, var_t n,
                     enum round_to round, unsigned fraction, bool is_unsigned);
/* The other way round: from an integer of from in n, divided by 2^fraction. */
void lift_from_integer(struct lift *l, unsigned sz, var_t d, unsigned from, var_t n,
                       unsigned fraction, bool is_unsigned);

bool lift_vector_pairs(struct lift *l, const struct a64_insn *i);
bool lift_vector_float(struct lift *l, const struct a64_insn *i);
bool lift_vector_permute(struct lift *l, const struct a64_insn *i);
bool lift_vector_same(struct lift *l, const struct a64_insn *i);
bool lift_vector_saturate(struct lift *l, const struct a64_insn *i);
bool lift_vector_structures(struct lift *l, const struct a64_insn *i);
bool lift_vector_wide(struct lift *l, const struct a64_insn *i);

#endif
