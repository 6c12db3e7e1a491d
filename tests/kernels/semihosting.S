// Semihosting: files, the console, arguments, time, what must fail, pointers through the MMU; ends by SYS_EXIT. Files are in the folder that the
// options give (QEMU: the current one), and are gone in the end. On stdin: "ab\ncde\n".

    .include "lib/kernel.S"
    kernel  "semihosting"

    .equ    BLOCK,      SHARED+0x100    // the parameter block
    .equ    BUF,        SHARED+0x200

    .equ    SYS_OPEN,   0x01
    .equ    SYS_CLOSE,  0x02
    .equ    SYS_WRITEC, 0x03
    .equ    SYS_WRITE0, 0x04
    .equ    SYS_WRITE,  0x05
    .equ    SYS_READ,   0x06
    .equ    SYS_READC,  0x07
    .equ    SYS_ISERROR, 0x08
    .equ    SYS_ISTTY,  0x09
    .equ    SYS_SEEK,   0x0a
    .equ    SYS_FLEN,   0x0c
    .equ    SYS_TMPNAM, 0x0d
    .equ    SYS_REMOVE, 0x0e
    .equ    SYS_RENAME, 0x0f
    .equ    SYS_CLOCK,  0x10
    .equ    SYS_TIME,   0x11
    .equ    SYS_SYSTEM, 0x12
    .equ    SYS_ERRNO,  0x13
    .equ    SYS_GET_CMDLINE, 0x15
    .equ    SYS_HEAPINFO, 0x16
    .equ    SYS_EXIT,   0x18
    .equ    SYS_ELAPSED, 0x30
    .equ    SYS_TICKFREQ, 0x31

    // x0 = the answer; x1 is the argument.
    .macro  semi number
    mov     w0, #\number
    hlt     #0xf000
    .endm

    // With the words x9-x12 as the parameter block. Changes x1.
    .macro  semi_block number
    ram     x1, BLOCK
    stp     x9, x10, [x1]
    stp     x11, x12, [x1, #16]
    semi    \number
    .endm

    .macro  open name, mode
    adr     x9, \name
    mov     x10, #\mode
    mov     x11, #(\name\()_end-\name-1)
    semi_block SYS_OPEN
    .endm

    // len bytes at BUF; x20 is the handle.
    .macro  read_buf len
    mov     x9, x20
    ram     x10, BUF
    mov     x11, #\len
    semi_block SYS_READ
    .endm

    .macro  write_text text, len
    mov     x9, x20
    adr     x10, \text
    mov     x11, #\len
    semi_block SYS_WRITE
    .endm

    .macro  close what:req
    mov     x9, x20
    semi_block SYS_CLOSE
    check   x0, 0, "\what"
    .endm

    .macro  check_error what:req
    mov     x1, #-1
    check_reg x0, x1, "\what"
    .endm

    // ---- Which extensions there are
    open    Lfeatures, 0
    check   x0, 0, "handle of the features", gt
    mov     x20, x0
    mov     x9, x20
    semi_block SYS_FLEN
    check   x0, 5, "length of the features", hs
    read_buf 5
    check   x0, 0, "reading the features"
    ram     x1, BUF
    ldr     w0, [x1]
    check   x0, 0x42464853, "magic of the features"
    ldrb    w0, [x1, #4]
    and     x0, x0, #3
    check   x0, 3, "SYS_EXIT_EXTENDED; stdout and stderr"
    close   "closing the features"

    // ---- A file: written, read, appended to, changed
    open    Lname1, 4                   // w
    mov     x20, x0
    check   x0, 0, "handle of a new file", gt
    write_text Ltext, 12
    check   x0, 0, "SYS_WRITE"
    mov     x9, x20
    semi_block SYS_FLEN
    check   x0, 12, "SYS_FLEN"
    mov     x9, x20
    semi_block SYS_ISTTY
    check   x0, 0, "SYS_ISTTY of a file"
    close   "SYS_CLOSE"

    open    Lname1, 1                   // rb
    mov     x20, x0
    read_buf 20
    check   x0, 8, "reading more than there is"
    ram     x1, BUF
    ldr     x0, [x1]
    adr     x2, Ltext
    ldr     x3, [x2]
    check_reg x0, x3, "what was read"
    read_buf 20
    check   x0, 20, "reading at the end"
    mov     x9, x20
    mov     x10, #6
    semi_block SYS_SEEK
    check   x0, 0, "SYS_SEEK"
    read_buf 4
    check   x0, 0, "reading behind it"
    ram     x1, BUF
    ldr     w0, [x1]
    check   x0, 0x6c726f77, "what was read behind it"    // "worl"
    close   "closing a file that was read"
    mov     x9, x20
    semi_block SYS_CLOSE
    check_error "closing it twice"
    read_buf 4
    check   x0, 4, "reading from no file"
    write_text Ltext, 12
    check   x0, 12, "writing to no file"

    open    Lname1, 8                   // a
    mov     x20, x0
    cbz     x28, Lappend                // QEMU 7.2 does not append by itself
    mov     x9, x20
    mov     x10, #12
    semi_block SYS_SEEK
Lappend:
    write_text Ltext, 3
    check   x0, 0, "appending"
    close   "closing it"
    open    Lname1, 2                   // r+
    mov     x20, x0
    mov     x9, x20
    semi_block SYS_FLEN
    check   x0, 15, "length after appending"
    write_text Lother, 5
    check   x0, 0, "writing in the middle"
    read_buf 4
    check   x0, 0, "reading on"
    ram     x1, BUF
    ldr     w0, [x1]
    check   x0, 0x726f7720, "what is behind what was written" // " wor"
    close   "closing it again"

    // ---- Names
    adr     x9, Lname1
    mov     x10, #(Lname1_end-Lname1-1)
    adr     x11, Lname2
    mov     x12, #(Lname2_end-Lname2-1)
    semi_block SYS_RENAME
    check   x0, 0, "SYS_RENAME"
    open    Lname1, 0
    check_error "opening the old name"
    semi    SYS_ERRNO
    check   x0, 2, "SYS_ERRNO: ENOENT"
    adr     x9, Lname2
    mov     x10, #(Lname2_end-Lname2-1)
    semi_block SYS_REMOVE
    check   x0, 0, "SYS_REMOVE"
    adr     x9, Lname2
    mov     x10, #(Lname2_end-Lname2-1)
    semi_block SYS_REMOVE
    check   x0, 0, "removing it twice", ne
    ram     x9, BUF
    mov     x10, #7
    mov     x11, #64
    semi_block SYS_TMPNAM
    check   x0, 0, "SYS_TMPNAM"
    ram     x1, BUF
    ldrb    w0, [x1]
    check   x0, 0, "the temporary name", ne
    ram     x9, BUF
    mov     x10, #7
    mov     x11, #3
    semi_block SYS_TMPNAM
    check_error "a temporary name without room"

    mov     x9, #-1
    semi_block SYS_ISERROR
    check   x0, 0, "SYS_ISERROR of -1", ne
    mov     x9, #0
    semi_block SYS_ISERROR
    check   x0, 0, "SYS_ISERROR of 0"

    // ---- The console
    adr     x1, Lline
    semi    SYS_WRITE0
    adr     x1, Ltext
    semi    SYS_WRITEC
    adr     x1, Lnewline_text
    semi    SYS_WRITEC
    open    Ltt, 4
    mov     x20, x0
    check   x0, 0, "handle of the console", gt
    unless_vibe Lno_tty                 // QEMU's is one when the host's is
    mov     x9, x20
    semi_block SYS_ISTTY
    check   x0, 1, "SYS_ISTTY of the console"
Lno_tty:
    write_text Lconsole_text, 8
    check   x0, 0, "writing to the console"
    close   "closing the console"
    unless_vibe Lno_input               // QEMU 7.2 loses what is read while it waits
    semi    SYS_READC
    check   x0, 0x61, "SYS_READC"
    open    Ltt, 0
    mov     x20, x0
    // "b\ncde\n", in as many pieces as it likes.
    mov     x21, #6
    ram     x22, BUF
Lread_console:
    mov     x9, x20
    mov     x10, x22
    mov     x11, x21
    semi_block SYS_READ
    check_reg x0, x21, "reading the console", lo
    sub     x2, x21, x0
    add     x22, x22, x2
    mov     x21, x0
    cbnz    x21, Lread_console
    ram     x1, BUF
    ldr     w0, [x1]
    check   x0, 0x64630a62, "what was read from the console"
    close   "closing the console's input"
Lno_input:

    // ---- Time and arguments
    semi    SYS_TIME
    check   x0, 1500000000, "SYS_TIME", hi
    semi    SYS_CLOCK
    mov     x20, x0
    semi    SYS_CLOCK
    check_reg x0, x20, "SYS_CLOCK", hs
    semi    SYS_TICKFREQ
    check   x0, 0, "SYS_TICKFREQ", gt
    ram     x1, BUF
    semi    SYS_ELAPSED
    check   x0, 0, "SYS_ELAPSED"
    ram     x1, BUF
    ldr     x20, [x1]
    semi    SYS_ELAPSED
    ram     x1, BUF
    ldr     x0, [x1]
    check_reg x0, x20, "ticks go up", hs
    ram     x9, BUF
    mov     x10, #80
    semi_block SYS_GET_CMDLINE
    check   x0, 0, "SYS_GET_CMDLINE"
    ram     x1, BLOCK
    ldr     x0, [x1, #8]
    check   x0, 14, "length of the command line"
    ram     x1, BUF
    adr     x2, Lcmdline
Lcompare:
    ldrb    w3, [x1], #1
    ldrb    w4, [x2], #1
    check_reg x3, x4, "the command line"
    cbnz    w4, Lcompare
    ram     x9, BUF
    mov     x10, #14
    semi_block SYS_GET_CMDLINE
    check_error "a command line without room"
    ram     x9, BUF
    semi_block SYS_HEAPINFO
    ram     x1, BUF
    ldp     x2, x3, [x1]
    check_reg x2, x3, "the heap's limits", lo

    // ---- An interrupt's return address is no place for surprises: other immediates, and EL0's calls, are what they are without.
    must_trap EC_UNKNOWN, 0, "HLT #1", hlt #1
    must_trap EC_UNKNOWN, 0, "HLT #0xF001", hlt #0xf001
    run_el0 Luser
    check_exception EC_UNKNOWN, 0, "HLT #0xF000 at EL0"
    check_elr Luser_hlt, "HLT #0xF000 at EL0"

    // ---- Pointers are virtual addresses. Two pages that lie apart: FREE + 0x1000 for the first one in TTBR0's tables, FREE for the second.
    bl      Lmmu_on
    ram     x0, FREE                    // a level 3 table for FREE's own 2 MiB, at FREE + 0x10000
    ram     x1, FREE+0x10000
    mov64   x2, (PTE_RW_PAGE|PTE_UXN|PTE_PXN)
    add     x3, x0, #0x1000
    orr     x3, x3, x2
    str     x3, [x1]                    // page 0 is the second
    orr     x3, x0, x2
    str     x3, [x1, #8]                // page 1 the first
    str     xzr, [x1, #16]              // page 2 is not there
    orr     x3, x3, #PTE_RO
    str     x3, [x1, #24]               // page 3 cannot be written
    ram     x2, TABLES+0x1000
    lsr     x4, x0, #21
    orr     x5, x1, #PTE_TABLE
    dsb     ish
    str     xzr, [x2, x4, lsl #3]
    dsb     ish
    tlbi    vmalle1
    dsb     ish
    str     x5, [x2, x4, lsl #3]
    dsb     ish
    isb
    // Text and parameter block across the border.
    add     x21, x0, #0xffc
    adr     x2, Lacross
    ldr     x3, [x2]
    str     x3, [x21]
    ldr     x3, [x2, #8]
    str     x3, [x21, #8]
    mov     x1, x21
    semi    SYS_WRITE0
    ram     x20, FREE+0xff8
    open    Ltt, 4
    mov     x19, x0
    adr     x2, Lconsole_text
    mov     x3, #8
    stp     x19, x2, [x20]
    str     x3, [x20, #16]
    mov     x1, x20
    semi    SYS_WRITE
    check   x0, 0, "a parameter block on two pages"
    // What is not there, and what cannot be written.
    ram     x1, FREE+0x2000
    semi    SYS_CLOSE
    check_error "a parameter block where nothing is"
    open    Lname1, 4
    mov     x20, x0
    mov     x9, x20
    ram     x10, FREE+0x1ffc
    mov     x11, #8
    semi_block SYS_WRITE
    check   x0, 0, "a text that goes on where nothing is", ne
    write_text Ltext, 12
    close   "closing the file"
    open    Lname1, 0
    mov     x20, x0
    unless_vibe Lwritten                // QEMU writes all the same
    mov     x9, x20
    ram     x10, FREE+0x3000
    mov     x11, #8
    semi_block SYS_READ
    check   x0, 8, "reading to where cannot be written"
Lwritten:
    close   "closing it once more"
    adr     x9, Lname1
    mov     x10, #(Lname1_end-Lname1-1)
    semi_block SYS_REMOVE
    check   x0, 0, "removing it"

    // ---- vibevmm's own: QEMU runs commands, gives up at unknown calls, and reads devices.
    unless_vibe Lend
    adr     x9, Ltext
    mov     x10, #5
    semi_block SYS_SYSTEM
    check_error "SYS_SYSTEM"
    mov     x1, #0
    semi    0x50
    check_error "an unknown call"
    ldr     x22, Luart
    mov     x1, x22
    semi    SYS_WRITE0
    check_error "a text in a device"
    open    Lup, 0
    check_error "a file above the folder"
    open    Lproc, 0
    check_error "a file outside of the folder"
    adr     x9, Lname1
    mov     x10, #12
    mov     x11, #-1
    semi_block SYS_OPEN
    check_error "a mode and a length that there are not"

Lend:
    ram     x0, RESULT
    mov64   x1, STATUS_PASS
    str     w1, [x0, #RES_STATUS]
    say     "PASS semihosting"
    bl      Lnewline
    mov64   x9, 0x20026                 // ADP_Stopped_ApplicationExit
    mov     x10, #0
    semi_block SYS_EXIT
    b       .

Luser:
    mov     w0, #SYS_TIME
Luser_hlt:
    hlt     #0xf000

    .balign 8
Luart:
    .quad   0x09000000
Ltext:
    .ascii  "hello world\n"
    .balign 8
Lother:
    .ascii  "HELLO"
    .balign 8
Lconsole_text:
    .ascii  "console\n"
    .balign 8
Lacross:
    .asciz  "across a page\n"
    .balign 8
Lline:
    .asciz  "\na line\n"
Lnewline_text:
    .ascii  "\n"
Lcmdline:
    .asciz  "kernel one two"
Lfeatures:
    .asciz  ":semihosting-features"
Lfeatures_end:
Ltt:
    .asciz  ":tt"
Ltt_end:
Lname1:
    .asciz  "semihosting-1.tmp"
Lname1_end:
Lname2:
    .asciz  "semihosting-2.tmp"
Lname2_end:
Lup:
    .asciz  "../../../../../../../etc/passwd"
Lup_end:
Lproc:
    .asciz  "/proc/self/status"
Lproc_end:
    .balign 4

    .include "lib/mmu.S"
