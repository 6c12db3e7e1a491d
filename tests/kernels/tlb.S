// TLB maintenance: by address, by address for all ASIDs, of last level, by ASID, all, by range; global and non-global pages, blocks, code, another CPU.
//
// What was invalidated and has its TLBI and DSB behind it must fault, and what is mapped then must be seen. (That something else is still
// remembered cannot be asked: a TLB may forget anything.)

    .include "lib/kernel.S"
    kernel  "tlb"
    .include "lib/mmu48.S"

    .equ    L1_TABLE,   FREE            // of address space 1
    .equ    L2_TABLE,   FREE+0x1000
    .equ    L3_TABLE,   FREE+0x2000
    .equ    OTHER_L0,   FREE+0x4000     // of address space 2: the same but for what lies at VA
    .equ    OTHER_L1,   FREE+0x5000
    .equ    OTHER_L2,   FREE+0x6000
    .equ    OTHER_L3,   FREE+0x7000
    .equ    PAGE_A,     FREE+0x10000
    .equ    PAGE_B,     FREE+0x11000
    .equ    PAGE_C,     FREE+0x12000
    .equ    BLOCK,      FREE+0x200000
    .equ    VA,         0x8040403000    // entries 1 1 2 3 of levels 0 to 3
    .equ    RW,         PTE_PAGE|PTE_ISH|PTE_AF
    .equ    TURN,       SHARED+0x100    // the other CPU: whose turn it is, what it read
    .equ    SEEN,       SHARED+0x140
    .equ    ROUNDS,     500

    .macro reads page, what:req
    ldr     w0, [x20]
    check   x0, \page, "\what"
    .endm

    .macro gone level, what:req
    must_trap EC_DABT_SAME, FSC_TRANSLATION+\level, "\what: gone", ldr w0, [x20]
    check_far x20, "\what: gone"
    .endm

    .macro ttbr table, asid
    ram     x0, \table
    mov64   x1, (\asid)<<48
    orr     x0, x0, x1
    msr     TTBR0_EL1, x0
    isb
    .endm

