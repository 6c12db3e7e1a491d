/* The ELF file format, as far as it is read here: offsets, values, little-endian numbers. Included by src/load/elf*.c.
 * Specification: System V gABI, "Object Files"; IHI 0056. */
#ifndef VIBE_LOAD_ELF_FORMAT_H
#define VIBE_LOAD_ELF_FORMAT_H

#include <stddef.h>
#include <stdint.h>

struct err;

/* Offsets and values of the file format; fields are read by offset, for the buffer has no alignment. */
enum {
    EHDR_LEN = 64,
    EI_CLASS = 4,
    EI_DATA = 5,
    EI_VERSION = 6,
    E_TYPE = 16,
    E_MACHINE = 18,
    E_ENTRY = 24,
    E_PHOFF = 32,
    E_SHOFF = 40,
    E_PHENTSIZE = 54,
    E_PHNUM = 56,
    E_SHENTSIZE = 58,
    E_SHNUM = 60,

    PHDR_LEN = 56,
    P_TYPE = 0,
    P_FLAGS = 4,
    P_OFFSET = 8,
    P_VADDR = 16,
    P_PADDR = 24,
    P_FILESZ = 32,
    P_MEMSZ = 40,

    SHDR_LEN = 64,
    SH_TYPE = 4,
    SH_FLAGS = 8,
    SH_ADDR = 16,
    SH_OFFSET = 24,
    SH_SIZE = 32,
    SH_LINK = 40,
    SH_ENTSIZE = 56,

    SYM_LEN = 24,
    ST_NAME = 0,
    ST_INFO = 4,
    ST_SHNDX = 6,
    ST_VALUE = 8,
    ST_SIZE = 16,

    ELFCLASS32 = 1,
    ELFCLASS64 = 2,
    ELFDATA2LSB = 1,
    ELFDATA2MSB = 2,
    ET_REL = 1,
    ET_EXEC = 2,
    ET_DYN = 3,
    ET_CORE = 4,
    EM_AARCH64 = 183,
    PN_XNUM = 0xffff,
    PT_LOAD = 1,
    PT_INTERP = 3,
    PF_X = 1,
    SHT_SYMTAB = 2,
    SHT_DYNSYM = 11,
    SHF_EXECINSTR = 4,
    SHN_UNDEF = 0,
    SHN_LORESERVE = 0xff00,
    STB_LOCAL = 0,
    STT_NOTYPE = 0,
    STT_OBJECT = 1,
    STT_FUNC = 2,
};

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static inline uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* Whether buf, which has the magic, begins as a 64-bit little-endian file for AArch64 does. 0 or -ENOEXEC. */
int elf_check_ident(const uint8_t *buf, size_t len, struct err *e);

#endif
