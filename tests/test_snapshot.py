"""Snapshots: every test kernel goes on from any point as if it had never stopped; what is damaged or does not fit is refused."""
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import time
import unittest

import test_kernels
import vibe

HEADER, CHUNK = 4096, 65536
MASK = (1 << 64) - 1
FACTOR = 0x9E3779B97F4A7C15
SEED = random.randrange(1 << 31)


def ror(x, n):
    return (x >> n | x << (64 - n)) & MASK


def hash64(data):
    """src/base/hash.c."""
    mix = lambda lane, word: ror(lane ^ word, 35) * FACTOR & MASK
    h = mix(0, len(data))
    lanes = [(i + 1) * FACTOR & MASK for i in range(8)]
    data += bytes(-len(data) % 64)
    for words in struct.iter_unpack("<8Q", data):
        lanes = [mix(lane, word) for lane, word in zip(lanes, words)]
    for lane in lanes:
        h = mix(h, lane)
    h ^= h >> 32
    h = h * FACTOR & MASK
    return h ^ h >> 29


class File:
    """A snapshot as bytes, and where its parts are; docs/snapshots.md."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.bytes = bytearray(f.read())
        self.memory, = struct.unpack_from("<Q", self.bytes, 24)
        nr, = struct.unpack_from("<I", self.bytes, 36)
        lengths = struct.unpack_from("<%dQ" % nr, self.bytes, 240)
        self.sections = []
        at = HEADER
        for length in lengths:
            self.sections.append((at, length))
            at += length
        self.table, = struct.unpack_from("<Q", self.bytes, 1264)

    def write(self, path, content=None, hashes=False):
        b = self.bytes if content is None else content
        if hashes:
            struct.pack_into("<Q", b, 1400, hash64(bytes(b[HEADER:self.memory])))
            struct.pack_into("<Q", b, HEADER - 8, hash64(bytes(b[:HEADER - 8])))
        with open(path, "wb") as f:
            f.write(b)


class Snapshot(vibe.InFolder):
    def setUp(self):
        super().setUp()
        self.snap = self.path("snap")

    def guest(self, code, name="guest.raw"):
        with open(self.path(name), "wb") as f:
            f.write(code)
        return self.path(name)

    def run_stats(self, *args, stdin=b"", status=0):
        """What the guest said; instructions of each vCPU since power-on, memory, and why it ended."""
        stats = self.path("stats.json")
        p = vibe.run("--timeout", "50", "--stats=json:" + stats, *args, stdin=stdin)
        self.assertEqual(p.returncode, status, (args, p.stderr.decode(errors="replace")))
        with open(stats, encoding="utf-8") as f:
            s = json.load(f)
        return p.stdout, [v["instructions"] + v["instructions_before"] for v in s["vcpus"]], s["memory_hash"], s["result"]

    def refused(self, pattern, *args, status=2):
        p = vibe.run("--stats=none", "--timeout", "50", *args, stdin=b"")
        self.assertEqual(p.returncode, status, (args, p.stderr))
        self.assertRegex(p.stderr.decode(), pattern)
        self.assertEqual(len(p.stderr.splitlines()), 1, p.stderr)
        self.assertEqual(p.stdout, b"")


class RoundTrips(Snapshot):
    def test_kernels(self):
        """Saved after a random number of instructions; the two halves are the whole, by the other way of running as well."""
        chance = random.Random(SEED)
        other = ("--accel", "soft,jit=off")
        for name, cpus, options, stdin, _ in test_kernels.listed():
            if int(cpus) > 4 or name in test_kernels.ENTROPY:
                continue
            args = ("--binary", os.path.join(test_kernels.KERNELS, name + ".raw"), "--cpus", cpus, "--deterministic", *options)
            stdin = stdin.encode("latin-1")
            whole = self.run_stats(*args, stdin=stdin)
            at = chance.randrange(1, max(whole[1]))
            with self.subTest(name, options=options, at=at, seed=SEED):
                save = ("--max-insns", str(at), "--snapshot-save", self.snap)
                if "--semihosting" in " ".join(options):
                    p = vibe.run(*args, *save, stdin=stdin)
                    if p.returncode == 1:  # it may have a file open
                        self.assertIn(b"the guest has a file open", p.stderr)
                        continue
                first = self.run_stats(*args, *save, *(other if chance.random() < 0.3 else ()), stdin=stdin, status=3)
                self.assertEqual(first[3], "max-insns")
                self.assertEqual(max(first[1]), at)
                second = self.run_stats("--snapshot-load", self.snap, *(other if chance.random() < 0.3 else ()))
                self.assertEqual((first[0] + second[0], *second[1:]), whole)

    def test_many_steps(self):
        """From one snapshot to the next, each loaded from the last."""
        args = ("--binary", os.path.join(test_kernels.KERNELS, "contend.raw"), "--cpus", "4", "--deterministic")
        whole = self.run_stats(*args)
        step = ("--max-insns", str(max(whole[1]) // 5), "--snapshot-save", self.snap)
        out = self.run_stats(*args, *step, status=3)[0]
        for _ in range(3):
            out += self.run_stats("--snapshot-load", self.snap, *step, status=3)[0]
        last = self.run_stats("--snapshot-load", self.snap)
        self.assertEqual((out + last[0], *last[1:]), whole)

    def test_input_is_kept(self):
        """What the guest had not read when it was saved it reads afterwards, and then what is new."""
        echo = self.guest(vibe.ECHO)
        out = self.run_stats("--binary", echo, "--deterministic", "--max-insns", "40", "--snapshot-save", self.snap, stdin=b"abcdefghijklmnopqrstuvwxyz" * 3,
                             status=3)[0]
        more = self.run_stats("--snapshot-load", self.snap, "--max-insns", "5000", stdin=b"0123456789", status=3)[0]
        self.assertTrue(0 < len(out) < 78)
        self.assertEqual(out + more, b"abcdefghijklmnopqrstuvwxyz" * 3 + b"0123456789")

    def test_time_goes_on(self):
        """The host's clock: no deterministic run, saved when it says so, and loaded on two vCPUs, more than once."""
        kernel = os.path.join(test_kernels.KERNELS, "vtimer.raw")
        p = vibe.run("--binary", kernel, "--stats=none", "--max-insns", "1500", "--snapshot-save", self.snap)
        self.assertEqual(p.returncode, 3, p.stderr)
        for _ in range(3):
            again = vibe.run("--snapshot-load", self.snap, "--stats=none", "--timeout", "50")
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertIn(b"PASS vtimer", p.stdout + again.stdout)

    def test_expect_is_where_it_is_saved(self):
        text = b"first\n" + b"." * 1000 + b"\nsecond\n"
        guest = self.guest(vibe.printing(text, vibe.POWER_OFF))
        p = vibe.run("--binary", guest, "--deterministic", "--expect", "^first", "--snapshot-save", self.snap, "--stats=none", "--timeout", "50")
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertTrue(p.stdout.startswith(b"first") and b"second" not in p.stdout, p.stdout)
        for _ in range(2):
            again = vibe.run("--snapshot-load", self.snap, "--stats=none", "--timeout", "50")
            self.assertEqual((again.returncode, p.stdout + again.stdout), (0, text))

    def test_reset_after_loading(self):
        """A reset reads the images again, wherever the program was started."""
        guest = self.guest(vibe.printing(b"x\n", vibe.RESET))
        p = subprocess.run([vibe.PROGRAM, "--binary", "guest.raw", "--deterministic", "--max-insns", "5", "--snapshot-save", "snap", "--stats=none"],
                           cwd=self.tmp, stdin=subprocess.DEVNULL, capture_output=True, timeout=vibe.LIMIT_S)
        self.assertEqual(p.returncode, 3, p.stderr)
        p = vibe.run("--snapshot-load", self.snap, "--stats=none", "--deterministic", "--max-insns", "150")
        self.assertEqual(p.returncode, 3, p.stderr)
        self.assertGreater(p.stdout.count(b"x"), 2)
        os.unlink(guest)
        p = vibe.run("--snapshot-load", self.snap, "--stats=none", "--timeout", "50")
        self.assertEqual(p.returncode, 1)
        self.assertIn(b"guest.raw", p.stderr)


