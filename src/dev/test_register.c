/* The test register. It has no state, and so needs no lock; and no node in the device tree, which is as that of boards without it. */
#include "dev/test_register.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>

struct test_register {
    struct device dev;
    struct test_ops ops;
};

static void write_test(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    const struct test_ops *ops = &CONTAINER_OF(d, struct test_register, dev)->ops;
    const unsigned status = (unsigned)bits(val, 31, 16);

    (void)off;
    (void)size;
    switch (val & 0xffff) {
    case TEST_PASS: ops->exit(ops->opaque, 0); break;
    /* One that is no success, and does not become one where it does not fit. */
    case TEST_FAIL: ops->exit(ops->opaque, (int)MIN(MAX(status, 1u), 255u)); break;
    case TEST_RESET: ops->reset(ops->opaque); break;
    default: break;
    }
}

static const struct reg_desc test_regs[] = {
    {.offset = 0, .widths = W32, .access = REG_RW, .name = "TEST", .write = write_test},
};

static void test_destroy(struct device *d)
{
    pthread_mutex_destroy(&d->lock);
    free(CONTAINER_OF(d, struct test_register, dev));
}

static const struct device_class test_class = {
    .name = "test",
    .flags = DEVICE_UNLOCKED,
    .regs = test_regs,
    .nr_regs = ARRAY_LEN(test_regs),
    .destroy = test_destroy,
};

struct device *test_register_create(gpa_t base, const struct test_ops *ops, struct err *e)
{
    struct test_register *t = calloc(1, sizeof(*t));

    if (!t) {
        err_set(e, ENOMEM, "out of memory for the test register");
        return NULL;
    }
    device_init(&t->dev, &test_class, base, TEST_REGISTER_LEN);
    t->ops = *ops;
    return &t->dev;
}
