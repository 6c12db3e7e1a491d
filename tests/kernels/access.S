// Who may access what, and the controls over it: PSTATE.PAN and SCTLR_EL1.SPAN, the unprivileged loads and stores, PSTATE.UAO, SCTLR_EL1.WXN,
// TCR_EL1's tag bytes (TBI, TBID), E0PD and HPD, and the access flag and dirty state that the hardware writes into descriptors.

    .include "lib/kernel.S"
    kernel  "access"
    .include "lib/mmu48.S"
    .arch_extension pan

    .equ    L1_TABLE,   FREE
    .equ    L2_TABLE,   FREE+0x1000
    .equ    L3_TABLE,   FREE+0x2000
    .equ    PAGE_A,     FREE+0x10000
    .equ    VA,         0x8000000000    // entry 1 of level 0; its pages:
    .equ    EL1_PAGE,   VA              //   read and write for EL1
    .equ    EL0_PAGE,   VA+0x1000       //   and for EL0
    .equ    EL0_RO,     VA+0x2000       //   read-only for both
    .equ    TEST,       VA+0x3000       //   changes
    .equ    RW,         PTE_PAGE|PTE_ISH|PTE_AF
    .equ    SCTLR_ON,   SCTLR_OFF|SCTLR_M|SCTLR_C|SCTLR_I
    .equ    SPAN,       1<<23
    .equ    WXN,        1<<19
    .equ    TCR_HA,     1<<39
    .equ    TCR_HD,     1<<40
    .equ    TCR_HPD0,   1<<41
    .equ    TCR_TBI0,   1<<37
    .equ    TCR_TBID0,  1<<51
    .equ    TCR_E0PD0,  1<<55
    .equ    DBM,        1<<51

    .macro sctlr value
    mov64   x14, (\value)
    msr     SCTLR_EL1, x14
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    .endm
    .macro tcr bits
    mov64   x14, MMU_TCR|(\bits)
    msr     TCR_EL1, x14
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    .endm
    .macro faults iss, what:req, insn:vararg
    must_trap EC_DABT_SAME, (\iss), "\what", \insn
    check_far x20, "\what"
    .endm
    .macro set_pan value
    .inst   0xd500409f|(\value)<<8      // msr PAN, #value
    .endm
    .macro set_uao value
    .inst   0xd500407f|(\value)<<8      // msr UAO, #value
    .endm

    bl      Lmmu_on
    put_entry MMU_L0, 1, L1_TABLE, PTE_TABLE
    put_entry L1_TABLE, 0, L2_TABLE, PTE_TABLE
    put_entry L2_TABLE, 0, L3_TABLE, PTE_TABLE
    put_entry L3_TABLE, 0, PAGE_A, RW
    put_entry L3_TABLE, 1, PAGE_A, RW|PTE_USER
    put_entry L3_TABLE, 2, PAGE_A, RW|PTE_USER|PTE_RO
    flush_tlb
    mov64   x20, EL1_PAGE
    mov64   x0, 0x1234567890abcdef
    str     x0, [x20]

    // ---- LDTR and STTR are EL0's accesses.
    faults  FSC_PERMISSION+3, "LDTR of EL1's page", ldtr x0, [x20]
    faults  (WNR|FSC_PERMISSION+3), "STTRB to EL1's page", sttrb w0, [x20]
    mov64   x20, EL0_PAGE
    ldtrsw  x0, [x20]
    mov64   x1, 0xffffffff90abcdef
    check_reg x0, x1, "LDTRSW of EL0's page"
    sttrh   wzr, [x20]
    ldr     x0, [x20]
    mov64   x1, 0x1234567890ab0000
    check_reg x0, x1, "STTRH to EL0's page"
    mov64   x20, EL0_RO
    ldtr    w0, [x20]
    faults  (WNR|FSC_PERMISSION+3), "STTR to a page read-only for EL0", sttr x0, [x20]

    // ---- PAN: EL1 has no access to what EL0 has. Not LDTR, not fetches.
    id_field x0, ID_AA64MMFR1_EL1, 20
    cbz     x0, Lno_pan
    mov64   x20, EL0_PAGE
    ldr     x0, [x20]                   // so that the TLB knows it
    str     x0, [x20]
    set_pan 1
    faults  FSC_PERMISSION+3, "LDR of EL0's page with PAN", ldr x0, [x20]
    faults  (WNR|FSC_PERMISSION+3), "STR to EL0's page with PAN", str x0, [x20]
    faults  FSC_PERMISSION+3, "LDXR of EL0's page with PAN", ldxr x0, [x20]
    ldtr    x0, [x20]
    sttr    x0, [x20]
    mov64   x20, EL0_RO
    faults  FSC_PERMISSION+3, "LDP of EL0's read-only page with PAN", ldp x0, x1, [x20]
    mov64   x20, EL1_PAGE
    ldr     x0, [x20]
    faults  FSC_PERMISSION+3, "LDTR of EL1's page with PAN", ldtr x0, [x20]
    // AT S1E1R does not look at PAN, AT S1E1RP does.
    mov64   x20, EL0_PAGE
    at      s1e1r, x20
    isb
    mrs     x0, PAR_EL1
    and     x0, x0, #1
    check   x0, 0, "PAR_EL1.F of AT S1E1R with PAN"
    id_field x0, ID_AA64MMFR1_EL1, 20
    cmp     x0, #2
    b.lo    Lno_pan2
    .inst   0xd5087914                  // at s1e1rp, x20
    isb
    mrs     x0, PAR_EL1
    check   x0, 0x81f, "PAR_EL1 of AT S1E1RP with PAN"
    .inst   0xd5087934                  // at s1e1wp, x20
    isb
    mrs     x0, PAR_EL1
    check   x0, 0x81f, "PAR_EL1 of AT S1E1WP with PAN"
