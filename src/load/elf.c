/* ELF executables: parsing from a buffer that may hold anything, and placing in guest memory.
 * Pure but for elf_load(), which writes guest memory while the machine is built; one thread.
 * Specification: System V gABI, "ELF Header" and "Program Header"; IHI 0056, "ELF Header". */
#include "load/load.h"

#include "base/bits.h"
#include "base/err.h"
#include "load/elf_format.h"
#include "mem/ram.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The machines whose executables people have lying about. */
static const char *machine_name(unsigned m)
{
    switch (m) {
    case 3: return "x86 (32-bit)";
    case 8: return "MIPS";
    case 20: return "PowerPC";
    case 21: return "64-bit PowerPC";
    case 22: return "S/390";
    case 40: return "32-bit Arm";
    case 62: return "x86-64";
    case 243: return "RISC-V";
    case 258: return "LoongArch";
    default: return NULL;
    }
}

bool elf_has_magic(const uint8_t *buf, size_t len)
{
    return len >= 4 && memcmp(buf, "\177ELF", 4) == 0;
}

int elf_check_ident(const uint8_t *buf, size_t len, struct err *e)
{
    if (len < EHDR_LEN)
        return err_set(e, ENOEXEC, "truncated ELF: the header needs %d bytes, the file has %zu",
                       EHDR_LEN, len);
    if (buf[EI_CLASS] == ELFCLASS32)
        return err_set(e, ENOEXEC, "a 32-bit ELF; the guest is 64-bit: build it for aarch64");
    if (buf[EI_CLASS] != ELFCLASS64)
        return err_set(e, ENOEXEC, "damaged ELF: unknown class %u", buf[EI_CLASS]);
    if (buf[EI_DATA] == ELFDATA2MSB)
        return err_set(e, ENOEXEC, "a big-endian ELF; build it little-endian");
    if (buf[EI_DATA] != ELFDATA2LSB || buf[EI_VERSION] != 1)
        return err_set(e, ENOEXEC, "damaged ELF: unknown data encoding or version");

    const unsigned machine = get16(buf + E_MACHINE);
    if (machine != EM_AARCH64) {
        const char *name = machine_name(machine);
        if (name)
            return err_set(e, ENOEXEC, "an ELF for %s; build it for aarch64", name);
        return err_set(e, ENOEXEC, "an ELF for another machine (number %u); build it for aarch64",
                       machine);
    }
    return 0;
}

static int check_header(const uint8_t *buf, size_t len, struct err *e)
{
    if (!elf_has_magic(buf, len))
        return err_set(e, ENOEXEC, "not an ELF file; a raw binary goes with --binary");
    const int r = elf_check_ident(buf, len, e);
    if (r < 0)
        return r;

    const unsigned type = get16(buf + E_TYPE);
    switch (type) {
    case ET_EXEC:
    case ET_DYN: break;
    case ET_REL: return err_set(e, ENOEXEC, "an ELF object file, not an executable; link it first");
    case ET_CORE: return err_set(e, ENOEXEC, "an ELF core dump, not an executable");
    default: return err_set(e, ENOEXEC, "an ELF of unknown type %u, not an executable", type);
    }

    unsigned nr = get16(buf + E_PHNUM), entsize = get16(buf + E_PHENTSIZE);
    uint64_t off = get64(buf + E_PHOFF);
    if (nr == 0)
        return err_set(e, ENOEXEC, "an ELF without program headers: nothing to load");
    if (nr == PN_XNUM)
        return err_set(e, ENOEXEC, "an ELF with more than 65534 program headers");
    if (entsize != PHDR_LEN)
        return err_set(e, ENOEXEC, "damaged ELF: program headers of %u bytes, not %d", entsize, PHDR_LEN);
    if (off > len || (uint64_t)nr * PHDR_LEN > len - off)
        return err_set(e, ENOEXEC,
                       "truncated ELF: %u program headers at 0x%" PRIx64
                       " reach beyond the file's %zu bytes",
                       nr, off, len);
    return 0;
}

/* One PT_LOAD; n is its number, for messages. */
static int add_segment(struct elf_image *elf, const uint8_t *ph, unsigned n, size_t len, struct err *e)
{
    uint64_t off = get64(ph + P_OFFSET), file_len = get64(ph + P_FILESZ);
    uint64_t base = get64(ph + P_PADDR), mem_len = get64(ph + P_MEMSZ);
    uint64_t vaddr = get64(ph + P_VADDR);

    if (file_len > mem_len)
        return err_set(e, ENOEXEC,
                       "damaged ELF: segment %u has more bytes in the file (0x%" PRIx64
                       ") than in memory (0x%" PRIx64 ")",
                       n, file_len, mem_len);
    if (mem_len == 0)
        return 0;
    if (file_len && (off > len || file_len > len - off))
        return err_set(e, ENOEXEC,
                       "truncated ELF: segment %u at 0x%" PRIx64 "+0x%" PRIx64
                       " reaches beyond the file's %zu bytes",
                       n, off, file_len, len);
    if (base + (mem_len - 1) < base || vaddr + (mem_len - 1) < vaddr)
        return err_set(e, ENOEXEC,
                       "damaged ELF: segment %u at 0x%" PRIx64 "+0x%" PRIx64
                       " wraps around the address space",
                       n, base, mem_len);

    unsigned at = 0;
    while (at < elf->nr_segments && elf->segment[at].base <= base)
        at++;
    const struct elf_segment *below = at ? &elf->segment[at - 1] : NULL;
    const struct elf_segment *above = at < elf->nr_segments ? &elf->segment[at] : NULL;
    if ((below && below->base + (below->mem_len - 1) >= base) ||
        (above && base + (mem_len - 1) >= above->base))
        return err_set(e, ENOEXEC,
                       "damaged ELF: segment %u at 0x%" PRIx64 "+0x%" PRIx64 " overlaps another segment",
                       n, base, mem_len);
    if (elf->nr_segments == ELF_MAX_SEGMENTS)
        return err_set(e, ENOEXEC, "an ELF with more than %d segments to load", ELF_MAX_SEGMENTS);
    memmove(&elf->segment[at + 1], &elf->segment[at], (elf->nr_segments - at) * sizeof(elf->segment[0]));
    elf->nr_segments++;
    elf->segment[at] = (struct elf_segment){
        .base = base,
        .mem_len = mem_len,
        .offset = file_len ? (size_t)off : 0,
        .file_len = (size_t)file_len,
        .exec = get32(ph + P_FLAGS) & PF_X,
    };
    return 0;
}