// PAGE_A is mapped and read; invalidated with the operation, it is gone; PAGE_B is mapped and read.
    .macro remap attributes, what:req, operation:vararg
    put_entry L3_TABLE, 3, PAGE_A, RW|\attributes
    dsb     ishst
    isb
    reads   0xa, "\what: page A"
    str     w0, [x20]
    ram     x14, L3_TABLE+3*8
    str     xzr, [x14]
    dsb     ishst
    \operation
    dsb     ish
    isb
    gone    3, "\what"
    put_entry L3_TABLE, 3, PAGE_B, RW|\attributes
    dsb     ishst
    isb
    reads   0xb, "\what: page B"
    ram     x14, L3_TABLE+3*8
    str     xzr, [x14]
    dsb     ishst
    \operation
    dsb     ish
    isb
    .endm

    bl      Lmmu_on
    mov     x1, #0xa
    ram     x0, PAGE_A
    str     w1, [x0]
    mov     x1, #0xb
    ram     x0, PAGE_B
    str     w1, [x0]
    mov     x1, #0xc
    ram     x0, PAGE_C
    str     w1, [x0]
    put_entry MMU_L0, 1, L1_TABLE, PTE_TABLE
    put_entry L1_TABLE, 1, L2_TABLE, PTE_TABLE
    put_entry L2_TABLE, 2, L3_TABLE, PTE_TABLE
    put_entry OTHER_L0, 0, MMU_L1, PTE_TABLE
    put_entry OTHER_L0, 1, OTHER_L1, PTE_TABLE
    put_entry OTHER_L1, 1, OTHER_L2, PTE_TABLE
    put_entry OTHER_L2, 2, OTHER_L3, PTE_TABLE
    dsb     ishst
    isb
    mov64   x20, VA
    // Operands of the operations, for ASID 1, 2, any.
    lsr     x21, x20, #12
    mov     x23, #1
    lsl     x23, x23, #48
    orr     x22, x21, x23
    mov     x24, #2
    lsl     x24, x24, #48
    orr     x25, x21, x24

    // ---- One address space, ASID 1: every operation, on a global and a non-global page.
    ttbr    MMU_L0, 1
    remap   0, "VAE1 of a global page", tlbi vae1, x22
    remap   0, "VAE1 of a global page with another ASID", tlbi vae1, x25
    remap   0, "VAE1IS", tlbi vae1is, x22
    remap   0, "VALE1", tlbi vale1, x22
    remap   0, "VALE1IS", tlbi vale1is, x22
    remap   0, "VAAE1", tlbi vaae1, x21
    remap   0, "VAAE1IS", tlbi vaae1is, x21
    remap   0, "VAALE1", tlbi vaale1, x21
    remap   0, "VAALE1IS", tlbi vaale1is, x21
    remap   0, "VMALLE1", tlbi vmalle1
    remap   0, "VMALLE1IS", tlbi vmalle1is
    remap   PTE_NG, "VAE1 of a non-global page", tlbi vae1, x22
    remap   PTE_NG, "VAE1IS of a non-global page", tlbi vae1is, x22
    remap   PTE_NG, "VALE1 of a non-global page", tlbi vale1, x22
    remap   PTE_NG, "VALE1IS of a non-global page", tlbi vale1is, x22
    remap   PTE_NG, "VAAE1 of a non-global page", tlbi vaae1, x21
    remap   PTE_NG, "VAAE1IS of a non-global page", tlbi vaae1is, x21
    remap   PTE_NG, "VAALE1 of a non-global page", tlbi vaale1, x21
    remap   PTE_NG, "ASIDE1", tlbi aside1, x23
    remap   PTE_NG, "ASIDE1IS", tlbi aside1is, x23
    remap   PTE_NG, "VMALLE1 of a non-global page", tlbi vmalle1

    // FEAT_TLBIOS, FEAT_TLBIRANGE. A range: TG 4 KB, SCALE 0, NUM 1: 4 pages, from two before VA.
    id_field x0, ID_AA64ISAR0_EL1, 56
    cmp     x0, #1
    b.lo    Lno_os
    remap   PTE_NG, "VAE1OS", .inst 0xd5088136          // tlbi vae1os, x22
    remap   PTE_NG, "ASIDE1OS", .inst 0xd5088157        // tlbi aside1os, x23
    remap   PTE_NG, "VMALLE1OS", .inst 0xd508811f
    b       Lrange
Lno_os:
    skip    "no outer shareable TLBI"
Lrange:
    id_field x0, ID_AA64ISAR0_EL1, 56
    cmp     x0, #2
    b.lo    Lno_range
    sub     x26, x21, #2
    mov64   x0, 1<<39|1<<46
    orr     x26, x26, x0
    orr     x27, x26, x23
    remap   PTE_NG, "RVAE1", .inst 0xd508863b           // tlbi rvae1, x27
    remap   PTE_NG, "RVAE1IS", .inst 0xd508823b
    remap   PTE_NG, "RVALE1", .inst 0xd50886bb
    remap   PTE_NG, "RVAAE1", .inst 0xd508867a          // tlbi rvaae1, x26
    remap   PTE_NG, "RVAALE1IS", .inst 0xd50882fa
    remap   0, "RVAE1 of a global page", .inst 0xd508863b
    b       Lpermissions
Lno_range:
    skip    "no TLBI by range"

    // ---- A permission that is taken away.
Lpermissions:
    put_entry L3_TABLE, 3, PAGE_A, RW
    dsb     ishst
    isb
    ldr     w0, [x20]
    str     w0, [x20]
    put_entry L3_TABLE, 3, PAGE_A, RW|PTE_RO
    dsb     ishst
    tlbi    vaale1, x21
    dsb     ish
    isb
    must_trap EC_DABT_SAME, WNR|FSC_PERMISSION+3, "made read-only", str w0, [x20]
    ldr     w0, [x20]
    ram     x0, L3_TABLE+3*8
    str     xzr, [x0]
    flush_tlb

    // ---- Code: the page that runs is replaced.
    ram     x0, PAGE_A+0x10
    mov64   x1, 0x52800140              // mov w0, #10
    mov64   x2, 0xd65f03c0              // ret
    stp     w1, w2, [x0]
    ram     x0, PAGE_B+0x10
    add     w1, w1, #0x20               // mov w0, #11
    stp     w1, w2, [x0]
    dsb     ish
    ic      iallu
    dsb     ish
    isb
    add     x19, x20, #0x10
    put_entry L3_TABLE, 3, PAGE_A, RW
    dsb     ishst
    isb
    blr     x19
    check   x0, 10, "code of page A"
    ram     x0, L3_TABLE+3*8
    str     xzr, [x0]
    dsb     ishst
    tlbi    vae1, x22
    dsb     ish
    isb
    resume_at Lcode_gone
    blr     x19
