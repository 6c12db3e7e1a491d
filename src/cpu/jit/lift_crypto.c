/* The cryptographic instructions and checksums that the host's own do, and SHA512, which general registers do. What the host has not got, and SM3,
 * SM4, PMULL of bytes, is the interpreter's. */
#include "cpu/jit/lift.h"
#include "cpu/jit/lift_vector.h"

#define ARG(NAME) (&i->u.NAME)
#define X(NAME, slot) lift_x(ARG(NAME)->slot)
#define V(NAME, slot) (var_t)(VAR_V0 + ARG(NAME)->slot)

static bool host_has(const struct lift *l, uint32_t features)
{
    return (l->u->j->host & features) == features;
}

static var_t vector2(struct lift *l, enum vector_op op, unsigned sz, var_t a, var_t b, unsigned imm)
{
    const var_t t = lift_temp(l);

    lift_v2(l, op, sz, true, t, a, b)->imm = imm;
    return t;
}

static void vector3(struct lift *l, enum vector_op op, unsigned imm, var_t d, var_t a, var_t b, var_t c)
{
    lift_v3(l, op, 2, true, d, a, b, c)->imm = imm;
}

/* d = a with each element of 1 << sz bytes rotated left by n bits. */
static void rotate(struct lift *l, unsigned sz, var_t d, var_t a, unsigned n)
{
    const var_t left = lift_temp(l), right = lift_temp(l);

    lift_v1(l, VEC_SHL, sz, true, left, a)->imm = n;
    lift_v1(l, VEC_USHR, sz, true, right, a)->imm = (8 << sz) - n;
    lift_v2(l, VEC_OR, 3, true, d, left, right);
}

/* --- AES: the host's rounds add the key last, Arm's first -------------------------------------------------------------- */

/* The key of this round is what the host's last one on the register can add, if nothing in between looks at it. */
static bool key_joins_round(struct lift *l, var_t d, var_t n)
{
    enum { FAR = 48 };
    const struct jit_unit *u = l->u;

    for (unsigned i = u->nr_ir; !u->failed && i-- > l->b->ir_first && i + FAR > u->nr_ir;) {
        struct ir *r = &l->u->ir[i];
        const uint16_t t = ir_traits[r->op];
        if ((t & IRT_D) && r->d == d) {
            if (r->op != IR_V2 || r->aux < VEC_AESENC || r->aux > VEC_AESDECLAST || r->b != VAR_ZERO)
                return false;
            r->b = n;
            return true;
        }
        if ((t & (IRT_E | IRT_T)) || r->op == IR_LABEL || ((t & IRT_D) && r->d == n) || r->a == d ||
            r->b == d || r->c == d || r->h == d)
            return false;
    }
    return false;
}

static void aes_round(struct lift *l, enum vector_op last, var_t d, var_t n)
{
    if (d != n && key_joins_round(l, d, n)) {
        lift_v2(l, last, 0, true, d, d, VAR_ZERO);
        return;
    }
    lift_v2(l, last, 0, true, d, vector2(l, VEC_XOR, 3, d, n, 0), VAR_ZERO);
}

/* MixColumns right behind a round on the same register is one of the host's whole rounds. */
static bool joins_round(struct lift *l, enum vector_op last, enum vector_op whole, var_t d, var_t n)
{
    struct ir *r = &l->u->ir[l->u->nr_ir - 1];

    if (l->u->failed || r->op != IR_V2 || r->aux != last || r->d != d || d != n || r->gi + 1u != l->gi)
        return false;
    r->aux = whole;
    return true;
}

static bool aes(struct lift *l, const struct a64_insn *i)
{
    if (!host_has(l, JIT_HOST_AES))
        return false;
    switch (i->row) {
    case A64_ROW_AESE_cryptoaes:
        aes_round(l, VEC_AESENCLAST, V(AESE_cryptoaes, d), V(AESE_cryptoaes, n));
        return true;
    case A64_ROW_AESD_cryptoaes:
        aes_round(l, VEC_AESDECLAST, V(AESD_cryptoaes, d), V(AESD_cryptoaes, n));
        return true;
    case A64_ROW_AESMC_cryptoaes: {
        const var_t d = V(AESMC_cryptoaes, d), n = V(AESMC_cryptoaes, n);
        if (!joins_round(l, VEC_AESENCLAST, VEC_AESENC, d, n))
            lift_v2(l, VEC_AESENC, 0, true, d, vector2(l, VEC_AESDECLAST, 0, n, VAR_ZERO, 0), VAR_ZERO);
        return true;
    }
    case A64_ROW_AESIMC_cryptoaes: {
        const var_t d = V(AESIMC_cryptoaes, d), n = V(AESIMC_cryptoaes, n);
        if (!joins_round(l, VEC_AESDECLAST, VEC_AESDEC, d, n))
            lift_v1(l, VEC_AESIMC, 0, true, d, n);
        return true;
    }
    default: return false;
    }
}

