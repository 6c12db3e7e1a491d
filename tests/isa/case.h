/* The file of test cases that gen_cases.py writes, and the file of results that runner.c writes; both little-endian.
 *
 * runner.c (AArch64, under another implementation) and compare.c (on our CPU) lay memory out alike, at the same virtual
 * addresses, so that everything that an instruction computes can be compared bit for bit. gen_cases.py knows the same numbers. */
#ifndef VIBE_TESTS_ISA_CASE_H
#define VIBE_TESTS_ISA_CASE_H

#include <stdint.h>

/* Memory as EL0 sees it. Data pages hold isa_background() but for the case's window.
 *
 *   DATA + 0x0000  nothing      DATA + 0x4000  read, write
 *   DATA + 0x1000  read, write  DATA + 0x5000  read
 *   DATA + 0x2000  read, write  DATA + 0x6000  nothing
 *   DATA + 0x3000  nothing      CODE           read, execute: ISA_STOP but for the cases' instructions
 */
#define ISA_DATA UINT64_C(0x2000000000)
#define ISA_DATA_LEN 0x6000u
#define ISA_CODE (ISA_DATA + 0x10000)
#define ISA_CODE_LEN 0x80000u
#define ISA_PAGE 0x1000u
#define ISA_STOP 0xd4200020u /* BRK #1 */

enum isa_page { ISA_PAGE_NONE, ISA_PAGE_RW, ISA_PAGE_RO };
static const uint8_t isa_data_page[ISA_DATA_LEN / ISA_PAGE] = {
    ISA_PAGE_NONE, ISA_PAGE_RW, ISA_PAGE_RW, ISA_PAGE_NONE, ISA_PAGE_RW, ISA_PAGE_RO,
};

static inline uint8_t isa_background(uint64_t va)
{
    return (uint8_t)(va * 7 + (va >> 8) * 13 + 3);
}

#define ISA_WINDOW 256u
#define ISA_MAX_WORDS 36u
#define ISA_MAGIC UINT64_C(0x3561736965626976) /* "vibeisa5" */

struct isa_header {
    uint64_t magic;
    uint64_t seed;
    uint32_t nr_groups;
    uint32_t nr_cases;
};

/* The cases of one encoding: a row of a64.isa and one value of the fields that it marks with `!`. */
struct isa_group {
    char row[40];
    char variant[24];
};

enum {
    CASE_NEW_BATCH = 1, /* the code of all cases from here to the next such mark is installed before this one runs */
    CASE_UNDEFINED = 2, /* unallocated: SIGILL, and nothing changed */
    CASE_SP_ALIGN = 4, /* SP is misaligned: ours must say so; the other implementation does not check */
    CASE_MEM_ALIGN = 8, /* likewise an address that must be aligned, where the other does not check: LDAPR in qemu 7.2 */
    CASE_AUT = 16, /* ignore_reg may hold the stripped pointer on one side: the code's few bits matched by chance */
    CASE_ZVA = 32, /* DC ZVA: FAR is the address in the register; the other implementation reports the block */
    CASE_READS = 64, /* one instruction, which reads (writes) memory: for ESR_EL1.WnR */
    CASE_WRITES = 128,
    CASE_STORES = 256, /* may store before it faults: memory after a fault is not compared, ours must be unchanged */
};

struct isa_case {
    uint32_t group;
    uint32_t index; /* in its group */
    uint32_t flags;
    uint32_t nr_words;
    uint64_t pc;
    uint64_t x[31];
    uint64_t sp;
    uint64_t tpidr;  /* TPIDR_EL0 */
    uint64_t window; /* address of data[] */
    uint64_t ignore_mask; /* bits of x[ignore_reg] that are IMPLEMENTATION DEFINED; ignore_reg 31: none */
    uint32_t ignore_reg;
    uint32_t nzcv;
    uint32_t fpcr, fpsr;
    uint64_t v[64]; /* V0 to V31, the lower half first */
    uint8_t data[ISA_WINDOW];
    uint32_t code[ISA_MAX_WORDS];
};

struct isa_result {
    uint64_t x[31];
    uint64_t sp;
    uint64_t pc;
    uint64_t tpidr;
    uint64_t far; /* SIGSEGV, SIGBUS: si_addr */
    uint32_t nzcv;
    uint32_t fpcr, fpsr;
    uint32_t sig; /* Linux's number: SIGTRAP after the last instruction */
    uint32_t pad;
    uint64_t v[64];
    uint8_t data[ISA_WINDOW];
};

#endif
