// PSCI: version, features, all the other CPUs with contended counters, CPU_OFF, AFFINITY_INFO,
// CPU_SUSPEND; SMC as well as HVC.

    .include "lib/kernel.S"
    kernel  "psci"
    .include "lib/gic.S"
    .arch_extension lse

    .equ    TURNS,      80000           // additions of all CPUs together
    .equ    ROUNDS,     SHARED+0x80     // of one of them
    .equ    GICR_TYPER, 0x8
    .equ    LSE_COUNT,  SHARED+0x00
    .equ    LLSC_COUNT, SHARED+0x40
    .equ    CONTEXTS,   SHARED+0xc0     // sum of the context ids that they were given

    psci    PSCI_VERSION
    mov     x19, x0
    check   x0, 0x10001, "PSCI_VERSION"
    mov64   x1, PSCI_CPU_ON64
    psci    PSCI_FEATURES
    check   x0, 0, "PSCI_FEATURES of CPU_ON"
    mov64   x1, 0x8400001f
    psci    PSCI_FEATURES
    sxtw    x0, w0
    mov     x1, #-1
    check_reg x0, x1, "PSCI_FEATURES of nothing"
    mov64   x0, 0x840000ff
    hvc     #0
    mov     x1, #-1
    sxtw    x0, w0
    check_reg x0, x1, "an unknown function"

    // By SMC too, and what SMCCC discovery finds. (QEMU 7.2 has HVC alone, and no SMCCC_VERSION.)
    unless_vibe Lno_smc
    mov64   x0, PSCI_VERSION
    smc     #0
    check_reg x0, x19, "PSCI_VERSION by SMC"
    mov64   x1, SMCCC_VERSION
    psci    PSCI_FEATURES
    check   x0, 0, "PSCI_FEATURES of SMCCC_VERSION"
    mov     x1, #0x11
    mov     x2, #0x22
    mov     x3, #0x33
    psci    SMCCC_VERSION
    check   x0, 0x10001, "SMCCC_VERSION"
    check   x1, 0x11, "x1 after a call"
    check   x2, 0x22, "x2 after a call"
    check   x3, 0x33, "x3 after a call"
    mov64   x1, SMCCC_VERSION
    psci    SMCCC_ARCH_FEATURES
    check   x0, 0, "SMCCC_ARCH_FEATURES of SMCCC_VERSION"
    psci    PSCI_MIGRATE_INFO_TYPE
    check   x0, 2, "MIGRATE_INFO_TYPE: there is no Trusted OS"
Lno_smc:

    // CPU_SUSPEND to standby ends with the timer's interrupt, masked as it is.
    bl      Lgic_init
    mov     x0, #27
    bl      Lgic_enable_ppi
    mrs     x0, CNTFRQ_EL0
    mov     x1, #200
    udiv    x0, x0, x1                  // 5 ms
    mrs     x20, CNTVCT_EL0
    add     x20, x20, x0
    msr     CNTV_CVAL_EL0, x20
    mov     x0, #1
    msr     CNTV_CTL_EL0, x0
    isb
    mov     x1, #0
    psci    PSCI_CPU_SUSPEND64
    check   x0, 0, "CPU_SUSPEND"
    isb
    mrs     x0, CNTVCT_EL0
    check_reg x0, x20, "CPU_SUSPEND lasts until the timer", hs
    msr     CNTV_CTL_EL0, xzr
    isb

    // Arguments that no CPU has; and this one.
    mov     x1, #0x77
    adr     x2, Lsecondary
    mov     x3, #0
    psci    PSCI_CPU_ON64
    sxtw    x0, w0
    mov     x1, #-2
    check_reg x0, x1, "CPU_ON of a CPU that is not there"
    mov     x1, #0
    adr     x2, Lsecondary
    psci    PSCI_CPU_ON64
    sxtw    x0, w0
    mov     x1, #-4
    check_reg x0, x1, "CPU_ON of a CPU that is on"
    mov     x1, #0
    mov     x2, #0
    psci    PSCI_AFFINITY_INFO64
    check   x0, 0, "AFFINITY_INFO of this CPU"
    mov     x1, #1
    mov     x2, #0
    psci    PSCI_AFFINITY_INFO64
    check   x0, 1, "AFFINITY_INFO of a CPU that is off"

    // All the others are started. x21 = how many CPUs there are, x22 = ROUNDS for each, x23 = the sum of the context ids.
    mov64   x20, GICR
    mov     x21, #0
