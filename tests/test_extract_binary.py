"""tests/kernels/extract_binary.py: objects made here byte by byte, good and bad in each way; then real ones from each assembler."""
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import vibe

KERNELS = os.path.join(vibe.ROOT, "tests", "kernels")
EXTRACT = os.path.join(KERNELS, "extract_binary.py")
CODE = bytes.fromhex("7f2003d5ffffff17")  # 1: wfi; b 1b


def macho(code=CODE, cputype=0x0100000C, filetype=1, nreloc=0, section=(b"__TEXT", b"__text"), others=(), flags=0x80000400, sects=None):
    """A Mach-O object: one unnamed segment, a symbol table with the symbol _elsewhere. others: (segment, section, bytes)."""
    sections = [(section[0], section[1], code, nreloc, flags)] + [(s, n, b, 0, 0) for s, n, b in others]
    sizeofcmds = 72 + 80 * len(sections) + 24
    at = 32 + sizeofcmds
    table = blob = b""
    for segname, sectname, content, count, sectflags in sections:
        table += struct.pack("<16s16sQQIIIIIIII", sectname, segname, 0, len(content), at + len(blob), 2, 0, count, sectflags, 0, 0, 0)
        blob += content
    # Relocations of the first section come behind the contents: BRANCH26 at 4 against symbol 0.
    reloff = at + len(blob)
    table = table[:56] + struct.pack("<I", reloff if nreloc else 0) + table[60:]
    blob += struct.pack("<II", 4, 0 | 1 << 24 | 2 << 25 | 1 << 27 | 2 << 28) * nreloc
    symoff = at + len(blob)
    strings = b"\0_elsewhere\0"
    blob += struct.pack("<IBBHQ", 1, 1, 0, 0, 0) + strings
    header = struct.pack("<8I", 0xFEEDFACF, cputype, 0, filetype, 2, sizeofcmds, 0, 0)
    segment = struct.pack("<II16sQQQQIIII", 0x19, 72 + 80 * len(sections), b"", 0, len(code), at, len(code), 7, 7,
                          len(sections) if sects is None else sects, 0)
    symtab = struct.pack("<6I", 2, 24, symoff, 1, symoff + 16, len(strings))
    return header + segment + table + symtab + blob


def elf(code=CODE, machine=183, etype=1, nreloc=0, name=b".text", kind=1, others=(), rel=4, target=1):
    """An ELF object: null, text, the others (name, flags, bytes), symbols, their names, relocations of the text, section names."""
    sections = [(name, kind, 6, code, 0, 0, 0)] + [(n, 1, f, b, 0, 0, 0) for n, f, b in others]
    symtab_index = 1 + len(sections)
    sections.append((b".symtab", 2, 0, bytes(24) + struct.pack("<IBBHQQ", 1, 0x10, 0, 0, 0, 0), symtab_index + 1, 1, 24))
    sections.append((b".strtab", 3, 0, b"\0elsewhere\0", 0, 0, 0))
    if nreloc:
        entry = struct.pack("<QQ", 4, 1 << 32 | 282) + (struct.pack("<q", 0) if rel == 4 else b"")
        sections.append((b".rela.text", rel, 0x40, entry * nreloc, symtab_index, target, len(entry)))
    names = b"\0"
    offsets = []
    for section in sections + [(b".shstrtab",)]:
        offsets.append(len(names))
        names += section[0] + b"\0"
    sections.append((b".shstrtab", 3, 0, names, 0, 0, 0))
    blob, headers = b"", bytes(64)
    for (_, stype, flags, content, link, info, entsize), offset in zip(sections, offsets):
        headers += struct.pack("<IIQQQQIIQQ", offset, stype, flags, 0, 64 + len(blob), len(content), link, info, 4, entsize)
        blob += content
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", etype, machine, 1, 0, 0, 64 + len(blob), 0, 64, 0, 0, 64,
                               len(sections) + 1, len(sections)) + blob + headers


