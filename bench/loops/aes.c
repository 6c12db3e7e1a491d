/* AES-128 in counter mode by instructions, four blocks at a time; round keys that no schedule made cost the same. */
#include "loops.h"

#if defined(__aarch64__)
#include <arm_neon.h>
typedef uint8x16_t block;
/* Arm's instruction adds the round key first, x86's last: key[0] is added by the first round here and by hand there. */
#define START(b, key) (b)
#define ROUND(b, key, k) vaesmcq_u8(vaeseq_u8(b, (key)[(k)-1]))
#define LAST(b, key) veorq_u8(vaeseq_u8(b, (key)[9]), (key)[10])
#else
#include <immintrin.h>
typedef __m128i block;
#define START(b, key) _mm_xor_si128(b, (key)[0])
#define ROUND(b, key, k) _mm_aesenc_si128(b, (key)[k])
#define LAST(b, key) _mm_aesenclast_si128(b, (key)[10])
#endif

enum { ROUNDS_OF_128 = 10, BLOCKS = 1024 };

union words {
    uint64_t u[2];
    block b;
};

static union words data[BLOCKS], key[ROUNDS_OF_128 + 1];

static void encrypt(uint64_t nonce)
{
    block k[ROUNDS_OF_128 + 1];

    for (unsigned i = 0; i <= ROUNDS_OF_128; i++)
        k[i] = key[i].b;
    for (unsigned i = 0; i < BLOCKS; i += 4) {
        union words c[4];
        for (unsigned j = 0; j < 4; j++) {
            c[j].u[0] = nonce;
            c[j].u[1] = i + j;
        }
        block p = START(c[0].b, k), q = START(c[1].b, k), r = START(c[2].b, k), s = START(c[3].b, k);
#pragma GCC unroll 9
        for (unsigned n = 1; n < ROUNDS_OF_128; n++) {
            p = ROUND(p, k, n);
            q = ROUND(q, k, n);
            r = ROUND(r, k, n);
            s = ROUND(s, k, n);
        }
        data[i].b ^= LAST(p, k);
        data[i + 1].b ^= LAST(q, k);
        data[i + 2].b ^= LAST(r, k);
        data[i + 3].b ^= LAST(s, k);
    }
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i <= ROUNDS_OF_128; i++)
        for (unsigned j = 0; j < 2; j++)
            key[i].u[j] = (2 * i + j + 1) * 0x9e3779b97f4a7c15u;
    for (unsigned r = 0; r < n * 10; r++)
        encrypt(r);
    for (unsigned i = 0; i < BLOCKS; i++)
        sum = (sum ^ data[i].u[0]) * 31 + data[i].u[1];
    return sum;
}
