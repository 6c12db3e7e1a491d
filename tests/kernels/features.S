// The identification registers tell the truth: for each feature, one of its instructions or registers works if and only if the field has at
// least the value that stands for it. (What changes no encoding is not here: LSE2, PAN3, BTI ... have kernels of their own.)

    .include "lib/kernel.S"
    kernel  "features"

    // SHIFT of the field, and the least value; INSN may use x0 to x7, v0 to v7; x20 is an address of 16 aligned bytes in Normal memory.
    .macro feature what:req, register, shift, least, insn:vararg
    id_field x19, \register, \shift
    cmp     x19, #\least
    cset    x19, hs
    bl      Lprepare
    resume_at Lundefined\@
Ltry\@:
    \insn
    mov     x22, #1
Lundefined\@:
    bl      Ltried
    adr     x17, Ltry\@
    bl      Lwhere
    check_reg x22, x19, "\what: works, and is said to"
    .endm
    // A signed field: 0xf is none.
    .macro feature_signed what:req, register, shift, least, insn:vararg
    id_field x19, \register, \shift
    add     x19, x19, #1
    and     x19, x19, #15
    cmp     x19, #\least
    cset    x19, hi
    bl      Lprepare
    resume_at Lundefined\@
Ltry\@:
    \insn
    mov     x22, #1
Lundefined\@:
    bl      Ltried
    adr     x17, Ltry\@
    bl      Lwhere
    check_reg x22, x19, "\what: works, and is said to"
    .endm
    // Either of two fields.
    .macro feature_of_two what:req, register, shift, shift2, insn:vararg
    mrs     x19, \register
    ubfx    x0, x19, #\shift, #4
    ubfx    x19, x19, #\shift2, #4
    orr     x19, x19, x0
    cmp     x19, #0
    cset    x19, ne
    bl      Lprepare
    resume_at Lundefined\@
Ltry\@:
    \insn
    mov     x22, #1
