"""--trace: what it shows of kernels, to the byte; the same with the translator and without; filters, the ring, files that go wrong."""
import json
import os
import re
import shutil
import subprocess
import unittest

import gdb_client
import test_kernels
import vibe

GOLDEN = os.path.join(vibe.ROOT, "tests", "trace")
KERNEL = os.path.join(test_kernels.KERNELS, "%s.raw")
INTERPRETER = ("--accel", "soft,jit=off")

# time, CPU, instructions, EL, PC and symbol, event, what it was
LINE = re.compile(r"^(\d+\.\d{9}) (cpu(\d+)|-  ) +(\d+|-) (EL(\d)|-  ) (?:([0-9a-f]{16})(?: <([^>]*)>)?|-) ([a-z]+): (.*)$")


def parse(line):
    m = LINE.match(line)
    assert m, line
    return {"cpu": m[3] and int(m[3]), "insns": None if m[4] == "-" else int(m[4]), "el": m[6] and int(m[6]), "pc": m[7] and int(m[7], 16),
            "symbol": m[8], "event": m[9], "text": m[10]}


def kernel(name):
    """The options of a kernel of kernels.list, and its input."""
    for listed, cpus, options, stdin, _ in test_kernels.listed():
        if listed == name:
            return ("--binary", KERNEL % name, "--cpus", cpus, *options), stdin.encode("latin-1")
    raise KeyError(name)


