// Calls of all sorts without end, CPUs switched on and off by each other, a reset and a power-off in the middle of it. Every CPU_ON that succeeds
// starts its CPU once.

    .include "lib/kernel.S"
    kernel  "storm"

    .equ    RANDOM_CALLS, 512
    .equ    ROUNDS,     64
    .equ    RESETS,     3
    .equ    STARTED,    SHARED          // CPU_ONs that succeeded
    .equ    RAN,        SHARED+0x40     // CPUs that came
    .equ    MARK,       0x5702          // in KEPT, above the number of resets

    ram     x0, KEPT
    ldr     x25, [x0]
    lsr     x1, x25, #8
    mov     x2, #MARK
    cmp     x1, x2
    b.eq    Lstorm

// ---- Calls: HVC, and SMC where there is one. x19 = the random number, x20-x27 must survive, and x4-x7.
    mov     x26, #0
    resume_at Lno_smc
    psci    PSCI_VERSION
    mov64   x0, PSCI_VERSION
    smc     #0
    mov     x26, #1
Lno_smc:
    mrs     x16, TPIDR_EL1
    str     xzr, [x16, #CPU_RESUME]
    mov64   x19, 0x9e3779b97f4a7c15
    .macro calls first, number
    mov64   x20, \first
    mov64   x21, \number
    bl      Lcalls
    .endm
    calls   0x00000000, 0x10
    calls   0x80000000, 0x40            // Arm's architecture calls
    calls   0x80003ff0, 0x20
    calls   0x80007ff0, 0x20
    calls   0x84000000, 0x100           // PSCI, TRNG
    calls   0xc4000000, 0x100
    calls   0xc5000000, 0x40            // stolen time
    calls   0x86000000, 0x110           // the hypervisor's vendor's
    calls   0xc6000000, 0x20
    calls   0x8600ff00, 0x40
    calls   0xffffffe0, 0x30
    mov     x21, #RANDOM_CALLS
Lrandom_next:
    bl      Lrandom
    mov     x20, x19
    bl      Lcall
    subs    x21, x21, #1
    b.ne    Lrandom_next
    psci    PSCI_VERSION
    check   x0, 2, "PSCI_VERSION after all of them", hi

// ---- Entries where there is no code: refused, or that CPU is lost.
    .irp    entry, 0x09000000, 0x7fff000000000000, 0x10002
    mov     x1, #3
    mov64   x2, \entry
    mov     x3, #0
    psci    PSCI_CPU_ON64
    .endr

// ---- CPUs on and off
    mov64   x0, MARK<<8
    ram     x1, KEPT
    str     x0, [x1]
    mov     x20, #ROUNDS
Lround_next:
    and     x0, x20, #1
    add     x0, x0, #1
    bl      Lstart_cpu
    subs    x20, x20, #1
    b.ne    Lround_next
    // Each that was started comes, also those that another one has started.
Lall_come:
    ram     x0, STARTED
    ldar    x19, [x0]
    ram     x1, RAN
    ldar    x20, [x1]
    cmp     x19, x20
    b.ne    Lall_come
    mov     x1, #1
    bl      Lwait_off
    mov     x1, #2
    bl      Lwait_off
    ram     x0, STARTED
    ldar    x19, [x0]
    ram     x1, RAN
    ldar    x20, [x1]
    check_reg x20, x19, "CPUs that came"
    check   x20, 2, "CPUs that came", hs

// ---- In the middle of that CPU 1 resets the machine, three times; then this one switches it off.
Lstorm:
    ram     x0, KEPT
    ldrb    w25, [x0]
    cmp     w25, #RESETS
    b.eq    Llast
    add     w1, w25, #1
    strb    w1, [x0]
    dsb     sy
    mov     x1, #1
    adr     x2, Lresets
    mov     x3, #0
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON of the one that resets"
Lstorm_on:
    mov     x0, #2
    bl      Lstart_cpu
    b       Lstorm_on
Llast:
    mov     x20, #8
Llast_next:
    mov     x0, #1
    bl      Lstart_cpu
    subs    x20, x20, #1
    b.ne    Llast_next
    pass

// A CPU without a stack, as CPU_ON leaves it.
Lresets:
    ram_base
    mov     x20, #20
Lresets_next:
    mov     x0, #2
    bl      Lstart_cpu
    subs    x20, x20, #1
    b.ne    Lresets_next
    psci    PSCI_SYSTEM_RESET
    b       .

Lcame:
    ram_base
    mov     x20, x0
    ram     x1, RAN
    bl      Lincrement
    cmp     x20, #1
    b.ne    Lgoes
    mov     x0, #2
    bl      Lstart_cpu
Lgoes:
    psci    PSCI_CPU_OFF
    b       .

// CPU_ON of CPU x0. Success counts before the CPU can have come. Changes x0-x3, x14-x16, x18.
Lstart_cpu:
    mov     x18, x30
    mov     x1, x0
    adr     x2, Lcame
    mov     x3, x0
    psci    PSCI_CPU_ON64
    cbnz    x0, Lstart_failed
    ram     x1, STARTED
    mov     x30, x18
    b       Lincrement
Lstart_failed:
    sxtw    x0, w0
    add     x0, x0, #5                  // ON_PENDING -5, ALREADY_ON -4
    check   x0, 1, "CPU_ON fails with", ls
    ret     x18

Lincrement:
    ldxr    x0, [x1]
    add     x0, x0, #1
    stlxr   w2, x0, [x1]
    cbnz    w2, Lincrement
    ret

// Until CPU x1 is off.
Lwait_off:
    mov     x18, x1
Lwait_off_next:
    mov     x1, x18
    mov     x2, #0
    psci    PSCI_AFFINITY_INFO64
    cmp     x0, #1
    b.ne    Lwait_off_next
    ret

Lrandom:
    eor     x19, x19, x19, lsl #13
    eor     x19, x19, x19, lsr #7
    eor     x19, x19, x19, lsl #17
    ret

// x21 calls from x20 on.
Lcalls:
    mov     x27, x30
Lcalls_next:
    bl      Lcall
    add     x20, x20, #1
    subs    x21, x21, #1
    b.ne    Lcalls_next
    ret     x27

// The call x20 with random arguments, unless it would end this: CPU_SUSPEND, CPU_OFF, CPU_ON, SYSTEM_OFF, SYSTEM_RESET, CPU_FREEZE,
// CPU_DEFAULT_SUSPEND, SYSTEM_SUSPEND, SYSTEM_RESET2, vibevmm's exit.
Lcall:
    mov     x18, x30
    mov64   x0, 0x86000100
    cmp     w20, w0
    b.eq    Lcall_not
    and     w0, w20, #0xbfffffff
    mov64   x1, 0x84000000
    sub     w0, w0, w1
    cmp     w0, #32
    b.hs    Lcall_may
    mov64   x1, 1<<1|1<<2|1<<3|1<<8|1<<9|1<<11|1<<12|1<<14|1<<18
    lsr     w1, w1, w0
    tbnz    w1, #0, Lcall_not
Lcall_may:
    mov     x25, #1
Lcall_again:
    bl      Lrandom
    mov     x1, x19
    bl      Lrandom
    mov     x2, x19
    bl      Lrandom
    mov     x3, x19
    mov     x0, x20
    mov     x4, #4
    mov     x5, #5
    mov     x6, #6
    mov     x7, #7
    cbz     x25, Lcall_smc
    hvc     #0
    b       Lcalled
Lcall_smc:
    smc     #0
Lcalled:
    mov     x0, #10
    madd    x4, x4, x0, x5
    madd    x4, x4, x0, x6
    madd    x4, x4, x0, x7
    mov     x1, #4567
    check_reg x4, x1, "x4 to x7 after a call"
    sub     x25, x25, #1
    cbz     x26, Lcall_not
    cbz     x25, Lcall_again
Lcall_not:
    ret     x18
