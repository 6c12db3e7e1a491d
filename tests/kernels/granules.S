// The translation granules of 4, 16 and 64 KiB in both halves of the address space: every size of it, the table of its first level aligned
// to no more than its own length; each level with nothing, a block or page, or what may not be there; contiguous runs; 52 bits.
//
// Tables are written with the MMU off and everything is non-cacheable: no maintenance but of the TLB, when the MMU comes on. The low half
// always has the identity of the kernel's first MiB and of the PL011.

    .include "lib/kernel.S"
    kernel  "granules"

    .equ    PAGE_A,     FREE            // pages of 64 KiB, with 0xa and 0xb in their first word
    .equ    PAGE_B,     FREE+0x10000
    .equ    POOL,       FREE+0x20000    // tables, 64 KiB apart
    .equ    RUN,        FREE+0x1000000  // 2 MiB
    .equ    LEAF,       PTE_AF|PTE_UXN|8            // AttrIndx 2: non-cacheable
    .equ    PAGE,       LEAF|PTE_PAGE
    .equ    BLOCK,      LEAF|PTE_BLOCK
    .equ    CONTIGUOUS, 0x10000000000000
    .equ    TCR_EPD1,   0x800000

// In all that follows:
//   x19 log2 of the granule     x20 address bits     x21 0 low, 1 high half     x22 its first table     x23 its lowest address
//   x24 where the next table goes     x25 TCR_EL1.IPS     x26, x27 the kernel's loops

    ram     x0, PAGE_A
    mov     w1, #0xa
    str     w1, [x0]
    ram     x0, PAGE_B
    mov     w1, #0xb
    str     w1, [x0]
    mrs     x0, ID_AA64MMFR0_EL1
    and     x25, x0, #15                // PARange; 52 bits are tried at the end
    cmp     x25, #5
    mov     x0, #5
    csel    x25, x0, x25, hi

    // ---- Every granule with every number of bits, in the high half beside each granule in the low half; then in the low half.
    mov     x19, #12
Lgranule:
    bl      Lsupported
    cbz     x0, Lgranule_next
    mov     x21, #1
    mov     x26, #12
Lbeside:
    mov     x0, x26
    bl      Lsupported_x0
    cbz     x0, Lbeside_next
    bl      Lfewest_bits
    mov     x20, x0
Lhigh_bits:
    bl      Lextremes
    add     x20, x20, #1
    bl      Lmost_bits
    cmp     x20, x0
    b.ls    Lhigh_bits
Lbeside_next:
    add     x26, x26, #2
    cmp     x26, #16
    b.ls    Lbeside
    mov     x21, #0
    mov     x20, #32                    // RAM is below
Llow_bits:
    bl      Lextremes
    add     x20, x20, #1
    bl      Lmost_bits
    cmp     x20, x0
    b.ls    Llow_bits
    bl      Llevels
    bl      Lcontiguous
Lgranule_next:
    add     x19, x19, #2
    cmp     x19, #16
    b.ls    Lgranule
    b       Lwide

