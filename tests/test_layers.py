"""tools/check_layers.py finds what it is there to find, and the tree has none of it."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, "tools", "check_layers.py")


def run(root):
    p = subprocess.run([sys.executable, TOOL, root], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return p.returncode, p.stdout


class Layers(unittest.TestCase):
    def check(self, path, text, want):
        """want: part of the one line that this file must cause, or None."""
        with tempfile.TemporaryDirectory() as d:
            full = os.path.join(d, "src", path)
            os.makedirs(os.path.dirname(full))
            with open(full, "w") as f:
                f.write(text)
            status, out = run(d)
            if want is None:
                self.assertEqual((status, out), (0, ""))
            else:
                self.assertEqual(status, 1, out)
                self.assertEqual(len(out.splitlines()), 1, out)
                self.assertIn(want, out)

    def test_allowed(self):
        for path, target in (("arch/a.c", "base/bits.h"), ("mem/a.c", "base/err.h"), ("bus/a.c", "mem/ram.h"),
                             ("dev/a.c", "bus/bus.h"), ("cpu/a.c", "arch/walk.h"), ("hv/soft/a.c", "cpu/cpu.h"), ("hv/a.c", "cpu/cpu.h"),
                             ("hv/soft/a.c", "hv/hv.h"), ("vm/a.c", "dev/pl011.h"), ("dbg/a.c", "vm/vm.h"),
                             ("cli/a.c", "dbg/explain.h"), ("hv/a.h", "spec/exits.def"), ("cpu/a.c", "gen/a64_decode.h"),
                             ("dev/a.c", "load/fdt.h"), ("vm/a.c", "hv/soft/soft.h"), ("base/a.c", "base/b.h")):
            with self.subTest(path=path, target=target):
                self.check(path, '#include "%s"\n' % target, None)

    def test_forbidden(self):
        for path, target in (("base/a.c", "arch/esr.h"), ("arch/a.c", "mem/ram.h"), ("mem/a.c", "bus/bus.h"),
                             ("bus/a.c", "dev/pl011.h"), ("dev/a.c", "hv/hv.h"), ("dev/a.c", "cpu/cpu.h"),
                             ("cpu/a.c", "bus/bus.h"), ("cpu/a.c", "dev/pl011.h"), ("cpu/a.c", "hv/hv.h"),
                             ("hv/kvm/a.c", "cpu/cpu.h"), ("hv/soft/a.c", "vm/vm.h"),
                             ("vm/a.c", "dbg/gdb.h"), ("vm/a.c", "cli/options.h"), ("dbg/a.c", "cli/terminal.h"),
                             ("load/a.c", "vm/vm.h"), ("mem/a.c", "gen/sysreg_ids.h")):
            with self.subTest(path=path, target=target):
                self.check(path, '\n  #  include "%s"\n' % target, "src/%s:2: " % path)

    def test_unknown(self):
        self.check("net/a.c", "int x;\n", "net is no folder of the layering")
        self.check("stray.c", "int x;\n", "src itself is no folder")
        self.check("vm/a.c", '#include "net/a.h"\n', "no such folder")
        self.check("vm/a.c", '#include "vm.h"\n', "with its folder")
        self.check("vm/a.c", '#include "gen/other.h"\n', "belongs to no folder")

    def test_host_ifs(self):
        self.check("dev/a.c", "#ifdef __linux__\n#endif\n", "#if on the operating system")
        self.check("mem/a.c", "#if defined(__APPLE__)\n#endif\n", "#if on the operating system")
        self.check("base/os_posix.c", "#ifdef __APPLE__\n#endif\n", None)
        self.check("hv/kvm/a.c", "#ifdef __linux__\n#endif\n", None)

    def test_ends(self):
        self.check("vm/a.c", "void f(void)\n{\n    exit(1);\n}\n", "src/vm/a.c:3: ends the process")
        self.check("dev/a.c", "void f(void)\n{\n    abort();\n}\n", "ends the process")
        self.check("vm/a.c", '/* exit(1) */ const char *s = "exit(1)"; int vm_exit(int); // abort()\n', None)
        self.check("cli/main.c", "int main(void)\n{\n    _exit(1);\n}\n", None)

    def test_markers(self):
        self.check("vm/a.c", "/* TO" "DO */\n", "unfinished")

    def test_the_tree(self):
        self.assertEqual(run(ROOT), (0, ""))


if __name__ == "__main__":
    unittest.main()
