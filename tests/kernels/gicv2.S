// GICv2: banked registers, SGIs with their senders, targets of an SPI, both EOI modes, priority mask, groups.

    .include "lib/kernel.S"
    kernel  "gicv2"

    .equ    GICD,       0x08000000      // IHI 0048
    .equ    GICD_TYPER, 0x004
    .equ    GICD_IGROUPR1, 0x084
    .equ    GICD_ISENABLER0, 0x100
    .equ    GICD_ISENABLER1, 0x104
    .equ    GICD_ISPENDR1, 0x204
    .equ    GICD_ISACTIVER1, 0x304
    .equ    GICD_IPRIORITYR, 0x400
    .equ    GICD_ITARGETSR, 0x800
    .equ    GICD_SGIR,  0xf00
    .equ    GICD_CPENDSGIR, 0xf10
    .equ    GICD_SPENDSGIR, 0xf20
    .equ    GICC,       0x08010000
    .equ    GICC_PMR,   0x04
    .equ    GICC_IAR,   0x0c
    .equ    GICC_EOIR,  0x10
    .equ    GICC_RPR,   0x14
    .equ    GICC_HPPIR, 0x18
    .equ    GICC_AIAR,  0x20
    .equ    GICC_AEOIR, 0x24
    .equ    GICC_DIR,   0x1000

    .equ    TAKEN,      SHARED          // how many CPU 0 took; then what GICC_IAR gave for each, 4 bytes
    .equ    OTHERS,     SHARED+0x100    // u64 for each CPU, 64 bytes apart: READY, then the INTIDs that it took, a byte each
    .equ    READY,      0x5a
    .equ    SPI,        40              // nobody's line: it becomes pending by GICD_ISPENDR
    .equ    SPI_BIT,    1<<(SPI-32)

    mov64   x26, GICD
    mov64   x27, GICC
    ldr     w0, [x26, #GICD_TYPER]
    ubfx    x0, x0, #5, #3
    check   x0, 3, "GICD_TYPER.CPUNumber"
    ldr     w0, [x26, #0xfe8]
    ubfx    x0, x0, #4, #4
    check   x0, 2, "ICPIDR2.ArchRev"
    ldr     w0, [x27, #0xfc]
    ubfx    x0, x0, #16, #4
    check   x0, 2, "GICC_IIDR: architecture version"
    mrs     x0, ID_AA64PFR0_EL1
    ubfx    x0, x0, #24, #4
    check   x0, 0, "ID_AA64PFR0_EL1.GIC"
    must_trap 0, 0, "ICC_SRE_EL1 without system registers", mrs x0, ICC_SRE_EL1

    mov     w0, #1
    str     w0, [x26]                   // GICD_CTLR: Group 0
    bl      Linterface
    set_hook CPU_HOOK_IRQ, Lirq
    ldr     w0, [x26, #GICD_ITARGETSR]
    check   x0, 0x01010101, "GICD_ITARGETSR0 is this CPU"

    // ---- An SGI to oneself, by both forms of the target.
    ram     x19, TAKEN
    msr     daifclr, #2
    mov64   x0, 2<<24|3
    str     w0, [x26, #GICD_SGIR]
    mov     x0, #1
    bl      Ltaken
    ldr     w0, [x19, #8]
    check   x0, 3, "GICC_IAR of an SGI from this CPU"
    mov64   x0, 1<<16|4
    str     w0, [x26, #GICD_SGIR]
    mov     x0, #2
    bl      Ltaken
    ldr     w0, [x19, #12]
    check   x0, 4, "GICC_IAR of a listed SGI"
    msr     daifset, #2

    // ---- GICD_SPENDSGIR and GICD_CPENDSGIR: a byte an SGI, a bit a sender.
    mov     w0, #4
    strb    w0, [x26, #GICD_SPENDSGIR+6]
    ldrb    w0, [x26, #GICD_CPENDSGIR+6]
    check   x0, 4, "SGI 6 is pending from CPU 2"
    ldr     w0, [x27, #GICC_HPPIR]
    and     x0, x0, #0x3ff              // QEMU leaves out the sender
    check   x0, 6, "GICC_HPPIR"
    mov     w0, #4
    strb    w0, [x26, #GICD_CPENDSGIR+6]
    ldr     w0, [x26, #GICD_SPENDSGIR+4]
    check   x0, 0, "and no more"
    ldr     w0, [x27, #GICC_IAR]
    check   x0, 1023, "nothing to acknowledge"

    // ---- Three CPUs; each sends SGI 5 to this one: three interrupts, the lowest sender first.
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
    ldrb    w0, [x26, #GICD_SPENDSGIR+5]
    check   x0, 0xe, "SGI 5 is pending from three CPUs"
    ram     x19, TAKEN
    str     xzr, [x19]
    msr     daifclr, #2
    mov     x0, #3
    bl      Ltaken
    msr     daifset, #2
    ldr     w0, [x19, #8]
    check   x0, 1<<10|5, "from CPU 1"
    ldr     w0, [x19, #12]
    check   x0, 2<<10|5, "from CPU 2"
    ldr     w0, [x19, #16]
    check   x0, 3<<10|5, "from CPU 3"

    // ---- An SPI goes to the CPU that GICD_ITARGETSR names, and to one of several.
    mov     w0, #SPI_BIT
    str     w0, [x26, #GICD_ISENABLER1]
    mov     w0, #1<<1
    strb    w0, [x26, #GICD_ITARGETSR+SPI]
    mov     w0, #SPI_BIT
    str     w0, [x26, #GICD_ISPENDR1]
    ram     x19, OTHERS+0x40
    mov64   x0, READY<<8|SPI
    bl      Lawait
    mov     w0, #1<<2
    strb    w0, [x26, #GICD_ITARGETSR+SPI]
    mov     w0, #SPI_BIT
    str     w0, [x26, #GICD_ISPENDR1]
    ram     x19, OTHERS+0x80
    mov64   x0, READY<<8|SPI
    bl      Lawait
    unless_vibe Lby_hand                // QEMU lets each of them have it
    mov     w0, #0xe
    strb    w0, [x26, #GICD_ITARGETSR+SPI]
    ldrb    w0, [x26, #GICD_ITARGETSR+SPI]
    check   x0, 0xe, "three targets"
    mov     w0, #SPI_BIT
    str     w0, [x26, #GICD_ISPENDR1]
    ram     x19, OTHERS
Lsomebody:                              // one of the three notes it
    ldr     x0, [x19, #0x40]
    ldr     x1, [x19, #0x80]
    ldr     x2, [x19, #0xc0]
    add     x0, x0, x1
    add     x0, x0, x2
    mov64   x1, 3*READY<<8
    cmp     x0, x1
    b.lo    Lsomebody
    mov     x20, #0
    mov     x3, #3
Lcount:                                 // how many bytes in all
    ldr     x0, [x19, #0x40]!
Lcount_bytes:
    lsr     x0, x0, #8
    cbz     x0, Lcount_next
    add     x20, x20, #1
    b       Lcount_bytes
Lcount_next:
    subs    x3, x3, #1
    b.ne    Lcount
    check   x20, 3, "one CPU has taken it"

Lby_hand:
    // ---- Here from now on, by hand. EOImode: EOIR drops the priority, DIR ends it.
    mov     w0, #1
    strb    w0, [x26, #GICD_ITARGETSR+SPI]
    mov64   x0, 1<<9|1
    str     w0, [x27]
    mov     w0, #SPI_BIT
    str     w0, [x26, #GICD_ISPENDR1]
    ldr     w0, [x27, #GICC_IAR]
    check   x0, SPI, "GICC_IAR"
    ldr     w0, [x27, #GICC_RPR]
    check   x0, 0xa0, "GICC_RPR"
    mov     w0, #SPI
    str     w0, [x27, #GICC_EOIR]
    ldr     w0, [x27, #GICC_RPR]
    check   x0, 0xff, "GICC_RPR after GICC_EOIR"
    ldr     w0, [x26, #GICD_ISACTIVER1]
    check   x0, SPI_BIT, "active until GICC_DIR"
    mov     w0, #SPI
    mov     w1, #GICC_DIR
    str     w0, [x27, x1]
    ldr     w0, [x26, #GICD_ISACTIVER1]
    check   x0, 0, "not active after GICC_DIR"
    mov     w0, #1
    str     w0, [x27]

    // ---- The priority mask.
    mov     w0, #0x80
    str     w0, [x27, #GICC_PMR]
    mov     w0, #SPI_BIT
    str     w0, [x26, #GICD_ISPENDR1]
    ldr     w0, [x27, #GICC_IAR]
    check   x0, 1023, "masked by GICC_PMR"
    unless_vibe Lunmask                 // QEMU's GICC_HPPIR does not see what is masked
    ldr     w0, [x27, #GICC_HPPIR]
    check   x0, SPI, "GICC_HPPIR of what is masked"
Lunmask:
    mov     w0, #0x40
    strb    w0, [x26, #GICD_IPRIORITYR+SPI]
    ldr     w0, [x27, #GICC_IAR]
    check   x0, SPI, "not masked any more"
    str     w0, [x27, #GICC_EOIR]
    mov     w0, #0xf8
    str     w0, [x27, #GICC_PMR]

    // ---- Groups: one of Group 1 is seen as 1022 until the alias acknowledges it; Group 0 is FIQ if GICC_CTLR.FIQEn says so.
    mov     w0, #3
    str     w0, [x26]
    mov     w0, #0xb                    // both groups, FIQEn
    str     w0, [x27]
    mov     w0, #SPI_BIT
    str     w0, [x26, #GICD_IGROUPR1]
    str     w0, [x26, #GICD_ISPENDR1]
    isb
    mrs     x0, ISR_EL1
    check   x0, 1<<7, "Group 1 is IRQ"
    ldr     w0, [x27, #GICC_IAR]
    check   x0, 1022, "GICC_IAR of Group 1"
    mov     w0, #0xf                    // AckCtl
    str     w0, [x27]
    ldr     w0, [x27, #GICC_IAR]
    check   x0, SPI, "GICC_IAR of Group 1 with AckCtl"
    str     w0, [x27, #GICC_EOIR]
    ldr     w0, [x26, #GICD_ISACTIVER1]
    check   x0, 0, "ended by GICC_EOIR"
    mov     w0, #0xb
    str     w0, [x27]
    unless_vibe Lgroup0                 // QEMU has the aliases only with Security Extensions
    mov     w0, #SPI_BIT
    str     w0, [x26, #GICD_ISPENDR1]
    ldr     w0, [x27, #GICC_AIAR]
    check   x0, SPI, "GICC_AIAR"
    str     w0, [x27, #GICC_EOIR]       // of Group 0 alone
    ldr     w0, [x26, #GICD_ISACTIVER1]
    check   x0, SPI_BIT, "not ended by GICC_EOIR"
    mov     w0, #SPI
    str     w0, [x27, #GICC_AEOIR]
    ldr     w0, [x26, #GICD_ISACTIVER1]
    check   x0, 0, "ended by GICC_AEOIR"
Lgroup0:
    str     wzr, [x26, #GICD_IGROUPR1]
    mov     w0, #SPI_BIT
    str     w0, [x26, #GICD_ISPENDR1]
    isb
    mrs     x0, ISR_EL1
    check   x0, 1<<6, "Group 0 is FIQ"
    mov     w0, #3
    str     w0, [x27]
    isb
    mrs     x0, ISR_EL1
    check   x0, 1<<7, "Group 0 is IRQ without FIQEn"
    ldr     w0, [x27, #GICC_IAR]
    check   x0, SPI, "GICC_IAR of Group 0"
    str     w0, [x27, #GICC_EOIR]
    pass

// x26 = GICD, x27 = GICC. This CPU's interface open, its SGIs enabled at priority 0xa0, the SPI's priority too.
Linterface:
    mov     w0, #0xffff
    str     w0, [x26, #GICD_ISENABLER0]
    mov64   x0, 0xa0a0a0a0
    str     w0, [x26, #GICD_IPRIORITYR]
    str     w0, [x26, #GICD_IPRIORITYR+4]
    str     w0, [x26, #GICD_IPRIORITYR+8]
    str     w0, [x26, #GICD_IPRIORITYR+12]
    strb    w0, [x26, #GICD_IPRIORITYR+SPI]
    mov     w0, #0xf8
    str     w0, [x27, #GICC_PMR]
    mov     w0, #1
    str     w0, [x27]
    ret

// Until CPU 0 has taken x0 interrupts: x19 = TAKEN. Changes x1.
Ltaken:
    ldr     x1, [x19]
    cmp     x1, x0
    b.lo    Ltaken
    ret

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
    mov     x20, x0
    bl      Lcpu_init
    mov64   x26, GICD
    mov64   x27, GICC
    bl      Linterface
    set_hook CPU_HOOK_IRQ, Lirq_other
    ldrb    w0, [x26, #GICD_ITARGETSR+31]
    mov     x1, #1
    lsl     x1, x1, x20
    check_reg x0, x1, "GICD_ITARGETSR is banked"
    ram     x21, OTHERS
    add     x21, x21, x20, lsl #6
    mov64   x0, 1<<16|5
    str     w0, [x26, #GICD_SGIR]
    mov     x0, #READY
    stlr    x0, [x21]
    msr     daifclr, #2
Lsecondary_sleep:
    wfi
    b       Lsecondary_sleep

// x21 = this CPU's note, which grows by a byte. An acknowledge may come to nothing where several CPUs were told.
Lirq_other:
    ldr     w0, [x27, #GICC_IAR]
    and     w1, w0, #0x3ff
    cmp     w1, #1020
    b.hs    Lirq_other_end
    ldr     x1, [x21]
    orr     x1, x0, x1, lsl #8
    str     w0, [x27, #GICC_EOIR]
    stlr    x1, [x21]
Lirq_other_end:
    ret

Lirq:
    ldr     w0, [x27, #GICC_IAR]
    ram     x1, TAKEN
    ldr     x2, [x1]
    add     x3, x1, x2, lsl #2
    str     w0, [x3, #8]
    add     x2, x2, #1
    str     x2, [x1]
    str     w0, [x27, #GICC_EOIR]
    ret
