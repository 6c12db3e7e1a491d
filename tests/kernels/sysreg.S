// System registers: which bits of each keep what is written, what cannot be written, what is not there; what EL0 may reach, by which control
// bit, and the syndrome where it may not; the state that CPU_ON leaves. The tables at the end have a row for each register.

    .include "lib/kernel.S"
    kernel  "sysreg"
    .include "lib/mmu48.S"

    .equ    CODE,       FREE            // instructions that are put together from a row
    .equ    RESET,      SHARED          // u64 each: what CPU 1 found in its registers
    .equ    MRS,        0xd5300000
    .equ    MSR,        0xd5100000
    .equ    ISB,        0xd5033fdf
    .equ    RET,        0xd65f03c0
    .equ    SVC,        0xd4000001

    // A row: the encoding in bits 19:5, flags, bits that keep what is written, bits that are one whatever is written, the name.
    .equ    ROW,        48
    .equ    ALWAYS,     1               // on any CPU; else on this one alone
    .equ    ID,         2               // an identification register: from EL0 a trap if ID_AA64MMFR2_EL1.IDS says so
    .equ    EL0_READ,   4               // EL0 may read it, write it
    .equ    EL0_WRITE,  8
    .equ    EXACT,      16              // what is not kept reads as zero

    adr     x20, Lread_write
    adr     x21, Lread_only
Lrow_rw:
    bl      Lthis_row
    cbz     x0, Lrow_rw_next
    bl      Lkeeps
    bl      Lat_el0
Lrow_rw_next:
    add     x20, x20, #ROW
    cmp     x20, x21
    b.ne    Lrow_rw
    adr     x21, Lnot_there
Lrow_ro:
    bl      Lthis_row
    cbz     x0, Lrow_ro_next
    bl      Lreads
    mov64   x0, MSR
    bl      Lundefined
    bl      Lat_el0
Lrow_ro_next:
    add     x20, x20, #ROW
    cmp     x20, x21
    b.ne    Lrow_ro
    adr     x21, Lrows_end
Lrow_none:
    bl      Lthis_row
    cbz     x0, Lrow_none_next
    mov64   x0, MRS
    bl      Lundefined
    mov64   x0, MSR
    bl      Lundefined
    bl      Lat_el0
Lrow_none_next:
    add     x20, x20, #ROW
    cmp     x20, x21
    b.ne    Lrow_none

    // ---- Written with care: SCTLR_EL1, its bits that are one and those that EL1 may not have.
    mov64   x1, SCTLR_OFF|SCTLR_SA|SCTLR_SA0
    msr     SCTLR_EL1, x1
    isb
    mrs     x0, SCTLR_EL1
    check_reg x0, x1, "SCTLR_EL1"
    // SP_EL0 is undefined while it is SP.
    msr     SPSel, #0
    adr     x17, Lsp_el0
    resume_at Lsp_el0_taken
Lsp_el0:
    mrs     x0, SP_EL0
    msr     SPSel, #1
    adr     x16, Lsp_el0
    b       Lfail_no_trap
Lsp_el0_taken:
    check_exception EC_UNKNOWN, 0, "SP_EL0 while it is SP"

    // ---- Identification that must agree with itself, on any CPU.
    mrs     x0, MIDR_EL1
    ubfx    x0, x0, #16, #4
    check   x0, 0xf, "MIDR_EL1.Architecture"
    mrs     x0, ID_AA64PFR0_EL1
    and     x1, x0, #0xf
    check   x1, 0, "ID_AA64PFR0_EL1.EL0", ne
    ubfx    x1, x0, #4, #4
    check   x1, 0, "ID_AA64PFR0_EL1.EL1", ne
    mrs     x0, CTR_EL0
    ubfx    x1, x0, #31, #1
    check   x1, 1, "CTR_EL0 bit 31"
    // Each cache that CLIDR_EL1 has can be selected, and CSSELR_EL1 keeps which.
    mrs     x19, CLIDR_EL1
    mov     x18, #0
