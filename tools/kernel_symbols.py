#!/usr/bin/env python3
"""Makes an ELF file of a Linux kernel's symbols, for gdb, lldb and --symbols: distributions ship the kernel without them. Of an Image also how each
function keeps its frame, which backtraces need.

    kernel_symbols.py KERNEL OUTPUT      KERNEL is an Image for arm64 (also compressed by gzip), whose own table (kallsyms) is read, or a text
                                         as System.map and /proc/kallsyms are: ADDRESS TYPE NAME
      --base ADDR                        where the kernel is linked, if the Image does not say: of _text

A kernel with KASLR runs elsewhere: docs/debugging.md tells how to find where, and to load the symbols there.
"""
import argparse
import bisect
import gzip
import re
import struct
import sys

DEFAULT_BASE = 0xFFFF800008000000
KERNEL_HALF = 1 << 63
NR_TOKENS = 256
MARKER_EVERY = 256
TYPES = b"aAbBcCdDgGiInNpPrRsStTuUvVwW?"


class Failure(Exception):
    pass


def align(n, to):
    return (n + to - 1) // to * to


# --- kallsyms (the kernel's scripts/kallsyms.c writes it) -----------------------------------------------------------------------------------

def tokens_at(data, start):
    """The table of tokens that begins there: (the tokens, where the index behind it ends), or None."""
    tokens, offsets, p = [], [], start
    for _ in range(NR_TOKENS):
        end = data.find(b"\0", p)
        if end < 0:
            return None
        offsets.append(p - start)
        tokens.append(data[p:end])
        p = end + 1
    index = struct.pack("<%dH" % NR_TOKENS, *(o & 0xFFFF for o in offsets))
    found = data.find(index, p, p + 64 + len(index))
    return (tokens, found + len(index)) if found >= 0 else None


def find_tokens(data):
    """(where the table of tokens begins, the tokens, where its index ends). Digits are tokens of their own, so these stand side by side."""
    digits = b"".join(bytes([c, 0]) for c in b"0123456789")
    at = -1
    while (at := data.find(digits, at + 1)) >= 0:
        second = at
        for _ in range(ord("0") - 1):
            second = data.rfind(b"\0", 0, second - 1) + 1
        # What is in front of the first one may be anything.
        for start in range(align(max(0, second - 32), 8), second, 8):
            found = tokens_at(data, start)
            if found:
                return start, *found
    raise Failure("no table of symbols is in it (CONFIG_KALLSYMS)")


def read_names(data, at, number, tokens):
    """(names with their types, where each marker would be, the end); None where that is no such list."""
    names, markers, start = [], [], at
    for i in range(number):
        if i % MARKER_EVERY == 0:
            markers.append(at - start)
        if at >= len(data):
            return None
        length = data[at]
        at += 1
        if length & 0x80:
            length = length & 0x7F | data[at] << 7
            at += 1
        name = b"".join(tokens[t] for t in data[at:at + length])
        if len(name) < 2 or name[0] not in TYPES:
            return None
        names.append(name)
        at += length
    return names, markers, at


