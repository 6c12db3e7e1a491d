/* Runs test cases on our CPU and compares with the results of another implementation.
 *
 *   compare [--show N] [--case K] CASES RESULTS      K: print case K of the file whether it differs or not
 *
 * On stdout one line a group: row, variant, cases, how many ended behind the instruction, in a fault, as undefined, and differing, with
 * tabs between. On stderr the first N differences of each group. Status 1 when anything differs.
 *
 * The CPU runs as a guest would see it: EL1 enters a case by ERET, with the MMU on and SCTLR_EL1 as Linux sets it, and every way
 * out of EL0 is an exception to a page of HVC. Single-threaded, but for the alarm that kicks a case that does not end. */
#include "arch/sysreg.h"
#include "base/err.h"
#include "case.h"
#include "cpu/cpu.h"
#include "mem/ram.h"

#include "gen/a64_rows.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* Physical memory: tables, the page of EL1, data pages, code. */
#define PA_BASE UINT64_C(0x40000000)
#define PA_LEN 0x200000u
#define PA_L0_LOW (PA_BASE + 0x0000)
#define PA_L1_LOW (PA_BASE + 0x1000)
#define PA_L2_LOW (PA_BASE + 0x2000)
#define PA_L3_LOW (PA_BASE + 0x3000)
#define PA_L0_HIGH (PA_BASE + 0x4000)
#define PA_L1_HIGH (PA_BASE + 0x5000)
#define PA_L2_HIGH (PA_BASE + 0x6000)
#define PA_L3_HIGH (PA_BASE + 0x7000)
#define PA_EL1 (PA_BASE + 0x8000)
#define PA_DATA (PA_BASE + 0x100000)
#define PA_CODE (PA_BASE + 0x110000)

/* EL1 has one page: HVC everywhere, but for an ERET. */
#define VA_EL1 UINT64_C(0xffff800000000000)
#define VA_ERET (VA_EL1 + 0x800)
#define HVC_0 0xd4000002u
#define ERET 0xd69f03e0u

#define LINUX_ENOSYS 38

struct group_count {
    unsigned cases, ended, faulted, undefined, differed, by_chance, shown;
};

static struct cpu_cluster cluster;
static struct cpu *cpu;
static struct ram ram;
static uint8_t *data_host, *code_host; /* page i of n lies at n - 1 - i: see page_offset() */
static uint8_t background[ISA_DATA_LEN];

static struct isa_header header;
static const struct isa_group *groups;
static const struct isa_case *cases;
static const struct isa_result *results;
static unsigned show = 2;
static long only_case = -1;

/* --- The machine ---------------------------------------------------------------------------------------------------- */

static bool no_mmio(void *opaque, gpa_t gpa, unsigned size, bool write, uint64_t *val)
{
    (void)opaque, (void)gpa, (void)size, (void)write, (void)val;
    return false;
}

static bool no_sysreg(void *opaque, uint16_t encoding, bool write, uint64_t *val)
{
    (void)opaque, (void)encoding, (void)write, (void)val;
    return false;
}

static void no_deadline(void *opaque)
{
    (void)opaque;
}

static const struct cpu_ops ops = {.mmio = no_mmio, .sysreg = no_sysreg, .deadline = no_deadline};

/* Pages that are neighbours for EL0 are none in memory, so that an access over their border has to know both. */
static uint64_t page_offset(uint64_t o, uint64_t len)
{
    return len - ISA_PAGE - (o & ~(uint64_t)(ISA_PAGE - 1)) + (o & (ISA_PAGE - 1));
}

static uint8_t *data_ptr(uint64_t o)
{
    return data_host + page_offset(o, ISA_DATA_LEN);
}

static uint8_t *code_ptr(uint64_t o)
{
    return code_host + page_offset(o, ISA_CODE_LEN);
}

static void put_desc(gpa_t table, unsigned index, uint64_t desc)
{
    memcpy(ram_ptr(&ram, table + index * 8, 8, true), &desc, 8);
}

static unsigned index_of(uint64_t va, unsigned level)
{
    return (unsigned)(va >> (39 - 9 * level)) & 511;
}

