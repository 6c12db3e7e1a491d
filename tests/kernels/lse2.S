// FEAT_LSE2: exclusives, atomics, acquire and release need not be aligned within 16 aligned bytes, with SCTLR_EL1.nAA the latter not at all;
// what lies within 16 bytes of Normal memory is one access, LDP and STP included: another CPU never sees half of it.

    .include "lib/kernel.S"
    kernel  "lse2"
    .include "lib/mmu48.S"
    .arch_extension lse
    .arch_extension rcpc

    .equ    DATA,       FREE
    .equ    DEVICE,     0x8000600000    // the block behind DATA's, mapped as Device
    .equ    BLOCK,      FREE+0x400000
    .equ    SCTLR_ON,   SCTLR_OFF|SCTLR_M|SCTLR_C|SCTLR_I
    .equ    NAA,        0x40
    .equ    ROUND,      SHARED          // u64: what the other CPU is to write, 0 nothing; what it does write
    .equ    ROUNDS,     100000

    .macro sctlr value
    mov64   x14, (\value)
    msr     SCTLR_EL1, x14
    isb
    .endm

    .macro unaligned iss, what:req, insn:vararg
    must_trap EC_DABT_SAME, (\iss|FSC_ALIGNMENT), "\what", \insn
    check_far x20, "\what"
    .endm

    // Memory at x19 starts over: bytes 0x10 to 0x2f.
    .macro start_over
    mov64   x14, 0x1716151413121110
    mov64   x15, 0x1f1e1d1c1b1a1918
    stp     x14, x15, [x19]
    mov64   x14, 0x2726252423222120
    mov64   x15, 0x2f2e2d2c2b2a2928
    stp     x14, x15, [x19, #16]
    .endm

    id_field x0, ID_AA64MMFR2_EL1, 32
    cbnz    x0, Lhave
    skip    "ID_AA64MMFR2_EL1.AT is 0"
    pass
Lhave:
    bl      Lmmu_on
    ram     x19, DATA

    // ---- Within 16 bytes: they do what they do, and leave the neighbours alone.
    .macro try offset, old, after_low, after_high, what:req, insn:vararg
    start_over
    add     x20, x19, #\offset
    mov64   x1, 0x8899aabbccddeeff
    mov     x2, #-1
    \insn
    mov64   x3, \old
    check_reg x2, x3, "\what: what was there"
    ldp     x4, x5, [x19]
    mov64   x3, \after_low
    check_reg x4, x3, "\what: the low half afterwards"
    mov64   x3, \after_high
    check_reg x5, x3, "\what: the high half afterwards"
    .endm
    try     3, 0x1a19181716151413, 0x1716151413121110, 0x1f1e1d1c1b1a1918, "LDAR", ldar x2, [x20]
    try     7, 0x1817, 0x1716151413121110, 0x1f1e1d1c1b1a1918, "LDARH", ldarh w2, [x20]
    try     5, 0x18171615, 0x1716151413121110, 0x1f1e1d1c1b1a1918, "LDAPR", ldapr w2, [x20]
    try     7, 0xffffffffffffffff, 0xff16151413121110, 0x1f8899aabbccddee, "STLR", stlr x1, [x20]
    try     7, 0xffffffffffffffff, 0xff16151413121110, 0x1f1e1d1c1bccddee, "STLR W", stlr w1, [x20]
    try     7, 0xffffffffffffffff, 0xff16151413121110, 0x1f1e1d1c1b1a19ee, "STLRH", stlrh w1, [x20]
    try     4, 0x1b1a191817161514, 0xe3f4041313121110, 0x1f1e1d1ca3b3c3d3, "LDADD", ldadd x1, x2, [x20]
    try     5, 0x18171615, 0xddeeff1413121110, 0x1f1e1d1c1b1a19cc, "SWPAL W", swpal w1, w2, [x20]
    try     7, 0x1817, 0xff16151413121110, 0x1f1e1d1c1b1a19fe, "LDSETH", ldseth w1, w2, [x20]
    try     1, 0x1817161514131211, 0x1716151413121110, 0x1f1e1d1c1b1a1918, "LDSMAX", ldsmax x1, x2, [x20]
    try     1, 0x1817161514131211, 0x99aabbccddeeff10, 0x1f1e1d1c1b1a1988, "LDSMIN", ldsmin x1, x2, [x20]

    start_over
    add     x20, x19, #2
    mov64   x2, 0x1918171615141312
    mov64   x1, 0x0102030405060708
    cas     x2, x1, [x20]
    ldr     x0, [x20]
    check_reg x0, x1, "CAS that matches"
    mov     x2, #5
    cas     x2, xzr, [x20]
    check_reg x2, x1, "CAS that does not match: what was there"
    ldr     x0, [x20]
    check_reg x0, x1, "CAS that does not match"
    start_over
    add     x20, x19, #4
    mov64   x4, 0x17161514
    mov64   x5, 0x1b1a1918
    mov     w6, #6
    mov     w7, #7
    casp    w4, w5, w6, w7, [x20]
    ldp     w0, w1, [x20]
    check   x0, 6, "CASP of words: first"
    check   x1, 7, "CASP of words: second"
    // Exclusives, and the monitor between them.
    start_over
    add     x20, x19, #5
    ldaxr   x2, [x20]
    mov64   x3, 0x1c1b1a1918171615
    check_reg x2, x3, "LDAXR"
    mov64   x1, 0x8899aabbccddeeff
    stlxr   w2, x1, [x20]
    check   x2, 0, "STLXR"
    ldr     x0, [x20]
    check_reg x0, x1, "STLXR: memory"
    ldxrh   w0, [x20]
    add     x3, x20, #1
    stxrh   w2, w1, [x3]
    check   x2, 1, "STXRH elsewhere"
    ldxr    w0, [x20]
    str     wzr, [x20]
    stxr    w2, w1, [x20]
    check   x2, 1, "STXR after a store"
    ldxp    w2, w3, [x20]
    check   x2, 0, "LDXP of words: first"
    mov     w3, #3
    mov     w4, #4
    stxp    w2, w3, w4, [x20]
    check   x2, 0, "STXP of words"
    ldr     x0, [x20]
    check   x0, 0x400000003, "STXP of words: memory"

    // ---- Over 16 bytes. nAA lets the ordered ones, not the exclusives and atomics.
    add     x20, x19, #15
    .macro always_checked
    unaligned 0, "LDXR over 16 bytes", ldxr x0, [x20]
    unaligned 0, "LDAXRH over 16 bytes", ldaxrh w0, [x20]
    unaligned WNR, "STXR over 16 bytes", stxr w0, x1, [x20]
    unaligned 0, "LDXP of words over 16 bytes", ldxp w0, w1, [x20]
    unaligned 0, "LDADD over 16 bytes", ldadd x1, x2, [x20]
    unaligned 0, "CAS over 16 bytes", cas w2, w1, [x20]
    .endm
    .macro ordered_checked
    unaligned 0, "LDAR over 16 bytes", ldar x0, [x20]
    unaligned 0, "LDAPR over 16 bytes", ldapr w0, [x20]
    unaligned WNR, "STLRH over 16 bytes", stlrh w0, [x20]
    .endm
    always_checked
    ordered_checked
    sctlr   SCTLR_ON|NAA
    always_checked
    start_over
    ldar    x0, [x20]
    mov64   x1, 0x262524232221201f
    check_reg x0, x1, "LDAR over 16 bytes with nAA"
    ldapr   w0, [x20]
    check   x0, 0x2221201f, "LDAPR over 16 bytes with nAA"
    mov64   x1, 0x5566
    stlrh   w1, [x20]
    ldrh    w0, [x20]
    check   x0, 0x5566, "STLRH over 16 bytes with nAA"
    // A pair of doublewords is as long as what it must lie in.
    add     x20, x19, #8
    unaligned 0, "LDXP", ldxp x0, x1, [x20]
    unaligned 0, "CASP", casp x4, x5, x6, x7, [x20]
    // SCTLR_EL1.A: nothing may, anywhere.
    sctlr   SCTLR_ON|NAA|SCTLR_A
    add     x20, x19, #5
    always_checked
    ordered_checked
    // Device memory: nothing may.
    sctlr   SCTLR_ON|NAA
    put_entry MMU_L0, 1, FREE+0x1000, PTE_TABLE
    put_entry FREE+0x1000, 0, FREE+0x2000, PTE_TABLE
    put_entry FREE+0x2000, 3, BLOCK, PTE_BLOCK|PTE_DEVICE|PTE_AF|PTE_UXN|PTE_PXN
    flush_tlb
    mov64   x20, DEVICE+5
    always_checked
    ordered_checked
    sctlr   SCTLR_ON

    // ---- Atomicity. Another CPU writes the same byte all over, one after another; what is read here is of one write.
    mov     x1, #1
    adr     x2, Lsecondary
    mov     x3, #0
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON"
    mov64   x27, 0x0101010101010101
    add     x25, x19, #3

    // \loads: instructions that load to x2, and x3 for a pair, which must be x2 again. STYLE is what the other one does.
    .macro whole style, length, what:req, loads:vararg
    ram     x0, ROUND
    stlr    xzr, [x0]
    add     x1, x0, #8
Lwhole_idle\@:
    ldar    x2, [x1]
    cbnz    x2, Lwhole_idle\@
    stp     xzr, xzr, [x19]
    mov     x1, #\style
    stlr    x1, [x0]
    mov64   x21, ROUNDS
    mov     x22, #0
Lwhole_next\@:
    mov     x3, #0
    \loads
    .if \length==16
    check_pair x2, x3, "\what: torn"
    .endif
    .if \length==8
    orr     x2, x2, x3, lsl #32         // the second of a pair of words, else 0
    .endif
    and     x0, x2, #0xff
    mul     x0, x0, x27
    .if \length==4
    mov     w0, w0
    .endif
    .if \length==2
    and     x0, x0, #0xffff
    .endif
    check_pair x2, x0, "\what: torn"
    cmp     x2, x23
    cinc    x22, x22, ne
    mov     x23, x2
    subs    x21, x21, #1
    b.hi    Lwhole_next\@
    mov     x21, #1
    cmp     x22, #20                    // until it has been seen to change that often
    b.lo    Lwhole_next\@
    .endm
    // As check_reg, quicker.
    .macro check_pair got, want, what:req
    cmp     \got, \want
    b.eq    Lwhole\@
    check_reg \got, \want, "\what"
Lwhole\@:
    .endm
    whole   1, 16, "STP and LDP", ldp x2, x3, [x19]
    whole   2, 8, "STP and LDP of words", ldp w2, w3, [x19, #4]
    whole   3, 8, "STUR and LDUR", ldur x2, [x19, #3]
    whole   4, 4, "STUR and LDUR of a word", ldur w2, [x19, #7]
    whole   5, 2, "STURH and LDURH", ldurh w2, [x19, #7]
    whole   6, 8, "STLR and LDAR", ldar x2, [x25]
    whole   7, 8, "SWP and LDXR", ldxr x2, [x25]
    whole   1, 16, "STP and LDNP", ldnp x2, x3, [x19]
    pass

// Writes in the style of ROUND, for ever.
Lsecondary:
    adr     x28, Lstart
    sub     x28, x28, #IMAGE
    bl      Lmmu_enable
    ram     x19, DATA
    add     x25, x19, #3
    ram     x20, ROUND
    mov64   x27, 0x0101010101010101
    mov     x2, #0
Lwrite:
    add     x2, x2, x27
    tst     x2, #0x7f
    csel    x2, x2, xzr, ne             // no carry from byte to byte
    ldar    x0, [x20]
    add     x1, x20, #8
    stlr    x0, [x1]
    sub     x0, x0, #1
    cmp     x0, #6
    b.hi    Lwrite
    adr     x1, Lstyles
    add     x1, x1, x0, lsl #3
    br      x1
Lstyles:
    stp     x2, x2, [x19]
    b       Lwrite
    stp     w2, w2, [x19, #4]
    b       Lwrite
    stur    x2, [x19, #3]
    b       Lwrite
    stur    w2, [x19, #7]
    b       Lwrite
    sturh   w2, [x19, #7]
    b       Lwrite
    stlr    x2, [x25]
    b       Lwrite
    swp     x2, x3, [x25]
    b       Lwrite