Lundefined\@:
    bl      Ltried
    adr     x17, Ltry\@
    bl      Lwhere
    check_reg x22, x19, "\what: works, and is said to"
    .endm

    bl      Lmmu_on
    mov64   x0, 0x330000                // CPACR_EL1: FPEN, and ZEN where there is SVE
    msr     CPACR_EL1, x0
    isb

    // ---- ID_AA64ISAR0_EL1
    feature "AES", ID_AA64ISAR0_EL1, 4, 1, .inst 0x4e284820                 // aese v0.16b, v1.16b
    feature "PMULL", ID_AA64ISAR0_EL1, 4, 2, .inst 0x0ee2e020               // pmull v0.1q, v1.1d, v2.1d
    feature "SHA1", ID_AA64ISAR0_EL1, 8, 1, .inst 0x5e280820                // sha1h s0, s1
    feature "SHA256", ID_AA64ISAR0_EL1, 12, 1, .inst 0x5e282820             // sha256su0 v0.4s, v1.4s
    feature "SHA512", ID_AA64ISAR0_EL1, 12, 2, .inst 0xcec08020             // sha512su0 v0.2d, v1.2d
    feature "CRC32", ID_AA64ISAR0_EL1, 16, 1, .inst 0x1ac24020              // crc32b w0, w1, w2
    feature "LSE", ID_AA64ISAR0_EL1, 20, 2, .inst 0xf8210280                // ldadd x1, x0, [x20]
    feature "RDM", ID_AA64ISAR0_EL1, 28, 1, .inst 0x2e828420                // sqrdmlah v0.2s, v1.2s, v2.2s
    feature "SHA3", ID_AA64ISAR0_EL1, 32, 1, .inst 0xce020c20               // eor3 v0.16b, v1.16b, v2.16b, v3.16b
    feature "SM3", ID_AA64ISAR0_EL1, 36, 1, .inst 0xce62c020                // sm3partw1 v0.4s, v1.4s, v2.4s
    feature "SM4", ID_AA64ISAR0_EL1, 40, 1, .inst 0xcec08420                // sm4e v0.4s, v1.4s
    feature "dot product", ID_AA64ISAR0_EL1, 44, 1, .inst 0x0e829420        // sdot v0.2s, v1.8b, v2.8b
    feature "FHM", ID_AA64ISAR0_EL1, 48, 1, .inst 0x0e22ec20                // fmlal v0.2s, v1.2h, v2.2h
    feature "FlagM", ID_AA64ISAR0_EL1, 52, 1, .inst 0xd500401f              // cfinv
    feature "FlagM2", ID_AA64ISAR0_EL1, 52, 2, .inst 0xd500405f             // axflag
    feature "TLBIOS", ID_AA64ISAR0_EL1, 56, 1, .inst 0xd508811f             // tlbi vmalle1os
    feature "TLBIRANGE", ID_AA64ISAR0_EL1, 56, 2, .inst 0xd5088620          // tlbi rvae1, x0
    feature "RNDR", ID_AA64ISAR0_EL1, 60, 1, .inst 0xd53b2400               // mrs x0, RNDR
    // ---- ID_AA64ISAR1_EL1
    feature "DC CVAP", ID_AA64ISAR1_EL1, 0, 1, .inst 0xd50b7c34             // dc cvap, x20
    feature "DC CVADP", ID_AA64ISAR1_EL1, 0, 2, .inst 0xd50b7d34            // dc cvadp, x20
    feature_of_two "PAuth", ID_AA64ISAR1_EL1, 4, 8, .inst 0xdac10020        // pacia x0, x1
    feature_of_two "PAuth generic", ID_AA64ISAR1_EL1, 24, 28, .inst 0x9ac23020 // pacga x0, x1, x2
    feature "FJCVTZS", ID_AA64ISAR1_EL1, 12, 1, .inst 0x1e7e0020            // fjcvtzs w0, d1
    feature "FCMA", ID_AA64ISAR1_EL1, 16, 1, .inst 0x2e82e420               // fcadd v0.2s, v1.2s, v2.2s, #90
    feature "LRCPC", ID_AA64ISAR1_EL1, 20, 1, .inst 0xf8bfc280              // ldapr x0, [x20]
    feature "LRCPC2", ID_AA64ISAR1_EL1, 20, 2, .inst 0xd9400280             // ldapur x0, [x20]
    feature "FRINTTS", ID_AA64ISAR1_EL1, 32, 1, .inst 0x1e684020            // frint32z d0, d1
    feature "SB", ID_AA64ISAR1_EL1, 36, 1, .inst 0xd50330ff                 // sb
    feature "SPECRES", ID_AA64ISAR1_EL1, 40, 1, .inst 0xd50b7380            // cfp rctx, x0
    feature "BF16", ID_AA64ISAR1_EL1, 44, 1, .inst 0x1e634020               // bfcvt h0, s1
    feature "I8MM", ID_AA64ISAR1_EL1, 52, 1, .inst 0x4e82a420               // smmla v0.4s, v1.16b, v2.16b
    // ---- ID_AA64PFR0_EL1, ID_AA64PFR1_EL1
    feature_signed "FP", ID_AA64PFR0_EL1, 16, 0, .inst 0x1e602820           // fadd d0, d1, d0
    feature_signed "FP16", ID_AA64PFR0_EL1, 16, 1, .inst 0x1ee02820         // fadd h0, h1, h0
    feature_signed "SIMD", ID_AA64PFR0_EL1, 20, 0, .inst 0x4e228420         // add v0.16b, v1.16b, v2.16b
    feature_signed "SIMD FP16", ID_AA64PFR0_EL1, 20, 1, .inst 0x4e421420    // fadd v0.8h, v1.8h, v2.8h
    feature "RAS", ID_AA64PFR0_EL1, 28, 1, .inst 0xd5385300                 // mrs x0, ERRIDR_EL1
    feature "SVE", ID_AA64PFR0_EL1, 32, 1, .inst 0x2518e3e0                 // ptrue p0.b
    feature "DIT", ID_AA64PFR0_EL1, 48, 1, .inst 0xd53b42a0                 // mrs x0, DIT
    feature "CSV2_2", ID_AA64PFR0_EL1, 56, 2, .inst 0xd538d0e0              // mrs x0, SCXTNUM_EL1
    feature "SSBS", ID_AA64PFR1_EL1, 4, 2, .inst 0xd53b42c0                 // mrs x0, SSBS
    feature "MTE", ID_AA64PFR1_EL1, 8, 1, .inst 0x9ac01020                  // irg x0, x1, x0
    // ---- ID_AA64MMFR1_EL1, ID_AA64MMFR2_EL1
    feature "LOR", ID_AA64MMFR1_EL1, 16, 1, .inst 0xc8df7e80                // ldlar x0, [x20]
    feature "LOR registers", ID_AA64MMFR1_EL1, 16, 1, .inst 0xd538a4e0      // mrs x0, LORID_EL1
    feature "PAN", ID_AA64MMFR1_EL1, 20, 1, .inst 0xd5384260                // mrs x0, PAN
    feature "PAN2", ID_AA64MMFR1_EL1, 20, 2, .inst 0xd5087914               // at s1e1rp, x20
    feature "UAO", ID_AA64MMFR2_EL1, 4, 1, .inst 0xd5384280                 // mrs x0, UAO
    // (QEMU 7.2 traps it with the syndrome of EL0's reads of that space.)
    unless_vibe Lno_ccidx
    feature "CCIDX", ID_AA64MMFR2_EL1, 20, 1, .inst 0xd5390040              // mrs x0, CCSIDR2_EL1
Lno_ccidx:
    // ---- ID_AA64DFR0_EL1: 0xf is a PMU of another kind
    feature_signed "PMU", ID_AA64DFR0_EL1, 8, 1, .inst 0xd53b9c00           // mrs x0, PMCR_EL0
    pass

// Registers that any of the instructions may have. x22 = 0: did not work. Changes x0-x7.
Lprepare:
    ram     x20, FREE
    mov     x0, #0
    mov     x1, #1
    mov     x2, #2
    mov     x22, #0
    mrs     x21, TPIDR_EL1
    ldr     x21, [x21, #CPU_SYNCS]
    ret

// No exception is expected any more. x21 = how many there were.
Ltried:
    mrs     x16, TPIDR_EL1
    str     xzr, [x16, #CPU_RESUME]
    ldr     x16, [x16, #CPU_SYNCS]
    sub     x21, x16, x21
    ret

// If there was one it was of the unknown kind, and by the instruction at x17.
Lwhere:
    cbz     x21, Lwhere_end
    mov     x23, x17
    check_exception EC_UNKNOWN, 0, "a feature that is not there"
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_ELR]
    check_reg x16, x23, "a feature that is not there: ELR"
Lwhere_end:
    ret

    .include "lib/mmu.S"