#define DESC_TABLE 3u
#define DESC_PAGE (3u | 3u << 8 | 1u << 10) /* Attr0, inner shareable, accessed */
#define DESC_EL0 (1u << 6)
#define DESC_RO (1u << 7)
#define DESC_PXN BIT64(53)
#define DESC_UXN BIT64(54)

static void set_sysreg(const char *name, uint64_t val)
{
    const struct sysreg_desc *d = sysreg_find_name(name);
    BUG_ON(!d);
    sysreg_write(&cpu->st, d, val);
}

static void machine_create(void)
{
    static const char *const keys[] = {
        "APIAKeyLo_EL1", "APIAKeyHi_EL1", "APIBKeyLo_EL1", "APIBKeyHi_EL1", "APDAKeyLo_EL1",
        "APDAKeyHi_EL1", "APDBKeyLo_EL1", "APDBKeyHi_EL1", "APGAKeyLo_EL1", "APGAKeyHi_EL1",
    };
    struct err e = {0};

    if (ram_init(&ram, &e) || ram_add(&ram, PA_BASE, PA_LEN, RAM_KIND_RAM, &e)) {
        fprintf(stderr, "compare: no memory for the guest\n");
        exit(2);
    }
    data_host = ram_ptr(&ram, PA_DATA, ISA_DATA_LEN, true);
    code_host = ram_ptr(&ram, PA_CODE, ISA_CODE_LEN, true);

    put_desc(PA_L0_LOW, index_of(ISA_DATA, 0), PA_L1_LOW | DESC_TABLE);
    put_desc(PA_L1_LOW, index_of(ISA_DATA, 1), PA_L2_LOW | DESC_TABLE);
    put_desc(PA_L2_LOW, index_of(ISA_DATA, 2), PA_L3_LOW | DESC_TABLE);
    for (unsigned i = 0; i < ISA_DATA_LEN / ISA_PAGE; i++)
        if (isa_data_page[i] != ISA_PAGE_NONE)
            put_desc(PA_L3_LOW, index_of(ISA_DATA, 3) + i,
                     (PA_DATA + page_offset(i * ISA_PAGE, ISA_DATA_LEN)) | DESC_PAGE | DESC_EL0 |
                         DESC_PXN | DESC_UXN | (isa_data_page[i] == ISA_PAGE_RO ? DESC_RO : 0));
    for (unsigned i = 0; i < ISA_CODE_LEN / ISA_PAGE; i++)
        put_desc(PA_L3_LOW, index_of(ISA_CODE, 3) + i,
                 (PA_CODE + page_offset(i * ISA_PAGE, ISA_CODE_LEN)) | DESC_PAGE | DESC_EL0 |
                     DESC_RO | DESC_PXN);
    put_desc(PA_L0_HIGH, index_of(VA_EL1, 0), PA_L1_HIGH | DESC_TABLE);
    put_desc(PA_L1_HIGH, index_of(VA_EL1, 1), PA_L2_HIGH | DESC_TABLE);
    put_desc(PA_L2_HIGH, index_of(VA_EL1, 2), PA_L3_HIGH | DESC_TABLE);
    put_desc(PA_L3_HIGH, index_of(VA_EL1, 3), PA_EL1 | DESC_PAGE | DESC_RO | DESC_UXN);

    uint32_t *el1 = ram_ptr(&ram, PA_EL1, ISA_PAGE, true);
    for (unsigned i = 0; i < ISA_PAGE / 4; i++)
        el1[i] = HVC_0;
    el1[(VA_ERET - VA_EL1) / 4] = ERET;

    for (unsigned i = 0; i < ISA_DATA_LEN; i++)
        background[i] = isa_background(ISA_DATA + i);
    for (unsigned i = 0; i < ISA_DATA_LEN; i += ISA_PAGE)
        memcpy(data_ptr(i), background + i, ISA_PAGE);

    cpu = cpu_create(&cluster, &ram, 0x80000000, &ops, NULL, 0);
    BUG_ON(!cpu);
    set_sysreg("MAIR_EL1", 0xff);
    set_sysreg("TTBR0_EL1", PA_L0_LOW);
    set_sysreg("TTBR1_EL1", PA_L0_HIGH);
    /* 48-bit addresses, 4 KiB granule, 48-bit physical addresses, write-back walks; TBI0 as Linux has it. */
    set_sysreg("TCR_EL1", 16 | 0x35u << 8 | UINT64_C(16) << 16 | UINT64_C(0x35) << 24 |
                              UINT64_C(2) << 30 | UINT64_C(5) << 32 | BIT64(37));
    set_sysreg("VBAR_EL1", VA_EL1);
    /* M C SA SA0 I, EnDB DZE UCT nTWI nTWE SPAN UCI EnDA EnIB EnIA */
    set_sysreg("SCTLR_EL1", 0x30d00980u | 1u << 0 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 12 |
                                1u << 13 | 1u << 14 | 1u << 15 | 1u << 16 | 1u << 18 | 1u << 23 |
                                1u << 26 | 1u << 27 | 1u << 30 | 1u << 31);
    set_sysreg("CPACR_EL1", 3u << 20);
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
        set_sysreg(keys[i], (i + 1) * UINT64_C(0x9e3779b97f4a7c15));
    cpu_state_changed(cpu);
}