/* --- SHA ----------------------------------------------------------------------------------------------------------------- */

#define SHA1_ROUNDS(NAME, HOW)                                                                     \
    case A64_ROW_##NAME:                                                                           \
        vector3(l, VEC_SHA1RNDS4, HOW, V(NAME, d), V(NAME, d), V(NAME, n), V(NAME, m));            \
        return true;

static bool sha(struct lift *l, const struct a64_insn *i)
{
    if (!host_has(l, JIT_HOST_SHA))
        return false;
    switch (i->row) {
        SHA1_ROUNDS(SHA1C_cryptosha3, 0)
        SHA1_ROUNDS(SHA1P_cryptosha3, 1)
        SHA1_ROUNDS(SHA1M_cryptosha3, 2)
    case A64_ROW_SHA256H_cryptosha3:
        vector3(l, VEC_SHA256RNDS, 0, V(SHA256H_cryptosha3, d), V(SHA256H_cryptosha3, d),
                V(SHA256H_cryptosha3, n), V(SHA256H_cryptosha3, m));
        return true;
    case A64_ROW_SHA256H2_cryptosha3:
        vector3(l, VEC_SHA256RNDS, 1, V(SHA256H2_cryptosha3, d), V(SHA256H2_cryptosha3, n),
                V(SHA256H2_cryptosha3, d), V(SHA256H2_cryptosha3, m));
        return true;
    case A64_ROW_SHA256SU0_cryptosha2:
        lift_v2(l, VEC_SHA256MSG1, 2, true, V(SHA256SU0_cryptosha2, d), V(SHA256SU0_cryptosha2, d),
                V(SHA256SU0_cryptosha2, n));
        return true;
    case A64_ROW_SHA256SU1_cryptosha3: {
        const var_t d = V(SHA256SU1_cryptosha3, d), m = V(SHA256SU1_cryptosha3, m);
        const var_t t = vector2(l, VEC_EXT, 0, V(SHA256SU1_cryptosha3, n), m, 4);
        lift_v2(l, VEC_SHA256MSG2, 2, true, d, vector2(l, VEC_ADD, 2, d, t, 0), m);
        return true;
    }
    default: return false;
    }
}

/* --- Of the SHA extensions, what vector operations make ----------------------------------------------------------------- */

