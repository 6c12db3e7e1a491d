/* SIMD: elements moved: unzip, transpose, reverse, table lookups. */
#include "cpu/jit/lift_vector.h"

/* The elements of n and m with these numbers in turn, both even or both odd. */
static var_t transpose(struct lift *l, unsigned sz, bool odd, var_t n, var_t m)
{
    static const uint8_t odd_ones[3] = {0, 0xaa, 0xcc};
    const unsigned width = 8u << sz;

    if (sz == 3)
        return vec_zip(l, 3, odd, n, m);
    /* n's elements down to the even places, or m's up to the odd ones. */
    if (odd)
        n = vec_shr(l, sz + 1, false, n, width);
    else
        m = vec_shl(l, sz + 1, m, width);
    if (sz)
        return vec2i(l, VEC_BLEND, 1, n, m, odd_ones[sz]);
    const var_t low = vec_every(l, 1, 0xff);
    return vec_bit(l, VEC_OR, odd ? n : vec_bit(l, VEC_AND, n, low),
                   odd ? vec_bit(l, VEC_ANDN, low, m) : m);
}

static var_t unzip(struct lift *l, unsigned sz, unsigned len, bool odd, var_t n, var_t m)
{
    if (len == 3) /* both low halves: the rest is not looked at */
        n = m = vec_zip(l, 3, false, n, m);
    return odd ? vec_odd(l, sz, n, m) : vec_even(l, sz, n, m);
}

/* Elements of 1 << sz bytes the other way round in containers of 1 << container. */
static var_t reverse(struct lift *l, unsigned sz, unsigned container, var_t n)
{
    uint64_t low = 0;

    for (unsigned byte = 0; byte < 8; byte++)
        low |= (uint64_t)(byte ^ ((1u << container) - (1u << sz))) << 8 * byte;
    return vec2(l, VEC_LOOKUP, 0, n, vec_const2(l, low, low + UINT64_C(0x0808080808080808)));
}

/* Of nr registers from n on the bytes that m tells; d, or zero, where there are none. */
static var_t lookup(struct lift *l, unsigned nr, bool keep, var_t d, unsigned n, var_t m)
{
    const var_t bound = vec_every(l, 0, 0x70);
    var_t all = VAR_NONE;

    for (unsigned k = 0; k < nr; k++) {
        /* What is not 0 to 15 gets bit 7, and that gives zero. */
        const var_t from = k ? vec2(l, VEC_SUB, 0, m, vec_every(l, 0, 16 * k)) : m;
        const var_t index = vec2(l, VEC_UQADD, 0, from, bound);
        const var_t t = vec2(l, VEC_LOOKUP, 0, (var_t)(VAR_V0 + (n + k) % 32), index);
        all = k ? vec_bit(l, VEC_OR, all, t) : t;
    }
    if (!keep)
        return all;
    const var_t larger = vec2(l, VEC_UMAX, 0, m, vec_every(l, 0, 16 * nr));
    return vec_bit(l, VEC_OR, all, vec_bit(l, VEC_AND, vec2(l, VEC_EQ, 0, larger, m), d));
}

#define PERMUTE(NAME, VALUE)                                                                       \
    case A64_ROW_##NAME##_asimdperm: {                                                             \
        const unsigned sz = SIZE(NAME##_asimdperm), len = LEN(NAME##_asimdperm);                   \
        const var_t n = V(NAME##_asimdperm, n), m = V(NAME##_asimdperm, m);                        \
        lift_vresult(l, len, V(NAME##_asimdperm, d), VALUE);                                       \
        return true;                                                                               \
    }
#define REVERSE(NAME, SZ, CONTAINER)                                                               \
    case A64_ROW_##NAME##_asimdmisc:                                                               \
        lift_vresult(l, LEN(NAME##_asimdmisc), V(NAME##_asimdmisc, d),                             \
                     reverse(l, SZ, CONTAINER, V(NAME##_asimdmisc, n)));                           \
        return true;
#define TABLE(NAME, KEEP)                                                                            \
    case A64_ROW_##NAME##_asimdtbl:                                                                  \
        lift_vresult(l, LEN(NAME##_asimdtbl), V(NAME##_asimdtbl, d),                                 \
                     lookup(l, A64_FIELD_##NAME##_asimdtbl_len(i->word) + 1, KEEP,                   \
                            V(NAME##_asimdtbl, d), ARG(NAME##_asimdtbl)->n, V(NAME##_asimdtbl, m))); \
        return true;

bool lift_vector_permute(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        PERMUTE(UZP1, unzip(l, sz, len, false, n, m))
        PERMUTE(UZP2, unzip(l, sz, len, true, n, m))
        PERMUTE(TRN1, transpose(l, sz, false, n, m))
        PERMUTE(TRN2, transpose(l, sz, true, n, m))
        REVERSE(REV64, SIZE(REV64_asimdmisc), 3)
        REVERSE(REV32, SIZE(REV32_asimdmisc), 2)
        REVERSE(REV16, 0, 1)
        TABLE(TBL, false)
        TABLE(TBX, true)
    case A64_ROW_DUP_asisdone: {
        const struct a64_args_DUP_asisdone *a = ARG(DUP_asisdone);
        const var_t n = V(DUP_asisdone, n);
        lift_v1(l, VEC_LOWEST, a->size, true, V(DUP_asisdone, d),
                a->index ? vec1i(l, VEC_SLIDE, 0, n, (unsigned)a->index << a->size) : n);
        return true;
    }
    default: return false;
    }
}
