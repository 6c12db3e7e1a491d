"""Booting Linux: vibevmm beside the peer, with the same kernel and initial RAM disk, in turn. Times are from the start of the program, seen
from outside. Needs a network the first time, for Debian's kernel."""
import os
import subprocess
import sys
import time

from common import QEMU, figure, goal, median
import guests

MEM = "512M"
CMDLINE = "earlycon console=ttyAMA0"
MARKS = (b"Booting Linux", b"init: Linux", b"reboot: Power down")
IDLE_S = 10


def vibe_command(program, kernel, initrd, cpus):
    return [program, "--kernel", kernel, "--initrd", initrd, "--cmdline", CMDLINE, "--mem", MEM, "--cpus", str(cpus), "--stats=none"]


def qemu_command(kernel, initrd, cpus):
    # Guest RAM as a shared object, so that it can be told from the rest.
    return [QEMU, "-M", "virt,gic-version=3,memory-backend=ram", "-object", "memory-backend-memfd,id=ram,share=on,size=" + MEM,
            "-m", MEM, "-cpu", "max", "-smp", str(cpus), "-display", "none", "-nodefaults", "-serial", "stdio", "-no-reboot",
            "-kernel", kernel, "-initrd", initrd, "-append", CMDLINE]


def start(command, stdin):
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def read_until(p, marks, begin):
    """Seconds from begin to each mark."""
    out, times = b"", []
    while len(times) < len(marks):
        piece = os.read(p.stdout.fileno(), 65536)
        if not piece:
            sys.exit("bench: no %r from %s\n%s" % (marks[len(times)], p.args[0], out.decode(errors="replace")[-2000:]))
        out += piece
        while len(times) < len(marks) and marks[len(times)] in out:
            times.append(time.monotonic() - begin)
    return times


def boot(command):
    """To each mark, and to the end of the process."""
    begin = time.monotonic()
    p = start(command, subprocess.DEVNULL)  # what a deterministic guest will be told has to be known before
    times = read_until(p, MARKS, begin)
    p.stdout.read()
    p.wait()
    return times + [time.monotonic() - begin]


def idle(command):
    """Percent of a host CPU at the shell's prompt, and MiB of memory beyond the guest's."""
    p = start(command, subprocess.PIPE)
    try:
        read_until(p, (b"init: Linux", b"commands.\r\n"), 0)
        time.sleep(2)

        def ticks():
            with open("/proc/%d/stat" % p.pid, encoding="ascii") as f:
                fields = f.read().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])
        before = ticks()
        time.sleep(IDLE_S)
        cpu = (ticks() - before) / os.sysconf("SC_CLK_TCK") / IDLE_S * 100
        with open("/proc/%d/status" % p.pid, encoding="ascii") as f:
            status = dict(line.split(":", 1) for line in f)
        return cpu, (int(status["VmRSS"].split()[0]) - int(status["RssShmem"].split()[0])) / 1024
    finally:
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()


def table(bench):
    kernel, _ = guests.kernel()
    quick = guests.initrd(os.path.join(bench.tmp, "quick.gz"), run="true\n")
    shell = guests.initrd(os.path.join(bench.tmp, "shell.gz"))

    def columns(measure, initrd, cpus):
        return bench.in_turn(lambda: measure(vibe_command(bench.program, kernel, initrd, cpus)),
                             lambda: measure(qemu_command(kernel, initrd, cpus)) if bench.peer else [None] * 4)

    def say(label, form, both, k, limit=None):
        ours, theirs = [median([run[k] for run in runs]) for runs in both]
        ratio = ours / theirs if theirs else None
        bench.say(label, form % ours, figure(form, theirs), figure("%.2f", ratio), goal(limit, ratio) if limit else "")
    bench.head("Linux", "vibevmm", "QEMU", "vibevmm / QEMU", "goal")
    one = columns(boot, quick, 1)
    say("start to the kernel's first line, s", "%.2f", one, 0)
    say("start to init, s", "%.2f", one, 1, "boot / QEMU")
    say("start to power off, s", "%.2f", one, 3)
    four = columns(boot, quick, 4)
    say("start to init, 4 CPUs, s", "%.2f", four, 1)
    say("start to power off, 4 CPUs, s", "%.2f", four, 3)
    same = bench.in_turn(lambda: boot([*vibe_command(bench.program, kernel, quick, 4), "--deterministic"]))[0]
    bench.say("the same with --deterministic, s", "%.2f" % median([run[3] for run in same]), "-", "-", "")
    if os.path.exists("/proc/self/stat"):
        theirs = idle(qemu_command(kernel, shell, 1)) if bench.peer else [None] * 2
        at_prompt = ([idle(vibe_command(bench.program, kernel, shell, 1))], [theirs])
        say("idle at the prompt, % of a host CPU", "%.2f", at_prompt, 0)
        say("memory beyond the guest's, at the prompt, MiB", "%.0f", at_prompt, 1)
    bench.say()
