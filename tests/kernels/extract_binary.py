#!/usr/bin/env python3
"""Takes the code out of an AArch64 object file and writes it as a flat binary.

    extract_binary.py [--otool] OBJECT RAW

Reads 64-bit little-endian Mach-O objects (section __TEXT,__text) and ELF relocatable objects (section .text) itself; no other tool is
needed. With --otool the bytes come from `otool -t` (or what $OTOOL names) after the same checks.

A flat binary has no linker behind it, so an object is refused when something in its code is still to be filled in. Every refusal is one line
on stderr and exit status 2.

Formats: Apple's <mach-o/loader.h>, <mach-o/nlist.h>; the System V ABI's "Object Files" and the "ELF for the Arm 64-bit Architecture".
"""

import argparse
import os
import re
import shutil
import struct
import subprocess
import sys

MH_MAGIC_64 = 0xFEEDFACF
MH_OBJECT = 1
CPU_TYPE_ARM64 = 0x0100000C
LC_SYMTAB = 0x2
LC_SEGMENT_64 = 0x19
SECTION_TYPE = 0xFF
S_ZEROFILL_TYPES = (0x1, 0xC, 0x12)
S_ATTR_DEBUG = 0x02000000

ELFCLASS64 = 2
ELFDATA2LSB = 1
ET_REL = 1
EM_AARCH64 = 183
SHT_PROGBITS = 1
SHT_SYMTAB = 2
SHT_RELA = 4
SHT_NOBITS = 8
SHT_REL = 9
SHF_ALLOC = 0x2
SHN_LORESERVE = 0xFF00


class Refused(Exception):
    """The object can't become a flat binary; the text says why, in one line."""


class Code:
    """What an object has for us: its code, and the names of sections that hold something but are left out."""

    def __init__(self, kind, data, left_out):
        self.kind = kind
        self.data = data
        self.left_out = left_out


def piece(data, offset, size, what):
    """data[offset:offset+size], or a refusal: no length in a file is believed before it has been compared with the file."""
    if offset < 0 or size < 0 or offset + size > len(data):
        raise Refused("truncated or corrupt: %s (%d bytes at offset %d) lies beyond the end of the file (%d bytes)"
                      % (what, size, offset, len(data)))
    return data[offset:offset + size]


def unpack(fmt, data, offset, what):
    return struct.unpack(fmt, piece(data, offset, struct.calcsize(fmt), what))


def c_string(raw):
    return raw.split(b"\0", 1)[0].decode("ascii", "replace")


def string_at(table, offset):
    return c_string(table[offset:]) if 0 <= offset < len(table) else "?"


def refuse_relocations(count, address, symbol):
    raise Refused("%d unresolved relocation%s in the code, the first at 0x%x against '%s': a flat binary can't be linked"
                  % (count, "" if count == 1 else "s", address, symbol))


def no_code(name, why):
    raise Refused("no code: %s %s" % (name, why))


# ---- Mach-O

def macho_symbol(data, symtab, index):
    if symtab is None:
        return "symbol %d" % index
    symoff, nsyms, stroff, strsize = symtab
    if index >= nsyms:
        return "symbol %d" % index
    strx, = unpack("<I", data, symoff + 16 * index, "a symbol")
    return string_at(piece(data, stroff, strsize, "the string table"), strx)


