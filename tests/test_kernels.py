"""The test kernels on vibevmm: the seeds by their memory, the others by what they print and how they end."""
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

import vibe

KERNELS = os.path.join(vibe.ROOT, "tests", "kernels")


ENTROPY = {"entropy"}  # they want a device that --deterministic leaves out
_folder = None  # for the guests' files, as long as the tests run


def rows():
    """The rows of kernels.list, field by field."""
    with open(os.path.join(KERNELS, "kernels.list"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                yield [c.strip() for c in line.rstrip("\n").split("|")]


def listed(native=False):
    """Name, cpus, options, input, expected lines. native: those that a hypervisor can run."""
    global _folder
    for name, cpus, _, _, options, stdin, expect in rows():
        decode = lambda s: s.encode().decode("unicode_escape")
        if native and "--semihosting" in options:
            continue
        if "@tmp@" in options:
            _folder = _folder or tempfile.TemporaryDirectory()
            options = options.replace("@tmp@", _folder.name)
        yield name, cpus, options.split(), decode(stdin), [x for x in decode(expect).split("\n") if x]


class Seeds(unittest.TestCase):
    def run_seed(self, name, seconds, address, length):
        with tempfile.TemporaryDirectory() as tmp:
            dump = os.path.join(tmp, "memory")
            p = subprocess.run(
                [vibe.PROGRAM, "--binary", os.path.join(KERNELS, name), "--entry", "0x10000", "--mem", "128M",
                 "--timeout", str(seconds), "--stats=none", "--dump-memory", "0x%x:%d=%s" % (address, length, dump)],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=vibe.LIMIT_S, check=False)
            self.assertEqual(p.returncode, 3, p.stderr)  # they never end
            self.assertEqual(p.stdout, b"")
            with open(dump, "rb") as f:
                return f.read()

    def test_sizes(self):
        for name, size in (("arm64_simple.raw", 8), ("arm64_test.raw", 68), ("arm64_hello.raw", 164)):
            self.assertEqual(os.path.getsize(os.path.join(KERNELS, name)), size, name)

    def test_simple(self):
        self.assertEqual(self.run_seed("arm64_simple.raw", 1, 0x20000, 16), bytes(16))

    def test_test(self):
        result, loops = struct.unpack("<QQ", self.run_seed("arm64_test.raw", 1, 0x20000, 16))
        self.assertEqual(result, (42 + 10) * 2)
        self.assertEqual(loops, 5)

    def test_hello(self):
        messages, seconds = 0, 1
        while messages == 0:  # until there has been one: 10,000,000 turns
            ready, running, turns, messages, marker = struct.unpack("<IIQQI", self.run_seed("arm64_hello.raw", seconds, 0x20000, 28))
            self.assertEqual(ready, 0xDEADBEEF)
            self.assertEqual(running, 0xCAFEBABE)
            self.assertGreater(turns, 1000)
            # It may be stopped between the turn and its message.
            self.assertIn(messages, (turns // 10000000, (turns - 1) // 10000000))
            self.assertEqual(marker, 0xF00DF00D if messages else 0)
            seconds *= 3


class Kernels(unittest.TestCase):
    def run_all(self, *where):
        for name, cpus, options, stdin, expect in listed():
            with self.subTest(name, options=options):
                p = subprocess.run(
                    [vibe.PROGRAM, "--binary", os.path.join(KERNELS, name + ".raw"), *where, "--cpus", cpus,
                     "--timeout", "20", "--stats=none"] + options,
                    input=stdin.encode("latin-1"), capture_output=True, timeout=vibe.LIMIT_S, check=False)
                lines = p.stdout.decode("latin-1").replace("\r", "").split("\n")
                self.assertIn("PASS " + name, lines, p.stdout + p.stderr)
                for line in expect:
                    self.assertIn(line, lines)
                self.assertEqual(p.returncode, 0, p.stderr)
                self.assertNotIn(b"SKIP", p.stdout)

    def test_all(self):
        self.run_all("--entry", "0x10000")

    def test_with_ram_from_1_gib(self):
        self.run_all("--entry", "0x40210000", "--machine", "virt")

    def test_failure_shows(self):
        """A check that fails: said on the console, and by the exit status."""
        p = vibe.run("--binary", os.path.join(KERNELS, "psci.raw"), "--timeout", "20", "--stats=none")  # on one CPU instead of four
        self.assertRegex(p.stdout, rb"^FAIL psci: AFFINITY_INFO of a CPU that is off got \w+ want 1")
        self.assertEqual(p.returncode, 1)

    @unittest.skipUnless(shutil.which("qemu-system-aarch64"), "no qemu-system-aarch64 (qemu-system-arm)")
    def test_under_qemu(self):
        """What passes there too proves the test."""
        p = subprocess.run([os.path.join(KERNELS, "run_under_qemu.sh"), "all"], capture_output=True, timeout=10 * vibe.LIMIT_S,
                           check=False, text=True)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        wanted = sum(len(row[2].split()) for row in rows() if not row[2].startswith("no"))
        self.assertEqual(p.stdout.count("PASS "), wanted, p.stdout)


if __name__ == "__main__":
    unittest.main()
