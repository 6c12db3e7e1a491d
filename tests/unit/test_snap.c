/* Named values to a buffer and back, the hash, and the state of every device of the board that is no virtio device's own. */
#include "base/bits.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/snap.h"
#include "vm/vm_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

/* --- The hash ------------------------------------------------------------------------------------------------------------- */

static uint32_t state = 1;

static uint32_t chance(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static void hash_notices(void **unused)
{
    uint8_t buf[1000];

    (void)unused;
    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)chance();
    const uint64_t h = hash64(buf, sizeof(buf));
    for (unsigned i = 0; i < 8 * sizeof(buf); i++) {
        buf[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_true(hash64(buf, sizeof(buf)) != h);
        buf[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    assert_true(hash64(buf, sizeof(buf)) == h);
    for (unsigned i = 0; i < sizeof(buf); i++)
        assert_true(hash64(buf, i) != h);
    /* Two changes that cancel out in a sum: the top bits of two words of one lane. */
    buf[7] ^= 0x80;
    buf[7 + 64] ^= 0x80;
    assert_true(hash64(buf, sizeof(buf)) != h);
    /* What is behind the end does not count, though it is hashed as zeros. */
    memset(buf, 0, sizeof(buf));
    assert_true(hash64(buf, 64) != hash64(buf, 65));
}

/* It is in files: the same on every host, and from now on. */
static void hash_is_this(void **unused)
{
    static const char text[] =
        "A machine's state as a list of named values: written to a buffer, or read from one.";

    (void)unused;
    assert_true(hash64("", 0) == UINT64_C(0x7ccffb41fa53f873));
    assert_true(hash64(text, sizeof(text) - 1) == UINT64_C(0x4121dc5fcf31aec1));
}

/* --- Values --------------------------------------------------------------------------------------------------------------- */

struct thing {
    uint8_t a;
    uint16_t b[3];
    uint32_t c;
    uint64_t d;
    bool e;
    uint8_t *blob;
    size_t blob_len;
    char *text, *none;
};

static void snap_thing(struct snap *s, struct thing *t)
{
    snap_part(s, "thing", -1);
    SNAP(s, t, a, 9);
    SNAP_ARRAY(s, t, b, UINT16_MAX);
    SNAP_MASK(s, t, c, 0xff00ff);
    SNAP_ANY(s, t, d);
    SNAP_BOOL(s, t, e);
    snap_same(s, "same", 77);
    snap_part(s, "deeper", 3);
    snap_blob(s, "blob", &t->blob, &t->blob_len, 5);
    snap_string(s, "text", &t->text, 10);
    snap_string(s, "none", &t->none, 10);
}

static void free_thing(struct thing *t)
{
    free(t->blob);
    free(t->text);
    free(t->none);
}

static bool load(struct thing *t, const uint8_t *buf, size_t len, struct err *e)
{
    struct snap s;

    *e = (struct err){0};
    *t = (struct thing){0};
    snap_begin_load(&s, buf, len, e);
    snap_thing(&s, t);
    snap_end_load(&s);
    assert_int_equal(s.failed, e->code != 0);
    return !s.failed;
}

static void save(struct snap *s, struct thing *t)
{
    snap_begin_save(s, NULL);
    snap_thing(s, t);
    assert_false(s->failed);
}

static struct thing a_thing(void)
{
    return (struct thing){
        9, {1, 2, 0xffff}, 0xff0001, UINT64_MAX - 1, true, (uint8_t *)strdup("bytes"),
        5, strdup("text"), NULL};
}

static void values_come_back(void **unused)
{
    struct thing t = a_thing(), u;
    struct snap s, again;
    struct err e;

    (void)unused;
    save(&s, &t);
    assert_true(load(&u, s.buf, s.len, &e));
    assert_int_equal(u.a, 9);
    assert_memory_equal(u.b, t.b, sizeof(t.b));
    assert_int_equal(u.c, t.c);
    assert_true(u.d == t.d && u.e);
    assert_int_equal(u.blob_len, 5);
    assert_memory_equal(u.blob, "bytes", 6); /* with a zero behind */
    assert_string_equal(u.text, "text");
    assert_null(u.none);
    save(&again, &u);
    assert_int_equal(again.len, s.len);
    assert_memory_equal(again.buf, s.buf, s.len);
    snap_free(&again);
    free_thing(&u);
    /* Cut short anywhere, or longer. */
    for (size_t len = 0; len < s.len; len++) {
        assert_false(load(&u, s.buf, len, &e));
        free_thing(&u);
    }
    uint8_t *longer = calloc(1, s.len + 1);
    memcpy(longer, s.buf, s.len);
    assert_false(load(&u, longer, s.len + 1, &e));
    assert_non_null(strstr(e.text, "1 bytes behind"));
    free_thing(&u);
    /* Any bit turned: refused, or another value within the limits. */
    for (size_t i = 0; i < 8 * s.len; i++) {
        longer[i / 8] ^= (uint8_t)(1u << i % 8);
        if (load(&u, longer, s.len, &e)) {
            assert_true(u.a <= 9 && !(u.c & ~0xff00ffu) && u.blob_len == 5 &&
                        (!u.text || strlen(u.text) == 4));
            assert_true(*(uint8_t *)&u.e <= 1);
        } else {
            assert_true(strlen(e.text) > 10);
        }
        free_thing(&u);
        longer[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    free(longer);
    snap_free(&s);
    free_thing(&t);
}

static void mistakes_are_named(void **unused)
{
    struct thing t = a_thing();
    uint32_t c = 0x100;
    struct snap s;
    struct err e = {0};

    (void)unused;
    snap_begin_save(&s, NULL);
    snap_part(&s, "thing", -1);
    snap_numbers(&s, "a", &t.a, 1, 1, UINT8_MAX);
    snap_numbers(&s, "c", &c, 4, 1, UINT32_MAX);
    struct snap l;
    snap_begin_load(&l, s.buf, s.len, &e);
    snap_part(&l, "thing", -1);
    SNAP(&l, &t, a, 8);
    assert_string_equal(e.text, "thing: a: 0x9 is more than the 0x8 that is possible");
    snap_fail(&l, "later");
    assert_non_null(strstr(e.text, "possible")); /* the first counts */

    snap_begin_load(&l, s.buf, s.len, &e);
    snap_part(&l, "thing", -1);
    SNAP(&l, &t, d, 8);
    assert_string_equal(e.text, "thing: has \"a\" where this build has \"d\"");

    snap_begin_load(&l, s.buf, s.len, &e);
    snap_part(&l, "thing", -1);
    SNAP_ANY(&l, &t, a);
    SNAP_MASK(&l, &t, c, 0xff);
    assert_string_equal(e.text, "thing: c: 0x100 has bits that are always 0");
    assert_int_equal(t.c, 0xff0001); /* as it was */

    snap_begin_load(&l, s.buf, s.len, &e);
    snap_part(&l, "thing", 2);
    assert_string_equal(e.text, "thing 2: is of another number");
    snap_free(&s);
    free_thing(&t);
}

/* --- The board ------------------------------------------------------------------------------------------------------------ */

static char path[] = "/tmp/vibevmm-test-XXXXXX";
static struct vm_options options;

static struct vm *create(unsigned gic, enum vm_virtio layout)
{
    struct vm *vm;
    struct err e = {0};

    options = (struct vm_options){.binary = path,
                                  .entry = 0x40000000,
                                  .machine = VM_MACHINE_VIRT,
                                  .mem_len = UINT64_C(4) << 20,
                                  .nr_cpus = 3,
                                  .gic = gic == 2 ? VM_GICV2 : VM_GICV3,
                                  .virtio = layout,
                                  .accel = VM_ACCEL_SOFT,
                                  .console = VM_CONSOLE_VIRTIO};
    if (vm_create(&vm, &options, &e))
        fail_msg("%s", e.text);
    return vm;
}

static void save_board(struct vm *vm, struct snap *s)
{
    snap_begin_save(s, NULL);
    bus_snap(&vm->bus, s);
    assert_false(s->failed);
}

/* A guest that stores and loads anything anywhere. */
static void scribble(struct vm *vm, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        const struct device *d = vm->bus.device[chance() % vm->bus.nr_devices];
        const unsigned size = 1u << chance() % 4;
        uint64_t off = align_down(chance() % MIN(d->len, 0x10000u), size);
        uint64_t val = chance() % 4 ? chance() % 256 : chance() | (uint64_t)chance() << 24;
        if (chance() % 4)
            off %= 0x800; /* where most registers are */
        if (!strncmp(d->name, "virtio_console", 14) && off >= 0x100)
            continue; /* it would be printed */
        bus_access_by(&vm->bus, chance() % 3, d->base + off, size, chance() % 8, &val);
    }
}

static void compare(const struct snap *a, const struct snap *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->buf, b->buf, a->len);
}

static void board_round_trip(unsigned gic, enum vm_virtio layout)
{
    struct err e = {0};
    struct snap before, after, l;

    for (unsigned round = 0; round < 8; round++) {
        struct vm *from = create(gic, layout), *to = create(gic, layout);
        scribble(from, 3000);
        scribble(to, 100);
        save_board(from, &before);
        snap_begin_load(&l, before.buf, before.len, &e);
        bus_snap(&to->bus, &l);
        snap_end_load(&l);
        assert_string_equal(e.text, "");
        gic_rebuild(to->board.gic);
        gic_rebuild(from->board.gic);
        save_board(to, &after);
        compare(&before, &after);
        for (unsigned cpu = 0; cpu < 3; cpu++) {
            assert_int_equal(gic_irq_pending(to->board.gic, cpu), gic_irq_pending(from->board.gic, cpu));
            assert_int_equal(*gic_can_wake(to->board.gic, cpu), *gic_can_wake(from->board.gic, cpu));
        }
        bus_kick(&to->bus);
        /* And both do the same from here on. */
        snap_free(&after);
        snap_free(&before);
        const uint32_t seed = state;
        scribble(from, 300);
        state = seed;
        scribble(to, 300);
        save_board(from, &before);
        save_board(to, &after);
        compare(&before, &after);
        snap_free(&after);
        snap_free(&before);
        vm_destroy(from);
        vm_destroy(to);
    }
}

static void board_gicv3(void **unused)
{
    (void)unused;
    board_round_trip(3, VM_VIRTIO_MODERN);
}

static void board_gicv2(void **unused)
{
    (void)unused;
    board_round_trip(2, VM_VIRTIO_LEGACY);
}

static void another_board(void **unused)
{
    struct err e = {0};
    struct snap s, l;
    struct vm *from, *to;

    (void)unused;
    from = create(3, VM_VIRTIO_MODERN);
    to = create(2, VM_VIRTIO_MODERN);
    save_board(from, &s);
    snap_begin_load(&l, s.buf, s.len, &e);
    bus_snap(&to->bus, &l);
    assert_non_null(strstr(e.text, "gicv3-dist@8000000"));
    snap_free(&s);
    vm_destroy(from);
    vm_destroy(to);
}

/* Values that no device can have are refused, or do no harm. */
static void damaged(void **unused)
{
    struct err e = {0};
    struct snap s, l;
    struct vm *from;

    (void)unused;
    from = create(2, VM_VIRTIO_MODERN);
    scribble(from, 3000);
    save_board(from, &s);
    for (unsigned round = 0; round < 60; round++) {
        struct vm *to = create(2, VM_VIRTIO_MODERN);
        for (unsigned i = 0; i < 20; i++)
            s.buf[chance() % s.len] = (uint8_t)chance();
        if (round % 20 == 0) { /* afresh */
            snap_free(&s);
            save_board(from, &s);
            s.buf[chance() % s.len] ^= 1;
        }
        snap_begin_load(&l, s.buf, s.len, &e);
        bus_snap(&to->bus, &l);
        if (!l.failed) {
            gic_rebuild(to->board.gic);
            bus_kick(&to->bus);
            scribble(to, 500);
        }
        vm_destroy(to);
    }
    snap_free(&s);
    vm_destroy(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_notices),     cmocka_unit_test(hash_is_this),
        cmocka_unit_test(values_come_back), cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(board_gicv3),      cmocka_unit_test(board_gicv2),
        cmocka_unit_test(another_board),    cmocka_unit_test(damaged),
    };
    const int fd = mkstemp(path);

    log_threshold = LOG_ERROR;
    if (fd < 0 || write(fd, "\x00\x00\x00\x14", 4) != 4)
        return 1;
    close(fd);
    const int failed = cmocka_run_group_tests_name("snap", tests, NULL, NULL);
    unlink(path);
    return failed;
}
