"""--deterministic: two runs of Linux are the same run, also while the host is busy, whatever its processor has, however early code is translated, and
if it is stopped, saved and loaded in between."""
import json
import os
import random
import subprocess
import sys
import unittest

import guests
import test_kernels
import vibe

SEED = random.randrange(1 << 31)
COMMANDS = b"cat /proc/interrupts\nseq 1 5000 | md5sum\nfor i in 1 2 3 4 5 6; do (seq $((i * 1000)) | sha256sum) & done; wait\ndate\npoweroff -f\n"


class Deterministic(vibe.InFolder):
    def run_once(self, *args, stdin=b"", status=0):
        """What the guest said, and what it did, since power-on: instructions of each CPU, exceptions; exits; memory."""
        stats = os.path.join(self.tmp, "stats.json")
        p = subprocess.run([vibe.PROGRAM, "--deterministic", "--stats=json:" + stats, "--timeout", str(guests.LIMIT_S), *args], input=stdin,
                           capture_output=True, timeout=vibe.LIMIT_S, check=False)
        self.assertEqual(p.returncode, status, p.stderr.decode(errors="replace") + p.stdout.decode(errors="replace")[-2000:])
        with open(stats, encoding="utf-8") as f:
            s = json.load(f)
        counts = [(v["instructions"] + v["instructions_before"], v["exceptions"], v["interrupts"]) for v in s["vcpus"]]
        return p.stdout, counts, [v["exits"] for v in s["vcpus"]], s["memory_hash"]

    def linux(self, cpus):
        kernel, _ = guests.kernel()
        initrd = guests.initrd(os.path.join(self.tmp, "initrd.gz"))
        return "--kernel", kernel, "--initrd", initrd, "--cmdline", "console=ttyAMA0", "--mem", "256M", "--cpus", str(cpus)

    def test_linux(self):
        linux = self.linux(4)
        first = self.run_once(*linux, stdin=COMMANDS)
        self.assertRegex(first[0], rb"[0-9a-f]{64}  -")
        self.assertTrue(all(v[0] > 0 for v in first[1]))
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
        try:
            again = self.run_once(*linux, "--accel", "soft,host-without=avx+bmi2", stdin=COMMANDS)
        finally:
            for b in busy:
                b.kill()
                b.wait()
        self.assertEqual(again, first)
        other = self.run_once(*linux, stdin=b"seq 1 5001 | md5sum\n" + COMMANDS)
        self.assertNotEqual(other[3], first[3])

    def test_linux_saved(self):
        """At any instruction, in a run that translates almost everything, which is to make no difference."""
        chance, snap = random.Random(SEED), os.path.join(self.tmp, "snap")
        for cpus in (1, 2):
            linux = self.linux(cpus)
            said, counts, _, memory = self.run_once(*linux, stdin=COMMANDS)
            at = chance.randrange(1, max(c[0] for c in counts))
            with self.subTest(cpus=cpus, at=at, seed=SEED):
                before = self.run_once(*linux, "--accel", "soft,threshold=2", "--max-insns", str(at), "--snapshot-save", snap, stdin=COMMANDS, status=3)
                after = self.run_once("--snapshot-load", snap)
                self.assertEqual((before[0] + after[0], after[1], after[3]), (said, counts, memory))

    def test_kernels(self):
        for name, cpus, options, stdin, _ in test_kernels.listed():
            if int(cpus) > 4 or name in test_kernels.ENTROPY:
                continue
            with self.subTest(name):
                args = ("--binary", os.path.join(test_kernels.KERNELS, name + ".raw"), "--cpus", cpus, *options)
                first = self.run_once(*args, stdin=stdin.encode("latin-1"))
                self.assertIn(b"PASS " + name.encode(), first[0])
                self.assertEqual(self.run_once(*args, stdin=stdin.encode("latin-1")), first)
                self.assertEqual(self.run_once(*args, "--accel", "soft,jit=off", stdin=stdin.encode("latin-1")), first)


if __name__ == "__main__":
    unittest.main()
