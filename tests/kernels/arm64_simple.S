// arm64_simple: WFI in an endless loop, and nothing else. 8 bytes.
//
// Loaded at 0x10000 and entered there; position-independent; touches no memory and no register. With no interrupt source enabled
// every WFI is a yield to the host, so the run measures what one guest exit costs (the "HLT" row of the statistics).

    .text
    .globl  _start
_start:
Lloop:
    wfi
    b       Lloop
