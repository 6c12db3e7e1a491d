/* Advanced SIMD on integers and the cryptographic instructions, one at a time, against answers worked out by hand from the Arm ARM's
 * pseudocode and against published test vectors: for machines that have no other implementation to compare with (tests/isa). */
#include "ops_machine.h"

#include "gen/sysreg_fields.h"

static int setup_simd(void **state)
{
    if (setup(state))
        return -1;
    SYS(&c->st, CPACR_EL1) = CPACR_EL1_FPEN;
    cpu_state_changed(c);
    return 0;
}

/* --- Integers: edges of each operation ------------------------------------------------------------------------------ */

struct v128 {
    uint64_t hi, lo;
};
#define ANY                                                                                        \
    {                                                                                              \
        DIRTY, DIRTY                                                                               \
    } /* read by none, or all of it is written */

/* V0 is d, V1 n, V2 m, V3 a constant; afterwards V0 is want, and FPSR.QC as said. Register halves that should not count are not 0. */
static const struct known {
    uint32_t word;
    struct v128 d, n, m, want;
    bool qc;
} known[] = {
    /* clang-format off */
        {0x0e228420 /* add v0.8b, v1.8b, v2.8b */, ANY, {0x0, 0xff01}, {0x0, 0x102}, {0x0, 0x3}, false},
        {0x4e220c20 /* sqadd v0.16b, v1.16b, v2.16b */, ANY, {0x7f, 0x80}, {0x1, 0xff}, {0x7f, 0x80}, true},
        {0x4e220c20 /* sqadd v0.16b, v1.16b, v2.16b */, ANY, {0x7e, 0x81}, {0x1, 0xff}, {0x7f, 0x80}, false},
        {0x5ee20c20 /* sqadd d0, d1, d2 */, ANY, {0x5, 0x7fffffffffffffff}, {0x5, 0x1}, {0x0, 0x7fffffffffffffff}, true},
        {0x7ee20c20 /* uqadd d0, d1, d2 */, ANY, {0x5, 0xfffffffffffffffe}, {0x5, 0x1}, {0x0, 0xffffffffffffffff}, false},
        {0x7e220c20 /* uqadd b0, b1, b2 */, ANY, {0x5, 0xffff}, {0x5, 0x1}, {0x0, 0xff}, true},
        {0x5ee22c20 /* sqsub d0, d1, d2 */, ANY, {0x0, 0x8000000000000000}, {0x0, 0x1}, {0x0, 0x8000000000000000}, true},
        {0x2e622c20 /* uqsub v0.4h, v1.4h, v2.4h */, ANY, {0x5, 0x10005}, {0x5, 0x20003}, {0x0, 0x2}, true},
        {0x4e220420 /* shadd v0.16b, v1.16b, v2.16b */, ANY, {0x7f, 0x80}, {0x7f, 0x81}, {0x7f, 0x80}, false},
        {0x4e221420 /* srhadd v0.16b, v1.16b, v2.16b */, ANY, {0x7f, 0x80}, {0x7e, 0x81}, {0x7f, 0x81}, false},
        {0x6e222420 /* uhsub v0.16b, v1.16b, v2.16b */, ANY, {0x1, 0xff}, {0x2, 0x1}, {0xff, 0x7f}, false},
        {0x4e222420 /* shsub v0.16b, v1.16b, v2.16b */, ANY, {0x7f, 0x80}, {0x80, 0x7f}, {0x7f, 0x80}, false},
        {0x4ea28c20 /* cmtst v0.4s, v1.4s, v2.4s */, ANY, {0x0, 0x100000002}, {0x0, 0x300000001}, {0x0, 0xffffffff00000000}, false},
        {0x7ee23420 /* cmhi d0, d1, d2 */, ANY, {0x0, 0x8000000000000000}, {0x0, 0x1}, {0x0, 0xffffffffffffffff}, false},
        {0x5ee23420 /* cmgt d0, d1, d2 */, ANY, {0x0, 0x8000000000000000}, {0x0, 0x1}, {0x0, 0x0}, false},
        {0x0e227420 /* sabd v0.8b, v1.8b, v2.8b */, ANY, {0x0, 0x807f}, {0x0, 0x7f80}, {0x0, 0xffff}, false},
        {0x2e227c20 /* uaba v0.8b, v1.8b, v2.8b */, {0x9, 0x202}, {0x0, 0x807f}, {0x0, 0x7f80}, {0x0, 0x303}, false},
        {0x0e62b420 /* sqdmulh v0.4h, v1.4h, v2.4h */, ANY, {0x0, 0x80007fff}, {0x0, 0x80007fff}, {0x0, 0x7fff7ffe}, true},
        {0x2e62b420 /* sqrdmulh v0.4h, v1.4h, v2.4h */, ANY, {0x0, 0x7fff4000}, {0x0, 0x7fff0001}, {0x0, 0x7ffe0001}, false},
        {0x0fa2d820 /* sqrdmulh v0.2s, v1.2s, v2.s[3] */, ANY, {0x0, 0x8000000000000001}, {0x8000000000000000, 0x0}, {0x0, 0x7fffffffffffffff}, true},
        {0x2e428420 /* sqrdmlah v0.4h, v1.4h, v2.4h */, {0x0, 0x7fff8000}, {0x0, 0x40008000}, {0x0, 0x40007fff}, {0x0, 0x7fff8000}, true},
        {0x7e428c20 /* sqrdmlsh h0, h1, h2 */, {0x0, 0x8000}, {0x0, 0x8000}, {0x0, 0x8000}, {0x0, 0x8000}, true},
        {0x7e428c20 /* sqrdmlsh h0, h1, h2 */, {0x0, 0x1}, {0x0, 0x8000}, {0x0, 0x8000}, {0x0, 0x8001}, false},
        {0x0e224420 /* sshl v0.8b, v1.8b, v2.8b */, ANY, {0x0, 0x80804040}, {0x0, 0x80f90108}, {0x0, 0xffff8000}, false},
        {0x2e224420 /* ushl v0.8b, v1.8b, v2.8b */, ANY, {0x0, 0x80808080}, {0x0, 0xf8f90180}, {0x0, 0x10000}, false},
        {0x0e225420 /* srshl v0.8b, v1.8b, v2.8b */, ANY, {0x0, 0x807f8080}, {0x0, 0xf8f9f7f9}, {0x0, 0x100ff}, false},
        {0x2e225420 /* urshl v0.8b, v1.8b, v2.8b */, ANY, {0x0, 0xff80ff7f}, {0x0, 0xf8f8f7f8}, {0x0, 0x1010000}, false},
        {0x0e224c20 /* sqshl v0.8b, v1.8b, v2.8b */, ANY, {0x0, 0x3f408000}, {0x0, 0x17f7f7f}, {0x0, 0x7e7f8000}, true},
        {0x7e624c20 /* uqshl h0, h1, h2 */, ANY, {0x0, 0x8000}, {0x0, 0x1}, {0x0, 0xffff}, true},
        {0x2e225c20 /* uqrshl v0.8b, v1.8b, v2.8b */, ANY, {0x0, 0xff}, {0x0, 0xff}, {0x0, 0x80}, false},
        {0x5ee25c20 /* sqrshl d0, d1, d2 */, ANY, {0x0, 0x7fffffffffffffff}, {0x0, 0xff}, {0x0, 0x4000000000000000}, false},
        {0x0e22bc20 /* addp v0.8b, v1.8b, v2.8b */, ANY, {0x1, 0x807060504030201}, {0x1, 0x100f0e0d0c0b0a09}, {0x0, 0x1f1b17130f0b0703}, false},
        {0x6ea2ac20 /* uminp v0.4s, v1.4s, v2.4s */, ANY, {0x4ffffffff, 0x200000001}, {0x0, 0x8000000000000001}, {0x1, 0x400000001}, false},
        {0x5ef1b820 /* addp d0, v1.2d */, ANY, {0x8000000000000000, 0x8000000000000005}, ANY, {0x0, 0x5}, false},
        {0x2e229c20 /* pmul v0.8b, v1.8b, v2.8b */, ANY, {0x0, 0xff03}, {0x0, 0xff03}, {0x0, 0x5505}, false},
        {0x0e22e020 /* pmull v0.8h, v1.8b, v2.8b */, ANY, {0x0, 0xff03}, {0x0, 0xff03}, {0x0, 0x55550005}, false},
        {0x4ee2e020 /* pmull2 v0.1q, v1.2d, v2.2d */, ANY, {0xffffffffffffffff, 0x0}, {0xffffffffffffffff, 0x0}, {0x5555555555555555, 0x5555555555555555}, false},
        {0x0e829420 /* sdot v0.2s, v1.8b, v2.8b */, {0x7, 0x1}, {0x0, 0x8080808001ff0203}, {0x0, 0x8080808001010101}, {0x0, 0x1000000000006}, false},
        {0x0e829c20 /* usdot v0.2s, v1.8b, v2.8b */, {0x7, 0x0}, {0x0, 0xffffffff}, {0x0, 0x80808080}, {0x0, 0xfffe0200}, false},
        {0x0f02f820 /* sudot v0.2s, v1.8b, v2.4b[2] */, {0x7, 0x0}, {0x0, 0x80808080}, {0xffffffff, 0x0}, {0x0, 0xfffe0200}, false},
        {0x4e82a420 /* smmla v0.4s, v1.16b, v2.16b */, {0x1, 0x1}, {0x2, 0x1010101ffffffff}, {0x1, 0x3}, {0x200000007, 0xfffffffffffffffe}, false},
        {0x4ea20020 /* saddl2 v0.2d, v1.4s, v2.4s */, ANY, {0x800000007fffffff, 0x0}, {0x800000007fffffff, 0x0}, {0xffffffff00000000, 0xfffffffe}, false},
        {0x2e223020 /* usubw v0.8h, v1.8h, v2.8b */, ANY, {0x0, 0x0}, {0x9, 0xff}, {0x0, 0xff01}, false},
        {0x0e224020 /* addhn v0.8b, v1.8h, v2.8h */, {0x9, 0x9}, {0x0, 0xff80ff}, {0x0, 0x1ff01}, {0x0, 0x180}, false},
        {0x6e224020 /* raddhn2 v0.16b, v1.8h, v2.8h */, {0x9, 0x8}, {0x0, 0xff7f80}, {0x0, 0x0}, {0x180, 0x8}, false},
        {0x2e626020 /* rsubhn v0.4h, v1.4s, v2.4s */, {0x9, 0x9}, {0x0, 0x800000000000}, {0x0, 0x1}, {0x0, 0x10000}, false},
        {0x0e625020 /* sabal v0.4s, v1.4h, v2.4h */, {0x0, 0x1}, {0x0, 0x8000}, {0x0, 0x7fff}, {0x0, 0x10000}, false},
        {0x0e62d020 /* sqdmull v0.4s, v1.4h, v2.4h */, ANY, {0x0, 0x80007fff}, {0x0, 0x80007fff}, {0x0, 0x7fffffff7ffe0002}, true},
        {0x5e629020 /* sqdmlal s0, h1, h2 */, {0x9, 0xffffffff}, {0x0, 0x8000}, {0x0, 0x8000}, {0x0, 0x7ffffffe}, true},
        {0x0f723820 /* sqdmlal v0.4s, v1.4h, v2.h[7] */, {0x0, 0x7fffffff00000001}, {0x0, 0x10002}, {0x3000000000000, 0x0}, {0x0, 0x7fffffff0000000d}, true},
        {0x5ea2b020 /* sqdmlsl d0, s1, s2 */, {0x9, 0x8000000000000000}, {0x0, 0x1}, {0x0, 0x1}, {0x0, 0x8000000000000000}, true},
        {0x2fa22020 /* umlal v0.2d, v1.2s, v2.s[1] */, {0x0, 0x1}, {0x0, 0xffffffff}, {0x0, 0xffffffff00000000}, {0x0, 0xfffffffe00000002}, false},
        {0x2f424020 /* mls v0.4h, v1.4h, v2.h[0] */, {0x9, 0x0}, {0x0, 0xffff}, {0x0, 0xffff}, {0x0, 0xffff}, false},
        {0x4e600820 /* rev64 v0.8h, v1.8h */, ANY, {0x807060504030201, 0x1817161514131211}, ANY, {0x201040306050807, 0x1211141316151817}, false},
        {0x2e200820 /* rev32 v0.8b, v1.8b */, ANY, {0x9, 0x807060504030201}, ANY, {0x0, 0x506070801020304}, false},
        {0x4e201820 /* rev16 v0.16b, v1.16b */, ANY, {0x807060504030201, 0x1817161514131211}, ANY, {0x708050603040102, 0x1718151613141112}, false},
        {0x2e605820 /* rbit v0.8b, v1.8b */, ANY, {0x9, 0x180020f}, ANY, {0x0, 0x800140f0}, false},
        {0x0e205820 /* cnt v0.8b, v1.8b */, ANY, {0x9, 0xff00017f}, ANY, {0x0, 0x8000107}, false},
        {0x2e204820 /* clz v0.8b, v1.8b */, ANY, {0x9, 0x8001ff00}, ANY, {0x0, 0x808080800070008}, false},
        {0x0e604820 /* cls v0.4h, v1.4h */, ANY, {0x9, 0x7fff8000ffff0001}, ANY, {0x0, 0xf000e}, false},
        {0x0e202820 /* saddlp v0.4h, v1.8b */, ANY, {0x9, 0x807f8080}, ANY, {0x0, 0xffffff00}, false},
        {0x2ea06820 /* uadalp v0.1d, v1.2s */, {0x9, 0xffffffff}, {0x9, 0xffffffffffffffff}, ANY, {0x0, 0x2fffffffd}, false},
        {0x0e203820 /* suqadd v0.8b, v1.8b */, {0x9, 0x7f80}, {0x9, 0x1ff}, ANY, {0x0, 0x7f7f}, true},
        {0x5e203820 /* suqadd b0, b1 */, {0x9, 0x80}, {0x9, 0xff}, ANY, {0x0, 0x7f}, false},
        {0x2e203820 /* usqadd v0.8b, v1.8b */, {0x9, 0x5ff}, {0x9, 0xf001}, ANY, {0x0, 0xff}, true},
        {0x0e207820 /* sqabs v0.8b, v1.8b */, ANY, {0x9, 0x80ff}, ANY, {0x0, 0x7f01}, true},
        {0x0e20b820 /* abs v0.8b, v1.8b */, ANY, {0x9, 0x80ff}, ANY, {0x0, 0x8001}, false},
        {0x7ee07820 /* sqneg d0, d1 */, ANY, {0x9, 0x8000000000000000}, ANY, {0x0, 0x7fffffffffffffff}, true},
        {0x7ee09820 /* cmle d0, d1, #0 */, ANY, {0x9, 0x8000000000000000}, ANY, {0x0, 0xffffffffffffffff}, false},
        {0x4e212820 /* xtn2 v0.16b, v1.8h */, {0x9, 0x8}, {0x0, 0x1234}, ANY, {0x34, 0x8}, false},
        {0x2e212820 /* sqxtun v0.8b, v1.8h */, {0x9, 0x9}, {0x0, 0xffff01007fff00ff}, ANY, {0x0, 0xffffff}, true},
        {0x5e614820 /* sqxtn h0, s1 */, {0x9, 0x9}, {0x9, 0xffff7fff}, ANY, {0x0, 0x8000}, true},
        {0x6ea14820 /* uqxtn2 v0.4s, v1.2d */, {0x9, 0x8}, {0x1, 0x100000000}, ANY, {0x1ffffffff, 0x8}, true},
        {0x2e213820 /* shll v0.8h, v1.8b, #8 */, ANY, {0x9, 0x1ff}, ANY, {0x0, 0x100ff00}, false},
        {0x0e303820 /* saddlv h0, v1.8b */, ANY, {0x9, 0x8080808080808080}, ANY, {0x0, 0xfc00}, false},
        {0x0e31b820 /* addv b0, v1.8b */, ANY, {0x9, 0x4040404040404041}, ANY, {0x0, 0x1}, false},
        {0x4e71a820 /* sminv h0, v1.8h */, ANY, {0x1000200038000, 0x7fff000100020003}, ANY, {0x0, 0x8000}, false},
        {0x6eb1a820 /* uminv s0, v1.4s */, ANY, {0x580000000, 0xffffffff00000004}, ANY, {0x0, 0x4}, false},
        {0x0ea1c820 /* urecpe v0.2s, v1.2s */, ANY, {0x9, 0x800000007fffffff}, ANY, {0x0, 0xff800000ffffffff}, false},
        {0x2ea1c820 /* ursqrte v0.2s, v1.2s */, ANY, {0x9, 0x400000003fffffff}, ANY, {0x0, 0xff800000ffffffff}, false},
        {0x0f080420 /* sshr v0.8b, v1.8b, #8 */, ANY, {0x9, 0x807f}, ANY, {0x0, 0xff00}, false},
        {0x7f400420 /* ushr d0, d1, #64 */, ANY, {0x9, 0xffffffffffffffff}, ANY, {0x0, 0x0}, false},
        {0x0f082420 /* srshr v0.8b, v1.8b, #8 */, ANY, {0x9, 0x807f}, ANY, {0x0, 0x0}, false},
        {0x7f402420 /* urshr d0, d1, #64 */, ANY, {0x9, 0x8000000000000000}, ANY, {0x0, 0x1}, false},
        {0x5f411420 /* ssra d0, d1, #63 */, {0x9, 0x5}, {0x9, 0x8000000000000000}, ANY, {0x0, 0x4}, false},
        {0x2f0f3420 /* ursra v0.8b, v1.8b, #1 */, {0x9, 0xff}, {0x9, 0x3}, ANY, {0x0, 0x1}, false},
        {0x7f404420 /* sri d0, d1, #64 */, {0x9, 0x123}, {0x9, 0xffffffffffffffff}, ANY, {0x0, 0x123}, false},
        {0x2f0c4420 /* sri v0.8b, v1.8b, #4 */, {0x9, 0xffff}, {0x9, 0x1234}, ANY, {0x0, 0xf1f3}, false},
        {0x2f0c5420 /* sli v0.8b, v1.8b, #4 */, {0x9, 0xffff}, {0x9, 0x1234}, ANY, {0x0, 0x2f4f}, false},
        {0x2f096420 /* sqshlu v0.8b, v1.8b, #1 */, ANY, {0x9, 0xff7f40}, ANY, {0x0, 0xfe80}, true},
        {0x5f0f7420 /* sqshl b0, b1, #7 */, ANY, {0x9, 0x1}, ANY, {0x0, 0x7f}, true},
        {0x2f0f7420 /* uqshl v0.8b, v1.8b, #7 */, ANY, {0x9, 0x102}, ANY, {0x0, 0x80ff}, true},
        {0x4f0fa420 /* sshll2 v0.8h, v1.16b, #7 */, ANY, {0xff, 0x0}, ANY, {0x0, 0xff80}, false},
        {0x4f088420 /* shrn2 v0.16b, v1.8h, #8 */, {0x9, 0x8}, {0x0, 0x1234}, ANY, {0x12, 0x8}, false},
        {0x0f088c20 /* rshrn v0.8b, v1.8h, #8 */, {0x9, 0x9}, {0x0, 0xff80127f}, ANY, {0x0, 0x12}, false},
        {0x5f0f9420 /* sqshrn b0, h1, #1 */, {0x9, 0x9}, {0x9, 0x8000}, ANY, {0x0, 0x80}, true},
        {0x2f0f8c20 /* sqrshrun v0.8b, v1.8h, #1 */, {0x9, 0x9}, {0x0, 0x1fe01ffffff7fff}, ANY, {0x0, 0xffff00ff}, true},
        {0x7f209c20 /* uqrshrn s0, d1, #32 */, {0x9, 0x9}, {0x9, 0xffffffff80000000}, ANY, {0x0, 0xffffffff}, true},
        {0x0f05d560 /* movi v0.2s, #0xab, msl #16 */, ANY, ANY, ANY, {0x0, 0xabffff00abffff}, false},
        {0x2f05e4a0 /* movi d0, #0xff00ff0000ff00ff */, ANY, ANY, ANY, {0x0, 0xff00ff0000ff00ff}, false},
        {0x6f00a640 /* mvni v0.8h, #0x12, lsl #8 */, ANY, ANY, ANY, {0xedffedffedffedff, 0xedffedffedffedff}, false},
        {0x0f07b600 /* orr v0.4h, #0xf0, lsl #8 */, {0x9, 0x1}, ANY, ANY, {0x0, 0xf000f000f000f001}, false},
        {0x6f001420 /* bic v0.4s, #1 */, {0xffffffffffffffff, 0xffffffffffffffff}, ANY, ANY, {0xfffffffefffffffe, 0xfffffffefffffffe}, false},
        {0x0f07f700 /* fmov v0.2s, #-1.5 */, ANY, ANY, ANY, {0x0, 0xbfc00000bfc00000}, false},
        {0x6f02f400 /* fmov v0.2d, #0.125 */, ANY, ANY, ANY, {0x3fc0000000000000, 0x3fc0000000000000}, false},
        {0x2e621c20 /* bsl v0.8b, v1.8b, v2.8b */, {0x9, 0xff00f00f}, {0x9, 0x12345678}, {0x9, 0xabcdef01}, {0x0, 0x12cd5f08}, false},
        {0x2ee21c20 /* bif v0.8b, v1.8b, v2.8b */, {0x9, 0x12345678}, {0x9, 0xabcdef01}, {0x9, 0xff00f00f}, {0x0, 0x12cd5f08}, false},
        {0x6e027820 /* ext v0.16b, v1.16b, v2.16b, #15 */, ANY, {0xff00000000000000, 0x0}, {0x1122334455667788, 0x99aabbccddeeff00}, {0x2233445566778899, 0xaabbccddeeff00ff}, false},
        {0x2e020820 /* ext v0.8b, v1.8b, v2.8b, #1 */, ANY, {0x9, 0x807060504030201}, {0x9, 0x11}, {0x0, 0x1108070605040302}, false},
        {0x0e020020 /* tbl v0.8b, {v1.16b}, v2.8b */, ANY, {0x1f1e1d1c1b1a1918, 0x1716151413121110}, {0x9, 0xff100f0e01000810}, {0x0, 0x1f1e11101800}, false},
        {0x0e021020 /* tbx v0.8b, {v1.16b}, v2.8b */, {0x9, 0xaaaaaaaaaaaaaaaa}, {0x1f1e1d1c1b1a1918, 0x1716151413121110}, {0x9, 0xff100f0e01000810}, {0x0, 0xaaaa1f1e111018aa}, false},
        {0x0e023820 /* zip1 v0.8b, v1.8b, v2.8b */, ANY, {0x9, 0x807060504030201}, {0x9, 0x1817161514131211}, {0x0, 0x1404130312021101}, false},
        {0x4ec27820 /* zip2 v0.2d, v1.2d, v2.2d */, ANY, {0x1, 0x2}, {0x3, 0x4}, {0x3, 0x1}, false},
        {0x0e421820 /* uzp1 v0.4h, v1.4h, v2.4h */, ANY, {0x9, 0x4000300020001}, {0x9, 0x14001300120011}, {0x0, 0x13001100030001}, false},
        {0x0e425820 /* uzp2 v0.4h, v1.4h, v2.4h */, ANY, {0x9, 0x4000300020001}, {0x9, 0x14001300120011}, {0x0, 0x14001200040002}, false},
        {0x0e422820 /* trn1 v0.4h, v1.4h, v2.4h */, ANY, {0x9, 0x4000300020001}, {0x9, 0x14001300120011}, {0x0, 0x13000300110001}, false},
        {0x0e426820 /* trn2 v0.4h, v1.4h, v2.4h */, ANY, {0x9, 0x4000300020001}, {0x9, 0x14001300120011}, {0x0, 0x14000400120002}, false},
        {0x0e1e0420 /* dup v0.4h, v1.h[7] */, ANY, {0xabcd000000000000, 0x0}, ANY, {0x0, 0xabcdabcdabcdabcd}, false},
        {0x5e1f0420 /* mov b0, v1.b[15] */, ANY, {0xab00000000000000, 0x0}, ANY, {0x0, 0xab}, false},
        {0x6e1f0c20 /* mov v0.b[15], v1.b[1] */, {0x1, 0x2}, {0x9, 0xcd00}, ANY, {0xcd00000000000001, 0x2}, false},
        {0xce020c20 /* eor3 v0.16b, v1.16b, v2.16b, v3.16b */, ANY, {0x1, 0x2}, {0x4, 0x8}, {0x105, 0x20a}, false},
        {0xce821020 /* xar v0.2d, v1.2d, v2.2d, #4 */, ANY, {0x1, 0x10}, {0x2, 0x20}, {0x3000000000000000, 0x3}, false},
        {0xce628c20 /* rax1 v0.2d, v1.2d, v2.2d */, ANY, {0x1, 0x0}, {0x8000000000000000, 0x4000000000000000}, {0x0, 0x8000000000000000}, false},
    /* clang-format on */
};

