/* Stage 1 translation: directed cases, and random registers and tables against a slow second model.
 * VIBE_TEST_SEED=n repeats a random run, VIBE_TEST_CASES=n sets its length. */
#include "arch/esr.h"
#include "arch/exception.h"
#include "arch/walk.h"

#include "walk_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Memory that is a function of the address, with a few words written over it --------------------------------------------- */

struct memory {
    uint64_t seed;     /* 0: zero unless written */
    unsigned abort_in; /* one address in so many has no memory; 0: none */
    unsigned nr_written;
    struct {
        gpa_t gpa;
        uint64_t val;
    } written[32];
    unsigned nr_cas, races; /* the next `races` swaps find that somebody set the low software bit 55 */
    gpa_t dead;             /* no memory for cas at this address */
};

static uint64_t hash(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* A descriptor that is mostly plausible: mostly a table or a page, mostly low addresses, mostly AF set. */
static uint64_t random_desc(uint64_t h)
{
    uint64_t d = h, k = hash(h);
    d &= ~3ull;
    d |= k % 16 < 11 ? 3 : k % 16 < 14 ? 1 : (k >> 8) & 3;
    if ((k >> 16) % 4)
        d &= ~0x0000ffff00000000ull; /* below 4 GB */
    if ((k >> 24) % 4)
        d &= ~0xf000ull; /* OA<51:48> with 64 KB */
    if ((k >> 32) % 4)
        d |= 1ull << 10; /* AF */
    if ((k >> 40) % 4)
        d &= ~(0x1full << 59); /* no table limits */
    return d;
}

static bool mem_load(void *opaque, gpa_t gpa, uint64_t *desc)
{
    struct memory *m = opaque;
    assert_int_equal(gpa % 8, 0);
    assert_true(gpa < 1ull << 52);
    for (unsigned i = 0; i < m->nr_written; i++)
        if (m->written[i].gpa == gpa) {
            *desc = m->written[i].val;
            return true;
        }
    uint64_t h = hash(m->seed ^ gpa);
    if (m->abort_in && hash(h) % m->abort_in == 0)
        return false;
    *desc = m->seed ? random_desc(h) : 0;
    return true;
}

static void mem_store(struct memory *m, gpa_t gpa, uint64_t val)
{
    for (unsigned i = 0; i < m->nr_written; i++)
        if (m->written[i].gpa == gpa) {
            m->written[i].val = val;
            return;
        }
    assert_true(m->nr_written < 32);
    m->written[m->nr_written].gpa = gpa;
    m->written[m->nr_written++].val = val;
}

static int mem_cas(void *opaque, gpa_t gpa, uint64_t expected, uint64_t desired)
{
    struct memory *m = opaque;
    uint64_t now;
    m->nr_cas++;
    if (m->dead && gpa == m->dead)
        return -1;
    assert_true(mem_load(m, gpa, &now));
    if (m->races) {
        m->races--;
        mem_store(m, gpa, now ^ BIT64(55));
        return 0;
    }
    assert_true(now == expected);
    mem_store(m, gpa, desired);
    return 1;
}

static struct walk_mem walk_mem(struct memory *m)
{
    return (struct walk_mem){.opaque = m, .load = mem_load, .cas = mem_cas};
}

/* ---- Random cases ----------------------------------------------------------------------------------------------------------- */

static uint64_t rng_state;

static uint64_t rnd(void)
{
    return hash(rng_state++);
}

static unsigned one_of(unsigned n)
{
    return (unsigned)(rnd() >> 20) % n;
}

static unsigned env_number(const char *name, unsigned fallback)
{
    const char *v = getenv(name);
    return v ? (unsigned)strtoul(v, NULL, 0) : fallback;
}

static void random_regs(struct model_regs *r)
{
    r->sctlr = one_of(32) ? 1 : 0;
    if (!one_of(3))
        r->sctlr |= 1u << 19;
    r->sctlr |= rnd() & (1u << 12);
    uint64_t tcr = rnd() & 0x01f807f7ffffffbfull; /* the bits that exist */
    if (one_of(8))
        tcr &= ~(1ull << 7 | 1ull << 23); /* EPDn */
    if (one_of(4))
        tcr &= ~(3ull << 55); /* E0PDn */
    if (one_of(4))
        tcr = (tcr & ~(7ull << 32)) | (uint64_t)(5 + one_of(3)) << 32; /* a large IPS */
    if (one_of(8)) {
        tcr &= ~0x3f003full;
        tcr |= (uint64_t)(12 + one_of(37)) | (uint64_t)(12 + one_of(37)) << 16;
    }
    r->tcr = tcr;
    for (int i = 0; i < 2; i++) {
        r->ttbr[i] = rnd();
        if (one_of(4))
            r->ttbr[i] &= ~0x0000ffff0000003full;
    }
    r->mair = rnd() & rnd();
    if (one_of(2))
        r->mair = 0xff440c0400bb44ffull;
}

static uint64_t random_va(const struct model_regs *r)
{
    uint64_t va = rnd();
    unsigned upper = one_of(2);
    unsigned txsz = upper ? bits(r->tcr, 21, 16) : bits(r->tcr, 5, 0);
    if (one_of(16) && txsz) {
        uint64_t top = ~0ull << (64 - txsz);
        va = upper ? va | top : va & ~top;
        if (!one_of(4))
            va ^= rnd() << 56;
        if (!one_of(16))
            va ^= 1ull << (64 - txsz); /* just outside */
    }
    return va;
}

static void to_state(struct pe_state *s, const struct model_regs *r)
{
    SYS(s, SCTLR_EL1) = r->sctlr;
    SYS(s, TCR_EL1) = r->tcr;
    SYS(s, TTBR0_EL1) = r->ttbr[0];
    SYS(s, TTBR1_EL1) = r->ttbr[1];
    SYS(s, MAIR_EL1) = r->mair;
}

#define same(what, fmt)                                                                            \
    do {                                                                                           \
        if (got.what != want.what)                                                                 \
            fail_msg("case %u of seed %u: " #what " is %" #fmt ", should be %" #fmt                \
                     " (va %llx tcr %llx)",                                                        \
                     n, seed, got.what, want.what, (unsigned long long)rq.va,                      \
                     (unsigned long long)r.tcr);                                                   \
    } while (0)

static void random_against_model(void **state)
{
    (void)state;
    static struct pe_state s;
    unsigned seed = env_number("VIBE_TEST_SEED", 1), cases = env_number("VIBE_TEST_CASES", 300000);
    unsigned nr_ok = 0, nr_updates = 0, fsc_seen[64] = {0};

    print_message("seed %u, %u cases\n", seed, cases);
    for (unsigned n = 0; n < cases; n++) {
        rng_state = (uint64_t)seed << 40 | (uint64_t)n << 8;
        struct model_regs r;
        random_regs(&r);
        struct walk_request rq = {.va = random_va(&r),
                                  .access = (enum walk_access)one_of(3),
                                  .el0 = one_of(2),
                                  .no_update = !one_of(4)};
        rq.pan = !rq.el0 && rq.access != WALK_FETCH && one_of(2);
        struct memory mem = {.seed = rnd() | 1, .abort_in = 64}, mem_model = mem;
        struct walk_mem m = walk_mem(&mem);
        struct walk_result got, want;
        struct model_update up;

        to_state(&s, &r);
        walk_el10(&s, &m, &rq, &got);
        model_walk(&r, mem_load, &mem_model, &rq, &want, &up);

        same(ok, d);
        if (!got.ok) {
            same(fsc, x);
            fsc_seen[got.fsc & 63]++;
        } else {
            same(pa, lx);
            same(page_len, lx);
            same(can_read, d);
            same(can_write, d);
            same(can_fetch, d);
            same(writable_dirty, d);
            same(global, d);
            same(guarded, d);
            same(device, d);
            same(attr, x);
            same(shareability, d);
            nr_ok++;
        }
        same(nr_steps, u);
        for (unsigned i = 0; i < got.nr_steps; i++) {
            same(step[i].level, d);
            same(step[i].desc_gpa, lx);
            same(step[i].desc, lx);
            assert_string_equal(got.step[i].kind, want.step[i].kind);
        }
        assert_int_equal(mem.nr_written, up.made ? 1 : 0);
        if (up.made) {
            assert_true(mem.written[0].gpa == up.gpa && mem.written[0].val == up.to);
            nr_updates++;
        }
    }
    /* The generator must reach everything that it is meant to compare. */
    if (cases >= 100000) {
        static const uint8_t reachable[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x09,
                                            0x0a, 0x0b, 0x0d, 0x0e, 0x0f, 0x14, 0x15, 0x16, 0x17};
        for (size_t i = 0; i < ARRAY_LEN(reachable); i++)
            if (fsc_seen[reachable[i]] < 10)
                fail_msg("fault status 0x%02x came up only %u times", reachable[i],
                         fsc_seen[reachable[i]]);
        assert_true(nr_ok > cases / 20);
        assert_true(nr_updates > 100);
    }
}

/* ---- Directed cases --------------------------------------------------------------------------------------------------------- */

#define TABLE 3ull
#define BLOCK 1ull
#define PAGE 3ull
#define AF (1ull << 10)
#define AP_EL0 (1ull << 6)
#define AP_RO (1ull << 7)
#define DBM (1ull << 51)
#define UXN (1ull << 54)
#define PXN (1ull << 53)

#define TCR_IPS(n) ((uint64_t)(n) << 32)
#define TCR_TG0_64K (1ull << 14)
#define TCR_TG0_16K (2ull << 14)
#define TCR_HA (1ull << 39)
#define TCR_HD (1ull << 40)

struct fixture {
    struct pe_state s;
    struct memory mem;
    struct walk_result res;
};

static struct fixture *fresh(uint64_t tcr, uint64_t ttbr0)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    pe_reset(&f.s);
    SYS(&f.s, SCTLR_EL1) |= 1;
    SYS(&f.s, TCR_EL1) = tcr;
    SYS(&f.s, TTBR0_EL1) = ttbr0;
    SYS(&f.s, TTBR1_EL1) = ttbr0;
    SYS(&f.s, MAIR_EL1) = 0x00000000004400ffull; /* 0 Normal, 1 Device, 2 Normal non-cacheable */
    return &f;
}

