/* CRC32 and CRC32C as the CRC32 instructions compute them: no inversion before or after.
 *
 * Pure. Eight tables of 256 entries a polynomial, so that the bytes of an operand don't wait for each other.
 * Specification: DDI 0487, "CRC32B, CRC32H, CRC32W, CRC32X", "CRC32CB ...". */
#ifndef VIBE_CPU_CRC32_H
#define VIBE_CPU_CRC32_H

#include <stdint.h>

enum crc32_poly {
    CRC32_IEEE,       /* 0x04c11db7 */
    CRC32_CASTAGNOLI, /* 0x1edc6f41 */
};

/* crc32_table[poly][k][b]: byte b followed by k zero bytes. */
extern const uint32_t crc32_table[2][8][256];

/* acc after the size (1, 2, 4, 8) low bytes of val. size is a constant: the loop unrolls. */
static inline uint32_t crc32_update(enum crc32_poly poly, uint32_t acc, uint64_t val, unsigned size)
{
    const uint32_t(*t)[256] = crc32_table[poly];
    uint64_t x = val ^ acc;
    uint32_t r = size < 4 ? acc >> (8 * size) : 0;

    for (unsigned i = 0; i < size; i++)
        r ^= t[size - 1 - i][(uint8_t)(x >> (8 * i))];
    return r;
}

#endif
