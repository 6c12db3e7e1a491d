// Alignment: what must be aligned always (exclusives, acquire and release, atomics, Device memory, PC, SP with SCTLR_EL1.SA), with
// SCTLR_EL1.A (everything), and what need not be (Normal memory, bytes). A faulting access changes neither register nor memory.

    .include "lib/kernel.S"
    kernel  "alignment"
    .include "lib/mmu48.S"
    .arch_extension lse
    .arch_extension rcpc

    .equ    DATA,       FREE            // Normal memory
    .equ    DEVICE,     0x8000600000    // the same block, mapped as Device
    .equ    BLOCK,      FREE+0x400000
    .equ    SCTLR_ON,   SCTLR_OFF|SCTLR_M|SCTLR_C|SCTLR_I

    .macro sctlr value
    mov64   x14, (\value)
    msr     SCTLR_EL1, x14
    isb
    .endm

    .macro unaligned wnr, what:req, insn:vararg
    must_trap EC_DABT_SAME, (\wnr|FSC_ALIGNMENT), "\what", \insn
    check_far x20, "\what"
    .endm

    // Whether a faulting atomic is a write is not looked at.
    .macro unaligned_atomic what:req, insn:vararg
    traps   \insn
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_ESR]
    bic     x16, x16, #WNR
    mov64   x17, EC_DABT_SAME<<26|0x2000000|FSC_ALIGNMENT
    check_reg x16, x17, "\what: ESR"
    check_elr_trap "\what"
    check_far x20, "\what"
    .endm

    // x20: 1 byte before a 16 byte boundary, so that any access of more crosses it.
    .macro always_checked where:req
    unaligned 0, "LDXR \where", ldxr w0, [x20]
    unaligned 0, "LDXRH \where", ldxrh w0, [x20]
    unaligned 0, "LDAXR \where", ldaxr x0, [x20]
    unaligned 0, "LDXP \where", ldxp x0, x1, [x20]
    unaligned 0, "LDAR \where", ldar w0, [x20]
    unaligned 0, "LDARH \where", ldarh w0, [x20]
    unaligned WNR, "STLR \where", stlr x0, [x20]
    unaligned WNR, "STLRH \where", stlrh w0, [x20]
    ldxrb   w0, [x20]
    stxrb   w1, w0, [x20]
    ldarb   w0, [x20]
    stlrb   w0, [x20]
    .endm

    .macro checked_with_a where:req
    unaligned 0, "LDR W \where", ldr w0, [x20]
    unaligned 0, "LDR X \where", ldr x0, [x20]
    unaligned 0, "LDRH \where", ldrh w0, [x20]
    unaligned 0, "LDRSW \where", ldrsw x0, [x20]
    unaligned 0, "LDP \where", ldp x0, x1, [x20]
    unaligned 0, "LDP W \where", ldp w0, w1, [x20]
    unaligned 0, "LDTR \where", ldtr x0, [x20]
    unaligned WNR, "STR W \where", str w0, [x20]
    unaligned WNR, "STR X \where", str x0, [x20]
    unaligned WNR, "STRH \where", strh w0, [x20]
    unaligned WNR, "STP \where", stp x0, x1, [x20]
    unaligned WNR, "STTR \where", sttr x0, [x20]
    ldrb    w0, [x20]
    ldrsb   x0, [x20]
    strb    w0, [x20]
    // Each of a pair by itself: 8 bytes are enough for LDP and STP.
    add     x1, x20, #1+8
    ldp     x2, x3, [x1]
    stp     x2, x3, [x1]
    .endm

    // ---- PC: a branch to where no instruction can be. ELR and FAR are the target.
    .macro pc_unaligned offset, what:req
    adr     x20, Lpc
    add     x20, x20, #\offset
    resume_at Lpc_taken\@
    br      x20
