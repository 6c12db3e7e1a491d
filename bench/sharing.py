#!/usr/bin/env python3
"""Network and shared folder of a Linux guest: vibevmm beside qemu-system-aarch64, with the same kernel and initial RAM disk, in turn.

usage: sharing.py [--vibevmm PROGRAM] [--runs N]

User-mode networking (both by libslirp) to a server of this program's on the host's loopback; a folder by virtio-9p, as Linux mounts it by
default. Medians of N runs (3). Needs a network the first time, for Debian's kernel.
"""
import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "tests"))
import guests  # noqa: E402

CROSS = "aarch64-linux-gnu-gcc"
TABLES = (
    ("user-mode network in Linux", (
        ("download", "download, MB/s"), ("upload", "upload, MB/s"), ("round-trips", "round trips of a byte, per second"),
        ("connections", "connections made, per second"))),
    ("shared folder in Linux", (
        ("file-read", "read, 256 KiB at a time, MB/s"), ("file-write", "write, 256 KiB at a time, MB/s"),
        ("make", "files of 4 KiB made, per second"), ("look", "files looked at (stat), per second"), ("read", "files of 4 KiB read, per second"),
        ("remove", "files removed, per second"), ("listings", "listings of a folder of 500, per second"))))
CMDLINE = "console=ttyAMA0 quiet"
QEMU = ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "max", "-m", "512M", "-display", "none", "-nodefaults", "-serial", "stdio",
        "-no-reboot", "-global", "virtio-mmio.force-legacy=false"]
SCRIPT = """ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
sharing net 10.0.2.2 %d
mkdir -p /mnt/s
mount -t 9p -o trans=virtio,version=9p2000.L share /mnt/s && sharing share /mnt/s
"""


def serve(listener):
    """One connection after the other, each in a thread: a letter, then bytes without end (d), taken (u), or sent back (e, itself too)."""
    def talk(c):
        zeros = bytes(1 << 20)
        with c:
            try:
                c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                kind = c.recv(1)
                while kind == b"d":
                    c.sendall(zeros)
                data = kind
                while data:
                    if kind == b"e":
                        c.sendall(data)
                    data = c.recv(1 << 20)
            except OSError:
                pass  # the guest has had enough

    while True:
        c, _ = listener.accept()
        threading.Thread(target=talk, args=(c,), daemon=True).start()


def prepare(tmp, port):
    kernel, modules = guests.kernel("linux-image-arm64")
    program = os.path.join(tmp, "sharing")
    subprocess.run([CROSS, "-O2", "-static", "-Wall", os.path.join(HERE, "linux", "sharing.c"), "-o", program], check=True)
    initrd = guests.initrd(os.path.join(tmp, "sharing.gz"), run=SCRIPT % port, modules=(modules, "virtio_mmio,virtio_net,9p,9pnet_virtio"),
                           add=[program + "=bin/sharing"])
    return kernel, initrd


def measure(command, names):
    """name -> figure"""
    out = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=600).stdout
    found = {name: float(x) for name, x in re.findall(r"^([a-z-]+) ([0-9.]+)\r?$", out.decode(errors="replace"), re.M)}
    for name in names:
        if name not in found:
            sys.exit("bench: no %s from: %s\n%s" % (name, " ".join(command), out.decode(errors="replace")[-2000:]))
    return found


def table(program, runs, tmp, say):
    """Two tables; say() gets the cells of each row."""
    folder = os.path.join(tmp, "shared")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        kernel, initrd = prepare(tmp, listener.getsockname()[1])
        commands = [[program, "--kernel", kernel, "--initrd", initrd, "--cmdline", CMDLINE, "--mem", "512M", "--net", "user", "--share", folder,
                     "--stats=none"]]
        if shutil.which(QEMU[0]):
            commands.append(QEMU + ["-kernel", kernel, "-initrd", initrd, "-append", CMDLINE, "-netdev", "user,id=n",
                                    "-device", "virtio-net-device,netdev=n", "-fsdev", "local,id=f,security_model=none,path=" + folder,
                                    "-device", "virtio-9p-device,fsdev=f,mount_tag=share"])
        names = [name for _, rows in TABLES for name, _ in rows]
        figures = []
        for _ in range(runs):
            figures.append([])
            for c in commands:
                shutil.rmtree(folder, ignore_errors=True)
                os.mkdir(folder)
                figures[-1].append(measure(c, names))
    for title, rows in TABLES:
        say(title, "vibevmm", "QEMU", "vibevmm / QEMU")
        say("---", "---", "---", "---")
        for name, label in rows:
            column = [statistics.median(run[i][name] for run in figures) for i in range(len(commands))]
            peer = column[1] if len(column) > 1 else None
            say(label, "%.0f" % column[0], "%.0f" % peer if peer else "-", "%.2f" % (column[0] / peer) if peer else "-")
        if title != TABLES[-1][0]:
            say()


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--vibevmm", default=os.path.join(ROOT, "bin", "vibevmm"))
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args(argv[1:])
    if not shutil.which(CROSS):
        sys.exit("bench: %s is not installed (apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross)" % CROSS)
    with tempfile.TemporaryDirectory() as tmp:
        table(args.vibevmm, args.runs, tmp, lambda *cells: print("| " + " | ".join(cells) + " |" if cells else "", flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
