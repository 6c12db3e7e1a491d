// Nested exceptions: handlers that cause exceptions themselves, ELR and SPSR saved and restored, the vector by origin (EL1t, EL1h, EL0),
// SP_EL0 and SP_EL1 kept apart.

    .include "lib/kernel.S"
    kernel  "nested"

    .equ    DEPTH,   SHARED             // u64: depth reached
    .equ    VECTORS, SHARED+0x100       // u64 each: vector offset at depth 0, 1, ...
    .equ    UNWOUND, SHARED+0x10        // u64: handlers that returned in order

    bl      Lmmu_on

    // From EL1h: 0x200, from EL1t: 0x000, from EL0: 0x400.
    must_trap EC_BRK, 0x11, "BRK at EL1h", brk #0x11
    ram     x19, USER_END
    msr     SP_EL0, x19
    mov     x20, sp
    msr     SPSel, #0
    mov     x0, sp
    check_reg x0, x19, "SP with SPSel 0"
    traps   brk #0x12
    check_exception EC_BRK, 0x12, "BRK at EL1t"
    check_vector 0, "BRK at EL1t"
    mrs     x14, TPIDR_EL1
    ldr     x0, [x14, #CPU_SPSR]
    and     x0, x0, #0xff
    check   x0, 0xc4, "SPSR from EL1t: I, F and M"
    mov     x0, sp
    check_reg x0, x20, "SP_EL1 after an exception from EL1t"
    mrs     x0, SP_EL0
    check_reg x0, x19, "SP_EL0 after an exception from EL1t"
    mrs     x0, SPSel
    check   x0, 1, "SPSel in and after a handler"
    run_el0 Lbrk_el0
    check_exception EC_BRK, 0x13, "BRK at EL0"
    check_vector 0x400, "BRK at EL0"
    check_elr Lbrk_el0, "BRK at EL0"

    // PSTATE on entry: all of DAIF masked, and back on return what SPSR says.
    set_hook CPU_HOOK_SYNC, Lsee_daif
    msr     daifclr, #15
    svc     #0
    mrs     x0, DAIF
    msr     daifset, #15
    check   x0, 0, "DAIF after the return"
    ram     x0, SHARED
    ldr     x0, [x0, #0x18]
    check   x0, 0x3c0, "DAIF in the handler"
    msr     daifset, #2
    msr     daifclr, #13
    svc     #0
    mrs     x0, DAIF
    msr     daifset, #15
    check   x0, 0x80, "DAIF.I after the return"

    // NZCV in SPSR, to and fro.
    mov     x0, #0xa0000000
    msr     NZCV, x0
    svc     #0
    mrs     x0, NZCV
    check   x0, 0xa0000000, "NZCV after the return"

    // Eight deep, each handler causing the next; then out again in order.
    set_hook CPU_HOOK_SYNC, Lnest
    mov     x21, sp
    mov     x22, #0x77
    ram     x0, USER_END
    msr     SP_EL0, x0
    adr     x0, Luser
    msr     ELR_EL1, x0
    mov     x0, #0x3c0
    msr     SPSR_EL1, x0
    eret
Lback:
    // Lnest's last act for the second SVC from EL0 is to come here.
    mov     x0, sp
    check_reg x0, x21, "SP_EL1 after eight nested exceptions"
    check   x22, 0x77, "a register through eight nested exceptions"
    ram     x19, DEPTH
    ldr     x0, [x19]
    check   x0, 8, "depth reached"
    ldr     x0, [x19, #0x10]
    check   x0, 8, "handlers unwound in order"
    ram     x19, VECTORS
    ldr     x0, [x19]
    check   x0, 0x400, "vector at depth 0"
    mov     x20, #1
Lvector_next:
    ldr     x0, [x19, x20, lsl #3]
    check   x0, 0x200, "vector of a nested exception"
    add     x20, x20, #1
    cmp     x20, #8
    b.ne    Lvector_next
    pass

Lbrk_el0:
    brk     #0x13
Luser:
    svc     #1
    svc     #2
    b       .

Lsee_daif:
    mrs     x1, DAIF
    ram     x2, SHARED
    str     x1, [x2, #0x18]
    ret

// x0 = frame. SVC 2 ends it all; anything else nests until the depth is 8, and checks on the way out that the frame is still its own.
Lnest:
    ldr     x1, [x0, #FRAME_ESR]
    and     x2, x1, #0xffff
    cmp     x2, #2
    b.ne    Lnest_in
    adr     x1, Lback
    str     x1, [x0, #FRAME_ELR]
    mov     x1, #0x3c5
    str     x1, [x0, #FRAME_SPSR]
    ret
Lnest_in:
    stp     x29, x30, [sp, #-48]!
    stp     x19, x20, [sp, #16]
    str     x21, [sp, #32]
    mov     x19, x0
    ram     x20, SHARED
    ldr     x21, [x20]                  // this handler's depth
    ldr     x1, [x0, #FRAME_VECTOR]
    ram     x2, VECTORS
    str     x1, [x2, x21, lsl #3]
    add     x1, x21, #1
    str     x1, [x20]
    cmp     x1, #8
    b.eq    Lnest_out
    mrs     x22, ELR_EL1
    svc     #1                          // the next one; ELR_EL1 and SPSR_EL1 are now its
Lnest_svc:
    mrs     x1, ELR_EL1
    adr     x2, Lnest_svc
    check_reg x1, x2, "ELR_EL1 after a nested return"
Lnest_out:
    ldr     x1, [x20, #0x10]
    add     x1, x1, #1
    str     x1, [x20, #0x10]
    mov     x2, #8
    sub     x2, x2, x21
    check_reg x1, x2, "order of unwinding"
    ldr     x21, [sp, #32]
    ldp     x19, x20, [sp, #16]
    ldp     x29, x30, [sp], #48
    ret

    .include "lib/mmu.S"
