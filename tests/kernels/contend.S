// Four CPUs at the same words: atomics, exclusives of each width, pairs, a spinlock, and the order of store-release and load-acquire.

    .include "lib/kernel.S"
    kernel  "contend"
    .arch_extension lse

    .equ    CPUS,       4
    .equ    ROUNDS,     5000
    .equ    ORDER_ROUNDS, 300
    .equ    COUNTERS,   SHARED+0x100    // 64 bytes each:
    .equ    BY_LDADD,   0x000
    .equ    BY_LDXR,    0x040
    .equ    BY_LDXP,    0x080           // 16 bytes: + 1, + 3
    .equ    BY_LDXP_W,  0x0c0           // two words: + 1, + 3
    .equ    BY_CASP,    0x100           // 16 bytes: + 1, + 3
    .equ    BY_CAS,     0x140
    .equ    BY_BYTES,   0x180           // a byte for each CPU
    .equ    BY_BITS,    0x1c0           // a bit for each CPU
    .equ    BY_MAX,     0x200           // LDUMAX
    .equ    LOCK,       0x240
    .equ    LOCKED,     0x280           // two counters that only the holder of the lock may see differ
    .equ    BY_SWP,     0x2c0           // a token: one CPU has it or it is here
    .equ    TOKENS,     0x300
    .equ    WRONG,      SHARED+0x480    // what somebody saw that nobody may see: a bit each
    .equ    STARTED,    SHARED+0x4c0
    .equ    DONE,       SHARED+0x500
    .equ    ORDER,      SHARED+0x540    // 64 bytes each: what CPU 0 and 1 store, arrivals

    .equ    WRONG_LOCK, 1
    .equ    WRONG_BITS, 2
    .equ    WRONG_ORDER, 4

    mov64   x0, BY_SWP
    ram     x1, COUNTERS
    mov     x2, #1
    str     x2, [x1, x0]                // the token
    dmb     sy
    mov     x19, #1
Lstart_next:
    mov     x1, x19
    adr     x2, Lsecondary
    mov     x3, x19
    psci    PSCI_CPU_ON64
    check   x0, 0, "CPU_ON"
    add     x19, x19, #1
    cmp     x19, #CPUS
    b.ne    Lstart_next
    mov     x19, #0
    bl      Lwork
    ram     x1, DONE
Lwait:
    yield
    ldar    x0, [x1]
    cmp     x0, #CPUS
    b.ne    Lwait

    ram     x20, WRONG
    ldr     x0, [x20]
    check   x0, 0, "lock, bits, order"
    .equ    TOTAL, CPUS*ROUNDS
    ram     x20, COUNTERS
    .macro  total counter, want, what:req
    mov64   x0, \counter
    ldr     x0, [x20, x0]
    check   x0, (\want), "\what"
    .endm
    total   BY_LDADD, TOTAL, "LDADD"
    total   BY_LDXR, TOTAL, "LDXR, STXR"
    total   BY_LDXP, TOTAL, "LDXP, STXP: first half"
    total   BY_LDXP+8, 3*TOTAL, "LDXP, STXP: second half"
    total   BY_LDXP_W, TOTAL+((3*TOTAL)<<32), "LDXP, STXP of words"
    total   BY_CASP, TOTAL, "CASP: first half"
    total   BY_CASP+8, 3*TOTAL, "CASP: second half"
    total   BY_CAS, TOTAL, "CAS"
    total   BY_BYTES, (ROUNDS&0xff)*0x1010101, "LDXRB, STXRB beside each other"
    total   BY_BITS, 0, "LDSET, LDCLR, STEOR"
    total   BY_MAX, ROUNDS, "LDUMAX"
    total   LOCKED, TOTAL, "under a lock"
    total   LOCKED+8, TOTAL, "under a lock, second"
    total   BY_SWP, 1, "the token is back"
    pass

Lsecondary:
    mov     x19, x0
    ram_base
    bl      Lcpu_init
    bl      Lwork
    psci    PSCI_CPU_OFF
    b       .

// x19: this CPU's number.
Lwork:
    mov     x27, x30
    ram     x20, COUNTERS
    ram     x23, WRONG
    mov     x24, #1
    lsl     x25, x24, x19               // this CPU's bit
    // All together.
    ram     x0, STARTED
    stadd   x24, [x0]
Lall:
    yield
    ldar    x1, [x0]
    cmp     x1, #CPUS
    b.lo    Lall

    mov64   x22, ROUNDS
Lround:
    add     x1, x20, #BY_LDADD
    ldadd   x24, x2, [x1]
    add     x1, x20, #BY_LDXR
Lldxr:
    ldxr    x2, [x1]
    add     x2, x2, #1
    stxr    w3, x2, [x1]
    cbnz    w3, Lldxr
    add     x1, x20, #BY_LDXP
