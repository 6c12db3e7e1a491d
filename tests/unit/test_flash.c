/* CFI flash: identification, programming, erasing, wrong sequences, and what reaches the file. */
#include "dev/cfi_flash.h"

#include "base/bits.h"
#include "base/err.h"
#include "mem/ram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

#define BANK1 FLASH_BANK_LEN
#define SECTOR 0x40000u

static struct ram ram;
static struct bus bus;
static struct device *flash;
static struct {
    unsigned nr;
    gpa_t base;
} changes;
static char path[] = "/tmp/vibe-flash-XXXXXX";

static void on_change(void *opaque, gpa_t base, uint64_t len)
{
    assert_ptr_equal(opaque, &changes);
    assert_int_equal(len, FLASH_BANK_LEN);
    changes.nr++;
    changes.base = base;
}

static int setup(void **state)
{
    (void)state;
    const struct flash_config cfg = {.ram = &ram, .changed = on_change, .opaque = &changes};
    changes.nr = 0;
    bus_init(&bus);
    if (ram_init(&ram, NULL) || ram_add(&ram, 0, FLASH_BANK_LEN, RAM_KIND_ROM, NULL) ||
        ram_add(&ram, BANK1, FLASH_BANK_LEN, RAM_KIND_ROM, NULL))
        return -1;
    flash = flash_create(0, &cfg, NULL);
    return bus_add(&bus, flash, NULL);
}

static int teardown(void **state)
{
    (void)state;
    bus_destroy(&bus);
    ram_destroy(&ram);
    return 0;
}

static uint64_t rd_n(gpa_t at, unsigned size)
{
    uint64_t val = 0;
    assert_int_equal(bus_access(&bus, at, size, false, &val), BUS_OK);
    return val;
}

static uint32_t rd(gpa_t at)
{
    return (uint32_t)rd_n(at, 4);
}

static void wr_n(gpa_t at, uint64_t val, unsigned size)
{
    assert_int_equal(bus_access(&bus, at, size, true, &val), BUS_OK);
}

static void wr(gpa_t at, uint32_t val)
{
    wr_n(at, val, 4);
}

/* A command to both chips. */
static void cmd(gpa_t at, uint8_t c)
{
    wr(at, c | (uint32_t)c << 16);
}

static bool hidden(gpa_t bank)
{
    return ram_find(&ram, bank)->hidden;
}

static uint32_t memory(gpa_t at)
{
    uint32_t v = 0;
    assert_true(ram_read(&ram, at, &v, 4));
    return v;
}

static void erase(gpa_t at)
{
    cmd(at, 0x20);
    cmd(at, 0xd0);
    assert_int_equal(rd(at), 0x00800080);
    cmd(at, 0xff);
}

static void program_word(gpa_t at, uint32_t val)
{
    cmd(at, 0x40);
    wr(at, val);
    assert_int_equal(rd(at), 0x00800080);
    cmd(at, 0xff);
}

static void test_identification(void **state)
{
    (void)state;
    cmd(BANK1, 0x90);
    assert_true(hidden(BANK1));
    assert_false(hidden(0)); /* the other bank goes on running code */
    assert_int_equal(rd(BANK1), 0x00890089);
    assert_int_equal(rd(BANK1 + 4), 0x00180018);
    assert_int_equal(rd(BANK1 + 8), 0); /* not locked */
    assert_int_equal(rd(BANK1 + 5 * SECTOR + 8), 0);
    assert_int_equal(rd_n(BANK1, 8), UINT64_C(0x0018001800890089));
    assert_int_equal(rd_n(BANK1 + 4, 1), 0x18);
    assert_int_equal(rd_n(BANK1 + 5, 1), 0);
    assert_int_equal(rd_n(BANK1 + 6, 2), 0x18);
    cmd(BANK1, 0xff);
    assert_false(hidden(BANK1));
    assert_int_equal(changes.nr, 2);
    assert_int_equal(changes.base, BANK1);
}

static void test_query(void **state)
{
    (void)state;
    cmd(0x55 * 4, 0x98);
    static const struct {
        uint8_t at, want;
    } c[] = {{0x10, 'Q'}, {0x11, 'R'}, {0x12, 'Y'}, {0x13, 1},   {0x15, 0x31},
             {0x27, 25},  {0x2a, 6},   {0x2c, 1},   {0x2d, 255}, {0x2e, 0},
             {0x2f, 0},   {0x30, 2},   {0x31, 'P'}, {0x32, 'R'}, {0x33, 'I'}};
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        assert_int_equal(rd(c[i].at * 4u), c[i].want | (uint32_t)c[i].want << 16);
    assert_int_equal(rd(0x200 * 4), 0);
    /* What both chips tell makes the bank: 2 * 2^25 bytes, 256 sectors. */
    assert_int_equal((2u << 25) / 256, FLASH_SECTOR_LEN);
    assert_int_equal(2u << 25, FLASH_BANK_LEN);
    /* The reset of other makers' chips, which a probe tries too. */
    wr_n(0, 0xf0, 1);
    assert_false(hidden(0));
}

