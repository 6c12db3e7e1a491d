#!/usr/bin/env python3
"""The generator of the instruction table rejects each file of tests/bad-isa with the message that its first line gives; what
tools/a64spec.py makes of good ones; docs/instructions.md is current. Run: python3 tests/test_gen_isa.py"""

import glob
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
GENERATOR = os.path.join(ROOT, "tools", "gen_isa.py")
SPEC = os.path.join(ROOT, "src", "spec", "a64.isa")
sys.path.insert(0, os.path.join(ROOT, "tools"))
import a64spec  # noqa: E402

GOOD = """
feature LSE atomics
heading First
# B: left out
ADD sf:1! 0000000 sh:2! (11) x imm:9 Rn:5 Rd:5 | d=xw(Rd) n=xs(Rn) imm=simm9(imm) wide=u(imm) | add {R.d}, {R.n}<, #{imm}> | where=sh != 3 feat=LSE
    alias zero {R.d} | imm == 0 and not sf
ONE 0 0000000 00 (11) x 000000001 Rn:5 Rd:5 | n=xs(Rn) d=x(Rd) | one | over=ADD kind=load unpred=Rn == Rd
THREE sf:1 0000000 11 x:22 | - | three {x} | where=sf == 1
include more.isa
"""

MORE = """
# of no heading
heading Vectors
VECTOR Q:1! 1110000000 immh:4 0000000 Rn:5 Rd:5 | size=highest(immh)! d=vw(Rd) n=vr(Rn) | vector {vec d,size,Q}, {vec n,size,Q} | kind=simd where=Q and immh != 0
"""


def generate(*args):
    return subprocess.run([sys.executable, GENERATOR] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, check=False)


class BadInput(unittest.TestCase):
    def test_each_file_gives_its_error(self):
        files = sorted(glob.glob(os.path.join(HERE, "bad-isa", "*.isa")))
        self.assertGreaterEqual(len(files), 80)
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
        r = generate("/nonexistent.isa", "--check")
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stderr, "/nonexistent.isa: No such file or directory\n")

    def test_usage(self):
        self.assertEqual(generate(SPEC).returncode, 2)
        self.assertEqual(generate(SPEC, "--doc").returncode, 2)