Lcode_gone:
    check_exception EC_IABT_SAME, FSC_TRANSLATION+3, "code gone"
    put_entry L3_TABLE, 3, PAGE_B, RW
    dsb     ishst
    isb
    blr     x19
    check   x0, 11, "code of page B"

    // ---- A table above is cut off: not the last level's forms.
    ldr     w0, [x20]
    ram     x0, L2_TABLE+2*8
    str     xzr, [x0]
    dsb     ishst
    tlbi    vae1, x22
    dsb     ish
    isb
    gone    2, "VAE1 after a table's end"
    put_entry L2_TABLE, 2, L3_TABLE, PTE_TABLE
    dsb     ishst
    isb
    reads   0xb, "the table is back"

    // ---- A block of 2 MiB goes by one address in it: wherever it was used.
    .macro block_gone what:req, operation:vararg
    ram     x0, L2_TABLE+2*8
    str     xzr, [x0]
    flush_tlb
    put_entry L2_TABLE, 2, BLOCK, PTE_BLOCK|PTE_ISH|PTE_AF|PTE_NG
    dsb     ishst
    isb
    mov64   x20, VA&~0x1fffff
    mov     x19, #512
Lblock_use\@:
    ldr     w0, [x20]
    str     w0, [x20]
    add     x20, x20, #0x1000
    subs    x19, x19, #1
    b.ne    Lblock_use\@
    ram     x0, L2_TABLE+2*8
    str     xzr, [x0]
    dsb     ishst
    \operation
    dsb     ish
    isb
    mov64   x20, VA&~0x1fffff
    mov     x19, #512
Lblock_check\@:
    gone    2, "\what"
    add     x20, x20, #0x1000
    subs    x19, x19, #1
    b.ne    Lblock_check\@
    .endm
    block_gone "block by VAE1", tlbi vae1, x22
    block_gone "block by VAALE1IS", tlbi vaale1is, x21
    block_gone "block by ASIDE1", tlbi aside1, x23
    put_entry L2_TABLE, 2, L3_TABLE, PTE_TABLE
    flush_tlb
    mov64   x20, VA

    // ---- Two address spaces, ASIDs 1 and 2: switching needs no TLBI; each operation reaches its own.
    put_entry L3_TABLE, 3, PAGE_A, RW|PTE_NG
    put_entry OTHER_L3, 3, PAGE_C, RW|PTE_NG
    flush_tlb
    mov     x19, #20
