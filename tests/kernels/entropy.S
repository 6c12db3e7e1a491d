// The virtio entropy device (virtio 1.2, "Entropy Device"), which works and interrupts by itself: with its interrupt edge-triggered and with it
// level-triggered, one for each request, again when it was ended without being acknowledged at the device, and none that is left over. Then the
// same after a reset of the machine while it is at work.

    .include "lib/kernel.S"
    kernel  "entropy"
    .include "lib/gic.S"
    .include "lib/virtio.S"

    .equ    QUEUE,      FREE            // descriptors, at 0x1000 the available ring, at 0x2000 the used ring
    .equ    BUFFER,     FREE+0x4000
    .equ    SIZE,       8
    .equ    REQUESTS,   20              // more than the queue is long
    .equ    INTERRUPTS, SHARED          // u64: taken
    .equ    WITH_CAUSE, SHARED+8        // u64: of these, with InterruptStatus not 0
    .equ    IGNORE,     SHARED+16       // u64: so many are ended and not acknowledged
    .equ    MARK,       0x600d5eed      // in KEPT: this is the second time

    // ---- The transport.
    mov64   x19, VIRTIO
    mov     x24, #48
Lfind:
    ldr     w0, [x19, #V_DEVICE_ID]
    cmp     x0, #4
    b.eq    Lfound
    add     x19, x19, #0x200
    add     x24, x24, #1
    cmp     x24, #80
    b.ne    Lfind
    check   x24, 0, "no virtio entropy device in 32 slots"
Lfound:
    ldr     w0, [x19, #V_VERSION]
    check   x0, 2, "Version"
    mov     w0, #ACKNOWLEDGE|DRIVER
    str     w0, [x19, #V_STATUS]
    str     wzr, [x19, #V_DRIVER_FEATURES_SEL]
    str     wzr, [x19, #V_DRIVER_FEATURES]
    mov     w0, #1                      // VIRTIO_F_VERSION_1
    str     w0, [x19, #V_DRIVER_FEATURES_SEL]
    str     w0, [x19, #V_DRIVER_FEATURES]
    mov     w0, #ACKNOWLEDGE|DRIVER|FEATURES_OK
    str     w0, [x19, #V_STATUS]
    ram     x20, QUEUE
    mov     x0, x20
    mov     x1, #0x300
Lempty:
    stp     xzr, xzr, [x0], #16
    subs    x1, x1, #1
    b.ne    Lempty
    mov     w0, #SIZE
    str     w0, [x19, #V_QUEUE_NUM]
    str     w20, [x19, #V_QUEUE_DESC]
    add     w0, w20, #0x1000
    str     w0, [x19, #V_QUEUE_DRIVER]
    add     w0, w20, #0x2000
    str     w0, [x19, #V_QUEUE_DEVICE]
    mov     w0, #1
    str     w0, [x19, #V_QUEUE_READY]
    mov     w0, #ACKNOWLEDGE|DRIVER|FEATURES_OK|DRIVER_OK
    str     w0, [x19, #V_STATUS]
    // One buffer of 16 bytes.
    ram     x21, BUFFER
    str     x21, [x20]
    mov     w0, #16
    str     w0, [x20, #8]
    mov     w0, #DESC_WRITE
    str     w0, [x20, #12]

    // ---- Its interrupt: Group 1, for this CPU. x22 = its word of the GICD registers with a bit each, w23 = its bit.
    bl      Lgic_init
    set_hook CPU_HOOK_IRQ, Lirq
    take_spi 24, 22, 23

    // ---- Edge-triggered (x26 = 1), then level-triggered (0).
    mov     x26, #1
Lround:
    str     w23, [x22, #0x180]          // GICD_ICENABLER
    mov64   x1, GICD
    lsr     x3, x24, #4
    add     x3, x1, x3, lsl #2
    neg     w4, w26
    and     w4, w4, #0xaaaaaaaa
    str     w4, [x3, #0xc00]            // GICD_ICFGR: these 16 are all virtio's
    str     w23, [x22, #0x280]          // GICD_ICPENDR
    str     w23, [x22, #0x100]          // GICD_ISENABLER
    ram     x0, INTERRUPTS
    stp     xzr, xzr, [x0]

    // One for each request, when the one before was seen to.
    mov     x25, #0
Lrequest:
    bl      Lask
    bl      Lwait
    add     x25, x25, #1
    ram     x0, INTERRUPTS
    ldp     x0, x1, [x0]
    check_reg x0, x25, "interrupts"
    check_reg x1, x25, "interrupts with a cause"
    cmp     x25, #REQUESTS
    b.ne    Lrequest

    // Ended, and not acknowledged: of a level-triggered one that is no end.
    cbnz    x26, Lno_end
    ram     x0, IGNORE
    mov     x1, #2
    str     x1, [x0]
    bl      Lask
    add     x25, x25, #3
Lagain:
    bl      Lopen
    ram     x0, INTERRUPTS
    ldp     x0, x1, [x0]
    cmp     x0, x25
    b.lo    Lagain
    check_reg x0, x25, "interrupts, ended and not acknowledged"
    check_reg x1, x25, "interrupts with a cause, ended and not acknowledged"
Lno_end:

    // Polled, with the interrupt disabled: acknowledged before it could come, it comes once at most.
    str     w23, [x22, #0x180]
    bl      Lask
    add     x2, x20, #0x1000
    add     x1, x20, #0x2000
Lpoll:
    ldrh    w3, [x2, #2]
    ldrh    w4, [x1, #2]
    cmp     w3, w4
    b.ne    Lpoll
Lpoll_status:
    ldr     w0, [x19, #V_INTERRUPT_STATUS]
    cbz     w0, Lpoll_status
    str     w0, [x19, #V_INTERRUPT_ACK]
    str     w23, [x22, #0x100]
    mov     x21, #3
Lleft_over:
    msr     daifclr, #2
    isb
    msr     daifset, #2
    ldr     w0, [x19, #V_INTERRUPT_STATUS]
    check   x0, 0, "InterruptStatus after InterruptACK"
    subs    x21, x21, #1
    b.ne    Lleft_over
    ram     x0, INTERRUPTS
    ldp     x0, x1, [x0]
    check_reg x1, x25, "interrupts with a cause, polled"
    add     x1, x25, #1
    check_reg x0, x1, "interrupts, polled", ls
    subs    x26, x26, #1
    b.eq    Lround

    ram     x0, KEPT
    ldr     x1, [x0]
    mov64   x2, MARK
    cmp     x1, x2
    b.eq    Lsecond
    str     x2, [x0]
    bl      Lask
    dsb     sy
    psci    PSCI_SYSTEM_RESET
Lsecond:
    str     xzr, [x0]
    pass

// The buffer is made available. Changes x0-x4.
Lask:
    ram     x0, BUFFER
    stp     xzr, xzr, [x0]
    add     x2, x20, #0x1000
    ldrh    w3, [x2, #2]
    and     x4, x3, #SIZE-1
    add     x4, x2, x4, lsl #1
    strh    wzr, [x4, #4]
    add     w3, w3, #1
    dmb     sy
    strh    w3, [x2, #2]
    dmb     sy
    str     wzr, [x19, #V_QUEUE_NOTIFY]
    ret

// Until the device has filled the buffer and interrupted. Changes x0-x4.
Lwait:
    mov     x4, x30
    add     x2, x20, #0x1000
    add     x1, x20, #0x2000
Lwait_more:
    bl      Lopen
    ldrh    w0, [x2, #2]
    ldrh    w3, [x1, #2]
    cmp     w0, w3
    b.ne    Lwait_more
    ram     x0, INTERRUPTS
    ldr     x0, [x0]
    cmp     x0, x25
    b.eq    Lwait_more
    ram     x0, BUFFER
    ldp     x0, x1, [x0]
    orr     x0, x0, x1
    check   x0, 0, "random bytes", ne
    ret     x4

// Sleeps until an interrupt, and takes it.
Lopen:
    wfi
    msr     daifclr, #2
    isb
    msr     daifset, #2
    ret

// x19 and x24 are as in the code that was interrupted.
Lirq:
    mrs     x20, ICC_IAR1_EL1
    check_reg x20, x24, "INTID"
    ldr     w2, [x19, #V_INTERRUPT_STATUS]
    ram     x1, INTERRUPTS
    ldp     x3, x4, [x1]
    add     x3, x3, #1
    cmp     x2, #0
    cinc    x4, x4, ne
    stp     x3, x4, [x1]
    ldr     x0, [x1, #IGNORE-INTERRUPTS]
    cbz     x0, Lacknowledge
    sub     x0, x0, #1
    str     x0, [x1, #IGNORE-INTERRUPTS]
    b       Lended
Lacknowledge:
    str     w2, [x19, #V_INTERRUPT_ACK]
Lended:
    msr     ICC_EOIR1_EL1, x20
    isb
    ret