static bool walk(struct fixture *f, gva_t va, enum walk_access access, bool el0)
{
    struct walk_mem m = walk_mem(&f->mem);
    struct walk_request rq = {.va = va, .access = access, .el0 = el0};
    walk_el10(&f->s, &m, &rq, &f->res);
    return f->res.ok;
}

/* One page or block for each granule and level: address, size, steps. */
static void each_leaf(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t tcr;
        gva_t va;
        unsigned steps;
        uint64_t desc[4];
        gpa_t at[4];
        gpa_t pa;
        uint64_t len;
    } cases[] = {
        {"4K page",
         TCR_IPS(5) | 16,
         0x0000123456789abcull,
         4,
         {0x11000 | TABLE, 0x12000 | TABLE, 0x13000 | TABLE, 0x7000 | AF | PAGE},
         {0x10000 + 0x24 * 8, 0x11000 + 0xd1 * 8, 0x12000 + 0xb3 * 8, 0x13000 + 0x189 * 8},
         0x7abc,
         0x1000},
        {"4K contiguous pages",
         TCR_IPS(5) | 16,
         0x0000123456789abcull,
         4,
         {0x11000 | TABLE, 0x12000 | TABLE, 0x13000 | TABLE, 0x9000 | AF | PAGE | 1ull << 52},
         {0x10000 + 0x24 * 8, 0x11000 + 0xd1 * 8, 0x12000 + 0xb3 * 8, 0x13000 + 0x189 * 8},
         0x9abc,
         0x10000},
        {"4K 2M block",
         TCR_IPS(5) | 25,
         0x56789abcull,
         2,
         {0x12000 | TABLE, 0x40000000 | AF | BLOCK},
         {0x10000 + 1 * 8, 0x12000 + 0xb3 * 8},
         0x40189abc,
         0x200000},
        {"4K 1G block", TCR_IPS(5) | 25, 0x56789abcull, 1, {0x80000000 | AF | BLOCK}, {0x10000 + 1 * 8}, 0x96789abc, 0x40000000},
        {"4K small table", TCR_IPS(5) | 48, 0x9abcull, 1, {0x7000 | AF | PAGE}, {0x10000 + 9 * 8}, 0x7abc, 0x1000},
        {"16K page",
         TCR_IPS(5) | TCR_TG0_16K | 16,
         0x0000923456789abcull,
         4,
         {0x14000 | TABLE, 0x18000 | TABLE, 0x1c000 | TABLE, 0x8000 | AF | PAGE},
         {0x10000 + 1 * 8, 0x14000 + 0x123 * 8, 0x18000 + 0x22b * 8, 0x1c000 + 0x1e2 * 8},
         0x9abc,
         0x4000},
        {"16K 32M block",
         TCR_IPS(5) | TCR_TG0_16K | 28,
         0x456789abcull,
         1,
         {0x40000000 | AF | BLOCK},
         {0x10000 + 0x22b * 8},
         0x40789abc,
         0x2000000},
        {"64K page, 52-bit VA and PA",
         TCR_IPS(6) | TCR_TG0_64K | 12,
         0x000f123456789abcull,
         3,
         {0x20000 | TABLE, 0x30000 | TABLE, 0x40000 | 0xa000 | AF | PAGE},
         {0x10000 + 0x3c4 * 8, 0x20000 + 0x11a2 * 8, 0x30000 + 0x1678 * 8},
         0xa000000049abcull,
         0x10000},
        {"64K 4T block",
         TCR_IPS(6) | TCR_TG0_64K | 12,
         0x000f123456789abcull,
         1,
         {0x0000040000003000 | AF | BLOCK},
         {0x10000 + 0x3c4 * 8},
         0x3063456789abcull,
         1ull << 42},
        {"64K smallest table",
         TCR_IPS(5) | TCR_TG0_64K | 47,
         0x19abcull,
         1,
         {0x40000 | AF | PAGE},
         {0x10008},
         0x49abc,
         0x10000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fresh(cases[i].tcr, 0x10000);
        for (unsigned k = 0; k < cases[i].steps; k++)
            mem_store(&f->mem, cases[i].at[k], cases[i].desc[k]);
        if (!walk(f, cases[i].va, WALK_READ, false))
            fail_msg("%s: fault 0x%x after %u steps", cases[i].name, f->res.fsc, f->res.nr_steps);
        if (f->res.pa != cases[i].pa || f->res.page_len != cases[i].len ||
            f->res.nr_steps != cases[i].steps)
            fail_msg("%s: pa %llx, length %llx, %u steps", cases[i].name, (unsigned long long)f->res.pa,
                     (unsigned long long)f->res.page_len, f->res.nr_steps);
        assert_int_equal(f->mem.nr_cas, 0);
    }
}

