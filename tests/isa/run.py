#!/usr/bin/env python3
"""Compares every instruction that can run at EL0 with qemu-aarch64, bit for bit, on random operands.

    run.py [--cases N | --full] [--seed S] [--row NAME]...     N cases for each encoding (default 60; --full 2000)
    run.py --seed S --repeat 'ROW/VARIANT/N'                   one case again, in full

Needs qemu-aarch64 (qemu-user) and aarch64-linux-gnu-gcc: without them nothing is tested, which is said, with status 77.
exclusions.txt lists what is not compared. A row of the table that gets no cases, or whose cases all end in an exception, is a failure
unless that list has it. README.md tells how it works."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import isaspec
from gen_cases import DC_ZVA, Exclusions, generate

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CROSS = os.environ.get("CROSS_CC", "aarch64-linux-gnu-gcc")
QEMU = os.environ.get("QEMU_AARCH64", "qemu-aarch64")
# Everything that Armv8.5 has, without what would take encodings that are unallocated here.
CPU = "max,sve=off,sme=off"
CPU_ZVA64 = "cortex-a72"
WARN = ["-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes"]
SKIPPED = 77


def skip(why):
    print("SKIP isa: %s: no instruction was compared" % why)
    print("0 passed, 0 failed, 1 skipped")
    sys.exit(SKIPPED)


def run(command, **kw):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **kw)


def must(command, what):
    p = run(command, cwd=ROOT)
    if p.returncode:
        sys.exit("run.py: %s failed:\n%s%s" % (what, p.stdout, p.stderr))


class Programs:
    """runner and compare, built when their sources are newer."""

    def __init__(self, variant):
        out = os.path.join(ROOT, "build", "isa")
        os.makedirs(out, exist_ok=True)
        self.runner, self.compare = os.path.join(out, "runner"), os.path.join(out, "compare-" + variant)
        lib = os.path.join("build", variant, "libvibe.a")
        must(["make", "-s", "BUILD=" + variant, lib], "building libvibe.a")
        lib = os.path.join(ROOT, lib)
        libs = subprocess.run(["make", "-s", "BUILD=" + variant, "libs"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        case_h = os.path.join(HERE, "case.h")
        src = os.path.join(HERE, "runner.c")
        if self.older(self.runner, src, case_h):
            must([CROSS, "-std=gnu11", "-static", "-O1", "-fno-stack-protector", *WARN, "-o", self.runner, src], "building runner")
        src = os.path.join(HERE, "compare.c")
        if self.older(self.compare, src, case_h, lib):
            san = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if variant == "asan" else ["-O2"]
            must([os.environ.get("CC", "gcc"), "-std=c11", "-D_GNU_SOURCE", "-g", "-pthread", *san, *WARN, "-Isrc", "-Ibuild", "-I" + HERE,
                  "-o", self.compare, src, lib, *libs], "building compare")

    @staticmethod
    def older(target, *sources):
        return not os.path.exists(target) or any(os.path.getmtime(s) > os.path.getmtime(target) for s in sources)


class Totals:
    """What came of the cases, by row."""

    def __init__(self):
        self.rows = {}  # name -> [cases, ended, faulted, undefined, differed]
        self.variants = {}  # (name, variant) -> cases
        self.broken = []

    def add(self, tsv):
        for line in tsv.splitlines():
            row, variant, *numbers = line.split("\t")
            self.variants[row, variant] = self.variants.get((row, variant), 0) + int(numbers[0])
            have = self.rows.setdefault(row, [0] * 5)
            for i, n in enumerate(numbers):
                have[i] += int(n)

    def sum(self, column):
        return sum(r[column] for r in self.rows.values())


def run_file(programs, cpu, cases, results, show, total, only=None):
    p = run([QEMU, "-cpu", cpu, programs.runner, cases, results])
    if p.returncode:
        total.broken.append("the runner ended with status %d under %s: %s" % (p.returncode, QEMU, p.stderr.strip()))
        return
    command = [programs.compare, "--show", str(show)] + (["--case", str(only)] if only is not None else []) + [cases, results]
    p = run(command)
    sys.stderr.write(p.stderr)
    if p.returncode not in (0, 1):
        total.broken.append("compare ended with status %d" % p.returncode)
    total.add(p.stdout)


def judge_coverage(total, only, wanted):
    """Encodings that got fewer cases than wanted, rows of which nothing was compared, and exclusions that exclude nothing."""
    ex = Exclusions()
    spec = isaspec.Spec()
    faults = []
    for row in spec.rows:
        if only and row.name not in only:
            continue
        cases, ended = total.rows.get(row.name, [0] * 5)[:2]
        if row.name in ex.rows:
            continue
        if cases == 0:
            faults.append("%s: no cases, and exclusions.txt gives no reason" % row.name)
        elif ended == 0 and row.name not in ex.undefined:
            faults.append("%s: each of its %d cases ended in an exception" % (row.name, cases))
        elif ended and row.name in ex.undefined:
            faults.append("%s: exclusions.txt calls it UNDEFINED, but %d cases ended otherwise" % (row.name, ended))
        for variant in row.encodings():
            n = total.variants.get((row.name, variant), 0)
            if n < wanted:
                faults.append("%s %s: %d cases instead of %d" % (row.name, variant, n, wanted))
    for name in list(ex.rows) + list(ex.undefined) + list(ex.blocks):
        if name not in spec.by_name:
            faults.append("%s: in exclusions.txt, but no row of a64.isa" % name)
    return faults


def print_coverage(total):
    ex = Exclusions()
    print("%-28s %8s %8s %8s %8s %8s" % ("row", "cases", "ended", "faulted", "undef.", "differ"))
    for row in isaspec.Spec().rows:
        if row.name in ex.rows:
            print("%-28s %s" % (row.name, "excluded: " + ex.rows[row.name]))
        else:
            print("%-28s %8d %8d %8d %8d %8d" % (row.name, *total.rows.get(row.name, [0] * 5)))
    for name in ("UNALLOCATED", "BLOCK"):
        print("%-28s %8d %8d %8d %8d %8d" % (name, *total.rows.get(name, [0] * 5)))


def repeat(programs, work, seed, what, total):
    row, variant, n = what.rsplit("/", 2)
    n = int(n)
    cases, results = os.path.join(work, "cases"), os.path.join(work, "results")
    zva = variant == DC_ZVA
    for name, _ in generate(cases, seed, n + 1, dc_zva=zva, repeat=(row, variant, n + 1)):
        run_file(programs, CPU_ZVA64 if zva else CPU, name, results, 0, total, only=n)
        break
    else:
        sys.exit("run.py: no such case: " + what)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--cases", type=int, default=60)
    p.add_argument("--full", action="store_true", help="2000 cases for each encoding")
    p.add_argument("--seed", type=lambda s: int(s, 0), default=None)
    p.add_argument("--row", action="append", help="only this row of a64.isa, or UNALLOCATED, or BLOCK")
    p.add_argument("--repeat", metavar="ROW/VARIANT/N")
    p.add_argument("--show", type=int, default=2, help="differences to print for each group")
    p.add_argument("--coverage", action="store_true", help="print what each row got")
    p.add_argument("--build", choices=("release", "debug", "asan"), default="release", help="which libvibe.a")
    args = p.parse_args()
    if not shutil.which(QEMU):
        skip("%s is not installed" % QEMU)
    if not shutil.which(CROSS):
        skip("%s is not installed" % CROSS)
    for name in args.row or ():
        if name not in ("UNALLOCATED", "BLOCK") and name not in isaspec.Spec().by_name:
            p.error("no row %s in a64.isa" % name)
    seed = random.SystemRandom().getrandbits(32) if args.seed is None else args.seed
    cases = 2000 if args.full else args.cases

    programs = Programs(args.build)
    total = Totals()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vibe-isa-") as work:
        if args.repeat:
            repeat(programs, work, seed, args.repeat, total)
            return 1 if total.sum(4) or total.broken else 0
        print("seed %d" % seed, flush=True)
        results = os.path.join(work, "results")
        for name, _ in generate(os.path.join(work, "cases"), seed, cases, args.row, most=30000):
            run_file(programs, CPU, name, results, args.show, total)
            os.unlink(name)
        if not args.row or "SYS_CR_systeminstrs" in args.row:
            for name, _ in generate(os.path.join(work, "zva"), seed, cases, dc_zva=True):
                run_file(programs, CPU_ZVA64, name, results, args.show, total)

    faults = total.broken + judge_coverage(total, args.row, cases)
    if args.coverage:
        print_coverage(total)
    differing = sorted(name for name, n in total.rows.items() if n[4])
    for text in faults:
        print("isa: " + text)
    if differing:
        print("isa: rows with differences: " + " ".join("%s(%d)" % (n, total.rows[n][4]) for n in differing))
    print("isa: seed %d, %d cases of %d rows in %.1f s: %d ended, %d faulted, %d undefined, %d differ" %
          (seed, total.sum(0), len(total.rows), time.monotonic() - start, total.sum(1), total.sum(2), total.sum(3), total.sum(4)))
    print("%d passed, %d failed, 0 skipped" % (len(total.rows) - len(differing), len(differing) + len(faults)))
    return 1 if differing or faults else 0


if __name__ == "__main__":
    sys.exit(main())
