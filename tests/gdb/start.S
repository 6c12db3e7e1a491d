// The guest of the debugger's tests: maps 0x40000000 to itself and to the upper half, turns the MMU on, and goes there.
    .macro  entry, name, stack, main, psci      // psci: the call at the end, SYSTEM_OFF or CPU_OFF
    .globl  \name
\name:
    bl      set_up
    ldr     x0, =\stack
    mov     sp, x0
    ldr     x0, =\main
    blr     x0
    ldr     w0, =\psci
    hvc     #0
    b       .
    .endm

    .section .boot, "ax"
    entry   _start, stack_top, guest_main, 0x84000008
    entry   secondary_start, stack_top_1, second_main, 0x84000002   // of CPU_ON

    .globl  set_up
set_up:
    ldr     x0, =tables             // level 1 for both halves: 0 to 1 GiB Device, 1 to 2 GiB Normal
    ldr     x1, =0x0060000000000405
    str     x1, [x0]
    ldr     x1, =0x0000000040000701
    str     x1, [x0, #8]
    msr     TTBR0_EL1, x0
    msr     TTBR1_EL1, x0
    mov     x1, #0xff               // 0: Normal, write-back; 1: Device-nGnRnE
    msr     MAIR_EL1, x1
    ldr     x1, =0x0000000580190019 // T0SZ, T1SZ 25 (39 bits), TG1 4 KiB, IPS 48 bits
    msr     TCR_EL1, x1
    ldr     x1, =vectors
    msr     VBAR_EL1, x1
    mov     x1, #0x300000
    msr     CPACR_EL1, x1
    isb
    mrs     x1, SCTLR_EL1
    orr     x1, x1, #1
    orr     x1, x1, #4
    .globl  mmu_on
mmu_on:
    msr     SCTLR_EL1, x1
    isb
    ret
    .ltorg

    .text
    .balign 2048
    .globl  vectors
vectors:
    .rept 16
    stp     x29, x30, [sp, #-16]!
    stp     x0, x1, [sp, #-16]!
    mrs     x0, ESR_EL1
    lsr     x1, x0, #26
    cmp     x1, #0x15               // SVC: on behind it, where ELR_EL1 points
    b.eq    1f
    mrs     x1, ELR_EL1
    add     x1, x1, #4
    msr     ELR_EL1, x1
1:  ldp     x0, x1, [sp], #16
    ldp     x29, x30, [sp], #16
    eret
    .balign 128
    .endr
