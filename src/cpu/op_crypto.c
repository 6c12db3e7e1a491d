/* The cryptographic instructions: AES, SHA1, SHA256, SHA512, SHA3, SM3, SM4. (PMULL: op_simd_diff.c.)
 *
 * Threads: the CPU's own. Rows and operands: spec/a64_simd.isa.
 * Specification: DDI 0487, "Cryptographic AES" and the like; FIPS 197, FIPS 180-4; GB/T 32905 (SM3), 32907 (SM4). */
#include "cpu/simd.h"

static inline uint32_t rol32(uint32_t x, unsigned n)
{
    return ror32(x, 32 - n);
}

#define VN c->st.v[a->n]
#define VM c->st.v[a->m]
#define VD c->st.v[a->d]

/* --- AES: 16 bytes, a column of the state after the other ------------------------------------------------------------- */

/* clang-format off */
static const uint8_t aes_sbox[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};

static const uint8_t aes_inverse_sbox[256] = {
    0x52, 0x09, 0x6a, 0xd5, 0x30, 0x36, 0xa5, 0x38, 0xbf, 0x40, 0xa3, 0x9e, 0x81, 0xf3, 0xd7, 0xfb,
    0x7c, 0xe3, 0x39, 0x82, 0x9b, 0x2f, 0xff, 0x87, 0x34, 0x8e, 0x43, 0x44, 0xc4, 0xde, 0xe9, 0xcb,
    0x54, 0x7b, 0x94, 0x32, 0xa6, 0xc2, 0x23, 0x3d, 0xee, 0x4c, 0x95, 0x0b, 0x42, 0xfa, 0xc3, 0x4e,
    0x08, 0x2e, 0xa1, 0x66, 0x28, 0xd9, 0x24, 0xb2, 0x76, 0x5b, 0xa2, 0x49, 0x6d, 0x8b, 0xd1, 0x25,
    0x72, 0xf8, 0xf6, 0x64, 0x86, 0x68, 0x98, 0x16, 0xd4, 0xa4, 0x5c, 0xcc, 0x5d, 0x65, 0xb6, 0x92,
    0x6c, 0x70, 0x48, 0x50, 0xfd, 0xed, 0xb9, 0xda, 0x5e, 0x15, 0x46, 0x57, 0xa7, 0x8d, 0x9d, 0x84,
    0x90, 0xd8, 0xab, 0x00, 0x8c, 0xbc, 0xd3, 0x0a, 0xf7, 0xe4, 0x58, 0x05, 0xb8, 0xb3, 0x45, 0x06,
    0xd0, 0x2c, 0x1e, 0x8f, 0xca, 0x3f, 0x0f, 0x02, 0xc1, 0xaf, 0xbd, 0x03, 0x01, 0x13, 0x8a, 0x6b,
    0x3a, 0x91, 0x11, 0x41, 0x4f, 0x67, 0xdc, 0xea, 0x97, 0xf2, 0xcf, 0xce, 0xf0, 0xb4, 0xe6, 0x73,
    0x96, 0xac, 0x74, 0x22, 0xe7, 0xad, 0x35, 0x85, 0xe2, 0xf9, 0x37, 0xe8, 0x1c, 0x75, 0xdf, 0x6e,
    0x47, 0xf1, 0x1a, 0x71, 0x1d, 0x29, 0xc5, 0x89, 0x6f, 0xb7, 0x62, 0x0e, 0xaa, 0x18, 0xbe, 0x1b,
    0xfc, 0x56, 0x3e, 0x4b, 0xc6, 0xd2, 0x79, 0x20, 0x9a, 0xdb, 0xc0, 0xfe, 0x78, 0xcd, 0x5a, 0xf4,
    0x1f, 0xdd, 0xa8, 0x33, 0x88, 0x07, 0xc7, 0x31, 0xb1, 0x12, 0x10, 0x59, 0x27, 0x80, 0xec, 0x5f,
    0x60, 0x51, 0x7f, 0xa9, 0x19, 0xb5, 0x4a, 0x0d, 0x2d, 0xe5, 0x7a, 0x9f, 0x93, 0xc9, 0x9c, 0xef,
    0xa0, 0xe0, 0x3b, 0x4d, 0xae, 0x2a, 0xf5, 0xb0, 0xc8, 0xeb, 0xbb, 0x3c, 0x83, 0x53, 0x99, 0x61,
    0x17, 0x2b, 0x04, 0x7e, 0xba, 0x77, 0xd6, 0x26, 0xe1, 0x69, 0x14, 0x63, 0x55, 0x21, 0x0c, 0x7d,
};
/* clang-format on */

