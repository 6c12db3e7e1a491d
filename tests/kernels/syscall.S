// System calls from EL0: SVC with arguments, the return value, an unknown number, and that EL0 comes back where it called.

    .include "lib/kernel.S"
    kernel  "syscall"

    .equ    SYS_ADD,    1               // x0 + x1
    .equ    SYS_EXIT,   2               // back to the kernel, x0 = result
    .equ    ENOSYS,     38

    set_hook CPU_HOOK_SYNC, Lsyscall
    adr     x1, Luser
    msr     ELR_EL1, x1
    mov     x1, #0x3c0                  // EL0t, interrupts masked
    msr     SPSR_EL1, x1
    mov64   x8, 0x0123456789abcdef      // EL0 finds its registers as they were
    isb
    eret

// At EL0. Ends with SYS_EXIT.
Luser:
    mov     x9, x8
    mov     x0, #40
    mov     x1, #2
    mov     w8, #SYS_ADD
    svc     #0
    mov     x10, x0
    mov     w8, #99
    svc     #0x1234
    mov     x11, x0
    mov     w8, #SYS_EXIT
    svc     #0xffff
    udf     #0                          // never here

// x0 = frame. The number is in the caller's x8, as on Linux.
Lsyscall:
    ldr     x1, [x0, #FRAME_ESR]
    lsr     x2, x1, #26
    check   x2, EC_SVC, "exception class"
    ldr     x2, [x0, #FRAME_VECTOR]
    check   x2, 0x400, "vector of an exception from EL0"
    ldr     x2, [x0, #FRAME_SPSR]
    check   x2, 0x3c0, "SPSR_EL1"
    ldr     x3, [x0, #0x40]
    cmp     x3, #SYS_ADD
    b.eq    Ladd
    cmp     x3, #SYS_EXIT
    b.eq    Lexit
    and     x1, x1, #0xffff
    check   x1, 0x1234, "immediate of SVC"
    mov     x2, #-ENOSYS
    str     x2, [x0]
    ret
Ladd:
    ldp     x1, x2, [x0]
    add     x1, x1, x2
    str     x1, [x0]
    ret
Lexit:
    and     x1, x1, #0xffff
    check   x1, 0xffff, "immediate of the last SVC"
    ldr     x1, [x0, #FRAME_ELR]
    adr     x2, Luser+0x2c              // behind the third SVC
    check_reg x1, x2, "ELR_EL1"
    ldr     x1, [x0, #0x48]
    check   x1, 0x0123456789abcdef, "x8 on entry to EL0"
    ldp     x1, x2, [x0, #0x50]
    check   x1, 42, "result of the first call"
    mov     x3, #-ENOSYS
    check_reg x2, x3, "result of an unknown call"
    pass