Lcache:
    and     x1, x19, #7
    cbz     x1, Lcaches_end
    lsl     x2, x18, #1
    cmp     x1, #1
    cinc    x2, x2, eq
    msr     CSSELR_EL1, x2
    isb
    mrs     x0, CCSIDR_EL1
    and     x0, x0, #7
    check   x0, 4, "cache line in CCSIDR_EL1", ls
    mrs     x0, CSSELR_EL1
    check_reg x0, x2, "CSSELR_EL1"
    lsr     x19, x19, #3
    add     x18, x18, #1
    cmp     x18, #7
    b.ne    Lcache
Lcaches_end:

    // ---- EL0 by the control bits: refused with class 0x18 and the access in the syndrome, then allowed.
    // CONTROL is the register, BIT what allows; ISS without Rt, which is 0.
    .macro el0_by control, bit, iss, what:req, insn:vararg
    mrs     x19, \control
    mov64   x14, (\bit)
    bic     x15, x19, x14
    msr     \control, x15
    isb
    run_el0 Lrefused\@
    check_exception EC_SYSREG, (\iss), "\what refused"
    check_elr Lrefused\@, "\what refused"
    check_vector 0x400, "\what refused"
    mov64   x14, (\bit)
    orr     x15, x19, x14
    msr     \control, x15
    isb
    run_el0 Lrefused\@
    check_exception EC_SVC, 0x42, "\what allowed"
    msr     \control, x19
    isb
    b       Lel0_by_end\@
Lrefused\@:
    \insn
    svc     #0x42
Lel0_by_end\@:
    .endm
    // op0, op2, op1, CRn, CRm, read
    .macro iss_of name, op0, op1, crn, crm, op2, read
    .equ    ISS_\name, \op0<<20|\op2<<17|\op1<<14|\crn<<10|\crm<<1|\read
    .endm
    iss_of  CTR, 3, 3, 0, 0, 1, 1
    iss_of  CNTFRQ, 3, 3, 14, 0, 0, 1
    iss_of  CNTPCT, 3, 3, 14, 0, 1, 1
    iss_of  CNTVCT, 3, 3, 14, 0, 2, 1
    iss_of  CNTP_CTL, 3, 3, 14, 2, 1, 0
    iss_of  CNTV_CVAL, 3, 3, 14, 3, 2, 0
    iss_of  DAIF, 3, 3, 4, 2, 1, 1
    iss_of  ZVA, 1, 3, 7, 4, 1, 0
    iss_of  CVAU, 1, 3, 7, 11, 1, 0
    iss_of  IVAU, 1, 3, 7, 5, 1, 0
    el0_by  CNTKCTL_EL1, 3, ISS_CNTFRQ, "CNTFRQ_EL0", mrs x0, CNTFRQ_EL0
    el0_by  CNTKCTL_EL1, 1, ISS_CNTPCT, "CNTPCT_EL0", mrs x0, CNTPCT_EL0
    el0_by  CNTKCTL_EL1, 2, ISS_CNTVCT, "CNTVCT_EL0", mrs x0, CNTVCT_EL0
    el0_by  CNTKCTL_EL1, 0x200, ISS_CNTP_CTL, "CNTP_CTL_EL0", msr CNTP_CTL_EL0, x0
    el0_by  CNTKCTL_EL1, 0x100, ISS_CNTV_CVAL, "CNTV_CVAL_EL0", msr CNTV_CVAL_EL0, x0
    el0_by  SCTLR_EL1, 1<<15, ISS_CTR, "CTR_EL0", mrs x0, CTR_EL0
    el0_by  SCTLR_EL1, 1<<9, ISS_DAIF, "DAIF", mrs x0, DAIF
    // WFI and WFE.
    mov64   x0, SCTLR_OFF&~(1<<16|1<<18)
    msr     SCTLR_EL1, x0
    isb
    run_el0 Lwfi
    check_exception EC_WFX, 0x1e00000, "WFI at EL0"
    check_elr Lwfi, "WFI at EL0"
    // (QEMU 7.2 doesn't trap WFE.)
    unless_vibe Lno_wfe_trap
    run_el0 Lwfe
    check_exception EC_WFX, 0x1e00001, "WFE at EL0"
    check_elr Lwfe_again, "WFE at EL0"
