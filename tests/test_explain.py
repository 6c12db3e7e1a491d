#!/usr/bin/env python3
"""Guests with the mistakes of young kernels, run by the program: it stops, with status 4 and the explanation on standard error.
The hints one by one are in tests/unit/test_explain.c. Run: python3 tests/test_explain.py"""

import os
import re
import tempfile
import unittest

import vibe

GUESTS = {
    "no_vectors": ((0xD4000001,), ["VBAR_EL1 was never written", "SVC instruction: #0x0"]),
    "fp": ((0x3DC00000,), ["CPACR_EL1.FPEN is 0", "VBAR_EL1 was never written", "Trapped FP, SIMD or SVE access"]),
    # mov x0, #0x0c000000; mov sp, x0; stp x29, x30, [sp, #-16]!
    "stack_outside": ((0xD2A18000, 0x9100001F, 0xA9BF7BFD), ["The stack pointer, 0xc000000, points outside RAM"]),
    # mov x0, sp; add x0, x0, #8; mov sp, x0; ldr x1, [sp]
    "stack_misaligned": ((0x910003E0, 0x91002000, 0x9100001F, 0xF94003E1), ["is misaligned: it must be a multiple of 16"]),
    # mov x1, #0x08010000; ldr w2, [x1]
    "gicv2": ((0xD2A10021, 0xB9400022), ["the CPU interface of a GICv2. This board has a GICv3"]),
    # mov x1, #0x0b000000; str w2, [x1]
    "no_device": ((0xD2A16001, 0xB9000022), ["A store to physical address 0xb000000, where neither memory nor a device is"]),
    # mov x0, #0x20000000; br x0
    "no_memory": ((0xD2A40000, 0xD61F0000), ["The PC, 0x20000000, is where no memory is"]),
    # mrs x0, sctlr_el1; orr x0, x0, #1; msr sctlr_el1, x0; isb
    "mmu_unmapped": ((0xD5381000, 0xB2400000, 0xD5181000, 0xD5033FDF), ["The MMU is on and the PC, 0x1000c, is not mapped"]),
    "ran_off": ((0xD503201F,), ["The PC, 0x10004, is in zeroed memory"]),
}


class Explain(unittest.TestCase):
    def run_guest(self, words, *options):
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, "guest.raw")
            with open(path, "wb") as f:
                f.write(vibe.code(*words))
            r = vibe.run("--binary", path, "--stats=none", *options)
            return r.returncode, r.stderr.decode("ascii")

    def test_guests(self):
        for name, (words, expected) in GUESTS.items():
            with self.subTest(name):
                status, text = self.run_guest(words, "--timeout", "20")
                self.assertEqual(status, 4, text)
                flat = re.sub(r"\s+", " ", text)
                for part in expected:
                    self.assertIn(part, flat)
                self.assertTrue(all(len(line) <= 80 for line in text.split("\n")), text)
                for title in ("Probable cause", "The code around 0x", "The last branches, latest first", "Registers"):
                    self.assertRegex(text, "(?m)^" + title)

    def test_keep_going(self):
        status, text = self.run_guest((0x9E670000,), "--keep-going", "--timeout", "0.3")
        self.assertEqual(status, 3, text)
        self.assertNotIn("Probable cause", text)


if __name__ == "__main__":
    unittest.main()
