/* Any instructions on the software CPU, on any registers, at EL1 or EL0, with the MMU on or off: they may do what they like to the guest,
 * its page tables included, and nothing to the host. Each instruction of the input is a row of a64.isa and what goes into its free bits. */
#include "arch/sysreg.h"
#include "cpu/cpu.h"
#include "mem/ram.h"

#include "gen/a64_rows.h"
#include "gen/sysreg_fields.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* RAM: tables, code, vectors, data; then nothing; a page of devices. */
#define RAM_BASE UINT64_C(0x40000000)
#define RAM_LEN 0x10000u
#define TABLES RAM_BASE /* levels 1 and 3; level 2 between them */
#define CODE (RAM_BASE + 0x4000)
#define VECTORS (RAM_BASE + 0x8000)
#define DATA (RAM_BASE + 0xa000)
#define DEVICE (RAM_BASE + 0x20000)
#define MAX_INSNS 256u
#define SLICES 2u

static struct ram ram;
static uint8_t *mem;             /* all of it */
static uint8_t initial[RAM_LEN]; /* with tables and vectors */
static struct cpu_cluster cluster;
static struct cpu *cpu;
static unsigned slices;

static bool mmio(void *opaque, gpa_t gpa, unsigned size, bool write, uint64_t *val)
{
    (void)opaque;
    if ((size != 1 && size != 2 && size != 4 && size != 8) || (gpa & (size - 1)))
        abort();
    if (!write)
        *val = gpa * UINT64_C(0x9e3779b97f4a7c15);
    return gpa - DEVICE < 0x1000;
}

static bool sysreg(void *opaque, uint16_t encoding, bool write, uint64_t *val)
{
    (void)opaque;
    if (!write)
        *val = encoding;
    return encoding & 1;
}

static void deadline(void *opaque)
{
    (void)opaque;
    if (++slices >= SLICES)
        cpu_kick(cpu);
}

static const struct cpu_ops ops = {.mmio = mmio, .sysreg = sysreg, .deadline = deadline};

static void put64(uint8_t *to, gpa_t pa, uint64_t v)
{
    memcpy(to + (pa - RAM_BASE), &v, 8);
}

static void put32(uint8_t *to, gpa_t pa, uint32_t v)
{
    memcpy(to + (pa - RAM_BASE), &v, 4);
}

/* Synchronous exceptions go on behind whatever took them or, where that was not in the code, behind the last of it that did. Interrupts are
 * masked. */
static void put_vectors(void)
{
    static const uint32_t skip[] = {
        0xd518d080, /* msr tpidr_el1, x0 */
        0xd51bd041, /* msr tpidr_el0, x1 */
        0xd5384020, /* mrs x0, elr_el1 */
        0xd2880001, /* mov x1, #0x4000 */
        0xf2a80001, /* movk x1, #0x4000, lsl #16 */
        0xcb010001, /* sub x1, x0, x1 */
        0xd34afc21, /* lsr x1, x1, #10 */
        0xb4000041, /* cbz x1, +8 */
        0xd53bd060, /* mrs x0, tpidrro_el0 */
        0x91001000, /* add x0, x0, #0x4 */
        0xd51bd060, /* msr tpidrro_el0, x0 */
        0xd5184020, /* msr elr_el1, x0 */
        0xd53bd041, /* mrs x1, tpidr_el0 */
        0xd538d080, /* mrs x0, tpidr_el1 */
        0xd69f03e0, /* eret */
    };
    static const uint32_t mask[] = {
        0xd518d080, /* msr tpidr_el1, x0 */
        0xd5384000, /* mrs x0, spsr_el1 */
        0xb27a0400, /* orr x0, x0, #0xc0 */
        0xd5184000, /* msr spsr_el1, x0 */
        0xd538d080, /* mrs x0, tpidr_el1 */
        0xd69f03e0, /* eret */
    };

    for (unsigned v = 0; v < 16; v++) {
        const bool interrupt = v % 4 == 1 || v % 4 == 2;
        memcpy(initial + (VECTORS - RAM_BASE) + v * 0x80, interrupt ? mask : skip,
               interrupt ? sizeof(mask) : sizeof(skip));
    }
}

/* All of it mapped to itself. Code is for both levels to execute, vectors for EL1; of the rest every fourth page is not writable, every
 * fifth not for EL0, every seventh Device memory. */
