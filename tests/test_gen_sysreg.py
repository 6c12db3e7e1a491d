#!/usr/bin/env python3
"""The system register generator rejects each file of tests/bad-sysreg with the message that its first line gives, and
makes of a good file the C that the file says. Run: python3 tests/test_gen_sysreg.py"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
GENERATOR = os.path.join(HERE, "..", "tools", "gen_sysreg.py")
SPEC = os.path.join(HERE, "..", "src", "spec", "sysreg.spec")

GOOD = """
register A<n>_EL1 3 0 1 0 <n> for n in 1 4..5
    text    an "array"
    home    storage
    access  EL0:r EL1:rw
    effects mmu tlb
    63:32 RES0     # a comment
    31    RES1
    30:8  Wide =5      words
    7:4   RES0
    3:1   Look =2 ro   not written
    0     E
register B_EL1 2 3 0 1 2
    text    constant
    home    const
    access  EL1:r
    63:0  Id =0xfedcba9876543210
"""


def generate(spec, out):
    return subprocess.run([sys.executable, GENERATOR, spec, out], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, check=False)


class BadInput(unittest.TestCase):
    def test_each_file_gives_its_error(self):
        files = sorted(glob.glob(os.path.join(HERE, "bad-sysreg", "*.spec")))
        self.assertGreaterEqual(len(files), 40)
        for path in files:
            with self.subTest(os.path.basename(path)), tempfile.TemporaryDirectory() as tmp:
                with open(path, encoding="utf-8") as f:
                    expected = f.readline()[2:].strip()
                out = os.path.join(tmp, "out")
                r = generate(path, out)
                self.assertEqual(r.returncode, 1, r.stderr)
                self.assertRegex(r.stderr, r"^%s:\d+: %s\n$" % (re.escape(path), re.escape(expected)))
                self.assertFalse(os.path.exists(out), "wrote something")

    def test_missing_file(self):
        r = generate("/nonexistent.spec", "--check")
        self.assertEqual(r.returncode, 1)
        self.assertIn("/nonexistent.spec", r.stderr)


class GoodInput(unittest.TestCase):
    def generated(self, text):
        with tempfile.TemporaryDirectory() as tmp:
            spec = os.path.join(tmp, "good.spec")
            with open(spec, "w", encoding="utf-8") as f:
                f.write(text)
            r = generate(spec, os.path.join(tmp, "out"))
            self.assertEqual(r.returncode, 0, r.stderr)
            files = {}
            for name in os.listdir(os.path.join(tmp, "out")):
                with open(os.path.join(tmp, "out", name), encoding="utf-8") as f:
                    files[name] = f.read()
            return files

    def test_values(self):
        files = self.generated(GOOD)
        self.assertEqual(sorted(files), ["sysreg_fields.h", "sysreg_ids.h", "sysreg_table.c", "sysreg_table.h"])
        self.assertRegex(files["sysreg_ids.h"], r"SR_A1_EL1,\s+SR_A4_EL1,\s+SR_A5_EL1,\s+SR_B_EL1,\s+NR_SYSREGS")
        fields = files["sysreg_fields.h"]
        for line in ("A4_EL1_RESET UINT64_C(0x80000504)", "A4_EL1_WRITABLE UINT64_C(0x7fffff01)",
                     "A4_EL1_Wide UINT64_C(0x7fffff00)", "A4_EL1_Wide_LO 8",
                     "B_EL1_RESET UINT64_C(0xfedcba9876543210)", "B_EL1_WRITABLE UINT64_C(0x0)", "ENC_B_EL1 0x980a"):
            self.assertIn("#define %s\n" % line, fields)
        table = files["sysreg_table.c"]
        self.assertIn('.text = "an \\"array\\""', table)
        self.assertIn(".effects = EFFECT_MMU | EFFECT_TLB,", table)
        self.assertRegex(table, r"\.home = HOME_CONST,\s+\.read_el = 1,\s+\.write_el = 4,")
        self.assertRegex(table, r"\.home = HOME_STORAGE,\s+\.read_el = 0,\s+\.write_el = 1,")
        self.assertIn('{"Wide", 30, 8, "words"},', table)

    def test_rows_are_sorted_by_encoding(self):
        table = self.generated(GOOD)["sysreg_table.c"]
        names = re.findall(r'\.name = "(\w+)"', table)
        self.assertEqual(names, ["B_EL1", "A1_EL1", "A4_EL1", "A5_EL1"])


AS = shutil.which("aarch64-linux-gnu-as")
OBJCOPY = shutil.which("aarch64-linux-gnu-objcopy")


@unittest.skipUnless(AS and OBJCOPY, "no aarch64-linux-gnu binutils")
class Encodings(unittest.TestCase):
    def test_names_encode_as_the_assembler_has_them(self):
        with tempfile.TemporaryDirectory() as tmp:
            self.assertEqual(generate(SPEC, tmp).returncode, 0)
            with open(os.path.join(tmp, "sysreg_table.c"), encoding="utf-8") as f:
                rows = re.findall(r'\.name = "(\w+)".*?SYSREG_ENC\(([\d, ]+)\).*?\.read_el = (\d)', f.read(), re.S)
            rows = [r for r in rows if not re.match(r"S\d_", r[0])]
            self.assertGreater(len(rows), 100)
            source, obj, binary = (os.path.join(tmp, n) for n in ("a.s", "a.o", "a.bin"))
            with open(source, "w", encoding="utf-8") as f:
                f.write(".arch armv8.5-a+sve\n")
                for name, _, read_el in rows:
                    f.write("mrs x0, %s\n" % name if int(read_el) < 4 else "msr %s, x0\n" % name)
            subprocess.run([AS, "-o", obj, source], check=True)
            subprocess.run([OBJCOPY, "-O", "binary", obj, binary], check=True)
            with open(binary, "rb") as f:
                code = f.read()
            self.assertEqual(len(code), 4 * len(rows))
            for i, (name, enc, _) in enumerate(rows):
                word = int.from_bytes(code[4 * i : 4 * i + 4], "little")
                op0, op1, crn, crm, op2 = map(int, enc.split(","))
                want = op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
                self.assertEqual(word >> 5 & 0xFFFF, want, name)


if __name__ == "__main__":
    unittest.main()