def read_macho(data):
    _, cputype, _, filetype, ncmds, sizeofcmds, _, _ = unpack("<8I", data, 0, "the Mach-O header")
    if cputype != CPU_TYPE_ARM64:
        raise Refused("wrong machine: Mach-O CPU type 0x%x, not arm64 (0x%x)" % (cputype, CPU_TYPE_ARM64))
    if filetype != MH_OBJECT:
        raise Refused("not an object: Mach-O file type %d, not MH_OBJECT (1)" % filetype)
    commands = piece(data, 32, sizeofcmds, "the load commands")

    text, symtab, left_out = None, None, []
    offset = 0
    for number in range(ncmds):
        what = "load command %d" % number
        cmd, cmdsize = unpack("<2I", commands, offset, what)
        if cmdsize < 8:
            raise Refused("truncated or corrupt: %s has size %d" % (what, cmdsize))
        body = piece(commands, offset, cmdsize, what)
        if cmd == LC_SYMTAB:
            symtab = unpack("<4I", body, 8, "LC_SYMTAB")
        elif cmd == LC_SEGMENT_64:
            nsects, = unpack("<I", body, 64, "LC_SEGMENT_64")
            for index in range(nsects):
                sect = piece(body, 72 + 80 * index, 80, "section %d" % index)
                names = c_string(sect[16:32]), c_string(sect[0:16])
                size, fileoff, _, reloff, nreloc, flags = struct.unpack_from("<QIIIII", sect, 40)
                if names == ("__TEXT", "__text"):
                    if text is not None:
                        raise Refused("truncated or corrupt: two __TEXT,__text sections")
                    text = size, fileoff, reloff, nreloc, flags
                elif size and names[0] != "__LD" and not flags & S_ATTR_DEBUG:
                    left_out.append((",".join(names), size))
        offset += cmdsize

    if text is None:
        no_code("there", "is no __TEXT,__text section")
    size, fileoff, reloff, nreloc, flags = text
    if size == 0:
        no_code("__TEXT,__text", "is empty")
    if flags & SECTION_TYPE in S_ZEROFILL_TYPES:
        no_code("__TEXT,__text", "has no contents in the file")
    code = piece(data, fileoff, size, "__TEXT,__text")
    if nreloc:
        piece(data, reloff, 8 * nreloc, "the relocations of __text")
        address, info = unpack("<2I", data, reloff, "a relocation")
        index, extern = info & 0xFFFFFF, info >> 27 & 1
        refuse_relocations(nreloc, address, macho_symbol(data, symtab, index) if extern else "section %d" % index)
    return Code("Mach-O", code, left_out)


# ---- ELF

def elf_symbol(data, sections, symtab_index, index):
    """The name of a symbol for a message; the object is being refused anyway, so an odd table only costs the name."""
    try:
        symtab = sections[symtab_index]
        strtab = sections[symtab["link"]]
        name, info, _, shndx = unpack("<IBBH", data, symtab["offset"] + 24 * index, "a symbol")
        if info & 15 == 3 and shndx < len(sections):
            return sections[shndx]["name"]
        return string_at(piece(data, strtab["offset"], strtab["size"], "the string table"), name)
    except (IndexError, Refused):
        return "symbol %d" % index


