"""Debian's arm64 kernel and a folder of the host's: a tree of 1,000 files both ways, checksummed; what programs do with files; read-only; and
nothing leads out. The kernel for virtual machines has no 9P, the general one has."""
import hashlib
import os
import random
import re
import stat
import subprocess
import tempfile
import unittest

import guests
import vibe

MODULES = "virtio_mmio,9p,9pnet_virtio"
MOUNT = "mkdir -p /mnt/%s; mount -t 9p -o trans=virtio,version=9p2000.L%s %s /mnt/%s"


def make_tree(top, nr_files):
    """Files of many sizes in folders, with odd names, modes and times; links and an empty folder."""
    rng = random.Random(9)
    for i in range(nr_files):
        where = os.path.join(top, "d%d" % (i % 7), "e%d" % (i % 5), "f g" if i % 11 == 0 else "h")
        os.makedirs(where, exist_ok=True)
        name = ("file %d" if i % 10 == 0 else "-file%d" if i % 10 == 1 else "\u00fcber%d" if i % 10 == 2 else "f%d.txt") % i
        path = os.path.join(where, name)
        size = rng.choice((0, 1, 100, 4095, 4096, 4097, 20000)) if i % 100 else 300000
        with open(path, "wb") as f:
            f.write(rng.randbytes(size))
        os.chmod(path, rng.choice((0o644, 0o600, 0o755, 0o664, 0o400)))
        t = 1_500_000_000 + i * 1000
        os.utime(path, (t, t))
    os.mkdir(os.path.join(top, "empty"))
    os.symlink("d0/e0", os.path.join(top, "link"))
    os.symlink("nowhere", os.path.join(top, "dangling"))
    os.link(os.path.join(top, "d1/e1/h/-file1"), os.path.join(top, "hard"))