/* Each kind of fault at each level, with the 4 KB granule. */
static void fault_levels(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t desc[4]; /* as far as the first zero */
        enum walk_access access;
        bool el0;
        uint8_t fsc;
    } cases[] = {
        {"nothing", {0}, WALK_READ, false, FSC_TRANSLATION + 0},
        {"level 1 invalid", {0x11000 | TABLE, 0xfffff2}, WALK_READ, false, FSC_TRANSLATION + 1},
        {"level 2 invalid", {0x11000 | TABLE, 0x12000 | TABLE}, WALK_READ, false, FSC_TRANSLATION + 2},
        {"level 3 invalid",
         {0x11000 | TABLE, 0x12000 | TABLE, 0x13000 | TABLE},
         WALK_READ,
         false,
         FSC_TRANSLATION + 3},
        {"512G block is reserved", {0x7000 | AF | BLOCK}, WALK_READ, false, FSC_TRANSLATION + 0},
        {"block at level 3 is reserved",
         {0x11000 | TABLE, 0x12000 | TABLE, 0x13000 | TABLE, 0x7000 | AF | BLOCK},
         WALK_READ,
         false,
         FSC_TRANSLATION + 3},
        {"AF in a 1G block", {0x11000 | TABLE, 0x40000000 | BLOCK}, WALK_READ, false, FSC_ACCESS_FLAG + 1},
        {"AF in a 2M block",
         {0x11000 | TABLE, 0x12000 | TABLE, 0x40000000 | BLOCK},
         WALK_READ,
         false,
         FSC_ACCESS_FLAG + 2},
        {"AF in a page",
         {0x11000 | TABLE, 0x12000 | TABLE, 0x13000 | TABLE, 0x7000 | PAGE},
         WALK_READ,
         false,
         FSC_ACCESS_FLAG + 3},
        {"read-only 1G block",
         {0x11000 | TABLE, 0x40000000 | AF | AP_RO | BLOCK},
         WALK_WRITE,
         false,
         FSC_PERMISSION + 1},
        {"EL0 reads a 2M block of EL1",
         {0x11000 | TABLE, 0x12000 | TABLE, 0x40000000 | AF | BLOCK},
         WALK_READ,
         true,
         FSC_PERMISSION + 2},
        {"EL1 fetches what EL0 writes",
         {0x11000 | TABLE, 0x12000 | TABLE, 0x13000 | TABLE, 0x7000 | AF | AP_EL0 | PAGE},
         WALK_FETCH,
         false,
         FSC_PERMISSION + 3},
        {"AF is judged before permission",
         {0x11000 | TABLE, 0x40000000 | AP_RO | BLOCK},
         WALK_WRITE,
         false,
         FSC_ACCESS_FLAG + 1},
        {"level 0 table beyond IPS", {0x100000011000 | TABLE}, WALK_READ, false, FSC_ADDRESS_SIZE + 0},
        {"level 2 table beyond IPS",
         {0x11000 | TABLE, 0x12000 | TABLE, 0x100000013000 | TABLE},
         WALK_READ,
         false,
         FSC_ADDRESS_SIZE + 2},
        {"page beyond IPS, before AF",
         {0x11000 | TABLE, 0x12000 | TABLE, 0x13000 | TABLE, 0x100000007000 | PAGE},
         WALK_READ,
         false,
         FSC_ADDRESS_SIZE + 3},
    };
    static const gpa_t at[4] = {0x10000 + 0x24 * 8, 0x11000 + 0xd1 * 8, 0x12000 + 0xb3 * 8,
                                0x13000 + 0x189 * 8};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fresh(TCR_IPS(4) | 16, 0x10000);
        for (unsigned k = 0; k < 4 && cases[i].desc[k]; k++)
            mem_store(&f->mem, at[k], cases[i].desc[k]);
        if (walk(f, 0x0000123456789abcull, cases[i].access, cases[i].el0) || f->res.fsc != cases[i].fsc)
            fail_msg("%s: %s, fault 0x%x, not 0x%x", cases[i].name, f->res.ok ? "ok" : "not ok",
                     f->res.fsc, cases[i].fsc);
    }
}

