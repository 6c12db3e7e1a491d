/* A folder of its own for a test's disks, and images in which every sector is different. Included after the headers that <cmocka.h> wants. */
#ifndef VIBE_TESTS_UNIT_DISK_FIXTURE_H
#define VIBE_TESTS_UNIT_DISK_FIXTURE_H

#include "base/log.h"
#include "dev/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SECTOR DISK_SECTOR

static char dir[] = "/tmp/vibe-disk-XXXXXX";

/* Of one of the last four. */
static inline const char *path(const char *name)
{
    static char text[4][128];
    static unsigned turn;
    char *p = text[turn++ % 4];
    snprintf(p, sizeof(text[0]), "%s/%s", dir, name);
    return p;
}

static inline void write_file(const char *name, const void *content, size_t len)
{
    FILE *f = fopen(path(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(content, 1, len, f), len);
    fclose(f);
}

static inline void read_file(const char *name, void *content, size_t len)
{
    FILE *f = fopen(path(name), "rb");
    assert_non_null(f);
    assert_int_equal(fread(content, 1, len, f), len);
    fclose(f);
}

static inline void make_base(const char *name, size_t len)
{
    uint8_t *b = malloc(len);
    for (size_t i = 0; i < len; i++)
        b[i] = (uint8_t)(i / SECTOR * 7 + i % SECTOR + 1);
    write_file(name, b, len);
    free(b);
}

static inline int setup(void **state)
{
    (void)state;
    log_threshold = LOG_ERROR;
    return mkdtemp(dir) ? 0 : -1;
}

static inline int teardown(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

#endif
