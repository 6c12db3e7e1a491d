/* What is filled into the TLB is what the walk says, whatever was filled before from the same table. */
#include "cpu/cpu_internal.h"

#include "gen/sysreg_fields.h"

#include "ops_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NR_PAGES 16u
/* The upper half is a megabyte: its only table has 256 entries, and what lies behind them looks like more of them. */
#define UPPER_TABLE (RAM_BASE + 0x5000)
#define UPPER_BITS 20u
static const struct {
    gva_t va;
    gpa_t entries;
} space[] = {{DATA, DESCRIPTOR_OF(DATA)}, {-(UINT64_C(1) << UPPER_BITS), UPPER_TABLE}};
#define DBM (UINT64_C(1) << 51)

static uint64_t seed;

static unsigned chance(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

/* Few kinds, so that neighbours are often alike. */
static uint64_t some_descriptor(void)
{
    static const uint64_t kind[] = {0,
                                    0,
                                    UINT64_C(1) << 6 /* EL0 */,
                                    UINT64_C(1) << 6,
                                    UINT64_C(2) << 6 /* read-only */,
                                    UINT64_C(3) << 6,
                                    UINT64_C(2) << 6 | DBM,
                                    UINT64_C(3) << 6 | DBM,
                                    UINT64_C(1) << 2 /* Device */,
                                    UINT64_C(1) << 11 /* not global */,
                                    UINT64_C(1) << 52 /* contiguous */};
    const gpa_t pa = chance(10) == 0   ? BUS_PA
                     : chance(20) == 0 ? UINT64_C(1) << 32
                                       : RAM_BASE + 0x80000 + chance(64) * 4096;
    return chance(12) == 0
               ? 0
               : pa | 3 | 3 << 8 | kind[chance(ARRAY_LEN(kind))] | (chance(8) ? UINT64_C(1) << 10 : 0);
}

static void check(gva_t va, gpa_t entry, bool write, unsigned flags)
{
    const bool el0 = c->st.el == 0 || flags & MEM_EL0;
    struct walk_result w;
    struct tlb_view v;

    tlb_walk(c,
             &(struct walk_request){.va = va,
                                    .access = write ? WALK_WRITE : WALK_READ,
                                    .el0 = el0,
                                    .pan = !el0 && (c->st.misc & PSR_PAN),
                                    .no_update = true},
             &w);
    const uint64_t before = peek(entry), misses = c->nr_tlb_misses;
    const bool ok = tlb_translate(c, va, 8, write ? WALK_WRITE : WALK_READ, flags, &v);

    assert_int_equal(ok, w.ok && !(w.updates && (flags & MEM_NO_UPDATE)));
    assert_int_equal(peek(entry) != before, ok && w.updates);
    if (!ok) {
        if (!w.ok)
            assert_int_equal(c->exc.esr & 0x3f, w.fsc);
        return;
    }
    const struct tlb_entry *e = tlb_slot(c, va);
    const uint64_t tag = tlb_key(flags & MEM_EL0 ? c->tlb_ctx_el0 : c->tlb_ctx, va, 1);
    const bool in_ram = w.pa >= RAM_BASE && w.pa < RAM_END;
    assert_int_equal(v.pa, w.pa);
    assert_int_equal(v.device, w.device);
    assert_ptr_equal(v.host, in_ram ? host(w.pa) : NULL);
    assert_int_equal(!(e->page & TLB_INFO_GLOBAL), !w.global);
    if (misses == c->nr_tlb_misses) /* it was there, and may have been filled as it was then */
        return;
    const bool clean = w.writable_dirty || (write && w.updates);
    assert_int_equal(e->tag_r == tag, in_ram && !w.device && w.can_read);
    assert_int_equal(e->tag_w == tag, in_ram && !w.device && w.can_write && clean);
    assert_int_equal(!(e->page & TLB_INFO_WRITE), !(w.can_write && clean));
}

/* With hardware's management of access flags and dirty state, and without; with a table of which some page was in the TLB, and without. */
static void test_as_the_walk(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        SYS(&c->st, TCR_EL1) &= ~(TCR_EL1_HA | TCR_EL1_HD | TCR_EL1_EPD1 | UINT64_C(0x3f) << 16);
        SYS(&c->st, TCR_EL1) |= UINT64_C(2) << TCR_EL1_TG1_LO | (uint64_t)(64 - UPPER_BITS) << 16;
        SYS(&c->st, TCR_EL1) |= chance(2) ? TCR_EL1_HA | (chance(2) ? TCR_EL1_HD : 0) : 0;
        SYS(&c->st, TTBR1_EL1) = UPPER_TABLE;
        cpu_state_changed(c);
        for (unsigned i = 0; i < 512; i++)
            poke(UPPER_TABLE + i * 8, some_descriptor());
        for (unsigned i = 0; i < NR_PAGES; i++)
            poke(space[0].entries + i * 8, some_descriptor());
        tlb_flush_all(c);
        for (unsigned n = 0; n < 40; n++) {
            const unsigned i = chance(NR_PAGES), upper = chance(2);
            const gpa_t entry = space[upper].entries + i * 8;
            c->st.el = (uint8_t)chance(2);
            c->st.misc = chance(2) ? PSR_PAN : 0;
            cpu_level_changed(c);
            if (chance(3) == 0) { /* another descriptor, which nothing in the TLB knows */
                poke(entry, some_descriptor());
                tlb_flush_data(c);
            }
            check(space[upper].va + i * 4096 + chance(512) * 8, entry, chance(2),
                  (chance(4) ? 0 : MEM_EL0) | (chance(4) ? 0 : MEM_NO_UPDATE));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_as_the_walk, setup, teardown),
    };

    const char *given = getenv("VIBE_TLB_SEED");

    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("VIBE_TLB_SEED=%#llx\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