// ---- The first and the last page of the half can be read and written, and not what lies behind its other end.
Lextremes:
    stp     x30, xzr, [sp, #-16]!
    bl      Lnew_half
    mov     x0, x23
    ram     x1, PAGE_A
    mov64   x2, PAGE
    orr     x1, x1, x2
    mov     x2, #3
    bl      Lmap
    bl      Llast_page
    ram     x1, PAGE_B
    mov64   x2, PAGE
    orr     x1, x1, x2
    mov     x2, #3
    bl      Lmap
    bl      Lon
    ldr     w0, [x23]
    check   x0, 0xa, "the first page"
    str     w0, [x23]
    bl      Llast_page
    ldr     w1, [x0]
    check   x1, 0xb, "the last page"
    str     w1, [x0]
    mov     x0, #1
    lsl     x0, x0, x20
    mov     x1, #-8
    sub     x1, x1, x0
    cmp     x21, #0
    csel    x0, x0, x1, eq
    mov     x2, #0
    bl      Ltranslation_fault
    bl      Loff_mmu
    ldp     x30, xzr, [sp], #16
    ret

// x0 = the last page of the half.
Llast_page:
    mov     x0, #1
    lsl     x1, x0, x19
    lsl     x0, x0, x20
    sub     x0, x0, x1
    add     x0, x0, x23
    ret

// ---- In the high half with 48 bits, level by level: nothing there; a leaf without its access flag, read-only, writable; a leaf where none
// may be. The leaf maps what surrounds PAGE_A, whatever its size.
Llevels:
    stp     x30, x26, [sp, #-16]!
    mov     x20, #48
    mov     x21, #1
    mov     x26, #12
    bl      Lstart_level
    mov     x27, x3
Llevel:
    mov     x1, #0
    bl      Lone_leaf
    bl      Ltranslation_fault
    bl      Lleaf_allowed
    cbz     x0, Lno_leaf
    mov     x2, x27
    mov64   x1, PAGE&~PTE_AF
    bl      Lone_leaf
    mov     x3, #FSC_ACCESSFLAG
    bl      Lload_fault
    mov64   x1, PAGE|PTE_RO
    bl      Lone_leaf
    ldr     w1, [x0]
    check   x1, 0xa, "a leaf"
    bl      Lstore_fault
    mov64   x1, PAGE
    bl      Lone_leaf
    ldr     w1, [x0]
    str     w1, [x0]
    ldr     w1, [x0]
    check   x1, 0xa, "a leaf that was written"
    b       Llevel_next
Lno_leaf:
    // QEMU 7.2 doesn't refuse it.
    unless_vibe Llevel_next
    mov64   x1, PAGE
    bl      Lone_leaf
    bl      Ltranslation_fault
Llevel_next:
    add     x27, x27, #1
    cmp     x27, #3
    b.ls    Llevel
    // Level 3 has no blocks.
    mov     x27, #3
    mov64   x1, PAGE^(PTE_PAGE^PTE_BLOCK)
    bl      Lone_leaf_as_it_is
    bl      Ltranslation_fault
    bl      Loff_mmu
    ldp     x30, x26, [sp], #16
    ret

// x0 = whether there are blocks or pages at level x27. The block of 4 TiB at level 1 comes with 52-bit physical addresses.
Lleaf_allowed:
    mov     x0, #1
    cmp     x27, #2
    b.hs    Lleaf_allowed_end
    mov     x0, #0
    cbz     x27, Lleaf_allowed_end
    cmp     x19, #14
    cset    x0, lo
    b.ls    Lleaf_allowed_end
    mrs     x0, ID_AA64MMFR0_EL1
    and     x0, x0, #15
    cmp     x0, #6
    cset    x0, hs
Lleaf_allowed_end:
    ret

// Tables of a new high half with the attributes x1 at level x27 of an address in its middle, and the MMU on with them. x0 = where PAGE_A is
// then, x2 = x27. x1 = 0: nothing is there. Above level 3 a page becomes a block.
Lone_leaf:
    cmp     x27, #3
    b.hs    Lone_leaf_as_it_is
    and     x1, x1, #~2
Lone_leaf_as_it_is:
    stp     x30, x1, [sp, #-16]!
    bl      Loff_mmu
    bl      Lnew_half
    mov     x3, x27
    bl      Llevel_shift
    ldr     x1, [sp, #8]
    mov     x6, #-1
    lsl     x6, x6, x5
    mov     x0, #0x4a5a                 // some address: different entries at each level
    lsl     x0, x0, #32
    add     x0, x0, x23
    and     x0, x0, x6
    ram     x2, PAGE_A
    bic     x4, x2, x6
    orr     x4, x4, x0
    cbz     x1, Lone_nothing
    and     x2, x2, x6
    orr     x1, x1, x2
Lone_nothing:
    str     x4, [sp, #8]
    mov     x2, x27
    bl      Lmap
    bl      Lon
    mov     x2, x27
    ldp     x30, x0, [sp], #16
    ret

// ---- A contiguous run of pages: each of them where it should be.
Lcontiguous:
    stp     x30, x26, [sp, #-16]!
    mov     x20, #48
    mov     x21, #1
    mov     x26, #12
    // Words that tell the granules of RUN apart.
    ram     x0, RUN
    mov     x1, #0
Lrun_mark:
    str     w1, [x0]
    add     x0, x0, #0x1000
    add     x1, x1, #1
    cmp     x1, #512
    b.ne    Lrun_mark
    bl      Lnew_half
    mov     x27, #0
Lrun_map:
    lsl     x0, x27, x19
    ram     x1, RUN
    add     x1, x1, x0
    mov64   x2, PAGE|CONTIGUOUS
    orr     x1, x1, x2
    add     x0, x0, x23
    mov     x2, #3
    bl      Lmap
    add     x27, x27, #1
    bl      Lrun_length
    cmp     x27, x0
    b.ne    Lrun_map
    bl      Lon
    // Backwards, so that the first translation is not that of the run's start.
Lrun_check:
    sub     x27, x27, #1
    lsl     x0, x27, x19
    lsr     x1, x0, #12
    ldr     w0, [x23, x0]
    check_reg x0, x1, "a page of a contiguous run"
    cbnz    x27, Lrun_check
    bl      Loff_mmu
    ldp     x30, x26, [sp], #16
    ret

// x0 = pages of a contiguous run that fit into the 2 MiB of RUN: 16 of 4 KiB, 128 of 16 KiB, 32 of 64 KiB.
Lrun_length:
    mov     x0, #16
    cmp     x19, #14
    mov     x1, #128
    csel    x0, x1, x0, eq
    mov     x1, #32
    csel    x0, x1, x0, hi
    ret

// ---- 52 bits of physical address, with the granule of 64 KiB: nothing is there, but AT tells where it would be.
Lwide:
    mov     x19, #16
    bl      Lsupported
    cbz     x0, Lno_wide
    mrs     x0, ID_AA64MMFR0_EL1
    and     x0, x0, #15
    cmp     x0, #6
    b.lo    Lno_wide
    mov     x20, #48
    mov     x21, #1
    mov     x26, #12
    mov     x25, #6
    bl      Lnew_half
    mov     x0, x23
    mov64   x1, 0x123456780000|0xd000|PAGE      // bits 15:12 are 51:48 of the address
    mov     x2, #3
    bl      Lmap
    bl      Lon
    add     x0, x23, #0x4000
    at      s1e1r, x0
    isb
    mrs     x0, PAR_EL1
    ubfx    x0, x0, #12, #40
    mov64   x1, 0xd123456784000>>12
    check_reg x0, x1, "PAR_EL1 of an address of 52 bits"
    bl      Loff_mmu
    // Too large for 48 bits. (QEMU 7.2 drops what is too much.)
    unless_vibe Lend
    mov     x25, #5
    bl      Lon
    mov     x0, x23
    mov     x2, #3
    mov     x3, #FSC_ADDRSIZE
    bl      Lload_fault
    bl      Loff_mmu
    b       Lend
Lno_wide:
    skip    "no physical addresses of 52 bits"
Lend:
    mrs     x0, ID_AA64MMFR2_EL1
    ubfx    x0, x0, #16, #4
    cbnz    x0, Lhas_lva
    skip    "no virtual addresses of 52 bits"
Lhas_lva:
    mov     x0, #14
    bl      Lsupported_x0
    cbnz    x0, Lhas_16k
    skip    "no granule of 16 KiB"
Lhas_16k:
    pass

// ---- What the CPU has
// x0 = whether there is the granule x19. TGran16: 0 no; the others: 0xf no.
Lsupported:
    mov     x0, x19
Lsupported_x0:
    mrs     x1, ID_AA64MMFR0_EL1
    ubfx    x2, x1, #20, #4
    cmp     x0, #14
    b.eq    Lsupported_16k
    ubfx    x2, x1, #28, #4
    ubfx    x1, x1, #24, #4
    csel    x2, x1, x2, hi
    cmp     x2, #15
    cset    x0, ne
    ret
Lsupported_16k:
    cmp     x2, #0
    cset    x0, ne
    ret

// x0 = the fewest address bits: 25, or with small tables (ID_AA64MMFR2_EL1.ST) 16, 17 with 64 KiB.
Lfewest_bits:
    mrs     x1, ID_AA64MMFR2_EL1
    ubfx    x1, x1, #28, #4
    cmp     x19, #16
    mov     x0, #16
    cinc    x0, x0, eq
    cmp     x1, #0
    mov     x1, #25
    csel    x0, x0, x1, ne
    ret

// x0 = the most: 48, or 52 with 64 KiB and ID_AA64MMFR2_EL1.VARange.
Lmost_bits:
    mrs     x1, ID_AA64MMFR2_EL1
    ubfx    x1, x1, #16, #4
    mov     x0, #48
    cbz     x1, Lmost_end
    cmp     x19, #16
    mov     x1, #52
    csel    x0, x1, x0, eq
Lmost_end:
    ret

// ---- Tables
// x3 = the level at which a walk of x20 bits starts. Changes x4, x5.
Lstart_level:
    sub     x3, x20, #1
    sub     x3, x3, x19
    sub     x4, x19, #3
    udiv    x4, x3, x4
    mov     x3, #3
    sub     x3, x3, x4
    ret

// x5 = the lowest address bit that an entry of level x3 stands for. Changes x6.
Llevel_shift:
    mov     x5, #3
    sub     x5, x5, x3
    sub     x6, x19, #3
    madd    x5, x5, x6, x19
    ret

// x0 = a table of zeroes, one granule long. Changes x1, x2.
Lnew_table:
    mov     x0, x24
    add     x24, x24, #0x10000
    mov     x1, #1
    lsl     x1, x1, x19
    add     x1, x1, x0
    mov     x2, x0
Lnew_clear:
    stp     xzr, xzr, [x2], #16
    cmp     x2, x1
    b.ne    Lnew_clear
    ret

// Starts over: x22 = a first table for x19, x20, x21, as far into its granule as it is long; the low half gets the identity. x23 = the lowest
// address. Changes x0-x9.
Lnew_half:
    mov     x10, x30
    ram     x24, POOL
    bl      Lnew_table
    bl      Lnew_table                  // the second is behind the first one's granule: it may be 64 KiB long itself
    bl      Lstart_level
    bl      Llevel_shift
    sub     x5, x20, x5
    mov     x1, #8
    lsl     x1, x1, x5                  // its length
    sub     x22, x0, x1
    mov     x2, x22
    add     x1, x1, x2
Lroot_clear:
    str     xzr, [x2], #8
    cmp     x2, x1
    b.ne    Lroot_clear
    mov     x0, #-1
    lsl     x0, x0, x20
    cmp     x21, #0
    csel    x23, xzr, x0, eq
    cbnz    x21, Lnew_end
    bl      Lidentity
Lnew_end:
    ret     x10

// Maps the kernel and the PL011 to themselves in the low half. Changes x0-x9, x11.
Lidentity:
    mov     x12, x30
    mov     x11, x28
Lidentity_next:
    mov     x0, x11
    mov64   x1, PAGE
    orr     x1, x1, x11
    mov     x2, #3
    bl      Lmap
    mov     x0, #1
    lsl     x0, x0, x19
    add     x11, x11, x0
    ram     x0, 0x100000
    cmp     x11, x0
    b.ne    Lidentity_next
    mov64   x0, UART
    mov64   x1, UART|PTE_PAGE|PTE_AF|PTE_UXN|PTE_PXN|PTE_DEVICE
    mov     x2, #3
    bl      Lmap
    ret     x12

// Writes x1 into the entry of address x0 at level x2; tables on the way are made. Changes x0-x9.
Lmap:
    mov     x9, x30
    mov     x7, x0
    mov     x8, x1
    mov     x1, x2
    mov     x0, #-1
    lsl     x0, x0, x20
    bic     x7, x7, x0
    bl      Lstart_level
    mov     x0, x22
Lmap_level:
    bl      Llevel_shift
    lsr     x5, x7, x5
    mov     x4, #-1
    lsl     x4, x4, x6
    bic     x5, x5, x4
    add     x4, x0, x5, lsl #3
    cmp     x3, x1
    b.eq    Lmap_leaf
    ldr     x0, [x4]
    and     x0, x0, #~3
    cbnz    x0, Lmap_next
    mov     x6, x1
    bl      Lnew_table
    mov     x1, x6
    orr     x2, x0, #PTE_TABLE
    str     x2, [x4]
Lmap_next:
    add     x3, x3, #1
    b       Lmap_level
Lmap_leaf:
    str     x8, [x4]
    ret     x9

// ---- The MMU
// On with the half at x22; beside a high one the identity by the granule x26. Changes x0-x12.
Lon:
    mov     x13, x30
    dsb     sy
    cbz     x21, Lon_low
    // The low half's tables, by a geometry of their own.
    stp     x19, x20, [sp, #-32]!
    stp     x22, x21, [sp, #16]
    mov     x19, x26
    mov     x20, #40
    bl      Lnew_table
    mov     x22, x0
    bl      Lidentity
    mov     x0, x22
    adr     x1, Ltg0
    sub     x2, x26, #12
    ldrb    w2, [x1, x2]
    lsl     x2, x2, #14
    orr     x2, x2, #(64-40)
    ldp     x22, x21, [sp, #16]
    ldp     x19, x20, [sp], #32
    adr     x3, Ltg1
    sub     x4, x19, #12
    ldrb    w3, [x3, x4]
    orr     x2, x2, x3, lsl #30
    mov     x3, #64
    sub     x3, x3, x20
    orr     x2, x2, x3, lsl #16
    mov     x1, x22
    b       Lon_common
Lon_low:
    mov     x0, x22
    mov     x1, #0
    adr     x3, Ltg0
    sub     x4, x19, #12
    ldrb    w2, [x3, x4]
    lsl     x2, x2, #14
    mov     x3, #64
    sub     x3, x3, x20
    orr     x2, x2, x3
    mov64   x3, TCR_EPD1
    orr     x2, x2, x3
Lon_common:
    orr     x2, x2, x25, lsl #32
    msr     TCR_EL1, x2
    msr     TTBR0_EL1, x0
    msr     TTBR1_EL1, x1
    mov64   x0, 0x4400ff
    msr     MAIR_EL1, x0
    dsb     sy
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    mov64   x0, SCTLR_OFF|SCTLR_M
    msr     SCTLR_EL1, x0
    isb
    ret     x13

Loff_mmu:
    mov64   x4, SCTLR_OFF
    msr     SCTLR_EL1, x4
    isb
    ret

Ltg0:
    .byte   0, 0, 2, 0, 1
Ltg1:
    .byte   2, 0, 1, 0, 3
    .balign 4

// ---- A load from x0, or a store, must fault with status code x3 and the level x2. Changes x1, x3.
Ltranslation_fault:
    mov     x3, #FSC_TRANSLATION
Lload_fault:
    traps   ldr w1, [x0]
Lfault_check:
    add     x3, x3, x2
    mov64   x1, EC_DABT_SAME<<26|0x2000000
    orr     x3, x3, x1
    mrs     x14, TPIDR_EL1
    ldr     x1, [x14, #CPU_ESR]
    check_reg x1, x3, "ESR of a fault"
    check_far x0, "a fault"
    ret
Lstore_fault:
    mov     x3, #WNR|FSC_PERMISSION
    traps   str w1, [x0]
    b       Lfault_check