/* ShiftRows and SubBytes of d ^ n: row i of the state moves by i columns, STEP columns at a time. */
static inline union vreg aes_round(const union vreg *d, const union vreg *n, const uint8_t *sbox,
                                   unsigned step)
{
    const union vreg x = {{d->d[0] ^ n->d[0], d->d[1] ^ n->d[1]}};
    union vreg r;

    for (unsigned i = 0; i < 16; i++)
        r.b[i] = sbox[x.b[(i + 4 * step * (i & 3)) & 15]];
    return r;
}

/* Each byte of x times two in the field of AES. */
static inline uint64_t aes_double(uint64_t x)
{
    const uint64_t high = x >> 7 & UINT64_C(0x0101010101010101);

    return (x << 1 & UINT64_C(0xfefefefefefefefe)) ^ high * 0x1b;
}

/* Each column's byte i comes from its byte i + n. */
static inline uint64_t aes_rotate(uint64_t x, unsigned n)
{
    const uint64_t low = UINT64_C(0x0000000100000001) * ((1u << (32 - 8 * n)) - 1);

    return (x >> 8 * n & low) | (x << (32 - 8 * n) & ~low);
}

/* 2 a[i] + 3 a[i+1] + a[i+2] + a[i+3] */
static inline uint64_t aes_mix(uint64_t x)
{
    const uint64_t next = aes_rotate(x, 1);

    return aes_double(x ^ next) ^ next ^ aes_rotate(x ^ next, 2);
}

/* 14 a[i] + 11 a[i+1] + 13 a[i+2] + 9 a[i+3]: MixColumns, of what has 4 (a[i] + a[i+2]) added to it. */
static inline uint64_t aes_unmix(uint64_t x)
{
    return aes_mix(x ^ aes_double(aes_double(x ^ aes_rotate(x, 2))));
}

OP(AESE_cryptoaes)
{
    VD = aes_round(&VD, &VN, aes_sbox, 1);
    return insn + 1;
}

OP(AESD_cryptoaes)
{
    VD = aes_round(&VD, &VN, aes_inverse_sbox, 3);
    return insn + 1;
}

OP(AESMC_cryptoaes)
{
    const union vreg n = VN;

    VD = (union vreg){{aes_mix(n.d[0]), aes_mix(n.d[1])}};
    return insn + 1;
}

OP(AESIMC_cryptoaes)
{
    const union vreg n = VN;

    VD = (union vreg){{aes_unmix(n.d[0]), aes_unmix(n.d[1])}};
    return insn + 1;
}

/* --- SHA1 ------------------------------------------------------------------------------------------------------------- */

#define CHOOSE(x, y, z) ((((y) ^ (z)) & (x)) ^ (z))
#define MAJORITY(x, y, z) (((x) & (y)) | (((x) | (y)) & (z)))
#define PARITY(x, y, z) ((x) ^ (y) ^ (z))

