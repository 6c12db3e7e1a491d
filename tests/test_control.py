"""The control socket: vibevmm ctl, and QMP as programs speak it that know QEMU's."""
import contextlib
import json
import os
import socket
import subprocess
import threading
import time
import unittest

import vibe

# Counts in x0, for ever; and says "hello" on the PL011 first.
COUNT = vibe.code(
    0xD2A12001,  # mov x1, #0x09000000
    *(w for c in b"hello\nworld" for w in (0x52800002 | c << 5, 0x39000022)),  # mov w2, #c; strb w2, [x1]
    0xD2800000,  # mov x0, #0
    0x91000400,  # 1: add x0, x0, #1
    0x17FFFFFF,  # b 1b
)
LOOP = 0x10000 + len(COUNT) - 8


class Client:
    """A QMP client of its own."""

    def __init__(self, path, negotiate=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(vibe.LIMIT_S)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.events = []
        self.greeting = json.loads(self.file.readline())
        if negotiate:
            assert self.ask("qmp_capabilities") == {"return": {}}

    def send(self, raw):
        self.socket.sendall(raw)

    def receive(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def answer(self):
        while True:
            v = self.receive()
            if v is None or "event" not in v:
                return v
            self.events.append(v["event"])

    def ask(self, command, **arguments):
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self.send(json.dumps(request).encode() + b"\n")
        return self.answer()

    def wait_event(self, name):
        while name not in self.events:
            v = self.receive()
            if v is None:
                raise AssertionError("no event %s: %s" % (name, self.events))
            if "event" in v:
                self.events.append(v["event"])

    def close(self):
        self.file.close()
        self.socket.close()


def has_jansson():
    return b"no control socket" not in vibe.run("--version").stdout


@unittest.skipUnless(has_jansson(), "a build without libjansson")
class Control(vibe.InFolder):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.tmp, "socket")

    @contextlib.contextmanager
    def running(self, code=COUNT, *args):
        binary = os.path.join(self.tmp, "code")
        with open(binary, "wb") as f:
            f.write(code)
        p = subprocess.Popen([vibe.PROGRAM, "--binary", binary, "--control", "unix:" + self.path, "--stats=none", "--timeout", str(vibe.LIMIT_S), *args],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            for _ in range(500):
                if os.path.exists(self.path) or p.poll() is not None:
                    break
                time.sleep(0.01)
            yield p
        finally:
            p.kill()
            p.communicate()

    def ctl(self, *words, status=0):
        p = subprocess.run([vibe.PROGRAM, "ctl", self.path, *words], capture_output=True, text=True, timeout=vibe.LIMIT_S, check=False)
        self.assertEqual(p.returncode, status, p.stderr)
        return p.stderr if status else p.stdout

    def test_ctl(self):
        with self.running() as p:
            self.assertEqual(self.ctl("status"), "running\n")
            for _ in range(500):
                if self.ctl("console") == "hello\nworld\n":
                    break
            self.assertEqual(self.ctl("console", "1"), "world\n")
            self.assertEqual(self.ctl("pause"), "")
            self.assertEqual(self.ctl("status"), "paused\n")
            registers = dict(line.split() for line in self.ctl("registers").splitlines())
            self.assertIn(int(registers["pc"], 16), (LOOP, LOOP + 4))
            self.assertEqual(registers["MIDR_EL1"], dict(line.split() for line in self.ctl("registers", "0").splitlines())["MIDR_EL1"])
            before = self.ctl("registers")
            self.assertEqual(self.ctl("registers"), before)  # it stands still
            stats = json.loads(self.ctl("stats"))
            self.assertEqual(stats["devices"][-1]["name"][:6], "virtio")
            self.assertGreater(stats["vcpus"][0]["instructions"], 20)
            self.assertEqual(self.ctl("memory", "0x10000", "8"), "0000000000010000  01 20 a1 d2 02 0d 80 52" + " " * 24 + "  . .....R\n")
            self.assertEqual(self.ctl("memory", "0x10000", "8"), self.ctl("memory", "0x10000", "8", "physical"))
            self.ctl("resume")
            first = self.ctl("registers")
            self.assertNotEqual(self.ctl("registers"), first)
            self.ctl("reset")
            self.assertEqual(json.loads(self.ctl("cpus"))[0]["vibe-state"], "on")
            self.assertEqual(self.ctl("stop"), "")
            out, err = p.communicate(timeout=vibe.LIMIT_S)
            self.assertEqual((p.returncode, err), (0, b""))
            self.assertTrue(out.startswith(b"hello"))
        self.assertFalse(os.path.exists(self.path))

    def test_snapshot(self):
        saved = os.path.join(self.tmp, "saved")
        with self.running():
            for _ in range(500):
                if self.ctl("console") == "hello\nworld\n":
                    break
            self.ctl("pause")
            before = self.ctl("registers")
            self.ctl("snapshot", saved)
            self.assertEqual(self.ctl("registers"), before)
            self.assertIn("/nowhere/x", self.ctl("snapshot", "/nowhere/x", status=1))
        p = subprocess.Popen([vibe.PROGRAM, "--snapshot-load", saved, "--control", "unix:" + self.path + "2", "--stats=none", "--gdb", "0", "--wait"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(p.communicate)
        self.addCleanup(p.kill)
        self.path += "2"
        for _ in range(500):
            if os.path.exists(self.path):
                break
            time.sleep(0.01)
        self.assertEqual(self.ctl("registers").splitlines()[:34], before.splitlines()[:34])

    def test_fork(self):
        """Each variant has a socket of its own."""
        saved = os.path.join(self.tmp, "saved")
        with self.running():
            self.ctl("snapshot", saved)
        p = subprocess.Popen([vibe.PROGRAM, "fork", "--snapshot-load", saved, "--count", "2", "--jobs", "2", "--control", "unix:" + self.path,
                              "--timeout", str(vibe.LIMIT_S)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(p.communicate)
        self.addCleanup(p.kill)
        for self.path in (self.path + ".1", self.path + ".2"):
            for _ in range(500):
                if os.path.exists(self.path):
                    break
                time.sleep(0.01)
            self.assertEqual(self.ctl("status"), "running\n")
        self.ctl("stop")
        self.path = self.path[:-1] + "1"
        self.ctl("stop")
        self.assertEqual(p.wait(vibe.LIMIT_S), 0)

    def test_any_bytes_on_the_console(self):
        with self.running(vibe.printing("\u00fcber ".encode() + b"\xc3\xff|\n.", vibe.SPIN)):
            for _ in range(500):
                if self.ctl("console", "2").endswith("\n.\n"):
                    break
                time.sleep(0.01)
            self.assertEqual(self.ctl("console", "2"), "\u00fcber \ufffd\ufffd|\n.\n")

    def test_ctl_mistakes(self):
        self.assertIn("is a VM running", self.ctl("status", status=1))
        with self.running():
            self.assertIn("there is no command", self.ctl("halt", status=2))
            self.assertIn("it is: vibevmm ctl PATH memory ADDR", self.ctl("memory", status=2))
            self.assertIn("is no number", self.ctl("memory", "here", status=2))
            self.assertIn("no memory at 0x9000000", self.ctl("memory", "0x9000000", status=1))
            self.assertIn("up to 65536", self.ctl("memory", "0", "65537", status=1))
            self.assertIn("up to 0", self.ctl("registers", "1", status=1))
            self.assertIn("not a JSON object", self.ctl("qmp", "[1]", status=2))
            self.assertIn("query-block tells", self.ctl("eject", "disk0", status=1))
        p = vibe.run("--binary", "x", "--control", "/tmp/x")
        self.assertEqual(p.returncode, 2)
        self.assertIn(b"unix:PATH", p.stderr)

    def test_qmp(self):
        with self.running() as p:
            c = Client(self.path, negotiate=False)
            self.assertIn("version", c.greeting["QMP"])
            self.assertEqual(c.ask("query-status")["error"]["class"], "CommandNotFound")
            self.assertEqual(c.ask("qmp_capabilities"), {"return": {}})
            self.assertEqual(c.ask("qmp_capabilities")["error"]["class"], "CommandNotFound")
            names = [x["name"] for x in c.ask("query-commands")["return"]]
            self.assertIn("query-status", names)
            self.assertEqual(c.ask("query-status")["return"], {"running": True, "singlestep": False, "status": "running"})
            other = Client(self.path)
            self.assertEqual(c.ask("stop"), {"return": {}})
            self.assertEqual(c.ask("stop"), {"return": {}})
            self.assertEqual(other.ask("query-status")["return"]["status"], "paused")
            self.assertEqual(other.ask("cont"), {"return": {}})
            c.wait_event("RESUME")
            self.assertEqual(c.events, ["STOP", "RESUME"])
            self.assertEqual(c.ask("system_reset"), {"return": {}})
            c.wait_event("RESET")
            # A guest that was stopped is still so when who stopped it has gone.
            other.ask("stop")
            other.close()
            self.assertEqual(c.ask("query-status")["return"]["running"], False)
            self.assertEqual(c.ask("system_reset"), {"return": {}})
            self.assertEqual(c.ask("vibe-registers")["return"]["pc"], "0x10000")
            c.send(b'{"execute": "quit", "id": [1, {"a": null}]}\n')
            self.assertEqual(c.answer(), {"return": {}, "id": [1, {"a": None}]})
            c.wait_event("SHUTDOWN")
            self.assertIsNone(c.receive())
            c.close()
            self.assertEqual(p.wait(timeout=vibe.LIMIT_S), 0)

    def test_shutdown_by_the_guest(self):
        with self.running(vibe.WFI_LOOP) as p:
            c = Client(self.path)
            c.ask("stop")
            with open(os.path.join(self.tmp, "code"), "wb") as f:
                f.write(vibe.POWER_OFF)
            c.ask("system_reset")  # images are read again
            c.ask("cont")
            event = c.receive()
            while event["event"] != "SHUTDOWN":
                event = c.receive()
            self.assertEqual(event["data"]["guest"], True)
            self.assertEqual(event["data"]["reason"], "guest-shutdown")
            self.assertEqual(p.wait(timeout=vibe.LIMIT_S), 0)
            c.close()

    def test_requests_that_are_none(self):
        with self.running():
            c = Client(self.path)
            for raw, want in ((b"nonsense", "JSON parse error"), (b"[]", "expecting an object"), (b'{"execute": 1}', "lacks member"),
                              (b'{"execute": "stop", "arguments": 3}', "must be an object"), (b'{"a":1,"a":2}', "JSON parse error"),
                              (b'{"execute": "stop", "arguments": {"x": 1}}', "'x' is unexpected"), (b'{"execute": "hlat"}', "has not been found"),
                              (b'{"execute": "vibe-memory-read"}', "is missing"), (b"\xff\xfe", "JSON parse error"),
                              (b'{"execute": "vibe-memory-read", "arguments": {"address": -1}}', "must be a number"),
                              (b'{"execute": "vibe-memory-read", "arguments": {"address": "0x1g"}}', "must be a number"),
                              (b'{"execute": "vibe-memory-read", "arguments": {"address": "0", "space": "io"}}', "virtual or physical"),
                              (b"[" * 3000, "JSON parse error"), (b"x" * 70000, "longer than 64 KiB"), (b'{"execute": "' + b"\xc3\xbc" * 200 + b'"}', "")):
                c.send(raw + b"\n")
                self.assertIn(want, c.answer()["error"]["desc"])
            c.send(b"\r\n  \n\n")  # nothing was asked
            self.assertEqual(c.ask("query-status")["return"]["status"], "running")
            # All in one, and byte by byte.
            c.send(b'{"execute": "stop"}\n{"execute": "query-status"}\n')
            self.assertEqual([c.answer(), c.answer()["return"]["status"]], [{"return": {}}, "paused"])
            for byte in b'{"execute": "cont"}\n':
                c.send(bytes([byte]))
            self.assertEqual(c.answer(), {"return": {}})
            # Who does not read is cut off, and nobody waits for them.
            deaf = socket.socket(socket.AF_UNIX)
            deaf.connect(self.path)
            deaf.settimeout(vibe.LIMIT_S)
            with contextlib.suppress(OSError):
                deaf.sendall(b'{"execute": "qmp_capabilities"}\n')
                for _ in range(600):
                    deaf.sendall(b'{"execute": "vibe-registers"}\n')
            self.assertEqual(c.ask("query-status")["return"]["status"], "running")
            deaf.close()
            many = [Client(self.path) for _ in range(14)]
            extra = socket.socket(socket.AF_UNIX)
            extra.settimeout(vibe.LIMIT_S)
            extra.connect(self.path)
            with contextlib.suppress(OSError):
                more = [socket.socket(socket.AF_UNIX) for _ in range(3)]
                for s in more:
                    s.connect(self.path)
                self.assertIn(b"", [s.recv(1) for s in more])
            for m in many:
                m.close()
            c.close()

    def test_under_load(self):
        """Pauses and resumes, registers and statistics, from four clients at a time, of four CPUs that run."""
        with self.running(COUNT, "--cpus", "4"):
            failures = []

            def work():
                try:
                    c = Client(self.path)
                    for _ in range(25):
                        for command in ("stop", "vibe-registers", "cont", "vibe-statistics", "query-cpus-fast"):
                            if "return" not in c.ask(command):
                                failures.append(command)
                    c.close()
                except (OSError, AssertionError) as e:
                    failures.append(e)
            threads = [threading.Thread(target=work) for _ in range(4)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
