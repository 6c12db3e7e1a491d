#!/usr/bin/env python3
"""Makes an initial RAM disk for Linux: busybox, an /init, kernel modules and other files. No root, no cpio needed.

usage: mkinitramfs.py --output FILE --busybox FILE [--init FILE] [--modules DIR NAME[,NAME]...] [--add FILE=PATH]...

--init     what runs first (default: tools/guest_init.sh, which gives a shell on the console)
--modules  kernel modules by name, with those they depend on, from the lib/modules/VERSION folder DIR; /init loads them in order
--add      another file; executable if it is

The archive is in the "newc" format (Linux Documentation/driver-api/early-userspace/buffer-format.rst), packed by gzip if FILE ends in .gz.
"""
import argparse
import gzip
import os
import re
import stat
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Archive:
    def __init__(self):
        self.out = bytearray()
        self.inode = 0
        self.folders = set()

    def entry(self, name, mode, content=b"", rdev=(0, 0), links=1):
        self.inode += 1
        name = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, links, 0, len(content), 0, 0, rdev[0], rdev[1], len(name), 0)
        self.out += b"070701" + b"".join(b"%08X" % f for f in fields) + name
        self.pad()
        self.out += content
        self.pad()

    def pad(self):
        self.out += bytes(-len(self.out) % 4)

    def folder(self, path):
        """The folder and those above it, once."""
        if path and path not in self.folders:
            self.folder(os.path.dirname(path))
            self.folders.add(path)
            self.entry(path, stat.S_IFDIR | 0o755, links=2)

    def file(self, path, content, mode=0o644):
        self.folder(os.path.dirname(path))
        self.entry(path, stat.S_IFREG | mode, content)

    def link(self, path, to):
        self.folder(os.path.dirname(path))
        self.entry(path, stat.S_IFLNK | 0o777, to.encode())

    def device(self, path, major, minor):
        self.folder(os.path.dirname(path))
        self.entry(path, stat.S_IFCHR | 0o600, rdev=(major, minor))

    def finish(self):
        self.inode = -1
        self.entry("TRAILER!!!", 0)
        return bytes(self.out)


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Modules:
    """The modules below a lib/modules/VERSION folder, by name."""

    def __init__(self, folder):
        self.path = {}
        for where, _, names in os.walk(folder):
            for n in names:
                if n.endswith(".ko"):
                    self.path[self.plain(n[:-3])] = os.path.join(where, n)
        if not self.path:
            sys.exit("mkinitramfs.py: %s: no kernel modules (.ko) in there" % folder)
        try:
            with open(os.path.join(folder, "modules.builtin"), encoding="ascii") as f:
                self.builtin = {self.plain(os.path.basename(line.strip())[:-3]) for line in f}
        except OSError:
            self.builtin = set()

    @staticmethod
    def plain(name):
        return name.replace("-", "_")

    def add(self, name, order):
        """Appends name behind those that it depends on."""
        name = self.plain(name)
        if name in order or name in self.builtin:
            return
        if name not in self.path:
            sys.exit("mkinitramfs.py: there is no module %s" % name)
        depends = re.search(rb"\0depends=([^\0]*)\0", read(self.path[name]))
        for d in filter(None, (depends.group(1).decode() if depends else "").split(",")):
            self.add(d, order)
        order.append(name)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--output", required=True)
    a.add_argument("--busybox", required=True)
    a.add_argument("--init", default=os.path.join(HERE, "guest_init.sh"))
    a.add_argument("--modules", nargs=2, metavar=("DIR", "NAMES"))
    a.add_argument("--add", action="append", default=[], metavar="FILE=PATH")
    o = a.parse_args()

    ar = Archive()
    for folder in ("dev", "proc", "sys", "tmp", "root", "etc", "mnt", "sbin", "usr/bin", "usr/sbin"):
        ar.folder(folder)
    ar.device("dev/console", 5, 1)
    ar.device("dev/null", 1, 3)
    ar.file("bin/busybox", read(o.busybox), 0o755)
    ar.link("bin/sh", "busybox")
    ar.file("init", read(o.init), 0o755)
    order = []
    if o.modules:
        modules = Modules(o.modules[0])
        for name in o.modules[1].split(","):
            modules.add(name, order)
        for name in order:
            ar.file("lib/modules/%s.ko" % name, read(modules.path[name]))
    ar.file("etc/modules", "".join(n + "\n" for n in order).encode())
    for spec in o.add:
        source, equals, path = spec.rpartition("=")
        if not equals:
            sys.exit("mkinitramfs.py: --add %s: write it as FILE=PATH" % spec)
        ar.file(path.lstrip("/"), read(source), 0o755 if os.access(source, os.X_OK) else 0o644)
    out = ar.finish()
    if o.output.endswith(".gz"):
        out = gzip.compress(out, 1, mtime=0)
    with open(o.output + ".tmp", "wb") as f:
        f.write(out)
    os.rename(o.output + ".tmp", o.output)


if __name__ == "__main__":
    main()