Lswitch:
    ttbr    OTHER_L0, 2
    reads   0xc, "address space 2"
    ttbr    MMU_L0, 1
    reads   0xa, "address space 1"
    subs    x19, x19, #1
    b.ne    Lswitch

    .macro across what:req, operation:vararg
    // The other space's page is replaced while this one runs.
    ram     x14, OTHER_L3+3*8
    str     xzr, [x14]
    dsb     ishst
    \operation
    dsb     ish
    isb
    reads   0xa, "\what: space 1 stays"
    ttbr    OTHER_L0, 2
    gone    3, "\what in space 2"
    put_entry OTHER_L3, 3, PAGE_B, RW|PTE_NG
    dsb     ishst
    isb
    reads   0xb, "\what: new page in space 2"
    ttbr    MMU_L0, 1
    reads   0xa, "\what: back in space 1"
    .endm
    across  "VAE1 with the other ASID", tlbi vae1, x25
    across  "VALE1IS with the other ASID", tlbi vale1is, x25
    across  "VAAE1 for all ASIDs", tlbi vaae1, x21
    across  "ASIDE1 of the other ASID", tlbi aside1, x24
    across  "ASIDE1IS of the other ASID", tlbi aside1is, x24
    across  "VMALLE1 for all ASIDs", tlbi vmalle1

    // An ASID that is used again for other tables, after ASIDE1.
    tlbi    aside1, x23
    dsb     ish
    isb
    ttbr    OTHER_L0, 1
    reads   0xb, "ASID 1 with other tables"
    ttbr    MMU_L0, 0
    tlbi    aside1, x23
    dsb     ish
    isb
    ttbr    MMU_L0, 1
    reads   0xa, "ASID 1 with its tables again"

    // TCR_EL1.A1: the ASID comes from TTBR1_EL1.
    mrs     x0, TCR_EL1
    orr     x0, x0, #0x400000
    msr     TTBR1_EL1, x24
    msr     TCR_EL1, x0
    isb
    tlbi    vmalle1
    dsb     ish
    isb
    reads   0xa, "ASID 2 by TTBR1_EL1"
    ram     x0, L3_TABLE+3*8
    str     xzr, [x0]
    dsb     ishst
    tlbi    vae1, x25
    dsb     ish
    isb
    gone    3, "VAE1 with TTBR1_EL1's ASID"
    mov64   x0, MMU_TCR
    msr     TCR_EL1, x0
    isb
    tlbi    vmalle1
    dsb     ish
    isb

    // ---- AT: the address that a translation would give, without an access.
    put_entry L3_TABLE, 3, PAGE_B, RW|PTE_RO|PTE_USER
    dsb     ishst
    isb
    add     x0, x20, #0x123
    at      s1e1r, x0
    isb
    mrs     x0, PAR_EL1
    mov64   x1, 0xff00000000000b80      // write-back, inner shareable; bit 11 is RES1
    ram     x2, PAGE_B
    orr     x1, x1, x2
    mov64   x2, 0x200                   // NS, without a meaning here
    bic     x0, x0, x2
    bic     x1, x1, x2
    check_reg x0, x1, "PAR_EL1 of AT S1E1R"
    at      s1e0w, x20
    isb
    mrs     x0, PAR_EL1
    check   x0, 0x81f, "PAR_EL1 of AT S1E0W, read-only"
    mov64   x0, 0x8000000000-0x1000
    at      s1e1w, x0
    isb
    mrs     x0, PAR_EL1
    check   x0, 0x80b, "PAR_EL1 of AT S1E1W, nothing at level 1"

    // ---- Another CPU, which only reads: the inner shareable forms reach it.
    put_entry L3_TABLE, 3, PAGE_A, RW
    dsb     ish
    mov     x1, #1
    adr     x2, Lsecondary
    mov     x3, #0
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON"
    mov     x19, #0
    ram     x23, TURN
    ram     x26, SEEN
Lround:
    // It reads, so that it knows the page; then the page is replaced; it reads again.
    bl      Lother_reads
    ram     x0, L3_TABLE+3*8
    str     xzr, [x0]
    dsb     ishst
    tbz     x19, #1, Lround_va
    tlbi    vmalle1is
    b       Lround_dsb
Lround_va:
    tlbi    vaae1is, x21
Lround_dsb:
    dsb     ish
    ram     x1, PAGE_B
    ram     x2, PAGE_A
    tst     x19, #1
    csel    x1, x1, x2, eq
    mov64   x2, RW
    orr     x1, x1, x2
    str     x1, [x0]
    dsb     ish
    bl      Lother_reads
    and     x1, x19, #1
    mov     x2, #0xb
    sub     x2, x2, x1
    check_reg x0, x2, "what the other CPU reads"
    add     x19, x19, #1
    cmp     x19, #ROUNDS
    b.ne    Lround
    pass

// x0 = what the other CPU reads now.
Lother_reads:
    mov     x0, #1
    stlr    x0, [x23]
Lother_wait:
    ldar    x0, [x23]
    cbnz    x0, Lother_wait
    ldr     x0, [x26]
    ret

Lsecondary:
    ram_base
    mov     x0, #1
    bl      Lcpu_init
    bl      Lmmu_enable
    mov64   x20, VA
    ram     x23, TURN
    ram     x26, SEEN
Lsecondary_wait:
    ldar    x0, [x23]
    cbz     x0, Lsecondary_wait
    ldr     w0, [x20]
    str     x0, [x26]
    stlr    xzr, [x23]
    b       Lsecondary_wait
