"""--profile and --coverage: of a program in C and of the kernels, with the translator and without, and what real lcov makes of it."""
import collections
import os
import re
import shutil
import subprocess
import unittest

import test_kernels
import test_trace
import vibe

CROSS = "aarch64-linux-gnu-"
SOURCE = os.path.join(vibe.ROOT, "tests", "guest_profile.c")
# The translator as it is, with everything translated that runs twice, and none.
HOW = ((), ("--accel", "soft,threshold=2"), ("--accel", "soft,jit=off"))


def build(tmp, source, name, *flags):
    if not shutil.which(CROSS + "gcc"):
        raise unittest.SkipTest(CROSS + "gcc is not installed")
    path = os.path.join(tmp, name)
    subprocess.run([CROSS + "gcc", "-g", "-ffreestanding", "-nostdlib", "-static", "-Wl,-N,--build-id=none", "-Wl,--no-warn-rwx-segments", *flags,
                    source, "-o", path], check=True, timeout=vibe.LIMIT_S)
    return path


def program(tmp):
    return build(tmp, SOURCE, "program.elf", "-O1", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-Wl,-Ttext=0x100000")


def listed_kernel(tmp, name):
    """A kernel's options and input, with the lines of its source."""
    elf = build(tmp, os.path.join(test_kernels.KERNELS, name + ".S"), name + ".elf", "-I" + test_kernels.KERNELS, "-Wl,-Ttext=0x10000", "-Wl,-e0x10000")
    args, stdin = test_trace.kernel(name)
    return (*args, "--symbols", elf), stdin, elf


def has_libdw():
    return b"libdw:     yes" in vibe.run("--version").stdout


def parse_lcov(text):
    """By file: lines, functions."""
    files = {}
    for record in text.split("end_of_record\n")[:-1]:
        path = re.search(r"^SF:(.*)$", record, re.M)[1]
        lines = {int(n): int(hit) for n, hit in re.findall(r"^DA:(\d+),(\d+)$", record, re.M)}
        functions = {name: int(hit) for hit, name in re.findall(r"^FNDA:(\d+),(.*)$", record, re.M)}
        assert int(re.search(r"^LF:(\d+)$", record, re.M)[1]) == len(lines)
        assert int(re.search(r"^LH:(\d+)$", record, re.M)[1]) == sum(lines.values())
        assert int(re.search(r"^FNF:(\d+)$", record, re.M)[1]) == len(functions)
        assert int(re.search(r"^FNH:(\d+)$", record, re.M)[1]) == sum(functions.values())
        files[path] = (lines, functions)
    return files


class Base(vibe.InFolder):
    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def run_guest(self, *args, stdin=b"", expect=None):
        p = vibe.run(*args, "--deterministic", "--stats=none", "--timeout", "40", stdin=stdin)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        if expect:
            self.assertIn(expect, p.stdout)


class Profile(Base):
    def run_profile(self, *more):
        elf = program(self.tmp)
        self.run_guest("--kernel", elf, "--symbols", elf, "--profile", self.path("p") + ",every=1000", *more, expect=b"........\n")
        return self.read("p"), self.read("p.txt")

    def test_program(self):
        folded, text = self.run_profile()
        # What flamegraph.pl reads: frames between semicolons, a blank, a number.
        stacks = collections.Counter()
        for line in folded.splitlines():
            m = re.match(r"^(EL1(?:;[^; ]+)+) (\d+)$", line)
            self.assertTrue(m, line)
            stacks[m[1]] += int(m[2])
        total = sum(stacks.values())
        m = re.match(r"^(\d+) samples, one after 1000 instructions on average\nCPU 0: (\d+) instructions\n", text)
        self.assertEqual(int(m[1]), total)
        self.assertLess(abs(total - int(m[2]) / 1000), total * 0.05)
        # leaf() has no frame of its own, and its caller is there all the same.
        self.assertGreater(stacks["EL1;_start;start_c;middle;leaf"], total * 0.8)
        self.assertTrue(any(s.startswith("EL1;_start;start_c;recursive;recursive;recursive") for s in stacks))
        self.assertFalse(any("nobody" in s for s in stacks))
        known = ("_start", "start_c", "middle", "leaf", "recursive", "put")
        self.assertLessEqual({f for s in stacks for f in s.split(";")[1:]}, set(known))
        # Each in the place of the other's total.
        row = re.search(r"^ *(\d+) +([\d.]+)% +(\d+) +([\d.]+)%  middle$", text, re.M)
        self.assertEqual(int(row[1]), stacks["EL1;_start;start_c;middle"])
        self.assertEqual(int(row[3]), sum(n for s, n in stacks.items() if ";middle" in s))
        self.assertRegex(text, r"\n +\d+ +\d\d\.\d%  0{8}[0-9a-f]{8}-0{8}[0-9a-f]{8}  leaf\+0x[0-9a-f]+ \.\. leaf\+0x[0-9a-f]+\n")
        self.assertRegex(text, r"\n +9  EL1 [0-9a-f]{16} put\+0x[0-9a-f]+  mmio_write pl011@9000000\n")
        self.assertRegex(text, r"\n +1  EL1 [0-9a-f]{16} start_c\+0x[0-9a-f]+  hvc\n")

    def test_the_same_with_the_translator(self):
        first = self.run_profile()
        for how in HOW[1:]:
            self.assertEqual(self.run_profile(*how), first, how)

    def test_several_cpus_and_exceptions(self):
        args, stdin = test_trace.kernel("psci")
        runs = []
        for how in ((), HOW[2]):
            self.run_guest(*args, "--profile", self.path("p") + ",every=100", *how, stdin=stdin, expect=b"PASS psci")
            runs.append((self.read("p"), self.read("p.txt")))
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(len(re.findall(r"^CPU \d: \d+ instructions$", runs[0][1], re.M)), 4)
        # Without symbols there are addresses.
        self.assertRegex(runs[0][0], r"(?m)^EL1;0x[0-9a-f]+ \d+$")

    def test_bad_options(self):
        args, _ = test_trace.kernel("syscall")
        for options, message in ((("--profile", self.path("no/such")), b"No such file"), (("--profile", self.path("p") + ",every=0"), b"every=N"),
                                 (("--profile", self.path("p") + ",often"), b"every=N"), (("--profile", ",every=5"), b"empty"),
                                 (("--coverage", self.path("c")), b"--coverage needs --symbols"), (("--profile", self.path("p"), "--check-jit"), b"contradict")):
            p = vibe.run(*args, *options)
            self.assertEqual(p.returncode, 2, options)
            self.assertIn(message, p.stderr)
            self.assertEqual(p.stderr.count(b"\n"), 1)
        if os.path.exists("/dev/full"):
            os.symlink("/dev/full", self.path("full"))
            p = vibe.run(*args, "--profile", self.path("full") + ",every=100", "--stats=none")
            self.assertEqual((p.returncode, p.stderr), (1, b"vibevmm: --profile %s: No space left on device\n" % self.path("full").encode()))


class Coverage(Base):
    def setUp(self):
        super().setUp()
        if not has_libdw():
            self.skipTest("this build has no libdw")

    def run_coverage(self, elf, *args, **more):
        self.run_guest(*args, "--symbols", elf, "--coverage", self.path("c"), **more)
        return self.read("c")

    def test_program(self):
        elf = program(self.tmp)
        texts = [self.run_coverage(elf, "--kernel", elf, *how) for how in HOW]
        self.assertEqual(texts[1], texts[0])
        self.assertEqual(texts[2], texts[0])
        files = parse_lcov(texts[0])
        self.assertEqual(list(files), [SOURCE])
        lines, functions = files[SOURCE]
        with open(SOURCE, encoding="utf-8") as f:
            source = f.read().splitlines()
        never = [n + 1 for n, text in enumerate(source) if "never" in text or text == "    return x * 2;"]
        self.assertEqual(len(never), 2)
        self.assertEqual([lines[n] for n in never], [0, 0])
        always = [n + 1 for n, text in enumerate(source) if "sum +=" in text or "x = x *" in text or "put('\\n');" in text]
        self.assertEqual([lines[n] for n in always], [1, 1, 1])
        self.assertEqual({name: hit for name, hit in functions.items() if not hit}, {"nobody_calls_it": 0})
        self.assertLessEqual({"leaf", "middle", "recursive", "start_c"}, set(functions))

    def test_lcov_reads_it(self):
        if not shutil.which("lcov") or not shutil.which("genhtml"):
            self.skipTest("lcov is not installed")
        elf = program(self.tmp)
        self.run_coverage(elf, "--kernel", elf)
        p = subprocess.run(["lcov", "--summary", self.path("c")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=vibe.LIMIT_S, check=True)
        lines, functions = next(iter(parse_lcov(self.read("c")).values()))
        self.assertIn(b"(%d of %d lines)" % (sum(lines.values()), len(lines)), p.stdout)
        self.assertIn(b"(%d of %d functions)" % (sum(functions.values()), len(functions)), p.stdout)
        subprocess.run(["genhtml", "--quiet", "--output-directory", self.path("html"), self.path("c")], timeout=vibe.LIMIT_S, check=True)
        pages = [f for _, _, names in os.walk(self.path("html")) for f in names]
        self.assertIn("guest_profile.c.gcov.html", pages)

    def test_kernels(self):
        """Mappings that change, code that changes, EL0, exceptions on every other instruction, several CPUs."""
        for name in ("pagefault", "selfmod", "nested", "access", "blocks", "psci", "pac_bti"):
            args, stdin, elf = listed_kernel(self.tmp, name)
            texts = [self.run_coverage(elf, *args, *how, stdin=stdin, expect=b"PASS " + name.encode()) for how in HOW]
            self.assertEqual(texts[1], texts[0], name)
            self.assertEqual(texts[2], texts[0], name)

    def test_to_the_instruction(self):
        """What was run by the trace, line by line, is what the coverage says."""
        for name in ("syscall", "access"):
            args, stdin, elf = listed_kernel(self.tmp, name)
            self.run_guest(*args, "--trace", "insn=" + self.path("t"), "--trace-format", "json", stdin=stdin)
            run = {int(m, 16) for m in re.findall(r'"pc":"0x([0-9a-f]+)"', self.read("t"))}
            table = subprocess.run([CROSS + "readelf", "--debug-dump=decodedline", "--wide", elf], stdout=subprocess.PIPE, timeout=vibe.LIMIT_S,
                                   check=True).stdout.decode()
            rows = [(m[1], None if m[2] == "-" else int(m[2]), int(m[3], 16)) for m in re.finditer(r"^(\S+) +(\d+|-) +(0x[0-9a-f]+|0)(?: |$)", table, re.M)]
            want = {}
            for (file, line, addr), (_, _, end) in zip(rows, rows[1:]):
                if line and end >= addr:
                    want[file, line] = want.get((file, line), False) or any(pc in run for pc in range(addr, max(end, addr + 4), 4))
            got = {(os.path.basename(path), line): bool(hit) for path, (lines, _) in parse_lcov(self.run_coverage(elf, *args, stdin=stdin)).items()
                   for line, hit in lines.items()}
            self.assertGreater(len(want), 100)
            self.assertEqual({k: v for k, v in want.items() if v != got.get(k)}, {})
            self.assertEqual(set(got), set(want))

    def test_no_lines(self):
        elf = self.path("a.elf")
        with open(elf, "wb") as f:
            f.write(vibe.elf([(5, 0x40100000, vibe.POWER_OFF, 16)], 0x40100000))
        args, _ = test_trace.kernel("syscall")
        for symbols, message in ((elf, b"without section headers"), (self.path("map"), b"give --symbols with an ELF file")):
            with open(self.path("map"), "w", encoding="utf-8") as f:
                f.write("10000 T start\n")
            p = vibe.run(*args, "--symbols", symbols, "--coverage", self.path("c"))
            self.assertEqual(p.returncode, 2)
            self.assertIn(message, p.stderr)
        stripped = build(self.tmp, SOURCE, "no-lines.elf", "-g0", "-Wl,-Ttext=0x100000")
        p = vibe.run("--kernel", stripped, "--symbols", stripped, "--coverage", self.path("c"))
        self.assertEqual(p.returncode, 2)
        self.assertIn(b"compile it with -g", p.stderr)


if __name__ == "__main__":
    unittest.main()
