"""The gdb server: gdb's own program in scripts, and a client for what that does not do. With the translator and without.
Run: python3 tests/test_gdb.py"""
import json
import os
import re
import select
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

import gdb_client
import vibe
from gdb_client import Client, Machine, gdb

ACCELS = ("soft", "soft,jit=off")


class Gdb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.tmp.cleanup)
        cls.elf = gdb_client.guest(cls.tmp.name)

    def machine(self, *args, **more):
        return Machine("--kernel", self.elf, *args, **more)

    def gdb(self, machine, *commands, **more):
        return gdb(machine, *commands, elf=self.elf, **more)

    def symbol(self, name):
        out = subprocess.run(["aarch64-linux-gnu-nm", self.elf], stdout=subprocess.PIPE, check=True, timeout=vibe.LIMIT_S).stdout.decode()
        return int(re.search(r"^([0-9a-f]+) \w %s$" % name, out, re.M).group(1), 16)

    def check(self, text, *parts):
        """Each part, a regular expression, comes behind the one before."""
        at = 0
        for part in parts:
            m = re.compile(part, re.M).search(text, at)
            self.assertTrue(m, "%r is not in the rest of:\n%s" % (part, text))
            at = m.end()

    def waiting(self, accel, *args):
        """A machine that stands at its first instruction."""
        return self.machine("--accel", accel, "--wait", *args)


class Scripts(Gdb):
    def test_breakpoints_and_steps(self):
        """Set at the first instruction: the MMU comes on between there and the hit."""
        for accel in ACCELS:
            with self.subTest(accel), self.waiting(accel) as m:
                out = self.gdb(m, "x/i $pc", "break round_of_work", "continue", "bt", "finish", "next", "step", "tbreak add", "delete 1", "continue",
                               "p a", "p b", "up", "stepi", "p/x (long)$pc-(long)&add", "p $SCTLR_EL1", "info registers EL0", "delete", "kill")
                self.check(out, "=> 0x40200000 <_start>", "Breakpoint 1, round_of_work", r"#1 .* guest_main \(\)", r"^guest_main \(\)",
                           r"^\d+\t +const uint64_t c = command;", r"^\d+\t +command = ROUNDS;", "Temporary breakpoint 2, add",
                           r"\$1 = 1", r"\$2 = 1", r"round_of_work \(n=", r"\$3 = 0x4", r"\$4 = \[ M C ", "TPIDR_EL0 +0x1 ", "killed")
                self.assertEqual(m.end(), 0)

    def test_watchpoints(self):
        for accel in ACCELS:
            with self.subTest(accel), self.waiting(accel) as m:
                out = self.gdb(m, "tbreak guest_main", "continue", "watch rounds", "continue", "continue", "delete", "rwatch nr_svc", "continue",
                               "delete", "awatch buffer[3]", "continue", "delete", "watch -l *(char(*)[24])&buffer[10]", "continue", "p rounds")
                self.check(out, "Hardware watchpoint 2: rounds", "Old value = 0", "New value = 1", "Old value = 1", "New value = 2",
                           "Hardware read watchpoint 3: nr_svc", r"supervisor_call \(\)", "Hardware access .* watchpoint 4", "round_of_work",
                           "Hardware watchpoint 5", r"round_of_work \(n=(n@entry=)?(9|10)\)", r"\$1 = 1[01]")

    def test_threads(self):
        for accel in ACCELS:
            with self.subTest(accel), self.waiting(accel, "--cpus", "2") as m:
                out = self.gdb(m, "info threads", "thread 2", "p $pc", "thread 1", "break second_main", "set var command=2", "tbreak guest_main",
                               "continue", "set var command=2", "continue", "info threads", "watch second_rounds", "continue", "continue",
                               "thread apply all -q p $_thread", "set scheduler-locking on", "delete", "p $start=rounds", "stepi 20",
                               "p rounds==$start", "set scheduler-locking off", "thread 1", "next", "p second_rounds > 2")
                self.check(out, r'Thread 1 "vCPU 0" \(on\)', r'Thread 2 "vCPU 1" \(off\)', r"\$1 = .*0x0", 'Thread 2 "vCPU 1" hit Breakpoint 1, second_main',
                           r'Thread 1 "vCPU 0" \(on', r'\* 2 .*"vCPU 1" \(on\) second_main', r"hit Hardware watchpoint \d: second_rounds", "New value = 1",
                           "New value = 2", r"\$2 = [12]", r"\$3 = [12]", r"\$5 = 1")

    def test_interrupt_and_detach(self):
        for accel in ACCELS:
            with self.subTest(accel), self.waiting(accel) as m:
                self.check(self.gdb(m, "tbreak guest_main", "continue", "break add if rounds == 20", "detach"), "detached")
                # On it went, and no breakpoint is left.
                time.sleep(0.05)
                out = self.gdb(m, "p rounds > 20", "p $before=rounds", "detach")
                self.check(out, r"\$1 = 1", "detached")
                self.check(self.gdb(m, "p rounds", "p rounds > 40", "break add if rounds % 1000 == 0", "continue", "p rounds % 1000", "kill"),
                           r"\$2 = 1", "Breakpoint 1, add", r"\$3 = 0", "killed")

    def test_tables_that_change(self):
        """The breakpoint's address is mapped to nothing, then to something else, then to code."""
        for accel in ACCELS:
            with self.subTest(accel), self.waiting(accel) as m:
                out = self.gdb(m, "tbreak guest_main", "continue", "p/x $at=((long)&add & ~(3L << 30)) | 2L << 30", "x/i $at", "hbreak *$at",
                               "set var command=7", "continue", "p $pc == $at", "p tables[2] == tables[1]", "delete", "kill")
                self.check(out, r"\$1 = 0xffffff80[89a-f]", "Cannot access memory", "breakpoint 2 at", "Breakpoint 2, 0xffffff80", r"\$2 = 1", r"\$3 = 1", "killed")

    def test_non_stop(self):
        """One stops, and the other goes on meanwhile. A continue ends with the next stop of any, the first with that of the CPU that is off."""
        wait = os.path.join(self.tmp.name, "wait.gdb")
        with open(wait, "w") as f:
            f.write("while rounds == $before\n  shell sleep 0.01\nend\n")
        with self.waiting("soft", "--cpus", "2") as m:
            out = self.gdb(m, "tbreak guest_main", "continue", "thread 2", "continue", "thread 1", "set var command=2", "break second_main", "continue",
                           "thread 2", "info threads", "p $before=rounds", "source " + wait, "p rounds > $before", "kill", before=("set non-stop on",))
            self.check(out, 'Thread 2 "vCPU 1" stopped', 'Thread 1 "vCPU 0" hit Temporary breakpoint 1, guest_main', 'Thread 2 "vCPU 1" hit Breakpoint 2, second_main',
                       r'1 .*"vCPU 0".* \(running\)', r'\* 2 .*"vCPU 1" \(on\) .*second_main', r"\$2 = 1", "killed")
            self.assertEqual(m.end(), 0)

    def test_unix_socket(self):
        path = os.path.join(self.tmp.name, "gdb.sock")
        with self.machine(where="unix:" + path) as m:
            self.check(self.gdb(m, "p/x $pc > 0x40200000", "kill"), r"\$1 = 0x1")
            self.assertEqual(m.end(), 0)
        self.assertFalse(os.path.exists(path))

    def test_the_end(self):
        with self.machine("--wait") as m:
            self.check(self.gdb(m, "tbreak guest_main", "continue", "set var command=4", "continue"), r"exited normally")
            self.assertEqual(m.end(), 0)


