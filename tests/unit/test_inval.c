/* Messages about TLB and code between CPUs (cpu/run.c): neighbours become one, nothing is lost where there is no room, and code is what is
 * thrown away last. And what a CPU keeps of its tables until it is told. */
#include "cpu/cpu_internal.h"

#include "ops_machine.h"

#include <stdlib.h>

static struct cpu *to; /* it never runs: what is sent stays in its queue */

static int setup_two(void **state)
{
    if (setup(state))
        return -1;
    to = new_cpu();
    return 0;
}

static void forget(void)
{
    to->nr_inval = 0;
    to->inval_tlb = false;
}

static void say(unsigned what, int32_t asid, uint64_t addr, uint64_t len)
{
    cpu_broadcast(c, &(struct cpu_inval){.what = what, .asid = asid, .addr = addr, .len = len});
}

static bool covered(const struct cpu_inval *inv)
{
    const bool about_code = inv->what >= INVAL_ICACHE_ALL;

    if (!about_code && to->inval_tlb)
        return true;
    for (unsigned i = 0; i < to->nr_inval; i++) {
        const struct cpu_inval *q = &to->inval[i];
        if (q->what == (about_code ? INVAL_ICACHE_ALL : INVAL_TLB_ALL) ||
            (q->what == inv->what && q->asid == inv->asid && q->addr <= inv->addr &&
             q->addr + q->len >= inv->addr + inv->len))
            return true;
    }
    return false;
}

static void test_neighbours(void **state)
{
    (void)state;
    forget();
    for (uint64_t at = 0; at < 0x1000; at += 64) {
        say(INVAL_ICACHE_PA, 0, CODE + at, 64);
        say(INVAL_ICACHE_PA, 0, DATA + at, 64);
        say(INVAL_TLB_VA, 7, at << 6, 0x1000);
        say(INVAL_TLB_ASID, 9, 0, 0);
    }
    assert_int_equal(to->nr_inval, 4);
    assert_int_equal(to->inval[0].len, 0x1000);
    assert_int_equal(to->inval[1].len, 0x1000);
    assert_int_equal(to->inval[2].len, 0x40000);
    /* Of another address space it is another message. */
    say(INVAL_TLB_VA, 8, 0x40000, 0x1000);
    assert_int_equal(to->nr_inval, 5);
}

static void test_no_room(void **state)
{
    (void)state;
    forget();
    say(INVAL_ICACHE_PA, 0, CODE, 64);
    for (uint64_t i = 0; i < 2 * INVAL_QUEUE; i++)
        say(INVAL_TLB_VA, 1, i * 0x2000, 0x1000);
    say(INVAL_ICACHE_PA, 0, DATA, 64);
    assert_true(to->inval_tlb);
    assert_int_equal(to->nr_inval, 2);
    assert_int_equal(to->inval[0].addr, CODE);
    assert_int_equal(to->inval[1].addr, DATA);
    for (uint64_t i = 0; i < INVAL_QUEUE; i++)
        say(INVAL_ICACHE_PA, 0, CODE + i * 0x2000, 64);
    assert_true(covered(&(struct cpu_inval){.what = INVAL_ICACHE_ALL}));
}

static void test_nothing_is_lost(void **state)
{
    static struct cpu_inval sent[4 * INVAL_QUEUE];
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        const unsigned share = 1 + (unsigned)random() % 15; /* of messages about the TLB, in 16 */
        forget();
        for (unsigned n = 0; n < sizeof(sent) / sizeof(sent[0]); n++) {
            struct cpu_inval *s = &sent[n];
            *s = (struct cpu_inval){.addr = (uint64_t)(random() % 4096) * 64, .len = 64};
            if (random() % 16 >= share)
                s->what = random() % 200 ? INVAL_ICACHE_PA : INVAL_ICACHE_ALL;
            else
                s->what = random() % 200 ? INVAL_TLB_VA : INVAL_TLB_ALL,
                s->asid = (int32_t)(random() % 3) - 1;
            if (s->what != INVAL_ICACHE_PA && s->what != INVAL_TLB_VA)
                s->addr = s->len = 0;
            say(s->what, s->asid, s->addr, s->len);
            assert_true(to->nr_inval <= INVAL_QUEUE);
        }
        for (unsigned n = 0; n < sizeof(sent) / sizeof(sent[0]); n++)
            assert_true(covered(&sent[n]));
    }
}

/* --- Tables that are kept ------------------------------------------------------------------------------------------- */

static void change_ttbr0(void)
{
    SYS(&c->st, TTBR0_EL1) ^= UINT64_C(1) << 48; /* another ASID */
    cpu_context_changed(c);
}

static void by_address(void)
{
    tlb_flush_va(c, DATA, 4096);
}

static void by_asid(void)
{
    tlb_flush_asid(c, (unsigned)(SYS(&c->st, TTBR0_EL1) >> 48));
}

static void everything(void)
{
    tlb_flush_all(c);
    cpu_context_changed(c);
}

/* The last table of a walk serves other pages, until there is a TLBI of any kind or another context; then it is looked for. */
static void last_tables(void **state)
{
    static void (*const forget[])(void) = {by_address, by_asid, everything, change_ttbr0};
    const gpa_t tables[2] = {RAM_BASE + 0x2000, RAM_BASE + 0x3000};
    struct tlb_view view;

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        poke(tables[1] + i * 8, (peek(tables[0] + i * 8) & 0xfff) | (RAM_BASE + (255 - i) * 4096));
    for (unsigned i = 0; i < ARRAY_LEN(forget); i++) {
        const gva_t fresh = RAM_BASE + 0x40000 + i * 4096;
        assert_true(tlb_translate(c, DATA2, 8, WALK_READ, 0, &view)); /* the present one is known */
        poke(RAM_BASE + 0x1000, tables[1 - i % 2] | 3);
        forget[i]();
        assert_true(tlb_translate(c, fresh, 8, WALK_READ, 0, &view));
        assert_int_equal(view.pa, i % 2 ? fresh : 2 * RAM_BASE + 255 * 4096 - fresh);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(last_tables),
    };
    return cmocka_run_group_tests(tests, setup_two, teardown);
}
