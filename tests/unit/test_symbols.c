/* Symbols: maps and ELF files, good and bad; what is shown of an address. */
#include "base/bits.h"
#include "base/err.h"
#include "load/symbols.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct symbols s;
static struct err e;

static int map(const char *text, uint64_t offset)
{
    e = (struct err){0};
    const int r = symbols_add_map(&s, (const uint8_t *)text, strlen(text), offset, &e);
    if (!r)
        symbols_sort(&s);
    return r;
}

static void shows(uint64_t addr, const char *want)
{
    char text[64];
    assert_int_equal(symbols_text(&s, addr, text, sizeof(text)), strlen(want));
    assert_string_equal(text, want);
}

static int clean(void **state)
{
    (void)state;
    symbols_free(&s);
    return 0;
}

static void test_map(void **state)
{
    (void)state;
    assert_int_equal(map("ffff800008000000 T _text\n"
                         "ffff800008000000 t $x\n"
                         "0000000000000000 A absolute\n"
                         "ffff800008000100 T b\r\n"
                         "ffff800008000100 t a_local\n"
                         "ffff800008000200 d data\n"
                         "ffff800001000000 t init\t[virtio]\n",
                         0),
                     0);
    shows(0xffff800008000000, "_text");
    shows(0xffff8000080000fc, "_text+0xfc");
    shows(0xffff800008000100, "b"); /* the global one */
    shows(0xffff800008000200, "data");
    shows(0xffff8000080011ff, "data+0xfff"); /* the last one's length is a guess */
    shows(0xffff800008001200, "");
    shows(0xffff800001000010, "virtio:init+0x10");
    shows(0x1000, "");
    assert_true(symbols_by_name(&s, "b")->code);
    assert_false(symbols_by_name(&s, "data")->code);
    assert_null(symbols_by_name(&s, "$x"));
    clean(NULL);
    /* Moved, also backwards. */
    assert_int_equal(map("1000 T f", UINT64_C(0) - 0x800), 0);
    shows(0x804, "f+0x4");
}

static void test_bad_maps(void **state)
{
    static const char *const bad[] = {"hello",
                                      "1000",
                                      "1000 T",
                                      "1000 TT f",
                                      "12345678123456789 T f",
                                      "1000 T f\nwhat\n",
                                      "1000 t f [\n",
                                      "T f",
                                      "1000 T f [\n"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(map(bad[i], 0), -ENOEXEC);
        assert_non_null(strstr(e.text, "neither an ELF file nor a symbol map: line"));
    }
    assert_int_equal(map("0000000000000000 T _text\n0000000000000000 T start\n", 0), -ENOEXEC);
    assert_non_null(strstr(e.text, "kptr_restrict"));
    assert_int_equal(map("", 0), -ENOEXEC);
    bool is_elf;
    assert_int_equal(symbols_add_file(&s, "/nowhere/System.map", 0, &is_elf, &e), -ENOENT);
    assert_non_null(strstr(e.text, "--symbols /nowhere/System.map"));
}

/* --- ELF ------------------------------------------------------------------------------------------------------------ */

static uint8_t file[4096];
#define STRINGS 0x200
#define SYMBOLS 0x300
#define HEADERS 0x800 /* null, code, data, symbols, strings */

static void put(size_t at, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        file[at + i] = (uint8_t)(v >> 8 * i);
}

static void section(unsigned i, uint32_t type, uint64_t flags, uint64_t addr, uint64_t offset,
                    uint64_t size, uint32_t link, uint64_t entsize)
{
    const size_t at = HEADERS + 64 * i;
    put(at + 4, type, 4);
    put(at + 8, flags, 8);
    put(at + 16, addr, 8);
    put(at + 24, offset, 8);
    put(at + 32, size, 8);
    put(at + 40, link, 4);
    put(at + 56, entsize, 8);
}

static unsigned nr_syms, strings_len;

static void symbol(const char *name, unsigned info, unsigned index, uint64_t value, uint64_t size)
{
    const size_t at = SYMBOLS + 24 * nr_syms++;
    put(at, strings_len, 4);
    put(at + 4, info, 1);
    put(at + 6, index, 2);
    put(at + 8, value, 8);
    put(at + 16, size, 8);
    strcpy((char *)file + STRINGS + strings_len, name);
    strings_len += (unsigned)strlen(name) + 1;
    put(HEADERS + 64 * 3 + 32, 24 * nr_syms, 8);
    put(HEADERS + 64 * 4 + 32, strings_len, 8);
}

