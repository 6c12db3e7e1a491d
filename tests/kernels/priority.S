// Priorities of the GICv3: which interrupt comes first, which preempts which, nested handlers, the mask ICC_PMR_EL1, binary points, both EOI
// modes, active and pending, Group 0 as FIQ. What happens is written down: an INTID when it is acknowledged, with bit 7 when it ends.

    .include "lib/kernel.S"
    kernel  "priority"
    .include "lib/gic.S"

    .equ    LOG,        SHARED          // u64: up to eight bytes, the first is the highest
    .equ    ACTIONS,    SHARED+0x100    // u64 for each INTID below 128: what its handler calls between acknowledge and end
    .equ    SPI,        90              // a shared one that no device has
    .equ    GICD_ENABLE1, 2
    .equ    SPI_WORD,   (SPI/32)*4
    .equ    SPI_BIT,    1<<(SPI%32)

    .macro sgi number
    mov64   x0, (\number)<<24|1
    msr     ICC_SGI1R_EL1, x0
    isb
    .endm

    .macro priority number, value
    mov64   x0, GICR+GICR_SGI+GICR_IPRIORITYR
    mov     w1, #\value
    strb    w1, [x0, #\number]
    .endm

    .macro action number, label
    adr     x0, \label
    ram     x1, ACTIONS
    str     x0, [x1, #\number*8]
    .endm

    .macro no_action number
    ram     x1, ACTIONS
    str     xzr, [x1, #\number*8]
    .endm

    // What happened since the last time.
    .macro happened what:req, bytes
    isb
    ram     x14, LOG
    ldr     x16, [x14]
    str     xzr, [x14]
    check   x16, \bytes, "\what"
    .endm

    // Lets through what is pending.
    .macro window
    msr     daifclr, #3
    isb
    msr     daifset, #3
    .endm

    .macro pending_in word, number, want, what:req
    mov64   x0, GICR+GICR_SGI+\word
    ldr     w0, [x0]
    ubfx    x0, x0, #\number, #1
    check   x0, \want, "\what"
    .endm
    .equ    ISPENDR,    0x200
    .equ    ISACTIVER,  0x300

    bl      Lgic_init
    set_hook CPU_HOOK_IRQ, Lirq
    set_hook CPU_HOOK_IRQ+8, Lfiq
    mov     x20, #0
Lenable:
    mov     x0, x20
    bl      Lgic_enable_ppi
    add     x20, x20, #1
    cmp     x20, #16
    b.ne    Lenable

    // ---- What there is: at least 4 bits of priority, the same number in ICC_PMR_EL1, ICC_CTLR_EL1 and the priority registers.
    mrs     x20, ICC_CTLR_EL1
    ubfx    x20, x20, #8, #3
    add     x20, x20, #1                // bits
    check   x20, 4, "bits of priority", hs
    mov     x22, #0xff00
    lsr     x22, x22, x20
    and     x22, x22, #0xff             // those that are there
    mov     x0, #0xff
    msr     ICC_PMR_EL1, x0
    mrs     x0, ICC_PMR_EL1
    check_reg x0, x22, "ICC_PMR_EL1"
    // (QEMU 7.2 keeps all 8 bits here.)
    unless_vibe Lall_bits
    priority 1, 0xff
    ldrb    w0, [x0, #1]
    check_reg x0, x22, "GICR_IPRIORITYR"
Lall_bits:
    msr     ICC_BPR0_EL1, xzr
    msr     ICC_BPR1_EL1, xzr
    mrs     x0, ICC_BPR0_EL1
    mov     x1, #7
    sub     x1, x1, x20                 // all bits that are there are group priority
    check_reg x0, x1, "smallest ICC_BPR0_EL1"
    mrs     x0, ICC_BPR1_EL1
    add     x1, x1, #1
    check_reg x0, x1, "smallest ICC_BPR1_EL1"
    mov     x0, #7
    msr     ICC_BPR1_EL1, x0
    mrs     x0, ICC_BPR1_EL1
    check   x0, 7, "largest ICC_BPR1_EL1"
    msr     ICC_BPR1_EL1, xzr
    mrs     x0, ICC_RPR_EL1
    check   x0, 0xff, "idle priority"
    mrs     x0, ICC_IAR1_EL1
    check   x0, 1023, "acknowledge of nothing"
    mrs     x0, ICC_HPPIR1_EL1
    check   x0, 1023, "nothing pending"

    // ---- The order of what is pending together: by priority, then the lower INTID.
    priority 1, 0x80
    priority 2, 0x40
    priority 3, 0xc0
    priority 4, 0x80
    sgi     4
    sgi     3
    sgi     1
    sgi     2
    mrs     x0, ICC_HPPIR1_EL1
    check   x0, 2, "highest priority pending"
    window
    happened "four at once", 0x0282018104840383

    // ---- The mask: what has its priority or a lower one waits.
    mov     x0, #0x80
    msr     ICC_PMR_EL1, x0
    sgi     1
    sgi     3
    mrs     x0, ISR_EL1
    check   x0, 0, "ISR_EL1 below the mask"
    mrs     x0, ICC_IAR1_EL1
    check   x0, 1023, "acknowledge below the mask"
    mrs     x0, ICC_HPPIR1_EL1
    check   x0, 1, "highest priority pending below the mask"
    window
    happened "nothing below the mask", 0
    sgi     2
    window
    happened "one above the mask", 0x0282
    mov     x0, #0x90
    msr     ICC_PMR_EL1, x0
    isb
    window
    happened "the next, above the new mask", 0x0181
    mov     x0, #0xff
    msr     ICC_PMR_EL1, x0
    isb
    window
    happened "the last", 0x0383

    // ---- Preemption: only by a higher priority. An action sends and unmasks.
    action  1, Lsend_2
    sgi     1
    window
    happened "a higher priority preempts", 0x01028281
    action  1, Lsend_3
    sgi     1
    window
    happened "a lower one waits", 0x01810383
    action  1, Lsend_4
    sgi     1
    window
    happened "an equal one waits", 0x01810484
    action  1, Lsend_1
    sgi     1
    window
    no_action 1
    happened "and one's own, sent again", 0x01810181
    // Four deep: 3, 1, 2 and a shared one, each more urgent than the last.
    mov64   x1, GICD
    mov     w0, #0x20
    strb    w0, [x1, #0x400+SPI]
    add     x2, x1, #0x6000             // GICD_IROUTER: this CPU
    str     xzr, [x2, #SPI*8]
    mov64   x0, SPI_BIT
    ldr     w2, [x1, #0x80+SPI_WORD]    // GICD_IGROUPR
    orr     w2, w2, w0
    str     w2, [x1, #0x80+SPI_WORD]
    str     w0, [x1, #0x100+SPI_WORD]   // GICD_ISENABLER
    action  3, Lsend_1
    action  1, Lsend_2
    action  2, Lsend_spi
    action  SPI, Lat_the_top
    sgi     3
    window
    happened "four deep", 0x0301025ada828183
    no_action 3
    no_action 1
    no_action 2
    mrs     x0, ICC_RPR_EL1
    check   x0, 0xff, "idle priority again"
    mrs     x0, ICC_AP1R0_EL1
    check   x0, 0, "ICC_AP1R0_EL1 when idle"

    // ---- Binary point: with 7 there are two groups of priorities, above and below 0x80, and no preemption inside.
    mov     x0, #7
    msr     ICC_BPR1_EL1, x0
    priority 5, 0xf0
    action  5, Lsend_3_and_2
    sgi     5
    window
    happened "preempted by the other group alone", 0x050282850383
    action  2, Lsend_spi                // 0x20 does not preempt 0x40 any more
    sgi     2
    window
    happened "not within the group", 0x02825ada
    no_action 2
    // Which one is chosen first still goes by the whole priority.
    sgi     3
    sgi     5
    sgi     1
    no_action 5
    window
    happened "the order within a group", 0x018103830585
    // ICC_CTLR_EL1.CBPR: ICC_BPR0_EL1 counts for both, and ICC_BPR1_EL1 shows it plus one.
    msr     ICC_BPR1_EL1, xzr
    mov     x0, #6
    msr     ICC_BPR0_EL1, x0
    mov     x0, #1
    msr     ICC_CTLR_EL1, x0
    isb
    mrs     x0, ICC_BPR1_EL1
    check   x0, 7, "ICC_BPR1_EL1 with CBPR"
    action  2, Lsend_spi
    sgi     2
    window
    no_action 2
    happened "ICC_BPR0_EL1 with CBPR", 0x02825ada
    msr     ICC_CTLR_EL1, xzr
    msr     ICC_BPR0_EL1, xzr
    isb
    action  2, Lsend_spi
    sgi     2
    window
    no_action 2
    happened "ICC_BPR1_EL1 without CBPR", 0x025ada82

    // ---- Active and pending: sent again while it is active, it stays pending until the end.
    action  1, Lsend_1
    sgi     1
    window
    no_action 1
    happened "active and pending", 0x01810181
    pending_in ISPENDR, 1, 0, "pending after the second end"
    pending_in ISACTIVER, 1, 0, "active after the second end"
    // Pending by hand, and no more.
    mov64   x1, GICR+GICR_SGI
    mov     w0, #2
    str     w0, [x1, #ISPENDR]
    mrs     x0, ISR_EL1
    check   x0, 0x80, "ISR_EL1 when GICR_ISPENDR0 is written"
    mov     w0, #2
    str     w0, [x1, #ISPENDR+0x80]
    mrs     x0, ISR_EL1
    check   x0, 0, "ISR_EL1 when GICR_ICPENDR0 is written"
    // Active by hand: it doesn't come until it is no more.
    mov     w0, #2
    str     w0, [x1, #ISACTIVER]
    sgi     1
    window
    happened "active by GICR_ISACTIVER0", 0
    mov64   x1, GICR+GICR_SGI
    mov     w0, #2
    str     w0, [x1, #ISACTIVER+0x80]
    window
    happened "after GICR_ICACTIVER0", 0x0181
    // Disabled: in the redistributor, for the group, in the distributor.
    mov64   x1, GICR+GICR_SGI
    mov     w0, #2
    str     w0, [x1, #GICR_ICENABLER0]
    sgi     1
    window
    happened "disabled in GICR_ICENABLER0", 0
    mov     x0, #1
    bl      Lgic_enable_ppi
    msr     ICC_IGRPEN1_EL1, xzr
    isb
    window
    happened "disabled in ICC_IGRPEN1_EL1", 0
    mov     x0, #1
    msr     ICC_IGRPEN1_EL1, x0
    mov64   x1, GICD
    ldr     w2, [x1]
    bic     w0, w2, #GICD_ENABLE1
    str     w0, [x1]
    bl      Lgicd_done
    window
    happened "disabled in GICD_CTLR", 0
    str     w2, [x1]
    bl      Lgicd_done
    window
    happened "enabled again", 0x0181

    // ---- EOImode 1: ICC_EOIR1_EL1 drops the priority, ICC_DIR_EL1 ends it.
    mov     x0, #2
    msr     ICC_CTLR_EL1, x0
    isb
    mrs     x0, ICC_CTLR_EL1
    and     x0, x0, #3
    check   x0, 2, "ICC_CTLR_EL1.EOImode"
    sgi     1
    isb
    mrs     x20, ICC_IAR1_EL1
    check   x20, 1, "acknowledged by hand"
    mrs     x0, ICC_RPR_EL1
    check   x0, 0x80, "running priority"
    mrs     x0, ICC_AP1R0_EL1
    mrs     x1, ICC_CTLR_EL1
    ubfx    x1, x1, #8, #3
    cmp     x1, #4                      // the bit's place depends on the number of priorities
    b.ne    Lmany_priorities
    check   x0, 0x10000, "ICC_AP1R0_EL1 at priority 0x80"
Lmany_priorities:
    sgi     1                           // its own again, a less urgent, a more urgent one
    sgi     3
    sgi     2
    mrs     x0, ISR_EL1
    check   x0, 0x80, "the more urgent one shows"
    mrs     x21, ICC_IAR1_EL1
    check   x21, 2, "the more urgent one"
    msr     ICC_EOIR1_EL1, x21
    msr     ICC_DIR_EL1, x21
    isb
    mrs     x0, ISR_EL1
    check   x0, 0, "the others wait"
    msr     ICC_EOIR1_EL1, x20
    isb
    mrs     x0, ICC_RPR_EL1
    check   x0, 0xff, "the priority has dropped"
    pending_in ISACTIVER, 1, 1, "active after ICC_EOIR1_EL1"
    mrs     x21, ICC_IAR1_EL1
    check   x21, 3, "the less urgent one: SGI 1 is still active"
    msr     ICC_EOIR1_EL1, x21
    msr     ICC_DIR_EL1, x21
    msr     ICC_DIR_EL1, x20
    isb
    pending_in ISACTIVER, 1, 0, "active after ICC_DIR_EL1"
    mrs     x21, ICC_IAR1_EL1
    check   x21, 1, "SGI 1 again"
    msr     ICC_EOIR1_EL1, x21
    msr     ICC_DIR_EL1, x21
    msr     ICC_CTLR_EL1, xzr
    isb

    // ---- Group 0 comes as FIQ, by its own acknowledge register; PSTATE.F masks it.
    mov64   x1, GICR+GICR_SGI
    ldr     w0, [x1, #GICR_IGROUPR0]
    bic     w0, w0, #0x40
    str     w0, [x1, #GICR_IGROUPR0]
    mov64   x1, GICD
    ldr     w0, [x1]
    orr     w0, w0, #1
    str     w0, [x1]
    bl      Lgicd_done
    mov     x0, #1
    msr     ICC_IGRPEN0_EL1, x0
    isb
    priority 6, 0x60
    mov     x0, #6<<24
    orr     x0, x0, #1
    msr     ICC_SGI0R_EL1, x0
    isb
    mrs     x0, ISR_EL1
    check   x0, 0x40, "ISR_EL1.F"
    mrs     x0, ICC_IAR1_EL1
    check   x0, 1023, "ICC_IAR1_EL1 with Group 0 pending"
    mrs     x0, ICC_HPPIR0_EL1
    check   x0, 6, "ICC_HPPIR0_EL1"
    msr     daifclr, #2
    isb
    msr     daifset, #2
    happened "masked by PSTATE.F", 0
    msr     daifclr, #1
    isb
    msr     daifset, #1
    happened "Group 0", 0x0686
    // It preempts Group 1, and Group 1 it, by priority alone.
    action  1, Lsend_6
    action  6, Lsend_2
    sgi     1
    window
    happened "both groups", 0x010602828681
    pass

// After a write of GICD_CTLR. Changes w0.
Lgicd_done:
    ldr     w0, [x1]
    tbnz    w0, #31, Lgicd_done
    ret

// ---- Handlers. x19, x20: INTID, return address.
Lirq:
    stp     x29, x30, [sp, #-16]!
    mrs     x19, ICC_IAR1_EL1
    bl      Lhandle
    msr     ICC_EOIR1_EL1, x19
    isb
    ldp     x29, x30, [sp], #16
    ret

Lfiq:
    stp     x29, x30, [sp, #-16]!
    mrs     x19, ICC_IAR0_EL1
    bl      Lhandle
    msr     ICC_EOIR0_EL1, x19
    isb
    ldp     x29, x30, [sp], #16
    ret

Lhandle:
    mov     x20, x30
    mov     x0, x19
    bl      Lnote
    ram     x1, ACTIONS
    ldr     x0, [x1, x19, lsl #3]
    cbz     x0, Lhandle_end
    str     xzr, [x1, x19, lsl #3]      // once
    blr     x0
    msr     daifclr, #3
    isb
    msr     daifset, #3
Lhandle_end:
    orr     x0, x19, #0x80
    bl      Lnote
    ret     x20

// Adds the byte x0 to the log.
Lnote:
    ram     x1, LOG
    ldr     x2, [x1]
    orr     x2, x0, x2, lsl #8
    str     x2, [x1]
    ret

Lsend_3_and_2:
    sgi     3
Lsend_2:
    sgi     2
    ret
Lsend_1:
    sgi     1
    ret
Lsend_3:
    sgi     3
    ret
Lsend_4:
    sgi     4
    ret
Lsend_6:
    mov     x0, #6<<24
    orr     x0, x0, #1
    msr     ICC_SGI0R_EL1, x0
    isb
    ret
Lsend_spi:
    mov64   x1, GICD
    mov64   x0, SPI_BIT
    str     w0, [x1, #0x200+SPI_WORD]   // GICD_ISPENDR
    ldr     w0, [x1, #0x200+SPI_WORD]
    ret
Lat_the_top:
    mrs     x0, ICC_RPR_EL1
    check   x0, 0x20, "running priority at the top"
    ret