Lno_wfe_trap:
    mov64   x0, SCTLR_OFF|1<<18
    msr     SCTLR_EL1, x0
    isb
    run_el0 Lwfe_once
    check_exception EC_SVC, 0, "WFE at EL0 allowed"
    // Floating point, by CPACR_EL1.FPEN: for both levels 0, for EL0 alone 1. Also its registers.
    msr     CPACR_EL1, xzr
    isb
    must_trap EC_FP, 0x1e00000, "LDR of a Q register", ldr q0, [x0]
    must_trap EC_FP, 0x1e00000, "FMOV", fmov x0, d0
    must_trap EC_FP, 0x1e00000, "ADD of vectors", add v0.4s, v1.4s, v2.4s
    must_trap EC_FP, 0x1e00000, "FPCR", mrs x0, FPCR
    run_el0 Lfp
    check_exception EC_FP, 0x1e00000, "LDR of a Q register at EL0"
    check_elr Lfp, "LDR of a Q register at EL0"
    check_vector 0x400, "LDR of a Q register at EL0"
    mov64   x0, 0x300000
    msr     CPACR_EL1, x0
    isb

    // ---- With the MMU on: cache maintenance by address, and DC ZVA of just its block.
    bl      Lmmu_on
    ram     x0, USER
    el0_by  SCTLR_EL1, 1<<26, ISS_CVAU, "DC CVAU", dc cvau, x0
    el0_by  SCTLR_EL1, 1<<26, ISS_IVAU, "IC IVAU", ic ivau, x0
    mrs     x19, DCZID_EL0
    tbnz    x19, #4, Lno_zva
    and     x1, x19, #15
    mov     x2, #4
    lsl     x19, x2, x1                 // its bytes
    ram     x0, USER
    mov     x1, #-1
    mov     x2, #0x1000
