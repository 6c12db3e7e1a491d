/* SHA-256's compression function by instructions, over 16 KiB. */
#include "loops.h"
#include "sha256.h"

enum { BLOCKS = 256 };

#if defined(__aarch64__)
#include <arm_neon.h>
typedef uint32x4_t vec;

static inline vec add(vec a, vec b)
{
    return vaddq_u32(a, b);
}

static inline vec schedule(vec w0, vec w1, vec w2, vec w3)
{
    return vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);
}

/* One half holds abcd, the other efgh. */
static inline void four_rounds(vec half[2], vec wk)
{
    vec old = half[0];
    half[0] = vsha256hq_u32(half[0], half[1], wk);
    half[1] = vsha256h2q_u32(half[1], old, wk);
}

static const unsigned place[8] = {0, 1, 2, 3, 4, 5, 6, 7};
#else
#include <immintrin.h>
typedef __m128i vec;

static inline vec add(vec a, vec b)
{
    return _mm_add_epi32(a, b);
}

static inline vec schedule(vec w0, vec w1, vec w2, vec w3)
{
    return _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4)), w3);
}

/* One half holds feba, the other hgdc, from the lowest word on. */
static inline void four_rounds(vec half[2], vec wk)
{
    half[1] = _mm_sha256rnds2_epu32(half[1], half[0], wk);
    half[0] = _mm_sha256rnds2_epu32(half[0], half[1], _mm_shuffle_epi32(wk, 0x0e));
}

static const unsigned place[8] = {3, 2, 7, 6, 1, 0, 5, 4};
#endif

union words {
    uint32_t u[8];
    vec v[2];
};

static union words data[2 * BLOCKS];

static void compress(union words *h, const union words *block)
{
    const vec *k = (const vec *)(const void *)K;
    vec half[2] = {h->v[0], h->v[1]};
    vec w0 = block[0].v[0], w1 = block[0].v[1], w2 = block[1].v[0], w3 = block[1].v[1];

#pragma GCC unroll 3
    for (unsigned i = 0; i < 12; i += 4) {
        four_rounds(half, add(w0, k[i]));
        w0 = schedule(w0, w1, w2, w3);
        four_rounds(half, add(w1, k[i + 1]));
        w1 = schedule(w1, w2, w3, w0);
        four_rounds(half, add(w2, k[i + 2]));
        w2 = schedule(w2, w3, w0, w1);
        four_rounds(half, add(w3, k[i + 3]));
        w3 = schedule(w3, w0, w1, w2);
    }
    four_rounds(half, add(w0, k[12]));
    four_rounds(half, add(w1, k[13]));
    four_rounds(half, add(w2, k[14]));
    four_rounds(half, add(w3, k[15]));
    h->v[0] = add(h->v[0], half[0]);
    h->v[1] = add(h->v[1], half[1]);
}

uint64_t bench_run(unsigned n)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    union words h;
    uint64_t sum = 0;

    for (unsigned i = 0; i < 16 * BLOCKS; i++)
        data[i / 8].u[i % 8] = i * 2654435761u;
    for (unsigned i = 0; i < 8; i++)
        h.u[place[i]] = start[i];
    while (n--)
        for (unsigned i = 0; i < BLOCKS; i++)
            compress(&h, &data[2 * i]);
    for (unsigned i = 0; i < 8; i++)
        sum = sum * 31 + h.u[place[i]];
    return sum;
}
