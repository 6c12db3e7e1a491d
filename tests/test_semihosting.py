"""Semihosting: what guests ask of the host by HLT #0xF000. Its calls one by one are the kernel semihosting's (test_kernels.py)."""
import json
import os
import re
import stat
import struct
import subprocess
import unittest

import vibe

(SYS_OPEN, SYS_WRITE0, SYS_WRITE, SYS_READ, SYS_READC, SYS_REMOVE, SYS_RENAME, SYS_EXIT, SYS_EXIT_EXTENDED, SYS_TIME, SYS_ELAPSED, SYS_GET_CMDLINE,
 SYS_HEAPINFO) = (0x01, 0x04, 0x05, 0x06, 0x07, 0x0E, 0x0F, 0x18, 0x20, 0x11, 0x30, 0x15, 0x16)
APPLICATION_EXIT = 0x20026
ENTRY = 0x10000
DATA = 0x20000
HLT = 0xD45E0000


def movz(reg, value):
    """The value into a register, by movz and movk."""
    return [0xD2800000 | (value & 0xFFFF) << 5 | reg] + [
        0xF2800000 | n << 21 | (value >> 16 * n & 0xFFFF) << 5 | reg for n in range(1, 4) if value >> 16 * n & 0xFFFF]


class Program:
    """A guest's code, and what lies at DATA."""

    def __init__(self):
        self.words, self.data = [], b""

    def put(self, content):
        at = DATA + len(self.data)
        self.data += content + bytes(-len(content) % 16)
        return at

    def call(self, number, *words, x1=None):
        """With a parameter block of these words, or x1 as it is."""
        if x1 is None:
            x1 = self.put(b"".join(struct.pack("<Q", w & (1 << 64) - 1) for w in words))
        self.words += movz(0, number) + movz(1, x1) + [HLT]
        return self

    def exit(self, code, reason=APPLICATION_EXIT):
        return self.call(SYS_EXIT, reason, code)

    def exit_with_result(self):
        """The low byte of the last answer."""
        at = self.put(struct.pack("<QQ", APPLICATION_EXIT, 0))
        self.words += movz(1, at) + [0x92401C00, 0xF9000420]  # and x0, x0, #0xff; str x0, [x1, #8]
        self.words += movz(0, SYS_EXIT) + [HLT]
        return self

    def open(self, name, mode):
        name = name.encode() if isinstance(name, str) else name
        return self.call(SYS_OPEN, self.put(name + b"\0"), mode, len(name))


