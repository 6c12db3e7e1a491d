"""The debugger tests' guest, gdb's own program, and a client that speaks the remote protocol byte by byte."""
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
import unittest

import vibe

GDB = shutil.which("gdb-multiarch")
CROSS = "aarch64-linux-gnu-gcc"
HERE = os.path.join(vibe.ROOT, "tests", "gdb")


def guest(folder):
    """The ELF of tests/gdb, with its debug information."""
    if not shutil.which(CROSS):
        raise unittest.SkipTest("%s is not installed" % CROSS)
    path = os.path.join(folder, "guest.elf")
    subprocess.run([CROSS, "-O1", "-g", "-Wall", "-Werror", "-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-mcmodel=large", "-mgeneral-regs-only",
                    "-fno-stack-protector", "-Wl,--build-id=none,--no-warn-rwx-segments", "-Wl,-T," + os.path.join(HERE, "guest.ld"), "-o", path,
                    os.path.join(HERE, "start.S"), os.path.join(HERE, "guest.c")], check=True, timeout=vibe.LIMIT_S)
    return path


class Example:
    """The example of a page in docs/: what is to be typed, at each prompt. The first of debugging.md's commands builds the program."""

    def __init__(self, page, folder):
        with open(os.path.join(vibe.ROOT, "docs", page), encoding="utf-8") as f:
            text = f.read().split("## From a crash to its cause, by example\n", 1)[1].split("\n## ", 1)[0]
        text = "".join(re.findall(r"(?ms)^```\n(.*?)^```$", text)).replace("\\\n", "")
        self.elf = os.path.join(folder, "crash.elf")
        self.commands = {start: [m.replace("crash.elf", self.elf) for m in re.findall(r"(?m)^%s (.*)$" % re.escape(start), text)] for start in ("$", "(gdb)")}

    def build_first(self):
        if not shutil.which(CROSS):
            raise unittest.SkipTest("%s is not installed" % CROSS)
        subprocess.run(self.commands["$"][0].split(), check=True, cwd=vibe.ROOT, timeout=vibe.LIMIT_S)


class Machine:
    """vibevmm with a gdb server on a port of its own choice. Use it in a with statement."""

    def __init__(self, *args, where="0", stats="none"):
        self.process = subprocess.Popen([vibe.PROGRAM, "--gdb", where, "--timeout", str(vibe.LIMIT_S), "--stats=" + stats, *args],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = b""
        m = self.expect(rb"target remote (\S+)")
        self.where = m.group(1).decode()

    def expect(self, pattern):
        """What it says on standard error."""
        deadline = time.monotonic() + vibe.LIMIT_S
        while True:
            m = re.search(pattern + rb".*\n", self.said)
            if m:
                return m
            if not select.select([self.process.stderr], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError("%r did not come: %r" % (pattern, self.said))
            piece = os.read(self.process.stderr.fileno(), 65536)
            if not piece:
                raise AssertionError("the end came before %r: %r" % (pattern, self.said))
            self.said += piece

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def end(self):
        """Its status, when it ends by itself."""
        out, err = self.process.communicate(timeout=vibe.LIMIT_S)
        self.said += err
        return self.process.returncode

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)


def gdb(machine, *commands, elf=None, before=()):
    """What gdb prints for the commands, which it takes until one fails."""
    if not GDB:
        raise unittest.SkipTest("gdb-multiarch is not installed")
    args = [GDB, "-nx", "-q", "-batch"]
    for c in ("set confirm off", "set pagination off", "set width 0", "set style enabled off", "set remotetimeout 30", *before,
              "target remote " + machine.where.replace("unix:", ""), *commands):
        args += ["-ex", c]
    if elf:
        args.append(elf)
    p = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=vibe.LIMIT_S,
                       start_new_session=True)
    return p.stdout.decode(errors="replace")


# mov x0, #0; 4: add x0, x0, #1; str x0, [x5]; b 4. For every_backend().
COUNTING = vibe.code(0xD2800000, 0x91000400, 0xF90000A0, 0x17FFFFFE)


