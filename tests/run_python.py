#!/usr/bin/env python3
"""Runs unittest modules by name, each timed, and counts.

usage: run_python.py [-jN] [MODULE...]         (default: every tests/test_*.py; N of them at a time)
"""
import concurrent.futures
import glob
import io
import os
import re
import subprocess
import sys
import time
import unittest

from summary import Summary

HERE = os.path.dirname(os.path.abspath(__file__))


def run_side_by_side(names, nr):
    """Each in a process of its own; what they print comes in their order."""
    total = Summary()

    def one(name):
        return subprocess.run([sys.executable, __file__, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with concurrent.futures.ThreadPoolExecutor(nr) as pool:
        for p in pool.map(one, names):
            lines = p.stdout.splitlines()
            m = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", lines[-1]) if lines else None
            print("\n".join(lines[:-1] if m else lines), flush=True)
            passed, failed, skipped = [int(n) for n in m.groups()] if m else (0, 1, 0)
            total.add(passed, max(failed, int(p.returncode != 0)), skipped)
    return total.print()


def main(argv):
    if len(argv) > 1 and argv[1].startswith("-j"):
        return run_side_by_side(argv[2:], int(argv[1][2:]))
    names = argv[1:] or sorted(os.path.basename(f)[:-3] for f in glob.glob(os.path.join(HERE, "test_*.py")))
    sys.path.insert(0, HERE)
    total = Summary()
    for name in names:
        start = time.monotonic()
        out = io.StringIO()
        suite = unittest.defaultTestLoader.loadTestsFromName(name)
        nr = suite.countTestCases()
        result = unittest.TextTestRunner(stream=out, verbosity=0).run(suite)
        bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
        # An error in setUpClass, or a module with no test in it, runs nothing and must not look like success.
        if nr == 0:
            bad += 1
        total.add(max(0, result.testsRun - bad - len(result.skipped)), bad, len(result.skipped))
        for test, why in result.skipped:
            print("SKIP %s: %s" % (test, why))
        print("%-4s %-28s %4d tests  %6.2f s" % ("FAIL" if bad else "ok", name, nr, time.monotonic() - start))
        if bad:
            print("\n".join("     " + line for line in out.getvalue().splitlines()))
        sys.stdout.flush()
    return total.print()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