/* --- A case on it --------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t ticks;

static void tick(int sig)
{
    (void)sig;
    if (++ticks >= 3) /* seconds in one case */
        cpu_kick(cpu);
}

/* The signal that Linux would send for what brought EL0 to EL1, and its address (arch/arm64/mm/fault.c, kernel/traps.c). */
static unsigned linux_signal(uint64_t esr, uint64_t far, uint64_t *addr)
{
    *addr = far;
    switch ((enum esr_ec)bits(esr, 31, 26)) {
    case EC_UNKNOWN:
    case EC_SYSREG:
    case EC_ILLEGAL:
    case EC_BTI:
    case EC_FPAC:
    case EC_WFX: *addr = 0; return SIGILL;
    case EC_BRK64:
    case EC_BREAKPT_LOWER:
    case EC_SOFTSTP_LOWER: *addr = 0; return SIGTRAP;
    case EC_PC_ALIGN:
    case EC_SP_ALIGN: return SIGBUS;
    case EC_IABT_LOWER:
    case EC_DABT_LOWER: {
        unsigned fsc = (unsigned)bits(esr, 5, 0);
        return fsc == FSC_ALIGNMENT || (fsc & 0x3c) == FSC_EXTERNAL ? SIGBUS : SIGSEGV;
    }
    default: return SIGFPE; /* nothing that a case should cause */
    }
}

static void window_install(const struct isa_case *c)
{
    for (unsigned half = 0; half < 2; half++) {
        uint64_t o = c->window + half * (ISA_WINDOW / 2) - ISA_DATA;
        if (isa_data_page[o / ISA_PAGE] == ISA_PAGE_RW)
            memcpy(data_ptr(o), c->data + half * (ISA_WINDOW / 2), ISA_WINDOW / 2);
    }
}

/* What the window holds after the case, as the runner reports it: the case's own bytes where nothing is mapped. */
static void window_report(const struct isa_case *c, uint8_t *out)
{
    memcpy(out, c->data, ISA_WINDOW);
    for (unsigned half = 0; half < 2; half++) {
        uint64_t o = c->window + half * (ISA_WINDOW / 2) - ISA_DATA;
        if (isa_data_page[o / ISA_PAGE] != ISA_PAGE_NONE)
            memcpy(out + half * (ISA_WINDOW / 2), data_ptr(o), ISA_WINDOW / 2);
    }
}

static void install_batch(unsigned first)
{
    static const uint32_t stop = ISA_STOP;

    for (unsigned i = 0; i < ISA_CODE_LEN; i += 4)
        memcpy(code_host + i, &stop, 4);
    for (unsigned i = first;
         i < header.nr_cases && (i == first || !(cases[i].flags & CASE_NEW_BATCH)); i++)
        for (unsigned k = 0; k < cases[i].nr_words; k++)
            memcpy(code_ptr(cases[i].pc - ISA_CODE + 4 * k), &cases[i].code[k], 4);
    cluster_code_changed(&cluster, PA_CODE, ISA_CODE_LEN);
}

