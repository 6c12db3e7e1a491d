#!/usr/bin/env python3
"""Runs libFuzzer programs for some seconds each, as many at a time as there are CPUs, from the committed corpus, and keeps what made one fail.

usage: run_fuzz.py [--seconds N] [--seed N] PROGRAM...

Inputs come from tests/fuzz/corpus/<name>/ and from those that earlier runs found, in build/fuzz-corpus/<name>/.
"""
import argparse
import concurrent.futures
import glob
import os
import random
import subprocess
import sys

from summary import Summary

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


def run_one(program, seconds, seed, total):
    """What is to be said of it."""
    name = os.path.basename(program).replace("fuzz_", "", 1)
    found = os.path.join(ROOT, "build", "fuzz-corpus", name)
    seeds = os.path.join(HERE, "fuzz", "corpus", name)
    crash = os.path.join(ROOT, "build", "fuzz-crash-%s-" % name)
    os.makedirs(found, exist_ok=True)
    for old in glob.glob(crash + "*"):
        os.unlink(old)
    args = [program, "-max_total_time=%d" % seconds, "-seed=%d" % seed, "-timeout=10", "-rss_limit_mb=2048",
            "-print_final_stats=1", "-verbosity=0", "-artifact_prefix=" + crash, found]
    if os.path.isdir(seeds):
        args.append(seeds)
    try:
        p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                           errors="replace", timeout=seconds * 3 + 60)
        status, out = p.returncode, p.stdout
    except subprocess.TimeoutExpired as e:
        status, out = "no end", (e.stdout or b"").decode(errors="replace")
    runs = 0
    for line in out.splitlines():
        if line.startswith("stat::number_of_executed_units:"):
            runs = int(line.split()[-1])
    if status == 0 and runs > 0:
        total.add(passed=1)
        return "ok   fuzz_%-24s %9d inputs" % (name, runs)
    total.add(failed=1)
    return "\n".join(["FAIL fuzz_%s: status %s, seed %d" % (name, status, seed)] + ["     " + line for line in out.splitlines()[-40:]] +
                     ["     the input is in %s; again by: %s %s" % (f, program, f) for f in glob.glob(crash + "*")])


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--seconds", type=int, default=5)
    a.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    a.add_argument("program", nargs="*")
    o = a.parse_args()
    total = Summary()
    print("seed %d" % o.seed)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for say in pool.map(lambda program: run_one(program, o.seconds, o.seed, total), o.program):
            print(say, flush=True)
    return total.print()


if __name__ == "__main__":
    sys.exit(main())
