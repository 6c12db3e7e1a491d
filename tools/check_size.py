#!/usr/bin/env python3
"""Files stay readable: at most 800 lines. Tables and generated files are excepted, each by name here.

usage: check_size.py [ROOT]
"""
import os
import sys

LIMIT = 800
CHECKED = (".c", ".h", ".py", ".sh", ".S")
# Data that is one entry a line, not code.
TABLES = {}


def main(argv):
    root = argv[1] if len(argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    failed = False
    for top in ("src", "tools", "tests", "bench"):
        for where, dirs, files in os.walk(os.path.join(root, top)):
            dirs.sort()
            for name in sorted(files):
                path = os.path.relpath(os.path.join(where, name), root).replace(os.sep, "/")
                if not name.endswith(CHECKED) or path in TABLES:
                    continue
                with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
                    n = sum(1 for _ in f)
                if n > LIMIT:
                    print("%s: %d lines; the limit is %d" % (path, n, LIMIT))
                    failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