class Documented(Gdb):
    def test_example(self):
        """What docs/debugging.md types finds what it says."""
        example = gdb_client.Example("debugging.md", self.tmp.name)
        _, run, debug, _ = example.commands["$"]
        example.build_first()
        p = vibe.run(*run.split()[1:], "--stats=none")
        self.assertEqual(p.returncode, 4)
        self.check(p.stderr.decode(), "vCPU 0 is stuck", "Data Abort, from the same$", "What started it", r"ldr x\d+, \[x\d+, #16\]", r"FAR  0x0{10}657679")
        self.assertEqual(debug.split()[-3:], ["--gdb", "1234", "--wait"])
        with Machine(*debug.split()[1:-3], "--wait") as m:
            out = gdb(m, *example.commands["(gdb)"][1:], elf=example.elf)
            self.check(out, "caught: exception dabt-same;", "Data Abort, .*FAR_EL1 0x657679", "SIGBUS", r"#0  run_all \(\)", r"#1 .* in guest_main \(\)",
                       'name = "disk', r'name = "net-rece", next = 0x657669', r'= "ive\\000', "New value = .*<pool>", "New value", "#0 .* in set_name .*net-receive",
                       "#1 .* in add_task", "#2 .* in guest_main", "killed")
            self.assertEqual(m.end(), 0)


