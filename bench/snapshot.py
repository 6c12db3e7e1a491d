"""Snapshots of a booted Linux: saved, loaded, and many machines from one; vibevmm beside the peer, in turn.

Of the peer's ways the fastest is taken: guest memory is a file, which the saved state leaves out (x-ignore-shared) and which the loading process maps
copy-on-write. Its others, measured once by hand: a machine migrated to a file and from there was 1.3 times as long in loading, savevm with -loadvm 1.8 times.
Needs a network the first time, for Debian's kernel."""
import concurrent.futures
import json
import os
import re
import socket
import subprocess
import time

import boot
from common import LIMIT_S, figure, goal, median
import guests

CPUS = os.cpu_count() or 1
READY = b"commands.\r\n"
SETTLE_S = 1  # until the shell waits
COMMAND = b"echo said $((6 * 7))\n"
ANSWER = b"said 42"
VARIANT = "echo {n}; poweroff -f"


class Qmp:
    """The machine's control socket; both have it."""

    def __init__(self, p, path):
        self.socket = socket.socket(socket.AF_UNIX)
        while self.socket.connect_ex(path):
            if p.poll() is not None:
                raise AssertionError("%s has ended" % p.args[0])
            time.sleep(0.001)
        self.file = self.socket.makefile("r")
        self.file.readline()
        self.ask("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.file.readline())
            if "error" in answer:
                raise AssertionError("%s: %s" % (command, answer["error"]))
            if "return" in answer:
                return answer["return"]


class Machine:
    """One that runs, with its console. Killed in the end."""

    def __init__(self, command, socket_path=None):
        self.begin = time.monotonic()
        self.process = boot.start(command, subprocess.PIPE)
        self.qmp = Qmp(self.process, socket_path) if socket_path else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.qmp:
            self.qmp.__exit__()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def type(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def until(self, mark):
        """Milliseconds since it was started."""
        return boot.read_until(self.process, (mark,), self.begin)[0] * 1000


class Vibe:
    def __init__(self, bench, kernel, initrd):
        self.bench, self.file, self.socket = bench, os.path.join(bench.tmp, "snapshot"), os.path.join(bench.tmp, "vibe.socket")
        self.booting = [*boot.vibe_command(bench.program, kernel, initrd, 1), "--control", "unix:" + self.socket]

    def save_ms(self):
        with Machine(self.booting, self.socket) as m:
            m.until(READY)
            time.sleep(SETTLE_S)
            begin = time.monotonic()
            m.qmp.ask("vibe-snapshot-save", filename=self.file)
            return (time.monotonic() - begin) * 1000

    def size(self):
        return os.stat(self.file).st_blocks * 512

    def answer_ms(self, how=""):
        with Machine([self.bench.program, "--snapshot-load", self.file + how, "--stats=none"]) as m:
            m.type(COMMAND)
            return m.until(ANSWER)

    def restores(self, nr):
        variants = os.path.join(self.bench.tmp, "variants")
        with open(variants, "w", encoding="ascii") as f:
            f.write(VARIANT + "\n")
        out = subprocess.run([self.bench.program, "fork", "--snapshot-load", self.file, "--variants", variants, "--count", str(nr), "--timeout", str(LIMIT_S)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=LIMIT_S).stdout
        return int(re.search(rb", (\d+) a minute: %d good" % nr, out).group(1))


class Qemu:
    def __init__(self, bench, kernel, initrd):
        self.tmp = bench.tmp
        self.state, self.ram = os.path.join(bench.tmp, "qemu.state"), os.path.join(bench.tmp, "qemu.ram")
        self.kernel, self.initrd = kernel, initrd

    def machine(self, name, share, *more):
        path = os.path.join(self.tmp, name + ".socket")
        if os.path.exists(path):
            os.unlink(path)
        command = boot.qemu_command(self.kernel, self.initrd, 1)
        at = next(i for i, word in enumerate(command) if word.startswith("memory-backend-memfd"))
        command[at] = "memory-backend-file,id=ram,size=%s,mem-path=%s,share=%s" % (boot.MEM, self.ram, share)
        m = Machine([*command, "-qmp", "unix:%s,server=on,wait=off" % path, *more], path)
        m.qmp.ask("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
        return m

    def save_ms(self):
        if os.path.exists(self.ram):
            os.unlink(self.ram)
        with self.machine("saved", "on") as m:
            m.until(READY)
            time.sleep(SETTLE_S)
            begin = time.monotonic()
            m.qmp.ask("migrate", uri="exec:cat >" + self.state)
            while m.qmp.ask("query-migrate").get("status") != "completed":
                time.sleep(0.001)
            return (time.monotonic() - begin) * 1000

    def size(self):
        return (os.stat(self.ram).st_blocks + os.stat(self.state).st_blocks) * 512

    def load(self, name):
        m = self.machine(name, "off", "-incoming", "defer")
        m.qmp.ask("migrate-incoming", uri="exec:cat " + self.state)
        while not m.qmp.ask("query-status")["running"]:  # what is typed before is lost
            time.sleep(0.001)
        return m

    def answer_ms(self):
        with self.load("loaded") as m:
            m.type(COMMAND)
            return m.until(ANSWER)

    def restores(self, nr):
        def one(n):
            with self.load("variant%d" % n) as m:
                m.type(VARIANT.replace("{n}", str(n)).encode() + b"\n")
                m.process.stdout.read()
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(CPUS) as pool:
            list(pool.map(one, range(nr)))
        return nr / (time.monotonic() - begin) * 60


def table(bench):
    kernel, _ = guests.kernel()
    initrd = guests.initrd(os.path.join(bench.tmp, "snapshot.gz"))
    ours, theirs = Vibe(bench, kernel, initrd), Qemu(bench, kernel, initrd) if bench.peer else None

    def say(label, form, mine, other=None, limit=None):
        columns = bench.in_turn(mine, (lambda: other(theirs)) if other and theirs else lambda: None)
        a, b = median(columns[0]), median(columns[1])
        bench.say(label, form % a, figure(form, b), figure("%.2f", b and a / b), goal(limit, a) if limit else "")
    bench.head("snapshots of Linux, %s" % boot.MEM, "vibevmm", "QEMU", "vibevmm / QEMU", "goal")
    say("saved, ms (vibevmm: and on the disk)", "%.0f", ours.save_ms, lambda q: q.save_ms())
    bench.say("on the disk, MiB", "%.0f" % (ours.size() / 2**20), figure("%.0f", theirs and theirs.size() / 2**20), "", "")
    answers = lambda f: median([f() for _ in range(5)])
    say("from the start of the program to a command's answer, ms", "%.1f", lambda: answers(ours.answer_ms), lambda q: answers(q.answer_ms))
    say("the same, unverified, ms", "%.1f", lambda: answers(lambda: ours.answer_ms(",unverified")))
    say("machines a minute, %d at a time: load, a command, power off" % CPUS, "%.0f", lambda: ours.restores(bench.rounds(400)),
        lambda q: q.restores(bench.rounds(40)), "snapshots, a minute")
    bench.say()
