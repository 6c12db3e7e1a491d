/* Kernel files that are not ELF: compressed ones are unpacked, and the header of a Linux Image is read.
 *
 * Pure; buffers may hold anything. Any thread.
 * Specification: Linux Documentation/arm64/booting.rst; RFC 1952 (gzip), RFC 8878 (Zstandard); Linux
 * drivers/firmware/efi/libstub/zboot-header.S for the self-unpacking EFI form. */
#ifndef VIBE_LOAD_IMAGE_H
#define VIBE_LOAD_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* No kernel is larger, unpacked or in memory. */
#define LINUX_IMAGE_MAX (UINT64_C(1) << 30)

/* Unpacks gzip, zstd and EFI zboot, one in the other too, until it is neither: *buf (malloc'd, replaced) and *len change. More than
 * `limit` bytes, damaged data, and formats that this build lacks the library for are errors; *buf is the caller's to free in any case. */
int kernel_unpack(uint8_t **buf, size_t *len, uint64_t limit, struct err *e);

struct linux_image {
    uint64_t text_offset; /* from a 2 MiB boundary of RAM */
    uint64_t mem_len; /* with what the kernel needs behind the file; at least the file's length */
    bool header;
    bool anywhere; /* any 2 MiB boundary will do; else as low in RAM as can be */
};

bool linux_image_has_header(const uint8_t *buf, size_t len);

/* A file without a header is taken for code, unless it is known to be something else. */
int linux_image_parse(const uint8_t *buf, size_t len, struct linux_image *img, struct err *e);

#endif