class Options(Snapshot):
    def save(self, *args, code=vibe.SPIN):
        p = vibe.run("--binary", self.guest(code), "--stats=none", "--max-insns", "100", "--snapshot-save", self.snap, *args)
        self.assertEqual(p.returncode, 3, p.stderr)

    def test_what_may_be_given(self):
        self.save("--mem", "64M", "--cpus", "2")
        load = ("--snapshot-load", self.snap, "--max-insns", "200", "--stats=none")
        for more in ((), ("--mem", "64M"), ("--cpus", "2", "--binary", self.path("guest.raw")), ("--console",), ("--accel", "soft,jit=off"),
                     ("--no-reboot", "--log", "error")):
            p = vibe.run(*load, *more)
            self.assertEqual(p.returncode, 3, (more, p.stderr))
        for more, message in ((("--mem", "65M"), r"--mem: the machine of the snapshot has --mem 64M, and no other; leave --mem out"),
                              (("--gic", "2"), r"--gic: the machine of the snapshot was made without --gic 2; leave it out"),
                              (("--binary", self.guest(vibe.SPIN, "other")), r"--binary: the machine of the snapshot has --binary .*guest\.raw"),
                              (("--disk", "x"), r"made without --disk"), (("--net", "user"), r"made without --net"),
                              (("--deterministic",), r"made without --deterministic"), (("--no-rng",), r"made without --no-rng"),
                              (("--dump-dtb", "x"), r"--snapshot-load and --dump-dtb contradict each other")):
            self.refused(message, *load, *more)
        self.refused(r"--snapshot-load: .*: No such file", "--snapshot-load", self.path("nothing"))
        self.refused(r"--snapshot-load: \"fast\" is not unverified", "--snapshot-load", self.snap + ",fast")
        self.refused(r"--snapshot-load: .* is not a file", "--snapshot-load", self.tmp)
        self.refused(r"--accel (kvm|hvf) and --snapshot-load contradict|needs ", "--snapshot-load", self.snap, "--accel", "kvm")
        self.refused(r"--snapshot-save: .*nowhere.*No such file", *load, "--snapshot-save", "/nowhere/at/all")

    def test_every_option_of_the_machine(self):
        """What shows to the guest is remembered: a new option needs its row."""
        with open(os.path.join(vibe.ROOT, "src", "cli", "options.def"), encoding="utf-8") as f:
            text = f.read()
        machine = set(re.findall(r"^MACHINE\((\w+),", text, re.M))
        shown = {i for i, topic in re.findall(r'^OPTION\((\w+), "[^"]*", \w+, (?:NULL|"(?:[^"\\]|\\.)*"), TOPIC_(\w+),', text, re.M)
                 if topic in ("IMAGE", "MACHINE", "DEVICES")}
        self.assertGreater(len(shown), 20)
        self.assertEqual(shown - machine, {"ACCEL", "DUMP_DTB"})

    def test_nothing_to_save(self):
        for code, why in ((vibe.POWER_OFF, "poweroff"), (vibe.exit_with(7), "exit")):
            self.refused("nothing was saved: the machine has come to its end \\(%s\\)" % why, "--binary", self.guest(code), "--snapshot-save", self.snap, status=1)
            self.assertFalse(os.path.exists(self.snap))
        self.assertEqual(os.listdir(self.tmp), ["guest.raw"])  # no other file either

    def test_disks(self):
        with open(self.path("disk"), "wb") as f:
            f.truncate(1 << 20)
        disk, cow = self.path("disk"), self.path("cow")
        load = ("--snapshot-load", self.snap, "--max-insns", "200", "--stats=none")
        self.save("--disk", disk)
        self.assertEqual(vibe.run(*load).returncode, 3)
        self.assertEqual(vibe.run(*load, "--disk", "%s,overlay=%s" % (disk, cow)).returncode, 3)
        self.refused(r"--disk is given 2 times, and the machine of the snapshot has 1", *load, "--disk", disk, "--disk", disk)
        shutil.copy2(disk, self.path("moved"))
        self.assertEqual(vibe.run(*load, "--disk", self.path("moved")).returncode, 3)
        with open(disk, "r+b") as f:
            f.write(b"x")
        self.refused(r"snap does not fit: virtio_blk: .*disk has changed since", *load)
        self.save("--disk", "%s,overlay=%s" % (disk, cow))
        # Nothing was written to the overlay, so it is gone, and nobody misses it.
        self.assertFalse(os.path.exists(cow))
        for with_overlay in ("", ",overlay=" + cow):
            self.assertEqual(vibe.run(*load, "--disk", disk + with_overlay).returncode, 3)
        with open(self.path("big"), "wb") as f:
            f.truncate(2 << 20)
        self.refused(r"capacity is 0x800 there and 0x1000 here", *load, "--disk", "%s,overlay=%s" % (self.path("big"), cow))

    def test_it_is_replaced_whole(self):
        """A save that fails leaves what was there, and nothing else."""
        self.save()
        with open(self.snap, "rb") as f:
            before = f.read(65536)
        self.refused("nothing was saved", "--binary", self.guest(vibe.POWER_OFF), "--snapshot-save", self.snap, status=1)
        with open(self.snap, "rb") as f:
            self.assertEqual(f.read(65536), before)
        self.assertEqual(sorted(os.listdir(self.tmp)), ["guest.raw", "snap"])
        self.assertEqual(os.stat(self.snap).st_mode & 0o777, 0o600)
        self.assertLess(os.stat(self.snap).st_blocks * 512, 1 << 20)  # sparse


