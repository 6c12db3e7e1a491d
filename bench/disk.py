"""Disk throughput in a Linux guest: vibevmm beside the peer, with the same kernel, initial RAM disk and image, in turn. The image is in the
host's page cache, so that what is measured is the way between guest and host. Needs a network the first time, for Debian's kernel."""
import os
import re
import subprocess
import sys

from common import CROSS, HERE, LIMIT_S, QEMU, figure, median
import guests

IMAGE_MIB = 256
ROWS = (("sequential-read", "sequential read, 1 MiB, MB/s"), ("sequential-write", "sequential write, 1 MiB, MB/s"),
        ("random-read-1", "random read, 4 KiB, 1 at a time, per second"),
        ("random-write-1", "random write, 4 KiB, 1 at a time, per second"),
        ("random-read-16", "random read, 4 KiB, 16 at a time, per second"),
        ("random-write-16", "random write, 4 KiB, 16 at a time, per second"),
        ("write-and-flush", "write 4 KiB and flush, per second"))
COMMAND = [QEMU, "-M", "virt,gic-version=3", "-cpu", "max", "-m", "256M", "-display", "none", "-nodefaults", "-serial", "stdio",
           "-no-reboot", "-global", "virtio-mmio.force-legacy=false"]
CMDLINE = "console=ttyAMA0 quiet"


def prepare(tmp):
    kernel, modules = guests.kernel()
    program = os.path.join(tmp, "disk")
    subprocess.run([CROSS, "-O2", "-static", "-Wall", os.path.join(HERE, "linux", "disk.c"), "-o", program], check=True)
    initrd = guests.initrd(os.path.join(tmp, "initrd.gz"), run="/disk /dev/vda\n", modules=(modules, "virtio_mmio,virtio_blk"),
                           add=[program + "=disk"])
    image = os.path.join(tmp, "image")
    with open(image, "wb") as f:
        for _ in range(IMAGE_MIB):
            f.write(os.urandom(1 << 20))
    return kernel, initrd, image


def measure(command):
    """name -> figure"""
    out = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
                         timeout=LIMIT_S).stdout
    found = {name: float(x) for name, x in re.findall(r"^([a-z0-9-]+) ([0-9.]+)\r?$", out.decode(errors="replace"), re.M)}
    for name, _ in ROWS:
        if name not in found:
            sys.exit("bench: no %s from: %s\n%s" % (name, " ".join(command), out.decode(errors="replace")[-2000:]))
    return found


def table(bench, overlay=False):
    kernel, initrd, image = prepare(bench.tmp)
    disk = image + (",overlay=" + os.path.join(bench.tmp, "overlay") if overlay else "")
    ours = [bench.program, "--kernel", kernel, "--initrd", initrd, "--cmdline", CMDLINE, "--mem", "256M", "--disk", disk, "--stats=none"]
    theirs = [*COMMAND, "-kernel", kernel, "-initrd", initrd, "-append", CMDLINE, "-drive", "if=none,id=d,format=raw,file=" + image,
              "-device", "virtio-blk-device,drive=d"]
    figures = bench.in_turn(lambda: measure(ours), lambda: measure(theirs) if bench.peer else dict.fromkeys(n for n, _ in ROWS))
    bench.head("disk in Linux" + (" (vibevmm: on an overlay)" if overlay else ""), "vibevmm", "QEMU", "vibevmm / QEMU")
    for name, label in ROWS:
        a, b = [median([run[name] for run in runs]) for runs in figures]
        bench.say(label, "%.0f" % a, figure("%.0f", b), figure("%.2f", b and a / b))
    bench.say()