static uint32_t code_at(uint64_t va)
{
    uint32_t word = 0;
    if ((va & 3) == 0 && va - ISA_CODE < ISA_CODE_LEN)
        memcpy(&word, code_ptr(va - ISA_CODE), 4);
    return word;
}

static void run_case(const struct isa_case *c, struct isa_result *r, uint64_t *esr)
{
    struct pe_state *s = &cpu->st;

    /* The slow paths of memory are tested as the fast ones. */
    if (c->index & 1)
        cpu_state_changed(cpu);
    window_install(c);
    memcpy(s->x, c->x, sizeof(c->x));
    s->sp_el[0] = c->sp;
    SYS(s, TPIDR_EL0) = c->tpidr;
    memcpy(s->v, c->v, sizeof(c->v));
    s->fpcr = c->fpcr;
    s->fpsr = c->fpsr;
    s->spsr_el[1] = c->nzcv;
    s->elr_el[1] = c->pc;
    s->pc = VA_ERET;
    ticks = 0;
    for (;;) {
        enum cpu_leave leave = cpu_run(cpu);

        *esr = SYS(s, ESR_EL1);
        if (leave == CPU_LEAVE_WFE)
            continue; /* a hint: done at once */
        if (leave != CPU_LEAVE_HVC) {
            r->sig = leave == CPU_LEAVE_KICK ? SIGALRM : SIGABRT;
            break;
        }
        if (s->pc != VA_EL1 + 0x404) {
            r->sig = SIGQUIT; /* not "synchronous from EL0" */
            break;
        }
        if (bits(*esr, 31, 26) == EC_SVC64) {
            if (bits(*esr, 24, 0) != bits(code_at(s->elr_el[1] - 4), 20, 5)) {
                r->sig = SIGQUIT;
                break;
            }
            s->x[0] = -(uint64_t)LINUX_ENOSYS;
            s->pc = VA_ERET;
            continue;
        }
        r->sig = linux_signal(*esr, SYS(s, FAR_EL1), &r->far);
        break;
    }
    memcpy(r->x, s->x, sizeof(r->x));
    r->sp = s->sp_el[0];
    r->pc = s->elr_el[1];
    r->nzcv = (uint32_t)s->spsr_el[1] & 0xf0000000u;
    r->tpidr = SYS(s, TPIDR_EL0);
    memcpy(r->v, s->v, sizeof(r->v));
    r->fpcr = s->fpcr;
    r->fpsr = s->fpsr;
    window_report(c, r->data);
}

/* The data pages outside the window, which nothing may have changed; puts back the background inside. */
static bool outside_changed(const struct isa_case *c)
{
    bool changed = false;

    for (unsigned half = 0; half < 2; half++) {
        uint64_t o = c->window + half * (ISA_WINDOW / 2) - ISA_DATA;
        memcpy(data_ptr(o), background + o, ISA_WINDOW / 2);
    }
    for (unsigned i = 0; i < ISA_DATA_LEN; i += ISA_PAGE) {
        if (memcmp(data_ptr(i), background + i, ISA_PAGE) != 0) {
            memcpy(data_ptr(i), background + i, ISA_PAGE);
            changed = true;
        }
    }
    return changed;
}

/* --- Comparing ------------------------------------------------------------------------------------------------------ */

/* 48-bit addresses, TBI for the lower half: where the authentication code lies, and the pointer without it. */
static uint64_t pac_strip(uint64_t ptr)
{
    const uint64_t low = UINT64_C(0x7f) << 48;
    return ptr & BIT64(55) ? ptr | low | UINT64_C(0xff) << 56 : ptr & ~low;
}

/* What AUT* may make of a pointer whose code is wrong: stripped, with 01 or 10 in the two bits for errors (Auth(), FEAT_PAuth
 * without FEAT_PAuth2). */
static bool pac_is_marked(uint64_t val, uint64_t in)
{
    const unsigned shift = in & BIT64(55) ? 61 : 53;
    const unsigned error = (unsigned)(val >> shift) & 3;
    const uint64_t mask = UINT64_C(3) << shift;
    return ((val ^ pac_strip(in)) & ~mask) == 0 && (error == 1 || error == 2);
}