static void ranges(void **state)
{
    (void)state;
    struct fixture *f = fresh(TCR_IPS(5) | 2ull << 30 | 25 << 16 | 25, 0x10000);
    mem_store(&f->mem, 0x10000, 0x40000000 | AF | BLOCK);
    mem_store(&f->mem, 0x10000 + 511 * 8, 0x80000000 | AF | BLOCK);

    assert_true(walk(f, 0x1234, WALK_READ, false));
    assert_true(walk(f, 0xffffffffc0001234ull, WALK_READ, false));
    assert_true(f->res.pa == 0x80001234);
    assert_false(walk(f, 0x8000001234ull, WALK_READ, false)); /* bit 39 */
    assert_int_equal(f->res.fsc, FSC_TRANSLATION);
    assert_int_equal(f->res.nr_steps, 0);
    assert_false(walk(f, 0xffffff7fc0001234ull, WALK_READ, false));
    assert_false(walk(f, 0x5500000000001234ull, WALK_READ, false));

    SYS(&f->s, TCR_EL1) |= 1ull << 37; /* TBI0 */
    assert_true(walk(f, 0x5500000000001234ull, WALK_READ, false));
    assert_true(f->res.pa == 0x40001234);
    assert_true(walk(f, 0x5500000000001234ull, WALK_FETCH, false));
    assert_true(walk_strip_tag(&f->s, 0x5500000000001234ull, false) == 0x1234);
    assert_true(walk_strip_tag(&f->s, 0xaa80000000001234ull, true) == 0xaa80000000001234ull);
    SYS(&f->s, TCR_EL1) |= 1ull << 51; /* TBID0 */
    assert_false(walk(f, 0x5500000000001234ull, WALK_FETCH, false));
    assert_true(walk(f, 0x5500000000001234ull, WALK_WRITE, false));
    SYS(&f->s, TCR_EL1) |= 1ull << 38; /* TBI1 */
    assert_true(walk_strip_tag(&f->s, 0xaa80000000001234ull, true) == 0xff80000000001234ull);

    SYS(&f->s, TCR_EL1) |= 1ull << 7; /* EPD0 */
    assert_false(walk(f, 0x1234, WALK_READ, false));
    assert_int_equal(f->res.fsc, FSC_TRANSLATION);
    assert_true(walk(f, 0xffffffffc0001234ull, WALK_READ, false));

    SYS(&f->s, TCR_EL1) |= 1ull << 56; /* E0PD1: EL0 faults at level 0 whatever the tables say */
    assert_false(walk(f, 0xffffffffc0001234ull, WALK_READ, true));
    assert_int_equal(f->res.fsc, FSC_TRANSLATION);
}

