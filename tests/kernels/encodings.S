// Every encoding of MRS and MSR at EL1, 32,768 of each: what is read is written back; then all are written with ones, but for those on which this
// code itself stands. What is not there is an undefined instruction, or is trapped to EL1 by what was written before, and nothing worse.

    .include "lib/kernel.S"
    kernel  "encodings"

    .equ    NR,         0x8000          // op0 2 and 3, op1, CRn, CRm, op2
    .equ    BLOCK,      128             // of them in one go
    .equ    UNDEFINED,  SHARED          // how many were
    .equ    DONE,       SHARED+0x8
    .equ    ENC_SCTLR,  0x4080          // op0 - 2, op1, CRn, CRm, op2: 1, 3, 4, 4, 3 bits
    .equ    ENC_VBAR,   0x4600
    .equ    ENC_TPIDR,  0x4684
    .equ    ENC_MDSCR,  0x0012
    .equ    ENC_CNTV_CVAL, 0x5f1a       // not what this stands on: QEMU 7.2 hangs with it, where the counter has an offset, as in a guest of its guest's

    mrs     x16, TPIDR_EL1
    adr     x17, Lundefined
    str     x17, [x16, #CPU_HOOK_SYNC]
    mov     x19, #0
Lread_next:
    ram     x20, FREE
    add     x21, x19, #BLOCK
Lread_emit:
    mov64   x0, 0xaa1f03e0              // mov x0, xzr
    mov64   x1, 0xd5300000              // mrs x0, ...
    mov64   x2, 0xd5100000              // msr ..., x0
    orr     w1, w1, w19, lsl #5
    orr     w2, w2, w19, lsl #5
    stp     w0, w1, [x20], #8
    str     w2, [x20], #4
    add     x19, x19, #1
    cmp     x19, x21
    b.ne    Lread_emit
    bl      Lrun
    mov64   x0, NR
    cmp     x19, x0
    b.ne    Lread_next

    mov     x19, #0
Lones_next:
    ram     x20, FREE
    add     x21, x19, #BLOCK
Lones_emit:
    mov64   x2, 0xd5100001              // msr ..., x1
    orr     w2, w2, w19, lsl #5
    .irp    enc, ENC_SCTLR, ENC_VBAR, ENC_TPIDR, ENC_MDSCR, ENC_CNTV_CVAL
    mov64   x3, \enc
    cmp     x19, x3
    b.eq    Lones_spared
    .endr
    str     w2, [x20], #4
Lones_spared:
    add     x19, x19, #1
    cmp     x19, x21
    b.ne    Lones_emit
    bl      Lrun
    mov64   x0, NR
    cmp     x19, x0
    b.ne    Lones_next

    ram     x0, DONE
    ldr     x0, [x0]
    check   x0, 2*NR, "encodings"
    ram     x0, UNDEFINED
    ldr     x0, [x0]
    check   x0, NR, "undefined", hi     // most are
    pass

// Runs the code from FREE to x20. Changes what the code does, and x22-x24.
Lrun:
    mov64   x0, 0xd65f03c0              // ret
    str     w0, [x20]
    dsb     sy
    ic      iallu
    dsb     sy
    isb
    mov     x24, x30
    mov     x1, #-1
    ram     x0, FREE
    blr     x0
    ram     x22, DONE
    ldr     x23, [x22]
    add     x23, x23, #BLOCK
    str     x23, [x22]
    ret     x24

// x0 = the frame. UNDEFINED, or a trap: FP, MSR, SVE, SME.
Lundefined:
    ldr     x1, [x0, #FRAME_VECTOR]
    cmp     x1, #0x200
    b.ne    Lexception_unexpected
    ldr     x1, [x0, #FRAME_ESR]
    lsr     x1, x1, #26
    mov64   x2, 1<<0x00|1<<0x07|1<<0x18|1<<0x19|1<<0x1d
    lsr     x2, x2, x1
    tbz     x2, #0, Lexception_unexpected
    ldr     x1, [x0, #FRAME_ELR]
    add     x1, x1, #4
    str     x1, [x0, #FRAME_ELR]
    ram     x1, UNDEFINED
    ldr     x2, [x1]
    add     x2, x2, #1
    str     x2, [x1]
    b       Lexception_return