static bool same_reg(const struct isa_case *c, unsigned n, const struct isa_result *want,
                     const struct isa_result *got, unsigned *by_chance)
{
    uint64_t w = want->x[n], g = got->x[n];

    if (n != c->ignore_reg || w == g)
        return w == g;
    if (!(c->flags & CASE_AUT))
        return ((w ^ g) & ~c->ignore_mask) == 0;
    const uint64_t in = c->x[n], strip = pac_strip(in);
    if ((g != strip || !pac_is_marked(w, in)) && (w != strip || !pac_is_marked(g, in)))
        return false;
    ++*by_chance;
    return true;
}

/* What the window holds before the case. */
static void initial_data(const struct isa_case *c, uint8_t *out)
{
    memcpy(out, c->data, ISA_WINDOW);
    for (unsigned half = 0; half < 2; half++) {
        uint64_t o = c->window + half * (ISA_WINDOW / 2) - ISA_DATA;
        if (isa_data_page[o / ISA_PAGE] == ISA_PAGE_RO)
            memcpy(out + half * (ISA_WINDOW / 2), background + o, ISA_WINDOW / 2);
    }
}

/* What an instruction that is UNDEFINED, or that faults before anything, leaves. */
static void expect_unchanged(const struct isa_case *c, unsigned sig, struct isa_result *want)
{
    memcpy(want->x, c->x, sizeof(want->x));
    want->sp = c->sp;
    want->pc = c->pc;
    want->nzcv = c->nzcv;
    want->tpidr = c->tpidr;
    memcpy(want->v, c->v, sizeof(want->v));
    want->fpcr = c->fpcr;
    want->fpsr = c->fpsr;
    want->sig = sig;
    want->far = 0;
    initial_data(c, want->data);
}

static bool same(const struct isa_case *c, const struct isa_result *want,
                 const struct isa_result *got, unsigned *by_chance)
{
    bool ok = want->sig == got->sig && want->pc == got->pc && want->sp == got->sp &&
              want->nzcv == got->nzcv && want->tpidr == got->tpidr && want->fpcr == got->fpcr &&
              want->fpsr == got->fpsr;
    for (unsigned n = 0; n < 31 && ok; n++)
        ok = same_reg(c, n, want, got, by_chance);
    ok = ok && memcmp(want->v, got->v, sizeof(got->v)) == 0;
    ok = ok && memcmp(want->data, got->data, ISA_WINDOW) == 0;
    /* Linux takes the tag off the address. */
    if (ok && (got->sig == SIGSEGV || got->sig == SIGBUS) && !(c->flags & CASE_SP_ALIGN))
        ok = ((want->far ^ got->far) << 8) == 0;
    return ok;
}

/* --- The syndrome, which Linux does not show: against the Arm ARM alone --------------------------------------------- */

/* Where the walk for va ends: the level of the first table without an entry for it. */
static unsigned fault_level(uint64_t va)
{
    va &= mask64(56);
    for (unsigned level = 0; level < 3; level++)
        if (va >> (39 - 9 * level) != ISA_DATA >> (39 - 9 * level))
            return level;
    return 3;
}

static unsigned page_at(uint64_t va)
{
    uint64_t o = (va & mask64(56)) - ISA_DATA;
    return o < ISA_DATA_LEN ? isa_data_page[o / ISA_PAGE] : ISA_PAGE_NONE;
}

