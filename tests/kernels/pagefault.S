// Page faults: translation, address size, access flag and permission at each level, by reads, writes, fetches, from EL1 and EL0, each with
// its ESR, FAR, ELR; then mapped and retried. Last, demand paging: a handler that maps, sets the access flag, copies on write.

    .include "lib/kernel.S"
    kernel  "pagefault"
    .include "lib/mmu48.S"

    .equ    L1_TABLE,   FREE
    .equ    L2_TABLE,   FREE+0x1000
    .equ    L3_TABLE,   FREE+0x2000
    .equ    PAGE,       FREE+0x10000
    .equ    BLOCK,      FREE+0x600000
    .equ    VA,         0x8040403120    // entries 1 1 2 3 of levels 0 to 3
    .equ    TOO_HIGH,   0x10000000000   // IPS says 40 bits
    .equ    RW,         PTE_ISH|PTE_AF
    .equ    GIB,        0x40000000

// An access by the instruction at x20 must fault.
    .macro faults iss, what:req, insn:vararg
    must_trap EC_DABT_SAME, \iss, "\what", \insn
    check_far x20, "\what"
    .endm

    .macro fetch_faults iss, what:req
    resume_at Lfetched\@
    blr     x20
Lfetched\@:
    check_exception EC_IABT_SAME, \iss, "\what"
    check_far x20, "\what"
    mrs     x14, TPIDR_EL1
    ldr     x14, [x14, #CPU_ELR]
    check_reg x14, x20, "\what: ELR"
    .endm

    .macro el0_faults class, iss, what:req, insn:vararg
    run_el0 Lel0\@
    b       Lel0_done\@
Lel0\@:
    \insn
    b       .
Lel0_done\@:
    check_exception \class, \iss, "\what"
    check_far x20, "\what"
    check_vector 0x400, "\what"
    .endm

// The three accesses at EL1, all refused with this status code.
    .macro all_fault fsc, what:req
    faults  \fsc, "\what, read", ldr w0, [x20]
    faults  (WNR|\fsc), "\what, write", strb w0, [x20]
    fetch_faults \fsc, "\what, fetch"
    .endm

    .macro reads want, what:req
    ldr     w0, [x20]
    check   x0, \want, "\what"
    .endm

    // What lies at VA in a page, a block of 2 MiB, of 1 GiB: "mov w0, #n; ret".
    bl      Lmmu_on
    ram     x0, PAGE+0x120
    mov64   x1, 0x52800060
    mov64   x2, 0xd65f03c0
    stp     w1, w2, [x0]
    ram     x0, BLOCK+0x3120
    mov64   x1, 0x52800040
    stp     w1, w2, [x0]
    and     x21, x28, #0x40000000       // where the 1 GiB around RAM begins
    mov64   x0, VA&0x3fffffff
    add     x0, x0, x21
    mov64   x1, 0x52800020
    stp     w1, w2, [x0]
    dsb     ish
    ic      iallu
    dsb     ish
    isb
    mov64   x20, VA

    // ---- Translation faults, downwards. An invalid entry is never remembered: DSB and ISB do.
    all_fault FSC_TRANSLATION+0, "nothing at level 0"
    // QEMU 7.2 takes a block at level 0 for one.
    unless_vibe Lno_block0
    put_entry MMU_L0, 1, L1_TABLE, PTE_BLOCK
    flush_tlb
    all_fault FSC_TRANSLATION+0, "a block at level 0"
Lno_block0:
    put_entry MMU_L0, 1, L1_TABLE, PTE_TABLE
    dsb     ishst
    isb
    all_fault FSC_TRANSLATION+1, "nothing at level 1"
    put_entry L1_TABLE, 1, L2_TABLE, PTE_TABLE
    dsb     ishst
    isb
    all_fault FSC_TRANSLATION+2, "nothing at level 2"
    put_entry L2_TABLE, 2, L3_TABLE, PTE_TABLE
    dsb     ishst
    isb
    all_fault FSC_TRANSLATION+3, "nothing at level 3"
    put_entry L3_TABLE, 3, PAGE, PTE_BLOCK|RW
    flush_tlb
    all_fault FSC_TRANSLATION+3, "a block at level 3"
    put_entry L3_TABLE, 3, PAGE, PTE_PAGE|RW
    dsb     ishst
    isb
    reads   0x52800060, "mapped: the page"
    str     w0, [x20]
    blr     x20
    check   x0, 3, "mapped: code in the page"

    // An access over the end of the page faults at the next page's first byte.
    mov64   x20, VA+0xee0
    must_trap EC_DABT_SAME, FSC_TRANSLATION+3, "over the end", ldur x0, [x20, #-4]
    check_far x20, "over the end"
    must_trap EC_DABT_SAME, (WNR|FSC_TRANSLATION+3), "store over the end", stur x0, [x20, #-3]
    check_far x20, "store over the end"
    // And addresses without a table: upper half, beyond 48 bits.
    mov64   x20, 0xffff800000000000
    all_fault FSC_TRANSLATION+0, "TTBR1 disabled by EPD1"
    mov64   x20, 0x1000000000000
    all_fault FSC_TRANSLATION+0, "beyond 48 bits"
    mov64   x20, VA

    // ---- Access flag, levels 3, 2, 1; then set, and retried.
    put_entry L3_TABLE, 3, PAGE, PTE_PAGE|PTE_ISH
    flush_tlb
    all_fault FSC_ACCESSFLAG+3, "access flag at level 3"
    put_entry L3_TABLE, 3, PAGE, PTE_PAGE|RW
    dsb     ishst
    isb
    reads   0x52800060, "access flag set at level 3"
    put_entry L2_TABLE, 2, BLOCK, PTE_BLOCK|PTE_ISH
    flush_tlb
    all_fault FSC_ACCESSFLAG+2, "access flag at level 2"
    put_entry L2_TABLE, 2, BLOCK, PTE_BLOCK|RW
    dsb     ishst
    isb
    reads   0x52800040, "access flag set at level 2"
    blr     x20
    check   x0, 2, "code in the block of 2 MiB"

    // Block of 1 GiB: x21 holds its address.
    .macro  put_gib attributes:req
    ram     x14, L1_TABLE+8
    mov64   x15, (\attributes)
    orr     x15, x15, x21
    str     x15, [x14]
    .endm
    put_gib PTE_BLOCK|PTE_ISH
    flush_tlb
    all_fault FSC_ACCESSFLAG+1, "access flag at level 1"
    put_gib PTE_BLOCK|RW
    dsb     ishst
    isb
    reads   0x52800020, "access flag set at level 1"
    blr     x20
    check   x0, 1, "code in the block of 1 GiB"

    // ---- Permissions, levels 1, 2, 3. EL1 never runs what EL0 may write.
    .macro permissions level, what:req, put:vararg
    \put PTE_RO|PTE_PXN|PTE_UXN
    flush_tlb
    ldr     w0, [x20]
    faults  (WNR|FSC_PERMISSION+\level), "read-only at \what", str w0, [x20]
    faults  (WNR|FSC_PERMISSION+\level), "STP, read-only at \what", stp x0, x1, [x20]
    fetch_faults FSC_PERMISSION+\level, "PXN at \what"
    el0_faults EC_DABT_LOWER, FSC_PERMISSION+\level, "EL0 reads EL1's at \what", ldr w0, [x20]
    el0_faults EC_DABT_LOWER, (WNR|FSC_PERMISSION+\level), "EL0 writes EL1's at \what", str w0, [x20]
    el0_faults EC_IABT_LOWER, FSC_PERMISSION+\level, "UXN at \what", br x20
    \put PTE_USER|PTE_RO
    flush_tlb
    ldr     w0, [x20]
    faults  (WNR|FSC_PERMISSION+\level), "read-only for both at \what", str w0, [x20]
    el0_faults EC_DABT_LOWER, (WNR|FSC_PERMISSION+\level), "EL0 writes read-only at \what", str w0, [x20]
    blr     x20
    \put PTE_USER|PTE_UXN
    flush_tlb
    ldr     w0, [x20]
    str     w0, [x20]
    fetch_faults FSC_PERMISSION+\level, "writable by EL0 at \what"
    el0_faults EC_IABT_LOWER, FSC_PERMISSION+\level, "UXN alone at \what", br x20
    .endm

    .macro put_gib_as attributes:req
    put_gib PTE_BLOCK|RW|\attributes
    .endm
    .macro put_block_as attributes:req
    put_entry L2_TABLE, 2, BLOCK, PTE_BLOCK|RW|\attributes
    .endm
    .macro put_page_as attributes:req
    put_entry L3_TABLE, 3, PAGE, PTE_PAGE|RW|\attributes
    .endm
    permissions 1, "level 1", put_gib_as
    put_entry L1_TABLE, 1, L2_TABLE, PTE_TABLE
    permissions 2, "level 2", put_block_as
    put_entry L2_TABLE, 2, L3_TABLE, PTE_TABLE
    permissions 3, "level 3", put_page_as

    // What a table takes away counts below it: APTable read-only, APTable not for EL0, PXNTable. The level is the page's.
    put_page_as PTE_USER
    put_entry L1_TABLE, 1, L2_TABLE, PTE_TABLE|0x4000000000000000
    flush_tlb
    faults  (WNR|FSC_PERMISSION+3), "APTable read-only", str w0, [x20]
    ldr     w0, [x20]
    put_entry L1_TABLE, 1, L2_TABLE, PTE_TABLE|0x2000000000000000
    flush_tlb
    el0_faults EC_DABT_LOWER, FSC_PERMISSION+3, "APTable not for EL0", ldr w0, [x20]
    put_page_as 0
    put_entry L1_TABLE, 1, L2_TABLE, PTE_TABLE|0x0800000000000000
    flush_tlb
    fetch_faults FSC_PERMISSION+3, "PXNTable"
    put_entry L1_TABLE, 1, L2_TABLE, PTE_TABLE
    flush_tlb
    str     w0, [x20]

    // ---- Address size: a table's or page's address beyond IPS.
    put_entry L3_TABLE, 3, PAGE, PTE_PAGE|RW|TOO_HIGH
    flush_tlb
    all_fault FSC_ADDRSIZE+3, "address size at level 3"
    put_entry L2_TABLE, 2, L3_TABLE, PTE_TABLE|TOO_HIGH
    flush_tlb
    all_fault FSC_ADDRSIZE+2, "address size at level 2"
    put_entry L1_TABLE, 1, L2_TABLE, PTE_TABLE|TOO_HIGH
    flush_tlb
    all_fault FSC_ADDRSIZE+1, "address size at level 1"
    put_entry MMU_L0, 1, L1_TABLE, PTE_TABLE|TOO_HIGH
    flush_tlb
    all_fault FSC_ADDRSIZE+0, "address size at level 0"

    // ---- Demand paging: 64 pages at EL0's address DEMAND, nothing of which is there. A page is first mapped read-only without its
    // access flag, so each costs three faults: translation, access flag, permission.
    .equ    DEMAND,     0x8000000000    // entry 1 of level 0
    .equ    PAGES,      64
    .equ    STRIDE,     0x201000        // each in another table, at another entry
    .equ    POOL,       FREE+0x400000   // pages to give, in order
    .equ    COUNTS,     SHARED          // u64 faults by kind: translation, access flag, permission
    .equ    POOL_NEXT,  SHARED+0x40
    ram     x0, MMU_L0
    str     xzr, [x0, #8]
    flush_tlb
    ram     x0, POOL
    ram     x1, POOL_NEXT
    str     x0, [x1]
    set_hook CPU_HOOK_SYNC, Ldemand
    adr     x1, Luser
    msr     ELR_EL1, x1
    mov     x1, #0x3c0
    msr     SPSR_EL1, x1
    isb
    eret

// At EL0: writes i*i+1 to page i, then reads all of them.
Luser:
    mov64   x1, DEMAND+0xff8
    mov64   x2, STRIDE
    mov     x3, #0
Luser_write:
    madd    x4, x3, x3, x3
    add     x4, x4, #1
    ldr     x5, [x1]
    add     x4, x4, x5                  // + 0
    str     x4, [x1]
    add     x1, x1, x2
    add     x3, x3, #1
    cmp     x3, #PAGES
    b.ne    Luser_write
    mov64   x1, DEMAND+0xff8
    mov     x3, #0
Luser_read:
    madd    x4, x3, x3, x3
    add     x4, x4, #1
    ldr     x5, [x1]
    cmp     x4, x5
    b.ne    Luser_bad
    add     x1, x1, x2
    add     x3, x3, #1
    cmp     x3, #PAGES
    b.ne    Luser_read
    mov     x5, #0
Luser_bad:
    svc     #0

// x0 = frame. x19 = its FAR.
Ldemand:
    stp     x30, x0, [sp, #-16]!
    ldr     x1, [x0, #FRAME_ESR]
    ldr     x19, [x0, #FRAME_FAR]
    lsr     x2, x1, #26
    cmp     x2, #EC_SVC
    b.eq    Ldemand_end
    check   x2, EC_DABT_LOWER, "demand: class"
    ubfx    x3, x1, #2, #4
    cmp     x3, #FSC_TRANSLATION>>2
    b.eq    Ldemand_map
    cmp     x3, #FSC_ACCESSFLAG>>2
    b.eq    Ldemand_touch
    and     x3, x1, #0x7f
    check   x3, (WNR|FSC_PERMISSION+3), "demand: status code"
    mov     x20, #2
    bl      Ldemand_leaf
    ldr     x3, [x2]
    bic     x3, x3, #PTE_RO
    str     x3, [x2]
    // A valid entry changed: its address, all ASIDs.
    dsb     ishst
    lsr     x3, x19, #12
    tlbi    vaae1is, x3
    b       Ldemand_return
Ldemand_touch:
    mov     x20, #1
    bl      Ldemand_leaf
    ldr     x3, [x2]
    orr     x3, x3, #PTE_AF
    str     x3, [x2]
    dsb     ishst
    b       Ldemand_return
Ldemand_map:
    mov     x20, #0
    bl      Ldemand_leaf
    bl      Lpool_page
    mov64   x4, PTE_PAGE|PTE_ISH|PTE_USER|PTE_RO|PTE_UXN|PTE_PXN
    orr     x3, x3, x4
    str     x3, [x2]
    dsb     ishst
Ldemand_return:
    dsb     ish
    isb
    ram     x1, COUNTS
    ldr     x2, [x1, x20, lsl #3]
    add     x2, x2, #1
    str     x2, [x1, x20, lsl #3]
    ldp     x30, x0, [sp], #16
    ret

// x2 = where the descriptor of the page at x19 lies; tables that are missing are made. Changes x3-x8.
Ldemand_leaf:
    mov     x8, x30
    ram     x2, MMU_L0
    mov     x5, #39
Lleaf_level:
    lsr     x6, x19, x5
    and     x6, x6, #0x1ff
    add     x2, x2, x6, lsl #3
    cmp     x5, #12
    b.eq    Lleaf_end
    ldr     x3, [x2]
    tbnz    x3, #0, Lleaf_next
    bl      Lpool_page
    orr     x4, x3, #PTE_TABLE
    str     x4, [x2]
    mov     x3, x4
Lleaf_next:
    and     x2, x3, #0xfffffffff000
    sub     x5, x5, #9
    b       Lleaf_level
Lleaf_end:
    ret     x8

// x3 = a page of zeroes. Changes x4, x6, x7.
Lpool_page:
    ram     x4, POOL_NEXT
    ldr     x3, [x4]
    add     x6, x3, #0x1000
    str     x6, [x4]
    mov     x7, x3
Lpool_clear:
    stp     xzr, xzr, [x7], #16
    cmp     x7, x6
    b.ne    Lpool_clear
    ret

Ldemand_end:
    ldr     x1, [x0, #0x28]
    check   x1, 0, "demand: what EL0 read that it had not written"
    ram     x1, COUNTS
    ldp     x2, x3, [x1]
    ldr     x4, [x1, #16]
    check   x2, PAGES, "demand: translation faults"
    check   x3, PAGES, "demand: access flag faults"
    check   x4, PAGES, "demand: permission faults"
    pass
