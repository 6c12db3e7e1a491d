/* Which source lines and functions the addresses of a program belong to, by its DWARF line tables: read by libdw, where this build has it.
 * Main thread. */
#ifndef VIBE_DBG_LINES_H
#define VIBE_DBG_LINES_H

#include <stdint.h>

struct err;

struct lines_reader {
    void *opaque;
    /* A source file; the number by which it is named in what follows. The path is not kept. */
    unsigned (*file)(void *opaque, const char *path);
    /* Instructions [addr, end) belong to that line. */
    void (*line)(void *opaque, unsigned file, unsigned line, uint64_t addr, uint64_t end);
    /* A function, its first line and its entry; the name is not kept. */
    void (*function)(void *opaque, unsigned file, const char *name, unsigned line, uint64_t addr);
};

/* "0.188"; null: this build has no libdw. */
const char *lines_version(void);

/* Reads all that path has. 0; -ENODATA: no line tables; -ENOTSUP without libdw; other -errno. */
int lines_read(const char *path, const struct lines_reader *r, struct err *e);

#endif