/* ESR_EL1, FAR_EL1 and SPSR_EL1 of the exception that ended the case (DDI 0487, "ESR_EL1"). */
static bool syndrome_ok(const struct isa_case *c, const struct isa_result *got, uint64_t esr)
{
    const uint32_t iss = (uint32_t)bits(esr, 24, 0), fsc = iss & 0x3f;
    const uint64_t far = SYS(&cpu->st, FAR_EL1);

    if (!(esr & ESR_IL) || (cpu->st.spsr_el[1] & 0xf)) /* from EL0t */
        return false;
    switch ((enum esr_ec)bits(esr, 31, 26)) {
    case EC_UNKNOWN:
    case EC_SP_ALIGN: return iss == 0;
    case EC_PC_ALIGN: return iss == 0 && far == got->pc;
    case EC_BRK64: return iss == bits(code_at(got->pc), 20, 5);
    case EC_IABT_LOWER:
        return far == got->pc &&
               iss == (page_at(far) != ISA_PAGE_NONE ? FSC_PERMISSION | 3u
                                                     : FSC_TRANSLATION | fault_level(far));
    case EC_DABT_LOWER: {
        const bool permission = fsc >> 2 == FSC_PERMISSION >> 2;

        if (iss & ~(ISS_DABT_WNR | 0x3fu))
            return false;
        if (fsc != FSC_ALIGNMENT &&
            fsc != (page_at(far) == ISA_PAGE_RO ? FSC_PERMISSION | 3u
                                                : FSC_TRANSLATION | fault_level(far)))
            return false;
        /* Of a read and write, WnR is 1 where a read alone would not have faulted. */
        switch (c->flags & (CASE_READS | CASE_WRITES)) {
        case CASE_READS: return !(iss & ISS_DABT_WNR) && !permission;
        case CASE_WRITES: return iss & ISS_DABT_WNR;
        case CASE_READS | CASE_WRITES: return !!(iss & ISS_DABT_WNR) == permission;
        default: return true;
        }
    }
    default: return true;
    }
}

/* --- Telling -------------------------------------------------------------------------------------------------------- */

static const char *sig_name(unsigned sig)
{
    switch (sig) {
    case SIGTRAP: return "SIGTRAP (BRK)";
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGALRM: return "does not end";
    case SIGABRT: return "left cpu_run() in an unexpected way";
    case SIGQUIT: return "wrong vector, or wrong immediate of SVC";
    default: return "an exception that no case should take";
    }
}

static void print_value(const char *name, uint64_t in, uint64_t want, uint64_t got, bool differs)
{
    fprintf(stderr, "    %-12s %016" PRIx64 "  %016" PRIx64 "  %016" PRIx64 "%s\n", name, in, want,
            got, differs ? "  <--" : "");
}

static void print_vectors(const struct isa_case *c, const struct isa_result *want,
                          const struct isa_result *got, uint32_t used)
{
    char name[16];

    for (unsigned i = 0; i < ARRAY_LEN(c->v); i++) {
        const unsigned n = i / 2;
        const bool changes = memcmp(&want->v[2 * n], &c->v[2 * n], 16) != 0,
                   differs = memcmp(&want->v[2 * n], &got->v[2 * n], 16) != 0;
        if (!changes && !differs && !(used >> n & 1))
            continue;
        snprintf(name, sizeof(name), "v%u.d[%u]", n, i & 1);
        print_value(name, c->v[i], want->v[i], got->v[i], want->v[i] != got->v[i]);
    }
    if (want->fpcr != got->fpcr || c->fpcr)
        print_value("fpcr", c->fpcr, want->fpcr, got->fpcr, want->fpcr != got->fpcr);
    if (want->fpsr != got->fpsr || c->fpsr)
        print_value("fpsr", c->fpsr, want->fpsr, got->fpsr, want->fpsr != got->fpsr);
}

