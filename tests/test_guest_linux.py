"""Debian's arm64 kernel with a busybox initial RAM disk: to a shell, commands, CPUs off and on, reboot, power off."""
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import guests
import vibe

SHA256_OF_32M = "83ee47245398adee79bd9c0a8bc57b821e92aba10f5f9ade8a5d1fae4d8c4302"  # of zeros
SHA256_OF_4M = "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8"


class Linux(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernel, cls.modules = guests.kernel()
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.tmp = tmp.name
        cls.initrd = guests.initrd(os.path.join(cls.tmp, "initrd.gz"))

    def boot(self, name, *args, kernel=None, initrd=None, cmdline="console=ttyAMA0"):
        return guests.Guest("linux-" + name, "--kernel", kernel or self.kernel, "--initrd", initrd or self.initrd, "--cmdline", cmdline,
                            "--timeout", str(guests.LIMIT_S), "--stats=none", *args)

    def reach_shell(self, g):
        g.expect(rb"Booting Linux on physical CPU 0x0000000000")
        g.expect(rb"init: Linux [^\n]* is up")
        g.expect(rb"# ")

    def finish(self, g, command="poweroff -f", says=rb"reboot: Power down"):
        g.send(command + "\n")
        g.expect(says)
        self.assertEqual(g.end(), 0)
        g.check_no_trouble()

    def test_one_cpu(self):
        with self.boot("1cpu") as g:
            self.reach_shell(g)
            self.assertEqual(g.shell("nproc").strip(), "1")
            self.assertEqual(g.shell("echo $((6 * 7))").strip(), "42")
            self.assertEqual(g.shell("cat /proc/cmdline").strip(), "console=ttyAMA0")
            self.assertIn(SHA256_OF_32M, g.shell("dd if=/dev/zero bs=1M count=32 2>/dev/null | sha256sum"))
            # The same bytes by two ways through pipes, compressors and interpreters.
            self.assertEqual(g.shell("seq 1 20000 | gzip | zcat | md5sum"), g.shell("awk 'BEGIN{for(i=1;i<=20000;i++)print i}' | md5sum"))
            self.assertEqual(g.shell("echo '2^200' | bc").strip(), str(2 ** 200))
            x = 1.0
            for _ in range(40):
                x = (x + 3 / x) / 2 * 1.000001
            self.assertEqual(g.shell("awk 'BEGIN{x=1; for(i=0;i<40;i++) x=(x+3/x)/2*1.000001; printf \"%.17g\", x}'").strip(), "%.17g" % x)
            self.assertEqual(g.shell("for i in $(seq 200); do sh -c 'exit 0' || echo bad; done").strip(), "")
            self.assertRegex(g.shell("cat /proc/interrupts"), r"arch_timer")
            uptime = "cut -d' ' -f1 /proc/uptime | tr -d ." # hundredths of a second
            before = int(g.shell(uptime))
            g.shell("sleep 1")
            self.assertGreaterEqual(int(g.shell(uptime)) - before, 100)
            self.finish(g)

    def test_four_cpus(self):
        with self.boot("4cpu", "--cpus", "4") as g:
            self.reach_shell(g)
            self.assertEqual(g.shell("nproc").strip(), "4")
            work = "for c in 1 2 4 8; do taskset $c sh -c 'dd if=/dev/zero bs=1M count=4 2>/dev/null | sha256sum' & done; wait"
            self.assertEqual(g.shell(work).split().count(SHA256_OF_4M), 4)
            # Each CPU takes its own timer's interrupts.
            ticks = re.search(r"^ *\d+:((?: +\d+){4}) +GICv3 +27 Level +arch_timer", g.shell("cat /proc/interrupts"), re.M)
            self.assertTrue(all(int(n) > 10 for n in ticks.group(1).split()), ticks.group(0))
            # PSCI CPU_OFF and CPU_ON.
            for _ in range(3):
                g.shell("for c in 1 2 3; do echo 0 >/sys/devices/system/cpu/cpu$c/online; done")
                self.assertEqual(g.shell("nproc").strip(), "1")
                g.shell("for c in 3 1 2; do echo 1 >/sys/devices/system/cpu/cpu$c/online; done")
                self.assertEqual(g.shell("nproc").strip(), "4")
            self.finish(g)

    def test_gicv2(self):
        with self.boot("gicv2", "--gic", "2", "--cpus", "4") as g:
            self.reach_shell(g)
            ticks = re.search(r"^ *\d+:((?: +\d+){4}) +GIC-0 +27 Level +arch_timer", g.shell("cat /proc/interrupts"), re.M)
            self.assertTrue(all(int(n) > 10 for n in ticks.group(1).split()), ticks.group(0))
            g.shell("for c in 1 2 3; do echo 0 >/sys/devices/system/cpu/cpu$c/online; done")
            g.shell("for c in 3 1 2; do echo 1 >/sys/devices/system/cpu/cpu$c/online; done")
            self.assertEqual(g.shell("nproc").strip(), "4")
            self.assertNotIn(b"disabled by higher exception level", g.out)
            self.finish(g)

    def test_reboot(self):
        with self.boot("reboot", "--cpus", "2", cmdline="console=ttyAMA0 quiet") as g:
            for _ in range(2):
                g.expect(rb"init: Linux [^\n]* is up")
                g.expect(rb"# ")
                g.send("reboot -f\n")
            g.expect(rb"init: Linux [^\n]* with 2 CPUs is up")
            g.expect(rb"# ")
            self.finish(g)

    def test_no_reboot(self):
        with self.boot("no-reboot", "--no-reboot", "--cpus", "2") as g:
            self.reach_shell(g)
            self.finish(g, "reboot -f", rb"reboot: Restarting system")

    def test_compressed_with_earlycon(self):
        with open(self.kernel, "rb") as f:
            packed = gzip.compress(f.read(), 1)
        path = os.path.join(self.tmp, "Image.gz")
        with open(path, "wb") as f:
            f.write(packed)
        with self.boot("gzip", kernel=path, cmdline="earlycon console=ttyAMA0") as g:
            g.expect(rb"earlycon: pl11 at MMIO 0x0000000009000000")
            g.expect(rb"bootconsole \[pl11\] enabled")
            g.expect(rb"init: Linux [^\n]* is up")
            g.expect(rb"# ")
            self.finish(g)

    def test_zstd(self):
        if not shutil.which("zstd"):
            self.skipTest("zstd is not installed")
        path = os.path.join(self.tmp, "Image.zst")
        subprocess.run(["zstd", "-q", "-1", self.kernel, "-o", path], check=True, timeout=120)
        with self.boot("zstd", kernel=path, cmdline="console=ttyAMA0 quiet") as g:
            g.expect(rb"init: Linux [^\n]* is up")
            g.expect(rb"# ")
            self.finish(g)

    def test_script(self):
        """A guest that nobody talks to: what it prints is all there, the last line too."""
        disk = guests.initrd(os.path.join(self.tmp, "script.gz"), run="uname -m\nfor i in $(seq 1 500); do echo line $i; done\necho the end\n")
        with self.boot("script", initrd=disk, cmdline="console=ttyAMA0 quiet") as g:
            self.assertEqual(g.end(), 0)
            lines = g.out.replace(b"\r", b"").split(b"\n")
            self.assertIn(b"aarch64", lines)
            at = lines.index(b"line 1")
            self.assertEqual(lines[at:at + 501], [b"line %d" % i for i in range(1, 501)] + [b"the end"])

    def talk(self, name, text, *args, cmdline="console=ttyAMA0 quiet"):
        """A boot with a script: the finished process, and what --result says of it."""
        path, result = os.path.join(self.tmp, name + ".script"), os.path.join(self.tmp, name + ".json")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        p = subprocess.run([vibe.PROGRAM, "--kernel", self.kernel, "--initrd", self.initrd, "--cmdline", cmdline, "--script", path, "--result", result,
                            "--timeout", str(guests.LIMIT_S), "--stats=none", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=guests.LIMIT_S + 30, check=False)
        with open(result, encoding="utf-8") as f:
            return p, json.load(f)

    def test_talk(self):
        """--script: to the shell, commands, power off; with the kernel's messages in between, and all CPUs at it."""
        p, result = self.talk("talk", """
timeout 60
fail /Kernel panic|Oops|BUG:/
expect /Booting Linux on physical CPU/
expect /^init: Linux .* is up/
expect /# /
send "uname -m; echo sum=$((6 * 7))\\n"
expect /^aarch64$/
expect /^sum=42$/
expect /# /
send "echo 'o\\x6ee' x\\x7ftwo >f; cat f\\n"
expect /^one two$/
expect /# /
send "poweroff -f\\n"
expect /reboot: Power down/
end
""", "--cpus", "2", cmdline="console=ttyAMA0")
        self.assertEqual((p.returncode, result["reason"]), (0, "poweroff"), p.stderr)
        self.assertEqual({s["state"] for s in result["steps"]}, {"passed"})

    def test_talk_that_fails(self):
        p, result = self.talk("fails", "expect /# /\nsend \"echo c >/proc/sysrq-trigger\\n\"\nfail /Kernel panic/\nexpect 100 /never/\n")
        self.assertEqual((p.returncode, result["outcome"]), (5, "failed"), p.stderr)
        self.assertRegex(p.stderr.decode(), r"^vibevmm: .*fails.script:3: fail /Kernel panic/ has come: .*Kernel panic - not syncing: sysrq")
        self.assertIn("sysrq: Trigger a crash", result["console_tail"])

    def test_talk_is_deterministic(self):
        runs = set()
        for _ in range(2):
            p, result = self.talk("again", "expect /# /\nsend \"ls /proc | md5sum\\n\"\nexpect /^[0-9a-f]{32}  -/\n", "--deterministic", "--cpus", "2")
            self.assertEqual(p.returncode, 0, p.stderr)
            s = result["statistics"]
            runs.add((s["memory_hash"], tuple(v["instructions"] for v in s["vcpus"]), p.stdout))
        self.assertEqual(len(runs), 1, runs)

    def test_as_typed(self):
        """The README's command, which ends in ./run.sh --kernel Image --initrd initrd --cmdline "console=ttyAMA0"."""
        with guests.Guest("linux-as-typed", "--cpus", "2", program=os.path.join(vibe.ROOT, "tools", "debian_linux.sh")) as g:
            g.expect(rb"\./run\.sh --kernel [^ ]*vmlinuz[^ ]* --initrd [^ ]* --cmdline \"console=ttyAMA0\" --cpus 2\n")
            self.reach_shell(g)
            self.assertIn("virtio_rng", g.shell("lsmod"))
            self.finish(g)

    def test_on_the_vibe_machine(self):
        """RAM in two pieces, from 0 and from 1 GiB."""
        with self.boot("vibe", "--machine", "vibe", "--mem", "512M") as g:
            self.reach_shell(g)
            self.assertGreater(int(g.shell("awk '/MemTotal/{print $2}' /proc/meminfo")), 300000)
            self.finish(g)

    def test_much_memory(self):
        with self.boot("8G", "--mem", "8G", "--cpus", "2") as g:
            self.reach_shell(g)
            self.assertGreater(int(g.shell("awk '/MemTotal/{print $2}' /proc/meminfo")), 7 << 20)
            self.finish(g)


class Pages16K(unittest.TestCase):
    def test_boots(self):
        """Where the distribution has a kernel with 16 KiB pages."""
        kernel, _ = guests.kernel("linux-image-arm64-16k")
        with tempfile.TemporaryDirectory() as tmp:
            disk = guests.initrd(os.path.join(tmp, "initrd.gz"))
            with guests.Guest("linux-16k", "--kernel", kernel, "--initrd", disk, "--cmdline", "console=ttyAMA0", "--cpus", "2",
                              "--timeout", str(guests.LIMIT_S), "--stats=none") as g:
                g.expect(rb"init: Linux [^\n]* is up")
                g.expect(rb"# ")
                self.assertEqual(g.shell("getconf PAGESIZE").strip(), "16384")
                g.send("poweroff -f\n")
                self.assertEqual(g.end(), 0)
                g.check_no_trouble()


class PowerKey(unittest.TestCase):
    def test_event(self):
        """SIGTERM with --powerkey is a key press in Linux; the cloud kernel has no driver for it, the general one has."""
        kernel, modules = guests.kernel("linux-image-arm64")
        with tempfile.TemporaryDirectory() as tmp:
            disk = guests.initrd(os.path.join(tmp, "initrd.gz"), modules=(modules, "gpio_keys,evdev,qemu_fw_cfg"))
            with guests.Guest("linux-powerkey", "--kernel", kernel, "--initrd", disk, "--cmdline", "console=ttyAMA0 quiet", "--powerkey",
                              "--timeout", str(guests.LIMIT_S), "--stats=none") as g:
                g.expect(rb"init: Linux [^\n]* is up")
                g.expect(rb"# ")
                self.assertEqual(g.shell("cat /sys/firmware/qemu_fw_cfg/rev").strip(), "3")
                g.shell("test -e /dev/input/event0")
                g.begin_command("hexdump -v -e '12/2 \"%u \" \"\\n\"' -n 96 /dev/input/event0")
                time.sleep(1)  # until it waits
                g.process.terminate()
                # struct input_event: EV_KEY (1) KEY_POWER (116), pressed and released, and EV_SYN behind each.
                lines = [line.split()[8:11] for line in g.end_command("hexdump").split("\n")[:4]]
                self.assertEqual(lines, [["1", "116", "1"], ["0", "0", "0"], ["1", "116", "0"], ["0", "0", "0"]])
                g.send("poweroff -f\n")
                self.assertEqual(g.end(), 0)
                g.check_no_trouble()


if __name__ == "__main__":
    unittest.main()
