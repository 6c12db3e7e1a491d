/* MMIO dispatch: lookup, widths, permissions, counting, locking, resets; and what an access costs. */
#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "bus/bus.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A device that remembers what its handlers were given. */
struct probe {
    struct device dev;
    uint32_t off;
    unsigned size, reads, writes, resets;
    uint64_t val;
    unsigned *destroyed;
};

static struct probe *probe_of(struct device *d)
{
    return CONTAINER_OF(d, struct probe, dev);
}

static uint64_t probe_read(struct device *d, uint32_t off, unsigned size)
{
    struct probe *p = probe_of(d);
    p->off = off;
    p->size = size;
    p->reads++;
    return 0x8877665544332211;
}

static void probe_write(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct probe *p = probe_of(d);
    p->off = off;
    p->size = size;
    p->val = val;
    p->writes++;
}

/* A reset runs with the lock held, and handlers never two at a time: the lock is taken already. */
static void probe_reset(struct device *d)
{
    assert_int_equal(pthread_mutex_trylock(&d->lock), EBUSY);
    probe_of(d)->resets++;
}

static unsigned destroy_order;

static void probe_destroy(struct device *d)
{
    *probe_of(d)->destroyed = ++destroy_order;
    pthread_mutex_destroy(&d->lock);
    free(probe_of(d));
}

static const struct reg_desc probe_regs[] = {
    {0x00, 0, 0, W32, REG_RW, "CTLR", probe_read, probe_write},
    {0x04, 0, 0, W8 | W16 | W32, REG_RO, "STATUS", probe_read, NULL},
    {0x08, 0, 0, W32, REG_WO, "CLEAR", NULL, probe_write},
    {0x0c, 0, 0, W32, REG_RW, "RAZ", NULL, NULL},
    {0x10, 4, 0, W32, REG_RW, "ARRAY", probe_read, probe_write},
    {0x20, 2, 16, W32 | W64, REG_RW, "SPREAD", probe_read, probe_write},
    {0x40, 8, 1, W8 | W32, REG_RW, "BYTES", probe_read, probe_write},
    {0xff8, 0, 0, W64, REG_RW, "LAST", probe_read, probe_write},
};
static const struct device_class probe_class = {
    .name = "probe",
    .regs = probe_regs,
    .nr_regs = ARRAY_LEN(probe_regs),
    .reset = probe_reset,
    .destroy = probe_destroy,
};

static unsigned ignored;

static struct probe *probe_new(const struct device_class *cls, gpa_t base, uint64_t len)
{
    struct probe *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->destroyed = &ignored;
    device_init(&p->dev, cls, base, len);
    return p;
}

static void test_lookup(void **state)
{
    struct bus b;
    struct err e;
    struct probe *p[BUS_MAX_DEVICES];
    (void)state;
    bus_init(&b);
    assert_null(bus_find(&b, 0));
    /* In an order that is neither up nor down: 37 has no factor in common with 64. A page each, with a page between. */
    for (unsigned i = 0; i < BUS_MAX_DEVICES; i++) {
        unsigned at = i * 37 % BUS_MAX_DEVICES;
        p[at] = probe_new(&probe_class, (at + 1) * UINT64_C(0x2000), 0x1000);
        /* Each kind of overlap with what is there is refused. */
        if (i) {
            gpa_t there = (37 * (i - 1) % BUS_MAX_DEVICES + 1) * UINT64_C(0x2000);
            const gpa_t base[] = {there, there + 0x800, there - 0x800, there - 0x1000, there + 0xff8};
            const uint64_t len[] = {0x1000, 0x1000, 0x1000, 0x3000, 0x1000};
            for (unsigned k = 0; k < ARRAY_LEN(base); k++) {
                struct probe *o = probe_new(&probe_class, base[k], len[k]);
                assert_int_equal(bus_add(&b, &o->dev, &e), -EEXIST);
                assert_true(e.text[0]);
                probe_destroy(&o->dev);
            }
        }
        assert_int_equal(bus_add(&b, &p[at]->dev, &e), 0);
    }
    struct probe *more = probe_new(&probe_class, 0x1000000, 0x1000);
    assert_int_equal(bus_add(&b, &more->dev, &e), -ENOSPC);
    probe_destroy(&more->dev);

    for (unsigned i = 0; i < BUS_MAX_DEVICES; i++) {
        gpa_t base = (i + 1) * UINT64_C(0x2000);
        assert_null(bus_find(&b, base - 1));
        assert_ptr_equal(bus_find(&b, base), &p[i]->dev);
        assert_ptr_equal(bus_find(&b, base + 0xfff), &p[i]->dev);
        assert_null(bus_find(&b, base + 0x1000));
    }
    assert_null(bus_find(&b, 0));
    assert_null(bus_find(&b, UINT64_MAX));
    assert_string_equal(p[0]->dev.name, "probe@2000");
    bus_destroy(&b);
}