int elf_parse(const uint8_t *buf, size_t len, struct elf_image *elf, struct err *e)
{
    *elf = (struct elf_image){0};
    int r = check_header(buf, len, e);
    if (r < 0)
        return r;

    const uint8_t *table = buf + get64(buf + E_PHOFF);
    unsigned nr = get16(buf + E_PHNUM);
    uint64_t entry = get64(buf + E_ENTRY);
    bool entry_found = false;
    for (unsigned n = 0; n < nr; n++) {
        const uint8_t *ph = table + (size_t)n * PHDR_LEN;
        unsigned type = get32(ph + P_TYPE);
        if (type == PT_INTERP)
            return err_set(e, ENOEXEC,
                           "a dynamically linked program for an operating system; link it with -static "
                           "or -nostdlib");
        if (type != PT_LOAD)
            continue;
        r = add_segment(elf, ph, n, len, e);
        if (r < 0)
            return r;
        /* The entry is a virtual address; with the MMU off the guest starts at the physical one. */
        uint64_t vaddr = get64(ph + P_VADDR), mem_len = get64(ph + P_MEMSZ);
        if (!entry_found && (get32(ph + P_FLAGS) & PF_X) && entry - vaddr < mem_len) {
            elf->entry = entry - vaddr + get64(ph + P_PADDR);
            entry_found = true;
        }
    }
    if (elf->nr_segments == 0)
        return err_set(e, ENOEXEC, "an ELF without segments to load");
    if (!entry_found)
        return err_set(e, ENOEXEC,
                       "the ELF's entry point 0x%" PRIx64
                       " is in none of its executable segments; link it with -e SYMBOL",
                       entry);
    if (elf->entry & 3)
        return err_set(e, ENOEXEC,
                       "the ELF's entry point 0x%" PRIx64 " is not a multiple of 4, as instructions are",
                       elf->entry);
    const struct elf_segment *last = &elf->segment[elf->nr_segments - 1];
    elf->lowest = elf->segment[0].base;
    elf->highest = last->base + (last->mem_len - 1);
    return 0;
}

/* Zeroes [at, at + len), which lies in region g. After a reset memory holds what the guest left; in a fresh machine, and where the guest
 * never was, it is a hole in the memory object, and must stay one: a store would make the host provide the page. */
static void zero_tail(const struct ram_region *g, gpa_t at, uint64_t len)
{
    uint64_t done = 0;
#ifdef SEEK_DATA
    while (done < len) {
        const uint64_t here = (at - g->base) + done;
        off_t data = lseek(g->fd, (off_t)here, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return; /* holes up to the end of the object */
        off_t hole = data < 0 ? -1 : lseek(g->fd, data, SEEK_HOLE);
        if (hole < 0)
            break; /* this kind of object can't tell */
        const uint64_t skip = (uint64_t)data - here, nr = (uint64_t)(hole - data);
        if (skip >= len - done)
            return;
        done += skip;
        memset(g->host + (at - g->base) + done, 0, MIN(nr, len - done));
        done += MIN(nr, len - done);
    }
#endif
    memset(g->host + (at - g->base) + done, 0, len - done);
}

int elf_load(const struct elf_image *elf, const uint8_t *buf, const struct ram *r,
             struct load_map *m, const char *what, struct err *e)
{
    for (unsigned i = 0; i < elf->nr_segments; i++) {
        const struct elf_segment *s = &elf->segment[i];
        int rc = load_map_add(m, r, s->base, s->mem_len, what, e);
        if (rc < 0)
            return rc;
        /* Flash is no place for a program to be loaded. */
        uint8_t *host = ram_ptr(r, s->base, s->mem_len, true);
        if (!host)
            return err_set(e, EFAULT, "%s: segment at 0x%" PRIx64 " lies in read-only memory", what,
                           s->base);
        if (s->file_len)
            memcpy(host, buf + s->offset, s->file_len);
        if (s->mem_len > s->file_len)
            zero_tail(ram_find(r, s->base), s->base + s->file_len, s->mem_len - s->file_len);
    }
    return 0;
}
