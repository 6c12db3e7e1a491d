// Start of a bench guest: stack, identity map with caches on, then guest_main(), then PSCI SYSTEM_OFF. A second CPU comes to
// secondary_start and calls secondary_main().
    .section .text.start, "ax"
    .globl  _start
_start:
    adrp    x0, stack_top
    add     x0, x0, :lo12:stack_top
    mov     sp, x0
    bl      set_up
    bl      guest_main
    mov     w0, #0x0008
    movk    w0, #0x8400, lsl #16
    hvc     #0
1:  wfi
    b       1b

    .globl  secondary_start
secondary_start:
    adrp    x0, second_stack_top
    add     x0, x0, :lo12:second_stack_top
    mov     sp, x0
    bl      set_up
    bl      secondary_main
1:  wfi
    b       1b
    .weak   secondary_main

    // What a CPU needs; both write the same table.
set_up:
    adr     x0, vectors
    msr     VBAR_EL1, x0
    mov     x0, #0x300000               // FPEN
    msr     CPACR_EL1, x0
    // Level 1 blocks of 1 GiB, T0SZ 25: [0, 1G) Device-nGnRnE, [1G, 2G) normal write-back.
    adrp    x0, table
    mov     x1, #0x405
    movk    x1, #0x60, lsl #48
    str     x1, [x0]
    mov     x1, #0x701
    movk    x1, #0x4000, lsl #16
    str     x1, [x0, #8]
    msr     TTBR0_EL1, x0
    mov     x1, #0x00ff                 // Attr 0 write-back, Attr 1 Device-nGnRnE
    msr     MAIR_EL1, x1
    mov     x1, #0x3519                 // T0SZ 25, IRGN0, ORGN0 write-back, SH0 inner
    movk    x1, #0x80, lsl #16          // EPD1
    movk    x1, #0x2, lsl #32           // IPS 40 bits
    msr     TCR_EL1, x1
    dsb     ish
    tlbi    vmalle1
    dsb     ish
    isb
    mrs     x1, SCTLR_EL1
    mov     x2, #0x1005                 // M, C, I
    orr     x1, x1, x2
    bic     x1, x1, #2                  // A
    msr     SCTLR_EL1, x1
    isb
    ret

    .balign 2048
    .globl  vectors
vectors:
    .rept   4
    .balign 128
1:  b       1b
    .endr
    // Current EL with SPx, synchronous: SVC comes back at once.
    .balign 128
    eret
    .balign 128
    b       irq_entry
    .rept   10
    .balign 128
2:  b       2b
    .endr
    .balign 128

    // The time goes to irq_taken(), which only a guest with interrupts has.
    .weak   irq_taken
irq_entry:
    stp     x0, x1, [sp, #-192]!
    mrs     x0, CNTVCT_EL0
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x30, [sp, #144]
    bl      irq_taken
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x30, [sp, #144]
    ldp     x0, x1, [sp], #192
    eret

    .bss
    .balign 4096
table:
    .skip   4096
    .skip   65536
stack_top:
    .skip   65536
second_stack_top:
