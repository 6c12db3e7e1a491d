"""What a guest without an operating system asks of the machine: exits, exceptions, interrupts, the MMU, new code, two CPUs."""
from common import GOALS, best, figure, goal, median, named_ns, sum_and_ns

NO_VECTORS = "-mgeneral-regs-only"  # their handlers save no others
# (name, label, rounds, the goal)
EXITS = (("wfi", "WFI exits", 10000000, "million/s"), ("mmio", "MMIO exits", 2000000, "million/s"),
         ("hvc", "HVC exits", 3000000, "million/s"), ("svc", "SVC + ERET", 2000000, "ns"))
# guest -> (title, rounds, CPUs, rows of (name, label, unit))
GUESTS = {
    "mmu": ("MMU", 10, 1, (
        ("tlb-miss", "TLB miss with a walk of four levels", "ns"), ("asid-switch", "another ASID and 32 pages touched", "ns"))),
    "code": ("new code", 20000, 1, (
        ("modified", "an instruction written, DC CVAU, IC IVAU, ISB, run", "ns"), ("patched", "the same in the page that runs it", "ns"),
        ("cold", "first execution, for each instruction", "ns"), ("warming", "299 executions more, for each instruction", "ns"),
        ("stall", "the longest call in these, best run", "us"))),
    "two": ("two CPUs", 2000000, 2, (
        ("lse", "LSE counter, an increment", "ns"), ("exclusive", "LL/SC counter, an increment", "ns"),
        ("spinlock", "counter in a spinlock, an increment", "ns"))),
}
SCALE = {"ns": 1, "us": 1000}
# A long pause is the host's as often as not.
BEST = ("stall",)


def build(bench, name, rounds):
    return bench.guest(name, ["guest/%s.c" % name], [NO_VECTORS, "-DROUNDS=%du" % rounds])


def exit_guest(bench, name, rounds):
    return bench.guest(name, ["guest/main.c"], [NO_VECTORS, "-DROUNDS=%du" % rounds, "-DBENCH_" + name.upper()])


def exits(bench):
    bench.head("operation", "vibevmm ns", "vibevmm million/s", "QEMU ns", "goal")
    for name, label, rounds, unit in EXITS:
        rounds = bench.rounds(rounds)
        guest = exit_guest(bench, name, rounds)
        # The peer's WFI sleeps until an interrupt, and none comes.
        ours, theirs = bench.in_turn(lambda: sum_and_ns(bench.vibe_says(guest))[1] / rounds,
                                     lambda: sum_and_ns(bench.qemu_says(guest))[1] / rounds if bench.peer and name != "wfi" else None)
        ns = median(ours)
        bench.say(label, "%.1f" % ns, "%.1f" % (1000 / ns), figure("%.0f", median(theirs)),
                  goal("%s, %s" % (name, unit), ns if unit == "ns" else 1000 / ns))
    bench.say()


def timer(bench):
    guest = build(bench, "latency", 1)

    def in_us(text):
        return [int(x) / 1000 for x in text.split()]
    ours, theirs = bench.in_turn(lambda: in_us(bench.vibe_says(guest)), lambda: in_us(bench.qemu_says(guest)) if bench.peer else [None] * 6)
    bench.head("timer interrupt, due to handler, us", "vibevmm min", "median", "max", "QEMU min", "median", "max", "goal of the median")
    for first, label in ((0, "busy CPU"), (3, "CPU in WFI")):
        cells = [[median([r[first + k] for r in runs]) for k in range(3)] for runs in (ours, theirs)]
        bench.say(label, *[figure("%.1f", x) for c in cells for x in c], goal("timer, us", cells[0][1]))
    bench.say()


def rows(bench, name):
    """A guest that measures several things by itself."""
    title, rounds, cpus, what = GUESTS[name]
    guest = build(bench, name, bench.rounds(rounds))
    ours, theirs = bench.in_turn(lambda: named_ns(bench.vibe_says(guest, "--cpus", str(cpus))),
                                 lambda: named_ns(bench.qemu_says(guest, "-smp", str(cpus))) if bench.peer else {})
    bench.head(title, "vibevmm", "QEMU", "vibevmm / QEMU", "goal")
    for row, label, unit in what:
        a, b = [(best if row in BEST else median)([r[row] / SCALE[unit] if r else None for r in runs]) for runs in (ours, theirs)]
        ratio = b and a / b
        limit = "%s, %s" % (row, unit)
        bench.say("%s, %s" % (label, unit), "%.1f" % a, figure("%.1f", b), figure("%.2f", ratio),
                  goal("two CPUs / QEMU", ratio) if name == "two" else goal(limit, a) if limit in GOALS else "")
    bench.say()


PARTS = ("exits", "timer", *GUESTS)


def table(bench, names):
    for name in names:
        if name == "exits":
            exits(bench)
        elif name == "timer":
            timer(bench)
        else:
            rows(bench, name)
