// WFI sleeps until the timer and no longer; a pending interrupt that PSTATE masks ends it too. WFE, SEV and SEVL.

    .include "lib/kernel.S"
    kernel  "wfi"
    .include "lib/gic.S"

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
    pass
