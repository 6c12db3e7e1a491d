#!/usr/bin/env python3
"""Holds the sources to the layering: which folder may include which, and what may stand only in a few files.

usage: check_layers.py [ROOT]        (ROOT has a src folder; default: this file's repository)

Prints one line for each violation, FILE:LINE: TEXT, and fails if there is any.
"""
import os
import re
import sys

# A folder may include itself and these. hv/soft and the like are folders of their own.
BELOW = {
    "base": [],
    "spec": [],
    "arch": ["base", "spec"],
    "mem": ["base"],
    "load": ["base", "arch", "mem"],
    "bus": ["base", "arch", "mem"],
    "dev": ["base", "arch", "mem", "bus", "load", "spec"],
    "cpu": ["base", "arch", "mem", "spec"],
    "hv": ["base", "arch", "mem", "spec"],
    "vm": ["base", "arch", "mem", "load", "bus", "dev", "cpu", "hv", "spec"],
    "dbg": ["base", "arch", "mem", "load", "bus", "dev", "cpu", "hv", "vm", "spec"],
    "cli": ["base", "arch", "mem", "load", "bus", "dev", "cpu", "hv", "vm", "dbg", "spec"],
}
# Backends: hv and what each may use beyond it. Only hv/soft knows the software CPU, and hv/emulate.c, which does by it what a native one leaves undone.
BACKENDS = {"hv/soft": ["cpu", "hv"], "hv/kvm": ["hv"], "hv/hvf": ["hv"]}
for _name, _extra in BACKENDS.items():
    BELOW[_name] = BELOW["hv"] + _extra
BELOW["hv"].append("cpu")
# cpu/jit stands on cpu, and cpu on it.
BELOW["cpu"].append("cpu/jit")
BELOW["cpu/jit"] = BELOW["cpu"] + ["cpu"]
# The vm layer names the backends in its one table.
BELOW["vm"] += list(BACKENDS)
# Explanations and traces show the inside of the software CPU.
BELOW["dbg"].append("hv/soft")
# Generated headers count as the folder whose data they are.
GENERATED = [("gen/sysreg", "arch"), ("gen/a64", "arch")]

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
OS_IF = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*\b(?:__linux__|__linux|__APPLE__|__MACH__|_WIN32)\b")
# Host parts: the name says so.
OS_FILES = re.compile(r"^src/(base/os_\w+\.[ch]|hv/(kvm|hvf)/.*|cpu/jit/host_\w+\.[ch])$|_(linux|macos)\.[ch]$")
ENDS = re.compile(r"(?<![\w.>])(exit|_exit|_Exit|abort|quick_exit)\s*\(")
MARKERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def folder_of(path):
    """The layer of a path below src: 'hv/soft' for backends, else the first part."""
    parts = path.split("/")
    two = "/".join(parts[:2])
    return two if len(parts) > 2 and two in BELOW else parts[0]


def strip_comments(text):
    """The same lines without comments and string contents, so that words in them are no calls."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def check_include(folder, target):
    """What is wrong with folder including target, or None."""
    if "/" not in target:
        return 'include "%s" with its folder, as "base/bits.h"' % target
    if target.startswith("gen/"):
        for prefix, owner in GENERATED:
            if target.startswith(prefix):
                if owner == folder or owner in BELOW[folder]:
                    return None
                return "%s may not include %s (it belongs to %s)" % (folder, target, owner)
        return "generated header %s belongs to no folder: name it in tools/check_layers.py" % target
    other = folder_of(target)
    if other not in BELOW:
        return "include of %s: no such folder in the layering" % target
    if other == folder or other in BELOW[folder]:
        return None
    return "%s may not include %s (allowed: %s)" % (folder, target, ", ".join(sorted(BELOW[folder])) or "nothing")


def check_tree(root):
    problems = []
    src = os.path.join(root, "src")
    if not os.path.isdir(src):
        return ["%s: no such folder" % src]
    for where, dirs, files in os.walk(src):
        dirs.sort()
        for name in sorted(files):
            full = os.path.join(where, name)
            path = os.path.relpath(full, src).replace(os.sep, "/")
            shown = "src/" + path
            if not name.endswith((".c", ".h", ".def")):
                continue
            folder = folder_of(path)
            if "/" not in path or folder not in BELOW:
                problems.append("%s:1: %s is no folder of the layering" % (shown, os.path.dirname(path) or "src itself"))
                continue
            with open(full, encoding="utf-8") as f:
                text = f.read()
            lines = text.split("\n")
            code = strip_comments(text).split("\n")
            for n, line in enumerate(lines, 1):
                m = INCLUDE.match(line)
                if m:
                    wrong = check_include(folder, m.group(1))
                    if wrong:
                        problems.append("%s:%d: %s" % (shown, n, wrong))
                if OS_IF.match(line) and not OS_FILES.search(shown):
                    problems.append("%s:%d: #if on the operating system outside the files named for it" % (shown, n))
                if MARKERS.search(line):
                    problems.append("%s:%d: unfinished: %s" % (shown, n, line.strip()))
                if ENDS.search(code[n - 1]) and folder != "cli" and path != "base/err.c":
                    problems.append("%s:%d: ends the process below the command line" % (shown, n))
    return problems


def main(argv):
    root = argv[1] if len(argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    problems = check_tree(root)
    for p in problems:
        print(p)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