static void set(unsigned reg, struct v128 v)
{
    c->st.v[reg] = (union vreg){{v.lo, v.hi}};
}

static void known_answers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
        const struct known *k = &known[i];
        for (unsigned qc = 0; qc < 2; qc++) { /* it is cumulative */
            set(0, k->d);
            set(1, k->n);
            set(2, k->m);
            set(3, (struct v128){0x100, 0x200});
            c->st.fpsr = qc ? FPSR_QC : FPSR_IXC;
            run(k->word);
            const union vreg r = c->st.v[0];
            if (r.d[0] != k->want.lo || r.d[1] != k->want.hi)
                fail_msg("%08x: %016llx_%016llx, not %016llx_%016llx", k->word,
                         (unsigned long long)r.d[1], (unsigned long long)r.d[0],
                         (unsigned long long)k->want.hi, (unsigned long long)k->want.lo);
            const uint32_t want = qc ? FPSR_QC : (k->qc ? FPSR_QC | FPSR_IXC : FPSR_IXC);
            if (c->st.fpsr != want)
                fail_msg("%08x: FPSR %08x, not %08x", k->word, c->st.fpsr, want);
        }
    }
}

/* --- Cryptography: the instructions as its programs put them together ------------------------------------------------ */

enum {
    AESE = 0x4e284820, /* V0 is d, V1 n, V2 m, V3 a */
    AESD = 0x4e285820,
    AESMC = 0x4e286820,
    AESIMC = 0x4e287820,
    SHA1C = 0x5e020020,
    SHA1P = 0x5e021020,
    SHA1M = 0x5e022020,
    SHA1H = 0x5e280820,
    SHA1SU0 = 0x5e023020,
    SHA1SU1 = 0x5e281820,
    SHA256H = 0x5e024020,
    SHA256H2 = 0x5e025020,
    SHA256SU0 = 0x5e282820,
    SHA256SU1 = 0x5e026020,
    SHA512H = 0xce628020,
    SHA512H2 = 0xce628420,
    SHA512SU0 = 0xcec08020,
    SHA512SU1 = 0xce628820,
    SM3PARTW1 = 0xce62c020,
    SM3PARTW2 = 0xce62c420,
    SM3SS1 = 0xce420c20,
    SM3TT1A = 0xce428020,
    SM3TT1B = 0xce428420,
    SM3TT2A = 0xce428820,
    SM3TT2B = 0xce428c20,
    SM4E = 0xcec08420,
    SM4EKEY = 0xce62c820,
};

