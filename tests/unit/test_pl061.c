/* The PL061: masked data accesses, level and edge interrupts, the power key. */
#include "dev/pl061.h"

#include "base/io_thread.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h> /* wants the ones above */

#define BASE UINT64_C(0x09030000)
enum {
    DIR = 0x400,
    IS = 0x404,
    IBE = 0x408,
    IEV = 0x40c,
    IE = 0x410,
    RIS = 0x414,
    MIS = 0x418,
    IC = 0x41c,
    AFSEL = 0x420
};
#define DATA(mask) ((mask) << 2)

static struct bus bus;
static struct device *gpio;
static struct io_thread *io;
static _Atomic bool line;
static _Atomic unsigned rises;

static void on_line(void *opaque, unsigned intid, bool level)
{
    (void)opaque;
    assert_int_equal(intid, 39);
    if (level && !atomic_exchange(&line, level))
        atomic_fetch_add(&rises, 1);
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

static int setup(void **state)
{
    (void)state;
    bus_init(&bus);
    atomic_store(&line, false);
    atomic_store(&rises, 0);
    if (io_thread_create(&io, "io", NULL))
        return -1;
    gpio = pl061_create(BASE, (struct irq_line){on_line, NULL, 39}, io, NULL);
    return bus_add(&bus, gpio, NULL);
}

static int teardown(void **state)
{
    (void)state;
    io_thread_stop(io);
    bus_destroy(&bus);
    io_thread_destroy(io);
    return 0;
}

static void test_data(void **state)
{
    (void)state;
    static const uint8_t id[8] = {0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(rd(0xfe0 + 4 * i), id[i]);
    pl061_set_input(gpio, 0, true);
    pl061_set_input(gpio, 7, true);
    assert_int_equal(rd(DATA(0xff)), 0x81);
    assert_int_equal(rd(DATA(0x80)), 0x80);
    assert_int_equal(rd(DATA(0x01)), 0x01);
    assert_int_equal(rd(DATA(0x7e)), 0);
    /* Outputs; what is written to an input waits until it is one. */
    wr(DIR, 0x0f);
    wr(DATA(0xff), 0x36);
    assert_int_equal(rd(DATA(0xff)), 0x86);
    wr(DATA(0x02), 0);
    assert_int_equal(rd(DATA(0xff)), 0x84);
    wr(DIR, 0xff);
    assert_int_equal(rd(DATA(0xff)), 0x34);
    wr(AFSEL, 0x5a);
    assert_int_equal(rd(AFSEL), 0x5a);
    bus_reset(&bus);
    assert_int_equal(rd(DATA(0xff)), 0x81); /* the host's pins stay */
    assert_int_equal(rd(DIR), 0);
}

static void test_edges(void **state)
{
    (void)state;
    wr(IEV, 0x02); /* pin 1 rising, pin 2 falling, pin 3 both */
    wr(IBE, 0x08);
    wr(IE, 0x0e);
    assert_false(line);
    pl061_set_input(gpio, 2, true);
    assert_int_equal(rd(RIS), 0);
    pl061_set_input(gpio, 1, true);
    assert_int_equal(rd(RIS), 0x02);
    assert_true(line);
    pl061_set_input(gpio, 1, false);
    assert_int_equal(rd(RIS), 0x02); /* kept until cleared */
    pl061_set_input(gpio, 2, false);
    assert_int_equal(rd(MIS), 0x06);
    wr(IC, 0x02);
    assert_int_equal(rd(MIS), 0x04);
    assert_true(line);
    wr(IC, 0xff);
    assert_false(line);
    for (unsigned i = 0; i < 2; i++) {
        pl061_set_input(gpio, 3, !i);
        assert_int_equal(rd(RIS), 0x08);
        wr(IC, 0x08);
    }
    pl061_set_input(gpio, 3, false); /* no change, no edge */
    assert_int_equal(rd(RIS), 0);
    wr(IE, 0);
    pl061_set_input(gpio, 3, true);
    assert_int_equal(rd(RIS), 0x08);
    assert_int_equal(rd(MIS), 0);
    assert_false(line);
}

static void test_levels(void **state)
{
    (void)state;
    wr(IS, 0x30);
    wr(IEV, 0x10); /* pin 4 high, pin 5 low */
    wr(IE, 0x30);
    assert_int_equal(rd(RIS), 0x20);
    assert_true(line);
    pl061_set_input(gpio, 5, true);
    assert_int_equal(rd(RIS), 0);
    assert_false(line);
    pl061_set_input(gpio, 4, true);
    wr(IC, 0xff); /* does not help against a level */
    assert_int_equal(rd(RIS), 0x10);
    assert_true(line);
    wr(DIR, 0x10); /* an output interrupts nobody */
    assert_int_equal(rd(RIS), 0);
    assert_false(line);
}

static void test_power_key(void **state)
{
    (void)state;
    wr(IBE, 0x08);
    wr(IE, 0x08);
    assert_int_equal(io_thread_start(io, NULL), 0);
    const uint64_t start = os_now_ns();
    pl061_press_power_key(gpio);
    while (!rd(DATA(0x08)))
        assert_true(os_now_ns() - start < UINT64_C(20000000000));
    wr(IC, 0x08);
    while (rd(DATA(0x08)))
        assert_true(os_now_ns() - start < UINT64_C(20000000000));
    assert_true(os_now_ns() - start >= 100000000);
    assert_int_equal(rd(RIS), 0x08);
    assert_int_equal(rises, 2);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_data), TEST(test_edges), TEST(test_levels),
                                       TEST(test_power_key)};
    return cmocka_run_group_tests_name("pl061", tests, NULL, NULL);
}
