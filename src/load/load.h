/* Puts files into guest memory: raw bytes and ELF executables.
 *
 * Every message names the file and the option that brought it, and what to do instead. A load_map remembers what lies where, so
 * that no image lands on another. Used while the machine is built, before any vCPU runs; one thread.
 * Specification: "ELF for the Arm 64-bit Architecture" (IHI 0056); System V gABI, "Program Loading". */
#ifndef VIBE_LOAD_LOAD_H
#define VIBE_LOAD_LOAD_H

#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct ram;

#define LOAD_MAX_RANGES 128

struct load_range {
    gpa_t base;
    uint64_t len;
    char what[80]; /* for messages: "--load initrd.img" */
};

/* What memory is taken by images; {0} is empty. */
struct load_map {
    unsigned nr;
    struct load_range range[LOAD_MAX_RANGES]; /* sorted by base, not overlapping */
};

/* Takes [base, base + len) for `what`. -EEXIST, naming both, when some of it is taken; -EFAULT when not all of it is in one memory
 * region; len may not be 0. */
int load_map_add(struct load_map *m, const struct ram *r, gpa_t base, uint64_t len,
                 const char *what, struct err *e);

/* The lowest (or highest) free place for len bytes in [from, to), at a multiple of align (a power of two): for the device tree and
 * the boot stack. True and *base, or false when there is none. RAM only. */
bool load_map_find(const struct load_map *m, const struct ram *r, gpa_t from, gpa_t to,
                   uint64_t len, uint64_t align, bool highest, gpa_t *base);

/* Reads a whole file, pipes too, into a malloc'd buffer; more than `limit` bytes, a directory or nothing at all are errors. */
int load_file(const char *option, const char *path, uint64_t limit, uint8_t **buf, size_t *len,
              struct err *e);

/* `--binary`: loads at `entry`, which has to be word-aligned and in RAM. An ELF is refused with the option to use. */
int load_binary(const struct ram *r, struct load_map *m, const char *path, gpa_t entry,
                uint64_t *len, struct err *e);

/* `--load FILE@ADDR`: any bytes, anywhere in memory. */
int load_blob(const struct ram *r, struct load_map *m, const char *path, gpa_t at, struct err *e);

#define ELF_MAX_SEGMENTS 64

struct elf_segment {
    gpa_t base;       /* p_paddr */
    uint64_t mem_len; /* p_memsz, not 0 */
    size_t offset;    /* in the file */
    size_t file_len;  /* p_filesz <= mem_len; the rest is zero */
    bool exec;
};

/* An ELF that was checked completely but for its place in memory. */
struct elf_image {
    gpa_t entry;           /* physical: e_entry moved as its segment is from p_vaddr to p_paddr */
    gpa_t lowest, highest; /* of all segments; highest is the last byte */
    unsigned nr_segments;
    struct elf_segment segment[ELF_MAX_SEGMENTS]; /* sorted by base, not overlapping */
};

bool elf_has_magic(const uint8_t *buf, size_t len);

/* Parses a 64-bit little-endian AArch64 executable, or position-independent one without interpreter. Pure; buf may hold anything. */
int elf_parse(const uint8_t *buf, size_t len, struct elf_image *elf, struct err *e);

/* Copies the segments of a parsed image and zeroes their tails, without touching memory that was never used. `what` is for messages: "--kernel FILE". */
int elf_load(const struct elf_image *elf, const uint8_t *buf, const struct ram *r,
             struct load_map *m, const char *what, struct err *e);

#endif