static void test_erase_and_program(void **state)
{
    (void)state;
    const gpa_t at = BANK1 + 3 * SECTOR + 0x100;
    erase(at);
    assert_int_equal(memory(BANK1 + 3 * SECTOR), 0xffffffff);
    assert_int_equal(memory(BANK1 + 4 * SECTOR - 4), 0xffffffff);
    assert_int_equal(memory(BANK1 + 4 * SECTOR), 0);
    assert_int_equal(memory(BANK1 + 3 * SECTOR - 4), 0);
    program_word(at, 0x12345678);
    assert_int_equal(memory(at), 0x12345678);
    assert_int_equal(memory(at + 4), 0xffffffff);
    program_word(at, 0xffff0000); /* bits are cleared, never set */
    assert_int_equal(memory(at), 0x12340000);
    cmd(at, 0x10);
    wr_n(at + 8, 0xabcd, 2);
    cmd(at, 0xff);
    assert_int_equal(memory(at + 8), 0xffffabcd);
    assert_false(hidden(BANK1));
}

static void buffer(gpa_t at, unsigned nr, uint32_t first)
{
    cmd(at, 0xe8);
    assert_int_equal(rd(at), 0x00800080);
    cmd(at, (uint8_t)(nr - 1));
    for (unsigned i = 0; i < nr; i++)
        wr(at + 4 * i, first + i);
    cmd(at, 0xd0);
}

static void test_write_buffer(void **state)
{
    (void)state;
    const gpa_t at = BANK1 + 7 * SECTOR;
    erase(at);
    buffer(at + 0x80, 32, 0x1000);
    assert_int_equal(rd(at), 0x00800080);
    buffer(at + 0x110, 3, 0x2000);
    assert_int_equal(rd(at), 0x00800080);
    cmd(at, 0xff);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(memory(at + 0x80 + 4 * i), 0x1000 + i);
    assert_int_equal(memory(at + 0x7c), 0xffffffff);
    assert_int_equal(memory(at + 0x100), 0xffffffff);
    assert_int_equal(memory(at + 0x110), 0x2000);
    assert_int_equal(memory(at + 0x118), 0x2002);
    assert_int_equal(memory(at + 0x11c), 0xffffffff);
}

/* Each sets the two error bits of a bad command sequence, changes nothing, and can be cleared. */
static void test_bad_sequences(void **state)
{
    (void)state;
    const gpa_t at = BANK1;
    for (unsigned i = 0; i < 6; i++) {
        switch (i) {
        case 0: cmd(at, 0x20), cmd(at, 0x12); break; /* erase, not confirmed */
        case 1: cmd(at, 0x60), cmd(at, 0x99); break; /* lock what? */
        case 2: cmd(at, 0xe8), cmd(at, 32); break;   /* more than the buffer has */
        case 3: cmd(at, 0xe8), cmd(at, 0), wr(at, 5), cmd(at, 0x11); break; /* not confirmed */
        case 4:
            cmd(at, 0xe8), cmd(at, 1), wr(at, 5), wr(at + 0x80, 5);
            break; /* beyond the buffer's piece */
        case 5: cmd(at, 0xe8), cmd(at, 1), wr(at + 0x80, 5), wr(at, 5); break;
        }
        assert_int_equal(rd(at), 0x00b000b0);
        cmd(at, 0x50);
        cmd(at, 0x70);
        assert_int_equal(rd(at), 0x00800080);
        cmd(at, 0xff);
        assert_int_equal(memory(at), 0);
        assert_int_equal(memory(at + 0x80), 0);
    }
}

static void test_locking(void **state)
{
    (void)state;
    erase(BANK1);
    for (unsigned i = 0; i < 3; i++) {
        cmd(BANK1, 0x60);
        cmd(BANK1, (const uint8_t[]){0xd0, 0x01, 0x2f}[i]);
        assert_int_equal(rd(BANK1), 0x00800080);
    }
    cmd(BANK1, 0xff);
    program_word(BANK1, 1);
    assert_int_equal(memory(BANK1), 1);
}

/* Any stores do no worse than change this bank's memory: the loader's promise to the sanitizers. */
static void test_noise(void **state)
{
    (void)state;
    uint32_t x = 1;
    for (unsigned i = 0; i < 300000; i++) {
        static const uint8_t common[] = {0x40, 0xe8, 0xd0, 0xff, 0x20, 0x70, 0x60, 3, 31};
        x = x * 1664525u + 1013904223u;
        const unsigned size = 1u << (x >> 8 & 3);
        const gpa_t at = (x >> 10 & 7 ? BANK1 : 0) + align_down((x >> 13) % (4 * SECTOR), size);
        if (x >> 30 == 0)
            rd_n(at, size);
        else
            wr_n(at, x >> 29 & 1 ? common[(x >> 3) % ARRAY_LEN(common)] : x, size);
    }
    cmd(0, 0xff);
    cmd(0, 0xff);
    bus_reset(&bus);
    assert_false(hidden(0));
    assert_false(hidden(BANK1));
}

