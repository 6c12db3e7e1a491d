"""The interpreter without the translator: what hosts other than x86-64 have, and what code runs on until it is hot."""
from common import figure, goal, median, sum_and_ns
import bare
import computing

OPTIONS = ("--accel", "soft,jit=off")
LOOPS = ("sieve", "crc", "sha256", "sort", "hash", "bytecode")
SHARE = 20  # of the translator's rounds: one in so many


def table(bench):
    bench.head("interpreter", "vibevmm MIPS", "goal", "vibevmm / native", "QEMU MIPS", "QEMU / native")
    for name in LOOPS:
        rounds = max(1, bench.rounds(computing.GROUPS["integer"][1][name][0]) // SHARE)
        mips, ours, native, peer = computing.compare(bench, "integer", name, rounds, OPTIONS)
        bench.say(name, "%.0f" % mips, goal("interpreter, MIPS", mips), figure("%.1f", native and ours / native),
                  figure("%.0f", peer and mips * ours / peer), figure("%.1f", native and peer and peer / native))
    rounds = bench.rounds(bare.EXITS[0][2] // SHARE)
    guest = bare.exit_guest(bench, "wfi", rounds)
    ns = median(bench.in_turn(lambda: sum_and_ns(bench.vibe_says(guest, *OPTIONS))[1] / rounds)[0])
    bench.say("WFI exits, million a second", "%.1f" % (1000 / ns), goal("interpreter, wfi, million/s", 1000 / ns), "", "", "")
    bench.say()
