"""How soon a guest runs, and what memory the program takes for itself."""
import os
import subprocess
import time

from common import QEMU_BARE, ROOT, figure, median

KERNELS = os.path.join(ROOT, "tests", "kernels")


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


def table(bench):
    hello = os.path.join(KERNELS, "console.raw")
    waits = os.path.join(KERNELS, "arm64_simple.raw")
    ours, theirs = bench.in_turn(
        lambda: median([first_byte_ms([bench.program, "--binary", hello, "--stats=none"]) for _ in range(4)]),
        lambda: first_byte_ms([*QEMU_BARE, "-device", "loader,file=%s,addr=0x40210000,cpu-num=0,force-raw=on" % hello])
        if bench.peer else None)
    bench.head("start and memory", "vibevmm", "QEMU")
    bench.say("exec to first console byte, ms", "%.1f" % median(ours), figure("%.0f", median(theirs)))
    if os.path.exists("/proc/self/status"):
        bench.say("resident beyond guest RAM, KiB", idle_memory_kib([bench.program, "--binary", waits, "--stats=none"]),
                  idle_memory_kib([*QEMU_BARE, "-kernel", hello, "-S"]) if bench.peer else "-")
    bench.say()
