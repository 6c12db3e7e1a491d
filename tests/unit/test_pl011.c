/* The PL011: registers, output, input with and without FIFOs, each interrupt, loopback, reset. */
#include "dev/pl011.h"

#include "dev/chardev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

#define BASE UINT64_C(0x09000000)
enum {
    DR = 0x00,
    RSR = 0x04,
    FR = 0x18,
    ILPR = 0x20,
    IBRD = 0x24,
    FBRD = 0x28,
    LCR_H = 0x2c,
    CR = 0x30,
    IFLS = 0x34,
    IMSC = 0x38,
    RIS = 0x3c,
    MIS = 0x40,
    ICR = 0x44,
    DMACR = 0x48
};
enum {
    RXFE = 1u << 4,
    RXFF = 1u << 6,
    TXFE = 1u << 7,
    INT_RX = 1u << 4,
    INT_TX = 1u << 5,
    INT_RT = 1u << 6
};

static struct bus bus;
static struct chardev *chardev;
static struct device *uart;
static int out[2];
static bool line;

static void on_line(void *opaque, unsigned intid, bool level)
{
    (void)opaque;
    assert_int_equal(intid, 33);
    line = level;
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

static void type(const char *text)
{
    chardev_input(chardev, (const uint8_t *)text, strlen(text));
}

static int setup(void **state)
{
    (void)state;
    bus_init(&bus);
    line = false;
    if (pipe(out))
        return -1;
    chardev = chardev_create(out[1], NULL);
    uart = pl011_create(BASE, (struct irq_line){on_line, NULL, 33}, chardev, NULL);
    return bus_add(&bus, uart, NULL);
}

static int teardown(void **state)
{
    (void)state;
    bus_destroy(&bus);
    chardev_destroy(chardev);
    close(out[0]);
    close(out[1]);
    return 0;
}

static void registers(void **state)
{
    static const struct {
        uint32_t off, reset, kept;
    } r[] = {{ILPR, 0, 0xff},     {IBRD, 0, 0xffff},  {FBRD, 0, 0x3f},  {LCR_H, 0, 0xff},
             {CR, 0x300, 0xff87}, {IFLS, 0x12, 0x3f}, {IMSC, 0, 0x7ff}, {DMACR, 0, 7}};
    static const uint8_t id[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    (void)state;
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < sizeof(r) / sizeof(r[0]); i++) {
            assert_int_equal(rd(r[i].off), r[i].reset);
            wr(r[i].off, 0xffffffff);
            assert_int_equal(rd(r[i].off), r[i].kept);
            wr(r[i].off, 0);
            assert_int_equal(rd(r[i].off), 0);
        }
        bus_reset(&bus);
    }
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(rd(0xfe0 + 4 * i), id[i]);
    assert_int_equal(rd(FR) & (RXFE | RXFF | TXFE), RXFE | TXFE);
    assert_int_equal(rd(RIS), 0);
    assert_int_equal(rd(RSR), 0);
    wr(RSR, 0xff);
    assert_int_equal(rd(RSR), 0);
}

static void output(void **state)
{
    char buf[32] = {0};
    uint64_t val = 'c';

    (void)state;
    wr(DR, 'a'); /* not enabled: sent all the same */
    wr(CR, 0x301);
    wr(DR, 'b');
    assert_int_equal(bus_access(&bus, BASE + DR, 1, true, &val), BUS_OK);
    val = '\n';
    assert_int_equal(bus_access(&bus, BASE + DR, 2, true, &val), BUS_OK);
    assert_int_equal(read(out[0], buf, sizeof(buf)), 4);
    assert_string_equal(buf, "abc\n");
}

/* As after reset: a holding register of one byte. */
static void input_without_fifo(void **state)
{
    (void)state;
    type("xyz");
    assert_int_equal(rd(FR) & (RXFE | RXFF), RXFF);
    assert_int_equal(rd(RIS) & (INT_RX | INT_RT), INT_RX | INT_RT);
    assert_false(line);
    wr(IMSC, INT_RX);
    assert_true(line);
    assert_int_equal(rd(DR), 'x');
    /* The next one has come in the meantime. */
    assert_true(line);
    assert_int_equal(rd(DR), 'y');
    assert_int_equal(rd(DR), 'z');
    assert_false(line);
    assert_int_equal(rd(FR) & (RXFE | RXFF), RXFE);
    assert_int_equal(rd(DR), 0);
}

