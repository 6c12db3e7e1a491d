// SIMD and floating-point registers: the trap of CPACR_EL1.FPEN and state that is switched lazily by it, as kernels do; loads and stores of
// several registers that fault half way; memory copied through pages that come on demand; AES and SHA256 on known answers.

    .include "lib/kernel.S"
    kernel  "simd"
    .include "lib/mmu48.S"
    .arch_extension crypto

    .equ    ISS_FP,     0x1e00000       // CV, COND 0b1110
    .equ    FPEN_EL1,   0x100000
    .equ    FPEN_ALL,   0x300000
    .equ    ID_AES,     4               // fields of ID_AA64ISAR0_EL1
    .equ    ID_SHA2,    12

    // A descriptor that was invalid has become valid: nothing remembers it.
    .macro table_written
    dsb     ishst
    isb
    .endm

    .macro fpen value
    mov64   x14, (\value)
    msr     CPACR_EL1, x14
    isb
    .endm

    // At EL0, the instruction is trapped by FPEN.
    .macro el0_fp_trap what:req, insn:vararg
    run_el0 Lel0\@
    b       Lel0_done\@
Lel0\@:
    \insn
    b       .
Lel0_done\@:
    check_exception EC_FP, ISS_FP, "\what"
    check_elr Lel0\@, "\what"
    check_vector 0x400, "\what"
    .endm

    .macro fp_traps what:req
    must_trap EC_FP, ISS_FP, "MOVI \what", movi v0.16b, #1
    must_trap EC_FP, ISS_FP, "LDR Q \what", ldr q0, [x20]
    must_trap EC_FP, ISS_FP, "ST4 \what", st4 {v0.4s-v3.4s}, [x20]
    must_trap EC_FP, ISS_FP, "UMOV \what", umov w0, v0.b[3]
    must_trap EC_FP, ISS_FP, "AESE \what", .inst 0x4e284820
    must_trap EC_FP, ISS_FP, "MRS FPCR \what", mrs x0, FPCR
    must_trap EC_FP, ISS_FP, "MSR FPSR \what", msr FPSR, x0
    // What is no instruction is none with the trap either.
    must_trap EC_UNKNOWN, 0, "SUB .1D \what", .inst 0x2ee08400
    .endm

    // ---- FPEN: 00 and 10 trap both levels, 01 EL0 alone, 11 none.
    ram     x20, FREE
    fpen    0
    fp_traps "with FPEN 00"
    el0_fp_trap "FPEN 00 at EL0", movi v0.16b, #1
    fpen    0x200000
    fp_traps "with FPEN 10"
    el0_fp_trap "FPEN 10 at EL0", mrs x0, FPSR
    fpen    FPEN_EL1
    movi    v0.16b, #1
    str     q0, [x20]
    ldr     x0, [x20, #8]
    check   x0, 0x0101010101010101, "STR Q"
    el0_fp_trap "FPEN 01 at EL0", movi v0.16b, #2
    umov    w0, v0.b[0]
    check   x0, 1, "V0 after the trap"
    fpen    FPEN_ALL

    bl      Lmmu_on

    // ---- Two programs at EL0 that use the same registers, in turns. What is in the registers belongs to the one that used them last
    // (x21: 0, 1, or 2 for nobody); only the trap moves it. x22: whose turn it is; x23: traps.
    .equ    TURNS,      20
    .equ    AREAS,      FREE            // 0x400 for each: V0 to V31, FPCR, FPSR

    ram     x1, AREAS
    mov     x2, #0x800
Lareas_clear:
    stp     xzr, xzr, [x1], #16
    subs    x2, x2, #16
    b.ne    Lareas_clear
    set_hook CPU_HOOK_SYNC, Llazy
    mov     x21, #2
    mov     x22, #0
    mov     x23, #0
    mov     x24, #TURNS
Lturn:
    cmp     x21, x22
    mov64   x14, FPEN_EL1
    mov64   x15, FPEN_ALL
    csel    x14, x15, x14, eq
    msr     CPACR_EL1, x14
    adr     x17, Lprogram0
    adr     x16, Lprogram1
    cmp     x22, #0
    csel    x17, x17, x16, eq
    msr     ELR_EL1, x17
    mov     x16, #0x3c0
    msr     SPSR_EL1, x16
    isb
    eret
Lturn_done:
    // Two turns each, so that one in two finds its registers where it left them.
    sub     x24, x24, #1
    cbz     x24, Lturns_over
    tst     x24, #1
    b.ne    Lturn
    eor     x22, x22, #1
    b       Lturn

    // The first adds bytes and counts in FPSR.QC, the second multiplies words and changes FPCR.
Lprogram0:
    movi    v30.16b, #3
    add     v31.16b, v31.16b, v30.16b
    add     v0.16b, v0.16b, v31.16b
    mov     x0, #1<<27
    msr     FPSR, x0
    svc     #0
Lprogram1:
    mrs     x1, FPSR
    cbnz    x1, Lprogram1               // the other's
    movi    v30.4s, #5
    mla     v31.4s, v31.4s, v30.4s
    add     v31.4s, v31.4s, v30.4s
    mov     x0, #1<<24
    msr     FPCR, x0
    svc     #0

    // Called with x0 = frame, and x21 to x24 as the kernel left them: EL0 has not changed them.
Llazy:
    ldr     x1, [x0, #FRAME_ESR]
    lsr     x2, x1, #26
    cmp     x2, #EC_SVC
    b.eq    Llazy_svc
    mov64   x3, (EC_FP<<26|0x2000000|ISS_FP)
    check_reg x1, x3, "ESR of the lazy trap"
    fpen    FPEN_ALL
    add     x23, x23, #1
    str     x23, [x0, #0xb8]
    cmp     x21, #2
    b.eq    Llazy_load
    ram     x1, AREAS
    add     x1, x1, x21, lsl #10
    st1     {v0.2d-v3.2d}, [x1], #64
    st1     {v4.2d-v7.2d}, [x1], #64
    st1     {v8.2d-v11.2d}, [x1], #64
    st1     {v12.2d-v15.2d}, [x1], #64
    stp     q16, q17, [x1], #32
    stp     q18, q19, [x1], #32
    stp     q20, q21, [x1], #32
    stp     q22, q23, [x1], #32
    stp     q24, q25, [x1], #32
    stp     q26, q27, [x1], #32
    stp     q28, q29, [x1], #32
    stp     q30, q31, [x1], #32
    mrs     x2, FPCR
    mrs     x3, FPSR
    stp     x2, x3, [x1]
Llazy_load:
    ram     x1, AREAS
    add     x1, x1, x22, lsl #10
    ldp     q0, q1, [x1], #32
    ldp     q2, q3, [x1], #32
    ldp     q4, q5, [x1], #32
    ldp     q6, q7, [x1], #32
    ldp     q8, q9, [x1], #32
    ldp     q10, q11, [x1], #32
    ldp     q12, q13, [x1], #32
    ldp     q14, q15, [x1], #32
    ld1     {v16.16b-v19.16b}, [x1], #64
    ld1     {v20.16b-v23.16b}, [x1], #64
    ld1     {v24.16b-v27.16b}, [x1], #64
    ld1     {v28.16b-v31.16b}, [x1], #64
    ldp     x2, x3, [x1]
    msr     FPCR, x2
    msr     FPSR, x3
    mov     x21, x22
    str     x21, [x0, #0xa8]
    ret
Llazy_svc:
    adr     x1, Lturn_done
    mov     x2, #0x3c5
    stp     x1, x2, [x0, #FRAME_ELR]
    ret

Lturns_over:
    fpen    FPEN_ALL
    no_hook CPU_HOOK_SYNC
    check   x23, (TURNS/2), "traps of lazy switching"
    // The second program ran last; the first one's registers lie in its area.
    check   x22, 1, "whose turn it was"
    check   x21, 1, "whose registers they are"
    umov    x0, v31.d[1]                // 5 more than six times what was, ten times, from 0
    check   x0, 0x039aa3ff039aa3ff, "V31 of the second program"
    mrs     x0, FPCR
    check   x0, 0x1000000, "FPCR of the second program"
    mrs     x0, FPSR
    check   x0, 0, "FPSR of the second program"
    ram     x1, AREAS
    ldrb    w0, [x1, #0x1f9]
    check   x0, (TURNS/2*3), "sum of the first program"
    ldrb    w0, [x1, #15]
    check   x0, (TURNS/2*(TURNS/2+1)/2*3), "sum of its sums"
    add     x1, x1, #0x200
    ldp     x0, x2, [x1]
    check   x0, 0, "FPCR of the first program"
    check   x2, 0x8000000, "FPSR of the first program"
    msr     FPSR, xzr
    msr     FPCR, xzr

    // ---- Faults on the second of two pages: its first byte in FAR, and nothing changed.
    .equ    PAGES,      0x180000        // of the first 2 MiB, which are mapped by pages
    .equ    NR_PAGES,   24
    .equ    SECOND,     PAGES+0x1000

    ram     x25, MMU_L3+(PAGES>>9)   // the descriptors
    ldr     x26, [x25, #8]
    str     xzr, [x25, #8]
    flush_tlb
    ram     x19, SECOND
    .macro faults wnr, back, what:req, insn:vararg
    sub     x20, x19, #\back
    mov     x21, x20
    mov64   x0, 0x1111111111111111
    dup     v0.2d, x0
    mov     v1.16b, v0.16b
    mov     v2.16b, v0.16b
    mov     v3.16b, v0.16b
    str     x0, [x19, #-8]
    movi    v7.16b, #0x77
    must_trap EC_DABT_SAME, (\wnr|FSC_TRANSLATION|3), "\what", \insn
    check_far x19, "\what"
    check_reg x20, x21, "\what: base"
    and     v0.16b, v0.16b, v1.16b
    and     v2.16b, v2.16b, v3.16b
    and     v0.16b, v0.16b, v2.16b
    umov    x0, v0.d[1]
    check   x0, 0x1111111111111111, "\what: registers"
    // A store may be abandoned half way, as QEMU does; not here.
    unless_vibe Lmemory_perhaps\@
    ldr     x0, [x19, #-8]
    check   x0, 0x1111111111111111, "\what: memory"
Lmemory_perhaps\@:
    .endm
    faults  0, 1, "LDR Q", ldr q0, [x20]
    faults  0, 16, "LDP Q", ldp q0, q1, [x20], #32
    faults  0, 17, "LD4", ld4 {v0.16b-v3.16b}, [x20], #64
    faults  0, 8, "LD2 lane", ld2 {v0.d,v1.d}[1], [x20], #16
    faults  WNR, 1, "STR Q", str q7, [x20], #16
    faults  WNR, 16, "STP Q", stp q7, q7, [x20], #32
    faults  WNR, 31, "STP Q", stp q7, q7, [x20], #32
    faults  WNR, 63, "ST4", .inst 0x4c9f0287    // st4 {v7.16b-v10.16b}, [x20], #64
    faults  WNR, 8, "ST1", st1 {v7.16b}, [x20], #16
    str     x26, [x25, #8]
    table_written

    // ---- A copy that starts odd, between pages that are mapped when they are touched.
    .equ    FROM,       PAGES+3
    .equ    TO,         PAGES+0xc000+7
    .equ    COPY,       0xa000

    mov     x0, #NR_PAGES
    mov     x1, x25
Lfill:
    sub     x0, x0, #1
    ram     x2, PAGES
    add     x2, x2, x0, lsl #12
    mov     x3, #0x1000
Lfill_page:
    sub     x3, x3, #8
    mul     x4, x3, x0
    add     x4, x4, x2
    str     x4, [x2, x3]
    cbnz    x3, Lfill_page
    cbnz    x0, Lfill
    ram     x20, FROM
    ram     x21, TO
    mov64   x22, COPY
Lcopy_slow:
    ldrb    w0, [x20], #1
    add     x23, x23, #1
    subs    x22, x22, #1
    b.ne    Lcopy_slow

    mov     x0, #NR_PAGES
Lunmap:
    sub     x0, x0, #1
    ldr     x1, [x25, x0, lsl #3]
    and     x1, x1, #~1
    str     x1, [x25, x0, lsl #3]
    cbnz    x0, Lunmap
    flush_tlb
    mov     x23, #0
    set_hook CPU_HOOK_SYNC, Ldemand
    ram     x20, FROM
    ram     x21, TO
    mov64   x22, COPY
Lcopy:
    ldp     q0, q1, [x20], #32
    ld1     {v2.16b,v3.16b}, [x20], #32
    stp     q0, q1, [x21]
    stp     q2, q3, [x21, #32]
    add     x21, x21, #64
    subs    x22, x22, #64
    b.ne    Lcopy
    no_hook CPU_HOOK_SYNC
    check   x23, 22, "pages that came on demand"
    ram     x20, FROM
    ram     x21, TO
    mov64   x22, COPY
Lcompare:
    ldrb    w0, [x20], #1
    ldrb    w1, [x21], #1
    check_reg x0, x1, "copied byte"
    subs    x22, x22, #1
    b.ne    Lcompare
    b       Lcrypto

    // Maps the page of FAR_EL1.
Ldemand:
    ldr     x1, [x0, #FRAME_ESR]
    bic     x1, x1, #WNR
    mov64   x2, (EC_DABT_SAME<<26|0x2000000|FSC_TRANSLATION|3)
    check_reg x1, x2, "ESR of demand paging"
    ldr     x1, [x0, #FRAME_FAR]
    ram     x2, PAGES
    sub     x1, x1, x2
    lsr     x1, x1, #12
    check   x1, NR_PAGES, "page of demand paging", lo
    ldr     x2, [x25, x1, lsl #3]
    tst     x2, #1
    cset    x3, ne
    check   x3, 0, "the page was mapped"
    orr     x2, x2, #1
    str     x2, [x25, x1, lsl #3]
    table_written
    ldr     x1, [x0, #0xb8]
    add     x1, x1, #1
    str     x1, [x0, #0xb8]
    ret

    // ---- AES-128: FIPS 197, appendix B, there and back. Where it is missing it may be so, but not here.
Lcrypto:
    id_field x0, ID_AA64ISAR0_EL1, ID_AES
    unless_vibe Laes_perhaps
    check   x0, 2, "ID_AA64ISAR0_EL1.AES"
Laes_perhaps:
    cbz     x0, Lno_aes
    adr     x0, Laes_keys
    ld1     {v16.16b-v19.16b}, [x0], #64
    ld1     {v20.16b-v23.16b}, [x0], #64
    ld1     {v24.16b-v26.16b}, [x0]
    adr     x0, Laes_plain
    ldr     q0, [x0]
    .irp    k, 16,17,18,19,20,21,22,23,24
    aese    v0.16b, v\k\().16b
    aesmc   v0.16b, v0.16b
    .endr
    aese    v0.16b, v25.16b
    eor     v0.16b, v0.16b, v26.16b
    umov    x1, v0.d[0]
    check   x1, 0xfb09dc021d842539, "AES, lower half"
    umov    x1, v0.d[1]
    check   x1, 0x320b6a19978511dc, "AES, upper half"
    aesd    v0.16b, v26.16b
    .irp    k, 25,24,23,22,21,20,19,18,17
    aesimc  v0.16b, v0.16b
    aesimc  v1.16b, v\k\().16b
    aesd    v0.16b, v1.16b
    .endr
    eor     v0.16b, v0.16b, v16.16b
    ldr     x1, [x0]
    umov    x2, v0.d[0]
    check_reg x2, x1, "decrypted, lower half"
    ldr     x1, [x0, #8]
    umov    x2, v0.d[1]
    check_reg x2, x1, "decrypted, upper half"
Lno_aes:

    // ---- SHA256 of "abc".
    id_field x0, ID_AA64ISAR0_EL1, ID_SHA2
    unless_vibe Lsha_perhaps
    check   x0, 2, "ID_AA64ISAR0_EL1.SHA2"
Lsha_perhaps:
    cbz     x0, Lno_sha
    adr     x0, Lsha256_h
    ldp     q0, q1, [x0]
    movi    v4.16b, #0
    movi    v5.16b, #0
    movi    v6.16b, #0
    movi    v7.16b, #0
    mov64   x1, 0x61626380
    mov     v4.s[0], w1
    mov     w1, #24
    mov     v7.s[3], w1
    adr     x2, Lsha256_k
    mov     x3, #16
Lsha_rounds:
    ldr     q16, [x2], #16
    add     v8.4s, v4.4s, v16.4s
    mov     v2.16b, v0.16b
    sha256h q0, q1, v8.4s
    sha256h2 q1, q2, v8.4s
    sha256su0 v4.4s, v5.4s
    sha256su1 v4.4s, v6.4s, v7.4s
    mov     v9.16b, v4.16b
    mov     v4.16b, v5.16b
    mov     v5.16b, v6.16b
    mov     v6.16b, v7.16b
    mov     v7.16b, v9.16b
    subs    x3, x3, #1
    b.ne    Lsha_rounds
    ldp     q2, q3, [x0]
    add     v0.4s, v0.4s, v2.4s
    add     v1.4s, v1.4s, v3.4s
    umov    x1, v0.d[0]
    check   x1, 0x8f01cfeaba7816bf, "SHA256, words 0 and 1"
    umov    x1, v0.d[1]
    check   x1, 0x5dae2223414140de, "SHA256, words 2 and 3"
    umov    x1, v1.d[0]
    check   x1, 0x96177a9cb00361a3, "SHA256, words 4 and 5"
    umov    x1, v1.d[1]
    check   x1, 0xf20015adb410ff61, "SHA256, words 6 and 7"
Lno_sha:
    pass

    .balign 16
Laes_plain:
    .byte   0x32,0x43,0xf6,0xa8,0x88,0x5a,0x30,0x8d,0x31,0x31,0x98,0xa2,0xe0,0x37,0x07,0x34
Laes_keys:
    .byte   0x2b,0x7e,0x15,0x16,0x28,0xae,0xd2,0xa6,0xab,0xf7,0x15,0x88,0x09,0xcf,0x4f,0x3c
    .byte   0xa0,0xfa,0xfe,0x17,0x88,0x54,0x2c,0xb1,0x23,0xa3,0x39,0x39,0x2a,0x6c,0x76,0x05
    .byte   0xf2,0xc2,0x95,0xf2,0x7a,0x96,0xb9,0x43,0x59,0x35,0x80,0x7a,0x73,0x59,0xf6,0x7f
    .byte   0x3d,0x80,0x47,0x7d,0x47,0x16,0xfe,0x3e,0x1e,0x23,0x7e,0x44,0x6d,0x7a,0x88,0x3b
    .byte   0xef,0x44,0xa5,0x41,0xa8,0x52,0x5b,0x7f,0xb6,0x71,0x25,0x3b,0xdb,0x0b,0xad,0x00
    .byte   0xd4,0xd1,0xc6,0xf8,0x7c,0x83,0x9d,0x87,0xca,0xf2,0xb8,0xbc,0x11,0xf9,0x15,0xbc
    .byte   0x6d,0x88,0xa3,0x7a,0x11,0x0b,0x3e,0xfd,0xdb,0xf9,0x86,0x41,0xca,0x00,0x93,0xfd
    .byte   0x4e,0x54,0xf7,0x0e,0x5f,0x5f,0xc9,0xf3,0x84,0xa6,0x4f,0xb2,0x4e,0xa6,0xdc,0x4f
    .byte   0xea,0xd2,0x73,0x21,0xb5,0x8d,0xba,0xd2,0x31,0x2b,0xf5,0x60,0x7f,0x8d,0x29,0x2f
    .byte   0xac,0x77,0x66,0xf3,0x19,0xfa,0xdc,0x21,0x28,0xd1,0x29,0x41,0x57,0x5c,0x00,0x6e
    .byte   0xd0,0x14,0xf9,0xa8,0xc9,0xee,0x25,0x89,0xe1,0x3f,0x0c,0xc8,0xb6,0x63,0x0c,0xa6
Lsha256_k:
    .word   0x428a2f98,0x71374491,0xb5c0fbcf,0xe9b5dba5,0x3956c25b,0x59f111f1,0x923f82a4,0xab1c5ed5
    .word   0xd807aa98,0x12835b01,0x243185be,0x550c7dc3,0x72be5d74,0x80deb1fe,0x9bdc06a7,0xc19bf174
    .word   0xe49b69c1,0xefbe4786,0x0fc19dc6,0x240ca1cc,0x2de92c6f,0x4a7484aa,0x5cb0a9dc,0x76f988da
    .word   0x983e5152,0xa831c66d,0xb00327c8,0xbf597fc7,0xc6e00bf3,0xd5a79147,0x06ca6351,0x14292967
    .word   0x27b70a85,0x2e1b2138,0x4d2c6dfc,0x53380d13,0x650a7354,0x766a0abb,0x81c2c92e,0x92722c85
    .word   0xa2bfe8a1,0xa81a664b,0xc24b8b70,0xc76c51a3,0xd192e819,0xd6990624,0xf40e3585,0x106aa070
    .word   0x19a4c116,0x1e376c08,0x2748774c,0x34b0bcb5,0x391c0cb3,0x4ed8aa4a,0x5b9cca4f,0x682e6ff3
    .word   0x748f82ee,0x78a5636f,0x84c87814,0x8cc70208,0x90befffa,0xa4506ceb,0xbef9a3f7,0xc67178f2
Lsha256_h:
    .word   0x6a09e667,0xbb67ae85,0x3c6ef372,0xa54ff53a,0x510e527f,0x9b05688c,0x1f83d9ab,0x5be0cd19
