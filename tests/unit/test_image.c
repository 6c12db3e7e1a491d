/* Kernel files: the Image header, unpacking, and what is refused. */
#include "base/bits.h"
#include "base/err.h"
#include "load/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if HAVE_ZLIB
#include <zlib.h>
#endif
#if HAVE_ZSTD
#include <zstd.h>
#endif

#define NO_LIMIT (UINT64_C(1) << 30)

static void put64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* An Image of 4 KiB. */
static void make_image(uint8_t *b, uint64_t text_offset, uint64_t image_size, uint64_t flags)
{
    memset(b, 0, 4096);
    memcpy(b, "MZ", 2);
    put64(b + 8, text_offset);
    put64(b + 16, image_size);
    put64(b + 24, flags);
    memcpy(b + 56, "ARM\x64", 4);
}

static void test_header(void **state)
{
    (void)state;
    static const struct {
        uint64_t text_offset, image_size, flags, want_offset, want_len;
        bool anywhere;
    } c[] = {
        {0, 0x10000, 0xa, 0, 0x10000, true},
        {0x80000, 0x2000, 2, 0x80000, 0x2000, false},
        {0, 100, 4, 0, 4096, false},              /* never less than the file */
        {0x12345678, 0, 0, 0x80000, 4096, false}, /* before 3.17 */
        {0x200000, 0x3ff00000, 8, 0x200000, 0x3ff00000, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        uint8_t b[4096];
        struct linux_image img;
        struct err e = {0};
        make_image(b, c[i].text_offset, c[i].image_size, c[i].flags);
        if (linux_image_parse(b, sizeof(b), &img, &e))
            fail_msg("%zu: %s", i, e.text);
        assert_true(img.header);
        assert_true(img.text_offset == c[i].want_offset && img.mem_len == c[i].want_len);
        assert_int_equal(img.anywhere, c[i].anywhere);
    }
}

static void test_no_header(void **state)
{
    (void)state;
    uint8_t b[256] = {0x20, 0x00, 0x80, 0x52, 0xff}; /* mov w0, #1 */
    struct linux_image img;
    assert_int_equal(linux_image_parse(b, sizeof(b), &img, NULL), 0);
    assert_false(img.header);
    assert_int_equal(img.text_offset, 0x80000);
    assert_int_equal(img.mem_len, sizeof(b));
    /* A header that the file ends in is none. */
    uint8_t image[4096];
    make_image(image, 0, 0x1000, 0);
    assert_false(linux_image_has_header(image, 60));
}

static void assert_no_kernel(const uint8_t *b, size_t len, const char *why)
{
    struct linux_image img;
    struct err e = {0};
    if (linux_image_parse(b, len, &img, &e) >= 0)
        fail_msg("accepted, not refused with \"%s\"", why);
    if (!strstr(e.text, why) || strchr(e.text, '\n'))
        fail_msg("\"%s\", not \"%s\"", e.text, why);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *magic;
        size_t len;
        const char *why;
    } c[] = {
        {0,
         "\xfd"
         "7zXZ",
         6, "xz -d"},
        {0, "BZh9", 4, "bzip2 -d"},
        {0, "\x04\x22\x4d\x18", 4, "lz4 -d"},
        {0, "PK\3\4", 4, "zip"},
        {0, "\x27\x05\x19\x56", 4, "U-Boot"},
        {0, "\xd0\x0d\xfe\xed", 4, "--dtb"},
        {0, "070701", 6, "--initrd"},
        {0, "!<arch>\ndebian-binary", 20, "dpkg-deb"},
        {0x202, "HdrS", 4, "x86"},
        {0x38, "RISC", 4, "RISC-V"},
        {0, "MZ", 2, "EFI program"},
    };
    uint8_t b[4096];
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        memset(b, 0xaa, sizeof(b));
        memcpy(b + c[i].at, c[i].magic, c[i].len);
        assert_no_kernel(b, sizeof(b), c[i].why);
    }
    assert_no_kernel((const uint8_t *)"#!/bin/sh\necho no kernel\n", 25, "text file");
    assert_no_kernel((const uint8_t *)"\1\2\3", 3, "not a kernel");
    make_image(b, 0, 0x10000, 1);
    assert_no_kernel(b, sizeof(b), "big-endian");
    make_image(b, 2, 0x10000, 0);
    assert_no_kernel(b, sizeof(b), "multiple of 4");
    make_image(b, UINT64_MAX - 3, 0x10000, 0);
    assert_no_kernel(b, sizeof(b), "damaged");
    make_image(b, 0, UINT64_MAX, 0);
    assert_no_kernel(b, sizeof(b), "damaged");
}

