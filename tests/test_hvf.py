"""Guests over Hypervisor.framework's backend, with the double of the framework (tests/hvf/double.c) that make hvf-double links in: like the
software CPU, and to the framework's rules, whose breach would abort the program."""
import contextlib
import os
import subprocess
import tempfile
import unittest
from unittest import mock

import behaviour
import gdb_client
import guests
import test_kernels
import vibe

DOUBLE = os.path.join(vibe.ROOT, "build", "release", "hvf-double", "vibevmm")
OWN, FRAMEWORK = "hvf", "hvf,gic=framework"  # whose GIC


def doubled(how):
    """With what the double is asked for by $HVF_DOUBLE."""
    return mock.patch.dict(os.environ, HVF_DOUBLE=how)


class Kernels(unittest.TestCase):
    def check_all(self, where, accels):
        for name, cpus, options, stdin, expect in test_kernels.listed(native=True):
            want = behaviour.reference(name, cpus, where + options, stdin)
            for accel in accels:
                if accel == FRAMEWORK and "--gic" in options:
                    continue
                with self.subTest(name, accel=accel, cpus=cpus, options=options):
                    got = behaviour.run(DOUBLE, accel, os.path.join(test_kernels.KERNELS, name + ".raw"), cpus, where + options, stdin)
                    behaviour.check(self, accel, name, cpus, stdin, got, want)
                    for line in expect:
                        self.assertIn(line, got.said)

    def test_all(self):
        self.check_all(["--entry", "0x10000"], ["soft", OWN, FRAMEWORK])

    def test_where_a_wfi_exits_beside_the_frameworks_gic(self):
        with doubled("wfi-exits"):
            self.check_all(["--entry", "0x10000"], [FRAMEWORK])

    def test_with_ram_from_1_gib(self):
        self.check_all(["--entry", "0x40210000", "--machine", "virt"], ["hvf"])

    def test_box(self):
        for accel in ("soft", OWN, FRAMEWORK):
            p = subprocess.run([DOUBLE, "--accel", accel, "--binary", os.path.join(test_kernels.KERNELS, "syscall.raw")], stdin=subprocess.DEVNULL,
                               capture_output=True, timeout=vibe.LIMIT_S, check=False, text=True)
            self.assertEqual(p.returncode, 0, p.stderr)
            behaviour.check_box(self, accel, p.stderr)


class Hostile(unittest.TestCase):
    def test_contained(self):
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, "guest")
            for name, words in behaviour.HOSTILE.items():
                with open(path, "wb") as f:
                    f.write(vibe.code(*words))
                for accel, backend in ((behaviour.REFERENCE, "soft"), ("soft", "soft"), (OWN, OWN), (FRAMEWORK, FRAMEWORK)):
                    with self.subTest(name, accel=accel):
                        behaviour.check_hostile(self, backend, name, behaviour.run(DOUBLE, accel, path, "2", [], limit_s=behaviour.hostile_limit_s(backend, name)))


class Linux(unittest.TestCase):
    @contextlib.contextmanager
    def linux(self, accel, cpus):
        """At its shell."""
        kernel, _ = guests.kernel()
        with tempfile.TemporaryDirectory() as tmp:
            initrd = guests.initrd(os.path.join(tmp, "initrd.gz"))
            with guests.Guest("linux-hvf-double-" + cpus, "--accel", accel, "--kernel", kernel, "--initrd", initrd, "--cmdline", "console=ttyAMA0",
                              "--cpus", cpus, "--timeout", str(guests.LIMIT_S), "--stats=none", program=DOUBLE) as g:
                self.wait(g, cpus)
                yield g
                g.send("poweroff -f\n")
                g.expect(rb"reboot: Power down")
                self.assertEqual(g.end(), 0)
                g.check_no_trouble()

    def wait(self, g, cpus):
        g.expect(rb"init: Linux [^\n]* is up")
        g.expect(rb"# ")
        self.assertEqual(g.shell("nproc").split()[-1], cpus)  # it may have begun as the terminal still echoed

    def test_to_a_shell(self):
        with self.linux(OWN, "4") as g:
            g.shell("sleep 1")
            g.shell("for c in 1 2 3; do echo 0 >/sys/devices/system/cpu/cpu$c/online; done")
            g.shell("for c in 3 1 2; do echo 1 >/sys/devices/system/cpu/cpu$c/online; done")
            self.assertEqual(g.shell("nproc").strip(), "4")

    def test_with_the_frameworks_gic(self):
        with self.linux(FRAMEWORK, "1") as g:
            g.shell("sleep 0.2")
            g.send("reboot -f\n")  # the GIC and its lines after it
            self.wait(g, "1")

    def test_where_a_wfi_exits_beside_it(self):
        with doubled("wfi-exits"), self.linux(FRAMEWORK, "2") as g:
            g.shell("sleep 0.2")
            g.shell("echo 0 >/sys/devices/system/cpu/cpu1/online; echo 1 >/sys/devices/system/cpu/cpu1/online")
            self.assertEqual(g.shell("nproc").strip(), "2")