def read_elf(data):
    ident = piece(data, 0, 16, "the ELF header")
    if ident[4] != ELFCLASS64:
        raise Refused("32-bit ELF" if ident[4] == 1 else "truncated or corrupt: ELF class %d" % ident[4])
    if ident[5] != ELFDATA2LSB:
        raise Refused("big-endian ELF" if ident[5] == 2 else "truncated or corrupt: ELF data encoding %d" % ident[5])
    etype, machine, _, _, _, shoff, _, _, _, _, shentsize, shnum, shstrndx = unpack(
        "<HHIQQQIHHHHHH", data, 16, "the ELF header")
    if machine != EM_AARCH64:
        raise Refused("wrong machine: ELF machine %d, not AArch64 (%d)" % (machine, EM_AARCH64))
    if etype != ET_REL:
        raise Refused("not an object: ELF type %d, not ET_REL (1)" % etype)
    if shoff == 0 or shnum == 0:
        no_code("there", "are no sections")
    if shentsize != 64:
        raise Refused("truncated or corrupt: ELF section headers of %d bytes, not 64" % shentsize)

    sections = []
    for index in range(shnum):
        name, kind, flags, _, offset, size, link, info, _, _ = unpack(
            "<IIQQQQIIQQ", data, shoff + 64 * index, "section header %d" % index)
        sections.append({"name_offset": name, "type": kind, "flags": flags, "offset": offset, "size": size, "link": link, "info": info})
    if shstrndx >= min(len(sections), SHN_LORESERVE):
        raise Refused("truncated or corrupt: section name table %d of %d sections" % (shstrndx, shnum))
    names = piece(data, sections[shstrndx]["offset"], sections[shstrndx]["size"], "the section names")
    for section in sections:
        section["name"] = string_at(names, section["name_offset"])

    texts = [i for i, s in enumerate(sections) if s["name"] == ".text"]
    if not texts:
        no_code("there", "is no .text section")
    if len(texts) > 1:
        raise Refused("truncated or corrupt: %d .text sections" % len(texts))
    text = sections[texts[0]]
    if text["type"] == SHT_NOBITS:
        no_code(".text", "has no contents in the file")
    if text["type"] != SHT_PROGBITS:
        raise Refused("truncated or corrupt: .text has section type %d" % text["type"])
    if text["size"] == 0:
        no_code(".text", "is empty")
    code = piece(data, text["offset"], text["size"], ".text")

    for section in sections:
        if section["type"] in (SHT_RELA, SHT_REL) and section["info"] == texts[0] and section["size"]:
            entry = 24 if section["type"] == SHT_RELA else 16
            piece(data, section["offset"], section["size"], section["name"])
            address, info = unpack("<QQ", data, section["offset"], "a relocation")
            refuse_relocations(max(1, section["size"] // entry), address, elf_symbol(data, sections, section["link"], info >> 32))
    left_out = [(s["name"], s["size"]) for s in sections
                if s["flags"] & SHF_ALLOC and s["size"] and s is not text and not s["name"].startswith(".note")]
    return Code("ELF", code, left_out)


def read_object(data):
    if not data:
        raise Refused("the file is empty")
    magic = data[:4]
    if magic == b"\x7fELF":
        return read_elf(data)
    if magic == struct.pack("<I", MH_MAGIC_64):
        return read_macho(data)
    if magic == struct.pack(">I", MH_MAGIC_64):
        raise Refused("big-endian Mach-O")
    if magic == b"\xce\xfa\xed\xfe":
        raise Refused("32-bit Mach-O")
    if magic == b"\xfe\xed\xfa\xce":
        raise Refused("32-bit big-endian Mach-O")
    if magic in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        raise Refused("not an object: a universal Mach-O file; take the arm64 slice out of it with lipo -thin")
    if magic == b"!<ar":
        raise Refused("not an object: an archive")
    raise Refused("not an object: neither Mach-O nor ELF")


# ---- otool

def parse_otool(text):
    """The bytes in the output of `otool -t`: an address, then 32-bit words (arm64) or bytes."""
    out = bytearray()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 2 or not all(re.fullmatch("[0-9a-fA-F]+", f) for f in fields) or len(fields[0]) not in (8, 16):
            continue
        for field in fields[1:]:
            if len(field) == 8:
                out += struct.pack("<I", int(field, 16))
            elif len(field) == 2:
                out.append(int(field, 16))
            else:
                raise Refused("otool: can't make sense of the line '%s'" % line.strip())
    return bytes(out)


def read_by_otool(path, code):
    tool = os.environ.get("OTOOL") or shutil.which("otool") or shutil.which("llvm-otool")
    if tool is None:
        raise Refused("--otool: there is no otool here; leave the option out")
    if code.kind != "Mach-O":
        raise Refused("--otool: otool reads Mach-O objects, this is %s" % code.kind)
    try:
        run = subprocess.run([tool, "-t", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False)
    except OSError as e:
        raise Refused("--otool: %s: %s" % (tool, e.strerror)) from e
    if run.returncode != 0:
        lines = run.stderr.strip().splitlines()
        raise Refused("--otool: %s: %s" % (tool, lines[0] if lines else "exit status %d" % run.returncode))
    data = parse_otool(run.stdout)
    if len(data) != len(code.data):
        raise Refused("--otool: %s gave %d bytes of code, the section has %d" % (tool, len(data), len(code.data)))
    return data


def main(argv):
    parser = argparse.ArgumentParser(description="Takes the code out of an AArch64 Mach-O or ELF object, as a flat binary.")
    parser.add_argument("--otool", action="store_true", help="take the bytes from `otool -t` (Mach-O only)")
    parser.add_argument("object")
    parser.add_argument("raw")
    args = parser.parse_args(argv)
    try:
        with open(args.object, "rb") as f:
            data = f.read()
        code = read_object(data)
        if args.otool:
            code.data = read_by_otool(args.object, code)
        for name, size in code.left_out:
            print("%s: note: section %s (%d bytes) is not code and is left out" % (args.object, name, size), file=sys.stderr)
        with open(args.raw, "wb") as f:
            f.write(code.data)
    except Refused as e:
        print("%s: %s" % (args.object, e), file=sys.stderr)
        return 2
    except OSError as e:
        print("%s: %s" % (e.filename or args.object, e.strerror), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
