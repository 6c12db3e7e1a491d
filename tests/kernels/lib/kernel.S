// The library of the test kernels: entry, vectors, console, report. A kernel includes this first, then says `kernel "name"` and goes on with
// its code at EL1h: MMU off, interrupts masked, stack ready, x28 = RAM base. It ends with `pass`.
//
// Optional parts, included at the end of a kernel's source: lib/mmu.S, lib/gic.S, lib/smp.S.

    .include "lib/macros.S"

    .text

_start:
Limage:
Lstart:
    msr     daifset, #15
    ram_base
    mov     x0, #0
    bl      Lcpu_init
    // The result area and the kernel's words begin as zero, also after a reset that kept the RAM.
    ram     x0, RESULT
    mov     x1, #0x2000
Lclear:
    stp     xzr, xzr, [x0], #16
    subs    x1, x1, #16
    b.ne    Lclear
    ram     x0, RESULT
    mov64   x1, STATUS_RUN
    str     w1, [x0, #RES_STATUS]
    bl      Luart_init
    b       Lmain

// Makes this CPU able to take exceptions and to call: x0 = its number. Changes x0-x3 and SP.
Lcpu_init:
    msr     SPSel, #1
    mov64   x1, SCTLR_OFF
    msr     SCTLR_EL1, x1
    isb
    ram     x1, STACKS
    add     x1, x1, x0, lsl #14
    add     x1, x1, #0x4000
    mov     sp, x1
    ram     x1, PERCPU
    add     x1, x1, x0, lsl #12
    msr     TPIDR_EL1, x1
    mov     x2, #0x80
    mov     x3, x1
Lcpu_clear:
    str     xzr, [x3], #8
    subs    x2, x2, #8
    b.ne    Lcpu_clear
    str     x0, [x1, #CPU_NUMBER]
    adr     x1, Lvectors
    msr     VBAR_EL1, x1
    mov64   x1, 0x300000                // CPACR_EL1.FPEN: no trap
    msr     CPACR_EL1, x1
    msr     CNTKCTL_EL1, xzr
    isb
    ret

// ---- Vectors: save everything, call the hook of this kind, restore, return.
    .balign 2048
Lvectors:
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    .balign 128
    sub     sp, sp, #FRAME_SIZE
    stp     x0, x1, [sp]
    mov     x0, #\n
    b       Lexception
    .endr
    .balign 128

Lexception:
    stp     x2, x3, [sp, #0x10]
    stp     x4, x5, [sp, #0x20]
    stp     x6, x7, [sp, #0x30]
    stp     x8, x9, [sp, #0x40]
    stp     x10, x11, [sp, #0x50]
    stp     x12, x13, [sp, #0x60]
    stp     x14, x15, [sp, #0x70]
    stp     x16, x17, [sp, #0x80]
    stp     x18, x19, [sp, #0x90]
    stp     x20, x21, [sp, #0xa0]
    stp     x22, x23, [sp, #0xb0]
    stp     x24, x25, [sp, #0xc0]
    stp     x26, x27, [sp, #0xd0]
    stp     x28, x29, [sp, #0xe0]
    mrs     x1, SP_EL0
    stp     x30, x1, [sp, #0xf0]
    mrs     x1, ELR_EL1
    mrs     x2, SPSR_EL1
    stp     x1, x2, [sp, #FRAME_ELR]
    mrs     x1, ESR_EL1
    mrs     x2, FAR_EL1
    stp     x1, x2, [sp, #FRAME_ESR]
    lsl     x1, x0, #7
    str     x1, [sp, #FRAME_VECTOR]
    ram_base

    mrs     x2, TPIDR_EL1
    and     x3, x0, #3                  // 0 synchronous, 1 IRQ, 2 FIQ, 3 SError
    add     x4, x2, x3, lsl #3
    ldr     x4, [x4, #CPU_HOOK_SYNC]
    mov     x0, sp
    cbz     x4, Lexception_default
    blr     x4
Lexception_return:
    ldp     x1, x2, [sp, #FRAME_ELR]
    msr     ELR_EL1, x1
    msr     SPSR_EL1, x2
    ldp     x30, x1, [sp, #0xf0]
    msr     SP_EL0, x1
    ldp     x2, x3, [sp, #0x10]
    ldp     x4, x5, [sp, #0x20]
    ldp     x6, x7, [sp, #0x30]
    ldp     x8, x9, [sp, #0x40]
    ldp     x10, x11, [sp, #0x50]
    ldp     x12, x13, [sp, #0x60]
    ldp     x14, x15, [sp, #0x70]
    ldp     x16, x17, [sp, #0x80]
    ldp     x18, x19, [sp, #0x90]
    ldp     x20, x21, [sp, #0xa0]
    ldp     x22, x23, [sp, #0xb0]
    ldp     x24, x25, [sp, #0xc0]
    ldp     x26, x27, [sp, #0xd0]
    ldp     x28, x29, [sp, #0xe0]
    ldp     x0, x1, [sp]
    add     sp, sp, #FRAME_SIZE
    eret

// No hook: a synchronous exception that is expected is noted and left behind, to EL1h with interrupts masked and PAN, UAO as they were.
Lexception_default:
    ldr     x5, [x2, #CPU_RESUME]
    cbnz    x3, Lexception_unexpected
    cbz     x5, Lexception_unexpected
    str     xzr, [x2, #CPU_RESUME]
    ldr     x6, [x2, #CPU_SYNCS]
    add     x6, x6, #1
    str     x6, [x2, #CPU_SYNCS]
    ldp     x6, x7, [sp, #FRAME_ESR]
    stp     x6, x7, [x2, #CPU_ESR]
    ldp     x6, x7, [sp, #FRAME_ELR]
    stp     x6, x7, [x2, #CPU_ELR]
    ldr     x6, [sp, #FRAME_VECTOR]
    str     x6, [x2, #CPU_VECTOR]
    and     x7, x7, #0xc00000
    mov     x6, #0x3c5
    orr     x7, x7, x6
    stp     x5, x7, [sp, #FRAME_ELR]
    b       Lexception_return

// Says what happened, decoded by nobody, and gives up.
Lexception_unexpected:
    mov     x19, sp
    bl      Lfail_head
    say     "unexpected exception: vector "
    ldr     x0, [x19, #FRAME_VECTOR]
    bl      Lputx
    say     " ESR "
    ldr     x0, [x19, #FRAME_ESR]
    bl      Lputx
    say     " ELR "
    ldr     x0, [x19, #FRAME_ELR]
    bl      Lputx
    say     " FAR "
    ldr     x0, [x19, #FRAME_FAR]
    bl      Lputx
    say     " SPSR "
    ldr     x0, [x19, #FRAME_SPSR]
    bl      Lputx
    b       Lfail_end

// ---- Report
// x15 = what was checked, x16 = got, x17 = want.
Lfail:
    mov     x19, x15
    mov     x20, x16
    mov     x21, x17
    ram     x0, RESULT
    stp     x20, x21, [x0, #RES_GOT]
    bl      Lfail_head
    mov     x0, x19
    bl      Lputs
    say     " got "
    mov     x0, x20
    bl      Lputx
    say     " want "
    mov     x0, x21
    bl      Lputx
    b       Lfail_end

// x16 = the instruction that should have trapped.
Lfail_no_trap:
    mov     x20, x16
    bl      Lfail_head
    say     "no exception by the instruction at image + "
    adr     x0, Lstart
    sub     x0, x20, x0
    bl      Lputx
    say     ", which is "
    ldr     w0, [x20]
    bl      Lputx
Lfail_end:
    bl      Lnewline
    dsb     sy
    mov     x1, #1
    psci    VIBE_EXIT
    b       Loff

// "FAIL name: ".
Lfail_head:
    mov     x27, x30
    msr     daifset, #15
    ram     x0, RESULT
    mov64   x1, STATUS_FAIL
    str     w1, [x0, #RES_STATUS]
    say     "FAIL "
    adr     x0, Lname
    bl      Lputs
    say     ": "
    ret     x27

Lpass:
    msr     daifset, #15
    ram     x0, RESULT
    mov64   x1, STATUS_PASS
    str     w1, [x0, #RES_STATUS]
    say     "PASS "
    adr     x0, Lname
    bl      Lputs
    bl      Lnewline
Loff:
    dsb     sy
    psci    PSCI_SYSTEM_OFF
Loff_halt:
    wfi
    b       Loff_halt

// "SKIP name: " and the text at x0: a part that this CPU or machine doesn't have. The run goes on.
Lskip:
    stp     x19, x30, [sp, #-16]!
    mov     x19, x0
    say     "SKIP "
    adr     x0, Lname
    bl      Lputs
    say     ": "
    mov     x0, x19
    bl      Lputs
    bl      Lnewline
    ldp     x19, x30, [sp], #16
    ret

    .macro skip text:req
    adr     x0, Lskip_text\@
    bl      Lskip
    b       Lskipped\@
Lskip_text\@:
    .asciz  "\text"
    .balign 4
Lskipped\@:
    .endm

// ---- Console: the PL011 at 0x09000000, polled (DDI 0183, "Programmers model"). Leaf functions, they change x0-x5.
    .equ    UART,       0x09000000
    .equ    UARTDR,     0x00
    .equ    UARTFR,     0x18
    .equ    UARTLCR_H,  0x2c
    .equ    UARTCR,     0x30
Luart_init:
    mov64   x1, UART
    str     wzr, [x1, #UARTCR]
    mov     w2, #0x70                   // 8 bits, FIFOs
    str     w2, [x1, #UARTLCR_H]
    mov     w2, #0x301                  // enable, transmit, receive
    str     w2, [x1, #UARTCR]
    ret

Lputs:
    mov64   x1, UART
Lputs_next:
    ldrb    w2, [x0], #1
    cbz     w2, Lputs_end
Lputs_full:
    ldr     w3, [x1, #UARTFR]
    tbnz    w3, #5, Lputs_full
    strb    w2, [x1, #UARTDR]
    b       Lputs_next
Lputs_end:
    ret

Lnewline:
    mov     w0, #10
Lputc:
    mov64   x1, UART
Lputc_full:
    ldr     w3, [x1, #UARTFR]
    tbnz    w3, #5, Lputc_full
    strb    w0, [x1, #UARTDR]
    ret

// x0 in hexadecimal, without leading zeros.
Lputx:
    mov64   x1, UART
    clz     x4, x0
    cmp     x4, #0x3c
    mov     x5, #0x3c
    csel    x4, x5, x4, hi
    and     x4, x4, #0x3c
    lsl     x0, x0, x4
    mov     x5, #64
    sub     x4, x5, x4
Lputx_next:
    lsr     x2, x0, #60
    lsl     x0, x0, #4
    cmp     x2, #10
    add     x5, x2, #48
    add     x2, x2, #87
    csel    x2, x5, x2, lo
Lputx_full:
    ldr     w3, [x1, #UARTFR]
    tbnz    w3, #5, Lputx_full
    strb    w2, [x1, #UARTDR]
    subs    x4, x4, #4
    b.ne    Lputx_next
    ret
