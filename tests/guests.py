"""What the tests with real guests share: Debian's packages, initial RAM disks, and a console to talk to.

Packages are fetched once into build/guests, or where VIBEVMM_GUESTS points; without a network, or without apt-get, the tests are skipped and
say so. Each guest's console is kept in build/guest-logs/NAME.log.
"""
import fcntl
import glob
import hashlib
import os
import re
import select
import shutil
import subprocess
import sys
import time
import unittest

import vibe

LOGS = os.path.join(vibe.ROOT, "build", "guest-logs")
# A guest on a slow machine under load; a failure says sooner what it waited for.
LIMIT_S = 240
LAST_LINES = 40
CROSS = "aarch64-linux-gnu-gcc"
# Of the Debian disk, beyond the usual commands.
USERLAND = ("gcc", "libc6-dev", "openssl", "perl", "python3", "sqlite3", "xz-utils")
# What a healthy kernel does not say.
TROUBLE = re.compile(rb"Kernel panic|Oops|BUG:|WARNING:|Call trace|rcu.*(stall|self-detected)|soft lockup|Unhandled fault|"
                     rb"Internal error|unexpected interrupt|spurious|irq \d+: nobody cared")


def package(name):
    """The folder of a Debian package for arm64, unpacked."""
    p = subprocess.run([os.path.join(vibe.ROOT, "tools", "guest_packages.sh"), name], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900)
    if p.returncode:
        raise unittest.SkipTest("no package %s: %s" % (name, b"; ".join(p.stderr.splitlines()[-2:]).decode(errors="replace")))
    return p.stdout.decode().strip()


def kernel(name="linux-image-cloud-arm64"):
    """The kernel of a package, and its folder of modules."""
    folder = package(name)
    return glob.glob(folder + "/boot/vmlinuz-*")[0], glob.glob(folder + "/lib/modules/*")[0]


def debian_image(path, *packages):
    """A disk with a Debian userland, at path: bash, the usual commands, the packages (tools/debian_image.sh). The first one of its kind is
    kept beside the packages, and copied."""
    script = os.path.join(vibe.ROOT, "tools", "debian_image.sh")
    made_of = hashlib.sha256(" ".join(sorted(packages)).encode())
    for source in (script, os.path.join(vibe.ROOT, "tools", "debian_init.sh")):
        with open(source, "rb") as f:
            made_of.update(f.read())
    folder = os.environ.get("VIBEVMM_GUESTS") or os.path.join(vibe.ROOT, "build", "guests")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".image-lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test may be making it
        kept = os.path.join(folder, "debian-%s.img" % made_of.hexdigest()[:16])
        if not os.path.exists(kept):
            p = subprocess.run([script, kept, *packages], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)
            if p.returncode:
                raise unittest.SkipTest("no Debian disk: %s" % b"; ".join(p.stdout.splitlines()[-3:]).decode(errors="replace"))
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", kept, path], check=True, timeout=LIMIT_S)
    return path


def initrd(output, run=None, modules=None, add=()):
    """An initial RAM disk with busybox. run: a script instead of the shell; modules: (folder, "name,name")."""
    args = [sys.executable, os.path.join(vibe.ROOT, "tools", "mkinitramfs.py"), "--output", output,
            "--busybox", package("busybox-static") + "/bin/busybox"]
    if run is not None:
        with open(output + ".run", "w") as f:
            f.write(run)
        args += ["--add", output + ".run=run"]
    if modules:
        args += ["--modules", *modules]
    for a in add:
        args += ["--add", a]
    subprocess.run(args, check=True, stdin=subprocess.DEVNULL, timeout=vibe.LIMIT_S)
    return output


def compiled(tmp, source, name):
    """A program in C from this folder, for initrd()'s add: /bin/NAME in the guest."""
    if not shutil.which(CROSS):
        raise unittest.SkipTest("%s is not installed" % CROSS)
    path = os.path.join(tmp, name)
    subprocess.run([CROSS, "-O2", "-Wall", "-Wextra", "-Werror", "-static", os.path.join(vibe.ROOT, "tests", source), "-o", path], check=True,
                   timeout=vibe.LIMIT_S)
    return "%s=bin/%s" % (path, name)


class Guest:
    """A running vibevmm (or another program) whose console is read and written. Use it in a with statement."""

    def __init__(self, name, *args, program=vibe.PROGRAM):
        os.makedirs(LOGS, exist_ok=True)
        self.path = os.path.join(LOGS, name + ".log")
        self.log = open(self.path, "wb")
        self.out = b""
        self.at = 0  # what expect() has gone past
        self.nr_commands = 0
        self.start = time.monotonic()
        self.process = subprocess.Popen([program, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for f in (self.process.stdin, self.process.stdout, self.log):
            try:
                f.close()
            except BrokenPipeError:
                pass

    def fail(self, why):
        lines = self.out.decode(errors="replace").splitlines()[-LAST_LINES:]
        raise AssertionError("%s\n%s: the last lines:\n%s" % (why, self.path, "\n".join("  | " + line for line in lines)))

    def read(self, deadline):
        """Some more output; false at its end."""
        ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return True
        piece = os.read(self.process.stdout.fileno(), 65536)
        self.log.write(piece)
        self.log.flush()
        self.out += piece
        return bool(piece)

    def expect(self, pattern, limit=LIMIT_S):
        """Reads until the pattern (a regular expression on bytes) comes, behind what was expected before."""
        deadline = time.monotonic() + limit
        regex = re.compile(pattern)
        while True:
            m = regex.search(self.out, self.at)
            if m:
                self.at = m.end()
                return m
            if time.monotonic() >= deadline:
                self.fail("%r did not come within %d s" % (pattern, limit))
            if not self.read(deadline):
                self.fail("the end came before %r" % pattern)

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def begin_command(self, command):
        """Has the guest's shell, which is at its prompt, run a command; its end is awaited by end_command()."""
        if not self.nr_commands:
            # Neither line editing nor echo from here on, so that what comes back is what the commands print.
            self.send("stty -echo; echo RE''ADY; while read -r line; do eval \"$line\"; done\n")
            self.expect(rb"READY\r*\n")  # a \r of each terminal on the way
        self.nr_commands += 1
        self.send("%s; echo END-%d-$?-\n" % (command, self.nr_commands))

    def end_command(self, command, limit=LIMIT_S):
        """What it printed; it has to have succeeded."""
        start = self.at
        m = self.expect(rb"END-%d-(\d+)-\r*\n" % self.nr_commands, limit)
        if m.group(1) != b"0":
            self.fail("status %s of: %s" % (m.group(1).decode(), command))
        return self.out[start:m.start()].replace(b"\r", b"").decode(errors="replace")

    def shell(self, command, limit=LIMIT_S):
        """What a command of the guest's shell prints."""
        self.begin_command(command)
        return self.end_command(command, limit)

    def end(self, limit=LIMIT_S):
        """Waits for the end; the exit status."""
        deadline = time.monotonic() + limit
        self.process.stdin.close()
        while self.read(deadline):
            if time.monotonic() >= deadline:
                self.fail("it did not end within %d s" % limit)
        return self.process.wait(timeout=vibe.LIMIT_S)

    def check_no_trouble(self):
        m = TROUBLE.search(self.out)
        if m:
            line = self.out[self.out.rfind(b"\n", 0, m.start()) + 1:].split(b"\n", 1)[0]
            self.fail("the kernel complains: %s" % line.decode(errors="replace"))
