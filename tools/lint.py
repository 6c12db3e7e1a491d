#!/usr/bin/env python3
"""Static analysis: clang-tidy and cppcheck over the C sources, in a bounded time.

usage: lint.py [--quick] [--seconds N] [--tool clang-tidy|cppcheck] [FILE...]

Files are taken in an order that starts with those that changed last, so that where time runs out, the oldest are left out: this is said,
and counted as skipped.
"""
import argparse
import concurrent.futures
import glob
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from summary import Summary  # noqa: E402

FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Isrc", "-Ibuild", '-DVIBE_VERSION="0"', '-DVIBE_REVISION="0"', '-DVIBE_BUILD="lint"']

if sys.platform != "darwin":
    FLAGS += ["-isystem", "tests/hvf/include"]  # for macOS's hypervisor


def sources():
    files = [f for f in glob.glob("src/**/*.c", recursive=True)]
    other = "_linux.c" if sys.platform == "darwin" else "_macos.c"
    files = [f for f in files if not f.endswith(other)]
    return sorted(files, key=lambda f: (-os.path.getmtime(f), f))


def run(args):
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return p.returncode, p.stdout


# The analyzer's budget for a function is a quarter of its own default: most of its time goes into a few large ones.
QUICK = ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=60000"]


def tidy_one(f, extra):
    status, out = run(["clang-tidy", "--quiet", f, "--"] + FLAGS + extra)
    # The notes tell the analyzer's way there, a screen for each; by hand: clang-tidy FILE -- -Isrc -Ibuild -D_GNU_SOURCE
    lines = [x for x in out.splitlines() if ": error:" in x or ": warning:" in x] or out.splitlines()
    return f, status, "\n".join(lines)


def clang_tidy(files, deadline, total, extra):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        waiting = list(files)
        running = set()
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1) and time.monotonic() < deadline:
                running.add(pool.submit(tidy_one, waiting.pop(0), extra))
            if not running:
                break
            done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for d in done:
                f, status, out = d.result()
                if status:
                    total.failed += 1
                    print("FAIL clang-tidy %s\n%s" % (f, out))
                else:
                    total.passed += 1
    if waiting:
        total.skipped += len(waiting)
        print("SKIP clang-tidy: time ran out before %d files: %s" % (len(waiting), " ".join(waiting)))


def cppcheck(files, deadline, total, _extra):
    # cppcheck 2.10 understands the attribute, but not C11's keyword: without it BUG() seems to return.
    args = ["cppcheck", "--quiet", "--std=c11", "--language=c", "-j", str(os.cpu_count() or 1), "--error-exitcode=1",
            "--enable=warning,performance,portability", "--inline-suppr", "--suppress=missingIncludeSystem",
            "--suppress=unmatchedSuppression", "-D_Noreturn=__attribute__((noreturn))", "--suppress=normalCheckLevelMaxBranches",
            "-D__linux__=1", "-D__GNUC__=12", "-Isrc", "-Ibuild"] + files
    try:
        p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                           timeout=max(5, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        total.skipped += 1
        print("SKIP cppcheck: time ran out")
        return
    if p.returncode:
        total.failed += 1
        print("FAIL cppcheck\n" + p.stdout)
    else:
        total.passed += 1


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--seconds", type=float, default=600)
    a.add_argument("--quick", action="store_true", help="the analyzer looks less deep")
    a.add_argument("--tool", choices=["clang-tidy", "cppcheck"])
    a.add_argument("file", nargs="*")
    o = a.parse_args()
    os.chdir(ROOT)
    files = o.file or sources()
    total = Summary()
    for name, fn in (("cppcheck", cppcheck), ("clang-tidy", clang_tidy)):
        if o.tool and o.tool != name:
            continue
        if not shutil.which(name):
            total.skipped += 1
            print("SKIP %s: not installed" % name)
            continue
        fn(files, time.monotonic() + o.seconds, total, QUICK if o.quick else [])
    return total.print()


if __name__ == "__main__":
    sys.exit(main())