static union vreg op(uint32_t word, union vreg d, union vreg n, union vreg m)
{
    c->st.v[0] = d;
    c->st.v[1] = n;
    c->st.v[2] = m;
    run(word);
    return c->st.v[0];
}

static union vreg words(uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3)
{
    return (union vreg){.s = {w0, w1, w2, w3}};
}

static union vreg add_words(union vreg x, union vreg y)
{
    for (unsigned i = 0; i < 4; i++)
        x.s[i] += y.s[i];
    return x;
}

static union vreg add_doublewords(union vreg x, union vreg y)
{
    return (union vreg){{x.d[0] + y.d[0], x.d[1] + y.d[1]}};
}

static union vreg eor(union vreg x, union vreg y)
{
    return (union vreg){{x.d[0] ^ y.d[0], x.d[1] ^ y.d[1]}};
}

/* EXT x, y, #8 */
static union vreg middle(union vreg x, union vreg y)
{
    return (union vreg){{x.d[1], y.d[0]}};
}

static void expect_words(const char *what, union vreg v, uint32_t w0, uint32_t w1, uint32_t w2,
                         uint32_t w3)
{
    if (v.s[0] != w0 || v.s[1] != w1 || v.s[2] != w2 || v.s[3] != w3)
        fail_msg("%s: %08x %08x %08x %08x", what, v.s[0], v.s[1], v.s[2], v.s[3]);
}