/* ---- compression ------------------------------------------------------------------------------------------------------------ */

static uint8_t *copy_of(const void *p, size_t len)
{
    uint8_t *b = malloc(len);
    memcpy(b, p, len);
    return b;
}

static void assert_unpacks(const uint8_t *packed, size_t packed_len, const uint8_t *want, size_t want_len)
{
    struct err e = {0};
    uint8_t *b = copy_of(packed, packed_len);
    size_t len = packed_len;
    if (kernel_unpack(&b, &len, NO_LIMIT, &e))
        fail_msg("%s", e.text);
    assert_int_equal(len, want_len);
    assert_memory_equal(b, want, want_len);
    free(b);
}

static void assert_not_unpacked(const uint8_t *packed, size_t packed_len, uint64_t limit, const char *why)
{
    struct err e = {0};
    uint8_t *b = copy_of(packed, packed_len);
    size_t len = packed_len;
    if (kernel_unpack(&b, &len, limit, &e) >= 0)
        fail_msg("unpacked, not refused with \"%s\"", why);
    if (!strstr(e.text, why))
        fail_msg("\"%s\", not \"%s\"", e.text, why);
    free(b);
}

/* Compressible, but not all alike. */
#define PLAIN_LEN (40u << 20)
static uint8_t *plain;

static int make_plain(void **state)
{
    (void)state;
    plain = malloc(PLAIN_LEN);
    uint32_t x = 1;
    for (size_t i = 0; i < PLAIN_LEN; i++) {
        if (i % 64 == 0)
            x = x * 1664525u + 1013904223u;
        plain[i] = (uint8_t)(x >> (i % 4 * 8));
    }
    return 0;
}

static int free_plain(void **state)
{
    (void)state;
    free(plain);
    return 0;
}

static void test_plain(void **state)
{
    (void)state;
    assert_unpacks(plain, 4096, plain, 4096);
}

/* The header of drivers/firmware/efi/libstub/zboot-header.S around a payload. */
static uint8_t *zboot(const char *method, const uint8_t *payload, size_t len)
{
    uint8_t *b = calloc(1, 512 + len);
    memcpy(b, "MZ\0\0zimg", 8);
    put64(b + 8, 512 | (uint64_t)len << 32);
    memcpy(b + 24, method, strlen(method));
    memcpy(b + 512, payload, len);
    return b;
}

#if HAVE_ZLIB
static size_t gzip(const uint8_t *in, size_t in_len, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)in,
                  .avail_in = (uInt)in_len,
                  .next_out = out,
                  .avail_out = (uInt)room};
    deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void test_gzip(void **state)
{
    (void)state;
    uint8_t *z = malloc(PLAIN_LEN), *both = malloc(PLAIN_LEN);
    size_t n = gzip(plain, PLAIN_LEN, z, PLAIN_LEN), m;
    assert_unpacks(z, n, plain, PLAIN_LEN);
    memset(z + n, 0, 100);
    assert_unpacks(z, n + 100, plain, PLAIN_LEN); /* padded */
    m = gzip(z, n, both, PLAIN_LEN);
    assert_unpacks(both, m, plain, PLAIN_LEN); /* twice */

    /* Two members are one file. */
    m = gzip(plain, 1000, both, PLAIN_LEN);
    m += gzip(plain + 1000, 2000, both + m, PLAIN_LEN - m);
    assert_unpacks(both, m, plain, 3000);

    assert_not_unpacked(z, n - 1, NO_LIMIT, "truncated");
    assert_not_unpacked(z, n / 2, NO_LIMIT, "truncated");
    assert_not_unpacked(z, 4, NO_LIMIT, "truncated");
    assert_not_unpacked(z, n, PLAIN_LEN - 1, "larger than the 39 MiB");
    z[n - 8] ^= 1;
    assert_not_unpacked(z, n, NO_LIMIT, "damaged gzip data: incorrect data check");
    z[n / 2] ^= 0xff;
    assert_not_unpacked(z, n, NO_LIMIT, "damaged gzip data");

    n = gzip(plain, 0, z, PLAIN_LEN);
    assert_not_unpacked(z, n, NO_LIMIT, "empty");
    n = gzip(plain, 1000, z, PLAIN_LEN);
    for (unsigned i = 0; i < 3; i++) {
        m = gzip(z, n, both, PLAIN_LEN);
        memcpy(z, both, n = m);
    }
    assert_not_unpacked(z, n, NO_LIMIT, "more than 3 times");
    free(z);
    free(both);
}

