// Every form of load and store that a device sees one word at a time: pairs, writeback, vector registers. For most of them a hypervisor is not told
// by the hardware what they access. The device is the PL031: RTCMR and RTCLR keep what is written, the identification registers are fixed.

    .include "lib/kernel.S"
    kernel  "device_forms"

    .equ    RTC,        0x09010000
    .equ    RTCMR,      4
    .equ    RTCLR,      8
    .equ    ID,         0xff0           // of a PrimeCell: 0x0d, 0xf0, 0x05, 0xb1
    .equ    FSC_EXTERNAL, 0x10

    mov     x0, #3<<20
    msr     CPACR_EL1, x0
    isb
    mov64   x19, RTC
    mov64   x20, RTC+ID

    // ---- Pairs
    ldp     w0, w1, [x20]
    check   x0, 0x0d, "LDP: first"
    check   x1, 0xf0, "LDP: second"
    add     x21, x20, #8
    ldp     w0, w1, [x21, #-8]!
    check   x1, 0xf0, "LDP with writeback before"
    check_reg x21, x20, "LDP: base before"
    ldpsw   x0, x1, [x21], #8
    check   x0, 0x0d, "LDPSW"
    add     x0, x20, #8
    check_reg x21, x0, "LDPSW: base after"
    mov64   x4, 0x1111111181828384
    mov64   x5, 0x2222222291929394
    stp     w4, w5, [x19, #RTCMR]
    ldr     w0, [x19, #RTCMR]
    ldr     w1, [x19, #RTCLR]
    check   x0, 0x81828384, "STP: first"
    check   x1, 0x91929394, "STP: second"
    ldpsw   x0, x1, [x19, #RTCMR]
    check   x0, 0xffffffff81828384, "LDPSW: sign"
    add     x21, x19, #RTCMR
    stp     wzr, w4, [x21], #-4
    check_reg x21, x19, "STP: base after"
    ldr     w0, [x19, #RTCMR]
    check   x0, 0, "STP of WZR"

    // ---- Writeback
    mov     x21, x20
    ldr     w0, [x21], #4
    ldr     w1, [x21], #-4
    check   x0, 0x0d, "LDR with writeback behind"
    check   x1, 0xf0, "LDR with writeback behind, again"
    check_reg x21, x20, "LDR: base"
    mov     w4, #77
    mov     x21, x19
    str     w4, [x21, #RTCMR]!
    add     x0, x19, #RTCMR
    check_reg x21, x0, "STR: base before"
    ldr     w0, [x19, #RTCMR]
    check   x0, 77, "STR with writeback before"
    ldrsw   x0, [x20, #12]
    check   x0, 0xb1, "LDRSW"
    ldar    w0, [x20]
    check   x0, 0x0d, "LDAR"
    mov     w4, #78
    stlr    w4, [x21]
    ldr     w0, [x21]
    check   x0, 78, "STLR"

    // ---- Vector registers
    movi    v0.16b, #0xee
    ldr     s0, [x20, #4]
    umov    x0, v0.d[0]
    check   x0, 0xf0, "LDR S"
    umov    x0, v0.d[1]
    check   x0, 0, "LDR S: the rest of the register"
    ldp     s1, s2, [x20, #8]
    umov    w0, v2.s[0]
    check   x0, 0xb1, "LDP S"
    ld1     {v3.4s}, [x20]
    umov    x0, v3.d[0]
    umov    x1, v3.d[1]
    check   x0, 0x000000f00000000d, "LD1: lower half"
    check   x1, 0x000000b100000005, "LD1: upper half"
    mov     x21, x20
    ld2     {v4.2s, v5.2s}, [x21], #16
    umov    x0, v4.d[0]
    umov    x1, v5.d[0]
    check   x0, 0x000000050000000d, "LD2: first"
    check   x1, 0x000000b1000000f0, "LD2: second"
    add     x0, x20, #16
    check_reg x21, x0, "LD2: base"
    add     x21, x20, #4
    ld1r    {v6.2s}, [x21]
    umov    x0, v6.d[0]
    check   x0, 0x000000f0000000f0, "LD1R"
    str     s2, [x19, #RTCMR]
    ldr     w0, [x19, #RTCMR]
    check   x0, 0xb1, "STR S"
    add     x21, x19, #RTCMR
    st1     {v3.s}[2], [x21]
    ldr     w0, [x19, #RTCMR]
    check   x0, 5, "ST1 of a lane"
    st1     {v3.2s}, [x21], #8
    ldp     w0, w1, [x19, #RTCMR]
    check   x0, 0x0d, "ST1: first"
    check   x1, 0xf0, "ST1: second"

    // ---- Behind the device there is nothing. (QEMU's pair is one access of 8 bytes.)
    unless_vibe Lend
    mov64   x20, RTC+0xffc
    mov     x0, #0x55
    mov     x1, #0x66
    must_trap EC_DABT_SAME, FSC_EXTERNAL, "LDP with nothing behind", ldp w0, w1, [x20], #8
    mov64   x0, RTC+0x1000
    check_far x0, "LDP with nothing behind"
    mov64   x0, RTC+0xffc
    check_reg x20, x0, "LDP with nothing behind: base"
Lend:
    pass
