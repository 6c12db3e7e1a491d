// PSCI by HVC: version, features, three more CPUs with contended counters, CPU_OFF, AFFINITY_INFO.

    .include "lib/kernel.S"
    kernel  "psci"
    .arch_extension lse

    .equ    ROUNDS,     20000
    .equ    LSE_COUNT,  SHARED+0x00
    .equ    LLSC_COUNT, SHARED+0x40
    .equ    CONTEXTS,   SHARED+0xc0     // sum of the context ids that they were given

    psci    PSCI_VERSION
    lsr     x1, x0, #16
    check   x1, 1, "PSCI major version"
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

    mov     x19, #1
Lstart_next:
    mov     x1, x19
    adr     x2, Lsecondary
    add     x3, x19, #0x100
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON"
    add     x19, x19, #1
    cmp     x19, #4
    b.ne    Lstart_next

    // All four count. AFFINITY_INFO may still say OFF of a CPU that is about to come: wait until each has begun.
    bl      Lcount
    ram     x1, CONTEXTS
Lbegun:
    ldar    x0, [x1]
    cmp     x0, #0x306
    b.ne    Lbegun
    mov     x19, #1
Loff_next:
    mov     x1, x19
    mov     x2, #0
    psci    PSCI_AFFINITY_INFO64
    cmp     x0, #1
    b.ne    Loff_next
    add     x19, x19, #1
    cmp     x19, #4
    b.ne    Loff_next

    ram     x0, LSE_COUNT
    ldr     x0, [x0]
    check   x0, 4*ROUNDS, "counter by LSE"
    ram     x0, LLSC_COUNT
    ldr     x0, [x0]
    check   x0, 4*ROUNDS, "counter by exclusives"
    ram     x0, CONTEXTS
    ldr     x0, [x0]
    check   x0, 0x306, "context ids"

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

// A CPU's part: ROUNDS additions to each counter. Changes x0-x5.
Lcount:
    ram     x1, LSE_COUNT
    ram     x2, LLSC_COUNT
    mov64   x3, ROUNDS
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
    adr     x28, Lstart
    sub     x28, x28, #IMAGE
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
    adr     x28, Lstart
    sub     x28, x28, #IMAGE
    ram     x1, CONTEXTS
    stlr    x0, [x1]
    psci    PSCI_CPU_OFF
    b       .
