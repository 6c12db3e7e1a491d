// Console output by MMIO: bytes to the PL011's data register by stores of each width, its flags and identification, and input if there is any.

    .include "lib/kernel.S"
    kernel  "console"

    // The identification registers of a PL011 r1p5 from Arm (DDI 0183, "Peripheral identification registers").
    mov64   x19, UART
    mov     x20, #0
    adr     x21, Lids
    add     x22, x19, #0xfe0
Lid:
    ldr     w0, [x22], #4
    ldrb    w1, [x21], #1
    check_reg x0, x1, "UART identification byte"
    add     x20, x20, #1
    cmp     x20, #8
    b.ne    Lid

    // Nothing sent, nothing received: transmit FIFO empty, receive FIFO empty, not full, not busy.
    ldr     w0, [x19, #UARTFR]
    and     w0, w0, #0xf8
    check   x0, 0x90, "UARTFR while idle"

    // A character is written by a store of any width.
    mov     w1, #0x31
    strb    w1, [x19]
    mov     w1, #0x32
    strh    w1, [x19]
    mov     w1, #0x33
    str     w1, [x19]
    bl      Lnewline

    // More than the FIFO holds, in one go, with the full flag heeded; then in order.
    mov     x20, #0
Lline:
    adr     x0, Labc
    bl      Lputs
    add     x20, x20, #1
    cmp     x20, #10
    b.ne    Lline
    bl      Lnewline
    mov64   x0, 0x0123456789abcdef
    bl      Lputx
    bl      Lnewline
    mov     x0, #0
    bl      Lputx
    bl      Lnewline

    // Control registers keep what is written; the divisor has its 16 bits.
    mov     w1, #0x1234
    str     w1, [x19, #0x24]
    ldr     w0, [x19, #0x24]
    check   x0, 0x1234, "UARTIBRD"
    mov     w1, #0x15
    str     w1, [x19, #0x28]
    ldr     w0, [x19, #0x28]
    check   x0, 0x15, "UARTFBRD"
    ldr     w0, [x19, #UARTCR]
    check   x0, 0x301, "UARTCR"

    // Interrupts: the raw transmit interrupt shows in UARTMIS only when it is enabled in UARTIMSC.
    str     wzr, [x19, #0x38]
    ldr     w0, [x19, #0x40]
    check   x0, 0, "UARTMIS with nothing enabled"
    mov     w1, #0x20
    str     w1, [x19, #0x38]
    ldr     w0, [x19, #0x3c]
    ldr     w1, [x19, #0x40]
    and     w0, w0, #0x20
    check_reg x1, x0, "UARTMIS with transmit enabled"
    str     wzr, [x19, #0x38]
    pass

Lids:
    .byte   0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1
Labc:
    .asciz  "abcdefghijklmnopqrstuvwxyz"
    .balign 4