Lno_pan2:
    set_pan 0
    ldr     x0, [x20]
    // SPAN 0: set by an exception to EL1; SPSR_EL1 has what was before.
    sctlr   (SCTLR_ON&~SPAN)
    set_hook CPU_HOOK_SYNC, Lsee_pan
    svc     #0
    no_hook CPU_HOOK_SYNC
    check   x21, 0x400000, "PAN in a handler without SPAN"
    check   x22, 0, "PAN in its SPSR_EL1"
    mrs     x0, S3_0_C4_C2_3
    check   x0, 0, "PAN after its return"
    sctlr   SCTLR_ON
    set_hook CPU_HOOK_SYNC, Lsee_pan
    set_pan 1
    svc     #0
    set_pan 0
    no_hook CPU_HOOK_SYNC
    check   x21, 0x400000, "PAN stays in a handler with SPAN"
    check   x22, 0x400000, "PAN in its SPSR_EL1 with SPAN"
    b       Lpan_end
Lsee_pan:
    mrs     x21, S3_0_C4_C2_3           // PAN
    ldr     x22, [x0, #FRAME_SPSR]
    and     x22, x22, #0x400000
    str     x21, [x0, #21*8]
    str     x22, [x0, #22*8]
    ret
Lno_pan:
    skip    "no PAN"
Lpan_end:

    // ---- UAO: LDTR and STTR are EL1's own accesses.
    id_field x0, ID_AA64MMFR2_EL1, 4
    cbz     x0, Lno_uao
    mov64   x20, EL1_PAGE
    set_uao 1
    ldtr    x0, [x20]
    sttr    x0, [x20]
    set_pan 1
    mov64   x20, EL0_PAGE
    faults  FSC_PERMISSION+3, "LDTR of EL0's page with UAO and PAN", ldtr x0, [x20]
    set_pan 0
    set_uao 0
    mov64   x20, EL1_PAGE
    faults  FSC_PERMISSION+3, "LDTR of EL1's page without UAO", ldtr x0, [x20]
    b       Luao_end
Lno_uao:
    skip    "no UAO"
Luao_end:

    // ---- WXN: what can be written can't be run.
    ram     x0, PAGE_A
    mov64   x1, 0x10000000              // adr x0, .
    mov64   x2, 0xd65f03c0              // ret
    stp     w1, w2, [x0]
    dsb     ish
    ic      iallu
    dsb     ish
    isb
    mov64   x20, EL1_PAGE
    blr     x20
    check_reg x0, x20, "code in a writable page"
    sctlr   SCTLR_ON|WXN
    resume_at Lwxn
    blr     x20
Lwxn:
    check_exception EC_IABT_SAME, FSC_PERMISSION+3, "code in a writable page with WXN"
    mov64   x20, EL0_RO
    blr     x20
    sctlr   SCTLR_ON

    // ---- TBI: the top byte is not part of the address of data, with TBID 0 nor of code; it stays in FAR_EL1.
    mov64   x20, EL1_PAGE|0x5a00000000000000
    faults  FSC_TRANSLATION+0, "a tag without TBI", ldr x0, [x20]
    tcr     TCR_TBI0
    mov64   x1, EL1_PAGE
    ldr     w0, [x20]
    ldr     w2, [x1]
    check_reg x0, x2, "LDR with a tag"
    str     w0, [x20]
    blr     x20
    check_reg x0, x1, "the address of code that was reached by a tagged one"
    mov64   x20, 0x5a00008000010000
    faults  FSC_TRANSLATION+3, "a tagged address without a page", ldr x0, [x20]
    mov64   x20, EL1_PAGE|0x5a00000000000000
    dc      cvac, x20
    ldxr    x0, [x20]
    stxr    w1, x0, [x20]
    check   x1, 0, "STXR with a tag"
    id_field x0, ID_AA64ISAR1_EL1, 4
    mrs     x1, ID_AA64ISAR1_EL1
    ubfx    x1, x1, #8, #4
    orr     x0, x0, x1
    cbz     x0, Lno_tbid                // TBID comes with pointer authentication
    tcr     TCR_TBI0|TCR_TBID0
    resume_at Ltbid
    blr     x20                         // first: QEMU 7.2 runs what a load has put into its TLB
Ltbid:
    check_exception EC_IABT_SAME, FSC_TRANSLATION+0, "code at an address with a tag and TBID"
    check_far x20, "code at an address with a tag and TBID"
    ldr     w0, [x20]
Lno_tbid:
    tcr     0

    // ---- E0PD: nothing of the half for EL0, whatever the tables say; level 0.
    mov64   x20, EL0_PAGE
    run_el0 Luser_load
    check_exception EC_SVC, 0, "EL0 without E0PD"
    id_field x0, ID_AA64MMFR2_EL1, 60
    cbz     x0, Lno_e0pd
    // EL0's code would be in the half too: LDTR stands for it.
    tcr     TCR_E0PD0
    faults  FSC_TRANSLATION+0, "LDTR with E0PD", ldtr x0, [x20]
    ldr     x0, [x20]
    run_el0 Luser_load
    check_exception EC_IABT_LOWER, FSC_TRANSLATION+0, "EL0 with E0PD"
    tcr     0
    b       Le0pd_end
Lno_e0pd:
    skip    "no E0PD"
Le0pd_end:

    // ---- HPD: what the tables above take away does not count.
    put_entry L1_TABLE, 0, L2_TABLE, PTE_TABLE|0x4000000000000000   // APTable: read-only
    flush_tlb
    faults  (WNR|FSC_PERMISSION+3), "APTable without HPD", str x0, [x20]
    id_field x0, ID_AA64MMFR1_EL1, 12
    cbz     x0, Lno_hpd
    tcr     TCR_HPD0
    str     x0, [x20]
    tcr     0
    b       Lhpd_end
Lno_hpd:
    skip    "no HPD"
Lhpd_end:
    put_entry L1_TABLE, 0, L2_TABLE, PTE_TABLE
    flush_tlb

    // ---- Hardware updates. TCR_EL1.HA: the access flag; HD: a page with DBM is read-only until it is written.
    .macro descriptor want, what:req
    ram     x14, L3_TABLE+3*8
    ldr     x16, [x14]
    ram     x17, PAGE_A
    sub     x16, x16, x17
    check   x16, (\want), "\what"
    .endm
    mov64   x20, TEST
    put_entry L3_TABLE, 3, PAGE_A, (RW&~PTE_AF)
    flush_tlb
    faults  FSC_ACCESSFLAG+3, "access flag without HA", ldr x0, [x20]
    id_field x0, ID_AA64MMFR1_EL1, 0
    cbz     x0, Lno_hafdbs
    tcr     TCR_HA
    at      s1e1r, x20                  // AT need not set it; here it doesn't
    isb
    mrs     x0, PAR_EL1
    and     x0, x0, #1
    check   x0, 0, "PAR_EL1.F of AT with the access flag clear and HA"
    ldr     x0, [x20]
    descriptor RW, "the access flag, set by a load"
    put_entry L3_TABLE, 3, PAGE_A, (RW&~PTE_AF)
    flush_tlb
    str     x0, [x20]
    descriptor RW, "the access flag, set by a store"
    put_entry L3_TABLE, 3, PAGE_A, ((RW&~PTE_AF)|PTE_RO)
    flush_tlb
    faults  (WNR|FSC_PERMISSION+3), "a store to a read-only page with HA", str x0, [x20]
    ram     x0, PAGE_A
    mov64   x1, 0xd65f03c0
    str     w1, [x0]
    put_entry L3_TABLE, 3, PAGE_A, ((RW&~PTE_AF)|PTE_RO)
    dc      cvau, x0
    dsb     ish
    ic      iallu
    flush_tlb
    blr     x20
    descriptor RW|PTE_RO, "the access flag, set by a fetch"

    id_field x0, ID_AA64MMFR1_EL1, 0
    cmp     x0, #2
    b.lo    Lno_dirty
    put_entry L3_TABLE, 3, PAGE_A, RW|PTE_RO|DBM
    flush_tlb
    faults  (WNR|FSC_PERMISSION+3), "DBM without HD", str x0, [x20]
    tcr     TCR_HA|TCR_HD
    ldr     x0, [x20]
    descriptor RW|PTE_RO|DBM, "a page that was read is clean"
    str     x0, [x20]
    descriptor RW|DBM, "a page that was written is dirty"
    str     x0, [x20]
    ldr     x0, [x20]
    descriptor RW|DBM, "and stays so"
    // By an atomic, by STXR; not by STXR that does not store.
    put_entry L3_TABLE, 3, PAGE_A, RW|PTE_RO|DBM
    flush_tlb
    ldxr    x0, [x20]
    descriptor RW|PTE_RO|DBM, "clean after LDXR"
    stxr    w1, x0, [x20]
    check   x1, 0, "STXR to a clean page"
    descriptor RW|DBM, "dirty after STXR"
    // EL0 too, and LDTR; HD alone is nothing.
    put_entry L3_TABLE, 3, PAGE_A, (RW&~PTE_AF)|PTE_RO|DBM|PTE_USER
    flush_tlb
    sttrb   wzr, [x20]
    descriptor RW|DBM|PTE_USER, "accessed and dirty by STTRB"
    put_entry L3_TABLE, 3, PAGE_A, RW|PTE_RO|DBM
    tcr     TCR_HD
    faults  (WNR|FSC_PERMISSION+3), "DBM with HD but not HA", str x0, [x20]
    tcr     0
    pass
Lno_hafdbs:
    skip    "no hardware access flag"
Lno_dirty:
    skip    "no hardware dirty state"
    tcr     0
    pass

Luser_load:
    ldr     x0, [x20]
    svc     #0