static void print_case(const struct isa_case *c, const struct isa_result *want,
                       const struct isa_result *got, uint64_t esr, const char *also)
{
    const struct isa_group *g = &groups[c->group];
    uint8_t initial[ISA_WINDOW];
    uint32_t used = 0, used_v = 0;
    char name[16];
    unsigned chance = 0;

    fprintf(stderr, "%s %s case %u%s\n", g->row, g->variant, c->index, also);
    for (unsigned i = 0; i < c->nr_words; i++) {
        char text[96];
        uint32_t w = c->code[i];

        a64_disassemble(w, c->pc + 4 * i, text, sizeof(text));
        fprintf(stderr, "    %" PRIx64 ": %08x  %s\n", c->pc + 4 * i, w, text);
        used |= 1u << (w & 31) | 1u << (w >> 5 & 31) | 1u << (w >> 16 & 31) | 1u << (w >> 10 & 31);
        const unsigned row = a64_find_row(w);
        if (row != A64_ROW_NONE && a64_rows[row].simd_fp)
            used_v |= 1u << (w & 31) | 1u << (w >> 5 & 31) | 1u << (w >> 16 & 31) | 1u << (w >> 10 & 31);
    }
    fprintf(stderr, "    %-12s %-16s  %-16s  %-16s\n", "", "before", "expected", "here");
    fprintf(stderr, "    ends         %-16s  %s, here %s (ESR_EL1 %08" PRIx64 ")%s\n", "",
            sig_name(want->sig), sig_name(got->sig), esr, want->sig != got->sig ? "  <--" : "");
    print_value("pc", c->pc, want->pc, got->pc, want->pc != got->pc);
    print_value("nzcv", c->nzcv >> 28, want->nzcv >> 28, got->nzcv >> 28, want->nzcv != got->nzcv);
    for (unsigned n = 0; n < 31; n++) {
        bool differs = !same_reg(c, n, want, got, &chance);
        if (!differs && !(used >> n & 1) && want->x[n] == c->x[n])
            continue;
        snprintf(name, sizeof(name), "x%u", n);
        print_value(name, c->x[n], want->x[n], got->x[n], differs);
    }
    print_value("sp", c->sp, want->sp, got->sp, want->sp != got->sp);
    if (want->tpidr != got->tpidr)
        print_value("tpidr", c->tpidr, want->tpidr, got->tpidr, true);
    print_vectors(c, want, got, used_v);
    if (got->sig == SIGSEGV || got->sig == SIGBUS)
        print_value("far", 0, want->far, got->far, ((want->far ^ got->far) << 8) != 0);
    initial_data(c, initial);
    for (unsigned i = 0; i < ISA_WINDOW; i += 8) {
        uint64_t v[3];

        memcpy(&v[0], initial + i, 8);
        memcpy(&v[1], want->data + i, 8);
        memcpy(&v[2], got->data + i, 8);
        if (v[1] != v[2] || v[0] != v[1]) {
            snprintf(name, sizeof(name), "[%" PRIx64 "]", c->window + i);
            print_value(name, v[0], v[1], v[2], v[1] != v[2]);
        }
    }
    fprintf(stderr, "    again: tests/isa/run.py --seed %" PRIu64 " --repeat '%s/%s/%u'\n",
            header.seed, g->row, g->variant, c->index);
}

/* --- main ----------------------------------------------------------------------------------------------------------- */

static const void *map_file(const char *path, uint64_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
        fprintf(stderr, "compare: cannot read %s\n", path);
        exit(2);
    }
    const void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "compare: cannot map %s\n", path);
        exit(2);
    }
    close(fd);
    *len = (uint64_t)st.st_size;
    return p;
}

static void read_files(const char *cases_path, const char *results_path)
{
    uint64_t cases_len, results_len;
    const uint8_t *p = map_file(cases_path, &cases_len);

    memcpy(&header, p, sizeof(header));
    groups = (const void *)(p + sizeof(header));
    cases = (const void *)(groups + header.nr_groups);
    results = map_file(results_path, &results_len);
    if (header.magic != ISA_MAGIC ||
        cases_len !=
            sizeof(header) + header.nr_groups * sizeof(*groups) + header.nr_cases * sizeof(*cases) ||
        results_len != header.nr_cases * sizeof(*results)) {
        fprintf(stderr, "compare: %s and %s: not a pair of cases and results of this version\n",
                cases_path, results_path);
        exit(2);
    }
}

