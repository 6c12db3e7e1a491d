/* Table-driven CRC-32 over 64 KiB. */
#include "loops.h"

static uint32_t table[256];
static uint8_t data[65536];

uint64_t bench_run(unsigned n)
{
    uint32_t crc = 0xffffffff;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (unsigned k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8));
    while (n--)
        for (unsigned i = 0; i < sizeof(data); i++)
            crc = table[(crc ^ data[i]) & 0xff] ^ (crc >> 8);
    return crc;
}
