#!/usr/bin/env python3
"""The table of measurements: vibevmm beside qemu-system-aarch64 and native code, in one run, on this machine.

usage: run.py [--vibevmm PROGRAM] [--runs N] [--quick] [--markdown FILE]

Every figure is the median of N runs (5), each a process of its own, the programs taking turns. What this machine lacks (the peer, the cross
compiler) is left out, and the table says so.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import unittest

import boot
import disk
import sharing

HERE = os.path.dirname(os.path.abspath(__file__))
LOOPS = {"sieve": 60, "crc": 250, "sha256": 15, "sort": 12, "hash": 12, "bytecode": 25, "nbody": 60, "matmul": 120, "pixels": 1000}
V_LOOPS = ("nbody", "matmul", "pixels")  # those that use the SIMD and floating-point registers
VECTORISE = {"pixels": ["-O3"]}
EXITS = (("wfi", "WFI exits", 3000000), ("mmio", "MMIO exits", 2000000), ("hvc", "HVC exits", 2000000), ("svc", "SVC + ERET", 1000000))
QEMU = ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "max", "-m", "128M", "-display", "none", "-nodefaults", "-serial", "stdio"]
NO_FP = "-mgeneral-regs-only"
FP_FLAGS = ["-ffp-contract=off", "-fno-math-errno"]
CROSS = "aarch64-linux-gnu-gcc"
GUEST_FLAGS = ["-O2", "-ffreestanding", "-nostdlib", "-static", "-mcpu=cortex-a53", "-fno-pic", "-fno-stack-protector", *FP_FLAGS,
               "-Wl,--build-id=none", "-Wl,-z,noexecstack,--no-warn-rwx-segments", "-I" + HERE]


def build(out, quick):
    """name -> {"guest": path, "native": path, "rounds": n}"""
    what = {}
    start = os.path.join(HERE, "guest", "start.S")
    guest = [start, os.path.join(HERE, "guest", "main.c")]
    link = ["-T", os.path.join(HERE, "guest", "guest.ld")]
    for name, rounds in list(LOOPS.items()) + [(n, r) for n, _, r in EXITS]:
        rounds = max(1, rounds // 10) if quick else rounds
        item = what[name] = {"rounds": rounds, "guest": os.path.join(out, name + ".elf")}
        source = [os.path.join(HERE, "loops", name + ".c")] if name in LOOPS else []
        define = ["-DROUNDS=%du" % rounds] + ([] if source else ["-DBENCH_" + name.upper()])
        define += VECTORISE.get(name, []) if name in V_LOOPS else [NO_FP]
        subprocess.run([CROSS] + GUEST_FLAGS + define + guest + source + link + ["-o", item["guest"]], check=True)
        if source:
            item["native"] = os.path.join(out, name)
            subprocess.run(["gcc", "-O2", *FP_FLAGS, *VECTORISE.get(name, []), "-I" + HERE, os.path.join(HERE, "native.c")] + source + ["-o", item["native"]], check=True)
    what["latency"] = {"guest": os.path.join(out, "latency.elf")}
    subprocess.run([CROSS] + GUEST_FLAGS + [NO_FP, start, os.path.join(HERE, "guest", "latency.c")] + link + ["-o", what["latency"]["guest"]], check=True)
    return what


def result(text):
    words = text.split()
    return words[words.index("sum") + 1], int(words[words.index("ns") + 1])


def vibe_says(program, elf, *options):
    return subprocess.run([program, "--kernel", elf, "--timeout", "120", *options], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=True).stdout.decode()


def qemu_says(elf):
    return subprocess.run(QEMU + ["-kernel", elf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=300).stdout.decode()


def run_vibe(program, elf, tmp):
    stats = os.path.join(tmp, "stats.json")
    text = vibe_says(program, elf, "--stats=json:" + stats)
    with open(stats, encoding="utf-8") as f:
        return result(text) + (json.load(f),)


def run_qemu(elf):
    return result(qemu_says(elf))


def latency(texts):
    """Six figures of each run, the median of each in microseconds: minimum, median, maximum, busy and then in WFI."""
    rows = [[int(x) / 1000 for x in t.split()] for t in texts]
    return ["%.1f" % statistics.median(column) for column in zip(*rows)]


def run_native(program, rounds):
    return result(subprocess.run([program, str(rounds)], stdout=subprocess.PIPE, check=True).stdout.decode())


def first_byte_ms(command):
    """From exec to the guest's first console byte, as seen from outside."""
    start = time.monotonic()
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    p.stdout.read(1)
    t = time.monotonic() - start
    p.stdout.read()
    p.wait()
    return t * 1000


