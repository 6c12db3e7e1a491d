// arm64_hello: says through memory that it lives, for ever, with a WFI each turn to yield to the host. 164 bytes.
//
// Loaded at 0x10000 and entered there; position-independent; integer instructions only. Needs RAM at 0x20000:
//   0x20000  u32  0xDEADBEEF once the words below have been cleared: initialised
//   0x20004  u32  0xCAFEBABE, stored again in every turn: running
//   0x20008  u64  turns so far
//   0x20010  u64  messages so far: one every 10,000,000 turns
//   0x20018  u32  0xF00DF00D from the first message on
//   0x20020  u64  CurrentEL at entry (4 is EL1)
//   0x20028  u64  CNTVCT_EL0 at entry
//   0x20030  u64  virtual counter ticks that the last 10,000,000 turns took
//   0x20038  u64  MPIDR_EL1

    .text
    .globl  _start
_start:
    msr     daifset, #15
    mov     x19, #0x20000
    mov     w20, #0xbeef
    movk    w20, #0xdead, lsl #16
    mov     w21, #0xbabe
    movk    w21, #0xcafe, lsl #16
    mov     w22, #0xf00d
    movk    w22, #0xf00d, lsl #16
    mov     x23, #0x9680                // 10,000,000 = 0x989680
    movk    x23, #0x98, lsl #16
    mov     x24, #0                     // turns
    mov     x25, #0                     // messages
    mov     x26, x23                    // turns until the next message
    stp     xzr, xzr, [x19, #8]
    str     wzr, [x19, #24]
    str     xzr, [x19, #48]
    mrs     x0, CurrentEL
    str     x0, [x19, #32]
    mrs     x27, CNTVCT_EL0
    str     x27, [x19, #40]
    mrs     x0, MPIDR_EL1
    str     x0, [x19, #56]
    str     w20, [x19]
    dsb     sy
Lturn:
    str     w21, [x19, #4]
    add     x24, x24, #1
    str     x24, [x19, #8]
    subs    x26, x26, #1
    b.ne    Lyield
    mov     x26, x23
    add     x25, x25, #1
    str     x25, [x19, #16]
    str     w22, [x19, #24]
    isb
    mrs     x0, CNTVCT_EL0
    sub     x1, x0, x27
    mov     x27, x0
    str     x1, [x19, #48]
    dsb     sy
Lyield:
    wfi
    b       Lturn
