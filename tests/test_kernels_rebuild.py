"""Every committed .raw file is what its source builds, byte for byte, with each assembler that is here."""
import os
import shutil
import subprocess
import tempfile
import unittest

import vibe

KERNELS = os.path.join(vibe.ROOT, "tests", "kernels")


class Rebuild(unittest.TestCase):
    def rebuild(self, assembler):
        with tempfile.TemporaryDirectory() as out:
            subprocess.run([os.path.join(KERNELS, "build.sh"), "--with", assembler, "--out", out], check=True,
                           stdout=subprocess.DEVNULL)
            names = sorted(f for f in os.listdir(KERNELS) if f.endswith(".raw"))
            self.assertEqual(names, sorted(os.listdir(out)))
            for name in names:
                with open(os.path.join(KERNELS, name), "rb") as a, open(os.path.join(out, name), "rb") as b:
                    self.assertEqual(a.read(), b.read(), name)

    @unittest.skipUnless(shutil.which("aarch64-linux-gnu-as"), "no GNU cross assembler (binutils-aarch64-linux-gnu)")
    def test_gnu(self):
        self.rebuild("gnu")

    @unittest.skipUnless(shutil.which("clang"), "no clang")
    def test_clang(self):
        self.rebuild("clang")

    @unittest.skipUnless(shutil.which("clang"), "no clang")
    def test_macho(self):
        self.rebuild("macho")


if __name__ == "__main__":
    unittest.main()
