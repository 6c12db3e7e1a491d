"""The translator on real guests, each of its runs compared with the interpreter (--check-jit): the test kernels, with everything on and with
each of its parts off or made hard. Random programs are tests/unit/test_jit_blocks.c's, Linux is test_guest_jit.py's."""
import json
import os
import platform
import re
import struct
import subprocess
import time
import unittest

import test_kernels
import vibe

# What is off or hard, as options of --accel soft.
WAYS = ("", "without=peel+fold+bounds+flags+dead+probes+registers", "registers=random", "memory=slow", "cache=512K", "host-without=bmi2+lzcnt+avx+avx2+fma+sse4.2",
        "host-without=aes+pclmul+sha")
# With every pass alone, on kernels that have the most of everything.
PASSES = ("peel", "fold", "bounds", "flags", "dead", "probes", "registers")
HARD = ("pagefault", "simd", "lse", "syscall")


@unittest.skipUnless(platform.machine() in ("x86_64", "AMD64"), "no translator for this host")
class Jit(vibe.InFolder):
    def run_kernels(self, way, only=None):
        for name, cpus, options, stdin, expect in test_kernels.listed():
            # Where a device's thread writes what the guest looks at, the two runs that are compared do not see the same, as with more CPUs.
            if cpus != "1" or name == "entropy" or (only and name not in only):
                continue
            accel = ",".join(x for x in ("soft", "threshold=2", way) if x)
            with self.subTest(name, way=way):
                p = subprocess.run([vibe.PROGRAM, "--binary", os.path.join(test_kernels.KERNELS, name + ".raw"), "--check-jit", "--accel", accel,
                                    "--timeout", "60", "--stats=none"] + options,
                                   input=stdin.encode("latin-1"), capture_output=True, timeout=vibe.LIMIT_S, check=False)
                lines = p.stdout.decode("latin-1").replace("\r", "").split("\n")
                self.assertIn("PASS " + name, lines, p.stdout + p.stderr)
                self.assertEqual(p.returncode, 0, p.stderr)
                for line in expect:
                    self.assertIn(line, lines)

    def test_kernels(self):
        for way in WAYS:
            self.run_kernels(way)

    def test_each_pass(self):
        for name in PASSES:
            self.run_kernels("without=" + name, HARD)

    def test_dump(self):
        p = subprocess.run([vibe.PROGRAM, "--binary", os.path.join(test_kernels.KERNELS, "arm64_hello.raw"), "--jit-dump", "0x1009c",
                            "--timeout", "1", "--stats=none"], capture_output=True, text=True, timeout=vibe.LIMIT_S, check=False)
        for text in ("after lift", "subs x26, x26, #0x1", "after registers", "host code"):
            self.assertIn(text, p.stderr)

    def test_waits_pause(self):
        """A loop that only memory can end, and YIELD, slow the host core down; a loop that gets on does not."""
        ldaxr, ldr, add, subs, hint = 0xc85ffc61, 0xb9400061, 0x91000442, 0xf1000442, 0xd503203f
        for loop, pauses in (((ldaxr, 0xb5ffffe1), True), ((ldr, 0x7100043f, 0x54ffffc1), True), ((hint, subs, 0x54ffffc1), True),
                             ((ldr, add, 0xb5ffffc2), False), ((ldr, subs, 0x54ffffc1), False)):
            code = (0x10000083, 0xd2a00202, *loop, 0x14000000, 0xd503201f)  # adr x3, .+16; mov x2, #0x100000
            with open(self.path("loop.raw"), "wb") as f:
                f.write(struct.pack("<%dI" % len(code), *code))
            p = vibe.run("--binary", self.path("loop.raw"), "--jit-dump", "0x10008", "--max-insns", "100000", "--stats=none")
            self.assertEqual(p.returncode, 3, p.stderr)
            text = p.stderr.decode()
            self.assertIn("host code", text)
            self.assertEqual(bool(re.search(r"(?m)^ +PAUSE", text)), pauses, ([hex(w) for w in loop], text))

    def test_statistics(self):
        """Each counter of the translator's has something to count in a kernel that changes its code; without it none has."""
        for accel, some in (("soft", True), ("soft,jit=off", False)):
            stats = self.path("stats.json")
            p = vibe.run("--binary", os.path.join(test_kernels.KERNELS, "newcode.raw"), "--cpus", "2", "--accel", accel, "--stats=json:" + stats)
            self.assertEqual(p.returncode, 0, p.stderr)
            with open(stats, encoding="utf-8") as f:
                vcpu = json.load(f)["vcpus"][0]
            n = vcpu["cpu"]
            self.assertGreater(n["tlb_misses"], 0)
            for name in ("translated_instructions", "regions", "region_instructions", "code_bytes", "translate_ns", "regions_invalidated", "code_flushes"):
                self.assertEqual(n[name] > 0, some, (name, n))
            self.assertLess(n["translated_instructions"], vcpu["instructions"])

    def test_perf_map(self):
        p = subprocess.Popen([vibe.PROGRAM, "--binary", os.path.join(test_kernels.KERNELS, "arm64_hello.raw"), "--perf-map", "--timeout", "0.5",
                              "--stats=none"], stderr=subprocess.PIPE)
        name = "/tmp/perf-%d.map" % p.pid
        self.addCleanup(lambda: os.path.exists(name) and os.unlink(name))
        self.assertEqual(p.communicate(timeout=vibe.LIMIT_S)[1], b"")
        self.assertEqual(p.returncode, 3)
        with open(name, encoding="ascii") as f:
            self.assertRegex(f.read(), r"(?m)^[0-9a-f]+ [0-9a-f]+ guest_el1_0x100[0-9a-f]{2}$")

    def test_no_memory_is_writable_and_executable(self):
        """While translated code runs, of which there is some."""
        if not os.path.exists("/proc/self/maps"):
            self.skipTest("this host has no /proc/PID/maps")
        p = subprocess.Popen([vibe.PROGRAM, "--binary", os.path.join(test_kernels.KERNELS, "arm64_hello.raw"), "--stats=none"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        deadline = time.monotonic() + vibe.LIMIT_S
        seen = set()
        while not {"rw-s", "r-xs"} <= seen:
            self.assertLess(time.monotonic(), deadline, seen)
            with open("/proc/%d/maps" % p.pid, encoding="ascii") as f:
                maps = f.read()
            self.assertNotRegex(maps, r"(?m)^\S+ .wx")
            seen = set(re.findall(r"(?m)^\S+ (\S+) .*memfd:code", maps))


if __name__ == "__main__":
    unittest.main()
