#!/usr/bin/env python3
"""Writes a file of random test cases for the instructions of src/spec/a64.isa; case.h has its format.

    gen_cases.py --seed S --cases N [--row NAME]... OUT

There are N cases for each row and each value of its fields marked with `!`; then cases that violate the row's where=, words that
no row has (row UNALLOCATED), and blocks of many instructions (row BLOCK). The cases of a group follow from seed, row and
variant alone, and the first N of them don't depend on N."""

import argparse
import itertools
import os
import re
import struct
import sys

import isaspec
from isablock import BLOCK_KINDS, Block
from isacase import CASE, MAGIC, Slots, group_rng
from isagen import case_dc_zva, case_unallocated, case_violated, make, possible

DC_ZVA = "DC ZVA"  # the variant of the cases for a CPU model with blocks of 64 bytes
HERE = os.path.dirname(os.path.abspath(__file__))


class Exclusions:
    """exclusions.txt."""

    def __init__(self, path=os.path.join(HERE, "exclusions.txt")):
        self.rows, self.undefined, self.blocks, self.words, self.sysregs = {}, {}, {}, [], []
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                line = line.strip()
                if not line or line.startswith("#"):
                    continue
                what, _, reason = line.partition("|")
                if not reason.strip():
                    raise SystemExit("%s:%d: no reason given" % (path, number))
                kind, *args = what.split()
                if kind == "ROW" and len(args) == 1:
                    self.rows[args[0]] = reason.strip()
                elif kind == "UNDEFINED" and len(args) == 1:
                    self.undefined[args[0]] = reason.strip()
                elif kind == "BLOCK" and len(args) == 1:
                    self.blocks[args[0]] = reason.strip()
                elif kind == "WORD" and len(args) == 1 and re.fullmatch("[01x]{32}", args[0]):
                    bits = args[0]
                    self.words.append((int(re.sub("[01]", "1", bits).replace("x", "0"), 2), int(bits.replace("x", "0"), 2)))
                elif kind == "SYSREG" and len(args) == 5:
                    self.sysregs.append([self.numbers(a) for a in args])
                else:
                    raise SystemExit("%s:%d: not understood: %s" % (path, number, line))

    @staticmethod
    def numbers(text):
        if text == "*":
            return range(16)
        low, _, high = text.partition("-")
        return range(int(low), int(high or low) + 1)

    def word(self, word):
        return any(word & mask == value for mask, value in self.words)

    def sysreg(self, enc):
        return any(all(n in allowed for n, allowed in zip(enc, one)) for one in self.sysregs)


def variants(row):
    for values in itertools.product(*[range(count) for _, count in row.split]):
        yield dict(zip((name for name, _ in row.split), values))


class Generator:
    def __init__(self, spec, seed, cases):
        self.spec, self.seed, self.cases = spec, seed, cases
        self.exclusions = Exclusions()
        self.slots = Slots()
        self.groups = []

    def plan(self, only):
        """(row name, variant name, number of cases, function that makes one) for each group."""
        spec, ex = self.spec, self.exclusions
        for row in spec.rows:
            if row.name in ex.rows or (only and row.name not in only):
                continue
            for variant in variants(row):
                name = row.variant_name(variant)
                if possible(spec, row, variant, True):
                    yield row.name, name, self.cases, lambda r, pc, row=row, v=variant: make(r, spec, row, v, pc, ex.sysreg)
                if row.has_where and possible(spec, row, variant, False):
                    yield (row.name, (name + " violated").strip(), max(4, self.cases // 6),
                           lambda r, pc, row=row, v=variant: case_violated(r, spec, row, v, ex.word))
        if not only or "UNALLOCATED" in only:
            yield "UNALLOCATED", "", 50 * self.cases, lambda r, pc: case_unallocated(r, spec, ex.word)
        if not only or "BLOCK" in only:
            rows = [(row, v) for row in spec.rows for v in variants(row)
                    if row.name not in ex.rows and row.name not in ex.blocks and row.kind in BLOCK_KINDS]
            yield "BLOCK", "", 20 * self.cases, lambda r, pc: Block(r, spec, rows).make()

    def group(self, row, variant, count, one):
        """The packed cases of a group: fewer than count, or none, where the dice never make enough."""
        r = group_rng(self.seed, row, variant)
        self.slots.new_group()
        out = []
        index = len(self.groups)
        failures = 0
        while len(out) < count and failures < 200 + 4 * count:
            case = one(r, self.slots.peek())
            if case is None:
                failures += 1
                if not out and failures >= 200:
                    break
                continue
            self.slots.place(case)
            out.append(case.pack(index, len(out)))
        if out:
            self.groups.append((row, variant))
        return out


def write(path, seed, groups, cases):
    with open(path, "wb") as f:
        f.write(struct.pack("<2Q2I", MAGIC, seed, len(groups), len(cases)))
        for row, variant in groups:
            f.write(struct.pack("40s24s", row.encode(), variant.encode()))
        f.writelines(cases)


def generate(path, seed, cases, only=None, dc_zva=False, most=0, repeat=None):
    """Writes path, or path.0, path.1 ... with about `most` cases each, and yields (name, {row: cases}) after each.
    repeat=(row, variant, n) makes the first n cases of one group and nothing else."""
    g = Generator(isaspec.Spec(), seed, cases)
    packed, counts, nr_files = [], {}, 0

    def flush():
        nonlocal nr_files
        name = "%s.%d" % (path, nr_files) if most else path
        nr_files += 1
        write(name, seed, g.groups, packed)
        packed.clear()
        g.groups.clear()
        return name

    plan = g.plan(only)
    if dc_zva:
        plan = [("SYS_CR_systeminstrs", DC_ZVA, cases, lambda r, pc: case_dc_zva(r, g.spec.by_name["SYS_CR_systeminstrs"]))]
    for row, variant, count, one in plan:
        if repeat:
            if (row, variant) != repeat[:2]:
                continue
            count = repeat[2]
        made = g.group(row, variant, count, one)
        counts.setdefault(row, 0)
        if not variant.endswith("violated"):
            counts[row] += len(made)
        packed += made
        if most and len(packed) >= most:
            yield flush(), dict(counts)
            counts.clear()
    if packed or counts:
        yield flush(), dict(counts)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--seed", type=lambda s: int(s, 0), default=1)
    p.add_argument("--cases", type=int, default=60)
    p.add_argument("--row", action="append")
    p.add_argument("--dc-zva", action="store_true", help="only DC ZVA, for a CPU model with blocks of 64 bytes")
    p.add_argument("out")
    args = p.parse_args()
    assert CASE.size % 8 == 0
    for _, counts in generate(args.out, args.seed, args.cases, args.row, args.dc_zva):
        pass
    print("%d cases, %d rows" % (sum(counts.values()), len(counts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