static bool sha_simple(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
    case A64_ROW_SHA1H_cryptosha2: {
        const var_t t = lift_temp(l);
        rotate(l, 2, t, V(SHA1H_cryptosha2, n), 30);
        lift_v1(l, VEC_LOWEST, 2, true, V(SHA1H_cryptosha2, d), t);
        return true;
    }
    case A64_ROW_SHA1SU0_cryptosha3: {
        const var_t d = V(SHA1SU0_cryptosha3, d);
        const var_t t = vector2(l, VEC_EXT, 0, d, V(SHA1SU0_cryptosha3, n), 8);
        lift_v2(l, VEC_XOR, 3, true, d, vector2(l, VEC_XOR, 3, d, t, 0), V(SHA1SU0_cryptosha3, m));
        return true;
    }
    case A64_ROW_SHA1SU1_cryptosha2: {
        /* Element 3 also has the new element 0 in it. */
        const var_t d = V(SHA1SU1_cryptosha2, d), slid = lift_temp(l), all = lift_temp(l),
                    first = lift_temp(l);
        lift_v1(l, VEC_SLIDE, 0, true, slid, V(SHA1SU1_cryptosha2, n))->imm = 4;
        rotate(l, 2, all, vector2(l, VEC_XOR, 3, d, slid, 0), 1);
        rotate(l, 2, first, vector2(l, VEC_EXT, 0, VAR_ZERO, all, 4), 1);
        lift_v2(l, VEC_XOR, 3, true, d, all, first);
        return true;
    }
    case A64_ROW_EOR3_crypto4:
        lift_v2(l, VEC_XOR, 3, true, V(EOR3_crypto4, d),
                vector2(l, VEC_XOR, 3, V(EOR3_crypto4, n), V(EOR3_crypto4, m), 0), V(EOR3_crypto4, a));
        return true;
    case A64_ROW_BCAX_crypto4:
        lift_v2(l, VEC_XOR, 3, true, V(BCAX_crypto4, d),
                vector2(l, VEC_ANDN, 3, V(BCAX_crypto4, a), V(BCAX_crypto4, m), 0), V(BCAX_crypto4, n));
        return true;
    case A64_ROW_RAX1_cryptosha512_3: {
        const var_t t = lift_temp(l);
        rotate(l, 3, t, V(RAX1_cryptosha512_3, m), 1);
        lift_v2(l, VEC_XOR, 3, true, V(RAX1_cryptosha512_3, d), V(RAX1_cryptosha512_3, n), t);
        return true;
    }
    case A64_ROW_XAR_crypto3_imm6: {
        const unsigned n = (unsigned)ARG(XAR_crypto3_imm6)->imm;
        const var_t d = V(XAR_crypto3_imm6, d), a = V(XAR_crypto3_imm6, n), b = V(XAR_crypto3_imm6, m);
        if (n)
            rotate(l, 3, d, vector2(l, VEC_XOR, 3, a, b, 0), 64 - n);
        else
            lift_v2(l, VEC_XOR, 3, true, d, a, b);
        return true;
    }
    default: return false;
    }
}

/* --- SHA512 --------------------------------------------------------------------------------------------------------- */

static var_t half_of(struct lift *l, var_t v, unsigned n)
{
    const var_t t = lift_temp(l);

    lift_vget(l, 3, EXT_ZERO, t, v, n);
    return t;
}

static var_t general(struct lift *l, enum ir_op op, var_t a, var_t b)
{
    const var_t t = lift_temp(l);

    lift_op(l, op, 3, t, a, b);
    return t;
}

static var_t general_imm(struct lift *l, enum ir_op op, var_t a, unsigned imm)
{
    const var_t t = lift_temp(l);

    lift_opi(l, op, 3, t, a, imm);
    return t;
}

/* x rotated right by r and by s, and by t or, for the schedule, shifted: their exclusive or. */
static var_t sigma(struct lift *l, var_t x, unsigned r, unsigned s, enum ir_op last, unsigned t)
{
    const var_t both = general(l, IR_XOR, general_imm(l, IR_ROR, x, r), general_imm(l, IR_ROR, x, s));

    return general(l, IR_XOR, both, general_imm(l, last, x, t));
}

static var_t sum(struct lift *l, var_t a, var_t b, var_t c)
{
    return general(l, IR_ADD, general(l, IR_ADD, a, b), c);
}

static var_t choose(struct lift *l, var_t x, var_t y, var_t z)
{
    return general(l, IR_XOR, general(l, IR_AND, x, general(l, IR_XOR, y, z)), z);
}

static var_t majority(struct lift *l, var_t x, var_t y, var_t z)
{
    return general(l, IR_OR, general(l, IR_AND, x, general(l, IR_OR, y, z)), general(l, IR_AND, y, z));
}

static void put_halves(struct lift *l, var_t d, var_t lo, var_t hi)
{
    const var_t t = lift_temp(l);

    lift_vput(l, 3, t, 0, VAR_ZERO, lo);
    lift_vput(l, 3, d, 1, t, hi);
}

/* Names as in the Arm ARM: W is V[d], X is V[n], Y is V[m]. */
static void sha512_h(struct lift *l, var_t d, var_t n, var_t m)
{
    const var_t x0 = half_of(l, n, 0), x1 = half_of(l, n, 1), y0 = half_of(l, m, 0),
                y1 = half_of(l, m, 1);
    const var_t hi = sum(l, choose(l, y1, x0, x1), sigma(l, y1, 14, 18, IR_ROR, 41), half_of(l, d, 1));
    const var_t t = general(l, IR_ADD, hi, y0);

    put_halves(l, d, sum(l, choose(l, t, y1, x0), sigma(l, t, 14, 18, IR_ROR, 41), half_of(l, d, 0)), hi);
}