class Lldb(Gdb):
    def test_script(self):
        lldb = shutil.which("lldb") or next((f for n in range(30, 12, -1) for f in [shutil.which("lldb-%d" % n)] if f), None)
        if not lldb:
            self.skipTest("lldb is not installed")
        with self.machine("--wait", "--cpus", "2") as m:
            args = [lldb, "--no-lldbinit", "--batch"]
            for c in ("gdb-remote " + m.where, "thread list", "breakpoint set -H -n round_of_work", "continue", "bt", "thread step-inst", "finish",
                      "register read SCTLR_EL1", "breakpoint delete -f", "watchpoint set variable rounds", "continue", "watchpoint delete -f",
                      "process plugin packet monitor cpus", "expression rounds", "kill"):
                args += ["-o", c]
            p = subprocess.run([*args, self.elf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               timeout=vibe.LIMIT_S)
            self.check(p.stdout, r"thread #1: tid = 0x0001, 0x0000000040200000", "thread #2: tid = 0x0002", r"stop reason = breakpoint 1\.1",
                       r"round_of_work\(n=0\)", r"frame #1: .*guest_main", "instruction step into", "step out", r"guest_main", "SCTLR_EL1 = 0x",
                       "old value: 1\nnew value: 2", r"\* vCPU 0 +on", r"= 2")
            self.assertEqual(m.end(), 0)


class Monitor(Gdb):
    """What gdb has no words for."""

    def started(self, *args):
        """A machine that has come to guest_main(), and a client."""
        m = self.machine("--wait", *args)
        self.addCleanup(m.__exit__)
        c = Client(m)
        self.addCleanup(c.__exit__)
        at = self.symbol("guest_main")
        self.assertEqual(c.ask("Z0,%x,4" % at), b"OK")
        self.assertRegex(c.ask("vCont;c"), rb"^T05")
        self.assertEqual(c.ask("z0,%x,4" % at), b"OK")
        return c

    def command(self, c, n):
        self.assertEqual(c.ask("M%x,1:%02x" % (self.symbol("command"), n)), b"OK")

    def go(self, c):
        """What the user is told, and the signal."""
        c.text = ""
        answer = c.ask("vCont;c")
        self.assertRegex(answer, rb"^T..thread:")
        return c.text, int(answer[1:3], 16)

    def test_every_command(self):
        c = self.started("--cpus", "2")
        at = "0x%x" % self.symbol("round_of_work")
        text = c.monitor("help")
        names = re.findall(r"^(\S+)", text, re.M)
        with open(os.path.join(vibe.ROOT, "docs", "debugging.md"), encoding="utf-8") as f:
            self.assertEqual(re.findall(r"(?m)^\| `monitor (\w+)", f.read()), names)
        for command, expected in {
            "cpus": (r"^\* vCPU 0 +on .*EL1h", r"^  vCPU 1 +off"), "regs": (r"^vCPU 0$", r"^x0 ", r"^PSTATE .*EL1h", r"SCTLR_EL1 +0x"),
            "regs 1": (r"^vCPU 1$", r"pc  0x0000000000000000"),
            "pagewalk " + at: (r"TCR_EL1 .*T1SZ 25: addresses of 39 bits; granule 4 KiB", r"TTBR1_EL1 .*bit 55 is 1", r"level 1 .*block of 1 GiB",
                               r"Normal, write-back; SH inner; AP 00", r"physical +0x0*%x  RAM" % (self.symbol("round_of_work") & 0x7FFFFFFF), "EL1 rwx"),
            "pagewalk 0x9000000": ("pl011@9000000; Device-nGnRnE", "EL1 rw-", "EL0 ---"),
            "pagewalk 0xffff000000000000": ("gives a translation fault, level 0",), "pagewalk": ("a number is missing",),
            "pagewalk x": ('"x" is not a number',), "regs 2": ('"2" is not a vCPU, 0 to 1',),
            "tlb": (r"^TTBR0_EL1 0x", r" --x EL1 global", r"entries of 4 KiB"), "gic": ("GICv3: 2 CPUs", "^CPU 1"),
            "timers": ("vCPU 0: count 0x", "physical  INTID 30, off", "^vCPU 1"), "devices": ("RAM$", "pl011@9000000", "slots without a virtio"),
            "stats": ("vCPU 0 Statistics", "Debug Exits: +1"), "exits": (r"Debug Exits +1$",), "translate 0x9000000": ("can be translated",),
            "explain": ("vCPU 0 is not stuck",), "why": ("",), "xp 0x40200000 20": (r"^0x0040200000 ", r"^0x0040200010   (.. ){4} +\S{4}$"),
            "xp 0x9000000": (r"pl011@9000000$",), "xp 0x10000000000": ("nothing there",), "space": ("memory is virtual",),
            "space nowhere": ("is not one of virtual, el0",), "catch": ("^caught:$", "dabt-lower +0x24 ", "brk +0x3c"),
            "catch exception nothing": ("is not a class",), "catch sysreg NONE": ("is not a system register",), "catch what": ("is not one of",),
            "uncatch all": ("^caught:$",), "pbreak 0x40200002": ("no instruction begins",), "pdelete 0x40200000": ("there is none",), "pdelete": ("",),
            "nonsense": ('there is no command "nonsense"',),
        }.items():
            with self.subTest(command):
                self.check(c.monitor(command), *expected)
                if command.split()[0] in names:
                    names.remove(command.split()[0])
        self.assertEqual(set(names) - {"help", "reset", "quit"}, set())
        # Warm code.
        c.send("vCont;c")
        time.sleep(0.1)
        c.raw(b"\x03")
        c.receive()
        self.check(c.monitor("translate " + at), "after lift: ", "stp x29, x30", "after registers", "host code: ")
        self.assertIn("as after power-on", c.monitor("reset"))
        self.assertEqual(c.pc(), 0x40200000)
        self.assertEqual(c.monitor("quit"), "")
        self.assertTrue(c.closed())

    def test_exceptions(self):
        c = self.started()
        c.monitor("catch exception svc")
        for _ in range(3):
            text, sig = self.go(c)
            self.check(text, "vCPU 0: SVC instruction: #0x7; ESR_EL1 0x56000007, .* from 0xffffff80")
            self.assertEqual((sig, c.pc() & 0x7FF), (5, 0x200))
        c.monitor("uncatch exception svc")
        c.monitor("catch exception dabt")
        self.command(c, 1)
        text, sig = self.go(c)
        self.check(text, "Data Abort, from the same level: store, .*FAR_EL1 0xdead0000")
        self.assertEqual((sig, c.pc() & 0x7FF), (11, 0x200))
        self.check(c.monitor("why"), "Data Abort")

    def test_system_registers(self):
        c = self.started()
        c.monitor("catch sysreg TPIDR_EL0")
        for n in range(1, 4):
            text, sig = self.go(c)
            self.assertIn("about to write TPIDR_EL0", text)
            self.assertEqual(c.registers()[0], n)

    def test_physical_breakpoint(self):
        """It is set before the code has its virtual address."""
        with self.machine("--wait") as m, Client(m) as c:
            at = self.symbol("round_of_work")
            c.monitor("pbreak 0x%x" % (at & 0x7FFFFFFF))
            text, _ = self.go(c)
            self.assertIn("at physical address 0x%x" % (at & 0x7FFFFFFF), text)
            self.assertEqual(c.pc(), at)
            # Physical memory is the same as virtual one.
            virtual = c.ask("m%x,10" % at)
            c.monitor("space physical")
            self.assertEqual(c.ask("m%x,10" % (at & 0x7FFFFFFF)), virtual)
            self.assertEqual(c.ask("m9000000,4"), b"E0e")
            c.monitor("space el0")
            self.assertEqual(c.ask("m%x,10" % at), virtual)
            # The same code, by its address in the lower half of those tables; and by others.
            c.monitor("space el0 0x%x" % self.symbol("tables"))
            self.assertEqual(c.ask("m%x,10" % (at & 0x7FFFFFFF)), virtual)
            c.monitor("space el0 0x1000")
            self.assertEqual(c.ask("m%x,10" % (at & 0x7FFFFFFF)), b"E0e")

    def test_reset_and_cpu_on(self):
        c = self.started("--cpus", "2")
        c.monitor("catch cpu-on")
        self.command(c, 2)
        text, _ = self.go(c)
        self.assertIn("vCPU 1 was switched on, and starts at 0x%x" % self.symbol("secondary_start"), text)
        self.assertEqual(c.pc(2), self.symbol("secondary_start"))
        c.monitor("catch reset")
        self.assertEqual(c.ask("Hg1"), b"OK")  # CPU 1 has no MMU yet
        self.command(c, 5)
        text, _ = self.go(c)
        self.assertIn("the machine was reset", text)
        self.assertEqual(c.pc(1), 0x40200000)
        self.check(c.monitor("cpus"), "vCPU 1 +off")

    def test_stuck(self):
        """It stops instead of ending the run; what is wrong can be put right."""
        for accel in ACCELS:
            with self.subTest(accel), self.waiting(accel) as m:
                out = self.gdb(m, "tbreak guest_main", "continue", "set var command=6", "continue", "continue", "monitor explain", "p $VBAR_EL1",
                               "set $VBAR_EL1=(long)&vectors", "set $pc=&guest_main", "break add if rounds == 9", "continue", "kill")
                self.check(out, "vCPU 0 is stuck: it takes the same exception again", "Program received signal SIG", "vCPU 0 is stuck", "Program received",
                           "Probable cause", r"\$1 = .*VBA=0", r"Breakpoint 2, add \(a=9")
                self.assertEqual(m.end(), 0)


class Protocol(Gdb):
    def test_as_on_every_backend(self):
        raw = os.path.join(self.tmp.name, "counting.raw")
        with open(raw, "wb") as f:
            f.write(gdb_client.COUNTING)
        for accel in ACCELS:
            with self.subTest(accel), Machine("--binary", raw, "--accel", accel, "--wait") as m, Client(m) as c:
                gdb_client.every_backend(c, None)

    def test_acknowledgements(self):
        with self.machine("--wait") as m, Client(m, acks=True) as c:
            c.raw(b"$?#00")  # wrong sum
            self.assertEqual(c.byte(), b"-")
            c.raw(b"$?#3f")
            first = c.receive()
            self.assertTrue(first.startswith(b"T05thread:1;"))
            c.raw(b"-")
            self.assertEqual(c.receive(), first)
            c.raw(b"noise $ half a packet $?#3f")
            self.assertEqual(c.receive(), first)
            c.raw(b"$" + b"m" * 0x9000 + b"#00")  # too long
            self.assertEqual(c.byte(), b"-")
            self.assertEqual(c.ask("vMustReplyEmpty"), b"")
            self.assertEqual(c.ask("QStartNoAckMode"), b"OK")
            c.acks = False
            c.raw(b"$?#zz")
            self.assertEqual(c.receive(), first)

    def test_bad_requests(self):
        with self.machine("--wait") as m, Client(m) as c:
            for p in ("m", "mx", "m0", "m0,", "m0,1;", "M0,4:00", "M0,1:zz", "X0,5:abc", "p", "pfff", "P0", "P0=12", "G00", "Hg9", "Hx1", "T9", "Tx",
                      "vCont;q", "vCont;s:9", "vCont;r1", "vCont;c:1junk", "Z0,1,4", "Z2,0,0", "Z2,ffffffffffffffff,2", "z0,40200000,4",
                      "qXfer:threads:read::", "qXfer:threads:read::0", "qThreadExtraInfo,9", "QNonStop:2", "qCRC:0,ffffffffffffffff",
                      "qSearch:memory:0;1;", "C", "c1x", "mffffffffffffffff,ffffffffffffffff"):
                with self.subTest(p):
                    self.assertRegex(c.ask(p), rb"^E[0-9a-f]{2}$")
            self.assertEqual(c.ask("qXfer:features:read:other.xml:0,100"), b"E00")
            for p in ("Z9,0,4", "unknown", "qUnknown", "vUnknown", ""):
                self.assertEqual(c.ask(p), b"", p)
            self.assertEqual(c.pc(), 0x40200000)

    def test_memory(self):
        with self.machine("--wait") as m, Client(m) as c:
            data = bytes(range(256)) * 16
            self.assertEqual(c.ask(b"X41000000,1000:" + data), b"OK")
            self.assertEqual(c.ask("m41000000,1000"), data.hex().encode())
            self.assertEqual(c.ask("x41000000,1000"), b"b" + data)
            self.assertEqual(c.ask("M41000ffe,4:01020304"), b"OK")
            self.assertEqual(c.ask("m41000ffe,4"), b"01020304")
            # Never a device, nor where nothing is; and up to there.
            for at in ("9000000", "8000000", "a000000", "20000000", "fffffffffffffff8"):
                self.assertEqual(c.ask("m%s,8" % at), b"E0e", at)
            self.assertEqual(len(c.ask("m%x,100" % (0x40000000 + (128 << 20) - 16))), 32)
            self.assertEqual(c.ask(b"qSearch:memory:41000000;1000;" + data[200:230]), b"1,410000c8")
            self.assertEqual(c.ask(b"qSearch:memory:41000000;1000;not there"), b"0")
            self.assertEqual(c.ask("qCRC:41000000,100"), b"C%x" % crc(data[:256]))

    def test_new_code(self):
        """What is written over code runs, also where the old code has become hot."""
        at, turns = 0x41000000, 100000
        add, mov = 0x91000400, 0xD2800EE2  # add x0, x0, #1; mov x2, #0x77
        rest = (0xF1000463, 0x54FFFFC1, 0x14000000)  # subs x3, x3, #1; b.ne to the start; b .
        for accel in ACCELS:
            with self.subTest(accel), self.waiting(accel) as m, Client(m) as c:
                self.assertEqual(c.ask(b"X%x,10:" % at + struct.pack("<4I", add, *rest)), b"OK")
                self.assertEqual(c.ask("Z1,%x,4" % (at + 12)), b"OK")
                for word, x2 in ((add, 0), (mov, 0x77)):
                    self.assertEqual(c.ask("M%x,4:%s" % (at, struct.pack("<I", word).hex())), b"OK")
                    for reg, value in ((0, 0), (2, 0), (3, turns), (32, at)):
                        self.assertEqual(c.ask("P%x=%s" % (reg, struct.pack("<Q", value).hex())), b"OK")
                    self.assertRegex(c.ask("c"), rb"^T05")
                    regs = c.registers()
                    self.assertEqual((regs[0], regs[2], regs[3], c.pc()), (0 if x2 else turns, x2, 0, at + 12))

    def test_registers(self):
        with self.machine("--wait") as m, Client(m) as c:
            self.assertEqual(c.ask("P5=0102030405060708"), b"OK")
            self.assertEqual(c.registers()[5], 0x0807060504030201)
            # V3: its number is 34 + 3.
            self.assertEqual(c.ask("P25=00112233445566778899aabbccddeeff"), b"OK")
            self.assertEqual(c.ask("p25"), b"00112233445566778899aabbccddeeff")
            everything = c.ask("g")
            self.assertEqual(everything[2 * (33 * 8 + 4 + 3 * 16):][:32], b"00112233445566778899aabbccddeeff")
            self.assertEqual(c.ask(b"G" + everything), b"OK")
            self.assertEqual(c.ask("g"), everything)
            text = ""
            while not text.endswith("</target>\n"):
                text += c.ask("qXfer:features:read:target.xml:%x,40" % len(text))[1:].decode()
            names = re.findall(r'href="([^"]+)"', text)
            self.assertEqual(names, ["aarch64-core.xml", "aarch64-fpu.xml", "aarch64-pauth.xml", "sysregs-el0.xml", "sysregs-el1.xml"])
            el1 = c.ask("qXfer:features:read:sysregs-el1.xml:0,7ff0").decode()
            self.assertIn('<reg name="SCTLR_EL1" bitsize="64" group="EL1"', el1)

    def test_no_read_acknowledges(self):
        """Of the registers that are described none is one whose reading changes something."""
        with self.machine("--wait") as m, Client(m) as c:
            text, at = "", 0
            while True:
                piece = c.ask("qXfer:features:read:sysregs-el1.xml:%x,7000" % len(text.encode())).decode()
                text += piece[1:]
                if piece[0] == "l":
                    break
            self.assertIn("ICC_PMR_EL1", text)
            self.assertNotIn("ICC_IAR", text)
            self.assertNotIn("ICC_EOIR", text)

    def test_going_on(self):
        with self.machine("--wait", "--cpus", "2") as m, Client(m) as c:
            at = self.symbol("round_of_work")
            self.assertEqual(c.ask("Z0,%x,4" % at), b"OK")
            self.assertEqual(c.ask("Z0,%x,4" % at), b"OK")  # again: no second one
            for how in ("vCont;c", "c", "C05", "vCont;C05:1;c"):
                answer = c.ask(how)
                self.assertRegex(answer, rb"^T05thread:1;.*swbreak:;")
                self.assertEqual(c.pc(), at)
            self.assertEqual(c.ask("z0,%x,4" % at), b"OK")
            self.assertRegex(c.ask("z0,%x,4" % at), rb"^E")
            self.assertRegex(c.ask("s"), rb"^T05")
            self.assertEqual(c.pc(), at + 4)
            # A range, in which nothing is told.
            self.assertRegex(c.ask("vCont;r%x,%x:1" % (at, at + 12)), rb"^T05")
            self.assertNotIn(c.pc(), range(at, at + 12))
            c.send("vCont;c")
            c.raw(b"\x03")
            self.assertRegex(c.receive(), rb"^T02")

    def test_one_at_a_time(self):
        with self.machine("--wait") as m, Client(m) as c:
            with self.assertRaises((EOFError, ConnectionError)):
                with Client(m) as other:
                    other.ask("?")
            self.assertTrue(c.ask("?").startswith(b"T05"))

    def test_dropped(self):
        """A connection that is lost is like one that detached."""
        with self.machine("--wait") as m:
            with Client(m) as c:
                self.assertEqual(c.ask("Z0,%x,4" % self.symbol("add")), b"OK")
                c.ask("vCont;c")
                rounds = self.symbol("rounds")
            with Client(m) as c:
                first = int.from_bytes(bytes.fromhex(c.ask("m%x,8" % rounds).decode()), "little")
                self.assertEqual(c.ask("D"), b"OK")
                self.assertTrue(c.closed())
            time.sleep(0.02)
            with Client(m) as c:
                self.assertGreater(int.from_bytes(bytes.fromhex(c.ask("m%x,8" % rounds).decode()), "little"), first + 10)
                c.send("k")
                self.assertTrue(c.closed())
            self.assertEqual(m.end(), 0)

    def test_the_end(self):
        for command, args, expected in ((4, (), b"W00"), (5, ("--no-reboot",), b"W00")):
            with self.machine("--wait", *args) as m, Client(m) as c:
                c.ask("Z0,%x,4" % self.symbol("guest_main"))
                c.ask("vCont;c")
                self.assertEqual(c.ask("M%x,1:%02x" % (self.symbol("command"), command)), b"OK")
                self.assertEqual(c.ask("vCont;c"), expected)
                self.assertTrue(c.closed())
        with self.machine("--wait") as m, Client(m) as c:
            c.send("vCont;c")
            # Whoever comes second is sent away, when the first one was heard.
            with self.assertRaises((EOFError, ConnectionError)):
                Client(m)
            m.interrupt()
            self.assertEqual(c.receive(), b"X02")
            self.assertEqual(m.end(), 130)

    def test_interrupt_at_the_end(self):
        """Ctrl-C just as the guest ends: it stopped before, and can be looked at, or it has ended."""
        delay, ways = 0.002, set()
        with tempfile.NamedTemporaryFile() as f:
            f.write(vibe.code(0xD2A00400, 0xF1000400, 0x54FFFFE1) + vibe.POWER_OFF)  # mov x0, #0x200000; 1: subs x0, x0, #1; b.ne 1b
            f.flush()
            for _ in range(60):
                with Machine("--binary", f.name, "--wait") as m:
                    with Client(m) as c:
                        c.send("vCont;c")
                        time.sleep(delay)
                        c.raw(b"\x03")
                        answer = c.answer()
                        ways.add(answer[:3])
                        delay *= 1.1 if answer[:3] == b"T02" else 0.9
                        if answer[:3] == b"T02":
                            self.assertNotIn(b"xxxx", answer)
                            answer = c.ask("vCont;c")
                        self.assertEqual(answer, b"W00")
                    self.assertEqual(m.end(), 0)
        self.assertEqual(ways, {b"T02", b"W00"})

    def rounds(self, c, nr):
        """Waits until its count of rounds is there, and has had so many values."""
        seen, deadline = set(), time.monotonic() + vibe.LIMIT_S
        while len(seen) < nr:
            self.assertLess(time.monotonic(), deadline, seen)
            seen |= set(re.findall(rb"^[0-9a-f]{16}$", c.ask("m%x,8" % self.symbol("rounds"))))

    def test_non_stop(self):
        with self.machine("--wait", "--cpus", "2") as m, Client(m) as c:
            add = self.symbol("second_main")
            self.assertEqual(c.ask("QNonStop:1"), b"OK")
            first = c.ask("?")
            self.assertRegex(first, rb"^T05thread:1;")
            self.assertEqual(c.ask("vStopped"), b"OK")
            self.assertRegex(c.receive(), rb"^%Stop:T00thread:2;")
            self.assertEqual(c.ask("vStopped"), b"OK")
            self.assertEqual(c.ask("vCont;c"), b"OK")
            # While they run: it has switched its MMU on, and is in its loop.
            self.assertEqual(c.ask("Hg1"), b"OK")
            self.rounds(c, 3)
            self.assertEqual(c.ask("Z0,%x,4" % add), b"OK")
            self.assertEqual(c.ask("vCont;t:1"), b"OK")
            self.assertRegex(c.receive(), rb"^%Stop:T00thread:1;")
            self.assertEqual(c.ask("vStopped"), b"OK")
            self.assertEqual(c.ask("M%x,1:02" % self.symbol("command")), b"OK")
            self.assertEqual(c.ask("vCont;c:1"), b"OK")
            self.assertRegex(c.receive(), rb"^%Stop:T05thread:2;core:1;swbreak")
            # The other one goes on.
            self.rounds(c, 3)
            self.assertEqual(c.ask("vStopped"), b"OK")
            self.assertEqual(c.ask("vCtrlC"), b"OK")
            self.assertRegex(c.receive(), rb"^%Stop:T02thread:1;")
            self.assertEqual(c.ask("vStopped"), b"OK")
            self.assertEqual(c.ask("vKill;1"), b"OK")
            self.assertTrue(c.closed())


class Observed(unittest.TestCase):
    """With --deterministic a run that is looked at is the run that it would have been."""

    def outcome(self, stats):
        with open(stats) as f:
            s = json.load(f)
        return [(v["instructions"], v["exceptions"], v["interrupts"]) for v in s["vcpus"]], s["memory_hash"]

    def look(self, c, at):
        """Breakpoints as gdb passes them, and by themselves; steps; registers; memory; Ctrl-C."""
        stops = 0
        c.ask("Z0,%x,4" % at)
        c.monitor("catch interrupt")
        c.send("vCont;c")
        while True:
            if stops % 3 == 2 and not select.select([c.socket], [], [], 0.002)[0]:
                c.raw(b"\x03")
            answer = c.answer()
            if not answer.startswith(b"T"):
                return answer, stops
            stops += 1
            c.ask("g")
            c.monitor("gic")
            if stops % 2 and answer.startswith(b"T05"):
                c.ask("z0,%x,4" % at)
                thread = re.search(b"thread:(\\w+)", answer).group(1).decode()
                answer = c.ask("vCont;s:" + thread)
                if not answer.startswith(b"T"):
                    return answer, stops
                c.ask("Z0,%x,4" % at)
            if stops == 200:
                c.ask("z0,%x,4" % at)
            c.send("vCont;c")

    def test_kernels(self):
        for name, cpus in (("vtimer", 1), ("sgi", 4), ("contend", 4), ("priority", 1)):
            with self.subTest(name), tempfile.TemporaryDirectory() as tmp:
                stats = os.path.join(tmp, "stats.json")
                args = ("--binary", os.path.join(vibe.ROOT, "tests", "kernels", name + ".raw"), "--cpus", str(cpus), "--deterministic")
                self.assertEqual(vibe.run(*args, "--stats=json:" + stats).returncode, 0)
                alone = self.outcome(stats)
                for accel, offset in zip(ACCELS, (0x9c, 0x28)):
                    with Machine(*args, "--accel", accel, "--wait", stats="json:" + stats) as m:
                        with Client(m) as c:
                            answer, stops = self.look(c, 0x10000 + offset)
                        self.assertEqual((answer, m.end()), (b"W00", 0))
                    self.assertGreater(stops, 15)
                    self.assertEqual(self.outcome(stats), alone)


class Options(unittest.TestCase):
    def test_refused(self):
        for args, expected in ((["--gdb", "x"], b'"x" is no port'), (["--gdb", "65536"], b"is no port"), (["--gdb", "example.org:1"], b"must be an address"),
                               (["--gdb", "[::1:1"], b"must be an address"), (["--gdb", "unix:"], b"name is empty"), (["--wait"], b"--wait needs --gdb"),
                               (["--gdb", "192.0.2.1:1"], b"--gdb: 192.0.2.1:1: "), (["--gdb", "unix:/nonexistent/x"], b"No such file")):
            with self.subTest(args), tempfile.NamedTemporaryFile() as f:
                f.write(vibe.POWER_OFF)
                f.flush()
                p = vibe.run("--binary", f.name, *args)
                self.assertIn(expected, p.stderr)
                self.assertEqual(len(p.stderr.splitlines()), 1, p.stderr)
                self.assertEqual(p.returncode, 2)

    def test_ipv6(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(vibe.SPIN)
            f.flush()
            try:
                m = Machine("--binary", f.name, where="[::1]:0")
            except AssertionError as e:
                if "annot assign requested address" in str(e):
                    self.skipTest("no IPv6 here")
                raise
            with m, Client(m) as c:
                self.assertEqual(c.pc(), 0x10000)


def crc(data):
    c = 0xFFFFFFFF
    for b in data:
        c ^= b << 24
        for _ in range(8):
            c = (c << 1 ^ (0x04C11DB7 if c >> 31 else 0)) & 0xFFFFFFFF
    return c


if __name__ == "__main__":
    unittest.main()