def every_backend(c, points):
    """What a debugger has on each backend, of a machine that waits at COUNTING's first instruction, 0x10000, with memory at 0. points: of
    those that a host's CPU has few of, more than there are; None: they have no end."""
    here = lambda: (c.pc() - 0x10000, c.registers()[0])
    assert here()[0] == 0
    assert c.ask("Z1,10004,4") == b"OK"
    for n in range(3):  # what it stopped at is passed
        assert b"hwbreak" in c.ask("vCont;c")
        assert here() == (4, n), here()
    assert c.ask("vCont;s")[:3] == b"T05"
    assert here() == (8, 3), here()
    assert c.ask("z1,10004,4") == b"OK"
    assert c.ask("Z2,0,8") == b"OK"
    for n in range(3):
        assert b"watch:0;" in c.ask("vCont;c")
        assert here() == (8, 3 + n), here()
    assert c.ask("z2,0,8") == b"OK"
    assert c.ask("vCont;s")[:3] == b"T05"
    assert here() == (12, 5), here()
    assert c.ask("m0,8") == b"0500000000000000"
    if points:
        made = [c.ask("Z1,%x,4" % (0x10100 + 4 * n)) for n in range(points)]
        assert made[0] == b"OK" and made[-1][:1] == b"E", made
        for n in range(points):
            c.ask("z1,%x,4" % (0x10100 + 4 * n))
    c.send("vCont;c")
    c.raw(b"\x03")
    assert c.answer()[:3] == b"T02"
    assert c.registers()[0] >= 5
    # Registers and an instruction that are written, a step of a range, the machine started again.
    number = lambda n, size=8: n.to_bytes(size, "little").hex()
    assert c.ask("P20=" + number(0x10004)) == c.ask("P0=" + number(7)) == b"OK"
    assert c.ask("M10004,4:" + number(0x91000800, 4)) == b"OK"  # add x0, x0, #2
    assert c.ask("vCont;r10004,1000c")[:3] == b"T05"
    assert here() == (12, 9), here()
    for command, says in (("cpus", r"(?m)^\* vCPU 0  on +pc 0x0*1000c "), ("regs", r"(?m)^x0  0x0*9 "), ("pagewalk 0x10004", "0x0*10004"),
                          ("devices", "pl011@9000000"), ("exits", "Debug Exits"), ("stats", "vCPU 0 Statistics")):
        assert re.search(says, c.monitor(command)), (command, c.text)
    # Between two steps the guest's clock stands still, as between a pause and its end.
    assert c.ask("M10004,8:" + number(0xD53BE040, 4) + number(0xD53BE001, 4)) == b"OK"  # mrs x0, CNTVCT_EL0; mrs x1, CNTFRQ_EL0
    counts, start = [], time.monotonic()
    for wait_s in (0.5, 0):
        assert c.ask("P20=" + number(0x10004)) == b"OK"
        assert c.ask("vCont;s")[:3] == c.ask("vCont;s")[:3] == b"T05"
        counts.append(c.registers()[0] / c.registers()[1])
        time.sleep(wait_s)
    assert 0 < counts[1] - counts[0] < time.monotonic() - start - 0.5, counts
    c.monitor("reset")
    assert here()[0] == 0, here()
    assert c.ask("m10004,4") == number(0x91000400, 4).encode()
    c.ask("D")


class Client:
    """A debugger that sends what it is told to. connection: instead of the machine's, what has a socket's sendall() and recv()."""

    def __init__(self, machine, acks=False, connection=None):
        if connection:
            self.socket = connection
        elif machine.where.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(machine.where[5:])
        else:
            host, port = machine.where.rsplit(":", 1)
            self.socket = socket.create_connection((host.strip("[]"), int(port)))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not connection:
            self.socket.settimeout(vibe.LIMIT_S)
        self.input = b""
        self.acks = True
        self.text = ""  # of O packets
        if not acks:
            assert self.ask("QStartNoAckMode") == b"OK"
            self.acks = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def raw(self, data):
        self.socket.sendall(data)

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        escaped = b"".join(b"}" + bytes([c ^ 0x20]) if c in b"#$}" else bytes([c]) for c in data)
        self.raw(b"$" + escaped + b"#%02x" % (sum(escaped) & 0xFF))

    def more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError("the connection is closed")
        self.input += piece

    def byte(self):
        while not self.input:
            self.more()
        b, self.input = self.input[:1], self.input[1:]
        return b

    def receive(self):
        """The next packet, or with its % a notification."""
        while True:
            lead = self.byte()
            if lead in (b"$", b"%"):
                break
            assert lead in (b"+", b"-"), lead
        while b"#" not in self.input or len(self.input) < self.input.index(b"#") + 3:
            self.more()
        end = self.input.index(b"#")
        body, total = self.input[:end], int(self.input[end + 1:end + 3], 16)
        self.input = self.input[end + 3:]
        assert sum(body) & 0xFF == total, (body, total)
        if self.acks and lead == b"$":
            self.raw(b"+")
        out = bytearray()
        i = 0
        while i < len(body):
            if body[i] == 0x7D:
                out.append(body[i + 1] ^ 0x20)
                i += 2
            elif body[i] == 0x2A:
                out += out[-1:] * (body[i + 1] - 29)
                i += 2
            else:
                out.append(body[i])
                i += 1
        return (b"%" if lead == b"%" else b"") + bytes(out)

    def answer(self):
        """The next packet that is no text for the user."""
        while True:
            p = self.receive()
            if p[:1] != b"O" or p == b"OK":
                return p
            self.text += bytes.fromhex(p[1:].decode()).decode()

    def ask(self, data):
        self.send(data)
        return self.answer()

    def monitor(self, command):
        self.text = ""
        answer = self.ask("qRcmd," + command.encode().hex())
        assert answer == b"OK", (command, answer)
        return self.text

    def registers(self, thread=1):
        assert self.ask("Hg%x" % thread) == b"OK"
        data = bytes.fromhex(self.ask("g").decode())
        return [int.from_bytes(data[8 * n:8 * n + 8], "little") for n in range(33)]

    def pc(self, thread=1):
        return self.registers(thread)[32]

    def closed(self):
        """Whether the other side closes the connection."""
        try:
            while True:
                self.more()
        except (EOFError, ConnectionResetError):
            return True
        except socket.timeout:
            return False