/* FIPS 197, appendix B. */
static void aes(void **state)
{
    /* clang-format off */
    static const union vreg key[11] = {
        {.b = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c}},
        {.b = {0xa0, 0xfa, 0xfe, 0x17, 0x88, 0x54, 0x2c, 0xb1, 0x23, 0xa3, 0x39, 0x39, 0x2a, 0x6c, 0x76, 0x05}},
        {.b = {0xf2, 0xc2, 0x95, 0xf2, 0x7a, 0x96, 0xb9, 0x43, 0x59, 0x35, 0x80, 0x7a, 0x73, 0x59, 0xf6, 0x7f}},
        {.b = {0x3d, 0x80, 0x47, 0x7d, 0x47, 0x16, 0xfe, 0x3e, 0x1e, 0x23, 0x7e, 0x44, 0x6d, 0x7a, 0x88, 0x3b}},
        {.b = {0xef, 0x44, 0xa5, 0x41, 0xa8, 0x52, 0x5b, 0x7f, 0xb6, 0x71, 0x25, 0x3b, 0xdb, 0x0b, 0xad, 0x00}},
        {.b = {0xd4, 0xd1, 0xc6, 0xf8, 0x7c, 0x83, 0x9d, 0x87, 0xca, 0xf2, 0xb8, 0xbc, 0x11, 0xf9, 0x15, 0xbc}},
        {.b = {0x6d, 0x88, 0xa3, 0x7a, 0x11, 0x0b, 0x3e, 0xfd, 0xdb, 0xf9, 0x86, 0x41, 0xca, 0x00, 0x93, 0xfd}},
        {.b = {0x4e, 0x54, 0xf7, 0x0e, 0x5f, 0x5f, 0xc9, 0xf3, 0x84, 0xa6, 0x4f, 0xb2, 0x4e, 0xa6, 0xdc, 0x4f}},
        {.b = {0xea, 0xd2, 0x73, 0x21, 0xb5, 0x8d, 0xba, 0xd2, 0x31, 0x2b, 0xf5, 0x60, 0x7f, 0x8d, 0x29, 0x2f}},
        {.b = {0xac, 0x77, 0x66, 0xf3, 0x19, 0xfa, 0xdc, 0x21, 0x28, 0xd1, 0x29, 0x41, 0x57, 0x5c, 0x00, 0x6e}},
        {.b = {0xd0, 0x14, 0xf9, 0xa8, 0xc9, 0xee, 0x25, 0x89, 0xe1, 0x3f, 0x0c, 0xc8, 0xb6, 0x63, 0x0c, 0xa6}},
    };
    /* clang-format on */
    static const union vreg plain = {.b = {0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d, 0x31,
                                           0x31, 0x98, 0xa2, 0xe0, 0x37, 0x07, 0x34}};
    union vreg v = plain;

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        v = op(AESE, v, key[i], v);
        v = op(AESMC, v, v, v);
    }
    v = eor(op(AESE, v, key[9], v), key[10]);
    expect_words("AES", v, 0x1d842539, 0xfb09dc02, 0x978511dc, 0x320b6a19);
    v = op(AESD, v, key[10], v);
    for (unsigned i = 9; i; i--) {
        v = op(AESIMC, v, v, v);
        v = op(AESD, v, op(AESIMC, v, key[i], v), v);
    }
    v = eor(v, key[0]);
    assert_memory_equal(&v, &plain, 16);
}