def patched(data, offset, fmt, value):
    new = struct.pack(fmt, value)
    return data[:offset] + new + data[offset + len(new):]


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.object = os.path.join(self.dir, "kernel.o")
        self.raw = os.path.join(self.dir, "kernel.raw")

    def extract(self, *options, env=None):
        return subprocess.run([sys.executable, EXTRACT, *options, self.object, self.raw], capture_output=True, text=True, check=False,
                              env=dict(os.environ, **(env or {})))

    def put(self, data):
        with open(self.object, "wb") as f:
            f.write(data)

    def good(self, data, code=CODE, note=""):
        self.put(data)
        p = self.extract()
        self.assertEqual((p.returncode, p.stdout), (0, ""), p.stderr)
        if note:
            self.assertIn(note, p.stderr)
        else:
            self.assertEqual(p.stderr, "")
        with open(self.raw, "rb") as f:
            self.assertEqual(f.read(), code)

    def refused(self, data, *words):
        self.put(data)
        p = self.extract()
        self.assertEqual((p.returncode, p.stdout), (2, ""), p.stderr)
        self.assertEqual(p.stderr.count("\n"), 1, p.stderr)
        self.assertTrue(p.stderr.startswith(self.object + ": "), p.stderr)
        for word in words:
            self.assertIn(word, p.stderr)
        self.assertFalse(os.path.exists(self.raw), "a refused object left a file behind")


