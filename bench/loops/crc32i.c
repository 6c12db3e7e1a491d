/* CRC-32C by instructions, of 64 KiB: words of 64 bits, then bytes. (x86 has no instruction for the other polynomial.) */
#include "loops.h"

#if defined(__aarch64__)
#include <arm_acle.h>
#define CRC_64(crc, v) __crc32cd(crc, v)
#define CRC_8(crc, v) __crc32cb(crc, v)
#else
#include <immintrin.h>
#define CRC_64(crc, v) (uint32_t) _mm_crc32_u64(crc, v)
#define CRC_8(crc, v) _mm_crc32_u8(crc, v)
#endif

enum { WORDS = 8192, TAIL = 1024 };
static uint64_t data[WORDS];

uint64_t bench_run(unsigned n)
{
    uint32_t crc = 0xffffffff;
    const uint8_t *bytes = (const uint8_t *)data;

    for (unsigned i = 0; i < WORDS; i++)
        data[i] = i * 0x9e3779b97f4a7c15u;
    while (n--) {
        for (unsigned i = 0; i < WORDS; i++)
            crc = CRC_64(crc, data[i]);
        for (unsigned i = 0; i < TAIL; i++)
            crc = CRC_8(crc, bytes[i]);
    }
    return crc;
}
