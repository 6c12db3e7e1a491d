// Constants and macros of the test kernels. Emits no code by itself.
//
// Written for GNU as and clang, ELF and Mach-O alike: no ';' (a comment on Mach-O), every label but _start begins with L (else Mach-O
// keeps relocations), no preprocessor.
//
// Registers: x28 holds the RAM base in all EL1 code. x14-x17 belong to the macros. Everything else is the kernel's.

    .arch   armv8.5-a

// ---- Memory, as offsets from the RAM base: where the image lies minus 0x10000, a multiple of 2 MiB. See README.md.
    .equ    IMAGE,      0x10000         // the kernel, at most 64 KiB
    .equ    RESULT,     0x20000         // status, counters: layout below
    .equ    SHARED,     0x21000         // words for a kernel's own use, cleared at start
    .equ    KEPT,       0x28000         // not cleared at start: what must survive SYSTEM_RESET
    .equ    PERCPU,     0x30000         // 4 KiB a CPU
    .equ    STACKS,     0x40000         // 16 KiB a CPU, growing down
    .equ    USER,       0x80000         // 64 KiB that EL0 may read and write; its stack grows down from the end
    .equ    USER_END,   0x90000
    .equ    TABLES,     0x100000        // the page tables of lib/mmu.S, 5 pages
    .equ    FREE,       0x200000        // up to 16 MiB: the kernel's own

    .equ    RES_STATUS, 0x00            // u32: one of
    .equ    STATUS_RUN,  0x4e555220     //   "RUN "
    .equ    STATUS_PASS, 0x53534150     //   "PASS"
    .equ    STATUS_FAIL, 0x4c494146     //   "FAIL"
    .equ    RES_CHECKS, 0x08            // u64: checks made
    .equ    RES_GOT,    0x10            // u64: what the failed check got
    .equ    RES_WANT,   0x18            // u64: and what it wanted

// ---- The area of a CPU, in TPIDR_EL1
    .equ    CPU_RESUME, 0x00            // where to go on after the synchronous exception that is expected; 0: none is
    .equ    CPU_HOOK_SYNC, 0x08         // hooks: void (*)(struct frame *), in the order of the vectors
    .equ    CPU_HOOK_IRQ, 0x10
    .equ    CPU_EXPECTED_ELR, 0x28
    .equ    CPU_NUMBER, 0x30
    .equ    CPU_SYNCS,  0x38            // synchronous exceptions taken so far
    .equ    CPU_ESR,    0x40            // the last expected exception
    .equ    CPU_FAR,    0x48
    .equ    CPU_ELR,    0x50
    .equ    CPU_SPSR,   0x58
    .equ    CPU_VECTOR, 0x60            // its offset in the vector table

// ---- What the vectors save: x0-x30, then
    .equ    FRAME_SP_EL0, 0xf8
    .equ    FRAME_ELR,  0x100
    .equ    FRAME_SPSR, 0x108
    .equ    FRAME_ESR,  0x110
    .equ    FRAME_FAR,  0x118
    .equ    FRAME_VECTOR, 0x120
    .equ    FRAME_SIZE, 0x130

// ---- Exception classes and syndromes (DDI 0487, "ESR_EL1, Exception Syndrome Register (EL1)")
    .equ    EC_UNKNOWN, 0x00
    .equ    EC_WFX,     0x01
    .equ    EC_FP,      0x07
    .equ    EC_BTI,     0x0d
    .equ    EC_ILLEGAL, 0x0e
    .equ    EC_SVC,     0x15
    .equ    EC_SYSREG,  0x18
    .equ    EC_FPAC,    0x1c
    .equ    EC_IABT_LOWER, 0x20
    .equ    EC_IABT_SAME, 0x21
    .equ    EC_PC_ALIGN, 0x22
    .equ    EC_DABT_LOWER, 0x24
    .equ    EC_DABT_SAME, 0x25
    .equ    EC_SP_ALIGN, 0x26
    .equ    EC_BRK,     0x3c
    .equ    WNR,        0x40            // data aborts: a write
    .equ    CM,         0x100           // data aborts: cache maintenance
    .equ    FSC_ADDRSIZE, 0x00          // + level
    .equ    FSC_TRANSLATION, 0x04
    .equ    FSC_ACCESSFLAG, 0x08
    .equ    FSC_PERMISSION, 0x0c
    .equ    FSC_ALIGNMENT, 0x21