class Made(Base):
    def test_good(self):
        self.good(macho())
        self.good(elf())
        self.good(macho(CODE * 1000), CODE * 1000)
        self.good(elf(CODE * 1000), CODE * 1000)

    def test_other_sections_are_named(self):
        self.good(macho(others=[(b"__DATA", b"__data", b"12345678")]), note="section __DATA,__data (8 bytes) is not code")
        self.good(macho(others=[(b"__LD", b"__compact_unwind", b"12345678")]))
        self.good(elf(others=[(b".rodata", 2, b"12345678")]), note="section .rodata (8 bytes) is not code")
        self.good(elf(others=[(b".debug_info", 0, b"12345678"), (b".note.gnu.property", 2, b"12345678")]))

    def test_relocations(self):
        self.refused(macho(nreloc=1), "1 unresolved relocation in the code", "0x4", "'_elsewhere'")
        self.refused(macho(nreloc=3), "3 unresolved relocations")
        self.refused(elf(nreloc=1), "1 unresolved relocation in the code", "0x4", "'elsewhere'")
        self.refused(elf(nreloc=3), "3 unresolved relocations")
        self.refused(elf(nreloc=2, rel=9), "2 unresolved relocations")
        self.good(elf(nreloc=1, target=2, others=[(b".debug_info", 0, b"12345678")]))  # of another section

    def test_no_code(self):
        self.refused(macho(code=b""), "no code", "empty")
        self.refused(macho(section=(b"__DATA", b"__data")), "no code", "no __TEXT,__text")
        self.refused(macho(section=(b"__TEXT", b"__const")), "no code", "no __TEXT,__text")
        self.refused(macho(flags=1), "no code")
        self.refused(elf(code=b""), "no code", "empty")
        self.refused(elf(name=b".data"), "no code", "no .text")
        self.refused(elf(kind=8), "no code")
        self.refused(patched(elf(), 60, "<H", 0), "no code", "no sections")

    def test_not_an_object(self):
        self.refused(b"", "empty")
        self.refused(b"hello, world\n" * 10, "not an object")
        self.refused(CODE, "not an object")
        self.refused(b"!<arch>\n" + bytes(60), "not an object", "archive")
        self.refused(b"\xca\xfe\xba\xbe" + bytes(60), "not an object", "universal")
        self.refused(macho(filetype=2), "not an object", "file type 2")
        self.refused(elf(etype=2), "not an object", "ELF type 2")

    def test_wrong_kind(self):
        self.refused(macho(cputype=0x01000007), "wrong machine", "0x1000007")
        self.refused(elf(machine=62), "wrong machine", "62")
        self.refused(patched(macho(), 0, "<I", 0xFEEDFACE), "32-bit")
        self.refused(patched(macho(), 0, ">I", 0xFEEDFACF), "big-endian")
        self.refused(patched(macho(), 0, ">I", 0xFEEDFACE), "32-bit", "big-endian")
        self.refused(patched(elf(), 4, "<B", 1), "32-bit")
        self.refused(patched(elf(), 5, "<B", 2), "big-endian")
        self.refused(patched(elf(), 4, "<B", 7), "corrupt")
        self.refused(patched(elf(), 5, "<B", 0), "corrupt")

    def test_corrupt(self):
        huge = 0xFFFFFFF0
        self.refused(macho(sects=9), "corrupt")
        self.refused(patched(macho(), 20, "<I", huge), "corrupt", "load commands")
        self.refused(patched(macho(), 16, "<I", huge), "corrupt")  # ncmds
        self.refused(patched(macho(), 36, "<I", 0), "corrupt", "size 0")  # cmdsize: must not loop
        self.refused(patched(macho(), 36, "<I", huge), "corrupt")
        self.refused(patched(macho(), 104 + 40, "<Q", 1 << 63), "corrupt", "__TEXT,__text")  # size of the section
        self.refused(patched(macho(), 104 + 48, "<I", huge), "corrupt", "__TEXT,__text")  # its offset
        self.refused(patched(macho(nreloc=1), 104 + 56, "<I", huge), "corrupt", "relocations")
        self.refused(macho(others=[(b"__TEXT", b"__text", CODE)]), "two __TEXT,__text")
        self.refused(patched(elf(), 40, "<Q", 1 << 63), "corrupt", "section header")
        self.refused(patched(elf(), 58, "<H", 40), "corrupt", "40 bytes")
        self.refused(patched(elf(), 62, "<H", 99), "corrupt", "section name table")
        self.refused(elf(others=[(b".text", 6, CODE)]), "2 .text sections")
        self.refused(elf(kind=3), "corrupt", "section type 3")
        text_header = struct.unpack_from("<Q", elf(), 40)[0] + 64
        self.refused(patched(elf(), text_header + 32, "<Q", 1 << 63), "corrupt", ".text")
        self.refused(patched(elf(), text_header + 24, "<Q", 1 << 63), "corrupt", ".text")

    def test_every_truncation(self):
        """Cut off anywhere, an object gives either its whole code or one line; never a traceback, never less code."""
        sys.path.insert(0, KERNELS)
        self.addCleanup(sys.path.remove, KERNELS)
        import extract_binary
        for data in (macho(), macho(nreloc=1), elf(), elf(nreloc=1)):
            for length in range(len(data)):
                try:
                    code = extract_binary.read_object(data[:length])
                except extract_binary.Refused as e:
                    self.assertNotIn("\n", str(e))
                else:
                    self.assertEqual(code.data, CODE)

    def test_files(self):
        p = self.extract()
        self.assertEqual(p.returncode, 2)
        self.assertEqual(p.stderr.count("\n"), 1, p.stderr)
        self.assertIn("No such file", p.stderr)
        self.put(elf())
        self.raw = os.path.join(self.dir, "nowhere", "kernel.raw")
        p = self.extract()
        self.assertEqual(p.returncode, 2)
        self.assertIn(self.raw, p.stderr)

    def fake_otool(self, output, status=0):
        path = os.path.join(self.dir, "otool")
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\ncat <<'END'\n%s\nEND\nexit %d\n" % (output, status))
        os.chmod(path, 0o755)
        return {"OTOOL": path}

    def test_otool(self):
        self.put(macho())
        head = "kernel.o:\nContents of (__TEXT,__text) section\n"
        for body in ("0000000000000000 d503207f 17ffffff", "0000000000000000 d503207f\n0000000000000004 17ffffff",
                     "0000000000000000 7f 20 03 d5 ff ff ff 17"):
            p = self.extract("--otool", env=self.fake_otool(head + body))
            self.assertEqual(p.returncode, 0, p.stderr)
            with open(self.raw, "rb") as f:
                self.assertEqual(f.read(), CODE)
            os.unlink(self.raw)
        for output, status, word in ((head + "0000000000000000 d503207f", 0, "gave 4 bytes"), (head, 1, "exit status 1"),
                                     (head + "0000000000000000 d50", 0, "can't make sense")):
            p = self.extract("--otool", env=self.fake_otool(output, status))
            self.assertEqual(p.returncode, 2)
            self.assertIn(word, p.stderr)
            self.assertEqual(p.stderr.count("\n"), 1, p.stderr)
        p = self.extract("--otool", env={"OTOOL": os.path.join(self.dir, "none")})
        self.assertEqual(p.returncode, 2)
        self.put(elf())
        p = self.extract("--otool", env=self.fake_otool(head))
        self.assertEqual(p.returncode, 2)
        self.assertIn("ELF", p.stderr)


