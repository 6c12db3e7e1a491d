"""The command line as a whole: help, version, exit statuses, what is written at the end, bytes to and from pipes."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import vibe


class Cli(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)

    def path(self, name):
        return os.path.join(self.tmp.name, name)

    def guest(self, code, name="guest.raw"):
        with open(self.path(name), "wb") as f:
            f.write(code)
        return ["--binary", self.path(name)]

    def test_help(self):
        p = vibe.run("--help")
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        text = p.stdout.decode()
        self.assertIn("Usage: vibevmm --binary FILE", text)
        topics = re.search(r"^Topics for --help: (.*)$", text, re.M).group(1).split()
        self.assertGreater(len(topics), 5)
        everything = vibe.run("--help", "all").stdout.decode()
        for topic in topics:
            p = vibe.run("--help", topic)
            self.assertEqual((p.returncode, p.stderr), (0, b""), topic)
            for line in p.stdout.decode().splitlines():
                self.assertIn(line, everything)
                self.assertEqual(line, line.rstrip())
                self.assertLessEqual(len(line), 100)
        self.assertEqual(vibe.run("-h").stdout.decode(), text)

    def test_help_of_an_option(self):
        self.assertIn(b"--mem SIZE", vibe.run("--help", "mem").stdout)

    def test_version(self):
        p = vibe.run("--version")
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        with open(os.path.join(vibe.ROOT, "VERSION")) as f:
            self.assertIn("vibevmm " + f.read().strip(), p.stdout.decode())
        for word in (b"build:", b"host:", b"backends:  soft", b"libfdt:", b"zlib:", b"zstd:", b"capstone:"):
            self.assertIn(word, p.stdout)

    def test_output_to_a_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        with open("/dev/full", "w") as full:
            p = subprocess.run([vibe.PROGRAM, "--help", "all"], stdout=full, stderr=subprocess.PIPE, timeout=vibe.LIMIT_S)
        self.assertEqual(p.returncode, 1)
        self.assertIn(b"No space left", p.stderr)

    def test_every_option_is_in_the_manual(self):
        with open(os.path.join(vibe.ROOT, "docs", "vibevmm.1")) as f:
            manual = f.read().replace("\\-", "-")
        options = re.findall(r"^  (--[a-z-]+)", vibe.run("--help", "all").stdout.decode(), re.M)
        self.assertGreater(len(options), 15)
        for o in options:
            self.assertRegex(manual, re.compile(r"^\.TP\n\.B[RI]? +\"?" + re.escape(o) + r"(?![a-z-])", re.M))
        for o in set(re.findall(r"^\.TP\n\.B[RI]? +\"?(--[a-z-]+)", manual, re.M)):
            self.assertIn(o, options, "the manual describes an option that is not there")

    def test_every_statistic_is_in_the_document(self):
        with open(os.path.join(vibe.ROOT, "docs", "statistics.md")) as f:
            text = f.read()
        with open(os.path.join(vibe.ROOT, "src", "spec", "exits.def")) as f:
            for key, label in re.findall(r'^EXIT\(\w+, "(\w+)", "([^"]+)"', f.read(), re.M):
                self.assertRegex(text, r"(?m)^\| `%s` \| %s \|" % (key, re.escape(label)))

    def test_power_off_is_0(self):
        p = vibe.run(*self.guest(vibe.POWER_OFF), "--stats=none")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, b"", b""))

    def test_no_reboot_is_0(self):
        p = vibe.run(*self.guest(vibe.RESET), "--no-reboot", "--stats=json", "--timeout", "20")
        self.assertEqual((p.returncode, p.stdout), (0, b""))
        self.assertEqual(json.loads(p.stderr)["result"], "reboot")

    def test_guest_code(self):
        call = (0x52B0C000, 0x72802000)  # mov w0, #0x86000100
        for code, word in ((0, 0x52800001), (42, 0x52800541), (255, 0x52801FE1), (255, 0x12800001)):  # mov w1, #...; the last is -1
            for conduit in (0xD4000002, 0xD4000003):  # hvc #0, smc #0
                p = vibe.run(*self.guest(vibe.code(*call, word, conduit, 0x14000000)), "--stats=json", "--timeout", "20")
                self.assertEqual(p.returncode, code, p.stderr)
                s = json.loads(p.stderr)
                self.assertEqual((s["result"], s["exit_status"]), ("exit", code))

    def test_timeout_is_3(self):
        start = time.monotonic()
        for code in (vibe.SPIN, vibe.WFI_LOOP):
            p = vibe.run(*self.guest(code), "--timeout", "0.3")
            self.assertEqual(p.returncode, 3, p.stderr)
        self.assertGreaterEqual(time.monotonic() - start, 0.6)

    def test_stuck_is_4(self):
        p = vibe.run(*self.guest(vibe.UNDEFINED), "--timeout", "20")
        self.assertEqual(p.returncode, 4, p.stderr)

    def test_keep_going(self):
        p = vibe.run(*self.guest(vibe.UNDEFINED), "--keep-going", "--timeout", "0.3")
        self.assertEqual(p.returncode, 3, p.stderr)

    def test_signals_are_128_and_their_number(self):
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            p = subprocess.Popen([vibe.PROGRAM, *self.guest(vibe.FLOOD[:-16] + vibe.SPIN), "--timeout", "30"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(p.stderr.close)
            self.addCleanup(p.stdout.close)
            self.addCleanup(p.stdin.close)
            p.stdout.read(1)  # it runs
            p.send_signal(sig)
            out, err = p.communicate(timeout=vibe.LIMIT_S)
            self.assertEqual(p.returncode, 128 + sig, err)
            self.assertIn("vCPU 0 Statistics", err.decode())

    def test_box_by_default(self):
        p = vibe.run(*self.guest(vibe.POWER_OFF))
        self.assertEqual((p.returncode, p.stdout), (0, b""))
        lines = p.stderr.decode().splitlines()
        self.assertEqual(lines[0], "╔" + "═" * 66 + "╗")
        self.assertEqual({len(line) for line in lines}, {68})
        self.assertTrue(any(re.match(r"║    HVC Exits: +1 +║$", line) for line in lines), lines)

    def test_json(self):
        file = self.path("stats.json")
        with open(file, "w") as f:
            f.write("x" * 10000)  # replaced, not appended to
        p = vibe.run(*self.guest(vibe.POWER_OFF), "--cpus", "2", "--stats=json:" + file)
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, b"", b""))
        with open(file) as f:
            s = json.load(f)
        self.assertEqual(s["schema"], 1)
        self.assertEqual((s["accel"], s["machine"], s["exit_status"]), ("soft", "vibe", 0))
        self.assertEqual(s["memory_bytes"], 128 << 20)
        self.assertEqual(len(s["vcpus"]), 2)
        v = s["vcpus"][0]
        self.assertEqual(v["exits"]["hvc"], 1)
        self.assertEqual(v["exits"]["total"], sum(n for k, n in v["exits"].items() if k != "total"))
        self.assertGreaterEqual(v["instructions"], 3)
        self.assertLessEqual(v["instructions"], 4)
        self.assertLessEqual(v["guest_ns"] + v["exit_ns"] + v["asleep_ns"], v["wall_ns"] * 1.01 + 1000)
        self.assertTrue(any(d["name"].startswith("pl011@") for d in s["devices"]))
        p = vibe.run(*self.guest(vibe.POWER_OFF), "--stats=json")
        self.assertEqual(json.loads(p.stderr)["schema"], 1)

    def test_dump_memory(self):
        a, b = self.path("a"), self.path("b")
        blob = os.urandom(5000)
        with open(self.path("blob"), "wb") as f:
            f.write(blob)
        p = vibe.run(*self.guest(vibe.POWER_OFF), "--stats=none", "--load", self.path("blob") + "@0x200000",
                     "--dump-memory", "0x10000:16=" + a, "--dump-memory", "0x1fffff:5002=" + b)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        with open(a, "rb") as f:
            self.assertEqual(f.read(), vibe.POWER_OFF)
        with open(b, "rb") as f:
            self.assertEqual(f.read(), b"\0" + blob + b"\0")

    def test_elf(self):
        for base in (0x80000, 0x40080000):
            with open(self.path("k.elf"), "wb") as f:
                f.write(vibe.elf([(5, base, vibe.POWER_OFF, 0x1000)], base))
            p = vibe.run("--kernel", self.path("k.elf"), "--stats=json", "--timeout", "10")
            self.assertEqual(p.returncode, 0, p.stderr)
            self.assertEqual(json.loads(p.stderr)["machine"], "virt" if base >= 0x40000000 else "vibe")

    @unittest.skipUnless(sys.platform.startswith("linux"), "/proc")
    def test_memory_is_not_touched_until_used(self):
        hello = vibe.code(0xD2A12001, 0x39000020, 0x14000000)  # mov x1, #0x09000000; strb w0, [x1]; b .
        p = subprocess.Popen([vibe.PROGRAM, *self.guest(hello), "--mem", "512M", "--timeout", "50"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        p.stdout.read(1)  # it runs
        with open("/proc/%d/status" % p.pid) as f:
            resident_kib = int(re.search(r"^VmRSS:\s+(\d+) kB", f.read(), re.M).group(1))
        p.kill()
        p.wait()
        p.stdout.close()
        self.assertLess(resident_kib, 64 << 10)

    def test_raw_from_a_pipe(self):
        r, w = os.pipe()
        os.write(w, vibe.POWER_OFF)
        os.close(w)
        p = vibe.run("--binary", "/dev/fd/%d" % r, "--stats=none", pass_fds=(r,))
        os.close(r)
        self.assertEqual((p.returncode, p.stderr), (0, b""))

    def test_output_to_a_pipe_without_loss(self):
        """A reader that is slow to begin, and reads little at a time."""
        p = subprocess.Popen([vibe.PROGRAM, *self.guest(vibe.FLOOD), "--stats=none"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.3)
        got = b""
        while True:
            piece = os.read(p.stdout.fileno(), 777)
            if not piece:
                break
            got += piece
        _, err = p.communicate(timeout=vibe.LIMIT_S)
        self.assertEqual((p.returncode, err), (0, b""))
        self.assertTrue(got == vibe.flood_bytes(), "%d bytes of %d" % (len(got), vibe.NR_FLOOD))

    def test_reader_that_goes_away(self):
        p = subprocess.Popen([vibe.PROGRAM, *self.guest(vibe.FLOOD), "--stats=none"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.read(1)
        p.stdout.close()
        p.wait(timeout=vibe.LIMIT_S)
        p.stderr.close()
        self.assertEqual(p.returncode, 0)

    def test_reader_that_hangs(self):
        """Nobody reads the console's pipe: the timeout and signals still end it, with their status."""
        for sig in (None, signal.SIGTERM):
            r, w = os.pipe()
            p = subprocess.Popen([vibe.PROGRAM, *self.guest(vibe.FLOOD), "--timeout", "50" if sig else "0.5"],
                                 stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.PIPE)
            os.close(w)
            if sig:
                time.sleep(0.3)
                p.send_signal(sig)
            _, err = p.communicate(timeout=20)
            os.close(r)
            self.assertEqual(p.returncode, 128 + sig if sig else 3, err)
            self.assertIn(b"did not stop", err)

    def test_input_from_a_pipe_without_loss(self):
        """Every byte value, the escape key's too: from a pipe nothing is a key."""
        data = bytes(range(256)) * 64
        p = subprocess.Popen([vibe.PROGRAM, *self.guest(vibe.ECHO), "--stats=none", "--timeout", "50"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(p.stderr.close)
        p.stdin.write(data)
        p.stdin.close()
        got = p.stdout.read(len(data))
        p.stdout.close()
        p.send_signal(signal.SIGTERM)
        p.wait(timeout=vibe.LIMIT_S)
        self.assertTrue(got == data, "%d bytes" % len(got))

    def test_run_sh_from_elsewhere(self):
        p = subprocess.run([os.path.join(vibe.ROOT, "run.sh"), "--binary", "guest.raw", "--stats=none"],
                           cwd=os.path.dirname(self.guest(vibe.POWER_OFF)[1]), stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900)
        self.assertEqual((p.returncode, p.stdout), (0, b""), p.stderr)


if __name__ == "__main__":
    unittest.main()
