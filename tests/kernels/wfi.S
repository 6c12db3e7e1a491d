// WFI sleeps until the timer and no longer; a pending interrupt that PSTATE masks ends it too. WFE, SEV and SEVL, the event stream, and a
// CPU that waits in WFE for another.

    .include "lib/kernel.S"
    kernel  "wfi"
    .include "lib/gic.S"

    .equ    STATE,      SHARED          // u64: how far the two CPUs have come
    .equ    WAKES,      SHARED+0x40

    bl      Lgic_init
    mov     x0, #27
    bl      Lgic_enable_ppi

    // 20 ms from now.
    mrs     x20, CNTFRQ_EL0
    mov     x1, #50
    udiv    x20, x20, x1
    isb
    mrs     x19, CNTVCT_EL0
    add     x21, x19, x20
    msr     CNTV_CVAL_EL0, x21
    mov     x0, #1
    msr     CNTV_CTL_EL0, x0
    isb
    mov     x22, #0
Lsleep:
    wfi
    add     x22, x22, #1
    mrs     x0, ISR_EL1
    cbz     x0, Lsleep
    isb
    mrs     x23, CNTVCT_EL0
    check_reg x23, x21, "WFI lasts until the timer", hs
    add     x24, x21, x20, lsl #3       // eight times the time: a loaded host
    check_reg x23, x24, "WFI ends soon after", lo
    check   x22, 4, "WFI ends seldom for no reason", ls

    // The interrupt is still pending: WFI does not wait.
    wfi
    wfi
    mrs     x0, CNTVCT_EL0
    sub     x0, x0, x23
    check_reg x0, x20, "WFI with an interrupt pending", lo
    msr     CNTV_CTL_EL0, xzr
    isb

    // The event register is set: WFE does not wait, and clears it.
    sevl
    wfe
    sev
    wfe

    // The event stream ends it, with nothing else to: an event each 2^11 ticks.
    mov     x0, #10<<4|4                // EVNTI, EVNTEN
    msr     CNTKCTL_EL1, x0
    isb
    mov     x22, #100
Lstream:
    wfe
    subs    x22, x22, #1
    b.ne    Lstream
    msr     CNTKCTL_EL1, xzr
    isb

    // Another CPU waits in WFE, for 20 ms, until a store and SEV; then for a store to what its exclusive monitor watches.
    mov     x1, #1
    adr     x2, Lsecondary
    mov     x3, #0
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON"
    ram     x19, STATE
    mov     x0, #1
    bl      Lawait
    mrs     x21, CNTVCT_EL0
    add     x21, x21, x20
Ldelay:
    isb
    mrs     x0, CNTVCT_EL0
    cmp     x0, x21
    b.lo    Ldelay
    ldr     x0, [x19]
    check   x0, 1, "what the other CPU waits for"
    mov     x0, #2
    stlr    x0, [x19]
    dsb     ish
    sev
    mov     x0, #3
    bl      Lawait
    // It slept: 20 ms of waking for no reason more often than every 20 us is no sleep. (QEMU 7.2 does not sleep in WFE.)
    unless_vibe Lnot_vibe
    ram     x1, WAKES
    ldr     x0, [x1]
    check   x0, 1000, "ends of WFE in 20 ms", ls
Lnot_vibe:
    mov     x0, #4
    stlr    x0, [x19]
    mov     x0, #5
    bl      Lawait
    pass

// Until the word at x19 is x0. Changes x1.
Lawait:
    ldar    x1, [x19]
    cmp     x1, x0
    b.ne    Lawait
    ret

Lsecondary:
    ram_base
    ram     x19, STATE
    ram     x20, WAKES
    mov     x2, #0
    sevl
    wfe
    mov     x0, #1
    stlr    x0, [x19]
Lsecondary_event:
    wfe
    add     x2, x2, #1
    str     x2, [x20]
    ldar    x0, [x19]
    cmp     x0, #2
    b.ne    Lsecondary_event
    mov     x0, #3
    stlr    x0, [x19]
Lsecondary_monitor:
    ldaxr   x0, [x19]
    cmp     x0, #4
    b.eq    Lsecondary_end
    wfe
    b       Lsecondary_monitor
Lsecondary_end:
    mov     x0, #5
    stlr    x0, [x19]
    psci    PSCI_CPU_OFF
    b       .
