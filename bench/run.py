#!/usr/bin/env python3
"""The table of measurements: vibevmm beside qemu-system-aarch64 and native code, in one run, on this machine.

usage: run.py [--vibevmm PROGRAM] [--runs N] [--quick] [--only PART,PART...] [--markdown FILE]

Every figure is the median of N runs (3), each a process of its own, the programs taking turns. What this machine lacks (the peer, the cross
compiler, instructions, a network for Debian's packages) is left out, and the table says so. --only: one of the parts below.
"""
import argparse
import os
import shutil
import sys
import tempfile
import time
import unittest

import common
import bare
import boot
import computing
import contract
import debugging
import disk
import interpreter
import kvm
import observe
import sharing
import snapshot
import startup
import userland

# In the order of the table.
PARTS = {
    **{group: lambda b, g=group: computing.table(b, [g]) for group in computing.GROUPS},
    "interpreter": interpreter.table, "observe": observe.table, "debugging": debugging.table,
    **{name: lambda b, n=name: bare.table(b, [n]) for name in bare.PARTS},
    "start": startup.table, "boot": boot.table, "userland": userland.table, "disk": disk.table, "sharing": sharing.table,
    "contract": contract.table, "snapshot": snapshot.table, "kvm": kvm.table,
}
# Only when asked for by name.
MORE = {"overlay": lambda b: disk.table(b, overlay=True)}

DOCUMENT = """# Benchmarks

`make bench` prints these tables; `bench/run.py --markdown docs/benchmarks.md` writes this file, `--only exits,mmu` measures a part, `--quick` does
a tenth of the rounds, once. Each figure is the median of %d runs, in which vibevmm, the peer and native code (the same C, gcc -O2) took turns on
one machine. Beside a figure stands its goal.

Machine: %s
Made by `%s` in %.0f minutes.

%s
%s"""
# What people wrote about the figures; kept when the file is written again.
NOTES = "## What bounds what"


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--vibevmm", default=os.path.join(common.ROOT, "bin", "vibevmm"))
    parser.add_argument("--runs", type=int, help="3; 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    parser.add_argument("--only", help="some of: %s; or %s" % (",".join(PARTS), ",".join(MORE)))
    parser.add_argument("--markdown", help="write the tables there")
    args = parser.parse_args(argv[1:])
    chosen = args.only.split(",") if args.only else list(PARTS)
    unknown = [c for c in chosen if c not in PARTS and c not in MORE]
    if unknown:
        sys.stderr.write("bench: no part %s; there are %s\n" % (", ".join(unknown), ", ".join([*PARTS, *MORE])))
        return 2
    if not shutil.which(common.CROSS):
        sys.stderr.write("bench: %s is not installed (apt-get install gcc-aarch64-linux-gnu)\n" % common.CROSS)
        return 2
    begin, machine = time.monotonic(), common.machine()
    with tempfile.TemporaryDirectory() as tmp:
        bench = common.Bench(args.vibevmm, args.runs or (1 if args.quick else 3), args.quick, tmp)
        print("%s\n" % machine)
        if not bench.peer:
            bench.note("%s is not installed (apt-get install qemu-system-arm): its column is empty.\n" % common.QEMU)
        for name in chosen:
            part_begin = time.monotonic()
            try:
                {**PARTS, **MORE}[name](bench)
            except unittest.SkipTest as e:
                bench.note("LEFT OUT: %s: %s\n" % (name, e))
            print("(%s: %.0f s)\n" % (name, time.monotonic() - part_begin))
        if not args.only:
            computing.mean_of_all(bench)
        missed = [line for line in bench.lines if "missed: " in line]
    print("%d goals reached, %d missed" % (sum("reached |" in line for line in bench.lines), len(missed)))
    if args.markdown:
        command = " ".join(["bench/run.py", *argv[1:]])
        write(args.markdown, bench, machine, command, (time.monotonic() - begin) / 60)
    return 0


def write(path, bench, machine, command, minutes):
    notes = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            _, mark, notes = f.read().partition(NOTES)
            notes = mark + notes
    with open(path, "w", encoding="utf-8") as f:
        f.write(DOCUMENT % (bench.runs, machine, command, minutes, "\n".join(bench.lines), notes))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
