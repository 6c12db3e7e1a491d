"""Debian's arm64 kernel with two CPUs, stopped, saved and loaded while it writes to a disk, reads from the network and from a shared folder; and many
variants from one snapshot, each with a disk of its own."""
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import guests
import test_guest_network
import vibe

MODULES = "virtio_mmio,virtio_blk,virtio_net,virtio_rng,crc32c_generic,ext4,9p,9pnet_virtio,vmw_vsock_virtio_transport"
UP = "ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2"
SERVER = random.Random(2).randbytes(3 << 20)
# Each loop of work.sh leaves a line when it has done something, and complains when it was done wrong; of a connection that a load cut, nothing on the console.
WORK = """#!/bin/sh
exec 2>/dev/null
(i=0; while [ ! -e /stop ]; do i=$((i + 1)); dd if=/dev/urandom of=/mnt/f$((i %% 20)) bs=64k count=8 2>/dev/null
    a=$(sha256sum </mnt/f$((i %% 20))); sync; echo 3 >/proc/sys/vm/drop_caches; b=$(sha256sum </mnt/f$((i %% 20)))
    [ "$a" = "$b" ] && echo disk >>/done || echo "disk $i" >>/wrong; done; echo >>/over) &
(while [ ! -e /stop ]; do s=$(timeout 5 wget -q -O - http://10.0.2.2:%d/ | sha256sum); case $s in
    %s*) echo net >>/done ;; *) echo cut >>/done; sleep 1 ;; esac; done; echo >>/over) &
(while [ ! -e /stop ]; do cp /share/data /tmp/data; cmp /share/data /tmp/data && echo share >>/done || echo "share" >>/wrong
    echo $RANDOM >/share/written; done; echo >>/over) &
"""


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Snapshot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        for tool in ("mke2fs", "e2fsck"):
            if not shutil.which(tool):
                raise unittest.SkipTest("%s is not installed (Debian: e2fsprogs)" % tool)
        cls.kernel, modules = guests.kernel("linux-image-arm64")
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.tmp = tmp.name
        cls.server = test_guest_network.Server(SERVER)
        with open(cls.path("work.sh"), "w") as f:
            f.write(WORK % (cls.server.web.server_port, hashlib.sha256(SERVER).hexdigest()))
        cls.initrd = guests.initrd(cls.path("initrd.gz"), modules=(modules, MODULES),
                                   add=[cls.path("work.sh") + "=work.sh", guests.compiled(cls.tmp, "guest_sockets.c", "sockets")])

    @classmethod
    def path(cls, name):
        return os.path.join(cls.tmp, name)

    def boot(self, name, *args):
        return guests.Guest("snapshot-" + name, "--kernel", self.kernel, "--initrd", self.initrd, "--mem", "512M", "--cpus", "2", "--timeout",
                            str(guests.LIMIT_S), "--cmdline", "console=ttyAMA0 quiet", "--stats=none", *args)

    def load(self, name, snapshot, *args):
        return guests.Guest("snapshot-" + name, "--snapshot-load", snapshot, "--timeout", str(guests.LIMIT_S), "--stats=none", *args)

    def make_disk(self, name):
        image = self.path(name)
        with open(image, "wb") as f:
            f.truncate(64 << 20)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", image], check=True, stdin=subprocess.DEVNULL, timeout=vibe.LIMIT_S)
        return image

    def save(self, g, snapshot):
        """Stops it by a signal, wherever it is."""
        g.process.send_signal(signal.SIGTERM)
        self.assertEqual(g.end(), 128 + signal.SIGTERM)
        self.assertTrue(os.path.exists(snapshot))

    def counts(self, g):
        return [int(g.shell("touch /done; grep -c %s /done || :" % what)) for what in ("disk", "net", "share")]

    def check_work(self, g, before):
        """All of it goes on, and none of it went wrong."""
        deadline = time.monotonic() + guests.LIMIT_S
        while True:
            now = self.counts(g)
            if all(n > b + 1 for n, b in zip(now, before)):
                break
            self.assertLess(time.monotonic(), deadline, (before, now))
            time.sleep(0.2)
        self.assertEqual(g.shell("cat /wrong 2>/dev/null || :"), "")
        return now

    def test_under_load(self):
        snapshot, image, folder = self.path("load.snap"), self.make_disk("disk.img"), self.path("shared")
        os.mkdir(folder)
        with open(os.path.join(folder, "data"), "wb") as f:
            f.write(SERVER[:1 << 20])
        vsock = self.path("vsock")
        args = ("--disk", image, "--net", "user", "--share", folder, "--vsock", vsock, "--snapshot-save", snapshot)
        with self.boot("under-load", *args) as g:
            g.expect(rb"init: Linux [^\n]* is up")
            g.expect(rb"# ")
            g.shell("%s; mkdir -p /share; mount -t ext4 /dev/vda /mnt && mount -t 9p -o trans=virtio,version=9p2000.L share /share" % UP)
            g.shell("(while :; do sockets echo 700 9 || sleep 1; done) 2>/dev/null & head -c 1000 /dev/urandom >/mnt/before; sh /work.sh")
            # A file that is open, and half read, when it happens.
            g.shell("exec 7</share/data; dd bs=1000 count=300 <&7 2>/dev/null | sha256sum")
            before = self.check_work(g, (0, 0, 0))
            with self.connect(vsock):  # which the guest waits for, when it happens
                self.save(g, snapshot)
        # Under overlays, and from where it was moved to, as often as one likes; then the disk itself, once.
        moved = self.path("moved.img")
        shutil.copy2(image, moved)
        where = ["%s,overlay=%s" % (moved, self.path("%d.cow" % n)) for n in range(2)] + [image]
        sums = sha256(moved)
        for n, disk in enumerate(where):
            with self.load("loaded-%d" % n, snapshot, "--disk", disk) as g:
                now = self.check_work(g, before)
                self.assertGreaterEqual(now[0], before[0])
                rest = g.shell("cat <&7 | sha256sum").split()[0]
                self.assertEqual(rest, hashlib.sha256(SERVER[300000:1 << 20]).hexdigest())
                # The guest has heard that the other one is over, for it serves one after the other.
                self.connect(vsock).close()
                g.shell("touch /stop /over; while [ $(wc -l </over) != 3 ]; do sleep 0.1; done; exec 7<&-; umount /mnt /share")
                g.send("poweroff -f\n")
                self.assertEqual(g.end(), 0)
                g.check_no_trouble()
        self.assertEqual(sha256(moved), sums)
        p = subprocess.run(["e2fsck", "-f", "-n", image], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=vibe.LIMIT_S)
        self.assertEqual(p.returncode, 0, p.stdout)
        # It has changed, so that once more would break it.
        p = vibe.run("--snapshot-load", snapshot, "--stats=none")
        self.assertEqual(p.returncode, 2, p.stderr)
        self.assertIn(b"disk.img has changed since", p.stderr)

    @staticmethod
    def connect(path):
        """A connection to the guest's program that sends back what it is sent, as soon as there is one."""
        for _ in range(100):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(5)
            try:
                s.connect(path)
                s.sendall(b"CONNECT 700\nping")
                got = b""
                while not got.endswith(b"ping"):
                    piece = s.recv(100)
                    if not piece:
                        break
                    got += piece
                else:
                    return s
            except (TimeoutError, ConnectionError):
                pass
            s.close()
            time.sleep(0.1)
        raise AssertionError("no connection")

    def test_fork(self):
        snapshot, image, out = self.path("fork.snap"), self.make_disk("fork.img"), self.path("out")
        with self.boot("fork", "--disk", image, "--snapshot-save", snapshot) as g:
            g.expect(rb"init: Linux [^\n]* is up")
            g.expect(rb"# ")
            g.shell("mount -t ext4 /dev/vda /mnt; echo common >/mnt/file; sync")
            self.save(g, snapshot)
        sums = sha256(image)
        os.mkdir(out)
        with open(self.path("variants"), "w") as f:
            f.write("# write, read back past the cache, and tell\n"
                    "echo {n} >>/mnt/file; sync; echo 3 >/proc/sys/vm/drop_caches; cat /mnt/file; echo =$(sha256sum </mnt/file); umount /mnt; poweroff -f\n")
        p = vibe.run("fork", "--snapshot-load", snapshot, "--variants", self.path("variants"), "--count", "12", "--jobs", "3", "--out", out,
                     "--overlays", out, "--timeout", str(guests.LIMIT_S))
        self.assertEqual(p.returncode, 0, (p.stdout, p.stderr))
        self.assertRegex(p.stdout, rb"^12 variants in \d+\.\d{3} s, \d+ a minute: 12 good, 0 failed\n$")
        self.assertEqual(sha256(image), sums)
        for n in range(1, 13):
            with open(os.path.join(out, "%d.log" % n), "rb") as f:
                log = f.read()
            self.assertIn(b"=" + hashlib.sha256(b"common\n%d\n" % n).hexdigest().encode(), log)
            self.assertIsNone(guests.TROUBLE.search(log))
        self.assertEqual(sorted(os.listdir(out)), sorted(["summary.tsv"] + ["%d.log" % n for n in range(1, 13)] + ["%d-0.cow" % n for n in range(1, 13)]))
        # What a variant has written is there for a machine that boots from it.
        with self.boot("fork-after", "--disk", "%s,overlay=%s" % (image, os.path.join(out, "7-0.cow"))) as g:
            g.expect(rb"init: Linux [^\n]* is up")
            g.expect(rb"# ")
            self.assertEqual(g.shell("mount -t ext4 /dev/vda /mnt; cat /mnt/file").split(), ["common", "7"])


if __name__ == "__main__":
    unittest.main()