class Damage(Snapshot):
    def setUp(self):
        super().setUp()
        kernel = os.path.join(test_kernels.KERNELS, "contend.raw")
        p = vibe.run("--binary", kernel, "--cpus", "4", "--mem", "1M", "--stats=none", "--max-insns", "300000", "--snapshot-save", self.snap)
        self.assertEqual(p.returncode, 3, p.stderr)
        self.file = File(self.snap)
        self.bad = self.path("bad")

    def check(self, content, pattern, hashes=False):
        self.file.write(self.bad, content, hashes)
        self.refused(pattern, "--snapshot-load", self.bad)

    def flipped(self, at):
        b = bytearray(self.file.bytes)
        b[at] ^= 1 << (at * 7) % 8
        return b

    def test_undamaged(self):
        self.file.write(self.bad, bytearray(self.file.bytes), hashes=True)
        with open(self.bad, "rb") as f:
            self.assertEqual(f.read(), bytes(self.file.bytes))  # hash64() above is the program's
        for more in ("", ",unverified"):
            p = vibe.run("--snapshot-load", self.bad + more, "--stats=none", "--timeout", "50")
            self.assertEqual((p.returncode, p.stdout), (0, b"PASS contend\n"), p.stderr)

    def test_header(self):
        self.check(self.flipped(3), "bad is no snapshot of vibevmm")
        self.check(self.flipped(8), "bad has version %d of the format, and this vibevmm knows 1" % (1 ^ 1 << 56 % 8))
        for at in (12, 16, 24, 32, 36, 40, 44, 48, 56, 64, 240, 248, 1264, 1272, 1400, 1500, 4000, 4088, 4095):
            self.check(self.flipped(at), "bad is damaged: its header")

    def test_sections(self):
        spots = [at + length // 2 for at, length in self.file.sections]
        spots += [HEADER, self.file.table - 1, self.file.table, (self.file.table + self.file.memory) // 2, self.file.memory - 1]
        for at in spots:
            self.check(self.flipped(at), "bad is damaged: the machine's state")

    def test_memory(self):
        words = memoryview(bytes(self.file.bytes))
        chunks = range(self.file.memory, len(words), CHUNK)
        full = [c for c in chunks if any(words[c:c + CHUNK])]
        empty = [c for c in chunks if not any(words[c:c + CHUNK])]
        self.assertTrue(full and empty)
        for at in (full[0], full[0] + CHUNK - 1, full[-1] + 12345, empty[0], empty[-1] + CHUNK - 1, len(words) - 1):
            address = (at - self.file.memory) // CHUNK * CHUNK
            self.check(self.flipped(at), "bad is damaged: guest memory at 0x%x is not what was saved" % address)
        # A page of data that became a hole.
        b = bytearray(self.file.bytes)
        b[full[0]:full[0] + CHUNK] = bytes(CHUNK)
        self.check(b, "bad is damaged: guest memory")

    def test_length(self):
        b = self.file.bytes
        for n in (0, 7):
            self.check(b[:n], "bad is no snapshot of vibevmm")
        for n in (8, 100, HEADER - 1, HEADER, HEADER + 1000, self.file.memory - 1, self.file.memory, self.file.memory + 5000, len(b) - 1):
            self.check(b[:n], "bad is cut short")
        self.check(b + b"\0", "bad is damaged: longer than it was")

    def value(self, name, section=None):
        """Where the value of that name is."""
        at, length = self.file.sections[section] if section is not None else (0, len(self.file.bytes))
        i = self.file.bytes.index(bytes([len(name)]) + name, at, at + length)
        return i + 1 + len(name) + 5

    def with_value(self, name, section, val, fmt="<I"):
        b = bytearray(self.file.bytes)
        struct.pack_into(fmt, b, self.value(name, section), val)
        return b

    def test_another_machine(self):
        """What is whole but does not fit is refused by name, with who saved it."""
        saved = r"bad does not fit: %s \(it was saved by vibevmm "
        for content, why in ((self.with_value(b"gic_version", 1, 2, "<Q"), "machine: gic_version is 0x2 there and 0x3 here"),
                             (self.with_value(b"kind", 1, 99), "machine: kind: 0x63 is more than the 0x4 that is possible"),
                             (self.with_value(b"mem_len", 1, 0x123, "<Q"), "machine: no memory, or in no place"),
                             (self.with_value(b"nr_spis", 2, 32, "<Q"), "gicv3-dist@8000000: nr_spis is 0x20 there and 0x40 here"),
                             (self.with_value(b"fifo_len", 2, 17), "pl011@9000000: fifo_len: 0x11 is more than the 0x10 that is possible"),
                             (self.with_value(b"MIDR_EL1", 3, 0x410FD083, "<Q"), "cpu 0: MIDR_EL1 is 0x410fd083 there and 0xf1be0 here"),
                             (self.with_value(b"el", 4, 3, "<B"), "cpu 1: el: 0x3 is more than the 0x1 that is possible"),
                             (self.with_value(b"power", 6, 3), "cpu 3: power: 0x3 is more than the 0x2 that is possible"),
                             (self.with_value(b"nr", 0, 200), "nr: 0xc8 is more than the 0x80 that is possible")):
            self.check(content, saved % re.escape(why), hashes=True)
        self.check(self.with_value(b"mem_len", 1, 0x200000, "<Q"), "bad is of a machine with other memory", hashes=True)
        b = bytearray(self.file.bytes)
        at = b.index(b"\x07UARTIMC" if b"\x07UARTIMC" in b else b"\x08UARTIMSC")
        b[at + 1:at + 9] = b"UARTXYSC"
        self.check(b, r'pl011@9000000: has "UARTXYSC" where this build has "UARTIMSC"', hashes=True)
        b = bytearray(self.file.bytes)
        struct.pack_into("<I", b, 8, 2)
        self.check(b, "bad has version 2 of the format, and this vibevmm knows 1; save it again by this one", hashes=True)
        at = b.index(b"\x06option", HEADER) + 12
        b = bytearray(self.file.bytes)
        n = b.index(b"binary", at)
        b[n:n + 6] = b"no-rng"
        self.check(b, "nothing to run", hashes=True)

    def test_random(self):
        """Whatever is in the sections: refused with one line, or it runs until it is stopped. Never a crash."""
        chance = random.Random(SEED)
        for n in range(25):
            with self.subTest(n, seed=SEED):
                b = bytearray(self.file.bytes)
                for _ in range(chance.choice((1, 1, 2, 5))):
                    at, length = chance.choice(self.file.sections[1:])
                    b[at + chance.randrange(length)] = chance.randrange(256)
                self.file.write(self.bad, b, hashes=True)
                p = vibe.run("--snapshot-load", self.bad, "--stats=none", "--timeout", "0.3", "--log", "error")
                self.assertTrue(0 <= p.returncode < 128, p.stderr)
                if p.returncode == 2 and p.stderr:
                    self.assertRegex(p.stderr, rb"^vibevmm: [^\n]+\n$")


class Fork(Snapshot):
    """vibevmm fork: a guest that sends back what is typed, and others."""

    def setUp(self):
        super().setUp()
        self.out = self.path("out")
        os.mkdir(self.out)
        self.echo = self.guest(vibe.ECHO)

    def save(self, *args):
        p = vibe.run("--binary", self.echo, "--stats=none", "--max-insns", "20", "--snapshot-save", self.snap, *args)
        self.assertEqual(p.returncode, 3, p.stderr)

    def fork(self, *args, status=0):
        p = vibe.run("fork", "--snapshot-load", self.snap, "--timeout", "30", *args)
        self.assertEqual(p.returncode, status, (p.stdout, p.stderr))
        return p

    def lines(self, text):
        with open(self.path("variants"), "w") as f:
            f.write(text)
        return ("--variants", self.path("variants"))

    def read(self, name):
        with open(os.path.join(self.out, name), "rb") as f:
            return f.read()

    def test_variants(self):
        self.save()
        p = self.fork(*self.lines("# two of them\n\none {n} of {n}\ntwo\n"), "--out", self.out, "--expect", "one|two", "--jobs", "2")
        self.assertRegex(p.stdout, rb"^2 variants in [0-9.]+ s, \d+ a minute: 2 good, 0 failed\n$")
        self.assertEqual((self.read("1.log"), self.read("2.log")), (b"one 1 of 1\n", b"two\n"))
        self.assertRegex(self.read("summary.tsv"), rb"^[12]\t0\t0\.\d{3}\t(one {n} of {n}|two)\n[12]\t0\t0\.\d{3}\t(one {n} of {n}|two)\n$")
        # Again and again the same lines; reports and their numbers; one that fails.
        p = self.fork(*self.lines("good\nbad\n"), "--count", "5", "--out", self.out, "--expect", "^good", "--fail", "bad", "--result", self.path("result"),
                      status=1)
        self.assertRegex(p.stdout, rb"(?m)^5 variants in .*: 3 good, 2 failed$")
        self.assertEqual(sorted(re.findall(rb"(?m)^(\d): status 5, [0-9.]+ s: bad$", p.stdout)), [b"2", b"4"])
        results = []
        for n in range(1, 6):
            with open(self.path("result.%d" % n), encoding="utf-8") as f:
                results.append(json.load(f)["exit_status"])
        self.assertEqual(results, [0, 5, 0, 5, 0])

    def test_boot_once(self):
        p = vibe.run("fork", "--binary", self.guest(vibe.printing(b"ready\n" + b"." * 1000 + b"\ndone\n", vibe.exit_with(0)), "talks"), "--at", "ready",
                     "--count", "3", "--timeout", "30", "--out", self.out, "--expect", "done")
        self.assertEqual(p.returncode, 0, (p.stdout, p.stderr))
        for n in range(1, 4):
            self.assertEqual(self.read("boot.log") + self.read("%d.log" % n), b"ready\n" + b"." * 1000 + b"\ndone\n")
        p = vibe.run("fork", "--binary", self.guest(vibe.exit_with(9), "ends"), "--at", "ready", "--count", "3", "--timeout", "30")
        self.assertEqual(p.returncode, 2)
        self.assertIn(b"--at ready did not come: the machine ended with status 1", p.stderr)

    def test_deterministic(self):
        self.save("--deterministic")
        self.fork(*self.lines("x\n"), "--count", "4", "--max-insns", "3000", "--stats=json:" + self.path("stats"), status=1)
        hashes = set()
        for n in range(1, 5):
            with open(self.path("stats.%d" % n), encoding="utf-8") as f:
                hashes.add(json.load(f)["memory_hash"])
        self.assertEqual(len(hashes), 1)

    def test_overlays(self):
        with open(self.path("disk"), "wb") as f:
            f.truncate(1 << 20)
        self.save("--disk", self.path("disk") + ",overlay=" + self.path("first.cow"), "--disk", self.path("disk") + ",ro")
        shutil.copy(self.path("disk"), self.path("other"))
        p = self.fork("--count", "3", "--max-insns", "100", "--overlays", self.out, status=1)
        self.assertEqual((p.stdout.count(b"status 3"), os.listdir(self.out)), (3, []), p.stderr)
        self.save("--disk", self.path("disk"))
        tmp = self.path("tmp")
        os.mkdir(tmp)
        p = vibe.run("fork", "--snapshot-load", self.snap, "--count", "6", "--jobs", "3", "--max-insns", "100", env=dict(os.environ, TMPDIR=tmp))
        self.assertEqual((p.returncode, p.stdout.count(b"status 3")), (1, 6), p.stderr)
        self.assertEqual(os.listdir(tmp), [])

    def test_refused(self):
        self.save()
        for args, message in (((), "fork: how many"), (("--count", "0"), "\"0\" is not a number from 1"), (("--count", "2", "--gdb", "0"), "--gdb and fork contradict"),
                              (self.lines("# nothing\n"), "no line that is a variant"), (("--count", "2", "--out", "/nowhere"), "--out /nowhere"),
                              (("--count", "2", "--at", "x"), "--at and --snapshot-load contradict"), (("--variants", "/nowhere"), "--variants: /nowhere|--variants /nowhere")):
            p = self.fork(*args, status=2)
            self.assertRegex(p.stderr.decode(), message)
            self.assertEqual((len(p.stderr.splitlines()), p.stdout), (1, b""), p.stderr)
        self.refused("--count is for vibevmm fork", "--binary", self.echo, "--count", "3")
        p = vibe.run("fork", "--binary", self.echo, "--count", "3")
        self.assertEqual((p.returncode, b"fork: from where" in p.stderr), (2, True), p.stderr)
        f = File(self.snap)
        f.bytes[f.memory + 5] ^= 1
        f.write(self.snap)
        p = self.fork("--count", "3", status=2)
        self.assertIn(b"guest memory at 0x0 is not what was saved", p.stderr)

    def test_signal(self):
        self.save()
        p = subprocess.Popen([vibe.PROGRAM, "fork", "--snapshot-load", self.snap, "--count", "4", "--jobs", "2", "--out", self.out], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + vibe.LIMIT_S
        while not os.path.exists(os.path.join(self.out, "2.log")) and time.monotonic() < deadline:
            time.sleep(0.01)
        p.send_signal(signal.SIGTERM)
        out, _ = p.communicate(timeout=vibe.LIMIT_S)
        self.assertEqual(p.returncode, 128 + signal.SIGTERM)
        self.assertRegex(out, rb"2 variants in")


if __name__ == "__main__":
    unittest.main()
