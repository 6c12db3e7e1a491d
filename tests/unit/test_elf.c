/* The ELF parser against made-up files, each wrong in one way; loading into guest memory; the map of what lies where. */
#include "base/bits.h"
#include "base/err.h"
#include "load/load.h"
#include "mem/ram.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_PH 80
#define FILE_LEN 0x3000
#define RAM_LEN UINT64_C(0x100000)

/* Where fields are, written again from the specification and not taken from the parser. */
struct ph {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

static uint8_t file[FILE_LEN];
static size_t file_len;

static void put(size_t at, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        file[at + i] = (uint8_t)(v >> 8 * i);
}

static void make(const struct ph *ph, unsigned nr, uint64_t entry)
{
    assert_true(nr <= MAX_PH);
    memset(file, 0, sizeof(file));
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 183, 2);
    put(20, 1, 4);
    put(24, entry, 8);
    put(32, 64, 8);
    put(52, 64, 2);
    put(54, 56, 2);
    put(56, nr, 2);
    for (unsigned i = 0; i < nr; i++) {
        size_t p = 64 + (size_t)i * 56;
        put(p, ph[i].type, 4);
        put(p + 4, ph[i].flags, 4);
        put(p + 8, ph[i].offset, 8);
        put(p + 16, ph[i].vaddr, 8);
        put(p + 24, ph[i].paddr, 8);
        put(p + 32, ph[i].filesz, 8);
        put(p + 40, ph[i].memsz, 8);
        put(p + 48, ph[i].align, 8);
    }
    for (size_t i = 0x2000; i < FILE_LEN; i++)
        file[i] = (uint8_t)(i * 7 + 1);
    file_len = FILE_LEN;
}

static const struct ph good[2] = {
    {1, 5, 0x2000, 0xffff000000080000, 0x80000, 0x100, 0x100, 0x1000},
    {1, 6, 0x2100, 0xffff000000081000, 0x81000, 0x80, 0x1000, 0x1000},
};
#define GOOD_ENTRY 0xffff000000080010

