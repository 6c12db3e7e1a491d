// GICv3: Group 1, no Security states (IHI 0069). Included after `kernel`. Functions change x0-x3.
    .equ    GICD,       0x08000000
    .equ    GICD_CTLR,  0x0
    .equ    GICR,       0x080a0000
    .equ    GICR_WAKER, 0x14
    .equ    GICR_SGI,   0x10000         // the SGI frame
    .equ    GICR_IGROUPR0, 0x80
    .equ    GICR_ISENABLER0, 0x100
    .equ    GICR_ICENABLER0, 0x180
    .equ    GICR_IPRIORITYR, 0x400
// The SPI whose INTID is in register number \intid: Group 1, priority 0x80, for CPU 0. Leaves x1 = GICD, x\word = its word of the GICD registers with a bit
// for each interrupt, w\bit = its bit. Changes x0, x2, x3.
    .macro take_spi intid, word, bit
    mov64   x1, GICD
    add     x0, x1, x\intid
    mov     w2, #0x80
    strb    w2, [x0, #0x400]            // GICD_IPRIORITYR
    add     x3, x1, #0x6000
    str     xzr, [x3, x\intid, lsl #3]  // GICD_IROUTER
    lsr     x0, x\intid, #5
    add     x\word, x1, x0, lsl #2
    mov     w\bit, #1
    lsl     w\bit, w\bit, w\intid
    ldr     w3, [x\word, #0x80]         // GICD_IGROUPR
    orr     w3, w3, w\bit
    str     w3, [x\word, #0x80]
    .endm

    b       Lgic_end

// Distributor on with affinity routing; this CPU's redistributor awake, its CPU interface open, its SGIs and PPIs Group 1 with priority
// 0xa0, disabled.
Lgic_init:
    mov64   x1, GICD
    mov     w0, #0x12                   // ARE, EnableGrp1
    str     w0, [x1, #GICD_CTLR]
    mov     x3, x30
    bl      Lgic_redist
    mov     x30, x3
    str     wzr, [x1, #GICR_WAKER]
Lgic_wake:
    ldr     w0, [x1, #GICR_WAKER]
    tbnz    w0, #2, Lgic_wake
    mov64   x2, GICR_SGI
    add     x1, x1, x2
    mov     w0, #-1
    str     w0, [x1, #GICR_ICENABLER0]
    str     w0, [x1, #GICR_IGROUPR0]
    mov     w0, #0xa0a0
    movk    w0, #0xa0a0, lsl #16
    mov     x2, #0
Lgic_priority:
    add     x3, x1, x2
    str     w0, [x3, #GICR_IPRIORITYR]
    add     x2, x2, #4
    cmp     x2, #32
    b.ne    Lgic_priority
    mrs     x0, ICC_SRE_EL1
    orr     x0, x0, #1
    msr     ICC_SRE_EL1, x0
    isb
    mov     x0, #0xff
    msr     ICC_PMR_EL1, x0
    msr     ICC_BPR1_EL1, xzr
    msr     ICC_CTLR_EL1, xzr
    mov     x0, #1
    msr     ICC_IGRPEN1_EL1, x0
    isb
    ret

// x0 = INTID, below 32.
Lgic_enable_ppi:
    mov     x3, x30
    bl      Lgic_redist
    mov64   x2, GICR_SGI
    add     x1, x1, x2
    mov     w2, #1
    lsl     w2, w2, w0
    str     w2, [x1, #GICR_ISENABLER0]
    ret     x3

// x1 = this CPU's redistributor. Changes x2.
Lgic_redist:
    mrs     x2, TPIDR_EL1
    ldr     x2, [x2, #CPU_NUMBER]
    mov64   x1, GICR
    add     x1, x1, x2, lsl #17
    ret
Lgic_end:
