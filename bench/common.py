"""What the parts of the benchmark share: the goals, building guests, running them here, on the peer and natively, and the tables."""
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests"))

CROSS = "aarch64-linux-gnu-gcc"
QEMU = "qemu-system-aarch64"
QEMU_BARE = [QEMU, "-M", "virt,gic-version=3", "-cpu", "max", "-m", "128M", "-display", "none", "-nodefaults", "-serial", "stdio"]
FLAGS = ["-O2", "-Wall", "-Wextra", "-ffp-contract=off", "-fno-math-errno", "-I" + HERE]
GUEST_FLAGS = ["-mcpu=cortex-a53+crypto", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-fno-stack-protector",
               "-Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments", "-T", os.path.join(HERE, "guest", "guest.ld"),
               os.path.join(HERE, "guest", "start.S")]
LIMIT_S = 600

# What each figure is to reach: (limit, whether it is a minimum). Ratios of times unless the name says otherwise.
GOALS = {
    "integer / native": (2.0, False), "integer / native, mean": (1.6, False), "calls / native": (2.5, False),
    "double / native": (2.0, False), "SIMD / native": (2.5, False), "memory / native": (2.0, False), "instructions / native": (2.0, False),
    "QEMU / all loops, mean": (4.0, True),
    "interpreter, MIPS": (150, True), "interpreter, wfi, million/s": (30, True),
    "wfi, million/s": (120, True), "mmio, million/s": (25, True), "hvc, million/s": (30, True), "svc, ns": (40, False),
    "timer, us": (5, False), "tlb-miss, ns": (60, False), "asid-switch, ns": (500, False),
    "modified, ns": (2000, False), "cold, ns": (300, False), "stall, us": (5000, False),
    "two CPUs / QEMU": (1.0, False), "boot / QEMU": (0.35, False),
    "QEMU / userland, total": (3.0, True), "QEMU / userland, each": (1.0, True), "snapshots, a minute": (1000, True),
}


def goal(name, value):
    """The cell beside a figure: what it is to be, and by how much it is not."""
    limit, at_least = GOALS[name]
    text = "%s %.4g" % (">=" if at_least else "<=", limit)
    if value is None:
        return text
    off = limit / value if at_least else value / limit
    return text + (", reached" if off <= 1 else ", missed: %.2fx" % off)


def figure(form, value):
    return "-" if value is None else form % value


class Bench:
    """One run of the benchmark: what it runs, how often, and where its tables go."""

    def __init__(self, program, runs, quick, tmp):
        self.program, self.runs, self.quick, self.tmp = program, runs, quick, tmp
        self.peer = shutil.which(QEMU) is not None
        self.lines = []
        self.loop_ratios = []  # of computing.py, for the mean of all

    def say(self, *cells):
        """A row of a table; nothing: its end."""
        line = "| " + " | ".join(str(c) for c in cells) + " |" if cells else ""
        self.lines.append(line)
        print(line, flush=True)

    def head(self, *cells):
        self.say(*cells)
        self.say(*["---"] * len(cells))

    def note(self, text):
        self.lines.append(text)
        print(text, flush=True)

    def rounds(self, n):
        return max(1, n // 10) if self.quick else n

    def guest(self, name, sources, flags=()):
        """A bare-metal guest; its path."""
        path = os.path.join(self.tmp, name + ".elf")
        subprocess.run([CROSS, *FLAGS, *flags, *GUEST_FLAGS, *[os.path.join(HERE, s) for s in sources], "-o", path], check=True)
        return path

    def native(self, name, sources, flags=()):
        path = os.path.join(self.tmp, name)
        subprocess.run(["gcc", *FLAGS, *flags, *[os.path.join(HERE, s) for s in sources], "-o", path], check=True)
        return path

    def vibe_says(self, elf, *options):
        return output([self.program, "--kernel", elf, "--timeout", str(LIMIT_S), "--stats=none", *options])

    def vibe_counts(self, elf, *options):
        """Output and statistics."""
        stats = os.path.join(self.tmp, "stats.json")
        text = output([self.program, "--kernel", elf, "--timeout", str(LIMIT_S), *options, "--stats=json:" + stats])
        with open(stats, encoding="utf-8") as f:
            return text, json.load(f)

    def qemu_says(self, elf, *options):
        return output([*QEMU_BARE, *options, "-kernel", elf])

    def in_turn(self, *measures):
        """Each measure() called once a run, taking turns; the list of results of each."""
        rows = [[m() for m in measures] for _ in range(self.runs)]
        return [list(column) for column in zip(*rows)]


def output(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=LIMIT_S).stdout.decode()


def sum_and_ns(text):
    words = text.split()
    return words[words.index("sum") + 1], int(words[words.index("ns") + 1])


def named_ns(text):
    """name -> ns for one of it, from lines NAME NS DIVISOR."""
    if "WRONG" in text:
        raise AssertionError("a guest found a mistake:\n" + text)
    return {name: int(ns) / int(n) for name, ns, n in (line.split() for line in text.splitlines() if line)}


def median(values):
    """None if there are none."""
    return None if values[0] is None else statistics.median(values)


def best(values):
    return None if values[0] is None else min(values)


def machine():
    """One line about this machine."""
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            cpu = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), cpu)
    versions = [output([c, "--version"]).splitlines()[0] for c in (QEMU, "gcc", CROSS) if shutil.which(c)]
    return "%s, %d CPUs, %s %s, %s; %s. Load average when it began: %s." % (
        cpu, os.cpu_count(), platform.system(), platform.machine(), time.strftime("%Y-%m-%d"), "; ".join(versions),
        " ".join("%.1f" % x for x in os.getloadavg()))
