// The MMU, with RAM and devices where they are. Included after `kernel`. 4 KiB granule, 48 bits by TTBR0, no TTBR1, 40 bits out (TCR_EL1.IPS).
//
//   RAM base, 2 MiB    pages: the image read-only and executable for EL0 and EL1; USER for both to read and write; the rest EL1's
//   RAM base, 62 MiB   blocks above that: EL1's, write-back
//   0x08000000, 64 MiB blocks: devices
// Everything else is not mapped; entry 1 of level 0 is the kernel's own.
    .equ    MMU_L0,     TABLES
    .equ    MMU_L1,     TABLES+0x1000
    .equ    MMU_L2_LOW, TABLES+0x2000   // the first GiB: devices, and RAM of the `vibe` machine
    .equ    MMU_L2_RAM, TABLES+0x3000   // the GiB of RAM where it is another
    .equ    MMU_L3,     TABLES+0x4000
    b       Lmmu_end

// A descriptor: the table at RAM base + TABLE gets at INDEX the address RAM base + OUTPUT with these bits. Changes x14-x16.
    .macro put_entry table:req, index:req, output:req, bits:req
    ram     x14, \table+8*\index
    ram     x15, \output
    mov64   x16, (\bits)
    orr     x15, x15, x16
    str     x15, [x14]
    .endm

// After a descriptor that was valid has been changed: this CPU's TLB forgets everything.
    .macro flush_tlb
    dsb     ishst
    tlbi    vmalle1
    dsb     ish
    isb
    .endm

// Builds the tables and turns the MMU and the caches on. Changes x0-x6.
Lmmu_on:
    mov     x6, x30
    ram     x0, MMU_L0
    mov     x1, #0x5000
Lmmu_clear:
    stp     xzr, xzr, [x0], #16
    subs    x1, x1, #16
    b.ne    Lmmu_clear
    ram     x0, MMU_L0
    ram     x1, MMU_L1
    orr     x2, x1, #PTE_TABLE
    str     x2, [x0]
    ram     x2, MMU_L2_LOW
    orr     x3, x2, #PTE_TABLE
    str     x3, [x1]
    lsr     x4, x28, #30
    cbz     x4, Lmmu_same_gib
    ram     x2, MMU_L2_RAM
    orr     x3, x2, #PTE_TABLE
    str     x3, [x1, x4, lsl #3]
Lmmu_same_gib:
    ubfx    x4, x28, #21, #9
    add     x2, x2, x4, lsl #3
    ram     x3, MMU_L3
    orr     x3, x3, #PTE_TABLE
    str     x3, [x2], #8
    mov64   x3, (FREE|PTE_BLOCK|PTE_NORMAL|PTE_ISH|PTE_AF|PTE_UXN)
    add     x3, x3, x28
    mov     x4, #31
Lmmu_ram:
    str     x3, [x2], #8
    add     x3, x3, #0x200000
    subs    x4, x4, #1
    b.ne    Lmmu_ram
    ram     x2, MMU_L2_LOW+0x200
    mov64   x3, (0x08000000|PTE_BLOCK|PTE_DEVICE|PTE_AF|PTE_UXN|PTE_PXN)
    mov     x4, #32
Lmmu_devices:
    str     x3, [x2], #8
    add     x3, x3, #0x200000
    subs    x4, x4, #1
    b.ne    Lmmu_devices
    ram     x2, MMU_L3
    mov64   x3, (PTE_RW_PAGE|PTE_UXN)
    add     x3, x3, x28
    mov     x4, #512
Lmmu_pages:
    str     x3, [x2], #8
    add     x3, x3, #0x1000
    subs    x4, x4, #1
    b.ne    Lmmu_pages
    ram     x2, MMU_L3+0x80             // the image: from EL1's to read-only for both, executable for both
    mov64   x3, (PTE_USER|PTE_RO|PTE_UXN)
    bl      Lmmu_change
    ram     x2, MMU_L3+0x400            // USER: for both to write, executable for neither
    mov64   x3, (PTE_USER|PTE_PXN)
    bl      Lmmu_change
    mov64   x0, 0x4400ff                // attributes: 0 write-back, 1 Device-nGnRnE, 2 non-cacheable
    msr     MAIR_EL1, x0
    mov64   x0, 0x200803510             // IPS 40 bits, EPD1, inner shareable, write-back walks, T0SZ 16
    msr     TCR_EL1, x0
    ram     x0, MMU_L0
    msr     TTBR0_EL1, x0
    dsb     sy
    tlbi    vmalle1
    ic      iallu
    dsb     sy
    isb
    mov64   x0, (SCTLR_OFF|SCTLR_M|SCTLR_C|SCTLR_I)
    msr     SCTLR_EL1, x0
    isb
    ret     x6

// Turns over the bits x3 in sixteen descriptors from x2.
Lmmu_change:
    mov     x4, #16
Lmmu_change_next:
    ldr     x5, [x2]
    eor     x5, x5, x3
    str     x5, [x2], #8
    subs    x4, x4, #1
    b.ne    Lmmu_change_next
    ret
Lmmu_end:
