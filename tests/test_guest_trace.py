"""Linux, seen: its own symbol table names what a profile and a trace show."""
import base64
import os
import re
import tempfile
import unittest
import zlib

import guests
import test_trace
import vibe

# The kernel's functions, without its modules'.
SYMBOLS = "echo 0 > /proc/sys/kernel/kptr_restrict; echo BEGIN; grep -v '\\[' /proc/kallsyms | grep -i ' t ' | gzip | base64; echo END\n"
WORK = "seq 1 20000 | md5sum; for i in 1 2 3 4 5; do seq $i 3000 | sort -n | sha256sum; done\n"
STOP = "poweroff -f\n"


class Linux(unittest.TestCase):
    def boot(self, script, *options):
        kernel, _ = guests.kernel()
        with tempfile.TemporaryDirectory() as tmp:
            initrd = guests.initrd(os.path.join(tmp, "initrd.gz"), run=script + STOP)
            p = vibe.run("--kernel", kernel, "--initrd", initrd, "--cmdline", "console=ttyAMA0 quiet nokaslr", "--mem", "256M", "--stats=none",
                         "--timeout", str(vibe.LIMIT_S - 5), *options)
        self.assertEqual((p.returncode, p.stderr), (0, b""), p.stdout[-2000:])
        return p.stdout.decode(errors="replace").replace("\r", "")

    def test_profile_and_trace(self):
        out = self.boot(SYMBOLS)
        packed = base64.b64decode(re.search(r"BEGIN\n(.*?)END\n", out, re.S)[1])
        with tempfile.TemporaryDirectory() as tmp:
            path = lambda name: os.path.join(tmp, name)
            with open(path("System.map"), "wb") as f:
                f.write(zlib.decompress(packed, 31))
            out = self.boot(WORK, "--cpus", "2", "--symbols", path("System.map"), "--profile", path("p"), "--trace", "psci,exception=" + path("t"),
                            "--trace-filter", "el=0")
            self.assertEqual(len(re.findall(r"(?m)^[0-9a-f]{64}  -$", out)), 5)
            with open(path("p"), encoding="utf-8") as f:
                stacks = [(m[1].split(";"), int(m[2])) for m in re.finditer(r"(?m)^(EL[01];\S+) (\d+)$", f.read())]
            with open(path("p.txt"), encoding="utf-8") as f:
                text = f.read()
            with open(path("t"), encoding="utf-8") as f:
                lines = [test_trace.parse(line) for line in f.read().splitlines()]
        # Before the MMU is on it is at other addresses; that is little.
        kernel = [(frames, n) for frames, n in stacks if frames[0] == "EL1"]
        total = sum(n for _, n in kernel)
        self.assertGreater(total, 500)
        self.assertGreater(sum(n for frames, n in kernel if not frames[-1].startswith("0x")), 0.9 * total)
        self.assertGreater(sum(n for frames, n in kernel if "start_kernel" in frames), 20)
        self.assertGreater(sum(n for frames, n in kernel if "el0t_64_sync" in frames), 20)
        self.assertGreater(sum(n for frames, n in stacks if frames[0] == "EL0"), 100)
        self.assertRegex(text, r"\n +\d+  EL1 ffff[0-9a-f]{12} pl011_\w+\+0x[0-9a-f]+  mmio_write pl011@9000000\n")
        # EL0 alone: what it does to get into the kernel.
        self.assertTrue(all(t["el"] in (0, None) for t in lines))
        calls = [t for t in lines if t["event"] == "take" and "SVC" in t["text"]]
        self.assertGreater(len(calls), 1000)
        self.assertTrue(all("<vectors+0x400>" in t["text"] for t in calls))


if __name__ == "__main__":
    unittest.main()
