"""No memory, no descriptor, no thread: each allocation of a run fails in turn (tests/alloc/failing_alloc.c), alone or with all that come after it. The guest
runs without what it can do without, or there is one clean message, an exit status, and nothing left behind; with the address sanitizer no leak either."""
import os
import re
import subprocess
import tempfile
import unittest

import test_kernels
import vibe

# Beside the program under test; make failing-alloc.
HARNESS = os.path.join(os.path.dirname(vibe.PROGRAM), "failing-alloc", "vibevmm")
KERNEL = os.path.join(test_kernels.KERNELS, "console.raw")
# Not the statuses of a run that ended in an error.
SANITIZER = {name: "exitcode=99" for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS")}


def check_output(case, out, wanted):
    """What the harness prints: each run ended well, or with a message; and all sorts of allocations that are wanted were among them."""
    *lines, last = out.splitlines()
    end = re.match(r"END (\d+) 0 ", last)
    case.assertTrue(end, last)
    case.assertEqual(len(lines), int(end[1]))
    seen = set()
    for line in lines:
        m = re.fullmatch(r"(\d+) (\w+) \S+ (\d+) (.*)", line)
        case.assertTrue(m, line)
        status, text = int(m[3]), m[4]
        seen.add(m[2])
        case.assertIn(status, (0, 1, 2), line)
        case.assertNotRegex(text, "bug|crashed|Sanitizer", line)
        if status:
            case.assertRegex(text, r"vibevmm: [^|]+\|", line)
    case.assertLessEqual(wanted | {"malloc", "calloc", "realloc", "mmap", "memfd_create", "ftruncate", "pipe", "pthread_create"}, seen)


class FailingAlloc(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.mkdir(self.path("share"))
        with open(self.path("disk"), "wb") as f:
            f.truncate(1 << 20)

    def path(self, name):
        return os.path.join(self.folder, name)

    def check_run(self, *options, lasting=False):
        before = sorted(os.listdir(self.folder))
        env = dict(os.environ, **SANITIZER)
        if lasting:
            env["ALLOC_LASTING"] = "1"
        p = subprocess.run([HARNESS, "--stats=none", "--timeout", "20", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env,
                           timeout=3 * vibe.LIMIT_S, check=False)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        check_output(self, p.stdout, set())
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_software_cpu(self):
        self.check_run("--accel", "soft", "--binary", KERNEL)

    def test_translator_checked(self):
        self.check_run("--accel", "soft", "--check-jit", "--binary", KERNEL, lasting=True)

    def test_devices(self):
        self.check_run("--accel", "soft", "--binary", KERNEL, "--machine", "virt", "--entry", "0x40080000", "--mem", "64M", "--cpus", "2", "--disk",
                       "%s,overlay=%s" % (self.path("disk"), self.path("overlay")), "--share", self.path("share") + ",tag=x", "--vsock",
                       self.path("vsock"), "--rng", "--balloon", "--semihosting")

    def test_snapshot(self):
        subprocess.run([vibe.PROGRAM, "--accel", "soft", "--stats=none", "--binary", KERNEL, "--max-insns", "1000", "--snapshot-save", self.path("snap")],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=vibe.LIMIT_S, check=False)
        self.check_run("--accel", "soft", "--snapshot-load", self.path("snap"))

    def test_double_of_hypervisor_framework(self):
        """Of a guest for whose physical timer a thread starts while it runs."""
        self.check_run("--accel", "hvf", "--binary", os.path.join(test_kernels.KERNELS, "ptimer.raw"))

    def test_its_own_gic(self):
        self.check_run("--accel", "hvf,gic=framework", "--binary", os.path.join(test_kernels.KERNELS, "wfi.raw"), "--cpus", "2")
