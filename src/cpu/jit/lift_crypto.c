/* The cryptographic instructions and checksums that the host's own do. What the host has not got, and SHA512, SM3, SM4, PMULL of bytes, is the
 * interpreter's. */
#include "cpu/jit/lift.h"

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

static void aes_round(struct lift *l, enum vector_op last, var_t d, var_t n)
{
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
    return aes(l, i) || sha(l, i) || sha_simple(l, i);
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
