/* The PL031: identification, the time, the alarm at once and a second later. */
#include "base/clock.h"
#include "dev/pl031.h"

#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

#define BASE UINT64_C(0x09010000)
enum {
    DR = 0x00,
    MR = 0x04,
    LR = 0x08,
    CR = 0x0c,
    IMSC = 0x10,
    RIS = 0x14,
    MIS = 0x18,
    ICR = 0x1c
};

static struct bus bus;
static _Atomic bool line;

static void on_line(void *opaque, unsigned intid, bool level)
{
    (void)opaque;
    assert_int_equal(intid, 34);
    atomic_store(&line, level);
}

static uint32_t rd(uint32_t off)
{
    uint64_t val = 0;
    assert_int_equal(bus_access(&bus, BASE + off, 4, false, &val), BUS_OK);
    return (uint32_t)val;
}

static void wr(uint32_t off, uint64_t val)
{
    assert_int_equal(bus_access(&bus, BASE + off, 4, true, &val), BUS_OK);
}

static const struct guest_clock host_clock;

static int setup(void **state)
{
    (void)state;
    bus_init(&bus);
    atomic_store(&line, false);
    return bus_add(&bus, pl031_create(BASE, (struct irq_line){on_line, NULL, 34}, &host_clock, NULL),
                   NULL);
}

static int teardown(void **state)
{
    (void)state;
    bus_destroy(&bus);
    return 0;
}

static void test_registers(void **state)
{
    static const uint8_t id[8] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    const int64_t before = time(NULL);
    (void)state;
    const int64_t dr = rd(DR);
    assert_true(dr >= before - 1 && dr <= time(NULL) + 1);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(rd(0xfe0 + 4 * i), id[i]);
    assert_int_equal(rd(CR), 1);
    wr(CR, 0);
    assert_int_equal(rd(CR), 1);
    wr(IMSC, 0xffffffff);
    assert_int_equal(rd(IMSC), 1);
    uint64_t val = 0;
    assert_int_equal(bus_access(&bus, BASE + DR, 4, true, &val), BUS_BAD);
    assert_int_equal(bus_access(&bus, BASE + ICR, 4, false, &val), BUS_BAD);
    wr(LR, 1000);
    assert_int_equal(rd(LR), 1000);
    assert_true(rd(DR) - 1000 <= 1);
}

static void test_alarm(void **state)
{
    (void)state;
    wr(IMSC, 1);
    wr(LR, 0xffffffff); /* the counter wraps */
    const uint64_t start = os_now_ns();
    wr(MR, 0);
    assert_int_equal(rd(RIS), 0);
    assert_false(atomic_load(&line));
    while (!atomic_load(&line) && os_now_ns() - start < UINT64_C(20000000000))
        usleep(1000); /* no register is touched */
    assert_true(atomic_load(&line));
    assert_true(os_now_ns() - start > 900000000);
    assert_int_equal(rd(MIS), 1);
    wr(IMSC, 0);
    assert_false(atomic_load(&line));
    assert_int_equal(rd(MIS), 0);
    assert_int_equal(rd(RIS), 1);
    wr(ICR, 1);
    assert_int_equal(rd(RIS), 0);
    /* A match with the present second is one at once. */
    wr(IMSC, 1);
    wr(MR, 500);
    assert_false(atomic_load(&line));
    wr(LR, 500);
    assert_true(atomic_load(&line));
    bus_reset(&bus);
    assert_false(atomic_load(&line));
    assert_int_equal(rd(RIS) | rd(IMSC) | rd(MR), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alarm, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
