"""Debian's kernel to a shell under --check-jit: with everything that the translator does, with each of its passes off, and made hard."""
import os
import platform
import tempfile
import unittest

import guests

WAYS = ("", "without=peel", "without=fold", "without=bounds", "without=flags", "without=dead", "without=probes", "without=registers", "without=peel+fold+bounds+flags+dead+probes+registers",
        "registers=random", "memory=slow", "cache=1M", "host-without=bmi2+lzcnt+avx+avx2+fma+sse4.2+avx512")


@unittest.skipUnless(platform.machine() in ("x86_64", "AMD64"), "no translator for this host")
class Jit(unittest.TestCase):
    def test_linux(self):
        kernel, _ = guests.kernel()
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        initrd = guests.initrd(os.path.join(tmp.name, "initrd.gz"))
        for way in WAYS:
            accel = ",".join(x for x in ("soft", way) if x)
            with self.subTest(way), guests.Guest("jit-" + (way or "all"), "--kernel", kernel, "--initrd", initrd, "--cmdline", "console=ttyAMA0 quiet",
                                                 "--check-jit", "--accel", accel, "--mem", "256M", "--timeout", str(guests.LIMIT_S),
                                                 "--stats=none") as g:
                g.expect(rb"init: Linux [^\n]* is up")
                g.expect(rb"# ")
                self.assertEqual(g.shell("seq 1 300 | sha256sum").split()[0], "1255c3948d0740be6ee391abe73520b6528d3bedbe1a045f0ccbded5beb8835a")
                g.send("poweroff -f\n")
                self.assertEqual(g.end(), 0)
                g.check_no_trouble()


if __name__ == "__main__":
    unittest.main()