static void mmu_off(void **state)
{
    (void)state;
    struct fixture *f = fresh(0, 0);
    SYS(&f->s, SCTLR_EL1) &= ~1ull;

    assert_true(walk(f, 0x000f000000001234ull, WALK_WRITE, false));
    assert_true(f->res.pa == 0x000f000000001234ull && f->res.device && f->res.attr == 0 &&
                f->res.shareability == 2);
    assert_true(walk(f, 0x1234, WALK_FETCH, true));
    assert_false(f->res.device);
    assert_false(walk(f, 0x0010000000001234ull, WALK_READ, false));
    assert_int_equal(f->res.fsc, FSC_ADDRESS_SIZE);
    assert_false(walk(f, 0x5500000000001234ull, WALK_READ, false));
    SYS(&f->s, TCR_EL1) = 1ull << 37;
    assert_true(walk(f, 0x5500000000001234ull, WALK_READ, false));
    assert_true(f->res.pa == 0x1234);
}

static void access_flag_and_dirty_state(void **state)
{
    (void)state;
    const gpa_t at = 0x10000;
    uint64_t desc;
    struct fixture *f = fresh(TCR_IPS(5) | TCR_HA | TCR_HD | 25, 0x10000);

    mem_store(&f->mem, at, 0x40000000 | AP_RO | DBM | BLOCK);
    assert_true(walk(f, 0x1234, WALK_READ, false));
    mem_load(&f->mem, at, &desc);
    assert_true(desc == (0x40000000 | AF | AP_RO | DBM | BLOCK));
    assert_true(f->res.can_write && !f->res.writable_dirty);
    assert_int_equal(f->mem.nr_cas, 1);

    assert_true(walk(f, 0x1234, WALK_READ, false)); /* nothing left to do */
    assert_int_equal(f->mem.nr_cas, 1);
    assert_true(walk(f, 0x1234, WALK_WRITE, false));
    mem_load(&f->mem, at, &desc);
    assert_true(desc == (0x40000000 | AF | DBM | BLOCK));
    assert_true(f->res.writable_dirty);

    /* Both at once, with three races lost first: what the others wrote is kept. */
    mem_store(&f->mem, at, 0x40000000 | AP_RO | DBM | BLOCK);
    f->mem.races = 3;
    f->mem.nr_cas = 0;
    assert_true(walk(f, 0x1234, WALK_WRITE, false));
    mem_load(&f->mem, at, &desc);
    assert_true(desc == (0x40000000 | AF | DBM | BLOCK | BIT64(55)));
    assert_int_equal(f->mem.nr_cas, 4);
    assert_int_equal(f->res.nr_steps, 1);

    /* Not for the debugger and AT. */
    mem_store(&f->mem, at, 0x40000000 | AP_RO | DBM | BLOCK);
    struct walk_mem m = walk_mem(&f->mem);
    struct walk_request rq = {.va = 0x1234, .access = WALK_WRITE, .no_update = true};
    f->mem.nr_cas = 0;
    walk_el10(&f->s, &m, &rq, &f->res);
    assert_true(f->res.ok && !f->res.writable_dirty);
    assert_int_equal(f->mem.nr_cas, 0);

    f->mem.dead = at;
    assert_false(walk(f, 0x1234, WALK_WRITE, false));
    assert_int_equal(f->res.fsc, FSC_EXTERNAL_WALK + 1);

    /* HD without HA does nothing. */
    SYS(&f->s, TCR_EL1) &= ~TCR_HA;
    mem_store(&f->mem, at, 0x40000000 | AF | AP_RO | DBM | BLOCK);
    assert_false(walk(f, 0x1234, WALK_WRITE, false));
    assert_int_equal(f->res.fsc, FSC_PERMISSION + 1);
}

