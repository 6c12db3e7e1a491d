// SVC and ERET often enough to be translated: flags and registers survive them, an address that one level returns to is the other's too, and an interrupt
// that ERET lets in comes before the instruction that it returns to.

    .include "lib/kernel.S"
    kernel  "levels"
    .include "lib/gic.S"

    .equ    ROUNDS,     3000
    .equ    EL0T,       0x3c0           // interrupts masked
    .equ    EL1H,       0x3c5
    .equ    SVC_FLAGS,  1
    .equ    SVC_BACK,   2
    .equ    SVC_IRQ,    3

    .equ    UNDEFS,     SHARED
    .equ    IRQS,       SHARED+8

    bl      Lgic_init
    mov     x0, #0
    bl      Lgic_enable_ppi
    set_hook CPU_HOOK_SYNC, Lsync
    set_hook CPU_HOOK_IRQ, Lirq

    // ---- From EL0: each of the sixteen flags, in turn, to the handler and back.
    adr     x1, Luser
    msr     ELR_EL1, x1
    mov     x1, #EL0T
    msr     SPSR_EL1, x1
    mov     x20, #ROUNDS
    mov     x21, #0
    mov     x22, #0                     // the handler counts here
    isb
    eret
Luser:
    and     x23, x20, #15
    lsl     x23, x23, #28
    msr     NZCV, x23
    svc     #SVC_FLAGS
    mrs     x24, NZCV
    cmp     x24, x23
    cset    x24, ne
    add     x21, x21, x24
    subs    x20, x20, #1
    b.ne    Luser
    svc     #SVC_BACK
Lback:
    check   x21, 0, "flags behind SVC"
    check   x22, ROUNDS, "calls from EL0"

    // ---- What is called at EL1 returns at EL0, to the same address, where CurrentEL is UNDEFINED.
    mov     x20, #ROUNDS
    mov     x21, #0
Lcalls:
    bl      Lto_el0
    mrs     x1, CurrentEL               // never at EL1: the handler goes on at Lundefined
    add     x21, x21, #1
Lundefined:
    subs    x20, x20, #1
    b.ne    Lcalls
    check   x21, 0, "CurrentEL at EL0"
    ram     x19, UNDEFS
    ldr     x0, [x19]
    check   x0, ROUNDS, "UNDEFINED"

    // The same call returning at EL1, where it is not.
    mov     x20, #ROUNDS
    mov     x21, #0
Lcalls_el1:
    bl      Lto_el1
    mrs     x1, CurrentEL
    add     x21, x21, x1
    subs    x20, x20, #1
    b.ne    Lcalls_el1
    mov     x1, #ROUNDS*4
    check_reg x21, x1, "CurrentEL at EL1"

    // ---- An interrupt is pending when the handler returns.
    mov     x20, #ROUNDS
    ram     x19, IRQS
Linterrupts:
    msr     daifclr, #2
    svc     #SVC_IRQ
Lbehind_svc:
    ldr     x0, [x19]
    msr     daifset, #2
    mov     x1, #ROUNDS+1
    sub     x1, x1, x20
    check_reg x0, x1, "interrupts before the instruction behind SVC"
    subs    x20, x20, #1
    b.ne    Linterrupts
    pass

// x0 = frame.
Lsync:
    ldr     x1, [x0, #FRAME_ESR]
    lsr     x2, x1, #26
    cbz     x2, Lsync_undefined
    check   x2, EC_SVC, "exception class"
    and     x1, x1, #0xffff
    cmp     x1, #SVC_FLAGS
    b.eq    Lsync_flags
    cmp     x1, #SVC_IRQ
    b.eq    Lsync_irq
    check   x1, SVC_BACK, "immediate of SVC"
    adr     x1, Lback
    mov     x2, #EL1H
    stp     x1, x2, [x0, #FRAME_ELR]
    ret
Lsync_flags:
    ldr     x1, [x0, #FRAME_SPSR]
    ldr     x2, [x0, #0xb8]             // x23
    orr     x2, x2, #EL0T
    check_reg x1, x2, "SPSR_EL1"
    ldr     x1, [x0, #0xb0]             // x22
    add     x1, x1, #1
    str     x1, [x0, #0xb0]
    ret
Lsync_irq:
    ldr     x1, [x0, #FRAME_SPSR]
    mov     x2, #0x80
    tst     x1, x2
    cset    x1, ne
    check   x1, 0, "SPSR_EL1.I"
    mov     x1, #1                      // SGI 0 to this CPU; masked here
    msr     ICC_SGI1R_EL1, x1
    isb
    ret
Lsync_undefined:
    ldr     x1, [x0, #FRAME_VECTOR]
    check   x1, 0x400, "where CurrentEL is UNDEFINED"
    ram     x1, UNDEFS
    ldr     x2, [x1]
    add     x2, x2, #1
    str     x2, [x1]
    adr     x1, Lundefined
    mov     x2, #EL1H
    stp     x1, x2, [x0, #FRAME_ELR]
    ret

Lirq:
    mrs     x1, ICC_IAR1_EL1
    check   x1, 0, "INTID"
    msr     ICC_EOIR1_EL1, x1
    ldr     x1, [x0, #FRAME_ELR]
    adr     x2, Lbehind_svc
    check_reg x1, x2, "where the interrupt came"
    ram     x1, IRQS
    ldr     x2, [x1]
    add     x2, x2, #1
    str     x2, [x1]
    ret

// Pages on which but one level runs anything, almost: translators keep what is there.
    .balign 4096
Lto_el0:
    mov     x2, #EL0T
    b       Lleave
Lto_el1:
    mov     x2, #EL1H
Lleave:
    adr     x1, Lreturn
    msr     ELR_EL1, x1
    msr     SPSR_EL1, x2
    eret

    .balign 4096
Lreturn:
    ret
