"""Debian's kernel under gdb: its symbols out of its own Image, KASLR, backtraces (docs/debugging.md has the recipe)."""
import os
import re
import subprocess
import sys
import unittest

import gdb_client
import guests
import vibe
from gdb_client import Machine

TOOL = os.path.join(vibe.ROOT, "tools", "kernel_symbols.py")


def symbols(source, output):
    return subprocess.run([sys.executable, TOOL, source, output], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=vibe.LIMIT_S)


class KernelSymbols(vibe.InFolder):
    def test_lists(self):
        source, output = os.path.join(self.tmp, "list"), os.path.join(self.tmp, "elf")
        for text, expected in (("ffff800008000000 T _text\nffff800008000010 t f\nffff800008000020 D d\nffff80007a000000 t g\t[module]\n", ""),
                               ("0000000000000000 T _text\n0000000000000000 t f\n", "its addresses are hidden"),
                               ("ffffffffffffffff B The real System.map is elsewhere\n", "there are no symbols in it"),
                               ("ffff800008000000 T _text\nnonsense\n", "line 2 is not ADDRESS TYPE NAME"), ("what", "this is no Image"),
                               ("", "this is no Image"), ("\0" * 56 + "ARM\x64" + "\0" * 9999, "no table of symbols")):
            with open(source, "w") as f:
                f.write(text)
            p = symbols(source, output)
            self.assertEqual(p.returncode != 0, bool(expected), p.stdout)
            self.assertIn(expected, p.stdout)
            self.assertLessEqual(len(p.stdout.splitlines()), 1)
        with open(source, "w") as f:
            f.write("ffff800008000000 T _text\nffff800008000010 t f\nffff80007a000000 t g\t[module]\n")
        self.assertEqual(symbols(source, output).returncode, 0)
        if gdb_client.GDB:
            out = subprocess.run([gdb_client.GDB, "-nx", "-batch", "-ex", "info symbol 0xffff800008000012", "-ex", "info address g", output],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=vibe.LIMIT_S).stdout
            self.assertIn("f + 2 in section .text", out)
            self.assertIn('No symbol "g"', out)

    def test_debian(self):
        """From the physical first instruction, by a physical breakpoint, to names; then at any time, by VBAR_EL1."""
        kernel, _ = guests.kernel()
        elf = os.path.join(self.tmp, "kernel.elf")
        p = symbols(kernel, elf)
        self.assertEqual((p.returncode, p.stdout), (0, ""))
        initrd = guests.initrd(os.path.join(self.tmp, "initrd.gz"), run="#!/bin/sh\nwhile :; do cat /proc/uptime; sleep 0.02; done\n")
        with Machine("--kernel", kernel, "--initrd", initrd, "--cmdline", "console=ttyAMA0 arm64.nopauth", "--mem", "256M", "--cpus", "2", "--wait") as m:
            out = gdb_client.gdb(m, 'eval "monitor pbreak 0x%lx", $pc + (unsigned long)&start_kernel - (unsigned long)&_text', "continue",
                                 "p $kaslr = $pc - (unsigned long)&start_kernel", "symbol-file -o $kaslr " + elf, "x/i $pc", "monitor pdelete",
                                 "hbreak do_sys_openat2", "continue", "bt 20", "x/s $x1", "delete", "hbreak __handle_domain_irq", "hbreak generic_handle_domain_irq",
                                 "continue", "bt 20", "delete", "detach", elf=elf)
            self.check(out, r"at physical address 0x4\d+", r"=> 0xffff\w+ <start_kernel>:", r"hit Breakpoint \d, .* in do_sys_openat2 \(\)",
                       r"#1 .* in __arm64_sys_openat", "in invoke_syscall", r"in el0t_64_sync \(\)", r'0xffff\w+:\t"/', r"hit Breakpoint \d, .*handle_domain_irq \(\)",
                       r"in gic_handle_irq", r"in el[01][th]_64_irq", "detached")
            out = gdb_client.gdb(m, "symbol-file -o $VBAR_EL1-(long)&vectors " + elf, "p $VBAR_EL1 == (unsigned long)&vectors", "hbreak uptime_proc_show",
                                 "continue", "bt 20", "delete", "kill", elf=elf)
            self.check(out, r"\$1 = 1", r"in uptime_proc_show \(\)", r"in .*seq_read", r"in __arm64_sys_", r"in el0t_64_sync", "killed")
            self.assertEqual(m.end(), 0)

    def check(self, text, *parts):
        at = 0
        for part in parts:
            found = re.compile(part, re.M).search(text, at)
            self.assertTrue(found, "%r is not in the rest of:\n%s" % (part, text))
            at = found.end()


if __name__ == "__main__":
    unittest.main()
