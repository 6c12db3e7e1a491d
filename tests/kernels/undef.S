// Undefined instructions: unallocated words, registers that are not there or not for EL0; each with its class, syndrome and address.

    .include "lib/kernel.S"
    kernel  "undef"

    must_trap EC_UNKNOWN, 0, "UDF #0", .inst 0x00000000
    must_trap EC_UNKNOWN, 0, "UDF #0xffff", .inst 0x0000ffff
    must_trap EC_UNKNOWN, 0, "unallocated data processing", .inst 0x9b600000|0x800000
    must_trap EC_UNKNOWN, 0, "MOVZ W with a shift of 32", .inst 0x52c00000
    must_trap EC_UNKNOWN, 0, "logical immediate of all ones", .inst 0x9200fc00
    must_trap EC_UNKNOWN, 0, "write of MIDR_EL1", .inst 0xd5180000
    must_trap EC_UNKNOWN, 0, "read of an unallocated register", .inst 0xd53bffe0
    must_trap EC_UNKNOWN, 0, "SYSL", .inst 0xd52fffe0
    must_trap EC_UNKNOWN, 0, "DRPS", .inst 0xd6bf03e0
    must_trap EC_BRK, 0x1234, "BRK", brk #0x1234

    // Illegal execution state: an exception return to EL3.
    adr     x1, Lillegal
    msr     ELR_EL1, x1
    mov     x1, #0x3cd
    msr     SPSR_EL1, x1
    resume_at Lillegal_taken
    isb
    eret
Lillegal:
    b       Lillegal
Lillegal_taken:
    check_exception EC_ILLEGAL, 0, "illegal return"
    check_elr Lillegal, "illegal return"

    // From EL0: registers of EL1, maintenance, HVC.
    .macro el0_traps class, iss, what:req, insn:vararg
    run_el0 Lel0\@
    b       Lel0_done\@
Lel0\@:
    \insn
    b       .
Lel0_done\@:
    check_exception \class, (\iss), "\what"
    check_elr Lel0\@, "\what"
    mrs     x14, TPIDR_EL1
    ldr     x16, [x14, #CPU_VECTOR]
    check   x16, 0x400, "vector"
    .endm

    el0_traps EC_UNKNOWN, 0, "MSR VBAR_EL1 at EL0", msr VBAR_EL1, x0
    el0_traps EC_UNKNOWN, 0, "MRS SCTLR_EL1 at EL0", mrs x0, SCTLR_EL1
    el0_traps EC_UNKNOWN, 0, "TLBI at EL0", tlbi vmalle1
    el0_traps EC_UNKNOWN, 0, "HVC at EL0", hvc #0
    el0_traps EC_UNKNOWN, 0, "ERET at EL0", eret
    // QEMU 7.2 has Op1 and Op2 the wrong way round in this syndrome.
    unless_vibe Lnot_qemu
    el0_traps EC_SYSREG, 0xcd3e4, "MSR DAIFSet at EL0", .inst 0xd50342df
Lnot_qemu:
    pass
