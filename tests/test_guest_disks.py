"""Debian's arm64 kernel and its disks: ext4 on a plain image and on an overlay, read, written, checked by the host; the program killed in
the middle of it; both register layouts. Beside them what every guest has: random numbers, the memory balloon, the virtio console."""
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import unittest

import guests
import vibe

MODULES = "virtio_mmio,virtio_blk,virtio_balloon,virtio_rng,virtio_console,ext4"
READ_ALL = "sh -c 'find /mnt -type f | sort | xargs sha256sum' | sed s,/mnt/,,"


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(f.read()).hexdigest()


class Disks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for tool in ("mke2fs", "e2fsck", "debugfs"):
            if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
                raise unittest.SkipTest("%s is not installed (Debian: e2fsprogs)" % tool)
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        cls.kernel, modules = guests.kernel()
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.tmp = tmp.name
        cls.initrd = guests.initrd(cls.path("initrd.gz"), modules=(modules, MODULES))
        cls.on_hvc0 = guests.initrd(cls.path("hvc0.gz"), modules=(modules, MODULES),
                                    run="exec setsid sh -c 'exec sh </dev/hvc0 >/dev/hvc0 2>&1'\n")

    @classmethod
    def path(cls, name):
        return os.path.join(cls.tmp, name)

    def boot(self, name, *args, initrd=None):
        return guests.Guest("disks-" + name, "--kernel", self.kernel, "--initrd", initrd or self.initrd, "--mem", "256M", "--timeout",
                            str(guests.LIMIT_S), "--cmdline", "console=ttyAMA0 quiet", *args)

    def make_image(self):
        """An ext4 file system with files of all sizes: its path, and name -> checksum."""
        folder, image = self.path("content"), self.path("disk.img")
        shutil.rmtree(folder, ignore_errors=True)
        rng = random.Random(1)
        sums = {}
        for i, size in enumerate((0, 1, 511, 4096, 4097, 100000, 1 << 20, 9 << 20)):
            os.makedirs(os.path.join(folder, "d%d" % (i % 3)), exist_ok=True)
            name = "d%d/f%d" % (i % 3, i)
            with open(os.path.join(folder, name), "wb") as f:
                f.write(rng.randbytes(size))
            sums[name] = sha256(os.path.join(folder, name))
        with open(image, "wb") as f:
            f.truncate(64 << 20)
        # Blocks of a page: with smaller ones, Linux's ext4 may commit an extent that ends inside a page before the size that covers it, and
        # after a power cut e2fsck complains about i_size, whatever the disk did.
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-d", folder, image], check=True,
                       stdin=subprocess.DEVNULL, timeout=vibe.LIMIT_S)
        return image, sums

    def fsck(self, image):
        p = subprocess.run(["e2fsck", "-f", "-n", image], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=vibe.LIMIT_S)
        self.assertEqual(p.returncode, 0, p.stdout.decode(errors="replace"))

    def dumped(self, image, name):
        """The checksum of a file in the image, as the host reads it."""
        out = self.path("dumped")
        subprocess.run(["debugfs", "-R", "dump /%s %s" % (name, out), image], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=vibe.LIMIT_S)
        return sha256(out)

    def read_all(self, g):
        """name -> checksum of what is below /mnt."""
        return {name: s for s, name in re.findall(r"^([0-9a-f]{64})  (.*)$", g.shell(READ_ALL), re.M)}

    def write_and_kill(self, g, prefix):
        """Files that were synced, with their checksums; then the program is killed while the guest writes others."""
        g.shell("mkdir -p /mnt/%s; for i in 1 2 3 4 5; do dd if=/dev/urandom of=/mnt/%s/f$i bs=100k count=$((i * 3)); done 2>/dev/null; sync"
                % (prefix, prefix))
        sums = {n: s for n, s in self.read_all(g).items() if n.startswith(prefix + "/")}
        self.assertEqual(len(sums), 5)
        g.send("i=0; while :; do i=$((i + 1)); cp /mnt/%s/f1 /mnt/later$i; mv /mnt/later$i /mnt/moved$((i %% 9)); done &\n" % prefix)
        g.send("sleep 2; echo IN-THE-MIDDLE\n")
        g.expect(rb"IN-THE-MIDDLE")
        g.process.kill()
        return sums

    def finish(self, g):
        g.send("umount /mnt; poweroff -f\n")
        self.assertEqual(g.end(), 0)
        g.check_no_trouble()

    def reach_shell(self, g):
        g.expect(rb"init: Linux [^\n]* is up")
        g.expect(rb"# ")

    def test_image(self):
        image, sums = self.make_image()
        second = self.path("second")
        with open(second, "wb") as f:
            f.write(b"read only".ljust(1000, b"."))
        with self.boot("image", "--disk", image + ",serial=the-first,queues=2", "--disk", second + ",ro", "--cpus", "2", "--stats=none") as g:
            self.reach_shell(g)
            self.assertEqual(g.shell("cat /sys/block/vda/serial"), "the-first")
            self.assertEqual(g.shell("ls /sys/block/vda/mq | wc -l; cat /sys/block/vda/queue/write_cache /sys/block/vdb/ro").split(),
                             ["2", "write", "back", "1"])
            self.assertEqual(g.shell("head -c 9 /dev/vdb; wc -c </dev/vdb").strip(), "read only1024")
            self.assertEqual(g.shell("echo x 2>/dev/null >/dev/vdb || echo refused").strip(), "refused")
            self.assertEqual(g.shell("dd if=/dev/hwrng bs=512 count=8 2>/dev/null | wc -c").strip(), "4096")
            g.shell("mount -t ext4 /dev/vda /mnt")
            self.assertEqual(self.read_all(g), sums)
            g.shell("dd if=/dev/urandom of=/mnt/d1/new bs=64k count=100 2>/dev/null; rm /mnt/d0/f6; fstrim /mnt")
            sums["d1/new"] = self.read_all(g)["d1/new"]
            del sums["d0/f6"]
            sums.update(self.write_and_kill(g, "synced"))
        # The journal replays; what was synced is there, in the legacy layout too.
        with self.boot("image-legacy", "--disk", image, "--virtio", "legacy", "--stats=none") as g:
            self.reach_shell(g)
            g.shell("mount -t ext4 /dev/vda /mnt")
            self.assertRegex(g.shell("dmesg | tail -n 5"), "vda.*recovery complete|recovery complete")
            now = self.read_all(g)
            self.assertEqual({n: now.get(n) for n in sums}, sums)
            g.shell("dd if=/dev/urandom of=/mnt/last bs=64k count=50 2>/dev/null")
            sums["last"] = self.read_all(g)["last"]
            # A reset in the middle of requests; the machine starts again with the same disk.
            g.shell("sync")
            g.send("cat /dev/vda >/dev/null & sleep 0.2; reboot -f\n")
            self.reach_shell(g)
            g.nr_commands = 0
            g.shell("mount -t ext4 /dev/vda /mnt")
            now = self.read_all(g)
            self.assertEqual({n: now.get(n) for n in sums}, sums)
            self.finish(g)
        self.fsck(image)
        for name in ("d1/new", "last", "synced/f5", "d1/f7"):
            self.assertEqual(self.dumped(image, name), sums[name])

    def test_overlay(self):
        image, sums = self.make_image()
        overlay, stats = self.path("overlay.cow"), self.path("stats.json")
        before = sha256(image)
        disk = "%s,overlay=%s" % (image, overlay)
        with self.boot("overlay", "--disk", disk, "--stats=none") as g:
            self.reach_shell(g)
            g.shell("mount -t ext4 /dev/vda /mnt")
            self.assertEqual(self.read_all(g), sums)
            g.shell("echo changed >/mnt/d1/f1; rm /mnt/d1/f7; sync")
            sums["d1/f1"] = hashlib.sha256(b"changed\n").hexdigest()
            del sums["d1/f7"]
            sums.update(self.write_and_kill(g, "synced"))
        self.assertEqual(sha256(image), before)
        # On the virtio console, with a balloon.
        with self.boot("overlay-again", "--disk", disk, "--console", "--balloon=64M", "--stats=json:" + stats, initrd=self.on_hvc0) as g:
            g.expect(rb"# ")
            self.assertEqual(g.shell("stty size").split(), ["25", "80"])
            g.shell("mount -t ext4 /dev/vda /mnt")
            self.assertRegex(g.shell("dmesg | tail -n 5"), "recovery complete")
            now = self.read_all(g)
            self.assertEqual({n: now.get(n) for n in sums}, sums)
            self.assertNotIn("d1/f7", now)
            self.finish(g)
        self.assertEqual(sha256(image), before)
        with open(stats, encoding="utf-8") as f:
            balloon = json.load(f)["balloon"]
        self.assertEqual(balloon["largest_bytes"], 64 << 20)
        self.assertGreaterEqual(balloon["given_back_bytes"], 64 << 20)
        self.assertGreater(balloon["guest"]["total_bytes"], 128 << 20)


if __name__ == "__main__":
    unittest.main()