static void input_with_fifo(void **state)
{
    /* UARTIFLS.RXIFLSEL and the bytes that raise the interrupt. */
    static const uint8_t trigger[5] = {2, 4, 8, 12, 14};

    (void)state;
    wr(LCR_H, 0x70);
    for (unsigned level = 0; level < 5; level++) {
        wr(IFLS, level << 3);
        wr(IMSC, INT_RX);
        for (unsigned i = 1; i <= 16; i++) {
            type("a");
            assert_int_equal(line, i >= trigger[level]);
            assert_int_equal(rd(MIS), line ? INT_RX : 0);
            assert_int_equal(rd(FR) & RXFF, i == 16 ? RXFF : 0);
        }
        /* Full: the rest waits outside. */
        type("b");
        wr(IMSC, INT_RT); /* there is something: the receive timeout */
        assert_true(line);
        wr(IMSC, INT_RX);
        for (unsigned i = 0; i < 16; i++)
            assert_int_equal(rd(DR), 'a');
        assert_false(line);
        assert_int_equal(rd(DR), 'b');
        wr(IMSC, INT_RT);
        assert_false(line);
    }
    /* Cleared by hand, it comes again with the next byte. */
    wr(IFLS, 0);
    wr(IMSC, INT_RX);
    type("cd");
    assert_true(line);
    wr(ICR, INT_RX | INT_RT);
    assert_false(line);
    assert_int_equal(rd(RIS) & (INT_RX | INT_RT), 0);
    type("e");
    assert_true(line);
}

static void transmit_interrupt(void **state)
{
    (void)state;
    wr(IMSC, INT_TX);
    assert_false(line); /* nothing has been sent: it follows a FIFO that has drained */
    wr(DR, 'a');
    assert_true(line);
    wr(ICR, INT_TX);
    assert_false(line);
    wr(DR, 'b');
    assert_true(line);
    wr(IMSC, 0);
    assert_false(line);
    assert_int_equal(rd(RIS), INT_TX);
    assert_int_equal(rd(MIS), 0);
}

static void loopback(void **state)
{
    (void)state;
    wr(LCR_H, 0x10);
    wr(CR, 0x381);
    for (unsigned i = 0; i < 20; i++) /* what does not fit is lost, as on a wire */
        wr(DR, 'a' + i);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(rd(DR), 'a' + i);
    assert_int_equal(rd(FR) & RXFE, RXFE);
}

static void reset(void **state)
{
    (void)state;
    wr(LCR_H, 0x10);
    wr(IMSC, 0x7ff);
    type("abc");
    assert_true(line);
    bus_reset(&bus);
    assert_false(line);
    assert_int_equal(rd(FR) & RXFE, RXFE);
    assert_int_equal(rd(RIS), 0);
    type("d");
    assert_int_equal(rd(DR), 'd');
}

static void long_input_in_order(void **state)
{
    uint8_t text[20000];

    (void)state;
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 7 + i / 256);
    wr(LCR_H, 0x10);
    chardev_input(chardev, text, sizeof(text));
    for (unsigned i = 0; i < sizeof(text); i++)
        assert_int_equal(rd(DR), text[i]);
    assert_int_equal(rd(FR) & RXFE, RXFE);
}

/* --- A reader beside the UART --------------------------------------------------------------------------------------- */

static unsigned nr_wakes;

static void wake(void *opaque)
{
    (void)opaque;
    nr_wakes++;
}

static const char *read_beside(size_t len, bool *ended)
{
    static char buf[64];
    buf[chardev_read(chardev, (uint8_t *)buf, len, ended)] = 0;
    return buf;
}

/* What the UART has taken and the guest has not read comes first, and is not there twice. */
static void reader(void **state)
{
    bool ended;

    (void)state;
    chardev_set_reader(chardev, wake, NULL);
    wr(LCR_H, 0x10);
    wr(IMSC, INT_RT);
    type("0123456789abcdefghij");
    assert_true(line);
    assert_int_equal(rd(DR), '0');
    assert_string_equal(read_beside(3, &ended), "123");
    assert_int_equal(rd(DR), '4');
    assert_string_equal(read_beside(60, &ended), "56789abcdefghij");
    assert_false(ended);
    assert_false(line);
    assert_true(rd(FR) & RXFE);
    /* Who waits gets what comes; afterwards it is the guest's as ever. */
    assert_string_equal(read_beside(60, &ended), "");
    assert_int_equal(nr_wakes, 0);
    type("xy");
    assert_int_equal(nr_wakes, 1);
    assert_true(rd(FR) & RXFE);
    assert_string_equal(read_beside(1, &ended), "x");
    assert_int_equal(rd(DR), 'y');
    type("z");
    assert_int_equal(rd(DR), 'z');
    assert_int_equal(nr_wakes, 1);
    /* The end is behind everything else, and is told once to who waits. */
    assert_string_equal(read_beside(1, &ended), "");
    chardev_end_input(chardev);
    assert_int_equal(nr_wakes, 2);
    assert_string_equal(read_beside(1, &ended), "");
    assert_true(ended);
}

/* All output is seen, and in order, whoever reads it. */
static char seen[16];
static void tap(void *opaque, const uint8_t *buf, size_t len)
{
    (void)opaque;
    strncat(seen, (const char *)buf, len);
}

static void output_is_followed(void **state)
{
    (void)state;
    chardev_add_tap(chardev, tap, NULL);
    wr(DR, 'a');
    chardev_write(chardev, "bc", 2);
    wr(DR, 'd');
    assert_string_equal(seen, "abcd");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(registers), T(output), T(input_without_fifo),  T(input_with_fifo), T(transmit_interrupt),
        T(loopback),  T(reset),  T(long_input_in_order), T(reader),          T(output_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