static void test_top_of_address_space(void **state)
{
    struct bus b;
    (void)state;
    bus_init(&b);
    struct probe *p = probe_new(&probe_class, -UINT64_C(0x1000), 0x1000);
    assert_int_equal(bus_add(&b, &p->dev, NULL), 0);
    assert_ptr_equal(bus_find(&b, UINT64_MAX), &p->dev);
    assert_null(bus_find(&b, 0));
    struct probe *o = probe_new(&probe_class, -UINT64_C(0x800), 0x1000);
    assert_int_equal(bus_add(&b, &o->dev, NULL), -EINVAL);
    probe_destroy(&o->dev);
    uint64_t v = 0;
    assert_int_equal(bus_access(&b, UINT64_MAX - 7, 8, false, &v), BUS_OK);
    bus_destroy(&b);
}

static void test_access(void **state)
{
    enum { BASE = 0x9000000 };
    static const struct {
        uint32_t off;
        unsigned size;
        bool write;
        enum bus_result result;
    } t[] = {
        {0x00, 4, false, BUS_OK},  {0x00, 4, true, BUS_OK},    {0x00, 1, false, BUS_BAD},
        {0x00, 2, true, BUS_BAD},  {0x00, 8, false, BUS_BAD},  {0x04, 4, false, BUS_OK},
        {0x04, 1, false, BUS_OK},  {0x06, 2, false, BUS_OK},   {0x07, 1, false, BUS_OK},
        {0x04, 4, true, BUS_BAD},  {0x08, 4, true, BUS_OK},    {0x08, 4, false, BUS_BAD},
        {0x10, 4, true, BUS_OK},   {0x1c, 4, false, BUS_OK},   {0x18, 8, false, BUS_BAD},
        {0x20, 8, false, BUS_OK},  {0x24, 4, false, BUS_OK},   {0x28, 4, false, BUS_BAD},
        {0x30, 8, true, BUS_OK},   {0x38, 4, false, BUS_BAD},  {0x3c, 4, false, BUS_BAD},
        {0x40, 1, true, BUS_OK},   {0x47, 1, false, BUS_OK},   {0x44, 4, false, BUS_OK},
        {0x46, 2, false, BUS_BAD}, {0x48, 1, false, BUS_BAD},  {0xff4, 4, false, BUS_BAD},
        {0xff8, 8, false, BUS_OK}, {0xffc, 8, false, BUS_BAD}, {0x02, 4, false, BUS_BAD},
        {0x01, 2, false, BUS_BAD}, {0xfff, 2, true, BUS_BAD},  {0x1000, 4, false, BUS_NONE},
    };
    struct bus b;
    unsigned reads = 0, writes = 0, bad = 0, none = 0;
    (void)state;
    bus_init(&b);
    struct probe *p = probe_new(&probe_class, BASE, 0x1000);
    assert_int_equal(bus_add(&b, &p->dev, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint64_t v = 0xfedcba9876543210;
        unsigned handled = p->reads + p->writes;
        assert_int_equal(bus_access(&b, BASE + t[i].off, t[i].size, t[i].write, &v), t[i].result);
        reads += t[i].result != BUS_NONE && !t[i].write;
        writes += t[i].result != BUS_NONE && t[i].write;
        bad += t[i].result == BUS_BAD;
        none += t[i].result == BUS_NONE;
        assert_int_equal(p->reads + p->writes - handled, t[i].result == BUS_OK);
        if (t[i].result == BUS_OK) {
            assert_int_equal(p->off, t[i].off);
            assert_int_equal(p->size, t[i].size);
        }
        uint64_t mask = mask64(8 * t[i].size);
        if (t[i].write)
            assert_true(v == 0xfedcba9876543210 &&
                        (t[i].result != BUS_OK || p->val == (UINT64_C(0xfedcba9876543210) & mask)));
        else
            assert_true(v == (t[i].result == BUS_OK ? UINT64_C(0x8877665544332211) & mask : 0));
    }
    /* A row without handlers is there, but reads as zero and ignores writes. */
    uint64_t v = 5;
    assert_int_equal(bus_access(&b, BASE + 0x0c, 4, true, &v), BUS_OK);
    assert_int_equal(bus_access(&b, BASE + 0x0c, 4, false, &v), BUS_OK);
    assert_int_equal(v, 0);
    assert_int_equal(p->dev.stats.reads, reads + 1);
    assert_int_equal(p->dev.stats.writes, writes + 1);
    assert_int_equal(p->dev.stats.bad, bad);
    assert_int_equal(b.unassigned, none);
    bus_destroy(&b);
}

static bool any_read(struct device *d, uint32_t off, unsigned size, uint64_t *val)
{
    probe_read(d, off, size);
    *val = off;
    return off < 0x100;
}

static bool any_write(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    probe_write(d, off, size, val);
    return off < 0x100;
}

static void test_catch_all(void **state)
{
    static const struct device_class cls = {
        .name = "any", .read = any_read, .write = any_write, .destroy = probe_destroy};
    static const struct device_class none = {.name = "none", .destroy = probe_destroy};
    struct bus b;
    uint64_t v;
    (void)state;
    bus_init(&b);
    struct probe *p = probe_new(&cls, 0x1000, 0x1000), *q = probe_new(&none, 0x2000, 0x1000);
    assert_int_equal(bus_add(&b, &p->dev, NULL), 0);
    assert_int_equal(bus_add(&b, &q->dev, NULL), 0);
    for (unsigned size = 1; size <= 8; size *= 2) {
        assert_int_equal(bus_access(&b, 0x1000 + 0xf0, size, false, &v), BUS_OK);
        assert_int_equal(v, 0xf0);
        assert_int_equal(bus_access(&b, 0x1000 + 0x100, size, false, &v), BUS_BAD);
        assert_int_equal(v, 0);
        assert_int_equal(bus_access(&b, 0x1000 + 0x100, size, true, &v), BUS_BAD);
        assert_int_equal(bus_access(&b, 0x2000, size, false, &v), BUS_BAD);
        assert_int_equal(bus_access(&b, 0x2000, size, true, &v), BUS_BAD);
    }
    unsigned before = p->reads;
    assert_int_equal(bus_access(&b, 0x1001, 8, false, &v), BUS_BAD);
    assert_int_equal(p->reads, before);
    bus_destroy(&b);
}

static void test_reset_destroy(void **state)
{
    struct bus b;
    unsigned order[3] = {0};
    struct probe *p[3];
    (void)state;
    bus_init(&b);
    for (unsigned i = 0; i < 3; i++) {
        p[i] = probe_new(&probe_class, 0x1000 * i, 0x1000);
        p[i]->destroyed = &order[i];
        assert_int_equal(bus_add(&b, &p[i]->dev, NULL), 0);
    }
    bus_reset(&b);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(p[i]->resets, 1);
    destroy_order = 0;
    bus_destroy(&b);
    assert_true(order[0] == 3 && order[1] == 2 && order[2] == 1);
    assert_int_equal(b.nr_devices, 0);
}

/* --- Threads -------------------------------------------------------------------------------------------------------- */

#define NR_THREADS 4
#define NR_ROUNDS 20000

/* Not atomic on purpose: only the lock makes the sum right. */
static void add_one(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)off;
    (void)size;
    struct probe *p = probe_of(d);
    uint64_t v = p->val;
    __asm__ volatile("" ::: "memory");
    p->val = v + val;
}