/* FIPS 180-4 of "abc", of which this is the only block. */
static void sha1(void **state)
{
    static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    static const uint32_t round_op[4] = {SHA1C, SHA1P, SHA1M, SHA1P};
    const union vreg start = words(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
    union vreg w[4] = {words(0x61626380, 0, 0, 0), {{0, 0}}, {{0, 0}}, words(0, 0, 0, 24)};
    union vreg abcd = start, e = words(0xc3d2e1f0, 9, 9, 9);

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        const uint32_t ki = k[i / 5];
        const union vreg next_e = op(SHA1H, e, abcd, e);
        abcd = op(round_op[i / 5], abcd, e, add_words(w[0], words(ki, ki, ki, ki)));
        e = next_e;
        const union vreg next = op(SHA1SU1, op(SHA1SU0, w[0], w[1], w[2]), w[3], w[3]);
        w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
    }
    expect_words("SHA1", add_words(abcd, start), 0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c);
    assert_int_equal(e.s[0] + 0xc3d2e1f0, 0x9cd0d89d);
}

static const uint64_t sha512_k[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

/* Its constants are the upper halves of SHA512's. */
static void sha256(void **state)
{
    const union vreg start0 = words(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a),
                     start1 = words(0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);
    union vreg w[4] = {words(0x61626380, 0, 0, 0), {{0, 0}}, {{0, 0}}, words(0, 0, 0, 24)};
    union vreg abcd = start0, efgh = start1;

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        union vreg wk = w[0];
        for (unsigned n = 0; n < 4; n++)
            wk.s[n] += (uint32_t)(sha512_k[4 * i + n] >> 32);
        const union vreg before = abcd;
        abcd = op(SHA256H, abcd, efgh, wk);
        efgh = op(SHA256H2, efgh, before, wk);
        const union vreg next = op(SHA256SU1, op(SHA256SU0, w[0], w[1], w[1]), w[2], w[3]);
        w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
    }
    expect_words("SHA256", add_words(abcd, start0), 0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223);
    expect_words("SHA256", add_words(efgh, start1), 0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad);
}