// ---- SCTLR_EL1
    .equ    SCTLR_M,    0x1
    .equ    SCTLR_A,    0x2
    .equ    SCTLR_C,    0x4
    .equ    SCTLR_SA,   0x8
    .equ    SCTLR_SA0,  0x10
    .equ    SCTLR_I,    0x1000
    .equ    SCTLR_OFF,  0x30d00980      // all features off, the Armv8.0 RES1 bits set

// ---- Page and block descriptors (DDI 0487, "VMSAv8-64 translation table format descriptors")
    .equ    PTE_BLOCK,  0x1
    .equ    PTE_TABLE,  0x3
    .equ    PTE_PAGE,   0x3
    .equ    PTE_NORMAL, 0x000           // AttrIndx 0: write-back
    .equ    PTE_DEVICE, 0x004           // AttrIndx 1: Device-nGnRnE
    .equ    PTE_USER,   0x040           // AP[1]
    .equ    PTE_RO,     0x080           // AP[2]
    .equ    PTE_ISH,    0x300
    .equ    PTE_AF,     0x400
    .equ    PTE_NG,     0x800
    .equ    PTE_GP,     0x4000000000000
    .equ    PTE_PXN,    0x20000000000000
    .equ    PTE_UXN,    0x40000000000000
    .equ    PTE_RW_PAGE, PTE_PAGE|PTE_NORMAL|PTE_ISH|PTE_AF

// ---- PSCI (DEN 0022, "Function IDs")
    .equ    PSCI_VERSION, 0x84000000
    .equ    PSCI_CPU_SUSPEND64, 0xc4000001
    .equ    PSCI_CPU_OFF, 0x84000002
    .equ    PSCI_CPU_ON32, 0x84000003
    .equ    PSCI_CPU_ON64, 0xc4000003
    .equ    PSCI_AFFINITY_INFO32, 0x84000004
    .equ    PSCI_AFFINITY_INFO64, 0xc4000004
    .equ    PSCI_MIGRATE_INFO_TYPE, 0x84000006
    .equ    PSCI_SYSTEM_OFF, 0x84000008
    .equ    PSCI_SYSTEM_RESET, 0x84000009
    .equ    PSCI_FEATURES, 0x8400000a
    .equ    SMCCC_VERSION, 0x80000000
    .equ    SMCCC_ARCH_FEATURES, 0x80000001
    .equ    VIBE_EXIT,  0x86000100      // vibevmm's: ends the run with status w1. Elsewhere an unknown function.

// ---- Constants into registers
    .macro mov64 reg, value
    movz    \reg, #((\value)&0xffff)
    .if ((\value)>>16)&0xffff
    movk    \reg, #(((\value)>>16)&0xffff), lsl #16
    .endif
    .if ((\value)>>32)&0xffff
    movk    \reg, #(((\value)>>32)&0xffff), lsl #32
    .endif
    .if ((\value)>>48)&0xffff
    movk    \reg, #(((\value)>>48)&0xffff), lsl #48
    .endif
    .endm

// x28 = RAM base, where a CPU starts
    .macro ram_base
    adr     x28, Lstart
    sub     x28, x28, #IMAGE
    .endm

// reg = RAM base + offset, any offset below 2^32
    .macro ram reg, offset
    mov64   \reg, \offset
    add     \reg, x28, \reg
    .endm

// ---- Console
    .macro say text
    adr     x0, Lsay\@
    bl      Lputs
    b       Lsaid\@
Lsay\@:
    .asciz  "\text"
    .balign 4
Lsaid\@:
    .endm

// ---- Checks. The first that fails ends the run: "FAIL name: what got X want Y".
    .macro count_check
    ram     x14, RESULT+RES_CHECKS
    ldr     x15, [x14]
    add     x15, x15, #1
    str     x15, [x14]
    .endm

