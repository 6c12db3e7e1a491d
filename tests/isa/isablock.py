"""Straight-line blocks of 8 to 32 instructions, with short branches forward: what single instructions can't show, such as
flags and registers that pass from one to the next, and memory that is written and read again.

Nothing in a block faults: X20 to X22 and SP hold addresses in the window and are known at each point, X24 and X25 hold
small indices, and nothing else writes these."""

from isacase import M64, MIDDLE, WINDOW, Case, sext, value
from isafp import FZ
from isagen import access_len, fields, must_align

BLOCK_KINDS = ("alu", "simd", "fp", "load", "store", "atomic")
BASES = (20, 21, 22, 31)
INDICES = (24, 25)
RESERVED = BASES + INDICES
LOW, HIGH = MIDDLE + 16, MIDDLE + WINDOW - 32


class Block:
    def __init__(self, r, spec, rows):
        self.r, self.spec = r, spec
        self.alu = [x for x in rows if x[0].kind in ("alu", "simd", "fp")]
        self.mem = [x for x in rows if x[0].kind in ("load", "store", "atomic")]
        self.case = Case(r)
        self.words = self.case.words

    def written(self, row, f):
        """Registers that an instruction of this row writes, as numbers; 31 is SP for the operand kind xs."""
        out = []
        for slot, (kind, args) in row.operands.items():
            if kind in ("xw", "x") and f[args[0]] != 31:
                out.append(f[args[0]])
            elif kind == "xs" and slot == "d":
                out.append(f[args[0]])
        if row.name.startswith("CASP"):
            out += [n + 1 for n in out]
        return out

    def make(self):
        r, c = self.r, self.case
        for n in range(31):
            c.x[n] = value(r)
        c.x[20], c.x[31] = MIDDLE + 128, MIDDLE + 16 * r.randrange(2, 13)
        c.x[21], c.x[22] = r.randrange(LOW, HIGH), r.randrange(LOW, HIGH)
        for n in INDICES:
            c.x[n] = r.randrange(-24, 24) & M64
        self.base = {n: c.x[n] for n in BASES}
        length = r.randrange(8, 33)
        while len(self.words) < length:
            p = r.random()
            room = length - len(self.words)
            if p < 0.12 and room > 4:
                self.branch(r.randrange(0, 4))
            elif p < 0.18 and room >= 3:
                self.exclusive()
            else:
                self.simple(True)
        return c

    def simple(self, writeback):
        while not (self.memory(writeback) if self.r.random() < 0.35 else self.arithmetic()):
            pass

    def arithmetic(self):
        row, variant = self.r.choice(self.alu)
        f = fields(self.r, self.spec, row, variant)
        if f is None or any(n in RESERVED for n in self.written(row, f)):
            return False
        if row.name.startswith("FJCVTZS") and self.case.fpcr & FZ:
            return False  # as in isafp.py; what comes here can't be told
        self.words.append(row.encode(f))
        return True

    def branch(self, skip):
        r, by = self.r, self.spec.by_name
        imm = skip + 1
        n = r.randrange(31)
        kind = r.randrange(6)
        if kind < 2:
            word = by["B_only_condbranch"].encode({"imm19": imm, "cond": r.randrange(16)})
        elif kind < 4:
            name = r.choice(("CBZ_compbranch", "CBNZ_compbranch"))
            word = by[name].encode({"sf": r.getrandbits(1), "imm19": imm, "Rt": n})
        elif kind == 4:
            name = r.choice(("TBZ_only_testbranch", "TBNZ_only_testbranch"))
            word = by[name].encode({"b5": r.getrandbits(1), "b40": r.randrange(32), "imm14": imm, "Rt": n})
        else:
            word = by[r.choice(("B_only_branch_imm", "BL_only_branch_imm"))].encode({"imm26": imm})
        self.words.append(word)
        for _ in range(skip):
            self.simple(False)

    def exclusive(self):
        r, by = self.r, self.spec.by_name
        free = [n for n in range(31) if n not in RESERVED]
        size = r.randrange(4)
        self.words.append(by["LDXR_ldstexclr"].encode({"size": size, "acq": r.getrandbits(1), "Rn": 20, "Rt": r.choice(free)}))
        if r.random() < 0.5:
            # Not a hint: YIELD costs the other implementation its monitor.
            while not self.arithmetic():
                pass
            if self.words[-1] >> 16 == 0xD503:
                self.words.pop()
        t = r.randrange(31)
        s = r.choice([n for n in free if n != t])
        self.words.append(by["STXR_ldstexclr"].encode({"size": size, "rel": r.getrandbits(1), "Rn": 20, "Rt": t, "Rs": s}))

    def memory(self, writeback):
        r, c = self.r, self.case
        row, variant = r.choice(self.mem)
        f = fields(r, self.spec, row, variant)
        if f is None:
            return False
        n = f["Rn"] = r.choice(BASES)
        length = access_len(row, f)
        base = self.base[n]
        indexed = row.name.endswith(("_post", "immpost", "_pre", "immpre"))
        post = row.name.endswith("post")
        structure = "asisdls" in row.name and "Rm" in f
        if structure:
            indexed = post = True
            f["Rm"] = 31
        if indexed and (not writeback or n in (20, 31)):
            return False
        if structure:
            off = length
        elif "Rm" in f:
            m = f["Rm"] = r.choice(INDICES + (31,))
            index = 0 if m == 31 else c.x[m]
            if f["option"] == 2:
                return False
            off = sext(index, 64) << (f["size"] + 4 * f.get("q", 0) if f["S"] else 0)
        elif "imm" in row.operands:
            off = r.randrange(LOW, HIGH) - base
            if r.random() < 0.5:
                off &= -(length & -length)
            if not self.set_offset(row, f, off, length):
                return False
        else:
            off = 0
        va = base if post else base + off
        if not (LOW <= va <= MIDDLE + WINDOW - length and LOW <= base + off <= HIGH) or (must_align(row) and va % length):
            return False
        if row.unpredictable(f) or not row.legal(f) or any(x in RESERVED for x in self.written(row, f)):
            return False
        self.words.append(row.encode(f))
        if indexed:
            self.base[n] = base + off
        return True

    def set_offset(self, row, f, off, length):
        kind, args = row.operands["imm"]
        shift = {"simm9": 0, "simm7": 2 + f.get("sf", 0), "simm7_w": 2, "simm7_v": 2 + f.get("opc", 0), "uimm12": f.get("size", 3),
                 "uimm12_v": length.bit_length() - 1}.get(kind)
        if shift is None or off & ((1 << shift) - 1):
            return False
        imm, bits = off >> shift, {"simm9": 9, "uimm12": 13, "uimm12_v": 13}.get(kind, 7)
        if not -(1 << (bits - 1)) <= imm < 1 << (bits - 1) or (kind.startswith("uimm12") and imm < 0):
            return False
        f[args[-1]] = imm & ((1 << row.fields[args[-1]][1]) - 1)
        return True