static const struct reg_desc add_regs[] = {{0, 0, 0, W32, REG_RW, "ADD", probe_read, add_one}};
static const struct device_class add_class = {
    .name = "add", .regs = add_regs, .nr_regs = 1, .destroy = probe_destroy};

static void *add_thread(void *arg)
{
    for (unsigned i = 0; i < NR_ROUNDS; i++) {
        uint64_t v = 1;
        if (bus_access(arg, 0x1000 + (i & 1) * 0x1000, 4, true, &v) != BUS_OK)
            return arg;
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct bus b;
    pthread_t thread[NR_THREADS];
    (void)state;
    bus_init(&b);
    struct probe *p = probe_new(&add_class, 0x1000, 0x1000), *q = probe_new(&add_class, 0x2000, 0x1000);
    assert_int_equal(bus_add(&b, &p->dev, NULL), 0);
    assert_int_equal(bus_add(&b, &q->dev, NULL), 0);
    for (unsigned i = 0; i < NR_THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, add_thread, &b), 0);
    for (unsigned i = 0; i < NR_THREADS; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(p->val, NR_THREADS * NR_ROUNDS / 2);
    assert_int_equal(q->val, NR_THREADS * NR_ROUNDS / 2);
    assert_int_equal(p->dev.stats.writes, NR_THREADS * NR_ROUNDS / 2);
    bus_destroy(&b);
}

/* The best of many short runs, as this machine may be busy; the bound is far above what it takes, except under a sanitizer. */
static void test_speed(void **state)
{
    struct bus b;
    uint64_t best = UINT64_MAX;
    (void)state;
    bus_init(&b);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(bus_add(&b, &probe_new(&probe_class, 0x1000 * i, 0x1000)->dev, NULL), 0);
    for (unsigned run = 0; run < 200; run++) {
        uint64_t t0 = os_now_ns();
        for (unsigned i = 0; i < 1000; i++) {
            uint64_t v = i;
            bus_access(&b, 0x1000 * (i * 7 % 40) + 0x10, 4, i & 1, &v);
        }
        best = MIN(best, os_now_ns() - t0);
    }
    print_message("%.1f ns an access\n", (double)best / 1000);
    assert_true(best / 1000 < 1000);
    bus_destroy(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup),        cmocka_unit_test(test_top_of_address_space),
        cmocka_unit_test(test_access),        cmocka_unit_test(test_catch_all),
        cmocka_unit_test(test_reset_destroy), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
