"""Every bad input there is a message for: one line on stderr that tells what is wrong, nothing on stdout, status 2."""
import gzip
import os
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import vibe

GOOD = vibe.elf([(5, 0x40080000, vibe.POWER_OFF, 0x1000)], 0x40080000)


def patched(offset, fmt, value):
    b = bytearray(GOOD)
    struct.pack_into(fmt, b, offset, value)
    return bytes(b)


FILES = {
    "good.raw": vibe.POWER_OFF,
    "empty": b"",
    "big": b"x" * (1 << 20),
    "odd.img": b"x" * 1000,
    "disk.qcow2": b"QFI\xfb" + bytes(508),
    "good.elf": GOOD,
    "header.elf": GOOD[:50],
    "table.elf": GOOD[:100],
    "data.elf": GOOD[:-4],
    "class32.elf": patched(4, "B", 1),
    "bigend.elf": patched(5, "B", 2),
    "x86.elf": patched(18, "<H", 62),
    "arm32.elf": patched(18, "<H", 40),
    "other.elf": patched(18, "<H", 9999),
    "object.elf": patched(16, "<H", 1),
    "core.elf": patched(16, "<H", 4),
    "nophdr.elf": patched(56, "<H", 0),
    "phentsize.elf": patched(54, "<H", 32),
    "phoff.elf": patched(32, "<Q", 1 << 63),
    "filesz.elf": patched(64 + 32, "<Q", 0x2000),
    "wrap.elf": patched(64 + 24, "<Q", (1 << 64) - 16),
    "odd.elf": patched(24, "<Q", 0x40080002),
    "entry.elf": patched(24, "<Q", 0x50000000),
    "interp.elf": vibe.elf([(5, 0x40080000, vibe.POWER_OFF, 16), (4, 0, b"x", 1)], 0x40080000),
    "overlap.elf": vibe.elf([(5, 0x40080000, vibe.POWER_OFF, 0x1000), (6, 0x40080800, b"data", 4)], 0x40080000),
    "far.elf": vibe.elf([(5, 0x7000000000, vibe.POWER_OFF, 0x1000)], 0x7000000000),
    "large.elf": vibe.elf([(5, 0x40080000, vibe.POWER_OFF, 1 << 40)], 0x40080000),
    "device.elf": vibe.elf([(5, 0x40080000, vibe.POWER_OFF, 16), (6, 0x9000000, b"data", 4)], 0x40080000),
}


def image(text_offset, image_size, flags):
    head = struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, text_offset, image_size, flags, 0, 0, 0, b"ARM\x64", 0)
    return head + vibe.POWER_OFF


PACKED = gzip.compress(image(0, 0x10000, 0xA))
FILES.update({
    "good.image": image(0, 0x10000, 0xA),
    "bigend.image": image(0, 0x10000, 0xB),
    "offset.image": image(1 << 62, 0x10000, 0xA),
    "odd.image": image(2, 0x10000, 0xA),
    "large.image": image(0, 0x38000000, 0xA),
    "endless.image": image(0, 1 << 62, 0xA),
    "short.gz": PACKED[:-9],
    "damaged.gz": PACKED[:-8] + bytes(8),
    "header.gz": b"\x1f\x8b\x08",
    "bomb.gz": gzip.compress(bytes(64 << 20)),
    "nothing.gz": gzip.compress(b""),
    "damaged.zst": b"\x28\xb5\x2f\xfd" + bytes(100),
    "zboot": b"MZ\0\0zimg" + struct.pack("<II8x32s8x", 64, 1000, b"gzip"),
    "zboot.xz": b"MZ\0\0zimg" + struct.pack("<II8x32s8x", 64, 4, b"xzkern") + b"\xfd7zX",
    "efi": b"MZ" + bytes(500),
    "x86": bytes(0x202) + b"HdrS" + bytes(500),
    "text": b"This is no kernel at all.\n",
    "xz": b"\xfd7zXZ\0" + bytes(100),
    "cpio": b"070701" + b"0" * 100,
    "header.dtb": struct.pack(">II", 0xD00DFEED, 40),
    "damaged.dtb": struct.pack(">10I", 0xD00DFEED, 48, 40, 48, 40, 17, 16, 0, 0, 8) + bytes(8),
    "long.dtb": struct.pack(">10I", 0xD00DFEED, 1 << 30, 40, 48, 40, 17, 16, 0, 0, 8) + bytes(8),
    "source.dts": b"/dts-v1/; / { model = \"not compiled\"; };",
})
_interp = bytearray(FILES["interp.elf"])
struct.pack_into("<I", _interp, 64 + 56, 3)
FILES["interp.elf"] = bytes(_interp)

