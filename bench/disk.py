#!/usr/bin/env python3
"""Disk throughput in a Linux guest: vibevmm beside qemu-system-aarch64, with the same kernel, initial RAM disk and image, in turn.

usage: disk.py [--vibevmm PROGRAM] [--runs N] [--overlay]

The image is in the host's page cache, so that what is measured is the way between guest and host. Medians of N runs (3). Needs a network the
first time, for Debian's kernel.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests"))
import guests  # noqa: E402

CROSS = "aarch64-linux-gnu-gcc"
IMAGE_MIB = 256
ROWS = (("sequential-read", "sequential read, 1 MiB, MB/s"), ("sequential-write", "sequential write, 1 MiB, MB/s"),
        ("random-read-1", "random read, 4 KiB, 1 at a time, per second"), ("random-write-1", "random write, 4 KiB, 1 at a time, per second"),
        ("random-read-16", "random read, 4 KiB, 16 at a time, per second"),
        ("random-write-16", "random write, 4 KiB, 16 at a time, per second"),
        ("write-and-flush", "write 4 KiB and flush, per second"))
QEMU = ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "max", "-m", "256M", "-display", "none", "-nodefaults", "-serial", "stdio",
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
    out = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=600).stdout
    found = {name: float(x) for name, x in re.findall(r"^([a-z0-9-]+) ([0-9.]+)\r?$", out.decode(errors="replace"), re.M)}
    for name, _ in ROWS:
        if name not in found:
            sys.exit("bench: no %s from: %s\n%s" % (name, " ".join(command), out.decode(errors="replace")[-2000:]))
    return found


def table(program, runs, tmp, say, overlay=False):
    """One row a measurement; say() gets its cells."""
    kernel, initrd, image = prepare(tmp)
    disk = image + (",overlay=" + os.path.join(tmp, "overlay") if overlay else "")
    commands = [[program, "--kernel", kernel, "--initrd", initrd, "--cmdline", CMDLINE, "--mem", "256M", "--disk", disk, "--stats=none"]]
    if shutil.which(QEMU[0]):
        commands.append(QEMU + ["-kernel", kernel, "-initrd", initrd, "-append", CMDLINE, "-drive",
                                "if=none,id=d,format=raw,file=" + image, "-device", "virtio-blk-device,drive=d"])
    figures = [[measure(c) for c in commands] for _ in range(runs)]
    say("disk in Linux" + (" (vibevmm: on an overlay)" if overlay else ""), "vibevmm", "QEMU", "vibevmm / QEMU")
    say("---", "---", "---", "---")
    for name, label in ROWS:
        column = [statistics.median(run[i][name] for run in figures) for i in range(len(commands))]
        peer = column[1] if len(column) > 1 else None
        say(label, "%.0f" % column[0], "%.0f" % peer if peer else "-", "%.2f" % (column[0] / peer) if peer else "-")


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--vibevmm", default=os.path.join(ROOT, "bin", "vibevmm"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--overlay", action="store_true", help="vibevmm's disk is an overlay over the image")
    args = parser.parse_args(argv[1:])
    if not shutil.which(CROSS):
        sys.exit("bench: %s is not installed (apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross)" % CROSS)
    with tempfile.TemporaryDirectory() as tmp:
        table(args.vibevmm, args.runs, tmp, lambda *cells: print("| " + " | ".join(cells) + " |", flush=True), args.overlay)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
