#!/usr/bin/env python3
"""Runs unittest modules by name, each timed, and counts.

usage: run_python.py [--list] [MODULE...]         (default: every tests/test_*.py)
"""
import glob
import io
import os
import sys
import time
import unittest

from summary import Summary

HERE = os.path.dirname(os.path.abspath(__file__))


def main(argv):
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
        total.failed += bad
        total.skipped += len(result.skipped)
        total.passed += max(0, result.testsRun - bad - len(result.skipped))
        for test, why in result.skipped:
            print("SKIP %s: %s" % (test, why))
        print("%-4s %-28s %4d tests  %6.2f s" % ("FAIL" if bad else "ok", name, nr, time.monotonic() - start))
        if bad:
            print("\n".join("     " + line for line in out.getvalue().splitlines()))
        sys.stdout.flush()
    return total.print()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
