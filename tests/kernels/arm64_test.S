// arm64_test: (42 + 10) * 2 to memory, five turns with a WFI each, then a halt in WFI. 68 bytes.
//
// Loaded at 0x10000 and entered there; position-independent. Needs RAM at 0x20000:
//   0x20000  u64  the result, 104 (0x68)
//   0x20008  u64  turns done: 0 at the start, 5 at the end
//   0x20010  u64  the result once more, written after the last turn: the kernel has finished

    .text
    .globl  _start
_start:
    mov     x0, #42
    add     x0, x0, #10
    mov     x1, #2
    mul     x0, x0, x1
    mov     x2, #0x20000
    str     x0, [x2]
    mov     x3, #5
    str     xzr, [x2, #8]
Lturn:
    wfi
    ldr     x4, [x2, #8]
    add     x4, x4, #1
    str     x4, [x2, #8]
    subs    x3, x3, #1
    b.ne    Lturn
    str     x0, [x2, #16]
Lhalt:
    wfi
    b       Lhalt
