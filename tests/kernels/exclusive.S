// Exclusives: each size and the pair; what clears the monitor: CLREX, a store-exclusive, an exception return.

    .include "lib/kernel.S"
    kernel  "exclusive"

    ram     x19, SHARED
    mov64   x20, 0x1122334455667788
    str     x20, [x19]
    str     x20, [x19, #8]

    ldxr    x0, [x19]
    add     x1, x0, #1
    stxr    w2, x1, [x19]
    check   x2, 0, "STXR after LDXR"
    ldr     x3, [x19]
    check_reg x3, x1, "STXR stores"
    stxr    w2, x0, [x19]
    check   x2, 1, "STXR without LDXR"
    ldr     x3, [x19]
    check_reg x3, x1, "STXR that fails does not store"

    ldaxrb  w0, [x19]
    check   x0, 0x89, "LDAXRB"
    mov     w1, #0xaa
    stlxrb  w2, w1, [x19]
    check   x2, 0, "STLXRB"
    ldxrh   w0, [x19]
    check   x0, 0x77aa, "LDXRH"
    stxrh   w2, w1, [x19]
    check   x2, 0, "STXRH"
    ldxr    w0, [x19]
    check   x0, 0x556600aa, "LDXR W"
    stxr    w2, w1, [x19]
    check   x2, 0, "STXR W"

    ldxp    x0, x1, [x19]
    mov     x3, #5
    mov     x4, #6
    stxp    w2, x3, x4, [x19]
    check   x2, 0, "STXP"
    ldp     x0, x1, [x19]
    check   x0, 5, "STXP: first half"
    check   x1, 6, "STXP: second half"

    ldxr    x0, [x19]
    clrex
    stxr    w2, x0, [x19]
    check   x2, 1, "STXR after CLREX"

    ldxr    x0, [x19]
    adr     x1, Lreturned
    msr     ELR_EL1, x1
    mrs     x1, DAIF
    mov     x3, #5                      // EL1h
    orr     x1, x1, x3
    msr     SPSR_EL1, x1
    isb
    eret
Lreturned:
    stxr    w2, x0, [x19]
    check   x2, 1, "STXR after an exception return"

    // Misaligned: an alignment fault whatever SCTLR_EL1.A says.
    add     x20, x19, #4
    must_trap EC_DABT_SAME, FSC_ALIGNMENT, "LDXR misaligned", ldxr x0, [x20]
    check_far x20, "LDXR misaligned"
    pass
