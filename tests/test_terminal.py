"""The program on a terminal: raw while it runs, its keys, and the terminal as it was whatever ends the program."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import vibe

# A little shell: leads the session, runs the program in the foreground as a job, and reports on descriptor 3 how that goes.
SHELL = r"""
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.close(3)
    os.execv(sys.argv[1], sys.argv[1:])
os.write(3, b"pid %d\n" % pid)
while True:
    _, s = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(s):
        os.write(3, b"stopped\n")
    else:
        os.write(3, b"exit %d\n" % os.WEXITSTATUS(s) if os.WIFEXITED(s) else b"signal %d\n" % os.WTERMSIG(s))
        break
os.read(0, 1)
"""


# Prints columns and rows of the virtio console, a character each, whenever they change; by the emergency write.
WATCH_SIZE = vibe.code(
    0xD2A14001,  # mov  x1, #0x0a000000
    0x52800002,  # mov  w2, #0
    0xB9410020,  # 1: ldr w0, [x1, #0x100]   cols and rows
    0x6B02001F,  # cmp  w0, w2
    0x54FFFFC0,  # b.eq 1b
    0x2A0003E2,  # mov  w2, w0
    0x39042020,  # strb w0, [x1, #0x108]     emerg_wr
    0x53107C03,  # lsr  w3, w0, #16
    0x39042023,  # strb w3, [x1, #0x108]
    0x17FFFFF9,  # b    1b
)


class Session:
    def __init__(self, guest, *options):
        self.master, self.slave = pty.openpty()
        report, report_end = os.pipe()
        self.report = os.fdopen(report, "r")
        # Something of everything that raw mode changes, to see it come back.
        t = termios.tcgetattr(self.slave)
        t[6][termios.VINTR] = b"\x0b"
        termios.tcsetattr(self.slave, termios.TCSANOW, t)
        self.before = termios.tcgetattr(self.slave)
        slave = self.slave

        def prepare():
            os.setsid()
            os.dup2(slave, 0)
            os.dup2(slave, 1)
            os.dup2(slave, 2)
            os.dup2(report_end, 3, inheritable=True)

        self.shell = subprocess.Popen([sys.executable, "-c", SHELL, vibe.PROGRAM, "--binary", guest, *options],
                                      preexec_fn=prepare, close_fds=True, pass_fds=(3,) if report_end == 3 else (report_end, 3))
        os.close(report_end)
        self.output = b""
        self.pid = int(self.next_report().split()[1])

    def next_report(self):
        if not select.select([self.report], [], [], vibe.LIMIT_S)[0]:
            raise AssertionError("no report; output so far: %r" % self.output)
        return self.report.readline().strip()

    def attributes(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        t = self.attributes()
        return not t[3] & (termios.ICANON | termios.ECHO) and not t[0] & (termios.ICRNL | termios.IXON)

    def wait_raw(self):
        end = time.monotonic() + vibe.LIMIT_S
        while not self.is_raw():
            if time.monotonic() > end:
                raise AssertionError("never became raw; output so far: %r" % self.output)
            time.sleep(0.005)

    def type(self, keys):
        os.write(self.master, keys)

    def expect(self, text):
        """Reads until text has come."""
        end = time.monotonic() + vibe.LIMIT_S
        while text not in self.output:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError("%r did not come; only %r" % (text, self.output))
            self.output += os.read(self.master, 4096)

    def drain(self):
        while select.select([self.master], [], [], 0.05)[0]:
            self.output += os.read(self.master, 4096)

    def close(self):
        self.shell.kill()
        self.shell.wait()
        try:
            os.kill(self.pid, signal.SIGKILL)
        except OSError:
            pass
        self.report.close()
        os.close(self.master)
        os.close(self.slave)


class Terminal(unittest.TestCase):
    def start(self, code=vibe.ECHO, *options):
        tmp = tempfile.NamedTemporaryFile()
        self.addCleanup(tmp.close)
        tmp.write(code)
        tmp.flush()
        s = Session(tmp.name, *options)
        self.addCleanup(s.close)
        s.wait_raw()
        return s

    def check_end(self, s, report):
        self.assertEqual(s.next_report(), report)
        self.assertEqual(s.attributes(), s.before)
        s.drain()

    def test_raw_and_quit(self):
        s = self.start()
        t = s.attributes()
        self.assertEqual(t[6][termios.VINTR], b"\x03")
        self.assertTrue(t[1] & termios.OPOST)
        s.type(b"\x01x")
        self.check_end(s, "exit 0")
        self.assertIn("vCPU 0 Statistics", s.output.decode())

    def test_input_reaches_the_guest(self):
        s = self.start()
        s.type(b"hello\r")
        s.expect(b"hello\r")
        # Ctrl-Z, Ctrl-\, Ctrl-S, Ctrl-D are keys like others.
        s.type(b"<\x1a\x1c\x13\x11\x04>")
        s.expect(b"<\x1a\x1c\x13\x11\x04>")
        s.type(b"[\x01\x01\x01c]")
        s.expect(b"[\x01\x03]")
        # An unknown pair is nobody's.
        s.type(b"{\x01k}")
        s.expect(b"{}")
        s.type(b"\x01x")
        self.check_end(s, "exit 0")

    def test_split_escape(self):
        s = self.start()
        s.type(b"a\x01")
        s.expect(b"a")
        time.sleep(0.05)
        s.type(b"X")
        self.check_end(s, "exit 0")

    def test_help(self):
        for key in (b"\x01?", b"\x01h"):
            s = self.start()
            s.type(key)
            s.expect(b"Ctrl-A x quit")
            s.type(b"still here")
            s.expect(b"still here")
            s.type(b"\x01x")
            self.check_end(s, "exit 0")

    def test_quit_while_the_guest_takes_no_input(self):
        s = self.start(vibe.SPIN)
        for _ in range(20):
            s.type(b"y" * 1000)
            time.sleep(0.01)
        s.type(b"\x01x")
        self.check_end(s, "exit 0")

    def test_ctrl_c(self):
        for code in (vibe.ECHO, vibe.SPIN, vibe.WFI_LOOP):
            s = self.start(code)
            s.type(b"\x03")
            self.check_end(s, "exit 130")
            self.assertIn("vCPU 0 Statistics", s.output.decode())

    def test_signals(self):
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            s = self.start()
            os.kill(s.pid, sig)
            self.check_end(s, "exit %d" % (128 + sig))

    def resize(self, s, columns, rows):
        fcntl.ioctl(s.slave, termios.TIOCSWINSZ, struct.pack("<4H", rows, columns, 0, 0))

    def test_size(self):
        """The virtio console knows the terminal's size, from the start and when it changes."""
        s = self.start(WATCH_SIZE, "--console")
        s.expect(b"P\x19")  # a terminal without a size counts as 80 by 25
        self.resize(s, 100, 50)
        s.expect(b"d2")
        self.resize(s, 101, 51)
        s.expect(b"e3")
        self.resize(s, 0, 0)  # no size at all: it stays
        self.resize(s, 102, 52)
        s.expect(b"f4")
        self.assertEqual(s.output.replace(b"\r", b""), b"P\x19d2e3f4")
        s.type(b"\x01x")
        self.check_end(s, "exit 0")

    def test_size_is_not_for_the_uart(self):
        s = self.start(WATCH_SIZE)
        self.resize(s, 100, 50)
        time.sleep(0.1)
        s.type(b"\x01x")
        self.check_end(s, "exit 0")
        self.assertNotIn(b"d2", s.output)

    def test_crashes(self):
        for sig in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGQUIT):
            s = self.start()
            os.kill(s.pid, sig)
            self.check_end(s, "signal %d" % sig)

    def test_timeout(self):
        s = self.start(vibe.SPIN, "--timeout", "0.5")
        self.check_end(s, "exit 3")

    def test_power_off(self):
        tmp = tempfile.NamedTemporaryFile()
        self.addCleanup(tmp.close)
        tmp.write(vibe.POWER_OFF)
        tmp.flush()
        s = Session(tmp.name)
        self.addCleanup(s.close)
        self.check_end(s, "exit 0")

    def test_suspend(self):
        for how in ("key", "signal"):
            s = self.start()
            if how == "key":
                s.type(b"\x01z")
            else:
                os.kill(s.pid, signal.SIGTSTP)
            self.assertEqual(s.next_report(), "stopped")
            self.assertEqual(s.attributes(), s.before)
            os.kill(s.pid, signal.SIGCONT)
            s.wait_raw()
            s.type(b"again")
            s.expect(b"again")
            s.type(b"\x01x")
            self.check_end(s, "exit 0")

    def test_stopped_the_hard_way(self):
        """SIGSTOP can't be caught: the shell changes the terminal meanwhile, and we take it again."""
        s = self.start()
        os.kill(s.pid, signal.SIGSTOP)
        self.assertEqual(s.next_report(), "stopped")
        termios.tcsetattr(s.slave, termios.TCSANOW, s.before)
        os.kill(s.pid, signal.SIGCONT)
        s.wait_raw()
        s.type(b"\x01x")
        self.check_end(s, "exit 0")


if __name__ == "__main__":
    unittest.main()
