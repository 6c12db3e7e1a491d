// LSE atomics: every operation, each size; CAS and CASP that match and that don't; SWP.

    .include "lib/kernel.S"
    kernel  "lse"
    .arch_extension lse

    id_field x0, ID_AA64ISAR0_EL1, 20
    cbnz    x0, Lhave
    skip    "ID_AA64ISAR0_EL1.Atomic is 0"
    pass
Lhave:
    ram     x19, SHARED

    // OP: memory starts as \start, the operand is \operand, memory becomes \after; the old value is returned.
    .macro try what:req, start, operand, after, insn:vararg
    mov64   x0, \start
    str     x0, [x19]
    mov64   x1, \operand
    mov     x2, #-1
    \insn
    mov64   x3, \after
    ldr     x4, [x19]
    check_reg x4, x3, "\what: memory"
    .endm

    try     "LDADD X",  0x1122334455667788, 0xffffffffffffffff, 0x1122334455667787, ldadd x1, x2, [x19]
    mov64   x0, 0x1122334455667788
    check_reg x2, x0, "LDADD X: old value"
    try     "LDADD W",  0x11223344ffffffff, 1, 0x1122334400000000, ldaddal w1, w2, [x19]
    check   x2, 0xffffffff, "LDADD W: old value"
    try     "LDADDH",   0x112233445566ffff, 2, 0x1122334455660001, ldaddh w1, w2, [x19]
    check   x2, 0xffff, "LDADDH: old value"
    try     "LDADDB",   0x11223344556677ff, 3, 0x1122334455667702, ldaddab w1, w2, [x19]
    check   x2, 0xff, "LDADDB: old value"
    try     "LDCLR",    0xffff0000ffff0000, 0x0f0f0f0f0f0f0f0f, 0xf0f00000f0f00000, ldclr x1, x2, [x19]
    try     "LDEOR",    0xffff0000ffff0000, 0x0f0f0f0f0f0f0f0f, 0xf0f00f0ff0f00f0f, ldeor x1, x2, [x19]
    try     "LDSET",    0xffff0000ffff0000, 0x0f0f0f0f0f0f0f0f, 0xffff0f0fffff0f0f, ldset x1, x2, [x19]
    try     "LDSMAX",   0x8000000000000000, 1, 1, ldsmax x1, x2, [x19]
    try     "LDSMIN",   0x8000000000000000, 1, 0x8000000000000000, ldsmin x1, x2, [x19]
    try     "LDUMAX",   0x8000000000000000, 1, 0x8000000000000000, ldumax x1, x2, [x19]
    try     "LDUMIN",   0x8000000000000000, 1, 1, ldumin x1, x2, [x19]
    try     "LDSMAXB",  0x1111111111111180, 0x7f, 0x111111111111117f, ldsmaxb w1, w2, [x19]
    try     "LDSMINH",  0x1111111111117fff, 0x8000, 0x1111111111118000, ldsminh w1, w2, [x19]
    try     "SWP",      0x1122334455667788, 0x99, 0x99, swpal x1, x2, [x19]
    try     "SWPB",     0x1122334455667788, 0x199, 0x1122334455667799, swpb w1, w2, [x19]
    try     "STADD",    5, 6, 11, stadd x1, [x19]

    mov     x2, #7
    str     x2, [x19]
    mov     x3, #9
    cas     x2, x3, [x19]
    check   x2, 7, "CAS that matches: old value"
    ldr     x0, [x19]
    check   x0, 9, "CAS that matches: memory"
    mov     x2, #7
    mov     x3, #11
    casal   x2, x3, [x19]
    check   x2, 9, "CAS that does not match: old value"
    ldr     x0, [x19]
    check   x0, 9, "CAS that does not match: memory"

    mov     x4, #1
    mov     x5, #2
    stp     x4, x5, [x19]
    mov     x6, #3
    mov     x7, #4
    casp    x4, x5, x6, x7, [x19]
    ldp     x0, x1, [x19]
    check   x0, 3, "CASP: first half"
    check   x1, 4, "CASP: second half"
    mov     x5, #2
    casp    x4, x5, x6, x7, [x19]
    check   x4, 3, "CASP that does not match: first half"
    check   x5, 4, "CASP that does not match: second half"

    // Odd register numbers of CASP are undefined; a misaligned atomic faults.
    must_trap EC_UNKNOWN, 0, "CASP with an odd register", .inst 0x48237c26
    add     x20, x19, #4
    must_trap EC_DABT_SAME, FSC_ALIGNMENT, "LDADD misaligned", ldadd x1, x2, [x20]
    check_far x20, "LDADD misaligned"
    pass
