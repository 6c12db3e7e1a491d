/* A machine's state as a list of named values: written to a buffer, or read from one, by the same code.
 *
 * Whoever has state has one function that names each of its fields in order; it serves both ways. Reading, everything is checked: the name, the
 * width, how many there are, and the value against the limits that the field gives, for the buffer is a file's and may hold anything. The first
 * mistake counts: it is in *e, the fields after it keep what they have, and what was read is not to be used.
 *
 * A value in the buffer: the length of its name (1 byte), the name, the width in bytes (1), the number of values (4), the values. All numbers
 * are little-endian. Any thread, one at a time. */
#ifndef VIBE_BASE_SNAP_H
#define VIBE_BASE_SNAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct snap {
    bool loading;
    uint8_t *buf; /* saving: grows; loading: the caller's, len bytes, not changed */
    size_t len, room;
    size_t at;     /* loading: the next value */
    bool failed;   /* and *e says why */
    char part[64]; /* for messages: whose state it is */
    struct err *e;
};

/* A buffer to be written; snap_free() gives it back. */
void snap_begin_save(struct snap *s, struct err *e);
void snap_begin_load(struct snap *s, const uint8_t *buf, size_t len, struct err *e);
void snap_free(struct snap *s);

/* What follows belongs to that device, CPU or the like; index < 0: there is only one. A value of its own in the buffer. */
void snap_part(struct snap *s, const char *name, int index);
/* Everything was read. */
void snap_end_load(struct snap *s);

/* count numbers of width 1, 2, 4 or 8, each at most max. */
void snap_numbers(struct snap *s, const char *name, void *p, unsigned width, size_t count, uint64_t max);
/* One whose bits are all in mask. */
void snap_masked(struct snap *s, const char *name, void *p, unsigned width, uint64_t mask);
/* A number that has to be the same in the machine that is loaded. */
void snap_same(struct snap *s, const char *name, uint64_t val);
/* The file that fd is (-1: there is none) has not changed since: its length and its time of last change are the same. */
void snap_file(struct snap *s, const char *name, int fd, const char *path);
/* Bytes of any number up to max. Loading, *p is malloc'd (with a zero behind the bytes) and the caller's, null after a failure. */
void snap_blob(struct snap *s, const char *name, uint8_t **p, size_t *len, size_t max);
/* A string, or null, of up to max bytes. As snap_blob(). */
void snap_string(struct snap *s, const char *name, char **text, size_t max);

/* The values do not fit together. */
void snap_fail(struct snap *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The field of a struct: any number of up to max. Of a bool max is 1. */
#define SNAP(s, obj, field, max)                                                                   \
    snap_numbers(s, #field, &(obj)->field, sizeof((obj)->field), 1, max)
#define SNAP_ANY(s, obj, field) SNAP(s, obj, field, UINT64_MAX)
#define SNAP_BOOL(s, obj, field) SNAP(s, obj, field, 1)
#define SNAP_MASK(s, obj, field, mask)                                                             \
    snap_masked(s, #field, &(obj)->field, sizeof((obj)->field), mask)
/* A field that is an array of numbers. */
#define SNAP_ARRAY(s, obj, field, max)                                                             \
    snap_numbers(s, #field, (obj)->field, sizeof((obj)->field[0]),                                 \
                 sizeof((obj)->field) / sizeof((obj)->field[0]), max)

#endif