/* ---- files ------------------------------------------------------------------------------------------------------------------ */

static void make_file(size_t len)
{
    uint8_t *b = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        b[i] = (uint8_t)(i / 4096 + 1);
    strcpy(path + strlen(path) - 6, "XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, b, len) == (ssize_t)len);
    close(fd);
    free(b);
}

static size_t read_file(uint8_t **b)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    *b = malloc((size_t)st.st_size + 1);
    assert_int_equal(fread(*b, 1, (size_t)st.st_size, f), st.st_size);
    fclose(f);
    return (size_t)st.st_size;
}

static void attach(void)
{
    struct err e = {0};
    if (flash_attach(flash, 1, "--flash1", path, &e))
        fail_msg("%s", e.text);
}

static void test_load(void **state)
{
    (void)state;
    struct err e = {0};
    make_file(3 * 4096 + 5);
    assert_int_equal(flash_load(flash, 0, "--firmware", path, &e), 0);
    assert_int_equal(memory(0), 0x01010101);
    assert_int_equal(memory(8192), 0x03030303);
    assert_int_equal(memory(12288 + 4), 4);
    unlink(path);
    assert_true(flash_load(flash, 0, "--firmware", path, &e) < 0);
    assert_non_null(strstr(e.text, "--firmware /tmp/vibe-flash"));
}

/* The file changes where the guest changed the flash, at once, and nowhere else. */
static void test_written_back(void **state)
{
    (void)state;
    uint8_t *b;
    const size_t len = 4 * SECTOR;
    make_file(len);
    attach();
    assert_int_equal(memory(BANK1 + 4096), 0x02020202);
    erase(BANK1 + SECTOR);
    program_word(BANK1 + SECTOR + 16, 0xdeadbeef);
    assert_int_equal(read_file(&b), len);
    for (size_t i = 0; i < len; i++) {
        const uint8_t word[] = {0xef, 0xbe, 0xad, 0xde};
        const uint8_t want = i - SECTOR - 16 < 4 ? word[i - SECTOR - 16]
                             : i / SECTOR == 1   ? 0xff
                                                 : (uint8_t)(i / 4096 + 1);
        if (b[i] != want)
            fail_msg("byte 0x%zx is 0x%02x, not 0x%02x", i, b[i], want);
    }
    free(b);
    unlink(path);
}

/* An empty file grows by whole sectors, with what the flash has there. */
static void test_file_grows(void **state)
{
    (void)state;
    uint8_t *b;
    make_file(0);
    attach();
    assert_int_equal(read_file(&b), 0);
    free(b);
    erase(BANK1);
    assert_int_equal(read_file(&b), SECTOR);
    free(b);
    erase(BANK1 + 2 * SECTOR);
    program_word(BANK1 + 2 * SECTOR, 0x11223344);
    assert_int_equal(read_file(&b), 3 * SECTOR);
    assert_int_equal(b[0], 0xff);
    assert_int_equal(b[SECTOR], 0);
    assert_int_equal(b[2 * SECTOR], 0x44);
    assert_int_equal(b[3 * SECTOR - 1], 0xff);
    free(b);
    unlink(path);
}

static void test_locked_file(void **state)
{
    (void)state;
    struct err e = {0};
    make_file(4096);
    attach();
    assert_true(flash_attach(flash, 0, "--flash1", path, &e) < 0);
    assert_non_null(strstr(e.text, "another virtual machine uses it"));
    unlink(path);
}

static void test_bad_files(void **state)
{
    (void)state;
    struct err e = {0};
    assert_true(flash_attach(flash, 1, "--flash1", "/nonexistent", &e) < 0);
    assert_non_null(strstr(e.text, "--flash1 /nonexistent: No such file"));
    assert_true(flash_attach(flash, 1, "--flash1", "/tmp", &e) < 0);
    assert_true(flash_attach(flash, 1, "--flash1", "/dev/null", &e) < 0);
    assert_non_null(strstr(e.text, "not a regular file"));
    make_file(1);
    assert_int_equal(truncate(path, (off_t)FLASH_BANK_LEN + 1), 0);
    assert_true(flash_attach(flash, 1, "--flash1", path, &e) < 0);
    assert_non_null(strstr(e.text, "larger than the 64 MiB"));
    unlink(path);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_identification), TEST(test_query),         TEST(test_erase_and_program),
        TEST(test_write_buffer),   TEST(test_bad_sequences), TEST(test_locking),
        TEST(test_noise),          TEST(test_load),          TEST(test_written_back),
        TEST(test_file_grows),     TEST(test_locked_file),   TEST(test_bad_files),
    };
    return cmocka_run_group_tests_name("flash", tests, NULL, NULL);
}
