// Software-generated interrupts: to itself, all sixteen, several pending at once, in order of priority; to other CPUs by affinity, to all of them.

    .include "lib/kernel.S"
    kernel  "sgi"
    .include "lib/gic.S"

    .equ    TAKEN,      SHARED          // how many
    .equ    ORDER,      SHARED+8        // INTIDs, a byte each
    .equ    OTHERS,     SHARED+0x100    // u64 for each CPU, 64 bytes apart: READY, then the INTIDs that it took
    .equ    READY,      0x5a

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

    // ---- Three more CPUs, asleep in WFI: SGI n to CPU n alone, SGI 9 to two, SGI 10 to all but this one. Each notes what it takes.
    mov     x20, #1
Lstart_next:
    mov     x1, x20
    adr     x2, Lsecondary
    mov     x3, x20
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON"
    ram     x19, OTHERS
    add     x19, x19, x20, lsl #6
    mov     x0, #READY
    bl      Lawait
    add     x20, x20, #1
    cmp     x20, #4
    b.ne    Lstart_next
    mov     x20, #1
Lone:
    mov     x0, #1
    lsl     x0, x0, x20
    orr     x0, x0, x20, lsl #24
    msr     ICC_SGI1R_EL1, x0
    isb
    ram     x19, OTHERS
    add     x19, x19, x20, lsl #6
    mov     x0, #READY<<8
    orr     x0, x0, x20
    bl      Lawait
    add     x20, x20, #1
    cmp     x20, #4
    b.ne    Lone
    mov64   x0, 9<<24|0x6               // CPUs 1 and 2
    msr     ICC_SGI1R_EL1, x0
    isb
    ram     x19, OTHERS+0x40
    mov64   x0, READY<<16|0x0109
    bl      Lawait
    ram     x19, OTHERS+0x80
    mov64   x0, READY<<16|0x0209
    bl      Lawait
    mov64   x0, 1<<40|10<<24
    msr     ICC_SGI1R_EL1, x0
    isb
    ram     x19, OTHERS+0x40
    mov64   x0, READY<<24|0x01090a
    bl      Lawait
    ram     x19, OTHERS+0x80
    mov64   x0, READY<<24|0x02090a
    bl      Lawait
    ram     x19, OTHERS+0xc0
    mov64   x0, READY<<16|0x030a        // SGI 9 was not for it
    bl      Lawait
    // None of them came here, and an affinity that no CPU has is nobody's.
    mov64   x0, 1<<16|10<<24|0xf        // Aff1 1
    msr     ICC_SGI1R_EL1, x0
    isb
    msr     daifclr, #2
    isb
    ram     x19, TAKEN
    ldr     x0, [x19]
    check   x0, 3, "SGIs that were for others"
    // And back: CPU 3 answers SGI 11 with SGI 12.
    mov     x20, #11<<24
    orr     x20, x20, #8
    msr     daifset, #2
    msr     ICC_SGI1R_EL1, x20
    isb
    wfi                                 // it stays pending until it is let in
Lanswer:
    msr     daifclr, #2
    isb
    msr     daifset, #2
    ldr     x0, [x19]
    cmp     x0, #3
    b.eq    Lanswer
    ldrb    w0, [x19, #8+3]
    check   x0, 12, "the answer"
    pass

// Until the word at x19 is x0; more than it should hold is a failure. Changes x1.
Lawait:
    ldar    x1, [x19]
    cmp     x1, x0
    b.lo    Lawait
    check_reg x1, x0, "what another CPU has taken"
    ret

// x0 = CPU number.
Lsecondary:
    ram_base
    mov     x19, x0
    bl      Lcpu_init
    bl      Lgic_init
    set_hook CPU_HOOK_IRQ, Lirq_other
    mov     x20, #0
Lsecondary_enable:
    mov     x0, x20
    bl      Lgic_enable_ppi
    add     x20, x20, #1
    cmp     x20, #16
    b.ne    Lsecondary_enable
    ram     x21, OTHERS
    add     x21, x21, x19, lsl #6
    mov     x0, #READY
    stlr    x0, [x21]
    msr     daifclr, #2
Lsecondary_sleep:
    wfi
    b       Lsecondary_sleep

// x21 = this CPU's note, which grows by a byte.
Lirq_other:
    mrs     x0, ICC_IAR1_EL1
    msr     ICC_EOIR1_EL1, x0
    isb
    ldr     x1, [x21]
    orr     x1, x0, x1, lsl #8
    stlr    x1, [x21]
    cmp     x0, #11
    b.ne    Lirq_other_end
    mov     x0, #12<<24
    orr     x0, x0, #1
    msr     ICC_SGI1R_EL1, x0
    isb
Lirq_other_end:
    ret

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
