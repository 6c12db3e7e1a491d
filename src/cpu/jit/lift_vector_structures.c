/* SIMD: loads and stores of structures (LD2 to LD4, ST2 to ST4), of single lanes (LD1 to LD4, ST1 to ST4), and of one element to all lanes (LD1R to
 * LD4R).
 *
 * The first thing is a probe of all bytes; behind it nothing can fault. Loads go to temporaries first. */
#include "cpu/jit/lift_vector.h"

/* An instruction at work. */
struct structure {
    struct lift *l;
    unsigned nr, sz, t; /* registers, element size, the first register */
    bool q;
    var_t base, probe;
};

static struct structure begin(struct lift *l, bool is_store, unsigned nr, unsigned sz, bool q,
                              unsigned t, var_t n, unsigned len)
{
    return (struct structure){
        .l = l, .nr = nr, .sz = sz, .q = q, .t = t, .base = n, .probe = lift_probe(l, is_store, sz, n, 0, len)};
}

static var_t reg(const struct structure *s, unsigned k)
{
    return (var_t)(VAR_V0 + (s->t + k) % 32);
}

static void load_to(const struct structure *s, enum ir_op op, unsigned sz, unsigned at, var_t t)
{
    lift_known(s->l, op, sz, s->probe, at)->d = t;
}

static void store_from(const struct structure *s, enum ir_op op, unsigned sz, unsigned at, var_t v)
{
    lift_known(s->l, op, sz, s->probe, at)->c = v;
}

/* --- Structures of all elements ------------------------------------------------------------------------------------- */

/* What is in memory, in 16-byte pieces; the last one may be half of one. */
static void load_pieces(const struct structure *s, var_t *piece)
{
    const unsigned len = s->nr * (8u << s->q);

    for (unsigned at = 0; at < len; at += 16) {
        piece[at / 16] = lift_temp(s->l);
        load_to(s, IR_VLDK, len - at >= 16 ? 4 : 3, at, piece[at / 16]);
    }
}

static void store_piece(const struct structure *s, unsigned k, var_t v)
{
    const unsigned len = s->nr * (8u << s->q);

    store_from(s, IR_VSTK, len - 16 * k >= 16 ? 4 : 3, 16 * k, v);
}

/* Bytes of several registers, from[p] of all theirs (from 0xff: zero). */
static var_t gather(struct lift *l, unsigned nr, const var_t *piece, const uint8_t *from)
{
    var_t all = VAR_NONE;

    for (unsigned k = 0; k < nr; k++) {
        uint64_t mask[2] = {0, 0};
        bool any = false;
        for (unsigned p = 0; p < 16; p++) {
            const bool here = from[p] / 16 == k;
            mask[p / 8] |= (uint64_t)(here ? from[p] % 16u : 0x80u) << 8 * (p % 8);
            any |= here;
        }
        if (!any)
            continue;
        const var_t t = vec2(l, VEC_LOOKUP, 0, piece[k], vec_const2(l, mask[0], mask[1]));
        all = all == VAR_NONE ? t : vec_bit(l, VEC_OR, all, t);
    }
    return all;
}

static void load_2(const struct structure *s)
{
    var_t m[2] = {VAR_NONE, VAR_NONE};
    const unsigned len = 3u + s->q, last = s->q;

    load_pieces(s, m);
    lift_vresult(s->l, len, reg(s, 0), vec_even(s->l, s->sz, m[0], m[last]));
    lift_vresult(s->l, len, reg(s, 1), vec_odd(s->l, s->sz, m[0], m[last]));
}

static void store_2(const struct structure *s)
{
    for (unsigned k = 0; k < 1u + s->q; k++)
        store_piece(s, k, vec_zip(s->l, s->sz, k, reg(s, 0), reg(s, 1)));
}

static void load_3(const struct structure *s)
{
    var_t m[3] = {VAR_NONE, VAR_NONE, VAR_NONE};

    load_pieces(s, m);
    for (unsigned k = 0; k < 3; k++) {
        uint8_t from[16];
        for (unsigned p = 0; p < 16; p++)
            from[p] = p < 8u << s->q
                          ? (uint8_t)((((p >> s->sz) * 3 + k) << s->sz) + (p & ((1u << s->sz) - 1)))
                          : 0xff;
        lift_vresult(s->l, 4, reg(s, k), gather(s->l, 2u + s->q, m, from));
    }
}

static void store_3(const struct structure *s)
{
    const var_t r[3] = {reg(s, 0), reg(s, 1), reg(s, 2)};

    for (unsigned k = 0; k < 2u + s->q; k++) {
        uint8_t from[16];
        for (unsigned p = 0; p < 16; p++) {
            const unsigned at = 16 * k + p, element = at >> s->sz;
            from[p] = at < 24u << s->q ? (uint8_t)(element % 3 * 16 + (element / 3 << s->sz) +
                                                   (at & ((1u << s->sz) - 1)))
                                       : 0xff;
        }
        store_piece(s, k, gather(s->l, 3, r, from));
    }
}

static void load_4(const struct structure *s)
{
    struct lift *l = s->l;
    const unsigned len = 3u + s->q;
    var_t m[4] = {VAR_NONE, VAR_NONE, VAR_NONE, VAR_NONE};
    var_t x[2] = {VAR_NONE, VAR_NONE}, y[2] = {VAR_NONE, VAR_NONE};
    const unsigned last = s->q;

    load_pieces(s, m);
    /* Elements 0 and 2 of the structures, 1 and 3; then each of them apart. */
    for (unsigned k = 0; k <= last; k++) {
        x[k] = vec_even(l, s->sz, m[2 * k], m[2 * k + 1]);
        y[k] = vec_odd(l, s->sz, m[2 * k], m[2 * k + 1]);
    }
    lift_vresult(l, len, reg(s, 0), vec_even(l, s->sz, x[0], x[last]));
    lift_vresult(l, len, reg(s, 1), vec_even(l, s->sz, y[0], y[last]));
    lift_vresult(l, len, reg(s, 2), vec_odd(l, s->sz, x[0], x[last]));
    lift_vresult(l, len, reg(s, 3), vec_odd(l, s->sz, y[0], y[last]));
}

