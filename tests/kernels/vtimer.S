// The virtual timer and its interrupt through the GICv3: masked by IMASK, by the GIC's priority mask, by PSTATE; acknowledged and ended.

    .include "lib/kernel.S"
    kernel  "vtimer"
    .include "lib/gic.S"

    .equ    INTID,      27
    .equ    TAKEN,      SHARED

    bl      Lgic_init
    mov     x0, #INTID
    bl      Lgic_enable_ppi
    set_hook CPU_HOOK_IRQ, Lirq

    // The counter grows, and TVAL counts down from CVAL.
    mrs     x19, CNTVCT_EL0
    isb
    mrs     x20, CNTVCT_EL0
    check_reg x20, x19, "CNTVCT_EL0 grows", hs
    mov     x0, #0x10000
    msr     CNTV_TVAL_EL0, x0
    isb
    mrs     x0, CNTV_CVAL_EL0
    check_reg x0, x20, "CNTV_CVAL_EL0 by CNTV_TVAL_EL0", hi

    // Due but masked in the timer: status, no interrupt.
    msr     CNTV_CVAL_EL0, xzr
    mov     x0, #3
    msr     CNTV_CTL_EL0, x0
    isb
    mrs     x0, CNTV_CTL_EL0
    check   x0, 7, "CNTV_CTL_EL0 while due and masked"
    mrs     x0, ISR_EL1
    check   x0, 0, "ISR_EL1 while masked in the timer"

    // Due, but the CPU interface lets nothing through.
    msr     ICC_PMR_EL1, xzr
    mov     x0, #1
    msr     CNTV_CTL_EL0, x0
    isb
    mrs     x0, ISR_EL1
    check   x0, 0, "ISR_EL1 while masked by ICC_PMR_EL1"
    mov     x0, #0xff
    msr     ICC_PMR_EL1, x0
    isb
    mrs     x0, ISR_EL1
    check   x0, 0x80, "ISR_EL1 while masked by PSTATE"
    ram     x19, TAKEN
    ldr     x0, [x19]
    check   x0, 0, "interrupts taken while masked"

    // Unmasked: once, because the hook turns the timer off.
    msr     daifclr, #2
    isb
    ldr     x0, [x19]
    check   x0, 1, "interrupts taken"
    mrs     x0, ISR_EL1
    check   x0, 0, "ISR_EL1 afterwards"

    // Ten more, each a millisecond away, waited for in WFI.
    mov     x20, #10
Lnext:
    mrs     x0, CNTFRQ_EL0
    mov     x1, #1000
    udiv    x0, x0, x1
    mrs     x21, CNTVCT_EL0
    add     x21, x21, x0
    msr     CNTV_CVAL_EL0, x21
    mov     x0, #1
    msr     daifset, #2
    msr     CNTV_CTL_EL0, x0
    isb
    ldr     x22, [x19]
Lwait:
    wfi
    msr     daifclr, #2
    isb
    msr     daifset, #2
    ldr     x0, [x19]
    cmp     x0, x22
    b.eq    Lwait
    mrs     x0, CNTVCT_EL0
    check_reg x0, x21, "the interrupt came in time", hs
    subs    x20, x20, #1
    b.ne    Lnext
    ldr     x0, [x19]
    check   x0, 11, "interrupts taken in the end"
    // A thousand that come while the guest waits, with interrupts not masked: the handler first, then what stands behind the WFI. (WFI may end without
    // any; but not often.) First with one that is pending and masked, which ends every WFI at once: so translators have seen the loop.
    set_hook CPU_HOOK_IRQ, Lirq_again
    mov     x0, #1
    msr     CNTV_TVAL_EL0, x0
    msr     CNTV_CTL_EL0, x0
    bl      Lwait_often
    mov     x0, #1250                   // 20 us
    msr     CNTV_TVAL_EL0, x0
    msr     daifclr, #2
    bl      Lwait_often
    msr     daifset, #2
    msr     CNTV_CTL_EL0, xzr
    mov     x0, #50
    check_reg x21, x0, "WFI that ended before the interrupt was taken", lo

    pass

Lirq:
    mrs     x0, ICC_IAR1_EL1
    check   x0, INTID, "ICC_IAR1_EL1"
    mrs     x1, ICC_RPR_EL1
    check   x1, 0xa0, "running priority"
    mrs     x1, ICC_IAR1_EL1
    check   x1, 1023, "nothing else is pending"
    msr     CNTV_CTL_EL0, xzr
    isb
    msr     ICC_EOIR1_EL1, x0
    isb
    mrs     x1, ICC_RPR_EL1
    check   x1, 0xff, "idle priority"
    ram     x1, TAKEN
    ldr     x2, [x1]
    add     x2, x2, #1
    str     x2, [x1]
    ret

// A thousand WFIs; x21 = after how many of them no interrupt had been taken.
Lwait_often:
    mov     x20, #1000
    mov     x21, #0
Lwait_once:
    str     xzr, [x19]
    wfi
    ldr     x0, [x19]
    cmp     x0, #0
    cinc    x21, x21, eq
    subs    x20, x20, #1
    b.ne    Lwait_once
    ret

Lirq_again:
    mrs     x0, ICC_IAR1_EL1
    mov     x1, #1250
    msr     CNTV_TVAL_EL0, x1
    isb
    msr     ICC_EOIR1_EL1, x0
    ram     x1, TAKEN
    mov     x2, #1
    str     x2, [x1]
    ret
