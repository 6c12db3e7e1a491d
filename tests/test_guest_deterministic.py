"""--deterministic: two runs of Linux with four CPUs are the same run, also while the host is busy and whatever its processor has."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import guests
import test_kernels
import vibe

COMMANDS = b"cat /proc/interrupts\nseq 1 5000 | md5sum\nfor i in 1 2 3 4 5 6; do (seq $((i * 1000)) | sha256sum) & done; wait\ndate\npoweroff -f\n"


class Deterministic(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.tmp = tmp.name

    def run_once(self, *args, stdin=b""):
        """What the guest said, and what it did: instructions of each CPU, exits, memory."""
        stats = os.path.join(self.tmp, "stats.json")
        p = subprocess.run([vibe.PROGRAM, "--deterministic", "--stats=json:" + stats, "--timeout", str(guests.LIMIT_S), *args], input=stdin,
                           capture_output=True, timeout=vibe.LIMIT_S, check=False)
        self.assertEqual(p.returncode, 0, p.stderr.decode(errors="replace") + p.stdout.decode(errors="replace")[-2000:])
        with open(stats, encoding="utf-8") as f:
            s = json.load(f)
        return p.stdout, [(v["instructions"], v["exceptions"], v["interrupts"], v["exits"]) for v in s["vcpus"]], s["memory_hash"]

    def test_linux(self):
        kernel, _ = guests.kernel()
        initrd = guests.initrd(os.path.join(self.tmp, "initrd.gz"))
        linux = ("--kernel", kernel, "--initrd", initrd, "--cmdline", "console=ttyAMA0", "--mem", "256M", "--cpus", "4")
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
        self.assertNotEqual(other[2], first[2])

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
