#!/usr/bin/env python3
"""Runs cmocka programs, as many at a time as there are CPUs, shows what failed, and counts.

usage: run_unit.py [--run COMMAND] PROGRAM...

--run  what runs them, as "qemu-aarch64 -L DIR"
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import time

from summary import Summary

LIMIT_S = 120
RESULT = re.compile(r"^\[\s*(OK|FAILED|SKIPPED|ERROR)\s*\] (\w+)")


def run_one(program, total, runner=()):
    """What is to be said of it."""
    name = os.path.basename(program)
    start = time.monotonic()
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="STDOUT")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    try:
        p = subprocess.run([*runner, program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                           text=True, errors="replace", timeout=LIMIT_S, env=env)
        status, out = p.returncode, p.stdout
    except subprocess.TimeoutExpired as e:
        status, out = "timeout after %d s" % LIMIT_S, (e.stdout or b"").decode(errors="replace")
    except OSError as e:
        status, out = str(e), ""

    # The list of failures at the end repeats names: a test counts once, with its worst result.
    results = {}
    for line in out.splitlines():
        m = RESULT.match(line)
        if m and results.get(m.group(2)) not in ("FAILED", "ERROR"):
            results[m.group(2)] = m.group(1)
    passed = sum(r == "OK" for r in results.values())
    failed = sum(r in ("FAILED", "ERROR") for r in results.values())
    skipped = sum(r == "SKIPPED" for r in results.values())
    if (status != 0 and failed == 0) or (status == 0 and not results):
        failed += 1
    total.add(passed, failed, skipped)
    say = ["SKIP %s: %s" % (name, test) for test, r in results.items() if r == "SKIPPED"]
    say.append("%-4s %-28s %4d tests  %6.2f s" % ("FAIL" if failed else "ok", name, len(results), time.monotonic() - start))
    if failed:
        say.append("     status: %s" % status)
        say += ["     " + line for line in out.splitlines() if not re.match(r"^\[\s*(RUN|OK)\s*\]", line)]
    return "\n".join(say)


def main(argv):
    total = Summary()
    programs, runner = argv[1:], ()
    if programs[:1] == ["--run"]:
        runner, programs = programs[1].split(), programs[2:]
    if not programs:
        print("FAIL no unit test programs were given")
        total.failed += 1
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for say in pool.map(lambda program: run_one(program, total, runner), programs):
            print(say, flush=True)
    return total.print()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
