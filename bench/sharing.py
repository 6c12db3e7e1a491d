"""Network and shared folder of a Linux guest: vibevmm beside the peer, with the same kernel and initial RAM disk, in turn. User-mode
networking (both by libslirp) to a server of this program's on the host's loopback; a folder by virtio-9p, as Linux mounts it by default.
Needs a network the first time, for Debian's kernel."""
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

from common import CROSS, HERE, LIMIT_S, QEMU, figure, median
import guests

TABLES = (
    ("user-mode network in Linux", (
        ("download", "download, MB/s"), ("upload", "upload, MB/s"), ("round-trips", "round trips of a byte, per second"),
        ("connections", "connections made, per second"))),
    ("shared folder in Linux", (
        ("file-read", "read, 256 KiB at a time, MB/s"), ("file-write", "write, 256 KiB at a time, MB/s"),
        ("make", "files of 4 KiB made, per second"), ("look", "files looked at (stat), per second"),
        ("read", "files of 4 KiB read, per second"),
        ("remove", "files removed, per second"), ("listings", "listings of a folder of 500, per second"))))
CMDLINE = "console=ttyAMA0 quiet"
COMMAND = [QEMU, "-M", "virt,gic-version=3", "-cpu", "max", "-m", "512M", "-display", "none", "-nodefaults", "-serial", "stdio",
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
    out = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
                         timeout=LIMIT_S).stdout
    found = {name: float(x) for name, x in re.findall(r"^([a-z-]+) ([0-9.]+)\r?$", out.decode(errors="replace"), re.M)}
    for name in names:
        if name not in found:
            sys.exit("bench: no %s from: %s\n%s" % (name, " ".join(command), out.decode(errors="replace")[-2000:]))
    return found


def table(bench):
    folder = os.path.join(bench.tmp, "shared")
    names = [name for _, rows in TABLES for name, _ in rows]

    def afresh(command):
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        return measure(command, names)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        kernel, initrd = prepare(bench.tmp, listener.getsockname()[1])
        ours = [bench.program, "--kernel", kernel, "--initrd", initrd, "--cmdline", CMDLINE, "--mem", "512M", "--net", "user",
                "--share", folder, "--stats=none"]
        theirs = [*COMMAND, "-kernel", kernel, "-initrd", initrd, "-append", CMDLINE, "-netdev", "user,id=n",
                  "-device", "virtio-net-device,netdev=n", "-fsdev", "local,id=f,security_model=none,path=" + folder,
                  "-device", "virtio-9p-device,fsdev=f,mount_tag=share"]
        figures = bench.in_turn(lambda: afresh(ours), lambda: afresh(theirs) if bench.peer else dict.fromkeys(names))
    for title, rows in TABLES:
        bench.head(title, "vibevmm", "QEMU", "vibevmm / QEMU")
        for name, label in rows:
            a, b = [median([run[name] for run in runs]) for runs in figures]
            bench.say(label, "%.0f" % a, figure("%.0f", b), figure("%.2f", b and a / b))
        bench.say()
