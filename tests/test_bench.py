"""The guests of bench/, a round or two of each: the loops come to the checksums that the same C has natively, on the translator and on the
interpreter, and the bare-metal ones find no mistake. What they measure is not looked at."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import test_control
import vibe

sys.path.insert(0, os.path.join(vibe.ROOT, "bench"))
import bare  # noqa: E402
import common  # noqa: E402
import computing  # noqa: E402
import debugging  # noqa: E402

ENGINES = {"translator": "soft,threshold=16", "interpreter": "soft,jit=off"}
# Long enough for the outer loops to be translated, short enough for the interpreter.
ROUNDS = 2


class BenchGuests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = [c for c in (common.CROSS, "gcc") if not shutil.which(c)]
        if missing:
            raise unittest.SkipTest("not installed: %s" % ", ".join(missing))
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.bench = common.Bench(vibe.PROGRAM, 1, True, tmp.name)

    def run_guest(self, elf, engine, *options):
        p = subprocess.run([vibe.PROGRAM, "--kernel", elf, "--accel", engine, "--timeout", str(vibe.LIMIT_S), "--stats=none", *options],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=2 * vibe.LIMIT_S)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        return p.stdout.decode()

    def test_loops(self):
        for group, (_, loops) in computing.GROUPS.items():
            for name in loops:
                guest, program, rounds = computing.build(self.bench, group, name, ROUNDS)
                sums = {engine: common.sum_and_ns(self.run_guest(guest, options))[0] for engine, options in ENGINES.items()}
                native = computing.run_native(program, rounds)
                if native:
                    sums["native"] = native[0]
                with self.subTest(name):
                    self.assertEqual(len(set(sums.values())), 1, sums)

    def test_bare(self):
        for name, (_, _, cpus, rows) in bare.GUESTS.items():
            guest = bare.build(self.bench, name, 1 if name == "mmu" else 200)
            for engine, options in ENGINES.items():
                with self.subTest(name, engine=engine):
                    found = common.named_ns(self.run_guest(guest, options, "--cpus", str(cpus)))
                    self.assertEqual(set(found), {row for row, _, _ in rows})

    @unittest.skipUnless(test_control.has_jansson(), "a build without libjansson")
    def test_debugging(self):
        """All that is measured runs: nothing is stopped at, and what is watched is never touched."""
        debugging.table(self.bench)
        rows = [line for line in self.bench.lines if line.startswith("| ")]
        self.assertEqual(len(rows), 4 + len(debugging.ROWS) + 1)


if __name__ == "__main__":
    unittest.main()
