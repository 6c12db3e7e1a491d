/* fw_cfg: selecting, reading by the data register and by DMA, and requests that make no sense. */
#include "dev/fw_cfg.h"

#include "base/bits.h"
#include "mem/ram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* wants the ones above */

#define BASE UINT64_C(0x09020000)
#define RAM UINT64_C(0x40000000)
#define RAM_LEN UINT64_C(0x20000)
#define REQUEST (RAM + 0x100)
#define TARGET (RAM + 0x1000)

static struct ram ram;
static struct bus bus;
static struct device *fw;

static int setup(void **state)
{
    (void)state;
    bus_init(&bus);
    if (ram_init(&ram, NULL) || ram_add(&ram, RAM, RAM_LEN, RAM_KIND_RAM, NULL))
        return -1;
    fw = fw_cfg_create(BASE, &ram, NULL);
    uint8_t *kernel = malloc(10000);
    for (unsigned i = 0; i < 10000; i++)
        kernel[i] = (uint8_t)(i * 7);
    fw_cfg_set(fw, FW_CFG_KERNEL_DATA, kernel, 10000);
    return bus_add(&bus, fw, NULL) || fw_cfg_set_u32(fw, FW_CFG_KERNEL_SIZE, 10000, NULL);
}

static int teardown(void **state)
{
    (void)state;
    bus_destroy(&bus);
    ram_destroy(&ram);
    return 0;
}

static uint64_t rd(uint32_t off, unsigned size)
{
    uint64_t val = 0;
    assert_int_equal(bus_access(&bus, BASE + off, size, false, &val), BUS_OK);
    return val;
}

static void wr(uint32_t off, unsigned size, uint64_t val)
{
    assert_int_equal(bus_access(&bus, BASE + off, size, true, &val), BUS_OK);
}

static void select_key(uint16_t key)
{
    wr(8, 2, __builtin_bswap16(key));
}

static void test_data_register(void **state)
{
    (void)state;
    assert_int_equal(rd(0, 4), 0x554d4551); /* "QEMU", selected at first */
    select_key(FW_CFG_ID);
    assert_int_equal(rd(0, 4), 3);
    select_key(FW_CFG_KERNEL_SIZE);
    assert_int_equal(rd(0, 1), 10000 & 0xff);
    assert_int_equal(rd(0, 1), 10000 >> 8);
    assert_int_equal(rd(0, 8), 0); /* beyond the end */
    select_key(FW_CFG_KERNEL_DATA);
    assert_int_equal(rd(0, 8), UINT64_C(0x312a231c150e0700));
    assert_int_equal(rd(0, 2), 0x3f38);
    select_key(FW_CFG_FILE_DIR);
    assert_int_equal(rd(0, 8), 0);
    select_key(FW_CFG_INITRD_SIZE); /* nobody set it */
    assert_int_equal(rd(0, 4), 0);
    select_key(0xffff);
    assert_int_equal(rd(0, 8), 0);
    uint64_t val = 1;
    assert_int_equal(bus_access(&bus, BASE, 4, true, &val), BUS_BAD);
    assert_int_equal(bus_access(&bus, BASE + 8, 4, true, &val), BUS_BAD);
}

/* As firmware does it; the control word afterwards. */
static uint32_t request(uint32_t control, uint32_t len, uint64_t address)
{
    uint32_t w[4] = {__builtin_bswap32(control), __builtin_bswap32(len),
                     __builtin_bswap32((uint32_t)(address >> 32)),
                     __builtin_bswap32((uint32_t)address)};
    assert_true(ram_write(&ram, REQUEST, w, sizeof(w)));
    wr(0x10, 8, __builtin_bswap64(REQUEST));
    assert_true(ram_read(&ram, REQUEST, w, 4));
    return __builtin_bswap32(w[0]);
}

static void test_dma(void **state)
{
    (void)state;
    uint8_t b[10010];
    assert_int_equal(rd(0x10, 8), UINT64_C(0x4746432055 << 24 | 0x4d4551)); /* "QEMU CFG" */
    assert_int_equal(rd(0x10, 4), 0x554d4551);
    assert_int_equal(rd(0x14, 4), 0x47464320);
    assert_int_equal(request(FW_CFG_KERNEL_DATA << 16 | 8 | 2, 10000, TARGET), 0);
    assert_true(ram_read(&ram, TARGET, b, 10000));
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(b[i], (uint8_t)(i * 7));
    /* The rest of a request beyond the item is zeros. */
    memset(b, 0xff, sizeof(b));
    assert_true(ram_write(&ram, TARGET, b, sizeof(b)));
    assert_int_equal(request(FW_CFG_KERNEL_DATA << 16 | 8 | 4, 9998, 0), 0); /* skips */
    assert_int_equal(request(2, 10, TARGET), 0);
    assert_true(ram_read(&ram, TARGET, b, 12));
    assert_memory_equal(b, "\x62\x69\0\0\0\0\0\0\0\0\xff\xff", 12);
    /* In two halves. */
    uint32_t w[4] = {__builtin_bswap32(FW_CFG_ID << 16 | 8 | 2), __builtin_bswap32(4), 0,
                     __builtin_bswap32(TARGET)};
    assert_true(ram_write(&ram, REQUEST, w, sizeof(w)));
    wr(0x10, 4, 0);
    wr(0x14, 4, __builtin_bswap32(REQUEST));
    assert_true(ram_read(&ram, TARGET, b, 4));
    assert_memory_equal(b, "\3\0\0\0", 4);
}

static void test_bad_dma(void **state)
{
    (void)state;
    assert_int_equal(request(FW_CFG_KERNEL_DATA << 16 | 8 | 2, 10000, 0x1000), 1); /* no memory there */
    assert_int_equal(request(FW_CFG_KERNEL_DATA << 16 | 8 | 2, 10000, RAM + RAM_LEN - 9999), 1); /* nor at its end */
    assert_int_equal(request(FW_CFG_KERNEL_DATA << 16 | 8 | 2, UINT32_MAX, TARGET), 1);
    assert_int_equal(request(2, 8, UINT64_MAX - 3), 1);
    assert_int_equal(request(FW_CFG_KERNEL_DATA << 16 | 8 | 16, 4, TARGET), 1); /* nothing can be written */
    assert_int_equal(request(0xabcdu << 16 | 8 | 2, 16, TARGET), 0); /* no such item: zeros */
    assert_int_equal(request(0, 0, 0), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(request(FW_CFG_KERNEL_DATA << 16 | (i ? 4 : 12), UINT32_MAX, 0), 0);
    assert_int_equal(rd(0, 8), 0);
    /* The request itself is nowhere. */
    wr(0x10, 8, __builtin_bswap64(0));
    wr(0x10, 8, UINT64_MAX);
    wr(0x10, 8, __builtin_bswap64(RAM + RAM_LEN - 8));
}

static void test_reset(void **state)
{
    (void)state;
    select_key(FW_CFG_ID);
    rd(0, 1);
    bus_reset(&bus);
    assert_int_equal(rd(0, 4), 0x554d4551);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_data_register), TEST(test_dma), TEST(test_bad_dma),
                                       TEST(test_reset)};
    return cmocka_run_group_tests_name("fw_cfg", tests, NULL, NULL);
}
