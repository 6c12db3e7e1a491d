/* Device trees: what is written is what libfdt reads; trees from outside are checked and changed. */
#include "base/bits.h"
#include "base/err.h"
#include "load/fdt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if HAVE_LIBFDT
#include <libfdt.h>

static void assert_prop(const void *fdt, const char *path, const char *name, const void *want, int want_len)
{
    int len;
    const void *p = fdt_getprop(fdt, fdt_path_offset(fdt, path), name, &len);
    if (!p)
        fail_msg("%s has no %s", path, name);
    if (len != want_len || memcmp(p, want, (size_t)len) != 0)
        fail_msg("%s %s: %d bytes, not as wanted", path, name, len);
}

static uint8_t *finish(struct fdt_ctx *f, size_t *len)
{
    struct err e = {0};
    uint8_t *blob;
    if (dt_finish(f, &blob, len, &e))
        fail_msg("%s", e.text);
    assert_int_equal(fdt_check_full(blob, *len), 0);
    return blob;
}

static struct fdt_ctx *create(void)
{
    struct err e = {0};
    struct fdt_ctx *f;
    if (dt_create(&f, &e))
        fail_msg("%s", e.text);
    return f;
}

static void test_properties(void **state)
{
    (void)state;
    size_t len;
    struct fdt_ctx *f = create();
    dt_string(f, "model", "test");
    dt_begin_at(f, "uart", 0x9000000);
    dt_strings(f, "compatible", "a,b\0c");
    dt_reg(f, (const struct dt_range[]){{0x109000000, 0x1000}, {1, 0x200000000}}, 2);
    dt_interrupts(
        f, (const struct dt_irq[]){{16, DT_LEVEL_HIGH}, {31, 0x302}, {32, DT_EDGE_RISING}, {95, 4}}, 4);
    dt_u64(f, "seed", UINT64_C(0x0102030405060708));
    dt_u32(f, "phandle", 7);
    dt_empty(f, "dma-coherent");
    dt_end(f);
    dt_begin(f, "chosen");
    dt_write_chosen(f, &(struct dt_chosen){"quiet", 0x48000000, 0x123});
    dt_end(f);
    uint8_t *b = finish(f, &len);

    static const uint8_t reg[] = {0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0,
                                  0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,    0};
    static const uint8_t irqs[] = {0, 0, 0, 1,  0, 0, 0, 0, 0, 0, 0, 4,  0, 0, 0, 1,
                                   0, 0, 0, 15, 0, 0, 3, 2, 0, 0, 0, 0,  0, 0, 0, 0,
                                   0, 0, 0, 1,  0, 0, 0, 0, 0, 0, 0, 63, 0, 0, 0, 4};
    assert_prop(b, "/", "model", "test", 5);
    assert_prop(b, "/uart@9000000", "compatible", "a,b\0c", 6);
    assert_prop(b, "/uart@9000000", "reg", reg, sizeof(reg));
    assert_prop(b, "/uart@9000000", "interrupts", irqs, sizeof(irqs));
    assert_prop(b, "/uart@9000000", "seed", "\1\2\3\4\5\6\7\10", 8);
    assert_prop(b, "/uart@9000000", "phandle", "\0\0\0\7", 4);
    assert_prop(b, "/uart@9000000", "dma-coherent", "", 0);
    assert_prop(b, "/chosen", "bootargs", "quiet", 6);
    assert_prop(b, "/chosen", "linux,initrd-start", "\0\0\0\0\x48\0\0\0", 8);
    assert_prop(b, "/chosen", "linux,initrd-end", "\0\0\0\0\x48\0\1\x23", 8);
    free(b);
}

/* Far more than the first buffer, so that the tree moves several times while it is written. */
static void test_large(void **state)
{
    (void)state;
    static uint8_t bytes[5000];
    size_t len;
    struct fdt_ctx *f = create();
    for (unsigned i = 0; i < 100; i++) {
        char name[32];
        dt_begin_at(f, "node", i);
        snprintf(name, sizeof(name), "property-%u", i);
        memset(bytes, (int)i, sizeof(bytes));
        dt_bytes(f, name, bytes, sizeof(bytes));
        dt_end(f);
    }
    uint8_t *b = finish(f, &len);
    assert_true(len > 500000);
    for (unsigned i = 0; i < 100; i++) {
        char path[32], name[32];
        snprintf(path, sizeof(path), "/node@%x", i);
        snprintf(name, sizeof(name), "property-%u", i);
        memset(bytes, (int)i, sizeof(bytes));
        assert_prop(b, path, name, bytes, sizeof(bytes));
    }
    free(b);
}

static uint8_t *small_tree(bool chosen, size_t *len)
{
    struct fdt_ctx *f = create();
    dt_string(f, "model", "small");
    if (chosen) {
        dt_begin(f, "chosen");
        dt_string(f, "bootargs", "old");
        dt_string(f, "stdout-path", "/uart");
        dt_end(f);
    }
    return finish(f, len);
}

static void test_adapt(void **state)
{
    (void)state;
    for (int chosen = 0; chosen < 2; chosen++) {
        struct err e = {0};
        size_t len, out_len;
        uint8_t *b = small_tree(chosen, &len), *out;
        static char text[2048];
        memset(text, 'x', sizeof(text) - 1);
        const struct dt_chosen c = {text, UINT64_C(0x140000000), 0x1000};
        assert_int_equal(dt_adapt(b, len, &c, &out, &out_len, &e), 0);
        assert_int_equal(fdt_check_full(out, out_len), 0);
        assert_prop(out, "/", "model", "small", 6);
        assert_prop(out, "/chosen", "bootargs", text, sizeof(text));
        assert_prop(out, "/chosen", "linux,initrd-start", "\0\0\0\1\x40\0\0\0", 8);
        assert_prop(out, "/chosen", "linux,initrd-end", "\0\0\0\1\x40\0\x10\0", 8);
        if (chosen)
            assert_prop(out, "/chosen", "stdout-path", "/uart", 6);
        free(out);

        /* What is not asked for stays. */
        assert_int_equal(dt_adapt(b, len, &(struct dt_chosen){0}, &out, &out_len, &e), 0);
        if (chosen)
            assert_prop(out, "/chosen", "bootargs", "old", 4);
        assert_null(fdt_getprop(out, fdt_path_offset(out, "/chosen"), "linux,initrd-start", NULL));
        free(out);
        free(b);
    }
}

static void assert_refused(const uint8_t *buf, size_t len, const char *why)
{
    struct err e = {0};
    uint8_t *out;
    size_t out_len;
    if (dt_adapt(buf, len, &(struct dt_chosen){.bootargs = "x"}, &out, &out_len, &e) >= 0)
        fail_msg("accepted, not refused with \"%s\"", why);
    assert_null(out);
    if (!strstr(e.text, why))
        fail_msg("\"%s\", not \"%s\"", e.text, why);
}

static void test_adapt_refuses(void **state)
{
    (void)state;
    size_t len;
    uint8_t *b = small_tree(true, &len);
    assert_refused(b, 0, "not a device tree");
    assert_refused(b, 20, "not a device tree");
    assert_refused((const uint8_t *)"/dts-v1/; / { model = \"source\"; chosen {}; };", 46, "dtc");
    assert_refused(b, len - 1, "truncated");
    b[7] = 0xff;
    b[6] = 0xff;
    assert_refused(b, len, "truncated");
    b[5] = 0xff;
    assert_refused(b, len, "2 MiB");
    free(b);
    /* One byte wrong at a time: refused, or a good tree comes out. */
    for (size_t i = 0; i < len; i++)
        for (unsigned x = 1; x < 256; x <<= 1) {
            size_t out_len;
            uint8_t *out;
            b = small_tree(true, &len);
            b[i] ^= (uint8_t)x;
            if (dt_adapt(b, len, &(struct dt_chosen){.bootargs = "x"}, &out, &out_len, NULL) == 0)
                assert_int_equal(fdt_check_full(out, out_len), 0);
            free(out);
            free(b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_adapt),
        cmocka_unit_test(test_adapt_refuses),
    };
    return cmocka_run_group_tests_name("fdt", tests, NULL, NULL);
}

#else

static void test_without_libfdt(void **state)
{
    (void)state;
    struct fdt_ctx *f;
    struct err e = {0};
    assert_true(dt_create(&f, &e) < 0);
    assert_non_null(strstr(e.text, "libfdt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_libfdt)};
    return cmocka_run_group_tests_name("fdt", tests, NULL, NULL);
}

#endif
