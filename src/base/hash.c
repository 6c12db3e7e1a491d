/* hash64(). Pure; any thread. */
#include "base/hash.h"

#include "base/bits.h"

#include <string.h>

#define LANES 8u
#define STRIPE (LANES * sizeof(uint64_t))
#define FACTOR UINT64_C(0x9e3779b97f4a7c15) /* odd, so that to multiply by it is a bijection */

static inline uint64_t mix(uint64_t lane, uint64_t word)
{
    return ror64(lane ^ word, 35) * FACTOR;
}

static inline void stripe(uint64_t lane[LANES], const uint8_t *p)
{
    uint64_t word[LANES];

    memcpy(word, p, STRIPE);
    for (unsigned i = 0; i < LANES; i++)
        lane[i] = mix(lane[i], word[i]);
}

uint64_t hash64(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t lane[LANES], h = mix(0, len);
    size_t left = len;

    for (unsigned i = 0; i < LANES; i++)
        lane[i] = (i + 1) * FACTOR;
    for (; left >= STRIPE; left -= STRIPE, p += STRIPE)
        stripe(lane, p);
    if (left) {
        uint8_t rest[STRIPE] = {0};
        memcpy(rest, p, left);
        stripe(lane, rest);
    }
    for (unsigned i = 0; i < LANES; i++)
        h = mix(h, lane[i]);
    h ^= h >> 32;
    h *= FACTOR;
    return h ^ h >> 29;
}