// The register must hold what the other one does. CONDITION: how got must stand to want.
    .macro check_reg got, want, what:req, condition=eq
    mov     x16, \got
    mov     x17, \want
    count_check
    cmp     x16, x17
    b.\condition Lok\@
    adr     x15, Lwhat\@
    b       Lfail
Lwhat\@:
    .asciz  "\what"
    .balign 4
Lok\@:
    .endm

// The register must hold the constant.
    .macro check got, want, what:req, condition=eq
    mov     x16, \got
    mov64   x17, (\want)
    check_reg x16, x17, "\what", \condition
    .endm

// ---- Expected exceptions
// Goes on at LABEL after the next synchronous exception.
    .macro resume_at label
    adr     x17, \label
    mrs     x16, TPIDR_EL1
    str     x17, [x16, #CPU_RESUME]
    .endm

// One instruction that must cause a synchronous exception with ELR at itself. With x16, x17 changed before it is executed.
    .macro traps insn:vararg
    adr     x17, Ltrap\@
    mrs     x16, TPIDR_EL1
    str     x17, [x16, #CPU_EXPECTED_ELR]
    resume_at Ltrapped\@
Ltrap\@:
    \insn
    adr     x16, Ltrap\@
    b       Lfail_no_trap
Ltrapped\@:
    .endm

// Code at LABEL runs at EL0 until it causes an exception. It may change any register but x28.
    .macro run_el0 label
    adr     x17, \label
    resume_at_reg Lfrom_el0\@
    msr     ELR_EL1, x17
    mov     x16, #0x3c0
    msr     SPSR_EL1, x16
    isb
    eret
Lfrom_el0\@:
    .endm

    .macro resume_at_reg label
    mrs     x16, TPIDR_EL1
    adr     x15, \label
    str     x15, [x16, #CPU_RESUME]
    .endm

// The expected exception had this class and syndrome, and came from where `traps` put it (or from ELR_AT).
    .macro check_exception class, iss, what:req
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_ESR]
    mov64   x17, (((\class)<<26)|0x2000000|(\iss))
    check_reg x16, x17, "\what: ESR"
    .endm

    .macro check_elr_trap what:req
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_ELR]
    ldr     x17, [x14, #CPU_EXPECTED_ELR]
    check_reg x16, x17, "\what: ELR"
    .endm

    .macro check_elr label, what:req
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_ELR]
    adr     x17, \label
    check_reg x16, x17, "\what: ELR"
    .endm

    .macro check_far want, what:req
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_FAR]
    check_reg x16, \want, "\what: FAR"
    .endm

    .macro check_vector want, what:req
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_VECTOR]
    check   x16, \want, "\what: vector"
    .endm

// An instruction at EL1 that must trap, with its class, syndrome, ELR and the vector for EL1h.
    .macro must_trap class, iss, what:req, insn:vararg
    traps   \insn
    check_exception \class, (\iss), "\what"
    check_elr_trap "\what"
    check_vector 0x200, "\what"
    .endm

// An ID register's field, unsigned: reg = field at SHIFT.
    .macro id_field reg, register, shift
    mrs     \reg, \register
    ubfx    \reg, \reg, #\shift, #4
    .endm

// ---- Hooks and calls
    .macro set_hook offset, label
    mrs     x16, TPIDR_EL1
    adr     x17, \label
    str     x17, [x16, #\offset]
    .endm

    .macro no_hook offset
    mrs     x16, TPIDR_EL1
    str     xzr, [x16, #\offset]
    .endm

    .macro psci function
    mov64   x0, \function
    hvc     #0
    .endm

    .macro pass
    b       Lpass
    .endm

// The part that follows runs on vibevmm's own machine only (RAM from 0), else control goes to LABEL.
    .macro unless_vibe label
    cbnz    x28, \label
    .endm

// ---- The head of every kernel: its name, then its code
    .macro kernel name
Lname:
    .asciz  "\name"
    .balign 4
Lmain:
    .endm
