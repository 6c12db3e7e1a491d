// Software-generated interrupts: to itself, all sixteen, several pending at once, in order of priority.

    .include "lib/kernel.S"
    kernel  "sgi"
    .include "lib/gic.S"

    .equ    TAKEN,      SHARED          // how many
    .equ    ORDER,      SHARED+8        // INTIDs, a byte each

    bl      Lgic_init
    set_hook CPU_HOOK_IRQ, Lirq
    mov     x20, #0
Lenable:
    mov     x0, x20
    bl      Lgic_enable_ppi
    add     x20, x20, #1
    cmp     x20, #16
    b.ne    Lenable

    // Each by itself.
    msr     daifclr, #2
    ram     x19, TAKEN
    mov     x20, #0
Leach:
    lsl     x0, x20, #24
    orr     x0, x0, #1                  // this CPU
    msr     ICC_SGI1R_EL1, x0
    isb
    ldr     x0, [x19]
    add     x20, x20, #1
    check_reg x0, x20, "an SGI arrives at once"
    cmp     x20, #16
    b.ne    Leach

    // 3, 5 and 7 together; 7 is the most urgent, 3 before 5 at equal priority.
    mov64   x1, GICR+GICR_SGI+GICR_IPRIORITYR
    mov     w0, #0x40
    strb    w0, [x1, #7]
    msr     daifset, #2
    str     xzr, [x19]
    mov     x20, #5
Lpend:
    lsl     x0, x20, #24
    orr     x0, x0, #1
    msr     ICC_SGI1R_EL1, x0
    cmp     x20, #3
    b.eq    Lpended
    mov     x20, #7
    lsl     x0, x20, #24
    orr     x0, x0, #1
    msr     ICC_SGI1R_EL1, x0
    mov     x20, #3
    b       Lpend
Lpended:
    isb
    mrs     x0, ICC_HPPIR1_EL1
    check   x0, 7, "ICC_HPPIR1_EL1"
    msr     daifclr, #2
    isb
    ldr     x0, [x19]
    check   x0, 3, "three SGIs"
    ldr     x0, [x19, #8]
    and     x0, x0, #0xffffff
    check   x0, 0x050307, "their order"
    pass

Lirq:
    mrs     x0, ICC_IAR1_EL1
    ram     x1, TAKEN
    ldr     x2, [x1]
    add     x3, x1, x2
    and     x0, x0, #0xff
    strb    w0, [x3, #8]
    add     x2, x2, #1
    str     x2, [x1]
    msr     ICC_EOIR1_EL1, x0
    isb
    ret
