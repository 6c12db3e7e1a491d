// The virtio console over MMIO, in whichever register layout the board has (virtio 1.2, "Virtio Over MMIO" and "Console Device"): found among
// the 32 transports, features, queues of three lengths, output in chains of one and of three buffers, input into buffers of several sizes,
// interrupts, no interrupts, configuration space. Everything that it says, PASS as well, it says on that console.

    .include "lib/kernel.S"
    kernel  "virtio_console"
    .include "lib/gic.S"
    .include "lib/virtio.S"

    .equ    F_SIZE,     0
    .equ    F_EMERG_WRITE, 2
    // A queue: descriptors and the available ring, at the next multiple of 4096 the used ring; behind that what the driver keeps.
    .equ    RECEIVE,    FREE
    .equ    TRANSMIT,   FREE+0x10000
    .equ    Q_USED,     0x2000
    .equ    Q_SEEN,     0x8000          // u16: used entries that were taken
    .equ    BUFFER,     FREE+0x20000
    .equ    INPUT,      FREE+0x40000
    .equ    LINE,       32              // bytes of a line of input
    .equ    INTERRUPTS, SHARED          // u64

    // ---- The transport. Those that have no device say so.
    mov64   x19, VIRTIO
    mov     x24, #0
Lfind:
    ldr     w0, [x19]
    check   x0, 0x74726976, "MagicValue"
    ldr     w0, [x19, #V_DEVICE_ID]
    cmp     x0, #3
    b.eq    Lfound
    check   x0, 0, "DeviceID of an empty slot"
    add     x19, x19, #0x200
    add     x24, x24, #1
    cmp     x24, #32
    b.ne    Lfind
    check   x24, 0, "no virtio console in 32 slots"
Lfound:
    ldr     w23, [x19, #V_VERSION]
    sub     x0, x23, #1
    check   x0, 1, "Version", ls

    // ---- Its interrupt: SPI 16 + slot, edge-triggered.
    bl      Lgic_init
    set_hook CPU_HOOK_IRQ, Lirq
    add     x24, x24, #48               // INTID
    take_spi 24, 20, 21
    lsr     x3, x24, #4
    add     x3, x1, x3, lsl #2
    mov     w4, #-1
    str     w4, [x3, #0xc00]            // GICD_ICFGR: these 16 are all virtio's
    str     w21, [x20, #0x100]          // GICD_ISENABLER

    // ---- With queues of 4, 16 and 64.
    mov     x20, #4
Lround:
    bl      Lstart_device

    // More single bytes than the queue is long, each waited for: the rings go round.
    mov     x25, #0
Lbyte:
    ram     x0, BUFFER
    mov     x1, #26
    udiv    x2, x25, x1
    msub    x2, x2, x1, x25
    add     w2, w2, #97
    strb    w2, [x0]
    mov     x1, #1
    bl      Lprint
    add     x25, x25, #1
    sub     x0, x25, #2
    cmp     x0, x20
    b.ne    Lbyte
    adr     x0, Lnew_line
    mov     x1, #1
    bl      Lprint
    // A chain of three.
    ram     x0, TRANSMIT
    mov     x1, #3
    adr     x2, Lthree
Lthree_next:
    ldrb    w3, [x2], #1
    str     x2, [x0], #8
    str     w3, [x0], #4
    mov     w4, #4
    sub     w4, w4, w1                  // next
    lsl     w4, w4, #16
    subs    x1, x1, #1
    cinc    w4, w4, ne                  // DESC_NEXT
    str     w4, [x0], #4
    add     x2, x2, x3
    b.ne    Lthree_next
    bl      Ltransmit
    // 8 KiB in one.
    ram     x0, BUFFER
    mov     x1, #0
Llong:
    lsr     x2, x1, #6
    and     x2, x2, #15
    add     x2, x2, #65                 // 128 lines of 63 letters
    and     x3, x1, #63
    cmp     x3, #63
    mov     w3, #10
    csel    w2, w3, w2, eq
    strb    w2, [x0, x1]
    add     x1, x1, #1
    cmp     x1, #0x2000
    b.ne    Llong
    bl      Lprint

    // Input: a line of 32 bytes into buffers of 1, 7 and 24, which are given together.
    ram     x0, RECEIVE
    ram     x1, INPUT
    adr     x2, Lsizes
    mov     x3, #0
Lgive:
    ldrb    w4, [x2], #1
    str     x1, [x0], #8
    str     w4, [x0], #4
    mov     w5, #DESC_WRITE
    str     w5, [x0], #4
    add     x1, x1, x4
    ram     x5, RECEIVE
    add     x5, x5, x20, lsl #4         // the available ring
    add     x6, x5, x3, lsl #1
    strh    w3, [x6, #4]
    add     x3, x3, #1
    cmp     x3, #3
    b.ne    Lgive
    dmb     sy
    strh    w3, [x5, #2]
    dmb     sy
    str     wzr, [x19, #V_QUEUE_NOTIFY]
    mov     x25, #0
    adr     x26, Lsizes
Ltaken:
    ram     x0, RECEIVE
    bl      Lwait
    check_reg x1, x25, "the order of the buffers"
    ldrb    w0, [x26], #1
    // They are filled, as whoever runs this gives all the input at once.
    check_reg x2, x0, "bytes in a buffer"
    add     x25, x25, #1
    cmp     x25, #3
    b.ne    Ltaken
    ram     x0, INPUT
    mov     x1, #0
Linput:
    ldrb    w2, [x0, x1]
    add     w3, w1, #48
    cmp     x1, #LINE-1
    mov     w4, #10
    csel    w3, w4, w3, eq
    check_reg x2, x3, "a byte of input"
    add     x1, x1, #1
    cmp     x1, #LINE
    b.ne    Linput
    bl      Lprint                      // and back
    lsl     x20, x20, #2
    cmp     x20, #64
    b.ls    Lround

    // ---- No interrupts, if the driver doesn't want any.
    lsr     x20, x20, #2
    bl      Lstart_device
    ram     x0, TRANSMIT
    add     x0, x0, x20, lsl #4
    mov     w1, #1
    strh    w1, [x0]                    // VIRTQ_AVAIL_F_NO_INTERRUPT
    ram     x25, INTERRUPTS
    ldr     x26, [x25]
    adr     x0, Lquiet
    mov     x1, #6
    bl      Lprint_polled
    msr     daifclr, #2
    isb
    msr     daifset, #2
    ldr     x0, [x25]
    check_reg x0, x26, "interrupts that were not wanted"

    // ---- Configuration space: the terminal's size, one port; bytes without a queue.
    str     wzr, [x19, #V_DEVICE_FEATURES_SEL]
    ldr     w21, [x19, #V_DEVICE_FEATURES]
    tbz     w21, #F_SIZE, Lno_size
    ldrh    w0, [x19, #V_CONFIG]
    ldrh    w1, [x19, #V_CONFIG+2]
    ldr     w2, [x19, #V_CONFIG]
    orr     w0, w0, w1, lsl #16
    check_reg x0, x2, "columns and rows, together and apart"
Lno_size:
    tbz     w21, #F_EMERG_WRITE, Lno_emergency
    adr     x0, Lemergency
Lemergency_next:
    ldrb    w1, [x0], #1
    str     w1, [x19, #V_CONFIG+8]
    cmp     w1, #10
    b.ne    Lemergency_next
Lno_emergency:
    adr     x0, Lpassed
    mov     x1, #Lpassed_end-Lpassed
    bl      Lprint_polled
    pass

Lnew_line:
    .ascii  "\n"
Lthree:
    .ascii  "\x04one \x04two \x06three\n"
Lsizes:
    .byte   1, 7, 24
Lquiet:
    .ascii  "quiet\n"
Lemergency:
    .ascii  "emergency\n"
Lpassed:
    .ascii  "PASS virtio_console\n"
Lpassed_end:
    .balign 4

// ---- Starts the device over, with two queues of x20 entries. Changes x0-x9.
Lstart_device:
    mov     x9, x30
    str     wzr, [x19, #V_STATUS]
    ldr     w0, [x19, #V_STATUS]
    check   x0, 0, "Status after a reset"
    mov     w0, #ACKNOWLEDGE
    str     w0, [x19, #V_STATUS]
    mov     w0, #ACKNOWLEDGE|DRIVER
    str     w0, [x19, #V_STATUS]
    // No features but, in the modern layout, VIRTIO_F_VERSION_1, which must be offered.
    str     wzr, [x19, #V_DRIVER_FEATURES_SEL]
    str     wzr, [x19, #V_DRIVER_FEATURES]
    cmp     x23, #1
    b.eq    Llegacy
    mov     w0, #1
    str     w0, [x19, #V_DEVICE_FEATURES_SEL]
    str     w0, [x19, #V_DRIVER_FEATURES_SEL]
    ldr     w1, [x19, #V_DEVICE_FEATURES]
    and     w1, w1, #1
    check   x1, 1, "VIRTIO_F_VERSION_1"
    str     w0, [x19, #V_DRIVER_FEATURES]
    mov     w0, #ACKNOWLEDGE|DRIVER|FEATURES_OK
    str     w0, [x19, #V_STATUS]
    ldr     w0, [x19, #V_STATUS]
    check   x0, (ACKNOWLEDGE|DRIVER|FEATURES_OK), "FEATURES_OK"
    b       Lqueues
Llegacy:
    mov     w0, #4096
    str     w0, [x19, #V_PAGE_SIZE]
Lqueues:
    mov     x0, #0
    ram     x1, RECEIVE
    bl      Lstart_queue
    mov     x0, #1
    ram     x1, TRANSMIT
    bl      Lstart_queue
    ldr     w0, [x19, #V_STATUS]
    orr     w0, w0, #DRIVER_OK
    str     w0, [x19, #V_STATUS]
    ldr     w1, [x19, #V_STATUS]
    check_reg x1, x0, "DRIVER_OK"
    ret     x9

// Queue x0 at x1. Changes x2-x4.
Lstart_queue:
    mov     x2, x1
    mov     x3, #0x1200                 // all of it
Lqueue_clear:
    stp     xzr, xzr, [x2], #16
    subs    x3, x3, #1
    b.ne    Lqueue_clear
    str     w0, [x19, #V_QUEUE_SEL]
    ldr     w2, [x19, #V_QUEUE_NUM_MAX]
    check_reg x2, x20, "QueueNumMax", hs
    str     w20, [x19, #V_QUEUE_NUM]
    add     x2, x1, x20, lsl #4         // the available ring
    mov     x3, #Q_USED
    add     x3, x1, x3
    cmp     x23, #1
    b.eq    Lqueue_legacy
    ldr     w4, [x19, #V_QUEUE_READY]
    check   x4, 0, "QueueReady after a reset"
    str     w1, [x19, #V_QUEUE_DESC]
    str     wzr, [x19, #V_QUEUE_DESC+4]
    str     w2, [x19, #V_QUEUE_DRIVER]
    str     wzr, [x19, #V_QUEUE_DRIVER+4]
    str     w3, [x19, #V_QUEUE_DEVICE]
    str     wzr, [x19, #V_QUEUE_DEVICE+4]
    mov     w4, #1
    str     w4, [x19, #V_QUEUE_READY]
    ldr     w4, [x19, #V_QUEUE_READY]
    check   x4, 1, "QueueReady"
    ret
Lqueue_legacy:
    mov     w4, #Q_USED                 // so that the used ring is where it is in the other layout
    str     w4, [x19, #V_QUEUE_ALIGN]
    ldr     w4, [x19, #V_QUEUE_PFN]
    check   x4, 0, "QueuePFN after a reset"
    lsr     x1, x1, #12
    str     w1, [x19, #V_QUEUE_PFN]
    ldr     w4, [x19, #V_QUEUE_PFN]
    check_reg x4, x1, "QueuePFN"
    ret

// Sends the x1 bytes at x0 in one buffer, and has one interrupt at least. Changes x0-x8.
Lprint:
    ram     x2, TRANSMIT
    str     x0, [x2]
    str     w1, [x2, #8]
    str     wzr, [x2, #12]
// The chain that begins with descriptor 0: made available, waited for.
Ltransmit:
    mov     x6, x30
    ram     x7, INTERRUPTS
    ldr     x8, [x7]
    bl      Lmake_available
    ram     x0, TRANSMIT
    bl      Lwait
Ltransmit_interrupt:
    ldr     x0, [x7]
    cmp     x0, x8
    b.ne    Ltransmitted
    wfi
    msr     daifclr, #2
    isb
    msr     daifset, #2
    b       Ltransmit_interrupt
Ltransmitted:
    check   x1, 0, "the chain that was used"
    check   x2, 0, "bytes written to a chain that is only read"
    ret     x6

Lmake_available:
    ram     x0, TRANSMIT
    add     x2, x0, x20, lsl #4
    ldrh    w3, [x2, #2]
    sub     x4, x20, #1
    and     x4, x3, x4
    add     x4, x2, x4, lsl #1
    strh    wzr, [x4, #4]
    add     w3, w3, #1
    dmb     sy
    strh    w3, [x2, #2]
    dmb     sy
    mov     w4, #1
    str     w4, [x19, #V_QUEUE_NOTIFY]
    ret

// As Lprint, but no interrupt comes.
Lprint_polled:
    mov     x6, x30
    ram     x2, TRANSMIT
    str     x0, [x2]
    str     w1, [x2, #8]
    str     wzr, [x2, #12]
    bl      Lmake_available
    ram     x0, TRANSMIT
    mov     x1, #Q_USED
    add     x1, x0, x1
    ldrh    w3, [x2, #2]
Lpoll:
    ldrh    w4, [x1, #2]
    cmp     w3, w4
    b.ne    Lpoll
    ret     x6

// Sleeps until the device has used an entry of the queue at x0: x1 = its chain, x2 = the bytes written. Changes x3-x5.
Lwait:
    mov     x4, #Q_USED
    add     x1, x0, x4
    mov     x4, #Q_SEEN
    add     x2, x0, x4
    ldrh    w3, [x2]
Lwait_sleep:
    ldrh    w4, [x1, #2]
    cmp     w3, w4
    b.ne    Lwait_end
    wfi
    msr     daifclr, #2
    isb
    msr     daifset, #2
    b       Lwait_sleep
Lwait_end:
    add     w4, w3, #1
    strh    w4, [x2]
    dmb     sy
    sub     x5, x20, #1
    and     x3, x3, x5
    add     x1, x1, x3, lsl #3
    ldp     w1, w2, [x1, #4]
    ret

// x19 and x24 are as in the code that was interrupted.
Lirq:
    mrs     x20, ICC_IAR1_EL1
    check_reg x20, x24, "INTID"
    ldr     w0, [x19, #V_INTERRUPT_STATUS]
    str     w0, [x19, #V_INTERRUPT_ACK]
    msr     ICC_EOIR1_EL1, x20
    isb
    // Bit 0: used buffers. (None: what it was for was seen before it came, and the device has been reset since.)
    and     x2, x0, #1
    ram     x1, INTERRUPTS
    ldr     x0, [x1]
    add     x0, x0, x2
    str     x0, [x1]
    ret
