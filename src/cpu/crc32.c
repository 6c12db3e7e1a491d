/* The tables of cpu/crc32.h, expanded by the preprocessor.
 *
 * A CRC is linear: the entry for a byte is the exclusive or of the entries for its bits. Tn(v, k0 ... kn-1) lists the 2^n
 * combinations of the given ones. Within a polynomial, each entry given is the one right of it, shifted once: tests/unit/test_ops_dp.c
 * computes them all bit by bit. */
#include "cpu/crc32.h"

#define T1(v, a) (v), (v) ^ (a)
#define T2(v, a, b) T1(v, a), T1((v) ^ (b), a)
#define T3(v, a, b, c) T2(v, a, b), T2((v) ^ (c), a, b)
#define T4(v, a, b, c, d) T3(v, a, b, c), T3((v) ^ (d), a, b, c)
#define T5(v, a, b, c, d, e) T4(v, a, b, c, d), T4((v) ^ (e), a, b, c, d)
#define T6(v, a, b, c, d, e, f) T5(v, a, b, c, d, e), T5((v) ^ (f), a, b, c, d, e)
#define T7(v, a, b, c, d, e, f, g) T6(v, a, b, c, d, e, f), T6((v) ^ (g), a, b, c, d, e, f)
#define T8(v, a, b, c, d, e, f, g, h) T7(v, a, b, c, d, e, f, g), T7((v) ^ (h), a, b, c, d, e, f, g)

/* clang-format off */
const uint32_t crc32_table[2][8][256] = {
    [CRC32_IEEE] = {
        {T8(0, 0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832, 0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320)},
        {T8(0, 0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08, 0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b)},
        {T8(0, 0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8, 0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80)},
        {T8(0, 0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef, 0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b)},
        {T8(0, 0x3d6029b0, 0x7ac05360, 0xf580a6c0, 0x30704bc1, 0x60e09782, 0xc1c12f04, 0x58f35849, 0xb1e6b092)},
        {T8(0, 0xcb5cd3a5, 0x4dc8a10b, 0x9b914216, 0xec53826d, 0x03d6029b, 0x07ac0536, 0x0f580a6c, 0x1eb014d8)},
        {T8(0, 0xa6770bb4, 0x979f1129, 0xf44f2413, 0x33ef4e67, 0x67de9cce, 0xcfbd399c, 0x440b7579, 0x8816eaf2)},
        {T8(0, 0xccaa009e, 0x4225077d, 0x844a0efa, 0xd3e51bb5, 0x7cbb312b, 0xf9766256, 0x299dc2ed, 0x533b85da)},
    },
    [CRC32_CASTAGNOLI] = {
        {T8(0, 0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78)},
        {T8(0, 0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9)},
        {T8(0, 0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743)},
        {T8(0, 0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f)},
        {T8(0, 0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c)},
        {T8(0, 0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6)},
        {T8(0, 0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4)},
        {T8(0, 0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664)},
    },
};
