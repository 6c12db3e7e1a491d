/* A register by which a guest ends the run with a status: for test programs, on every backend. Its values are those of SiFive's test finisher, which
 * many bare-metal programs know. docs/ci.md. */
#ifndef VIBE_DEV_TEST_REGISTER_H
#define VIBE_DEV_TEST_REGISTER_H

#include "bus/bus.h"

struct err;

#define TEST_REGISTER_LEN 0x1000u

enum test_value {
    TEST_FAIL = 0x3333, /* with a status in bits 31:16 */
    TEST_PASS = 0x5555,
    TEST_RESET = 0x7777,
};

/* Called on the vCPU's thread, with no lock held. */
struct test_ops {
    void (*exit)(void *opaque, int status); /* 0 to 255 */
    void (*reset)(void *opaque);
    void *opaque;
};

/* Null with e set when out of memory. The bus destroys it. */
struct device *test_register_create(gpa_t base, const struct test_ops *ops, struct err *e);

#endif
