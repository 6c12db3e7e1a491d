#!/usr/bin/env python3
"""Booting Linux: vibevmm beside qemu-system-aarch64, with the same kernel and initial RAM disk, in turn.

usage: boot.py [--vibevmm PROGRAM] [--runs N]

Times are from the start of the program, seen from outside; medians of N runs (5). Needs a network the first time, for Debian's kernel.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests"))
import guests  # noqa: E402

MEM = "512M"
CMDLINE = "earlycon console=ttyAMA0"
MARKS = (b"Booting Linux", b"init: Linux", b"reboot: Power down")
IDLE_S = 10


def vibe_command(program, kernel, initrd, cpus):
    return [program, "--kernel", kernel, "--initrd", initrd, "--cmdline", CMDLINE, "--mem", MEM, "--cpus", str(cpus), "--stats=none"]


def qemu_command(kernel, initrd, cpus):
    # Guest RAM as a shared object, so that it can be told from the rest.
    return ["qemu-system-aarch64", "-M", "virt,gic-version=3,memory-backend=ram", "-object", "memory-backend-memfd,id=ram,share=on,size=" + MEM,
            "-m", MEM, "-cpu", "max", "-smp", str(cpus), "-display", "none", "-nodefaults", "-serial", "stdio", "-no-reboot",
            "-kernel", kernel, "-initrd", initrd, "-append", CMDLINE]


def start(command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def read_until(p, marks, begin):
    """Seconds from begin to each mark."""
    out, times = b"", []
    while len(times) < len(marks):
        piece = os.read(p.stdout.fileno(), 65536)
        if not piece:
            sys.exit("bench: no %r from %s\n%s" % (marks[len(times)], p.args[0], out.decode(errors="replace")[-2000:]))
        out += piece
        while len(times) < len(marks) and marks[len(times)] in out:
            times.append(time.monotonic() - begin)
    return times


def boot(command):
    """To each mark, and to the end of the process."""
    begin = time.monotonic()
    p = start(command)
    times = read_until(p, MARKS, begin)
    p.stdout.read()
    p.wait()
    return times + [time.monotonic() - begin]


def idle(command):
    """Percent of a host CPU at the shell's prompt, and MiB of memory beyond the guest's."""
    p = start(command)
    try:
        read_until(p, (b"init: Linux", b"commands.\r\n"), 0)
        time.sleep(2)

        def ticks():
            with open("/proc/%d/stat" % p.pid, encoding="ascii") as f:
                fields = f.read().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])
        before = ticks()
        time.sleep(IDLE_S)
        cpu = (ticks() - before) / os.sysconf("SC_CLK_TCK") / IDLE_S * 100
        with open("/proc/%d/status" % p.pid, encoding="ascii") as f:
            status = dict(line.split(":", 1) for line in f)
        return cpu, (int(status["VmRSS"].split()[0]) - int(status["RssShmem"].split()[0])) / 1024
    finally:
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()


def table(program, runs, tmp, say):
    """One row a measurement; say() gets its cells."""
    kernel, _ = guests.kernel()
    quick = guests.initrd(os.path.join(tmp, "quick.gz"), run="true\n")
    shell = guests.initrd(os.path.join(tmp, "shell.gz"))
    peer = shutil.which("qemu-system-aarch64") is not None

    def columns(measure, initrd, cpus, times):
        commands = [vibe_command(program, kernel, initrd, cpus)] + ([qemu_command(kernel, initrd, cpus)] if peer else [])
        runs_of = [[measure(c) for c in commands] for _ in range(times)]
        return [[statistics.median(r[i][n] for r in runs_of) for n in range(len(runs_of[0][0]))] for i in range(len(commands))]

    say("Linux", "vibevmm", "QEMU", "vibevmm / QEMU")
    say("---", "---", "---", "---")
    one, four = columns(boot, quick, 1, runs), columns(boot, quick, 4, runs)
    rows = [("start to the kernel's first line, s", "%.2f", [c[0] for c in one]), ("start to init, s", "%.2f", [c[1] for c in one]),
            ("start to power off, s", "%.2f", [c[3] for c in one]), ("start to init, 4 CPUs, s", "%.2f", [c[1] for c in four]),
            ("start to power off, 4 CPUs, s", "%.2f", [c[3] for c in four])]
    if os.path.exists("/proc/self/stat"):
        at_prompt = columns(idle, shell, 1, 1)
        rows += [("idle at the prompt, % of a host CPU", "%.2f", [c[0] for c in at_prompt]),
                 ("memory beyond the guest's, at the prompt, MiB", "%.0f", [c[1] for c in at_prompt])]
    for label, form, figures in rows:
        say(label, *[form % f for f in figures], *(["%.2f" % (figures[0] / figures[1]) if figures[1] else "-"] if peer else ["-", "-"]))


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--vibevmm", default=os.path.join(ROOT, "bin", "vibevmm"))
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args(argv[1:])
    with tempfile.TemporaryDirectory() as tmp:
        table(args.vibevmm, args.runs, tmp, lambda *cells: print("| " + " | ".join(cells) + " |", flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
