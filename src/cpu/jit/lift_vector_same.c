/* SIMD: integers, element by element, where the host has no instruction of its own: halving, absolute differences, shifts by registers, inserting and
 * rounding shifts, bits counted. */
#include "cpu/jit/lift_vector.h"

/* --- Halves --------------------------------------------------------------------------------------------------------- */

/* (n + m) / 2: what both have, and half of what one has. */
static var_t half_sum(struct lift *l, unsigned sz, bool sign, var_t n, var_t m)
{
    const var_t half = vec_shr(l, sz, sign, vec_bit(l, VEC_XOR, n, m), 1);

    return vec2(l, VEC_ADD, sz, half, vec_bit(l, VEC_AND, n, m));
}

static var_t half_sum_rounded(struct lift *l, unsigned sz, bool sign, var_t n, var_t m)
{
    if (!sign && sz < 2)
        return vec2(l, VEC_AVG, sz, n, m);
    const var_t half = vec_shr(l, sz, sign, vec_bit(l, VEC_XOR, n, m), 1);
    return vec2(l, VEC_SUB, sz, vec_bit(l, VEC_OR, n, m), half);
}

static var_t half_difference(struct lift *l, unsigned sz, bool sign, var_t n, var_t m)
{
    const var_t half = vec_shr(l, sz, sign, vec_bit(l, VEC_XOR, n, m), 1);

    return vec2(l, VEC_SUB, sz, half, vec_bit(l, VEC_ANDN, n, m));
}

/* --- Shifts --------------------------------------------------------------------------------------------------------- */

/* n << m, or to the right where m is negative: m is the low byte of its element, signed. Both shifts are made: the one whose count is
 * not meant is zero, as the host's are from the width on. */
static var_t shift_by(struct lift *l, unsigned sz, bool sign, var_t n, var_t m)
{
    const var_t byte = vec_every(l, sz, 0xff);
    const var_t left = vec2(l, VEC_SHLV, sz, n, vec_bit(l, VEC_AND, m, byte));
    const var_t count = vec_bit(l, VEC_AND, vec2(l, VEC_SUB, sz, VAR_ZERO, m), byte);

    if (!sign)
        return vec_bit(l, VEC_OR, left, vec2(l, VEC_SHRV, sz, n, count));
    /* The complement of a negative number shifted: the host has no signed shift of doublewords. */
    const var_t negative = vec2(l, VEC_GT, sz, VAR_ZERO, n);
    const var_t right = vec2(l, VEC_SHRV, sz, vec_bit(l, VEC_XOR, n, negative), count);
    const var_t is_right = vec2(l, VEC_GT, sz, VAR_ZERO, vec_shl(l, sz, m, (8u << sz) - 8));
    return vec_select(l, is_right, vec_bit(l, VEC_XOR, right, negative), left);
}

static bool can_shift_by(const struct lift *l, unsigned sz)
{
    return sz >= 2 && (l->u->j->host & JIT_HOST_AVX2);
}

/* d where mask has ones, else shifted. */
static var_t inserted(struct lift *l, unsigned sz, var_t d, uint64_t mask, var_t shifted)
{
    return vec_bit(l, VEC_OR, vec_bit(l, VEC_AND, d, vec_every(l, sz, mask)), shifted);
}

static var_t shift_left_insert(struct lift *l, unsigned sz, var_t d, var_t n, unsigned by)
{
    return inserted(l, sz, d, mask64(by), vec_shl(l, sz, n, by));
}

static var_t shift_right_insert(struct lift *l, unsigned sz, var_t d, var_t n, unsigned by)
{
    const uint64_t all = mask64(8u << sz);

    if (by == 8u << sz)
        return d;
    return inserted(l, sz, d, all & ~(all >> by), vec_shr(l, sz, false, n, by));
}

/* --- Bits counted --------------------------------------------------------------------------------------------------- */

/* Of each byte's low and high four bits an entry of a table. */
static var_t low_nibbles(struct lift *l, var_t n, uint64_t low, uint64_t high)
{
    return vec2(l, VEC_LOOKUP, 0, vec_const2(l, low, high), vec_bit(l, VEC_AND, n, vec_every(l, 0, 15)));
}

