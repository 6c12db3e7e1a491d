// Hot loops on a block of 1 GiB: what they store is seen at once, and when the block is made read-only, goes away, belongs to another address
// space or to EL0 behind PSTATE.PAN, the first store of the next run must fault. A translator may have taken all of the block for granted.

    .include "lib/kernel.S"
    kernel  "blocks"

    .equ    DATA,       FREE            // 4 KiB
    .equ    OTHER_L1,   FREE+0x10000    // address space 2: the block is read-only
    .equ    RW,         PTE_BLOCK|PTE_NORMAL|PTE_ISH|PTE_AF|PTE_UXN|PTE_PXN
    .equ    WORDS,      512

// x19 the block's entry in level 1, x20 where the data is in it, x21 its output address
    .macro block attributes
    mov64   x14, (RW|\attributes)
    orr     x14, x14, x21
    str     x14, [x19]
    .endm

// The block has changed: by an address in it that nobody used, or altogether.
    .macro tell operation:vararg
    dsb     ishst
    \operation
    dsb     ish
    isb
    .endm

    .macro works value, what:req
    mov64   x0, \value
    bl      Lfill
    ram     x2, DATA
    ldr     x0, [x2]
    check   x0, (\value), "\what: first"
    ldr     x0, [x2, #(8*(WORDS-1))]
    check   x0, (\value), "\what: last"
    .endm

    .macro faults fsc, what:req
    resume_at Lfault\@
    mov     x0, #0
    bl      Lfill
    b       Lfail_no_trap
Lfault\@:
    check_exception EC_DABT_SAME, WNR|(\fsc), "\what"
    check_far x20, "\what"
    .endm

    bl      Lmmu_on
    mov     x0, #1                      // VA 1 GiB where RAM begins at 0, else 2 GiB
    cmp     x28, #0
    cinc    x0, x0, ne
    ram     x19, TABLES
    add     x19, x19, x0, lsl #3
    lsl     x20, x0, #30
    and     x21, x28, #0xffffffffc0000000
    ram     x1, DATA
    sub     x1, x1, x21
    add     x20, x20, x1
    block   0
    tell    nop
    works   1, "mapped"
    works   2, "again"

    // ---- Read-only, by an address in the block that nobody used.
    block   PTE_RO
    add     x22, x20, #0x100000
    lsr     x22, x22, #12
    tell    tlbi vae1is, x22
    faults  FSC_PERMISSION+1, "read-only"
    block   0
    tell    tlbi vae1is, x22
    works   3, "writable again"

    // ---- Another address space, in which it is read-only.
    ram     x0, TABLES
    ram     x1, OTHER_L1
    mov     x2, #64
Lcopy:
    ldp     x3, x4, [x0], #16
    stp     x3, x4, [x1], #16
    subs    x2, x2, #1
    b.ne    Lcopy
    ram     x0, TABLES
    sub     x0, x19, x0
    ram     x1, OTHER_L1
    ldr     x2, [x1, x0]
    orr     x2, x2, #PTE_RO
    str     x2, [x1, x0]
    dsb     ishst
    mov     x26, #20
Lswitch:
    ram     x0, OTHER_L1
    mov     x1, #1
    orr     x0, x0, x1, lsl #48
    msr     TTBR0_EL1, x0
    isb
    tell    tlbi vmalle1is              // entries without nG are everybody's
    faults  FSC_PERMISSION+1, "the other address space"
    ram     x0, TABLES
    msr     TTBR0_EL1, x0
    isb
    tell    tlbi vmalle1is
    works   4, "back"
    subs    x26, x26, #1
    b.ne    Lswitch

    // ---- EL0's too, and PSTATE.PAN.
    id_field x0, ID_AA64MMFR1_EL1, 20
    cbz     x0, Lno_pan
    block   PTE_USER
    tell    tlbi vmalle1is
    .inst   0xd500409f
    works   5, "EL0's"
    .inst   0xd500419f
    faults  FSC_PERMISSION+1, "EL0's, with PAN"
    .inst   0xd500409f
    works   6, "EL0's again"
Lno_pan:

    // ---- Gone.
    str     xzr, [x19]
    tell    tlbi vmalle1is
    faults  FSC_TRANSLATION+1, "gone"
    pass

// WORDS times x0 from x20 on. Changes x1.
Lfill:
    mov     x1, #0
Lfill_next:
    str     x0, [x20, x1, lsl #3]
    add     x1, x1, #1
    cmp     x1, #WORDS
    b.ne    Lfill_next
    ret

    .include "lib/mmu.S"