static void sha512(void **state)
{
    static const union vreg start[4] = {{{0x6a09e667f3bcc908, 0xbb67ae8584caa73b}},
                                        {{0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1}},
                                        {{0x510e527fade682d1, 0x9b05688c2b3e6c1f}},
                                        {{0x1f83d9abfb41bd6b, 0x5be0cd19137e2179}}};
    static const union vreg digest[4] = {{{0xddaf35a193617aba, 0xcc417349ae204131}},
                                         {{0x12e6fa4e89a97ea2, 0x0a9eeee64b55d39a}},
                                         {{0x2192992a274fc1a8, 0x36ba3c23a3feebbd}},
                                         {{0x454d4423643ce80e, 0x2a9ac94fa54ca49f}}};
    union vreg w[8] = {{{0x6162638000000000, 0}}, [7] = {{0, 24}}};
    union vreg ab = start[0], cd = start[1], ef = start[2], gh = start[3];

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        const union vreg wk =
            add_doublewords(w[0], (union vreg){{sha512_k[2 * i], sha512_k[2 * i + 1]}});
        const union vreg t =
            op(SHA512H, add_doublewords(gh, middle(wk, wk)), middle(ef, gh), middle(cd, ef));
        const union vreg new_ef = add_doublewords(cd, t), new_ab = op(SHA512H2, t, cd, ab);
        gh = ef, ef = new_ef, cd = ab, ab = new_ab;
        const union vreg next =
            op(SHA512SU1, op(SHA512SU0, w[0], w[1], w[1]), w[7], middle(w[4], w[5]));
        memmove(&w[0], &w[1], 7 * sizeof(w[0]));
        w[7] = next;
    }
    const union vreg end[4] = {add_doublewords(ab, start[0]), add_doublewords(cd, start[1]),
                               add_doublewords(ef, start[2]), add_doublewords(gh, start[3])};
    assert_memory_equal(end, digest, sizeof(end));
}