enum { GLOBAL = 16, NOTYPE = 0, OBJECT = 1, FUNC = 2, SECTION = 3, TLS = 6 };

static void make(void)
{
    memset(file, 0, sizeof(file));
    nr_syms = strings_len = 0;
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 183, 2);
    put(40, HEADERS, 8);
    put(58, 64, 2);
    put(60, 5, 2);
    section(1, 1, 6, 0x10000, 0, 0x1000, 0, 0);
    section(2, 8, 3, 0x20000, 0, 0x100, 0, 0);
    section(3, 2, 0, 0, SYMBOLS, 0, 4, 24);
    section(4, 3, 0, 0, STRINGS, 0, 0, 0);
    symbol("", 0, 0, 0, 0);
    symbol("$x", NOTYPE, 1, 0x10000, 0);
    symbol("_start", GLOBAL + NOTYPE, 1, 0x10000, 0);
    symbol("main", GLOBAL + FUNC, 1, 0x10100, 0x40);
    symbol("inner", NOTYPE, 1, 0x10110, 0);
    symbol("helper", FUNC, 1, 0x10200, 0x10);
    symbol("alias", GLOBAL + FUNC, 1, 0x10200, 0x10);
    symbol("counter", GLOBAL + OBJECT, 2, 0x20008, 8);
    symbol("_end", GLOBAL + NOTYPE, 2, 0x20100, 0);
    symbol("elsewhere", GLOBAL + FUNC, 0, 0, 0);
    symbol("size", GLOBAL + NOTYPE, 0xfff1, 0x1234, 0);
    symbol("text", SECTION, 1, 0x10000, 0);
    symbol("thread", GLOBAL + TLS, 2, 0x20000, 8);
}

static int elf(uint64_t offset)
{
    e = (struct err){0};
    const int r = symbols_add_elf(&s, file, sizeof(file), offset, &e);
    symbols_sort(&s);
    return r;
}

static void test_elf(void **state)
{
    (void)state;
    make();
    assert_int_equal(elf(0), 0);
    assert_int_equal(s.nr, 5); /* _start, main, alias, helper, counter */
    shows(0x10000, "_start");
    shows(0x100ff, "_start+0xff"); /* up to the next */
    shows(0x10113, "main+0x13");   /* not the label in it */
    shows(0x10140, "");            /* behind it */
    shows(0x10204, "alias+0x4");
    shows(0x2000f, "counter+0x7");
    shows(0x20010, "");
    assert_true(symbols_by_name(&s, "_start")->code);
    assert_false(symbols_by_name(&s, "counter")->code);
    clean(NULL);
    assert_int_equal(elf(0x40000000), 0);
    shows(0x40010100, "main");
}

static void test_bad_elf(void **state)
{
    static const struct {
        size_t at;
        unsigned len;
        uint64_t val;
        const char *want;
    } bad[] = {
        {4, 1, 1, "32-bit"},
        {18, 2, 62, "x86-64"},
        {40, 8, 0, "without section headers"},
        {40, 8, 4095, "section headers"},
        {40, 8, UINT64_MAX, "section headers"},
        {58, 2, 40, "section headers"},
        {60, 2, 0xfe00, "beyond the file"},
        {HEADERS + 64 * 3 + 4, 4, 7, "without symbols"},
        {HEADERS + 64 * 3 + 24, 8, 4090, "symbol table"},
        {HEADERS + 64 * 3 + 32, 8, UINT64_MAX, "symbol table"},
        {HEADERS + 64 * 3 + 40, 4, 5, "symbol table"},
        {HEADERS + 64 * 3 + 56, 8, 16, "symbol table"},
        {HEADERS + 64 * 4 + 24, 8, 5000, "symbol table"},
        {HEADERS + 64 * 4 + 32, 8, 0, "without symbols"}, /* no string is in the table */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        make();
        put(bad[i].at, bad[i].val, bad[i].len);
        assert_int_equal(elf(0), -ENOEXEC);
        assert_non_null(strstr(e.text, bad[i].want));
        clean(NULL);
    }
    assert_int_equal(symbols_add_elf(&s, file, 20, 0, &e), -ENOEXEC);
    /* A number of sections that does not fit its field is in section 0. */
    make();
    put(60, 0, 2);
    put(HEADERS + 32, 5, 8);
    assert_int_equal(elf(0), 0);
    assert_int_equal(s.nr, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_map, clean),
        cmocka_unit_test_teardown(test_bad_maps, clean),
        cmocka_unit_test_teardown(test_elf, clean),
        cmocka_unit_test_teardown(test_bad_elf, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