class GoodInput(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        path = os.path.join(self.tmp.name, "good.isa")
        with open(path, "w", encoding="utf-8") as f:
            f.write(GOOD)
        with open(os.path.join(self.tmp.name, "more.isa"), "w", encoding="utf-8") as f:
            f.write(MORE)
        self.spec = a64spec.load(path)
        out = os.path.join(self.tmp.name, "out")
        r = generate(path, out)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.text = {}
        for name in os.listdir(out):
            with open(os.path.join(out, name), encoding="utf-8") as f:
                self.text[name] = f.read()

    def test_rows(self):
        add, one, three, vector = self.spec.rows
        self.assertEqual((add.mask, add.value), (0x7F000000, 0))
        self.assertEqual((add.should_mask, add.should_value), (3 << 20, 3 << 20))
        self.assertEqual(add.field["imm"][1:3], (10, 9))
        self.assertEqual(add.special_values(), [(sf, sh) for sf in (0, 1) for sh in (0, 1, 2)])
        self.assertEqual(add.features, ["LSE"])
        self.assertEqual([o.slot for o in self.spec.layout(add)], ["imm", "wide", "d", "n"])
        self.assertEqual((one.kind, one.over), ("load", "ADD"))
        self.assertTrue(one.unpredictable(0x00300000 | 1 << 10 | 4 << 5 | 4))
        self.assertFalse(one.unpredictable(0x00300000 | 1 << 10 | 4 << 5 | 5))
        self.assertTrue(three.where(1 << 31))
        self.assertFalse(three.where(0))
        self.assertEqual(vector.special_values(), [(1, 0), (1, 1), (1, 2), (1, 3)])
        self.assertEqual([vector.special_value(vector.special[1], {"immh": n}) for n in range(1, 16)], [0, 1, 1] + 4 * [2] + 8 * [3])
        self.assertEqual([r.simd_fp for r in self.spec.rows], [False, False, False, True])
        self.assertEqual(self.spec.omitted, [("First", "B: left out")])

    def test_find(self):
        self.assertEqual(self.spec.find(0x00300000).name, "ADD")
        self.assertEqual(self.spec.find(0x00300400).name, "ONE")
        self.assertEqual(self.spec.find(0x80300400).name, "ADD")
        self.assertEqual(self.spec.find(0x80C00000).name, "THREE")
        self.assertIsNone(self.spec.find(0x00C00000))
        self.assertIsNone(self.spec.find(0x01000000))

    def test_random_words_belong_to_their_row(self):
        rng = random.Random(1)
        for row in self.spec.rows:
            for _ in range(200):
                word = row.random_word(rng)
                self.assertTrue(row.matches(word))
                self.assertEqual(word & row.should_mask, row.should_value)
                self.assertIn(self.spec.find(word).name, (row.name, "ONE"))
                self.assertEqual(row.encode(row.fields(word), word), word)

    def test_handlers(self):
        text = self.text["a64_handlers.h"]
        self.assertEqual(re.findall(r"^a64_fn (\w+);$", text, re.M),
                         ["a64_op_ADD_0_0", "a64_op_ADD_0_1", "a64_op_ADD_0_2", "a64_op_ADD_1_0", "a64_op_ADD_1_1", "a64_op_ADD_1_2",
                          "a64_op_ONE", "a64_op_THREE"] + ["a64_op_VECTOR_1_%d" % n for n in range(4)])
        self.assertIn("#define A64_PARAMS_ADD struct cpu *c, const struct a64_insn *insn, const struct a64_args_ADD *a, "
                      "const unsigned sf, const unsigned sh\n", text)
        self.assertIn("a64_op_ADD_0_2, a64_op_unallocated, a64_op_ADD_1_0", self.text["a64_decode.c"])
        self.assertIn("{" + 4 * "a64_op_unallocated, " + "a64_op_VECTOR_1_0, ", self.text["a64_decode.c"])
        self.assertEqual(text.count("c->fp_trap"), 4)

    def test_args(self):
        self.assertIn("struct a64_args_ADD {\n    int16_t imm;\n    uint16_t wide;\n    uint8_t d;\n    uint8_t n;\n};\n", self.text["a64_args.h"])
        self.assertIn("struct a64_args_THREE {\n    uint8_t none;\n};\n", self.text["a64_args.h"])

    def test_doc(self):
        path = os.path.join(self.tmp.name, "doc.md")
        self.assertEqual(generate(self.spec.path, "--doc", path).returncode, 0)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        self.assertIn("| ADD | `add`, `zero` | FEAT_LSE |\n", text)
        self.assertIn("\nB: left out\n", text)
        self.assertIn("| FEAT_LSE | atomics | 1 |", text)


class RealSpec(unittest.TestCase):
    def test_doc_is_current(self):
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, "instructions.md")
            self.assertEqual(generate(SPEC, "--doc", path).returncode, 0)
            with open(path, encoding="utf-8") as new, open(os.path.join(ROOT, "docs", "instructions.md"), encoding="utf-8") as old:
                self.assertEqual(old.read(), new.read(),
                                 "run: python3 tools/gen_isa.py src/spec/a64.isa --doc docs/instructions.md")

    def test_every_row_can_be_made(self):
        spec = a64spec.load(SPEC)
        rng = random.Random(2)
        for row in spec.rows:
            self.assertTrue(any(spec.find(row.random_word(rng)) is row for _ in range(100)), row.name)

    def test_predicates_agree_with_decode_bit_masks(self):
        """Exactly the 5334 different 64-bit and 1302 32-bit constants can be encoded."""
        for sf, count in ((1, 5334), (0, 1302)):
            values = set()
            for n in range(2):
                for imms in range(64):
                    if not a64spec.bitmask_ok(sf, n, imms):
                        continue
                    size = 1 << ((n << 6 | ~imms & 63).bit_length() - 1)
                    for r in range(size):
                        ones = (1 << ((imms & (size - 1)) + 1)) - 1
                        element = (ones >> r | ones << (size - r)) & ((1 << size) - 1)
                        values.add(sum(element << i for i in range(0, 64 if sf else 32, size)))
            self.assertEqual(len(values), count)

    def test_move_wide_preferred(self):
        """It holds for exactly the bitmask constants that a MOVZ or MOVN makes, for the representation a compiler picks."""
        for sf in (0, 1):
            width = 64 if sf else 32
            full = (1 << width) - 1
            for imms in range(width - 1):
                for immr in range(width):
                    ones = (1 << (imms + 1)) - 1
                    value = (ones >> immr | ones << (width - immr)) & full
                    wide = any(v & ~(0xFFFF << s) == 0 for v in (value, value ^ full) for s in range(0, width, 16))
                    self.assertEqual(a64spec.move_wide_preferred(sf, sf, imms, immr), wide, (sf, imms, immr))


if __name__ == "__main__":
    unittest.main()