/* Four rounds: A to D are the lanes of Vd, E lane 0 of Vn. */
#define SHA1_ROUNDS(NAME, F)                                                                       \
    OP(NAME##_cryptosha3)                                                                          \
    {                                                                                              \
        union vreg x = VD;                                                                         \
        const union vreg m = VM;                                                                   \
        uint32_t y = VN.s[0];                                                                      \
                                                                                                   \
        for (unsigned i = 0; i < 4; i++) {                                                         \
            const uint32_t t = y + rol32(x.s[0], 5) + F(x.s[1], x.s[2], x.s[3]) + m.s[i];          \
            y = x.s[3];                                                                            \
            x.s[3] = x.s[2];                                                                       \
            x.s[2] = rol32(x.s[1], 30);                                                            \
            x.s[1] = x.s[0];                                                                       \
            x.s[0] = t;                                                                            \
        }                                                                                          \
        VD = x;                                                                                    \
        return insn + 1;                                                                           \
    }

SHA1_ROUNDS(SHA1C, CHOOSE)
SHA1_ROUNDS(SHA1P, PARITY)
SHA1_ROUNDS(SHA1M, MAJORITY)

OP(SHA1H_cryptosha2)
{
    VD = (union vreg){{rol32(VN.s[0], 30), 0}};
    return insn + 1;
}

OP(SHA1SU0_cryptosha3)
{
    const union vreg d = VD, n = VN, m = VM;

    VD = (union vreg){{d.d[1] ^ d.d[0] ^ m.d[0], n.d[0] ^ d.d[1] ^ m.d[1]}};
    return insn + 1;
}

OP(SHA1SU1_cryptosha2)
{
    const union vreg d = VD, n = VN;
    union vreg r;

    for (unsigned i = 0; i < 4; i++)
        r.s[i] = rol32(d.s[i] ^ (i < 3 ? n.s[i + 1] : 0), 1);
    r.s[3] ^= rol32(d.s[0] ^ n.s[1], 2);
    VD = r;
    return insn + 1;
}

/* --- SHA256 ----------------------------------------------------------------------------------------------------------- */

/* SHA256hash(): four rounds on x (A to D) and y (E to H). */
static inline void sha256_rounds(union vreg *x, union vreg *y, const union vreg *w)
{
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t e = y->s[0], a = x->s[0];
        const uint32_t t = y->s[3] + (ror32(e, 6) ^ ror32(e, 11) ^ ror32(e, 25)) +
                           CHOOSE(e, y->s[1], y->s[2]) + w->s[i];
        const uint32_t t2 = (ror32(a, 2) ^ ror32(a, 13) ^ ror32(a, 22)) + MAJORITY(a, x->s[1], x->s[2]);
        y->s[3] = y->s[2];
        y->s[2] = y->s[1];
        y->s[1] = y->s[0];
        y->s[0] = x->s[3] + t;
        x->s[3] = x->s[2];
        x->s[2] = x->s[1];
        x->s[1] = x->s[0];
        x->s[0] = t + t2;
    }
}

OP(SHA256H_cryptosha3)
{
    union vreg x = VD, y = VN;
    const union vreg w = VM;

    sha256_rounds(&x, &y, &w);
    VD = x;
    return insn + 1;
}

OP(SHA256H2_cryptosha3)
{
    union vreg x = VN, y = VD;
    const union vreg w = VM;

    sha256_rounds(&x, &y, &w);
    VD = y;
    return insn + 1;
}

OP(SHA256SU0_cryptosha2)
{
    const union vreg d = VD, n = VN;
    union vreg r;

    for (unsigned i = 0; i < 4; i++) {
        const uint32_t t = i < 3 ? d.s[i + 1] : n.s[0];
        r.s[i] = d.s[i] + (ror32(t, 7) ^ ror32(t, 18) ^ t >> 3);
    }
    VD = r;
    return insn + 1;
}

OP(SHA256SU1_cryptosha3)
{
    const union vreg d = VD, n = VN, m = VM;
    union vreg r;

    for (unsigned i = 0; i < 4; i++) {
        const uint32_t t = i < 2 ? m.s[i + 2] : r.s[i - 2];
        r.s[i] = d.s[i] + (i < 3 ? n.s[i + 1] : m.s[0]) + (ror32(t, 17) ^ ror32(t, 19) ^ t >> 10);
    }
    VD = r;
    return insn + 1;
}

