"""The KVM backend, in an emulated Arm machine with an EL2 of its own that runs Debian's kernel: the test kernels and Linux as on the software CPU.

Twice: on a CPU with the Virtualization Host Extensions, and on one without, where KVM lives by other code.
"""
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

import behaviour
import gdb_client
import guests
import test_failing_alloc
import test_kernels
import vibe

BUILD = os.path.join(vibe.ROOT, "tests", "arm64", "build.sh")
OUT = os.path.join(vibe.ROOT, "build", "release-aarch64-linux-gnu-gcc")
PROGRAM = os.path.join(OUT, "vibevmm")
# QEMU 7.2 keeps stale translations of code that SVE stores have overwritten; pauth-impdef because its QARMA5 costs most of the time.
VHE = "max,pauth-impdef=on,sve=off"
SVE = "max,pauth-impdef=on,sve128=on"  # so short that the stale code is none that matters here
NVHE = "cortex-a57"
HERE = ["--entry", "0x40210000", "--machine", "virt"]
# What differs, and how it shows. {CPU model, or None for both: {kernel: what it says}}
DIFFERS = {
    None: {
        "sgi": "FAIL sgi: their order",  # of interrupts of one priority, which is the implementation's choice
        "priority": "FAIL priority: four at once",
        "gicv2": "kvm has no GICv2 for guests on this host",
    },
    VHE: {},
    NVHE: {
        "contend": "FAIL contend: unexpected exception",  # it has no LSE atomics, which this kernel does without asking
        "sysreg": "FAIL sysreg: CNTPCT_EL0 allowed",  # which Linux 6.1 gives guests with VHE alone
    },
}
RESETS = {"reset": 1, "entropy": 1, "storm": 3}