# Words (% stands for the folder with the files), and parts that the line has to have.
FOREIGN = "kvm" if sys.platform == "darwin" else "hvf"  # the hypervisor that is never here
RAW = "--binary %/good.raw"
CASES = [
    # files
    ("--binary %/missing", "--binary", "missing", "No such file"),
    ("--kernel %/missing", "--kernel", "missing", "No such file"),
    (RAW + " --load %/missing@0x100000", "--load", "missing", "No such file"),
    ("--binary %/empty", "--binary", "empty"),
    ("--kernel %/empty", "--kernel", "empty"),
    (RAW + " --load %/empty@0x100000", "--load", "empty"),
    ("--binary %", "--binary", "is a directory"),
    ("--kernel %", "--kernel", "is a directory"),
    (RAW + " --load %@0x100000", "--load", "is a directory"),
    ("--binary %/big --mem 1M", "--binary", "do not fit", "--mem"),
    ("--binary %/huge", "--binary", "do not fit"),
    (RAW + " --load %/huge@0x100000", "--load", "do not fit"),
    ("--kernel %/huge", "--kernel", "larger than"),
    ("--binary %/big --entry 0x7f80000", "do not fit", "--mem"),
    ("--binary %/good.elf", "is an ELF", "--kernel"),
    # places
    ("--binary %/big --load %/big@0x20000", "--load", "overlaps", "--binary"),
    (RAW + " --load %/big@0x100000 --load %/good.raw@0x1fffff", "overlaps"),
    (RAW + " --load %/good.raw@0x20000000", "--load", "not in guest memory"),
    (RAW + " --load %/big@0x7ffffff", "--load", "do not fit"),
    (RAW + " --entry 0x8000000", "--entry 0x8000000", "outside guest RAM"),
    (RAW + " --entry 0xffffffffffffff00", "--entry", "outside guest RAM"),
    (RAW + " --entry 0x10000 --machine virt", "--entry 0x10000", "outside guest RAM", "0x40000000"),
    (RAW + " --entry 0x10002", "--entry", "multiple of 4"),
    (RAW + " --entry start", "--entry", "\"start\"", "0x10000"),
    (RAW + " --entry 0x1ffffffffffffffff", "--entry", "64 bits"),
    (RAW + " --entry 0x9000000", "--entry", "outside guest RAM"),
    # sizes
    (RAW + " --mem 128Q", "--mem", "suffix", "K, M and G"),
    (RAW + " --mem 128MB", "--mem", "suffix"),
    (RAW + " --mem M", "--mem", "not a size"),
    (RAW + " --mem -1", "--mem", "not a size"),
    (RAW + " --mem 1.5G", "--mem", "suffix"),
    (RAW + " --mem 0", "--mem", "must not be 0"),
    (RAW + " --mem 0G", "--mem", "must not be 0"),
    (RAW + " --mem 12345", "--mem", "multiple of 64K"),
    (RAW + " --mem 99999999999999999999", "--mem", "64 bits"),
    (RAW + " --mem 17179869184G", "--mem", "64 bits"),
    (RAW + " --mem 1048576G", "--mem", "more than this host has"),
    (RAW + " --cpus 0", "--cpus", "1 to 64"),
    (RAW + " --cpus 65", "--cpus", "1 to 64"),
    (RAW + " --cpus two", "--cpus", "1 to 64"),
    # ELF
    ("--kernel %/header.elf", "truncated ELF", "header.elf"),
    ("--kernel %/table.elf", "truncated ELF", "program header"),
    ("--kernel %/data.elf", "truncated ELF", "segment"),
    ("--kernel %/class32.elf", "32-bit ELF", "aarch64"),
    ("--kernel %/bigend.elf", "big-endian"),
    ("--kernel %/x86.elf", "x86-64", "aarch64"),
    ("--kernel %/arm32.elf", "32-bit Arm", "aarch64"),
    ("--kernel %/other.elf", "9999", "aarch64"),
    ("--kernel %/object.elf", "object file", "link"),
    ("--kernel %/core.elf", "core dump"),
    ("--kernel %/nophdr.elf", "without program headers"),
    ("--kernel %/phentsize.elf", "damaged ELF"),
    ("--kernel %/phoff.elf", "truncated ELF"),
    ("--kernel %/filesz.elf", "damaged ELF", "more bytes in the file"),
    ("--kernel %/wrap.elf", "damaged ELF", "wraps"),
    ("--kernel %/overlap.elf", "damaged ELF", "overlaps"),
    ("--kernel %/odd.elf", "entry point", "multiple of 4"),
    ("--kernel %/entry.elf", "entry point", "none of its executable segments"),
    ("--kernel %/interp.elf", "dynamically linked", "-static"),
    ("--kernel %/far.elf", "--kernel", "not in guest memory"),
    ("--kernel %/large.elf", "--kernel", "do not fit", "--mem"),
    ("--kernel %/device.elf", "--kernel", "not in guest memory"),
    # Linux kernels
    ("--kernel %/bigend.image", "bigend.image", "big-endian"),
    ("--kernel %/offset.image", "damaged Linux kernel", "text offset"),
    ("--kernel %/odd.image", "damaged Linux kernel", "multiple of 4"),
    ("--kernel %/large.image", "do not fit", "--mem"),
    ("--kernel %/endless.image", "damaged Linux kernel"),
    ("--kernel %/short.gz", "short.gz", "truncated gzip"),
    ("--kernel %/damaged.gz", "damaged gzip"),
    ("--kernel %/header.gz", "truncated gzip"),
    ("--kernel %/bomb.gz --mem 32M", "unpacked it is larger than the 32 MiB"),
    ("--kernel %/nothing.gz", "unpacked it is empty"),
    ("--kernel %/damaged.zst", "zstd data"),
    ("--kernel %/zboot", "zboot", "reaches beyond"),
    ("--kernel %/zboot.xz", "zboot", "\"xzkern\"", "gzip and zstd"),
    ("--kernel %/efi", "EFI program", "firmware"),
    ("--kernel %/x86", "x86", "arm64"),
    ("--kernel %/text", "text file"),
    ("--kernel %/xz", "xz -d"),
    ("--kernel %/cpio", "--initrd"),
    ("--kernel %/source.dts", "text file"),
    ("--kernel %/good.image --entry 0x40000000", "--entry and --kernel contradict"),
    # what goes with them
    ("--kernel %/good.image --initrd %/missing", "--initrd", "missing", "No such file"),
    ("--kernel %/good.image --initrd %/empty", "--initrd", "empty"),
    ("--kernel %/good.image --initrd %", "--initrd", "is a directory"),
    ("--kernel %/good.image --initrd %/big --mem 1M", "--initrd", "do not fit", "--mem"),
    ("--kernel %/good.image --initrd %/huge", "--initrd", "larger than"),
    ("--initrd %/big", "nothing to run"),
    ("--kernel %/good.image --cmdline " + "x" * 2048, "--cmdline", "2048 bytes", "2047"),
    ("--kernel %/good.image --dtb %/missing", "--dtb", "missing", "No such file"),
    ("--kernel %/good.image --dtb %/big", "--dtb", "not a device tree", "dtc"),
    ("--kernel %/good.image --dtb %/source.dts", "--dtb", "not a device tree", "dtc"),
    ("--kernel %/good.image --dtb %/header.dtb", "--dtb", "not a device tree"),
    ("--kernel %/good.image --dtb %/damaged.dtb", "--dtb", "damaged device tree"),
    ("--kernel %/good.image --dtb %/long.dtb", "--dtb", "2 MiB"),
    ("--kernel %/good.image --dtb %/huge", "--dtb", "larger than"),
    (RAW + " --dtb %/big", "--dtb", "not a device tree"),
    ("--dump-dtb %/none/x", "--dump-dtb", "No such file"),
    ("--dump-dtb %", "--dump-dtb", "Is a directory"),
    # firmware
    ("--firmware %/missing", "--firmware", "missing", "No such file"),
    ("--firmware %/empty", "--firmware", "empty"),
    ("--firmware %", "--firmware", "is a directory"),
    ("--firmware %/huge", "--firmware", "larger than", "64 MiB"),
    ("--firmware %/good.raw --machine vibe", "--firmware", "no flash", "--machine virt"),
    ("--firmware %/good.raw --binary %/good.raw", "--binary and --firmware contradict"),
    ("--firmware %/good.raw --entry 0x10000", "--entry and --firmware contradict"),
    ("--firmware %/good.raw --kernel %/missing", "--kernel", "No such file"),
    ("--firmware %/good.raw --kernel %/short.gz", "--kernel", "truncated gzip"),
    ("--firmware %/good.raw --initrd %/missing", "--initrd", "No such file"),
    ("--firmware %/good.raw --flash1 %/missing", "--flash1", "missing", "No such file"),
    ("--firmware %/good.raw --flash1 %", "--flash1", "Is a directory"),
    ("--firmware %/good.raw --flash1 %/huge", "--flash1", "larger than the 64 MiB"),
    ("--firmware %/good.raw --flash1 /dev/null", "--flash1", "not a regular file"),
    (RAW + " --flash1 %/big", "--flash1", "no flash", "--machine virt"),
    ("--flash1 %/big", "nothing to run"),
    # options
    ("", "nothing to run", "--binary"),
    ("--mem 64M", "nothing to run"),
    ("good.raw", "unexpected argument", "--binary"),
    ("--binary", "--binary needs an argument"),
    ("--binary --mem 64M", "--binary needs an argument"),
    ("--memory 64M", "unknown option --memory", "--mem?"),
    ("--bianry x", "unknown option", "--binary?"),
    ("--dump-mem x", "--dump-memory?"),
    ("-mem 64M", "unknown option -mem", "--mem?"),
    ("--frobnicate", "unknown option --frobnicate", "--help"),
    (RAW + " --kernel %/good.elf", "--binary and --kernel contradict"),
    ("--kernel %/good.elf --entry 0x10000", "--entry and --kernel contradict"),
    (RAW + " --mem 64M --mem 128M", "--mem is given twice", "64M", "128M"),
    (RAW + " --machine pc", "--machine", "vibe, virt"),
    (RAW + " --accel tcg", "--accel", "auto, soft"),
    (RAW + " --accel " + FOREIGN, "--accel: %s needs" % FOREIGN, "--accel soft"),
    (RAW + " --accel %s --deterministic" % FOREIGN, "--accel %s and --deterministic contradict" % FOREIGN),
    (RAW + " --accel kvm,jit=off", "--accel", "needs soft before it"),
    (RAW + " --gic 4", "--gic", "2, 3"),
    (RAW + " --gic 2 --cpus 9", "--gic 2", "8 CPUs", "--gic 3"),
    (RAW + " --virtio 3", "--virtio", "modern, legacy"),
    (RAW + " --console=pl011", "--console takes no argument"),
    (RAW + " --log 5", "--log", "0 or error"),
    (RAW + " --log loud", "--log", "\"loud\""),
    (RAW + " --stats=xml", "--stats", "box, json"),
    (RAW + " --stats json", "--stats=json"),
    (RAW + " --stats=json:%/none/x", "--stats", "No such file"),
    (RAW + " --timeout 0", "--timeout", "more than 0"),
    (RAW + " --timeout soon", "--timeout", "\"soon\"", "seconds"),
    (RAW + " --load x", "--load", "FILE@ADDR"),
    (RAW + " --load x@y", "--load", "\"y\" is not an address"),
    (RAW + " --dump-memory 0x100", "--dump-memory", "ADDR:LEN=FILE"),
    (RAW + " --dump-memory 0x100:0=%/d", "--dump-memory", "must not be 0"),
    (RAW + " --dump-memory 0x20000000:4=%/d", "--dump-memory", "not in guest memory"),
    (RAW + " --dump-memory 0x7fffffe:4=%/d", "--dump-memory", "0x8000000 is not in guest memory"),
    (RAW + " --dump-memory 0x100:4=%/none/d", "--dump-memory", "No such file"),
    (RAW + " --share %/missing", "--share", "missing", "No such file"),
    (RAW + " --share %/good.raw", "--share", "good.raw", "not a folder"),
    (RAW + " --share %,tag=", "--share", "1 to 31 characters"),
    (RAW + " --share %,tag=" + 32 * "x", "--share", "1 to 31 characters"),
    (RAW + " --share %,rw", "--share", "\"rw\"", "tag=T", "ro"),
    (RAW + " --share ,ro", "--share", "name of the folder is empty"),
    (RAW + " --share % --share %", "--share", "tag \"share\" already", ",tag="),
    (RAW + 9 * " --share %", "--share", "already"),
    (RAW + "".join(" --share %%,tag=%d" % i for i in range(9)), "--share", "more than 8 times"),
    (RAW + " --rng --no-rng", "--rng and --no-rng contradict"),
    (RAW + " --deterministic --rng", "--deterministic and --rng contradict"),
    (RAW + " --balloon=12Q", "--balloon", "suffix"),
    (RAW + " --balloon=0", "--balloon", "must not be 0"),
    (RAW + " --mem 64M --balloon=64M", "--balloon", "nothing left of its 64M"),
    (RAW + " --balloon 64M", "--balloon=64M"),
    (RAW + " --disk %/missing", "--disk", "missing", "No such file"),
    (RAW + " --disk %", "--disk", "is a directory"),
    (RAW + " --disk /dev/null", "--disk /dev/null", "neither a file nor a block device"),
    (RAW + " --disk %/empty", "--disk", "is empty", "truncate"),
    (RAW + " --disk %/odd.img", "--disk", "1000 bytes, is not a multiple of 512", "truncate -s %512", ",ro", ",overlay="),
    (RAW + " --disk %/disk.qcow2", "--disk", "qcow2", "qemu-img convert -O raw"),
    (RAW + " --disk %/big,overlay=%/good.raw", "--disk", "overlay", "good.raw", "no overlay of vibevmm"),
    (RAW + " --disk %/big,overlay=%/none/o", "overlay", "none/o", "No such file"),
    (RAW + " --disk %/big,overlay=%", "overlay", "Is a directory"),
    (RAW + " --disk %/big,overlay=%/big", "overlay", "in use"),
    (RAW + " --disk %/big,overlay=", "--disk", "overlay", "file name is empty"),
    (RAW + " --disk %/big,ro,overlay=%/o", "--disk", "ro and overlay= contradict"),
    (RAW + " --disk %/big --disk %/big", "--disk", "in use", "twice in this one", ",ro"),
    (RAW + " --disk %/big,ro --disk %/big", "--disk", "in use"),
    (RAW + " --disk %/big,ro --disk %/big,overlay=%/o --disk %/big,overlay=%/o", "overlay", "in use", "give each its own"),
    (RAW + " --disk %/big,rw", "--disk", "\"rw\"", "ro, overlay=FILE"),
    (RAW + " --disk %/big,sync=always", "--disk", "sync", "none, flush, full"),
    (RAW + " --disk %/big,serial=" + 21 * "x", "--disk", "1 to 20 characters"),
    (RAW + " --disk %/big,serial=", "--disk", "1 to 20 characters"),
    (RAW + " --disk %/big,queues=0", "--disk", "queues", "1 to 16"),
    (RAW + " --disk %/big,queues=17", "--disk", "queues", "1 to 16"),
    (RAW + " --disk %/big,queues=2x", "--disk", "queues", "1 to 16"),
    (RAW + " --disk ,ro", "--disk", "file name is empty"),
    (RAW + 17 * " --disk %/big,ro", "--disk", "more than 16 times"),
    (RAW + " --net wifi", "--net", "\"wifi\"", "user", "tap=IF"),
    (RAW + " --net user,mac=1:2:3", "--net", "mac=1:2:3", "52:54:00:12:34:56"),
    (RAW + " --net user,mac=52:54:00:12:34:5g", "--net", "mac="),
    (RAW + " --net user,mac=52:54:00:12:34:56:78", "--net", "mac="),
    (RAW + " --net user,mac=01:00:5e:00:00:01", "--net", "group", "even"),
    (RAW + " --net user,mac=00:00:00:00:00:00", "--net", "mac=00:00"),
    (RAW + " --net user,up", "--net", "\"up\"", "hostfwd="),
    (RAW + " --net user,hostfwd=8080", "--net", "hostfwd=8080", "tcp:127.0.0.1:8080-:80"),
    (RAW + " --net user,hostfwd=icmp::1-:2", "--net", "hostfwd=icmp"),
    (RAW + " --net user,hostfwd=tcp:::80-:80", "--net", "hostfwd="),
    (RAW + " --net user,hostfwd=tcp:localhost:80-:80", "--net", "hostfwd="),
    (RAW + " --net user,hostfwd=tcp::0-:80", "--net", "1 to 65535"),
    (RAW + " --net user,hostfwd=tcp::65536-:80", "--net", "1 to 65535"),
    (RAW + " --net user,hostfwd=tcp::80", "--net", "hostfwd="),
    (RAW + " --net user,hostfwd=tcp::80-:80x", "--net", "hostfwd="),
    (RAW + " --net user,hostfwd=tcp:192.0.2.1:8080-:80", "--net user", "192.0.2.1", "Cannot assign"),
    (RAW + " --net user" + "".join(",hostfwd=tcp::%d-:80" % (20000 + i) for i in range(17)), "--net", "more than 16 times"),
    (RAW + " --net tap=", "--net", "1 to 15 characters"),
    (RAW + " --net tap=sixteencharacter", "--net", "1 to 15 characters"),
    (RAW + " --net tap=vt0,hostfwd=tcp::1-:1", "--net", "hostfwd", "mac=MAC"),
    (RAW + 5 * " --net user", "--net", "more than 4 times"),
    (RAW + " --vsock %/none/v", "--vsock", "none/v", "No such file"),
    (RAW + " --vsock %/good.raw", "--vsock", "good.raw", "in use", "no socket"),
    (RAW + " --vsock " + 100 * "x", "--vsock", "characters"),
    (RAW + " --vsock ,cid=3", "--vsock", "file name is empty"),
    (RAW + " --vsock %/v,port=1", "--vsock", "\"port=1\"", "cid=N"),
    (RAW + " --vsock %/v,cid=2", "--vsock", "cid=2", "3 to 4294967294"),
    (RAW + " --vsock %/v,cid=4294967295", "--vsock", "3 to 4294967294"),
    (RAW + " --vsock %/v,cid=x", "--vsock", "cid=x"),
    ("--help machin", "no topic", "machine?"),
    ("--help nonsense", "no topic", "--help"),
]
if sys.platform.startswith("linux"):
    # Opens, and then can't be read: also for root.
    CASES.append(("--binary /proc/self/mem", "--binary /proc/self/mem", "Input/output error"))
    CASES.append((RAW + " --load /dev/zero@0x100000", "--load /dev/zero", "larger than"))
    CASES.append((RAW + " --net tap=none0", "--net tap=none0", "no interface none0", "ip tuntap add dev none0"))
    CASES.append((RAW + " --net tap=lo", "--net tap=lo"))


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        for name, content in FILES.items():
            with open(os.path.join(cls.tmp.name, name), "wb") as f:
                f.write(content)
        # Sparse: takes no space.
        with open(os.path.join(cls.tmp.name, "huge"), "wb") as f:
            f.truncate(1 << 40)

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    def check(self, args, parts):
        p = vibe.run(*args)
        err = p.stderr.decode(errors="replace")
        self.assertEqual(p.returncode, 2, err)
        self.assertEqual(p.stdout, b"")
        self.assertTrue(err.endswith("\n"), err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertTrue(err.startswith("vibevmm: "), err)
        for part in parts:
            self.assertIn(part, err)

    def test_table(self):
        for words, *parts in CASES:
            with self.subTest(words):
                args = [w.replace("%", self.tmp.name) for w in words.split()]
                self.check(args, parts)

    def test_nothing_half_done(self):
        """No overlay is left behind by a command line that fails later; and none by a guest that writes nothing."""
        path = os.path.join(self.tmp.name, "half")
        disk = self.tmp.name + "/big,overlay=" + path
        self.check(["--binary", self.tmp.name + "/good.raw", "--disk", disk, "--disk", self.tmp.name + "/missing"], ["No such file"])
        self.assertFalse(os.path.exists(path))
        self.assertEqual(vibe.run("--binary", self.tmp.name + "/good.raw", "--disk", disk).returncode, 0)
        self.assertFalse(os.path.exists(path))

    def test_disk_without_rights(self):
        if os.geteuid() == 0:
            return  # root writes every file
        path = os.path.join(self.tmp.name, "readable")
        with open(path, "wb") as f:
            f.write(bytes(512))
        os.chmod(path, 0o444)
        self.check(["--binary", self.tmp.name + "/good.raw", "--disk", path], ["--disk", "cannot be written", ",ro", ",overlay="])
        self.assertEqual(vibe.run("--binary", self.tmp.name + "/good.raw", "--disk", path + ",ro").returncode, 0)

    def test_disk_of_another_vm(self):
        guest = os.path.join(self.tmp.name, "waits")
        with open(guest, "wb") as f:
            f.write(vibe.ECHO)
        other = subprocess.Popen([vibe.PROGRAM, "--binary", guest, "--timeout", "60", "--disk", self.tmp.name + "/big"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(other.stdout.close)
        self.addCleanup(other.stdin.close)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        args = ["--binary", self.tmp.name + "/good.raw", "--disk", self.tmp.name + "/big,ro"]
        other.stdin.write(b"x\n")
        other.stdin.flush()
        self.assertEqual(other.stdout.read(1), b"x")  # it runs, so it has the disk
        self.check(args, ["--disk", "big", "in use by another VM"])
        other.kill()
        other.wait()
        self.assertEqual(vibe.run(*args).returncode, 0)

    def test_good_ones_are_good(self):
        """The table's files fail for the reason under test, not for another."""
        self.assertEqual(vibe.run("--binary", self.tmp.name + "/good.raw").returncode, 0)
        self.assertEqual(vibe.run("--kernel", self.tmp.name + "/good.elf").returncode, 0)
        self.assertEqual(vibe.run("--kernel", self.tmp.name + "/good.image").returncode, 0)

    def test_control_characters(self):
        """A file name cannot forge a second line or an escape sequence."""
        self.check(["--binary", "/none/a\nvibevmm: b\033[31m"], ["/none/a?vibevmm: b?[31m"])

    def test_long_argument(self):
        self.check(["--binary", "x" * 100000], ["--binary"])
        self.check(["--" + "x" * 100000], ["unknown option"])

    def test_ports_in_use(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen(1)
            port = s.getsockname()[1]
            self.check(["--binary", self.tmp.name + "/good.raw", "--net", "user,hostfwd=tcp::%d-:80" % port],
                       ["--net user", "TCP port %d of 127.0.0.1" % port, "in use", "choose another port"])
        twice = ",hostfwd=udp::%d-:80" % port
        self.check(["--binary", self.tmp.name + "/good.raw", "--net", "user" + twice + twice],
                   ["--net user", "UDP port %d" % port, "in use"])

    def test_unreadable(self):
        if os.geteuid() == 0:
            return  # root reads every file; /proc/self/mem in the table is for it
        path = os.path.join(self.tmp.name, "unreadable")
        with open(path, "wb") as f:
            f.write(b"x")
        os.chmod(path, 0)
        self.check(["--binary", path], ["--binary", "Permission denied"])


if __name__ == "__main__":
    unittest.main()