Lcount_cpus:
    ldr     w0, [x20, #GICR_TYPER]
    add     x20, x20, #0x20000
    add     x21, x21, #1
    tbz     w0, #4, Lcount_cpus         // Last
    check   x21, 4, "number of CPUs", hs
    mov64   x22, TURNS
    udiv    x22, x22, x21
    ram     x0, ROUNDS
    str     x22, [x0]
    dmb     sy
    mov     x19, #1
    mov     x23, #0
Lstart_next:
    bl      Laffinity
    adr     x2, Lsecondary
    add     x3, x19, #0x100
    add     x23, x23, x3
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON"
    add     x19, x19, #1
    cmp     x19, x21
    b.ne    Lstart_next

    // All count. AFFINITY_INFO may still say OFF of a CPU that is about to come: wait until each has begun.
    bl      Lcount
    ram     x1, CONTEXTS
Lbegun:
    ldar    x0, [x1]
    cmp     x0, x23
    b.ne    Lbegun
    mov     x19, #1
Loff_next:
    bl      Laffinity
    mov     x2, #0
    psci    PSCI_AFFINITY_INFO64
    cmp     x0, #1
    b.ne    Loff_next
    add     x19, x19, #1
    cmp     x19, x21
    b.ne    Loff_next

    mul     x22, x22, x21
    ram     x0, LSE_COUNT
    ldr     x0, [x0]
    check_reg x0, x22, "counter by LSE"
    ram     x0, LLSC_COUNT
    ldr     x0, [x0]
    check_reg x0, x22, "counter by exclusives"
    ram     x0, CONTEXTS
    ldr     x0, [x0]
    check_reg x0, x23, "context ids"

    // One that went off comes on again.
    mov     x1, #2
    adr     x2, Lagain
    mov     x3, #7
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON for the second time"
    ram     x1, CONTEXTS
Lagain_wait:
    ldar    x0, [x1]
    cmp     x0, #7
    b.ne    Lagain_wait
    pass

// x1 = the affinity of CPU x19, as its redistributor tells it.
Laffinity:
    mov64   x1, GICR
    add     x1, x1, x19, lsl #17
    ldr     w1, [x1, #GICR_TYPER+4]
    ubfx    x2, x1, #24, #8             // Aff3 goes to bits 39:32
    and     x1, x1, #0xffffff
    orr     x1, x1, x2, lsl #32
    ret

// A CPU's part of both counters. Changes x0-x6.
Lcount:
    ram     x1, LSE_COUNT
    ram     x2, LLSC_COUNT
    ram     x3, ROUNDS
    ldr     x3, [x3]
    mov     x4, #1
    mrs     x0, ID_AA64ISAR0_EL1
    ubfx    x6, x0, #20, #4             // Atomic
Lcount_next:
    cbz     x6, Lcount_llsc1
    ldadd   x4, x0, [x1]
    b       Lcount_llsc2
Lcount_llsc1:
    ldxr    x0, [x1]
    add     x0, x0, #1
    stxr    w5, x0, [x1]
    cbnz    w5, Lcount_llsc1
Lcount_llsc2:
    ldxr    x0, [x2]
    add     x0, x0, #1
    stxr    w5, x0, [x2]
    cbnz    w5, Lcount_llsc2
    subs    x3, x3, #1
    b.ne    Lcount_next
    dmb     ish
    ret

// x0 = context id: 0x100 + CPU number. MMU off, interrupts masked.
Lsecondary:
    ram_base
    ram     x1, CONTEXTS
Lcontext:
    ldxr    x2, [x1]
    add     x2, x2, x0
    stxr    w3, x2, [x1]
    cbnz    w3, Lcontext
    bl      Lcount
    psci    PSCI_CPU_OFF
    b       .

Lagain:
    ram_base
    ram     x1, CONTEXTS
    stlr    x0, [x1]
    psci    PSCI_CPU_OFF
    b       .
