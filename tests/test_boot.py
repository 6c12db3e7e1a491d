"""How guests are started: the device tree, Linux Images, raw binaries, ELF files, and where everything lies."""
import gzip
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

import fdt
import vibe

# Stores x0 to x3, its own address and SP at 0x100 behind itself, and powers off.
PROBE_AT = 0x100
PROBE = vibe.code(
    0x10000009,  # adr x9, .
    0x910003EA,  # mov x10, sp
    0xA9100520,  # stp x0, x1, [x9, #0x100]
    0xA9110D22,  # stp x2, x3, [x9, #0x110]
    0xA9122929,  # stp x9, x10, [x9, #0x120]
    *vibe.SYSTEM_OFF,
) + bytes(PROBE_AT)
VIRT_RAM = 0x40000000
MIB = 1 << 20


def image(text_offset=0, image_size=0x10000, flags=0xA):
    """A Linux Image whose code is the probe."""
    head = struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, text_offset, image_size, flags, 0, 0, 0, b"ARM\x64", 0)
    return head + PROBE


class Boot(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)

    def path(self, name):
        return os.path.join(self.tmp.name, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content)
        return self.path(name)

    def run_guest(self, *args, base, length):
        """Memory at the end."""
        dump = self.path("memory")
        p = vibe.run(*args, "--stats=none", "--timeout", "20", "--dump-memory", "0x%x:0x%x=%s" % (base, length, dump))
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, b"", b""))
        with open(dump, "rb") as f:
            return f.read()

    def probe(self, memory, base, at):
        """What the probe that ran at `at` has seen, and the device tree that x0 points to."""
        x0, x1, x2, x3, pc, sp = struct.unpack_from("<6Q", memory, at + PROBE_AT - base)
        self.assertEqual((pc, x1, x2, x3), (at, 0, 0, 0))
        self.assertTrue(base <= sp - 16 < base + len(memory), hex(sp))
        self.assertEqual(x0 % 8, 0)
        self.assertTrue(base <= x0 < base + len(memory), hex(x0))
        return x0, fdt.parse(memory[x0 - base:])

    def tree(self, *args):
        p = vibe.run("--dump-dtb", self.path("dumped.dtb"), *args)
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, b"", b""))
        with open(self.path("dumped.dtb"), "rb") as f:
            return fdt.parse(f.read())