def content(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def tree(top, times=True):
    """Everything that matters of what is in a folder: name -> kind, mode, content, time."""
    found = {}
    for where, folders, files in os.walk(top):
        for n in folders + files:
            path = os.path.join(where, n)
            st = os.lstat(path)
            if stat.S_ISLNK(st.st_mode):
                what = ("link", os.readlink(path))
            elif stat.S_ISDIR(st.st_mode):
                what = ("folder", stat.S_IMODE(st.st_mode))
            else:
                what = ("file", stat.S_IMODE(st.st_mode), st.st_size, content(path), int(st.st_mtime) if times else 0)
            found[os.path.relpath(path, top)] = what
    return found


class Share(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kernel, modules = guests.kernel("linux-image-arm64")
        tmp = tempfile.TemporaryDirectory()
        cls.addClassCleanup(tmp.cleanup)
        cls.tmp = tmp.name
        cls.initrd = guests.initrd(os.path.join(cls.tmp, "initrd.gz"), modules=(modules, MODULES), add=[guests.compiled(cls.tmp, "guest_files.c", "files")])

    def setUp(self):
        top = tempfile.TemporaryDirectory(dir=self.tmp)
        self.addCleanup(top.cleanup)
        self.top = top.name
        self.folder = self.path("share")
        os.mkdir(self.folder)

    def path(self, *parts):
        return os.path.join(self.top, *parts)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def boot(self, name, *args):
        return guests.Guest("share-" + name, "--kernel", self.kernel, "--initrd", self.initrd, "--cmdline", "console=ttyAMA0 quiet", "--mem",
                            "512M", "--timeout", str(guests.LIMIT_S), "--stats=none", *args)

    def reach_shell(self, g, *mounts):
        g.expect(rb"init: Linux [^\n]* is up")
        g.expect(rb"# ")
        for tag, options in mounts or (("share", ""),):
            g.shell(MOUNT % (tag, options, tag, tag))

    def finish(self, g):
        g.send("poweroff -f\n")
        self.assertEqual(g.end(), 0)
        g.check_no_trouble()

    def copy_both_ways(self, name, nr_files, options, *args):
        make_tree(self.folder, nr_files)
        before = tree(self.folder)
        with self.boot(name, *args) as g:
            self.reach_shell(g, ("share", options))
            # To the guest, and the sums as the guest sees them.
            g.shell("cp -a /mnt/share /tmp/copy")
            here = g.shell("(cd /tmp/copy && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)")
            want = hashlib.sha256()
            for n in sorted((n for n, what in before.items() if what[0] == "file"), key=lambda n: ("./" + n).encode()):
                want.update(b"%s  ./%s\n" % (before[n][3].encode(), n.encode()))
            self.assertEqual(here.split()[0], want.hexdigest())
            # And back.
            g.shell("cp -a /tmp/copy /mnt/share/back && sync")
            self.assertEqual(g.shell("find /mnt/share/back -type f | wc -l").strip(), str(nr_files + 1))
            self.finish(g)
        back = tree(self.path("share", "back"))
        os.rename(self.path("share", "back"), self.path("back"))
        self.assertEqual(back, before)
        self.assertEqual(tree(self.folder), before)
        self.assertEqual(os.lstat(self.path("back/hard")).st_nlink, 2)

    def test_tree(self):
        self.copy_both_ways("tree", 200, "", "--cpus", "2", "--share", self.folder)

    def test_tree_cached(self):
        """The guest keeps what it has seen, names and data, and writes by pages."""
        self.copy_both_ways("cached", 1000, ",cache=loose,msize=262144", "--virtio", "legacy", "--share", self.folder)

    def test_what_programs_do(self):
        with self.boot("programs", "--cpus", "4", "--share", self.folder) as g:
            self.reach_shell(g)
            g.shell("cd /mnt/share")
            # Append, overwrite in the middle, cut, grow; by the other side in between.
            g.shell("echo one >f; echo two >>f")
            self.assertEqual(self.read("share/f"), "one\ntwo\n")
            with open(self.path("share/f"), "a") as f:
                f.write("three\n")
            self.assertEqual(g.shell("cat f"), "one\ntwo\nthree\n")
            g.shell("echo TWO | dd of=f bs=1 seek=4 conv=notrunc 2>/dev/null; truncate -s 10 f")
            self.assertEqual(self.read("share/f"), "one\nTWO\nth")
            g.shell("truncate -s 1G f; truncate -s 3 f")
            self.assertEqual(self.read("share/f"), "one")
            # A file that is open outlives its name.
            self.assertEqual(g.shell("exec 5>gone 6<gone; rm gone; echo kept >&5; cat <&6; exec 5>&- 6<&-; ls gone 2>/dev/null || echo no"),
                             "kept\nno\n")
            # Names: moved over another, into another folder, folders too.
            g.shell("mkdir -p a/b c; echo x >a/b/x; mv a/b c/d; mv c e; echo y >y; mv y e/d/x; ln f hard; ln -s e/d/x soft; mkfifo p")
            self.assertEqual(self.read("share/e/d/x"), "y\n")
            self.assertFalse(os.path.exists(self.path("share/c")))
            self.assertEqual(os.readlink(self.path("share/soft")), "e/d/x")
            self.assertTrue(os.path.samefile(self.path("share/f"), self.path("share/hard")))
            self.assertEqual(g.shell("cat soft; (echo through >p &) ; cat p"), "y\nthrough\n")
            g.shell("chmod 751 e; chmod 640 f; touch -d '2020-01-02 03:04:05' f; chown 1234:5678 f")
            st = os.stat(self.path("share/f"))
            self.assertEqual(stat.S_IMODE(st.st_mode), 0o640)
            self.assertEqual(int(st.st_mtime), 1577934245)
            self.assertEqual(g.shell("chmod 4755 f; stat -c %a f").strip(), "755")
            # Locks, between the guest's processes.
            self.assertEqual(g.shell("files lock f").strip(), "good")
            # Four at once in one folder.
            g.shell("mkdir many; for j in 1 2 3 4; do (for i in $(seq 100); do echo $i-$j >many/$i-$j; mv many/$i-$j many/m$i-$j; "
                    "[ $((i % 3)) = 0 ] && rm many/m$i-$j; done; true) & done; wait")
            self.assertEqual(sorted(os.listdir(self.path("share/many"))),
                             sorted("m%d-%d" % (i, j) for i in range(1, 101) for j in range(1, 5) if i % 3))
            self.assertEqual(g.shell("ls many | wc -l").strip(), "268")
            g.shell("rm -r many e a soft hard p")
            self.assertEqual(os.listdir(self.folder), ["f"])
            # Room, as the host has it.
            blocks = int(g.shell("df -k . | awk 'NR==2{print $2}'"))
            st = os.statvfs(self.folder)
            self.assertAlmostEqual(blocks, st.f_frsize * st.f_blocks // 1024, delta=1024)
            g.shell("cd /; umount /mnt/share")
            self.finish(g)

    def test_escapes(self):
        """Links lead to places in the guest, devices are not made, and the folder has no way up."""
        self.write("secret", "the host's secret\n")
        self.write("share/inside", "inside\n")
        os.symlink(self.path("secret"), self.path("share/absolute"))
        os.symlink("../secret", self.path("share/relative"))
        os.symlink("..", self.path("share/up"))
        os.mkfifo(self.path("share/fifo"))
        devices = True
        try:
            os.mknod(self.path("share/null"), stat.S_IFCHR | 0o666, os.stat("/dev/null").st_rdev)
        except PermissionError:
            devices = False
        before = os.stat(self.path("secret"))
        with self.boot("escapes", "--share", self.folder) as g:
            self.reach_shell(g)
            g.shell("cd /mnt/share; echo \"the guest's own\" >/mnt/secret")
            self.assertEqual(g.shell("cat absolute 2>/dev/null || echo none").strip(), "none")
            self.assertEqual(g.shell("cat relative up/secret").split("\n")[:2], ["the guest's own"] * 2)
            g.shell("echo changed >relative; chmod 777 relative up/secret; touch up/made")
            self.assertEqual(g.shell("cat ../secret; (cd up; pwd -P)").split("\n")[:2], ["changed", "/mnt"])
            self.assertEqual(g.shell("mknod c c 1 3 2>/dev/null || mknod b b 8 0 2>/dev/null || echo refused").strip(), "refused")
            if devices:
                self.assertEqual(g.shell("stat -c %t:%T null").strip(), "1:3")  # the guest's own, by number
            g.shell("ln -s /etc/passwd new; ln absolute hard; mv absolute moved; rm hard moved relative up new")
            self.finish(g)
        after = os.stat(self.path("secret"))
        self.assertEqual((before.st_mode, before.st_size, before.st_mtime, before.st_nlink),
                         (after.st_mode, after.st_size, after.st_mtime, after.st_nlink))
        self.assertEqual(sorted(os.listdir(self.top)), ["secret", "share"])
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(["fifo", "inside"] + devices * ["null"]))

    def test_read_only_and_several(self):
        os.mkdir(self.path("other"))
        self.write("share/f", "f\n")
        with self.boot("several", "--share", self.folder + ",tag=one,ro", "--share", self.path("other") + ",tag=two") as g:
            self.reach_shell(g, ("one", ""), ("two", ""))
            for command in ("echo x >/mnt/one/f", "echo x >>/mnt/one/f", "touch /mnt/one/g", "rm /mnt/one/f", "mkdir /mnt/one/d",
                            "mv /mnt/one/f /mnt/one/g", "ln -s x /mnt/one/s", "ln /mnt/one/f /mnt/one/h", "chmod 600 /mnt/one/f",
                            "truncate -s 0 /mnt/one/f", "mkfifo /mnt/one/p"):
                self.assertIn("Read-only file system", g.shell("(%s) 2>&1 || true" % command))
            g.shell("cp /mnt/one/f /mnt/two/copy; umount /mnt/two")
            g.shell(MOUNT % ("two", ",cache=mmap", "two", "two"))
            self.assertEqual(g.shell("files map /mnt/two/map").strip(), "good")
            self.finish(g)
        self.assertEqual(os.listdir(self.folder), ["f"])
        self.assertEqual(self.read("other/copy"), "f\n")
        self.assertEqual(self.read("other/map"), "\0" * 4090 + "across pages" + "\0" * (10000 - 4102))

    def test_reboot(self):
        """The machine starts again with files open."""
        with self.boot("reboot", "--share", self.folder) as g:
            for i in range(2):
                self.reach_shell(g)
                g.send("exec 7>/mnt/share/open%d; echo $(cat /mnt/share/open* | wc -l) >&7; (while :; do ls /mnt/share; done) >/dev/null & sleep 1; "
                       "reboot -f\n" % i)
                g.nr_commands = 0
            self.reach_shell(g)
            self.assertEqual(g.shell("cat /mnt/share/open0 /mnt/share/open1").split(), ["0", "1"])
            self.finish(g)


if __name__ == "__main__":
    unittest.main()
