/* The MMU: what a TLB miss costs with a walk of four levels, and what a change of address space costs, with the pages touched after it.
 * DDI 0487, "The AArch64 Virtual Memory System Architecture"; 4 KiB granule, T0SZ 16. */
#include "guest.h"

#define PAGE 4096u
#define NR_PAGES 65536u /* as the walks see them; they share NR_FRAMES frames, so that what misses is the TLB and no cache */
#define NR_FRAMES 1024u
#define NR_SPACES 4u
#define NR_TOUCHED 32u
#define TABLE 3u
#define LEAF (3u | 1u << 10 | 3u << 8) /* page, AF, inner shareable, write-back */
#define NOT_GLOBAL (1u << 11)

typedef uint64_t table[512] __attribute__((aligned(PAGE)));

/* Where the pages are: entry 1 of level 0; entry 0 is the identity map. */
static char *const WINDOW = (char *)(1ul << 39);

static table identity, level0[NR_SPACES], level1[NR_SPACES], level2[NR_SPACES], level3[NR_PAGES / 512], level3_space[NR_SPACES];
static char frames[NR_FRAMES][PAGE] __attribute__((aligned(PAGE)));
static uint32_t order[NR_PAGES];

static void use(const uint64_t *root, uint64_t asid)
{
    __asm__ volatile("msr TTBR0_EL1, %0\n\tisb" ::"r"((uint64_t)root | asid << 48) : "memory");
}

/* Space 0 has all pages at first; the others, and it later, NR_TOUCHED of their own. */
static void make_tables(void)
{
    identity[0] = 0x405 | 0x60ul << 48;
    identity[1] = 0x40000701;
    for (unsigned s = 0; s < NR_SPACES; s++) {
        level0[s][0] = (uint64_t)identity | TABLE;
        level0[s][1] = (uint64_t)level1[s] | TABLE;
        level1[s][0] = (uint64_t)level2[s] | TABLE;
        level2[s][0] = (uint64_t)level3_space[s] | TABLE;
        for (unsigned p = 0; p < NR_TOUCHED; p++)
            level3_space[s][p] = (uint64_t)frames[s * NR_TOUCHED + p] | LEAF | NOT_GLOBAL;
    }
    for (unsigned p = 0; p < NR_PAGES; p++)
        level3[p / 512][p % 512] = (uint64_t)frames[p % NR_FRAMES] | LEAF | NOT_GLOBAL;
    for (unsigned i = 0; i < NR_PAGES / 512; i++)
        level2[0][i] = (uint64_t)level3[i] | TABLE;
}

/* T0SZ changes, so the MMU is off for a moment. */
static void four_levels(void)
{
    uint64_t tcr, sctlr;
    __asm__ volatile("mrs %0, TCR_EL1\n\tmrs %1, SCTLR_EL1" : "=r"(tcr), "=r"(sctlr));
    tcr = (tcr & ~0x3ful) | 16;
    __asm__ volatile("dsb sy\n\tmsr SCTLR_EL1, %0\n\tisb\n\tmsr TCR_EL1, %2\n\tmsr TTBR0_EL1, %3\n\tisb\n\ttlbi vmalle1\n\tdsb nsh\n\t"
                     "msr SCTLR_EL1, %1\n\tisb" ::"r"(sctlr & ~1ul),
                     "r"(sctlr), "r"(tcr), "r"(level0[0])
                     : "memory");
}

/* A word of each page in random order; the mask decides how many pages these are. */
static uint64_t sweep(uint32_t mask, uint64_t *sum)
{
    uint64_t start, total = 0;
    __asm__ volatile("dsb ish\n\ttlbi vmalle1\n\tdsb ish\n\tisb" ::: "memory");
    start = ticks();
    for (unsigned i = 0; i < NR_PAGES; i++) {
        const uint32_t p = order[i] & mask;
        total += *(volatile uint64_t *)(WINDOW + (uint64_t)p * PAGE + p % 64 * 64);
    }
    *sum = total;
    return ticks() - start;
}

static void tlb_misses(void)
{
    uint64_t miss = 0, hit = 0, sum, expected = 0;
    uint32_t seed = 1;

    for (unsigned i = 0; i < NR_PAGES; i++)
        order[i] = i;
    for (unsigned i = NR_PAGES - 1; i > 0; i--) {
        seed = seed * 1664525u + 1013904223u;
        const uint32_t j = (uint32_t)(((uint64_t)seed * (i + 1)) >> 32), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (unsigned f = 0; f < NR_FRAMES; f++) {
        *(uint64_t *)(void *)(frames[f] + f % 64 * 64) = f * f + 1;
        expected += (f * f + 1) * (NR_PAGES / NR_FRAMES);
    }
    for (unsigned r = 0; r < ROUNDS; r++) {
        hit += sweep(31, &sum);
        miss += sweep(NR_PAGES - 1, &sum);
        if (sum != expected)
            put_wrong("pages", sum, expected);
    }
    put_result("tlb-miss", miss > hit ? miss - hit : 0, (uint64_t)ROUNDS * NR_PAGES);
}

static void spaces(void)
{
    const unsigned rounds = ROUNDS * 4000;
    uint64_t sum = 0, expected = 0, start;

    for (unsigned s = 0; s < NR_SPACES; s++)
        for (unsigned p = 0; p < NR_TOUCHED; p++) {
            *(uint64_t *)(void *)frames[s * NR_TOUCHED + p] = s * 100 + p;
            expected += (s * 100 + p) * (uint64_t)(rounds / NR_SPACES);
        }
    use(level0[1], 1);
    level2[0][0] = (uint64_t)level3_space[0] | TABLE;
    __asm__ volatile("dsb ish\n\ttlbi vmalle1\n\tdsb ish\n\tisb" ::: "memory");
    start = ticks();
    for (unsigned r = 0; r < rounds; r++) {
        use(level0[r % NR_SPACES], r % NR_SPACES + 1);
        for (unsigned p = 0; p < NR_TOUCHED; p++)
            sum += *(volatile uint64_t *)(WINDOW + p * PAGE);
    }
    start = ticks() - start;
    if (sum != expected)
        put_wrong("address spaces", sum, expected);
    put_result("asid-switch", start, rounds);
}

void guest_main(void)
{
    make_tables();
    four_levels();
    tlb_misses();
    spaces();
}
