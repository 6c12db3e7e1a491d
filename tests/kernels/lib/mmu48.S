// Stage 1 translation from level 0 on: RAM and the devices mapped to themselves by the 4 KB granule, 48 bits, in TTBR0_EL1, for kernels that
// test the tables themselves. Instead of lib/mmu.S, included after `kernel`.
//
// The devices (0x08000000 up) are Device-nGnRnE, never executable. The first 64 MiB of RAM are EL1's, in blocks, but the first 2 MiB are
// pages: EL0 may read and run the image and may read and write USER. Only entry 0 of level 0 is used: addresses from 2^39 are free.
    .equ    MMU_L0,     TABLES
    .equ    MMU_L1,     TABLES+0x1000
    .equ    MMU_L2_DEVICES, TABLES+0x2000
    .equ    MMU_L2_RAM, TABLES+0x3000   // RAM from 0 is in the devices' table instead
    .equ    MMU_L3,     TABLES+0x4000
    .equ    MMU_MAIR,   0x4400ff        // write-back, Device-nGnRnE, non-cacheable
    .equ    MMU_TCR,    0x200803510     // IPS 40 bits, EPD1, TG0 4 KB, inner shareable, write-back, T0SZ 16
    b       Lmmu_end

// All stores to the tables are seen, no translation is remembered.
    .macro flush_tlb
    dsb     ishst
    tlbi    vmalle1
    dsb     ish
    isb
    .endm

// Writes the descriptor \attributes, with the address RAM base + \target, as entry \index of the table at RAM base + \table; no TLB
// maintenance. Changes x14-x16.
    .macro put_entry table:req, index:req, target:req, attributes:req
    ram     x14, (\table)+(\index)*8
    ram     x15, (\target)
    mov64   x16, (\attributes)
    orr     x15, x15, x16
    str     x15, [x14]
    .endm

// Changes x0-x6.
Lmmu_on:
    mov     x6, x30
    ram     x0, TABLES
    mov     x1, #0x5000
Lmmu_clear:
    stp     xzr, xzr, [x0], #16
    subs    x1, x1, #16
    b.ne    Lmmu_clear

    ram     x0, MMU_L0
    ram     x1, MMU_L1
    orr     x2, x1, #PTE_TABLE
    str     x2, [x0]
    ram     x2, MMU_L2_DEVICES
    orr     x3, x2, #PTE_TABLE
    str     x3, [x1]
    lsr     x4, x28, #30
    cbz     x4, Lmmu_ram_low
    ram     x2, MMU_L2_RAM
    orr     x3, x2, #PTE_TABLE
    str     x3, [x1, x4, lsl #3]
Lmmu_ram_low:
    // x2 = the table of RAM
    ubfx    x4, x28, #21, #9
    add     x2, x2, x4, lsl #3
    ram     x3, MMU_L3
    orr     x3, x3, #PTE_TABLE
    str     x3, [x2], #8
    mov64   x3, 0x200000|PTE_BLOCK|PTE_NORMAL|PTE_ISH|PTE_AF|PTE_UXN
    add     x3, x3, x28
    mov     x4, #31
Lmmu_block:
    str     x3, [x2], #8
    add     x3, x3, #0x200000
    subs    x4, x4, #1
    b.ne    Lmmu_block

    ram     x2, MMU_L2_DEVICES+64*8
    mov64   x3, 0x08000000|PTE_BLOCK|PTE_DEVICE|PTE_AF|PTE_UXN|PTE_PXN
    mov     x4, #32
Lmmu_device:
    str     x3, [x2], #8
    add     x3, x3, #0x200000
    subs    x4, x4, #1
    b.ne    Lmmu_device

    ram     x2, MMU_L3
    mov64   x3, PTE_RW_PAGE|PTE_UXN
    add     x3, x3, x28
    mov     x4, #512
Lmmu_page:
    str     x3, [x2], #8
    add     x3, x3, #0x1000
    subs    x4, x4, #1
    b.ne    Lmmu_page
    // The image: read-only, EL0 may run it. USER: EL0 may write, nobody may run it.
    ram     x2, MMU_L3+(IMAGE>>12)*8
    mov64   x3, PTE_USER|PTE_RO|PTE_UXN
    bl      Lmmu_flip
    ram     x2, MMU_L3+(USER>>12)*8
    mov64   x3, PTE_USER|PTE_PXN
    bl      Lmmu_flip
    mov     x30, x6

// The same tables for another CPU. Changes x0.
Lmmu_enable:
    mov64   x0, MMU_MAIR
    msr     MAIR_EL1, x0
    mov64   x0, MMU_TCR
    msr     TCR_EL1, x0
    ram     x0, MMU_L0
    msr     TTBR0_EL1, x0
    dsb     sy
    tlbi    vmalle1
    ic      iallu
    dsb     sy
    isb
    mov64   x0, SCTLR_OFF|SCTLR_M|SCTLR_C|SCTLR_I
    msr     SCTLR_EL1, x0
    isb
    ret

// The 16 descriptors at x2 ^= x3.
Lmmu_flip:
    mov     x4, #16
Lmmu_flip_next:
    ldr     x5, [x2]
    eor     x5, x5, x3
    str     x5, [x2], #8
    subs    x4, x4, #1
    b.ne    Lmmu_flip_next
    ret
Lmmu_end:
