"""What it costs to follow the console, and to call the host by semihosting."""
import os
import struct
import subprocess

from common import LIMIT_S, median

LINE = 64
POWER_OFF = (0x52B08000, 0x72800100, 0xD4000002, 0x14000000)  # mov w0, #0x84000008; hvc #0; b .
PATTERNS = ("^never$", "Kernel panic", "Oops", "BUG:", "[Ff]ail(ed|ure)", "^error: .*[0-9]+", "Call trace", "login: $")


def code(*words):
    return b"".join(struct.pack("<I", w) for w in words)


def count(reg, n):
    return 0xD2800000 | (n & 0xFFFF) << 5 | reg, 0xF2A00000 | n >> 16 << 5 | reg  # movz; movk, lsl #16


def writer(lines):
    """Writes so many lines, byte by byte."""
    return code(
        0xD2A12002,  # mov  x2, #0x09000000
        *count(4, lines),
        0xD2800003 | (LINE - 1) << 5,  # 1: mov x3, #63
        0x52800F00,  # mov  w0, #'x'
        0x39000040,  # 2: strb w0, [x2]
        0xF1000463,  # subs x3, x3, #1
        0x54FFFFC1,  # b.ne 2b
        0x52800140,  # mov  w0, #'\n'
        0x39000040,  # strb w0, [x2]
        0xF1000484,  # subs x4, x4, #1
        0x54FFFF01,  # b.ne 1b
        *POWER_OFF)


def caller(calls):
    """Makes so many calls of SYS_ISERROR, whose parameter block is the code."""
    return code(
        *count(4, calls),
        0x52800100,  # 1: mov w0, #8
        0x10FFFFA1,  # adr  x1, 1b - 8
        0xD45E0000,  # hlt  #0xf000
        0xF1000484,  # subs x4, x4, #1
        0x54FFFF81,  # b.ne 1b
        *POWER_OFF)


def cpu_ns(bench, guest, n, *options):
    """What one of n takes, of the process's CPU time: of what else runs here it depends less than time does."""
    path = os.path.join(bench.tmp, "guest.raw")
    with open(path, "wb") as f:
        f.write(guest)
    p = subprocess.Popen([bench.program, "--binary", path, "--timeout", str(LIMIT_S), "--stats=none", *options], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = status
    if status:
        raise AssertionError("the guest ended with status %d" % status)
    return (used.ru_utime + used.ru_stime) * 1e9 / n


def table(bench):
    lines, calls = bench.rounds(30000), bench.rounds(1000000)
    fails = lambda n: [x for p in PATTERNS[:n] for x in ("--fail", p)]
    measure = lambda *options: lambda: cpu_ns(bench, writer(lines), lines * LINE, *options)
    none, report, one, eight, exact, call = bench.in_turn(
        measure(), measure("--result", "/dev/null"), measure(*fails(1)), measure(*fails(8)), measure("--deterministic", *fails(1)),
        lambda: cpu_ns(bench, caller(calls), calls, "--semihosting"))
    bench.head("console and semihosting", "ns of CPU time")
    bench.say("a byte to the console, in lines of 64", "%.0f" % median(none))
    bench.say("the same with --result", "%.0f" % median(report))
    bench.say("the same with one pattern", "%.0f" % median(one))
    bench.say("the same with eight patterns", "%.0f" % median(eight))
    bench.say("with one, and --deterministic", "%.0f" % median(exact))
    bench.say("a semihosting call", "%.0f" % median(call))
    bench.say()