static void refused(const char *text)
{
    struct elf_image elf;
    struct err e = {0};
    /* A copy of just this length, so that the sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(file_len ? file_len : 1);
    memcpy(copy, file, file_len);
    int r = elf_parse(copy, file_len, &elf, &e);
    free(copy);
    if (r >= 0 || !strstr(e.text, text))
        fail_msg("gave %d \"%s\", want \"%s\"", r, e.text, text);
}

static void test_good(void **state)
{
    (void)state;
    struct elf_image elf;
    struct err e = {0};
    make(good, 2, GOOD_ENTRY);
    assert_int_equal(elf_parse(file, file_len, &elf, &e), 0);
    assert_int_equal(elf.nr_segments, 2);
    assert_int_equal(elf.entry, 0x80010);
    assert_int_equal(elf.lowest, 0x80000);
    assert_int_equal(elf.highest, 0x81fff);
    assert_true(elf.segment[0].exec);
    assert_false(elf.segment[1].exec);

    /* In any order, with notes and empty segments between; position-independent. */
    const struct ph mixed[5] = {good[1],
                                {4, 4, 0, 0, 0, UINT64_MAX, 0, 0},
                                {1, 6, UINT64_MAX, 0, 0, 0, 0, 0},
                                good[0],
                                {0x6474e551, 6, 0, 0, 0, 0, 0, 16}};
    make(mixed, 5, GOOD_ENTRY);
    put(16, 3, 2);
    assert_int_equal(elf_parse(file, file_len, &elf, &e), 0);
    assert_int_equal(elf.nr_segments, 2);
    assert_int_equal(elf.segment[0].base, 0x80000);

    /* No bytes in the file at all: only zeros; and one that ends with the address space. */
    const struct ph high[2] = {good[0], {1, 6, 0, UINT64_MAX - 0xfff, UINT64_MAX - 0xfff, 0, 0x1000, 1}};
    make(high, 2, GOOD_ENTRY);
    assert_int_equal(elf_parse(file, file_len, &elf, &e), 0);
    assert_true(elf.highest == UINT64_MAX);
}

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned len;
        uint64_t val;
        const char *text;
    } c[] = {
        {0, 1, 0x7e, "not an ELF file; a raw binary goes with --binary"},
        {4, 1, 1, "a 32-bit ELF"},
        {4, 1, 3, "unknown class 3"},
        {5, 1, 2, "a big-endian ELF"},
        {5, 1, 0, "unknown data encoding"},
        {6, 1, 0, "unknown data encoding or version"},
        {18, 2, 62, "an ELF for x86-64"},
        {18, 2, 40, "an ELF for 32-bit Arm"},
        {18, 2, 0xfff0, "another machine (number 65520)"},
        {16, 2, 1, "an ELF object file"},
        {16, 2, 4, "core dump"},
        {16, 2, 0xfe00, "unknown type 65024"},
        {24, 8, 0x80010, "entry point 0x80010 is in none"},
        {24, 8, 0xffff000000081000, "is in none of its executable segments"},
        {24, 8, GOOD_ENTRY + 2, "entry point 0x80012 is not a multiple of 4"},
        {32, 8, FILE_LEN - 56, "truncated ELF: 2 program headers at 0x2fc8"},
        {32, 8, FILE_LEN + 1, "truncated ELF"},
        {32, 8, UINT64_MAX - 8, "truncated ELF"},
        {54, 2, 32, "program headers of 32 bytes"},
        {54, 2, 0, "program headers of 0 bytes"},
        {56, 2, 0, "without program headers"},
        {56, 2, 0xffff, "more than 65534 program headers"},
    };
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        make(good, 2, GOOD_ENTRY);
        put(c[i].at, c[i].val, c[i].len);
        refused(c[i].text);
    }
    make(good, 2, GOOD_ENTRY);
    for (file_len = 4; file_len < 64; file_len++)
        refused("truncated ELF: the header");
    for (; file_len < 64 + 2 * 56; file_len++)
        refused("truncated ELF: 2 program headers");
    for (; file_len < 0x2180; file_len += 0x40)
        refused("truncated ELF: segment");
    for (file_len = 0; file_len < 4; file_len++)
        refused("not an ELF file");
}

static void test_bad_segments(void **state)
{
    (void)state;
    const struct {
        struct ph ph;
        const char *text;
    } c[] = {
        {{1, 6, 0x2000, 0x90000, 0x90000, 0x101, 0x100, 1}, "more bytes in the file (0x101) than in memory"},
        {{1, 6, FILE_LEN - 1, 0x90000, 0x90000, 2, 2, 1}, "segment 1 at 0x2fff+0x2 reaches beyond the file"},
        {{1, 6, UINT64_MAX, 0x90000, 0x90000, 2, 2, 1}, "reaches beyond the file"},
        {{1, 6, 0x2000, 0x90000, 0x90000, UINT64_MAX, UINT64_MAX, 1}, "reaches beyond the file"},
        {{1, 6, 0, 0x90000, UINT64_MAX - 0xfff, 0, 0x1001, 1}, "wraps around the address space"},
        {{1, 6, 0, UINT64_MAX - 0xfff, 0x90000, 0, 0x1001, 1}, "wraps around the address space"},
        {{1, 6, 0x2000, 0x800ff, 0x800ff, 1, 1, 1}, "segment 1 at 0x800ff+0x1 overlaps another"},
        {{1, 6, 0x2000, 0x7ffff, 0x7ffff, 2, 2, 1}, "overlaps another"},
        {{1, 6, 0x2000, 0, 0, 0x10, 0x7ffffffffffffff, 1}, "overlaps another"},
        {{3, 4, 0x2000, 0, 0, 0x10, 0x10, 1}, "dynamically linked program"},
    };
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        struct ph ph[2] = {good[0], c[i].ph};
        make(ph, 2, GOOD_ENTRY);
        refused(c[i].text);
    }
    struct ph none = {4, 4, 0, 0, 0, 0, 0, 0};
    make(&none, 1, 0);
    refused("without segments to load");

    struct ph many[ELF_MAX_SEGMENTS + 1];
    for (unsigned i = 0; i <= ELF_MAX_SEGMENTS; i++)
        many[i] = (struct ph){1, 5, 0x2000, i * 0x1000, i * 0x1000, 0x10, 0x10, 1};
    make(many, ELF_MAX_SEGMENTS + 1, 0);
    refused("more than 64 segments");
    struct elf_image elf;
    make(many, ELF_MAX_SEGMENTS, 0);
    assert_int_equal(elf_parse(file, file_len, &elf, NULL), 0);
}