/* "Data access permissions" and "Instruction execution permissions": AP, XN, WXN, PAN against what each level may do. */
static void permissions(void **state)
{
    (void)state;
    static const struct {
        uint64_t desc;
        bool wxn;
        const char *el1, *el1_pan, *el0; /* subset of "rwx" */
    } cases[] = {
        {0, false, "rwx", "rwx", "x"},       {AP_EL0, false, "rw", "", "rwx"},
        {AP_RO, false, "rx", "rx", "x"},     {AP_RO | AP_EL0, false, "rx", "x", "rx"},
        {UXN, false, "rwx", "rwx", ""},      {AP_EL0 | UXN, false, "rw", "", "rw"},
        {AP_RO | PXN, false, "r", "r", "x"}, {AP_RO | AP_EL0 | UXN | PXN, false, "r", "", "r"},
        {0, true, "rw", "rw", "x"},          {AP_EL0, true, "rw", "", "rw"},
        {AP_RO, true, "rx", "rx", "x"},      {AP_RO | AP_EL0, true, "rx", "x", "rx"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fresh(TCR_IPS(5) | 25, 0x10000);
        SYS(&f->s, SCTLR_EL1) |= (uint64_t)cases[i].wxn << 19;
        mem_store(&f->mem, 0x10000, 0x40000000 | AF | cases[i].desc | BLOCK);
        const char *want[] = {cases[i].el1, cases[i].el1_pan, cases[i].el0};
        for (int who = 0; who < 3; who++)
            for (int a = 0; a < 3; a++) {
                static const enum walk_access access[] = {WALK_READ, WALK_WRITE, WALK_FETCH};
                struct walk_mem m = walk_mem(&f->mem);
                struct walk_request rq = {.access = access[a], .el0 = who == 2, .pan = who == 1 && a != 2};
                walk_el10(&f->s, &m, &rq, &f->res);
                if (f->res.ok != !!strchr(want[who], "rwx"[a]))
                    fail_msg("case %zu, %s, %c", i,
                             (const char *[]){"EL1", "EL1 with PAN", "EL0"}[who], "rwx"[a]);
                assert_int_equal(f->res.ok ? 0 : f->res.fsc, f->res.ok ? 0 : FSC_PERMISSION + 1);
            }
    }
}

static void hierarchical_permissions(void **state)
{
    (void)state;
    struct fixture *f = fresh(TCR_IPS(5) | 25, 0x10000);
    mem_store(&f->mem, 0x11000, 0x40000000 | AF | AP_EL0 | BLOCK);

    mem_store(&f->mem, 0x10000, 0x11000 | TABLE);
    assert_true(walk(f, 0, WALK_WRITE, true));
    mem_store(&f->mem, 0x10000, 0x11000 | TABLE | 1ull << 61); /* not from EL0: and so EL1 may execute it */
    assert_false(walk(f, 0, WALK_READ, true));
    assert_true(walk(f, 0, WALK_WRITE, false));
    assert_true(walk(f, 0, WALK_FETCH, false));
    mem_store(&f->mem, 0x10000, 0x11000 | TABLE | 2ull << 61); /* read-only */
    assert_true(walk(f, 0, WALK_READ, true));
    assert_false(walk(f, 0, WALK_WRITE, true));
    assert_false(walk(f, 0, WALK_WRITE, false));
    mem_store(&f->mem, 0x10000, 0x11000 | TABLE | 1ull << 60); /* UXNTable */
    assert_false(walk(f, 0, WALK_FETCH, true));
    SYS(&f->s, TCR_EL1) |= 1ull << 41; /* HPD0 */
    assert_true(walk(f, 0, WALK_FETCH, true));
}

static void base_register(void **state)
{
    (void)state;
    /* The table is aligned to its size: 2^34 bytes of VA in 1 GB entries need 16 of them, and 64 bytes are ignored below that. */
    struct fixture *f = fresh(TCR_IPS(5) | 30, 0x10000 | 0x7f << 1 | 1);
    mem_store(&f->mem, 0x10080, 0x40000000 | AF | BLOCK);
    assert_true(walk(f, 0, WALK_READ, false));

    /* BADDR<5:2> are address bits 51:48 with the 64 KB granule and IPS 52. */
    f = fresh(TCR_IPS(6) | TCR_TG0_64K | 22, 0x10000 | 0x5 << 2);
    mem_store(&f->mem, 0x5000000010000ull, 0x40000000 | AF | BLOCK);
    assert_true(walk(f, 0, WALK_READ, false));
    SYS(&f->s, TCR_EL1) = TCR_IPS(5) | TCR_TG0_64K | 22;
    mem_store(&f->mem, 0x10000, 0x40000000 | AF | BLOCK);
    assert_true(walk(f, 0, WALK_READ, false));
    assert_true(f->res.step[0].desc_gpa == 0x10000);

    /* Beyond IPS: level 0, whatever level the walk starts at. */
    f = fresh(TCR_IPS(0) | 34, 0x100010000ull);
    assert_false(walk(f, 0, WALK_READ, false));
    assert_int_equal(f->res.fsc, FSC_ADDRESS_SIZE + 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_leaf),
        cmocka_unit_test(fault_levels),
        cmocka_unit_test(ranges),
        cmocka_unit_test(mmu_off),
        cmocka_unit_test(access_flag_and_dirty_state),
        cmocka_unit_test(permissions),
        cmocka_unit_test(hierarchical_permissions),
        cmocka_unit_test(base_register),
        cmocka_unit_test(random_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