def clang_can(target):
    if not shutil.which("clang"):
        return False
    return subprocess.run(["clang", "--target=" + target, "-x", "assembler", "-c", "-o", os.devnull, os.devnull], capture_output=True,
                          check=False).returncode == 0


class RealObjects(Base):
    """The seeds through each assembler that is here: the committed bytes. And code that does need a linker: refused."""
    NEEDS_LINKER = "    .text\n    .globl _start\n_start:\n    bl _elsewhere\n"

    def by(self, *command):
        for name in ("arm64_simple", "arm64_test", "arm64_hello"):
            subprocess.run([*command, os.path.join(KERNELS, name + ".S"), "-o", self.object], check=True)
            with open(os.path.join(KERNELS, name + ".raw"), "rb") as f, open(self.object, "rb") as o:
                self.good(o.read(), f.read())
        source = os.path.join(self.dir, "needs_linker.s")
        with open(source, "w", encoding="utf-8") as f:
            f.write(self.NEEDS_LINKER)
        os.unlink(self.raw)
        subprocess.run([*command, source, "-o", self.object], check=True)
        with open(self.object, "rb") as o:
            self.refused(o.read(), "1 unresolved relocation", "'_elsewhere'")

    @unittest.skipUnless(clang_can("arm64-apple-macos13"), "no clang that makes arm64 Mach-O objects")
    def test_clang_macho(self):
        self.by("clang", "--target=arm64-apple-macos13", "-c")

    @unittest.skipUnless(clang_can("aarch64-linux-gnu"), "no clang that makes AArch64 ELF objects")
    def test_clang_elf(self):
        self.by("clang", "--target=aarch64-linux-gnu", "-c")

    @unittest.skipUnless(shutil.which("aarch64-linux-gnu-as"), "no GNU cross assembler (binutils-aarch64-linux-gnu)")
    def test_gnu_as(self):
        self.by("aarch64-linux-gnu-as")

    @unittest.skipUnless(shutil.which("aarch64-linux-gnu-gcc"), "no GNU cross compiler (gcc-aarch64-linux-gnu)")
    def test_gnu_gcc(self):
        self.by("aarch64-linux-gnu-gcc", "-c")

    @unittest.skipUnless(clang_can("arm64-apple-macos13") and (shutil.which("otool") or shutil.which("llvm-otool") or
                                                               shutil.which("llvm-otool-14")), "no otool, or nothing to show it")
    def test_real_otool(self):
        subprocess.run(["clang", "--target=arm64-apple-macos13", "-c", os.path.join(KERNELS, "arm64_hello.S"), "-o", self.object], check=True)
        tool = shutil.which("otool") or shutil.which("llvm-otool") or shutil.which("llvm-otool-14")
        p = self.extract("--otool", env={"OTOOL": tool})
        self.assertEqual(p.returncode, 0, p.stderr)
        with open(self.raw, "rb") as f, open(os.path.join(KERNELS, "arm64_hello.raw"), "rb") as want:
            self.assertEqual(f.read(), want.read())


if __name__ == "__main__":
    unittest.main()
