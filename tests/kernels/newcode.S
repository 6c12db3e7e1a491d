// Code that somebody else writes, in the middle of its use: through another address of the same page, by a device's DMA, by another CPU. It is
// called often enough in between to be translated.

    .include "lib/kernel.S"
    kernel  "newcode"
    .include "lib/mmu48.S"

    .equ    L1_TABLE,   FREE
    .equ    L2_TABLE,   FREE+0x1000
    .equ    L3_TABLE,   FREE+0x2000
    .equ    PAGE,       FREE+0x10000
    .equ    VA,         0x8040403000    // entries 1 1 2 3 of levels 0 to 3: the page, and once more behind it
    .equ    RX,         PTE_PAGE|PTE_ISH|PTE_AF
    .equ    CALLS,      1200
    .equ    VERSIONS,   12
    .equ    FW_CFG_DMA, 0x09020010
    .equ    REQUEST,    FREE+0x11000    // fw_cfg's: control, length, address, all big-endian
    .equ    TURN,       SHARED+0x100    // the other CPU: whose turn it is, the version it shall find, how often it did not
    .equ    WANTED,     SHARED+0x140
    .equ    WRONG,      SHARED+0x180

    bl      Lmmu_on
    put_entry MMU_L0, 1, L1_TABLE, PTE_TABLE
    put_entry L1_TABLE, 1, L2_TABLE, PTE_TABLE
    put_entry L2_TABLE, 2, L3_TABLE, PTE_TABLE
    put_entry L3_TABLE, 3, PAGE, RX
    put_entry L3_TABLE, 4, PAGE, RX
    flush_tlb
    ram     x20, PAGE
    mov64   x0, 0xd65f03c0              // ret, behind what changes
    str     w0, [x20, #4]

    // ---- The same page at two addresses. One is enough for IC IVAU where the cache is physically indexed.
    mov     x19, #1
Laliases:
    mov     x26, x19
    mov64   x21, VA
    tbz     x19, #0, Lone
    add     x21, x21, #0x1000
Lone:
    bl      Lwrite
    mrs     x0, CTR_EL0
    ubfx    x0, x0, #14, #2
    cmp     x0, #3                      // PIPT
    b.eq    Lboth
    eor     x21, x21, #0x7000           // 3 and 4
    bl      Lwrite
Lboth:
    mov64   x25, VA
    bl      Lcall
    check   x0, 0, "at the first address"
    mov64   x25, VA+0x1000
    bl      Lcall
    check   x0, 0, "at the second address"
    add     x19, x19, #1
    cmp     x19, #VERSIONS
    b.ne    Laliases

    // ---- By a device: fw_cfg's signature (4 bytes), then what is behind it, zeros, which are UDF #0.
    mov64   x21, VA
    mov     x19, #0
Ldevice:
    mov64   x26, 0x123
    bl      Lwrite
    mov64   x25, VA
    bl      Lcall
    check   x0, 0, "before the device writes"
    mov64   x0, 0x0000000a              // select item 0, read
    mov     x1, #4
    ram     x2, REQUEST+0x100
    bl      Ldma
    mov     x0, #2                      // read on
    mov     x1, #4
    ram     x2, PAGE
    bl      Ldma
    ldr     w0, [x20]
    check   x0, 0, "the device has written"
    bl      Lsync
    resume_at Lno_code
    mov64   x25, VA
    blr     x25
    check   x0, 1, "what the device wrote does not run"
Lno_code:
    check_exception EC_UNKNOWN, 0, "what the device wrote"
    add     x19, x19, #1
    cmp     x19, #3
    b.ne    Ldevice

    // ---- By another CPU, for which this one does the maintenance.
    mov     x1, #1
    adr     x2, Lsecondary
    mov     x3, #0
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON"
    ram     x22, TURN
    mov     x19, #0
Lother:
    mov     x26, x19
    bl      Lwrite
    ram     x0, WANTED
    str     x19, [x0]
    mov     x0, #1
    stlr    x0, [x22]
Lother_wait:
    ldar    x0, [x22]
    cbnz    x0, Lother_wait
    ram     x0, WRONG
    ldr     x0, [x0]
    check   x0, 0, "another CPU's code"
    add     x19, x19, #1
    cmp     x19, #VERSIONS
    b.ne    Lother
    pass

// "movz w0, #x26" at the page's start, which x21 is an address of.
Lwrite:
    mov64   x0, 0x52800000
    orr     w0, w0, w26, lsl #5
    str     w0, [x20]
Lsync:
    dc      cvau, x21
    dsb     ish
    ic      ivau, x21
    dsb     ish
    isb
    ret

// x0 = how many of CALLS calls of x25 did not return x26.
Lcall:
    mov     x24, x30
    mov     x23, #CALLS
    mov     x27, #0
Lcall_next:
    blr     x25
    cmp     x0, x26
    cinc    x27, x27, ne
    subs    x23, x23, #1
    b.ne    Lcall_next
    mov     x0, x27
    ret     x24

// fw_cfg DMA: control x0, length x1, address x2; it is done when the control word is 0.
Ldma:
    ram     x3, REQUEST
    rev     w0, w0
    rev     w1, w1
    rev     x2, x2
    stp     w0, w1, [x3]
    str     x2, [x3, #8]
    dsb     sy
    rev     x0, x3
    mov64   x1, FW_CFG_DMA
    str     x0, [x1]
Ldma_wait:
    ldr     w0, [x3]
    cbnz    w0, Ldma_wait
    ret

Lsecondary:
    ram_base
    mov     x0, #1
    bl      Lcpu_init
    bl      Lmmu_enable
    mov64   x25, VA
    ram     x22, TURN
Lsecondary_wait:
    ldar    x0, [x22]
    cbz     x0, Lsecondary_wait
    isb
    ram     x0, WANTED
    ldr     x26, [x0]
    bl      Lcall
    ram     x1, WRONG
    str     x0, [x1]
    stlr    xzr, [x22]
    b       Lsecondary_wait