static void put_tables(void)
{
    put64(initial, TABLES + 8, (TABLES + 0x1000) | 3);
    put64(initial, TABLES + 0x1000, (TABLES + 0x2000) | 3);
    for (unsigned i = 0; i < 512; i++) {
        const uint64_t ap = i >= 4 && i < 8    ? 3u
                            : i >= 8 && i < 10 ? 0u
                                               : (i % 4 == 3 ? 2u : 0u) | (i % 5 == 4 ? 0u : 1u);
        const bool nothing = i >= RAM_LEN / 0x1000 && i % 3 == 0;
        put64(initial, TABLES + 0x2000 + 8 * i,
              nothing ? 0
                      : (RAM_BASE + i * 0x1000) | 3 | (i % 7 == 6 ? 4u : 0u) | ap << 6 | 3 << 8 | 1 << 10);
    }
}

static void create(void)
{
    if (ram_init(&ram, NULL) || ram_add(&ram, RAM_BASE, RAM_LEN, RAM_KIND_RAM, NULL))
        abort();
    mem = ram_ptr(&ram, RAM_BASE, RAM_LEN, true);
    cpu = cpu_create(&cluster, &ram, 0, &ops, NULL, 0);
    if (!mem || !cpu)
        abort();
    put_vectors();
    put_tables();
}

/* An address more often than a number. */
static uint64_t value(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const uint64_t v = *seed >> 16;

    switch (v & 7) {
    case 0: return *seed;
    case 1: return (uint64_t)(int64_t)(int8_t)(v >> 8);
    case 2: return CODE + (v >> 8) % 0x1000;
    case 3: return DEVICE - 0x800 + (v >> 8) % 0x1000;
    case 4: return RAM_BASE + (v >> 8) % RAM_LEN;
    default: return DATA + ((v >> 8) % 0x5000 & ~(uint64_t)7);
    }
}

static void check(void)
{
    const struct pe_state *s = &cpu->st;

    if (s->x[REG_ZERO] || s->el > 1 || s->sp_sel > 1 || s->btype > 3 || (s->nzcv & 0x0fffffff) ||
        (s->daif & ~PSR_DAIF) || (s->fpcr & ~FPCR_WRITABLE) || (s->fpsr & ~FPSR_WRITABLE) ||
        cpu->fp_trap != sysreg_fp_traps(s, s->el))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint64_t seed = 0;

    if (len < 12)
        return 0;
    if (!cpu)
        create();
    memcpy(mem, initial, RAM_LEN);
    cpu_reset(cpu);
    memcpy(&seed, data, 6);
    const unsigned mode = data[6];
    data += 7, len -= 7;
    for (unsigned i = 0; i < MAX_INSNS && len >= 6; i++, data += 6, len -= 6) {
        const struct a64_row_info *row = &a64_rows[(data[0] | data[1] << 8) % A64_NR_ROWS];
        uint32_t word;
        memcpy(&word, data + 2, 4);
        put32(mem, CODE + 4 * i, data[1] & 0x80 ? word : (word & ~row->mask) | row->value);
    }
    for (unsigned i = 0; i < 0x5000; i += 40)
        put64(mem, DATA + i, value(&seed));

    struct pe_state *s = &cpu->st;
    for (unsigned i = 0; i <= 30; i++)
        s->x[i] = value(&seed);
    for (unsigned i = 0; i < 32; i++)
        s->v[i] = (union vreg){{value(&seed), value(&seed) << (i & 7) * 8}};
    s->fpcr = (uint32_t)seed & FPCR_WRITABLE;
    SYS(s, CPACR_EL1) = mode & 1 ? CPACR_EL1_FPEN : (mode & 2 ? UINT64_C(1) << CPACR_EL1_FPEN_LO : 0);
    SYS(s, VBAR_EL1) = VECTORS;
    SYS(s, TPIDRRO_EL0) = CODE;
    SYS(s, TTBR0_EL1) = TABLES;
    SYS(s, TCR_EL1) = 25 | 1 << 23;
    SYS(s, MAIR_EL1) = 0x00ff;
    SYS(s, SCTLR_EL1) |= (mode & 4 ? SCTLR_EL1_M : 0) | (mode & 8 ? SCTLR_EL1_A : 0);
    pstate_set(s, mode & 16 ? 0 : 5);
    s->pc = CODE;
    s->x[REG_SP] = DATA + 0x1000;
    cpu_state_changed(cpu);
    cpu_set_deadline(cpu, 0);
    cpu_set_irq(cpu, mode & 32, mode & 64);

    slices = 0;
    for (unsigned exits = 0; exits < 64; exits++) {
        const enum cpu_leave why = cpu_run(cpu);
        check();
        if (why == CPU_LEAVE_KICK || why == CPU_LEAVE_STUCK)
            break;
    }
    return 0;
}
