// The cycle counter of the PMU, where there is one: it counts, it stops, and when it overflows it interrupts by PPI 23.

    .include "lib/kernel.S"
    kernel  "pmu"
    .include "lib/gic.S"

    .equ    PMU_INTID,  23
    .equ    INTERRUPTS, SHARED
    .equ    CYCLES,     1<<31           // its bit among the counters'

    id_field x0, ID_AA64DFR0_EL1, 8     // PMUVer; 0xf: of another kind
    sub     x0, x0, #1
    cmp     x0, #14
    b.lo    Lthere
    say     "no PMU\n"
    pass
Lthere:
    bl      Lgic_init
    mov     x0, #PMU_INTID
    bl      Lgic_enable_ppi
    set_hook CPU_HOOK_IRQ, Lirq
    mov     x0, #-1                     // what a reset leaves of these is not known
    msr     PMINTENCLR_EL1, x0
    msr     PMCNTENCLR_EL0, x0
    msr     PMOVSCLR_EL0, x0
    msr     PMCCFILTR_EL0, xzr
    mov     x0, #0x47                   // LC, C, P, E
    msr     PMCR_EL0, x0
    isb
    mrs     x19, PMCCNTR_EL0
    bl      Lwork
    mrs     x0, PMCCNTR_EL0
    check_reg x0, x19, "PMCCNTR_EL0 while it is off"
    mov     x0, #CYCLES
    msr     PMCNTENSET_EL0, x0
    isb
    mrs     x19, PMCCNTR_EL0
    bl      Lwork
    mrs     x0, PMCCNTR_EL0
    check_reg x0, x19, "PMCCNTR_EL0 after some work", hi

    mov     x0, #-10000
    msr     PMCCNTR_EL0, x0
    mov     x0, #CYCLES
    msr     PMINTENSET_EL1, x0
    isb
Lwait:
    bl      Lwork
    msr     daifclr, #2
    isb
    msr     daifset, #2
    ram     x0, INTERRUPTS
    ldr     x0, [x0]
    cbz     x0, Lwait
    check   x0, 1, "interrupts"
    mrs     x0, PMCCNTR_EL0
    tst     x0, #1<<63
    cset    x0, ne
    check   x0, 0, "bit 63 of PMCCNTR_EL0 after its overflow"
    say     "PMU\n"
    pass

Lwork:
    mov     x0, #10000
Lwork_more:
    subs    x0, x0, #1
    b.ne    Lwork_more
    ret

Lirq:
    mrs     x20, ICC_IAR1_EL1
    check   x20, PMU_INTID, "INTID"
    mrs     x0, PMOVSCLR_EL0
    mov     x1, #CYCLES
    and     x0, x0, x1
    check_reg x0, x1, "PMOVSCLR_EL0"
    msr     PMOVSCLR_EL0, x1
    isb
    msr     ICC_EOIR1_EL1, x20
    isb
    ram     x1, INTERRUPTS
    ldr     x0, [x1]
    add     x0, x0, #1
    str     x0, [x1]
    ret
