// Flat translation for kernels that need the MMU. 4 KiB granule, 39 bits, TTBR0, tables at RAM base + TABLES:
//   0x00000000-0x07ffffff  RAM of the `vibe` machine: write-back, EL1 only
//   0x08000000-0x3fffffff  devices
//   0x40000000-0x7fffffff  RAM of the `virt` machine: as above
//   the 2 MiB at the RAM base by pages: the image read-only and executable for EL0 and EL1; USER for both to read and write; the rest EL1's.
// TTBR1 is off (TCR_EL1.EPD1); a kernel that wants it changes TCR_EL1.

    .equ    TCR_FLAT,   0x0000001000803519   // AS, EPD1, SH0 inner, write-back walks, T0SZ 25; IPS is added at run time
    .equ    TCR_EPD1,   0x800000
    .equ    MAIR,       0x4400ff   // 0 write-back, 1 Device-nGnRnE, 2 non-cacheable

// Builds the tables and turns the MMU and the caches on. Changes x0-x7.
Lmmu_on:
    ram     x0, TABLES+0x1000           // two level 2 tables, end to end
    mov     x1, #0
Lmmu_block:
    lsl     x2, x1, #21
    mov64   x3, (PTE_BLOCK|PTE_NORMAL|PTE_ISH|PTE_AF|PTE_UXN)
    sub     x4, x1, #64
    cmp     x4, #448
    b.hs    Lmmu_normal
    mov64   x3, (PTE_BLOCK|PTE_DEVICE|PTE_AF|PTE_UXN|PTE_PXN)
Lmmu_normal:
    orr     x2, x2, x3
    str     x2, [x0, x1, lsl #3]
    add     x1, x1, #1
    cmp     x1, #1024
    b.ne    Lmmu_block

    ram     x2, TABLES+0x3000           // the level 3 table of the first 2 MiB
    orr     x3, x2, #PTE_TABLE
    lsr     x4, x28, #21
    str     x3, [x0, x4, lsl #3]
    mov     x1, #0
Lmmu_page:
    mov64   x3, (PTE_RW_PAGE|PTE_UXN|PTE_PXN)
    lsr     x4, x1, #4
    cmp     x4, #(IMAGE>>16)
    b.ne    Lmmu_not_image
    mov64   x3, (PTE_RW_PAGE|PTE_RO|PTE_USER)
Lmmu_not_image:
    cmp     x4, #(USER>>16)
    b.ne    Lmmu_not_user
    mov64   x3, (PTE_RW_PAGE|PTE_USER|PTE_UXN|PTE_PXN)
Lmmu_not_user:
    add     x5, x28, x1, lsl #12
    orr     x5, x5, x3
    str     x5, [x2, x1, lsl #3]
    add     x1, x1, #1
    cmp     x1, #512
    b.ne    Lmmu_page

    ram     x2, TABLES                  // level 1
    mov     x1, #0
Lmmu_clear:
    str     xzr, [x2, x1, lsl #3]
    add     x1, x1, #1
    cmp     x1, #512
    b.ne    Lmmu_clear
    orr     x3, x0, #PTE_TABLE
    str     x3, [x2]
    add     x3, x3, #0x1000
    str     x3, [x2, #8]
    dsb     sy

// Turns the MMU on with the tables that are there: for the other CPUs.
Lmmu_enable:
    ram     x0, TABLES
    msr     TTBR0_EL1, x0
    mov64   x0, MAIR
    msr     MAIR_EL1, x0
    mov64   x0, TCR_FLAT
    mrs     x1, ID_AA64MMFR0_EL1
    and     x1, x1, #15                 // PARange, of which IPS has 48 bits at most here
    cmp     x1, #5
    mov     x2, #5
    csel    x1, x1, x2, lo
    orr     x0, x0, x1, lsl #32
    msr     TCR_EL1, x0
    isb
    tlbi    vmalle1
    dsb     nsh
    ic      iallu
    dsb     nsh
    isb
    mov64   x0, (SCTLR_OFF|SCTLR_M|SCTLR_C|SCTLR_I|SCTLR_SA|SCTLR_SA0)
    msr     SCTLR_EL1, x0
    isb
    ret

    // Clears LEN bytes (a multiple of 64) at a register's address. Changes x14, x15.
    .macro clear at, len
    mov     x14, \at
    mov64   x15, \len
Lclear\@:
    stp     xzr, xzr, [x14], #16
    stp     xzr, xzr, [x14], #16
    stp     xzr, xzr, [x14], #16
    stp     xzr, xzr, [x14], #16
    subs    x15, x15, #64
    b.ne    Lclear\@
    .endm

    // After a change from one valid descriptor to another, or to an invalid one.
    .macro tlb_flush
    dsb     ishst
    tlbi    vmalle1is
    dsb     ish
    isb
    .endm

    // After a change from an invalid descriptor: nothing was cached.
    .macro table_written
    dsb     ishst
    isb
    .endm

    // Adds TTBR1 to the running translation: the table at a register's address, T1SZ and TG1 (4K 2, 16K 1, 64K 3). Changes x14, x15.
    .macro high_half table, t1sz, tg1
    msr     TTBR1_EL1, \table
    mrs     x14, TCR_EL1
    mov64   x15, 0xffff0000
    bic     x14, x14, x15
    mov64   x15, ((\tg1<<30)|(0x35<<24)|(\t1sz<<16))
    orr     x14, x14, x15
    msr     TCR_EL1, x14
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    .endm