struct fixture {
    struct ram ram;
    struct load_map map;
};

static struct fixture *setup(void)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_int_equal(ram_init(&f->ram, NULL), 0);
    assert_int_equal(ram_add(&f->ram, 0, RAM_LEN, RAM_KIND_RAM, NULL), 0);
    assert_int_equal(ram_add(&f->ram, 0x40000000, RAM_LEN, RAM_KIND_RAM, NULL), 0);
    assert_int_equal(ram_add(&f->ram, 0x80000000, RAM_LEN, RAM_KIND_ROM, NULL), 0);
    return f;
}

static void teardown(struct fixture *f)
{
    ram_destroy(&f->ram);
    free(f);
}

static void test_load(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct elf_image elf;
    struct err e = {0};
    make(good, 2, GOOD_ENTRY);
    assert_int_equal(elf_parse(file, file_len, &elf, &e), 0);
    assert_int_equal(elf_load(&elf, file, &f->ram, &f->map, "--kernel k", &e), 0);
    uint8_t got[0x1000];
    assert_true(ram_read(&f->ram, 0x80000, got, 0x100));
    assert_memory_equal(got, file + 0x2000, 0x100);
    assert_true(ram_read(&f->ram, 0x81000, got, 0x1000));
    assert_memory_equal(got, file + 0x2100, 0x80);
    for (int i = 0x80; i < 0x1000; i++)
        assert_int_equal(got[i], 0);
    assert_int_equal(f->map.nr, 2);

    /* Loaded again after a reset, over what the guest left there and around it. */
    memset(ram_ptr(&f->ram, 0x7f000, 0x4000, true), 0xa5, 0x4000);
    f->map.nr = 0;
    assert_int_equal(elf_load(&elf, file, &f->ram, &f->map, "--kernel k", &e), 0);
    assert_true(ram_read(&f->ram, 0x81000, got, 0x1000));
    assert_memory_equal(got, file + 0x2100, 0x80);
    for (int i = 0x80; i < 0x1000; i++)
        assert_int_equal(got[i], 0);
    assert_int_equal(*(uint8_t *)ram_ptr(&f->ram, 0x80fff, 1, false), 0xa5);
    assert_int_equal(*(uint8_t *)ram_ptr(&f->ram, 0x82000, 1, false), 0xa5);

    /* Twice is an overlap with itself. */
    assert_int_equal(elf_load(&elf, file, &f->ram, &f->map, "--kernel again", &e), -EEXIST);
    assert_non_null(
        strstr(e.text, "--kernel again: 0x80000-0x800ff overlaps --kernel k at 0x80000-0x800ff"));
    teardown(f);

    /* A large tail costs nothing while it is untouched, and its used pages alone are zeroed. */
    f = setup();
    const struct ph bss = {1, 5, 0x2000, 0, 0, 0x10, RAM_LEN, 1};
    make(&bss, 1, 0);
    assert_int_equal(elf_parse(file, file_len, &elf, &e), 0);
    for (int again = 0; again < 2; again++) {
        f->map.nr = 0;
        assert_int_equal(elf_load(&elf, file, &f->ram, &f->map, "--kernel k", &e), 0);
        struct stat st;
        assert_int_equal(fstat(f->ram.region[0].fd, &st), 0);
        assert_true((uint64_t)st.st_blocks * 512 < RAM_LEN / 2);
        for (uint64_t at = 0x10; at < RAM_LEN; at += 0x40000)
            *(uint8_t *)ram_ptr(&f->ram, at, 1, true) = 1;
    }
    f->map.nr = 0;
    assert_int_equal(elf_load(&elf, file, &f->ram, &f->map, "--kernel k", &e), 0);
    const uint8_t *all = ram_ptr(&f->ram, 0, RAM_LEN, false);
    for (uint64_t at = 0x10; at < RAM_LEN; at++)
        assert_int_equal(all[at], 0);
    teardown(f);

    static const struct {
        uint64_t base, len;
        const char *text;
    } c[] = {
        {0x20000000, 0x100, "0x20000000 is not in guest memory (0x0-0xfffff, 0x40000000-0x400fffff"},
        {RAM_LEN - 0x100, 0x101, "do not fit into guest memory"},
        {0x80000000, 0x100, "read-only memory"},
    };
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        f = setup();
        struct ph ph = {1, 5, 0x2000, c[i].base, c[i].base, 0x10, c[i].len, 1};
        make(&ph, 1, c[i].base);
        assert_int_equal(elf_parse(file, file_len, &elf, &e), 0);
        assert_true(elf_load(&elf, file, &f->ram, &f->map, "--kernel k", &e) < 0);
        if (!strstr(e.text, c[i].text))
            fail_msg("gave \"%s\", want \"%s\"", e.text, c[i].text);
        teardown(f);
    }
}