Lldxp:
    ldxp    x2, x3, [x1]
    add     x2, x2, #1
    add     x3, x3, #3
    stlxp   w4, x2, x3, [x1]
    cbnz    w4, Lldxp
    add     x1, x20, #BY_LDXP_W
Lldxp_w:
    ldaxp   w2, w3, [x1]
    add     w2, w2, #1
    add     w3, w3, #3
    stxp    w4, w2, w3, [x1]
    cbnz    w4, Lldxp_w
    add     x1, x20, #BY_CASP
    mov     x2, #0
    mov     x3, #0
Lcasp:
    add     x4, x2, #1
    add     x5, x3, #3
    mov     x6, x2
    mov     x7, x3
    caspal  x2, x3, x4, x5, [x1]
    cmp     x2, x6
    ccmp    x3, x7, #0, eq
    b.ne    Lcasp
    add     x1, x20, #BY_CAS
    ldr     w2, [x1]
Lcas:
    add     w3, w2, #1
    mov     w4, w2
    cas     w2, w3, [x1]
    cmp     w2, w4
    b.ne    Lcas
    add     x1, x20, #BY_BYTES
    add     x1, x1, x19
Lbyte:
    ldaxrb  w2, [x1]
    add     w2, w2, #1
    stlxrb  w3, w2, [x1]
    cbnz    w3, Lbyte
    // This CPU's bit was clear, then set.
    add     x1, x20, #BY_BITS
    ldset   x25, x2, [x1]
    ldclr   x25, x3, [x1]
    bic     x3, x25, x3
    and     x2, x2, x25
    orr     x2, x2, x3
    steor   x25, [x1]
    steor   x25, [x1]
    cbz     x2, Lbits_good
    mov     x2, #WRONG_BITS
    stset   x2, [x23]
Lbits_good:
    add     x1, x20, #BY_MAX
    mov64   x2, ROUNDS+1
    sub     x2, x2, x22
    ldumax  x2, x3, [x1]

    add     x1, x20, #LOCK
Llock:
    ldaxr   w2, [x1]
    cbnz    w2, Llock_busy
    stxr    w3, w24, [x1]
    cbnz    w3, Llock
    ldp     x2, x3, [x1, #LOCKED-LOCK]
    add     x4, x2, #1
    str     x4, [x1, #LOCKED-LOCK]
    add     x5, x3, #1
    str     x5, [x1, #LOCKED-LOCK+8]
    stlr    wzr, [x1]
    cmp     x2, x3
    b.eq    Llock_done
    mov     x2, #WRONG_LOCK
    stset   x2, [x23]
    b       Llock_done
Llock_busy:
    yield
    b       Llock
Llock_done:
    subs    x22, x22, #1
    b.ne    Lround

    // The token goes from hand to hand.
    mov     x22, #100
    add     x1, x20, #BY_SWP
Ltoken:
    swpa    xzr, x2, [x1]
    cbnz    x2, Lhave_token
    yield
    b       Ltoken
Lhave_token:
    swpl    x2, x3, [x1]
    cbz     x3, Ltoken_back
    mov     x2, #WRONG_LOCK
    stset   x2, [x23]
Ltoken_back:
    subs    x22, x22, #1
    b.ne    Ltoken

    // CPU 0 and 1: each store-releases its own word and load-acquires the other's. One of them sees what the other stored.
    // (QEMU 7.2 on x86-64 has no barrier between the two, so that both may miss it.)
    unless_vibe Lwork_done
    cmp     x19, #2
    b.hs    Lwork_done
    ram     x1, ORDER
    eor     x2, x19, #1
    add     x2, x1, x2, lsl #6          // the other's word
    add     x3, x1, x19, lsl #6         // this one's
    add     x4, x1, #0x80               // arrivals
    mov     x22, #0
Lorder:
    add     x22, x22, #1
    ldaddal x24, x5, [x4]
    lsl     x6, x22, #2                 // four arrivals a round, the first two of them here
    sub     x6, x6, #2
Lorder_meet:
    ldar    x5, [x4]
    cmp     x5, x6
    b.lo    Lorder_meet
    stlr    x22, [x3]
    ldar    x7, [x2]
    str     x7, [x3, #8]
    ldaddal x24, x5, [x4]
    add     x6, x6, #2
Lorder_part:
    ldar    x5, [x4]
    cmp     x5, x6
    b.lo    Lorder_part
    ldr     x8, [x2, #8]                // what the other one saw
    cmp     x7, x22
    ccmp    x8, x22, #2, lo             // neither has seen this round's
    b.hs    Lorder_good
    mov     x7, #WRONG_ORDER
    stset   x7, [x23]
Lorder_good:
    cmp     x22, #ORDER_ROUNDS
    b.ne    Lorder
Lwork_done:
    ram     x0, DONE
    staddl  x24, [x0]
    ret     x27