class Semihosting(vibe.InFolder):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("files"))

    def args(self, program, *more, folder=True, stats="none"):
        with open(self.path("code"), "wb") as f:
            f.write(vibe.code(*program.words, 0x14000000))
        with open(self.path("data"), "wb") as f:
            f.write(program.data or bytes(4))
        return ["--binary", self.path("code"), "--load", "%s@0x%x" % (self.path("data"), DATA), "--stats=" + stats, "--timeout", "30",
                "--semihosting=" + self.path("files") if folder is True else folder, *more]

    def run_program(self, program, *more, stdin=b"", **options):
        return vibe.run(*self.args(program, *more, **options), stdin=stdin)

    def test_exit_status(self):
        for call in (SYS_EXIT, SYS_EXIT_EXTENDED):
            for reason, code, status in ((APPLICATION_EXIT, 0, 0), (APPLICATION_EXIT, 42, 42), (APPLICATION_EXIT, 255, 255),
                                         (APPLICATION_EXIT, 256, 255), (APPLICATION_EXIT, -1, 255), (0x20023, 0, 1), (0, 0, 1)):
                p = self.run_program(Program().call(call, reason, code))
                self.assertEqual((p.returncode, p.stdout, p.stderr), (status, b"", b""), (call, reason, code))
        # A parameter block that is not there.
        self.assertEqual(self.run_program(Program().call(SYS_EXIT, x1=0x30000000)).returncode, 1)

    def test_without_the_option_it_is_undefined(self):
        for accel in ("soft", "soft,jit=off"):
            p = vibe.run("--binary", self.args(Program().exit(0))[1], "--stats=none", "--timeout", "20", "--accel", accel)
            self.assertEqual(p.returncode, 4, p.stderr)

    def test_only_at_el1_unless_told(self):
        # At EL0: to where this code goes on.
        drop = movz(3, ENTRY + 4 * 7) + [0xD5184023, 0xD5184003 & ~0x1F | 31, 0xD5033FDF]  # msr ELR_EL1, x3; msr SPSR_EL1, xzr; isb
        program = Program()
        program.words = drop + [0xD69F03E0]  # eret
        program.words[0:0] = [0xD503201F] * (7 - len(program.words))  # nops before
        program.exit(7)
        self.assertEqual(self.run_program(program, folder="--semihosting").returncode, 4)
        self.assertEqual(self.run_program(program, folder="--semihosting=,el0").returncode, 7)

    def test_native_backends_say_no(self):
        for accel in ("kvm", "hvf"):
            p = self.run_program(Program().exit(0), "--accel", accel)
            self.assertEqual((p.returncode, p.stdout), (2, b""))
            self.assertEqual(p.stderr.decode(), "vibevmm: --accel %s and --semihosting contradict each other: only the software CPU has that\n" % accel)

    def test_bad_options(self):
        for option, why in (("--semihosting=/none/x", "--semihosting: /none/x: No such file or directory"),
                            ("--semihosting=" + self.path("files") + ",rw", '"rw" is neither ro nor el0'),
                            ("--semihosting=/etc/passwd", "not a folder")):
            p = self.run_program(Program().exit(0), folder=option)
            self.assertEqual(p.returncode, 2)
            self.assertIn(why, p.stderr.decode())
        p = vibe.run("--binary", "x", "--semihosting-arg", "y")
        self.assertEqual((p.returncode, p.stderr), (2, b"vibevmm: --semihosting-arg needs --semihosting: nobody else would ask for it\n"))

    # ---- Files

    def try_open(self, name, mode=0, folder=True):
        """Whether it opens, as the exit status: 0 or 255 (-1)."""
        p = self.run_program(Program().open(name, mode).exit_with_result(), folder=folder)
        self.assertIn(p.returncode, (1, 255), (name, p.stderr))
        return p.returncode == 1

    def test_sandbox(self):
        files = self.path("files")
        with open(self.path("secret"), "w") as f:
            f.write("secret")
        with open(os.path.join(files, "in"), "w") as f:
            f.write("in")
        os.mkdir(os.path.join(files, "sub"))
        os.symlink("../secret", os.path.join(files, "link"))
        os.symlink("..", os.path.join(files, "up"))
        os.symlink("in", os.path.join(files, "inner"))
        os.mkfifo(os.path.join(files, "fifo"))
        for name in ("in", "/in", "./in", "sub/../in", "../in", "../../../in", "//sub//..//in", "up/../in"):
            # .. from the folder is the folder itself, as in the root of a file system; behind a link it is the way back.
            self.assertTrue(self.try_open(name), name)
        for name in ("../secret", "/../secret"):
            self.assertFalse(self.try_open(name), name)
        for mode in (0, 2, 4, 8):
            for name in (self.path("secret"), "link", "up/secret", "inner", "fifo", "sub", "", ".", "..", "sub/", "none/x",
                         "x" * 256, "x" * 5000, b"in\0", "\xff/../in"):
                self.assertFalse(self.try_open(name, mode), (name, mode))
        with open(self.path("secret")) as f:
            self.assertEqual(f.read(), "secret")
        # ENOENT: there is none in the folder; ENOTDIR or ELOOP: a link is no folder.
        for words, errors in (((SYS_REMOVE, DATA, 9), (2,)), ((SYS_RENAME, DATA, 9, DATA + 16, 2), (2,)),
                              ((SYS_RENAME, DATA + 16, 2, DATA + 32, 9), (20, 40))):
            program = Program()
            for name in (b"../secret\0", b"in\0", b"up/secret\0"):
                program.put(name)
            self.assertIn(self.run_program(program.call(*words).exit_with_result()).returncode, errors, words)
        self.assertEqual(sorted(os.listdir(self.tmp)), ["code", "data", "files", "secret"])
        self.assertEqual(sorted(os.listdir(files)), ["fifo", "in", "inner", "link", "sub", "up"])

    def test_no_folder_no_files(self):
        cwd = os.getcwd()
        os.chdir(self.path("files"))
        self.addCleanup(os.chdir, cwd)
        for mode in (0, 4):
            self.assertFalse(self.try_open("x", mode, folder="--semihosting"))
        self.assertTrue(self.try_open(":tt", folder="--semihosting"))
        self.assertEqual(os.listdir("."), [])

    def test_read_only(self):
        with open(self.path("files", "x"), "w") as f:
            f.write("x")
        folder = "--semihosting=" + self.path("files") + ",ro"
        self.assertTrue(self.try_open("x", 0, folder))
        for name, mode in (("x", 2), ("x", 4), ("x", 8), ("y", 4)):
            self.assertFalse(self.try_open(name, mode, folder))
        program = Program()
        p = self.run_program(program.call(SYS_REMOVE, program.put(b"x\0"), 1).exit_with_result(), folder=folder)
        self.assertEqual(p.returncode, 30)  # EROFS
        self.assertEqual(os.listdir(self.path("files")), ["x"])

    def test_large_files(self):
        """In whole and by pages; and a length that is not there."""
        text = os.urandom(300000)
        with open(self.path("files", "from"), "wb") as f:
            f.write(text)
        program = Program()
        program.put(b"a")
        program.open("from", 0).open("to", 5)
        program.call(SYS_READ, 1, 0x100123, len(text) + 10).call(SYS_WRITE, 2, 0x100123, len(text)).exit_with_result()
        p = self.run_program(program)
        self.assertEqual(p.returncode, 0, p.stderr)
        with open(self.path("files", "to"), "rb") as f:
            self.assertTrue(f.read() == text)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("files", "to")).st_mode) & 0o7133, 0)
        # From an address on to the end of all: what there is of RAM is written, and no more.
        program = Program().open("all", 5).call(SYS_WRITE, 1, 0x7FF0000, 1 << 62).exit(0)
        self.assertEqual(self.run_program(program).returncode, 0)
        self.assertEqual(os.path.getsize(self.path("files", "all")), 0x10000)

    def test_many_files(self):
        program = Program()
        for _ in range(70):
            program.open(":tt", 0)
        self.assertEqual(self.run_program(program.exit_with_result()).returncode, 255)

    # ---- The console

    def echo(self, nr):
        """Reads so many bytes one by one, and writes each."""
        program = Program()
        at = program.put(bytes(2))
        for _ in range(nr):
            program.words += movz(0, SYS_READC) + [HLT] + movz(1, at) + [0x39000020] + movz(0, SYS_WRITE0) + [HLT]  # strb w0, [x1]
        return program

    def test_console_input(self):
        """The UART takes some of it first: nothing is lost, and nothing changes places."""
        text = bytes(range(1, 200))
        p = self.run_program(self.echo(len(text)).exit(0), stdin=text)
        self.assertEqual((p.returncode, p.stdout), (0, text))

    def test_end_of_input(self):
        self.assertEqual(self.run_program(Program().call(SYS_READC).call(SYS_READC).exit_with_result(), stdin=b"x").returncode, 255)
        program = Program().open(":tt", 0).call(SYS_READ, 1, DATA + 0x1000, 7).call(SYS_READ, 1, DATA + 0x1000, 7).exit_with_result()
        self.assertEqual(self.run_program(program, stdin=b"abc").returncode, 7)  # nothing was read

    def test_waiting_for_input(self):
        """It sleeps; and what comes wakes it, and the timeout ends it."""
        args = self.args(self.echo(3).exit(0), "--cpus", "2")
        p = subprocess.Popen([vibe.PROGRAM, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.stdin.close)
        for byte in (b"a", b"b", b"c"):
            p.stdin.write(byte)
            p.stdin.flush()
            self.assertEqual(os.read(p.stdout.fileno(), 10), byte)
        self.assertEqual(p.wait(vibe.LIMIT_S), 0)
        p.stdout.close()
        r, w = os.pipe()
        args[args.index("30")] = "0.3"
        q = subprocess.run([vibe.PROGRAM, *args], stdin=r, capture_output=True, timeout=20, check=False)
        os.close(r)
        os.close(w)
        self.assertEqual(q.returncode, 3, q.stderr)

    def test_scripted(self):
        """The script's input is the guest's, and ends with its last send."""
        with open(self.path("talk"), "w") as f:
            f.write('send "ab"\nexpect /ab/\nsend "c"\nexpect /c/\nend\n')
        for extra in ([], ["--deterministic"]):
            p = self.run_program(self.echo(3).call(SYS_READC).exit(9), "--script", self.path("talk"), *extra)
            self.assertEqual((p.returncode, p.stdout), (9, b"abc"), p.stderr)

    def test_expected_output(self):
        program = Program()
        program.call(SYS_WRITE0, x1=program.put(b"the end\0"))
        p = self.run_program(program.call(SYS_READC), "--expect", "the end")
        self.assertEqual(p.returncode, 0)

    # ---- The rest

    def test_arguments(self):
        def cmdline(*more):
            program = Program()
            buf = DATA + 0x1000
            return self.run_program(program.call(SYS_GET_CMDLINE, buf, 1000).call(SYS_WRITE0, x1=buf).exit(0), *more).stdout.decode()
        self.assertEqual(cmdline(), self.path("code"))
        self.assertEqual(cmdline("--cmdline", "a b"), self.path("code") + " a b")
        self.assertEqual(cmdline("--semihosting-arg", "prog", "--semihosting-arg=--flag=1", "--cmdline", "a b"), "prog --flag=1")

    def test_deterministic(self):
        program = Program()
        at = program.put(bytes(16))
        program.words += movz(0, SYS_TIME) + [HLT] + movz(9, at) + [0xF9000120]  # str x0, [x9]
        program.call(SYS_ELAPSED, x1=at + 8).open("x", 4).call(SYS_WRITE, 1, at, 16).exit(0)
        seen = set()
        for _ in range(2):
            p = self.run_program(program, "--deterministic", stats="json")
            self.assertEqual(p.returncode, 0, p.stderr)
            with open(self.path("files", "x"), "rb") as f:
                seen.add((f.read(), re.search(rb'"memory_hash": "(\w+)"', p.stderr).group(1)))
        self.assertEqual(len(seen), 1)
        self.assertEqual(struct.unpack("<QQ", seen.pop()[0])[0], 1577836800)

    def test_heap_after_a_snapshot(self):
        """Where no image lies, although the machine that goes on has loaded none."""
        program = Program()
        program.call(SYS_HEAPINFO, program.put(bytes(32))).exit(0)
        args = self.args(program, "--deterministic", stats="json")
        whole = vibe.run(*args)
        self.assertEqual(vibe.run(*args, "--max-insns", "1", "--snapshot-save", self.path("snap")).returncode, 3)
        p = vibe.run("--snapshot-load", self.path("snap"), "--stats=json")
        self.assertEqual((p.returncode, whole.returncode), (0, 0), p.stderr)
        self.assertEqual(json.loads(p.stderr)["memory_hash"], json.loads(whole.stderr)["memory_hash"])

    def test_counted(self):
        p = self.run_program(Program().open(":tt", 0).open(":tt", 0).exit(0), stats="json")
        self.assertRegex(p.stderr, rb'"semihosting": 3,')

    def test_reset_closes_files(self):
        """They would be all used up otherwise."""
        program = Program()
        for _ in range(40):
            program.open(":tt", 0)
        program.words += [0xF100001F, 0x540000AD] + [0x52B08000, 0x11002400, 0xD4000002, 0x14000000]  # cmp x0, #0; b.le +20; reset
        program.exit(99)
        args = self.args(program)
        args[args.index("30")] = "0.5"
        self.assertEqual(vibe.run(*args).returncode, 3)


if __name__ == "__main__":
    unittest.main()