/* GB/T 32905-2016, example 1: "abc". The lanes run the other way: A and E are lane 3. */
static void sm3(void **state)
{
    const union vreg start0 = words(0xda8a0600, 0x172442d7, 0x4914b2b9, 0x7380166f),
                     start1 = words(0xb0fb0e4e, 0xe38dee4d, 0x163138aa, 0xa96f30bc);
    union vreg abcd = start0, efgh = start1;
    uint32_t w[68] = {0x61626380, [15] = 24};

    (void)state;
    for (unsigned j = 16; j < 68; j += 4) {
        const union vreg part = op(SM3PARTW1, words(w[j - 16], w[j - 15], w[j - 14], w[j - 13]),
                                   words(w[j - 9], w[j - 8], w[j - 7], w[j - 6]),
                                   words(w[j - 4], w[j - 3], w[j - 2], w[j - 1]));
        const union vreg next = op(SM3PARTW2, part, words(w[j - 6], w[j - 5], w[j - 4], w[j - 3]),
                                   words(w[j - 13], w[j - 12], w[j - 11], w[j - 10]));
        memcpy(&w[j], &next, sizeof(next));
    }
    for (unsigned j = 0; j < 64; j++) {
        const bool late = j >= 16;
        const unsigned lane = j % 4;
        union vreg wj = {{0, 0}}, wj2 = {{0, 0}};
        wj.s[lane] = w[j];
        wj2.s[lane] = w[j] ^ w[j + 4];
        c->st.v[3] = words(9, 9, 9, ror32(late ? 0x7a879d8a : 0x79cc4519, (32 - j % 32) % 32));
        const union vreg ss1 = op(SM3SS1, abcd, abcd, efgh);
        abcd = op((late ? SM3TT1B : SM3TT1A) | lane << 12, abcd, ss1, wj2);
        efgh = op((late ? SM3TT2B : SM3TT2A) | lane << 12, efgh, ss1, wj);
    }
    expect_words("SM3", eor(abcd, start0), 0xdc10e4e2, 0xd1f2d46b, 0x62eeedd9, 0x66c7f0f4);
    expect_words("SM3", eor(efgh, start1), 0x8f4ba8e0, 0x297da02b, 0x5cf2f7a2, 0x4167c487);
}