class DeviceTree(Boot):
    def test_dtc_has_no_complaints(self):
        if not shutil.which("dtc"):
            self.skipTest("dtc is not installed (Debian: device-tree-compiler)")
        for args in ([], ["--gic", "2", "--cpus", "8"], ["--machine", "vibe", "--mem", "3G", "--cpus", "20"], ["--cpus", "64", "--console", "--virtio", "legacy"]):
            self.tree(*args)
            p = subprocess.run(["dtc", "-I", "dtb", "-O", "dts", "-o", os.devnull, self.path("dumped.dtb")],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual((p.returncode, p.stderr), (0, b""))

    def test_same_as_qemu(self):
        """Every node that both have says the same, but for what is listed; and what QEMU alone has is listed too."""
        if not shutil.which("qemu-system-aarch64"):
            self.skipTest("qemu-system-aarch64 is not installed (Debian: qemu-system-arm)")
        for gic in ("3", "2"):
            with self.subTest("GICv" + gic):
                self.compare_with_qemu(gic)

    def compare_with_qemu(self, gic):
        theirs = self.path("qemu.dtb")
        subprocess.run(["qemu-system-aarch64", "-M", "virt,gic-version=%s,dumpdtb=%s" % (gic, theirs), "-cpu", "cortex-a57", "-smp", "2", "-m",
                        "1G", "-nic", "none", "-display", "none"], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        with open(theirs, "rb") as f:
            theirs = dict(fdt.parse(f.read()).walk())
        ours = dict(self.tree("--cpus", "2", "--mem", "1G", "--gic", gic).walk())
        # Numbers that each chooses for itself, the same name given or taken.
        numbers = {"phandle", "interrupt-parent", "clocks", "cpu", "gpios"}
        differs = {
            ("/", "model"), ("/chosen", "kaslr-seed"), ("/chosen", "rng-seed"),
            ("/cpus/cpu@0", "compatible"), ("/cpus/cpu@1", "compatible"),
            ("/intc@8000000", "reg"),  # QEMU's redistributors are as many as could be
        }
        for path, node in ours.items():
            self.assertIn(path, theirs)
            self.assertEqual(set(node.props), set(theirs[path].props), path)
            for name, value in node.props.items():
                if (path, name) not in differs and name not in numbers:
                    self.assertEqual(value, theirs[path].props[name], "%s %s" % (path, name))
                if name in numbers:
                    self.assertEqual(len(value), len(theirs[path].props[name]), "%s %s" % (path, name))
        lacking = {"/pmu", "/pcie@10000000", "/intc@8000000/its@8080000" if gic == "3" else "/intc@8000000/v2m@8020000", "/platform-bus@c000000"}
        lacking |= {"/virtio_mmio@%x" % (0xA000000 + 0x200 * i) for i in range(2, 32)}  # empty slots
        self.assertEqual(set(theirs) - set(ours), lacking)

    def test_memory_and_cpus(self):
        t = self.tree("--machine", "vibe", "--mem", "3G", "--cpus", "20")
        self.assertEqual(t["memory@0"].cells("reg"), [0, 0, 0, 128 * MIB])
        self.assertEqual(t["memory@40000000"].cells("reg"), [0, VIRT_RAM, 0, 3072 * MIB - 128 * MIB])
        t = self.tree("--mem", "6G")
        self.assertEqual(t["memory@40000000"].cells("reg"), [0, VIRT_RAM, 1, 2048 * MIB])
        self.assertNotIn("memory@0", t.children)
        t = self.tree("--cpus", "20")
        cpus = [n for n in t["cpus"].children if n.startswith("cpu@")]
        self.assertEqual(cpus, ["cpu@%x" % (i // 16 * 256 + i % 16) for i in range(20)])
        core = t["cpus/cpu-map/socket0/cluster1/core3"]
        self.assertEqual(core.cells("cpu"), t["cpus/cpu@103"].cells("phandle"))
        self.assertEqual(t["cpus/cpu@103"].cells("reg"), [0x103])

    def test_references(self):
        """Every phandle that is used belongs to the node that is meant."""
        t = self.tree("--cpus", "2")
        named = {n.cells("phandle")[0]: path for path, n in t.walk() if "phandle" in n.props}
        self.assertEqual(named[t.cells("interrupt-parent")[0]], "/intc@8000000")
        self.assertEqual([named[c] for c in t["pl011@9000000"].cells("clocks")], ["/apb-pclk"] * 2)
        self.assertEqual([named[c] for c in t["pl031@9010000"].cells("clocks")], ["/apb-pclk"])
        self.assertEqual(t["chosen"].strings("stdout-path"), ["/pl011@9000000"])

    def test_seeds_are_random(self):
        seeds = {(t["chosen"].props["kaslr-seed"], t["chosen"].props["rng-seed"]) for t in (self.tree(), self.tree())}
        self.assertEqual(len(seeds), 2)

    def test_dump_with_a_kernel(self):
        t = self.tree("--kernel", self.write("k", image()), "--initrd", self.write("i", b"x" * 5000), "--cmdline", "a b")
        c = t["chosen"]
        self.assertEqual(c.strings("bootargs"), ["a b"])
        self.assertEqual(c.u64("linux,initrd-end") - c.u64("linux,initrd-start"), 5000)


class Raw(Boot):
    def test_vibe(self):
        for entry in (0x10000, 0, 0x1F00000):
            m = self.run_guest("--binary", self.write("g", PROBE), "--entry", hex(entry), "--mem", "32M", "--cmdline", "hello",
                               base=0, length=32 * MIB)
            x0, t = self.probe(m, 0, entry)
            self.assertEqual(t["chosen"].strings("bootargs"), ["hello"])
            self.assertEqual(m[entry:entry + len(PROBE) - PROBE_AT], PROBE[:-PROBE_AT])
            self.assertLessEqual(x0, 30 * MIB)  # well away from the stack
            self.assertGreater(x0, 0x20000 if entry < 0x20000 else 0)

    def test_virt(self):
        m = self.run_guest("--binary", self.write("g", PROBE), "--entry", "0x40080000", "--machine", "virt", "--mem", "32M",
                           base=VIRT_RAM, length=32 * MIB)
        self.assertEqual(self.probe(m, VIRT_RAM, 0x40080000)[0], VIRT_RAM)
        m = self.run_guest("--binary", self.write("g", PROBE), "--entry", "0x40000000", "--machine", "virt", "--mem", "32M",
                           base=VIRT_RAM, length=32 * MIB)
        self.probe(m, VIRT_RAM, VIRT_RAM)

    def test_much_memory(self):
        """64 GiB on any host: reserved, and taken as it is used. The guest writes the first and the last word."""
        top = VIRT_RAM + (64 << 30) - 8
        code = vibe.code(
            0xD2A80081,  # mov  x1, #0x40040000
            0xD2C00202,  # mov  x2, #0x1000000000
            0xF2A80002,  # movk x2, #0x4000, lsl #16
            0xD2824683,  # mov  x3, #0x1234
            0xF9000023,  # str  x3, [x1]
            0xF81F8043,  # stur x3, [x2, #-8]
            *vibe.SYSTEM_OFF)
        m = self.run_guest("--binary", self.write("g", code), "--entry", "0x40080000", "--machine", "virt", "--mem", "64G",
                           base=top, length=8)
        self.assertEqual(struct.unpack("<Q", m)[0], 0x1234)
        self.assertEqual(self.tree("--mem", "64G")["memory@40000000"].cells("reg"), [0, VIRT_RAM, 16, 0])

    def test_no_room(self):
        """A guest that fills its memory starts all the same, with x0 = 0."""
        m = self.run_guest("--binary", self.write("g", PROBE + bytes(65536 - len(PROBE))), "--entry", "0", "--mem", "64K",
                           base=0, length=65536)
        self.assertEqual(struct.unpack_from("<Q", m, PROBE_AT)[0], 0)

    def test_small(self):
        m = self.run_guest("--binary", self.write("g", PROBE), "--entry", "0", "--mem", "64K", base=0, length=65536)
        self.probe(m, 0, 0)

    def test_tree_avoids_loads(self):
        m = self.run_guest("--binary", self.write("g", PROBE), "--mem", "2M", "--load", self.write("l", b"\xA5" * (MIB + 0x80000)) + "@0x80000",
                           base=0, length=2 * MIB)
        x0, _ = self.probe(m, 0, 0x10000)
        self.assertLess(x0, 0x80000)
        self.assertEqual(m[0x80000:], b"\xA5" * (MIB + 0x80000))


class Elf(Boot):
    def test_both_machines(self):
        for at, base in ((0x80000, 0), (0x40080000, VIRT_RAM)):
            m = self.run_guest("--kernel", self.write("k", vibe.elf([(5, at, PROBE, 0x1000)], at)), "--mem", "32M",
                               "--initrd", self.write("i", b"initrd"), "--cmdline", "x=1", base=base, length=32 * MIB)
            x0, t = self.probe(m, base, at)
            if base:
                self.assertEqual(x0, base)
            c = t["chosen"]
            self.assertEqual(c.strings("bootargs"), ["x=1"])
            start = c.u64("linux,initrd-start") - base
            self.assertEqual(m[start:c.u64("linux,initrd-end") - base], b"initrd")

    def test_segment_at_the_base(self):
        m = self.run_guest("--kernel", self.write("k", vibe.elf([(5, VIRT_RAM, PROBE, 0x100000)], VIRT_RAM)), "--mem", "32M",
                           base=VIRT_RAM, length=32 * MIB)
        self.assertGreaterEqual(self.probe(m, VIRT_RAM, VIRT_RAM)[0], VIRT_RAM + 0x100000)

    def test_compressed(self):
        elf = vibe.elf([(5, 0x40080000, PROBE, 0x1000)], 0x40080000)
        m = self.run_guest("--kernel", self.write("k.gz", gzip.compress(elf)), "--mem", "32M", base=VIRT_RAM, length=32 * MIB)
        self.probe(m, VIRT_RAM, 0x40080000)


class Linux(Boot):
    def run_image(self, content, at, *args, base=VIRT_RAM, skip=64):
        m = self.run_guest("--kernel", self.write("Image", content), "--mem", "32M", *args, base=base, length=32 * MIB)
        return (m, *self.probe(m, base, base + at + skip))

    def test_placed_by_the_header(self):
        for content, at in ((image(), 0), (image(text_offset=0x80000), 0x80000), (image(text_offset=0x200000, flags=2), 0x200000),
                            (image(text_offset=0x777, image_size=0), 0x80000)):
            _, x0, _ = self.run_image(content, at)
            self.assertEqual(x0 % (2 * MIB), 0)  # Linux before 4.2 has to have it so

    def test_without_header(self):
        self.run_image(PROBE, 0x80000, skip=0)

    def test_compressed(self):
        self.run_image(gzip.compress(image()), 0)
        z = gzip.compress(image())
        zboot = b"MZ\0\0zimg" + struct.pack("<II8x32s8x", 64, len(z), b"gzip") + z
        self.run_image(zboot, 0)

    def test_zstd(self):
        if not shutil.which("zstd"):
            self.skipTest("zstd is not installed")
        z = subprocess.run(["zstd", "-q", "-c"], input=image(), stdout=subprocess.PIPE, check=True, timeout=60).stdout
        self.run_image(z, 0)

    def test_on_vibe(self):
        self.run_image(image(), 0, "--machine", "vibe", base=0)

    def test_initrd(self):
        """Between the kernel with all that it claims and the device tree, neither touching the other."""
        blob = os.urandom(3 * MIB + 123)
        size = 20 * MIB
        m, x0, t = self.run_image(image(image_size=size), 0, "--initrd", self.write("initrd", blob), "--cmdline", "console=ttyAMA0")
        c = t["chosen"]
        start, end = c.u64("linux,initrd-start"), c.u64("linux,initrd-end")
        self.assertEqual(m[start - VIRT_RAM:end - VIRT_RAM], blob)
        self.assertGreaterEqual(start, VIRT_RAM + size)
        self.assertEqual(start % 4096, 0)
        self.assertTrue(x0 >= end or x0 + 4096 <= start)
        self.assertEqual(c.strings("bootargs"), ["console=ttyAMA0"])

    def test_reset_loads_again(self):
        """The probe's first run asks for a reset and destroys what was loaded; the second one finds everything as new."""
        kernel = struct.pack("<IIQQQQQQ4sI", 0x14000010, 0, 0, 0x10000, 0xA, 0, 0, 0, b"ARM\x64", 0) + vibe.code(
            0xD2A82009,  # mov  x9, #0x41000000       survives a reset, as RAM does
            0xF940012A,  # ldr  x10, [x9]
            0xB500014A,  # cbnz x10, second
            0xD280002A,  # mov  x10, #1
            0xF900012A,  # str  x10, [x9]
            0xB900001F,  # str  wzr, [x0]             the magic of the device tree
            0xD2A8000B,  # mov  x11, #0x40000000
            0xB900017F,  # str  wzr, [x11]            the first instruction
            0x52B08000,  # mov  w0, #0x84000000
            0x11002400,  # add  w0, w0, #9            SYSTEM_RESET
            0xD4000002,  # hvc  #0
            0x14000000,  # b    .
            # second:
        ) + PROBE
        m, _, t = self.run_image(kernel, 0, skip=64 + 48)
        self.assertEqual(t.strings("compatible"), ["linux,dummy-virt"])
        self.assertEqual(m[:4], kernel[:4])


class OwnTree(Boot):
    def test_replaced(self):
        self.tree("--cpus", "3")
        m = self.run_guest("--binary", self.write("g", PROBE), "--mem", "32M", "--dtb", self.path("dumped.dtb"), "--cmdline", "mine",
                           base=0, length=32 * MIB)
        _, t = self.probe(m, 0, 0x10000)
        self.assertIn("cpu@2", t["cpus"].children)  # the tree's, not the machine's
        self.assertEqual(t["chosen"].strings("bootargs"), ["mine"])
        self.assertEqual(t["chosen"].strings("stdout-path"), ["/pl011@9000000"])


if __name__ == "__main__":
    unittest.main()
