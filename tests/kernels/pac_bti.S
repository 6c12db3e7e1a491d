// Pointer authentication: every key and form signs, authenticates, strips; what was tampered with can't be used. Branch target
// identification: what may be the target of which branch in a guarded page.

    .include "lib/kernel.S"
    kernel  "pac_bti"
    .include "lib/mmu48.S"
    .arch_extension pauth

    .equ    L1_TABLE,   FREE
    .equ    L2_TABLE,   FREE+0x1000
    .equ    L3_TABLE,   FREE+0x2000
    .equ    GUARDED,    0x8000000000    // the page of Lguarded once more, with GP
    .equ    SCTLR_ON,   SCTLR_OFF|SCTLR_M|SCTLR_C|SCTLR_I
    .equ    EN_IA,      1<<31
    .equ    EN_IB,      1<<30
    .equ    EN_DA,      1<<27
    .equ    EN_DB,      1<<13
    .equ    EN_ALL,     EN_IA|EN_IB|EN_DA|EN_DB
    .equ    BT0,        1<<35
    .equ    BT1,        1<<36
    .equ    TCR_TBI0,   1<<37

    .macro sctlr value
    mov64   x14, (\value)
    msr     SCTLR_EL1, x14
    isb
    .endm

    bl      Lmmu_on
    mrs     x0, ID_AA64ISAR1_EL1
    mov64   x1, 0xff0                   // APA, API
    tst     x0, x1
    b.eq    Lno_pauth
    mov64   x0, 0x0123456789abcdef
    msr     APIAKeyLo_EL1, x0
    msr     APDBKeyHi_EL1, x0
    ror     x0, x0, #13
    msr     APIAKeyHi_EL1, x0
    msr     APDBKeyLo_EL1, x0
    ror     x0, x0, #13
    msr     APIBKeyLo_EL1, x0
    msr     APGAKeyHi_EL1, x0
    ror     x0, x0, #13
    msr     APIBKeyHi_EL1, x0
    msr     APGAKeyLo_EL1, x0
    ror     x0, x0, #13
    msr     APDAKeyLo_EL1, x0
    ror     x0, x0, #13
    msr     APDAKeyHi_EL1, x0
    isb
    ram     x20, FREE+0x10000           // the pointer
    mov64   x0, 0x5ca1ab1e
    str     x0, [x20]
    mov64   x21, 0xfeedc0de             // the modifier
    mov     x22, #0

    // ---- Keys that are not enabled leave pointers alone.
    mov     x0, x20
    pacia   x0, x21
    check_reg x0, x20, "PACIA without EnIA"
    autdb   x0, x21
    check_reg x0, x20, "AUTDB without EnDB"

    // ---- Signed, it is another pointer; authenticated, the same again; with another modifier or key, one that faults and tells which key.
    .macro key name, enable, error, sign, auth, other, strip
    sctlr   SCTLR_ON|\enable
    mov     x0, x20
    \sign   x0, x21
    check_reg x0, x20, "\sign", ne
    mov     x23, x0
    \strip  x0
    check_reg x0, x20, "\strip after \sign"
    mov     x0, x23
    \auth   x0, x21
    check_reg x0, x20, "\auth"
    mov     x0, x23
    eor     x1, x21, #1
    \auth   x0, x1
    mov64   x1, \error<<61
    orr     x1, x1, x20
    check_reg x0, x1, "\auth with another modifier"
    must_trap EC_DABT_SAME, FSC_TRANSLATION, "a load by it", ldr x2, [x0]
    check_far x0, "a load by it"
    sctlr   SCTLR_ON|EN_ALL
    mov     x0, x23
    \other  x0, x21
    and     x0, x0, #0x6000000000000000
    check   x0, 0, "\other after \sign", ne
    // An address of the upper half.
    mov64   x24, 0xffff812345678000
    mov     x0, x24
    \sign   x0, x21
    check_reg x0, x24, "\sign in the upper half", ne
    mov     x1, x0
    \strip  x1
    check_reg x1, x24, "\strip in the upper half"
    \auth   x0, x21
    check_reg x0, x24, "\auth in the upper half"
    .endm
    key     IA, EN_IA, 1, pacia, autia, autib, xpaci
    key     IB, EN_IB, 2, pacib, autib, autia, xpaci
    key     DA, EN_DA, 1, pacda, autda, autdb, xpacd
    key     DB, EN_DB, 2, pacdb, autdb, autda, xpacd

    // ---- The same by the forms without a modifier, and by the hints: for SP, zero, X16.
    .macro same form, to, what:req
    \form
    check_reg \to, x23, "\what"
    .endm
    mov     x23, x20
    pacia   x23, x22
    mov     x0, x20
    same    "paciza x0", x0, "PACIZA"
    mov     x30, x20
    same    "paciaz", x30, "PACIAZ"
    autiaz
    check_reg x30, x20, "AUTIAZ"
    mov     x23, x20
    pacib   x23, x21
    mov     x0, x20
    mov     x1, sp
    mov     sp, x21
    mov     x30, x20
    pacibsp
    mov     x24, x30
    autibsp
    mov     sp, x1
    check_reg x30, x20, "AUTIBSP"
    check_reg x24, x23, "PACIBSP"
    mov     x30, x24
    xpaclri
    check_reg x30, x20, "XPACLRI"
    mov     x1, x16
    mov     x17, x20
    mov     x16, x21
    pacib1716
    mov     x24, x17
    autib1716
    mov     x0, x17
    check_reg x24, x23, "PACIB1716"
    check_reg x0, x20, "AUTIB1716"
    mov     x23, x20
    pacdb   x23, x22
    mov     x0, x20
    same    "pacdzb x0", x0, "PACDZB"
    autdzb  x0
    check_reg x0, x20, "AUTDZB"
    pacga   x0, x20, x21
    and     x1, x0, #0xffffffff
    check   x1, 0, "low half of PACGA"
    eor     x1, x21, #0x80000
    pacga   x1, x20, x1
    check_reg x0, x1, "PACGA with another modifier", ne

    // ---- TCR_EL1.TBI0: the top byte is not part of it.
    mrs     x19, TCR_EL1
    mov64   x0, TCR_TBI0
    orr     x0, x0, x19
    msr     TCR_EL1, x0
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    mov64   x1, 0x5a00000000000000
    orr     x24, x20, x1
    mov     x0, x24
    pacda   x0, x21
    check_reg x0, x24, "PACDA with a tag", ne
    lsr     x1, x0, #56
    check   x1, 0x5a, "the tag"
    autda   x0, x21
    check_reg x0, x24, "AUTDA with a tag"
    ldr     x1, [x0]
    mov64   x2, 0x5ca1ab1e
    check_reg x1, x2, "a load by it"
    msr     TCR_EL1, x19
    isb
    tlbi    vmalle1
    dsb     nsh
    isb

    // ---- Loads and branches that authenticate.
    sub     x0, x20, #8
    pacdza  x0
    mov     x24, x0
    ldraa   x1, [x0, #8]
    mov64   x2, 0x5ca1ab1e
    check_reg x1, x2, "LDRAA"
    check_reg x0, x24, "LDRAA leaves its base"
    ldraa   x1, [x0, #8]!
    check_reg x0, x20, "LDRAA with write-back"
    must_trap EC_DABT_SAME, FSC_TRANSLATION, "LDRAB of a pointer of key A", ldrab x1, [x24, #8]
    adr     x0, Lreturn_7
    pacia   x0, x21
    blraa   x0, x21
    check   x0, 7, "BLRAA"
    adr     x0, Lreturn_7
    paciza  x0
    adr     x30, Lafter_braaz
    braaz   x0
Lafter_braaz:
    check   x0, 7, "BRAAZ"
    bl      Lreturn_8
    check   x0, 8, "RETAA"
    adr     x23, Lreturn_7
    mov     x24, #0x600d
    resume_at Lbranch_taken
    blrab   x23, x24                    // never signed
Lbranch_taken:
    check_exception EC_IABT_SAME, FSC_TRANSLATION, "BLRAB of what was not signed"
    adr     x0, Lafter_eretaa
    mov     x1, sp
    pacia   x0, x1
    msr     ELR_EL1, x0
    mov     x0, #0x3c5
    msr     SPSR_EL1, x0
    isb
    eretaa
    udf     #0
Lafter_eretaa:
    // At EL0 with the same keys.
    run_el0 Luser
    check_exception EC_SVC, 0, "pointers at EL0"
    check_reg x0, x20, "AUTIA at EL0"
    check_reg x1, x20, "PACIA at EL0", ne
    b       Lpauth_end
Lreturn_7:
    mov     x0, #7
    ret
Lreturn_8:
    paciasp
    mov     x0, #8
    retaa
Luser:
    mov     x0, x20
    pacia   x0, x21
    mov     x1, x0
    autia   x0, x21
    svc     #0
Lno_pauth:
    skip    "no pointer authentication"
Lpauth_end:

    // ---- BTI
    id_field x0, ID_AA64PFR1_EL1, 0
    cbz     x0, Lno_bti
    put_entry MMU_L0, 1, L1_TABLE, PTE_TABLE
    put_entry L1_TABLE, 0, L2_TABLE, PTE_TABLE
    put_entry L2_TABLE, 0, L3_TABLE, PTE_TABLE
    ram     x0, L3_TABLE
    adr     x1, Lguarded
    mov64   x2, PTE_RW_PAGE|PTE_RO|PTE_GP|PTE_USER
    orr     x1, x1, x2
    str     x1, [x0]
    dsb     ishst
    isb
    sctlr   SCTLR_ON|EN_ALL

    // The register = where TARGET is in the guarded page.
    .macro guarded reg, target
    adr     x14, Lguarded
    adr     \reg, \target
    sub     \reg, \reg, x14
    mov64   x14, GUARDED
    add     \reg, \reg, x14
    .endm

    // Goes to TARGET by BLR, by BR of X16, by BR of another register from a guarded page or an unguarded one.
    .macro go how, target
    mov     w0, #0
    guarded x21, \target
    resume_at Lwent\@
    bl      Lgo_\how
Lwent\@:
    mrs     x14, TPIDR_EL1
    ldr     x22, [x14, #CPU_RESUME]     // 0 if there was an exception
    str     xzr, [x14, #CPU_RESUME]
    .endm
    .macro lands how, target
    go      \how, \target
    check   x0, 1, "\target by \how"
    .endm
    .macro refused how, btype, target
    go      \how, \target
    check   x0, 0, "\target by \how: ran"
    check   x22, 0, "\target by \how: no exception"
    check_exception EC_BTI, \btype, "\target by \how"
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_ELR]
    check_reg x16, x21, "\target by \how: ELR"
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_SPSR]
    ubfx    x16, x16, #10, #2
    check   x16, \btype, "\target by \how: SPSR.BTYPE"
    .endm

    refused blr, 2, Lnothing
    refused br_x16, 1, Lnothing
    refused br, 3, Lnothing
    refused br_unguarded, 1, Lnothing
    lands   blr, Lb_nothing
    lands   blr, Lret_nothing
    refused blr, 2, Lbti
    refused br_x16, 1, Lbti
    refused br, 3, Lbti
    lands   blr, Lb_bti
    lands   blr, Lbti_c
    lands   br_x16, Lbti_c
    refused br, 3, Lbti_c
    lands   br_unguarded, Lbti_c
    refused blr, 2, Lbti_j
    lands   br_x16, Lbti_j
    lands   br, Lbti_j
    lands   br_unguarded, Lbti_j
    lands   blr, Lbti_jc
    lands   br_x16, Lbti_jc
    lands   br, Lbti_jc
    lands   blr, Lpaciasp
    lands   br_x16, Lpaciasp
    lands   br, Lpaciasp
    lands   blr, Lpacibsp
    lands   br, Lpacibsp
    refused blr, 2, Lpaciaz
    // SCTLR_EL1.BT1: PACIASP is only what BTI c is.
    sctlr   SCTLR_ON|EN_ALL|BT1
    lands   blr, Lpaciasp
    lands   br_x16, Lpaciasp
    refused br, 3, Lpaciasp
    refused br, 3, Lpacibsp
    sctlr   SCTLR_ON|EN_ALL
    // A breakpoint may be anywhere.
    go      blr, Lbrk
    check_exception EC_BRK, 0x99, "BRK as a target"
    // Not guarded: anything goes.
    adr     x21, Lnothing
    mov     x0, #0
    bl      Lgo_blr
    check   x0, 1, "a target in a page that is not guarded"
    // An exception return brings BTYPE back.
    guarded x21, Lnothing
    adr     x30, Lereturned
    resume_at Lereturned
    msr     ELR_EL1, x21
    mov     x0, #0x3c5|2<<10
    msr     SPSR_EL1, x0
    isb
    eret
Lereturned:
    check_exception EC_BTI, 2, "an exception return with BTYPE"
    // At EL0 likewise; BT0 is EL0's.
    sctlr   SCTLR_ON|EN_ALL|BT1
    guarded x21, Lpaciasp_svc
    guarded x20, Lbr_x21
    run_el0 Luser_br
    check_exception EC_SVC, 1, "PACIASP by BR at EL0"
    sctlr   SCTLR_ON|EN_ALL|BT0
    run_el0 Luser_br
    check_exception EC_BTI, 3, "PACIASP by BR at EL0 with BT0"
    check_vector 0x400, "BTI at EL0"
    pass

Luser_br:
    br      x20
Lgo_blr:
    mov     x9, x30
    blr     x21
    ret     x9
Lgo_br_x16:
    mov     x16, x21
    br      x16
Lgo_br:
    guarded x1, Lbr_x21
    br      x1
Lgo_br_unguarded:
    br      x21
Lno_bti:
    skip    "no BTI"
    pass

// ---- The page that is guarded
    .balign 4096
Lguarded:
Lnothing:
    mov     w0, #1
    ret
Lbti:
    bti
    mov     w0, #1
    ret
Lbti_c:
    bti     c
    mov     w0, #1
    ret
Lbti_j:
    bti     j
    mov     w0, #1
    ret
Lbti_jc:
    bti     jc
    mov     w0, #1
    ret
Lpaciasp:
    paciasp
    mov     w0, #1
    autiasp
    ret
Lpacibsp:
    pacibsp
    mov     w0, #1
    autibsp
    ret
Lpaciaz:
    paciaz
    mov     w0, #1
    autiaz
    ret
Lbrk:
    brk     #0x99
    ret
Lbr_x21:
    bti     j
    br      x21
Lb_nothing:
    bti     c
    b       Lnothing
Lb_bti:
    bti     c
    b       Lbti
Lret_nothing:
    bti     c
    adr     x8, Lnothing
    ret     x8
Lpaciasp_svc:
    paciasp
    svc     #1
