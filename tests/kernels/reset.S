// PSCI SYSTEM_RESET: the machine starts again, and RAM that no image covers keeps what it had.

    .include "lib/kernel.S"
    kernel  "reset"

    .equ    MARK,       0x600d5eed

    ram     x19, KEPT
    mov64   x20, MARK
    ldr     x0, [x19]
    cmp     x0, x20
    b.eq    Lsecond
    str     x20, [x19]
    // A device and a register that have to be as after power-on the second time.
    mov64   x1, UART
    mov     w0, #0x7
    str     w0, [x1, #0x38]
    mov64   x0, 0x5555
    msr     CONTEXTIDR_EL1, x0
    say     "first"
    bl      Lnewline
    dsb     sy
    psci    PSCI_SYSTEM_RESET
    check   x0, 0, "SYSTEM_RESET came back"

Lsecond:
    str     xzr, [x19]
    mrs     x0, CurrentEL
    check   x0, 4, "CurrentEL after the reset"
    // QEMU 7.2 does not reset its PL011.
    unless_vibe Lnot_qemu
    mov64   x1, UART
    ldr     w0, [x1, #0x38]
    check   x0, 0, "UARTIMSC after the reset"
Lnot_qemu:
    pass