static void store_4(const struct structure *s)
{
    struct lift *l = s->l;

    for (unsigned half = 0; half < 1u + s->q; half++) {
        const var_t x = vec_zip(l, s->sz, half, reg(s, 0), reg(s, 2));
        const var_t y = vec_zip(l, s->sz, half, reg(s, 1), reg(s, 3));
        store_piece(s, 2 * half, vec_zip(l, s->sz, false, x, y));
        store_piece(s, 2 * half + 1, vec_zip(l, s->sz, true, x, y));
    }
}

/* --- One element of each register ----------------------------------------------------------------------------------- */

static void load_lane(const struct structure *s, unsigned index)
{
    for (unsigned k = 0; k < s->nr; k++) {
        const var_t t = lift_temp(s->l);
        load_to(s, IR_LDK, s->sz, k << s->sz, t);
        lift_vput(s->l, s->sz, reg(s, k), index, reg(s, k), t);
    }
}

static void store_lane(const struct structure *s, unsigned index)
{
    for (unsigned k = 0; k < s->nr; k++) {
        const var_t t = lift_temp(s->l);
        lift_vget(s->l, s->sz, EXT_ZERO, t, reg(s, k), index);
        store_from(s, IR_STK, s->sz, k << s->sz, t);
    }
}

static void load_everywhere(const struct structure *s)
{
    for (unsigned k = 0; k < s->nr; k++) {
        const var_t t = lift_temp(s->l);
        load_to(s, IR_VLDK, s->sz, k << s->sz, t);
        lift_v1(s->l, VEC_DUP, s->sz, s->q, reg(s, k), t);
    }
}

/* --- Rows ----------------------------------------------------------------------------------------------------------- */

/* A row: len bytes of memory, DO with struct structure s; the post-indexed one as well. */
#define ROW(NAME, STORES, NR, SZ, HAS_Q, LENGTH, DO)                                               \
    case A64_ROW_##NAME: {                                                                         \
        const unsigned sz = SZ, len = LENGTH;                                                      \
        const struct structure s = begin(l, STORES, NR, sz, HAS_Q, ARG(NAME)->t, X(NAME, n), len); \
        DO;
#define PLAIN_ROW(NAME, ...)                                                                       \
    ROW(NAME, __VA_ARGS__)                                                                         \
    return true;                                                                                   \
    }
#define POST_ROW(NAME, ...)                                                                        \
    ROW(NAME, __VA_ARGS__)                                                                         \
    lift_write_back_by(l, X(NAME, n), X(NAME, m), len);                                            \
    return true;                                                                                   \
    }
#define ALL(NAME, STORES, NR, DO)                                                                  \
    PLAIN_ROW(NAME##_asisdlse, STORES, NR, SIZE(NAME##_asisdlse), Q(NAME##_asisdlse),              \
              (NR) * (8u << Q(NAME##_asisdlse)), DO)                                               \
    POST_ROW(NAME##_asisdlsep, STORES, NR, SIZE(NAME##_asisdlsep), Q(NAME##_asisdlsep),            \
             (NR) * (8u << Q(NAME##_asisdlsep)), DO)
#define LANE(NAME, STORES, NR, DO)                                                                 \
    PLAIN_ROW(NAME##_asisdlso, STORES, NR, ARG(NAME##_asisdlso)->esize, true, (NR) << sz,          \
              DO(&s, ARG(NAME##_asisdlso)->index))                                                 \
    POST_ROW(NAME##_asisdlsop, STORES, NR, ARG(NAME##_asisdlsop)->esize, true, (NR) << sz,         \
             DO(&s, ARG(NAME##_asisdlsop)->index))
#define EVERYWHERE(NAME, NR)                                                                       \
    PLAIN_ROW(NAME##_asisdlso, false, NR, SIZE(NAME##_asisdlso), Q(NAME##_asisdlso), (NR) << sz,   \
              load_everywhere(&s))                                                                 \
    POST_ROW(NAME##_asisdlsop, false, NR, SIZE(NAME##_asisdlsop), Q(NAME##_asisdlsop), (NR) << sz, \
             load_everywhere(&s))

bool lift_vector_structures(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
        ALL(LD2, false, 2u, load_2(&s))
        ALL(LD3, false, 3u, load_3(&s))
        ALL(LD4, false, 4u, load_4(&s))
        ALL(ST2, true, 2u, store_2(&s))
        ALL(ST3, true, 3u, store_3(&s))
        ALL(ST4, true, 4u, store_4(&s))
        LANE(LD1, false, 1u, load_lane)
        LANE(LD2, false, 2u, load_lane)
        LANE(LD3, false, 3u, load_lane)
        LANE(LD4, false, 4u, load_lane)
        LANE(ST1, true, 1u, store_lane)
        LANE(ST2, true, 2u, store_lane)
        LANE(ST3, true, 3u, store_lane)
        LANE(ST4, true, 4u, store_lane)
        EVERYWHERE(LD1R, 1u)
        EVERYWHERE(LD2R, 2u)
        EVERYWHERE(LD3R, 3u)
        EVERYWHERE(LD4R, 4u)
    default: return false;
    }
}