static void sha512_h2(struct lift *l, var_t d, var_t n, var_t m)
{
    const var_t x0 = half_of(l, n, 0), y0 = half_of(l, m, 0), y1 = half_of(l, m, 1);
    const var_t hi =
        sum(l, majority(l, x0, y1, y0), sigma(l, y0, 28, 34, IR_ROR, 39), half_of(l, d, 1));

    put_halves(l, d,
               sum(l, majority(l, hi, y0, y1), sigma(l, hi, 28, 34, IR_ROR, 39), half_of(l, d, 0)), hi);
}

static void sha512_su0(struct lift *l, var_t d, var_t n)
{
    const var_t w0 = half_of(l, d, 0), w1 = half_of(l, d, 1), x0 = half_of(l, n, 0);
    const var_t lo = general(l, IR_ADD, w0, sigma(l, w1, 1, 8, IR_SHR, 7));

    put_halves(l, d, lo, general(l, IR_ADD, w1, sigma(l, x0, 1, 8, IR_SHR, 7)));
}

static void sha512_su1(struct lift *l, var_t d, var_t n, var_t m)
{
    var_t half[2];

    for (unsigned k = 0; k < 2; k++)
        half[k] =
            sum(l, half_of(l, d, k), half_of(l, m, k), sigma(l, half_of(l, n, k), 19, 61, IR_SHR, 6));
    put_halves(l, d, half[0], half[1]);
}

static bool sha512(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
    case A64_ROW_SHA512H_cryptosha512_3:
        sha512_h(l, V(SHA512H_cryptosha512_3, d), V(SHA512H_cryptosha512_3, n),
                 V(SHA512H_cryptosha512_3, m));
        return true;
    case A64_ROW_SHA512H2_cryptosha512_3:
        sha512_h2(l, V(SHA512H2_cryptosha512_3, d), V(SHA512H2_cryptosha512_3, n),
                  V(SHA512H2_cryptosha512_3, m));
        return true;
    case A64_ROW_SHA512SU0_cryptosha512_2:
        sha512_su0(l, V(SHA512SU0_cryptosha512_2, d), V(SHA512SU0_cryptosha512_2, n));
        return true;
    case A64_ROW_SHA512SU1_cryptosha512_3:
        sha512_su1(l, V(SHA512SU1_cryptosha512_3, d), V(SHA512SU1_cryptosha512_3, n),
                   V(SHA512SU1_cryptosha512_3, m));
        return true;
    default: return false;
    }
}

bool lift_crypto(struct lift *l, const struct a64_insn *i)
{
    if (i->row == A64_ROW_PMULL_asimddiff_D) {
        if (!host_has(l, JIT_HOST_PCLMUL))
            return false;
        lift_v2(l, VEC_CLMUL, 3, true, V(PMULL_asimddiff_D, d), V(PMULL_asimddiff_D, n),
                V(PMULL_asimddiff_D, m))
            ->imm = A64_FIELD_PMULL_asimddiff_D_Q(i->word) ? 0x11 : 0;
        return true;
    }
    return aes(l, i) || sha(l, i) || sha_simple(l, i) || sha512(l, i);
}

/* --- CRC32 -------------------------------------------------------------------------------------------------------------- */

static bool checksum(struct lift *l, bool castagnoli, unsigned sz, var_t d, var_t a, var_t b)
{
    if (!host_has(l, castagnoli ? JIT_HOST_SSE42 : JIT_HOST_PCLMUL | JIT_HOST_AVX))
        return false;
    if (d == VAR_NONE)
        return true;
    struct ir *r = lift_ir(l, IR_CRC32);
    r->sz = (uint8_t)sz;
    r->ext = castagnoli;
    r->d = d;
    r->a = a;
    r->b = b;
    return true;
}

bool lift_checksum(struct lift *l, const struct a64_insn *i)
{
    switch (i->row) {
    case A64_ROW_CRC32_dp_2src:
        return checksum(l, false, A64_FIELD_CRC32_dp_2src_sz(i->word), X(CRC32_dp_2src, d),
                        X(CRC32_dp_2src, n), X(CRC32_dp_2src, m));
    case A64_ROW_CRC32C_dp_2src:
        return checksum(l, true, A64_FIELD_CRC32C_dp_2src_sz(i->word), X(CRC32C_dp_2src, d),
                        X(CRC32C_dp_2src, n), X(CRC32C_dp_2src, m));
    default: return false;
    }
}
