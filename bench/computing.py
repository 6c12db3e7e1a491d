"""The loops: the same C natively (gcc -O2), on vibevmm and on the peer; checksums must be equal."""
import platform
import statistics
import subprocess
import sys

from common import GOALS, figure, goal, median, sum_and_ns

# Loops stay what they are written as.
AS_WRITTEN = ["-fno-tree-vectorize", "-fno-tree-loop-distribute-patterns"]
VECTORISED = ["-O3"]
# For the native program alone.
INSTRUCTIONS = ["-maes", "-msha", "-msse4.2"] if platform.machine() in ("x86_64", "AMD64") else ["-march=armv8-a+crypto+crc"]

# group -> (label, {loop: (rounds, flags)}); a tenth of a second or so, natively. Each group's goal is "GROUP / native".
GROUPS = {
    "integer": ("integer kernels", {
        "sieve": (1400, []), "crc": (800, []), "sha256": (2000, []), "sort": (70, []), "bytecode": (350, []), "hash": (200, []),
        "bignum": (1600, []), "scan": (1500, []), "list": (200, [])}),
    "calls": ("calls", {"fibonacci": (2000, []), "virtual": (1000, [])}),
    "double": ("scalar double", {"nbody": (600, []), "mandelbrot": (120, []), "convert": (4000, [])}),
    "SIMD": ("SIMD", {"matmul": (300, []), "saxpy": (2500, VECTORISED), "pixels": (6000, VECTORISED), "vectors": (9000, VECTORISED)}),
    "memory": ("memory", {"copy": (3000, AS_WRITTEN), "chase": (300, []), "stride": (400, [])}),
    "instructions": ("AES, SHA-256, CRC-32 instructions", {"aes": (1500, []), "sha256i": (4000, []), "crc32i": (5000, [])}),
}


def build(bench, group, name, rounds=None):
    """(guest, native program, rounds)"""
    n, flags = GROUPS[group][1][name]
    n = rounds or bench.rounds(n)
    source = "loops/%s.c" % name
    guest = bench.guest(name, ["guest/main.c", source], ["-DROUNDS=%du" % n, *flags])
    native = bench.native(name, ["native.c", source], [*flags, *(INSTRUCTIONS if group == "instructions" else [])])
    return guest, native, n


def run_native(program, rounds):
    """(checksum, ns), or None: this machine lacks the instructions."""
    p = subprocess.run([program, str(rounds)], stdout=subprocess.PIPE)
    if p.returncode == -4:
        return None
    p.check_returncode()
    return sum_and_ns(p.stdout.decode())


def compare(bench, group, name, rounds=None, options=()):
    """Medians: instructions a second in millions, ns here, native (None: not there) and on the peer (None)."""
    guest, program, rounds = build(bench, group, name, rounds)

    def here():
        text, stats = bench.vibe_counts(guest, *options)
        return (*sum_and_ns(text), stats["vcpus"][0]["instructions"])
    columns = bench.in_turn(here, lambda: run_native(program, rounds), lambda: sum_and_ns(bench.qemu_says(guest)) if bench.peer else None)
    sums = {r[0] for column in columns for r in column if r}
    if len(sums) != 1:
        sys.exit("bench: %s: checksums here, native and on the peer: %s" % (name, ", ".join(c[0][0] if c[0] else "-" for c in columns)))
    ns = [median([r[1] for r in column]) if column[0] else None for column in columns]
    return (median([r[2] * 1000 / r[1] for r in columns[0]]), *ns)


def table(bench, groups):
    """A table for each group."""
    for group in groups:
        label, loops = GROUPS[group]
        bench.head(label, "vibevmm MIPS", "vibevmm / native", "goal", "QEMU / native", "QEMU / vibevmm")
        each, mean = group + " / native", group + " / native, mean"
        ratios = []  # to native here, on the peer, the peer's to ours
        for name in loops:
            mips, ours, native, peer = compare(bench, group, name)
            ratios.append((native and ours / native, native and peer and peer / native, peer and peer / ours))
            bench.say(name, "%.0f" % mips, figure("%.2f", ratios[-1][0]), goal(each, ratios[-1][0]), figure("%.1f", ratios[-1][1]),
                      figure("%.2f", ratios[-1][2]))
        means = [mean_of(column) for column in zip(*ratios)]
        bench.say("geometric mean", "", figure("%.2f", means[0]), goal(mean, means[0]) if mean in GOALS else "", figure("%.1f", means[1]),
                  figure("%.2f", means[2]))
        bench.say()
        bench.loop_ratios += ratios


def mean_of(values):
    """None is not there."""
    values = [v for v in values if v]
    return statistics.geometric_mean(values) if values else None


def mean_of_all(bench):
    native, peer_to_native, peer = [mean_of(column) for column in zip(*bench.loop_ratios)]
    bench.head("all loops", "vibevmm / native", "QEMU / native", "QEMU / vibevmm", "goal")
    bench.say("geometric mean", figure("%.2f", native), figure("%.1f", peer_to_native), figure("%.2f", peer),
              goal("QEMU / all loops, mean", peer))
    bench.say()
