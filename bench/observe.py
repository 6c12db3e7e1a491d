"""What it costs to see what a guest does: --trace, --profile and --coverage, on a loop that computes and on exits and exceptions."""

import bare
import computing
from common import figure, median, sum_and_ns

# What is asked for, and how much of it happens in these guests.
SELDOM = (
    ("nothing", ()),
    ("exceptions", ("--trace", "exception=/dev/null")),
    ("MMIO", ("--trace", "mmio=/dev/null")),
    ("system registers", ("--trace", "sysreg=/dev/null")),
    ("accesses to 8 bytes that nobody touches", ("--trace", "mem@0x1000+8=/dev/null")),
    ("instructions of a function that is not called", ("--trace", "insn=/dev/null", "--trace-filter", "pc=0x1000+0x100")),
    ("instructions 1000 to 2000", ("--trace", "insn=/dev/null", "--trace-filter", "insns=1000-2000")),
    ("profile", ("--profile", "{tmp}/profile", "--symbols", "{elf}")),
    ("coverage", ("--coverage", "{tmp}/coverage", "--symbols", "{elf}")),
)
# The loop, a small part of it, with each instruction seen.
EACH = (
    ("into a ring", ("--trace", "insn", "--trace-ring", "1000")),
    ("as text", ("--trace", "insn=/dev/null", "--trace-limit", "1000G")),
    ("as JSON", ("--trace", "insn=/dev/null", "--trace-limit", "1000G", "--trace-format", "json")),
    ("as text with symbols", ("--trace", "insn=/dev/null", "--trace-limit", "1000G", "--symbols", "{elf}")),
)


def options_of(bench, what, elf):
    return [o.format(tmp=bench.tmp, elf=elf) for o in what]


def ns_of(bench, elf, rounds, what):
    return sum_and_ns(bench.vibe_says(elf, *options_of(bench, what, elf)))[1] / rounds


def loop(bench, rounds):
    return bench.guest("observed-%d" % rounds, ["guest/main.c", "loops/crc.c"], ["-g", "-DROUNDS=%du" % rounds])


def guests(bench, exits):
    """(label, program, rounds, ns in its unit): the loop, and these of bare.EXITS."""
    rounds = bench.rounds(computing.GROUPS["integer"][1]["crc"][0])
    found = [("CRC of 64 KiB, us", loop(bench, rounds), rounds, 1000)]
    for name, label, rounds, _ in bare.EXITS:
        if name in exits:
            rounds = bench.rounds(rounds)
            flags = [bare.NO_VECTORS, "-g", "-DROUNDS=%du" % rounds, "-DBENCH_" + name.upper()]
            found.append((label + ", ns", bench.guest(name, ["guest/main.c"], flags), rounds, 1))
    return found


def table(bench):
    columns = guests(bench, ("mmio", "svc"))
    bench.head("what is seen", *[label for label, *_ in columns])
    for label, what in SELDOM:
        cells = []
        for _, elf, rounds, scale in columns:
            cells.append("%.1f" % (median(bench.in_turn(lambda e=elf, r=rounds: ns_of(bench, e, r, what))[0]) / scale))
        bench.say(label, *cells)
    bench.say()
    elf = loop(bench, 2)
    bench.head("each instruction", "ns", "million/s")
    for label, what in EACH:
        def one(what=what):
            text, stats = bench.vibe_counts(elf, *options_of(bench, what, elf))
            return sum_and_ns(text)[1] / stats["vcpus"][0]["instructions"]
        ns = median(bench.in_turn(one)[0])
        bench.say(label, "%.0f" % ns, figure("%.1f", 1000 / ns))
    bench.say()