static var_t high_nibbles(struct lift *l, var_t n, uint64_t low, uint64_t high)
{
    return low_nibbles(l, vec_shr(l, 1, false, n, 4), low, high);
}

static var_t count_ones(struct lift *l, var_t n)
{
    const uint64_t low = UINT64_C(0x0302020102010100), high = UINT64_C(0x0403030203020201);
    const var_t of_low = low_nibbles(l, n, low, high);

    return vec2(l, VEC_ADD, 0, of_low, high_nibbles(l, n, low, high));
}

static var_t reverse_bits(struct lift *l, var_t n)
{
    const uint64_t low = UINT64_C(0x0e060a020c040800), high = UINT64_C(0x0f070b030d050901);
    const var_t of_low = low_nibbles(l, n, low << 4, high << 4);

    return vec_bit(l, VEC_OR, of_low, high_nibbles(l, n, low, high));
}

static var_t leading_zeros(struct lift *l, unsigned sz, var_t n)
{
    /* Of bytes: by the high bits, where they are not zero, else 4 and by the low bits. */
    const var_t of_low = low_nibbles(l, n, UINT64_C(0x0505050506060708), UINT64_C(0x0404040404040404));
    var_t count =
        vec2(l, VEC_UMIN, 0, of_low, high_nibbles(l, n, UINT64_C(0x0101010102020308), UINT64_C(0)));

    /* Of two halves: those of the high one, and if that is all of it those of the low one. */
    for (unsigned half = 0; half < sz; half++) {
        const unsigned width = 8u << half;
        const var_t high = vec_shr(l, half + 1, false, count, width);
        const var_t all = vec2(l, VEC_EQ, half + 1, high, vec_every(l, half + 1, width));
        const var_t low = vec_bit(l, VEC_AND, count, vec_every(l, half + 1, mask64(width)));
        count = vec2(l, VEC_ADD, half + 1, high, vec_bit(l, VEC_AND, low, all));
    }
    return count;
}

/* Bits like the sign behind it. */
static var_t leading_signs(struct lift *l, unsigned sz, var_t n)
{
    const var_t changes = vec_bit(l, VEC_XOR, n, vec_shr(l, sz, true, n, 1));

    return vec2(l, VEC_SUB, sz, leading_zeros(l, sz, changes), vec_every(l, sz, 1));
}

/* --- Rows ----------------------------------------------------------------------------------------------------------- */