static void test_map(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct err e = {0};
    gpa_t at;
    assert_int_equal(load_map_add(&f->map, &f->ram, 0x1000, 0x1000, "a", &e), 0);
    assert_int_equal(load_map_add(&f->map, &f->ram, 0x3000, 0x1000, "b", &e), 0);
    assert_int_equal(load_map_add(&f->map, &f->ram, 0x2000, 0x1000, "c", &e), 0);
    assert_int_equal(load_map_add(&f->map, &f->ram, 0, 0x1001, "d", &e), -EEXIST);
    assert_int_equal(load_map_add(&f->map, &f->ram, 0x3fff, 1, "d", &e), -EEXIST);
    assert_int_equal(load_map_add(&f->map, &f->ram, 0x1800, 1, "d", &e), -EEXIST);
    assert_int_equal(load_map_add(&f->map, &f->ram, 0x800, UINT64_MAX, "d", &e), -EFAULT);
    assert_int_equal(load_map_add(&f->map, &f->ram, 0x4000, 1, "d", &e), 0);

    assert_true(load_map_find(&f->map, &f->ram, 0, UINT64_MAX, 0x1000, 0x1000, false, &at));
    assert_int_equal(at, 0);
    assert_true(load_map_find(&f->map, &f->ram, 1, UINT64_MAX, 0x1000, 0x1000, false, &at));
    assert_int_equal(at, 0x5000);
    assert_true(load_map_find(&f->map, &f->ram, 1, UINT64_MAX, 0x1000, 1, false, &at));
    assert_int_equal(at, 0x4001);
    assert_true(load_map_find(&f->map, &f->ram, 0, UINT64_MAX, 0x1000, 0x200000, true, &at));
    assert_int_equal(at, 0x40000000);
    assert_true(load_map_find(&f->map, &f->ram, 0, RAM_LEN, 0x1001, 0x1000, true, &at));
    assert_int_equal(at, RAM_LEN - 0x2000);
    assert_true(load_map_find(&f->map, &f->ram, 0, 0x4800, 0x1000, 1, true, &at));
    assert_int_equal(at, 0);
    assert_false(load_map_find(&f->map, &f->ram, 0, 0x4800, 0x1001, 1, true, &at));
    assert_false(load_map_find(&f->map, &f->ram, 0, UINT64_MAX, RAM_LEN + 1, 1, false, &at));
    assert_false(load_map_find(&f->map, &f->ram, 0x80000000, UINT64_MAX, 1, 1, false, &at));
    assert_false(load_map_find(&f->map, &f->ram, 0, UINT64_MAX, 0, 1, false, &at));
    teardown(f);
}

