/* Names for guest addresses, from the symbol tables of ELF files and from text maps (System.map, /proc/kallsyms).
 *
 * Filled and sorted on one thread; any thread may look up afterwards. The files may hold anything. */
#ifndef VIBE_LOAD_SYMBOLS_H
#define VIBE_LOAD_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct symbol {
    uint64_t addr, len; /* len is never 0 once sorted */
    uint32_t name;      /* symbols_name() */
    uint8_t rank;       /* of those at one address the lowest is shown */
    bool code;
    bool sized; /* by the file; else it goes to where the next begins */
};

struct symbols {
    size_t nr, room;
    struct symbol *symbol; /* by address, once sorted */
    size_t names_len, names_room;
    char *names;
};

/* Adds what the file has, its addresses moved by offset (modulo 2^64), and tells which of both it is. -ENOEXEC: neither, or one without symbols. */
int symbols_add_file(struct symbols *s, const char *path, uint64_t offset, bool *is_elf, struct err *e);

/* The same from memory. Pure. */
int symbols_add_elf(struct symbols *s, const uint8_t *buf, size_t len, uint64_t offset, struct err *e);
int symbols_add_map(struct symbols *s, const uint8_t *buf, size_t len, uint64_t offset, struct err *e);

/* After the last one was added. */
void symbols_sort(struct symbols *s);
void symbols_free(struct symbols *s);

static inline const char *symbols_name(const struct symbols *s, const struct symbol *y)
{
    return s->names + y->name;
}

/* The symbol that addr lies in, the innermost one; null: none. */
const struct symbol *symbols_find(const struct symbols *s, uint64_t addr);
const struct symbol *symbols_by_name(const struct symbols *s, const char *name);

/* "main+0x10", or nothing where addr is in no symbol. Returns the length, less than len. */
size_t symbols_text(const struct symbols *s, uint64_t addr, char *buf, size_t len);

/* For the readers: one symbol more. -ENOMEM, or -E2BIG beyond what is sensible. */
int symbols_put(struct symbols *s, const struct symbol *y, const char *name, size_t name_len,
                struct err *e);

#endif