/* GB/T 32907-2016, example 1: key and text are the same. */
static void sm4(void **state)
{
    const union vreg text = words(0x01234567, 0x89abcdef, 0xfedcba98, 0x76543210);
    union vreg key = eor(text, words(0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc));
    union vreg round_key[8], v = text;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        union vreg ck;
        for (unsigned n = 0; n < 16; n++) /* big-endian words of multiples of 7 */
            ck.b[n ^ 3] = (uint8_t)(7 * (16 * i + n));
        round_key[i] = key = op(SM4EKEY, key, key, ck);
    }
    for (unsigned i = 0; i < 8; i++)
        v = op(SM4E, v, round_key[i], v);
    expect_words("SM4", v, 0x536e4246, 0x86b3e94f, 0xd206965e, 0x681edf34);
    for (unsigned i = 0; i < 8; i++) {
        const union vreg k = round_key[7 - i];
        if (i == 0)
            v = words(v.s[3], v.s[2], v.s[1], v.s[0]);
        v = op(SM4E, v, words(k.s[3], k.s[2], k.s[1], k.s[0]), v);
    }
    expect_words("SM4, back", v, text.s[3], text.s[2], text.s[1], text.s[0]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_answers, setup_simd, teardown),
        cmocka_unit_test_setup_teardown(aes, setup_simd, teardown),
        cmocka_unit_test_setup_teardown(sha1, setup_simd, teardown),
        cmocka_unit_test_setup_teardown(sha256, setup_simd, teardown),
        cmocka_unit_test_setup_teardown(sha512, setup_simd, teardown),
        cmocka_unit_test_setup_teardown(sm3, setup_simd, teardown),
        cmocka_unit_test_setup_teardown(sm4, setup_simd, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
