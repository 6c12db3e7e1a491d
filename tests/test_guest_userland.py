"""A Debian userland on an ext4 disk: checksums of large files, openssl by known answers, interpreters, a database, the compiler and what it
makes, processes and their memory; on one CPU, and on four at once. And the plug pulled while the guest writes: the journal replays and all
that was synced is there."""
import hashlib
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

import guest_writer
import guests
import vibe

MODULES = "virtio_mmio,virtio_blk,ext4"
BENCH = os.path.join(vibe.ROOT, "bench")
TESTS = os.path.join(vibe.ROOT, "tests")
LARGE = 16 << 20
# All the work, on a slow machine under load.
JOBS_LIMIT_S = 900
LOOPS = {"sort": 3, "nbody": 3}  # of bench/loops: rounds
# What the scripts of bench/linux print, as x86-64 has it.
PERL = "3600 7.873283963196 302803 1480160"
SQLITE = "3708|18571497|item fffa2 17643414108 3372680260"


def cksum(data):
    """POSIX's, by its definition."""
    table = []
    for n in range(256):
        c = n << 24
        for _ in range(8):
            c = (c << 1 ^ 0x04C11DB7 if c & 0x80000000 else c << 1) & 0xFFFFFFFF
        table.append(c)
    crc, size = 0, len(data)
    for byte in data + size.to_bytes((size.bit_length() + 7) // 8, "little"):
        crc = (crc << 8 & 0xFFFFFFFF) ^ table[crc >> 24 ^ byte]
    return "%d %d" % (crc ^ 0xFFFFFFFF, size)


class Userland(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        for tool in ("mke2fs", "e2fsck", "debugfs"):
            if not shutil.which(tool):
                raise unittest.SkipTest("%s is not installed (Debian: e2fsprogs)" % tool)
        cls.kernel, modules = guests.kernel()
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.tmp = tmp.name
        cls.initrd = guests.initrd(cls.path("initrd.gz"), modules=(modules, MODULES))
        cls.root = guests.debian_image(cls.path("root.img"), *guests.USERLAND)
        cls.large = random.Random(3).randbytes(LARGE)
        cls.jobs = cls.make_jobs()
        cls.work = cls.make_work()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.tmp, name)

    @classmethod
    def make_work(cls):
        """What the guest works on, as an archive, which is a disk to it."""
        large = cls.path("large")
        with open(large, "wb") as f:
            f.write(cls.large)
        path = cls.path("work.tar")
        with tarfile.open(path, "w") as tar:
            tar.add(large, "large")
            for name in ("guest_openssl.sh", "guest_process.c", "guest_writer.py"):
                tar.add(os.path.join(TESTS, name), name)
            for name in ("linux", "loops", "native.c"):
                tar.add(os.path.join(BENCH, name), name)
            for i, command in enumerate(cls.jobs):
                info = tarfile.TarInfo("job%d" % i)
                info.size = len(command)
                tar.addfile(info, io.BytesIO(command.encode()))
        return path

    def boot(self, name, disk, *args):
        return guests.Guest("userland-" + name, "--kernel", self.kernel, "--initrd", self.initrd, "--mem", "1G", "--timeout",
                            str(JOBS_LIMIT_S), "--stats=none", "--cmdline", "console=ttyAMA0 quiet root=/dev/vda rw",
                            "--disk", disk, "--disk", self.work + ",ro", *args)

    def reach_shell(self, g):
        g.expect(rb"init: Debian GNU/Linux [^\n]* is up")
        g.expect(rb"# ")
        g.shell("mkdir -p /root/work && cd /root/work && tar -xf /dev/vdb")

    def finish(self, g):
        g.send("exit\n")
        g.expect(rb"reboot: Power down")
        self.assertEqual(g.end(), 0)
        g.check_no_trouble()

    @classmethod
    def host_sums(cls):
        """What the loops come to on the host."""
        sums = []
        for name, rounds in LOOPS.items():
            program = cls.path(name)
            subprocess.run(["gcc", "-O2", "-ffp-contract=off", os.path.join(BENCH, "native.c"), os.path.join(BENCH, "loops", name + ".c"),
                            "-lm", "-o", program], check=True, timeout=vibe.LIMIT_S)
            p = subprocess.run([program, str(rounds)], check=True, stdout=subprocess.PIPE, timeout=vibe.LIMIT_S)
            sums.append(p.stdout.split()[1].decode())
        return sums

    @classmethod
    def make_jobs(cls):
        """Commands with what they have to print, blanks aside."""
        piece = cls.large[:1000003]
        build = "; ".join("gcc %s -ffp-contract=off native.c loops/%s.c -lm -o %s && ./%s %d | cut -d' ' -f2"
                          % ("-O3" if i % 2 else "-O2", name, name, name, rounds) for i, (name, rounds) in enumerate(LOOPS.items()))
        python = subprocess.run([sys.executable, "-I", os.path.join(BENCH, "linux", "work.py")], check=True, stdout=subprocess.PIPE,
                                timeout=vibe.LIMIT_S)
        return {
            "sha256sum <large; sha512sum <large; md5sum <large; b2sum <large":
                " - ".join(getattr(hashlib, name)(cls.large).hexdigest() for name in ("sha256", "sha512", "md5", "blake2b")) + " -",
            "head -c 1000003 large >piece; cksum <piece; sha1sum <piece; sum -s <piece":
                "%s %s - %d %d" % (cksum(piece), hashlib.sha1(piece).hexdigest(), cls.sum_s(piece), (len(piece) + 511) // 512),
            "gzip -c large | gzip -dc | cmp - large && tar -c loops | xz | xz -dc | tar -d && echo same": "same",
            "bash guest_openssl.sh": "48 right, 0 wrong",
            "python3 -I linux/work.py": python.stdout.decode(),
            "perl linux/work.pl": PERL,
            "sqlite3 database <linux/work.sql && sqlite3 database 'pragma integrity_check; select count(*) from item'": SQLITE + " ok 59376",
            build: " ".join(cls.host_sums()),
            "gcc -O2 -Wall -Wextra -pthread guest_process.c -o process && ./process":
                " ".join(part + ": good" for part in ("forks", "faults", "code", "mappings", "signals", "together", "timers", "steps")),
        }

    @staticmethod
    def sum_s(data):
        """System V's checksum."""
        s = sum(data) & 0xFFFFFFFF
        r = (s & 0xFFFF) + (s >> 16)
        return (r & 0xFFFF) + (r >> 16)

    def test_one_cpu(self):
        with self.boot("1cpu", "%s,overlay=%s" % (self.root, self.path("1.cow"))) as g:
            self.reach_shell(g)
            g.shell("sync; echo 3 >/proc/sys/vm/drop_caches")
            for i, (command, expected) in enumerate(self.jobs.items()):
                self.assertEqual(g.shell("bash job%d" % i).split(), expected.split(), command)
            self.finish(g)

    def test_four_cpus(self):
        """All at once, openssl without the instructions for cryptography."""
        with self.boot("4cpu", "%s,overlay=%s" % (self.root, self.path("4.cow")), "--cpus", "4") as g:
            self.reach_shell(g)
            g.shell("sync; echo 3 >/proc/sys/vm/drop_caches")
            # But for one compilation; there is another.
            numbers = [i for i, command in enumerate(self.jobs) if "native.c" not in command]
            g.shell("export OPENSSL_armcap=0; bash -c 'for i in %s; do bash job$i >out$i 2>&1 & done; wait'" % " ".join(map(str, numbers)),
                    JOBS_LIMIT_S)
            for i in numbers:
                command, expected = list(self.jobs.items())[i]
                self.assertEqual(g.shell("cat out%d" % i).split(), expected.split(), command)
            self.finish(g)

    def write_until_killed(self, g):
        """The files that the guest says are durable."""
        g.send("python3 guest_writer.py /root/kept\n")
        g.expect(rb"SYNCED 25\r?\n")
        g.process.kill()
        while g.read(time.monotonic() + guests.LIMIT_S):
            pass
        return [int(n) for n in re.findall(rb"SYNCED (\d+)\r?\n", g.out)]

    def test_plug_pulled(self):
        """An overlay forgets what was not flushed; the guest's own replay of the journal."""
        disk = "%s,overlay=%s" % (self.root, self.path("pulled.cow"))
        with self.boot("pulled", disk, "--cpus", "4") as g:
            self.reach_shell(g)
            synced = self.write_until_killed(g)
        with self.boot("replayed", disk) as g:
            g.expect(rb"init: Debian GNU/Linux [^\n]* is up")
            g.expect(rb"# ")
            self.assertIn("recovery complete", g.shell("dmesg"))
            there = {int(n): s for s, n in re.findall(r"^([0-9a-f]{64})  /root/kept/kept(\d+)$", g.shell("sha256sum /root/kept/kept*"), re.M)}
            for n in synced:
                self.assertEqual(there.get(n), hashlib.sha256(guest_writer.contents(n)).hexdigest(), n)
            log = g.shell("cat /root/kept/log").encode()
            self.assertTrue(log.startswith(b"".join(map(guest_writer.line, synced))), log[-1000:])
            self.finish(g)

    def test_plug_pulled_from_an_image(self):
        """The host's replay of the journal, and what it sees."""
        image = self.path("pulled.img")
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", self.root, image], check=True, timeout=guests.LIMIT_S)
        with self.boot("pulled-image", image, "--cpus", "2") as g:
            self.reach_shell(g)
            synced = self.write_until_killed(g)
        # -p corrects only what an unclean stop may leave: the journal, orphaned inodes. 1: it did.
        self.fsck(image, "-p", (0, 1))
        self.fsck(image, "-n", (0,))
        folder = self.path("dumped")
        os.makedirs(folder)
        subprocess.run(["debugfs", "-R", "rdump /root/kept %s" % folder, image], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=vibe.LIMIT_S)
        for n in synced:
            with open(os.path.join(folder, "kept", "kept%d" % n), "rb") as f:
                self.assertTrue(f.read() == guest_writer.contents(n), n)
        with open(os.path.join(folder, "kept", "log"), "rb") as f:
            self.assertTrue(f.read().startswith(b"".join(map(guest_writer.line, synced))))

    def fsck(self, image, how, good):
        p = subprocess.run(["e2fsck", "-f", how, image], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=vibe.LIMIT_S)
        self.assertIn(p.returncode, good, p.stdout.decode(errors="replace"))


if __name__ == "__main__":
    unittest.main()