def idle_memory_kib(command):
    """Resident memory that is not the guest's RAM (a shared object), of a guest that waits; Linux only."""
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        with open("/proc/%d/status" % p.pid, encoding="utf-8") as f:
            fields = dict(line.split(":", 1) for line in f)
        return int(fields["VmRSS"].split()[0]) - int(fields["RssShmem"].split()[0])
    finally:
        p.kill()
        p.wait()


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--vibevmm", default=os.path.join(HERE, "..", "bin", "vibevmm"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    parser.add_argument("--markdown", help="write the table there")
    args = parser.parse_args(argv[1:])
    if not shutil.which(CROSS):
        sys.stderr.write("bench: %s is not installed (apt-get install gcc-aarch64-linux-gnu)\n" % CROSS)
        return 2
    peer = shutil.which("qemu-system-aarch64") is not None
    if not peer:
        print("bench: qemu-system-aarch64 is not installed (apt-get install qemu-system-arm): its column is left out")
    lines = []

    def say(*cells):
        line = "| " + " | ".join(str(c) for c in cells) + " |" if cells else ""
        lines.append(line)
        print(line, flush=True)

    with tempfile.TemporaryDirectory() as tmp:
        what = build(tmp, args.quick)
        median = statistics.median
        say("loop", "vibevmm MIPS", "vibevmm / native", "QEMU / native", "vibevmm / QEMU")
        say("---", "---", "---", "---", "---")
        for name in LOOPS:
            w = what[name]
            ours, theirs, native, mips = [], [], [], []
            for _ in range(args.runs):
                total, ns, stats = run_vibe(args.vibevmm, w["guest"], tmp)
                ours.append(ns)
                mips.append(stats["vcpus"][0]["instructions"] * 1000 / ns)
                want, ns = run_native(w["native"], w["rounds"])
                native.append(ns)
                if peer:
                    theirs.append(run_qemu(w["guest"])[1])
                if total != want:
                    sys.stderr.write("bench: %s: the guest's checksum %s is not the native %s\n" % (name, total, want))
                    return 1
            o, n = median(ours), median(native)
            q = median(theirs) if peer else float("nan")
            say(name, "%.0f" % median(mips), "%.1f" % (o / n), "%.1f" % (q / n), "%.2f" % (o / q))
        lines.append("")
        print()
        say("operation", "vibevmm ns", "vibevmm million/s", "QEMU ns")
        say("---", "---", "---", "---")
        for name, label, _ in EXITS:
            w = what[name]
            ours = [run_vibe(args.vibevmm, w["guest"], tmp)[1] / w["rounds"] for _ in range(args.runs)]
            # The peer's WFI sleeps until an interrupt, and none comes.
            q = "-" if not peer or name == "wfi" else "%.0f" % median([run_qemu(w["guest"])[1] / w["rounds"] for _ in range(args.runs)])
            say(label, "%.1f" % median(ours), "%.1f" % (1000 / median(ours)), q)
        lines.append("")
        print()
        say("timer interrupt, due to handler, us", "vibevmm min", "median", "max", "QEMU min", "median", "max")
        say("---", "---", "---", "---", "---", "---", "---")
        ours = latency([vibe_says(args.vibevmm, what["latency"]["guest"], "--stats=none") for _ in range(args.runs)])
        theirs = latency([qemu_says(what["latency"]["guest"]) for _ in range(args.runs)]) if peer else ["-"] * 6
        say("busy CPU", *ours[:3], *theirs[:3])
        say("CPU in WFI", *ours[3:], *theirs[3:])
        lines.append("")
        print()
        say("start and memory", "vibevmm", "QEMU")
        say("---", "---", "---")
        hello = what["svc"]["guest"]
        hello_raw = os.path.join(HERE, "..", "tests", "kernels", "console.raw")
        simple = os.path.join(HERE, "..", "tests", "kernels", "arm64_simple.raw")
        ours = [first_byte_ms([args.vibevmm, "--binary", hello_raw, "--stats=none"]) for _ in range(4 * args.runs)]
        theirs = [first_byte_ms(QEMU + ["-device", "loader,file=%s,addr=0x40210000,cpu-num=0,force-raw=on" % hello_raw])
                  for _ in range(args.runs)] if peer else []
        say("exec to first console byte, ms", "%.1f" % median(ours), "%.0f" % median(theirs) if peer else "-")
        say("resident beyond guest RAM, KiB", idle_memory_kib([args.vibevmm, "--binary", simple, "--stats=none"]),
            idle_memory_kib(QEMU + ["-kernel", hello, "-S"]) if peer else "-")
        lines.append("")
        print()
        for part in (boot, disk, sharing):
            try:
                part.table(args.vibevmm, 1 if args.quick else 3, tmp, say)
            except unittest.SkipTest as e:
                print("bench: Linux is left out: %s" % e)
            lines.append("")
            print()
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as f:
            f.write("# Benchmarks\n\nMade by `make bench` (`bench/run.py --markdown docs/benchmarks.md`): medians of %d runs, vibevmm, the peer and\n"
                    "native code (gcc -O2) in turn on one machine.\n\n%s\n\n" % (args.runs, "\n".join(lines)))
            cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?") \
                if os.path.exists("/proc/cpuinfo") else platform.processor()
            f.write("Machine: %s, %d CPUs, %s %s, %s.\n" % (cpu, os.cpu_count(), platform.system(), platform.machine(), time.strftime("%Y-%m-%d")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