class Failures(unittest.TestCase):
    """The framework says no: one line, with the cure where there is one; the software CPU if none was asked for."""

    def run_failing(self, failure, accel):
        return subprocess.run([DOUBLE, "--accel", accel, "--binary", os.path.join(test_kernels.KERNELS, "syscall.raw"), "--stats=none"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=vibe.LIMIT_S, check=False,
                              env=dict(os.environ, HVF_DOUBLE=failure))

    def test_not_usable(self):
        for failure, says in (("memory", rb"no more resources"), ("denied", rb"not signed with entitlements.plist: .*codesign"), ("unsupported", rb"has no support"),
                              ("fast-counter", rb"CNTFRQ_EL0 is 1000000000 Hz .* 62500000 Hz")):
            with self.subTest(failure):
                p = self.run_failing(failure, "hvf")
                self.assertRegex(p.stderr, says)
                self.assertEqual(p.stderr.count(b"\n"), 1, p.stderr)
                self.assertEqual(p.returncode, 2)
                p = self.run_failing(failure, "auto")
                self.assertRegex(p.stderr, rb"software CPU: .*" + says)
                self.assertIn(b"PASS syscall", p.stdout)
                self.assertEqual(p.returncode, 0)

    def test_later(self):
        for failure, says in (("vcpu", rb"vCPU 0: .*no more resources[^\n]*\n"),
                              ("run", rb"vCPU 0: hv_vcpu_run: an unspecified error .*\n[^\n]*the hvf backend cannot go on[^\n]*\n")):
            with self.subTest(failure):
                p = self.run_failing(failure, "hvf")
                self.assertRegex(p.stderr, rb"^vibevmm: [^\n]*" + says + b"$")
                self.assertEqual(p.returncode, 1)


class FrameworksGic(unittest.TestCase):
    def run_it(self, *options, how=""):
        return subprocess.run([DOUBLE, "--accel", FRAMEWORK, "--binary", os.path.join(test_kernels.KERNELS, "sgi.raw"), "--cpus", "4", "--stats=none", *options],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=vibe.LIMIT_S, check=False, env=dict(os.environ, HVF_DOUBLE=how), text=True)

    def test_not_to_be_had(self):
        for how, options, status, says in (
                ("no-gic", (), 2, "--accel: gic=framework needs macOS 15, and this one is older; use --accel hvf,gic=own"),
                ("", ("--gic", "2"), 2, "--accel: hvf,gic=framework has no GICv2 for guests on this host; give --gic 3, or gic=own"),
                ("", ("--deterministic",), 2, "--accel hvf and --deterministic contradict each other: only the software CPU has that"),
                ("", ("--snapshot-save", "x"), 2, "--accel hvf and --snapshot-save contradict each other: only the software CPU has that"),
                ("gic", (), 1, "hvf: the framework's GIC cannot be made: the host has no more resources for virtual machines (0xfae94005)"),
                ("gic-aligned", (), 1, "hvf: the framework's GIC wants a distributor of 0x10000 bytes at a multiple of 0x10000000, and the board has it at 0x8000000; "
                                       "use --accel hvf,gic=own"),
                ("gic-placed", (), 1, "error: hvf: vCPU 0: the framework's GIC has its redistributor at 0x80c0000, not at 0x80a0000; use --accel hvf,gic=own")):
            with self.subTest(says):
                p = self.run_it(*options, how=how)
                self.assertEqual((p.returncode, p.stdout, p.stderr), (status, "", "vibevmm: " + says + "\n"))

    def test_a_line_that_cannot_be_raised(self):
        """By a thread of a device's, while the guest waits for it."""
        p = subprocess.run([DOUBLE, "--accel", FRAMEWORK, "--binary", os.path.join(test_kernels.KERNELS, "entropy.raw"), "--stats=none", "--timeout", "20"],
                           stdin=subprocess.DEVNULL, capture_output=True, timeout=vibe.LIMIT_S, check=False, env=dict(os.environ, HVF_DOUBLE="spi"), text=True)
        self.assertRegex(p.stderr, r"^vibevmm: error: hvf: hv_gic_set_spi of INTID \d+: no such virtual machine or CPU \(0xfae94006\)\n"
                                   r"vibevmm: error: hvf: vCPU 0: an interrupt is lost: [^\n]*\nvibevmm: error: vCPU 0: the hvf backend cannot go on[^\n]*\n$")
        self.assertEqual(p.returncode, 1)

    def test_device_tree_is_the_same(self):
        """But for the random numbers in it."""
        with tempfile.TemporaryDirectory() as tmp:
            trees = []
            for accel in (OWN, FRAMEWORK):
                path = os.path.join(tmp, accel)
                subprocess.run([DOUBLE, "--accel", accel, "--cpus", "3", "--dump-dtb", path], timeout=vibe.LIMIT_S, check=True)
                with open(path, "rb") as f:
                    trees.append(f.read())
        differ = [i for i, (a, b) in enumerate(zip(*trees)) if a != b]
        self.assertEqual(len(trees[0]), len(trees[1]))
        self.assertLessEqual(len(differ), 8 + 32)
        self.assertLess(differ[-1] - differ[0], 8 + 32 + 16)


class SelfTest(unittest.TestCase):
    def test_questions_have_answers(self):
        p = subprocess.run([DOUBLE, "--self-test"], stdin=subprocess.DEVNULL, capture_output=True, timeout=vibe.LIMIT_S, check=False,
                           env=dict(os.environ, HVF_DOUBLE="questions"), text=True)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertIn("\nhvf: can be used\n", p.stdout)
        for what, says in (("hv_vm_map at 4 KiB", "bad argument"), ("HVC", r"exits, reason 1, syndrome 0x5a000000, PC \+4"),
                           ("SMC", r"exits, reason 1, syndrome 0x5e000000, PC \+0"), ("WFI", "exits, reason 1, .* PC .0"),
                           ("WFE", "does not exit"), ("virtual timer", "reason 2, masked, then reason 1"),
                           ("hv_vcpus_exit before a run", "reason 0, then reason 1"), ("a pending interrupt", "is forgotten"),
                           ("registers whose reads exit", r".*\bICC_IAR1_EL1\b.*\bCNTP_CTL_EL0\b"),
                           ("registers that are UNDEFINED", "$"), ("a store to a device and back", r"\d+ ns$"), ("calls", "none failed"), ("the framework's GIC", "there"),
                           *((whose + " GIC: " + what, r"\d+ ns$") for whose in ("own", "host's")
                             for what in ("reading a register", "an IPI to itself", "an IPI to another", "a timer interrupt")),
                           ("WFI with it", "neither ends nor exits within a second"), ("its GICD_TYPER", "0x[0-9a-f]+$"), ("its GICR_TYPER", "0x30$"),
                           ("its GICR_PIDR2", "0x3b$"),
                           *behaviour.DEBUGS):
            self.assertRegex(p.stdout, r"(?m)^  %s +%s" % (what, says))

    def test_not_usable(self):
        p = subprocess.run([DOUBLE, "--self-test"], stdin=subprocess.DEVNULL, capture_output=True, timeout=vibe.LIMIT_S, check=False,
                           env=dict(os.environ, HVF_DOUBLE="denied"), text=True)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertRegex(p.stdout, r"\nhvf: cannot be used: hvf: this program is not signed")
        self.assertIn("\nsoft: can be used\n", p.stdout)


class Debugger(unittest.TestCase):
    def test_gdb(self):
        """As on each backend; with the two breakpoint registers that the double has."""
        with tempfile.TemporaryDirectory() as tmp, mock.patch.object(vibe, "PROGRAM", DOUBLE):
            path = os.path.join(tmp, "guest")
            with open(path, "wb") as f:
                f.write(gdb_client.COUNTING)
            for accel in (OWN, FRAMEWORK):
                with self.subTest(accel), gdb_client.Machine("--accel", accel, "--wait", "--binary", path) as m, gdb_client.Client(m) as c:
                    gdb_client.every_backend(c, 3)

    def test_whose_gic_is_shown(self):
        with mock.patch.object(vibe, "PROGRAM", DOUBLE):
            with gdb_client.Machine("--accel", FRAMEWORK, "--wait", "--binary", os.path.join(test_kernels.KERNELS, "sgi.raw")) as m, gdb_client.Client(m) as c:
                self.assertEqual(c.monitor("gic"), "the hvf backend brings the GIC, and does not show it\n")
                self.assertIn("virtual", c.monitor("timers"))

    def test_registers_are_the_guests_too(self):
        """A guest that writes all debug registers: it does not notice the debugger's breakpoint, nor the debugger the guest's."""
        with mock.patch.object(vibe, "PROGRAM", DOUBLE):
            with gdb_client.Machine("--accel", "hvf", "--wait", "--binary", os.path.join(test_kernels.KERNELS, "encodings.raw")) as m, gdb_client.Client(m) as c:
                self.assertEqual(c.ask("Z1,200000,4"), b"OK")
                for _ in range(260):  # each block of 128 encodings, and some of the second time
                    self.assertIn(b"hwbreak", c.ask("vCont;c"))
                    self.assertEqual(c.pc(), 0x200000)
                self.assertEqual(c.ask("z1,200000,4"), b"OK")
                self.assertEqual(c.ask("vCont;c")[:1], b"W")
                self.assertEqual(m.process.stdout.read(), b"PASS encodings\n")


class Traces(unittest.TestCase):
    def run_traced(self, kinds):
        return subprocess.run([DOUBLE, "--accel", "hvf", "--binary", os.path.join(test_kernels.KERNELS, "syscall.raw"), "--stats=none", "--trace", kinds],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=vibe.LIMIT_S, check=False)

    def test_what_every_backend_shows(self):
        p = self.run_traced("mmio@pl011,psci,exit")
        self.assertEqual((p.returncode, p.stdout), (0, b"PASS syscall\n"))
        lines = p.stderr.decode().splitlines()
        written = [line for line in lines if " mmio: write 1 pl011@9000000 UARTDR " in line]
        self.assertEqual(bytes(int(line.rsplit("= ", 1)[1], 16) for line in written), p.stdout)
        self.assertRegex(lines[-1], r"^\d+\.\d{9} cpu0          - EL1 [0-9a-f]{16} call: hvc PSCI_SYSTEM_OFF\(")
        self.assertTrue(any(line.endswith(" exit: mmio_write") for line in lines))

    def test_what_it_does_not(self):
        for kinds, which in (("insn", b"insn"), ("mmio,mem@0x1000+8", b"mem"), ("exception", b"exception")):
            p = self.run_traced(kinds)
            self.assertEqual((p.returncode, p.stderr), (2, b"vibevmm: --trace " + which + b": the hvf backend does not see single instructions; "
                                                           b"give --accel soft\n"))


if __name__ == "__main__":
    unittest.main()
