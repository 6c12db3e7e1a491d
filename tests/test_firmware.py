"""Firmware from flash, small and made here: where it starts, the flash it writes, fw_cfg as it sees it, the power key."""
import os
import signal
import struct
import subprocess
import tempfile
import unittest

import fdt
import vibe

MOV_X1_FLASH1 = 0xD2A08001  # mov x1, #0x04000000
MOV_X2_RAM = 0xD2A80022  # mov x2, #0x40010000


def mov32(reg, value):
    """movz and movk: wREG = value."""
    return [0x52800000 | (value & 0xFFFF) << 5 | reg, 0x72A00000 | (value >> 16) << 5 | reg]


def store(reg, base, offset):
    """str wREG, [xBASE, #offset]"""
    return [0xB9000000 | offset // 4 << 10 | base << 5 | reg]


def flash_store(value, offset):
    return mov32(0, value) + store(0, 1, offset)


class Firmware(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)

    def path(self, name):
        return os.path.join(self.tmp.name, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def run_firmware(self, code, *args, dump=0x100):
        """Memory from 0x40010000 at the end."""
        p = vibe.run("--firmware", self.write("fw", code), "--mem", "32M", "--stats=none", "--timeout", "20", "--dump-memory",
                     "0x40010000:%d=%s" % (dump, self.path("memory")), *args)
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, b"", b""))
        return self.read("memory")

    def test_start(self):
        code = vibe.code(
            MOV_X2_RAM,
            0x10FFFFEA,  # adr x10, .-4: where this began
            0xA9000040 | 10 << 10,  # stp x0, x10, [x2]
            0x910003E3,  # mov x3, sp
            0xF9000843,  # str x3, [x2, #16]
            *vibe.SYSTEM_OFF)
        m = self.run_firmware(code, dump=24)
        x0, pc, sp = struct.unpack("<3Q", m)
        self.assertEqual((x0, pc), (0x40000000, 0))
        self.assertTrue(0x40000000 < sp < 0x42000000)

    def test_flash1_is_written_back(self):
        """Erases a sector, programs a word, reads status and identification; code, stack and table walks go on from the other bank."""
        code = vibe.code(
            MOV_X1_FLASH1, MOV_X2_RAM,
            *flash_store(0x00200020, 0), *flash_store(0x00D000D0, 0),
            0xB9400023,  # ldr w3, [x1]           status
            0xB9000043,  # str w3, [x2]
            *flash_store(0x00400040, 0x40), *flash_store(0xCAFEF00D, 0x40),
            *flash_store(0x00900090, 0),
            0xB9400023, 0xB9000443,  # ldr w3, [x1]; str w3, [x2, #4]      identification
            *flash_store(0x00FF00FF, 0),
            0xB9404023, 0xB9000843,  # ldr w3, [x1, #0x40]; str w3, [x2, #8]   the word: the very next load is memory again
            0xB9404423, 0xB9000C43,  # ldr w3, [x1, #0x44]; str w3, [x2, #12]
            *vibe.SYSTEM_OFF)
        before = bytes(range(256)) * 2048
        self.write("vars", before)
        m = self.run_firmware(code, "--flash1", self.path("vars"), dump=16)
        self.assertEqual(struct.unpack("<4I", m), (0x00800080, 0x00890089, 0xCAFEF00D, 0xFFFFFFFF))
        sector = 256 << 10
        want = bytearray(b"\xff" * sector + before[sector:])
        struct.pack_into("<I", want, 0x40, 0xCAFEF00D)
        self.assertTrue(self.read("vars") == want)

    def test_flash_survives_a_reset(self):
        code = vibe.code(
            MOV_X1_FLASH1, MOV_X2_RAM,
            0xB9404023,  # ldr w3, [x1, #0x40]
            *mov32(4, 0xCAFEF00D),
            0x6B04007F,  # cmp w3, w4
            0x54000000 | 19 << 5,  # b.eq off
            *flash_store(0x00200020, 0), *flash_store(0x00D000D0, 0),
            *flash_store(0x00400040, 0x40), *flash_store(0xCAFEF00D, 0x40),
            *mov32(0, 0x84000009), 0xD4000002, 0x14000000,  # SYSTEM_RESET, with the flash left in status mode
            0xD503201F, 0xD503201F, 0xD503201F,
            0xB9000043,  # off: str w3, [x2]
            *vibe.SYSTEM_OFF)
        self.write("vars", b"")
        m = self.run_firmware(code, "--flash1", self.path("vars"), dump=4)
        self.assertEqual(struct.unpack("<I", m)[0], 0xCAFEF00D)
        self.assertEqual(len(self.read("vars")), 256 << 10)

    def test_stores_to_flash0_are_commands(self):
        """Firmware that stores to where it runs finds its code unharmed after the reset of the chips."""
        code = vibe.code(
            0xD2A00121,  # mov x1, #0x90000: far from this code, in the same bank
            MOV_X2_RAM, *mov32(0, 0x12345678),
            *store(0, 1, 0),  # no command: read array
            0xB9400023, 0xB9000043,  # ldr w3, [x1]; str w3, [x2]
            *vibe.SYSTEM_OFF)
        self.assertEqual(self.run_firmware(code, dump=4), bytes(4))

    def test_locked(self):
        vars_file = self.write("vars", bytes(4096))
        spin = self.write("spin", vibe.code(0xD2A12001, 0x39000021, 0x14000000))  # prints a byte, then b .
        p = subprocess.Popen([vibe.PROGRAM, "--firmware", spin, "--flash1", vars_file, "--timeout", "30"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.read(1)
        second = vibe.run("--firmware", spin, "--flash1", vars_file, "--timeout", "1")
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=vibe.LIMIT_S)
        self.assertEqual(second.returncode, 2)
        self.assertIn(b"--flash1", second.stderr)
        self.assertIn(b"another virtual machine uses it", second.stderr)

    def test_fw_cfg(self):
        """Reads kernel, size and command line by DMA, as EDK2 does."""
        kernel = os.urandom(0x3000)

        def dma(key, length, target):
            request = 0x40011000
            out = []
            for i, word in enumerate((key << 16 | 0xA, length, 0, target)):
                out += mov32(0, struct.unpack(">I", struct.pack("<I", word))[0]) + store(0, 5, 4 * i)
            out += mov32(0, struct.unpack(">I", struct.pack("<I", request))[0]) + store(0, 6, 0x14)
            return out

        code = vibe.code(
            *mov32(5, 0x40011000), *mov32(6, 0x09020000),
            *dma(0x11, len(kernel), 0x40012000), *dma(0x08, 4, 0x40010000), *dma(0x14, 4, 0x40010004), *dma(0x15, 5, 0x40010008),
            *dma(0x0B, 4, 0x40010010), *dma(0x12, 6, 0x40010014),
            *vibe.SYSTEM_OFF)
        m = self.run_firmware(code, "--kernel", self.write("k", kernel), "--cmdline", "a=bc", "--initrd", self.write("i", b"initrd"),
                              dump=0x2000 + len(kernel))
        self.assertEqual(m[0x2000:], kernel)
        self.assertEqual(struct.unpack_from("<II", m), (len(kernel), 5))
        self.assertEqual(m[8:13], b"a=bc\0")
        self.assertEqual(struct.unpack_from("<I", m, 16)[0], 6)
        self.assertEqual(m[20:26], b"initrd")

    def test_tree(self):
        p = vibe.run("--firmware", self.write("fw", vibe.POWER_OFF), "--initrd", self.write("i", b"x"), "--cmdline", "y",
                     "--dump-dtb", self.path("dtb"))
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        t = fdt.parse(self.read("dtb"))
        self.assertNotIn("linux,initrd-start", t["chosen"].props)  # it is in fw_cfg
        self.assertEqual(t["flash@0"].cells("reg"), [0, 0, 0, 64 << 20, 0, 64 << 20, 0, 64 << 20])

    def test_power_key(self):
        """SIGTERM: the pin goes up and down again, and nothing else happens; the second one ends vibevmm."""
        watch = vibe.code(
            0xD2A12001,  # mov x1, #0x09000000
            0xD2A12062,  # mov x2, #0x09030000
            0x52800823, 0x39000023,  # mov w3, #'A'; strb w3, [x1]
            0xB9402043,  # 1: ldr w3, [x2, #0x20]    pin 3
            0x36180000 | 0x3FFF << 5 | 3,  # tbz w3, #3, 1b
            0x52800843, 0x39000023,  # 'B'
            0xB9402043,  # 2: ldr w3, [x2, #0x20]
            0x37180000 | 0x3FFF << 5 | 3,  # tbnz w3, #3, 2b
            0x52800863, 0x39000023,  # 'C'
            0x14000000)
        p = subprocess.Popen([vibe.PROGRAM, "--firmware", self.write("fw", watch), "--powerkey", "--timeout", "30", "--stats=none"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        self.assertEqual(p.stdout.read(1), b"A")
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.stdout.read(2), b"BC")
        self.assertIsNone(p.poll())
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(timeout=vibe.LIMIT_S), 128 + signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