Lpc_taken\@:
    check_exception EC_PC_ALIGN, 0, "\what"
    check_far x20, "\what"
    mrs     x14, TPIDR_EL1
    ldr     x14, [x14, #CPU_ELR]
    check_reg x14, x20, "\what: ELR"
    check_vector 0x200, "\what"
    .endm
    pc_unaligned 1, "PC + 1"
    pc_unaligned 2, "PC + 2"
    pc_unaligned 3, "PC + 3"
    b       Lpc_el0
Lpc:
    udf     #0
Lpc_el0:
    adr     x20, Lpc+2
    resume_at Leret_taken
    msr     ELR_EL1, x20
    mov     x0, #0x3c0
    msr     SPSR_EL1, x0
    isb
    eret
Leret_taken:
    check_exception EC_PC_ALIGN, 0, "PC + 2 at EL0"
    check_far x20, "PC + 2 at EL0"
    check_vector 0x400, "PC + 2 at EL0"

    // ---- With the MMU off data memory is Device: everything must be aligned. (QEMU 7.2 doesn't look at memory types.)
    unless_vibe Lmmu_is_off
    ram     x20, DATA+0xf
    checked_with_a "with the MMU off"
    always_checked "with the MMU off"
Lmmu_is_off:

    // ---- Normal memory, no SCTLR_EL1.A: only what must be atomic.
    bl      Lmmu_on
    ram     x20, DATA+0xf
    mov64   x0, 0x0807060504030201
    sub     x1, x20, #7
    str     x0, [x1]
    mov64   x0, 0x100f0e0d0c0b0a09
    str     x0, [x1, #8]
    ldr     w0, [x20]
    check   x0, 0x0b0a0908, "LDR over 16 bytes"
    ldr     x0, [x20]
    check   x0, 0x0f0e0d0c0b0a0908, "LDR X over 16 bytes"
    ldrh    w0, [x20]
    check   x0, 0x0908, "LDRH over 16 bytes"
    sub     x1, x20, #6
    ldp     w2, w3, [x1]
    check   x2, 0x05040302, "LDP, first"
    check   x3, 0x09080706, "LDP, second"
    mov64   x0, 0x1122334455667788
    str     x0, [x20]
    ldurb   w0, [x20, #7]
    check   x0, 0x11, "STR over 16 bytes"
    ldurb   w0, [x20, #8]
    check   x0, 0x10, "the byte behind it"
    ldurb   w0, [x20, #-1]
    check   x0, 0x07, "the byte before it"
    stp     x20, x0, [x20]
    ldr     x1, [x20]
    check_reg x1, x20, "STP over 16 bytes"
    always_checked "in Normal memory"

    // Before the translation: nothing is mapped there.
    mov64   x20, 0x800000000f
    unaligned 0, "LDXR where nothing is mapped", ldxr w0, [x20]
    ram     x20, DATA+0xf

    id_field x0, ID_AA64ISAR0_EL1, 20
    cbz     x0, Lno_lse
    mov64   x2, 0x5a5a5a5a
    unaligned_atomic "LDADD", ldadd w1, w2, [x20]
    unaligned_atomic "SWPAL", swpal x1, x2, [x20]
    unaligned_atomic "CAS", cas w2, w1, [x20]
    unaligned_atomic "LDSETH", ldseth w1, w2, [x20]
    unaligned_atomic "STADD", stadd x1, [x20]
    mov64   x4, 0x1
    mov64   x5, 0x2
    unaligned_atomic "CASP", casp x4, x5, x6, x7, [x20]
    check   x2, 0x5a5a5a5a, "the destination of a faulting atomic"
    b       Llse_done
Lno_lse:
    skip    "no LSE"
Llse_done:

    // ---- SCTLR_EL1.A: everything but bytes, at EL1 and EL0.
    sctlr   SCTLR_ON|SCTLR_A
    checked_with_a "with SCTLR_EL1.A"
    always_checked "with SCTLR_EL1.A"
    // Registers and memory stay as they were, write-back included.
    sub     x1, x20, #7
    ldp     x22, x23, [x1]
    mov     x21, x20
    mov     x4, #4
    mov     x5, #5
    unaligned 0, "LDP with write-back", ldp x4, x5, [x20], #16
    check_reg x20, x21, "the base of LDP"
    check   x4, 4, "the first destination of LDP"
    check   x5, 5, "the second destination of LDP"
    traps   stp x4, x5, [x20, #-8]!
    check_exception EC_DABT_SAME, WNR|FSC_ALIGNMENT, "STP with write-back"
    sub     x0, x21, #8
    check_far x0, "STP with write-back"
    check_reg x20, x21, "the base of STP"
    sub     x1, x20, #7
    ldp     x4, x5, [x1]
    check_reg x4, x22, "memory before a faulting store"
    check_reg x5, x23, "memory at a faulting store"

    ram     x20, USER+0xf
    run_el0 Luser_load
    check_exception EC_DABT_LOWER, FSC_ALIGNMENT, "LDR at EL0"
    check_far x20, "LDR at EL0"
    check_elr Luser_load, "LDR at EL0"
    check_vector 0x400, "LDR at EL0"
    run_el0 Luser_store
    check_exception EC_DABT_LOWER, WNR|FSC_ALIGNMENT, "STRH at EL0"
    check_far x20, "STRH at EL0"
    sctlr   SCTLR_ON
    run_el0 Luser_load
    check_exception EC_SVC, 0, "LDR at EL0 without SCTLR_EL1.A"
    run_el0 Luser_exclusive
    check_exception EC_DABT_LOWER, FSC_ALIGNMENT, "LDXR at EL0"
    check_far x20, "LDXR at EL0"
    b       Luser_end
Luser_load:
    ldr     w0, [x20]
    svc     #0
Luser_store:
    strh    w0, [x20]
    svc     #0
Luser_exclusive:
    ldxr    w0, [x20]
    svc     #0
Luser_end:

    // ---- SP: at EL1t, so that the handler's own is right; at EL0. No address is in FAR_EL1. (QEMU 7.2 doesn't check SP.)
    unless_vibe Ldone
    .macro sp_access misalign, sp_control
    sctlr   \sp_control
    ram     x0, USER+0x100+\misalign
    msr     SP_EL0, x0
    isb
    .endm
    .macro sp_el1 what:req, insn:vararg
    resume_at Lsp_taken\@
    msr     SPSel, #0
Lsp_insn\@:
    \insn
    msr     SPSel, #1
    adr     x16, Lsp_insn\@
    b       Lfail_no_trap
Lsp_taken\@:
    check_exception EC_SP_ALIGN, 0, "\what"
    check_elr Lsp_insn\@, "\what"
    check_vector 0, "\what"
    .endm
    sp_access 8, SCTLR_ON|SCTLR_SA
    sp_el1  "LDR by SP + 8", ldr x0, [sp]
    sp_el1  "LDRB by SP + 8", ldrb w0, [sp]
    sp_el1  "LDR by SP + 8, to an aligned address", ldr x0, [sp, #8]
    sp_el1  "STP by SP + 8", stp x0, x1, [sp, #-16]!
    sp_el1  "LDXR by SP + 8", ldxr x0, [sp]
    mrs     x0, SP_EL0
    ram     x1, USER+0x108
    check_reg x0, x1, "SP after a faulting STP with write-back"
    // As an operand alone it may be anything; and aligned it is right.
    msr     SPSel, #0
    add     x0, sp, #0
    sub     sp, sp, #8
    ldr     x2, [sp]
    add     sp, sp, #8
    msr     SPSel, #1
    check_reg x0, x1, "SP as an operand"
    run_el0 Lsp_user
    check_exception EC_SVC, 0, "SP at EL0 without SCTLR_EL1.SA0"
    sp_access 8, SCTLR_ON|SCTLR_SA0
    msr     SPSel, #0
    ldr     x0, [sp]
    msr     SPSel, #1
    run_el0 Lsp_user
    check_exception EC_SP_ALIGN, 0, "SP at EL0 with SCTLR_EL1.SA0"
    check_elr Lsp_user, "SP at EL0"
    check_vector 0x400, "SP at EL0"
    b       Lsp_end
Lsp_user:
    ldr     x0, [sp]
    svc     #0
Lsp_end:

    // ---- Device memory with the MMU on, and DC ZVA, which it can't have.
    sctlr   SCTLR_ON
    put_entry MMU_L0, 1, FREE+0x1000, PTE_TABLE
    put_entry FREE+0x1000, 0, FREE+0x2000, PTE_TABLE
    put_entry FREE+0x2000, 3, BLOCK, PTE_BLOCK|PTE_DEVICE|PTE_USER|PTE_AF|PTE_UXN|PTE_PXN
    flush_tlb
    mov64   x20, DEVICE+0xf
    checked_with_a "in Device memory"
    always_checked "in Device memory"
    mov64   x20, DEVICE
    unaligned WNR, "DC ZVA of Device memory", dc zva, x20
Ldone:
    pass