/* --- SHA512, SHA3 ----------------------------------------------------------------------------------------------------- */

static inline uint64_t sha512_sum1(uint64_t x)
{
    return ror64(x, 14) ^ ror64(x, 18) ^ ror64(x, 41);
}

static inline uint64_t sha512_sum0(uint64_t x)
{
    return ror64(x, 28) ^ ror64(x, 34) ^ ror64(x, 39);
}

OP(SHA512H_cryptosha512_3)
{
    const union vreg x = VN, y = VM, w = VD;
    union vreg r;

    r.d[1] = CHOOSE(y.d[1], x.d[0], x.d[1]) + sha512_sum1(y.d[1]) + w.d[1];
    const uint64_t t = r.d[1] + y.d[0];
    r.d[0] = CHOOSE(t, y.d[1], x.d[0]) + sha512_sum1(t) + w.d[0];
    VD = r;
    return insn + 1;
}

OP(SHA512H2_cryptosha512_3)
{
    const union vreg x = VN, y = VM, w = VD;
    union vreg r;

    r.d[1] = MAJORITY(x.d[0], y.d[1], y.d[0]) + sha512_sum0(y.d[0]) + w.d[1];
    r.d[0] = MAJORITY(r.d[1], y.d[0], y.d[1]) + sha512_sum0(r.d[1]) + w.d[0];
    VD = r;
    return insn + 1;
}

OP(SHA512SU0_cryptosha512_2)
{
    const union vreg w = VD, x = VN;
    const uint64_t w1 = w.d[1], x0 = x.d[0];

    VD = (union vreg){{w.d[0] + (ror64(w1, 1) ^ ror64(w1, 8) ^ w1 >> 7),
                       w.d[1] + (ror64(x0, 1) ^ ror64(x0, 8) ^ x0 >> 7)}};
    return insn + 1;
}

OP(SHA512SU1_cryptosha512_3)
{
    const union vreg x = VN, y = VM, w = VD;
    union vreg r;

    for (unsigned i = 0; i < 2; i++)
        r.d[i] = w.d[i] + y.d[i] + (ror64(x.d[i], 19) ^ ror64(x.d[i], 61) ^ x.d[i] >> 6);
    VD = r;
    return insn + 1;
}

/* Each half of Vd, of those of the others: n, m, x. */
#define HALVES(NAME, VA, EXPR)                                                                     \
    OP(NAME)                                                                                       \
    {                                                                                              \
        const union vreg vn = VN, vm = VM, va = VA;                                                \
        union vreg r;                                                                              \
                                                                                                   \
        for (unsigned i = 0; i < 2; i++) {                                                         \
            const uint64_t n = vn.d[i], m = vm.d[i], x = va.d[i];                                  \
            (void)x;                                                                               \
            r.d[i] = EXPR;                                                                         \
        }                                                                                          \
        VD = r;                                                                                    \
        return insn + 1;                                                                           \
    }

HALVES(EOR3_crypto4, c->st.v[a->a], n ^ m ^ x)
HALVES(BCAX_crypto4, c->st.v[a->a], n ^ (m & ~x))
HALVES(RAX1_cryptosha512_3, VM, n ^ ror64(m, 63))
HALVES(XAR_crypto3_imm6, VM, ror64(n ^ m, a->imm))

/* --- SM3 -------------------------------------------------------------------------------------------------------------- */

/* P1() */
static inline uint32_t sm3_mix(uint32_t x)
{
    return x ^ rol32(x, 15) ^ rol32(x, 23);
}