static void test_zboot(void **state)
{
    (void)state;
    uint8_t z[8192], *b;
    size_t n = gzip(plain, 100000, z, sizeof(z));
    b = zboot("gzip", z, n);
    assert_unpacks(b, 512 + n, plain, 100000);
    put64(b + 8, 512 | (uint64_t)(n + 1) << 32);
    assert_not_unpacked(b, 512 + n, NO_LIMIT, "reaches beyond");
    put64(b + 8, 0xffffffff | (uint64_t)n << 32);
    assert_not_unpacked(b, 512 + n, NO_LIMIT, "reaches beyond");
    free(b);
    b = zboot("gzip", plain, 1000);
    assert_not_unpacked(b, 1512, NO_LIMIT, "\"gzip\"");
    free(b);
    b = zboot("lzma", z, n);
    assert_not_unpacked(b, 512 + n, NO_LIMIT, "\"lzma\"");
    free(b);
}
#else
static void test_gzip(void **state)
{
    (void)state;
    assert_not_unpacked((const uint8_t *)"\x1f\x8b\x08\0\0\0\0\0", 8, NO_LIMIT, "zlib");
}

static void test_zboot(void **state)
{
    (void)state;
    uint8_t *b = zboot("gzip", (const uint8_t *)"\x1f\x8b\x08\0\0\0\0\0", 8);
    assert_not_unpacked(b, 520, NO_LIMIT, "zlib");
    free(b);
}
#endif

#if HAVE_ZSTD
static void test_zstd(void **state)
{
    (void)state;
    const size_t room = ZSTD_compressBound(PLAIN_LEN);
    uint8_t *z = malloc(room);
    size_t n = ZSTD_compress(z, room, plain, PLAIN_LEN, 1);
    assert_unpacks(z, n, plain, PLAIN_LEN);
    memcpy(z + n, "\0\0\x80\2", 4); /* the length that the kernel's build appends */
    assert_unpacks(z, n + 4, plain, PLAIN_LEN);
    assert_not_unpacked(z, n - 1, NO_LIMIT, "truncated");
    assert_not_unpacked(z, 5, NO_LIMIT, "truncated");
    assert_not_unpacked(z, n, PLAIN_LEN - 1, "larger than the 39 MiB");
    uint8_t *b = zboot("zstd", z, n);
    assert_unpacks(b, 512 + n, plain, PLAIN_LEN);
    free(b);
    z[4] ^= 0xff;
    assert_not_unpacked(z, n, NO_LIMIT, "zstd data");
    free(z);
}
#else
static void test_zstd(void **state)
{
    (void)state;
    assert_not_unpacked((const uint8_t *)"\x28\xb5\x2f\xfd\0\0\0\0", 8, NO_LIMIT, "libzstd");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),  cmocka_unit_test(test_no_header),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_plain),
        cmocka_unit_test(test_gzip),    cmocka_unit_test(test_zboot),
        cmocka_unit_test(test_zstd),
    };
    return cmocka_run_group_tests_name("image", tests, make_plain, free_plain);
}