def find_names(data, before, tokens):
    """The number of symbols stands in front of them; the markers behind them tell that it is right."""
    first = max(0, before - (16 << 20)) // 8 * 8
    numbers = struct.unpack_from("<%dQ" % ((before - first) // 8), data, first)
    for i in range(len(numbers) - 1, -1, -1):
        n = numbers[i]
        if not 1000 <= n < 10000000:
            continue
        at = first + 8 * i
        if read_names(data, at + 8, min(n, 300), tokens) is None:
            continue
        found = read_names(data, at + 8, n, tokens)
        if found is None:
            continue
        names, markers, end = found
        for packed in (struct.pack("<%dI" % len(markers), *markers), struct.pack("<%dQ" % len(markers), *markers)):
            if data[align(end, 8):].startswith(packed):
                return at, names
    raise Failure("its table of symbols is of a kind that is not known here")


def plausible(offsets):
    """Offsets from the first symbol rise."""
    return offsets[0] < 1 << 20 and all(a <= b for a, b in zip(offsets, offsets[1:])) and offsets[-1] > offsets[0]


def find_offsets(data, number_at, behind, nr):
    """Before Linux 6.4 in front of the number, then behind the tokens. (base or 0, offsets)"""
    for base_at, at in ((number_at - 8, number_at - 8 - align(4 * nr, 8)), (None, align(behind, 8))):
        if at < 0 or at + 4 * nr > len(data):
            continue
        offsets = struct.unpack_from("<%dI" % nr, data, at)
        if plausible(offsets):
            base_at = base_at if base_at is not None else align(at + 4 * nr, 8)
            return struct.unpack_from("<Q", data, base_at)[0], offsets
    raise Failure("the addresses of its symbols are of a kind that is not known here")


def entry_offset(data):
    """Where the first instruction leads to (Documentation/arm64/booting: code0, code1), from the start of the Image."""
    for at in (0, 4):
        word = struct.unpack_from("<I", data, at)[0]
        if word >> 26 == 5:  # B
            return at + 4 * ((word & 0x3FFFFFF) - ((word & 0x2000000) << 1))
    return None


def from_image(data, base):
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[56:60] != b"ARM\x64":
        raise Failure("this is no Image for arm64, nor a list of symbols")
    start, tokens, end = find_tokens(data)
    number_at, names = find_names(data, start, tokens)
    own_base, offsets = find_offsets(data, number_at, end, len(names))
    found = {n[1:].decode("ascii", "replace"): o for n, o in zip(names, offsets)}
    entry = entry_offset(data)
    if entry is None or "primary_entry" not in found:
        raise Failure("where its code begins is not known")
    text = found["primary_entry"] - entry  # _text, from the first symbol
    # A kernel that can be relocated has zero there: what it is comes with the relocations.
    if base is None:
        base = own_base + text if own_base >= KERNEL_HALF else DEFAULT_BASE
    symbols = [(base - text + o, chr(n[0]), n[1:].decode("ascii", "replace")) for o, n in zip(offsets, names)]
    if "_text" not in found:
        symbols.insert(0, (base, "T", "_text"))
    return symbols, frames(symbols, data, base)


def from_text(data):
    symbols = []
    for n, line in enumerate(data.decode("ascii", "replace").splitlines(), 1):
        m = re.match(r"([0-9a-fA-F]{1,16}) (\S) (\S+)", line)
        if not m:
            raise Failure("line %d is not ADDRESS TYPE NAME" % n)
        address = int(m.group(1), 16)
        if m.group(2) not in "aA" and "\t[" not in line:  # absolute ones are no addresses; modules lie elsewhere
            symbols.append((address, m.group(2), m.group(3)))
    if not any(a for a, _, _ in symbols):
        raise Failure("its addresses are hidden: read it as root, with kernel.kptr_restrict=0")
    if len(symbols) < 2:
        raise Failure("there are no symbols in it; the kernel's Image has them")
    return symbols


# --- Frames (DWARF's .debug_frame), as the code tells them ----------------------------------------------------------------------------------

FP, LR, SP = 29, 30, 31
PROLOGUE_MAX = 32  # instructions
PACIASP, AUTIASP, RET = 0xD503233F, 0xD50323BF, 0xD65F03C0
# Their callers are in another exception level, or nobody.
OUTERMOST = ("el0t_64_sync", "el0t_64_irq", "el0t_64_fiq", "el0t_64_error", "ret_from_fork", "__secondary_switched", "__primary_switched", "primary_entry")
# They keep the frame of what was interrupted in the place of a caller's.
INTERRUPTED = ("el1h_64_sync", "el1h_64_irq", "el1h_64_fiq", "el1h_64_error")


def leb(n, signed=False):
    out = bytearray()
    while True:
        byte = n & 0x7F
        n >>= 7
        if (not signed and n == 0) or (signed and n in (0, -1) and (n == -1) == bool(byte & 0x40)):
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


class Rows:
    """The instructions of one FDE."""

    def __init__(self):
        self.out, self.at = bytearray(), 0

    def go(self, at):
        step, self.at = at - self.at, at
        while step:
            n = min(step, 63)
            self.out.append(0x40 | n)
            step -= n

    def cfa(self, register, offset):
        self.out += b"\x0c" + leb(register) + leb(offset)

    def saved(self, register, below):  # bytes below the CFA
        self.out += bytes([0x80 | register]) + leb(below // 8)

    def put(self, *codes):
        self.out += bytes(codes)


def imm7(word):
    n = word >> 15 & 0x7F
    return 8 * (n - (n << 1 & 0x80))


def signed9(word):
    n = word >> 12 & 0x1FF
    return n - (n << 1 & 0x200)


def prologue(words, rows):
    """(whether there is a frame record, how much of the stack is used, whether the return address is signed)"""
    used, record, is_signed = 0, False, False
    for i, w in enumerate(words[:PROLOGUE_MAX]):
        if w == PACIASP:
            rows.go(i + 1)
            rows.put(0x2D)
            is_signed = True
        elif w & 0xFF8003FF == 0xD10003FF:  # sub sp, sp, #imm
            used += (w >> 10 & 0xFFF) << (12 if w & 1 << 22 else 0)
            rows.go(i + 1)
            rows.cfa(SP, used)
        elif w & 0xFFC003E0 == 0xA98003E0 or w & 0xFFE00FE0 == 0xF8000FE0:  # stp or str x, [sp, #-imm]!
            used -= imm7(w) if w & 0xFFC003E0 == 0xA98003E0 else signed9(w)
            rows.go(i + 1)
            rows.cfa(SP, used)
            if w & 0xFFC07FFF == 0xA9807BFD:
                rows.saved(FP, used)
                rows.saved(LR, used - 8)
                record = True
        elif w & 0xFFC07FFF == 0xA9007BFD:  # stp x29, x30, [sp, #imm]
            rows.go(i + 1)
            rows.saved(FP, used - imm7(w))
            rows.saved(LR, used - imm7(w) - 8)
            record = True
        elif record and w & 0xFFC003FF == 0x910003FD:  # add x29, sp, #imm
            rows.go(i + 1)
            rows.cfa(FP, used - (w >> 10 & 0xFFF))
            return True, used, is_signed
        elif w >> 26 in (0x05, 0x25) or w & 0x7C000000 in (0x34000000,) or w >> 24 == 0x54 or w >> 25 == 0x6B:  # branches
            break
    return record, used, is_signed


def rows_of(words, name):
    rows = Rows()
    if name in OUTERMOST:
        rows.put(0x07, LR)
        return rows.out
    if name in INTERRUPTED:
        rows.cfa(FP, 16)
        rows.saved(FP, 16)
        rows.saved(LR, 8)
        return rows.out
    record, _, is_signed = prologue(words, rows)
    for i in range(rows.at, len(words) if record else 0):
        if words[i] & 0xFFC07FFF != 0xA8C07BFD:  # ldp x29, x30, [sp], #imm: until the end of the epilogue
            continue
        end = next((k for k in range(i + 1, min(i + 6, len(words))) if words[k] == RET or words[k] >> 26 == 0x05), None)
        if end is None:
            continue
        rows.go(i + 1)
        rows.put(0x0A)
        rows.cfa(SP, 0)
        rows.put(0x08, FP, 0x08, LR)
        for k in range(i + 1, end):
            if words[k] & 0xFF8003FF == 0x910003FF:  # add sp, sp, #imm
                rows.cfa(SP, 0)
            if words[k] == AUTIASP and is_signed:
                rows.go(k + 1)
                rows.put(0x2D)
        rows.go(end + 1)
        rows.put(0x0B)
    return rows.out


def frames(symbols, code, base):
    """code: what lies from base on."""
    def entry(content):
        content += bytes(-(len(content) + 4) % 8)
        return struct.pack("<I", len(content)) + content

    out = bytearray(entry(struct.pack("<IB", 0xFFFFFFFF, 1) + b"\0" + leb(4) + leb(-8, True) + bytes([LR]) + b"\x0c" + leb(SP) + leb(0)))
    addresses = sorted({a for a, _, _ in symbols})
    names = {}
    for a, kind, name in symbols:
        if kind in "tTwW":
            names.setdefault(a, name)
    for a, following in zip(addresses, addresses[1:]):
        length = min(following - a, 1 << 20) // 4 * 4
        if a in names and a % 4 == 0 and length and 0 <= a - base <= len(code) - length:
            words = struct.unpack_from("<%dI" % (length // 4), code, a - base)
            out += entry(struct.pack("<IQQ", 0, a, length) + bytes(rows_of(words, names[a])))
    return bytes(out)


# --- ELF ------------------------------------------------------------------------------------------------------------------------------------

STT_NOTYPE, STT_OBJECT, STT_FUNC = 0, 1, 2
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2


def elf(symbols, debug_frame):
    symbols = sorted(symbols)
    addresses = sorted({a for a, _, _ in symbols})
    low, high = addresses[0], addresses[-1] + 4
    strings, table = bytearray(b"\0"), []
    for address, kind, name in symbols:
        following = bisect.bisect_right(addresses, address)
        size = addresses[following] - address if following < len(addresses) else 4
        is_code = kind in "tTwW"
        binding = STB_WEAK if kind in "wWvV" else STB_GLOBAL if kind.isupper() else STB_LOCAL
        table.append((binding, struct.pack("<IBBHQQ", len(strings), binding << 4 | (STT_FUNC if is_code else STT_OBJECT), 0, 1, address, size)))
        strings += name.encode() + b"\0"
    table.sort(key=lambda t: t[0] != STB_LOCAL)
    nr_local = 1 + sum(binding == STB_LOCAL for binding, _ in table)
    # name, type, flags, address, contents, link, info, alignment, size of an entry
    sections = [
        (b".text", 8, 6, low, high - low, 0, 0, 4, 0),  # NOBITS: the code is in the guest
        (b".symtab", 2, 0, 0, bytes(24) + b"".join(entry for _, entry in table), 3, nr_local, 8, 24),
        (b".strtab", 3, 0, 0, bytes(strings), 0, 0, 1, 0),
    ]
    if debug_frame:
        sections.append((b".debug_frame", 1, 0, 0, debug_frame, 0, 0, 8, 0))
    names = b"\0" + b"".join(s[0] + b"\0" for s in sections) + b".shstrtab\0"
    sections.append((b".shstrtab", 3, 0, 0, names, 0, 0, 1, 0))
    body, heads = bytearray(), [bytes(64)]
    for name, kind, flags, address, contents, link, info, alignment, entry in sections:
        body += bytes(-len(body) % 8)
        size = contents if isinstance(contents, int) else len(contents)
        heads.append(struct.pack("<IIQQQQIIQQ", names.index(name), kind, flags, address, 64 + len(body), size, link, info, alignment, entry))
        body += b"" if isinstance(contents, int) else contents
    body += bytes(-len(body) % 8)
    head = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, len(heads),
                                                                  len(heads) - 1)
    return head + bytes(body) + b"".join(heads)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("kernel")
    a.add_argument("output")
    a.add_argument("--base", type=lambda t: int(t, 0))
    o = a.parse_args()
    try:
        with open(o.kernel, "rb") as f:
            data = f.read()
        is_text = re.match(rb"[0-9a-fA-F]{8,16} \S ", data)
        symbols, debug_frame = (from_text(data), b"") if is_text else from_image(data, o.base)
        with open(o.output, "wb") as f:
            f.write(elf(symbols, debug_frame))
    except (OSError, Failure, struct.error, IndexError, ValueError) as e:
        sys.exit("kernel_symbols.py: %s: %s" % (o.kernel, getattr(e, "strerror", None) or e))
    return 0


if __name__ == "__main__":
    sys.exit(main())
