"""A test case and the memory that it runs in: the Python side of case.h."""

import random
import struct

DATA = 0x2000000000
CODE = DATA + 0x10000
CODE_LEN = 0x80000
STOP = 0xD4200020
WINDOW = 256
MAX_WORDS = 36
MAGIC = 0x3561736965626976
M64 = (1 << 64) - 1

NEW_BATCH, UNDEFINED, SP_ALIGN, MEM_ALIGN, AUT, ZVA, READS, WRITES, STORES = 1, 2, 4, 8, 16, 32, 64, 128, 256

# Where a case's window can lie: in the middle of two pages; before nothing; before a read-only page; after nothing.
MIDDLE, BEFORE_NONE, BEFORE_RO, AFTER_NONE = DATA + 0x1F80, DATA + 0x2F00, DATA + 0x4F80, DATA + 0x1000
READ_ONLY = DATA + 0x5000

EDGES = [
    0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000,
    0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF, 0x100000000, 0x17FFFFFFF, 0x7FFFFFFFFFFFFFFF,
    0x8000000000000000, 0x8000000000000001, 0xFFFFFFFF80000000, 0xFFFFFFFF7FFFFFFF, 0xFFFFFFFF00000000,
    0xFFFFFFFFFFFF8000, 0xFFFFFFFFFFFFFF80, 0xFFFFFFFFFFFFFFFE, M64, 0x5555555555555555, 0xAAAAAAAAAAAAAAAA,
    0x0123456789ABCDEF, 0x00FF00FF00FF00FF, 0x7F807F8080808080,
]

CASE = struct.Struct("<4IQ31Q4Q4I64Q256s%dI" % MAX_WORDS)


def value(r):
    """A register's value, with weight on those where carries, signs and widths change."""
    p = r.random()
    if p < 0.4:
        return r.choice(EDGES)
    if p < 0.5:
        return 1 << r.randrange(64)
    if p < 0.6:
        return ((1 << r.randrange(1, 65)) - 1) ^ (M64 if r.random() < 0.3 else 0)
    if p < 0.68:
        return -r.randrange(1, 300) & M64
    return r.getrandbits(64)


# FPCR: AHP DN FZ RMode FZ16. FPSR: QC IDC IXC UFC OFC DZC IOC.
FPCR_BITS, FPSR_BITS = 0x07C80000, 0x0800009F


def fpcr(r):
    """Half of the cases run with FPCR as programs have it."""
    return 0 if r.random() < 0.5 else r.getrandbits(32) & FPCR_BITS


def fpsr(r):
    return r.choice((0, 0, FPSR_BITS, r.getrandbits(32) & FPSR_BITS))


def sext(v, bits):
    v &= (1 << bits) - 1
    return v - (1 << bits) if v >> (bits - 1) else v


class Case:
    """Starts as random everything; what an instruction needs is put over that. x[31] stands for SP."""

    def __init__(self, r):
        bits = r.getrandbits(64 * 32)
        self.x = list(struct.unpack("<32Q", bits.to_bytes(256, "little")))
        self.x[31] &= ~15
        self.v = list(struct.unpack("<64Q", r.randbytes(512)))  # V0 to V31, the lower half first
        self.fpcr, self.fpsr = fpcr(r), fpsr(r)
        self.tpidr = r.getrandbits(64)
        self.nzcv = r.getrandbits(4) << 28
        self.window = MIDDLE
        self.data = bytearray(r.randbytes(WINDOW))
        self.words = []
        self.pc = 0
        self.flags = 0
        self.ignore_reg, self.ignore_mask = 31, 0

    def pack(self, group, index):
        code = self.words + [STOP] * (MAX_WORDS - len(self.words))
        return CASE.pack(
            group, index, self.flags, len(self.words), self.pc, *self.x, self.tpidr, self.window,
            self.ignore_mask, self.ignore_reg, self.nzcv, self.fpcr, self.fpsr, *self.v, bytes(self.data), *code)

    def load(self, va, length):
        """What memory holds at va; 0 outside the window."""
        o = va - self.window
        return int.from_bytes(self.data[o:o + length], "little") if 0 <= o <= WINDOW - length else 0


class Slots:
    """Hands out places for code. Words 0 to 3 of every slot of 16 words are STOP whatever else is there: branches go there."""

    def __init__(self):
        self.next = CODE_LEN

    def peek(self):
        """Where the next case will be."""
        return CODE + (0 if self.next + 64 * 4 > CODE_LEN else self.next) + 16

    def place(self, case):
        case.pc = self.peek()
        if case.pc == CODE + 16:
            self.next = 0
            case.flags |= NEW_BATCH
        self.next += (16 + 4 * len(case.words) + 16 + 63) & ~63

    def new_group(self):
        self.next = CODE_LEN


def group_rng(seed, row, variant):
    """A group's cases depend on nothing but these: one can be made again alone."""
    return random.Random("%d:%s:%s" % (seed, row, variant))