Lzva_fill:
    str     x1, [x0], #8
    subs    x2, x2, #8
    b.ne    Lzva_fill
    ram     x0, USER
    add     x0, x0, x19
    add     x0, x0, #17                 // any address in it
    el0_by  SCTLR_EL1, 1<<14, ISS_ZVA, "DC ZVA", dc zva, x0
    mrs     x1, DCZID_EL0
    and     x1, x1, #15
    mov     x2, #4
    lsl     x19, x2, x1
    ram     x0, USER
    add     x0, x0, x19
    ldurb   w1, [x0, #-1]
    check   x1, 0xff, "the byte before DC ZVA's block"
    ldrb    w1, [x0, x19]
    check   x1, 0xff, "the byte behind DC ZVA's block"
    mov     x1, x19
Lzva_check:
    sub     x1, x1, #8
    ldr     x2, [x0, x1]
    check   x2, 0, "DC ZVA"
    cbnz    x1, Lzva_check
Lno_zva:

    // ---- The state in which CPU_ON starts a CPU.
    mov     x1, #1
    adr     x2, Lsecondary
    mov64   x3, 0xc0ffee
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON"
    ram     x19, RESET
Lsecondary_wait:
    ldar    x0, [x19]
    cbz     x0, Lsecondary_wait
    check   x0, 0xc0ffee, "its context id"
    ldr     x0, [x19, #8]
    mov64   x1, SCTLR_M|SCTLR_A|SCTLR_C|SCTLR_I|1<<19|1<<25
    and     x0, x0, x1
    check   x0, 0, "its SCTLR_EL1: M, A, C, I, WXN, EE"
    ldr     x0, [x19, #16]
    check   x0, 0x3c0, "its DAIF"
    ldr     x0, [x19, #24]
    check   x0, 4, "its CurrentEL"
    ldr     x0, [x19, #32]
    check   x0, 1, "its SPSel"
    mrs     x1, MPIDR_EL1
    ldr     x0, [x19, #40]
    add     x1, x1, #1
    check_reg x0, x1, "its MPIDR_EL1"
    unless_vibe Lnot_vibe
    ldr     x0, [x19, #8]
    mov64   x1, 0x30d50998
    check_reg x0, x1, "its whole SCTLR_EL1"
    ldr     x0, [x19, #48]
    check   x0, 0, "its VBAR_EL1, TCR_EL1, TTBR0_EL1, CPACR_EL1, CNTKCTL_EL1"
    ldr     x0, [x19, #56]
    check   x0, 0xa, "its OSLSR_EL1"
Lnot_vibe:
    pass

Lwfi:
    wfi
    svc     #0
Lwfe:
    wfe                                 // the return to EL0 was an event
Lwfe_again:
    wfe
    svc     #0
Lwfe_once:
    wfe
    svc     #0
Lfp:
    ldr     q0, [x0]
    svc     #0

Lsecondary:
    ram_base
    ram     x1, RESET
    mrs     x2, SCTLR_EL1
    str     x2, [x1, #8]
    mrs     x2, DAIF
    str     x2, [x1, #16]
    mrs     x2, CurrentEL
    str     x2, [x1, #24]
    mrs     x2, SPSel
    str     x2, [x1, #32]
    mrs     x2, MPIDR_EL1
    str     x2, [x1, #40]
    mrs     x2, VBAR_EL1
    mrs     x3, TCR_EL1
    orr     x2, x2, x3
    mrs     x3, TTBR0_EL1
    orr     x2, x2, x3
    mrs     x3, CPACR_EL1
    orr     x2, x2, x3
    mrs     x3, CNTKCTL_EL1
    orr     x2, x2, x3
    str     x2, [x1, #48]
    .inst   0xd5301182                  // mrs x2, OSLSR_EL1
    str     x2, [x1, #56]
    stlr    x0, [x1]
    psci    PSCI_CPU_OFF
    b       .

// ---- Rows. x20 is the row in all that follows.
// x0 = whether it is to be looked at.
Lthis_row:
    ldr     w0, [x20, #4]
    and     x0, x0, #ALWAYS
    cmp     x28, #0
    csinc   x0, x0, xzr, ne
    ret

// Code at CODE from the words in x1 to x8 (as many as are not zero). Changes x9.
Lassemble:
    ram     x9, CODE
    stp     w1, w2, [x9]
    stp     w3, w4, [x9, #8]
    stp     w5, w6, [x9, #16]
    stp     w7, w8, [x9, #24]
    dsb     ish
    ic      iallu
    dsb     ish
    isb
    ret

// Fails with the row's name: x16 got, x17 wanted.
Lrow_fail:
    add     x15, x20, #24
    b       Lfail

// All ones, then zeroes are written: kept are the bits that the row has. The old value is put back before anything else happens.
Lkeeps:
    mov     x10, x30
    ldr     w0, [x20]
    mov64   x11, MRS
    orr     w11, w11, w0
    mov64   x12, MSR
    orr     w12, w12, w0
    orr     w1, w11, #1                 // mrs x1: what it was
    orr     w2, w12, #2                 // msr from x2
    mov64   x3, ISB
    orr     w4, w11, #3                 // mrs x3
    orr     w5, w12, #1                 // msr from x1
    mov     w6, w3
    mov64   x7, RET
    mov     w8, wzr
    bl      Lassemble
    ldp     x11, x12, [x20, #8]
    ldr     w13, [x20, #4]
    mov     x2, #-1
    blr     x9
    mov     x16, x3
    orr     x17, x11, x12
    bl      Lcompare
    mov     x2, #0
    blr     x9
    mov     x16, x3
    mov     x17, x12
    bl      Lcompare
    ret     x10
// x16 must be x17, without EXACT or on another CPU only in the bits that are kept.
Lcompare:
    count_check
    tbz     w13, #4, Lcompare_some
    cbz     x28, Lcompare_all
Lcompare_some:
    and     x16, x16, x11
    and     x17, x17, x11
Lcompare_all:
    cmp     x16, x17
    b.ne    Lrow_fail
    ret

// A read does not trap.
Lreads:
    mov     x10, x30
    ldr     w0, [x20]
    mov64   x1, MRS
    orr     w1, w1, w0
    mov64   x2, RET
    bl      Lassemble
    blr     x9
    ret     x10

// x0 = MRS or MSR: it is undefined at EL1.
Lundefined:
    mov     x10, x30
    ldr     w1, [x20]
    orr     w1, w1, w0
    mov64   x2, RET
    bl      Lassemble
    resume_at Lundefined_taken
    blr     x9
    mov     x16, #0
    mov     x17, #1
    b       Lrow_fail                   // got 0: no exception
Lundefined_taken:
    mov64   x17, EC_UNKNOWN<<26|0x2000000
    bl      Lcheck_syndrome
    ret     x10

// At EL0: read and written if the row allows; else undefined, or for a read of the identification space maybe trapped.
Lat_el0:
    mov     x10, x30
    ldr     w13, [x20, #4]
    ldr     w11, [x20]
    mov64   x1, MRS
    orr     w1, w1, w11
    mov64   x2, SVC
    bl      Lassemble
    bl      Lel0_code
    mov64   x17, EC_SVC<<26|0x2000000
    tbnz    w13, #2, Lel0_read
    mov64   x17, EC_UNKNOWN<<26|0x2000000
    tbz     w13, #1, Lel0_read
    mrs     x0, ID_AA64MMFR2_EL1
    ubfx    x0, x0, #36, #4
    cbz     x0, Lel0_read
    // op0 3, CRn 0, Rt 0
    ubfx    x0, x11, #5, #3
    ubfx    x1, x11, #8, #4
    ubfx    x2, x11, #16, #3
    mov64   x17, EC_SYSREG<<26|0x2000000|3<<20|1
    orr     x17, x17, x0, lsl #17
    orr     x17, x17, x1, lsl #1
    orr     x17, x17, x2, lsl #14
Lel0_read:
    bl      Lcheck_syndrome
    mov     w1, w11
    mov64   x2, MSR
    orr     w1, w1, w2
    mov64   x2, SVC
    bl      Lassemble
    bl      Lel0_code
    mov64   x17, EC_SVC<<26|0x2000000
    tbnz    w13, #3, Lel0_write
    mov64   x17, EC_UNKNOWN<<26|0x2000000
Lel0_write:
    bl      Lcheck_syndrome
    ret     x10

// Runs CODE at EL0 until it traps.
Lel0_code:
    resume_at Lel0_trapped
    msr     ELR_EL1, x9
    mov     x0, #0x3c0
    msr     SPSR_EL1, x0
    isb
    eret
Lel0_trapped:
    ret

Lcheck_syndrome:
    count_check
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_ESR]
    cmp     x16, x17
    b.ne    Lrow_fail
    ret

    .macro row name, op0, op1, crn, crm, op2, flags, kept=0, ones=0
Lrow\@:
    .word   ((\op0)&1)<<19|(\op1)<<16|(\crn)<<12|(\crm)<<8|(\op2)<<5, \flags
    .quad   \kept, \ones
    .asciz  "\name"
    .balign 8
    .space  ROW-(.-Lrow\@)
    .endm

    .balign 8
Lread_write:
    row     "TPIDR_EL1", 3, 0, 13, 0, 4, ALWAYS|EXACT, 0xffffffffffffffff
    row     "TPIDR_EL0", 3, 3, 13, 0, 2, ALWAYS|EXACT|EL0_READ|EL0_WRITE, 0xffffffffffffffff
    row     "TPIDRRO_EL0", 3, 3, 13, 0, 3, ALWAYS|EXACT|EL0_READ, 0xffffffffffffffff
    row     "CONTEXTIDR_EL1", 3, 0, 13, 0, 1, ALWAYS|EXACT, 0xffffffff
    row     "VBAR_EL1", 3, 0, 12, 0, 0, ALWAYS|EXACT, 0xfffffffffffff800
    row     "ELR_EL1", 3, 0, 4, 0, 1, ALWAYS|EXACT, 0xffffffffffffffff
    row     "SPSR_EL1", 3, 0, 4, 0, 0, ALWAYS|EXACT, 0xf1f01fdf
    row     "ESR_EL1", 3, 0, 5, 2, 0, ALWAYS|EXACT, 0xffffffff
    row     "FAR_EL1", 3, 0, 6, 0, 0, ALWAYS|EXACT, 0xffffffffffffffff
    row     "AFSR0_EL1", 3, 0, 5, 1, 0, ALWAYS
    row     "AFSR1_EL1", 3, 0, 5, 1, 1, ALWAYS
    row     "PAR_EL1", 3, 0, 7, 4, 0, ALWAYS|EXACT, 0xff0ffffffffff3ff, 0x800
    row     "MAIR_EL1", 3, 0, 10, 2, 0, ALWAYS|EXACT, 0xffffffffffffffff
    row     "AMAIR_EL1", 3, 0, 10, 3, 0, ALWAYS|EXACT
    row     "TTBR0_EL1", 3, 0, 2, 0, 0, ALWAYS|EXACT, 0xffffffffffffffff
    row     "TTBR1_EL1", 3, 0, 2, 0, 1, ALWAYS|EXACT, 0xffffffffffffffff
    row     "TCR_EL1", 3, 0, 2, 0, 2, ALWAYS|EXACT, 0x019807f7ffffffbf
    row     "CSSELR_EL1", 3, 2, 0, 0, 0, ALWAYS|EXACT, 0xf
    row     "ACTLR_EL1", 3, 0, 1, 0, 1, ALWAYS
    row     "LORSA_EL1", 3, 0, 10, 4, 0, EXACT
    row     "LORC_EL1", 3, 0, 10, 4, 3, EXACT
    row     "CNTKCTL_EL1", 3, 0, 14, 1, 0, ALWAYS|EXACT, 0x3ff
    row     "CPACR_EL1", 3, 0, 1, 0, 2, ALWAYS|EXACT, 0x300000
    row     "FPCR", 3, 3, 4, 4, 0, EXACT|EL0_READ|EL0_WRITE, 0x7c80000
    row     "FPSR", 3, 3, 4, 4, 1, ALWAYS|EXACT|EL0_READ|EL0_WRITE, 0x800009f
    row     "SP_EL0", 3, 0, 4, 1, 0, ALWAYS|EXACT, 0xffffffffffffffff
    row     "SPSel", 3, 0, 4, 2, 0, ALWAYS|EXACT, 1
    row     "NZCV", 3, 3, 4, 2, 0, ALWAYS|EXACT|EL0_READ|EL0_WRITE, 0xf0000000
    row     "PAN", 3, 0, 4, 2, 3, EXACT, 0x400000
    row     "UAO", 3, 0, 4, 2, 4, EXACT, 0x800000
    row     "DIT", 3, 3, 4, 2, 5, EXACT|EL0_READ|EL0_WRITE, 0x1000000
    row     "SSBS", 3, 3, 4, 2, 6, EXACT|EL0_READ|EL0_WRITE, 0x1000
    row     "APIAKeyLo_EL1", 3, 0, 2, 1, 0, EXACT, 0xffffffffffffffff
    row     "APIAKeyHi_EL1", 3, 0, 2, 1, 1, EXACT, 0xffffffffffffffff
    row     "APIBKeyLo_EL1", 3, 0, 2, 1, 2, EXACT, 0xffffffffffffffff
    row     "APIBKeyHi_EL1", 3, 0, 2, 1, 3, EXACT, 0xffffffffffffffff
    row     "APDAKeyLo_EL1", 3, 0, 2, 2, 0, EXACT, 0xffffffffffffffff
    row     "APDAKeyHi_EL1", 3, 0, 2, 2, 1, EXACT, 0xffffffffffffffff
    row     "APDBKeyLo_EL1", 3, 0, 2, 2, 2, EXACT, 0xffffffffffffffff
    row     "APDBKeyHi_EL1", 3, 0, 2, 2, 3, EXACT, 0xffffffffffffffff
    row     "APGAKeyLo_EL1", 3, 0, 2, 3, 0, EXACT, 0xffffffffffffffff
    row     "APGAKeyHi_EL1", 3, 0, 2, 3, 1, EXACT, 0xffffffffffffffff
    row     "DBGBVR0_EL1", 2, 0, 0, 0, 4, ALWAYS, 0xfffffffffffc
    row     "DBGWVR1_EL1", 2, 0, 0, 1, 6, ALWAYS, 0xfffffffffffc
    row     "ICC_PMR_EL1", 3, 0, 4, 6, 0, ALWAYS|EXACT, 0xf8
Lread_only:
    row     "MIDR_EL1", 3, 0, 0, 0, 0, ALWAYS|ID
    row     "MPIDR_EL1", 3, 0, 0, 0, 5, ALWAYS|ID
    row     "REVIDR_EL1", 3, 0, 0, 0, 6, ALWAYS|ID
    row     "ID_PFR0_EL1", 3, 0, 0, 1, 0, ALWAYS|ID
    row     "ID_ISAR0_EL1", 3, 0, 0, 2, 0, ALWAYS|ID
    row     "MVFR2_EL1", 3, 0, 0, 3, 2, ALWAYS|ID
    row     "ID_AA64PFR0_EL1", 3, 0, 0, 4, 0, ALWAYS|ID
    row     "ID_AA64PFR1_EL1", 3, 0, 0, 4, 1, ALWAYS|ID
    row     "ID_AA64ZFR0_EL1", 3, 0, 0, 4, 4, ALWAYS|ID
    row     "ID_AA64DFR0_EL1", 3, 0, 0, 5, 0, ALWAYS|ID
    row     "ID_AA64DFR1_EL1", 3, 0, 0, 5, 1, ALWAYS|ID
    row     "ID_AA64ISAR0_EL1", 3, 0, 0, 6, 0, ALWAYS|ID
    row     "ID_AA64ISAR1_EL1", 3, 0, 0, 6, 1, ALWAYS|ID
    row     "ID_AA64ISAR2_EL1", 3, 0, 0, 6, 2, ALWAYS|ID
    row     "ID_AA64MMFR0_EL1", 3, 0, 0, 7, 0, ALWAYS|ID
    row     "ID_AA64MMFR1_EL1", 3, 0, 0, 7, 1, ALWAYS|ID
    row     "ID_AA64MMFR2_EL1", 3, 0, 0, 7, 2, ALWAYS|ID
    row     "reserved ID", 3, 0, 0, 7, 7, ALWAYS|ID
    row     "CLIDR_EL1", 3, 1, 0, 0, 1, ALWAYS|ID
    row     "CCSIDR_EL1", 3, 1, 0, 0, 0, ALWAYS|ID
    row     "DCZID_EL0", 3, 3, 0, 0, 7, ALWAYS|EL0_READ
    row     "LORID_EL1", 3, 0, 10, 4, 7, 0
    row     "CurrentEL", 3, 0, 4, 2, 2, ALWAYS
    row     "ISR_EL1", 3, 0, 12, 1, 0, ALWAYS
    row     "ICC_RPR_EL1", 3, 0, 12, 11, 3, ALWAYS
    row     "ICC_HPPIR1_EL1", 3, 0, 12, 12, 2, ALWAYS
Lnot_there:
    row     "SCTLR_EL2", 3, 4, 1, 0, 0, ALWAYS
    row     "HCR_EL2", 3, 4, 1, 1, 0, ALWAYS
    row     "VBAR_EL2", 3, 4, 12, 0, 0, ALWAYS
    row     "SP_EL1", 3, 4, 4, 1, 0, ALWAYS
    row     "CNTHCTL_EL2", 3, 4, 14, 1, 0, ALWAYS
    row     "SCTLR_EL3", 3, 6, 1, 0, 0, ALWAYS
    row     "SCR_EL3", 3, 6, 1, 1, 0, ALWAYS
    row     "SCTLR_EL12", 3, 5, 1, 0, 0, ALWAYS
    row     "unallocated 3 0 1", 3, 0, 1, 3, 5, ALWAYS
    row     "unallocated 3 3 8", 3, 3, 8, 1, 1, ALWAYS
    row     "unallocated 2 7 3", 2, 7, 3, 3, 3, ALWAYS
    row     "ZCR_EL1", 3, 0, 1, 2, 0, 0
    row     "GCR_EL1", 3, 0, 1, 0, 6, 0
    row     "RNDR", 3, 3, 2, 4, 0, 0
    row     "PMCR_EL0", 3, 3, 9, 12, 0, 0
    row     "SCXTNUM_EL1", 3, 0, 13, 0, 7, 0
    row     "implementation defined", 3, 0, 15, 0, 0, 0
Lrows_end:
