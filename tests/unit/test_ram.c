/* Guest memory: regions, bounds, copies, sparseness. */
#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "mem/ram.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KB64 UINT64_C(0x10000)

static void test_add(void **state)
{
    struct ram r;
    struct err e;
    (void)state;
    assert_int_equal(ram_init(&r, &e), 0);
    assert_int_equal(ram_add(&r, 4 * KB64, 2 * KB64, RAM_KIND_RAM, &e), 0);
    uint8_t *host = ram_ptr(&r, 4 * KB64, 1, true);
    assert_int_equal(ram_add(&r, 0, KB64, RAM_KIND_RAM, &e), 0);
    assert_int_equal(ram_add(&r, 2 * KB64, 2 * KB64, RAM_KIND_ROM, &e), 0);
    assert_int_equal(r.nr_regions, 3);
    assert_true(r.region[0].base == 0 && r.region[1].base == 2 * KB64 && r.region[2].base == 4 * KB64);
    assert_ptr_equal(ram_ptr(&r, 4 * KB64, 1, true), host);

    static const struct {
        gpa_t base;
        uint64_t len;
    } bad[] = {
        {8 * KB64, 0},
        {8 * KB64, KB64 + 1},
        {8 * KB64 + 4096, KB64},
        {0, KB64},
        {3 * KB64, KB64},
        {KB64, 2 * KB64},
        {5 * KB64, 2 * KB64},
        {KB64, 100 * KB64},
        {-KB64, 2 * KB64},
        {-KB64, KB64},
        {0, -KB64},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        e.text[0] = 0;
        assert_int_equal(ram_add(&r, bad[i].base, bad[i].len, RAM_KIND_RAM, &e), -EINVAL);
        assert_int_equal(e.code, EINVAL);
        assert_true(e.text[0]);
    }
    assert_int_equal(r.nr_regions, 3);
    for (unsigned i = 3; i < RAM_MAX_REGIONS; i++)
        assert_int_equal(ram_add(&r, 100 * i * KB64, KB64, RAM_KIND_RAM, &e), 0);
    assert_int_equal(ram_add(&r, 10 * KB64, KB64, RAM_KIND_RAM, &e), -ENOSPC);
    ram_destroy(&r);
    assert_int_equal(r.nr_regions, 0);
}

/* RAM [1,3), ROM [3,4) adjacent, RAM [5,6), in units of 64 KiB. */
static void setup_regions(struct ram *r)
{
    assert_int_equal(ram_init(r, NULL), 0);
    assert_int_equal(ram_add(r, KB64, 2 * KB64, RAM_KIND_RAM, NULL), 0);
    assert_int_equal(ram_add(r, 3 * KB64, KB64, RAM_KIND_ROM, NULL), 0);
    assert_int_equal(ram_add(r, 5 * KB64, KB64, RAM_KIND_RAM, NULL), 0);
}

static void test_ptr(void **state)
{
    struct ram r;
    (void)state;
    setup_regions(&r);
    assert_null(ram_find(&r, KB64 - 1));
    assert_true(ram_find(&r, KB64)->base == KB64);
    assert_true(ram_find(&r, 3 * KB64 - 1)->base == KB64);
    assert_true(ram_find(&r, 3 * KB64)->kind == RAM_KIND_ROM);
    assert_null(ram_find(&r, 4 * KB64));
    assert_null(ram_find(&r, UINT64_MAX));

    uint8_t *host = ram_ptr(&r, KB64, 2 * KB64, true);
    assert_non_null(host);
    assert_ptr_equal(ram_ptr(&r, KB64 + 5, 1, true), host + 5);
    assert_ptr_equal(ram_ptr(&r, 3 * KB64 - 1, 1, true), host + 2 * KB64 - 1);
    assert_null(ram_ptr(&r, KB64, 2 * KB64 + 1, true));
    assert_null(ram_ptr(&r, 3 * KB64 - 1, 2, false)); /* into the next region */
    assert_null(ram_ptr(&r, KB64 + 1, UINT64_MAX, false));
    assert_null(ram_ptr(&r, KB64 - 1, 1, false));
    assert_non_null(ram_ptr(&r, 3 * KB64, KB64, false));
    assert_null(ram_ptr(&r, 3 * KB64, 1, true));
    ram_destroy(&r);
}

static void test_copy(void **state)
{
    struct ram r;
    uint8_t in[300], out[300];
    (void)state;
    setup_regions(&r);
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (uint8_t)(i * 7 + 1);

    assert_true(ram_write(&r, KB64, in, sizeof(in)));
    assert_true(ram_read(&r, KB64, out, sizeof(out)));
    assert_memory_equal(in, out, sizeof(in));

    /* Across RAM and ROM: reads and pokes go, a write stores nothing at all. */
    gpa_t seam = 3 * KB64 - 100;
    assert_false(ram_write(&r, seam, in, sizeof(in)));
    assert_true(ram_read(&r, seam, out, sizeof(out)));
    for (size_t i = 0; i < sizeof(out); i++)
        assert_int_equal(out[i], 0);
    assert_true(ram_poke(&r, seam, in, sizeof(in)));
    assert_true(ram_read(&r, seam, out, sizeof(out)));
    assert_memory_equal(in, out, sizeof(in));

    /* Into a gap, and round the top of the address space. */
    memset(out, 0xee, sizeof(out));
    assert_false(ram_read(&r, 4 * KB64 - 1, out, 2));
    assert_false(ram_poke(&r, 4 * KB64 - 1, in, 2));
    assert_int_equal(out[0], 0xee);
    assert_false(ram_read(&r, UINT64_MAX, out, 2));
    assert_false(ram_read(&r, KB64, out, UINT64_MAX));
    assert_true(ram_read(&r, UINT64_MAX, out, 0));
    ram_destroy(&r);
}

static void test_sparse_and_shared(void **state)
{
    struct ram r;
    struct stat st;
    (void)state;
    assert_int_equal(ram_init(&r, NULL), 0);
    assert_int_equal(ram_add(&r, 0, UINT64_C(1) << 36, RAM_KIND_RAM, NULL), 0);
    assert_int_equal(ram_add(&r, UINT64_C(1) << 36, KB64, RAM_KIND_RAM, NULL), 0);
    uint64_t v = 0x1122334455667788;
    assert_true(ram_write(&r, (UINT64_C(1) << 36) - 4, &v, 8)); /* across both */
    assert_int_equal(fstat(r.region[0].fd, &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 <= UINT64_C(4) << 20);

    /* A second mapping of the object is the same memory. */
    size_t page = os_page_size();
    uint8_t *again = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, r.region[1].fd, 0);
    assert_true(again != MAP_FAILED);
    assert_int_equal(again[3], 0x11);
    again[3] = 0x99;
    assert_int_equal(*(uint8_t *)ram_ptr(&r, (UINT64_C(1) << 36) + 3, 1, false), 0x99);
    munmap(again, page);
    ram_destroy(&r);
}

static void test_next_data(void **state)
{
    struct ram r;
    uint64_t from = 0, to = 0;
    (void)state;
    assert_int_equal(ram_init(&r, NULL), 0);
    assert_int_equal(ram_add(&r, KB64, UINT64_C(1) << 30, RAM_KIND_RAM, NULL), 0);
    const struct ram_region *g = ram_find(&r, KB64);
    assert_false(ram_next_data(g, &from, &to));
    *g->host = 1;
    g->host[400 * KB64 + 5] = 2;
    g->host[g->len - 1] = 3;
    bool seen[3] = {false};
    for (; ram_next_data(g, &from, &to); from = to) {
        assert_true(from < to && to <= g->len && to - from <= 4u << 20);
        seen[0] |= from == 0;
        seen[1] |= from <= 400 * KB64 + 5 && to > 400 * KB64 + 5;
        seen[2] |= to == g->len;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    from = g->len;
    assert_false(ram_next_data(g, &from, &to));
    ram_destroy(&r);
}

static void test_gpa(void **state)
{
    struct ram r;
    gpa_t gpa = 0;
    (void)state;
    setup_regions(&r);
    for (gpa_t at = 0; at < 7 * KB64; at += KB64 / 2) {
        const void *host = ram_ptr(&r, at, 1, false);
        if (host)
            assert_true(ram_gpa(&r, host, &gpa) && gpa == at);
    }
    assert_false(ram_gpa(&r, &r, &gpa));
    assert_false(ram_gpa(&r, NULL, &gpa));
    ram_destroy(&r);
}

/* A region that is a file's: stores stay the region's own, and what is given back does not come back from the file. */
static void test_file(void **state)
{
    char path[] = "/tmp/vibe-ram-XXXXXX";
    struct ram r;
    struct err e = {0};
    const size_t page = os_page_size();
    uint8_t *bytes = malloc(2 * KB64), *after = malloc(2 * KB64);
    const int fd = mkstemp(path);
    (void)state;
    assert_true(bytes && after && fd >= 0 && !unlink(path));
    for (size_t i = 0; i < 2 * KB64; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256 + 1);
    assert_int_equal(pwrite(fd, bytes, 2 * KB64, KB64), 2 * KB64);

    assert_int_equal(ram_init(&r, NULL), 0);
    assert_int_equal(ram_add(&r, 4 * KB64, 2 * KB64, RAM_KIND_RAM, NULL), 0);
    const uint8_t *was = r.region[0].host;
    assert_int_equal(ram_map_file(&r, 4 * KB64, fd, 12345, &e), -EINVAL);
    assert_true(e.text[0]);
    assert_int_equal(ram_map_file(&r, 4 * KB64, fd, KB64, NULL), 0);
    uint8_t *host = ram_ptr(&r, 4 * KB64, 2 * KB64, true);
    assert_ptr_equal(host, was);
    assert_int_equal(r.region[0].fd, -1);
    assert_memory_equal(host, bytes, 2 * KB64);

    uint64_t from = 0, to = 0;
    assert_true(ram_next_data(&r.region[0], &from, &to) && !from && to == 2 * KB64);

    memset(host + KB64, 0xee, 3);
    assert_true(ram_give_back(&r, host + KB64, page) == page);
    assert_true(ram_give_back(&r, host, page) == page); /* never written */
    for (size_t i = 0; i < page; i++)
        assert_true(!host[i] && !host[KB64 + i]);
    host[1] = 0xdd;
    assert_int_equal(host[1], 0xdd);
    assert_memory_equal(host + page, bytes + page, KB64 - page);
    assert_memory_equal(host + KB64 + page, bytes + KB64 + page, KB64 - page);
    assert_int_equal(pread(fd, after, 2 * KB64, KB64), 2 * KB64);
    assert_memory_equal(after, bytes, 2 * KB64);
    ram_destroy(&r);
    close(fd);
    free(bytes);
    free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),       cmocka_unit_test(test_ptr),
        cmocka_unit_test(test_copy),      cmocka_unit_test(test_sparse_and_shared),
        cmocka_unit_test(test_next_data), cmocka_unit_test(test_gpa),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