#define SAME(NAME, VALUE)                                                                          \
    case A64_ROW_##NAME##_asimdsame: {                                                             \
        const unsigned sz = SIZE(NAME##_asimdsame);                                                \
        const var_t d = V(NAME##_asimdsame, d), n = V(NAME##_asimdsame, n),                        \
                    m = V(NAME##_asimdsame, m);                                                    \
        lift_vresult(l, LEN(NAME##_asimdsame), d, VALUE);                                          \
        return true;                                                                               \
    }
#define SHIFT_BY(NAME, SIGN)                                                                       \
    case A64_ROW_##NAME##_asimdsame:                                                               \
        if (!can_shift_by(l, SIZE(NAME##_asimdsame)))                                              \
            return false;                                                                          \
        lift_vresult(l, LEN(NAME##_asimdsame), V(NAME##_asimdsame, d),                             \
                     shift_by(l, SIZE(NAME##_asimdsame), SIGN, V(NAME##_asimdsame, n),             \
                              V(NAME##_asimdsame, m)));                                            \
        return true;                                                                               \
    case A64_ROW_##NAME##_asisdsame:                                                               \
        if (!can_shift_by(l, 3))                                                                   \
            return false;                                                                          \
        lift_vresult(l, 3, V(NAME##_asisdsame, d),                                                 \
                     shift_by(l, 3, SIGN, V(NAME##_asisdsame, n), V(NAME##_asisdsame, m)));        \
        return true;
#define SHIFT(NAME, VALUE)                                                                         \
    case A64_ROW_##NAME##_asimdshf: {                                                              \
        const unsigned sz = ARG(NAME##_asimdshf)->size, by = ARG(NAME##_asimdshf)->imm;            \
        const var_t d = V(NAME##_asimdshf, d), n = V(NAME##_asimdshf, n);                          \
        lift_vresult(l, LEN(NAME##_asimdshf), d, VALUE);                                           \
        return true;                                                                               \
    }                                                                                              \
    case A64_ROW_##NAME##_asisdshf: {                                                              \
        const unsigned sz = 3, by = ARG(NAME##_asisdshf)->imm;                                     \
        const var_t d = V(NAME##_asisdshf, d), n = V(NAME##_asisdshf, n);                          \
        lift_vresult(l, 3, d, VALUE);                                                              \
        return true;                                                                               \
    }
#define MISC(NAME, SZ, VALUE)                                                                      \
    case A64_ROW_##NAME##_asimdmisc: {                                                             \
        const unsigned sz = SZ;                                                                    \
        const var_t n = V(NAME##_asimdmisc, n);                                                    \
        (void)sz;                                                                                  \
        lift_vresult(l, LEN(NAME##_asimdmisc), V(NAME##_asimdmisc, d), VALUE);                     \
        return true;                                                                               \
    }

bool lift_vector_same(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        SAME(SHADD, half_sum(l, sz, true, n, m))
        SAME(UHADD, half_sum(l, sz, false, n, m))
        SAME(SRHADD, half_sum_rounded(l, sz, true, n, m))
        SAME(URHADD, half_sum_rounded(l, sz, false, n, m))
        SAME(SHSUB, half_difference(l, sz, true, n, m))
        SAME(UHSUB, half_difference(l, sz, false, n, m))
        SAME(SABD, vec_distance(l, sz, true, n, m))
        SAME(UABD, vec_distance(l, sz, false, n, m))
        SAME(SABA, vec2(l, VEC_ADD, sz, d, vec_distance(l, sz, true, n, m)))
        SAME(UABA, vec2(l, VEC_ADD, sz, d, vec_distance(l, sz, false, n, m)))
        SAME(MUL, vec_multiply(l, sz, n, m))
        SAME(MLA, vec2(l, VEC_ADD, sz, d, vec_multiply(l, sz, n, m)))
        SAME(MLS, vec2(l, VEC_SUB, sz, d, vec_multiply(l, sz, n, m)))
        SHIFT_BY(SSHL, true)
        SHIFT_BY(USHL, false)
        SHIFT(SLI, shift_left_insert(l, sz, d, n, by))
        SHIFT(SRI, shift_right_insert(l, sz, d, n, by))
        SHIFT(SRSHR, vec_shr_rounded(l, sz, true, n, by))
        SHIFT(URSHR, vec_shr_rounded(l, sz, false, n, by))
        SHIFT(SRSRA, vec2(l, VEC_ADD, sz, d, vec_shr_rounded(l, sz, true, n, by)))
        SHIFT(URSRA, vec2(l, VEC_ADD, sz, d, vec_shr_rounded(l, sz, false, n, by)))
        MISC(ABS, SIZE(ABS_asimdmisc), vec_abs(l, sz, n))
        MISC(CLZ, SIZE(CLZ_asimdmisc), leading_zeros(l, sz, n))
        MISC(CLS, SIZE(CLS_asimdmisc), leading_signs(l, sz, n))
        MISC(CNT, 0, count_ones(l, n))
        MISC(RBIT, 0, reverse_bits(l, n))
    case A64_ROW_ABS_asisdmisc:
        lift_vresult(l, 3, V(ABS_asisdmisc, d), vec_abs(l, 3, V(ABS_asisdmisc, n)));
        return true;
    case A64_ROW_NEG_asisdmisc:
        lift_v2(l, VEC_SUB, 3, false, V(NEG_asisdmisc, d), VAR_ZERO, V(NEG_asisdmisc, n));
        return true;
    default: return false;
    }
}
