/* Linux kernel images: the header that tells where an Image wants to lie. Pure; buf may hold anything.
 * Specification: Linux Documentation/arm64/booting.rst, "Call the kernel image". */
#include "load/image.h"

#include "base/bits.h"
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Offsets of the header; fields are read by offset, for the buffer has no alignment. */
enum { TEXT_OFFSET = 8, IMAGE_SIZE = 16, FLAGS = 24, MAGIC = 56, HEADER_LEN = 64 };
enum { FLAG_BIG_ENDIAN = 1, FLAG_ANYWHERE = 8 };

/* Where a kernel from before Linux 3.17, or one without any header, goes. */
#define OLD_TEXT_OFFSET UINT64_C(0x80000)

static uint64_t get64(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static bool has(const uint8_t *buf, size_t len, size_t at, const char *magic, size_t magic_len)
{
    return len >= at + magic_len && memcmp(buf + at, magic, magic_len) == 0;
}

/* Files that people give by mistake: running them as code would end in an exception that explains nothing. */
static const struct {
    size_t at, len;
    const char *magic, *what;
} no_kernels[] = {
    {0, 6,
     "\xfd"
     "7zXZ\0",
     "xz-compressed; unpack it first: xz -d"},
    {0, 3, "BZh", "bzip2-compressed; unpack it first: bzip2 -d"},
    {0, 4, "\x04\x22\x4d\x18", "lz4-compressed; unpack it first: lz4 -d"},
    {0, 4, "\x02\x21\x4c\x18", "lz4-compressed; unpack it first: lz4 -d"},
    {0, 5, "\x5d\0\0\x80\0", "lzma-compressed; unpack it first: xz -d"},
    {0, 4, "PK\x03\x04", "a zip archive; unpack it first"},
    {0, 4, "\x27\x05\x19\x56", "a U-Boot image; give the file that it was made from"},
    {0, 4, "\xd0\x0d\xfe\xed", "a device tree or FIT image; a device tree goes with --dtb"},
    {0, 6, "070701", "a cpio archive; an initial RAM disk goes with --initrd"},
    {0, 8, "!<arch>\n", "an archive; link it, or unpack the Debian package: dpkg-deb -x"},
    {0, 4, "QFI\xfb", "a disk image"},
    {0x202, 4, "HdrS", "a Linux kernel for x86; get the one for arm64"},
    {0x38, 4, "RISC", "a Linux kernel for RISC-V; get the one for arm64"},
    {0, 2, "MZ", "an EFI program that is no Linux kernel; run it from firmware"},
};

static bool is_text(const uint8_t *buf, size_t len)
{
    const size_t n = MIN(len, (size_t)64);
    for (size_t i = 0; i < n; i++)
        if (!isprint(buf[i]) && !isspace(buf[i]))
            return false;
    return n >= 16;
}

bool linux_image_has_header(const uint8_t *buf, size_t len)
{
    return len >= HEADER_LEN && has(buf, len, MAGIC, "ARM\x64", 4);
}

int linux_image_parse(const uint8_t *buf, size_t len, struct linux_image *img, struct err *e)
{
    *img = (struct linux_image){.text_offset = OLD_TEXT_OFFSET, .mem_len = len, .header = false};
    if (!linux_image_has_header(buf, len)) {
        for (size_t i = 0; i < ARRAY_LEN(no_kernels); i++)
            if (has(buf, len, no_kernels[i].at, no_kernels[i].magic, no_kernels[i].len))
                return err_set(e, ENOEXEC, "%s", no_kernels[i].what);
        if (is_text(buf, len))
            return err_set(e, ENOEXEC, "a text file, not a kernel");
        if (len < 4)
            return err_set(e, ENOEXEC, "%zu bytes: not a kernel", len);
        return 0;
    }
    const uint64_t flags = get64(buf + FLAGS), image_size = get64(buf + IMAGE_SIZE);
    img->header = true;
    if (flags & FLAG_BIG_ENDIAN)
        return err_set(e, ENOEXEC, "a big-endian Linux kernel; build it little-endian");
    /* Before Linux 3.17 the size was 0 and the offset of no known byte order. */
    if (image_size == 0)
        return 0;
    img->text_offset = get64(buf + TEXT_OFFSET);
    img->mem_len = MAX(image_size, (uint64_t)len);
    img->anywhere = flags & FLAG_ANYWHERE;
    if (img->text_offset & 3)
        return err_set(e, ENOEXEC,
                       "damaged Linux kernel: text offset 0x%" PRIx64 " is not a multiple of 4",
                       img->text_offset);
    if (img->text_offset > LINUX_IMAGE_MAX || img->mem_len > LINUX_IMAGE_MAX)
        return err_set(e, ENOEXEC,
                       "damaged Linux kernel: text offset 0x%" PRIx64 ", image size 0x%" PRIx64,
                       img->text_offset, image_size);
    return 0;
}