static void write_file(const char *path, const void *buf, size_t len)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(buf, 1, len, f), len);
    fclose(f);
}

static void test_raw(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct err e = {0};
    uint64_t len = 0;
    char dir[] = "/tmp/vibe-test-elf.XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/file", dir);
    write_file(path, "0123456789", 10);
    assert_int_equal(load_binary(&f->ram, &f->map, path, 0x10000, &len, &e), 0);
    assert_int_equal(len, 10);
    char got[11] = "";
    assert_true(ram_read(&f->ram, 0x10000, got, 10));
    assert_string_equal(got, "0123456789");

    assert_int_equal(load_blob(&f->ram, &f->map, path, 0x10009, &e), -EEXIST);
    assert_non_null(strstr(e.text, "overlaps --binary"));
    assert_int_equal(load_blob(&f->ram, &f->map, path, RAM_LEN - 9, &e), -EFAULT);
    assert_int_equal(load_blob(&f->ram, &f->map, path, RAM_LEN - 10, &e), 0);
    assert_int_equal(load_blob(&f->ram, &f->map, path, 0x20000000, &e), -EFAULT);
    assert_int_equal(load_blob(&f->ram, &f->map, path, 0x80000000, &e), 0); /* flash has contents too */
    assert_int_equal(load_blob(&f->ram, &f->map, dir, 0x20000, &e), -EISDIR);
    assert_int_equal(load_binary(&f->ram, &f->map, path, 0x20002, &len, &e), -EINVAL);
    assert_int_equal(load_binary(&f->ram, &f->map, path, 0x20000000, &len, &e), -EFAULT);
    assert_non_null(strstr(e.text, "(0x0-0xfffff, 0x40000000-0x400fffff)")); /* the flash is not offered */
    assert_int_equal(load_binary(&f->ram, &f->map, path, 0x80000100, &len, &e), -EFAULT);
    assert_int_equal(load_binary(&f->ram, &f->map, path, 0x20000000, &len, &e), -EFAULT);
    assert_non_null(strstr(e.text, "--entry 0x20000000: is outside guest RAM"));
    write_file(path, "\177ELFxxxx", 8);
    assert_int_equal(load_binary(&f->ram, &f->map, path, 0x20000, &len, &e), -ENOEXEC);
    write_file(path, "", 0);
    assert_int_equal(load_binary(&f->ram, &f->map, path, 0x30000, &len, &e), -ENODATA);
    unlink(path);
    assert_int_equal(load_binary(&f->ram, &f->map, path, 0x30000, &len, &e), -ENOENT);
    rmdir(dir);

    /* Pipes: by descriptor, longer than one read, up to the limit and beyond. */
    int fd[2];
    uint8_t *buf;
    size_t n;
    char name[32];
    for (int extra = 0; extra < 2; extra++) {
        assert_int_equal(pipe(fd), 0);
        snprintf(name, sizeof(name), "/dev/fd/%d", fd[0]);
        assert_int_equal(write(fd[1], file, 1000 + (size_t)extra), 1000 + extra);
        close(fd[1]);
        int r = load_file("--x", name, 1000, &buf, &n, &e);
        close(fd[0]);
        if (extra) {
            assert_int_equal(r, -EFBIG);
        } else {
            assert_int_equal(r, 0);
            assert_int_equal(n, 1000);
            assert_memory_equal(buf, file, 1000);
            free(buf);
        }
    }
    teardown(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),         cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_bad_segments), cmocka_unit_test(test_load),
        cmocka_unit_test(test_map),          cmocka_unit_test(test_raw),
    };
    return cmocka_run_group_tests_name("elf", tests, NULL, NULL);
}