OP(SM3PARTW1_cryptosha512_3)
{
    const union vreg d = VD, n = VN, m = VM;
    union vreg r;

    for (unsigned i = 0; i < 4; i++)
        r.s[i] = sm3_mix(d.s[i] ^ n.s[i] ^ rol32(i < 3 ? m.s[i + 1] : r.s[0], 15));
    VD = r;
    return insn + 1;
}

OP(SM3PARTW2_cryptosha512_3)
{
    const union vreg d = VD, n = VN, m = VM;
    union vreg r;

    for (unsigned i = 0; i < 4; i++)
        r.s[i] = d.s[i] ^ n.s[i] ^ rol32(m.s[i], 7);
    r.s[3] ^= sm3_mix(rol32(n.s[0] ^ rol32(m.s[0], 7), 15));
    VD = r;
    return insn + 1;
}

OP(SM3SS1_crypto4)
{
    const uint32_t sum = rol32(VN.s[3], 12) + VM.s[3] + c->st.v[a->a].s[3];

    VD = (union vreg){{0, (uint64_t)rol32(sum, 7) << 32}};
    return insn + 1;
}

/* One round of one half of the state, from A or E in lane 3 down; F is its boolean function, of a, b, c. */
#define SM3_ROUND(NAME, ROTATE, ADD, MIX, F)                                                       \
    OP(NAME##_crypto3_imm2)                                                                        \
    {                                                                                              \
        const union vreg d = VD, n = VN;                                                           \
        const uint32_t t = F(d.s[3], d.s[2], d.s[1]) + d.s[0] + (ADD) + VM.s[a->index];            \
        union vreg r;                                                                              \
                                                                                                   \
        r.s[0] = d.s[1];                                                                           \
        r.s[1] = rol32(d.s[2], ROTATE);                                                            \
        r.s[2] = d.s[3];                                                                           \
        r.s[3] = MIX;                                                                              \
        VD = r;                                                                                    \
        return insn + 1;                                                                           \
    }

SM3_ROUND(SM3TT1A, 9, n.s[3] ^ rol32(d.s[3], 12), t, PARITY)
SM3_ROUND(SM3TT1B, 9, n.s[3] ^ rol32(d.s[3], 12), t, MAJORITY)
SM3_ROUND(SM3TT2A, 19, n.s[3], t ^ rol32(t, 9) ^ rol32(t, 17), PARITY)
SM3_ROUND(SM3TT2B, 19, n.s[3], t ^ rol32(t, 9) ^ rol32(t, 17), CHOOSE)

/* --- SM4 -------------------------------------------------------------------------------------------------------------- */

/* clang-format off */
static const uint8_t sm4_sbox[256] = {
    0xd6, 0x90, 0xe9, 0xfe, 0xcc, 0xe1, 0x3d, 0xb7, 0x16, 0xb6, 0x14, 0xc2, 0x28, 0xfb, 0x2c, 0x05,
    0x2b, 0x67, 0x9a, 0x76, 0x2a, 0xbe, 0x04, 0xc3, 0xaa, 0x44, 0x13, 0x26, 0x49, 0x86, 0x06, 0x99,
    0x9c, 0x42, 0x50, 0xf4, 0x91, 0xef, 0x98, 0x7a, 0x33, 0x54, 0x0b, 0x43, 0xed, 0xcf, 0xac, 0x62,
    0xe4, 0xb3, 0x1c, 0xa9, 0xc9, 0x08, 0xe8, 0x95, 0x80, 0xdf, 0x94, 0xfa, 0x75, 0x8f, 0x3f, 0xa6,
    0x47, 0x07, 0xa7, 0xfc, 0xf3, 0x73, 0x17, 0xba, 0x83, 0x59, 0x3c, 0x19, 0xe6, 0x85, 0x4f, 0xa8,
    0x68, 0x6b, 0x81, 0xb2, 0x71, 0x64, 0xda, 0x8b, 0xf8, 0xeb, 0x0f, 0x4b, 0x70, 0x56, 0x9d, 0x35,
    0x1e, 0x24, 0x0e, 0x5e, 0x63, 0x58, 0xd1, 0xa2, 0x25, 0x22, 0x7c, 0x3b, 0x01, 0x21, 0x78, 0x87,
    0xd4, 0x00, 0x46, 0x57, 0x9f, 0xd3, 0x27, 0x52, 0x4c, 0x36, 0x02, 0xe7, 0xa0, 0xc4, 0xc8, 0x9e,
    0xea, 0xbf, 0x8a, 0xd2, 0x40, 0xc7, 0x38, 0xb5, 0xa3, 0xf7, 0xf2, 0xce, 0xf9, 0x61, 0x15, 0xa1,
    0xe0, 0xae, 0x5d, 0xa4, 0x9b, 0x34, 0x1a, 0x55, 0xad, 0x93, 0x32, 0x30, 0xf5, 0x8c, 0xb1, 0xe3,
    0x1d, 0xf6, 0xe2, 0x2e, 0x82, 0x66, 0xca, 0x60, 0xc0, 0x29, 0x23, 0xab, 0x0d, 0x53, 0x4e, 0x6f,
    0xd5, 0xdb, 0x37, 0x45, 0xde, 0xfd, 0x8e, 0x2f, 0x03, 0xff, 0x6a, 0x72, 0x6d, 0x6c, 0x5b, 0x51,
    0x8d, 0x1b, 0xaf, 0x92, 0xbb, 0xdd, 0xbc, 0x7f, 0x11, 0xd9, 0x5c, 0x41, 0x1f, 0x10, 0x5a, 0xd8,
    0x0a, 0xc1, 0x31, 0x88, 0xa5, 0xcd, 0x7b, 0xbd, 0x2d, 0x74, 0xd0, 0x12, 0xb8, 0xe5, 0xb4, 0xb0,
    0x89, 0x69, 0x97, 0x4a, 0x0c, 0x96, 0x77, 0x7e, 0x65, 0xb9, 0xf1, 0x09, 0xc5, 0x6e, 0xc6, 0x84,
    0x18, 0xf0, 0x7d, 0xec, 0x3a, 0xdc, 0x4d, 0x20, 0x79, 0xee, 0x5f, 0x3e, 0xd7, 0xcb, 0x39, 0x48,
};
/* clang-format on */

static inline uint32_t sm4_substitute(uint32_t x)
{
    return sm4_sbox[x & 255] | (uint32_t)sm4_sbox[x >> 8 & 255] << 8 |
           (uint32_t)sm4_sbox[x >> 16 & 255] << 16 | (uint32_t)sm4_sbox[x >> 24] << 24;
}

/* Four rounds on x, of the words of k; LINEAR is the linear function, of t. */
#define SM4_ROUNDS(NAME, STATE, KEYS, LINEAR)                                                      \
    OP(NAME)                                                                                       \
    {                                                                                              \
        union vreg x = STATE;                                                                      \
        const union vreg k = KEYS;                                                                 \
                                                                                                   \
        for (unsigned i = 0; i < 4; i++) {                                                         \
            const uint32_t t = sm4_substitute(x.s[3] ^ x.s[2] ^ x.s[1] ^ k.s[i]);                  \
            const uint32_t last = x.s[0] ^ (LINEAR);                                               \
            x = (union vreg){{x.d[0] >> 32 | x.d[1] << 32, x.d[1] >> 32 | (uint64_t)last << 32}};  \
        }                                                                                          \
        VD = x;                                                                                    \
        return insn + 1;                                                                           \
    }

SM4_ROUNDS(SM4E_cryptosha512_2, VD, VN, t ^ rol32(t, 2) ^ rol32(t, 10) ^ rol32(t, 18) ^ rol32(t, 24))
SM4_ROUNDS(SM4EKEY_cryptosha512_3, VN, VM, t ^ rol32(t, 13) ^ rol32(t, 23))
