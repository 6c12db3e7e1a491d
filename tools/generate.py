#!/usr/bin/env python3
"""Runs a generator into a fresh directory, then moves what changed to its place.

usage: generate.py NAME GENDIR GENERATOR ARGUMENT...

The generator is called as `GENERATOR ARGUMENT... DIR` and writes its files into DIR. If it fails, GENDIR is as before. Files
whose bytes did not change keep their time, so that make rebuilds only what has to be. GENDIR/NAME.mk, written last, adds the
C files to GEN_SRC and is what make looks at.
"""
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile


def main(argv):
    if len(argv) < 4:
        sys.stderr.write(__doc__)
        return 2
    name, gen_dir, command = argv[1], argv[2], argv[3:]
    os.makedirs(gen_dir, exist_ok=True)
    tmp = tempfile.mkdtemp(prefix=".%s." % name, dir=gen_dir)
    try:
        status = subprocess.call([sys.executable] + command + [tmp])
        if status:
            return status if status > 0 else 1
        files = sorted(os.listdir(tmp))
        if not files:
            sys.stderr.write("generate.py: %s wrote nothing\n" % command[0])
            return 1
        for f in files:
            new, old = os.path.join(tmp, f), os.path.join(gen_dir, f)
            if not (os.path.exists(old) and filecmp.cmp(new, old, shallow=False)):
                os.replace(new, old)
        listing = os.path.join(tmp, name + ".mk")
        with open(listing, "w") as out:
            for f in files:
                if f.endswith(".c"):
                    out.write("GEN_SRC += %s\n" % os.path.join(gen_dir, f))
        os.replace(listing, os.path.join(gen_dir, name + ".mk"))
        return 0
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
