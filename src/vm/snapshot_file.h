/* The file of a snapshot: sections of state, a table of hashes, and memory, page by page at its place. docs/snapshots.md has the format.
 *
 * Memory is a sparse part of the file, mapped when it is loaded and not read, so opening costs the same whatever the guest's size is. A truncated or
 * altered file is noticed: header and sections when it is opened, memory by snapshot_verify().
 * Threads: one at a time, but for snapshot_verify() beside the others. */
#ifndef VIBE_VM_SNAPSHOT_FILE_H
#define VIBE_VM_SNAPSHOT_FILE_H

#include "mem/ram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct snapshot;

#define SNAPSHOT_VERSION 1u
#define SNAPSHOT_CHUNK 65536u /* bytes of memory with one hash */
#define SNAPSHOT_MAX_SECTIONS 128u

/* What becomes a file. */
struct snapshot_image {
    const char *program; /* who writes it, for messages */
    const struct ram *ram;
    unsigned nr_sections;
    struct {
        const uint8_t *bytes;
        size_t len;
    } section[SNAPSHOT_MAX_SECTIONS];
    /* Now and then while it takes long; null: nobody wants to know. */
    void (*progress)(void *opaque, unsigned percent);
    void *opaque;
};

/* Writes it under another name, and gives it its own when all of it is on the disk: what was at path is whole, or the new file is. No vCPU runs, and
 * nothing changes memory. 0 or -errno, with nothing left behind. */
int snapshot_write(const char *path, const struct snapshot_image *image, struct err *e);

/* Whether there can be a file at path: 0 or -errno. */
int snapshot_check_place(const char *path, struct err *e);

/* Opens the file and checks everything but memory. 0 or -errno: the message begins with the path. */
int snapshot_open(struct snapshot **out, const char *path, struct err *e);
void snapshot_close(struct snapshot *s); /* null is fine; what was mapped stays */

const char *snapshot_path(const struct snapshot *s);
const char *snapshot_program(const struct snapshot *s); /* who wrote it; one line of text */
/* The n-th section; it lives as long as the snapshot. Null: there are fewer. */
const uint8_t *snapshot_section(const struct snapshot *s, unsigned n, size_t *len);

/* Puts memory in place of the regions of ram, which has to have the same. 0 or -errno. */
int snapshot_map(const struct snapshot *s, struct ram *ram, struct err *e);

/* Reads all of memory and compares it with the hashes, some 4 gigabytes a second, page faults included. 0 or -errno. */
int snapshot_verify(const struct snapshot *s, struct err *e);

#endif