class Trace(vibe.InFolder):
    def path(self, name, content=None):
        path = os.path.join(self.tmp, name)
        if content is not None:
            with open(path, "wb") as f:
                f.write(content)
        return path

    def trace(self, name, kinds, *options):
        """The lines of the trace of a kernel that passes."""
        args, stdin = kernel(name)
        path = self.path("trace")
        p = vibe.run(*args, "--deterministic", "--stats=none", "--timeout", "40", "--trace", kinds + "=" + path, *options, stdin=stdin)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        self.assertIn(b"PASS " + name.encode(), p.stdout)
        with open(path, encoding="utf-8") as f:
            return f.read().splitlines()

    def test_goldens(self):
        for golden, name, kinds, *options in (
                ("syscall", "syscall", "exception,sysreg,psci"),
                ("vtimer", "vtimer", "exception,irq,mmio@gicv3-redist,exit", "--trace-filter", "insns=1600-2200"),
                ("loop", "vtimer", "insn,mem,branch", "--trace-filter", "insns=0-60"),
                ("tlb", "tlb", "tlb", "--trace-filter", "cpu=0,insns=-9800"),
                ("virtio", "virtio_console", "virtio,mmio@virtio_console", "--trace-filter", "insns=-5000"),
        ):
            with self.subTest(golden):
                got = "\n".join(self.trace(name, kinds, *options)[:120]) + "\n"
                path = os.path.join(GOLDEN, golden + ".txt")
                if os.environ.get("UPDATE_GOLDENS"):
                    with open(path, "w", encoding="utf-8") as f:
                        f.write(got)
                with open(path, encoding="utf-8") as f:
                    self.assertEqual(got, f.read())

    def test_json_says_the_same(self):
        for name, kinds in (("syscall", "exception,sysreg,psci,insn,mem,branch"), ("vtimer", "exception,irq,mmio,exit")):
            text = self.trace(name, kinds)
            objects = [json.loads(line) for line in self.trace(name, kinds, "--trace-format", "json")]
            self.assertEqual(len(objects), len(text))
            for line, o in zip(text, objects):
                t = parse(line)
                self.assertEqual((t["cpu"], t["insns"], t["el"], t["event"]), (o.get("cpu"), o.get("insns"), o.get("el"), o["event"]))
                self.assertEqual(t["pc"], int(o["pc"], 16) if "pc" in o else None)
                if o["event"] == "insn":
                    self.assertEqual(t["text"], o["word"][2:].rjust(8, "0") + " " + o["insn"])
                elif o["event"] == "mem":
                    self.assertEqual(t["text"], "%s %d at %s = %s" % (o["type"], o["size"], o["addr"], o["value"]))

    def same_run(self, name, kinds, *options):
        """Whatever is watched, and whoever runs it, the guest does the same, and so does the trace."""
        args, stdin = kernel(name)
        runs = []
        for more in ((), ("--trace", kinds + "=" + self.path("a"), *options), ("--trace", kinds + "=" + self.path("b"), *options, *INTERPRETER)):
            stats = self.path("stats")
            p = vibe.run(*args, *more, "--deterministic", "--stats=json:" + stats, "--timeout", "40", stdin=stdin)
            self.assertEqual((p.returncode, p.stderr), (0, b""))
            with open(stats, encoding="utf-8") as f:
                s = json.load(f)
            runs.append((p.stdout, s["memory_hash"], [(v["instructions"], v["exceptions"], v["interrupts"], v["exits"]) for v in s["vcpus"]]))
        self.assertEqual(runs[1], runs[0])
        self.assertEqual(runs[2], runs[0])
        self.assertGreater(os.path.getsize(self.path("a")), 0)
        same = subprocess.run(["cmp", self.path("a"), self.path("b")], stdout=subprocess.PIPE, check=False)
        self.assertEqual((same.returncode, same.stdout), (0, b""))

    def test_the_guest_does_not_notice(self):
        self.same_run("pagefault", "mem@0x20000+0x10000,exception,tlb")
        self.same_run("psci", "exception,psci,exit,mmio,sysreg,irq")
        self.same_run("nested", "insn,branch,mem,sysreg,exception,mmio")
        self.same_run("blocks", "insn,mem", "--trace-filter", "pc=0x11480+0x80,el=1")
        self.same_run("simd", "mem@0x21000+0x400,branch", "--trace-filter", "insns=2000-4000")
        self.same_run("pac_bti", "insn,branch")
        self.same_run("gicv2", "irq,mmio,exception")

    def test_filters(self):
        everything = self.trace("syscall", "insn,branch,mem,exception")
        for options, wanted in (
                (("pc=0x11480-0x114ff",), lambda t: 0x11480 <= t["pc"] <= 0x114FF),
                (("pc=0x11480+0x80,pc=0x10000+4",), lambda t: 0x11480 <= t["pc"] <= 0x114FF or 0x10000 <= t["pc"] < 0x10004),
                (("el=0",), lambda t: t["el"] == 0),
                (("insns=100-200",), lambda t: 100 <= t["insns"] < 200),
                (("insns=2000-",), lambda t: t["insns"] >= 2000),
                (("el=1,insns=1600-1700,pc=0x11000-0x11fff",),
                 lambda t: t["el"] == 1 and 1600 <= t["insns"] < 1700 and 0x11000 <= t["pc"] <= 0x11FFF)):
            got = self.trace("syscall", "insn,branch,mem,exception", "--trace-filter", *options)
            self.assertEqual(got, [line for line in everything if wanted(parse(line))], options)
            self.assertTrue(got)
        stores = self.trace("syscall", "mem@0x20000+8,mem@0x20010-0x20013")
        self.assertEqual(stores, [line for line in everything if re.search(r" mem: .* at (0x2000[0-7]|0x20010)\b", line)])
        # Those that run on another CPU.
        both = self.trace("sgi", "exception,irq")
        only = self.trace("sgi", "exception,irq", "--trace-filter", "cpu=1-2")
        self.assertEqual(only, [line for line in both if parse(line)["cpu"] in (1, 2, None)])

    def test_symbols(self):
        symbols = self.path("map", b"0000000000000000 T _start\n00000000000014a0 T user\n00000000000014cc T behind\n0000000000010000 D status\n")
        moved = ("--symbols", symbols + "@0x10000")
        lines = self.trace("syscall", "insn", *moved, "--trace-filter", "pc=user")
        self.assertEqual({parse(line)["symbol"].split("+")[0] for line in lines}, {"user"})
        self.assertEqual(len(lines), 11)
        self.assertIn(" <user+0x4> insn: ", lines[1])
        self.assertTrue(all("<status" in line for line in self.trace("syscall", "mem@status+8", *moved)))
        p = vibe.run(*kernel("syscall")[0], *moved, "--trace", "insn", "--trace-filter", "pc=usr")
        self.assertEqual((p.returncode, p.stderr), (2, b"vibevmm: --trace-filter pc: there is no symbol usr\n"))
        p = vibe.run(*kernel("syscall")[0], "--symbols", KERNEL % "syscall", "--trace", "insn")
        self.assertEqual(p.returncode, 2)
        self.assertIn(b"neither an ELF file nor a symbol map", p.stderr)

    def test_symbols_of_an_elf(self):
        if not shutil.which("aarch64-linux-gnu-gcc"):
            self.skipTest("aarch64-linux-gnu-gcc is not installed")
        source = self.path("a.S", b".globl _start\n.type twice, %function\ntwice: add x0, x0, x0\nret\n.size twice, 8\n"
                                  b"_start: mov x0, #21\nbl twice\nmov w0, #0x84000000\nadd w0, w0, #8\nhvc #0\nb .\n")
        elf = self.path("a.elf")
        subprocess.run(["aarch64-linux-gnu-gcc", "-nostdlib", "-static", "-Wl,-Ttext=0x100000,-N,--build-id=none,--no-warn-rwx-segments", source, "-o", elf], check=True)
        p = vibe.run("--kernel", elf, "--symbols", elf, "--trace", "branch", "--deterministic", "--stats=none")
        self.assertEqual((p.returncode, p.stderr.decode().splitlines()),
                         (0, ["0.000000000 cpu0          1 EL1 000000000010000c <_start+0x4> branch: call to 0x100000 <twice>",
                              "0.000000000 cpu0          3 EL1 0000000000100004 <twice+0x4> branch: return to 0x100010 <_start+0x8>"]))

    def test_ring(self):
        everything = self.trace("nested", "insn,exception")
        # It has passed: there is nothing to be shown.
        self.assertEqual(self.trace("nested", "insn,exception", "--trace-ring", "5"), [])
        stuck = self.path("stuck", vibe.code(0x52800040, 0x00000000))  # mov w0, #2; udf
        p = vibe.run("--binary", stuck, "--trace", "insn,exception", "--trace-ring", "4", "--stats=none", "--deterministic", "--timeout", "20")
        self.assertEqual(p.returncode, 4)
        shown = p.stderr.decode()[p.stderr.index(b"The last 4 of "):].splitlines()
        self.assertEqual(len(shown), 5)
        self.assertTrue(shown[4].endswith(" insn: 00000000 udf #0x0"), shown)
        # A limit, a time-out and what the guest says itself are failures too.
        args, _ = kernel("nested")
        p = vibe.run(*args, "--deterministic", "--max-insns", "2000", "--trace", "insn,exception", "--trace-ring", "3", "--stats=none")
        self.assertEqual(p.returncode, 3)
        at = [i for i, line in enumerate(everything) if "insn: " in line and parse(line)["insns"] == 1999][0]
        self.assertEqual(p.stderr.decode().splitlines()[-3:], everything[at - 2:at + 1])
        p = vibe.run(*args, "--fail", "PASS", "--trace", "psci", "--trace-ring", "3", "--stats=none")
        self.assertNotEqual(p.returncode, 0)
        self.assertIn(b"The last ", p.stderr)

    def test_limit(self):
        everything = self.trace("syscall", "insn")
        lines = self.trace("syscall", "insn", "--trace-limit", "1000")
        self.assertEqual(lines[:-1], everything[:len(lines) - 1])
        self.assertLessEqual(sum(len(line) + 1 for line in lines[:-1]), 1000)
        self.assertEqual(lines[-1], "%d more events: --trace-limit does not let them in" % (len(everything) - len(lines) + 1))

    def test_files_that_go_wrong(self):
        args, _ = kernel("syscall")
        old = self.path("old", b"what was there")
        p = vibe.run(*args, "--trace", "insn=" + old, "--mem", "1")
        self.assertEqual(p.returncode, 2)
        with open(old, "rb") as f:
            self.assertEqual(f.read(), b"what was there")
        p = vibe.run(*args, "--trace", "insn=" + self.path("no/such/folder"))
        self.assertEqual(p.returncode, 2)
        self.assertIn(b"No such file", p.stderr)
        if os.path.exists("/dev/full"):
            p = vibe.run(*args, "--trace", "insn=/dev/full", "--stats=none")
            self.assertEqual((p.returncode, p.stderr), (1, b"vibevmm: --trace /dev/full: No space left on device\n"))
        # The reader has seen enough: the guest goes on.
        read, write = os.pipe()
        q = subprocess.Popen([vibe.PROGRAM, *args, "--stats=none", "--trace", "insn,mem=/dev/fd/%d" % write], pass_fds=(write,),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        os.close(write)
        self.assertTrue(os.read(read, 10))
        os.close(read)
        out, err = q.communicate(timeout=vibe.LIMIT_S)
        self.assertEqual((q.returncode, err), (0, b""))
        self.assertIn(b"PASS syscall", out)

    def test_bad_options(self):
        args, _ = kernel("syscall")
        for options, message in (
                (("--trace", "foo"), b'"foo" is nothing to trace; vibevmm --help trace lists what is'),
                (("--trace", "insn,exeption"), b"did you mean exception?"),
                (("--trace", "mem@"), b"nothing stands behind the @"),
                (("--trace", "branch@0x1000"), b"branch has no range"),
                (("--trace", "mem@0x2000-0x1000"), b"ends before it begins"),
                (("--trace", "mem@0x2000-"), b"is not a range"),
                (("--trace", "mem@main"), b"give --symbols FILE"),
                (("--trace", "insn="), b"the file name is empty"),
                (("--trace-filter", "el=0"), b"--trace-filter needs --trace"),
                (("--trace", "insn", "--trace-filter", "el=2"), b"from 0 to 1"),
                (("--trace", "insn", "--trace-filter", "cpu=3-2"), b"from 0 to 63"),
                (("--trace", "insn", "--trace-filter", "insns=5-5"), b"write it like 1000-2000"),
                (("--trace", "insn", "--trace-filter", "pid=5"), b"is not one of pc=RANGE"),
                (("--trace", "insn", "--trace-format", "xml"), b"is not one of text, json"),
                (("--trace", "insn", "--trace-ring", "0"), b"is not a number of events"),
                (("--trace", "insn", "--check-jit"), b"contradict")):
            p = vibe.run(*args, *options)
            self.assertEqual(p.returncode, 2, options)
            self.assertIn(message, p.stderr)
            self.assertEqual(p.stderr.count(b"\n"), 1)

    def test_documented_example(self):
        """What docs/tracing.md types finds what it says, with the program of docs/debugging.md."""
        gdb_client.Example("debugging.md", self.tmp).build_first()
        example = gdb_client.Example("tracing.md", self.tmp)
        nm = subprocess.run(["aarch64-linux-gnu-nm", example.elf], stdout=subprocess.PIPE, check=True, timeout=vibe.LIMIT_S).stdout.decode()
        pool = int(re.search(r"^(\w+) b pool$", nm, re.M)[1], 16)
        found = []
        for command in example.commands["$"]:
            p = vibe.run(*command.replace("0x40220010", "0x%x" % (pool + 0x20)).split()[1:], "--stats=none")
            self.assertEqual(p.returncode, 4)
            found.append([parse(line) for line in p.stderr.decode().splitlines() if LINE.match(line)])
        last, writes, calls = found
        self.assertEqual([(t["event"], t["symbol"].split("+")[0]) for t in last], [("insn", "run_all")] * 3 + [("take", "run_all")])
        self.assertIn("FAR 0x657679", last[-1]["text"])
        self.assertEqual([t["symbol"].split("+")[0] for t in writes], ["add_task"] + ["set_name"] * 4 + ["run_all"])
        self.assertRegex(writes[-1]["text"], r"^read 8 at .* = 0x657669$")
        self.assertTrue(all(t["event"] == "branch" for t in calls))

    def test_everything_is_documented(self):
        with open(os.path.join(vibe.ROOT, "docs", "tracing.md"), encoding="utf-8") as f:
            text = f.read()
        with open(os.path.join(vibe.ROOT, "src", "spec", "trace_events.def"), encoding="utf-8") as f:
            table = f.read()
        help_text = vibe.run("--help", "trace").stdout.decode()
        for name, what in re.findall(r'^TRACE_KIND\(\w+, "(\w+)", \w+, "([^"]+)"', table, re.M):
            self.assertRegex(text, r"(?m)^\| `%s` \| %s \|" % (name, re.escape(what)))
            self.assertIn("  %s: %s\n" % (name, what), help_text)
        for name, fields in re.findall(r'^TRACE_EVENT\(\w+, \w+, "(\w+)", "[^"]*",\n((?:    .*\n)+)', table, re.M):
            row = ", ".join("`%s`" % f for f in re.findall(r'FIELD\("(\w+)"', fields))
            self.assertRegex(text, r"(?m)^\| `\w+` \| `%s` \| %s \|$" % (name, re.escape(row)))


if __name__ == "__main__":
    unittest.main()
