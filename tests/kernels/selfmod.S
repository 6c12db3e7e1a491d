// Code that writes code: with DC CVAU, DSB, IC IVAU, DSB, ISB the new instructions run, in place and over a page boundary.

    .include "lib/kernel.S"
    kernel  "selfmod"

    .equ    CODE,       FREE

    // 100 versions of "mov w0, #n; ret" at the same place, which runs in between.
    ram     x19, CODE
    mov     x20, #0
Lnext:
    mov64   x0, 0x52800000              // movz w0, #0
    orr     w0, w0, w20, lsl #5
    str     w0, [x19]
    mov64   x0, 0xd65f03c0              // ret
    str     w0, [x19, #4]
    mov     x0, x19
    bl      Lsync
    blr     x19
    check_reg x0, x20, "the newest version runs"
    add     x20, x20, #1
    cmp     x20, #100
    b.ne    Lnext

    // Two instructions, the second on the next page.
    ram     x19, CODE+0x1ffc
    mov     x20, #0
Lcross:
    mov64   x0, 0x52800000
    orr     w0, w0, w20, lsl #5
    str     w0, [x19]
    mov64   x0, 0x11000400              // add w0, w0, #1
    str     w0, [x19, #4]
    mov64   x0, 0xd65f03c0
    str     w0, [x19, #8]
    mov     x0, x19
    bl      Lsync
    add     x0, x19, #64
    bl      Lsync
    blr     x19
    add     x20, x20, #1
    check_reg x0, x20, "code over a page boundary"
    cmp     x20, #20
    b.ne    Lcross

    // IC IALLU does for all.
    ram     x19, CODE
    mov64   x0, 0x52800aa0              // movz w0, #0x55
    str     w0, [x19]
    dc      cvau, x19
    dsb     ish
    ic      iallu
    dsb     ish
    isb
    blr     x19
    check   x0, 0x55, "IC IALLU"
    pass

// The line at x0.
Lsync:
    dc      cvau, x0
    dsb     ish
    ic      ivau, x0
    dsb     ish
    isb
    ret