def libraries(program):
    """The files of the shared libraries that an arm64 program needs, and of those that they need."""
    sysroot = subprocess.run([os.path.join(vibe.ROOT, "tools", "arm64_sysroot.sh")], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    files, todo = {}, [program]
    while todo:
        dynamic = subprocess.run(["aarch64-linux-gnu-readelf", "-d", todo.pop()], stdout=subprocess.PIPE, text=True, check=True).stdout
        for name in re.findall(r"\(NEEDED\)[^[]*\[([^]]*)\]", dynamic):
            if name not in files:
                files[name] = glob.glob("%s/**/%s" % (sysroot, name), recursive=True)[0]
                todo.append(files[name])
    return files.values()


class ThroughConsole:
    """A connection from a program of the emulated machine's to a server there, through its console; a socket for gdb_client."""

    def __init__(self, g, port):
        self.g = g
        g.send("stty raw -echo; echo RE''ADY; nc 127.0.0.1 %d; stty sane -echo; echo CLO''SED\n" % port)
        g.expect(rb"READY\r*\n")

    def sendall(self, data):
        self.g.process.stdin.write(data)
        self.g.process.stdin.flush()

    def recv(self, _):
        piece = self.g.expect(rb"(?s).+").group(0)
        if b"CLOSED" in piece:
            raise EOFError("the connection is closed")
        return piece


class Kvm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("qemu-system-aarch64"):
            raise unittest.SkipTest("no qemu-system-aarch64 (qemu-system-arm)")
        if not shutil.which(guests.CROSS):
            raise unittest.SkipTest("%s is not installed" % guests.CROSS)
        p = subprocess.run([BUILD, "prog", "failing-alloc"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=3600, check=False)
        if p.returncode == 3:
            raise unittest.SkipTest("the arm64 build: " + p.stdout.strip().rpartition("\n")[2])
        if p.returncode:
            raise AssertionError(p.stdout)
        cls.kernel, _ = guests.kernel()
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.tmp = tmp.name
        cls.add = [PROGRAM + "=bin/vibevmm", os.path.join(OUT, "failing-alloc", "vibevmm") + "=bin/failing_alloc"]
        cls.add += ["%s=lib/%s" % (f, os.path.basename(f)) for f in libraries(PROGRAM)]
        shim = os.path.join(cls.tmp, "failing_ioctl.so")
        subprocess.run([guests.CROSS, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", os.path.join(os.path.dirname(BUILD), "failing_ioctl.c"),
                        "-o", shim], check=True, timeout=vibe.LIMIT_S)
        cls.add += [shim + "=lib/failing_ioctl.so"]
        inner = guests.initrd(os.path.join(cls.tmp, "inner.cpio"))
        cls.add += [cls.kernel + "=k/Image", inner + "=k/initrd"]
        cls.add += ["%s=k/%s" % (f, os.path.basename(f)) for f in glob.glob(test_kernels.KERNELS + "/*.raw")]

    def start(self, cpu, gic):
        """The emulated machine, at its shell."""
        initrd = guests.initrd(os.path.join(self.tmp, "initrd"), add=self.add)
        name = "kvm-%s-%s" % (self.id().rpartition(".")[2], cpu.split(",")[0])
        g = guests.Guest(name, "-M", "virt,virtualization=on,gic-version=%d" % gic, "-cpu", cpu, "-m", "1024", "-nographic", "-nodefaults", "-serial",
                         "stdio", "-no-reboot", "-kernel", self.kernel, "-initrd", initrd, "-append", "console=ttyAMA0 panic=-1 quiet",
                         program="qemu-system-aarch64")
        self.addCleanup(g.__exit__)
        g.expect(rb"init: Linux [^\n]* is up")
        g.expect(rb"# ")
        return g

    def vibevmm(self, g, args, stdin=""):
        """What vibevmm prints there, its exit status and its statistics."""
        out = g.shell("printf '%s' | vibevmm %s --stats=json:/tmp/stats 2>&1; echo \"STATUS $?\"; cat /tmp/stats 2>/dev/null; rm -f /tmp/stats"
                      % (stdin.replace("\n", "\\n"), args))
        said, status, stats = re.fullmatch(r"(.*)STATUS (\d+)\n(.*)", out, re.S).groups()
        return behaviour.Run(said, int(status), json.loads(stats) if stats.strip() else None)

    @staticmethod
    def write(g, path, data):
        g.shell("printf '%s' >%s" % ("".join(r"\%03o" % b for b in data), path))

    def compare(self, g, cpu):
        differs = {**DIFFERS[None], **DIFFERS[cpu]}
        for name, cpus, options, stdin, _ in test_kernels.listed(native=True):
            # Ten seconds, and the same code of KVM's.
            if name == "tlb" and cpu == NVHE:
                continue
            # So many CPUs of a CPU that is emulated take minutes on a bad day; the same kernel runs with four.
            if int(cpus) > 8:
                continue
            with self.subTest(name, cpu=cpu, cpus=cpus, options=options):
                got = self.vibevmm(g, "--accel kvm --binary /k/%s.raw --cpus %s --timeout 60 %s" % (name, cpus, " ".join(HERE + options)), stdin)
                if name in differs:
                    # Not that it fails, but that it fails like this.
                    if name != "contend":  # four CPUs speak at once
                        self.assertIn(differs[name], got.said)
                    self.assertNotIn("PASS", got.said)
                    continue
                # An older CPU lacks some of what is tried; and the software CPU has no PMU.
                said = re.sub(r"^SKIP .*\n", "", got.said, flags=re.M) if cpu == NVHE else got.said
                if name == "pmu":
                    self.assertIn("PMU\n", said)
                    said = said.replace("PMU\n", "no PMU\n")
                behaviour.check(self, "kvm", name, cpus, stdin, got, behaviour.reference(name, cpus, HERE + options, stdin), said)
                if name == "vtimer":
                    self.assertGreater(got.exits("hlt"), 0)
                self.assertEqual(got.exits("system_event"), 1 + RESETS.get(name, 0))
                if name == "entropy":  # its notifications are no exits: 21 and 22, twice, and one that is lost in the reset
                    self.assertIn(got.devices("no_exit"), (86, 87))
                    self.assertEqual(got.devices("no_exit", "virtio_rng"), got.devices("no_exit"))

    def seeds(self, g):
        """Kernels without an end are kicked out of WFI, and out of computing; their memory is looked at."""
        run = "--accel kvm --binary /k/%s --timeout 1 --dump-memory 0x20000:16=/tmp/dump"
        dump = "od -An -v -tx1 /tmp/dump"
        got = self.vibevmm(g, run % "arm64_test.raw")
        self.assertEqual((got.status, got.stats["result"], got.exits("hlt")), (3, "timeout", 1))
        # It sleeps in its first WFI, which nothing ends.
        self.assertEqual(bytes.fromhex(g.shell(dump)), (104).to_bytes(8, "little") + bytes(8))
        self.assertGreater(got.stats["vcpus"][0]["asleep_ns"], 500000000)
        g.shell("printf '\\000\\000\\000\\024' >/k/spin.raw")  # b .
        _, status, stats = self.vibevmm(g, run % "spin.raw")
        self.assertEqual((status, stats["result"], stats["vcpus"][0]["exits"]["total"]), (3, "timeout", 1))

    def box(self, g):
        behaviour.check_box(self, "kvm", g.shell("vibevmm --accel kvm --binary /k/syscall.raw 2>&1"))

    def device_forms(self, g):
        """Of the machine with RAM from 0, which has an abort in it too."""
        said, status, stats = self.vibevmm(g, "--accel kvm --binary /k/device_forms.raw --timeout 60")
        self.assertEqual((said.strip(), status), ("PASS device_forms", 0))
        self.assertEqual(stats["unassigned_accesses"], 1)

    def who_may(self, g):
        """What is said without /dev/kvm, and without the right to open it."""
        run = "--binary /k/syscall.raw --timeout 60"
        g.shell("echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd; chmod 755 / /k /bin /lib; chmod 777 /tmp")
        denied = g.shell("su nobody -c 'vibevmm --accel kvm %s 2>&1; echo STATUS $?'" % run)
        self.assertRegex(denied, r"^vibevmm: --accel: kvm: no permission for /dev/kvm: join its group .*\nSTATUS 2\n$")
        g.shell("mv /dev/kvm /dev/away")
        said, status, _ = self.vibevmm(g, "--accel kvm " + run)
        self.assertEqual(status, 2)
        self.assertRegex(said, r"^vibevmm: --accel: kvm: there is no /dev/kvm: .*; use --accel soft\n$")
        said, status, stats = self.vibevmm(g, run)
        self.assertEqual((status, stats["accel"]), (0, "soft"))
        self.assertRegex(said, r"^vibevmm: warning: running on the software CPU: kvm: there is no /dev/kvm: [^\n]*\n")
        self.assertIn("PASS syscall", said)
        g.shell("mv /dev/away /dev/kvm")
        said, status, stats = self.vibevmm(g, run)
        self.assertEqual((status, stats["accel"]), (0, "kvm"))
        self.assertNotIn("warning", said)

    def hostile(self, g):
        """Guests that do what no guest should: they get no further than themselves."""
        for name, words in behaviour.HOSTILE.items():
            self.write(g, "/k/hostile.raw", vibe.code(*words))
            limit = behaviour.hostile_limit_s("kvm", name)
            behaviour.check_hostile(self, "kvm", name, self.vibevmm(g, "--accel kvm --cpus 2 --timeout %s --binary /k/hostile.raw" % limit))
        self.assertNotRegex(g.shell("dmesg"), guests.TROUBLE.pattern.decode())

    def self_test(self, g):
        """Small guests that try what no kernel can see, the debugger's registers and steps among it."""
        said = g.shell("vibevmm --self-test")
        for what, says in (("breakpoints, watchpoints", r"\d+, \d+"), ("a store to a device, handled", r"\d+ ns"),
                           *(("host's GIC: " + what, r"\d+ ns") for what in ("reading a register", "an IPI to itself", "a timer interrupt")), *behaviour.DEBUGS):
            self.assertRegex(said, r"(?m)^  %s +%s$" % (what, says))

    def gdb(self, g):
        self.write(g, "/k/counting.raw", gdb_client.COUNTING)
        g.shell("ifconfig lo 127.0.0.1; { vibevmm --accel kvm --gdb 1234 --wait --stats=none --binary /k/counting.raw 2>/tmp/gdb; } & "
                "until grep -q 'target remote' /tmp/gdb; do sleep 0.05; done")
        gdb_client.every_backend(gdb_client.Client(None, connection=ThroughConsole(g, 1234)), 7)
        g.expect(rb"CLOSED\r*\n")
        g.shell("kill $!; wait $! || true")
        # A program in AArch32 that has a BKPT of its own, while there is a breakpoint elsewhere: EL1 hears of it, at the vector that is none of AArch64's.
        # The counter has not gone on before anybody let it.
        # mrs x3, CNTVCT_EL0; VBAR_EL1 = 0x10000; SPSR_EL1 = 0x10, User; x0, ELR_EL1 = . + 20; eret; b .; b .; bkpt #0
        self.write(g, "/k/bkpt.raw", vibe.code(0xD53BE043, 0xD2A00020, 0xD518C000, 0xD2800200, 0xD5184000, 0x100000A0, 0xD5184020, 0xD69F03E0, 0x14000000,
                                               0x14000000, 0xE1200070))
        # mrs x1, ESR_EL1; mrs x2, SPSR_EL1; stp x1, x2, [x0, #0xd8]; str x3, [x0, #0xe8]; power-off
        self.write(g, "/k/vector", vibe.code(0xD5385201, 0xD5384002, 0xA90D8801, 0xF9007403, 0x52B08000, 0x11002000, 0xD4000002))
        g.shell("truncate -s 1536 /k/bkpt.raw; cat /k/vector >>/k/bkpt.raw; { vibevmm --accel kvm --gdb 1234 --wait --stats=none --binary /k/bkpt.raw --dump-memory 0x10100:24=/tmp/dump 2>/tmp/gdb32; } & "
                "until grep -q 'target remote' /tmp/gdb32; do sleep 0.05; done")
        c = gdb_client.Client(None, connection=ThroughConsole(g, 1234))
        self.assertEqual(c.ask("Z1,20000,4"), b"OK")
        self.assertEqual(c.ask("vCont;c")[:3], b"W00")
        g.expect(rb"CLOSED\r*\n")
        g.shell("wait $!")
        esr, spsr, count = struct.unpack("<QQQ", bytes.fromhex(g.shell("od -An -v -tx1 /tmp/dump")))
        self.assertEqual((esr, spsr & 0x1F), (0xE2000000, 0x10))
        self.assertLess(count, 1 << 40)

    def failures(self, g):
        """Each ioctl in turn fails: a line that says so, status 1 or 2, and nothing worse; or KVM is passed over, or it did not matter."""
        run = "%s LD_PRELOAD=/lib/failing_ioctl.so vibevmm --accel kvm --binary /k/syscall.raw --cpus 2 --timeout 60 --stats=none 2>&1"
        self.assertIn("PASS syscall", g.shell(run % "FAIL_AT=all"))
        g.shell(run % "FAIL_COUNT=/tmp/count")
        nr = int(g.shell("cat /tmp/count"))
        self.assertGreater(nr, 40)
        loop = "n=0; while [ $((n += 1)) -le %d ]; do echo \"AT $n: $(%s; echo STATUS $?)\"; done"
        # Behind the set-up, one of KVM_RUN's is like the other.
        for code, calls in ((12, 64), (9, 24)):  # ENOMEM, EBADF
            out = g.shell(loop % (min(nr, calls), run % ("FAIL_AT=$n FAIL_ERRNO=%d" % code)))
            said = re.findall(r"^AT (\d+): (.*?)STATUS (\d+)$", out, re.M | re.S)
            self.assertEqual(len(said), min(nr, calls))
            for at, text, status in said:
                self.assertIn(int(status), (0, 1, 2), (at, text))
                if status == "0":
                    self.assertIn("PASS syscall", text)
                else:
                    self.assertRegex(text, r"vibevmm: .*kvm.*\n", at)
            self.assertGreater(sum(s[2] != "0" for s in said), calls // 3)

    def refused(self, g):
        """Calls that fail where the guest is under way."""
        hole = (0xD2BE0000, 0xB9400001, 0x14000000)  # mov x0, #0xf0000000, where nothing is; ldr w1, [x0]; b .
        pair = (0xD2A12020, 0x29000400, 0x14000000)  # mov x0, #0x9010000; stp w0, w1, [x0]; b .
        flash = (0xD2A08000, 0x52801201, 0xB9000001, 0x14000000)  # mov x0, #0x4000000; mov w1, #0x90, which hides the bank; str w1, [x0]; b .
        no_registers = "vCPU 0: the kvm backend cannot set its registers"
        for call, nr, words, says in (
                (0x4010AEAC, 1, hole, no_registers), (0x4010AEAB, 1, hole, no_registers), (0x4010AEAB, 3, pair, "vCPU 0: kvm: emulating an access"),
                (0x4040AEA0, 1, hole, "vCPU 0: kvm: injecting an abort"), (0xAE80, 2, pair, "vCPU 0: kvm: KVM_RUN"),
                (0x4020AE46, 4, flash, "kvm: changing what is mapped")):
            with self.subTest(says, call=hex(call)):
                self.write(g, "/k/refused.raw", vibe.code(*words))
                out = g.shell("FAIL_REQUEST=%#x,%d FAIL_ERRNO=5 LD_PRELOAD=/lib/failing_ioctl.so vibevmm --accel kvm --binary /k/refused.raw %s --timeout 20 "
                              "--stats=none 2>&1; echo STATUS $?" % (call, nr, " ".join(HERE)))
                self.assertRegex(out, r"^vibevmm: error: %s[^\n]*Input/output error.*\n(vibevmm: error: vCPU 0: the kvm backend cannot go on \(error 5\)\n)?"
                                      r"STATUS 1\n$" % says)

    def lost_interrupt(self, g):
        """A device's line cannot be raised, by a thread that no vCPU hears of, for a vCPU that sleeps in the kernel."""
        # x0: UART; UARTCR, UARTIMSC: receive; says r; wfi; b .-4
        self.write(g, "/k/waits.raw", vibe.code(0xD2A12000, 0x52806021, 0xB9003001, 0x52800A01, 0xB9003801, 0x52800E41, 0xB9000001, 0xD503207F, 0x17FFFFFF))
        out = g.shell("{ until grep -q r /tmp/said; do sleep 0.05; done; echo x; } | FAIL_REQUEST=0x4008ae61,1 FAIL_ERRNO=5 LD_PRELOAD=/lib/failing_ioctl.so "
                      "vibevmm --accel kvm --binary /k/waits.raw --cpus 2 --timeout 20 --stats=none 2>&1 >/tmp/said; echo STATUS $?")
        said, status = re.fullmatch(r"(.*)STATUS (\d+)\n", out, re.S).groups()
        self.assertRegex(said, r"^vibevmm: error: kvm: KVM_IRQ_LINE: Input/output error\n(vibevmm: error: vCPU \d: the kvm backend cannot go on \(error 5\)\n){1,2}$")
        self.assertEqual(status, "1")

    def unknown_exits(self, g):
        """What KVM could come back for and does not here."""
        for how, says in (("9,0", "CPU 0 of the host cannot enter the guest, reason 0"), ("17,3", "internal error 3 of the kernel's"),
                          ("8,0", "exit for unknown reason 8"), ("24,3", "system event of unknown type 3"), ("24,5", "system event of unknown type 5")):
            with self.subTest(how):
                out = g.shell("FAIL_EXIT=%s LD_PRELOAD=/lib/failing_ioctl.so vibevmm --accel kvm --binary /k/syscall.raw --timeout 60 --stats=none 2>&1; "
                              "echo STATUS $?" % how)
                self.assertRegex(out, r"^vibevmm: error: vCPU 0: kvm: %s \(Protocol error\), PC 0x[0-9a-f]+\n"
                                      r"vibevmm: error: vCPU 0: the kvm backend cannot go on \(error 71\)\nSTATUS 1\n$" % says)
        # LD64B at a device, of later kernels, is looked at like every access that the hardware does not describe.
        out = g.shell("FAIL_EXIT=42,0 LD_PRELOAD=/lib/failing_ioctl.so vibevmm --accel kvm --binary /k/syscall.raw --timeout 60 --stats=none 2>&1")
        self.assertIn("PASS syscall", out)

    def no_memory(self, g):
        """Each allocation in turn fails, descriptors and threads among them."""
        out = g.shell("failing_alloc --accel kvm --binary /k/syscall.raw --cpus 2 --timeout 60 --stats=none; ls /tmp")
        out, left = re.fullmatch(r"(.*\nEND [^\n]*\n)(.*)", out, re.S).groups()
        test_failing_alloc.check_output(self, out, {"eventfd"})
        self.assertNotIn("vibevmm", left)

    def linux(self, g, reboots):
        """Two CPUs to a shell, perhaps a reboot, and to the end. First of all: then there is one shell less to talk through."""
        g.send("vibevmm --accel kvm --kernel /k/Image --initrd /k/initrd --cpus 2 --cmdline 'console=ttyAMA0 quiet panic=-1' "
               "--stats=json:/tmp/stats; echo \"STATUS $?\"\n")
        up = rb"init: Linux [^\n]* with 2 CPUs is up"
        g.expect(up)
        g.expect(rb"# ")
        ticks = g.shell("cat /proc/interrupts")
        counts = re.search(r"^ *\d+: +(\d+) +(\d+) +GIC(?:v3|-0) +27 Level +arch_timer", ticks, re.M)
        self.assertTrue(all(int(n) > 10 for n in counts.groups()), ticks)
        self.assertNotIn("Hypervisor", g.shell("cat /proc/cpuinfo"))
        g.shell("sleep 1")
        if reboots:
            g.send("reboot -f\n")
            g.expect(up)
            g.expect(rb"# ")
        g.send("poweroff -f\n")
        g.expect(rb"STATUS 0\r*\n")
        g.nr_commands = 0
        g.at = len(g.out)
        stats = json.loads(g.shell("cat /tmp/stats"))
        self.assertEqual((stats["accel"], stats["result"]), ("kvm", "poweroff"))
        self.assertEqual(behaviour.Run("", 0, stats).exits("system_event"), 1 + reboots)
        for v in stats["vcpus"]:
            self.assertGreater(v["exits"]["hlt"], 10)
            self.assertGreater(v["asleep_ns"], 500000000)
        g.check_no_trouble()

    def test_vhe(self):
        g = self.start(VHE, 3)
        self.linux(g, True)
        self.compare(g, VHE)
        self.box(g)
        self.seeds(g)
        self.device_forms(g)
        self.self_test(g)
        self.gdb(g)
        self.hostile(g)
        self.failures(g)
        self.refused(g)
        self.lost_interrupt(g)
        self.unknown_exits(g)
        self.no_memory(g)
        self.who_may(g)

    def test_nvhe(self):
        g = self.start(NVHE, 3)
        self.compare(g, NVHE)
        self.seeds(g)
        self.device_forms(g)
        self.self_test(g)

    def test_sve(self):
        """A host with SVE: its guests have it, and the vector registers that the backend then sees otherwise."""
        g = self.start(SVE, 3)
        # mrs x0, ID_AA64PFR0_EL1; adr x1, . + 252; str x0, [x1]; mov w0, #0x84000008; hvc #0
        self.write(g, "/k/sve.raw", vibe.code(0xD5380400, 0x100007E1, 0xF9000020, 0x52B08000, 0x72800100, 0xD4000002))
        _, status, _ = self.vibevmm(g, "--accel kvm --timeout 60 --binary /k/sve.raw --dump-memory 0x10100:8=/tmp/dump")
        self.assertEqual(status, 0)
        self.assertEqual(bytes.fromhex(g.shell("od -An -v -tx1 /tmp/dump"))[4] & 15, 1)
        for name in ("features", "simd"):
            self.assertIn("PASS " + name, self.vibevmm(g, "--accel kvm --timeout 60 --binary /k/%s.raw %s" % (name, " ".join(HERE))).said)
        self.device_forms(g)
        # mov x0, #0x330000; msr CPACR_EL1, x0; isb; mov x1, #0x9000000; ptrue p0.b; st1b {z0.b}, p0, [x1]; b .
        self.write(g, "/k/sve.raw", vibe.code(0xD2A00660, 0xD5181040, 0xD5033FDF, 0xD2A12001, 0x2518E3E0, 0xE400E020, 0x14000000))
        said, status, _ = self.vibevmm(g, "--accel kvm --timeout 0.3 --binary /k/sve.raw")
        self.assertRegex(said, r"an access to 0x9000000 by an instruction that is unknown here: aborted")
        self.assertEqual(status, 3)

    def test_gicv2(self):
        """A host with a GICv2 alone: so have its guests."""
        g = self.start(NVHE, 2)
        self.linux(g, False)
        said, status, _ = self.vibevmm(g, "--accel kvm --gic 3 --binary /k/syscall.raw")
        self.assertEqual((said, status), ("vibevmm: --accel: kvm has no GICv3 for guests on this host; give --gic 2, or --accel soft\n", 2))
        # It has no register that says which version it is.
        self.assertIn("FAIL gicv2: ICPIDR2.ArchRev got 0", self.vibevmm(g, "--accel kvm --gic 2 --cpus 4 --timeout 60 --binary /k/gicv2.raw " + " ".join(HERE)).said)


if __name__ == "__main__":
    unittest.main()