static void compare_case(unsigned i, struct group_count *n)
{
    const struct isa_case *c = &cases[i];
    struct isa_result want = results[i], got = {0};
    uint64_t esr = 0;

    if (c->flags & CASE_NEW_BATCH)
        install_batch(i);
    run_case(c, &got, &esr);
    const bool outside = outside_changed(c), syndrome = syndrome_ok(c, &got, esr);
    bool ok = !outside && syndrome;
    if (c->flags & CASE_SP_ALIGN) {
        expect_unchanged(c, SIGBUS, &want);
        ok = ok && bits(esr, 31, 26) == EC_SP_ALIGN;
    } else if (c->flags & CASE_MEM_ALIGN) {
        expect_unchanged(c, SIGBUS, &want);
        want.far = c->x[bits(c->code[0], 9, 5)];
        ok = ok && bits(esr, 31, 26) == EC_DABT_LOWER && bits(esr, 5, 0) == FSC_ALIGNMENT;
    } else if (c->flags & CASE_UNDEFINED) {
        expect_unchanged(c, SIGILL, &want);
        ok = ok && results[i].sig == SIGILL && results[i].pc == c->pc && bits(esr, 31, 26) == EC_UNKNOWN;
    }
    /* A store that is abandoned half way may have made its first half (DDI 0487, "Abandoned or interrupted memory access"). Ours
     * never has. */
    if ((c->flags & CASE_STORES) && want.sig != SIGTRAP)
        initial_data(c, want.data);
    /* Nor has a load written some of its registers. */
    if ((c->flags & (CASE_READS | CASE_WRITES)) && want.sig != SIGTRAP)
        memcpy(want.v, c->v, sizeof(want.v));
    if ((c->flags & CASE_ZVA) && want.sig == SIGSEGV)
        want.far = c->x[c->code[0] & 31];
    ok = same(c, &want, &got, &n->by_chance) && ok;

    n->cases++;
    n->ended += got.sig == SIGTRAP;
    n->faulted += got.sig == SIGSEGV || got.sig == SIGBUS;
    n->undefined += got.sig == SIGILL;
    n->differed += !ok;
    if ((!ok && n->shown < show && only_case < 0) || (long)i == only_case) {
        n->shown++;
        print_case(c, &want, &got, esr,
                   outside    ? ": wrote outside its window"
                   : syndrome ? ""
                              : ": a wrong syndrome");
        if ((c->flags & CASE_UNDEFINED) && results[i].sig != SIGILL)
            fprintf(stderr, "    unallocated here, but allocated in the other implementation\n");
    }
}

int main(int argc, char **argv)
{
    unsigned differed = 0;

    while (argc > 3 && argv[1][0] == '-') {
        if (strcmp(argv[1], "--show") == 0)
            show = (unsigned)strtoul(argv[2], NULL, 0);
        else if (strcmp(argv[1], "--case") == 0)
            only_case = strtol(argv[2], NULL, 0);
        else
            break;
        argc -= 2;
        argv += 2;
    }
    if (argc != 3) {
        fprintf(stderr, "usage: compare [--show N] [--case K] CASES RESULTS\n");
        return 2;
    }
    read_files(argv[1], argv[2]);
    machine_create();

    struct sigaction sa = {.sa_handler = tick, .sa_flags = SA_RESTART};
    const struct itimerval second = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &second, NULL);

    struct group_count *count = calloc(header.nr_groups + 1, sizeof(*count));
    BUG_ON(!count);
    for (unsigned i = 0; i < header.nr_cases; i++) {
        if (cases[i].group >= header.nr_groups ||
            cases[i].pc - ISA_CODE >= ISA_CODE_LEN - ISA_MAX_WORDS * 4 ||
            cases[i].nr_words > ISA_MAX_WORDS || cases[i].window - ISA_DATA > ISA_DATA_LEN - ISA_WINDOW) {
            fprintf(stderr, "compare: case %u is malformed\n", i);
            return 2;
        }
        compare_case(i, &count[cases[i].group]);
    }
    for (unsigned i = 0; i < header.nr_groups; i++) {
        struct group_count *n = &count[i];
        /* Seven bits match by chance once in 128. More often, and nothing is authenticated. */
        if (n->by_chance > 4 + n->cases / 32) {
            fprintf(stderr,
                    "%s %s: %u of %u wrong pointer authentication codes were taken for right ones\n",
                    groups[i].row, groups[i].variant, n->by_chance, n->cases);
            n->differed += n->by_chance;
        }
        printf("%s\t%s\t%u\t%u\t%u\t%u\t%u\n", groups[i].row, groups[i].variant, n->cases, n->ended,
               n->faulted, n->undefined, n->differed);
        differed += n->differed;
    }
    free(count);
    cpu_destroy(cpu);
    ram_destroy(&ram);
    return differed ? 1 : 0;
}
